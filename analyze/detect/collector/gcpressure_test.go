package collector

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/detect/memory"
	"inquest/analyze/detect/processor"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// collected is a second of a program on two processors that used both, with the
// collector's parts in milliseconds of processor time.
func collected(cycles int, background, idle, assist time.Duration) *evidence.Exhibit {
	t := &exectrace.Timeline{
		Procs:   exectrace.Procs{Max: 2, Running: 2 * time.Second},
		GCWork:  exectrace.GCWork{Fractional: background * time.Millisecond, Idle: idle * time.Millisecond},
		Assists: []exectrace.Assist{{Stack: Frames("runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"), Count: 100, Total: 20 * assist * time.Millisecond, Running: assist * time.Millisecond}},
	}
	for i := range cycles {
		from := time.Duration(i) * time.Second / time.Duration(cycles)
		t.Cycles = append(t.Cycles, exectrace.Interval{From: from, To: from + time.Millisecond})
	}
	return Traced(t)
}

// collecting is a CPU profile in which the collector has so many of 1000 samples.
func collecting(background, idle, assist int64) *evidence.Exhibit {
	return CPUProfile(
		CPU(background, "runtime.scanobject", "runtime.gcDrain", "runtime.gcDrainMarkWorkerDedicated", "runtime.systemstack", "runtime.gcBgMarkWorker"),
		CPU(idle, "runtime.scanobject", "runtime.gcDrain", "runtime.gcDrainMarkWorkerIdle", "runtime.systemstack", "runtime.gcBgMarkWorker"),
		CPU(assist, "runtime.scanobject", "runtime.gcDrainN", "runtime.gcAssistAlloc1", "runtime.gcAssistAlloc.func2", "runtime.systemstack", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"),
		CPU(1000-background-idle-assist, "main.f"),
	)
}

func TestGCPressure(t *testing.T) {
	ExpectAll(t, GCPressure, []Expect{
		{"trace below the share", Of(collected(20, 249+0, 0, 250)), claim.Clear, ""},
		{"trace at the share, assists cost", Of(collected(20, 320, 0, 180)), claim.Found, "warning"},
		{"trace at the share without assists: a batch", Of(collected(20, 500, 0, 0)), claim.Found, "info"},
		{"trace at half of everything", Of(collected(20, 500, 0, 500)), claim.Found, "critical"},
		{"idle workers are no pressure", Of(collected(20, 100, 1200, 0)), claim.Clear, ""},
		{"few collections weigh much", Of(collected(4, 320, 0, 180)), claim.Found, "info"},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
		{"CPU below the share", Of(collecting(249, 0, 0), Procs()), claim.Clear, ""},
		{"CPU at the share, assists cost", Of(collecting(150, 0, 100), Procs()), claim.Found, "warning"},
		{"CPU at the share without assists", Of(collecting(250, 0, 0), Procs()), claim.Found, "info"},
		{"CPU with idle workers", Of(collecting(200, 100, 0), Procs()), claim.Clear, ""},
		{"all of the little CPU that is used", Of(CPUProfile(CPU(99, "runtime.gcBgMarkWorker")), Procs()), claim.Clear, ""},
		{"too few samples to deny", Of(CPUProfile(CPU(20, "main.f")), Procs()), claim.Undecided, ""},
		{"a process that hardly runs", Of(CPUProfile(CPU(50, "runtime.gcBgMarkWorker"), CPU(70, "main.f")), Procs()), claim.Clear, ""},
	})
	if f := Judge(t, GCPressure, collecting(230, 0, 10), collected(20, 320, 0, 180)).All.Findings; len(f) != 1 || f[0].Confidence != claim.High {
		t.Errorf("a profile near the limit does not vouch: %+v", f)
	}
}

// TestSmallGoal checks that a heap without room is told from a program that allocates much.
func TestSmallGoal(t *testing.T) {
	for _, c := range []struct {
		name   string
		cycles int
		live   uint64
		goal   float64
		want   string
	}{
		{"GOGC=10", 20, 40 << 20, 1.1, "small-goal"},
		{"GOGC=25", 20, 40 << 20, 1.25, "small-goal"},
		{"GOGC=26", 20, 40 << 20, 1.26, ""},
		{"GOGC=10, just below much garbage", 99, 40 << 20, 1.1, "small-goal"},
		{"GOGC=10 and much garbage", 101, 40 << 20, 1.1, ""},
		{"the least heap", 20, 4 << 20, 1.1, "small-goal"},
		{"less than the least heap", 20, 4<<20 - 1, 1.1, ""},
		{"collections enough", 5, 40 << 20, 1.1, "small-goal"},
		{"too few collections", 4, 40 << 20, 1.1, ""},
	} {
		e := collected(c.cycles, 320, 0, 180)
		for range c.cycles {
			e.Trace().Heap = append(e.Trace().Heap, exectrace.HeapPoint{Live: c.live, Goal: uint64(float64(c.live) * c.goal), AfterGC: true})
		}
		f := Judge(t, GCPressure, e).All.Findings
		if len(f) != 1 || f[0].Variant != c.want || ContainsText(f[0].Next[:1], "Raise GOGC") != (c.want != "") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// TestRequestsMakeItMatter checks that what takes CPU is a warning where requests
// wait for a processor, and not where the machine is short of them.
func TestRequestsMakeItMatter(t *testing.T) {
	waiting := func(running, collector time.Duration, gaps int) *evidence.Exhibit {
		e := Queued(Queue{400, 10 * MS, 100 * US, wait.Network, 10})
		e.Trace().Procs, e.Trace().Gaps = exectrace.Procs{Max: 2, Running: running}, make([]exectrace.Interval, gaps)
		e.Trace().GCWork.Dedicated = collector
		return e
	}
	hot := CPUProfile(CPU(600, "main.f"), CPU(600, "main.g"))
	heaps := Of(HeapAt(0, Churned(10, 10, "main.f")), HeapAt(10, Churned(10, 9000, "main.f")))
	for _, c := range []struct {
		name     string
		trace    *evidence.Exhibit
		cpu, mem claim.Severity
	}{
		{"requests wait", waiting(2*time.Second, 200*MS, 0), claim.Warning, claim.Warning},
		{"the collector takes little", waiting(2*time.Second, 199*MS, 0), claim.Warning, claim.Info},
		{"processors idle", waiting(999*MS, 200*MS, 0), claim.Info, claim.Info},
		{"the machine is short of processors", waiting(2*time.Second, 200*MS, 3), claim.Info, claim.Info},
	} {
		f := Judge(t, processor.CPUHotspot, hot, c.trace).All.Findings
		if len(f) == 0 || f[0].Severity != c.cpu {
			t.Errorf("%s: CPU %+v", c.name, f)
		}
		f = Judge(t, memory.AllocHotspot, heaps[0], heaps[1], c.trace).All.Findings
		if len(f) != 1 || f[0].Severity != c.mem {
			t.Errorf("%s: memory %+v", c.name, f)
		}
	}
	if f := Judge(t, processor.CPUHotspot, CPUProfile(CPU(1500, "main.f")), waiting(2*time.Second, 200*MS, 3)).All.Findings; len(f) == 0 || f[0].Severity != claim.Warning {
		t.Errorf("the machine gives the program three quarters of the processors: %+v", f)
	}
	for waits, want := range map[int]claim.Severity{99: claim.Info, 100: claim.Warning} { // of 10 ms in a second: one request always waits
		e := waiting(2*time.Second, 0, 0)
		e.Trace().Groups[0].Runnable = Histogram(waits, 10*MS)
		if f := Judge(t, processor.CPUHotspot, hot, e).All.Findings; len(f) == 0 || f[0].Severity != want {
			t.Errorf("%d waits of 10 ms for a processor: want %v: %+v", waits, want, f)
		}
	}
	if got := Judge(t, processor.CPUHotspot, waiting(2*time.Second, 0, 0)); got.Worst != "info main.serve" {
		t.Errorf("a trace alone names who runs and accuses nobody: %q", got.Worst)
	}
}

func TestGCAssist(t *testing.T) {
	standing := Dumped(dump.Goroutine{ID: 7, State: "GC assist wait", Frames: []dump.Frame{{Frame: stack.Frame{Function: "main.f"}}}})
	ExpectAll(t, GCAssist, []Expect{
		{"trace below the share", Of(collected(20, 0, 0, 99)), claim.Clear, ""},
		{"trace at the share", Of(collected(20, 0, 0, 100)), claim.Found, "info"},
		{"trace at the warning", Of(collected(20, 0, 0, 200)), claim.Found, "warning"},
		{"trace at a quarter", Of(collected(20, 0, 0, 500)), claim.Found, "critical"},
		{"few collections", Of(collected(4, 0, 0, 500)), claim.Found, "info"},
		{"no collection in the trace", Of(Traced(&exectrace.Timeline{Procs: exectrace.Procs{Max: 2, Running: time.Second}})), claim.Undecided, ""},
		{"CPU below the share", Of(collecting(0, 0, 49), Procs()), claim.Clear, ""},
		{"CPU at the warning", Of(collecting(0, 0, 100), Procs()), claim.Found, "warning"},
		{"background workers are no mutators", Of(collecting(500, 0, 50), Procs()), claim.Found, "warning"},
		{"a process that hardly runs", Of(CPUProfile(CPU(39, "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"), CPU(117, "main.f")), Procs()), claim.Clear, ""},
		{"too few samples to deny", Of(CPUProfile(CPU(99, "main.f"))), claim.Undecided, ""},
		{"few samples, most of them in assists", Of(CPUProfile(CPU(40, "runtime.gcAssistAlloc", "main.f"), CPU(59, "main.f"))), claim.Found, "critical"},
		{"a dump alone accuses nobody", Of(standing), claim.Undecided, ""},
	})
	f := Judge(t, GCAssist, collected(20, 0, 0, 200), standing).All.Findings
	if len(f) != 1 || len(f[0].Sites) < 2 || f[0].Sites[1].Function != "main.f" {
		t.Errorf("no site of the assists: %+v", f)
	}
}

// TestAllocHotspotCPU holds what a CPU profile says of who allocates: what it costs
// counts, and an assist is paid by whoever allocates next.
func TestAllocHotspotCPU(t *testing.T) {
	// of 1000 samples: allocating by f and g, and assists that f pays.
	profile := func(f, g, assists int64) *evidence.Exhibit {
		return CPUProfile(
			CPU(f, "runtime.memclrNoHeapPointers", "runtime.mallocgc", "runtime.makeslice", "main.f"),
			CPU(g, "runtime.mallocgc", "runtime.newobject", "main.g"),
			CPU(assists, "runtime.gcDrainN", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"),
			CPU(1000-f-g-assists, "main.work"))
	}
	procs := func(n int) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: n}})
	}
	ExpectAll(t, memory.AllocHotspot, []Expect{
		{"just below half of the CPU", Of(profile(499, 0, 0), procs(2)), claim.Undecided, ""},
		{"half of the CPU", Of(profile(500, 0, 0), procs(2)), claim.Found, "warning main.f"},
		{"half of a tenth of the processors", Of(profile(500, 0, 0), procs(10)), claim.Undecided, ""},
		{"half of the CPU is a tenth of five processors", Of(profile(500, 0, 0), procs(5)), claim.Found, "warning main.f"},
		{"half of the CPU, by two", Of(profile(300, 300, 0), procs(2)), claim.Undecided, ""},
		{"all that costs is assists", Of(profile(0, 0, 300), procs(2)), claim.Found, "info main.f"},
		{"assists of who allocates nearly a third", Of(profile(29, 71, 300), procs(2)), claim.Undecided, ""},
		{"assists of who allocates a third", Of(profile(30, 70, 300), procs(2)), claim.Found, "info main.f"},
	})
}

