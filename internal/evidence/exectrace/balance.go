package exectrace

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"inquest/internal/evidence/stack"
)

// listAccount makes the account of what was added up until t.
func (f *fold) listAccount(t int64) Account {
	sampled := f.sampledShares()
	return Account{Processors: f.listProcessors(t, sampled), Operations: f.listOperations(t, sampled), Paths: f.listPaths()}
}

// sum is a part before it is listed.
type sum struct {
	partKey
	time, wall int64
}

// listOperations lists the operations of the groups that act on their own account.
func (f *fold) listOperations(t int64, sampled shares) []Operation {
	a := &f.account
	byGroup := map[uint32][]sum{}
	keys := slices.SortedFunc(maps.Keys(a.parts), func(x, y partKey) int {
		return cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.leaf, y.leaf), cmp.Compare(x.root, y.root), compareBool(x.queued, y.queued))
	})
	for i := range a.leaves {
		l := &a.leaves[i]
		if l.self.time > 0 {
			byGroup[l.by] = append(byGroup[l.by], sum{partKey{group: l.by, leaf: uint32(i)}, l.self.time, l.self.wall.total()})
		}
	}
	for _, k := range keys {
		s := a.parts[k]
		all := sum{k, s.time, s.wall.total()}
		if u := &a.usuals[a.usualID[[2]uint32{k.group, k.root}]]; u.skipped {
			all.wall = u.wall.total()
		}
		byGroup[k.group] = append(byGroup[k.group], all)
	}
	for i := range a.usuals {
		if u := &a.usuals[i]; u.pending > 0 {
			byGroup[u.group] = append(byGroup[u.group], sum{partKey{group: u.group, leaf: u.leaf, root: u.root}, u.pending, u.wall.total()})
		}
	}
	mixes := f.mixes()
	var out []Operation
	for _, id := range slices.Sorted(maps.Keys(byGroup)) {
		g := f.groups[id]
		kind, is := g.kind()
		if !is || g.System {
			continue
		}
		op := Operation{Group: g.Start, Kind: kind, Count: max(1, g.does.ops), Active: time.Duration(g.does.active)}
		if kind == Batch || kind == Steady {
			op.Count = max(1, g.does.n)
		}
		op.Parts = f.listParts(f.spreadOpen(f.expand(byGroup[id], mixes)), t, sampled)
		op.Mean = op.Active / time.Duration(op.Count)
		out = append(out, op)
	}
	sortStable(out, func(x, y Operation) bool { return x.Active > y.Active })
	if len(out) > MaxOperations {
		rest := Operation{Kind: Steady}
		var parts []Part
		for _, o := range out[MaxOperations-1:] {
			rest.Count += o.Count
			rest.Active += o.Active
			parts = append(parts, o.Parts...)
		}
		rest.Mean = rest.Active / time.Duration(rest.Count)
		rest.Parts = shorten(joinParts(parts, time.Duration(t)))
		out = append(slices.Clone(out[:MaxOperations-1]), rest)
	}
	for i := range out {
		out[i].Gains = gains(&out[i], time.Duration(t))
	}
	return out
}

// mixes returns, by number, what waits that were not looked at are for: what those that were looked at are for, in which others
// that were not may stand in turn.
func (f *fold) mixes() [][]mixed {
	a := &f.account
	now := make([][]mixed, len(a.usuals))
	for round := range mixRounds {
		next := make([][]mixed, len(a.usuals))
		for i := range a.usuals {
			u := &a.usuals[i]
			var out []mixed
			for _, m := range u.mix[:u.n] {
				if l := &a.leaves[m.leaf]; l.kind != kindUsual {
					out = mixIn(out, m)
				} else if round > 0 {
					for _, x := range now[l.site] {
						out = mixIn(out, mixed{x.leaf, x.queued || m.queued, x.time * m.time})
					}
				}
			}
			total := 0.0
			for _, m := range out {
				total += m.time
			}
			for k := range out {
				out[k].time /= total
			}
			if total <= 0 {
				out = []mixed{{leaf: leafUnknown, time: 1}}
			}
			next[i] = out
		}
		now = next
	}
	return now
}

const (
	mixRounds = 6  // waits inside waits that are followed
	mixSize   = 16 // what is told apart
)

func mixIn(out []mixed, m mixed) []mixed {
	small := 0
	for i := range out {
		if out[i].leaf == m.leaf && out[i].queued == m.queued {
			out[i].time += m.time
			return out
		}
		if out[i].time < out[small].time {
			small = i
		}
	}
	if len(out) < mixSize {
		return append(out, m)
	}
	if m.time > out[small].time {
		m, out[small] = out[small], m
	}
	for i := range out {
		if out[i].leaf == leafRest {
			out[i].time += m.time
			return out
		}
	}
	out[small] = mixed{leaf: leafRest, time: out[small].time + m.time}
	return out
}

