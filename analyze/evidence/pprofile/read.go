package pprofile

import (
	"bytes"
	"encoding/binary"
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
	ignored := 0
	if bytes.HasPrefix(data, gzipMagic) {
		var err error
		if data, ignored, err = unpack(data); err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return nil, errors.New("the gzip stream holds nothing")
		}
	}
	form := readProto
	if legacy(data) {
		form = readLegacy
	}
	p, err := form(data)
	if err != nil {
		return nil, err
	}
	if ignored > 0 {
		p.Problems = append(p.Problems, fmt.Sprintf("%d bytes that follow the gzip stream were ignored", ignored))
	}
	// Threads that the runtime created have no stack in any profile (golang/go#6104).
	if p.Unsymbolised > 0 && p.Unsymbolised == len(p.Samples) && p.Kind != "threadcreate" {
		p.Problems = append(p.Problems, "no function names: it holds addresses only, so nothing in it can be placed in the source")
	}
	return p, nil
}

func readProto(data []byte) (*Profile, error) {
	if err := survey(data); err != nil {
		return nil, err
	}
	p, err := profile.ParseUncompressed(data)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		if starts(data) > 1 {
			return nil, errSeveral
		}
		return nil, explain(err)
	}
	return convert(p)
}

// starts counts the beginnings of string tables, of which a profile has one:
// its first entry is the empty string, and no other is.
func starts(data []byte) (n int) {
	_, _ = walk(data, func(field int, payload []byte) error {
		if field == fieldString && len(payload) == 0 {
			n++
		}
		return nil
	})
	return n
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
		if field == fieldSampleType && !valueType(payload) {
			return errNotProfile
		}
		if field == fieldSampleType {
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

// valueType reports whether a message is a ValueType: two numbers of strings.
func valueType(b []byte) bool {
	for len(b) > 0 {
		tag, n := varint(b)
		if n != 1 || tag != 1<<3 && tag != 2<<3 {
			return false
		}
		_, k := varint(b[1:])
		if k <= 0 {
			return false
		}
		b = b[1+k:]
	}
	return true
}

var gzipMagic = []byte{0x1f, 0x8b}

// unpack decompresses a gzip file within bounds.
func unpack(data []byte) (unpacked []byte, ignored int, err error) {
	in := bytes.NewReader(data)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, 0, fmt.Errorf("damaged gzip header: %w", err)
	}
	limit := min(MaxUnpacked, max(freeRatio, len(data)*maxRatio))
	var out bytes.Buffer
	if n := len(data); n >= 4 { // the size of the last stream, as it claims itself
		out.Grow(min(int(binary.LittleEndian.Uint32(data[n-4:]))+bytes.MinRead, 64*n, limit))
	}
	for {
		// One stream at a time: what follows the first need not be gzip.
		z.Multistream(false)
		_, err := out.ReadFrom(io.LimitReader(z, int64(limit-out.Len())+1))
		switch {
		case out.Len() > limit:
			return nil, 0, fmt.Errorf("expands from %d bytes to more than %d: not read, it looks like a decompression bomb", len(data), limit)
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, 0, fmt.Errorf("gzip stream ends early: %d bytes could be unpacked, and a profile cannot be read in part; fetch it again", out.Len())
		case err != nil:
			return nil, 0, fmt.Errorf("damaged gzip stream after %d unpacked bytes: %w", out.Len(), err)
		}
		rest := in.Len()
		if rest == 0 || !bytes.HasPrefix(data[len(data)-rest:], gzipMagic) {
			return out.Bytes(), rest, nil
		}
		if err := z.Reset(in); err != nil {
			return out.Bytes(), rest, nil
		}
	}
}

// Field numbers of profile.proto.
const (
	fieldSampleType = 1
	fieldString     = 6
	fieldLast       = 15 // doc_url
)

// cutError is a protobuf that ends inside a field.
type cutError struct{ at, size int }

func (e cutError) Error() string {
	return fmt.Sprintf("profile ends early: cut off at byte %d, inside a field that goes on", e.size)
}

var (
	errNotProfile = errors.New("not a pprof profile")
	errSeveral    = errors.New("several profiles one after another in one file: keep each in a file of its own, or merge them with go tool pprof -proto")
)

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
		return errSeveral
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
	unique := index(p.Sample)
	stacks, named, cut, err := unique.build(frames)
	if err != nil {
		return nil, err
	}
	if cut > 0 {
		out.Problems = append(out.Problems, fmt.Sprintf("%d stacks deeper than %d frames were cut at their outer end", cut, maxDepth))
	}
	out.Samples = make([]Sample, len(p.Sample))
	for i, s := range p.Sample {
		k := unique.of[i]
		if !named[k] {
			out.Unsymbolised++
		}
		out.Samples[i] = Sample{Stack: stacks[k], Values: s.Value, Labels: labels(s), Size: size(s)}
	}
	for _, f := range p.Function {
		if out.GoVersion = stack.GoVersion(f.Filename); out.GoVersion != "" {
			break
		}
	}
	out.Kind = kind(out)
	return out, nil
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

// distinct is the stacks of a profile, each once, however many samples share it.
type distinct struct {
	of  []int32 // the stack of each sample
	ids []int32 // locations of all stacks, one after another
	end []int32 // of each stack in ids
}

// index finds the distinct stacks.
func index(samples []*profile.Sample) *distinct {
	n := 0
	for _, s := range samples {
		n += len(s.Location)
	}
	d := &distinct{of: make([]int32, len(samples)), ids: make([]int32, 0, n), end: make([]int32, 0, len(samples))}
	known := make(map[uint64]int32, len(samples))
	for i, s := range samples {
		start := len(d.ids)
		hash := uint64(len(s.Location))
		for _, l := range s.Location {
			hash = (hash ^ l.ID) * 0x9e3779b97f4a7c15
			hash ^= hash >> 29
			d.ids = append(d.ids, int32(l.ID))
		}
		k, ok := known[hash]
		if ok && slices.Equal(d.stack(int(k)), d.ids[start:]) {
			d.ids = d.ids[:start]
		} else { // a collision costs memory and never mixes stacks
			k = int32(len(d.end))
			known[hash] = k
			d.end = append(d.end, int32(len(d.ids)))
		}
		d.of[i] = k
	}
	return d
}

// stack returns the locations of the i-th stack.
func (d *distinct) stack(i int) []int32 {
	if i == 0 {
		return d.ids[:d.end[0]]
	}
	return d.ids[d.end[i-1]:d.end[i]]
}

// build expands the stacks into one slice of frames. It says which hold a
// function name, and how many were cut.
func (d *distinct) build(x *expansion) (stacks []stack.Stack, named []bool, cut int, err error) {
	stacks, named = make([]stack.Stack, len(d.end)), make([]bool, len(d.end))
	total := 0
	for i := range d.end {
		n := 0
		for _, id := range d.stack(i) {
			n += int(x.at[id+1] - x.at[id])
		}
		if n > maxDepth {
			n = maxDepth
			cut++
		}
		if total += n; total > maxFrames {
			return nil, nil, 0, fmt.Errorf("too large to read safely: more than %d frames in its stacks", maxFrames)
		}
	}
	slab := make([]stack.Frame, 0, total)
	for i := range d.end {
		start, ids := len(slab), d.stack(i)
		named[i] = len(ids) == 0
		for _, id := range ids {
			frames := x.frames[x.at[id]:x.at[id+1]]
			slab = append(slab, frames[:min(len(frames), maxDepth-(len(slab)-start))]...)
			named[i] = named[i] || x.named[id]
		}
		stacks[i] = slab[start:len(slab):len(slab)]
	}
	return stacks, named, cut, nil
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
