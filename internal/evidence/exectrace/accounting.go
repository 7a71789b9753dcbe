package exectrace

import (
	"math/bits"
	"slices"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// accounting adds up the account of a trace. Everything a goroutine does is a stretch of time that ends at an event. A stretch of
// running, sleeping or calling is what it is. A wait that another goroutine ends is charged to what that one did within it, and
// because its own waits were resolved when they ended, that is found in its history: nothing is resolved twice, and nothing
// is searched for. A wait for a processor is charged in the same way to what the processor that took it up did meanwhile.
//
// There are far too many short waits to look at each. Of those at one place as many are looked at as make up a small share of the time
// there, so that long ones always are, and each stands for the time of those since the one before. Others who come across a wait that was
// not looked at find the place, which is replaced by its mix in the end. So sums are exact, whatever is looked at.
//
// Operations have numbers, and goroutines carry that of the operation they work for: it is born at a wake-up from outside,
// and handed on with work. What is done under another number is done for others: queueing.
type accounting struct {
	sites   []stack.Site
	siteID  map[stack.Site]uint32
	leaves  []leaf
	leafID  map[leafKey]uint32
	roots   []root
	rootID  map[root]uint32
	parts   map[partKey]*partSum
	usuals  []usual
	usualID map[[2]uint32]uint32 // by group and root
	recent  [512]struct {
		key partKey
		sum *partSum
	}
	ops      uint32 // the latest number of an operation
	batches  uint32
	pieces   []piece // of the stretch that ends now
	other    []piece
	gathered [maxPieces]piece
	stops    [stopsKept]stop // the latest, in a ring
	nextStop int
	stopped  int64 // when the latest stop ended

	// Of the event that is folded: the stack of a run that ends or of a wake-up, who wakes, and the P that is taken.
	stack uint32
	by    *goroutine
	proc  uint16

	ending bool // the trace ends: what is open is unended, not lost

	idleHost, idleStopped int64 // of the time of idle Ps
	capacity              int64 // GOMAXPROCS times time, up to capacityAt
	capacityAt            int64
	samples               map[uint64]int64 // CPU samples by leaf, of the run that they fell in, and site
	paths                 map[pathKey]*pathSum
}

// leaf is a way to spend time: at a site, by the goroutines of a group.
type leaf struct {
	leafKey
	self partSum // of the group's own operations, at work itself
	proc int64   // time of processors
	run  uint32  // plus one, the same at any site: what a processor did; 0 when not known yet
	wait uint32  // the leaf of those who wait for a processor that does this, 0 when not known yet
}

type leafKey struct {
	kind   kindID
	site   uint32
	by     uint32 // group
	reason uint32 // of kindStopped
}

// kindID numbers the kinds of parts.
type kindID uint8

const (
	kindUnknown kindID = iota
	kindRunning
	kindProcessor
	kindCollector
	kindStopped
	kindCall
	kindSleep
	kindPeer
	kindOutside
	kindHost
	kindUnseen
	kindUnended
	kindScheduler
	kindRest
	kindUsual // a wait that was not looked at; the site is the number of the usual
)

var kinds = [...]PartKind{PartUnknown, PartRunning, PartProcessor, PartCollector, PartStopped, PartCall, PartSleep, PartPeer, PartOutside, PartHost, PartUnseen, PartUnended, PartScheduler, PartRest, PartUnknown}

// The leaves that are always there.
const (
	leafUnknown uint32 = iota
	leafFree           // a wait for a processor that was free, or of which that is not known
	leafHost
	leafRest // small parts of waits of many parts
	fixedLeaves
)

// root is what an operation itself waits for.
type root struct {
	site  uint32
	class wait.Class
}

// usual is what the waits of a group at one root, or for a processor, are usually for.
type usual struct {
	group, root, leaf uint32
	n                 uint8
	off               bool  // mostly for somebody who did nothing himself
	peer              bool  // mostly for the network
	in                bool  // the latest that was looked at was a part of an operation
	skipped           bool  // some were not looked at
	total, since      int64 // time of all, and of those since one was looked at last
	pending           int64 // of those since then, what is part of operations
	mix               [maxPieces]mixed
	wall              cover
}

type mixed struct {
	leaf   uint32
	queued bool
	time   float64
}

// looks is the share of the time at one place that waits make up which are looked at one by one.
const looks = 512

// take counts a wait and reports whether to look at it.
func (u *usual) take(d int64) bool {
	u.total += d
	u.since += d
	return u.since*looks >= u.total
}

// saw adds the pieces of a wait that was looked at, which stands for those since the last.
func (u *usual) saw(f *fold, own uint32, d int64) {
	weight := float64(u.since) / float64(max(d, 1))
	u.since = 0
	off, peer := 0.0, 0.0
pieces:
	for i := range f.account.pieces {
		p := &f.account.pieces[i]
		v := float64(p.to-p.from) * weight
		q := f.queued(p, own)
		if f.offDuty(p.leaf) {
			off += v
		}
		if f.isPeer(p.leaf) {
			peer += v
		}
		small := 0
		for k := range u.mix[:u.n] {
			m := &u.mix[k]
			if m.leaf == p.leaf && m.queued == q {
				m.time += v
				continue pieces
			}
			if m.time < u.mix[small].time {
				small = k
			}
		}
		if int(u.n) < len(u.mix) {
			u.mix[u.n] = mixed{p.leaf, q, v}
			u.n++
		} else if m := &u.mix[small]; m.time < v { // it is rare, or the mix has changed
			*m = mixed{p.leaf, q, v}
		}
	}
	u.off, u.peer = off*2 >= float64(d)*weight, peer*2 >= float64(d)*weight
}

// usualOf returns what a group's waits at a root are usually for.
func (f *fold) usualOf(group, root uint32) uint32 {
	a := &f.account
	key := [2]uint32{group, root}
	id, ok := a.usualID[key]
	if !ok {
		if len(a.usuals) >= maxUsuals {
			return 0
		}
		id = uint32(len(a.usuals))
		a.usuals = push(&f.kept, a.usuals, usual{group: group, root: root, leaf: f.leafFor(leafKey{kind: kindUsual, site: id})})
		a.usualID[key] = id
		f.kept += 8 + 4 + bound.PerEntry
	}
	return id
}

const maxUsuals = 1 << 14 // the rest is one

// noOp is the operation of what a goroutine does between operations.
const noOp = ^uint32(0)

type partKey struct {
	group, leaf, root uint32
	queued            bool
}

type partSum struct {
	time int64
	wall cover
}

// piece is a part of a stretch that is being resolved. Pieces are put together from the latest back.
type piece struct {
	from, to int64
	leaf, op uint32
	st       uint32 // of the waker
	lock     bool   // within it the waker waited for a lock itself
}

// stop is a time in which nobody ran but one, or really nobody.
type stop struct {
	from, to int64
	leaf     uint32
	by       int64 // who ran
	all      bool  // who seemed to run did not
}

const (
	stopsKept = 16
	maxLeaves = 1 << 15 // the rest is unknown
	maxSums   = 1 << 15 // the rest goes to the unknown part of its group
	maxHops   = 8       // from goroutines to their creators, in one wait
	maxPieces = 5       // of one wait that are told apart
)

// deeds is what the account keeps of a goroutine.
type deeds struct {
	history
	from   int64  // until when its time is accounted for
	ran    int64  // when it got its P
	op     uint32 // the operation it works for
	handed bool   // that was handed to it, and it has not answered yet
	label  uint32 // stack of a wake-up in the run that is under way, 0 when there was none
	parent int64  // who created it, -1 for nobody that is known
	of     uint32 // the group of that
	proc   uint16 // on which it runs, plus one
	begun  int64  // the operation under way, -1 when none
	// What it made for others, it made one after the other: from served on it worked for the one it wakes now.
	served, round int64
	handler       uint32    // place that names the handler of the request it is in
	struck        [2]uint32 // where CPU samples found it in the run that is under way
	strikes       uint8
}

// nature says what a wait is to the operation of who waits.
type nature uint8

const (
	inside   nature = iota // a part of the operation
	idle                   // between operations
	known                  // between operations, as it is designed
	weak                   // between operations, unless who ends it works for the same operation or was busy itself
	answer                 // for a client's answer, or for what a peer makes
	slotWait               // until somebody gives one of a fixed number of slots back
	work                   // until somebody takes over work
	result                 // for the end of what others do for it
	lockWait
	collecting
	none // of the runtime itself
)

func (a *accounting) init() {
	a.siteID, a.leafID, a.rootID = map[stack.Site]uint32{{}: 0}, map[leafKey]uint32{}, map[root]uint32{{}: 0}
	a.usuals, a.usualID = make([]usual, 1), map[[2]uint32]uint32{}
	a.sites, a.roots = make([]stack.Site, 1), make([]root, 1)
	a.leaves = make([]leaf, fixedLeaves)
	for i, k := range []kindID{kindUnknown, kindProcessor, kindHost, kindRest} {
		a.leaves[i].kind = k
		a.leafID[a.leaves[i].leafKey] = uint32(i)
	}
	a.reset()
}

// reset forgets what was counted and keeps the names.
func (a *accounting) reset() {
	a.parts = map[partKey]*partSum{}
	a.samples = map[uint64]int64{}
	a.paths = map[pathKey]*pathSum{}
	clear(a.recent[:])
	for i := range a.leaves {
		a.leaves[i].self, a.leaves[i].proc = partSum{}, 0
	}
	for i := range a.usuals {
		u := &a.usuals[i]
		*u = usual{group: u.group, root: u.root, leaf: u.leaf}
	}
	a.idleHost, a.idleStopped, a.capacity, a.capacityAt = 0, 0, 0, 0
	a.stops, a.stopped = [stopsKept]stop{}, 0
}

func (f *fold) siteNumber(s stack.Site) uint32 {
	a := &f.account
	id, ok := a.siteID[s]
	if !ok {
		if len(a.sites) >= maxLeaves {
			return 0
		}
		id = uint32(len(a.sites))
		a.sites = append(a.sites, s)
		a.siteID[s] = id
		f.kept += 2*int64(unsafe.Sizeof(s)) + bound.PerEntry
	}
	return id
}

// owner returns the number of the site that a stack has in the account: code of the application where there is any.
func (f *fold) owner(st uint32) uint32 {
	p := f.places.all[st]
	if p.owner == 0 {
		site := p.frames.Owner()
		p.owner = f.siteNumber(site) + 1
		p.applied = site.Function != "" && !stack.Standard(site.Function)
	}
	return p.owner - 1
}

// leafOf returns how a goroutine of a group spends time at a stack. Without a stack it is known by where its goroutine started.
func (f *fold) leafOf(kind kindID, st, group uint32) uint32 {
	p := f.places.all[st]
	for i := range p.leaves {
		if l := &p.leaves[i]; l.kind == kind && l.group == group {
			return l.leaf
		}
	}
	site := uint32(0)
	if st != 0 {
		site = f.owner(st)
	} else if group != 0 {
		site = f.siteNumber(f.groups[group].Start)
	}
	id := f.leafFor(leafKey{kind: kind, site: site, by: group})
	if len(p.leaves) < maxTally {
		p.leaves = push(&f.kept, p.leaves, leafAt{kind, group, id})
	}
	return id
}

func (f *fold) leafFor(k leafKey) uint32 {
	a := &f.account
	id, ok := a.leafID[k]
	if !ok {
		if len(a.leaves) >= maxLeaves {
			return leafUnknown
		}
		id = uint32(len(a.leaves))
		a.leaves = push(&f.kept, a.leaves, leaf{leafKey: k})
		a.leafID[k] = id
		f.kept += int64(unsafe.Sizeof(k)) + 4 + bound.PerEntry
	}
	return id
}

// behind returns the leaf of who waits for a processor while that does what l says.
func (f *fold) behind(l uint32) uint32 {
	a := &f.account
	if a.leaves[l].wait == 0 {
		k := a.leaves[l].leafKey
		if k.kind == kindProcessor || k.kind == kindHost || k.kind == kindStopped {
			a.leaves[l].wait = l
		} else {
			k.kind = kindProcessor
			id := f.leafFor(k)
			a.leaves[l].wait = id
		}
	}
	return a.leaves[l].wait
}

func (f *fold) rootOf(w *waitSum) uint32 {
	if w.root == 0 {
		k := root{f.owner(w.stack), w.Class}
		id, ok := f.account.rootID[k]
		if !ok {
			id = uint32(len(f.account.roots))
			f.account.roots = append(f.account.roots, k)
			f.account.rootID[k] = id
			f.kept += 2*int64(unsafe.Sizeof(k)) + bound.PerEntry
		}
		w.root = id
	}
	return w.root
}

// natureOf tells what waiting at a stack means; see [Operation].
func natureOf(class wait.Class, p *place) nature {
	switch class {
	case wait.System, wait.Preempted:
		return none
	case wait.Assist:
		return collecting
	}
	if p.records {
		return known
	}
	switch class {
	case wait.ChanSend:
		if wait.ForSlot(class, p.frames) {
			return slotWait
		}
		return work
	case wait.WaitGroup:
		return result
	case wait.Sync:
		if wait.ForSlot(class, p.frames) {
			return slotWait
		}
		return result
	case wait.Syscall:
		return inside
	case wait.Sleep:
		if wait.InRequest(p.frames) {
			return inside
		}
		return idle
	}
	switch {
	case class.IsLock():
		return lockWait
	case wait.Idle(class, p.frames):
		return known
	case wait.ForSlot(class, p.frames):
		return slotWait
	case wait.InRequest(p.frames), wait.ForAnswer(p.frames):
		return answer
	case class == wait.Network:
		if p.frames.Contains("internal/poll.(*FD).Write", "internal/poll.(*FD).Writev", "internal/poll.(*FD).WaitWrite") {
			return answer // the peer is slow to take it
		}
		return idle
	}
	return weak
}

// add counts time of an operation of a group, which lies between two moments.
func (f *fold) add(group, lf, rt uint32, queued bool, d, from, to int64) {
	var s *partSum
	if rt == 0 && !queued && f.account.leaves[lf].by == group {
		s = &f.account.leaves[lf].self
	} else {
		s = f.partOf(partKey{group, lf, rt, queued})
	}
	s.time += d
	s.wall.add(from, to)
}

func (f *fold) partOf(k partKey) *partSum {
	a := &f.account
	h := (k.group*0x9e3779b1 ^ k.leaf*0x85ebca6b ^ k.root*0xc2b2ae35)
	if k.queued {
		h ^= 0x27d4eb2f
	}
	c := &a.recent[h>>(32-9)]
	if c.sum != nil && c.key == k {
		return c.sum
	}
	s := a.parts[k]
	if s == nil {
		if len(a.parts) >= maxSums {
			k = partKey{group: k.group}
			s = a.parts[k]
		}
		if s == nil {
			s = took(f, &partSum{})
			a.parts[k] = s
		}
	}
	c.key, c.sum = k, s
	return s
}

// cover is the time that is covered by at least one of many stretches, which come about in the order of their ends. Where more lie
// apart than it keeps it may count some twice, never too little.
type cover struct {
	sum   int64 // of spans no longer kept
	n     uint8
	spans [4]span // apart, in order
}

type span struct{ from, to int64 }

func (c *cover) add(from, to int64) {
	n := int(c.n)
	if n > 0 && from <= c.spans[n-1].to { // touches the latest, or lies before its end
		l := &c.spans[n-1]
		if from >= l.from {
			l.to = max(l.to, to)
			return
		}
		// Take in all that it touches.
		i := n
		for i > 0 && c.spans[i-1].to >= from {
			i--
		}
		j := i
		for j < n && c.spans[j].from <= to {
			from, to = min(from, c.spans[j].from), max(to, c.spans[j].to)
			j++
		}
		if j > i {
			c.spans[i] = span{from, to}
			copy(c.spans[i+1:], c.spans[j:n])
			c.n = uint8(n - (j - i) + 1)
			return
		}
		c.insert(i, span{from, to})
		return
	}
	c.insert(n, span{from, to})
}

func (c *cover) insert(i int, s span) {
	if int(c.n) == len(c.spans) {
		if i == 0 {
			c.sum += s.to - s.from
			return
		}
		c.sum += c.spans[0].to - c.spans[0].from
		copy(c.spans[:], c.spans[1:i])
		c.spans[i-1] = s
		return
	}
	copy(c.spans[i+1:], c.spans[i:c.n])
	c.spans[i] = s
	c.n++
}

func (c *cover) total() int64 {
	sum := c.sum
	for _, s := range c.spans[:c.n] {
		sum += s.to - s.from
	}
	return sum
}

func (f *fold) newOp() uint32 {
	if f.account.ops++; f.account.ops == noOp {
		f.account.ops = 1
	}
	return f.account.ops
}

// spend accounts for what a goroutine spent in the state that it leaves at t. st is the stack at which a run ends, or from which
// by ends a wait; proc is the P that takes up what waits for one.
func (f *fold) spend(g *goroutine, t int64, cut bool) {
	d := &g.deeds
	a := &f.account
	st, by, proc := a.stack, a.by, a.proc
	a.stack, a.by, a.proc = 0, nil, 0
	from := d.from
	switch g.state {
	case running:
		f.procs.did(f, g, t, f.ran(g, t, st))
	case runnable:
		if !g.system && from < t {
			f.waited(g, t, proc)
		}
	case inSyscall:
		if !g.system && from < t {
			w := f.waits[g.wait]
			lf := f.leafOf(kindCall, w.stack, g.group)
			// A call over more than half of all is one that waits for input, or for the end of the program.
			counts := f.counts(g) && !(g.before && cut) && !((t-from)*2 > t-f.epoch && t-from > longCall)
			if counts {
				f.groups[g.group].does.active += t - from
			}
			f.alone(g, stretch{end: t, leaf: lf, op: d.op, st: w.stack}, from, counts)
		}
	case waiting:
		if !g.system && from < t {
			f.resolve(g, t, cut, st, by)
		}
	}
	d.from = t
}

const longCall = int64(1e9)

// alone counts a call, or a wait that no goroutine ended. What ends when a stop of the world does, or not long after that, could have ended
// before: until then there was nobody to end it.
func (f *fold) alone(g *goroutine, s stretch, from int64, counts bool) {
	a := &f.account
	if a.stopped > from && a.stopped < s.end {
		if x := &a.stops[(a.nextStop-1)&(stopsKept-1)]; s.end-x.to < x.to-x.from {
			before, late := s, s
			before.end, late.end = max(from, x.from), x.to
			late.leaf, late.op = x.leaf, 0
			if before.end > from {
				f.alonePart(g, before, from, counts)
			}
			f.alonePart(g, late, before.end, counts)
			from = x.to
		}
	}
	f.alonePart(g, s, from, counts)
}

func (f *fold) alonePart(g *goroutine, s stretch, from int64, counts bool) {
	if s.root != 0 || s.end-from > nextUp {
		f.keep(g, s)
	}
	if counts {
		f.add(g.group, s.leaf, s.root, false, s.end-from, from, s.end)
	}
}

// ran accounts for a run up to t, which is known by where it is then, and returns what it is.
func (f *fold) ran(g *goroutine, t int64, st uint32) (lf uint32) {
	a, d := &f.account, &g.deeds
	from := d.from
	kind := kindRunning
	switch {
	case g.assist >= 0 || g.label != noWork:
		kind = kindCollector
	case g.system:
		kind = kindScheduler
		if collects(f.groups[g.group].Start.Function) {
			kind = kindCollector
		}
	}
	if d.label != 0 {
		if !f.applied(st) || f.applied(d.label) {
			st = d.label
		}
		d.label = 0
	}
	lf = f.leafOf(kind, st, g.group)
	if d.strikes > 0 {
		f.strike(g, lf)
	}
	if t <= from {
		return lf
	}
	d.from = t
	if p := f.places.all[st]; p.request {
		f.groups[g.group].does.requests++
		if p.handles {
			d.handler = st
		}
	}
	if !g.system && f.counts(g) {
		f.groups[g.group].does.active += t - from
	}
	if a.stopped <= from && !f.stw.active {
		a.leaves[lf].proc += t - from
		if !g.system {
			f.self(g, stretch{end: t, leaf: lf, op: d.op, st: st}, from)
		}
		return lf
	}
	a.pieces = append(a.pieces[:0], piece{from: from, to: t, leaf: lf, op: d.op, st: st})
	f.overlay(t, g.id)
	for i := len(a.pieces) - 1; i >= 0; i-- {
		p := &a.pieces[i]
		a.leaves[p.leaf].proc += p.to - p.from
		if !g.system {
			f.self(g, stretch{end: p.to, leaf: p.leaf, op: p.op, st: st}, p.from)
		}
	}
	return lf
}

// applied reports whether a stack is in code of the application.
func (f *fold) applied(st uint32) bool {
	f.owner(st)
	return f.places.all[st].applied
}

func collects(fn string) bool {
	switch fn {
	case "runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge":
		return true
	}
	return false
}

// self counts what a goroutine does without waiting for others.
func (f *fold) self(g *goroutine, s stretch, from int64) {
	f.keep(g, s)
	if f.counts(g) {
		f.add(g.group, s.leaf, 0, false, s.end-from, from, s.end)
	}
}

func (f *fold) keep(g *goroutine, s stretch) { g.deeds.push(f, &s, g.deeds.op) }

// waited accounts for a wait for a processor that ends at t.
func (f *fold) waited(g *goroutine, t int64, proc uint16) {
	a, d := &f.account, &g.deeds
	p := f.procs.get(int(proc) - 1)
	from := d.from
	stopped := a.stopped > from || f.stw.active
	counts := f.counts(g)
	if counts {
		f.groups[g.group].does.active += t - from
	}
	if (p == nil || p.past.until() <= from) && !stopped {
		if t-from > nextUp { // what is shorter counts as a part of the run, to others
			f.keep(g, stretch{end: t, leaf: leafFree})
		}
		if counts {
			f.add(g.group, leafFree, 0, false, t-from, from, t)
		}
		return
	}
	gr := f.groups[g.group]
	if gr.usual == 0 {
		gr.usual = f.usualOf(g.group, 0)
	}
	u := &a.usuals[gr.usual]
	if counts {
		u.wall.add(from, t)
	}
	if look := u.take(t - from); !look && !stopped {
		f.skip(g, u, 0, 0, false, counts, t)
		return
	}
	a.pieces = a.pieces[:0]
	at := t
	if p != nil {
		if end := p.past.until(); end < at {
			a.pieces = append(a.pieces, piece{from: max(from, end), to: at, leaf: leafFree})
			at = end
		}
		if at > from {
			f.look(&p.past, from, at)
		}
		for i := range a.pieces {
			if x := &a.pieces[i]; x.leaf == leafUnknown || x.leaf == leafRest {
				x.leaf = leafFree
			} else {
				x.leaf = f.behind(x.leaf)
			}
		}
	} else {
		a.pieces = append(a.pieces, piece{from: from, to: t, leaf: leafFree})
	}
	if stopped {
		f.overlay(t, -1)
	}
	f.settle(g, u, 0, 0, false, counts, !stopped)
}

// skip notes a wait that is not looked at.
func (f *fold) skip(g *goroutine, u *usual, rt, st uint32, lock, in bool, t int64) {
	s := stretch{end: t, leaf: u.leaf, op: g.deeds.op, root: rt, st: st}
	if lock {
		s.batch = 1
	}
	f.keep(g, s)
	u.skipped = true
	if in {
		u.pending += t - g.deeds.from
	}
}

// look adds what a history says of the time between from and to, from the latest back; what it does not reach is unknown.
func (f *fold) look(h *history, from, to int64) {
	a := &f.account
	end := h.each(from, to, func(lo, hi int64, s *stretch) bool {
		a.pieces = append(a.pieces, piece{lo, hi, s.leaf, s.op, s.st, s.batch&1 != 0})
		return true
	})
	if end > from {
		a.pieces = append(a.pieces, piece{from: from, to: end, leaf: leafUnknown})
	}
}

// scale returns n times part by whole, of which it is a part, rounded to the nearest.
func scale(n, part, whole int64) int64 {
	if whole <= 0 || part >= whole {
		return n
	}
	return times(n, part, whole)
}

// times returns n times a by b, rounded to the nearest; n is at most b.
func times(n, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(part))
	lo, carry := bits.Add64(lo, uint64(whole/2), 0)
	q, _ := bits.Div64(hi+carry, lo, uint64(whole))
	return int64(q)
}

