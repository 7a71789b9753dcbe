package detect

import (
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

// PoolExhaustion claims that all slots of a pool are taken and callers wait for one.
var PoolExhaustion = &claim.Detector{
	ID:    "pool-exhaustion",
	Title: "All slots of a pool are taken",
	Doc: `Callers wait until somebody gives back one of a fixed number of things: a database connection, a semaphore's weight, a connection to one
host, a worker. Either the slots are too few for the load or, more often, each is kept for too long.

**How it is measured.** The waits of well-known pools are told by their frames: database/sql (SetMaxOpenConns), golang.org/x/sync/semaphore, errgroup with
a limit, net/http.Transport (MaxConnsPerHost), pgx, go-redis, redigo, mongo-driver, ants; those of other libraries by a method such as Get, Acquire or Submit of a type that
calls itself a pool, in a module that the program depends on. In a trace and a block profile they are summed up; by Little's law the waiting
per second is how many callers stand there on average. A channel used as a semaphore is known in a trace by its sends being let go by the sender's own function. In a goroutine dump,
and in a goroutine profile, the callers of one moment are counted; a dump also tells what those do who have a slot: they are further down in the function that the others wait in.

The variant is database, semaphore, http, workers, channel, or lost: requests wait for a connection, none gets one in a second or more, and nobody is seen to use any.

**When it is wrong.** A batch that holds its goroutines back with a semaphore does so on purpose: outside of the handling of a request nothing is said of semaphores and worker pools, and of the others an info. A wait in
net/http.Transport may be for a new connection to be made rather than for a free one; where as many goroutines are dialling, the claim is not made. Pools made by
hand out of a channel that holds the things are not told from other channels.`,
	Limits: []claim.Limit{
		{Name: "max-busy", Default: evidence.Quantity{Number: 0.9, Unit: evidence.Share},
			Doc:    "processors' time in use in the trace, from which it is an info: those who have a slot wait for a processor",
			Source: "as mutex-hotspot.max-busy"},
		{Name: "min-count", Default: evidence.Quantity{Number: 20, Unit: evidence.Count},
			Doc:    "waits below which a profile or a trace is thin",
			Source: "Poisson: 20 events have a standard error of 22 %"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "waits inside the calls of known pools, and sends that the sender's own function lets go", Run: worstOf(poolTrace)},
		{Kind: evidence.Dump, Doc: "goroutines inside the calls of known pools, and what those do that got through", Run: worstOf(poolDump)},
		{Kind: evidence.Block, Doc: "time blocked inside the calls of known pools", Run: poolBlock},
		{Kind: evidence.Goroutine, Doc: "goroutines inside the calls of known pools at one moment", Run: worstOf(poolGoroutine)},
	},
	Fix: []string{
		"Give the slot back before doing anything slow: read the rows and close them, then compute, call others and write the answer",
		"Look for slots that are never given back: rows not closed, transactions without a Rollback in a defer, a response body not closed",
		"Then size the pool: requests per second times the seconds each keeps a slot; for database/sql SetMaxOpenConns with SetMaxIdleConns to match",
		"Wait with the request's context and a deadline, so that callers who have left do not stand in the queue",
	},
	Sketch: `// Hold a slot for as long as the query takes, and wait for one no longer than the caller does.
func (s *Store) Load(ctx context.Context, id int) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, query, id)
	if err != nil {
		return Row{}, err
	}
	defer rows.Close() // gives the connection back on every way out
	return scan(rows)  // and nothing slow before that
}
`,
	Explains: []claim.Mechanism{
		{Effect: "goroutine-pileup", Unless: "lock", Why: "whoever finds no free slot stands where it asks for one", Source: "database/sql/sql.go, conn; Little's law"},
		{Effect: "channel-backpressure", When: "channel", Why: "the channel is a semaphore, and those who send on it wait for a slot", Source: "runtime/chan.go, chansend"},
	},
	Waiting:   true,
	Wakes:     true,
	Durations: claim.WaitTimes(),
}

// poolKind names the pool that a stack waits for a slot of: words for a sentence
// and a variant.
func poolKind(s stack.Stack) (words, variant string) {
	i := slotFrame(s)
	if i < 0 {
		return "a slot", "channel"
	}
	name := stack.Normal(s[i].Function)
	switch pkg := stack.Package(name); {
	case pkg == "database/sql", strings.HasPrefix(pkg, "github.com/jackc/puddle"):
		return "a free database connection", "database"
	case pkg == "net/http":
		return "a connection to the host", "http"
	case pkg == "golang.org/x/sync/semaphore", pkg == "golang.org/x/sync/errgroup":
		return "a slot", "semaphore"
	}
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "conn"), strings.Contains(lower, "redis"), strings.Contains(lower, "mongo"):
		return "a free connection", "database"
	case strings.Contains(lower, "worker"), strings.HasSuffix(lower, ".submit"), strings.HasSuffix(lower, ".schedule"), strings.HasSuffix(lower, ".invoke"):
		return "a free worker", "workers"
	}
	return "a slot", "semaphore"
}

