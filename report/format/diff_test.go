package format

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"inquest/internal/compare"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

// TestDiffViews writes a comparison whose names are hostile in every format.
func TestDiffViews(t *testing.T) {
	d := reporttest.Diff()
	if d.Verdict != compare.Regression {
		t.Fatalf("verdict %s: %s", d.Verdict, d.Why)
	}
	for _, f := range All {
		name, write := f.Name, f.Diff
		var first, again bytes.Buffer
		if err := write(&first, d); err != nil {
			t.Fatal(err)
		}
		if err := write(&again, reporttest.Diff()); err != nil {
			t.Fatal(err)
		}
		if first.String() != again.String() {
			t.Errorf("%s: the same input gives other bytes", name)
		}
		text := first.String()
		if name != "html" {
			checkText(t, name, strings.ReplaceAll(text, "\t", ""))
		}
		switch name {
		case "github":
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "::") && !strings.HasPrefix(line, "::error file=") {
					t.Errorf("a name made a command: %q", line)
				}
			}
		case "markdown":
			if strings.Contains(text, "<script") {
				t.Errorf("markdown holds markup of a name: %s", text)
			}
		case "json":
			var back report.Diff
			dec := json.NewDecoder(&first)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&back); err != nil {
				t.Error(err)
			}
		}
	}
}