// overlay puts the latest stops of the world over the pieces: of a goroutine that ran, those that it made itself.
func (f *fold) overlay(t, by int64) {
	a := &f.account
	f.cutBy(f.stw.active, f.stw.begin, t, by < 0 || by == f.stw.g, func() uint32 { return f.stopLeaf(f.stw.begin, t) })
	for i := 1; i <= stopsKept; i++ {
		s := &a.stops[(a.nextStop-i)&(stopsKept-1)]
		f.cutBy(s.to > 0, s.from, s.to, by < 0 || by == s.by || s.all, func() uint32 { return s.leaf })
	}
}

func (f *fold) cutBy(is bool, from, to int64, concerned bool, lf func() uint32) {
	a := &f.account
	n := len(a.pieces)
	if !is || !concerned || to <= from || n == 0 || to <= a.pieces[n-1].from || from >= a.pieces[0].to {
		return
	}
	id := lf()
	a.other = a.other[:0]
	for _, p := range a.pieces {
		lo, hi := max(p.from, from), min(p.to, to)
		if lo >= hi {
			a.other = append(a.other, p)
			continue
		}
		if hi < p.to {
			a.other = append(a.other, piece{hi, p.to, p.leaf, p.op, p.st, p.lock})
		}
		a.other = append(a.other, piece{lo, hi, id, 0, p.st, p.lock})
		if p.from < lo {
			a.other = append(a.other, piece{p.from, lo, p.leaf, p.op, p.st, p.lock})
		}
	}
	a.pieces, a.other = a.other, a.pieces
}

