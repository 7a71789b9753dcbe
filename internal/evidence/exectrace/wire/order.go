package wire

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// Threads write their events each for itself, and their clocks may disagree. What happened before what
// follows from the events: each tells what must have been for it to happen, and goroutines and Ps
// count what happens to them. So the event with the least time comes next unless something else has to happen before it.
//
// The rules are those of x/exp/trace (order.go), which speak of one generation alone here. Where the runtime writes an
// event is said at each; runtime/traceruntime.go where nothing else is.

// order is what the rules keep of a generation.
type order struct {
	frontier   []front // a heap of the threads that have an event left, by time
	procs      []proc
	goroutines goroutines
	tasks      map[uint64]Note
	regions    map[int64][]Note // of goroutines in regions, the innermost last
	gc         uint8
	gcSequence uint64
}

// front is a thread with the time of its next event.
type front struct {
	time int64
	m    *thread
}

const (
	gcUnknown = iota
	gcOff
	gcOn
)

func (o *order) reset(bytes int64) {
	clear(o.procs)
	clear(o.tasks)
	clear(o.regions)
	if o.tasks == nil {
		o.tasks, o.regions = map[uint64]Note{}, map[int64][]Note{}
	}
	clear(o.frontier)
	o.frontier, o.gc, o.gcSequence = o.frontier[:0], gcUnknown, 0
	o.goroutines.reset(bytes)
}

// proc returns a P.
func (o *order) proc(id uint64) (*proc, error) {
	if id >= MaxProcs {
		return nil, refuse("a P that no machine has")
	}
	for uint64(len(o.procs)) <= id {
		o.procs = append(o.procs, proc{})
	}
	return &o.procs[id], nil
}

// step emits the event that comes next, and what else happened by it.
func (d *Decoder) step() error {
	if len(d.samples) > 0 && (len(d.frontier) == 0 || d.samples[0].time < d.frontier[0].time) {
		s := d.samples[0]
		d.samples = d.samples[1:]
		return d.sample(s)
	}
	ok, err := d.try(0)
	if ok || err != nil {
		return err
	}
	// A sorted heap is a heap.
	slices.SortFunc(d.frontier, func(a, b front) int { return cmp.Compare(a.time, b.time) })
	for i := 1; i < len(d.frontier); i++ {
		if ok, err := d.try(i); ok || err != nil {
			return err
		}
	}
	return refuse("events that wait for each other")
}

func (d *Decoder) sample(s sample) error {
	if !d.hasStack(s.stack) || s.proc >= MaxProcs && s.proc != math.MaxUint64 {
		return refuse("a sample of what is not there")
	}
	r := d.record(s.time, int32(s.proc))
	r.Op, r.G, r.Stack = OpSample, d.out.Goroutine(s.g), d.stack(d.out, s.stack)
	return nil
}

// try emits the next event of a thread and reports whether it could. An event counts only when the one behind it
// can be read.
func (d *Decoder) try(i int) (bool, error) {
	m := d.frontier[i].m
	m.seen = true
	k := &kinds[m.kind]
	if k.stacks|k.strings != 0 && !d.has(m, k) {
		return false, refuse("a stack or a string that is not there")
	}
	if m.id == nobody && !k.nobody {
		return false, refuse("an event that no thread writes")
	}
	if k.needs&needsP != 0 && m.p < 0 || k.needs&needsG != 0 && m.gs == nil {
		return false, refuse("an event of a thread without P or goroutine")
	}
	if ok, err := k.rule(d, m); !ok || err != nil {
		return false, err
	}
	ok, err := d.next(m)
	if err != nil {
		return false, err
	}
	if !ok {
		d.remove(i)
		return true, nil
	}
	d.frontier[i].time = m.time
	if d.up(i) == i {
		d.down(i)
	}
	return true, nil
}

// has reports whether the stacks and strings are there that a thread's event refers to.
func (d *Decoder) has(m *thread, k *kind) bool {
	for ids := k.stacks; ids != 0; ids &= ids - 1 {
		if !d.hasStack(m.args[bits.TrailingZeros8(ids)%maxArgs]) {
			return false
		}
	}
	for ids := k.strings; ids != 0; ids &= ids - 1 {
		if !d.hasString(m.args[bits.TrailingZeros8(ids)%maxArgs]) {
			return false
		}
	}
	return true
}

// insert, remove, up and down keep the heap in the same order as x/exp/trace does (batchcursor.go): events of the same time
// come in the order of the heap.
func (d *Decoder) insert(m *thread) {
	d.frontier = append(d.frontier, front{m.time, m})
	d.up(len(d.frontier) - 1)
}

func (d *Decoder) remove(i int) {
	h := d.frontier
	for i > 0 {
		h[(i-1)/2], h[i] = h[i], h[(i-1)/2]
		i = (i - 1) / 2
	}
	last := len(h) - 1
	h[0], h[last] = h[last], front{}
	d.frontier = h[:last]
	d.down(0)
}

func (d *Decoder) up(i int) int {
	h := d.frontier
	for i > 0 && h[(i-1)/2].time > h[i].time {
		h[(i-1)/2], h[i] = h[i], h[(i-1)/2]
		i = (i - 1) / 2
	}
	return i
}

func (d *Decoder) down(i int) {
	h := d.frontier
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].time < h[child].time {
			child++
		}
		if h[child].time >= h[i].time {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
