package waits

import (
	"slices"
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
		{Name: "max-busy", Default: judge.MaxBusy,
			Doc:    "processors' time in use in the trace, from which it is an info: the receiver is slow because there is no processor for it",
			Source: "as mutex-hotspot.max-busy"},
		{Name: "min-at-work", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "time for which a worker is at work, of the trace, below which those that wait for it wait for events, and it is an info",
			Source: "Judgement call: who rests for more of the time than it works keeps nobody waiting"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "waits in a channel send by place, and who ended them", Run: judge.WorstOf(backpressureTrace)},
		{Kind: evidence.Dump, Doc: "goroutines in a channel send at one moment, by place", Run: judge.WorstOf(backpressureDump)},
		{Kind: evidence.Block, Doc: "time blocked in channel sends by place. Cannot tell a queue from a semaphore; empty when recording was off", Run: backpressureBlock},
	},
	Fix: []claim.Text{
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
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace()
	r := claim.Reading{Says: claim.Textf("no place has many senders waiting in %s", evidence.Duration(t.Duration))}
	for _, w := range reading.SumWaits(t.Waits, reading.Sends, reading.OperationsOf(t)) {
		rate := reading.PerSecond(w.Total, t.Duration)
		// Nobody has taken anything off in the whole trace: stuck, not slow.
		if w.Open == w.Count || len(r.Candidates) == reading.MaxSites || rate.Number < in.Limit("impact.min-standing").Number {
			continue
		}
		receiver, woken := reading.ReceiverOf(t, w.Site.Function)
		// Who gives back what its own function took: a semaphore.
		if woken > 0 && stack.SameFunction(receiver.Function, w.Site.Function) {
			continue
		}
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Share: min(1, rate.Number/float64(max(w.Goroutines, 1))),
			Summary: claim.Textf("%s to send on a channel in %s, %s per send", judge.Standing(rate), w.Name(), evidence.Duration(w.Mean())),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: claim.Textf("time goroutines waited to send here per second, over %s", evidence.Duration(t.Duration)), Value: rate, Limit: judge.AgainstStanding(in),
					At: w.SpanAt(), Reproduce: reading.BlockedView(e, w)},
				{Exhibit: e.ID, Says: claim.Textf("mean wait of one send here, over %s", evidence.Things(w.Count, "send")), Value: evidence.Duration(w.Mean()),
					At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
				{Exhibit: e.ID, Says: "goroutines that waited to send here", Value: evidence.Of(w.Goroutines, evidence.Count), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
			},
		}
		users := []string{w.Site.Function}
		if woken > 0 {
			users = append(users, receiver.Function)
		}
		judge.Waits(in, &c, w, t.Duration, judge.BusyElsewhere(in, users...), judge.StarvedExcuse(t))
		judge.AddSites(&c, w.Owner)
		if woken > 0 {
			c.Summary += claim.Textf("; %s receives", claim.Func(receiver.Function))
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("sends that %s let go on", claim.Func(receiver.Function)), Value: evidence.Of(woken, evidence.Count), At: claim.At(receiver),
				Reproduce: claim.TraceView(e, claim.Textf("goroutines that unblock others in %s", claim.Func(receiver.Function)))})
			judge.AddSites(&c, receiver)
			if busy, in := between(t, receiver.Function); in > 0 {
				c.Summary += claim.Textf(" and spends %s of its time waiting in %s", evidence.Part(in, t.Duration), busy.Words)
				c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time in which %s waited in %s instead of receiving", claim.Func(receiver.Function), busy.Words), Value: evidence.Duration(in),
					Of: claim.PartOf(evidence.Duration(t.Duration), "the trace"), At: claim.At(busy.Site), Reproduce: claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(receiver.Function)))})
				judge.AddSites(&c, busy.Site)
			}
		}
		r.Candidates = append(r.Candidates, c)
	}
	for _, c := range slowWorkers(in, e) {
		if !slices.ContainsFunc(r.Candidates, func(o claim.Candidate) bool { return o.Site.Function == c.Site.Function }) {
			r.Candidates = append(r.Candidates, c)
		}
	}
	judge.InPart(&r, e)
	return r
}

// between returns where goroutines that pass through a function wait, other than
// to receive in it, and for how long.
func between(t *exectrace.Timeline, function string) (at reading.BusyAt, total time.Duration) {
	for i := range t.Waits {
		w := &t.Waits[i]
		if w.Class == wait.ChanRecv && w.Stack.Site().Function == function || w.Class == wait.System || !slices.Contains(w.Stack.Path(), function) {
			continue
		}
		if w.Total > total {
			site := w.Stack.Site()
			at, total = reading.BusyAt{Site: site, Words: claim.Textf("%s (%s)", claim.Func(site.Function), w.Class)}, w.Total
		}
	}
	return at, min(total, t.Duration)
}

func backpressureDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, at which few goroutines wait to send"}
	for _, x := range reading.WaitsInDump(e.Dump(), reading.Sends) {
		n := len(x.Goroutines)
		if len(r.Candidates) == reading.MaxSites {
			break
		}
		// Goroutines past the send in the same function have a slot of a semaphore and will give it back.
		if past(e.Dump(), x) > 0 {
			continue
		}
		// Stuck rather than slow.
		if 2*x.Old >= n {
			continue
		}
		c := claim.Candidate{
			Site: x.Site, Path: x.Path,
			Summary: claim.Textf("%s to send on a channel in %s", evidence.Amount(n, "goroutine waits", "goroutines wait"), x.Name()),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait to send on a channel here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(x.Site, x.Goroutines[0].ID), Reproduce: claim.Grep(e, x.Text)}},
			Caveats: []claim.Text{"a dump does not print channels: goroutines at one place are taken to send on one"},
		}
		judge.Moment(in, &c, e.Dump(), n, x.Requests, judge.BusyElsewhere(in, x.Site.Function))
		judge.AddSites(&c, x.Owner)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

// past counts goroutines further down in the function at which others wait, or in
// goroutines it started: they have got through.
func past(d *dump.Dump, x *reading.DumpWaits) (n int) {
	first := 0
	for line := range x.Line {
		if first == 0 || line < first {
			first = line
		}
	}
	waits := map[*dump.Goroutine]bool{}
	for _, g := range x.Goroutines {
		waits[g] = true
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if waits[g] {
			continue
		}
		if stack.Normal(g.CreatedBy.Function) == x.Site.Function {
			n++
			continue
		}
		for _, f := range g.Frames {
			if f.Line > first && stack.Normal(f.Function) == x.Site.Function {
				n++
				break
			}
		}
	}
	return n
}

// blockReading begins what a block profile says of waits, before any is judged: where, as in "no wait WHERE", and what for, as in "most waiting FOR".
func blockReading(sums []*reading.WaitSum, wall time.Duration, where, what claim.Text) claim.Reading {
	switch {
	case len(sums) == 0:
		return claim.Reading{Silent: claim.Textf("it shows no wait %s that ended: none did, or recording was off (runtime.SetBlockProfileRate)", where)}
	case wall == 0:
		return claim.Reading{Silent: "it counts since the start of the process and tells no rate"}
	}
	return claim.Reading{Says: claim.Textf("most waiting %s is in %s, %s of %s", what, claim.Func(sums[0].Site.Function), evidence.Duration(sums[0].Total), evidence.Duration(wall))}
}

func backpressureBlock(in *claim.Input) claim.Reading {
	sums, e, wall := reading.BlockWaits(in.Exhibits, reading.Sends)
	r := blockReading(sums, wall, "in a channel send", "to send")
	for _, w := range sums[:min(len(sums), reading.MaxSites)] {
		rate := reading.PerSecond(w.Total, wall)
		value, says, limit := rate, claim.Textf("time blocked in sends here per second, over %s", evidence.Duration(wall)), judge.AgainstStanding(in)
		summary := claim.Textf("%s to send on a channel in %s, %s per send", judge.Standing(rate), w.Name(), evidence.Duration(w.Mean()))
		if wall == 0 {
			value, says, limit = evidence.Duration(w.Total), claim.Textf("time blocked in %s here since the process started", evidence.Things(w.Count, "send")), nil
			summary = claim.Textf("sends on a channel in %s waited %s on average", w.Name(), evidence.Duration(w.Mean()))
		}
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Thin: wall == 0, Summary: summary,
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: says, Value: value, Limit: limit, At: w.DelayAt(), Reproduce: reading.PeekWait(e, "delay", w.Site, w.Stack)},
				{Exhibit: e.ID, Says: claim.Textf("mean wait of one send here, over %s", evidence.Things(w.Count, "send")), Value: evidence.Duration(w.Mean()), At: w.DelayAt(), Reproduce: claim.Mean(reading.PeekWait(e, "delay", w.Site, w.Stack))},
			},
		}
		judge.Waits(in, &c, w, wall)
		c.Caveats = append(c.Caveats, "a block profile cannot tell a queue from a channel that is used as a semaphore; those who wait are held up either way")
		judge.AddSites(&c, w.Owner)
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
