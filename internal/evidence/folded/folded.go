// Package folded reads stacks with counts as tracers of the operating system
// print them, line by line: the maps of bpftrace, perf script, and the collapsed
// form that flame graphs are drawn from. It tells calls of a probed function from
// samples, and never says what either means.
package folded

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// What the one column of a profile can count.
const (
	Calls   = "calls"   // of the functions that the stacks end in: each was probed at one place
	Samples = "samples" // of what ran, at moments
	Events  = "events"  // of something that the text does not name
)

// Bounds of what is kept of one text.
const (
	maxDepth   = 1024    // frames of one; bpftrace and perf record 127 unless told otherwise
	maxName    = 1024    // bytes of a frame
	maxProbes  = 8       // functions that stacks of calls end in
	maxCount   = 1 << 42 // of one stack, so that no sum overflows
	maxForeign = 20      // lines beside collapsed stacks: one in so many, cut off or mixed in
)

// Reader reads a text that it is given line by line. The zero Reader is ready.
type Reader struct {
	Memory *bound.Account // pays for what is kept; nil is without bound

	block   *block // being read; nil between blocks
	spare   block  // what it is made of
	frames  []printed
	blocks  counted // from bpftrace and perf script, whose shape is their own
	lines   counted // collapsed: believed when the whole text is made of them
	foreign int     // lines that are neither a collapsed stack nor empty nor a comment
	cut     int     // blocks that do not end as they should
	sampled int     // blocks of perf script by event
	probed  int
	other   int
}

// block is a stack that is printed over several lines, leaf first.
type block struct {
	perf   bool // of perf script: closed by an empty line, counts once
	event  string
	owner  string // command
	keys   []string
	frames []printed
	text   []byte // of the frames
}

// frame is one call as it is printed.
type frame struct {
	name   string
	offset string // in the function, as printed; "" when it is not
}

// printed is a frame in the line that it stands in.
type printed struct{ name, offset []byte }

// sample is a stack in the lines that it stands in, leaf first.
type sample struct {
	frames []printed
	owner  string
	caller bool // the leaf's caller was told apart from the stack
	n      int64
}

// counted is different stacks with their counts.
type counted struct {
	index  map[string]int
	stacks []counter
	names  map[string]string
	paid   int64 // bytes
	over   error // why counts were lost
	lost   int64 // counts of stacks that were too many
	key    []byte
}

type counter struct {
	frames []frame // leaf first
	owner  string
	caller bool // the leaf's caller was told apart from the stack
	n      int64
}

// Wants reports whether a line with such signs can be of use now.
func (r *Reader) Wants(signs logline.Signs) bool {
	return r.block != nil || !r.abandoned() || signs&(logline.At|logline.Says) != 0
}

// Words takes lines that are neither stacks nor comments.
func (r *Reader) Words(w logline.Words) {
	if !r.abandoned() {
		r.others(w.Filled)
	}
}

// Idle reports whether a line of words is of no stack.
func (r *Reader) Idle() bool { return r.block == nil }

// others counts lines that are no stacks.
func (r *Reader) others(n int) {
	r.foreign += n
	if r.abandoned() {
		r.Memory.Shrink(r.lines.paid)
		r.lines = counted{}
	}
}

// Line takes the next line of the text, without its end.
func (r *Reader) Line(line []byte) {
	if r.block != nil && r.within(line) {
		return
	}
	if r.opens(line) {
		return
	}
	trimmed := bytes.TrimSpace(line)
	switch {
	case len(trimmed) == 0 || trimmed[0] == '#':
	case r.abandoned():
	case r.collapsed(trimmed):
	default:
		r.others(1)
	}
}

// abandoned reports whether the text holds too much else to be made of collapsed stacks.
func (r *Reader) abandoned() bool { return r.foreign > maxForeign+len(r.lines.stacks) }

