package crashes

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// ConcurrentMapAccess claims that goroutines use a map at once, one of them to write.
var ConcurrentMapAccess = &claim.Detector{
	ID:    "concurrent-map-access",
	Title: "A map is used by several goroutines at once",
	Doc: `Two goroutines used one map at the same time and at least one of them wrote. The runtime ends a program that it catches at it, and nothing can recover
that; what it does not catch leaves the map damaged.

**How it is measured.** A fatal error *concurrent map writes*, *concurrent map read and map write* or *concurrent map iteration and map write* in a log names the
goroutine that noticed. A report of the race detector on a map names both sides; on the same function they are one finding.

**When it is wrong.** The goroutine that noticed is one of the two; the other has often moved on and does not show in the stacks. The runtime looks only at times
(a flag in the map), so a log without the error proves nothing.`,
	Measures: []claim.Measure{
		{Kind: evidence.Crash, Doc: "fatal errors about concurrent map access, at the goroutine that noticed", Run: mapCrashes},
		{Kind: evidence.Race, Doc: "race reports with a map operation on one side at least; both sides are named", Run: mapRaces},
	},
	Fix: mapFix,
	Sketch: `// The map and its lock are one thing, and nobody else sees the map.
type Table struct {
	mu sync.RWMutex
	m  map[string]Item
}

func (t *Table) Get(key string) (Item, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	item, ok := t.m[key]
	return item, ok
}
`,
	Explains: []claim.Mechanism{
		{Effect: "crash", Why: "the runtime ends a program that it catches using a map from two goroutines at once", Source: "internal/runtime/maps/map.go, fatal"},
	},
}

var mapFix = []claim.Text{
	"Guard every use of the map, reads and ranges included, with one sync.Mutex or sync.RWMutex held for the use alone",
	"Where it is read much and changed seldom, publish a fresh copy through an atomic.Pointer; where keys are written once, use a sync.Map",
	"Run the tests with go test -race: it names both goroutines",
}

func mapCrashes(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "the runtime notices concurrent use of a map only at times"}
	for _, group := range crashGroups(in.Exhibits, []dump.Class{dump.ConcurrentMap}) {
		c := crashCandidate(group)
		c.Variant = mapUse(group[0].Message)
		who := claim.Func(c.Site.Function).Text()
		if who == "" {
			who = "a goroutine whose stack was not logged"
		}
		c.Summary = claim.Textf("%s used a map while another goroutine did (%q)", who, oneLine(group[0].Message))
		c.Facts[0].Says = evidence.Plural(int(c.Facts[0].Value.Number), "fatal error", "fatal errors") + " about this map"
		c.Fix = nil
		if len(r.Candidates) < reading.MaxSites && !slices.ContainsFunc(r.Candidates, func(o claim.Candidate) bool { return o.Site.Function == c.Site.Function }) {
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

// mapUse is the variant of a concurrent use of a map: what the runtime says of it (runtime/map.go, internal/runtime/maps).
func mapUse(message string) string {
	for _, use := range []string{"map writes", "map read and map write", "map iteration and map write", "map clone and map write"} {
		if message == "concurrent "+use {
			return use
		}
	}
	return "map use"
}

func mapRaces(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "the race detector reports what ran at once in that run, and no other use of a map did"}
	for _, g := range raceGroups(in.Exhibits, onMap) {
		c := raceCandidate(g)
		c.Severity = claim.Critical
		c.Variant = ""
		c.Facts[0].Says = "race reports on this map"
		other := claim.Text("another goroutine")
		if f := g.other().Site().Function; f != c.Site.Function && f != "" {
			other = claim.Func(f).Text()
		}
		c.Summary = claim.Textf("%s and %s use a map without an order between them, which ends the program when the runtime notices", claim.Func(c.Site.Function), other)
		c.Fix = nil
		if len(r.Candidates) < reading.MaxSites {
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

// onMap reports whether a race is about the inside of a map.
func onMap(race *dump.Race) bool {
	for _, a := range race.Access {
		for _, f := range a.Stack {
			name := stack.Normal(f.Function)
			if strings.HasPrefix(name, "runtime.map") || strings.HasPrefix(name, "internal/runtime/maps.") {
				return true
			}
			if !stack.Plumbing(name) {
				break
			}
		}
	}
	return false
}
