package dump

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Bounds of what is kept of one file, beside its memory: a dump of a million goroutines is real.
const (
	maxDumps     = 256      // dumps of one file
	maxDepth     = 1024     // frames of one goroutine; the runtime prints 100 (runtime/traceback.go)
	maxArgs      = 32       // argument words of one frame, as many as Frame.Stale has bits; the runtime prints 10
	maxLabels    = 64       // labels of one goroutine
	maxHeader    = 64 << 10 // bytes of the first line of one
	maxNesting   = 3        // quoted strings within quoted strings
	maxForeign   = 8        // lines of other output in a row that a dump may be interleaved with
	maxRecent    = 256      // lines kept to look back for the message above a dump
	recentLength = 512      // bytes kept of each
	maxBuffer    = 1 << 20  // bytes of memory kept for the string around the next line
	maxAfter     = 50       // lines below a dump in which a time stamp may still date it
)

// Find reads a text of any size to its end and returns the goroutine dumps in
// it, first to last. A dump may be buried in a log: under a prefix on every
// line, in one string of a JSON record, or one JSON record for each line. It
// must have the shape of one, a header line and frames below it: text that only
// speaks of goroutines is none.
//
// The error is that of r; the dumps found before it are returned with it.
func Find(r io.Reader) ([]*Dump, error) {
	var f Reader
	_, err := logline.Read(r, nil, &f)
	return f.Close().Dumps, err
}

// Reader reads a text that it is given line by line, as [logline.Read] hands them on. The zero Reader is ready.
type Reader struct {
	finder   // its Memory pays for what is kept
	races    races
	debugger debugger
	sorter   *logline.Sorter
}

// Found is what a text holds, each sort first to last.
type Found struct {
	Dumps   []*Dump
	Crashes []*Crash
	Races   []*Race
	// Problems says what of the crashes and races was left out, one sentence each.
	Problems []prose.Text
}

// Line takes a line of the text, without its end: the n-th, counted from 1.
func (r *Reader) Line(n int, line []byte, signs logline.Signs) {
	if r.sorter == nil {
		r.sorter = logline.NewSorter(r.sorted)
	}
	r.sorter.Line(n, line, signs)
}

// Idle reports whether nothing is being read that a line of words could belong to.
func (r *Reader) Idle() bool {
	return r.builder == nil && r.lone == nil && r.debugger.state == noDebugger && r.debugger.header == nil && r.races.report == nil && (r.sorter == nil || r.sorter.Idle())
}

func (r *Reader) sorted(n int, line []byte, signs logline.Signs) {
	r.signs = signs
	if signs&logline.Backslash != 0 {
		r.signs = logline.Any // any of them may stand there escaped
	}
	if r.debugger.wants(line, signs) {
		if r.debugged(line, func(l []byte) { r.signs = logline.Any; r.physical(n, l) }) {
			return
		}
	}
	if signs&logline.Says != 0 {
		if lines, checked := foreign(line); lines != nil {
			r.signs = logline.Any
			for _, l := range lines {
				r.physical(n, l)
			}
			if r.builder != nil && checked {
				r.checked = true
			}
			return
		}
	}
	r.physical(n, line)
	r.races.physical(line, &r.finder)
}

// Words takes lines that are kept only to look back at.
func (r *Reader) Words(w logline.Words) {
	r.detailed = false
	r.next += max(0, w.Lines-maxRecent)
	w.Last(maxRecent, r.keep)
	r.line = w.First + w.Lines - 1
}

// Close ends the text.
func (r *Reader) Close() Found {
	if r.sorter != nil {
		r.sorter.Close()
	}
	r.undebugged(func(l []byte) { r.signs = logline.Any; r.physical(r.line, l) })
	r.close()
	r.conclude()
	if r.left > 0 {
		last := r.dumps[len(r.dumps)-1]
		last.Partial = true
		last.Problems = append(last.Problems, prose.Textf("%d more dumps follow in the file and were left out", r.left))
	}
	found := Found{Dumps: r.dumps, Crashes: r.crashed.all}
	if n := r.debugger.listed; n > 1 && len(r.dumps) == 0 {
		found.Problems = append(found.Problems, prose.Textf("%d lines of gdb's info goroutines, which name where the runtime parked each and not what for: kill -QUIT prints the stacks, and so does goroutine all bt", n))
	}
	if r.crashed.left > 0 {
		why := prose.Errorf("more than %d different ones in one file", maxCrashes)
		if len(found.Crashes) < maxCrashes {
			why = r.why(len(found.Crashes), r.crashed.left)
		}
		found.Problems = append(found.Problems, prose.Textf("%d crashes were left out: %v", r.crashed.left, why))
	}
	races, problems := r.races.close()
	found.Races, found.Problems = races, append(found.Problems, problems...)
	return found
}