// stopLeaf returns whose stop of the world is under way: who asked for it, or once it has taken the most of the time, who did not stop.
func (f *fold) stopLeaf(from, to int64) uint32 {
	id, st := f.stw.g, f.stw.stack
	if f.stw.ran && (f.stw.stopped-from)*2 > to-from && f.stw.last.Goroutine > 0 && f.stw.stackOf != 0 {
		id, st = f.stw.last.Goroutine, f.stw.stackOf
	}
	g := f.goroutines.find(id)
	by := uint32(0)
	if g != nil {
		by = g.group
	}
	return f.leafFor(leafKey{kind: kindStopped, site: f.owner(st), by: by, reason: f.stw.reason})
}

// stoppedWorld keeps a stop that has ended.
func (f *fold) stoppedWorld(from, to int64) {
	a := &f.account
	if to <= from {
		return
	}
	a.stops[a.nextStop] = stop{from: from, to: to, leaf: f.stopLeaf(from, to), by: f.stw.g}
	a.nextStop = (a.nextStop + 1) & (stopsKept - 1)
	a.stopped = max(a.stopped, to)
	for _, p := range f.procs.all {
		if p.state == procIdle {
			a.idleStopped += max(0, to-max(p.since, from))
		}
	}
}

// resolve accounts for a wait that ends at t.
func (f *fold) resolve(g *goroutine, t int64, cut bool, st uint32, by *goroutine) {
	a, d := &f.account, &g.deeds
	w := f.waits[g.wait]
	rt := f.rootOf(w)
	n := w.nature
	if by != nil && w.Class == wait.Network && f.places.all[st].polls {
		by = nil
	}
	switch marked := len(g.regions) > 0; {
	case n == idle && (marked || d.handed):
		n = inside
	case n == weak && marked:
		n = answer
	}
	from := d.from
	lf := leafUnknown
	switch {
	case cut && a.ending:
		lf = f.leafOf(kindUnended, w.stack, g.group)
	case cut:
	case w.Class == wait.Preempted:
		lf = leafFree
	case n == collecting || n == none:
		lf = f.leafOf(kindCollector, w.stack, g.group)
	case w.Class == wait.Sleep:
		lf = f.leafOf(kindSleep, w.stack, g.group)
	case by == nil && w.Class == wait.Network:
		lf = f.leafOf(kindPeer, w.stack, g.group)
	case by == nil && (n == lockWait || n == result || n == slotWait):
		lf = f.leafOf(kindUnseen, w.stack, 0)
	case by == nil:
		lf = f.leafOf(kindOutside, w.stack, g.group)
	}
	gr := f.groups[g.group]
	var u *usual
	look := true
	if by != nil && lf == leafUnknown {
		if by.deeds.op == 0 {
			by.deeds.op = f.newOp()
		}
		by.deeds.woke, by.deeds.label = true, st
		if n != lockWait && n != slotWait {
			by.deeds.handed = false
		}
		if by.deeds.of == g.group && by.deeds.parent >= 0 {
			f.groups[by.group].does.awaited++
		}
		u = &a.usuals[f.usualAt(w, g.group, rt)]
		if look = u.take(t - from); look {
			f.cascade(g, t, st, by, w, n)
		} else if n == weak || n == answer {
			f.turns(g, t, st, by)
		}
	} else {
		a.pieces = append(a.pieces[:0], piece{from: from, to: t, leaf: lf, op: d.op})
	}
	if n == work && by != nil { // who takes it over works for this operation now
		by.deeds.op, by.deeds.handed, d.handed = d.op, true, false
	}
	in := true
	switch n {
	case idle, known:
		in = false
	case weak:
		in = u != nil && (by.deeds.op == d.op && d.op != 0 || (look && f.busy() || !look && u.in))
	}
	if !cut {
		gr.does.count(in, by == nil && n != known && n != inside)
	}
	if f.places.all[w.stack].request {
		gr.does.requests++
	}
	lock := n == lockWait || n == slotWait
	counts := in && f.counts(g)
	if counts {
		gr.does.active += t - from
	}
	if !in {
		f.endOp(g, from)
	}
	switch {
	case u == nil:
		op := d.op
		if !in && w.Class == wait.Network {
			op = noOp
		}
		f.alone(g, stretch{end: t, leaf: lf, op: op, root: rt, st: w.stack}, from, counts)
	case look:
		u.in = in
		if counts {
			u.wall.add(from, t)
		}
		f.settle(g, u, rt, w.stack, lock, counts, true)
	default:
		if counts {
			u.wall.add(from, t)
		}
		f.skip(g, u, rt, w.stack, lock, counts, t)
	}
	if in || cut {
		return
	}
	if by != nil {
		d.op, d.handed = by.deeds.op, n == weak && !f.places.all[st].closes
	} else {
		d.op, d.handed = f.newOp(), false
	}
	f.beginOp(g, t)
}

