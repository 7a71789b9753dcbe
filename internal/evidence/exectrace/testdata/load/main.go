// Command load writes an execution trace of about a given size. The service
// kind imitates a busy HTTP service without the network: a goroutine for each
// request, a pool that answers over channels, a lock, allocations and short
// sleeps. The pingpong kind is the worst case: goroutines that do nothing but
// wake each other.
//
//	load -kind service|pingpong -size MB FILE
package main

import (
	"bufio"
	"flag"
	"log"
	"os"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"time"
)

type counter struct {
	f *bufio.Writer
	n atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.f.Write(b)
	c.n.Add(int64(n))
	return n, err
}

func main() {
	kind := flag.String("kind", "service", "service or pingpong")
	size := flag.Int64("size", 100, "megabytes to write")
	flag.Parse()
	runtime.GOMAXPROCS(4)
	file, err := os.Create(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	out := &counter{f: bufio.NewWriterSize(file, 1<<20)}
	if err := trace.Start(out); err != nil {
		log.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	switch *kind {
	case "service":
		service(&wg, &stop)
	case "pingpong":
		for range 8 {
			pingpong(&wg, &stop)
		}
	default:
		log.Fatalf("unknown kind %q", *kind)
	}
	for out.n.Load() < *size<<20 {
		time.Sleep(20 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	trace.Stop()
	if err := out.f.Flush(); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

func pingpong(wg *sync.WaitGroup, stop *atomic.Bool) {
	ping, pong := make(chan int), make(chan int)
	wg.Add(2)
	go func() {
		defer wg.Done()
		defer close(ping)
		for n := 0; !stop.Load(); n++ {
			ping <- n
			<-pong
		}
	}()
	go func() {
		defer wg.Done()
		for n := range ping {
			pong <- n
		}
	}()
}

type query struct {
	key    int
	answer chan []byte
}

type cache struct {
	mu   sync.Mutex
	data map[int][]byte
}

func (c *cache) get(k int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.data[k]
}

func (c *cache) put(k int, v []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data[k] = v
	if len(c.data) > 4096 {
		clear(c.data)
	}
}

func service(wg *sync.WaitGroup, stop *atomic.Bool) {
	store := &cache{data: map[int][]byte{}}
	queries := make(chan query)
	var pool sync.WaitGroup
	for range 16 {
		pool.Add(1)
		go func() {
			defer pool.Done()
			for q := range queries {
				b := make([]byte, 512+q.key%1024)
				for i := range b {
					b[i] = byte(i * q.key)
				}
				q.answer <- b
			}
		}()
	}
	var inner sync.WaitGroup
	for c := range 32 { // clients
		inner.Add(1)
		go func() {
			defer inner.Done()
			for n := c; !stop.Load(); n += 37 {
				done := make(chan int)
				go handle(store, queries, n%9000, done)
				<-done
				if n%64 == 0 {
					time.Sleep(50 * time.Microsecond)
				}
			}
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		inner.Wait()
		close(queries)
		pool.Wait()
	}()
}

func handle(store *cache, queries chan query, key int, done chan int) {
	b := store.get(key)
	if b == nil {
		q := query{key, make(chan []byte, 1)}
		queries <- q
		b = <-q.answer
		store.put(key, b)
	}
	sum := 0
	for range 20 {
		for _, c := range b {
			sum += int(c)
		}
	}
	done <- sum
}
