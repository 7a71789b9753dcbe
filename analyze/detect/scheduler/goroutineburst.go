package scheduler

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// GoroutineBurst claims that goroutines are created in floods.
var GoroutineBurst = &claim.Detector{
	ID:    "goroutine-burst",
	Title: "Goroutines are created in floods",
	Doc: `One place starts goroutines by the thousand: for every element of a list, or for every message. Each costs a stack, its creation and its end, and all of them queue for the processors at once, before
whatever becomes runnable after them.

**How it is measured.** A trace shows where goroutines are created, how many per second, how many of them are runnable at one moment and for how long they run. A flood is a rate at which creating them
is work in itself, or a burst that takes the processors longer than a time slice to work off. It is a warning where the flood does a good part of the running, or where goroutines that answer to the
outside wait for a processor meanwhile. In a CPU profile, samples in the creation and the end of goroutines by who creates them; in a goroutine dump, goroutines that one place has created and that are
runnable.

**When it is wrong.** A server has a goroutine per connection and per request, which is how net/http works; what the standard library creates is left out. Goroutines that wait for the network most of the time are cheap, however many.`,
	Limits: []claim.Limit{
		{Name: "min-rate", Default: evidence.Quantity{Number: 10_000, Unit: evidence.PerSecond},
			Doc:    "goroutines created at one place per second",
			Source: "measured: a goroutine that does nothing takes 0.3 to 1 µs on a processor to create, schedule and end, so ten thousand take up to a hundredth of one; with what comes with them some times that"},
		{Name: "min-running", Default: minRunning,
			Doc:    "running time of these goroutines, of all but the runtime's own, from which their rate is a warning",
			Source: "as fragmented-slices: what does less of the work does not decide how long it takes"},
		{Name: "max-slice", Default: maxSlice,
			Doc:    "mean running time of one of them, up to which their rate is a warning",
			Source: "as fragmented-slices: a slice should be some times what waking a goroutine takes"},
		{Name: "min-of-capacity", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "their running time and 0.3 µs to create and end each, of duration x GOMAXPROCS, from which their rate is a warning",
			Source: "a twentieth of the machine: what takes less is nobody's concern; 0.3 µs as measured for min-rate"},
		{Name: "min-burst", Default: evidence.Quantity{Number: 1000, Unit: evidence.Count},
			Doc:    "goroutines of one place runnable at the moment of a dump, which does not tell how long they run",
			Source: "fan-outs of tens and hundreds are ordinary; a thousand is one per element of a list"},
		{Name: "min-burst-per-proc", Default: evidence.Quantity{Number: 5, Unit: evidence.Ratio},
			Doc:    "goroutines of one place runnable at one moment of a trace, over GOMAXPROCS",
			Source: "starting point: five in line for each processor"},
		{Name: "min-work", Mark: true, Default: evidence.Duration(reading.ForcedPreemption),
			Doc:    "time the processors need to work such a burst off: goroutines times their mean slice over GOMAXPROCS",
			Source: "runtime/proc.go, forcePreemptNS: longer than any one goroutine may keep a processor while others wait"},
		{Name: "min-cpu-share", Default: judge.MinCPUShare,
			Doc:    "CPU samples in creating and ending goroutines under one function, of all, from which they vouch",
			Source: "a twentieth of the CPU is the least that a change can show"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "rate, burst and running time of goroutines by where they are created", Run: judge.WorstOf(goroutineBurstTrace)},
		{Kind: evidence.CPU, Doc: "samples in runtime.newproc by who calls it; can confirm and never deny", Run: judge.WorstOf(goroutineBurstCPU)},
		{Kind: evidence.Dump, Doc: "runnable goroutines by who created them; can confirm and never deny", Run: judge.WorstOf(goroutineBurstDump)},
	},
	Fix: []claim.Text{
		"Let a fixed number of goroutines take the work from a channel, or bound them: errgroup.Group.SetLimit, golang.org/x/sync/semaphore, a worker pool",
		"Give each goroutine a slice of the list rather than one element",
		"Do small pieces of work in place: a call costs nanoseconds, a goroutine about a microsecond",
	},
	Sketch: `// As many goroutines as can run, each with a part of the list.
func all(ctx context.Context, items []Item) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range slices.Chunk(items, 64) {
		g.Go(func() error { return process(ctx, part) })
	}
	return g.Wait()
}
`,
	Explains: []claim.Mechanism{
		{Effect: "sched-latency", Why: "what becomes runnable after a flood of goroutines queues behind it", Source: "runtime/proc.go, runqput"},
		{Effect: "fragmented-slices", Why: "a goroutine that does little hands over to the next after microseconds", Source: "runtime/proc.go, newproc"},
		{Effect: "spinning", Why: "each goroutine that becomes runnable wakes a processor that looks for more", Source: "runtime/proc.go, newproc and wakep"},
	},
	Durations: claim.LatencyTimes(),
}

