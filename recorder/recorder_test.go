package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"inquest/recorder/manifest"
)

func TestStandardLibraryAlone(t *testing.T) {
	names, err := filepath.Glob("*.go")
	more, _ := filepath.Glob("manifest/*.go")
	if err != nil || len(names) == 0 || len(more) == 0 {
		t.Fatal(names, more, err)
	}
	names = append(names, more...)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			// Only module paths have a dot in their first element; ours has none.
			if first, _, _ := strings.Cut(path, "/"); path != "inquest/recorder/manifest" && (strings.Contains(first, ".") || first == "inquest" || first == "C") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// start begins a recorder without a CPU profile, so that cases are quick.
func start(t *testing.T, opt Options) *Recorder {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	if opt.CPU == 0 {
		opt.CPU = -1
	}
	r, err := Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// written returns the cases in the recorder's folder, and fails on anything else there.
func written(t *testing.T, r *Recorder) []string {
	t.Helper()
	entries, err := os.ReadDir(r.opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), casePrefix) {
			t.Errorf("%s was left in the folder", e.Name())
			continue
		}
		out = append(out, filepath.Join(r.opt.Dir, e.Name()))
	}
	return out
}

// await waits for a number of cases.
func await(t *testing.T, r *Recorder, n int) []string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(r.opt.Dir, casePrefix+"*")); len(found) >= n && !r.busy.Load() {
			return written(t, r)
		}
	}
	t.Fatalf("no %d cases came", n)
	return nil
}

func manifestOf(t *testing.T, dir string) *manifest.Manifest {
	t.Helper()
	m := readManifest(dir)
	if m == nil {
		t.Fatalf("%s has no manifest", dir)
	}
	return m
}

func TestObserve(t *testing.T) {
	r := start(t, Options{Latency: 100 * time.Millisecond})
	r.Observe(99 * time.Millisecond)
	if r.busy.Load() {
		t.Fatal("below the limit")
	}
	r.Observe(100 * time.Millisecond)
	dir := await(t, r, 1)[0]
	m := manifestOf(t, dir)
	if m.Trigger.Name != "latency" || m.Trigger.Value != 0.1 || m.Trigger.Limit != 0.1 || m.Trigger.Unit != "seconds" {
		t.Errorf("trigger %+v", m.Trigger)
	}
	for _, f := range m.Files {
		if f.Result != "taken" || f.Bytes == 0 || f.SHA256 == "" {
			t.Errorf("%+v", f)
		}
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.Size() != f.Bytes {
			t.Errorf("%s: %v, %v", f.Name, info, err)
		}
	}
}

func TestConcurrentTriggersTakeOneCase(t *testing.T) {
	r := start(t, Options{Latency: time.Millisecond, Every: time.Hour})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				r.Observe(time.Second)
				if _, err := r.Capture("test"); err != nil && !errors.Is(err, ErrTooSoon) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := await(t, r, 1)
	if len(got) != 1 {
		t.Fatalf("%d cases, want one", len(got))
	}
	told := 0
	for _, note := range manifestOf(t, got[0]).Notes {
		fmt.Sscanf(note, "triggers fired %d times", &told)
	}
	if n := told + int(r.missed.Load()); n != 50*20*2-1 {
		t.Errorf("%d triggers counted as too soon", n)
	}
}

func TestEveryAndKeep(t *testing.T) {
	r := start(t, Options{Every: time.Nanosecond, Keep: 2})
	mine := filepath.Join(r.opt.Dir, "case-of-beer")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	var last string
	for range 4 {
		var err error
		if last, err = r.Capture("test"); err != nil {
			t.Fatal(err)
		}
		// The name of a case has the millisecond.
		for last := time.Now().UnixMilli(); time.Now().UnixMilli() == last; {
		}
	}
	got := written(t, r)
	if len(got) != 3 {
		t.Errorf("%v: want two cases and the folder that is none", got)
	}
	if _, err := os.Stat(last); err != nil {
		t.Error(err)
	}
}

func TestMissedTriggersAreToldInTheNextCase(t *testing.T) {
	r := start(t, Options{Latency: time.Second, Every: time.Hour})
	if _, err := r.Capture("first"); err != nil {
		t.Fatal(err)
	}
	r.Observe(time.Second)
	r.Observe(time.Second)
	r.next.Store(0) // the hour is over
	dir, err := r.Capture("second")
	if err != nil {
		t.Fatal(err)
	}
	if m := manifestOf(t, dir); len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "2 times") {
		t.Errorf("notes %q", m.Notes)
	}
}

