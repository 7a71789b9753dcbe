// Command rare ends in the way its argument names: crashes that are seen less often
// than those of ../crashes. crashes.sh records what it prints.
package main

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type ledger struct {
	mu       sync.RWMutex
	balances map[string]int
	lines    []string
	done     sync.WaitGroup
}

//go:noinline
func (l *ledger) balance(account string) int { return l.balances[account] }

//go:noinline
func (l *ledger) enter(account string) { l.balances[account]++ }

//go:noinline
func (l *ledger) page(from, to int) []string { return l.lines[from:to] }

//go:noinline
func (l *ledger) key(v any) map[any]int { return map[any]int{v: 1} }

//go:noinline
func (l *ledger) leave() { l.mu.RUnlock() }

//go:noinline
func (l *ledger) release() { l.mu.Unlock() }

// wait is to be called by one goroutine at a time, and is not.
//
//go:noinline
func (l *ledger) wait() { l.done.Wait() }

//go:noinline
func load(from []byte) byte { return from[4096] }

// freed returns where something large was that nobody refers to any more.
//
//go:noinline
func freed() uintptr {
	big := make([]byte, 64<<20)
	return uintptr(unsafe.Pointer(&big[32<<20]))
}

var kept []unsafe.Pointer

func main() {
	l := &ledger{balances: map[string]int{"a": 1}}
	switch os.Args[1] {
	case "mapget":
		go func() {
			for {
				l.enter("a")
			}
		}()
		for {
			l.balance("a")
		}
	case "bounds":
		l.page(2, len(os.Args)+5)
	case "unhashable":
		l.key([]int{1})
	case "runlock":
		l.leave()
	case "rwunlock":
		l.release()
	case "reused":
		for range 8 {
			go func() {
				for {
					l.done.Add(1)
					go l.done.Done()
					l.wait()
				}
			}()
		}
		time.Sleep(time.Minute)
	case "limit": // the address space is limited by the caller
		var all [][]byte
		for {
			all = append(all, make([]byte, 64<<20))
		}
	case "pointer": // a number that was made into a pointer
		for range 10 {
			at := freed()
			runtime.GC()
			runtime.GC()
			kept = append(kept, *(*unsafe.Pointer)(unsafe.Pointer(&at)))
			runtime.GC()
		}
	case "fault": // a file that became shorter while it was mapped
		f, err := os.CreateTemp("", "rare")
		if err != nil {
			panic(err)
		}
		os.Remove(f.Name())
		f.Truncate(8192)
		data, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			panic(err)
		}
		f.Truncate(0)
		load(data)
	}
}
