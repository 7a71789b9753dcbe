package exectrace

import (
	"math"
	"testing"
	"time"

	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// script builds the records of a made-up trace.
type script struct {
	c     wire.Chunk
	at    int64
	stack map[string]uint32
	name  map[string]uint8
}

func newScript() *script {
	s := &script{stack: map[string]uint32{}, name: map[string]uint8{}}
	s.add(-1, wire.Record{Op: wire.OpSync})
	return s
}

// add appends a record that happens d after the beginning, which is at 1 s of the trace clock.
func (s *script) add(d time.Duration, r wire.Record) {
	t := int64(time.Second) + int64(d)
	if d := t - s.at; d > math.MaxUint32 {
		s.c.Records = append(s.c.Records, wire.Record{Op: wire.OpTime, G: uint32(t), Actor: uint32(t >> 32)})
	} else {
		r.DT = uint32(d)
	}
	s.at = t
	s.c.Records = append(s.c.Records, r)
}

// at names a stack by its functions, leaf first.
func (s *script) frames(functions ...string) uint32 {
	key := ""
	var st stack.Stack
	for i, f := range functions {
		key += f + "\n"
		st = append(st, &stack.Frame{Function: f, File: "f.go", Line: 10 + i})
	}
	return s.framesOf(key, st)
}

func (s *script) framesOf(key string, st stack.Stack) uint32 {
	if id, ok := s.stack[key]; ok {
		return id
	}
	s.c.Stacks = append(s.c.Stacks, wire.Stack{Hash: uint64(len(s.c.Stacks)) + 1, Frames: st})
	id := uint32(len(s.c.Stacks))
	s.stack[key] = id
	return id
}

func (s *script) reason(r string) uint8 {
	if id, ok := s.name[r]; ok {
		return id
	}
	s.c.Names = append(s.c.Names, r)
	id := uint8(len(s.c.Names))
	s.name[r] = id
	return id
}

func (s *script) fold() *Timeline {
	f := newFold()
	f.generation()
	f.chunk(&s.c, 0)
	return f.finish()
}

// Goroutines and Ps as records name them.
func gid(n uint32) uint32 { return n + 1 }

func pid(n uint16) uint16 { return n + 1 }

const (
	us = time.Microsecond
	ms = time.Millisecond
)

func TestIdleCountsAsDemandOnlyAfterAWhile(t *testing.T) {
	for _, c := range []struct {
		name     string
		runnable time.Duration // how long goroutine 2 waits while P 1 is idle
		want     time.Duration
	}{
		{"picked up at once", 10 * us, 0},
		{"picked up just in time", MinDemand, 0},
		{"left waiting", 2 * ms, 2*ms - MinDemand},
	} {
		s := newScript()
		s.add(0, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
		s.add(1, wire.Record{Op: wire.OpProcStart, Proc: pid(0)})
		s.add(2, wire.Record{Op: wire.OpProcStart, Proc: pid(1)})
		s.add(1*ms, wire.Record{Op: wire.OpProcStop, Proc: pid(1)})
		s.add(5*ms, wire.Record{Op: wire.OpCreate, G: gid(2), Actor: gid(1), Aux: uint8(runnable), Start: s.frames("main.work"), Proc: pid(0)})
		s.add(5*ms+c.runnable, wire.Record{Op: wire.OpProcStart, Proc: pid(1)})
		s.add(5*ms+c.runnable+1, wire.Record{Op: wire.OpStart, G: gid(2), Proc: pid(1)})
		s.add(20*ms, wire.Record{Op: wire.OpEnd, G: gid(2), Proc: pid(1)})
		tl := s.fold()
		if got := tl.Procs.IdleWithDemand; got != c.want {
			t.Errorf("%s: idle with demand %v, want %v", c.name, got, c.want)
		}
		if got, want := tl.Procs.Idle, 4*ms+c.runnable; got != want {
			t.Errorf("%s: idle %v, want %v", c.name, got, want)
		}
		if got, want := tl.Latency.Max, c.runnable+1; got != want {
			t.Errorf("%s: latency %v, want %v", c.name, got, want)
		}
	}
}

func TestWindowsAverage(t *testing.T) {
	s := newScript()
	s.add(0, wire.Record{Op: wire.OpProcStart, Proc: pid(0)})
	s.add(1, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)}) // since the beginning
	lock := s.frames("sync.(*Mutex).Lock", "main.work")
	s.add(50*ms, wire.Record{Op: wire.OpBlock, G: gid(1), Aux: s.reason("sync"), Stack: lock, Proc: pid(0)})
	s.add(225*ms, wire.Record{Op: wire.OpUnblock, G: gid(1)})
	s.add(250*ms, wire.Record{Op: wire.OpStart, G: gid(1), Proc: pid(0)})
	s.add(400*ms, wire.Record{Op: wire.OpEnd, G: gid(1), Proc: pid(0)})
	tl := s.fold()
	if len(tl.Windows) != 4 {
		t.Fatalf("%d windows, want 4", len(tl.Windows))
	}
	for i, want := range []Window{
		{Running: 0.5, Waiting: 0.5, SyncWait: 0.5},
		{Waiting: 1, SyncWait: 1},
		{Running: 0.5, Waiting: 0.25, SyncWait: 0.25, Runnable: 0.25, Latency: 25 * ms},
		{Running: 1},
	} {
		got := tl.Windows[i]
		if got.Running != want.Running || got.Waiting != want.Waiting || got.SyncWait != want.SyncWait || got.Runnable != want.Runnable || got.Latency != want.Latency {
			t.Errorf("window %d: %+v, want %+v", i, got, want)
		}
		if got.PerProc[0] != 1 {
			t.Errorf("window %d: P 0 ran for %v of it, want all", i, got.PerProc[0])
		}
	}
}

