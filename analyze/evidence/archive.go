package evidence

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
)

// Bounds of what is unpacked, so that a small file cannot fill memory or disk.
const (
	inMemory     = 8 << 20  // bytes of unpacked content that stay in memory; more goes to a temporary file
	spoolLimit   = 4 << 30  // bytes of one stream
	archiveLimit = 16 << 30 // bytes of all members of an archive, each kept until it is measured
	maxRatio     = 200      // bytes out for each byte in; logs reach 50, deflate at most 1032
	freeRatio    = 64 << 20 // bytes out before the ratio counts
)

// content is the bytes of a file, readable at any place.
type source struct {
	io.ReaderAt
	size int64
	done func() error
}

func (c *source) close() {
	if c.done != nil {
		_ = c.done()
	}
}

// all reads the content as a stream.
func (c *source) all() *io.SectionReader { return io.NewSectionReader(c, 0, c.size) }

// head returns the first n bytes, or fewer when there are no more.
func (c *source) head(n int) []byte {
	b := make([]byte, min(int64(n), c.size))
	k, _ := c.ReadAt(b, 0)
	return b[:k]
}

// hash returns the SHA-256 of the content in hex.
func (c *source) hash() (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, c.all()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// compression is a way single files are packed.
type compression struct {
	name  string
	magic string
	open  func(r io.Reader, window uint64) (io.ReadCloser, error) // window is what it may look back, in bytes
}

var compressions = []compression{
	{"gzip", "\x1f\x8b", func(r io.Reader, _ uint64) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader, window uint64) (io.ReadCloser, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}},
}

// packed returns how a file that begins with head is compressed, or nil.
func packed(head []byte) *compression {
	for i, c := range compressions {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return &compressions[i]
		}
	}
	return nil
}

// Windows of zstd streams, which their decoder holds, in bytes.
const (
	freeWindow = 8 << 20   // of what the buffers of any file have room for; RFC 8878 asks every decoder to have as much
	mostWindow = 128 << 20 // what zstd itself unpacks unless it is told to take more
)

// window returns how far a stream that begins with head looks back.
func (k *compression) window(head []byte) uint64 {
	var h zstd.Header
	if k.name != "zstd" || h.Decode(head) != nil {
		return 0
	}
	return h.WindowSize
}

var errBomb = prose.Errorf("expands too far for its size: not read on, it looks like a decompression bomb")

// unpack returns the decompressed stream of a content, bounded in its ratio.
// Errors of the stream are in plain words. The account pays for its decoder until it is closed.
func (k *compression) unpack(c *source, account *bound.Account) (io.ReadCloser, error) {
	window := max(min(k.window(c.head(headSize)), mostWindow), freeWindow)
	pays := int64(window - freeWindow)
	if err := account.Grow(pays); err != nil {
		return nil, err
	}
	z, err := k.open(c.all(), window)
	if err != nil {
		account.Shrink(pays)
		return nil, k.explain(err, 0)
	}
	var n int64
	return struct {
		io.Reader
		io.Closer
	}{readerFunc(func(p []byte) (int, error) {
		m, err := z.Read(p)
		n += int64(m)
		if n > freeRatio && n > maxRatio*c.size {
			return m, errBomb
		}
		if err != nil && err != io.EOF {
			err = k.explain(err, n)
		}
		return m, err
	}), closer(func() error {
		account.Shrink(pays)
		return z.Close()
	})}, nil
}

func (k *compression) explain(err error, n int64) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return prose.Errorf("%s stream ends early: %s could be unpacked", k.name, Of(n, Bytes))
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return prose.Errorf("%s stream that looks back further than the %s that are read: pack it with --long=27 or less", k.name, Of(mostWindow, Bytes))
	}
	return prose.Errorf("damaged %s stream after %s unpacked: %w", k.name, Of(n, Bytes), err)
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

func isTar(head []byte) bool {
	return len(head) > 262 && string(head[257:262]) == "ustar"
}

// member returns the item for a member of an archive, and files it there. A name
// that leads out of the archive is refused: nothing is ever written under it,
// but it would mislead whoever reads the report.
func (o *opener) member(it *item, name string) (*item, bool) {
	m := &item{name: it.name + "!" + name, archive: true, location: name}
	clean := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		m.fail(&Exhibit{Path: m.name}, "not read: its name leads out of the archive")
		it.members = append(it.members, m)
		return nil, false
	}
	m.name = it.name + "!" + clean
	for element := range strings.SplitSeq(path.Dir(clean), "/") {
		if versionControl[element] {
			o.passing.add(ofVersionControl, m.name)
			return nil, false
		}
	}
	it.members = append(it.members, m)
	return m, true
}

