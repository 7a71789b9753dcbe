package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// Option adjusts the document that New fills.
type Option func(*Report)

// Version names the version of the tool in the document.
func Version(v string) Option { return func(r *Report) { r.Tool.Version = v } }

// set returns the different words of a list, sorted.
func set(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// Title replaces the case's title, which is otherwise what the user named.
func Title(t string) Option { return func(r *Report) { r.Case.Title = t } }

// focus says what the evidence was restricted to before it was judged.
func focus(f evidence.Focus, became []evidence.Focused) *Focus {
	if f == (evidence.Focus{}) {
		return nil
	}
	out := &Focus{Task: f.Task, From: f.From.String(), To: f.To.String()}
	if f.Label[0] != "" {
		out.Label = f.Label[0] + "=" + f.Label[1]
	}
	for _, b := range became {
		out.Exhibits = append(out.Exhibits, Focused{b.Exhibit, b.Path, b.Result, claim.Legacy(b.Says)})
	}
	return out
}

// New fills the document from what an analysis found out. It keeps
// res's slices.
func New(res analyze.Result, opts ...Option) *Report {
	b, opt := res.Bundle, res.Options
	r := &Report{
		Schema:   Schema,
		Tool:     Tool{Name: "inquest"},
		Case:     Case{Title: b.Title, GoVersion: b.GoVersion(), GOMAXPROCS: b.GOMAXPROCS(), Window: window(b)},
		Accounts: res.Accounts,
		Verdicts: res.Verdicts,
		Findings: res.Findings,
		Chains:   res.Chains,
		Limits:   res.Limits,
		Only:     set(opt.Only),
		Skip:     set(opt.Skip),
		Baseline: set(opt.Accepted),
		Focus:    focus(opt.Evidence.Focus, res.Focused),
	}
	for _, q := range res.Quality {
		r.Quality = append(r.Quality, Quality{Exhibit: q.Exhibit, Says: q.Says})
	}
	last := map[evidence.Kind]map[string]*evidence.Exhibit{}
	for _, e := range b.Exhibits {
		if e.Coverage != evidence.None {
			if last[e.Kind] == nil {
				last[e.Kind] = map[string]*evidence.Exhibit{}
			}
			last[e.Kind][e.BuildID] = e
		}
	}
	for _, e := range b.Exhibits {
		r.Exhibits = append(r.Exhibits, exhibit(e))
		if e.Coverage == evidence.None {
			continue
		}
		if last[e.Kind][e.BuildID] == e {
			r.Bars = append(r.Bars, bars(e)...)
		}
		if e.Trace() != nil {
			r.Timelines = append(r.Timelines, timeline(e.ID, e.Trace()))
		}
	}
	r.Growth = growth(b)
	drawn := r.chained()
	r.Flames, r.Distributions = flames(b, drawn), distributions(res, drawn)
	r.Curves, r.LockMoments = curves(b, drawn), lockMoments(res, drawn)
	for _, opt := range opts {
		opt(r)
	}
	normalise(r)
	r.Seal()
	return r
}

// window is the stretch from the first to the last moment that exhibits with a clock cover.
func window(b *evidence.Bundle) Window {
	var w Window
	for _, e := range b.Exhibits {
		if !writable(e.CapturedAt) || !writable(e.CapturedAt.Add(e.Duration)) {
			continue
		}
		from, to := e.CapturedAt.UTC().Round(0), e.CapturedAt.Add(e.Duration).UTC().Round(0)
		if w.From == nil || from.Before(*w.From) {
			w.From = &from
		}
		if w.To == nil || to.After(*w.To) {
			w.To = &to
		}
	}
	return w
}

// writable reports whether JSON can hold t as RFC 3339. Damaged evidence may claim any year.
func writable(t time.Time) bool {
	return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9998
}

func exhibit(e *evidence.Exhibit) Exhibit {
	out := Exhibit{
		ID: e.ID, Path: e.Path, Part: claim.Legacy(e.Part), SHA256: e.SHA256, Bytes: e.Bytes, Kind: e.Kind, Coverage: e.Coverage, Followed: e.Followed,
		Duration: int64(e.Duration), BuildID: e.BuildID, GoVersion: e.GoVersion, Problems: claim.Legacies(e.Problems),
	}
	if writable(e.CapturedAt) {
		at := e.CapturedAt.UTC().Round(0)
		out.CapturedAt = &at
	}
	if e.Content != nil {
		for _, t := range e.Content.Totals() {
			out.Totals = append(out.Totals, Total{t.Name, t.Value})
		}
	}
	return out
}

// bars ranks the sites of an exhibit by what hurts in its kind.
func bars(e *evidence.Exhibit) []Bars {
	var out []Bars
	add := func(title, unit string, by map[stack.Site]int64) {
		if b := rank(e.ID, title, unit, by); len(b.Rows) > 0 {
			out = append(out, b)
		}
	}
	if t := e.Trace(); t != nil {
		locks, others := map[stack.Site]int64{}, map[stack.Site]int64{}
		for _, w := range t.Waits {
			switch w.Class {
			case wait.Mutex, wait.RWRead, wait.RWWrite:
				locks[w.Stack.Site()] += int64(w.Total)
			case wait.WaitGroup, wait.Cond, wait.Sync, wait.ChanSend, wait.ChanRecv, wait.Select:
				others[w.Stack.Site()] += int64(w.Total)
			}
		}
		add("waiting for locks, by site", "nanoseconds", locks)
		add("waiting for other goroutines, by site (idle workers included)", "nanoseconds", others)
	}
	if p := e.Profile(); p != nil {
		for _, c := range drawnColumns {
			if i := p.Column(c.column); c.kind == e.Kind && i >= 0 {
				add(c.bars, p.Columns[i].Unit, bySite(p, i))
			}
		}
	}
	return out
}

func bySite(p *pprofile.Profile, column int) map[stack.Site]int64 {
	by := map[stack.Site]int64{}
	for i := range p.Samples {
		by[p.Samples[i].Stack.Site()] += p.Samples[i].Values[column]
	}
	return by
}

// minBar is the part of the whole below which a site is not worth a bar.
const minBar = 0.005

// rank orders functions by value; of a function's lines the one with the most stands for it.
// The unit is pprof's word.
func rank(exhibit, title, unit string, by map[stack.Site]int64) Bars {
	values, lines := byFunction(by)
	var total int64
	for _, v := range values {
		total += v
	}
	out := Bars{Exhibit: exhibit, Title: claim.Legacy(title), Total: evidence.InUnit(total, unit)}
	for f, v := range values {
		if v > 0 && float64(v) >= float64(total)*minBar {
			out.Rows = append(out.Rows, Bar{lines[f], evidence.InUnit(v, unit)})
		}
	}
	slices.SortFunc(out.Rows, func(a, b Bar) int {
		return cmp.Or(-cmp.Compare(a.Value.Number, b.Value.Number), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	out.Rows = out.Rows[:min(len(out.Rows), MaxRows)]
	return out
}

func byFunction(by map[stack.Site]int64) (map[string]int64, map[string]claim.Site) {
	values, lines, best := map[string]int64{}, map[string]claim.Site{}, map[string]int64{}
	for s, v := range by {
		values[s.Function] += v
		old, ok := lines[s.Function]
		if !ok || v > best[s.Function] || v == best[s.Function] && cmp.Or(cmp.Compare(s.File, old.File), cmp.Compare(s.Line, old.Line)) < 0 {
			lines[s.Function], best[s.Function] = claim.Site{Function: s.Function, File: s.File, Line: s.Line}, v
		}
	}
	return values, lines
}

// growth holds the first against the last heap profile of every build that has two.
func growth(b *evidence.Bundle) []Growth {
	first, last := map[string]*evidence.Exhibit{}, map[string]*evidence.Exhibit{}
	var builds []string
	for _, e := range b.Of(evidence.Heap) {
		if e.Profile() == nil || e.Profile().Column("inuse_space") < 0 {
			continue
		}
		if first[e.BuildID] == nil {
			first[e.BuildID] = e
			builds = append(builds, e.BuildID)
		}
		last[e.BuildID] = e
	}
	var out []Growth
	for _, build := range builds {
		a, z := first[build], last[build]
		if a == z {
			continue
		}
		ca, cz := a.Profile().Column("inuse_space"), z.Profile().Column("inuse_space")
		before, lines := byFunction(bySite(a.Profile(), ca))
		after, newer := byFunction(bySite(z.Profile(), cz))
		for f, site := range newer {
			lines[f] = site
		}
		g := Growth{
			From: a.ID, To: z.ID, Title: "live heap, by allocating site",
			Before: evidence.Of(a.Profile().Total(ca), evidence.Bytes), After: evidence.Of(z.Profile().Total(cz), evidence.Bytes),
		}
		for f, site := range lines {
			if before[f] != after[f] {
				g.Rows = append(g.Rows, Grown{site, evidence.Of(before[f], evidence.Bytes), evidence.Of(after[f], evidence.Bytes)})
			}
		}
		slices.SortFunc(g.Rows, func(a, b Grown) int {
			return cmp.Or(-cmp.Compare(math.Abs(a.After.Number-a.Before.Number), math.Abs(b.After.Number-b.Before.Number)),
				cmp.Compare(a.Site.Function, b.Site.Function))
		})
		g.Rows = g.Rows[:min(len(g.Rows), MaxRows)]
		if len(g.Rows) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// timeline folds a trace's windows into at most MaxSteps steps.
func timeline(id string, t *exectrace.Timeline) Timeline {
	per := max(1, (len(t.Windows)+MaxSteps-1)/MaxSteps)
	steps := (len(t.Windows) + per - 1) / per
	out := Timeline{Exhibit: id, Step: int64(per) * int64(t.WindowLength), Duration: int64(t.Duration)}
	procs := 0
	for i := range t.Windows {
		procs = max(procs, len(t.Windows[i].PerProc))
	}
	out.Procs = make([][]float64, procs)
	for s := range steps {
		group := t.Windows[s*per : min((s+1)*per, len(t.Windows))]
		mean := func(of func(*exectrace.Window) float64) float64 {
			var sum float64
			for i := range group {
				sum += of(&group[i])
			}
			return short(sum / float64(len(group)))
		}
		out.Running = append(out.Running, mean(func(w *exectrace.Window) float64 { return w.Running }))
		out.Runnable = append(out.Runnable, mean(func(w *exectrace.Window) float64 { return w.Runnable }))
		out.Waiting = append(out.Waiting, mean(func(w *exectrace.Window) float64 { return w.Waiting }))
		out.Syscall = append(out.Syscall, mean(func(w *exectrace.Window) float64 { return w.Syscall }))
		out.SyncWait = append(out.SyncWait, mean(func(w *exectrace.Window) float64 { return w.SyncWait }))
		out.GC = append(out.GC, mean(func(w *exectrace.Window) float64 { return w.GC }))
		for p := range procs {
			out.Procs[p] = append(out.Procs[p], mean(func(w *exectrace.Window) float64 {
				if p < len(w.PerProc) {
					return w.PerProc[p]
				}
				return 0
			}))
		}
	}
	out.Heap, out.Locks = heapPoints(t), siteWaits(t)
	for _, c := range longest(t.Cycles, MaxMarks, func(c exectrace.Interval) time.Duration { return c.To - c.From }) {
		out.Marks = append(out.Marks, Span{int64(c.From), int64(c.To)})
	}
	for _, p := range longest(t.Pauses, MaxPauses, func(p exectrace.Pause) time.Duration { return p.Effective }) {
		out.Pauses = append(out.Pauses, Pause{int64(p.Raw.From), int64(p.Raw.To), int64(p.Effective), claim.Legacy(p.Reason)})
	}
	return out
}

// heapPoints thins the heap metric to MaxHeapPoints, keeping of each bucket its
// lowest and highest value so that the sawtooth stays as tall as it was.
func heapPoints(t *exectrace.Timeline) []HeapPoint {
	var all []HeapPoint
	for _, h := range t.Heap {
		all = append(all, HeapPoint{int64(h.At), h.Live, h.Goal})
	}
	if len(all) <= MaxHeapPoints {
		return all
	}
	var out []HeapPoint
	buckets := MaxHeapPoints / 2
	for b := range buckets {
		part := all[b*len(all)/buckets : (b+1)*len(all)/buckets]
		low, high := 0, 0
		for i := range part {
			if part[i].Live < part[low].Live {
				low = i
			}
			if part[i].Live > part[high].Live {
				high = i
			}
		}
		out = append(out, part[min(low, high)])
		if low != high {
			out = append(out, part[max(low, high)])
		}
	}
	return out
}

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
