package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

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
		{Name: "max-busy", Default: evidence.Quantity{Number: 0.9, Unit: evidence.Share},
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
	},
	Measures: []claim.Measure{
		{Kind: evidence.Mutex, Doc: "waiting charged to contended unlocks: who held the lock. Covers Mutex and RWMutex; empty when recording was off", Run: hotspotMutex},
		{Kind: evidence.Block, Doc: "waiting of goroutines in Lock and RLock: who waited. Empty when recording was off; waits still open are missing", Run: hotspotBlock},
		{Kind: evidence.Trace, Doc: "waits in Lock and RLock with their length and moment, those still open included", Run: hotspotTrace},
		{Kind: evidence.Dump, Doc: "goroutines that stand in one lock, by its address, at one moment", Run: hotspotDump},
		{Kind: evidence.CPU, Doc: "share of CPU samples inside Lock and Unlock. Says nothing of goroutines that sleep in the queue", Run: hotspotCPU},
		{Kind: evidence.Folded, Doc: "calls that ask or wait for a lock, or samples in such, by function" + foldedDoc, Run: foldedMeasure(lockCalls)},
	},
	Fix: []string{
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
	return hotspotProfile(in, "delay charged to unlocks here", "all delay at locks in the mutex profile", insideUnlock,
		"nothing contended, or recording was off (runtime.SetMutexProfileFraction)")
}

func hotspotBlock(in *claim.Input) claim.Reading {
	return hotspotProfile(in, "time blocked in Lock here", "all time blocked in locks in the block profile", insideLock,
		"no wait for a lock ended, or recording was off (runtime.SetBlockProfileRate)")
}

// What a command for pprof must pass through to show waiting for locks alone.
const (
	insideLock   = `^sync\.\(\*(RW)?Mutex\)\.R?Lock$|^sync\.\(\*Once\)\.doSlow$|^internal/poll\.\(\*fdMutex\)\.rwlock$`
	insideUnlock = `^sync\.\(\*(RW)?Mutex\)\.(R?U|u)nlock`
	insideBoth   = `^sync\.\(\*(RW)?Mutex\)\.R?(Lock|Unlock)$`
)

// minEvents is how many events a profile must hold to deny anything: 20 have a standard error of 22 % (Poisson).
const minEvents = 20

// hotspotProfile judges a mutex or block profile. It denies the claim only where it
// covers a known time and holds enough events: an empty one may never have been recorded.
func hotspotProfile(in *claim.Input, says, whole, inside, empty string) claim.Reading {
	c := contentionOf(in.Exhibits)
	if c.delay <= 0 {
		return claim.Reading{Silent: "it shows no waiting for locks: " + empty + runtimeWords(c)}
	}
	c.finish()
	top := c.sites[0]
	r := claim.Reading{
		Says:       fmt.Sprintf("%s takes most of the waiting for locks, %s of %s%s", top.words(), evidence.Duration(top.delay), evidence.Duration(c.delay), runtimeWords(c)),
		Candidates: hotspotCandidates(in, c, says, whole, func(l lockSite) claim.Command { return claim.PeekInside(c.exhibit, "delay", l.counted(), inside) }),
	}
	for i := range r.Candidates {
		r.Candidates[i].Facts[0].At.SampleType = "delay"
		if inside == insideUnlock && r.Candidates[i].Variant == lockWrite {
			// sync/rwmutex.go: from when Lock is called, new readers wait.
			r.Candidates[i].Caveats = append(r.Candidates[i].Caveats, "a writer's Unlock is charged with all that readers waited since it asked for the lock, and it may have waited itself for a reader that was there before: see who holds a read lock for long")
		}
	}
	switch {
	case c.wall == 0:
		r.Silent = "it counts since the start of the process and tells no rate; " + r.Says
	case c.count < minEvents:
		r.Silent = fmt.Sprintf("only %d contended events are in it; %s", c.count, r.Says)
	}
	return r
}