// leastGoroutine is what it takes to create, schedule and end a goroutine that does nothing; see min-rate.
const leastGoroutine = 300 * time.Nanosecond

// flood is the goroutines that one place creates.
type flood struct {
	creator stack.Site
	groups  []*exectrace.Group
	created int64
	running time.Duration
	slices  exectrace.Histogram
	burst   int // most runnable at one moment, of one group
}

func floods(t *exectrace.Timeline) (out []*flood, running time.Duration) {
	by := map[string]*flood{}
	for i := range t.Groups {
		g := &t.Groups[i]
		if g.System {
			continue
		}
		running += g.Running
		creator := g.Creator
		// Where the trace does not show the place, the function started stands for it.
		if creator.Function == "" || stack.Plumbing(creator.Function) {
			creator = g.Start
		}
		// A goroutine per connection and per request is how servers work.
		if g.Created == 0 || stack.Standard(creator.Function) {
			continue
		}
		f := by[creator.Function]
		if f == nil {
			f = &flood{creator: creator}
			by[creator.Function] = f
			out = append(out, f)
		}
		f.groups = append(f.groups, g)
		f.created += g.Created
		f.running += g.Running
		f.slices.Merge(&g.Slices)
		f.burst = max(f.burst, g.MaxRunnable)
	}
	slices.SortStableFunc(out, func(a, b *flood) int {
		return cmp.Or(-cmp.Compare(a.created, b.created), cmp.Compare(a.creator.Function, b.creator.Function))
	})
	return out, running
}

func goroutineBurstTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	var created int64
	for i := range t.Groups {
		created += t.Groups[i].Created
	}
	rate := func(n int64) evidence.Quantity {
		return reading.RateOf(float64(n), t.Duration)
	}
	r := claim.Reading{Says: claim.Textf("%s goroutines are created in all, and at most %s runnable at one moment", rate(created), evidence.Of(t.Latency.MaxRunnable, evidence.Count))}
	if reading.Glimpse(t, t.Latency.Times.Count) {
		r.Silent = claim.Textf("the trace covers only %s", evidence.Duration(t.Duration))
		return r
	}
	all, running := floods(t)
	procs := float64(max(t.Procs.Max, 1))
	late, _ := reading.LateGroups(t, reading.UsualLateness)
	for _, f := range all {
		mean := f.slices.Mean()
		work := time.Duration(bound.Float(float64(f.burst) * float64(mean) / procs))
		often := rate(f.created).Number >= in.Limit("min-rate").Number
		burst := float64(f.burst) >= procs*in.Limit("min-burst-per-proc").Number && float64(work) >= in.Limit("min-work").Number
		if !often && !burst || len(r.Candidates) == reading.FewSites {
			continue
		}
		share := evidence.Part(f.running, running)
		each := time.Duration(int64(f.running) / max(f.created, 1))
		// Between two requests nobody runs: what counts is what the flood takes, not how busy the process is.
		taken := evidence.Part(f.running+time.Duration(f.created)*leastGoroutine, t.ProcTime())
		reproduce := claim.TraceView(e, claim.Textf("Goroutine analysis: %s, count and execution time", claim.Func(f.groups[0].Start.Function)))
		at := claim.At(f.creator)
		at.From, at.To = 0, int64(t.Duration)
		if burst && len(t.Windows) > 0 {
			w := reading.Busiest(t, func(w exectrace.Window) float64 { return w.Runnable })
			at.From, at.To = w.From, w.To
		}
		fact := func(says claim.Text, value evidence.Quantity, of *claim.Whole, limit string) claim.Fact {
			x := claim.Fact{Exhibit: e.ID, Says: says, Value: value, Of: of, At: at, Reproduce: reproduce}
			if limit != "" {
				x.Limit = in.Against(limit)
			}
			return x
		}
		c := claim.Candidate{
			Site: f.creator, Severity: claim.Info, Share: share.Number,
			Summary: claim.Textf("%s creates %s goroutines, which run for %s each on average", claim.Func(f.creator.Function), rate(f.created), evidence.Duration(each)),
			Facts: []claim.Fact{
				fact("goroutines created there", rate(f.created), claim.PartOf(rate(created), "goroutines created per second"), "min-rate"),
				fact("mean running time of one of them", evidence.Duration(each), claim.PartOf(evidence.Of(f.created, evidence.Count), "goroutines created there"), "max-slice"),
				fact("their running time", share, claim.PartOf(evidence.Duration(running), "running time of all goroutines but the runtime's own"), "min-running"),
				fact("their running time and creating them", taken, claim.PartOf(evidence.Duration(t.ProcTime()), "duration x GOMAXPROCS"), "min-of-capacity"),
			},
		}
		if !often {
			c.Facts[0].Limit = nil
		}
		if burst {
			c.Variant = "burst"
			c.Summary += claim.Textf("; up to %s of them are runnable at once, %s of work for all processors", evidence.Of(f.burst, evidence.Count), evidence.Duration(work))
			c.Facts = append(c.Facts,
				fact("most of them runnable at one moment", evidence.Of(f.burst, evidence.Count), nil, ""),
				fact("time the processors need to work that off", evidence.Duration(work), nil, "min-work"))
		}
		for _, g := range f.groups[:min(len(f.groups), 3)] {
			c.Sites = append(c.Sites, g.Start)
		}
		crumbs := often && share.Number >= in.Limit("min-running").Number && float64(each) <= in.Limit("max-slice").Number && taken.Number >= in.Limit("min-of-capacity").Number
		// What piles up while the machine runs nothing of the program is not who creates it.
		held := burst && len(late) > 0 && t.Duration >= reading.ShortTrace && t.GapTime()*2 < work
		if crumbs || held {
			c.Severity = claim.Warning
		}
		if held {
			c.Facts = append(c.Facts, judge.LateFact(e, late[0], nil))
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// creates reports whether a stack is in the creation of a goroutine.
func creates(s stack.Stack) bool {
	for _, f := range s {
		if f.Function == "runtime.newproc" {
			return true
		}
	}
	return false
}

func goroutineBurstCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	total := p.Total(column)
	r := claim.Reading{Silent: "creating goroutines takes less CPU than what they bring about elsewhere, so few samples deny nothing"}
	if total < claim.FewSamples {
		return r
	}
	for _, s := range reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !creates(s.Stack) || stack.Standard(s.Stack.Owner().Function) {
			return stack.Site{}
		}
		return s.Stack.Owner()
	}) {
		share := evidence.Part(s.Values[column], total)
		if share.Number < in.Limit("min-cpu-share").Number || len(r.Candidates) == reading.FewSites {
			break
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: s.Path, Share: share.Number,
			Summary: claim.Textf("%s of the CPU samples are in creating goroutines under %s", share, claim.Func(s.Site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples in creating goroutines under the function", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
				Limit: in.Against("min-cpu-share"), At: claim.At(s.Site), Reproduce: claim.Peek(e, "samples", s.Site).With("-focus=^runtime.newproc$")}},
		})
	}
	return r
}

func goroutineBurstDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	// A dump stops the world at one moment, between two bursts as a rule.
	r := claim.Reading{Silent: "no place has a thousand runnable goroutines at the moment of the dump"}
	counts := map[string]int{}
	sites := map[string]stack.Site{}
	first := map[string]int64{}
	var order []string
	for i := range e.Dump().Goroutines {
		g := &e.Dump().Goroutines[i]
		if g.State != "runnable" || g.CreatedBy.Function == "" || stack.Standard(g.CreatedBy.Function) {
			continue
		}
		s := g.CreatedBy.Site()
		if counts[s.Function]++; counts[s.Function] == 1 {
			sites[s.Function], first[s.Function] = s, g.ID
			order = append(order, s.Function)
		}
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	for _, name := range order[:min(len(order), 3)] {
		if float64(counts[name]) < in.Limit("min-burst").Number {
			break
		}
		at := claim.At(sites[name])
		at.Goroutine = first[name]
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: sites[name], Thin: true,
			Summary: claim.Textf("%s that %s created are runnable at the moment of the dump", evidence.Things(counts[name], "goroutine"), claim.Func(name)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "runnable goroutines that it created", Value: evidence.Of(counts[name], evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "goroutines in the dump"),
				Limit: in.Against("min-burst"), At: at, Reproduce: claim.Grep(e, "[runnable]")}},
		})
	}
	return r
}
