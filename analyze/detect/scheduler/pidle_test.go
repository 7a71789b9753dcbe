package scheduler

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

// idling is a second on two processors of which so much was idle, and idle with
// demand, while goroutines that answer to the outside wait for a processor.
func idling(idle, demand time.Duration) *exectrace.Timeline {
	t := Queued(Queue{400, 20 * MS, 100 * US, wait.Network, 10}).Trace()
	t.Procs = exectrace.Procs{Max: 2, Running: 2*time.Second - idle, Idle: idle, IdleWithDemand: demand}
	t.Latency.Times = Histogram(100, demand/100+exectrace.MinDemand)
	return t
}

// locked is idling in ten windows, in so many of which goroutines queue for a
// lock, with most of the time waited for locks at one place.
func locked(windows int, waiters, running float64, share int64, done int64) *evidence.Exhibit {
	t := idling(time.Second, 0)
	t.WindowLength, t.Windows = 100*MS, nil
	for i := range 10 {
		w := exectrace.Window{PerProc: []float64{running, 0}}
		if i < windows {
			w.SyncWait = waiters
		}
		t.Windows = append(t.Windows, w)
	}
	t.Waits = []exectrace.Wait{
		{Class: wait.Mutex, Stack: Frames("sync.(*Mutex).Lock", "main.(*Book).Place"), Total: time.Duration(share) * time.Second, Count: done + 5, Open: 5},
		{Class: wait.RWRead, Stack: Frames("sync.(*RWMutex).RLock", "main.other"), Total: time.Duration(50-share) * time.Second, Count: 40},
		{Class: wait.RWRead, Stack: Frames("sync.(*RWMutex).RLock", "main.third"), Total: 49 * time.Second, Count: 40},
	}
	return Traced(t)
}

func TestPIdle(t *testing.T) {
	stalled := idling(time.Second, 300*MS)
	unnoticed, lonely := idling(time.Second, 300*MS), idling(time.Second, 900*MS)
	unnoticed.Groups = nil
	lonely.Latency.Times = Histogram(10, 10*MS)
	stalled.Latency.Worst = []exectrace.Span{{Interval: exectrace.Interval{From: 0, To: 150 * MS}}}
	starved := idling(time.Second, 300*MS)
	starved.Gaps = make([]exectrace.Interval, 3)
	ExpectAll(t, PIdle, []Expect{
		{"idle without work is healthy", Of(Traced(idling(1900*MS, 0))), claim.Clear, ""},
		{"just below the demand", Of(Traced(idling(time.Second, 199*MS))), claim.Clear, ""},
		{"at the demand", Of(Traced(idling(time.Second, 200*MS))), claim.Found, "warning"},
		{"nobody who answers to the outside waits", Of(Traced(unnoticed)), claim.Found, "info"},
		{"one runnable goroutine, many idle processors", Of(Traced(lonely)), claim.Clear, ""},
		{"one stall of the machine", Of(Traced(stalled)), claim.Clear, ""},
		{"a machine short of processors", Of(Traced(starved)), claim.Found, "info"},
		{"a queue for a lock", Of(locked(10, 50, 0.5, 50, 300)), claim.Found, "warning"},
		{"in half of the windows", Of(locked(5, 50, 0.5, 50, 300)), claim.Found, "warning"},
		{"in fewer windows", Of(locked(4, 50, 0.5, 50, 300)), claim.Clear, ""},
		{"fewer waiters than processors", Of(locked(10, 1.9, 0.5, 50, 300)), claim.Clear, ""},
		{"processors busy", Of(locked(10, 50, 1.1, 50, 300)), claim.Clear, ""},
		{"many locks", Of(locked(10, 50, 0.5, 30, 300)), claim.Clear, ""},
		{"a lock that is never given back", Of(locked(10, 50, 0.5, 50, 9)), claim.Clear, ""},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
	})
}

// TestWorstOfSeveral checks that a fault which only an older trace shows is told,
// with how many show it.
func TestWorstOfSeveral(t *testing.T) {
	got := Judge(t, PIdle, Traced(idling(time.Second, 400*MS)), Traced(idling(time.Second, 0)), Procs())
	if got.Worst != "warning" {
		t.Fatalf("%s %q, want a warning", got.Result, got.Worst)
	}
	if !ContainsText(got.All.Findings[0].Caveats, "1 of 3 exhibits") {
		t.Errorf("caveats %q do not say how many show it", got.All.Findings[0].Caveats)
	}
	if got := Judge(t, PIdle, Traced(idling(time.Second, 0)), Procs()); got.Result != claim.Clear {
		t.Errorf("a newer glimpse hides what the older trace denies: %s", got.Result)
	}
}
