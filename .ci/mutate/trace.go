package mutate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// headerSize is the size of "go 1.NN trace\0\0\0".
const headerSize = 16

// Batch types of the trace format since Go 1.22 (internal/trace/tracev2).
const (
	eventBatch        = 1
	experimentalBatch = 49
	endOfGeneration   = 52
)

// batch is one batch of a trace; claimed is the size that its header gives, -1 for the true one.
type batch struct {
	kind              byte
	experiment        byte
	generation        uint64
	thread, time      uint64
	payload, unparsed []byte
	claimed           int64
}

// batches cuts a trace of Go 1.22 or later into its batches. What does not parse is
// kept as a last one.
func batches(data []byte) (out []batch) {
	for len(data) > 0 {
		b := batch{kind: data[0], claimed: -1}
		rest := data[1:]
		switch b.kind {
		case endOfGeneration:
			out, data = append(out, b), rest
			continue
		case experimentalBatch:
			if len(rest) > 0 {
				b.experiment, rest = rest[0], rest[1:]
			}
		case eventBatch:
		default:
			return append(out, batch{unparsed: data})
		}
		var size uint64
		for _, v := range []*uint64{&b.generation, &b.thread, &b.time, &size} {
			n := 0
			if *v, n = binary.Uvarint(rest); n <= 0 {
				return append(out, batch{unparsed: data})
			}
			rest = rest[n:]
		}
		if size > uint64(len(rest)) {
			return append(out, batch{unparsed: data})
		}
		b.payload, data = rest[:size], rest[size:]
		out = append(out, b)
	}
	return out
}

func (b *batch) append(out []byte) []byte {
	if b.unparsed != nil {
		return append(out, b.unparsed...)
	}
	out = append(out, b.kind)
	if b.kind == endOfGeneration {
		return out
	}
	if b.kind == experimentalBatch {
		out = append(out, b.experiment)
	}
	size := uint64(len(b.payload))
	if b.claimed >= 0 {
		size = uint64(b.claimed)
	}
	for _, v := range []uint64{b.generation, b.thread, b.time, size} {
		out = binary.AppendUvarint(out, v)
	}
	return append(out, b.payload...)
}

func traceMutant(data []byte, r *rand.Rand) []byte {
	if len(data) <= headerSize {
		return bend(data, r)
	}
	header, body := bytes.Clone(data[:headerSize]), data[headerSize:]
	var version int
	if _, err := fmt.Sscanf(string(header), "go 1.%d trace", &version); err != nil || version < 22 {
		for range 1 + r.IntN(4) { // formats of before batches
			body = bend(body, r)
		}
		return append(header, body...)
	}
	all := batches(body)
	for range 1 + r.IntN(4) {
		all = bendBatches(all, r)
	}
	if r.IntN(20) == 0 {
		copy(header, fmt.Sprintf("go 1.%02d trace\x00\x00\x00", 11+r.IntN(20)))
	}
	out := header
	for i := range all {
		if out = all[i].append(out); len(out) > maxMutant {
			break
		}
	}
	if r.IntN(10) == 0 {
		out = out[:headerSize+r.IntN(len(out)-headerSize+1)]
	}
	return out
}

// bendBatches makes one change that a writer, a disk or an attacker could make.
func bendBatches(all []batch, r *rand.Rand) []batch {
	if len(all) == 0 {
		return []batch{{kind: eventBatch, generation: pick(extremes, r), claimed: int64(pick(extremes, r) >> 1)}}
	}
	i, j := r.IntN(len(all)), r.IntN(len(all))
	b := &all[i]
	switch r.IntN(16) {
	case 0:
		return append(all[:i:i], all[i+1:]...)
	case 1:
		return append(all[:i+1:i+1], all[i:]...)
	case 2:
		all[i], all[j] = all[j], all[i]
	case 3:
		b.generation = number(b.generation, r)
	case 4:
		b.thread = number(b.thread, r)
	case 5:
		b.time = number(b.time, r)
	case 6:
		b.claimed = int64(number(uint64(len(b.payload)), r) >> 1)
	case 7:
		// All batches of one generation at once, as a counter that wraps would have them.
		was, is := b.generation, number(b.generation, r)
		for k := range all {
			if all[k].generation == was {
				all[k].generation = is
			}
		}
	case 8:
		hole := make([]byte, 1<<r.IntN(17))
		return append(append(all[:i:i], batch{unparsed: hole}), all[i:]...)
	case 9:
		cut := r.IntN(len(b.payload) + 1)
		other := all[j].payload
		b.payload = append(bytes.Clone(b.payload[:cut]), other[min(cut, len(other)):]...)
	case 10:
		// The end of a generation where there is none, or none where there is one.
		return append(append(all[:i:i], batch{kind: endOfGeneration}), all[i:]...)
	case 11:
		b.kind, b.experiment = experimentalBatch, byte(r.IntN(4))
	default:
		for range 1 + r.IntN(3) {
			b.payload = bend(b.payload, r)
		}
	}
	return all
}
