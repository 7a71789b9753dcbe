package wire

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// batch is where a batch of events lies in the file.
type batch struct {
	at   int64
	time uint64
	size int32
	next int32 // the batch of the same thread that follows, 0 for none
}

// thread is a thread of the program: what the rules ask of it, and the events it wrote.
type thread struct {
	id   uint64
	g    int64      // goroutine it runs, -1 for none
	gs   *goroutine // the same, nil for none
	p    int32      // P it holds, -1 for none
	seen bool       // one of its events has been tried, or another thread has said what it runs

	first, last int32  // batches that are left, 0 for none
	data        []byte // of the batch that is read, and the margin behind it
	at, end     int    // what is left of that
	start       uint64 // time of the batch
	clock       int64  // of the event before in the batch, 0 before the first

	// The event that comes next.
	time int64
	kind uint8
	args [maxArgs]uint64
}

// margin is a stretch of zeros behind each batch. A number that does not end in the batch ends in it, so that numbers
// can be read without looking for the end of the batch each time.
const margin = 32

// next reads the next event of a thread, and reports whether there is one.
func (d *Decoder) next(m *thread) (bool, error) {
	for m.at == m.end {
		if m.first == 0 {
			if m.data != nil {
				d.memory = append(d.memory, m.data[:0])
				m.data = nil
			}
			return false, nil
		}
		if err := d.open(m); err != nil {
			return false, err
		}
	}
	if m.clock == 0 {
		m.clock = d.nanoseconds(m.start)
	}
	b := m.data
	m.kind = b[m.at]
	k := &kinds[m.kind]
	if k.rule == nil {
		return false, refuse("an event that no thread writes")
	}
	stamp, at := number(b, m.at+1)
	for a := range k.args {
		m.args[a%maxArgs], at = number(b, at)
	}
	if at > m.end {
		return false, refuse("an event that does not end")
	}
	m.at = at
	m.clock += d.nanoseconds(stamp)
	m.time = m.clock
	return true, nil
}

// open reads the next batch of a thread into memory.
func (d *Decoder) open(m *thread) error {
	b := &d.batches[m.first]
	m.first = b.next
	need := int(b.size) + margin
	if cap(m.data) < need {
		m.data = nil
		if n := len(d.memory); n > 0 {
			m.data, d.memory = d.memory[n-1], d.memory[:n-1]
		}
		if cap(m.data) < need {
			m.data = make([]byte, need, (need+511)&^511)
		}
	}
	m.data = m.data[:need]
	if err := readFull(d.r, m.data[:b.size], b.at); err != nil {
		return err
	}
	clear(m.data[b.size:])
	m.at, m.end, m.start, m.clock = 0, int(b.size), b.time, 0
	return nil
}

func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the file has been cut since it was scanned
	}
	return refusal{err.Error()}
}

// number reads the number at b[i:], with a margin behind the numbers of b, and returns where it ends.
func number(b []byte, i int) (uint64, int) {
	if v := b[i]; v < 0x80 {
		return uint64(v), i + 1
	}
	return longNumber(b, i)
}

// longNumber reads a number of several bytes. Each byte holds seven bits, the lowest
// first, and all but the last have their eighth set.
func longNumber(b []byte, i int) (uint64, int) {
	w := binary.LittleEndian.Uint64(b[i:])
	last := ^w & 0x8080808080808080
	if last == 0 {
		v, n := binary.Uvarint(b[i:])
		if n <= 0 {
			return 0, len(b) - margin/2 // behind the end of what may be read
		}
		return v, i + n
	}
	n := bits.TrailingZeros64(last)/8 + 1
	w &= 1<<(8*n) - 1
	w &= 0x7f7f7f7f7f7f7f7f
	w = w&0x007f007f007f007f | w&0x7f007f007f007f00>>1
	w = w&0x00003fff00003fff | w&0x3fff00003fff0000>>2
	w = w&0x000000000fffffff | w&0x0fffffff00000000>>4
	return w, i + n
}
