package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect/collector"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// TestOddEvidence runs every detector on evidence that no program records, as a
// damaged or hostile file can make it: none may panic, and no number may be
// anything but finite.
func TestOddEvidence(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := &evidence.Bundle{}
		for _, kind := range []evidence.Kind{evidence.CPU, evidence.Heap, evidence.Mutex, evidence.Block, evidence.Goroutine, evidence.Trace, evidence.Crash, evidence.Race, evidence.GCTrace, evidence.SchedTrace} {
			for range r.IntN(3) {
				e := &evidence.Exhibit{ID: fmt.Sprintf("e%d", len(b.Exhibits)+1), Path: string(kind), Kind: kind, Coverage: evidence.Whole, Duration: oddTime(r)}
				switch kind {
				case evidence.Trace:
					e.Content = oddTimeline(r)
				case evidence.Crash:
					e.Content = dump.Crashes{{Class: dump.ConcurrentMap, Count: int(oddNumber(r))}, {Class: "?", Fate: dump.Lived}}
				case evidence.Race:
					e.Content = dump.Races{{Count: int(oddNumber(r))}}
				case evidence.GCTrace:
					e.Content = oddGC(r)
				case evidence.SchedTrace:
					w := runtimelog.SchedWindow{To: oddTime(r), Samples: max(oddNumber(r), 1), Queued: oddNumber(r), Waiting: oddNumber(r), Wasted: oddNumber(r)}
					e.Content = &runtimelog.Sched{Total: w, Windows: []runtimelog.SchedWindow{w}}
				default:
					e.Content = oddProfile(r, kind)
				}
				b.Exhibits = append(b.Exhibits, e)
			}
		}
		res, err := analyze.Run(b, All, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.Verdicts {
			if v.Result == claim.Failed {
				t.Errorf("seed %d: %s: %s", seed, v.Detector, v.Why)
			}
		}
		for _, f := range res.Findings {
			for _, e := range f.Evidence {
				if n := e.Value.Number; math.IsNaN(n) || math.IsInf(n, 0) {
					t.Errorf("seed %d: %s: %s = %v", seed, f.Detector, e.Says, n)
				}
			}
		}
	}
}

func oddGC(r *rand.Rand) *runtimelog.GC {
	g := &runtimelog.GC{Log: runtimelog.Log{Procs: r.IntN(3)}, Longest: []runtimelog.Cycle{{}}}
	for range 1 + r.IntN(20) {
		g.Windows = append(g.Windows, runtimelog.GCWindow{
			From: oddTime(r), To: oddTime(r), Cycles: 1 + int64(r.IntN(3)), Forced: int64(r.IntN(3)), Busy: oddTime(r), BusyForced: oddTime(r), SweepTerm: oddTime(r),
			Paused: oddTime(r), Stopped: oddTime(r), Assist: oddTime(r), Background: oddTime(r), Live: max(oddNumber(r)/1e6, 0), Goal: max(oddNumber(r)/1e6, 0),
		})
	}
	g.Total = collector.Span(g, g.Windows).GCWindow
	return g
}

func oddTime(r *rand.Rand) time.Duration {
	return []time.Duration{0, 1, time.Microsecond, time.Second, time.Hour}[r.IntN(5)]
}

func oddNumber(r *rand.Rand) int64 {
	return []int64{0, 1, -1, 100, 1e6, 1e12, -1e12, math.MaxInt64 / 4}[r.IntN(8)]
}

func oddStack(r *rand.Rand) stack.Stack {
	names := []string{"", "main.f", "main.main", "runtime.mallocgc", "runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "sync.(*Mutex).Lock", "sync.(*Mutex).Unlock",
		"runtime.evacuate", "internal/sync.(*HashTrieMap[...]).Swap", "sync.(*Map).Store", "net/http.(*conn).serve", "runtime/pprof.StartCPUProfile", "main.(*T[...", "é.ü"}
	var s stack.Stack
	for range r.IntN(5) {
		s = append(s, &stack.Frame{Function: names[r.IntN(len(names))], Line: r.IntN(3)})
	}
	return s
}

func oddProfile(r *rand.Rand, kind evidence.Kind) *pprofile.Profile {
	p := &pprofile.Profile{Kind: string(kind), Duration: oddTime(r), Period: oddNumber(r)}
	for _, name := range []string{"samples", "cpu", "alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "contentions", "delay", "goroutine"} {
		if r.IntN(4) > 0 {
			p.Columns = append(p.Columns, pprofile.Column{Name: name})
		}
	}
	for range r.IntN(40) {
		s := pprofile.Sample{Stack: oddStack(r), Size: oddNumber(r)}
		for range p.Columns {
			s.Values = append(s.Values, oddNumber(r))
		}
		p.Samples = append(p.Samples, s)
	}
	return p
}

