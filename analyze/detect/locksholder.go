package detect

import (
	"slices"
	"strings"

	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// minQueue is the queue from which a lock surely has a holder who is not about
// to let go, as impact.min-standing-moment.
const minQueue = 10

// likelyHolder returns the goroutine that probably holds a lock which is taken in one
// function and given back in another, so that nobody stands behind it in a function in which others wait.
// It is blocked, and the only one
//   - that has passed the call in which all the others wait, in a method of the same type that all of them run, or
//   - that works on the object whose lock it is, while nobody but the waiters does.
func (l *dumpLock) likelyHolder(d *dump.Dump) (lockHolder, bool) {
	// A short queue, or one that is just moving, is what any lock has at one moment or another.
	if len(l.waiters) < minQueue || !l.settled() || len(l.holders) > 0 {
		return lockHolder{}, false
	}
	site, _, _ := l.site()
	typ := receiverType(site.Function)
	if typ == "" || stack.Standard(site.Function) {
		return lockHolder{}, false
	}
	own := map[*dump.Goroutine]bool{}
	for _, w := range l.waiters {
		own[w.g] = true
	}
	for _, call := range l.sharedCalls(typ) {
		var found []lockHolder
		for i := range d.Goroutines {
			g := &d.Goroutines[i]
			for at := range g.Frames {
				if f := &g.Frames[at]; !own[g] && f.Function == call.function && f.Line > call.line {
					found = append(found, lockHolder{g: g, at: at})
					break
				}
			}
		}
		if len(found) > 0 {
			return found[0], len(found) == 1 && found[0].stays()
		}
	}
	words := l.objects()
	words[l.addr] = l.addr != 0
	var found []lockHolder
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if own[g] {
			continue
		}
		for at := range g.Frames {
			if receiverType(g.Frames[at].Function) == typ {
				found = append(found, lockHolder{g: g, at: at, object: true})
				break
			}
		}
	}
	// Several at work on objects of the type: which has the lock is not to be told, and
	// one that runs may have it as well.
	if len(found) != 1 {
		return lockHolder{}, false
	}
	h := found[0]
	f := h.g.Frames[h.at]
	// What a goroutine was started for may serve the object all its life without a lock: loops that sleep, accept or read.
	entry := h.at == len(h.g.Frames)-1
	ok := len(f.Args) > 0 && !f.Inlined && words[f.Args[0]] && (!entry || waitClass(h.g.State, h.g.Stack()) == wait.WaitGroup) && h.stays()
	return h, ok
}

// stays reports whether a goroutine is blocked in what a call made under a lock
// comes back from: not in a queue of work or a listener, where goroutines stay without a lock.
func (h lockHolder) stays() bool {
	s := h.g.Stack()
	switch waitClass(h.g.State, s) {
	case wait.WaitGroup, wait.Sleep, wait.Syscall:
		return true
	case wait.Network:
		return !s.Contains("internal/poll.(*FD).Accept")
	case wait.Select, wait.ChanRecv, wait.ChanSend:
		return stack.Standard(s.Site().Function) // a request on its way, not a loop of the program's own
	}
	return false
}

// readLocked reports whether what is held is a read lock: a writer waits for readers to leave.
func (l *dumpLock) readLocked() bool {
	return slices.ContainsFunc(l.waiters, func(w *lockWaiter) bool { return w.forReaders })
}

// sharedCalls returns the methods of a type that all waiters run above the function that
// takes the lock, innermost first, with the last line in which one of them stands.
func (l *dumpLock) sharedCalls(typ string) (calls []codeLine) {
	first := l.waiters[0]
	for _, f := range first.g.Frames[first.at+1:] {
		if stack.Standard(f.Function) || len(calls) == maxCandidates {
			break
		}
		if receiverType(f.Function) != typ || !l.outside(f.Function) {
			continue
		}
		last := 0
		for _, w := range l.waiters {
			above := w.g.Frames[w.at+1:]
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
func (l *dumpLock) outside(function string) bool {
	return !slices.ContainsFunc(l.waiters, func(w *lockWaiter) bool { return w.g.Frames[w.at].Function == function })
}

// receiverType returns the pointer type that a method or a closure in it belongs to,
// such as main.(*Cache); "" for other functions.
func receiverType(function string) string {
	if i := strings.Index(function, ".(*"); i > 0 {
		if j := strings.IndexByte(function[i:], ')'); j > 0 {
			return function[:i+j+1]
		}
	}
	return ""
}

// children returns the goroutines that a goroutine has made in a call it has not
// returned from.
func children(d *dump.Dump, g *dump.Goroutine) []*dump.Goroutine {
	var out []*dump.Goroutine
	for i := range d.Goroutines {
		c := &d.Goroutines[i]
		if c.Creator == g.ID && slices.ContainsFunc(g.Frames, func(f dump.Frame) bool { return f.Function == c.CreatedBy.Function }) {
			out = append(out, c)
		}
	}
	return out
}
