package collector

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// ForcedGC claims that the program orders collections itself, again and again.
var ForcedGC = &claim.Detector{
	ID:    "forced-gc",
	Title: "The program forces collections",
	Doc: `Somebody calls runtime.GC or debug.FreeOSMemory again and again. Each call marks the whole live heap, whether there is garbage or not, waits until it has
been swept, and stops the world twice; FreeOSMemory also gives memory back to the system that is asked for again a moment later.

**How it is measured.** gctrace marks such collections with *(forced)*. A trace shows who stopped the world for a collection from inside runtime.GC. A CPU profile shows
what the callers themselves do in it, which is the smaller part of the cost.

**When it is wrong.** A heap profile taken with ?gc=1 forces one collection, and tests and benchmarks force them on purpose: a few are not counted. The collection that the
runtime itself starts after two minutes without one is not marked as forced. On a small heap a forced collection is cheap: below min-busy it is an info.`,
	Limits: []claim.Limit{
		{Name: "min-rate", Default: evidence.Quantity{Number: 0.1, Unit: evidence.PerSecond},
			Doc:    "forced collections per second",
			Source: "once per ten seconds; the runtime itself forces one every two minutes (runtime/proc.go, forcegcperiod)"},
		{Name: "min-forced", Default: evidence.Quantity{Number: 5, Unit: evidence.Count},
			Doc:    "forced collections, below which nothing is said",
			Source: "collecting evidence forces a few itself: one for each heap profile with ?gc=1"},
		{Name: "min-busy", Default: evidence.Quantity{Number: 0.01, Unit: evidence.Share},
			Doc:    "wall time with a forced collection under way, of the time covered, from which it is a warning",
			Source: "one hundredth of the time: one request in a hundred meets a forced collection, which decides P99"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.GCTrace, Doc: "collections marked (forced); names no caller", Run: judge.WorstOf(forcedGCTrace)},
		{Kind: evidence.Trace, Doc: "stops of the world for a collection from inside runtime.GC, by caller", Run: judge.WorstOf(forcedTrace)},
		{Kind: evidence.CPU, Doc: "samples inside runtime.GC, by caller; how often it was called is not in it", Run: judge.WorstOf(forcedCPU)},
	},
	Fix: []claim.Text{
		"Remove the call: the collector starts by itself before the heap doubles, and gives unused memory back in the background",
		"Where it was put there to stay below a container's limit, set GOMEMLIMIT below that limit",
		"Where a test or a batch needs it, call it once between two phases, not per request or by a timer",
	},
	Explains: []claim.Mechanism{
		{Effect: "gc-pressure", Why: "every forced collection marks the whole live heap, whether there is garbage or not", Source: "runtime/mgc.go, GC"},
		{Effect: "stw-extension", Why: "every collection stops the world twice", Source: "runtime/mgc.go"},
	},
	Durations: claim.PauseTimes(claim.FewestDrawn),
}

// tooShort reports whether evidence covers less time than passes between two collections that are forced as often as
// the limit says.
func tooShort(in *claim.Input, covered time.Duration) bool {
	return covered.Seconds()*in.Limit("min-rate").Number < 1
}

// forcedSeverity judges forced collections by how often and how long they run.
func forcedSeverity(in *claim.Input, n int64, covered, busy time.Duration) claim.Severity {
	switch {
	// Evidence that was being collected, or a shutdown.
	case float64(n) < in.Limit("min-forced").Number || covered <= 0:
		return claim.NoSeverity
	case float64(n)/covered.Seconds() < in.Limit("min-rate").Number:
		return claim.NoSeverity
	// On a small heap it is a bad habit and costs nothing.
	case float64(busy) < in.Limit("min-busy").Number*float64(covered):
		return claim.Info
	}
	return claim.Warning
}

func forcedGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	total := e.GC().Total
	covered := total.To - total.From
	rate := reading.RateOf(float64(total.Forced), covered)
	r := claim.Reading{Says: claim.Textf("%d of %s were forced", total.Forced, evidence.Things(total.Cycles, "collection"))}
	severity := forcedSeverity(in, total.Forced, covered, total.BusyForced)
	if severity == claim.NoSeverity {
		// A short log can fall between two calls.
		if tooShort(in, covered) {
			r.Silent = claim.Textf("%s, in %s of log", r.Says, evidence.Duration(covered))
		}
		return r
	}
	busy := evidence.Part(total.BusyForced, covered)
	at := claim.Location{From: int64(total.From), To: int64(total.To)}
	reproduce := claim.Grep(e, "(forced)")
	whole := claim.PartOf(evidence.Duration(covered), "the time from the first collection to the last")
	r.Candidates = []claim.Candidate{{
		Severity: severity, Share: busy.Number,
		Summary: claim.Textf("%s of %s collections were forced, %s, and took %s of the time",
			evidence.Of(total.Forced, evidence.Count), evidence.Of(total.Cycles, evidence.Count), rate, busy),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "forced collections", Value: rate, Of: whole, Limit: in.Against("min-rate"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "number of forced collections", Value: evidence.Of(total.Forced, evidence.Count), Of: claim.PartOf(evidence.Of(total.Cycles, evidence.Count), "collections in the log"),
				Limit: in.Against("min-forced"), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: "wall time with a forced collection under way", Value: busy, Of: whole, Limit: in.Against("min-busy"), At: at, Reproduce: reproduce},
		},
	}}
	return r
}

