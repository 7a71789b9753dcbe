package cmd

import (
	"archive/zip"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"inquest": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the command line as users do. Scripts find the recorded
// cases under $FIXTURES and spoil copies of them with the commands below.
func TestScript(t *testing.T) {
	fixtures, err := filepath.Abs("../fixtures")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("FIXTURES", fixtures)
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cut":          scriptCut,
			"flip":         scriptFlip,
			"zero":         scriptZero,
			"bomb":         scriptBomb,
			"traceheader":  scriptTraceHeader,
			"mutexprofile": scriptMutexProfile,
			"cpuprofile":   scriptCPUProfile,
		},
	})
}

// scriptCut keeps the first part of a file: cut FILE PERCENT.
func scriptCut(ts *testscript.TestScript, _ bool, args []string) {
	data := read(ts, args[0])
	percent, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data[:len(data)*percent/100], 0o644))
}

// scriptFlip flips one bit of a file: flip FILE PERCENT, where the percentage says how far into it.
func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	data := read(ts, args[0])
	percent, err := strconv.Atoi(args[1])
	ts.Check(err)
	data[len(data)*percent/100] ^= 0x10
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// scriptZero blanks a stretch of a file: zero FILE FROM-PERCENT TO-PERCENT.
func scriptZero(ts *testscript.TestScript, _ bool, args []string) {
	data := read(ts, args[0])
	from, err := strconv.Atoi(args[1])
	ts.Check(err)
	to, err := strconv.Atoi(args[2])
	ts.Check(err)
	clear(data[len(data)*from/100 : len(data)*to/100])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// scriptBomb writes a small file that unpacks to 20 GB of zeros: bomb FILE.zip or FILE.pb.gz.
func scriptBomb(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	// A gzip stream may be a sequence of members: one of 16 MB, many times over, is quick to write.
	member := filepath.Join(ts.Getenv("WORK"), "member.gz")
	m, err := os.Create(member)
	ts.Check(err)
	z, err := gzip.NewWriterLevel(m, gzip.BestCompression)
	ts.Check(err)
	_, err = io.CopyN(z, zeros{}, 16<<20)
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(m.Close())
	one, err := os.ReadFile(member)
	ts.Check(err)
	ts.Check(os.Remove(member))
	var w io.Writer = f
	if filepath.Ext(args[0]) == ".zip" {
		archive := zip.NewWriter(f)
		defer archive.Close()
		for i := range 40 {
			w, err = archive.Create("heap" + strconv.Itoa(i) + ".bin")
			ts.Check(err)
			_, err = io.CopyN(w, zeros{}, 64<<20)
			ts.Check(err)
		}
		return
	}
	for range 1250 {
		_, err = w.Write(one)
		ts.Check(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// scriptTraceHeader writes the header of an execution trace and nothing more: traceheader FILE VERSION.
func scriptTraceHeader(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("go "+args[1]+" trace\x00\x00\x00"), 0o644))
}

// scriptMutexProfile writes a mutex profile of one hot function: mutexprofile FILE FUNCTION [BUILD].
func scriptMutexProfile(ts *testscript.TestScript, _ bool, args []string) {
	name, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	m := &profile.Mapping{ID: 1, Start: 1, Limit: 1 << 30, HasFunctions: true}
	if len(args) > 2 {
		m.BuildID = args[2]
	}
	p := &profile.Profile{
		SampleType:    []*profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}},
		PeriodType:    &profile.ValueType{Type: "contentions", Unit: "count"},
		Period:        1,
		Mapping:       []*profile.Mapping{m},
		DurationNanos: 30e9,
	}
	var stack []*profile.Location
	for i, f := range []string{"sync.(*Mutex).Unlock", name, "main.main"} {
		fn := &profile.Function{ID: uint64(i + 1), Name: f, SystemName: f, Filename: name + ".go"}
		loc := &profile.Location{ID: uint64(i + 1), Mapping: m, Address: uint64(i + 2), Line: []profile.Line{{Function: fn, Line: 7}}}
		p.Function, p.Location, stack = append(p.Function, fn), append(p.Location, loc), append(stack, loc)
	}
	p.Sample = []*profile.Sample{{Location: stack, Value: []int64{5000, 600e9}}}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(p.Write(f))
	ts.Check(f.Close())
}

func read(ts *testscript.TestScript, name string) []byte {
	data, err := os.ReadFile(ts.MkAbs(name))
	ts.Check(err)
	return data
}
