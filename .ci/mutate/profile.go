package mutate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"unicode/utf8"
)

// field is one field of a protobuf message.
type field struct {
	number uint64
	wire   byte
	value  uint64 // of wire types 0, 1 and 5
	bytes  []byte // of wire type 2
}

// fields cuts a message into its fields; ok is false where it is none.
func fields(b []byte) (out []field, ok bool) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return out, false
		}
		b = b[n:]
		f := field{number: tag >> 3, wire: byte(tag & 7)}
		switch f.wire {
		case 0:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return out, false
			}
			b = b[n:]
		case 1:
			if len(b) < 8 {
				return out, false
			}
			f.value, b = binary.LittleEndian.Uint64(b), b[8:]
		case 5:
			if len(b) < 4 {
				return out, false
			}
			f.value, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return out, false
			}
			f.bytes, b = b[n:n+int(size)], b[n+int(size):]
		default:
			return out, false
		}
		out = append(out, f)
	}
	return out, true
}

func message(all []field) (out []byte) {
	for _, f := range all {
		out = binary.AppendUvarint(out, f.number<<3|uint64(f.wire))
		switch f.wire {
		case 0:
			out = binary.AppendUvarint(out, f.value)
		case 1:
			out = binary.LittleEndian.AppendUint64(out, f.value)
		case 5:
			out = binary.LittleEndian.AppendUint32(out, uint32(f.value))
		case 2:
			out = append(binary.AppendUvarint(out, uint64(len(f.bytes))), f.bytes...)
		}
		if len(out) > maxMutant {
			return out
		}
	}
	return out
}

func profileMutant(data []byte, r *rand.Rand) []byte {
	zipped := false
	if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if raw, err := io.ReadAll(io.LimitReader(z, maxMutant)); err == nil {
			data, zipped = raw, true
		}
	}
	all, ok := fields(data)
	if !ok {
		return textMutant(data, r) // the text form of old profiles
	}
	for range 1 + r.IntN(2) {
		all = bendFields(all, r, 0, 0)
	}
	out := message(all)
	if r.IntN(12) == 0 {
		out = bend(out, r)
	}
	if zipped {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(out)
		_ = w.Close()
		if out = z.Bytes(); r.IntN(20) == 0 {
			out = bend(out, r)
		}
	}
	return out
}

// referred reports whether other messages of a profile refer to a field of the whole by its id or its place: mappings,
// locations, functions and strings (profile.proto).
func referred(number uint64) bool { return number >= 3 && number <= 6 }

// bendFields makes one change to a message, which is field in of the one around it, or to one inside it. What others
// refer to stays as a rule: a profile that contradicts itself is refused before anything is measured.
func bendFields(all []field, r *rand.Rand, depth int, in uint64) []field {
	if len(all) == 0 {
		return []field{{number: uint64(1 + r.IntN(16)), value: pick(extremes, r)}}
	}
	i, j := r.IntN(len(all)), r.IntN(len(all))
	how := r.IntN(10)
	if keep := r.IntN(8) > 0; keep && depth == 0 && how < 4 && referred(all[i].number) {
		how = 4
	} else if id := all[i].number == 1 && depth == 1 && referred(in); keep && id && len(all) > 1 {
		i = (i + 1) % len(all)
	}
	f := &all[i]
	switch how {
	case 0:
		return append(all[:i:i], all[i+1:]...)
	case 1:
		many := append(all[:i+1:i+1], all[i])
		for range 1 << r.IntN(11) {
			many = append(many, all[i])
		}
		return append(many, all[i+1:]...)
	case 2:
		all[i], all[j] = all[j], all[i]
	case 3:
		f.number = number(f.number, r)&0x1fffffff | 1
	default:
		switch {
		case f.wire != 2:
			f.value = number(f.value, r)
		case utf8.Valid(f.bytes) && printable(f.bytes) && r.IntN(3) > 0:
			f.bytes = hostileWord(f.bytes, r)
		default:
			if inner, ok := fields(f.bytes); ok && len(inner) > 0 && depth < 3 {
				f.bytes = message(bendFields(inner, r, depth+1, f.number))
			} else {
				f.bytes = bend(f.bytes, r)
			}
		}
	}
	return all
}

func printable(b []byte) bool {
	return len(b) == 0 || bytes.IndexFunc(b, func(c rune) bool { return c < ' ' }) < 0
}

func hostileWord(was []byte, r *rand.Rand) []byte {
	switch r.IntN(3) {
	case 0:
		return []byte(pick(Hostile, r))
	case 1:
		return bytes.Repeat(append(bytes.Clone(was), 'x'), 1<<r.IntN(12))
	}
	cut := r.IntN(len(was) + 1)
	return append(append(bytes.Clone(was[:cut]), pick(Hostile, r)...), was[cut:]...)
}
