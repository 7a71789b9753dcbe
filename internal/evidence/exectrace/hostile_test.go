package exectrace

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
)

// counting counts the bytes that are read.
type counting struct {
	*bytes.Reader
	n int64
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(b, off)
	c.n += int64(n)
	return n, err
}

// Batches that begin again every few bytes after ones that make no sense must not cost
// a look at the rest of the file each.
func TestScanOfManyHoles(t *testing.T) {
	one := []byte{0}
	for range 5 {
		one = append(one, wire.EventBatch, 1, 1, 1, 0)
	}
	const holes = 20_000
	b := append([]byte("go 1.26 trace\x00\x00\x00"), wire.EventBatch, 1, 1, 1, 0)
	b = append(b, bytes.Repeat(one, holes)...)
	r := &counting{Reader: bytes.NewReader(b)}
	if _, _, err := scan(r, int64(len(b)), 26); err != nil {
		t.Error(err)
	}
	if r.n > holes*(wire.PeekSize+1<<12) {
		t.Errorf("%d bytes with %d holes: read %d bytes", len(b), holes, r.n)
	}
}

// Places that differ in file or in the upper half of the line alone are told apart by their hash.
func TestStacksOfOneFunctionAreFound(t *testing.T) {
	c := &wire.Chunk{}
	w, err := wire.NewWriter(wire.Sink{Get: func() (*wire.Chunk, error) { return c, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30_000 {
		w.Frame("main.f", "f.go", uint64(i)<<16)
		w.Stack()
		w.Frame("main.f", fmt.Sprint(i, ".go"), 1)
		w.Stack()
	}
	hashes := map[uint64]bool{}
	for _, s := range c.Stacks {
		hashes[s.Hash] = true
	}
	if len(hashes) != len(c.Stacks) {
		t.Errorf("%d hashes for %d stacks that differ", len(hashes), len(c.Stacks))
	}
}

// A trace names few reasons; one that names new ones in every generation must not make
// the fold look through all of them at every event.
func TestReasonsAreBounded(t *testing.T) {
	f := newFold()
	for gen := range 100 {
		s := newScript()
		for i := range 250 {
			s.add(time.Duration(gen)*time.Second+time.Duration(2*i), wire.Record{Op: wire.OpStart, G: gid(1), Proc: pid(0)})
			s.add(time.Duration(gen)*time.Second+time.Duration(2*i+1), wire.Record{Op: wire.OpBlock, G: gid(1), Proc: pid(0), Aux: s.reason(fmt.Sprint("reason ", gen, i))})
		}
		f.generation()
		f.chunk(&s.c, 0)
	}
	if n := len(f.waits); n > maxReasons {
		t.Errorf("%d kinds of waits without a stack", n)
	}
	var total int64
	for _, w := range f.finish().Waits {
		total += w.Count
	}
	if total != 25_000 {
		t.Errorf("%d waits, want 25000", total)
	}
}

// A hole that swallows a generation and the end of the one before has damaged both, and is
// what people are told of, rather than what the reader stumbles over for want of it.
func TestHoleIsNamed(t *testing.T) {
	b := bytes.Clone(load(t, "long1.26.trace"))
	gens := generations(t, b)
	var last int64 // batch of generation 2
	s := &wire.Headers{R: bytes.NewReader(b), Size: int64(len(b)), Ends: true}
	for off := gens[1].parts[0].From; off < gens[1].parts[0].To-1; {
		h, err := s.At(off)
		if err != nil {
			t.Fatal(err)
		}
		last, off = off, off+h.Length+h.Size
	}
	clear(b[last:gens[3].parts[0].From])
	want := fmt.Sprintf("generation 2 of %d is damaged: byte 0 where a batch should begin at byte %d", len(gens), last)
	if r := read(t, b, 2).Reading; r.Read != r.Generations-2 || r.Generations != len(gens) || r.Problem.String() != want {
		t.Errorf("%+v, want two generations of %d missing and %q", r, len(gens), want)
	}
}

// shrinking is a file that somebody cuts while it is read.
type shrinking struct {
	*bytes.Reader
	size int64
	on   bool
}

func (s *shrinking) ReadAt(b []byte, off int64) (int, error) {
	if s.on && off >= s.size {
		return 0, io.EOF
	}
	return s.Reader.ReadAt(b, off)
}

func TestFileThatShrinksWhileItIsRead(t *testing.T) {
	b := load(t, "long1.24.trace")
	g := generations(t, b)[0]
	h, err := wire.ParseHeader(b[g.parts[0].From:], false)
	if err != nil {
		t.Fatal(err)
	}
	s := &shrinking{Reader: bytes.NewReader(b), size: g.parts[0].From + h.Length + h.Size, on: true}
	f := &feed{r: s, parts: slices.Clone(g.parts), ahead: b[:wire.HeaderSize]}
	var got int
	for {
		p := make([]byte, 1<<16)
		n, err := f.Read(p)
		got += n
		if err == io.EOF && n > 0 {
			continue
		}
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v after %d bytes, want to be told that bytes are missing", err, got)
			}
			return
		}
	}
}

// Windows that make no sense leave an empty Timeline, not a strange one.
func TestStrangeWindows(t *testing.T) {
	for _, name := range []string{"long1.26.trace", "go1.21.trace", "go1.22.trace"} {
		b := load(t, name)
		whole := read(t, b, 1)
		for _, w := range [][2]time.Duration{
			{whole.Duration / 2, whole.Duration / 4},
			{whole.Duration / 2, 0},
			{whole.Duration / 2, -time.Second},
			{whole.Duration / 2, whole.Duration / 2},
			{0, 0},
			{-2 * time.Second, -time.Second},
			{forever, forever},
			{-forever - 1, -forever - 1},
			{forever, -forever},
		} {
			for _, jobs := range []int{1, 2, 5} {
				tl := readPart(t, b, jobs, w[0], w[1])
				if !tl.Narrowed.Outside || tl.Duration != 0 || tl.Events != 0 || len(tl.Waits) != 0 {
					t.Errorf("%s, %v, %d jobs: %v, %d events, %+v", name, w, jobs, tl.Duration, tl.Events, tl.Narrowed)
				}
			}
		}
	}
}

// What a window tells does not depend on how many generations are read at a time.
func TestWindowsDoNotDependOnJobs(t *testing.T) {
	b := load(t, "long1.26.trace")
	whole := read(t, b, 1)
	for i := range 12 {
		from := whole.Duration * time.Duration(i) / 12
		want := fmt.Sprint(sums(readPart(t, b, 1, from, from+whole.Duration/7)))
		for _, jobs := range []int{2, 5} {
			if got := fmt.Sprint(sums(readPart(t, b, jobs, from, from+whole.Duration/7))); got != want {
				t.Errorf("from %v, %d jobs:\n%s, want\n%s", from, jobs, got, want)
			}
		}
	}
}

// cancelAfter cancels a context at the n-th read.
type cancelAfter struct {
	*bytes.Reader
	n      chan struct{}
	cancel func()
}

func (c *cancelAfter) ReadAt(b []byte, off int64) (int, error) {
	select {
	case c.n <- struct{}{}:
	default:
		c.cancel()
	}
	return c.Reader.ReadAt(b, off)
}

// An interruption at any read ends the reading, and goleak sees that nobody stays behind.
func TestCancelAtEveryRead(t *testing.T) {
	for _, name := range []string{"long1.26.trace", "long1.24.trace", "go1.21.trace"} {
		b := load(t, name)
		for _, jobs := range []int{1, 2, 5} {
			for n := 0; n < 400; n += 17 {
				ctx, cancel := context.WithCancel(context.Background())
				r := &cancelAfter{bytes.NewReader(b), make(chan struct{}, n), cancel}
				done := make(chan error, 1)
				var tl *Timeline
				go func() {
					var err error
					tl, err = Read(ctx, r, int64(len(b)), Options{Jobs: jobs})
					done <- err
				}()
				select {
				case err := <-done:
					if err == nil && ctx.Err() != nil && tl.Reading.Problem != "interrupted" && tl.Reading.Read < tl.Reading.Generations {
						t.Errorf("%s, %d jobs, read %d: %+v", name, jobs, n, tl.Reading)
					}
					if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "interrupted") {
						t.Errorf("%s, %d jobs, read %d: %v", name, jobs, n, err)
					}
				case <-time.After(20 * time.Second):
					t.Fatalf("%s, %d jobs: hangs when interrupted at read %d", name, jobs, n)
				}
				cancel()
			}
		}
	}
}

