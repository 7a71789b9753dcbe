package exectrace

import (
	"io"

	"inquest/internal/evidence/exectrace/wire"
)

// feed gives a trace reader the batches of one generation. x/exp/trace copies
// each into a bytes.Buffer that is just large enough; but such a buffer looks for
// the end of its input with room to spare, and doubles when a read has not told
// it (bytes.MinRead). So whoever asks for exactly what is left of a batch is told
// the end together with the bytes, which leaves nothing to look for: memory of
// one generation is its size, not three times that.
type feed struct {
	r     io.ReaderAt
	parts []wire.Section // what has not been given yet
	ends  bool           // the format closes a generation with a byte
	tail  []byte         // given after the parts

	ahead []byte // given before the parts, and headers
	left  int64  // of the batch whose header was given last
	buf   [wire.MaxHeader]byte
}

func (f *feed) Read(p []byte) (n int, err error) {
	if len(f.ahead) == 0 && f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.ahead) > 0 {
		n = copy(p, f.ahead)
		f.ahead = f.ahead[n:]
		return n, nil
	}
	part := &f.parts[0]
	n, err = f.r.ReadAt(p[:min(int64(len(p)), f.left)], part.From)
	if err == io.EOF {
		err = nil
		if n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	part.From += int64(n)
	f.left -= int64(n)
	if n == len(p) && f.left == 0 && n >= directRead {
		return n, io.EOF
	}
	return n, err
}

// directRead is the size from which a bufio.Reader of default size reads into
// the caller's memory and keeps neither bytes nor the end to itself.
const directRead = 4096

// next comes to the next batch header.
func (f *feed) next() error {
	for len(f.parts) > 0 && f.parts[0].From == f.parts[0].To {
		f.parts = f.parts[1:]
	}
	if len(f.parts) == 0 {
		f.ahead, f.tail = f.tail, nil
		if len(f.ahead) == 0 {
			return io.EOF
		}
		return nil
	}
	part := &f.parts[0]
	n, err := f.r.ReadAt(f.buf[:min(wire.MaxHeader, part.To-part.From)], part.From)
	if err != nil && err != io.EOF {
		return err
	}
	if n == 0 {
		return io.ErrUnexpectedEOF // the file has been cut since it was scanned
	}
	h, err := wire.ParseHeader(f.buf[:n], f.ends)
	if err != nil {
		return err
	}
	f.ahead, f.left = f.buf[:h.Length], h.Size
	part.From += h.Length
	return nil
}
