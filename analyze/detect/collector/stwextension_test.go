package collector

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
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
		t.Gaps = append(t.Gaps, exectrace.Interval{From: time.Duration(i) * 100 * MS, To: time.Duration(i)*100*MS + 50*MS})
	}
	site := func(name string) stack.Stack {
		if name == "" {
			return nil
		}
		return Frames("runtime.stopTheWorld", name)
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
	return Traced(t)
}

func TestStwExtension(t *testing.T) {
	ExpectAll(t, StwExtension, []Expect{
		{"no stop", Of(stops(0)), claim.Clear, ""},
		{"a hundred short ones are a tenth of the time", Of(stops(0, stop{100, "read mem stats", MS, 10 * US, "main.poll", "main.f"})), claim.Found, "critical main.poll"},
		{"a little less", Of(stops(0, stop{100, "read mem stats", 999 * US, 10 * US, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"thousands of very short ones", Of(stops(0, stop{2000, "read mem stats", 5 * US, 2 * US, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"a few less", Of(stops(0, stop{1999, "read mem stats", 5 * US, 2 * US, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"as many of the collector's", Of(stops(0, stop{2000, "GC mark termination", 90 * US, 2 * US, "", "main.f"})), claim.Clear, ""},
		{"who delays less than the rest takes is not to blame", Of(stops(0, stop{100, "read mem stats", 50 * US, 2 * US, "main.poll", "main.f"}, stop{4, "read mem stats", MS, 900 * US, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"who delays more is", Of(stops(0, stop{100, "read mem stats", 50 * US, 2 * US, "main.poll", "main.f"}, stop{10, "read mem stats", MS, 900 * US, "main.poll", "main.f"})), claim.Found, "warning main.f"},
		{"a millisecond, a hundredth of the time", Of(stops(0, stop{10, "read mem stats", MS, 10 * US, "main.poll", "main.f"})), claim.Found, "warning main.poll"},
		{"a millisecond, less than a hundredth", Of(stops(0, stop{9, "read mem stats", MS, 10 * US, "main.poll", "main.f"})), claim.Found, "info main.poll"},
		{"one outlier", Of(stops(0, stop{1, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"})), claim.Found, "info main.f"},
		{"two outliers", Of(stops(0, stop{2, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"})), claim.Found, "info main.f"},
		{"two that are not very long", Of(stops(0, stop{2, "GC mark termination", 9 * MS, 8 * MS, "", "main.f"})), claim.Found, "info main.f"},
		{"two that are less than a hundredth of the time", Of(stops(0, stop{2, "GC mark termination", 4 * MS, 3 * MS, "", "main.f"})), claim.Clear, ""},
		{"three", Of(stops(0, stop{3, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"})), claim.Found, "critical main.f"},
		{"long ones among many short", Of(stops(0, stop{3, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"}, stop{4, "GC sweep termination", 30 * US, 10 * US, "", "main.f"})), claim.Found, "info main.f"},
		{"a machine short of processors for half of it", Of(stops(3, stop{3, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"})), claim.Found, "info main.f"},
		{"less than half of the time stopped", Of(stops(2, stop{3, "GC mark termination", 100 * MS, 99 * MS, "", "main.f"})), claim.Found, "critical main.f"},
		{"the collector with nobody to blame", Of(stops(0, stop{20, "GC mark termination", 2 * MS, 100 * US, "", "main.f"})), claim.Found, "warning"},
		{"stopped late by the runtime itself", Of(stops(0, stop{20, "GC mark termination", 2 * MS, 2 * MS, "", "runtime.bgsweep"})), claim.Found, "warning"},
		{"late to stop is most of the pause", Of(stops(0, stop{20, "goroutine profile", 2 * MS, MS, "main.profile", "main.f"})), claim.Found, "warning main.f"},
		{"late to stop is less than half of it", Of(stops(0, stop{20, "goroutine profile", 2 * MS, 999 * US, "main.profile", "main.f"})), claim.Found, "warning main.profile"},
		{"the tracer's own", Of(stops(0, stop{5, "start trace", 50 * MS, 0, "main.f", ""}, stop{5, "stop trace", 50 * MS, 0, "main.f", ""})), claim.Clear, ""},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
	})
}

// TestStwPart holds how many of the stops must be long, and who was last to stop apart
// from who could not be interrupted.
func TestStwPart(t *testing.T) {
	mixed := func(long, short int, last string) []*evidence.Exhibit {
		return Of(stops(0, stop{long, "GC mark termination", 5 * MS, 4 * MS, "", last}, stop{short, "GC mark termination", 50 * US, 10 * US, "", last}))
	}
	ExpectAll(t, StwExtension, []Expect{
		{"four of five", mixed(8, 2, "main.f"), claim.Found, "warning main.f"},
		{"fewer", mixed(7, 2, "main.f"), claim.Found, "info main.f"},
		{"four of five that are nobody's", mixed(8, 2, ""), claim.Found, "warning"},
		{"fewer that are nobody's", mixed(7, 2, ""), claim.Found, "info"},
		{"short stops of others count for nobody's", Of(stops(0, stop{8, "GC mark termination", 5 * MS, 100 * US, "", ""}, stop{3, "GC mark termination", 50 * US, 10 * US, "", "main.f"})), claim.Found, "info"},
		{"short stops of others do not count for main.f", Of(stops(0, stop{8, "GC mark termination", 5 * MS, 4 * MS, "", "main.f"}, stop{30, "GC mark termination", 50 * US, 10 * US, "", "main.g"})), claim.Found, "warning main.f"},
		{"nor stops for another reason", Of(stops(0, stop{8, "GC mark termination", 5 * MS, 4 * MS, "", "main.f"}, stop{30, "read mem stats", 50 * US, 10 * US, "main.poll", "main.f"})), claim.Found, "warning main.f"},
	})
	for _, c := range []struct {
		name       string
		exhibits   []*evidence.Exhibit
		want, lack string
	}{
		{"most are long", mixed(8, 2, "main.f"), "because main.f could not be interrupted", "last to stop"},
		{"some are long: chance", mixed(7, 2, "main.f"), "main.f was the last to stop", "could not be interrupted"},
		{"short of processors", Of(stops(3, stop{8, "GC mark termination", 5 * MS, 4 * MS, "", "main.f"})), "main.f was the last to stop", "could not be interrupted"},
		{"nobody was late", Of(stops(0, stop{8, "GC mark termination", 5 * MS, 100 * US, "", "main.f"})), "the garbage collector stopped the world", "main.f"},
	} {
		f := Judge(t, StwExtension, c.exhibits...).All.Findings
		if len(f) != 1 || !strings.Contains(f[0].Summary.String(), c.want) || strings.Contains(f[0].Summary.String(), c.lack) {
			t.Errorf("%s: %+v, want %q", c.name, f, c.want)
			continue
		}
		if broken := ContainsText(f[0].Next, "Break the work of main.f"); broken != strings.Contains(c.want, "because") {
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
		f := Judge(t, StwExtension, stops(0, stop{20, reason, 2 * MS, 10 * US, "main.f", ""})).All.Findings
		if len(f) != 1 || !ContainsText(f[0].Next, want) {
			t.Errorf("%s: advice %q lacks %s", reason, f[0].Next, want)
		} else if want != "GOGC" && ContainsText(f[0].Next, "GOGC") {
			t.Errorf("%s: advice %q speaks of the collector", reason, f[0].Next)
		}
	}
}
