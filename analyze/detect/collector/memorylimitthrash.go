package collector

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// MemoryLimitThrash claims that collections follow each other without a rest because the heap has no room left.
var MemoryLimitThrash = &claim.Detector{
	ID:      "memory-limit-thrash",
	Title:   "Collections run back to back at the memory limit",
	Process: true,
	Doc: `The live heap stands so close to the size at which the next collection must be done that collecting frees hardly anything, and the next
collection begins when the last has ended. That is what a memory limit (GOMEMLIMIT, debug.SetMemoryLimit) does to a program that needs more than it: the runtime
gives up to half of the processors to the collector before it lets the heap pass the limit.

**How it is measured.** Each gctrace line names the marked heap and the heap goal. Collections of which the goal is less than min-headroom above the marked heap are
tight; forced ones and heaps of a few MB are left out, since all sizes are printed in whole MB. A goal that goes up with the heap follows GOGC and is no limit. The longest stretch of tight collections is judged: the time in them, of the
time it lasted, and the processor time they took, without what idle workers marked on processors that nobody wanted. A trace shows the same by its heap metric. A CPU profile
shows what the collector costs, but not why.

**When it is wrong.** A GOGC below 8 leaves as little room, limit or not. A heap ballast or a limit set low on purpose, in a batch that has the processors to spare, is a
trade, not a mistake.`,
	Limits: []claim.Limit{
		{Name: "min-headroom", Default: evidence.Quantity{Number: 1.08, Unit: evidence.Ratio},
			Doc:    "heap goal over marked heap, below which a collection is tight",
			Source: "runtime/mgcpacer.go: without a limit GOGC=100 leaves 2; a GOGC of 10, lower than is set for speed, leaves 1.1, printed in whole MB"},
		{Name: "min-live", Default: evidence.Quantity{Number: 32 << 20, Unit: evidence.Bytes},
			Doc:    "marked heap, below which a collection is not judged",
			Source: "runtime/mgc.go: gctrace prints whole MiB; at 32 the rounding of both sizes moves their ratio by 0.03 at most"},
		{Name: "min-busy", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "wall time with a tight collection under way, of the stretch",
			Source: "half of the time: the pauses between two collections are no longer than the collections"},
		{Name: "min-cost", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "processor time of the collector without idle-mode workers, of the stretch x GOMAXPROCS, from which it is a warning",
			Source: "as gc-pressure: a tenth of all processors given back is a change one can measure"},
		{Name: "min-critical", Default: evidence.Quantity{Number: 0.4, Unit: evidence.Share},
			Doc:    "the same, from which it is critical",
			Source: "runtime/mgclimit.go: the runtime holds the collector to half of the processors on average; what is close to it is held by that alone"},
		{Name: "min-holder", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "memory in use that one function holds, of all, from which it is named",
			Source: "Judgement call: half of what fills the limit is where room can be made"},
		{Name: "min-cycles", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
			Doc:    "tight collections in a row, below which nothing is said",
			Source: "a burst that is freed again passes the goal for one or two collections"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.GCTrace, Doc: "heap goal against marked heap, and the time in collections, in the longest tight stretch", Run: judge.WorstOf(thrashGCTrace)},
		{Kind: evidence.Trace, Doc: "the same by the heap metric and the mark phases; a trace of seconds can miss it", Run: judge.WorstOf(thrashTrace)},
		{Kind: evidence.CPU, Doc: "what the collector costs; it cannot say why, and never denies it", Run: judge.WorstOf(thrashCPU)},
		{Kind: evidence.Heap, Doc: "who holds the live memory; it names a place and never accuses or denies", Run: thrashHeap},
	},
	Fix: []claim.Text{
		"Raise the limit to what the program needs and the container allows: the live heap, the goroutines' stacks and a good part more",
		"Make the live heap smaller: see heap-growth and map-growth for what fills it, bound caches by bytes",
		"Do not set GOGC=off with a limit that the live heap can reach; keep GOGC beside GOMEMLIMIT, and alert on the live heap before it comes near",
	},
	Explains: []claim.Mechanism{
		{Effect: "gc-pressure", Why: "a heap that stands at its goal is collected again as soon as it has been collected", Source: "runtime/mgcpacer.go, memoryLimitHeapGoal"},
		{Effect: "gc-assist", Why: "with no room left to the goal, goroutines that allocate must mark for what they allocate", Source: "runtime/mgcpacer.go"},
		{Effect: "stw-extension", Why: "every collection stops the world twice", Source: "runtime/mgc.go"},
	},
	Durations: claim.PauseTimes(claim.FewestDrawn),
}

