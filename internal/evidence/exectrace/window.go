package exectrace

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// Narrowed says what part of a trace a Timeline is of. The zero value means all of it.
type Narrowed struct {
	From    time.Duration // where the part begins, from the start of the trace: the Timeline's offset 0
	Of      time.Duration // how long the whole trace is, about
	Skipped int           // generations that were not even decoded, because they lie outside
	Outside bool          // the part lies outside of the trace; the Timeline is empty but for Start, which is that of the trace
}

// part is where the part of a trace that is asked for begins and ends, on the trace clock.
type part struct {
	from, to int64
	origin   int64 // first event of the trace
	offsets  bool  // from and to count from the first event, which is not known yet
	next     int64 // the edge that comes next
	inside   bool  // from lies behind
	ended    bool  // to does
	cut      bool  // something was left out
}

var wholeTrace = part{from: math.MinInt64, to: math.MaxInt64, next: math.MaxInt64, inside: true}

// window restricts the fold to a stretch that is given as offsets from an origin on
// the trace clock; of the first event when the origin is not known.
func (f *fold) window(from, to time.Duration, origin int64, known bool) {
	f.part = part{from: int64(from), to: int64(to), next: math.MaxInt64, offsets: !known}
	if known {
		f.part.place(origin)
	}
}

func (p *part) place(origin int64) {
	p.offsets, p.origin = false, origin
	if p.from > 0 {
		p.from += min(origin, math.MaxInt64-p.from)
		p.next = p.from
	} else {
		p.from, p.inside = math.MinInt64, true
	}
	if p.to < math.MaxInt64 {
		p.to = max(p.to, 0)
		p.to += min(origin, math.MaxInt64-p.to)
	}
	if p.inside {
		p.next = p.to
	}
}

// cross is told that an event at t, on the trace clock, has come to the next
// edge, and reports whether the event lies inside.
func (f *fold) cross(t int64) bool {
	p := &f.part
	if !p.inside {
		f.begin(p.from)
		p.inside, p.cut, p.next = true, true, p.to
	}
	if t < p.to {
		return true
	}
	if !p.ended {
		p.ended, p.cut = true, true
		to := p.to - f.origin
		if !f.first && p.to-f.last >= minGap {
			f.gap(f.now, to)
		}
		f.now = to
		if f.now >= f.windows.end {
			f.roll(f.now)
		}
	}
	return false
}

