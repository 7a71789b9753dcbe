package detect

import (
	"fmt"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// CPUHotspot claims that one function takes most CPU and that CPU is scarce.
var CPUHotspot = &analyze.Detector{
	ID:    "cpu-hotspot",
	Title: "One function takes most of the CPU",
	Doc: `One application function, together with the standard library code it calls directly,
takes a large part of all CPU samples while the process uses a large part of the processors it has.

**How it is measured.** Every CPU sample is given to the first frame outside the standard library: what
json.Marshal costs is the cost of whoever called it. The share is that function's samples over all samples.
The claim also needs CPU to be scarce: samples times period over the duration of the profile, compared with GOMAXPROCS.

**When it is wrong.** A batch program is meant to keep its processors busy; then this is where the time goes, not
a fault, and the finding is an info. When GOMAXPROCS is unknown, scarcity is judged against one processor.`,
	Limits: []analyze.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.4, Unit: evidence.Share},
			Doc:    "samples of the function and its standard library callees, of all samples",
			Source: "measured: the fixtures' hot functions stand above 0.5, the busiest function of the healthy ones below 0.35"},
		{Name: "min-busy", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "CPU time used, of duration x GOMAXPROCS",
			Source: "half of the processors idle means that CPU is not what anyone waits for"},
		{Name: "min-samples", Default: evidence.Quantity{Number: 100, Unit: evidence.Count},
			Doc:    "CPU samples in all, below which shares mean little",
			Source: "binomial: at 100 samples a share of 0.4 has a standard error of 0.05"},
	},
	Measures: []analyze.Measure{
		{Kind: evidence.CPU, Doc: "share of CPU samples by first frame outside the standard library", Run: cpuHotspotCPU},
	},
	Fix: []string{
		"Look at the function's callees in a flame graph and remove work that is repeated or not needed",
	},
}

func cpuHotspotCPU(in *analyze.Input) analyze.Reading {
	e := latest(in.Exhibits)
	p := e.Profile
	column := p.Column("samples")
	total := p.Total(column)
	if total < int64(in.Limit("min-samples").Number) {
		return analyze.Reading{Silent: fmt.Sprintf("only %d samples; the process was nearly idle or the profile short", total)}
	}
	busy := evidence.Quantity{Unit: evidence.Share}
	if p.Duration > 0 {
		busy = evidence.Part(float64(p.Total(p.Column("cpu"))), float64(p.Duration)*float64(max(in.Case.GOMAXPROCS, 1)))
	}
	sites := bySite(p, column, func(s *pprofile.Sample) stack.Site { return s.Stack.Owner() })
	r := analyze.Reading{Says: fmt.Sprintf("the busiest function, %s, has %s of the samples", sites[0].site.Function, evidence.Part(sites[0].values[column], total))}
	top := sites[0]
	share := evidence.Part(top.values[column], total)
	// A busy function in a process that mostly idles costs nobody anything.
	if share.Number < in.Limit("min-share").Number || busy.Number < in.Limit("min-busy").Number || stack.Plumbing(top.site.Function) {
		return r
	}
	r.Candidates = []analyze.Candidate{{
		Site:     top.site,
		Path:     top.path,
		Severity: analyze.Info,
		Share:    share.Number,
		Summary:  fmt.Sprintf("%s takes %s of the CPU samples, and the process keeps %s of its processors busy", top.site.Function, share, busy),
		Facts: []analyze.Fact{{
			Exhibit: e.ID, Says: "CPU samples in the function and the standard library code it calls", Value: share,
			Of:    analyze.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
			Limit: in.Against("min-share"), At: analyze.At(top.site), Reproduce: analyze.Peek(e, "samples", top.site),
		}},
	}}
	return r
}
