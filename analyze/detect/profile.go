package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// siteSum is what a profile's samples add up to at one function.
type siteSum struct {
	site   stack.Site // with the line that carries most
	path   []string   // of the stack that carries most
	values []int64    // one per column of the profile
	most   int64      // value of the heaviest stack, in the ranking column
	stack  stack.Stack
}

// bySite adds up the samples of a profile by the function that pick names,
// heaviest in the given column first. Samples for which pick returns the zero
// site are left out.
func bySite(p *pprofile.Profile, column int, pick func(*pprofile.Sample) stack.Site) []*siteSum {
	sums := map[string]*siteSum{}
	var order []*siteSum
	if column < 0 {
		return nil
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		site := pick(s)
		if site == (stack.Site{}) {
			continue
		}
		sum := sums[site.Function]
		if sum == nil {
			sum = &siteSum{site: site, values: make([]int64, len(p.Columns)), most: -1}
			sums[site.Function] = sum
			order = append(order, sum)
		}
		for c, v := range s.Values {
			sum.values[c] += v
		}
		if v := s.Values[column]; v > sum.most {
			sum.most, sum.site, sum.stack = v, site, s.Stack
		}
	}
	for _, sum := range order {
		sum.path = sum.stack.Path()
	}
	slices.SortStableFunc(order, func(a, b *siteSum) int {
		return cmp.Or(-cmp.Compare(a.values[column], b.values[column]), cmp.Compare(a.site.Function, b.site.Function))
	})
	return order
}

// latest returns the newest exhibit: the one that a claim about now rests on.
func latest(exhibits []*evidence.Exhibit) *evidence.Exhibit { return exhibits[len(exhibits)-1] }

// worstOf makes a measure of one that looks at a single exhibit: it is taken of
// every exhibit of the kind, and the one that shows the claim at its worst speaks, the newest where they are
// alike. Where none shows it, the newest that can deny it does.
func worstOf(one func(*analyze.Input, *evidence.Exhibit) analyze.Reading) func(*analyze.Input) analyze.Reading {
	return func(in *analyze.Input) analyze.Reading {
		var worst analyze.Reading
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
				c.Caveats = append(c.Caveats, fmt.Sprintf("%d of %d exhibits of this kind (%s) show it", shown, n, in.Exhibits[0].Kind))
			}
		}
		return worst
	}
}

// muchOfIt is a share of which nobody may overlook a part. Amdahl: to make two fifths
// twice as fast makes the whole a quarter faster.
const muchOfIt = 0.4

// rough reports whether a share of so many samples may be below a limit all the
// same: within two standard errors of a binomial share.
func rough(share, limit float64, samples int64) bool {
	return share-2*math.Sqrt(share*max(1-share, 0)/float64(max(samples, 1))) < limit
}
