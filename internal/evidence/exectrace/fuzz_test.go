package exectrace

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"
)

// FuzzRead feeds anything to the reader: it must not panic, must finish soon,
// and must not let a small file ask for much memory. What it makes of a file
// must not depend on how many generations are read at a time.
func FuzzRead(f *testing.F) {
	f.Add([]byte("go 1.26 trace\x00\x00\x00"))
	f.Add([]byte("go 1.21 trace\x00\x00\x00\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			t.Skip()
		}
		// Reading twice the windows, pages and tables of a trace with a handful of
		// events takes a few megabytes; formats before 1.22 begin with blocks of one.
		one := readBothWays(t, b, uint64(64<<20+2000*len(b)))
		if one != nil {
			// Two parts hold the events of the whole, wherever it is cut and however damaged it is.
			at := one.Duration / 3
			first, err1 := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: 2, Task: "t", Window: func(time.Time) (time.Duration, time.Duration) { return 0, at }})
			rest, err2 := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: 1, Task: "t", Window: func(time.Time) (time.Duration, time.Duration) { return at, forever }})
			if err1 == nil && err2 == nil && at > 0 && first.Events+rest.Events != one.Events {
				t.Errorf("%d events up to %v and %d from there on, %d in the whole", first.Events, at, rest.Events, one.Events)
			}
		}
	})
}

// readBothWays reads a trace one generation at a time and several, and holds both to the same
// outcome and the first to its bounds. It returns nil for what is no trace.
func readBothWays(t *testing.T, data []byte, most uint64) *Timeline {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	one, err1 := Read(context.Background(), bytes.NewReader(data), int64(len(data)), Options{Jobs: 1})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > most {
		t.Errorf("%d bytes asked for %d", len(data), used)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("%d bytes took %v", len(data), d)
	}
	many, err2 := Read(context.Background(), bytes.NewReader(data), int64(len(data)), Options{Jobs: 3})
	if (err1 == nil) != (err2 == nil) {
		t.Fatalf("one at a time: %v; three: %v", err1, err2)
	}
	if err1 != nil {
		return nil
	}
	if one.Events != many.Events || one.Duration != many.Duration || len(one.Waits) != len(many.Waits) || one.Reading != many.Reading {
		t.Errorf("one at a time: %d events, %+v; three: %d events, %+v", one.Events, one.Reading, many.Events, many.Reading)
	}
	return one
}
