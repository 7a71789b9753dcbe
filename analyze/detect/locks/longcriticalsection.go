package locks

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// LongCriticalSection claims that a lock is held for long, and that others waited meanwhile.
var LongCriticalSection = &claim.Detector{
	ID:    "long-critical-section",
	Title: "A lock is held for long",
	Doc: `Code sleeps, waits for the network, a channel or the disk, or computes for long while it holds a lock that others want. The lock then
hands out turns at the pace of the slowest thing done inside it.

**How it is measured.** In a trace, an unlock that wakes a waiter names the holder. The hold began when the holder's own wait for the
same lock ended; what it did from then to the unlock (ran, waited for a processor, slept, stood in network, channel or system
call) is summed up. Holds that began without contention have no known start: they count from when the woken waiter began to wait, and the mean is
then a lower bound. A hold is charged with
what all that stand in the queue wait while it lasts, and not with the waits that its unlock happens to end: those were spent behind others too. In a goroutine dump, one goroutine
is blocked elsewhere while its stack passes through the function in which the others wait for the lock, on a later line than theirs: it went through
the Lock they stand in. Where a lock is taken in one function and given back in another, the holder is taken to be the only goroutine
that is blocked beyond the call in which all others wait, or that works on the object whose lock it is (low confidence). The mutex profile charges each contended unlock with the waiting of those it lets go, which bounds the hold on neither side,
so it only vouches for what others show.

The variant says what the holder did most: sleeps, network, channel, system-call, lock, computes, or no-processor.

**When it is wrong.** A dump cannot tell whether the function had already unlocked before it went on. Only one goroutine can hold a
mutex; therefore the claim is made only when exactly one goroutine stands behind the lock and many in front of it. In
a trace, a hold during which the holder mostly waited for a processor is the scheduler's fault, not the section's: it is
reported as an info, and so is one in which the holder computes while every processor is busy anyway. A trace tells locks apart by where they are used, not by address.`,
	Limits: []claim.Limit{
		{Name: "min-hold", Mark: true, Default: evidence.Duration(time.Millisecond),
			Doc:    "mean hold of the lock while others waited",
			Source: "sync/mutex.go, starvationThresholdNs: waiters of 1 ms switch the mutex to hand-over mode"},
		{Name: "max-busy", Default: judge.MaxBusy,
			Doc:    "processors' time in use in the trace, from which computing under a lock costs nobody a free processor and is an info",
			Source: "as mutex-hotspot.max-busy"},
		{Name: "min-count", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
			Doc:    "holds of known length, below which the evidence is thin",
			Source: "Poisson: ten events have a standard error of 32 %"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "part of min-hold from which a mean hold vouches for what another kind of evidence shows",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "hold times by the unlock that woke a waiter, and what the holder did inside", Run: longHoldTrace},
		{Kind: evidence.Dump, Doc: "the one goroutine that is blocked elsewhere below a function in which others wait for a lock", Run: longHoldDump},
		{Kind: evidence.Mutex, Doc: "mean waiting charged to one contended unlock: of the whole queue, so it only vouches", Run: longHoldMutex},
	},
	Fix: []claim.Text{
		"Do the slow part before taking the lock or after giving it back, and lock only to read and write the shared state",
		"Take a copy of what the slow part needs under the lock, work on the copy, and lock again to store the result",
		"If only one caller may do the slow part, use golang.org/x/sync/singleflight or a state in the data, not the lock",
	},
	Sketch: `// Take what the slow part needs, then let go of the lock for it.
func (s *Store) Update(ctx context.Context, id string) error {
	s.mu.Lock()
	item := s.items[id] // a copy, not a pointer into the map
	s.mu.Unlock()

	next, err := s.remote.Compute(ctx, item) // slow, and nobody waits for it
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items[id].Version != item.Version {
		return ErrChanged // somebody else was faster: try again
	}
	s.items[id] = next
	return nil
}
`,
	Explains: []claim.Mechanism{
		{Effect: "writer-starvation", Why: "a writer gets in only when the last reader has given the lock back", Source: "sync/rwmutex.go, Lock"},
		{Effect: "mutex-hotspot", Why: "while the holder is busy inside the lock, everyone else queues for it", Source: "sync/mutex.go"},
		{Effect: "goroutine-pileup", Only: "lock", Why: "arrivals outpace a lock that is given back slowly, so waiters pile up", Source: "sync/mutex.go, Little's law"},
		{Effect: "p-idle", Why: "goroutines that wait for a lock cannot use a free processor", Source: "runtime/sema.go"},
		{Effect: "fragmented-slices", Why: "each turn at the lock ends in a wait for the next", Source: "runtime/sema.go"},
		{Effect: "sched-latency", Why: "every hand-over of the lock makes a goroutine runnable that must then be scheduled", Source: "runtime/sema.go, readyWithTime"},
	},
	Wakes:     true,
	Durations: claim.HoldTimes(),
	Moments:   true,
}

