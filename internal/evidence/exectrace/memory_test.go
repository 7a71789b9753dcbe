package exectrace

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/stack"
)

// withBatch returns a trace with one more batch in its first generation, of an M that it does not name otherwise.
func withBatch(t testing.TB, b []byte, m int, events []byte) []byte {
	t.Helper()
	g := generations(t, b)[0]
	at := g.parts[0].To - 1 // before its end
	batch := []byte{wire.EventBatch}
	for _, n := range []uint64{g.number, uint64(10_000 + m), g.latest, uint64(len(events))} {
		batch = binary.AppendUvarint(batch, n)
	}
	out := append(bytes.Clone(b[:at]), batch...)
	out = append(out, events...)
	return append(out, b[at:]...)
}

// sparse returns a trace that announces so many goroutines more, whose ids lie far apart.
func sparse(t testing.TB, n int) []byte {
	const goStatus, waiting = 25, 4
	b := load(t, "long1.26.trace")
	var events []byte
	for i := range n {
		events = append(events, goStatus, 1)
		events = binary.AppendUvarint(events, uint64(1_000_000+i*1000))
		events = binary.AppendUvarint(events, math.MaxUint64) // no M
		events = append(events, waiting)
		if len(events) > 65000 || i == n-1 {
			b, events = withBatch(t, b, i, events), events[:0]
		}
	}
	return b
}

// What the fold of a trace holds is paid for: where it does not fit, what was read so far is
// the Timeline, and the problem says what would allow more.
func TestFoldIsPaidFor(t *testing.T) {
	b := sparse(t, 40_000)
	whole := read(t, b, 1)
	if whole.Reading.Problem != "" || whole.OpenCount < 40_000 {
		t.Fatalf("%d waits open at the end, problem %q", whole.OpenCount, whole.Reading.Problem)
	}
	for _, jobs := range []int{1, 3} {
		memory := bound.NewMemory(64 << 20)
		account := memory.Account()
		tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: jobs, Memory: memory, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		if r := tl.Reading; !strings.HasPrefix(r.Problem.String(), "not read any further: it needs ") || !strings.Contains(r.Problem.String(), "--memory ") || r.Read == r.Generations || r.Lost == 0 {
			t.Errorf("%d at a time: %+v", jobs, r)
		}
		if tl.Events == 0 || tl.Events >= whole.Events || !memory.Short() {
			t.Errorf("%d at a time: %d events of %d", jobs, tl.Events, whole.Events)
		}
		if held := account.Used(); held > 16<<20 {
			t.Errorf("%d at a time: %d bytes are held for a Timeline without its goroutines", jobs, held)
		}
		account.Close()
		if err := memory.Account().Grow(32 << 20); err != nil {
			t.Errorf("%d at a time: after the account was closed: %v", jobs, err)
		}
	}
}

// What is paid for is about what is there.
func TestFoldKnowsItsSize(t *testing.T) {
	for name, b := range map[string][]byte{"sparse ids": sparse(t, 40_000), "recorded": load(t, "long1.26.trace")} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e := &engine{ctx: context.Background(), r: bytes.NewReader(b), size: int64(len(b)), head: b[:wire.HeaderSize], fold: newFold(), opt: Options{Memory: bound.NewMemory(bound.Default), Jobs: 1}}
		v, _ := formatVersion(b)
		if err := e.split(v); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held, size := int64(after.HeapAlloc)-int64(before.HeapAlloc), e.fold.size()
		if size < held*8/10 || size > 2*held+1<<20 {
			t.Errorf("%s: the fold says %d bytes, and %d are there", name, size, held)
		}
		t.Logf("%s: %d bytes said, %d there", name, size, held)
		runtime.KeepAlive(e)
	}
}

// A generation that takes more than may be decoded at a time is paid for, or left out.
func TestLargeGenerationIsPaidFor(t *testing.T) {
	b := load(t, "long1.26.trace")
	gens := generations(t, b)
	gens[1].tables = 60 << 20 / tableMemory
	for budget, left := range map[int64]bool{64 << 20: true, 256 << 20: false} {
		memory := bound.NewMemory(budget)
		e := &engine{opt: Options{Memory: memory, Account: memory.Account()}, fold: newFold()}
		list := append([]generation(nil), gens...)
		e.payFor(list)
		if (list[1].parts == nil) != left || left != strings.Contains(list[1].damaged.String(), "--memory ") || list[0].damaged != "" {
			t.Errorf("budget %d: %+v", budget, list[1])
		}
		e.settle()
		if e.opt.Account.Used() != 0 {
			t.Errorf("budget %d: %d bytes held afterwards", budget, e.opt.Account.Used())
		}
	}
}

