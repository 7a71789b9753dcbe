package wire

import (
	"hash/maphash"
	"math"
	"slices"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/stack"
)

// Writer puts records into chunks, and into the tables of the generation what they are the first to need.
// Between two calls of Next it may hold records of an event that is not complete.
type Writer struct {
	sink  Sink
	chunk *Chunk
	whole int   // records of the chunk whose events are complete
	last  int64 // time of the last record
	n     int64 // records so far
	done  int64 // records so far whose events are complete
	skip  int64 // of them the first to be left out

	stacks, notes, wides uint32 // in the tables so far
	names                map[string]uint8
	wide                 map[int64]uint32
	frames               []stack.Frame // under way
	hash                 maphash.Hash
}

// seed is one for the process: stacks of all generations are compared by hash first.
var seed = maphash.MakeSeed()

// NewWriter begins a generation.
func NewWriter(sink Sink) (w *Writer, err error) {
	w = &Writer{sink: sink, names: map[string]uint8{}, wide: map[int64]uint32{}}
	w.hash.SetSeed(seed)
	w.chunk, err = sink.Get()
	return w, err
}

// Chunk returns the chunk that is being filled.
func (w *Writer) Chunk() *Chunk { return w.chunk }

// Record adds a record of an event at t on the trace clock.
func (w *Writer) Record(t int64) *Record {
	c := w.chunk
	dt := t - w.last
	if dt < 0 || dt > math.MaxUint32 {
		c.Records = append(c.Records, Record{Op: OpTime, G: uint32(t), Actor: uint32(t >> 32)})
		dt = 0
	}
	w.last = t
	w.n++
	// The record is filled where it will lie: building it in small steps and then
	// copying it makes the processor wait for the steps.
	n := len(c.Records)
	c.Records = append(c.Records, Record{})
	r := &c.Records[n]
	r.DT = uint32(dt)
	return r
}

// Next says that the records so far are those of complete events.
func (w *Writer) Next() error {
	if w.done = w.n; w.done <= w.skip {
		w.chunk.Records = w.chunk.Records[:0]
		w.last = math.MinInt64 / 2
	}
	w.whole = len(w.chunk.Records)
	if w.whole < ChunkRecords {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() (err error) {
	full := w.chunk
	w.chunk, w.whole = nil, 0
	if err := w.sink.Put(full); err != nil {
		return err
	}
	w.chunk, err = w.sink.Get()
	return err
}

// Drop takes back the records of an event that is not complete.
func (w *Writer) Drop() {
	if w.chunk != nil {
		w.chunk.Records, w.n = w.chunk.Records[:w.whole], w.done
	}
}

// Skip says that the first n records are to be left out: they have been written already, by somebody else. What comes after
// them has tables of its own.
func (w *Writer) Skip(n int64) { w.skip, w.chunk.Anew = n, true }

// Records returns how many records there are of complete events.
func (w *Writer) Records() int64 { return w.done }

// Close gives away the last chunk, with the complete events of it.
func (w *Writer) Close() error {
	w.Drop()
	last := w.chunk
	if w.chunk = nil; last == nil {
		return nil
	}
	return w.sink.Put(last)
}

// Goroutine packs a goroutine id plus one; 0 stands for none, which is -1.
func (w *Writer) Goroutine(id int64) uint32 {
	if uint64(id+1) < Wide {
		return uint32(id + 1)
	}
	return w.wideID(id)
}

func (w *Writer) wideID(id int64) uint32 {
	if n, ok := w.wide[id]; ok {
		return n
	}
	n := w.wides | Wide
	w.wides++
	w.chunk.Wide = append(w.chunk.Wide, id)
	w.wide[id] = n
	return n
}

// Name gives a reason or label a small number; 0 to the empty one, and to those for which there is none left.
func (w *Writer) Name(s string) uint8 {
	if s == "" {
		return 0 // a coroutine that switches has none
	}
	id, ok := w.names[s]
	if !ok && len(w.names) < math.MaxUint8 {
		id = uint8(len(w.names) + 1)
		w.names[s] = id
		w.chunk.Names = append(w.chunk.Names, s)
	}
	return id
}

// Note adds a note and returns its index.
func (w *Writer) Note(n Note) uint32 {
	w.chunk.Notes = append(w.chunk.Notes, n)
	w.notes++
	return w.notes - 1
}

// Frame adds a frame to the stack under way, the leaf first.
func (w *Writer) Frame(function, file string, line uint64) {
	if len(w.frames) == 0 {
		w.hash.Reset()
	}
	n := 0
	if line < math.MaxInt32 {
		n = int(line)
	}
	w.frames = append(w.frames, stack.Frame{Function: bound.Text(function), File: bound.Text(file), Line: n})
	// All that makes two stacks differ: what the hash left out could be made to collide.
	w.hash.WriteString(function)
	w.hash.WriteString(file)
	maphash.WriteComparable(&w.hash, n)
}

// Stack adds the stack of the frames since the last one and returns its number, 0 where there were none.
func (w *Writer) Stack() uint32 {
	if len(w.frames) == 0 {
		return 0
	}
	w.chunk.Stacks = append(w.chunk.Stacks, Stack{w.hash.Sum64(), stack.Of(slices.Clone(w.frames))})
	w.frames = w.frames[:0]
	w.stacks++
	return w.stacks
}
