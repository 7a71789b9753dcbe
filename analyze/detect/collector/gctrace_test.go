package collector

import (
	"testing"
	"time"

	"inquest/analyze/detect/memory"
	"inquest/analyze/detect/scheduler"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/runtimelog"
)

// gcLogged makes an exhibit of gctrace lines on two processors: n windows of one
// collection, one every so often, each as the i-th is told to be.
func gcLogged(n int, every time.Duration, window func(i int, w *runtimelog.GCWindow)) *evidence.Exhibit {
	g := &runtimelog.GC{Log: runtimelog.Log{Procs: 2}}
	for i := range n {
		w := runtimelog.GCWindow{From: time.Duration(i) * every, Cycles: 1, Live: 100 << 20, Goal: 200 << 20, Busy: every / 100}
		window(i, &w)
		w.To = w.From + w.Busy
		w.MostLive = w.Live
		g.Windows = append(g.Windows, w)
	}
	// The last stands for the end of the log.
	g.Windows[n-1].To = time.Duration(n) * every
	g.Total = g.Windows[0]
	for i := range g.Windows[1:] {
		g.Total.Add(&g.Windows[i+1])
	}
	g.Longest = []runtimelog.Cycle{{Number: 1, SweepTerm: g.Total.SweepTerm, MarkTerm: g.Total.MarkTerm}}
	return &evidence.Exhibit{Path: "stderr.log", Kind: evidence.GCTrace, Coverage: evidence.Whole, Content: g, Duration: g.Total.To - g.Total.From}
}

func TestMemoryLimitThrash(t *testing.T) {
	// A collection every 100 ms: how long it takes, how much processor time, and the goal over 100 MB.
	tight := func(n int, busy, cost time.Duration, goal int64) *evidence.Exhibit {
		return gcLogged(n, 100*time.Millisecond, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.Background, w.Goal = busy, cost, goal<<20
		})
	}
	ms := time.Millisecond
	ExpectAll(t, MemoryLimitThrash, []Expect{
		{"back to back at the limit", Of(tight(50, 90*ms, 50*ms, 103)), "found", "warning"},
		{"at half of the processors", Of(tight(50, 90*ms, 90*ms, 103)), "found", "critical"},
		{"cost just below a warning", Of(tight(50, 90*ms, 19*ms, 103)), "found", "info"},
		{"goal just below the limit", Of(tight(50, 90*ms, 50*ms, 107)), "found", "warning"},
		{"goal at the limit: GOGC=8", Of(tight(50, 90*ms, 50*ms, 108)), "clear", ""},
		{"a busy batch with GOGC=100", Of(tight(50, 90*ms, 50*ms, 200)), "clear", ""},
		{"half of the time", Of(tight(50, 51*ms, 50*ms, 103)), "found", "warning"},
		{"less than half of the time", Of(tight(50, 48*ms, 45*ms, 103)), "clear", ""},
		{"nine collections", Of(tight(9, 90*ms, 50*ms, 103)), "undecided", ""},
		{"few collections in minutes", Of(gcLogged(5, time.Minute, func(_ int, w *runtimelog.GCWindow) { w.Goal = 103 << 20 })), "clear", ""},
		{"a heap too small for the rounding", Of(gcLogged(50, 100*ms, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.Background, w.Live, w.Goal = 90*ms, 50*ms, 31<<20, 32<<20
		})), "clear", ""},
		{"forced by somebody", Of(gcLogged(50, 100*ms, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.BusyForced, w.Forced, w.Background, w.Goal = 90*ms, 90*ms, 1, 50*ms, 103<<20
		})), "clear", ""},
		{"a heap that is built with GOGC=10", Of(gcLogged(30, 100*ms, func(i int, w *runtimelog.GCWindow) {
			live := int64(100) << 20
			for range i {
				live += live / 8
			}
			w.Busy, w.Background, w.Live, w.Goal = 90*ms, 50*ms, live, live-live/50
		})), "clear", ""},
		{"an incident within a quiet log", Of(gcLogged(500, 100*ms, func(i int, w *runtimelog.GCWindow) {
			if i > 200 && i < 240 {
				w.Busy, w.Background, w.Goal = 90*ms, 50*ms, 103<<20
			}
		})), "found", "warning"},
		{"a CPU profile alone", Of(CPUProfile(CPU(900, "runtime.gcBgMarkWorker"), CPU(100, "main.f"))), "undecided", ""},
	})
}

