package analyze

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/recorder/manifest"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// full is a case of good evidence, taken within a minute from a busy process.
// Its exhibits are in the order cpu, heap, mutex, block, trace, dump, gctrace.
func full() *evidence.Bundle {
	deep := func(n int, root string) stack.Stack {
		s := make(stack.Stack, n)
		for i := range s {
			s[i] = &stack.Frame{Function: "main.work"}
		}
		s[n-1].Function = root
		return s
	}
	profile := func(columns []string, values ...int64) *pprofile.Profile {
		p := &pprofile.Profile{Samples: []pprofile.Sample{{Stack: deep(5, "main.serve"), Values: slices.Clone(values)}, {Stack: deep(125, "main.serve"), Values: slices.Clone(values)}}}
		for _, c := range columns {
			p.Columns = append(p.Columns, pprofile.Column{Name: c})
		}
		return p
	}
	cpu := profile([]string{"samples", "cpu"}, 200, 2e9)
	heap := profile([]string{"inuse_objects", "inuse_space"}, 10, 1<<20)
	heap.Period, heap.PeriodUnit = heapPeriod, "bytes"
	contention := []string{"contentions", "delay"}
	b := &evidence.Bundle{Exhibits: []*evidence.Exhibit{
		{Kind: evidence.CPU, CapturedAt: noon, Duration: 10 * time.Second, Content: cpu},
		{Kind: evidence.Heap, CapturedAt: noon, Content: heap},
		{Kind: evidence.Mutex, CapturedAt: noon.Add(10 * time.Second), Duration: 10 * time.Second, Content: profile(contention, 5, 1e9)},
		{Kind: evidence.Block, CapturedAt: noon.Add(20 * time.Second), Duration: 10 * time.Second, Content: profile(contention, 5, 1e9)},
		{Kind: evidence.Trace, CapturedAt: noon.Add(30 * time.Second), Duration: 5 * time.Second, GoVersion: "go1.26", Content: &exectrace.Timeline{
			Procs: exectrace.Procs{Running: 9 * time.Second, Idle: 11 * time.Second},
			Waits: []exectrace.Wait{{Class: wait.Mutex, Count: 9, Total: 2 * time.Second}},
			Heap:  []exectrace.HeapPoint{{Live: 1 << 20, Goal: 4 << 20}},
		}},
		{Kind: evidence.Dump, CapturedAt: noon.Add(40 * time.Second), Content: &dump.Dump{Goroutines: make([]dump.Goroutine, 30), Elided: 1}},
		{Kind: evidence.GCTrace, CapturedAt: noon.Add(-time.Hour), Duration: 61 * time.Minute, Content: &runtimelog.GC{Log: runtimelog.Log{Start: noon.Add(-time.Hour)}}},
	}}
	for _, e := range b.Exhibits {
		e.Coverage, e.Path = evidence.Whole, string(e.Kind)
	}
	return b
}

