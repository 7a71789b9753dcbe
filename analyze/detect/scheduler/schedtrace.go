package scheduler

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// minMoments is how many schedtrace lines are few: a moment says nothing about a second.
const minMoments = 10

// fewLines is how many lines a number of threads, which the runtime keeps, must stand in.
const fewLines = 3

// mostMoments is the part of its lines that must show the same for it to be more than a moment here and there.
const mostMoments = 0.5

func momentsOf(e *evidence.Exhibit, share evidence.Quantity, what claim.Text) claim.Candidate {
	t := e.Sched().Total
	return claim.Candidate{Severity: claim.NoSeverity, Share: share.Number,
		Summary: claim.Textf("%s of the %s", share, what),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: what, Value: share, Of: claim.PartOf(evidence.Of(t.Samples, evidence.Count), "lines of schedtrace"),
				At: claim.Location{From: int64(t.From), To: int64(t.To)}, Reproduce: claim.Grep(e, "SCHED ")},
			{Exhibit: e.ID, Says: "most goroutines queued", Value: evidence.Of(t.MostQueued, evidence.Count), At: claim.Location{From: int64(t.MostAt), To: int64(t.MostAt) + 1},
				Reproduce: claim.Grep(e, claim.Textf("SCHED %dms", t.MostAt.Milliseconds()))},
		}}
}