// hold is what the traces say about one site that gives a lock back late.
type hold struct {
	site, waiter stack.Site
	owner        stack.Site   // first frame outside the standard library
	helps        []stack.Site // functions that gave the lock back for it
	waiters      []string     // functions in which those it woke had waited
	others       []*hold      // other places that hold the same lock
	path         []string
	class        wait.Class
	handoffs     int64
	known        int64
	total        time.Duration
	least        time.Duration // of the holds of unknown start: at least so long, summed
	waited       time.Duration // by others while it lasted, summed over them
	ran          time.Duration
	runnable     time.Duration
	blocked      []exectrace.Blocked
	leastBlocked []exectrace.Blocked // of least
	worst        exectrace.Span
	max          time.Duration
	most         time.Duration
}

// mean returns the mean hold; least says that it is a lower bound, because most
// holds began without contention and were at least as long as the woken had waited.
func (h *hold) mean() (mean time.Duration, least bool) {
	if h.handoffs == 0 {
		return 0, false
	}
	if h.known*2 >= h.handoffs {
		return h.total / time.Duration(h.known), false
	}
	return (h.total + h.least) / time.Duration(h.handoffs), true
}

func (h *hold) long() time.Duration { d, _ := h.mean(); return d }

func (h *hold) held() time.Duration { return h.total + h.least }

// deed is what a goroutine does with a lock in hand: in words that end a sentence, and as a variant.
type deed struct {
	did, does claim.Text // "slept", "sleeps"
	variant   string
}

// held is what holders did, for how long, and where.
type held struct {
	deed
	time time.Duration
	site stack.Site
}

// inside returns what holders of known start did in the section, longest first.
func (h *hold) inside() []held {
	return sumHeld([]held{
		{deed: deed{"ran", "runs", "computes"}, time: h.ran},
		{deed: deed{"waited for a processor", "waits for a processor", "no-processor"}, time: h.runnable},
	}, h.blocked)
}

// insideLeast returns where holders of unknown start waited while others waited
// for them, longest first; whether they ran for the rest is not known.
func (h *hold) insideLeast() []held { return sumHeld(nil, h.leastBlocked) }

func sumHeld(sums []held, blocked []exectrace.Blocked) []held {
	for _, b := range blocked {
		d := deedOf(b.Class, b.Stack)
		i := slices.IndexFunc(sums, func(s held) bool { return s.variant == d.variant })
		if i < 0 {
			i = len(sums)
			sums = append(sums, held{deed: d, site: b.Stack.Site()})
		}
		sums[i].time += b.Total
	}
	slices.SortStableFunc(sums, func(a, b held) int { return -cmp.Compare(a.time, b.time) })
	return sums
}

// deedOf tells what a blocked holder does.
func deedOf(c wait.Class, s stack.Stack) deed {
	waited := func(what claim.Text, variant string) deed { return deed{"waited " + what, "waits " + what, variant} }
	switch c {
	case wait.Sleep:
		return deed{"slept", "sleeps", "sleeps"}
	case wait.Network:
		switch wait.Poller(s) {
		case "net":
			return waited("for the network", "network")
		case "os":
			return waited("in a read or write of a pipe or device", "file")
		}
		return waited("for input or output", "io")
	case wait.ChanSend, wait.ChanRecv, wait.Select:
		return waited("for a channel", "channel")
	case wait.Syscall:
		return deed{"stood in a system call", "stands in a system call", "system-call"}
	case wait.Mutex, wait.RWRead, wait.RWWrite:
		return waited("for another lock", "lock")
	case wait.WaitGroup, wait.Cond, wait.Sync:
		return waited("for other goroutines", "goroutines")
	case wait.Assist:
		return waited("for the collector", "collector")
	}
	return deed{"was blocked", "is blocked", "blocked"}
}

