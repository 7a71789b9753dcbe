package reading

import (
	"cmp"
	"slices"

	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Alive returns the locks that somebody will give back as far as a dump shows: they
// are being handed over, or a goroutine behind them waits for nobody else, or for a lock that is alive.
func Alive(locks []*Lock) map[*Lock]bool {
	out := map[*Lock]bool{}
	of := WaitersOf(locks)
	for grown := true; grown; {
		grown = false
		for _, l := range locks {
			if !out[l] && (l.Woken > 0 || slices.ContainsFunc(l.Holders, func(h LockHolder) bool { return h.Waits == nil && !h.OnOthers() || out[of[h.Waits]] })) {
				out[l], grown = true, true
			}
		}
	}
	return out
}

// OnOthers reports whether a goroutine goes on only when another one makes it: at
// a channel, a wait group or a condition in the application's own code. Whether anybody will, a dump
// does not tell. The waits of the standard library's calls (requests, queries) come to an end from outside.
func (h LockHolder) OnOthers() bool {
	s := h.G.Stack()
	switch wait.OfState(h.G.State, s) {
	case wait.ChanSend, wait.ChanRecv, wait.WaitGroup, wait.Cond:
		return !stack.Standard(s.Site().Function)
	}
	return false
}

// Dead returns the locks of circles and those that goroutines hold themselves
// while they ask for them: nobody will ever get through.
func Dead(locks []*Lock) map[*Lock]bool {
	out := map[*Lock]bool{}
	of := WaitersOf(locks)
	for _, l := range locks {
		if _, ok := l.Recursive(); ok {
			out[l] = true
		}
		for _, s := range Walk(l, of) {
			out[s.Lock] = true
		}
	}
	return out
}

// WaitersOf tells for each waiter the lock it waits for.
func WaitersOf(locks []*Lock) map[*LockWaiter]*Lock {
	of := map[*LockWaiter]*Lock{}
	for _, l := range locks {
		for _, w := range l.Waiters {
			of[w] = l
		}
	}
	return of
}

// Step is one lock of a circle and the goroutine that holds it.
type Step struct {
	Lock   *Lock
	Holder LockHolder
}

// Walk follows the only holder of each lock to the lock it waits for, and
// returns the circle it runs into; nil when there is none.
func Walk(l *Lock, of map[*LockWaiter]*Lock) []Step {
	var steps []Step
	at := map[*Lock]int{}
	for {
		if i, ok := at[l]; ok {
			return steps[i:]
		}
		// A goroutine that is being handed the lock, or several behind it, or one
		// that is not waiting for a lock: the lock is in use, not dead.
		if !l.settled() || len(l.Holders) != 1 || l.Holders[0].Waits == nil {
			return nil
		}
		h := l.Holders[0]
		next := of[h.Waits]
		// Who asks for a lock it holds is no circle: see recursive.
		if next == nil || next == l {
			return nil
		}
		at[l] = len(steps)
		steps = append(steps, Step{l, h})
		l = next
	}
}

// Recursive returns the goroutine that holds a lock and asks for it again.
func (l *Lock) Recursive() (LockHolder, bool) {
	if !l.settled() {
		return LockHolder{}, false
	}
	writer := slices.ContainsFunc(l.Waiters, func(w *LockWaiter) bool { return w.ForReaders })
	var own []LockHolder
	for _, h := range l.Holders {
		if h.Waits == nil || !slices.Contains(l.Waiters, h.Waits) {
			return LockHolder{}, false // somebody else stands behind the lock and may give it back
		}
		own = append(own, h)
	}
	switch {
	case len(own) == 1 && own[0].Waits.Kind != wait.LockRead:
		return own[0], true
	// A read lock is asked for twice: only a writer between the two requests makes it
	// wait. Several readers may be caught in the same way.
	case len(own) >= 1 && writer && !slices.ContainsFunc(own, func(h LockHolder) bool { return h.Waits.Kind != wait.LockRead }):
		return own[0], true
	case len(own) == 0:
		return l.twice(writer)
	}
	return LockHolder{}, false
}

// twice finds a goroutine that waits for the lock of an object in an inner method
// while an outer method of that object is on its stack: with nobody else around it can only wait
// for itself. Readers are held up by a writer that waits between their two requests, and several may be caught
// alike; who takes the lock alone is caught the first time, so that several are a queue.
func (l *Lock) twice(writer bool) (LockHolder, bool) {
	var found []LockHolder
	for _, w := range l.Waiters {
		if w.Kind == wait.LockRead && !writer {
			continue
		}
		if h, ok := w.Outer(l); ok {
			found = append(found, h)
		}
	}
	if len(found) == 0 || len(found) > 1 && found[0].Waits.Kind != wait.LockRead {
		return LockHolder{}, false
	}
	return found[0], true
}

// Outer returns the frame further out on a waiter's own stack that works on the object whose lock it waits for:
// another method of the same type with the same receiver. Where the receiver is not printed, the lock's address is
// that of the object whose first field it is.
func (w *LockWaiter) Outer(l *Lock) (LockHolder, bool) {
	object := cmp.Or(w.Object, l.Addr)
	if object == 0 {
		return LockHolder{}, false
	}
	inner := w.G.Frames[w.At]
	for at := w.At + 1; at < len(w.G.Frames); at++ {
		f := w.G.Frames[at]
		if Pointer(f) == object && stack.TypeOf(f.Function) == stack.TypeOf(inner.Function) && f.Function != inner.Function {
			return LockHolder{G: w.G, At: at, Waits: w, Object: true}, true
		}
	}
	return LockHolder{}, false
}

// Behind counts the goroutines that wait for a lock of the circle, and for
// locks whose only holders wait for one of those in turn, and tells where those hold theirs.
func Behind(locks []*Lock, circle []Step) (n int, held []stack.Site) {
	stuck := map[*Lock]bool{}
	for _, s := range circle {
		stuck[s.Lock] = true
	}
	of := WaitersOf(locks)
	for grown := true; grown; {
		grown = false
		for _, l := range locks {
			if !stuck[l] && l.settled() && len(l.Holders) == 1 && l.Holders[0].Waits != nil && stuck[of[l.Holders[0].Waits]] {
				stuck[l], grown = true, true
				held = append(held, l.Holders[0].Site())
			}
		}
	}
	for l := range stuck {
		n += len(l.Waiters)
	}
	return n, held
}

// WriterWaits reports whether one of the waiters wants to write.
func (l *Lock) WriterWaits() bool {
	return slices.ContainsFunc(l.Waiters, func(w *LockWaiter) bool { return w.Kind == wait.LockWrite })
}

// SomeoneElse reports whether a goroutine that does not wait for a lock works on
// the types or objects that a circle's locks belong to: it may be the real holder.
func SomeoneElse(d *dump.Dump, circle []Step) bool {
	types, objects := map[string]bool{}, map[uint64]bool{}
	for _, s := range circle {
		for _, w := range s.Lock.Waiters {
			types[stack.TypeOf(w.G.Frames[w.At].Function)] = true
			if w.Object != 0 {
				objects[w.Object] = true
			}
		}
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		stk := g.Stack()
		if use := wait.LockOf(stk); use.Kind != "" && !use.Unlock && lockState(g.State) {
			continue
		}
		for _, f := range g.Frames {
			// main.main starts everything and mostly waits for the end.
			if f.Function == "main.main" || stack.Standard(f.Function) {
				continue
			}
			if types[stack.TypeOf(f.Function)] || slices.ContainsFunc(f.Args, func(word uint64) bool { return objects[word] }) {
				return true
			}
		}
	}
	return false
}

// Orphan reports whether nobody in a dump can be holding the lock: nobody stands
// behind it, nobody is being handed it, and nobody else works on its object or type.
func (l *Lock) Orphan(d *dump.Dump) bool {
	return l.settled() && len(l.Holders) == 0 && !SomeoneElse(d, []Step{{Lock: l}})
}
