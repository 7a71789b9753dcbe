// Command crashes ends in the way its argument names. crashes.sh records what it prints.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

type inventory struct {
	mu    sync.Mutex
	stock map[string]int
	next  *inventory
}

//go:noinline
func (i *inventory) add(item string) { i.stock[item]++ }

//go:noinline
func (i *inventory) first(items []string, n int) string { return items[n] }

//go:noinline
func (i *inventory) count() int { return len(i.next.stock) }

//go:noinline
func descend(n int) int { return descend(n+1) + 1 }

//go:noinline
func allocate(n int) []byte { return make([]byte, n) }

//go:noinline
func finish(c chan int) { close(c) }

//go:noinline
func publish(c chan int) { c <- 1 }

//go:noinline
func price(total, n int) int { return total / n }

//go:noinline
func name(v any) string { return v.(string) }

//go:noinline
func settle() { panic(errors.New("ledger does not balance\nleft: 3\nright: 4")) }

func guarded() {
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprint("order failed: ", r))
		}
	}()
	settle()
}

func repanic() {
	defer func() {
		if r := recover(); r != nil {
			panic(r)
		}
	}()
	settle()
}

func logged() {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "worker failed: %v\n%s", r, debug.Stack())
		}
	}()
	settle()
}

func main() {
	inv := &inventory{}
	var wg sync.WaitGroup
	closed := make(chan int)
	close(closed)
	switch os.Args[1] {
	case "maps":
		inv.stock = map[string]int{}
		for range 4 {
			go func() {
				for {
					inv.add("bolt")
				}
			}()
		}
		time.Sleep(10 * time.Second)
	case "mapread":
		inv.stock = map[string]int{"bolt": 1}
		go func() {
			for {
				inv.add("bolt")
			}
		}()
		for {
			for range inv.stock {
			}
		}
	case "deadlock":
		inv.mu.Lock()
		inv.mu.Lock()
	case "overflow":
		debug.SetMaxStack(64 << 10)
		descend(0)
	case "memory":
		allocate(1 << 46)
	case "size":
		allocate(-1)
	case "threads":
		debug.SetMaxThreads(2)
	case "unlock":
		inv.mu.Unlock()
	case "nil":
		inv.count()
	case "nilmap":
		inv.add("bolt")
	case "send":
		publish(closed)
	case "close":
		finish(closed)
	case "closenil":
		finish(nil)
	case "index":
		inv.first([]string{"bolt"}, 7)
	case "divide":
		price(7, len(os.Args)-2)
	case "assertion":
		name(7)
	case "waitgroup":
		wg.Done()
	case "explicit":
		settle()
	case "guarded":
		guarded()
	case "repanic":
		repanic()
	case "logged":
		logged()
	case "served":
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inv.count() }))
		for range 2 {
			http.Get(srv.URL)
		}
		srv.Close()
	case "race":
		done := make(chan bool)
		inv.stock = map[string]int{}
		total := 0
		for range 2 {
			go func() {
				for range 3 {
					inv.add("bolt")
					total++
					time.Sleep(time.Millisecond)
				}
				done <- true
			}()
		}
		<-done
		<-done
	}
}
