package reading

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// ReceiverOf returns who ended most waits at a function, and how many.
func ReceiverOf(t *exectrace.Timeline, function string) (site stack.Site, n int64) {
	for _, w := range t.Wakes {
		if w.To.Function == function && w.Class == wait.ChanSend && w.From.Function != "" && w.Count > n {
			site, n = w.From, w.Count
		}
	}
	return site, n
}

// BusyAt is where a goroutine spends its time, in words too.
type BusyAt struct {
	Site  stack.Site
	Words claim.Text
}

// Worker is code of a trace that ends the waits of others, and what its goroutines do meanwhile.
type Worker struct {
	Site    stack.Site
	Running time.Duration // of all goroutines that pass through it
	Away    time.Duration // they waited for something else than work
	At      BusyAt        // where most of that
	Serves  bool          // some of that in a request
}

// Busy is the part of a trace in which at least one of its goroutines was at work.
func (w Worker) Busy(t *exectrace.Timeline) evidence.Quantity {
	return evidence.Part(min(w.Running+w.Away, t.Duration), t.Duration)
}

// Does is what keeps it, in words.
func (w Worker) Does(t *exectrace.Timeline) claim.Text {
	if w.Away > w.Running {
		return claim.Textf("spends %s of its time waiting in %s", evidence.Part(min(w.Away, t.Duration), t.Duration), w.At.Words)
	}
	return claim.Textf("runs for %s of the time", evidence.Part(min(w.Running, t.Duration), t.Duration))
}

// WorkerOf returns the code that ended most of the waits of a class at a function, and how many of them.
func WorkerOf(t *exectrace.Timeline, class wait.Class, function string) (w Worker, n int64) {
	for _, x := range t.Wakes {
		if x.To.Function == function && x.Class == class && x.From.Function != "" && x.Count > n {
			w.Site, n = x.From, x.Count
		}
	}
	if n == 0 {
		return w, 0
	}
	starts := map[string]bool{w.Site.Function: true}
	var most time.Duration
	for i := range t.Waits {
		x := &t.Waits[i]
		s := x.Stack
		if !slices.Contains(s.Path(), w.Site.Function) {
			continue
		}
		// In its own loop it waits for work, or sets its own pace, as who publishes events does.
		own := s.Site().Function == w.Site.Function && (x.Class == wait.ChanRecv || x.Class == wait.Select || x.Class == wait.Cond || x.Class == wait.Sleep)
		if !own && x.Class != wait.System {
			w.Away += x.Total
			if x.Total > most {
				most, w.At = x.Total, BusyAt{s.Site(), claim.Textf("%s (%s)", claim.Func(s.Site().Function), x.Class)}
			}
		}
		w.Serves = w.Serves || wait.InRequest(s)
		for _, f := range s[max(0, len(s)-2):] { // a go statement may add a wrapper
			starts[stack.Normal(f.Function)] = true
		}
	}
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && starts[g.Start.Function] {
			w.Running += g.Running
		}
	}
	return w, n
}

// Replies places waits for something that the program itself will do, at the
// application's line that entered them: not the next request, the answer of a peer, a slot, or a lock.
func Replies(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if !wait.ForReply(class, s) {
		return nil, stack.Site{}, false
	}
	for i, f := range s {
		if !stack.Standard(f.Function) && !stack.Plumbing(f.Function) && !f.Dependency() {
			return s[i:], s[i].Site(), true
		}
	}
	return nil, stack.Site{}, false
}
