package locks

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// lockUserOf charges a lock to the first function that is not the lock's own.
func lockUserOf(s stack.Stack) (stack.Site, []string) {
	return s.Site(), lockPath(s.Site(), s.Path())
}

// lockCalls are the functions that goroutines go through when a lock is taken
// already: sync/mutex.go, sync/rwmutex.go and runtime/sema.go. Lock itself is inlined
// where it can be, and its calls say only how often.
var lockCalls = judge.TracedKind{
	Probes: []judge.Probes{
		{Mean: "wait for a lock", Names: []string{
			"internal/sync.runtime_SemacquireMutex", "sync.runtime_SemacquireMutex",
			"sync.runtime_SemacquireRWMutex", "sync.runtime_SemacquireRWMutexR",
		}},
		{Mean: "find a lock taken", Names: []string{"internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).lockSlow"}},
		{Mean: "ask for a lock", Names: []string{"sync.(*Mutex).Lock", "internal/sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "sync.(*RWMutex).RLock"}},
	},
	Inside: func(s stack.Stack) bool { return wait.LockOf(s).Kind != "" }, Samples: "inside Lock and Unlock", Least: 0.03, Site: lockUserOf,
}

// MutexHotspot claims that one lock takes most of the time that is lost to locks, and that it matters.
var MutexHotspot = &claim.Detector{
	ID:    "mutex-hotspot",
	Title: "One lock serialises the program",
	Doc: `Most of the time that goroutines lose to locks is lost at one lock, and it is enough to matter. What the program could do at
once it does one after another; more processors or more goroutines only make the queue longer.

**How it is measured.** The mutex profile charges the waiting to the Unlock that ended it, so it names who held the lock
(runtime/sema.go, semrelease1). The block profile and the trace name who waited, at Lock. They are joined on the function, not the line.
The share is of the waiting for locks alone: waits for channels, selects, conditions and wait groups are no lock waits, and a
worker pool parked by design may be 95 % of a block profile. Whether it matters is told by the waiting per second of wall
time, which by Little's law is how many goroutines stand in the lock on average, and by the mean of one wait. The goroutine dump counts the
goroutines that stand in one lock, by its address. The CPU profile shows only what the queue itself costs: spinning and waking.
The methods of one type are counted together, as users of one lock: writers hold it in one method while readers wait in another.

The variant names the kind of lock: mutex, rwmutex-write, rwmutex-read, once, or file-descriptor. For an RWMutex
the mutex profile tells how it was held, the other kinds what the waiters asked for.

**When it is wrong.** A mutex profile without a duration counts since the start of the process: then no rate is known, and the claim rests
on the mean wait alone and is mild. Waits that are still open are in neither profile. A background job that holds a lock for long
while one other goroutine waits is a long critical section rather than a hot spot. Contention of the runtime's own locks
(runtime.unlock, runtime._LostContendedRuntimeLock) is named where it is large, and never blamed on a user's function. When processors
are scarce, a holder that lost its processor makes a short section look long; where the trace shows all processors busy, the
claim is an info unless the CPU is spent at the lock itself.`,
	Limits: []claim.Limit{
		{Name: "min-share", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "waiting at the lock, of all waiting for locks",
			Source: "by meaning: below half, no one lock is to blame"},
		{Name: "min-wanted", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
			Doc:    "time in which anybody waited for the lock, of the trace, below which it is one moment and an info",
			Source: "by meaning: nobody stands in a lock for nineteen twentieths of the time that serialises the program"},
		{Name: "max-busy", Default: judge.MaxBusy,
			Doc:    "processors' time in use in the trace, from which waiting for a lock costs no throughput and the claim is an info",
			Source: "measured: 50 CPU-bound workers on 4 processors that meet at a lock for 20 µs in 220 wait 18 ms each, with 95 % of the processors' time in use"},
		{Name: "min-wait", Mark: true, Default: evidence.Duration(time.Millisecond),
			Doc:    "mean wait from which it is worth a warning",
			Source: "sync/mutex.go, starvationThresholdNs: the mutex itself takes a wait of 1 ms for starvation"},
		{Name: "min-count", Default: evidence.Quantity{Number: 5, Unit: evidence.Count},
			Doc:    "waits, or contended unlocks, below which the evidence is thin and an info",
			Source: "Judgement call: a job that waits its turn once or twice, however long, is no queue"},
		{Name: "min-cpu", Default: evidence.Quantity{Number: 0.15, Unit: evidence.Share},
			Doc:    "CPU samples inside Lock and Unlock at the site, of all CPU samples",
			Source: "incident write-ups: above 15 % in (*Mutex).Lock in the bad case, a few per cent in healthy services"},
		{Name: "min-samples", Default: evidence.Quantity{Number: 100, Unit: evidence.Count},
			Doc:    "CPU samples in all, below which shares mean little",
			Source: "binomial: at 100 samples a share of 0.15 has a standard error of 0.036"},
		{Name: "min-events", Default: evidence.Quantity{Number: 20, Unit: evidence.Count},
			Doc:    "contended events that a profile must hold to deny the claim",
			Source: "Poisson: 20 events have a standard error of 22 %"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.2, Unit: evidence.Share},
			Doc:    "part of min-share, or of min-cpu, from which a site vouches for what another kind of evidence shows",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
		{Name: "min-vote-wait", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "part of min-wait, or of impact.min-standing where a rate is known, from which waiting vouches",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
		{Name: "min-wait-since-start", Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "mean wait from which a profile that counts since the start of the process is a warning",
			Source: "Judgement call: ten times min-wait, since slow starts are in it"},
		{Name: "min-count-since-start", Default: evidence.Quantity{Number: 1000, Unit: evidence.Count},
			Doc:    "waits beside it, from which it is",
			Source: "Judgement call: a long life leaves some hundreds of long waits behind, of slow starts and single stalls"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Mutex, Doc: "waiting charged to contended unlocks: who held the lock. Covers Mutex and RWMutex; empty when recording was off", Run: hotspotMutex},
		{Kind: evidence.Block, Doc: "waiting of goroutines in Lock and RLock: who waited. Empty when recording was off; waits still open are missing", Run: hotspotBlock},
		{Kind: evidence.Trace, Doc: "waits in Lock and RLock with their length and moment, those still open included", Run: hotspotTrace},
		{Kind: evidence.Dump, Doc: "goroutines that stand in one lock, by its address, at one moment", Run: hotspotDump},
		{Kind: evidence.CPU, Doc: "share of CPU samples inside Lock and Unlock. Says nothing of goroutines that sleep in the queue", Run: hotspotCPU},
		{Kind: evidence.Folded, Doc: "calls that ask or wait for a lock, or samples in such, by function" + judge.FoldedDoc, Run: judge.FoldedMeasure(lockCalls)},
	},
	Fix: []claim.Text{
		"Do less while holding the lock: compute, allocate, log, read and write before or after it",
		"Give each part of the data a lock of its own (shards by key) so that unrelated callers do not meet",
		"For data that is mostly read, publish an immutable copy through an atomic.Pointer; an RWMutex helps only while readers hold it long",
		"For counters use sync/atomic",
	},
	Sketch: `// One lock for each part of the data: callers with different keys rarely meet.
type Store struct {
	seed   maphash.Seed
	shards [64]struct {
		sync.Mutex
		m map[string]Item
		_ [48]byte // keeps neighbours on cache lines of their own
	}
}

func (s *Store) Put(key string, it Item) {
	shard := &s.shards[maphash.String(s.seed, key)%64]
	shard.Lock()
	shard.m[key] = it
	shard.Unlock()
}
`,
	Explains: []claim.Mechanism{
		{Effect: "goroutine-pileup", Only: "lock", Why: "goroutines that cannot get the lock stand where they ask for it", Source: "runtime/sema.go"},
		{Effect: "p-idle", Why: "goroutines that wait for a lock cannot use a free processor", Source: "runtime/sema.go"},
		{Effect: "fragmented-slices", Unless: "broadcast", Why: "goroutines run only from one turn at the lock to the next", Source: "runtime/sema.go"},
		{Effect: "sched-latency", Why: "every hand-over of the lock makes a goroutine runnable that must then be scheduled", Source: "runtime/sema.go, readyWithTime"},
	},
	Waiting:   true,
	Wakes:     true,
	Durations: claim.WaitTimes(wait.Mutex, wait.RWRead, wait.RWWrite),
	Moments:   true,
}

func hotspotMutex(in *claim.Input) claim.Reading {
	return hotspotProfile(in, "delay charged to unlocks", "all delay at locks in the mutex profile", reading.InsideUnlock,
		"nothing contended, or recording was off (runtime.SetMutexProfileFraction)")
}

func hotspotBlock(in *claim.Input) claim.Reading {
	return hotspotProfile(in, "time blocked in Lock", "all time blocked in locks in the block profile", reading.InsideLock,
		"no wait for a lock ended, or recording was off (runtime.SetBlockProfileRate)")
}

// hotspotProfile judges a mutex or block profile. It denies the claim only where it
// covers a known time and holds enough events: an empty one may never have been recorded.
func hotspotProfile(in *claim.Input, what, whole claim.Text, inside, empty claim.Text) claim.Reading {
	c := reading.Contention(in.Exhibits)
	if c.Delay <= 0 {
		return claim.Reading{Silent: "it shows no waiting for locks: " + empty + runtimeWords(c)}
	}
	c.Finish()
	top := c.Sites[0]
	r := claim.Reading{
		Says: claim.Textf("%s takes most of the waiting for locks, %s of %s%s", top.Words(), evidence.Duration(top.Delay), evidence.Duration(c.Delay), runtimeWords(c)),
		Candidates: hotspotCandidates(in, c, what, whole, func(l reading.LockSite) claim.Command {
			return claim.PeekInside(c.Exhibit, "delay", l.Counted(), inside)
		}),
	}
	for i := range r.Candidates {
		r.Candidates[i].Facts[0].At.SampleType = "delay"
		if inside == reading.InsideUnlock && r.Candidates[i].Variant == wait.LockWrite {
			// sync/rwmutex.go: from when Lock is called, new readers wait.
			r.Candidates[i].Caveats = append(r.Candidates[i].Caveats, "a writer's Unlock is charged with all that readers waited since it asked for the lock, and it may have waited itself for a reader that was there before: see who holds a read lock for long")
		}
	}
	switch {
	case c.Wall == 0:
		r.Silent = "it counts since the start of the process and tells no rate; " + r.Says
	case float64(c.Count) < in.Limit("min-events").Number:
		r.Silent = "only " + evidence.Amount(c.Count, "contended event is", "contended events are") + " in it; " + r.Says
	}
	return r
}

// runtimeWords names the runtime's own locks where most of the delay is theirs.
func runtimeWords(c *reading.LockSites) claim.Text {
	if c.Runtime <= c.Delay {
		return ""
	}
	return claim.Textf("; %s more is contention of the runtime's own locks, which no code of the program holds", evidence.Duration(c.Runtime))
}

// hotspotCandidates judges the lock sites of one exhibit; what is measured at each is a part of the whole.
func hotspotCandidates(in *claim.Input, c *reading.LockSites, what, whole claim.Text, reproduce func(reading.LockSite) claim.Command) []claim.Candidate {
	var out []claim.Candidate
	for _, l := range c.Sites[:min(len(c.Sites), reading.MaxSites)] {
		says := what + " here"
		if l.Merged > 0 {
			says = what + " in " + l.Words()
		}
		share := evidence.Part(l.Delay, c.Delay)
		// Far from the share, at a site that lost next to nothing: not worth a vote.
		if share.Number < in.Limit("min-share").Number*in.Limit("min-vote").Number {
			continue
		}
		judged := judgeLock(in, l, c.Wall)
		// Other locks together take more: no one lock is to blame.
		if share.Number < in.Limit("min-share").Number {
			judged.severity = claim.NoSeverity
		}
		// Too little to be what another kind of evidence means.
		if judged.severity == claim.NoSeverity && !judged.votes {
			continue
		}
		cand := claim.Candidate{
			Site: l.Site, Path: lockPath(l.Site, l.Path), Sites: l.Sites(), Ends: l.Ends, Whole: lockWaiting, Fix: fixInside(l.Site), Variant: l.Kind, Severity: judged.severity, Thin: judged.thin, Share: share.Number, Caveats: judged.caveats, Excuses: judged.excuses,
			Summary: claim.Textf("%s takes %s of the %s lost to locks, %s per wait on average", l.Words(), share, evidence.Duration(c.Delay), evidence.Duration(l.Mean())),
			Facts: []claim.Fact{
				{Exhibit: c.Exhibit.ID, Says: says, Value: evidence.Duration(l.Delay), Of: claim.PartOf(evidence.Duration(c.Delay), whole),
					Limit: in.Against("min-share"), At: claim.At(l.Site), Reproduce: reproduce(l)},
				{Exhibit: c.Exhibit.ID, Says: claim.Textf("mean of one wait, over %s", evidence.Things(l.Count, "wait")), Value: evidence.Duration(l.Mean()),
					Limit: in.Against("min-wait"), At: claim.At(l.Site), Reproduce: claim.Mean(reproduce(l))},
			},
		}
		if c.Wall > 0 {
			rate := reading.PerSecond(l.Delay, c.Wall)
			cand.Summary = claim.Textf("%s takes %s of the time lost to locks: %s there, %s per wait on average", l.Words(), share, judge.Standing(rate), evidence.Duration(l.Mean()))
			// First, because the kinds cover different times and only their rates compare.
			cand.Facts = slices.Insert(cand.Facts, 0, claim.Fact{Exhibit: c.Exhibit.ID, Says: claim.Textf("%s per second, over %s", says, evidence.Duration(c.Wall)),
				Value: rate, Limit: judge.AgainstStanding(in), At: claim.At(l.Site), Reproduce: reproduce(l)})
		} else {
			cand.Caveats = append(cand.Caveats, "the profile counts since the start of the process, so how much of it belongs to the incident is not known")
		}
		if l.Merged > 0 {
			cand.Caveats = append(cand.Caveats, "methods of one type are counted together as users of one lock; a type with several locks would be misjudged")
		}
		out = append(out, cand)
	}
	return out
}

func hotspotTrace(in *claim.Input) claim.Reading {
	var best *reading.LockSites
	for _, e := range in.Exhibits {
		if c := reading.TraceLocks(e); best == nil || reading.PerSecond(c.Delay, c.Wall).Number > reading.PerSecond(best.Delay, best.Wall).Number {
			best = c
		}
	}
	c := best
	if short := reading.TooShort(c.Exhibit); short != "" {
		return claim.Reading{Silent: short}
	}
	if c.Delay == 0 && c.Stuck > 0 {
		return claim.Reading{Silent: claim.Textf("goroutines wait for locks, and in %s nobody gets through: stuck rather than busy", evidence.Duration(c.Wall))}
	}
	if c.Delay == 0 {
		return claim.Reading{Says: claim.Textf("no goroutine waited for a lock in %s", evidence.Duration(c.Wall))}
	}
	if len(c.Sites) == 0 {
		return claim.Reading{Silent: "goroutines waited for locks, at places that the trace does not tell"}
	}
	c.Finish()
	r := claim.Reading{
		Candidates: hotspotCandidates(in, c, "time goroutines waited for the lock", "all waiting for locks in the trace",
			func(reading.LockSite) claim.Command { return claim.TraceProfile(c.Exhibit, "sync") }),
		Says: claim.Textf("%s takes most of the waiting for locks, %s in %s", c.Sites[0].Words(), evidence.Duration(c.Sites[0].Delay), evidence.Duration(c.Wall)),
	}
	for i := range r.Candidates {
		cand := &r.Candidates[i]
		oneMoment(in, c.Exhibit, cand)
		if span, ok := reading.WorstLockWait(c.Exhibit, cand.Site.Function); ok {
			at := &cand.Facts[0].At
			at.Goroutine, at.From, at.To = span.Goroutine, int64(span.From), int64(span.To)
			cand.Facts = append(cand.Facts, claim.Fact{Exhibit: c.Exhibit.ID, Says: claim.Textf("longest wait here, of goroutine %d", span.Goroutine),
				Value: evidence.Duration(span.To - span.From), At: *at,
				Reproduce: claim.TraceView(c.Exhibit, claim.Textf("goroutine %d at %s", span.Goroutine, evidence.Duration(span.From)))})
		}
	}
	if c.Stuck > c.Delay {
		r.Silent = claim.Textf("at other locks nobody gets through in %s: stuck rather than busy", evidence.Duration(c.Wall))
	}
	judge.InPart(&r, c.Exhibit)
	return r
}

// oneMoment makes an info of a lock that is wanted for next to none of the time,
// however many wait then: a herd that is let go at once meets at the first lock in its way.
func oneMoment(in *claim.Input, e *evidence.Exhibit, c *claim.Candidate) {
	users := append([]string{c.Site.Function}, c.Ends...)
	for _, s := range c.Sites {
		users = append(users, s.Function)
	}
	var wanted time.Duration
	for _, q := range e.Trace().Queues {
		if slices.ContainsFunc(q.Sites, func(s stack.Site) bool { return slices.Contains(users, s.Function) }) {
			wanted += q.Wanted
		}
	}
	part := evidence.Part(min(wanted, e.Trace().Duration), e.Trace().Duration)
	// Not told, or wanted for long: by several locks that are used here, it would be less for each.
	if wanted == 0 || part.Number >= in.Limit("min-wanted").Number {
		return
	}
	c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "time in which anybody waited for the lock", Value: evidence.Duration(wanted),
		Of: claim.PartOf(evidence.Duration(e.Trace().Duration), "the trace"), Limit: in.Against("min-wanted"), At: claim.At(c.Site), Reproduce: claim.TraceProfile(e, "sync")})
	if c.Severity > claim.NoSeverity {
		c.Severity = min(c.Severity, claim.Info)
		c.Summary = claim.Textf("goroutines met at the lock in %s, but for a moment: somebody waited for it in %s of %s", claim.Func(c.Site.Function), evidence.Duration(wanted), evidence.Duration(e.Trace().Duration))
	}
}

func hotspotDump(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, and at that moment no goroutine waited for a lock"}
	most := 0
	for _, e := range in.Exhibits {
		locks := reading.Locks(e.Dump())
		deadlocked := reading.Dead(locks)
		all := 0
		for _, l := range locks {
			all += len(l.Waiters)
		}
		if all == 0 || all <= most {
			continue
		}
		most = all
		r.Silent = claim.Textf("it shows one moment, at which %s in locks, %d of them in %s", evidence.Amount(all, "goroutine stood", "goroutines stood"), len(locks[0].Waiters), locks[0].Name())
		r.Candidates = nil
		for _, l := range locks[:min(len(locks), reading.MaxSites)] {
			n := len(l.Waiters)
			share := evidence.Part(n, all)
			site, path, _ := l.Site()
			var held reading.Requests
			for _, w := range l.Waiters {
				held.Add(wait.HandlerOf(w.G.Stack()), 1)
			}
			impact := claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(float64(n), judge.InFlight(e.Dump(), n, held)).Number}
			busy := judge.BusyElsewhere(in, site.Function)
			severity, thin := in.Severity(impact, busy), n < int(in.Limit("impact.min-standing-moment").Number)
			// Nobody will ever get this lock: that is a deadlock and not a busy lock. Few of many: no one lock is to blame. A few alone: any program that shares data has some.
			if deadlocked[l] || l.Orphan(e.Dump()) || share.Number < in.Limit("min-share").Number || thin {
				severity = claim.NoSeverity
			}
			// Who holds it waits for others: whether anybody gets through at all, another kind must show.
			raises := severity
			if h, ok := l.BlockedHolder(); ok && h.OnOthers() {
				severity = min(severity, claim.Info)
			}
			cand := claim.Candidate{
				Raises: raises,
				Site:   site, Path: lockPath(site, path), Sites: l.OtherSites(site), Variant: l.Variant(), Severity: severity, Thin: thin, Share: share.Number,
				Summary: claim.Textf("%s in one lock at %s, %s of all that wait for locks", evidence.Amount(n, "goroutine stands", "goroutines stand"), claim.Func(site.Function), share),
				Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s", l.Name()), Value: evidence.Of(n, evidence.Count),
					Of:    claim.PartOf(evidence.Of(all, evidence.Count), "all goroutines of the dump that wait for locks"),
					Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(site, l.Waiters[0].G.ID), Reproduce: claim.Grep(e, l.Grep())}},
			}
			if busy.Holds {
				cand.Excuses = append(cand.Excuses, busy.Says)
			}
			if n >= judge.MinCrowd {
				cand.Whole = lockWaiting // who waits at one moment is as good a sample of it
			}
			if l.Addr == 0 {
				cand.Caveats = []claim.Text{"the dump does not print the lock's address here; goroutines at one object or type are taken to wait for one lock"}
			}
			r.Candidates = append(r.Candidates, cand)
		}
	}
	return r
}

