// Package mutate damages evidence the way a broken or hostile writer would. It
// knows where the batches of a trace, the fields of a profile, the members of an
// archive and the lines of a text are, so that most mutants get past the header
// and reach the code behind it.
//
// It judges nothing and reads no files. The same seed gives the same mutant.
package mutate

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// Kind is a shape of evidence that a mutator knows.
type Kind string

// The kinds.
const (
	Trace   Kind = "trace"
	Profile Kind = "profile"
	Text    Kind = "text"
	Archive Kind = "archive"
)

// Kinds lists all of them.
var Kinds = []Kind{Trace, Profile, Text, Archive}

// maxMutant bounds the size of a mutant: what grows by repetition must not fill a disk.
const maxMutant = 8 << 20

// Of returns a mutant of data, of a kind.
func Of(k Kind, data []byte, r *rand.Rand) []byte {
	var out []byte
	switch k {
	case Trace:
		out = traceMutant(data, r)
	case Profile:
		out = profileMutant(data, r)
	case Archive:
		out = archiveMutant(data, r)
	default:
		out = textMutant(data, r)
	}
	return out[:min(len(out), maxMutant)]
}

// extremes are numbers at which sizes, sums and loops go wrong.
var extremes = []uint64{
	0, 1, 2, 63, 64, 127, 128, 255, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, 1 << 53,
	math.MaxInt64 - 1, math.MaxInt64, 1 << 63, math.MaxUint64 - 1, math.MaxUint64,
}

// number returns a number near to one that stood there, or an extreme.
func number(was uint64, r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return was + 1
	case 1:
		return was - 1
	case 2:
		return was * 2
	case 3:
		return was ^ 1<<r.IntN(64)
	}
	return extremes[r.IntN(len(extremes))]
}

// Hostile are names that break out of quotes, markup, terminals and logs.
var Hostile = []string{
	"'; touch CANARY; '", "$(touch CANARY)", "`touch CANARY`", "<script>alert(1)</script>", "\x1b]0;title\x07", "::error::x", "##[error]x",
	"-rf", "../../etc/passwd", "a\nb", "a\r\nb", "\u202egnp.exe", "|x|", "](http://x)", "%s%d%n", "\x00", "\xff\xfe", "é\u0301", "",
}

// pick returns one of a list; the zero value of an empty one.
func pick[T any](list []T, r *rand.Rand) (one T) {
	if len(list) == 0 {
		return one
	}
	return list[r.IntN(len(list))]
}

// bend changes one place of raw bytes: a varint, a byte, a cut, a repetition.
func bend(b []byte, r *rand.Rand) []byte {
	if len(b) == 0 {
		return binary.AppendUvarint(nil, pick(extremes, r))
	}
	at := r.IntN(len(b))
	switch r.IntN(6) {
	case 0, 1:
		if was, n := binary.Uvarint(b[at:]); n > 0 {
			changed := binary.AppendUvarint(bytes.Clone(b[:at]), number(was, r))
			return append(changed, b[at+n:]...)
		}
		fallthrough
	case 2:
		b = bytes.Clone(b)
		b[at] ^= 1 << r.IntN(8)
		return b
	case 3:
		return b[:at]
	case 4:
		end := at + r.IntN(len(b)-at)
		return append(bytes.Clone(b[:end]), b[at:]...)
	}
	b = bytes.Clone(b)
	b[at] = byte(r.IntN(256))
	return b
}
