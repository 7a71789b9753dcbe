package detect

import (
	"cmp"
	"fmt"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// LiveHeap names who holds the live memory, whatever that means.
var LiveHeap = &claim.Detector{
	ID:    "live-heap",
	Title: "Where the live memory is",
	Doc: `The function that allocated the largest part of the memory in use, as a plain fact: no fault, but where to look when the process needs more memory than it should.

**How it is measured.** In the newest heap profile, memory in use by the first function outside the standard library and the modules the program depends on; the buffers of the recorder itself are left out. Who
calls that function for nine tenths of it is named beside it. What was allocated most since the start is told with it: garbage costs CPU, live memory costs memory.

**When it is wrong.** Somebody always holds most. A cache at its cap, an index, a table that is loaded once are meant to be there. The profile shows the state at the last finished collection.`,
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "memory in use by function in the newest heap profile", Run: liveHeap},
	},
	Fix: []string{
		"Look at what the function keeps, and for how long it is needed: go tool pprof -sample_index=inuse_space -list shows the lines",
		"Where it is a cache, bound it by bytes; where it is an index, keep what is searched for and not the whole record",
	},
}

// holder returns the function that holds most of the memory in use in the newest of a series of heap profiles, and
// the sites that a change would be made at; false when nothing is in use.
func holder(s *heapSeries) (h *heapSite, c claim.Candidate, ok bool) {
	e, view := s.lastExhibit(), s.last()
	// What the runtime and the entry point hold is there in every program: another that holds memory is where a change would be made.
	for _, o := range view.sites {
		switch {
		case o.inuse <= 0:
		case h == nil || entry(h.site) && !entry(o.site):
			h = o
		case entry(o.site) && !entry(h.site):
		case o.inuse > h.inuse || o.inuse == h.inuse && o.site.Function < h.site.Function:
			h = o
		}
	}
	// What came and went while a difference was taken is no state.
	if h == nil || h.inuse <= 0 || e.Duration > 0 {
		return nil, c, false
	}
	share := evidence.Part(h.inuse, view.inuse)
	at := claim.At(h.site)
	at.SampleType = "inuse_space"
	// A few samples do not tell who holds most.
	c = claim.Candidate{
		Site: h.site, Path: h.path, Share: share.Number,
		Thin:    rough(share.Number, share.Number/2, view.inuse/max(e.Profile.Period, 1)),
		Summary: fmt.Sprintf("%s holds %s of the live heap of %s", h.site.Function, share, size(view.inuse)),
		Facts: []claim.Fact{{
			Exhibit: e.ID, Says: "memory in use that the function allocated", Value: share, Of: claim.PartOf(evidence.Of(view.inuse, evidence.Bytes), "memory in use"),
			At: at, Reproduce: peekOwn(e, "inuse_space", h.site, nil),
		}},
	}
	calledBy(&c, callersOf(e.Profile, h.site.Function, inColumn(e.Profile.Column("inuse_space"))))
	return h, c, true
}

// entry reports whether a site is of the runtime, or the function that a program starts with.
func entry(s stack.Site) bool {
	return stack.Plumbing(s.Function) || s.Function == "main.main" || s.Function == ""
}

func liveHeap(in *claim.Input) claim.Reading {
	s := oneProcess(in.Exhibits)
	e, view := s.lastExhibit(), s.last()
	_, c, ok := holder(s)
	if !ok {
		return claim.Reading{Silent: "the heap profile shows no memory in use"}
	}
	c.Severity, c.Plain = claim.Info, true
	most := slices.MaxFunc(sorted(view), func(a, b *heapSite) int { return cmp.Compare(a.alloc, b.alloc) })
	if share := evidence.Part(most.alloc, view.alloc); most.alloc > 0 && most.site.Function != c.Site.Function {
		at := claim.At(most.site)
		at.SampleType = "alloc_space"
		c.Summary += fmt.Sprintf("; %s allocated %s of all bytes since the start", most.site.Function, share)
		c.Facts = append(c.Facts, claim.Fact{
			Exhibit: e.ID, Says: "bytes allocated since the start", Value: share, Of: claim.PartOf(evidence.Of(view.alloc, evidence.Bytes), "all bytes allocated since the start"),
			At: at, Reproduce: peekOwn(e, "alloc_space", most.site, nil),
		})
	}
	return claim.Reading{Candidates: []claim.Candidate{c}}
}

// sorted lists the sites of a heap profile by name.
func sorted(v *heapView) []*heapSite {
	out := make([]*heapSite, 0, len(v.sites))
	for _, h := range v.sites {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b *heapSite) int { return cmp.Compare(a.site.Function, b.site.Function) })
	return out
}
