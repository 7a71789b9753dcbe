package scheduler

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// schedLatencySchedTrace tells whether goroutines were queued at the moments that
// schedtrace shows. A batch queues by design, so it vouches and never accuses.
func schedLatencySchedTrace(_ *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Sched().Total
	waiting := evidence.Part(t.Waiting, t.Samples)
	r := claim.Reading{Silent: claim.Textf("schedtrace shows queues at %s, not who waits in them for how long", evidence.Things(t.Samples, "moment"))}
	if t.Samples >= minMoments && waiting.Number >= mostMoments {
		r.Candidates = []claim.Candidate{momentsOf(e, waiting, "moments with more goroutines queued than processors")}
	}
	return r
}

// SchedLatency claims that goroutines somebody waits for have to wait for a processor.
var SchedLatency = &claim.Detector{
	ID:      "sched-latency",
	Title:   "Runnable goroutines wait for a processor",
	Process: true,
	Doc: `Goroutines that could run are not run for milliseconds, because all processors are taken. What they serve waits that much longer.

**How it is measured.** A trace shows when a goroutine becomes runnable and when it runs. The quantiles are taken per group of goroutines that
start in the same function; the runtime's own goroutines and voluntary yields are left out.

Waiting for a processor is the design of a batch with more work than processors: each goroutine runs for up to 10 ms and then queues. Only work
that answers to the outside is judged: goroutines that run in short slices (median below a time slice) and that are woken by the network or a
timer, or are created by such goroutines. The long waits must also be spread over the trace. The others are told in the reading and never accused.

**When it is wrong.** When the machine itself is short of processors, a processor of the program can be running without making progress, and goroutines wait for
it; the gaps in which no thread did anything are told as a caveat. A worker that gets its requests through a channel only is taken
for a batch and missed.`,
	Limits: []claim.Limit{
		{Name: "min-p99", Mark: true, Default: evidence.Of(reading.UsualLateness.P99, evidence.Nanoseconds),
			Doc:    "99th percentile of waits for a processor in one group, from which it is a warning",
			Source: "runtime/proc.go, forcePreemptNS: waiting longer than a whole time slice means that somebody else's slice came first on every processor"},
		{Name: "min-median", Mark: true, Default: evidence.Of(reading.UsualLateness.Median, evidence.Nanoseconds),
			Doc:    "median of the same, from which it is a warning whatever the 99th percentile is",
			Source: "on processors with time to spare a wake-up takes some tens of microseconds; a millisecond every second time is a standing queue"},
		{Name: "min-critical", Mark: true, Default: evidence.Duration(10 * reading.ForcedPreemption),
			Doc:    "99th percentile, from which it is critical",
			Source: "ten time slices: a tenth of a second is what people notice"},
		{Name: "min-critical-median", Default: evidence.Duration(reading.ForcedPreemption),
			Doc:    "median, from which it is critical",
			Source: "as min-p99: every second time a whole time slice"},
		{Name: "min-events", Default: evidence.Of(reading.UsualLateness.Events, evidence.Count),
			Doc:    "waits for a processor in a group, below which nothing is said about it; below three hundred the tail begins where three events lie beyond",
			Source: "three of thirty are the last tenth; who waits for seconds does not wait often"},
		{Name: "min-spread", Default: evidence.Of(reading.UsualLateness.Spread, evidence.Share),
			Doc:    "windows of the trace in which a wait of min-p99 or more ended, of all windows",
			Source: "one stall of the machine makes many wait at once and is over; measured: on a machine with three runnable threads per processor a healthy service has such waits in a tenth of the windows"},
		{Name: "min-outside", Default: evidence.Of(reading.UsualLateness.Outside, evidence.Share),
			Doc:    "waits of a group that were ended by the network, a timer or a sleep, of all its waits, from which it answers to the outside",
			Source: "one request in ten hand-overs: less is work that feeds itself"},
		{Name: "min-running", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "time for which one group of goroutines ran, of the time for which all did, from which it is named as the one that has the processors",
			Source: "more than all others together"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "runnable-to-running times by group of goroutines, with the worst wait", Run: judge.WorstOf(schedLatencyTrace)},
		{Kind: evidence.SchedTrace, Doc: "lengths of the run queues at moments; vouches, and never accuses or denies", Run: judge.WorstOf(schedLatencySchedTrace)},
	},
	Fix: []claim.Text{
		"Take work off the processors: see cpu-hotspot, gc-pressure and alloc-hotspot for what uses them",
		"Run heavy work with fewer goroutines than processors, so that requests find one free",
		"Give the program more processors, or fewer requests at a time",
	},
	Durations: claim.LatencyTimes(),
}

func schedLatencyTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	all := &t.Latency.Times
	r := claim.Reading{Says: claim.Textf("99 %% of %s for a processor were shorter than %s", evidence.Things(all.Count, "wait"), evidence.Duration(all.Quantile(0.99)))}
	if all.Count < int64(in.Limit("min-events").Number) || reading.Glimpse(t, all.Count) {
		r.Silent = claim.Textf("only %s for a processor in %s of trace", evidence.Things(all.Count, "wait"), evidence.Duration(t.Duration))
	}
	late, spread := reading.LateGroups(t, reading.Lateness{
		Events: int64(in.Limit("min-events").Number), P99: in.Limit("min-p99").Number, Median: in.Limit("min-median").Number,
		Spread: in.Limit("min-spread").Number, Outside: in.Limit("min-outside").Number,
	})
	if len(late) == 0 {
		return r
	}
	worst := late[0]
	p99, median := reading.Tail(&worst.Runnable), worst.Runnable.Quantile(0.5)
	c := claim.Candidate{
		Severity: claim.Warning,
		Share:    evidence.Part(worst.Runnable.Sum, worst.Runnable.Sum+worst.Slices.Sum).Number,
		Summary:  claim.Textf("goroutines of %s wait for a processor: %s of the times for more than %s, half of the times for more than %s", claim.Func(worst.Start.Function), reading.Beyond(&worst.Runnable), evidence.Duration(p99), evidence.Duration(median)),
	}
	if float64(p99) >= in.Limit("min-critical").Number || float64(median) >= in.Limit("min-critical-median").Number {
		c.Severity = claim.Critical
	}
	// One stall of the machine fills a short trace.
	if t.Duration < reading.ShortTrace {
		c.Severity, c.Thin = claim.Info, true
		c.Caveats = append(c.Caveats, claim.Textf("the trace covers only %s, which one stall of the machine can fill", evidence.Duration(t.Duration)))
	}
	reproduce := claim.TraceProfile(e, "sched")
	at := claim.At(worst.Start)
	if len(t.Latency.Worst) > 0 {
		w := t.Latency.Worst[0]
		at.Goroutine, at.From, at.To = w.Goroutine, int64(w.From), int64(w.To)
	}
	c.Facts = []claim.Fact{
		{Exhibit: e.ID, Says: claim.Textf("what %s of the waits for a processor in the group exceed", reading.Beyond(&worst.Runnable)), Value: evidence.Duration(p99), Of: claim.PartOf(evidence.Of(worst.Runnable.Count, evidence.Count), "waits for a processor in the group"),
			Limit: in.Against("min-p99"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "median of the same", Value: evidence.Duration(median), Limit: in.Against("min-median"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: claim.Textf("windows in which a wait of %s or more ended", in.Limit("min-p99")), Value: spread, Of: claim.PartOf(evidence.Of(len(t.Windows), evidence.Count), "windows of the trace"), Limit: in.Against("min-spread"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "the group's time spent waiting for a processor", Value: evidence.Part(worst.Runnable.Sum, worst.Runnable.Sum+worst.Slices.Sum),
			Of: claim.PartOf(evidence.Duration(worst.Runnable.Sum+worst.Slices.Sum), "its time runnable or running"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "99th percentile of the waits for a processor of all goroutines", Value: evidence.Duration(all.Quantile(0.99)), Of: claim.PartOf(evidence.Of(all.Count, evidence.Count), "waits for a processor"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "most goroutines runnable at one moment", Value: evidence.Of(t.Latency.MaxRunnable, evidence.Count),
			At: claim.Location{From: int64(t.Latency.MaxRunnableAt), To: int64(t.Latency.MaxRunnableAt) + 1}, Reproduce: reproduce},
	}
	// Who has the processors is where a change helps: those who wait only show it.
	g := t.BusiestGroup()
	if ran := judge.RanFact(e, g, in.Against("min-running")); ran.Value.Number >= in.Limit("min-running").Number && g.Start.Function != worst.Start.Function {
		c.Summary += claim.Textf("; goroutines of %s have the processors for %s of the time that the program runs", claim.Func(g.Start.Function), ran.Value)
		c.Sites = append(c.Sites, g.Start)
		c.Facts = append(c.Facts, ran)
	}
	for _, g := range late[:min(len(late), 5)] {
		c.Sites = append(c.Sites, g.Start)
	}
	if len(t.Gaps) > 0 {
		c.Thin = len(t.Gaps) > 2 // as many as cpu-starvation is judged by
		var silent time.Duration
		for _, g := range t.Gaps {
			silent += g.To - g.From
		}
		c.Caveats = append(c.Caveats, claim.Textf("in %s, %s in all, no thread of the program did anything while work was runnable: the machine itself was short of processors", evidence.Things(len(t.Gaps), "stretch"), evidence.Duration(silent)))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}
