package capture

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"inquest/analyze/evidence"
	"inquest/recorder/manifest"
)

// Command is a program to run so that its stderr becomes evidence.
type Command struct {
	Args     []string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer     // gets a copy
	Timeout  time.Duration // after which the program gets SIGQUIT; 0 for never
	MaxBytes int64         // of stderr to keep; beyond it the beginning and the end are kept
	Version  string        // of the tool, for the manifest
}

const (
	stderrName = "stderr.log"
	// afterQuit is how long a program may take to print its goroutines and end.
	afterQuit = 10 * time.Second
)

// Run runs the program with gctrace and schedtrace on, waits for it, and keeps
// what it wrote to stderr in dir if there is evidence in it. Signals go on to the program. How the program
// ended is a note in the manifest and no error.
func (c *Command) Run(dir string) (*manifest.Manifest, error) {
	m := &manifest.Manifest{Schema: evidence.ManifestSchema, Tool: manifest.Tool{Name: "inquest capture", Version: c.Version}}
	m.Program.Name = filepath.Base(c.Args[0])
	m.Source = "command " + m.Program.Name
	if n := len(c.Args) - 1; n > 0 {
		m.Source += fmt.Sprintf(", with %s", evidence.Things(n, "argument"))
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), "GODEBUG="+debugSettings(os.Getenv("GODEBUG")))
	cmd.Stdin, cmd.Stdout = c.Stdin, c.Stdout
	cmd.WaitDelay = 2 * time.Second // children of the program may hold its stderr open
	if info, err := buildinfo.ReadFile(cmd.Path); err == nil {
		m.Program.GoVersion = info.GoVersion
	} else {
		m.Notes = append(m.Notes, m.Program.Name+" is no Go program itself; Go programs that it starts get the same settings, and SIGQUIT goes to it alone")
	}

	m.Started = time.Now().UTC().Round(time.Millisecond)
	m.Files = []manifest.File{{Name: stderrName, Request: "stderr", Started: m.Started, Attempts: 1,
		Result: evidence.InPart, Why: "the capture was cut short: it is what had been written until then"}}
	w, err := manifest.Create(dir, m)
	if err != nil {
		return nil, err
	}
	defer w.Abandon()
	file, err := os.OpenFile(filepath.Join(dir, stderrName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	defer func() {
		if cmd.Process == nil { // it never ran
			_ = os.Remove(file.Name())
		}
	}()
	kept := newKeeper(file, c.MaxBytes)
	cmd.Stderr = tee{c.Stderr, kept}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		var e *exec.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	m.Program.PID = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m.Notes = append(m.Notes, c.attend(cmd, signals, ended)...)
	m.Ended = time.Now().UTC().Round(time.Millisecond)

	f := &m.Files[0]
	f.Why, f.Ended = "", m.Ended
	left := kept.close()
	if err := judgeFile(dir, f); err != nil {
		return nil, err
	}
	if f.Result == evidence.Taken && kept.failed != nil {
		f.Result, f.Why = evidence.InPart, fmt.Sprintf("%s of it %s", evidence.Of(left, evidence.Bytes), strings.TrimPrefix(onDisk(kept.failed), "it "))
	} else if f.Result == evidence.Taken && left > 0 {
		f.Result, f.Why = evidence.InPart, fmt.Sprintf("%s between beginning and end were not kept; --max-bytes keeps more", evidence.Of(left, evidence.Bytes))
	}
	if err := w.Close(m); err != nil {
		return nil, err
	}
	if f.Result == evidence.Failed {
		return m, advice{errors.New("it wrote no evidence to stderr: " + f.Why),
			"a Go program prints gctrace and schedtrace lines there; a shell script must pass GODEBUG on"}
	}
	return m, nil
}

// attend passes signals on and keeps the time limit until the program has ended.
// It returns what is worth noting.
func (c *Command) attend(cmd *exec.Cmd, signals <-chan os.Signal, ended <-chan error) (notes []string) {
	var limit, grace <-chan time.Time
	begun := time.Now()
	if c.Timeout > 0 {
		// Schedtrace prints every second from the start on, without regard to a dump
		// being printed: between two of its lines the dump stays in one piece.
		t := time.NewTimer(c.Timeout.Truncate(time.Second) + max(c.Timeout%time.Second, 500*time.Millisecond))
		defer t.Stop()
		limit = t.C
	}
	// Keys pressed at the terminal reach the program without us.
	terminal := false
	for _, stream := range []any{c.Stdin, c.Stdout, c.Stderr} {
		f, ok := stream.(*os.File)
		terminal = terminal || ok && term.IsTerminal(int(f.Fd()))
	}
	for {
		select {
		case s := <-signals:
			if terminal && (s == os.Interrupt || s == syscall.SIGQUIT) {
				continue
			}
			_ = cmd.Process.Signal(s)
		case <-limit:
			notes = append(notes, fmt.Sprintf("sent SIGQUIT after %v", time.Since(begun).Round(100*time.Millisecond)))
			_ = cmd.Process.Signal(syscall.SIGQUIT)
			grace = time.After(afterQuit)
		case <-grace:
			notes = append(notes, fmt.Sprintf("killed, as it did not end within %v of SIGQUIT", afterQuit))
			_ = cmd.Process.Kill()
		case err := <-ended:
			if err != nil && cmd.ProcessState == nil {
				return append(notes, "waiting for it failed: "+err.Error())
			}
			if errors.Is(err, exec.ErrWaitDelay) {
				notes = append(notes, fmt.Sprintf("something that it started still held its stderr %v after its end; what that wrote later is not here", cmd.WaitDelay))
			}
			return append(notes, "the command ended with "+strings.Replace(cmd.ProcessState.String(), "exit status", "exit code", 1))
		}
	}
}

// debugSettings adds to a GODEBUG what makes the runtime write evidence. What is set stays as it is.
func debugSettings(have string) string {
	for _, want := range []string{"gctrace=1", "schedtrace=1000"} {
		name, _, _ := strings.Cut(want, "=")
		set := false
		for setting := range strings.SplitSeq(have, ",") {
			if n, _, ok := strings.Cut(strings.TrimSpace(setting), "="); ok && n == name {
				set = true
			}
		}
		if !set {
			have = strings.TrimPrefix(have+","+want, ",")
		}
	}
	return have
}

// judgeFile says in f whether the file of that name holds evidence, and removes it if not.
func judgeFile(dir string, f *manifest.File) error {
	name := filepath.Join(dir, f.Name)
	b, err := evidence.Open(context.Background(), []string{name}, evidence.Options{})
	if err != nil {
		return err
	}
	var why []string
	for _, e := range b.Exhibits {
		if e.Coverage != evidence.None {
			f.Result, f.Bytes, f.SHA256 = evidence.Taken, e.Bytes, e.SHA256
			return nil
		}
		for _, p := range e.Whys() {
			why = append(why, p.String())
		}
	}
	f.Result, f.Why = evidence.Failed, strings.Join(why, "; ")
	return os.Remove(name)
}

// tee writes to both; that the first cannot take it is no reason not to keep it.
type tee struct {
	shown io.Writer
	kept  io.Writer
}

func (t tee) Write(p []byte) (int, error) {
	_, _ = t.shown.Write(p)
	return t.kept.Write(p)
}

// keeper keeps the beginning of a stream in a file and its end in memory. It takes everything
// that it is given: a program whose stderr is refused gets SIGPIPE, which ends it.
type keeper struct {
	mu     sync.Mutex
	file   io.Writer
	head   int64 // bytes still to go to the file
	ring   []byte
	most   int   // size the ring may grow to
	next   int   // where in the full ring the next byte goes
	total  int64 // bytes past the head
	failed error // of the disk; nothing after it is kept
}

func newKeeper(file io.Writer, most int64) *keeper {
	const tail = 32 << 20
	end := min(most/2, tail)
	return &keeper{file: file, head: most - end, most: int(end)}
}

func (k *keeper) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(p)
	if k.head > 0 {
		first := p[:min(int64(len(p)), k.head)]
		m, err := k.file.Write(first)
		if k.head -= int64(len(first)); err != nil {
			k.failed, k.head, k.ring = err, 0, nil
			first = first[:m]
		}
		p = p[len(first):]
	}
	k.total += int64(len(p))
	if k.failed != nil {
		return n, nil
	}
	if len(p) > k.most {
		p = p[len(p)-k.most:]
	}
	if room := k.most - len(k.ring); room > 0 {
		first := p[:min(len(p), room)]
		k.ring = append(k.ring, first...)
		p = p[len(first):]
	}
	for len(p) > 0 {
		m := copy(k.ring[k.next:], p)
		k.next = (k.next + m) % len(k.ring)
		p = p[m:]
	}
	return n, nil
}

// close writes the end behind the beginning and returns how many bytes between them, or after a failure of the
// disk at the end, are gone.
func (k *keeper) close() (left int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil {
		return k.total
	}
	end := append(append([]byte(nil), k.ring[k.next:]...), k.ring[:k.next]...)
	left = k.total - int64(len(end))
	if left > 0 {
		// The rest of a line is worth nothing.
		if i := bytes.IndexByte(end, '\n'); i >= 0 {
			left += int64(i + 1)
			end = end[i+1:]
		}
		end = append(fmt.Appendf(nil, "\n[inquest: %d bytes left out]\n", left), end...)
	}
	n, err := k.file.Write(end)
	if err != nil {
		k.failed = err
		left += int64(len(end) - n)
	}
	return left
}

// advice is an error with the next step.
type advice struct {
	error
	hint string
}

// Hint returns the next step.
func (a advice) Hint() string { return a.hint }
