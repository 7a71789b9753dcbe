package exectrace

import (
	"errors"
	"time"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// push is append for one element that counts the bytes it allocates.
func push[T any](bytes *int64, s []T, v T) []T {
	before := cap(s)
	s = append(s, v)
	if grown := cap(s) - before; grown > 0 {
		*bytes += bound.Size[T](grown)
	}
	return s
}

// took counts a value that the Timeline will hold, besides what the fold does.
func took[T any](f *fold, v *T) *T {
	f.kept += 2 * int64(unsafe.Sizeof(*v))
	return v
}

// count adds a duration to a histogram.
func (f *fold) count(h *Histogram, d time.Duration) {
	before := cap(h.bins)
	h.Add(d)
	if grown := cap(h.bins) - before; grown > 0 {
		f.kept += bound.Size[uint32](grown)
	}
}

// entries returns about what a map takes.
func entries[K comparable, V any](m map[K]V) int64 {
	var k K
	var v V
	return int64(len(m)) * (int64(unsafe.Sizeof(k)) + int64(unsafe.Sizeof(v)) + bound.PerEntry)
}

// size returns about what the fold holds, in bytes, without going through it.
func (f *fold) size() int64 {
	w := &f.windows
	return f.kept + f.live + f.goroutines.bytes + f.places.bytes +
		bound.Size[uint32](cap(f.stacks)+cap(f.names)) + bound.Size[wire.Note](cap(f.notes)) + bound.Size[int64](cap(f.wide)) +
		bound.Size[queued](cap(f.demand.queue)) +
		bound.Size[window](2*cap(w.closed)) + 2*bound.Size[int64](len(w.closed)*len(f.procs.all)) + bound.Size[[slots]int64](cap(w.late)) +
		bound.Size[Interval](2*(cap(f.cycles.list)+cap(f.gaps.list))) + bound.Size[Pause](2*cap(f.pauses.list)) +
		entries(f.edges) + int64(len(f.edges))*int64(unsafe.Sizeof(edge{})) + entries(f.fits) + entries(f.frees) + entries(f.lockIDs) +
		entries(f.holders) + entries(f.groupID) + entries(f.reason) + entries(f.samples) + entries(f.tasks) + entries(f.focus.tasks)
}

// left returns what the Timeline holds of that.
func (f *fold) left() int64 {
	return f.kept + f.places.bytes + bound.Size[Window](len(f.windows.closed)) + bound.Size[float64](len(f.windows.closed)*len(f.procs.all))
}

// own returns what hangs on a goroutine, in bytes.
func (g *goroutine) own() int64 {
	n := bound.Size[stretch](cap(g.deeds.ring)) + bound.Size[hold](cap(g.holds)) + bound.Size[region](cap(g.regions)) + bound.Size[uint32](cap(g.seenMore))
	if g.deeds.old != nil {
		n += int64(unsafe.Sizeof(*g.deeds.old))
	}
	for _, h := range g.holds[:cap(g.holds)] {
		n += bound.Size[blockedAt](cap(h.blocked)) + bound.Size[touch](cap(h.between))
	}
	for _, r := range g.regions {
		n += bound.Size[blockedAt](cap(r.blocked))
	}
	return n
}

// goOn pays for what the fold has come to hold. Where that does not fit into the budget, or what is
// read cannot be, nothing more of the trace is read.
func (e *engine) goOn() error {
	if e.fold.beyond {
		return e.full(prose.Errorf("its times add up to more than any program can have spent"))
	}
	size := e.fold.size()
	more := size - e.paid
	if more < -paidStep {
		e.opt.Account.Shrink(-more)
		e.paid = size
	} else if more > 0 {
		if err := e.opt.Account.Grow(more); err != nil {
			return e.full(err)
		}
		e.paid = size
	}
	return nil
}

// paidStep is what the fold may hold less before it is given back.
const paidStep = 1 << 20

// full notes that the trace is not read any further.
func (e *engine) full(err error) error {
	var over *bound.Exceeded
	if errors.As(err, &over) {
		err = over.Of(e.done, e.size)
	}
	e.stopped = prose.Errorf("not read any further: %w", err)
	return e.stopped
}

// payFor pays for generations that take more than may be decoded at a time, and are decoded alone.
// What cannot be paid for is left out.
func (e *engine) payFor(gens []generation) {
	for i := range gens {
		g := &gens[i]
		beyond := g.memory() - e.opt.Memory.Decoding() - e.beyond
		if beyond <= 0 || len(g.parts) == 0 {
			continue
		}
		if err := e.opt.Account.Grow(beyond); err != nil {
			g.damaged, g.parts = prose.Textf("%v", err), nil
			continue
		}
		e.beyond += beyond
	}
}

// settle gives back what is not needed once the Timeline is made.
func (e *engine) settle() {
	e.opt.Account.Shrink(e.beyond + max(0, e.paid-e.fold.left()))
}
