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

// WriterStarvation claims that a writer of an RWMutex waits for its readers, and everybody who comes later behind the writer.
var WriterStarvation = &claim.Detector{
	ID:    "writer-starvation",
	Title: "A writer waits for slow readers, and new readers behind the writer",
	Doc: `An RWMutex lets no new reader pass a writer that waits (sync.RWMutex.Lock). A reader that keeps the read lock for long therefore does not only hold up the writer: from the moment a writer asks, all readers wait until the slow one is done,
as long as it takes, though none of them changes anything. A stream of readers that is harmless for hours becomes a standstill with the first write.

**How it is measured.** In a dump: a writer inside RWMutex.Lock that has the lock's inner mutex already, readers that wait for the same lock, and goroutines that have passed the line at which others ask for it, which are the
slow readers. In a trace: how long writers wait until a reader's unlock wakes them, by the function that gives the read lock back, and all that wait for the same lock meanwhile. The mutex profile
charges an RUnlock with the time for which the writer it lets in has waited; it corroborates.

**When it is wrong.** At one moment any lock may have a writer and some readers; without a reader in sight that is blocked with the lock in hand it is an info. A read lock that is taken twice by one goroutine, with a writer in between, is a
deadlock and reported as such.`,
	Limits: []claim.Limit{
		{Name: "min-wait", Default: LongCriticalSection.Limits[0].Default,
			Doc:    "mean wait of writers for readers to leave",
			Source: "as long-critical-section.min-hold"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "a writer that waits for readers, who waits behind it, and the readers that stay", Run: judge.WorstOf(starvationDump)},
		{Kind: evidence.Trace, Doc: "writers' waits that a reader ends, and all waiting for the same lock", Run: judge.WorstOf(starvationTrace)},
		{Kind: evidence.Mutex, Doc: "time writers have waited, by the RUnlock that let them in; corroborating only", Run: starvationMutex},
	},
	Fix: []claim.Text{
		"Copy what is needed under the read lock, give it back, and do the slow part (a response, a query, a loop over everything) with the copy",
		"Publish snapshots: readers load an atomic.Pointer to data that never changes, and the writer stores a new one; then nobody waits for anybody",
		"Bound how long a reader may hold the lock: a deadline on the write to a slow client, pages instead of all rows at once",
	},
	Explains: []claim.Mechanism{
		{Effect: "mutex-hotspot", Why: "readers that come after a writer queue behind it until the slow reader is done", Source: "sync/rwmutex.go, RLock"},
		{Effect: "goroutine-pileup", Why: "readers that come after a writer queue behind it until the slow reader is done", Source: "sync/rwmutex.go, RLock", Only: "lock"},
		{Effect: "p-idle", Why: "goroutines that wait for a lock cannot use a free processor", Source: "runtime/sema.go"},
	},
	Waiting: true,
}

func starvationDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, and at that moment no writer waits for readers with others behind it"}
	locks := reading.Locks(e.Dump())
	deadlocked := reading.Dead(locks)
	for _, l := range locks {
		// Who waits for a lock of a cycle waits for ever, and not for a slow reader.
		if deadlocked[l] || len(r.Candidates) == reading.MaxSites {
			continue
		}
		if c, ok := writerBehind(in, e, l); ok {
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

// writerBehind judges a lock of a dump that a writer waits for until its readers leave, with others behind the writer.
func writerBehind(in *claim.Input, e *evidence.Exhibit, l *reading.Lock) (claim.Candidate, bool) {
	writers, readers := 0, 0
	var held reading.Requests
	var writer *reading.LockWaiter
	for _, w := range l.Waiters {
		switch w.Kind {
		case wait.LockRead:
			readers++
		case wait.LockWrite:
			writers++
		}
		if w.ForReaders {
			writer = w
		}
		held.Add(wait.HandlerOf(w.G.Stack()), 1)
	}
	if writer == nil || readers == 0 {
		return claim.Candidate{}, false
	}
	hold := slowReaders(l)
	user, _ := writer.User()
	site, path := writer.Site(), user.Path()
	if len(hold) > 0 {
		site, path = hold[0].Site(), hold[0].G.Stack()[hold[0].At:].Path()
	}
	stays, sentence := pastLock(hold)
	n := len(l.Waiters)
	behind := evidence.Amount(readers, "reader waits", "readers wait")
	if writers > 1 {
		behind = claim.Textf("%s and %s wait", evidence.Amount(readers, "reader", "readers"), evidence.Amount(writers-1, "writer", "writers"))
	}
	c := claim.Candidate{
		Site: site, Path: path,
		Summary: claim.Textf("a writer in %s waits for readers to give back %s, and behind it %s%s", claim.Func(writer.Site().Function), l.Name(), behind, sentence),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s, a writer that waits for readers among them", l.Name()), Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(writer.Site(), writer.G.ID), Reproduce: claim.Grep(e, l.Grep())},
			{Exhibit: e.ID, Says: "of them, readers behind the writer", Value: evidence.Of(readers, evidence.Count), At: reading.AtGoroutine(writer.Site(), writer.G.ID), Reproduce: claim.Grep(e, l.Grep())},
		},
	}
	for _, h := range hold[:min(len(hold), 3)] {
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("readers past the lock: goroutine %d (%s)", h.G.ID, wait.StateText(h.G.State)), Value: evidence.Of(1, evidence.Count), At: reading.AtGoroutine(h.Site(), h.G.ID),
			Reproduce: claim.GrepGoroutine(e, h.G.ID)})
	}
	if len(hold) > 0 {
		c.Caveats = append(c.Caveats, "a dump cannot show who holds a lock: the readers are the goroutines past the line at which others ask for it, and may have given it back")
		c.Graph = judge.QueueGraph(e, l, hold[0])
	}
	judge.Moment(in, &c, e.Dump(), n, held, claim.Excuse{Holds: stays == 0, Says: "no reader is seen to be blocked with the lock in hand: it may be about to give it back"})
	judge.AddSites(&c, writer.Site())
	judge.AddSites(&c, l.OtherSites(c.Site)...)
	return c, true
}

