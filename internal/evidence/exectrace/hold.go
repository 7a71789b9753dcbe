package exectrace

import (
	"math"
	"time"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/wait"
)

// A trace does not say who holds a lock. It says who waited for one, and whose
// Unlock woke the waiter: that goroutine was the holder. When it had itself
// waited for the lock, the end of that wait is when it took it. Locks have no
// identity in a trace, so every step from an acquire to an unlock is checked:
//
//   - both stacks share their frames down to one function, by line, and only
//     in that function do lines differ: it is one call of that function;
//   - whatever the goroutine did in between, it did inside that call and
//     between the two lines;
//   - what it did twice, which may have been in two rounds of a loop that takes
//     the lock, it did after the woken waiter had come: no lock with a waiter is
//     released without waking it;
//   - nobody else handed over a lock of the same group since.
//
// Otherwise the hold is counted as unknown, with the lower bound that the woken
// waiter proves: it stood at the head of the queue, so the lock was not
// released since it came or since the last hand-over.

// bracket is a stretch of one goroutine of which one wants to know what it did
// in between.
type bracket struct {
	since, ran, ready, calls int64 // the goroutine's totals at its start
	blocked                  []blockedAt
}

type blockedAt struct {
	wait  uint32
	count int64
	total int64
}

func (g *goroutine) bracket(t int64) bracket {
	b := bracket{since: t}
	b.ran, b.ready, b.calls = g.totals(t)
	return b
}

// totals returns how long a goroutine has run, waited for a P and been in system
// calls, its present state included.
func (g *goroutine) totals(t int64) (ran, ready, calls int64) {
	ran, ready, calls = g.ran, g.ready, g.calls
	switch g.state {
	case running:
		ran += t - g.since
	case runnable:
		ready += t - g.since
	case inSyscall:
		calls += t - g.since
	}
	return ran, ready, calls
}

// maxBlocked bounds the places told apart within one bracket.
const maxBlocked = 2 * MaxBlocked

func (b *bracket) blocks(f *fold, w uint32, d int64) {
	for i := range b.blocked {
		if b.blocked[i].wait == w {
			b.blocked[i].count++
			b.blocked[i].total += d
			return
		}
	}
	if len(b.blocked) < maxBlocked {
		b.blocked = push(&f.live, b.blocked, blockedAt{w, 1, d})
	}
}

// past is a stretch in which a goroutine waited at one place, again and again.
type past struct {
	wait     uint32
	count    uint32
	from, to int64 // first start to last end
	total    int64
}

// maxRecent bounds the stretches that a goroutine keeps of its own past.
const maxRecent = 4

// remember notes a wait that has ended, in place of what ended longest ago.
func (g *goroutine) remember(w uint32, from, to int64) {
	oldest := &g.recent[0]
	for i := range g.recent {
		p := &g.recent[i]
		if p.count > 0 && p.wait == w {
			if 2*(p.total+to-from) >= to-p.from { // still mostly waiting
				p.to, p.count, p.total = to, p.count+1, p.total+to-from
				return
			}
			oldest = p
			break
		}
		if p.to < oldest.to {
			oldest = p
		}
	}
	*oldest = past{w, 1, from, to, to - from}
}

// did adds to a sum what a goroutine is known to have waited at since a moment.
func (g *goroutine) did(f *fold, since, t int64, sum map[uint32]*blockedAt) map[uint32]*blockedAt {
	for i := range g.recent {
		p := &g.recent[i]
		if p.count == 0 || p.to <= since || p.from >= t {
			continue
		}
		total, count := p.total, int64(p.count)
		if p.from < since { // the part since then, as if it were spread evenly
			part := float64(p.to-since) / float64(p.to-p.from)
			total, count = int64(part*float64(total)), max(1, int64(part*float64(count)))
		}
		if sum == nil {
			sum = map[uint32]*blockedAt{}
		}
		o := sum[p.wait]
		if o == nil {
			if len(sum) >= maxPlaces {
				continue
			}
			o = blocked(f, p.wait)
			sum[p.wait] = o
		}
		o.total = bound.Add(o.total, total)
		o.count += count
	}
	return sum
}

