package cmd

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"

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