// Whatever times a trace holds, no sum of them wraps.
func TestExtremeTimesDoNotWrap(t *testing.T) {
	stacks := [][]string{{"sync.(*Mutex).Lock", "main.a"}, {"sync.(*Mutex).Unlock", "main.b"}}
	for _, step := range []time.Duration{1, time.Hour, 1 << 45, 1 << 49, maxSpan - 1, 1 << 55, 1 << 61} {
		for _, n := range []uint32{1, 100, 20_000} {
			f := newFold()
			s := newScript()
			lock, unlock, why := s.frames(stacks[0]...), s.frames(stacks[1]...), s.reason("sync")
			at := time.Duration(0)
			s.add(at, wire.Record{Op: wire.OpProcs, G: 2})
			for g := range n {
				at++
				s.add(at, wire.Record{Op: wire.OpStatus, G: gid(g + 2), Aux: uint8(waiting), Stack: lock})
			}
			for round := range 3 {
				s.add(at, wire.Record{Op: wire.OpStart, G: gid(1), Proc: pid(0)})
				for range 70 {
					s.c.Notes = append(s.c.Notes, wire.Note{Name: "r"})
					s.add(at, wire.Record{Op: wire.OpRegion, G: gid(1), Start: uint32(len(s.c.Notes) - 1)})
				}
				s.add(at, wire.Record{Op: wire.OpUnblock, Actor: gid(1), G: gid(2 + uint32(round)%n), Stack: unlock})
				s.add(at, wire.Record{Op: wire.OpGC, Aux: 1})
				at += step
				s.add(at, wire.Record{Op: wire.OpBlock, G: gid(1), Proc: pid(0), Aux: why, Stack: lock})
				s.add(at+step/2, wire.Record{Op: wire.OpGCEnd})
				s.add(at+step/2, wire.Record{Op: wire.OpUnblock, G: gid(1)})
				at += step
			}
			f.generation()
			f.chunk(&s.c, 0)
			tl := f.finish()
			if d := negative(tl); d != "" {
				t.Errorf("steps of %v, %d goroutines: %s", step, n, d)
			}
			if must := 6*int64(step) > 2*maxSpan || float64(n)*float64(step) > maxSpent; must && !f.beyond {
				t.Errorf("steps of %v, %d goroutines: believed, %v in all", step, n, tl.Duration)
			} else if may := 6*int64(step) > maxSpan || 12*float64(n+1)*float64(step) > maxSpent; f.beyond && !may {
				t.Errorf("steps of %v, %d goroutines: not believed", step, n)
			}
		}
	}
}

// negative names what is less than nothing in a Timeline, or more than all.
func negative(tl *Timeline) string {
	for name, d := range map[string]time.Duration{"duration": tl.Duration, "running": tl.Procs.Running, "idle": tl.Procs.Idle, "latency": tl.Latency.Total, "sweep": tl.Sweep, "pauses": tl.PauseTotal} {
		if d < 0 {
			return name
		}
	}
	for _, w := range append(append([]Wait(nil), tl.Waits...), tl.Syscalls...) {
		if w.Total < 0 || w.Max < 0 || w.Times.Sum < 0 || w.Seen.From > w.Seen.To {
			return "wait"
		}
	}
	for _, h := range tl.Holders {
		if h.Delay < 0 || h.Total < 0 || h.Waited < 0 || h.Least < 0 || h.Ran < 0 || h.Runnable < 0 {
			return "holder"
		}
	}
	for _, r := range tl.Regions {
		if r.Running < 0 || r.Runnable < 0 || r.Times.Sum < 0 {
			return "region"
		}
		for _, b := range r.Blocked {
			if b.Total < 0 {
				return "blocked"
			}
		}
	}
	for _, q := range tl.Queues {
		if q.Waited < 0 || q.Wanted < 0 {
			return "queue"
		}
	}
	for _, w := range tl.Windows {
		for _, x := range append([]float64{w.Running, w.Runnable, w.Waiting, w.Syscall, w.SyncWait, w.GC}, w.PerProc...) {
			if x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
				return "window"
			}
		}
		if w.GC > 1.000001 || w.Stopped < 0 {
			return "window"
		}
	}
	for _, u := range tl.MMU {
		if u.Min < 0 || u.Min > 1 {
			return "mutator utilization"
		}
	}
	return ""
}

// Appending counts what it allocates, no more and no less.
func TestPushCountsWhatItAllocates(t *testing.T) {
	var bytes int64
	var s []stack.Frame
	for range 1000 {
		s = push(&bytes, s, stack.Frame{})
	}
	if bytes != bound.Size[stack.Frame](cap(s)) {
		t.Errorf("%d bytes counted, %d held", bytes, bound.Size[stack.Frame](cap(s)))
	}
}
