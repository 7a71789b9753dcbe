package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"inquest/analyze/compare"
	"inquest/analyze/evidence"
	"inquest/templates"
)

var diffHTMLTemplate = template.Must(template.New("diff.html").Funcs(template.FuncMap{
	"prose":       func(s string) []piece { return prose(keepUnits(s)) },
	"kind":        func(kind string) string { return capital(kindWord(kind)) },
	"per":         perWord,
	"relative":    relative,
	"path":        CallPath,
	"probability": probability,
	"method":      func(m compare.Measure) string { return capital(methodWords(&m)) },
	"sight":       func(m compare.Measure) string { return sightWords(&m) },
	"flame":       func(m compare.Measure) template.HTML { return template.HTML(drawFlame(&m)) },
	"ns":          func(n int64) string { return evidence.Of(n, evidence.Nanoseconds).String() },
	"pair": func(c compare.Change) template.HTML {
		most := max(c.Before.Number, c.After.Number)
		return template.HTML(drawBar("before", evidence.Part(c.Before.Number, most).Number) + drawBar("after", evidence.Part(c.After.Number, most).Number))
	},
}).Parse(templates.DiffHTML))

// diffPage is what the HTML template is poured from.
type diffPage struct {
	diffView
	StyleHash string
	Style     template.CSS
	Question  string // the verdict in words
	Lead      string
	Decides   []diffRow
	Undecided int // changes that decide and are not shown at the top
	Sides     []DiffSide
}

// WriteDiffHTML writes d as one self-contained page without scripts.
func WriteDiffHTML(w io.Writer, d *Diff) error {
	v := newDiffView(d)
	style := templates.CSS + templates.DiffCSS
	rows := v.Counted()
	p := diffPage{diffView: v, Style: template.CSS(style), StyleHash: digest(style), Lead: capital(v.Why) + ".",
		Decides: first(maxDiffRows, rows), Undecided: max(len(rows)-maxDiffRows, 0), Sides: []DiffSide{v.Before, v.After}}
	switch v.Verdict {
	case compare.Regression:
		p.Question = "It got worse"
	case compare.Improvement:
		p.Question = "It got better"
	case compare.Pass:
		p.Question = "Nothing that counts changed"
	default:
		p.Question = "It cannot be told"
	}
	var buf bytes.Buffer
	if err := diffHTMLTemplate.Execute(&buf, p); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// Geometry of a flame graph, in the units of its viewBox.
const (
	flameWidth = 960.0
	flameRow   = 17.0
	flameChar  = 6.2
	maxRows    = 40
)

// drawFlame draws the call tree of a measure, callers on top.
func drawFlame(m *compare.Measure) string {
	if len(m.Tree) < 2 {
		return ""
	}
	mean := func(n *compare.Node) float64 { return max((n.Before+n.After)/2, 0) }
	whole := mean(&m.Tree[0])
	if whole <= 0 {
		return ""
	}
	most := max(m.Tree[0].Before, m.Tree[0].After)
	x, used, depth := make([]float64, len(m.Tree)), make([]float64, len(m.Tree)), make([]int, len(m.Tree))
	var s svg
	deepest := 0
	for i := range m.Tree {
		n := &m.Tree[i]
		width := flameWidth * mean(n) / whole
		if i > 0 {
			// Parents come first; a saved comparison that says otherwise is not drawn.
			if n.Parent < 0 || n.Parent >= i {
				return ""
			}
			x[i] = x[n.Parent] + used[n.Parent]
			used[n.Parent] += width
			depth[i] = depth[n.Parent] + 1
		}
		if depth[i] >= maxRows || width < 0.5 || x[i]+width > flameWidth+1 {
			continue
		}
		deepest = max(deepest, depth[i])
		name := n.Function
		if i == 0 {
			name = "all"
		}
		before, after := evidence.Quantity{Number: n.Before, Unit: m.Whole.Before.Unit}, evidence.Quantity{Number: n.After, Unit: m.Whole.Before.Unit}
		y := float64(depth[i]) * flameRow
		s.rect(flameClass(n, most), x[i], y, width, flameRow, fmt.Sprintf("%s: %s → %s%s", name, before, after, perWord(m)))
		if short := fit(shortFunction(name), int((width-6)/flameChar)); short != "" {
			s.text("", x[i]+3, y+12, short)
		}
	}
	return fmt.Sprintf(`<svg class="flame" role="img" aria-label="Call tree of %s, before against after" viewBox="0 0 960 %s">%s</svg>`,
		template.HTMLEscapeString(m.Name), num(float64(deepest+1)*flameRow), s.String())
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

// fit cuts a name to a number of characters, or to nothing.
func fit(name string, chars int) string {
	runes := []rune(strings.TrimSpace(name))
	switch {
	case len(runes) <= chars:
		return string(runes)
	case chars < 4:
		return ""
	}
	return string(runes[:chars-2]) + ".."
}
