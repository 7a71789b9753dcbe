package exectrace

import "time"

// MinDemand is how long a goroutine must have been runnable before an idle P
// counts as idle with demand. Waking a P takes a futex wake-up and a pass of the
// operating system's scheduler, some tens of microseconds on a healthy machine
// (runtime/proc.go, wakep and findRunnable): that long is nobody's fault.
const MinDemand = 50 * time.Microsecond

// demand is a clock that runs while at least one goroutine has been runnable
// for MinDemand. What it shows between two moments is the part of that stretch
// in which there was work for an idle P.
type demand struct {
	queue   []queued // by start; may hold goroutines that run by now
	head    int
	count   int   // runnable goroutines that count
	shown   int64 // the clock, up to mark
	mark    int64
	stopped bool // the world is: nobody could have picked up the work
	next    int64
}

type queued struct {
	g     *goroutine
	key   int64
	since int64
}

func (q *queued) stale() bool { return q.g.queued != q.key }

func (d *demand) add(g *goroutine, t int64) {
	if d.count == 0 {
		d.queue, d.head = d.queue[:0], 0
	} else if len(d.queue)-d.head > 4*d.count+1024 {
		d.compact()
	}
	d.next++
	g.queued = d.next
	d.queue = append(d.queue, queued{g, d.next, t})
	d.count++
}

func (d *demand) remove(g *goroutine, t int64) {
	if g.queued == 0 {
		return
	}
	key := g.queued
	g.queued = 0
	d.count--
	if d.head >= len(d.queue) || d.queue[d.head].key != key {
		return
	}
	d.settle(t)
	for d.head < len(d.queue) && d.queue[d.head].stale() {
		d.head++
	}
	if d.head == len(d.queue) {
		d.queue, d.head = d.queue[:0], 0
	}
}

// settle brings the clock up to t.
func (d *demand) settle(t int64) {
	d.shown = d.clock(t)
	d.mark = t
}

// clock returns what the clock shows at t, which is not before mark.
func (d *demand) clock(t int64) int64 {
	if d.stopped || d.head >= len(d.queue) {
		return d.shown
	}
	return d.shown + max(0, t-max(d.mark, d.queue[d.head].since+int64(MinDemand)))
}

func (d *demand) stop(t int64)   { d.settle(t); d.stopped = true }
func (d *demand) resume(t int64) { d.settle(t); d.stopped = false }

func (d *demand) compact() {
	kept := d.queue[:0]
	for _, q := range d.queue[d.head:] {
		if !q.stale() {
			kept = append(kept, q)
		}
	}
	d.queue, d.head = kept, 0
}

func (d *demand) reset() { *d = demand{shown: d.shown, mark: d.mark, next: d.next} }
