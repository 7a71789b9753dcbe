package runtimelog

import (
	"time"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// Began is when the process started, as the stamps of its lines have it; zero when they carry none.
func (l *Log) Began() time.Time { return l.Start }

// Totals adds it up.
func (g *GC) Totals() (out content.Totals) {
	t := g.Total
	out.Count("collections", t.Cycles)
	out.Count("forced", t.Forced)
	out.Time("time with a collection under way", t.Busy)
	out.Time("world stopped", t.Paused)
	out.Time("longest stop at the start of a collection", t.SweepTerm)
	out.Time("longest stop at the end of one", t.MarkTerm)
	out.Time("processor time of background marking", t.Background)
	out.Time("processor time of mark assists", t.Assist)
	out.Add("collector's share of all processor time since the start", quantity.Quantity{Number: g.Share, Unit: quantity.Share})
	out.Add("marked heap, first window", quantity.Of(g.Windows[0].Live, quantity.Bytes))
	out.Add("marked heap, last window", quantity.Of(g.Windows[len(g.Windows)-1].Live, quantity.Bytes))
	out.Add("largest marked heap", quantity.Of(t.MostLive, quantity.Bytes))
	return out
}

// EachStack hands over nothing: the runtime logs numbers.
func (g *GC) EachStack(func(stack.Stack)) {}

// Within keeps the windows of collections that lie in a stretch of time, whole.
func (g *GC) Within(_, from, to time.Time) content.Part {
	left := *g
	left.Windows, left.Total, left.Longest = nil, GCWindow{}, nil
	inside := func(a, z time.Duration) bool {
		return !g.Start.Add(z).Before(from) && (to.IsZero() || !g.Start.Add(a).After(to))
	}
	for i := range g.Windows {
		w := g.Windows[i]
		if !inside(w.From, w.To) {
			continue
		}
		if left.Windows = append(left.Windows, w); len(left.Windows) == 1 {
			left.Total = w
		} else {
			left.Total.Add(&w)
		}
	}
	if len(left.Windows) == 0 {
		return content.Part{Says: "no collection is in the window"}
	}
	for _, c := range g.Longest {
		if inside(c.At, c.At) {
			left.Longest = append(left.Longest, c)
		}
	}
	return content.Part{
		Content: &left, At: g.Start.Add(left.Total.From), For: left.Total.To - left.Total.From,
		Says: prose.Textf("%d of %d collections; the collector's share of all processor time stays that since the process started", left.Total.Cycles, g.Total.Cycles),
	}
}

// Totals adds it up.
func (s *Sched) Totals() (out content.Totals) {
	t := s.Total
	out.Count("moments", t.Samples)
	out.Add("idle processors, mean", quantity.Of(float64(t.Idle)/float64(t.Samples), quantity.Count))
	out.Add("goroutines queued, mean", quantity.Of(float64(t.Queued)/float64(t.Samples), quantity.Count))
	out.Count("most goroutines queued", t.MostQueued)
	out.Count("most threads", t.MostThreads)
	return out
}

// EachStack hands over nothing, as that of gctrace.
func (s *Sched) EachStack(func(stack.Stack)) {}

// Within keeps the windows of lines that lie in a stretch of time, whole.
func (s *Sched) Within(at, from, to time.Time) content.Part {
	left := *s
	left.Windows, left.Total = nil, SchedWindow{}
	for i := range s.Windows {
		w := s.Windows[i]
		if at.Add(w.To-s.Total.From).Before(from) || !to.IsZero() && at.Add(w.From-s.Total.From).After(to) {
			continue
		}
		if left.Windows = append(left.Windows, w); len(left.Windows) == 1 {
			left.Total = w
		} else {
			left.Total.Add(&w)
		}
	}
	if len(left.Windows) == 0 {
		return content.Part{Says: "no line is in the window"}
	}
	return content.Part{
		Content: &left, At: at.Add(left.Total.From - s.Total.From), For: left.Total.To - left.Total.From,
		Says: prose.Textf("%d of %d lines", left.Total.Samples, s.Total.Samples),
	}
}
