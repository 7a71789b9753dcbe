package capture

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inquest/analyze/evidence"
	"inquest/recorder/manifest"
)

// options are those of a short capture that fails fast.
func options() Options {
	return Options{Lasts: time.Second, TraceLasts: time.Second, MaxGoroutines: 1000, MaxBytes: 64 << 20,
		Timeout: 20 * time.Second, Retries: 2, Version: "test", pause: time.Millisecond}
}

// gather captures from a server and returns the manifest and the folder.
func gather(t *testing.T, target string, opt Options) (*manifest.Manifest, string) {
	t.Helper()
	s, err := Find(context.Background(), target, opt)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := s.Take(context.Background(), s.Plan(), dir)
	if m == nil {
		t.Fatal(err)
	}
	checkFolder(t, m, dir)
	return m, dir
}

// checkFolder holds the folder to the manifest: what is listed as kept is there with
// its hash, and nothing else is.
func checkFolder(t *testing.T, m *manifest.Manifest, dir string) {
	t.Helper()
	want := []string{evidence.ManifestName}
	for _, f := range m.Files {
		if f.Result == evidence.Taken || f.Result == evidence.InPart {
			want = append(want, f.Name)
		} else if f.Why == "" {
			t.Errorf("%s is %s and nobody says why", f.Name, f.Result)
		}
	}
	var have []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		have = append(have, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the folder holds %v, the manifest %v", have, want)
	}
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Exhibits {
		for _, p := range e.Problems {
			if strings.Contains(p.String(), "not what was captured") {
				t.Error(p)
			}
		}
		if e.CapturedAt.IsZero() && e.Kind != evidence.Provenance {
			t.Errorf("%s has no time", e.Path)
		}
	}
	if len(b.Captures) != 1 {
		t.Errorf("%d captures recognised", len(b.Captures))
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o027 != 0 {
			t.Errorf("%s has mode %v, so that more than its owner and group read it, or its group writes it", e.Name(), info.Mode())
		}
	}
}

func file(t *testing.T, m *manifest.Manifest, name string) manifest.File {
	t.Helper()
	for _, f := range m.Files {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no %s in the manifest", name)
	return manifest.File{}
}

func expect(t *testing.T, m *manifest.Manifest, name string, result manifest.Result, why string) manifest.File {
	t.Helper()
	f := file(t, m, name)
	if f.Result != result || !strings.Contains(f.Why, why) {
		t.Errorf("%s is %s (%s), want %s (%s)", name, f.Result, f.Why, result, why)
	}
	return f
}

// realPages are the handlers of net/http/pprof under a prefix.
func realPages(prefix string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc(prefix, pprof.Index)
	mux.HandleFunc(prefix+"cmdline", pprof.Cmdline)
	mux.HandleFunc(prefix+"profile", pprof.Profile)
	mux.HandleFunc(prefix+"symbol", pprof.Symbol)
	mux.HandleFunc(prefix+"trace", pprof.Trace)
	return mux
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// load keeps four goroutines at work on one lock until the test ends.
func load(t *testing.T) {
	var mu sync.Mutex
	var sink []byte
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				mu.Lock()
				sink = bytes.Repeat([]byte("x"), 64<<10)
				time.Sleep(200 * time.Microsecond)
				mu.Unlock()
			}
		})
	}
	t.Cleanup(func() { stop.Store(true); wg.Wait(); _ = sink })
}

