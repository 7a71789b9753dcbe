// Package format lists the forms that documents are written in, and finds one by its name or by a file's extension.
// Whoever offers the forms to people asks here; whoever wants one of them calls its writer.
package format

import (
	"io"
	"path"
	"slices"
	"strings"

	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/ci"
	"inquest/report/html"
	"inquest/report/internal/view"
	"inquest/report/markdown"
	"inquest/report/terminal"
)

// Format is a form that documents are written in, guarded against what reads them.
type Format struct {
	Name       string
	Extensions []string // of its files; the first is the customary one
	Report     func(io.Writer, *report.Report) error
	Diff       func(io.Writer, *report.Diff) error
	Index      func(io.Writer, *report.Index) error // nil where there is no index in this form
}

// All are in the order in which they are listed to people.
var All = []Format{
	{"text", []string{".txt"},
		safe.Guarded(safe.InText, func(w io.Writer, r *report.Report) error { return terminal.Write(w, r, terminal.Options{}) }),
		safe.Guarded(safe.InText, func(w io.Writer, d *report.Diff) error { return terminal.WriteDiff(w, d, terminal.Options{}) }),
		safe.Guarded(safe.InText, func(w io.Writer, x *report.Index) error { return terminal.WriteIndex(w, x, terminal.Options{}) })},
	{"markdown", []string{".md", ".markdown"}, safe.Guarded(safe.InText, markdown.Write), safe.Guarded(safe.InText, markdown.WriteDiff), safe.Guarded(safe.InText, markdown.WriteIndex)},
	{"html", []string{".html", ".htm"}, safe.Guarded(safe.InMarkup, html.Write), safe.Guarded(safe.InMarkup, html.WriteDiff), safe.Guarded(safe.InMarkup, html.WriteIndex)},
	{"json", []string{".json"}, report.WriteJSON, report.WriteDiffJSON, report.WriteIndexJSON},
	{"sarif", []string{".sarif"}, safe.Guarded(safe.InJSON, ci.WriteSARIF), safe.Guarded(safe.InJSON, ci.WriteDiffSARIF), nil},
	{"github", []string{".annotations"}, safe.Workflow(ci.WriteGitHub), safe.Workflow(ci.WriteDiffGitHub), nil},
	{"junit", []string{".xml"}, safe.Guarded(safe.InMarkup, ci.WriteJUnit), safe.Guarded(safe.InMarkup, ci.WriteDiffJUnit), nil},
}

// Names returns the names of the formats.
func Names() []string {
	var out []string
	for _, f := range All {
		out = append(out, f.Name)
	}
	return out
}

// ByName returns the format of a name, or of an extension without the dot.
func ByName(name string) (Format, bool) {
	return find(func(f Format) bool { return f.Name == name || slices.Contains(f.Extensions, "."+name) })
}

// ByFile returns the format that a file's extension asks for.
func ByFile(file string) (Format, bool) {
	ext := strings.ToLower(path.Ext(file))
	return find(func(f Format) bool { return slices.Contains(f.Extensions, ext) })
}

func find(is func(Format) bool) (Format, bool) {
	if i := slices.IndexFunc(All, is); i >= 0 {
		return All[i], true
	}
	return Format{}, false
}

// Extensions lists the customary extensions of the formats, as a sentence names them.
func Extensions() string {
	var out []string
	for _, f := range All {
		out = append(out, f.Extensions[0])
	}
	last := len(out) - 1
	return strings.Join(out[:last], ", ") + " or " + out[last]
}

// IndexEntry is what an index keeps of a report, and the files it was written to.
func IndexEntry(r *report.Report, files []string) report.IndexCase { return view.IndexEntry(r, files) }
