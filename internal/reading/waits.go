package reading

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// SpanAt is the place of a sum of waits with the longest of them.
func (w *WaitSum) SpanAt() claim.Location {
	at := AtGoroutine(w.Site, w.Worst.Goroutine)
	at.From, at.To = int64(w.Worst.From), int64(w.Worst.To)
	return at
}

// BlockedView is the command that shows a sum of waits of a trace.
func BlockedView(e *evidence.Exhibit, w *WaitSum) claim.Command {
	switch w.Class {
	case wait.Network:
		return claim.TraceProfile(e, "net")
	case wait.Syscall:
		return claim.TraceProfile(e, "syscall")
	}
	return claim.TraceProfile(e, "sync")
}

// DumpWaits is goroutines of a dump that wait at one place.
type DumpWaits struct {
	WaitSum
	Goroutines []*dump.Goroutine
	Requests   Requests   // of them, those in a request
	Old        int        // of them, for a minute or more
	Text       claim.Text // finds them
	Line       map[int]bool
}

// WaitsInDump collects the waiting goroutines of a dump by place, most first.
func WaitsInDump(d *dump.Dump, at Placer) []*DumpWaits {
	by := map[string]*DumpWaits{}
	var out []*DumpWaits
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		above, owner, ok := at(wait.OfState(g.State, s), s)
		if !ok || len(above) == 0 {
			continue
		}
		above = siteStack(above)
		site := above.Site()
		x := by[site.Function]
		if x == nil {
			x = &DumpWaits{Text: claim.Func(above[0].Function).Text() + "(", Line: map[int]bool{}}
			x.Site, x.Owner, x.Path, x.Stack = site, owner, above.Path(), s
			by[site.Function] = x
			out = append(out, x)
		}
		x.Goroutines = append(x.Goroutines, g)
		x.Callers.Add(owner, 1)
		x.Line[above[0].Line] = true
		x.Requests.Add(wait.HandlerOf(s), 1)
		if g.Wait >= time.Minute {
			x.Old++
		}
	}
	slices.SortStableFunc(out, func(a, b *DumpWaits) int {
		if len(a.Goroutines) != len(b.Goroutines) {
			return len(b.Goroutines) - len(a.Goroutines)
		}
		return strings.Compare(a.Site.Function, b.Site.Function)
	})
	return out
}

// DelayAt is the place of a sum of waits in a block profile.
func (w *WaitSum) DelayAt() claim.Location {
	at := claim.At(w.Site)
	at.SampleType = "delay"
	return at
}

// WaitSum is what a trace or a block profile says about waiting at one place.
type WaitSum struct {
	Site, Owner stack.Site // where, and the application code that reached it
	Path        []string
	Class       wait.Class
	Served      bool // some of it is below a server's frame
	Request     bool // some of it holds up an operation: a request, or in a trace what else answers to the outside
	Total       time.Duration
	Count       int64 // waits, open ones included
	Open        int64 // of those, not ended
	Goroutines  int   // upper bound: a goroutine that came by two stacks counts twice
	Max         time.Duration
	Times       exectrace.Histogram // traces only
	Worst       exectrace.Span      // traces only
	Most        time.Duration       // of the stack that speaks for the place
	MostCount   int64               // its waits
	Stack       stack.Stack         // that stack
	Callers     Callers
}

// Mean is how long one wait took.
func (w *WaitSum) Mean() time.Duration {
	if w.Count == 0 {
		return 0
	}
	return w.Total / time.Duration(w.Count)
}

// Name is the place with the application code that reached it.
func (w *WaitSum) Name() claim.Text {
	if w.Owner.Function != "" && w.Owner.Function != w.Site.Function && len(w.Callers) > 0 {
		return claim.Textf("%s (%s)", claim.Func(w.Site.Function), w.Callers.Words())
	}
	return claim.Func(w.Site.Function).Text()
}

// Placer tells the place that a wait counts for: the part of its stack from
// there on outwards, and the application's code. False leaves the wait out.
type Placer func(class wait.Class, s stack.Stack) (above stack.Stack, owner stack.Site, ok bool)

// WaitSums collects waits by place.
type WaitSums struct {
	by  map[string]*WaitSum
	all []*WaitSum
}

