package exectrace

import (
	"math"
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// fold turns records into a Timeline. It is the one place that knows what
// events mean, and it takes them one after the other in file order, whether
// one reader read the whole file or many read its generations. That makes both
// ways of reading equal by construction: a wait that crosses seams needs no
// merging, because the fold never sees a seam.
//
// All times in here are nanoseconds since the first event.
type fold struct {
	origin int64 // trace clock of the first event
	begun  bool
	last   int64 // trace clock of the last event
	now    int64 // last, since origin
	epoch  int64 // when what we know began: 0, or the end of the last lost stretch
	first  bool  // no event since the epoch has been folded yet
	events int64
	part   part // that is asked for
	focus  focus

	start time.Time
	procs procTable

	// Tables of the generation under way, by the decoder's numbers.
	stacks []uint32
	names  []uint32
	notes  []wire.Note
	wide   []int64

	places       *places
	reasons      []string // by interned number
	reason       map[string]uint32
	waits        []*waitSum
	edges        map[edgeKey]*edge
	locks        []lockGroup
	lockIDs      map[string]uint32
	frees        map[stack.Site]uint32 // lock group of the first waiter that a line woke
	handedGroups int                   // lock groups whose hand-overs are remembered
	holders      map[holderKey]*holder
	fits         map[[3]uint32]bool
	groups       []*group
	groupID      map[string]uint32

	goroutines goTable
	demand     demand
	windows    windows
	heap       heapSeries
	latency    latency
	stw        stw
	pauses     thinned[Pause]
	gc         struct {
		active bool
		since  int64
	}
	cycles   thinned[Interval]
	assists  map[uint32]*Assist
	sweep    time.Duration
	work     GCWork
	samples  map[uint32]int64
	tasks    map[uint64]openTask
	taskType map[string]*bracketed
	regions  map[string]*bracketed
	logs     []Log
	logCount int
	gaps     thinned[Interval]

	mutator     mutator
	account     accounting
	heldSince   int64  // since when the one that hands over a lock has had it, 0 when not known
	syscall     uint32 // the number of the reason "syscall"
	systemWait  uint32 // and of "system goroutine wait"
	epochDemand int64  // the demand clock at epoch
	pauseTotal  time.Duration

	// What all goroutines spent up to the open window, and how many there were then; see canBe.
	spent       float64
	alive, made int
	beyond      bool // the times cannot be

	// What it holds, in bytes, as far as size does not tell; see memory.go.
	kept int64 // that the Timeline will hold
	live int64 // that hangs on goroutines
}

// gState is the state of a goroutine; the values equal trace.GoState.
type gState uint8

const (
	unknown gState = iota
	gone
	runnable
	running
	waiting
	inSyscall
)

// goroutine is what the fold keeps of a live goroutine. Fields that nearly every
// event needs come first: they share two lines of the processor's cache.
type goroutine struct {
	state     gState
	slot      slot // what it adds to in the windows
	syncing   bool // also waits for a lock, in the windows
	yielding  bool // runnable because it yielded
	demanding bool // counted in its group's runnable goroutines
	system    bool
	before    bool  // its state began before the trace
	ever      bool  // has run
	taking    bool  // works for the collector, see mutator.go
	atEpoch   bool  // existed when the trace began
	inside    uint8 // regions it is in that are in focus
	label     workMode
	wait      uint32 // index of the wait under way, or of the system call
	since     int64  // start of the state
	slice     int64  // start of the run, -1 when unknown
	left      int64  // when it left its P to block, -1 when it did not
	id        int64
	assist    int64  // start of its mark assist, -1 for none
	group     uint32 // see fold.groups
	queue     uint32 // lock group it waits in, plus one
	acquired  uint32 // wait that ended and may have taken a lock when it runs, plus one

	joined            int64  // the waiting in that queue when it came
	queued            int64  // its key in the demand queue, 0 when not in it
	ran, ready, calls int64  // running, runnable and in system calls, so far
	woke              uint32 // group it last made runnable in this run
	creator           uint32 // stack, 0 when before the trace
	holds             []hold

	regions []region
	seen    [4]uint32 // waits it has been counted in, plus one
	delay   int64     // runnable delay to be counted once the group is known, -1 for none
	born    int64     // -1 when before the trace

	recent [maxRecent]past // its latest waits, in no order
	hand   struct {
		stack  uint32
		since  int64
		holder *holder
	} // its last unlock that woke a waiter
	assistStack uint32
	assistRan   int64 // running so far in its mark assist
	seenMore    []uint32
	deeds       deeds
}

type workMode uint8

const (
	noWork workMode = iota
	dedicated
	fractional
	idleWork
)

func newFold() *fold {
	f := &fold{
		places:   newPlaces(),
		reason:   map[string]uint32{},
		edges:    map[edgeKey]*edge{},
		lockIDs:  map[string]uint32{},
		frees:    map[stack.Site]uint32{},
		holders:  map[holderKey]*holder{},
		fits:     map[[3]uint32]bool{},
		groups:   []*group{{}},
		groupID:  map[string]uint32{"": 0},
		assists:  map[uint32]*Assist{},
		samples:  map[uint32]int64{},
		tasks:    map[uint64]openTask{},
		taskType: map[string]*bracketed{},
		regions:  map[string]*bracketed{},
		part:     wholeTrace,
		first:    true,
		last:     math.MinInt64 / 2,
	}
	f.windows.init()
	f.account.init()
	f.reasonID("")
	f.syscall, f.systemWait = f.reasonID("syscall"), f.reasonID("system goroutine wait")
	f.pauses.longer = func(a, b Pause) bool { return a.Effective > b.Effective }
	longer := func(a, b Interval) bool { return a.To-a.From > b.To-b.From }
	f.cycles.longer, f.gaps.longer = longer, longer
	return f
}

// generation starts a new generation: its tables begin anew.
func (f *fold) generation() {
	f.stacks = append(f.stacks[:0], 0)
	f.names = append(f.names[:0], 0)
	f.notes = f.notes[:0]
	f.wide = f.wide[:0]
}

func (f *fold) reasonID(s string) uint32 {
	id, ok := f.reason[s]
	if !ok {
		if len(f.reasons) >= maxReasons {
			return 0
		}
		id = uint32(len(f.reasons))
		f.reasons = append(f.reasons, s)
		f.kept += perString + int64(len(s))
		f.reason[s] = id
	}
	return id
}

// chunk folds a run of records that begin at the raw time base and returns the
// raw time after them.
func (f *fold) chunk(c *wire.Chunk, raw int64) int64 {
	if c.Anew {
		f.generation()
	}
	for _, s := range c.Stacks {
		f.stacks = append(f.stacks, f.places.intern(s))
	}
	for _, n := range c.Names {
		f.names = append(f.names, f.reasonID(n))
	}
	f.notes = append(f.notes, c.Notes...)
	f.wide = append(f.wide, c.Wide...)
	if f.beyond {
		return raw
	}
	for i := range c.Records {
		r := &c.Records[i]
		if r.Op == wire.OpTime {
			raw = int64(uint64(r.G) | uint64(r.Actor)<<32)
			continue
		}
		raw += int64(r.DT)
		t := raw
		// The reader of a whole file never lets time stand still or go back
		// (x/exp/trace/reader.go). A reader of one generation does not know where
		// the one before ended, so the rule is applied again across the seam.
		if t <= f.last {
			t = f.last + 1
		}
		if r.Op == wire.OpSync {
			f.last = t
			continue
		}
		if !f.begun {
			f.begun, f.origin = true, t
			f.last = t
			if f.part.offsets {
				f.part.place(t)
			}
		}
		if t >= f.part.next && !f.cross(t) {
			f.last = t
			f.after(r)
			continue
		}
		if quiet := t - f.last; quiet >= minGap && !f.first {
			f.gap(f.now, t-f.origin)
		}
		if t-f.origin >= f.windows.end && !f.canBe(t-f.origin) {
			return raw
		}
		f.last = t
		f.now = t - f.origin
		if f.first {
			f.first = false
			f.epoch = f.now
			f.epochDemand = f.demand.clock(f.now)
		}
		if f.now >= f.windows.end {
			f.roll(f.now)
		}
		f.events++
		f.record(r)
	}
	if !c.Wall.IsZero() && f.start.IsZero() && f.begun {
		f.start = c.Wall.Add(time.Duration(f.origin - c.WallAt))
	}
	return raw
}

// Bounds of the times of a trace, in nanoseconds. All sums of times that the fold keeps
// are of one state of each goroutine or P at a time, so within these bounds none of them can
// wrap; where a time counts more than once, as in regions inside one another, sums saturate.
const (
	maxSpan  = 1 << 50 // from the first event on: 13 days
	maxSpent = 1 << 61 // by all goroutines together: a million of them for half an hour
)

// canBe reports whether the times of the trace keep to these bounds up to t. It is asked once for each window.
func (f *fold) canBe(t int64) bool {
	g := &f.goroutines
	f.spent += float64(t-f.windows.from) * float64(f.alive+g.made-f.made)
	f.alive, f.made = g.live, g.made
	f.beyond = t > maxSpan || f.spent > maxSpent
	return !f.beyond
}

// lost says that what comes next does not join what came before: states are
// closed where they were last known, and what is announced next began at the
// end of the stretch.
func (f *fold) lost() {
	if !f.begun || f.first || f.part.ended {
		return
	}
	t := f.now
	f.windows.settle()
	f.goroutines.each(func(g *goroutine) {
		if g.state != unknown {
			f.leave(g, t, true)
		}
		f.endAssist(g, t)
		f.endRegions(g, t)
		f.live -= g.own() - bound.Size[uint32](cap(g.seenMore))
		g.deeds.start(t)
		d := deeds{history: g.deeds.history, parent: -1, begun: -1, op: g.deeds.op}
		*g = goroutine{deeds: d, id: g.id, state: unknown, system: g.system, group: g.group, creator: g.creator, born: g.born,
			slice: -1, left: -1, delay: -1, assist: -1, slot: slotNone, ever: true, seen: g.seen, seenMore: g.seenMore}
	})
	f.procs.lost(f, t)
	f.demand.reset()
	if f.gc.active {
		f.endGC(t)
	}
	f.stw = stw{}
	f.stopped(false, t)
	f.first = true
}

// minGap is the shortest silence that is kept, and minBusyGap the shortest
// where every P was running: the scheduler asks a goroutine to yield after 10 ms
// and looks every 10 ms (forcePreemptNS and sysmon in runtime/proc.go), so a busy
// process that has the CPU is heard of well within 30 ms.
const (
	minGap     = int64(10 * time.Millisecond)
	minBusyGap = 3 * minGap
)

// gap keeps a silence of all threads, if work was waiting.
func (f *fold) gap(from, to int64) {
	if f.demand.count == 0 || f.stw.active || f.procs.idle == 0 && to-from < minBusyGap {
		return
	}
	f.gaps.add(Interval{time.Duration(from), time.Duration(to)})
	f.notGiven(from, to)
}

func (f *fold) stackOf(i uint32) uint32 {
	if int(i) < len(f.stacks) {
		return f.stacks[i]
	}
	return 0
}

func (f *fold) nameOf(i uint8) uint32 {
	if int(i) < len(f.names) {
		return f.names[i]
	}
	return 0
}

// goroutine returns the goroutine of a packed id, or nil for none.
func (f *fold) goroutine(packed uint32) *goroutine {
	id := int64(packed) - 1
	if packed&wire.Wide != 0 {
		i := packed &^ wire.Wide
		if int(i) >= len(f.wide) {
			return nil
		}
		id = f.wide[i]
	} else if packed == 0 {
		return nil
	}
	return f.goroutines.get(id)
}

func (f *fold) record(r *wire.Record) {
	t := f.now
	switch r.Op {
	case wire.OpStart:
		if g := f.goroutine(r.G); g != nil {
			f.startRun(g, r.Proc, t)
		}
	case wire.OpBlock, wire.OpYield:
		if g := f.goroutine(r.G); g != nil {
			f.stopRun(g, r, t)
		}
	case wire.OpUnblock:
		if g := f.goroutine(r.G); g != nil {
			f.unblock(g, r, t)
		}
	case wire.OpSyscall:
		g := f.goroutine(r.G)
		if g == nil {
			return
		}
		st := f.stackOf(r.Stack)
		f.assign(g, st)
		f.account.stack = st
		f.leave(g, t, false)
		f.touch(g, st)
		g.wait = f.waitFor(st, f.syscall)
		f.enter(g, inSyscall, t)
		f.procs.leaves(r.Proc, g, st, f.waits[g.wait].reason)
	case wire.OpSyscallEnd:
		if g := f.goroutine(r.G); g != nil {
			f.leave(g, t, false)
			f.enter(g, running, t)
			g.deeds.proc, g.deeds.ran = r.Proc, t
		}
	case wire.OpSyscallLost:
		g := f.goroutine(r.G)
		if g == nil {
			return
		}
		called := g.since
		f.leave(g, t, false)
		f.endSlice(g, called, true)
		g.left = called
		f.becomeRunnable(g, t, false)
	case wire.OpCreate:
		f.create(r, t)
	case wire.OpEnd:
		if g := f.goroutine(r.G); g != nil {
			f.end(g, t)
		}
	case wire.OpStatus:
		if g := f.goroutine(r.G); g != nil {
			f.status(g, gState(r.Aux), r, t)
		}
	case wire.OpProcStart:
		f.procs.start(f, int(r.Proc)-1, t)
	case wire.OpProcStop:
		f.procs.stop(f, int(r.Proc)-1, t)
	case wire.OpLive:
		f.heap.live(t, uint64(r.G)|uint64(r.Actor)<<32)
		f.windows.live = f.heap.lastLive
	case wire.OpGoal:
		f.heap.goal(t, uint64(r.G)|uint64(r.Actor)<<32)
		f.windows.goal = f.heap.lastGoal
	case wire.OpProcs:
		f.procs.limit(f, uint64(r.G)|uint64(r.Actor)<<32, t)
	case wire.OpSTW:
		f.beginSTW(r, t)
	case wire.OpSTWEnd:
		f.endSTW(t)
	case wire.OpGC:
		if !f.gc.active {
			f.gc.active = true
			f.gc.since = t
			if r.Aux == 0 {
				f.gc.since = f.epoch
				f.windows.before(slotGC, f.epoch, t)
			}
			f.windows.add(slotGC, t)
			f.heap.markBegins()
		}
	case wire.OpGCEnd:
		if f.gc.active {
			f.endGC(t)
		}
	case wire.OpSweep:
		f.procs.sweepBegin(int(r.Proc)-1, t, f.epoch, r.Aux == 1)
	case wire.OpSweepEnd:
		f.sweep += f.procs.sweepEnd(int(r.Proc)-1, t)
	case wire.OpAssist:
		if g := f.goroutine(r.G); g != nil && g.assist < 0 {
			if g.state == running {
				f.ran(g, t, f.stackOf(r.Stack))
			}
			g.assist, g.assistStack = t, f.stackOf(r.Stack)
			if r.Aux == 0 {
				g.assist = f.epoch
			}
			f.takes(g, t)
		}
	case wire.OpAssistEnd:
		if g := f.goroutine(r.G); g != nil {
			if g.assist >= 0 && g.state == running {
				g.assistRan += t - max(g.since, g.assist)
				f.ran(g, t, g.assistStack)
			}
			f.endAssist(g, t)
		}
	case wire.OpLabel:
		if g := f.goroutine(r.G); g != nil {
			switch f.reasons[f.nameOf(r.Aux)] {
			case "GC (dedicated)":
				g.label = dedicated
			case "GC (fractional)":
				g.label = fractional
			case "GC (idle)":
				g.label = idleWork
			}
			f.takes(g, t)
		}
	case wire.OpSample:
		f.samples[f.stackOf(r.Stack)]++
		f.sampled(f.goroutine(r.G), f.stackOf(r.Stack))
	case wire.OpTask, wire.OpTaskEnd, wire.OpRegion, wire.OpRegionEnd, wire.OpLog:
		if int(r.Start) < len(f.notes) {
			f.annotate(r, &f.notes[r.Start], t)
		}
	}
}

func (f *fold) endGC(t int64) {
	f.gc.active = false
	f.windows.remove(slotGC, t)
	f.cycles.add(Interval{time.Duration(f.gc.since), time.Duration(t)})
	f.heap.markEnds(t)
}

func (f *fold) endAssist(g *goroutine, t int64) {
	if g.assist < 0 {
		return
	}
	a := f.assists[g.assistStack]
	if a == nil {
		a = took(f, &Assist{Stack: f.places.all[g.assistStack].frames})
		f.assists[g.assistStack] = a
	}
	d := time.Duration(t - g.assist)
	a.Count++
	a.Total += d
	a.Max = max(a.Max, d)
	a.Running += time.Duration(g.assistRan)
	g.assist, g.assistRan = -1, 0
}

// leave ends the state a goroutine is in. cut says that the state goes on and
// only our knowledge of it ends.
func (f *fold) leave(g *goroutine, t int64, cut bool) {
	f.spend(g, t, cut)
	d := t - g.since
	switch g.state {
	case running:
		g.ran += d
		if g.assist >= 0 {
			g.assistRan += t - max(g.since, g.assist)
		}
		f.groups[g.group].Running += time.Duration(d)
		switch g.label {
		case dedicated:
			f.work.Dedicated += time.Duration(d)
		case fractional:
			f.work.Fractional += time.Duration(d)
		case idleWork:
			f.work.Idle += time.Duration(d)
		}
	case runnable:
		g.ready += d
		if g.yielding {
			f.groups[g.group].Yielded += time.Duration(d)
		}
		if g.demanding {
			f.groups[g.group].ready--
			g.demanding = false
		}
		if !g.yielding && !g.system {
			f.demand.remove(g, t)
		}
	case waiting, inSyscall:
		f.endWait(g, t, cut)
		if g.state == inSyscall {
			g.calls += d
		}
	}
	f.windows.remove(g.slot, t)
	if g.syncing {
		f.windows.remove(slotSync, t)
		g.syncing = false
		f.unqueue(g, t)
	}
	g.before = false
	g.state, g.slot, g.since = unknown, slotNone, t
	if g.taking {
		f.takes(g, t)
	}
}

// enter begins a state.
func (f *fold) enter(g *goroutine, s gState, t int64) {
	g.state, g.since, g.deeds.from = s, t, t
	g.slot = slotNone
	switch s {
	case running:
		g.slot = slotRunning
		g.ever = true
		if g.assist >= 0 {
			f.takes(g, t)
		}
	case runnable:
		if !g.yielding {
			g.slot = slotRunnable
		}
	case waiting:
		if !g.system {
			g.slot = slotWaiting
			if f.waits[g.wait].lock != noLock {
				g.syncing = true
				f.windows.add(slotSync, t)
				f.enqueue(g, t)
			}
		}
	case inSyscall:
		g.slot = slotSyscall
	}
	f.windows.add(g.slot, t)
}

func (f *fold) becomeRunnable(g *goroutine, t int64, yielding bool) {
	g.yielding = yielding
	f.enter(g, runnable, t)
	if yielding {
		return
	}
	if gr := f.groups[g.group]; g.group != 0 {
		g.demanding = true
		gr.ready++
		gr.MaxRunnable = max(gr.MaxRunnable, gr.ready)
	}
	if !g.system {
		f.demand.add(g, t)
		if n := f.demand.count; n > f.latency.MaxRunnable {
			f.latency.MaxRunnable = n
			f.latency.MaxRunnableAt = time.Duration(t)
		}
	}
}

// startRun puts a goroutine on a P.
func (f *fold) startRun(g *goroutine, proc uint16, t int64) {
	if g.state == runnable && !g.before {
		d := t - g.since
		switch {
		case g.yielding:
		case g.group == 0:
			g.delay = d
		default:
			f.count(&f.groups[g.group].Runnable, time.Duration(d))
		}
		if !g.yielding && !g.system {
			f.latency.worst.add(g.since, t, g.id)
			f.windows.latency = max(f.windows.latency, d)
		}
		if g.left >= 0 {
			f.count(&f.groups[g.group].Gaps, time.Duration(t-g.left))
		}
	}
	f.account.proc = proc
	f.leave(g, t, false)
	g.deeds.proc, g.deeds.ran = proc, t
	g.left = -1
	g.slice = t
	g.woke = 0
	g.yielding = false
	f.enter(g, running, t)
	if f.stw.active && f.stw.runs(proc, t) {
		f.stopped(false, t)
	}
	if g.acquired != 0 {
		f.acquire(g, g.acquired-1, t)
		g.acquired = 0
	}
}

// endSlice counts the run of a goroutine that leaves its P.
func (f *fold) endSlice(g *goroutine, t int64, handOver bool) {
	if g.slice < 0 {
		return
	}
	d := t - g.slice
	gr := f.groups[g.group]
	f.count(&gr.Slices, time.Duration(d))
	if handOver && d < shortSlice && g.woke != 0 {
		gr.partners.add(f, g.woke)
	}
	g.slice = -1
}

// shortSlice bounds the runs that count as handing over rather than working.
const shortSlice = int64(100 * time.Microsecond)

func (f *fold) stopRun(g *goroutine, r *wire.Record, t int64) {
	st, reason := f.stackOf(r.Stack), f.nameOf(r.Aux)
	f.assign(g, st)
	f.account.stack = st
	f.leave(g, t, false)
	g.label = noWork
	f.procs.leaves(r.Proc, g, st, reason)
	f.touch(g, st)
	why := f.reasons[reason]
	if r.Op == wire.OpYield {
		// A goroutine that calls runtime.Gosched, as runtime.bgsweep does by the
		// hundred thousand, asked for neither a long nor a short run.
		if why == "runtime.Gosched" {
			f.groups[g.group].Yields++
			g.slice = -1
			f.becomeRunnable(g, t, true)
			return
		}
		f.endSlice(g, t, false)
		f.becomeRunnable(g, t, false)
		return
	}
	if why == "preempted" {
		// The runtime suspends it for a moment, to scan its stack (runtime/preempt.go).
		f.groups[g.group].Yields++
		g.slice = -1
	} else {
		f.endSlice(g, t, true)
		g.left = t
	}
	if st == 0 && g.system {
		reason = f.systemWait // nothing else would tell its waits from others
	}
	g.wait = f.waitFor(st, reason)
	f.enter(g, waiting, t)
}

func (f *fold) unblock(g *goroutine, r *wire.Record, t int64) {
	if g.state != waiting {
		f.leave(g, t, true)
		f.becomeRunnable(g, t, false)
		return
	}
	w := f.waits[g.wait]
	since, index := g.since, g.wait
	if a := f.goroutine(r.Actor); a != nil {
		from := f.stackOf(r.Stack)
		f.heldSince = 0
		if !a.system && a != g {
			f.account.by, f.account.stack = a, from
		}
		if f.counts(g) {
			f.wake(w, index, from, t-since)
		}
		a.woke = g.group
		if w.lock != noLock {
			f.handOver(a, g, w, from, t)
		} else {
			f.touch(a, from)
		}
	}
	f.leave(g, t, false)
	if w.lock != noLock {
		g.acquired = index + 1
	}
	f.becomeRunnable(g, t, w.Class == wait.Preempted)
}

func (f *fold) create(r *wire.Record, t int64) {
	g := f.goroutine(r.G)
	if g == nil {
		return
	}
	if g.state != unknown {
		f.leave(g, t, true)
	}
	g.born, g.creator = t, f.stackOf(r.Stack)
	if start := f.stackOf(r.Start); start != 0 {
		f.assign(g, start)
	}
	f.born(g, f.goroutine(r.Actor), t)
	gr := f.groups[g.group]
	gr.Created++
	gr.creators.add(f, g.creator)
	if a := f.goroutine(r.Actor); a != nil {
		a.woke = g.group
		f.touch(a, g.creator)
	}
	switch gState(r.Aux) {
	case runnable:
		f.becomeRunnable(g, t, false)
	case inSyscall:
		g.wait = f.waitFor(0, f.syscall)
		f.enter(g, inSyscall, t)
	default:
		g.wait = f.waitFor(f.stackOf(r.Start), 0)
		f.enter(g, waiting, t)
	}
}

func (f *fold) end(g *goroutine, t int64) {
	f.leave(g, t, false)
	if g.delay >= 0 {
		f.count(&f.groups[g.group].Runnable, time.Duration(g.delay))
	}
	f.endSlice(g, t, true)
	f.endAssist(g, t)
	f.endRegions(g, t)
	f.endOp(g, t)
	gr := f.groups[g.group]
	gr.Ended++
	if g.born >= 0 {
		f.count(&gr.Lifetime, time.Duration(t-g.born))
	}
	f.goroutines.drop(g)
}

// status takes what the trace announces about a goroutine at some time in each
// generation. Of a goroutine that is known it says nothing new, but for the
// stack of one that has not moved since the trace began.
func (f *fold) status(g *goroutine, s gState, r *wire.Record, t int64) {
	st := f.stackOf(r.Stack)
	f.assign(g, st)
	if g.state == s {
		if st != 0 && g.before && (s == waiting || s == inSyscall) {
			if w := f.waits[g.wait]; w.stack == 0 {
				g.wait = f.waitFor(st, w.reason)
			}
		}
		return
	}
	from := f.epoch
	if g.state != unknown {
		f.leave(g, t, true)
		from = t
	}
	if from == f.epoch {
		f.found(g, from)
	}
	reason := uint32(0)
	if s == inSyscall {
		reason = f.syscall
	}
	if s == waiting || s == inSyscall {
		g.wait = f.waitFor(st, reason)
	}
	if s == runnable {
		f.becomeRunnable(g, t, false)
	} else {
		f.enter(g, s, t)
	}
	g.slice, g.left = -1, -1
	g.before = from == f.epoch
	g.atEpoch = g.before && f.epoch == 0
	g.since, g.deeds.from = from, from
	f.spent += float64(t - from)
	f.windows.before(g.slot, from, t)
	if g.syncing {
		f.windows.before(slotSync, from, t)
		f.queuedBefore(g, from, t)
	}
}

// Bounds on what hostile files can make the fold keep; real programs stay far
// below them.
const (
	maxReasons = 1 << 10 // and labels; the rest is read as the empty one
	maxWaits   = 1 << 16 // the rest goes to the wait without a stack
	maxGroups  = 1 << 14 // the rest stays in the unknown group
	maxEdges   = 1 << 18 // the rest is not counted
	maxHolders = 1 << 14 // the rest is not counted
	maxKept    = 1 << 22 // frames of stacks; the rest is read as the empty stack
)

// assign puts a goroutine into the group of the function it started in, which
// any of its stacks tells.
func (f *fold) assign(g *goroutine, st uint32) {
	if g.group != 0 || st == 0 {
		return
	}
	p := f.places.all[st]
	if p.root == "" {
		return
	}
	id, ok := p.group, p.group != 0
	if !ok {
		id, ok = f.groupID[p.root]
	}
	if !ok {
		if len(f.groups) >= maxGroups {
			return
		}
		id = uint32(len(f.groups))
		f.groupID[p.root] = id
		root := p.frames[len(p.frames)-1]
		f.groups = append(f.groups, took(f, &group{
			Group: Group{
				Start:  stack.Site{Function: f.places.info(root.Function).normal, File: root.File, Line: root.Line},
				System: systemRoot(p.root),
			},
		}))
	}
	p.group = id
	gr := f.groups[id]
	g.group = id
	if gr.System && !g.system {
		if g.state == runnable && !g.yielding {
			f.demand.remove(g, f.now)
		}
		g.system = true
	}
	if g.delay >= 0 {
		f.count(&gr.Runnable, time.Duration(g.delay))
		g.delay = -1
	}
}