func TestForcedGC(t *testing.T) {
	log := func(n int, every time.Duration, forced func(i int) bool, busy time.Duration) *evidence.Exhibit {
		return gcLogged(n, every, func(i int, w *runtimelog.GCWindow) {
			w.Busy = busy
			if forced(i) {
				w.Forced, w.BusyForced = 1, busy
			}
		})
	}
	all := func(int) bool { return true }
	none := func(int) bool { return false }
	ExpectAll(t, ForcedGC, []Expect{
		{"every second, long", Of(log(60, time.Second, all, 20*time.Millisecond)), "found", "warning"},
		{"every second, cheap", Of(log(60, time.Second, all, 9*time.Millisecond)), "found", "info"},
		{"once per ten seconds", Of(log(20, 10*time.Second, all, 200*time.Millisecond)), "found", "warning"},
		{"more seldom", Of(log(20, 11*time.Second, all, 300*time.Millisecond)), "clear", ""},
		{"heap profiles forced four", Of(log(60, time.Second, func(i int) bool { return i < 4 }, 20*time.Millisecond)), "clear", ""},
		{"none", Of(log(60, time.Second, none, 20*time.Millisecond)), "clear", ""},
		{"none in a short log", Of(log(60, 100*time.Millisecond, none, time.Millisecond)), "undecided", ""},
		{"a caller in a CPU profile", Of(CPUProfile(CPU(20, "runtime.sweepone", "runtime.GC", "main.tidy"), CPU(900, "main.f"))), "found", "info main.tidy"},
		{"a caller seldom on the CPU", Of(CPUProfile(CPU(9, "runtime.sweepone", "runtime.GC", "main.tidy"), CPU(991, "main.f"))), "undecided", ""},
		{"both", Of(log(60, time.Second, all, 20*time.Millisecond), CPUProfile(CPU(9, "runtime.sweepone", "runtime/debug.FreeOSMemory", "main.tidy"), CPU(991, "main.f"))), "found", "warning main.tidy"},
	})
}

func TestGCPressureGCTrace(t *testing.T) {
	log := func(n int, background, assist time.Duration) *evidence.Exhibit {
		return gcLogged(n, 100*time.Millisecond, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.Background, w.Assist = 50*time.Millisecond, background, assist
		})
	}
	ms := time.Millisecond // of 200 processor milliseconds
	ExpectAll(t, GCPressure, []Expect{
		{"a third, with assists", Of(log(50, 40*ms, 30*ms)), "found", "warning"},
		{"half, with assists", Of(log(50, 70*ms, 40*ms)), "found", "critical"},
		{"a quarter without assists: a batch", Of(log(50, 52*ms, 1*ms)), "found", "info"},
		{"just below a quarter", Of(log(50, 30*ms, 19*ms)), "undecided", ""},
		{"a tenth of the machine", Of(log(50, 15*ms, 4*ms)), "clear", ""},
		{"a start-up", Of(log(4, 70*ms, 40*ms)), "found", "info"},
	})
}

