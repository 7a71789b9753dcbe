package logline

import (
	"bytes"
	"slices"
)

// Bounds of what is held back to tell how lines belong together.
const (
	maxPieced   = 4        // lines into which one was broken
	maxBlank    = 8        // blank lines in a row
	maxReversed = 4096     // lines in which a stack that is printed backwards must show its head
	maxHeld     = 32 << 20 // bytes of a text that is printed backwards
)

// Sorter puts the lines of stacks into the order and the form in which Go prints them, so that
// their readers need not know what else is done to them: each line doubled by a blank one, lines
// broken where a terminal or a mail ends, and logs that show the newest line first.
// Lines of other text pass as they come. It knows the outlines of a stack's lines and no more.
type Sorter struct {
	take func(n int, line []byte, signs Signs)

	last    shape   // of the last line handed on that was not blank
	prefix  Carrier // of that line
	blanks  []held  // behind it
	pieces  []held  // a line that may go on in the next
	back    []held  // lines of a stack that may be printed backwards
	headed  bool    // its head has been seen: it is
	held    int     // bytes of back
	scratch []byte
}

type held struct {
	n     int
	line  []byte
	shape shape
	signs Signs
}

// keep appends a line to lines that are held back, in the memory of those that were before.
func keep(list []held, h held) []held {
	var line []byte
	if len(list) < cap(list) {
		line = list[:len(list)+1][len(list)].line
	}
	if cap(line) > 4096 {
		line = nil
	}
	h.line = append(line[:0], h.line...)
	return append(list, h)
}

// NewSorter returns a Sorter that hands lines on to take.
func NewSorter(take func(n int, line []byte, signs Signs)) *Sorter { return &Sorter{take: take} }

// shape is the outline of a line.
type shape byte

const (
	other    shape = iota // no line of a stack
	blank                 //
	head                  // "goroutine 7 [running]:"
	call                  // "main.f(0x1)"
	position              // "\t/src/main.go:12 +0x1d"
	creator               // "created by main.main"
)

func (s shape) ofStack() bool { return s >= head }

// Idle reports whether no line is held back and a line of words is handed on as it comes.
func (s *Sorter) Idle() bool {
	return !s.last.ofStack() && len(s.blanks) == 0 && len(s.pieces) == 0 && len(s.back) == 0
}

// Line takes a line of the text.
func (s *Sorter) Line(n int, line []byte, signs Signs) {
	sh, at := outline(line, signs)
	if sh == other && (s.last.ofStack() || len(s.back) > 0) && s.prefix.empty(line) {
		sh = blank
	}
	if len(s.back) > 0 {
		if sh == other && rule(line) {
			return
		}
		if s.backwards(n, line, signs, sh) {
			if sh.ofStack() {
				s.prefix.Prefix = append(s.prefix.Prefix[:0], line[:min(at, 512)]...)
			}
			return
		}
	}
	s.forwards(n, line, signs, sh, at)
}

func (s *Sorter) forwards(n int, line []byte, signs Signs, sh shape, at int) {
	switch {
	case len(s.pieces) > 0:
		if s.joined(n, line, signs, sh) {
			return
		}
	case sh == other && !s.last.ofStack():
		s.release()
		s.last = other
		s.take(n, line, signs)
		return
	}
	switch sh {
	case blank:
		if s.last.ofStack() && len(s.blanks) < maxBlank {
			s.blanks = keep(s.blanks, held{n: n, line: line, signs: signs})
			return
		}
		s.release()
		if len(s.blanks) == 0 && s.last.ofStack() && len(line) > 0 {
			s.last = other
		}
		s.take(n, line, signs)
		return
	case other:
		if s.last == position && rest(line) { // the registers that a frame's second line ends with
			return
		}
		if s.last.ofStack() && len(line) < 1024 && !bytes.Contains(line, monitor) {
			s.pieces = keep(s.pieces, held{n: n, line: line, signs: signs})
			return
		}
		s.release()
		s.last = other
		s.take(n, line, signs)
		return
	case position:
		if s.last != call && s.last != creator && s.last != position {
			s.release()
			s.back = append(s.back, held{n, bytes.Clone(line), sh, signs})
			s.held = len(line)
			s.prefix.Prefix = append(s.prefix.Prefix[:0], line[:min(at, 512)]...)
			return
		}
	}
	s.emit(n, line, signs, sh, at)
}

