package memory

import (
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// ContextRetention claims that contexts, or what they carry, are kept.
var ContextRetention = &claim.Detector{
	ID:    "context-retention",
	Title: "Contexts are kept",
	Doc: `Contexts are derived and never let go of. A context that can be cancelled is kept by the one it was derived from until it is cancelled: where that one lives as long as the
program, each forgotten cancel function keeps a context and all the values it carries. Values added to a context again and again make a chain that only grows.

**How it is measured.** In heap profiles of one process: memory in use that the functions of package context allocated, by the first function outside the standard library; it must grow from one profile to the next by
more than sampling can bring about. Goroutines in a dump or goroutine profile that wait for a parent context on behalf of a child vouch for it (they exist where the parent is no context of the standard library).

**When it is wrong.** Each request in flight has contexts, so more requests at a time mean more contexts; two snapshots cannot tell that from a leak. What a context carries
is allocated elsewhere and told as heap-growth of that place.`,
	Limits: []claim.Limit{
		{Name: "min-growth", Default: evidence.Quantity{Number: 4 << 20, Unit: evidence.Bytes},
			Doc:    "more memory of contexts in use in the last snapshot than in the first",
			Source: "some forty thousand contexts of 96 bytes (context/context.go, cancelCtx): no service has as many requests in flight; sampling asks for more where it is rough"},
		{Name: "min-growth-share", Default: minGrowthShare,
			Doc:    "growth of the same, of what there was in the first snapshot",
			Source: "as heap-growth"},
		{Name: "min-heap-share", Default: minHeapShare,
			Doc:    "growth of the same, of all memory in use in the first snapshot; below it the growth is an info",
			Source: "as heap-growth: ten such intervals double the heap"},
		{Name: "min-waiting", Default: evidence.Quantity{Number: 50, Unit: evidence.Count},
			Doc:    "goroutines that wait for a parent context on behalf of a child, from which they vouch",
			Source: "as goroutine-leak: fifty alike are no accident"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "memory in use that package context allocated, in successive heap profiles", Run: contextRetentionHeap},
		{Kind: evidence.Dump, Doc: "goroutines that wait for a parent context; can confirm and never deny", Run: judge.WorstOf(contextRetentionDump)},
		{Kind: evidence.Goroutine, Doc: "the same without their numbers", Run: judge.WorstOf(contextRetentionGoroutine)},
	},
	Fix: []claim.Text{
		"Call the cancel function that comes with a context on every way out: ctx, cancel := context.WithCancel(parent); defer cancel() (go vet's lostcancel finds where it is dropped)",
		"Derive from the request's context rather than from one that lives as long as the program",
		"Do not keep a context, or what context.WithValue returned, in a struct that outlives the request",
	},
	Sketch: `// The parent lets go of the context when it is cancelled, so that must happen on every way out.
func (s *Server) handle(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.answer(ctx, r)
}
`,
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "a context that can be cancelled is kept by its parent until it is", Source: "context/context.go, propagateCancel"},
	},
}

// madeByContext reports whether the context package allocated for a stack.
func madeByContext(s stack.Stack) bool {
	for _, f := range s {
		switch stack.Package(f.Function) {
		case "context":
			return true
		case "time", "runtime", "sync", "sync/atomic", "internal/reflectlite":
		default:
			return false
		}
	}
	return false
}

// ofContexts leaves out what the standard library derives for itself, such as
// the context of each connection and request of a server.
func ofContexts(s stack.Stack) bool {
	return madeByContext(s) && !stack.Standard(s.Owner().Function)
}

// contextVariant tells which kind of context a stack makes.
func contextVariant(path []string) string {
	for _, name := range path {
		switch {
		case name == "context.WithValue":
			return "value"
		case reading.HasAnyPrefix(name, "context.WithDeadline", "context.WithTimeout"):
			return "deadline"
		case reading.HasAnyPrefix(name, "context.WithCancel", "context.AfterFunc"):
			return "cancel"
		}
	}
	return ""
}

