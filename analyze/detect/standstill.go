package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// stuck is a goroutine of a dump at a standstill, and what it waits for.
type stuck struct {
	g     *dump.Goroutine
	stack stack.Stack
	class wait.Class
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
		switch class := waitClass(g.State, s); {
		case takesDump(s):
			taker = g
		case handOff(class) && !stack.Standard(s.Site().Function):
			all = append(all, stuck{g, s, class})
		case class == wait.System && stack.Plumbing(s[len(s)-1].Function):
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
		case wait.ChanRecv, wait.Select, wait.Cond:
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

// goesOn reports whether a goroutine that waits so has work in hand, which it cannot go on with: workers
// that wait for work stand at a receive, a select or a condition.
func goesOn(class wait.Class) bool {
	return isLock(class) || class == wait.ChanSend || class == wait.WaitGroup || class == wait.Sync
}

// closedWorld adds to the deadlocks found in a dump what its goroutines at a standstill
// say: who holds a lock and waits for others meanwhile will wait for ever, and so will all that have
// work in hand.
func closedWorld(e *evidence.Exhibit, found []claim.Candidate) []claim.Candidate {
	work, left, _ := parted(e)
	if len(work) == 0 {
		return found
	}
	work = append(work, left...)
	if len(found) > 0 {
		for i := range found {
			found[i].Severity = claim.Critical
			found[i].Caveats = append(found[i].Caveats, noTimers)
		}
		return found
	}
	crowds := crowdsOf(work)
	first, n := crowds[0], len(work)
	c := standstillCandidate(e, first)
	c.Severity, c.Share = claim.Warning, evidence.Part(n, len(e.Dump.Goroutines)).Number
	if len(crowds) > 1 {
		var parts []string
		for _, x := range crowds[:min(len(crowds), 4)] {
			parts = append(parts, fmt.Sprintf("%d %s in %s", x.n, x.waits(), x.site.Function))
			addSites(&c, x.site)
		}
		c.Summary = fmt.Sprintf("%d goroutines have work in hand and cannot go on, and the dump shows nobody who could end that: %s", n, strings.Join(parts, ", "))
		c.Facts = append([]claim.Fact{{Exhibit: e.ID, Says: "goroutines that have work in hand and wait for others while no other goroutine can move", Value: evidence.Of(n, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump.Goroutines), evidence.Count), "all goroutines of the dump"), At: atGoroutine(first.site, first.first.g.ID), Reproduce: claim.Grep(e, "goroutine ")}}, c.Facts...)
	}
	if first.first.class == wait.ChanSend {
		c.Fix = []string{
			"Let no goroutine send to one that may be sending to it: one direction only, or a select that receives as well while it waits to send",
			"Give the channel room for as much as can be on its way, or decide what happens when it is full: a default case, a deadline",
			"Whoever receives must receive until the channel is closed, on every way out",
		}
	}
	return []claim.Candidate{c}
}

// parted tells the goroutines at a standstill apart: those that have work in hand, senders
// whose creator has left the function that made them, and those that may be idle.
func parted(e *evidence.Exhibit) (work, left, idle []stuck) {
	at := map[int64]stack.Stack{}
	for i := range e.Dump.Goroutines {
		at[e.Dump.Goroutines[i].ID] = e.Dump.Goroutines[i].Stack()
	}
	for _, x := range standstill(e) {
		switch {
		case !goesOn(x.class):
			idle = append(idle, x)
		case x.class == wait.ChanSend && x.g.Creator != 0 && !at[x.g.Creator].Contains(x.g.CreatedBy.Function):
			left = append(left, x)
		default:
			work = append(work, x)
		}
	}
	return work, left, idle
}

// atStandstill makes leaks of those goroutines at a standstill that were left behind, and
// suspicions of those that may be idle, one for each site and class, most goroutines first.
func atStandstill(e *evidence.Exhibit) (out []claim.Candidate) {
	work, left, idle := parted(e)
	if len(work) == 0 { // else all of them are one deadlock
		for _, c := range crowdsOf(left) {
			cand := standstillCandidate(e, c)
			cand.Severity = claim.Warning
			out = append(out, cand)
		}
	}
	for _, c := range crowdsOf(idle) {
		out = append(out, standstillCandidate(e, c))
	}
	return out
}

const noTimers = "a dump prints no timers: one that has not fired yet may let them go on, and so may the goroutine that took the dump"

// stuckCrowd is goroutines at a standstill that wait alike at one site.
type stuckCrowd struct {
	first stuck
	site  stack.Site
	path  []string
	n     int64
}

// crowdsOf parts them by site and class, most goroutines first.
func crowdsOf(all []stuck) (order []*stuckCrowd) {
	by := map[string]*stuckCrowd{}
	for _, x := range all {
		site, path := leakSite(x.stack)
		key := string(x.class) + " " + site.Function
		if by[key] == nil {
			by[key] = &stuckCrowd{first: x, site: site, path: path}
			order = append(order, by[key])
		}
		by[key].n++
	}
	slices.SortStableFunc(order, func(a, b *stuckCrowd) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.first.class, b.first.class))
	})
	return order
}

// waits is what they do, with the verb in their number.
func (c *stuckCrowd) waits() string {
	what := waitingFor(c.first.class, false)
	if c.n == 1 {
		what = "waits" + strings.TrimPrefix(what, "wait")
	}
	return what
}

// standstillCandidate is the claim that goroutines at a standstill wait for ever.
func standstillCandidate(e *evidence.Exhibit, c *stuckCrowd) claim.Candidate {
	cand := claim.Candidate{
		Site: c.site, Path: c.path, Variant: "standstill", Severity: claim.Info, Thin: true,
		Summary: fmt.Sprintf("%s %s in %s, and the dump shows nobody who could end that", evidence.Things(c.n, "goroutine"), c.waits(), c.site.Function),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: fmt.Sprintf("goroutines that %s here while no other goroutine can move", waitingFor(c.first.class, false)), Value: evidence.Of(c.n, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump.Goroutines), evidence.Count), "all goroutines of the dump"), At: atGoroutine(c.site, c.first.g.ID),
			Reproduce: claim.Grep(e, fmt.Sprintf("goroutine %d [", c.first.g.ID))}},
		Caveats: []string{noTimers},
	}
	addSites(&cand, c.first.stack.Site(), c.first.g.CreatedBy.Site())
	return cand
}
