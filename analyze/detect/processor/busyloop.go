package processor

import (
	"inquest/analyze/claim"
	"inquest/analyze/detect/judge"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// BusyLoop claims that a goroutine asks again and again instead of waiting.
var BusyLoop = &claim.Detector{
	ID:    "busy-loop",
	Title: "Polling in a busy loop",
	Doc: `A loop asks whether something has come, a value in a channel, a flag, a free lock, a moment, and asks again at once when it has not. It takes a processor for as long as nothing comes, from whoever would have
something to do.

**How it is measured.** CPU samples in receives that do not block (a select with a default case), in TryLock, in loads and compare-and-swaps of an atomic value (a spin lock) and in reading the clock, by the first function outside the standard library. A select of
several cases looks the same whether it blocks or not; it counts where the scheduler parks next to nobody meanwhile. A loop around runtime.Gosched shows as spinning.

**When it is wrong.** A loop that computes and looks at a done channel now and then spends little on looking: it stays below the limits unless the work between is next to nothing. A spin of microseconds before
a wait is a known way to save a wake-up. Counters that many processors change with compare-and-swap fail and try again where they contend; that costs the same, and the change is another: a counter for each processor, or an atomic Add.`,
	Limits: []claim.Limit{judge.LimitCostShare,
		{Name: "min-warning", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
			Doc:    "the same, from which it is a warning",
			Source: "Judgement call: a loop that does something between two looks spends less than a quarter on looking"},
		judge.LimitCostCapacity},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in asking without waiting, by function", Run: judge.WorstOf(busyLoopCPU)},
	},
	Fix: []string{
		"Take the default case out of the select, or receive without one: the goroutine then sleeps until something comes",
		"Wait for a flag with a channel that is closed, a sync.Cond or a sync.WaitGroup instead of loading it in a loop",
		"Where it is a lock made of an atomic flag, use a sync.Mutex: it spins for microseconds only and then parks",
		"Where it must poll, pause between two looks with a time.Ticker",
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
	p := e.Profile
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
	polls := float64(parks) < parkedPart*float64(selects)
	asks := judge.Costly{What: "asking without waiting", Focus: askingFocus, Does: func(s stack.Stack) bool { return asksOnly(s, polls) }}
	if polls {
		asks.Focus += `|^runtime\.selectgo$`
	}
	return asks.CPU(in, e)
}