func TestSizeCap(t *testing.T) {
	r := start(t, Options{MaxBytes: 6_000})
	dir, err := r.Capture("test")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	m := manifestOf(t, dir)
	worse := 0
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, f.Name))
		if f.Result == "failed" {
			worse++
			if err == nil {
				t.Errorf("%s failed and is there", f.Name)
			}
			continue
		}
		if f.Result == "partial" {
			worse++
		}
		sum += info.Size()
	}
	if sum > 6_000 || worse == 0 {
		t.Errorf("%d bytes, %d files that did not fit", sum, worse)
	}
}

func TestBounded(t *testing.T) {
	for _, size := range []int64{9, 10, 11} {
		var b bytes.Buffer
		w := &bounded{w: &b, left: size}
		_, err1 := w.Write([]byte("01234"))
		_, err2 := w.Write([]byte("56789"))
		if whole := size >= 10; err1 != nil || (err2 == nil) != whole || w.full == whole || b.Len() != int(min(size, 10)) {
			t.Errorf("%d: %v, %v, %q", size, err1, err2, b.String())
		}
	}
}

func TestGaugeFiresOnceUntilItGrows(t *testing.T) {
	g := &gauge{Trigger: manifest.Trigger{Limit: 100}}
	for i, step := range []struct {
		value float64
		fires bool
	}{{99, false}, {100, true}, {100, false}, {149, false}, {150, true}, {200, false}, {99, false}, {100, true}} {
		if g.Value = step.value; g.rise() != step.fires {
			t.Errorf("step %d, %v: want %v", i, step.value, step.fires)
		}
	}
}

func TestGoroutinesAndHeap(t *testing.T) {
	for name, opt := range map[string]Options{"goroutines": {Goroutines: 1}, "heap": {Heap: 1}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, opt)
			if m := manifestOf(t, await(t, r, 1)[0]); m.Trigger.Name != name || m.Trigger.Value < m.Trigger.Limit {
				t.Errorf("trigger %+v", m.Trigger)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	r := start(t, Options{})
	var through any
	func() {
		defer func() { through = recover() }()
		defer r.Guard()
		var orders []int
		_ = orders[len(r.opt.Dir)]
	}()
	if err, ok := through.(error); !ok || !strings.Contains(err.Error(), "out of range") {
		t.Fatalf("what came through is %v", through)
	}
	dir := await(t, r, 1)[0]
	data, err := os.ReadFile(filepath.Join(dir, "crash.txt"))
	if err != nil || !bytes.HasPrefix(data, []byte("panic: runtime error: index out of range [")) || !bytes.Contains(data, []byte("TestGuard")) {
		t.Errorf("%v: %s", err, data)
	}
	func() { // nothing happens without a panic, nor for who hangs up
		defer func() { _ = recover() }()
		defer r.Guard()
		panic(http.ErrAbortHandler)
	}()
	func() { defer r.Guard() }()
	if n := len(written(t, r)); n != 1 || r.missed.Load() != 0 {
		t.Errorf("%d cases, %d missed", n, r.missed.Load())
	}
}

type rude struct{}

func (rude) Error() string { panic("no") }

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{{"text", "text"}, {errors.New("wrong"), "wrong"}, {7, "7"}, {rude{}, "recorder.rude"}, {time.Second, "1s"}} {
		if got := describe(test.v); got != test.want {
			t.Errorf("%v: %q", test.want, got)
		}
	}
}

func TestPanicWaitsForTheCaseBeingWritten(t *testing.T) {
	r := start(t, Options{CPU: time.Hour})
	go r.Capture("long")
	for !r.busy.Load() {
		time.Sleep(time.Millisecond)
	}
	func() {
		defer func() { _ = recover() }()
		defer r.Guard()
		panic("dying")
	}()
	if got, _ := filepath.Glob(filepath.Join(r.opt.Dir, casePrefix+"*")); len(got) != 1 {
		t.Errorf("cases %v: the one in progress was lost", got)
	}
}

func TestStopEndsACaseEarly(t *testing.T) {
	r := start(t, Options{CPU: time.Hour, Latency: time.Second})
	r.Observe(time.Second)
	for !r.busy.Load() {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	r.Stop()
	r.Stop()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("Stop took %v", took)
	}
	if got := written(t, r); len(got) != 1 {
		t.Errorf("cases %v", got)
	}
	if _, err := r.Capture("late"); err == nil {
		t.Error("a stopped recorder took a case")
	}
	r.Observe(time.Hour)
}

