package compare

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// Saved is what a saved report keeps of one quantity of one exhibit: the sum and
// the sites that have most of it.
type Saved struct {
	Exhibit  string        // id in its report
	Kind     evidence.Kind //
	Name     string        // of the quantity, as Measure.Name
	Duration time.Duration // 0 when unknown
	Total    float64       // in the profile's own unit
	Events   float64       // samples or contentions the sum is made of; 0 when unknown
	Sites    map[string]float64
}

// leastSaved is the part of its own cost by which a site must change against a saved
// report: sums without samples prove less.
const leastSaved = 0.25

// compareSaved compares where at least one side is a saved report: by the sites
// that the report lists, and the sum.
func compareSaved(d *draft, kind evidence.Kind, a, b []*evidence.Exhibit, sa, sb []Saved, before, after *Side, opt Options) {
	all := quantities[kind]
	if kind == evidence.Trace {
		all = []quantity{scalars[0].q}
		all[0].rate, all[0].factor = true, 1e-9
	}
	for _, q := range all {
		q.least = max(q.least, leastSaved)
		q.firm = false // of a saved report only bounds are known
		m := &Measure{Name: q.name, Gates: q.gates, Work: 1}
		c := &comparison{q: q, names: newNames(opt.Rename), opt: opt, m: m, work: unscaled, load: !q.rate || before.Ops > 0 && after.Ops > 0}
		c.base = basis{"second", q.unit, q.factor}
		if !q.rate {
			c.base.per = "profile"
		} else if c.load {
			c.base = basis{"operation", perOperation(q.unit), 1}
		}
		m.Per = c.base.per
		missing := claim.Text("")
		for side, s := range []struct {
			of       *Side
			exhibits []*evidence.Exhibit
			saved    []Saved
		}{{before, a, sa}, {after, b, sb}} {
			runs, why := savedRuns(c, q, side, s.of, s.exhibits, s.saved)
			c.runs[side] = runs
			if why != "" {
				missing = why
			}
		}
		if missing != "" {
			d.refuse(q.name, missing, "compare the evidence itself instead of a saved report")
			continue
		}
		c.fillUnlisted(sa, sb)
		switch {
		case total(c.runs[0]) == 0 && total(c.runs[1]) == 0, total(c.runs[0]) == 0 && contention(q), total(c.runs[1]) == 0:
			c.settle(Inconclusive, nothingIn(q, "one side"))
		default:
			c.test()
		}
		d.parts = append(d.parts, c)
	}
	d.ended = d.lacking
}
func total(runs []run) (sum float64) {
	for i := range runs {
		sum += runs[i].total
	}
	return sum
}

// savedRuns makes the runs of one side, from evidence or from a saved report.
func savedRuns(c *comparison, q quantity, side int, s *Side, exhibits []*evidence.Exhibit, saved []Saved) (runs []run, why claim.Text) {
	scale := func(d time.Duration) float64 {
		switch {
		case c.base.per == "operation":
			return 1 / s.Ops
		case c.base.per == "profile":
			return q.factor
		case d > 0:
			return q.factor / d.Seconds()
		}
		return 0
	}
	for _, v := range saved {
		if v.Name != q.name.String() {
			continue
		}
		r := run{scale: scale(v.Duration)}
		if r.scale == 0 {
			return nil, "a sum since the process started, over a time that is not known"
		}
		r.total = v.Total * r.scale
		var functions []string
		for f := range v.Sites {
			functions = append(functions, f)
		}
		slices.Sort(functions)
		for _, f := range functions {
			id := c.names.id(side, &stack.Frame{Function: f})
			n := len(c.names.list)
			r.own, r.ownVar, r.cum, r.cumVar = grown(r.own, n), grown(r.ownVar, n), grown(r.cum, n), grown(r.cumVar, n)
			r.own[id] += v.Sites[f] * r.scale
			r.ownVar[id] += v.noise(q, v.Sites[f]) * r.scale * r.scale
			r.cum[id], r.cumVar[id] = r.own[id], r.ownVar[id]
		}
		r.variance = v.noise(q, v.Total) * r.scale * r.scale
		r.samples = int64(v.Events)
		runs = append(runs, r)
	}
	for _, e := range exhibits {
		if e.Trace() != nil {
			runs = append(runs, siteRun(scalars[0].of(e.Trace(), c.names, side)))
			continue
		}
		if e.Profile().Column(q.column) < 0 || q.takes != nil {
			continue
		}
		r := run{profile: e.Profile(), scale: scale(e.Profile().Duration)}
		if r.scale == 0 {
			return nil, "a sum since the process started, over a time that is not known"
		}
		r.at = &places{names: c.names, side: side, bySite: true, known: map[**stack.Frame]place{}}
		r.measureAt(q)
		runs = append(runs, siteRun(r))
	}
	if len(runs) == 0 {
		return nil, "the saved report does not hold it"
	}
	return runs, ""
}

// siteRun makes a run comparable with a saved one, which knows no callers.
func siteRun(r run) run {
	r.cum, r.cumVar = slices.Clone(r.own), slices.Clone(r.ownVar)
	r.profile = nil
	return r
}

// noise is the variance that sampling adds to a saved sum, at most.
func (v *Saved) noise(q quantity, value float64) float64 {
	switch {
	case v.Events > 0 && v.Total > 0 && v.Kind == evidence.CPU:
		return value * v.Total / v.Events
	case v.Kind == evidence.Heap:
		const rate = 512 << 10 // runtime.MemProfileRate
		return value * rate
	case v.Kind == evidence.Goroutine || v.Kind == evidence.GoroutineLeak:
		return value
	}
	// Exponential waits, as many as the value's part of all.
	n := 1.0
	if v.Events > 0 && v.Total > 0 {
		n = max(v.Events*value/v.Total, 1)
	}
	return 2 * value * value / n
}

// fillUnlisted gives sites that a saved report does not list what they may have had at most.
func (c *comparison) fillUnlisted(sa, sb []Saved) {
	for side, saved := range [2][]Saved{sa, sb} {
		at := 0
		for _, v := range saved {
			if v.Name != c.q.name.String() || at >= len(c.runs[side]) {
				continue
			}
			r := &c.runs[side][at]
			at++
			const listed, unlisted = 8, 0.005
			least := v.Total * unlisted // what is less is not listed, see figure.Bars
			if len(v.Sites) >= listed { // nor is what comes after the eighth
				least = v.Total
				for _, x := range v.Sites {
					least = min(least, x)
				}
			}
			n := len(c.names.list)
			r.own, r.ownVar, r.cum, r.cumVar = grown(r.own, n), grown(r.ownVar, n), grown(r.cum, n), grown(r.cumVar, n)
			for id := range r.own {
				if _, listed := v.Sites[c.names.list[id]]; !listed && r.own[id] == 0 {
					r.own[id] = least * r.scale
					r.ownVar[id] = v.noise(c.q, least) * r.scale * r.scale
					r.cum[id], r.cumVar[id] = r.own[id], r.ownVar[id]
				}
			}
		}
	}
}
