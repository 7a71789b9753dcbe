package memory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// AllocHotspot claims that one site allocates most bytes or objects, and that it matters.
var AllocHotspot = &claim.Detector{
	ID:    "alloc-hotspot",
	Title: "One function allocates most of the memory",
	Doc: `One application function, together with the standard library code it calls, allocates a large part of all bytes or objects, at a rate
at which that costs something.

**How it is measured.** In heap profiles: alloc_space and alloc_objects by the first function outside the standard library, as part of all; the
buffers of the recorder itself are left out. These columns count from the start of the process and have no rate of their own. Two heap profiles of one process, or
one taken over ?seconds=N, give a rate: the difference over the time between. In a CPU profile: samples below runtime.mallocgc by the same function.
The finding is a warning when the CPU profile shows that the collector takes a quarter of the CPU, with the program's own goroutines made to help; or when a trace shows that the collector takes a tenth of
the processors while goroutines that answer to the outside wait for one. A CPU profile alone cannot tell much allocation from a heap that has no room, so there it is an info,
unless one function's memory takes half of all CPU samples. With heap profiles that show the same function allocate at a rate that matters, it is a warning from the share at which its allocating and its part of
the collector's work take more of the CPU than batches that decode and convert spend on it.

**When it is wrong.** Somebody always allocates most; with the collector at ease that is no fault and at most an info. With one heap profile only, the rate
is unknown and the share is of everything since the start, set-up included. Small objects cost more per byte than large ones.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.3, Unit: evidence.Share},
			Doc:    "bytes or objects allocated by the function and its library callees, of all",
			Source: "a third is what makes one place worth changing before all others"},
		{Name: "min-rate", Default: evidence.Quantity{Number: 100 << 20, Unit: evidence.BytesPerSec},
			Doc:    "bytes the function allocates per second",
			Source: "with the smallest heap goal of 4 MiB (runtime/mgc.go, defaultHeapMinimum) this starts 25 collections a second"},
		{Name: "min-objects-rate", Default: evidence.Quantity{Number: 2e6, Unit: evidence.PerSecond},
			Doc:    "objects the function allocates per second",
			Source: "measured: an object of 16 to 64 bytes costs 40 to 75 ns on a busy machine, so two million a second take a tenth of a processor before any of them is marked or swept"},
		{Name: "min-gc-share", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "CPU samples of the collector, of all, from which allocating is a warning",
			Source: "as gc-pressure: runtime/mgcpacer.go, gcBackgroundUtilization"},
		{Name: "min-assist", Default: judge.MinWork,
			Doc:    "CPU samples in mark assists, of those of the program's own goroutines, from which allocating is a warning",
			Source: "as gc-assist"},
		{Name: "min-cpu-share", Default: judge.MinCPUShare,
			Doc:    "CPU samples below mallocgc under the function, of all, from which they vouch for it",
			Source: "a twentieth of the CPU is the least that a change can show"},
		{Name: "min-cost", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "CPU samples below mallocgc under the function, of all, from which allocating is a warning whatever the collector takes",
			Source: "by meaning: more CPU goes into one function's memory than into all else"},
		{Name: "min-of-capacity", Default: judge.MinWork,
			Doc:    "collector's work in a trace, of duration x GOMAXPROCS, from which allocating is a warning where requests wait for a processor; and CPU below mallocgc under one function, for min-cost",
			Source: "as gc-pressure: a tenth of all processors given back is a change one can measure; marking and sweeping cost about as much as allocating itself"},
		{Name: "min-busy", Default: judge.MinBusy,
			Doc:    "processors in use in a trace, of duration x GOMAXPROCS, below which nobody waits for CPU",
			Source: "as cpu-hotspot"},
		{Name: "min-p99", Default: evidence.Duration(reading.ForcedPreemption),
			Doc:    "99th percentile of the waits for a processor of goroutines that answer to the outside, from which allocating is a warning",
			Source: "as sched-latency: runtime/proc.go, forcePreemptNS"},
		{Name: "min-whole-cost", Default: evidence.Quantity{Number: 0.35, Unit: evidence.Share},
			Doc:    "CPU samples below mallocgc under the function and its part of the collector's, of those used, from which allocating is a warning where heap profiles show it too",
			Source: "Judgement call: more than a third goes into making garbage and taking it away; measured on few programs: batches that decode JSON or CSV have 0.13 to 0.32, a service that decodes into maps 0.40"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "bytes and objects allocated by function, with a rate where two profiles of one process give one", Run: allocHotspotHeap},
		{Kind: evidence.CPU, Doc: "samples below runtime.mallocgc by function, and whether the collector costs the program", Run: judge.WorstOf(allocHotspotCPU)},
		{Kind: evidence.Trace, Doc: "whether requests wait for processors that the collector takes; names no site and can only say that it matters", Run: judge.WorstOf(allocHotspotTrace)},
		{Kind: evidence.Folded, Doc: "calls that allocate, or samples in such, by function" + judge.FoldedDoc, Run: judge.FoldedMeasure(allocCalls)},
	},
	Fix: []claim.Text{
		"Reuse what is allocated: a sync.Pool of buffers, a slice cut to zero length, a strings.Builder with Grow",
		"Make slices and maps with their final size, and avoid adding strings in a loop",
		"Pass and keep small values instead of pointers, so that they need not be on the heap (go build -gcflags=-m tells why they are)",
	},
	Sketch: `// Buffers are used again.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func send(w io.Writer, doc Document) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 64<<10 { // one huge document must not stay for ever
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if err := doc.encode(buf); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}
`,
	Explains: []claim.Mechanism{
		{Effect: "gc-pressure", Unless: "small-goal", Why: "the faster memory is allocated, the sooner the heap reaches its goal and the more often it is collected", Source: "runtime/mgcpacer.go"},
		{Effect: "gc-assist", Why: "goroutines that allocate during a mark phase must help to mark", Source: "runtime/mgcmark.go, gcAssistAlloc"},
		{Effect: "cpu-hotspot", Why: "allocating and clearing memory is work", Source: "runtime/malloc.go"},
	},
}

// allocSite is what a function allocated over a stretch of time, or since the start.
type allocSite struct {
	*reading.HeapSite
	bytes, objects int64
}

func allocHotspotHeap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	e := s.LastExhibit()
	if e.Profile().Column("alloc_space") < 0 {
		return claim.Reading{Silent: "the heap profile has no column of allocated memory"}
	}
	over := s.Span()
	since := claim.Text("between the first and the last heap profile")
	if e.Profile().Duration > 0 {
		over, since = e.Profile().Duration, "while the profile was taken"
	} else if over == 0 {
		since = "since the program started"
	}
	var all allocSite
	var sites []allocSite
	for name, h := range s.Last().Sites {
		a := allocSite{h, h.Alloc, h.AllocObjects}
		if over > 0 && len(s.Views) > 1 {
			if was := s.First().Sites[name]; was != nil {
				a.bytes -= was.Alloc
				a.objects -= was.AllocObjects
			}
		}
		all.bytes += a.bytes
		all.objects += a.objects
		sites = append(sites, a)
	}
	if all.bytes <= 0 {
		return claim.Reading{Silent: claim.Textf("nothing was allocated %s", since)}
	}
	slices.SortFunc(sites, func(a, b allocSite) int {
		return cmp.Or(-cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	r := claim.Reading{
		Says:  claim.Textf("the function that allocates most, %s, has %s of the bytes allocated %s", claim.Func(sites[0].Site.Function), evidence.Part(sites[0].bytes, all.bytes), since),
		Power: claim.SharePower(in.Limit("min-share").Number, all.bytes/max(e.Profile().Period, 1), judge.MuchOfIt, "of the bytes allocated"),
	}
	for _, a := range sites {
		if c, ok := allocCandidate(in, s, a, all, over, since); ok {
			r.Candidates = append(r.Candidates, c)
		}
	}
	r.Candidates = r.Candidates[:min(len(r.Candidates), 3)]
	if over == 0 {
		r.Silent = "one heap profile counts from the start of the program and has no rate; whether allocating costs anything it cannot tell"
	}
	return r
}

func allocCandidate(in *claim.Input, s *reading.HeapSeries, a, all allocSite, over time.Duration, since claim.Text) (claim.Candidate, bool) {
	e := s.LastExhibit()
	bytes, objects := evidence.Part(a.bytes, all.bytes), evidence.Part(a.objects, all.objects)
	least := in.Limit("min-share").Number
	if bytes.Number < least && objects.Number < least {
		return claim.Candidate{}, false
	}
	column := "alloc_space"
	share := bytes
	if bytes.Number < least {
		column, share = "alloc_objects", objects
	}
	at := claim.At(a.Site)
	at.SampleType = column
	fact := func(column string, says claim.Text, value evidence.Quantity, of *claim.Whole, limit string) claim.Fact {
		f := claim.Fact{Exhibit: e.ID, Says: says, Value: value, Of: of, At: at, Reproduce: reading.PeekOwn(e, column, a.Site, nil)}
		if over > 0 {
			f.Reproduce = s.Added(f.Reproduce)
		}
		if limit != "" {
			f.Limit = in.Against(limit)
		}
		return f
	}
	c := claim.Candidate{Site: a.Site, Path: a.Path, Share: share.Number, Facts: []claim.Fact{
		fact("alloc_space", "bytes allocated "+since, bytes, claim.PartOf(evidence.Of(all.bytes, evidence.Bytes), "all bytes allocated "+since), "min-share"),
		fact("alloc_objects", "objects allocated "+since, objects, claim.PartOf(evidence.Of(all.objects, evidence.Count), "all objects allocated "+since), "min-share"),
	}}
	if column == "alloc_objects" {
		c.Facts[0], c.Facts[1] = c.Facts[1], c.Facts[0]
	}
	if over <= 0 {
		c.Thin = true
		c.Summary = claim.Textf("%s allocated %s of all bytes and %s of all objects since the program started", claim.Func(a.Site.Function), bytes, objects)
		c.Caveats = []claim.Text{"the rate is unknown: the heap profile counts from the start of the program"}
		return c, true
	}
	rate := evidence.Quantity{Number: float64(a.bytes) / over.Seconds(), Unit: evidence.BytesPerSec}
	count := evidence.Quantity{Number: float64(a.objects) / over.Seconds(), Unit: evidence.PerSecond}
	c.Facts = append(c.Facts,
		fact("alloc_space", "bytes the function allocates per second", rate, claim.PartOf(evidence.Duration(over), "time between the profiles"), "min-rate"),
		fact("alloc_objects", "objects the function allocates per second", count, claim.PartOf(evidence.Duration(over), "time between the profiles"), "min-objects-rate"))
	c.Summary = claim.Textf("%s allocates %s and %s objects, %s of all bytes", claim.Func(a.Site.Function), rate, count, bytes)
	// Somebody always allocates most: slowly, it is nobody's concern.
	if bytes.Number >= least && rate.Number >= in.Limit("min-rate").Number || objects.Number >= least && count.Number >= in.Limit("min-objects-rate").Number {
		c.Severity = claim.Info
	}
	return c, true
}

// allocates reports whether a stack is in the allocation of memory, mark assists included.
func allocates(s stack.Stack) bool {
	for _, f := range s {
		switch f.Function {
		case "runtime.mallocgc", "runtime.gcAssistAlloc", "runtime.newobject", "runtime.makeslice", "runtime.growslice":
			return true
		}
	}
	return false
}

// assists reports whether a stack is made to mark before it may allocate.
func assists(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f *stack.Frame) bool { return strings.HasPrefix(f.Function, "runtime.gcAssistAlloc") })
}

// allocFocus leaves the stacks that allocates names.
const allocFocus = "-focus=runtime.(mallocgc|gcAssistAlloc|newobject|makeslice|growslice)$"

func allocHotspotCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	g := reading.CollectorIn(p, column)
	var allocating, direct int64
	own := map[string]int64{} // by function, without assists
	sites := reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !allocates(s.Stack) {
			return stack.Site{}
		}
		site := s.Stack.Owner()
		if !assists(s.Stack) {
			own[site.Function] += s.Values[column]
			direct += s.Values[column]
		}
		return site
	})
	for _, s := range sites {
		allocating += s.Values[column]
	}
	share := evidence.Part(g.Work(), g.Used())
	assist := evidence.Part(g.Assist, g.Mutators())
	use := reading.UsageOf(p, in.Process.GOMAXPROCS)
	r := claim.Reading{
		Says:  claim.Textf("allocating has %s of the CPU samples and the collector %s", evidence.Part(allocating, g.Total), share),
		Power: claim.SharePower(in.Limit("min-cpu-share").Number, g.Total, in.Limit("min-cost").Number, "of the CPU samples in allocating"),
	}
	for _, s := range sites {
		of := evidence.Part(s.Values[column], allocating)
		cost := evidence.Part(s.Values[column], g.Total)
		if of.Number < in.Limit("min-share").Number || cost.Number < in.Limit("min-cpu-share").Number {
			break
		}
		// An assist is paid by whoever allocates next, however little: who allocates much is seen
		// in the allocating itself.
		if direct > 0 && evidence.Part(own[s.Site.Function], direct).Number < in.Limit("min-share").Number {
			continue
		}
		c := claim.Candidate{
			Site: s.Site, Path: s.Path, Share: cost.Number, Thin: judge.Rough(cost.Number, in.Limit("min-cpu-share").Number, g.Total),
			Summary: claim.Textf("%s of the CPU samples are in memory that %s allocates, mark assists included, and the collector takes %s of the CPU", cost, claim.Func(s.Site.Function), share),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "CPU samples in allocating under the function, mark assists included", Value: cost, Of: claim.PartOf(evidence.Of(g.Total, evidence.Count), "all CPU samples"),
					Limit: in.Against("min-cpu-share"), At: claim.At(s.Site), Reproduce: reading.PeekOwn(e, "samples", s.Site, allocates).With(allocFocus)},
				{Exhibit: e.ID, Says: "of the CPU samples in allocating, under the function", Value: of, Of: claim.PartOf(evidence.Of(allocating, evidence.Count), "CPU samples in allocating"),
					Limit: in.Against("min-share"), At: claim.At(s.Site), Reproduce: reading.PeekOwn(e, "samples", s.Site, allocates).With(allocFocus)},
				{Exhibit: e.ID, Says: "CPU samples of the collector, idle workers left out", Value: share, Of: claim.PartOf(evidence.Of(g.Used(), evidence.Count), "CPU samples outside idle-mode mark workers"),
					Limit: in.Against("min-gc-share"), Reproduce: reading.CollectorTop(e, reading.FocusAll)},
			},
		}
		// What the function would save if it allocated nothing: its allocating, and its part of what the collector does.
		its := evidence.Part(own[s.Site.Function], max(direct, 1)).Number
		whole := evidence.Quantity{Number: evidence.Part(own[s.Site.Function], g.Used()).Number + share.Number*its, Unit: evidence.Share}
		least := in.Limit("min-of-capacity").Number
		switch {
		// Half of all CPU is more than any collector takes: to clear what is allocated costs as
		// much as to mark it, and objects without pointers are never marked.
		case cost.Number >= in.Limit("min-cost").Number && use.Part(cost.Number).Share() >= least:
			c.Severity = claim.Warning
		// Without assists a batch that allocates much is at ease. How much it allocates only
		// heap profiles can say: with a heap that has no room, little is enough.
		case share.Number >= in.Limit("min-gc-share").Number && assist.Number >= in.Limit("min-assist").Number:
			c.Severity, c.Raises = claim.Info, claim.Warning
		case whole.Number >= in.Limit("min-whole-cost").Number && use.Part(whole.Number).Share() >= least:
			c.Raises, c.Facts[2].Limit = claim.Warning, in.Against("min-whole-cost")
			c.Summary += claim.Textf("; its allocating and its part of that are %s", whole)
		}
		r.Candidates = append(r.Candidates, c)
	}
	// CPU samples follow the number of objects, heap profiles their bytes: that a
	// function is not first here denies nothing while allocating costs something.
	if evidence.Part(allocating, g.Total).Number >= in.Limit("min-cpu-share").Number {
		r.Silent = r.Says + "; no one function has most of it"
	}
	return r
}

func allocHotspotTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	share := evidence.Part(t.CollectorTime(), t.ProcTime())
	r := claim.Reading{Silent: claim.Textf("a trace names nobody who allocates; the collector has %s of the processors", share)}
	late := judge.LateForCPU(in, t)
	if late == nil || share.Number < in.Limit("min-of-capacity").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Raises: claim.Warning, Share: share.Number,
		Summary: claim.Textf("the collector takes %s of the processors while goroutines of %s wait for one", share, claim.Func(late.Start.Function)),
		Facts: []claim.Fact{{
			Exhibit: e.ID, Says: "processor time of the collector while requests wait for a processor", Value: share,
			Of:    claim.PartOf(evidence.Duration(t.ProcTime()), "duration x GOMAXPROCS"),
			Limit: in.Against("min-of-capacity"), Reproduce: claim.TraceView(e, "View trace: the GC row, and GC (dedicated), GC (fractional) and MARK ASSIST on the Procs"),
		}, judge.LateFact(e, late, in.Against("min-p99"))},
	}}
	return r
}

// allocCalls are the functions that compiled code allocates by (runtime/malloc.go, slice.go).
var allocCalls = judge.TracedKind{
	Probes: []judge.Probes{
		{Mean: "allocate", Names: []string{"runtime.mallocgc"}},
		{Mean: "allocate", Names: []string{"runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.newarray"}},
	},
	Inside: allocates, Samples: "in allocating", Least: 0.05, Site: judge.OwnerOf,
}
