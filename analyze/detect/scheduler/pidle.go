package scheduler

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// pIdleSchedTrace tells whether processors were idle beside queued goroutines. A
// wake-up under way looks the same, so it vouches and never accuses.
func pIdleSchedTrace(_ *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Sched().Total
	wasted := evidence.Part(t.Wasted, t.Samples)
	r := claim.Reading{Silent: claim.Textf("schedtrace shows %s, and a wake-up under way looks like waste", evidence.Things(t.Samples, "moment"))}
	if t.Samples >= minMoments && wasted.Number >= mostMoments {
		r.Candidates = []claim.Candidate{momentsOf(e, wasted, "moments with a processor idle and a goroutine queued")}
	}
	return r
}

// PIdle claims that processors idle while work waits.
var PIdle = &claim.Detector{
	ID:      "p-idle",
	Title:   "Processors idle while work waits",
	Process: true,
	Doc: `A processor of the program stands idle although there is something to do: goroutines are runnable and are not given to it, or many goroutines
stand in one lock or wait for one goroutine's answers, so that all but one processor have nothing they may run.

**How it is measured.** A trace shows when each processor stops and starts and how many goroutines are runnable meanwhile. Idle time with at
least one goroutine that has been runnable for 50 µs or more, with the world not stopped, is held against all processor time; one runnable goroutine can use
one processor only, so it counts for no more than all goroutines together waited for a processor beyond their first 50 µs. It is a warning where
goroutines that answer to the outside wait too, as sched-latency measures it. For locks, the windows of
the trace count in which at least as many goroutines as there are processors wait for a lock while at least half of the processors' time is idle, and
one lock must have most of those waits. For one goroutine that all others wait for, it must run for most of the trace, and
those whose waits it ends must be at least as many on average as there are processors, and two. How often processors flip between running and idle is told beside it.

**When it is wrong.** An idle processor without waiting work is healthy, and this says clear. Between a wake-up and the start of a thread there is always a moment of idleness with
demand; on a busy machine the operating system can stretch it, and then the machine is what is missing. The five longest waits for a processor are therefore left out.`,
	Limits: []claim.Limit{
		{Name: "min-demand", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "idle processor time that runnable goroutines could have used, the five longest waits for a processor left out, of duration x GOMAXPROCS",
			Source: "a tenth of the machine given away; a healthy program that wakes threads ten thousand times a second loses a few hundredths"},
		{Name: "max-gaps", Default: evidence.Quantity{Number: 2, Unit: evidence.Count},
			Doc:    "stretches in which no thread did anything while work was runnable, above which the machine is to blame and it is an info",
			Source: "one fewer than cpu-starvation.min-gaps: three such stretches are what cpu-starvation is judged by"},
		{Name: "min-lock-idle", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "windows with a queue for a lock and idle processors, of all windows; and the idle processor time in such a window",
			Source: "half of the time: a burst of contention is over sooner"},
		{Name: "min-lock-share", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "waits for one lock, of all time goroutines wait for locks",
			Source: "as mutex-hotspot: one lock, not many that happen to be busy"},
		{Name: "min-worker", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
			Doc:    "time for which one goroutine runs, of the trace, while others wait for its answers",
			Source: "Judgement call: what runs for less has time to spare"},
		{Name: "min-worker-idle", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "processors idle meanwhile, of duration x GOMAXPROCS",
			Source: "Judgement call: a quarter of the machine, as impact.min-share-warning"},
		{Name: "min-turns", Default: evidence.Quantity{Number: 10, Unit: evidence.PerSecond},
			Doc:    "waits for that lock that ended, per second",
			Source: "a lock that is hardly ever given back is a deadlock or a leak, which idle processors do not describe; ten a second is one per window"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "idle time of processors while goroutines were runnable or queued for one lock", Run: judge.WorstOf(pIdleTrace)},
		{Kind: evidence.SchedTrace, Doc: "idle processors beside queued goroutines at moments; vouches, and never accuses or denies", Run: judge.WorstOf(pIdleSchedTrace)},
	},
	Fix: []claim.Text{
		"Where a lock is what they wait for: hold it for less, split it, or read without it (see mutex-hotspot and long-critical-section)",
		"Where goroutines are runnable: hand over more work at a time, so that fewer wake-ups are needed (see fragmented-slices)",
		"Check that the container or machine gives the program the processors that GOMAXPROCS promises",
	},
	Waiting: true,
}

func pIdleTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	all := t.ProcTime()
	// A goroutine runs on one processor, however many idle: what all of them waited
	// for processors is the most that could have been used.
	waited := t.Latency.Times.Beyond(exectrace.MinDemand)
	unused := min(t.Procs.IdleWithDemand, waited)
	share := evidence.Part(unused, all)
	idle := evidence.Part(t.Procs.Idle, all)
	r := claim.Reading{Says: claim.Textf("processors are idle %s of the time, and at most %s while a goroutine could have used them", idle, share)}
	if reading.Glimpse(t, t.Latency.Times.Count) || all == 0 {
		r.Silent = claim.Textf("the trace covers only %s", evidence.Duration(t.Duration))
		return r
	}
	flips := evidence.Quantity{Number: float64(t.Procs.Flips) / t.Duration.Seconds(), Unit: evidence.PerSecond}
	whole := claim.PartOf(evidence.Duration(all), "duration x GOMAXPROCS")
	reproduce := claim.TraceView(e, "View trace: gaps on the Procs while the Goroutines row shows runnable ones")
	context := []claim.Fact{
		{Exhibit: e.ID, Says: "processors idle", Value: idle, Of: whole, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "changes from running to idle per second", Value: flips, Reproduce: reproduce},
	}
	// A stall of the machine is one stretch or two, in which many wait at once; what
	// is wrong with a program goes on.
	var stalls time.Duration
	for _, w := range t.Latency.Worst {
		stalls += w.To - w.From
	}
	lasting := evidence.Part(max(min(t.Procs.IdleWithDemand, waited-stalls), 0), all)
	if lasting.Number >= in.Limit("min-demand").Number {
		at := reading.Busiest(t, func(w exectrace.Window) float64 { return min(w.Runnable, idleProcs(t, w)) })
		c := claim.Candidate{
			Severity: claim.Info, Share: share.Number,
			Summary: claim.Textf("processors stand idle for up to %s of their time while goroutines are runnable", share),
			Facts: append([]claim.Fact{
				{Exhibit: e.ID, Says: "idle processor time that runnable goroutines could have used, at most", Value: share, Of: whole,
					Limit: in.Against("min-demand"), At: at, Reproduce: reproduce},
				{Exhibit: e.ID, Says: "idle processor time while at least one goroutine was runnable", Value: evidence.Part(t.Procs.IdleWithDemand, all), Of: whole, At: at, Reproduce: reproduce},
				{Exhibit: e.ID, Says: "waiting of goroutines for a processor beyond the first 50 µs of each wait, summed", Value: evidence.Duration(waited), Reproduce: claim.TraceProfile(e, "sched")},
			}, context...),
		}
		// Where nobody who answers to the outside waits for long, nobody notices.
		if late, _ := reading.LateGroups(t, reading.UsualLateness); len(late) > 0 && t.Duration >= reading.ShortTrace {
			c.Severity = claim.Warning
			c.Facts = append(c.Facts, judge.LateFact(e, late[0], nil))
		}
		// Woken threads that the machine does not run look just the same.
		if float64(len(t.Gaps)) > in.Limit("max-gaps").Number {
			c.Severity, c.Thin = claim.Info, true
			c.Caveats = append(c.Caveats, claim.Textf("in %s no thread did anything while work was runnable: the machine itself was short of processors", evidence.Things(len(t.Gaps), "stretch")))
		}
		r.Candidates = append(r.Candidates, c)
	}
	for _, find := range []func(*claim.Input, *evidence.Exhibit) (claim.Candidate, bool){lockIdle, workerIdle} {
		if c, ok := find(in, e); ok {
			c.Facts = append(c.Facts, context...)
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

// idleProcs is how many processors did not run in a window.
func idleProcs(t *exectrace.Timeline, w exectrace.Window) float64 {
	running := 0.0
	for _, share := range w.PerProc {
		running += share
	}
	return max(float64(t.Procs.Max)-running, 0)
}

// workerIdle looks for processors that idle while goroutines queue for the answers of one that runs all the time.
func workerIdle(in *claim.Input, e *evidence.Exhibit) (claim.Candidate, bool) {
	t := e.Trace()
	idle := evidence.Part(t.Procs.Idle, t.ProcTime())
	if idle.Number < in.Limit("min-worker-idle").Number {
		return claim.Candidate{}, false
	}
	of := reading.OperationsOf(t)
	for _, w := range append(reading.SumWaits(t.Waits, reading.Replies, of), reading.SumWaits(t.Waits, reading.Sends, of)...) {
		rate := reading.PerSecond(w.Total, t.Duration)
		worker, n := reading.WorkerOf(t, w.Class, w.Stack.Site().Function)
		runs := evidence.Part(worker.Running, t.Duration)
		// More than one runs there, or one that rests now and then; or others end most of the waits.
		if runs.Number > 1 || runs.Number < in.Limit("min-worker").Number || 2*n < w.Count-w.Open || rate.Number < float64(max(2, t.Procs.Max)) {
			continue
		}
		at := claim.At(worker.Site)
		c := claim.Candidate{
			Sites: []stack.Site{worker.Site, w.Site}, Path: w.Path, Variant: "worker",
			Summary: claim.Textf("processors idle for %s of their time while %s in %s for one goroutine in %s, which runs for %s of the time", idle, judge.Standing(rate), claim.Func(w.Site.Function), claim.Func(worker.Site.Function), runs),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("time for which the goroutine in %s runs", claim.Func(worker.Site.Function)), Value: runs, Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-worker"), At: at,
					Reproduce: claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(worker.Site.Function)))},
				{Exhibit: e.ID, Says: claim.Textf("time goroutines waited in %s per second, over %s", claim.Func(w.Site.Function), evidence.Duration(t.Duration)), Value: rate, At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
			},
			Fix: []claim.Text{
				"Run several such workers, as many as there are processors, where their work does not depend on each other",
				"Let the callers do the work themselves, and keep only what must be done one after the other in the worker",
			},
		}
		// Workers that wait for a busy producer idle by design.
		in.Weigh(&c, claim.Impact{Of: claim.Processors, Share: idle.Number}, judge.NotOutside(w.Request))
		return c, true
	}
	return claim.Candidate{}, false
}

