package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

// awkward are names that a shell, a terminal, an option parser or a CI runner would make something of. What a shell
// runs of them makes a file of the canary's name.
var awkward = []string{
	`x';touch PWNED;'`, `$(touch PWNED)`, "`touch PWNED`", `"; touch PWNED; "`, `a # b $(touch PWNED)`, `#$(touch PWNED)`, `x';touch PWNED #`, `'$(touch PWNED)'`,
	`-o/tmp/PWNED`, `--help`, `-`, `--`, `-sample_index=x`, `!touch`, `a!!b`, `!$`, `!-1`, `a !?t? b`, `'!!'`, `"!!"`, `=touch`, `a=~root`, `~root/x`, `~`, `*`, `?`, `[a-z]`, `{a,b}`, `**/*`, `^a`, `^a^b^`, `a^b`,
	`<(touch PWNED)`, `=(touch PWNED)`, `(touch PWNED)`, `*(e:'touch PWNED':)`, `a\'b`, `a\`, `\`, `\\`, `a\\'b`, `\\'$(touch PWNED)'`, `''`, `a''b`, `'''`, `"`, `%1`, `%%`, `>PWNED`, `1>PWNED`, `&& touch PWNED`, `&touch PWNED&`, `| touch PWNED`, `; touch PWNED`,
	`$PATH`, `${IFS}x`, `$'\n'`, `$((1+1))`, `$[1+1]`, `@x`, `{fd}>PWNED`, `größe ü`, "a  b", " a", "a ", `##[add-mask]x`, `##vso[x]`, `section_start:1:a`, `##`, `::error::x`, `http://localhost:1/x`, `localhost:1/x`, `C:\x\y`, `a,b`, `a|b`, `x:y`,
	"a\nb; touch PWNED", "\ntouch PWNED\n", "\x03touch PWNED\r", "\x04", "\x1b[201~touch PWNED\r", "\x16x", "\x12t", "a\tb", "\u202etouch", "\u200b", "\u2028touch PWNED", "\xff", "\u0085", strings.Repeat(`'`, 700), strings.Repeat("x", 2100), "",
}

// commands of ours about an exhibit whose every name is awkward.
func awkwardCommands(word string) []claim.Command {
	e, before := &evidence.Exhibit{Path: word}, &evidence.Exhibit{Path: "before " + word}
	site := stack.Site{Function: word, File: word, Line: 7}
	plain := &evidence.Exhibit{Path: "cpu.pb.gz"}
	return []claim.Command{
		claim.Peek(e, word, site), claim.Peek(plain, "cpu", site), claim.PeekInside(e, "delay", site, claim.Said(word)), claim.Mean(claim.Peek(e, "delay", site)),
		claim.Since(before, claim.Peek(e, "inuse_space", site)), claim.PeekLine(e, "inuse_space", site, 7), claim.Tags(e, word, site), claim.Top(e, word), claim.Top(plain, "cpu").With("-ignore=" + claim.Said(word)),
		claim.TraceProfile(e, "sync"), claim.TraceView(e, claim.Said(word)), claim.Grep(e, claim.Said(word)), claim.Grep(plain, claim.Said(word)), claim.NewCommand("inquest", "analyze", claim.Said(claim.PathArgument(word)), "--label="+claim.Said(word)),
	}
}

// reportCommands are the commands that a report prints.
func reportCommands(r *report.Report) (out []claim.Command) {
	for _, f := range r.Findings {
		for _, fact := range f.Evidence {
			out = append(out, fact.Reproduce)
		}
	}
	return out
}

// shells are those that people paste into, and how each talks with a person, with nothing set up by one.
var shells = []struct {
	name        string
	interactive []string
}{
	{"bash", []string{"--norc", "--noprofile", "-i"}},
	{"dash", []string{"-i"}},
	{"zsh", []string{"-f", "-i"}},
}

func shell(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("INQUEST_SHELLS") == "required" {
			t.Fatalf("no %s, and INQUEST_SHELLS is required", name)
		}
		t.Skipf("no %s", name)
	}
	return path
}

// bench is a folder in which commands run with programs that write down what they are given.
type bench struct {
	dir, programs, record, temp string
}

// standing are files that the reader's folder holds, and that no command may write: one that is to be kept, a link to
// one elsewhere, and a link to where none is yet.
var standing = []string{"sync.pb.gz", "sched.pb.gz", "syscall.pb.gz"}

