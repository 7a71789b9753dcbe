package safe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"main.(*Store).Update": "main.(*Store).Update",
		"größe.Maß µs 世界":      "größe.Maß µs 世界",
		"a\nb\tc":              `a\nb\tc`,
		"\x1b[31m\x07\x7f":     `\x1b[31m\x07\x7f`,
		"\u009b31m\u0085":      `\u009b31m\u0085`,
		"\u202eevil\u2066":     `\u202eevil\u2066`,
		"\u200b\ufeff\u2028":   `\u200b\ufeff\u2028`,
		"\U000e0041":           `\U000e0041`,
		"\xff\xfe":             `\xff\xfe`,
		"\uFFFD":               "\uFFFD",
	} {
		if got := Clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Clean(strings.Repeat("a", 1e6)); len(got) > maxText+100 || !strings.Contains(got, "998000 more characters") {
		t.Errorf("a long name becomes %d bytes: %.60s", len(got), got)
	}
}

func TestProse(t *testing.T) {
	for in, want := range map[string][]Piece{
		"one lock took 0.90 s, 95 % of all": {{"one lock took 0.90 s, 95 % of all", false}},
		"main.(*Store).Update takes it.":    {{"main.(*Store).Update", true}, {" takes it.", false}},
		"see (net/http.(*conn).serve), then": {
			{"see (", false}, {"net/http.(*conn).serve", true}, {"), then", false}},
		"read/write, a->b -> c":     {{"read/write, ", false}, {"a->b", true}, {" -> c", false}},
		"<b> at 14:02:30 & on":      {{"<b>", true}, {" at 14:02:30 ", false}, {"&", true}, {" on", false}},
		"say `x` and ](y)":          {{"say ", false}, {"`x`", true}, {" and ", false}, {"](y)", true}},
		"the callers' \"hot\" path": {{"the callers' \"hot\" path", false}},
	} {
		if d := cmp.Diff(want, Prose(in)); d != "" {
			t.Errorf("prose(%q):\n%s", in, d)
		}
	}
}
