package processor

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

func TestSlowTask(t *testing.T) {
	span := func(from, to time.Duration) []exectrace.Span {
		return []exectrace.Span{{Interval: exectrace.Interval{From: from, To: to}, Goroutine: 7}}
	}
	kind := func(name string, n int, usual time.Duration, slow int, long time.Duration) exectrace.Task {
		k := exectrace.Task{Name: name, Count: int64(n), Worst: span(100*MS, 100*MS+long)}
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
		return Traced(&exectrace.Timeline{Duration: time.Second, Tasks: tasks})
	}
	ExpectAll(t, SlowTask, []Expect{
		{"no tasks", Of(trace()), claim.Undecided, ""},
		{"one in fifty takes a hundred times as long", Of(trace(kind("report", 200, MS, 4, 200*MS))), claim.Found, "warning"},
		{"not long enough for a warning", Of(trace(kind("report", 200, MS, 4, 90*MS))), claim.Found, "info"},
		{"not long enough to matter", Of(trace(kind("report", 200, 10*time.Microsecond, 4, 9*MS))), claim.Clear, ""},
		{"nine times as long", Of(trace(kind("report", 200, 30*MS, 4, 270*MS))), claim.Clear, ""},
		{"all take long", Of(trace(kind("nightly", 200, time.Second, 4, 2*time.Second))), claim.Clear, ""},
		{"too few to be sure", Of(trace(kind("report", 49, MS, 2, 200*MS))), claim.Found, "info"},
		{"one in a thousand", Of(trace(kind("report", 1000, MS, 1, 200*MS))), claim.Clear, ""},
		{"few, all alike", Of(trace(kind("report", 10, MS, 0, 0))), claim.Undecided, ""},
	})
	fetch, fonts := kind("fetch", 200, MS, 0, MS), kind("fonts", 200, time.Microsecond, 4, 190*MS)
	fonts.Worst = span(105*MS, 295*MS)
	fonts.Blocked = []exectrace.Blocked{{Class: wait.Sleep, Stack: Frames("time.Sleep", "main.load"), Total: 4 * 190 * MS, Count: 4}}
	x := trace(kind("report", 200, MS, 4, 200*MS))
	x.Trace().Regions = []exectrace.Task{fetch, fonts}
	x.Trace().Logs = []exectrace.Log{{At: 50 * MS, Goroutine: 7, Category: "traceID", Message: "before"}, {At: 101 * MS, Goroutine: 8, Category: "traceID", Message: "another"}, {At: 101 * MS, Goroutine: 7, Category: "traceID", Message: "r-42"}}
	f := Judge(t, SlowTask, x).All.Findings
	if len(f) != 1 || !strings.Contains(f[0].Summary.String(), `spent 190 ms in the region "fonts"`) || !strings.Contains(f[0].Summary.String(), `logged "traceID=r-42"`) {
		t.Errorf("step and request are not named: %+v", f)
	}
}
