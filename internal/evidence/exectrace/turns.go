package exectrace

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// turns decodes generations at the same time and folds them one after the other. There is no goroutine for the fold: the worker
// whose generation is next folds each chunk when it is full, while it is in the processor's cache. Workers
// ahead of it keep theirs; one that may not keep any more folds for the others in the meantime.
type turns struct {
	e       *engine
	gens    []generation
	version int
	ctx     context.Context
	stop    context.CancelFunc
	entry   admission
	workers int

	mu      sync.Mutex
	changed sync.Cond
	folding bool          // somebody folds
	at      int           // generation that the fold is at
	raw     int64         // time of its last record on the trace clock
	before  int64         // events folded before it
	lanes   map[int]*lane // generations that have been begun and not been folded
	held    int           // chunks that are being filled or wait
	most    int           // of them that may be ahead of the fold
	idle    int           // workers that wait for room
	spare   []*wire.Chunk // empty ones, the one used last on top: it may still be in the cache
	fault   any           // what the fold panicked with
}

// lane is the chunks of a generation on their way from its decoder to the fold.
type lane struct {
	chunks []*wire.Chunk
	closed bool  // no more will come
	err    error // valid once closed
}

// maxWorkers bounds the generations that are decoded at a time: the fold needs more than a third of the time of one decoder,
// so more would only wait for it.
const maxWorkers = 6

// aheadChunks returns how many chunks may be held that the fold has not come to:
// some two fifths of the largest generation's events, at some 5.5 bytes each, for each
// worker ahead, up to three. The generation that the fold is at always has a few more to
// get through with, so the bound cannot block it.
func aheadChunks(gens []generation, workers int, most int64) int {
	var largest int64
	for i := range gens {
		largest = max(largest, gens[i].size())
	}
	want := largest * 2 / 5 * 2 / 11 / wire.ChunkRecords * int64(min(workers-1, 3))
	left := (most - largest*int64(workers)) / chunkBytes
	return int(max(min(want, left, maxAhead), minAhead))
}

const (
	chunkBytes   = wire.ChunkRecords * int64(unsafe.Sizeof(wire.Record{}))
	minAhead     = 64
	maxAhead     = 64 << 20 / chunkBytes
	currentAhead = 16
)

// newTurns prepares to read generations, of which so many are decoded at a time.
func newTurns(e *engine, gens []generation, version, workers int) *turns {
	t := &turns{e: e, gens: gens, version: version, entry: admission{memory: e.opt.Memory, gens: gens}, lanes: map[int]*lane{}, workers: workers, most: 1}
	t.changed.L = &t.mu
	t.ctx, t.stop = context.WithCancel(e.ctx)
	if workers > 1 {
		t.most = aheadChunks(gens, workers, e.opt.Memory.Decoding())
	}
	return t
}

// run reads them.
func (t *turns) run() {
	defer t.stop()
	defer context.AfterFunc(t.ctx, func() {
		t.entry.memory.Done(0)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.changed.Broadcast()
	})()
	t.e.nextGeneration()
	var wait sync.WaitGroup
	for range t.workers {
		wait.Go(t.work)
	}
	wait.Wait()
	if t.fault != nil {
		panic(t.fault)
	}
	if t.at < len(t.gens) {
		t.e.folded(t.gens, t.at, t.before, cmp.Or(t.e.stopped, t.e.ctx.Err()))
	}
}

// work decodes generations until there are none left.
func (t *turns) work() {
	var d wire.Decoder
	for {
		i, ok := t.entry.take(t.ctx)
		if !ok {
			return
		}
		t.mu.Lock()
		t.lanes[i] = &lane{}
		t.mu.Unlock()
		err := t.e.readGeneration(&d, &t.gens[i], t.version, wire.Sink{
			Get: func() (*wire.Chunk, error) { return t.get(i) },
			Put: func(c *wire.Chunk) error { return t.put(i, c) },
		})
		t.entry.give(i)
		t.close(i, err)
	}
}