// bracketed sums brackets.
type bracketed struct {
	count             int64
	times             Histogram
	worst             worst
	ran, ready, calls int64
	blocked           map[uint32]*blockedAt
}

// add counts a bracket of g that ends at t.
func (s *bracketed) add(f *fold, b *bracket, g *goroutine, t int64) {
	s.count++
	f.count(&s.times, time.Duration(t-b.since))
	s.worst.add(b.since, t, g.id)
	ran, ready, calls := g.totals(t)
	s.ran = bound.Add(s.ran, ran-b.ran)
	s.ready = bound.Add(s.ready, ready-b.ready)
	s.calls = bound.Add(s.calls, calls-b.calls)
	if s.blocked == nil && len(b.blocked) > 0 {
		s.blocked = map[uint32]*blockedAt{}
	}
	for _, e := range b.blocked {
		o := s.blocked[e.wait]
		if o == nil {
			if len(s.blocked) >= maxPlaces {
				continue
			}
			o = blocked(f, e.wait)
			s.blocked[e.wait] = o
		}
		o.count += e.count
		o.total = bound.Add(o.total, e.total)
	}
}

// blocked makes the sum of one place.
func blocked(f *fold, wait uint32) *blockedAt {
	f.kept += int64(unsafe.Sizeof(blockedAt{})) + 4 + 8 + bound.PerEntry
	return &blockedAt{wait: wait}
}

// maxPlaces bounds the places told apart in a sum of brackets.
const maxPlaces = 200

// hold is a lock that a goroutine took after waiting for it.
type hold struct {
	bracket
	wait     uint32  // the wait that ended in taking it
	between  []touch // what the goroutine did since, each stack once
	repeated int64   // when it first did something that it did again later
	lost     bool    // too many of them to keep
	waited   int64   // the waiting in the lock's queue when it was taken
}

type touch struct {
	stack uint32
	at    int64 // last time
}

const (
	maxHolds   = 4  // locks taken inside one another
	maxBetween = 16 // different stacks inside one hold
)

type holderKey struct {
	unlock, acquire uint32
	class           wait.Class
}

type holder struct {
	Holder
	bracketed
	waiters tally                 // stacks of those it woke
	least   map[uint32]*blockedAt // what holders of unknown start waited at
}

// lockGroup is the locks that are waited for at one site: as close to one lock
// as a trace lets us come.
type lockGroup struct {
	lastAt int64 // of the last hand-over
	lastBy int64 // goroutine that handed over
	place  *place
	class  wait.Class
	handed *handed // nil until it is handed over for the first time
	same   uint32  // a group of the same lock whose queue counts for both; itself where there is none
	queue  queue
}

// queue adds up the waiting of all goroutines in a lock. What its holders are
// charged with is read off this sum: it lies before charged.
type queue struct {
	waiting int64 // goroutines
	last    int64 // offset until which it is added up
	sum     int64
	wanted  int64 // time in which anybody waited
	charged int64
}

// queueOf returns the queue of a lock group, added up until t.
func (f *fold) queueOf(i uint32, t int64) *queue {
	q := &f.locks[f.lockRoot(i)].queue
	if d := t - q.last; d > 0 {
		q.sum += d * q.waiting
		if q.waiting > 0 {
			q.wanted += d
		}
		q.last = t
	}
	return q
}

func (f *fold) lockRoot(i uint32) uint32 {
	for f.locks[i].same != i {
		f.locks[i].same = f.locks[f.locks[i].same].same
		i = f.locks[i].same
	}
	return i
}

// join makes one queue of two whose locks are one. What was waited in either so far
// is charged to nobody later on: a hold under way began at a sum of one of them.
func (f *fold) join(i, j uint32, t int64) {
	a, b := f.queueOf(i, t), f.queueOf(j, t)
	if a == b {
		return
	}
	a.waiting += b.waiting
	a.sum += b.sum
	a.wanted = min(t, a.wanted+b.wanted)
	a.charged = a.sum
	f.locks[f.lockRoot(j)].same = f.lockRoot(i)
}

// enqueue counts a goroutine that begins to wait for a lock.
func (f *fold) enqueue(g *goroutine, t int64) {
	if !f.counts(g) {
		return
	}
	g.queue = f.waits[g.wait].lockIdx + 1
	q := f.queueOf(g.queue-1, t)
	q.waiting++
	g.joined = q.sum
}