func TestAllocHotspot(t *testing.T) {
	// total is in MB allocated after the given second.
	grow := func(second int, f, g int64) *evidence.Exhibit {
		return HeapAt(second, Churned(1, f, "strings.(*Builder).grow", "main.f"), Churned(1, g, "main.g"))
	}
	costly := collecting(150, 0, 150)
	ExpectAll(t, memory.AllocHotspot, []Expect{
		{"one profile has no rate", Of(grow(0, 9000, 100)), claim.Undecided, ""},
		{"just below the rate", Of(grow(0, 10, 10), grow(10, 1008, 10)), claim.Clear, ""},
		{"at the rate", Of(grow(0, 10, 10), grow(10, 1010, 10)), claim.Found, "info main.f"},
		{"below the share", Of(grow(0, 10, 10), grow(10, 3010, 7210)), claim.Found, "info main.g"},
		{"what was allocated before does not count", Of(grow(0, 90_000, 10), grow(10, 90_100, 10)), claim.Clear, ""},
		{"many small objects", Of(HeapAt(0, Objects(16, 1, 1, "main.f")), HeapAt(10, Objects(16, 20_000_001, 1, "main.f"))), claim.Found, "info main.f"},
		{"fewer small objects", Of(HeapAt(0, Objects(16, 1, 1, "main.f")), HeapAt(10, Objects(16, 19_000_001, 1, "main.f"))), claim.Clear, ""},
		{"the collector costs the program, at an unknown rate", Of(costly), claim.Found, "info main.f"},
		{"the collector is at ease", Of(collecting(10, 0, 60)), claim.Undecided, ""},
		{"allocating costs nothing", Of(CPUProfile(CPU(970, "main.f"), CPU(30, "runtime.mallocgc", "main.f"))), claim.Clear, ""},
	})
	f := Judge(t, memory.AllocHotspot, grow(0, 10, 10), grow(10, 9010, 10), costly).All.Findings
	if len(f) != 1 || f[0].Severity != claim.Warning || f[0].Confidence != claim.High {
		t.Errorf("heap and CPU together: %+v", f)
	}
}

