package compare

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// Trend is how the live heap, or the goroutines, of one side went from profile to profile of one process.
type Trend struct {
	Name     claim.Text        `json:"name"` // "live heap" or "goroutines"
	Side     string            `json:"side"` // "before" or "after"
	Exhibits []string          `json:"exhibits"`
	First    evidence.Quantity `json:"first"`
	Last     evidence.Quantity `json:"last"`
	Slope    evidence.Quantity `json:"slope"`  // least squares, per second
	Counts   bool              `json:"counts"` // it decides the verdict
	Rising   bool              `json:"rising"` // every profile has more than the one before, and the last a quarter more than the first
	Sites    []TrendSite       `json:"sites"`  // that grew most
}

// TrendSite is one site of a Trend.
type TrendSite struct {
	Function string            `json:"function"`
	File     string            `json:"file,omitempty"`
	Line     int               `json:"line,omitempty"`
	First    evidence.Quantity `json:"first"`
	Last     evidence.Quantity `json:"last"`
}

// trends returns the trends of a side.
func trends(name string, s *Side) []Trend {
	return append(heapTrend(name, s), crowdTrend(name, s)...)
}

// heapTrend returns the trend of a side that holds three or more heap profiles of one
// process: two show a difference, not a trend.
func heapTrend(name string, s *Side) []Trend {
	heaps := byTime(usable(s, evidence.Heap))
	if len(heaps) < severalRuns || slices.ContainsFunc(heaps, func(e *evidence.Exhibit) bool {
		return e.Profile().Column("inuse_space") < 0 || e.Profile().Duration > 0
	}) ||
		series(quantity{column: "alloc_space", factor: 1}, heaps) == nil {
		return nil
	}
	return []Trend{trendOf("live heap", name, heaps, "inuse_space", evidence.Bytes, evidence.BytesPerSec, 1.25)}
}

// crowdTrend returns how the goroutines of a side went over two or more profiles of known times. Their number is exact, so two
// that are far apart say something.
func crowdTrend(name string, s *Side) []Trend {
	all := byTime(usable(s, evidence.Goroutine))
	if len(all) < 2 || slices.ContainsFunc(all, func(e *evidence.Exhibit) bool { return e.Profile().Column("goroutine") < 0 || e.CapturedAt.IsZero() }) {
		return nil
	}
	t := trendOf("goroutines", name, all, "goroutine", evidence.Count, evidence.PerSecond, 2)
	t.Rising = t.Rising && t.Last.Number-t.First.Number >= quantities[evidence.Goroutine][0].floor
	return []Trend{t}
}

// trendOf follows a column over profiles in the order of time. It rises when every profile has more than the one before,
// and the last so many times as much as the first.
func trendOf(what claim.Text, side string, all []*evidence.Exhibit, column string, unit, slope evidence.Unit, times float64) Trend {
	t := Trend{Name: what, Side: side, Rising: true}
	var x, y []float64
	for _, e := range all {
		t.Exhibits = append(t.Exhibits, e.ID)
		x = append(x, e.CapturedAt.Sub(all[0].CapturedAt).Seconds())
		y = append(y, float64(e.Profile().Total(e.Profile().Column(column))))
		if n := len(y); n > 1 && y[n-1] <= y[n-2] {
			t.Rising = false
		}
	}
	last := len(y) - 1
	t.Rising = t.Rising && y[last] >= times*y[0]
	t.First, t.Last = evidence.Of(y[0], unit), evidence.Of(y[last], unit)
	mx, my := mean(x), mean(y)
	var xy, xx float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	t.Slope = evidence.Quantity{Unit: slope}
	if xx > 0 {
		t.Slope.Number = math.Round(xy / xx)
	}
	was, _ := bySite(all[0], column)
	is, at := bySite(all[last], column)
	for f, v := range is {
		if v > was[f] {
			t.Sites = append(t.Sites, TrendSite{f, at[f].File, at[f].Line, evidence.Of(was[f], unit), evidence.Of(v, unit)})
		}
	}
	slices.SortFunc(t.Sites, func(a, b TrendSite) int {
		return cmp.Or(-cmp.Compare(a.Last.Number-a.First.Number, b.Last.Number-b.First.Number), cmp.Compare(a.Function, b.Function))
	})
	t.Sites = first(t.Sites, 5)
	return t
}

func bySite(e *evidence.Exhibit, column string) (by map[string]int64, at map[string]stack.Site) {
	by, at = map[string]int64{}, map[string]stack.Site{}
	c := e.Profile().Column(column)
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		site := s.Stack.Owner()
		name := unvendored(site.Function)
		by[name] += s.Values[c]
		if _, known := at[name]; !known {
			at[name] = site
		}
	}
	return by, at
}

// crowding is the reason that goroutines grow in number on one side and not on the other. Heaps grow while a program
// warms up, and what a heap's growth is worth the detectors say.
func crowding(before, after []Trend) []Reason {
	rising := func(all []Trend) (t *Trend, seen bool) {
		for i := range all {
			if all[i].Name == "goroutines" {
				if all[i].Rising {
					t = &all[i]
				}
				seen = true
			}
		}
		return t, seen
	}
	was, seenBefore := rising(before)
	is, seenAfter := rising(after)
	if !seenBefore || !seenAfter || (was == nil) == (is == nil) {
		return nil
	}
	grows, word, side, sign := is, claim.Text("grow"), claim.Text("after"), false
	if is == nil {
		grows, word, side, sign = was, "grew", "before", true
	}
	grows.Counts = true
	says := claim.Textf("goroutines %s from %s to %s over the profiles of the %s side", word, grows.First, grows.Last, side)
	if len(grows.Sites) > 0 {
		says += claim.Textf(", most in %s", claim.Func(grows.Sites[0].Function))
	}
	return []Reason{{Rank: RankOperations, Kind: string(evidence.Goroutine), Better: sign, Size: sizeOf(grows.First.Number, grows.Last.Number), Says: says}}
}
