package exectrace

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// Sniff reports whether head, the first bytes of a file, begin an execution
// trace of any version.
func Sniff(head []byte) bool {
	_, ok := formatVersion(head)
	return ok
}

// formatVersion returns the minor version of Go that a trace's header names.
func formatVersion(head []byte) (int, bool) {
	if len(head) < wire.HeaderSize || !bytes.HasPrefix(head, []byte("go 1.")) {
		return 0, false
	}
	digits, _, ok := bytes.Cut(head[len("go 1."):wire.HeaderSize], []byte(" trace"))
	v, err := strconv.Atoi(string(digits))
	if !ok || err != nil || v <= 0 || len(digits) > 3 {
		return 0, false
	}
	want := make([]byte, wire.HeaderSize)
	copy(want, fmt.Sprintf("go 1.%d trace", v))
	return v, bytes.Equal(head[:wire.HeaderSize], want)
}

// generation is where one generation of a trace lies, as its batch headers say.
type generation struct {
	number   uint64
	parts    []wire.Section // whole batches; more than one only where bytes between made no sense
	batches  int
	tables   int64      // bytes of parts that hold strings, stacks and CPU samples
	ended    bool       // it has its end byte, or the next one follows
	cut      bool       // the file ends inside it
	damaged  prose.Text // what is wrong with it, as far as headers show
	first    uint64     // lowest time of a batch, in units of the trace clock
	latest   uint64     // highest
	nextTime uint64     // lowest time of the generation that follows in the file, 0 for none
	scale    float64    // nanoseconds per unit, once a reader has told; 0 before
	again    bool       // x/exp/trace has read it
}

func (g *generation) size() (n int64) {
	for _, p := range g.parts {
		n += p.To - p.From
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

// scanner looks for batches.
type scanner struct {
	wire.Headers
	piece []byte // what resync looks at
}

// plausible reports whether headers follow one another from off, as they hardly
// do by chance.
func (s *scanner) plausible(off int64, least uint64) bool {
	var gen uint64
	for range 4 {
		if off == s.Size {
			return gen != 0
		}
		h, err := s.At(off)
		if err == wire.ErrShort {
			return gen != 0
		}
		if err != nil || !h.End && (h.Gen < least || gen != 0 && h.Gen != gen && h.Gen != bound.Add(gen, 1)) {
			return false
		}
		if !h.End {
			gen = h.Gen
		} else if gen == 0 {
			return false
		}
		off += h.Length + h.Size
	}
	return true
}

// resync finds the next offset from off at which batches seem to begin again. It looks
// at more the longer it does not find any: a hostile file can have a hole every few bytes.
func (s *scanner) resync(off int64, least uint64) (int64, bool) {
	if s.piece == nil {
		s.piece = make([]byte, 256<<10)
	}
	for look := 512; off < s.Size; look = min(look*2, len(s.piece)) {
		piece := s.piece[:look]
		n, _ := s.R.ReadAt(piece[:min(int64(len(piece)), s.Size-off)], off)
		if n == 0 {
			return 0, false
		}
		for i, b := range piece[:n] {
			if (wire.OpensBatch(b)) && s.plausible(off+int64(i), least) {
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
	s := &scanner{Headers: wire.Headers{R: r, Size: size, Ends: version >= 26}}
	off := int64(wire.HeaderSize)
	var cur *generation
	closed := true         // the generation under way has seen its end byte
	var hole prose.Text    // what was wrong with the bytes just skipped
	var tainted prose.Text // the same, for a generation that may have begun in them
	for off < size && len(gens) < maxGenerations {
		h, err := s.At(off)
		if err == wire.ErrShort && off+wire.MaxBatch >= size {
			short = true
			break
		}
		if err != nil {
			hole = prose.Textf("%v at byte %d", err, off)
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
		if h.End {
			if cur != nil && !closed {
				cur.extend(off, off+1)
				cur.ended, closed = true, true
			}
			off++
			continue
		}
		end := off + h.Length + h.Size
		if hole != "" {
			// What the hole swallowed is told by who stands at its two sides.
			switch {
			case cur == nil:
				gens = append(gens, generation{damaged: hole})
			case bound.Sub(h.Gen, cur.number) > 1 && h.Gen-cur.number < maxHole:
				if !closed && s.Ends {
					cur.damaged = hole // which swallowed its end, too
				}
				for n := cur.number + 1; n < h.Gen && len(gens) < maxGenerations; n++ {
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
		case cur == nil || bound.Sub(h.Gen, cur.number) == 1 || closed && h.Gen > cur.number:
		case h.Gen == cur.number && !closed:
			cur.add(off, end, h.Tables)
			cur.first, cur.latest = min(cur.first, h.Time), max(cur.latest, h.Time)
			off = end
			continue
		default:
			// One batch with another number is damage; several are a generation.
			if next, err := s.At(end); err != nil || next.End || next.Gen != h.Gen || h.Gen < cur.number {
				cur.damaged = prose.Textf("a batch of generation %d inside generation %d", h.Gen, cur.number)
				off = end
				continue
			}
		}
		if cur != nil && !s.Ends && len(cur.parts) > 0 {
			cur.ended = true
		}
		gens = append(gens, generation{number: h.Gen, first: h.Time, latest: h.Time, damaged: tainted})
		cur, closed, tainted = &gens[len(gens)-1], false, ""
		cur.add(off, end, h.Tables)
		off = end
	}
	if len(gens) >= maxGenerations && off < size {
		cur.damaged = prose.Textf("more than %d generations; the rest is left out", maxGenerations)
	}
	if hole != "" {
		if cur == nil {
			return nil, false, prose.Errorf("%s", hole)
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
			g.parts, g.damaged = nil, prose.Textf("it has more than %d batches", maxBatches)
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
	if n := len(g.parts); n > 0 && g.parts[n-1].To == from {
		g.parts[n-1].To = to
		return
	}
	if len(g.parts) == maxParts {
		g.parts, g.damaged = nil, prose.Textf("it is damaged in more than %d places", maxParts)
		g.batches = maxBatches // and no more are taken
		return
	}
	g.parts = append(g.parts, wire.Section{From: from, To: to})
}
