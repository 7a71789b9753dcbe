package pprofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	"github.com/klauspost/compress/gzip"

	"inquest/analyze/evidence/stack"
)

// Bounds of what is read, so that a hostile file can take neither the memory
// nor the time of the machine. A profile of a large service is a few MB unpacked.
const (
	MaxUnpacked = 512 << 20 // bytes of a profile after decompression
	maxText     = 64 << 20  // bytes of the legacy text form, which takes 25 times its size once parsed
	maxRatio    = 200       // bytes out per byte in; deflate itself reaches 1032
	freeRatio   = 16 << 20  // bytes out before the ratio counts
	maxParsed   = 3 << 30   // estimated bytes of the parsed form
	maxDepth    = 4096      // frames of one stack; the runtime records at most 1024 before inlining (runtime/mprof.go, maxProfStackDepth)
	maxFrames   = 32 << 20  // frames over all distinct stacks
)

// Contention is the kind of a profile of contentions and delays that holds
// nothing to tell a mutex profile from a block profile: both have the same
// sample types, and only their stacks differ.
const Contention = "contention"

// Read reads a pprof profile: protobuf, gzipped or not, or one of the text and
// binary forms that came before it. Errors say what is wrong in plain words.
func Read(data []byte) (*Profile, error) {
	if len(data) == 0 {
		return nil, errors.New("empty file")
	}
	if bytes.HasPrefix(data, gzipMagic) {
		unpacked, err := unpack(data)
		if err != nil {
			return nil, err
		}
		data = unpacked
		if len(data) == 0 {
			return nil, errors.New("the gzip stream holds nothing")
		}
	}
	if legacy(data) {
		return readLegacy(data)
	}
	if err := survey(data); err != nil {
		return nil, err
	}
	p, err := profile.ParseUncompressed(data)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		return nil, explain(err)
	}
	out, err := convert(p)
	if err != nil {
		return nil, err
	}
	out.checkSymbols()
	return out, nil
}

// Sniff reports whether a file that begins with head, after decompression, may
// be a profile. Head should hold some hundred bytes, or the whole file.
func Sniff(head []byte) bool {
	if legacy(head) {
		return true
	}
	fields, sampleTypes := 0, 0
	_, err := walk(head, func(field int, payload []byte) error {
		fields++
		if field == fieldSampleType && len(payload) <= 22 { // two varints with their tags
			sampleTypes++
		}
		return nil
	})
	var cut cutError
	if err != nil && !errors.As(err, &cut) {
		return false
	}
	// One field proves little: a text that starts with an empty line reads as one.
	return sampleTypes > 0 && fields > 1
}

var gzipMagic = []byte{0x1f, 0x8b}

// unpack decompresses a gzip stream within bounds.
func unpack(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("damaged gzip header: %w", err)
	}
	limit := min(MaxUnpacked, max(freeRatio, len(data)*maxRatio))
	var out bytes.Buffer
	out.Grow(min(4*len(data), limit))
	n, err := out.ReadFrom(io.LimitReader(z, int64(limit)+1))
	switch {
	case n > int64(limit):
		return nil, fmt.Errorf("expands from %d bytes to more than %d: not read, it looks like a decompression bomb", len(data), limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, fmt.Errorf("gzip stream ends early: %d bytes could be unpacked, and a profile cannot be read in part; fetch it again", n)
	case errors.Is(err, gzip.ErrHeader):
		return nil, errors.New("bytes that are not gzip follow the gzip stream")
	case err != nil:
		return nil, fmt.Errorf("damaged gzip stream after %d unpacked bytes: %w", n, err)
	}
	return out.Bytes(), nil
}

// Field numbers of profile.proto.
const (
	fieldSampleType = 1
	fieldSample     = 2
	fieldLast       = 15 // doc_url
)

// cutError is a protobuf that ends inside a field.
type cutError struct{ at, size int }

func (e cutError) Error() string {
	return fmt.Sprintf("profile ends early: cut off at byte %d, inside a field that goes on", e.size)
}

var errNotProfile = errors.New("not a pprof profile")

