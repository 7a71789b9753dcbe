// Package prose is text that knows which of its stretches are our own words and which name something: a function, a
// file, a path, a number, what a log says. Redaction and the writers go by that, and nobody reads a sentence back. It
// knows no language and no format.
package prose

import (
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"inquest/internal/evidence/bound"
)

// Text is words of ours with marked spans in between. A constant is words alone, and so is "a" + "b"; what comes from
// the evidence enters by Textf, or by one of the types that say what it is, and stays marked in whatever it is added to.
// To convert a string that is no constant claims that it is ours, and nothing does.
//
// Marks are bytes that no UTF-8 holds, so that nothing that is read can forge them. They show nowhere: String and JSON
// leave them out.
type Text string

// Kind is what a span is.
type Kind byte

// The kinds of spans. The letters are part of the JSON contract.
const (
	Words     Kind = 'w' // our own
	Number    Kind = 'n' // with its unit, a time or a version of Go
	Function  Kind = 'f' // name of a function
	Pattern   Kind = 'r' // the same as a regular expression for go tool pprof
	Source    Kind = 's' // a source file, perhaps with a line
	File      Kind = 'p' // path or name of an exhibit
	Exhibit   Kind = 'e' // id of an exhibit
	LabelPair Kind = 'l' // key=value
	Said      Kind = 't' // what the evidence says
	Quote     Kind = 'q' // the same between double quotes, as %q writes it
	Old       Kind = 'o' // a sentence that was made without marks
)

const kinds = "nfrsplqtoe" // their marks follow one another

const (
	firstMark = 0xF5 // no UTF-8 has it, nor what follows
	endMark   = 0xFF
)

func markOf(k Kind) byte {
	return firstMark + byte(strings.IndexByte(kinds, byte(k)))
}

// Of returns a span of a kind.
func Of(k Kind, s string) Text {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if k == Words || s == "" {
		return Text(s)
	}
	return Text([]byte{markOf(k)}) + Text(s) + Text([]byte{endMark})
}

// Func is the name of a function.
type Func string

// Text marks it.
func (f Func) Text() Text { return Of(Function, string(f)) }

// Path is the path of an exhibit.
type Path string

// Text marks it.
func (p Path) Text() Text { return Of(File, string(p)) }

// Code is a source file, perhaps with a line: ledger.go:12.
type Code string

// Text marks it.
func (c Code) Text() Text { return Of(Source, string(c)) }

// ID is the id of an exhibit.
type ID string

// Text marks it.
func (i ID) Text() Text { return Of(Exhibit, string(i)) }

// Label is key=value.
type Label string

// Text marks it.
func (l Label) Text() Text { return Of(LabelPair, string(l)) }

// Num is a number that is written already, with its unit, a time or a version of Go.
type Num string

// Text marks it.
func (n Num) Text() Text { return Of(Number, string(n)) }

// Legacy marks a sentence whose names are not marked: redaction guesses them.
func Legacy(s string) Text { return Of(Old, s) }

// Texter is what can say of itself which words it is.
type Texter interface{ Text() Text }

// Format is a format: words of ours with verbs in it. Nothing but a constant becomes one.
type Format string

// Textf is fmt.Sprintf with the format as words of ours. What an argument is follows from its type: a Text is put in as
// it is, a Texter says it, numbers and durations are numbers. A string, and whatever else there is, is what the
// evidence says: to be replaced as a whole.
func Textf(format Format, args ...any) Text {
	var b strings.Builder
	rest, next := string(format), 0
	for {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		n := 1
		for i+n < len(rest) && strings.IndexByte("+-# 0123456789.", rest[i+n]) >= 0 {
			n++
		}
		if i+n == len(rest) {
			b.WriteString("%!(NOVERB)")
			break
		}
		verb := rest[i : i+n+1]
		rest = rest[i+n+1:]
		switch {
		case verb == "%%":
			b.WriteByte('%')
		case next == len(args):
			b.WriteString("%!" + verb[len(verb)-1:] + "(MISSING)")
		default:
			b.WriteString(string(span(verb, args[next])))
			next++
		}
	}
	if next < len(args) {
		b.WriteString("%!(EXTRA)")
	}
	return Text(b.String())
}

func span(verb string, arg any) Text {
	plain := verb == "%s" || verb == "%v" || verb == "%w"
	switch a := arg.(type) {
	case Text:
		if plain {
			return a
		}
	case Texter:
		if plain {
			return a.Text()
		}
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr, float32, float64, time.Duration, bool:
		return Of(Number, fmt.Sprintf(verb, arg))
	}
	if verb == "%q" {
		return Of(Quote, fmt.Sprintf(verb, arg))
	}
	if verb == "%w" {
		verb = "%v"
	}
	return Of(Said, fmt.Sprintf(verb, arg))
}

