// Package figure measures what a report draws: timelines of traces, ranked sites, call trees, distributions, curves, and
// what happened around a lock. It judges nothing and draws nothing. Each figure names the exhibits that it is made of,
// and is bounded, so that a report stays small whatever the evidence is.
package figure

import (
	"cmp"
	"errors"
	"fmt"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
)

// Set is everything that is drawn of a case.
type Set struct {
	Timelines []Timeline `json:"timelines"` // one per execution trace
	Bars      []Bars     `json:"bars"`      // worst sites of the last exhibit of each kind and build
	Growth    []Growth   `json:"growth"`    // live heap by site, first against last heap profile of a build

	Flames        []Flame        `json:"flames,omitempty"`        // of the profiles that chains rest on
	Distributions []Distribution `json:"distributions,omitempty"` // of the traces that chains rest on
	Curves        []Curve        `json:"curves,omitempty"`        // over several exhibits of a kind, or over the time of a log
	LockMoments   []LockMoment   `json:"lock_moments,omitempty"`  // of the locks that findings name
}

// Of measures the figures of a case that was judged.
func Of(res analyze.Result) Set {
	b := res.Bundle
	last := map[evidence.Kind]map[string]*evidence.Exhibit{}
	for _, e := range b.Exhibits {
		if e.Coverage != evidence.None {
			if last[e.Kind] == nil {
				last[e.Kind] = map[string]*evidence.Exhibit{}
			}
			last[e.Kind][e.BuildID] = e
		}
	}
	s := Set{Growth: growth(b)}
	for _, e := range b.Exhibits {
		if e.Coverage == evidence.None {
			continue
		}
		if last[e.Kind][e.BuildID] == e {
			s.Bars = append(s.Bars, bars(e)...)
		}
		if e.Trace() != nil {
			s.Timelines = append(s.Timelines, timeline(e.ID, e.Trace()))
		}
	}
	drawn := chained(res)
	s.Flames, s.Distributions = flames(b, drawn), distributions(res, drawn)
	s.Curves, s.LockMoments = curves(b, drawn), lockMoments(res, drawn)
	return s
}

// Bounds on what a Set keeps.
const (
	MaxSteps         = 300 // of a timeline
	MaxMarks         = 400
	MaxPauses        = 400
	MaxHeapPoints    = 400
	MaxRows          = 8 // of Bars, Growth and Curve
	MaxFlameNodes    = 260
	MaxFlames        = 8
	MaxDistributions = 8
	MaxCurvePoints   = 200
	MaxCurves        = 8
	MaxLockMoments   = 4
	MaxWaitSites     = 3
	MaxWaitSpans     = 6

	maxProcs   = 1 << 12
	maxBuckets = 200
)

// DrawnChains is how many chains get pictures of their own: those of the rest
// would be looked at by nobody.
const DrawnChains = 3

// chained returns the findings of the chains that are drawn, in their order. What
// is only worth knowing beside something worse is not drawn.
func chained(res analyze.Result) []*claim.Finding {
	byID := map[string]*claim.Finding{}
	for i := range res.Findings {
		byID[res.Findings[i].ID] = &res.Findings[i]
	}
	var out []*claim.Finding
	for _, c := range upTo(DrawnChains, res.Chains) {
		for _, id := range c.Findings {
			if f := byID[id]; f != nil && (f.Severity >= claim.Warning || c.Severity < claim.Warning) {
				out = append(out, f)
			}
		}
	}
	return out
}

// Check holds figures that were read from a file to their bounds, to each other, and to the exhibits and findings that there are.
func (s *Set) Check(exhibits, findings map[string]bool) error {
	if len(s.Flames) > MaxFlames || len(s.Distributions) > MaxDistributions || len(s.Curves) > MaxCurves || len(s.LockMoments) > MaxLockMoments {
		return errors.New("too much to draw")
	}
	var all []error
	add := func(what string, exhibits []string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("%s of %q: %w", what, exhibits, err))
		}
	}
	listed := func(ids ...string) error {
		for _, id := range ids {
			if !exhibits[id] {
				return fmt.Errorf("exhibit %q is not listed", id)
			}
		}
		return nil
	}
	named := func(ids []string) error {
		for _, id := range ids {
			if !findings[id] {
				return fmt.Errorf("finding %q is not listed", id)
			}
		}
		return nil
	}
	for i := range s.Timelines {
		t := &s.Timelines[i]
		add("timeline", []string{t.Exhibit}, cmp.Or(listed(t.Exhibit), t.check()))
	}
	for _, b := range s.Bars {
		add("bars", []string{b.Exhibit}, listed(b.Exhibit))
	}
	for _, g := range s.Growth {
		add("growth", []string{g.From, g.To}, listed(g.From, g.To))
	}
	for i := range s.Flames {
		f := &s.Flames[i]
		add("flame graph", []string{f.Exhibit}, cmp.Or(listed(f.Exhibit), named(f.Findings), f.check()))
	}
	for _, d := range s.Distributions {
		add("distribution", []string{d.Exhibit}, cmp.Or(listed(d.Exhibit), named(d.Findings), most(len(d.Buckets), maxBuckets, "buckets")))
	}
	for i := range s.Curves {
		add("curve", s.Curves[i].Exhibits, cmp.Or(listed(s.Curves[i].Exhibits...), s.Curves[i].check()))
	}
	for _, m := range s.LockMoments {
		add("lock moment", []string{m.Exhibit}, cmp.Or(listed(m.Exhibit), most(len(m.Handed), exectrace.MaxHanded, "hand-overs")))
		if len(m.Handed) == 0 {
			add("lock moment", []string{m.Exhibit}, errors.New("no hand-over"))
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

func most(n, limit int, what string) error {
	if n > limit {
		return fmt.Errorf("%d %s, more than %d", n, what, limit)
	}
	return nil
}
