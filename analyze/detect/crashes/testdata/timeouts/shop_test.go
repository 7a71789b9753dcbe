package shop

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

type store struct {
	mu sync.Mutex
	n  int
}

func (s *store) get() int { s.mu.Lock(); defer s.mu.Unlock(); return s.n }
func (s *store) update()  { s.mu.Lock(); defer s.mu.Unlock(); s.n = s.get() + 1 }

func TestSelf(t *testing.T) { s := &store{}; s.update() }

type a struct{ mu sync.Mutex }

func lockAB(x, y *a) { x.mu.Lock(); time.Sleep(50 * time.Millisecond); y.mu.Lock() }
func lockBA(x, y *a) { y.mu.Lock(); time.Sleep(50 * time.Millisecond); x.mu.Lock() }
func TestCycle(t *testing.T) {
	x, y := &a{}, &a{}
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); lockAB(x, y) }()
	go func() { defer wg.Done(); lockBA(x, y) }()
	wg.Wait()
}
func TestHeld(t *testing.T) {
	s := &store{}
	c := make(chan int)
	go func() { s.mu.Lock(); <-c; s.mu.Unlock() }()
	time.Sleep(50 * time.Millisecond)
	s.get()
}
func TestChan(t *testing.T) {
	c := make(chan int)
	go func() {
		if os.Getenv("NEVER") != "" {
			c <- 1
		}
	}()
	<-c
}
func TestChanPartner(t *testing.T) {
	c, d := make(chan int), make(chan int)
	go func() { <-d; c <- 1 }()
	<-c
}
func TestLoop(t *testing.T) {
	x := 0
	for {
		x++
		if x < 0 {
			fmt.Println(x)
		}
	}
}
func TestSleep(t *testing.T) { time.Sleep(time.Hour) }
func TestNet(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	c, _ := net.Dial("tcp", l.Addr().String())
	b := make([]byte, 1)
	c.Read(b)
}
func TestSub(t *testing.T) {
	for _, n := range []string{"one", "two"} {
		t.Run(n, func(t *testing.T) {
			if n == "two" {
				c := make(chan int)
				<-c
			}
		})
	}
}
func worker(t *testing.T)    { c := make(chan int); <-c }
func TestTable(t *testing.T) { t.Run("worker", worker) }
func TestParallel(t *testing.T) {
	for _, n := range []string{"one", "two", "three"} {
		n := n
		t.Run(n, func(t *testing.T) {
			t.Parallel()
			if n == "two" {
				select {}
			}
		})
	}
}
func TestParA(t *testing.T)       { t.Parallel(); c := make(chan int); <-c }
func TestParB(t *testing.T)       { t.Parallel(); time.Sleep(time.Hour) }
func TestCleanup(t *testing.T)    { t.Cleanup(func() { c := make(chan int); <-c }) }
func TestSlow1(t *testing.T)      { time.Sleep(900 * time.Millisecond) }
func TestSlow2(t *testing.T)      { time.Sleep(900 * time.Millisecond) }
func TestSlow3(t *testing.T)      { time.Sleep(900 * time.Millisecond) }
func BenchmarkStuck(b *testing.B) { c := make(chan int); <-c }
func Example_stuck() {
	c := make(chan int)
	<-c
	// Output: x
}
func FuzzStuck(f *testing.F) {
	f.Add("x")
	f.Fuzz(func(t *testing.T, s string) { c := make(chan int); <-c })
}
func TestMain(m *testing.M) {
	if os.Getenv("STUCK") == "before" {
		waitForDatabase()
	}
	code := m.Run()
	if os.Getenv("STUCK") == "after" {
		waitForDatabase()
	}
	os.Exit(code)
}
func waitForDatabase() { c := make(chan int); <-c }
