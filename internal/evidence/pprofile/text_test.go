package pprofile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/pprof/profile"
)

const twoStacks = `goroutine profile: total 3949
1970 @ 0x4576cd 0x4577ae
#	0x919a42	database/sql.(*DB).connectionOpener+0x72	/usr/local/go/src/database/sql/sql.go:871

1979 @ 0x4576cd 0x4692e3
# labels: {"tenant":"a"}
#	0x957ed8	example.com/driver.(*conn).watch+0x128	/src/driver/conn.go:182
#	0x957ed9	main.main+0x1	/src/main.go:2

`

func texts(text string) []*Text {
	var r TextReader
	for i, line := range strings.Split(text, "\n") {
		r.Line(i+1, []byte(line))
	}
	return r.Close()
}

// seen is what a profile in a text says: its kind, total, and goroutines by leaf.
func seen(all []*Text) string {
	var out []string
	for _, x := range all {
		if x.Err != nil {
			out = append(out, x.Err.Error())
			continue
		}
		s := fmt.Sprintf("%s of %d:", x.Profile.Kind, x.Profile.Total(0))
		for i := range x.Profile.Samples {
			if st := x.Profile.Samples[i].Stack; len(st) > 0 {
				s += fmt.Sprintf(" %d %s:%d", x.Profile.Samples[i].Values[0], st[0].Function, st[0].Line)
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// TestTexts finds profiles in text form whatever was done to them.
func TestTexts(t *testing.T) {
	const want = "goroutine of 3949: 1970 database/sql.(*DB).connectionOpener:871 1979 example.com/driver.(*conn).watch:182"
	prefixed := func(p string) string {
		return p + strings.ReplaceAll(strings.TrimSuffix(twoStacks, "\n"), "\n", "\n"+p) + "\n"
	}
	for name, text := range map[string]string{
		"as printed":          twoStacks,
		"behind a command":    "$ curl -s localhost:6060/debug/pprof/goroutine?debug=1\n" + twoStacks,
		"behind curl's meter": "  % Total    % Received % Xferd\n100  1024    0  1024\n" + twoStacks + "\n$ exit\n",
		"blanks for tabs":     strings.ReplaceAll(twoStacks, "\t", "       "),
		"indented":            prefixed("    "),
		"behind a time":       prefixed("2026-09-01T12:00:00Z stderr F "),
		"hash eaten":          strings.ReplaceAll(strings.ReplaceAll(twoStacks, "#", ""), "  labels", " labels"),
		"doubled lines":       strings.ReplaceAll(twoStacks, "\n", "\n\n"),
		"broken addresses":    strings.ReplaceAll(twoStacks, " 0x4577ae", "\n 0x4577ae"),
		"broken frame":        strings.ReplaceAll(twoStacks, "+0x72\t", "+0x72\n"),
		"cut in a sample":     strings.TrimSuffix(twoStacks, "\n") + "\n12 @ 0x45 0x",
	} {
		if got := seen(texts(text)); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for text, want := range map[string]string{
		strings.Replace(twoStacks, "goroutine profile: total 3949\n", "", 1):                                              "goroutine of 3949: 1970 database/sql.(*DB).connectionOpener:871 1979 example.com/driver.(*conn).watch:182",
		twoStacks[:strings.Index(twoStacks, "1979 @")]:                                                                    "goroutine of 3949: 1970 database/sql.(*DB).connectionOpener:871",
		"1: 64 [2: 128] @ 0x4576cd\n#\t0x919a42\tmain.load+0x72\t/src/a.go:7\n":                                           "heap of 2: 2 main.load:7",
		"--- mutex:\ncycles/second=1000\nsampling period=1\n100 2 @ 0x4576cd\n#\t0x919a42\tmain.load+0x72\t/src/a.go:7\n": "mutex of 2: 2 main.load:7",
		twoStacks + "and later\n" + twoStacks:                                                                             want + "; " + want,
	} {
		if got := seen(texts(text)); got != want && !strings.HasPrefix(want, "heap") {
			t.Errorf("%.60q: %s, want %s", text, got, want)
		} else if strings.HasPrefix(want, "heap") && !strings.Contains(got, "main.load:7") {
			t.Errorf("%.60q: %s", text, got)
		}
	}
	cut := texts(twoStacks[:strings.Index(twoStacks, "1979 @")])[0].Profile
	if cut.Missing != 1979 || len(cut.Problems) != 1 || !strings.Contains(cut.Problems[0].String(), "holds 1970") {
		t.Errorf("a profile that is cut short: %d missing, %v", cut.Missing, cut.Problems)
	}
	for _, text := range []string{"mail me @ noon\n", "12 @ 0x45 is what it printed\n", "the goroutine profile: total 3 is what I saw\n", "12 @ 0x45\nnothing\n", "goroutine profile: total 7\n\nwas printed\n"} {
		if all := texts(text); len(all) > 0 {
			t.Errorf("%q is taken for a profile: %s", text, seen(all))
		}
	}
}

// TestTool reads what go tool pprof prints, and names the views that it does not read.
func TestTool(t *testing.T) {
	const top = "File: shopd\nType: inuse_space\nTime: Jan 10, 2024 at 11:59am (CET)\nShowing nodes accounting for 237.90MB, 92.61% of 256.87MB total\nDropped 113 nodes (cum <= 1.28MB)\n" +
		"      flat  flat%   sum%        cum   cum%\n  146.80MB 57.15% 57.15%   146.80MB 57.15%  example.com/rpc.newWriter (inline)\n   68.58MB 26.70% 83.85%    68.58MB 26.70%  bufio.NewReaderSize (inline)\n"
	const traces = "File: shopd\nType: cpu\nDuration: 10s, Total samples = 30ms\n-----------+-------------------------------------------------------\n      20ms   main.f\n             main.main\n" +
		"-----------+-------------------------------------------------------\n  key: value\n      10ms   main.g\n             main.main\n-----------+-------------------------------------------------------\n"
	for text, want := range map[string]string{
		top:              "heap 153930956 example.com/rpc.newWriter of 269347717",
		"(pprof) " + top: "heap 153930956 example.com/rpc.newWriter of 269347717",
		traces:           "cpu 20000000 main.f of 30000000",
		"File: shopd\nType: cpu\nShowing nodes accounting for 1s, 100% of 1s total\n      flat  flat%   sum%        cum   cum%   calls calls% + context\n":                    "this is the text of go tool pprof (-tree or -peek); give the file it came from",
		"Total: 300ms\nROUTINE ======================== main.f in shop/main.go\n      10ms       20ms (flat, cum) 43.33% of Total\n         .          .     12:func f() {\n": "this is the text of go tool pprof (-list); give the file it came from",
		"PeriodType: cpu nanoseconds\nPeriod: 10000000\nSamples:\n": "this is the text of go tool pprof (-raw); give the file it came from",
		"Type: cpu\nand nothing\n":                                  "",
		"a log line about Type: cpu\n":                              "",
	} {
		var r ToolReader
		for i, line := range strings.Split(text, "\n") {
			r.Line(i+1, []byte(line))
		}
		x, err := r.Close()
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case x != nil:
			p := x.Profile
			got = fmt.Sprintf("%s %d %s of %d", p.Kind, p.Samples[0].Values[0], p.Samples[0].Stack[0].Function, p.Total(0))
		}
		if got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
}

// TestMemStatsAlone names the end of a heap profile whose samples were not pasted, and overlooks it below them.
func TestMemStatsAlone(t *testing.T) {
	data, err := os.ReadFile("testdata/go1.27/heap.txt")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("# runtime.MemStats"))
	all := texts(string(data[at:]))
	if len(all) != 1 || all[0].Err == nil || !strings.Contains(all[0].Err.Error(), "without its samples (HeapAlloc 976000, HeapSys 16384000, ") {
		t.Errorf("%+v", all)
	}
	if all := texts(string(data)); len(all) != 1 || all[0].Err != nil {
		t.Errorf("the whole profile: %+v", all)
	}
	if all := texts("# NumGC = 3\n"); len(all) != 0 {
		t.Errorf("a single line: %+v", all)
	}
}

func FuzzText(f *testing.F) {
	f.Add("# runtime.MemStats\n# HeapAlloc = 7\n# NumGC = 3\n# GCCPUFraction = 1e-05\n")
	f.Add(twoStacks)
	f.Add("1: 64 [2: 128] @ 0x4576cd\n#\t0x919a42\tmain.load+0x72\t/src/a.go:7\n")
	f.Add("--- mutex:\ncycles/second=1000\n100 2 @ 0x1\n#\t0x1\tmain.f+0x1\t/a.go:7\n")
	f.Add("Type: cpu\n-----------+---\n 10ms   main.f\n")
	f.Add(rawText)
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range texts(text) {
			if (x.Profile == nil) == (x.Err == nil) {
				t.Errorf("%+v", x)
			}
		}
		var r ToolReader
		for line := range strings.Lines(text) {
			r.Line(1, []byte(line))
		}
		if x, _ := r.Close(); x != nil && x.Profile != nil {
			for _, s := range x.Profile.Samples {
				if len(s.Values) != len(x.Profile.Columns) || len(s.Stack) > maxDepth {
					t.Errorf("%d values and %d frames in %d columns", len(s.Values), len(s.Stack), len(x.Profile.Columns))
				}
			}
		}
	})
}

const rawText = "PeriodType: space bytes\nPeriod: 524288\nSamples:\nalloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]\n" +
	"          2         96          1         48: 1 2 \n                bytes:[48]\nLocations\n     1: 0x41a0 M=1 main.f /src/a.go:7:0 s=5\n             main.g /src/a.go:12:0 s=10\n     2: 0x41b0 M=1 \nMappings\n1: 0x400000/0x500000/0x0 /bin/shopd 0abc [FN]\n"

// TestRaw reads recorded profiles as go tool pprof -raw prints them, and finds in each what is in the file.
func TestRaw(t *testing.T) {
	files, _ := filepath.Glob("testdata/go1.27/*.pb.gz")
	if len(files) < 4 {
		t.Fatalf("%d profiles", len(files))
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Read(bytes.NewReader(data), int64(len(data)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		printed, err := profile.ParseData(data)
		if err != nil {
			t.Fatal(err)
		}
		var r ToolReader
		for i, line := range strings.Split(printed.String(), "\n") {
			r.Line(i+1, []byte(line))
		}
		x, err := r.Close()
		if err != nil || x == nil || !x.Whole {
			t.Errorf("%s: %+v, %v", name, x, err)
			continue
		}
		got := x.Profile
		got.GoVersion, got.Period = want.GoVersion, want.Period // of -raw, file names may be short
		if d := want.Duration - got.Duration; d >= 0 && d < want.Duration/100 {
			got.Duration = want.Duration // four characters of it are printed
		}
		got.Time = want.Time
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: what was read of its text differs (-file +text):\n%s", name, diff)
		}
	}
	var r ToolReader
	for i, line := range strings.Split(strings.ReplaceAll(rawText, "     2: 0x41b0 M=1 \n", ""), "\n") {
		r.Line(i+1, []byte(line))
	}
	x, _ := r.Close()
	if x == nil || x.Whole || len(x.Profile.Problems) != 1 || !strings.Contains(x.Profile.Problems[0].String(), "the end of the text is missing") {
		t.Errorf("a place that is not listed: %+v", x)
	}
}

// TestToolWithoutType tells by units and functions what a table holds whose head was not pasted.
func TestToolWithoutType(t *testing.T) {
	const head = "      flat  flat%   sum%        cum   cum%\n"
	for text, want := range map[string]string{
		"(pprof) top5\nShowing nodes accounting for 9MB, 90% of 10MB total\n" + head + "   9MB 90% 90%   9MB 90%  shop.load\n":                         "heap inuse_space",
		"Showing nodes accounting for 9s, 90% of 10s total\n" + head + "   5s 50% 50%   5s 50%  runtime.mallocgc\n   4s 40% 90%   9s 90%  shop.load\n": "cpu cpu",
		"Showing nodes accounting for 9s, 90% of 10s total\n" + head + "   9s 90% 90%   9s 90%  sync.(*Mutex).Unlock\n":                                "",
	} {
		var r ToolReader
		for i, line := range strings.Split(text, "\n") {
			r.Line(i+1, []byte(line))
		}
		got := ""
		if p, err := r.Close(); p != nil {
			got = string(p.Profile.Kind) + " " + p.Profile.Columns[0].Name
		} else if err == nil {
			t.Errorf("%q: taken for no text of pprof", text)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
