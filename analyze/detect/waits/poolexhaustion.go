package waits

import (
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
		{Name: "max-busy", Default: judge.MaxBusy,
			Doc:    "processors' time in use in the trace, from which it is an info: those who have a slot wait for a processor",
			Source: "as mutex-hotspot.max-busy"},
		{Name: "min-count", Default: evidence.Quantity{Number: 20, Unit: evidence.Count},
			Doc:    "waits below which a profile or a trace is thin",
			Source: "Poisson: 20 events have a standard error of 22 %"},
		{Name: "min-count-since-start", Default: evidence.Quantity{Number: 100, Unit: evidence.Count},
			Doc:    "waits of requests in a profile that counts since the start of the process, from which it is a warning",
			Source: "Judgement call: five times min-count: many long waits are more than a slow start"},
		{Name: "min-wait-since-start", Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "mean of these waits, from which it is",
			Source: "Judgement call: longer than a connection in one data centre takes to be made"},
		{Name: "min-lost", Default: evidence.Duration(time.Second),
			Doc:    "length of a trace in which nobody gets a connection and nobody uses one, from which they are lost",
			Source: "Judgement call: a hundred times what a query takes"},
		{Name: "max-lost-busy", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "processors' time in use, above which who has the connections may be computing",
			Source: "Judgement call: lost connections leave a program with next to nothing to do"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "waits inside the calls of known pools, and sends that the sender's own function lets go", Run: judge.WorstOf(poolTrace)},
		{Kind: evidence.Dump, Doc: "goroutines inside the calls of known pools, and what those do that got through", Run: judge.WorstOf(poolDump)},
		{Kind: evidence.Block, Doc: "time blocked inside the calls of known pools", Run: poolBlock},
		{Kind: evidence.Goroutine, Doc: "goroutines inside the calls of known pools at one moment", Run: judge.WorstOf(poolGoroutine)},
	},
	Fix: []claim.Text{
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

// poolFix is advice for pools that the detector's own does not fit; nil elsewhere.
func poolFix(variant string) []claim.Text {
	switch variant {
	case "http":
		return []claim.Text{
			"Read every response body to its end and close it, so that its connection can be used again",
			"Raise Transport.MaxConnsPerHost, or leave it at 0, and MaxIdleConnsPerHost with it (2 by default)",
			"Give each request a context with a deadline",
		}
	case "workers":
		return []claim.Text{
			"Look at what the workers do: shorten it, or give the pool as many workers as that needs; a task must never wait for another of its own pool",
			"Bound the queue and refuse what is beyond it, instead of letting every caller wait",
			"Wait with the request's context and a deadline, so that callers who have left do not stand in the queue",
		}
	}
	return nil
}

func poolCandidate(in *claim.Input, e *evidence.Exhibit, w *reading.WaitSum, wall time.Duration, at claim.Location, reproduce claim.Command) claim.Candidate {
	rate := reading.PerSecond(w.Total, wall)
	words, variant := wait.SlotKind(w.Stack)
	c := claim.Candidate{
		Site: w.Site, Path: w.Callers.Lead(w.Path), Variant: variant, Thin: w.Count < int64(in.Limit("min-count").Number), Fix: poolFix(variant),
		Summary: claim.Textf("%s for %s in %s, %s per wait", judge.Standing(rate), words, w.Name(), evidence.Duration(w.Mean())),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("time goroutines waited for %s per second, over %s", words, evidence.Duration(wall)), Value: rate, Limit: judge.AgainstStanding(in), At: at, Reproduce: reproduce},
			{Exhibit: e.ID, Says: claim.Textf("mean of one wait, over %s", evidence.Things(w.Count, "wait")), Value: evidence.Duration(w.Mean()), At: claim.At(w.Site), Reproduce: claim.Mean(reproduce)},
		},
	}
	// When a program starts, its first calls wait for connections to be made.
	judge.Waits(in, &c, w, wall, claim.Excuse{Holds: !w.Served && variant != "database" && variant != "http", Says: "a program that holds its own work back with a limit does so on purpose"},
		claim.Excuse{Holds: wall == 0 && variant == "http", Says: "waits since the start of the process contain those for the first connections to be made"})
	judge.AddSites(&c, w.Owner)
	judge.AddSites(&c, w.Callers.Sites()...)
	return c
}

func poolTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace()
	r := claim.Reading{Says: claim.Textf("next to no waiting for a slot of a known pool in %s", evidence.Duration(t.Duration))}
	dials := dialling(t)
	sums := reading.SumWaits(t.Waits, reading.Slots, reading.OperationsOf(t))
	for _, w := range reading.SumWaits(t.Waits, reading.Sends, reading.OperationsOf(t)) {
		// A send that the sender's own function lets go takes a slot of a semaphore.
		if from, n := reading.ReceiverOf(t, w.Site.Function); n > 0 && stack.SameFunction(from.Function, w.Site.Function) {
			sums = append(sums, w)
		}
	}
	for _, w := range sums[:min(len(sums), reading.MaxSites)] {
		// They wait for connections to be made, not for one to be given back.
		if _, variant := wait.SlotKind(w.Stack); variant == "http" && dials*2 >= w.Total {
			continue
		}
		if reading.PerSecond(w.Total, t.Duration).Number < in.Limit("impact.min-standing").Number {
			continue
		}
		c := poolCandidate(in, e, w, t.Duration, w.SpanAt(), reading.BlockedView(e, w))
		if judge.Starved(t) {
			c.Severity = min(c.Severity, claim.Info)
		}
		busy, d := keeps(t, w)
		if d == 0 && lostInTrace(in, t, w) {
			words, _ := wait.SlotKind(w.Stack)
			c.Variant, c.Severity, c.Fix = "lost", claim.Critical, lostFix
			c.Summary = claim.Textf("%s for %s in %s, and in %s none of them got one; nobody is seen to use one, so they are most likely never given back", evidence.Amount(w.Count, "goroutine waits", "goroutines wait"), words, w.Name(), evidence.Duration(t.Duration))
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("waits for %s here that had not ended at the end of the trace", words), Value: evidence.Of(w.Open, evidence.Count),
				Of: claim.PartOf(evidence.Of(w.Count, evidence.Count), "all waits here"), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)})
			c.Caveats = append(c.Caveats, "a trace shows who waits, not who has the slots: code that keeps one and computes or waits elsewhere for all of the trace looks the same")
		}
		if d > 0 {
			c.Summary += claim.Textf("; those who have one mostly wait in %s", busy.Words)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time in which those who had got through waited in %s", busy.Words), Value: evidence.Duration(d),
				At: claim.At(busy.Site), Reproduce: claim.TraceView(e, claim.Textf("goroutines that wait in %s", claim.Func(busy.Site.Function)))})
			judge.AddSites(&c, busy.Site)
		}
		r.Candidates = append(r.Candidates, c)
	}
	judge.InPart(&r, e)
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
var lostFix = []claim.Text{
	"Look for slots that are never given back: rows not closed on an early return, transactions without a Rollback in a defer, a response body not closed",
	"Wait with the request's context and a deadline, so that one lost slot does not keep its callers for ever",
	"Count the slots in use (sql.DB.Stats and the like) and watch that they fall to nothing when no request is under way",
}

// lostInTrace reports whether the connections of a pool are gone: for a second or more
// nobody got one, nobody asks anything by one, and the program has next to nothing to do.
func lostInTrace(in *claim.Input, t *exectrace.Timeline, w *reading.WaitSum) bool {
	i := wait.SlotFrame(w.Stack)
	if _, variant := wait.SlotKind(w.Stack); variant != "database" || i < 0 {
		return false // a limit of the program's own may be kept for long on purpose
	}
	if !w.Request || w.Open < w.Count || w.Count < int64(in.Limit("min-count").Number) || t.Duration < in.Limit("min-lost").Duration() || in.Process.Busy > in.Limit("max-lost-busy").Number {
		return false
	}
	pool := stack.Package(w.Stack[i].Function)
	for k := range t.Waits {
		x := &t.Waits[k]
		if wait.ForSlot(x.Class, x.Stack) || !wait.AtWork(x.Class, x.Stack) {
			continue
		}
		if w.Callers.Passed(x.Stack) || usesPool(pool, x.Stack) {
			return false
		}
	}
	return !slices.ContainsFunc(t.Syscalls, func(x exectrace.Wait) bool { return w.Callers.Passed(x.Stack) || usesPool(pool, x.Stack) })
}

