package detect_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
)

var update = flag.Bool("update", false, "rewrite docs/detectors.md")

// TestDetectorsAreComplete holds every detector to what a reader may expect of it.
func TestDetectorsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range detect.All {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		if seen[d.ID] {
			t.Errorf("%s is listed twice", d.ID)
		}
		seen[d.ID] = true
		for _, part := range []string{"**How it is measured", "**When it is wrong"} {
			if !strings.Contains(d.Doc, part) {
				t.Errorf("%s: the doc lacks %s**", d.ID, part)
			}
		}
	}
}

// TestDetectorsDoc keeps docs/detectors.md the same as the values; -update rewrites it.
func TestDetectorsDoc(t *testing.T) {
	const name = "../../docs/detectors.md"
	var b strings.Builder
	b.WriteString("<!-- Generated from the detectors: go test ./analyze/detect -run DetectorsDoc -update -->\n")
	b.WriteString("\n" + claim.ImpactMarkdown())
	for _, d := range detect.All {
		b.WriteString("\n" + d.Markdown())
	}
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is stale; run go test ./analyze/detect -run DetectorsDoc -update", name)
	}
}
