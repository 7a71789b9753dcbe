package detect

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// frames builds a stack from names such as "main.f" or "main.f:12", leaf first.
func frames(names ...string) stack.Stack {
	s := make(stack.Stack, len(names))
	for i, name := range names {
		function, line, _ := strings.Cut(name, ":")
		n, _ := strconv.Atoi(line)
		s[i] = stack.Frame{Function: function, File: "file.go", Line: n}
	}
	return s
}

func at(function string) stack.Site { return stack.Site{Function: function} }

// row is one sample of a profile.
type row struct {
	values []int64
	size   int64
	stack  stack.Stack
}

// profiled makes an exhibit of a profile with the columns of its kind, taken that
// many seconds into the case.
func profiled(kind evidence.Kind, second int, rows ...row) *evidence.Exhibit {
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
		p.Samples = append(p.Samples, pprofile.Sample{Stack: r.stack, Values: r.values, Size: r.size})
	}
	return &evidence.Exhibit{Path: fmt.Sprintf("%s-%d.pb.gz", kind, second), Kind: kind, Coverage: evidence.Whole, Profile: p, CapturedAt: p.Time}
}

// cpuProfile makes a CPU profile of ten seconds.
func cpuProfile(rows ...row) *evidence.Exhibit {
	e := profiled(evidence.CPU, 0, rows...)
	e.Duration, e.Profile.Duration = 10*time.Second, 10*time.Second
	return e
}

// cpu is a number of CPU samples of 10 ms with one stack.
func cpu(samples int64, names ...string) row {
	return row{values: []int64{samples, samples * 10_000_000}, stack: frames(names...)}
}

// objects is objects of one size: allocated since the start, and of those in use.
func objects(size, allocated, inuse int64, names ...string) row {
	return row{values: []int64{allocated, allocated * size, inuse, inuse * size}, size: size, stack: frames(names...)}
}

// traced makes an exhibit of a trace; one second on two processors unless it says otherwise.
func traced(t *exectrace.Timeline) *evidence.Exhibit {
	if t.Duration == 0 {
		t.Duration = time.Second
	}
	if t.Procs.Max == 0 {
		t.Procs.Max = 2
	}
	t.PauseCount, t.CycleCount = len(t.Pauses), len(t.Cycles)
	return &evidence.Exhibit{Path: "trace.out", Kind: evidence.Trace, Coverage: evidence.Whole, Trace: t, Duration: t.Duration}
}

// procs is that a case ran with two processors, and nothing else.
func procs() *evidence.Exhibit { return traced(&exectrace.Timeline{Duration: time.Millisecond}) }

func dumped(goroutines ...dump.Goroutine) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "dump.txt", Kind: evidence.Dump, Coverage: evidence.Whole, Dump: &dump.Dump{Goroutines: goroutines}}
}

// histogram counts n durations of d.
func histogram(n int, d time.Duration) exectrace.Histogram {
	var h exectrace.Histogram
	for range n {
		h.Add(d)
	}
	return h
}

// judged is what a detector says about evidence: its result and, when it found
// something, the worst finding as "severity function".
type judged struct {
	result string
	worst  string
	all    analyze.Result
}

func judge(t *testing.T, d *claim.Detector, exhibits ...*evidence.Exhibit) judged {
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
	j := judged{result: res.Verdicts[0].Result, all: res}
	if j.result == claim.Failed {
		t.Fatal(res.Verdicts[0].Why)
	}
	if len(res.Findings) > 0 {
		f := res.Findings[0]
		j.worst = strings.TrimSpace(f.Severity.String() + " " + f.Site.Function)
	}
	return j
}

// expect is one row of a detector's table.
type expect struct {
	name     string
	exhibits []*evidence.Exhibit
	result   string
	worst    string // of the findings, as "severity function"; empty for none
}

func expectAll(t *testing.T, d *claim.Detector, cases []expect) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := judge(t, d, c.exhibits...)
			if got.result != c.result || got.worst != c.worst {
				t.Errorf("%s %q, want %s %q: %s", got.result, got.worst, c.result, c.worst, got.all.Verdicts[0].Why)
			}
			for _, f := range got.all.Findings {
				for _, e := range f.Evidence {
					if e.Exhibit == "" || e.Says == "" || e.Value.Unit == "" || e.Reproduce.None() && e.Value.Number != 0 {
						t.Errorf("incomplete fact %+v", e)
					}
				}
			}
		})
	}
}

func of(exhibits ...*evidence.Exhibit) []*evidence.Exhibit { return exhibits }
