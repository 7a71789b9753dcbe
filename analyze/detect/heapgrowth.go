package detect

import (
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// HeapGrowth claims that the live heap grows at a site between snapshots, or as a whole over a trace.
var HeapGrowth = &claim.Detector{
	ID:    "heap-growth",
	Title: "Live memory grows",
	Doc: `Memory that one function allocated and that is still in use becomes more from one heap profile to the next, or the
live heap rises over a trace.

**How it is measured.** Heap profiles of one process are lined up by time. A profile in which less was allocated since the start than
in an earlier one belongs to another process and is not compared. Memory in use is added up by the first function outside the standard
library; the buffers of the recorder itself are left out. The growth must be larger than three standard errors of the sampling, which are computed from
what was allocated and freed there in between. In a trace the floors of the heap, the lowest value after each collection, must rise from
the first third to the last, and most of them above the one before.

**When it is wrong.** A program that is warming up fills its caches and pools, and between two snapshots that looks like a leak. Two snapshots
alone are therefore thin evidence; a third that shows the growth going on, or a trace whose heap rises too, settles it. A heap profile shows the state at the last
finished collection, so it lags behind. Growth that comes with more traffic is growth all the same.`,
	Limits: []claim.Limit{
		{Name: "min-growth", Default: evidence.Quantity{Number: 8 << 20, Unit: evidence.Bytes},
			Doc:    "more memory in use at a site in the last snapshot than in the first",
			Source: "16 sampled objects at the default rate of one per 512 KiB (runtime/mprof.go, MemProfileRate), so that sampling alone does not reach it"},
		{Name: "min-growth-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "growth at a site, of what it held in the first snapshot",
			Source: "a leak that has run for 20 times as long as it was watched grows by a twentieth; below that it cannot be told from a busy cache"},
		{Name: "min-heap-share", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "growth at a site, of all memory in use in the first snapshot; below it the growth is an info",
			Source: "ten such intervals double the heap"},
		{Name: "min-floors", Default: evidence.Quantity{Number: 6, Unit: evidence.Count},
			Doc:    "collections in a trace, below which its heap shows no direction",
			Source: "two per third: the fewest of which a median is more than one value"},
		{Name: "min-rising", Default: evidence.Quantity{Number: 0.85, Unit: evidence.Share},
			Doc:    "pairs of floors of the trace's heap of which the later is higher, of all pairs",
			Source: "Mann-Kendall test: of the 15 pairs of six floors without direction, 13 rise by chance once in 36 times"},
		{Name: "min-span", Default: evidence.Duration(10 * time.Minute),
			Doc:    "time over which gctrace shows the marked heap rise, below which it is an info, and below which a steady one denies nothing",
			Source: "longer than a service takes to start and fill its pools; the leak of an incident takes hours"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "memory in use by function in successive heap profiles of one process; two of them cannot tell a leak from a warm-up", Run: heapGrowthHeap},
		{Kind: evidence.Trace, Doc: "the floors of the heap after each collection; names no site", Run: worstOf(heapGrowthTrace)},
		{Kind: evidence.GCTrace, Doc: "the marked heap of collections over the time of a log; names no site", Run: worstOf(heapGrowthGCTrace)},
	},
	Fix: []string{
		"Find who keeps what the function allocates: a map or slice nothing is deleted from, goroutines that never end, timers never stopped, contexts that are never cancelled",
		"Give the structure a cap or an expiry, and delete on the way out of every path, errors included",
		"Take three heap profiles minutes apart and compare them with go tool pprof -diff_base to see whether the growth goes on",
	},
	Sketch: `// A cache with a cap: the least recently used entry makes room.
func (c *Cache) Put(key string, value []byte) {
	if e, ok := c.entries[key]; ok {
		e.Value.(*entry).value = value
		c.order.MoveToFront(e)
		return
	}
	c.entries[key] = c.order.PushFront(&entry{key, value}) // container/list
	if c.order.Len() > c.cap {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.entries, oldest.Value.(*entry).key)
	}
}
`,
	Explains: []claim.Mechanism{
		{Effect: "gc-pressure", Why: "the collector's work grows with the live heap", Source: "runtime/mgcpacer.go"},
		{Effect: "memory-limit-thrash", Why: "live memory that grows uses up the room below the limit", Source: "runtime/mgcpacer.go, memoryLimitHeapGoal"},
		{Effect: "crash", Why: "live memory that grows ends in an allocation that fails", Source: "runtime/malloc.go"},
	},
}

func allMemory(h *heapSite) heapSum { return h.heapSum }

func heapGrowthHeap(in *claim.Input) claim.Reading {
	s := oneProcess(in.Exhibits)
	if len(s.views) < 2 {
		return claim.Reading{Silent: alone(s)}
	}
	was, is := s.first().inuse, s.last().inuse
	r := claim.Reading{Says: fmt.Sprintf("memory in use went from %s to %s over %d heap profiles", size(was), size(is), len(s.views))}
	column := s.lastExhibit().Profile.Column("inuse_space")
	if column < 0 {
		return claim.Reading{Silent: "the heap profile has no column of memory in use"}
	}
	r.Power = claim.GrowthPower(max(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number*float64(was)), s.span())
	r.Silent = s.unsure(in.Limit("min-growth").Number, allMemory)
	grown := s.growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, allMemory)
	for _, g := range grown[:min(len(grown), 3)] {
		h := s.last().sites[g.name]
		c := claim.Candidate{
			Site: h.site, Path: h.path, Severity: claim.Warning, Thin: !g.steady(),
			Share:   evidence.Part(g.grown, max(is-was, g.grown)).Number,
			Summary: fmt.Sprintf("memory that %s allocated and that is still in use grew by %s, from %s to %s%s", h.site.Function, size(g.grown), size(g.values[0]), size(g.values[len(g.values)-1]), within(s.span())),
			Facts:   growthFacts(in, s, g, h, "memory in use that the function allocated", ""),
		}
		// One array in use whose smaller ones followed append's steps is most of it.
		if arrays, ok := appends(h, minAppends); ok && arrays.inuse*2 >= h.inuse {
			c.Variant = "slice"
			c.Summary = fmt.Sprintf("a slice that %s appends to is never cut: what the function allocated and is still in use grew by %s, from %s to %s%s", h.site.Function, size(g.grown), size(g.values[0]), size(g.values[len(g.values)-1]), within(s.span()))
		}
		// Who allocates is often a helper; who keeps it has a container that grows with it.
		callers := callersOf(s.lastExhibit().Profile, h.site.Function, inColumn(column))
		if i := slices.IndexFunc(callers, func(by stack.Site) bool { return s.growth(by.Function, allMemory).grown > 0 }); i >= 0 {
			callers = callers[i:]
		}
		calledBy(&c, callers)
		switch {
		// What hardly moves the heap as a whole is worth a line, not an alarm.
		case float64(g.grown) < in.Limit("min-heap-share").Number*float64(was):
			c.Severity = claim.Info
		case g.step():
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "it grew in one step and is alike before and after: one large allocation, or one thing that was loaded, is no growth")
		// A program that fills its caches at the start stops growing: a leak does not.
		case g.ended():
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a program warming up does")
		}
		if len(s.views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a leak from a warm-up: a third, minutes later, would")
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// growthFacts are the facts of memory that grew at a site, the growth first.
// options are what makes pprof leave the memory that was counted.
func growthFacts(in *claim.Input, s *heapSeries, g growth, h *heapSite, what, options string) []claim.Fact {
	first, last := s.exhibits[0], s.lastExhibit()
	at := claim.At(h.site)
	at.SampleType = "inuse_space"
	peek := func(e *evidence.Exhibit) claim.Command {
		if options == "" {
			return peekOwn(e, "inuse_space", h.site, nil)
		}
		return claim.Peek(e, "inuse_space", h.site).With(options)
	}
	facts := []claim.Fact{{
		Exhibit: last.ID, Says: what + ", last snapshot less first", Value: evidence.Of(g.grown, evidence.Bytes),
		Of:    claim.PartOf(evidence.Of(s.last().inuse, evidence.Bytes), "memory in use in the last snapshot"),
		Limit: in.Against("min-growth"), At: at, Reproduce: s.added(peek(last)),
	}, {
		Exhibit: first.ID, Says: what + ", in the first snapshot", Value: evidence.Of(g.values[0], evidence.Bytes),
		Of: claim.PartOf(evidence.Of(s.first().inuse, evidence.Bytes), "memory in use in the first snapshot"),
		At: at, Reproduce: peek(first),
	}}
	if span := s.span(); span > 0 {
		facts = append(facts, claim.Fact{
			Exhibit: last.ID, Says: "growth per second between the first and the last snapshot",
			Value: evidence.Of(float64(g.grown)/span.Seconds(), evidence.BytesPerSec),
			Of:    claim.PartOf(evidence.Duration(span), "time between the snapshots"), At: at,
			Reproduce: s.added(peek(last)),
		})
	}
	return append(facts, claim.Fact{
		Exhibit: last.ID, Says: "of what the function allocated between the snapshots, still in use", Value: evidence.Quantity{Number: g.kept, Unit: evidence.Share},
		Of: claim.PartOf(evidence.Of(g.made, evidence.Bytes), "memory it allocated between the snapshots"),
		At: at, Reproduce: s.added(peek(last)),
	})
}

// alone says why a series of one heap profile shows no growth.
func alone(s *heapSeries) string {
	if d := s.lastExhibit().Duration; d > 0 {
		return fmt.Sprintf("the heap profile is the difference over %s, which shows no state to compare; take two without ?seconds", evidence.Duration(d))
	}
	if s.dropped > 0 {
		return "no two heap profiles of one process: what was allocated since the start became less, so they are of different runs, or they were taken with different rates"
	}
	return "one heap profile shows a state; growth needs two of the same process"
}

func size(n int64) string { return evidence.Of(n, evidence.Bytes).String() }

// within tells a time span at the end of a sentence; nothing when it is unknown.
func within(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " within " + evidence.Duration(d).String()
}

// slope is what the floors of a trace's heap say.
type slope struct {
	begin       uint64        // the first floor
	first, last uint64        // medians of the first and the last third of the floors
	grown       int64         // last less first
	late        int64         // what of the rise came in the second half of the time
	rising      float64       // pairs of floors of which the later is higher, of all pairs
	from, to    time.Duration // offsets of the first and the last floor
	unknown     string        // why the trace cannot say; empty when it can
}

// heapSlope looks for a direction in the floors of the heap after collections.
func heapSlope(t *exectrace.Timeline, minFloors int) slope {
	var floors []exectrace.HeapPoint
	for _, p := range t.Heap {
		if p.AfterGC {
			floors = append(floors, p)
		}
	}
	return slopeOf(floors, t.Duration, minFloors)
}

// slopeOf looks for a direction in floors of the heap that were seen over some time.
func slopeOf(floors []exectrace.HeapPoint, over time.Duration, minFloors int) slope {
	var s slope
	n := len(floors)
	if n < max(minFloors, 3) {
		s.unknown = fmt.Sprintf("only %s in %s: the heap shows no direction", evidence.Things(n, "collection"), evidence.Duration(over))
		return s
	}
	pairs, rises := 0, 0
	for i := range floors {
		for j := range i {
			pairs++
			if floors[i].Live > floors[j].Live {
				rises++
			}
		}
	}
	s.rising = float64(rises) / float64(pairs)
	s.first, s.last = medianLive(floors[:n/3]), medianLive(floors[n-n/3:])
	s.begin, s.grown = floors[0].Live, int64(s.last)-int64(s.first)
	s.from, s.to = floors[0].At, floors[n-1].At
	middle := floors[0].Live
	for _, f := range floors {
		if f.At <= s.from+(s.to-s.from)/2 {
			middle = f.Live
		}
	}
	s.late = int64(s.last) - int64(middle)
	return s
}

func heapGrowthTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	s := heapSlope(e.Trace, int(in.Limit("min-floors").Number))
	if s.unknown != "" {
		return claim.Reading{Silent: s.unknown}
	}
	r := claim.Reading{Says: fmt.Sprintf("the heap after collections went from %s to %s within %s of trace", size(int64(s.first)), size(int64(s.last)), evidence.Duration(s.to-s.from))}
	if !s.rises(in.Limit("min-rising").Number, in.Limit("min-growth").Number, in.Limit("min-growth-share").Number) || s.ended() {
		// A trace lasts seconds: a heap that is steady that long may still grow by the hour.
		r.Silent = r.Says + ", too short to rule growth out"
		return r
	}
	r.Candidates = []claim.Candidate{{
		Severity: claim.Info, Share: evidence.Part(s.grown, int64(s.last)).Number,
		Summary: fmt.Sprintf("the live heap rises: from %s to %s within %s of trace", size(int64(s.first)), size(int64(s.last)), evidence.Duration(s.to-s.from)),
		Facts:   []claim.Fact{slopeFact(in, e, s)},
		Caveats: []string{"a trace covers seconds, and any load that has just set in raises the heap for that long"},
	}}
	return r
}

// ended reports whether hardly any of the rise came in the second half of the time:
// collections crowd where a heap is built, and count for little of it.
func (s slope) ended() bool { return s.late < s.grown/4 }

// started reports whether the heap rose by so much and then stood still for the second half of the time.
func (s slope) started(least float64) bool {
	rise := int64(s.last) - int64(s.begin)
	return float64(rise) >= least && s.late < rise/4
}

// doubles reports whether the heap grew from next to nothing and as fast in the second half of the time as in the first: where
// collections come evenly, the median of the last third stands at five sixths of the time, and a third of the way of five lies behind the middle.
func (s slope) doubles() bool { return float64(s.late) >= 0.4*float64(s.last) }

// rises reports whether the floors go up by enough and steadily.
func (s slope) rises(rising, growth, share float64) bool {
	return s.unknown == "" && s.rising >= rising && float64(s.grown) >= growth && float64(s.grown) >= share*float64(s.first)
}

func slopeFact(in *claim.Input, e *evidence.Exhibit, s slope) claim.Fact {
	return claim.Fact{
		Exhibit: e.ID, Says: "rise of the heap after collections, median of the last third less that of the first", Value: evidence.Of(s.grown, evidence.Bytes),
		Of:    claim.PartOf(evidence.Of(float64(s.last), evidence.Bytes), "heap after collections in the last third"),
		Limit: in.Against("min-growth"), At: claim.Location{From: int64(s.from), To: int64(s.to)},
		Reproduce: claim.TraceView(e, "View trace: the lower edge of the Heap counter"),
	}
}

func medianLive(floors []exectrace.HeapPoint) uint64 {
	values := make([]uint64, len(floors))
	for i, p := range floors {
		values[i] = p.Live
	}
	slices.Sort(values)
	return values[len(values)/2]
}
