package pprofile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/stack"
)

// plain is the slow, obvious way from the parser of google/pprof to a Profile.
func plain(data []byte) (*Profile, error) {
	p, err := profile.ParseUncompressed(data)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		return nil, err
	}
	out := &Profile{Period: p.Period, PeriodUnit: p.PeriodType.Unit, Duration: time.Duration(max(p.DurationNanos, 0))}
	if p.TimeNanos > 0 {
		out.Time = time.Unix(0, p.TimeNanos).UTC()
	}
	for _, t := range p.SampleType {
		out.Columns = append(out.Columns, Column{t.Type, t.Unit})
	}
	if len(p.Mapping) > 0 {
		out.BuildID = p.Mapping[0].BuildID
	}
	for _, s := range p.Sample {
		our := Sample{Values: s.Value}
		named := len(s.Location) == 0
		for _, l := range s.Location {
			found := false
			for _, n := range l.Line {
				if n.Function.Name != "" {
					our.Stack = append(our.Stack, &stack.Frame{Function: n.Function.Name, File: n.Function.Filename, Line: int(n.Line)})
					found = true
				}
			}
			named = named || found
			if !found && l.Mapping != nil && l.Mapping.File != "" {
				our.Stack = append(our.Stack, &stack.Frame{Function: "[" + path.Base(l.Mapping.File) + "]"})
			} else if !found {
				our.Stack = append(our.Stack, &stack.Frame{Function: "[unknown]"})
			}
		}
		if !named {
			out.Unsymbolised++
		}
		our.Stack = our.Stack[:min(len(our.Stack), maxDepth)]
		for key, values := range s.Label {
			for _, v := range values {
				our.label(key, v)
			}
		}
		for key, values := range s.NumLabel {
			for i, v := range values {
				text := strconv.FormatInt(v, 10)
				if units := s.NumUnit[key]; i < len(units) && units[i] != "" {
					text += " " + units[i]
				}
				if key == "bytes" {
					if i == 0 {
						our.Size = v
					}
					continue
				}
				our.label(key, text)
			}
		}
		out.Samples = append(out.Samples, our)
	}
	for _, f := range p.Function {
		if out.GoVersion == "" {
			out.GoVersion = stack.GoVersion(f.Filename)
		}
	}
	return out, nil
}

func (s *Sample) label(key, value string) {
	if s.Labels == nil {
		s.Labels = map[string][]string{}
	}
	s.Labels[key] = append(s.Labels[key], value)
}

// compare holds what we make of a profile to what google/pprof makes of it.
func compare(t *testing.T, name string, data []byte, mustRead bool) {
	t.Helper()
	want, errPlain := plain(data)
	got, err := parse(data)
	if errPlain != nil {
		return // it is stricter about strings that nobody asks for
	}
	if err != nil && !mustRead {
		return // and about what stands where no field should
	}
	if err != nil {
		t.Errorf("%s: %v, and google/pprof reads it", name, err)
		return
	}
	got.Kind, got.Problems = "", nil
	for i := range want.Samples { // nil and empty are the same
		if len(want.Samples[i].Stack) == 0 && len(got.Samples) > i && len(got.Samples[i].Stack) == 0 {
			want.Samples[i].Stack = got.Samples[i].Stack
		}
		// A text and a number under one key come in the order of the file, or texts first.
		if len(got.Samples) > i {
			for key, values := range want.Samples[i].Labels {
				if len(values) > 1 && len(got.Samples[i].Labels[key]) == len(values) {
					want.Samples[i].Labels[key] = got.Samples[i].Labels[key]
				}
			}
		}
	}
	if len(want.Samples) == 0 && len(got.Samples) == 0 {
		want.Samples = got.Samples
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s (-google/pprof +ours):\n%s", name, cmp.Diff(want, got))
	}
}

func TestLikeTheParserOfPprof(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.pb.gz")
	more, _ := filepath.Glob("../../../fixtures/[^u]*/*/*.pb.gz")
	if len(files) == 0 || len(more) == 0 {
		t.Fatal("no profiles")
	}
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, file, unzipped(data), true)
	}
	compare(t, "large", unzipped(encode(t, large(3000))), true)
}

func FuzzLikeTheParserOfPprof(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.pb.gz")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		if data = unzipped(data); len(data) < 3000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !legacy(data) && !bytes.HasPrefix(data, gzipMagic) && len(data) < 1<<16 {
			compare(t, "mutant", data, false)
		}
	})
}

