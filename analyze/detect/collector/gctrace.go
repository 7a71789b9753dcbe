// Package collector holds the detectors of the garbage collector and of the stops that it and others ask for.
package collector

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/reading"
)

// stretch is consecutive windows of collections.
type stretch struct {
	runtimelog.GCWindow
	procs time.Duration     // its duration x GOMAXPROCS
	cost  evidence.Quantity // collector's processor time without idle-mode workers, of procs
}

// Span joins consecutive windows of a log.
func Span(g *runtimelog.GC, windows []runtimelog.GCWindow) stretch {
	var s stretch
	for i := range windows {
		if i == 0 {
			s.GCWindow = windows[0]
			continue
		}
		s.GCWindow.Add(&windows[i])
	}
	s.procs = bound.Mul(s.lasted(), time.Duration(max(g.Procs, 1)))
	s.cost = evidence.Part(min(s.work(), s.procs), s.procs)
	return s
}

func (s *stretch) lasted() time.Duration { return max(s.To-s.From, 0) }

// work is the collector's processor time without idle-mode workers.
func (s *stretch) work() time.Duration {
	return bound.Add(bound.Add(s.Assist, s.Background), s.Stopped)
}

// busy is the time in collections that nobody forced, of the stretch.
func (s *stretch) busy() evidence.Quantity {
	return evidence.Part(min(s.Busy-s.BusyForced, s.lasted()), s.lasted())
}

// perSecond is how many collections there were.
func (s *stretch) perSecond() evidence.Quantity {
	return reading.RateOf(float64(s.Cycles), s.lasted())
}

// at is where in the log's time the stretch is.
func (s *stretch) at() claim.Location {
	return claim.Location{From: int64(s.From), To: int64(s.To)}
}

// worstPart returns the part of a log in which the collector cost most, and the
// whole log where that is short: an incident is over before the log ends.
func worstPart(g *runtimelog.GC) stretch {
	const parts, shortest = 8, 10 * time.Second
	worst := Span(g, g.Windows)
	if worst.lasted() < parts*shortest {
		return worst
	}
	begin := 0
	for i := range g.Windows {
		if w := g.Windows[i]; w.To-g.Windows[begin].From < worst.lasted()/parts && i < len(g.Windows)-1 {
			continue
		}
		if s := Span(g, g.Windows[begin:i+1]); s.lasted() >= shortest && s.cost.Number > worst.cost.Number {
			worst = s
		}
		begin = i + 1
	}
	return worst
}

// minRoomLive is the marked heap from which gctrace's whole MB say how much room the goal leaves.
const minRoomLive = 32 << 20

// minCycles is how many collections tell more than those that the recording itself set off.
var minCycles = evidence.Quantity{Number: 5, Unit: evidence.Count}
