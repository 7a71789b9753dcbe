package exectrace

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
)

// readWhole folds a trace through one reader: the obvious way that the parallel
// one is held to.
func readWhole(b []byte) (*Timeline, error) {
	e := &engine{ctx: context.Background(), r: bytes.NewReader(b), size: int64(len(b)), head: b[:wire.HeaderSize], fold: newFold()}
	if err := e.whole(); err != nil {
		return nil, err
	}
	tl := e.fold.finish()
	v, _ := formatVersion(b)
	tl.Version = fmt.Sprintf("go1.%d", v)
	tl.Reading = e.reading
	return tl, nil
}

var exact = cmp.Options{cmp.AllowUnexported(Histogram{})}

// sameAsWhole compares what reading in parts made of a trace with the whole reading.
func sameAsWhole(t *testing.T, b []byte) *Timeline {
	t.Helper()
	want, err := readWhole(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []int{1, 2, 5} {
		got, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: jobs})
		if err != nil {
			t.Fatal(err)
		}
		r := got.Reading
		if r.Problem != "" || r.Read != r.Generations {
			t.Errorf("%d jobs: %+v", jobs, r)
		}
		got.Reading = want.Reading
		if d := cmp.Diff(want, got, exact); d != "" {
			t.Fatalf("%d jobs: reading in parts differs from reading the whole (-whole +parts):\n%s", jobs, d)
		}
	}
	balances(t, want)
	return want
}

func TestPartsEqualWhole(t *testing.T) {
	files, _ := filepath.Glob("testdata/versions/*.trace")
	files = append(files, flag.Args()...)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tl := sameAsWhole(t, b)
			if testing.Verbose() {
				t.Log(describe(tl))
			}
		})
	}
}

// A chunk that is not given back would slow the reading of long traces down,
// generation by generation.
func TestReadingAheadGivesBackItsChunks(t *testing.T) {
	for _, name := range long {
		whole := load(t, name)
		damaged := bytes.Clone(whole)
		for _, g := range generations(t, whole)[1:] {
			clear(damaged[g.parts[0].From+200 : g.parts[0].From+400])
		}
		for _, b := range [][]byte{whole, damaged} {
			e := &engine{ctx: context.Background(), r: bytes.NewReader(b), size: int64(len(b)), head: b[:wire.HeaderSize], fold: newFold(), opt: Options{Memory: bound.NewMemory(bound.Default)}}
			v, _ := formatVersion(b)
			gens := generations(t, b)
			w := newTurns(e, gens, v, 3)
			w.run()
			if w.held != 0 || len(w.lanes) != 0 || w.at != len(gens) {
				t.Errorf("%s: %d chunks are missing after %d of %d generations, %d still there", name, w.held, w.at, len(gens), len(w.lanes))
			}
		}
	}
}

func describe(tl *Timeline) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s start %v, %v, %d events\n", tl.Version, tl.Start, tl.Duration, tl.Events)
	p := tl.Procs
	fmt.Fprintf(&b, "procs max %d changes %d running %v idle %v with demand %v flips %d\n", p.Max, p.Changes, p.Running, p.Idle, p.IdleWithDemand, p.Flips)
	for i, w := range tl.Windows {
		if i < 4 {
			fmt.Fprintf(&b, "window %d: %+v\n", i, w)
		}
	}
	for i, w := range tl.Waits {
		if i < 25 {
			fmt.Fprintf(&b, "wait %-14s %-14q n %d open %d total %v max %v p50 %v gs %d at %v\n", w.Class, w.Reason, w.Count, w.Open, w.Total, w.Max, w.Times.Quantile(.5), w.Goroutines, w.Stack.Site())
		}
	}
	for i, w := range tl.Syscalls {
		if i < 5 {
			fmt.Fprintf(&b, "syscall n %d total %v at %v\n", w.Count, w.Total, w.Stack.Site())
		}
	}
	for i, h := range tl.Holders {
		if i < 10 {
			fmt.Fprintf(&b, "holder %s handoffs %d unknown %d least %v total %v p50 %v ran %v runnable %v syscall %v delay %v at %v took %v waiter %v\n", h.Class, h.Handoffs, h.Unknown, h.Least, h.Total, h.Times.Quantile(.5), h.Ran, h.Runnable, h.Syscall, h.Delay, h.Unlock.Site(), h.Acquire.Site(), h.Waiter.Site())
			for _, bl := range h.Blocked {
				fmt.Fprintf(&b, "    blocked %v %v n %d at %v\n", bl.Class, bl.Total, bl.Count, bl.Stack.Site())
			}
		}
	}
	for i, w := range tl.Wakes {
		if i < 8 {
			fmt.Fprintf(&b, "wake %s n %d delay %v: %v -> %v\n", w.Class, w.Count, w.Delay, w.From, w.To)
		}
	}
	for i, g := range tl.Groups {
		if i < 25 {
			fmt.Fprintf(&b, "group %v sys %v created %d ended %d idle %d running %v slices %d p50 %v gaps p50 %v runnable p99 %v yields %d partner %v maxrun %d by %v\n", g.Start, g.System, g.Created, g.Ended, g.Idle, g.Running, g.Slices.Count, g.Slices.Quantile(.5), g.Gaps.Quantile(.5), g.Runnable.Quantile(.99), g.Yields, g.Partner.Function, g.MaxRunnable, g.Creator.Function)
		}
	}
	fmt.Fprintf(&b, "latency n %d p99 %v max %v maxrunnable %d at %v worst %v\n", tl.Latency.Times.Count, tl.Latency.Times.Quantile(.99), tl.Latency.Max, tl.Latency.MaxRunnable, tl.Latency.MaxRunnableAt, tl.Latency.Worst)
	for i, p := range tl.Pauses {
		if i < 12 {
			fmt.Fprintf(&b, "pause %q raw %v..%v (%v) tts %v effective %v last g%d p%d %s at %v by %v\n", p.Reason, p.Raw.From, p.Raw.To, p.Raw.To-p.Raw.From, p.TimeToStop, p.Effective, p.LastStopped.Goroutine, p.LastStopped.Proc, p.LastStopped.Reason, p.LastStopped.Stack.Site().Function, p.Stack.Site().Function)
		}
	}
	fmt.Fprintf(&b, "cycles %d %v assists %d sweep %v gcwork %+v heap %d\n", len(tl.Cycles), tl.Cycles[:min(3, len(tl.Cycles))], len(tl.Assists), tl.Sweep, tl.GCWork, len(tl.Heap))
	fmt.Fprintf(&b, "mmu %+v\n", tl.MMU)
	for _, a := range tl.Assists[:min(3, len(tl.Assists))] {
		fmt.Fprintf(&b, "assist %d %v at %v\n", a.Count, a.Total, a.Stack.Site())
	}
	for i, o := range tl.Open {
		if i < 15 {
			fmt.Fprintf(&b, "open g%d since %v from start %v %s %q at %v\n", o.Goroutine, o.Since, o.FromStart, o.Class, o.Reason, o.Stack.Site())
		}
	}
	for _, k := range append(append([]Task(nil), tl.Tasks...), tl.Regions...) {
		fmt.Fprintf(&b, "task %q n %d total %v running %v runnable %v syscall %v blocked %d\n", k.Name, k.Count, k.Times.Sum, k.Running, k.Runnable, k.Syscall, len(k.Blocked))
	}
	fmt.Fprintf(&b, "logs %d samples %d gaps %v\n", tl.LogCount, len(tl.Samples), tl.Gaps)
	return b.String()
}