// emit hands on a line of a stack. Between the lines of one goroutine Go prints no blank ones.
func (s *Sorter) emit(n int, line []byte, signs Signs, sh shape, at int) {
	if (sh == position && (s.last == call || s.last == creator)) || ((sh == call || sh == creator) && (s.last == position || s.last == head)) {
		s.blanks = s.blanks[:0]
	}
	s.release()
	s.last = sh
	s.prefix.Prefix = append(s.prefix.Prefix[:0], line[:min(at, 512)]...)
	s.take(n, line, signs)
}

// release hands on the blank lines that were held back.
func (s *Sorter) release() {
	for _, b := range s.blanks {
		s.take(b.n, b.line, b.signs)
	}
	s.blanks = s.blanks[:0]
}

// joined puts a line together with the pieces before it if they make a line of a stack.
func (s *Sorter) joined(n int, line []byte, signs Signs, sh shape) bool {
	if sh == other || sh == position && (s.last == call || s.last == creator) && path(s.pieces[len(s.pieces)-1].line) {
		for _, gap := range []string{"", " "} {
			if !s.completes(line) {
				break
			}
			whole := s.scratch[:0]
			for _, p := range s.pieces {
				whole = append(append(whole, p.line...), gap...)
				if gap == "" && bytes.HasSuffix(p.line, []byte(",")) {
					whole = append(whole, ' ')
				}
			}
			whole = append(whole, bytes.TrimLeft(line, " \t")...)
			s.scratch = whole
			// A piece has every sign that the whole has, but for a colon before the gap.
			all := signs
			for _, p := range s.pieces {
				all |= p.signs
			}
			if all&colon != 0 {
				all |= Says
			}
			if sh, at := outline(whole, all); sh.ofStack() && follows(s.last, sh) {
				n := s.pieces[0].n
				s.pieces = s.pieces[:0]
				s.emit(n, whole, all, sh, at)
				return true
			}
		}
		if sh == other && len(s.pieces) < maxPieced && len(line) < 1024 {
			s.pieces = keep(s.pieces, held{n: n, line: line, signs: signs})
			return true
		}
	}
	s.apart()
	return false
}

// completes reports whether a line may be the end of one that can stand below the last line of the stack.
// It asks no more than how the line ends, and whether its first piece says who made the goroutine: most lines
// below a stack are no pieces of it.
func (s *Sorter) completes(line []byte) bool {
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 {
		return false
	}
	c := line[len(line)-1]
	if s.last == call || s.last == creator { // a position
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
	}
	return c == ')' || c == ':' && (len(line) < 2 || line[len(line)-2] == ']') || bytes.Contains(s.pieces[0].line, createdBy[:len(createdBy)-1])
}