func (f *fold) unqueue(g *goroutine, t int64) {
	if g.queue != 0 {
		f.queueOf(g.queue-1, t).waiting--
		g.queue = 0
	}
}

// queuedBefore counts that a goroutine has waited since from, as is learnt at t only.
func (f *fold) queuedBefore(g *goroutine, from, t int64) {
	if g.queue != 0 && from < t {
		q := f.queueOf(g.queue-1, t)
		q.sum += t - from
		q.wanted = max(q.wanted, t-from)
	}
}

// charge returns the waiting for the lock that g waits for while its holder had it, and
// that no other holder is charged with. start is the sum at which the hold began.
func (f *fold) charge(g *goroutine, start, t int64) time.Duration {
	q := f.queueOf(g.queue-1, t)
	d := q.sum - max(q.charged, start)
	q.charged = q.sum
	return time.Duration(max(0, d))
}

// freed notes that an unlock woke a waiter of a lock group. Whom one line frees
// waited for one lock.
func (f *fold) freed(unlock, group uint32, t int64) {
	site := f.places.all[unlock].site
	first, ok := f.frees[site]
	if !ok {
		f.frees[site] = group
		return
	}
	f.join(first, group, t)
}

// listQueues returns the queues with the most waiting.
func (f *fold) listQueues() []Queue {
	at := map[uint32]int{}
	var out []Queue
	for i := range f.locks {
		root := f.lockRoot(uint32(i))
		k, ok := at[root]
		if !ok {
			q := f.queueOf(root, f.now)
			if q.sum == 0 {
				continue
			}
			k = len(out)
			at[root] = k
			out = append(out, Queue{Waited: time.Duration(q.sum), Wanted: time.Duration(q.wanted)})
		}
		if len(out[k].Sites) < MaxQueueSites {
			out[k].Sites = append(out[k].Sites, f.locks[i].place.site)
		}
	}
	sortStable(out, func(a, b Queue) bool { return a.Waited > b.Waited })
	return out[:min(len(out), MaxQueues)]
}

// handed remembers the hand-overs of a lock group around the longest wait that
// ended so far: the latest in a ring, from which they are copied when half of the
// ring has come after the longest wait.
type handed struct {
	ring    [MaxHanded]Handed
	count   int
	longest time.Duration
	at      int // count when the longest wait had ended
	kept    []Handed
}

func (h *handed) add(v Handed) {
	h.ring[h.count%MaxHanded] = v
	h.count++
	if d := v.To - v.Since; d > h.longest {
		h.longest, h.at = d, h.count
	}
	if h.count-h.at == MaxHanded/2 {
		h.keep()
	}
}

func (h *handed) keep() {
	h.kept = h.kept[:0]
	for i := max(0, h.count-MaxHanded); i < h.count; i++ {
		h.kept = append(h.kept, h.ring[i%MaxHanded])
	}
}

// maxHandedGroups bounds the lock groups whose hand-overs are remembered.
const maxHandedGroups = 256

// listMoments returns the moments of the locks with the longest waits.
func (f *fold) listMoments() []LockMoment {
	var out []LockMoment
	for i := range f.locks {
		g := &f.locks[i]
		h := g.handed
		if h == nil {
			continue
		}
		if h.count-h.at < MaxHanded/2 {
			h.keep()
		}
		out = append(out, LockMoment{Site: g.place.site, Class: g.class, Longest: h.longest, Handed: h.kept})
	}
	sortStable(out, func(a, b LockMoment) bool { return a.Longest > b.Longest })
	return out[:min(len(out), MaxMoments)]
}

func (f *fold) lockGroup(p *place) uint32 {
	id, ok := f.lockIDs[p.site.Function]
	if !ok {
		id = uint32(len(f.locks))
		f.lockIDs[p.site.Function] = id
		f.locks = push(&f.kept, f.locks, lockGroup{lastAt: -1, lastBy: -1, place: p, same: id})
	}
	return id
}

