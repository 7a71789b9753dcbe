package pprofile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"inquest/internal/evidence/stack"
)

func parse(data []byte) (*Profile, error) {
	return Read(bytes.NewReader(data), int64(len(data)), Options{Labels: true})
}

func read(t testing.TB, parts ...string) *Profile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(data)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(parts...), err)
	}
	return p
}

// TestRecorded reads profiles that Go 1.22 and 1.27 wrote, see testdata/record.sh,
// and holds both forms of each to one another.
func TestRecorded(t *testing.T) {
	for _, v := range []string{"go1.22", "go1.27"} {
		for _, kind := range []string{"cpu", "heap", "mutex", "block", "goroutine", "goroutineleak", "threadcreate"} {
			if v == "go1.22" && kind == "goroutineleak" {
				continue
			}
			t.Run(v+"-"+kind, func(t *testing.T) {
				p := read(t, v, kind+".pb.gz")
				if p.Kind != kind || p.Legacy || len(p.Problems) > 0 {
					t.Errorf("kind %q, legacy %v, problems %v", p.Kind, p.Legacy, p.Problems)
				}
				if age := time.Since(p.Time); age < 0 || p.Time.Year() < 2020 {
					t.Errorf("taken at %v", p.Time)
				}
				if kind == "cpu" {
					if p.Duration < 300*time.Millisecond || p.Duration > 2*time.Second || p.Period != 1e7 {
						t.Errorf("duration %v, period %d", p.Duration, p.Period)
					}
					return
				}
				q := read(t, v, kind+".txt")
				if q.Kind != kind || !q.Legacy {
					t.Errorf("text: kind %q, legacy %v", q.Kind, q.Legacy)
				}
				if diff := cmp.Diff(p.Columns, q.Columns); diff != "" {
					t.Errorf("columns (-protobuf +text):\n%s", diff)
				}
				for i, c := range p.Columns {
					// Allocation goes on between the two, and so may the runtime's own locks.
					if a, b := p.Total(i), q.Total(i); kind != "heap" && a != b && v == "go1.22" {
						t.Errorf("%s: %d in the protobuf, %d in the text", c.Name, a, b)
					}
				}
				// Both show the same application code with the same labels.
				for _, s := range p.Samples {
					if site := s.Stack.Site(); strings.HasPrefix(site.Function, "main.") && !has(q, s.Labels, site.Function) {
						t.Errorf("the text lacks %v %v", site, s.Labels)
					}
				}
			})
		}
	}
}

func has(p *Profile, labels map[string][]string, function string) bool {
	for _, s := range p.Samples {
		if s.Stack.Site().Function == function && cmp.Equal(s.Labels, labels) {
			return true
		}
	}
	return false
}

func TestLabelsAndSizes(t *testing.T) {
	for _, form := range []string{".pb.gz", ".txt"} {
		tenants := map[string]bool{}
		for _, s := range read(t, "go1.27", "goroutine"+form).Samples {
			for _, v := range s.Labels["tenant"] {
				tenants[v] = true
			}
		}
		if want := map[string]bool{`]0, "}`: true, `]1, "}`: true}; !cmp.Equal(tenants, want) {
			t.Errorf("%s: tenants %v, want %v", form, tenants, want)
		}
		found := false
		for _, s := range read(t, "go1.27", "heap"+form).Samples {
			if s.Stack.Contains("main.(*store).update") && s.Size == 1<<16 {
				found = true
			}
			if s.Labels["bytes"] != nil {
				t.Errorf("%s: the size is a label", form)
			}
		}
		if !found {
			t.Errorf("%s: no sample of 64 KiB objects at update", form)
		}
	}
}

