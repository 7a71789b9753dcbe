package evidence

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"inquest/internal/evidence/prose"
)

// Bounds of what comes from a pipe, a device or standard input, which may never end.
const (
	peekSize    = 256 << 10 // what the kind of a compressed stream is told by: a block of zstd and more
	streamLimit = spoolLimit
	sameLines   = 1 << 20   // lines in a row of which no more than fewLines differ, after which a stream is not read on
	fewLines    = 8         //
	endlessLine = 256 << 20 // bytes without an end of line, likewise
)

// WriterWait is how long a FIFO is waited at for the program that writes into it.
var WriterWait = 5 * time.Second

// openFile opens a file of any sort without waiting for anybody.
func openFile(name string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// OpenFile opens a file that the user named, of any sort: a FIFO is waited at for no
// longer than [WriterWait], and reading ends when ctx does.
func OpenFile(ctx context.Context, name string) (io.ReadCloser, error) {
	f, info, err := openFile(name)
	if err != nil || info.Mode().IsRegular() {
		return f, err
	}
	r, release := (&opener{ctx: ctx}).fromFile(f, info)
	return struct {
		io.Reader
		io.Closer
	}{r, closer(func() error {
		release()
		return f.Close()
	})}, nil
}

type closer func() error

func (c closer) Close() error { return c() }

// fromFile reads a pipe or a device until it ends or the context does. The function returned is to be called before it is closed.
func (o *opener) fromFile(f *os.File, info fs.FileInfo) (io.Reader, func()) {
	stop := context.AfterFunc(o.ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	r := o.limited(f)
	if info.Mode()&fs.ModeNamedPipe != 0 {
		r = o.awaited(r)
	}
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err != nil && o.ctx.Err() != nil {
			err = o.ctx.Err() // not that of the deadline
		}
		return n, err
	}), func() { stop() }
}

// awaited waits for the first writer of a FIFO, which ends at once while it has none.
func (o *opener) awaited(r io.Reader) io.Reader {
	begun := false
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		for start := time.Now(); !begun && n == 0 && err == io.EOF; n, err = r.Read(p) {
			if time.Since(start) > WriterWait {
				return 0, prose.Errorf("nothing was written into this FIFO for %v: start what writes into it first", WriterWait)
			}
			select {
			case <-o.ctx.Done():
				return 0, o.ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		begun = begun || n > 0
		return n, err
	})
}