func TestRealServer(t *testing.T) {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	defer runtime.SetMutexProfileFraction(0)
	defer runtime.SetBlockProfileRate(0)
	load(t)
	srv := serve(t, realPages("/debug/pprof/"))
	m, dir := gather(t, srv.URL, options())
	for _, name := range strings.Fields("heap-1.pb.gz dump-1.txt cpu.pb.gz mutex.pb.gz block.pb.gz dump-2.txt trace.out heap-2.pb.gz goroutine.pb.gz dump-3.txt threadcreate.pb.gz") {
		f := expect(t, m, name, evidence.Taken, "")
		if f.Why != "" {
			t.Errorf("%s: %s", name, f.Why)
		}
	}
	if f := file(t, m, "goroutineleak.pb.gz"); f.Result != evidence.Absent && f.Result != evidence.Taken {
		t.Errorf("goroutineleak is %s: %s", f.Result, f.Why)
	}
	if m.Program.Name == "" || m.Program.Goroutines == 0 {
		t.Errorf("the program is unknown: %+v", m.Program)
	}
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range map[evidence.Kind]int{evidence.CPU: 1, evidence.Heap: 2, evidence.Mutex: 1, evidence.Block: 1, evidence.Trace: 1, evidence.Dump: 3, evidence.Goroutine: 1} {
		if got := b.Of(kind); len(got) != n {
			t.Errorf("%d of %s, want %d", len(got), kind, n)
		}
	}
	if d := b.Of(evidence.Mutex)[0].Duration; d < time.Second || d > 10*time.Second {
		t.Errorf("the mutex profile covers %v", d)
	}
	// CPU profile and trace must not overlap unless asked to.
	cpu, trace := file(t, m, "cpu.pb.gz"), file(t, m, "trace.out")
	if trace.Started.Before(cpu.Ended) {
		t.Errorf("the trace began at %v, before the CPU profile ended at %v", trace.Started, cpu.Ended)
	}
	for i, name := range []string{"dump-1.txt", "dump-2.txt", "dump-3.txt"} {
		if got := b.Of(evidence.Dump)[i].Path; got != name {
			t.Errorf("dump %d in order of time is %s", i+1, got)
		}
	}
}

func TestTogetherOverUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip(err)
	}
	srv := &http.Server{Handler: realPages("/debug/pprof/")}
	go srv.Serve(l)
	defer srv.Close()
	opt := options()
	opt.Together = true
	opt.Only = []string{"cpu", "trace"}
	m, _ := gather(t, "unix:"+socket, opt)
	cpu := expect(t, m, "cpu.pb.gz", evidence.Taken, "")
	trace := expect(t, m, "trace.out", evidence.Taken, "")
	if !trace.Started.Before(cpu.Ended) {
		t.Error("they did not run together")
	}
}

func TestNothingRecorded(t *testing.T) {
	srv := serve(t, realPages("/debug/pprof/"))
	opt := options()
	opt.Only = []string{"mutex", "block"}
	m, _ := gather(t, srv.URL+"/debug/pprof/heap?debug=1", opt)
	expect(t, m, "mutex.pb.gz", evidence.Taken, "the mutex profile is off; runtime.SetMutexProfileFraction(100)")
	expect(t, m, "block.pb.gz", evidence.Taken, "runtime.SetBlockProfileRate(10_000)")
}

func TestManyGoroutines(t *testing.T) {
	srv := serve(t, realPages("/debug/pprof/"))
	opt := options()
	opt.MaxGoroutines = 1
	opt.Only = []string{"dump", "goroutine"}
	m, _ := gather(t, srv.URL, opt)
	expect(t, m, "dump-1.txt", evidence.Skipped, "--max-goroutines")
	expect(t, m, "goroutine.pb.gz", evidence.Taken, "")
}

// pprof.Index serves the profiles below /debug/pprof/ only; anywhere else it answers everything with its page.
func TestIndexElsewhere(t *testing.T) {
	srv := serve(t, realPages("/admin/"))
	opt := options()
	opt.Only = []string{"heap", "trace"}
	m, _ := gather(t, srv.URL+"/admin", opt)
	expect(t, m, "heap-1.pb.gz", evidence.Failed, `pprof.Handler("heap")`)
	expect(t, m, "trace.out", evidence.Taken, "")
}

// pages is a server that answers with what was recorded.
type pages struct {
	mux   *http.ServeMux
	mu    sync.Mutex
	asked map[string]int
}

func recorded(t *testing.T) *pages {
	p := &pages{mux: http.NewServeMux(), asked: map[string]int{}}
	p.mux.HandleFunc("/debug/pprof/symbol", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "num_symbols: 1\n") })
	return p
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[filepath.Base(r.URL.Path)]++
	p.mu.Unlock()
	p.mux.ServeHTTP(w, r)
}

func (p *pages) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[name]
}

func (p *pages) on(name string, h http.HandlerFunc) { p.mux.HandleFunc("/debug/pprof/"+name, h) }

