// Command record writes small execution traces of a program that does a little
// of everything a trace can show. It is built with old toolchains too, so it
// uses nothing newer than Go 1.21 except where a build tag says so.
//
//	record [-tasks] [-procs] [-flight] [-light] [-for DURATION] FILE
//
// The traces in testdata/versions were made by testdata/record.sh.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"sync"
	"time"
)

var (
	annotate = flag.Bool("tasks", false, "use tasks, regions and logs")
	change   = flag.Bool("procs", false, "change GOMAXPROCS on the way")
	light    = flag.Bool("light", false, "do little, for a long and small trace")
	length   = flag.Duration("for", 1120*time.Millisecond, "how long to record")
)

type store struct {
	mu   sync.Mutex
	rw   sync.RWMutex
	data map[int]int
}

// update holds the lock for 5 ms each time.
func (s *store) update(i int) {
	s.mu.Lock()
	s.data[i%64]++
	time.Sleep(5 * time.Millisecond)
	s.mu.Unlock()
}

func (s *store) read(i int) int {
	s.rw.RLock()
	defer s.rw.RUnlock()
	time.Sleep(time.Millisecond)
	return i
}

func (s *store) write() {
	s.rw.Lock()
	time.Sleep(2 * time.Millisecond)
	s.rw.Unlock()
}

var sink []byte

func allocate(n int) {
	for i := 0; i < n; i++ {
		sink = make([]byte, 256<<10)
	}
}

func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

func main() {
	flag.Parse()
	f, err := os.Create(flag.Arg(0))
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(800) // every cycle adds a thousand yields of the sweeper
	stuck := make(chan int)
	go func() { <-stuck }() // waits from before the trace to its end
	stop := begin(f)
	work()
	stop()
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// begin starts recording; flight.go replaces it where Go has a flight recorder.
var begin = start

func start(f *os.File) (stop func()) {
	if err := trace.Start(f); err != nil {
		panic(err)
	}
	return trace.Stop
}

func work() {
	deadline := time.Now().Add(*length)
	s := &store{data: map[int]int{}}
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; time.Now().Before(deadline); n++ {
				s.update(n)
			}
		}()
		if *light {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; time.Now().Before(deadline); n++ {
				s.read(n)
				if n%8 == 0 {
					s.write()
				}
			}
		}()
	}
	pipe(&wg, deadline)
	if *light {
		wg.Wait()
		return
	}
	echo(&wg, deadline)
	wg.Add(1)
	go func() {
		defer wg.Done()
		for n := 0; time.Now().Before(deadline); n++ {
			allocate(8)
			spin(200 * time.Microsecond)
			time.Sleep(20 * time.Millisecond)
			if n%16 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
			}
			if *change && n == 15 {
				runtime.GOMAXPROCS(4)
			}
			if *change && n == 40 {
				runtime.GOMAXPROCS(1)
			}
		}
	}()
	if *annotate {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; time.Now().Before(deadline); n++ {
				ctx, task := trace.NewTask(context.Background(), "order")
				trace.Logf(ctx, "order", "number %d", n)
				trace.WithRegion(ctx, "price", func() { spin(100 * time.Microsecond) })
				trace.WithRegion(ctx, "store", func() { time.Sleep(30 * time.Millisecond) })
				task.End()
			}
		}()
		// Longer than a generation.
		ctx, task := trace.NewTask(context.Background(), "batch")
		defer task.End()
		defer trace.StartRegion(ctx, "whole batch").End()
	}
	wg.Wait()
}

// pipe sends crumbs from one goroutine to another.
func pipe(wg *sync.WaitGroup, deadline time.Time) {
	c := make(chan int)
	wg.Add(2)
	go func() {
		defer wg.Done()
		defer close(c)
		for n := 0; time.Now().Before(deadline); n++ {
			c <- n
			if n%8 == 7 {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	go func() {
		defer wg.Done()
		sum := 0
		for n := range c {
			sum += n
		}
		_ = fmt.Sprint(sum)
	}()
}

// echo waits on the network.
func echo(wg *sync.WaitGroup, deadline time.Time) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	wg.Add(2)
	go func() {
		defer wg.Done()
		c, err := l.Accept()
		if err != nil {
			return
		}
		b := make([]byte, 16)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
			c.Write(b[:n])
		}
	}()
	go func() {
		defer wg.Done()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 16)
		for time.Now().Before(deadline) {
			c.Write([]byte("ping"))
			c.Read(b)
		}
	}()
}
