package figure

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

// Timeline is an execution trace as drawn: one value per step in every series.
type Timeline struct {
	Exhibit  string      `json:"exhibit"`
	Step     int64       `json:"step_ns"`
	Duration int64       `json:"duration_ns"`
	Running  []float64   `json:"running"`         // goroutines, averaged over the step
	Runnable []float64   `json:"runnable"`        // goroutines waiting for a processor, averaged
	Waiting  []float64   `json:"waiting"`         // goroutines blocked, averaged, the runtime's own left out
	Syscall  []float64   `json:"syscall"`         // goroutines in system calls, averaged
	SyncWait []float64   `json:"sync_wait"`       // of Waiting: for a Mutex or RWMutex
	Procs    [][]float64 `json:"procs"`           // [proc][step]: share of the step it ran
	GC       []float64   `json:"gc"`              // share of the step in a mark phase
	Marks    []Span      `json:"marks"`           // mark phases in order, the longest MaxMarks of them
	Heap     []HeapPoint `json:"heap"`            // in order, at most MaxHeapPoints
	Pauses   []Pause     `json:"pauses"`          // in order, the longest MaxPauses of them
	Locks    []SiteWaits `json:"locks,omitempty"` // the sites with most waiting for locks
}

// Span is a stretch of a timeline.
type Span struct {
	From int64 `json:"from_ns"`
	To   int64 `json:"to_ns"`
}

// HeapPoint is the heap at one moment of a timeline.
type HeapPoint struct {
	At   int64  `json:"at_ns"`
	Live uint64 `json:"live_bytes"`
	Goal uint64 `json:"goal_bytes"` // 0 when not known yet
}

// Pause is one stop-the-world range of a timeline.
type Pause struct {
	From      int64      `json:"from_ns"`
	To        int64      `json:"to_ns"`
	Effective int64      `json:"effective_ns"`
	Reason    claim.Text `json:"reason"`
}

// SiteWaits is the longest waits for locks at one site of a timeline.
type SiteWaits struct {
	Site  claim.Site `json:"site"`
	Total int64      `json:"total_ns"` // of all waits there, summed
	Count int64      `json:"count"`
	Worst []WaitSpan `json:"worst"` // longest first, at most MaxWaitSpans
}

// WaitSpan is the wait of one goroutine.
type WaitSpan struct {
	Span
	Goroutine int64 `json:"goroutine"`
}

// TimelineOf is the execution trace of an exhibit as drawn.
func TimelineOf(e *evidence.Exhibit) Timeline { return timeline(e.ID, e.Trace()) }

// timeline folds a trace's windows into at most MaxSteps steps.
func timeline(id string, t *exectrace.Timeline) Timeline {
	per := max(1, (len(t.Windows)+MaxSteps-1)/MaxSteps)
	steps := (len(t.Windows) + per - 1) / per
	out := Timeline{Exhibit: id, Step: int64(per) * int64(t.WindowLength), Duration: int64(t.Duration)}
	procs := 0
	for i := range t.Windows {
		procs = max(procs, len(t.Windows[i].PerProc))
	}
	out.Procs = make([][]float64, procs)
	for s := range steps {
		group := t.Windows[s*per : min((s+1)*per, len(t.Windows))]
		mean := func(of func(*exectrace.Window) float64) float64 {
			var sum float64
			for i := range group {
				sum += of(&group[i])
			}
			return short(sum / float64(len(group)))
		}
		out.Running = append(out.Running, mean(func(w *exectrace.Window) float64 { return w.Running }))
		out.Runnable = append(out.Runnable, mean(func(w *exectrace.Window) float64 { return w.Runnable }))
		out.Waiting = append(out.Waiting, mean(func(w *exectrace.Window) float64 { return w.Waiting }))
		out.Syscall = append(out.Syscall, mean(func(w *exectrace.Window) float64 { return w.Syscall }))
		out.SyncWait = append(out.SyncWait, mean(func(w *exectrace.Window) float64 { return w.SyncWait }))
		out.GC = append(out.GC, mean(func(w *exectrace.Window) float64 { return w.GC }))
		for p := range procs {
			out.Procs[p] = append(out.Procs[p], mean(func(w *exectrace.Window) float64 {
				if p < len(w.PerProc) {
					return w.PerProc[p]
				}
				return 0
			}))
		}
	}
	out.Heap, out.Locks = heapPoints(t), siteWaits(t)
	for _, c := range longest(t.Cycles, MaxMarks, func(c exectrace.Interval) time.Duration { return c.To - c.From }) {
		out.Marks = append(out.Marks, Span{int64(c.From), int64(c.To)})
	}
	for _, p := range longest(t.Pauses, MaxPauses, func(p exectrace.Pause) time.Duration { return p.Effective }) {
		out.Pauses = append(out.Pauses, Pause{int64(p.Raw.From), int64(p.Raw.To), int64(p.Effective), wait.StopText(p.Reason)})
	}
	return out
}

