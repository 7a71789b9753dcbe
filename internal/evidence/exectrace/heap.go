package exectrace

import "time"

// heapSeries keeps the heap metrics at a resolution that a report can show: the
// last values of each stretch, stretches twice as long whenever there are too
// many, and the floors of the sawtooth apart.
type heapSeries struct {
	points             []HeapPoint
	step               int64
	floors             []HeapPoint
	low                HeapPoint
	seeking            bool // a mark phase ended and the next has not begun
	lastLive, lastGoal uint64
	lives              int64
}

const maxSeries = MaxHeapPoints / 2

func (h *heapSeries) live(t int64, v uint64) {
	h.lastLive = v
	h.lives++
	h.point(t)
	if h.seeking && (h.low.Live == 0 || v < h.low.Live) {
		h.low = HeapPoint{At: time.Duration(t), Live: v, Goal: h.lastGoal, AfterGC: true}
	}
}

func (h *heapSeries) goal(t int64, v uint64) {
	h.lastGoal = v
	h.point(t)
}

func (h *heapSeries) point(t int64) {
	if h.step == 0 {
		h.step = int64(time.Millisecond)
	}
	p := HeapPoint{At: time.Duration(t), Live: h.lastLive, Goal: h.lastGoal}
	if n := len(h.points); n > 0 && int64(h.points[n-1].At)/h.step == t/h.step {
		h.points[n-1] = p
		return
	}
	if len(h.points) >= maxSeries {
		h.points, h.step = coarser(h.points, h.step)
	}
	h.points = append(h.points, p)
}

// coarser doubles the step until half of the points are gone.
func coarser(points []HeapPoint, step int64) ([]HeapPoint, int64) {
	for len(points) > maxSeries/2 {
		step *= 2
		kept := points[:0]
		for _, p := range points {
			if n := len(kept); n > 0 && int64(kept[n-1].At)/step == int64(p.At)/step {
				kept[n-1] = p
				continue
			}
			kept = append(kept, p)
		}
		points = kept
	}
	return points, step
}

func (h *heapSeries) markBegins() {
	if h.seeking && h.low.Live > 0 {
		h.floors = append(h.floors, h.low)
		if len(h.floors) >= maxSeries {
			kept := h.floors[:0]
			for i := 0; i+1 < len(h.floors); i += 2 {
				a, b := h.floors[i], h.floors[i+1]
				if a.Live <= b.Live {
					kept = append(kept, a)
				} else {
					kept = append(kept, b)
				}
			}
			h.floors = kept
		}
	}
	h.seeking = false
}

func (h *heapSeries) markEnds(int64) {
	h.seeking = true
	h.low = HeapPoint{}
}

func (h *heapSeries) list() []HeapPoint {
	h.markBegins()
	out := append(append([]HeapPoint(nil), h.points...), h.floors...)
	sortStable(out, func(a, b HeapPoint) bool { return a.At < b.At || a.At == b.At && !a.AfterGC && b.AfterGC })
	return out
}
