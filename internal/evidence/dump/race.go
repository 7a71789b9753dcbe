package dump

import (
	"bytes"
	"cmp"
	"time"
	"unsafe"

	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Race is a report of the race detector: two goroutines touched the same memory
// without an order between them, at least one to write. Reports of the same pair
// of places are one Race.
type Race struct {
	Access [2]Access // the access that was caught, and the one before it
	Memory string    // what was touched, as printed: "Heap block of size 48", "Global var main.hits of size 8"; may be empty
	Count  int       // reports of this pair of places in the file; the rest is of the first
	Line   int       // of the first report in the file, 1-based
	Time   time.Time // nearest time stamp above it; zero when the log has none
}

// Access is one side of a race.
type Access struct {
	Write     bool
	Address   uint64
	Goroutine int64       // 1 for the main goroutine
	Stack     stack.Stack // leaf first; empty when the race detector had lost it
	Created   stack.Stack // where the goroutine was started; empty for the main goroutine
	Finished  bool        // the goroutine had ended
}

// size returns about what is held of a race, in bytes.
func (r *Race) size() int64 {
	n := 512 + len(r.Memory)
	for _, a := range r.Access {
		n += 2 * (len(a.Stack) + len(a.Created)) * int(unsafe.Sizeof(stack.Frame{}))
	}
	return int64(n)
}

// Site returns the application code of the access.
func (a *Access) Site() stack.Site { return a.Stack.Owner() }

// Bounds of what is kept of the races of a file.
const (
	maxRaces     = 1000
	maxRaceDepth = 256 // frames of one stack
)

var (
	raceWords = []byte("WARNING: DATA RACE")
	raceEnd   = []byte("==================")
)

// races looks for reports of the race detector.
type races struct {
	*report // being read; nil between reports

	all   []*Race
	seen  map[racePair]*Race
	left  int     // beyond maxRaces
	cut   int     // reports without a stack
	half  int     // reports of which one side is left
	spare *report // what the last one was read into
	log   *finder // knows the present line and its time

	values [maxNesting + 1][]byte // of the strings around the present line, outermost last
}

type racePair struct {
	a, b           stack.Site
	writeA, writeB bool
}

// report is a race report being read.
type report struct {
	race     *Race
	accesses int
	into     *stack.Stack // where the frames go; nil for those of no interest
	call     string       // waits for its position
	foreign  int          // lines in a row that are not part of a report
	logline.Carrier
}

// physical takes one line of the file.
func (r *races) physical(line []byte, log *finder) {
	r.log = log
	if r.report == nil {
		r.outside(line, nil)
		return
	}
	r.inside(line, r.Keys)
}

// outside takes a line while no report is being read; keys are the strings it stands in.
func (r *races) outside(line []byte, keys []string) {
	if r.log.signs&logline.Says == 0 || !bytes.Contains(line, raceWords) {
		return
	}
	line = logline.Plain(line)
	at := bytes.Index(line, raceWords)
	if at < 0 {
		return
	}
	if len(bytes.TrimSpace(line[at+len(raceWords):])) == 0 {
		r.begin(logline.Carrier{Keys: keys, Prefix: bytes.Clone(line[:at])})
		return
	}
	value, key, ok := logline.Quoted(line, at)
	if !ok || len(keys) == maxNesting {
		return
	}
	keys = append(append([]string{}, keys...), key)
	for l := range logline.Lines(value) {
		if r.report != nil {
			r.take(l)
		} else {
			r.outside(l, keys)
		}
	}
	if logline.Several(value) { // a string of many lines holds the report to its end
		r.end()
	}
}

func (r *races) begin(carrier logline.Carrier) {
	p := r.spare
	if r.spare = nil; p == nil {
		p = &report{race: &Race{}}
	}
	race, a, b := p.race, &p.race.Access[0], &p.race.Access[1]
	*race = Race{Count: 1, Line: r.log.line, Time: r.log.recentTime(),
		Access: [2]Access{{Stack: a.Stack[:0], Created: a.Created[:0]}, {Stack: b.Stack[:0], Created: b.Created[:0]}}}
	*p = report{race: race, Carrier: carrier}
	r.report = p
}

// inside takes a line while a report is being read.
func (r *races) inside(line []byte, keys []string) {
	switch {
	case r.report == nil: // an earlier line of the same string has ended it
		r.outside(line, nil)
		return
	case len(keys) == 0:
		r.take(line)
		return
	}
	buf := &r.values[len(keys)-1]
	value, ok := logline.After(*buf, line, keys[0])
	if !ok {
		r.other()
		return
	}
	if cap(value) <= maxBuffer {
		*buf = value
	}
	for l := range logline.Lines(value) {
		r.inside(l, keys[1:])
	}
}

// take takes a line of the report, free of the strings around it.
func (r *races) take(line []byte) {
	p := r.report
	line = bytes.TrimSpace(p.Bare(line))
	switch {
	case len(line) == 0:
		p.into, p.call = nil, ""
		return
	case bytes.Equal(line, raceEnd):
		r.end()
		return
	case bytes.Equal(line, raceWords): // the end of the last one is missing
		carrier := p.Carrier
		r.end()
		r.begin(carrier)
		return
	case p.call != "":
		if file, n, ok := position(line); ok {
			if p.into != nil && len(*p.into) < maxRaceDepth {
				*p.into = append(*p.into, &stack.Frame{Function: p.call, File: r.log.name(file), Line: n})
			}
			p.call, p.foreign = "", 0
			return
		}
	}
	if line[len(line)-1] == ':' && r.heading(line) {
		return
	}
	if what, ok := memory(line); ok {
		p.race.Memory, p.into, p.foreign = r.log.name(what), nil, 0
		return
	}
	if name, _, ok := call(line); ok {
		p.call = r.log.name(name)
		return
	}
	if bytes.Equal(line, []byte("[failed to restore the stack]")) {
		p.foreign = 0
		return
	}
	r.other()
}

// heading takes the line above a stack of the report, and reports whether it is one.
func (r *races) heading(line []byte) bool {
	p := r.report
	if a, ok := access(line); ok {
		p.foreign, p.into = 0, nil
		if p.accesses < 2 {
			p.race.Access[p.accesses] = a
			p.into = &p.race.Access[p.accesses].Stack
		}
		p.accesses++
		return true
	}
	id, finished, ok := created(line)
	if !ok {
		return false
	}
	p.foreign, p.into = 0, nil
	for i := range p.race.Access {
		if a := &p.race.Access[i]; a.Goroutine == id && i < p.accesses && len(a.Created) == 0 {
			a.Finished = finished
			p.into = &a.Created
			break
		}
	}
	return true
}

// The lines of a report are those of the race detector's run-time library
// (compiler-rt, tsan_report.cpp, the part for Go).

// memory parses "Heap block of size 48 at 0x00c000012345 allocated by goroutine 7:" and
// "Global var main.hits of size 8 at 0x5a1b2c declared at main.go:7:" up to the size.
func memory(line []byte) (what []byte, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte("Heap block"))
	if !ok {
		if rest, ok = bytes.CutPrefix(line, []byte("Global var ")); !ok {
			return nil, false
		}
		n := word(rest)
		if n == 0 {
			return nil, false
		}
		rest = rest[n:]
	}
	rest, ok = bytes.CutPrefix(rest, []byte(" of size "))
	n := digits(rest)
	rest = rest[n:]
	what = line[:len(line)-len(rest)]
	rest, at := bytes.CutPrefix(rest, []byte(" at 0x"))
	rest = bytes.TrimLeft(rest, "0123456789abcdef")
	return what, ok && n > 0 && at && (bytes.HasPrefix(rest, []byte(" allocated by ")) || bytes.HasPrefix(rest, []byte(" declared at ")))
}

