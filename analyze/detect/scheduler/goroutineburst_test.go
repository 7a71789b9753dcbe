package scheduler

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
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
	e := Queued(Queue{400, 100 * US, 100 * US, wait.Network, 0})
	if f.late {
		e = Queued(Queue{400, 20 * MS, 100 * US, wait.Network, 10})
	}
	t := e.Trace()
	running := time.Duration(f.created) * f.slice
	t.Groups[0].Running = f.rest
	t.Groups = append(t.Groups, exectrace.Group{Start: At("main.row"), Creator: At(f.creator), Created: f.created, Running: running, Slices: Histogram(int(f.created), f.slice), MaxRunnable: f.burst})
	t.Procs = exectrace.Procs{Max: 2, Running: max(running, time.Second), Idle: 200 * MS}
	return e
}

func TestGoroutineBurst(t *testing.T) {
	whole := fanned{creator: "main.rows", created: 10_000, slice: 50 * US}
	with := func(change func(*fanned)) []*evidence.Exhibit {
		f := whole
		change(&f)
		return Of(fan(f))
	}
	var standing []dump.Goroutine
	for i := range 1000 {
		standing = append(standing, dump.Goroutine{ID: int64(i + 1), State: "runnable", Frames: []dump.Frame{{Frame: stack.Frame{Function: "main.row"}}}, CreatedBy: stack.Frame{Function: "main.rows"}})
	}
	const found = "warning main.rows"
	ExpectAll(t, GoroutineBurst, []Expect{
		{"ten thousand a second", Of(fan(whole)), claim.Found, found},
		{"fewer", with(func(f *fanned) { f.created = 9999 }), claim.Clear, ""},
		{"that do a good part of the work each", with(func(f *fanned) { f.slice = 120 * US }), claim.Found, "info main.rows"},
		{"that do little of the work", with(func(f *fanned) { f.rest = 3 * time.Second }), claim.Found, "info main.rows"},
		{"one per request of a server", with(func(f *fanned) { f.creator = "net/http.(*Server).Serve" }), claim.Clear, ""},
		{"a burst that others wait behind", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 1000, true }), claim.Found, found},
		{"a burst that nobody waits behind", with(func(f *fanned) { f.created, f.burst = 2000, 1000 }), claim.Found, "info main.rows"},
		{"hundreds that take ten milliseconds to work off", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 400, true }), claim.Found, found},
		{"hundreds that take less", with(func(f *fanned) { f.created, f.burst, f.late = 2000, 399, true }), claim.Clear, ""},
		{"a burst that is over in a moment", with(func(f *fanned) { f.created, f.burst, f.slice, f.late = 2000, 1000, 15*US, true }), claim.Clear, ""},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
		{"a dump alone accuses nobody", Of(Dumped(standing...)), claim.Undecided, ""},
		{"a CPU profile alone accuses nobody", Of(ProfileOf(500, 1000, "runtime.newproc1", "runtime.newproc", "main.rows"), Procs()), claim.Undecided, ""},
	})
	f := Judge(t, GoroutineBurst, fan(whole), Dumped(standing...), ProfileOf(50, 1000, "runtime.newproc1", "runtime.newproc", "main.rows")).All.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || !Vouched(f[0], evidence.Dump) || !Vouched(f[0], evidence.CPU) {
		t.Errorf("three kinds together: %+v", f)
	}
}

// silent is n stretches of 20 ms in which no thread of a program ran, so far apart.
func silent(n int, apart, length time.Duration) *exectrace.Timeline {
	t := &exectrace.Timeline{Duration: length}
	for i := range n {
		from := time.Duration(i) * apart
		t.Gaps = append(t.Gaps, exectrace.Interval{From: from, To: from + 20*MS})
	}
	return t
}

func TestCPUStarvation(t *testing.T) {
	ExpectAll(t, CPUStarvation, []Expect{
		{"three stretches", Of(Traced(silent(3, 70*MS, time.Second))), claim.Found, "warning"},
		{"in a long trace", Of(Traced(silent(3, 70*MS, 2*time.Second))), claim.Found, "info"},
		{"two", Of(Traced(silent(2, 70*MS, time.Second))), claim.Undecided, ""},
		{"none", Of(Traced(silent(0, 0, time.Second))), claim.Clear, ""},
		{"none in a short trace", Of(Traced(silent(0, 0, 999*MS))), claim.Undecided, ""},
		{"schedtrace alone accuses nobody", Of(scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Wasted: 20})), claim.Undecided, ""},
	})
	// The host is not to blame where it ran the program all along.
	for used, want := range map[int64]claim.Severity{1499: claim.Warning, 1500: claim.Info} {
		f := Judge(t, CPUStarvation, Traced(silent(3, 70*MS, time.Second)), CPUProfile(CPU(used, "main.f"))).All.Findings
		if len(f) != 1 || f[0].Severity != want {
			t.Errorf("%d samples: %+v, want %s", used, f, want)
		}
	}
	for apart, want := range map[time.Duration]string{100 * MS: "quota", 200 * MS: "quota", 170 * MS: ""} {
		if f := Judge(t, CPUStarvation, Traced(silent(5, apart, time.Second))).All.Findings; len(f) != 1 || f[0].Variant != want {
			t.Errorf("every %v: %+v, want variant %q", apart, f, want)
		} else if quota := strings.HasPrefix(f[0].Next[0].String(), "Set GOMAXPROCS to the quota, rounded up: it is 2 here"); quota != (want == "quota") {
			t.Errorf("every %v: the advice is %q", apart, f[0].Next[0])
		}
	}
	for wasted, want := range map[int64]bool{3: false, 4: true} {
		f := Judge(t, CPUStarvation, Traced(silent(3, 70*MS, time.Second)), scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Wasted: wasted})).All.Findings
		if len(f) != 1 || Vouched(f[0], evidence.SchedTrace) != want {
			t.Errorf("%d of 20 lines: %+v", wasted, f)
		}
	}
}

