package reading

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
)

// PerSecond is waiting per second of wall time: by Little's law, how many wait at any moment.
func PerSecond(d, wall time.Duration) evidence.Quantity {
	if wall <= 0 {
		return evidence.Quantity{Unit: evidence.SecPerSec}
	}
	return evidence.Quantity{Number: float64(d) / float64(wall), Unit: evidence.SecPerSec}
}

// Busiest returns the stretch of the window in which a number is highest; the
// whole trace when it has no windows.
func Busiest(t *exectrace.Timeline, number func(exectrace.Window) float64) claim.Location {
	best := -1
	for i, w := range t.Windows {
		if best < 0 || number(w) > number(t.Windows[best]) {
			best = i
		}
	}
	if best < 0 {
		return claim.Location{To: int64(t.Duration)}
	}
	from := time.Duration(best) * t.WindowLength
	return claim.Location{From: int64(from), To: int64(min(from+t.WindowLength, t.Duration))}
}

// minTrace is the shortest trace whose rates are worth anything.
const minTrace = 100 * time.Millisecond

// TooShort says why a trace is too short for its rates to be worth anything; empty when it is not.
func TooShort(e *evidence.Exhibit) claim.Text {
	if d := e.Trace().Duration; d < minTrace {
		return claim.Textf("the trace covers only %s", evidence.Duration(d))
	}
	return ""
}

// ShortTrace is the length below which a trace is a glimpse: a fold over fewer
// than a handful of scheduling quanta and collections denies nothing.
const ShortTrace = 200 * time.Millisecond

// busyEvents is what a busy program brings about in the time that ShortTrace asks for, at the very least: one event in 200 µs.
const busyEvents = 1000

// Glimpse reports whether a trace holds too little to deny anything: neither
// the time that ShortTrace asks for nor as many events as a busy program has in that time.
func Glimpse(t *exectrace.Timeline, events int64) bool {
	return t.Duration < ForcedPreemption || t.Duration < ShortTrace && events < busyEvents
}

// RateOf is how often something happened per second.
func RateOf(n float64, over time.Duration) evidence.Quantity {
	return evidence.Quantity{Number: n / max(over, 1).Seconds(), Unit: evidence.PerSecond}
}