func newBench(t *testing.T) *bench {
	b := &bench{dir: t.TempDir(), programs: t.TempDir(), temp: t.TempDir()}
	err := errors.Join(os.WriteFile(filepath.Join(b.dir, standing[0]), []byte("kept"), 0o644),
		os.WriteFile(filepath.Join(b.temp, "victim"), []byte("kept"), 0o644),
		os.Symlink(filepath.Join(b.temp, "victim"), filepath.Join(b.dir, standing[1])),
		os.Symlink(filepath.Join(b.temp, "absent"), filepath.Join(b.dir, standing[2])))
	if err != nil {
		t.Fatal(err)
	}
	b.record = filepath.Join(t.TempDir(), "record")
	const program = "#!/bin/sh\n{ printf '%s\\0' $(($# + 1)) \"${0##*/}\" \"$@\"; } >> \"$RECORD\"\n[ ! -f /dev/stdout ] || echo kept\n"
	for _, name := range []string{"go", "grep", "inquest"} {
		if err := os.WriteFile(filepath.Join(b.programs, name), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, path, args...)
	c.Dir = b.dir
	c.Env = []string{"PATH=" + b.programs + ":/usr/bin:/bin", "RECORD=" + b.record, "HOME=" + b.dir, "TMPDIR=" + b.temp, "TERM=dumb", "LC_ALL=C.UTF-8", "PS1=" + prompt, "PROMPT=" + prompt, "HISTFILE="}
	return c
}

// ran returns and forgets what the programs were given.
func (b *bench) ran(t *testing.T) (out [][]string) {
	t.Helper()
	text, err := os.ReadFile(b.record)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	_ = os.Remove(b.record)
	words := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	for len(words) > 1 {
		n := 0
		if _, err := fmt.Sscan(words[0], &n); err != nil || n < 1 || n >= len(words) {
			t.Fatalf("the record is damaged at %q", words[0])
		}
		out = append(out, words[1:n+1])
		words = words[n+1:]
	}
	return out
}

// hold compares what ran with what was meant, and looks for files that nobody meant to make or to write.
func (b *bench) hold(t *testing.T, how string, commands []claim.Command) {
	t.Helper()
	var want [][]string
	wrote := 0
	for _, c := range commands {
		made := ""
		for _, s := range c.Steps {
			argv := s.Words()
			if i := slices.Index(argv, made); made != "" && i >= 0 {
				argv[i] = "NEW/" + made
			}
			want = append(want, argv)
			if made = s.Stdout; made != "" {
				wrote++
			}
		}
	}
	got := b.ran(t)
	for _, argv := range got {
		for i, w := range argv {
			if dir, file := filepath.Split(w); filepath.Dir(filepath.Clean(dir)) == b.temp {
				if text, err := os.ReadFile(w); err != nil || string(text) != "kept\n" {
					t.Errorf("%s: %s: %q, %v", how, w, text, err)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				argv[i] = "NEW/" + file
				wrote--
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" || wrote != 0 {
		t.Errorf("%s: what ran is not what was meant, %d files more:\n%s", how, wrote, d[:min(len(d), 4000)])
	}
	for dir, names := range map[string][]string{b.dir: standing, b.temp: {"victim"}} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(names, e.Name()) {
				t.Errorf("%s: something made the file %q", how, e.Name())
				_ = os.RemoveAll(filepath.Join(dir, e.Name()))
			}
		}
		for _, name := range names {
			if text, err := os.ReadFile(filepath.Join(dir, name)); name != standing[2] && string(text) != "kept" {
				t.Errorf("%s: something wrote %s: %q, %v", how, name, text, err)
			}
		}
	}
}

// runnable leaves out what is no command, of which the note must say why, and what stands twice.
func runnable(t *testing.T, commands []claim.Command) []claim.Command {
	t.Helper()
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(commands), func(c claim.Command) bool {
		line := c.String()
		if c.None() {
			if line != "" || c.Note == "" {
				t.Errorf("no command, and no reason: %q, %q", line, c.Note)
			}
			return true
		}
		double := seen[line]
		seen[line] = true
		return double
	})
}

// inShells runs commands as scripts and as pasted lines in every shell.
func inShells(t *testing.T, commands []claim.Command, paste bool) {
	commands = runnable(t, commands)
	if len(commands) == 0 {
		t.Fatal("no command")
	}
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = c.String()
	}
	pasted, typed := reporttest.Some(commands, 5), reporttest.Some(lines, 5) // the shells take their time to ask for the next
	for _, sh := range shells {
		t.Run(sh.name, func(t *testing.T) {
			path := shell(t, sh.name)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			b := newBench(t)
			script := b.command(ctx, path)
			script.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
			if out, err := script.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("as a script: %v: %s", err, out)
			}
			b.hold(t, "as a script", commands)
			if paste {
				b.paste(ctx, t, path, sh.interactive, typed)
				b.hold(t, "pasted", pasted)
			}
		})
	}
}

