package exectrace

import (
	"time"

	"inquest/internal/evidence/wait"
)

// waitSum gathers what one stack waited for one reason.
type waitSum struct {
	Wait
	stack    uint32
	reason   uint32
	lock     lock   // what it waits for, when that is a lock
	lockIdx  uint32 // lock group, see hold.go
	worst    worst
	nature   nature
	root     uint32 // number in the account; 0 when it has none yet
	usual    uint32 // and of what it is usually for, in the group usualFor
	usualFor uint32

	lastFrom uint32 // the stack of the latest wake-up, to find its edge without a map
	lastEdge *edge
}

// edge gathers the wake-ups of one wait by one stack.
type edge struct {
	count int64
	delay int64
}

type edgeKey struct{ from, wait uint32 }

// worst keeps the longest spans, longest first.
type worst struct {
	spans [MaxWorst]Span
	n     int
}

func (w *worst) add(from, to, id int64) {
	d := to - from
	i := w.n
	for i > 0 && d > int64(w.spans[i-1].To-w.spans[i-1].From) {
		i--
	}
	if i == MaxWorst {
		return
	}
	if w.n < MaxWorst {
		w.n++
	}
	copy(w.spans[i+1:w.n], w.spans[i:])
	w.spans[i] = Span{Interval{time.Duration(from), time.Duration(to)}, id}
}

func (w *worst) list() []Span { return append([]Span(nil), w.spans[:w.n]...) }

// waitFor returns the index of the statistics of a stack and reason.
func (f *fold) waitFor(st, reason uint32) uint32 {
	p := f.places.all[st]
	for _, w := range p.waits {
		if w.reason == reason {
			return w.wait
		}
	}
	if st != 0 && len(f.waits) >= maxWaits {
		return f.waitFor(0, reason)
	}
	w := took(f, &waitSum{stack: st, reason: reason})
	w.Reason = f.reasons[reason]
	w.Stack = p.frames
	w.Class = classify(w.Reason, p)
	w.nature = natureOf(w.Class, p)
	w.lock = map[wait.Class]lock{wait.Mutex: mutexLock, wait.RWRead: readLock, wait.RWWrite: writeLock}[w.Class]
	if w.lock != noLock {
		w.lockIdx = f.lockGroup(p)
	}
	id := uint32(len(f.waits))
	f.waits = append(f.waits, w)
	p.waits = push(&f.kept, p.waits, waitAt{reason, id})
	return id
}

// endWait counts the wait or system call a goroutine is in. open says that it
// goes on and only our knowledge of it ends.
func (f *fold) endWait(g *goroutine, t int64, open bool) {
	d := time.Duration(t - g.since)
	if f.counts(g) {
		f.countWait(g, f.waits[g.wait], t, open)
	}
	for i := range g.holds {
		g.holds[i].blocks(f, g.wait, int64(d))
	}
	g.remember(g.wait, g.since, t)
	for i := range g.regions {
		g.regions[i].blocks(f, g.wait, int64(d))
	}
}

func (f *fold) countWait(g *goroutine, w *waitSum, t int64, open bool) {
	d := time.Duration(t - g.since)
	if w.Count == 0 || time.Duration(g.since) < w.Seen.From {
		w.Seen.From = time.Duration(g.since)
	}
	w.Seen.To = max(w.Seen.To, time.Duration(t))
	w.Count++
	if open {
		w.Open++
	}
	w.Total += d
	w.Max = max(w.Max, d)
	f.count(&w.Times, d)
	w.worst.add(g.since, t, g.id)
	if g.firstSeen(f, g.wait+1) {
		w.Goroutines++
	}
}

// firstSeen reports whether a goroutine had not been counted in a wait before.
// It is kept with the goroutine, so memory follows the live ones.
func (g *goroutine) firstSeen(f *fold, mark uint32) bool {
	for i, s := range g.seen {
		if s == mark {
			return false
		}
		if s == 0 {
			g.seen[i] = mark
			return true
		}
	}
	for _, s := range g.seenMore {
		if s == mark {
			return false
		}
	}
	if len(g.seenMore) >= maxSeen {
		return false
	}
	g.seenMore = push(&f.live, g.seenMore, mark)
	return true
}

// maxSeen bounds the waits a goroutine is told apart in; one that waits in more
// places is counted once in each of the first.
const maxSeen = 60

// wake counts who made a waiter runnable.
func (f *fold) wake(w *waitSum, index, from uint32, waited int64) {
	if from == 0 {
		return // a timer, the network poller or the runtime itself
	}
	if w.lastFrom != from {
		key := edgeKey{from, index}
		e := f.edges[key]
		if e == nil {
			if len(f.edges) >= maxEdges {
				return
			}
			e = &edge{}
			f.edges[key] = e
		}
		w.lastFrom, w.lastEdge = from, e
	}
	w.lastEdge.count++
	w.lastEdge.delay += waited
}

// latency gathers the delays between becoming runnable and running. Their
// histogram is put together at the end from those of the groups.
type latency struct {
	Latency
	worst worst
}

// group gathers the goroutines of one start function.
type group struct {
	Group
	ready    int    // runnable now
	usual    uint32 // what its waits for a processor are usually for
	does     tallyOfOps
	creators tally // stacks
	partners tally // groups
}

// tally counts a few things that come up again and again.
type tally []counted

type counted struct {
	key   uint32
	count int64
}

// maxTally bounds the things told apart; those that come later are not counted.
const maxTally = 64

func (t *tally) add(f *fold, key uint32) {
	s := *t
	for i := range s {
		if s[i].key == key {
			s[i].count++
			if i > 0 && s[i].count > s[i-1].count {
				s[i], s[i-1] = s[i-1], s[i]
			}
			return
		}
	}
	if len(s) < maxTally {
		*t = push(&f.kept, s, counted{key, 1})
	}
}

// most returns the key with the highest count, the lowest of equals; 0 of none.
func (t tally) most() uint32 {
	var best counted
	for _, c := range t {
		if c.count > best.count || c.count == best.count && c.key < best.key {
			best = c
		}
	}
	return best.key
}

// thinned is a list in order that never holds more than maxListed: when it is
// full, the shorter half goes.
type thinned[T any] struct {
	list   []T
	longer func(a, b T) bool
	total  int // how many were added
}

const maxListed = 10000

func (l *thinned[T]) add(v T) {
	l.total++
	if len(l.list) >= maxListed {
		l.thin()
	}
	l.list = append(l.list, v)
}

func (l *thinned[T]) thin() {
	order := make([]int, len(l.list))
	for i := range order {
		order[i] = i
	}
	sortStable(order, func(a, b int) bool { return l.longer(l.list[a], l.list[b]) })
	keep := make([]bool, len(l.list))
	for _, i := range order[:len(order)/2] {
		keep[i] = true
	}
	kept := l.list[:0]
	for i, v := range l.list {
		if keep[i] {
			kept = append(kept, v)
		}
	}
	l.list = kept
}