func oddHistogram(r *rand.Rand) (h exectrace.Histogram) {
	for range r.IntN(400) {
		h.Add(max(oddTime(r), 0))
	}
	return h
}

func oddTimeline(r *rand.Rand) *exectrace.Timeline {
	t := &exectrace.Timeline{Duration: oddTime(r), WindowLength: oddTime(r), Sweep: oddTime(r), CycleCount: r.IntN(20)}
	t.Procs = exectrace.Procs{Max: r.IntN(4), Running: oddTime(r), Idle: oddTime(r), IdleWithDemand: oddTime(r)}
	t.GCWork = exectrace.GCWork{Dedicated: oddTime(r), Fractional: oddTime(r), Idle: oddTime(r)}
	classes := []wait.Class{wait.Mutex, wait.RWRead, wait.ChanRecv, wait.Network, wait.Sleep, wait.Select, "?"}
	for range r.IntN(20) {
		class := classes[r.IntN(len(classes))]
		t.Windows = append(t.Windows, exectrace.Window{Runnable: float64(oddNumber(r)), SyncWait: float64(oddNumber(r)), PerProc: make([]float64, r.IntN(3)), Latency: oddTime(r)})
		count := max(oddNumber(r), 1)
		t.Waits = append(t.Waits, exectrace.Wait{Class: class, Stack: oddStack(r), Count: count, Open: min(max(oddNumber(r), 0), count), Total: oddTime(r), Times: oddHistogram(r)})
		t.Wakes = append(t.Wakes, exectrace.Wake{From: oddStack(r).Site(), To: oddStack(r).Site(), Class: class, Count: oddNumber(r)})
		t.Groups = append(t.Groups, exectrace.Group{Start: oddStack(r).Site(), Running: oddTime(r), Slices: oddHistogram(r), Gaps: oddHistogram(r), Runnable: oddHistogram(r), Created: oddNumber(r)})
		t.Pauses = append(t.Pauses, exectrace.Pause{Reason: []string{"GC mark termination", "", "read mem stats"}[r.IntN(3)], Stack: oddStack(r), Effective: oddTime(r), TimeToStop: oddTime(r),
			LastStopped: exectrace.Stopper{Stack: oddStack(r)}})
		t.Assists = append(t.Assists, exectrace.Assist{Stack: oddStack(r), Count: oddNumber(r), Total: oddTime(r), Running: oddTime(r)})
		t.Heap = append(t.Heap, exectrace.HeapPoint{Live: uint64(oddNumber(r)), AfterGC: r.IntN(2) == 0})
		t.Samples = append(t.Samples, exectrace.StackCount{Stack: oddStack(r), Count: oddNumber(r)})
		t.Holders = append(t.Holders, exectrace.Holder{Unlock: oddStack(r), Acquire: oddStack(r), Waiter: oddStack(r), Class: class, Handoffs: oddNumber(r), Total: oddTime(r), Times: oddHistogram(r), Delay: oddTime(r)})
		t.Open = append(t.Open, exectrace.OpenWait{Goroutine: oddNumber(r), Class: class, Stack: oddStack(r), FromStart: r.IntN(2) == 0})
	}
	t.Latency.Times = oddHistogram(r)
	return t
}

// TestOddColumns judges profiles that lack a column that their kind always has: some exporters
// write the time alone. No detector may count on one.
func TestOddColumns(t *testing.T) {
	for _, keep := range []string{"samples", "cpu", "other"} {
		e := CPUProfile(CPU(500, "main.f"))
		for i := range e.Profile().Columns {
			if e.Profile().Columns[i].Name != keep {
				e.Profile().Columns[i].Name = "x"
			}
		}
		res, err := analyze.Run(&evidence.Bundle{Exhibits: []*evidence.Exhibit{e}}, All, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.Verdicts {
			if v.Result == claim.Failed {
				t.Errorf("only %q: %s: %s", keep, v.Detector, v.Why)
			}
			if keep != "samples" && (v.Result == claim.Found || v.Result == claim.Clear) {
				t.Errorf("only %q: %s is %s without a sample that counts: %s", keep, v.Detector, v.Result, v.Why)
			}
		}
	}
}
