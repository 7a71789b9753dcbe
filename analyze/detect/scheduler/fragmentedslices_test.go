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

// crumbs is a second on two processors in which goroutines of one function run
// in n slices and wait for each other between them.
type crumbs struct {
	n          int
	slice, gap time.Duration
	woken      int64         // of the waits, ended by code of the program
	outside    int64         // waits for the network elsewhere
	running    time.Duration // of the group
	rest       time.Duration // of all others
	idle       time.Duration
}

func crumbled(c crumbs) *evidence.Exhibit {
	stage := Frames("runtime.chanrecv2", "main.(*Pipeline).stage", "main.(*Pipeline).stage")
	t := &exectrace.Timeline{
		Procs: exectrace.Procs{Max: 2, Running: 2*time.Second - c.idle, Idle: c.idle},
		Groups: []exectrace.Group{
			{Start: At("main.(*Pipeline).stage"), Running: c.running, Slices: Histogram(c.n, c.slice), Gaps: Histogram(c.n, c.gap)},
			{Start: At("main.serve"), Running: c.rest},
		},
		Waits: []exectrace.Wait{
			{Class: wait.ChanRecv, Stack: stage, Count: int64(c.n)},
			{Class: wait.Network, Stack: Frames("net.(*conn).Read", "main.serve"), Count: c.outside},
		},
		Wakes: []exectrace.Wake{{From: At("main.(*Pipeline).feed"), To: At("main.(*Pipeline).stage"), Class: wait.ChanRecv, Count: c.woken}},
	}
	return Traced(t)
}

func TestFragmentedSlices(t *testing.T) {
	whole := crumbs{n: 20_000, slice: 50 * US, gap: 300 * US, woken: 20_000, running: time.Second, idle: time.Second}
	with := func(change func(*crumbs)) []*evidence.Exhibit {
		c := whole
		change(&c)
		return Of(crumbled(c))
	}
	const found = "warning main.(*Pipeline).stage"
	ExpectAll(t, FragmentedSlices, []Expect{
		{"a pipeline in crumbs", Of(crumbled(whole)), claim.Found, found},
		{"slices at the limit", with(func(c *crumbs) { c.slice = 96 * US }), claim.Found, found},
		{"slices beyond it", with(func(c *crumbs) { c.slice = 105 * US }), claim.Clear, ""},
		{"gaps shorter than slices", with(func(c *crumbs) { c.gap = 40 * US }), claim.Clear, ""},
		{"few slices", with(func(c *crumbs) { c.n, c.woken = 999, 999 }), claim.Clear, ""},
		{"a fifth of the running", with(func(c *crumbs) { c.running, c.rest = 200*MS, 800*MS }), claim.Found, found},
		{"less of the running", with(func(c *crumbs) { c.running, c.rest = 199*MS, 801*MS }), claim.Clear, ""},
		{"woken by timers", with(func(c *crumbs) { c.woken = 0 }), claim.Clear, ""},
		{"woken by timers for a fifth", with(func(c *crumbs) { c.woken = 15_900 }), claim.Clear, ""},
		{"two turns per request", with(func(c *crumbs) { c.outside = 10_000 }), claim.Clear, ""},
		{"ten turns per request", with(func(c *crumbs) { c.outside = 2000 }), claim.Found, found},
		{"all processors busy", with(func(c *crumbs) { c.idle = 390 * MS }), claim.Clear, ""},
		{"a program that waits for work", with(func(c *crumbs) { c.idle = 1501 * MS }), claim.Clear, ""},
		{"a glimpse", Of(Procs()), claim.Undecided, ""},
		{"many short waits alone accuse nobody", Of(Profiled(evidence.Block, 0, Row{Values: []int64{200_000, int64(60 * time.Second)}, Stack: Frames("runtime.chanrecv2", "main.(*Pipeline).stage")})), claim.Undecided, ""},
		{"a busy scheduler alone accuses nobody", Of(CPUProfile(CPU(400, "runtime.futex", "runtime.schedule"), CPU(600, "main.f"))), claim.Undecided, ""},
	})
	for many, variant := range map[int]string{9: "", 10: "broadcast"} {
		e := crumbled(whole)
		e.Trace().Groups[0].MaxRunnable = many
		e.Trace().Waits[0].Class, e.Trace().Wakes[0].Class = wait.Cond, wait.Cond
		if f := Judge(t, FragmentedSlices, e).All.Findings; len(f) != 1 || f[0].Variant != variant {
			t.Errorf("%d woken at once: %+v", many, f)
		}
	}
	block := Profiled(evidence.Block, 0, Row{Values: []int64{200_000, int64(60 * time.Second)}, Stack: Frames("runtime.chanrecv2", "main.(*Pipeline).stage")})
	f := Judge(t, FragmentedSlices, crumbled(whole), block, CPUProfile(CPU(400, "runtime.futex", "runtime.schedule"), CPU(600, "main.f"))).All.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || !ContainsText([]claim.Text{claim.Legacy(f[0].Summary.String())}, "woken by main.(*Pipeline).feed") {
		t.Errorf("three kinds together: %+v", f)
	}
}