// peak returns the most memory that the heap held while f ran, in bytes, above what it held before.
func peak(f func()) int64 {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	before, most := heap(), int64(0)
	done, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for {
			most = max(most, heap())
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return max(most, heap()) - before
}

// hostile makes profiles that ask for much memory with few bytes.
func hostile() map[string][]byte {
	field := func(b []byte, number int, payload []byte) []byte {
		b = protowire.AppendTag(b, protowire.Number(number), protowire.BytesType)
		return protowire.AppendBytes(b, payload)
	}
	num := func(b []byte, number int, x uint64) []byte {
		b = protowire.AppendTag(b, protowire.Number(number), protowire.VarintType)
		return protowire.AppendVarint(b, x)
	}
	types := field(field(nil, fieldSampleType, num(num(nil, 1, 1), 2, 2)), fieldString, nil)
	types = field(field(types, fieldString, []byte("cpu")), fieldString, []byte("nanoseconds"))
	types = field(types, fieldString, []byte(objectSize))
	function := field(nil, fieldFunction, num(num(nil, 1, 1), 2, 1))
	repeat := func(n int, f func(i int) []byte) (b []byte) {
		for i := range n {
			b = append(b, f(i)...)
		}
		return b
	}
	place := func(i int) []byte {
		return field(nil, fieldLocation, field(num(nil, 1, uint64(i+1)), 4, num(nil, 1, 1)))
	}
	label := field(nil, 3, num(num(nil, 1, 3), 3, 7))
	long := field(nil, fieldLocation, append(num(nil, 1, 1), repeat(4096, func(int) []byte { return field(nil, 4, num(nil, 1, 1)) })...))
	return map[string][]byte{
		"labels":    field(bytes.Clone(types), fieldSample, append(num(nil, 2, 1), repeat(250_000, func(int) []byte { return label })...)),
		"samples":   append(bytes.Clone(types), repeat(250_000, func(int) []byte { return field(nil, fieldSample, num(nil, 2, 1)) })...),
		"strings":   append(bytes.Clone(types), repeat(150_000, func(int) []byte { return field(nil, fieldString, []byte("a")) })...),
		"sizes":     append(bytes.Clone(types), repeat(150_000, func(int) []byte { return field(nil, fieldString, []byte(objectSize)) })...),
		"functions": append(bytes.Clone(types), repeat(150_000, func(i int) []byte { return field(nil, fieldFunction, num(num(nil, 1, uint64(i+1)), 2, 1)) })...),
		"odd ids":   append(bytes.Clone(types), repeat(150_000, func(i int) []byte { return field(nil, fieldFunction, num(nil, 1, uint64(i+1)<<32)) })...),
		"mappings":  append(bytes.Clone(types), repeat(150_000, func(i int) []byte { return field(nil, fieldMapping, num(nil, 1, uint64(i+1))) })...),
		"types":     append(bytes.Clone(types), repeat(150_000, func(int) []byte { return field(nil, fieldSampleType, nil) })...),
		"types and samples": append(repeat(20_000, func(int) []byte { return types[:6] }),
			append(bytes.Clone(types), repeat(20_000, func(int) []byte { return field(nil, fieldSample, num(nil, 2, 1)) })...)...),
		"locations": append(append(bytes.Clone(types), function...), repeat(150_000, place)...),
		"inlined": append(append(append(bytes.Clone(types), function...), long...), repeat(20_000, func(i int) []byte {
			return field(nil, fieldSample, append(num(nil, 2, 1), bytes.Repeat([]byte{8, 1}, i%30+1)...))
		})...),
		"stacks": append(append(append(bytes.Clone(types), function...), repeat(300, place)...), repeat(90_000, func(i int) []byte {
			return field(nil, fieldSample, num(num(num(num(nil, 2, 1), 1, uint64(i%300)+1), 1, uint64(i/300%300)+1), 1, uint64(i/90_000)+1))
		})...),
		"one field": field(bytes.Clone(types), fieldSample, make([]byte, 6<<20)),
	}
}

// What a reader takes is paid for before: the heap follows the account, and where the
// budget ends, so does the reading.
func TestMemoryIsPaidFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second for each kind")
	}
	for name, data := range hostile() {
		for _, labels := range []bool{false, true} {
			for _, budget := range []int64{16 << 20, 1 << 30} {
				name := fmt.Sprintf("%s, labels %v, budget %d MB", name, labels, budget>>20)
				memory := bound.NewMemory(budget)
				account := memory.Account()
				var p *Profile
				var err error
				took := peak(func() {
					p, err = Read(bytes.NewReader(data), int64(len(data)), Options{Labels: labels, Memory: account})
				})
				// The collector lets as much garbage stand as is alive.
				if limit := budget + 16<<20; took > limit {
					t.Errorf("%s: %d MB taken, %v", name, took>>20, err)
				}
				if err != nil {
					if account.Used() != 0 {
						t.Errorf("%s: %d bytes are not given back: %v", name, account.Used(), err)
					}
					continue
				}
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				before := int64(m.HeapAlloc)
				runtime.KeepAlive(p)
				p = nil
				runtime.GC()
				runtime.ReadMemStats(&m)
				if held := before - int64(m.HeapAlloc); held > account.Used()+1<<20 {
					t.Errorf("%s: %d bytes are held, %d paid for", name, held, account.Used())
				}
			}
		}
	}
}

// Labels that nobody asks for cost nothing.
func TestLabelsOfNoUse(t *testing.T) {
	data := hostile()["labels"]
	account := bound.NewMemory(256 << 20).Account()
	p, err := Read(bytes.NewReader(data), int64(len(data)), Options{Memory: account})
	if err != nil || len(p.Samples) != 1 || p.Samples[0].Labels != nil || p.Samples[0].Size != 7 {
		t.Fatalf("%v, %v", p, err)
	}
	if account.Used() > 1<<20 {
		t.Errorf("%d bytes held for one sample", account.Used())
	}
	var over *bound.Exceeded
	if _, err = Read(bytes.NewReader(data), int64(len(data)), Options{Memory: bound.NewMemory(2 << 20).Account()}); !errors.As(err, &over) {
		t.Errorf("1.5 MB in one field with a budget of 1 MB: %v", err)
	} else if !strings.Contains(err.Error(), "--memory ") {
		t.Errorf("%v: names no budget", err)
	}
}