// TestSmallGoalGCTrace holds a low GOGC apart from a memory limit: the goal keeps its
// distance from the heap under the one, and stays where it is under the other.
func TestSmallGoalGCTrace(t *testing.T) {
	ms := time.Millisecond
	log := func(n int, busy, cost time.Duration, live, goal int64) *evidence.Exhibit {
		return gcLogged(n, 100*ms, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.Background, w.Live, w.Goal = busy, cost, live<<20, goal<<20
		})
	}
	forced := log(50, 50*ms, 0, 100, 110)
	for i := range forced.GC().Windows {
		forced.GC().Windows[i].Forced, forced.GC().Windows[i].BusyForced = 1, 50*ms
	}
	// 200 ms of processor time for each collection.
	small := []struct {
		name    string
		log     *evidence.Exhibit
		worst   string
		variant string
	}{
		{"GOGC=25, a quarter of the time", log(50, 25*ms, 50*ms, 100, 125), "warning", "small-goal"},
		{"GOGC=26", log(50, 25*ms, 50*ms, 100, 126), "info", ""},
		{"on processors that nobody wants", log(50, 25*ms, 0, 100, 110), "warning", "small-goal"},
		{"less than a quarter of the time", log(50, 24*ms, 0, 100, 110), "", ""},
		{"less than a quarter of the time, a good part of the processors", log(50, 24*ms, 25*ms, 100, 110), "info", "small-goal"},
		{"forced by somebody", forced, "", ""},
		{"GOGC=100 takes a quarter of the time", log(50, 25*ms, 25*ms, 100, 200), "", ""},
		{"a heap of 32 MB", log(50, 50*ms, 50*ms, 32, 35), "warning", "small-goal"},
		{"a heap too small for whole MB", log(50, 50*ms, 50*ms, 31, 34), "info", ""},
		{"five collections", log(10, 50*ms, 50*ms, 100, 110), "warning", "small-goal"},
		{"four", gcLogged(4, 300*ms, func(_ int, w *runtimelog.GCWindow) {
			w.Busy, w.Background, w.Goal = 150*ms, 150*ms, 110<<20
		}), "info", ""},
		{"half a second of much marking", gcLogged(9, 55*ms, func(_ int, w *runtimelog.GCWindow) { w.Busy, w.Assist = 20*ms, 40*ms }), "info", ""},
	}
	for _, c := range small {
		j := Judge(t, GCPressure, c.log)
		if j.Worst != c.worst || c.worst != "" && j.All.Findings[0].Variant != c.variant {
			t.Errorf("%s: %q %+v, want %q %q", c.name, j.Worst, j.All.Findings, c.worst, c.variant)
		}
		if c.variant != "" && !ContainsText(j.All.Findings[0].Next[:1], "Raise GOGC") {
			t.Errorf("%s: advice %q", c.name, j.All.Findings[0].Next)
		}
	}
	// The live heap goes up and down by a fifth in service; how the goal goes along tells who sets it.
	service := func(goal func(live int64) int64) *evidence.Exhibit {
		return gcLogged(60, 100*ms, func(i int, w *runtimelog.GCWindow) {
			w.Live = int64(170+i%5*8) << 20
			w.Busy, w.Background, w.Goal = 60*ms, 60*ms, goal(w.Live)
		})
	}
	ExpectAll(t, MemoryLimitThrash, []Expect{
		{"GOGC=10 in service", Of(service(func(live int64) int64 { return live + live/10 })), "clear", ""},
		{"a limit well above the heap", Of(service(func(int64) int64 { return 240 << 20 })), "clear", ""},
		{"a limit that the heap stands at", Of(gcLogged(60, 100*ms, func(i int, w *runtimelog.GCWindow) {
			w.Live = int64(192+i%5*3) << 20
			w.Busy, w.Background, w.Goal = 60*ms, 60*ms, 205<<20
		})), "found", "warning"},
	})
}

func TestHeapGrowthGCTrace(t *testing.T) {
	log := func(n int, every time.Duration, live func(i int) int64) *evidence.Exhibit {
		return gcLogged(n, every, func(i int, w *runtimelog.GCWindow) { w.Live = live(i) << 20 })
	}
	ExpectAll(t, memory.HeapGrowth, []Expect{
		{"a leak over twenty minutes", Of(log(120, 10*time.Second, func(i int) int64 { return int64(100 + i) })), "found", "warning"},
		{"the same in one minute", Of(log(120, 500*time.Millisecond, func(i int) int64 { return int64(100 + i) })), "found", "info"},
		{"a warm-up", Of(log(120, 10*time.Second, func(i int) int64 { return 100 + 80*int64(min(i, 60))/60 + int64(i)/20 })), "found", "info"},
		{"a cache at its cap", Of(log(120, 10*time.Second, func(i int) int64 { return 500 + int64(i%7) })), "clear", ""},
		{"risen, then steady, in half a minute", Of(log(60, 500*time.Millisecond, func(i int) int64 { return int64(min(10+10*i, 100)) })), "clear", ""},
		{"risen, then steady, up and down", Of(log(60, 500*time.Millisecond, func(i int) int64 { return int64(min(10+10*i, 100)) + int64(i%3)*2 })), "clear", ""},
		{"still rising in the second half", Of(log(60, 500*time.Millisecond, func(i int) int64 { return int64(10 + 2*i) })), "found", "info"},
		{"from next to nothing, and no slower in the second half", Of(log(60, 500*time.Millisecond, func(i int) int64 { return int64(3 * i) })), "found", "warning"},
		{"steady for a minute only", Of(log(120, 500*time.Millisecond, func(i int) int64 { return 500 + int64(i%7) })), "undecided", ""},
		{"up and down with the load", Of(log(120, 10*time.Second, func(i int) int64 { return 100 + int64((i%40)*3) })), "clear", ""},
		{"five collections", Of(log(5, 10*time.Minute, func(i int) int64 { return int64(100 + 20*i) })), "undecided", ""},
	})
}