func TestQuality(t *testing.T) {
	const cpu, heap, mutex, block, trace, dumped, gc = 0, 1, 2, 3, 4, 5, 6
	keep := func(b *evidence.Bundle, kinds ...int) {
		var kept []*evidence.Exhibit
		for _, k := range kinds {
			kept = append(kept, b.Exhibits[k])
		}
		b.Exhibits = kept
	}
	for name, c := range map[string]struct {
		spoil func(*evidence.Bundle, []*evidence.Exhibit)
		want  string // empty: no remark
	}{
		"full evidence of a busy process":       {func(*evidence.Bundle, []*evidence.Exhibit) {}, ""},
		"one kind alone":                        {func(b *evidence.Bundle, _ []*evidence.Exhibit) { keep(b, dumped) }, ""},
		"read in part":                          {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[heap].Coverage = evidence.Partial }, "read in part only"},
		"unusable":                              {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[heap].Coverage = evidence.None }, "could not be used"},
		"two releases, no build ids":            {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[cpu].GoVersion = "go1.22.3" }, "Go 1.22 and Go 1.26"},
		"one release, two spellings":            {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[cpu].GoVersion = "go1.26.8" }, ""},
		"empty mutex profile, trace with waits": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[mutex].Profile().Samples = nil }, "although trace shows 2 s"},
		"empty mutex profile, trace without": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[mutex].Profile().Samples, e[trace].Trace().Waits = nil, nil
		}, ""},
		"waits still open are recorded nowhere": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[block].Profile().Samples, e[trace].Trace().Waits[0].Open = nil, 9
		}, ""},
		"empty block profile, no trace":  {func(b *evidence.Bundle, e []*evidence.Exhibit) { e[block].Profile().Samples = nil; keep(b, block) }, "SetBlockProfileRate was never called"},
		"cumulative, no trace":           {func(b *evidence.Bundle, e []*evidence.Exhibit) { e[mutex].Duration = 0; keep(b, mutex) }, "no rate can be told"},
		"cumulative, with a trace":       {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[mutex].Duration = 0 }, ""},
		"cumulative, two of one process": {func(b *evidence.Bundle, e []*evidence.Exhibit) { e[mutex].Duration = 0; keep(b, mutex, mutex) }, ""},
		"99 CPU samples":                 {func(_ *evidence.Bundle, e []*evidence.Exhibit) { setSamples(e[cpu], 50, 49) }, "99 samples"},
		"100 CPU samples":                {func(_ *evidence.Bundle, e []*evidence.Exhibit) { setSamples(e[cpu], 50, 50) }, ""},
		"idle by its CPU profile": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			setSamples(e[cpu], 10, 9)
			e[cpu].Profile().Samples[0].Values[1] = 9e7
			e[cpu].Profile().Samples[1].Values[1] = 9e7
		}, "it was idle"},
		"idle by its trace": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[trace].Trace().Procs.Running = 10 * time.Millisecond
		}, "the process was idle"},
		"race detector": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[cpu].Profile().Samples[0].Stack = stack.Stack{{Function: "runtime.racefuncenter"}}
		}, "built with -race"},
		"no names":                          {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[cpu].Profile().Unsymbolised = 2 }, "no function names"},
		"half without names":                {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[cpu].Profile().Unsymbolised = 1 }, ""},
		"cut at 64 frames":                  {func(_ *evidence.Bundle, e []*evidence.Exhibit) { cutAt(e[cpu], 64) }, "miss their outer callers"},
		"64 frames are not many but in CPU": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { cutAt(e[mutex], 64) }, ""},
		"cut at 128 frames":                 {func(_ *evidence.Bundle, e []*evidence.Exhibit) { cutAt(e[mutex], 128) }, "(128 frames)"},
		"cut at 32 frames before Go 1.23": {func(b *evidence.Bundle, e []*evidence.Exhibit) {
			e[mutex].GoVersion = "go1.22"
			cutAt(e[mutex], 32)
			keep(b, mutex)
		}, "(32 frames)"},
		"every allocation sampled": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[heap].Profile().Period = 1 }, "MemProfileRate"},
		"few allocations sampled":  {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[heap].Profile().Period = 8 << 20 }, "missing or far off"},
		"a short trace":            {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[trace].Duration = 99 * time.Millisecond }, "covers 99 ms only"},
		"collector off":            {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[trace].Trace().Heap[0].Goal = math.MaxUint64 }, "collector was off"},
		"CPU profile within the trace": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[trace].Trace().Samples = make([]exectrace.StackCount, 1)
			e[cpu].CapturedAt = e[trace].CapturedAt
		}, "one witness, not two"},
		"samples in a trace, profile long before": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[trace].Trace().Samples = make([]exectrace.StackCount, 1)
		}, "by its clock"},
		"trace of five seconds in three minutes": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[dumped].CapturedAt = noon.Add(3 * time.Minute) }, "covers 5 s of the 3m0s"},
		"exhibits a quarter of an hour apart": {func(b *evidence.Bundle, e []*evidence.Exhibit) {
			e[heap].CapturedAt = noon.Add(17 * time.Minute)
			keep(b, cpu, heap)
		}, "taken over 17m0s"},
		"a log in another time zone": {func(b *evidence.Bundle, e []*evidence.Exhibit) {
			e[dumped].CapturedAt = noon.Add(2*time.Hour + 30*time.Second)
			keep(b, cpu, dumped)
		}, "another time zone"},
		"a dump from hours later": {func(b *evidence.Bundle, e []*evidence.Exhibit) {
			e[dumped].CapturedAt = noon.Add(2*time.Hour + 7*time.Minute)
			keep(b, cpu, dumped)
		}, "taken over 2h7m0s"},
		"a profile older than its process": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[gc].GC().Start = noon.Add(time.Minute) }, "before the process started"},
		"lines missing":                    {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[gc].GC().Missing = 3 }, "3 collections are missing"},
		"only who panicked": {func(_ *evidence.Bundle, e []*evidence.Exhibit) {
			e[dumped].Content = &dump.Dump{Origin: "panic", Goroutines: make([]dump.Goroutine, 1)}
		}, "only the goroutine that panicked"},
		"many stacks elided": {func(_ *evidence.Bundle, e []*evidence.Exhibit) { e[dumped].Dump().Elided = 2 }, "middle of 2 of 30"},
	} {
		b := full()
		c.spoil(b, b.Exhibits)
		var said []string
		for _, r := range quality(b) {
			said = append(said, r.Says.String())
		}
		if all := strings.Join(said, "\n"); c.want == "" && len(said) > 0 || !strings.Contains(all, c.want) {
			t.Errorf("%s: want %q, got:\n%s", name, c.want, all)
		}
	}
}