// TestCommandsInShells pastes every command about awkward names into every shell.
func TestCommandsInShells(t *testing.T) {
	var commands []claim.Command
	for _, word := range awkward {
		commands = append(commands, awkwardCommands(word)...)
	}
	if n := len(runnable(t, commands)); n < 800 {
		t.Fatalf("only %d commands can be pasted", n)
	}
	inShells(t, commands, true)
}

// TestCommandsOfAwkwardCase does the same with all that a report about a case with such names prints.
func TestCommandsOfAwkwardCase(t *testing.T) {
	var commands []claim.Command
	for i, word := range []string{`'$(touch PWNED)'`, "`touch PWNED`", `x';touch PWNED #`, `!touch "!!"`, `-x $(touch PWNED)`, `#$(touch PWNED)`, "a\n$(touch PWNED)", `\';touch PWNED;'\`} {
		base := strings.NewReplacer("/", "_", "\x00", "_").Replace(word)
		n := reporttest.Names{
			Folder: base, Log: "-" + base + ".txt", Pkg: "example.com/" + base, Type: "T" + base, Method: "M" + base, Longer: "MM" + base, Function: "F" + base,
			Dir: "/src/" + word, File: base + ".go", Key: base, Label: word, Message: word, Host: fmt.Sprintf("host%d.example.com", i),
		}
		r := n.Judge(t, false)
		if len(r.Findings) == 0 {
			t.Fatalf("%q: no findings", word)
		}
		commands = append(commands, reportCommands(r)...)
	}
	inShells(t, commands, true)
}

// TestCommandsOfFixtures runs every command of every fixture.
func TestCommandsOfFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads all fixtures once more")
	}
	cases, err := filepath.Glob(filepath.Join(reporttest.Fixtures, "[^u]*", "*", "truth.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var commands []claim.Command
	for _, name := range cases {
		for _, f := range reporttest.Judged(t, filepath.Dir(name)).Findings {
			for _, fact := range f.Evidence {
				if fact.Reproduce.None() && fact.Value.Number != 0 {
					t.Errorf("%s: %s: %q has no command: %s", filepath.Dir(name), f.Detector, fact.Says, fact.Reproduce.Note)
				}
				if !fact.Reproduce.None() {
					commands = append(commands, fact.Reproduce)
				}
			}
		}
	}
	inShells(t, commands, false)
}

const prompt = "@ready@"

// paste types lines into a shell that talks with a person on a terminal of its own, each when the shell asks for one.
func (b *bench) paste(ctx context.Context, t *testing.T, path string, args, lines []string) {
	t.Helper()
	master, slave := terminalPair(t)
	defer master.Close()
	c := b.command(ctx, path, args...)
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = onOwnTerminal
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out := make(chan []byte, 1024)
	go func() {
		defer close(out)
		for {
			buf := make([]byte, 4096)
			n, err := master.Read(buf)
			out <- buf[:n]
			if err != nil {
				return
			}
		}
	}()
	var said bytes.Buffer
	ask := func() bool { // waits for the prompt
		for {
			if i := bytes.Index(said.Bytes(), []byte(prompt)); i >= 0 {
				said.Next(i + len(prompt))
				return true
			}
			select {
			case text, ok := <-out:
				if !ok {
					return false
				}
				said.Write(text)
			case <-time.After(20 * time.Second):
				return false
			}
		}
	}
	for _, line := range append([]string{"echo touched a b", "stty -echo"}, lines...) {
		if !ask() {
			t.Errorf("%s does not ask for more, before %q: %q", path, line, said.String())
			break
		}
		if _, err := io.WriteString(master, line+"\r"); err != nil {
			t.Fatal(err)
		}
	}
	_ = ask()
	_, _ = io.WriteString(master, "exit 0\r")
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = c.Process.Kill()
		<-done
		t.Errorf("%s did not end", path)
	}
}