// pastLock says what readers past a lock do, to go on with a sentence, and how many of them are blocked.
func pastLock(hold []reading.LockHolder) (stays int, sentence claim.Text) {
	if len(hold) == 0 {
		return 0, ""
	}
	for _, h := range hold {
		if wait.OfState(h.G.State, h.G.Stack()) != "" {
			stays++
		}
	}
	first, does := hold[0], claim.Text("runs")
	if stays > 0 {
		does = deedOf(wait.OfState(first.G.State, first.G.Stack()), first.G.Stack()).does
	}
	return stays, claim.Textf("; %s past the lock in %s, and goroutine %d %s meanwhile", evidence.Amount(len(hold), "goroutine is", "goroutines are"), claim.Func(first.Site().Function), first.G.ID, does)
}

// slowReaders are the goroutines that seem to hold the lock and wait for something else, or run; those that wait come first, then the more frequent place.
func slowReaders(l *reading.Lock) []reading.LockHolder {
	var out []reading.LockHolder
	count := map[string]int{}
	for _, h := range l.Holders {
		if !h.Object && (h.Waits == nil || !slices.Contains(l.Waiters, h.Waits)) {
			out = append(out, h)
			count[h.Site().Function]++
		}
	}
	waits := func(h reading.LockHolder) int {
		if wait.OfState(h.G.State, h.G.Stack()) == "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b reading.LockHolder) int {
		return cmp.Or(cmp.Compare(waits(a), waits(b)), -cmp.Compare(count[a.Site().Function], count[b.Site().Function]), cmp.Compare(a.Site().Function, b.Site().Function), cmp.Compare(a.G.ID, b.G.ID))
	})
	return out
}

// readerHold is what writers waited for readers that give the lock back in one function.
type readerHold struct {
	site, writer stack.Site
	path         []string
	delay        time.Duration // of the writers
	times        int64
	longest      time.Duration // of the readers' holds
}

// readerHolds adds up what writers of a trace waited for readers, by the function that gives the read lock back, most waiting first.
func readerHolds(t *exectrace.Timeline, helpers map[string]bool) []*readerHold {
	by := map[string]*readerHold{}
	var all []*readerHold
	for i := range t.Holders {
		x := &t.Holders[i]
		use := wait.LockOf(x.Unlock)
		if use.Kind != wait.LockRead || !use.Unlock || x.Handoffs == 0 {
			continue
		}
		s, _ := wait.LockUser(x.Unlock[min(use.Above, len(x.Unlock)):], helpers)
		asks, _ := wait.LockUser(x.Waiter[min(wait.LockOf(x.Waiter).Above, len(x.Waiter)):], helpers)
		site := s.Site()
		h := by[site.Function]
		if h == nil {
			h = &readerHold{site: site, path: s.Path(), writer: asks.Site()}
			by[site.Function] = h
			all = append(all, h)
		}
		h.delay += x.Delay
		h.times += x.Handoffs
		for _, w := range x.Worst {
			h.longest = max(h.longest, w.To-w.From)
		}
	}
	slices.SortStableFunc(all, func(a, b *readerHold) int {
		return cmp.Or(-cmp.Compare(a.delay, b.delay), cmp.Compare(a.site.Function, b.site.Function))
	})
	return all
}

func starvationTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	r := claim.Reading{Says: claim.Textf("no writer waits long for readers to leave in %s", evidence.Duration(t.Duration))}
	helpers := reading.LockHelpers(e)
	const fewWaits = 3 // of a writer: two may have met the same readers
	for _, h := range readerHolds(t, helpers) {
		mean := h.delay / time.Duration(h.times)
		readers, waited := waitingWith(t.Queues, t.Waits, h.writer.Function, helpers)
		if mean < in.Limit("min-wait").Duration() || readers == 0 || len(r.Candidates) == reading.MaxSites {
			continue
		}
		rate := reading.PerSecond(waited, t.Duration)
		view := claim.TraceView(e, claim.Textf("goroutines that unblock others in %s", claim.Func(h.site.Function)))
		c := claim.Candidate{
			Site: h.site, Path: h.path, Ends: []string{h.writer.Function}, Thin: h.times < fewWaits,
			Summary: claim.Textf("writers in %s wait %s on average until readers give the lock back in %s, and meanwhile %s for it", claim.Func(h.writer.Function), evidence.Duration(mean), claim.Func(h.site.Function), judge.Standing(rate)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("mean wait of a writer that is let in by a reader here, over %s", evidence.Things(h.times, "wait")), Value: evidence.Duration(mean), Limit: in.Against("min-wait"), At: claim.At(h.site), Reproduce: view},
				{Exhibit: e.ID, Says: claim.Textf("time goroutines waited for the lock per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: judge.AgainstStanding(in), At: claim.At(h.writer), Reproduce: claim.TraceProfile(e, "sync")},
				{Exhibit: e.ID, Says: "of that, readers behind a writer", Value: evidence.Duration(readers), Of: claim.PartOf(evidence.Duration(waited), "all waiting for the lock"), At: claim.At(h.writer), Reproduce: claim.TraceProfile(e, "sync")},
			},
		}
		if h.longest > 0 {
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "longest time for which a reader is known to have held it here", Value: evidence.Duration(h.longest), At: claim.At(h.site), Reproduce: view})
		}
		in.Weigh(&c, claim.Impact{Of: claim.Operations, Standing: rate.Number, Mean: mean}, judge.StarvedExcuse(t))
		judge.AddSites(&c, h.writer)
		r.Candidates = append(r.Candidates, c)
	}
	judge.InPart(&r, e)
	return r
}

// waitingWith returns how long readers, and all goroutines, waited for the lock that is asked for in a function.
func waitingWith(queues []exectrace.Queue, waits []exectrace.Wait, writer string, helpers map[string]bool) (readers, all time.Duration) {
	i := slices.IndexFunc(queues, func(q exectrace.Queue) bool {
		return slices.ContainsFunc(q.Sites, func(s stack.Site) bool { return s.Function == writer })
	})
	if i < 0 {
		return 0, 0
	}
	for j := range waits {
		w := &waits[j]
		if w.Class != wait.RWRead {
			continue
		}
		s, _ := wait.LockUser(w.Stack[min(wait.LockOf(w.Stack).Above, len(w.Stack)):], helpers)
		if slices.ContainsFunc(queues[i].Sites, func(q stack.Site) bool { return q.Function == s.Site().Function }) {
			readers += w.Total
		}
	}
	return min(readers, queues[i].Waited), queues[i].Waited
}

func starvationMutex(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a mutex profile tells how long writers waited for readers, not who stood behind them"}
	e := reading.Latest(in.Exhibits)
	delay, count := e.Profile().Column("delay"), e.Profile().Column("contentions")
	if delay < 0 || count < 0 {
		return r
	}
	by := map[string]*readerHold{}
	var all []*readerHold
	var total time.Duration
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		total += time.Duration(s.Values[delay])
		use := wait.LockOf(s.Stack)
		if use.Kind != wait.LockRead || !use.Unlock {
			continue
		}
		user, _ := wait.LockUser(s.Stack[min(use.Above, len(s.Stack)):], nil)
		site := user.Site()
		h := by[site.Function]
		if h == nil {
			h = &readerHold{site: site, path: user.Path()}
			by[site.Function] = h
			all = append(all, h)
		}
		h.delay += time.Duration(s.Values[delay])
		h.times += s.Values[count]
	}
	slices.SortStableFunc(all, func(a, b *readerHold) int {
		return cmp.Or(-cmp.Compare(a.delay, b.delay), cmp.Compare(a.site.Function, b.site.Function))
	})
	for _, h := range all[:min(len(all), reading.MaxSites)] {
		mean := h.delay / time.Duration(max(h.times, 1))
		if mean < in.Limit("min-wait").Duration() {
			continue
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: h.site, Path: h.path, Thin: true,
			Summary: claim.Textf("readers that give the lock back in %s let in writers that have waited %s on average", claim.Func(h.site.Function), evidence.Duration(mean)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("waiting of writers that readers ended here, %s each on average", evidence.Duration(mean)), Value: evidence.Part(h.delay, total),
				Of: claim.PartOf(evidence.Duration(total), "all delay at locks in the mutex profile"), At: claim.At(h.site), Reproduce: claim.Peek(e, "delay", h.site)}},
		})
	}
	return r
}
