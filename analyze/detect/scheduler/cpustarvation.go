package scheduler

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/judge"
)

// CPUStarvation claims that the machine does not run the program although it has work.
var CPUStarvation = &claim.Detector{
	ID:      "cpu-starvation",
	Title:   "The program is not given CPU",
	Process: true,
	Doc: `For ten milliseconds and more at a time, no thread of the program does anything at all, although goroutines are runnable: the operating system does not run it. Either the
container's CPU quota is used up until its next period begins, or other programs have the processors.

**How it is measured.** A trace has events from every thread. Stretches in which none has any, while work is runnable, are counted (of 10 ms and more with a processor idle, of 30 ms and more with all of them
running, which a loop without calls can fill as well). Three or more are a finding. Where they end at regular intervals of a tenth of a second, the period of Linux's CPU quota, throttling by the container is named. A schedtrace line with a goroutine queued and a processor idle vouches for it.

**When it is wrong.** A virtual machine that is paused for a snapshot or a migration looks the same. A program that is stopped by a debugger or by SIGSTOP does too.`,
	Limits: []claim.Limit{
		{Name: "min-gaps", Default: evidence.Quantity{Number: 3, Unit: evidence.Count},
			Doc:    "stretches in which no thread did anything while work was runnable",
			Source: "one is an accident of the machine and two a coincidence; measured: healthy recordings on a machine with three runnable threads per processor have none, rarely one"},
		{Name: "min-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "time in these stretches, of the trace, from which it is a warning",
			Source: "at a twentieth of the time, one request in twenty meets one: it decides P95"},
		{Name: "min-regular", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
			Doc:    "stretches that end in one phase of a period of 100 ms, of all, from which a CPU quota is named",
			Source: "Linux Documentation/scheduler/sched-bwc.rst: cpu.cfs_period_us is 100 ms unless set otherwise; by chance a fifth would, within 10 ms"},
		{Name: "max-given", Default: evidence.Quantity{Number: judge.GivenCPU, Unit: evidence.Share},
			Doc:    "processors in use by the CPU profile of the case, of GOMAXPROCS, from which the stretches are an info: the machine gives the program what it asks for",
			Source: "Judgement call: who is kept from a processor for a fifth of the time and more uses less; a loop without calls, on a machine that does not run the thread which asks it to yield, fills a stretch as well"},
		{Name: "min-wasted", Default: evidence.Quantity{Number: 0.2, Unit: evidence.Share},
			Doc:    "schedtrace lines with a goroutine queued and a processor idle, of all, from which they vouch",
			Source: "runtime/proc.go, wakep: a processor that idles is woken within some tens of microseconds, so a line in a thousand may show it"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "stretches without any event while work is runnable", Run: judge.WorstOf(cpuStarvationTrace)},
		{Kind: evidence.SchedTrace, Doc: "lines with a goroutine queued and a processor idle; can confirm and never deny", Run: judge.WorstOf(cpuStarvationSched)},
	},
	Fix: []claim.Text{
		"Give the container a higher CPU limit or none, or set GOMAXPROCS to the limit (see the container's cpu.stat, nr_throttled)",
		"Find what else runs on the machine (top, pressure in /proc/pressure/cpu) and give it or this program other processors",
	},
	Explains: []claim.Mechanism{
		{Effect: "sched-latency", Why: "goroutines cannot run while the operating system runs none of the program's threads", Source: "Linux Documentation/scheduler/sched-bwc.rst"},
		{Effect: "p-idle", Why: "a processor whose thread is not run by the operating system cannot take up work", Source: "Linux Documentation/scheduler/sched-bwc.rst"},
		{Effect: "stw-extension", Why: "the world cannot stop before each running thread has been run again", Source: "runtime/proc.go, stopTheWorldWithSema"},
	},
	Durations: claim.LatencyTimes(),
}

// quotaPeriod is the period of Linux's CPU quota unless it is set otherwise.
const quotaPeriod = 100 * time.Millisecond

// inStep is the part of the period, one of so many, by which two ends may differ and still be in one phase: by chance a
// tenth of them would be.
const inStep = 20

// regular is the largest part of the stretches that end in one phase of the
// quota's period: the timer that ends them ticks on, whatever lies between. By chance
// it would be about a tenth.
func regular(gaps []exectrace.Interval) evidence.Quantity {
	most := 0
	for _, g := range gaps {
		n := 0
		for _, o := range gaps {
			off := (g.To - o.To).Abs() % quotaPeriod
			if min(off, quotaPeriod-off) <= quotaPeriod/inStep {
				n++
			}
		}
		most = max(most, n)
	}
	return evidence.Part(most, len(gaps))
}

func cpuStarvationTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	worst := exectrace.Interval{}
	for _, g := range t.Gaps {
		if g.To-g.From > worst.To-worst.From {
			worst = g
		}
	}
	share := evidence.Part(t.GapTime(), t.Duration)
	r := claim.Reading{Says: claim.Textf("%s in which no thread did anything while work was runnable, %s of the trace", evidence.Things(len(t.Gaps), "stretch"), share)}
	if float64(len(t.Gaps)) < in.Limit("min-gaps").Number {
		// What happens once in a while is not in every trace, and one that is short misses it.
		if t.Duration < time.Second || len(t.Gaps) > 0 {
			r.Silent = r.Says
		}
		return r
	}
	even := regular(t.Gaps)
	at := claim.Location{From: int64(worst.From), To: int64(worst.To)}
	reproduce := claim.TraceView(e, claim.Textf("View trace at %s: nothing on any Proc", evidence.Duration(worst.From)))
	c := claim.Candidate{
		Severity: claim.Info, Share: share.Number,
		Summary: claim.Textf("%s, for up to %s, no thread of the program was run although goroutines were runnable: %s of the time", evidence.Things(len(t.Gaps), "time"), evidence.Duration(worst.To-worst.From), share),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "time in which no thread did anything while work was runnable", Value: share, Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-share"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "such stretches", Value: evidence.Of(len(t.Gaps), evidence.Count), Limit: in.Against("min-gaps"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "the longest of them", Value: evidence.Duration(worst.To - worst.From), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "such stretches that end a multiple of 100 ms apart", Value: even, Of: claim.PartOf(evidence.Of(len(t.Gaps), evidence.Count), "such stretches"), Limit: in.Against("min-regular"), At: at, Reproduce: reproduce},
		},
	}
	// A few stretches in a long trace decide nobody's latency.
	if share.Number >= in.Limit("min-share").Number {
		c.Severity = claim.Warning
	}
	// Samples do not contain what the host took: who computes for nearly all of the time was run.
	if given := judge.UsedOf(in.Process); given.Number >= in.Limit("max-given").Number {
		c.Severity, c.Plain = claim.Info, true
		c.Caveats = append(c.Caveats, claim.Textf("a CPU profile of the case has the program use %s of its %s: it is given the processors, and its own code fills the stretches", given, evidence.Things(in.Process.GOMAXPROCS, "processor")))
	}
	if even.Number >= in.Limit("min-regular").Number {
		c.Variant = "quota"
		c.Summary += "; at the regular intervals of a CPU quota"
		c.Fix = quotaFix(in.Process.GOMAXPROCS)
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// quotaFix is what to change where a CPU quota stops the program. What the quota is, the evidence does not say.
func quotaFix(procs int) []claim.Text {
	set := claim.Text("Set GOMAXPROCS to the quota, rounded up")
	if procs > 1 {
		set = claim.Textf("Set GOMAXPROCS to the quota, rounded up: it is %d here", procs)
	}
	return []claim.Text{
		set + ". With more threads than the quota allows, it is used up early in each period of 100 ms, and everything stands still for the rest (Go 1.25 and later follow the quota by themselves, unless GOMAXPROCS is set)",
		"Give the container a higher CPU limit, or none and a request in its place: a limit stops a burst although processors are idle",
		"Compare nr_throttled and throttled_usec in the container's cpu.stat before and after",
	}
}

func cpuStarvationSched(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	total := e.Sched().Total
	share := evidence.Part(total.Wasted, total.Samples)
	r := claim.Reading{Silent: claim.Textf("schedtrace tells the state every so often: %s of %s with a goroutine queued and a processor idle", share, evidence.Things(total.Samples, "line"))}
	if total.Samples < minMoments || share.Number < in.Limit("min-wasted").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Summary: claim.Textf("in %s of the schedtrace lines a goroutine is queued and a processor idle", share),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "schedtrace lines with a goroutine queued and a processor idle", Value: share, Of: claim.PartOf(evidence.Of(total.Samples, evidence.Count), "schedtrace lines"),
			Limit: in.Against("min-wasted"), Reproduce: claim.Grep(e, "SCHED ")}},
	}}
	return r
}
