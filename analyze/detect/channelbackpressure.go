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

// ChannelBackpressure claims that senders wait for a receiver that is slower than they are.
var ChannelBackpressure = &claim.Detector{
	ID:    "channel-backpressure",
	Title: "Work queues in front of a slow worker",
	Doc: `Goroutines stand in a channel send because whoever receives does not come back fast enough. The channel's buffer is full all the time; what
the senders get through is what the receiver gets through, and whoever called them waits as well.

**How it is measured.** In a trace and a block profile, waits in a channel send are summed up by the function that sends; by Little's law the
waiting per second is how many senders stand there on average. A trace also names the receiver: it is who wakes the senders, and what its own
goroutine waits for in between. A goroutine dump counts the senders of one moment. Sends that nobody takes off in the whole trace, or that have
stood for a minute, are stuck rather than slow and left to other claims. In a trace, requests that wait for an answer from within the program (at a receive, a select or a
condition) queue as well, if whoever ends their waits is at work for most of the time; the variant is then reply.

**When it is wrong.** A channel is often used as a semaphore: a send takes a slot, a receive gives it back. That is no slow receiver. In a trace it shows by
the receiver being the sender's own function, in a dump by goroutines that are further down in it, past the send; a block profile cannot tell, and
its word alone is an info. Producers of a batch are held back by a bounded channel on purpose: outside of the handling of a request the claim is
an info. A send inside a select, as with a context, looks like any select and is missed.`,
	Limits: []claim.Limit{
		{Name: "max-busy", Default: evidence.Quantity{Number: 0.9, Unit: evidence.Share},
			Doc:    "processors' time in use in the trace, from which it is an info: the receiver is slow because there is no processor for it",
			Source: "as mutex-hotspot.max-busy"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "waits in a channel send by place, and who ended them", Run: worstOf(backpressureTrace)},
		{Kind: evidence.Dump, Doc: "goroutines in a channel send at one moment, by place", Run: worstOf(backpressureDump)},
		{Kind: evidence.Block, Doc: "time blocked in channel sends by place. Cannot tell a queue from a semaphore; empty when recording was off", Run: backpressureBlock},
	},
	Fix: []string{
		"Let the receiver take all that waits at once and do its slow step (write, query, request) for the batch",
		"Run several receivers when their slow steps do not depend on each other",
		"Decide what happens when the queue is full: refuse at once (select with default, answer 503) or wait with the request's context, not without end",
		"A longer buffer only delays the moment from which senders wait; it helps against bursts, not against a receiver that is too slow",
	},
	Sketch: `// A bounded queue that refuses at once, and a receiver that takes all there is.
func (q *Queue) Put(ctx context.Context, e Event) error {
	select {
	case q.events <- e: // make(chan Event, 1024)
		return nil
	default:
		return ErrFull // answer 503, or count and drop
	}
}

func (q *Queue) drain() {
	for e := range q.events {
		batch := append(q.batch[:0], e)
		for len(batch) < 256 && len(q.events) > 0 {
			batch = append(batch, <-q.events)
		}
		q.write(batch) // one slow step for all of them
		q.batch = batch
	}
}
`,
	Explains: []claim.Mechanism{
		{Effect: "goroutine-pileup", Only: "chan send", Why: "senders outpace the receiver, so they pile up at the send", Source: "runtime/chan.go, chansend"},
	},
	Waiting:   true,
	Wakes:     true,
	Durations: claim.WaitTimes(wait.ChanSend, wait.Select),
}

func backpressureTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	if short := tooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace
	r := claim.Reading{Says: fmt.Sprintf("no place has many senders waiting in %s", evidence.Duration(t.Duration))}
	for _, w := range sumWaits(t.Waits, sendsOf, operationsOf(t)) {
		rate := perSecond(w.total, t.Duration)
		// Nobody has taken anything off in the whole trace: stuck, not slow.
		if w.open == w.count || len(r.Candidates) == maxCandidates || rate.Number < in.Limit("impact.min-standing").Number {
			continue
		}
		receiver, woken := receiverOf(t, w.site.Function)
		// Who gives back what its own function took: a semaphore.
		if woken > 0 && sameFamily(receiver.Function, w.site.Function) {
			continue
		}
		c := claim.Candidate{
			Site: w.site, Path: w.path, Share: min(1, rate.Number/float64(max(w.goroutines, 1))),
			Summary: fmt.Sprintf("%s to send on a channel in %s, %s per send", standing(rate), w.name(), evidence.Duration(w.mean())),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: fmt.Sprintf("time goroutines waited to send here per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: againstStanding(in),
					At: spanAt(w), Reproduce: blockedView(e, w)},
				{Exhibit: e.ID, Says: fmt.Sprintf("mean wait of one send here, over %s sends", evidence.Of(w.count, evidence.Count)), Value: evidence.Duration(w.mean()),
					At: claim.At(w.site), Reproduce: blockedView(e, w)},
				{Exhibit: e.ID, Says: "goroutines that waited to send here", Value: evidence.Of(w.goroutines, evidence.Count), At: claim.At(w.site), Reproduce: blockedView(e, w)},
			},
		}
		users := []string{w.site.Function}
		if woken > 0 {
			users = append(users, receiver.Function)
		}
		weighWaits(in, &c, w, t.Duration, busyElsewhere(in, users...), starvedExcuse(t))
		addSites(&c, w.owner)
		if woken > 0 {
			c.Summary += fmt.Sprintf("; %s receives", receiver.Function)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "sends that " + receiver.Function + " let go on", Value: evidence.Of(woken, evidence.Count), At: claim.At(receiver),
				Reproduce: claim.TraceView(e, "goroutines that unblock others in "+receiver.Function)})
			addSites(&c, receiver)
			if busy, in := between(t, receiver.Function); in > 0 {
				c.Summary += fmt.Sprintf(" and spends %s of its time waiting in %s", evidence.Part(in, t.Duration), busy.words)
				c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: fmt.Sprintf("time in which %s waited in %s instead of receiving", receiver.Function, busy.words), Value: evidence.Duration(in),
					Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: claim.At(busy.site), Reproduce: claim.TraceView(e, "goroutine analysis of "+receiver.Function)})
				addSites(&c, busy.site)
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	for _, c := range slowWorkers(in, e) {
		if !slices.ContainsFunc(r.Candidates, func(o claim.Candidate) bool { return o.Site.Function == c.Site.Function }) {
			r.Candidates = append(r.Candidates, c)
		}
	}
	if e.Coverage != evidence.Whole {
		r.Silent = "the trace was read in part only; " + r.Says
	}
	return r
}

// receiverOf returns who ended most waits at a function, and how many.
func receiverOf(t *exectrace.Timeline, function string) (site stack.Site, n int64) {
	for _, w := range t.Wakes {
		if w.To.Function == function && w.Class == wait.ChanSend && w.From.Function != "" && w.Count > n {
			site, n = w.From, w.Count
		}
	}
	return site, n
}

// sameFamily reports whether two functions are one or closures of one.
func sameFamily(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// busyAt is where a goroutine spends its time, in words too.
type busyAt struct {
	site  stack.Site
	words string
}

// between returns where goroutines that pass through a function wait, other than
// to receive in it, and for how long.
func between(t *exectrace.Timeline, function string) (at busyAt, total time.Duration) {
	for i := range t.Waits {
		w := &t.Waits[i]
		if w.Class == wait.ChanRecv && w.Stack.Site().Function == function || w.Class == wait.System || !slices.Contains(w.Stack.Path(), function) {
			continue
		}
		if w.Total > total {
			site := w.Stack.Site()
			at, total = busyAt{site, fmt.Sprintf("%s (%s)", site.Function, w.Class)}, w.Total
		}
	}
	return at, min(total, t.Duration)
}

// spanAt is the place of a sum of waits with the longest of them.
func spanAt(w *waitSum) claim.Location {
	at := atGoroutine(w.site, w.worst.Goroutine)
	at.From, at.To = int64(w.worst.From), int64(w.worst.To)
	return at
}

// blockedView is the command that shows a sum of waits of a trace.
func blockedView(e *evidence.Exhibit, w *waitSum) claim.Command {
	switch w.class {
	case wait.Network:
		return claim.TraceProfile(e, "net")
	case wait.Syscall:
		return claim.TraceProfile(e, "syscall")
	}
	return claim.TraceProfile(e, "sync")
}

func backpressureDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait to send"}
	for _, x := range dumpWaits(e.Dump, sendsOf) {
		n := len(x.goroutines)
		if len(r.Candidates) == maxCandidates {
			break
		}
		// Goroutines past the send in the same function have a slot of a semaphore and will give it back.
		if past(e.Dump, x) > 0 {
			continue
		}
		// Stuck rather than slow.
		if 2*x.old >= n {
			continue
		}
		c := claim.Candidate{
			Site: x.site, Path: x.path,
			Summary: fmt.Sprintf("%s to send on a channel in %s", amount(n, "goroutine waits", "goroutines wait"), x.name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait to send on a channel here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump.Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: atGoroutine(x.site, x.goroutines[0].ID), Reproduce: claim.Grep(e, x.text)}},
			Caveats: []string{"a dump does not print channels: goroutines at one place are taken to send on one"},
		}
		weighMoment(in, &c, e.Dump, n, x.requests, busyElsewhere(in, x.site.Function))
		addSites(&c, x.owner)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// placed is goroutines of a dump that wait at one place.
type placed struct {
	waitSum
	goroutines []*dump.Goroutine
	requests   requests // of them, those in a request
	old        int      // of them, for a minute or more
	text       string   // finds them
	line       map[int]bool
}

// dumpWaits collects the waiting goroutines of a dump by place, most first.
func dumpWaits(d *dump.Dump, at placer) []*placed {
	by := map[string]*placed{}
	var out []*placed
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		above, owner, ok := at(waitClass(g.State, s), s)
		if !ok || len(above) == 0 {
			continue
		}
		above = siteStack(above)
		site := above.Site()
		x := by[site.Function]
		if x == nil {
			x = &placed{text: above[0].Function + "(", line: map[int]bool{}}
			x.site, x.owner, x.path, x.stack = site, owner, above.Path(), s
			by[site.Function] = x
			out = append(out, x)
		}
		x.goroutines = append(x.goroutines, g)
		x.callers.add(owner, 1)
		x.line[above[0].Line] = true
		x.requests.add(handlerOf(s), 1)
		if g.Wait >= time.Minute {
			x.old++
		}
	}
	slices.SortStableFunc(out, func(a, b *placed) int {
		if len(a.goroutines) != len(b.goroutines) {
			return len(b.goroutines) - len(a.goroutines)
		}
		return strings.Compare(a.site.Function, b.site.Function)
	})
	return out
}

