package compare

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze/evidence"
)

// Trend is how the live heap of one side went from profile to profile of one process.
type Trend struct {
	Side     string            `json:"side"` // "before" or "after"
	Exhibits []string          `json:"exhibits"`
	First    evidence.Quantity `json:"first"`
	Last     evidence.Quantity `json:"last"`
	Slope    evidence.Quantity `json:"slope"`  // least squares, bytes per second
	Rising   bool              `json:"rising"` // every profile has more than the one before, and the last a quarter more than the first
	Sites    []TrendSite       `json:"sites"`  // that grew most
}

// TrendSite is one site of a Trend.
type TrendSite struct {
	Function string            `json:"function"`
	First    evidence.Quantity `json:"first"`
	Last     evidence.Quantity `json:"last"`
}

// trends returns the trend of a side that holds three or more heap profiles of one
// process: two show a difference, not a trend.
func trends(name string, s *Side) []Trend {
	heaps := byTime(usable(s, evidence.Heap))
	if len(heaps) < 3 || slices.ContainsFunc(heaps, func(e *evidence.Exhibit) bool {
		return e.Profile().Column("inuse_space") < 0 || e.Profile().Duration > 0
	}) ||
		series(quantity{column: "alloc_space", factor: 1}, heaps) == nil {
		return nil
	}
	t := Trend{Side: name, Rising: true}
	var x, y []float64
	for _, e := range heaps {
		t.Exhibits = append(t.Exhibits, e.ID)
		x = append(x, e.CapturedAt.Sub(heaps[0].CapturedAt).Seconds())
		y = append(y, float64(e.Profile().Total(e.Profile().Column("inuse_space"))))
		if n := len(y); n > 1 && y[n-1] <= y[n-2] {
			t.Rising = false
		}
	}
	last := len(y) - 1
	t.Rising = t.Rising && y[last] >= 1.25*y[0]
	t.First, t.Last = evidence.Of(y[0], evidence.Bytes), evidence.Of(y[last], evidence.Bytes)
	mx, my := mean(x), mean(y)
	var xy, xx float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	t.Slope = evidence.Quantity{Unit: evidence.BytesPerSec}
	if xx > 0 {
		t.Slope.Number = math.Round(xy / xx)
	}
	was, is := live(heaps[0]), live(heaps[last])
	for f, v := range is {
		if v > was[f] {
			t.Sites = append(t.Sites, TrendSite{f, evidence.Of(was[f], evidence.Bytes), evidence.Of(v, evidence.Bytes)})
		}
	}
	slices.SortFunc(t.Sites, func(a, b TrendSite) int {
		return cmp.Or(-cmp.Compare(a.Last.Number-a.First.Number, b.Last.Number-b.First.Number), cmp.Compare(a.Function, b.Function))
	})
	t.Sites = first(t.Sites, 5)
	return []Trend{t}
}

func live(e *evidence.Exhibit) map[string]int64 {
	by, c := map[string]int64{}, e.Profile().Column("inuse_space")
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		by[unvendored(s.Stack.Owner().Function)] += s.Values[c]
	}
	return by
}
