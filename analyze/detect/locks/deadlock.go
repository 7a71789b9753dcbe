package locks

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// Deadlock claims that goroutines wait for each other, or for themselves, and will for ever.
var Deadlock = &claim.Detector{
	ID:    "deadlock",
	Title: "Goroutines wait for each other and never go on",
	Doc: `Goroutines hold what others in the same circle wait for; or one waits for a lock that it holds itself; or the lock was
never given back. The process may live on and answer other requests while everything that needs the lock stops.

**How it is measured.** A goroutine dump prints the address of the lock that a goroutine waits for, not who holds it. A holder is
recognised by its stack: it passes through a function in which others wait for this lock, on a later line, for the same object. From
waiters and holders follows the wait-for graph; a circle in it is a deadlock. A reader that asks again for an RWMutex while a writer waits
between its two requests waits for itself (sync/rwmutex.go: a blocked Lock keeps new readers out). The runtime's own verdicts count
as proof: "all goroutines are asleep", and goroutines that the leak profile marks as leaked inside a lock, because nobody alive
can reach that lock. The trace adds how long nobody got through; mutex and block profiles never show a deadlock, as they record waits that ended.

A holder that waits at a channel, a wait group or a condition while another function asks for its lock is a suspicion; a trace in
which nobody gets through makes it a finding. So are goroutines that wait for locks in a dump in which nobody but the goroutine that takes it can move.

A holder that stands in a wait group while all goroutines that it made wait for its lock is told too, with low confidence.

The variant is circle, self, never-unlocked, channel, wait-group, all-asleep, unreachable-lock, or standstill.

**When it is wrong.** A holder may have unlocked before it went on. A circle is therefore only reported when each lock has exactly one goroutine
behind it, no goroutine is just being handed the lock, and nobody else works on the same object or type who could be the real
holder, or when the waiting has lasted for a minute; a lock without a holder in sight only when a hundred wait for it, or one for a minute. Read locks print no address when they are inlined (Go 1.22 to 1.27); they are told apart by
the object of the calling method. A deadlock of two goroutines whose arguments are out of date in the dump, with no later
caller waiting behind them, is missed before its first minute; deadlocks over channels alone are seen only when the whole program is asleep or the leak profile proves them.`,
	Limits: []claim.Limit{
		{Name: "min-wait", Mark: true, Default: evidence.Duration(time.Minute),
			Doc:    "wait after which a lock whose holder is nowhere to be seen counts as never given back",
			Source: "runtime/traceback.go, goroutineheader: waits are printed from one minute on; no lock should be held that long"},
		{Name: "min-waiters", Default: evidence.Quantity{Number: 100, Unit: evidence.Count},
			Doc:    "goroutines that wait for a lock whose holder is nowhere to be seen, from which it counts as never given back even before min-wait",
			Source: "a lock that a hundred wait for has a holder who is at work in the same code, or has none"},
		{Name: "min-trace", Default: evidence.Duration(time.Second),
			Doc:    "length of a trace over which a lock let nobody through",
			Source: "a thousand times what the mutex itself calls starvation (sync/mutex.go, starvationThresholdNs)"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "circles in the wait-for graph by lock address, locks asked for twice, the runtime's own verdicts", Run: deadlockDump},
		{Kind: evidence.GoroutineLeak, Doc: "goroutines in a lock that nobody alive can reach", Run: deadlockLeaked},
		{Kind: evidence.Trace, Doc: "waits for a lock that last from the first to the last event at a place where nobody gets through", Run: deadlockTrace},
	},
	Fix: []claim.Text{
		"Take the locks in one order everywhere (for two objects of a kind: by id or address), or guard both with one lock",
		"Never call out of a locked section into code that may lock again; keep an inner function that expects the lock to be held, beside the outer one that takes it",
		"Never take a read lock twice in one goroutine: pass what was read instead",
		"Unlock with defer right behind Lock, so that early returns and panics give it back",
	},
	Sketch: `// Take two locks in one order everywhere, such as by the id of what they guard.
func transfer(from, to *Account, amount int) {
	first, second := from, to
	if second.ID < first.ID {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	if second != first {
		second.mu.Lock()
		defer second.mu.Unlock()
	}
	from.balance -= amount
	to.balance += amount
}
`,
	Explains: []claim.Mechanism{
		{Effect: "goroutine-pileup", Only: "lock", Why: "whoever asks for a lock of the cycle never gets it", Source: "sync/mutex.go"},
		{Effect: "long-critical-section", Why: "a holder that waits for those who wait for its lock never gives it back", Source: "sync/mutex.go"},
		{Effect: "mutex-hotspot", Why: "whoever asks for a lock of the circle queues for it and never gets it", Source: "sync/mutex.go"},
		{Effect: "goroutine-leak", Why: "goroutines in a cycle never end", Source: "sync/mutex.go"},
		{Effect: "crash", Why: "the runtime ends a program in which no goroutine can run any more", Source: "runtime/proc.go, checkdead"},
		{Effect: "test-timeout", Why: "a test that waits for goroutines in a cycle never ends", Source: "testing/testing.go, startAlarm"},
	},
	Durations: claim.WaitTimes(wait.Mutex, wait.RWRead, wait.RWWrite),
	Everybody: "a lock may be held by a goroutine without the label",
}

