package memory

import (
	"slices"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

// started is so many timers that main.f started with time.AfterFunc and that are in use.
func started(n int64) Row { return Objects(112, 2*n, n, "time.AfterFunc", "main.f:7") }

func TestTimerLeak(t *testing.T) {
	var fired []dump.Goroutine
	for i := range 50 {
		fired = append(fired, dump.Goroutine{ID: int64(i + 1), State: "sleep", Frames: []dump.Frame{{Frame: stack.Frame{Function: "main.late"}}}, CreatedBy: stack.Frame{Function: "time.goFunc"}})
	}
	ExpectAll(t, TimerLeak, []Expect{
		{"more and more", Of(HeapAt(0, started(100_000)), HeapAt(600, started(300_000))), claim.Found, "warning main.f"},
		{"over three snapshots", Of(HeapAt(0, started(100_000)), HeapAt(600, started(300_000)), HeapAt(1200, started(500_000))), claim.Found, "warning main.f"},
		{"a warm-up that ended", Of(HeapAt(0, started(100_000)), HeapAt(600, started(300_000)), HeapAt(1200, started(300_000))), claim.Found, "info main.f"},
		{"as many as before", Of(HeapAt(0, started(300_000)), HeapAt(600, started(300_000))), claim.Clear, ""},
		{"no more than sampling can bring about", Of(HeapAt(0, started(30_000)), HeapAt(600, started(50_000))), claim.Undecided, ""},
		{"large things beside few timers", Of(HeapAt(0), HeapAt(600, Objects(64<<10, 9000, 9000, "time.NewTimer", "main.f"))), claim.Clear, ""},
		{"those of contexts", Of(HeapAt(0), HeapAt(600, Objects(112, 900_000, 900_000, "time.AfterFunc", "context.WithDeadlineCause", "context.WithTimeout", "main.f"))), claim.Clear, ""},
		{"what the function of a timer allocates", Of(HeapAt(0), HeapAt(600, Objects(112, 900_000, 900_000, "main.late", "time.goFunc"))), claim.Clear, ""},
		{"one snapshot of many", Of(HeapAt(0, started(300_000))), claim.Found, "info main.f"},
		{"one snapshot of few", Of(HeapAt(0, started(9999))), claim.Undecided, ""},
		{"a busy runtime alone accuses nobody", Of(CPUProfile(CPU(300, "runtime.(*timers).siftDown", "runtime.(*timers).run", "runtime.findRunnable"), CPU(300, "main.f"))), claim.Undecided, ""},
		{"a dump alone accuses nobody", Of(Dumped(fired...)), claim.Undecided, ""},
	})
	f := Judge(t, TimerLeak, HeapAt(0, started(100_000)), HeapAt(600, started(300_000)), Dumped(fired...)).All.Findings
	if len(f) != 1 || len(f[0].Checks) == 0 || !Vouched(f[0], evidence.Dump) {
		t.Errorf("goroutines that timers started do not vouch: %+v", f)
	}
}

// derived is so many contexts that main.f derived and that are in use.
func derived(n int64) Row {
	return Objects(96, 2*n, n, "context.withCancel", "context.WithCancel", "main.f:7")
}

func TestContextRetention(t *testing.T) {
	watching := func(n int) (out []dump.Goroutine) {
		for i := range n {
			out = append(out, dump.Goroutine{ID: int64(i + 1), State: "select", Frames: []dump.Frame{{Frame: stack.Frame{Function: "context.(*cancelCtx).propagateCancel.func2"}}}})
		}
		return out
	}
	ExpectAll(t, ContextRetention, []Expect{
		{"more and more", Of(HeapAt(0, derived(100_000)), HeapAt(600, derived(300_000))), claim.Found, "warning main.f"},
		{"a warm-up that ended", Of(HeapAt(0, derived(100_000)), HeapAt(600, derived(300_000)), HeapAt(1200, derived(300_000))), claim.Found, "info main.f"},
		{"little of a large heap", Of(HeapAt(0, derived(100_000), Kept(300, "main.g")), HeapAt(600, derived(300_000), Kept(300, "main.g"))), claim.Found, "info main.f"},
		{"as many as before", Of(HeapAt(0, derived(300_000)), HeapAt(600, derived(300_000))), claim.Clear, ""},
		{"no more than sampling can bring about", Of(HeapAt(0, derived(30_000)), HeapAt(600, derived(80_000))), claim.Undecided, ""},
		{"those of a server's requests", Of(HeapAt(0), HeapAt(600, Objects(96, 300_000, 300_000, "context.WithCancel", "net/http.(*conn).readRequest", "net/http.(*conn).serve"))), claim.Clear, ""},
		{"the map of children", Of(HeapAt(0), HeapAt(600, Objects(4096, 9000, 9000, "context.(*cancelCtx).propagateCancel", "context.withCancel", "context.WithCancel", "main.f"))), claim.Found, "warning main.f"},
		{"what runs under a context", Of(HeapAt(0), HeapAt(600, Objects(96, 300_000, 300_000, "main.late", "context.AfterFunc.func1"))), claim.Clear, ""},
		{"one snapshot", Of(HeapAt(0, derived(300_000))), claim.Undecided, ""},
		{"a dump alone accuses nobody", Of(Dumped(watching(500)...)), claim.Undecided, ""},
	})
	// What a context carries is made by who asks for it, and kept with it.
	res := Judge(t, ContextRetention, HeapAt(0, Objects(96, 100_000, 100_000, "context.WithCancel", "main.f", "main.work")), HeapAt(600, Objects(96, 300_000, 300_000, "context.WithCancel", "main.f", "main.work"), Kept(20, "main.work"), Kept(20, "main.other"))).All.Findings
	if len(res) != 1 || !slices.ContainsFunc(res[0].Sites, func(s claim.Site) bool { return s.Function == "main.work" }) || slices.ContainsFunc(res[0].Sites, func(s claim.Site) bool { return s.Function == "main.other" }) {
		t.Errorf("%+v", res)
	}
	for n, want := range map[int]bool{49: false, 50: true} {
		f := Judge(t, ContextRetention, HeapAt(0, derived(100_000)), HeapAt(600, derived(300_000)), Dumped(watching(n)...)).All.Findings
		if len(f) != 1 || Vouched(f[0], evidence.Dump) != want || f[0].Variant != "cancel" {
			t.Errorf("%d watching: %+v", n, f)
		}
	}
}
