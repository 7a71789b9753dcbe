package scheduler

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// ThreadGrowth claims that the process has far more threads than it needs.
var ThreadGrowth = &claim.Detector{
	ID:      "thread-growth",
	Title:   "Threads pile up",
	Process: true,
	Doc: `The process has many more threads of the operating system than processors to run on. The runtime starts a thread whenever goroutines could
run and all others are blocked in system calls or C, or locked to a goroutine (runtime.LockOSThread), and it rarely ends one. Threads cost kernel memory and
scheduling; at 10,000 the runtime ends the process ("thread exhaustion").

**How it is measured.** schedtrace lines print the number of threads, over time. A thread creation profile counts all that were made. A goroutine
dump shows who keeps them now: goroutines in a system call, and goroutines locked to their thread.

The variant is locked, or syscall, where a dump tells.

**When it is wrong.** A burst of file system calls long ago leaves its threads behind: they are idle and cost little. Programs
that call into C with many threads want them. How many threads are too many depends on GOMAXPROCS; where that is unknown, the claim is an info at most.`,
	Limits: []claim.Limit{
		{Name: "min-threads-per-proc", Default: evidence.Quantity{Number: 4, Unit: evidence.Count},
			Doc:    "threads per processor (GOMAXPROCS), beside min-threads, from which it is told",
			Source: "runtime/proc.go: one thread per processor runs, another spins, others stand in short system calls"},
		{Name: "min-threads", Default: evidence.Quantity{Number: 16, Unit: evidence.Count},
			Doc:    "threads that a process may have whatever GOMAXPROCS is",
			Source: "the runtime's own (sysmon, template thread, signals), a few lookups and file system calls at a time; the healthy fixtures have 5 to 12"},
		{Name: "min-times", Default: evidence.Quantity{Number: 2, Unit: evidence.Ratio},
			Doc:    "threads over the sum of the two from which it is worth a warning",
			Source: "by meaning: a burst may reach the limit, twice as many were needed again and again"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "part of the threads that are told, from which the goroutines of a dump that keep one vouch",
			Source: "Judgement call: a dump shows no thread that idles"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.SchedTrace, Doc: "threads by time", Run: judge.WorstOf(threadsSched)},
		{Kind: evidence.ThreadCreate, Doc: "threads made since the process started", Run: threadsCreated},
		{Kind: evidence.Dump, Doc: "goroutines in system calls or locked to a thread, each with a thread of its own", Run: judge.WorstOf(threadsDump)},
	},
	Fix: []claim.Text{
		"Bound how many goroutines may be in blocking system calls or C at a time, with a semaphore of a few per processor",
		"Call runtime.UnlockOSThread when the thread is not needed any more, or end the goroutine: a locked thread ends with it",
		"Share a few locked threads between all sessions: hand them the calls over a channel",
	},
}

// tooMany returns how many threads are told, how many are worth a warning, and
// the limit as it was in force.
func tooMany(in *claim.Input) (some, many float64, limit *claim.LimitUse) {
	some = in.Limit("min-threads").Number + in.Limit("min-threads-per-proc").Number*float64(max(in.Process.GOMAXPROCS, 1))
	limit = in.Against("min-threads")
	limit.Number = some
	return some, some * in.Limit("min-times").Number, limit
}

func threadSeverity(in *claim.Input, n float64) claim.Severity {
	some, many, _ := tooMany(in)
	switch {
	case n < some:
		return claim.NoSeverity
	// Without GOMAXPROCS a machine with 64 processors looks like a leak.
	case n < many, in.Process.GOMAXPROCS == 0:
		return claim.Info
	}
	return claim.Warning
}