// usualAt is usualOf for a wait, remembered with it.
func (f *fold) usualAt(w *waitSum, group, rt uint32) uint32 {
	if w.usual == 0 || w.usualFor != group {
		w.usual, w.usualFor = f.usualOf(group, rt), group
	}
	return w.usual
}

// busy reports whether whom a goroutine waited for was at work for most of it.
func (f *fold) busy() bool {
	var off, all int64
	for i := range f.account.pieces {
		p := &f.account.pieces[i]
		all += p.to - p.from
		if f.offDuty(p.leaf) {
			off += p.to - p.from
		}
	}
	return off*2 < all
}

// offDuty reports whether a leaf is of somebody who has nothing to do, as far as is known.
func (f *fold) offDuty(lf uint32) bool {
	l := &f.account.leaves[lf]
	switch l.kind {
	case kindSleep, kindOutside, kindPeer, kindUnknown, kindUnended:
		return true
	case kindUsual:
		return f.account.usuals[l.site].off
	}
	return false
}

// isPeer reports whether a leaf is of a wait for the network, as far as is known.
func (f *fold) isPeer(lf uint32) bool {
	l := &f.account.leaves[lf]
	return l.kind == kindPeer || l.kind == kindUsual && f.account.usuals[l.site].peer
}

// cascade charges a wait of g to what by, who ends it at t, did within it.
func (f *fold) cascade(g *goroutine, t int64, st uint32, by *goroutine, w *waitSum, n nature) {
	a, d := &f.account, &g.deeds
	from := d.from
	a.pieces = a.pieces[:0]
	end := t
	if by.state == running && by.deeds.from < t {
		kind := kindRunning
		if by.assist >= 0 {
			kind = kindCollector
		}
		end = max(from, by.deeds.from)
		a.pieces = append(a.pieces, piece{from: end, to: t, leaf: f.leafOf(kind, st, by.group), op: by.deeds.op, st: st})
		if a.stopped > end || f.stw.active {
			f.overlay(t, by.id)
		}
	}
	h, who := &by.deeds.history, by
	for hop := 0; end > from; hop++ {
		begin := from
		if h.n == 0 || h.until() < end {
			// In a call, or not known: what it does now has not ended.
			lf := leafUnknown
			if who.state == inSyscall {
				lf = f.leafOf(kindCall, f.waits[who.wait].stack, who.group)
			}
			lo := max(from, h.until())
			a.pieces = append(a.pieces, piece{from: lo, to: end, leaf: lf, op: who.deeds.op})
			if end = lo; end <= from {
				break
			}
		}
		born := who.born >= 0 && who.born == h.from
		if born && h.from > from {
			begin = h.from
		}
		f.look(h, begin, end)
		if begin == from {
			break
		}
		// Before it was born its creator is what one waited for.
		end = begin
		creator := f.goroutines.find(who.deeds.parent)
		if who.deeds.parent < 0 {
			a.pieces = append(a.pieces, piece{from: from, to: end, leaf: f.leafOf(kindOutside, 0, who.group), op: d.op})
			break
		}
		if creator == nil || hop == maxHops {
			a.pieces = append(a.pieces, piece{from: from, to: end, leaf: leafUnknown})
			break
		}
		who, h = creator, &creator.deeds.history
	}
	f.whose(g, t, st, by, w, n)
	if n == lockWait || n == slotWait {
		f.before(a.usuals[w.usual].leaf)
	}
}

