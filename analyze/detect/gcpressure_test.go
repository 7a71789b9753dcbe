package detect

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// collected is a second of a program on two processors that used both, with the
// collector's parts in milliseconds of processor time.
func collected(cycles int, background, idle, assist time.Duration) *evidence.Exhibit {
	t := &exectrace.Timeline{
		Procs:   exectrace.Procs{Max: 2, Running: 2 * time.Second},
		GCWork:  exectrace.GCWork{Fractional: background * time.Millisecond, Idle: idle * time.Millisecond},
		Assists: []exectrace.Assist{{Stack: frames("runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"), Count: 100, Total: 20 * assist * time.Millisecond, Running: assist * time.Millisecond}},
	}
	for i := range cycles {
		from := time.Duration(i) * time.Second / time.Duration(cycles)
		t.Cycles = append(t.Cycles, exectrace.Interval{From: from, To: from + time.Millisecond})
	}
	return traced(t)
}

// collecting is a CPU profile in which the collector has so many of 1000 samples.
func collecting(background, idle, assist int64) *evidence.Exhibit {
	return cpuProfile(
		cpu(background, "runtime.scanobject", "runtime.gcDrain", "runtime.gcDrainMarkWorkerDedicated", "runtime.systemstack", "runtime.gcBgMarkWorker"),
		cpu(idle, "runtime.scanobject", "runtime.gcDrain", "runtime.gcDrainMarkWorkerIdle", "runtime.systemstack", "runtime.gcBgMarkWorker"),
		cpu(assist, "runtime.scanobject", "runtime.gcDrainN", "runtime.gcAssistAlloc1", "runtime.gcAssistAlloc.func2", "runtime.systemstack", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"),
		cpu(1000-background-idle-assist, "main.f"),
	)
}

func TestGCPressure(t *testing.T) {
	expectAll(t, GCPressure, []expect{
		{"trace below the share", of(collected(20, 249+0, 0, 250)), claim.Clear, ""},
		{"trace at the share, assists cost", of(collected(20, 320, 0, 180)), claim.Found, "warning"},
		{"trace at the share without assists: a batch", of(collected(20, 500, 0, 0)), claim.Found, "info"},
		{"trace at half of everything", of(collected(20, 500, 0, 500)), claim.Found, "critical"},
		{"idle workers are no pressure", of(collected(20, 100, 1200, 0)), claim.Clear, ""},
		{"few collections weigh much", of(collected(4, 320, 0, 180)), claim.Found, "info"},
		{"a glimpse", of(procs()), claim.Undecided, ""},
		{"CPU below the share", of(collecting(249, 0, 0), procs()), claim.Clear, ""},
		{"CPU at the share, assists cost", of(collecting(150, 0, 100), procs()), claim.Found, "warning"},
		{"CPU at the share without assists", of(collecting(250, 0, 0), procs()), claim.Found, "info"},
		{"CPU with idle workers", of(collecting(200, 100, 0), procs()), claim.Clear, ""},
		{"all of the little CPU that is used", of(cpuProfile(cpu(99, "runtime.gcBgMarkWorker")), procs()), claim.Clear, ""},
		{"too few samples to deny", of(cpuProfile(cpu(20, "main.f")), procs()), claim.Undecided, ""},
		{"a process that hardly runs", of(cpuProfile(cpu(50, "runtime.gcBgMarkWorker"), cpu(70, "main.f")), procs()), claim.Clear, ""},
	})
	if f := judge(t, GCPressure, collecting(230, 0, 10), collected(20, 320, 0, 180)).all.Findings; len(f) != 1 || f[0].Confidence != claim.High {
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
			e.Trace.Heap = append(e.Trace.Heap, exectrace.HeapPoint{Live: c.live, Goal: uint64(float64(c.live) * c.goal), AfterGC: true})
		}
		f := judge(t, GCPressure, e).all.Findings
		if len(f) != 1 || f[0].Variant != c.want || containsText(f[0].Next[:1], "Raise GOGC") != (c.want != "") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// TestRequestsMakeItMatter checks that what takes CPU is a warning where requests
// wait for a processor, and not where the machine is short of them.
func TestRequestsMakeItMatter(t *testing.T) {
	waiting := func(running, collector time.Duration, gaps int) *evidence.Exhibit {
		e := queued(queue{400, 10 * ms, 100 * µs, wait.Network, 10})
		e.Trace.Procs, e.Trace.Gaps = exectrace.Procs{Max: 2, Running: running}, make([]exectrace.Interval, gaps)
		e.Trace.GCWork.Dedicated = collector
		return e
	}
	hot := cpuProfile(cpu(600, "main.f"), cpu(600, "main.g"))
	heaps := of(heapAt(0, churned(10, 10, "main.f")), heapAt(10, churned(10, 9000, "main.f")))
	for _, c := range []struct {
		name     string
		trace    *evidence.Exhibit
		cpu, mem claim.Severity
	}{
		{"requests wait", waiting(2*time.Second, 200*ms, 0), claim.Warning, claim.Warning},
		{"the collector takes little", waiting(2*time.Second, 199*ms, 0), claim.Warning, claim.Info},
		{"processors idle", waiting(999*ms, 200*ms, 0), claim.Info, claim.Info},
		{"the machine is short of processors", waiting(2*time.Second, 200*ms, 3), claim.Info, claim.Info},
	} {
		f := judge(t, CPUHotspot, hot, c.trace).all.Findings
		if len(f) == 0 || f[0].Severity != c.cpu {
			t.Errorf("%s: CPU %+v", c.name, f)
		}
		f = judge(t, AllocHotspot, heaps[0], heaps[1], c.trace).all.Findings
		if len(f) != 1 || f[0].Severity != c.mem {
			t.Errorf("%s: memory %+v", c.name, f)
		}
	}
	if f := judge(t, CPUHotspot, cpuProfile(cpu(1500, "main.f")), waiting(2*time.Second, 200*ms, 3)).all.Findings; len(f) == 0 || f[0].Severity != claim.Warning {
		t.Errorf("the machine gives the program three quarters of the processors: %+v", f)
	}
	for waits, want := range map[int]claim.Severity{99: claim.Info, 100: claim.Warning} { // of 10 ms in a second: one request always waits
		e := waiting(2*time.Second, 0, 0)
		e.Trace.Groups[0].Runnable = histogram(waits, 10*ms)
		if f := judge(t, CPUHotspot, hot, e).all.Findings; len(f) == 0 || f[0].Severity != want {
			t.Errorf("%d waits of 10 ms for a processor: want %v: %+v", waits, want, f)
		}
	}
	if got := judge(t, CPUHotspot, waiting(2*time.Second, 0, 0)); got.result != claim.Undecided {
		t.Errorf("a trace alone: %s", got.result)
	}
}

func TestGCAssist(t *testing.T) {
	standing := dumped(dump.Goroutine{ID: 7, State: "GC assist wait", Frames: []dump.Frame{{Frame: stack.Frame{Function: "main.f"}}}})
	expectAll(t, GCAssist, []expect{
		{"trace below the share", of(collected(20, 0, 0, 99)), claim.Clear, ""},
		{"trace at the share", of(collected(20, 0, 0, 100)), claim.Found, "info"},
		{"trace at the warning", of(collected(20, 0, 0, 200)), claim.Found, "warning"},
		{"trace at a quarter", of(collected(20, 0, 0, 500)), claim.Found, "critical"},
		{"few collections", of(collected(4, 0, 0, 500)), claim.Found, "info"},
		{"no collection in the trace", of(traced(&exectrace.Timeline{Procs: exectrace.Procs{Max: 2, Running: time.Second}})), claim.Undecided, ""},
		{"CPU below the share", of(collecting(0, 0, 49), procs()), claim.Clear, ""},
		{"CPU at the warning", of(collecting(0, 0, 100), procs()), claim.Found, "warning"},
		{"background workers are no mutators", of(collecting(500, 0, 50), procs()), claim.Found, "warning"},
		{"a process that hardly runs", of(cpuProfile(cpu(39, "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"), cpu(117, "main.f")), procs()), claim.Clear, ""},
		{"too few samples to deny", of(cpuProfile(cpu(99, "main.f"))), claim.Undecided, ""},
		{"few samples, most of them in assists", of(cpuProfile(cpu(40, "runtime.gcAssistAlloc", "main.f"), cpu(59, "main.f"))), claim.Found, "critical"},
		{"a dump alone accuses nobody", of(standing), claim.Undecided, ""},
	})
	f := judge(t, GCAssist, collected(20, 0, 0, 200), standing).all.Findings
	if len(f) != 1 || len(f[0].Sites) < 2 || f[0].Sites[1].Function != "main.f" {
		t.Errorf("no site of the assists: %+v", f)
	}
}

// TestAllocHotspotCPU holds what a CPU profile says of who allocates: what it costs
// counts, and an assist is paid by whoever allocates next.
func TestAllocHotspotCPU(t *testing.T) {
	// of 1000 samples: allocating by f and g, and assists that f pays.
	profile := func(f, g, assists int64) *evidence.Exhibit {
		return cpuProfile(
			cpu(f, "runtime.memclrNoHeapPointers", "runtime.mallocgc", "runtime.makeslice", "main.f"),
			cpu(g, "runtime.mallocgc", "runtime.newobject", "main.g"),
			cpu(assists, "runtime.gcDrainN", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.f"),
			cpu(1000-f-g-assists, "main.work"))
	}
	procs := func(n int) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: n}})
	}
	expectAll(t, AllocHotspot, []expect{
		{"just below half of the CPU", of(profile(499, 0, 0), procs(2)), claim.Undecided, ""},
		{"half of the CPU", of(profile(500, 0, 0), procs(2)), claim.Found, "warning main.f"},
		{"half of a tenth of the processors", of(profile(500, 0, 0), procs(10)), claim.Undecided, ""},
		{"half of the CPU is a tenth of five processors", of(profile(500, 0, 0), procs(5)), claim.Found, "warning main.f"},
		{"half of the CPU, by two", of(profile(300, 300, 0), procs(2)), claim.Undecided, ""},
		{"all that costs is assists", of(profile(0, 0, 300), procs(2)), claim.Found, "info main.f"},
		{"assists of who allocates nearly a third", of(profile(29, 71, 300), procs(2)), claim.Undecided, ""},
		{"assists of who allocates a third", of(profile(30, 70, 300), procs(2)), claim.Found, "info main.f"},
	})
}

