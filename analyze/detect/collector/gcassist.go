package collector

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// GCAssist claims that goroutines of the program are made to do the collector's marking.
var GCAssist = &claim.Detector{
	ID:      "gc-assist",
	Title:   "Goroutines that allocate are made to mark",
	Process: true,
	Doc: `While a collection marks, a goroutine that allocates faster than the workers mark has to mark first, in proportion to what it
allocates. The request it serves waits meanwhile.

**How it is measured.** In a trace: the time that goroutines run in mark assists over the processor time outside the collector's own workers, and the code that was made
to assist; the longest assist is told as wall time, with what it waited. In a CPU profile: samples below runtime.gcAssistAlloc over all samples of the program's own goroutines. A goroutine dump can show
goroutines that stand in an assist.

**When it is wrong.** Assists are few and short in a healthy program, but not absent. A trace without a collection says nothing.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "time in mark assists, of the time the program's own goroutines run",
			Source: "runtime/mgcpacer.go: collections start early enough that the background workers end before the heap reaches its goal, so that assists are the exception"},
		{Name: "min-warning", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "as min-share, from which it is a warning; below, it is an info",
			Source: "a tenth more time for every request is what a comparison can show; measured: a batch that decodes JSON at full throttle with a small live heap stays at 0.09 on a machine with three runnable threads per processor"},
		{Name: "min-critical", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "as min-share, from which it is critical",
			Source: "a quarter more time for every request; as much as all the background workers have (runtime/mgcpacer.go, gcBackgroundUtilization)"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "part of min-share from which it vouches for what another kind of evidence shows",
			Source: "as gc-pressure"},
		{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.02, Unit: evidence.Share},
			Doc:    "time in mark assists, of duration x GOMAXPROCS",
			Source: "below a fiftieth of the processors the share is of a process that hardly runs"},
		{Name: "min-cycles", Default: minCycles,
			Doc:    "collections in a trace, below which it is an info at most",
			Source: "a collection that a profile or the tracer itself set off weighs a fifth of five"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "time in mark assists by the code that was made to assist", Run: judge.WorstOf(gcAssistTrace)},
		{Kind: evidence.CPU, Doc: "samples below runtime.gcAssistAlloc by the code that allocated", Run: judge.WorstOf(gcAssistCPU)},
		{Kind: evidence.Dump, Doc: "goroutines that stand in an assist; can confirm and never deny", Run: judge.WorstOf(gcAssistDump)},
	},
	Fix: []claim.Text{
		"Allocate less on the path that assists: reuse buffers, size them in advance, keep values instead of pointers",
		"Give the collector more room with a higher GOGC or a GOMEMLIMIT with GOGC raised, so that collections are fewer",
		"Leave the collector processors: with one or two of them, its workers share them with the requests",
	},
}

// assistSite is what one function spent in assists.
type assistSite struct {
	site  stack.Site
	path  []string
	total time.Duration
	count int64
}

func gcAssistTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	// Assists happen in collections only: without one there was no occasion.
	if t.CycleCount == 0 && len(t.Assists) == 0 {
		return claim.Reading{Silent: claim.Textf("no collection ran in the %s of trace", evidence.Duration(t.Duration))}
	}
	total, own := t.AssistTime(), t.MutatorTime()
	share := evidence.Part(total, own)
	r := claim.Reading{Says: claim.Textf("%s of the program's own running time is in mark assists, over %s", share, evidence.Things(t.CycleCount, "collection"))}
	if float64(t.CycleCount) < in.Limit("min-cycles").Number {
		r.Silent = claim.Textf("only %s in %s of trace", evidence.Things(t.CycleCount, "collection"), evidence.Duration(t.Duration))
	}
	severity := assistSeverity(in, share.Number, evidence.Part(total, t.ProcTime()).Number)
	// Near the limit it shows the same, if less of it: it vouches.
	if severity == claim.NoSeverity && share.Number < in.Limit("min-share").Number*in.Limit("min-vote").Number {
		return r
	}
	if r.Silent != "" {
		severity = min(severity, claim.Info)
	}
	sites := map[string]*assistSite{}
	var order []*assistSite
	var longest time.Duration
	var count int64
	for i := range t.Assists {
		a := &t.Assists[i]
		owner := a.Stack.Owner()
		s := sites[owner.Function]
		if s == nil {
			s = &assistSite{site: owner, path: a.Stack.Path()}
			sites[owner.Function] = s
			order = append(order, s)
		}
		s.total += a.Running
		s.count += a.Count
		count += a.Count
		longest = max(longest, a.Max)
	}
	slices.SortStableFunc(order, func(a, b *assistSite) int {
		return cmp.Or(-cmp.Compare(a.total, b.total), cmp.Compare(a.site.Function, b.site.Function))
	})
	top := order[0]
	reproduce := claim.TraceView(e, "View trace: MARK ASSIST slices on the Procs; Goroutine analysis, column GC")
	c := claim.Candidate{
		Path: top.path, Severity: severity, Thin: float64(t.CycleCount) < in.Limit("min-cycles").Number, Share: share.Number,
		Summary: claim.Textf("goroutines spend %s of their running time marking for the collector, most of it in %s", share, claim.Func(top.site.Function)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "time in mark assists", Value: share, Of: claim.PartOf(evidence.Duration(own), "processor time outside the collector's workers"),
				Limit: in.Against("min-share"), At: claim.At(top.site), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "mark assists", Value: evidence.Of(count, evidence.Count), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "the longest mark assist, from begin to end", Value: evidence.Duration(longest), Reproduce: reproduce},
		},
	}
	for _, s := range order[:min(len(order), 3)] {
		c.Sites = append(c.Sites, s.site)
		c.Facts = append(c.Facts, claim.Fact{
			Exhibit: e.ID, Says: claim.Textf("time in mark assists under %s", claim.Func(s.site.Function)), Value: evidence.Part(s.total, total),
			Of: claim.PartOf(evidence.Duration(total), "time in mark assists"), At: claim.At(s.site), Reproduce: reproduce,
		})
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

func assistSeverity(in *claim.Input, share, capacity float64) claim.Severity {
	switch {
	// A process that hardly runs has nobody who would notice.
	case share < in.Limit("min-share").Number || capacity < in.Limit("min-of-capacity").Number:
		return claim.NoSeverity
	case share >= in.Limit("min-critical").Number:
		return claim.Critical
	case share >= in.Limit("min-warning").Number:
		return claim.Warning
	}
	return claim.Info
}

func gcAssistCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	g := reading.CollectorIn(p, column)
	share := evidence.Part(g.Assist, g.Mutators())
	r := claim.Reading{
		Says:  claim.Textf("%s of the samples of the program's own goroutines are in mark assists", share),
		Power: claim.SharePower(in.Limit("min-share").Number, g.Mutators(), in.Limit("min-warning").Number, "of the CPU samples in mark assists"),
	}
	severity := assistSeverity(in, share.Number, reading.Busy(p, in.Process.GOMAXPROCS)*evidence.Part(g.Assist, g.Total).Number)
	// Near the limit it shows the same, if less of it: it vouches.
	if severity == claim.NoSeverity && share.Number < in.Limit("min-share").Number*in.Limit("min-vote").Number {
		return r
	}
	sites := reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if reading.GCPart(s.Stack).Work != reading.GCAssisting {
			return stack.Site{}
		}
		return s.Stack.Owner()
	})
	c := claim.Candidate{
		Path: sites[0].Path, Severity: severity, Share: share.Number, Thin: judge.Rough(share.Number, in.Limit("min-share").Number, g.Mutators()),
		Summary: claim.Textf("goroutines spend %s of their CPU time marking for the collector, most of it in %s", share, claim.Func(sites[0].Site.Function)),
		Facts: []claim.Fact{{
			Exhibit: e.ID, Says: "CPU samples in mark assists", Value: share, Of: claim.PartOf(evidence.Of(g.Mutators(), evidence.Count), "CPU samples of the program's own goroutines"),
			Limit: in.Against("min-share"), At: claim.At(sites[0].Site), Reproduce: claim.Peek(e, "samples", stack.Site{Function: "runtime.gcAssistAlloc"}),
		}},
	}
	for _, s := range sites[:min(len(sites), 3)] {
		c.Sites = append(c.Sites, s.Site)
		c.Facts = append(c.Facts, claim.Fact{
			Exhibit: e.ID, Says: claim.Textf("CPU samples in mark assists under %s", claim.Func(s.Site.Function)), Value: evidence.Part(s.Values[column], g.Assist),
			Of: claim.PartOf(evidence.Of(g.Assist, evidence.Count), "CPU samples in mark assists"), At: claim.At(s.Site), Reproduce: reading.PeekOwn(e, "samples", s.Site, func(s stack.Stack) bool { return reading.GCPart(s).Work == reading.GCAssisting }).With("-focus=runtime.gcAssistAlloc$"),
		})
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

func gcAssistDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	var found []*dump.Goroutine
	for i := range e.Dump().Goroutines {
		if g := &e.Dump().Goroutines[i]; strings.HasPrefix(g.State, "GC assist") {
			found = append(found, g)
		}
	}
	// An assist takes microseconds, so a dump that shows none denies nothing.
	r := claim.Reading{Silent: "no goroutine stands in a mark assist at the moment of the dump"}
	if len(found) == 0 {
		return r
	}
	site := found[0].Stack().Owner()
	r.Candidates = []claim.Candidate{{
		Sites: []stack.Site{site}, Thin: true,
		Summary: claim.Textf("%s in a mark assist", evidence.Things(len(found), "goroutine")),
		Facts: []claim.Fact{{
			Exhibit: e.ID, Says: "goroutines that stand in a mark assist", Value: evidence.Of(len(found), evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "goroutines in the dump"),
			At: claim.Location{Function: site.Function, File: site.File, Line: site.Line, Goroutine: found[0].ID}, Reproduce: claim.Grep(e, "["+wait.StateText(found[0].State)),
		}},
	}}
	return r
}
