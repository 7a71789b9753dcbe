package detect

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

func containsText(texts []string, part string) bool {
	return strings.Contains(strings.Join(texts, "\n"), part)
}

// queue is a second in which goroutines of one function wait n times for a
// processor for so long, run in slices of a length, and wait for a class of things.
type queue struct {
	n           int
	wait, slice time.Duration
	class       wait.Class
	late        int // of ten windows, with a wait of that length
}

func queued(q queue) *evidence.Exhibit {
	t := &exectrace.Timeline{
		WindowLength: 100 * ms, Windows: make([]exectrace.Window, 10),
		Groups: []exectrace.Group{{Start: at("main.serve"), Slices: histogram(q.n, q.slice), Runnable: histogram(q.n, q.wait)}},
		Waits:  []exectrace.Wait{{Class: q.class, Stack: frames("runtime.gopark", "main.wait", "main.serve"), Count: int64(q.n)}},
		Wakes:  []exectrace.Wake{{From: at("main.send"), To: at("main.wait"), Class: q.class, Count: int64(q.n)}},
	}
	t.Latency.Times = histogram(q.n, q.wait)
	for i := range q.late {
		t.Windows[i].Latency = q.wait
	}
	return traced(t)
}

func TestSchedLatency(t *testing.T) {
	const net, recv = wait.Network, wait.ChanRecv
	expectAll(t, SchedLatency, []expect{
		{"below a millisecond", of(queued(queue{400, 900 * µs, 100 * µs, net, 10})), claim.Clear, ""},
		{"a time slice every time", of(queued(queue{400, 10 * ms, 100 * µs, net, 10})), claim.Found, "critical"},
		{"a millisecond every second time", of(queued(queue{400, ms, 100 * µs, net, 0})), claim.Found, "warning"},
		{"a tenth of a second", of(queued(queue{400, 100 * ms, 100 * µs, net, 10})), claim.Found, "critical"},
		{"few waits, all long", of(queued(queue{30, 20 * ms, 100 * µs, net, 10})), claim.Found, "critical"},
		{"too few waits", of(queued(queue{29, 20 * ms, 100 * µs, net, 10})), claim.Undecided, ""},
		{"a batch that is interrupted", of(queued(queue{400, 20 * ms, 10 * ms, net, 10})), claim.Clear, ""},
		{"a batch in small pieces", of(queued(queue{400, 20 * ms, 100 * µs, recv, 10})), claim.Clear, ""},
		{"tickers", of(queued(queue{400, 20 * ms, 100 * µs, wait.Sleep, 10})), claim.Found, "critical"},
		{"a glimpse", of(procs()), claim.Undecided, ""},
	})
}

// TestSchedLatencyOfAStall checks that one stall of the machine is no finding
// where the median is short.
func TestSchedLatencyOfAStall(t *testing.T) {
	for late, want := range map[int]string{2: "", 3: "warning"} {
		e := queued(queue{400, 100 * µs, 100 * µs, wait.Network, 0})
		for range 20 {
			e.Trace.Groups[0].Runnable.Add(20 * ms)
		}
		for i := range late {
			e.Trace.Windows[i].Latency = 20 * ms
		}
		if got := judge(t, SchedLatency, e); got.worst != want {
			t.Errorf("late in %d of 10 windows: %q, want %q", late, got.worst, want)
		}
	}
}

// TestSchedLatencyOfRequests checks that a goroutine per request counts as
// answering to the outside, though it waits for nothing itself.
func TestSchedLatencyOfRequests(t *testing.T) {
	e := queued(queue{400, 20 * ms, 100 * µs, wait.ChanRecv, 10})
	e.Trace.Groups[0].Creator, e.Trace.Groups[0].Created = at("main.listen"), 400
	if got := judge(t, SchedLatency, e); got.worst != "" {
		t.Errorf("created by code that never waits for the network: %q", got.worst)
	}
	e.Trace.Waits = append(e.Trace.Waits, exectrace.Wait{Class: wait.Network, Stack: frames("net.(*conn).Read", "main.listen"), Count: 400})
	if got := judge(t, SchedLatency, e); got.worst == "" {
		t.Errorf("created by code that waits for the network: %s", got.result)
	}
}

// TestSchedLatencyNamesWhoRuns checks that the goroutines that have the processors come first, where they have most of the time.
func TestSchedLatencyNamesWhoRuns(t *testing.T) {
	for slices, want := range map[int]string{3: "main.serve", 5: "main.solve"} { // of 10 ms, beside 40 ms of main.serve
		e := queued(queue{400, 20 * ms, 100 * µs, wait.Network, 10})
		e.Trace.Groups = append(e.Trace.Groups, exectrace.Group{Start: at("main.solve"), Slices: histogram(slices, 10*ms), Runnable: histogram(slices, 10*ms)})
		f := judge(t, SchedLatency, e).all.Findings
		if len(f) != 1 || len(f[0].Sites) < 2 {
			t.Fatalf("%+v", f)
		}
		if got := f[0].Sites[1].Function; got != want {
			t.Errorf("%d slices of 10 ms: names %s first, want %s: %s", slices, got, want, f[0].Summary)
		}
	}
}