// opens begins a block where a line does.
func (r *Reader) opens(line []byte) bool {
	switch {
	case len(line) > 1 && line[0] == '@':
		// @[ or @calls[ or @[comm, caller, : the key goes on in the next lines.
		name, rest, ok := bytes.Cut(line[1:], []byte("["))
		if !ok || len(line) > maxName || bytes.ContainsFunc(name, notWord) || bytes.Contains(rest, []byte("]:")) {
			return false
		}
		r.begin(block{keys: keys(rest)})
		return true
	case len(line) > 0 && line[0] != ' ' && line[0] != '\t' && len(line) < maxName:
		line = bytes.TrimRight(line, " ")
		if !bytes.HasSuffix(line, []byte(":")) || !bytes.Contains(line, []byte(": ")) { // few lines that are none get further
			return false
		}
		owner, event, ok := perfHeader(string(line))
		if !ok {
			return false
		}
		r.begin(block{perf: true, owner: owner, event: event})
		return true
	}
	return false
}

// begin opens a block in the memory of the last one.
func (r *Reader) begin(b block) {
	b.frames, b.text = r.spare.frames[:0], r.spare.text[:0]
	r.spare = b
	r.block = &r.spare
}

func notWord(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// keys splits what stands beside a stack in the key of a bpftrace map.
func keys(b []byte) []string {
	var out []string
	for k := range strings.SplitSeq(string(b), ", ") {
		if k = strings.TrimSpace(strings.Trim(k, ",")); k != "" {
			out = append(out, k)
		}
	}
	return out
}

// perfHeader reads the line that perf script prints above a stack:
// "COMMAND PID[/TID] [[CPU]] SECONDS.MICROS: [PERIOD] EVENT:".
func perfHeader(line string) (owner, event string, ok bool) {
	rest, ok := strings.CutSuffix(line, ":")
	if !ok {
		return "", "", false
	}
	fields := strings.Fields(rest)
	for i, f := range fields {
		// The time is the first field that ends in a colon; before it stands a process.
		seconds, isTime := strings.CutSuffix(f, ":")
		whole, micros, ok := strings.Cut(seconds, ".")
		if !isTime || !ok || !digits(whole) || !digits(micros) || i < 2 || i == len(fields)-1 {
			continue
		}
		pid := i - 1
		if strings.HasPrefix(fields[pid], "[") {
			pid--
		}
		if pid < 1 || !digits(strings.ReplaceAll(fields[pid], "/", "")) || len(fields)-i > 3 {
			return "", "", false
		}
		return strings.Join(fields[:pid], " "), fields[len(fields)-1], true
	}
	return "", "", false
}

func digits[S string | []byte](s S) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// within takes a line that may belong to the open block, and reports whether it does.
func (r *Reader) within(line []byte) bool {
	b := r.block
	trimmed := bytes.TrimSpace(line)
	if b.perf && len(trimmed) == 0 {
		r.close(1)
		return true
	}
	if !b.perf && len(trimmed) > 0 && (trimmed[0] == ']' || trimmed[0] == ',') {
		rest, count, closes := bytes.Cut(trimmed, []byte("]:"))
		b.keys = append(b.keys, keys(rest)...)
		if !closes {
			return len(trimmed) < maxName
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(count)), 10, 64)
		if err != nil || n < 0 { // a histogram or a sum of another type
			r.block = nil
			return true
		}
		r.close(n)
		return true
	}
	indented := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
	f, ok := printedFrame(trimmed[:min(len(trimmed), maxName)])
	if !indented || !ok {
		if b.perf && len(b.frames) > 0 { // the last empty line is missing
			r.close(1)
		} else {
			r.cut++
			r.block = nil
		}
		return false
	}
	if len(b.frames) < maxDepth {
		b.frames = append(b.frames, printed{b.copy(f.name), b.copy(f.offset)})
	}
	return true
}

// copy keeps a part of a line until the block is closed.
func (b *block) copy(s []byte) []byte {
	start := len(b.text)
	b.text = append(b.text, s...)
	return b.text[start:len(b.text):len(b.text)]
}

// close counts the open block.
func (r *Reader) close(n int64) {
	b := r.block
	r.block = nil
	if len(b.frames) == 0 {
		return
	}
	if b.perf {
		switch {
		case strings.Contains(b.event, "probe"):
			r.probed++
		case slices.ContainsFunc(cpuEvents, func(e string) bool { return strings.HasPrefix(b.event, e) }):
			r.sampled++
		default:
			r.other++
		}
	}
	c := sample{frames: b.frames, owner: b.owner, n: n}
	for _, k := range b.keys {
		name, ok := goName(k)
		if !ok || c.caller {
			continue
		}
		c.caller = true
		if len(c.frames) < 2 || clean(string(c.frames[1].name)) != name {
			c.frames = slices.Insert(c.frames, 1, printed{name: []byte(name)})
		}
	}
	r.blocks.add(r.Memory, c)
}

