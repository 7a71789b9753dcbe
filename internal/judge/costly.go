package judge

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// Costly is a claim that one function spends much on a known kind of work. The
// detectors that make such claims share their limits and how they are read.
type Costly struct {
	What claim.Text // the work, such as "making slices larger"
	// does reports whether a stack is in that work.
	Does  func(stack.Stack) bool
	Focus claim.Text // the same as a pattern for go tool pprof
	// Answers tells who answers for the CPU of a stack; nil is [stack.Stack.Owner].
	Answers func(stack.Stack) stack.Site
	// spare says that none of the work need be done twice, so that garbage alone can make it a warning.
	Spare bool
}

// The limits that claims about costly work share.
var (
	LimitCostShare = claim.Limit{Name: "min-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
		Doc:    "CPU samples in that work under one function, of all CPU samples",
		Source: "a twentieth of the CPU is the least that a change can show"}
	LimitCostWarning = claim.Limit{Name: "min-warning", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
		Doc:    "the same, from which it is a warning",
		Source: "a tenth of the CPU for work that need not be done; measured: healthy programs that spend CPU stay below 0.05"}
	LimitCostCapacity = claim.Limit{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
		Doc:    "CPU time in that work, of duration x GOMAXPROCS, from which it is a warning",
		Source: "a twentieth of the machine: what a nearly idle process does with the little it uses is nobody's concern"}
	LimitCostAlloc = claim.Limit{Name: "min-alloc-share", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
		Doc:    "bytes allocated in that work under one function between two heap profiles, of all",
		Source: "a tenth of the garbage is what makes a tenth of the collections"}
	LimitCostAllocInfo = claim.Limit{Name: "min-alloc-info", Default: evidence.Quantity{Number: 0.3, Unit: evidence.Share},
		Doc:    "the same, below which it only vouches",
		Source: "as alloc-hotspot: a third is what makes one place worth changing before all others"}
	LimitCostAllocWarning = claim.Limit{Name: "min-alloc-warning", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
		Doc:    "the same, from which it is a warning",
		Source: "Judgement call: more garbage comes from work that need not be done than from all else"}
	LimitCostAllocRate = claim.Limit{Name: "min-alloc-rate", Default: evidence.Quantity{Number: 10 << 20, Unit: evidence.BytesPerSec},
		Doc:    "bytes allocated in that work under one function per second, below which it only vouches",
		Source: "with the smallest heap goal of 4 MiB (runtime/mgcpacer.go, defaultHeapMinimum) it starts two or three collections a second"}
)

// CPU measures the work in a CPU profile.
func (k Costly) CPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	total := p.Total(column)
	focus := []claim.Text{"-focus=" + k.Focus, "-ignore=runtime.gcAssistAlloc$"}
	var all int64
	answers := k.Answers
	if answers == nil {
		answers = stack.Stack.Owner
	}
	sites := reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		// Marking in an assist is what the collector costs, whoever it befalls.
		if reading.GCPart(s.Stack).Work == reading.GCAssisting || !k.Does(s.Stack) {
			return stack.Site{}
		}
		all += s.Values[column]
		return answers(s.Stack)
	})
	use := reading.UsageOf(p, in.Process.GOMAXPROCS)
	r := claim.Reading{
		Says:  claim.Textf("%s of the CPU samples are in %s", evidence.Part(all, total), k.What),
		Power: claim.SharePower(in.Limit("min-share").Number, total, in.Limit("min-warning").Number, "of the CPU samples"),
	}
	for _, s := range sites {
		share := evidence.Part(s.Values[column], total)
		if share.Number < in.Limit("min-share").Number || len(r.Candidates) == reading.FewSites {
			break
		}
		its := use.Part(share.Number)
		c := claim.Candidate{
			Site: s.Site, Path: s.Path, Share: share.Number, Thin: Rough(share.Number, in.Limit("min-share").Number, total), Caveats: use.Doubt(),
			Summary: claim.Textf("%s of the CPU samples are in %s under %s", share, k.What, claim.Func(s.Site.Function)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("CPU samples in %s under the function", k.What), Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
					Limit: in.Against("min-share"), At: claim.At(s.Site), Reproduce: reading.PeekOwn(e, "samples", s.Site, k.Does).With(focus...)},
				UseFact(in, e, its, "processors in use in "+k.What+" under the function", "min-of-capacity", claim.At(s.Site), reading.PeekOwn(e, "cpu", s.Site, k.Does).With(focus...)),
			},
		}
		// What a process that hardly runs does often costs nobody anything.
		if its.Share() >= in.Limit("min-of-capacity").Number {
			c.Severity = claim.Info
			if share.Number >= in.Limit("min-warning").Number {
				c.Severity = claim.Warning
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// Heap measures what the work allocates between heap profiles. It never denies:
// work may cost CPU and allocate little.
func (k Costly) Heap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	last := s.LastExhibit()
	column := last.Profile().Column("alloc_space")
	if column < 0 {
		return claim.Reading{Silent: "the heap profile has no column of allocated memory"}
	}
	spent := reading.AllocatedBy(s, k.Does)
	r := claim.Reading{Silent: claim.Textf("%s allocates %s of the bytes %s; what it costs besides, a heap profile cannot tell", k.What, evidence.Part(spent.Picked, spent.All), spent.Since)}
	for _, a := range spent.Sites {
		share := evidence.Part(a.Bytes, spent.All)
		if share.Number < in.Limit("min-alloc-share").Number || len(r.Candidates) == reading.FewSites {
			break
		}
		c := claim.Candidate{
			Site: a.Site, Path: a.Path, Share: share.Number, Thin: spent.Over <= 0,
			Summary: claim.Textf("%s of the bytes allocated %s are for %s under %s", share, spent.Since, k.What, claim.Func(a.Site.Function)),
			Facts: []claim.Fact{{
				Exhibit: last.ID, Says: claim.Textf("bytes allocated %s for %s under the function", spent.Since, k.What), Value: share,
				Of:    claim.PartOf(evidence.Of(spent.All, evidence.Bytes), "all bytes allocated "+spent.Since),
				Limit: in.Against("min-alloc-share"), At: claim.At(a.Site), Reproduce: spent.Command(claim.Peek(last, "alloc_space", a.Site).With("-focus=" + k.Focus)),
			}},
		}
		// Without a rate, or with a low one, it is no more than where little comes from.
		if spent.Over > 0 {
			rate := evidence.Quantity{Number: float64(a.Bytes) / spent.Over.Seconds(), Unit: evidence.BytesPerSec}
			c.Summary += claim.Textf(", %s", rate)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: last.ID, Says: "bytes allocated for it per second", Value: rate, Of: claim.PartOf(evidence.Duration(spent.Over), "time in which they were allocated"), Limit: in.Against("min-alloc-rate"),
				At: claim.At(a.Site), Reproduce: spent.Command(claim.Peek(last, "alloc_space", a.Site).With("-focus=" + k.Focus))})
			if rate.Number >= in.Limit("min-alloc-rate").Number && share.Number >= in.Limit("min-alloc-info").Number {
				c.Severity = claim.Info
				if k.Spare && share.Number >= in.Limit("min-alloc-warning").Number {
					c.Severity = claim.Warning
				}
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
