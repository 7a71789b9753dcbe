package exectrace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"inquest/analyze/evidence/bound"
)

// headerSize is the length of what a trace file begins with.
const headerSize = 16

// Sniff reports whether head, the first bytes of a file, begin an execution
// trace of any version.
func Sniff(head []byte) bool {
	_, ok := formatVersion(head)
	return ok
}

// formatVersion returns the minor version of Go that a trace's header names.
func formatVersion(head []byte) (int, bool) {
	if len(head) < headerSize || !bytes.HasPrefix(head, []byte("go 1.")) {
		return 0, false
	}
	digits, _, ok := bytes.Cut(head[len("go 1."):headerSize], []byte(" trace"))
	v, err := strconv.Atoi(string(digits))
	if !ok || err != nil || v <= 0 || len(digits) > 3 {
		return 0, false
	}
	want := make([]byte, headerSize)
	copy(want, fmt.Sprintf("go 1.%d trace", v))
	return v, bytes.Equal(head[:headerSize], want)
}

// Bytes that open a batch, and the one that closes a generation since Go 1.26
// (internal/trace/tracev2/events.go).
const (
	eventBatch        = 1
	experimentalBatch = 49
	endOfGeneration   = 52

	// What batches begin with that fill the tables of a generation: stacks, strings, CPU samples.
	stacksBatch  = 2
	stringsBatch = 4
	samplesBatch = 6

	maxBatchSize = 64 << 10
)

// section is a run of bytes of the file.
type section struct{ from, to int64 }

// generation is where one generation of a trace lies, as its batch headers say.
type generation struct {
	number   uint64
	parts    []section // whole batches; more than one only where bytes between made no sense
	batches  int
	tables   int64   // bytes of parts that hold strings, stacks and CPU samples
	ended    bool    // it has its end byte, or the next one follows
	cut      bool    // the file ends inside it
	damaged  string  // what is wrong with it, as far as headers show
	first    uint64  // lowest time of a batch, in units of the trace clock
	latest   uint64  // highest
	nextTime uint64  // lowest time of the generation that follows in the file, 0 for none
	scale    float64 // nanoseconds per unit, once a reader has told; 0 before
}

func (g *generation) size() (n int64) {
	for _, p := range g.parts {
		n += p.to - p.from
	}
	return n
}

// memory returns what a reader needs to hold it, about, in bytes: x/exp/trace allocates
// room for bytes.MinRead more with small batches, and makes tables of others.
func (g *generation) memory() int64 {
	return g.size() + int64(g.batches)*batchMemory + g.tables*tableMemory
}

const (
	batchMemory = 600
	// A string, a frame or a CPU sample takes four bytes at least, and in the tables 64 or so, as do its frames in ours.
	tableMemory = 16
)

// maxBatches bounds the batches of a generation that is read, and so what small ones can ask for.
// Threads that C code makes write one for each call into Go (dropm in runtime/proc.go), all
// others one for each 64 KB and generation.
const maxBatches = 1 << 19

// maxParts bounds the stretches of a generation between bytes that make no sense.
const maxParts = 1 << 12

// header is the header of one batch.
type header struct {
	gen, time uint64
	size      int64 // of what follows the header
	length    int64 // of the header
	end       bool  // not a batch but the end of a generation
	tables    bool  // it fills tables
}

var errShort = errors.New("the file ends inside a batch")