func TestSecondRecorderHasNoTrace(t *testing.T) {
	start(t, Options{})
	r := start(t, Options{})
	dir, err := r.Capture("test")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range manifestOf(t, dir).Files {
		if f.Name == "trace.out" && (f.Result != "failed" || f.Why == "") {
			t.Errorf("%+v", f)
		}
	}
}

func TestNoTrace(t *testing.T) {
	r := start(t, Options{Window: -1})
	dir, err := r.Capture("test")
	if err != nil {
		t.Fatal(err)
	}
	m := manifestOf(t, dir)
	for _, f := range m.Files {
		if f.Name == "trace.out" {
			t.Errorf("%+v", f)
		}
	}
	if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "no execution trace") {
		t.Errorf("notes %q", m.Notes)
	}
}

// wild is a service's log handler with a fault.
type wild struct{ slog.Handler }

func (wild) Enabled(context.Context, slog.Level) bool  { return true }
func (wild) Handle(context.Context, slog.Record) error { panic("no log") }

func TestPanicOfTheLogger(t *testing.T) {
	r := start(t, Options{Latency: time.Second, Every: time.Nanosecond, Logger: slog.New(wild{})})
	if _, err := r.Capture("test"); err == nil || !strings.Contains(err.Error(), "no log") {
		t.Error(err)
	}
	r.Observe(time.Second) // in the background it would end the process
	r.Stop()
}

func TestTwoCasesOfOneName(t *testing.T) {
	r := start(t, Options{Every: time.Nanosecond})
	at := time.Now()
	for range 2 {
		if !r.claim() || !r.enter() {
			t.Fatal("too soon")
		}
		if _, err := r.take(manifest.Trigger{Name: "heap", At: at}, nil); err != nil {
			t.Error(err)
		}
		r.cases.Done()
	}
	if got := written(t, r); len(got) != 2 {
		t.Errorf("cases %v", got)
	}
}

func TestMiddleware(t *testing.T) {
	r := start(t, Options{Latency: 2 * time.Second}) // no quick request takes that long on a slow machine
	release := make(chan bool)
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			<-release
		}
		io.WriteString(w, "done")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if r.busy.Load() {
		t.Fatal("a quick request fired")
	}
	ended := make(chan bool)
	go func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/slow", nil)); close(ended) }()
	dir := await(t, r, 1)[0] // while the request still stands
	close(release)
	<-ended
	data, err := os.ReadFile(filepath.Join(dir, "dump-1.txt"))
	if err != nil || !bytes.Contains(data, []byte("TestMiddleware.func1")) {
		t.Errorf("%v: the dump does not show where the slow request stands", err)
	}
}

func TestHandler(t *testing.T) {
	r := start(t, Options{})
	ask := func(method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		return w
	}
	if w := ask("GET"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
	if w := ask("POST"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), casePrefix) {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
	if w := ask("POST"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("again: %d", w.Code)
	}
}

func TestNil(t *testing.T) {
	var r *Recorder
	r.Observe(time.Hour)
	r.Stop()
	if _, err := r.Capture("x"); err == nil {
		t.Error("nil captured")
	}
	h := r.Middleware(http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Error(w.Code)
	}
	through := func() (v any) {
		defer func() { v = recover() }()
		defer r.Guard()
		panic("as before")
	}()
	if through != "as before" {
		t.Error(through)
	}
}

func TestBadOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	bad := []Options{{}, {Dir: file}, {Dir: t.TempDir(), Latency: -1}}
	if _, err := os.Stat("/proc/self"); err == nil { // it is there and takes nothing
		bad = append(bad, Options{Dir: "/proc/self"})
	}
	for _, opt := range bad {
		if r, err := Start(opt); err == nil {
			r.Stop()
			t.Errorf("%+v: no error", opt)
		}
	}
}

func TestFolderGone(t *testing.T) {
	r := start(t, Options{Every: time.Nanosecond})
	if err := os.RemoveAll(r.opt.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Capture("x"); err == nil {
		t.Error("no error")
	}
	if r.busy.Load() {
		t.Error("no case can be taken ever after")
	}
	if err := os.MkdirAll(r.opt.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Capture("x"); err != nil {
		t.Error(err)
	}
}
