package account

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// The kinds of parts of memory.
const (
	Held    = "held"     // in use, allocated for the function
	InMap   = "map"      // the same, in the tables of a map
	InSync  = "sync.Map" // the same, in a sync.Map
	Live    = "live"     // in use, by whom is not known
	Stacks  = "stacks"
	Globals = "globals"
)

var whatMemory = map[string]claim.Text{
	Held: "in use", InMap: "in use in a map", InSync: "in use in a sync.Map", Runtime: "in use by the runtime", claim.PartRecorder: "buffers of the recorder of the evidence",
	Live: "live heap", claim.PartHeadroom: "room up to the goal of the next collection", Stacks: "stacks of goroutines", Globals: "global variables",
}

func memoryPart(kind string, value int64, at stack.Site) claim.AccountPart {
	return claim.AccountPart{Kind: kind, What: whatMemory[kind], Site: site(at), Value: value}
}

// tables is how many equal blocks make a map, as map-growth has it.
const tables = 16

// memory are the accounts of the memory: of a heap profile by who holds it, of a log of the collector beside it, of a trace where neither is there.
func (c Case) memory() (out []claim.Account) {
	if all := c.Exhibits[evidence.Heap]; len(all) > 0 {
		out = append(out, c.held(reading.HeapOf(c.Process, all))...)
	}
	if e := c.last(evidence.GCTrace); e != nil && e.GC() != nil {
		out = append(out, collected(e)...)
	}
	if e := c.last(evidence.Trace); e != nil && e.Trace() != nil && len(out) == 0 {
		out = append(out, traced(e)...)
	}
	return out
}

// held is the account of the newest heap profile of a series, with what the parts were in the first.
func (c Case) held(series *reading.HeapSeries) []claim.Account {
	e, first := series.LastExhibit(), series.Exhibits[0]
	p := e.Profile()
	column := p.Column("inuse_space")
	whole := p.Total(column)
	if column < 0 || whole == 0 {
		return nil
	}
	shapes := map[string]reading.MapShape{}
	for name, h := range series.Last().Sites {
		shapes[name] = reading.MapsOf(h, tables, reading.TableMaps(c.Process.GoVersion))
	}
	a := claim.Account{
		Name: claim.MemoryAccount, Exhibit: e.ID, Unit: evidence.Bytes, Whole: whole, Show: claim.Top(e, "inuse_space"),
		What: "memory in use, as of the last collection before the heap profile was taken",
	}
	var s sums
	each := func(p *pprofile.Profile, take func(part claim.AccountPart, bytes, objects int64)) {
		bytes, objects := p.Column("inuse_space"), p.Column("inuse_objects")
		for i := range p.Samples {
			x := &p.Samples[i]
			if len(x.Stack) == 0 || bytes < 0 {
				continue
			}
			n := int64(0)
			if objects >= 0 {
				n = x.Values[objects]
			}
			take(holder(x, shapes), x.Values[bytes], n)
		}
	}
	each(p, func(part claim.AccountPart, bytes, objects int64) {
		part.Value, part.Count = bytes, objects
		s.add(part)
	})
	if first != e {
		before := first.Profile().Total(first.Profile().Column("inuse_space"))
		a.Before, a.Over = &before, int64(max(series.Span(), 0))
		for _, x := range s.order {
			x.Before = plus(nil, 0)
		}
		each(first.Profile(), func(part claim.AccountPart, bytes, _ int64) {
			x := s.add(part)
			x.Before = plus(x.Before, bytes)
		})
	}
	a = s.into(a)
	weigh := reading.InColumn(column)
	for i := range a.Parts[:min(len(a.Parts), reading.MaxSites)] {
		if q := &a.Parts[i]; q.Site.Function != "" {
			q.By = callerOf(p, q.Site, weigh)
			q.Show = claim.Peek(e, "inuse_space", stack.Site(q.Site))
			switch {
			case q.Kind == Held:
				q.Show = reading.PeekOwn(e, "inuse_space", stack.Site(q.Site), nil)
			case q.Kind == InMap || q.Kind == InSync:
				q.Show = q.Show.With(shapes[q.Site.Function].Focus())
			}
		}
	}
	a.Summary = heldWords(&a)
	return []claim.Account{a}
}

// holder is the part that a sample of a heap profile belongs to.
func holder(x *pprofile.Sample, shapes map[string]reading.MapShape) claim.AccountPart {
	if reading.Recorders(x.Stack) {
		return memoryPart(claim.PartRecorder, 0, stack.Site{})
	}
	owner := x.Stack.Owner()
	switch shape := shapes[owner.Function]; {
	case stack.Plumbing(owner.Function):
		return memoryPart(Runtime, 0, stack.Site{})
	case shape.SyncMap && reading.SyncMap(x.Stack):
		return memoryPart(InSync, 0, owner)
	case shape.Holds(x):
		return memoryPart(InMap, 0, owner)
	}
	return memoryPart(Held, 0, owner)
}