// path reports whether a line may be the beginning of a path and nothing else.
func path(line []byte) bool {
	t := bytes.TrimSpace(line)
	return bytes.ContainsAny(t, `/\`) && bytes.IndexByte(t, ' ') < 0
}

// apart hands on the pieces as the lines they are.
func (s *Sorter) apart() {
	s.release()
	for _, p := range s.pieces {
		s.take(p.n, p.line, p.signs)
	}
	if len(s.pieces) > 0 {
		s.last = other
	}
	s.pieces = s.pieces[:0]
}

// follows reports whether a line of a stack can stand below another.
func follows(last, next shape) bool {
	switch next {
	case position:
		return last == call || last == creator
	case call, creator:
		return last == position || last == head
	}
	return last == position
}

// backwards takes a line while a stack may be printed with its last line first, and reports
// whether it was taken. A stack whose beginning was cut off may look the same up to its first
// head: there the line above is that of a call in the one and a position in the other.
func (s *Sorter) backwards(n int, line []byte, signs Signs, sh shape) bool {
	prev := s.back[len(s.back)-1].shape
	ok := sh != other
	switch {
	case !s.headed && (len(s.back) >= maxReversed || s.held > maxHeld):
		ok = false
	case s.held > maxHeld:
		ok = false
	case !s.headed && sh == head:
		ok = prev == call
		s.headed = ok
	case !s.headed && prev == position:
		ok = sh == call || sh == creator || sh == blank && len(s.back) < 2
	case s.headed && sh == other:
		ok = message(line)
	}
	if ok && sh == blank && len(s.back) > 0 && prev == blank && !s.headed {
		ok = false
	}
	if ok {
		if sh == blank && !s.headed {
			sh = prev // blank lines between the lines of a stack say nothing
		}
		s.back = append(s.back, held{n, bytes.Clone(line), sh, signs})
		s.held += len(line)
		return true
	}
	s.turn()
	return false
}

// turn hands on what was held back, in the order in which it was printed.
func (s *Sorter) turn() {
	lines := s.back
	s.back, s.held = nil, 0
	if s.headed {
		slices.Reverse(lines)
	}
	s.headed = false
	for _, l := range lines {
		sh, at := outline(l.line, l.signs)
		if sh.ofStack() {
			s.emit(l.n, l.line, l.signs, sh, at)
			continue
		}
		s.release()
		s.take(l.n, l.line, l.signs)
		if sh == other {
			s.last = other
		}
	}
}

// Close hands on what is left.
func (s *Sorter) Close() {
	s.turn()
	s.apart()
	s.release()
}

// rule reports whether a line is the one below the head of a table in Markdown, as which pages of logs are pasted.
func rule(line []byte) bool {
	return len(bytes.Trim(line, "-|: \t")) == 0 && bytes.Contains(line, []byte("--")) && bytes.IndexByte(line, '|') >= 0
}

// message reports whether a line is what the runtime prints above the stacks of a crash.
func message(line []byte) bool {
	for _, word := range []string{"panic: ", "fatal error: ", "[signal ", "runtime: ", "runtime stack:", "unexpected fault address "} {
		if i := bytes.Index(line, []byte(word)); i >= 0 && bytes.IndexByte(line[:i], '"') < 0 {
			return true
		}
	}
	return false
}

// rest reports whether a line holds nothing but what the second line of a frame ends with.
func rest(line []byte) bool {
	t := bytes.TrimSpace(line)
	if len(t) < 3 || !bytes.Contains(t, []byte("0x")) && !bytes.Contains(t, []byte("c=")) && !bytes.Contains(t, []byte("p=")) {
		return false
	}
	for word := range bytes.FieldsSeq(t) {
		for _, mark := range []string{"+", "fp=", "sp=", "pc="} {
			word = bytes.TrimPrefix(word, []byte(mark))
		}
		word = bytes.TrimPrefix(word, []byte("0x"))
		for _, c := range word {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
				return false
			}
		}
	}
	return true
}

// empty reports whether nothing stands on a line but the prefix.
func (c *Carrier) empty(line []byte) bool {
	return len(c.Prefix) > 0 && len(line) <= len(c.Prefix)+16 && len(bytes.TrimSpace(c.strip(line))) == 0
}

var (
	goroutineWord = []byte("goroutine ")
	createdBy     = []byte("created by ")
	monitor       = []byte("SCHED ") // the monitor of the runtime prints into the lines of a dump
)

// outline tells the shape of a line and where in it the text of the stack begins, behind what a log
// put before it.
func outline(line []byte, signs Signs) (shape, int) {
	s, at := outlineOf(line, signs)
	if s.ofStack() && signs&Says != 0 && bytes.Contains(line, monitor) {
		return other, 0
	}
	return s, at
}

// outlineOf looks from the end, so that ordinary lines cost little.
func outlineOf(line []byte, signs Signs) (shape, int) {
	t := line
	for len(t) > 0 && (t[len(t)-1] == ' ' || t[len(t)-1] == '\t') {
		t = t[:len(t)-1]
	}
	if len(t) == 0 {
		return blank, 0
	}
	switch c := t[len(t)-1]; {
	case c == ')' && signs&Open != 0:
		if at := callAt(t); at >= 0 {
			return call, at
		}
	case c == ':' && bytes.HasSuffix(t, []byte("]:")):
		if i := bytes.Index(t, goroutineWord); i >= 0 {
			number := t[i+len(goroutineWord):]
			if n := digits(number); n > 0 && (bytes.HasPrefix(number[n:], []byte(" [")) || bytes.HasPrefix(number[n:], []byte(" gp="))) {
				return head, i
			}
		}
	case signs&colon != 0 && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f'):
		if at := positionAt(t); at >= 0 {
			return position, at
		}
	}
	if signs&dot == 0 {
		return other, 0
	}
	if i := bytes.Index(t, createdBy); i >= 0 && bytes.IndexByte(t[i+len(createdBy):], '.') > 0 && !bytes.Contains(t[:i], []byte(`"`)) {
		return creator, i
	}
	return other, 0
}

