package detect

import (
	"fmt"
	"math"
	"strings"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
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
The claim also needs CPU to be scarce: samples times period over the duration of the profile, compared with GOMAXPROCS. A trace shows whether goroutines
that answer to the outside waited for a processor, as sched-latency measures it; only then is it a warning. A trace that was recorded while a CPU profile ran holds the same samples as the profile.

**When it is wrong.** A batch program is meant to keep its processors busy; then this is where the time goes, not
a fault, and the finding is an info. When GOMAXPROCS is unknown, scarcity is judged against one processor. Work in C code or in the kernel on behalf of the function counts
for it, if it is sampled at all.`,
	Limits: []analyze.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.4, Unit: evidence.Share},
			Doc:    "samples of the function and its standard library callees, of all samples",
			Source: "Amdahl: making a function with two fifths of the time twice as fast makes the whole a quarter faster; with less, look for several"},
		{Name: "min-busy", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "CPU time used, of duration x GOMAXPROCS",
			Source: "half of the processors idle means that CPU is not what anyone waits for"},
		{Name: "min-samples", Default: evidence.Quantity{Number: 100, Unit: evidence.Count},
			Doc:    "CPU samples in all, below which shares mean little",
			Source: "binomial: at 100 samples a share of 0.4 has a standard error of 0.05"},
		{Name: "min-p99", Default: evidence.Duration(forcedPreemption),
			Doc:    "99th percentile of the waits for a processor of goroutines that answer to the outside, from which it is a warning",
			Source: "as sched-latency: runtime/proc.go, forcePreemptNS"},
	},
	Measures: []analyze.Measure{
		{Kind: evidence.CPU, Doc: "share of CPU samples by first frame outside the standard library", Run: worstOf(cpuHotspotCPU)},
		{Kind: evidence.Trace, Doc: "the same for the CPU samples in a trace, which are there only when a CPU profile ran at the same time, and who waited for a processor", Run: worstOf(cpuHotspotTrace)},
		{Kind: evidence.Folded, Doc: "the same for the samples of a tracer such as perf" + foldedDoc, Run: foldedMeasure(cpuCounts)},
	},
	Fix: []string{
		"Look at the function's callees in a flame graph and remove work that is repeated or not needed",
		"Run it on fewer goroutines than there are processors, where requests must not wait for it",
	},
}

// hotspot is the judgement that both measures share.
type hotspot struct {
	exhibit *evidence.Exhibit
	site    *siteSum
	samples int64 // of the site
	total   int64
	busy    evidence.Quantity
	sampled string          // what the samples are
	command analyze.Command // that shows them
	whole   analyze.Command // that shows all of them
}

// processors says how many processors are in use: a part of those that the process has, or their number where that is unknown.
func (h *hotspot) processors(in *analyze.Input) string {
	if in.Case.GOMAXPROCS == 0 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", h.busy.Number), ".0") + plural(int64(math.Ceil(h.busy.Number)), " processor", " processors")
	}
	return fmt.Sprintf("%s of its processors", h.busy)
}

func (h *hotspot) candidate(in *analyze.Input) (analyze.Candidate, bool) {
	share := evidence.Part(h.samples, h.total)
	// The runtime's own work has detectors of its own.
	if share.Number < in.Limit("min-share").Number || stack.Plumbing(h.site.site.Function) {
		return analyze.Candidate{}, false
	}
	c := analyze.Candidate{
		Site: h.site.site, Path: h.site.path, Severity: analyze.Info, Share: share.Number,
		// Two standard errors of a binomial share.
		Thin:    share.Number-2*math.Sqrt(share.Number*(1-share.Number)/float64(h.total)) < in.Limit("min-share").Number,
		Summary: fmt.Sprintf("%s takes %s of the CPU samples, and the process keeps %s busy", h.site.site.Function, share, h.processors(in)),
		Facts: []analyze.Fact{{
			Exhibit: h.exhibit.ID, Says: "CPU samples in the function and the standard library code it calls", Value: share,
			Of:    analyze.PartOf(evidence.Of(h.total, evidence.Count), h.sampled),
			Limit: in.Against("min-share"), At: analyze.At(h.site.site), Reproduce: h.command,
		}, {
			Exhibit: h.exhibit.ID, Says: "processors in use", Value: h.busy, Of: analyze.PartOf(evidence.Of(max(in.Case.GOMAXPROCS, 1), evidence.Count), "processors (GOMAXPROCS)"),
			Limit: in.Against("min-busy"), Reproduce: h.whole,
		}},
	}
	if in.Case.GOMAXPROCS == 0 { // a share of an unknown number says nothing
		c.Facts[1].Says, c.Facts[1].Value, c.Facts[1].Of = "processors in use, of an unknown number", evidence.Quantity{Number: h.busy.Number, Unit: evidence.Ratio}, nil
	}
	// A busy function in a process that mostly idles costs nobody anything; it still
	// vouches for the share.
	if h.busy.Number < in.Limit("min-busy").Number {
		c.Severity = analyze.NoSeverity
	}
	if in.Case.GOMAXPROCS == 0 {
		c.Caveats = []string{"GOMAXPROCS is unknown: whether the processors in use are all that there are was judged against one"}
	}
	return c, true
}

func cpuHotspotCPU(in *analyze.Input, e *evidence.Exhibit) analyze.Reading {
	p := e.Profile
	column := p.Column("samples")
	total := p.Total(column)
	if total < int64(in.Limit("min-samples").Number) {
		return analyze.Reading{Silent: fmt.Sprintf("only %s; the process was nearly idle or the profile short", evidence.Things(total, "sample"))}
	}
	h := hotspot{exhibit: e, total: total, busy: evidence.Quantity{Number: busy(p, in.Case.GOMAXPROCS), Unit: evidence.Share}, sampled: "all CPU samples", whole: analyze.Top(e, "cpu")}
	sites := bySite(p, column, func(s *pprofile.Sample) stack.Site { return s.Stack.Owner() })
	if len(sites) == 0 {
		return analyze.Reading{Silent: "no sample of the profile has a function name"}
	}
	r := analyze.Reading{Says: fmt.Sprintf("the busiest function, %s, has %s of the samples, and %s in use", sites[0].site.Function, evidence.Part(sites[0].values[column], total), h.processors(in))}
	for _, s := range sites[:min(len(sites), 2)] {
		h.site, h.samples, h.command = s, s.values[column], peekOwn(e, "samples", s.site, nil)
		if c, ok := h.candidate(in); ok {
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

func cpuHotspotTrace(in *analyze.Input, e *evidence.Exhibit) analyze.Reading {
	t := e.Trace
	late := lateForCPU(in, t)
	if len(t.Samples) == 0 {
		r := analyze.Reading{Silent: "no CPU profile ran while the trace was recorded, so it holds no samples"}
		if late != nil {
			r.Candidates = []analyze.Candidate{{
				Thin: true, Raises: analyze.Warning,
				Summary: fmt.Sprintf("goroutines of %s wait for a processor meanwhile", late.Start.Function),
				Facts:   []analyze.Fact{lateFact(e, late, in.Against("min-p99"))},
			}}
		}
		return r
	}
	// A trace's samples read like a profile with one column.
	p := &pprofile.Profile{Columns: []pprofile.Column{{Name: "samples", Unit: "count"}}}
	for _, s := range t.Samples {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: s.Stack, Values: []int64{s.Count}})
	}
	total := p.Total(0)
	if total < int64(in.Limit("min-samples").Number) {
		return analyze.Reading{Silent: fmt.Sprintf("only %s in the trace", evidence.Things(total, "CPU sample"))}
	}
	sites := bySite(p, 0, func(s *pprofile.Sample) stack.Site { return s.Stack.Owner() })
	if len(sites) == 0 {
		return analyze.Reading{Silent: "no CPU sample in the trace has a function name"}
	}
	h := hotspot{exhibit: e, total: total, busy: evidence.Part(t.Procs.Running, procTime(t)), sampled: "CPU samples in the trace"}
	r := analyze.Reading{Says: fmt.Sprintf("the busiest function, %s, has %s of the trace's samples", sites[0].site.Function, evidence.Part(sites[0].values[0], total))}
	for _, s := range sites[:min(len(sites), 2)] {
		h.site, h.samples = s, s.values[0]
		h.command = analyze.TraceView(e, "View trace: the CPU samples on the Procs, in "+s.site.Function)
		h.whole = h.command
		c, ok := h.candidate(in)
		if !ok {
			continue
		}
		if c.Severity == analyze.NoSeverity {
			r.Candidates = append(r.Candidates, c)
			continue
		}
		if late != nil {
			c.Severity = analyze.Warning
			c.Sites = append(c.Sites, late.Start)
			c.Facts = append(c.Facts, lateFact(e, late, in.Against("min-p99")))
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// lateForCPU returns the goroutines that answer to the outside and wait longest
// for processors because the program keeps them busy; nil when there are none.
func lateForCPU(in *analyze.Input, t *exectrace.Timeline) *exectrace.Group {
	// Where the machine is short of processors, or most of them idle, it is not for want of CPU of the program.
	if len(t.Gaps) > 2 || t.Duration < shortTrace || evidence.Part(t.Procs.Running, procTime(t)).Number < in.Limit("min-busy").Number {
		return nil
	}
	least := usualLateness
	least.p99, least.readAhead = in.Limit("min-p99").Number, true
	if late, _ := lateGroups(t, least); len(late) > 0 {
		return late[0]
	}
	return nil
}
