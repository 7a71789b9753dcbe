package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// FinalizerStuck claims that a finalizer or cleanup blocks, so that no other runs.
var FinalizerStuck = &claim.Detector{
	ID:    "finalizer-stuck",
	Title: "A finalizer blocks, and all others wait behind it",
	Doc: `One goroutine calls all finalizers of a program, one after the other. A finalizer that waits holds up every other one: objects that have one are not freed, files and connections that nobody refers to stay open, and
memory grows. Cleanups (runtime.AddCleanup) ran on the same goroutine in Go 1.24; since Go 1.25 they have a few of their own, one for four processors.

**How it is measured.** The runtime's goroutine for finalizers or cleanups has code of the program on its stack, and that code waits: in a dump, in goroutine profiles, or in a trace, where its waiting is summed up. It is the
same goroutine that is listed as idle while it has nothing to do. One that has waited for a minute, that stands at the same place in two snapshots, or that waits through a trace is stuck. At one moment, a wait for a channel, a select, a
wait group, a condition or a sleep is a warning with low confidence, and one for a lock, the network or a system call is an info: closing a file is what most finalizers do.

**When it is wrong.** A finalizer that hands an object to another goroutine waits a moment for it to be taken; at one moment that looks the same. A single finalizer that is slow, such as a close that writes to a network file system, ends.`,
	Limits: []claim.Limit{
		{Name: "min-age", Default: judge.MinAge,
			Doc:    "wait of the finalizer's goroutine in one dump, from which it is stuck whatever it waits for",
			Source: "runtime/traceback.go, goroutineheader: waits are printed from one minute on"},
		{Name: "min-blocked", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "time of a trace in which finalizers wait at one place, from which it is a warning",
			Source: "Judgement call: finalizers wait for longer than they can run"},
		{Name: "min-blocked-info", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "the same, from which it is an info",
			Source: "as impact.min-share: a twentieth is the least that a change is made for"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "a goroutine for finalizers or cleanups that waits inside one, and for how long", Run: finalizerDump},
		{Kind: evidence.Goroutine, Doc: "the same at the moments of goroutine profiles, by the leaf frames", Run: finalizerGoroutine},
		{Kind: evidence.Trace, Doc: "time for which finalizers or cleanups wait", Run: judge.WorstOf(finalizerTrace)},
	},
	Fix: []claim.Text{
		"Never wait in a finalizer or cleanup: try with a select that has a default case, or start a goroutine for what may take long (runtime.SetFinalizer says so)",
		"Close explicitly where the object is no longer needed, with defer, and let the finalizer only report what was forgotten",
	},
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "an object that has a finalizer is kept, with all it refers to, until that has run", Source: "runtime/mfinal.go, queuefinalizer"},
	},
}

// finalizing is a finalizer or cleanup that waits.
type finalizing struct {
	stack     stack.Stack // from the wait to the function that the runtime called
	class     wait.Class
	goroutine int64 // 0 when unknown
	what      claim.Text
	age       time.Duration // of the wait, as far as known
	moments   int           // snapshots in which it stood there
	from, to  time.Time     // the first and the last of them
}

// finalizerOf returns the finalizer or cleanup that a stack is in. Before Go 1.25 dumps do not print the runtime's function
// (runtime/traceback.go, showfuncinfo): creator is who started the goroutine.
func finalizerOf(s stack.Stack, creator string) (called stack.Stack, what claim.Text) {
	called = s.Finalizer()
	if called == nil && creator == "runtime.createfing" && !slices.ContainsFunc(s, func(f *stack.Frame) bool {
		return f.Function == "runtime.runfinq" || f.Function == "runtime.runFinalizers"
	}) &&
		slices.ContainsFunc(s, func(f *stack.Frame) bool { return !stack.Standard(f.Function) }) {
		called = s
	}
	what = "finalizer"
	if s.Contains("runtime.runCleanups", "runtime.AddCleanup[...]") {
		what = "cleanup"
	}
	return called, what
}

// meant reports whether a wait of a class ends by itself in most finalizers: closing is a system call, and a moment's wait for a lock.
func (f *finalizing) meant() bool {
	switch f.class {
	case wait.Syscall, wait.Network, wait.Assist, wait.Preempted, wait.System, wait.Sync:
		return true
	}
	return f.class.IsLock()
}

func (f *finalizing) candidate(in *claim.Input, facts ...claim.Fact) claim.Candidate {
	site := f.stack.Site()
	c := claim.Candidate{
		Site: site, Path: f.stack.Path(), Variant: string(f.what), Facts: facts, Share: 1,
		Summary: claim.Textf("a %s %s in %s, and no other %s runs meanwhile", f.what, wait.WordsOfOne(f.class), claim.Func(site.Function), f.what),
	}
	stays := f.age >= in.Limit("min-age").Duration() || f.moments > 1
	switch {
	case stays:
		c.Severity = claim.Warning
	case f.meant():
		c.Severity, c.Thin = claim.Info, true
	default:
		c.Severity, c.Thin = claim.Warning, true
		c.Caveats = append(c.Caveats, "it is one moment: what takes the object may be about to")
	}
	judge.AddSites(&c, f.stack.Owner())
	return c
}

