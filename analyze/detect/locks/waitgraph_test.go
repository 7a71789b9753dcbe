package locks

import (
	"fmt"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
)

// TestWaitGraphs proves that each step's lock is the one its goroutine waits for and the next one's holds.
func TestWaitGraphs(t *testing.T) {
	p1 := InMutex(1, "5008", "main.ab():12") // took 4008 on an earlier line
	p2 := InMutex(2, "4008", "main.ba():22")
	behind := One(InMutex(3, "4008", "main.ab():10"), InMutex(4, "5008", "main.ba():20"))
	again := InMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000):14")
	others := Many(5, 10, InMutex(0, "c008", "main.(*S).Add(c000):10"))
	asleep := Goroutine(2, "sleep", "time.Sleep(1)", "main.slow():12")
	queue := Many(20, 10, InMutex(0, "c008", "main.slow():10"))
	for name, c := range map[string]struct {
		detector *claim.Detector
		exhibit  *evidence.Exhibit
		want     string
	}{
		"a circle":        {Deadlock, Join(One(p1, p2), behind), `e1 circle of 2: 1 in main.ab for "lock 0x5008" of 2, 2 in main.ba for "lock 0x4008" of 2`},
		"oneself":         {Deadlock, Join(One(again), others), `e1 circle of 1: 1 in main.(*S).Count for "lock 0xc008" of 6`},
		"never unlocked":  {Deadlock, Join(Many(100, 10, InMutex(0, "c008", "main.(*S).Add(c000):10"))), "none"},
		"a sleeping user": {LongCriticalSection, Join(One(asleep), queue), `e1 row of 2: 0 in main.slow for "lock 0xc008" of 20, 2 in main.slow for "" of 0`},
	} {
		found := Judge(t, c.detector, c.exhibit).All.Findings
		if len(found) != 1 {
			t.Errorf("%s: %d findings, want one", name, len(found))
			continue
		}
		got := "none"
		if g := found[0].Graph; g != nil {
			var steps []string
			for _, s := range g.Steps {
				steps = append(steps, fmt.Sprintf("%d in %s for %q of %d", s.Goroutine, s.Site.Function, s.Lock, s.Waiters))
			}
			got = fmt.Sprintf("%s %s of %d: %s", g.Exhibit, map[bool]string{true: "circle", false: "row"}[g.Circle], g.Count, strings.Join(steps, ", "))
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}
