package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
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
	stage := frames("runtime.chanrecv2", "main.(*Pipeline).stage", "main.(*Pipeline).stage")
	t := &exectrace.Timeline{
		Procs: exectrace.Procs{Max: 2, Running: 2*time.Second - c.idle, Idle: c.idle},
		Groups: []exectrace.Group{
			{Start: at("main.(*Pipeline).stage"), Running: c.running, Slices: histogram(c.n, c.slice), Gaps: histogram(c.n, c.gap)},
			{Start: at("main.serve"), Running: c.rest},
		},
		Waits: []exectrace.Wait{
			{Class: wait.ChanRecv, Stack: stage, Count: int64(c.n)},
			{Class: wait.Network, Stack: frames("net.(*conn).Read", "main.serve"), Count: c.outside},
		},
		Wakes: []exectrace.Wake{{From: at("main.(*Pipeline).feed"), To: at("main.(*Pipeline).stage"), Class: wait.ChanRecv, Count: c.woken}},
	}
	return traced(t)
}

func TestFragmentedSlices(t *testing.T) {
	whole := crumbs{n: 20_000, slice: 50 * µs, gap: 300 * µs, woken: 20_000, running: time.Second, idle: time.Second}
	with := func(change func(*crumbs)) []*evidence.Exhibit {
		c := whole
		change(&c)
		return of(crumbled(c))
	}
	const found = "warning main.(*Pipeline).stage"
	expectAll(t, FragmentedSlices, []expect{
		{"a pipeline in crumbs", of(crumbled(whole)), claim.Found, found},
		{"slices at the limit", with(func(c *crumbs) { c.slice = 96 * µs }), claim.Found, found},
		{"slices beyond it", with(func(c *crumbs) { c.slice = 105 * µs }), claim.Clear, ""},
		{"gaps shorter than slices", with(func(c *crumbs) { c.gap = 40 * µs }), claim.Clear, ""},
		{"few slices", with(func(c *crumbs) { c.n, c.woken = 999, 999 }), claim.Clear, ""},
		{"a fifth of the running", with(func(c *crumbs) { c.running, c.rest = 200*ms, 800*ms }), claim.Found, found},
		{"less of the running", with(func(c *crumbs) { c.running, c.rest = 199*ms, 801*ms }), claim.Clear, ""},
		{"woken by timers", with(func(c *crumbs) { c.woken = 0 }), claim.Clear, ""},
		{"woken by timers for a fifth", with(func(c *crumbs) { c.woken = 15_900 }), claim.Clear, ""},
		{"two turns per request", with(func(c *crumbs) { c.outside = 10_000 }), claim.Clear, ""},
		{"ten turns per request", with(func(c *crumbs) { c.outside = 2000 }), claim.Found, found},
		{"all processors busy", with(func(c *crumbs) { c.idle = 390 * ms }), claim.Clear, ""},
		{"a program that waits for work", with(func(c *crumbs) { c.idle = 1501 * ms }), claim.Clear, ""},
		{"a glimpse", of(procs()), claim.Undecided, ""},
		{"many short waits alone accuse nobody", of(profiled(evidence.Block, 0, row{values: []int64{200_000, int64(60 * time.Second)}, stack: frames("runtime.chanrecv2", "main.(*Pipeline).stage")})), claim.Undecided, ""},
		{"a busy scheduler alone accuses nobody", of(cpuProfile(cpu(400, "runtime.futex", "runtime.schedule"), cpu(600, "main.f"))), claim.Undecided, ""},
	})
	for many, variant := range map[int]string{9: "", 10: "broadcast"} {
		e := crumbled(whole)
		e.Trace.Groups[0].MaxRunnable = many
		e.Trace.Waits[0].Class, e.Trace.Wakes[0].Class = wait.Cond, wait.Cond
		if f := judge(t, FragmentedSlices, e).all.Findings; len(f) != 1 || f[0].Variant != variant {
			t.Errorf("%d woken at once: %+v", many, f)
		}
	}
	block := profiled(evidence.Block, 0, row{values: []int64{200_000, int64(60 * time.Second)}, stack: frames("runtime.chanrecv2", "main.(*Pipeline).stage")})
	f := judge(t, FragmentedSlices, crumbled(whole), block, cpuProfile(cpu(400, "runtime.futex", "runtime.schedule"), cpu(600, "main.f"))).all.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || !containsText([]string{f[0].Summary}, "woken by main.(*Pipeline).feed") {
		t.Errorf("three kinds together: %+v", f)
	}
}
