package account

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// The kinds of parts of processors beside those of every account.
const (
	Running   = "running"   // code of the program, and of libraries for it
	Collector = "collector" // marking, sweeping, assists
	Scheduler = "scheduler" // choosing, parking and waking goroutines, and looking for some
	Runtime   = "runtime"   // the rest of the runtime's own code
	Host      = "host"      // work was there, and the machine ran no thread of the program
	Stopped   = "stopped"   // the world was stopped
)

// whatProcessors are the kinds in words.
var whatProcessors = map[string]claim.Text{
	Running: "runs", Collector: "garbage collector", Scheduler: "scheduler", Runtime: "runtime", claim.PartUnused: "idle, or not given by the machine", claim.PartIdle: "idle",
	Host: "not given by the machine", Stopped: "the world is stopped", claim.PartRest: "smaller parts",
}

func processorPart(kind string, value int64, at stack.Site) claim.AccountPart {
	return claim.AccountPart{Kind: kind, What: whatProcessors[kind], Site: site(at), Value: value}
}

// processors are the accounts of the processors' time: of samples, which hold no time that the machine gave to others, and of logs where
// there is nothing better.
func (c Case) processors() (out []claim.Account) {
	if e := c.densest(evidence.CPU, "cpu"); e != nil {
		out = append(out, c.sampled(e)...)
	}
	if e := c.busiest(); e != nil && e.Trace().Account.Processors.Whole > 0 {
		out = append(out, processed(e))
	}
	if e := c.last(evidence.SchedTrace); len(out) == 0 && e != nil && e.Sched() != nil {
		out = append(out, schedtrace(e)...)
	}
	if e := c.last(evidence.GCTrace); len(out) == 0 && e != nil && e.GC() != nil {
		out = append(out, collector(e)...)
	}
	return out
}

// sampled is the account of a CPU profile: of all the processors had where its duration and GOMAXPROCS are known, of the CPU time else.
func (c Case) sampled(e *evidence.Exhibit) []claim.Account {
	p := e.Profile()
	column := p.Column("cpu")
	used := p.Total(column)
	all := capacity(c.Process.GOMAXPROCS, p.Duration)
	if used == 0 && all == 0 {
		return nil
	}
	a := claim.Account{
		Name: claim.ProcessorAccount, Exhibit: e.ID, Unit: evidence.Nanoseconds, Over: int64(max(p.Duration, 0)),
		What: "CPU time that the profile sampled", Whole: used, Show: claim.Top(e, "cpu"),
	}
	var s sums
	for i := range p.Samples {
		x := &p.Samples[i]
		if len(x.Stack) == 0 {
			continue
		}
		kind, at := cpuKind(x.Stack), x.Stack.Owner()
		if kind != Running {
			at = stack.Site{}
		}
		s.add(processorPart(kind, x.Values[column], at))
	}
	// The duration is less exact than the samples: what they have beyond it was run all the same.
	if all > 0 {
		a.What = "time of all processors while the profile was taken"
		a.Whole = max(all, used)
		s.add(processorPart(claim.PartUnused, a.Whole-used, stack.Site{}))
	}
	a = s.into(a)
	weigh := reading.InColumn(column)
	for i := range a.Parts[:min(len(a.Parts), reading.MaxSites)] {
		if q := &a.Parts[i]; q.Kind == Running {
			q.By = callerOf(p, q.Site, weigh)
			q.Show = reading.PeekOwn(e, "cpu", stack.Site(q.Site), nil)
		}
	}
	a.Summary = usedWords(&a, used, c.Process.GOMAXPROCS)
	return []claim.Account{a}
}

// callerOf is the nearest function of the program that calls a site for nearly all of what counts there; nil where several do.
func callerOf(p *pprofile.Profile, s claim.Site, weigh func(*pprofile.Sample) int64) *claim.Site {
	if callers := reading.CallersOf(p, s.Function, weigh); len(callers) > 0 {
		return someone(callers[0])
	}
	return nil
}

// cpuKind is what the processor did that a stack was sampled on.
func cpuKind(s stack.Stack) string {
	switch {
	case reading.GCPart(s).Work != reading.GCNone:
		return Collector
	case reading.Schedules(s):
		return Scheduler
	case stack.Plumbing(s.Owner().Function):
		return Runtime
	}
	return Running
}