// build makes a profile of the given sample types with one sample for each stack.
func build(types string, stacks ...[]string) *profile.Profile {
	p := &profile.Profile{PeriodType: &profile.ValueType{Type: "x", Unit: "count"}, Period: 1}
	for _, t := range strings.Fields(types) {
		name, unit, _ := strings.Cut(t, "/")
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: unit})
	}
	locations := map[string]*profile.Location{}
	for _, names := range stacks {
		s := &profile.Sample{Value: make([]int64, len(p.SampleType))}
		for i := range s.Value {
			s.Value[i] = 1
		}
		for _, name := range names {
			l := locations[name]
			if l == nil {
				f := &profile.Function{ID: uint64(len(locations) + 1), Name: name, SystemName: name, Filename: "f.go"}
				l = &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f, Line: 1}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, l)
				locations[name] = l
			}
			s.Location = append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func encode(t testing.TB, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestKind(t *testing.T) {
	const contention = "contentions/count delay/nanoseconds"
	app := "main.main"
	for name, c := range map[string]struct {
		types  string
		stacks [][]string
		want   string
	}{
		"cpu":                {"samples/count cpu/nanoseconds", nil, "cpu"},
		"heap":               {"alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes", nil, "heap"},
		"goroutine":          {"goroutine/count", nil, "goroutine"},
		"goroutineleak":      {"goroutineleak/count", nil, "goroutineleak"},
		"threadcreate":       {"threadcreate/count", nil, "threadcreate"},
		"wall clock":         {"samples/count time/nanoseconds", nil, ""},
		"no samples":         {contention, nil, Contention},
		"unlock":             {contention, [][]string{{"sync.(*Mutex).Unlock", app}}, "mutex"},
		"read unlock":        {contention, [][]string{{"sync.(*RWMutex).RUnlock", app}}, "mutex"},
		"runtime lock":       {contention, [][]string{{"runtime.unlock", "runtime.chansend1", app}}, "mutex"},
		"lost runtime lock":  {contention, [][]string{{"runtime._LostContendedRuntimeLock"}}, "mutex"},
		"condition's unlock": {contention, [][]string{{"sync.(*Mutex).Unlock", "sync.(*Cond).Wait", app}}, "mutex"},
		"lock":               {contention, [][]string{{"internal/sync.(*Mutex).Lock", "sync.(*Mutex).Lock", app}}, "block"},
		"receive":            {contention, [][]string{{"runtime.chanrecv1", app}}, "block"},
		"select":             {contention, [][]string{{"runtime.selectgo", app}}, "block"},
		"wait group":         {contention, [][]string{{"sync.(*WaitGroup).Wait", app}}, "block"},
		"an Unlock of ours":  {contention, [][]string{{"main.Unlock", "sync.(*Mutex).Unlock"}}, Contention},
		"more waits":         {contention, [][]string{{"runtime.chanrecv1", app}, {"runtime.selectgo", app}, {"sync.(*Mutex).Unlock", app}}, "block"},
	} {
		p, err := parse(encode(t, build(c.types, c.stacks...)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if p.Kind != c.want {
			t.Errorf("%s: kind %q, want %q", name, p.Kind, c.want)
		}
	}
}

// TestExpansion holds inlined frames, code without symbols and shared stacks to what the file says.
func TestExpansion(t *testing.T) {
	p := build("samples/count cpu/nanoseconds", []string{"main.leaf", "main.main"}, []string{"main.leaf", "main.main"})
	p.Location[0].Line = append(p.Location[0].Line, profile.Line{Function: p.Function[1], Line: 7})
	p.Mapping = []*profile.Mapping{{ID: 1, File: "/usr/lib/libc.so.6", BuildID: "b1"}}
	p.Location = append(p.Location, &profile.Location{ID: 9, Address: 0x1234, Mapping: p.Mapping[0]})
	p.Sample = append(p.Sample, &profile.Sample{Value: []int64{1, 1}, Location: p.Location[2:]})
	p.Sample[1].NumLabel = map[string][]int64{"bytes": {48}, "rows": {3}}
	p.Sample[1].NumUnit = map[string][]string{"rows": {"count"}}
	p.DurationNanos, p.TimeNanos = 3e9, 5
	got, err := parse(encode(t, p))
	if err != nil {
		t.Fatal(err)
	}
	want := stack.Stack{{Function: "main.leaf", File: "f.go", Line: 1}, {Function: "main.main", File: "f.go", Line: 7}, {Function: "main.main", File: "f.go", Line: 1}}
	if diff := cmp.Diff(want, got.Samples[0].Stack); diff != "" {
		t.Errorf("stack (-want +got):\n%s", diff)
	}
	if &got.Samples[0].Stack[0] != &got.Samples[1].Stack[0] {
		t.Error("equal stacks are not shared")
	}
	if s := got.Samples[1]; s.Size != 48 || s.Labels["rows"][0] != "3 count" {
		t.Errorf("size %d, labels %v", s.Size, s.Labels)
	}
	if s := got.Samples[2].Stack; s[0].Function != "[libc.so.6]" || got.Unsymbolised != 1 || got.BuildID != "b1" {
		t.Errorf("stack without symbols %v, %d such, build %q", s, got.Unsymbolised, got.BuildID)
	}
	if got.Duration != 3*time.Second || !got.Time.Equal(time.Unix(0, 5)) {
		t.Errorf("duration %v, time %v", got.Duration, got.Time)
	}
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

// TestBad holds every broken input to one clear sentence.
func TestBad(t *testing.T) {
	good := encode(t, build("samples/count cpu/nanoseconds", []string{"main.leaf", "main.main"}))
	raw := unzipped(good)
	deep := build("samples/count cpu/nanoseconds", []string{"main.f"})
	for range 40_000 {
		deep.Location[0].Line = append(deep.Location[0].Line, deep.Location[0].Line[0])
	}
	for range 2000 {
		deep.Sample = append(deep.Sample, &profile.Sample{Value: []int64{1, 1}, Location: deep.Location, Label: map[string][]string{}})
	}
	for name, c := range map[string]struct {
		data []byte
		want string // part of the error; empty for none
	}{
		"empty":                 {nil, "empty file"},
		"empty gzip":            {zipped(nil), "holds nothing"},
		"text":                  {[]byte("hello, this is no profile\n"), "not a pprof profile"},
		"zeros":                 {make([]byte, 100), "not a pprof profile"},
		"cut gzip":              {good[:len(good)-12], "gzip stream ends early"},
		"cut protobuf":          {raw[:len(raw)-3], "cut off at byte"},
		"a flipped bit in gzip": {flip(good, len(good)/2), "damaged"},
		"two profiles":          {append(bytes.Clone(raw), raw...), "several profiles one after another"},
		"two gzipped profiles":  {append(bytes.Clone(good), good...), "several profiles one after another"},
		"a bomb":                {zipped(append([]byte("\x0a\x04\x08\x01\x10\x01\x32\x00\x32\x80\x80\x80\x20"), make([]byte, 64<<20)...)), "decompression bomb"},
		"many tiny messages":    {bytes.Repeat([]byte{0x12, 0}, 20<<20), "missing sample type"},
		"very deep":             {encode(t, deep), ""},
		"missing function":      {[]byte("\x0a\x04\x08\x01\x10\x01\x22\x06\x08\x01\x22\x02\x08\x05"), "damaged profile"},
		"goroutines, bad line":  {[]byte("goroutine profile: total 1\nx\n"), "damaged profile"},
	} {
		p, err := parse(c.data)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && err == nil:
			t.Errorf("%s: no error, %d samples", name, len(p.Samples))
		case err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 200):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	p, err := parse(append(bytes.Clone(good), "trailing"...))
	if err != nil || len(p.Samples) != 1 || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].String(), "8 bytes that follow") {
		t.Errorf("bytes after gzip: error %v", err)
	}
	p, err = parse(encode(t, deep))
	if err != nil || len(p.Samples[0].Stack) != maxDepth || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].String(), "deeper than") {
		t.Errorf("very deep: error %v", err)
	}
}

