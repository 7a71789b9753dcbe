// Package detecttest builds evidence by hand for the tests of detectors, and holds what they say to tables.
package detecttest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// Frames builds a stack from names such as "main.f" or "main.f:12", leaf first.
func Frames(names ...string) stack.Stack {
	s := make(stack.Stack, len(names))
	for i, name := range names {
		function, line, _ := strings.Cut(name, ":")
		n, _ := strconv.Atoi(line)
		s[i] = &stack.Frame{Function: function, File: "file.go", Line: n}
	}
	return s
}

// At is a site.
func At(function string) stack.Site { return stack.Site{Function: function} }

// Row is one sample of a profile.
type Row = struct {
	Values []int64
	size   int64
	Stack  stack.Stack
}

// Profiled makes an exhibit of a profile with the columns of its kind, taken that
// many seconds into the case.
func Profiled(kind evidence.Kind, second int, rows ...Row) *evidence.Exhibit {
	names := map[evidence.Kind][]string{
		evidence.CPU:   {"samples", "cpu"},
		evidence.Heap:  {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"},
		evidence.Block: {"contentions", "delay"},
		evidence.Mutex: {"contentions", "delay"},
	}[kind]
	p := &pprofile.Profile{Kind: string(kind), Time: time.Unix(int64(1_000_000+second), 0)}
	for _, name := range names {
		p.Columns = append(p.Columns, pprofile.Column{Name: name})
	}
	if kind == evidence.Heap {
		p.Period = 512 << 10
	}
	for _, r := range rows {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: r.Stack, Values: r.Values, Size: r.size})
	}
	return &evidence.Exhibit{Path: fmt.Sprintf("%s-%d.pb.gz", kind, second), Kind: kind, Coverage: evidence.Whole, Content: p, CapturedAt: p.Time}
}

// CPUProfile makes a CPU profile of ten seconds.
func CPUProfile(rows ...Row) *evidence.Exhibit {
	e := Profiled(evidence.CPU, 0, rows...)
	e.Duration, e.Profile().Duration = 10*time.Second, 10*time.Second
	return e
}

// CPU is a number of CPU samples of 10 ms with one stack.
func CPU(samples int64, names ...string) Row {
	return Row{Values: []int64{samples, samples * 10_000_000}, Stack: Frames(names...)}
}

// Objects is objects of one size: allocated since the start, and of those in use.
func Objects(size, allocated, inuse int64, names ...string) Row {
	return Row{Values: []int64{allocated, allocated * size, inuse, inuse * size}, size: size, Stack: Frames(names...)}
}

// Traced makes an exhibit of a trace; one second on two processors unless it says otherwise.
func Traced(t *exectrace.Timeline) *evidence.Exhibit {
	if t.Duration == 0 {
		t.Duration = time.Second
	}
	if t.Procs.Max == 0 {
		t.Procs.Max = 2
	}
	t.PauseCount, t.CycleCount = len(t.Pauses), len(t.Cycles)
	return &evidence.Exhibit{Path: "trace.out", Kind: evidence.Trace, Coverage: evidence.Whole, Content: t, Duration: t.Duration}
}

// Procs is that a case ran with two processors, and nothing else.
func Procs() *evidence.Exhibit { return Traced(&exectrace.Timeline{Duration: time.Millisecond}) }

// Dumped makes an exhibit of a goroutine dump.
func Dumped(goroutines ...dump.Goroutine) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "dump.txt", Kind: evidence.Dump, Coverage: evidence.Whole, Content: &dump.Dump{Goroutines: goroutines}}
}

// Histogram counts n durations of d.
func Histogram(n int, d time.Duration) exectrace.Histogram {
	var h exectrace.Histogram
	for range n {
		h.Add(d)
	}
	return h
}

// Judged is what a detector says about evidence: its result and, when it found
// something, the worst finding as "severity function".
type Judged struct {
	Result string
	Worst  string
	All    analyze.Result
}

// Judge runs one detector on evidence.
func Judge(t *testing.T, d *claim.Detector, exhibits ...*evidence.Exhibit) Judged {
	t.Helper()
	b := &evidence.Bundle{}
	for _, kind := range evidence.Kinds {
		for _, e := range exhibits {
			if e.Kind == kind {
				e.ID = fmt.Sprintf("e%d", len(b.Exhibits)+1)
				b.Exhibits = append(b.Exhibits, e)
			}
		}
	}
	res, err := analyze.Run(b, []*claim.Detector{d}, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := Judged{Result: res.Verdicts[0].Result, All: res}
	if j.Result == claim.Failed {
		t.Fatal(res.Verdicts[0].Why)
	}
	if len(res.Findings) > 0 {
		f := res.Findings[0]
		j.Worst = strings.TrimSpace(f.Severity.String() + " " + f.Site.Function)
	}
	return j
}

// Expect is one row of a detector's table.
type Expect = struct {
	Name     string
	Exhibits []*evidence.Exhibit
	Result   string
	Worst    string // of the findings, as "severity function"; empty for none
}

// ExpectAll holds a detector to a table.
func ExpectAll(t *testing.T, d *claim.Detector, cases []Expect) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := Judge(t, d, c.Exhibits...)
			if got.Result != c.Result || got.Worst != c.Worst {
				t.Errorf("%s %q, want %s %q: %s", got.Result, got.Worst, c.Result, c.Worst, got.All.Verdicts[0].Why)
			}
			for _, f := range got.All.Findings {
				for _, e := range f.Evidence {
					if e.Exhibit == "" || e.Says == "" || e.Value.Unit == "" || e.Reproduce.None() && e.Value.Number != 0 {
						t.Errorf("incomplete fact %+v", e)
					}
				}
			}
		})
	}
}

// Of is the exhibits of one row of a table.
func Of(exhibits ...*evidence.Exhibit) []*evidence.Exhibit { return exhibits }

// Crashed makes an exhibit of a log with crashes.
func Crashed(crashes ...*dump.Crash) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "app.log", Kind: evidence.Crash, Coverage: evidence.Whole, Content: dump.Crashes(crashes)}
}

// Died is a crash that ended the process.
func Died(class dump.Class, message string, frame ...string) *dump.Crash {
	return &dump.Crash{Class: class, Message: message, Goroutine: 7, Stack: Frames(frame...), Count: 1, Exit: 2}
}
