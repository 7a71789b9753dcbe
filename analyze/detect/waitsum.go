package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// waitSum is what a trace or a block profile says about waiting at one place.
type waitSum struct {
	site, owner stack.Site // where, and the application code that reached it
	path        []string
	class       wait.Class
	served      bool // some of it is below a server's frame
	request     bool // some of it holds up an operation: a request, or in a trace what else answers to the outside
	total       time.Duration
	count       int64 // waits, open ones included
	open        int64 // of those, not ended
	goroutines  int   // upper bound: a goroutine that came by two stacks counts twice
	max         time.Duration
	times       exectrace.Histogram // traces only
	worst       exectrace.Span      // traces only
	most        time.Duration       // of the stack that speaks for the place
	mostCount   int64               // its waits
	stack       stack.Stack         // that stack
	callers     callers
}

// callers is the application code that reached a place.
type callers []*caller

type caller struct {
	site  stack.Site
	line  int     // the first line of it from which the place is reached
	count float64 // waits, or goroutines
}

// maxCallers bounds the callers told apart.
const maxCallers = 64

func (c *callers) add(site stack.Site, count float64) {
	i := slices.IndexFunc(*c, func(x *caller) bool { return x.site.Function == site.Function })
	switch {
	case i >= 0:
		x := (*c)[i]
		x.count += count
		x.line = min(x.line, site.Line)
	case site.Function != "" && len(*c) < maxCallers:
		*c = append(*c, &caller{site, site.Line, count})
	}
}

// sorted returns them with the largest first.
func (c callers) sorted() callers {
	out := slices.Clone(c)
	slices.SortStableFunc(out, func(a, b *caller) int {
		return cmp.Or(-cmp.Compare(a.count, b.count), cmp.Compare(a.site.Function, b.site.Function))
	})
	return out
}

// words names them with their parts where there are several.
func (c callers) words() string {
	all := c.sorted()
	if len(all) == 1 {
		return "called by " + all[0].site.Function
	}
	sum := 0.0
	for _, x := range all {
		sum += x.count
	}
	var parts []string
	for _, x := range all[:min(len(all), 3)] {
		parts = append(parts, fmt.Sprintf("%s (%s)", x.site.Function, evidence.Part(x.count, sum)))
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return "called by " + strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// passed reports whether a stack lies further down in one of the callers than the
// place: it has got through.
func (c callers) passed(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f stack.Frame) bool {
		name := stack.Normal(f.Function)
		return slices.ContainsFunc(c, func(x *caller) bool { return f.Line > x.line && x.line > 0 && name == x.site.Function })
	})
}

// reached reports whether a stack passes through one of the callers at all.
func (c callers) reached(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f stack.Frame) bool {
		name := stack.Normal(f.Function)
		return slices.ContainsFunc(c, func(x *caller) bool { return name == x.site.Function })
	})
}

func (c callers) sites() (out []stack.Site) {
	for _, x := range c.sorted()[:min(len(c), maxCandidates)] {
		out = append(out, x.site)
	}
	return out
}

// minLead is the part of what is measured at a helper or a library that one caller must carry to be named in its place.
const minLead = 0.9

// lead returns the path from a place outwards where one caller carries nearly all of it, and the
// place alone where several do: none of them is to be named in its place.
func (c callers) lead(path []string) []string {
	sum := 0.0
	for _, x := range c {
		sum += x.count
	}
	if len(path) > 1 && len(c) > 1 && c.sorted()[0].count < minLead*sum {
		return path[:1]
	}
	return path
}

func (w *waitSum) mean() time.Duration {
	if w.count == 0 {
		return 0
	}
	return w.total / time.Duration(w.count)
}

// name is the place with the application code that reached it.
func (w *waitSum) name() string {
	if w.owner.Function != "" && w.owner.Function != w.site.Function && len(w.callers) > 0 {
		return w.site.Function + " (" + w.callers.words() + ")"
	}
	return w.site.Function
}

// placer tells the place that a wait counts for: the part of its stack from
// there on outwards, and the application's code. False leaves the wait out.
type placer func(class wait.Class, s stack.Stack) (above stack.Stack, owner stack.Site, ok bool)

// waitSums collects waits by place.
type waitSums struct {
	by  map[string]*waitSum
	all []*waitSum
}

func (c *waitSums) add(class wait.Class, s, above stack.Stack, owner stack.Site, total time.Duration, count int64) *waitSum {
	site := above.Site()
	w := c.by[site.Function]
	if w == nil {
		if c.by == nil {
			c.by = map[string]*waitSum{}
		}
		w = &waitSum{most: -1}
		c.by[site.Function] = w
		c.all = append(c.all, w)
	}
	if total > w.most {
		w.mostCount = count
		w.most, w.site, w.owner, w.path, w.class, w.stack = total, site, owner, above.Path(), class, s
	}
	w.callers.add(owner, float64(count))
	w.served = w.served || inRequest(s)
	w.request = w.request || w.served
	w.total += total
	w.count += count
	return w
}

func (c *waitSums) sorted() []*waitSum {
	slices.SortStableFunc(c.all, func(a, b *waitSum) int {
		return cmp.Or(-cmp.Compare(a.total, b.total), cmp.Compare(a.site.Function, b.site.Function))
	})
	return c.all
}

// sumWaits adds up waits of a trace by place, most waiting first.
func sumWaits(waits []exectrace.Wait, at placer, of operations) []*waitSum {
	var c waitSums
	for i := range waits {
		w := &waits[i]
		if len(w.Stack) == 0 {
			continue
		}
		above, owner, ok := at(w.Class, w.Stack)
		if !ok || len(above) == 0 {
			continue
		}
		x := c.add(w.Class, w.Stack, above, owner, w.Total, w.Count)
		x.open += w.Open
		x.request = x.request || of.has(w.Stack)
		x.goroutines += w.Goroutines
		x.times.Merge(&w.Times)
		if w.Max > x.max {
			x.max = w.Max
			if len(w.Worst) > 0 {
				x.worst = w.Worst[0]
			}
		}
	}
	return c.sorted()
}

