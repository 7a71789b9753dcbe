package reading

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Stuck is a goroutine of a dump at a standstill, and what it waits for.
type Stuck struct {
	G     *dump.Goroutine
	Stack stack.Stack
	Class wait.Class
}

// Standstill returns the goroutines of a dump that wait for others, when there is
// nobody left to let them go on but the goroutine that takes the dump: none runs, sleeps, or waits
// for the network, a system call or a signal. It returns none otherwise.
//
// A dump does not print timers. One that the runtime writes when it is told to
// quit says nothing here: without a pending timer it would have given up long before, with "all
// goroutines are asleep" (runtime/proc.go, checkdead). Of goroutines that receive, select or wait for
// a condition, which idle workers do too, those are left out that a call of the goroutine that takes the dump
// has created and not returned from: it may still have work for them.
func Standstill(e *evidence.Exhibit) []Stuck {
	d := e.Dump()
	// Goroutines that are not shown may be the ones at work.
	if e.Coverage != evidence.Whole || d.Partial || d.Lone() {
		return nil
	}
	var all []Stuck
	var taker *dump.Goroutine
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if len(s) == 0 {
			return nil
		}
		switch class := wait.OfState(g.State, s); {
		case takesDump(s):
			taker = g
		case class.HandedOver() && !stack.Standard(s.Site().Function):
			all = append(all, Stuck{g, s, class})
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
		switch x.Class {
		case wait.ChanRecv, wait.Select, wait.Cond:
			if x.G.Creator == 0 || x.G.Creator == taker.ID && slices.ContainsFunc(taker.Frames, func(f dump.Frame) bool { return f.Function == x.G.CreatedBy.Function }) {
				continue
			}
		}
		out = append(out, x)
	}
	return out
}

// takesDump reports whether a goroutine is the one whose call wrote the dump.
func takesDump(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f *stack.Frame) bool { return f.Function == "runtime/pprof.writeGoroutineStacks" })
}

// StandstillParts tells the goroutines at a standstill apart: those that have work in hand, senders
// whose creator has left the function that made them, and those that may be idle.
func StandstillParts(e *evidence.Exhibit) (work, left, idle []Stuck) {
	all := Standstill(e)
	if len(all) == 0 {
		return nil, nil, nil
	}
	at := map[int64]stack.Stack{}
	for i := range e.Dump().Goroutines {
		at[e.Dump().Goroutines[i].ID] = e.Dump().Goroutines[i].Stack()
	}
	for _, x := range all {
		switch {
		case !x.Class.HasWork():
			idle = append(idle, x)
		case x.Class == wait.ChanSend && x.G.Creator != 0 && !at[x.G.Creator].Contains(x.G.CreatedBy.Function):
			left = append(left, x)
		default:
			work = append(work, x)
		}
	}
	return work, left, idle
}

// StuckCrowd is goroutines at a standstill that wait alike at one site.
type StuckCrowd struct {
	First Stuck
	Site  stack.Site
	Path  []string
	N     int64
}

// StuckCrowds parts them by site and class, most goroutines first.
func StuckCrowds(all []Stuck) (order []*StuckCrowd) {
	by := map[string]*StuckCrowd{}
	for _, x := range all {
		site, path := AppSite(x.Stack)
		key := string(x.Class) + " " + site.Function
		if by[key] == nil {
			by[key] = &StuckCrowd{First: x, Site: site, Path: path}
			order = append(order, by[key])
		}
		by[key].N++
	}
	slices.SortStableFunc(order, func(a, b *StuckCrowd) int {
		return cmp.Or(-cmp.Compare(a.N, b.N), cmp.Compare(a.Site.Function, b.Site.Function), cmp.Compare(a.First.Class, b.First.Class))
	})
	return order
}

// Waits is what they do, with the verb in their number.
func (c *StuckCrowd) Waits() claim.Text {
	return c.First.Class.Doing(false).Of(c.N)
}