func deadlockDump(in *claim.Input) claim.Reading {
	r := claim.Reading{Says: "no circle of goroutines and locks is in the dump"}
	seen := map[string]bool{}
	partial := false
	waiting, hidden := 0, 0
	// The latest dump shows the deadlock with most goroutines behind it.
	for i := len(in.Exhibits) - 1; i >= 0; i-- {
		e := in.Exhibits[i]
		partial = partial || e.Coverage != evidence.Whole || e.Dump().Elided > 0
		locks := reading.Locks(e.Dump())
		found := deadlocks(in, e, locks)
		found = append(found, leakedInLock(e)...)
		found = append(found, allAsleep(e, len(found) > 0)...)
		found = closedWorld(e, found)
		for _, c := range found {
			if !seen[c.Site.Function] {
				seen[c.Site.Function] = true
				r.Candidates = append(r.Candidates, c)
			}
		}
		moving := reading.Alive(locks)
		for _, l := range locks {
			waiting += len(l.Waiters)
			if !moving[l] {
				hidden += len(l.Waiters)
			}
		}
	}
	r.Candidates = r.Candidates[:min(len(r.Candidates), reading.MaxSites)]
	switch {
	case partial:
		r.Silent = "goroutines or frames are missing from the dump"
	case hidden > 0:
		r.Silent = claim.Textf("for %d of %s that wait for locks it cannot be told who will give them theirs", hidden, evidence.Things(waiting, "goroutine"))
	}
	return r
}

// blockedOutside judges a lock whose only holder waits for other goroutines while
// another function asks for the lock: when that is who would let the holder go on, nobody ever moves. The dump
// alone cannot tell, as it prints no channels; where a trace shows that nobody gets through, it is told.
func blockedOutside(in *claim.Input, e *evidence.Exhibit, l *reading.Lock) (claim.Candidate, bool) {
	h, ok := l.BlockedHolder()
	if !ok || !h.OnOthers() {
		return claim.Candidate{}, false
	}
	site, others := h.Site(), map[claim.Func]int{}
	for _, w := range l.Waiters {
		if f := w.Site().Function; f != site.Function {
			others[claim.Func(f)]++
		}
	}
	// All who wait want to do what the holder does: a slow receiver, not one that is caught, unless nobody is left to be one.
	if len(others) == 0 && len(reading.Standstill(e)) == 0 {
		return claim.Candidate{}, false
	}
	s := h.G.Stack()
	class := wait.OfState(h.G.State, s)
	severity, raises := claim.Info, claim.Warning
	if h.G.Wait >= in.Limit("min-wait").Duration() {
		severity, raises = claim.Warning, claim.Critical
	}
	names := slices.Sorted(maps.Keys(others))
	if len(names) == 0 {
		names = []claim.Func{claim.Func(site.Function)}
	}
	c := claim.Candidate{
		Site: site, Path: s[h.At:].Path(), Variant: "channel", Severity: severity, Raises: raises, Thin: true, Share: 1,
		Summary: claim.Textf("goroutine %d holds the lock it took in %s and waits there %s; %s for that lock, among them %s, which may be what would let it go on",
			h.G.ID, claim.Func(site.Function), class.Doing(false).For, evidence.Amount(len(l.Waiters), "goroutine waits", "goroutines wait"), claim.Join(names[:min(len(names), 3)], ", ")),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s, whose holder, goroutine %d, waits for others (%s)", l.Name(), h.G.ID, wait.StateText(h.G.State)), Value: evidence.Of(len(l.Waiters), evidence.Count),
				At: reading.AtGoroutine(site, h.G.ID), Reproduce: claim.GrepGoroutine(e, h.G.ID)},
		},
		Caveats: []claim.Text{"a dump prints no channels: that the one who would let the holder go on is among the waiters is likely, not shown"},
		Fix: []claim.Text{
			"Send, receive and wait outside of the lock: note under the lock what is to be sent, give the lock back, then send",
			"Give the send a way out: a select with ctx.Done() or a default case",
			"Let the receiver take what it needs without the sender's lock",
		},
	}
	judge.AddSites(&c, l.OtherSites(site)...)
	c.Graph = judge.QueueGraph(e, l, h)
	return c, true
}

