package exectrace

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// sortStable sorts by less and keeps the order of equals.
func sortStable[T any](s []T, less func(a, b T) bool) {
	slices.SortStableFunc(s, func(a, b T) int {
		if less(a, b) {
			return -1
		}
		if less(b, a) {
			return 1
		}
		return 0
	})
}

// finish closes what is open at the end of the trace and returns the Timeline.
func (f *fold) finish() *Timeline {
	t := f.now
	f.account.ending = true
	if f.stw.active {
		f.endSTW(t)
	}
	tl := &Timeline{
		Start:        f.start,
		Duration:     time.Duration(t),
		Events:       f.events,
		WindowLength: time.Duration(f.windows.length),
	}
	f.finishGoroutines(tl, t)
	for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
		f.endTask(f.tasks[id], t)
	}
	if f.gc.active {
		f.endGC(t)
	}
	f.finishProcs(tl, t)
	tl.Account = f.listAccount(t)
	tl.Waits, tl.Syscalls = f.listWaits()
	tl.Holders = f.listHolders()
	tl.Queues = f.listQueues()
	tl.Moments = f.listMoments()
	tl.Wakes = f.listWakes()
	tl.Groups = f.listGroups()
	tl.Latency = f.latency.Latency
	for _, g := range f.groups {
		if !g.System {
			tl.Latency.Times.Merge(&g.Runnable)
		}
	}
	tl.Latency.Total, tl.Latency.Max = tl.Latency.Times.Sum, tl.Latency.Times.Max
	tl.Latency.Worst = f.latency.worst.list()
	tl.Pauses, tl.PauseCount, tl.PauseTotal = f.pauses.list, f.pauses.total, f.pauseTotal
	tl.Cycles, tl.CycleCount = f.cycles.list, f.cycles.total
	for _, st := range slices.Sorted(maps.Keys(f.assists)) {
		tl.Assists = append(tl.Assists, *f.assists[st])
	}
	sortStable(tl.Assists, func(a, b Assist) bool { return a.Total > b.Total })
	tl.Sweep, tl.GCWork, tl.MMU = f.sweep, f.work, f.mutator.list(t)
	tl.Heap = f.heap.list()
	for _, st := range slices.Sorted(maps.Keys(f.samples)) {
		tl.Samples = append(tl.Samples, StackCount{f.places.all[st].frames, f.samples[st]})
	}
	sortStable(tl.Samples, func(a, b StackCount) bool { return a.Count > b.Count })
	tl.Tasks, tl.Regions = f.listBracketed(f.taskType), f.listBracketed(f.regions)
	tl.Logs, tl.LogCount = f.logs, f.logCount
	tl.Gaps = f.gaps.list
	tl.InFocus = f.focus.regions
	return tl
}

func (f *fold) finishGoroutines(tl *Timeline, t int64) {
	f.goroutines.each(func(g *goroutine) {
		if g.state == waiting && f.counts(g) {
			w := f.waits[g.wait]
			tl.Open = append(tl.Open, OpenWait{
				Goroutine: g.id, Since: time.Duration(g.since), FromStart: g.before && g.atEpoch,
				Reason: w.Reason, Class: w.Class, Stack: w.Stack,
			})
		}
		if g.atEpoch && !g.ever {
			f.groups[g.group].Idle++
		}
		if g.state != unknown {
			f.leave(g, t, true)
		}
		f.endAssist(g, t)
		f.endRegions(g, t)
		if g.delay >= 0 {
			f.count(&f.groups[g.group].Runnable, time.Duration(g.delay))
		}
	})
	tl.OpenCount = len(tl.Open)
	sortStable(tl.Open, func(a, b OpenWait) bool { return a.Since < b.Since })
	if len(tl.Open) > MaxOpen {
		tl.Open = slices.Clone(tl.Open[:MaxOpen])
	}
}

func (f *fold) finishProcs(tl *Timeline, t int64) {
	ps := &f.procs
	f.closeWindow(t)
	for id, p := range ps.all {
		ps.close(f, p, t)
		pp := Proc{ID: id, Running: time.Duration(p.running), Idle: time.Duration(p.idle), IdleWithDemand: time.Duration(p.wanted), Flips: p.flips}
		tl.Procs.PerProc = append(tl.Procs.PerProc, pp)
		tl.Procs.Running += pp.Running
		tl.Procs.Idle += pp.Idle
		tl.Procs.IdleWithDemand += pp.IdleWithDemand
		tl.Procs.Flips += pp.Flips
	}
	tl.Procs.Max, tl.Procs.Changes = ps.max, ps.changes
	tl.Windows = f.windows.list(t, len(ps.all))
}