// poolFix is advice for pools that the detector's own does not fit; nil elsewhere.
func poolFix(variant string) []string {
	switch variant {
	case "http":
		return []string{
			"Read every response body to its end and close it, so that its connection can be used again",
			"Raise Transport.MaxConnsPerHost, or leave it at 0, and MaxIdleConnsPerHost with it (2 by default)",
			"Give each request a context with a deadline",
		}
	case "workers":
		return []string{
			"Look at what the workers do: shorten it, or give the pool as many workers as that needs; a task must never wait for another of its own pool",
			"Bound the queue and refuse what is beyond it, instead of letting every caller wait",
			"Wait with the request's context and a deadline, so that callers who have left do not stand in the queue",
		}
	}
	return nil
}

func poolCandidate(in *claim.Input, e *evidence.Exhibit, w *waitSum, wall time.Duration, at claim.Location, reproduce claim.Command) claim.Candidate {
	rate := perSecond(w.total, wall)
	words, variant := poolKind(w.stack)
	c := claim.Candidate{
		Site: w.site, Path: w.callers.lead(w.path), Variant: variant, Thin: w.count < int64(in.Limit("min-count").Number), Fix: poolFix(variant),
		Summary: fmt.Sprintf("%s for %s in %s, %s per wait", standing(rate), words, w.name(), evidence.Duration(w.mean())),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: fmt.Sprintf("time goroutines waited for %s per second, over %s", words, evidence.Duration(wall)), Value: rate, Limit: againstStanding(in), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: fmt.Sprintf("mean of one wait, over %s waits", evidence.Of(w.count, evidence.Count)), Value: evidence.Duration(w.mean()), At: claim.At(w.site), Reproduce: claim.Mean(reproduce)},
		},
	}
	// When a program starts, its first calls wait for connections to be made.
	weighWaits(in, &c, w, wall, claim.Excuse{Holds: !w.served && variant != "database" && variant != "http", Says: "a program that holds its own work back with a limit does so on purpose"},
		claim.Excuse{Holds: wall == 0 && variant == "http", Says: "waits since the start of the process contain those for the first connections to be made"})
	addSites(&c, w.owner)
	addSites(&c, w.callers.sites()...)
	return c
}

func poolTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	if short := tooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace
	r := claim.Reading{Says: fmt.Sprintf("next to no waiting for a slot of a known pool in %s", evidence.Duration(t.Duration))}
	dials := dialling(t)
	sums := sumWaits(t.Waits, slotsOf, operationsOf(t))
	for _, w := range sumWaits(t.Waits, sendsOf, operationsOf(t)) {
		// A send that the sender's own function lets go takes a slot of a semaphore.
		if from, n := receiverOf(t, w.site.Function); n > 0 && sameFamily(from.Function, w.site.Function) {
			sums = append(sums, w)
		}
	}
	for _, w := range sums[:min(len(sums), maxCandidates)] {
		// They wait for connections to be made, not for one to be given back.
		if _, variant := poolKind(w.stack); variant == "http" && dials*2 >= w.total {
			continue
		}
		if perSecond(w.total, t.Duration).Number < in.Limit("impact.min-standing").Number {
			continue
		}
		c := poolCandidate(in, e, w, t.Duration, spanAt(w), blockedView(e, w))
		if starved(t) {
			c.Severity = min(c.Severity, claim.Info)
		}
		busy, d := keeps(t, w)
		if d == 0 && lostInTrace(in, t, w) {
			words, _ := poolKind(w.stack)
			c.Variant, c.Severity, c.Fix = "lost", claim.Critical, lostFix
			c.Summary = fmt.Sprintf("%s for %s in %s, and in %s none of them got one; nobody is seen to use one, so they are most likely never given back", amount(w.count, "goroutine waits", "goroutines wait"), words, w.name(), evidence.Duration(t.Duration))
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "waits for " + words + " here that had not ended at the end of the trace", Value: evidence.Of(w.open, evidence.Count),
				Of: claim.PartOf(evidence.Of(w.count, evidence.Count), "all waits here"), At: claim.At(w.site), Reproduce: blockedView(e, w)})
			c.Caveats = append(c.Caveats, "a trace shows who waits, not who has the slots: code that keeps one and computes or waits elsewhere for all of the trace looks the same")
		}
		if d > 0 {
			c.Summary += fmt.Sprintf("; those who have one mostly wait in %s", busy.words)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: fmt.Sprintf("time in which those who had got through waited in %s", busy.words), Value: evidence.Duration(d),
				At: claim.At(busy.site), Reproduce: claim.TraceView(e, "goroutines that wait in "+busy.site.Function)})
			addSites(&c, busy.site)
		}
		r.Candidates = append(r.Candidates, c)
	}
	if e.Coverage != evidence.Whole {
		r.Silent = "the trace was read in part only; " + r.Says
	}
	return r
}

// dialling is the time spent making connections for net/http.
func dialling(t *exectrace.Timeline) (sum time.Duration) {
	for i := range t.Waits {
		if w := &t.Waits[i]; w.Stack.Contains("net/http.(*Transport).dialConn", "net/http.(*Transport).dialConnFor") {
			sum += w.Total
		}
	}
	return sum
}

// lostFix is advice for slots that nobody is seen to use.
var lostFix = []string{
	"Look for slots that are never given back: rows not closed on an early return, transactions without a Rollback in a defer, a response body not closed",
	"Wait with the request's context and a deadline, so that one lost slot does not keep its callers for ever",
	"Count the slots in use (sql.DB.Stats and the like) and watch that they fall to nothing when no request is under way",
}

// lostInTrace reports whether the connections of a pool are gone: for a second or more
// nobody got one, nobody asks anything by one, and the program has next to nothing to do.
func lostInTrace(in *claim.Input, t *exectrace.Timeline, w *waitSum) bool {
	i := slotFrame(w.stack)
	if _, variant := poolKind(w.stack); variant != "database" || i < 0 {
		return false // a limit of the program's own may be kept for long on purpose
	}
	if !w.request || w.open < w.count || w.count < int64(in.Limit("min-count").Number) || t.Duration < time.Second || in.Case.Busy > 0.5 {
		return false
	}
	pool := stack.Package(w.stack[i].Function)
	for k := range t.Waits {
		x := &t.Waits[k]
		if waitsForSlot(x.Class, x.Stack) || knownIdle(x.Class, x.Stack) && x.Class != wait.Syscall && x.Class != wait.Sleep {
			continue
		}
		if w.callers.passed(x.Stack) || usesPool(pool, x.Stack) {
			return false
		}
	}
	return !slices.ContainsFunc(t.Syscalls, func(x exectrace.Wait) bool { return w.callers.passed(x.Stack) || usesPool(pool, x.Stack) })
}