// runtimeWords names the runtime's own locks where most of the delay is theirs.
func runtimeWords(c *lockSites) string {
	if c.runtime <= c.delay {
		return ""
	}
	return fmt.Sprintf("; %s more is contention of the runtime's own locks, which no code of the program holds", evidence.Duration(c.runtime))
}

// hotspotCandidates judges the lock sites of one exhibit.
func hotspotCandidates(in *claim.Input, c *lockSites, says, whole string, reproduce func(lockSite) claim.Command) []claim.Candidate {
	var out []claim.Candidate
	here := says
	for _, l := range c.sites[:min(len(c.sites), maxCandidates)] {
		says := here
		if l.merged > 0 {
			says = strings.Replace(here, " here", " in "+l.words(), 1)
		}
		share := evidence.Part(l.delay, c.delay)
		// Far from the share, at a site that lost next to nothing: not worth a vote.
		if share.Number < in.Limit("min-share").Number/5 {
			continue
		}
		judged := judgeLock(in, l, c.wall)
		// Other locks together take more: no one lock is to blame.
		if share.Number < in.Limit("min-share").Number {
			judged.severity = claim.NoSeverity
		}
		// Too little to be what another kind of evidence means.
		if judged.severity == claim.NoSeverity && !judged.votes {
			continue
		}
		cand := claim.Candidate{
			Site: l.site, Path: lockPath(l.site, l.path), Sites: l.sites(), Ends: l.ends, Whole: lockWaiting, Fix: fixInside(l.site), Variant: l.kind, Severity: judged.severity, Thin: judged.thin, Share: share.Number, Caveats: judged.caveats, Excuses: judged.excuses,
			Summary: fmt.Sprintf("%s takes %s of the %s lost to locks, %s per wait on average", l.words(), share, evidence.Duration(c.delay), evidence.Duration(l.mean())),
			Facts: []claim.Fact{
				{Exhibit: c.exhibit.ID, Says: says, Value: evidence.Duration(l.delay), Of: claim.PartOf(evidence.Duration(c.delay), whole),
					Limit: in.Against("min-share"), At: claim.At(l.site), Reproduce: reproduce(l)},
				{Exhibit: c.exhibit.ID, Says: fmt.Sprintf("mean of one wait, over %s waits", evidence.Of(l.count, evidence.Count)), Value: evidence.Duration(l.mean()),
					Limit: in.Against("min-wait"), At: claim.At(l.site), Reproduce: claim.Mean(reproduce(l))},
			},
		}
		if c.wall > 0 {
			rate := perSecond(l.delay, c.wall)
			cand.Summary = fmt.Sprintf("%s takes %s of the time lost to locks: %s there, %s per wait on average", l.words(), share, standing(rate), evidence.Duration(l.mean()))
			// First, because the kinds cover different times and only their rates compare.
			cand.Facts = slices.Insert(cand.Facts, 0, claim.Fact{Exhibit: c.exhibit.ID, Says: fmt.Sprintf("%s per second, over %s", says, evidence.Duration(c.wall)),
				Value: rate, Limit: againstStanding(in), At: claim.At(l.site), Reproduce: reproduce(l)})
		} else {
			cand.Caveats = append(cand.Caveats, "the profile counts since the start of the process, so how much of it belongs to the incident is not known")
		}
		if l.merged > 0 {
			cand.Caveats = append(cand.Caveats, "methods of one type are counted together as users of one lock; a type with several locks would be misjudged")
		}
		out = append(out, cand)
	}
	return out
}

// lockWaiting is the whole that shares of a lock's waiting are part of: profiles and
// traces charge the same waiting to its two ends, who gave the lock back and who waited.
const lockWaiting = "waiting for locks"

// lockPath puts the type of a method behind it in the path: writers hold a lock in
// one method that readers ask for in another, and lock() and unlock() are two
// methods as well, but one type has mostly one lock.
func lockPath(site stack.Site, path []string) []string {
	typ, ok := methodType(site.Function)
	if !ok || len(path) == 0 {
		return path
	}
	return slices.Insert(slices.Clone(path), 1, typ)
}