// cpuEvents are the events of perf that come by processor time (perf list).
var cpuEvents = []string{"cycles", "cpu-cycles", "cpu-clock", "task-clock", "cpu/cycles", "cpu_core/cycles", "ref-cycles", "bus-cycles"}

// printedFrame reads a frame of a block: "NAME+OFFSET" or "ADDRESS NAME+OFFSET (FILE)".
func printedFrame(s []byte) (printed, bool) {
	addressed := false
	if i := bytes.IndexByte(s, ' '); i >= 0 && hex(s[:i]) {
		s, addressed = bytes.TrimSpace(s[i+1:]), true
	}
	if i := bytes.Index(s, []byte(" @ ")); i >= 0 { // file and line
		s = s[:i]
	}
	if addressed && bytes.HasSuffix(s, []byte(")")) {
		if i := bytes.LastIndex(s, []byte(" (")); i >= 0 {
			s = s[:i]
		}
	}
	switch {
	case len(s) == 0 || string(s) == unknown || bytes.HasPrefix(s, []byte("0x")) && hex(s[2:]):
		return printed{name: []byte(unknown)}, addressed || len(s) > 0
	case s[len(s)-1] >= '0': // no offset ends otherwise
		if f := split(s); f.offset != nil {
			return f, true
		}
	}
	// Without an offset it could be anything that is indented.
	return printed{name: s}, addressed
}

// split takes the offset from a frame's name.
func split(s []byte) printed {
	i := bytes.LastIndexByte(s, '+')
	if i > 0 && (digits(s[i+1:]) || bytes.HasPrefix(s[i+1:], []byte("0x")) && hex(s[i+3:])) {
		return printed{s[:i], s[i+1:]}
	}
	return printed{name: s}
}

const unknown = "[unknown]"

func hex[S string | []byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return len(s) > 0
}

// collapsed takes a line "OUTERMOST;...;LEAF COUNT", and reports whether it is one.
func (r *Reader) collapsed(line []byte) bool {
	i := bytes.LastIndexByte(line, ' ')
	if i <= 0 || i == len(line)-1 || bytes.IndexByte(line[:i], ';') < 0 {
		return false
	}
	n, err := strconv.ParseInt(string(line[i+1:]), 10, 64)
	if err != nil || n < 0 {
		return false
	}
	frames := r.frames[:0]
	for more, rest := true, line[:i]; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte(";"))
		name = bytes.TrimSpace(name)
		if !frameName(name) {
			return false
		}
		if len(frames) < maxDepth {
			frames = append(frames, split(name))
		}
	}
	slices.Reverse(frames)
	r.frames = frames
	r.lines.add(r.Memory, sample{frames: frames, n: n})
	return true
}

// frameName reports whether a function may be called so. Only type arguments hold blanks:
// what else does is a sentence with a semicolon.
func frameName(name []byte) bool {
	blank, bracket := false, false
	for _, c := range name {
		switch c {
		case '\t', '=', '"':
			return false
		case ' ':
			blank = true
		case '[':
			bracket = true
		}
	}
	return len(name) > 0 && len(name) <= maxName && (bracket || !blank)
}

