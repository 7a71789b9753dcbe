package exectrace

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"inquest/internal/evidence/exectrace/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/versions", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func generations(t testing.TB, b []byte) []generation {
	t.Helper()
	v, ok := formatVersion(b)
	if !ok {
		t.Fatal("no header")
	}
	gens, short, err := scan(bytes.NewReader(b), int64(len(b)), v)
	if err != nil || short {
		t.Fatalf("scan: short %v, %v", short, err)
	}
	return gens
}

func read(t testing.TB, b []byte, jobs int) *Timeline {
	t.Helper()
	tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: jobs})
	if err != nil {
		t.Fatal(err)
	}
	return tl
}

// long are traces of several generations, of formats with and without an end
// byte for each.
var long = []string{"long1.24.trace", "long1.26.trace"}

func TestCutFileKeepsWhatCameBefore(t *testing.T) {
	for _, name := range long {
		for _, share := range []float64{0.3, 0.6, 0.9} {
			b := load(t, name)
			cut := b[:int(float64(len(b))*share)]
			gens := generations(t, b)
			whole := 0
			for whole < len(gens) && gens[whole].parts[0].To <= int64(len(cut)) {
				whole++
			}
			for _, jobs := range []int{1, 2} {
				got := read(t, cut, jobs)
				if r := got.Reading; !r.Truncated || r.Read != whole || r.Generations != whole+1 || !strings.Contains(r.Problem.String(), "cut short") {
					t.Errorf("%s cut at %.0f %%: %+v, want %d of %d and cut short", name, share*100, r, whole, whole+1)
				}
				if l := got.Reading.Lost; l <= 0 || l > 1100*time.Millisecond {
					t.Errorf("%s: lost %v of one generation of about a second", name, l)
				}
				if in := got.Reading.Inside; in != 0 {
					t.Errorf("%s: %v lost inside, want all at the end", name, in)
				}
				want := read(t, b[:gens[whole-1].parts[0].To], jobs)
				if got.Events > want.Events {
					continue // the cut generation had some events that could be used
				}
				got.Reading, want.Reading = Reading{}, Reading{}
				if d := cmp.Diff(want, got, exact); d != "" {
					t.Errorf("%s: differs from the whole generations alone:\n%s", name, d)
				}
			}
		}
	}
}

func TestZeroedGenerationIsSkipped(t *testing.T) {
	for _, name := range long {
		b := load(t, name)
		gens := generations(t, b)
		mid := len(gens) / 2
		p := gens[mid].parts[0]
		before := read(t, b, 1)
		var lost int64
		one := append(bytes.Clone(b[:wire.HeaderSize]), b[p.From:p.To]...)
		lost = read(t, one, 1).Events
		clear(b[p.From:p.To])
		got := read(t, b, 2)
		r := got.Reading
		if r.Read != len(gens)-1 || r.Truncated || !strings.Contains(r.Problem.String(), "damaged") {
			t.Errorf("%s: %+v, want %d read and one damaged", name, r, len(gens)-1)
		}
		if got.Events != before.Events-lost {
			t.Errorf("%s: %d events, want %d without the %d of the zeroed generation", name, got.Events, before.Events-lost, lost)
		}
		if r.Lost < 800*time.Millisecond || r.Lost > 1200*time.Millisecond {
			t.Errorf("%s: lost %v, want about a second", name, r.Lost)
		}
		if r.Inside != r.Lost {
			t.Errorf("%s: %v of %v lost lie between events that were read, want all", name, r.Inside, r.Lost)
		}
		if got.Duration != before.Duration {
			t.Errorf("%s: duration %v, want %v", name, got.Duration, before.Duration)
		}
		if len(got.Open) != len(before.Open) {
			t.Errorf("%s: %d open waits, want %d", name, len(got.Open), len(before.Open))
		}
	}
}

func TestZeroedBytesInsideAGeneration(t *testing.T) {
	for _, name := range long {
		b := load(t, name)
		gens := generations(t, b)
		p := gens[1].parts[0]
		clear(b[p.From+(p.To-p.From)/3 : p.From+(p.To-p.From)/2])
		r := read(t, b, 2).Reading
		if r.Problem == "" || r.Read != len(gens)-1 {
			t.Errorf("%s: %+v, want one of %d generations damaged", name, r, len(gens))
		}
	}
}

func TestTraceWithoutStop(t *testing.T) {
	b := load(t, "long1.26.trace")
	gens := generations(t, b)
	p := gens[len(gens)-1].parts[0]
	s := &wire.Headers{R: bytes.NewReader(b), Size: int64(len(b)), Ends: true}
	off := p.From // keep the first batches of the last generation
	for range 2 {
		h, err := s.At(off)
		if err != nil {
			t.Fatal(err)
		}
		off += h.Length + h.Size
	}
	r := read(t, b[:off], 2).Reading
	if !r.Truncated || !strings.Contains(r.Problem.String(), "trace.Stop was not called") {
		t.Errorf("%+v, want it truncated and the missing trace.Stop named", r)
	}
}

