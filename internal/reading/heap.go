package reading

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// HeapSum is the four numbers of a heap profile.
type HeapSum struct{ AllocObjects, Alloc, InuseObjects, Inuse int64 }

// Add adds the numbers of another.
func (s *HeapSum) Add(o HeapSum) {
	s.AllocObjects += o.AllocObjects
	s.Alloc += o.Alloc
	s.InuseObjects += o.InuseObjects
	s.Inuse += o.Inuse
}

// HeapSite is what a heap profile holds at one function.
type HeapSite struct {
	HeapSum
	Site stack.Site // with the line that holds most
	Path []string   // of the stack that holds most
	most int64      // what that stack has allocated
	// direct is what the function's own lines allocated, by line and then by the
	// size of the objects; memory that library code allocated for it is left out.
	Direct map[int]map[int64]*HeapSum
	// foreign are lines of direct that are a library's, whose allocations the function answers for.
	Foreign map[int]bool
	// syncMap is the part allocated inside a sync.Map.
	SyncMap HeapSum
	stack   stack.Stack // that one
	samples []*pprofile.Sample
}

// HeapView is a heap profile by function.
type HeapView struct {
	HeapSum // without the recorder's own buffers
	Sites   map[string]*HeapSite
}

// heapValues returns how to read the four numbers of a sample.
func heapValues(p *pprofile.Profile) func(*pprofile.Sample) HeapSum {
	columns := [4]int{p.Column("alloc_objects"), p.Column("alloc_space"), p.Column("inuse_objects"), p.Column("inuse_space")}
	return func(s *pprofile.Sample) HeapSum {
		var v [4]int64
		for i, column := range columns {
			if column >= 0 {
				v[i] = s.Values[column]
			}
		}
		return HeapSum{v[0], v[1], v[2], v[3]}
	}
}

// readHeap adds a heap profile up by the function that answers for the memory.
// What the recorder of the evidence allocated itself is left out.
func readHeap(p *pprofile.Profile) *HeapView { return readHeapOf(p, nil) }

// readHeapOf is readHeap for the stacks that keep picks; all when it is nil.
func readHeapOf(p *pprofile.Profile, keep func(stack.Stack) bool) *HeapView {
	v := &HeapView{Sites: map[string]*HeapSite{}}
	value := heapValues(p)
	for i := range p.Samples {
		s := &p.Samples[i]
		if len(s.Stack) == 0 || Recorders(s.Stack) || keep != nil && !keep(s.Stack) {
			continue
		}
		sum := value(s)
		v.Add(sum)
		site := s.Stack.Owner()
		h := v.Sites[site.Function]
		if h == nil {
			h = &HeapSite{Site: site, most: -1, Direct: map[int]map[int64]*HeapSum{}, Foreign: map[int]bool{}}
			v.Sites[site.Function] = h
		}
		h.Add(sum)
		if weight := max(sum.Alloc, sum.Inuse); weight > h.most {
			h.most, h.Site, h.stack = weight, site, s.Stack
		}
		if SyncMap(s.Stack) {
			h.SyncMap.Add(sum)
		}
		h.samples = append(h.samples, s)
		// Leading runtime frames are cut (runtime/pprof/protomem.go), so what the
		// runtime allocated for a line of the function stands on that line itself.
		if leaf := s.Stack[0]; s.Size > 0 && !stack.Standard(leaf.Function) {
			if stack.Normal(leaf.Function) != site.Function {
				h.Foreign[leaf.Line] = true
			}
			sizes := h.Direct[leaf.Line]
			if sizes == nil {
				sizes = map[int64]*HeapSum{}
				h.Direct[leaf.Line] = sizes
			}
			if sizes[s.Size] == nil {
				sizes[s.Size] = &HeapSum{}
			}
			sizes[s.Size].Add(sum)
		}
	}
	for _, h := range v.Sites {
		h.Path = h.stack.Path()
	}
	return v
}

