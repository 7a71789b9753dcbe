package exectrace

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"

	"inquest/.ci/mutate"
)

// FuzzBatches damages recorded traces batch by batch: the mutants get past the headers, into
// the decoder and the fold. What is read must not depend on how many generations are read at
// a time, and must not cost much time or memory.
func FuzzBatches(f *testing.F) {
	traces := [][]byte{tinyTrace(f)}
	for _, name := range []string{"go1.22", "go1.23", "go1.25", "go1.26", "go1.27", "tasks", "go1.21"} {
		data, err := os.ReadFile(filepath.Join("testdata", "versions", name+".trace"))
		if err != nil {
			f.Fatal(err)
		}
		traces = append(traces, data)
	}
	for i := range traces {
		f.Add(uint8(4*i), uint64(i), uint64(7))
	}
	f.Fuzz(func(t *testing.T, which uint8, a, b uint64) {
		if which%4 != 0 {
			which = 0 // the small one is read in a fraction of the time that a recorded one takes
		}
		data := mutate.Of(mutate.Trace, traces[int(which/4)%len(traces)], rand.New(rand.NewPCG(a, b)))
		readBothWays(t, data, uint64(256<<20+1000*len(data)))
	})
}

// untilParked waits until so many goroutines that a function started wait for a lock or a channel.
func untilParked(starter string, n int) {
	buf := make([]byte, 1<<20)
	for parked := 0; parked < n; time.Sleep(100 * time.Microsecond) {
		parked = 0
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			state, rest, _ := strings.Cut(g, "\n")
			if strings.Contains(rest, "."+starter+".") && (strings.Contains(state, "[sync.") || strings.Contains(state, "[chan ")) {
				parked++
			}
		}
	}
}

// tinyTrace records a few goroutines that wait for each other: a trace of some kilobytes.
func tinyTrace(f testing.TB) []byte {
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		f.Fatal(err)
	}
	ctx, task := trace.NewTask(context.Background(), "task")
	var mu sync.Mutex
	var all sync.WaitGroup
	mu.Lock()
	for range 4 {
		all.Go(func() {
			trace.WithRegion(ctx, "region", func() { mu.Lock() })
			mu.Unlock()
		})
	}
	untilParked("tinyTrace", 4)
	mu.Unlock()
	all.Wait()
	task.End()
	trace.Stop()
	return b.Bytes()
}
