package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
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
func worstOf(one func(*claim.Input, *evidence.Exhibit) claim.Reading) func(*claim.Input) claim.Reading {
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

// nearlyAll is the part of a function's samples from which who calls it answers for them: of ten calls at most one is another's.
const nearlyAll = 0.9

// callersOf returns the functions of the program that call a site and are on nearly all
// stacks by which it is reached, nearest first; weigh is what a sample counts.
// The entry points of programs and tests, where everything meets, are none.
func callersOf(p *pprofile.Profile, site string, weigh func(*pprofile.Sample) int64) []stack.Site {
	sums, sites, depths := map[string]int64{}, map[string]stack.Site{}, map[string]int{}
	var all int64
	for i := range p.Samples {
		s := &p.Samples[i]
		n := weigh(s)
		if n <= 0 || s.Stack.Owner().Function != site {
			continue
		}
		all += n
		seen := map[string]bool{}
		below := false
		for depth, f := range s.Stack {
			name := stack.Normal(f.Function)
			below = below || name == site
			if !below || name == site || seen[name] || !changeable(f) {
				continue
			}
			seen[name] = true
			sums[name] += n
			if depths[name] == 0 || depth < depths[name] {
				sites[name], depths[name] = f.Site(), depth
			}
		}
	}
	var out []stack.Site
	for name, n := range sums {
		if float64(n) >= nearlyAll*float64(all) {
			out = append(out, sites[name])
		}
	}
	slices.SortFunc(out, func(a, b stack.Site) int {
		return cmp.Or(cmp.Compare(depths[a.Function], depths[b.Function]), cmp.Compare(a.Function, b.Function))
	})
	return out
}

// changeable reports whether a frame is of the program's own code and no entry point of a program or a test.
func changeable(f stack.Frame) bool {
	name := stack.Normal(f.Function)
	return !stack.Standard(name) && !stack.Plumbing(name) && !f.Dependency() && name != "main.main" && !strings.HasPrefix(name, "main.main.func") && !strings.HasSuffix(f.File, "_test.go")
}

// inColumn weighs samples by a column of the profile.
func inColumn(column int) func(*pprofile.Sample) int64 {
	return func(s *pprofile.Sample) int64 { return s.Values[column] }
}

// calledBy adds who answers for a candidate's helper to its sites and its sentence.
func calledBy(c *claim.Candidate, callers []stack.Site) {
	if len(callers) == 0 {
		return
	}
	c.Sites = append(c.Sites, callers[0])
	c.Summary += fmt.Sprintf("; nearly all of it below %s", callers[0].Function)
}

// usage is how many processors a CPU profile shows in use, on average.
type usage struct {
	procs int     // GOMAXPROCS; 0 when unknown
	used  float64 // processors; 0 when the profile states no duration
}

func usageOf(p *pprofile.Profile, procs int) usage {
	if p.Duration <= 0 {
		return usage{procs, 0}
	}
	used := evidence.Part(time.Duration(p.Total(p.Column("cpu"))), p.Duration).Number
	if procs > 0 {
		used = min(used, float64(procs)) // the duration is less exact than the samples
	}
	return usage{procs, used}
}

// part is the use that a share of the samples makes.
func (u usage) part(share float64) usage { return usage{u.procs, u.used * share} }

// share is the part of all processors; where their number is unknown, of one.
func (u usage) share() float64 { return u.used / float64(max(u.procs, 1)) }

// String says how many processors are in use, of how many where that is known.
func (u usage) String() string {
	if u.procs == 0 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", u.used), ".0") + plural(int64(math.Ceil(u.used)), " processor", " processors")
	}
	return fmt.Sprintf("%s of %s", evidence.Quantity{Number: u.share(), Unit: evidence.Share}, evidence.Things(u.procs, "processor"))
}

// useFact is the use as a number with its whole, or without where nobody knows how many processors there are.
func useFact(in *claim.Input, e *evidence.Exhibit, u usage, says, limit string, at claim.Location, reproduce claim.Command) claim.Fact {
	if u.procs == 0 {
		return claim.Fact{Exhibit: e.ID, Says: says + ", as CPU time", Value: evidence.Duration(time.Duration(u.used * float64(e.Duration))), Of: claim.PartOf(evidence.Duration(e.Duration), "the time of the profile"), At: at, Reproduce: reproduce}
	}
	return claim.Fact{Exhibit: e.ID, Says: says, Value: evidence.Quantity{Number: u.share(), Unit: evidence.Share}, Of: claim.PartOf(evidence.Of(u.procs, evidence.Count), "processors (GOMAXPROCS)"), Limit: in.Against(limit), At: at, Reproduce: reproduce}
}

// doubt is what an unknown number of processors leaves open.
func (u usage) doubt() []string {
	if u.procs > 0 {
		return nil
	}
	return []string{"GOMAXPROCS is unknown; how much of the processors that is was judged against one"}
}
