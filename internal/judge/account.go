package judge

import (
	"time"

	"inquest/internal/evidence/exectrace"
)

// Loss is what the account of a trace says its operations lose most by.
type Loss struct {
	Operation *exectrace.Operation
	Part      *exectrace.Part // the largest of the lost time; of an operation that loses nothing, the largest of all
	Ran       *exectrace.Part // of those who had the processors meanwhile, what they ran most; nil when Part is no wait for a processor
	Time      time.Duration   // of all that is lost in the same way
	Loud      bool            // it is more than a healthy program loses
}

// What makes a loss loud. Operations of less than a millisecond are bursts that take turns.
const (
	LeastMean     = time.Millisecond // of an operation
	LeastStanding = 1                // operations that stand in a queue on average
	CallStanding  = 2                // times GOMAXPROCS, of those in system calls: the operating system works on some of them
	LeastLost     = 0.5              // share of the active time that queueing, calls or waits for a processor take
	LeastStopped  = 0.2              // and that stops of the world take
	StoppedWall   = 0.02             // share of the trace that these take
)

// LossOf returns what the operations of a trace lose most by: loud ones before others, the most time of these first, of others those of the
// group that has most under way. It is nil without operations.
func LossOf(t *exectrace.Timeline) *Loss {
	var most *Loss
	for i := range t.Account.Operations {
		op := &t.Account.Operations[i]
		l := lossOf(t, op)
		if l != nil && (most == nil || l.Loud && (!most.Loud || l.Time > most.Time)) {
			most = l
		}
	}
	if most != nil && most.Part.Kind == exectrace.PartProcessor {
		for i := range t.Account.Processors.Parts {
			if p := &t.Account.Processors.Parts[i]; p.Kind != exectrace.PartStopped && p.By == most.Part.By {
				most.Ran = p
				break
			}
		}
	}
	return most
}

// lostBy tells the ways in which time is lost apart.
type lostBy int

const (
	byNothing lostBy = iota
	byQueueing
	byCalls
	byProcessors
	byStops
)

func wayOf(p *exectrace.Part) lostBy {
	switch {
	case p.Kind == exectrace.PartStopped:
		return byStops
	case p.Kind == exectrace.PartProcessor && p.Queued:
		return byProcessors
	case p.Queued:
		return byQueueing
	case p.Kind == exectrace.PartCall:
		return byCalls
	}
	return byNothing
}

func lossOf(t *exectrace.Timeline, op *exectrace.Operation) *Loss {
	var lost [byStops + 1]time.Duration
	var largest [byStops + 1]*exectrace.Part
	for i := range op.Parts {
		p := &op.Parts[i]
		way := wayOf(p)
		lost[way] += p.Time
		if largest[way] == nil && p.Kind != exectrace.PartRest && p.Kind != exectrace.PartUnknown {
			largest[way] = p
		}
	}
	var most *Loss
	for way, part := range largest {
		if part == nil {
			continue
		}
		l := &Loss{Operation: op, Part: part, Time: lost[way], Loud: loud(t, op, lostBy(way), lost[way])}
		if most == nil || l.Loud && !most.Loud || l.Loud == most.Loud && l.Time > most.Time {
			most = l
		}
	}
	return most
}

func loud(t *exectrace.Timeline, op *exectrace.Operation, way lostBy, lost time.Duration) bool {
	share := func(part, whole time.Duration) float64 { return float64(part) / float64(max(1, whole)) }
	standing := share(lost, t.Duration)
	switch way {
	case byNothing:
		return false
	case byStops:
		// One stop is an accident, of the machine for the most part.
		rest := t.PauseTotal
		for _, p := range t.Pauses {
			rest = min(rest, t.PauseTotal-p.Effective)
		}
		return share(lost, op.Active)*share(rest, t.PauseTotal) >= LeastStopped && share(rest, t.Duration) > StoppedWall
	case byCalls:
		standing /= CallStanding * float64(max(1, t.Procs.Max))
	}
	switch op.Kind {
	case exectrace.Request, exectrace.Driver:
		return op.Mean >= LeastMean && standing >= LeastStanding && share(lost, op.Active) >= LeastLost
	}
	return false
}

// Sites returns the functions that a loss names.
func (l *Loss) Sites() []string {
	out := []string{l.Part.Site.Function, l.Part.By.Function, l.Part.For.Function}
	if l.Ran != nil {
		out = append(out, l.Ran.Site.Function)
	}
	return out
}
