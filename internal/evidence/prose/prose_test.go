package prose

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"inquest/internal/evidence/bound"
)

func spans(t Text) string {
	var all []string
	for k, s := range t.Spans() {
		all = append(all, fmt.Sprintf("%c:%s", k, s))
	}
	return strings.Join(all, "|")
}

// TestTextf says what each argument becomes, and that the text is what fmt makes of it.
func TestTextf(t *testing.T) {
	for _, c := range []struct {
		text  Text
		want  string
		spans string
	}{
		{Textf("all of it"), "all of it", "w:all of it"},
		{Textf("%s waits", Func("main.f")), "main.f waits", "f:main.f|w: waits"},
		{Textf("%d of %.1f%%, %v", 12, 3.25, time.Second), "12 of 3.2%, 1s", "n:12|w: of |n:3.2|w:%, |n:1s"},
		{Textf("it said %q", `a "b"`), `it said "a \"b\""`, `w:it said |q:"a \"b\""`},
		{Textf("it said %s", "main.f"), "it said main.f", "w:it said |t:main.f"},
		{Textf("%s", errors.New("no")), "no", "t:no"},
		{Textf("(%s)", Textf("in %s", Path("a/b.pb"))), "(in a/b.pb)", "w:(in |p:a/b.pb|w:)"},
		{Textf("%s and %s", Text("ours"), Code("x.go:7")), "ours and x.go:7", "w:ours and |s:x.go:7"},
		{Textf("%5d|%-4s", 7, "x"), "    7|x   ", "n:    7|w:||t:x   "},
		{Textf("%s", ""), "", ""},
		{Join([]Text{"a", Textf("%s", "b")}, ", "), "a, b", "w:a, |t:b"},
		{Join([]Func{"f", "g"}, " and "), "f and g", "f:f|w: and |f:g"},
		{Textf("%d"), "%!d(MISSING)", "w:%!d(MISSING)"},
	} {
		if got := c.text.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if got := spans(c.text); got != c.spans {
			t.Errorf("%s, want %s", got, c.spans)
		}
	}
}

// FuzzMarks holds what is read to forging no mark, and marks to surviving JSON.
func FuzzMarks(f *testing.F) {
	for _, s := range []string{"main.f", "a\xf5b\xff", "\xff", "é\xc3", "x\xfe\xf9y", strings.Repeat("x", bound.MaxText+1), ""} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		text := Textf("it says %s and %q in %s", a, b, Func(a)).Valid()
		if !utf8.ValidString(text.String()) || len(text.String()) > bound.MaxText+200 {
			t.Fatalf("%q", text.String())
		}
		said := 0
		for k, s := range text.Spans() {
			if s == "" {
				t.Errorf("an empty span in %q", string(text))
			}
			if k == Words && len(s) > len("it says  and ") {
				t.Errorf("%q are no words of ours", s)
			}
			said++
		}
		if want := fmt.Sprintf("it says %s and %q in %s", strings.ToValidUTF8(a, "\uFFFD"), b, strings.ToValidUTF8(a, "\uFFFD")); len(want) < bound.MaxText && text.String() != want {
			t.Errorf("%q, want %q", text, want)
		}
		data, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var back Text
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if back.Marks() != "" {
			t.Errorf("what was read is %s", spans(back))
		}
		if again, ok := Marked(back.String(), text.Marks()); text.Marks() != "" && (!ok || spans(again) != spans(text)) {
			t.Errorf("%s, was %s", spans(again), spans(text))
		}
	})
}

// Marks that do not fit are refused.
func TestMarkedRefuses(t *testing.T) {
	for _, marks := range []string{"", "3w", "5w", "2w2x", "w4w", "0w4w", "99999999999999999999w", "1w3w", "-4w", "4", "4w1w"} {
		if got, ok := Marked("éab", marks); ok {
			t.Errorf("%q: %s", marks, spans(got))
		}
	}
	if got, ok := Marked("éab", "2w2f"); !ok || spans(got) != "w:é|f:ab" {
		t.Errorf("%v %s", ok, spans(got))
	}
}
