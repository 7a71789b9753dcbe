package detect

import (
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// worker is code of a trace that ends the waits of others, and what its goroutines do meanwhile.
type worker struct {
	site    stack.Site
	running time.Duration // of all goroutines that pass through it
	away    time.Duration // they waited for something else than work
	at      busyAt        // where most of that
	serves  bool          // some of that in a request
}

// busy is the part of a trace in which at least one of its goroutines was at work.
func (w worker) busy(t *exectrace.Timeline) evidence.Quantity {
	return evidence.Part(min(w.running+w.away, t.Duration), t.Duration)
}

// does is what keeps it, in words.
func (w worker) does(t *exectrace.Timeline) string {
	if w.away > w.running {
		return fmt.Sprintf("spends %s of its time waiting in %s", evidence.Part(min(w.away, t.Duration), t.Duration), w.at.words)
	}
	return fmt.Sprintf("runs for %s of the time", evidence.Part(min(w.running, t.Duration), t.Duration))
}

// workerOf returns the code that ended most of the waits of a class at a function, and how many of them.
func workerOf(t *exectrace.Timeline, class wait.Class, function string) (w worker, n int64) {
	for _, x := range t.Wakes {
		if x.To.Function == function && x.Class == class && x.From.Function != "" && x.Count > n {
			w.site, n = x.From, x.Count
		}
	}
	if n == 0 {
		return w, 0
	}
	starts := map[string]bool{w.site.Function: true}
	var most time.Duration
	for i := range t.Waits {
		x := &t.Waits[i]
		s := x.Stack
		if !slices.Contains(s.Path(), w.site.Function) {
			continue
		}
		// In its own loop it waits for work, or sets its own pace, as who publishes events does.
		own := s.Site().Function == w.site.Function && (x.Class == wait.ChanRecv || x.Class == wait.Select || x.Class == wait.Cond || x.Class == wait.Sleep)
		if !own && x.Class != wait.System {
			w.away += x.Total
			if x.Total > most {
				most, w.at = x.Total, busyAt{s.Site(), fmt.Sprintf("%s (%s)", s.Site().Function, x.Class)}
			}
		}
		w.serves = w.serves || inRequest(s)
		for _, f := range s[max(0, len(s)-2):] { // a go statement may add a wrapper
			starts[stack.Normal(f.Function)] = true
		}
	}
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && starts[g.Start.Function] {
			w.running += g.Running
		}
	}
	return w, n
}

// repliesOf places waits for something that the program itself will do, at the
// application's line that entered them: not the next request, the answer of a peer, a slot, or a lock.
func repliesOf(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	switch class {
	case wait.ChanRecv, wait.Select, wait.Cond:
	default:
		return nil, stack.Site{}, false
	}
	if waitsForSlot(class, s) || knownIdle(class, s) || forAnswer(s) {
		return nil, stack.Site{}, false
	}
	for i, f := range s {
		if !stack.Standard(f.Function) && !stack.Plumbing(f.Function) && !f.Dependency() {
			return s[i:], s[i].Site(), true
		}
	}
	return nil, stack.Site{}, false
}

// minAtWork is the part of the time in which a worker must be at work for those that wait to wait for it,
// rather than for events that it passes on.
const minAtWork = 0.5

// slowWorkers judges operations that wait for a worker of the program to answer: a queue in front of it,
// as that of senders is, in which the callers stand behind the send.
func slowWorkers(in *claim.Input, e *evidence.Exhibit) (out []claim.Candidate) {
	t := e.Trace
	of := operationsOf(t)
	for _, w := range sumWaits(t.Waits, repliesOf, of) {
		rate := perSecond(w.total, t.Duration)
		if rate.Number < in.Limit("impact.min-standing").Number || len(out) == maxCandidates {
			break
		}
		worker, n := workerOf(t, w.class, w.stack.Site().Function)
		// Timers, the network and nobody end the rest: time-outs, and events from outside.
		if !w.request || 2*n < w.count-w.open || n == 0 || sameFamily(worker.site.Function, w.site.Function) {
			continue
		}
		atWork := worker.busy(t)
		c := claim.Candidate{
			Site: w.site, Path: w.path, Variant: "reply", Share: min(1, rate.Number/float64(max(w.goroutines, 1))),
			Summary: fmt.Sprintf("%s in %s for an answer of %s, %s each; %s %s", standing(rate), w.site.Function, worker.site.Function, evidence.Duration(w.mean()), worker.site.Function, worker.does(t)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: fmt.Sprintf("time goroutines waited here per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: againstStanding(in), At: spanAt(w), Reproduce: blockedView(e, w)},
				{Exhibit: e.ID, Says: fmt.Sprintf("mean of one wait here, over %s waits", evidence.Of(w.count, evidence.Count)), Value: evidence.Duration(w.mean()), At: claim.At(w.site), Reproduce: blockedView(e, w)},
				{Exhibit: e.ID, Says: "waits here that " + worker.site.Function + " ended", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(w.count, evidence.Count), "all waits here"), At: claim.At(worker.site),
					Reproduce: claim.TraceView(e, "goroutines that unblock others in "+worker.site.Function)},
				{Exhibit: e.ID, Says: "time in which goroutines of " + worker.site.Function + " were at work: ran, or waited for something else than work", Value: evidence.Duration(min(worker.running+worker.away, t.Duration)),
					Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: claim.At(worker.site), Reproduce: claim.TraceView(e, "goroutine analysis of "+worker.site.Function)},
			},
			Fix: []string{
				"Shorten what the worker does for one caller, or do the slow part (write, query, request, computation) outside of it",
				"Run several workers where their work does not depend on each other: as many as there are processors for computing, more for waiting",
				"Bound the queue and refuse at once when it is full, and wait with the request's context and a deadline",
			},
		}
		weighWaits(in, &c, w, t.Duration, busyElsewhere(in, worker.site.Function, w.site.Function), starvedExcuse(t),
			claim.Excuse{Holds: worker.serves, Says: "another request ends these waits, as with long polling"},
			claim.Excuse{Holds: atWork.Number < minAtWork, Says: "who ends these waits is idle for most of the time: they wait for events"})
		addSites(&c, worker.site)
		if worker.away > worker.running {
			addSites(&c, worker.at.site)
		}
		out = append(out, c)
	}
	return out
}
