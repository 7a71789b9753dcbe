package exectrace

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

type pathKey struct {
	kind PathKind
	name string
}

// pathSum keeps the critical paths of the slowest of one name. Which is the slowest but one in a hundred is known only in the end: the
// one nearest to what has been so so far is kept.
type pathSum struct {
	times      Histogram
	next       int64 // count at which the quantile is worked out again
	quantile   time.Duration
	worst, p99 *Path
}

const (
	maxPathNames = 256
	minPaths     = 10 // below which the slowest but one in a hundred is the slowest
)

// endPath is told that a task, region or request of g has ended; st is the stack of a run that is under way, 0 when that is not known.
func (f *fold) endPath(kind PathKind, name string, g *goroutine, st uint32, from, to int64) {
	a := &f.account
	if g == nil || to <= from {
		return
	}
	key := pathKey{kind, name}
	s := a.paths[key]
	if s == nil {
		if len(a.paths) >= maxPathNames {
			return
		}
		s = took(f, &pathSum{})
		f.kept += perString + int64(len(name)) + 2*MaxSteps*160
		a.paths[key] = s
	}
	d := time.Duration(to - from)
	f.count(&s.times, d)
	worst := s.worst == nil || d > s.worst.To-s.worst.From
	if s.times.Count >= s.next {
		s.quantile = s.times.Quantile(0.99)
		s.next = s.times.Count + s.times.Count/8 + 1
	}
	near := s.times.Count >= minPaths && (s.p99 == nil || (d-s.quantile).Abs() < (s.p99.To-s.p99.From-s.quantile).Abs())
	if !worst && !near {
		return
	}
	p := Path{Kind: kind, Name: name, Goroutine: g.id, Interval: Interval{time.Duration(from), time.Duration(to)}, Steps: f.steps(g, st, from, to)}
	if worst {
		w := p
		w.Rank = "worst"
		s.worst = &w
	}
	if near {
		p.Rank = "p99"
		s.p99 = &p
	}
}

// steps walks back from the end of something that a goroutine did: through its history, and through that of its creator before it
// was born. Where one waited, its history holds what held it up.
func (f *fold) steps(g *goroutine, st uint32, from, to int64) []Step {
	a := &f.account
	var back []Step
	add := func(lo, hi int64, s *stretch, own uint32) {
		if hi <= lo || len(back) >= MaxSteps-1 {
			return
		}
		l := &a.leaves[s.leaf]
		if l.kind == kindUsual { // a short wait: what such waits are mostly for
			u := &a.usuals[l.site]
			l = &a.leaves[leafUnknown]
			most := 0.0
			for _, m := range u.mix[:u.n] {
				if m.time > most && a.leaves[m.leaf].kind != kindUsual {
					l, most = &a.leaves[m.leaf], m.time
				}
			}
		}
		r := &a.roots[s.root]
		back = append(back, Step{
			Interval: Interval{time.Duration(lo), time.Duration(hi)},
			Kind:     kinds[l.kind], Site: a.sites[l.site], By: f.groups[l.by].Start,
			For: a.sites[r.site], Class: r.class,
			Queued: s.root != 0 && s.op != own && queues[l.kind] && l != &a.leaves[leafFree],
		})
	}
	end := to
	if until := g.deeds.until(); until < end && g.state == running {
		lo := max(from, until)
		add(lo, end, &stretch{leaf: f.leafOf(kindRunning, st, g.group)}, 0)
		end = lo
	}
	for hop := 0; g != nil && end > from; hop++ {
		h := &g.deeds.history
		end = h.each(from, end, func(lo, hi int64, s *stretch) bool {
			add(lo, hi, s, g.deeds.op)
			return len(back) < MaxSteps-1
		})
		if end > from && (g.born < 0 || h.from != g.born || end != g.born || hop == maxHops) {
			break
		}
		g = f.goroutines.find(g.deeds.parent)
	}
	if end > from {
		back = append(back, Step{Interval: Interval{time.Duration(from), time.Duration(end)}, Kind: PartUnknown})
	}
	slices.Reverse(back)
	return back
}

func (f *fold) listPaths() []Path {
	var out []Path
	keys := slices.SortedFunc(maps.Keys(f.account.paths), func(x, y pathKey) int {
		return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.name, y.name))
	})
	for _, k := range keys {
		s := f.account.paths[k]
		for _, p := range []*Path{s.worst, s.p99} {
			if p != nil {
				p.Count = s.times.Count
				out = append(out, *p)
			}
		}
	}
	sortStable(out, func(x, y Path) bool { return x.To-x.From > y.To-y.From })
	return out[:min(len(out), MaxPaths)]
}