// waitsForItsOwn judges a lock whose holder waits in a wait group, and has itself made
// goroutines, in a call it has not returned from, that now wait for that lock: they never come to say that they are done.
func waitsForItsOwn(in *claim.Input, e *evidence.Exhibit, l *reading.Lock) (claim.Candidate, bool) {
	h, _, ok := l.Holder(e.Dump(), in.Limit("impact.min-standing-moment").Number)
	if !ok || wait.OfState(h.G.State, h.G.Stack()) != wait.WaitGroup {
		return claim.Candidate{}, false
	}
	made := reading.Children(e.Dump(), h.G)
	own := map[*dump.Goroutine]bool{}
	for _, w := range l.Waiters {
		own[w.G] = true
	}
	// One of them is elsewhere: it may be the real holder and go on.
	if len(made) < 2 || slices.ContainsFunc(made, func(g *dump.Goroutine) bool { return !own[g] }) {
		return claim.Candidate{}, false
	}
	site, n := h.Site(), len(made)
	c := claim.Candidate{
		Site: site, Path: h.G.Stack()[h.At:].Path(), Variant: "wait-group", Severity: claim.Critical, Thin: true, Share: 1,
		Summary: claim.Textf("goroutine %d probably holds a lock in %s and waits in a wait group for %s that it made; all of them wait for that lock, %d goroutines in all", h.G.ID, claim.Func(site.Function),
			evidence.Amount(n, "goroutine", "goroutines"), len(l.Waiters)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines made by goroutine %d that wait for %s, while it waits in a wait group (%s)", h.G.ID, l.Name(), wait.StateText(h.G.State)), Value: evidence.Of(n, evidence.Count),
				At: reading.AtGoroutine(site, h.G.ID), Reproduce: claim.Grep(e, claim.Textf("in goroutine %d", h.G.ID))},
			{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s", l.Name()), Value: evidence.Of(len(l.Waiters), evidence.Count),
				At: reading.AtGoroutine(site, l.Waiters[0].G.ID), Reproduce: claim.Grep(e, l.Grep())},
		},
		Caveats: []claim.Text{"a dump shows neither who holds a lock nor for whom a wait group waits: that the goroutine has kept the lock, and that those it made are those it waits for, is likely, not shown"},
		Fix: []claim.Text{
			"Give the lock back before waiting for the goroutines that need it",
			"Let the goroutines hand their results over (a channel, a slice with a place for each) and store them under the lock when all are done",
		},
	}
	judge.AddSites(&c, l.OtherSites(site)...)
	waitSite, _, _ := l.Site()
	judge.AddSites(&c, waitSite)
	c.Graph = judge.QueueGraph(e, l, h)
	return c, true
}

// maxCircles is how many deadlocks a dump lists: a program has few locks, and a dump that a stranger made any number.
const maxCircles = 4 * reading.MaxSites