// Join is strings.Join.
func Join[T ~string](all []T, between Text) Text {
	var b strings.Builder
	for i, t := range all {
		if i > 0 {
			b.WriteString(string(between))
		}
		if m, ok := any(t).(Texter); ok {
			b.WriteString(string(m.Text()))
		} else {
			b.WriteString(string(Textf("%s", any(t))))
		}
	}
	return Text(b.String())
}

// Spans yields the stretches of a text in order, none empty.
func (t Text) Spans() iter.Seq2[Kind, string] {
	return func(yield func(Kind, string) bool) {
		kind, from, s := Words, 0, string(t)
		for i := 0; i <= len(s); i++ {
			if i < len(s) && s[i] < firstMark {
				continue
			}
			if from < i && !yield(kind, s[from:i]) {
				return
			}
			from = i + 1
			kind = Words
			if i < len(s) && s[i] != endMark && int(s[i]-firstMark) < len(kinds) {
				kind = Kind(kinds[s[i]-firstMark])
			}
		}
	}
}

// Holds reports whether a stretch of a kind is s.
func (t Text) Holds(kind Kind, s string) bool {
	for k, is := range t.Spans() {
		if k == kind && is == s {
			return true
		}
	}
	return false
}

// List joins words as a sentence does: "a, b and c".
func List[T ~string](words []T) Text {
	if len(words) < 2 {
		return Join(words, "")
	}
	last := len(words) - 1
	return Join(words[:last], ", ") + " and " + Join(words[last:], "")
}

// String is the text without its marks.
func (t Text) String() string {
	s := string(t)
	i := 0
	for i < len(s) && s[i] < firstMark {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, s := range t.Spans() {
		b.WriteString(s)
	}
	return b.String()
}

// Each returns the text with every stretch replaced.
func (t Text) Each(replace func(Kind, string) Text) Text {
	var b strings.Builder
	for k, s := range t.Spans() {
		b.WriteString(string(replace(k, s)))
	}
	return Text(b.String())
}

// Head is the first n bytes of the text without its marks, marked.
func (t Text) Head(n int) Text {
	return t.Each(func(k Kind, s string) Text {
		s = s[:min(n, len(s))]
		n -= len(s)
		return Of(k, s)
	})
}

// Valid returns the text as JSON can hold it, no longer than bound.MaxText.
func (t Text) Valid() Text {
	if s := t.String(); len(s) > bound.MaxText {
		return Of(Said, bound.Text(strings.ToValidUTF8(s, "\uFFFD")))
	}
	return t.Each(func(k Kind, s string) Text { return Of(k, s) })
}

// MarshalText leaves the marks out. A document keeps them beside its texts: see Marks.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes a text for what the evidence says until somebody who knows marks it: see Marked.
func (t *Text) UnmarshalText(text []byte) error {
	*t = Of(Said, string(text))
	return nil
}

// Marks tells the spans of a text, as lengths in bytes of UTF-8 and letters of kinds: "12w6f8w". It is empty where all
// of the text is what the evidence says.
func (t Text) Marks() string {
	var b strings.Builder
	last, length := Kind(0), 0
	flush := func() {
		if length > 0 {
			fmt.Fprintf(&b, "%d%c", length, last)
		}
	}
	said := true
	for k, s := range t.Spans() {
		said = said && k == Said
		if k == Words && last == Words { // what is between two words is no border
			length += len(s)
			continue
		}
		flush()
		last, length = k, len(s)
	}
	if said {
		return ""
	}
	flush()
	return b.String()
}

// Marked is the reverse of String and Marks together; false where the marks do not fit.
func Marked(s, marks string) (Text, bool) {
	var b strings.Builder
	for n := 0; marks != ""; marks = marks[1:] {
		c := marks[0]
		switch {
		case c >= '0' && c <= '9' && n <= bound.MaxText:
			n = 10*n + int(c-'0')
			continue
		case n == 0 || n > len(s) || Kind(c) != Words && strings.IndexByte(kinds, c) < 0:
			return "", false
		case n < len(s) && !utf8.RuneStart(s[n]):
			return "", false
		}
		b.WriteString(string(Of(Kind(c), s[:n])))
		s, n = s[n:], 0
	}
	return Text(b.String()), s == ""
}

// Errorf is fmt.Errorf, for an error that says as a text what it is: an error among the arguments is wrapped, and
// where it is none of ours it is what the system says.
func Errorf(format Format, args ...any) error {
	e := &fault{text: Textf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.wrapped = append(e.wrapped, err)
		}
	}
	return e
}

type fault struct {
	text    Text
	wrapped []error
}

// Error is the text without its marks.
func (e *fault) Error() string { return e.text.String() }

// Text is what the error says.
func (e *fault) Text() Text { return e.text }

// Unwrap returns the errors that it was made of.
func (e *fault) Unwrap() []error { return e.wrapped }