// blockWaits adds up the waits of the block profile that tells most of them, by
// place, over wall; wall is 0 for one that counts since the start of the process.
func blockWaits(exhibits []*evidence.Exhibit, at placer) (sums []*waitSum, e *evidence.Exhibit, wall time.Duration) {
	var best float64
	for _, x := range exhibits {
		delay, count := x.Profile.Column("delay"), x.Profile.Column("contentions")
		if delay < 0 {
			continue
		}
		var c waitSums
		var all time.Duration
		for i := range x.Profile.Samples {
			s := &x.Profile.Samples[i]
			class := leafClass(s.Stack)
			above, owner, ok := at(class, s.Stack)
			if !ok || len(above) == 0 {
				continue
			}
			n := int64(0)
			if count >= 0 {
				n = s.Values[count]
			}
			c.add(class, s.Stack, above, owner, time.Duration(s.Values[delay]), n)
			all += time.Duration(s.Values[delay])
		}
		// A stated duration tells more than a count since the start.
		rate := 0.0
		if d := x.Profile.Duration; d > 0 {
			rate = 1 + float64(all)/float64(d)
		}
		if e == nil || rate >= best {
			sums, e, wall, best = c.sorted(), x, x.Profile.Duration, rate
		}
	}
	return sums, e, wall
}

// sendsOf places waits for a channel send where the application sends.
func sendsOf(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if class != wait.ChanSend || waitsForSlot(class, s) || knownIdle(class, s) {
		return nil, stack.Site{}, false
	}
	return s, s.Owner(), true
}

// slotsOf places waits for a slot of a pool at the call that hands them out.
func slotsOf(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	if !waitsForSlot(class, s) {
		return nil, stack.Site{}, false
	}
	i := slotFrame(s)
	return s[i:], s[i:].Owner(), true
}

// answersOf places waits for the answer of a peer at the application's code that
// asked: outside of the standard library and of the client's own package.
func answersOf(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	switch class {
	case wait.Network, wait.Select, wait.ChanRecv, wait.Cond:
	default:
		return nil, stack.Site{}, false
	}
	// Who waits for a connection of a pool has not asked anybody yet.
	if waitsForSlot(class, s) || knownIdle(class, s) {
		return nil, stack.Site{}, false
	}
	last := -1
	for i, f := range s {
		if answerFrames[stack.Normal(f.Function)] {
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

// weighWaits judges what goroutines waited at a place, over wall. Where that is not known it is the
// age of the process; where that is not known either, it is an info.
func weighWaits(in *claim.Input, c *claim.Candidate, w *waitSum, wall time.Duration, excuses ...claim.Excuse) {
	excuses = append(excuses, notOutside(w.request))
	if wall == 0 && in.Case.Age > 0 {
		wall, c.Thin = in.Case.Age, true
		c.Caveats = append(c.Caveats, fmt.Sprintf("the rate is that over the %s for which the process had been running, as other evidence shows", evidence.Duration(wall)))
	}
	if wall == 0 {
		c.Thin = true
		in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: in.Limit("impact.min-standing").Number}, excuses...)
		return
	}
	standing := float64(w.total) / float64(wall)
	// Short waits are not noticed one by one: what they take is counted as processors.
	if w.mean() < shortWait {
		in.Weigh(c, claim.Impact{Of: claim.Processors, Share: standing / procsOrUsual(in)}, excuses...)
		c.Severity = min(c.Severity, claim.Warning)
		return
	}
	in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: standing, Mean: w.mean()}, excuses...)
}

// notOutside excuses waiting that holds up nothing that answers to the outside.
func notOutside(request bool) claim.Excuse {
	return claim.Excuse{Holds: !request, Says: "those who wait here are not seen to answer to anybody outside: a batch is held back so on purpose"}
}

// procsOrUsual is GOMAXPROCS or, where that is unknown, more than most services are given.
func procsOrUsual(in *claim.Input) float64 {
	if in.Case.GOMAXPROCS == 0 {
		return usualProcs
	}
	return float64(in.Case.GOMAXPROCS)
}

// weighMoment judges n goroutines that wait at a place at the moment of a dump, some of them in a request.
func weighMoment(in *claim.Input, c *claim.Candidate, d *dump.Dump, n int, held requests, excuses ...claim.Excuse) {
	whole := float64(atWork(d))
	if 2*held.sum() >= float64(n) {
		whole = held.alike(requestsIn(d))
	}
	excuses = append(excuses, notOutside(len(held) > 0))
	in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(float64(n), whole).Number}, excuses...)
	c.Thin = c.Thin || float64(n) < in.Limit("impact.min-standing-moment").Number
}

// siteStack cuts a stack to the part from its site on.
func siteStack(s stack.Stack) stack.Stack {
	for i, f := range s {
		if !stack.Plumbing(f.Function) {
			return s[i:]
		}
	}
	return s
}

// starved reports whether the program was not given its processors for so much of
// a trace that whoever serves others is slow for that alone: stretches in which no
// thread of it ran although there was work.
func starved(t *exectrace.Timeline) bool {
	var lost time.Duration
	for _, g := range t.Gaps {
		lost += g.To - g.From
	}
	return 5*lost >= t.Duration
}

func starvedExcuse(t *exectrace.Timeline) claim.Excuse {
	return claim.Excuse{Holds: starved(t), Says: "the program was not given its processors for a fifth of the trace: whoever serves others is slow for that alone"}
}
