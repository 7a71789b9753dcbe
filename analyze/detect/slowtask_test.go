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

func TestSlowTask(t *testing.T) {
	span := func(from, to time.Duration) []exectrace.Span {
		return []exectrace.Span{{Interval: exectrace.Interval{From: from, To: to}, Goroutine: 7}}
	}
	kind := func(name string, n int, usual time.Duration, slow int, long time.Duration) exectrace.Task {
		k := exectrace.Task{Name: name, Count: int64(n), Worst: span(100*ms, 100*ms+long)}
		for i := range n {
			if i < slow {
				k.Times.Add(long)
			} else {
				k.Times.Add(usual)
			}
		}
		return k
	}
	trace := func(tasks ...exectrace.Task) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Second, Tasks: tasks})
	}
	expectAll(t, SlowTask, []expect{
		{"no tasks", of(trace()), claim.Undecided, ""},
		{"one in fifty takes a hundred times as long", of(trace(kind("report", 200, ms, 4, 200*ms))), claim.Found, "warning"},
		{"not long enough for a warning", of(trace(kind("report", 200, ms, 4, 90*ms))), claim.Found, "info"},
		{"not long enough to matter", of(trace(kind("report", 200, 10*time.Microsecond, 4, 9*ms))), claim.Clear, ""},
		{"nine times as long", of(trace(kind("report", 200, 30*ms, 4, 270*ms))), claim.Clear, ""},
		{"all take long", of(trace(kind("nightly", 200, time.Second, 4, 2*time.Second))), claim.Clear, ""},
		{"too few to be sure", of(trace(kind("report", 49, ms, 2, 200*ms))), claim.Found, "info"},
		{"one in a thousand", of(trace(kind("report", 1000, ms, 1, 200*ms))), claim.Clear, ""},
		{"few, all alike", of(trace(kind("report", 10, ms, 0, 0))), claim.Undecided, ""},
	})
	fetch, fonts := kind("fetch", 200, ms, 0, ms), kind("fonts", 200, time.Microsecond, 4, 190*ms)
	fonts.Worst = span(105*ms, 295*ms)
	fonts.Blocked = []exectrace.Blocked{{Class: wait.Sleep, Stack: frames("time.Sleep", "main.load"), Total: 4 * 190 * ms, Count: 4}}
	x := trace(kind("report", 200, ms, 4, 200*ms))
	x.Trace.Regions = []exectrace.Task{fetch, fonts}
	x.Trace.Logs = []exectrace.Log{{At: 50 * ms, Goroutine: 7, Category: "traceID", Message: "before"}, {At: 101 * ms, Goroutine: 8, Category: "traceID", Message: "another"}, {At: 101 * ms, Goroutine: 7, Category: "traceID", Message: "r-42"}}
	f := judge(t, SlowTask, x).all.Findings
	if len(f) != 1 || !strings.Contains(f[0].Summary, `spent 190 ms in the region "fonts"`) || !strings.Contains(f[0].Summary, `logged "traceID=r-42"`) {
		t.Errorf("step and request are not named: %+v", f)
	}
}
