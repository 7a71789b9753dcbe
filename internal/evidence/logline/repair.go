package logline

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"inquest/internal/evidence/bound"
)

// Taker takes the lines of a text.
type Taker interface {
	// Line takes a line, whose number in the file is n, counted from 1. It is only good until Line returns.
	Line(n int, line []byte, signs Signs)
	// Idle reports whether lines without signs are of no use to the taker now. While they are, Words takes runs of them.
	Idle() bool
	Words(w Words)
}

// Read reads a text of any size and hands on its lines as the program wrote them: what web pages,
// mail, chats, editors and shells did to their characters and around them is undone.
// Long lines are paid for from memory; where they do not fit, the beginning is handed over, and
// cut counts them. The error is that of r.
func Read(r io.Reader, memory *bound.Account, t Taker) (cut int, err error) {
	n := 0
	var c cleaner
	plain := false // the last line had no signs
	return chunks(decoded(r), memory, func(text []byte) {
		for len(text) > 0 {
			if plain && t.Idle() {
				if w := words(text); w.Lines > 0 {
					w.First = n + 1
					t.Words(w)
					n += w.Lines
					text = text[len(w.Text):]
					continue
				}
			}
			end := bytes.IndexByte(text, '\n') + 1
			if end == 0 {
				end = len(text)
			}
			line := trimEnd(text[:end])
			text = text[end:]
			n++
			signs := Scan(line)
			plain = signs == 0
			if !suspicious(line, signs) {
				t.Line(n, line, signs)
				continue
			}
			for _, l := range c.clean(line) {
				t.Line(n, l, Scan(l))
			}
		}
	})
}

// decoded returns a text as UTF-8. PowerShell writes UTF-16 into files, and so do some editors;
// what was cut out of such a file has no byte order mark.
func decoded(r io.Reader) io.Reader {
	br := bufio.NewReaderSize(r, 64<<10)
	head, _ := br.Peek(1024)
	order, ok := utf16Order(head)
	if !ok {
		return br
	}
	return transform.NewReader(br, unicode.UTF16(order, unicode.UseBOM).NewDecoder())
}

// UTF16 reports whether a text that begins with head is in UTF-16.
func UTF16(head []byte) bool {
	_, ok := utf16Order(head[:min(len(head), 1024)])
	return ok
}

// utf16Order tells the byte order of UTF-16, by its mark or by where the zeros of Latin letters stand.
func utf16Order(head []byte) (unicode.Endianness, bool) {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return unicode.LittleEndian, len(head) >= 4 && (head[2] != 0 || head[3] != 0)
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return unicode.BigEndian, len(head) >= 4
	}
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i&1]++
		}
	}
	half := len(head) / 2
	switch {
	case half < 8:
		return unicode.LittleEndian, false
	case zeros[1] > half*3/4 && zeros[0] < half/10:
		return unicode.LittleEndian, true
	case zeros[0] > half*3/4 && zeros[1] < half/10:
		return unicode.BigEndian, true
	}
	return unicode.LittleEndian, false
}

// maxPieces bounds into how many lines one line of a page is taken apart.
const maxPieces = 1 << 20

// cleaner undoes what was done to single lines.
type cleaner struct {
	buf    []byte
	pieces [][]byte
}

// suspicious reports whether clean may change a line. It changes few, and every line is asked.
func suspicious(line []byte, signs Signs) bool {
	switch {
	case signs&repair != 0,
		signs&Backslash != 0 && markdownEscape(line),
		signs&Open != 0 && withoutStar(line):
		return true
	case signs&rare == 0: // no mark of a quotation or of a block of code
		return false
	}
	t := bytes.TrimSpace(line)
	if len(t) == 0 {
		return false
	}
	switch t[0] {
	case '>', '`', '~':
		return true
	case '{', '[':
		if bytes.HasPrefix(t, []byte("{noformat}")) || bytes.HasPrefix(t, []byte("{code}")) || bytes.HasPrefix(t, []byte("[code]")) || bytes.HasPrefix(t, []byte("[/code]")) {
			return true
		}
	}
	switch t[len(t)-1] {
	case '`', '~':
		return true
	case '}', ']':
		return bytes.HasSuffix(t, []byte("{noformat}")) || bytes.HasSuffix(t, []byte("{code}")) || bytes.HasSuffix(t, []byte("code]"))
	}
	return false
}

// markdownEscape reports whether a backslash stands before a sign of Markdown.
func markdownEscape(line []byte) bool {
	for {
		i := bytes.IndexByte(line, '\\')
		if i < 0 || i+1 == len(line) {
			return false
		}
		if bytes.IndexByte(markdownSigns, line[i+1]) >= 0 {
			return true
		}
		line = line[i+1:]
	}
}

