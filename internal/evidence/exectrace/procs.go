package exectrace

import (
	"time"

	"inquest/internal/evidence/exectrace/wire"
)

type procState uint8

const (
	procUnknown procState = iota
	procIdle
	procRunning
	procGone // beyond GOMAXPROCS
)

// proc is one P.
type proc struct {
	state   procState
	since   int64
	demand  int64 // the demand clock when it went idle
	window  int64 // running time in the open window, up to since
	running int64
	idle    int64
	wanted  int64 // of idle: while there was demand
	flips   int64
	ever    bool // has run

	sweep int64 // start of its sweep, plus one; 0 when it does not sweep

	leaver struct { // who left it last, and how
		g      int64
		stack  uint32
		reason uint32
		known  bool
	}
	stopping bool    // a stop-the-world waits for it
	past     history // who ran on it
}

// procTable is the Ps of a trace.
type procTable struct {
	all     []*proc
	max     int
	current int // GOMAXPROCS now, 0 when not known
	changes int
	idle    int // Ps idle now
}

func (ps *procTable) get(id int) *proc {
	if id < 0 || id >= wire.MaxProcs {
		return nil
	}
	for len(ps.all) <= id {
		ps.all = append(ps.all, &proc{past: history{woke: true}})
	}
	return ps.all[id]
}

// close ends the state a P is in.
func (ps *procTable) close(f *fold, p *proc, t int64) {
	switch p.state {
	case procRunning:
		p.running += t - p.since
		p.window += t - max(p.since, f.windows.from)
	case procIdle:
		p.idle += t - p.since
		p.wanted += f.demand.clock(t) - p.demand
		ps.idle--
	}
}

func (ps *procTable) start(f *fold, id int, t int64) {
	p := ps.get(id)
	if p == nil || p.state == procRunning {
		return
	}
	known := p.state != procUnknown
	ps.close(f, p, t)
	p.state, p.since = procRunning, t
	p.ever = true
	if !known {
		p.since = f.epoch // announced late, as the first generation does
		f.runningBefore(id, p.since)
	}
	ps.max = max(ps.max, id+1)
	if ps.current == 0 { // formats before 1.22 tell GOMAXPROCS only when it changes
		f.mutator.settle(t)
		f.mutator.procs = int64(ps.max)
	}
}

func (ps *procTable) stop(f *fold, id int, t int64) {
	p := ps.get(id)
	if p == nil || p.state == procIdle {
		return
	}
	known := p.state != procUnknown
	if p.state == procRunning {
		p.flips++
		f.stw.stops(id, p, t)
	}
	ps.close(f, p, t)
	p.state, p.since, p.demand = procIdle, t, f.demand.clock(t)
	ps.idle++
	if !known {
		p.since = f.epoch // announced late, as the first generation does
		p.demand = f.epochDemand
	}
}

// runningBefore adds to the closed windows what a P that is announced now had run.
func (f *fold) runningBefore(id int, from int64) {
	w := &f.windows
	for i := from / w.length; i < int64(len(w.closed)); i++ {
		c := &w.closed[i]
		for len(c.procs) <= id {
			c.procs = append(c.procs, 0)
		}
		start := i * w.length
		c.procs[id] += start + w.length - max(start, from)
	}
}

// did notes that a goroutine has run on a P until t, and as what. What lies before is of nobody.
func (ps *procTable) did(f *fold, g *goroutine, t int64, lf uint32) {
	p := ps.get(int(g.deeds.proc) - 1)
	if p == nil {
		return
	}
	until := p.past.until()
	if from := g.deeds.ran; from-until > nextUp || p.past.n == 0 {
		p.past.push(f, &stretch{end: from, leaf: leafFree}, 0)
	}
	l := &f.account.leaves[lf]
	if l.run == 0 {
		k := l.leafKey
		k.site = 0
		id := f.leafFor(k)
		l = &f.account.leaves[lf]
		l.run = id + 1
	}
	p.past.push(f, &stretch{end: max(t, until), leaf: l.run - 1, op: g.deeds.op}, 0)
}

// nextUp is how long a P may take from one goroutine to the next, to be called busy in between.
const nextUp = int64(5 * time.Microsecond)