// finder looks for dumps.
type finder struct {
	*builder // the dump being read; nil between dumps

	// Memory pays for what is kept of the text; nil is without bound.
	Memory *bound.Account
	over   error // why something could not be kept, while it is not said yet

	dumps    []*Dump
	crashed  crashes       // the dumps that tell of a crash
	left     int           // dumps beyond maxDumps
	line     int           // number of the present line
	present  []byte        // the present line of the file, as it stands there
	signs    logline.Signs // that it may hold
	recent   [maxRecent][]byte
	next     int   // lines remembered so far; recent is a ring
	looked   int   // lines remembered that have been looked at for a time
	stamped  int   // the last of them that has one, counted from 1; 0 for none
	fence    int   // lines remembered before the last dump: its message is not the next one's
	detailed bool  // the lines are the scheduler's state
	lone     *lone // a message of a crash that waits for its goroutines; nil for none
	undated  *Dump // the last dump, while a stamp below may still date it

	values   [maxNesting + 1][]byte // of the strings around the present line, outermost last
	names    map[string]string
	stacks   stacks
	spare    *builder // that of the last dump, to read the next one into
	slab     []Frame
	argument []uint64
}

// builder is a dump being read.
type builder struct {
	dump *Dump
	seen map[int64]int
	logline.Carrier

	g       *Goroutine // whose block is being read; nil between blocks
	block   Goroutine  // where g points
	stack   []Frame
	pending pending
	frame   Frame  // waits for its position
	made    Frame  // the "created by" frame, likewise
	maker   int64  // and who created it
	skip    bool   // the block is of no goroutine of the dump: the runtime's own stack, an ancestor's
	hidden  bool   // the block says that its stack is not available
	beside  []byte // last line that was not understood
	torn    []byte // beginning of a line that a line of schedtrace was printed into

	blank     bool     // a blank line came just before
	spaced    bool     // blank lines stand between its goroutines
	relay     bool     // threads print their stacks one after the other (GOTRACEBACK=crash)
	foreign   int      // lines in a row that are not part of a dump
	strangers int      // such lines inside the dump in all
	broken    int      // headers that could not be parsed
	head      []string // what stands above it about a crash, line by line, nearest last
	exit      int      // "exit status N" below it
	checked   bool     // a leak checker names its goroutines, and not the collector
	killed    string   // the line of the go command that it killed the test
	lost      int      // goroutines beyond the bounds
	copies    int      // goroutines beyond the present one of which the text says that they stand where it does
	paid      int64    // for its goroutines
	slab      []Frame  // of the finder when it began
	argument  []uint64 // likewise
	shaped    bool     // it has a frame, so it is a dump
}

// pending says what the next line should give the position of.
type pending int

const (
	nothing pending = iota
	aFrame
	aCreator
)

var goroutineWord = []byte("goroutine ")

// physical takes the n-th line of the file.
func (f *finder) physical(n int, line []byte) {
	f.line = n
	f.present = line
	if f.builder == nil {
		f.outside(line, nil)
		return
	}
	f.inside(line, f.Keys)
}

// outside takes a line while no dump is being read; keys are the strings it stands in.
func (f *finder) outside(line []byte, keys []string) {
	if f.signs&(logline.Says|logline.Quote) == 0 || f.signs&logline.Quote == 0 && !bytes.HasSuffix(bytes.TrimSpace(line), []byte("]:")) || !bytes.Contains(line, goroutineWord) {
		f.omen(line, keys)
		f.remember(line)
		return
	}
	line = logline.Plain(line)
	for at := 0; ; at += len(goroutineWord) {
		i := bytes.Index(line[at:], goroutineWord)
		if i < 0 {
			break
		}
		at += i
		if g, ok := header(line[at:]); ok {
			f.open(line[:at], keys)
			f.begin(g)
			return
		}
	}
	value, key, ok := logline.Quoted(line, bytes.Index(line, goroutineWord))
	if !ok || len(keys) == maxNesting {
		f.omen(line, keys)
		f.remember(line)
		return
	}
	keys = append(slices.Clip(keys), key)
	for l := range logline.Lines(value) {
		if f.builder != nil {
			f.take(l)
		} else {
			f.outside(l, keys)
		}
	}
	if logline.Several(value) { // a string of many lines holds the dump to its end
		f.close()
	}
}

