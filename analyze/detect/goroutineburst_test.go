package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/runtimelog"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// fanned is a second on two processors in which one place creates goroutines.
type fanned struct {
	creator string
	created int64
	slice   time.Duration
	burst   int
	rest    time.Duration // running time of others
	late    bool          // goroutines that answer to the outside wait for a processor
}

func fan(f fanned) *evidence.Exhibit {
	e := queued(queue{400, 100 * µs, 100 * µs, wait.Network, 0})
	if f.late {
		e = queued(queue{400, 20 * ms, 100 * µs, wait.Network, 10})
	}
	t := e.Trace
	running := time.Duration(f.created) * f.slice
	t.Groups[0].Running = f.rest
	t.Groups = append(t.Groups, exectrace.Group{Start: at("main.row"), Creator: at(f.creator), Created: f.created, Running: running, Slices: histogram(int(f.created), f.slice), MaxRunnable: f.burst})
	t.Procs = exectrace.Procs{Max: 2, Running: max(running, time.Second), Idle: 200 * ms}
	return e
}

func TestGoroutineBurst(t *testing.T) {
	whole := fanned{creator: "main.rows", created: 10_000, slice: 50 * µs}
	with := func(change func(*fanned)) []*evidence.Exhibit {
		f := whole
		change(&f)
		return of(fan(f))
	}
	var standing []dump.Goroutine
	for i := range 1000 {
		standing = append(standing, dump.Goroutine{ID: int64(i + 1), State: "runnable", Frames: []dump.Frame{{Frame: stack.Frame{Function: "main.row"}}}, CreatedBy: stack.Frame{Function: "main.rows"}})
	}
	const found = "warning main.rows"
	expectAll(t, GoroutineBurst, []expect{
		{"ten thousand a second", of(fan(whole)), claim.Found, found},
		{"fewer", with(func(f *fanned) { f.created = 9999 }), claim.Clear, ""},
		{"that do a good part of the work each", with(func(f *fanned) { f.slice = 120 * µs }), claim.Found, "info main.rows"},
		{"that do little of the work", with(func(f *fanned) { f.rest = 3 * time.Second }), claim.Found, "info main.rows"},
		{"one per request of a server", with(func(f *fanned) { f.creator = "net/http.(*Server).Serve" }), claim.Clear, ""},
		{"a burst that others wait behind", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 1000, true }), claim.Found, found},
		{"a burst that nobody waits behind", with(func(f *fanned) { f.created, f.burst = 2000, 1000 }), claim.Found, "info main.rows"},
		{"hundreds that take ten milliseconds to work off", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 400, true }), claim.Found, found},
		{"hundreds that take less", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 399, true }), claim.Clear, ""},
		{"a burst that is over in a moment", with(func(f *fanned) { f.created, f.burst, f.slice, f.late = 2000, 1000, 15*µs, true }), claim.Clear, ""},
		{"a glimpse", of(procs()), claim.Undecided, ""},
		{"a dump alone accuses nobody", of(dumped(standing...)), claim.Undecided, ""},
		{"a CPU profile alone accuses nobody", of(profileOf(500, 1000, "runtime.newproc1", "runtime.newproc", "main.rows"), procs()), claim.Undecided, ""},
	})
	f := judge(t, GoroutineBurst, fan(whole), dumped(standing...), profileOf(50, 1000, "runtime.newproc1", "runtime.newproc", "main.rows")).all.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || !vouched(f[0], evidence.Dump) || !vouched(f[0], evidence.CPU) {
		t.Errorf("three kinds together: %+v", f)
	}
}

// silent is n stretches of 20 ms in which no thread of a program ran, so far apart.
func silent(n int, apart, length time.Duration) *exectrace.Timeline {
	t := &exectrace.Timeline{Duration: length}
	for i := range n {
		from := time.Duration(i) * apart
		t.Gaps = append(t.Gaps, exectrace.Interval{From: from, To: from + 20*ms})
	}
	return t
}

