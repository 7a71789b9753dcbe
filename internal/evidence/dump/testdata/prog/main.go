// Command prog makes goroutine dumps of every form the runtime prints. It must
// build with Go 1.22.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type store struct {
	mu sync.Mutex
	rw sync.RWMutex
	n  int
}

func (s *store) update(n int) { s.mu.Lock(); s.n += n; s.mu.Unlock() }
func (s *store) write()       { s.rw.Lock(); s.n++; s.rw.Unlock() }
func (s *store) read() int    { s.rw.RLock(); defer s.rw.RUnlock(); return s.n }

func main() {
	modes[os.Args[1]]()
}

var modes = map[string]func(){
	"debug2":   func() { waiters(); _ = pprof.Lookup("goroutine").WriteTo(os.Stdout, 2) },
	"quit":     func() { waiters(); quit() },
	"deadlock": deadlock,
	"labels":   labels,
	"leaked":   leaked,
	"elided":   func() { recurse(200) },
	"overflow": func() { debug.SetMaxStack(1 << 16); recurse(1 << 30) },
	"nil":      func() { var s *store; s.update(1) },
	"chained":  chained,
	"maps":     maps,
	"http":     panicServing,
	"ancestor": func() { go parent(); time.Sleep(time.Minute) },
	"twice": func() {
		waiters()
		for range 2 {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
			fmt.Println()
		}
	},
	"stack": func() { // what a recovering handler logs
		for _, name := range []string{"first", "second"} {
			func() {
				defer func() {
					log.Printf("recovered: %v\n%s", recover(), debug.Stack())
				}()
				panic(name)
			}()
		}
	},
}

func quit() {
	time.Sleep(50 * time.Millisecond)
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGQUIT)
	time.Sleep(time.Minute)
}

// waiters leaves goroutines waiting in every common way.
func waiters() {
	s := &store{}
	s.mu.Lock()
	s.rw.RLock()
	for i := range 3 {
		go s.update(i)
	}
	go s.write()
	time.Sleep(10 * time.Millisecond)
	go s.write()
	go s.read()
	c := make(chan int)
	go func() { c <- 1 }()
	go func() { <-make(chan int) }()
	go func() {
		select {
		case <-make(chan int):
		case <-make(chan string):
		}
	}()
	var wg sync.WaitGroup
	wg.Add(1)
	go wg.Wait()
	cond := sync.NewCond(&sync.Mutex{})
	go func() { cond.L.Lock(); cond.Wait() }()
	go func() { runtime.LockOSThread(); <-make(chan int) }()
	go time.Sleep(time.Minute)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go l.Accept()
	time.Sleep(10 * time.Millisecond)
}

func deadlock() {
	a, b := &store{}, &store{}
	step := make(chan int)
	go func() {
		a.mu.Lock()
		<-step
		b.update(1)
	}()
	b.mu.Lock()
	step <- 1
	a.update(1)
}

func labels() {
	for _, v := range []string{`plain`, `]: , }`, `"quoted" \ {a: "b"}`, "line\nbreak\tü"} {
		go pprof.Do(context.Background(), pprof.Labels("tenant", v, "goroutine 5 [running]:", "x"), func(context.Context) {
			<-make(chan int)
		})
	}
	time.Sleep(10 * time.Millisecond)
	_ = pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
}

func leaked() {
	for range 3 {
		func() {
			c := make(chan int)
			go func() { c <- 1 }()
		}()
	}
	time.Sleep(10 * time.Millisecond)
	_ = pprof.Lookup("goroutineleak").WriteTo(os.Stdout, 2)
}

//go:noinline
func recurse(n int) int {
	if n == 0 {
		panic("deep\nenough")
	}
	return recurse(n-1) + 1
}

func chained() {
	defer func() {
		panic(fmt.Sprint("second, after: ", recover()))
	}()
	panic("first")
}

func maps() {
	m := map[int]int{}
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				m[i%10]++
			}
		}()
	}
	time.Sleep(time.Minute)
}

func panicServing() {
	http.HandleFunc("/", func(http.ResponseWriter, *http.Request) {
		var s *store
		s.update(1)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, nil)
	for range 2 {
		_, _ = http.Get("http://" + l.Addr().String())
	}
	time.Sleep(10 * time.Millisecond)
}

func parent() { go child(); time.Sleep(time.Minute) }
func child()  { time.Sleep(10 * time.Millisecond); panic("child") }