func TestAllocHotspot(t *testing.T) {
	// total is in MB allocated after the given second.
	grow := func(second int, f, g int64) *evidence.Exhibit {
		return heapAt(second, churned(1, f, "strings.(*Builder).grow", "main.f"), churned(1, g, "main.g"))
	}
	costly := collecting(150, 0, 150)
	expectAll(t, AllocHotspot, []expect{
		{"one profile has no rate", of(grow(0, 9000, 100)), claim.Undecided, ""},
		{"just below the rate", of(grow(0, 10, 10), grow(10, 1008, 10)), claim.Clear, ""},
		{"at the rate", of(grow(0, 10, 10), grow(10, 1010, 10)), claim.Found, "info main.f"},
		{"below the share", of(grow(0, 10, 10), grow(10, 3010, 7210)), claim.Found, "info main.g"},
		{"what was allocated before does not count", of(grow(0, 90_000, 10), grow(10, 90_100, 10)), claim.Clear, ""},
		{"many small objects", of(heapAt(0, objects(16, 1, 1, "main.f")), heapAt(10, objects(16, 20_000_001, 1, "main.f"))), claim.Found, "info main.f"},
		{"fewer small objects", of(heapAt(0, objects(16, 1, 1, "main.f")), heapAt(10, objects(16, 19_000_001, 1, "main.f"))), claim.Clear, ""},
		{"the collector costs the program, at an unknown rate", of(costly), claim.Found, "info main.f"},
		{"the collector is at ease", of(collecting(10, 0, 60)), claim.Undecided, ""},
		{"allocating costs nothing", of(cpuProfile(cpu(970, "main.f"), cpu(30, "runtime.mallocgc", "main.f"))), claim.Clear, ""},
	})
	f := judge(t, AllocHotspot, grow(0, 10, 10), grow(10, 9010, 10), costly).all.Findings
	if len(f) != 1 || f[0].Severity != claim.Warning || f[0].Confidence != claim.High {
		t.Errorf("heap and CPU together: %+v", f)
	}
}