// forces reports whether a stack is inside a forced collection.
func forces(s stack.Stack) bool { return s.Contains("runtime.GC", "runtime/debug.FreeOSMemory") }

func forcedTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	type caller struct {
		site  stack.Site
		path  []string
		stops int64
	}
	callers := map[string]*caller{}
	var order []*caller
	var all int64
	for _, p := range t.Pauses {
		// Each collection stops the world twice; the caller is on the stack of the first stop.
		if p.Reason != "GC sweep termination" || !forces(p.Stack) {
			continue
		}
		all++
		site := p.Stack.Owner()
		if callers[site.Function] == nil {
			c := &caller{site: site, path: p.Stack.Path()}
			callers[site.Function] = c
			order = append(order, c)
		}
		callers[site.Function].stops++
	}
	r := claim.Reading{Says: claim.Textf("%d of %s began inside runtime.GC", all, evidence.Things(t.CycleCount, "collection"))}
	if tooShort(in, t.Duration) {
		r.Silent = claim.Textf("%s, in %s of trace", r.Says, evidence.Duration(t.Duration))
	}
	slices.SortStableFunc(order, func(a, b *caller) int {
		return cmp.Or(-cmp.Compare(a.stops, b.stops), cmp.Compare(a.site.Function, b.site.Function))
	})
	marking := t.MarkTime()
	for _, c := range order[:min(len(order), 5)] {
		// The time of a caller's collections, taken from the mean of all.
		busy := time.Duration(float64(marking) * float64(c.stops) / float64(max(t.CycleCount, 1)))
		severity := forcedSeverity(in, c.stops, t.Duration, busy)
		if c.stops < 2 {
			continue
		}
		rate := reading.RateOf(float64(c.stops), t.Duration)
		reproduce := claim.TraceView(e, "View trace: the STW row, GC sweep termination; the stack names the caller")
		where := claim.At(c.site)
		where.To = int64(t.Duration)
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: c.site, Path: c.path, Severity: severity, Share: evidence.Part(busy, t.Duration).Number,
			Summary: claim.Textf("%s forces a collection %s: %d of %d in the trace", claim.Func(c.site.Function), rate, c.stops, t.CycleCount),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "forced collections", Value: rate, Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-rate"), At: where, Reproduce: reproduce},
				{Exhibit: e.ID, Says: "number of forced collections", Value: evidence.Of(c.stops, evidence.Count), Of: claim.PartOf(evidence.Of(t.CycleCount, evidence.Count), "collections in the trace"),
					Limit: in.Against("min-forced"), At: where, Reproduce: reproduce},
				{Exhibit: e.ID, Says: "time with a mark phase under way, this caller's part of the collections", Value: evidence.Part(busy, t.Duration),
					Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-busy"), At: where, Reproduce: reproduce},
			},
		})
	}
	return r
}

func forcedCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	r := claim.Reading{Silent: "a CPU profile shows what the callers of runtime.GC do in it, not how often they call it"}
	sums := reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !forces(s.Stack) {
			return stack.Site{}
		}
		return s.Stack.Owner()
	})
	total := p.Total(column)
	for _, s := range sums[:min(len(sums), 5)] {
		n := s.Values[column]
		// A single sample may be of the profile's own doing.
		if n < 2 {
			continue
		}
		share := evidence.Part(n, total)
		severity := claim.NoSeverity
		if n >= judge.FewEvents && share.Number >= in.Limit("min-busy").Number {
			severity = claim.Info // how often it is called, and what marking costs, is not in the profile
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: s.Path, Severity: severity, Share: share.Number, Thin: n < judge.FewEvents,
			Summary: claim.Textf("%s forces collections: %s of the CPU samples are inside its calls of runtime.GC, without the marking", claim.Func(s.Site.Function), share),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples inside runtime.GC below this function", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
				Limit: in.Against("min-busy"), At: claim.At(s.Site), Reproduce: claim.Peek(e, "samples", stack.Site{Function: "runtime.GC"})}},
		})
	}
	return r
}
