package exectrace

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inquest/.ci/mutate"
	"inquest/internal/evidence/exectrace/wire"
)

var mutants = flag.Int("mutants", 2000, "how many damaged traces are read by our decoder and by x/exp/trace")

// outcome is what a decoder makes of a generation.
type outcome struct {
	records []wire.Record // without the times that stand between them
	times   []int64       // of the records, on the trace clock
	tables  wire.Chunk
	err     error
}

// collect returns a sink that keeps everything.
func (o *outcome) collect() wire.Sink {
	var at int64
	return wire.Sink{
		Get: func() (*wire.Chunk, error) { return wire.NewChunk(), nil },
		Put: func(c *wire.Chunk) error {
			for _, r := range c.Records {
				if r.Op == wire.OpTime {
					at = int64(uint64(r.G) | uint64(r.Actor)<<32)
					continue
				}
				at += int64(r.DT)
				r.DT = 0
				o.records = append(o.records, r)
				o.times = append(o.times, at)
			}
			o.tables.Stacks = append(o.tables.Stacks, c.Stacks...)
			o.tables.Names = append(o.tables.Names, c.Names...)
			o.tables.Notes = append(o.tables.Notes, c.Notes...)
			o.tables.Wide = append(o.tables.Wide, c.Wide...)
			if !c.Wall.IsZero() {
				o.tables.Wall, o.tables.WallAt = c.Wall, c.WallAt
			}
			return nil
		},
	}
}

// differ says how what ours made of a generation contradicts what the oracle did, if it does. Where ours
// refuses, it must not have said more than the oracle.
func (o *outcome) differ(ours *outcome) string {
	n := len(o.records)
	if ours.err != nil {
		if len(ours.records) > n {
			return fmt.Sprintf("%d records before it is refused (%v), the oracle has %d (%.200s)", len(ours.records), ours.err, n, o.err)
		}
		n = len(ours.records)
	} else if o.err != nil {
		return fmt.Sprintf("accepted, the oracle says: %.200s", o.err)
	}
	for i := range min(n, len(ours.records)) {
		if ours.records[i] != o.records[i] || ours.times[i] != o.times[i] {
			return fmt.Sprintf("record %d of %d is %+v at %d, the oracle has %+v at %d", i, n, ours.records[i], ours.times[i], o.records[i], o.times[i])
		}
	}
	if len(ours.records) != n {
		return fmt.Sprintf("%d records, the oracle has %d", len(ours.records), n)
	}
	if ours.err != nil {
		return "" // the tables of the oracle go on
	}
	a, b := &ours.tables, &o.tables
	if !slices.Equal(a.Names, b.Names) || !slices.Equal(a.Notes, b.Notes) || !slices.Equal(a.Wide, b.Wide) || !a.Wall.Equal(b.Wall) || a.WallAt != b.WallAt ||
		!slices.EqualFunc(a.Stacks, b.Stacks, func(x, y wire.Stack) bool { return x.Hash == y.Hash && x.Frames.Equal(y.Frames) }) {
		return "the tables differ"
	}
	return ""
}

// judged counts what became of generations.
type judged struct{ generations, both, neither, oracleOnly, files atomic.Int64 }

// compareDecoders decodes each generation of a trace both ways, and says what contradicts.
func compareDecoders(d *wire.Decoder, b []byte, n *judged, refused func(error)) (wrong string) {
	version, ok := formatVersion(b)
	if !ok || version < wire.Oldest || !slices.Contains(formats, version) {
		return ""
	}
	gens, _, err := scan(bytes.NewReader(b), int64(len(b)), version)
	if err != nil {
		return ""
	}
	e := &engine{r: bytes.NewReader(b), size: int64(len(b)), head: b[:wire.HeaderSize]}
	for i := range gens {
		if len(gens[i].parts) == 0 {
			continue
		}
		var ours, oracle outcome
		g := gens[i]
		_, ours.err, err = d.Decode(wire.Generation{R: e.r, Parts: g.parts, Version: version, Latest: g.bound}, ours.collect())
		if err != nil {
			return fmt.Sprintf("generation %d: %v", i, err)
		}
		g = gens[i]
		oracle.err = e.readAgain(&g, version, 0, oracle.collect())
		n.generations.Add(1)
		switch {
		case ours.err == nil && oracle.err == nil:
			n.both.Add(1)
		case oracle.err != nil:
			n.neither.Add(1)
		default:
			n.oracleOnly.Add(1)
			refused(ours.err)
		}
		if wrong := oracle.differ(&ours); wrong != "" {
			return fmt.Sprintf("generation %d: %s", i, wrong)
		}
	}
	n.files.Add(1)
	return ""
}