func contextRetentionHeap(in *claim.Input) claim.Reading {
	whole := reading.HeapOf(in.Process, in.Exhibits)
	s := whole.Part(ofContexts)
	if s.LastExhibit().Profile().Column("inuse_space") < 0 {
		return claim.Reading{Silent: "the heap profile has no column of memory in use"}
	}
	if len(s.Views) < 2 {
		return claim.Reading{Silent: alone(whole)}
	}
	r := claim.Reading{
		Says:   claim.Textf("contexts hold %s in the first heap profile and %s in the last", evidence.Size(s.First().Inuse), evidence.Size(s.Last().Inuse)),
		Silent: s.Unsure(in.Limit("min-growth").Number, allMemory),
	}
	for _, g := range s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, allMemory) {
		if len(r.Candidates) == reading.FewSites {
			break
		}
		h := s.Last().Sites[g.Name]
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Variant: contextVariant(h.Path), Severity: claim.Warning, Thin: !g.Steady(),
			Share:   evidence.Part(g.Grown, max(whole.Last().Inuse-whole.First().Inuse, g.Grown)).Number,
			Summary: claim.Textf("contexts that %s derives are kept: their memory grew by %s, from %s to %s%s", claim.Func(h.Site.Function), evidence.Size(g.Grown), evidence.Size(g.Values[0]), evidence.Size(h.Inuse), evidence.Within(s.Span())),
			Facts:   growthFacts(in, s, g, h, "memory in use of contexts that the function derived", "-focus=^context[.]"),
		}
		// What a context carries is often made by a function that calls the one that derives it.
		for _, name := range h.Path {
			if by := whole.Last().Sites[name]; by != nil && name != h.Site.Function && float64(whole.Growth(name, allMemory).Grown) >= in.Limit("min-growth").Number {
				c.Sites = append(c.Sites, by.Site)
			}
		}
		switch {
		// What hardly moves the heap as a whole is worth a line, not an alarm.
		case float64(g.Grown) < in.Limit("min-heap-share").Number*float64(whole.First().Inuse):
			c.Severity = claim.Info
		case g.Ended():
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a program warming up does")
		}
		if len(s.Views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a leak from more requests at a time: a third, minutes later, would")
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// watchesParent reports whether a goroutine waits for a parent context on behalf
// of a child (context/context.go, propagateCancel).
func watchesParent(s stack.Stack) bool {
	for _, f := range s {
		if strings.HasPrefix(f.Function, "context.(*cancelCtx).propagateCancel.func") || strings.HasPrefix(f.Function, "context.propagateCancel.func") {
			return true
		}
	}
	return false
}

// parentWatchers vouches for contexts that are kept, by the goroutines that watch for their parents.
func parentWatchers(in *claim.Input, e *evidence.Exhibit, n, all int64, goroutine int64, reproduce claim.Command) claim.Reading {
	r := claim.Reading{Silent: "contexts are no goroutines: only those whose parent is of another make have one each"}
	if float64(n) < in.Limit("min-waiting").Number {
		return r
	}
	r.Candidates = []claim.Candidate{{
		Thin: true, Summary: claim.Textf("%s wait for a parent context on behalf of a child", evidence.Things(n, "goroutine")),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for a parent context on behalf of a child", Value: evidence.Of(n, evidence.Count),
			Of: claim.PartOf(evidence.Of(all, evidence.Count), "goroutines"), Limit: in.Against("min-waiting"), At: claim.Location{Goroutine: goroutine}, Reproduce: reproduce}},
	}}
	return r
}

func contextRetentionDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	var first dump.Goroutine
	var n int64
	for i := range e.Dump().Goroutines {
		if g := &e.Dump().Goroutines[i]; watchesParent(g.Stack()) {
			if n++; n == 1 {
				first = *g
			}
		}
	}
	return parentWatchers(in, e, n, int64(len(e.Dump().Goroutines)), first.ID, claim.Grep(e, "context.(*cancelCtx).propagateCancel.func"))
}

func contextRetentionGoroutine(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	var n, all int64
	for i := range p.Samples {
		s := &p.Samples[i]
		if len(s.Values) == 0 {
			continue
		}
		all += s.Values[0]
		if watchesParent(s.Stack) {
			n += s.Values[0]
		}
	}
	return parentWatchers(in, e, n, all, 0, claim.Top(e, "goroutine").With("-focus=context.*propagateCancel.func"))
}