func TestCPUStarvation(t *testing.T) {
	expectAll(t, CPUStarvation, []expect{
		{"three stretches", of(traced(silent(3, 70*ms, time.Second))), claim.Found, "warning"},
		{"in a long trace", of(traced(silent(3, 70*ms, 2*time.Second))), claim.Found, "info"},
		{"two", of(traced(silent(2, 70*ms, time.Second))), claim.Undecided, ""},
		{"none", of(traced(silent(0, 0, time.Second))), claim.Clear, ""},
		{"none in a short trace", of(traced(silent(0, 0, 999*ms))), claim.Undecided, ""},
		{"schedtrace alone accuses nobody", of(scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Wasted: 20})), claim.Undecided, ""},
	})
	// The host is not to blame where it ran the program all along.
	for used, want := range map[int64]claim.Severity{1499: claim.Warning, 1500: claim.Info} {
		f := judge(t, CPUStarvation, traced(silent(3, 70*ms, time.Second)), cpuProfile(cpu(used, "main.f"))).all.Findings
		if len(f) != 1 || f[0].Severity != want {
			t.Errorf("%d samples: %+v, want %s", used, f, want)
		}
	}
	for apart, want := range map[time.Duration]string{100 * ms: "quota", 200 * ms: "quota", 170 * ms: ""} {
		if f := judge(t, CPUStarvation, traced(silent(5, apart, time.Second))).all.Findings; len(f) != 1 || f[0].Variant != want {
			t.Errorf("every %v: %+v, want variant %q", apart, f, want)
		}
	}
	for wasted, want := range map[int64]bool{3: false, 4: true} {
		f := judge(t, CPUStarvation, traced(silent(3, 70*ms, time.Second)), scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Wasted: wasted})).all.Findings
		if len(f) != 1 || vouched(f[0], evidence.SchedTrace) != want {
			t.Errorf("%d of 20 lines: %+v", wasted, f)
		}
	}
}

// scheduled makes an exhibit of schedtrace lines.
func scheduled(w runtimelog.SchedWindow) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "app.log", Kind: evidence.SchedTrace, Coverage: evidence.Whole, Sched: &runtimelog.Sched{Total: w, Windows: []runtimelog.SchedWindow{w}}}
}

func TestSpinning(t *testing.T) {
	looking := []string{"runtime.futex", "runtime.findRunnable", "runtime.schedule", "runtime.park_m", "runtime.mcall"}
	flipping := func(n int64) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Procs: exectrace.Procs{Max: 2, Flips: n}})
	}
	expectAll(t, Spinning, []expect{
		{"a fifth of the CPU", of(profileOf(400, 2000, looking...), procs()), claim.Found, "warning"},
		{"less", of(profileOf(399, 2000, looking...), procs()), claim.Clear, ""},
		{"a service with many short requests", of(profileOf(299, 1000, looking...), procs()), claim.Clear, ""},
		{"more of all processors", of(profileOf(300, 1000, looking...), procs()), claim.Found, "warning"},
		{"a process that hardly runs", of(profileOf(90, 99, looking...), procs()), claim.Clear, ""},
		{"too few samples to deny", of(profileOf(1, 20, looking...), procs()), claim.Undecided, ""},
		{"goroutines that yield and look again", of(profileOf(900, 2000, "runtime.schedule", "runtime.goschedImpl", "runtime.gosched_m", "runtime.mcall"), procs()), claim.Found, "warning"},
		{"the sweeper that yields", of(cpuProfile(cpu(900, "runtime.schedule", "runtime.goschedImpl", "runtime.gosched_m", "runtime.mcall"), cpu(45, "runtime.sweepone", "runtime.bgsweep"), cpu(1055, "main.f")), procs()), claim.Clear, ""},
		{"GOMAXPROCS unknown", of(profileOf(400, 2000, looking...)), claim.Found, "info"},
		{"a trace alone accuses nobody", of(flipping(90_000)), claim.Undecided, ""},
		{"schedtrace alone accuses nobody", of(scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Spinning: 20})), claim.Undecided, ""},
	})
	for flips, want := range map[int64]bool{9999: false, 10_000: true} {
		f := judge(t, Spinning, profileOf(400, 2000, looking...), flipping(flips)).all.Findings
		if len(f) != 1 || vouched(f[0], evidence.Trace) != want {
			t.Errorf("%d flips: %+v", flips, f)
		}
	}
	for spinning, want := range map[int64]bool{9: false, 10: true} {
		f := judge(t, Spinning, profileOf(400, 2000, looking...), procs(), scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Spinning: spinning})).all.Findings
		if len(f) != 1 || vouched(f[0], evidence.SchedTrace) != want {
			t.Errorf("%d spinning: %+v", spinning, f)
		}
	}
}

// TestBurstOfAStarvedProcess: what piles up while the machine runs nothing of the program is not who creates it.
func TestBurstOfAStarvedProcess(t *testing.T) {
	for gap, want := range map[time.Duration]string{12 * time.Millisecond: "warning main.rows", 13 * time.Millisecond: "info main.rows"} {
		e := fan(fanned{creator: "main.rows", created: 2000, slice: 50 * µs, burst: 1000, late: true}) // 25 ms of work for two processors
		e.Trace.Gaps = []exectrace.Interval{{From: 0, To: gap}}
		if j := judge(t, GoroutineBurst, e); j.worst != want {
			t.Errorf("%s of the host's: %q, want %q", gap, j.worst, want)
		}
	}
}
