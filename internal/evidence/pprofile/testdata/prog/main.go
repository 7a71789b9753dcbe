// Command prog writes one profile of every kind, in both forms. It must build
// with Go 1.22.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type store struct {
	mu sync.Mutex
	m  map[int][]byte
}

//go:noinline
func (s *store) update(k int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[k%50] = make([]byte, 1<<16)
	for i := range s.m[k%50] {
		s.m[k%50][i] = byte(i * k)
	}
}

func main() {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	var cpu bytes.Buffer
	must(pprof.StartCPUProfile(&cpu))
	s := &store{m: map[int][]byte{}}
	var wg sync.WaitGroup
	stop := time.Now().Add(300 * time.Millisecond)
	for g := range 4 {
		wg.Add(1)
		go pprof.Do(context.Background(), pprof.Labels("tenant", fmt.Sprintf(`]%d, "}`, g%2)), func(context.Context) {
			defer wg.Done()
			for k := g; time.Now().Before(stop); k++ {
				s.update(k)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	write("goroutine")
	write("threadcreate")
	write("goroutineleak")
	wg.Wait()
	pprof.StopCPUProfile()
	must(os.WriteFile("cpu.pb.gz", cpu.Bytes(), 0o644))
	runtime.GC()
	write("heap")
	write("mutex")
	write("block")
}

// write writes a profile as protobuf and as text; kinds that this Go does not have are left out.
func write(name string) {
	p := pprof.Lookup(name)
	if p == nil {
		return
	}
	for debug, ext := range []string{".pb.gz", ".txt"} {
		f, err := os.Create(name + ext)
		must(err)
		must(p.WriteTo(f, debug))
		must(f.Close())
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
