package format

import (
	"fmt"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/report"
	"inquest/report/internal/reporttest"
	"inquest/report/internal/view"
)

func TestIndexOrder(t *testing.T) {
	x := reporttest.Index(t)
	low := x.Cases[0]
	low.Case, low.Confidence = "a-low", claim.Low
	x.Cases = append([]report.IndexCase{low}, x.Cases...)
	v := view.NewIndex(x)
	if v.Cases[0].Severity != claim.Critical || v.Cases[0].Case == "a-low" {
		t.Errorf("%s leads, of severity %s and confidence %s", v.Cases[0].Case, v.Cases[0].Severity, v.Cases[0].Confidence)
	}
	for i := 1; i < len(v.Cases); i++ {
		if a, b := v.Cases[i-1], v.Cases[i]; a.Result == report.CaseFound && b.Result == report.CaseFound && a.Severity < b.Severity {
			t.Errorf("%s (%s) stands before %s (%s)", a.Case, a.Severity, b.Case, b.Severity)
		}
	}
	largest := 0
	for _, g := range v.Groups {
		largest = max(largest, len(g.Cases))
	}
	if largest != 8 {
		t.Errorf("the largest group has %d cases, want the 8 with one fingerprint", largest)
	}
	if len(v.Failed) != 1 || len(v.Clear) != 1 {
		t.Errorf("%d failed and %d clear, want one each", len(v.Failed), len(v.Clear))
	}
}

// TestIndexViews holds every form to the same bytes each time and to safety: one
// case is made of attacks.
func TestIndexViews(t *testing.T) {
	for _, f := range All {
		if f.Index == nil {
			continue
		}
		var a, b strings.Builder
		x := reporttest.Index(t)
		if err := f.Index(&a, x); err != nil {
			t.Fatal(err)
		}
		if err := f.Index(&b, x); err != nil {
			t.Fatal(err)
		}
		if a.String() != b.String() {
			t.Errorf("%s: two writes differ", f.Name)
		}
		checkText(t, f.Name, a.String())
		for i := range 7 {
			if !strings.Contains(a.String(), fmt.Sprintf("pod-%d", i)) {
				t.Errorf("%s: pod-%d is missing", f.Name, i)
			}
		}
		if f.Name == "markdown" {
			for l := range strings.Lines(a.String()) {
				if rest := ourTags.ReplaceAllString(entities.ReplaceAllString(spans.ReplaceAllString(l, ""), ""), ""); strings.Contains(rest, "<") || strings.Contains(rest, "javascript") {
					t.Errorf("markdown: %s", l)
				}
			}
		}
	}
}