// notFile leaves out a member that is neither file nor folder.
func (o *opener) notFile(it *item, name string, mode fs.FileMode) {
	reason := special(mode)
	if mode&fs.ModeSymlink != 0 {
		reason = linkInArchive
	}
	o.passing.add(reason, it.name+"!"+path.Clean(name))
}

// zip measures the members of a zip archive.
func (o *opener) zip(it *item, c *source) {
	e := &Exhibit{Path: it.name, Bytes: c.size}
	z, err := zip.NewReader(c, c.size)
	if err != nil {
		e.SHA256, _ = c.hash()
		it.fail(e, "zip archive cannot be read: %s", strings.TrimPrefix(err.Error(), "zip: "))
		return
	}
	// Many small members can expand as far as a large one.
	left := min(archiveLimit, freeRatio+maxRatio*c.size)
	packed := c.size // bytes that members may still be packed in
	for i, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if !f.Mode().IsRegular() {
			o.notFile(it, f.Name, f.Mode())
			continue
		}
		if i >= maxFiles {
			it.fail(e, "more than %d members: the rest was not read", maxFiles)
			return
		}
		if size := int64(f.CompressedSize64); size >= 0 && size <= c.size { // else it says so itself when it is opened
			packed -= size
		}
		if packed < 0 {
			it.fail(e, "members lie in one another, as in a decompression bomb: the last %d of %d were not read", len(z.File)-i, len(z.File))
			return
		}
		m, ok := o.member(it, f.Name)
		if !ok {
			continue
		}
		if f.Flags&1 != 0 {
			m.fail(&Exhibit{Path: m.name, Bytes: int64(f.UncompressedSize64)}, "encrypted, cannot be read")
			continue
		}
		o.rename(m)
		if !o.enter(m) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			<-o.slots
			m.fail(&Exhibit{Path: m.name}, "cannot be unpacked: %s", strings.TrimPrefix(err.Error(), "zip: "))
			continue
		}
		o.spooled(m, o.bounded(r, int64(f.CompressedSize64)), &left)
		_ = r.Close()
	}
}

// tar measures the members of a tar archive.
func (o *opener) tar(it *item, r io.Reader, size int64) {
	t := tar.NewReader(o.bounded(r, size))
	var left int64 = archiveLimit
	for i := 0; ; i++ {
		h, err := t.Next()
		if err == io.EOF {
			return
		}
		e := &Exhibit{Path: it.name, Bytes: size}
		if err != nil {
			it.fail(e, "archive ends early or is damaged after %d members: %v", i, err)
			return
		}
		if i >= maxFiles {
			it.fail(e, "more than %d members: the rest was not read", maxFiles)
			return
		}
		switch h.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeLink:
			o.notFile(it, h.Name, fs.ModeSymlink)
			continue
		default:
			o.notFile(it, h.Name, h.FileInfo().Mode())
			continue
		}
		m, ok := o.member(it, h.Name)
		if !ok {
			continue
		}
		o.rename(m)
		if !o.enter(m) {
			return
		}
		o.spooled(m, t, &left)
	}
}

// bounded ends a stream that expands too far for its size on disk, or when the context ends.
func (o *opener) bounded(r io.Reader, size int64) io.Reader {
	var n int64
	return o.limited(readerFunc(func(p []byte) (int, error) {
		m, err := r.Read(p)
		if n += int64(m); n > freeRatio && n > maxRatio*size {
			return m, errBomb
		}
		return m, err
	}))
}

// spooled keeps a member's bytes and measures them while the archive is read on.
// It is called with a slot taken and sees to its return.
func (o *opener) spooled(m *item, r io.Reader, left *int64) {
	b := bufio.NewReaderSize(r, peekSize)
	if head, _ := b.Peek(headSize); len(head) > 0 && !recognised(b, head) {
		// Its bytes are of no use, and they may be many more than the archive's.
		<-o.slots
		if !o.passes(m, head) {
			m.fail(&Exhibit{Path: m.name}, "%s", unrecognised)
		}
		return
	}
	c, err := spool(b, *left)
	if c == nil {
		<-o.slots
		m.fail(&Exhibit{Path: m.name}, "cannot be unpacked: %v", err)
		return
	}
	*left -= c.size
	o.advance(0, c.size, 0)
	o.group.Go(func() error {
		defer func() { <-o.slots }()
		defer c.close()
		defer m.guard(&Exhibit{Path: m.name})
		o.measure(m, c, err, func() {})
		return nil
	})
}