// tightest returns the longest run of windows in which the goal hardly exceeds the marked heap.
func tightest(in *claim.Input, g *runtimelog.GC) (best stretch, found bool) {
	begin := 0
	var least int64 // goal since then
	for i := 0; i <= len(g.Windows); i++ {
		if i < len(g.Windows) {
			w := &g.Windows[i]
			// A limit stays where it is. A goal that goes up with the heap follows GOGC.
			if i > begin && least > 0 && float64(w.Goal) > limitDrift*float64(least) {
				if s := Span(g, g.Windows[begin:i]); !found || s.lasted() > best.lasted() {
					best, found = s, true
				}
				begin, least = i, 0
			}
			if least == 0 || w.Goal < least {
				least = w.Goal
			}
			if float64(w.Live) >= in.Limit("min-live").Number && float64(w.Goal) < in.Limit("min-headroom").Number*float64(w.Live) && w.Forced*2 <= w.Cycles {
				continue
			}
		}
		if i > begin {
			if s := Span(g, g.Windows[begin:i]); !found || s.lasted() > best.lasted() {
				best, found = s, true
			}
		}
		begin, least = i+1, 0
	}
	return best, found
}

// limitDrift is how far a goal may move under a memory limit: what is not heap
// (stacks, the runtime's own, room that is not given back) counts against it and
// changes by some per cent (runtime/mgcpacer.go, memoryLimitHeapGoal).
const limitDrift = 1.1

// gcBackgroundUtilization is the part of the processors that the runtime marks with while a collection is under way
// (runtime/mgcpacer.go).
const gcBackgroundUtilization = 0.25

func thrashGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	g := e.GC()
	whole := evidence.Quantity{Number: float64(g.Total.Goal) / float64(max(g.Total.Live, 1)), Unit: evidence.Ratio}
	r := claim.Reading{Says: claim.Textf("over %s the heap goal is %s the marked heap on average", evidence.Things(g.Total.Cycles, "collection"), whole)}
	if float64(g.Total.Cycles) < in.Limit("min-cycles").Number {
		// Few collections in a minute are the opposite of back to back.
		if g.Total.To-g.Total.From < time.Minute {
			r.Silent = claim.Textf("only %s in the log", evidence.Things(g.Total.Cycles, "collection"))
		}
		return r
	}
	s, found := tightest(in, g)
	// One or two tight collections are a burst; a heap that idles at its limit is not collected.
	if !found || float64(s.Cycles) < in.Limit("min-cycles").Number || s.busy().Number < in.Limit("min-busy").Number {
		return r
	}
	headroom := evidence.Quantity{Number: float64(s.Goal) / float64(max(s.Live, 1)), Unit: evidence.Ratio}
	c := thrash(in, s.busy(), s.cost, headroom)
	at := s.at()
	reproduce := claim.Grep(e, " MB goal")
	fact := func(says claim.Text, v evidence.Quantity, of *claim.Whole, limit string) claim.Fact {
		f := claim.Fact{Exhibit: e.ID, Says: says, Value: v, Of: of, At: at, Reproduce: reproduce}
		if limit != "" {
			f.Limit = in.Against(limit)
		}
		return f
	}
	lasted := claim.PartOf(evidence.Duration(s.lasted()), "the stretch of tight collections")
	c.Facts = []claim.Fact{
		fact("wall time with a collection under way", s.busy(), lasted, "min-busy"),
		fact("heap goal over marked heap", headroom, nil, "min-headroom"),
		fact("collector's processor time, idle workers left out", s.cost, claim.PartOf(evidence.Duration(s.procs), "the stretch x GOMAXPROCS"), "min-cost"),
		fact("marked heap", evidence.Of(s.Live, evidence.Bytes), nil, "min-live"),
		fact("heap goal", evidence.Of(s.Goal, evidence.Bytes), nil, ""),
		fact("tight collections in a row", evidence.Of(s.Cycles, evidence.Count), nil, "min-cycles"),
	}
	c.Summary = claim.Textf("the marked heap of %s stands at its goal of %s (%s), and collections take %s of the time and %s of the processors",
		evidence.Of(s.Live, evidence.Bytes), evidence.Of(s.Goal, evidence.Bytes), headroom, s.busy(), s.cost)
	r.Candidates = []claim.Candidate{c}
	return r
}

