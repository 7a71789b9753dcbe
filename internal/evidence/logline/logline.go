// Package logline reads texts line by line and takes from each line what the log
// put around it: prefixes, time stamps, colours, the strings of JSON records. It
// knows nothing of what the lines say.
package logline

import (
	"bytes"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"inquest/internal/evidence/bound"
)

// perLineByte is what a byte of a line that is longer than the reader's buffer takes
// while it is looked at: the line, what it was before it grew, and the strings in it
// that are decoded, inside one another.
const perLineByte = 6

// chunks hands a text of any size to take in pieces, each of whole lines with their ends; the last
// may lack its end. A piece is only good until take returns. A line that is longer than
// a piece comes alone and is paid for from memory; where it does not fit, its beginning is
// handed over, and cut counts it. The error is that of r.
func chunks(r io.Reader, memory *bound.Account, take func(lines []byte)) (cut int, err error) {
	buf := make([]byte, 256<<10)
	n := 0          // bytes in it, without an end of line
	var long []byte // a line longer than the buffer
	var paid int64
	full := false
	add := func(piece []byte) {
		price := int64(len(piece)) * perLineByte
		if full = full || memory.Grow(price) != nil; full {
			return
		}
		paid += price
		if len(long)+len(piece) > cap(long) {
			long = slices.Grow(long, max(len(long), len(piece)))
		}
		long = append(long, piece...)
	}
	ended := func() {
		if full {
			cut++
		}
		if len(long) > 0 {
			take(long)
		}
		if cap(long) > 1<<20 {
			long = nil
		}
		memory.Shrink(paid)
		long, paid, full = long[:0], 0, false
	}
	for nothing := 0; err == nil; {
		if n == len(buf) {
			add(buf)
			n = 0
		}
		var m int
		m, err = r.Read(buf[n:])
		if nothing++; m > 0 {
			nothing = 0
		} else if nothing == 100 && err == nil {
			err = io.ErrNoProgress
		}
		from := 0
		if len(long) > 0 || full {
			if i := bytes.IndexByte(buf[n:n+m], '\n'); i >= 0 {
				add(buf[:n+i+1])
				ended()
				from = n + i + 1
			}
		}
		end := max(from, n+bytes.LastIndexByte(buf[n:n+m], '\n')+1)
		if end == n { // no end of line in what is new
			end = from
		}
		if end > from {
			take(buf[from:end])
		}
		n = copy(buf, buf[end:n+m])
	}
	if len(long) > 0 || full {
		add(buf[:n])
		ended()
	} else if n > 0 {
		take(buf[:n])
	}
	if err == io.EOF {
		err = nil
	}
	return cut, err
}

// Carrier is what a log put around the first line of a message, by which the
// further lines are freed of the same.
type Carrier struct {
	Keys   []string // openings of the quoted strings it stands in, outermost first
	Prefix []byte   // what stood before it on its line
}

// trimEnd cuts the end of a line.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimRight(line, "\r")
}

// Plain returns the line without terminal colours.
func Plain(line []byte) []byte {
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return colour.ReplaceAll(line, nil)
}

var colour = regexp.MustCompile("\x1b(?:\\[[0-9;:?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\))")

// Bare returns what a line of the message says, without what the log put around it.
func (c *Carrier) Bare(line []byte) []byte {
	line = c.strip(Plain(line))
	if after, ok := bytes.CutPrefix(line, []byte("#011")); ok { // how rsyslog writes a tab
		return append([]byte("\t"), after...)
	}
	return line
}