// begin forgets what was counted and keeps what is under way, as of a moment on
// the trace clock that all events so far lie before. What follows is what a trace that begins
// at that moment would tell, except that more is known of what is under way: its
// reason and stack.
func (f *fold) begin(at int64) {
	shift := at - f.origin
	n := newFold()
	n.part = f.part
	n.begun, n.first, n.origin, n.last = true, f.first, at, min(f.last, at-1)
	if !f.start.IsZero() {
		n.start = f.start.Add(time.Duration(shift))
	}
	n.stacks, n.names, n.notes, n.wide = f.stacks, f.names, f.notes, f.wide
	n.places, n.reasons, n.reason, n.fits = f.places, f.reasons, f.reason, f.fits
	n.focus = f.focus // with its tasks
	n.kept, n.live = f.kept, f.live
	n.spent, n.alive, n.made, n.beyond = f.spent, f.alive, f.made, f.beyond
	for _, w := range f.waits {
		c := &waitSum{stack: w.stack, reason: w.reason, lock: w.lock, lockIdx: w.lockIdx}
		c.Reason, c.Stack, c.Class = w.Reason, w.Stack, w.Class
		n.waits = append(n.waits, c)
	}
	n.lockIDs, n.frees = f.lockIDs, f.frees
	for _, l := range f.locks {
		n.locks = append(n.locks, lockGroup{lastAt: max(l.lastAt-shift, -1), lastBy: l.lastBy, place: l.place, same: l.same, queue: queue{waiting: l.queue.waiting}})
	}
	n.groupID, n.groups = f.groupID, nil
	for _, g := range f.groups {
		c := &group{Group: Group{Start: g.Start, System: g.System, MaxRunnable: g.ready}, ready: g.ready, usual: g.usual, does: tallyOfOps{n: g.does.n}}
		n.groups = append(n.groups, c)
	}
	n.demand = f.demand
	n.demand.shown, n.demand.mark = 0, 0
	for i := range n.demand.queue {
		n.demand.queue[i].since -= shift
	}
	n.latency.MaxRunnable = n.demand.count
	n.windows.n, n.windows.live, n.windows.goal = f.windows.n, f.windows.live, f.windows.goal
	n.heap.lastLive, n.heap.lastGoal, n.heap.seeking = f.heap.lastLive, f.heap.lastGoal, f.heap.seeking
	n.stw = f.stw
	if n.stw.active {
		n.stw.begin, n.stw.stopped = 0, max(0, n.stw.stopped-shift)
		n.stw.resumed = min(n.stw.resumed, 0)
	}
	n.gc.active = f.gc.active
	n.mutator.taken, n.mutator.stopped, n.mutator.procs = f.mutator.taken, f.mutator.stopped, f.mutator.procs
	n.procs = procTable{current: f.procs.current, max: f.procs.current, idle: f.procs.idle}
	for id, p := range f.procs.all {
		c := &proc{state: p.state, ever: p.state == procRunning, sweep: min(p.sweep, 1), leaver: p.leaver, stopping: p.stopping, past: p.past}
		c.past.start(0)
		n.procs.all = append(n.procs.all, c)
		if p.state == procRunning {
			n.procs.max = max(n.procs.max, id+1)
		}
	}
	n.account = f.account
	n.account.reset()
	for id, t := range f.tasks {
		t.since = 0
		n.tasks[id] = t
	}
	n.goroutines = f.goroutines
	n.goroutines.each(func(g *goroutine) { f.carry(g, shift) })
	*f = *n
}

// carry makes a goroutine one that has existed since before offset shift, which
// becomes 0.
func (f *fold) carry(g *goroutine, shift int64) {
	g.ran, g.ready, g.calls = g.totals(shift)
	g.since, g.before, g.atEpoch = 0, true, g.state != unknown
	g.deeds.start(0)
	g.deeds.from, g.deeds.ran, g.deeds.served, g.deeds.round, g.deeds.parent = 0, 0, 0, 0, -1
	g.deeds.begun = min(g.deeds.begun, 0)
	g.ever = g.state == running
	g.slice, g.left, g.delay, g.born, g.creator = -1, -1, -1, -1, 0
	g.woke, g.joined = 0, 0
	if g.assist >= 0 {
		g.assist, g.assistRan = 0, 0
	}
	for i := range g.holds {
		h := &g.holds[i]
		// Whether somebody else had the lock in between cannot be told later.
		l := &f.locks[f.waits[h.wait].lockIdx]
		h.lost = h.lost || l.lastAt > h.since && l.lastBy != g.id
		blocked := h.blocked[:0]
		h.bracket, h.waited = g.bracket(0), 0
		h.blocked = blocked
		if h.repeated != math.MaxInt64 {
			h.repeated -= shift
		}
		for j := range h.between {
			h.between[j].at -= shift
		}
	}
	for i := range g.regions {
		g.regions[i].bracket = g.bracket(0)
	}
	g.hand.holder = nil
	g.recent = [maxRecent]past{}
	g.seen, g.seenMore = [4]uint32{}, g.seenMore[:0]
}