// recorded returns the names of the traces of testdata, of fixtures and of the command line.
func recorded(t testing.TB) (names []string) {
	names, _ = filepath.Glob("testdata/versions/*.trace")
	err := filepath.WalkDir("../../../fixtures", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, wire.HeaderSize)
		if n, _ := f.Read(head); Sniff(head[:n]) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(names, flag.Args()...)
}

// TestDecoderEqualsOracle holds the decoder to x/exp/trace on every recorded trace, record for record.
func TestDecoderEqualsOracle(t *testing.T) {
	var n judged
	var d wire.Decoder
	for _, name := range recorded(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := compareDecoders(&d, b, &n, func(why error) { t.Errorf("%s: refused: %v", name, why) }); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
	t.Logf("%d traces, %d generations read alike", n.files.Load(), n.both.Load())
	if n.both.Load() < 50 {
		t.Errorf("only %d generations", n.both.Load())
	}
}

// TestDecoderRefusesWhatTheOracleRefuses damages traces in every way that a mutator knows. What ours accepts, the oracle
// accepts, and both read it alike; what ours refuses is left to the oracle, and up to there both say the same.
func TestDecoderRefusesWhatTheOracleRefuses(t *testing.T) {
	var sources [][]byte
	for _, name := range recorded(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := formatVersion(b); v >= wire.Oldest && len(b) < 100<<10 {
			sources = append(sources, b)
		}
	}
	sources = append(sources, smallTraces(t)...)
	var n judged
	var next, made atomic.Int64
	var wait sync.WaitGroup
	var mu sync.Mutex
	why := map[string]int{}
	seed := uint64(time.Now().UnixNano())
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			var d wire.Decoder
			for i := next.Add(1); i <= int64(*mutants) && !t.Failed(); i = next.Add(1) {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				b := mutate.Of(mutate.Trace, sources[r.IntN(len(sources))], r)
				made.Add(1)
				if wrong := compareDecoders(&d, b, &n, func(err error) {
					mu.Lock()
					defer mu.Unlock()
					why[err.Error()]++
				}); wrong != "" {
					name := filepath.Join(os.TempDir(), fmt.Sprintf("mutant-%d-%d.trace", seed, i))
					_ = os.WriteFile(name, b, 0o600)
					t.Errorf("mutant %d of seed %d, in %s: %s", i, seed, name, wrong)
				}
			}
		})
	}
	wait.Wait()
	t.Logf("%d mutants of %d traces, %d generations: %d accepted by both, %d by neither, %d by x/exp/trace alone: %v",
		made.Load(), len(sources), n.generations.Load(), n.both.Load(), n.neither.Load(), n.oracleOnly.Load(), why)
	if n.both.Load() == 0 || n.neither.Load() == 0 {
		t.Error("the mutants are all of a kind")
	}
}

// smallTraces records traces of some kilobytes: a mutant of one is read in a fraction of the time.
func smallTraces(t testing.TB) (all [][]byte) {
	all = append(all, tinyTrace(t))
	for i := range 8 {
		all = append(all, recordTrace(t, func() { workload(rand.New(rand.NewPCG(uint64(i), 5)), time.Millisecond) }))
	}
	return all
}

// TestRefusedGenerationIsReadOnce stops our decoder at some time inside each generation, as it stops where a rule is broken, and lets
// the oracle go on: the Timeline is that of the whole.
func TestRefusedGenerationIsReadOnce(t *testing.T) {
	files, _ := filepath.Glob("testdata/versions/*.trace")
	var refused int
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		version, _ := formatVersion(b)
		if version < wire.Oldest {
			continue
		}
		want, err := readWhole(b)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(7, uint64(len(b))))
		for range 2 {
			gens := generations(t, b)
			e := &engine{ctx: t.Context(), r: bytes.NewReader(b), size: int64(len(b)), head: b[:wire.HeaderSize], fold: newFold()}
			var d wire.Decoder
			for i := range gens {
				e.nextGeneration()
				out := e.direct(wire.NewChunk())
				length := int64(float64(gens[i].latest-gens[i].first) * 1.2)
				n, stopped, err := d.Decode(wire.Generation{R: e.r, Parts: gens[i].parts, Version: version, Latest: func(start int64) int64 {
					return start + r.Int64N(length+1)
				}}, out)
				if err != nil {
					t.Fatal(err)
				}
				if stopped == nil {
					continue
				}
				refused++
				if err := e.readAgain(&gens[i], version, n, out); err != nil {
					t.Fatal(err)
				}
			}
			got := e.fold.finish()
			got.Version, got.Reading = want.Version, want.Reading
			if d := cmp.Diff(want, got, exact); d != "" {
				t.Fatalf("%s: (-whole +parts)\n%s", name, d)
			}
		}
	}
	if refused < 20 {
		t.Errorf("only %d generations were stopped", refused)
	}
}