// Add counts waits at the place above is the stack of, and returns their sum.
func (c *WaitSums) Add(class wait.Class, s, above stack.Stack, owner stack.Site, total time.Duration, count int64) *WaitSum {
	site := above.Site()
	w := c.by[site.Function]
	if w == nil {
		if c.by == nil {
			c.by = map[string]*WaitSum{}
		}
		w = &WaitSum{Most: -1}
		c.by[site.Function] = w
		c.all = append(c.all, w)
	}
	if total > w.Most {
		w.MostCount = count
		w.Most, w.Site, w.Owner, w.Path, w.Class, w.Stack = total, site, owner, above.Path(), class, s
	}
	w.Callers.Add(owner, float64(count))
	w.Served = w.Served || wait.InRequest(s)
	w.Request = w.Request || w.Served
	w.Total += total
	w.Count += count
	return w
}

// Sorted returns the places, most waiting first.
func (c *WaitSums) Sorted() []*WaitSum {
	slices.SortStableFunc(c.all, func(a, b *WaitSum) int {
		return cmp.Or(-cmp.Compare(a.Total, b.Total), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return c.all
}

// SumWaits adds up waits of a trace by place, most waiting first.
func SumWaits(waits []exectrace.Wait, at Placer, of Operations) []*WaitSum {
	var c WaitSums
	for i := range waits {
		w := &waits[i]
		if len(w.Stack) == 0 {
			continue
		}
		above, owner, ok := at(w.Class, w.Stack)
		if !ok || len(above) == 0 {
			continue
		}
		x := c.Add(w.Class, w.Stack, above, owner, w.Total, w.Count)
		x.Open += w.Open
		x.Request = x.Request || of.Has(w.Stack)
		x.Goroutines += w.Goroutines
		x.Times.Merge(&w.Times)
		if w.Max > x.Max {
			x.Max = w.Max
			if len(w.Worst) > 0 {
				x.Worst = w.Worst[0]
			}
		}
	}
	return c.Sorted()
}

// BlockWaits adds up the waits of the block profile that tells most of them, by
// place, over wall; wall is 0 for one that counts since the start of the process.
func BlockWaits(exhibits []*evidence.Exhibit, at Placer) (sums []*WaitSum, e *evidence.Exhibit, wall time.Duration) {
	var best float64
	for _, x := range exhibits {
		delay, count := x.Profile().Column("delay"), x.Profile().Column("contentions")
		if delay < 0 {
			continue
		}
		var c WaitSums
		var all time.Duration
		for i := range x.Profile().Samples {
			s := &x.Profile().Samples[i]
			class := wait.OfStack(s.Stack)
			above, owner, ok := at(class, s.Stack)
			if !ok || len(above) == 0 {
				continue
			}
			n := int64(0)
			if count >= 0 {
				n = s.Values[count]
			}
			c.Add(class, s.Stack, above, owner, time.Duration(s.Values[delay]), n)
			all += time.Duration(s.Values[delay])
		}
		// A stated duration tells more than a count since the start.
		rate := 0.0
		if d := x.Profile().Duration; d > 0 {
			rate = 1 + float64(all)/float64(d)
		}
		if e == nil || rate >= best {
			sums, e, wall, best = c.Sorted(), x, x.Profile().Duration, rate
		}
	}
	return sums, e, wall
}

// Sends places waits for a channel send where the application sends.
func Sends(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if class != wait.ChanSend || wait.ForSlot(class, s) || wait.Idle(class, s) {
		return nil, stack.Site{}, false
	}
	return s, s.Owner(), true
}

// Slots places waits for a slot of a pool at the call that hands them out.
func Slots(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if !wait.ForSlot(class, s) {
		return nil, stack.Site{}, false
	}
	i := wait.SlotFrame(s)
	return s[i:], s[i:].Owner(), true
}

// Answers places waits for the answer of a peer at the application's code that
// asked: outside of the standard library and of the client's own package.
func Answers(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	switch class {
	case wait.Network, wait.Select, wait.ChanRecv, wait.Cond:
	default:
		return nil, stack.Site{}, false
	}
	// Who waits for a connection of a pool has not asked anybody yet.
	if wait.ForSlot(class, s) || wait.Idle(class, s) {
		return nil, stack.Site{}, false
	}
	last := -1
	for i, f := range s {
		if wait.AnswerFrames[stack.Normal(f.Function)] {
			last = i
		}
	}
	if last < 0 {
		return nil, stack.Site{}, false
	}
	client := stack.Package(s[last].Function)
	for i := last + 1; i < len(s); i++ {
		if !stack.Standard(s[i].Function) && !stack.Plumbing(s[i].Function) && stack.Package(s[i].Function) != client {
			return s[i:], s[i].Site(), true
		}
	}
	return s[last:], s[last:].Owner(), true
}