// after takes what events behind the end still tell of the stretch before: each
// generation announces everything once, be it at its very end, and what has not been
// announced before has not moved since the generation began.
func (f *fold) after(r *wire.Record) {
	switch r.Op {
	case wire.OpStatus:
		if g := f.goroutine(r.G); g != nil && (g.state == unknown || g.state == gState(r.Aux)) {
			f.status(g, gState(r.Aux), r, f.now)
		}
	case wire.OpCreate:
		if g := f.goroutine(r.G); g != nil && g.state == unknown {
			g.state = gone // not there yet
		}
	case wire.OpEnd:
		if g := f.goroutine(r.G); g != nil && g.state == gone {
			f.goroutines.drop(g)
		}
	case wire.OpProcStart, wire.OpProcStop:
		if f.procs.current > 0 && int(r.Proc) > f.procs.current {
			return // GOMAXPROCS has been raised since
		}
		if p := f.procs.get(int(r.Proc) - 1); p != nil && p.state == procUnknown {
			if r.Op == wire.OpProcStart {
				f.procs.start(f, int(r.Proc)-1, f.now)
			} else {
				f.procs.stop(f, int(r.Proc)-1, f.now)
			}
		}
	}
}

// errFound ends a decoding that has told enough.
var errFound = prose.Errorf("found")

// origin decodes the beginning of a trace up to its first event, and returns the time of
// that, on the trace clock and on the wall where known, and how long a unit of the trace
// clock is.
func (e *engine) origin(gens []generation, version int) (at int64, start time.Time, scale float64, ok bool) {
	var d wire.Decoder
	for i := range gens {
		g := gens[i]
		c := wire.NewChunk()
		_ = e.readGeneration(&d, &g, version, wire.Sink{
			Get: func() (*wire.Chunk, error) {
				c.Reset()
				return c, nil
			},
			Put: func(c *wire.Chunk) error {
				if at, ok = firstEvent(c); !ok {
					return nil // only a Sync event, or nothing
				}
				if !c.Wall.IsZero() {
					start = c.Wall.Add(time.Duration(at - c.WallAt))
				}
				return errFound
			},
		})
		if ok {
			return at, start, g.scale, true
		}
		if e.ctx.Err() != nil {
			break
		}
	}
	return 0, start, 0, false
}

// firstEvent returns the time of the first event of a generation's first chunk, on the trace clock.
func firstEvent(c *wire.Chunk) (at int64, ok bool) {
	for _, r := range c.Records {
		if r.Op == wire.OpTime {
			at = int64(uint64(r.G) | uint64(r.Actor)<<32)
			continue
		}
		if at += int64(r.DT); r.Op != wire.OpSync {
			return at, true
		}
	}
	return 0, false
}

// Begin returns the wall clock of the first event of a trace; zero when the trace does
// not tell it, as none does before Go 1.25, or cannot be read.
func Begin(ctx context.Context, r io.ReaderAt, size int64) time.Time {
	head := make([]byte, min(size, wire.HeaderSize))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return time.Time{}
	}
	version, ok := formatVersion(head)
	if !ok || version <= lastSequential || !slices.Contains(formats, version) {
		return time.Time{}
	}
	gens, _, err := scan(r, size, version)
	if err != nil {
		return time.Time{}
	}
	e := &engine{ctx: ctx, r: r, size: size, head: head, fold: newFold()}
	_, start, _, _ := e.origin(gens, version)
	return start
}

// choose restricts the fold to the window that is asked for and returns the generations
// that hold it.
func (e *engine) choose(gens []generation, version int) []generation {
	if e.opt.Window == nil {
		return gens
	}
	origin, start, scale, ok := e.origin(gens, version)
	if !ok {
		return gens
	}
	from, to := e.opt.Window(start)
	e.fold.window(from, to, origin, true)
	e.began = start
	at := func(i int) float64 { return float64(gens[i].first) * scale }
	// Events of a generation can be a little later than the first of the next.
	first := 0
	for scale > 0 && e.opt.Task == "" && first+1 < len(gens) && gens[first+1].first > 0 && at(first+1)+float64(maxOverlap) <= float64(e.fold.part.from) {
		first++
	}
	end := first + 1
	for end < len(gens) && (scale == 0 || gens[end].first == 0 || at(end) <= float64(e.fold.part.to)) {
		end++
	}
	last := &gens[len(gens)-1]
	e.narrowed = Narrowed{
		From:    max(0, from),
		Of:      max(0, time.Duration(float64(max(last.first, last.latest))*scale)-time.Duration(origin)),
		Skipped: len(gens) - (end - first),
	}
	return gens[first:end]
}