// markdownSigns are those that stand in stacks and before which Markdown wants a backslash.
var markdownSigns = []byte("*_[]()#<>{}~`")

// withoutStar reports whether a receiver in a line may lack its asterisk.
func withoutStar(line []byte) bool {
	for {
		i := bytes.Index(line, starless)
		if i < 0 {
			return false
		}
		if line = line[i+len(starless):]; len(line) > 0 && line[0] != '*' {
			return true
		}
	}
}

var starless = []byte(".(")

// clean returns the lines that one line of the file stands for: several where a page has its own line breaks.
func (c *cleaner) clean(line []byte) [][]byte {
	line = Plain(line)
	if bytes.IndexByte(line, 0) >= 0 {
		line = bytes.ReplaceAll(line, []byte{0}, nil)
	}
	line = c.characters(line)
	if bytes.IndexByte(line, '<') >= 0 || bytes.IndexByte(line, '&') >= 0 {
		line = c.markup(line)
	}
	c.pieces = c.pieces[:0]
	for len(c.pieces) < maxPieces {
		piece, rest, more := bytes.Cut(line, []byte("\n"))
		c.pieces = append(c.pieces, starred(unescaped(unquoted(trimEnd(piece)))))
		if !more {
			break
		}
		line = rest
	}
	return c.pieces
}

// invisible maps what editors and pages put in place of blanks and dots, or between letters.
var invisible = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u2007", " ", "\u3000", " ", "\u2026", "...",
	"\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "", "\u200e", "", "\u200f", "", "\u2028", "\n", "\u2029", "\n",
	"\u201c", `"`, "\u201d", `"`)

func (c *cleaner) characters(line []byte) []byte {
	if bytes.IndexByte(line, 0xc2) < 0 && bytes.IndexByte(line, 0xe2) < 0 && bytes.IndexByte(line, 0xef) < 0 && bytes.IndexByte(line, 0xe3) < 0 {
		return line
	}
	return []byte(invisible.Replace(string(line)))
}

// tags are the elements of pages in which dumps stand, and of test reports in XML. A true
// value breaks the line.
var tags = map[string]bool{
	"br": true, "p": true, "div": true, "li": true, "tr": true, "pre": true,
	"code": false, "span": false, "tt": false, "samp": false, "font": false, "td": false, "table": false, "tbody": false,
	"blockquote": false, "body": false, "html": false, "em": false, "strong": false,
	"failure": true, "error": true, "system-out": true, "system-err": true,
}

// entities are those that pages write for signs that stand in stacks.
var entities = map[string]string{"lt": "<", "gt": ">", "amp": "&", "quot": `"`, "apos": "'", "nbsp": " ", "middot": "·", "hellip": "..."}

// markup takes the tags out of a line and puts the signs in place of entities.
func (c *cleaner) markup(line []byte) []byte {
	out := c.buf[:0]
	for i := 0; i < len(line); {
		switch line[i] {
		case '<':
			if n, breaks := tag(line[i:]); n > 0 {
				i += n
				if breaks && len(bytes.TrimSpace(out)) > 0 && len(line) > i {
					out = append(out, '\n')
				}
				continue
			}
		case '&':
			if n, sign := entity(line[i:]); n > 0 {
				out = append(out, sign...)
				i += n
				continue
			}
		case ']':
			if bytes.HasPrefix(line[i:], []byte("]]>")) {
				i += 3
				continue
			}
		}
		out = append(out, line[i])
		i++
	}
	c.buf = out
	return out
}

// tag returns the length of the tag that s begins with, 0 when it is none, and whether it breaks the line.
// Attributes that hold text, such as the message of a failed test, are left out with it.
func tag(s []byte) (n int, breaks bool) {
	if bytes.HasPrefix(s, []byte("<![CDATA[")) {
		return len("<![CDATA["), true
	}
	at := 1
	if at < len(s) && s[at] == '/' {
		at++
	}
	end := at
	for end < len(s) && end-at < 12 && (s[end] >= 'a' && s[end] <= 'z' || s[end] >= 'A' && s[end] <= 'Z' || s[end] == '-') {
		end++
	}
	breaks, known := tags[strings.ToLower(string(s[at:end]))]
	if !known {
		return 0, false
	}
	const longest = 64 << 10
	for i, quote := end, byte(0); i < len(s) && i < longest; i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1, breaks
		case i == end && c != ' ' && c != '/' && c != '\t':
			return 0, false
		}
	}
	return 0, false
}