func TestCPUHotspot(t *testing.T) {
	expectAll(t, CPUHotspot, []expect{
		{"the largest part, below the share", of(cpuProfile(cpu(399, "crypto/sha256.block", "main.f"), cpu(300, "main.g"), cpu(301, "main.h")), procs()), claim.Found, "info main.f"},
		{"below the share, and requests wait", of(cpuProfile(cpu(399, "main.f"), cpu(300, "main.g"), cpu(301, "main.h")), waitingForCPU()), claim.Found, "info main.f"},
		{"at the share, and requests wait", of(cpuProfile(cpu(400, "main.f"), cpu(300, "main.g"), cpu(300, "main.h")), waitingForCPU()), claim.Found, "warning main.f"},
		{"processors half idle, and requests wait", of(cpuProfile(cpu(400, "main.f"), cpu(599, "main.g")), waitingForCPU()), claim.Found, "info main.g"},
		{"at the share", of(cpuProfile(cpu(400, "crypto/sha256.block", "main.f"), cpu(300, "main.g"), cpu(300, "main.h")), procs()), claim.Found, "info main.f"},
		{"closures are their function's", of(cpuProfile(cpu(400, "main.f.func1"), cpu(400, "main.f"), cpu(300, "main.g")), procs()), claim.Found, "info main.f"},
		{"processors half idle", of(cpuProfile(cpu(900, "main.f"), cpu(99, "main.g")), procs()), claim.Found, "info main.f"},
		{"the collector is no function of the program", of(cpuProfile(cpu(900, "runtime.gcBgMarkWorker"), cpu(200, "main.g")), procs()), claim.Found, "info main.g"},
		{"few samples", of(cpuProfile(cpu(2, "main.g"), cpu(3, "main.f"))), claim.Found, "info main.f"},
		{"nothing but the collector", of(cpuProfile(cpu(99, "runtime.gcBgMarkWorker"))), claim.Undecided, ""},
		{"a trace without samples", of(procs()), claim.Undecided, ""},
		{"samples in a trace", of(sampled(time.Microsecond)), claim.Found, "info main.f"},
		{"samples in a trace, and requests wait", of(sampled(20 * time.Millisecond)), claim.Found, "warning main.f"},
	})
}