// before replaces, of what the holder of a lock or slot did while another waited for it, what it did before it waited for the same itself:
// somebody else had it then, of which those waits tell.
func (f *fold) before(usual uint32) {
	a := &f.account
	for i := range a.pieces {
		if a.pieces[i].leaf == usual {
			for k := range a.pieces[i:] {
				a.pieces[i+k].leaf, a.pieces[i+k].op = usual, 0
			}
			return
		}
	}
}

// whose says which of the pieces of a wait that by ended are the service of the operation that waits, and which are not.
func (f *fold) whose(g *goroutine, t int64, st uint32, by *goroutine, w *waitSum, n nature) {
	a, d, b := &f.account, &g.deeds, &by.deeds
	switch n {
	case lockWait:
		f.under(g, st, w)
		return
	case work: // whoever takes it over was busy with what came before
		for i := range a.pieces {
			a.pieces[i].op = 0
		}
		return
	case slotWait: // between operations one has no slot
		for i := range a.pieces {
			if a.pieces[i].op == noOp {
				a.pieces[i].leaf, a.pieces[i].op = f.leafOf(kindUnseen, w.stack, 0), 0
			}
		}
		return
	}
	own, peer := d.from, false
	if n != result {
		own, peer = f.turns(g, t, st, by)
	}
	for i := 0; i < len(a.pieces); i++ {
		p := &a.pieces[i]
		if p.op == noOp || !peer && f.isPeer(p.leaf) {
			p.op = d.op // the peer of a worker is the peer of who waits for it
			continue
		}
		if p.op != b.op || p.op == d.op || p.to <= own {
			continue
		}
		if p.from < own {
			rest := *p
			rest.to, p.from = own, own
			a.pieces = append(a.pieces, piece{})
			copy(a.pieces[i+2:], a.pieces[i+1:])
			a.pieces[i+1] = rest
		}
		a.pieces[i].op = d.op
	}
}