// access parses "Previous atomic write of size 8 at 0x00c000012345 by goroutine 7:". All but
// what was done and by whom may be missing.
func access(line []byte) (a Access, ok bool) {
	line = bytes.TrimPrefix(line, []byte("Previous "))
	line = bytes.TrimPrefix(line, []byte("atomic "))
	n := word(line)
	switch verb := line[:n]; {
	case bytes.EqualFold(verb, []byte("write")):
		a.Write = true
	case !bytes.EqualFold(verb, []byte("read")):
		return a, false
	}
	line = line[n:]
	if rest, ok := bytes.CutPrefix(line, []byte(" of size ")); ok {
		if n := digits(rest); n > 0 {
			line = rest[n:]
		}
	}
	if rest, ok := bytes.CutPrefix(line, []byte(" at 0x")); ok {
		for n = 0; n < len(rest) && hexDigit(rest[n]) >= 0; n++ {
			a.Address = a.Address<<4 | uint64(hexDigit(rest[n]))
		}
		if n > 0 && n <= 16 {
			line = rest[n:]
		}
	}
	if string(line) == " by main goroutine:" {
		a.Goroutine = 1
		return a, true
	}
	line, ok = bytes.CutPrefix(line, []byte(" by goroutine "))
	a.Goroutine, n = number(line)
	return a, ok && n > 0 && string(line[n:]) == ":"
}

