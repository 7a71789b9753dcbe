package judge

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// HeapHolder returns the function that holds most of the memory in use in the newest of a series of heap profiles, and
// the sites that a change would be made at; false when nothing is in use.
func HeapHolder(s *reading.HeapSeries) (h *reading.HeapSite, c claim.Candidate, ok bool) {
	e, view := s.LastExhibit(), s.Last()
	// What the runtime and the entry point hold is there in every program: another that holds memory is where a change would be made.
	for _, o := range view.Sites {
		switch {
		case o.Inuse <= 0:
		case h == nil || entry(h.Site) && !entry(o.Site):
			h = o
		case entry(o.Site) && !entry(h.Site):
		case o.Inuse > h.Inuse || o.Inuse == h.Inuse && o.Site.Function < h.Site.Function:
			h = o
		}
	}
	// What came and went while a difference was taken is no state.
	if h == nil || h.Inuse <= 0 || e.Duration > 0 {
		return nil, c, false
	}
	share := evidence.Part(h.Inuse, view.Inuse)
	at := claim.At(h.Site)
	at.SampleType = "inuse_space"
	// A few samples do not tell who holds most.
	c = claim.Candidate{
		Site: h.Site, Path: h.Path, Share: share.Number,
		Thin:    Rough(share.Number, share.Number, view.Inuse/max(e.Profile().Period, 1)),
		Summary: claim.Textf("%s holds %s of the live heap of %s", claim.Func(h.Site.Function), share, evidence.Size(view.Inuse)),
		Facts: []claim.Fact{{
			Exhibit: e.ID, Says: "memory in use that the function allocated", Value: share, Of: claim.PartOf(evidence.Of(view.Inuse, evidence.Bytes), "memory in use"),
			At: at, Reproduce: reading.PeekOwn(e, "inuse_space", h.Site, nil),
		}},
	}
	CalledBy(&c, reading.CallersOf(e.Profile(), h.Site.Function, reading.InColumn(e.Profile().Column("inuse_space"))))
	return h, c, true
}

// entry reports whether a site is of the runtime, or the function that a program starts with.
func entry(s stack.Site) bool {
	return stack.Plumbing(s.Function) || s.Function == "main.main" || s.Function == ""
}