// deadlocks finds circles, locks asked for twice, and locks never given back.
func deadlocks(in *claim.Input, e *evidence.Exhibit, locks []*reading.Lock) []claim.Candidate {
	var out []claim.Candidate
	of := reading.WaitersOf(locks)
	inCircle := map[*reading.Lock]bool{}
	for _, l := range locks {
		if inCircle[l] || len(out) == maxCircles {
			continue
		}
		if h, ok := l.Recursive(); ok {
			inCircle[l] = true
			if c, ok := circleCandidate(in, e, locks, []reading.Step{{Lock: l, Holder: h}}, "self"); ok {
				out = append(out, c)
			}
			continue
		}
		circle := reading.Walk(l, of)
		if circle == nil || inCircle[circle[0].Lock] {
			continue
		}
		for _, s := range circle {
			inCircle[s.Lock] = true
		}
		if c, ok := circleCandidate(in, e, locks, circle, "circle"); ok {
			out = append(out, c)
		}
	}
	// Those with most waiters tell the story; each costs a look at every goroutine.
	for _, l := range locks[:min(len(locks), 4*reading.MaxSites)] {
		if inCircle[l] {
			continue
		}
		if c, ok := waitsForItsOwn(in, e, l); ok {
			out = append(out, c)
		} else if c, ok := neverUnlocked(in, e, l, locks); ok {
			out = append(out, c)
		} else if c, ok := blockedOutside(in, e, l); ok {
			out = append(out, c)
		}
	}
	return out
}

// circleCandidate judges a circle.
func circleCandidate(in *claim.Input, e *evidence.Exhibit, locks []*reading.Lock, circle []reading.Step, variant string) (claim.Candidate, bool) {
	behind, held := reading.Behind(locks, circle)
	old, guessed := true, false
	for _, s := range circle {
		guessed = guessed || s.Holder.Object
		// The state may be printed without its minutes; then the wait is younger.
		old = old && s.Holder.G.Wait >= in.Limit("min-wait").Duration()
	}
	// Younger than a minute, what looks like a circle may be busy locks whose holders
	// are others at work on the same objects.
	if !old && reading.SomeoneElse(e.Dump(), circle) {
		return claim.Candidate{}, false
	}
	// Which of the circle leads is arbitrary: the smallest name, so that every run says the same.
	lead := slices.MinFunc(circle, func(a, b reading.Step) int {
		return cmp.Or(cmp.Compare(a.Holder.Waits.Site().Function, b.Holder.Waits.Site().Function), cmp.Compare(a.Holder.G.ID, b.Holder.G.ID))
	})
	w := lead.Holder.Waits
	c := claim.Candidate{
		Site: w.Site(), Path: w.G.Stack()[w.Call:].Path(), Variant: variant, Severity: claim.Critical, Thin: guessed && !old, Share: 1,
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "goroutines that wait for each other in a circle", Value: evidence.Of(len(circle), evidence.Count),
				At: reading.AtGoroutine(w.Site(), w.G.ID), Reproduce: claim.GrepGoroutine(e, w.G.ID)},
			{Exhibit: e.ID, Says: "goroutines that wait for the locks of the circle, or for one whose holder waits for them", Value: evidence.Of(behind, evidence.Count),
				At: reading.AtGoroutine(w.Site(), w.G.ID), Reproduce: claim.Grep(e, lead.Lock.Grep())},
		},
		Caveats: []claim.Text{"a dump does not print who holds a lock: each holder is the only goroutine that stands behind the line at which others wait for it"},
	}
	if variant == "self" {
		sayOwnLock(&c, lead, behind)
	} else {
		c.Summary = circleWords(circle, behind)
	}
	c.Graph = circleGraph(e, circle)
	for _, s := range circle {
		judge.AddSites(&c, s.Holder.Waits.Site(), s.Holder.Site())
		if s.Holder.G != w.G {
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("another of the circle: goroutine %d, which holds %s", s.Holder.G.ID, s.Lock.Name()),
				Value: evidence.Of(1, evidence.Count), At: reading.AtGoroutine(s.Holder.Waits.Site(), s.Holder.G.ID),
				Reproduce: claim.GrepGoroutine(e, s.Holder.G.ID)})
		}
		judge.AddSites(&c, s.Lock.OtherSites(c.Site)...)
	}
	judge.AddSites(&c, held...)
	return c, true
}

