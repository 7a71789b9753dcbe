package scheduler

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// SyscallBlocking claims that requests wait in system calls that take long.
var SyscallBlocking = &claim.Detector{
	ID:    "syscall-blocking",
	Title: "Requests wait in slow system calls",
	Doc: `Goroutines stand in system calls (or calls into C) that take long: fsync, file locks, reads of a slow disk, name lookups through the C library. Each keeps a
thread of the operating system, and the runtime starts further threads to have the others run.

**How it is measured.** A trace tells the length of every system call that was not over at once, by stack. Calls of 10 ms and more are summed up; by Little's law their time
per second is how many goroutines, and threads, stand there on average. A goroutine dump counts the goroutines that are in a system call at one moment: more than there are processors can
only be such as have lost theirs (runtime/proc.go, retake, takes it after 20 µs to 10 ms). A thread creation profile only vouches.

**When it is wrong.** Some calls are there to wait: for a child process, for a line on standard input, a writer of the program's own log. Calls that last over the whole
trace, and those outside of the handling of a request, are not counted or an info. A single goroutine that writes a journal and waits for the disk is how databases work; the claim needs several at one place.
Waits of the network are not system calls in Go.`,
	Limits: []claim.Limit{
		{Name: "min-call", Mark: true, Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "length of a system call that counts as slow",
			Source: "runtime/proc.go, forcePreemptNS and sysmon: after 10 ms its processor has been taken away from the thread for certain"},
		{Name: "min-share", Default: evidence.Quantity{Number: 0.2, Unit: evidence.SecPerSec},
			Doc:    "time in slow calls at one place per second and processor (GOMAXPROCS) from which it is told",
			Source: "by meaning: a fifth as many threads stand there as there are processors"},
		{Name: "min-goroutines", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
			Doc:    "goroutines in calls at one place: in a trace all together, in a dump at one moment",
			Source: "as impact.min-standing-moment; a journal's writer is one"},
		{Name: "min-threads-per-proc", Default: evidence.Quantity{Number: 2, Unit: evidence.Count},
			Doc:    "goroutines of a dump in system calls at one place per processor",
			Source: "runtime/proc.go: a thread in a short call keeps its processor, so short calls are at most GOMAXPROCS at a time"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "part of min-share, or of min-threads-per-proc, from which a trace vouches for what another kind of evidence shows",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
		{Name: "min-vote-dump", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "part of the goroutines that a dump must show, from which it does",
			Source: "Judgement call: one moment shows by chance some more or fewer than the average"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "system calls by stack, with their length", Run: judge.WorstOf(syscallTrace)},
		{Kind: evidence.Dump, Doc: "goroutines in system calls at one moment, by place", Run: judge.WorstOf(syscallDump)},
		{Kind: evidence.ThreadCreate, Doc: "threads made: vouches, as it does not tell what for", Run: syscallThreads},
	},
	Fix: []claim.Text{
		"Let one goroutine make the slow call for all that waits: write and sync in batches, hold the file lock once",
		"Bound how many goroutines may be in such calls at a time (a semaphore), so that threads do not pile up",
		"Use a lock of the process (sync.Mutex) among its own goroutines, and the file lock once around them; build with the pure Go resolver (netdns=go) where lookups are what blocks",
	},
	Explains: []claim.Mechanism{
		{Effect: "thread-growth", Why: "a goroutine in a system call keeps its thread, and the runtime starts another to have the rest run", Source: "runtime/proc.go, handoffp and startm"},
		{Effect: "goroutine-pileup", Why: "arrivals outpace the calls, so those who wait pile up", Source: "Little's law"},
		{Effect: "long-critical-section", Why: "a lock is held for as long as the call inside it takes", Source: "sync/mutex.go"},
	},
	Wakes:     true,
	Durations: claim.SyscallTimes(),
}

// waitingCalls are calls that wait by design.
var waitingCalls = stack.Names(`os.(*Process).Wait os.(*Process).wait os.(*Process).blockUntilWaitable os/exec.(*Cmd).Wait os/exec.(*Cmd).Run
	runtime/pprof.profileWriter runtime/pprof.StartCPUProfile os/signal.signal_recv runtime.ReadTrace
	github.com/fsnotify/fsnotify.(*inotify).readEvents github.com/fsnotify/fsnotify.(*Watcher).readEvents`)

func callsOf(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if class != wait.Syscall {
		return nil, stack.Site{}, false
	}
	for _, f := range s {
		if waitingCalls[stack.Normal(f.Function)] {
			return nil, stack.Site{}, false
		}
	}
	return s, s.Owner(), true
}

func syscallTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace()
	procs := max(in.Process.GOMAXPROCS, t.Procs.Max, 1)
	call := in.Limit("min-call").Duration()
	r := claim.Reading{Says: claim.Textf("next to no time goes by in system calls of %s and more", evidence.Duration(call))}
	// One at a time: what has not returned in the whole trace is a wait by design.
	var ended []exectrace.Wait
	for _, w := range t.Syscalls {
		if w.Count > w.Open {
			w.Class = wait.Syscall
			ended = append(ended, w)
		}
	}
	for _, w := range reading.SumWaits(ended, callsOf, reading.OperationsOf(t)) {
		slow := w.Times.Above(call)
		inSlow := bound.Add(w.Times.Beyond(call), bound.Mul(time.Duration(slow), call)) // what the slow ones took
		rate := reading.PerSecond(min(inSlow, w.Total), t.Duration)
		need := in.Limit("min-share").Number * float64(procs)
		excuses := []claim.Excuse{judge.NotOutside(w.Request),
			{Holds: float64(w.Goroutines) < in.Limit("min-goroutines").Number, Says: "few goroutines make the calls: a journal has one writer, who waits for the disk as it should"}}
		// Short calls that goroutines stand in all the time, more of them than any number of processors explains.
		lengths := claim.Textf(" of %s and more", evidence.Duration(call))
		if all, many := reading.PerSecond(w.Total, t.Duration), in.Limit("min-threads-per-proc").Number*float64(procs); all.Number/many > rate.Number/need {
			rate, need, slow, lengths, excuses = all, many, w.Count, "", excuses[:1]
		}
		if rate.Number < need*in.Limit("min-vote").Number || len(r.Candidates) == reading.MaxSites {
			continue
		}
		limit := in.Against("min-share")
		limit.Number = need
		c := claim.Candidate{
			Site: w.Site, Path: w.Path,
			Summary: claim.Textf("%s goroutines are in system calls%s in %s on average, the longest call took %s", evidence.Quantity{Number: rate.Number, Unit: evidence.Count}, lengths, w.Name(), evidence.Duration(w.Max)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("time in system calls%s here per second, over %s and %d processors", lengths, evidence.Duration(t.Duration), procs), Value: rate, Limit: limit,
					At: w.SpanAt(), Reproduce: claim.TraceProfile(e, "syscall")},
				{Exhibit: e.ID, Says: claim.Textf("system calls%s here", lengths), Value: evidence.Of(slow, evidence.Count), Of: claim.PartOf(evidence.Of(w.Count, evidence.Count), "the calls here that did not return at once"),
					At: claim.At(w.Site), Reproduce: claim.TraceProfile(e, "syscall")},
				{Exhibit: e.ID, Says: "goroutines that made them", Value: evidence.Of(w.Goroutines, evidence.Count), Limit: in.Against("min-goroutines"), At: claim.At(w.Site), Reproduce: claim.TraceProfile(e, "syscall")},
			},
		}
		// Calls are a program's own work: they hold operations up where more stand in them than there is need for.
		in.Weigh(&c, claim.Impact{Of: claim.Operations, Standing: rate.Number / need, Mean: w.Mean()}, excuses...)
		judge.AddSites(&c, w.Owner)
		r.Candidates = append(r.Candidates, c)
	}
	judge.InPart(&r, e)
	return r
}

func syscallDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines are in system calls at one place"}
	need := max(in.Limit("min-goroutines").Number, in.Limit("min-threads-per-proc").Number*float64(in.Process.GOMAXPROCS))
	for _, x := range reading.WaitsInDump(e.Dump(), callsOf) {
		n := len(x.Goroutines)
		if float64(n) < need*in.Limit("min-vote-dump").Number || len(r.Candidates) == reading.MaxSites {
			continue
		}
		limit := in.Against("min-goroutines")
		if need > limit.Number {
			limit = in.Against("min-threads-per-proc")
			limit.Number = need
		}
		c := claim.Candidate{
			Site: x.Site, Path: x.Path, Thin: float64(n) < need,
			Summary: claim.Textf("%s in a system call in %s", evidence.Amount(n, "goroutine is", "goroutines are"), x.Name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines in a system call here, each with a thread of its own", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: limit, At: reading.AtGoroutine(x.Site, x.Goroutines[0].ID), Reproduce: claim.Grep(e, x.Text)}},
		}
		// Where it is what nearly all requests are doing, their calls are not short beside the rest of what they do.
		share := evidence.Part(x.Requests.Sum(), reading.RequestsIn(e.Dump()).Sum())
		few := in.Process.GOMAXPROCS == 0 && float64(n) < judge.UsualProcs*in.Limit("min-threads-per-proc").Number && share.Number < in.Limit("impact.min-share-critical").Number
		in.Weigh(&c, claim.Impact{Of: claim.Operations, Standing: in.Limit("impact.min-standing-moment").Number * float64(n) / need, Moment: true}, judge.NotOutside(len(x.Requests) > 0),
			claim.Excuse{Holds: few, Says: "how many processors there are is not known: so many may be in short calls at a time on a large machine"})
		judge.AddSites(&c, x.Owner)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func syscallThreads(in *claim.Input) claim.Reading {
	e := reading.Latest(in.Exhibits)
	n := threadsMade(e)
	r := claim.Reading{Silent: claim.Textf("%s been made; what for, it does not tell", evidence.Amount(n, "thread has", "threads have"))}
	const ownThreads = 4 // per processor: one that runs, one that looks for work, and some that calls of a moment ago left behind
	if float64(n) > in.Limit("min-goroutines").Number+ownThreads*float64(max(in.Process.GOMAXPROCS, 1)) {
		r.Candidates = []claim.Candidate{{Thin: true,
			Summary: claim.Textf("%d threads have been made", n),
			Facts:   []claim.Fact{{Exhibit: e.ID, Says: "threads made since the process started", Value: evidence.Of(n, evidence.Count), Reproduce: claim.Top(e, threadColumn(e))}}}}
	}
	return r
}
