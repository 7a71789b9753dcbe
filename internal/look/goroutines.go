package look

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

// maxIDs is how many goroutines a row names.
const maxIDs = 10

// goroutines lists those of a dump that stand alike, most first: the same state and the same stack. One that is asked for
// is alone.
func goroutines(d *dump.Dump, q Question) (Page, error) {
	if q.Goroutine != 0 {
		i := slices.IndexFunc(d.Goroutines, func(g dump.Goroutine) bool { return g.ID == q.Goroutine })
		if i < 0 {
			return Page{}, fmt.Errorf("%w: the dump has no goroutine %d", ErrNothing, q.Goroutine)
		}
		return q.page(fmt.Sprintf("goroutine %d", q.Goroutine), []Row{alike(&d.Goroutines[i])})
	}
	title := "goroutines of the dump that stand alike"
	if q.Function != "" {
		title += ", through " + q.Function
	}
	by := map[string]*Row{}
	var longest = map[string]time.Duration{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if q.Function != "" && !through(g.Stack(), q.Function) && stack.Normal(g.CreatedBy.Function) != q.Function {
			continue
		}
		key := g.State + "\n" + strings.Join(written(g.Stack()), "\n")
		r := by[key]
		if r == nil {
			first := alike(g)
			first.Goroutines, first.Count, first.Value.Number = nil, 0, 0
			r = &first
			by[key] = r
		}
		r.Count++
		r.Value.Number++
		if len(r.Goroutines) < maxIDs {
			r.Goroutines = append(r.Goroutines, g.ID)
		}
		longest[key] = max(longest[key], g.Wait)
	}
	rows := make([]Row, 0, len(by))
	for key, r := range by {
		if longest[key] > 0 {
			wait := evidence.Duration(longest[key])
			r.Longest = &wait
		}
		r.Share = evidence.Part(r.Value.Number, float64(len(d.Goroutines))).Number
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, largest)
	page, err := q.page(title, rows)
	whole := evidence.Of(len(d.Goroutines), evidence.Count)
	page.Whole = &whole
	return page, err
}

func alike(g *dump.Goroutine) Row {
	r := Row{What: g.State, Value: evidence.Of(1, evidence.Count), Count: 1, Stack: written(g.Stack()), Goroutines: []int64{g.ID}, Line: g.Line}
	if g.CreatedBy.Function != "" {
		by := "created by " + written(stack.Stack{&g.CreatedBy})[0]
		if g.Creator != 0 {
			by += fmt.Sprintf(" in goroutine %d", g.Creator)
		}
		r.Stack = append(r.Stack, by)
	}
	if g.Wait > 0 {
		wait := evidence.Duration(g.Wait)
		r.Longest = &wait
	}
	return r
}
