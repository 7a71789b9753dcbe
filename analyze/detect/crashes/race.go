// Package crashes holds the detectors of what the runtime, the race detector and the tests said of a program that failed.
package crashes

import (
	"cmp"
	"slices"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
)

// raceGroup is races of which the leading side is in one function.
type raceGroup struct {
	races    []*dump.Race
	exhibits []*evidence.Exhibit // of each
	reports  int
}

// raceGroups collects races by the function of their leading side, the most
// reported first. A nil pick takes all.
func raceGroups(exhibits []*evidence.Exhibit, pick func(*dump.Race) bool) []*raceGroup {
	byFunction := map[string]*raceGroup{}
	var groups []*raceGroup
	for _, e := range exhibits {
		for _, race := range e.Races() {
			if pick != nil && !pick(race) {
				continue
			}
			name := leading(race).Site().Function
			g := byFunction[name]
			if g == nil {
				g = &raceGroup{}
				byFunction[name] = g
				groups = append(groups, g)
			}
			g.races, g.exhibits = append(g.races, race), append(g.exhibits, e)
			g.reports += race.Count
		}
	}
	slices.SortStableFunc(groups, func(a, b *raceGroup) int {
		return cmp.Or(-cmp.Compare(a.reports, b.reports), cmp.Compare(a.writer().Site().Function, b.writer().Site().Function))
	})
	return groups
}

// leading is the side a race is told by: the one that writes, the present one of two.
func leading(r *dump.Race) *dump.Access {
	if !r.Access[0].Write && r.Access[1].Write || len(r.Access[0].Stack) == 0 {
		return &r.Access[1]
	}
	return &r.Access[0]
}

func (g *raceGroup) writer() *dump.Access { return leading(g.races[0]) }

func (g *raceGroup) other() *dump.Access {
	if r := g.races[0]; leading(r) == &r.Access[0] {
		return &r.Access[1]
	}
	return &g.races[0].Access[0]
}
