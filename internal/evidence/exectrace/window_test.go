package exectrace

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readPart(t testing.TB, b []byte, jobs int, from, to time.Duration) *Timeline {
	t.Helper()
	tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: jobs, Window: func(time.Time) (time.Duration, time.Duration) { return from, to }})
	if err != nil {
		t.Fatal(err)
	}
	balances(t, tl)
	return tl
}

const forever = time.Duration(math.MaxInt64)

func TestWindowOfEverythingIsTheWhole(t *testing.T) {
	files, _ := filepath.Glob("testdata/versions/*.trace")
	for _, name := range files {
		b := load(t, filepath.Base(name))
		want, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []time.Duration{forever, want.Duration + 1} {
			if d := cmp.Diff(want, readPart(t, b, 2, -time.Second, to), exact); d != "" {
				t.Errorf("%s: a window that leaves nothing out changes (-whole +window):\n%s", name, d)
			}
		}
	}
}

// sums are what of two parts must add up to the whole.
func sums(tl *Timeline) map[string]time.Duration {
	m := map[string]time.Duration{"duration": tl.Duration, "events": time.Duration(tl.Events), "pauses": tl.PauseTotal, "sweep": tl.Sweep,
		"dedicated": tl.GCWork.Dedicated, "fractional": tl.GCWork.Fractional, "idle work": tl.GCWork.Idle,
		"Ps running": tl.Procs.Running, "Ps idle": tl.Procs.Idle, "Ps idle with demand": tl.Procs.IdleWithDemand, "flips": time.Duration(tl.Procs.Flips),
		"logs": time.Duration(tl.LogCount)}
	for _, w := range tl.Waits {
		m["waits"] += w.Total
		m["waits that ended"] += time.Duration(w.Count - w.Open)
		m["waits "+string(w.Class)] += w.Total
	}
	for _, w := range tl.Syscalls {
		m["calls"] += w.Total
	}
	for _, g := range tl.Groups {
		m["running "+g.Start.Function] += g.Running
		m["created"] += time.Duration(g.Created)
		m["ended"] += time.Duration(g.Ended)
		m["yielded"] += g.Yielded
	}
	for _, c := range tl.Cycles {
		m["marking"] += c.To - c.From
	}
	for _, a := range tl.Assists {
		m["assists"] += a.Total
		m["assists running"] += a.Running
	}
	for _, s := range tl.Samples {
		m["samples"] += time.Duration(s.Count)
	}
	for _, k := range tl.Regions {
		m["regions"] += k.Times.Sum
		m["regions running"] += k.Running
		m["regions runnable"] += k.Runnable
	}
	for _, k := range tl.Tasks {
		m["tasks"] += k.Times.Sum
	}
	for _, w := range tl.Wakes {
		m["wakes"] += time.Duration(w.Count)
	}
	for i, w := range tl.Windows {
		length := float64(min(tl.WindowLength, tl.Duration-time.Duration(i)*tl.WindowLength))
		m["windows running"] += time.Duration(math.Round(w.Running * length))
		m["windows runnable"] += time.Duration(math.Round(w.Runnable * length))
		m["windows waiting"] += time.Duration(math.Round(w.Waiting * length))
		m["windows syscall"] += time.Duration(math.Round(w.Syscall * length))
		m["windows sync"] += time.Duration(math.Round(w.SyncWait * length))
		m["windows GC"] += time.Duration(math.Round(w.GC * length))
		m["windows stopped"] += w.Stopped
		for _, p := range w.PerProc {
			m["windows Ps"] += time.Duration(math.Round(p * length))
		}
	}
	return m
}

// partsAddUp cuts a trace at moments and compares.
func partsAddUp(t *testing.T, b []byte, cuts ...float64) {
	t.Helper()
	whole, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := sums(whole)
	for _, share := range cuts {
		at := time.Duration(share * float64(whole.Duration))
		before, after := readPart(t, b, 2, 0, at), readPart(t, b, 1, at, forever)
		if before.Duration != at || after.Narrowed.From != at || before.Narrowed.From != 0 || after.Duration != whole.Duration-at {
			t.Errorf("at %v: parts of %v and %v (%+v, %+v)", at, before.Duration, after.Duration, before.Narrowed, after.Narrowed)
		}
		if !whole.Start.IsZero() && !after.Start.Equal(whole.Start.Add(at)) {
			t.Errorf("at %v: begins at %v, want %v", at, after.Start, whole.Start.Add(at))
		}
		x, y := sums(before), sums(after)
		got := map[string]time.Duration{}
		for _, m := range []map[string]time.Duration{x, y} {
			for k, v := range m {
				got[k] += v
			}
		}
		for k, v := range want {
			slack := time.Duration(0)
			if len(k) > 8 && k[:8] == "windows " {
				slack = 100 // rounding
			}
			if (got[k] - v).Abs() > slack {
				t.Errorf("at %v: %s of the parts: %d + %d = %d, want %d", at, k, x[k], y[k], got[k], v)
			}
		}
		// Open at the cut: each such wait counts in both parts.
		if n := count(before) + count(after) - count(whole); n < 0 || n > int64(before.OpenCount)+count(after) {
			t.Errorf("at %v: %d waits more than in the whole, with %d open at the cut", at, n, before.OpenCount)
		}
	}
}

func count(tl *Timeline) (n int64) {
	for _, w := range tl.Waits {
		n += w.Count
	}
	return n
}

func TestPartsOfAWindowAddUp(t *testing.T) {
	files, _ := filepath.Glob("testdata/versions/*.trace")
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			partsAddUp(t, load(t, filepath.Base(name)), 0.01, 0.2, 0.5, 0.77, 0.999)
		})
	}
	t.Run("workload", func(t *testing.T) {
		b := recordTrace(t, func() {
			workload(rand.New(rand.NewPCG(7, 8)), 1500*time.Millisecond)
		})
		partsAddUp(t, b, 0.1, 0.3, 0.5, 0.9)
	})
}

// A window in the middle is told by few generations, and by the same events as
// the whole has there.
func TestWindowSkipsGenerations(t *testing.T) {
	b := load(t, "long1.26.trace")
	whole, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	from, to := whole.Duration*6/10, whole.Duration*7/10
	tl := readPart(t, b, 2, from, to)
	if tl.Narrowed.Skipped == 0 || tl.Reading.Read != tl.Reading.Generations || tl.Reading.Generations+tl.Narrowed.Skipped != whole.Reading.Generations {
		t.Errorf("%+v of %+v, %+v", tl.Reading, whole.Reading, tl.Narrowed)
	}
	if tl.Duration != to-from || tl.Narrowed.Of < whole.Duration*9/10 || tl.Narrowed.Of > whole.Duration*11/10 {
		t.Errorf("%v to %v of %v: %v, %+v", from, to, whole.Duration, tl.Duration, tl.Narrowed)
	}
	three := []*Timeline{readPart(t, b, 1, 0, from), tl, readPart(t, b, 1, to, forever)}
	var events int64
	for _, part := range three {
		events += part.Events
	}
	if events != whole.Events {
		t.Errorf("%d events in three parts, %d in the whole", events, whole.Events)
	}
	if out := readPart(t, b, 2, whole.Duration+time.Second, forever); !out.Narrowed.Outside || out.Events != 0 {
		t.Errorf("behind the end: %+v, %d events", out.Narrowed, out.Events)
	}
}
