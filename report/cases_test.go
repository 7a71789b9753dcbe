package report_test

import (
	"path/filepath"
	"slices"
	"testing"

	"inquest/analyze/claim"
	"inquest/internal/figure"
	"inquest/report/internal/reporttest"
)

// TestPicturesOfACase holds what a recorded case is drawn from to what its findings say.
func TestPicturesOfACase(t *testing.T) {
	r := reporttest.Judged(t, filepath.Join(reporttest.Fixtures, "locks", "orders-lockheld"))
	site := "main.(*Book).Place"
	for _, f := range r.Flames {
		if f.Exhibit == "e4" && !slices.ContainsFunc(f.Nodes, func(n figure.FlameNode) bool { return n.Culprit && n.Function == site }) {
			t.Error("the mutex profile's call tree does not show the culprit")
		}
	}
	var titles []string
	for _, d := range r.Distributions {
		titles = append(titles, d.Noun.String())
		var n int64
		for _, b := range d.Buckets {
			n += b.Count
		}
		if n != d.Count || d.Site.Function != site || len(d.Limits) != 1 {
			t.Errorf("%s: %d in the buckets of %d, at %s, %d limits", d.Title, n, d.Count, d.Site.Function, len(d.Limits))
		}
	}
	if !slices.Equal(titles, []string{"holds", "waits"}) {
		t.Errorf("distributions of %q, want holds and waits", titles)
	}
	if len(r.LockMoments) != 1 || r.LockMoments[0].Site.Function != site {
		t.Fatalf("lock moments: %v", r.LockMoments)
	}
	m := r.LockMoments[0]
	if !slices.ContainsFunc(m.Handed, func(h figure.Handed) bool { return h.To-h.Since == m.Longest }) {
		t.Error("the longest wait is not among the hand-overs")
	}
	for i, h := range m.Handed {
		if h.From > h.To || h.Since > h.To || i > 0 && h.To < m.Handed[i-1].To {
			t.Errorf("hand-over %d is out of order: %+v", i, h)
		}
	}
	if w := r.Timelines[0].Locks; len(w) == 0 || w[0].Site.Function != site || w[0].Worst[0].To-w[0].Worst[0].From != m.Longest {
		t.Errorf("longest waits of the timeline: %+v", w)
	}
	quiet := reporttest.Judged(t, filepath.Join(reporttest.Fixtures, "healthy", "healthy-service"))
	for _, f := range quiet.Findings {
		if f.Severity > claim.Info {
			t.Errorf("%s of %s", f.Severity, f.Detector)
		}
	}
	if len(quiet.Distributions)+len(quiet.LockMoments) > 0 {
		t.Error("a case in which nobody waits has pictures of waiting")
	}
}
