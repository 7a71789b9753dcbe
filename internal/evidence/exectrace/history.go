package exectrace

import (
	"unsafe"

	"inquest/internal/evidence/bound"
)

// stretch is time that one goroutine, or one P, spent in one way. It ends at end and begins where the one before it ends.
type stretch struct {
	end  int64
	leaf uint32 // in what way, see leaf
	op   uint32 // in whose operation; 0 for several
	root uint32 // what the goroutine itself waited for meanwhile, see root; 0 when it did not wait
	st   uint32 // its own stack at the end, 0 where that is not known
	// batch numbers the stretches of a wait of which the order is not kept: what takes a part of them takes a part of each.
	// The lowest bit says that the wait was for a lock.
	batch uint32
}

// history is what a goroutine, or a P, has done: in a ring, which grows as it is needed. What falls out of it is added up by kind, in
// two heaps: one of what fell out lately, and one, as long at least, of what came before that.
type history struct {
	ring []stretch // its length is a power of two
	last int       // index of the latest
	n    int
	edge int64 // where the oldest in the ring begins
	from int64 // where the oldest of all begins
	woke bool  // has woken somebody: of nobody else will it be asked, so that nothing else keeps what falls out
	old  *[2]heaped
}

// heaped is time added up by kind.
type heaped struct {
	from, to int64
	n        int
	kinds    [heapKinds + 1]stretch // end is how much of it there was; the last may be the rest
}

const (
	earlySize = historySize / 2 // before it has woken anybody
	heapKinds = 4               // that are told apart in a heap
)

// start forgets everything: what is known begins at t.
func (h *history) start(t int64) {
	h.n, h.from, h.edge = 0, t, t
	if h.old != nil {
		h.old[0] = heaped{from: t, to: t}
		h.old[1] = h.old[0]
	}
}

func (h *history) at(back int) *stretch { return &h.ring[(h.last-back)&(len(h.ring)-1)] }

// until returns where the latest stretch ends.
func (h *history) until() int64 {
	if h.n == 0 {
		return h.from
	}
	return h.ring[h.last].end
}

// begin returns where the stretch that is back before the latest begins.
func (h *history) begin(back int) int64 {
	if back+1 < h.n {
		return h.at(back + 1).end
	}
	return h.edge
}

// push adds a stretch, or lengthens the latest where it is of the same kind. own is the operation of the goroutine.
func (h *history) push(f *fold, s *stretch, own uint32) {
	if h.n > 0 {
		l := &h.ring[h.last]
		if l.leaf == s.leaf && l.root == s.root && l.batch == s.batch && (l.op == s.op || l.op != own && s.op != own) {
			if l.op != s.op {
				l.op = 0
			}
			l.end, l.st = s.end, s.st
			return
		}
	}
	if h.n == len(h.ring) {
		if size := len(h.ring); size < earlySize || h.woke && size < historySize {
			h.grow(f)
		} else {
			h.drop(f)
		}
	}
	h.last = (h.last + 1) & (len(h.ring) - 1)
	h.ring[h.last] = *s
	h.n++
}

func (h *history) grow(f *fold) {
	size := max(4, 2*len(h.ring))
	ring := make([]stretch, size)
	for i := range h.n {
		ring[h.n-1-i] = *h.at(i)
	}
	f.live += bound.Size[stretch](size - len(h.ring))
	h.ring, h.last = ring, (h.n-1)&(size-1)
}

// drop takes the oldest stretch out of the ring.
func (h *history) drop(f *fold) {
	s := h.at(h.n - 1)
	h.n--
	from := h.edge
	h.edge = s.end
	if !h.woke {
		h.from = s.end
		return
	}
	if h.old == nil {
		h.old = &[2]heaped{{from: h.from, to: h.from}, {from: h.from, to: h.from}}
		f.live += int64(unsafe.Sizeof(*h.old))
	}
	young, aged := &h.old[0], &h.old[1]
	if young.to-young.from >= aged.to-aged.from && young.n > 0 {
		for i := range young.kinds[:young.n] {
			aged.add(&young.kinds[i], young.kinds[i].end)
		}
		aged.to = young.to
		young.from, young.n = young.to, 0
	}
	young.add(s, s.end-from)
	young.to = s.end
}

// add counts time that was spent as s was.
func (b *heaped) add(s *stretch, d int64) {
	small, kinds := -1, 0
	for k := range b.kinds[:b.n] {
		o := &b.kinds[k]
		if o.leaf == s.leaf && (o.root == s.root && o.batch&1 == s.batch&1 || s.leaf == leafRest) {
			o.end += d
			if o.op != s.op {
				o.op = 0
			}
			return
		}
		if o.leaf != leafRest {
			kinds++
			if small < 0 || o.end < b.kinds[small].end {
				small = k
			}
		}
	}
	if s.leaf == leafRest || kinds < heapKinds {
		o := &b.kinds[b.n]
		*o = *s
		o.end, o.st = d, 0
		o.batch &= 1
		b.n++
		return
	}
	if o := &b.kinds[small]; o.end < d {
		d, o.end = o.end, d
		o.leaf, o.op, o.root, o.batch = s.leaf, s.op, s.root, s.batch&1
	}
	b.add(&stretch{leaf: leafRest}, d)
}

// each calls yield with what is known of the time between from and to, from the latest back, until that returns false. It returns how
// far back it came. Of stretches whose order is not known it gives a part of each.
func (h *history) each(from, to int64, yield func(lo, hi int64, s *stretch) bool) int64 {
	end := to
	for i := 0; i < h.n && end > from; i++ {
		s := h.at(i)
		begin := h.begin(i)
		if begin >= end {
			continue
		}
		if s.batch>>1 == 0 {
			lo := max(from, begin)
			ok := yield(lo, min(end, s.end), s)
			if end = lo; !ok {
				return end
			}
			continue
		}
		j := i
		for j+1 < h.n && h.at(j+1).batch>>1 == s.batch>>1 {
			j++
		}
		first := h.begin(j)
		lo := max(from, first)
		whole, part := s.end-first, min(end, s.end)-lo
		for k := i; k <= j && end > lo; k++ {
			x := h.at(k)
			n := scale(x.end-h.begin(k), part, whole)
			if k == j || n > end-lo {
				n = end - lo
			}
			if n > 0 {
				ok := yield(end-n, end, x)
				if end -= n; !ok {
					return end
				}
			}
		}
		i = j
	}
	if h.old == nil {
		return end
	}
	for i := range h.old {
		var ok bool
		if end, ok = h.old[i].each(from, end, yield); !ok {
			break
		}
	}
	return end
}

func (b *heaped) each(from, end int64, yield func(lo, hi int64, s *stretch) bool) (int64, bool) {
	lo := max(from, b.from)
	if lo >= end || end > b.to {
		return end, true
	}
	whole, part := b.to-b.from, end-lo
	for k := range b.kinds[:b.n] {
		x := &b.kinds[k]
		n := scale(x.end, part, whole)
		if k == b.n-1 || n > end-lo {
			n = end - lo
		}
		if n > 0 {
			ok := yield(end-n, end, x)
			if end -= n; !ok {
				return end, false
			}
		}
	}
	return end, true
}
