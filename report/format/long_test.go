package format

import (
	"strings"
	"testing"

	"inquest/internal/evidence/bound"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

// A text longer than any that inquest writes is refused in a saved report, and cut in one that is made.
func TestLongTexts(t *testing.T) {
	r := reporttest.Load(t, "incident")
	name := "main." + strings.Repeat("x", 1<<20)
	r.Findings[0].Site.Function = name
	saved := reporttest.Written(t, report.WriteJSON, r)
	if len(saved) > 1<<20 {
		t.Errorf("a report of %d bytes", len(saved))
	}
	again, err := report.Read(strings.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	cut := again.Findings[0].Site.Function
	if len(cut) > bound.MaxText {
		t.Errorf("a name of %d bytes", len(cut))
	}
	if _, err := report.Read(strings.NewReader(strings.Replace(saved, cut, name, 1))); err == nil || !strings.Contains(err.Error(), "a text of 1048581 bytes") {
		t.Errorf("read with %v", err)
	}
}