// add files a stack, with those that are equal.
func (c *counted) add(memory *bound.Account, s sample) {
	if c.index == nil {
		c.index, c.names = map[string]int{}, map[string]string{}
	}
	c.key = append(c.key[:0], s.owner...)
	for _, f := range s.frames {
		c.key = append(append(append(append(c.key, 0), f.name...), 1), f.offset...)
	}
	if i, ok := c.index[string(c.key)]; ok {
		c.stacks[i].n = plus(c.stacks[i].n, s.n)
		return
	}
	// It is held as it was printed, and as a sample of the profile that is made of it.
	price := perStack + 2*int64(len(c.key)) + int64(len(s.frames))*perFrame
	for _, f := range s.frames {
		price += int64(len(f.offset))
		if _, ok := c.names[string(f.name)]; !ok {
			price += int64(len(f.name)) + 2*16 + bound.PerEntry
		}
	}
	if err := memory.Grow(price); err != nil {
		c.over, c.lost = err, plus(c.lost, min(s.n, maxCount))
		return
	}
	c.paid += price
	frames := make([]frame, len(s.frames))
	for i, f := range s.frames {
		name, ok := c.names[string(f.name)]
		if !ok {
			name = string(f.name)
			c.names[name] = name
		}
		frames[i] = frame{name, string(f.offset)}
	}
	c.index[string(c.key)] = len(c.stacks)
	c.stacks = append(c.stacks, counter{frames: frames, owner: s.owner, caller: s.caller, n: min(s.n, maxCount)})
}

// What a stack takes and a frame of it, both ways of holding them together.
const (
	perStack = 3*int64(unsafe.Sizeof(counter{})) + 3*int64(unsafe.Sizeof(pprofile.Sample{})) + 2*(bound.PerEntry+24)
	perFrame = 2*int64(unsafe.Sizeof(frame{})) + int64(unsafe.Sizeof(stack.Frame{}))
)

// plus adds counts, each at most maxCount and positive.
func plus(a, b int64) int64 { return min(a+min(b, maxCount), maxCount) }

// Close ends the text and returns its stacks, or nil when it is not made of stacks of Go programs.
func (r *Reader) Close() *pprofile.Profile {
	if r.block != nil {
		if r.block.perf && len(r.block.frames) > 0 {
			r.close(1)
		} else {
			r.cut++
		}
	}
	all := r.blocks.stacks
	lost, over := r.blocks.lost, r.blocks.over
	var problems []prose.Text
	if len(all) == 0 {
		if n := len(r.lines.stacks); n == 0 || r.foreign > 0 && r.foreign*maxForeign > n {
			return nil
		}
		all, lost, over = r.lines.stacks, r.lines.lost, r.lines.over
		commands(all)
		if r.foreign > 0 {
			problems = append(problems, prose.Textf("%d lines that are no stacks were left out", r.foreign))
		}
	} else if r.cut > 0 {
		problems = append(problems, prose.Textf("%d stacks are cut off or mixed with other output and were left out", r.cut))
	}
	all, others := ofGo(all)
	if len(all) == 0 {
		return nil
	}
	if others > 0 {
		problems = append(problems, prose.Textf("%d counts of commands that are not written in Go were left out", others))
	}
	if lost > 0 {
		problems = append(problems, prose.Textf("%d counts were left out with their stacks: %v", lost, over))
	}
	counts := r.counts(all)
	p := &pprofile.Profile{Kind: "folded", Columns: []pprofile.Column{{Name: counts, Unit: "count"}}, Problems: problems}
	var total, callerless int64
	for i := range all {
		c := &all[i]
		total = plus(total, c.n)
		if counts == Calls && c.frames[0].offset == "0" && !c.caller && !inner(c.frames[0].name) {
			callerless = plus(callerless, c.n)
		}
	}
	if callerless > 0 {
		p.Problems = append(p.Problems, prose.Textf("the direct caller is missing from %d of %d calls, which were caught at the entry of a function; docs/evidence.md says how to ask for it (Stacks of tracers)", callerless, total))
	}
	p.Samples, p.Unsymbolised = samples(all)
	if p.Unsymbolised > 0 && p.Unsymbolised == len(p.Samples) {
		p.Problems = append(p.Problems, "no function names: it holds addresses only, so nothing in it can be placed in the source")
	}
	return p
}

// inner reports whether only the runtime and the lock call a function, so that
// nothing of the program is lost with its caller: neither is inlined into the program.
func inner(function string) bool {
	return strings.HasPrefix(function, "internal/runtime/") || strings.HasSuffix(function, ".runtime_SemacquireMutex")
}

