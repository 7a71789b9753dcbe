package cmd

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/rogpeppe/go-internal/testscript"

	"inquest/report"
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
			"service":      scriptService,
			"yamlkeys":     scriptYAMLKeys,
			"replace":      scriptReplace,
			"version":      scriptVersion,
			"allow":        scriptAllow,
			"exitcode":     scriptExitCode,
			"manylabels":   scriptManyLabels,
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

// scriptBomb writes a small file that unpacks to a thousand times its size: bomb FILE.zip or FILE.pb.gz.
// One stretch is packed once and stands in it many times over.
func scriptBomb(ts *testscript.TestScript, _ bool, args []string) {
	const stretch, times = 16 << 20, 8
	lines := bytes.Repeat([]byte("\n"), stretch)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	if filepath.Ext(args[0]) == ".zip" {
		var packed bytes.Buffer
		d, err := flate.NewWriter(&packed, flate.BestCompression)
		ts.Check(err)
		_, err = d.Write(lines)
		ts.Check(err)
		ts.Check(d.Close())
		archive := zip.NewWriter(f)
		for i := range times {
			w, err := archive.CreateRaw(&zip.FileHeader{Name: "log" + strconv.Itoa(i) + ".txt", Method: zip.Deflate,
				CRC32: crc32.ChecksumIEEE(lines), CompressedSize64: uint64(packed.Len()), UncompressedSize64: stretch})
			ts.Check(err)
			_, err = w.Write(packed.Bytes())
			ts.Check(err)
		}
		ts.Check(archive.Close())
		return
	}
	// A gzip stream may be a sequence of members.
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	ts.Check(err)
	_, err = z.Write(lines)
	ts.Check(err)
	ts.Check(z.Close())
	for range times {
		_, err = f.Write(packed.Bytes())
		ts.Check(err)
	}
}

// scriptYAMLKeys writes a config file with as many limits as told: yamlkeys FILE COUNT.
func scriptYAMLKeys(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text bytes.Buffer
	text.WriteString("limits:\n")
	for i := range count {
		fmt.Fprintf(&text, "  a%d: 1\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text.Bytes(), 0o644))
}

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

// scriptReplace changes a file: replace FILE REGEXP TEXT.
func scriptReplace(ts *testscript.TestScript, _ bool, args []string) {
	old := read(ts, args[0])
	data := regexp.MustCompile(args[1]).ReplaceAll(old, []byte(args[2]))
	if bytes.Equal(data, old) {
		ts.Fatalf("%s: no %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// scriptVersion makes a report one that another version wrote, with the hash it would have: version FILE VERSION.
func scriptVersion(ts *testscript.TestScript, _ bool, args []string) {
	r, err := report.Read(bytes.NewReader(read(ts, args[0])))
	ts.Check(err)
	r.Tool.Version, r.SelfHash = args[1], ""
	var text bytes.Buffer
	ts.Check(report.WriteJSON(&text, r))
	sum := sha256.Sum256(text.Bytes())
	r.SelfHash = hex.EncodeToString(sum[:])
	text.Reset()
	ts.Check(report.WriteJSON(&text, r))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text.Bytes(), 0o644))
}

// scriptAllow writes a line of an allowed_signers file: allow PRINCIPAL KEY.pub FILE.
func scriptAllow(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), append([]byte(args[0]+" "), read(ts, args[1])...), 0o644))
}

// scriptExitCode runs a program that must exit with a code: exitcode N PROGRAM ARGS...
func scriptExitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var e *exec.ExitError
	code := 0
	if errors.As(err, &e) {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// scriptManyLabels writes a CPU profile with one sample that carries tenant=a so many times: manylabels FILE N.
func scriptManyLabels(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	fn := &profile.Function{ID: 1, Name: "main.serve", Filename: "main.go"}
	loc := &profile.Location{ID: 1, Line: []profile.Line{{Function: fn, Line: 7}}}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7, DurationNanos: 10e9,
		Function: []*profile.Function{fn}, Location: []*profile.Location{loc},
		Sample: []*profile.Sample{{Location: []*profile.Location{loc}, Value: []int64{500, 5e9}, Label: map[string][]string{"tenant": slices.Repeat([]string{"a"}, n)}}},
	}
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
