package detect

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/exectrace"
)

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
		{Name: "min-p99", Mark: true, Default: evidence.Duration(forcedPreemption),
			Doc:    "99th percentile of waits for a processor in one group, from which it is a warning",
			Source: "runtime/proc.go, forcePreemptNS: waiting longer than a whole time slice means that somebody else's slice came first on every processor"},
		{Name: "min-median", Mark: true, Default: evidence.Duration(time.Millisecond),
			Doc:    "median of the same, from which it is a warning whatever the 99th percentile is",
			Source: "on processors with time to spare a wake-up takes some tens of microseconds; a millisecond every second time is a standing queue"},
		{Name: "min-critical", Mark: true, Default: evidence.Duration(10 * forcedPreemption),
			Doc:    "99th percentile, from which it is critical; a tenth of it for the median",
			Source: "ten time slices: a tenth of a second is what people notice"},
		{Name: "min-events", Default: evidence.Quantity{Number: 30, Unit: evidence.Count},
			Doc:    "waits for a processor in a group, below which nothing is said about it; below three hundred the tail begins where three events lie beyond",
			Source: "three of thirty are the last tenth; who waits for seconds does not wait often"},
		{Name: "min-spread", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "windows of the trace in which a wait of min-p99 or more ended, of all windows",
			Source: "one stall of the machine makes many wait at once and is over; measured: on a machine with three runnable threads per processor a healthy service has such waits in a tenth of the windows"},
		{Name: "min-outside", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "waits of a group that were ended by the network, a timer or a sleep, of all its waits, from which it answers to the outside",
			Source: "one request in ten hand-overs: less is work that feeds itself"},
		{Name: "min-running", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "time for which one group of goroutines ran, of the time for which all did, from which it is named as the one that has the processors",
			Source: "more than all others together"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "runnable-to-running times by group of goroutines, with the worst wait", Run: worstOf(schedLatencyTrace)},
		{Kind: evidence.SchedTrace, Doc: "lengths of the run queues at moments; vouches, and never accuses or denies", Run: worstOf(schedLatencySchedTrace)},
	},
	Fix: []string{
		"Take work off the processors: see cpu-hotspot, gc-pressure and alloc-hotspot for what uses them",
		"Run heavy work with fewer goroutines than processors, so that requests find one free",
		"Give the program more processors, or fewer requests at a time",
	},
	Durations: claim.LatencyTimes(),
}

// beyond is the part of the waits that lie beyond the tail: one in a hundred, or
// three events where they are fewer.
func beyond(h *exectrace.Histogram) evidence.Quantity {
	return evidence.Quantity{Number: max(0.01, 3/float64(max(h.Count, 1))), Unit: evidence.Share}
}

// tail is the wait at which the tail begins.
func tail(h *exectrace.Histogram) time.Duration { return h.Quantile(1 - beyond(h).Number) }

// forcedPreemption is how long a goroutine may keep a processor while others
// wait (runtime/proc.go, forcePreemptNS).
const forcedPreemption = 10 * time.Millisecond

// answers reports whether a group of goroutines answers to the outside.
func (k *waking) answers(g *exectrace.Group, least float64) bool {
	// Goroutines that run until they are interrupted do a batch's work: they wait
	// for a processor as a part of it.
	if g.Slices.Quantile(0.5) >= forcedPreemption/2 {
		return false
	}
	if n := k.turnsOf(g.Start.Function); n.outside > 0 && n.outside >= least*(n.inside+n.outside) {
		return true
	}
	// A goroutine per request waits for nothing itself; its creator does.
	return g.Created > 0 && k.network[g.Creator.Function]
}

// lateness is from when on goroutines that answer to the outside wait too long for a processor.
type lateness struct {
	events      int64   // fewest waits in a group
	few         int64   // the same where their mean reaches p99; 0 for none
	p99, median float64 // nanoseconds, one of which must be reached
	spread      float64 // windows in which waits of p99 ended, of all
	outside     float64 // waits of a group that were ended from outside, of all its waits
	readAhead   bool    // goroutines that read ahead count
}