// sayOwnLock says of a candidate that one goroutine waits for what it holds, and so many behind it.
func sayOwnLock(c *claim.Candidate, lead reading.Step, behind int) {
	w := lead.Holder.Waits
	asks := claim.Text("the lock")
	switch {
	case w.Kind == wait.LockRead && lead.Lock.WriterWaits():
		asks = "a read lock, which a waiting writer keeps it from getting a second time"
	case w.Kind == wait.LockWrite:
		asks = "the write lock"
	}
	c.Summary = claim.Textf("goroutine %d holds the lock it took in %s and waits in %s for %s; it will wait for ever",
		w.G.ID, claim.Func(lead.Holder.Site().Function), claim.Func(w.Site().Function), asks)
	if behind > 1 {
		c.Summary += ", and with it " + evidence.Amount(behind-1, "other", "others")
	}
	c.Fix = []claim.Text{
		"Do not call what takes the lock while holding it: keep an inner function that expects the lock to be held, beside the outer one that takes it",
		"Never take a read lock twice in one goroutine: pass what was read instead",
		"Unlock before calling out of the locked section",
	}
	c.Site, c.Path = lead.Holder.Site(), w.G.Stack()[lead.Holder.At:].Path() // what calls into the lock it holds is what to change
	c.Facts[0].Says = claim.Textf("goroutines that wait for a lock they hold themselves: goroutine %d", w.G.ID)
	c.Facts[1].Says = "goroutines that wait for that lock, or for one whose holder waits for it"
}

// circleWords is a circle of goroutines in words, with how many stand behind it.
func circleWords(circle []reading.Step, behind int) claim.Text {
	var parts []claim.Text
	for _, s := range circle {
		parts = append(parts, claim.Textf("goroutine %d waits in %s", s.Holder.G.ID, claim.Func(s.Holder.Waits.Site().Function)))
	}
	slices.SortFunc(parts, func(a, b claim.Text) int { return cmp.Compare(a.String(), b.String()) })
	return claim.Textf("%d goroutines wait for each other's locks in a circle: %s; behind them stand %d more",
		len(circle), claim.Join(parts[:min(len(parts), 4)], ", "), behind-len(circle))
}

// circleGraph is a circle as it is drawn: the holder of each lock waits for the next one.
func circleGraph(e *evidence.Exhibit, circle []reading.Step) *claim.WaitGraph {
	g := &claim.WaitGraph{Exhibit: e.ID, Circle: true, Count: len(circle)}
	// A circle has no beginning: the smallest number leads, so that every run draws the same.
	first := 0
	for i, s := range circle {
		if s.Holder.G.ID < circle[first].Holder.G.ID {
			first = i
		}
	}
	for i := range min(len(circle), claim.MaxWaitSteps) {
		h := circle[(first+i)%len(circle)].Holder
		l := circle[(first+i+1)%len(circle)].Lock
		g.Steps = append(g.Steps, claim.WaitStep{Goroutine: h.G.ID, State: wait.StateText(h.G.State), Site: claim.Site(h.Waits.Site()), Lock: l.Name(), Waiters: len(l.Waiters)})
	}
	return g
}