// acquire notes that a goroutine runs after a wait for a lock ended.
func (f *fold) acquire(g *goroutine, index uint32, t int64) {
	// Woken waiters compete with those who come by (internal/sync/mutex.go); one
	// that lost waits again at the same stack and never had the lock.
	for i := range g.holds {
		if g.holds[i].wait == index {
			g.holds = append(g.holds[:i], g.holds[i+1:]...)
			break
		}
	}
	waited := f.queueOf(f.waits[index].lockIdx, t).sum
	if len(g.holds) == maxHolds {
		copy(g.holds, g.holds[1:])
		g.holds = g.holds[:maxHolds-1]
	}
	n := len(g.holds)
	if n < cap(g.holds) {
		g.holds = g.holds[:n+1]
		h := &g.holds[n]
		blocked, between := h.blocked[:0], h.between[:0]
		*h = hold{bracket: g.bracket(t), wait: index, between: between, repeated: math.MaxInt64, waited: waited}
		h.blocked = blocked
		return
	}
	g.holds = push(&f.live, g.holds, hold{bracket: g.bracket(t), wait: index, repeated: math.MaxInt64, waited: waited})
}

// touch notes what a goroutine does while it may hold locks.
func (f *fold) touch(g *goroutine, st uint32) {
holds:
	for i := range g.holds {
		h := &g.holds[i]
		if h.lost {
			continue
		}
		for j := range h.between {
			if b := &h.between[j]; b.stack == st {
				h.repeated = min(h.repeated, b.at)
				b.at = f.now
				continue holds
			}
		}
		if len(h.between) >= maxBetween || st == 0 {
			h.lost = true
			continue
		}
		h.between = push(&f.live, h.between, touch{st, f.now})
	}
}

// handOver counts an unlock by a that wakes g, which waits at w.
func (f *fold) handOver(a, g *goroutine, w *waitSum, unlock uint32, t int64) {
	p := f.places.all[unlock]
	group := &f.locks[w.lockIdx]
	if p.unlock == noLock {
		f.touch(a, unlock)
		return
	}
	if (p.unlock == writeLock || w.lock == readLock) && f.sameUnlock(a.hand.stack, unlock) && a.hand.since == a.since && a.hand.holder != nil {
		// One Unlock wakes all readers that wait, wherever they do, and then the
		// next writer, each by an event of its own (sync/rwmutex.go).
		if f.counts(g) {
			a.hand.holder.Delay += time.Duration(t - g.since)
			a.hand.holder.waiters.add(f, w.stack)
			if g.queue != 0 {
				a.hand.holder.Waited += f.charge(g, g.joined, t)
				f.freed(unlock, w.lockIdx, t)
			}
		}
		group.lastAt, group.lastBy = t, a.id
		return
	}
	var found *hold
	at := -1
	for i := len(a.holds) - 1; i >= 0; i-- {
		h := &a.holds[i]
		hw := f.waits[h.wait]
		if hw.lock != p.unlock {
			continue
		}
		one, stale := f.oneCall(hw.stack, unlock, h)
		if one {
			hg := &f.locks[hw.lockIdx]
			stale = stale || h.lost || h.repeated < g.since || hg.lastAt > h.since && hg.lastBy != a.id
			if !stale {
				found = h
			}
			at = i
			break
		}
	}
	var acquire uint32
	if found != nil {
		acquire = f.waits[found.wait].stack
	}
	if at >= 0 {
		f.heldSince = a.holds[at].since
	}
	h := f.holderOf(holderKey{unlock, acquire, w.Class}, f.counts(g))
	if h == nil {
		return
	}
	h.Handoffs++
	h.Delay += time.Duration(t - g.since)
	h.waiters.add(f, w.stack)
	start := g.joined
	if at >= 0 && f.lockRoot(f.waits[a.holds[at].wait].lockIdx) == f.lockRoot(w.lockIdx) {
		start = a.holds[at].waited
		if found == nil {
			start = max(start, g.joined)
		}
	}
	over := Handed{Holder: a.id, To: time.Duration(t), Waiter: g.id, Since: time.Duration(g.since)}
	if found != nil {
		h.add(f, &found.bracket, a, t)
		over.From, over.Known = time.Duration(found.since), true
	} else {
		h.Unknown++
		least := t - max(g.since, group.lastAt)
		if at >= 0 {
			// Whenever this hold began, it was after the holder last came to have the
			// lock. Readers wait from when a writer asks, which may wait itself.
			least = min(least, t-a.holds[at].since)
		}
		h.Least += time.Duration(least)
		over.From = time.Duration(t - least)
		h.least = a.did(f, t-least, t, h.least)
	}
	if at >= 0 {
		last := a.holds[at]
		copy(a.holds[at:], a.holds[at+1:])
		a.holds[len(a.holds)-1] = last // its slices serve the next hold
		a.holds = a.holds[:len(a.holds)-1]
	}
	if g.queue != 0 {
		h.Waited += f.charge(g, start, t)
		f.freed(unlock, w.lockIdx, t)
	}
	f.touch(a, unlock)
	group.lastAt, group.lastBy = t, a.id
	a.hand.stack, a.hand.since, a.hand.holder = unlock, a.since, h
	if !f.counts(g) {
		a.hand.holder = nil
		return
	}
	if group.handed == nil && f.handedGroups < maxHandedGroups {
		f.handedGroups++
		group.handed, group.class = took(f, &handed{}), w.Class
	}
	if group.handed != nil {
		group.handed.add(over)
	}
}