func longHoldTrace(in *claim.Input) claim.Reading {
	var e *evidence.Exhibit
	for _, x := range in.Exhibits {
		if e == nil || handoverDelay(x) > handoverDelay(e) {
			e = x
		}
	}
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	holds := holdsOf(e)
	if len(holds) == 0 {
		if c := reading.TraceLocks(e); c.Delay+c.Stuck > 0 {
			return claim.Reading{Silent: "goroutines waited for locks, but no unlock that ended a wait is in the trace"}
		}
		return claim.Reading{Says: claim.Textf("no goroutine waited for a lock in %s", evidence.Duration(e.Trace().Duration))}
	}
	r := claim.Reading{}
	locks := byLock(holds)
	for _, h := range locks[:min(len(locks), reading.MaxSites)] {
		if c, ok := longHold(in, e, h); ok {
			r.Candidates = append(r.Candidates, c)
		}
	}
	longest := slices.MaxFunc(holds, func(a, b *hold) int { return cmp.Compare(a.long(), b.long()) })
	r.Says = claim.Textf("the longest mean hold is %s, in %s", evidence.Duration(longest.long()), claim.Func(longest.site.Function))
	judge.InPart(&r, e)
	return r
}

func handoverDelay(e *evidence.Exhibit) (sum time.Duration) {
	for i := range e.Trace().Holders {
		sum += e.Trace().Holders[i].Delay
	}
	return sum
}

// holdsOf adds the holders of a trace up by the function that unlocks, longest
// known holding first.
func holdsOf(e *evidence.Exhibit) []*hold {
	by := map[string]*hold{}
	var holds []*hold
	helpers := reading.LockHelpers(e)
	for i := range e.Trace().Holders {
		x := &e.Trace().Holders[i]
		s, helps := wait.LockUser(x.Unlock[min(wait.LockOf(x.Unlock).Above, len(x.Unlock)):], helpers)
		waiter, asked := wait.LockUser(x.Waiter[min(wait.LockOf(x.Waiter).Above, len(x.Waiter)):], helpers)
		site := s.Site()
		if site.Function == "" {
			continue
		}
		h := by[site.Function]
		if h == nil {
			h = &hold{site: site, most: -1}
			by[site.Function] = h
			holds = append(holds, h)
		}
		if x.Total > h.most {
			h.most, h.site, h.path, h.class = x.Total, site, s.Path(), x.Class
			h.waiter, h.owner = waiter.Site(), s.Owner()
		}
		for _, p := range append(helps, asked...) {
			if len(h.helps) < reading.MaxSites && !slices.ContainsFunc(h.helps, func(o stack.Site) bool { return o.Function == p.Function }) {
				h.helps = append(h.helps, p)
			}
		}
		if f := waiter.Site().Function; f != "" && len(h.waiters) < maxEnds && !slices.Contains(h.waiters, f) {
			h.waiters = append(h.waiters, f)
		}
		h.handoffs += x.Handoffs
		h.known += x.Handoffs - x.Unknown
		h.total += x.Total
		h.least += x.Least
		h.waited += x.Waited
		h.ran += x.Ran
		h.runnable += x.Runnable
		h.blocked = append(h.blocked, x.Blocked...)
		h.leastBlocked = append(h.leastBlocked, x.LeastBlocked...)
		if x.Syscall > 0 {
			h.blocked = append(h.blocked, exectrace.Blocked{Class: wait.Syscall, Total: x.Syscall})
		}
		for _, w := range x.Worst {
			if d := w.To - w.From; d > h.max {
				h.max, h.worst = d, w
			}
		}
	}
	slices.SortStableFunc(holds, func(a, b *hold) int {
		return cmp.Or(-cmp.Compare(a.held(), b.held()), cmp.Compare(a.site.Function, b.site.Function))
	})
	return holds
}

