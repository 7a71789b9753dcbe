package judge

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// NoTimers is the caveat of all that is told of a standstill.
const NoTimers = "a dump prints no timers: one that has not fired yet may let them go on, and so may the goroutine that took the dump"

// StandstillCandidate is the claim that goroutines at a standstill wait for ever.
func StandstillCandidate(e *evidence.Exhibit, c *reading.StuckCrowd) claim.Candidate {
	cand := claim.Candidate{
		Site: c.Site, Path: c.Path, Variant: "standstill", Severity: claim.Info, Thin: true,
		Summary: claim.Textf("%s %s in %s, and the dump shows nobody who could end that", evidence.Things(c.N, "goroutine"), c.Waits(), claim.Func(c.Site.Function)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that %s here while no other goroutine can move", wait.Words(c.First.Class, false)), Value: evidence.Of(c.N, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"), At: reading.AtGoroutine(c.Site, c.First.G.ID),
			Reproduce: claim.GrepGoroutine(e, c.First.G.ID)}},
		Caveats: []claim.Text{NoTimers},
	}
	AddSites(&cand, c.First.Stack.Site(), c.First.G.CreatedBy.Site())
	return cand
}