func setSamples(e *evidence.Exhibit, values ...int64) {
	for i, v := range values {
		e.Profile().Samples[i].Values[0] = v
	}
}

// cutAt makes a stack of a depth that begins where no other does.
func cutAt(e *evidence.Exhibit, depth int) {
	s := make(stack.Stack, depth)
	for i := range s {
		s[i] = &stack.Frame{Function: "main.descend"}
	}
	cut := e.Profile().Samples[0]
	cut.Stack = s
	e.Profile().Samples = append(e.Profile().Samples, cut)
}

func TestQualityOfCaptures(t *testing.T) {
	b := full()
	b.Captures = []evidence.Capture{{Path: "manifest.json", Manifest: &manifest.Manifest{
		Ended:   noon,
		Trigger: &manifest.Trigger{Name: "latency", Value: 0.512, Limit: 0.1, Unit: "seconds", At: noon},
		Files: []manifest.File{
			{Name: "cpu.pb.gz", Result: evidence.Taken},
			{Name: "goroutineleak.pb.gz", Result: evidence.Absent, Why: "404"},
			{Name: "heap.pb.gz", Result: evidence.Failed, Why: "503 Service\nUnavailable" + strings.Repeat("x", 1000)},
			{Name: "trace.out", Result: evidence.InPart, Why: "the connection was dropped"},
			{Name: "heap-2.pb.gz", Result: evidence.Failed, Why: "503 Service\nUnavailable" + strings.Repeat("x", 1000)},
		}}}}
	var got []string
	for _, r := range quality(b) {
		got = append(got, r.Says.String())
	}
	b.Captures = []evidence.Capture{{Path: "cut/manifest.json", Manifest: &manifest.Manifest{Files: []manifest.File{
		{Name: "heap.pb.gz", Result: evidence.Taken, Redirect: &manifest.Redirect{From: "http://a/heap", To: "http://b/heap"}}}}}}
	for _, r := range quality(b) {
		got = append(got, r.Says.String())
	}
	if len(got) != 5 {
		t.Fatalf("remarks %q, want three and two: the trigger, what failed, what is partial; a capture that was cut short, a redirect", got)
	}
	for i, want := range []string{
		"manifest.json: taken because latency reached 512 ms, limit 100 ms, at 2026-05-04 12:00:00.000 UTC",
		"manifest.json: heap.pb.gz and heap-2.pb.gz could not be taken: \"503 Service Unavailablex",
		"manifest.json: trace.out, taken in part: \"the connection was dropped\"",
		"cut/manifest.json: the capture was cut short",
		"cut/manifest.json: heap.pb.gz came from another server than the one that was asked: \"http://b/heap\" answered for \"http://a/heap\"",
	} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("remark %q, want %q", got[i], want)
		}
	}
	if len(got[1]) > 400 {
		t.Errorf("a remark of %d bytes", len(got[1]))
	}
}

func TestFirstOfTwoProfilesMayBeEmpty(t *testing.T) {
	b := full()
	empty := *b.Exhibits[2]
	empty.Content = &pprofile.Profile{Columns: empty.Profile().Columns}
	b.Exhibits = slices.Insert(b.Exhibits, 2, &empty)
	if got := quality(b); len(got) != 0 {
		t.Errorf("remarks %v, although the second mutex profile shows that recording was on", got)
	}
}