// heldWords says who holds most of the memory, and what grew most.
func heldWords(a *claim.Account) claim.Text {
	out := claim.Textf("Memory: %s live", evidence.Size(a.Whole))
	if a.Before != nil && grew(*a.Before, a.Whole) {
		out += ", " + evidence.Size(*a.Before) + " " + evidence.Duration(time.Duration(a.Over)).Text() + " before"
		if a.Over <= 0 {
			out = claim.Textf("Memory: %s live, %s in the first profile", evidence.Size(a.Whole), evidence.Size(*a.Before))
		}
	}
	most := largest(a, claim.PartRecorder, Runtime)
	if most == nil {
		return out
	}
	out += "; " + share(most.Value, a.Whole) + " held by " + claim.Func(most.Site.Function).Text()
	switch most.Kind {
	case InMap:
		out += " in a map"
	case InSync:
		out += " in a sync.Map"
	}
	// What grew is named where it is not the same.
	var risen *claim.AccountPart
	for i := range a.Parts {
		q := &a.Parts[i]
		if q.Before != nil && q.Site.Function != "" && (risen == nil || q.Value-*q.Before > risen.Value-*risen.Before) {
			risen = q
		}
	}
	if risen != nil && risen != most && risen.Value > *risen.Before && a.Before != nil && grew(*a.Before, a.Whole) && 2*(risen.Value-*risen.Before) > a.Whole-*a.Before {
		out += "; " + claim.Func(risen.Site.Function).Text() + " grew by " + evidence.Size(risen.Value-*risen.Before)
	}
	return out
}

// grew reports whether memory changed by more than a twentieth, which is the least that is worth a word.
func grew(before, after int64) bool { return max(after-before, before-after)*20 >= max(before, after) }

// collected is the account of the last stretch of a log of the collector.
func collected(e *evidence.Exhibit) []claim.Account {
	g := e.GC()
	w := g.Total
	if n := len(g.Windows); n > 0 {
		w = g.Windows[n-1]
	}
	if w.Live < 0 || w.Goal < 0 || g.Stacks < 0 || g.Globals < 0 || w.Live+w.Goal == 0 {
		return nil
	}
	var s sums
	s.add(memoryPart(Live, w.Live, stack.Site{}))
	s.add(memoryPart(claim.PartHeadroom, max(w.Goal-w.Live, 0), stack.Site{}))
	s.add(memoryPart(Stacks, g.Stacks, stack.Site{}))
	s.add(memoryPart(Globals, g.Globals, stack.Site{}))
	a := claim.Account{
		Name: claim.MemoryAccount, Exhibit: e.ID, Unit: evidence.Bytes, Whole: max(w.Live, w.Goal) + g.Stacks + g.Globals, Show: claim.Grep(e, "gc "),
		What: "heap up to its goal, stacks and globals, as the last lines of gctrace have them",
	}
	a = s.into(a)
	a.Summary = claim.Textf("Memory: %s live of a heap goal of %s", wholeMiB(w.Live), evidence.Size(w.Goal))
	if g.Stacks > 0 && g.Stacks*10 >= w.Live {
		a.Summary += ", " + evidence.Size(g.Stacks) + " of stacks"
	}
	a.Summary += "; a heap profile would show who holds it"
	return []claim.Account{a}
}

// wholeMiB is a size as gctrace prints it, which cuts it to whole MiB.
func wholeMiB(n int64) claim.Text {
	if n < 1<<20 {
		return "less than " + evidence.Size(1<<20)
	}
	return evidence.Size(n)
}

// traced is the account of the last values of the heap's metrics in a trace.
func traced(e *evidence.Exhibit) []claim.Account {
	heap := e.Trace().Heap
	if len(heap) == 0 {
		return nil
	}
	last := heap[len(heap)-1]
	if last.Live > 1<<61 || last.Goal > 1<<61 || last.Live == 0 {
		return nil
	}
	live, goal := int64(last.Live), int64(last.Goal)
	var s sums
	s.add(memoryPart(Live, live, stack.Site{}))
	s.add(memoryPart(claim.PartHeadroom, max(goal-live, 0), stack.Site{}))
	a := s.into(claim.Account{
		Name: claim.MemoryAccount, Exhibit: e.ID, Unit: evidence.Bytes, Whole: max(live, goal), What: "heap up to its goal, at the end of the trace",
		Show: claim.TraceView(e, "View trace: the counter Heap at its end"),
	})
	a.Summary = claim.Textf("Memory: %s in the heap at the end", evidence.Size(live))
	if goal > 0 {
		a.Summary += ", of a goal of " + evidence.Size(goal)
	}
	a.Summary += "; a heap profile would show who holds it"
	return []claim.Account{a}
}