// neverUnlocked judges a lock whose holder is nowhere to be seen although its
// waiters have waited for a minute: an early return or a panic left it locked, or the circle
// cannot be told from what the dump prints.
func neverUnlocked(in *claim.Input, e *evidence.Exhibit, l *reading.Lock, locks []*reading.Lock) (claim.Candidate, bool) {
	limit := in.Limit("min-wait").Duration()
	old := 0
	var longest *reading.LockWaiter
	for _, w := range l.Waiters {
		if w.G.Wait >= limit {
			old++
			if longest == nil || w.G.Wait > longest.G.Wait {
				longest = w
			}
		}
	}
	many := float64(len(l.Waiters)) >= in.Limit("min-waiters").Number
	// Young waits of a few are what any lock has; a holder in sight or a hand-over under way may end them.
	if old == 0 && !many || !l.Orphan(e.Dump()) {
		return claim.Candidate{}, false
	}
	site, path, _ := l.Site()
	c := claim.Candidate{
		Site: site, Path: path, Variant: "never-unlocked", Severity: claim.Warning, Thin: old < 2,
		Summary: claim.Textf("%s for a lock at %s that no goroutine in sight holds", evidence.Amount(len(l.Waiters), "goroutine waits", "goroutines wait"), claim.Func(site.Function)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s, which nobody in sight holds", l.Name()), Value: evidence.Of(len(l.Waiters), evidence.Count),
				Limit: in.Against("min-waiters"), At: reading.AtGoroutine(site, l.Waiters[0].G.ID), Reproduce: claim.Grep(e, l.Grep())},
		},
		Caveats: []claim.Text{"the holder may be a goroutine whose stack does not tell: one that took the lock in a function in which nobody waits"},
	}
	if longest != nil {
		c.Summary += claim.Textf(", %d of them for a minute or more", old)
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "longest wait for it, in whole minutes", Value: evidence.Duration(longest.G.Wait), Limit: in.Against("min-wait"),
			At: reading.AtGoroutine(longest.Site(), longest.G.ID), Reproduce: claim.GrepGoroutine(e, longest.G.ID)})
	}
	// What its waiters hold themselves is held for as long.
	for _, o := range locks {
		if o == l || len(o.Holders) != 1 || !slices.Contains(l.Waiters, o.Holders[0].Waits) || len(c.Facts) == reading.MaxSites {
			continue
		}
		h := o.Holders[0]
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("goroutines that wait meanwhile for %s, which goroutine %d, one of those waiting, is likely to hold in %s", o.Name(), h.G.ID, claim.Func(h.Site().Function)),
			Value: evidence.Of(len(o.Waiters), evidence.Count), At: reading.AtGoroutine(h.Site(), h.G.ID), Reproduce: claim.GrepGoroutine(e, h.G.ID)})
		judge.AddSites(&c, h.Site())
		behind, _, _ := o.Site()
		judge.AddSites(&c, behind)
	}
	judge.AddSites(&c, l.OtherSites(site)...)
	return c, true
}

// leakedInLock reports goroutines that the runtime has proved to wait for ever
// for a lock (runtime/mgc.go, goroutine leak detection).
func leakedInLock(e *evidence.Exhibit) []claim.Candidate {
	count := map[string]int{}
	first := map[string]*dump.Goroutine{}
	sites := map[string]stack.Stack{}
	var order []string
	for i := range e.Dump().Goroutines {
		g := &e.Dump().Goroutines[i]
		s := g.Stack()
		use := wait.LockOf(s)
		if !g.Leaked || use.Kind == "" || use.Unlock {
			continue
		}
		f := s[use.Above:].Site().Function
		if count[f]++; count[f] == 1 {
			first[f], sites[f] = g, s[use.Above:]
			order = append(order, f)
		}
	}
	var out []claim.Candidate
	for _, f := range order {
		out = append(out, leakedLock(e, sites[f], int64(count[f]), first[f].ID, claim.Grep(e, "(leaked)")))
	}
	return out
}

func leakedLock(e *evidence.Exhibit, s stack.Stack, n, goroutine int64, reproduce claim.Command) claim.Candidate {
	site := s.Site()
	c := claim.Candidate{
		Site: site, Path: s.Path(), Variant: "unreachable-lock", Severity: claim.Critical, Share: 1,
		Summary: claim.Textf("%s in %s for a lock that nobody alive can reach to give back", evidence.Amount(n, "goroutine waits", "goroutines wait"), claim.Func(site.Function)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that the runtime has proved to wait for this lock for ever", Value: evidence.Of(n, evidence.Count),
			At: reading.AtGoroutine(site, goroutine), Reproduce: reproduce}},
	}
	judge.AddSites(&c, s.Owner())
	return c
}

