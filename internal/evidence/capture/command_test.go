package capture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"inquest/analyze/evidence"
)

// monitored is long enough for the runtime's monitor to begin, which prints schedtrace.
const monitored = time.Second

// TestMain turns the test binary into the programs that tests run.
func TestMain(m *testing.M) {
	switch os.Getenv("CAPTURE_TEST") {
	case "":
		os.Exit(m.Run())
	case "work":
		for range 3 {
			runtime.GC()
		}
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		time.Sleep(monitored)
		os.Exit(7)
	case "noise":
		fmt.Fprintln(os.Stderr, "at the beginning")
		for range 20_000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 99))
		}
		panic("at the end")
	case "wait":
		fmt.Fprintln(os.Stderr, "waiting")
		time.Sleep(time.Hour)
	case "stand":
		for range 5 {
			runtime.GC()
		}
		time.Sleep(time.Hour)
	case "capture": // of a program that stands, until somebody kills both
		exe, _ := os.Executable()
		os.Setenv("CAPTURE_TEST", "stand")
		c := &Command{Args: []string{exe}, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, MaxBytes: 1 << 20}
		_, _ = c.Run(os.Getenv("CAPTURE_DIR"))
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
		time.Sleep(monitored)
	}
	os.Exit(0)
}

func command(t *testing.T, program string) (c *Command, out, stderr *bytes.Buffer) {
	t.Setenv("CAPTURE_TEST", program)
	t.Setenv("GODEBUG", "")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &Command{Args: []string{exe, "--password=" + secret}, Stdin: strings.NewReader("in"), Stdout: out, Stderr: stderr, MaxBytes: 64 << 20}, out, stderr
}

func TestCommand(t *testing.T) {
	c, out, stderr := command(t, "work")
	dir := t.TempDir()
	m, err := c.Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != "out\n" || !strings.Contains(stderr.String(), "err\n") {
		t.Errorf("passed through %q and %q", out, stderr)
	}
	if f := file(t, m, stderrName); f.Result != evidence.Taken {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(strings.Join(m.Notes, "; "), "exit code 7") || m.Program.GoVersion != runtime.Version() {
		t.Errorf("notes %q, program %+v", m.Notes, m.Program)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, evidence.ManifestName)); bytes.Contains(text, []byte(secret)) {
		t.Error("the manifest holds an argument")
	}
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Of(evidence.GCTrace)) != 1 || len(b.Of(evidence.SchedTrace)) != 1 {
		t.Errorf("%+v: want gctrace and schedtrace", b.Exhibits)
	}
}

func TestCommandStdin(t *testing.T) {
	c, out, _ := command(t, "echo")
	if _, err := c.Run(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if out.String() != "in" {
		t.Errorf("stdin came through as %q", out)
	}
}

func TestCommandOfMuchNoise(t *testing.T) {
	c, _, stderr := command(t, "noise")
	c.MaxBytes = 100_000
	dir := t.TempDir()
	m, err := c.Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := file(t, m, stderrName)
	if f.Result != evidence.InPart || f.Bytes > 101_000 || f.Bytes < 99_000 || stderr.Len() < 2_000_000 {
		t.Errorf("%+v of %d", f, stderr.Len())
	}
	data, err := os.ReadFile(filepath.Join(dir, stderrName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"at the beginning\n", "bytes left out]\n", "\npanic: at the end"} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestCommandTimeout(t *testing.T) {
	c, _, stderr := command(t, "wait")
	c.Timeout = 2500 * time.Millisecond // a slow machine must have begun by then
	dir := t.TempDir()
	m, err := c.Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr.String(), "SIGQUIT: quit") || !strings.Contains(strings.Join(m.Notes, "; "), "sent SIGQUIT after ") {
		t.Errorf("notes %q, stderr %.200s", m.Notes, stderr)
	}
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil || len(b.Of(evidence.Dump)) != 1 {
		t.Errorf("no dump: %v", err)
	}
}

func TestCommandsThatGiveNothing(t *testing.T) {
	for _, args := range [][]string{{"/nonexistent/program"}, {"true"}} {
		dir := t.TempDir()
		c := &Command{Args: args, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, MaxBytes: 1 << 20}
		if _, err := c.Run(dir); err == nil {
			t.Errorf("%v: no error", args)
		}
		if _, err := os.Stat(filepath.Join(dir, stderrName)); err == nil {
			t.Errorf("%v: what is no evidence was kept", args)
		}
	}
}

func TestDebugSettings(t *testing.T) {
	for have, want := range map[string]string{
		"":                        "gctrace=1,schedtrace=1000",
		"http2client=0":           "http2client=0,gctrace=1,schedtrace=1000",
		"schedtrace=50":           "schedtrace=50,gctrace=1",
		"gctrace=0,schedtrace=10": "gctrace=0,schedtrace=10",
	} {
		if got := debugSettings(have); got != want {
			t.Errorf("%q: %q, want %q", have, got, want)
		}
	}
}

func TestKeeper(t *testing.T) {
	const text = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"
	for most := int64(2); most < 60; most++ {
		for _, size := range []int{1, 3, 7, 100} {
			var file bytes.Buffer
			k := newKeeper(&file, most)
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				if _, err := k.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			left := k.close()
			if k.failed != nil {
				t.Fatal(k.failed)
			}
			head, tail, cut := strings.Cut(file.String(), fmt.Sprintf("\n[inquest: %d bytes left out]\n", left))
			if cut != (left > 0) || !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tail) || int64(len(head)+len(tail))+left != int64(len(text)) || int64(len(head)+len(tail)) > max(most, int64(len(text))*btoi(!cut)) {
				t.Errorf("most %d, size %d: %q", most, size, file.String())
			}
		}
	}
}

// disk takes so many bytes and no more.
type disk int

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), int(*d))
	*d -= disk(n)
	if n < len(p) {
		return n, &os.PathError{Op: "write", Path: "/home/me/case", Err: syscall.ENOSPC}
	}
	return n, nil
}