// TestFlippedBitsNeverCostTheFile flips bits all over traces: whatever it does,
// most of the file is still read, in bounded time, and times stay plausible.
func TestFlippedBitsNeverCostTheFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range long {
		whole := load(t, name)
		events := read(t, whole, 1).Events
		unnoticed := 0
		const flips = 120
		for range flips {
			b := bytes.Clone(whole)
			at := wire.HeaderSize + rng.IntN(len(b)-wire.HeaderSize)
			b[at] ^= 1 << rng.IntN(8)
			tl := read(t, b, 2)
			if tl.Reading.Problem == "" && tl.Reading.Read != tl.Reading.Generations {
				t.Errorf("%s, byte %d: %+v: something lost and no problem named", name, at, tl.Reading)
			}
			if tl.Reading.Problem == "" {
				unnoticed++
			}
			if tl.Events < events/2 {
				t.Errorf("%s, byte %d: %d of %d events read: %+v", name, at, tl.Events, events, tl.Reading)
			}
			if tl.Duration > time.Minute {
				t.Errorf("%s, byte %d: lasts %v", name, at, tl.Duration)
			}
		}
		t.Logf("%s: %d of %d flips changed a value that nothing checks", name, unnoticed, flips)
	}
}

func TestUnreadable(t *testing.T) {
	header := func(v string) []byte { return append([]byte("go 1."+v+" trace"), 0, 0, 0) }
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "empty file"},
		{"text", []byte("hello, this is a log file of some kind\n"), "not an execution trace"},
		{"half a header", []byte("go 1.26"), "cut inside the header"},
		{"header alone", header("26"), "holds no events"},
		{"newer", append(header("29"), make([]byte, 100)...), "Go 1.29, newer than this reader understands (up to Go 1.27)"},
		{"zeros", append(header("26"), make([]byte, 1000)...), "byte 0 where a batch should begin"},
		{"cut in the first batch", load(t, "go1.26.trace")[:24], "cut before the end of its first batch"},
		{"a million empty generations", manyGenerations(1 << 20), "no frequency event found"},
		{"cut old format", load(t, "go1.21.trace")[:40000], ""},
		{"old format, damaged", bytes.Replace(load(t, "go1.21.trace"), []byte{1, 2}, []byte{255, 255}, -1), ""},
	} {
		tl, err := Read(context.Background(), bytes.NewReader(c.in), int64(len(c.in)), Options{})
		if err == nil {
			t.Errorf("%s: read %d events", c.name, tl.Events)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want %q", c.name, err, c.want)
		}
	}
}

func manyGenerations(n int) []byte {
	b := []byte("go 1.23 trace\x00\x00\x00")
	for i := range n {
		b = append(b, wire.EventBatch)
		b = binary.AppendUvarint(b, uint64(i+1))
		b = append(b, 1, 1, 0)
	}
	return b
}

func TestMoreGenerationsThanAreBelieved(t *testing.T) {
	b := manyGenerations(maxGenerations + 1000)
	gens, _, err := scan(bytes.NewReader(b), int64(len(b)), 23)
	if err != nil || len(gens) != maxGenerations || gens[maxGenerations-1].damaged == "" {
		t.Errorf("%d generations, %v; want %d and the rest mentioned", len(gens), err, maxGenerations)
	}
}

// stopper cancels a context when a file has been read up to some offset.
type stopper struct {
	io.ReaderAt
	at     int64
	cancel func()
	mu     sync.Mutex
	last   int64
	armed  bool
}

func (s *stopper) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && off >= s.at {
		s.cancel()
	}
	s.armed = s.armed || off < s.last // the scan of headers comes first
	s.last = off
	return s.ReaderAt.ReadAt(b, off)
}

func TestInterrupted(t *testing.T) {
	b := load(t, "long1.26.trace")
	gens := generations(t, b)
	for _, jobs := range []int{1, 3} {
		ctx, cancel := context.WithCancel(context.Background())
		r := &stopper{ReaderAt: bytes.NewReader(b), at: gens[len(gens)-1].parts[0].From, cancel: cancel}
		tl, err := Read(ctx, r, int64(len(b)), Options{Jobs: jobs})
		switch {
		case err == nil && tl.Reading.Problem != "interrupted":
			t.Errorf("%d jobs: %+v, want it marked as interrupted", jobs, tl.Reading)
		case err == nil && jobs == 1 && tl.Reading.Read != len(gens)-1:
			t.Errorf("%d jobs: read %d generations before the interruption, want %d", jobs, tl.Reading.Read, len(gens)-1)
		case err == nil && (tl.Reading.Lost <= 0 || tl.Reading.Lost > 5*time.Second):
			t.Errorf("%d jobs: lost %v of a trace of 4 s", jobs, tl.Reading.Lost)
		case err != nil && err != context.Canceled:
			t.Errorf("%d jobs: %v", jobs, err)
		}
		cancel()
	}
}

func TestProgressEndsAtTheSize(t *testing.T) {
	b := load(t, "long1.26.trace")
	var done, total, events int64
	tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Progress: func(d, n, e int64) { done, total, events = d, n, e }})
	if err != nil {
		t.Fatal(err)
	}
	if total != int64(len(b)) || done > total || done < total-wire.HeaderSize || events != tl.Events {
		t.Errorf("last progress %d of %d bytes, %d events; the file has %d and %d", done, total, events, len(b), tl.Events)
	}
}