// entity returns the length of the entity that s begins with, 0 when it is none, and its sign.
func entity(s []byte) (n int, sign string) {
	end := bytes.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return 0, ""
	}
	name := string(s[1:end])
	if sign, ok := entities[name]; ok {
		return end + 1, sign
	}
	number, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, ""
	}
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(number), "x"); ok {
		number, base = hex, 16
	}
	x, err := strconv.ParseUint(number, base, 32)
	if err != nil || x == 0 || x > utf8.MaxRune {
		return 0, ""
	}
	if x == '\r' {
		return end + 1, ""
	}
	return end + 1, string(rune(x))
}

// unquoted removes the marks of a quotation in mail or Markdown, and of a block of code
// in Markdown, Jira or a bulletin board. A line that is nothing else is blank.
func unquoted(line []byte) []byte {
	for {
		t := bytes.TrimLeft(line, " \t")
		rest, ok := bytes.CutPrefix(t, []byte(">"))
		if !ok {
			break
		}
		line = bytes.TrimPrefix(rest, []byte(" "))
	}
	t := bytes.TrimSpace(line)
	for _, fence := range []string{"```", "~~~"} {
		if rest, ok := bytes.CutPrefix(t, []byte(fence)); ok {
			// What stands right behind a fence is the name of a language, or the first line of the text.
			if rest = bytes.TrimLeft(rest, fence[:1]); bytes.IndexByte(rest, ' ') < 0 {
				return nil
			}
			return bytes.TrimLeft(rest, " ")
		}
		if before, ok := bytes.CutSuffix(t, []byte(fence)); ok {
			return bytes.TrimRight(before, fence[:1])
		}
	}
	for _, mark := range []string{"{noformat}", "{code}", "[code]", "[/code]"} {
		if rest, ok := bytes.CutPrefix(t, []byte(mark)); ok {
			return rest
		}
		if before, ok := bytes.CutSuffix(t, []byte(mark)); ok {
			return before
		}
	}
	switch bytes.Count(t, []byte("`")) { // a text between two of them, on one line or on many
	case 2:
		if len(t) > 2 && t[0] == '`' && t[len(t)-1] == '`' {
			return t[1 : len(t)-1]
		}
	case 1:
		if before, ok := bytes.CutSuffix(line, []byte("`")); ok {
			return before
		}
		if rest, ok := bytes.CutPrefix(line, []byte("`")); ok {
			return rest
		}
	}
	return line
}

// unescaped removes the backslashes that Markdown wants before its own signs. Those of Windows
// paths are kept.
func unescaped(line []byte) []byte {
	if bytes.IndexByte(line, '\\') < 0 {
		return line
	}
	path := bytes.Contains(line, []byte(`:\`))
	out, changed := line, false
	for i := 0; i+1 < len(out); i++ {
		if out[i] != '\\' {
			continue
		}
		switch c := out[i+1]; {
		case c == '*', !path && bytes.IndexByte(markdownSigns, c) >= 0:
			if !changed {
				out, changed = bytes.Clone(out), true
			}
			out = append(out[:i], out[i+1:]...)
		}
	}
	return out
}

// starred puts back the asterisks of pointer receivers that Markdown took for emphasis and
// wrote as underscores or not at all. No name of a function has parentheses without one.
func starred(line []byte) []byte {
	name := bytes.TrimLeft(line, "# \t")
	if len(name) == 0 || !bytes.Contains(name, starless) {
		return line
	}
	for _, lead := range []string{"created by "} {
		name = bytes.TrimPrefix(name, []byte(lead))
	}
	if bytes.HasPrefix(name, []byte("0x")) { // a frame of a profile in text form
		name = bytes.TrimLeft(bytes.TrimLeft(name, "0123456789abcdefx"), " \t")
	}
	i := bytes.Index(name, starless)
	if i <= 0 || bytes.IndexByte(name[:i], ' ') >= 0 {
		return line
	}
	at := len(line) - len(name) + i + len(starless)
	end := bytes.IndexByte(line[at:], ')')
	typ := line[at:max(at+end, at)]
	switch {
	case end < 2 || typ[0] == '*' || !bytes.HasPrefix(line[at+end:], []byte(").")):
		return line
	case typ[0] == '_':
		typ = typ[1:]
	}
	for i, c := range typ {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf || i > 0 && c >= '0' && c <= '9' || i > 0 && bytes.IndexByte([]byte("[]./,* "), c) >= 0) {
			return line
		}
	}
	out := make([]byte, 0, len(line)+1)
	out = append(append(append(out, line[:at]...), '*'), typ...)
	return append(out, line[at+end:]...)
}
