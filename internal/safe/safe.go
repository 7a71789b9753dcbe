// Package safe makes what comes from strangers safe to pass on: texts that no terminal, Markdown or editor obeys, JSON
// that all readers read alike, and output that no runner of builds takes for commands. It knows no document.
package safe

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"inquest/analyze/claim"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
)

// valid makes a text one that JSON can hold, and bounds it. What is made of a document takes time for each of its
// characters, and nobody reads that many.
func valid(s string) string { return bound.Text(strings.ToValidUTF8(s, "\uFFFD")) }

// Copy returns a deep copy of a document in which every string is fit to be shown: see clean.
func Copy[D any](document *D) *D {
	out := *document
	walk(reflect.ValueOf(&out).Elem(), Clean)
	return &out
}

// Validate makes a document what reading its JSON would make of it: no nil slices, no invalid
// UTF-8, no text without bound, no numbers JSON cannot hold.
func Validate[D any](document *D) { walk(reflect.ValueOf(document).Elem(), valid) }

// walk replaces, in place but with fresh slices and pointers, every string below
// v by what text makes of it, nil slices by empty ones, and NaN and infinities
// by the nearest number.
func walk(v reflect.Value, text func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == TextType {
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

// Clean makes a string from the evidence safe to show: control characters,
// invisible and direction-changing ones become visible escapes, and what is too
// long is cut in the middle. It knows nothing of Markdown or HTML.
func Clean(s string) string {
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
