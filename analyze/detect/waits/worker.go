// Package waits holds the detectors of goroutines that wait: at one place, for a worker, a slot or a peer, or for what never comes.
package waits

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// slowWorkers judges operations that wait for a worker of the program to answer: a queue in front of it,
// as that of senders is, in which the callers stand behind the send.
func slowWorkers(in *claim.Input, e *evidence.Exhibit) (out []claim.Candidate) {
	t := e.Trace()
	of := reading.OperationsOf(t)
	for _, w := range reading.SumWaits(t.Waits, reading.Replies, of) {
		rate := reading.PerSecond(w.Total, t.Duration)
		if rate.Number < in.Limit("impact.min-standing").Number || len(out) == reading.MaxSites {
			break
		}
		worker, n := reading.WorkerOf(t, w.Class, w.Stack.Site().Function)
		// Timers, the network and nobody end the rest: time-outs, and events from outside.
		if !w.Request || 2*n < w.Count-w.Open || n == 0 || stack.SameFunction(worker.Site.Function, w.Site.Function) {
			continue
		}
		atWork := worker.Busy(t)
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Variant: "reply", Share: min(1, rate.Number/float64(max(w.Goroutines, 1))),
			Summary: claim.Textf("%s in %s for an answer of %s, %s each; %s %s", judge.Standing(rate), claim.Func(w.Site.Function), claim.Func(worker.Site.Function), evidence.Duration(w.Mean()), claim.Func(worker.Site.Function), worker.Does(t)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("time goroutines waited here per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: judge.AgainstStanding(in), At: w.SpanAt(), Reproduce: reading.BlockedView(e, w)},
				{Exhibit: e.ID, Says: claim.Textf("mean of one wait here, over %s", evidence.Things(w.Count, "wait")), Value: evidence.Duration(w.Mean()), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
				{Exhibit: e.ID, Says: claim.Textf("waits here that %s ended", claim.Func(worker.Site.Function)), Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(w.Count, evidence.Count), "all waits here"), At: claim.At(worker.Site),
					Reproduce: claim.TraceView(e, claim.Textf("goroutines that unblock others in %s", claim.Func(worker.Site.Function)))},
				{Exhibit: e.ID, Says: claim.Textf("time in which goroutines of %s were at work: ran, or waited for something else than work", claim.Func(worker.Site.Function)), Value: evidence.Duration(min(worker.Running+worker.Away, t.Duration)),
					Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: claim.At(worker.Site), Reproduce: claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(worker.Site.Function)))},
			},
			Fix: []claim.Text{
				"Shorten what the worker does for one caller, or do the slow part (write, query, request, computation) outside of it",
				"Run several workers where their work does not depend on each other: as many as there are processors for computing, more for waiting",
				"Bound the queue and refuse at once when it is full, and wait with the request's context and a deadline",
			},
		}
		judge.Waits(in, &c, w, t.Duration, judge.BusyElsewhere(in, worker.Site.Function, w.Site.Function), judge.StarvedExcuse(t),
			claim.Excuse{Holds: worker.Serves, Says: "another request ends these waits, as with long polling"},
			claim.Excuse{Holds: atWork.Number < in.Limit("min-at-work").Number, Says: "who ends these waits is idle for most of the time: they wait for events"})
		judge.AddSites(&c, worker.Site)
		if worker.Away > worker.Running {
			judge.AddSites(&c, worker.At.Site)
		}
		out = append(out, c)
	}
	return out
}
