package pprofile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Bounds of what is read beside the budget, so that a hostile file cannot take
// the time of the machine.
const (
	maxRatio  = 200      // bytes out per byte in; deflate itself reaches 1032
	freeRatio = 16 << 20 // bytes out before the ratio counts
	maxDepth  = 4096     // frames of one stack; the runtime records at most 1024 before inlining (runtime/mprof.go, maxProfStackDepth)
)

// Contention is the kind of a profile of contentions and delays that holds
// nothing to tell a mutex profile from a block profile: both have the same
// sample types, and only their stacks differ.
const Contention = "contention"

// Options are how to read. With the zero value labels are left out and memory has no bound.
type Options struct {
	Labels bool           // keep the labels of samples
	Memory *bound.Account // pays for what is read; what the profile keeps stays on it
}

// Read reads the pprof profile in r, of size bytes: protobuf, gzipped or not, or
// one of the text and binary forms that came before it. It goes through the file
// more than once and holds nothing of it but what the profile needs. Errors say
// what is wrong in plain words; a [bound.Exceeded] is among them.
func Read(r io.ReaderAt, size int64, opt Options) (*Profile, error) {
	if size == 0 {
		return nil, prose.Errorf("empty file")
	}
	f := &file{r: r, size: size}
	magic := make([]byte, len(gzipMagic))
	if _, err := r.ReadAt(magic, 0); err != nil && err != io.EOF {
		return nil, err
	}
	f.packed = bytes.Equal(magic, gzipMagic)
	s, err := f.open()
	if err != nil {
		return nil, err
	}
	head, err := s.Peek(legacyHead)
	if len(head) == 0 {
		switch {
		case err != io.EOF:
			return nil, err
		case f.packed:
			return nil, prose.Errorf("the gzip stream holds nothing")
		}
		return nil, prose.Errorf("empty file")
	}
	held := opt.Memory.Used()
	var p *Profile
	if legacy(head) {
		p, err = readLegacy(s, opt)
	} else {
		p, err = decode(f, opt)
	}
	if err != nil {
		opt.Memory.Shrink(opt.Memory.Used() - held)
		if over := (*bound.Exceeded)(nil); errors.As(err, &over) {
			return nil, over.Of(f.reached, size)
		}
		return nil, err
	}
	if f.ignored > 0 {
		p.Problems = append(p.Problems, prose.Textf("%d bytes that follow the gzip stream were ignored", f.ignored))
	}
	p.remarks()
	return p, nil
}

// remarks notes what is odd about a profile, in whatever form it came.
func (p *Profile) remarks() {
	p.limit()
	// Threads that the runtime created have no stack in any profile (golang/go#6104).
	if p.Unsymbolised > 0 && p.Unsymbolised == len(p.Samples) && p.Kind != "threadcreate" {
		p.Problems = append(p.Problems, "no function names: it holds addresses only, so nothing in it can be placed in the source")
	}
}

// SniffText reports whether a file that begins with head is a profile in text form.
func SniffText(head []byte) bool { return legacy(head) && !legacyCPU(head) }

var gzipMagic = []byte{0x1f, 0x8b}

// file is a profile that can be read again from its beginning.
type file struct {
	r       io.ReaderAt
	size    int64
	packed  bool
	ignored int64 // bytes behind the gzip stream
	reached int64 // how far it has been read
}

// open returns what the file holds, decompressed, from its beginning.
func (f *file) open() (*bufio.Reader, error) {
	in := &input{SectionReader: io.NewSectionReader(f.r, 0, f.size), file: f}
	if !f.packed {
		return bufio.NewReaderSize(in, pieceSize), nil
	}
	u := &unpacking{file: f, in: bufio.NewReaderSize(in, pieceSize)}
	var err error
	if u.z, err = gzip.NewReader(u.in); err != nil {
		return nil, prose.Errorf("damaged gzip header: %w", err)
	}
	// One stream at a time: what follows the first need not be gzip.
	u.z.Multistream(false)
	return bufio.NewReaderSize(u, pieceSize), nil
}

// pieceSize is how much of a file is looked at in place.
const pieceSize = 64 << 10

