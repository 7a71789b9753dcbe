package detect

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// costly is a claim that one function spends much on a known kind of work. The
// detectors that make such claims share their limits and how they are read.
type costly struct {
	what string // the work, such as "making slices larger"
	// does reports whether a stack is in that work.
	does  func(stack.Stack) bool
	focus string // the same as a pattern for go tool pprof
	// spare says that none of the work need be done twice, so that garbage alone can make it a warning.
	spare bool
}

// The limits that claims about costly work share.
var (
	limitCostShare = claim.Limit{Name: "min-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
		Doc:    "CPU samples in that work under one function, of all CPU samples",
		Source: "a twentieth of the CPU is the least that a change can show"}
	limitCostWarning = claim.Limit{Name: "min-warning", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
		Doc:    "the same, from which it is a warning",
		Source: "a tenth of the CPU for work that need not be done; measured: healthy programs that spend CPU stay below 0.05"}
	limitCostCapacity = claim.Limit{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
		Doc:    "CPU time in that work, of duration x GOMAXPROCS, from which it is a warning",
		Source: "a twentieth of the machine: what a nearly idle process does with the little it uses is nobody's concern"}
	limitCostAlloc = claim.Limit{Name: "min-alloc-share", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
		Doc:    "bytes allocated in that work under one function between two heap profiles, of all",
		Source: "a tenth of the garbage is what makes a tenth of the collections"}
	limitCostAllocInfo = claim.Limit{Name: "min-alloc-info", Default: evidence.Quantity{Number: 0.3, Unit: evidence.Share},
		Doc:    "the same, below which it only vouches",
		Source: "as alloc-hotspot: a third is what makes one place worth changing before all others"}
	limitCostAllocWarning = claim.Limit{Name: "min-alloc-warning", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
		Doc:    "the same, from which it is a warning",
		Source: "Judgement call: more garbage comes from work that need not be done than from all else"}
	limitCostAllocRate = claim.Limit{Name: "min-alloc-rate", Default: evidence.Quantity{Number: 10 << 20, Unit: evidence.BytesPerSec},
		Doc:    "bytes allocated in that work under one function per second, below which it only vouches",
		Source: "with the smallest heap goal of 4 MiB (runtime/mgcpacer.go, defaultHeapMinimum) it starts two or three collections a second"}
)