// parseHeader reads a batch header at the start of b.
func parseHeader(b []byte, ends bool) (h header, err error) {
	if len(b) == 0 {
		return h, io.EOF
	}
	i := 1
	switch {
	case b[0] == endOfGeneration && ends:
		return header{end: true, length: 1}, nil
	case b[0] == experimentalBatch:
		i = 2
	case b[0] != eventBatch:
		return h, fmt.Errorf("byte %d where a batch should begin", b[0])
	}
	var v [4]uint64
	for k := range v {
		if i >= len(b) {
			return h, errShort
		}
		x, n := binary.Uvarint(b[i:])
		if n == 0 {
			return h, errShort
		}
		if n < 0 {
			return h, errors.New("a number that never ends in a batch header")
		}
		v[k] = x
		i += n
	}
	h = header{gen: v[0], time: v[2], size: int64(v[3]), length: int64(i)}
	if h.gen == 0 || v[3] > maxBatchSize {
		return h, errors.New("a batch header that cannot be")
	}
	if i < len(b) {
		h.tables = b[i] == stacksBatch || b[i] == stringsBatch || b[i] == samplesBatch
	}
	return h, nil
}

// scanner looks at a file in small pieces.
type scanner struct {
	r    io.ReaderAt
	size int64
	ends bool
	buf  []byte
	at   int64
	have int

	piece []byte // what resync looks at
}

const (
	maxHeader = 2 + 4*binary.MaxVarintLen64 + 1 // and what the batch begins with
	scanPiece = 4 << 10
)

// at returns what can be seen at an offset, at least a header's worth unless
// the file ends.
func (s *scanner) peek(off int64) ([]byte, error) {
	if off >= s.at && off+maxHeader <= s.at+int64(s.have) {
		return s.buf[off-s.at : s.have], nil
	}
	if off >= s.size {
		return nil, nil
	}
	if s.buf == nil {
		s.buf = make([]byte, scanPiece)
	}
	n, err := s.r.ReadAt(s.buf[:min(int64(len(s.buf)), s.size-off)], off)
	s.at, s.have = off, n
	if err != nil && err != io.EOF {
		return nil, err
	}
	return s.buf[:n], nil
}

func (s *scanner) header(off int64) (header, error) {
	b, err := s.peek(off)
	if err != nil {
		return header{}, err
	}
	h, err := parseHeader(b, s.ends)
	if err == nil && off+h.length+h.size > s.size {
		err = errShort
	}
	return h, err
}

// plausible reports whether headers follow one another from off, as they hardly
// do by chance.
func (s *scanner) plausible(off int64, least uint64) bool {
	var gen uint64
	for range 4 {
		if off == s.size {
			return gen != 0
		}
		h, err := s.header(off)
		if err == errShort {
			return gen != 0
		}
		if err != nil || !h.end && (h.gen < least || gen != 0 && h.gen != gen && h.gen != bound.Add(gen, 1)) {
			return false
		}
		if !h.end {
			gen = h.gen
		} else if gen == 0 {
			return false
		}
		off += h.length + h.size
	}
	return true
}

// resync finds the next offset from off at which batches seem to begin again. It looks
// at more the longer it does not find any: a hostile file can have a hole every few bytes.
func (s *scanner) resync(off int64, least uint64) (int64, bool) {
	if s.piece == nil {
		s.piece = make([]byte, 256<<10)
	}
	for look := 512; off < s.size; look = min(look*2, len(s.piece)) {
		piece := s.piece[:look]
		n, _ := s.r.ReadAt(piece[:min(int64(len(piece)), s.size-off)], off)
		if n == 0 {
			return 0, false
		}
		for i, b := range piece[:n] {
			if (b == eventBatch || b == experimentalBatch) && s.plausible(off+int64(i), least) {
				return off + int64(i), true
			}
		}
		off += int64(n)
	}
	return 0, false
}

// maxHole bounds the generations that are believed to be missing in one place.
const maxHole = 1000

// maxGenerations bounds what a hostile file can make us read one by one. There
// is about one generation per second.
const maxGenerations = 1 << 16

