package crashes

import (
	"fmt"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// DataRace claims that the race detector caught two goroutines at the same memory.
var DataRace = &claim.Detector{
	ID:    "data-race",
	Title: "Goroutines race for the same memory",
	Doc: `Two goroutines used the same memory, at least one of them to write, and nothing put the two in an order. What is read then is anything: an old
value, half of a new one, a pointer to something not yet built.

**How it is measured.** By reports of the race detector (go build -race, go test -race) in a log: both accesses with their stacks, and where both goroutines were
started. Reports of the same pair of places are counted as one race, whichever side was caught. The side that writes leads.

**When it is wrong.** The race detector reports no race that did not happen. What it does not report may be one all the same: it sees what ran, in that run. A
report names memory that was reused, or assembly and C code that synchronises in its own way, in rare cases.`,
	Measures: []claim.Measure{
		{Kind: evidence.Race, Doc: "reports of the race detector, by pair of places; a run without one proves nothing", Run: dataRaces},
	},
	Fix: []claim.Text{
		"Guard both accesses with the same lock, or hand the value over through a channel and let go of it",
		"For a counter or a flag use sync/atomic; for configuration that is replaced as a whole, an atomic.Pointer to a value that never changes",
		"Give each goroutine its own copy and join the results when they have ended",
	},
	Explains: []claim.Mechanism{
		{Effect: "concurrent-map-access", Why: "two goroutines use the map without an order between them", Source: "internal/runtime/maps/map.go"},
		{Effect: "crash", Why: "what two goroutines change at once can be seen half changed", Source: "go.dev/ref/mem"},
	},
}

func dataRaces(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "the race detector reports what ran at once in that run and nothing else"}
	for _, g := range raceGroups(in.Exhibits, nil) {
		if len(r.Candidates) < reading.MaxSites {
			r.Candidates = append(r.Candidates, raceCandidate(g))
		}
	}
	return r
}

func raceCandidate(g *raceGroup) claim.Candidate {
	lead, other := g.writer(), g.other()
	site, second := lead.Site(), other.Site()
	c := claim.Candidate{
		Site: site, Sites: []stack.Site{second}, Severity: claim.Warning, Share: 1,
		Variant: (verb(lead) + "-" + verb(other)).String(),
	}
	// Memory of the standard library, such as that of a test which has ended, is protected by how the program uses it.
	if stack.Standard(site.Function) && second.Function != "" && !stack.Standard(second.Function) {
		c.Site, c.Sites = second, []stack.Site{site}
	}
	// Both functions stand at the head of the path: a crash may have been noticed on either side.
	c.Path = lead.Stack.Path()
	if len(c.Path) > 0 && second.Function != "" && second.Function != site.Function {
		c.Path = append([]string{c.Path[0], second.Function}, c.Path[1:]...)
	}
	partner := claim.Func(second.Function).Text()
	switch second.Function {
	case "":
		partner = "a place whose stack was lost"
	case site.Function:
		partner = "another goroutine there"
	}
	does := verb(other) + "s"
	if len(other.Stack) == 0 && !lead.Write { // one of two must write
		does = "writes"
	}
	c.Summary = claim.Textf("%s %ss memory (%s) that %s %s without an order between them", claim.Func(site.Function), verb(lead), line(site), partner, does)
	if second.Function != "" {
		c.Summary += claim.Textf(" (%s)", line(second))
	}
	if memory := g.races[0].Memory; memory != "" {
		c.Caveats = append(c.Caveats, claim.Textf("the race detector calls the memory: %s", memory))
	}
	where := claim.At(site)
	where.Goroutine = lead.Goroutine
	c.Facts = []claim.Fact{{Exhibit: g.exhibits[0].ID, Says: "race reports with this function on one side", Value: evidence.Of(g.reports, evidence.Count),
		At: where, Reproduce: claim.Grep(g.exhibits[0], "WARNING: DATA RACE")}}
	for i, race := range g.races[:min(len(g.races), 5)] {
		a := leading(race)
		at := claim.At(a.Site())
		at.Goroutine = a.Goroutine
		c.Facts = append(c.Facts, claim.Fact{
			Exhibit: g.exhibits[i].ID, Says: claim.Textf("reports of the pair %s and %s", line(race.Access[0].Site()), line(race.Access[1].Site())),
			Value: evidence.Of(race.Count, evidence.Count), At: at, Reproduce: claim.Grep(g.exhibits[i], claim.Textf("0x%012x", a.Address)),
		})
	}
	if created := lead.Created.Site(); created.Function != "" {
		c.Sites = append(c.Sites, created)
	}
	return c
}

func verb(a *dump.Access) claim.Text {
	if a.Write {
		return "write"
	}
	return "read"
}

// line is a site as an editor opens it, without the folders.
func line(s stack.Site) claim.Text {
	if s.File == "" {
		return "place unknown"
	}
	file := s.File
	for i := len(file) - 1; i >= 0; i-- {
		if file[i] == '/' {
			file = file[i+1:]
			break
		}
	}
	return claim.Code(fmt.Sprintf("%s:%d", file, s.Line)).Text()
}