// usesPool reports whether a stack is inside of a pool's package, or of another of its module.
func usesPool(pool string, s stack.Stack) bool {
	module := pool
	if parts := strings.SplitN(pool, "/", 4); len(parts) > 3 && strings.Contains(parts[0], ".") {
		module = strings.Join(parts[:3], "/")
	}
	return slices.ContainsFunc(s, func(f stack.Frame) bool { return strings.HasPrefix(f.Function, module) })
}

// keeps returns where callers of the function that waits for slots wait most for
// something else, further down than the wait for the slot.
func keeps(t *exectrace.Timeline, w *waitSum) (at busyAt, total time.Duration) {
	sums := map[string]time.Duration{}
	for i := range t.Waits {
		x := &t.Waits[i]
		if waitsForSlot(x.Class, x.Stack) || isLock(x.Class) {
			continue
		}
		if w.callers.passed(x.Stack) {
			site := x.Stack.Site()
			sums[site.Function] += x.Total
			if d := sums[site.Function]; d > total {
				at, total = busyAt{site, fmt.Sprintf("%s (%s)", site.Function, x.Class)}, d
			}
		}
	}
	return at, total
}

func poolDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait for a slot of a known pool"}
	for _, x := range dumpWaits(e.Dump, slotsOf) {
		n := len(x.goroutines)
		if len(r.Candidates) == maxCandidates {
			break
		}
		words, variant := poolKind(x.stack)
		if variant == "http" && 2*dialers(e.Dump) >= n {
			continue
		}
		c := claim.Candidate{
			Site: x.site, Path: x.callers.lead(x.path), Variant: variant, Fix: poolFix(variant),
			Summary: fmt.Sprintf("%s for %s in %s", amount(n, "goroutine waits", "goroutines wait"), words, x.name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for " + words + " here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump.Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: atGoroutine(x.site, x.goroutines[0].ID), Reproduce: claim.Grep(e, x.text)}},
		}
		weighMoment(in, &c, e.Dump, n, x.requests)
		addSites(&c, x.owner)
		addSites(&c, x.callers.sites()...)
		if variant == "database" && len(x.requests) > 0 && c.Severity > claim.Info && unused(e.Dump, x) {
			c.Summary += "; nobody is seen to use one"
			c.Fix = lostFix
		}
		if g, where, k := slotHolders(e.Dump, x); k > 0 {
			c.Summary += fmt.Sprintf("; of those who have one, %d %s in %s", k, strings.TrimPrefix(waitingIn(waitClass(g.State, g.Stack()), false, g.Stack()), "are "), where.Function)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: fmt.Sprintf("goroutines that have got a slot and stand in %s (%s)", where.Function, g.State), Value: evidence.Of(k, evidence.Count),
				At: atGoroutine(where, g.ID), Reproduce: claim.Grep(e, fmt.Sprintf("goroutine %d [", g.ID))})
			addSites(&c, where)
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// dialers counts the goroutines that make connections for net/http.
func dialers(d *dump.Dump) (n int) {
	for i := range d.Goroutines {
		if d.Goroutines[i].Stack().Contains("net/http.(*Transport).dialConn", "net/http.(*Transport).dialConnFor") {
			n++
		}
	}
	return n
}

// slotHolders returns where most goroutines stand that have got through in the
// function from which others wait for a slot: further down in it and blocked.
func slotHolders(d *dump.Dump, x *placed) (one *dump.Goroutine, where stack.Site, most int) {
	waits := map[*dump.Goroutine]bool{}
	for _, g := range x.goroutines {
		waits[g] = true
	}
	pool := ""
	if i := slotFrame(x.stack); i >= 0 {
		pool = stack.Package(x.stack[i].Function)
	}
	count := map[string]int{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if waits[g] || waitClass(g.State, s) == "" {
			continue
		}
		asks := pool != "" && x.callers.reached(s) && usesPool(pool, s) // by a connection, in the very call that gave it
		if x.callers.passed(s) || asks {
			site := s.Site()
			if asks && !x.callers.passed(s) {
				site = s.Owner()
			}
			if count[site.Function]++; count[site.Function] > most {
				one, where, most = g, site, count[site.Function]
			}
		}
	}
	return one, where, most
}