// inside takes a line while a dump is being read, and looks into the quoted strings the dump stands in.
func (f *finder) inside(line []byte, keys []string) {
	switch {
	case f.builder == nil: // an earlier line of the same string has ended it
		f.outside(line, nil)
		return
	case len(keys) == 0:
		f.take(line)
		return
	}
	buf := &f.values[len(keys)-1]
	value, ok := logline.After(*buf, line, keys[0])
	if !ok {
		f.other(line)
		return
	}
	if cap(value) <= maxBuffer {
		*buf = value
	}
	for l := range logline.Lines(value) {
		f.inside(l, keys[1:])
	}
}

// remember keeps a line for looking back. It passes over the state of the
// scheduler, which stands between a fatal error and its stack when
// GODEBUG=schedtrace is on (runtime/panic.go, startpanic_m) and names every goroutine.
func (f *finder) remember(line []byte) {
	if f.signs&logline.Equals != 0 && bytes.Contains(line, []byte(" gcwaiting=")) {
		f.detailed = true
		return
	}
	if f.detailed {
		if f.detailed = schedDetail.Match(line[:min(len(line), recentLength)]); f.detailed {
			return
		}
	}
	if d := f.undated; d != nil {
		if f.line > d.Lines[1]+maxAfter {
			f.undated = nil
		} else if d.date(line) {
			f.undated = nil
		}
	}
	f.keep(line)
}

// keep keeps a line for looking back.
func (f *finder) keep(line []byte) {
	slot := &f.recent[f.next%maxRecent]
	*slot = append((*slot)[:0], line[:min(len(line), recentLength)]...)
	f.next++
}

// open starts a dump whose first header stood behind prefix.
func (f *finder) open(prefix []byte, keys []string) {
	b := f.spare
	if f.spare = nil; b == nil {
		b = &builder{dump: &Dump{}, seen: map[int64]int{}}
	}
	clear(b.seen)
	*b = builder{
		dump:    &Dump{Lines: [2]int{f.line, f.line}, Goroutines: b.dump.Goroutines[:0]},
		Carrier: logline.Carrier{Keys: keys, Prefix: bytes.Clone(prefix)},
		seen:    b.seen, stack: b.stack[:0], beside: nil, head: b.head[:0], slab: f.slab, argument: f.argument,
	}
	f.builder, f.undated = b, nil
	f.checked = bytes.HasSuffix(prefix, []byte("eaked goroutine: ")) // github.com/fortytw2/leaktest and its kin
	_ = f.dump.date(prefix) || f.dump.date(f.present)
	f.lookBack()
	f.fence = f.next
}

// reopen closes the dump and starts another in the same surroundings.
func (f *finder) reopen() {
	keys, prefix := f.Keys, f.Prefix
	f.close()
	f.open(prefix, keys)
}