// usedWords says how many processors were busy, and with what most of all.
func usedWords(a *claim.Account, used int64, procs int) claim.Text {
	var busy claim.Text
	switch {
	case a.Over <= 0:
		busy = evidence.Duration(time.Duration(used)).Text() + " of CPU time"
	case procs > 0:
		busy = count(min(float64(used)/float64(a.Over), float64(procs))) + " of " + count(float64(procs)) + " busy"
	default:
		busy = count(float64(used)/float64(a.Over)) + " busy, of how many is unknown"
	}
	out := "Processors: " + busy
	most := largest(a, claim.PartUnused, claim.PartIdle, Host, Stopped)
	if most == nil {
		return out
	}
	out += ", " + share(most.Value, used) + " of that " + wherein(most)
	// What the program does not do itself is named beside it.
	if gc := ofKind(a, Collector); most.Kind != Collector && gc*10 >= used {
		out += ", " + share(gc, used) + " in the collector"
	}
	return out
}

// wherein says where processors were.
func wherein(p *claim.AccountPart) claim.Text {
	if p.Kind == Running && p.Site.Function != "" {
		return "in " + claim.Func(p.Site.Function).Text()
	}
	return "in the " + p.What
}

// processed is the account of a trace, which knows what was idle, and what of that the machine did not give.
func processed(e *evidence.Exhibit) claim.Account {
	t := e.Trace()
	p := &t.Account.Processors
	a := claim.Account{
		Name: claim.ProcessorAccount, Exhibit: e.ID, Unit: evidence.Nanoseconds, Over: int64(t.Duration), Whole: int64(p.Whole),
		What: "time of all processors during the trace", Show: claim.TraceView(e, "View trace: the rows of the Ps"),
	}
	var s sums
	for i := range p.Parts {
		if q := &p.Parts[i]; q.Kind != exectrace.PartUnknown {
			part := claim.AccountPart{Kind: string(q.Kind), What: whatProcessors[string(q.Kind)], Site: site(q.Site), By: someone(q.By), Value: int64(q.Time)}
			if q.Reason != "" {
				part.What += claim.Textf(" (%s)", q.Reason)
			}
			s.add(part)
		}
	}
	a = s.into(a)
	idle := ofKind(&a, claim.PartIdle, Host, Stopped)
	a.Summary = usedWords(&a, a.Whole-a.Unknown-idle, t.Procs.Max)
	return a
}

// schedtrace is the account of the lines of a scheduler: each shows the processors at one moment.
func schedtrace(e *evidence.Exhibit) []claim.Account {
	t := e.Sched().Total
	if t.Procs <= 0 || t.Samples <= 0 {
		return nil
	}
	var s sums
	idle := min(max(t.Idle, 0), t.Procs)
	s.add(processorPart(Running, t.Procs-idle, stack.Site{}))
	s.add(processorPart(claim.PartIdle, idle, stack.Site{}))
	a := s.into(claim.Account{
		Name: claim.ProcessorAccount, Exhibit: e.ID, Unit: evidence.Count, Over: int64(max(t.To-t.From, 0)),
		What: "processors that the lines of schedtrace show, added up over the lines", Whole: t.Procs, Show: claim.Grep(e, "SCHED "),
	})
	mean := func(n int64) claim.Text { return count(float64(n) / float64(t.Samples)) }
	a.Summary = claim.Textf("Processors: %s of %s busy on average, %s waiting for one", mean(t.Procs-idle), mean(t.Procs), evidence.Things(int64(float64(t.Queued)/float64(t.Samples)+0.5), "goroutine"))
	return []claim.Account{a}
}

// collector is the account of the lines of a collector: what it took of the processors, and nothing of what the rest did.
func collector(e *evidence.Exhibit) []claim.Account {
	g := e.GC()
	t := g.Total
	work := int64(t.Stopped + t.Assist + t.Background)
	from := t.From
	// A log of a few collections says little of the time between them; what the runtime itself has added up since the start does.
	if t.Cycles < 10 || t.To-t.From < time.Second {
		from, work = 0, bound.Float(g.Share*float64(capacity(g.Procs, t.To)))
	}
	whole := capacity(g.Procs, t.To-from)
	if whole <= 0 || work < 0 || t.Cycles == 0 {
		return nil
	}
	var s sums
	whole = max(whole, work)
	s.add(processorPart(Collector, work, stack.Site{}))
	a := s.into(claim.Account{
		Name: claim.ProcessorAccount, Exhibit: e.ID, Unit: evidence.Nanoseconds, Over: int64(t.To - from),
		What: "time of all processors, up to the last collection", Whole: whole, Show: claim.Grep(e, "gc "),
	})
	a.Summary = claim.Textf("Processors: the collector takes %s of %s; a CPU profile would show what runs beside it", share(work, whole), evidence.Things(g.Procs, "processor"))
	return []claim.Account{a}
}
