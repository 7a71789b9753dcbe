package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/figure"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

func at(function string) stack.Stack {
	return stack.Stack{{Function: "sync.(*Mutex).Unlock"}, {Function: function, File: "f.go", Line: 7}}
}

func heapOf(bytes map[string]int64) *pprofile.Profile {
	p := &pprofile.Profile{Columns: []pprofile.Column{{Name: "inuse_objects", Unit: "count"}, {Name: "inuse_space", Unit: "bytes"}}}
	for f, n := range bytes {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: at(f), Values: []int64{1, n}})
	}
	return p
}

// caseOf is a bundle with two heaps, a mutex profile, a trace and a dump.
func caseOf(t *testing.T) *evidence.Bundle {
	t.Helper()
	start := time.Date(2026, 11, 19, 14, 0, 0, 0, time.FixedZone("X", 3600))
	trace := &exectrace.Timeline{
		Duration: 100 * time.Second, WindowLength: 100 * time.Millisecond, Events: 5,
		Groups: []exectrace.Group{{Created: 3, Ended: 2}, {Created: 100, System: true}},
		Waits: []exectrace.Wait{
			{Class: wait.Mutex, Stack: at("main.lock"), Total: 3 * time.Second},
			{Class: wait.RWRead, Stack: at("main.lock.func1"), Total: time.Second},
			{Class: wait.ChanRecv, Stack: at("main.recv"), Total: time.Second},
			{Class: wait.Sleep, Stack: at("main.sleep"), Total: time.Hour},
		},
		Pauses: []exectrace.Pause{{Reason: "x", Raw: exectrace.Interval{From: 1, To: 9}, Effective: 4}},
		Cycles: []exectrace.Interval{{From: 5, To: 8}},
	}
	for i := range 1000 {
		trace.Windows = append(trace.Windows, exectrace.Window{Running: float64(i % 4), PerProc: []float64{1, 0.5}[:1+i/500]})
	}
	for i := range 3000 {
		trace.Heap = append(trace.Heap, exectrace.HeapPoint{At: time.Duration(i), Live: uint64(i % 100), Goal: 200})
	}
	return &evidence.Bundle{Title: "case", Exhibits: []*evidence.Exhibit{
		{ID: "e1", Kind: evidence.Heap, Coverage: evidence.Whole, CapturedAt: start.Add(time.Minute), Content: heapOf(map[string]int64{"main.a": 100, "main.b": 50, "main.c": 1})},
		{ID: "e2", Kind: evidence.Heap, Coverage: evidence.Whole, CapturedAt: start.Add(2 * time.Minute), Content: heapOf(map[string]int64{"main.a": 500, "main.b": 50, "main.d": 9})},
		{ID: "e3", Kind: evidence.Mutex, Coverage: evidence.Partial, Content: &pprofile.Profile{
			Columns: []pprofile.Column{{Name: "contentions", Unit: "count"}, {Name: "delay", Unit: "microseconds"}},
			Samples: []pprofile.Sample{{Stack: at("main.f"), Values: []int64{2, 10}}, {Stack: at("main.f.func1"), Values: []int64{1, 5}}},
		}},
		{ID: "e4", Kind: evidence.Trace, Coverage: evidence.Whole, CapturedAt: start, Duration: trace.Duration, Content: trace},
		{ID: "e5", Kind: evidence.Dump, Coverage: evidence.Whole, Content: &dump.Dump{Goroutines: []dump.Goroutine{{Wait: time.Minute}, {Leaked: true}, {}}}},
		{ID: "e6", Kind: evidence.Unknown, Coverage: evidence.None, Problems: []claim.Text{"not recognised"}, CapturedAt: time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}
}

func TestNew(t *testing.T) {
	r := report.New(analyze.Result{Bundle: caseOf(t), Quality: []analyze.Remark{{Exhibit: "e6", Says: "could not be used"}}}, report.Version("v1"))
	if _, err := report.Read(strings.NewReader(reporttest.Written(t, report.WriteJSON, r))); err != nil {
		t.Fatal(err)
	}
	if got := r.Case.Window.From.Format(time.RFC3339) + " " + r.Case.Window.To.Format(time.RFC3339); got != "2026-11-19T13:00:00Z 2026-11-19T13:02:00Z" {
		t.Errorf("window %s", got)
	}
	totals := map[string]string{}
	for _, e := range r.Exhibits {
		for _, total := range e.Totals {
			totals[e.ID+" "+total.Name] = total.Quantity.String()
		}
	}
	for name, want := range map[string]string{
		"e1 inuse_space": "151 B", "e2 inuse_space": "559 B", "e3 contentions": "3", "e3 delay": "15 µs",
		"e4 events": "5", "e4 goroutines created": "3", "e4 goroutines ended": "2", "e4 waits: mutex": "3 s", "e4 waits: rwmutex-read": "1 s",
		"e4 stop-the-world pauses": "1", "e4 longest effective pause": "4 ns", "e4 GC mark phases": "1", "e4 time in GC mark phases": "3 ns",
		"e5 goroutines": "3", "e5 leaked": "1", "e5 waiting a minute or longer": "1",
	} {
		if totals[name] != want {
			t.Errorf("%s is %q, want %q", name, totals[name], want)
		}
	}
	var bars []string
	for _, b := range r.Bars {
		line := claim.Legacy(b.Exhibit+" ") + b.Title + ", " + claim.Legacy(b.Total.String()) + ":"
		for _, row := range b.Rows {
			line += claim.Legacy(" " + row.Site.Function + " " + row.Value.String())
		}
		bars = append(bars, line.String())
	}
	if d := cmp.Diff([]string{ // of the two heaps only the last; of closures their owner
		"e2 live heap, by allocating site, 559 B: main.a 500 B main.b 50 B main.d 9 B",
		"e3 delay caused to others, by unlocking site, 15 µs: main.f 15 µs",
		"e4 waiting for locks, by site, 4 s: main.lock 4 s",
		"e4 waiting for other goroutines, by site (idle workers included), 1 s: main.recv 1 s",
	}, bars); d != "" {
		t.Errorf("bars:\n%s", d)
	}
	if len(r.Growth) != 1 {
		t.Fatalf("growth %v", r.Growth)
	}
	var grown []string
	for _, row := range r.Growth[0].Rows {
		grown = append(grown, row.Site.Function+" "+row.Before.String()+" "+row.After.String())
	}
	if d := cmp.Diff([]string{"main.a 100 B 500 B", "main.d 0 B 9 B", "main.c 1 B 0 B"}, grown); d != "" {
		t.Errorf("growth:\n%s", d)
	}
	tl := r.Timelines[0]
	if len(tl.Running) != 250 || tl.Step != int64(400*time.Millisecond) || tl.Running[0] != 1.5 {
		t.Errorf("%d steps of %d ns, the first at %v; want 250 of 400 ms at 1.5", len(tl.Running), tl.Step, tl.Running[0])
	}
	if len(tl.Procs) != 2 || tl.Procs[1][0] != 0 || tl.Procs[1][249] != 0.5 {
		t.Errorf("processors that appear later: %v", tl.Procs)
	}
	if len(tl.Heap) == 0 || len(tl.Heap) > figure.MaxHeapPoints {
		t.Errorf("%d heap points", len(tl.Heap))
	}
}

// TestNewGivesTheSameBytes guards against map order.
func TestNewGivesTheSameBytes(t *testing.T) {
	first := reporttest.Written(t, report.WriteJSON, report.New(analyze.Result{Bundle: caseOf(t)}))
	for range 20 {
		if again := reporttest.Written(t, report.WriteJSON, report.New(analyze.Result{Bundle: caseOf(t)})); again != first {
			t.Fatal(cmp.Diff(first, again))
		}
	}
}