// samples turns stacks into those of a profile, each once.
func samples(all []counter) (out []pprofile.Sample, unnamed int) {
	index := map[string]int{}
	var key []byte
	for i := range all {
		st := make(stack.Stack, 0, len(all[i].frames))
		key = key[:0]
		for _, f := range all[i].frames {
			if name := clean(f.name); name != unknown {
				st = append(st, &stack.Frame{Function: name})
				key = append(append(key, name...), 0)
			}
		}
		if k, ok := index[string(key)]; ok {
			out[k].Values[0] = plus(out[k].Values[0], all[i].n)
			continue
		}
		index[string(key)] = len(out)
		if len(st) == 0 {
			unnamed++
		}
		out = append(out, pprofile.Sample{Stack: st, Values: []int64{all[i].n}})
	}
	return out, unnamed
}

// commands takes the name of the command from the stacks of a collapsed text that
// begins each with one, as stackcollapse-perf.pl and perf script report stackcollapse do.
func commands(all []counter) {
	first := func(c counter) string { return clean(c.frames[len(c.frames)-1].name) }
	if slices.ContainsFunc(all, func(c counter) bool { return outermost[first(c)] }) {
		return
	}
	for i := range all {
		c := &all[i]
		n := len(c.frames)
		if n < 2 {
			continue
		}
		if _, ok := goName(first(*c)); !ok || outermost[clean(c.frames[n-2].name)] {
			c.owner, c.frames = first(*c), c.frames[:n-1]
		}
	}
}

// outermost are the functions that stacks of Go begin with (runtime/asm_*.s, proc.go).
var outermost = map[string]bool{
	"runtime.goexit": true, "runtime.mstart": true, "runtime.rt0_go": true, "runtime.mcall": true,
	"runtime.systemstack": true, "runtime.morestack": true, "runtime.main": true, "main.main": true,
}

// ofGo keeps the stacks of commands that are written in Go: those of which a stack passes through the runtime.
func ofGo(all []counter) (kept []counter, others int64) {
	is := map[string]bool{}
	for _, c := range all {
		is[c.owner] = is[c.owner] || slices.ContainsFunc(c.frames, func(f frame) bool {
			name, ok := goName(f.name)
			return ok && (strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "internal/runtime/") || name == "main.main")
		})
	}
	for _, c := range all {
		if is[c.owner] {
			kept = append(kept, c)
		} else {
			others = plus(others, c.n)
		}
	}
	return kept, others
}

// counts tells what the counts are of. A probe catches its functions at one place
// each; whoever samples catches many functions, and these anywhere in them.
func (r *Reader) counts(all []counter) string {
	if n := r.probed + r.sampled + r.other; n > 0 && len(r.blocks.stacks) > 0 {
		switch n {
		case r.probed:
			return Calls
		case r.sampled:
			return Samples
		}
		return Events
	}
	at := map[string]string{}
	calls, running := true, false
	for _, c := range all {
		leaf := c.frames[0]
		name := clean(leaf.name)
		if offset, seen := at[name]; seen && offset != leaf.offset || name == unknown {
			calls = false
		}
		at[name] = leaf.offset
		// Memory and waiting are charged to functions of the program; what runs is often the runtime or the kernel.
		running = running || strings.HasPrefix(name, "runtime.") || !strings.Contains(name, ".")
	}
	switch {
	case calls && len(at) <= maxProbes:
		return Calls
	case running:
		return Samples
	}
	return Events
}

// clean takes from a name what tracers and the linker put behind it.
func clean(name string) string {
	for _, mark := range []string{"_[k]", "_[i]", "_[j]", "_[w]"} {
		name = strings.TrimSuffix(name, mark)
	}
	name = strings.TrimSuffix(name, " (inlined)")
	// cmd/link/internal/ld: symbols of the other calling convention.
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".abi0"), ".abiinternal")
	if name == "" || strings.HasPrefix(name, "0x") && hex(name[2:]) || name == "unknown" {
		return unknown
	}
	return name
}

// goName reports whether a name has the shape of a function of Go, and returns it clean.
func goName(name string) (string, bool) {
	name = clean(name)
	if i := strings.LastIndexByte(name, '+'); i > 0 && digits(name[i+1:]) {
		name = name[:i]
	}
	pkg := stack.Package(name)
	rest, ok := strings.CutPrefix(name, pkg+".")
	if !ok || pkg == "" || rest == "" || strings.ContainsAny(pkg, " :<>()[]\"'") || strings.HasPrefix(rest, ".") {
		return "", false
	}
	return name, true
}