func TestCPUHotspot(t *testing.T) {
	ExpectAll(t, processor.CPUHotspot, []Expect{
		{"the largest part, below the share", Of(CPUProfile(CPU(399, "crypto/sha256.block", "main.f"), CPU(300, "main.g"), CPU(301, "main.h")), Procs()), claim.Found, "info main.f"},
		{"below the share, and requests wait", Of(CPUProfile(CPU(399, "main.f"), CPU(300, "main.g"), CPU(301, "main.h")), waitingForCPU()), claim.Found, "info main.f"},
		{"at the share, and requests wait", Of(CPUProfile(CPU(400, "main.f"), CPU(300, "main.g"), CPU(300, "main.h")), waitingForCPU()), claim.Found, "warning main.f"},
		{"processors half idle, and requests wait", Of(CPUProfile(CPU(400, "main.f"), CPU(599, "main.g")), waitingForCPU()), claim.Found, "info main.g"},
		{"at the share", Of(CPUProfile(CPU(400, "crypto/sha256.block", "main.f"), CPU(300, "main.g"), CPU(300, "main.h")), Procs()), claim.Found, "info main.f"},
		{"closures are their function's", Of(CPUProfile(CPU(400, "main.f.func1"), CPU(400, "main.f"), CPU(300, "main.g")), Procs()), claim.Found, "info main.f"},
		{"processors half idle", Of(CPUProfile(CPU(900, "main.f"), CPU(99, "main.g")), Procs()), claim.Found, "info main.f"},
		{"the collector is no function of the program", Of(CPUProfile(CPU(900, "runtime.gcBgMarkWorker"), CPU(200, "main.g")), Procs()), claim.Found, "info main.g"},
		{"few samples", Of(CPUProfile(CPU(2, "main.g"), CPU(3, "main.f"))), claim.Found, "info main.f"},
		{"nothing but the collector", Of(CPUProfile(CPU(99, "runtime.gcBgMarkWorker"))), claim.Undecided, ""},
		{"a trace without samples", Of(Procs()), claim.Undecided, ""},
		{"samples in a trace", Of(sampled(time.Microsecond)), claim.Found, "info main.f"},
		{"samples in a trace, and requests wait", Of(sampled(20 * time.Millisecond)), claim.Found, "warning main.f"},
	})
}