// walk calls f for every top-level field of a profile.proto message.
func walk(data []byte, f func(field int, payload []byte) error) (n int, err error) {
	rest := data
	for len(rest) > 0 {
		tag, k := varint(rest)
		if k == 0 {
			return n, cutError{len(data) - len(rest), len(data)}
		}
		at := len(data) - len(rest)
		rest = rest[max(k, 0):]
		field, wire := int(tag>>3), tag&7
		if k < 0 || field == 0 || field > fieldLast {
			return n, errNotProfile
		}
		switch wire {
		case 0:
			_, k := varint(rest)
			if k == 0 {
				return n, cutError{at, len(data)}
			}
			if k < 0 {
				return n, errNotProfile
			}
			rest = rest[k:]
			if err := f(field, nil); err != nil {
				return n, err
			}
		case 2:
			size, k := varint(rest)
			if k < 0 {
				return n, errNotProfile
			}
			if k == 0 || size > uint64(len(rest)-k) {
				return n, cutError{at, len(data)}
			}
			if err := f(field, rest[k:k+int(size)]); err != nil {
				return n, err
			}
			rest = rest[k+int(size):]
		default:
			return n, errNotProfile
		}
		n++
	}
	return n, nil
}

// varint decodes a base-128 integer and its length; the length is 0 when data
// ends inside it and negative when it is too long.
func varint(data []byte) (x uint64, n int) {
	for i, b := range data {
		if i == 10 {
			return 0, -1
		}
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return x, i + 1
		}
	}
	if len(data) >= 10 {
		return 0, -1
	}
	return 0, 0
}

// survey checks the frame of a protobuf and bounds what parsing it will take: a
// message of two bytes becomes a struct of a hundred, so the size alone says little.
func survey(data []byte) error {
	if len(data) > MaxUnpacked {
		return fmt.Errorf("%d MB unpacked: more than the %d MB that are read of one profile", len(data)>>20, MaxUnpacked>>20)
	}
	const record, perByte = 192, 9 // the largest record of the parser with its pointer; a packed one-byte varint becomes a word
	cost := 0
	n, err := walk(data, func(_ int, payload []byte) error {
		cost += record + perByte*len(payload)
		if cost > maxParsed {
			return errors.New("too large to read safely: it would take more than 3 GB of memory")
		}
		return nil
	})
	if err == nil && n == 0 {
		return errNotProfile
	}
	return err
}

// explain puts the parser's messages into words that say what to do.
func explain(err error) error {
	s := err.Error()
	switch {
	case strings.Contains(s, "concatenated profiles"):
		return errors.New("several profiles one after another in one file: keep them in files of their own, or merge them with go tool pprof -proto")
	case strings.Contains(s, "empty input file"):
		return errors.New("empty file")
	case strings.Contains(s, "unrecognized profile format"):
		return errNotProfile
	}
	return fmt.Errorf("damaged profile: %w", err)
}

// convert turns the parser's form into ours.
func convert(p *profile.Profile) (*Profile, error) {
	out := &Profile{Period: p.Period, Duration: time.Duration(max(p.DurationNanos, 0))}
	if p.TimeNanos > 0 {
		out.Time = time.Unix(0, p.TimeNanos).UTC()
	}
	if p.PeriodType != nil {
		out.PeriodUnit = p.PeriodType.Unit
	}
	for _, t := range p.SampleType {
		out.Columns = append(out.Columns, Column{t.Type, t.Unit})
	}
	if len(p.Mapping) > 0 {
		out.BuildID = p.Mapping[0].BuildID
	}

	frames, err := expand(p.Location)
	if err != nil {
		return nil, err
	}
	shared := newStacks(frames)
	out.Samples = make([]Sample, len(p.Sample))
	for i, s := range p.Sample {
		st, named, err := shared.of(s.Location)
		if err != nil {
			return nil, err
		}
		if !named {
			out.Unsymbolised++
		}
		out.Samples[i] = Sample{Stack: st, Values: s.Value, Labels: labels(s), Size: size(s)}
	}
	if shared.cut > 0 {
		out.Problems = append(out.Problems, fmt.Sprintf("%d stacks deeper than %d frames were cut at their outer end", shared.cut, maxDepth))
	}
	for _, f := range p.Function {
		if out.GoVersion = stack.GoVersion(f.Filename); out.GoVersion != "" {
			break
		}
	}
	out.Kind = kind(out)
	return out, nil
}

