package detect

import (
	"go/format"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestSketches holds every sketch to being Go as gofmt writes it.
func TestSketches(t *testing.T) {
	for _, d := range All {
		if d.Sketch == "" {
			continue
		}
		source := "package sketch\n\n" + d.Sketch
		if _, err := parser.ParseFile(token.NewFileSet(), d.ID+".go", source, parser.AllErrors); err != nil {
			t.Errorf("%s: %v", d.ID, err)
			continue
		}
		if formatted, err := format.Source([]byte(source)); err != nil || string(formatted) != source {
			t.Errorf("%s: not as gofmt writes it (%v):\n%s", d.ID, err, formatted)
		}
		if strings.Contains(d.Sketch, "```") || strings.Count(d.Sketch, "\n") > 25 {
			t.Errorf("%s: does not fit a Markdown block of 25 lines", d.ID)
		}
		if !strings.Contains(d.Markdown(), d.Sketch) {
			t.Errorf("%s: explain does not show the sketch", d.ID)
		}
	}
}