// take takes a line of the dump, free of the strings around it.
func (f *finder) take(line []byte) {
	b := f.builder
	line = b.Bare(line)
	if b.torn != nil {
		line, b.torn = append(b.torn, line...), nil
	}
	if f.signs&logline.Says != 0 {
		if i := bytes.Index(line, []byte("SCHED ")); i > 0 && schedLine.Match(line[i:]) {
			b.torn = bytes.Clone(line[:i])
			return
		}
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		f.endBlock()
		b.blank = true
		return
	}
	if bytes.HasPrefix(line, goroutineWord) {
		if g, ok := header(line); ok {
			f.another(g)
			return
		}
		n := len(goroutineWord)
		if d := digits(line[n:]); d > 0 && (bytes.HasPrefix(line[n+d:], []byte(" [")) || bytes.HasPrefix(line[n+d:], []byte(" gp="))) {
			f.endBlock()
			b.broken++
			b.skip = true
			f.mark()
			return
		}
	}
	if b.pending != nothing {
		if file, n, ok := position(line); ok {
			f.place(file, n)
			return
		}
	}
	if b.g != nil || b.skip {
		if name, id, ok := createdBy(line); ok {
			b.made = Frame{Frame: stack.Frame{Function: f.name(name)}}
			b.maker, b.pending = id, aCreator
			return
		}
		if name, args, ok := call(line); ok {
			f.called(name, args)
			return
		}
	}
	switch {
	case bytes.HasPrefix(line, []byte("...")) && bytes.HasSuffix(line, []byte("elided...")):
		b.dump.Elided++
		f.mark()
		return
	case bytes.HasPrefix(line, []byte("goroutine running on other thread")):
		b.hidden, b.shaped = true, true
		f.mark()
		return
	case bytes.HasPrefix(line, []byte("[originating from goroutine ")), // GODEBUG=tracebackancestors: what follows are the ancestor's frames
		bytes.HasPrefix(line, []byte("runtime stack:")):
		f.endBlock()
		b.skip = true
		f.mark()
		return
	case bytes.HasPrefix(line, []byte("runtime: ")): // of this dump, or above the message of the next
		f.remember(line)
		return
	case bytes.HasPrefix(line, []byte("exit status ")):
		b.exit, _ = strconv.Atoi(string(line[len("exit status "):]))
		f.mark()
		return
	case bytes.HasPrefix(line, []byte("*** Test killed")) && killed.Match(line):
		b.killed = string(line)
		f.mark()
		return
	case bytes.HasPrefix(line, []byte("non-Go function")), bytes.HasPrefix(line, []byte("pc=0x")), machine(line):
		f.mark()
		return
	case string(line) == "-----":
		f.endBlock()
		b.relay = true
		return
	}
	if file, n, ok := position(line); ok && b.g != nil && b.beside != nil && bytes.Contains(line, []byte(" pc=0x")) {
		// A frame of C code has neither arguments nor an offset: "name", then "\tfile.c:12 pc=0x..".
		b.foreign--
		f.called(b.beside, nil)
		f.place(file, n)
		return
	}
	if origin, _ := trigger(line); origin != "" && !b.relay {
		f.close()
		f.await(line, b.Carrier)
		f.remember(line)
		return
	}
	f.other(line)
}

// other takes a line that is not part of the dump.
func (f *finder) other(line []byte) {
	b := f.builder
	b.beside = append(b.beside[:0], line[:min(len(line), recentLength)]...)
	b.foreign++
	f.remember(line)
	if b.foreign > maxForeign {
		f.close()
	}
}

// mark notes that the dump reaches to the present line.
func (f *finder) mark() {
	b := f.builder
	b.dump.Lines[1] = max(b.dump.Lines[1], f.line) // what was printed backwards comes from below
	b.strangers += b.foreign
	b.foreign, b.blank, b.beside = 0, false, nil
}

// another takes the header of a further goroutine: of this dump, or of one that
// begins here. Whatever prints all goroutines prints the running one first, and
// nothing but a blank line between two.
func (f *finder) another(g Goroutine) {
	b := f.builder
	if b.g != nil && b.g.ID == g.ID && len(b.stack) == 0 { // goleak names it, and its stack does so again
		b.g.State, b.g.Wait = f.known(g.State), g.Wait
		return
	}
	f.endBlock()
	at, again := b.seen[g.ID]
	again = again && g.ID != 0 // every thread has a goroutine 0
	switch running := g.State == "running"; {
	case b.relay: // a goroutine shows once more on the thread that runs it
	case again:
		f.splitAfter(at)
	case b.foreign > 0 && running,
		!b.blank && b.spaced,
		!b.blank && len(b.dump.Goroutines) == 1 && running:
		f.reopen()
	}
	f.spaced = f.spaced || f.blank
	f.begin(g)
}

// splitAfter starts a second dump: numbers are never used twice, so one that
// returns belongs to it. It began with the last running goroutine since.
func (f *finder) splitAfter(first int) {
	d := f.dump
	for i := len(d.Goroutines) - 1; i > first; i-- {
		if d.Goroutines[i].State == "running" {
			f.split(i)
			return
		}
	}
	f.reopen()
}