// lockIdle looks for processors that idle while goroutines queue for one lock.
func lockIdle(in *claim.Input, e *evidence.Exhibit) (claim.Candidate, bool) {
	t := e.Trace()
	least := in.Limit("min-lock-idle").Number
	windows, worst := 0, claim.Location{}
	queue := 0.0
	for i, w := range t.Windows {
		// Fewer waiters than processors is ordinary contention.
		if w.SyncWait < float64(max(t.Procs.Max, 2)) || idleProcs(t, w) < least*float64(t.Procs.Max) {
			continue
		}
		windows++
		if w.SyncWait > queue {
			queue = w.SyncWait
			from := time.Duration(i) * t.WindowLength
			worst = claim.Location{From: int64(from), To: int64(min(from+t.WindowLength, t.Duration))}
		}
	}
	share := evidence.Part(windows, len(t.Windows))
	if share.Number < least || windows == 0 {
		return claim.Candidate{}, false
	}
	var total time.Duration
	waits, turns := map[string]time.Duration{}, map[string]int64{}
	sites := map[string]stack.Site{}
	paths := map[string][]string{}
	for i := range t.Waits {
		if w := &t.Waits[i]; w.Class.IsLock() {
			s := w.Stack.Site()
			total += w.Total
			waits[s.Function] += w.Total
			turns[s.Function] += w.Count - w.Open
			if _, seen := sites[s.Function]; !seen { // the longest comes first
				sites[s.Function], paths[s.Function] = s, w.Stack.Path()
			}
		}
	}
	var top stack.Site
	for f, s := range sites {
		if waits[f] > waits[top.Function] || waits[f] == waits[top.Function] && f < top.Function {
			top = s
		}
	}
	of := evidence.Part(waits[top.Function], total)
	// Many locks that are each a little busy do not serialise a program.
	if of.Number < in.Limit("min-lock-share").Number {
		return claim.Candidate{}, false
	}
	// Whoever waits in a deadlock leaves processors idle for another reason.
	if float64(turns[top.Function]) < in.Limit("min-turns").Number*t.Duration.Seconds() {
		return claim.Candidate{}, false
	}
	worst.Function, worst.File, worst.Line = top.Function, top.File, top.Line
	reproduce := claim.TraceProfile(e, "sync")
	return claim.Candidate{
		Sites: []stack.Site{top}, Path: paths[top.Function], Variant: "lock", Severity: claim.Warning, Share: share.Number,
		Summary: claim.Textf("processors stand idle while up to %s goroutines queue for the lock in %s, in %d of %s of %s", evidence.Quantity{Number: queue, Unit: evidence.Count}, claim.Func(top.Function), windows, evidence.Things(len(t.Windows), "window"), evidence.Duration(t.WindowLength)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "windows in which goroutines queued for locks and half of the processor time was idle", Value: share,
				Of: claim.PartOf(evidence.Of(len(t.Windows), evidence.Count), claim.Textf("windows of %s", evidence.Duration(t.WindowLength))), Limit: in.Against("min-lock-idle"), At: worst, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "most goroutines waiting for locks in one window, on average", Value: evidence.Quantity{Number: queue, Unit: evidence.Count}, At: worst, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time waited for that lock", Value: of, Of: claim.PartOf(evidence.Duration(total), "all time waited for locks"), Limit: in.Against("min-lock-share"), At: worst, Reproduce: reproduce},
		},
	}, true
}