// unused reports whether no goroutine of a dump but the waiters has got through to
// a pool, or is at work inside of its module.
func unused(d *dump.Dump, x *placed) bool {
	i := slotFrame(x.stack)
	if i < 0 {
		return false
	}
	pool := stack.Package(x.stack[i].Function)
	for k := range d.Goroutines {
		g := &d.Goroutines[k]
		s := g.Stack()
		class := waitClass(g.State, s)
		if waitsForSlot(class, s) || class != "" && class != wait.Syscall && class != wait.Sleep && knownIdle(class, s) {
			continue
		}
		if x.callers.passed(s) || usesPool(pool, s) {
			return false
		}
	}
	return true
}

func poolBlock(in *claim.Input) claim.Reading {
	sums, e, wall := blockWaits(in.Exhibits, slotsOf)
	if len(sums) == 0 {
		return claim.Reading{Silent: "it shows no wait for a slot of a known pool that ended: none did, or recording was off (runtime.SetBlockProfileRate)"}
	}
	r := claim.Reading{Silent: "it counts since the start of the process and tells no rate"}
	if wall > 0 {
		r.Silent, r.Says = "", fmt.Sprintf("most waiting for a slot is in %s, %s of %s", sums[0].site.Function, evidence.Duration(sums[0].total), evidence.Duration(wall))
	}
	for _, w := range sums[:min(len(sums), maxCandidates)] {
		if wall > 0 && perSecond(w.total, wall).Number < in.Limit("impact.min-standing").Number {
			continue
		}
		c := poolCandidate(in, e, w, wall, delayAt(w), peekWait(e, "delay", w.site, w.stack))
		if wall == 0 {
			words, variant := poolKind(w.stack)
			c.Summary = fmt.Sprintf("%s for %s in %s took %s on average", amount(w.count, "wait", "waits"), words, w.name(), evidence.Duration(w.mean()))
			c.Facts = c.Facts[1:]
			c.Caveats = append(c.Caveats, "the profile counts since the start of the process, so how much of it belongs to the incident is not known")
			// Many long waits are more than a slow start.
			if w.request && variant != "http" && w.count >= 5*int64(in.Limit("min-count").Number) && w.mean() >= 10*shortWait {
				c.Severity = max(c.Severity, claim.Warning)
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func poolGoroutine(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait for a slot of a known pool"}
	p := e.Profile
	column := p.Column("goroutine")
	if column < 0 && len(p.Columns) == 1 {
		column = 0
	}
	if column < 0 {
		return claim.Reading{Silent: "it has no column of goroutines"}
	}
	var c waitSums
	for i := range p.Samples {
		s := &p.Samples[i]
		class := leafClass(s.Stack)
		if above, owner, ok := slotsOf(class, s.Stack); ok {
			c.add(class, s.Stack, above, owner, time.Duration(s.Values[column]), s.Values[column])
		}
	}
	for _, w := range c.sorted() {
		words, variant := poolKind(w.stack)
		if len(r.Candidates) == maxCandidates || variant == "http" {
			continue // whether they wait for a connection to be made, a profile does not tell
		}
		cand := claim.Candidate{
			Site: w.site, Path: w.callers.lead(w.path), Variant: variant, Thin: float64(w.count) < in.Limit("impact.min-standing-moment").Number, Fix: poolFix(variant),
			Summary: fmt.Sprintf("%s for %s in %s", amount(w.count, "goroutine waits", "goroutines wait"), words, w.name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for " + words + " here", Value: evidence.Of(w.count, evidence.Count), Limit: in.Against("impact.min-standing-moment"),
				At: claim.At(w.site), Reproduce: peekWait(e, p.Columns[column].Name, w.site, w.stack)}},
		}
		in.Weigh(&cand, claim.Impact{Of: claim.Operations, Standing: float64(w.count), Moment: true}, notOutside(w.request))
		addSites(&cand, w.owner)
		r.Candidates = append(r.Candidates, cand)
	}
	return r
}