// checkSymbols notes a profile that names no function. Threads that the runtime
// created have no stack in any profile (golang/go#6104).
func (p *Profile) checkSymbols() {
	if p.Unsymbolised > 0 && p.Unsymbolised == len(p.Samples) && p.Kind != "threadcreate" {
		p.Problems = append(p.Problems, "no function names: it holds addresses only, so nothing in it can be placed in the source")
	}
}

// expansion holds the frames of every location, inlined calls expanded, in one
// slice: those of location i are frames[at[i]:at[i+1]].
type expansion struct {
	frames []stack.Frame
	at     []int32
	named  []bool // the location has a function name
}

// expand numbers the locations by their position and expands them.
func expand(locations []*profile.Location) (*expansion, error) {
	n := 0
	for _, l := range locations {
		n += max(len(l.Line), 1)
	}
	if n > maxFrames {
		return nil, fmt.Errorf("too large to read safely: %d frames in %d locations", n, len(locations))
	}
	x := &expansion{
		frames: make([]stack.Frame, 0, n),
		at:     make([]int32, 1, len(locations)+1),
		named:  make([]bool, len(locations)),
	}
	for i, l := range locations {
		l.ID = uint64(i)
		for _, line := range l.Line {
			if line.Function == nil || line.Function.Name == "" {
				continue
			}
			x.named[i] = true
			x.frames = append(x.frames, stack.Frame{
				Function: line.Function.Name,
				File:     line.Function.Filename,
				Line:     int(line.Line),
			})
		}
		if !x.named[i] {
			x.frames = append(x.frames, stack.Frame{Function: library(l)})
		}
		x.at = append(x.at, int32(len(x.frames)))
	}
	return x, nil
}

// library names code without symbols by the file it was mapped from, as pprof does.
func library(l *profile.Location) string {
	if l.Mapping == nil || l.Mapping.File == "" {
		return "[unknown]"
	}
	return "[" + path.Base(l.Mapping.File) + "]"
}

// stacks builds each distinct stack once, however many samples share it.
type stacks struct {
	*expansion
	seen  map[uint64]seen
	slab  []stack.Frame
	total int
	cut   int
}

type seen struct {
	locations []*profile.Location
	stack     stack.Stack
	named     bool
}

func newStacks(x *expansion) *stacks {
	return &stacks{expansion: x, seen: map[uint64]seen{}}
}

func (s *stacks) of(locations []*profile.Location) (st stack.Stack, named bool, err error) {
	if len(locations) == 0 {
		return nil, true, nil
	}
	hash := uint64(len(locations))
	for _, l := range locations {
		hash = (hash ^ l.ID) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	known, ok := s.seen[hash]
	if ok && slices.Equal(known.locations, locations) {
		return known.stack, known.named, nil
	}

	n := 0
	for _, l := range locations {
		n += int(s.at[l.ID+1] - s.at[l.ID])
		named = named || s.named[l.ID]
		if n > maxDepth {
			n = maxDepth
			s.cut++
			break
		}
	}
	if s.total += n; s.total > maxFrames {
		return nil, false, fmt.Errorf("too large to read safely: more than %d frames in its stacks", maxFrames)
	}
	if n > cap(s.slab)-len(s.slab) {
		s.slab = make([]stack.Frame, 0, max(n, 4096))
	}
	start := len(s.slab)
	for _, l := range locations {
		f := s.frames[s.at[l.ID]:s.at[l.ID+1]]
		f = f[:min(len(f), start+n-len(s.slab))]
		s.slab = append(s.slab, f...)
	}
	st = stack.Stack(s.slab[start:len(s.slab):len(s.slab)])
	if !ok { // a second stack of the same hash is built each time, which costs memory but never mixes stacks
		s.seen[hash] = seen{locations, st, named}
	}
	return st, named, nil
}

// labels returns the sample's labels; the size of heap objects is kept apart.
func labels(s *profile.Sample) map[string][]string {
	out := s.Label
	for key, values := range s.NumLabel {
		if key == "bytes" {
			continue
		}
		if out == nil {
			out = map[string][]string{}
		}
		for i, v := range values {
			text := strconv.FormatInt(v, 10)
			if units := s.NumUnit[key]; i < len(units) && units[i] != "" {
				text += " " + units[i]
			}
			out[key] = append(out[key], text)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func size(s *profile.Sample) int64 {
	if v := s.NumLabel["bytes"]; len(v) > 0 {
		return v[0]
	}
	return 0
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