// maxCandidates is how many sites a measure hands on.
const maxCandidates = 5

func hotspotTrace(in *claim.Input) claim.Reading {
	var best *lockSites
	for _, e := range in.Exhibits {
		if c := traceLocks(e); best == nil || perSecond(c.delay, c.wall).Number > perSecond(best.delay, best.wall).Number {
			best = c
		}
	}
	c := best
	if short := tooShort(c.exhibit); short != "" {
		return claim.Reading{Silent: short}
	}
	if c.delay == 0 && c.stuck > 0 {
		return claim.Reading{Silent: fmt.Sprintf("goroutines wait for locks, and in %s nobody gets through: stuck rather than busy", evidence.Duration(c.wall))}
	}
	if c.delay == 0 {
		return claim.Reading{Says: fmt.Sprintf("no goroutine waited for a lock in %s", evidence.Duration(c.wall))}
	}
	if len(c.sites) == 0 {
		return claim.Reading{Silent: "goroutines waited for locks, at places that the trace does not tell"}
	}
	c.finish()
	r := claim.Reading{
		Candidates: hotspotCandidates(in, c, "time goroutines waited for the lock here", "all waiting for locks in the trace",
			func(lockSite) claim.Command { return claim.TraceProfile(c.exhibit, "sync") }),
		Says: fmt.Sprintf("%s takes most of the waiting for locks, %s in %s", c.sites[0].words(), evidence.Duration(c.sites[0].delay), evidence.Duration(c.wall)),
	}
	for i := range r.Candidates {
		cand := &r.Candidates[i]
		oneMoment(in, c.exhibit, cand)
		if span, ok := worstWait(c.exhibit, cand.Site.Function); ok {
			at := &cand.Facts[0].At
			at.Goroutine, at.From, at.To = span.Goroutine, int64(span.From), int64(span.To)
			cand.Facts = append(cand.Facts, claim.Fact{Exhibit: c.exhibit.ID, Says: fmt.Sprintf("longest wait here, of goroutine %d", span.Goroutine),
				Value: evidence.Duration(span.To - span.From), At: *at,
				Reproduce: claim.TraceView(c.exhibit, fmt.Sprintf("goroutine %d at %s", span.Goroutine, evidence.Duration(span.From)))})
		}
	}
	switch {
	case c.exhibit.Coverage != evidence.Whole:
		r.Silent = "the trace was read in part only; " + r.Says
	case c.stuck > c.delay:
		r.Silent = fmt.Sprintf("at other locks nobody gets through in %s: stuck rather than busy", evidence.Duration(c.wall))
	}
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
	for _, q := range e.Trace.Queues {
		if slices.ContainsFunc(q.Sites, func(s stack.Site) bool { return slices.Contains(users, s.Function) }) {
			wanted += q.Wanted
		}
	}
	part := evidence.Part(min(wanted, e.Trace.Duration), e.Trace.Duration)
	// Not told, or wanted for long: by several locks that are used here, it would be less for each.
	if wanted == 0 || part.Number >= in.Limit("min-wanted").Number {
		return
	}
	c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "time in which anybody waited for the lock", Value: evidence.Duration(wanted),
		Of: claim.PartOf(evidence.Duration(e.Trace.Duration), "the trace"), Limit: in.Against("min-wanted"), At: claim.At(c.Site), Reproduce: claim.TraceProfile(e, "sync")})
	if c.Severity > claim.NoSeverity {
		c.Severity = min(c.Severity, claim.Info)
		c.Summary = fmt.Sprintf("goroutines met at the lock in %s, but for a moment: somebody waited for it in %s of %s", c.Site.Function, evidence.Duration(wanted), evidence.Duration(e.Trace.Duration))
	}
}

// minTrace is the shortest trace whose rates are worth anything.
const minTrace = 100 * time.Millisecond

func tooShort(e *evidence.Exhibit) string {
	if d := e.Trace.Duration; d < minTrace {
		return fmt.Sprintf("the trace covers only %s", evidence.Duration(d))
	}
	return ""
}