func TestJoinedWindowsKeepTheirSums(t *testing.T) {
	s := newScript()
	s.add(0, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
	const length = maxWindows*100*ms + 4*time.Hour
	for d := time.Duration(0); d < length; d += 3 * time.Second { // fits the 32 bits of a record
		s.add(d, wire.Record{Op: wire.OpLive, G: uint32(d / time.Second)})
	}
	s.add(length, wire.Record{Op: wire.OpEnd, G: gid(1)})
	tl := s.fold()
	if n := len(tl.Windows); n > maxWindows || n < maxWindows/4 {
		t.Errorf("%d windows", n)
	}
	if tl.WindowLength%(100*ms) != 0 || time.Duration(len(tl.Windows))*tl.WindowLength < length {
		t.Errorf("%d windows of %v do not cover %v", len(tl.Windows), tl.WindowLength, length)
	}
	for i, w := range tl.Windows {
		if w.Running < 0.999 || w.Running > 1.001 {
			t.Fatalf("window %d: %v running, want 1", i, w.Running)
		}
	}
	if len(tl.Heap) > MaxHeapPoints {
		t.Errorf("%d heap points", len(tl.Heap))
	}
}

func TestPauseForensics(t *testing.T) {
	s := newScript()
	s.add(0, wire.Record{Op: wire.OpProcStart, Proc: pid(0)})
	s.add(1, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
	s.add(2, wire.Record{Op: wire.OpProcStart, Proc: pid(1)})
	s.add(3, wire.Record{Op: wire.OpStatus, G: gid(2), Aux: uint8(running), Proc: pid(1)})
	s.add(4, wire.Record{Op: wire.OpProcStop, Proc: pid(2)})
	s.add(10*ms, wire.Record{Op: wire.OpSTW, G: gid(1), Aux: s.reason("read mem stats"), Stack: s.frames("runtime.ReadMemStats", "main.stats"), Proc: pid(0)})
	s.add(13*ms, wire.Record{Op: wire.OpYield, G: gid(2), Aux: s.reason("preempted"), Stack: s.frames("main.loop"), Proc: pid(1)})
	s.add(13*ms+10*us, wire.Record{Op: wire.OpProcStop, Proc: pid(1)})
	s.add(13*ms+100*us, wire.Record{Op: wire.OpProcStart, Proc: pid(1)})
	s.add(13*ms+200*us, wire.Record{Op: wire.OpStart, G: gid(2), Proc: pid(1)})
	s.add(15*ms, wire.Record{Op: wire.OpSTWEnd, G: gid(1), Proc: pid(0)})
	s.add(16*ms, wire.Record{Op: wire.OpEnd, G: gid(2), Proc: pid(1)})
	tl := s.fold()
	if len(tl.Pauses) != 1 {
		t.Fatalf("%d pauses, want 1", len(tl.Pauses))
	}
	p := tl.Pauses[0]
	if p.Reason != "read mem stats" || p.Goroutine != 1 || p.Raw != (Interval{10 * ms, 15 * ms}) {
		t.Errorf("pause %+v", p)
	}
	if p.TimeToStop != 3*ms+10*us || p.Effective != 3*ms+200*us {
		t.Errorf("time to stop %v, effective %v; want 3.01 ms and 3.2 ms", p.TimeToStop, p.Effective)
	}
	if l := p.LastStopped; l.Goroutine != 2 || l.Proc != 1 || l.Reason != "preempted" || l.Stack.Site().Function != "main.loop" {
		t.Errorf("last stopped: %+v, want goroutine 2 on P 1 in main.loop", l)
	}
	if got := tl.Windows[0].Stopped; got != p.Effective {
		t.Errorf("the window was stopped for %v, want %v", got, p.Effective)
	}
}

func TestGapsNeedWaitingWork(t *testing.T) {
	for _, c := range []struct {
		name    string
		work    bool // a goroutine is runnable
		idle    bool // a P is idle
		silence time.Duration
		want    int
	}{
		{"nothing to do", false, true, 100 * ms, 0},
		{"short", true, true, 9 * ms, 0},
		{"work and an idle P", true, true, 11 * ms, 1},
		{"all Ps busy, as long as preemption takes", true, false, 25 * ms, 0},
		{"all Ps busy, longer", true, false, 31 * ms, 1},
	} {
		s := newScript()
		s.add(0, wire.Record{Op: wire.OpProcStart, Proc: pid(0)})
		s.add(1, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
		if c.idle {
			s.add(2, wire.Record{Op: wire.OpProcStop, Proc: pid(1)})
		}
		if c.work {
			s.add(3, wire.Record{Op: wire.OpCreate, G: gid(2), Actor: gid(1), Aux: uint8(runnable), Start: s.frames("main.work"), Proc: pid(0)})
		}
		s.add(4, wire.Record{Op: wire.OpLive, G: 1})
		s.add(4+c.silence, wire.Record{Op: wire.OpLive, G: 1})
		if got := len(s.fold().Gaps); got != c.want {
			t.Errorf("%s: %d gaps, want %d", c.name, got, c.want)
		}
	}
}

// lockScript is one goroutine that takes a lock after a wait, does something at
// the given lines of main.(*Store).Update, and hands the lock to another.
func lockScript(between []stack.Frame, gap time.Duration, waiterFrom time.Duration) *Timeline {
	s := newScript()
	at := func(leaf []string, line int, rest ...stack.Frame) uint32 {
		var st stack.Stack
		key := ""
		for _, f := range leaf {
			st = append(st, &stack.Frame{Function: f, File: "rt.go", Line: 1})
		}
		if line > 0 {
			st = append(st, &stack.Frame{Function: "main.(*Store).Update", File: "store.go", Line: line})
		}
		if len(rest) == 0 {
			rest = []stack.Frame{{Function: "main.main", File: "main.go", Line: 5}}
		}
		st = append(st, stack.Of(rest)...)
		for _, f := range st {
			key += f.Function + string(rune(f.Line))
		}
		return s.framesOf(key, st)
	}
	lock := at([]string{"sync.(*Mutex).Lock"}, 10)
	s.add(0, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
	s.add(1, wire.Record{Op: wire.OpStatus, G: gid(2), Aux: uint8(running), Proc: pid(1)})
	s.add(2, wire.Record{Op: wire.OpStatus, G: gid(3), Aux: uint8(running), Proc: pid(2)})
	s.add(10*us, wire.Record{Op: wire.OpBlock, G: gid(1), Aux: s.reason("sync"), Stack: lock, Proc: pid(0)})
	s.add(20*us, wire.Record{Op: wire.OpUnblock, G: gid(1), Actor: gid(3), Stack: at([]string{"sync.(*Mutex).Unlock"}, 20), Proc: pid(2)})
	s.add(1*ms, wire.Record{Op: wire.OpStart, G: gid(1), Proc: pid(0)})
	now := 1 * ms
	waits := func(d time.Duration) {
		if waiterFrom > now && waiterFrom <= d {
			s.add(waiterFrom, wire.Record{Op: wire.OpBlock, G: gid(2), Aux: s.reason("sync"), Stack: lock, Proc: pid(1)})
		}
		now = d
	}
	for _, f := range between {
		b := at([]string{"time.Sleep"}, f.Line)
		if f.Function != "" {
			b = at([]string{"time.Sleep"}, 0, f, stack.Frame{Function: "main.main", File: "main.go", Line: 6})
		}
		waits(now + gap)
		s.add(now, wire.Record{Op: wire.OpBlock, G: gid(1), Aux: s.reason("sleep"), Stack: b, Proc: pid(0)})
		waits(now + gap)
		s.add(now, wire.Record{Op: wire.OpUnblock, G: gid(1)})
		s.add(now+1, wire.Record{Op: wire.OpStart, G: gid(1), Proc: pid(0)})
		now++
	}
	waits(now + 10*ms)
	s.add(now, wire.Record{Op: wire.OpUnblock, G: gid(2), Actor: gid(1), Stack: at([]string{"sync.(*Mutex).Unlock"}, 20), Proc: pid(0)})
	s.add(now+ms, wire.Record{Op: wire.OpLive, G: 1})
	return s.fold()
}

func TestHoldsAreBelievedOnlyWhenTheyHold(t *testing.T) {
	line := func(n int) stack.Frame { return stack.Frame{Line: n} }
	for _, c := range []struct {
		name    string
		between []stack.Frame
		waiter  time.Duration // when the next waiter comes
		known   bool
		least   bool
	}{
		{"computes", nil, 2 * ms, true, false},
		{"sleeps between Lock and Unlock", []stack.Frame{line(15)}, 2 * ms, true, false},
		{"sleeps after the Unlock, another round of the loop", []stack.Frame{line(25)}, 8 * ms, false, true},
		{"sleeps before the Lock", []stack.Frame{line(9)}, 8 * ms, false, true},
		{"was elsewhere", []stack.Frame{{Function: "main.other", Line: 15}}, 8 * ms, false, true},
		{"sleeps twice at one line, the waiter came later: maybe two rounds", []stack.Frame{line(15), line(15)}, 12 * ms, false, true},
		{"sleeps twice at one line while the waiter waits: one hold", []stack.Frame{line(15), line(15)}, 1*ms + 500*us, true, false},
	} {
		tl := lockScript(c.between, 3*ms, c.waiter)
		var h *Holder
		for i := range tl.Holders {
			if tl.Holders[i].Worst != nil || tl.Holders[i].Least > 5*ms || tl.Holders[i].Unknown > 0 && tl.Holders[i].Delay > ms {
				h = &tl.Holders[i]
			}
		}
		if h == nil {
			t.Errorf("%s: no holder", c.name)
			continue
		}
		if known := h.Unknown == 0 && h.Handoffs == 1; known != c.known {
			t.Errorf("%s: known %v, want %v: %+v", c.name, known, c.known, h)
		}
		if c.known && h.Total < 10*ms {
			t.Errorf("%s: held for %v", c.name, h.Total)
		}
		if c.known && h.Ran+h.Runnable+h.Syscall+sumBlocked(h.Blocked) != h.Total {
			t.Errorf("%s: ran %v, runnable %v, blocked %v do not make up %v", c.name, h.Ran, h.Runnable, sumBlocked(h.Blocked), h.Total)
		}
		if c.least && (h.Least <= 0 || h.Least != h.Delay) {
			t.Errorf("%s: at least %v, want what the waiter waited, %v", c.name, h.Least, h.Delay)
		}
	}
}

func sumBlocked(bs []Blocked) (d time.Duration) {
	for _, b := range bs {
		d += b.Total
	}
	return d
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		reason string
		stack  []string
		want   wait.Class
	}{
		{"sync", []string{"internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"}, wait.Mutex},
		{"sync", []string{"sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "main.f"}, wait.RWWrite},
		{"sync", []string{"sync.runtime_SemacquireRWMutex", "sync.(*RWMutex).Lock", "main.f"}, wait.RWWrite},
		{"sync", []string{"sync.(*RWMutex).RLock", "main.f"}, wait.RWRead},
		{"sync", []string{"sync.runtime_Semacquire", "sync.(*WaitGroup).Wait", "main.f"}, wait.WaitGroup},
		{"sync", []string{"sync.(*Mutex).Lock", "sync.(*Once).doSlow", "sync.(*Once).Do", "main.f"}, wait.Mutex},
		{"sync", []string{"golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.f"}, wait.Sync},
		{"sync", []string{"main.f", "sync.(*Mutex).Lock"}, wait.Sync}, // a lock further out is not what it waits for
		{"sync.(*Cond).Wait", []string{"sync.(*Cond).Wait", "main.f"}, wait.Cond},
		{"chan send", []string{"runtime.chansend1", "main.f"}, wait.ChanSend},
		{"", []string{"runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.f"}, wait.ChanRecv},
		{"", []string{"runtime.gopark", "runtime.selectgo", "main.f"}, wait.Select},
		{"", []string{"runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait", "net.(*conn).Read"}, wait.Network},
		{"", []string{"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1", "sync.(*RWMutex).RLock", "main.f"}, wait.RWRead},
		{"", []string{"runtime.gopark", "time.Sleep", "main.f"}, wait.Sleep},
		{"", nil, wait.Other},
		{"chan receive", []string{"runtime.chanrecv1", "runtime/trace.Start.func1"}, wait.System},
		{"GC mark assist wait for work", []string{"runtime.gcParkAssist", "main.f"}, wait.Assist},
		{"preempted", []string{"main.f"}, wait.Preempted},
		{"a reason of a later Go", []string{"main.f"}, wait.Other},
	} {
		ps := newPlaces()
		var st stack.Stack
		for _, f := range c.stack {
			st = append(st, &stack.Frame{Function: f})
		}
		p := ps.all[0]
		if len(st) > 0 {
			p = ps.all[ps.intern(wire.Stack{Hash: 1, Frames: st})]
		}
		if got := classify(c.reason, p); got != c.want {
			t.Errorf("%q %v: %q, want %q", c.reason, c.stack, got, c.want)
		}
	}
}

func TestMutatorUtilization(t *testing.T) {
	s := newScript()
	s.add(0, wire.Record{Op: wire.OpStatus, G: gid(1), Aux: uint8(running), Proc: pid(0)})
	s.add(1, wire.Record{Op: wire.OpProcs, G: 2})
	// A dedicated worker takes one of two Ps for 4 ms, from 20 ms on.
	s.add(10*ms, wire.Record{Op: wire.OpCreate, G: gid(2), Actor: gid(1), Aux: uint8(runnable), Start: s.frames("runtime.gcBgMarkWorker"), Proc: pid(0)})
	s.add(20*ms, wire.Record{Op: wire.OpStart, G: gid(2), Proc: pid(1)})
	s.add(20*ms+1, wire.Record{Op: wire.OpLabel, G: gid(2), Aux: s.reason("GC (dedicated)")})
	s.add(24*ms, wire.Record{Op: wire.OpBlock, G: gid(2), Aux: s.reason("system goroutine wait"), Stack: s.frames("runtime.gcBgMarkWorker"), Proc: pid(1)})
	// The world stops for 2 ms from 40 ms on.
	s.add(40*ms, wire.Record{Op: wire.OpSTW, G: gid(1), Aux: s.reason("GC mark termination"), Proc: pid(0)})
	s.add(42*ms, wire.Record{Op: wire.OpSTWEnd, G: gid(1), Proc: pid(0)})
	// An idle worker takes what nobody wants.
	s.add(60*ms, wire.Record{Op: wire.OpUnblock, G: gid(2)})
	s.add(61*ms, wire.Record{Op: wire.OpStart, G: gid(2), Proc: pid(1)})
	s.add(61*ms+1, wire.Record{Op: wire.OpLabel, G: gid(2), Aux: s.reason("GC (idle)")})
	s.add(150*ms, wire.Record{Op: wire.OpEnd, G: gid(1)})
	got := s.fold().MMU
	want := []Utilization{{ms, 0, 40 * ms}, {10 * ms, 0.8, 20 * ms}, {100 * ms, 0.96, 0}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i, w := range want {
		if g := got[i]; g.Length != w.Length || g.Min < w.Min-0.001 || g.Min > w.Min+0.001 {
			t.Errorf("%v, want %v", g, w)
		}
	}
	if at := got[0].At; at != 40*ms {
		t.Errorf("the worst millisecond begins at %v, want 40 ms", at)
	}
}