// created parses "Goroutine 7 (running) created at:".
func created(line []byte) (id int64, finished, ok bool) {
	line, ok = bytes.CutPrefix(line, []byte("Goroutine "))
	id, n := number(line)
	finished = string(line[n:]) == " (finished) created at:"
	return id, finished, ok && n > 0 && (finished || string(line[n:]) == " (running) created at:")
}

// number reads the number that s begins with, and tells its length; 0 for none and for one that is too long.
func number(s []byte) (x int64, length int) {
	n := digits(s)
	if n == 0 || n > 18 {
		return 0, 0
	}
	for _, c := range s[:n] {
		x = x*10 + int64(c-'0')
	}
	return x, n
}

// other takes a line that is not part of the report.
func (r *races) other() {
	if r.foreign++; r.foreign > maxForeign {
		r.end()
	}
}

// end files the report if it had the shape of one.
func (r *races) end() {
	p := r.report
	r.report = nil
	if p == nil {
		return
	}
	r.spare = p
	if p.accesses == 0 {
		return
	}
	a, b := &p.race.Access[0], &p.race.Access[1]
	if len(a.Stack)+len(b.Stack) == 0 {
		r.cut++
		return
	}
	if p.accesses < 2 {
		r.half++
	}
	pair := racePair{r.log.owner(a.Stack), r.log.owner(b.Stack), a.Write, b.Write}
	if cmp.Or(cmp.Compare(pair.a.Function, pair.b.Function), cmp.Compare(pair.a.Line, pair.b.Line)) > 0 {
		pair = racePair{pair.b, pair.a, pair.writeB, pair.writeA}
	}
	switch first := r.seen[pair]; {
	case first != nil:
		first.Count++
	case len(r.all) == maxRaces, r.log.over != nil, r.log.pay(p.race.size()) == 0:
		r.left++
	default:
		if r.seen == nil {
			r.seen = map[racePair]*Race{}
		}
		race := *p.race
		for i := range race.Access {
			a := &race.Access[i]
			a.Stack, a.Created = append(stack.Stack(nil), a.Stack...), append(stack.Stack(nil), a.Created...)
		}
		r.seen[pair] = &race
		r.all = append(r.all, &race)
	}
}

// close ends the text.
func (r *races) close() (all []*Race, problems []prose.Text) {
	r.end()
	if r.cut > 0 {
		problems = append(problems, prose.Textf("%d race reports are cut off or without stacks and were left out", r.cut))
	}
	if r.half > 0 {
		problems = append(problems, prose.Textf("%d race reports name one side only: the other was cut off", r.half))
	}
	if r.left > 0 {
		why := prose.Errorf("more than %d different ones in one file", maxRaces)
		if len(r.all) < maxRaces {
			why = r.log.why(len(r.all), r.left)
		}
		problems = append(problems, prose.Textf("%d race reports were left out: %v", r.left, why))
	}
	return r.all, problems
}
