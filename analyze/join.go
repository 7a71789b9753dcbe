package analyze

import (
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// grouped is the candidates of one claim at one site.
type grouped struct {
	candidates []claim.Candidate
	kinds      []evidence.Kind // of each candidate
}

func (g *grouped) severity() claim.Severity {
	worst := claim.NoSeverity
	for i, c := range g.candidates {
		worst = max(worst, c.Severity)
		for j, o := range g.candidates {
			if i != j && o.Severity > claim.NoSeverity && !o.Plain {
				worst = max(worst, c.Raises)
			}
		}
	}
	return worst
}

// group joins the candidates of all measures by site. A candidate whose
// function no other kind names is joined to the group that is known to speak of the
// same thing (see sameSite): lock and unlock may stand in different functions.
// A candidate without a site speaks of the whole process: it vouches for every
// group in which its kind says nothing else, and stands alone where there is none.
func group(d *claim.Detector, reads []read) []*grouped {
	var groups []*grouped
	add := func(g *grouped, r read, c claim.Candidate) *grouped {
		if g == nil {
			g = &grouped{}
			groups = append(groups, g)
		}
		g.candidates, g.kinds = append(g.candidates, c), append(g.kinds, r.kind)
		return g
	}
	bySite := map[string]*grouped{}
	type left struct {
		read
		claim.Candidate
	}
	var lone, whole []left
	named := map[string]int{} // how many kinds name a function
	for _, r := range reads {
		for _, c := range r.Candidates {
			named[c.Site.Function]++
		}
	}
	for _, r := range reads {
		for _, c := range r.Candidates {
			key := c.Site.Function
			if d.Process {
				key = ""
			}
			if !d.Process && key == "" {
				whole = append(whole, left{r, c})
				continue
			}
			if !d.Process && named[key] == 1 {
				lone = append(lone, left{r, c})
				continue
			}
			bySite[key] = add(bySite[key], r, c)
		}
	}
	for _, l := range lone {
		var home *grouped
		for _, same := range sameSite {
			for _, g := range groups {
				if home == nil && !slices.Contains(g.kinds, l.kind) && slices.ContainsFunc(g.candidates, func(c claim.Candidate) bool { return same(c, l.Candidate) }) {
					home = g
				}
			}
		}
		add(home, l.read, l.Candidate)
	}
	// Two kinds may agree on the function that holds a lock, and two others on the
	// function that waits for it.
	for _, same := range sameSite {
		for i := 0; i < len(groups); i++ {
			for j := i + 1; j < len(groups); j++ {
				a, b := groups[i], groups[j]
				if slices.ContainsFunc(a.kinds, func(k evidence.Kind) bool { return slices.Contains(b.kinds, k) }) || !same(a.candidates[0], b.candidates[0]) {
					continue
				}
				a.candidates, a.kinds = append(a.candidates, b.candidates...), append(a.kinds, b.kinds...)
				groups = slices.Delete(groups, j, j+1)
				j--
			}
		}
	}
	for _, w := range whole {
		joined := false
		for _, g := range groups {
			if !slices.Contains(g.kinds, w.kind) {
				add(g, w.read, w.Candidate)
				joined = true
			}
		}
		if !joined {
			add(nil, w.read, w.Candidate)
		}
	}
	return groups
}

// sameSite is how candidates of two kinds that name different functions are known
// to speak of one thing, surest first: one of them has seen the other's function at
// it; they have more than the whole between them; or their paths meet close by.
var sameSite = []func(a, b claim.Candidate) bool{
	func(a, b claim.Candidate) bool {
		return slices.Contains(a.Ends, b.Site.Function) || slices.Contains(b.Ends, a.Site.Function)
	},
	// If a is three quarters of the whole and b is too, at least half of it is both.
	func(a, b claim.Candidate) bool {
		return a.Whole != "" && a.Whole == b.Whole && a.Share+b.Share-1 >= minCommon
	},
	func(a, b claim.Candidate) bool { return nearlySame(a.Path, b.Path) },
}

// minCommon is the part of a whole that two kinds must have in common at their
// sites to speak of one.
const minCommon = 0.5

// nearby is how many frames from the site the shared application frame may stand.
const nearby = 3

// nearlySame reports whether two paths meet in an application function close to
// both sites. Entry points do not count: everything meets there.
func nearlySame(a, b []string) bool {
	for _, f := range a[:min(nearby, len(a))] {
		if stack.Standard(f) || f == "main.main" {
			continue
		}
		if slices.Contains(b[:min(nearby, len(b))], f) {
			return true
		}
	}
	return false
}
