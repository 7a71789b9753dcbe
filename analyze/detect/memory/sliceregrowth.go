package memory

import (
	"cmp"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// SliceRegrowth claims that append makes slices larger again and again.
var SliceRegrowth = &claim.Detector{
	ID:    "slice-regrowth",
	Title: "Slices are made larger again and again",
	Doc: `A slice, a bytes.Buffer or a strings.Builder begins small and is filled bit by bit. Each time it is full, append allocates a larger array, copies
what there is and leaves the old array to the collector. A slice that ends with n elements has been copied about as often as log n, and all its smaller arrays are garbage.

**How it is measured.** In a CPU profile: samples in runtime.growslice, bytes.growSlice and the growing of a strings.Builder, allocation and copying included but mark assists left out, by the first function
outside the standard library. What grows inside of a library, such as an encoder's own buffer, and room that is asked for with Grow are left out: the program cannot size the one and has sized the other. In heap profiles, which cut the runtime's frames: the arrays that one line allocated have sizes that follow append's steps. It doubles up to 256 elements and then
grows by less and less, down to a quarter (runtime/slice.go, nextslicecap).

**When it is wrong.** The tables of small maps double too; a series that only doubles is therefore told by the CPU profile alone. A slice that cannot know its
size in advance, such as one read from the network, has to grow; using it again still helps.`,
	Limits: []claim.Limit{judge.LimitCostShare, judge.LimitCostWarning, judge.LimitCostCapacity, judge.LimitCostAlloc, judge.LimitCostAllocInfo, judge.LimitCostAllocRate,
		{Name: "min-sizes", Default: evidence.Quantity{Number: minAppends, Unit: evidence.Count},
			Doc:    "different sizes of arrays at one line that follow each other as append makes them",
			Source: "runtime/slice.go, nextslicecap: five steps are from one element to sixteen, or a slice made three times as large"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in growing slices, buffers and builders by function", Run: judge.WorstOf(growing.CPU)},
		{Kind: evidence.Heap, Doc: "arrays at one line whose sizes follow append's steps, and bytes of growing buffers; can confirm and never deny", Run: sliceRegrowthHeap},
	},
	Fix: []claim.Text{
		"Make the slice with its final capacity: make([]T, 0, n), slices.Grow, (*bytes.Buffer).Grow or (*strings.Builder).Grow",
		"Keep the slice and cut it to zero length for the next use, in a sync.Pool where goroutines share it",
	},
	Sketch: `// The size is known, so it is asked for once.
func names(users []User) []string {
	out := make([]string, 0, len(users))
	for _, u := range users {
		out = append(out, u.Name)
	}
	return out
}
`,
	Explains: []claim.Mechanism{
		{Effect: "alloc-hotspot", Why: "each array that is outgrown is garbage", Source: "runtime/slice.go, growslice"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "each array that is outgrown is garbage, and the more of it, the more often the heap is collected", Source: "runtime/slice.go, growslice"},
		{Effect: "gc-assist", Why: "goroutines that allocate during a mark phase must help to mark", Source: "runtime/mgcmark.go, gcAssistAlloc"},
		{Effect: "cpu-hotspot", Why: "larger arrays are cleared, and what there is is copied into them", Source: "runtime/slice.go, growslice"},
	},
}

var growing = judge.Costly{
	What:  "making slices and buffers larger",
	Does:  growsSlice,
	Focus: `runtime.growslice$|bytes.growSlice$|strings.\(\*Builder\).grow$|reflect.growslice$`,
}

// growsSlice reports whether a stack is in the growing of a slice or buffer that the program could have made with its size.
func growsSlice(s stack.Stack) bool {
	grows := false
	for _, f := range s {
		switch {
		case growers[f.Function]:
			grows = true
		// Room that is asked for in advance is the cure.
		case asksForRoom[stack.Normal(f.Function)]:
			return false
		case !stack.Standard(f.Function):
			// A slice inside of a library is not the program's to make larger.
			return grows && !f.Dependency()
		case grows && !fills[stack.Package(f.Function)]:
			return false
		}
	}
	return false
}

var (
	growers     = map[string]bool{"runtime.growslice": true, "bytes.growSlice": true, "strings.(*Builder).grow": true, "reflect.growslice": true}
	asksForRoom = map[string]bool{"strings.(*Builder).Grow": true, "bytes.(*Buffer).Grow": true, "slices.Grow": true, "slices.Grow[...]": true}
	// fills are the packages that fill a buffer or slice that is their caller's.
	fills = map[string]bool{"runtime": true, "bytes": true, "strings": true, "slices": true, "io": true, "bufio": true, "fmt": true, "strconv": true}
)

// growsInHeap is growsSlice for heap profiles, which cut the runtime's frames: what a
// strings.Builder appends to is allocated in its own methods there.
func growsInHeap(s stack.Stack) bool {
	return growsSlice(s) || strings.HasPrefix(s[0].Function, "strings.(*Builder).Write")
}

// series is arrays of one line that append made one from another.
type series struct {
	line     int
	sizes    int
	quarters int   // steps of less than a doubling
	alloc    int64 // bytes allocated
	largest  int64
	inuse    int64 // bytes in use
}

// minAppends is how many sizes must follow each other as append makes them.
const minAppends = 5

// How far sizes lie apart that follow each other. Size classes lie an eighth apart (runtime/sizeclasses.go), append
// doubles small arrays and adds a quarter to large ones, with a smooth way between (runtime/slice.go, nextslicecap).
const (
	nextClass  = 1.2 // below, the sizes are neighbours
	nearDouble = 1.8 // below, it is less than a doubling
	fewNear    = 5   // at most one step of so many is one between neighbours
)

// appendsAt looks for the steps of append among the sizes that one line allocated.
func appendsAt(sizes map[int64]*reading.HeapSum) (series, bool) {
	var s series
	var ordered []int64
	for size, sum := range sizes {
		if sum.AllocObjects > 0 {
			ordered = append(ordered, size)
			s.alloc += sum.Alloc
			s.inuse += sum.Inuse
		}
	}
	slices.Sort(ordered)
	near, steps := 0, 0
	for i := 1; i < len(ordered); i++ {
		ratio := float64(ordered[i]) / float64(ordered[i-1])
		steps++
		switch {
		// Size classes lie an eighth apart: a line that allocates any size, such as one
		// that adds strings, fills them all.
		case ratio < nextClass:
			near++
		case ratio < nearDouble:
			s.quarters++
		}
	}
	s.sizes = len(ordered)
	if s.sizes == 0 {
		return s, false
	}
	s.largest = ordered[len(ordered)-1]
	return s, near*fewNear <= steps && s.quarters >= 2
}

// appends returns the series of a function with most bytes.
func appends(h *reading.HeapSite, least int) (series, bool) {
	var best series
	for line, sizes := range h.Direct {
		if s, ok := appendsAt(sizes); ok && s.sizes >= least && (s.alloc > best.alloc || s.alloc == best.alloc && line < best.line) {
			best, best.line = s, line
		}
	}
	return best, best.sizes > 0
}

func sliceRegrowthHeap(in *claim.Input) claim.Reading {
	buffers := growing
	buffers.Does = growsInHeap
	buffers.Focus = `bytes.growSlice$|strings.\(\*Builder\).(grow|Write.*)$|reflect.growslice$`
	r := buffers.Heap(in)
	s := reading.HeapOf(in.Process, in.Exhibits)
	last := s.LastExhibit()
	spent := reading.AllocatedBy(s, func(stack.Stack) bool { return false })
	var found []claim.Candidate
	for name, h := range s.Last().Sites {
		arrays, ok := appends(h, int(in.Limit("min-sizes").Number))
		if !ok {
			continue
		}
		bytes := arrays.alloc
		if was := s.First().Sites[name]; was != nil && spent.Over > 0 && len(s.Views) > 1 {
			for _, sum := range was.Direct[arrays.line] {
				bytes -= sum.Alloc
			}
		}
		share := evidence.Part(bytes, spent.All)
		if share.Number < in.Limit("min-alloc-share").Number {
			continue
		}
		at := claim.At(h.Site)
		at.Line, at.SampleType = arrays.line, "alloc_space"
		peek := claim.PeekLine(last, "alloc_space", h.Site, arrays.line)
		if h.Foreign[arrays.line] {
			at.Line, peek = h.Site.Line, claim.Peek(last, "alloc_space", h.Site)
		}
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Share: share.Number, Thin: spent.Over <= 0,
			Summary: claim.Textf("%s makes slices larger by append: arrays of %s up to %s at one line are %s of the bytes allocated %s", claim.Func(h.Site.Function), evidence.Things(arrays.sizes, "size"), evidence.Size(arrays.largest), share, spent.Since),
			Facts: []claim.Fact{
				{Exhibit: last.ID, Says: claim.Textf("bytes allocated %s in arrays whose sizes follow append's steps, at one line", spent.Since), Value: share,
					Of: claim.PartOf(evidence.Of(spent.All, evidence.Bytes), "all bytes allocated "+spent.Since), Limit: in.Against("min-alloc-share"), At: at, Reproduce: spent.Command(peek)},
				{Exhibit: last.ID, Says: "different sizes of these arrays", Value: evidence.Of(arrays.sizes, evidence.Count), Limit: in.Against("min-sizes"), At: at, Reproduce: claim.Tags(last, "alloc_objects", h.Site)},
			},
		}
		if spent.Over > 0 {
			rate := evidence.Quantity{Number: float64(bytes) / spent.Over.Seconds(), Unit: evidence.BytesPerSec}
			c.Facts = append(c.Facts, claim.Fact{Exhibit: last.ID, Says: "bytes allocated there per second", Value: rate, Of: claim.PartOf(evidence.Duration(spent.Over), "time in which they were allocated"), Limit: in.Against("min-alloc-rate"), At: at, Reproduce: spent.Command(peek)})
			if rate.Number >= in.Limit("min-alloc-rate").Number && share.Number >= in.Limit("min-alloc-info").Number {
				c.Severity = claim.Info
			}
		}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b claim.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Share, b.Share), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	for _, c := range found {
		// One per site: what weighs more of its arrays and its buffers speaks.
		i := slices.IndexFunc(r.Candidates, func(o claim.Candidate) bool { return o.Site.Function == c.Site.Function })
		switch {
		case i < 0 && len(r.Candidates) < reading.MaxSites:
			r.Candidates = append(r.Candidates, c)
		case i >= 0 && c.Share > r.Candidates[i].Share:
			r.Candidates[i] = c
		}
	}
	return r
}
