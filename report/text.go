package report

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"inquest/analyze/claim"
	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/prose"
)

// normalise makes r what Read would make of its JSON: no nil slices, no invalid
// UTF-8, no text without bound, no numbers JSON cannot hold.
func normalise(r *Report) {
	walk(reflect.ValueOf(r).Elem(), valid)
	r.Spans = spansOf(r)
}

// valid makes a text one that JSON can hold, and bounds it. What is made of a document takes time for each of its
// characters, and nobody reads that many.
func valid(s string) string { return bound.Text(strings.ToValidUTF8(s, "\uFFFD")) }

// cleaned returns a deep copy of r in which every string is fit to be shown: see clean.
func cleaned(r *Report) *Report {
	out := *r
	walk(reflect.ValueOf(&out).Elem(), clean)
	return &out
}

// walk replaces, in place but with fresh slices and pointers, every string below
// v by what text makes of it, nil slices by empty ones, and NaN and infinities
// by the nearest number.
func walk(v reflect.Value, text func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == textType {
			v.SetString(string(changed(v.Interface().(claim.Text), text)))
			return
		}
		v.SetString(text(v.String()))
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) {
			v.SetFloat(0)
		} else if math.IsInf(f, 0) {
			v.SetFloat(math.Copysign(math.MaxFloat64, f))
		}
	case reflect.Slice:
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		for i := range fresh.Len() {
			walk(fresh.Index(i), text)
		}
		v.Set(fresh)
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*time.Time]() {
			return
		}
		fresh := reflect.New(v.Type().Elem())
		fresh.Elem().Set(v.Elem())
		walk(fresh.Elem(), text)
		v.Set(fresh)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), text)
			}
		}
	}
}

// changed returns a text with its spans changed, or as one that the evidence says where it is cut as a whole.
func changed(t claim.Text, text func(string) string) claim.Text {
	if len(t) > maxText {
		if s := t.String(); text(s) != s {
			return claim.Said(text(s))
		}
	}
	return t.Each(func(k prose.Kind, s string) claim.Text { return prose.Of(k, text(s)) })
}

// maxText is how much of one string a view shows. A mangled name of many
// kilobytes is as hostile as an escape sequence.
const maxText = 2000

// clean makes a string from the evidence safe to show: control characters,
// invisible and direction-changing ones become visible escapes, and what is too
// long is cut in the middle. It knows nothing of Markdown or HTML.
func clean(s string) string {
	if n := utf8.RuneCountInString(s); n > maxText {
		runes := []rune(s)
		s = fmt.Sprintf("%s...(%d more characters)...%s", string(runes[:maxText-200]), n-maxText, string(runes[n-200:]))
	}
	if !strings.ContainsFunc(s, claim.Hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !claim.Hidden(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// piece is a stretch of a sentence: words, or code to be set as such.
type piece struct {
	Text string
	Code bool
}

// pieces cuts a sentence into words and code. Code is every word that is not
// plainly one of a human language: function names, paths, commands, and
// whatever markup a hostile name may hold.
func pieces(s string) []piece {
	var out []piece
	add := func(text string, code bool) {
		if text == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].Code == code && !code {
			out[n-1].Text += text
			return
		}
		out = append(out, piece{text, code})
	}
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			add(" ", false)
		}
		head, core, tail := outer(word)
		if plain(core) {
			add(word, false)
			continue
		}
		add(head, false)
		add(core, true)
		add(tail, false)
	}
	return out
}

// unitAfterNumber is a space that a line should not break at.
var unitAfterNumber = regexp.MustCompile(`(\d) (%|ns|µs|us|ms|s|s/s|x|B|[KMGT]iB)([ .,;:)/]|$)`)

// keepUnits ties numbers to their units with no-break spaces.
func keepUnits(s string) string { return unitAfterNumber.ReplaceAllString(s, "$1\u00a0$2$3") }

// capital is claim.Capital of words of ours.
func capital(s string) string { return claim.Capital(claim.Legacy(s)).String() }

// words is what a text or another value says, without marks.
func words(v any) string { return fmt.Sprint(v) }

// unmarked is texts as strings.
func unmarked(all []claim.Text) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = t.String()
	}
	return out
}

func capitals(all []claim.Text) []string {
	var out []string
	for _, t := range all {
		out = append(out, claim.Capital(t).String())
	}
	return out
}

// outer strips the punctuation a sentence puts around a word.
func outer(word string) (head, core, tail string) {
	from, to := 0, len(word)
	for from < to && strings.IndexByte(`"'(`, word[from]) >= 0 && !strings.HasPrefix(word[from:], "(*") {
		from++
	}
	open := strings.Count(word[from:], "(") - strings.Count(word[from:], ")")
	for ; from < to && strings.IndexByte(`.,;:!?"')`, word[to-1]) >= 0; to-- {
		if word[to-1] == ')' {
			if open >= 0 {
				break
			}
			open++
		}
	}
	return word[:from], word[from:to], word[to:]
}

// plain reports whether a word can mean nothing but itself in any format.
func plain(word string) bool {
	switch word {
	case "", "-", "->", "+", "=", "/", "%":
		return true
	}
	if clock.MatchString(word) {
		return true
	}
	runes := []rune(strings.TrimPrefix(word, "-"))
	if len(runes) == 0 || !wordRune(runes[0]) {
		return false
	}
	for i, r := range runes {
		switch {
		case wordRune(r), strings.ContainsRune("%,'/+-=", r):
		case r == '.' && i+1 < len(runes) && runes[i+1] >= '0' && runes[i+1] <= '9':
		default:
			return false
		}
	}
	return true
}

var clock = regexp.MustCompile(`^\d\d:\d\d:\d\d$`)

func wordRune(r rune) bool { return r >= 0x80 || unicode.IsLetter(r) || unicode.IsDigit(r) }