func unzipped(data []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return out
}

func flip(data []byte, i int) []byte {
	data = bytes.Clone(data)
	data[i] ^= 0x40
	return data
}

func TestSniff(t *testing.T) {
	for _, v := range []string{"go1.22", "go1.27"} {
		files, _ := filepath.Glob(filepath.Join("testdata", v, "*"))
		for _, file := range files {
			data, _ := os.ReadFile(file)
			if bytes.HasPrefix(data, gzipMagic) {
				data = unzipped(data)
			}
			for _, n := range []int{512, 4096} {
				if !Sniff(data[:min(n, len(data))]) {
					t.Errorf("%s is not taken for a profile by its first %d bytes", file, n)
				}
			}
		}
	}
	for _, text := range []string{"", "\n", "\nhello\n", "\n\nhello world, and more text\n", "goroutine 1 [running]:\n", "{\"a\":1}", "go 1.22 trace\x00\x00\x00",
		"\x0a\x05hello\x0a\x05world", "heap", strings.Repeat("\n", 500), "PK\x03\x04", "\x7fELF\x02\x01\x01"} {
		if Sniff([]byte(text)) {
			t.Errorf("%q is taken for a profile", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		if bytes.HasPrefix(data, gzipMagic) {
			data = unzipped(data)
		}
		if len(data) < 3000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
				t.Errorf("unclear error: %v", err)
			}
			return
		}
		for _, s := range p.Samples {
			if len(s.Values) != len(p.Columns) || len(s.Stack) > maxDepth {
				t.Errorf("%d values for %d columns, %d frames", len(s.Values), len(p.Columns), len(s.Stack))
			}
			for _, fr := range s.Stack {
				if fr.Function == "" {
					t.Error("a frame without a name")
				}
			}
		}
	})
}

