package dump

import (
	"bytes"
	"regexp"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// trimEnd cuts the end of a line.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// plain returns the line without terminal colours.
func plain(line []byte) []byte {
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return colour.ReplaceAll(line, nil)
}

var colour = regexp.MustCompile("\x1b(?:\\[[0-9;:?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\))")

// bare returns what a line of the dump says, without what the log put around it.
func (b *builder) bare(line []byte) []byte {
	line = b.strip(plain(line))
	if after, ok := bytes.CutPrefix(line, []byte("#011")); ok { // how rsyslog writes a tab
		return append([]byte("\t"), after...)
	}
	return line
}

// strip removes from a line the prefix that the first header had, where numbers
// and the width of white space may differ: time stamps, process ids. A line
// without it is returned as it is: often only the first line of a message has one.
func (b *builder) strip(line []byte) []byte {
	p := b.prefix
	if len(p) == 0 {
		return line
	}
	i, j := 0, 0
	for i < len(p) {
		switch c := p[i]; {
		case j == len(line):
			if len(bytes.TrimSpace(p[i:])) > 0 {
				return line
			}
			return nil
		case isDigit(c):
			if !isDigit(line[j]) {
				return line
			}
			i += digits(p[i:])
			j += digits(line[j:])
		case c == ' ' || c == '\t':
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
		case c == line[j]:
			i++
			j++
		case c == '.' && i > 0 && isDigit(p[i-1]) && digits(p[i+1:]) > 0: // time.RFC3339Nano omits a fraction of zero
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

// quoted returns the value of the quoted string that the position stands in, and
// what introduces it: `"log":"` in JSON, `stack="` in logfmt.
func quoted(line []byte, at int) (value []byte, key string, ok bool) {
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
	return unescape(line[open+1:]), string(line[start : open+1]), true
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

// after returns the value of the quoted string that key introduces.
func after(line []byte, key string) ([]byte, bool) {
	i := bytes.Index(line, []byte(key))
	if i < 0 {
		return nil, false
	}
	return unescape(line[i+len(key):]), true
}

// unescape decodes a string of JSON, or of Go, up to its closing quotation mark.
func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		i := bytes.IndexAny(s, `"\`)
		if i < 0 {
			return append(out, s...)
		}
		out = append(out, s[:i]...)
		if s[i] == '"' || i == len(s)-1 {
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

// split cuts the value of a string into its lines.
func split(value []byte) [][]byte {
	value = bytes.TrimSuffix(value, []byte("\n"))
	lines := bytes.Split(value, []byte("\n"))
	for i := range lines {
		lines[i] = trimEnd(lines[i])
	}
	return lines
}

const stampPattern = `(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\d* ?(Z|UTC|[+-]\d\d:?\d\d)?`

var (
	stampRE    = regexp.MustCompile(stampPattern)
	stampFirst = regexp.MustCompile(`^[\[(<]?` + stampPattern + `[\])>]? *`)
	syslog     = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)
	epochRE    = regexp.MustCompile(`"(?:ts|t|time|timestamp|@timestamp|__REALTIME_TIMESTAMP)" ?: ?"?(\d{10,19})(?:\.(\d{1,9}))?`)
)

// unstamped returns the line without the time stamp it begins with.
func unstamped(line []byte) []byte {
	for _, re := range []*regexp.Regexp{stampFirst, syslog} {
		if m := re.Find(line); m != nil {
			return line[len(m):]
		}
	}
	return line
}

// date sets the dump's time from a log line that carries one with a year.
func (d *Dump) date(line []byte) bool {
	const end = 512 // records have their time at either end
	for _, s := range [][]byte{line[:min(len(line), end)], line[max(len(line)-end, 0):]} {
		if t, zoned, ok := stamp(s); ok {
			d.Time = t
			if !zoned {
				d.Problems = append(d.Problems, "the time stamps of its log name no time zone and were read as UTC")
			}
			return true
		}
	}
	return false
}

// stamp finds a time in a line, and whether it names its zone.
func stamp(line []byte) (t time.Time, zoned, ok bool) {
	if m := stampRE.FindSubmatch(line); m != nil {
		n := func(i int) int {
			x, _ := strconv.Atoi(string(m[i]))
			return x
		}
		nanos := n(7)
		for i := len(m[7]); i < 9; i++ {
			nanos *= 10
		}
		t := time.Date(n(1), time.Month(n(2)), n(3), n(4), n(5), n(6), nanos, time.UTC)
		zone := string(m[8])
		if len(zone) >= 5 {
			hours, _ := strconv.Atoi(zone[1:3])
			minutes, _ := strconv.Atoi(zone[len(zone)-2:])
			offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
			if zone[0] == '+' {
				offset = -offset
			}
			t = t.Add(offset)
		}
		if n(2) >= 1 && n(2) <= 12 && n(3) >= 1 && n(3) <= 31 && n(1) > 1990 {
			return t, zone != "", true
		}
	}
	if m := epochRE.FindSubmatch(line); m != nil {
		x, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return time.Time{}, false, false
		}
		switch { // seconds, milliseconds, microseconds or nanoseconds, by the number of digits
		case len(m[1]) < 12:
			nanos, _ := strconv.Atoi(string(m[2]))
			for i := len(m[2]); i < 9; i++ {
				nanos *= 10
			}
			return time.Unix(x, int64(nanos)).UTC(), true, true
		case len(m[1]) < 15:
			return time.UnixMilli(x).UTC(), true, true
		case len(m[1]) < 18:
			return time.UnixMicro(x).UTC(), true, true
		}
		return time.Unix(0, x).UTC(), true, true
	}
	return time.Time{}, false, false
}
