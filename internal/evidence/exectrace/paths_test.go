package exectrace

import (
	"context"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"
)

// fetch and render are what a page takes; who renders waits for a lock that somebody else holds for too long.
func fetch(c chan<- int) {
	time.Sleep(4 * time.Millisecond)
	c <- 1
}

func render(mu *sync.Mutex) {
	mu.Lock()
	busy(time.Millisecond)
	mu.Unlock()
}

func hog(mu *sync.Mutex, held chan<- int) {
	mu.Lock()
	held <- 1
	time.Sleep(60 * time.Millisecond)
	mu.Unlock()
}

// The path of a task goes through what its goroutine ran, through the goroutine that it waited for, and through who had the lock.
func TestCriticalPath(t *testing.T) {
	tl := sameAsWhole(t, recordTrace(t, func() {
		for i := range 20 {
			var mu sync.Mutex
			ctx, task := trace.NewTask(context.Background(), "page")
			trace.WithRegion(ctx, "fetch", func() {
				c := make(chan int)
				go fetch(c)
				<-c
			})
			if i == 11 {
				held := make(chan int)
				go hog(&mu, held)
				<-held
			}
			render(&mu)
			task.End()
		}
	}))
	var worst *Path
	for i := range tl.Account.Paths {
		if p := &tl.Account.Paths[i]; p.Kind == PathTask && p.Name == "page" && p.Rank == "worst" {
			worst = p
		}
	}
	if worst == nil || worst.Count != 20 {
		t.Fatalf("the slowest page: %+v", worst)
	}
	var at []string
	times := map[string]time.Duration{}
	for _, s := range worst.Steps {
		name := s.Site.Function[strings.LastIndex(s.Site.Function, ".")+1:]
		if times[name] == 0 {
			at = append(at, name)
		}
		times[name] += s.To - s.From
	}
	if times["fetch"] < 3500*time.Microsecond || times["hog"] < 50*time.Millisecond {
		t.Errorf("%v: %v", at, times)
	}
}
