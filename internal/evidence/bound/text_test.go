package bound

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, s := range []string{"", "main.f", strings.Repeat("é", MaxText/2), strings.Repeat("x", MaxText)} {
		if got := Text(s); got != s {
			t.Errorf("%d bytes are changed", len(s))
		}
	}
	seen := map[string]bool{}
	for _, c := range []string{"x", "é", "日", "😀"} {
		for cut := range 5 {
			s := strings.Repeat("y", cut) + strings.Repeat(c, MaxText)
			for _, s := range []string{s, s[:MaxText] + "z" + s[MaxText:], s + s} {
				got := Text([]byte(s))
				if len(got) > MaxText || len(got) < MaxText/2 || !utf8.ValidString(got) && utf8.ValidString(s) || Text(got) != got {
					t.Fatalf("%d bytes become %d: %.40q...", len(s), len(got), got)
				}
				if seen[got] {
					t.Fatal("two texts become one")
				}
				seen[got] = true
			}
		}
	}
	if got := Text(strings.Repeat("\x80", 2*MaxText)); len(got) > MaxText {
		t.Errorf("%d bytes", len(got))
	}
}