func hotspotCPU(in *claim.Input) claim.Reading {
	e := reading.Latest(in.Exhibits)
	p := e.Profile()
	column := p.Column("samples")
	total := p.Total(column)
	if total < int64(in.Limit("min-samples").Number) {
		return claim.Reading{Silent: "only " + evidence.Things(total, "sample") + ", and goroutines that wait for a lock take none"}
	}
	r := claim.Reading{Silent: "goroutines that wait for a lock use no CPU, so it shows only what queueing itself costs"}
	sites := lockSums(p, column)
	for _, sum := range sites[:min(len(sites), reading.MaxSites)] {
		s, share := sum.methods[0], evidence.Part(sum.samples, total)
		if share.Number < in.Limit("min-cpu").Number*in.Limit("min-vote").Number {
			break
		}
		severity := claim.NoSeverity
		if share.Number > in.Limit("min-cpu").Number {
			severity = claim.Info
			// Spinning in a process that has processors to spare costs nobody anything.
			procs := float64(max(in.Process.GOMAXPROCS, 1))
			if p.Duration > 0 && 2*float64(p.Total(p.Column("cpu"))) >= procs*float64(p.Duration) {
				severity = claim.Warning
			}
		}
		c := claim.Candidate{
			Site: s.Site, Path: lockPath(s.Site, s.Path), Severity: severity, Share: share.Number,
			Summary: claim.Textf("%s of the CPU samples are spent getting and giving back the lock in %s", share, claim.Func(s.Site.Function)),
		}
		if len(sum.methods) > 1 {
			typ, _ := stack.MethodType(s.Site.Function)
			c.Summary = claim.Textf("%s of the CPU samples are spent getting and giving back the lock of %s: %s in %s", share, claim.Func(typ), evidence.Part(s.Values[column], total), claim.Func(s.Site.Function))
			for _, m := range sum.methods[1:min(len(sum.methods), 3)] {
				c.Summary += claim.Textf(", %s in %s", evidence.Part(m.Values[column], total), claim.Func(m.Site.Function))
			}
		}
		for i, m := range sum.methods[:min(len(sum.methods), 3)] {
			fact := claim.Fact{Exhibit: e.ID, Says: "CPU samples inside Lock and Unlock here", Value: evidence.Part(m.Values[column], total),
				Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
				At: claim.At(m.Site), Reproduce: claim.PeekInside(e, "samples", m.Site, reading.InsideBoth)}
			if i == 0 && len(sum.methods) == 1 {
				fact.Limit = in.Against("min-cpu")
			}
			c.Facts = append(c.Facts, fact)
			judge.AddSites(&c, m.Site)
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// lockSum is the samples that are getting and giving back the lock of one type, by its methods, those with most first.
type lockSum struct {
	methods []*reading.SiteSum
	samples int64
}

// lockSums adds up the samples of a profile that are inside of locks, most first: the methods of one type are one site, as in
// [reading.LockSites.Finish].
func lockSums(p *pprofile.Profile, column int) []*lockSum {
	methods := reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		// Locks inside the runtime show as runtime.lock2 without a sync frame and are left out.
		if use := wait.LockOf(s.Stack); use.Kind != "" && use.Kind != wait.LockFile {
			user, _ := wait.LockUser(s.Stack[use.Above:], nil)
			return user.Site()
		}
		return stack.Site{}
	})
	var sites []*lockSum
	ofType := map[string]*lockSum{}
	for _, m := range methods {
		typ, ok := stack.MethodType(m.Site.Function)
		sum := ofType[typ]
		if !ok || sum == nil {
			sum = &lockSum{}
			sites = append(sites, sum)
			if ok {
				ofType[typ] = sum
			}
		}
		sum.methods = append(sum.methods, m)
		sum.samples += m.Values[column]
	}
	slices.SortStableFunc(sites, func(a, b *lockSum) int { return -cmp.Compare(a.samples, b.samples) })
	return sites
}
