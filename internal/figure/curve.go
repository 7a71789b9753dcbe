package figure

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
)

// Curve is how numbers of one unit went on from one moment to the next.
type Curve struct {
	Title    claim.Text    `json:"title"`
	Exhibits []string      `json:"exhibits"`
	Unit     evidence.Unit `json:"unit"`
	Ordinal  bool          `json:"ordinal,omitempty"` // the moments are ordinals, because an exhibit carries no clock
	Lines    []CurveLine   `json:"lines"`             // at most MaxRows
}

// CurveLine is one line of a Curve.
type CurveLine struct {
	Name   claim.Text `json:"name"` // what it is, where it is no site
	Site   claim.Site `json:"site"`
	At     []int64    `json:"at_ns"` // since the first moment
	Values []float64  `json:"values"`
}

// curves is how numbers went on over several exhibits of a kind and over the time of logs.
func curves(b *evidence.Bundle, findings []*claim.Finding) []Curve {
	var out []Curve
	for _, kind := range []evidence.Kind{evidence.Heap, evidence.Goroutine, evidence.GoroutineLeak, evidence.Dump} {
		byBuild := map[string][]*evidence.Exhibit{}
		var builds []string
		for _, e := range b.Of(kind) {
			if e.Dump() != nil && e.Dump().Lone() {
				continue
			}
			if byBuild[e.BuildID] == nil {
				builds = append(builds, e.BuildID)
			}
			byBuild[e.BuildID] = append(byBuild[e.BuildID], e)
		}
		for _, build := range builds {
			if all := byBuild[build]; len(all) > 1 {
				if c := snapshots(kind, all, findings); len(c.Lines) > 0 {
					out = append(out, c)
				}
			}
		}
	}
	for _, e := range b.Of(evidence.GCTrace) {
		out = append(out, gcCurve(e))
	}
	for _, e := range b.Of(evidence.SchedTrace) {
		out = append(out, schedCurve(e))
	}
	return upTo(MaxCurves, slices.DeleteFunc(out, func(c Curve) bool { return len(c.Lines) == 0 || len(c.Lines[0].At) < 2 }))
}

