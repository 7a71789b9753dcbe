package report

import (
	"io"
	"path"
	"slices"
	"strings"
)

// Writer writes one view of a report.
type Writer func(io.Writer, *Report) error

type format struct {
	name       string
	extensions []string // the first is the customary one
	write      Writer
}

// formats is in the order Formats names them.
var formats = []format{
	{"text", []string{".txt"}, guarded(inText, func(w io.Writer, r *Report) error { return WriteTerminal(w, r, TerminalOptions{}) })},
	{"markdown", []string{".md", ".markdown"}, guarded(inText, WriteMarkdown)},
	{"html", []string{".html", ".htm"}, guarded(inMarkup, WriteHTML)},
	{"json", []string{".json"}, WriteJSON},
	{"sarif", []string{".sarif"}, guarded(inJSON, WriteSARIF)},
	{"github", []string{".annotations"}, workflow(WriteGitHub)},
	{"junit", []string{".xml"}, guarded(inMarkup, WriteJUnit)},
}

// Formats returns the names of the formats a report can be written in.
func Formats() []string {
	var out []string
	for _, f := range formats {
		out = append(out, f.name)
	}
	return out
}

// ForName returns the writer of a format, by its name or extension without the dot.
func ForName(name string) (Writer, bool) {
	for _, f := range formats {
		if f.name == name || slices.Contains(f.extensions, "."+name) {
			return f.write, true
		}
	}
	return nil, false
}

// ForFile returns the writer that a file's extension asks for.
func ForFile(file string) (Writer, bool) {
	ext := strings.ToLower(path.Ext(file))
	for _, f := range formats {
		if slices.Contains(f.extensions, ext) {
			return f.write, true
		}
	}
	return nil, false
}

// Extensions lists the customary extensions of the formats, as a sentence names them.
func Extensions() string {
	var out []string
	for _, f := range formats {
		if len(f.extensions) > 0 {
			out = append(out, f.extensions[0])
		}
	}
	return listed(out)
}

// listed joins words as a sentence does: "a, b or c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
