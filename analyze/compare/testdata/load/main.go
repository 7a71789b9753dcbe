// Command load is a paced service whose costs are known, and records profiles of
// itself: one folder per run with a CPU, an allocation and a mutex profile.
//
//	go run main.go -out runs -name base -runs 24
//	go run main.go -out runs -name slower -runs 12 -render 1.2 -decode 1.3 -hold 2
//	go run main.go -out runs -name parse -runs 12 -parse 1.2
//
// Of the CPU time parse has 30 %, pack 25 %, hash 20 %, rank 15 % and render 10 %. The
// load is a schedule, so that a slower function costs more per second and takes no
// time from the others. zip -qr9 ../runs.zip runs packs what the test reads.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

var (
	out     = flag.String("out", "runs", "folder to write to")
	name    = flag.String("name", "base", "prefix of the folders of this variant")
	runs    = flag.Int("runs", 1, "how many runs to record")
	seconds = flag.Int("seconds", 5, "length of a run")
	parses  = flag.Float64("parse", 1, "how much slower parse is than planned")
	renders = flag.Float64("render", 1, "how much slower render is")
	decodes = flag.Float64("decode", 1, "how much more decode allocates")
	holds   = flag.Float64("hold", 1, "how much longer the lock is held")
)

// Rounds of each function in one operation.
const unit = 8000

func main() {
	flag.Parse()
	runtime.SetMutexProfileFraction(1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(l, nil)
	go operations()
	var s store
	for range 3 {
		go s.writers()
	}
	time.Sleep(time.Second)
	for i := range *runs {
		dir := filepath.Join(*out, fmt.Sprintf("%s-%02d", *name, i+1))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			log.Fatal(err)
		}
		var all sync.WaitGroup
		for file, path := range map[string]string{"cpu": "profile", "allocs": "allocs", "mutex": "mutex"} {
			all.Go(func() {
				url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", l.Addr(), path, *seconds)
				if err := save(url, filepath.Join(dir, file+".pb.gz")); err != nil {
					log.Fatal(err)
				}
			})
		}
		all.Wait()
	}
}

func save(url, file string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// operations keeps to a schedule of 400 a second, and catches up when late.
func operations() {
	start := time.Now()
	for i := 0; ; i++ {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / 400)))
		parse(int(30 * unit * *parses))
		pack(25 * unit)
		hash(20 * unit)
		rank(15 * unit)
		render(int(10 * unit * *renders))
		encode(8)
		decode(int(20 * *decodes))
		index(6)
	}
}

var sink uint64

//go:noinline
func parse(n int) {
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink += x
}

//go:noinline
func pack(n int) {
	x := uint64(2)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink += x
}

//go:noinline
func hash(n int) {
	x := uint64(3)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink += x
}

//go:noinline
func rank(n int) {
	x := uint64(4)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink += x
}

//go:noinline
func render(n int) {
	x := uint64(5)
	for i := range n {
		x = x*6364136223846793005 + uint64(i)
	}
	sink += x
}

var keep []byte

//go:noinline
func encode(n int) {
	for range n {
		keep = make([]byte, 4096)
	}
}

//go:noinline
func decode(n int) {
	for range n {
		keep = make([]byte, 2048)
	}
}

//go:noinline
func index(n int) {
	for range n {
		keep = make([]byte, 8192)
	}
}

type store struct {
	rows, log sync.Mutex
}

func (s *store) writers() {
	for {
		s.update()
		s.append()
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func (s *store) update() {
	s.rows.Lock()
	time.Sleep(time.Duration(float64(500*time.Microsecond) * *holds))
	s.rows.Unlock()
}

//go:noinline
func (s *store) append() {
	s.log.Lock()
	time.Sleep(500 * time.Microsecond)
	s.log.Unlock()
}