// allAsleep reports the runtime's own verdict on the whole program (runtime/proc.go, checkdead).
func allAsleep(e *evidence.Exhibit, explained bool) []claim.Candidate {
	// The message itself, not a log line that quotes it: the dump's reader takes it only in the runtime's shape.
	if !strings.Contains(e.Dump().Message, "all goroutines are asleep - deadlock!") || explained {
		return nil
	}
	// Who waits for a lock or to send tells more than who waits for those to finish.
	rank := func(g *dump.Goroutine) int {
		switch class := wait.OfState(g.State, g.Stack()); {
		case class.IsLock():
			return 0
		case class == wait.ChanSend:
			return 1
		case class == wait.WaitGroup:
			return 3
		}
		return 2
	}
	var g *dump.Goroutine
	for i := range e.Dump().Goroutines {
		x := &e.Dump().Goroutines[i]
		// The runtime's own goroutines are asleep by nature.
		if len(x.Frames) == 0 || stack.Plumbing(x.Frames[len(x.Frames)-1].Function) {
			continue
		}
		if g == nil || cmp.Or(cmp.Compare(rank(x), rank(g)), cmp.Compare(x.ID, g.ID)) < 0 {
			g = x
		}
	}
	if g == nil {
		return nil
	}
	n := len(e.Dump().Goroutines)
	s := g.Stack()
	asleep := claim.Text("its only goroutine was asleep")
	if n > 1 {
		asleep = "all of its " + evidence.Things(n, "goroutine") + " were asleep"
	}
	return []claim.Candidate{{
		Site: s.Site(), Path: s.Path(), Variant: "all-asleep", Severity: claim.Critical, Share: 1,
		Summary: claim.Textf("the program ended because %s; goroutine %d waits in %s (%s)", asleep, g.ID, claim.Func(s.Site().Function), wait.StateText(g.State)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that were asleep when the runtime gave up", Value: evidence.Of(n, evidence.Count),
			At: reading.AtGoroutine(s.Site(), g.ID), Reproduce: claim.Grep(e, "all goroutines are asleep")}},
	}}
}

func deadlockLeaked(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "it proves only deadlocks over locks that nobody alive can reach; those of package variables and long-lived objects it cannot see"}
	seen := map[string]bool{}
	for i := len(in.Exhibits) - 1; i >= 0; i-- {
		e := in.Exhibits[i]
		for _, s := range lockStacks(e) {
			if f := s.Stack.Site().Function; !seen[f] && len(r.Candidates) < reading.MaxSites {
				seen[f] = true
				r.Candidates = append(r.Candidates, leakedLock(e, s.Stack, s.Count, 0, claim.Top(e, e.Profile().Columns[0].Name)))
			}
		}
	}
	return r
}

type stackSum struct {
	Stack stack.Stack // above the lock
	Count int64
}

// lockStacks adds up the goroutines of a profile that wait for a lock, by site.
func lockStacks(e *evidence.Exhibit) []*stackSum {
	by := map[string]*stackSum{}
	var out []*stackSum
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		use := wait.LockOf(s.Stack)
		if use.Kind == "" || use.Unlock || len(s.Values) == 0 || s.Values[0] <= 0 {
			continue
		}
		above := s.Stack[use.Above:]
		f := above.Site().Function
		if by[f] == nil {
			by[f] = &stackSum{Stack: above}
			out = append(out, by[f])
		}
		by[f].Count += s.Values[0]
	}
	slices.SortStableFunc(out, func(a, b *stackSum) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Stack.Site().Function, b.Stack.Site().Function))
	})
	return out
}

