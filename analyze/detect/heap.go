package detect

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// heapSum is the four numbers of a heap profile.
type heapSum struct{ allocObjects, alloc, inuseObjects, inuse int64 }

func (s *heapSum) add(o heapSum) {
	s.allocObjects += o.allocObjects
	s.alloc += o.alloc
	s.inuseObjects += o.inuseObjects
	s.inuse += o.inuse
}

// heapSite is what a heap profile holds at one function.
type heapSite struct {
	heapSum
	site stack.Site // with the line that holds most
	path []string   // of the stack that holds most
	most int64      // what that stack has allocated
	// direct is what the function's own lines allocated, by line and then by the
	// size of the objects; memory that library code allocated for it is left out.
	direct map[int]map[int64]*heapSum
	// foreign are lines of direct that are a library's, whose allocations the function answers for.
	foreign map[int]bool
	// syncMap is the part allocated inside a sync.Map.
	syncMap heapSum
	samples []*pprofile.Sample
}

// heapView is a heap profile by function.
type heapView struct {
	heapSum // without the recorder's own buffers
	sites   map[string]*heapSite
}

// heapValues returns how to read the four numbers of a sample.
func heapValues(p *pprofile.Profile) func(*pprofile.Sample) heapSum {
	columns := [4]int{p.Column("alloc_objects"), p.Column("alloc_space"), p.Column("inuse_objects"), p.Column("inuse_space")}
	return func(s *pprofile.Sample) heapSum {
		var v [4]int64
		for i, column := range columns {
			if column >= 0 {
				v[i] = s.Values[column]
			}
		}
		return heapSum{v[0], v[1], v[2], v[3]}
	}
}

// readHeap adds a heap profile up by the function that answers for the memory.
// What the recorder of the evidence allocated itself is left out.
func readHeap(p *pprofile.Profile) *heapView { return readHeapOf(p, nil) }

// readHeapOf is readHeap for the stacks that keep picks; all when it is nil.
func readHeapOf(p *pprofile.Profile, keep func(stack.Stack) bool) *heapView {
	v := &heapView{sites: map[string]*heapSite{}}
	value := heapValues(p)
	for i := range p.Samples {
		s := &p.Samples[i]
		if len(s.Stack) == 0 || recorders(s.Stack) || keep != nil && !keep(s.Stack) {
			continue
		}
		sum := value(s)
		v.add(sum)
		site := s.Stack.Owner()
		h := v.sites[site.Function]
		if h == nil {
			h = &heapSite{site: site, most: -1, direct: map[int]map[int64]*heapSum{}, foreign: map[int]bool{}}
			v.sites[site.Function] = h
		}
		h.add(sum)
		if weight := max(sum.alloc, sum.inuse); weight > h.most {
			h.most, h.site, h.path = weight, site, s.Stack.Path()
		}
		if syncMap(s.Stack) {
			h.syncMap.add(sum)
		}
		h.samples = append(h.samples, s)
		// Leading runtime frames are cut (runtime/pprof/protomem.go), so what the
		// runtime allocated for a line of the function stands on that line itself.
		if leaf := s.Stack[0]; s.Size > 0 && !stack.Standard(leaf.Function) {
			if stack.Normal(leaf.Function) != site.Function {
				h.foreign[leaf.Line] = true
			}
			sizes := h.direct[leaf.Line]
			if sizes == nil {
				sizes = map[int64]*heapSum{}
				h.direct[leaf.Line] = sizes
			}
			if sizes[s.Size] == nil {
				sizes[s.Size] = &heapSum{}
			}
			sizes[s.Size].add(sum)
		}
	}
	return v
}

// recorders reports whether a stack is one of the tools that record evidence:
// their buffers are in every heap they record.
func recorders(s stack.Stack) bool {
	for _, f := range s {
		// A frame of the application comes first where it merely runs under pprof.Do.
		if !stack.Standard(f.Function) {
			return false
		}
		switch stack.Package(f.Function) {
		case "runtime/pprof", "runtime/trace", "net/http/pprof":
			return true
		}
	}
	return false
}

// syncMap reports whether memory was allocated by a sync.Map: since Go 1.24 a
// tree of internal/sync, before that the maps in sync/map.go.
func syncMap(s stack.Stack) bool {
	for _, f := range s {
		switch pkg := stack.Package(f.Function); pkg {
		case "internal/sync", "sync":
			if name := stack.Normal(f.Function); hasAnyPrefix(name, "internal/sync.(*HashTrieMap", "internal/sync.newEntryNode", "internal/sync.newIndirectNode", "sync.(*Map).", "sync.newEntry") {
				return true
			}
		default:
			if !stack.Plumbing(f.Function) {
				return false
			}
		}
	}
	return false
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(s) >= len(p) && s[:len(p)] == p {
			return true
		}
	}
	return false
}