// limit takes a value of GOMAXPROCS.
func (ps *procTable) limit(f *fold, n uint64, t int64) {
	if n == 0 || n > wire.MaxProcs {
		return
	}
	old := ps.current
	f.mutator.settle(t)
	f.mutator.procs = int64(n)
	f.account.capacity += int64(max(old, 0)) * (t - f.account.capacityAt)
	if old == 0 {
		f.account.capacity = int64(n) * t // it was not another one before
	}
	f.account.capacityAt = t
	ps.current = int(n)
	ps.max = max(ps.max, ps.current)
	if old == 0 || old == ps.current {
		return
	}
	ps.changes++
	for id, p := range ps.all {
		if id >= ps.current && p.state != procGone {
			ps.close(f, p, t)
			p.state = procGone
		}
	}
	for id := old; id < ps.current; id++ {
		if p := ps.get(id); p.state == procUnknown || p.state == procGone {
			p.state, p.since, p.demand = procIdle, t, f.demand.clock(t)
			ps.idle++
		}
	}
}

// leaves notes who gives up a P.
func (ps *procTable) leaves(packed uint16, g *goroutine, st, reason uint32) {
	if p := ps.get(int(packed) - 1); p != nil {
		p.leaver.g, p.leaver.stack, p.leaver.reason, p.leaver.known = g.id, st, reason, true
	}
}

func (ps *procTable) sweepBegin(id int, t, epoch int64, begins bool) {
	if p := ps.get(id); p != nil && p.sweep == 0 {
		p.sweep = t + 1
		if !begins {
			p.sweep = epoch + 1
		}
	}
}

func (ps *procTable) sweepEnd(id int, t int64) time.Duration {
	p := ps.get(id)
	if p == nil || p.sweep == 0 {
		return 0
	}
	d := t - (p.sweep - 1)
	p.sweep = 0
	return time.Duration(d)
}

func (ps *procTable) lost(f *fold, t int64) {
	for _, p := range ps.all {
		ps.close(f, p, t)
		if p.sweep > 0 {
			f.sweep += time.Duration(t - (p.sweep - 1))
		}
		p.past.start(t)
		*p = proc{running: p.running, idle: p.idle, wanted: p.wanted, flips: p.flips, window: p.window, ever: p.ever, past: p.past}
	}
	ps.idle = 0
}

// stw is the stop-the-world range under way.
type stw struct {
	active  bool
	begin   int64
	reason  uint32
	g       int64
	stack   uint32
	proc    int
	pending int   // Ps that ran at the beginning and have not stopped
	ran     bool  // there were such
	stopped int64 // last stop of one of them
	resumed int64 // first run on another P after all had stopped, -1 while none
	last    Stopper
	stackOf uint32
	why     uint32
	stopper bool
}

func (f *fold) beginSTW(r *wire.Record, t int64) {
	g := f.goroutine(r.G)
	if g == nil || f.stw.active {
		return
	}
	f.stw = stw{active: true, begin: t, reason: f.nameOf(r.Aux), g: g.id, stack: f.stackOf(r.Stack), proc: int(r.Proc) - 1, resumed: -1}
	for id, p := range f.procs.all {
		p.stopping = id != f.stw.proc && p.state == procRunning
		if p.stopping {
			f.stw.pending++
		}
	}
	f.demand.stop(t)
	f.stopped(true, t)
}

// stops is told that P id stopped.
func (s *stw) stops(id int, p *proc, t int64) {
	if !s.active || !p.stopping {
		return
	}
	p.stopping = false
	s.pending--
	s.ran = true
	s.stopped = t
	s.last = Stopper{Goroutine: p.leaver.g, Proc: id}
	s.stackOf, s.why, s.stopper = p.leaver.stack, p.leaver.reason, p.leaver.known
}

// runs is told that a goroutine runs on a P, and reports whether that ends the pause.
func (s *stw) runs(packed uint16, t int64) bool {
	if s.pending != 0 || s.resumed >= 0 || int(packed)-1 == s.proc || packed == 0 {
		return false
	}
	s.resumed = t
	return true
}

func (f *fold) endSTW(t int64) {
	s := &f.stw
	if !s.active {
		return
	}
	end := t
	if s.resumed >= 0 {
		end = s.resumed
	}
	p := Pause{
		Reason:    f.reasons[s.reason],
		Goroutine: s.g,
		Stack:     f.places.all[s.stack].frames,
		Raw:       Interval{time.Duration(s.begin), time.Duration(t)},
		Effective: time.Duration(end - s.begin),
	}
	if s.ran {
		p.TimeToStop = time.Duration(s.stopped - s.begin)
		p.LastStopped = s.last
		p.LastStopped.Stack = f.places.all[s.stackOf].frames
		p.LastStopped.Reason = f.reasons[s.why]
	}
	f.pauses.add(p)
	f.pauseTotal += p.Effective
	f.stoppedWorld(s.begin, end)
	f.windows.stopped += max(0, end-max(s.begin, f.windows.from))
	f.demand.resume(t)
	f.stopped(false, t)
	s.active = false
	for _, p := range f.procs.all {
		p.stopping = false
	}
}
