package collector

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/judge"
	"inquest/internal/reading"
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
		{Name: "min-of-capacity", Default: judge.MinWork,
			Doc:    "collector's work, of duration x GOMAXPROCS",
			Source: "a tenth of all processors given back is a change one can measure; a quarter of a nearly idle process is nothing"},
		{Name: "min-assist", Default: judge.MinWork,
			Doc:    "mark assists, of the time the program's own goroutines run, from which pressure is a warning",
			Source: "runtime/mgcpacer.go: the pacer starts collections early enough that assists are not needed; a tenth as gc-assist"},
		{Name: "min-critical", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "as min-share, from which pressure with assists is critical",
			Source: "runtime/mgclimit.go, gcCPULimiter: at half of the processors the runtime itself stops assists to end a death spiral"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "part of min-share from which it vouches for what another kind of evidence shows",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
		{Name: "min-cycles", Default: minCycles,
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
		{Kind: evidence.CPU, Doc: "samples in mark workers, assists and sweeping, each stack counted once", Run: judge.WorstOf(gcPressureCPU)},
		{Kind: evidence.Trace, Doc: "processor time of dedicated and fractional workers, assists and sweeping", Run: judge.WorstOf(gcPressureTrace)},
		{Kind: evidence.GCTrace, Doc: "processor time of workers, assists and stops in the worst eighth of a log; of all processors, not of the time used", Run: judge.WorstOf(gcPressureGCTrace)},
	},
	Fix: gcPressureFix,
	Explains: []claim.Mechanism{
		{Effect: "gc-assist", Why: "when marking falls behind, allocating goroutines are made to help", Source: "runtime/mgcmark.go, gcAssistAlloc"},
		{Effect: "sched-latency", Why: "mark workers take a quarter of the processors while goroutines wait for one", Source: "runtime/mgcpacer.go, gcBackgroundUtilization"},
		{Effect: "stw-extension", Why: "every collection stops the world twice", Source: "runtime/mgc.go"},
	},
	Durations: claim.PauseTimes(claim.FewestDrawn),
}

var gcPressureFix = []claim.Text{
	"Allocate less: see alloc-hotspot for the place, reuse buffers, build strings with strings.Builder, avoid pointers in large live structures",
	"Give the heap more room: a higher GOGC, or a GOMEMLIMIT below the container's limit together with GOGC=off or a high GOGC",
	"Make the live heap smaller: each collection marks all of it again",
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
	p := e.Profile()
	column := p.Column("samples")
	g := reading.CollectorIn(p, column)
	share, assist := evidence.Part(g.Work(), g.Used()), evidence.Part(g.Assist, g.Mutators())
	least := in.Limit("min-share").Number
	r := claim.Reading{
		Says:  claim.Textf("the collector has %s of the samples, idle workers left out", share),
		Power: claim.SharePower(least, g.Used(), judge.MuchOfIt, "of the CPU samples in the collector"),
	}
	severity := pressure(in, share.Number, reading.Busy(p, in.Process.GOMAXPROCS)*evidence.Part(g.Work(), g.Total).Number, assist.Number)
	// Near the limit it shows the same, if less of it: it vouches.
	if severity == claim.NoSeverity && share.Number < least*in.Limit("min-vote").Number {
		return r
	}
	whole := claim.PartOf(evidence.Of(g.Used(), evidence.Count), "CPU samples outside idle-mode mark workers")
	fact := func(says claim.Text, n int64, focus claim.Text) claim.Fact {
		return claim.Fact{Exhibit: e.ID, Says: says, Value: evidence.Part(n, g.Used()), Of: whole,
			Reproduce: reading.CollectorTop(e, focus)}
	}
	lead := fact("CPU samples in mark workers, assists, sweeping and phase changes", g.Work(), reading.FocusAll)
	lead.Limit = in.Against("min-share")
	r.Candidates = []claim.Candidate{{
		Severity: severity, Share: share.Number, Thin: judge.Rough(share.Number, least, g.Used()),
		Summary: claim.Textf("the garbage collector takes %s of the CPU the program uses; %s of its goroutines' own time goes into mark assists", share, assist),
		Facts: []claim.Fact{lead, fact("CPU samples in background mark workers", g.Background, reading.FocusMark), fact("CPU samples in mark assists", g.Assist, reading.FocusAssist),
			fact("CPU samples in sweeping", g.Sweep, reading.FocusSweep)},
	}}
	if in.Process.GOMAXPROCS == 0 {
		r.Candidates[0].Caveats = []claim.Text{"GOMAXPROCS is unknown; that the processors are short was judged against one"}
	}
	return r
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
	grows := claim.Textf("may grow by only %s before the next", evidence.Quantity{Number: r.goal/r.live - 1, Unit: evidence.Share})
	if r.goal <= r.live {
		grows = "is above its goal already"
	}
	c.Summary = claim.Textf("a collection is under way for %s of the time: the heap of %s %s; %s", r.busy, evidence.Size(int64(r.live)), grows, c.Summary)
	c.Facts = append(c.Facts,
		claim.Fact{Exhibit: e.ID, Says: "bytes marked per byte allocated", Value: r.marked(), Limit: in.Against("min-marked"), At: at, Reproduce: reproduce},
		claim.Fact{Exhibit: e.ID, Says: "wall time with a collection under way", Value: r.busy, Limit: in.Against("min-collecting"), At: at, Reproduce: reproduce})
	c.Caveats = append(c.Caveats, "GOGC is about as many per cent as the heap may grow by, or GOMEMLIMIT is near; the evidence does not say which")
	c.Fix = append([]claim.Text{claim.Textf("Raise GOGC, or GOMEMLIMIT where that is what holds the heap down: with a live heap of %s, GOGC=100 lets it grow to %s", evidence.Size(int64(r.live)), evidence.Size(int64(2*r.live)))}, gcPressureFix...)
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
	r := room{live: float64(reading.MedianLive(floors)), cycles: int64(t.CycleCount)}
	over := max(goals[len(goals)/2]-1, 0)
	r.goal = r.live * (1 + over)
	r.usual = float64(t.CycleCount) * r.live * over / max(t.Duration, 1).Seconds() / max(r.live, heapMinimum)
	forced := 0
	for _, p := range t.Pauses {
		if p.Reason == "GC sweep termination" && forces(p.Stack) {
			forced++
		}
	}
	r.busy = evidence.Part(float64(t.MarkTime())*(1-float64(forced)/float64(max(t.CycleCount, forced, 1))), float64(t.Duration))
	return r
}

func gcPressureTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	assists := t.AssistTime()
	work := t.CollectorTime()
	used := t.Procs.Running - t.GCWork.Idle
	share, assist := evidence.Part(work, used), evidence.Part(assists, t.MutatorTime())
	often := reading.RateOf(float64(t.CycleCount), t.Duration)
	r := claim.Reading{Says: claim.Textf("the collector has %s of the processor time used, in %s collections", share, often)}
	room := roomOf(t)
	small := room.small(in, heapMinimum)
	severity := pressure(in, share.Number, evidence.Part(work, t.ProcTime()).Number, assist.Number)
	if severity == claim.NoSeverity && share.Number < in.Limit("min-share").Number*in.Limit("min-vote").Number && !(small && room.busy.Number >= in.Limit("min-collecting").Number) {
		return r
	}
	few := float64(t.CycleCount) < in.Limit("min-cycles").Number || t.Duration < reading.ShortTrace
	if few {
		severity = min(severity, claim.Info)
	}
	reproduce := claim.TraceView(e, "View trace: the GC row, and GC (dedicated), GC (fractional) and MARK ASSIST on the Procs")
	whole := claim.PartOf(evidence.Duration(used), "processor time used, idle-mode mark workers left out")
	at := reading.Busiest(t, func(w exectrace.Window) float64 { return w.GC })
	c := claim.Candidate{
		Severity: severity, Share: share.Number, Thin: few,
		Summary: claim.Textf("the garbage collector takes %s of the processor time used, with %s collections; %s of the goroutines' own time goes into mark assists", share, often, assist),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "processor time of mark workers, assists and sweeping", Value: share, Of: whole, Limit: in.Against("min-share"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "collections per second", Value: often, At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time with a mark phase under way", Value: evidence.Part(t.MarkTime(), t.Duration), Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time in mark assists", Value: assist, Of: claim.PartOf(evidence.Duration(t.MutatorTime()), "processor time outside the collector's workers"),
				Limit: in.Against("min-assist"), At: at, Reproduce: reproduce},
		},
	}
	if small {
		room.judge(in, &c, e, at, claim.TraceView(e, "View trace: the Heap row, NextGC over Allocated"))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// gcPressureGCTrace judges what gctrace says the collector takes. It knows the
// share of all processors, and so only a part of the share of the processor time used.
func gcPressureGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	s := worstPart(e.GC())
	left := max(s.procs-s.Background-s.Stopped-s.Idle, 0)
	assist := evidence.Part(min(s.Assist, left), left)
	r := claim.Reading{Says: claim.Textf("the collector has %s of all processor time, in %s collections", s.cost, s.perSecond())}
	// What the goal leaves for the program to allocate before the next collection.
	room := room{busy: s.busy(), cycles: s.Cycles}
	for _, w := range e.GC().Windows {
		if w.Live >= minRoomLive {
			room.live, room.goal = room.live+float64(w.Live), room.goal+float64(w.Goal)
		}
	}
	small := room.small(in, minRoomLive)
	n := float64(max(len(e.GC().Windows), 1))
	room.live, room.goal = room.live/n, room.goal/n
	severity := pressure(in, s.cost.Number, s.cost.Number, assist.Number)
	// A few collections, and those while the program starts, are no rate.
	few := float64(s.Cycles) < in.Limit("min-cycles").Number || s.lasted() < time.Second
	if few {
		severity = min(severity, claim.Info)
	}
	if few || s.cost.Number >= in.Limit("min-of-capacity").Number {
		// Of a process that is half idle it can be twice the share.
		r.Silent = r.Says + "; what part of the time used that is, it does not tell"
	}
	if s.cost.Number < in.Limit("min-share").Number*in.Limit("min-vote").Number && !(small && room.busy.Number >= in.Limit("min-collecting").Number) {
		return r
	}
	whole := claim.PartOf(evidence.Duration(s.procs), "duration x GOMAXPROCS")
	reproduce := claim.Grep(e, " ms cpu, ")
	c := claim.Candidate{
		Severity: severity, Share: s.cost.Number, Thin: few,
		Summary: claim.Textf("the garbage collector takes %s of all processor time, with %s collections; at least %s of what the goroutines run goes into mark assists", s.cost, s.perSecond(), assist),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "processor time of the collector, idle workers left out", Value: s.cost, Of: whole, Limit: in.Against("min-share"), At: s.at(), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "collections per second", Value: s.perSecond(), At: s.at(), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time in mark assists", Value: assist, Of: claim.PartOf(evidence.Duration(left), "processor time that the collector's workers leave"),
				Limit: in.Against("min-assist"), At: s.at(), Reproduce: reproduce},
		},
	}
	if small {
		room.judge(in, &c, e, s.at(), claim.Grep(e, " MB goal"))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}
