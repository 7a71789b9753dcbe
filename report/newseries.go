package report

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/runtimelog"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// distributions is how long what the first chains complain of took, as their traces show it.
func distributions(res analyze.Result, findings []*claim.Finding) []Distribution {
	var out []Distribution
	for _, f := range findings {
		by := res.Detector(f.Detector)
		if by == nil || by.Durations == nil || by.Durations.AtSite && f.Site.Function == "" {
			continue
		}
		for _, e := range res.Bundle.Of(evidence.Trace) {
			if !slices.ContainsFunc(f.Evidence, func(fact claim.Fact) bool { return fact.Exhibit == e.ID }) {
				continue
			}
			h := by.Durations.Of(e.Trace(), f.Site.Function)
			if h.Count == 0 || h.Count < by.Durations.Fewest {
				continue
			}
			d := Distribution{Exhibit: e.ID, Findings: []string{f.ID}, Title: by.Durations.Title, Noun: by.Durations.Noun}
			if by.Durations.AtSite {
				d.Site = f.Site
			}
			for _, fact := range f.Evidence {
				if l := fact.Limit; l != nil && fact.Exhibit == e.ID && by.Marks(l) && !slices.Contains(d.Limits, *l) {
					d.Limits = append(d.Limits, *l)
				}
			}
			same := slices.IndexFunc(out, func(o Distribution) bool {
				return o.Exhibit == d.Exhibit && o.Title == d.Title && o.Site.Function == d.Site.Function
			})
			if same >= 0 {
				out[same].Findings = append(out[same].Findings, f.ID)
				for _, l := range d.Limits {
					if !slices.Contains(out[same].Limits, l) {
						out[same].Limits = append(out[same].Limits, l)
					}
				}
				continue
			}
			if len(out) == MaxDistributions {
				continue
			}
			d.Count, d.P50, d.P99, d.Max = h.Count, int64(h.Quantile(0.5)), int64(h.Quantile(0.99)), int64(h.Max)
			for _, bucket := range h.Buckets() {
				d.Buckets = append(d.Buckets, Bucket{int64(bucket.From), int64(bucket.To), bucket.Count})
			}
			out = append(out, d)
		}
	}
	return out
}

// lockMoments is what happened around the longest waits for the locks that findings name.
func lockMoments(res analyze.Result, findings []*claim.Finding) []LockMoment {
	var out []LockMoment
	for _, e := range res.Bundle.Of(evidence.Trace) {
		for _, m := range e.Trace().Moments {
			if len(out) == MaxLockMoments || len(m.Handed) < 3 || !slices.ContainsFunc(findings, func(f *claim.Finding) bool {
				by := res.Detector(f.Detector)
				return by != nil && by.Moments && slices.ContainsFunc(f.Sites, func(s claim.Site) bool { return s.Function == m.Site.Function })
			}) {
				continue
			}
			moment := LockMoment{Exhibit: e.ID, Site: claim.Site(m.Site), Class: string(m.Class), Longest: int64(m.Longest)}
			for _, h := range m.Handed {
				moment.Handed = append(moment.Handed, Handed{h.Holder, int64(h.From), int64(h.To), h.Known, h.Waiter, int64(h.Since)})
			}
			out = append(out, moment)
		}
	}
	return out
}

// siteWaits is the longest waits for locks of a trace, by the sites with most waiting.
func siteWaits(t *exectrace.Timeline) []SiteWaits {
	by := map[string]*SiteWaits{}
	for i := range t.Waits {
		w := &t.Waits[i]
		if w.Class != wait.Mutex && w.Class != wait.RWRead && w.Class != wait.RWWrite {
			continue
		}
		site := w.Stack.Site()
		s := by[site.Function]
		if s == nil {
			s = &SiteWaits{Site: claim.Site(site)}
			by[site.Function] = s
		}
		s.Total += int64(w.Total)
		s.Count += w.Count
		for _, span := range w.Worst {
			s.Worst = append(s.Worst, WaitSpan{Span{int64(span.From), int64(span.To)}, span.Goroutine})
		}
	}
	var out []SiteWaits
	for _, s := range by {
		slices.SortFunc(s.Worst, func(a, b WaitSpan) int {
			return cmp.Or(-cmp.Compare(a.To-a.From, b.To-b.From), cmp.Compare(a.From, b.From), cmp.Compare(a.Goroutine, b.Goroutine))
		})
		s.Worst = upTo(MaxWaitSpans, s.Worst)
		if s.Total >= int64(t.Duration)/100 { // what waits for less than a hundredth of the trace is not seen in it
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b SiteWaits) int {
		return cmp.Or(-cmp.Compare(a.Total, b.Total), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return upTo(MaxWaitSites, out)
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
	column := map[evidence.Kind]string{evidence.Heap: "inuse_space", evidence.Goroutine: "goroutine", evidence.GoroutineLeak: "goroutineleak"}[kind]
	switch kind {
	case evidence.Heap:
		c.Unit, c.Title = evidence.Bytes, "live heap, by allocating site"
	case evidence.GoroutineLeak:
		c.Title = "leaked goroutines, by where they stand"
	}
	all = thin(all, MaxCurvePoints)
	c.Ordinal = slices.ContainsFunc(all, func(e *evidence.Exhibit) bool { return !writable(e.CapturedAt) })
	var at []int64
	var parts []map[string]int64
	sites, most := map[string]claim.Site{}, map[string]int64{}
	total := CurveLine{Name: "in all"}
	for i, e := range all {
		by := map[stack.Site]int64{}
		switch {
		case e.Profile() != nil:
			n := e.Profile().Column(column)
			if n < 0 {
				return Curve{}
			}
			by = bySite(e.Profile(), n)
		case e.Dump() != nil:
			for j := range e.Dump().Goroutines {
				by[e.Dump().Goroutines[j].Stack().Site()]++
			}
		}
		moment := int64(i)
		if !c.Ordinal {
			moment = int64(e.CapturedAt.Sub(all[0].CapturedAt))
		}
		if i > 0 && moment <= at[i-1] {
			moment = at[i-1] + 1 // two at one moment are drawn side by side
		}
		at = append(at, moment)
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
	total.At = at
	// Sites that findings name come first: they are what the curve is looked at for.
	named := map[string]bool{}
	for _, f := range findings {
		for _, fact := range f.Evidence {
			if slices.Contains(c.Exhibits, fact.Exhibit) {
				named[f.Site.Function] = true
			}
		}
	}
	var names []string
	largest := slices.Max(total.Values)
	for f := range sites {
		if f != "" && float64(most[f]) >= largest/100 {
			names = append(names, f)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if named[a] != named[b] {
			return map[bool]int{true: -1, false: 1}[named[a]]
		}
		return cmp.Or(-cmp.Compare(most[a], most[b]), cmp.Compare(a, b))
	})
	c.Lines = append(c.Lines, total)
	for _, f := range upTo(4, names) {
		line := CurveLine{Site: sites[f], At: at}
		for _, values := range parts {
			line.Values = append(line.Values, float64(values[f]))
		}
		c.Lines = append(c.Lines, line)
	}
	return c
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
