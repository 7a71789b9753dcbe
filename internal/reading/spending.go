package reading

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// Spending is what was allocated over a stretch of time, or since the start.
type Spending struct {
	All, Picked int64 // bytes: of everything, and in the work asked for
	Sites       []Spender
	Over        time.Duration // 0 when unknown
	Since       claim.Text
	Command     func(claim.Command) claim.Command // makes a command for pprof show the same stretch
}

// Spender is a function and what was allocated for it.
type Spender struct {
	Site  stack.Site
	Path  []string
	Bytes int64
	most  int64
	stack stack.Stack // that had it
}

// AllocatedBy adds up the bytes allocated in stacks that does picks, by the
// function that answers for them: between the first and the last profile of the
// series, or since the start where there is one.
func AllocatedBy(s *HeapSeries, does func(stack.Stack) bool) Spending {
	out := Spending{Over: s.Span(), Since: "between the first and the last heap profile"}
	last := s.LastExhibit()
	if d := last.Profile().Duration; d > 0 {
		out.Over, out.Since = d, "while the profile was taken"
	} else if out.Over <= 0 || len(s.Views) < 2 {
		out.Over, out.Since = 0, "since the program started"
	}
	sums := map[string]*Spender{}
	add := func(p *pprofile.Profile, sign int64) {
		column := p.Column("alloc_space")
		if column < 0 {
			return
		}
		for i := range p.Samples {
			sample := &p.Samples[i]
			if len(sample.Stack) == 0 || Recorders(sample.Stack) {
				continue
			}
			n := sign * sample.Values[column]
			out.All += n
			if !does(sample.Stack) {
				continue
			}
			out.Picked += n
			site := sample.Stack.Owner()
			sum := sums[site.Function]
			if sum == nil {
				sum = &Spender{Site: site, most: -1}
				sums[site.Function] = sum
			}
			sum.Bytes += n
			if n > sum.most {
				sum.most, sum.Site, sum.stack = n, site, sample.Stack
			}
		}
	}
	add(last.Profile(), 1)
	out.Command = func(c claim.Command) claim.Command { return c }
	if out.Over > 0 && len(s.Views) > 1 {
		out.Command = s.Added
		add(s.Exhibits[0].Profile(), -1)
	}
	for _, sum := range sums {
		if sum.Bytes > 0 {
			sum.Path = sum.stack.Path()
			out.Sites = append(out.Sites, *sum)
		}
	}
	slices.SortFunc(out.Sites, func(a, b Spender) int {
		return cmp.Or(-cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return out
}