// heapSeries is heap profiles of one process, oldest first.
type heapSeries struct {
	exhibits []*evidence.Exhibit
	views    []*heapView
	dropped  int // older exhibits that do not belong to the same process
}

func (s *heapSeries) first() *heapView               { return s.views[0] }
func (s *heapSeries) last() *heapView                { return s.views[len(s.views)-1] }
func (s *heapSeries) lastExhibit() *evidence.Exhibit { return s.exhibits[len(s.exhibits)-1] }

// added makes a command show what was added since the first snapshot, where there are several.
func (s *heapSeries) added(command claim.Command) claim.Command {
	if len(s.views) < 2 {
		return command
	}
	return claim.Since(s.exhibits[0], command)
}

// span is the time from the first to the last snapshot; 0 when unknown.
func (s *heapSeries) span() time.Duration {
	from, to := s.exhibits[0].CapturedAt, s.lastExhibit().CapturedAt
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return to.Sub(from)
}

// oneProcess returns the newest heap profile and those before it that can be of
// the same process: what a process has allocated never becomes less, so an
// earlier profile with more of it belongs to another run.
func oneProcess(exhibits []*evidence.Exhibit) *heapSeries {
	s := &heapSeries{}
	for i := len(exhibits) - 1; i >= 0; i-- {
		e := exhibits[i]
		// A profile over ?seconds=N is a difference and no state to compare with.
		if e.Duration > 0 && len(exhibits) > 1 {
			s.dropped++
			continue
		}
		v := readHeap(e.Profile)
		if len(s.views) > 0 {
			next := s.exhibits[0]
			if e.Profile.Period != next.Profile.Period || !before(v, s.views[0]) || !e.CapturedAt.IsZero() && e.CapturedAt.Equal(next.CapturedAt) {
				s.dropped++
				continue
			}
		}
		s.exhibits = slices.Insert(s.exhibits, 0, e)
		s.views = slices.Insert(s.views, 0, v)
	}
	if len(s.views) == 0 { // nothing but differences
		e := latest(exhibits)
		s.exhibits, s.views = []*evidence.Exhibit{e}, []*heapView{readHeap(e.Profile)}
	}
	return s
}

// before reports whether a can be an earlier state of the process that b is of:
// at most a hundredth of what a had allocated may be missing from b, which
// leaves room for the rounding of scaled samples.
func before(a, b *heapView) bool {
	var missing int64
	for name, h := range a.sites {
		var later int64
		if l := b.sites[name]; l != nil {
			later = l.alloc
		}
		missing += max(h.alloc-later, 0)
	}
	return missing <= a.alloc/100
}

// growth is how the memory in use at one place changed over a series.
type growth struct {
	name   string
	values []int64 // inuse_space in each snapshot
	grown  int64   // last less first
	noise  float64 // three standard errors of grown, from sampling
	made   int64   // allocated meanwhile
	events int64   // allocations meanwhile
	kept   float64 // part of what was allocated meanwhile that is still in use, 0 to 1
}

// series gathers one number of a site over all snapshots.
func (s *heapSeries) growth(name string, pick func(*heapSite) heapSum) growth {
	g := growth{name: name}
	var sums []heapSum
	for _, v := range s.views {
		var sum heapSum
		if h := v.sites[name]; h != nil {
			sum = pick(h)
		}
		sums = append(sums, sum)
		g.values = append(g.values, sum.inuse)
	}
	first, last := sums[0], sums[len(sums)-1]
	g.grown = last.inuse - first.inuse
	allocated := max(last.alloc-first.alloc, 0)
	g.made, g.events = allocated, max(last.allocObjects-first.allocObjects, 0)
	period := max(float64(s.lastExhibit().Profile.Period), 1)
	if allocated > 0 {
		g.kept = min(max(float64(g.grown)/float64(allocated), 0), 1)
	}
	v := variance(first, last, period)
	if 9*v > float64(g.grown)*float64(g.grown) {
		v = min(v, s.variance(name, period))
	}
	g.noise = 3 * math.Sqrt(v)
	return g
}

// variance is how far sampling alone may move the memory in use of objects that are alike, as a variance in bytes.
//
// An object of a size is sampled with probability 1-exp(-size/period) (runtime/mprof.go), which makes each byte count
// for up to a period in the variance, and for nothing where objects are so large that none is missed. What counts is
// the bytes that came and stayed or were there and went: what came and went in between is in neither profile.
func variance(first, last heapSum, period float64) float64 {
	weight := period
	if last.inuseObjects > 0 && last.inuse > 0 {
		mean := float64(last.inuse) / float64(last.inuseObjects)
		weight = mean / math.Expm1(mean/period)
	}
	grown := last.inuse - first.inuse
	allocated := max(last.alloc-first.alloc, 0)
	// As many bytes may have been replaced by others as were there before, as are there now, and as were allocated beyond the growth.
	replaced := max(min(first.inuse, last.inuse, allocated-max(grown, 0)), 0)
	return float64(max(grown, -grown)+2*replaced) * weight
}