// A program whose stderr is refused gets SIGPIPE: a full disk must not end it.
func TestKeeperOnAFullDisk(t *testing.T) {
	for room := range 40 {
		d := disk(room)
		k := newKeeper(&d, 24)
		for range 8 {
			if n, err := k.Write([]byte("line\n")); n != 5 || err != nil {
				t.Fatalf("room for %d: %d, %v", room, n, err)
			}
		}
		left := k.close()
		if full := d == 0; full != (k.failed != nil) && full || left <= 0 {
			t.Errorf("room for %d: %v, %d left out", room, k.failed, left)
		}
		if k.failed != nil && strings.Contains(onDisk(k.failed), "/home") {
			t.Error(onDisk(k.failed))
		}
	}
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// waiting starts the program that waits, with its stderr in a file.
func waiting(t *testing.T, stderr *os.File, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), "CAPTURE_TEST=wait", "GODEBUG="), env...)
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd
}

func needProc(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
}

func TestProcess(t *testing.T) {
	needProc(t)
	log, err := os.Create(filepath.Join(t.TempDir(), "service.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintln(log, "goroutine 99 [running]:\nmain.old()\n\t/src/old.go:1 +0x1") // of an earlier run
	cmd := waiting(t, log)
	for { // until it has begun to wait
		if data, _ := os.ReadFile(log.Name()); bytes.Contains(data, []byte("waiting")) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	p, err := Inspect(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if facts := strings.Join(p.Facts, "; "); !strings.Contains(facts, "threads") || !strings.Contains(facts, "service.log") {
		t.Errorf("facts %s", facts)
	}
	dir := t.TempDir()
	m, err := p.Quit(context.Background(), dir, Quit{Wait: 20 * time.Second, MaxBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	checkFolder(t, m, dir)
	data, err := os.ReadFile(filepath.Join(dir, "dump.txt"))
	if err != nil || !bytes.HasPrefix(data, []byte("SIGQUIT: quit")) || bytes.Contains(data, []byte("main.old")) {
		t.Errorf("%v: %.300s", err, data)
	}
}

func TestProcessesThatAreLeftAlone(t *testing.T) {
	needProc(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, test := range []struct {
		why    string
		stderr *os.File
		env    string
	}{
		{"/dev/null", nil, "A=B"},
		{"is a pipe, which is read by", w, "A=B"},
		{"without a dump", file, "GOTRACEBACK=none"},
	} {
		cmd := waiting(t, test.stderr, test.env)
		p, err := Inspect(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Quit(context.Background(), t.TempDir(), Quit{Wait: time.Second, MaxBytes: 1 << 20})
		if err == nil || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%v, want %s", err, test.why)
		}
		time.Sleep(50 * time.Millisecond)
		if !p.alive() {
			t.Errorf("%s: it was ended all the same", test.why)
		}
	}
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = sleep.Process.Kill(); _ = sleep.Wait() }()
	if _, err := Inspect(sleep.Process.Pid); err == nil || !strings.Contains(err.Error(), "no Go program") {
		t.Errorf("a C program: %v", err)
	}
	if _, err := Inspect(1 << 30); err == nil {
		t.Error("no such process")
	}
}