// argument holds the characters of which Go makes the arguments of calls.
var argument = func() (t [256]bool) {
	for _, c := range "0123456789abcdefx, {}._?" {
		t[c] = true
	}
	return t
}()

// callAt returns where in a line a call begins that the line ends with, or -1.
func callAt(t []byte) int {
	open := bytes.LastIndexByte(t, '(')
	if open <= 0 {
		return -1
	}
	for _, c := range t[open+1 : len(t)-1] {
		if !argument[c] {
			return -1
		}
	}
	start, depth := open, 0
	for start > 0 {
		c := t[start-1]
		if c == ']' || c == '}' {
			depth++
		} else if c == '[' || c == '{' {
			depth--
		}
		if depth <= 0 && (c == ' ' || c == '\t') {
			break
		}
		start--
	}
	name := t[start:open]
	if len(name) < 3 || bytes.IndexByte(name, '.') <= 0 && string(name) != "panic" || bytes.IndexByte(name, '"') >= 0 || bytes.IndexByte(name, '=') >= 0 {
		return -1
	}
	return start
}

// Position parses the second line of a frame, "/src/main.go:12 +0x1d fp=0x.. sp=0x.. pc=0x..".
func Position(s []byte) (file, line []byte, ok bool) {
	for at := 0; ; at++ {
		i := bytes.IndexByte(s[at:], ' ')
		if i < 0 {
			break
		}
		at += i
		if mark := s[at+1:]; bytes.HasPrefix(mark, []byte("+0x")) || bytes.HasPrefix(mark, []byte("fp=0x")) || bytes.HasPrefix(mark, []byte("pc=0x")) {
			s = s[:at]
			break
		}
	}
	i := len(s)
	for i > 0 && isDigit(s[i-1]) {
		i--
	}
	if i < 2 || i == len(s) || s[i-1] != ':' {
		return nil, nil, false
	}
	return s[:i-1], s[i:], true
}

// positionAt returns where in a line the position of a frame begins that the line ends with, or -1.
func positionAt(t []byte) int {
	file, _, ok := Position(t)
	if !ok || len(file) <= 3 {
		return -1
	}
	if !bytes.HasSuffix(file, []byte(".go")) && !bytes.HasSuffix(file, []byte(".s")) && !bytes.HasSuffix(file, []byte("<autogenerated>")) {
		return -1
	}
	if i := bytes.LastIndexAny(file, "\t"); i >= 0 {
		return i
	}
	if i := bytes.IndexByte(file, '/'); i >= 0 {
		for i > 0 && file[i-1] != ' ' {
			i--
		}
		return i
	}
	return bytes.LastIndexByte(file, ' ') + 1
}
