package evidence

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/klauspost/compress/zstd"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
)

// cpuProfile makes a CPU profile with so many samples, each of a stack of its own.
func cpuProfile(t testing.TB, samples int) []byte {
	t.Helper()
	p := &profile.Profile{PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7,
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	for i := range 20 {
		f := &profile.Function{ID: uint64(i + 1), Name: fmt.Sprintf("main.f%d", i), Filename: "main.go"}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f, Line: 1}}})
	}
	for i := range samples {
		s := &profile.Sample{Value: []int64{1, 1e7}}
		for n := i + 1; n > 0; n /= 20 {
			s.Location = append(s.Location, p.Location[n%20])
		}
		for len(s.Location) < 60 {
			s.Location = append(s.Location, p.Location[0])
		}
		p.Sample = append(p.Sample, s)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever does not fit into the budget is left out by name, the same files however many are
// read at the same time, and the small ones beside it are read.
func TestBudgetLeavesOutTheSameFiles(t *testing.T) {
	dir := t.TempDir()
	var tarred bytes.Buffer
	archive := tar.NewWriter(&tarred)
	for i, samples := range []int{10, 4000, 4000, 20, 12_000, 4000, 40} {
		data := cpuProfile(t, samples+i) // no two with the same bytes
		write(t, filepath.Join(dir, fmt.Sprintf("%d.pb.gz", i)), data)
		if err := archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("in%d.pb.gz", i), Mode: 0o644, Size: int64(len(data) + i + 1)}); err != nil {
			t.Fatal(err)
		}
		_, _ = archive.Write(append(data, "more...."[:i+1]...))
	}
	_ = archive.Close()
	write(t, filepath.Join(dir, "z.tar"), tarred.Bytes())
	picture := func(jobs int, budget int64) (string, *bound.Memory) {
		memory := bound.NewMemory(budget)
		b, err := Open(context.Background(), []string{dir}, Options{Jobs: jobs, Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, e := range b.Exhibits {
			line := fmt.Sprint(e.Path, " ", e.Coverage)
			for _, p := range e.Problems {
				if e.Coverage == None && (!strings.HasPrefix(p.String(), e.Path+": it needs at least ") || !strings.Contains(p.String(), "; --memory ")) {
					t.Errorf("%s: problem %q", e.Path, p)
				}
			}
			lines = append(lines, line)
		}
		b.Free()
		if err := memory.Account().Grow(budget/2 - 64<<10); err != nil {
			t.Errorf("after the case was freed: %v", err)
		}
		return strings.Join(lines, "\n"), memory
	}
	times := 2
	if testing.Short() {
		times = 1
	}
	for _, budget := range []int64{28 << 20, 40 << 20, 1 << 30} {
		want, _ := picture(1, budget)
		left := strings.Count(want, " none")
		if (budget == 1<<30) != (left == 0) || strings.Count(want, " whole") < 6 {
			t.Errorf("budget %d MB:\n%s", budget>>20, want)
		}
		for range times {
			if got, _ := picture(8, budget); got != want {
				t.Errorf("budget %d MB: eight at a time:\n%s\none at a time:\n%s", budget>>20, got, want)
			}
		}
	}
}

// Standard input is read once, also when what it holds has to be measured again.
func TestBudgetOfStandardInput(t *testing.T) {
	big := cpuProfile(t, 12_000)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.pb.gz"), cpuProfile(t, 12_001))
	b, err := Open(context.Background(), []string{filepath.Join(dir, "a.pb.gz"), "-"}, Options{Jobs: 4, Memory: bound.NewMemory(130 << 20), Stdin: bytes.NewReader(big)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Exhibits {
		if e.Bytes == 0 || len(e.SHA256) != 64 {
			t.Errorf("%s: %d bytes, hash %q, %v", e.Path, e.Bytes, e.SHA256, e.Problems)
		}
	}
}

// A zstd stream that looks back far is paid for, or left out by name; what even zstd refuses
// without being asked is not unpacked.
func TestWindowOfZstdIsPaidFor(t *testing.T) {
	text := []byte("goroutine 1 [running]:\nmain.main()\n\t/src/main.go:10 +0x1d\n\n")
	for _, c := range []struct {
		window int
		budget int64
		want   string // of the problem; empty when it is read
	}{
		{1 << 20, bound.Least, ""},
		{8 << 20, bound.Least, ""},
		{64 << 20, bound.Least, "it needs at least 56 MiB of memory"},
		{64 << 20, 256 << 20, ""},
		{128 << 20, 1 << 30, ""},
		{256 << 20, 4 << 30, "looks back further than the 128 MiB that are read"},
	} {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(c.window), zstd.WithSingleSegment(false))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // more than fits into one write, so that the window is not cut to the content
			_, _ = w.Write(text)
			_ = w.Flush()
		}
		_ = w.Close()
		memory := bound.NewMemory(c.budget)
		name := filepath.Join(t.TempDir(), "dump.txt.zst")
		write(t, name, b.Bytes())
		bundle, err := Open(context.Background(), []string{name}, Options{Memory: memory})
		if err != nil || len(bundle.Exhibits) == 0 {
			t.Fatal(err, bundle)
		}
		e := bundle.Exhibits[0]
		if problems := prose.Join(e.Problems, "\n").String(); (e.Coverage == None) != (c.want != "") || !strings.Contains(problems, c.want) {
			t.Errorf("window of %d MB, budget of %d MB: %s, %q", c.window>>20, c.budget>>20, e.Coverage, problems)
		}
		bundle.Free()
		if err := memory.Account().Grow(c.budget/2 - 64<<10); err != nil {
			t.Errorf("window of %d MB: after the case was freed: %v", c.window>>20, err)
		}
	}
}