// cpu measures the work in a CPU profile.
func (k costly) cpu(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile
	column := p.Column("samples")
	total := p.Total(column)
	focus := []string{"-focus=" + k.focus, "-ignore=runtime.gcAssistAlloc$"}
	var all int64
	sites := bySite(p, column, func(s *pprofile.Sample) stack.Site {
		// Marking in an assist is what the collector costs, whoever it befalls.
		if gcPart(s.Stack).work == gcAssisting || !k.does(s.Stack) {
			return stack.Site{}
		}
		all += s.Values[column]
		return s.Stack.Owner()
	})
	use := usageOf(p, in.Case.GOMAXPROCS)
	r := claim.Reading{
		Says:  fmt.Sprintf("%s of the CPU samples are in %s", evidence.Part(all, total), k.what),
		Power: claim.SharePower(in.Limit("min-share").Number, total, in.Limit("min-warning").Number, "of the CPU samples"),
	}
	for _, s := range sites {
		share := evidence.Part(s.values[column], total)
		if share.Number < in.Limit("min-share").Number || len(r.Candidates) == 3 {
			break
		}
		its := use.part(share.Number)
		c := claim.Candidate{
			Site: s.site, Path: s.path, Share: share.Number, Thin: rough(share.Number, in.Limit("min-share").Number/2, total), Caveats: use.doubt(),
			Summary: fmt.Sprintf("%s of the CPU samples are in %s under %s", share, k.what, s.site.Function),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "CPU samples in " + k.what + " under the function", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
					Limit: in.Against("min-share"), At: claim.At(s.site), Reproduce: peekOwn(e, "samples", s.site, k.does).With(focus...)},
				useFact(in, e, its, "processors in use in "+k.what+" under the function", "min-of-capacity", claim.At(s.site), peekOwn(e, "cpu", s.site, k.does).With(focus...)),
			},
		}
		// What a process that hardly runs does often costs nobody anything.
		if its.share() >= in.Limit("min-of-capacity").Number {
			c.Severity = claim.Info
			if share.Number >= in.Limit("min-warning").Number {
				c.Severity = claim.Warning
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// heap measures what the work allocates between heap profiles. It never denies:
// work may cost CPU and allocate little.
func (k costly) heap(in *claim.Input) claim.Reading {
	s := oneProcess(in.Exhibits)
	last := s.lastExhibit()
	column := last.Profile.Column("alloc_space")
	if column < 0 {
		return claim.Reading{Silent: "the heap profile has no column of allocated memory"}
	}
	spent := allocatedBy(s, k.does)
	r := claim.Reading{Silent: fmt.Sprintf("%s allocates %s of the bytes %s; what it costs besides, a heap profile cannot tell", k.what, evidence.Part(spent.picked, spent.all), spent.since)}
	for _, a := range spent.sites {
		share := evidence.Part(a.bytes, spent.all)
		if share.Number < in.Limit("min-alloc-share").Number || len(r.Candidates) == 3 {
			break
		}
		c := claim.Candidate{
			Site: a.site, Path: a.path, Share: share.Number, Thin: spent.over <= 0,
			Summary: fmt.Sprintf("%s of the bytes allocated %s are for %s under %s", share, spent.since, k.what, a.site.Function),
			Facts: []claim.Fact{{
				Exhibit: last.ID, Says: "bytes allocated " + spent.since + " for " + k.what + " under the function", Value: share,
				Of:    claim.PartOf(evidence.Of(spent.all, evidence.Bytes), "all bytes allocated "+spent.since),
				Limit: in.Against("min-alloc-share"), At: claim.At(a.site), Reproduce: spent.command(claim.Peek(last, "alloc_space", a.site).With("-focus=" + k.focus)),
			}},
		}
		// Without a rate, or with a low one, it is no more than where little comes from.
		if spent.over > 0 {
			rate := evidence.Quantity{Number: float64(a.bytes) / spent.over.Seconds(), Unit: evidence.BytesPerSec}
			c.Summary += fmt.Sprintf(", %s", rate)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: last.ID, Says: "bytes allocated for it per second", Value: rate, Of: claim.PartOf(evidence.Duration(spent.over), "time in which they were allocated"), Limit: in.Against("min-alloc-rate"),
				At: claim.At(a.site), Reproduce: spent.command(claim.Peek(last, "alloc_space", a.site).With("-focus=" + k.focus))})
			if rate.Number >= in.Limit("min-alloc-rate").Number && share.Number >= in.Limit("min-alloc-info").Number {
				c.Severity = claim.Info
				if k.spare && share.Number >= in.Limit("min-alloc-warning").Number {
					c.Severity = claim.Warning
				}
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// spending is what was allocated over a stretch of time, or since the start.
type spending struct {
	all, picked int64 // bytes: of everything, and in the work asked for
	sites       []spender
	over        time.Duration // 0 when unknown
	since       string
	command     func(claim.Command) claim.Command // makes a command for pprof show the same stretch
}

type spender struct {
	site  stack.Site
	path  []string
	bytes int64
	most  int64
}

// allocatedBy adds up the bytes allocated in stacks that does picks, by the
// function that answers for them: between the first and the last profile of the
// series, or since the start where there is one.
func allocatedBy(s *heapSeries, does func(stack.Stack) bool) spending {
	out := spending{over: s.span(), since: "between the first and the last heap profile"}
	last := s.lastExhibit()
	if d := last.Profile.Duration; d > 0 {
		out.over, out.since = d, "while the profile was taken"
	} else if out.over <= 0 || len(s.views) < 2 {
		out.over, out.since = 0, "since the program started"
	}
	sums := map[string]*spender{}
	add := func(p *pprofile.Profile, sign int64) {
		column := p.Column("alloc_space")
		if column < 0 {
			return
		}
		for i := range p.Samples {
			sample := &p.Samples[i]
			if len(sample.Stack) == 0 || recorders(sample.Stack) {
				continue
			}
			n := sign * sample.Values[column]
			out.all += n
			if !does(sample.Stack) {
				continue
			}
			out.picked += n
			site := sample.Stack.Owner()
			sum := sums[site.Function]
			if sum == nil {
				sum = &spender{site: site, most: -1}
				sums[site.Function] = sum
			}
			sum.bytes += n
			if n > sum.most {
				sum.most, sum.site, sum.path = n, site, sample.Stack.Path()
			}
		}
	}
	add(last.Profile, 1)
	out.command = func(c claim.Command) claim.Command { return c }
	if out.over > 0 && len(s.views) > 1 {
		out.command = s.added
		add(s.exhibits[0].Profile, -1)
	}
	for _, sum := range sums {
		if sum.bytes > 0 {
			out.sites = append(out.sites, *sum)
		}
	}
	slices.SortFunc(out.sites, func(a, b spender) int {
		return cmp.Or(-cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.site.Function, b.site.Function))
	})
	return out
}

// sortCandidates orders the candidates of a reading by share and keeps the first three.
func sortCandidates(r *claim.Reading) {
	slices.SortFunc(r.Candidates, func(a, b claim.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Share, b.Share), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), 3)]
}
