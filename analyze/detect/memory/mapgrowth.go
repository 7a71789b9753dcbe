package memory

import (
	"maps"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// mapCalls are the functions whose calls make maps larger or put entries in:
// runtime/map*.go, and internal/runtime/maps since Go 1.24, which keeps the older names
// for what compiled code calls (go:linkname in runtime_*.go).
var mapCalls = judge.TracedKind{
	Probes: []judge.Probes{
		{Mean: "make a map larger", Names: slices.Sorted(maps.Keys(mapGrowers))},
		{Mean: "assign to a map", Names: []string{
			"runtime.mapassign", "runtime.mapassign_fast32", "runtime.mapassign_fast32ptr",
			"runtime.mapassign_fast64", "runtime.mapassign_fast64ptr", "runtime.mapassign_faststr",
		}},
	},
	Inside: growsMap, Samples: "in maps being made larger", Site: judge.OwnerOf,
}

// MapGrowth claims that a map only grows.
var MapGrowth = &claim.Detector{
	ID:    "map-growth",
	Title: "A map only grows",
	Doc: `A map at one place takes more and more memory, because entries are put in and none is taken out. A map never gives its tables
back, not even when all its entries are deleted ([golang/go#20135](https://go.dev/issue/20135)).

**How it is measured.** A heap profile cuts the runtime's own frames, so the tables of a map stand on the line of the program that
assigns to it, never on mapassign. They are known by their sizes. Since Go 1.24 a table has 8, 16, ... up to 1024 slots and then is split in two, so at one
line the sizes of the objects double and end in a plateau of many equal blocks; where the small ones were not sampled, half of the equal blocks ever allocated must be in use, as each split
makes two tables of one. Before, the buckets of a map were one array whose size doubles without an end.
Memory in such blocks must grow between two heap profiles of one process. CPU samples in the functions that rehash, split and evacuate tables, under the same function of
the program, vouch for it, and so does a trace whose heap rises. Memory that a sync.Map allocates is recognised by its frames (variant sync.Map), and so are the series of a metrics registry (variant metrics-labels).

**When it is wrong.** A slab or ring of equal blocks at one line looks like the tables of a map; without CPU samples in the map's growth the two cannot be told
apart. A map that is filled once at the start grows between two snapshots too; and as all its tables fill up together, a map grows in steps with long rests between them. A map at its cap is large and flat, which is no fault; a single heap profile cannot
tell, so it is told as an info. A CPU profile alone cannot tell one map that grows from many that are built without a size hint.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "memory in the tables of maps at a site, of all memory in use, where it grows",
			Source: "the tables hold keys and small values; a tenth of the heap in them means that the map and what it keeps decide the heap's size"},
		{Name: "min-flat-share", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "the same where there is one heap profile only, so that growth is unknown",
			Source: "a quarter of the heap in one map is worth a look at what bounds it"},
		{Name: "min-growth", Default: minGrowth,
			Doc:    "more memory in use in the tables in the last snapshot than in the first",
			Source: "as heap-growth: 16 sampled objects at the default rate (runtime/mprof.go, MemProfileRate)"},
		{Name: "min-growth-share", Default: minGrowthShare,
			Doc:    "growth of the tables, of what they held in the first snapshot",
			Source: "as heap-growth"},
		{Name: "min-floors", Default: minFloors,
			Doc:    "collections in a trace, below which its heap shows no direction and vouches for nothing",
			Source: "as heap-growth"},
		{Name: "min-rising", Default: minRising,
			Doc:    "pairs of floors of the trace's heap of which the later is higher, of all pairs",
			Source: "as heap-growth"},
		{Name: "min-blocks", Default: evidence.Quantity{Number: 16, Unit: evidence.Count},
			Doc:    "equal blocks at one line that make a plateau",
			Source: "internal/runtime/maps/table.go, maxTableCapacity: 16 full tables are 14 000 entries, below which a map is no burden"},
		{Name: "min-cpu-share", Default: evidence.Quantity{Number: 0.02, Unit: evidence.Share},
			Doc:    "CPU samples in growing maps under one function, of all CPU samples, below which they only vouch",
			Source: "growth is amortised over the entries put in: a map that is at its size spends nothing on it"},
		{Name: "min-cpu-samples", Default: evidence.Quantity{Number: 3, Unit: evidence.Count},
			Doc:    "CPU samples in growing maps under one function, below which they say nothing",
			Source: "one sample is an accident; the functions run only when a map grows, so three are not"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "blocks with the sizes of map tables at one line, and their growth between heap profiles", Run: mapGrowthHeap},
		{Kind: evidence.CPU, Doc: "samples in rehash, split, grow and evacuate by the function that assigns; cannot tell one growing map from many new ones", Run: judge.WorstOf(mapGrowthCPU)},
		{Kind: evidence.Trace, Doc: "whether the heap rises meanwhile; names no site", Run: judge.WorstOf(mapGrowthTrace)},
		{Kind: evidence.Folded, Doc: "calls that make maps larger or assign to them, or samples in such, by function" + judge.FoldedDoc, Run: judge.FoldedMeasure(mapCalls)},
	},
	Fix: []claim.Text{
		"Give the map a cap or its entries an expiry: an LRU, a sweep by age, or deletion where the object's life ends",
		"Rebuild the map from time to time where many entries are deleted: the tables of a map never shrink",
		"Where the number of entries is known, make the map with a size hint, so that it is not rehashed on the way",
	},
	Sketch: `// Entries have an expiry, and a sweep builds a new map: tables of the old never shrink.
func (c *Cache) sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make(map[string]Entry, len(c.m)/2)
	for key, e := range c.m {
		if now.Sub(e.Used) < maxIdle {
			kept[key] = e
		}
	}
	c.m = kept
}
`,
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "what a map holds stays live until it is deleted, and the tables of a built-in map even then", Source: "golang/go#20135"},
		{Effect: "gc-pressure", Why: "every collection marks the whole map again", Source: "runtime/mgcmark.go"},
		{Effect: "alloc-hotspot", Why: "growing copies the map into new, larger tables", Source: "internal/runtime/maps/table.go, grow"},
		{Effect: "mutex-hotspot", Why: "whoever adds the entry that makes the map grow moves its entries while it holds the lock around it", Source: "internal/runtime/maps/table.go, rehash; before Go 1.24 runtime/map.go, growWork"},
		{Effect: "long-critical-section", Why: "whoever adds the entry that makes the map grow moves its entries while it holds the lock around it", Source: "internal/runtime/maps/table.go, rehash; before Go 1.24 runtime/map.go, growWork"},
	},
	Wakes: true,
}

// mapFix is what to do where the advice for built-in maps does not hold.
func mapFix(s reading.MapShape) []claim.Text {
	if !s.SyncMap {
		return nil
	}
	// internal/sync/hashtriemap.go: LoadAndDelete gives an entry's node back; there is no size to make one with.
	return []claim.Text{
		"Take entries out with Delete where the object's life ends: an empty value that is stored in their place keeps the entry",
		"Give the map a cap or its entries an expiry: count them, or sweep with Range and Delete by age",
	}
}

// minRest is how many snapshots show that a map has stopped growing: between two doublings of a map that grows evenly,
// two of three may well show no growth.
const minRest = 5

func mapGrowthHeap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	if s.LastExhibit().Profile().Column("inuse_space") < 0 {
		return claim.Reading{Silent: "the heap profile has no column of memory in use"}
	}
	minBlocks := int64(in.Limit("min-blocks").Number)
	if len(s.Views) < 2 {
		return mapGrowthOnce(in, s, minBlocks)
	}
	r := claim.Reading{}
	last := s.LastExhibit()
	shapes := map[string]reading.MapShape{}
	for name, h := range s.Last().Sites {
		shapes[name] = reading.MapsOf(h, minBlocks, reading.TableMaps(in.Process.GoVersion))
	}
	pick := func(h *reading.HeapSite) reading.HeapSum { return shapes[h.Site.Function].Sum(h) }
	for _, g := range s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, pick) {
		h := s.Last().Sites[g.Name]
		sum, sure := pick(h), shapes[g.Name].Sure
		share := evidence.Part(sum.Inuse, s.Last().Inuse)
		if share.Number < in.Limit("min-share").Number || len(r.Candidates) == reading.FewSites {
			continue
		}
		what := claim.Text("memory in use in blocks with the sizes of map tables at the lines of the function")
		if shapes[g.Name].SyncMap {
			what = "memory in use that the sync.Map allocated for the function"
		}
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Variant: string(shapes[g.Name].Text()), Severity: claim.Warning, Thin: !sure || !g.Steady(), Share: share.Number,
			Summary: claim.Textf("the %s that %s assigns to grew by %s, from %s to %s%s, and holds %s of the memory in use",
				shapes[g.Name], claim.Func(h.Site.Function), evidence.Size(g.Grown), evidence.Size(g.Values[0]), evidence.Size(sum.Inuse), evidence.Within(s.Span()), share),
			Facts: growthFacts(in, s, g, h, what, shapes[g.Name].Focus()),
			Fix:   mapFix(shapes[g.Name]),
		}
		nameSeries(&c, s, h)
		if f, ok := blocksFact(last, h); ok && !shapes[g.Name].SyncMap {
			c.Facts = append(c.Facts, f)
		}
		if !sure {
			c.Caveats = append(c.Caveats, "the heap profile holds the full tables alone, and other equal blocks at one line would look the same; only CPU samples in the growth of the map settle it")
		}
		// All tables of a map fill up together, so it doubles at once and then rests until
		// the entries have doubled: a rest is only an end when it lasts.
		if len(s.Views) >= minRest && g.Ended() {
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a map being filled does")
		}
		if len(s.Views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a map that is being filled from one that grows without end")
		}
		r.Candidates = append(r.Candidates, c)
	}
	r.Candidates = append(r.Candidates, whatMapsKeep(in, s, r.Candidates)...)
	r.Says = claim.Textf("no memory in blocks with the sizes of map tables grew by %s over %d heap profiles", in.Limit("min-growth"), len(s.Views))
	r.Silent = s.Unsure(in.Limit("min-growth").Number, pick)
	return r
}

// whatMapsKeep vouches for functions whose own lines allocate what grows,
// though not in the sizes of tables: a map that grows keeps its values, which
// weigh more than it does. It accuses nobody.
func whatMapsKeep(in *claim.Input, s *reading.HeapSeries, found []claim.Candidate) []claim.Candidate {
	var out []claim.Candidate
	own := func(h *reading.HeapSite) reading.HeapSum {
		var sum reading.HeapSum
		for _, sizes := range h.Direct {
			for _, o := range sizes {
				sum.Add(*o)
			}
		}
		return sum
	}
	for _, g := range s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, own) {
		h := s.Last().Sites[g.Name]
		if slices.ContainsFunc(found, func(c claim.Candidate) bool { return c.Site.Function == g.Name }) || len(out) == reading.FewSites {
			continue
		}
		out = append(out, claim.Candidate{
			Site: h.Site, Path: h.Path, Thin: true, Share: evidence.Part(g.Grown, s.Last().Inuse).Number,
			Summary: claim.Textf("memory that %s allocated and that is still in use grew by %s", claim.Func(h.Site.Function), evidence.Size(g.Grown)),
			Facts:   growthFacts(in, s, g, h, "memory in use that the function's own lines allocated", ""),
		})
	}
	return out
}

// mapGrowthOnce judges a single heap profile, which can show a large map but no growth.
func mapGrowthOnce(in *claim.Input, s *reading.HeapSeries, minBlocks int64) claim.Reading {
	r := claim.Reading{Silent: alone(s)}
	last, view := s.LastExhibit(), s.Last()
	// A difference over time holds what came and went, not what a map holds.
	if last.Duration > 0 {
		return r
	}
	for _, h := range view.Sites {
		shape := reading.MapsOf(h, minBlocks, reading.TableMaps(in.Process.GoVersion))
		sum, sure := shape.Sum(h), shape.Sure
		share := evidence.Part(sum.Inuse, view.Inuse)
		// A few blocks in a small heap say nothing about anybody's memory.
		if share.Number < in.Limit("min-flat-share").Number || float64(sum.Inuse) < in.Limit("min-growth").Number || !sure {
			continue
		}
		at := claim.At(h.Site)
		at.SampleType = "inuse_space"
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Variant: string(shape.Text()), Severity: claim.Info, Thin: true, Share: share.Number,
			Summary: claim.Textf("the %s that %s assigns to holds %s, %s of the memory in use; whether it grows is unknown", shape, claim.Func(h.Site.Function), evidence.Size(sum.Inuse), share),
			Facts: []claim.Fact{{
				Exhibit: last.ID, Says: "memory in use in blocks with the sizes of map tables at the lines of the function", Value: share,
				Of:    claim.PartOf(evidence.Of(view.Inuse, evidence.Bytes), "memory in use"),
				Limit: in.Against("min-flat-share"), At: at, Reproduce: claim.Peek(last, "inuse_space", h.Site).With(shape.Focus()),
			}},
			Caveats: []claim.Text{"one heap profile cannot tell a map that grows from one at its cap"},
			Fix:     mapFix(shape),
		}
		nameSeries(&c, s, h)
		if f, ok := blocksFact(last, h); ok && !shape.SyncMap {
			c.Facts = append(c.Facts, f)
		}
		r.Candidates = append(r.Candidates, c)
	}
	slices.SortFunc(r.Candidates, func(a, b claim.Candidate) int {
		if a.Share != b.Share {
			if a.Share > b.Share {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Site.Function, b.Site.Function)
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), 3)]
	return r
}

// blocksFact counts the most frequent block at the function's lines.
func blocksFact(e *evidence.Exhibit, h *reading.HeapSite) (claim.Fact, bool) {
	var size, line int64
	var most reading.HeapSum
	for l, sizes := range h.Direct {
		if h.Foreign[l] {
			continue
		}
		for s, sum := range sizes {
			if sum.Inuse > most.Inuse || sum.Inuse == most.Inuse && (s > size || s == size && int64(l) < line) {
				size, line, most = s, int64(l), *sum
			}
		}
	}
	if size == 0 {
		return claim.Fact{}, false
	}
	at := claim.At(h.Site)
	at.Line, at.SampleType = int(line), "inuse_objects"
	return claim.Fact{
		Exhibit: e.ID, Says: claim.Textf("equal blocks of %s in use at the line", evidence.Of(size, evidence.Bytes)), Value: evidence.Of(most.InuseObjects, evidence.Count),
		At: at, Reproduce: claim.PeekLine(e, "inuse_objects", h.Site, int(line)).With(claim.Textf("-tagfocus=%db:%db", size, size)),
	}, true
}

// growsMap reports whether a stack is a map being made larger.
func growsMap(s stack.Stack) bool {
	for _, f := range s {
		name := f.Function
		// The first frame of the program ends the search: above it stand its callers.
		if !stack.Standard(name) {
			return false
		}
		if mapGrowers[stack.Normal(name)] {
			return true
		}
	}
	return false
}

// mapGrowers are the functions that make a map larger: of internal/runtime/maps
// since Go 1.24, of runtime/map.go before, and of sync.Map's tree.
var mapGrowers = map[string]bool{
	"internal/runtime/maps.(*table).rehash":          true,
	"internal/runtime/maps.(*table).split":           true,
	"internal/runtime/maps.(*table).grow":            true,
	"internal/runtime/maps.(*Map).growToTable":       true,
	"internal/runtime/maps.(*Map).installTableSplit": true,
	"runtime.hashGrow":                               true,
	"runtime.growWork":                               true,
	"runtime.growWork_fast32":                        true,
	"runtime.growWork_fast64":                        true,
	"runtime.growWork_faststr":                       true,
	"runtime.evacuate":                               true,
	"runtime.evacuate_fast32":                        true,
	"runtime.evacuate_fast64":                        true,
	"runtime.evacuate_faststr":                       true,
	"runtime.makeBucketArray":                        true,
	"internal/sync.(*HashTrieMap[...]).expand":       true,
}

// largeMapGrowers are those that run for maps of more than a table: a table of
// 1024 slots is split, and the buckets of older maps are moved bit by bit.
var largeMapGrowers = []string{
	"internal/runtime/maps.(*table).split", "internal/runtime/maps.(*Map).installTableSplit",
	"runtime.evacuate", "runtime.evacuate_fast32", "runtime.evacuate_fast64", "runtime.evacuate_faststr",
	"internal/sync.(*HashTrieMap[...]).expand",
}

func mapGrowthCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	total := p.Total(column)
	// A map can grow at a cost no profile shows, so this kind never denies.
	r := claim.Reading{Silent: "no CPU samples in the growth of a map: it costs little where entries are few or come in slowly"}
	large := map[string]bool{}
	for _, site := range reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !growsMap(s.Stack) {
			return stack.Site{}
		}
		owner := s.Stack.Owner()
		large[owner.Function] = large[owner.Function] || s.Stack.Contains(largeMapGrowers...)
		return owner
	}) {
		n := site.Values[column]
		if n < int64(in.Limit("min-cpu-samples").Number) || len(r.Candidates) == reading.FewSites {
			break
		}
		share := evidence.Part(n, total)
		c := claim.Candidate{
			Site: site.Site, Path: site.Path, Thin: true, Share: share.Number,
			Summary: claim.Textf("%s of the CPU samples are in maps being made larger under %s", share, claim.Func(site.Site.Function)),
			Facts: []claim.Fact{{
				Exhibit: e.ID, Says: "CPU samples in rehashing, splitting and evacuating maps under the function", Value: share,
				Of:    claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
				Limit: in.Against("min-cpu-share"), At: claim.At(site.Site),
				Reproduce: claim.Peek(e, "samples", site.Site).With("-focus=table..(rehash|split|grow)$|growToTable|installTableSplit|runtime.(hashGrow|growWork|evacuate|makeBucketArray)|HashTrieMap.*expand"),
			}},
			Caveats: []claim.Text{"maps that are built anew each time without a size hint cost CPU in the same functions"},
		}
		// Small maps that are made by the thousand grow too, but are never split.
		if share.Number >= in.Limit("min-cpu-share").Number && large[site.Site.Function] {
			c.Severity = claim.Info
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func mapGrowthTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	s := reading.HeapSlope(e.Trace(), int(in.Limit("min-floors").Number))
	if s.Unknown != "" {
		return claim.Reading{Silent: s.Unknown}
	}
	if !s.Rises(in.Limit("min-rising").Number, in.Limit("min-growth").Number, in.Limit("min-growth-share").Number) {
		return claim.Reading{Silent: "the heap does not rise within the trace, which is too short to rule growth out"}
	}
	return claim.Reading{
		Silent: "a trace shows the heap as a whole and no maps",
		Candidates: []claim.Candidate{{
			Thin: true, Summary: "the live heap rises meanwhile", Facts: []claim.Fact{slopeFact(in, e, s)},
		}},
	}
}
