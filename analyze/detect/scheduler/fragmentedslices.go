package scheduler

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// FragmentedSlices claims that goroutines run in crumbs because they hand work to each other in pieces that are too small.
var FragmentedSlices = &claim.Detector{
	ID:    "fragmented-slices",
	Title: "Goroutines run in crumbs",
	Doc: `Goroutines run for microseconds and then wait for each other, many times for each piece of work that comes from outside, while processors
stand idle. Handing over costs as much as the work, and the work is done one crumb at a time.

**How it is measured.** A trace gives, for each group of goroutines that start in the same function, the lengths of the slices in which they run and of the gaps
between. The group must do a good part of all the running, its median slice must be short and its median gap at least as long as the slice. Its gaps must be ended by code of the program: a
send, a receive, an unlock; for this the wake-ups that the trace shows are held against the waits, so that timers and the network do not count. And there must be ten such
turns for each event from outside, with a processor busy all the time and another idle. The site is where the group waits most often; the partner is who wakes it. A block profile
with as many short waits at the same place vouches for it, and so do CPU samples in the scheduler.

**When it is wrong.** Goroutines that serve short requests run in short slices too; their gaps are ended by the network, which is why they are not meant here. A worker
that gets requests through a channel is left out by the ten turns per event. A pipeline whose outside cannot be seen in the trace (work found in memory) counts as busy without
a rest, which it is.`,
	Limits: []claim.Limit{
		{Name: "max-slice", Default: maxSlice,
			Doc:    "median slice of the group",
			Source: "waking a goroutine on another processor takes 5 to 50 µs (a futex call and a thread switch, runtime/proc.go, wakep): a slice should be some times that"},
		{Name: "min-gap", Default: evidence.Quantity{Number: 1, Unit: evidence.Ratio},
			Doc:    "median gap over median slice",
			Source: "a goroutine that waits for longer than it runs is not the one that sets the pace"},
		{Name: "min-slices", Default: evidence.Quantity{Number: 1000, Unit: evidence.PerSecond},
			Doc:    "slices of the group per second",
			Source: "a thousand hand-overs at 5 to 50 µs take up to a twentieth of a processor; fewer cost nothing"},
		{Name: "min-running", Default: minRunning,
			Doc:    "running time of the group, of all goroutines' running time without the runtime's own",
			Source: "a fifth: what does less of the work does not decide how long it takes"},
		{Name: "min-inside", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
			Doc:    "waits of the group that were ended by code of the program, of all its waits",
			Source: "measured: a pipeline has nearly all, goroutines that serve requests half at most"},
		{Name: "min-turns", Default: evidence.Quantity{Number: 10, Unit: evidence.Ratio},
			Doc:    "waits of the group that were ended by code of the program, over all waits in the program that were ended from outside",
			Source: "a request that is handed to a worker and back takes two turns; ten are crumbs"},
		{Name: "min-busy", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Ratio},
			Doc:    "processors running, on average",
			Source: "half of one processor: below that the program is waiting for work and not for itself"},
		{Name: "min-idle", Default: evidence.Quantity{Number: 0.2, Unit: evidence.Share},
			Doc:    "processors idle, of duration x GOMAXPROCS",
			Source: "a fifth of the machine unused; where all processors are busy, short slices lose nothing but the switches"},
		{Name: "min-woken", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
			Doc:    "most goroutines of a group runnable at one moment, from which waits for a condition are told as a Broadcast that wakes too many",
			Source: "sync/cond.go: Signal wakes one; with as many at once, nine of ten wake-ups queue for the condition's lock"},
		{Name: "min-scheduling", Default: evidence.Quantity{Number: 0.3, Unit: evidence.Share},
			Doc:    "CPU samples in the scheduler, of all, from which they vouch",
			Source: "measured: a pipeline in crumbs has 0.35, healthy services that are mostly idle 0.2 and busy ones below 0.1"},
		{Name: "min-waits", Default: evidence.Quantity{Number: 10_000, Unit: evidence.Count},
			Doc:    "waits at one place in a block profile, from which it vouches",
			Source: "Judgement call: ten thousand short waits are a loop, and no meeting by chance"},
		{Name: "max-wait", Default: evidence.Duration(judge.ShortWait),
			Doc:    "mean of them, below which they are crumbs",
			Source: "sync/mutex.go, starvationThresholdNs: shorter waits are not noticed one by one"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "slices and gaps by group, and who ends the gaps", Run: judge.WorstOf(fragmentedTrace)},
		{Kind: evidence.Block, Doc: "places with very many short waits for channels and conditions; can confirm and never deny", Run: judge.WorstOf(fragmentedBlock)},
		{Kind: evidence.CPU, Doc: "share of the scheduler; names no site, can confirm and never deny", Run: judge.WorstOf(fragmentedCPU)},
	},
	Fix: []claim.Text{
		"Hand over work in batches: a slice of a hundred items per send instead of one",
		"Do the steps in one goroutine and run several of those side by side, instead of one goroutine per step",
		"Give the channels between the steps a buffer, so that the steps need not meet for each item",
	},
	Sketch: `// Items travel a hundred at a time, so that a hand-over is paid for once in a hundred.
func produce(items iter.Seq[Item], out chan<- []Item) {
	batch := make([]Item, 0, 100)
	for it := range items {
		if batch = append(batch, it); len(batch) == cap(batch) {
			out <- batch
			batch = make([]Item, 0, 100)
		}
	}
	if len(batch) > 0 {
		out <- batch
	}
	close(out)
}
`,
	Explains: []claim.Mechanism{
		{Effect: "mutex-hotspot", When: "broadcast", Why: "everyone a Broadcast wakes must take the condition's lock before it can look at what changed", Source: "sync/cond.go, Wait"},
		{Effect: "spinning", Why: "each hand-over wakes a processor and leaves another without work", Source: "runtime/proc.go, ready and wakep"},
	},
	Waiting: true,
}

func fragmentedTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	r := claim.Reading{Says: claim.Textf("no group of goroutines runs in short slices for each other; processors are idle %s of the time", evidence.Part(t.Procs.Idle, t.ProcTime()))}
	var slicesSeen int64
	for i := range t.Groups {
		slicesSeen += t.Groups[i].Slices.Count
	}
	if reading.Glimpse(t, slicesSeen) || t.ProcTime() == 0 {
		r.Silent = claim.Textf("the trace covers only %s", evidence.Duration(t.Duration))
		return r
	}
	busy := evidence.Quantity{Number: float64(t.Procs.Running) / float64(t.Duration), Unit: evidence.Ratio}
	idle := evidence.Part(t.Procs.Idle, t.ProcTime())
	// A program that waits for work has nothing to gain, and one that keeps all
	// processors busy loses only the switches.
	if busy.Number < in.Limit("min-busy").Number || idle.Number < in.Limit("min-idle").Number {
		return r
	}
	waking := reading.ReadWaking(t)
	var running time.Duration
	var outside float64
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System {
			running += g.Running
			outside += waking.TurnsOf(g.Start.Function).Outside
		}
	}
	type crumbs struct {
		*exectrace.Group
		reading.Turns
	}
	var found []crumbs
	for i := range t.Groups {
		g := &t.Groups[i]
		slice, gap := g.Slices.Quantile(0.5), g.Gaps.Quantile(0.5)
		switch {
		case g.System,
			float64(g.Slices.Count) < in.Limit("min-slices").Number*t.Duration.Seconds(),
			float64(slice) > in.Limit("max-slice").Number,
			float64(gap) < in.Limit("min-gap").Number*float64(slice),
			evidence.Part(g.Running, running).Number < in.Limit("min-running").Number:
			continue
		}
		n := waking.TurnsOf(g.Start.Function)
		// They hand over by design, as the test harness does to its subtests.
		if wait.Idle(n.At.Class, n.At.Stack) {
			continue
		}
		// Goroutines that serve short requests are woken from outside, and so is
		// whoever they pass the requests to.
		if n.Inside < in.Limit("min-inside").Number*(n.Inside+n.Outside) || n.Inside < in.Limit("min-turns").Number*outside {
			continue
		}
		found = append(found, crumbs{g, n})
	}
	slices.SortStableFunc(found, func(a, b crumbs) int {
		return cmp.Or(-cmp.Compare(a.Running, b.Running), cmp.Compare(a.Start.Function, b.Start.Function))
	})
	for _, g := range found {
		site := g.At.Stack.Site()
		// The test harness is not the program: tests run one after the other by design.
		if stack.Package(site.Function) == "testing" {
			continue
		}
		if len(r.Candidates) == reading.FewSites || slices.ContainsFunc(r.Candidates, func(c claim.Candidate) bool { return c.Site.Function == site.Function }) {
			continue
		}
		slice, gap, share := g.Slices.Quantile(0.5), g.Gaps.Quantile(0.5), evidence.Part(g.Running, running)
		at := claim.At(site)
		reproduce := claim.TraceView(e, claim.Textf("Goroutine analysis: %s, Execution time against Block time", claim.Func(g.Start.Function)))
		fact := func(says claim.Text, value evidence.Quantity, of *claim.Whole, limit string) claim.Fact {
			f := claim.Fact{Exhibit: e.ID, Says: says, Value: value, Of: of, At: at, Reproduce: reproduce}
			if limit != "" {
				f.Limit = in.Against(limit)
			}
			return f
		}
		c := claim.Candidate{
			Site: site, Path: g.At.Stack.Path(), Sites: []stack.Site{g.Start}, Severity: claim.Warning, Share: share.Number,
			Summary: claim.Textf("goroutines of %s run for %s and then wait for %s in %s, while processors are idle %s of the time", claim.Func(g.Start.Function), evidence.Duration(slice), evidence.Duration(gap), claim.Func(site.Function), idle),
			Facts: []claim.Fact{
				fact("median slice of the group", evidence.Duration(slice), claim.PartOf(evidence.Of(g.Slices.Count, evidence.Count), "slices"), "max-slice"),
				fact("median gap between its slices", evidence.Duration(gap), claim.PartOf(evidence.Of(g.Gaps.Count, evidence.Count), "gaps"), ""),
				fact("running time of the group", share, claim.PartOf(evidence.Duration(running), "running time of all goroutines but the runtime's own"), "min-running"),
				fact("waits of the group that code of the program ended", evidence.Part(g.Inside, g.Inside+g.Outside), claim.PartOf(evidence.Of(int64(g.Inside+g.Outside), evidence.Count), "waits of the group"), "min-inside"),
				fact("processors idle", idle, claim.PartOf(evidence.Duration(t.ProcTime()), "duration x GOMAXPROCS"), "min-idle"),
			},
		}
		p := partner(t, g.Group, site)
		if p.Function != "" {
			c.Sites = append(c.Sites, p)
			c.Summary += claim.Textf("; woken by %s", claim.Func(p.Function))
		}
		// One Signal wakes one goroutine: many runnable at once were woken by a Broadcast.
		if many := float64(g.MaxRunnable); g.At.Class == wait.Cond && many >= in.Limit("min-woken").Number {
			c.Variant = "broadcast"
			c.Facts = append(c.Facts, fact("most goroutines of the group runnable at one moment", evidence.Of(g.MaxRunnable, evidence.Count), nil, "min-woken"))
			c.Summary = claim.Textf("goroutines of %s wait for a condition in %s, and a Broadcast wakes up to %s of them at once, each of which runs for %s and waits again", claim.Func(g.Start.Function), claim.Func(site.Function), evidence.Things(g.MaxRunnable, "goroutine"), evidence.Duration(slice))
			if p.Function != "" {
				c.Summary += claim.Textf("; woken by %s", claim.Func(p.Function))
			}
			c.Fix = []claim.Text{
				"Wake only those whom the change concerns: a condition or a channel for each thing waited for, and Signal instead of Broadcast where one is enough",
				"Broadcast less often: gather changes for some milliseconds",
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// partner is the code that most often ends the group's waits at a site.
func partner(t *exectrace.Timeline, g *exectrace.Group, at stack.Site) stack.Site {
	var best exectrace.Wake
	for _, w := range t.Wakes {
		if w.To.Function == at.Function && w.From.Function != "" && w.Count > best.Count {
			best = w
		}
	}
	if best.Count == 0 {
		return g.Partner
	}
	return best.From
}

func fragmentedBlock(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	count, delay := p.Column("contentions"), p.Column("delay")
	// Counts without a rate, and the program may have run for weeks: this kind vouches and never denies.
	r := claim.Reading{Silent: "the block profile shows no place with very many short waits; it counts from the start and leaves out waits below its rate"}
	if count < 0 || delay < 0 {
		return r
	}
	for _, s := range reading.BySite(p, count, func(s *pprofile.Sample) stack.Site { return s.Stack.Site() }) {
		n, mean := s.Values[count], time.Duration(0)
		if n > 0 {
			mean = time.Duration(s.Values[delay] / n)
		}
		if float64(n) < in.Limit("min-waits").Number || len(r.Candidates) == reading.MaxSites {
			break
		}
		if mean >= in.Limit("max-wait").Duration() {
			continue
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: s.Path, Summary: claim.Textf("%s waited %s times for %s on average", claim.Func(s.Site.Function), evidence.Of(n, evidence.Count), evidence.Duration(mean)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "waits at the site", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(p.Total(count), evidence.Count), "waits in the block profile"),
					At: claim.At(s.Site), Reproduce: claim.Peek(e, "contentions", s.Site)},
				{Exhibit: e.ID, Says: "mean wait at the site", Value: evidence.Duration(mean), At: claim.At(s.Site), Reproduce: claim.Mean(claim.Peek(e, "delay", s.Site))},
			},
		})
	}
	return r
}

func fragmentedCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	var n, total int64
	for i := range p.Samples {
		s := &p.Samples[i]
		total += s.Values[column]
		if reading.Schedules(s.Stack) {
			n += s.Values[column]
		}
	}
	share := evidence.Part(n, total)
	r := claim.Reading{Silent: claim.Textf("the scheduler has %s of %s CPU samples, which crumbs of tens of microseconds need not exceed", share, evidence.Of(total, evidence.Count))}
	if share.Number < in.Limit("min-scheduling").Number || total < claim.FewSamples {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Summary: claim.Textf("the scheduler takes %s of the CPU samples", share),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples in the scheduler", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
			Limit: in.Against("min-scheduling"), Reproduce: claim.Top(e, "samples").With("-focus=runtime.(schedule|findRunnable|park_m|goready|wakep|startm|goschedImpl|ready)$")}},
	}}
	return r
}