// traceLocks reads the lock waits out of a trace. The runtime's own locks never
// block a goroutine and so are not among them.
func traceLocks(e *evidence.Exhibit) *lockSites {
	c := &lockSites{exhibit: e, wall: e.Trace.Duration, helpers: traceHelpers(e)}
	defer c.tie()
	through := map[string]bool{}
	for i := range e.Trace.Waits {
		w := &e.Trace.Waits[i]
		if use := traceLock(w.Class, w.Stack); use.kind != "" && w.Count > w.Open {
			through[w.Stack[min(use.above, len(w.Stack)):].Site().Function] = true
		}
	}
	for i := range e.Trace.Waits {
		w := &e.Trace.Waits[i]
		use := traceLock(w.Class, w.Stack)
		switch {
		case use.kind == "":
			c.other += w.Total
		// Where nobody got through in the whole trace the lock is stuck or dead, not busy.
		case w.Count == w.Open && !through[w.Stack[min(use.above, len(w.Stack)):].Site().Function]:
			c.stuck += w.Total
		case len(w.Stack) == 0:
			// Began before the trace and never moved: a lock wait at a place unknown.
			c.delay += w.Total
			c.count += w.Count
		default:
			c.add(w.Stack, use, w.Total, w.Count)
		}
	}
	return c
}