func finalizerDump(in *claim.Input) claim.Reading {
	r := claim.Reading{Says: "no finalizer or cleanup waits at the moment of the dump"}
	var all []*finalizing
	for _, e := range in.Exhibits {
		for i := range e.Dump().Goroutines {
			g := &e.Dump().Goroutines[i]
			called, what := finalizerOf(g.Stack(), g.CreatedBy.Function)
			class := wait.OfState(g.State, called)
			if called == nil || class == "" {
				continue
			}
			all = merge(all, finalizing{stack: called, class: class, goroutine: g.ID, what: what, age: g.Wait, moments: 1, from: e.CapturedAt, to: e.CapturedAt})
		}
	}
	e := reading.Latest(in.Exhibits)
	for _, f := range all[:min(len(all), reading.MaxSites)] {
		find := claim.GrepGoroutine(e, f.goroutine)
		where := reading.AtGoroutine(f.stack.Site(), f.goroutine)
		facts := []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("dumps in which the same goroutine waits here, in a %s", f.what), Value: evidence.Of(f.moments, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(in.Exhibits), evidence.Count), "all dumps"), At: where, Reproduce: find}}
		if f.age > 0 {
			facts = append(facts, claim.Fact{Exhibit: e.ID, Says: "its wait, in whole minutes", Value: evidence.Duration(f.age), Limit: in.Against("min-age"), At: where, Reproduce: find})
		}
		r.Candidates = append(r.Candidates, f.candidate(in, facts...))
	}
	return r
}

// merge adds what one snapshot shows to what earlier ones have shown, the longest standing first.
func merge(all []*finalizing, f finalizing) []*finalizing {
	for _, o := range all {
		if o.goroutine == f.goroutine && o.what == f.what && o.class == f.class && o.stack.Site().Function == f.stack.Site().Function {
			o.age = max(o.age, f.age)
			if f.from.After(o.to) {
				o.moments, o.to = o.moments+1, f.from
			}
			return all
		}
	}
	all = append(all, &f)
	slices.SortStableFunc(all, func(a, b *finalizing) int {
		return cmp.Or(-cmp.Compare(a.age, b.age), -cmp.Compare(a.moments, b.moments), cmp.Compare(a.stack.Site().Function, b.stack.Site().Function))
	})
	return all
}

func finalizerGoroutine(in *claim.Input) claim.Reading {
	r := claim.Reading{Says: "no finalizer or cleanup waits at the moment of the profile"}
	var all []*finalizing
	for _, e := range in.Exhibits {
		for i := range e.Profile().Samples {
			s := &e.Profile().Samples[i]
			called, what := finalizerOf(s.Stack, "")
			class := wait.OfStack(called)
			if called == nil || class == "" || s.Values[0] <= 0 {
				continue
			}
			all = merge(all, finalizing{stack: called, class: class, what: what, moments: 1, from: e.CapturedAt, to: e.CapturedAt})
		}
	}
	e := reading.Latest(in.Exhibits)
	for _, f := range all[:min(len(all), reading.MaxSites)] {
		r.Candidates = append(r.Candidates, f.candidate(in, claim.Fact{Exhibit: e.ID, Says: claim.Textf("goroutine whose %s waits here, in %d of %s", f.what, f.moments, evidence.Things(len(in.Exhibits), "goroutine profile")), Value: evidence.Of(1, evidence.Count), At: claim.At(f.stack.Site()), Reproduce: claim.Peek(e, "goroutine", f.stack.Site())}))
	}
	return r
}

func finalizerTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	r := claim.Reading{Says: "no finalizer or cleanup waits in the trace"}
	if short := reading.TooShort(e); short != "" {
		r.Silent = short
	}
	by := map[string]*finalizing{}
	waited, most := map[*finalizing]time.Duration{}, map[*finalizing]exectrace.Span{}
	for i := range t.Waits {
		w := &t.Waits[i]
		called, what := finalizerOf(w.Stack, "")
		if called == nil {
			continue
		}
		key := string(what) + " " + called.Site().Function
		f := by[key]
		if f == nil {
			f = &finalizing{stack: called, class: w.Class, what: what}
			by[key] = f
		}
		waited[f] += w.Total
		if len(w.Worst) > 0 && w.Worst[0].To-w.Worst[0].From > most[f].To-most[f].From {
			most[f], f.class = w.Worst[0], w.Class
		}
	}
	for _, key := range slices.Sorted(maps.Keys(by)) {
		f := by[key]
		share := evidence.Part(waited[f], t.Duration)
		if share.Number < in.Limit("min-blocked-info").Number || len(r.Candidates) == reading.MaxSites {
			continue
		}
		at := reading.AtGoroutine(f.stack.Site(), most[f].Goroutine)
		at.From, at.To = int64(most[f].From), int64(most[f].To)
		c := f.candidate(in, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time for which a %s waits here", f.what), Value: share, Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-blocked"),
			At: at, Reproduce: claim.TraceView(e, claim.Textf("goroutine %d", at.Goroutine))})
		c.Severity, c.Thin, c.Caveats, c.Share = claim.Info, r.Silent != "", nil, share.Number
		if share.Number >= in.Limit("min-blocked").Number {
			c.Severity = claim.Warning
		}
		c.Summary += claim.Textf(": for %s of the trace", share)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
