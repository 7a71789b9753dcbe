package html

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"sync"

	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/internal/figure"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/draw"
	"inquest/report/internal/view"
	"inquest/templates"
)

var diffHTMLTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("diff.html").Funcs(template.FuncMap{
		"prose":       func(v any) []safe.Piece { return safe.Prose(view.KeepUnits(fmt.Sprint(v))) },
		"kind":        func(kind string) string { return view.Capital(view.KindWord(kind)) },
		"per":         view.PerWord,
		"relative":    view.Relative,
		"path":        view.CallPath,
		"probability": view.Probability,
		"method":      func(m compare.Measure) string { return view.Capital(view.MethodWords(&m)) },
		"whole":       func(m compare.Measure) string { return view.Whole(&m) },
		"sight":       func(m compare.Measure) string { return view.SightWords(&m) },
		"flame":       func(m compare.Measure) template.HTML { return template.HTML(drawFlame(&m)) },
		"benchmark":   func(b compare.Benchmark) string { return b.Short() },
		"benchWhat":   func(b compare.Benchmark) string { return b.What().String() },
		"benchNumber": func(b compare.Benchmark, n float64) string { return b.Number(n).String() },
		"benchSure":   view.BenchSure,
		"percent":     compare.Percent,
		"unbroken":    view.Unbroken,
		"trend":       func(t compare.Trend) string { s, _ := view.TrendWords(t); return view.Capital(s) },
		"trendSites":  func(t compare.Trend) []string { _, s := view.TrendWords(t); return s },
		"ns":          func(n int64) string { return evidence.Of(n, evidence.Nanoseconds).String() },
		"pair": func(c compare.Change) template.HTML {
			most := max(c.Before.Number, c.After.Number)
			return template.HTML(drawBar("before", evidence.Part(c.Before.Number, most).Number) + drawBar("after", evidence.Part(c.After.Number, most).Number))
		},
	}).Parse(templates.DiffHTML))
})

// diffPage is what the HTML template is poured from.
type diffPage struct {
	view.Diff
	StyleHash string
	Style     template.CSS
	Lead      string
	Decides   []view.Row
	Undecided int // changes that decide and are not shown at the top
	Numbers   []compare.Benchmark
	Timelines []picture // before and after, to the same scales
}

// WriteDiff writes d as one self-contained page without scripts.
func WriteDiff(w io.Writer, d *report.Diff) error {
	v := view.NewDiff(d)
	style := templates.CSS + templates.DiffCSS
	rows := v.Counted()
	p := diffPage{Diff: v, Style: template.CSS(style), StyleHash: digest(style), Lead: view.Capital(v.Why.String()) + ".",
		Decides: view.First(view.MaxDiffRows, rows), Undecided: max(len(rows)-view.MaxDiffRows, 0), Numbers: v.Ranked()}
	if len(v.Before.Timelines) > 0 && len(v.After.Timelines) > 0 {
		of := [2]*figure.Timeline{&v.Before.Timelines[0], &v.After.Timelines[0]}
		names := [2]string{"Before: " + v.Before.Title, "After: " + v.After.Title}
		for i, svg := range drawTimelines(of, names) {
			p.Timelines = append(p.Timelines, picture{Title: names[i], Words: view.TimelineWords(of[i]), SVG: template.HTML(svg)})
		}
	}
	var buf bytes.Buffer
	if err := diffHTMLTemplate().Execute(&buf, p); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// drawFlame draws the call tree of a measure, callers on top.
func drawFlame(m *compare.Measure) string {
	if len(m.Tree) < 2 {
		return ""
	}
	most := max(m.Tree[0].Before, m.Tree[0].After)
	f := draw.Flame{Title: ("Call tree of " + m.Name + ", before against after").String()}
	for i := range m.Tree {
		n := &m.Tree[i]
		// Parents come first; a saved comparison that says otherwise is not drawn.
		if i > 0 && (n.Parent < 0 || n.Parent >= i) {
			return ""
		}
		name := n.Function
		if i == 0 {
			name = "all"
		}
		before, after := evidence.Quantity{Number: n.Before, Unit: m.Whole.Before.Unit}, evidence.Quantity{Number: n.After, Unit: m.Whole.Before.Unit}
		f.Frames = append(f.Frames, draw.Frame{
			Parent: n.Parent, Name: view.ShortFunction(name), Value: max((n.Before+n.After)/2, 0), Class: flameClass(n, most),
			Full: fmt.Sprintf("%s: %s → %s%s", name, before, after, view.PerWord(m)),
		})
	}
	return f.String()
}

// flameClass colours a call by how much of the whole it rose or fell.
func flameClass(n *compare.Node, whole float64) string {
	share := (n.After - n.Before) / whole
	step := int(math.Ceil(math.Min(math.Abs(share), 0.2) / 0.2 * 5)) // o1 to o5 of the style sheet
	switch {
	case math.Abs(share) < 0.005 || math.IsNaN(share):
		return "same"
	case share > 0:
		return fmt.Sprintf("up o%d", step)
	}
	return fmt.Sprintf("down o%d", step)
}
