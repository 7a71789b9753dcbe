package detect

import (
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// GCPressure claims that the collector takes too much of the processors.
var GCPressure = &claim.Detector{
	ID:      "gc-pressure",
	Title:   "The garbage collector takes too much of the processors",
	Process: true,
	Doc: `The collector uses a quarter or more of all the processor time the program uses, over the whole recording. The runtime gives its background
workers a quarter of the processors *while a collection runs*; a quarter over all the time means that collections follow each other without a rest.

**How it is measured.** In a CPU profile every stack is put into one class: background mark workers, mark assists by the program's own goroutines, sweeping, or none of
it. In a trace it is the processor time of the dedicated and fractional workers, the assists and the sweeping. Workers in idle mode use processors that nobody
wants and are left out of both parts of the share. The claim needs the work to be a noticeable part of all processors, and is a warning only where it costs the program
something: where its own goroutines are made to mark, or where the heap has so little room that a collection is under way for a quarter of the time. How far the heap may grow between two collections is
how many bytes are marked for each byte allocated: where that is much and the program does not allocate much, the goal is to blame and not the allocation (variant small-goal).

**When it is wrong.** A batch that allocates much and has processors to spare can live with it; without assists this is an info. In profiles of old releases of Go, which lack the wrappers gcDrainMarkWorkerIdle and its like, idle workers cannot be told from the
others. In a short trace one collection weighs much.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "collector's work, idle workers left out, of the processor time used",
			Source: "runtime/mgcpacer.go, gcBackgroundUtilization: the share the background workers have while a collection runs"},
		{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "collector's work, of duration x GOMAXPROCS",
			Source: "a tenth of all processors given back is a change one can measure; a quarter of a nearly idle process is nothing"},
		{Name: "min-assist", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "mark assists, of the time the program's own goroutines run, from which pressure is a warning",
			Source: "runtime/mgcpacer.go: the pacer starts collections early enough that assists are not needed; a tenth as gc-assist"},
		{Name: "min-critical", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "as min-share, from which pressure with assists is critical",
			Source: "runtime/mgclimit.go, gcCPULimiter: at half of the processors the runtime itself stops assists to end a death spiral"},
		{Name: "min-cycles", Default: evidence.Quantity{Number: 5, Unit: evidence.Count},
			Doc:    "collections in a trace, below which it is an info at most",
			Source: "a collection that a profile or the tracer itself set off weighs a fifth of five"},
		{Name: "min-marked", Default: evidence.Quantity{Number: 4, Unit: evidence.Ratio},
			Doc:    "bytes marked per byte allocated, from which the goal leaves the heap no room",
			Source: "runtime/mgcpacer.go: about 100/GOGC, so 1 unless it is set; 4 is a GOGC of 25; measured: 18 to 35,000 where the goal is what is wrong"},
		{Name: "min-collecting", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "wall time with a collection under way that nobody forced, from which a heap without room is a warning whatever marking costs",
			Source: "Judgement call: for a quarter of the time every pointer write takes the write barrier (runtime/mbarrier.go) and allocating may have to mark"},
		{Name: "max-usual-cycles", Default: evidence.Quantity{Number: 10, Unit: evidence.PerSecond},
			Doc:    "collections per second that the same allocation would start with a goal of twice the live heap, below which the small goal and not the allocation is to blame",
			Source: "ten collections a second of a heap of 4 MiB and more are 40 MiB/s and more of garbage: that much is the program's doing"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in mark workers, assists and sweeping, each stack counted once", Run: worstOf(gcPressureCPU)},
		{Kind: evidence.Trace, Doc: "processor time of dedicated and fractional workers, assists and sweeping", Run: worstOf(gcPressureTrace)},
		{Kind: evidence.GCTrace, Doc: "processor time of workers, assists and stops in the worst eighth of a log; of all processors, not of the time used", Run: worstOf(gcPressureGCTrace)},
	},
	Fix: gcPressureFix,
	Explains: []claim.Mechanism{
		{Effect: "gc-assist", Why: "when marking falls behind, allocating goroutines are made to help", Source: "runtime/mgcmark.go, gcAssistAlloc"},
		{Effect: "sched-latency", Why: "mark workers take a quarter of the processors while goroutines wait for one", Source: "runtime/mgcpacer.go, gcBackgroundUtilization"},
		{Effect: "stw-extension", Why: "every collection stops the world twice", Source: "runtime/mgc.go"},
	},
	Durations: claim.PauseTimes(claim.FewestDrawn),
}

var gcPressureFix = []string{
	"Allocate less: see alloc-hotspot for the place, reuse buffers, build strings with strings.Builder, avoid pointers in large live structures",
	"Give the heap more room: a higher GOGC, or a GOMEMLIMIT below the container's limit together with GOGC=off or a high GOGC",
	"Make the live heap smaller: each collection marks all of it again",
}

// gcCPU is the samples of a CPU profile by what they do for the collector.
type gcCPU struct {
	total      int64
	background int64 // dedicated and fractional mark workers
	idle       int64 // mark workers on processors nobody wanted
	assist     int64 // marking by goroutines that allocate
	sweep      int64 // sweeping, by the background sweeper or on the way to an allocation
	phases     int64 // starting and ending collections
	system     int64 // all the runtime's own goroutines for it: workers, sweeper, scavenger
}

// work is what the collector costs.
func (g gcCPU) work() int64 { return g.background + g.assist + g.sweep + g.phases }

// used is the samples outside idle-mode workers.
func (g gcCPU) used() int64 { return g.total - g.idle }

// mutators is the samples of the program's own goroutines.
func (g gcCPU) mutators() int64 { return g.total - g.system }

func collectorCPU(p *pprofile.Profile, column int) gcCPU {
	var g gcCPU
	if column < 0 {
		return g
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		n := s.Values[column]
		g.total += n
		part := gcPart(s.Stack)
		switch part.work {
		case gcIdle:
			g.idle += n
		case gcAssisting:
			g.assist += n
		case gcBackground:
			g.background += n
		case gcSweeping:
			g.sweep += n
		case gcPhases:
			g.phases += n
		}
		if part.system {
			g.system += n
		}
	}
	return g
}

// The kinds of work for the collector that a stack can show.
const (
	gcNone = iota
	gcIdle
	gcAssisting
	gcBackground
	gcSweeping
	gcPhases
)

type gcStack struct {
	work   int
	system bool // on a goroutine of the runtime's own
}

// gcPart puts a stack into one class. The frames are those of runtime/mgc.go,
// mgcmark.go and mgcsweep.go; the wrappers gcDrainMarkWorker* exist so that profiles show
// the mode of a worker.
func gcPart(s stack.Stack) gcStack {
	var part gcStack
	for _, f := range s {
		switch f.Function {
		case "runtime.gcDrainMarkWorkerIdle":
			part.work = gcIdle
		case "runtime.gcAssistAlloc":
			part.work = gcAssisting
		case "runtime.gcBgMarkWorker":
			part.system = true
			if part.work != gcIdle {
				part.work = gcBackground
			}
		case "runtime.bgsweep":
			part.system = true
			part.work = gcSweeping
		case "runtime.sweepone", "runtime.(*sweepLocked).sweep", "runtime.deductSweepCredit":
			if part.work == gcNone {
				part.work = gcSweeping
			}
		case "runtime.bgscavenge":
			part.system = true
		case "runtime.gcStart", "runtime.gcMarkDone", "runtime.gcMarkTermination", "runtime.wbBufFlush":
			if part.work == gcNone {
				part.work = gcPhases
			}
		}
	}
	return part
}

// pressure judges what the collector takes: share of the processor time used,
// of all there was, and the part of the program's own time spent in assists.
func pressure(in *claim.Input, share, capacity, assist float64) claim.Severity {
	switch {
	// A quarter of little is little: a process that mostly idles loses nothing.
	case share < in.Limit("min-share").Number || capacity < in.Limit("min-of-capacity").Number:
		return claim.NoSeverity
	// A batch that allocates much and whose goroutines are never made to mark
	// pays with processors it may have to spare.
	case assist < in.Limit("min-assist").Number:
		return claim.Info
	case share >= in.Limit("min-critical").Number:
		return claim.Critical
	}
	return claim.Warning
}

func gcPressureCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile
	column := p.Column("samples")
	g := collectorCPU(p, column)
	share, assist := evidence.Part(g.work(), g.used()), evidence.Part(g.assist, g.mutators())
	least := in.Limit("min-share").Number
	r := claim.Reading{
		Says:  fmt.Sprintf("the collector has %s of the samples, idle workers left out", share),
		Power: claim.SharePower(least, g.used(), muchOfIt, "of the CPU samples in the collector"),
	}
	severity := pressure(in, share.Number, busy(p, in.Case.GOMAXPROCS)*evidence.Part(g.work(), g.total).Number, assist.Number)
	// Near the limit it shows the same, if less of it: it vouches.
	if severity == claim.NoSeverity && share.Number < least/2 {
		return r
	}
	whole := claim.PartOf(evidence.Of(g.used(), evidence.Count), "CPU samples outside idle-mode mark workers")
	fact := func(says string, n int64, focus string) claim.Fact {
		return claim.Fact{Exhibit: e.ID, Says: says, Value: evidence.Part(n, g.used()), Of: whole,
			Reproduce: collectorTop(e, focus)}
	}
	lead := fact("CPU samples in mark workers, assists, sweeping and phase changes", g.work(), focusAll)
	lead.Limit = in.Against("min-share")
	r.Candidates = []claim.Candidate{{
		Severity: severity, Share: share.Number, Thin: rough(share.Number, least/2, g.used()),
		Summary: fmt.Sprintf("the garbage collector takes %s of the CPU the program uses; %s of its goroutines' own time goes into mark assists", share, assist),
		Facts: []claim.Fact{lead, fact("CPU samples in background mark workers", g.background, focusMark), fact("CPU samples in mark assists", g.assist, focusAssist),
			fact("CPU samples in sweeping", g.sweep, focusSweep)},
	}}
	if in.Case.GOMAXPROCS == 0 {
		r.Candidates[0].Caveats = []string{"GOMAXPROCS is unknown; that the processors are short was judged against one"}
	}
	return r
}

// The stacks that gcPart knows, as pprof is told to focus on them.
const (
	focusMark   = "runtime.gcBgMarkWorker$"
	focusAssist = "runtime.gcAssistAlloc$"
	focusSweep  = "runtime.(bgsweep|sweepone|deductSweepCredit|.*sweepLocked.*sweep)$"
	focusAll    = focusMark + "|" + focusAssist + "|" + focusSweep + "|runtime.(gcStart|gcMarkDone|gcMarkTermination|wbBufFlush)$"
)

// collectorTop returns the command that counts the collector's samples.
func collectorTop(e *evidence.Exhibit, focus string) claim.Command {
	ignore := "runtime.gcDrainMarkWorkerIdle"
	if focus == focusSweep { // what is swept in an assist is the assist's
		ignore = "runtime.(gcDrainMarkWorkerIdle|gcAssistAlloc|gcBgMarkWorker)$"
	}
	return claim.Top(e, "samples").With("-focus="+focus, "-ignore="+ignore)
}

// busy is the CPU time of a profile over its duration x GOMAXPROCS; 0 when the
// profile states no duration, and against one processor when GOMAXPROCS is unknown.
func busy(p *pprofile.Profile, procs int) float64 {
	if p.Duration <= 0 {
		return 0
	}
	share := evidence.Part(float64(p.Total(p.Column("cpu"))), float64(p.Duration)*float64(max(procs, 1))).Number
	if procs > 0 {
		return min(share, 1) // the duration is less exact than the samples
	}
	return share
}

// assistTime is the processor time that goroutines were made to mark for. Their
// wall time would count those that wait in an assist as well.
func assistTime(t *exectrace.Timeline) (sum time.Duration) {
	for i := range t.Assists {
		sum += t.Assists[i].Running
	}
	return sum
}

// collectorTime is the processor time of the collector, idle-mode workers left out.
func collectorTime(t *exectrace.Timeline) time.Duration {
	return t.GCWork.Dedicated + t.GCWork.Fractional + assistTime(t) + t.Sweep
}

// room is how far a heap may grow between collections.
type room struct {
	live   float64           // bytes after collections
	goal   float64           // bytes at which the next must be done
	busy   evidence.Quantity // wall time with a collection under way that nobody forced
	usual  float64           // collections per second, had the goal been twice the live heap as GOGC=100 makes it; 0 when unknown
	cycles int64
}

// heapMinimum is the smallest heap goal with GOGC=100 (runtime/mgcpacer.go, defaultHeapMinimum).
const heapMinimum = 4 << 20

// marked is the bytes marked per byte allocated.
func (r room) marked() evidence.Quantity {
	return evidence.Quantity{Number: r.live / max(r.goal-r.live, 1), Unit: evidence.Ratio}
}

// small reports whether the goal and not what the program allocates makes the collector work.
func (r room) small(in *claim.Input, least float64) bool {
	return float64(r.cycles) >= in.Limit("min-cycles").Number && r.live >= least && r.marked().Number >= in.Limit("min-marked").Number && r.usual < in.Limit("max-usual-cycles").Number
}

// judge makes a finding about the collector one about a heap without room.
func (r room) judge(in *claim.Input, c *claim.Candidate, e *evidence.Exhibit, at claim.Location, reproduce claim.Command) {
	c.Variant = "small-goal"
	c.Severity = max(c.Severity, claim.Info)
	if r.busy.Number >= in.Limit("min-collecting").Number {
		c.Severity = max(c.Severity, claim.Warning)
	}
	grows := fmt.Sprintf("may grow by only %s before the next", evidence.Quantity{Number: r.goal/r.live - 1, Unit: evidence.Share})
	if r.goal <= r.live {
		grows = "is above its goal already"
	}
	c.Summary = fmt.Sprintf("a collection is under way for %s of the time: the heap of %s %s; %s", r.busy, size(int64(r.live)), grows, c.Summary)
	c.Facts = append(c.Facts,
		claim.Fact{Exhibit: e.ID, Says: "bytes marked per byte allocated", Value: r.marked(), Limit: in.Against("min-marked"), At: at, Reproduce: reproduce},
		claim.Fact{Exhibit: e.ID, Says: "wall time with a collection under way", Value: r.busy, Limit: in.Against("min-collecting"), At: at, Reproduce: reproduce})
	c.Caveats = append(c.Caveats, "GOGC is about as many per cent as the heap may grow by, or GOMEMLIMIT is near; the evidence does not say which")
	c.Fix = append([]string{fmt.Sprintf("Raise GOGC, or GOMEMLIMIT where that is what holds the heap down: with a live heap of %s, GOGC=100 lets it grow to %s", size(int64(r.live)), size(int64(2*r.live)))}, gcPressureFix...)
}

func roomOf(t *exectrace.Timeline) room {
	var floors []exectrace.HeapPoint
	var goals []float64
	for _, p := range t.Heap {
		if p.AfterGC && p.Live > 0 && p.Goal > 0 {
			floors = append(floors, p)
			goals = append(goals, float64(p.Goal)/float64(p.Live))
		}
	}
	if len(floors) == 0 {
		return room{}
	}
	slices.Sort(goals)
	r := room{live: float64(medianLive(floors)), cycles: int64(t.CycleCount)}
	over := max(goals[len(goals)/2]-1, 0)
	r.goal = r.live * (1 + over)
	r.usual = float64(t.CycleCount) * r.live * over / max(t.Duration.Seconds(), 1e-9) / max(r.live, heapMinimum)
	forced := 0
	for _, p := range t.Pauses {
		if p.Reason == "GC sweep termination" && forces(p.Stack) {
			forced++
		}
	}
	r.busy = evidence.Part(float64(markTime(t))*(1-float64(forced)/float64(max(t.CycleCount, forced, 1))), float64(t.Duration))
	return r
}

func gcPressureTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace
	assists := assistTime(t)
	work := collectorTime(t)
	used := t.Procs.Running - t.GCWork.Idle
	share, assist := evidence.Part(work, used), evidence.Part(assists, mutatorTime(t))
	often := rateOf(float64(t.CycleCount), t.Duration)
	r := claim.Reading{Says: fmt.Sprintf("the collector has %s of the processor time used, in %s collections", share, often)}
	room := roomOf(t)
	small := room.small(in, heapMinimum)
	severity := pressure(in, share.Number, evidence.Part(work, procTime(t)).Number, assist.Number)
	if severity == claim.NoSeverity && share.Number < in.Limit("min-share").Number/2 && !(small && room.busy.Number >= in.Limit("min-collecting").Number) {
		return r
	}
	few := float64(t.CycleCount) < in.Limit("min-cycles").Number || t.Duration < shortTrace
	if few {
		severity = min(severity, claim.Info)
	}
	reproduce := claim.TraceView(e, "View trace: the GC row, and GC (dedicated), GC (fractional) and MARK ASSIST on the Procs")
	whole := claim.PartOf(evidence.Duration(used), "processor time used, idle-mode mark workers left out")
	at := busiest(t, func(w exectrace.Window) float64 { return w.GC })
	c := claim.Candidate{
		Severity: severity, Share: share.Number, Thin: few,
		Summary: fmt.Sprintf("the garbage collector takes %s of the processor time used, with %s collections; %s of the goroutines' own time goes into mark assists", share, often, assist),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "processor time of mark workers, assists and sweeping", Value: share, Of: whole, Limit: in.Against("min-share"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "collections per second", Value: often, At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time with a mark phase under way", Value: evidence.Part(markTime(t), t.Duration), Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time in mark assists", Value: assist, Of: claim.PartOf(evidence.Duration(mutatorTime(t)), "processor time outside the collector's workers"),
				Limit: in.Against("min-assist"), At: at, Reproduce: reproduce},
		},
	}
	if small {
		room.judge(in, &c, e, at, claim.TraceView(e, "View trace: the Heap row, NextGC over Allocated"))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// busiest returns the stretch of the window in which a number is highest; the
// whole trace when it has no windows.
func busiest(t *exectrace.Timeline, number func(exectrace.Window) float64) claim.Location {
	best := -1
	for i, w := range t.Windows {
		if best < 0 || number(w) > number(t.Windows[best]) {
			best = i
		}
	}
	if best < 0 {
		return claim.Location{To: int64(t.Duration)}
	}
	from := time.Duration(best) * t.WindowLength
	return claim.Location{From: int64(from), To: int64(min(from+t.WindowLength, t.Duration))}
}
