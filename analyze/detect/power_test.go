package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/runtimelog"
)

// quiet is a case of a program at work in which nothing is wrong, with about so many CPU samples,
// so much time between heap profiles and so much time traced and logged.
func quiet(samples int64, apart, traced time.Duration) *evidence.Bundle {
	rows := []Row{}
	for i := range 100 {
		rows = append(rows, CPU(samples/100+min(samples, 1)*int64(1-min(i, 1)), fmt.Sprintf("main.f%d", i)))
	}
	heap := func(second int) *evidence.Exhibit {
		rows := []Row{}
		for i := range 20 {
			rows = append(rows, Objects(1<<10, 8000, 800, fmt.Sprintf("main.h%d", i)))
		}
		return HeapAt(second, rows...)
	}
	t := &exectrace.Timeline{Duration: traced, Procs: exectrace.Procs{Max: 2, Running: traced, Idle: traced}}
	for i := range 10 {
		at := time.Duration(i) * traced / 10
		t.Heap = append(t.Heap, exectrace.HeapPoint{At: at, Live: 40 * MB, Goal: 80 * MB}, exectrace.HeapPoint{At: at + traced/20, Live: 20 * MB, Goal: 80 * MB, AfterGC: true})
		t.Cycles = append(t.Cycles, exectrace.Interval{From: at, To: at + time.Microsecond})
	}
	t.CycleCount = len(t.Cycles)
	log := &runtimelog.GC{Log: runtimelog.Log{Procs: 2}}
	for i := range 10 {
		w := runtimelog.GCWindow{From: time.Duration(i) * traced / 10, To: time.Duration(i+1) * traced / 10, Cycles: 1, Live: 40 * MB, Goal: 80 * MB, MostLive: 40 * MB}
		log.Windows = append(log.Windows, w)
		if i == 0 {
			log.Total = w
		} else {
			log.Total.Add(&w)
		}
	}
	profile := CPUProfile(rows...)
	exhibits := []*evidence.Exhibit{profile, heap(0), heap(int(apart / time.Second)),
		Profiled(evidence.Mutex, 0, Row{Values: []int64{5, 5000}, Stack: Frames("sync.(*Mutex).Unlock", "main.f")}),
		Profiled(evidence.Block, 0, Row{Values: []int64{5, 5000}, Stack: Frames("sync.(*Mutex).Lock", "main.f")}),
		{Path: "trace.out", Kind: evidence.Trace, Coverage: evidence.Whole, Content: t, Duration: traced},
		{Path: "gc.log", Kind: evidence.GCTrace, Coverage: evidence.Whole, Content: log, Duration: traced}}
	b := &evidence.Bundle{}
	for i, e := range exhibits {
		e.ID = fmt.Sprintf("e%d", i+1)
		b.Exhibits = append(b.Exhibits, e)
	}
	return b
}

// TestClearNeedsPower plants no fault and thins the evidence: no detector may deny its claim then.
// With evidence enough, each verdict says what would have shown.
func TestClearNeedsPower(t *testing.T) {
	verdicts := func(b *evidence.Bundle) map[string]claim.Verdict {
		res, err := analyze.Run(b, All, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]claim.Verdict{}
		for _, v := range res.Verdicts {
			if v.Result == claim.Failed {
				t.Errorf("%s failed: %s", v.Detector, v.Why)
			}
			out[v.Detector] = v
		}
		return out
	}
	idle := quiet(10_000, time.Hour, time.Hour)
	for _, e := range idle.Exhibits {
		switch {
		case e.Trace() != nil:
			e.Trace().Procs.Running, e.Trace().Procs.Idle = 0, 2*time.Hour
		case e.Kind == evidence.CPU:
			e.Duration = 24 * time.Hour
		}
	}
	starved := quiet(60, 20*time.Second, time.Minute)
	for _, e := range starved.Exhibits {
		if e.Trace() != nil {
			e.Trace().Gaps = []exectrace.Interval{{From: 0, To: time.Minute - 100*time.Millisecond}}
		}
	}
	cut := quiet(10_000, time.Hour, 100*time.Millisecond)
	apart := quiet(10_000, time.Hour, time.Hour)
	for i := range cut.Exhibits {
		cut.Exhibits[i].Coverage = evidence.Partial
		apart.Exhibits[i].Apart = "it was narrowed to a task"
	}
	// A mutex or block profile that recorded anything records all of it: it is thin only where it was read in part.
	only := func(b *evidence.Bundle, kinds ...evidence.Kind) *evidence.Bundle {
		out := &evidence.Bundle{}
		for _, e := range b.Exhibits {
			if slices.Contains(kinds, e.Kind) {
				out.Exhibits = append(out.Exhibits, e)
			}
		}
		return out
	}
	for name, b := range map[string]*evidence.Bundle{
		"few of everything": only(quiet(20, 20*time.Second, 100*time.Millisecond), evidence.CPU, evidence.Heap, evidence.Trace, evidence.GCTrace),
		"idle":              only(idle, evidence.CPU, evidence.Trace),
		"starved":           only(starved, evidence.CPU, evidence.Heap, evidence.Trace),
		"read in part":      cut,
		"narrowed":          apart,
	} {
		for id, v := range verdicts(b) {
			if v.Result == claim.Clear {
				t.Errorf("%s: %s is clear: %s", name, id, v.Why)
			}
		}
	}
	clear := 0
	for id, v := range verdicts(quiet(10_000, time.Hour, time.Hour)) {
		if v.Result != claim.Clear {
			continue
		}
		clear++
		if !strings.Contains(v.Why.String(), "or more") && !strings.Contains(v.Why.String(), "a single case") {
			t.Errorf("%s is clear without a power: %s", id, v.Why)
		}
	}
	if clear < 15 {
		t.Errorf("only %d detectors are clear on evidence enough", clear)
	}
}

// TestSharePower holds the power of samples against drawing them: what it says would show does so in 19 of 20.
func TestSharePower(t *testing.T) {
	for _, c := range []struct {
		limit   float64
		samples int64
		want    float64
	}{
		{0, 60, 0.05}, {0, 100, 0.03}, {0.05, 100, 0.13}, {0.05, 10_000, 0.055}, {0.4, 100, 0.5}, {0.4, 10, 0.7}, {0.4, 0, 1},
	} {
		if got := claim.SharePower(c.limit, c.samples, 1, "of them").Least.Number; got < c.want-0.03 || got > c.want+0.03 {
			t.Errorf("limit %v, %d samples: %v, want about %v", c.limit, c.samples, got, c.want)
		}
	}
}