// turns returns since when by worked for the one that it wakes at t, and whether it is one like that itself, who gives back what there
// are few of: it worked for itself.
func (f *fold) turns(g *goroutine, t int64, st uint32, by *goroutine) (own int64, peer bool) {
	p := f.places.all[st]
	switch {
	case p.closes:
		return g.deeds.from, false
	case by.group == g.group || p.request:
		return t, true
	}
	return max(g.deeds.from, by.deeds.turn(t)), false
}

// turn returns since when a goroutine has worked for the one that it wakes at t. Whom it wakes in one run, with next to
// nothing done in between, it has made one thing for.
func (d *deeds) turn(t int64) int64 {
	if d.ran > d.round || (t-d.round)*16 >= d.round-d.served {
		d.served = d.round
	}
	d.round = t
	return d.served
}

// under keeps, of what the holder of a lock did while another waited for it, what it did with the lock: back to where it came to have
// it, or to where its stack has left the function that gives it back. What it waited for the lock itself is the holder before it;
// before that somebody had the lock whom the trace does not show.
func (f *fold) under(g *goroutine, unlock uint32, w *waitSum) {
	a := &f.account
	within := uint32(0)
	if f.heldSince == 0 {
		within = f.holdsIn(unlock, w)
	}
	unseen := uint32(0)
	for i := 0; i < len(a.pieces); i++ {
		p := &a.pieces[i]
		if p.lock {
			continue
		}
		if unseen == 0 && (p.to <= f.heldSince || f.elsewhere(p, within)) {
			unseen = f.leafOf(kindUnseen, w.stack, 0)
		}
		if unseen != 0 {
			p.leaf, p.op = unseen, 0
			continue
		}
		if p.from < f.heldSince {
			rest := *p
			p.from, rest.to = f.heldSince, f.heldSince
			a.pieces = append(a.pieces, piece{})
			copy(a.pieces[i+2:], a.pieces[i+1:])
			a.pieces[i+1] = rest
		}
	}
}