// heapPoints thins the heap metric to MaxHeapPoints, keeping of each bucket its
// lowest and highest value so that the sawtooth stays as tall as it was.
func heapPoints(t *exectrace.Timeline) []HeapPoint {
	var all []HeapPoint
	for _, h := range t.Heap {
		all = append(all, HeapPoint{int64(h.At), h.Live, h.Goal})
	}
	if len(all) <= MaxHeapPoints {
		return all
	}
	var out []HeapPoint
	buckets := MaxHeapPoints / 2
	for b := range buckets {
		part := all[b*len(all)/buckets : (b+1)*len(all)/buckets]
		low, high := 0, 0
		for i := range part {
			if part[i].Live < part[low].Live {
				low = i
			}
			if part[i].Live > part[high].Live {
				high = i
			}
		}
		out = append(out, part[min(low, high)])
		if low != high {
			out = append(out, part[max(low, high)])
		}
	}
	return out
}

// siteWaits is the longest waits for locks of a trace, by the sites with most waiting.
func siteWaits(t *exectrace.Timeline) []SiteWaits {
	by := map[string]*SiteWaits{}
	for i := range t.Waits {
		w := &t.Waits[i]
		if w.Class != wait.Mutex && w.Class != wait.RWRead && w.Class != wait.RWWrite {
			continue
		}
		site := w.Stack.Site()
		s := by[site.Function]
		if s == nil {
			s = &SiteWaits{Site: claim.Site(site)}
			by[site.Function] = s
		}
		s.Total += int64(w.Total)
		s.Count += w.Count
		for _, span := range w.Worst {
			s.Worst = append(s.Worst, WaitSpan{Span{int64(span.From), int64(span.To)}, span.Goroutine})
		}
	}
	var out []SiteWaits
	for _, s := range by {
		slices.SortFunc(s.Worst, func(a, b WaitSpan) int {
			return cmp.Or(-cmp.Compare(a.To-a.From, b.To-b.From), cmp.Compare(a.From, b.From), cmp.Compare(a.Goroutine, b.Goroutine))
		})
		s.Worst = upTo(MaxWaitSpans, s.Worst)
		if s.Total >= int64(t.Duration)/100 { // what waits for less than a hundredth of the trace is not seen in it
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b SiteWaits) int {
		return cmp.Or(-cmp.Compare(a.Total, b.Total), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return upTo(MaxWaitSites, out)
}

// check holds a timeline to its bounds, and its series to one length.
func (t *Timeline) check() error {
	if t.Step < 0 || t.Duration < 0 {
		return errors.New("negative time")
	}
	steps := len(t.Running)
	if steps > MaxSteps || len(t.Procs) > maxProcs || len(t.Heap) > MaxHeapPoints || len(t.Marks) > MaxMarks || len(t.Pauses) > MaxPauses || len(t.Locks) > MaxWaitSites {
		return errors.New("too long to draw")
	}
	for _, l := range t.Locks {
		if len(l.Worst) > MaxWaitSpans {
			return errors.New("too many waits to draw")
		}
	}
	for _, series := range append([][]float64{t.Runnable, t.Waiting, t.Syscall, t.SyncWait, t.GC}, t.Procs...) {
		if len(series) != steps {
			return errors.New("series of different lengths")
		}
	}
	return nil
}
