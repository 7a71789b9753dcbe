package reading

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
)

// Slope is what the floors of a trace's heap say.
type Slope struct {
	Begin       uint64        // the first floor
	First, Last uint64        // medians of the first and the last third of the floors
	Grown       int64         // last less first
	late        int64         // what of the rise came in the second half of the time
	rising      float64       // pairs of floors of which the later is higher, of all pairs
	From, To    time.Duration // offsets of the first and the last floor
	Unknown     claim.Text    // why the trace cannot say; empty when it can
}

// HeapSlope looks for a direction in the floors of the heap after collections.
func HeapSlope(t *exectrace.Timeline, minFloors int) Slope {
	var floors []exectrace.HeapPoint
	for _, p := range t.Heap {
		if p.AfterGC {
			floors = append(floors, p)
		}
	}
	return SlopeOf(floors, t.Duration, minFloors)
}

// SlopeOf looks for a direction in floors of the heap that were seen over some time.
func SlopeOf(floors []exectrace.HeapPoint, over time.Duration, minFloors int) Slope {
	var s Slope
	n := len(floors)
	if n < max(minFloors, Several) {
		s.Unknown = claim.Textf("only %s in %s: the heap shows no direction", evidence.Things(n, "collection"), evidence.Duration(over))
		return s
	}
	pairs, rises := 0, 0
	for i := range floors {
		for j := range i {
			pairs++
			if floors[i].Live > floors[j].Live {
				rises++
			}
		}
	}
	s.rising = float64(rises) / float64(pairs)
	s.First, s.Last = MedianLive(floors[:n/3]), MedianLive(floors[n-n/3:])
	s.Begin, s.Grown = floors[0].Live, int64(s.Last)-int64(s.First)
	s.From, s.To = floors[0].At, floors[n-1].At
	middle := floors[0].Live
	for _, f := range floors {
		if f.At <= s.From+(s.To-s.From)/2 {
			middle = f.Live
		}
	}
	s.late = int64(s.Last) - int64(middle)
	return s
}

// LateRise is the part of a growth, one of so many, that the second half of the time must bring for it to go on: half
// of it, were it even, and less where collections crowd.
const LateRise = 4

// lateDouble is the part of a heap that grew evenly from nothing that came in the second half: two fifths.
const lateDouble = 0.4

// Ended reports whether hardly any of the rise came in the second half of the time:
// collections crowd where a heap is built, and count for little of it.
func (s Slope) Ended() bool { return s.late < s.Grown/LateRise }

// Started reports whether the heap rose by so much and then stood still for the second half of the time.
func (s Slope) Started(least float64) bool {
	rise := int64(s.Last) - int64(s.Begin)
	return float64(rise) >= least && s.late < rise/LateRise
}

// Doubles reports whether the heap grew from next to nothing and as fast in the second half of the time as in the first: where
// collections come evenly, the median of the last third stands at five sixths of the time, and a third of the way of five lies behind the middle.
func (s Slope) Doubles() bool { return float64(s.late) >= lateDouble*float64(s.Last) }

// Rises reports whether the floors go up by enough and steadily.
func (s Slope) Rises(rising, growth, share float64) bool {
	return s.Unknown == "" && s.rising >= rising && float64(s.Grown) >= growth && float64(s.Grown) >= share*float64(s.First)
}

// MedianLive is the median of the live heap.
func MedianLive(floors []exectrace.HeapPoint) uint64 {
	values := make([]uint64, len(floors))
	for i, p := range floors {
		values[i] = p.Live
	}
	slices.Sort(values)
	return values[len(values)/2]
}