// holdsIn returns the function, plus one, in which the holder of a lock has it: that which gives it back, or where a helper does, that which
// calls the helper as it calls the one that takes the lock. It is 0 where that cannot be told.
func (f *fold) holdsIn(unlock uint32, w *waitSum) uint32 {
	u, l := f.places.all[unlock], f.places.all[w.stack]
	if u.unlock == noLock || len(u.frames) == 0 {
		return 0
	}
	_, at := wait.SiteIn(u.frames, wait.LockOf(u.frames).Above)
	pkg := stack.Package(u.frames[at].Function)
	for i := at; i < len(u.fns) && stack.Package(u.frames[i].Function) == pkg; i++ {
		if slices.Contains(l.fns, u.fns[i]) {
			return u.fns[i] + 1
		}
	}
	return u.fns[at] + 1
}

// elsewhere reports whether a goroutine waited, slept or called outside of a function.
func (f *fold) elsewhere(p *piece, fn uint32) bool {
	switch f.account.leaves[p.leaf].kind {
	case kindRunning, kindProcessor, kindCollector, kindStopped, kindUnknown, kindHost:
		return false
	}
	return fn != 0 && p.st != 0 && !slices.Contains(f.places.all[p.st].fns, fn-1)
}

// queued reports whether a piece was in the hands of another operation.
func (f *fold) queued(p *piece, own uint32) bool {
	return p.op != own && queues[f.account.leaves[p.leaf].kind] && p.leaf != leafFree
}

// settle counts the pieces of a stretch and keeps them; a wait for a lock or a slot as a whole, since what is in it was waited for by everybody
// else in the queue as well. in says that the stretch is a part of the operation; stands, that it stands for
// those that were not looked at as well.
func (f *fold) settle(g *goroutine, u *usual, rt, st uint32, lock, in, stands bool) {
	a, d := &f.account, &g.deeds
	batch := uint32(0)
	from, to := a.pieces[len(a.pieces)-1].from, a.pieces[0].to
	if lock {
		f.keep(g, stretch{to, u.leaf, d.op, rt, st, 1})
	}
	if len(a.pieces) > maxPieces {
		f.gather(d.op)
		batch = a.nextBatch()
	}
	length, amount := to-from, to-from
	if stands {
		u.saw(f, d.op, length)
		if in {
			amount += u.pending
			u.pending = 0
		}
	}
	left := amount
	for i := len(a.pieces) - 1; i >= 0; i-- {
		p := &a.pieces[i]
		if !lock {
			f.keep(g, stretch{p.to, p.leaf, p.op, rt, st, batch})
		}
		if !in {
			continue
		}
		n := p.to - p.from
		if i == 0 {
			n = left
		} else if amount > length {
			n = min(left, times(n, amount, length))
		}
		left -= n
		lo, hi := p.from, p.to
		if batch > 1 {
			lo, hi = from, to
		}
		if n > 0 {
			f.add(g.group, p.leaf, rt, f.queued(p, d.op), n, lo, hi)
		}
	}
}