func (f *fold) listWaits() (waits, calls []Wait) {
	for _, w := range f.waits {
		if w.Count == 0 {
			continue
		}
		w.Worst = w.worst.list()
		if w.reason == f.syscall {
			calls = append(calls, w.Wait)
		} else {
			waits = append(waits, w.Wait)
		}
	}
	longest := func(a, b Wait) bool { return a.Total > b.Total }
	sortStable(waits, longest)
	sortStable(calls, longest)
	return waits, calls
}

func (f *fold) listHolders() []Holder {
	var out []Holder
	keys := slices.SortedFunc(maps.Keys(f.holders), func(a, b holderKey) int {
		return cmp.Or(cmp.Compare(a.unlock, b.unlock), cmp.Compare(a.acquire, b.acquire), cmp.Compare(a.class, b.class))
	})
	for _, k := range keys {
		h := f.holders[k]
		h.Waiter = f.places.all[h.waiters.most()].frames
		h.Times, h.Total = h.times, h.times.Sum
		h.Ran, h.Runnable, h.Syscall = time.Duration(h.ran), time.Duration(h.ready), time.Duration(h.calls)
		h.Blocked = f.listBlocked(h.blocked, false)
		h.LeastBlocked = f.listBlocked(h.least, true)
		h.Holder.Worst = h.bracketed.worst.list()
		out = append(out, h.Holder)
	}
	sortStable(out, func(a, b Holder) bool { return a.Total > b.Total })
	return out
}

// listBlocked lists blocked time by place, longest first; with calls, time in
// system calls too, which is counted apart elsewhere.
func (f *fold) listBlocked(m map[uint32]*blockedAt, calls bool) []Blocked {
	var out []Blocked
	for _, w := range slices.Sorted(maps.Keys(m)) {
		b := m[w]
		if f.waits[w].reason == f.syscall && !calls {
			continue
		}
		out = append(out, Blocked{f.waits[w].Class, f.waits[w].Stack, time.Duration(b.total), b.count})
	}
	sortStable(out, func(a, b Blocked) bool { return a.Total > b.Total })
	return out[:min(len(out), MaxBlocked)]
}

func (f *fold) listWakes() []Wake {
	type sites struct {
		from, to stack.Site
		class    wait.Class
	}
	sums := map[sites]int{}
	var out []Wake
	keys := slices.SortedFunc(maps.Keys(f.edges), func(a, b edgeKey) int {
		return cmp.Or(cmp.Compare(a.wait, b.wait), cmp.Compare(a.from, b.from))
	})
	for _, k := range keys {
		e, w := f.edges[k], f.waits[k.wait]
		key := sites{f.places.all[k.from].site, f.places.all[w.stack].site, w.Class}
		i, ok := sums[key]
		if !ok {
			i = len(out)
			sums[key] = i
			out = append(out, Wake{From: key.from, To: key.to, Class: key.class})
		}
		out[i].Count += e.count
		out[i].Delay += time.Duration(e.delay)
	}
	sortStable(out, func(a, b Wake) bool { return a.Delay > b.Delay })
	return out[:min(len(out), MaxWakes)]
}

func (f *fold) listGroups() []Group {
	var out []Group
	for id, g := range f.groups {
		if id == 0 && g.Created == 0 && g.Ended == 0 && g.Running == 0 && g.Slices.Count == 0 {
			continue
		}
		g.Creator = f.places.all[g.creators.most()].site
		if p := g.partners.most(); p != 0 {
			g.Partner = f.groups[p].Start
		}
		out = append(out, g.Group)
	}
	sortStable(out, func(a, b Group) bool { return a.Running > b.Running })
	return out
}

func (f *fold) listBracketed(m map[string]*bracketed) []Task {
	var out []Task
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s := m[name]
		out = append(out, Task{
			Name: name, Count: s.count, Times: s.times, Worst: s.worst.list(),
			Running: time.Duration(s.ran), Runnable: time.Duration(s.ready), Syscall: time.Duration(s.calls),
			Blocked: f.listBlocked(s.blocked, false),
		})
	}
	sortStable(out, func(a, b Task) bool { return a.Times.Sum > b.Times.Sum })
	return out
}
