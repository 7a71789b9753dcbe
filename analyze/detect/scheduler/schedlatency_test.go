package scheduler

import (
	"testing"

	"inquest/analyze/claim"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

func TestSchedLatency(t *testing.T) {
	const net, recv = wait.Network, wait.ChanRecv
	ExpectAll(t, SchedLatency, []Expect{
		{"below a millisecond", Of(Queued(Queue{400, 900 * US, 100 * US, net, 10})), claim.Clear, ""},
		{"a time slice every time", Of(Queued(Queue{400, 10 * MS, 100 * US, net, 10})), claim.Found, "critical"},
		{"a millisecond every second time", Of(Queued(Queue{400, MS, 100 * US, net, 0})), claim.Found, "warning"},
		{"a tenth of a second", Of(Queued(Queue{400, 100 * MS, 100 * US, net, 10})), claim.Found, "critical"},
		{"few waits, all long", Of(Queued(Queue{30, 20 * MS, 100 * US, net, 10})), claim.Found, "critical"},
		{"too few waits", Of(Queued(Queue{29, 20 * MS, 100 * US, net, 10})), claim.Undecided, ""},
		{"a batch that is interrupted", Of(Queued(Queue{400, 20 * MS, 10 * MS, net, 10})), claim.Clear, ""},
		{"a batch in small pieces", Of(Queued(Queue{400, 20 * MS, 100 * US, recv, 10})), claim.Clear, ""},
		{"tickers", Of(Queued(Queue{400, 20 * MS, 100 * US, wait.Sleep, 10})), claim.Found, "critical"},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
	})
}

// TestSchedLatencyOfAStall checks that one stall of the machine is no finding
// where the median is short.
func TestSchedLatencyOfAStall(t *testing.T) {
	for late, want := range map[int]string{2: "", 3: "warning"} {
		e := Queued(Queue{400, 100 * US, 100 * US, wait.Network, 0})
		for range 20 {
			e.Trace().Groups[0].Runnable.Add(20 * MS)
		}
		for i := range late {
			e.Trace().Windows[i].Latency = 20 * MS
		}
		if got := Judge(t, SchedLatency, e); got.Worst != want {
			t.Errorf("late in %d of 10 windows: %q, want %q", late, got.Worst, want)
		}
	}
}

// TestSchedLatencyOfRequests checks that a goroutine per request counts as
// answering to the outside, though it waits for nothing itself.
func TestSchedLatencyOfRequests(t *testing.T) {
	e := Queued(Queue{400, 20 * MS, 100 * US, wait.ChanRecv, 10})
	e.Trace().Groups[0].Creator, e.Trace().Groups[0].Created = At("main.listen"), 400
	if got := Judge(t, SchedLatency, e); got.Worst != "" {
		t.Errorf("created by code that never waits for the network: %q", got.Worst)
	}
	e.Trace().Waits = append(e.Trace().Waits, exectrace.Wait{Class: wait.Network, Stack: Frames("net.(*conn).Read", "main.listen"), Count: 400})
	if got := Judge(t, SchedLatency, e); got.Worst == "" {
		t.Errorf("created by code that waits for the network: %s", got.Result)
	}
}

// TestSchedLatencyNamesWhoRuns checks that the goroutines that have the processors come first, where they have most of the time.
func TestSchedLatencyNamesWhoRuns(t *testing.T) {
	for slices, want := range map[int]string{3: "main.serve", 5: "main.solve"} { // of 10 ms, beside 40 ms of main.serve
		e := Queued(Queue{400, 20 * MS, 100 * US, wait.Network, 10})
		e.Trace().Groups = append(e.Trace().Groups, exectrace.Group{Start: At("main.solve"), Slices: Histogram(slices, 10*MS), Runnable: Histogram(slices, 10*MS)})
		f := Judge(t, SchedLatency, e).All.Findings
		if len(f) != 1 || len(f[0].Sites) < 2 {
			t.Fatalf("%+v", f)
		}
		if got := f[0].Sites[1].Function; got != want {
			t.Errorf("%d slices of 10 ms: names %s first, want %s: %s", slices, got, want, f[0].Summary)
		}
	}
}
