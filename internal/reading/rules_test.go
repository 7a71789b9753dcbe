package reading_test

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// floors are those of a heap, one a second.
func floors(live ...uint64) (out []exectrace.HeapPoint) {
	for i, n := range live {
		out = append(out, exectrace.HeapPoint{At: time.Duration(i) * time.Second, Live: n, AfterGC: true})
	}
	return out
}

// TestSlope tells a heap that rises from one that swings, one that is built once and one that has stood still since.
func TestSlope(t *testing.T) {
	for _, c := range []struct {
		name                                    string
		floors                                  []exectrace.HeapPoint
		unknown, rises, ended, started, doubles bool
	}{
		{"too few", floors(1, 2, 3, 4, 5), true, false, false, false, false},
		{"steady from nothing", floors(0, 10, 20, 30, 40, 50, 60, 70, 80, 90), false, true, false, false, true},
		{"steady from much", floors(1000, 1010, 1020, 1030, 1040, 1050, 1060, 1070, 1080, 1090), false, true, false, false, false},
		{"at the start alone", floors(10, 50, 90, 100, 100, 100, 101, 100, 101, 100), false, false, true, true, false},
		{"up and down", floors(50, 60, 50, 60, 50, 60, 50, 60, 50, 60), false, false, false, false, false},
		{"falling", floors(90, 80, 70, 60, 50, 40, 30, 20, 10, 5), false, false, false, false, false},
		{"flat", floors(50, 50, 50, 50, 50, 50, 50, 50), false, false, false, false, false},
	} {
		s := reading.SlopeOf(c.floors, time.Minute, 6)
		if (s.Unknown != "") != c.unknown {
			t.Errorf("%s: unknown because %q", c.name, s.Unknown)
		}
		if s.Rises(0.85, 40, 0.05) != c.rises {
			t.Errorf("%s: rises %v: %+v", c.name, !c.rises, s)
		}
		if c.rises && s.Ended() || c.ended && !s.Ended() {
			t.Errorf("%s: ended %v: %+v", c.name, s.Ended(), s)
		}
		if s.Started(40) != c.started {
			t.Errorf("%s: started %v: %+v", c.name, !c.started, s)
		}
		if s.Unknown == "" && c.rises && s.Doubles() != c.doubles {
			t.Errorf("%s: doubles %v: %+v", c.name, !c.doubles, s)
		}
	}
	trace := exectrace.Timeline{Heap: append(floors(1, 2, 3), exectrace.HeapPoint{Live: 9})}
	if s := reading.HeapSlope(&trace, 4); s.Unknown == "" {
		t.Error("a point between two collections is taken for a floor")
	}
}

// TestGrowth holds growth at a site to what sampling alone brings about, and to its shape over the snapshots.
func TestGrowth(t *testing.T) {
	const large, block = 4 << 20, 1 << 20 // blocks above the sampling period are all seen, none is missed
	series := func(inuse ...int64) *reading.HeapSeries {
		var all []*evidence.Exhibit
		for i, n := range inuse {
			all = append(all, HeapAt(60*i, Objects(block, n/block+int64(10*i), n/block, "main.keep", "main.main")))
		}
		return reading.OneProcess(all)
	}
	all := func(s *reading.HeapSite) reading.HeapSum { return s.HeapSum }
	for _, c := range []struct {
		name                 string
		series               *reading.HeapSeries
		grows                bool
		steady, ended, piece bool
	}{
		{"from each to the next", series(large, 2*large, 3*large, 4*large), true, true, false, false},
		{"at the start", series(large, 4*large, 4*large, 4*large), true, false, true, true},
		{"in two snapshots", series(large, 4*large), true, false, false, false},
		{"not at all", series(large, large, large), false, false, false, false},
		{"it falls", series(4*large, large), false, false, false, false},
	} {
		found := c.series.Growing(large, 0.05, all)
		if (len(found) == 1) != c.grows {
			t.Errorf("%s: %d sites grow", c.name, len(found))
		}
		g := c.series.Growth("main.keep", all)
		if c.grows && (g.Steady() != c.steady || g.Ended() != c.ended || g.Step() != c.piece) {
			t.Errorf("%s: steady %v, ended %v, in one piece %v: %+v", c.name, g.Steady(), g.Ended(), g.Step(), g)
		}
	}
	// Sixteen sampled small objects more may be chance.
	small := reading.OneProcess([]*evidence.Exhibit{HeapAt(0, Objects(64, 100_000, 50_000, "main.keep")), HeapAt(60, Objects(64, 200_000, 58_000, "main.keep"))})
	if found := small.Growing(1<<10, 0.05, all); len(found) != 0 {
		t.Errorf("half a sample more is growth: %+v", found)
	}
	if small.Unsure(1<<10, all) == "" {
		t.Error("growth that sampling hides is denied")
	}
}

// TestCallers names who leads to a place, and does not name one of many.
func TestCallers(t *testing.T) {
	var c reading.Callers
	c.Add(stack.Site{Function: "main.a", Line: 20}, 1)
	c.Add(stack.Site{Function: "main.a", Line: 10}, 8)
	c.Add(stack.Site{Function: "main.b", Line: 5}, 1)
	c.Add(stack.Site{}, 100) // nobody
	if got := c.Words().String(); got != "called by main.a (90 %) and main.b (10 %)" {
		t.Error(got)
	}
	if got := c.Lead([]string{"lib.f", "main.a"}); len(got) != 2 {
		t.Errorf("one carries nearly all of it: %v", got)
	}
	c.Add(stack.Site{Function: "main.b", Line: 5}, 5)
	if got := c.Lead([]string{"lib.f", "main.a"}); len(got) != 1 {
		t.Errorf("several carry it: %v", got)
	}
	for stack, want := range map[string][2]bool{"main.a:11": {true, true}, "main.a:10": {true, false}, "main.c:99": {false, false}} {
		s := Frames("time.Sleep", stack, "main.main")
		if got := [2]bool{c.Reached(s), c.Passed(s)}; got != want {
			t.Errorf("%s: reached and passed %v, want %v", stack, got, want)
		}
	}
	for range 100 {
		c.Add(stack.Site{Function: strings.Repeat("x", len(c))}, 1)
	}
	if len(c) > 64 || len(c.Sites()) != reading.MaxSites {
		t.Errorf("%d callers, %d of them sites", len(c), len(c.Sites()))
	}
}

