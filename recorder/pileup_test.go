package recorder_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/detect/crashes"
	"inquest/analyze/detect/locks"
	"inquest/analyze/evidence"
	"inquest/recorder"
	"inquest/recorder/manifest"
)

// ledger is a service's state with a fault: Post does slow work under the lock.
type ledger struct {
	mu      sync.Mutex
	entries map[string]int
}

func (l *ledger) Post(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	time.Sleep(5 * time.Millisecond) // the disk
	l.entries[account]++
}

// TestLockPileUp induces a lock pile-up in a real HTTP service, lets the recorder take the
// case by itself when a request is late, and asks the real analysis what happened.
func TestLockPileUp(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a service for some seconds")
	}
	dir := t.TempDir()
	rec, err := recorder.Start(recorder.Options{Dir: dir, Latency: 100 * time.Millisecond, CPU: 2 * time.Second,
		MutexFraction: 1, BlockRate: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Stop()
	book := &ledger{entries: map[string]int{}}
	srv := httptest.NewServer(rec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		book.Post(r.URL.Path)
		io.WriteString(w, "posted")
	})))
	defer srv.Close()
	stop := make(chan bool)
	var clients sync.WaitGroup
	for i := range 60 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp, err := http.Get(fmt.Sprintf("%s/%d", srv.URL, i)); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}
		})
	}
	var found []string
	for end := time.Now().Add(time.Minute); len(found) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		found, _ = filepath.Glob(filepath.Join(dir, "case-*-latency"))
	}
	close(stop)
	clients.Wait()
	if len(found) != 1 {
		t.Fatalf("cases %v, want one", found)
	}

	b, result := analysed(t, found[0])
	trigger := b.Captures[0].Trigger
	if trigger == nil || trigger.Name != "latency" || trigger.Limit != 0.1 {
		t.Errorf("trigger %+v", trigger)
	}
	var worst *claim.Finding
	for _, f := range result.Findings {
		t.Logf("%s %s %s at %s", f.Severity, f.Confidence, f.Detector, f.Site.Function)
		if f.Detector == locks.MutexHotspot.ID || f.Detector == locks.LongCriticalSection.ID {
			if worst == nil || f.Severity > worst.Severity {
				worst = &f
			}
		}
	}
	if worst == nil || worst.Severity < claim.Warning || !strings.HasSuffix(worst.Site.Function, "(*ledger).Post") {
		t.Errorf("the lock was not blamed on (*ledger).Post: %+v", worst)
	}
}

// TestCapturedPanic asks the analysis about the case of a panic.
func TestCapturedPanic(t *testing.T) {
	dir := t.TempDir()
	rec, err := recorder.Start(recorder.Options{Dir: dir, CPU: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Stop()
	func() {
		defer func() { _ = recover() }()
		defer rec.Guard()
		settle(nil)
	}()
	found, _ := filepath.Glob(filepath.Join(dir, "case-*-panic"))
	if len(found) != 1 {
		t.Fatalf("cases %v, want one", found)
	}
	_, result := analysed(t, found[0])
	i := slices.IndexFunc(result.Findings, func(f claim.Finding) bool { return f.Detector == crashes.Crash.ID })
	if i < 0 || !strings.HasSuffix(result.Findings[i].Site.Function, ".settle") || !strings.Contains((claim.Legacy(result.Findings[i].Variant)+result.Findings[i].Summary).String(), "nil") {
		t.Errorf("findings %+v, want a nil dereference in settle", result.Findings)
	}
}

type account struct{ cents int }

//go:noinline
func settle(a *account) { a.cents = 0 }

// analysed opens a case as the command does, and holds it to being whole: every
// file recognised, and the manifest as the reader knows it.
func analysed(t *testing.T, dir string) (*evidence.Bundle, analyze.Result) {
	t.Helper()
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Captures) != 1 {
		t.Fatalf("%d manifests recognised", len(b.Captures))
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		known := slices.ContainsFunc(b.Captures[0].Files, func(m manifest.File) bool { return m.Name == f.Name() })
		if f.Name() != evidence.ManifestName && !known {
			t.Errorf("%s is not in the manifest", f.Name())
		}
	}
	for _, e := range b.Exhibits {
		if e.Kind == evidence.Provenance {
			continue
		}
		if e.Coverage != evidence.Whole || len(e.Problems) > 0 || e.CapturedAt.IsZero() {
			t.Errorf("%s: %s, %v, %q", e.Path, e.Coverage, e.CapturedAt, e.Problems)
		}
	}
	result, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b, result
}