// byLock folds the places that hold one lock into the one that held it longest:
// they woke waiters of the same function, or wait for each other.
func byLock(holds []*hold) []*hold {
	var locks []*hold
	for _, h := range holds {
		i := slices.IndexFunc(locks, func(l *hold) bool {
			return slices.Contains(l.waiters, h.site.Function) || slices.Contains(h.waiters, l.site.Function) ||
				slices.ContainsFunc(h.waiters, func(f string) bool { return slices.Contains(l.waiters, f) })
		})
		if i < 0 {
			locks = append(locks, h)
			continue
		}
		locks[i].others = append(locks[i].others, h)
	}
	return locks
}

// ends returns the other functions that use the lock.
func (h *hold) ends() []string {
	out := slices.Clone(h.waiters)
	for _, o := range h.others {
		out = append(out, o.site.Function)
	}
	return out
}

func atLeastWords(least bool) claim.Text {
	if least {
		return "counted from when somebody waited, "
	}
	return ""
}

// look is what to look for in a viewer of the trace.
func (h *hold) look() claim.Text {
	if h.max == 0 {
		return claim.Textf("goroutines that unblock others in %s", claim.Func(h.site.Function))
	}
	return claim.Textf("goroutine %d from %s to %s", h.worst.Goroutine, evidence.Duration(h.worst.From), evidence.Duration(h.worst.To))
}

// spokenFor is the part of what was held, one of so many, from which those that are known speak for all.
const spokenFor = 4

// meanwhile is what holders did with the lock in hand, where that shows.
type meanwhile struct {
	held                  // zero where it does not
	of      time.Duration // that its time is a part of
	ofWords claim.Text
	doing   claim.Text // all of it in words
}

// meanwhile tells what most holders did. That of holders of known start speaks for the others only where it is much of what was held.
func (h *hold) meanwhile() meanwhile {
	m := meanwhile{held: held{deed: deed{variant: "unknown"}}, doing: "what they do meanwhile does not show"}
	if h.total > 0 && h.total*spokenFor >= h.held() {
		m.held, m.of, m.ofWords = h.inside()[0], h.total, "all holding of known start here"
	} else if waits := h.insideLeast(); len(waits) > 0 && waits[0].time*2 >= h.least {
		m.held, m.of, m.ofWords = waits[0], h.least, "all holding of unknown start here, as far as others waited meanwhile"
	} else {
		return m
	}
	m.doing = claim.Textf("holders %s for %s of that time", m.did, evidence.Part(m.time, m.of))
	if m.site.Function != "" && m.site.Function != h.site.Function {
		m.doing += claim.Textf(" in %s", claim.Func(m.site.Function))
	}
	return m
}

// heldFact is how long the lock, or several that are taken in one place, was held while others waited.
func (h *hold) heldFact(e *evidence.Exhibit) claim.Fact {
	wall := e.Trace().Duration
	f := claim.Fact{Exhibit: e.ID, Says: "time the lock was held here while others waited", Value: evidence.Duration(h.held()),
		Of: claim.PartOf(evidence.Duration(wall), "the trace"), At: claim.At(h.site),
		Reproduce: claim.TraceProfile(e, "sync")}
	if h.held() > wall {
		// Only several locks can be held for longer than there was time.
		f.Says, f.Of = claim.Textf("time locks were held here while others waited, added up; the trace is %s long, so it is several locks that are taken here", evidence.Duration(wall)), nil
	}
	return f
}

