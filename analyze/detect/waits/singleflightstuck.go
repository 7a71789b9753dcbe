package waits

import (
	"cmp"
	"path"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// SingleflightStuck claims that callers who share one call wait for a leader that is slow or stuck.
var SingleflightStuck = &claim.Detector{
	ID:    "singleflight-stuck",
	Title: "Callers wait for one leader's call",
	Doc: `Callers that ask for the same key at the same time share one call (singleflight): the first makes it, the leader, and the others wait for its result. When the leader is slow or stuck, so is everybody, and those who come
later join them: a deadline of their own does not help, because the wait for the leader has none.

**How it is measured.** Waiters stand in a wait group directly below a package named singleflight; the leader has that package on its stack and code of the program above it. In a dump and a goroutine profile both are counted, by the
function that shares the call, and the place is where the leader stands. In a trace the waiting is summed up, and the leaders' waits tell where they spend the time.

**When it is wrong.** Sharing a call is what the package is for: after a cache has expired, a crowd waits for a moment, and each of them would have made the call. Waits that are short on average, or a crowd at one moment
that is neither large nor old, are therefore an info. Callers of DoChan wait in a select of their own and are not counted; their leader is.`,
	Limits: []claim.Limit{
		{Name: "min-wait", Default: evidence.Duration(500 * time.Millisecond),
			Doc:    "mean wait for a leader in a trace, below which it is an info",
			Source: "Judgement call: half of what impact.min-wait-critical calls noticed; a call that is worth sharing takes less"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "waiters and leaders of shared calls at one moment", Run: judge.WorstOf(flightDump)},
		{Kind: evidence.Goroutine, Doc: "the same without ages", Run: judge.WorstOf(flightGoroutine)},
		{Kind: evidence.Trace, Doc: "time for which callers wait for a leader, and where leaders wait meanwhile", Run: judge.WorstOf(flightTrace)},
	},
	Fix: []claim.Text{
		"Give the shared call a deadline of its own: a context with a timeout, made inside the function that is passed to Do and not taken from the request that happens to lead",
		"Let each caller leave: DoChan in a select with ctx.Done(), and an old or empty answer when it ends first",
		"Call Forget(key) when the leader has taken too long, so that the next caller tries again",
	},
	Explains: []claim.Mechanism{
		{Effect: "goroutine-pileup", Why: "who asks for the same key waits for the leader, in the wait group of the call", Source: "golang.org/x/sync/singleflight/singleflight.go, Do", Only: "waitgroup"},
	},
	Waiting: true,
}

// inFlight reports whether a function belongs to a package that makes one call for all who ask at the same time: golang.org/x/sync's,
// the standard library's own, groupcache's and their copies are all named so.
func inFlight(function string) bool { return path.Base(stack.Package(function)) == "singleflight" }

// flightFrames returns the first and the last index of the frames of such a package that are nearest to the leaf; ok is false when there are none.
func flightFrames(s stack.Stack) (first, last int, ok bool) {
	first = slices.IndexFunc(s, func(f *stack.Frame) bool { return inFlight(f.Function) })
	if first < 0 {
		return 0, 0, false
	}
	for last = first; last+1 < len(s) && inFlight(s[last+1].Function); {
		last++
	}
	return first, last, true
}

// joinsFlight places the waits of callers for their leader at the function that shares the call.
func joinsFlight(class wait.Class, s stack.Stack) (stack.Stack, stack.Site, bool) {
	first, last, ok := flightFrames(s)
	if !ok || class != wait.WaitGroup || last+1 >= len(s) || slices.ContainsFunc(s[:first], func(f *stack.Frame) bool { return !stack.Plumbing(f.Function) }) {
		return nil, stack.Site{}, false
	}
	return s[last+1:], s[last+1:].Owner(), true
}

// leadsFlight returns the part of a leader's stack from where it stands to the function it was given to call.
func leadsFlight(s stack.Stack) (inner stack.Stack, ok bool) {
	first, _, ok := flightFrames(s)
	if !ok || !slices.ContainsFunc(s[:first], func(f *stack.Frame) bool { return !stack.Plumbing(f.Function) }) {
		return nil, false
	}
	return s[:first], true
}

// flightLeader is where leaders of one function's calls stand.
type flightLeader struct {
	site      stack.Site
	class     wait.Class
	n         float64       // goroutines, or in a trace the mean number of them
	goroutine int64         // one of them; 0 when unknown
	age       time.Duration // its wait
}

// does is what a leader does, to end a sentence.
func (l *flightLeader) does() claim.Text {
	who := claim.Text("the leader")
	if l.goroutine != 0 {
		who = claim.Textf("the leader, goroutine %d,", l.goroutine)
	}
	doing := claim.Text("runs")
	if l.class != "" {
		doing = l.class.Doing(false).One
	}
	return claim.Textf("%s %s in %s", who, doing, claim.Func(l.site.Function))
}

// flightLeaders are the leaders by the functions on their stacks.
type flightLeaders struct{ all []leaderStack }

type leaderStack struct {
	stack stack.Stack
	inner stack.Stack
	flightLeader
}

func (c *flightLeaders) add(class wait.Class, s stack.Stack, n float64, goroutine int64, age time.Duration) {
	if inner, ok := leadsFlight(s); ok {
		c.all = append(c.all, leaderStack{s, inner, flightLeader{inner.Owner(), class, n, goroutine, age}})
	}
}

// of returns the leaders of the calls that a function shares, by where they stand, most first: they have passed through it, or were started by it.
func (c *flightLeaders) of(function string) []flightLeader {
	var out []flightLeader
	for _, l := range c.all {
		if !l.stack.Contains(function) {
			continue
		}
		i := slices.IndexFunc(out, func(o flightLeader) bool { return o.site.Function == l.site.Function && o.class == l.class })
		if i < 0 {
			out = append(out, l.flightLeader)
			continue
		}
		o := &out[i]
		o.n += l.n
		if l.age > o.age {
			o.goroutine, o.age = l.goroutine, l.age
		}
	}
	slices.SortStableFunc(out, func(a, b flightLeader) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.class, b.class))
	})
	return out
}