// Recorders reports whether a stack is one of the tools that record evidence:
// their buffers are in every heap they record.
func Recorders(s stack.Stack) bool {
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

// SyncMap reports whether memory was allocated by a sync.Map: since Go 1.24 a
// tree of internal/sync, before that the maps in sync/map.go.
func SyncMap(s stack.Stack) bool {
	for _, f := range s {
		switch pkg := stack.Package(f.Function); pkg {
		case "internal/sync", "sync":
			if name := stack.Normal(f.Function); HasAnyPrefix(name, "internal/sync.(*HashTrieMap", "internal/sync.newEntryNode", "internal/sync.newIndirectNode", "sync.(*Map).", "sync.newEntry") {
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

// HasAnyPrefix reports whether s begins with one of prefixes.
func HasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(s) >= len(p) && s[:len(p)] == p {
			return true
		}
	}
	return false
}

// HeapSeries is heap profiles of one process, oldest first.
type HeapSeries struct {
	Exhibits []*evidence.Exhibit
	Views    []*HeapView
	Dropped  int // older exhibits that do not belong to the same process
}

// First is the oldest profile of the series.
func (s *HeapSeries) First() *HeapView { return s.Views[0] }

// Last is the newest.
func (s *HeapSeries) Last() *HeapView { return s.Views[len(s.Views)-1] }

// LastExhibit is the exhibit of the newest.
func (s *HeapSeries) LastExhibit() *evidence.Exhibit { return s.Exhibits[len(s.Exhibits)-1] }

// Added makes a command show what was added since the first snapshot, where there are several.
func (s *HeapSeries) Added(command claim.Command) claim.Command {
	if len(s.Views) < 2 {
		return command
	}
	return claim.Since(s.Exhibits[0], command)
}

// Span is the time from the first to the last snapshot; 0 when unknown.
func (s *HeapSeries) Span() time.Duration {
	from, to := s.Exhibits[0].CapturedAt, s.LastExhibit().CapturedAt
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return to.Sub(from)
}

// HeapOf is OneProcess, read once for all who ask about a case.
func HeapOf(c claim.Process, exhibits []*evidence.Exhibit) *HeapSeries {
	type series struct { // by which exhibits it is: a case can hold several builds
		first, last *evidence.Exhibit
		n           int
	}
	return claim.Once(c, series{exhibits[0], exhibits[len(exhibits)-1], len(exhibits)}, func() *HeapSeries { return OneProcess(exhibits) })
}

// OneProcess returns the newest heap profile and those before it that can be of
// the same process: what a process has allocated never becomes less, so an
// earlier profile with more of it belongs to another run.
func OneProcess(exhibits []*evidence.Exhibit) *HeapSeries {
	s := &HeapSeries{}
	for i := len(exhibits) - 1; i >= 0; i-- {
		e := exhibits[i]
		// A profile over ?seconds=N is a difference and no state to compare with.
		if e.Duration > 0 && len(exhibits) > 1 {
			s.Dropped++
			continue
		}
		v := readHeap(e.Profile())
		if len(s.Views) > 0 {
			next := s.Exhibits[0]
			if e.Profile().Period != next.Profile().Period || !before(v, s.Views[0]) || !e.CapturedAt.IsZero() && e.CapturedAt.Equal(next.CapturedAt) {
				s.Dropped++
				continue
			}
		}
		s.Exhibits = slices.Insert(s.Exhibits, 0, e)
		s.Views = slices.Insert(s.Views, 0, v)
	}
	if len(s.Views) == 0 { // nothing but differences
		e := Latest(exhibits)
		s.Exhibits, s.Views = []*evidence.Exhibit{e}, []*HeapView{readHeap(e.Profile())}
	}
	return s
}

// before reports whether a can be an earlier state of the process that b is of:
// at most a hundredth of what a had allocated may be missing from b, which
// leaves room for the rounding of scaled samples.
func before(a, b *HeapView) bool {
	var missing int64
	for name, h := range a.Sites {
		var later int64
		if l := b.Sites[name]; l != nil {
			later = l.Alloc
		}
		missing += max(h.Alloc-later, 0)
	}
	return missing <= a.Alloc/blurred
}

// Growth is how the memory in use at one place changed over a series.
type Growth struct {
	Name   string
	Values []int64 // inuse_space in each snapshot
	Grown  int64   // last less first
	noise  float64 // three standard errors of grown, from sampling
	Made   int64   // allocated meanwhile
	events int64   // allocations meanwhile
	Kept   float64 // part of what was allocated meanwhile that is still in use, 0 to 1
}

// Growth gathers one number of a site over all snapshots.
func (s *HeapSeries) Growth(name string, pick func(*HeapSite) HeapSum) Growth {
	g := Growth{Name: name}
	var sums []HeapSum
	for _, v := range s.Views {
		var sum HeapSum
		if h := v.Sites[name]; h != nil {
			sum = pick(h)
		}
		sums = append(sums, sum)
		g.Values = append(g.Values, sum.Inuse)
	}
	first, last := sums[0], sums[len(sums)-1]
	g.Grown = last.Inuse - first.Inuse
	allocated := max(last.Alloc-first.Alloc, 0)
	g.Made, g.events = allocated, max(last.AllocObjects-first.AllocObjects, 0)
	period := max(float64(s.LastExhibit().Profile().Period), 1)
	if allocated > 0 {
		g.Kept = min(max(float64(g.Grown)/float64(allocated), 0), 1)
	}
	v := variance(first, last, period)
	if sigmas*sigmas*v > float64(g.Grown)*float64(g.Grown) {
		v = min(v, s.variance(name, period))
	}
	g.noise = sigmas * math.Sqrt(v)
	return g
}

// variance is how far sampling alone may move the memory in use of objects that are alike, as a variance in bytes.
//
// An object of a size is sampled with probability 1-exp(-size/period) (runtime/mprof.go), which makes each byte count
// for up to a period in the variance, and for nothing where objects are so large that none is missed. What counts is
// the bytes that came and stayed or were there and went: what came and went in between is in neither profile.
func variance(first, last HeapSum, period float64) float64 {
	weight := period
	if last.InuseObjects > 0 && last.Inuse > 0 {
		mean := float64(last.Inuse) / float64(last.InuseObjects)
		weight = mean / math.Expm1(mean/period)
	}
	grown := last.Inuse - first.Inuse
	allocated := max(last.Alloc-first.Alloc, 0)
	// As many bytes may have been replaced by others as were there before, as are there now, and as were allocated beyond the growth.
	replaced := max(min(first.Inuse, last.Inuse, allocated-max(grown, 0)), 0)
	return float64(max(grown, -grown)+2*replaced) * weight
}

// variance is that of all memory at a site, kind by kind of object: garbage does not blur what stays.
func (s *HeapSeries) variance(name string, period float64) float64 {
	seed := maphash.MakeSeed()
	var kinds [2]map[uint64]HeapSum // by stack and size, in the first and the last profile
	for i, v := range []*HeapView{s.First(), s.Last()} {
		kinds[i] = map[uint64]HeapSum{}
		h := v.Sites[name]
		if h == nil {
			continue
		}
		value := heapValues([]*evidence.Exhibit{s.Exhibits[0], s.LastExhibit()}[i].Profile())
		for _, sample := range h.samples {
			var hash maphash.Hash
			hash.SetSeed(seed)
			for _, f := range sample.Stack {
				maphash.WriteComparable(&hash, *f)
			}
			maphash.WriteComparable(&hash, sample.Size)
			sum := kinds[i][hash.Sum64()]
			sum.Add(value(sample))
			kinds[i][hash.Sum64()] = sum
		}
	}
	var sum int64 // of whole bytes, so that it does not depend on the order
	for kind, last := range kinds[1] {
		sum += int64(variance(kinds[0][kind], last, period))
		delete(kinds[0], kind)
	}
	for _, first := range kinds[0] {
		sum += int64(variance(first, HeapSum{Alloc: first.Alloc, AllocObjects: first.AllocObjects}, period))
	}
	return float64(sum)
}

// Part is the series with nothing but the stacks that keep picks.
func (s *HeapSeries) Part(keep func(stack.Stack) bool) *HeapSeries {
	out := &HeapSeries{Exhibits: s.Exhibits, Dropped: s.Dropped}
	for _, e := range s.Exhibits {
		out.Views = append(out.Views, readHeapOf(e.Profile(), keep))
	}
	return out
}

// How growth is told from noise.
const (
	// Several is how many moments tell a growth that goes on from one that took place once.
	Several = 3
	sigmas  = 3   // standard errors within which sampling alone may move a sum: 99.7 %
	aStep   = 8   // one part of so many of a growth is a step of it
	blurred = 100 // one part of so many is as good as nothing
)

// Steady reports whether the growth went on over the whole series of three or
// more snapshots, rather than at its start, as a warm-up does.
func (g Growth) Steady() bool {
	n := len(g.Values)
	if n < Several {
		return false
	}
	for i := 1; i < n; i++ {
		if float64(g.Values[i]-g.Values[i-1]) < -g.noise/sigmas {
			return false
		}
	}
	return g.Values[n-1]-g.Values[n/2] >= g.Grown/LateRise
}

// Ended reports whether a series of three or more snapshots shows that the growth stopped.
func (g Growth) Ended() bool { return len(g.Values) >= Several && !g.Steady() }

// Step reports whether what grew came in one piece: with one allocation, or between two of three or more
// snapshots that are alike before and after. Snapshots without a collection between them are alike.
func (g Growth) Step() bool {
	steps, alike := 0, 0
	for i := 1; i < len(g.Values); i++ {
		switch d := g.Values[i] - g.Values[i-1]; {
		case d >= g.Grown/aStep:
			steps++
		case float64(max(d, -d)) <= max(g.noise/sigmas, float64(g.Values[i])/blurred):
			alike++
		}
	}
	return g.events == 1 || steps == 1 && alike > 0
}

// Unsure says at which place memory grew by least or more, though by no more than
// sampling can bring about; empty when there is none. Such growth is neither shown nor denied.
func (s *HeapSeries) Unsure(least float64, pick func(*HeapSite) HeapSum) claim.Text {
	if len(s.Views) < 2 {
		return ""
	}
	var most Growth
	for name := range s.Last().Sites {
		g := s.Growth(name, pick)
		// A series that went up and down again has shown what there is to see.
		if !g.Ended() && float64(g.Grown) >= least && float64(g.Grown) < g.noise && (g.Grown > most.Grown || g.Grown == most.Grown && name < most.Name) {
			most = g
		}
	}
	if most.Name == "" {
		return ""
	}
	return claim.Textf("memory of %s grew by %s, which is within the sampling error of %s", claim.Func(most.Name), evidence.Size(most.Grown), evidence.Size(int64(most.noise)))
}

// Growing returns the functions whose memory in use grew over the series by at
// least least bytes and part of what they held, most first.
func (s *HeapSeries) Growing(least, part float64, pick func(*HeapSite) HeapSum) []Growth {
	var out []Growth
	if len(s.Views) < 2 {
		return nil
	}
	for name := range s.Last().Sites {
		g := s.Growth(name, pick)
		// What sampling alone can bring about is no growth.
		if float64(g.Grown) < max(least, g.noise) || float64(g.Grown) < part*float64(g.Values[0]) {
			continue
		}
		// What fell by more than it grew in all goes up and down.
		if slices.Max(g.Values)-g.Values[len(g.Values)-1] > g.Grown {
			continue
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Growth) int {
		return cmp.Or(-cmp.Compare(a.Grown, b.Grown), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Sorted lists the sites of a heap profile by name.
func (v *HeapView) Sorted() []*HeapSite {
	out := make([]*HeapSite, 0, len(v.Sites))
	for _, h := range v.Sites {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b *HeapSite) int { return cmp.Compare(a.Site.Function, b.Site.Function) })
	return out
}