// large makes a profile like that of a big service: paths through a tree of
// calls some 30 deep, a third of them met more than once.
func large(samples int) *profile.Profile {
	r := rand.New(rand.NewPCG(1, 2))
	nodes := max(samples, 2000)
	names, parent := make([]string, nodes), make([]int, nodes)
	for i := range nodes {
		f := r.IntN(5000)
		names[i] = fmt.Sprintf("example.com/service/internal/package%d.(*Type%d).Method%d", f%200, f%37, f)
		parent[i] = i - 1 - r.IntN(nodes/15)
	}
	stacks := make([][]string, samples)
	for i := range stacks {
		for n := r.IntN(nodes); n >= 0; n = parent[n] {
			stacks[i] = append(stacks[i], names[n])
		}
	}
	return build("samples/count cpu/nanoseconds", stacks...)
}

// BenchmarkRead reports the time of Read over that of profile.Parse alone, on the same bytes in the same run.
func BenchmarkRead(b *testing.B) {
	for _, samples := range []int{200, 20_000} {
		data := encode(b, large(samples))
		b.Run(fmt.Sprintf("%d samples", samples), func(b *testing.B) {
			var ours, parse time.Duration
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				start := time.Now()
				if _, err := Read(bytes.NewReader(data), int64(len(data)), Options{}); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if _, err := profile.Parse(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
				ours += middle.Sub(start)
				parse += time.Since(middle)
			}
			b.ReportMetric(float64(ours)/float64(parse), "x-parse")
		})
	}
}

// Values of a column are none below 0 and add up to a number, whatever the file says.
func TestExtremeValues(t *testing.T) {
	p := &Profile{Columns: []Column{{Name: "cpu"}}}
	for _, v := range []int64{math.MinInt64, -5, 7, math.MaxInt64, math.MaxInt64} {
		p.Samples = append(p.Samples, Sample{Values: []int64{v}})
	}
	p.remarks()
	if total := p.Total(0); total != maxTotal {
		t.Errorf("in all %d", total)
	}
	if len(p.Problems) != 2 || !strings.HasPrefix(p.Problems[0].String(), "2 of its samples have less than 0 cpu") || !strings.Contains(p.Problems[1].String(), "2 of the samples count less") {
		t.Errorf("%q", p.Problems)
	}
}
