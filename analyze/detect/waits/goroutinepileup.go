package waits

import (
	"cmp"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// GoroutinePileup claims that many goroutines that have work to do wait at one place.
var GoroutinePileup = &claim.Detector{
	ID:    "goroutine-pileup",
	Title: "Goroutines pile up at one place",
	Doc: `A large part of the goroutines that have something to do stand at one place and wait: for a lock, a semaphore, a slot of a pool, a send,
a wait group they share. Each keeps its stack, its request and its caller waiting.

**How it is measured.** Goroutines of a dump or a goroutine profile are counted by what they wait for and by site; in a trace the
average number is the summed waiting over the length of the trace. Goroutines that are idle by design do not count, neither as piled up nor
as part of the whole: accept loops, connections kept alive, timers and sleepers, the runtime's own, and workers parked
at a channel receive or a select.

**When it is wrong.** A program may start a thousand goroutines on purpose and let a semaphore hold them back; outside of the handling
of a request a wait is therefore an info at most. Waits for the
network count only when they have lasted for a minute below the client of a known protocol, or when fifty stand in the middle of a body that they read to its end, of an answer without
the client's Timeout, or of requests of which none ends: a busy proxy has many that are short, and a
connection that a handler has taken over (web sockets) may be silent for hours. A deadline of a context does not show on a stack. Handlers that wait at a channel receive, a select or a condition may wait for events
(long polling, web sockets): they are an info, and channel-backpressure tells from a trace who ends their waits.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "goroutines at one place, of all that are not idle, or requests at one place of all requests",
			Source: "Judgement call: more wait there than do anything else"},
		{Name: "min-per-proc", Default: evidence.Quantity{Number: 20, Unit: evidence.Count},
			Doc:    "goroutines at one lock per processor (GOMAXPROCS) from which they count whatever else goes on",
			Source: "twenty turns of each processor's time are queued at one place"},
		{Name: "min-at-lock", Default: judge.MinAlike,
			Doc:    "goroutines at one lock from which min-per-proc counts, however few processors there are",
			Source: "as goroutine-leak.min-goroutines: fifty alike are no accident"},
		{Name: "min-cut-short", Default: judge.MinAlike,
			Doc:    "requests that stand in the middle of a body which they read to its end, from which the rest does not come",
			Source: "as goroutine-leak.min-goroutines: no chance meeting of slow clients"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "goroutines by state and site at one moment", Run: pileupDump},
		{Kind: evidence.Goroutine, Doc: "goroutines by leaf frames and site at one moment; the wait reason is told from the leaf frames", Run: pileupGoroutine},
		{Kind: evidence.Trace, Doc: "average number of goroutines that wait at a site over the trace", Run: pileupTrace},
	},
	Fix: []claim.Text{
		"Find out what the place is waiting for (the chain this finding belongs to) and make that faster or give it more slots",
		"Bound how many goroutines may come here: limit concurrent requests, and refuse early with a deadline on the context",
	},
	Waiting:   true,
	Durations: claim.WaitTimes(),
}

// crowd is the goroutines that wait for one thing at one site.
type crowd struct {
	site, owner stack.Site
	path        []string
	stack       stack.Stack // one of theirs
	class       wait.Class
	words       claim.Text         // what they wait for, to end a sentence
	others      []stack.Site       // further places: other methods of the lock's type, helpers
	at          map[string]float64 // of count, by function
	busiest     float64            // of them, at the site
	client      bool               // at work for a client of this process: it waits for an answer
	slot        bool
	requests    reading.Requests // of them, those in a request
	whole       float64          // of them, reading the body of a request or an answer to its end before they go on
	stay        bool             // none of them seems to end, by their numbers
	ids         []int64
	count       float64
	old         int   // of them, waiting for a minute or more
	goroutine   int64 // one of them
	longest     time.Duration
	callers     reading.Callers
	gates       map[uint64]bool // addresses of what they wait for, as far as known
}

// counted is the site as a command for pprof has to name it: every method that was counted with it.
func (x *crowd) counted() stack.Site {
	if typ, ok := stack.MethodType(x.site.Function); ok && x.class.IsLock() && len(x.at) > 1 {
		return stack.Site{Function: typ + "."}
	}
	return x.site
}

func (x *crowd) peek(e *evidence.Exhibit) claim.Command {
	if x.class.IsLock() {
		return claim.PeekInside(e, "goroutine", x.counted(), reading.InsideLock)
	}
	return reading.PeekWait(e, "goroutine", x.site, x.stack)
}

// crowds collects waiting goroutines.
type crowds struct {
	by       map[string]*crowd
	all      []*crowd
	busy     float64          // goroutines that are not idle by design
	requests reading.Requests // of them, those in a request
	stands   map[placeKey]*stand
}

// stand is what counts of the goroutines of a class that share a stack.
type stand struct {
	handler string // of the request that they are in, empty for none
	idle    bool   // by design, or a worker that waits for work: neither piled up nor busy
	busy    bool   // not idle by design; a request that sleeps or is in a system call is under way
	slot    bool
	above   stack.Stack // from the site on
	passed  []stack.Site
	site    stack.Site
	owner   stack.Site
	key     string
	client  bool // waits for an answer
	whole   bool // reads a body to its end
}

// stand returns what counts of goroutines, worked out once for all that share a stack.
func (c *crowds) stand(class wait.Class, s stack.Stack) *stand {
	key := placeKey{class, s.Same()}
	p := c.stands[key]
	if p == nil {
		if c.stands == nil {
			c.stands = map[placeKey]*stand{}
		}
		p = standOf(class, s)
		c.stands[key] = p
	}
	return p
}

func standOf(class wait.Class, s stack.Stack) *stand {
	p := &stand{handler: wait.HandlerOf(s)}
	if class == "" {
		p.busy, p.idle = true, true
		return p
	}
	p.slot = wait.ForSlot(class, s)
	// A request has work, whatever it waits in.
	if wait.ForWork(class, s) {
		p.idle, p.busy = true, p.handler != "" && wait.AtWork(class, s)
		return p
	}
	p.busy, p.above = true, s
	switch use := wait.LockOf(s); {
	case p.slot:
		p.above = s[wait.SlotFrame(s):]
	case use.Kind != "":
		p.above, p.passed = wait.LockUser(s[min(use.Above, len(s)):], nil)
		p.passed = slices.Clip(p.passed)
	case class.MayAwaitWork():
		// The application's line that entered the wait.
		p.above = s[max(0, slices.IndexFunc(s, func(f *stack.Frame) bool {
			return !stack.Standard(f.Function) && !stack.Plumbing(f.Function) && !f.Dependency()
		})):]
	}
	p.site, p.owner = p.above.Site(), p.above.Owner()
	// The methods of one type mostly use one lock: those who want to read stand in
	// one of them and those who want to write in another.
	p.key = string(class) + " " + p.site.Function
	if typ, ok := stack.MethodType(p.site.Function); ok && class.IsLock() {
		p.key = "lock " + typ
	}
	p.client, p.whole = wait.ForAnswer(s), wait.ReadsWhole(s)
	return p
}

func (c *crowds) add(class wait.Class, s stack.Stack, n float64, gate uint64) *crowd {
	if c.by == nil {
		c.by = map[string]*crowd{}
	}
	p := c.stand(class, s)
	if p.busy {
		c.busy += n
		c.requests.Add(p.handler, n)
	}
	if p.idle || p.site.Function == "" {
		return nil
	}
	site, passed := p.site, p.passed
	x := c.by[p.key]
	if x == nil {
		x = &crowd{class: class, words: class.DoingAt(p.slot, s).Many, slot: p.slot, gates: map[uint64]bool{}, at: map[string]float64{}}
		c.by[p.key] = x
		c.all = append(c.all, x)
	}
	x.at[site.Function] += n
	if old := x.site; x.at[site.Function] > x.busiest {
		x.busiest, x.site, x.owner, x.path, x.stack = x.at[site.Function], site, p.owner, p.above.Path(), s
		passed = append(passed, old)
	} else {
		passed = append(passed, site)
	}
	for _, o := range passed {
		if o.Function != "" && len(x.others) < reading.MaxSites && !slices.ContainsFunc(x.others, func(other stack.Site) bool { return other.Function == o.Function }) {
			x.others = append(x.others, o)
		}
	}
	x.callers.Add(p.owner, n)
	x.client = x.client || p.client
	x.count += n
	x.requests.Add(p.handler, n)
	if p.whole {
		x.whole += n
	}
	if gate != 0 {
		x.gates[gate] = true
	}
	return x
}

// judge returns the crowds worth telling, largest first.
func (c *crowds) judge(in *claim.Input, e *evidence.Exhibit, says claim.Text, reproduce func(*crowd) claim.Command) []claim.Candidate {
	slices.SortStableFunc(c.all, func(a, b *crowd) int {
		return cmp.Or(-cmp.Compare(a.count, b.count), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.class, b.class))
	})
	perProc := max(in.Limit("min-at-lock").Number, in.Limit("min-per-proc").Number*float64(in.Process.GOMAXPROCS))
	var out []claim.Candidate
	seen := map[string]bool{}
	for _, x := range c.all {
		if x.count < in.Limit("impact.min-standing-moment").Number || len(out) == reading.MaxSites || seen[x.site.Function] {
			continue
		}
		seen[x.site.Function] = true
		// Clients in the same process, or batch work beside, make a queue of requests no shorter.
		busy, all, ofWords := c.busy, claim.Text("all that are not idle"), claim.Text("all goroutines that are not idle by design")
		if 2*x.requests.Sum() >= x.count {
			busy, ofWords = x.requests.Alike(c.requests), "all requests"
			if busy < c.requests.Sum() {
				ofWords = "the requests of its handlers"
			}
			all = ofWords
		}
		// Averages over a trace, of waits and of all requests, are not of the same moments.
		share := evidence.Part(min(x.count, busy), busy)
		limit := in.Against("min-share")
		limit.Number, limit.Unit = limit.Number*busy, evidence.Count
		severity := claim.NoSeverity
		excuses := x.excuses(in)
		switch {
		case share.Number >= in.Limit("min-share").Number:
			severity = in.Severity(claim.Impact{Of: claim.Operations, Standing: x.count, Moment: true, Share: share.Number}, excuses...)
		case in.Process.GOMAXPROCS > 0 && x.class.IsLock() && x.count >= perProc:
			severity, limit = in.Severity(claim.Impact{Of: claim.Operations, Standing: x.count, Moment: true}, excuses...), in.Against("min-per-proc")
			limit.Number = perProc
		}
		of := evidence.Quantity{Number: math.Round(busy), Unit: evidence.Count}
		n := evidence.Quantity{Number: math.Round(x.count), Unit: evidence.Count}
		cand := claim.Candidate{
			Site: x.site, Path: x.path, Severity: severity, Share: share.Number,
			Variant: variantOf(x.class, x.slot),
			Summary: claim.Textf("%s goroutines %s in %s, %s of %s", n, x.words, x.name(), share, all),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("%s that %s here", says, x.words), Value: n,
				Of: claim.PartOf(of, ofWords), Limit: limit,
				At: reading.AtGoroutine(x.site, x.goroutine), Reproduce: reproduce(x)}},
		}
		for _, e := range excuses {
			if e.Holds {
				cand.Excuses = append(cand.Excuses, e.Says)
			}
		}
		if x.old > 0 {
			cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: "of them, waiting for a minute or more", Value: evidence.Of(x.old, evidence.Count),
				Of: claim.PartOf(n, "the goroutines that wait here"), At: reading.AtGoroutine(x.site, x.goroutine), Reproduce: reproduce(x)})
		}
		judge.AddSites(&cand, x.owner)
		judge.AddSites(&cand, x.others...)
		judge.AddSites(&cand, x.callers.Sites()...)
		out = append(out, cand)
	}
	return out
}

// name is the place of a crowd, with the application code that reached it when
// that is in a library.
func (x *crowd) name() claim.Text {
	if x.owner.Function != "" && x.owner.Function != x.site.Function {
		return claim.Textf("%s (%s)", claim.Func(x.site.Function), x.callers.Words())
	}
	return claim.Func(x.site.Function).Text()
}

// gateOfMany is how many wait at one WaitGroup, at least, where they wait for something in common.
const gateOfMany = 10

// excuses are the reasons why a crowd may be meant.
func (x *crowd) excuses(in *claim.Input) []claim.Excuse {
	if x.class.IsLock() {
		return nil
	}
	return []claim.Excuse{
		judge.NotOutside(len(x.requests) > 0),
		{Holds: x.class.MayAwaitWork() && !x.slot, Says: "requests that wait for events, as with long polling, look the same at any moment"},
		// For a minute none should wait for an answer. Below code that is no known client the connection may be that of the
		// server's own client (web sockets and other hijacked ones), who may be silent for hours.
		// Nor should most stand in the middle of a body that they want to the end: its first part has come, and a stream would be taken as it comes.
		{Holds: x.class == wait.Network && !(x.client && float64(x.old) >= x.count/2) && !x.cutShort(in), Says: "a busy proxy has many requests on their way at any moment"},
		{Holds: x.class == wait.WaitGroup && (len(x.gates) == 0 || float64(len(x.gates)) > x.count/gateOfMany), Says: "each waits for helpers of its own: the helpers are where to look"},
		{Holds: x.class == wait.WaitGroup && x.count < judge.MinCrowd && 2*float64(x.old) < x.count, Says: "a few requests that wait for what one of them is about to have are what saves it from being done for each"},
	}
}

// cutShort reports whether a crowd waits for the rest of bodies that do not come: of answers whose head has come, or of
// requests none of which has ended.
func (x *crowd) cutShort(in *claim.Input) bool {
	return x.count >= in.Limit("min-cut-short").Number && x.whole >= nearlyAll*x.count && (x.client || x.stay)
}

func variantOf(c wait.Class, slot bool) string {
	switch {
	case slot:
		return "slot"
	case c.IsLock():
		return "lock"
	case c == wait.Sync:
		return "semaphore"
	}
	return string(c)
}

func pileupDump(in *claim.Input) claim.Reading {
	var best claim.Reading
	most := -1.0
	for _, e := range in.Exhibits {
		var c crowds
		for i := range e.Dump().Goroutines {
			g := &e.Dump().Goroutines[i]
			s := g.Stack()
			class := wait.OfState(g.State, s)
			x := c.add(class, s, 1, gateOf(g.Frames))
			if x == nil {
				continue
			}
			x.ids = append(x.ids, g.ID)
			if g.Wait >= time.Minute {
				x.old++
			}
			if x.goroutine == 0 || g.Wait > x.longest {
				x.goroutine, x.longest = g.ID, g.Wait
			}
		}
		for _, x := range c.all {
			x.stay = stay(e.Dump(), x.ids)
		}
		r := claim.Reading{Candidates: c.judge(in, e, "goroutines", func(x *crowd) claim.Command { return claim.Grep(e, lastFrameText(e, x)) })}
		r.Says = c.says()
		// What cannot be read cannot be counted.
		judge.InPart(&r, e)
		if n := c.largest(); n > most {
			best, most = r, n
		}
	}
	return best
}

// gateOf returns the address of the wait group or condition that a goroutine
// waits for; 0 when its frames do not print it.
func gateOf(frames []dump.Frame) uint64 {
	for _, f := range frames {
		if gateFrames[f.Function] {
			return reading.Pointer(f)
		}
		if !stack.Plumbing(f.Function) {
			break
		}
	}
	return 0
}

// gateFrames are waits whose first argument is what is waited for.
var gateFrames = map[string]bool{"sync.(*WaitGroup).Wait": true, "sync.runtime_notifyListWait": true}

func lastFrameText(e *evidence.Exhibit, x *crowd) claim.Text {
	for i := range e.Dump().Goroutines {
		if g := &e.Dump().Goroutines[i]; g.ID == x.goroutine {
			for _, f := range g.Frames {
				if stack.Normal(f.Function) == x.site.Function {
					return claim.Func(f.Function).Text() + "("
				}
			}
		}
	}
	return claim.Func(x.site.Function).Text()
}

func (c *crowds) largest() float64 {
	n := 0.0
	for _, x := range c.all {
		n = max(n, x.count)
	}
	return n
}

func (c *crowds) says() claim.Text {
	busy := evidence.Amount(bound.Float(math.Round(c.busy)), "goroutine that is not idle", "goroutines that are not idle")
	if len(c.all) == 0 {
		return claim.Textf("of %s none waits for a lock, a slot, a send or the network", busy)
	}
	x := c.all[0]
	return claim.Textf("the largest crowd, in %s, is %.0f of %s", claim.Func(x.site.Function), x.count, busy)
}

func pileupGoroutine(in *claim.Input) claim.Reading {
	var best claim.Reading
	most := -1.0
	for _, e := range in.Exhibits {
		p := e.Profile()
		column := reading.GoroutineColumn(p)
		if column < 0 {
			continue
		}
		var c crowds
		for i := range p.Samples {
			s := &p.Samples[i]
			c.add(wait.OfStack(s.Stack), s.Stack, float64(s.Values[column]), 0)
		}
		r := claim.Reading{Candidates: c.judge(in, e, "goroutines", func(x *crowd) claim.Command { return x.peek(e) })}
		r.Says = c.says()
		if p.Unsymbolised > 0 {
			r.Silent = "stacks without function names cannot be told from idle ones; " + r.Says
		}
		if n := c.largest(); n > most {
			best, most = r, n
		}
	}
	if most < 0 {
		best.Silent = "it has no column of goroutines"
	}
	return best
}

// pileupTrace counts goroutines that wait on average: the summed waiting over
// the length of the trace.
func pileupTrace(in *claim.Input) claim.Reading {
	var best claim.Reading
	most := -1.0
	for _, e := range in.Exhibits {
		if short := reading.TooShort(e); short != "" {
			if most < 0 {
				best = claim.Reading{Silent: short}
			}
			continue
		}
		var c crowds
		wall := float64(e.Trace().Duration)
		hidden := 0.0 // goroutines whose place the trace does not tell: before Go 1.23 those that waited from the start
		for i := range e.Trace().Waits {
			w := &e.Trace().Waits[i]
			class := w.Class
			if use := wait.LockIn(class, w.Stack); use.Kind == wait.LockFile || use.Kind == wait.LockOnce {
				class = wait.Mutex
			}
			if len(w.Stack) == 0 {
				hidden += float64(w.Total) / wall
				continue
			}
			x := c.add(class, w.Stack, float64(w.Total)/wall, 0)
			if x == nil {
				continue
			}
			if len(w.Worst) > 0 && w.Max > x.longest {
				x.longest, x.goroutine = w.Max, w.Worst[0].Goroutine
			}
		}
		for _, w := range e.Trace().Windows {
			c.busy += (w.Running + w.Runnable) * float64(e.Trace().WindowLength) / wall
		}
		// Where most stand is not known: the trace's shares would be of the rest.
		if hidden > 0 && hidden >= c.largest() {
			if most < 0 {
				best = claim.Reading{Silent: evidence.Amount(bound.Float(math.Round(hidden)), "goroutine waits", "goroutines wait") + " at places that the trace does not tell"}
			}
			continue
		}
		r := claim.Reading{Candidates: c.judge(in, e, "goroutines on average", func(*crowd) claim.Command { return claim.TraceProfile(e, "sync") })}
		r.Says = "on average over the trace, " + c.says()
		if from, to, n := worstWindow(e); n > 0 {
			for i := range r.Candidates {
				f := &r.Candidates[i].Facts[0]
				f.At.From, f.At.To = from, to
			}
		}
		if hidden >= judge.MinAlike.Number {
			r.Silent = evidence.Amount(bound.Float(math.Round(hidden)), "goroutine waits", "goroutines wait") + " at places that the trace does not tell; " + r.Says
		}
		judge.InPart(&r, e)
		if n := c.largest(); n > most {
			best, most = r, n
		}
	}
	return best
}

// worstWindow returns the slice of the trace in which most goroutines waited for locks.
func worstWindow(e *evidence.Exhibit) (from, to int64, n float64) {
	for i, w := range e.Trace().Windows {
		if w.SyncWait > n {
			n = w.SyncWait
			from = int64(i) * int64(e.Trace().WindowLength)
			to = from + int64(e.Trace().WindowLength)
		}
	}
	return from, to, n
}