// expand replaces the waits that were not looked at by what they are usually for.
func (f *fold) expand(all []sum, mixes [][]mixed) []sum {
	a := &f.account
	var out []sum
	for _, s := range all {
		l := &a.leaves[s.leaf]
		if l.kind != kindUsual {
			out = append(out, s)
			continue
		}
		left := s.time
		mix := mixes[l.site]
		for i, m := range mix {
			d := int64(m.time * float64(s.time))
			if i == len(mix)-1 {
				d = left
			}
			d = min(d, left)
			left -= d
			out = append(out, sum{partKey{s.group, m.leaf, s.root, s.queued && queues[a.leaves[m.leaf].kind] && m.leaf != leafFree || m.queued}, d, s.wall})
		}
	}
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// kind says what kind of operations the goroutines of a group carry out; none when they are children, or workers, whose
// time is part of the operations of others.
func (g *group) kind() (OperationKind, bool) {
	d := &g.does
	switch {
	case g.Start.Function == "": // of goroutines of which no stack was seen yet
		return Steady, true
	case d.requests > 0:
		return Request, true
	case d.born*2 > d.n && d.awaited > 0:
		return "", false
	case d.outside > 0:
		return Driver, true
	case d.born*2 > d.n:
		return Batch, true
	case d.in > 0 && d.idle*20 <= d.in && d.awaited == 0:
		return Batch, true
	case d.idle == 0:
		return Steady, true
	}
	return "", false
}

// spreadOpen gives the waits that were open at the end the parts of those of the same group at the same place that had ended, as
// long as these make up a tenth of the time at least. Where fewer ended, those who wait are stuck.
func (f *fold) spreadOpen(all []sum) []sum {
	a := &f.account
	var out []sum
	for _, open := range all {
		if a.leaves[open.leaf].kind != kindUnended {
			out = append(out, open)
			continue
		}
		var ended int64
		last := -1
		for i, s := range all {
			if s.root == open.root && a.leaves[s.leaf].kind != kindUnended {
				ended += s.time
				if last < 0 || s.time > all[last].time {
					last = i
				}
			}
		}
		if ended == 0 || ended < open.time/10 {
			out = append(out, open)
			continue
		}
		left := open.time
		for i, s := range all {
			if s.root == open.root && i != last && a.leaves[s.leaf].kind != kindUnended {
				s.time = scale(s.time, open.time, ended)
				if open.time > ended {
					s.time = int64(float64(all[i].time) / float64(ended) * float64(open.time))
				}
				s.time = min(s.time, left)
				left -= s.time
				s.wall = min(s.time, open.wall)
				out = append(out, s)
			}
		}
		s := all[last]
		s.time, s.wall = left, min(left, open.wall)
		out = append(out, s)
	}
	return out
}

// listParts lists sums as parts, largest first.
func (f *fold) listParts(sums []sum, t int64, sampled shares) []Part {
	a := &f.account
	parts := make([]Part, 0, len(sums))
	for _, s := range sums {
		l, r := &a.leaves[s.leaf], &a.roots[s.root]
		p := Part{
			Kind: kinds[l.kind], By: f.groups[l.by].Start, For: a.sites[r.site], Class: r.class, Queued: s.queued, Wall: time.Duration(s.wall),
		}
		if l.kind == kindStopped {
			p.Reason = f.reasons[l.reason]
		}
		sampled.spread(s.leaf, l.site, s.time, func(site uint32, d int64) {
			p.Site, p.Time = a.sites[site], time.Duration(d)
			parts = append(parts, p)
		})
	}
	return shorten(joinParts(parts, time.Duration(t)))
}

// joinParts makes one of parts that say the same.
func joinParts(parts []Part, whole time.Duration) []Part {
	at := map[Part]int{}
	var out []Part
	for _, p := range parts {
		key := p
		key.Time, key.Wall = 0, 0
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, key)
		}
		out[i].Time += p.Time
		out[i].Wall += p.Wall
	}
	for i := range out {
		out[i].Wall = min(out[i].Wall, out[i].Time, whole)
	}
	return out
}

// shorten sorts parts and makes one of the smallest.
func shorten(parts []Part) []Part {
	parts = slices.DeleteFunc(parts, func(p Part) bool { return p.Time == 0 })
	sortStable(parts, func(x, y Part) bool { return x.Time > y.Time })
	if len(parts) <= MaxParts {
		return parts
	}
	rest := Part{Kind: PartRest}
	for _, p := range parts[MaxParts-1:] {
		rest.Time += p.Time
		rest.Wall = max(rest.Wall, p.Wall)
	}
	out := append(slices.Clone(parts[:MaxParts-1]), rest)
	sortStable(out, func(x, y Part) bool { return x.Time > y.Time })
	return out
}

// partPlace is where time went, whoever waited for it.
type partPlace struct {
	kind     PartKind
	site, by stack.Site
}

// gains works out what operations would gain at most if their largest parts took no time.
func gains(op *Operation, whole time.Duration) []Gain {
	var out []Gain
	seen := map[partPlace]bool{}
	for i := range op.Parts {
		p := &op.Parts[i]
		switch p.Kind {
		case PartUnknown, PartRest, PartUnended, PartHost, PartUnseen:
			continue
		}
		at := partPlace{p.Kind, p.Site, p.By}
		if seen[at] {
			continue
		}
		seen[at] = true
		out = append(out, gain(op, i, whole))
		if len(out) == maxGains {
			break
		}
	}
	sortStable(out, func(x, y Gain) bool { return x.AtMost > y.AtMost })
	return out
}

