package recorder

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// Middleware watches the requests of a handler. One that has not ended after
// Options.Latency fires while it still runs, so that the case shows where it stands; a panic is treated as by
// Guard. The ResponseWriter is passed on as it is. Leave out handlers whose requests are long by
// design, such as streams and net/http/pprof.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	if r == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer r.Guard()
		if r.opt.Latency > 0 {
			defer time.AfterFunc(r.opt.Latency, r.slow).Stop()
		}
		next.ServeHTTP(w, req)
	})
}

// Handler takes a case for each POST and answers with the name of its folder, after
// as long as Options.CPU. Serve it where only operators can reach it.
func (r *Recorder) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST takes a case", http.StatusMethodNotAllowed)
			return
		}
		dir, err := r.Capture("HTTP")
		switch {
		case errors.Is(err, ErrTooSoon):
			w.Header().Set("Retry-After", fmt.Sprint(int(r.opt.Every.Seconds())+1))
			http.Error(w, err.Error(), http.StatusTooManyRequests)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, filepath.Base(dir))
		}
	})
}

// aborts reports whether a panic is how a handler hangs up on purpose.
func aborts(v any) bool {
	return v == http.ErrAbortHandler
}
