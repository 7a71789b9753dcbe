package claim

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// A saved report may have been written by anybody. What is read from it is printed for people to paste, so that only
// commands of the kinds that ours are get through.
func TestCommandsOfSavedReports(t *testing.T) {
	e, before := &evidence.Exhibit{Path: "a b/cpu.pb.gz"}, &evidence.Exhibit{Path: "-x:y"}
	site := stack.Site{Function: "main.f", File: "x.go", Line: 7}
	for _, c := range []Command{
		Peek(e, "cpu", site), PeekInside(e, "delay", site, "x|y"), Mean(Peek(before, "delay", site)), Since(before, Peek(e, "inuse_space", site)), PeekLine(e, "inuse_space", site, 7),
		Tags(e, "alloc_space", site), Top(e, "cpu").With("-ignore=^(a)$", "-tagfocus=8b:8b"), TraceProfile(e, "sync"), Mean(TraceProfile(e, "sync")), TraceView(before, "goroutine 7"), Grep(before, "-f /etc/passwd"), {Note: "none"}, {},
	} {
		if got := saved(t, c); !got.Equal(c) {
			t.Errorf("%s\nis read as %+v", c, got)
		}
	}
	step := func(argv ...Text) Step { return Step{Argv: argv} }
	for _, s := range []Step{
		step("sh", "-c", "touch x"), step("rm", "-r", "x"), step("go"), step("go", "run", "x.go"), step("go", "tool", "pprof"), step("go", "tool", "pprof", "-top"),
		step("go", "tool", "pprof", "-output=x", "-top", "cpu.pb.gz"), step("go", "tool", "pprof", "-http=:80", "cpu.pb.gz"), step("go", "tool", "pprof", "-top", "program", "cpu.pb.gz"),
		step("go", "tool", "pprof", "-top", "http://example.com/x"), step("go", "tool", "pprof", "-diff_base=http://example.com/x", "-top", "cpu.pb.gz"), step("go", "tool", "pprof", "-tools=/x", "cpu.pb.gz"),
		step("go", "tool", "pprof", "-top=x", "cpu.pb.gz"), step("go", "tool", "pprof", "-peek", "cpu.pb.gz", "-web"), step("go", "tool", "pprof", "-peek"), step("go", "tool", "trace", "-http=:80", "t.out"),
		step("go", "vet", "-vettool=/x", "."), step("grep", "-f", "/etc/passwd", "x"), step("grep", "-n", "-e", "x", "-r"), step("grep", "x", "y"), step("inquest", "capture", "-o", "x", "--", "sh"),
		{Argv: []Text{"go", "tool", "trace", "-pprof=sync", "t.out"}, Stdout: "../.bashrc"}, {Argv: []Text{"go", "tool", "trace", "-pprof=sync", "t.out"}, Stdout: "/etc/passwd"}, {Argv: []Text{"go", "tool", "trace", "-pprof=sync", "t.out"}, Stdout: ".."},
	} {
		if got := saved(t, Command{Steps: []Step{s}}); !got.None() || got.Note == "" {
			t.Errorf("%q is read as %q, %q", s, got, got.Note)
		}
		if got := saved(t, Command{Steps: []Step{step("grep", "-e", "x", "y"), s}}); !got.None() {
			t.Errorf("%q behind one of ours is read as %q", s, got)
		}
	}
}

func saved(t *testing.T, c Command) Command {
	t.Helper()
	text, err := json.Marshal(FactJSON{Shown: Shown{Steps: c.Steps, Note: c.Note, Line: "rm -r ."}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Steps) == 0 {
		text = []byte(strings.Replace(string(text), "rm -r .", "", 1))
	}
	var f Fact
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f.Reproduce
}

// The real tools show a trace's waits by a command of ours, also where the trace has the name of the file in between,
// and where one of that name is the reader's.
func TestTraceProfileRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go tool trace")
	}
	trace, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "locks", "orders-lockheld", "trace.out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trace.out", "sync.pb.gz"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), trace, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, shell := range []string{"bash", "dash", "zsh"} {
			path, err := exec.LookPath(shell)
			if err != nil {
				continue
			}
			c := exec.Command(path, "-c", Mean(TraceProfile(&evidence.Exhibit{Path: name}, "sync")).String())
			c.Dir = dir
			c.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
			out, err := c.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "Lock") {
				t.Errorf("%s, %s: %v: %s", shell, name, err, out)
			}
		}
		entries, err := os.ReadDir(dir)
		if text, _ := os.ReadFile(filepath.Join(dir, name)); err != nil || len(entries) != 1 || string(text) != string(trace) {
			t.Errorf("%s: the folder was written to", name)
		}
	}
}
