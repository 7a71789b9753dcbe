package cmd

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptService starts a real net/http/pprof server and puts its address into $URL:
// service [token TOKEN | tls FILE]. It demands the bearer token, or speaks TLS and
// writes its certificate to the file.
func scriptService(ts *testscript.TestScript, _ bool, args []string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	var srv *httptest.Server
	switch {
	case len(args) == 2 && args[0] == "token":
		srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+args[1] {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			mux.ServeHTTP(w, r)
		}))
	case len(args) == 2 && args[0] == "tls":
		srv = httptest.NewUnstartedServer(mux)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
		srv.StartTLS()
		block := &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(block), 0o644))
	case len(args) == 0:
		srv = httptest.NewServer(mux)
	default:
		ts.Fatalf("usage: service [token TOKEN | tls FILE]")
	}
	ts.Defer(srv.Close)
	ts.Setenv("URL", srv.URL)
}

// A server whose trace counts its generations up to the last number there is costs its trace
// alone, also when what was taken is analysed at once.
func TestCaptureOfHostileTrace(t *testing.T) {
	hostile := []byte("go 1.26 trace\x00\x00\x00")
	last := "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" // 2^64-1
	hostile = append(hostile, strings.Repeat("\x01"+last+"\x01\x64\x02\x00\x00", 2)+"\xff"+strings.Repeat("\x01"+last+"\x01\x64\x02\x00\x00", 2)...)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(hostile) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	dir := filepath.Join(t.TempDir(), "case")
	var out, said bytes.Buffer
	code := Main([]string{"capture", "--analyze", "-f", "json", "--seconds", "1", "-o", dir, srv.URL}, strings.NewReader(""), &out, &said)
	if code != exitDone && code != exitFindings || !strings.Contains(out.String(), `"kind": "heap"`) {
		t.Fatalf("exit code %d: %s\n%.2000s", code, said.String(), out.String())
	}
	if data, err := os.ReadFile(filepath.Join(dir, "manifest.json")); err != nil || !strings.Contains(string(data), "trace.out") {
		t.Errorf("%v: the manifest does not say what became of the trace:\n%s", err, data)
	}
}