func sample(t testing.TB, kind string) []byte {
	t.Helper()
	name := "../pprofile/testdata/go1.27/" + kind + ".pb.gz"
	if kind == "trace" {
		name = "../../../fixtures/locks/orders-lockheld/trace.out"
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// raw answers with exactly these bytes on the wire and closes the connection.
func raw(answer []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		_, _ = c.Write(answer)
	}
}

func TestHalfTheEndpoints(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	p.on("heap", func(w http.ResponseWriter, _ *http.Request) { w.Write(heap) })
	srv := serve(t, p)
	m, _ := gather(t, srv.URL, options())
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	for _, name := range strings.Fields("cpu.pb.gz trace.out mutex.pb.gz dump-1.txt goroutineleak.pb.gz") {
		if f := expect(t, m, name, evidence.Absent, "404"); f.Attempts != 1 {
			t.Errorf("%s was asked for %d times", name, f.Attempts)
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	heap, trace := sample(t, "heap"), sample(t, "trace")
	const dump = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:1 +0x1\n\ngoroutine 2 [select]:\nmain.work()\n\t/src/main.go:2 +0x1\n"
	promise := func(n int, body []byte) []byte {
		return append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n), body...)
	}
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if r, err := gzip.NewReader(bytes.NewReader(heap)); err == nil {
		io.Copy(z, r) // a profile to begin with
	}
	for range 100 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	for _, test := range []struct {
		name, page, file string
		answer           http.HandlerFunc
		result           manifest.Result
		why              string
	}{
		{"a page with status 200", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<!DOCTYPE html><title>Please log in</title>")
		}, evidence.Failed, "web page"},
		{"text with status 200", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no such tenant") }, evidence.Failed, `begins "no such tenant"`},
		{"nothing with status 200", "heap", "heap-1.pb.gz", func(http.ResponseWriter, *http.Request) {}, evidence.Failed, "empty"},
		{"another kind", "mutex", "mutex.pb.gz", func(w http.ResponseWriter, _ *http.Request) { w.Write(heap) }, evidence.Failed, "another kind: heap"},
		{"a profile that is shorter than promised", "heap", "heap-1.pb.gz", raw(promise(len(heap), heap[:len(heap)/2])), evidence.Failed, "promised"},
		{"a whole profile and a longer promise", "heap", "heap-1.pb.gz", raw(promise(2*len(heap), heap)), evidence.Taken, "whole by its own checksum"},
		{"a profile with a shorter promise", "heap", "heap-1.pb.gz", raw(promise(len(heap)/2, heap)), evidence.Failed, ""},
		{"a trace that is dropped", "trace", "trace.out", raw(promise(len(trace), trace[:len(trace)*3/4])), evidence.InPart, "promised"},
		{"a trace with a shorter promise", "trace", "trace.out", raw(promise(len(trace)*3/4, trace)), evidence.InPart, ""},
		{"a dump that is dropped", "goroutine", "dump-1.txt", raw(promise(1000, []byte(dump))), evidence.InPart, "promised"},
		{"a header and nothing more", "trace", "trace.out", raw([]byte("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\ngo 1.26 trace\x00\x00\x00")), evidence.Failed, ""},
		{"no HTTP at all", "heap", "heap-1.pb.gz", raw([]byte("220 mail.example.com ESMTP\r\n")), evidence.Failed, "malformed"},
		{"a bomb", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) { w.Write(bomb.Bytes()) }, evidence.Failed, ""},
		{"an endless answer", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, evidence.Failed, "--max-bytes"},
		{"an endless trace", "trace", "trace.out", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(trace)
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, evidence.InPart, "--max-bytes"},
		{"a slow drip", "goroutine", "dump-1.txt", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "goroutine 1 [ru")
			for r.Context().Err() == nil {
				io.WriteString(w, "n")
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, evidence.Failed, "no whole answer within"},
		{"a dump packed on the way", "goroutine", "dump-1.txt", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, dump)
			z.Close()
		}, evidence.Taken, ""},
		{"a bomb packed on the way", "goroutine", "dump-1.txt", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		}, evidence.Failed, "--max-bytes"},
		{"said to be packed", "goroutine", "dump-1.txt", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, dump)
		}, evidence.Failed, "packed and is not"},
		{"an archive that holds a profile", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) {
			z := tar.NewWriter(w)
			z.WriteHeader(&tar.Header{Name: "heap.pb.gz", Mode: 0o644, Size: int64(len(heap))})
			z.Write(heap)
			z.Close()
		}, evidence.Failed, "archive"},
		{"silence", "heap", "heap-1.pb.gz", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, evidence.Failed, "no whole answer within"},
		{"a refusal", "heap", "heap-1.pb.gz", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not today", http.StatusTeapot)
		}, evidence.Failed, "418 I'm a teapot: not today"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // some wait for time to run out
			p := recorded(t)
			p.on(test.page, test.answer)
			p.on("threadcreate", func(w http.ResponseWriter, _ *http.Request) { w.Write(sample(t, "threadcreate")) })
			srv := serve(t, p)
			opt := options()
			opt.MaxBytes, opt.Retries = 8<<20, 0
			if strings.Contains(test.why, "within") {
				opt.Timeout = 3 * time.Second
			}
			begun := time.Now()
			m, _ := gather(t, srv.URL, opt)
			expect(t, m, test.file, test.result, test.why)
			expect(t, m, "threadcreate.pb.gz", evidence.Taken, "") // the rest of the case is not lost
			if took := time.Since(begun); took > 60*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		switch p.count("heap") {
		case 1:
			raw(nil)(w, r) // dropped before the answer
		case 2:
			raw(append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"), heap[:100]...))(w, r)
		default:
			w.Write(heap)
		}
	})
	p.on("allocs", func(w http.ResponseWriter, _ *http.Request) {
		if p.count("allocs") < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write(heap)
	})
	p.on("profile", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	srv := serve(t, p)
	opt := options()
	opt.Only = []string{"heap", "allocs", "cpu"}
	m, _ := gather(t, srv.URL, opt)
	if f := expect(t, m, "heap-1.pb.gz", evidence.Taken, ""); f.Attempts != 3 {
		t.Errorf("heap: %d attempts, want 3", f.Attempts)
	}
	if f := expect(t, m, "allocs.pb.gz", evidence.Taken, "before Go 1.15"); f.Attempts != 3 {
		t.Errorf("allocs: %d attempts, want 3", f.Attempts)
	}
	if f := expect(t, m, "cpu.pb.gz", evidence.Failed, "500"); f.Attempts != opt.Retries+1 {
		t.Errorf("cpu: %d attempts, want %d", f.Attempts, opt.Retries+1)
	}
}