// readAhead is where net/http starts a goroutine per request that reads ahead
// (net/http/server.go). No request waits for it; it waits for a processor just as
// long as one that does.
const readAhead = "net/http.(*connReader).backgroundRead"

// usualLateness is what sched-latency goes by unless it is told otherwise.
var usualLateness = lateness{events: 30, p99: float64(forcedPreemption), median: float64(time.Millisecond), spread: 0.25, outside: 0.1}

// lateGroups returns the groups of goroutines that answer to the outside and wait
// for processors, longest in all first, and the part of the trace's windows in which long waits ended.
func lateGroups(t *exectrace.Timeline, least lateness) (late []*exectrace.Group, spread evidence.Quantity) {
	// A stall of the machine is over after a window or two.
	lateWindows := 0
	for _, w := range t.Windows {
		if float64(w.Latency) >= least.p99 {
			lateWindows++
		}
	}
	spread = evidence.Part(lateWindows, len(t.Windows))
	waking := readWaking(t)
	for i := range t.Groups {
		g := &t.Groups[i]
		// A few waits of which each is long say as much as many.
		few := g.Runnable.Count < least.events && (least.few == 0 || g.Runnable.Count < least.few || float64(g.Runnable.Mean()) < least.p99)
		if g.System || few || g.Start.Function == readAhead && !least.readAhead {
			continue
		}
		long := float64(tail(&g.Runnable)) >= least.p99 && spread.Number >= least.spread
		if !long && float64(g.Runnable.Quantile(0.5)) < least.median {
			continue
		}
		// A full-throttle batch queues for processors by design.
		if waking.answers(g, least.outside) {
			late = append(late, g)
		}
	}
	slices.SortStableFunc(late, func(a, b *exectrace.Group) int {
		return cmp.Or(-cmp.Compare(a.Runnable.Sum, b.Runnable.Sum), cmp.Compare(a.Start.Function, b.Start.Function))
	})
	return late, spread
}

// lateFact tells how long a group of goroutines waits for a processor.
func lateFact(e *evidence.Exhibit, g *exectrace.Group, limit *claim.LimitUse) claim.Fact {
	return claim.Fact{
		Exhibit: e.ID, Says: fmt.Sprintf("what %s of the waits for a processor of goroutines of %s exceed", beyond(&g.Runnable), g.Start.Function), Value: evidence.Duration(tail(&g.Runnable)),
		Of:    claim.PartOf(evidence.Of(g.Runnable.Count, evidence.Count), "waits for a processor in the group"),
		Limit: limit, At: claim.At(g.Start), Reproduce: claim.TraceProfile(e, "sched"),
	}
}

// busiestGroup is the group of goroutines that ran longest, the runtime's own apart, and its part of all running.
func busiestGroup(t *exectrace.Timeline) (top *exectrace.Group, share evidence.Quantity) {
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && (top == nil || g.Slices.Sum > top.Slices.Sum) {
			top = g
		}
	}
	if top == nil {
		return nil, evidence.Quantity{Unit: evidence.Share}
	}
	return top, evidence.Part(top.Slices.Sum, ranIn(t))
}

// ranIn is how long all goroutines of a trace ran.
func ranIn(t *exectrace.Timeline) (sum time.Duration) {
	for i := range t.Groups {
		sum = bound.Add(sum, t.Groups[i].Slices.Sum)
	}
	return sum
}

func schedLatencyTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace
	all := &t.Latency.Times
	r := claim.Reading{Says: fmt.Sprintf("99 %% of %s waits for a processor were shorter than %s", evidence.Of(all.Count, evidence.Count), evidence.Duration(all.Quantile(0.99)))}
	if all.Count < int64(in.Limit("min-events").Number) || glimpse(t, all.Count) {
		r.Silent = fmt.Sprintf("only %s for a processor in %s of trace", evidence.Things(all.Count, "wait"), evidence.Duration(t.Duration))
	}
	late, spread := lateGroups(t, lateness{
		events: int64(in.Limit("min-events").Number), p99: in.Limit("min-p99").Number, median: in.Limit("min-median").Number,
		spread: in.Limit("min-spread").Number, outside: in.Limit("min-outside").Number,
	})
	if len(late) == 0 {
		return r
	}
	worst := late[0]
	p99, median := tail(&worst.Runnable), worst.Runnable.Quantile(0.5)
	c := claim.Candidate{
		Severity: claim.Warning,
		Share:    evidence.Part(worst.Runnable.Sum, worst.Runnable.Sum+worst.Slices.Sum).Number,
		Summary: fmt.Sprintf("goroutines of %s wait for a processor: %s of the times for more than %s, half of the times for more than %s",
			worst.Start.Function, beyond(&worst.Runnable), evidence.Duration(p99), evidence.Duration(median)),
	}
	critical := in.Limit("min-critical").Number
	if float64(p99) >= critical || float64(median) >= critical/10 {
		c.Severity = claim.Critical
	}
	// One stall of the machine fills a short trace.
	if t.Duration < shortTrace {
		c.Severity, c.Thin = claim.Info, true
		c.Caveats = append(c.Caveats, fmt.Sprintf("the trace covers only %s, which one stall of the machine can fill", evidence.Duration(t.Duration)))
	}
	reproduce := claim.TraceProfile(e, "sched")
	at := claim.At(worst.Start)
	if len(t.Latency.Worst) > 0 {
		w := t.Latency.Worst[0]
		at.Goroutine, at.From, at.To = w.Goroutine, int64(w.From), int64(w.To)
	}
	c.Facts = []claim.Fact{
		{Exhibit: e.ID, Says: fmt.Sprintf("what %s of the waits for a processor in the group exceed", beyond(&worst.Runnable)), Value: evidence.Duration(p99), Of: claim.PartOf(evidence.Of(worst.Runnable.Count, evidence.Count), "waits for a processor in the group"),
			Limit: in.Against("min-p99"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "median of the same", Value: evidence.Duration(median), Limit: in.Against("min-median"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: fmt.Sprintf("windows in which a wait of %s or more ended", in.Limit("min-p99")), Value: spread, Of: claim.PartOf(evidence.Of(len(t.Windows), evidence.Count), "windows of the trace"), Limit: in.Against("min-spread"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "the group's time spent waiting for a processor", Value: evidence.Part(worst.Runnable.Sum, worst.Runnable.Sum+worst.Slices.Sum),
			Of: claim.PartOf(evidence.Duration(worst.Runnable.Sum+worst.Slices.Sum), "its time runnable or running"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "99th percentile of the waits for a processor of all goroutines", Value: evidence.Duration(all.Quantile(0.99)), Of: claim.PartOf(evidence.Of(all.Count, evidence.Count), "waits for a processor"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "most goroutines runnable at one moment", Value: evidence.Of(t.Latency.MaxRunnable, evidence.Count),
			At: claim.Location{From: int64(t.Latency.MaxRunnableAt), To: int64(t.Latency.MaxRunnableAt) + 1}, Reproduce: reproduce},
	}
	// Who has the processors is where a change helps: those who wait only show it.
	if g, share := busiestGroup(t); share.Number >= in.Limit("min-running").Number && g.Start.Function != worst.Start.Function {
		c.Summary += fmt.Sprintf("; goroutines of %s have the processors for %s of the time that the program runs", g.Start.Function, share)
		c.Sites = append(c.Sites, g.Start)
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "time for which goroutines of " + g.Start.Function + " ran", Value: share, Of: claim.PartOf(evidence.Duration(ranIn(t)), "the time for which all goroutines ran"),
			Limit: in.Against("min-running"), At: claim.At(g.Start), Reproduce: claim.TraceView(e, "goroutine analysis of "+g.Start.Function)})
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
		c.Caveats = append(c.Caveats, fmt.Sprintf("in %s, %s in all, no thread of the program did anything while work was runnable: the machine itself was short of processors", evidence.Things(len(t.Gaps), "stretch"), evidence.Duration(silent)))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}
