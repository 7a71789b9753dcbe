//go:build unix

package recorder

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkOverhead runs the same work with and without a recorder, in turns within
// one run, and prints the ratios of processor time and of wall time. On a machine with other
// work, processor time is the one to look at. A round is long against the second in which the
// flight recorder closes a generation.
//
//	go test ./recorder -run '^$' -bench Overhead -benchtime 1x
func BenchmarkOverhead(b *testing.B) {
	const rounds = 7
	type order struct {
		ID    int
		Lines []string
	}
	var mu sync.Mutex
	stored := map[int]order{}
	handle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := order{ID: len(r.URL.Path), Lines: make([]string, 40)}
		for i := range o.Lines {
			o.Lines[i] = fmt.Sprintf("%s line %d", r.URL.Path, i)
		}
		mu.Lock()
		stored[o.ID] = o
		mu.Unlock()
		_ = json.NewEncoder(w).Encode(o)
	})
	for _, work := range []struct {
		name string
		run  func(b *testing.B, h http.Handler)
	}{
		{"http server", func(b *testing.B, h http.Handler) {
			srv := httptest.NewServer(h)
			defer srv.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
			defer client.CloseIdleConnections()
			var wg sync.WaitGroup
			for c := range 8 {
				wg.Go(func() {
					for i := range 2500 {
						resp, err := client.Get(fmt.Sprintf("%s/%d/%d", srv.URL, c, i))
						if err != nil {
							b.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				})
			}
			wg.Wait()
		}},
		{"handler alone", func(_ *testing.B, h http.Handler) {
			var wg sync.WaitGroup
			for c := range 4 {
				wg.Go(func() {
					for i := range 20_000 {
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprintf("/%d/%d", c, i), nil))
					}
				})
			}
			wg.Wait()
		}},
		{"channel ping-pong", func(*testing.B, http.Handler) {
			there, back := make(chan int), make(chan int)
			go func() {
				for n := range there {
					back <- n
				}
				close(back)
			}()
			for i := range 1_500_000 {
				there <- i
				<-back
			}
			close(there)
			<-back
		}},
	} {
		b.Run(work.name, func(b *testing.B) {
			var cpu, wall []float64
			for range b.N {
				for range rounds {
					c0, w0 := spent(func() { work.run(b, handle) })
					r, err := Start(Options{Dir: b.TempDir(), Latency: time.Minute, Goroutines: 1 << 30, Heap: 1 << 60})
					if err != nil {
						b.Fatal(err)
					}
					c1, w1 := spent(func() { work.run(b, r.Middleware(handle)) })
					if r.flightErr != nil {
						b.Fatal(r.flightErr)
					}
					r.Stop()
					cpu, wall = append(cpu, c1/c0), append(wall, w1/w0)
				}
			}
			slices.Sort(cpu)
			slices.Sort(wall)
			b.ReportMetric(cpu[len(cpu)/2], "cpu-ratio")
			b.ReportMetric(wall[len(wall)/2], "wall-ratio")
			b.ReportMetric(cpu[0], "least-cpu-ratio")
			b.ReportMetric(cpu[len(cpu)-1], "most-cpu-ratio")
		})
	}
	b.Run("observe", func(b *testing.B) {
		r, err := Start(Options{Dir: b.TempDir(), Latency: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		defer r.Stop()
		for b.Loop() {
			r.Observe(time.Second)
		}
	})
}

// spent returns the processor time of this process and the wall time that work takes, in seconds.
func spent(work func()) (cpu, wall float64) {
	c, w := processor(), time.Now()
	work()
	return processor() - c, time.Since(w).Seconds()
}

func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