// scheduled makes an exhibit of schedtrace lines.
func scheduled(w runtimelog.SchedWindow) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "app.log", Kind: evidence.SchedTrace, Coverage: evidence.Whole, Content: &runtimelog.Sched{Total: w, Windows: []runtimelog.SchedWindow{w}}}
}

func TestSpinning(t *testing.T) {
	looking := []string{"runtime.futex", "runtime.findRunnable", "runtime.schedule", "runtime.park_m", "runtime.mcall"}
	flipping := func(n int64) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Procs: exectrace.Procs{Max: 2, Flips: n}})
	}
	ExpectAll(t, Spinning, []Expect{
		{"a fifth of the CPU", Of(ProfileOf(400, 2000, looking...), Procs()), claim.Found, "warning"},
		{"less", Of(ProfileOf(399, 2000, looking...), Procs()), claim.Clear, ""},
		{"a service with many short requests", Of(ProfileOf(299, 1000, looking...), Procs()), claim.Clear, ""},
		{"more of all processors", Of(ProfileOf(300, 1000, looking...), Procs()), claim.Found, "warning"},
		{"a process that hardly runs", Of(ProfileOf(90, 99, looking...), Procs()), claim.Clear, ""},
		{"too few samples to deny", Of(ProfileOf(1, 20, looking...), Procs()), claim.Undecided, ""},
		{"goroutines that yield and look again", Of(ProfileOf(900, 2000, "runtime.schedule", "runtime.goschedImpl", "runtime.gosched_m", "runtime.mcall"), Procs()), claim.Found, "warning"},
		{"the sweeper that yields", Of(CPUProfile(CPU(900, "runtime.schedule", "runtime.goschedImpl", "runtime.gosched_m", "runtime.mcall"), CPU(45, "runtime.sweepone", "runtime.bgsweep"), CPU(1055, "main.f")), Procs()), claim.Clear, ""},
		{"GOMAXPROCS unknown", Of(ProfileOf(400, 2000, looking...)), claim.Found, "info"},
		{"a trace alone accuses nobody", Of(flipping(90_000)), claim.Undecided, ""},
		{"schedtrace alone accuses nobody", Of(scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Spinning: 20})), claim.Undecided, ""},
	})
	for flips, want := range map[int64]bool{9999: false, 10_000: true} {
		f := Judge(t, Spinning, ProfileOf(400, 2000, looking...), flipping(flips)).All.Findings
		if len(f) != 1 || Vouched(f[0], evidence.Trace) != want {
			t.Errorf("%d flips: %+v", flips, f)
		}
	}
	for spinning, want := range map[int64]bool{9: false, 10: true} {
		f := Judge(t, Spinning, ProfileOf(400, 2000, looking...), Procs(), scheduled(runtimelog.SchedWindow{Samples: 20, Procs: 40, Spinning: spinning})).All.Findings
		if len(f) != 1 || Vouched(f[0], evidence.SchedTrace) != want {
			t.Errorf("%d spinning: %+v", spinning, f)
		}
	}
}

// TestBurstOfAStarvedProcess: what piles up while the machine runs nothing of the program is not who creates it.
func TestBurstOfAStarvedProcess(t *testing.T) {
	for gap, want := range map[time.Duration]string{12 * time.Millisecond: "warning main.rows", 13 * time.Millisecond: "info main.rows"} {
		e := fan(fanned{creator: "main.rows", created: 2000, slice: 50 * US, burst: 1000, late: true}) // 25 ms of work for two processors
		e.Trace().Gaps = []exectrace.Interval{{From: 0, To: gap}}
		if j := Judge(t, GoroutineBurst, e); j.Worst != want {
			t.Errorf("%s of the host's: %q, want %q", gap, j.Worst, want)
		}
	}
}
