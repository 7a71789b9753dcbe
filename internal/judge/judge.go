// Package judge holds what families of detectors judge alike: what excuses a measured thing, how waiting is weighed, which work is
// costly, and when a number is too rough to rest a claim on. What it measures by is in package reading.
package judge

import (
	"cmp"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// SortCandidates orders the candidates of a reading by share and keeps the first three.
func SortCandidates(r *claim.Reading) {
	slices.SortFunc(r.Candidates, func(a, b claim.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Share, b.Share), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), 3)]
}

// maxPlaces is how many places a candidate names besides its own: more than people follow.
const maxPlaces = 8

// AddSites adds places to a candidate, each function once.
func AddSites(c *claim.Candidate, sites ...stack.Site) {
	for _, s := range sites {
		if s.Function != "" && s.Function != c.Site.Function && len(c.Sites) < maxPlaces &&
			!slices.ContainsFunc(c.Sites, func(o stack.Site) bool { return o.Function == s.Function }) {
			c.Sites = append(c.Sites, s)
		}
	}
}

// MinCrowd is how many waiters of one moment are as good a sample of the waiting as a profile: a standard error of a tenth.
const MinCrowd = 100

// WorstOf makes a measure of one that looks at a single exhibit: it is taken of
// every exhibit of the kind, and the one that shows the claim at its worst speaks, the newest where they are
// alike. Where none shows it, the newest that can deny it does.
func WorstOf(one func(*claim.Input, *evidence.Exhibit) claim.Reading) func(*claim.Input) claim.Reading {
	return func(in *claim.Input) claim.Reading {
		var worst claim.Reading
		best, shown := -2, 0
		for _, e := range in.Exhibits {
			r := one(in, e)
			rank := -1 // silent
			if r.Silent == "" {
				rank = 0
			}
			for _, c := range r.Candidates {
				rank = max(rank, 1+int(c.Severity))
			}
			if rank > 0 {
				shown++
			}
			if rank >= best {
				best, worst = rank, r
			}
		}
		if n := len(in.Exhibits); shown > 0 && shown < n {
			for i := range worst.Candidates {
				c := &worst.Candidates[i]
				c.Caveats = append(c.Caveats, claim.Textf("%d of %d exhibits of this kind (%s) show it", shown, n, in.Exhibits[0].Kind))
			}
		}
		return worst
	}
}

// FewEvents is how many samples or events at one place are too few: their number is known to no better than a third of
// it (Poisson).
const FewEvents = 10

// InPart makes a reading silent of which the trace or dump was not read to its end: what it lacks may show the claim.
func InPart(r *claim.Reading, e *evidence.Exhibit) {
	what := claim.Text("the trace")
	if e.Dump() != nil {
		what = "the dump"
	}
	if e.Coverage != evidence.Whole {
		r.Silent = what + " was read in part only; " + r.Says
	}
}

// MuchOfIt is a share of which nobody may overlook a part. Amdahl: to make two fifths
// twice as fast makes the whole a quarter faster.
const MuchOfIt = 0.4

// Rough reports whether a share of so many samples may be far below a limit all the
// same: within two standard errors of a binomial share it could be less than half of it.
func Rough(share, limit float64, samples int64) bool {
	return share-2*math.Sqrt(share*max(1-share, 0)/float64(max(samples, 1))) < limit/2
}

// CalledBy adds who answers for a candidate's helper to its sites and its sentence.
func CalledBy(c *claim.Candidate, callers []stack.Site) {
	if len(callers) == 0 {
		return
	}
	c.Sites = append(c.Sites, callers[0])
	c.Summary += claim.Textf("; nearly all of it below %s", claim.Func(callers[0].Function))
}

// UseFact is the use as a number with its whole, or without where nobody knows how many processors there are.
func UseFact(in *claim.Input, e *evidence.Exhibit, u reading.Usage, says claim.Text, limit string, at claim.Location, reproduce claim.Command) claim.Fact {
	if u.Procs == 0 {
		return claim.Fact{Exhibit: e.ID, Says: claim.Textf("%s, as CPU time", says), Value: evidence.Duration(time.Duration(u.Used * float64(e.Duration))), Of: claim.PartOf(evidence.Duration(e.Duration), "the time of the profile"), At: at, Reproduce: reproduce}
	}
	return claim.Fact{Exhibit: e.ID, Says: says, Value: evidence.Quantity{Number: u.Share(), Unit: evidence.Share}, Of: claim.PartOf(evidence.Of(u.Procs, evidence.Count), "processors (GOMAXPROCS)"), Limit: in.Against(limit), At: at, Reproduce: reproduce}
}