// input notes how far a file has been read.
type input struct {
	*io.SectionReader
	file *file
	at   int64
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.SectionReader.Read(p)
	in.at += int64(n)
	in.file.reached = max(in.file.reached, in.at)
	return n, err
}

// unpacking is a gzip file that is decompressed within bounds.
type unpacking struct {
	file *file
	in   *bufio.Reader
	z    *gzip.Reader
	out  int64
}

func (u *unpacking) Read(p []byte) (int, error) {
	for {
		n, err := u.z.Read(p)
		u.out += int64(n)
		switch limit := max(freeRatio, bound.Mul(u.file.size, maxRatio)); {
		case u.out > limit:
			return n, prose.Errorf("expands from %d bytes to more than %d: not read, it looks like a decompression bomb", u.file.size, limit)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return n, prose.Errorf("gzip stream ends early: %d bytes could be unpacked, and a profile cannot be read in part; fetch it again", u.out)
		case err != nil && err != io.EOF:
			return n, prose.Errorf("damaged gzip stream after %d unpacked bytes: %w", u.out, err)
		case err == nil || n > 0:
			return n, nil
		}
		if next, _ := u.in.Peek(len(gzipMagic)); bytes.Equal(next, gzipMagic) && u.z.Reset(u.in) == nil {
			u.z.Multistream(false)
			continue
		}
		u.file.ignored = u.file.size - u.file.reached + int64(u.in.Buffered())
		return 0, io.EOF
	}
}

// explain puts the parser's messages into words that say what to do.
func explain(err error) error {
	s := err.Error()
	switch {
	case strings.Contains(s, "concatenated profiles"):
		return errSeveral
	case strings.Contains(s, "empty input file"):
		return prose.Errorf("empty file")
	case strings.Contains(s, "unrecognized profile format"):
		return errNotProfile
	}
	return prose.Errorf("damaged profile: %w", err)
}

// kind tells what a profile is by the names of its columns.
func kind(p *Profile) string {
	for _, c := range p.Columns {
		switch c.Name {
		case "cpu":
			return "cpu"
		case "inuse_space", "alloc_space":
			return "heap"
		case "goroutine", "goroutineleak", "threadcreate":
			return c.Name
		case "delay":
			if p.Column("contentions") >= 0 {
				return contention(p.Samples)
			}
		}
	}
	return ""
}

// contention tells a mutex profile, whose stacks end in the release of a lock,
// from a block profile, whose stacks end in the wait (runtime/mprof.go,
// mutexevent and blockevent).
func contention(samples []Sample) string {
	releases, waits := 0, 0
	for i := range samples {
		switch ending(samples[i].Stack) {
		case "mutex":
			releases++
		case "block":
			waits++
		}
	}
	switch {
	case releases > waits:
		return "mutex"
	case waits > releases:
		return "block"
	}
	return Contention
}

func ending(s stack.Stack) string {
	for _, f := range s {
		switch f.Function {
		case "sync.(*Mutex).Unlock", "sync.(*RWMutex).Unlock", "sync.(*RWMutex).RUnlock",
			"internal/sync.(*Mutex).Unlock", "internal/sync.(*Mutex).unlockSlow",
			"sync.(*Mutex).unlockSlow", "sync.(*RWMutex).rUnlockSlow",
			"runtime.unlock", "runtime.unlock2", "runtime._LostContendedRuntimeLock":
			return "mutex"
		case "sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "sync.(*RWMutex).RLock",
			"internal/sync.(*Mutex).Lock", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).lockSlow",
			"sync.(*WaitGroup).Wait", "sync.(*Cond).Wait",
			"runtime.chanrecv1", "runtime.chanrecv2", "runtime.chansend1", "runtime.selectgo",
			"runtime.selectnbsend", "runtime.selectnbrecv", "runtime.block":
			return "block"
		}
		if !strings.HasPrefix(f.Function, "sync.") && !strings.HasPrefix(f.Function, "runtime.") &&
			!strings.HasPrefix(f.Function, "internal/") {
			break
		}
	}
	return ""
}