// variance is that of all memory at a site, kind by kind of object: garbage does not blur what stays.
func (s *heapSeries) variance(name string, period float64) float64 {
	seed := maphash.MakeSeed()
	var kinds [2]map[uint64]heapSum // by stack and size, in the first and the last profile
	for i, v := range []*heapView{s.first(), s.last()} {
		kinds[i] = map[uint64]heapSum{}
		h := v.sites[name]
		if h == nil {
			continue
		}
		value := heapValues([]*evidence.Exhibit{s.exhibits[0], s.lastExhibit()}[i].Profile)
		for _, sample := range h.samples {
			var hash maphash.Hash
			hash.SetSeed(seed)
			for _, f := range sample.Stack {
				maphash.WriteComparable(&hash, f)
			}
			maphash.WriteComparable(&hash, sample.Size)
			sum := kinds[i][hash.Sum64()]
			sum.add(value(sample))
			kinds[i][hash.Sum64()] = sum
		}
	}
	var sum int64 // of whole bytes, so that it does not depend on the order
	for kind, last := range kinds[1] {
		sum += int64(variance(kinds[0][kind], last, period))
		delete(kinds[0], kind)
	}
	for _, first := range kinds[0] {
		sum += int64(variance(first, heapSum{alloc: first.alloc, allocObjects: first.allocObjects}, period))
	}
	return float64(sum)
}

// part is the series with nothing but the stacks that keep picks.
func (s *heapSeries) part(keep func(stack.Stack) bool) *heapSeries {
	out := &heapSeries{exhibits: s.exhibits, dropped: s.dropped}
	for _, e := range s.exhibits {
		out.views = append(out.views, readHeapOf(e.Profile, keep))
	}
	return out
}

// steady reports whether the growth went on over the whole series of three or
// more snapshots, rather than at its start, as a warm-up does.
func (g growth) steady() bool {
	n := len(g.values)
	if n < 3 {
		return false
	}
	for i := 1; i < n; i++ {
		if float64(g.values[i]-g.values[i-1]) < -g.noise/3 {
			return false
		}
	}
	return g.values[n-1]-g.values[n/2] >= g.grown/4
}

// ended reports whether a series of three or more snapshots shows that the growth stopped.
func (g growth) ended() bool { return len(g.values) >= 3 && !g.steady() }

// step reports whether what grew came in one piece: with one allocation, or between two of three or more
// snapshots that are alike before and after. Snapshots without a collection between them are alike.
func (g growth) step() bool {
	steps, alike := 0, 0
	for i := 1; i < len(g.values); i++ {
		switch d := g.values[i] - g.values[i-1]; {
		case d >= g.grown/8:
			steps++
		case float64(max(d, -d)) <= max(g.noise/3, float64(g.values[i])/100):
			alike++
		}
	}
	return g.events == 1 || steps == 1 && alike > 0
}

// unsure says at which place memory grew by least or more, though by no more than
// sampling can bring about; empty when there is none. Such growth is neither shown nor denied.
func (s *heapSeries) unsure(least float64, pick func(*heapSite) heapSum) string {
	if len(s.views) < 2 {
		return ""
	}
	var most growth
	for name := range s.last().sites {
		g := s.growth(name, pick)
		// A series that went up and down again has shown what there is to see.
		if !g.ended() && float64(g.grown) >= least && float64(g.grown) < g.noise && (g.grown > most.grown || g.grown == most.grown && name < most.name) {
			most = g
		}
	}
	if most.name == "" {
		return ""
	}
	return fmt.Sprintf("memory of %s grew by %s, which is within the sampling error of %s", most.name, size(most.grown), size(int64(most.noise)))
}

// growing returns the functions whose memory in use grew over the series by at
// least least bytes and part of what they held, most first.
func (s *heapSeries) growing(least, part float64, pick func(*heapSite) heapSum) []growth {
	var out []growth
	if len(s.views) < 2 {
		return nil
	}
	for name := range s.last().sites {
		g := s.growth(name, pick)
		// What sampling alone can bring about is no growth.
		if float64(g.grown) < max(least, g.noise) || float64(g.grown) < part*float64(g.values[0]) {
			continue
		}
		// What fell by more than it grew in all goes up and down.
		if slices.Max(g.values)-g.values[len(g.values)-1] > g.grown {
			continue
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b growth) int {
		return cmp.Or(-cmp.Compare(a.grown, b.grown), cmp.Compare(a.name, b.name))
	})
	return out
}
