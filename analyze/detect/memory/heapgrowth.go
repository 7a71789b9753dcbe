package memory

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// heapGrowthGCTrace looks for a direction in the marked heap of a log.
func heapGrowthGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	g := e.GC()
	var floors []exectrace.HeapPoint
	for _, w := range g.Windows {
		floors = append(floors, exectrace.HeapPoint{At: w.To, Live: uint64(max(w.Live, 0))})
	}
	s := reading.SlopeOf(floors, g.Total.To-g.Total.From, int(in.Limit("min-floors").Number))
	if s.Unknown != "" {
		return claim.Reading{Silent: s.Unknown}
	}
	over := s.To - s.From
	r := claim.Reading{Says: claim.Textf("the marked heap went from %s to %s within %s", evidence.Size(int64(s.Begin)), evidence.Size(int64(s.Last)), evidence.Duration(over))}
	long := float64(over) >= in.Limit("min-span").Number
	least := max(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number*float64(s.First))
	r.Power = claim.GrowthPower(least, over)
	rises := s.Rises(in.Limit("min-rising").Number, in.Limit("min-growth").Number, in.Limit("min-growth-share").Number)
	if !long && s.Started(least) {
		// What rose and then stood still says that what was seen to grow was a start, however short the log.
		r.Says += ", and hardly any of it in the second half of that time"
		r.Power = claim.Power{Least: evidence.Of(least, evidence.Bytes), Matters: evidence.Of(least, evidence.Bytes), Says: claim.Textf("growth of %s or more in the second half of the log", evidence.Size(int64(least)))}
		return r
	}
	if !rises {
		return r
	}
	c := claim.Candidate{
		Severity: claim.Warning, Share: evidence.Part(s.Grown, int64(s.Last)).Number,
		Summary: claim.Textf("the live heap rises: from %s to %s within %s", evidence.Size(int64(s.First)), evidence.Size(int64(s.Last)), evidence.Duration(over)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "rise of the marked heap, median of the last third less that of the first", Value: evidence.Of(s.Grown, evidence.Bytes),
				Of:    claim.PartOf(evidence.Of(float64(s.Last), evidence.Bytes), "marked heap in the last third"),
				Limit: in.Against("min-growth"), At: claim.Location{From: int64(s.From), To: int64(s.To)}, Reproduce: claim.Grep(e, " MB goal")},
			{Exhibit: e.ID, Says: "time over which it rose", Value: evidence.Duration(over), Limit: in.Against("min-span"),
				At: claim.Location{From: int64(s.From), To: int64(s.To)}, Reproduce: claim.Grep(e, " MB goal")},
		},
	}
	c.Caveats = []claim.Text{"more load raises the heap as well: hold the rise against the traffic of that time"}
	n := len(floors)
	middle := reading.MedianLive(floors[n/3 : n-n/3])
	switch {
	// What was there from the start accounts for little of it, and the second half of the time brought as much as all before.
	case !long && s.Doubles():
		c.Thin = true
		c.Caveats = []claim.Text{"the log covers too little time to rule out a start that goes on: another of some minutes would"}
	// Any load that has just set in raises the heap for seconds.
	case !long:
		c.Severity = claim.Info
		c.Caveats = []claim.Text{"the log covers too little time to tell a leak from a load that has just set in"}
	// A program that fills its caches slows down; a leak does not.
	case float64(s.Last)-float64(middle) < float64(s.Grown)/reading.LateRise:
		c.Severity = claim.Info
		c.Caveats = []claim.Text{"the growth slowed down before the log ended, as that of a program warming up does"}
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

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
		{Name: "min-growth", Default: minGrowth,
			Doc:    "more memory in use at a site in the last snapshot than in the first",
			Source: "16 sampled objects at the default rate of one per 512 KiB (runtime/mprof.go, MemProfileRate), so that sampling alone does not reach it"},
		{Name: "min-growth-share", Default: minGrowthShare,
			Doc:    "growth at a site, of what it held in the first snapshot",
			Source: "a leak that has run for 20 times as long as it was watched grows by a twentieth; below that it cannot be told from a busy cache"},
		{Name: "min-heap-share", Default: minHeapShare,
			Doc:    "growth at a site, of all memory in use in the first snapshot; below it the growth is an info",
			Source: "ten such intervals double the heap"},
		{Name: "min-floors", Default: minFloors,
			Doc:    "collections in a trace, below which its heap shows no direction",
			Source: "two per third: the fewest of which a median is more than one value"},
		{Name: "min-rising", Default: minRising,
			Doc:    "pairs of floors of the trace's heap of which the later is higher, of all pairs",
			Source: "Mann-Kendall test: of the 15 pairs of six floors without direction, 13 rise by chance once in 36 times"},
		{Name: "min-span", Default: evidence.Duration(10 * time.Minute),
			Doc:    "time over which gctrace shows the marked heap rise, below which it is an info, and below which a steady one denies nothing",
			Source: "longer than a service takes to start and fill its pools; the leak of an incident takes hours"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "memory in use by function in successive heap profiles of one process; two of them cannot tell a leak from a warm-up", Run: heapGrowthHeap},
		{Kind: evidence.Trace, Doc: "the floors of the heap after each collection; names no site", Run: judge.WorstOf(heapGrowthTrace)},
		{Kind: evidence.GCTrace, Doc: "the marked heap of collections over the time of a log; names no site", Run: judge.WorstOf(heapGrowthGCTrace)},
	},
	Fix: []claim.Text{
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

func heapGrowthHeap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	if len(s.Views) < 2 {
		return claim.Reading{Silent: alone(s)}
	}
	was, is := s.First().Inuse, s.Last().Inuse
	r := claim.Reading{Says: claim.Textf("memory in use went from %s to %s over %d heap profiles", evidence.Size(was), evidence.Size(is), len(s.Views))}
	column := s.LastExhibit().Profile().Column("inuse_space")
	if column < 0 {
		return claim.Reading{Silent: "the heap profile has no column of memory in use"}
	}
	r.Power = claim.GrowthPower(max(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number*float64(was)), s.Span())
	r.Silent = s.Unsure(in.Limit("min-growth").Number, allMemory)
	grown := s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, allMemory)
	for _, g := range grown[:min(len(grown), 3)] {
		h := s.Last().Sites[g.Name]
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Severity: claim.Warning, Thin: !g.Steady(),
			Share:   evidence.Part(g.Grown, max(is-was, g.Grown)).Number,
			Summary: claim.Textf("memory that %s allocated and that is still in use grew by %s, from %s to %s%s", claim.Func(h.Site.Function), evidence.Size(g.Grown), evidence.Size(g.Values[0]), evidence.Size(g.Values[len(g.Values)-1]), evidence.Within(s.Span())),
			Facts:   growthFacts(in, s, g, h, "memory in use that the function allocated", ""),
		}
		// One array in use whose smaller ones followed append's steps is most of it.
		if arrays, ok := appends(h, minAppends); ok && arrays.inuse*2 >= h.Inuse {
			c.Variant = "slice"
			c.Summary = claim.Textf("a slice that %s appends to is never cut: what the function allocated and is still in use grew by %s, from %s to %s%s", claim.Func(h.Site.Function), evidence.Size(g.Grown), evidence.Size(g.Values[0]), evidence.Size(g.Values[len(g.Values)-1]), evidence.Within(s.Span()))
		}
		nameSeries(&c, s, h)
		// Who allocates is often a helper; who keeps it has a container that grows with it.
		callers := reading.CallersOf(s.LastExhibit().Profile(), h.Site.Function, reading.InColumn(column))
		if i := slices.IndexFunc(callers, func(by stack.Site) bool { return s.Growth(by.Function, allMemory).Grown > 0 }); i >= 0 {
			callers = callers[i:]
		}
		judge.CalledBy(&c, callers)
		switch {
		// What hardly moves the heap as a whole is worth a line, not an alarm.
		case float64(g.Grown) < in.Limit("min-heap-share").Number*float64(was):
			c.Severity = claim.Info
		case g.Step():
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "it grew in one step and is alike before and after: one large allocation, or one thing that was loaded, is no growth")
		// A program that fills its caches at the start stops growing: a leak does not.
		case g.Ended():
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a program warming up does")
		}
		if len(s.Views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a leak from a warm-up: a third, minutes later, would")
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func heapGrowthTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	s := reading.HeapSlope(e.Trace(), int(in.Limit("min-floors").Number))
	if s.Unknown != "" {
		return claim.Reading{Silent: s.Unknown}
	}
	r := claim.Reading{Says: claim.Textf("the heap after collections went from %s to %s within %s of trace", evidence.Size(int64(s.First)), evidence.Size(int64(s.Last)), evidence.Duration(s.To-s.From))}
	if !s.Rises(in.Limit("min-rising").Number, in.Limit("min-growth").Number, in.Limit("min-growth-share").Number) || s.Ended() {
		// A trace lasts seconds: a heap that is steady that long may still grow by the hour.
		r.Silent = r.Says + ", too short to rule growth out"
		return r
	}
	r.Candidates = []claim.Candidate{{
		Severity: claim.Info, Share: evidence.Part(s.Grown, int64(s.Last)).Number,
		Summary: claim.Textf("the live heap rises: from %s to %s within %s of trace", evidence.Size(int64(s.First)), evidence.Size(int64(s.Last)), evidence.Duration(s.To-s.From)),
		Facts:   []claim.Fact{slopeFact(in, e, s)},
		Caveats: []claim.Text{"a trace covers seconds, and any load that has just set in raises the heap for that long"},
	}}
	return r
}