// flightCandidate is a shared call at the place where its leaders stand.
func flightCandidate(shares stack.Site, path []string, leaders []flightLeader) claim.Candidate {
	c := claim.Candidate{Site: shares, Path: path}
	if len(leaders) == 0 {
		c.Caveats = append(c.Caveats, "no leader is in sight: the evidence is cut short, or it has just ended")
		return c
	}
	c.Site, c.Path = leaders[0].site, append([]string{leaders[0].site.Function}, path...)
	judge.AddSites(&c, shares)
	for _, l := range leaders[1:] {
		judge.AddSites(&c, l.site)
	}
	return c
}

// aFewShare excuses callers at one moment that are about to be given what they wait for.
func aFewShare(n, old int) claim.Excuse {
	return claim.Excuse{Holds: n < judge.MinCrowd && 2*old < n, Says: "a few requests that wait for what one of them is about to have are what saves it from being done for each"}
}

func flightDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Says: "nobody waits for the leader of a shared call at the moment of the dump"}
	var leaders flightLeaders
	for i := range e.Dump().Goroutines {
		g := &e.Dump().Goroutines[i]
		s := g.Stack()
		leaders.add(wait.OfState(g.State, s), s, 1, g.ID, g.Wait)
	}
	for _, x := range reading.WaitsInDump(e.Dump(), joinsFlight) {
		if len(r.Candidates) == reading.MaxSites {
			break
		}
		lead := leaders.of(x.Site.Function)
		n := len(x.Goroutines)
		c := flightCandidate(x.Site, x.Path, lead)
		c.Summary = claim.Textf("%s for the leader of a call that %s shares", evidence.Amount(n, "goroutine waits", "goroutines wait"), claim.Func(x.Site.Function))
		c.Facts = []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for a leader of a call shared here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
			Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(x.Site, x.Goroutines[0].ID), Reproduce: claim.Grep(e, x.Text)}}
		for i, l := range lead[:min(len(lead), 3)] {
			if i == 0 {
				c.Summary += "; " + l.does()
			}
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("leaders that stand in %s", claim.Func(l.site.Function)), Value: evidence.Of(int64(l.n), evidence.Count), At: reading.AtGoroutine(l.site, l.goroutine),
				Reproduce: claim.GrepGoroutine(e, l.goroutine)})
		}
		judge.Moment(in, &c, e.Dump(), n, x.Requests, aFewShare(n, x.Old))
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func flightGoroutine(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Says: "nobody waits for the leader of a shared call at the moment of the profile"}
	var leaders flightLeaders
	var c reading.WaitSums
	held, waiting := map[string]*reading.Requests{}, map[string]int64{}
	var all reading.Requests
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		if len(s.Values) == 0 {
			continue
		}
		class, n := wait.OfStack(s.Stack), s.Values[0]
		leaders.add(class, s.Stack, float64(n), 0, 0)
		handler := wait.HandlerOf(s.Stack)
		all.Add(handler, float64(n))
		if above, owner, ok := joinsFlight(class, s.Stack); ok {
			w := c.Add(class, s.Stack, above, owner, time.Duration(n), n)
			waiting[w.Site.Function] += n
			if held[w.Site.Function] == nil {
				held[w.Site.Function] = &reading.Requests{}
			}
			held[w.Site.Function].Add(handler, float64(n))
		}
	}
	for _, w := range c.Sorted() {
		if len(r.Candidates) == reading.MaxSites {
			break
		}
		n := int(waiting[w.Site.Function])
		lead := leaders.of(w.Site.Function)
		cand := flightCandidate(w.Site, w.Path, lead)
		cand.Summary = claim.Textf("%s for the leader of a call that %s shares", evidence.Amount(n, "goroutine waits", "goroutines wait"), claim.Func(w.Site.Function))
		if len(lead) > 0 {
			cand.Summary += "; " + lead[0].does()
		}
		cand.Facts = []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for a leader of a call shared here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(e.Profile().Total(0), evidence.Count), "all goroutines of the profile"),
			Limit: in.Against("impact.min-standing-moment"), At: claim.At(w.Site), Reproduce: reading.PeekWait(e, "goroutine", w.Site, w.Stack)}}
		whole, of := float64(e.Profile().Total(0)), *held[w.Site.Function]
		if 2*of.Sum() >= float64(n) {
			whole = of.Alike(all)
		}
		in.Weigh(&cand, claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(float64(n), whole).Number}, aFewShare(n, 0), judge.NotOutside(len(of) > 0))
		cand.Thin = float64(n) < in.Limit("impact.min-standing-moment").Number
		r.Candidates = append(r.Candidates, cand)
	}
	return r
}

func flightTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	r := claim.Reading{Says: claim.Textf("nobody waits long for the leader of a shared call in %s", evidence.Duration(t.Duration))}
	var leaders flightLeaders
	for i := range t.Waits {
		w := &t.Waits[i]
		id := int64(0)
		if len(w.Worst) > 0 {
			id = w.Worst[0].Goroutine
		}
		leaders.add(w.Class, w.Stack, float64(w.Total)/float64(t.Duration), id, w.Max)
	}
	for _, w := range reading.SumWaits(t.Waits, joinsFlight, reading.OperationsOf(t)) {
		rate := reading.PerSecond(w.Total, t.Duration)
		if len(r.Candidates) == reading.MaxSites || rate.Number < in.Limit("impact.min-standing").Number {
			break
		}
		lead := leaders.of(w.Site.Function)
		c := flightCandidate(w.Site, w.Path, lead)
		c.Summary = claim.Textf("%s for the leader of a call that %s shares, %s each", judge.Standing(rate), claim.Func(w.Site.Function), evidence.Duration(w.Mean()))
		c.Facts = []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("time goroutines waited for a leader here per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: judge.AgainstStanding(in), At: w.SpanAt(), Reproduce: reading.BlockedView(e, w)},
			{Exhibit: e.ID, Says: claim.Textf("mean wait for a leader here, over %s, %s of them not ended", evidence.Things(w.Count, "wait"), evidence.Of(w.Open, evidence.Count)), Value: evidence.Duration(w.Mean()), Limit: in.Against("min-wait"), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
		}
		if len(lead) > 0 {
			l := lead[0]
			c.Summary += "; " + l.does()
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("leaders that wait in %s at any moment, on average", claim.Func(l.site.Function)), Value: evidence.Quantity{Number: l.n, Unit: evidence.Count}, At: reading.AtGoroutine(l.site, l.goroutine),
				Reproduce: claim.TraceView(e, claim.Textf("goroutine %d", l.goroutine))})
		}
		judge.Waits(in, &c, w, t.Duration, judge.StarvedExcuse(t), claim.Excuse{Holds: w.Mean() < in.Limit("min-wait").Duration(), Says: "the waits are short: each who waits would have made the call"})
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