func longHold(in *claim.Input, e *evidence.Exhibit, h *hold) (claim.Candidate, bool) {
	hold, least := h.mean()
	mean := float64(hold)
	// A tenth of the limit is neither a claim nor a vote for one.
	if mean < in.Limit("min-hold").Number*in.Limit("min-vote").Number {
		return claim.Candidate{}, false
	}
	wall := e.Trace().Duration
	heldShare := evidence.Part(h.held(), wall)
	// Few hand-overs are thin, unless they are most of what happened.
	thin := h.handoffs < int64(in.Limit("min-count").Number) && 2*h.waited < reading.TraceLocks(e).Delay
	excuses := []claim.Excuse{{Holds: h.runnable*2 > h.total, Says: "holders mostly waited for a processor: it is the scheduler that is late, not the section that is long"}}
	if h.inside()[0].variant == "computes" && h.ran*2 > h.total {
		excuses = append(excuses, judge.BusyElsewhere(in, append(h.ends(), h.site.Function)...))
	}
	impact := claim.Impact{Of: claim.Operations, Standing: float64(h.waited) / float64(wall), Mean: hold}
	atLeast := claim.Text("")
	if least {
		atLeast = "at least "
	}
	m := h.meanwhile()
	c := claim.Candidate{
		Site: h.site, Path: h.path, Ends: h.ends(), Variant: m.variant, Thin: thin, Share: min(1, heldShare.Number), Fix: fixInside(h.site),
		Summary: claim.Textf("%s holds its lock for %s%s on average while others wait; %s", reading.Place(h.site, h.owner), atLeast, evidence.Duration(hold), m.doing),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("mean hold of the lock given back here, %sover %s, %s of known start", atLeastWords(least), evidence.Things(h.handoffs, "hand-over"), evidence.Of(h.known, evidence.Count)),
				Value: evidence.Duration(hold), Limit: in.Against("min-hold"), At: claim.At(h.site),
				Reproduce: claim.TraceView(e, h.look())},
			h.heldFact(e),
			{Exhibit: e.ID, Says: "time goroutines waited for the lock while it was held here, added up", Value: evidence.Duration(h.waited),
				At: claim.At(cmp.Or(h.waiter, h.site)), Reproduce: claim.TraceProfile(e, "sync")},
		},
	}
	if m.did != "" {
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time in which holders %s with the lock held", m.did), Value: evidence.Duration(m.time),
			Of: claim.PartOf(evidence.Duration(m.of), m.ofWords), At: claim.At(cmp.Or(m.site, h.site)),
			Reproduce: claim.TraceView(e, claim.Textf("goroutine %d", h.worst.Goroutine))})
	}
	if mean >= in.Limit("min-hold").Number {
		in.Weigh(&c, impact, excuses...)
	}
	if h.max > 0 {
		at := &c.Facts[0].At
		at.Goroutine, at.From, at.To = h.worst.Goroutine, int64(h.worst.From), int64(h.worst.To)
	}
	judge.AddSites(&c, h.owner, h.waiter, m.site)
	judge.AddSites(&c, h.helps...)
	for _, o := range h.others {
		judge.AddSites(&c, o.site, o.owner)
		if mean, least := o.mean(); float64(mean) >= in.Limit("min-hold").Number {
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("mean hold of the same lock given back in %s, %sover %s", claim.Func(o.site.Function), atLeastWords(least), evidence.Things(o.handoffs, "hand-over")),
				Value: evidence.Duration(mean), Limit: in.Against("min-hold"), At: claim.At(o.site), Reproduce: claim.TraceView(e, o.look())})
		}
	}
	if least {
		c.Caveats = append(c.Caveats, claim.Textf("of %s %d ended holds that began without contention; they count only from when somebody waited", evidence.Things(h.handoffs, "hand-over"), h.handoffs-h.known))
	}
	return c, true
}

// longHoldDump looks for the one goroutine that is blocked elsewhere with the
// lock that others wait for in hand. It can never deny the claim: most holders
// of a slow lock are gone a moment later.
func longHoldDump(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, and at that moment no goroutine blocked elsewhere is seen to hold a lock that others wait for"}
	type seen struct {
		claim.Candidate
		times int
		n     int
	}
	bySite := map[string]*seen{}
	var order []string
	for _, e := range in.Exhibits {
		for _, l := range reading.Locks(e.Dump()) {
			c, ok := longHolder(in, e, l)
			if !ok {
				continue
			}
			n := len(l.Waiters)
			old := bySite[c.Site.Function]
			if old == nil {
				bySite[c.Site.Function] = &seen{c, 1, n}
				order = append(order, c.Site.Function)
				continue
			}
			old.times++
			if n > old.n {
				old.Candidate, old.n = c, n
			}
		}
	}
	for _, f := range order {
		s := bySite[f]
		if len(in.Exhibits) > 1 {
			s.Facts[0].Says += claim.Textf(" (the same in %d of %d dumps)", s.times, len(in.Exhibits))
		}
		r.Candidates = append(r.Candidates, s.Candidate)
	}
	slices.SortStableFunc(r.Candidates, func(a, b claim.Candidate) int {
		return -cmp.Compare(a.Facts[0].Value.Number, b.Facts[0].Value.Number)
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), reading.MaxSites)]
	return r
}