// split moves the goroutines from the i-th on into a dump of their own.
func (f *finder) split(i int) {
	d, last := f.dump, f.line
	moved := slices.Clone(d.Goroutines[i:])
	d.Goroutines = d.Goroutines[:i:i]
	d.Lines[1] = max(d.Lines[0], moved[0].Line-1)
	f.paid, f.builder.slab, f.builder.argument = 0, nil, nil // what is moved lies among what is not
	f.reopen()
	b := f.builder
	b.dump.Goroutines = moved
	b.dump.Lines = [2]int{moved[0].Line, max(last, moved[0].Line)}
	b.shaped, b.spaced = true, true
	for i := range moved {
		b.seen[moved[i].ID] = i
	}
}

// begin starts a goroutine's block.
func (f *finder) begin(g Goroutine) {
	b := f.builder
	g.Line = f.line
	g.State = f.known(g.State)
	g.Leaked = g.Leaked || b.checked
	b.block = g
	b.g, b.stack, b.pending, b.hidden = &b.block, b.stack[:0], nothing, false
	f.mark()
}

// called takes the first line of a frame.
func (f *finder) called(name, args []byte) {
	b := f.builder
	if b.pending != nothing { // what looked like a frame was none
		b.foreign++
	}
	if b.g == nil {
		b.pending = aFrame
		return
	}
	fr := Frame{Frame: stack.Frame{Function: f.name(name)}, Inlined: string(args) == "..."}
	if !fr.Inlined && len(args) > 0 {
		if cap(f.argument)-len(f.argument) < maxArgs {
			f.argument = make([]uint64, 0, f.pay(8*argumentSlab)/8)
		}
		start := len(f.argument)
		if cap(f.argument)-start >= maxArgs {
			f.argument, fr.Stale = words(f.argument, args)
		}
		if end := len(f.argument); end > start {
			fr.Args = f.argument[start:end:end]
		}
	}
	b.frame, b.pending = fr, aFrame
}

// place takes the second line of a frame.
func (f *finder) place(file []byte, line int) {
	b := f.builder
	switch {
	case b.g == nil:
	case b.pending == aFrame:
		b.frame.File, b.frame.Line = f.name(file), line
		b.shaped = true
		if len(b.stack) < maxDepth {
			b.stack = append(b.stack, b.frame)
		} else {
			b.dump.Elided++
		}
	case b.pending == aCreator:
		b.made.File, b.made.Line = f.name(file), line
		b.g.CreatedBy, b.g.Creator = b.made.Frame, b.maker
	}
	b.pending = nothing
	f.mark()
}

// endBlock files the goroutine whose block has ended.
func (f *finder) endBlock() {
	b := f.builder
	g := b.g
	if g != nil && b.pending == aFrame && len(b.stack) < maxDepth && (b.frame.Function == "panic" || strings.IndexByte(b.frame.Function, '.') > 0) { // its position was cut off
		b.stack = append(b.stack, b.frame)
	}
	b.g, b.pending, b.skip = nil, nothing, false
	if g == nil {
		return
	}
	copies := b.copies
	if b.copies = 0; g.State == waiting && len(b.stack) > 0 {
		g.State = parked(b.stack)
	}
	if !f.affords(g, len(b.stack)) {
		b.lost++
		return
	}
	at, again := b.seen[g.ID]
	if b.relay && again && len(b.dump.Goroutines[at].Frames) > 0 {
		return
	}
	if n := len(b.stack); n > 0 {
		if cap(f.slab)-len(f.slab) < n {
			f.slab = make([]Frame, 0, max(2048, n))
		}
		start := len(f.slab)
		f.slab = append(f.slab, b.stack...)
		g.Frames = f.slab[start:len(f.slab):len(f.slab)]
		if e := f.same(g.Frames); e != nil {
			g.shared = e.stack
		}
	}
	if b.relay && again {
		b.dump.Goroutines[at] = *g
		return
	}
	more, err := bound.Append(f.Memory, b.dump.Goroutines, *g)
	if err != nil {
		b.lost++
		f.over = err
		return
	}
	b.seen[g.ID] = len(more) - 1
	b.dump.Goroutines = more
	others := *g
	others.ID = 0
	for left := copies; left > 0; left-- {
		if more, err = bound.Append(f.Memory, b.dump.Goroutines, others); err != nil {
			f.over = err
			b.lost += left
			break
		}
		b.dump.Goroutines = more
	}
	if n := len(b.dump.Goroutines) - 1; n > 0 && profiled(g) {
		f.split(n)
	}
}