// interruptible reads a stream that cannot be told to stop waiting, such as
// standard input, until it or the context ends.
func (o *opener) interruptible(r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	stop := context.AfterFunc(o.ctx, func() { pw.CloseWithError(o.ctx.Err()) })
	go func() {
		var err error
		defer func() {
			stop()
			pw.CloseWithError(err)
		}()
		defer rescue(&err)
		_, err = io.CopyBuffer(struct{ io.Writer }{pw}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	}()
	return pr
}

// stream measures what can be read once only. Its kind is told before any of it is
// kept: text is read as it comes, and what else is evidence is kept in a file.
func (o *opener) stream(it *item, r io.Reader, leave func()) {
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	b := bufio.NewReaderSize(r, peekSize)
	head, err := b.Peek(headSize)
	e := &Exhibit{Path: it.name, Kind: Unknown, Coverage: Whole}
	switch {
	case len(head) == 0:
		if err == io.EOF {
			err = nil
		}
		o.measure(it, &source{ReaderAt: bytes.NewReader(nil)}, err, leave)
		return
	case !recognised(b, head):
		if !o.passes(it, head) {
			it.fail(e, "%s", unrecognised)
		}
		return
	case !plainText(head):
		c, err := spool(b, spoolLimit)
		if c == nil {
			it.fail(e, "%v", err)
			return
		}
		defer c.close()
		o.measure(it, c, err, leave)
		return
	}
	defer it.guard(e)
	if !o.hashOnly {
		it.account = o.opt.Memory.Account()
	}
	h, n := sha256.New(), int64(0)
	text := o.unending(b, func(p []byte) {
		n += int64(len(p))
		h.Write(p)
		o.advance(int64(len(p)), int64(len(p)), 0)
	})
	found := []*Exhibit{e}
	if o.hashOnly {
		if _, err := io.Copy(io.Discard, text); err != nil {
			e.problem("%v", err)
		}
		e.Kind = Dump
	} else {
		found = o.texts(it, e, text, slices.Clone(head))
	}
	for _, x := range found {
		x.SHA256, x.Bytes = hex.EncodeToString(h.Sum(nil)), n
	}
	it.exhibits = append(it.exhibits, found...)
	it.settle()
}

// recognised reports whether a stream that begins with head may be evidence. It looks into what is compressed.
func recognised(b *bufio.Reader, head []byte) bool {
	if !readable(head) {
		return false
	}
	k := packed(head)
	if k == nil {
		return true
	}
	start, _ := b.Peek(peekSize)
	z, err := k.open(bytes.NewReader(start), freeWindow)
	if err != nil {
		return true // what is wrong with it is said when it is unpacked
	}
	defer z.Close()
	inner := make([]byte, headSize)
	n, _ := io.ReadFull(z, inner)
	return n == 0 || readable(inner[:n])
}

// plainText reports whether what begins with head is read line by line, once.
func plainText(head []byte) bool {
	return text(head) && packed(head) == nil && !isBinary(head) && !isManifest(head)
}

// unending reads a text that may never end: to a bound, and no further than it
// says something new. seen is called with every piece of it.
func (o *opener) unending(r io.Reader, seen func([]byte)) io.Reader {
	var same repetition
	left := int64(streamLimit)
	return readerFunc(func(p []byte) (int, error) {
		if left <= 0 {
			return 0, prose.Errorf("more than %s of a stream: the rest was not read; a file is read to its end", Of(streamLimit, Bytes))
		}
		if err := o.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.Read(p[:min(int64(len(p)), left)])
		left -= int64(n)
		seen(p[:n])
		if same.add(p[:n]) {
			return n, prose.Errorf("the stream repeats itself without end and was not read on; a file is read to its end")
		}
		return n, err
	})
}

// repetition knows how long a text has been saying the same.
type repetition struct {
	line  maphash.Hash // of the present line so far
	open  int          // bytes of it
	last  [fewLines]uint64
	next  int
	lines int // in a row that last holds
}

// add takes the next piece of the text and reports whether it says nothing new any more.
func (s *repetition) add(p []byte) bool {
	for len(p) > 0 {
		if s.open == 0 {
			s.line.Reset()
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			_, _ = s.line.Write(p)
			s.open += len(p)
			return s.open > endlessLine
		}
		_, _ = s.line.Write(p[:i+1])
		sum := s.line.Sum64()
		p, s.open = p[i+1:], 0
		if slices.Contains(s.last[:], sum) {
			if s.lines++; s.lines > sameLines {
				return true
			}
			continue
		}
		s.last[s.next%fewLines] = sum
		s.next++
		s.lines = 0
	}
	return false
}

// Spool keeps a stream where it can be read more than once, as far as [Open] reads it: of what is no
// evidence by its beginning, no more than that is kept.
func Spool(ctx context.Context, r io.Reader) (io.ReadSeekCloser, error) {
	o := &opener{ctx: ctx}
	in := o.interruptible(r)
	if c, ok := in.(io.Closer); ok {
		defer c.Close()
	}
	b := bufio.NewReaderSize(in, peekSize)
	head, _ := b.Peek(headSize)
	var from io.Reader = b
	switch {
	case len(head) == 0: // its end, or why there is none, is read below
	case !recognised(b, head):
		from = bytes.NewReader(slices.Clone(head))
	case plainText(head):
		from = o.unending(b, func([]byte) {})
	}
	c, err := spool(from, spoolLimit)
	if err != nil {
		if c != nil {
			c.close()
		}
		return nil, err
	}
	return struct {
		io.ReadSeeker
		io.Closer
	}{c.all(), closer(func() error {
		c.close()
		return nil
	})}, nil
}

// Room that temporary files leave on their disk: a tenth of it, and no more than this.
const leastFree = 1 << 30

// space tells the room on the disk of a folder; ok is false where the system does not say.
var space = diskSpace

// spool keeps a stream where it can be read at any place. What was read before
// an error is returned with it.
func spool(r io.Reader, limit int64) (*source, error) {
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(r, min(inMemory, limit)))
	if err != nil || n < min(inMemory, limit) {
		return &source{ReaderAt: bytes.NewReader(buf.Bytes()), size: n}, err
	}
	f, err := os.CreateTemp("", "inquest-*")
	if err != nil {
		return nil, err
	}
	// Without a name it is gone when the process is, however that ends. Where an open
	// file keeps its name, it is deleted in the end.
	unnamed := os.Remove(f.Name()) == nil
	c := &source{ReaderAt: f, done: func() error {
		err := f.Close()
		if !unnamed {
			err = errors.Join(err, os.Remove(f.Name()))
		}
		return err
	}}
	for more := io.Reader(&buf); ; more = io.LimitReader(r, min(inMemory, limit-c.size)) {
		if err := room(os.TempDir()); err != nil {
			return c, err
		}
		n, err := io.Copy(f, more)
		c.size += n
		if err != nil {
			return c, err
		}
		if c.size == limit {
			var one [1]byte
			if k, _ := io.ReadFull(r, one[:]); k > 0 {
				return c, prose.Errorf("more than %s, the rest was not read", Of(limit, Bytes))
			}
			return c, nil
		}
		if n == 0 {
			return c, nil
		}
	}
}

// room fails when a temporary file would fill the disk.
func room(dir string) error {
	free, all, ok := space(dir)
	if least := min(leastFree, all/10); ok && free < least+inMemory {
		return prose.Errorf("%s are free in %s, the folder of temporary files, too few to read on; TMPDIR names another", Of(free, Bytes), dir)
	}
	return nil
}
