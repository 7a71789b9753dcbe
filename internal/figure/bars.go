package figure

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Bars is a ranked list of sites.
type Bars struct {
	Exhibit string            `json:"exhibit"`
	Title   claim.Text        `json:"title"` // what is ranked, such as "delay by site"
	Total   evidence.Quantity `json:"total"`
	Rows    []Bar             `json:"rows"`
}

// Bar is one site of Bars.
type Bar struct {
	Site  claim.Site        `json:"site"`
	Value evidence.Quantity `json:"value"`
}

// Growth is what changed between two exhibits of one kind and build, by site.
type Growth struct {
	From   string            `json:"from"` // exhibit id of the earlier one
	To     string            `json:"to"`   // exhibit id of the later one
	Title  claim.Text        `json:"title"`
	Before evidence.Quantity `json:"before"` // total of the earlier one
	After  evidence.Quantity `json:"after"`  // total of the later one
	Rows   []Grown           `json:"rows"`   // largest change first
}

// Grown is one site of Growth.
type Grown struct {
	Site   claim.Site        `json:"site"`
	Before evidence.Quantity `json:"before"`
	After  evidence.Quantity `json:"after"`
}

// Widest is the larger total, which both bars of a growth row are drawn against.
func (g Growth) Widest() evidence.Quantity {
	widest := evidence.Quantity{Unit: g.After.Unit}
	for _, row := range g.Rows {
		widest.Number = max(widest.Number, row.Before.Number, row.After.Number)
	}
	return widest
}

// drawnColumns is what a kind of profile is drawn by, the words for it over bars and over a call tree, and what a
// comparison of two sides calls it; empty where bars of several cases do not compare.
var drawnColumns = []struct {
	kind        evidence.Kind
	column      string
	bars, flame claim.Text
	compared    string
}{
	{evidence.CPU, "cpu", "CPU time, by site", "CPU time", "CPU time"},
	{evidence.Heap, "inuse_space", "live heap, by allocating site", "live heap by allocating calls", "live heap"},
	{evidence.Heap, "alloc_space", "allocated since the start, by site", "bytes allocated since the start", "bytes allocated"},
	{evidence.Mutex, "delay", "delay caused to others, by unlocking site", "delay caused to others, by unlocking calls", "delay caused by holding locks"},
	{evidence.Block, "delay", "delay suffered, by waiting site (idle workers included)", "delay suffered, by waiting calls", ""},
	{evidence.Goroutine, "goroutine", "goroutines, by site", "goroutines by where they stand", "goroutines"},
	{evidence.GoroutineLeak, "goroutineleak", "leaked goroutines, by site", "leaked goroutines by where they stand", "leaked goroutines"},
}

// lockWaits is over bars of a trace.
const (
	lockWaits         claim.Text = "waiting for locks, by site"
	lockWaitsCompared string     = "waiting for locks"
)

// Compared is what a comparison calls the amounts of the bars, as a document that was saved has no more of them than their
// title; empty where they do not compare.
func (b Bars) Compared() string {
	title := b.Title.String()
	if title == lockWaits.String() {
		return lockWaitsCompared
	}
	for _, c := range drawnColumns {
		if c.bars.String() == title {
			return c.compared
		}
	}
	return ""
}

// bars ranks the sites of an exhibit by what hurts in its kind.
func bars(e *evidence.Exhibit) []Bars {
	var out []Bars
	add := func(title claim.Text, unit string, by map[stack.Site]int64) {
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
		add(lockWaits, "nanoseconds", locks)
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
func rank(exhibit string, title claim.Text, unit string, by map[stack.Site]int64) Bars {
	values, lines := byFunction(by)
	var total int64
	for _, v := range values {
		total += v
	}
	out := Bars{Exhibit: exhibit, Title: title, Total: evidence.InUnit(total, unit)}
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
