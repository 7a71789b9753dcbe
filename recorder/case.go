package recorder

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// The manifest of a case, as docs/capture.md describes it.
type manifest struct {
	Schema  string    `json:"schema"`
	Tool    tool      `json:"tool"`
	Source  string    `json:"source"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Trigger trigger   `json:"trigger"`
	Program program   `json:"program"`
	Files   []file    `json:"files"`
	Notes   []string  `json:"notes,omitempty"`
}

type tool struct {
	Name string `json:"name"`
}

type trigger struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Value float64   `json:"value,omitempty"`
	Limit float64   `json:"limit,omitempty"`
	Unit  string    `json:"unit,omitempty"`
	Says  string    `json:"says,omitempty"`
}

type program struct {
	Name       string `json:"name"`
	GoVersion  string `json:"go_version"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	PID        int    `json:"pid"`
	Goroutines int    `json:"goroutines"`
}

type file struct {
	Name    string    `json:"name"`
	Request string    `json:"request,omitempty"`
	Result  string    `json:"result"` // taken, partial or failed
	Why     string    `json:"why,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Bytes   int64     `json:"bytes,omitempty"`
	SHA256  string    `json:"sha256,omitempty"`
}

const (
	casePrefix    = "case-"
	scratchPrefix = ".inquest-case-"
	manifestName  = "manifest.json"
	// mostDump bounds how long the world stops for a dump: some 8,000 goroutines are
	// printed in 50 ms. The goroutine profile has them all, counted.
	mostDump = 4 << 20
)

// writer is one case being written.
type writer struct {
	dir   string
	left  int64 // bytes that the case may still grow by
	files []file
}

// take writes one case and returns its folder. busy must be set; it is cleared.
func (r *Recorder) take(t trigger, crash []byte) (dir string, err error) {
	r.mu.Lock()
	hurry, idle := r.hurry, r.idle
	r.mu.Unlock()
	defer close(idle)
	defer r.busy.Store(false)
	defer func() {
		if v := recover(); v != nil { // a Logger's, for one
			dir, err = "", fmt.Errorf("recorder: panic: %s", describe(v))
		}
	}()
	defer func() {
		if err != nil {
			r.opt.Logger.Error("recorder: no case written", "trigger", t.Name, "error", err)
		}
	}()
	if t.At.IsZero() {
		t.At = time.Now()
	}
	t.At = stamp(t.At)
	scratch, err := os.MkdirTemp(r.opt.Dir, scratchPrefix)
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	defer os.RemoveAll(scratch) // of nothing once it has its name
	if err := os.Chmod(scratch, 0o750); err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	name := filepath.Base(os.Args[0])
	m := manifest{
		Schema: "inquest/capture/v1", Tool: tool{"inquest/recorder"}, Source: "recorder in " + name, Started: stamp(time.Now()), Trigger: t,
		Program: program{name, runtime.Version(), runtime.GOMAXPROCS(0), os.Getpid(), runtime.NumGoroutine()},
	}
	if n := r.missed.Swap(0); n > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("triggers fired %d times since the case before and found it too soon", n))
	}
	w := &writer{dir: scratch, left: r.opt.MaxBytes}

	// What is gone first comes first; the trace looks back and can wait.
	if crash != nil {
		w.add("crash.txt", "", func(out io.Writer) error { _, err := out.Write(crash); return err })
	}
	w.add("dump-1.txt", "", dump)
	if r.flight == nil {
		m.Notes = append(m.Notes, "no execution trace: the service turned it off")
	} else if r.flightErr == nil {
		w.add("trace.out", "", func(out io.Writer) error { _, err := r.flight.WriteTo(out); return err })
	} else {
		w.files = append(w.files, file{Name: "trace.out", Result: "failed", Why: r.flightErr.Error(), Started: m.Started, Ended: m.Started})
	}
	w.profile("goroutine", "goroutine.pb.gz")
	for _, p := range []string{"heap", "mutex", "block"} {
		w.profile(p, p+"-1.pb.gz")
	}
	if r.opt.CPU > 0 && crash == nil {
		var out bytes.Buffer // what the profiler is given must not fail, and a profile is small
		w.add("cpu.pb.gz", "", func(to io.Writer) error {
			if err := pprof.StartCPUProfile(&out); err != nil {
				return err
			}
			wait := time.NewTimer(r.opt.CPU)
			select {
			case <-wait.C:
			case <-hurry:
				wait.Stop()
			}
			pprof.StopCPUProfile()
			_, err := to.Write(out.Bytes())
			return err
		})
		// Differences tell rates: these profiles count since the process began.
		for _, p := range []string{"heap", "mutex", "block"} {
			w.profile(p, p+"-2.pb.gz")
		}
		w.add("dump-2.txt", "", dump)
	}
	m.Files, m.Ended = w.files, stamp(time.Now())
	if !slices.ContainsFunc(w.files, func(f file) bool { return f.Result != "failed" }) {
		return "", errors.New("recorder: nothing could be written: " + w.files[0].Why)
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(scratch, manifestName), append(data, '\n'), 0o640)
	}
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	dir = filepath.Join(r.opt.Dir, casePrefix+t.At.Format("20060102T150405.000Z")+"-"+t.Name)
	err = os.Rename(scratch, dir)
	if errors.Is(err, fs.ErrExist) { // of another process that shares the folder
		dir += "-" + strings.TrimPrefix(filepath.Base(scratch), scratchPrefix)
		err = os.Rename(scratch, dir)
	}
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	r.opt.Logger.Info("recorder: case written", "trigger", t.Name, "dir", dir)
	r.prune()
	return dir, nil
}

func stamp(t time.Time) time.Time { return t.UTC().Round(time.Millisecond) }

// profile adds a profile of runtime/pprof.
func (w *writer) profile(name, as string) {
	p := pprof.Lookup(name)
	if p == nil {
		return
	}
	w.add(as, name, func(out io.Writer) error { return p.WriteTo(out, 0) })
}

// dump prints all goroutines in one stop of the world.
func dump(out io.Writer) error {
	buf := make([]byte, min(mostDump, 64<<10+runtime.NumGoroutine()*2<<10))
	n := runtime.Stack(buf, true)
	if n == len(buf) && n < mostDump {
		buf = make([]byte, mostDump)
		n = runtime.Stack(buf, true)
	}
	if _, err := out.Write(buf[:n]); err != nil {
		return err
	}
	if n == mostDump {
		return cut(fmt.Sprintf("cut at %d bytes, so that the world does not stop for long", mostDump))
	}
	return nil
}

// cut is an error that leaves the beginning of a file of use.
type cut string

func (c cut) Error() string { return string(c) }

// add writes one file of the case and notes what became of it.
func (w *writer) add(name, request string, write func(io.Writer) error) {
	f := file{Name: name, Request: request, Result: "taken", Started: stamp(time.Now())}
	defer func() {
		f.Ended = stamp(time.Now())
		w.files = append(w.files, f)
	}()
	path := filepath.Join(w.dir, name)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		f.Result, f.Why = "failed", plain(err)
		return
	}
	sum := sha256.New()
	b := &bounded{w: io.MultiWriter(out, sum), left: w.left}
	err = write(b)
	if b.full {
		err = cut("cut at the size that a case may have")
	}
	if e := out.Close(); err == nil {
		err = e
	}
	// Of a trace and of text the beginning is of use; of a packed profile it is not.
	var short cut
	switch packed := strings.HasSuffix(name, ".gz"); {
	case errors.As(err, &short) && !packed && b.written > 0:
		f.Result, f.Why = "partial", err.Error()
	case err != nil:
		f.Result, f.Why = "failed", plain(err)
		_ = os.Remove(path)
		return
	}
	w.left -= b.written
	f.Bytes, f.SHA256 = b.written, hex.EncodeToString(sum.Sum(nil))
}

// plain is an error without the path, which names the machine's folders.
func plain(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// bounded is a writer that takes so much and no more.
type bounded struct {
	w             io.Writer
	left, written int64
	full          bool
}

func (b *bounded) Write(p []byte) (int, error) {
	fits := p[:min(int64(len(p)), b.left)]
	n, err := b.w.Write(fits)
	b.left -= int64(n)
	b.written += int64(n)
	if err == nil && len(fits) < len(p) {
		b.full = true
		err = io.ErrShortWrite
	}
	return n, err
}

// prune removes the oldest cases beyond those to keep.
func (r *Recorder) prune() {
	entries, err := os.ReadDir(r.opt.Dir)
	if err != nil {
		return
	}
	var names []string
	for _, e := range entries {
		// Nothing is removed that a recorder did not write.
		if _, err := os.Stat(filepath.Join(r.opt.Dir, e.Name(), manifestName)); err == nil && e.IsDir() && strings.HasPrefix(e.Name(), casePrefix) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) }) // they begin with the time
	for i, name := range names {
		if i < r.opt.Keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.opt.Dir, name)); err != nil {
			r.opt.Logger.Warn("recorder: an old case stays", "dir", name, "error", err)
		}
	}
}

// sweep removes what processes left half written that died long ago.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && strings.HasPrefix(e.Name(), scratchPrefix) && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