// strip removes from a line the prefix that the first line had, where numbers
// and the width of white space may differ: time stamps, process ids. A line
// without it is returned as it is: often only the first line of a message has one.
func (c *Carrier) strip(line []byte) []byte {
	p := c.Prefix
	if len(p) == 0 {
		return line
	}
	i, j := 0, 0
	for i < len(p) {
		switch b := p[i]; {
		case j == len(line):
			if len(bytes.TrimSpace(p[i:])) > 0 {
				return line
			}
			return nil
		case isDigit(b):
			if !isDigit(line[j]) {
				return line
			}
			i += digits(p[i:])
			j += digits(line[j:])
		case b == ' ' || b == '\t':
			if line[j] != ' ' && line[j] != '\t' {
				return line
			}
			n := blanks(p[i:])
			if m := blanks(line[j:]); i+n == len(p) { // what is more belongs to the text
				j += min(n, m)
			} else {
				j += m
			}
			i += n
		case b == line[j]:
			i++
			j++
		case b == '.' && i > 0 && isDigit(p[i-1]) && digits(p[i+1:]) > 0: // time.RFC3339Nano omits a fraction of zero
			i += 1 + digits(p[i+1:])
		case line[j] == '.' && j > 0 && isDigit(line[j-1]) && digits(line[j+1:]) > 0:
			j += 1 + digits(line[j+1:])
		default:
			return line
		}
	}
	return line[j:]
}

func blanks(s []byte) int { return len(s) - len(bytes.TrimLeft(s, " \t")) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Quoted returns the value of the quoted string that the position stands in, and
// what introduces it: `"log":"` in JSON, `stack="` in logfmt.
func Quoted(line []byte, at int) (value []byte, key string, ok bool) {
	open := openQuote(line, at)
	if open < 0 {
		return nil, "", false
	}
	start := open
	if before := bytes.TrimRight(line[:open], " "); bytes.HasSuffix(before, []byte(":")) {
		before = bytes.TrimRight(before[:len(before)-1], " ")
		if bytes.HasSuffix(before, []byte(`"`)) {
			start = max(openQuote(line, len(before)-1), 0)
		}
	} else {
		for start > 0 && line[start-1] > ' ' && open-start < 100 {
			start--
		}
	}
	return unescape(nil, line[open+1:]), string(line[start : open+1]), true
}

// openQuote returns the last quotation mark before at that is not escaped, or -1.
func openQuote(line []byte, at int) int {
	for i := at - 1; i >= 0; i-- {
		if line[i] != '"' {
			continue
		}
		n := 0
		for i-n > 0 && line[i-n-1] == '\\' {
			n++
		}
		if n%2 == 0 {
			return i
		}
	}
	return -1
}

// After returns the value of the quoted string that key introduces. It may be written into buf.
func After(buf, line []byte, key string) ([]byte, bool) {
	i := bytes.Index(line, []byte(key))
	if i < 0 {
		return nil, false
	}
	return unescape(buf[:0], line[i+len(key):]), true
}

// unescape decodes a string of JSON, or of Go, up to its closing quotation mark, and appends it to out.
func unescape(out, s []byte) []byte {
	if out == nil {
		out = make([]byte, 0, len(s))
	}
	tail := len(s) + 1 // bytes from the next quotation mark to the end; more than there are when it is not known
	for len(s) > 0 {
		if tail > len(s) {
			tail = 0
			if i := bytes.IndexByte(s, '"'); i >= 0 {
				tail = len(s) - i
			}
		}
		quote := len(s) - tail
		i := bytes.IndexByte(s[:quote], '\\')
		if i < 0 {
			return append(out, s[:quote]...)
		}
		out = append(out, s[:i]...)
		if i == len(s)-1 {
			return out
		}
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'x', 'u', 'U':
			size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			r, ok := hexRune(s, size)
			if !ok {
				continue
			}
			s = s[size:]
			if utf16.IsSurrogate(r) && bytes.HasPrefix(s, []byte(`\u`)) {
				if low, ok := hexRune(s[2:], 4); ok {
					r = utf16.DecodeRune(r, low)
					s = s[6:]
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

func hexRune(s []byte, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	x, err := strconv.ParseUint(string(s[:n]), 16, 32)
	return rune(x), err == nil
}

// Lines goes through the lines of the value of a string.
func Lines(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		value := bytes.TrimSuffix(value, []byte("\n"))
		for more := true; more; {
			var line []byte
			line, value, more = bytes.Cut(value, []byte("\n"))
			if !yield(trimEnd(line)) {
				return
			}
		}
	}
}

// Several reports whether the value of a string has more than one line.
func Several(value []byte) bool {
	i := bytes.IndexByte(value, '\n')
	return i >= 0 && i < len(value)-1
}

func digits(s []byte) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}
