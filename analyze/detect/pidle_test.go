package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

// idling is a second on two processors of which so much was idle, and idle with
// demand, while goroutines that answer to the outside wait for a processor.
func idling(idle, demand time.Duration) *exectrace.Timeline {
	t := queued(queue{400, 20 * ms, 100 * µs, wait.Network, 10}).Trace
	t.Procs = exectrace.Procs{Max: 2, Running: 2*time.Second - idle, Idle: idle, IdleWithDemand: demand}
	t.Latency.Times = histogram(100, demand/100+exectrace.MinDemand)
	return t
}

// locked is idling in ten windows, in so many of which goroutines queue for a
// lock, with most of the time waited for locks at one place.
func locked(windows int, waiters, running float64, share int64, done int64) *evidence.Exhibit {
	t := idling(time.Second, 0)
	t.WindowLength, t.Windows = 100*ms, nil
	for i := range 10 {
		w := exectrace.Window{PerProc: []float64{running, 0}}
		if i < windows {
			w.SyncWait = waiters
		}
		t.Windows = append(t.Windows, w)
	}
	t.Waits = []exectrace.Wait{
		{Class: wait.Mutex, Stack: frames("sync.(*Mutex).Lock", "main.(*Book).Place"), Total: time.Duration(share) * time.Second, Count: done + 5, Open: 5},
		{Class: wait.RWRead, Stack: frames("sync.(*RWMutex).RLock", "main.other"), Total: time.Duration(50-share) * time.Second, Count: 40},
		{Class: wait.RWRead, Stack: frames("sync.(*RWMutex).RLock", "main.third"), Total: 49 * time.Second, Count: 40},
	}
	return traced(t)
}

func TestPIdle(t *testing.T) {
	stalled := idling(time.Second, 300*ms)
	unnoticed, lonely := idling(time.Second, 300*ms), idling(time.Second, 900*ms)
	unnoticed.Groups = nil
	lonely.Latency.Times = histogram(10, 10*ms)
	stalled.Latency.Worst = []exectrace.Span{{Interval: exectrace.Interval{From: 0, To: 150 * ms}}}
	starved := idling(time.Second, 300*ms)
	starved.Gaps = make([]exectrace.Interval, 3)
	expectAll(t, PIdle, []expect{
		{"idle without work is healthy", of(traced(idling(1900*ms, 0))), claim.Clear, ""},
		{"just below the demand", of(traced(idling(time.Second, 199*ms))), claim.Clear, ""},
		{"at the demand", of(traced(idling(time.Second, 200*ms))), claim.Found, "warning"},
		{"nobody who answers to the outside waits", of(traced(unnoticed)), claim.Found, "info"},
		{"one runnable goroutine, many idle processors", of(traced(lonely)), claim.Clear, ""},
		{"one stall of the machine", of(traced(stalled)), claim.Clear, ""},
		{"a machine short of processors", of(traced(starved)), claim.Found, "info"},
		{"a queue for a lock", of(locked(10, 50, 0.5, 50, 300)), claim.Found, "warning"},
		{"in half of the windows", of(locked(5, 50, 0.5, 50, 300)), claim.Found, "warning"},
		{"in fewer windows", of(locked(4, 50, 0.5, 50, 300)), claim.Clear, ""},
		{"fewer waiters than processors", of(locked(10, 1.9, 0.5, 50, 300)), claim.Clear, ""},
		{"processors busy", of(locked(10, 50, 1.1, 50, 300)), claim.Clear, ""},
		{"many locks", of(locked(10, 50, 0.5, 30, 300)), claim.Clear, ""},
		{"a lock that is never given back", of(locked(10, 50, 0.5, 50, 9)), claim.Clear, ""},
		{"a glimpse", of(procs()), claim.Undecided, ""},
	})
}

// TestWorstOfSeveral checks that a fault which only an older trace shows is told,
// with how many show it.
func TestWorstOfSeveral(t *testing.T) {
	got := judge(t, PIdle, traced(idling(time.Second, 400*ms)), traced(idling(time.Second, 0)), procs())
	if got.worst != "warning" {
		t.Fatalf("%s %q, want a warning", got.result, got.worst)
	}
	if !containsText(got.all.Findings[0].Caveats, "1 of 3 exhibits") {
		t.Errorf("caveats %q do not say how many show it", got.all.Findings[0].Caveats)
	}
	if got := judge(t, PIdle, traced(idling(time.Second, 0)), procs()); got.result != claim.Clear {
		t.Errorf("a newer glimpse hides what the older trace denies: %s", got.result)
	}
}