func TestStwExtensionGCTrace(t *testing.T) {
	log := func(stop func(i int) time.Duration, every time.Duration) *evidence.Exhibit {
		return gcLogged(50, every, func(i int, w *runtimelog.GCWindow) {
			w.SweepTerm = stop(i)
			w.Paused = stop(i)
		})
	}
	ms := time.Millisecond
	always := func(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
	ExpectAll(t, StwExtension, []Expect{
		{"most stops are long", Of(log(always(3*ms), 100*ms)), "found", "warning"},
		{"very long", Of(log(always(25*ms), 100*ms)), "found", "critical"},
		{"long and seldom", Of(log(always(3*ms), 10*time.Second)), "found", "info"},
		{"one outlier", Of(log(func(i int) time.Duration {
			if i == 7 {
				return 20 * ms
			}
			return ms / 20
		}, 100*ms)), "undecided", ""},
		{"short", Of(log(always(ms*9/10), 100*ms)), "undecided", ""},
	})
}

// TestSchedTraceOnlyVouches holds queues seen at moments to accuse nobody: a batch queues by design.
func TestSchedTraceOnlyVouches(t *testing.T) {
	w := runtimelog.SchedWindow{To: time.Minute, Samples: 60, Procs: 120, Queued: 6000, MostQueued: 200, Waiting: 60, Wasted: 60}
	e := &evidence.Exhibit{Path: "stderr.log", Kind: evidence.SchedTrace, Coverage: evidence.Whole, Content: &runtimelog.Sched{Log: runtimelog.Log{Procs: 2}, Total: w, Windows: []runtimelog.SchedWindow{w}}}
	ExpectAll(t, scheduler.SchedLatency, []Expect{{"queues", Of(e), "undecided", ""}})
	ExpectAll(t, scheduler.PIdle, []Expect{{"waste", Of(e), "undecided", ""}})
}

// TestStartIsNoGrowth holds two snapshots that lie on both sides of a start against a log that spans it.
func TestStartIsNoGrowth(t *testing.T) {
	log := func(live func(i int) int64) *evidence.Exhibit {
		return gcLogged(60, 500*time.Millisecond, func(i int, w *runtimelog.GCWindow) { w.Live = live(i) << 20 })
	}
	two := Of(HeapAt(0, Kept(10, "main.f")), HeapAt(20, Kept(90, "main.f")))
	for name, c := range map[string]struct {
		live func(i int) int64
		want string
	}{
		"a start":                   {func(i int) int64 { return int64(min(10+10*i, 100)) }, "info main.f"},
		"growth that goes on":       {func(i int) int64 { return int64(10 + 2*i) }, "warning main.f"},
		"steady before and after":   {func(i int) int64 { return 100 }, "warning main.f"},
		"growth that began in time": {func(i int) int64 { return int64(10 + max(0, i-30)*3) }, "warning main.f"},
	} {
		if j := Judge(t, memory.HeapGrowth, append(Of(log(c.live)), two...)...); j.Worst != c.want {
			t.Errorf("%s: %q, want %q", name, j.Worst, c.want)
		}
	}
}
