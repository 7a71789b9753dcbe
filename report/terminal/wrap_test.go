package terminal

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"took 12.4 ms in all", []string{"took", "12.4 ms in", "all"}},
		{"at example.com/a/b.F", []string{"at", "example.", "com/a/b.F"}},
		{"", []string{""}},
		{"abcdefghijklm", []string{"abcdefghij", "klm"}},
		{"世界世界世界", []string{"世界世界世", "界"}},
	} {
		if d := cmp.Diff(c.want, wrap(c.text, 10)); d != "" {
			t.Errorf("%q:\n%s", c.text, d)
		}
	}
}
