package reading

import (
	"slices"

	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// LikelyHolder returns the goroutine that probably holds a lock which is taken in one
// function and given back in another, so that nobody stands behind it in a function in which others wait.
// It is blocked, at least so many wait, and it is the only one
//   - that has passed the call in which all the others wait, in a method of the same type that all of them run, or
//   - that works on the object whose lock it is, while nobody but the waiters does.
func (l *Lock) LikelyHolder(d *dump.Dump, least float64) (LockHolder, bool) {
	// A short queue, or one that is just moving, is what any lock has at one moment or another.
	if float64(len(l.Waiters)) < least || !l.settled() || len(l.Holders) > 0 {
		return LockHolder{}, false
	}
	site, _, _ := l.Site()
	typ := stack.ReceiverType(site.Function)
	if typ == "" || stack.Standard(site.Function) {
		return LockHolder{}, false
	}
	own := map[*dump.Goroutine]bool{}
	for _, w := range l.Waiters {
		own[w.G] = true
	}
	for _, call := range l.sharedCalls(typ) {
		var found []LockHolder
		for i := range d.Goroutines {
			g := &d.Goroutines[i]
			for at := range g.Frames {
				if f := &g.Frames[at]; !own[g] && f.Function == call.function && f.Line > call.line {
					found = append(found, LockHolder{G: g, At: at})
					break
				}
			}
		}
		if len(found) > 0 {
			return found[0], len(found) == 1 && found[0].stays()
		}
	}
	words := l.objects()
	words[l.Addr] = l.Addr != 0
	var found []LockHolder
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if own[g] {
			continue
		}
		for at := range g.Frames {
			if stack.ReceiverType(g.Frames[at].Function) == typ {
				found = append(found, LockHolder{G: g, At: at, Object: true})
				break
			}
		}
	}
	// Several at work on objects of the type: which has the lock is not to be told, and
	// one that runs may have it as well.
	if len(found) != 1 {
		return LockHolder{}, false
	}
	h := found[0]
	f := h.G.Frames[h.At]
	// What a goroutine was started for may serve the object all its life without a lock: loops that sleep, accept or read.
	entry := h.At == len(h.G.Frames)-1
	ok := len(f.Args) > 0 && !f.Inlined && words[f.Args[0]] && (!entry || wait.OfState(h.G.State, h.G.Stack()) == wait.WaitGroup) && h.stays()
	return h, ok
}

// stays reports whether a goroutine is blocked in what a call made under a lock
// comes back from: not in a queue of work or a listener, where goroutines stay without a lock.
func (h LockHolder) stays() bool {
	s := h.G.Stack()
	switch wait.OfState(h.G.State, s) {
	case wait.WaitGroup, wait.Sleep, wait.Syscall:
		return true
	case wait.Network:
		return !s.Contains("internal/poll.(*FD).Accept")
	case wait.Select, wait.ChanRecv, wait.ChanSend:
		return stack.Standard(s.Site().Function) // a request on its way, not a loop of the program's own
	}
	return false
}

// ReadLocked reports whether what is held is a read lock: a writer waits for readers to leave.
func (l *Lock) ReadLocked() bool {
	return slices.ContainsFunc(l.Waiters, func(w *LockWaiter) bool { return w.ForReaders })
}

// sharedCalls returns the methods of a type that all waiters run above the function that
// takes the lock, innermost first, with the last line in which one of them stands.
func (l *Lock) sharedCalls(typ string) (calls []codeLine) {
	first := l.Waiters[0]
	for _, f := range first.G.Frames[first.At+1:] {
		if stack.Standard(f.Function) || len(calls) == MaxSites {
			break
		}
		if stack.ReceiverType(f.Function) != typ || !l.outside(f.Function) {
			continue
		}
		last := 0
		for _, w := range l.Waiters {
			above := w.G.Frames[w.At+1:]
			at := slices.IndexFunc(above, func(o dump.Frame) bool { return o.Function == f.Function })
			if at < 0 {
				last = 0
				break
			}
			last = max(last, above[at].Line)
		}
		if last > 0 {
			calls = append(calls, codeLine{function: f.Function, line: last})
		}
	}
	return calls
}

// outside reports whether no waiter takes the lock in a function itself.
func (l *Lock) outside(function string) bool {
	return !slices.ContainsFunc(l.Waiters, func(w *LockWaiter) bool { return w.G.Frames[w.At].Function == function })
}

// Children returns the goroutines that a goroutine has made in a call it has not
// returned from.
func Children(d *dump.Dump, g *dump.Goroutine) []*dump.Goroutine {
	var out []*dump.Goroutine
	for i := range d.Goroutines {
		c := &d.Goroutines[i]
		if c.Creator == g.ID && slices.ContainsFunc(g.Frames, func(f dump.Frame) bool { return f.Function == c.CreatedBy.Function }) {
			out = append(out, c)
		}
	}
	return out
}

// Holder returns the goroutine that holds the lock while it is blocked, as far as the dump tells: likely says that it is
// no more than that (see LikelyHolder, which takes least).
func (l *Lock) Holder(d *dump.Dump, least float64) (h LockHolder, likely, ok bool) {
	if h, ok = l.BlockedHolder(); ok {
		return h, false, true
	}
	h, likely = l.LikelyHolder(d, least)
	return h, likely, likely
}

// BlockedHolder returns the goroutine that holds the lock, when the dump leaves
// only one that can and it is blocked.
func (l *Lock) BlockedHolder() (LockHolder, bool) {
	// Several goroutines behind an exclusive lock: they gave it back before they
	// went on, and which of them has not is not to be told.
	if len(l.Holders) != 1 || !l.settled() {
		return LockHolder{}, false
	}
	h := l.Holders[0]
	class := wait.OfState(h.G.State, h.G.Stack())
	// A holder that runs is what any lock in use looks like at one moment.
	if h.Object || class == "" || h.Waits != nil && slices.Contains(l.Waiters, h.Waits) {
		return LockHolder{}, false
	}
	return h, true
}