// profiled reports whether a goroutine is the one that prints a goroutine
// profile at debug=2, which is the first of its dump.
func profiled(g *Goroutine) bool {
	return len(g.Frames) > 0 && g.Frames[0].Function == "runtime/pprof.writeGoroutineStacks"
}

// close ends the dump and keeps it if it had the shape of one.
func (f *finder) close() {
	b := f.builder
	if b == nil {
		return
	}
	var cut int64 = -1
	if g := b.g; g != nil && (b.pending != nothing || len(b.stack) == 0 && !b.hidden) {
		cut = g.ID
	}
	f.endBlock()
	b = f.builder // endBlock may have begun a dump
	f.builder = nil
	d, kept := b.dump, false
	defer func() { f.retire(b, kept) }()
	if !b.shaped || len(d.Goroutines) == 0 {
		if f.lone != nil && b.dump.Origin != "" { // a header is shape enough
			f.lone.shaped = true
			f.conclude()
		}
		return
	}
	if l := f.lone; l != nil && d.Origin == "" { // more stood between the message and the goroutines than is looked back over
		d.Origin, b.head = l.origin, l.head
		_, d.Message = trigger([]byte(l.head[0]))
	}
	f.lone = nil
	partly := func(format prose.Format, args ...any) {
		d.Partial = true
		d.Problems = append(d.Problems, prose.Textf(format, args...))
	}
	if cut >= 0 {
		partly("cut off inside goroutine %d", cut)
	}
	if b.broken > 0 {
		partly("%d goroutines whose header could not be read are left out", b.broken)
	}
	if b.lost > 0 {
		partly("%d goroutines are left out: %v", b.lost, f.why(len(d.Goroutines), b.lost))
	}
	if b.strangers > 0 {
		d.Problems = append(d.Problems, prose.Textf("%d lines of other output stand inside the dump", b.strangers))
	}
	if d.Origin == "" && b.checked {
		d.Origin = "goleak"
	}
	if d.Origin == "" {
		d.Origin = origin(&d.Goroutines[0])
	}
	if b.killed != "" {
		b.head = append(b.head, b.killed)
	}
	d.GoVersion = version(d)
	c := crash(d, b.head, b.exit)
	if c != nil && c.Timeout != nil && !c.Timeout.Listed || d.Origin == "SIGQUIT" {
		if names := f.begunTests(&b.Carrier); len(names) > 0 {
			if c == nil {
				c = stopped(d)
			}
			c.Timeout.Begun = names
		}
	}
	f.crashed.add(c, f.pay)
	kept = c != nil && c.Timeout != nil
	if d.Time.IsZero() {
		f.undated = d
	}
	switch {
	case d.Lone() && len(f.dumps) >= maxDumps/2: // the crash that it tells of is counted; whole dumps need the room
	case len(f.dumps) == maxDumps:
		f.left++
	default:
		f.dumps = append(f.dumps, d)
		kept = true
	}
}

// small is how many goroutines of a dump are copied where it is kept, so that the memory it was read into takes the next.
const small = 4096

// retire makes the memory that a dump was read into that of the next one, and gives back what was paid for one that is not kept.
func (f *finder) retire(b *builder, kept bool) {
	n := len(b.dump.Goroutines)
	switch {
	case !kept:
		f.Memory.Shrink(b.paid)
		f.slab, f.argument = rewound(f.slab, b.slab), rewound(f.argument, b.argument)
	case n <= small && f.pay(bound.Size[Goroutine](n)) > 0:
		read := b.dump
		b.dump = &Dump{Goroutines: read.Goroutines}
		read.Goroutines = slices.Clone(read.Goroutines)
	default:
		b.dump = &Dump{}
	}
	if len(b.seen) > small {
		return
	}
	clear(b.dump.Goroutines)
	f.spare = b
}

// rewound returns what a slab was before, if it is still the same.
func rewound[T any](slab, before []T) []T {
	if cap(before) > 0 && cap(slab) > 0 && &before[:1][0] == &slab[:1][0] {
		return before
	}
	return slab
}

// origin tells by the first goroutine what printed a dump that no message introduces.
func origin(g *Goroutine) string {
	if profiled(g) {
		return "debug=2"
	}
	for _, f := range g.Frames {
		if g.State != "running" { // it panics, and a deferred call of it waits
			break
		}
		if f.Function == "panic" || f.Function == "runtime.gopanic" {
			return "panic"
		}
	}
	return ""
}

