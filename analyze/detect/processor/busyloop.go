package processor

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// BusyLoop claims that a goroutine asks again and again instead of waiting.
var BusyLoop = &claim.Detector{
	ID:    "busy-loop",
	Title: "Polling in a busy loop",
	Doc: `A loop asks whether something has come, a value in a channel, a flag, a free lock, a moment, and asks again at once when it has not. It takes a processor for as long as nothing comes, from whoever would have
something to do.

**How it is measured.** CPU samples in receives that do not block (a select with a default case), in TryLock, in loads and compare-and-swaps of an atomic value (a spin lock) and in reading the clock, by the first function outside the standard library. A select of
several cases looks the same whether it blocks or not; it counts where the scheduler parks next to nobody meanwhile. A loop around runtime.Gosched costs the scheduler, in samples that name nobody; a trace shows who yields, how often, and how little is done between two yields.

**When it is wrong.** A loop that computes and looks at a done channel now and then spends little on looking: it stays below the limits unless the work between is next to nothing. A spin of microseconds before
a wait is a known way to save a wake-up. Counters that many processors change with compare-and-swap fail and try again where they contend; that costs the same, and the change is another: a counter for each processor, or an atomic Add.`,
	Limits: []claim.Limit{judge.LimitCostShare,
		{Name: "min-warning", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "the same, from which it is a warning",
			Source: "Judgement call: a loop that does something between two looks spends less than a quarter on looking"},
		judge.LimitCostCapacity,
		{Name: "min-yields", Default: evidence.Quantity{Number: 100_000, Unit: evidence.PerSecond},
			Doc:    "yields (runtime.Gosched) of the goroutines of one function per second of a trace",
			Source: "measured: of 130 recorded traces, those without a polling loop have 2,200 at most, and 47,000 where collections are forced, which yield while they sweep (runtime/mgc.go, GC)"},
		{Name: "max-between", Default: evidence.Duration(10 * time.Microsecond),
			Doc:    "mean time for which such a goroutine runs between two yields",
			Source: "Judgement call: some ten times what a yield itself costs; a loop that works and yields to be fair works for longer"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in asking without waiting, by function", Run: judge.WorstOf(busyLoopCPU)},
		{Kind: evidence.Trace, Doc: "goroutines that yield again and again; loops that never yield do not show", Run: judge.WorstOf(busyLoopTrace)},
	},
	Fix: []claim.Text{
		"Take the default case out of the select, or receive without one: the goroutine then sleeps until something comes",
		"Wait for a flag with a channel that is closed, a sync.Cond or a sync.WaitGroup instead of loading it in a loop",
		"Where it is a lock made of an atomic flag, use a sync.Mutex: it spins for microseconds only and then parks",
		"Where it must poll, pause between two looks with a time.Ticker",
	},
	Explains: []claim.Mechanism{
		{Effect: "spinning", Why: "each look that finds nothing hands over to the scheduler, which looks for the next to run", Source: "runtime/proc.go, goschedImpl"},
	},
}

// asksOnly reports whether a stack asks for something without waiting for it; selects says whether a select counts.
func asksOnly(s stack.Stack, selects bool) bool {
	for _, f := range s {
		switch name := stack.Normal(f.Function); {
		case !stack.Standard(name):
			return false
		case asking[name] || selects && name == "runtime.selectgo":
			return true
		}
	}
	return false
}

// asking are the functions that return at once, whether there is something or not.
var asking = map[string]bool{
	"runtime.selectnbrecv": true, "time.Now": true, "time.Since": true, "time.Until": true,
	"sync.(*Mutex).TryLock": true, "sync.(*RWMutex).TryLock": true, "sync.(*RWMutex).TryRLock": true, "internal/sync.(*Mutex).TryLock": true,
	"sync/atomic.(*Bool).Load": true, "sync/atomic.(*Int32).Load": true, "sync/atomic.(*Int64).Load": true, "sync/atomic.(*Uint32).Load": true,
	"sync/atomic.(*Uint64).Load": true, "sync/atomic.(*Uintptr).Load": true, "sync/atomic.(*Pointer[...]).Load": true, "sync/atomic.(*Value).Load": true,
	"sync/atomic.(*Bool).CompareAndSwap": true, "sync/atomic.(*Int32).CompareAndSwap": true, "sync/atomic.(*Int64).CompareAndSwap": true, "sync/atomic.(*Uint32).CompareAndSwap": true,
	"sync/atomic.(*Uint64).CompareAndSwap": true, "sync/atomic.(*Uintptr).CompareAndSwap": true, "sync/atomic.(*Pointer[...]).CompareAndSwap": true, "sync/atomic.(*Bool).Swap": true,
	"sync/atomic.CompareAndSwapInt32": true, "sync/atomic.CompareAndSwapInt64": true, "sync/atomic.CompareAndSwapUint32": true, "sync/atomic.CompareAndSwapUint64": true, "sync/atomic.CompareAndSwapPointer": true,
	"sync/atomic.LoadInt32": true, "sync/atomic.LoadInt64": true, "sync/atomic.LoadUint32": true, "sync/atomic.LoadUint64": true, "sync/atomic.LoadPointer": true,
}

// askingFocus leaves the stacks that asksOnly names.
const askingFocus = `runtime\.selectnbrecv$|^time\.(Now|Since|Until)$|\.Try(R?)Lock$|^sync/atomic\..*(Load|CompareAndSwap)|^sync/atomic\..*Bool..Swap$`

// parkedPart is the part of the samples in select that parking takes where it blocks: each wait
// costs a turn of the scheduler (runtime/proc.go, park_m), which is no cheaper than the select.
const parkedPart = 0.25

func busyLoopCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	var selects, parks int64
	for i := range p.Samples {
		s := &p.Samples[i]
		if s.Stack.Contains("runtime.selectgo") {
			selects += s.Values[column]
		}
		if s.Stack.Contains("runtime.park_m", "runtime.gopark") {
			parks += s.Values[column]
		}
	}
	var yields int64
	for i := range p.Samples {
		if s := &p.Samples[i]; s.Stack.Contains("runtime.goschedImpl") {
			yields += s.Values[column]
		}
	}
	polls := float64(parks) < parkedPart*float64(selects)
	asks := judge.Costly{What: "asking without waiting", Focus: askingFocus, Does: func(s stack.Stack) bool { return asksOnly(s, polls) }}
	if polls {
		asks.Focus += `|^runtime\.selectgo$`
	}
	r := asks.CPU(in, e)
	// The scheduler runs on a stack of its own, which names nobody.
	if share := evidence.Part(yields, p.Total(column)); share.Number >= in.Limit("min-share").Number {
		r.Silent = claim.Textf("%s of the CPU samples are in the scheduler for goroutines that yield, and do not tell which", share)
	}
	return r
}

func busyLoopTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	r := claim.Reading{Silent: "a loop that asks without yielding runs like any other code in a trace"}
	capacity := time.Duration(t.Procs.Max) * t.Duration
	if capacity <= 0 {
		return r
	}
	// What processors do beside running goroutines is scheduling.
	var yields int64
	scheduling := t.Procs.Running
	for i := range t.Groups {
		yields += t.Groups[i].Yields
		scheduling -= t.Groups[i].Running
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		rate := reading.RateOf(float64(g.Yields), t.Duration)
		// The runtime's own yield to the program, on purpose.
		if g.System || g.Yields == 0 || rate.Number < in.Limit("min-yields").Number || reading.Glimpse(t, g.Yields) {
			continue
		}
		between := g.Running / time.Duration(g.Yields)
		if between >= in.Limit("max-between").Duration() {
			continue
		}
		cost := g.Running + max(time.Duration(float64(scheduling)*evidence.Part(g.Yields, yields).Number), 0)
		share := evidence.Part(cost, capacity)
		view := claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(g.Start.Function)))
		at := claim.At(g.Start)
		c := claim.Candidate{
			Site: g.Start, Path: []string{g.Start.Function}, Share: share.Number,
			Summary: claim.Textf("goroutines of %s yield %s and run %s in between: that takes %s of the processors' time, the scheduler's part with it", claim.Func(g.Start.Function), rate, evidence.Duration(between), share),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "processor time of the goroutines that yield, and of the scheduler for them", Value: share, Of: claim.PartOf(evidence.Duration(capacity), "the time of all processors"), At: at, Reproduce: view},
				{Exhibit: e.ID, Says: "yields per second of the goroutines that start here", Value: rate, Limit: in.Against("min-yields"), At: at, Reproduce: view},
				{Exhibit: e.ID, Says: "mean time for which they run between two yields", Value: evidence.Duration(between), Limit: in.Against("max-between"), At: at, Reproduce: view},
			},
		}
		in.Weigh(&c, claim.Impact{Of: claim.Processors, Share: share.Number})
		c.Severity = min(c.Severity, claim.Warning)
		r.Candidates = append(r.Candidates, c)
	}
	judge.SortCandidates(&r)
	return r
}
