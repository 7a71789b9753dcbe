// Package memory holds the detectors of the heap: what grows, what holds it, and what allocates more than it need.
package memory

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/reading"
)

func allMemory(h *reading.HeapSite) reading.HeapSum { return h.HeapSum }

// growthFacts are the facts of memory that grew at a site, the growth first.
// options are what makes pprof leave the memory that was counted.
func growthFacts(in *claim.Input, s *reading.HeapSeries, g reading.Growth, h *reading.HeapSite, what, options claim.Text) []claim.Fact {
	first, last := s.Exhibits[0], s.LastExhibit()
	at := claim.At(h.Site)
	at.SampleType = "inuse_space"
	peek := func(e *evidence.Exhibit) claim.Command {
		if options == "" {
			return reading.PeekOwn(e, "inuse_space", h.Site, nil)
		}
		return claim.Peek(e, "inuse_space", h.Site).With(options)
	}
	facts := []claim.Fact{{
		Exhibit: last.ID, Says: claim.Textf("%s, last snapshot less first", what), Value: evidence.Of(g.Grown, evidence.Bytes),
		Of:    claim.PartOf(evidence.Of(s.Last().Inuse, evidence.Bytes), "memory in use in the last snapshot"),
		Limit: in.Against("min-growth"), At: at, Reproduce: s.Added(peek(last)),
	}, {
		Exhibit: first.ID, Says: claim.Textf("%s, in the first snapshot", what), Value: evidence.Of(g.Values[0], evidence.Bytes),
		Of: claim.PartOf(evidence.Of(s.First().Inuse, evidence.Bytes), "memory in use in the first snapshot"),
		At: at, Reproduce: peek(first),
	}}
	if span := s.Span(); span > 0 {
		facts = append(facts, claim.Fact{
			Exhibit: last.ID, Says: "growth per second between the first and the last snapshot",
			Value: evidence.Of(float64(g.Grown)/span.Seconds(), evidence.BytesPerSec),
			Of:    claim.PartOf(evidence.Duration(span), "time between the snapshots"), At: at,
			Reproduce: s.Added(peek(last)),
		})
	}
	return append(facts, claim.Fact{
		Exhibit: last.ID, Says: "of what the function allocated between the snapshots, still in use", Value: evidence.Quantity{Number: g.Kept, Unit: evidence.Share},
		Of: claim.PartOf(evidence.Of(g.Made, evidence.Bytes), "memory it allocated between the snapshots"),
		At: at, Reproduce: s.Added(peek(last)),
	})
}

// alone says why a series of one heap profile shows no growth.
func alone(s *reading.HeapSeries) claim.Text {
	if d := s.LastExhibit().Duration; d > 0 {
		return claim.Textf("the heap profile is the difference over %s, which shows no state to compare; take two without ?seconds", evidence.Duration(d))
	}
	if s.Dropped > 0 {
		return "no two heap profiles of one process: what was allocated since the start became less, so they are of different runs, or they were taken with different rates"
	}
	return "one heap profile shows a state; growth needs two of the same process"
}

func slopeFact(in *claim.Input, e *evidence.Exhibit, s reading.Slope) claim.Fact {
	return claim.Fact{
		Exhibit: e.ID, Says: "rise of the heap after collections, median of the last third less that of the first", Value: evidence.Of(s.Grown, evidence.Bytes),
		Of:    claim.PartOf(evidence.Of(float64(s.Last), evidence.Bytes), "heap after collections in the last third"),
		Limit: in.Against("min-growth"), At: claim.Location{From: int64(s.From), To: int64(s.To)},
		Reproduce: claim.TraceView(e, "View trace: the lower edge of the Heap counter"),
	}
}

// Defaults that several detectors here share.
var (
	minGrowth      = evidence.Quantity{Number: 8 << 20, Unit: evidence.Bytes} // 16 sampled objects at the default rate (runtime/mprof.go, MemProfileRate)
	minGrowthShare = evidence.Quantity{Number: 0.05, Unit: evidence.Share}
	minFloors      = evidence.Quantity{Number: 6, Unit: evidence.Count}    // two per third of a trace: the fewest of which a median is more than one value
	minRising      = evidence.Quantity{Number: 0.85, Unit: evidence.Share} // Mann-Kendall test of so many floors
	minHeapShare   = evidence.Quantity{Number: 0.1, Unit: evidence.Share}  // ten such intervals double the heap
)
