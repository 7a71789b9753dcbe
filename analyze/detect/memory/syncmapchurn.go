package memory

import (
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// SyncMapChurn claims that a sync.Map is written to all the time.
var SyncMapChurn = &claim.Detector{
	ID:    "sync-map-churn",
	Title: "A sync.Map is used for writes",
	Doc: `A sync.Map is made for entries that are written once and read many times, or for goroutines that each keep to keys of their own (package sync, Map).
Written to all the time, it allocates for every store: an entry, and the boxes of key and value. Since Go 1.24 it is a tree whose nodes are locked for writing; before, misses copy the whole map.

**How it is measured.** CPU samples in the methods that write (Store, Swap, Delete, CompareAndSwap, and LoadOrStore where it makes an entry) by the first function outside the
standard library, as part of all samples; in heap profiles what these allocate, as part of all bytes. In a mutex profile, waiting for the tree's locks vouches for it.

**When it is wrong.** Where goroutines write keys of their own, a sync.Map can still be the better choice: compare with a map under a lock, split in shards, before changing it. Storing pointers that exist already costs less than storing values.`,
	Limits: []claim.Limit{judge.LimitCostShare, judge.LimitCostWarning, judge.LimitCostCapacity, judge.LimitCostAlloc, judge.LimitCostAllocInfo, judge.LimitCostAllocRate,
		{Name: "min-writes", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share},
			Doc:    "CPU samples in the writing methods, of those in any method of a sync.Map under the function, below which it is an info",
			Source: "half: where reading takes more than writing, the map is used for what it is made for"},
		{Name: "min-delay", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "delay in a mutex profile at the locks inside the map, of all, from which it vouches",
			Source: "a tenth of all waiting for locks"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in the writing methods by function, and in all methods", Run: judge.WorstOf(syncMapCPU)},
		{Kind: evidence.Heap, Doc: "bytes the writing methods allocate by function; can confirm and never deny", Run: storing.Heap},
		{Kind: evidence.Mutex, Doc: "waiting for the locks inside the map; can confirm and never deny", Run: judge.WorstOf(syncMapMutex)},
	},
	Fix: []claim.Text{
		"Use a map with a sync.RWMutex, split in shards by a hash of the key where many processors write",
		"Store pointers to values that are changed in place (atomic counters, say), so that a key is stored once and then only loaded",
		"Load before LoadOrStore and CompareAndSwap, so that the value is only made when it is needed",
	},
	Sketch: `// A counter is stored once and changed in place from then on.
func (c *Counters) Add(key string) {
	counter, ok := c.m.Load(key)
	if !ok {
		counter, _ = c.m.LoadOrStore(key, new(atomic.Int64))
	}
	counter.(*atomic.Int64).Add(1)
}
`,
	Explains: []claim.Mechanism{
		{Effect: "alloc-hotspot", Why: "each store allocates an entry and the boxes of key and value", Source: "internal/sync/hashtriemap.go, newEntryNode"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "each store allocates an entry and leaves the one before as garbage", Source: "internal/sync/hashtriemap.go, newEntryNode"},
		{Effect: "cpu-hotspot", Why: "each store hashes the key, locks a node and allocates", Source: "internal/sync/hashtriemap.go, Swap"},
	},
}

var storing = judge.Costly{
	What:  "writing to a sync.Map",
	Does:  syncMapWrite,
	Focus: `sync.\(\*Map\).(Store|Swap|Delete|LoadAndDelete|CompareAnd.*|Clear|LoadOrStore)$|HashTrieMap.*\).(Store|Swap|Delete|LoadAndDelete|CompareAnd.*|Clear|LoadOrStore)$`,
}

// syncMapWrite reports whether a stack is in a writing method of a sync.Map.
func syncMapWrite(s stack.Stack) bool {
	makes := false // an entry, as LoadOrStore does where there is none
	for _, f := range s {
		method, ok := strings.CutPrefix(f.Function, "sync.(*Map).")
		if !ok {
			if rest, generic := strings.CutPrefix(f.Function, "internal/sync.(*HashTrieMap["); generic {
				if i := strings.LastIndex(rest, "])."); i >= 0 {
					method, ok = rest[i+3:], true
				}
			}
		}
		switch {
		case ok:
			switch method {
			case "Store", "Swap", "Delete", "LoadAndDelete", "CompareAndSwap", "CompareAndDelete", "Clear", "dirtyLocked", "missLocked", "expand":
				return true
			case "LoadOrStore":
				return makes
			}
		case reading.HasAnyPrefix(f.Function, "internal/sync.newEntryNode", "internal/sync.newIndirectNode", "internal/sync.(*Mutex).", "sync.(*Mutex).", "sync.newEntry", "runtime.newobject"):
			makes = true
		// Whatever the program runs below is not the map's work.
		case !stack.Plumbing(f.Function):
			return false
		}
	}
	return false
}

// inSyncMap reports whether a stack is in any method of a sync.Map.
func inSyncMap(s stack.Stack) bool {
	for _, f := range s {
		if reading.HasAnyPrefix(f.Function, "sync.(*Map).", "internal/sync.(*HashTrieMap[") {
			return true
		}
		if !stack.Plumbing(f.Function) {
			return false
		}
	}
	return false
}

func syncMapCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := storing.CPU(in, e)
	p := e.Profile()
	column := p.Column("samples")
	for i := range r.Candidates {
		c := &r.Candidates[i]
		var writes, all int64
		for j := range p.Samples {
			s := &p.Samples[j]
			if !inSyncMap(s.Stack) || s.Stack.Owner().Function != c.Site.Function {
				continue
			}
			all += s.Values[column]
			if syncMapWrite(s.Stack) {
				writes += s.Values[column]
			}
		}
		part := evidence.Part(writes, all)
		c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: "CPU samples in the writing methods", Value: part, Of: claim.PartOf(evidence.Of(all, evidence.Count), "CPU samples in any method of a sync.Map under the function"),
			Limit: in.Against("min-writes"), At: claim.At(c.Site), Reproduce: reading.PeekOwn(e, "samples", c.Site, syncMapWrite).With("-focus=" + storing.Focus)})
		// A map that is read more than written is used for what it is made for.
		if part.Number < in.Limit("min-writes").Number {
			c.Severity = min(c.Severity, claim.Info)
		}
	}
	return r
}

func syncMapMutex(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("delay")
	r := claim.Reading{Silent: "no waiting for locks inside a sync.Map, which writers of different keys seldom share"}
	if column < 0 {
		return r
	}
	total := p.Total(column)
	for _, s := range reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !syncMapWrite(s.Stack) {
			return stack.Site{}
		}
		return s.Stack.Owner()
	}) {
		share := evidence.Part(s.Values[column], total)
		if share.Number < in.Limit("min-delay").Number || len(r.Candidates) == reading.FewSites {
			break
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: s.Path, Share: share.Number, Thin: true,
			Summary: claim.Textf("%s of the time lost to locks is lost inside the sync.Map that %s writes to", share, claim.Func(s.Site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "delay at the locks inside the sync.Map under the function", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Nanoseconds), "all delay in the mutex profile"),
				Limit: in.Against("min-delay"), At: claim.At(s.Site), Reproduce: claim.Peek(e, "delay", s.Site)}},
		})
	}
	return r
}