// get returns an empty chunk for a generation once there is room for it.
func (t *turns) get(i int) (*wire.Chunk, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.ctx.Err() == nil {
		if t.held < t.most || i == t.at && len(t.lanes[i].chunks) < currentAhead {
			t.held++
			n := len(t.spare)
			if n == 0 {
				return wire.NewChunk(), nil
			}
			c := t.spare[n-1]
			t.spare = t.spare[:n-1]
			return c, nil
		}
		if !t.one() {
			t.idle++
			t.changed.Wait()
			t.idle--
		}
	}
	return nil, t.ctx.Err()
}

// put takes a chunk of a generation.
func (t *turns) put(i int, c *wire.Chunk) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[i]
	l.chunks = append(l.chunks, c)
	switch {
	case i != t.at:
	case t.idle > 0 && !t.folding:
		t.changed.Broadcast() // one who has nothing else to do folds it
	default:
		for i == t.at && t.one() {
		}
	}
	return t.ctx.Err()
}

// close says that no more chunks of a generation come, and folds those that nobody else would.
func (t *turns) close(i int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[i]
	l.closed, l.err = true, err
	for t.at < len(t.gens) {
		if l := t.lanes[t.at]; l == nil || !l.closed || !t.one() {
			return
		}
	}
}

// one folds the next chunk, or ends the generation that the fold is at, and reports whether it did. It is called with
// the lock held, and lets it go meanwhile.
func (t *turns) one() bool {
	if t.folding || t.at == len(t.gens) || t.ctx.Err() != nil {
		return false
	}
	l := t.lanes[t.at]
	if l == nil || len(l.chunks) == 0 && !l.closed {
		return false
	}
	var c *wire.Chunk
	if len(l.chunks) > 0 {
		c, l.chunks = l.chunks[0], l.chunks[1:]
	}
	t.folding = true
	t.mu.Unlock()
	t.fold(c, l)
	t.mu.Lock()
	t.folding = false
	if c != nil {
		t.held--
		t.spare = append(t.spare, c)
	} else {
		delete(t.lanes, t.at)
		t.at++
	}
	if t.idle > 0 {
		t.changed.Broadcast()
	}
	return true
}

// fold folds a chunk, or ends a generation. Only one goroutine at a time does.
func (t *turns) fold(c *wire.Chunk, l *lane) {
	defer func() {
		if p := recover(); p != nil {
			t.fault = p
			t.stop()
		}
	}()
	if c == nil {
		t.e.folded(t.gens, t.at, t.before, l.err)
		t.raw, t.before = 0, t.e.fold.events
		if t.at+1 < len(t.gens) {
			t.e.nextGeneration()
		}
		return
	}
	t.raw = t.e.fold.chunk(c, t.raw)
	c.Reset()
	t.e.progress()
	if t.e.goOn() != nil {
		t.stop()
	}
}

// admission hands out generations, in order, and holds back those for which
// there is no memory yet. Those before them get through, so it cannot block for good.
type admission struct {
	memory  *bound.Memory // which all traces that are read share
	mu      sync.Mutex
	gens    []generation
	next    int
	garbage int64 // bytes of those that have been decoded since the collector ran
}

// take returns the index of the next generation, or false when there is none or
// ctx is done.
func (a *admission) take(ctx context.Context) (int, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next >= len(a.gens) || !a.memory.Work(a.gens[a.next].memory(), func() bool { return ctx.Err() == nil }) {
		return 0, false
	}
	i := a.next
	a.next++
	return i, true
}

// give says that a generation has been decoded. What x/exp/trace took for it is asked back now,
// before the next takes as much again: left to itself, the collector would let
// garbage grow to the size of what is alive.
func (a *admission) give(i int) {
	size := a.gens[i].memory()
	a.memory.Done(size) // before the lock, under which others wait for it
	if !a.gens[i].again {
		return
	}
	a.mu.Lock()
	a.garbage += size
	collect := a.garbage >= minGarbage
	if collect {
		a.garbage = 0
	}
	a.mu.Unlock()
	if collect {
		runtime.GC()
	}
}

// minGarbage is worth a run of the collector: what is alive holds few pointers and is marked
// in a millisecond, decoding as much takes hundreds.
const minGarbage = 8 << 20

// rescue turns a panic into damage: in a goroutine of its own it would end the process.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = damage{prose.Errorf("makes no sense to the reader: %v", p)}
	}
}