func version(d *Dump) string {
	for i := range d.Goroutines[:min(len(d.Goroutines), 100)] {
		for _, f := range d.Goroutines[i].Frames {
			if v := stack.GoVersion(f.File); v != "" {
				return v
			}
		}
	}
	return ""
}

// name returns b as a string, one copy for each distinct one.
func (f *finder) name(b []byte) string {
	if f.names == nil {
		f.names = map[string]string{}
	}
	if len(b) > bound.MaxText {
		b = []byte(bound.Text(b))
	}
	if s, ok := f.names[string(b)]; ok {
		return s
	}
	if f.pay(int64(len(b))+2*16+bound.PerEntry) == 0 {
		return ""
	}
	s := string(b)
	f.names[s] = s
	return s
}

// known is name for a string.
func (f *finder) known(s string) string {
	if known, ok := f.names[s]; ok {
		return known
	}
	return f.name([]byte(s))
}

const argumentSlab = 8192

// pay pays for n bytes and returns n, or 0 when they do not fit.
func (f *finder) pay(n int64) int64 {
	if err := f.Memory.Grow(n); err != nil {
		f.over = err
		return 0
	}
	return n
}

// affords pays for a goroutine beside its place in the list. What was refused before
// while its block was read has left a hole in it.
func (f *finder) affords(g *Goroutine, frames int) bool {
	if f.over != nil && f.builder.lost > 0 {
		return false // those that follow would be kept by chance
	}
	n := bound.Size[Frame](frames) + bound.PerEntry + 16
	if g.Labels != nil {
		n += perLabels
		for k, v := range g.Labels {
			n += int64(len(k)+len(v)) + perLabel
		}
	}
	if f.over != nil || f.pay(n) == 0 {
		return false
	}
	f.paid += n
	return true
}

// What a map of labels takes, and a label in it: it has room for eight, and for twice as many as it holds later.
const (
	perLabels = 400
	perLabel  = 4 * 16
)

// why says why so many of the goroutines of a dump could not be kept.
func (f *finder) why(kept, lost int) error {
	err := f.over
	f.over = nil
	if over := (*bound.Exceeded)(nil); errors.As(err, &over) {
		return over.Of(int64(kept), int64(kept)+int64(lost))
	}
	return err
}

// lookBack reads the lines above a dump, nearest first, for the message that
// introduces it and for a time.
func (f *finder) lookBack() {
	b := f.builder
	var message []string // last line first
	others, done, above, chained := 0, false, false, false
	for i := f.next - 1; i >= max(0, f.next-maxRecent); i-- {
		line := f.recent[i%maxRecent]
		if done = done || i < f.fence; done {
			break
		}
		for _, key := range b.Keys {
			if value, ok := logline.After(nil, line, key); ok {
				value = bytes.TrimSuffix(value, []byte("\n"))
				line = bytes.TrimSuffix(value[bytes.LastIndexByte(value, '\n')+1:], []byte("\r"))
			}
		}
		raw := b.Bare(line)
		bare := logline.Unstamped(raw)
		text := bytes.TrimSpace(bare)
		if above { // the runtime explains a fatal error above it
			if done = !bytes.HasPrefix(text, []byte("runtime: ")) && !bytes.HasPrefix(text, []byte("unexpected fault address ")); !done {
				b.head = append(b.head, string(text))
			}
			continue
		}
		if n := len(b.head); n > 0 && strings.HasPrefix(b.head[n-1], "PC=0x") { // the runtime writes behind what the program left unfinished
			if at := omenAt(text); at > 0 && bytes.HasPrefix(text[at:], []byte("SIG")) {
				text = text[at:]
			}
		}
		origin, says := trigger(text)
		switch {
		case origin == "panic" && len(bare) > 0 && bare[0] == '\t':
			// Raised while another panic was under way, which stands above.
			message = append(message, string(text))
			b.head = append(b.head, string(text))
			b.dump.Origin, chained = origin, true
		case origin != "":
			message = append(message, says)
			b.head = append(b.head, string(text))
			b.dump.Origin, above = origin, true
		case b.dump.Origin != "" && !chained:
			done = true
		case bytes.HasPrefix(text, []byte("[signal ")), bytes.HasPrefix(text, []byte("PC=0x")):
			message = message[:0]
			b.head = append(b.head, string(text))
		case len(text) == 0, bytes.HasPrefix(text, []byte("runtime stack:")), machine(text), framed(text), memoryLine(text):
			message, b.head = message[:0], signals(b.head) // what stands below a blank line is no message
		case len(bare) < len(raw), others == 20:
			b.head = append(b.head, string(text))
			done = true // an ordinary line of the log
		default: // a message may have several lines
			message = append(message, string(text))
			b.head = append(b.head, string(text))
			if !runningTest(string(text)) {
				others++
			}
		}
	}
	if b.dump.Time.IsZero() {
		b.dump.date(f.stampAbove())
	}
	slices.Reverse(b.head)
	if len(b.Keys) > 0 { // one record holds the stack and, in another string, what went wrong
		b.head = append(b.head, string(f.present[:min(len(f.present), recentLength)]))
	}
	if b.dump.Origin == "" {
		return
	}
	slices.Reverse(message)
	b.dump.Message = strings.Join(message, " ")
}