func TestWriteTimeout(t *testing.T) {
	p := recorded(t)
	cpu := sample(t, "cpu")
	p.on("profile", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("seconds") != "1" {
			http.Error(w, "profile duration exceeds server's WriteTimeout", http.StatusBadRequest)
			return
		}
		w.Write(cpu)
	})
	srv := serve(t, p)
	opt := options()
	opt.Lasts, opt.Only = 4*time.Second, []string{"cpu"}
	m, _ := gather(t, srv.URL, opt)
	if f := expect(t, m, "cpu.pb.gz", evidence.Taken, "over 1s only"); f.Request != "profile?seconds=1" {
		t.Errorf("the last request was %s", f.Request)
	}
}

func TestServerGoesAway(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	srv := httptest.NewServer(p)
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		w.Write(heap)
		go srv.Listener.Close()
		w.Header().Set("Connection", "close")
	})
	p.on("goroutine", raw(nil))
	defer srv.Close()
	opt := options()
	opt.Retries = 1
	s, err := Find(context.Background(), srv.URL, opt)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := s.Take(context.Background(), s.Plan(), dir)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	expect(t, m, "threadcreate.pb.gz", evidence.Failed, "stopped answering")
}

func TestNothingAtAll(t *testing.T) {
	srv := serve(t, recorded(t))
	s, err := Find(context.Background(), srv.URL, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(context.Background(), s.Plan(), t.TempDir()); err == nil {
		t.Error("a capture of nothing succeeds")
	}
	for target, why := range map[string]string{
		serve(t, http.NotFoundHandler()).URL:                                        "404 Not Found",
		serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).URL: "200 OK",
		"127.0.0.1:1":               "refused",
		"ftp://example.com":         "want http",
		"http://u:hunter2@[::1":     "not a URL",
		"unix:/nonexistent/s.sock":  "no such file",
		"http://nowhere.invalid./x": "",
	} {
		_, err := Find(context.Background(), target, options())
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", target, err, why)
		}
	}
}

const secret = "s3cret-token"