// holderOf returns where to count a hand-over; nil when there are too many. What is
// out of focus is counted nowhere.
func (f *fold) holderOf(key holderKey, counts bool) *holder {
	h := f.holders[key]
	switch {
	case !counts:
		return &holder{}
	case h == nil && len(f.holders) >= maxHolders:
		return nil
	case h == nil:
		h = took(f, &holder{})
		h.Unlock, h.Acquire, h.Class = f.places.all[key.unlock].frames, f.places.all[key.acquire].frames, key.class
		f.holders[key] = h
	}
	return h
}

// sameUnlock reports whether two stacks may be of one call of Unlock: that of an
// RWMutex wakes the readers itself and the next writer by the Mutex inside it.
func (f *fold) sameUnlock(a, b uint32) bool {
	p, q := f.places.all[a], f.places.all[b]
	return a == b || p.unlock == writeLock && q.unlock == writeLock && p.site == q.site
}

// oneCall reports whether a lock taken at acquire and one released at unlock
// may be the same hold: both inside one call of a function they share. stale
// says that the goroutine left that call in between.
func (f *fold) oneCall(acquire, unlock uint32, h *hold) (one, stale bool) {
	a, u := f.places.all[acquire], f.places.all[unlock]
	depth := 0
	for depth < len(a.fns) && depth < len(u.fns) {
		i, j := len(a.fns)-1-depth, len(u.fns)-1-depth
		if a.fns[i] != u.fns[j] {
			break
		}
		depth++
		if a.frames[i].Line != u.frames[j].Line {
			break
		}
	}
	if depth == 0 {
		return false, false
	}
	// The shared call must be of code, not of the runtime's start of it.
	shared := a.frames[len(a.frames)-depth]
	if f.places.info(shared.Function).plumbing {
		return false, false
	}
	for _, b := range h.between {
		st := b.stack
		key := [3]uint32{acquire, unlock, st}
		ok, known := f.fits[key]
		if !known {
			ok = f.inside(a, u, f.places.all[st], depth)
			if len(f.fits) < maxFits {
				f.fits[key] = ok
			}
		}
		if !ok {
			return true, true
		}
	}
	return true, false
}

const maxFits = 1 << 16

// inside reports whether a stack lies in the call that a and u share at depth
// frames from the root, between their lines.
func (f *fold) inside(a, u, s *place, depth int) bool {
	if len(s.fns) < depth {
		return false
	}
	for d := range depth {
		i, j := len(a.fns)-1-d, len(s.fns)-1-d
		if a.fns[i] != s.fns[j] {
			return false
		}
		if d < depth-1 && a.frames[i].Line != s.frames[j].Line {
			return false
		}
	}
	from := a.frames[len(a.frames)-depth].Line
	to := u.frames[len(u.frames)-depth].Line
	line := s.frames[len(s.frames)-depth].Line
	if from <= to {
		return from <= line && line <= to
	}
	return line >= from || line <= to // around a loop
}
