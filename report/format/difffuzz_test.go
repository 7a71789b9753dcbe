package format

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"inquest/report/internal/reporttest"
	"inquest/report/terminal"
	"inquest/templates"
)

// FuzzDiffNames writes a comparison whose names are anything, in every format.
func FuzzDiffNames(f *testing.F) {
	for _, name := range []string{
		reporttest.HostileName, "main.f", "", "</style></title></code></details>", "](javascript:alert(1))", "::error::x", "%0A::warning::y", "]]>", "\xff", "1. x", "- x\n# y", "@all #1", "`", "|", "x.Benchmark|", "{{.}}", "<!--",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 2000 {
			return
		}
		d := reporttest.NamedDiff(name)
		out := map[string]string{}
		for _, format := range All {
			var b bytes.Buffer
			if err := format.Diff(&b, d); err != nil {
				t.Fatalf("%s: %v", format.Name, err)
			}
			out[format.Name] = b.String()
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
			if err := terminal.WriteDiff(&b, d, terminal.Options{Width: width}); err != nil {
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