// nextBatch returns a number for stretches whose order is not known.
func (a *accounting) nextBatch() uint32 {
	if a.batches++; a.batches >= 1<<31 {
		a.batches = 1
	}
	return a.batches << 1
}

// queues are the kinds that may be in the hands of another operation.
var queues = [...]bool{kindRunning: true, kindProcessor: true, kindCall: true, kindSleep: true, kindPeer: true, kindOutside: true, kindUnseen: true, kindUsual: true}

// gather puts pieces that are alike together, at most maxPieces of them: what is left is the rest.
func (f *fold) gather(own uint32) {
	a := &f.account
	out := &a.gathered
	n, rest := 0, int64(0)
	to := a.pieces[0].to
pieces:
	for i := range a.pieces {
		p := &a.pieces[i]
		d := p.to - p.from
		for k := range out[:n] {
			o := &out[k]
			if o.leaf == p.leaf && o.lock == p.lock && (o.op == own) == (p.op == own) {
				o.to += d // its length, so far
				if o.op != p.op {
					o.op = 0
				}
				continue pieces
			}
		}
		if n < maxPieces-1 {
			out[n] = piece{to: d, leaf: p.leaf, op: p.op, lock: p.lock}
			n++
			continue
		}
		small := 0
		for k := range out[:n] {
			if out[k].to < out[small].to {
				small = k
			}
		}
		if o := &out[small]; o.to < d {
			rest += o.to
			*o = piece{to: d, leaf: p.leaf, op: p.op, lock: p.lock}
		} else {
			rest += d
		}
	}
	if rest > 0 {
		out[n] = piece{to: rest, leaf: leafRest}
		n++
	}
	a.pieces = a.pieces[:0]
	for _, o := range out[:n] { // one after the other again
		o.from, o.to = to-o.to, to
		to = o.from
		a.pieces = append(a.pieces, o)
	}
}

// tallyOfOps is what tells whether the goroutines of a group act on their own account.
type tallyOfOps struct {
	n, born  int64 // goroutines, and of those that began within the trace
	requests int64 // stretches in the handling of a request
	outside  int64 // waits that a timer or the network ended
	idle, in int64 // waits between operations and within
	awaited  int64 // waits of the creators of its goroutines that these ended
	ops      int64
	active   int64 // time of its operations
}

func (c *tallyOfOps) count(in, outside bool) {
	if in {
		c.in++
	} else {
		c.idle++
	}
	if outside {
		c.outside++
	}
}

// born begins the account of a goroutine, which works for the operation of its creator.
func (f *fold) born(g, creator *goroutine, t int64) {
	d := &g.deeds
	d.start(t)
	d.op, d.parent, d.of = 0, -1, 0
	if creator != nil && !creator.system {
		if creator.deeds.op == 0 {
			creator.deeds.op = f.newOp()
		}
		d.op, d.parent, d.of = creator.deeds.op, creator.id, creator.group
		creator.deeds.woke, creator.deeds.label = true, g.creator
	} else {
		d.op = f.newOp()
	}
	gr := f.groups[g.group]
	gr.does.n++
	gr.does.born++
	f.beginOp(g, t)
}

// found begins the account of a goroutine that was there before.
func (f *fold) found(g *goroutine, t int64) {
	g.deeds.start(t)
	g.deeds.op = f.newOp()
	f.groups[g.group].does.n++
	f.beginOp(g, t)
}

func (f *fold) beginOp(g *goroutine, t int64) { g.deeds.begun, g.deeds.handler = t, 0 }

// endOp ends the operation of a goroutine.
func (f *fold) endOp(g *goroutine, t int64) {
	d := &g.deeds
	if d.begun < 0 {
		return
	}
	if t > d.begun && f.counts(g) {
		f.groups[g.group].does.ops++
		if d.handler != 0 {
			f.endPath(PathRequest, wait.HandlerOf(f.places.all[d.handler].frames), g, d.handler, d.begun, t)
		}
	}
	d.begun, d.handler = -1, 0
}

// notGiven counts a silence of all threads although there was work.
func (f *fold) notGiven(from, to int64) {
	a := &f.account
	a.stops[a.nextStop] = stop{from: from, to: to, leaf: leafHost, by: -1, all: f.procs.idle == 0}
	a.nextStop = (a.nextStop + 1) & (stopsKept - 1)
	a.stopped = max(a.stopped, to)
	for _, p := range f.procs.all {
		if p.state == procIdle {
			a.idleHost += max(0, to-max(p.since, from))
		}
	}
}

const maxSampled = 1 << 14

// sampled notes where the processor's clock struck a goroutine.
func (f *fold) sampled(g *goroutine, st uint32) {
	if g == nil || st == 0 || g.state != running || g.system {
		return
	}
	if d := &g.deeds; int(d.strikes) < len(d.struck) {
		d.struck[d.strikes] = f.owner(st)
		d.strikes++
	}
}

// strike counts the samples of a run that has ended.
func (f *fold) strike(g *goroutine, lf uint32) {
	d, samples := &g.deeds, f.account.samples
	if f.account.leaves[lf].kind == kindRunning {
		for _, site := range d.struck[:d.strikes] {
			key := uint64(lf)<<32 | uint64(site)
			if _, ok := samples[key]; ok || len(samples) < maxSampled {
				samples[key]++
			}
		}
	}
	d.strikes = 0
}