// TestTail takes one wait in a hundred for the tail, and three where that is fewer.
func TestTail(t *testing.T) {
	for n, want := range map[int]float64{10_000: 0.01, 300: 0.01, 100: 0.03, 3: 1, 0: 3} {
		h := Histogram(n, time.Millisecond)
		if got := reading.Beyond(&h).Number; got != want {
			t.Errorf("%d waits: %v beyond the tail, want %v", n, got, want)
		}
	}
}

// TestLocksOfADump finds who holds each lock by who stands behind it, and what will never end.
func TestLocksOfADump(t *testing.T) {
	transfer := func(id int64, from, to string) []string {
		return []string{"main.(*Account).add(" + to + "):20", "main.(*Account).move(" + from + "," + to + "):30"}
	}
	for _, c := range []struct {
		name        string
		dump        *evidence.Exhibit
		locks       int
		dead, alive int
	}{
		{"one lock, its holder at work", Dumped(
			InMutex(1, "a000", "main.(*S).Get(a000):12"), InMutex(2, "a000", "main.(*S).Get(a000):12"),
			Goroutine(3, "running", "main.fill(1)", "main.(*S).Get(a000):13")), 1, 0, 1},
		{"nobody in sight", Dumped(InMutex(1, "a000", "main.(*S).Get(a000):12")), 1, 0, 0},
		{"it asks for what it holds", Dumped(InMutex(1, "a000", "main.(*S).Get(a000):12", "main.(*S).Put(a000):22")), 1, 1, 0},
		{"two in a circle", Dumped(InMutex(1, "b000", transfer(1, "a000", "b000")...), InMutex(2, "a000", transfer(2, "b000", "a000")...)), 2, 2, 0},
		{"no lock", Dumped(Goroutine(1, "chan receive", "main.work(1):3")), 0, 0, 0},
	} {
		locks := reading.Locks(c.dump.Dump())
		if len(locks) != c.locks || len(reading.Dead(locks)) != c.dead || len(reading.Alive(locks)) != c.alive {
			t.Errorf("%s: %d locks, %d dead, %d alive", c.name, len(locks), len(reading.Dead(locks)), len(reading.Alive(locks)))
		}
	}
}

// TestStandstill needs a dump in which nobody but who takes it can move.
func TestStandstill(t *testing.T) {
	taker := Goroutine(1, "running", "runtime/pprof.writeGoroutineStacks(1)", "main.main():9")
	send := Goroutine(2, "chan send", "main.send(1):3")
	for _, c := range []struct {
		name string
		e    *evidence.Exhibit
		n    int
	}{
		{"a sender and who takes the dump", Dumped(taker, send), 1},
		{"somebody runs", Dumped(taker, send, Goroutine(3, "running", "main.work(1):3")), 0},
		{"somebody waits for the network", Dumped(taker, send, Goroutine(3, "IO wait", "main.read(1):3")), 0},
		{"somebody sleeps", Dumped(taker, send, Goroutine(3, "sleep", "time.Sleep(1)", "main.poll(1):3")), 0},
		{"nobody takes the dump", Dumped(send, Goroutine(3, "chan send", "main.send(1):3")), 0},
	} {
		if got := reading.Standstill(c.e); len(got) != c.n {
			t.Errorf("%s: %d stand still, want %d", c.name, len(got), c.n)
		}
	}
	partial := Dumped(taker, send)
	partial.Coverage = evidence.Partial
	if got := reading.Standstill(partial); got != nil {
		t.Errorf("a part of a dump shows a standstill: %v", got)
	}
	crowds := reading.StuckCrowds(reading.Standstill(Dumped(taker, send, Goroutine(3, "chan send", "main.send(1):3"), Goroutine(4, "chan send", "main.other(1):3"))))
	if len(crowds) != 2 || crowds[0].N != 2 || crowds[0].First.Class != wait.ChanSend || crowds[0].Site.Function != "main.send" {
		t.Errorf("%+v", crowds)
	}
}

// TestRates divides by time, also where there is none.
func TestRates(t *testing.T) {
	if got := reading.RateOf(10, 2*time.Second); got.Number != 5 || got.Unit != evidence.PerSecond {
		t.Error(got)
	}
	if got := reading.PerSecond(time.Second, 2*time.Second); got.Number != 0.5 || got.Unit != evidence.SecPerSec {
		t.Error(got)
	}
	for d, want := range map[time.Duration]bool{5 * time.Millisecond: true, 100 * time.Millisecond: true, 250 * time.Millisecond: false} {
		if got := reading.Glimpse(&exectrace.Timeline{Duration: d}, 10); got != want {
			t.Errorf("%s: a glimpse %v", d, got)
		}
	}
	if reading.Glimpse(&exectrace.Timeline{Duration: 100 * time.Millisecond}, 5000) {
		t.Error("a busy program shows enough in a tenth of a second")
	}
}