func TestToken(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	guard := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("X-Tenant") != "blue-tenant" {
			http.Error(w, "token please", http.StatusUnauthorized)
			return
		}
		p.ServeHTTP(w, r)
	}
	p.on("heap", func(w http.ResponseWriter, _ *http.Request) { w.Write(heap) })
	p.on("profile", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "bad gateway, request was "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Tenant"), http.StatusBadRequest)
	})
	srv := serve(t, http.HandlerFunc(guard))
	if _, err := Find(context.Background(), srv.URL, options()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: %v", err)
	}
	opt := options()
	opt.Header = http.Header{"Authorization": {"Bearer " + secret}, "X-Tenant": {"blue-tenant"}}
	m, dir := gather(t, srv.URL, opt)
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	expect(t, m, "cpu.pb.gz", evidence.Failed, "[secret]")
	text, err := os.ReadFile(filepath.Join(dir, evidence.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, "blue-tenant"} {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("the manifest holds %s", s)
		}
	}
}

func TestRedirects(t *testing.T) {
	const other = "s3cret-of-another-host"
	heap := sample(t, "heap")
	var leaked, heard atomic.Int64
	there := recorded(t)
	there.on("heap", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Tenant") != "" || r.Header.Get("Referer") != "" {
			leaked.Add(1)
		}
		w.Write(heap)
	})
	elsewhere := serve(t, there)
	p := recorded(t)
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		to := strings.Replace(elsewhere.URL, "http://", "http://guest:"+other+"@", 1)
		http.Redirect(w, r, to+"/debug/pprof/heap?gc=1&token="+other+"#"+other, http.StatusFound)
	})
	p.on("mutex", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved", http.StatusFound) })
	p.mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			heard.Add(1)
		}
		w.Write(sample(t, "mutex"))
	})
	p.on("block", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "block", http.StatusFound) })
	opt := options()
	opt.Header = http.Header{"Authorization": {"Bearer " + secret}, "X-Tenant": {"blue-tenant"}}
	here := serve(t, p).URL
	m, dir := gather(t, here, opt)
	f := expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	if want := (manifest.Redirect{From: here + "/debug/pprof/heap", To: elsewhere.URL + "/debug/pprof/heap?gc=1"}); f.Redirect == nil || *f.Redirect != want {
		t.Errorf("redirect %v, want %v", f.Redirect, want)
	}
	if !slices.ContainsFunc(m.Notes, func(n string) bool { return strings.HasPrefix(n, "heap-1.pb.gz came from another server") }) {
		t.Errorf("notes %q do not tell of the redirect", m.Notes)
	}
	text, err := os.ReadFile(filepath.Join(dir, evidence.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, other, "guest", "blue-tenant"} {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("the manifest holds %s", s)
		}
	}
	if f := expect(t, m, "mutex.pb.gz", evidence.Taken, ""); f.Redirect != nil {
		t.Errorf("a redirect on one server is recorded as %v", f.Redirect)
	}
	expect(t, m, "block.pb.gz", evidence.Failed, "redirects")
	if leaked.Load() > 0 || heard.Load() == 0 {
		t.Errorf("the token went to another host %d times and to its own %d times", leaked.Load(), heard.Load())
	}
}

// TestClientCertificateStaysHome redirects to a server that would like to see a certificate.
func TestClientCertificateStaysHome(t *testing.T) {
	heap := sample(t, "heap")
	var home, away atomic.Int64
	secure := func(h http.Handler) *httptest.Server {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = quiet()
		srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	there := recorded(t)
	there.on("heap", func(w http.ResponseWriter, r *http.Request) {
		away.Add(int64(len(r.TLS.PeerCertificates)))
		w.Write(heap)
	})
	elsewhere := secure(there)
	p := recorded(t)
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		home.Add(int64(len(r.TLS.PeerCertificates)))
		http.Redirect(w, r, elsewhere.URL+"/debug/pprof/heap", http.StatusFound)
	})
	srv := secure(p)
	opt := options()
	opt.TLS = &tls.Config{RootCAs: x509.NewCertPool(), Certificates: srv.TLS.Certificates}
	opt.TLS.RootCAs.AddCert(srv.Certificate())
	m, _ := gather(t, srv.URL, opt)
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	if home.Load() == 0 || away.Load() != 0 {
		t.Errorf("the certificate was shown %d times to the server named and %d times to another", home.Load(), away.Load())
	}
}