// deadlockTrace looks for locks that let nobody through over the whole trace. A
// trace has no lock addresses, so it tells neither a circle nor its absence.
func deadlockTrace(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a trace has no lock addresses, and a deadlock may have formed at another time"}
	e := reading.Latest(in.Exhibits)
	order := neverThrough(e.Trace())
	if len(order) == 0 {
		return r
	}
	n, most := int64(0), order[0].stack.Site()
	for _, x := range order {
		n += x.n
	}
	severity := claim.NoSeverity
	if e.Trace().Duration >= in.Limit("min-trace").Duration() {
		severity = claim.Info
	}
	// Which of these places holds what the others wait for, a trace cannot tell:
	// it vouches for what a dump finds, and is a hint without one.
	c := claim.Candidate{
		Site: most, Path: order[0].stack.Path(), Variant: "never-unlocked", Severity: severity, Thin: true,
		Summary: claim.Textf("%s for locks from the first to the last event of the trace (%s), most of them in %s, and nobody gets through", evidence.Amount(n, "goroutine waits", "goroutines wait"), evidence.Duration(e.Trace().Duration), claim.Func(most.Function)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for locks from the first to the last event, at places where nobody gets through", Value: evidence.Of(n, evidence.Count),
			At:        claim.Location{Function: most.Function, File: most.File, Line: most.Line, Goroutine: order[0].first, To: int64(e.Trace().Duration)},
			Reproduce: claim.TraceView(e, claim.Textf("goroutine %d", order[0].first))}},
	}
	for _, x := range order {
		judge.AddSites(&c, x.stack.Site())
		if len(c.Ends) < maxEnds {
			c.Ends = append(c.Ends, x.stack.Site().Function)
		}
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// stuck is goroutines that wait for a lock at one place from the first event of a trace to the last.
type stuck struct {
	stack stack.Stack
	n     int64
	first int64 // one of them
}

// neverThrough returns them where nobody gets through, most first.
func neverThrough(t *exectrace.Timeline) []*stuck {
	through := map[string]bool{}
	for i := range t.Waits {
		w := &t.Waits[i]
		if use := wait.LockIn(w.Class, w.Stack); use.Kind != "" && w.Count > w.Open {
			user, _ := wait.LockUser(w.Stack[min(use.Above, len(w.Stack)):], nil)
			through[user.Site().Function] = true
		}
	}
	by := map[string]*stuck{}
	var order []*stuck
	for _, w := range t.Open {
		use := wait.LockIn(w.Class, w.Stack)
		if use.Kind == "" || !w.FromStart {
			continue
		}
		s, _ := wait.LockUser(w.Stack[min(use.Above, len(w.Stack)):], nil)
		f := s.Site().Function
		// Somebody got through here: the lock, or one of those used here, is alive.
		if f == "" || through[f] {
			continue
		}
		if by[f] == nil {
			by[f] = &stuck{stack: s, first: w.Goroutine}
			order = append(order, by[f])
		}
		by[f].n++
	}
	slices.SortStableFunc(order, func(a, b *stuck) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.stack.Site().Function, b.stack.Site().Function))
	})
	return order
}

// closedWorld adds to the deadlocks found in a dump what its goroutines at a standstill
// say: who holds a lock and waits for others meanwhile will wait for ever, and so will all that have
// work in hand.
func closedWorld(e *evidence.Exhibit, found []claim.Candidate) []claim.Candidate {
	work, left, _ := reading.StandstillParts(e)
	if len(work) == 0 {
		return found
	}
	work = append(work, left...)
	if len(found) > 0 {
		for i := range found {
			found[i].Severity = claim.Critical
			found[i].Caveats = append(found[i].Caveats, judge.NoTimers)
		}
		return found
	}
	crowds := reading.StuckCrowds(work)
	first, n := crowds[0], len(work)
	c := judge.StandstillCandidate(e, first)
	c.Severity, c.Share = claim.Warning, evidence.Part(n, len(e.Dump().Goroutines)).Number
	if len(crowds) > 1 {
		var parts []claim.Text
		for _, x := range crowds[:min(len(crowds), 4)] {
			parts = append(parts, claim.Textf("%d %s in %s", x.N, x.Waits(), claim.Func(x.Site.Function)))
			judge.AddSites(&c, x.Site)
		}
		c.Summary = claim.Textf("%d goroutines have work in hand and cannot go on, and the dump shows nobody who could end that: %s", n, claim.Join(parts, ", "))
		c.Facts = append([]claim.Fact{{Exhibit: e.ID, Says: "goroutines that have work in hand and wait for others while no other goroutine can move", Value: evidence.Of(n, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"), At: reading.AtGoroutine(first.Site, first.First.G.ID), Reproduce: claim.Grep(e, "goroutine ")}}, c.Facts...)
	}
	if first.First.Class == wait.ChanSend {
		c.Fix = []claim.Text{
			"Let no goroutine send to one that may be sending to it: one direction only, or a select that receives as well while it waits to send",
			"Give the channel room for as much as can be on its way, or decide what happens when it is full: a default case, a deadline",
			"Whoever receives must receive until the channel is closed, on every way out",
		}
	}
	return []claim.Candidate{c}
}
