package exectrace

import (
	"inquest/analyze/evidence/bound"
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

// history is what a goroutine, or a P, has done: in a ring, which grows as it is needed. When that is full, older stretches are put together by
// kind in batches.
type history struct {
	ring []stretch // its length is a power of two
	last int       // index of the latest
	n    int
	from int64 // where the oldest begins
	woke bool  // has woken somebody: of nobody else will it be asked
}

const (
	earlySize  = historySize / 2 // before it has woken anybody
	batchKinds = 4               // that are told apart in a batch
)

// start forgets everything: what is known begins at t.
func (h *history) start(t int64) { h.n, h.from = 0, t }

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
	return h.from
}

// push adds a stretch, or lengthens the latest where it is of the same kind. own is the operation of the goroutine.
func (h *history) push(f *fold, s stretch, own uint32) {
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
			h.compact(f)
		}
	}
	h.last = (h.last + 1) & (len(h.ring) - 1)
	h.ring[h.last] = s
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

// compact makes room: what is older than the latest few stretches becomes a few batches, the coarser the older.
func (h *history) compact(f *fold) {
	var out [historySize]stretch // latest first
	n, kept := 0, h.n/4
	for kept > 0 && h.at(kept).batch>>1 != 0 && h.at(kept).batch>>1 == h.at(kept-1).batch>>1 {
		kept--
	}
	for n < kept {
		out[n] = *h.at(n)
		n++
	}
	now := h.until()
	from := now
	if kept > 0 {
		from = h.begin(kept - 1)
	}
	reach := now - from
	for i, last := kept, h.n/16; i < h.n; last-- {
		reach *= 8
		j := i + 1
		for j < h.n && (last <= 0 || now-h.at(j).end < reach || h.at(j).batch>>1 != 0 && h.at(j).batch>>1 == h.at(j-1).batch>>1) {
			j++
		}
		n += f.together(out[n:], h, i, j)
		i = j
	}
	if n >= h.n { // cannot be, for batches are short
		return
	}
	for i := range n {
		h.ring[n-1-i] = out[i]
	}
	h.n, h.last = n, n-1
}

// together makes one batch of the stretches of a history between i and j back, and returns how many stretches that has.
func (f *fold) together(out []stretch, h *history, i, j int) int {
	end, n := h.at(i).end, 0
	batch := f.account.nextBatch()
	var rest int64
add:
	for ; i < j; i++ {
		s := h.at(i)
		d := s.end - h.begin(i)
		for k := range out[:n] {
			if o := &out[k]; o.leaf == s.leaf && o.root == s.root && o.batch&1 == s.batch&1 {
				o.end += d // their lengths, so far
				if o.op != s.op {
					o.op = 0
				}
				continue add
			}
		}
		switch {
		case s.leaf == leafRest:
			rest += d
		case n < batchKinds:
			out[n] = stretch{end: d, leaf: s.leaf, op: s.op, root: s.root, batch: batch | s.batch&1}
			n++
		default:
			small := 0
			for k := range out[:n] {
				if out[k].end < out[small].end {
					small = k
				}
			}
			if o := &out[small]; o.end < d {
				rest += o.end
				*o = stretch{end: d, leaf: s.leaf, op: s.op, root: s.root, batch: batch | s.batch&1}
			} else {
				rest += d
			}
		}
	}
	if rest > 0 {
		out[n] = stretch{end: rest, leaf: leafRest, batch: batch}
		n++
	}
	for k := range out[:n] {
		d := out[k].end
		out[k].end = end
		end -= d
	}
	return n
}