// snapshots is what several snapshots of a kind hold, in all and by the sites with most in any.
func snapshots(kind evidence.Kind, all []*evidence.Exhibit, findings []*claim.Finding) Curve {
	c := Curve{Unit: evidence.Count, Title: "goroutines, by where they stand"}
	switch kind {
	case evidence.Heap:
		c.Unit, c.Title = evidence.Bytes, "live heap, by allocating site"
	case evidence.GoroutineLeak:
		c.Title = "leaked goroutines, by where they stand"
	}
	all = thin(all, MaxCurvePoints)
	c.Ordinal = slices.ContainsFunc(all, func(e *evidence.Exhibit) bool { return !evidence.Dated(e.CapturedAt) })
	at := moments(all, c.Ordinal)
	var parts []map[string]int64
	sites, most := map[string]claim.Site{}, map[string]int64{}
	total := CurveLine{Name: "in all", At: at}
	for _, e := range all {
		by, ok := held(kind, e)
		if !ok {
			return Curve{}
		}
		c.Exhibits = append(c.Exhibits, e.ID)
		values, lines := byFunction(by)
		var sum int64
		for f, v := range values {
			sum += v
			sites[f], most[f] = lines[f], max(most[f], v)
		}
		parts = append(parts, values)
		total.Values = append(total.Values, float64(sum))
	}
	c.Lines = append(c.Lines, total)
	for _, f := range upTo(4, telling(c.Exhibits, most, slices.Max(total.Values)/100, findings)) {
		line := CurveLine{Site: sites[f], At: at}
		for _, values := range parts {
			line.Values = append(line.Values, float64(values[f]))
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// held is what a snapshot of a kind holds, by site; false where it does not say.
func held(kind evidence.Kind, e *evidence.Exhibit) (map[stack.Site]int64, bool) {
	if p := e.Profile(); p != nil {
		n := p.Column(map[evidence.Kind]string{evidence.Heap: "inuse_space", evidence.Goroutine: "goroutine", evidence.GoroutineLeak: "goroutineleak"}[kind])
		if n < 0 {
			return nil, false
		}
		return bySite(p, n), true
	}
	by := map[stack.Site]int64{}
	if d := e.Dump(); d != nil {
		for i := range d.Goroutines {
			by[d.Goroutines[i].Stack().Site()]++
		}
	}
	return by, true
}

// moments is when each of some exhibits was taken, in nanoseconds since the first, or their ordinals. No two are the same.
func moments(all []*evidence.Exhibit, ordinal bool) []int64 {
	var at []int64
	for i, e := range all {
		moment := int64(i)
		if !ordinal {
			moment = int64(e.CapturedAt.Sub(all[0].CapturedAt))
		}
		if i > 0 && moment <= at[i-1] {
			moment = at[i-1] + 1 // two at one moment are drawn side by side
		}
		at = append(at, moment)
	}
	return at
}

// telling is the functions that have at least so much in any of some exhibits. Those that findings name come first: they
// are what the curve is looked at for; then those with most.
func telling(exhibits []string, most map[string]int64, least float64, findings []*claim.Finding) []string {
	named := map[string]bool{}
	for _, f := range findings {
		if slices.ContainsFunc(f.Evidence, func(fact claim.Fact) bool { return slices.Contains(exhibits, fact.Exhibit) }) {
			named[f.Site.Function] = true
		}
	}
	var names []string
	for f := range most {
		if f != "" && float64(most[f]) >= least {
			names = append(names, f)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if named[a] != named[b] {
			return map[bool]int{true: -1, false: 1}[named[a]]
		}
		return cmp.Or(-cmp.Compare(most[a], most[b]), cmp.Compare(a, b))
	})
	return names
}

// gcCurve is the marked heap and the goal over the collections of a log.
func gcCurve(e *evidence.Exhibit) Curve {
	live, goal := CurveLine{Name: "marked heap"}, CurveLine{Name: "goal of the collector"}
	windows := thin(e.GC().Windows, MaxCurvePoints)
	for i := range windows {
		w := &windows[i]
		live.At, live.Values = append(live.At, int64(w.From)), append(live.Values, float64(w.Live))
		goal.At, goal.Values = append(goal.At, int64(w.From)), append(goal.Values, float64(w.Goal))
	}
	return Curve{Title: "heap at each collection", Exhibits: []string{e.ID}, Unit: evidence.Bytes, Lines: []CurveLine{live, goal}}
}

// schedCurve is the queue and the threads over the lines of a log.
func schedCurve(e *evidence.Exhibit) Curve {
	mean := func(sum int64, w *runtimelog.SchedWindow) float64 {
		return short(float64(sum) / math.Max(float64(w.Samples), 1))
	}
	queued, idle, threads := CurveLine{Name: "goroutines queued for a processor"}, CurveLine{Name: "idle processors"}, CurveLine{Name: "threads"}
	windows := thin(e.Sched().Windows, MaxCurvePoints)
	for i := range windows {
		w := &windows[i]
		queued.At, queued.Values = append(queued.At, int64(w.From)), append(queued.Values, mean(w.Queued, w))
		idle.At, idle.Values = append(idle.At, int64(w.From)), append(idle.Values, mean(w.Idle, w))
		threads.At, threads.Values = append(threads.At, int64(w.From)), append(threads.Values, float64(w.Threads))
	}
	return Curve{Title: "scheduler, line by line", Exhibits: []string{e.ID}, Unit: evidence.Count, Lines: []CurveLine{queued, idle, threads}}
}

// thin keeps n of all in even steps, the first and the last among them.
func thin[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	out := make([]T, n)
	for i := range out {
		out[i] = all[i*(len(all)-1)/(n-1)]
	}
	return out
}

// upTo is the first n of all.
func upTo[T any](n int, all []T) []T { return all[:min(n, len(all))] }

// longest returns the n longest of all in their order.
func longest[T any](all []T, n int, length func(T) time.Duration) []T {
	if len(all) <= n {
		return all
	}
	index := make([]int, len(all))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return -cmp.Compare(length(all[a]), length(all[b])) })
	index = index[:n]
	slices.Sort(index)
	out := make([]T, n)
	for i, at := range index {
		out[i] = all[at]
	}
	return out
}

// short keeps four significant digits, which is more than a picture shows.
func short(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	return y
}

// check holds a curve to its bounds, and the points of each line to their order.
func (c *Curve) check() error {
	for _, l := range c.Lines {
		if len(l.At) != len(l.Values) || len(l.At) > MaxCurvePoints || !slices.IsSorted(l.At) {
			return errors.New("uneven, too many or unordered points")
		}
	}
	return most(len(c.Lines), MaxRows, "lines")
}
