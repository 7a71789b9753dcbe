package crashes

import (
	"strings"
	"testing"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
)

func raced(races ...*dump.Race) *evidence.Exhibit {
	return &evidence.Exhibit{Path: "race.log", Kind: evidence.Race, Coverage: evidence.Whole, Content: dump.Races(races)}
}

func lives(c *dump.Crash) *dump.Crash {
	c.Fate, c.Exit = dump.Lived, 0
	return c
}

// race is one between two places; a map's when it goes through the map's code.
func race(count int, inMap bool, a, b string) *dump.Race {
	leaf := func(name string, frame string) dump.Access {
		names := []string{frame}
		if inMap {
			names = []string{name, frame}
		}
		return dump.Access{Address: 0xc000012345, Goroutine: 7, Stack: Frames(names...), Created: Frames("main.main")}
	}
	r := &dump.Race{Count: count, Access: [2]dump.Access{leaf("runtime.mapaccess1_faststr", a), leaf("internal/runtime/maps.(*Map).putSlotSmallFastStr", b)}}
	r.Access[1].Write = true
	return r
}

func TestCrash(t *testing.T) {
	ExpectAll(t, Crash, []Expect{
		{"died", Of(Crashed(Died(dump.NilDereference, "runtime error: ...", "main.(*store).count:7"))), "found", "critical main.(*store).count"},
		{"request died", Of(Crashed(lives(Died(dump.NilDereference, "runtime error: ...", "main.(*store).count:7")))), "found", "warning main.(*store).count"},
		{"a test took too long, see test-timeout", Of(Crashed(Died(dump.TestTimeout, "test timed out after 10m0s", "testing.(*M).startAlarm.func1"))), "undecided", ""},
		{"nothing but the standard library", Of(Crashed(Died(dump.SignalClass, "SIGSEGV: segmentation violation"))), "found", "critical"},
		{"no log", Of(Procs()), "skipped", ""},
	})
	for class := range crashClasses {
		j := Judge(t, Crash, Crashed(Died(class, "says\nmore", "main.f")))
		f := j.All.Findings[0]
		if f.Variant != string(class) || !strings.Contains(f.Summary.String(), "main.f") || strings.Contains(f.Summary.String(), "%!") || len(f.Next) == 0 {
			t.Errorf("%s: %q, next %q", class, f.Summary, f.Next)
		}
	}
}

// TestManyCrashes sums equal crashes of several logs and keeps different ones apart.
func TestManyCrashes(t *testing.T) {
	c := Died(dump.OutOfRange, "runtime error: index out of range [7] with length 1", "main.first")
	many := Died(dump.OutOfRange, "runtime error: index out of range [9] with length 2", "main.first")
	many.Count = 41
	j := Judge(t, Crash, Crashed(c, lives(Died(dump.ExplicitPanic, "out of stock", "main.sell"))), Crashed(many))
	if len(j.All.Findings) != 2 {
		t.Fatalf("%d findings, want 2", len(j.All.Findings))
	}
	f := j.All.Findings[0]
	if f.Evidence[0].Value != evidence.Of(42, evidence.Count) || !strings.HasSuffix(f.Summary.String(), "42 times") {
		t.Errorf("%q: %v", f.Summary, f.Evidence[0])
	}
	for _, class := range []dump.Class{"", "a class of a later version"} {
		if j := Judge(t, Crash, Crashed(Died(class, "", "main.f"))); j.Result == claim.Failed {
			t.Errorf("class %q fails", class)
		}
	}
}

func TestDataRaceAndMaps(t *testing.T) {
	ExpectAll(t, DataRace, []Expect{
		{"one", Of(raced(race(3, false, "main.get:1", "main.put:2"))), "found", "warning main.put"},
		{"on a map", Of(raced(race(1, true, "main.get:1", "main.put:2"))), "found", "warning main.put"},
		{"a test has ended", Of(raced(race(1, false, "main.get:1", "testing.tRunner:1921"))), "found", "warning main.get"},
		{"a crash is none", Of(Crashed(Died(dump.ConcurrentMap, "concurrent map writes", "main.put"))), "skipped", ""},
	})
	ExpectAll(t, ConcurrentMapAccess, []Expect{
		{"caught", Of(Crashed(Died(dump.ConcurrentMap, "concurrent map writes", "main.put"))), "found", "critical main.put"},
		{"reported", Of(raced(race(1, true, "main.get:1", "main.put:2"))), "found", "critical main.put"},
		{"a race elsewhere", Of(raced(race(1, false, "main.get:1", "main.put:2"))), "undecided", ""},
		{"another crash", Of(Crashed(Died(dump.NilMapWrite, "assignment to entry in nil map", "main.put"))), "undecided", ""},
	})
	// The runtime may catch either side: the two are one finding with two witnesses.
	for _, side := range []string{"main.get", "main.put"} {
		j := Judge(t, ConcurrentMapAccess, Crashed(Died(dump.ConcurrentMap, "concurrent map read and map write", side, "main.handle")), raced(race(2, true, "main.get:1", "main.put:2")))
		if len(j.All.Findings) != 1 || j.All.Findings[0].Confidence != claim.High {
			t.Errorf("caught in %s: %d findings, %s", side, len(j.All.Findings), j.All.Findings[0].Confidence)
		}
	}
}

// TestCrashChain tells a race, the map and the crash as one story.
func TestCrashChain(t *testing.T) {
	b := &evidence.Bundle{Exhibits: Of(Crashed(Died(dump.ConcurrentMap, "concurrent map writes", "main.put")), raced(race(2, true, "main.get:1", "main.put:2")))}
	for i, e := range b.Exhibits {
		e.ID = string(rune('a' + i))
	}
	res, err := analyze.Run(b, []*claim.Detector{ConcurrentMapAccess, DataRace, TestTimeout, Crash}, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Chains) != 1 {
		t.Fatalf("%d chains, want 1", len(res.Chains))
	}
	root := res.Findings[0]
	for _, f := range res.Findings {
		if f.ID == res.Chains[0].Root {
			root = f
		}
	}
	if root.Detector != "data-race" || len(res.Findings) != 3 {
		t.Errorf("root %s of %d findings", root.Detector, len(res.Findings))
	}
}
