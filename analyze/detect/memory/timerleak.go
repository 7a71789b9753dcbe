package memory

import (
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// TimerLeak claims that timers or tickers pile up.
var TimerLeak = &claim.Detector{
	ID:    "timer-leak",
	Title: "Timers pile up",
	Doc: `Timers are started and not stopped when what they watch over is done. Until a timer fires, the runtime keeps it, its function and all that
the function refers to. A ticker never fires for the last time.

**How it is measured.** In heap profiles of one process: memory in use below time.NewTimer, time.AfterFunc, time.NewTicker, time.After and time.Tick, and the number of timers, by the first
function outside the standard library. Both must grow from one profile to the next, by more than sampling can bring about. Timers of contexts are told as context-retention. CPU samples in the runtime's heaps
of timers vouch for it, and so do goroutines in a dump that timers have started.

**When it is wrong.** A timer per connection or request is in use as long as that is: more traffic means more timers. Two snapshots cannot tell that from a leak. Since Go 1.23 timers and tickers
that nothing refers to are collected although they were not stopped (time, NewTimer), except those of AfterFunc, which the runtime refers to.`,
	Limits: []claim.Limit{
		{Name: "min-live", Default: evidence.Quantity{Number: 10_000, Unit: evidence.Count},
			Doc:    "timers in use that one function started",
			Source: "a timer of 100 bytes and what it refers to: ten thousand are megabytes, and more than a service has requests at a time"},
		{Name: "min-growth", Default: evidence.Quantity{Number: 1 << 20, Unit: evidence.Bytes},
			Doc:    "more memory of timers in use in the last snapshot than in the first",
			Source: "ten thousand timers of 104 bytes (runtime/time.go, timeTimer); sampling asks for more where it is rough"},
		{Name: "min-growth-share", Default: minGrowthShare,
			Doc:    "growth of the same, of what there was in the first snapshot",
			Source: "as heap-growth"},
		{Name: "min-cpu-share", Default: judge.MinCPUShare,
			Doc:    "CPU samples in the runtime's timers, of all, from which they vouch",
			Source: "a timer is put into a heap of timers and taken out in logarithmic time (runtime/time.go); a twentieth of the CPU needs very many"},
		{Name: "min-started", Default: evidence.Quantity{Number: 50, Unit: evidence.Count},
			Doc:    "goroutines in a dump that timers have started, from which they vouch",
			Source: "as goroutine-leak: fifty alike are no accident"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "timers and their memory by who started them, in successive heap profiles", Run: timerLeakHeap},
		{Kind: evidence.CPU, Doc: "samples in the runtime's timers; names no site, can confirm and never deny", Run: judge.WorstOf(timerLeakCPU)},
		{Kind: evidence.Dump, Doc: "goroutines that timers have started; can confirm and never deny", Run: judge.WorstOf(timerLeakDump)},
	},
	Fix: []claim.Text{
		"Stop every timer and ticker on the way out of what it watches over: defer timer.Stop()",
		"Use one timer for many deadlines, such as a queue ordered by time and a timer for its head, where each entry has a deadline",
		"Let the function of time.AfterFunc refer to a key and not to the whole request",
	},
	Sketch: `// The timer is stopped on every way out.
func wait(ctx context.Context, answers <-chan Answer) (Answer, error) {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a, nil
	case <-timer.C:
		return Answer{}, ErrLate
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}
`,
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "the runtime keeps a timer, its function and all that it refers to until it fires", Source: "runtime/time.go"},
		{Effect: "goroutine-pileup", Why: "each timer of time.AfterFunc that fires starts a goroutine", Source: "time/sleep.go, goFunc"},
	},
}

// startsTimer reports whether a stack is in the making of a timer by the time
// package for somebody other than the context package.
func startsTimer(s stack.Stack) bool {
	for _, f := range s {
		switch f.Function {
		case "time.NewTimer", "time.AfterFunc", "time.NewTicker", "time.After", "time.Tick":
			return true
		}
		if pkg := stack.Package(f.Function); pkg != "time" && pkg != "runtime" {
			return false
		}
	}
	return false
}

func ofTimers(s stack.Stack) bool {
	return startsTimer(s) && !madeByContext(s)
}

// mostOfOneSize is how many objects of the most frequent size a function has in use, in
// the stacks that keep picks.
func mostOfOneSize(p *pprofile.Profile, function string, keep func(stack.Stack) bool) int64 {
	column := p.Column("inuse_objects")
	if column < 0 {
		return 0
	}
	counts, most := map[int64]int64{}, int64(0)
	for i := range p.Samples {
		s := &p.Samples[i]
		if len(s.Stack) > 0 && keep(s.Stack) && s.Stack.Owner().Function == function {
			counts[s.Size] += s.Values[column]
			most = max(most, counts[s.Size])
		}
	}
	return most
}