// waitingForCPU is a trace without samples in which requests wait for a processor.
func waitingForCPU() *evidence.Exhibit {
	e := sampled(20 * time.Millisecond)
	e.Trace.Samples = nil
	return e
}

// TestUsageOfUnknownProcessors: where GOMAXPROCS is unknown, nothing is said of a part of the processors.
func TestUsageOfUnknownProcessors(t *testing.T) {
	profile := func() *evidence.Exhibit { return cpuProfile(cpu(3800, "main.f", "main.(*API).serve")) }
	for _, c := range []struct {
		exhibits   []*evidence.Exhibit
		want, lack string
	}{
		{of(profile()), "keeps 3.8 processors busy", "%"},
		{of(profile(), procs()), "100 % of 2 processors", "3.8"}, // and no more than there are
	} {
		f := judge(t, CPUHotspot, c.exhibits...).all.Findings[0]
		_, rest, _ := strings.Cut(f.Summary, "below main.(*API).serve")
		if !strings.Contains(rest, c.want) || strings.Contains(rest, c.lack) {
			t.Errorf("%q, want %q and no %q", f.Summary, c.want, c.lack)
		}
	}
}

// sampled is a trace with CPU samples in main.f, and a server whose goroutines
// wait so long for a processor.
func sampled(late time.Duration) *evidence.Exhibit {
	serve := frames("internal/poll.runtime_pollWait", "net.(*conn).Read", "net/http.(*conn).serve")
	return traced(&exectrace.Timeline{
		Procs:   exectrace.Procs{Max: 2, Running: 2 * time.Second},
		Samples: []exectrace.StackCount{{Stack: frames("main.f"), Count: 150}, {Stack: frames("main.g"), Count: 50}},
		Waits:   []exectrace.Wait{{Class: wait.Network, Stack: serve, Count: 400}},
		Groups: []exectrace.Group{
			{Start: at("main.f"), Slices: histogram(200, 10*time.Millisecond), Runnable: histogram(200, 10*time.Millisecond)},
			{Start: at("net/http.(*conn).serve"), Slices: histogram(400, 100*time.Microsecond), Runnable: histogram(400, late)},
		},
	})
}
