package markdown

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/template"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/report"
	"inquest/report/internal/view"
	"inquest/templates"
)

const (
	// maxDecides is how many changes a comment shows open: with more it is no summary.
	maxDecides = 6
	// maxBenchTable keeps a comment below the 65,536 characters that GitHub takes.
	maxBenchTable = 100
)

var diffTemplate = template.Must(template.New("diff.md").Funcs(template.FuncMap{
	"text":        func(v any) string { return markdownText(fmt.Sprint(v)) },
	"para":        func(v any) string { return markdownBlock(fmt.Sprint(v)) },
	"code":        markdownCode,
	"number":      func(v any) string { return view.Unbroken(markdownText(fmt.Sprint(v))) },
	"share":       func(share float64) evidence.Quantity { return evidence.Of(share, evidence.Share) },
	"interval":    func(s string) string { return strings.ReplaceAll(view.Unbroken(s), "\u00a0to\u00a0", " to ") },
	"less":        func(s string) string { return strings.ReplaceAll(s, "<", "&lt;") },
	"unbroken":    view.Unbroken,
	"capital":     claim.Capital,
	"kind":        view.KindWord,
	"whole":       func(m compare.Measure) string { return view.Whole(&m) },
	"about":       func(m compare.Measure) string { return view.AboutWords(&m) },
	"relative":    view.Relative,
	"percent":     compare.Percent,
	"probability": view.Probability,
	"note":        view.ChangeNote,
	"quantiles":   view.QuantilesWords,
	"sure":        view.BenchSure,
	"outcome":     view.OutcomeWords,
	"trend":       func(t compare.Trend) string { s, _ := view.TrendWords(t); return s },
	"trendSites":  func(t compare.Trend) []string { _, s := view.TrendWords(t); return s },
	"side":        view.SideWords,
	"count":       func(all []compare.Benchmark, noun claim.Text) claim.Text { return evidence.Things(len(all), noun) },
	"open":        func(all []view.Decider) []view.Decider { return view.First(maxDecides, all) },
	"folded":      func(all []view.Decider) claim.Text { return more(len(all)-maxDecides, "more change") },
	"listed":      func(all []compare.Benchmark) []compare.Benchmark { return view.First(maxBenchTable, all) },
	"unlisted":    func(all []compare.Benchmark) claim.Text { return more(len(all)-maxBenchTable, "more number") },
}).Parse(templates.DiffMarkdown))

// more says how many are left out; empty for none.
func more(n int, noun claim.Text) claim.Text {
	if n <= 0 {
		return ""
	}
	return evidence.Things(n, noun)
}

// WriteDiff writes d as a comment on a pull request: the verdict first,
// at most a screen of it open, everything else folded.
func WriteDiff(w io.Writer, d *report.Diff) error {
	var buf bytes.Buffer
	if err := diffTemplate.Execute(&buf, view.NewDiff(d)); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}
