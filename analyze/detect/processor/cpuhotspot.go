// Package processor holds the detectors of what the processors are used for.
package processor

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// CPUHotspot names the function that takes most CPU, and claims that others wait for it.
var CPUHotspot = &claim.Detector{
	ID:    "cpu-hotspot",
	Title: "CPU hot spot",
	Doc: `One application function, together with the standard library code it calls directly, takes the largest part of all CPU samples. That is a plain fact, and a warning where others wait for the
processors that it keeps.

**How it is measured.** Every CPU sample is given to the first frame outside the standard library: what
json.Marshal costs is the cost of whoever called it. The share is that function's samples over all samples; who calls it for nine tenths of them is named beside it. It is a warning where the function takes
min-share of the samples, the process uses a large part of the processors it has (samples times period over the duration of the profile, compared with GOMAXPROCS), and a trace shows that goroutines
that answer to the outside waited for a processor, as sched-latency measures it, and that one of them always did (impact.min-standing-warning). A trace that was recorded while a CPU profile ran holds the same samples as the profile.

**When it is wrong.** Somebody always takes most CPU. A batch program is meant to keep its processors busy; then this is where the time goes, not
a fault. Work in C code or in the kernel on behalf of the function counts
for it, if it is sampled at all.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.4, Unit: evidence.Share},
			Doc:    "samples of the function and its standard library callees, of all samples, from which it can be a warning",
			Source: "Amdahl: making a function with two fifths of the time twice as fast makes the whole a quarter faster; with less, look for several"},
		{Name: "min-busy", Default: judge.MinBusy,
			Doc:    "CPU time used, of duration x GOMAXPROCS, from which it can be a warning",
			Source: "half of the processors idle means that CPU is not what anyone waits for"},
		{Name: "min-p99", Default: evidence.Duration(reading.ForcedPreemption),
			Doc:    "99th percentile of the waits for a processor of goroutines that answer to the outside, from which it is a warning",
			Source: "as sched-latency: runtime/proc.go, forcePreemptNS"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "share of CPU samples by first frame outside the standard library", Run: judge.WorstOf(cpuHotspotCPU)},
		{Kind: evidence.Trace, Doc: "the same for the CPU samples in a trace, which are there only when a CPU profile ran at the same time, and who waited for a processor", Run: judge.WorstOf(cpuHotspotTrace)},
		{Kind: evidence.Folded, Doc: "the same for the samples of a tracer such as perf" + judge.FoldedDoc, Run: judge.FoldedMeasure(cpuCounts)},
	},
	Fix: []claim.Text{
		"Look at the function's callees in a flame graph and remove work that is repeated or not needed",
		"Run it on fewer goroutines than there are processors, where requests must not wait for it",
	},
	Explains: []claim.Mechanism{
		{Effect: "sched-latency", Why: "goroutines that become runnable wait until one of those that compute has used up its 10 ms", Source: "runtime/proc.go, forcePreemptNS"},
	},
}

// hotspots names the function with most samples of a profile, and the others with min-share, late being those who wait for a
// processor meanwhile. What the runtime does for itself has detectors of its own.
func hotspots(in *claim.Input, e *evidence.Exhibit, p *pprofile.Profile, use reading.Usage, late *exectrace.Group, sampled claim.Text, command func(*reading.SiteSum) claim.Command, whole claim.Command) claim.Reading {
	column := p.Column("samples")
	total := p.Total(max(column, 0))
	least := in.Limit("min-share").Number
	var r claim.Reading
	for _, s := range reading.BySite(p, column, func(s *pprofile.Sample) stack.Site { return s.Stack.Owner() }) {
		share := evidence.Part(s.Values[column], total)
		if stack.Plumbing(s.Site.Function) || len(r.Candidates) > 0 && share.Number < least {
			continue
		}
		c := claim.Candidate{
			Site: s.Site, Path: s.Path, Severity: claim.Info, Share: share.Number, Thin: judge.Rough(share.Number, min(2*least, share.Number), total), Caveats: use.Doubt(),
			Summary: claim.Textf("%s takes %s of the CPU samples", claim.Func(s.Site.Function), share),
			Facts: []claim.Fact{{
				Exhibit: e.ID, Says: "CPU samples in the function and the standard library code it calls", Value: share,
				Of:    claim.PartOf(evidence.Of(total, evidence.Count), sampled),
				Limit: in.Against("min-share"), At: claim.At(s.Site), Reproduce: command(s),
			}},
		}
		judge.CalledBy(&c, reading.CallersOf(p, s.Site.Function, reading.InColumn(column)))
		if use.Used > 0 {
			c.Summary += claim.Textf("; the process keeps %s busy", use)
			c.Facts = append(c.Facts, judge.UseFact(in, e, use, "processors in use", "min-busy", claim.Location{}, whole))
		}
		c.Plain = share.Number < least || use.Share() < in.Limit("min-busy").Number
		if late != nil && !c.Plain {
			c.Severity = claim.Warning
			c.Sites = append(c.Sites, late.Start)
			c.Facts = append(c.Facts, judge.LateFact(e, late, in.Against("min-p99")))
		}
		r.Candidates = append(r.Candidates, c)
	}
	if len(r.Candidates) == 0 {
		r.Silent = "no CPU sample outside the runtime has a function name"
		return r
	}
	r.Says = r.Candidates[0].Summary
	r.Power = claim.SharePower(least, total, 1, "of the CPU samples in one function")
	return r
}

func cpuHotspotCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	return hotspots(in, e, e.Profile(), reading.UsageOf(e.Profile(), in.Process.GOMAXPROCS), nil, "all CPU samples",
		func(s *reading.SiteSum) claim.Command { return reading.PeekOwn(e, "samples", s.Site, nil) }, claim.Top(e, "cpu"))
}

func cpuHotspotTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	late := judge.LateForCPU(in, t)
	if len(t.Samples) == 0 {
		r := claim.Reading{Silent: "no CPU profile ran while the trace was recorded, so it holds no samples"}
		if late != nil {
			r.Candidates = append(r.Candidates, claim.Candidate{
				Thin: true, Raises: claim.Warning,
				Summary: claim.Textf("goroutines of %s wait for a processor meanwhile", claim.Func(late.Start.Function)),
				Facts:   []claim.Fact{judge.LateFact(e, late, in.Against("min-p99"))},
			})
		}
		if c, ok := busiest(in, e); ok {
			r.Candidates = append(r.Candidates, c)
		}
		return r
	}
	// A trace's samples read like a profile with one column.
	p := &pprofile.Profile{Columns: []pprofile.Column{{Name: "samples", Unit: "count"}}}
	for _, s := range t.Samples {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: s.Stack, Values: []int64{s.Count}})
	}
	use := reading.Usage{Procs: t.Procs.Max, Used: evidence.Part(t.Procs.Running, t.Duration).Number}
	view := func(s *reading.SiteSum) claim.Command {
		return claim.TraceView(e, claim.Textf("View trace: the CPU samples on the Procs, in %s", claim.Func(s.Site.Function)))
	}
	return hotspots(in, e, p, use, late, "CPU samples in the trace", view, claim.TraceView(e, "View trace: the Procs"))
}

// cpuCounts are samples of what ran.
var cpuCounts = judge.TracedKind{
	Inside:  func(s stack.Stack) bool { return !stack.Plumbing(s.Owner().Function) },
	Samples: "outside the runtime", Site: judge.OwnerOf,
}

// busiest names the goroutines of the application that run longest in a trace without samples, by the function they start in.
// CPU samples of another time name the function itself. Goroutines that the standard library starts are named by none of the program's code.
func busiest(in *claim.Input, e *evidence.Exhibit) (claim.Candidate, bool) {
	g := e.Trace().BusiestGroup()
	if _, _, sampled := in.Process.Under(""); sampled > 0 || g == nil || stack.Standard(g.Start.Function) {
		return claim.Candidate{}, false
	}
	ran := judge.RanFact(e, g, in.Against("min-share"))
	share := ran.Value
	if share.Number < in.Limit("min-share").Number {
		return claim.Candidate{}, false
	}
	use := evidence.Part(e.Trace().Procs.Running, e.Trace().ProcTime())
	return claim.Candidate{
		Site: g.Start, Severity: claim.Info, Plain: true, Share: share.Number,
		Summary: claim.Textf("goroutines of %s run for %s of the time for which all do; %s of the processors are in use", claim.Func(g.Start.Function), share, use),
		Facts:   []claim.Fact{ran},
		Fix: []claim.Text{
			"Record a CPU profile beside the trace: it names the function that these goroutines spend their time in",
			"Look at what they do that is repeated or not needed",
		},
	}, true
}