func TestUserInURL(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ops" || password != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Write(heap)
	})
	m, _ := gather(t, strings.Replace(serve(t, p).URL, "http://", "http://ops:"+secret+"@", 1), options())
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	if text, _ := json.Marshal(m); bytes.Contains(text, []byte(secret)) {
		t.Error("the manifest holds the password")
	}
}

func TestPrivateCA(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	p.on("heap", func(w http.ResponseWriter, _ *http.Request) { w.Write(heap) })
	srv := httptest.NewUnstartedServer(p)
	srv.Config.ErrorLog = quiet()
	srv.StartTLS()
	defer srv.Close()
	if _, err := Find(context.Background(), srv.URL, options()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server of an unknown authority: %v", err)
	}
	opt := options()
	opt.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	opt.TLS.RootCAs.AddCert(srv.Certificate())
	m, _ := gather(t, srv.URL, opt)
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
}

func TestInterrupt(t *testing.T) {
	p := recorded(t)
	heap := sample(t, "heap")
	ctx, cancel := context.WithCancel(context.Background())
	p.on("heap", func(w http.ResponseWriter, _ *http.Request) { w.Write(heap) })
	p.on("profile", func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	srv := serve(t, p)
	s, err := Find(ctx, srv.URL, options())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := s.Take(ctx, s.Plan(), dir)
	if err != nil {
		t.Fatal(err)
	}
	checkFolder(t, m, dir)
	expect(t, m, "heap-1.pb.gz", evidence.Taken, "")
	expect(t, m, "cpu.pb.gz", evidence.Failed, "interrupted")
	expect(t, m, "trace.out", evidence.Skipped, "interrupted")
}

func TestClock(t *testing.T) {
	p := recorded(t)
	p.on("goroutine", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:1 +0x1\n")
	})
	ahead := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		p.ServeHTTP(w, r)
	}))
	opt := options()
	opt.Only = []string{"dump"}
	m, _ := gather(t, ahead.URL, opt)
	if d := time.Until(m.Started); d < 50*time.Minute || len(m.Notes) < 2 {
		t.Errorf("times are %v ahead, notes %q: want the server's clock and a note", d, m.Notes)
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestClockOff(t *testing.T) {
	asked := time.Date(2026, 11, 20, 12, 0, 0, 300e6, time.UTC)
	for _, test := range []struct {
		date, took, want time.Duration // date against asked
	}{
		{0, 0, 0},
		{-5 * time.Second, 0, 0},
		{-6 * time.Second, 0, -6 * time.Second},
		{6 * time.Second, 0, 6 * time.Second},
		{time.Second, 20 * time.Second, 0}, // a slow answer is not a slow clock
		{19 * time.Second, 20 * time.Second, 0},
		{30 * time.Second, 20 * time.Second, 10 * time.Second},
	} {
		if got := clockOff(asked.Add(test.date), asked, asked.Add(test.took)); got != test.want {
			t.Errorf("%v, took %v: %v, want %v", test.date, test.took, got, test.want)
		}
	}
	if got := clockOff(time.Time{}, asked, asked); got != 0 {
		t.Errorf("no date: %v", got)
	}
}

// Without an index page the goroutines are counted before a dump is asked for.
func TestManyGoroutinesAndNoIndex(t *testing.T) {
	p := recorded(t)
	p.on("goroutine", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("debug") == "2" {
			t.Error("a dump was taken")
		}
		io.WriteString(w, "goroutine profile: total 50000\n")
	})
	opt := options()
	opt.Only = []string{"dump"}
	s, err := Find(context.Background(), serve(t, p).URL, opt)
	if err != nil {
		t.Fatal(err)
	}
	if plan := s.Plan(); !plan.Empty() || s.Goroutines != 50_000 {
		t.Errorf("%d goroutines, %v", s.Goroutines, plan.Left())
	}
}

func TestTokenAsUserInURL(t *testing.T) {
	p := recorded(t)
	p.on("heap", func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		http.Error(w, "no such user: "+user, http.StatusTeapot)
	})
	opt := options()
	opt.Only = []string{"heap"}
	m, _ := gather(t, strings.Replace(serve(t, p).URL, "://", "://s3cret-token@", 1), opt)
	expect(t, m, "heap-1.pb.gz", evidence.Failed, "no such user: [secret]")
}
