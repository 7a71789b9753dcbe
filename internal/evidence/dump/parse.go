package dump

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"inquest/internal/evidence/logline"
)

// header parses the first line of a goroutine's block as runtime.goroutineheader
// prints it (runtime/traceback.go):
//
//	goroutine ID[ gp=0x.. m=N|nil[ mp=0x..]] [STATUS[ (leaked)][ (scan)][ (durable)][, N minutes][, locked to thread]
//	[, synctest bubble N]][ {k: v, ...}]:
//
// Labels stand there since Go 1.27, quoted where they hold anything but letters,
// digits, dots, slashes and underscores. Go 1.26 prints them before the closing
// bracket, as ` labels:{"k": "v", ...}`. They are read as the strings they are,
// since their values may hold any of the signs that end something here. Nothing
// but white space may follow the colon.
func header(s []byte) (g Goroutine, ok bool) {
	s, ok = bytes.CutPrefix(s, []byte("goroutine "))
	if !ok {
		return g, false
	}
	n := digits(s)
	if n == 0 || n > 18 || len(s) > maxHeader {
		return g, false
	}
	g.ID, _ = strconv.ParseInt(string(s[:n]), 10, 64)
	s = s[n:]
	for _, field := range []string{" gp=", " m=", " mp="} {
		if after, ok := bytes.CutPrefix(s, []byte(field)); ok {
			s = after[word(after):]
		}
	}
	if s, ok = bytes.CutPrefix(s, []byte(" [")); !ok {
		return g, false
	}
	end := 0
	for end < min(len(s), 101) && s[end] != ',' && s[end] != ']' && !bytes.HasPrefix(s[end:], []byte(" labels:{")) {
		end++
	}
	if end == len(s) || end > 100 {
		return g, false
	}
	state := string(s[:end])
	s = s[end:]
	for {
		if before, ok := strings.CutSuffix(state, " (leaked)"); ok {
			state, g.Leaked = before, true
		} else if before, ok := strings.CutSuffix(state, " (scan)"); ok {
			state, g.Scan = before, true
		} else if before, ok := strings.CutSuffix(state, " (durable)"); ok {
			state, g.Durable = before, true
		} else {
			break
		}
	}
	g.State = state

	for bytes.HasPrefix(s, []byte(", ")) {
		s = s[2:]
		end := bytes.IndexAny(s, ",]")
		if i := bytes.Index(s[:min(len(s), max(end, 0)+len(" labels:{"))], []byte(" labels:{")); i >= 0 && i < end {
			end = i
		}
		if end < 0 {
			return g, false
		}
		switch attribute := string(s[:end]); {
		case attribute == "locked to thread":
			g.Locked = true
		case strings.HasSuffix(attribute, " minutes"):
			minutes, err := strconv.ParseUint(strings.TrimSuffix(attribute, " minutes"), 10, 27) // 255 years
			if err != nil {
				return g, false
			}
			g.Wait = time.Duration(minutes) * time.Minute
		case strings.HasPrefix(attribute, "synctest bubble "):
			bubble, err := strconv.Atoi(strings.TrimPrefix(attribute, "synctest bubble "))
			if err != nil {
				return g, false
			}
			g.Bubble = bubble
		case strings.HasPrefix(attribute, "synctest group "): // Go 1.24
			g.Bubble, _ = strconv.Atoi(strings.TrimPrefix(attribute, "synctest group "))
		}
		s = s[end:]
	}
	if after, ok := bytes.CutPrefix(s, []byte(" labels:{")); ok {
		if g.Labels, s, ok = labels(string(after)); !ok {
			return g, false
		}
	}
	if after, ok := bytes.CutPrefix(s, []byte("] {")); ok {
		if g.Labels, s, ok = labels(string(after)); !ok {
			return g, false
		}
		s = append([]byte("]"), s...)
	}
	s, ok = bytes.CutPrefix(s, []byte("]:"))
	return g, ok && len(bytes.TrimSpace(s)) == 0
}

