package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/templates"
)

// htmlTemplate is never executed itself, so that each page can be given its own functions.
var htmlTemplate = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"prose":    func(any) []linkedPiece { return nil },         // replaced for every page
	"pictures": func(*chainView) *chainPictures { return nil }, // likewise
	"kind":     evidence.Kind.Name,
	"file":     shortFile,
	"function": shortFunction,
	"holds":    holds,
	"covers":   covers,
	"behind":   behind,
	"place":    place,
	"limit":    func(l claim.LimitUse) string { return l.Name + " = " + l.Quantity.String() },
	"level":    level,
	"size":     func(n int64) string { return evidence.Of(n, evidence.Bytes).String() },
	"part":     func(v, whole evidence.Quantity) string { return evidence.Part(v.Number, whole.Number).String() },
	"bar": func(class string, v, whole evidence.Quantity) template.HTML {
		return template.HTML(drawBar(class, evidence.Part(v.Number, whole.Number).Number))
	},
	"change": change,
	"brief":  func(t claim.Text) string { return brief(t.String()) },
	"id":     anchor,
	"first":  first[factView],
	"rest":   rest[factView],
	"head":   first[string],
	"tail":   rest[string],
	"short":  func(string) string { return "" }, // replaced for every page
}).Parse(templates.HTML))

// htmlPage is what the HTML template is poured from.
type htmlPage struct {
	*view
	StyleHash, ScriptHash string
	Style                 template.CSS
	Script                template.JS
	album
}

// WriteHTML writes r as one self-contained page. It asks the network for
// nothing, works without scripting, and its policy lets nothing else run.
func WriteHTML(w io.Writer, r *Report) error {
	p := htmlPage{
		view: newView(r), Style: template.CSS(templates.CSS), Script: template.JS(templates.Script),
		StyleHash: digest(templates.CSS), ScriptHash: digest(templates.Script),
	}
	p.draw()
	t, err := htmlTemplate.Clone()
	if err != nil {
		return err
	}
	functions := p.functions()
	t.Funcs(template.FuncMap{"prose": func(v any) []linkedPiece { return p.linked(words(v)) }, "pictures": p.of, "short": func(code string) string {
		if functions[code] {
			return shortFunction(code)
		}
		return code
	}})
	var buf bytes.Buffer
	if err := t.Execute(&buf, p); err != nil {
		return err
	}
	_, err = w.Write(buf.Bytes())
	return err
}

// functions is every function that is the site of something. In sentences these
// are shown without the directories of their import path.
func (v *view) functions() map[string]bool {
	out := map[string]bool{}
	for _, f := range v.Findings {
		out[f.Site.Function] = true
		for _, s := range f.Sites {
			out[s.Function] = true
		}
		for _, fact := range f.Evidence {
			out[fact.At.Function] = true
		}
	}
	return out
}

