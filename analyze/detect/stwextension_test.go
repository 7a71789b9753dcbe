package detect

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
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
	t := &exectrace.Timeline{}
	for i := range gaps {
		t.Gaps = append(t.Gaps, exectrace.Interval{From: time.Duration(i) * 100 * ms, To: time.Duration(i)*100*ms + 50*ms})
	}
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
		{"no stop", of(stops(0)), claim.Clear, ""},
		{"a hundred short ones are a tenth of the time", of(stops(0, stop{100, "read mem stats", ms, 10 * µs, "main.poll", "main.f"})), claim.Found, "critical main.poll"},
		{"a little less", of(stops(0, stop{100, "read mem stats", 999 * µs, 10 * µs, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"thousands of very short ones", of(stops(0, stop{2000, "read mem stats", 5 * µs, 2 * µs, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"a few less", of(stops(0, stop{1999, "read mem stats", 5 * µs, 2 * µs, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"as many of the collector's", of(stops(0, stop{2000, "GC mark termination", 90 * µs, 2 * µs, "", "main.f"})), claim.Clear, ""},
		{"who delays less than the rest takes is not to blame", of(stops(0, stop{100, "read mem stats", 50 * µs, 2 * µs, "main.poll", "main.f"}, stop{4, "read mem stats", ms, 900 * µs, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"who delays more is", of(stops(0, stop{100, "read mem stats", 50 * µs, 2 * µs, "main.poll", "main.f"}, stop{10, "read mem stats", ms, 900 * µs, "main.poll", "main.f"})), claim.Found, "warning main.f"},
		{"a millisecond, a hundredth of the time", of(stops(0, stop{10, "read mem stats", ms, 10 * µs, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"a millisecond, less than a hundredth", of(stops(0, stop{9, "read mem stats", ms, 10 * µs, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"one outlier", of(stops(0, stop{1, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), claim.Found, "info main.f"},
		{"two outliers", of(stops(0, stop{2, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), claim.Found, "info main.f"},
		{"two that are not very long", of(stops(0, stop{2, "GC mark termination", 9 * ms, 8 * ms, "", "main.f"})), claim.Found, "info main.f"},
		{"two that are less than a hundredth of the time", of(stops(0, stop{2, "GC mark termination", 4 * ms, 3 * ms, "", "main.f"})), claim.Clear, ""},
		{"three", of(stops(0, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), claim.Found, "critical main.f"},
		{"long ones among many short", of(stops(0, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"}, stop{4, "GC sweep termination", 30 * µs, 10 * µs, "", "main.f"})), claim.Found, "info main.f"},
		{"a machine short of processors for half of it", of(stops(3, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), claim.Found, "info main.f"},
		{"less than half of the time stopped", of(stops(2, stop{3, "GC mark termination", 100 * ms, 99 * ms, "", "main.f"})), claim.Found, "critical main.f"},
		{"the collector with nobody to blame", of(stops(0, stop{20, "GC mark termination", 2 * ms, 100 * µs, "", "main.f"})), claim.Found, "warning"},
		{"stopped late by the runtime itself", of(stops(0, stop{20, "GC mark termination", 2 * ms, 2 * ms, "", "runtime.bgsweep"})), claim.Found, "warning"},
		{"late to stop is most of the pause", of(stops(0, stop{20, "goroutine profile", 2 * ms, ms, "main.profile", "main.f"})), claim.Found, "warning main.f"},
		{"late to stop is less than half of it", of(stops(0, stop{20, "goroutine profile", 2 * ms, 999 * µs, "main.profile", "main.f"})), claim.Found, "warning main.profile"},
		{"the tracer's own", of(stops(0, stop{5, "start trace", 50 * ms, 0, "main.f", ""}, stop{5, "stop trace", 50 * ms, 0, "main.f", ""})), claim.Clear, ""},
		{"a glimpse", of(procs()), claim.Undecided, ""},
	})
}

// TestStwPart holds how many of the stops must be long, and who was last to stop apart
// from who could not be interrupted.
func TestStwPart(t *testing.T) {
	mixed := func(long, short int, last string) []*evidence.Exhibit {
		return of(stops(0, stop{long, "GC mark termination", 5 * ms, 4 * ms, "", last}, stop{short, "GC mark termination", 50 * µs, 10 * µs, "", last}))
	}
	expectAll(t, StwExtension, []expect{
		{"four of five", mixed(8, 2, "main.f"), claim.Found, "warning main.f"},
		{"fewer", mixed(7, 2, "main.f"), claim.Found, "info main.f"},
		{"four of five that are nobody's", mixed(8, 2, ""), claim.Found, "warning"},
		{"fewer that are nobody's", mixed(7, 2, ""), claim.Found, "info"},
		{"short stops of others count for nobody's", of(stops(0, stop{8, "GC mark termination", 5 * ms, 100 * µs, "", ""}, stop{3, "GC mark termination", 50 * µs, 10 * µs, "", "main.f"})), claim.Found, "info"},
		{"short stops of others do not count for main.f", of(stops(0, stop{8, "GC mark termination", 5 * ms, 4 * ms, "", "main.f"}, stop{30, "GC mark termination", 50 * µs, 10 * µs, "", "main.g"})), claim.Found, "warning main.f"},
		{"nor stops for another reason", of(stops(0, stop{8, "GC mark termination", 5 * ms, 4 * ms, "", "main.f"}, stop{30, "read mem stats", 50 * µs, 10 * µs, "main.poll", "main.f"})), claim.Found, "warning main.f"},
	})
	for _, c := range []struct {
		name       string
		exhibits   []*evidence.Exhibit
		want, lack string
	}{
		{"most are long", mixed(8, 2, "main.f"), "because main.f could not be interrupted", "last to stop"},
		{"some are long: chance", mixed(7, 2, "main.f"), "main.f was the last to stop", "could not be interrupted"},
		{"short of processors", of(stops(3, stop{8, "GC mark termination", 5 * ms, 4 * ms, "", "main.f"})), "main.f was the last to stop", "could not be interrupted"},
		{"nobody was late", of(stops(0, stop{8, "GC mark termination", 5 * ms, 100 * µs, "", "main.f"})), "the garbage collector stopped the world", "main.f"},
	} {
		f := judge(t, StwExtension, c.exhibits...).all.Findings
		if len(f) != 1 || !strings.Contains(f[0].Summary, c.want) || strings.Contains(f[0].Summary, c.lack) {
			t.Errorf("%s: %+v, want %q", c.name, f, c.want)
			continue
		}
		if broken := containsText(f[0].Next, "Break the work of main.f"); broken != strings.Contains(c.want, "because") {
			t.Errorf("%s: advice %q", c.name, f[0].Next)
		}
	}
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
