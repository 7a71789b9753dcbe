package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/compare"
	"inquest/analyze/evidence"
	"inquest/templates"
)

// namedDiff is a comparison with a name in every place where one can stand.
func namedDiff(name string) *Diff {
	before := cpuSide(name, map[string]int64{name: 400, "main.pack": 600}, name, "main.pack")
	after := cpuSide("after/"+name, map[string]int64{name: 900, "main.pack": 600}, name, "main.pack")
	after.Exhibits[0].Problems = []string{name, "it says " + name}
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
		compare.Benchmark{Name: name, Unit: name, Before: 1, After: 2, Effect: 1, Verdict: compare.Inconclusive, Warnings: []claim.Text{claim.Legacy(name)}})
	state := &compare.FindingState{ID: "f1", Severity: claim.Critical, Confidence: claim.High, Summary: claim.Legacy(name)}
	change := compare.FindingChange{Fingerprint: "0123456789abcdef", Detector: "cpu-hotspot", Title: claim.Legacy(name), Site: claim.Site{Function: name, File: name, Line: 3}, Before: state, After: state, Counts: true, Why: claim.Legacy(name)}
	for _, list := range []*[]compare.FindingChange{&res.Findings.New, &res.Findings.Gone, &res.Findings.Worse, &res.Findings.Better, &res.Findings.Unclear} {
		*list = append(*list, change)
	}
	res.Trends = append(res.Trends, compare.Trend{Name: "live heap", Side: "before", Exhibits: []string{"e1"}, First: second, Last: second, Slope: second, Sites: []compare.TrendSite{{Function: name, First: second, Last: second}}})
	k := &res.Kinds[0]
	k.Distributions = append(k.Distributions, compare.Distribution{Name: claim.Legacy("task " + name), Gates: true, Verdict: compare.Regression, Why: claim.Legacy(name)})
	k.Measures[0].Moved = append(k.Measures[0].Moved, compare.Moved{From: name, To: name, Amount: second, Why: claim.Legacy(name)})
	k.Measures[0].Changes[0].Note = claim.Legacy(name)
	res.Kinds = append(res.Kinds, compare.Kind{Kind: "heap", Verdict: compare.Inconclusive, Why: claim.Legacy(name), Record: claim.Legacy(name), Before: []string{name}})
	res.Why = claim.Legacy(claim.Legacy(name).String())
	return NewDiff(before, after, res, opt, [2][]string{{"benchmarks " + name}, {name}}, "0", true)
}

// FuzzDiffNames writes a comparison whose names are anything, in every format.
func FuzzDiffNames(f *testing.F) {
	for _, name := range []string{
		hostileName, "main.f", "", "</style></title></code></details>", "](javascript:alert(1))", "::error::x", "%0A::warning::y", "]]>", "\xff", "1. x", "- x\n# y", "@all #1", "`", "|", "x.Benchmark|", "{{.}}", "<!--",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 2000 {
			return
		}
		d := namedDiff(name)
		out := map[string]string{}
		for _, format := range diffFormats {
			var b bytes.Buffer
			if err := format.write(&b, d); err != nil {
				t.Fatalf("%s: %v", format.name, err)
			}
			out[format.name] = b.String()
		}
		page := strings.Replace(out["html"], templates.CSS+templates.DiffCSS, templates.CSS, 1)
		checkHTML(t, page)
		checkMarkdown(t, out["markdown"])
		checkText(t, "text", out["text"])
		checkText(t, "json", out["json"])
		checkAnnotations(t, out["github"])
		for _, format := range []string{"json", "sarif"} {
			if !json.Valid([]byte(out[format])) {
				t.Errorf("%s: not JSON", format)
			}
		}
		dec := xml.NewDecoder(strings.NewReader(out["junit"]))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("junit: %v", err)
			}
		}
		for _, width := range []int{40, 80} {
			var b bytes.Buffer
			if err := WriteDiffTerminal(&b, d, TerminalOptions{Width: width}); err != nil {
				t.Fatal(err)
			}
			checkText(t, "terminal", b.String())
		}
	})
}

var annotation = regexp.MustCompile(`^::(error|warning|notice)( (file|line|title)=[^,:]*(,(file|line|title)=[^,:]*)*)?::`)

// checkAnnotations fails on a workflow command that is none of ours, and on more than GitHub shows.
func checkAnnotations(t *testing.T, text string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(text) {
		switch {
		case annotation.MatchString(line):
			n++
		case strings.HasPrefix(strings.TrimSpace(line), "::"), strings.HasPrefix(line, "##["):
			t.Errorf("github: a command that is not ours: %q", line)
		}
	}
	if n > 10 {
		t.Errorf("github: %d annotations", n)
	}
}
