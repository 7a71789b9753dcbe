package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// HeaderSize is the length of what a trace file begins with.
const HeaderSize = 16

// maxBatch bounds the bytes of a batch (tracev2.MaxBatchSize).
const maxBatch = 64 << 10

// Section is a run of bytes of a file.
type Section struct{ From, To int64 }

// Header is the header of a batch.
type Header struct {
	Gen, Time, Thread uint64
	Size              int64 // of what follows the header
	Length            int64 // of the header
	End               bool  // not a batch but the end of a generation
	Tables            bool  // it fills tables
	experiment        uint8 // 0 for none
}

// MaxHeader is the length of the longest header and of what the batch begins with, and MaxBatch that of
// the longest batch with it.
const (
	MaxHeader = 2 + 4*binary.MaxVarintLen64 + 1
	MaxBatch  = maxBatch + MaxHeader
)

// ErrShort says that a batch does not end before the file does.
var ErrShort = errors.New("the file ends inside a batch")

// ParseHeader reads a batch header at the start of b. ends says that the format closes generations with a byte,
// as it does since Go 1.26.
func ParseHeader(b []byte, ends bool) (h Header, err error) {
	if len(b) == 0 {
		return h, io.EOF
	}
	i := 1
	switch {
	case b[0] == evEndOfGeneration && ends:
		return Header{End: true, Length: 1}, nil
	case b[0] == evExperimentalBatch:
		if i = 2; len(b) > 1 {
			h.experiment = b[1]
		}
	case b[0] != evEventBatch:
		return h, fmt.Errorf("byte %d where a batch should begin", b[0])
	}
	var v [4]uint64
	for k := range v {
		if i >= len(b) {
			return h, ErrShort
		}
		x, n := binary.Uvarint(b[i:])
		if n == 0 {
			return h, ErrShort
		}
		if n < 0 {
			return h, errors.New("a number that never ends in a batch header")
		}
		v[k] = x
		i += n
	}
	h = Header{Gen: v[0], Thread: v[1], Time: v[2], Size: int64(v[3]), Length: int64(i), experiment: h.experiment}
	if h.Gen == 0 || v[3] > maxBatch {
		return h, errors.New("a batch header that cannot be")
	}
	if i < len(b) {
		h.Tables = b[i] == evStacks || b[i] == evStrings || b[i] == evSamples
	}
	return h, nil
}

// Headers looks at the headers of the batches of a file in small pieces.
type Headers struct {
	R    io.ReaderAt
	Size int64 // of the file
	Ends bool  // see ParseHeader
	buf  []byte
	at   int64
	have int
}

// PeekSize is how much of a file is read to look at headers.
const PeekSize = 4 << 10

// Peek returns what can be seen at an offset, at least a header's worth unless the file ends.
func (s *Headers) Peek(off int64) ([]byte, error) {
	if off >= s.at && off+MaxHeader <= s.at+int64(s.have) {
		return s.buf[off-s.at : s.have], nil
	}
	if off >= s.Size {
		return nil, nil
	}
	if s.buf == nil {
		s.buf = make([]byte, PeekSize)
	}
	n, err := s.R.ReadAt(s.buf[:min(int64(len(s.buf)), s.Size-off)], off)
	s.at, s.have = off, n
	if err != nil && err != io.EOF {
		return nil, err
	}
	return s.buf[:n], nil
}

// At returns the header at an offset.
func (s *Headers) At(off int64) (Header, error) {
	b, err := s.Peek(off)
	if err != nil {
		return Header{}, err
	}
	h, err := ParseHeader(b, s.Ends)
	if err == nil && off+h.Length+h.Size > s.Size {
		err = ErrShort
	}
	return h, err
}

// OpensBatch reports whether a batch can begin with a byte.
func OpensBatch(b byte) bool { return b == evEventBatch || b == evExperimentalBatch }

// EndOfGeneration is the byte that closes a generation since Go 1.26, EventBatch the one that most batches begin with.
const (
	EndOfGeneration = evEndOfGeneration
	EventBatch      = evEventBatch
)
