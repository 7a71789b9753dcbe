package look

import (
	"fmt"
	"slices"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
)

// timeline lists where goroutines of a trace, or of what was read of it, ran and waited, longest first. Times of many
// goroutines add up.
func timeline(t *exectrace.Timeline, q Question) (Page, error) {
	title := "where goroutines waited and ran, summed over them"
	if q.Function != "" {
		title += ", through " + q.Function
	}
	var rows []Row
	add := func(what string, w *exectrace.Wait) {
		if q.Function != "" && !through(w.Stack, q.Function) {
			return
		}
		longest := evidence.Duration(w.Max)
		r := Row{What: what, Value: evidence.Duration(w.Total), Count: w.Count, Longest: &longest, Stack: written(w.Stack)}
		for _, s := range w.Worst {
			if !slices.Contains(r.Goroutines, s.Goroutine) {
				r.Goroutines = append(r.Goroutines, s.Goroutine)
			}
		}
		if len(w.Worst) > 0 {
			at := int64(w.Worst[0].From)
			r.At = &at
		}
		rows = append(rows, r)
	}
	for i := range t.Waits {
		add("wait: "+t.Waits[i].Reason, &t.Waits[i])
	}
	for i := range t.Syscalls {
		add("system call", &t.Syscalls[i])
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		if g.Slices.Sum == 0 || q.Function != "" && g.Start.Function != q.Function {
			continue
		}
		longest := evidence.Duration(g.Slices.Max)
		rows = append(rows, Row{What: "running", Value: evidence.Duration(g.Slices.Sum), Count: g.Slices.Count, Longest: &longest, Stack: []string{"started in " + g.Start.Function}})
	}
	slices.SortStableFunc(rows, largest)
	page, err := q.page(title, rows)
	whole := evidence.Duration(t.Duration)
	page.Whole = &whole
	if t.Duration == 0 && err == nil {
		page.Note = "the trace covers no time"
	}
	if n := t.Narrowed; n.Of > 0 {
		page.Note = fmt.Sprintf("the part from %s on, of %s; offsets are from the start of the part", evidence.Duration(n.From), evidence.Duration(n.Of))
	}
	return page, err
}