// traceHelpers returns the functions that only take or only give back a lock for
// their caller: one function gives back what another had asked for, and both are
// called straight from one and the same.
func traceHelpers(e *evidence.Exhibit) map[string]bool {
	takes, gives := map[string]bool{}, map[string]bool{}
	ends := func(h *exectrace.Holder) (unlock, lock stack.Stack) {
		unlock, _ = userOf(h.Unlock[min(lockOf(h.Unlock).above, len(h.Unlock)):], nil)
		lock, _ = userOf(h.Waiter[min(lockOf(h.Waiter).above, len(h.Waiter)):], nil)
		return unlock, lock
	}
	for i := range e.Trace.Holders {
		unlock, lock := ends(&e.Trace.Holders[i])
		gives[unlock.Site().Function] = true
		takes[lock.Site().Function] = true
	}
	var out map[string]bool
	for i := range e.Trace.Holders {
		unlock, lock := ends(&e.Trace.Holders[i])
		u, l := unlock.Site().Function, lock.Site().Function
		if u == l || takes[u] || gives[l] || len(unlock) < 2 || len(lock) < 2 || stack.Standard(unlock[1].Function) ||
			stack.Normal(unlock[1].Function) != stack.Normal(lock[1].Function) {
			continue
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[u], out[l] = true, true
	}
	return out
}

// tie notes for each site of a trace where the same lock is given back or waited
// for: the unlock that woke a waiter was one of the lock it waited for.
func (c *lockSites) tie() {
	for i := range c.exhibit.Trace.Holders {
		h := &c.exhibit.Trace.Holders[i]
		unlock, _ := userOf(h.Unlock[min(lockOf(h.Unlock).above, len(h.Unlock)):], c.helpers)
		lock, _ := userOf(h.Waiter[min(lockOf(h.Waiter).above, len(h.Waiter)):], c.helpers)
		at, ok := c.index[lock.Site().Function]
		if u := unlock.Site().Function; ok && u != "" && u != lock.Site().Function {
			// What handed over once in a while may be another lock at the same place.
			if l := &c.sites[at]; h.Delay*10 >= l.delay && len(l.ends) < maxCandidates && !slices.Contains(l.ends, u) {
				l.ends = append(l.ends, u)
			}
		}
	}
}

// traceLock tells the lock that a wait of a trace stands in. The stack is asked
// first; the class tells where it is cut short or begins in the runtime.
func traceLock(class wait.Class, s stack.Stack) lockUse {
	if use := lockOf(s); use.kind != "" && !use.unlock {
		return use
	}
	use := lockUse{}
	switch class {
	case wait.Mutex:
		use.kind = lockMutex
	case wait.RWRead:
		use.kind = lockRead
	case wait.RWWrite:
		use.kind = lockWrite
	}
	return use
}

// worstWait returns the longest lock wait at a function.
func worstWait(e *evidence.Exhibit, function string) (worst exectrace.Span, ok bool) {
	helpers := traceHelpers(e)
	for i := range e.Trace.Waits {
		w := &e.Trace.Waits[i]
		use := traceLock(w.Class, w.Stack)
		if use.kind == "" || len(w.Stack) == 0 {
			continue
		}
		if user, _ := userOf(w.Stack[min(use.above, len(w.Stack)):], helpers); user.Site().Function != function {
			continue
		}
		for _, s := range w.Worst {
			if s.To-s.From > worst.To-worst.From {
				worst, ok = s, true
			}
		}
	}
	return worst, ok
}

func hotspotDump(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, and at that moment no goroutine waited for a lock"}
	most := 0
	for _, e := range in.Exhibits {
		locks := locksOf(e.Dump)
		deadlocked := dead(locks)
		all := 0
		for _, l := range locks {
			all += len(l.waiters)
		}
		if all == 0 || all <= most {
			continue
		}
		most = all
		r.Silent = fmt.Sprintf("it shows one moment, at which %d goroutines stood in locks, %d of them in %s", all, len(locks[0].waiters), locks[0].name())
		r.Candidates = nil
		for _, l := range locks[:min(len(locks), maxCandidates)] {
			n := len(l.waiters)
			share := evidence.Part(n, all)
			site, path, _ := l.site()
			var held requests
			inFlight := float64(atWork(e.Dump))
			for _, w := range l.waiters {
				held.add(handlerOf(w.g.Stack()), 1)
			}
			if 2*held.sum() >= float64(n) {
				inFlight = held.alike(requestsIn(e.Dump))
			}
			impact := claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(float64(n), inFlight).Number}
			busy := busyElsewhere(in, site.Function)
			severity, thin := in.Severity(impact, busy), n < int(in.Limit("impact.min-standing-moment").Number)
			// Nobody will ever get this lock: that is a deadlock and not a busy lock. Few of many: no one lock is to blame. A few alone: any program that shares data has some.
			if deadlocked[l] || l.orphan(e.Dump) || share.Number < in.Limit("min-share").Number || thin {
				severity = claim.NoSeverity
			}
			// Who holds it waits for others: whether anybody gets through at all, another kind must show.
			raises := severity
			if h, ok := l.blockedHolder(); ok && h.onOthers() {
				severity = min(severity, claim.Info)
			}
			cand := claim.Candidate{
				Raises: raises,
				Site:   site, Path: lockPath(site, path), Sites: l.otherSites(site), Variant: l.variant(), Severity: severity, Thin: thin, Share: share.Number,
				Summary: fmt.Sprintf("%s in one lock at %s, %s of all that wait for locks", amount(n, "goroutine stands", "goroutines stand"), site.Function, share),
				Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for " + l.name(), Value: evidence.Of(n, evidence.Count),
					Of:    claim.PartOf(evidence.Of(all, evidence.Count), "all goroutines of the dump that wait for locks"),
					Limit: in.Against("impact.min-standing-moment"), At: atGoroutine(site, l.waiters[0].g.ID), Reproduce: claim.Grep(e, l.grep())}},
			}
			if busy.Holds {
				cand.Excuses = append(cand.Excuses, busy.Says)
			}
			if n >= minCrowd {
				cand.Whole = lockWaiting // who waits at one moment is as good a sample of it
			}
			if l.addr == 0 {
				cand.Caveats = []string{"the dump does not print the lock's address here; goroutines at one object or type are taken to wait for one lock"}
			}
			r.Candidates = append(r.Candidates, cand)
		}
	}
	return r
}

// minCrowd is how many waiters of one moment are as good a sample of the waiting as a profile: a standard error of a tenth.
const minCrowd = 100

func atGoroutine(s stack.Site, id int64) claim.Location {
	at := claim.At(s)
	at.Goroutine = id
	return at
}