// Generations whose numbers go back, repeat or leap do not confuse the reading.
func TestStrangeGenerationNumbers(t *testing.T) {
	for _, numbers := range [][]uint64{{5, 4, 3, 2, 1}, {1, 1, 1, 1}, {1, 1 << 40, 2, 1 << 62}, {1<<64 - 1, 1, 1<<64 - 1}} {
		for _, version := range []string{"23", "26"} {
			b := []byte("go 1." + version + " trace\x00\x00\x00")
			for _, n := range numbers {
				for range 3 {
					b = append(b, wire.EventBatch)
					b = binary.AppendUvarint(b, n)
					b = append(b, 1, 1, 0)
				}
				if version == "26" {
					b = append(b, wire.EndOfGeneration)
				}
			}
			for _, jobs := range []int{1, 2, 5} {
				if tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: jobs}); err == nil {
					t.Errorf("%v in format %s: %d events", numbers, version, tl.Events)
				}
			}
		}
	}
}

// A trace longer than any bound on open tasks: those that have ended make room.
func TestTasksInFocusMakeRoom(t *testing.T) {
	f := newFold()
	f.focus.task = "order"
	const tasks = maxTasks + maxEnded + 10
	f.generation()
	for i := range tasks {
		s := newScript()
		s.c.Notes = []wire.Note{{Task: uint64(i + 1), Name: "order"}, {Task: uint64(i + 1), Name: "store"}, {Task: uint64(i + 1), Name: "order"}}
		f.generation()
		for k, op := range []wire.Op{wire.OpTask, wire.OpRegion, wire.OpRegionEnd, wire.OpTaskEnd} {
			s.add(time.Duration(10*i+k), wire.Record{Op: op, G: gid(1), Start: uint32([]int{0, 1, 1, 2}[k])})
		}
		f.chunk(&s.c, 0)
	}
	if n := len(f.focus.tasks); n > maxEnded {
		t.Errorf("%d tasks are kept, all of which have ended", n)
	}
	if n := f.finish().InFocus; n != tasks {
		t.Errorf("%d regions in focus, want those of %d tasks", n, tasks)
	}
}

