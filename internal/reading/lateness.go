package reading

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

// What a tail is.
const (
	tail   = 0.01 // of the events
	inTail = 3    // events that it holds at least
)

// Beyond is the part of the waits that lie beyond the tail: one in a hundred, or
// three events where they are fewer.
func Beyond(h *exectrace.Histogram) evidence.Quantity {
	return evidence.Quantity{Number: max(tail, inTail/float64(max(h.Count, 1))), Unit: evidence.Share}
}

// Tail is the wait at which the tail begins.
func Tail(h *exectrace.Histogram) time.Duration { return h.Quantile(1 - Beyond(h).Number) }

// ForcedPreemption is how long a goroutine may keep a processor while others
// wait (runtime/proc.go, forcePreemptNS).
const ForcedPreemption = 10 * time.Millisecond

// Lateness is from when on goroutines that answer to the outside wait too long for a processor.
type Lateness struct {
	Events      int64   // fewest waits in a group
	Few         int64   // the same where their mean reaches p99; 0 for none
	P99, Median float64 // nanoseconds, one of which must be reached
	Spread      float64 // windows in which waits of p99 ended, of all
	Outside     float64 // waits of a group that were ended from outside, of all its waits
	ReadAhead   bool    // goroutines that read ahead count
}

// UsualLateness is what sched-latency goes by unless it is told otherwise.
var UsualLateness = Lateness{Events: 30, P99: float64(ForcedPreemption), Median: float64(time.Millisecond), Spread: 0.25, Outside: 0.1}

// LateGroups returns the groups of goroutines that answer to the outside and wait
// for processors, longest in all first, and the part of the trace's windows in which long waits ended.
func LateGroups(t *exectrace.Timeline, least Lateness) (late []*exectrace.Group, spread evidence.Quantity) {
	// A stall of the machine is over after a window or two.
	lateWindows := 0
	for _, w := range t.Windows {
		if float64(w.Latency) >= least.P99 {
			lateWindows++
		}
	}
	spread = evidence.Part(lateWindows, len(t.Windows))
	waking := ReadWaking(t)
	for i := range t.Groups {
		g := &t.Groups[i]
		// A few waits of which each is long say as much as many.
		few := g.Runnable.Count < least.Events && (least.Few == 0 || g.Runnable.Count < least.Few || float64(g.Runnable.Mean()) < least.P99)
		if g.System || few || g.Start.Function == wait.ReadAhead && !least.ReadAhead {
			continue
		}
		long := float64(Tail(&g.Runnable)) >= least.P99 && spread.Number >= least.Spread
		if !long && float64(g.Runnable.Quantile(0.5)) < least.Median {
			continue
		}
		// A full-throttle batch queues for processors by design.
		if waking.Answers(g, least.Outside) {
			late = append(late, g)
		}
	}
	slices.SortStableFunc(late, func(a, b *exectrace.Group) int {
		return cmp.Or(-cmp.Compare(a.Runnable.Sum, b.Runnable.Sum), cmp.Compare(a.Start.Function, b.Start.Function))
	})
	return late, spread
}
