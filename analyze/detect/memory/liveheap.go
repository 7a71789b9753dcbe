package memory

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/judge"
	"inquest/internal/reading"
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
	Fix: []claim.Text{
		"Look at what the function keeps, and for how long it is needed: go tool pprof -sample_index=inuse_space -list shows the lines",
		"Where it is a cache, bound it by bytes; where it is an index, keep what is searched for and not the whole record",
	},
}

func liveHeap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	e, view := s.LastExhibit(), s.Last()
	_, c, ok := judge.HeapHolder(s)
	if !ok {
		return claim.Reading{Silent: "the heap profile shows no memory in use"}
	}
	c.Severity, c.Plain = claim.Info, true
	most := slices.MaxFunc(view.Sorted(), func(a, b *reading.HeapSite) int { return cmp.Compare(a.Alloc, b.Alloc) })
	if share := evidence.Part(most.Alloc, view.Alloc); most.Alloc > 0 && most.Site.Function != c.Site.Function {
		at := claim.At(most.Site)
		at.SampleType = "alloc_space"
		c.Summary += claim.Textf("; %s allocated %s of all bytes since the start", claim.Func(most.Site.Function), share)
		c.Facts = append(c.Facts, claim.Fact{
			Exhibit: e.ID, Says: "bytes allocated since the start", Value: share, Of: claim.PartOf(evidence.Of(view.Alloc, evidence.Bytes), "all bytes allocated since the start"),
			At: at, Reproduce: reading.PeekOwn(e, "alloc_space", most.Site, nil),
		})
	}
	return claim.Reading{Candidates: []claim.Candidate{c}}
}