// longHolder judges a lock of a dump whose holder is blocked elsewhere.
func longHolder(in *claim.Input, e *evidence.Exhibit, l *reading.Lock) (claim.Candidate, bool) {
	h, likely, ok := l.Holder(e.Dump(), in.Limit("impact.min-standing-moment").Number)
	if !ok {
		return claim.Candidate{}, false
	}
	s := h.G.Stack()
	class := wait.OfState(h.G.State, s)
	doing := deedOf(class, s)
	site, owner := h.G.Frames[h.At].Site(), s[h.At:].Owner()
	inner := s.Site()
	n := len(l.Waiters)
	var longest time.Duration
	for _, w := range l.Waiters {
		longest = max(longest, w.G.Wait)
	}
	waitSite, _, _ := l.Site()
	// Nested locks: the outer one waits for whoever holds the inner one, which is the one to look at.
	var severity claim.Severity
	if !class.IsLock() {
		severity = in.Severity(claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Mean: longest, Share: evidence.Part(n, reading.AtWork(e.Dump())).Number})
	}
	thin := severity < claim.Warning || likely
	lock, caveat := claim.Text("a lock"), claim.Text("a dump cannot show who holds a lock: the holder is the only goroutine that stands behind the line at which the others wait")
	if l.ReadLocked() {
		lock = "a read lock"
	}
	if likely {
		if lock = "what is probably the lock"; l.ReadLocked() {
			lock = "what is probably the read lock"
		}
		caveat = "a dump cannot show who holds a lock: the holder is taken to be the only goroutine that has passed the call in which the others wait, or that works on the same object; it may have given the lock back"
	}
	does := doing.does
	if inner.Function != "" && inner.Function != site.Function {
		does += claim.Textf(" in %s", claim.Func(inner.Function))
	}
	c := claim.Candidate{
		Site: site, Path: s[h.At:].Path(), Variant: doing.variant, Severity: severity, Thin: thin, Share: 0, Fix: fixInside(site),
		Summary: claim.Textf("%s holds %s that %s for and meanwhile %s", reading.Place(site, owner), lock, evidence.Amount(n, "goroutine waits", "goroutines wait"), does),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s, which goroutine %d seems to hold", l.Name(), h.G.ID), Value: evidence.Of(n, evidence.Count),
				Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(waitSite, l.Waiters[0].G.ID), Reproduce: claim.Grep(e, l.Grep())},
			{Exhibit: e.ID, Says: claim.Textf("goroutines that stand behind the lock here and are blocked: goroutine %d (%s)", h.G.ID, wait.StateText(h.G.State)), Value: evidence.Of(1, evidence.Count),
				At: reading.AtGoroutine(inner, h.G.ID), Reproduce: claim.GrepGoroutine(e, h.G.ID)},
		},
		Caveats: []claim.Text{caveat},
	}
	judge.AddSites(&c, owner, waitSite, inner)
	c.Graph = judge.QueueGraph(e, l, h)
	return c, true
}

// longHoldMutex vouches: a contended unlock is charged with the waiting of those
// it lets go (runtime/sema.go, semrelease1). Who came late in a long hold waited for less
// than the hold, and a queue waits for more: it bounds the hold on neither side, so what it quotes is the part of
// the waiting that these unlocks end.
func longHoldMutex(in *claim.Input) claim.Reading {
	c := reading.Contention(in.Exhibits)
	r := claim.Reading{Silent: "a mutex profile tells how long others waited, not how long the lock was held"}
	for _, l := range c.Sites[:min(len(c.Sites), reading.MaxSites)] {
		// Waits far below the limit, on average, are no sign of long holds.
		if float64(l.Mean()) < in.Limit("min-hold").Number {
			continue
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: l.Site, Path: l.Path, Sites: l.Sites(), Thin: true,
			Summary: claim.Textf("contended unlocks in %s end %s of waiting each on average", l.Words(), evidence.Duration(l.Mean())),
			Facts: []claim.Fact{{Exhibit: c.Exhibit.ID, Says: claim.Textf("waiting that contended unlocks here ended, %s each on average", evidence.Duration(l.Mean())), Value: evidence.Part(l.Delay, c.Delay),
				Of: claim.PartOf(evidence.Duration(c.Delay), "all delay at locks in the mutex profile"), At: claim.At(l.Site), Reproduce: claim.Peek(c.Exhibit, "delay", l.Site)}},
		})
	}
	return r
}