// usesPool reports whether a stack is inside of a pool's package, or of another of its module.
func usesPool(pool string, s stack.Stack) bool {
	const repository = 3 // elements of a path that name it: host, owner, name
	module := pool
	if parts := strings.SplitN(pool, "/", repository+1); len(parts) > repository && strings.Contains(parts[0], ".") {
		module = strings.Join(parts[:repository], "/")
	}
	return slices.ContainsFunc(s, func(f *stack.Frame) bool { return strings.HasPrefix(f.Function, module) })
}

// keeps returns where callers of the function that waits for slots wait most for
// something else, further down than the wait for the slot.
func keeps(t *exectrace.Timeline, w *reading.WaitSum) (at reading.BusyAt, total time.Duration) {
	sums := map[string]time.Duration{}
	for i := range t.Waits {
		x := &t.Waits[i]
		if wait.ForSlot(x.Class, x.Stack) || x.Class.IsLock() {
			continue
		}
		if w.Callers.Passed(x.Stack) {
			site := x.Stack.Site()
			sums[site.Function] += x.Total
			if d := sums[site.Function]; d > total {
				at, total = reading.BusyAt{Site: site, Words: claim.Textf("%s (%s)", claim.Func(site.Function), x.Class)}, d
			}
		}
	}
	return at, total
}

func poolDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait for a slot of a known pool"}
	for _, x := range reading.WaitsInDump(e.Dump(), reading.Slots) {
		n := len(x.Goroutines)
		if len(r.Candidates) == reading.MaxSites {
			break
		}
		words, variant := wait.SlotKind(x.Stack)
		if variant == "http" && 2*dialers(e.Dump()) >= n {
			continue
		}
		c := claim.Candidate{
			Site: x.Site, Path: x.Callers.Lead(x.Path), Variant: variant, Fix: poolFix(variant),
			Summary: claim.Textf("%s for %s in %s", evidence.Amount(n, "goroutine waits", "goroutines wait"), words, x.Name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s here", words), Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(x.Site, x.Goroutines[0].ID), Reproduce: claim.Grep(e, x.Text)}},
		}
		judge.Moment(in, &c, e.Dump(), n, x.Requests)
		judge.AddSites(&c, x.Owner)
		judge.AddSites(&c, x.Callers.Sites()...)
		if variant == "database" && len(x.Requests) > 0 && c.Severity > claim.Info && unused(e.Dump(), x) {
			c.Summary += "; nobody is seen to use one"
			c.Fix = lostFix
		}
		if g, where, k := slotHolders(e.Dump(), x); k > 0 {
			c.Summary += claim.Textf("; of those who have one, %d %s in %s", k, wait.OfState(g.State, g.Stack()).DoingAt(false, g.Stack()).Of(int64(k)), claim.Func(where.Function))
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("goroutines that have got a slot and stand in %s (%s)", claim.Func(where.Function), wait.StateText(g.State)), Value: evidence.Of(k, evidence.Count),
				At: reading.AtGoroutine(where, g.ID), Reproduce: claim.GrepGoroutine(e, g.ID)})
			judge.AddSites(&c, where)
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
func slotHolders(d *dump.Dump, x *reading.DumpWaits) (one *dump.Goroutine, where stack.Site, most int) {
	waits := map[*dump.Goroutine]bool{}
	for _, g := range x.Goroutines {
		waits[g] = true
	}
	pool := ""
	if i := wait.SlotFrame(x.Stack); i >= 0 {
		pool = stack.Package(x.Stack[i].Function)
	}
	count := map[string]int{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		if waits[g] || wait.OfState(g.State, s) == "" {
			continue
		}
		asks := pool != "" && x.Callers.Reached(s) && usesPool(pool, s) // by a connection, in the very call that gave it
		if x.Callers.Passed(s) || asks {
			site := s.Site()
			if asks && !x.Callers.Passed(s) {
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
func unused(d *dump.Dump, x *reading.DumpWaits) bool {
	i := wait.SlotFrame(x.Stack)
	if i < 0 {
		return false
	}
	pool := stack.Package(x.Stack[i].Function)
	for k := range d.Goroutines {
		g := &d.Goroutines[k]
		s := g.Stack()
		class := wait.OfState(g.State, s)
		if wait.ForSlot(class, s) || !wait.AtWork(class, s) {
			continue
		}
		if x.Callers.Passed(s) || usesPool(pool, s) {
			return false
		}
	}
	return true
}

func poolBlock(in *claim.Input) claim.Reading {
	sums, e, wall := reading.BlockWaits(in.Exhibits, reading.Slots)
	r := blockReading(sums, wall, "for a slot of a known pool", "for a slot")
	for _, w := range sums[:min(len(sums), reading.MaxSites)] {
		if wall > 0 && reading.PerSecond(w.Total, wall).Number < in.Limit("impact.min-standing").Number {
			continue
		}
		c := poolCandidate(in, e, w, wall, w.DelayAt(), reading.PeekWait(e, "delay", w.Site, w.Stack))
		if wall == 0 {
			words, variant := wait.SlotKind(w.Stack)
			c.Summary = claim.Textf("%s for %s in %s took %s on average", evidence.Amount(w.Count, "wait", "waits"), words, w.Name(), evidence.Duration(w.Mean()))
			c.Facts = c.Facts[1:]
			c.Caveats = append(c.Caveats, "the profile counts since the start of the process, so how much of it belongs to the incident is not known")
			// Many long waits are more than a slow start.
			if w.Request && variant != "http" && float64(w.Count) >= in.Limit("min-count-since-start").Number && w.Mean() >= in.Limit("min-wait-since-start").Duration() {
				c.Severity = max(c.Severity, claim.Warning)
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func poolGoroutine(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait for a slot of a known pool"}
	p := e.Profile()
	column := reading.GoroutineColumn(p)
	if column < 0 {
		return claim.Reading{Silent: "it has no column of goroutines"}
	}
	var c reading.WaitSums
	for i := range p.Samples {
		s := &p.Samples[i]
		class := wait.OfStack(s.Stack)
		if above, owner, ok := reading.Slots(class, s.Stack); ok {
			c.Add(class, s.Stack, above, owner, time.Duration(s.Values[column]), s.Values[column])
		}
	}
	for _, w := range c.Sorted() {
		words, variant := wait.SlotKind(w.Stack)
		if len(r.Candidates) == reading.MaxSites || variant == "http" {
			continue // whether they wait for a connection to be made, a profile does not tell
		}
		cand := claim.Candidate{
			Site: w.Site, Path: w.Callers.Lead(w.Path), Variant: variant, Thin: float64(w.Count) < in.Limit("impact.min-standing-moment").Number, Fix: poolFix(variant),
			Summary: claim.Textf("%s for %s in %s", evidence.Amount(w.Count, "goroutine waits", "goroutines wait"), words, w.Name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that wait for %s here", words), Value: evidence.Of(w.Count, evidence.Count), Limit: in.Against("impact.min-standing-moment"),
				At: claim.At(w.Site), Reproduce: reading.PeekWait(e, p.Columns[column].Name, w.Site, w.Stack)}},
		}
		in.Weigh(&cand, claim.Impact{Of: claim.Operations, Standing: float64(w.Count), Moment: true}, judge.NotOutside(w.Request))
		judge.AddSites(&cand, w.Owner)
		r.Candidates = append(r.Candidates, cand)
	}
	return r
}
