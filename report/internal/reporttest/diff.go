package reporttest

import (
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/report"
)

// cpuSide is a side of one CPU profile of 10 s, in ticks by function.
func cpuSide(name string, ticks map[string]int64, order ...string) *compare.Side {
	p := &pprofile.Profile{Kind: "cpu", Columns: []pprofile.Column{{Name: "samples", Unit: "count"}, {Name: "cpu", Unit: "nanoseconds"}},
		Duration: 10 * time.Second, Period: 10e6, PeriodUnit: "nanoseconds"}
	for _, f := range order {
		p.Samples = append(p.Samples, pprofile.Sample{
			Stack:  stack.Stack{{Function: f, File: "/src/app/" + f + ".go", Line: 7}, {Function: "main.main", File: "/src/app/main.go", Line: 3}},
			Values: []int64{ticks[f], ticks[f] * 10e6},
		})
	}
	e := &evidence.Exhibit{ID: "e1", Path: name, SHA256: name, Kind: evidence.CPU, Coverage: evidence.Whole, Duration: 10 * time.Second, Content: p}
	finding := claim.Finding{ID: "f1", Fingerprint: "0123456789abcdef", Detector: "cpu-hotspot", Title: "One function", Severity: claim.Warning, Confidence: claim.Medium, Summary: "much of it"}
	return &compare.Side{Title: name, Exhibits: []*evidence.Exhibit{e}, Judged: &compare.Judged{Findings: []claim.Finding{finding}}}
}

// HostileName is a function name that would be markup, a command or an escape anywhere.
const HostileName = "a|b`c</td><script>alert(1)</script>\x1b[31m\n::error::x%0A\u202e"

// Diff is a comparison of two profiles, one function of which attacks whoever shows its name.
func Diff() *report.Diff {
	before := cpuSide("before.pb.gz", map[string]int64{HostileName: 400, "main.pack": 600}, HostileName, "main.pack")
	after := cpuSide("after.pb.gz", map[string]int64{HostileName: 900, "main.pack": 600}, HostileName, "main.pack")
	opt := compare.Options{Rename: map[string]string{"x.A": "x.B"}, Floors: map[evidence.Unit]float64{evidence.SecPerSec: 0.05}}
	return report.NewDiff(before, after, compare.Compare(before, after, opt), opt, [2][]string{}, "0", false)
}

// NamedDiff is a comparison with a name in every place where one can stand.
func NamedDiff(name string) *report.Diff {
	before := cpuSide(name, map[string]int64{name: 400, "main.pack": 600}, name, "main.pack")
	after := cpuSide("after/"+name, map[string]int64{name: 900, "main.pack": 600}, name, "main.pack")
	after.Exhibits[0].Problems = []claim.Text{claim.Said(name), "it says " + claim.Said(name)}
	for _, s := range []*compare.Side{before, after} {
		s.GoVersion = name
		s.Benchmarks = &compare.Benchmarks{}
		_ = s.Benchmarks.Read("b", strings.NewReader("BenchmarkX 10 10 ns/op\n"))
	}
	opt := compare.Options{Rename: map[string]string{name: "x." + name}}
	res := compare.Compare(before, after, opt)
	second := evidence.Quantity{Number: 1e9, Unit: evidence.Nanoseconds}
	res.Benchmarks = append(res.Benchmarks,
		compare.Benchmark{Name: "p.Benchmark" + name, Unit: "sec/op", Before: 1, After: 2, Effect: 1, Verdict: compare.Regression},
		compare.Benchmark{Name: name, Unit: name, Before: 1, After: 2, Effect: 1, Verdict: compare.Inconclusive, Warnings: []claim.Text{claim.Said(name)}})
	state := &compare.FindingState{ID: "f1", Severity: claim.Critical, Confidence: claim.High, Summary: claim.Said(name)}
	change := compare.FindingChange{Fingerprint: "0123456789abcdef", Detector: "cpu-hotspot", Title: claim.Said(name), Site: claim.Site{Function: name, File: name, Line: 3}, Before: state, After: state, Counts: true, Why: claim.Said(name)}
	for _, list := range []*[]compare.FindingChange{&res.Findings.New, &res.Findings.Gone, &res.Findings.Worse, &res.Findings.Better, &res.Findings.Unclear} {
		*list = append(*list, change)
	}
	res.Trends = append(res.Trends, compare.Trend{Name: "live heap", Side: "before", Exhibits: []string{"e1"}, First: second, Last: second, Slope: second, Sites: []compare.TrendSite{{Function: name, First: second, Last: second}}})
	k := &res.Kinds[0]
	k.Distributions = append(k.Distributions, compare.Distribution{Name: "task " + claim.Said(name), Gates: true, Verdict: compare.Regression, Why: claim.Said(name)})
	k.Measures[0].Moved = append(k.Measures[0].Moved, compare.Moved{From: name, To: name, Amount: second, Why: claim.Said(name)})
	k.Measures[0].Changes[0].Note = claim.Said(name)
	res.Kinds = append(res.Kinds, compare.Kind{Kind: "heap", Verdict: compare.Inconclusive, Why: claim.Said(name), Record: claim.Said(name), Before: []string{name}})
	res.Why = claim.Said(name)
	return report.NewDiff(before, after, res, opt, [2][]string{{"benchmarks " + name}, {name}}, "0", true)
}
