package reading

import (
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/wait"
)

// AtWork counts the goroutines of a dump that are not idle by design.
func AtWork(d *dump.Dump) (n int) {
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if class := wait.OfState(g.State, s); class == "" || !wait.Idle(class, s) {
			n++
		}
	}
	return n
}

// RequestsIn counts the goroutines of a dump that handle a request.
func RequestsIn(d *dump.Dump) (all Requests) {
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if class := wait.OfState(g.State, s); wait.AtWork(class, s) {
			all.Add(wait.HandlerOf(s), 1)
		}
	}
	return all
}
