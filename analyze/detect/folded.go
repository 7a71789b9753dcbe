package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/folded"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// foldedDoc is what every measure of stack counts is.
const foldedDoc = "; a count has no cost and no time, so it vouches and never accuses or denies"

// What tracers count says little of the cost, so it only vouches.
const (
	// minTraced is how many counts make a share worth quoting: at 20 of them one of
	// a half has a standard error of 0.11.
	minTraced = 20
	// minOfTraced is the part of them from which a site is vouched for.
	minOfTraced = 0.1
)

// tracedKind is what stack counts can vouch for a claim with.
type tracedKind struct {
	probes  []probes                                 // calls that speak for it, those that say most first
	inside  func(stack.Stack) bool                   // samples that speak for it
	samples string                                   // what such a sample is in
	least   float64                                  // part of all samples from which they do
	site    func(stack.Stack) (stack.Site, []string) // that both are charged to
}

// probes are functions whose calls mean the same.
type probes struct {
	mean  string // as in "10 calls that ..."
	names []string
}

// foldedMeasure makes the measure of a kind.
func foldedMeasure(k tracedKind) func(*claim.Input) claim.Reading {
	return worstOf(func(_ *claim.Input, e *evidence.Exhibit) claim.Reading { return k.read(e) })
}

func (k tracedKind) read(e *evidence.Exhibit) claim.Reading {
	p := e.Profile
	switch p.Columns[0].Name {
	case folded.Calls:
		for _, probes := range k.probes {
			in := func(s stack.Stack) bool {
				return len(s) > 0 && slices.Contains(probes.names, stack.Normal(s[0].Function))
			}
			if r, ok := k.sum(e, in, "calls that "+probes.mean, 0); ok {
				return r
			}
		}
		return claim.Reading{Silent: "it counts calls of " + probed(p) + ", which say nothing of it"}
	case folded.Samples:
		if k.inside == nil {
			break
		}
		if r, ok := k.sum(e, k.inside, "samples "+k.samples, k.least); ok {
			return r
		}
		return claim.Reading{Silent: fmt.Sprintf("few of its %s are %s", evidence.Things(p.Total(0), "sample"), k.samples)}
	}
	return claim.Reading{Silent: "it does not tell what was counted"}
}

// sum adds up the counts that speak for the claim; ok is whether there are enough.
func (k tracedKind) sum(e *evidence.Exhibit, speaks func(stack.Stack) bool, what string, least float64) (r claim.Reading, ok bool) {
	p := e.Profile
	own := &pprofile.Profile{Columns: p.Columns}
	for _, s := range p.Samples {
		// Above the function stand the kernel's frames of what it ran into.
		for len(s.Stack) > 0 && !strings.Contains(s.Stack[0].Function, ".") {
			s.Stack = s.Stack[1:]
		}
		if speaks(s.Stack) {
			own.Samples = append(own.Samples, s)
		}
	}
	total := own.Total(0)
	if total < minTraced || evidence.Part(total, p.Total(0)).Number < least {
		return claim.Reading{}, false
	}
	paths := map[string][]string{}
	sites := bySite(own, 0, func(s *pprofile.Sample) stack.Site {
		site, path := k.site(s.Stack)
		if paths[site.Function] == nil {
			paths[site.Function] = path
		}
		return site
	})
	for _, s := range sites[:min(len(sites), maxCandidates)] {
		share := evidence.Part(s.values[0], total)
		// Of a place that has few of them, nothing follows.
		if share.Number < minOfTraced {
			break
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.site, Path: paths[s.site.Function], Thin: true, Share: share.Number,
			Summary: fmt.Sprintf("%s of the %s come by way of %s", share, what, s.site.Function),
			Facts: []claim.Fact{{
				Exhibit: e.ID, Says: what + ", by way of the function", Value: share,
				Of: claim.PartOf(evidence.Of(total, evidence.Count), "all "+what),
				At: claim.At(s.site), Reproduce: claim.Grep(e, asPrinted(s.site.Function)),
			}},
		})
	}
	r.Silent = fmt.Sprintf("it holds %s %s, and neither what they cost nor over what time", evidence.Of(total, evidence.Count), what)
	return r, true
}

// asPrinted is what of a normalised name stands in the text as it is.
func asPrinted(function string) string {
	name, _, _ := strings.Cut(function, "[")
	return name
}

// probed lists the functions whose calls were counted.
func probed(p *pprofile.Profile) string {
	var names []string
	for _, s := range p.Samples {
		if len(s.Stack) > 0 && !slices.Contains(names, s.Stack[0].Function) {
			names = append(names, s.Stack[0].Function)
		}
	}
	slices.Sort(names)
	if len(names) > 2 {
		names = append(names[:2], "others")
	}
	return strings.Join(names, ", ")
}

func ownerOf(s stack.Stack) (stack.Site, []string) { return s.Owner(), s.Path() }

// lockUserOf charges a lock to the first function that is not the lock's own.
func lockUserOf(s stack.Stack) (stack.Site, []string) {
	return s.Site(), lockPath(s.Site(), s.Path())
}

// mapCalls are the functions whose calls make maps larger or put entries in:
// runtime/map*.go, and internal/runtime/maps since Go 1.24, which keeps the older names
// for what compiled code calls (go:linkname in runtime_*.go).
var mapCalls = tracedKind{
	probes: []probes{
		{"make a map larger", slices.Sorted(maps.Keys(mapGrowers))},
		{"assign to a map", []string{
			"runtime.mapassign", "runtime.mapassign_fast32", "runtime.mapassign_fast32ptr",
			"runtime.mapassign_fast64", "runtime.mapassign_fast64ptr", "runtime.mapassign_faststr",
		}},
	},
	inside: growsMap, samples: "in maps being made larger", site: ownerOf,
}

// lockCalls are the functions that goroutines go through when a lock is taken
// already: sync/mutex.go, sync/rwmutex.go and runtime/sema.go. Lock itself is inlined
// where it can be, and its calls say only how often.
var lockCalls = tracedKind{
	probes: []probes{
		{"wait for a lock", []string{
			"internal/sync.runtime_SemacquireMutex", "sync.runtime_SemacquireMutex",
			"sync.runtime_SemacquireRWMutex", "sync.runtime_SemacquireRWMutexR",
		}},
		{"find a lock taken", []string{"internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).lockSlow"}},
		{"ask for a lock", []string{"sync.(*Mutex).Lock", "internal/sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "sync.(*RWMutex).RLock"}},
	},
	inside: func(s stack.Stack) bool { return lockOf(s).kind != "" }, samples: "inside Lock and Unlock", least: 0.03, site: lockUserOf,
}

// allocCalls are the functions that compiled code allocates by (runtime/malloc.go, slice.go).
var allocCalls = tracedKind{
	probes: []probes{
		{"allocate", []string{"runtime.mallocgc"}},
		{"allocate", []string{"runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.newarray"}},
	},
	inside: allocates, samples: "in allocating", least: 0.05, site: ownerOf,
}

// cpuCounts are samples of what ran.
var cpuCounts = tracedKind{
	inside:  func(s stack.Stack) bool { return !stack.Plumbing(s.Owner().Function) },
	samples: "outside the runtime", site: ownerOf,
}
