// Command load does a fixed amount of work whose costs are known, and writes a
// CPU, an allocation and a mutex profile of it.
//
// go test ./analyze/compare -run Power -record 18 records runs anew; testdata/runs.zip
// holds 20 of each variant, recorded so on an idle machine of two processors, and
// testdata/runs250.zip 16, 16 and 8 at 250 Hz, with other work on it.
//
// Of the CPU time parse has 30 %, pack 25 %, hash 20 %, rank 15 % and render 10 %. A run
// is 2000 operations of each worker in a process of its own, so that a machine busy with other things
// makes it longer but, per operation, not dearer. Locks are a run of their own: their
// holders sleep, and would otherwise wait for the processor.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

var (
	out     = flag.String("out", "run", "folder to write to")
	parses  = flag.Float64("parse", 1, "how much slower parse is than planned")
	renders = flag.Float64("render", 1, "how much slower render is")
	decodes = flag.Float64("decode", 1, "how much more decode allocates")
	locks   = flag.Bool("locks", false, "write a mutex profile only")
	holds   = flag.Float64("hold", 1, "how much longer the lock is held")
	rate    = flag.Int("rate", 100, "samples of the CPU per second of processor time")
	workers = flag.Int("workers", 1, "how many goroutines do the operations of a run each")
)

const (
	operations = 2000
	unit       = 18000 // rounds that are a hundredth of an operation
)

func main() {
	flag.Parse()
	if err := os.MkdirAll(*out, 0o755); err != nil {
		log.Fatal(err)
	}
	if *locks {
		runtime.SetMutexProfileFraction(1)
		var s store
		var all sync.WaitGroup
		for range 4 {
			all.Go(s.writer)
		}
		all.Wait()
		write("mutex")
		return
	}
	if *rate != 100 {
		// StartCPUProfile finds a rate set, says so on stderr and keeps it (runtime/cpuprof.go).
		runtime.SetCPUProfileRate(*rate)
	}
	cpu := create("cpu.pb.gz")
	if err := pprof.StartCPUProfile(cpu); err != nil {
		log.Fatal(err)
	}
	var all sync.WaitGroup
	for range *workers {
		all.Go(func() {
			for range operations {
				operation()
			}
		})
	}
	all.Wait()
	pprof.StopCPUProfile()
	runtime.GC() // the profile is as of the last collection
	write("allocs")
}

func write(name string) {
	f := create(name + ".pb.gz")
	if err := pprof.Lookup(name).WriteTo(f, 0); err != nil {
		log.Fatal(err)
	}
}

func create(name string) *os.File {
	f, err := os.Create(filepath.Join(*out, name))
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func operation() {
	parse(int(30 * unit * *parses))
	pack(25 * unit)
	hash(20 * unit)
	rank(15 * unit)
	render(int(10 * unit * *renders))
	encode(8)
	decode(int(20 * *decodes))
	index(6)
}

var sink atomic.Uint64

//go:noinline
func parse(n int) {
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink.Add(x)
}

//go:noinline
func pack(n int) {
	x := uint64(2)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink.Add(x)
}

//go:noinline
func hash(n int) {
	x := uint64(3)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink.Add(x)
}

//go:noinline
func rank(n int) {
	x := uint64(4)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink.Add(x)
}

//go:noinline
func render(n int) {
	x := uint64(5)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink.Add(x)
}

// keep makes what is allocated escape.
func keep(b []byte) { kept.Store(&b[0]) }

var kept atomic.Pointer[byte]

//go:noinline
func encode(n int) {
	for range n {
		keep(make([]byte, 4096))
	}
}

//go:noinline
func decode(n int) {
	for range n {
		keep(make([]byte, 2048))
	}
}

//go:noinline
func index(n int) {
	for range n {
		keep(make([]byte, 8192))
	}
}

type store struct {
	rows, log sync.Mutex
}

func (s *store) writer() {
	for range operations / 8 {
		s.update()
		s.append()
	}
}

//go:noinline
func (s *store) update() {
	s.rows.Lock()
	time.Sleep(time.Duration(float64(2*time.Millisecond) * *holds))
	s.rows.Unlock()
}

//go:noinline
func (s *store) append() {
	s.log.Lock()
	time.Sleep(2 * time.Millisecond)
	s.log.Unlock()
}
