package detect

import (
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// stop is n pauses with a reason, asked for at one place and delayed at another.
type stop struct {
	n           int
	reason      string
	effective   time.Duration
	toStop      time.Duration
	asker, last string
}

func stops(gaps int, stops ...stop) *evidence.Exhibit {
	t := &exectrace.Timeline{Gaps: make([]exectrace.Interval, gaps)}
	site := func(name string) stack.Stack {
		if name == "" {
			return nil
		}
		return frames("runtime.stopTheWorld", name)
	}
	for _, s := range stops {
		for i := range s.n {
			from := time.Duration(i) * time.Millisecond * 10
			t.Pauses = append(t.Pauses, exectrace.Pause{
				Reason: s.reason, Stack: site(s.asker), Effective: s.effective, TimeToStop: s.toStop,
				Raw: exectrace.Interval{From: from, To: from + s.effective}, LastStopped: exectrace.Stopper{Goroutine: 9, Stack: site(s.last)},
			})
		}
	}
	return traced(t)
}

const ms, µs = time.Millisecond, time.Microsecond

func TestStwExtension(t *testing.T) {
	expectAll(t, StwExtension, []expect{
		{"no stop", of(stops(0)), analyze.Clear, ""},
		{"just below a millisecond", of(stops(0, stop{100, "read mem stats", 999 * µs, 10 * µs, "main.poll", "main.f"})), analyze.Clear, ""},
		{"a millisecond, a hundredth of the time", of(stops(0, stop{10, "read mem stats", ms, 10 * µs, "main.poll", "main.f"})), analyze.Found, "warning main.poll"},
		{"a millisecond, less than a hundredth", of(stops(0, stop{9, "read mem stats", ms, 10 * µs, "main.poll", "main.f"})), analyze.Found, "info main.poll"},
		{"one outlier", of(stops(0, stop{1, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), analyze.Found, "info main.f"},
		{"two outliers", of(stops(0, stop{2, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), analyze.Found, "info main.f"},
		{"two that are not very long", of(stops(0, stop{2, "GC mark termination", 9 * ms, 8 * ms, "", "main.f"})), analyze.Undecided, ""},
		{"three", of(stops(0, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), analyze.Found, "critical main.f"},
		{"long ones among many short", of(stops(0, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"}, stop{4, "GC sweep termination", 30 * µs, 10 * µs, "", "main.f"})), analyze.Found, "info main.f"},
		{"a machine short of processors", of(stops(3, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), analyze.Found, "info main.f"},
		{"two gaps are no starvation", of(stops(2, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), analyze.Found, "critical main.f"},
		{"the collector with nobody to blame", of(stops(0, stop{20, "GC mark termination", 2 * ms, 100 * µs, "", "main.f"})), analyze.Found, "warning"},
		{"stopped late by the runtime itself", of(stops(0, stop{20, "GC mark termination", 2 * ms, 2 * ms, "", "runtime.bgsweep"})), analyze.Found, "warning"},
		{"late to stop is most of the pause", of(stops(0, stop{20, "goroutine profile", 2 * ms, ms, "main.profile", "main.f"})), analyze.Found, "warning main.f"},
		{"late to stop is less than half of it", of(stops(0, stop{20, "goroutine profile", 2 * ms, 999 * µs, "main.profile", "main.f"})), analyze.Found, "warning main.profile"},
		{"the tracer's own", of(stops(0, stop{5, "start trace", 50 * ms, 0, "main.f", ""}, stop{5, "stop trace", 50 * ms, 0, "main.f", ""})), analyze.Clear, ""},
		{"a glimpse", of(procs()), analyze.Undecided, ""},
	})
}

func TestStwAdviceByReason(t *testing.T) {
	for reason, want := range map[string]string{
		"read mem stats":             "runtime/metrics",
		"goroutine profile":          "goroutine profiles",
		"all goroutines stack trace": "runtime.Stack",
		"GOMAXPROCS":                 "GOMAXPROCS",
		"GC mark termination":        "GOGC",
	} {
		f := judge(t, StwExtension, stops(0, stop{20, reason, 2 * ms, 10 * µs, "main.f", ""})).all.Findings
		if len(f) != 1 || !containsText(f[0].Next, want) {
			t.Errorf("%s: advice %q lacks %s", reason, f[0].Next, want)
		} else if want != "GOGC" && containsText(f[0].Next, "GOGC") {
			t.Errorf("%s: advice %q speaks of the collector", reason, f[0].Next)
		}
	}
}