const maxGains = 3

func gain(op *Operation, part int, whole time.Duration) Gain {
	at := &op.Parts[part]
	queues := map[stack.Site]bool{} // at which it is waited for
	for i := range op.Parts {
		if p := &op.Parts[i]; p.Queued && (p.Kind == at.Kind || p.Kind == PartProcessor && at.Kind == PartRunning) && p.Site == at.Site && p.By == at.By {
			queues[p.For] = true
		}
	}
	processors := at.Kind == PartRunning || at.Kind == PartStopped || at.Kind == PartProcessor || at.Kind == PartCollector
	g := Gain{Part: part, Next: -1}
	var time, wall, next = at.Time * 0, at.Wall * 0, at.Time * 0
	for i := range op.Parts {
		p := &op.Parts[i]
		same := p.Kind == at.Kind && p.Site == at.Site && p.By == at.By
		if same || p.Queued && queues[p.For] || processors && p.Kind == PartProcessor {
			time += p.Time
			wall += p.Wall
		} else if p.Queued && p.Time > next {
			next, g.Next = p.Time, i
		}
	}
	if op.Active > 0 {
		g.AtMost = float64(time) / float64(op.Active)
	}
	if whole > 0 {
		g.Elapsed = float64(min(wall, time, whole)) / float64(whole)
	}
	return g
}

// listProcessors lists where the time of the processors went.
func (f *fold) listProcessors(t int64, sampled shares) ProcAccount {
	a, ps := &f.account, &f.procs
	a.capacity += int64(cmp.Or(ps.current, ps.max)) * (t - a.capacityAt)
	a.capacityAt = t
	out := ProcAccount{Whole: time.Duration(a.capacity)}
	var ran, running, off int64
	for _, p := range ps.all {
		running += p.running
		off += p.idle
	}
	var parts []Part
	add := func(p Part, d int64) {
		if d > 0 {
			p.Time = time.Duration(d)
			parts = append(parts, p)
		}
	}
	for i := range a.leaves {
		l := &a.leaves[i]
		if l.proc == 0 {
			continue
		}
		ran += l.proc
		p := Part{Kind: kinds[l.kind], Site: a.sites[l.site], By: f.groups[l.by].Start}
		switch l.kind {
		case kindScheduler, kindCollector:
			if f.groups[l.by].System {
				p.Site = stack.Site{}
			}
		case kindStopped:
			p.Reason = f.reasons[l.reason]
		case kindRunning:
			sampled.spread(uint32(i), l.site, l.proc, func(site uint32, d int64) {
				p.Site = a.sites[site]
				add(p, d)
			})
			continue
		}
		add(p, l.proc)
	}
	host, stopped := min(a.idleHost, off), min(a.idleStopped, max(0, off-a.idleHost))
	add(Part{Kind: PartScheduler}, running-ran)
	add(Part{Kind: PartHost}, host)
	add(Part{Kind: PartStopped}, stopped)
	add(Part{Kind: PartIdle}, off-host-stopped)
	parts = joinParts(parts, out.Whole)
	sum := time.Duration(0)
	for i := range parts {
		parts[i].Wall = 0
		sum += parts[i].Time
	}
	if rest := out.Whole - sum; rest > 0 {
		parts = append(parts, Part{Kind: PartUnknown, Time: rest})
	} else if rest < 0 {
		// Of a damaged trace: more than there was. The largest parts are too large.
		sortStable(parts, func(x, y Part) bool { return x.Time > y.Time })
		for i := range parts {
			less := min(parts[i].Time, -rest)
			parts[i].Time -= less
			rest += less
		}
	}
	out.Parts = shorten(parts)
	return out
}

// minSamples is how many CPU samples say more of what ran than where the runs ended.
const minSamples = 10

// shares is, by leaf, what CPU samples say of the runs of that leaf.
type shares map[uint32]*sampledRuns

type sampledRuns struct {
	sites tally
	count int64
}

func (f *fold) sampledShares() shares {
	out := shares{}
	for _, key := range slices.Sorted(maps.Keys(f.account.samples)) {
		n := f.account.samples[key]
		s := out[uint32(key>>32)]
		if s == nil {
			s = &sampledRuns{}
			out[uint32(key>>32)] = s
		}
		s.sites = append(s.sites, counted{uint32(key), n})
		s.count += n
	}
	maps.DeleteFunc(out, func(_ uint32, s *sampledRuns) bool { return s.count < minSamples })
	return out
}

// spread calls yield with the parts of time that runs of a leaf took: at the sites of its samples, or at its own where there are too few.
func (s shares) spread(leaf, site uint32, time int64, yield func(site uint32, d int64)) {
	runs := s[leaf]
	if runs == nil {
		yield(site, time)
		return
	}
	left := time
	for i, c := range runs.sites {
		d := min(left, scale(time, c.count, runs.count))
		if i == len(runs.sites)-1 {
			d = left
		}
		left -= d
		yield(c.key, d)
	}
}