// past counts goroutines further down in the function at which others wait, or in
// goroutines it started: they have got through.
func past(d *dump.Dump, x *placed) (n int) {
	first := 0
	for line := range x.line {
		if first == 0 || line < first {
			first = line
		}
	}
	waits := map[*dump.Goroutine]bool{}
	for _, g := range x.goroutines {
		waits[g] = true
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if waits[g] {
			continue
		}
		if stack.Normal(g.CreatedBy.Function) == x.site.Function {
			n++
			continue
		}
		for _, f := range g.Frames {
			if f.Line > first && stack.Normal(f.Function) == x.site.Function {
				n++
				break
			}
		}
	}
	return n
}

func backpressureBlock(in *claim.Input) claim.Reading {
	sums, e, wall := blockWaits(in.Exhibits, sendsOf)
	if len(sums) == 0 {
		return claim.Reading{Silent: "it shows no wait in a channel send that ended: none did, or recording was off (runtime.SetBlockProfileRate)"}
	}
	r := claim.Reading{Silent: "it counts since the start of the process and tells no rate"}
	if wall > 0 {
		r.Silent, r.Says = "", fmt.Sprintf("most waiting to send is in %s, %s of %s", sums[0].site.Function, evidence.Duration(sums[0].total), evidence.Duration(wall))
	}
	for _, w := range sums[:min(len(sums), maxCandidates)] {
		rate := perSecond(w.total, wall)
		value, says, limit := rate, fmt.Sprintf("time blocked in sends here per second, over %s", evidence.Duration(wall)), againstStanding(in)
		summary := fmt.Sprintf("%s to send on a channel in %s, %s per send", standing(rate), w.name(), evidence.Duration(w.mean()))
		if wall == 0 {
			value, says, limit = evidence.Duration(w.total), fmt.Sprintf("time blocked in %s sends here since the process started", evidence.Of(w.count, evidence.Count)), nil
			summary = fmt.Sprintf("sends on a channel in %s waited %s on average", w.name(), evidence.Duration(w.mean()))
		}
		c := claim.Candidate{
			Site: w.site, Path: w.path, Thin: wall == 0, Summary: summary,
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: says, Value: value, Limit: limit, At: delayAt(w), Reproduce: peekWait(e, "delay", w.site, w.stack)},
				{Exhibit: e.ID, Says: fmt.Sprintf("mean wait of one send here, over %s sends", evidence.Of(w.count, evidence.Count)), Value: evidence.Duration(w.mean()), At: delayAt(w), Reproduce: claim.Mean(peekWait(e, "delay", w.site, w.stack))},
			},
		}
		weighWaits(in, &c, w, wall)
		c.Caveats = append(c.Caveats, "a block profile cannot tell a queue from a channel that is used as a semaphore; those who wait are held up either way")
		addSites(&c, w.owner)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// delayAt is the place of a sum of waits in a block profile.
func delayAt(w *waitSum) claim.Location {
	at := claim.At(w.site)
	at.SampleType = "delay"
	return at
}