func threadsSched(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Sched().Total
	some, _, limit := tooMany(in)
	r := claim.Reading{Says: claim.Textf("at most %s in %s", evidence.Things(t.MostThreads, "thread"), evidence.Duration(t.To-t.From))}
	if float64(t.MostThreads) < some {
		return r
	}
	grep := claim.Grep(e, "SCHED")
	c := claim.Candidate{
		Severity: threadSeverity(in, float64(t.MostThreads)), Thin: t.Samples < fewLines,
		Summary: claim.Textf("the process has up to %d threads, with GOMAXPROCS %d", t.MostThreads, in.Process.GOMAXPROCS),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("most threads in %s lines", evidence.Of(t.Samples, evidence.Count)), Value: evidence.Of(t.MostThreads, evidence.Count), Limit: limit,
			At: claim.Location{Line: e.Sched().Lines[0]}, Reproduce: grep}},
	}
	if w := e.Sched().Windows; len(w) > 0 && w[0].MostThreads < t.Threads {
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("threads in the last line; in the beginning there were %d", w[0].MostThreads), Value: evidence.Of(t.Threads, evidence.Count),
			At: claim.Location{Line: e.Sched().Lines[1]}, Reproduce: grep})
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

func threadsCreated(in *claim.Input) claim.Reading {
	e := reading.Latest(in.Exhibits)
	n := threadsMade(e)
	some, _, limit := tooMany(in)
	r := claim.Reading{Says: claim.Textf("%s been made since the process started", evidence.Amount(n, "thread has", "threads have"))}
	if float64(n) < some {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Severity: threadSeverity(in, float64(n)),
		Summary:  claim.Textf("%d threads have been made, with GOMAXPROCS %d", n, in.Process.GOMAXPROCS),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "threads made since the process started", Value: evidence.Of(n, evidence.Count), Limit: limit,
			Reproduce: claim.Top(e, threadColumn(e))}},
		Caveats: []claim.Text{"it counts threads that have ended as well; few do"},
	}}
	return r
}

// keeper is goroutines of a dump that keep a thread each at one place.
type keeper struct {
	site  stack.Site
	owner stack.Site
	n     int
	first *dump.Goroutine
}

func threadsDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	by := map[string]*keeper{}
	var keepers []*keeper
	n, locked := 0, 0
	for i := range e.Dump().Goroutines {
		g := &e.Dump().Goroutines[i]
		s := g.Stack()
		call := wait.OfState(g.State, s) == wait.Syscall
		if !call && !g.Locked {
			continue
		}
		n++
		if g.Locked && !call {
			locked++
		}
		site := s.Site()
		k := by[site.Function]
		if k == nil {
			k = &keeper{site: site, owner: s.Owner(), first: g}
			by[site.Function] = k
			keepers = append(keepers, k)
		}
		k.n++
	}
	r := claim.Reading{Silent: claim.Textf("%s a thread at that moment; how many are idle it does not show", evidence.Amount(n, "goroutine keeps", "goroutines keep"))}
	some, _, limit := tooMany(in)
	if float64(n) < some*in.Limit("min-vote").Number {
		return r
	}
	slices.SortStableFunc(keepers, func(a, b *keeper) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function))
	})
	k := keepers[0]
	variant, doing, find := "syscall", claim.Text("are in system calls"), claim.Textf("goroutine %d [", k.first.ID)
	if 2*locked > n {
		variant, doing = "locked", "are locked to their thread"
	}
	c := claim.Candidate{
		Site: k.site, Variant: variant, Severity: threadSeverity(in, float64(n)),
		Summary: claim.Textf("%d goroutines keep a thread each: most %s, %d of them in %s", n, doing, k.n, claim.Func(k.site.Function)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "goroutines in a system call or locked to their thread", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: limit, At: reading.AtGoroutine(k.site, k.first.ID), Reproduce: claim.Grep(e, find)},
			{Exhibit: e.ID, Says: "of them, locked to their thread", Value: evidence.Of(locked, evidence.Count), At: reading.AtGoroutine(k.site, k.first.ID), Reproduce: claim.Grep(e, "locked to thread")},
		},
	}
	judge.AddSites(&c, k.owner)
	for _, k := range keepers[1:min(len(keepers), reading.MaxSites)] {
		judge.AddSites(&c, k.site)
	}
	r.Candidates = []claim.Candidate{c}
	return r
}
