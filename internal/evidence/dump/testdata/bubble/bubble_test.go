// Package bubble prints goroutines of a testing/synctest bubble, and has bubbles that
// stand still. record.sh VERSION bubble records what it prints.
package bubble

import (
	"os"
	"runtime/pprof"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func ship(mu *sync.Mutex, orders chan int) {
	mu.Lock()
	defer mu.Unlock()
	<-orders
}

func TestDump(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		orders := make(chan int)
		var all sync.WaitGroup
		all.Add(2)
		for range 2 {
			go func() { defer all.Done(); ship(new(sync.Mutex), orders) }()
		}
		go time.Sleep(time.Second)
		go all.Wait()
		time.Sleep(time.Millisecond)
		pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
		orders <- 1
		orders <- 2
		time.Sleep(time.Minute) // no goroutine is left when the bubble ends
	})
}

func TestStuck(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		go ship(new(sync.Mutex), make(chan int))
	})
}

// TestLock: who waits for a mutex does not count as waiting in the bubble, so its time stands still.
func TestLock(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		mu, orders := new(sync.Mutex), make(chan int)
		for range 2 {
			go ship(mu, orders)
		}
		time.Sleep(time.Millisecond)
		orders <- 1
		orders <- 2
	})
}