// recentTime returns the time of the present line, or of the nearest above it that carries one.
func (f *finder) recentTime() time.Time {
	d := &Dump{}
	_ = d.date(f.present) || d.date(f.stampAbove())
	return d.Time
}

// stampAbove returns the nearest line above that carries a time, of those that are
// remembered. Each of them is looked at once, however often it is asked for.
func (f *finder) stampAbove() []byte {
	for i := f.next - 1; i >= max(f.looked, f.next-maxRecent); i-- {
		if (&Dump{}).date(f.recent[i%maxRecent]) {
			f.stamped = i + 1
			break
		}
	}
	f.looked = f.next
	if f.stamped <= max(0, f.next-maxRecent) {
		return nil
	}
	return f.recent[(f.stamped-1)%maxRecent]
}

// schedLine matches the beginning of a line of schedtrace. The runtime's monitor prints it without regard
// to a dump that is being printed, so it may stand in the middle of one of its lines.
var schedLine = regexp.MustCompile(`^SCHED \d+ms: gomaxprocs=\d`)

var schedDetail = regexp.MustCompile(`[PGM]\d+: (?:status=|p=)`)

func framed(text []byte) bool {
	if _, _, ok := call(text); ok {
		return true
	}
	_, _, ok := position(text)
	return ok
}

// trigger recognises the line that stands above a dump and says why it was
// printed: the runtime's own, and that of net/http about a panic it recovered.
func trigger(line []byte) (origin, message string) {
	line = line[:min(len(line), recentLength)]
	if says, ok := bytes.CutPrefix(line, []byte("panic: ")); ok {
		return "panic", string(says)
	}
	if says, ok := bytes.CutPrefix(line, []byte("fatal error: ")); ok {
		return "fatal error", string(says)
	}
	if bytes.HasPrefix(line, []byte("SIG")) {
		if name, says, ok := strings.Cut(string(line), ": "); ok && len(name) < 12 && strings.ToUpper(name) == name && !strings.Contains(name, " ") {
			return name, says
		}
	}
	if bytes.HasSuffix(line, []byte(unexpected)) {
		return "goleak", unexpected
	}
	if bytes.HasPrefix(line, []byte(potential)) {
		return "fatal error", string(line)
	}
	if _, after, ok := bytes.Cut(line, []byte("http: panic serving ")); ok {
		if _, says, ok := bytes.Cut(after, []byte(": ")); ok {
			return "panic", string(says)
		}
	}
	return "", ""
}

// machine reports whether a line belongs to what the runtime prints around the
// goroutines of a crash: registers, signal and program counter, exit status.
func machine(line []byte) bool {
	for _, p := range []string{"[signal ", "PC=0x", "exit status ", "stack: frame=", "runtime: ", "signal arrived during ", "instruction bytes:"} {
		if bytes.HasPrefix(line, []byte(p)) {
			return true
		}
	}
	name, value, ok := bytes.Cut(line, []byte(" "))
	value, hex := bytes.CutPrefix(bytes.TrimSpace(value), []byte("0x"))
	return ok && hex && len(name) <= 7 && len(value) <= 16 && !slices.ContainsFunc(value, func(c byte) bool { return hexDigit(c) < 0 })
}
