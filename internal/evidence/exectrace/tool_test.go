package exectrace

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/exp/trace"
)

// toolTotals adds up what `go tool trace -pprof=KIND` would: the time between a
// goroutine's entering a state for a reason and its leaving it
// (cmd/trace/pprof.go, makeComputePprofFunc).
func toolTotals(t *testing.T, b []byte) map[string]time.Duration {
	t.Helper()
	kinds := map[string]func(trace.GoState, string) bool{
		"net": func(s trace.GoState, r string) bool {
			return s == trace.GoWaiting && strings.Contains(r, "network")
		},
		"sync": func(s trace.GoState, r string) bool {
			return s == trace.GoWaiting && (strings.Contains(r, "chan") || strings.Contains(r, "sync") || strings.Contains(r, "select"))
		},
		"syscall": func(s trace.GoState, r string) bool { return s == trace.GoSyscall },
		"sched":   func(s trace.GoState, r string) bool { return s == trace.GoRunnable },
	}
	type tracked struct {
		since trace.Time
		state trace.GoState
	}
	totals := map[string]time.Duration{}
	tracking := map[string]map[trace.GoID]tracked{}
	for k := range kinds {
		tracking[k] = map[trace.GoID]tracked{}
	}
	r, err := trace.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := r.ReadEvent()
		if err != nil {
			return totals
		}
		if ev.Kind() != trace.EventStateTransition || ev.StateTransition().Resource.Kind != trace.ResourceGoroutine {
			continue
		}
		st := ev.StateTransition()
		id := st.Resource.Goroutine()
		_, to := st.Goroutine()
		for k, wants := range kinds {
			s, ok := tracking[k][id]
			switch {
			case !ok && wants(to, st.Reason):
				tracking[k][id] = tracked{ev.Time(), to}
			case ok && to != s.state:
				delete(tracking[k], id)
				totals[k] += ev.Time().Sub(s.since)
			}
		}
	}
}

func TestTotalsEqualThoseOfTheTool(t *testing.T) {
	files, err := filepath.Glob("testdata/versions/*.trace")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		b := load(t, filepath.Base(name))
		want := toolTotals(t, b)
		tl := read(t, b, 2)
		got := map[string]time.Duration{}
		kind := func(reason string) string {
			switch {
			case strings.Contains(reason, "chan"), strings.Contains(reason, "sync"), strings.Contains(reason, "select"):
				return "sync"
			case reason == "network":
				return "net"
			}
			return ""
		}
		for _, w := range tl.Waits {
			got[kind(w.Reason)] += w.Total
		}
		// The tool leaves out what is still waiting at the end.
		for _, o := range tl.Open {
			got[kind(o.Reason)] -= tl.Duration - o.Since
		}
		for _, w := range tl.Syscalls {
			got["syscall"] += w.Total
			if w.Open == w.Count {
				got["syscall"] -= w.Total // still in it at the end
			}
		}
		for _, g := range tl.Groups {
			got["sched"] += g.Runnable.Sum + g.Yielded
		}
		for _, k := range []string{"net", "sync", "syscall", "sched"} {
			// Goroutines that were runnable when the trace began or are when it ends
			// are counted by neither side alike: they are a few microseconds.
			if diff := (got[k] - want[k]).Abs(); diff > 50*time.Microsecond && diff > want[k]/1000 {
				t.Errorf("%s: %s: %v, the tool %v", filepath.Base(name), k, got[k], want[k])
			}
		}
		t.Logf("%s: %v", filepath.Base(name), want)
	}
}