// However large generations are and however many work on them, all are handed out, in order,
// and those of all traces together keep to the bound unless one alone is above it.
func TestAdmission(t *testing.T) {
	const mb = 1 << 20
	for _, sizes := range [][]int64{{300, 300, 300}, {10, 300, 10, 10, 300, 1}, {100, 100, 100, 100}, {0, 0, 0}, {192, 1, 192}, {191, 1, 1}} {
		for _, workers := range []int{1, 2, 5} {
			memory := bound.NewMemory(bound.Default)
			var taken, under atomic.Int64
			var wait sync.WaitGroup
			for range 2 { // traces
				gens := make([]generation, len(sizes))
				for i, n := range sizes {
					gens[i].parts = []wire.Section{{From: 0, To: n * mb}}
				}
				a := &admission{memory: memory, gens: gens}
				for range workers {
					wait.Go(func() {
						for last := -1; ; {
							i, ok := a.take(context.Background())
							if !ok {
								return
							}
							if i <= last {
								t.Errorf("%v, %d workers: %d after %d", sizes, workers, i, last)
							}
							last = i
							taken.Add(1)
							if n := under.Add(gens[i].memory()); n > memory.Decoding() && !slices.Contains(sizes, n/mb) {
								t.Errorf("%v, %d workers: %d MB at a time", sizes, workers, n/mb)
							}
							runtime.Gosched()
							under.Add(-gens[i].memory())
							a.give(i)
						}
					})
				}
			}
			wait.Wait()
			if taken.Load() != 2*int64(len(sizes)) {
				t.Errorf("%v, %d workers: %d handed out of two traces", sizes, workers, taken.Load())
			}
		}
	}
}

// A batch of five bytes makes the reader allocate a hundred times as much: a generation of
// too many is not read, and costs the others nothing.
func TestBatchesAreBounded(t *testing.T) {
	small := []byte{wire.EventBatch, 1, 1, 1, 0}
	b := append([]byte("go 1.26 trace\x00\x00\x00"), bytes.Repeat(small, maxBatches+1)...)
	b = append(b, wire.EndOfGeneration)
	b = append(b, bytes.Repeat([]byte{wire.EventBatch, 2, 1, 1, 0}, 3)...)
	b = append(b, wire.EndOfGeneration)
	gens, _, err := scan(bytes.NewReader(b), int64(len(b)), 26)
	if err != nil || len(gens) != 2 {
		t.Fatalf("%d generations, %v", len(gens), err)
	}
	if g := gens[0]; !strings.Contains(g.damaged.String(), "batches") || g.size() > 1 {
		t.Errorf("%q, %d bytes to read", g.damaged, g.size())
	}
	if g := gens[1]; g.damaged != "" || g.size() != 16 || g.memory() != 16+3*batchMemory {
		t.Errorf("%q, %d bytes to read, which take %d", g.damaged, g.size(), g.memory())
	}
}

