package recorder

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"inquest/recorder/manifest"
)

const (
	casePrefix    = "case-"
	scratchPrefix = ".inquest-case-"
	// mostDump bounds how long the world stops for a dump: some 8,000 goroutines are
	// printed in 50 ms. The goroutine profile has them all, counted.
	mostDump = 4 << 20
)

// writer is one case being written.
type writer struct {
	dir      string
	left     int64 // bytes that the case may still grow by
	create   func(path string) (io.WriteCloser, error)
	manifest manifest.Manifest
	kept     *manifest.Writer // of the manifest
	steps    []func(io.Writer) error
}

// cutShort stands in the manifest for what has not been written yet, in case the process dies meanwhile.
const cutShort = "the case was cut short before it"

// createFile makes a file of a case.
func createFile(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
}

// take writes one case and returns its folder. busy must be set; it is cleared.
func (r *Recorder) take(t manifest.Trigger, crash []byte) (dir string, err error) {
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
	scratch, err := makeScratch(r.opt.Dir)
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	w := &writer{dir: scratch, left: r.opt.MaxBytes, create: r.create, manifest: r.describe(&t)}
	defer func() {
		if w.kept != nil {
			w.kept.Abandon()
		}
		if !w.manifest.Kept() { // what holds evidence stays, whatever happened; sweep gives it its name
			_ = os.RemoveAll(scratch)
		}
	}()
	r.plan(w, crash, hurry)
	// First of all: it needs its room, and whoever finds a case that was cut short must be able to read it.
	if w.kept, err = manifest.Create(scratch, &w.manifest); err != nil {
		r.missed.Add(1)
		return "", fmt.Errorf("recorder: there is no room for a case: %w", err)
	}
	for i, write := range w.steps {
		if write != nil {
			w.add(&w.manifest.Files[i], write)
			_ = w.kept.Update(&w.manifest) // the last one counts
		}
	}
	w.manifest.Ended = stamp(time.Now())
	if !w.manifest.Kept() {
		return "", errors.New("recorder: nothing could be written: " + w.manifest.Files[0].Why)
	}
	err = w.kept.Close(&w.manifest)
	w.kept = nil
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	if dir, err = name(scratch, t); err != nil {
		return "", fmt.Errorf("recorder: the case is in %s: %w", filepath.Base(scratch), err)
	}
	r.opt.Logger.Info("recorder: case written", "trigger", t.Name, "dir", dir)
	sweep(r.opt.Dir)
	r.prune()
	return dir, nil
}

// describe begins the manifest of a case.
func (r *Recorder) describe(t *manifest.Trigger) manifest.Manifest {
	name := filepath.Base(os.Args[0])
	m := manifest.Manifest{
		Schema: manifest.Schema, Tool: manifest.Tool{Name: "inquest/recorder"}, Source: "recorder in " + name, Started: stamp(time.Now()), Trigger: t,
		Program: manifest.Program{Name: name, GoVersion: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0), PID: os.Getpid(), Goroutines: runtime.NumGoroutine()},
	}
	if n := r.missed.Swap(0); n > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("triggers fired %d times since the case before and gave none: it was too soon, or there was no room", n))
	}
	return m
}