// otherSites returns up to four further functions in which goroutines wait for the lock.
func (l *dumpLock) otherSites(first stack.Site) []stack.Site {
	var out []stack.Site
	seen := map[string]bool{first.Function: true}
	for _, w := range l.waiters {
		user, passed := w.user()
		for _, s := range append([]stack.Site{user.Site(), user.Owner()}, passed...) {
			if !seen[s.Function] && s.Function != "" && len(out) < maxCandidates-1 {
				seen[s.Function] = true
				out = append(out, s)
			}
		}
	}
	return out
}

func hotspotCPU(in *claim.Input) claim.Reading {
	e := latest(in.Exhibits)
	p := e.Profile
	column := p.Column("samples")
	total := p.Total(column)
	if total < int64(in.Limit("min-samples").Number) {
		return claim.Reading{Silent: fmt.Sprintf("only %d samples, and goroutines that wait for a lock take none", total)}
	}
	r := claim.Reading{Silent: "goroutines that wait for a lock use no CPU, so it shows only what queueing itself costs"}
	methods := bySite(p, column, func(s *pprofile.Sample) stack.Site {
		// Locks inside the runtime show as runtime.lock2 without a sync frame and are left out.
		if use := lockOf(s.Stack); use.kind != "" && use.kind != lockFileIO {
			user, _ := userOf(s.Stack[use.above:], nil)
			return user.Site()
		}
		return stack.Site{}
	})
	// The methods of one type are one site, as in lockSites.finish, told by the one with most samples.
	type lockSum struct {
		methods []*siteSum
		samples int64
	}
	var sites []*lockSum
	ofType := map[string]*lockSum{}
	for _, m := range methods {
		typ, ok := methodType(m.site.Function)
		sum := ofType[typ]
		if !ok || sum == nil {
			sum = &lockSum{}
			sites = append(sites, sum)
			if ok {
				ofType[typ] = sum
			}
		}
		sum.methods = append(sum.methods, m)
		sum.samples += m.values[column]
	}
	slices.SortStableFunc(sites, func(a, b *lockSum) int { return -cmp.Compare(a.samples, b.samples) })
	for _, sum := range sites[:min(len(sites), maxCandidates)] {
		s, share := sum.methods[0], evidence.Part(sum.samples, total)
		if share.Number < in.Limit("min-cpu").Number/5 {
			break
		}
		severity := claim.NoSeverity
		if share.Number > in.Limit("min-cpu").Number {
			severity = claim.Info
			// Spinning in a process that has processors to spare costs nobody anything.
			procs := float64(max(in.Case.GOMAXPROCS, 1))
			if p.Duration > 0 && 2*float64(p.Total(p.Column("cpu"))) >= procs*float64(p.Duration) {
				severity = claim.Warning
			}
		}
		c := claim.Candidate{
			Site: s.site, Path: lockPath(s.site, s.path), Severity: severity, Share: share.Number,
			Summary: fmt.Sprintf("%s of the CPU samples are spent getting and giving back the lock in %s", share, s.site.Function),
		}
		if len(sum.methods) > 1 {
			typ, _ := methodType(s.site.Function)
			c.Summary = fmt.Sprintf("%s of the CPU samples are spent getting and giving back the lock of %s: %s in %s", share, typ, evidence.Part(s.values[column], total), s.site.Function)
			for _, m := range sum.methods[1:min(len(sum.methods), 3)] {
				c.Summary += fmt.Sprintf(", %s in %s", evidence.Part(m.values[column], total), m.site.Function)
			}
		}
		for i, m := range sum.methods[:min(len(sum.methods), 3)] {
			fact := claim.Fact{Exhibit: e.ID, Says: "CPU samples inside Lock and Unlock here", Value: evidence.Part(m.values[column], total),
				Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"),
				At: claim.At(m.site), Reproduce: claim.PeekInside(e, "samples", m.site, insideBoth)}
			if i == 0 && len(sum.methods) == 1 {
				fact.Limit = in.Against("min-cpu")
			}
			c.Facts = append(c.Facts, fact)
			addSites(&c, m.site)
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
