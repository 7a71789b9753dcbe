package reporttest_test

import (
	"bytes"
	"io"
	"testing"

	"inquest/internal/safe"
	"inquest/report/internal/reporttest"
)

// TestGuardInPieces holds the guard to the same bytes however they come.
func TestGuardInPieces(t *testing.T) {
	for _, s := range reporttest.Baits {
		var whole, pieces bytes.Buffer
		text := "first\n" + s + "\n" + s
		_, _ = io.WriteString(safe.NewGuard(&whole), text)
		g := safe.NewGuard(&pieces)
		for i := range len(text) {
			if n, err := g.Write([]byte(text[i : i+1])); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if whole.String() != pieces.String() {
			t.Errorf("%q: whole %q, in pieces %q", s, whole.String(), pieces.String())
		}
		if line := reporttest.Obeys(whole.String(), func(string) bool { return false }); line != "" {
			t.Errorf("a runner obeys %q", line)
		}
	}
}