// Generation numbers up to the greatest there is, with holes before and behind, must end the
// scan where the file ends.
func TestGreatestGenerationNumbers(t *testing.T) {
	batch := func(b []byte, gen uint64) []byte {
		b = append(b, wire.EventBatch)
		b = binary.AppendUvarint(b, gen)
		return append(b, 1, 100, 2, 0, 0)
	}
	numbers := []uint64{1, 2, math.MaxUint64 - 1, math.MaxUint64}
	for _, first := range numbers {
		for _, second := range numbers {
			for _, version := range []int{23, 26} {
				b := fmt.Appendf(nil, "go 1.%d trace\x00\x00\x00", version)
				b = batch(batch(b, first), first)
				b = append(b, 0xff)
				b = batch(batch(b, second), second)
				b = append(b, 0xff, 0xff)
				gens, _, err := scan(bytes.NewReader(b), int64(len(b)), version)
				if err != nil || len(gens) > 4 {
					t.Errorf("%d, then %d, format %d: %d generations, %v", first, second, version, len(gens), err)
				}
				_, _ = Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: 2})
			}
		}
	}
}

// Holes that each stand for many generations are bounded together, and a hole for itself.
func TestHolesStandForBoundedGenerations(t *testing.T) {
	b := []byte("go 1.26 trace\x00\x00\x00")
	for gen := uint64(1); len(b) < 64<<10; gen += maxHole - 1 {
		for range 4 {
			b = append(b, wire.EventBatch)
			b = binary.AppendUvarint(b, gen)
			b = append(b, 1, 100, 0)
		}
		b = append(b, 0xff)
	}
	gens, _, err := scan(bytes.NewReader(b), int64(len(b)), 26)
	if err != nil || len(gens) < maxGenerations || len(gens) > maxGenerations+1 {
		t.Errorf("%d generations, %v; want the bound of %d", len(gens), err, maxGenerations)
	}
}

// What stands before a hole is read, however long it is.
func TestLongHole(t *testing.T) {
	b := load(t, "long1.26.trace")
	whole := read(t, b, 2)
	for _, hole := range []int{1 << 20, 20_000_000, 40_000_000} {
		end := &padded{Reader: bytes.NewReader(b), size: int64(len(b)), zeros: int64(hole)}
		tl, err := Read(context.Background(), end, end.size+end.zeros, Options{Jobs: 2})
		if err != nil {
			t.Errorf("%d zeros behind it: %v", hole, err)
		} else if tl.Events != whole.Events || tl.Reading.Problem == "" {
			t.Errorf("%d zeros behind it: %d events and %q, want %d and the hole named", hole, tl.Events, tl.Reading.Problem, whole.Events)
		}
	}
}

// padded is a file with zeros behind it.
type padded struct {
	*bytes.Reader
	size, zeros int64
}

func (p *padded) ReadAt(b []byte, off int64) (n int, err error) {
	b = b[:min(int64(len(b)), max(0, p.size+p.zeros-off))]
	if off < p.size {
		n, _ = p.Reader.ReadAt(b, off)
	}
	clear(b[n:])
	if len(b) == 0 {
		err = io.EOF
	}
	return len(b), err
}

// Bytes that make no sense every few bytes must not make what is kept of them larger than the file.
func TestManyHolesInOneGeneration(t *testing.T) {
	b := []byte("go 1.26 trace\x00\x00\x00")
	for range 100_000 {
		for range 4 {
			b = append(b, wire.EventBatch, 1, 1, 1, 0)
		}
		b = append(b, 0)
	}
	gens, _, err := scan(bytes.NewReader(b), int64(len(b)), 26)
	if err != nil || len(gens) != 1 || len(gens[0].parts) != 0 || gens[0].damaged == "" {
		t.Errorf("%d generations, %v; want one that is given up and says so", len(gens), err)
	}
}

// faulty is a file whose reading panics from some place on.
type faulty struct {
	*bytes.Reader
	from int64
	on   atomic.Bool
}

func (f *faulty) ReadAt(b []byte, off int64) (int, error) {
	if f.on.Load() && off >= f.from {
		panic("a bug")
	}
	return f.Reader.ReadAt(b, off)
}

// A panic in a goroutine of the reader costs what it was reading, not the process.
func TestPanicOfAWorkerIsDamage(t *testing.T) {
	b := load(t, "long1.26.trace")
	gens := generations(t, b)
	for _, jobs := range []int{1, 3} {
		f := &faulty{Reader: bytes.NewReader(b), from: gens[2].parts[0].From}
		tl, err := Read(context.Background(), f, int64(len(b)), Options{Jobs: jobs, Window: func(time.Time) (time.Duration, time.Duration) {
			f.on.Store(true) // the generations have been found
			return 0, math.MaxInt64
		}})
		if err != nil || tl.Reading.Read != 2 || !strings.Contains(tl.Reading.Problem.String(), "a bug") {
			t.Errorf("%d at a time: %v, %+v", jobs, err, tl)
		}
	}
}