// plan lists what the case shall hold. What is gone first comes first; the trace looks back and can wait.
func (r *Recorder) plan(w *writer, crash []byte, hurry <-chan struct{}) {
	if crash != nil {
		w.step("crash.txt", "", func(out io.Writer) error { _, err := out.Write(crash); return err })
	}
	w.step("dump-1.txt", "", dump)
	if r.flight == nil {
		w.manifest.Notes = append(w.manifest.Notes, "no execution trace: the service turned it off")
	} else if r.flightErr == nil {
		w.step("trace.out", "", func(out io.Writer) error { _, err := r.flight.WriteTo(out); return err })
	} else {
		w.step("trace.out", "", nil)
		f := &w.manifest.Files[len(w.manifest.Files)-1]
		f.Result, f.Why, f.Started, f.Ended = manifest.Failed, r.flightErr.Error(), w.manifest.Started, w.manifest.Started
	}
	w.profile("goroutine", "goroutine.pb.gz")
	for _, p := range []string{"heap", "mutex", "block"} {
		w.profile(p, p+"-1.pb.gz")
	}
	if r.opt.CPU > 0 && crash == nil {
		var out bytes.Buffer // what the profiler is given must not fail, and a profile is small
		w.step("cpu.pb.gz", "", func(to io.Writer) error {
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
		w.step("dump-2.txt", "", dump)
	}
}

// makeScratch makes the folder that a case is written in. Its mode follows the umask.
func makeScratch(dir string) (string, error) {
	for {
		scratch := filepath.Join(dir, scratchPrefix+strconv.FormatUint(rand.Uint64(), 36))
		if err := os.Mkdir(scratch, 0o750); !errors.Is(err, fs.ErrExist) {
			return scratch, err
		}
	}
}

// name gives a case that has been written its name.
func name(scratch string, t manifest.Trigger) (dir string, err error) {
	dir = filepath.Join(filepath.Dir(scratch), casePrefix+t.At.UTC().Format("20060102T150405.000Z")+"-"+t.Name)
	err = os.Rename(scratch, dir)
	if errors.Is(err, fs.ErrExist) { // of another process that shares the folder
		dir += "-" + strings.TrimPrefix(filepath.Base(scratch), scratchPrefix)
		err = os.Rename(scratch, dir)
	}
	return dir, err
}

func stamp(t time.Time) time.Time { return t.UTC().Round(time.Millisecond) }

// profile adds a profile of runtime/pprof.
func (w *writer) profile(name, as string) {
	p := pprof.Lookup(name)
	if p == nil {
		return
	}
	w.step(as, name, func(out io.Writer) error { return p.WriteTo(out, 0) })
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

// step plans one file of the case.
func (w *writer) step(name, request string, write func(io.Writer) error) {
	w.manifest.Files = append(w.manifest.Files, manifest.File{Name: name, Request: request, Result: manifest.Skipped, Why: cutShort})
	w.steps = append(w.steps, write)
}

// add writes one file of the case and notes what became of it.
func (w *writer) add(f *manifest.File, write func(io.Writer) error) {
	f.Result, f.Why, f.Started = manifest.Taken, "", stamp(time.Now())
	defer func() { f.Ended = stamp(time.Now()) }()
	path := filepath.Join(w.dir, f.Name)
	out, err := w.create(path)
	if err != nil {
		f.Result, f.Why = manifest.Failed, plain(err)
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
	// Of text the beginning is of use, and of a trace that has its size; of a packed profile it is not.
	var short cut
	limited := errors.As(err, &short)
	switch {
	case err != nil && b.written > 0 && (strings.HasSuffix(f.Name, ".txt") || limited && !strings.HasSuffix(f.Name, ".gz")):
		f.Result, f.Why = manifest.InPart, plain(err)
	case err != nil:
		f.Result, f.Why = manifest.Failed, plain(err)
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
		if _, err := os.Stat(filepath.Join(r.opt.Dir, e.Name(), manifest.Name)); err == nil && e.IsDir() && strings.HasPrefix(e.Name(), casePrefix) {
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

// sweep looks after what processes left that died while they wrote: a case that holds evidence gets its name,
// and the rest is removed.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !strings.HasPrefix(e.Name(), scratchPrefix) || time.Since(info.ModTime()) <= time.Hour {
			continue
		}
		scratch := filepath.Join(dir, e.Name())
		m := readManifest(scratch)
		if m == nil || !m.Kept() || m.Trigger == nil || !slices.Contains(triggers, m.Trigger.Name) {
			_ = os.RemoveAll(scratch)
		} else {
			_, _ = name(scratch, *m.Trigger)
		}
	}
}

// triggers are the names that triggers have.
var triggers = []string{"latency", "goroutines", "heap", "panic", "signal", "request"}

func readManifest(dir string) *manifest.Manifest {
	f, err := os.Open(filepath.Join(dir, manifest.Name))
	if err != nil {
		return nil
	}
	defer f.Close()
	m, err := manifest.Read(f)
	if err != nil {
		return nil
	}
	return m
}
