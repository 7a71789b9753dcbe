package reporttest

import (
	"fmt"
	"testing"

	"inquest/report"
	"inquest/report/internal/view"
)

// Index is an index of cases made by hand, some alike, one that failed.
func Index(t testing.TB) *report.Index {
	x := report.NewIndex(report.Tool{Name: "inquest", Version: "test"}, []string{"inquest", "analyze", "--each", "cases"})
	for i := range 7 {
		r := Load(t, "incident")
		r.Case.Title = fmt.Sprintf("pod-%d", i)
		x.Cases = append(x.Cases, view.IndexEntry(r, []string{r.Case.Title + ".html", r.Case.Title + ".json"}))
	}
	quiet := Load(t, "quiet")
	x.Cases = append(x.Cases, view.IndexEntry(quiet, []string{"quiet.html"}))
	hostile := Load(t, "hostile")
	x.Cases = append(x.Cases, view.IndexEntry(hostile, []string{"hostile.html"}))
	x.Fail("<b>cut</b>.out", "cut.out: not a \x1b[31mtrace")
	x.PassedOver = []string{"](javascript:x)"}
	return x
}