// scan lists the generations of a trace. short says that the file ends inside a batch.
func scan(r io.ReaderAt, size int64, version int) (gens []generation, short bool, err error) {
	s := &scanner{r: r, size: size, ends: version >= 26}
	off := int64(headerSize)
	var cur *generation
	closed := true     // the generation under way has seen its end byte
	var hole string    // what was wrong with the bytes just skipped
	var tainted string // the same, for a generation that may have begun in them
	for off < size && len(gens) < maxGenerations {
		h, err := s.header(off)
		if err == errShort && off+maxBatchSize+maxHeader >= size {
			short = true
			break
		}
		if err != nil {
			hole = fmt.Sprintf("%v at byte %d", err, off)
			var least uint64
			if cur != nil {
				least = cur.number
			}
			next, ok := s.resync(off+1, least)
			if !ok {
				off = size
				break
			}
			off = next
			continue
		}
		if h.end {
			if cur != nil && !closed {
				cur.extend(off, off+1)
				cur.ended, closed = true, true
			}
			off++
			continue
		}
		end := off + h.length + h.size
		if hole != "" {
			// What the hole swallowed is told by who stands at its two sides.
			switch {
			case cur == nil:
				gens = append(gens, generation{damaged: hole})
			case bound.Sub(h.gen, cur.number) > 1 && h.gen-cur.number < maxHole:
				if !closed && s.ends {
					cur.damaged = hole // which swallowed its end, too
				}
				for n := cur.number + 1; n < h.gen && len(gens) < maxGenerations; n++ {
					gens = append(gens, generation{number: n, damaged: hole, first: gens[len(gens)-1].latest})
				}
			case !closed:
				cur.damaged = hole
			default:
				tainted = hole
			}
			if n := len(gens); cur != nil && n > 0 && gens[n-1].number != cur.number {
				cur, closed = &gens[n-1], true
			}
			hole = ""
		}
		switch {
		case cur == nil || bound.Sub(h.gen, cur.number) == 1 || closed && h.gen > cur.number:
		case h.gen == cur.number && !closed:
			cur.add(off, end, h.tables)
			cur.first, cur.latest = min(cur.first, h.time), max(cur.latest, h.time)
			off = end
			continue
		default:
			// One batch with another number is damage; several are a generation.
			if next, err := s.header(end); err != nil || next.end || next.gen != h.gen || h.gen < cur.number {
				cur.damaged = fmt.Sprintf("a batch of generation %d inside generation %d", h.gen, cur.number)
				off = end
				continue
			}
		}
		if cur != nil && !s.ends && len(cur.parts) > 0 {
			cur.ended = true
		}
		gens = append(gens, generation{number: h.gen, first: h.time, latest: h.time, damaged: tainted})
		cur, closed, tainted = &gens[len(gens)-1], false, ""
		cur.add(off, end, h.tables)
		off = end
	}
	if len(gens) >= maxGenerations && off < size {
		cur.damaged = fmt.Sprintf("more than %d generations; the rest is left out", maxGenerations)
	}
	if hole != "" {
		if cur == nil {
			return nil, false, errors.New(hole)
		}
		if closed {
			gens = append(gens, generation{number: bound.Add(cur.number, 1), damaged: hole, first: cur.latest})
		} else {
			cur.damaged = hole
		}
	}
	for i := len(gens) - 2; i >= 0; i-- {
		gens[i].nextTime = gens[i+1].first
		if gens[i].nextTime == 0 {
			gens[i].nextTime = gens[i+1].nextTime
		}
	}
	return gens, short, nil
}

// add adds a batch.
func (g *generation) add(from, to int64, tables bool) {
	if g.batches >= maxBatches {
		if g.parts != nil {
			g.parts, g.damaged = nil, fmt.Sprintf("it has more than %d batches", maxBatches)
		}
		return
	}
	g.batches++
	if tables {
		g.tables += to - from
	}
	g.extend(from, to)
}

func (g *generation) extend(from, to int64) {
	if n := len(g.parts); n > 0 && g.parts[n-1].to == from {
		g.parts[n-1].to = to
		return
	}
	if len(g.parts) == maxParts {
		g.parts, g.damaged = nil, fmt.Sprintf("it is damaged in more than %d places", maxParts)
		g.batches = maxBatches // and no more are taken
		return
	}
	g.parts = append(g.parts, section{from, to})
}