func timerLeakHeap(in *claim.Input) claim.Reading {
	whole := reading.HeapOf(in.Process, in.Exhibits)
	s := whole.Part(ofTimers)
	last := s.LastExhibit()
	if last.Profile().Column("inuse_space") < 0 {
		return claim.Reading{Silent: "the heap profile has no column of memory in use"}
	}
	least := int64(in.Limit("min-live").Number)
	if len(s.Views) < 2 {
		r := claim.Reading{Silent: alone(whole)}
		for name, h := range s.Last().Sites {
			// A difference over time is no state.
			if n := mostOfOneSize(last.Profile(), name, ofTimers); n >= least && last.Duration == 0 {
				r.Candidates = append(r.Candidates, timerCandidate(in, last, h, n, whole.Last().Inuse))
			}
		}
		judge.SortCandidates(&r)
		return r
	}
	r := claim.Reading{
		Says:   claim.Textf("timers hold %s in the first heap profile and %s in the last", evidence.Size(s.First().Inuse), evidence.Size(s.Last().Inuse)),
		Silent: s.Unsure(in.Limit("min-growth").Number, allMemory),
	}
	for _, g := range s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, allMemory) {
		h := s.Last().Sites[g.Name]
		n := mostOfOneSize(last.Profile(), g.Name, ofTimers)
		// Fewer weigh nothing, whatever they are for.
		if n < least || len(r.Candidates) == reading.FewSites {
			continue
		}
		c := timerCandidate(in, last, h, n, whole.Last().Inuse)
		c.Severity, c.Thin = claim.Warning, !g.Steady()
		c.Summary = claim.Textf("timers that %s starts pile up: %s in use, their memory grew by %s, from %s to %s%s", claim.Func(h.Site.Function), evidence.Of(n, evidence.Count), evidence.Size(g.Grown), evidence.Size(g.Values[0]), evidence.Size(h.Inuse), evidence.Within(s.Span()))
		c.Facts = append(c.Facts, growthFacts(in, s, g, h, "memory in use of timers that the function started", timerFocus)...)
		c.Caveats = nil
		if g.Ended() {
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a program warming up does")
		}
		if len(s.Views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a leak from more requests at a time: a third, minutes later, would")
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// timerFocus leaves the memory of timers.
const timerFocus = "-focus=^time.(NewTimer|AfterFunc|NewTicker|After|Tick)$"

func timerCandidate(in *claim.Input, e *evidence.Exhibit, h *reading.HeapSite, n, heap int64) claim.Candidate {
	at := claim.At(h.Site)
	at.SampleType = "inuse_objects"
	return claim.Candidate{
		Site: h.Site, Path: h.Path, Severity: claim.Info, Thin: true, Share: evidence.Part(h.Inuse, heap).Number,
		Summary: claim.Textf("%s has %s timers in use; whether they become more is unknown", claim.Func(h.Site.Function), evidence.Of(n, evidence.Count)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "timers in use that the function started", Value: evidence.Of(n, evidence.Count), Limit: in.Against("min-live"), At: at,
			Reproduce: claim.Peek(e, "inuse_objects", h.Site).With(timerFocus)}},
		Caveats: []claim.Text{"one heap profile cannot tell timers that pile up from as many that are in use"},
	}
}

// runsTimers reports whether a stack is in the runtime's heaps of timers
// (runtime/time.go; before Go 1.23 the same work was in functions, not methods).
func runsTimers(s stack.Stack) bool {
	for _, f := range s {
		if rest, ok := strings.CutPrefix(f.Function, "runtime."); ok && (reading.HasAnyPrefix(rest, "(*timers).", "(*timer).") ||
			rest == "runtimer" || rest == "addtimer" || rest == "deltimer" || rest == "adjusttimers" || rest == "siftupTimer" || rest == "siftdownTimer") {
			return true
		}
	}
	return false
}

func timerLeakCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	var n int64
	total := p.Total(column)
	for i := range p.Samples {
		if s := &p.Samples[i]; runsTimers(s.Stack) {
			n += s.Values[column]
		}
	}
	share := evidence.Part(n, total)
	r := claim.Reading{Silent: claim.Textf("the runtime's timers have %s of %s, which timers that merely pile up need not exceed", share, evidence.Things(total, "CPU sample"))}
	if total < claim.FewSamples || share.Number < in.Limit("min-cpu-share").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Summary: claim.Textf("the runtime's timers take %s of the CPU samples", share),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples in the runtime's timers", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
			Limit: in.Against("min-cpu-share"), Reproduce: claim.Top(e, "samples").With(`-focus=runtime.\(\*timers?\)|runtime.(runtimer|addtimer|deltimer|adjusttimers|sift.*Timer)$`)}},
	}}
	return r
}

func timerLeakDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	var first *dump.Goroutine
	n := 0
	for i := range e.Dump().Goroutines {
		if g := &e.Dump().Goroutines[i]; g.CreatedBy.Function == "time.goFunc" {
			if n++; first == nil {
				first = g
			}
		}
	}
	r := claim.Reading{Silent: "a dump does not show timers, only what they have started"}
	if float64(n) < in.Limit("min-started").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Summary: claim.Textf("%s that timers have started are in the dump", evidence.Things(n, "goroutine")),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that timers have started", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "goroutines in the dump"),
			Limit: in.Against("min-started"), At: claim.Location{Goroutine: first.ID}, Reproduce: claim.Grep(e, "created by time.goFunc")}},
	}}
	return r
}
