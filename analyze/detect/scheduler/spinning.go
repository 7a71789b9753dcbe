package scheduler

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// Spinning claims that processors look for work and find little.
var Spinning = &claim.Detector{
	ID:      "spinning",
	Title:   "Processors look for work and find little",
	Process: true,
	Doc: `A good part of the CPU goes into the scheduler: looking for a goroutine to run, stealing from other processors, putting threads to sleep and waking them. It is the price of work that comes in pieces too small: goroutines
that poll with short sleeps, timers by the thousand a second, items handed over one by one.

**How it is measured.** CPU samples below the scheduler's functions (runtime.schedule, findRunnable, wakep and their like), as part of all samples and of all processors. A trace vouches for it by how often processors change from running
to idle, and schedtrace lines by threads that spin.

**When it is wrong.** The sweeper of a program that collects often yields without end; where it is seen, yields are not counted. In a process that mostly idles, nearly all of the little CPU is in the scheduler: that is no spinning, which is why the claim needs a good part of all processors. A wake-up costs the same everywhere, so
a service with very many short requests has a share of its own.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.2, Unit: evidence.Share},
			Doc:    "CPU samples in the scheduler, of all",
			Source: "measured: programs that use a tenth of their processors and more on work have 0.07 at most, pipelines in crumbs 0.25 and more"},
		{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.15, Unit: evidence.Share},
			Doc:    "CPU time in the scheduler, of duration x GOMAXPROCS",
			Source: "measured: a service that answers 8,000 short requests a second on two processors has 0.07 there, and all of it is waking up for the network"},
		{Name: "min-flips", Default: evidence.Quantity{Number: 5000, Unit: evidence.PerSecond},
			Doc:    "changes of one processor from running to idle per second, from which a trace vouches",
			Source: "putting a thread to sleep and waking it takes some 10 µs (a futex call each, runtime/lock_futex.go), so five thousand take a twentieth of a processor"},
		{Name: "min-spinning", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "threads that look for work, of half of the processors, over all schedtrace lines, from which they vouch",
			Source: "runtime/proc.go, wakep: at most half of the busy processors may have a thread spinning"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in the scheduler", Run: judge.WorstOf(spinningCPU)},
		{Kind: evidence.Trace, Doc: "changes from running to idle; can confirm and never deny", Run: judge.WorstOf(spinningTrace)},
		{Kind: evidence.SchedTrace, Doc: "threads that look for work; can confirm and never deny", Run: judge.WorstOf(spinningSched)},
	},
	Fix: []claim.Text{
		"Wait for events instead of polling: a channel, a sync.Cond, one timer for the next deadline",
		"Hand over more work at a time, so that fewer wake-ups are needed (see fragmented-slices)",
		"Lower GOMAXPROCS where the program has less to do than the machine has processors",
	},
}

func spinningCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	var n int64
	total := p.Total(column)
	var yields, sweeping int64
	for i := range p.Samples {
		s := &p.Samples[i]
		if reading.Schedules(s.Stack) {
			n += s.Values[column]
		}
		for _, f := range s.Stack {
			switch f.Function {
			case "runtime.goschedImpl":
				yields += s.Values[column]
			case "runtime.bgsweep":
				sweeping += s.Values[column]
			}
		}
	}
	// The background sweeper yields after every few spans, on a stack that does not
	// name it (runtime/mgcsweep.go, goschedIfBusy): where it is seen at work, yields are its own.
	const sweeps = 20 // yields for each sample of sweeping itself that may be its own: of some spans each
	if sweeping*sweeps >= yields {
		n -= yields
	}
	share := evidence.Part(n, total)
	use := reading.UsageOf(p, in.Process.GOMAXPROCS).Part(share.Number)
	r := claim.Reading{
		Says:  claim.Textf("the scheduler has %s of the CPU samples, %s", share, use),
		Power: claim.SharePower(in.Limit("min-share").Number, total, judge.MuchOfIt, "of the CPU samples in the scheduler"),
	}
	// In a process that mostly idles, the scheduler is most of what runs.
	if share.Number < in.Limit("min-share").Number || use.Share() < in.Limit("min-of-capacity").Number {
		return r
	}
	c := claim.Candidate{
		Severity: claim.Warning, Share: share.Number, Caveats: use.Doubt(), Thin: judge.Rough(share.Number, in.Limit("min-share").Number, total),
		Summary: claim.Textf("%s of the CPU samples are in the scheduler, looking for work and waking threads: %s", share, use),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "CPU samples in the scheduler", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"), Limit: in.Against("min-share"),
				Reproduce: claim.Top(e, "samples").With(schedulerFocus)},
			judge.UseFact(in, e, use, "processors in use in the scheduler", "min-of-capacity", claim.Location{}, claim.Top(e, "cpu").With(schedulerFocus)),
		},
	}
	if in.Process.GOMAXPROCS == 0 {
		c.Severity = claim.Info
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

func spinningTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	r := claim.Reading{Silent: "a trace does not show what the scheduler costs"}
	if reading.Glimpse(t, t.Latency.Times.Count) || t.Procs.Max == 0 {
		return r
	}
	flips := evidence.Quantity{Number: float64(t.Procs.Flips) / t.Duration.Seconds() / float64(t.Procs.Max), Unit: evidence.PerSecond}
	if flips.Number < in.Limit("min-flips").Number {
		r.Silent = claim.Textf("a processor changes from running to idle %s on average, which does not show what the scheduler costs", flips)
		return r
	}
	r.Candidates = []claim.Candidate{{
		Summary: claim.Textf("processors change from running to idle %s each", flips),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "changes of a processor from running to idle per second, on average", Value: flips, Limit: in.Against("min-flips"),
			Reproduce: claim.TraceView(e, "View trace: the gaps on the Procs")}},
	}}
	return r
}

func spinningSched(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	total := e.Sched().Total
	share := evidence.Part(float64(total.Spinning), float64(total.Procs)/2)
	r := claim.Reading{Silent: claim.Textf("threads that look for work are %s of half of the processors, over %s", share, evidence.Things(total.Samples, "schedtrace line"))}
	if total.Samples < minMoments || share.Number < in.Limit("min-spinning").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Summary: claim.Textf("threads that look for work are %s of half of the processors", share),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "threads that look for work, over all lines", Value: share, Of: claim.PartOf(evidence.Of(total.Procs/2, evidence.Count), "half of the processors, over all schedtrace lines"),
			Limit: in.Against("min-spinning"), Reproduce: claim.Grep(e, "spinningthreads=")}},
	}}
	return r
}