// thrash judges tight collections by what they cost.
func thrash(in *claim.Input, busy, cost, headroom evidence.Quantity) claim.Candidate {
	c := claim.Candidate{Severity: claim.Warning, Share: cost.Number,
		Caveats: []claim.Text{"a GOGC below 8 leaves as little room as a limit: look how the program is started"}}
	switch {
	// Marking on processors that nobody wants costs nobody anything.
	case cost.Number < in.Limit("min-cost").Number:
		c.Severity = claim.Info
	case cost.Number >= in.Limit("min-critical").Number:
		c.Severity = claim.Critical
	}
	return c
}

func thrashTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	var ratios []float64
	var live, goal uint64
	for _, p := range t.Heap {
		if p.AfterGC && p.Live > 0 && float64(p.Live) >= in.Limit("min-live").Number {
			ratios = append(ratios, float64(p.Goal)/float64(p.Live))
			live, goal = p.Live, p.Goal
		}
	}
	marking := t.MarkTime()
	busy := evidence.Part(marking, t.Duration)
	r := claim.Reading{Says: claim.Textf("%s of a heap of some size, a mark phase under way %s of the time", evidence.Things(len(ratios), "collection"), busy)}
	if t.Duration < reading.ShortTrace || float64(len(ratios)) < in.Limit("min-cycles").Number {
		r.Silent = claim.Textf("only %s of a heap of some size in %s of trace", evidence.Things(len(ratios), "collection"), evidence.Duration(t.Duration))
		return r
	}
	slices.Sort(ratios)
	headroom := evidence.Quantity{Number: ratios[len(ratios)/2], Unit: evidence.Ratio}
	if headroom.Number >= in.Limit("min-headroom").Number || busy.Number < in.Limit("min-busy").Number {
		return r
	}
	cost := evidence.Part(t.CollectorTime(), t.ProcTime())
	c := thrash(in, busy, cost, headroom)
	at := claim.Location{To: int64(t.Duration)}
	reproduce := claim.TraceView(e, "View trace: the Heap counter against NextGC, and the GC row")
	c.Facts = []claim.Fact{
		{Exhibit: e.ID, Says: "time with a mark phase under way", Value: busy, Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-busy"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "heap goal over heap after a collection, median", Value: headroom, Limit: in.Against("min-headroom"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "collector's processor time, idle workers left out", Value: cost, Of: claim.PartOf(evidence.Duration(t.ProcTime()), "duration x GOMAXPROCS"), Limit: in.Against("min-cost"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "heap after the last collection", Value: evidence.Of(float64(live), evidence.Bytes), Of: claim.PartOf(evidence.Of(float64(goal), evidence.Bytes), "the goal of the next"), At: at, Reproduce: reproduce},
	}
	c.Summary = claim.Textf("the heap of %s stands at its goal of %s (median %s), and mark phases take %s of the time and %s of the processors",
		evidence.Of(float64(live), evidence.Bytes), evidence.Of(float64(goal), evidence.Bytes), headroom, busy, cost)
	r.Candidates = []claim.Candidate{c}
	return r
}

func thrashCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "a CPU profile shows what the collector costs and not how much room the heap has"}
	p := e.Profile()
	g := reading.CollectorIn(p, p.Column("samples"))
	share := evidence.Part(g.Work(), g.Used())
	// Below the background share of one collection after the other it says nothing.
	if g.Total < claim.FewSamples || share.Number < gcBackgroundUtilization {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Severity: claim.NoSeverity, Share: share.Number,
		Summary: claim.Textf("the collector has %s of the CPU samples", share),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples in the collector, idle workers left out", Value: share,
			Of: claim.PartOf(evidence.Of(g.Used(), evidence.Count), "CPU samples outside idle-mode mark workers"), Reproduce: reading.CollectorTop(e, reading.FocusAll)}},
	}}
	return r
}

func thrashHeap(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a heap profile shows who holds memory and not how much room there is"}
	if _, c, ok := judge.HeapHolder(reading.HeapOf(in.Process, in.Exhibits)); ok && c.Share >= in.Limit("min-holder").Number {
		c.Sites, c.Site, c.Thin = append([]stack.Site{c.Site}, c.Sites...), stack.Site{}, true
		c.Facts[0].Limit = in.Against("min-holder")
		r.Candidates = []claim.Candidate{c}
	}
	return r
}
