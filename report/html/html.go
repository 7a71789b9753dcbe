// Package html writes documents as pages that stand alone: they ask the network for nothing, and read without scripts.
package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"sync"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/view"
	"inquest/templates"
)

// htmlTemplate is never executed itself, so that each page can be given its own functions. Templates are parsed when
// they are first needed: most commands need none.
var htmlTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report.html").Funcs(template.FuncMap{
		"prose":    func(any) []linkedPiece { return nil },          // replaced for every page
		"pictures": func(*view.Chain) *chainPictures { return nil }, // likewise
		"kind":     evidence.Kind.Name,
		"file":     view.ShortFile,
		"function": view.ShortFunction,
		"holds":    view.Holds,
		"covers":   view.Covers,
		"behind":   view.Behind,
		"place":    view.Place,
		"limit":    func(l claim.LimitUse) string { return l.Name + " = " + l.Quantity.String() },
		"level":    level,
		"size":     func(n int64) string { return evidence.Of(n, evidence.Bytes).String() },
		"part":     func(v, whole evidence.Quantity) string { return evidence.Part(v.Number, whole.Number).String() },
		"bar": func(class string, v, whole evidence.Quantity) template.HTML {
			return template.HTML(drawBar(class, evidence.Part(v.Number, whole.Number).Number))
		},
		"stack":  func(rows []view.AccountRow) template.HTML { return template.HTML(drawStack(rows)) },
		"shade":  shade,
		"change": view.Change,
		"brief":  view.Brief,
		"id":     view.Anchor,
		"first":  view.First[view.Fact],
		"rest":   view.Rest[view.Fact],
		"head":   view.First[string],
		"tail":   view.Rest[string],
		"short":  func(string) string { return "" }, // replaced for every page
	}).Parse(templates.HTML))
})

// page is what the HTML template is poured from.
type page struct {
	*view.Report
	StyleHash, ScriptHash string
	Style                 template.CSS
	Script                template.JS
	album
}

// Write writes r as one self-contained page. It asks the network for
// nothing, works without scripting, and its policy lets nothing else run.
func Write(w io.Writer, r *report.Report) error {
	p := page{
		Report: view.New(r), Style: template.CSS(templates.CSS), Script: template.JS(templates.Script),
		StyleHash: digest(templates.CSS), ScriptHash: digest(templates.Script),
	}
	p.draw()
	t, err := htmlTemplate().Clone()
	if err != nil {
		return err
	}
	functions := p.functions()
	t.Funcs(template.FuncMap{"prose": func(v any) []linkedPiece { return p.linked(fmt.Sprint(v)) }, "pictures": p.of, "short": func(code string) string {
		if functions[code] {
			return view.ShortFunction(code)
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
func (v *page) functions() map[string]bool {
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
	for _, a := range v.Report.Report.Accounts {
		for _, p := range a.Parts {
			for _, s := range []*claim.Site{&p.Site, p.By, p.For} {
				if s != nil {
					out[s.Function] = true
				}
			}
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

// linkedPiece is a piece of a sentence that may name an exhibit.
type linkedPiece struct {
	safe.Piece
	Exhibit string
}

var exhibitID = regexp.MustCompile(`\be[0-9]+\b`)

// linked is prose in which each exhibit can be opened.
func (v *page) linked(s string) []linkedPiece {
	var out []linkedPiece
	for _, p := range safe.Prose(view.KeepUnits(s)) {
		if p.Code {
			out = append(out, linkedPiece{Piece: p})
			continue
		}
		at := 0
		for _, m := range exhibitID.FindAllStringIndex(p.Text, -1) {
			if id := p.Text[m[0]:m[1]]; v.Exhibit(id) != nil {
				out = append(out, linkedPiece{Piece: safe.Piece{Text: p.Text[at:m[0]]}}, linkedPiece{safe.Piece{Text: id}, id})
				at = m[1]
			}
		}
		out = append(out, linkedPiece{Piece: safe.Piece{Text: p.Text[at:]}})
	}
	return out
}