// digest is a source as a Content-Security-Policy names it.
func digest(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// level is a severity as a class of the style sheet.
func level(s claim.Severity) string { return "level-" + s.String() }

// anchor makes an id that a link can point to from one of the evidence's.
func anchor(prefix, id string) string {
	return prefix + "-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, id)
}

func change(g Grown) string {
	q := evidence.Quantity{Number: g.After.Number - g.Before.Number, Unit: g.After.Unit}
	if q.Number > 0 {
		return "+" + q.String()
	}
	return q.String()
}

// Widest is the larger total, which both bars of a growth row are drawn against.
func (g Growth) Widest() evidence.Quantity {
	widest := evidence.Quantity{Unit: g.After.Unit}
	for _, row := range g.Rows {
		widest.Number = max(widest.Number, row.Before.Number, row.After.Number)
	}
	return widest
}

// linkedPiece is a piece of a sentence that may name an exhibit.
type linkedPiece struct {
	piece
	Exhibit string
}

var exhibitID = regexp.MustCompile(`\be[0-9]+\b`)

// linked is prose in which each exhibit can be opened.
func (v *view) linked(s string) []linkedPiece {
	var out []linkedPiece
	for _, p := range pieces(keepUnits(s)) {
		if p.Code {
			out = append(out, linkedPiece{piece: p})
			continue
		}
		at := 0
		for _, m := range exhibitID.FindAllStringIndex(p.Text, -1) {
			if id := p.Text[m[0]:m[1]]; v.exhibits[id] != nil {
				out = append(out, linkedPiece{piece: piece{Text: p.Text[at:m[0]]}}, linkedPiece{piece{Text: id}, id})
				at = m[1]
			}
		}
		out = append(out, linkedPiece{piece: piece{Text: p.Text[at:]}})
	}
	return out
}

// matrix is what each kind of evidence says about each finding of a chain.
type matrix struct {
	Kinds []evidence.Kind
	Rows  []matrixRow
}

type matrixRow struct {
	*findingView
	Cells []cell // one per kind; empty Result where the claim is not asked of it
}

// cell is a check with what its value is the value of.
type cell struct {
	claim.Check
	Hint   string
	Anchor string // of the fact; may be empty
}

// Matrix lays the checks of a chain side by side. Kinds the case does not hold
// are left out: they stand under what is missing.
func (c *chainView) Matrix() matrix {
	var m matrix
	present := func(check claim.Check) bool { return check.Result != claim.Absent }
	for _, f := range c.Findings {
		for _, check := range f.Checks {
			if present(check) && !slices.Contains(m.Kinds, check.Kind) && len(m.Kinds) < 16 {
				m.Kinds = append(m.Kinds, check.Kind)
			}
		}
	}
	slices.SortStableFunc(m.Kinds, func(a, b evidence.Kind) int {
		return slices.Index(evidence.Kinds, a) - slices.Index(evidence.Kinds, b)
	})
	for _, f := range c.Findings {
		row := matrixRow{findingView: f, Cells: make([]cell, len(m.Kinds))}
		for _, check := range f.Checks {
			if i := slices.Index(m.Kinds, check.Kind); i >= 0 && present(check) {
				row.Cells[i] = cell{Check: check, Hint: check.Why.String()}
				for _, fact := range f.Facts {
					if check.Value != nil && fact.Kind == check.Kind && fact.Value == *check.Value {
						row.Cells[i].Hint, row.Cells[i].Anchor = join("; ", fact.Says.String(), check.Why.String()), fact.Anchor
						break
					}
				}
			}
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// Relations is the two most telling ways in which a layer hangs on the ones before it.
func (c *chainView) Relations(layer int) string {
	var words []string
	for _, kind := range []string{claim.Explains, claim.Wakes, claim.SameSite, claim.Overlaps, claim.AddsTo} {
		for _, f := range c.Layers[layer] {
			if word := relation(kind); len(words) < 2 && !slices.Contains(words, word) &&
				slices.ContainsFunc(f.Links, func(l linkView) bool { return l.Relation == word }) {
				words = append(words, word)
			}
		}
	}
	return strings.Join(words, ", ")
}

// From names what a layer hangs on when the layer before it branches: read from top to
// bottom, the arrow would come from whatever stands just above it. It is empty otherwise.
func (c *chainView) From(layer int) string {
	if layer == 0 || len(c.Layers[layer-1]) < 2 {
		return ""
	}
	var titles []string
	for _, f := range c.Layers[layer-1] {
		for _, g := range c.Layers[layer] {
			if !slices.Contains(titles, f.Title.String()) && slices.ContainsFunc(g.Links, func(l linkView) bool {
				return l.Relation == relation(claim.Explains) && l.Finding == f.Title.String()
			}) {
				titles = append(titles, f.Title.String())
			}
		}
	}
	if len(titles) == 0 {
		return ""
	}
	return "from " + strings.Join(titles, " and ")
}

// Shape is the class of the chain's diagram: a column when there are too many
// steps for a row, or for that of a narrow screen, cards of one height when every step has one.
func (c *chainView) Shape() string {
	switch {
	case len(c.Layers) > 4:
		return "flow tall"
	case len(c.Layers) == 4:
		return "flow many"
	case !slices.ContainsFunc(c.Layers, func(l []*findingView) bool { return len(l) > 1 }):
		return "flow even"
	}
	return "flow"
}
