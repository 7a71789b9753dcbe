package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// stuck is a goroutine of a dump at a standstill, and what it waits for.
type stuck struct {
	g     *dump.Goroutine
	stack stack.Stack
	class exectrace.Class
}

// standstill returns the goroutines of a dump that wait for others, when there is
// nobody left to let them go on but the goroutine that takes the dump: none runs, sleeps, or waits
// for the network, a system call or a signal. It returns none otherwise.
//
// A dump does not print timers. One that the runtime writes when it is told to
// quit says nothing here: without a pending timer it would have given up long before, with "all
// goroutines are asleep" (runtime/proc.go, checkdead). Of goroutines that receive, select or wait for
// a condition, which idle workers do too, those are left out that a call of the goroutine that takes the dump
// has created and not returned from: it may still have work for them.
func standstill(e *evidence.Exhibit) []stuck {
	d := e.Dump
	// Goroutines that are not shown may be the ones at work.
	if e.Coverage != evidence.Whole || d.Partial || d.Lone() {
		return nil
	}
	var all []stuck
	var taker *dump.Goroutine
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if len(s) == 0 {
			return nil
		}
		switch class := waitClass(g, s); {
		case takesDump(s):
			taker = g
		case handOff(class) && !stack.Standard(s.Site().Function):
			all = append(all, stuck{g, s, class})
		case class == exectrace.SystemWait && stack.Plumbing(s[len(s)-1].Function):
			// The collector's helpers and the like let nobody go on.
		default:
			return nil
		}
	}
	if taker == nil {
		return nil
	}
	out := all[:0]
	for _, x := range all {
		switch x.class {
		case exectrace.ChanRecv, exectrace.Select, exectrace.Cond:
			if x.g.Creator == 0 || x.g.Creator == taker.ID && slices.ContainsFunc(taker.Frames, func(f dump.Frame) bool { return f.Function == x.g.CreatedBy.Function }) {
				continue
			}
		}
		out = append(out, x)
	}
	return out
}

// takesDump reports whether a goroutine is the one whose call wrote the dump.
func takesDump(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f stack.Frame) bool { return f.Function == "runtime/pprof.writeGoroutineStacks" })
}

// atStandstill makes suspicions of those goroutines at a standstill whose class is
// asked for, one for each site and class, most goroutines first.
func atStandstill(e *evidence.Exhibit, class func(exectrace.Class) bool) []analyze.Candidate {
	type crowd struct {
		first stuck
		site  stack.Site
		path  []string
		n     int64
	}
	by := map[string]*crowd{}
	var order []*crowd
	for _, x := range standstill(e) {
		if !class(x.class) {
			continue
		}
		site, path := leakSite(x.stack)
		key := string(x.class) + " " + site.Function
		if by[key] == nil {
			by[key] = &crowd{first: x, site: site, path: path}
			order = append(order, by[key])
		}
		by[key].n++
	}
	slices.SortStableFunc(order, func(a, b *crowd) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.first.class, b.first.class))
	})
	var out []analyze.Candidate
	for _, c := range order {
		what := waitingFor(c.first.class, false)
		verb := "goroutines " + what
		if c.n == 1 {
			verb = "goroutine waits" + strings.TrimPrefix(what, "wait")
		}
		cand := analyze.Candidate{
			Site: c.site, Path: c.path, Variant: "standstill", Severity: analyze.Info, Thin: true,
			Summary: fmt.Sprintf("%d %s in %s, and the dump shows nobody who could end that", c.n, verb, c.site.Function),
			Facts: []analyze.Fact{{Exhibit: e.ID, Says: fmt.Sprintf("goroutines that %s here while no other goroutine can move", what), Value: evidence.Of(c.n, evidence.Count),
				Of: analyze.PartOf(evidence.Of(len(e.Dump.Goroutines), evidence.Count), "all goroutines of the dump"), At: atGoroutine(c.site, c.first.g.ID),
				Reproduce: analyze.Grep(e, fmt.Sprintf("goroutine %d [", c.first.g.ID))}},
			Caveats: []string{"a dump prints no timers: one that has not fired yet may let them go on, and so may the goroutine that took the dump"},
		}
		addSites(&cand, c.first.stack.Site(), c.first.g.CreatedBy.Site())
		out = append(out, cand)
	}
	return out
}
