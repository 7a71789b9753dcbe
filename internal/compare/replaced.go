package compare

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"inquest/analyze/claim"
)

const (
	// gone is the part of a function's cost that may be left when it went, or have been there before it came.
	gone = 0.1
	// muchOf is the part of a caller's cost that code must be for what comes in its place to be the same work.
	muchOf = 0.25
	// mainly is the part of a function's cost that must come through a caller for it to be its caller.
	mainly = 0.5
)

// findReplaced recognises code that took the place of other code: functions that went and functions that came below the same
// caller. They are one change, that of the caller, whatever parts the work is in now.
func (c *comparison) findReplaced(changes map[*entry]*Change) {
	if c.byShares() {
		return // a share of a caller that is most of the program says nothing
	}
	var went, came []*entry
	for _, e := range c.entries {
		switch {
		case e.id < 0 || !changes[e].Counts:
		case e.mean[1] <= gone*e.mean[0]:
			went = append(went, e)
		case e.mean[0] <= gone*e.mean[1]:
			came = append(came, e)
		}
	}
	if len(went) == 0 || len(came) == 0 {
		return
	}
	above := c.callersOf(slices.Concat(went, came))
	callers := map[int]claim.Text{}
	for _, down := range went {
		for _, up := range came {
			g := lowest(above[down.id], above[up.id])
			if g >= 0 && max(down.mean[0]/c.cum(0, g), up.mean[1]/c.cum(1, g)) >= muchOf {
				name, old, replacement := claim.Func(c.names.list[g]), claim.Func(c.names.list[down.id]), claim.Func(c.names.list[up.id])
				if callers[g] == "" {
					callers[g] = claim.Textf("%s in place of %s", replacement, old)
				}
				changes[down].Counts, changes[down].Note = false, claim.Textf("replaced below %s", name)
				changes[up].Counts, changes[up].Note = false, claim.Textf("replaces what was below %s", name)
			}
		}
	}
	// What was found to be better or worse of the new code and the old together is the caller's.
	for _, g := range slices.Sorted(maps.Keys(callers)) {
		changes[c.countCaller(g, changes)].Note = callers[g]
	}
}

// countCaller lets the cost below a caller count, if it changed, and returns its entry.
func (c *comparison) countCaller(g int, changes map[*entry]*Change) *entry {
	i := slices.IndexFunc(c.entries, func(e *entry) bool { return e.cum && e.id == g })
	if i < 0 {
		e := c.entry(g, true)
		test([]*entry{e}, c.q.firm)
		// It stands for numbers that are tested already: those of the same samples under other names.
		adjust([]*entry{e})
		ch := c.change(e)
		ch.Counts = c.counts(e)
		changes[e] = &ch
		c.entries = append(c.entries, e)
		return e
	}
	changes[c.entries[i]].Counts = c.counts(c.entries[i])
	return c.entries[i]
}

// callersOf weighs, for each function, the program's functions above it by the part of its cost that comes through them, and by how
// many calls they are away.
func (c *comparison) callersOf(of []*entry) map[int]map[int]caller {
	whole := map[int]float64{}
	out := map[int]map[int]caller{}
	for _, e := range of {
		out[e.id] = map[int]caller{}
	}
	c.eachPlace(func(_ int, pl place, v float64) {
		for i, id := range pl.chain {
			above := out[id]
			if above == nil {
				continue
			}
			whole[id] += v
			for away, g := range pl.chain[i+1:] {
				if c.names.kinds[g].standard {
					continue // many call it, for different work
				}
				x := above[g]
				x.part += v
				x.away = max(x.away, away+1)
				above[g] = x
			}
		}
	})
	for id, above := range out {
		for g, x := range above {
			x.part /= max(whole[id], math.SmallestNonzeroFloat64)
			if above[g] = x; x.part < mainly {
				delete(above, g)
			}
		}
	}
	return out
}

// caller is a function above another.
type caller struct {
	part float64 // of the other's cost
	away int     // calls between them
}

// lowest returns the caller of both that is closest; -1 for none.
func lowest(a, b map[int]caller) int {
	best, at := -1, 0
	for g, x := range a {
		y, ok := b[g]
		if away := x.away + y.away; ok && (best < 0 || cmp.Or(cmp.Compare(away, at), cmp.Compare(g, best)) < 0) {
			best, at = g, away
		}
	}
	return best
}