// labels parses `k: v, "k": "v"}` and returns what follows.
func labels(s string) (m map[string]string, rest []byte, ok bool) {
	m = map[string]string{}
	for {
		var key, value string
		if key, s, ok = text(s); !ok {
			return nil, nil, false
		}
		if s, ok = strings.CutPrefix(s, ": "); !ok {
			return nil, nil, false
		}
		if value, s, ok = text(s); !ok {
			return nil, nil, false
		}
		if len(m) < maxLabels {
			m[key] = value
		}
		if after, more := strings.CutPrefix(s, ", "); more {
			s = after
			continue
		}
		s, ok = strings.CutPrefix(s, "}")
		return m, []byte(s), ok
	}
}

// text parses a key or value of a label, quoted or bare.
func text(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		n := 0
		for n < len(s) && bare(s[n]) {
			n++
		}
		return s[:n], s[n:], true
	}
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	value, err = strconv.Unquote(q)
	return value, s[len(q):], err == nil
}

// bare reports whether a label is printed without quotes when it holds such characters only.
func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '/' || c == '_'
}

func digits(s []byte) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func word(s []byte) int {
	n := 0
	for n < len(s) && s[n] != ' ' {
		n++
	}
	return n
}

// call parses the first line of a frame, "main.(*Store).Update(0xc000012345, {0x1?, 0x2})".
func call(s []byte) (name, args []byte, ok bool) {
	if len(s) < 3 || s[len(s)-1] != ')' {
		return nil, nil, false
	}
	open := bytes.LastIndexByte(s, '(')
	if open <= 0 {
		return nil, nil, false
	}
	name, args = s[:open], s[open+1:len(s)-1]
	for _, c := range args {
		if !argument[c] {
			return nil, nil, false
		}
	}
	depth := 0
	for i, c := range name {
		if !inName[c] {
			continue
		}
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		default:
			if depth <= 0 && name[min(i+1, len(name)-1)] != '{' { // "type:.eq.struct { main.a int }"
				return nil, nil, false
			}
		}
	}
	return name, args, true
}

// argument holds the characters of which printArgs makes argument lists.
var argument = func() (t [256]bool) {
	for _, c := range "0123456789abcdefx, {}._?" {
		t[c] = true
	}
	return t
}()

// inName holds the characters that tell a function's name from a sentence.
var inName = [256]bool{'[': true, '{': true, ']': true, '}': true, ' ': true, '\t': true, '"': true, '=': true}

// words appends the argument words of a frame, maxArgs at most. One that was not
// recorded ("_") counts as 0, so that those after it keep their place.
func words(into []uint64, args []byte) (_ []uint64, stale uint32) {
	start := len(into)
	for len(args) > 0 {
		var x uint64
		isWord := args[0] == '_'
		if n := len(into) - start; args[0] == '?' && n > 0 {
			stale |= 1 << (n - 1)
		}
		if after, ok := bytes.CutPrefix(args, []byte("0x")); ok {
			isWord = true
			for args = after; len(args) > 0 && hexDigit(args[0]) >= 0; args = args[1:] {
				x = x<<4 | uint64(hexDigit(args[0]))
			}
		} else {
			args = args[1:]
		}
		if isWord && len(into)-start < maxArgs {
			into = append(into, x)
		}
	}
	return into, stale
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// position parses the second line of a frame, "/src/main.go:12 +0x1d fp=0x.. sp=0x.. pc=0x..",
// without the white space before it.
func position(s []byte) (file []byte, line int, ok bool) {
	file, digits, ok := logline.Position(s)
	if !ok {
		return nil, 0, false
	}
	line, err := strconv.Atoi(string(digits))
	return file, line, err == nil
}

// createdBy parses "created by main.main in goroutine 1", the number since Go 1.21.
func createdBy(s []byte) (name []byte, creator int64, ok bool) {
	s, ok = bytes.CutPrefix(s, []byte("created by "))
	if !ok {
		return nil, 0, false
	}
	if i := bytes.LastIndex(s, []byte(" in goroutine ")); i >= 0 {
		if id, err := strconv.ParseInt(string(s[i+len(" in goroutine "):]), 10, 64); err == nil {
			return s[:i], id, true
		}
	}
	return s, 0, len(s) > 0
}
