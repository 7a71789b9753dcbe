package logline

import "bytes"

// Signs are what stands in a line of the few characters that readers look for. Every line is
// looked at once for them, so that most readers need not look at most lines.
type Signs uint16

// The signs that readers ask for.
const (
	Says      Signs = 1 << iota // a colon before a blank or at the end, as behind "panic" and "[running]"
	At                          // @
	Percent                     // %
	Semicolon                   // ;
	Quote                       // "
	Open                        // (
	Equals                      // =
	Backslash                   // \
	dot                         // .
	colon                       // :
	repair                      // what [cleaner] would change wherever it stands
	rare                        // whatever is left but letters, digits, blanks and the punctuation of sentences
)

// Any are the signs of a line that nobody has looked at.
const Any = ^Signs(0)

// signs are those of each character.
var signs = func() (t [256]Signs) {
	for c := range t {
		t[c] = rare
	}
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \t\r\n,-_/+*!?'^$" {
		t[c] = 0
	}
	for c, s := range map[byte]Signs{'@': At, '%': Percent, ';': Semicolon, '"': Quote, '(': Open, '=': Equals, '\\': Backslash, '.': dot, ':': colon} {
		t[c] = s
	}
	for _, c := range []byte{'<', '&', 0x1b, 0, 0xc2, 0xe2, 0xe3, 0xef} {
		t[c] = repair
	}
	return t
}()

// Scan tells the signs of a line.
func Scan(line []byte) Signs {
	var a, b, c, d Signs
	rest := line
	for len(rest) >= 4 {
		a |= signs[rest[0]]
		b |= signs[rest[1]]
		c |= signs[rest[2]]
		d |= signs[rest[3]]
		rest = rest[4:]
	}
	for _, x := range rest {
		a |= signs[x]
	}
	s := a | b | c | d
	if s&colon == 0 {
		return s
	}
	for at := 0; ; at++ {
		i := bytes.IndexByte(line[at:], ':')
		if i < 0 {
			return s
		}
		if at += i; at+1 == len(line) || line[at+1] <= ' ' {
			return s | Says
		}
	}
}

// Words is a run of lines that hold no signs at all: blank ones, words, numbers.
type Words struct {
	First  int    // number of the first line
	Lines  int    // how many
	Filled int    // how many of them are not blank
	Text   []byte // all of them, with their ends
}

// Last goes through the last lines of the run, n at most, in order.
func (w *Words) Last(n int, take func(line []byte)) {
	from := len(w.Text)
	for ; n > 0 && from > 0; n-- {
		from = bytes.LastIndexByte(w.Text[:from-1], '\n') + 1
	}
	for text := w.Text[from:]; len(text) > 0; {
		end := bytes.IndexByte(text, '\n')
		take(trimEnd(text[:end+1]))
		text = text[end+1:]
	}
}

// words returns the run of lines that a text begins with, which may be empty.
func words(text []byte) (w Words) {
	end, filled := 0, 0
	for i, c := range text {
		switch {
		case c == '\n':
			end = i + 1
			w.Lines++
			w.Filled += filled
			filled = 0
		case signs[c] != 0:
			w.Text = text[:end]
			return w
		case c > ' ':
			filled = 1
		}
	}
	w.Text = text[:end]
	return w
}