// waitingForCPU is a trace without samples in which requests wait for a processor.
func waitingForCPU() *evidence.Exhibit {
	e := sampled(20 * time.Millisecond)
	e.Trace().Samples = nil
	return e
}

// TestUsageOfUnknownProcessors: where GOMAXPROCS is unknown, nothing is said of a part of the processors.
func TestUsageOfUnknownProcessors(t *testing.T) {
	profile := func() *evidence.Exhibit { return CPUProfile(CPU(3800, "main.f", "main.(*API).serve")) }
	for _, c := range []struct {
		exhibits   []*evidence.Exhibit
		want, lack string
	}{
		{Of(profile()), "keeps 3.8 processors busy", "%"},
		{Of(profile(), Procs()), "100 % of 2 processors", "3.8"}, // and no more than there are
	} {
		f := Judge(t, processor.CPUHotspot, c.exhibits...).All.Findings[0]
		_, rest, _ := strings.Cut(f.Summary.String(), "below main.(*API).serve")
		if !strings.Contains(rest, c.want) || strings.Contains(rest, c.lack) {
			t.Errorf("%q, want %q and no %q", f.Summary, c.want, c.lack)
		}
	}
}

// sampled is a trace with CPU samples in main.f, and a server whose goroutines
// wait so long for a processor.
func sampled(late time.Duration) *evidence.Exhibit {
	serve := Frames("internal/poll.runtime_pollWait", "net.(*conn).Read", "net/http.(*conn).serve")
	return Traced(&exectrace.Timeline{
		Procs:   exectrace.Procs{Max: 2, Running: 2 * time.Second},
		Samples: []exectrace.StackCount{{Stack: Frames("main.f"), Count: 150}, {Stack: Frames("main.g"), Count: 50}},
		Waits:   []exectrace.Wait{{Class: wait.Network, Stack: serve, Count: 400}},
		Groups: []exectrace.Group{
			{Start: At("main.f"), Slices: Histogram(200, 10*time.Millisecond), Runnable: Histogram(200, 10*time.Millisecond)},
			{Start: At("net/http.(*conn).serve"), Slices: Histogram(400, 100*time.Microsecond), Runnable: Histogram(400, late)},
		},
	})
}
