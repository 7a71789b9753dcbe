package waits

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// BlockedDownstream claims that requests wait for seconds for the answer of a peer.
var BlockedDownstream = &claim.Detector{
	ID:    "blocked-downstream",
	Title: "Requests wait for a peer without a bound",
	Doc: `Handlers wait for the answer of another service, a database or a name server for seconds. A slow peer makes this program slow, and where nothing
bounds the wait a hanging peer makes it hang.

**How it is measured.** Waits inside the clients of well-known protocols (net/http, gRPC, database/sql and its drivers, redis, mongo, NATS, Kafka, name lookups, dialling) are told by
their frames and counted for the application's function that asked. In a trace each wait has its length; those still open at the end are counted with the time they
have lasted. A goroutine dump prints waits from one minute on. A block profile knows the mean alone: net/http's client waits in a select.

**When it is wrong.** A call may be slow by design: long polling of another service, streams, a report that takes its time. Outside of the handling of a
request the claim is an info, for watchers and consumers wait for ever as they should. That a wait has no bound, the evidence cannot show; it shows that it
lasted longer than a caller should be made to wait. Clients that are not on the list are missed.`,
	Limits: []claim.Limit{
		{Name: "min-wait", Mark: true, Default: evidence.Duration(time.Second),
			Doc:    "wait for one answer that counts as slow; the mean in a block profile",
			Source: "by meaning: a second is longer than people wait without noticing, and a hundred times what a call in one data centre takes"},
		{Name: "min-wait-severe", Mark: true, Default: evidence.Duration(5 * time.Second),
			Doc:    "wait for one answer from which it is critical",
			Source: "by meaning: callers and load balancers give up after seconds"},
		{Name: "min-vote", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "part of min-wait from which the mean of a block profile vouches for what another kind of evidence shows",
			Source: "Judgement call: what is near the limit is the same, if less of it, and far below it is another's"},
		{Name: "min-count", Default: evidence.Quantity{Number: 3, Unit: evidence.Count},
			Doc:    "slow waits at one place",
			Source: "one or two slow answers are a peer's collection or a lost packet (TCP retransmits after 200 ms to 1 s)"},
		{Name: "min-count-since-start", Default: evidence.Quantity{Number: 30, Unit: evidence.Count},
			Doc:    "slow waits at one place in a profile that counts since the start of the process",
			Source: "Judgement call: ten times min-count, since slow starts are in it"},
		{Name: "min-share", Default: evidence.Quantity{Number: 0.01, Unit: evidence.Share},
			Doc:    "slow waits, of all waits at the place in the trace",
			Source: "below one in a hundred it is the tail that any peer has"},
		{Name: "min-standing-ratio", Default: evidence.Quantity{Number: 10, Unit: evidence.Ratio},
			Doc:    "goroutines of a dump that wait at one place, times a second, over all the time that waits there took that ended since the process started, from which they have waited for longer than answers take",
			Source: "measured: 0.14 to 0.8 in health, 570 to 30,000 where a peer no longer answers"},
		{Name: "min-ended", Default: evidence.Quantity{Number: 20, Unit: evidence.Count},
			Doc:    "waits there that ended, below which that ratio says nothing",
			Source: "Poisson: 20 events have a standard error of 22 %"},
		{Name: "min-age", Default: judge.MinAge,
			Doc:    "wait of a goroutine in a dump from which it counts as slow",
			Source: "runtime/traceback.go, goroutineheader: waits are printed from one minute on"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "waits inside known clients, by the function that asked, with their length", Run: judge.WorstOf(downstreamTrace)},
		{Kind: evidence.Dump, Doc: "goroutines that have stood inside a known client for a minute", Run: judge.WorstOf(downstreamDump)},
		{Kind: evidence.Block, Doc: "mean time blocked inside known clients that wait in a channel or a select", Run: downstreamBlock},
	},
	Fix: []claim.Text{
		"Give every call a deadline: http.Client.Timeout, or context.WithTimeout derived from the request's context, and QueryContext for databases",
		"Decide what to answer when the peer is late: the last value known, less detail, or an error at once",
		"Bound how many calls may be under way to one peer (semaphore, circuit breaker), so that a slow peer does not take all of this program with it",
	},
	Sketch: `// A deadline for the call, and a bound on how many are under way.
func (c *Client) Ask(ctx context.Context, id string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	select {
	case c.slots <- struct{}{}: // make(chan struct{}, 50)
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return c.last(id), ctx.Err()
	}
	return c.fetch(ctx, id) // http.NewRequestWithContext(ctx, ...)
}
`,
	Explains: []claim.Mechanism{
		{Effect: "singleflight-stuck", Why: "the leader of a shared call waits for the peer, and the others for the leader", Source: "golang.org/x/sync/singleflight/singleflight.go, doCall"},
		{Effect: "goroutine-pileup", Why: "arrivals outpace answers, so those who wait for one pile up", Source: "Little's law"},
		{Effect: "pool-exhaustion", Why: "who waits for a peer keeps its slot meanwhile", Source: "Little's law"},
		{Effect: "channel-backpressure", Why: "a receiver that waits for a peer takes nothing off its channel meanwhile", Source: "runtime/chan.go, chansend"},
	},
	Wakes:     true,
	Durations: claim.WaitTimes(),
}

func downstreamTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	t := e.Trace()
	slowFrom, severe := in.Limit("min-wait").Duration(), in.Limit("min-wait-severe").Duration()
	r := claim.Reading{Says: "no place waits for a peer for so long"}
	if t.Duration < 2*slowFrom {
		r.Silent = claim.Textf("the trace covers %s, too short for waits of %s", evidence.Duration(t.Duration), evidence.Duration(slowFrom))
	}
	for _, w := range reading.SumWaits(t.Waits, reading.Answers, nil) {
		slow := w.Times.Above(slowFrom)
		share := evidence.Part(slow, w.Count)
		if slow == 0 || len(r.Candidates) == reading.MaxSites {
			continue
		}
		severity := claim.NoSeverity
		switch {
		// One lost packet, or the tail that any peer has.
		case float64(slow) < in.Limit("min-count").Number, share.Number < in.Limit("min-share").Number:
		// Consumers and watchers wait for ever, as they should.
		case !w.Request:
			severity = claim.Info
		case float64(w.Times.Above(severe)) >= in.Limit("min-count").Number:
			severity = claim.Critical
		default:
			severity = claim.Warning
		}
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Variant: string(w.Class), Severity: severity, Thin: float64(slow) < in.Limit("min-count").Number, Share: share.Number,
			Summary: claim.Textf("%s of %s for a peer's answer in %s took %s or more, the longest %s", evidence.Of(slow, evidence.Count), evidence.Things(w.Count, "wait"), claim.Func(w.Site.Function), evidence.Duration(slowFrom), evidence.Duration(w.Max)),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "longest wait for an answer here", Value: evidence.Duration(w.Max), Limit: in.Against("min-wait"), At: w.SpanAt(),
					Reproduce: claim.TraceView(e, claim.Textf("goroutine %d at %s", w.Worst.Goroutine, evidence.Duration(w.Worst.From)))},
				{Exhibit: e.ID, Says: claim.Textf("waits for an answer here of %s or more", evidence.Duration(slowFrom)), Value: evidence.Of(slow, evidence.Count), Of: claim.PartOf(evidence.Of(w.Count, evidence.Count), "all waits for an answer here"),
					Limit: in.Against("min-count"), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
				{Exhibit: e.ID, Says: "half of the waits for an answer here are at least so long", Value: evidence.Duration(w.Times.Quantile(0.5)), At: claim.At(w.Site), Reproduce: reading.BlockedView(e, w)},
			},
		}
		if w.Open > 0 {
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "of them, without an answer at the end of the trace", Value: evidence.Of(w.Open, evidence.Count), At: claim.At(w.Site), Reproduce: claim.TraceView(e, "goroutine analysis")})
		}
		judge.AddSites(&c, w.Stack.Site())
		r.Candidates = append(r.Candidates, c)
	}
	judge.InPart(&r, e)
	return r
}

func downstreamDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it prints the minutes of waits from the first collection on (runtime/mgcmark.go, markroot), and for no wait for a peer does it print any"}
	for _, x := range reading.WaitsInDump(e.Dump(), reading.Answers) {
		n := len(x.Goroutines)
		if len(r.Candidates) == reading.MaxSites {
			break
		}
		old, longest := 0, x.Goroutines[0]
		for _, g := range x.Goroutines {
			if g.Wait >= in.Limit("min-age").Duration() {
				old++
			}
			if g.Wait > longest.Wait {
				longest = g
			}
		}
		// How long they have waited a dump does not print before the first minute. That of a block profile, for all
		// that ever ended here, tells whether so many are answers on their way or answers that do not come.
		ended, took := in.Process.Waited(x.Site.Function)
		ratio := evidence.Quantity{Number: float64(n) * float64(time.Second) / float64(max(took, 1)), Unit: evidence.Ratio}
		late := float64(ended) >= in.Limit("min-ended").Number && ratio.Number >= in.Limit("min-standing-ratio").Number
		impact := claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(x.Requests.Sum(), x.Requests.Alike(reading.RequestsIn(e.Dump()))).Number}
		young := float64(old) < in.Limit("min-count").Number && !late
		switch least := in.Limit("impact.min-standing-moment").Number; {
		// A call or two under way, as any program has.
		case young && old == 0 && float64(n) < least:
			continue
		// No moment, but a minute.
		case !young && !late:
			impact.Standing, impact.Mean = max(impact.Standing, least), time.Duration(in.Limit("min-age").Number)
		}
		c := claim.Candidate{
			Site: x.Site, Path: x.Path, Thin: young,
			Summary: claim.Textf("%s for the answer of a peer in %s", evidence.Amount(n, "goroutine waits", "goroutines wait"), claim.Func(x.Site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that wait for a peer's answer here", Value: evidence.Of(n, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				Limit: in.Against("impact.min-standing-moment"), At: reading.AtGoroutine(x.Site, longest.ID), Reproduce: claim.Grep(e, x.Text)}},
		}
		if old > 0 {
			c.Summary += claim.Textf(", %d of them for a minute or more, the longest for %s", old, evidence.Minutes(longest.Wait))
			c.Facts = append([]claim.Fact{{Exhibit: e.ID, Says: "goroutines that have waited for a peer's answer here for a minute or more", Value: evidence.Of(old, evidence.Count), Of: claim.PartOf(evidence.Of(n, evidence.Count), "those that wait here"),
				Limit: in.Against("min-count"), At: reading.AtGoroutine(x.Site, longest.ID), Reproduce: claim.GrepGoroutine(e, longest.ID)}}, c.Facts...)
		}
		if late && old == 0 {
			c.Summary += claim.Textf("; the %s answers that came here before took %s in all", evidence.Of(ended, evidence.Count), evidence.Duration(took))
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "those goroutines times a second, over all waiting here that ended since the process started", Value: ratio, Limit: in.Against("min-standing-ratio"), At: claim.At(x.Site), Reproduce: claim.Grep(e, x.Text)})
		}
		in.Weigh(&c, impact, judge.NotOutside(len(x.Requests) > 0),
			claim.Excuse{Holds: young, Says: "how long they have waited the dump does not print: a program at work that asks others looks the same at any moment"})
		judge.AddSites(&c, longest.Stack().Site())
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func downstreamBlock(in *claim.Input) claim.Reading {
	sums, e, wall := reading.BlockWaits(in.Exhibits, reading.Answers)
	r := claim.Reading{Silent: "it knows the mean of many waits alone, and none of those in the network itself"}
	for _, w := range sums[:min(len(sums), reading.MaxSites)] {
		need := in.Limit("min-count").Number
		if wall == 0 {
			need = in.Limit("min-count-since-start").Number
		}
		// Of what one call does (write, wait, read) the part that takes longest tells.
		w.Total, w.Count = w.Most, w.MostCount
		if float64(w.Mean()) < in.Limit("min-wait").Number*in.Limit("min-vote").Number {
			continue
		}
		severity := claim.NoSeverity
		switch {
		case float64(w.Mean()) < in.Limit("min-wait").Number, float64(w.Count) < need:
		case !w.Request:
			severity = claim.Info
		default:
			severity = claim.Warning
		}
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Severity: severity, Thin: wall == 0 || severity == claim.NoSeverity,
			Summary: claim.Textf("%s for a peer's answer in %s took %s on average", evidence.Amount(w.Count, "wait", "waits"), claim.Func(w.Site.Function), evidence.Duration(w.Mean())),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("mean wait for an answer here, over %s", evidence.Things(w.Count, "wait")), Value: evidence.Duration(w.Mean()), Limit: in.Against("min-wait"),
				At: w.DelayAt(), Reproduce: claim.Mean(reading.PeekWait(e, "delay", w.Site, w.Stack))}},
		}
		judge.AddSites(&c, w.Stack.Site())
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
