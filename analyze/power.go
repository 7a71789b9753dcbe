package analyze

import (
	"fmt"
	"math"
	"time"

	"inquest/analyze/evidence"
)

// Power is the smallest fault that a reading would have shown in the evidence it
// had. A reading that shows nothing denies a claim only where that is no larger
// than what matters.
type Power struct {
	Least   evidence.Quantity // smallest fault that would have shown; no unit when nobody knows
	Matters evidence.Quantity // smallest fault that matters, in the same unit
	Says    string            // the smallest fault in words, such as "8 % or more of the CPU samples"
}

// Enough reports whether every fault that matters would have shown.
func (p Power) Enough() bool { return p.Least.Unit != "" && p.Least.Number <= p.Matters.Number }

// thin says why a reading without the power to deny its claim denies nothing.
func (p Power) thin() string {
	return fmt.Sprintf("it would have shown %s, and %s matters", p.Says, p.Matters)
}

// What the power of a kind of evidence is judged by, where a measure states none of its own.
const (
	// certain is the rule of three: what happens at a rate of three per stretch looked at
	// is seen in it with a probability of 95 %.
	certain = 3
	// presentRate is how often a fault happens in the present at least, per second:
	// in a trace that was asked for a second, and that the recorder ended a little early, it shows.
	presentRate = certain / 0.9
	// loggedRate is the same for gctrace, which is kept for as long as a process runs.
	loggedRate = 1.0
	// noticed is the least share of CPU that a change can show in a comparison.
	noticed = 0.05
	// growthTime is how long a service may take to start and fill its pools: longer
	// than that two states must lie apart to deny growth that would have shown between them.
	growthTime = 10 * time.Minute
	// smallGrowth is 16 sampled objects at the default rate (runtime/mprof.go, MemProfileRate).
	smallGrowth = 8 << 20
)

// power is what the exhibits of one kind can show, whatever they are asked; of several, the best. why
// says what keeps all of them from showing anything.
func power(kind evidence.Kind, exhibits []*evidence.Exhibit) (best Power, why string) {
	for _, e := range exhibits {
		p, reason := powerOf(kind, e, exhibits)
		switch {
		case p.Least.Unit == "":
			why = reason
		case best.Least.Unit == "" || p.Least.Number < best.Least.Number:
			best = p
		}
	}
	if best.Least.Unit != "" {
		why = ""
	}
	return best, why
}

func powerOf(kind evidence.Kind, e *evidence.Exhibit, all []*evidence.Exhibit) (Power, string) {
	if e.Apart != "" {
		return Power{}, e.Apart
	}
	// What was read of a trace or a log is a shorter one; half a list of goroutines is none.
	if e.Coverage != evidence.Whole && e.Trace == nil && e.GC == nil {
		return Power{}, e.Path + " was read in part only"
	}
	often := func(over time.Duration, matters float64) Power {
		least := evidence.Quantity{Number: certain / max(over.Seconds(), 1e-9), Unit: evidence.PerSecond}
		return Power{least, evidence.Quantity{Number: matters, Unit: evidence.PerSecond}, fmt.Sprintf("what happens %s or more often", least)}
	}
	switch {
	case kind == evidence.Trace && e.Trace != nil:
		t := e.Trace
		given := e.Duration
		for _, g := range t.Gaps {
			given -= g.To - g.From
		}
		if all := t.Procs.Running + t.Procs.Idle; all > 0 && evidence.Part(t.Procs.Running, all).Number < idleTrace {
			return Power{}, "the process was idle while the trace was taken"
		}
		return often(given, presentRate), ""
	case kind == evidence.CPU && e.Profile != nil:
		p := e.Profile
		if used := p.Total(p.Column("cpu")); e.Duration > 0 && evidence.Part(time.Duration(used), e.Duration).Number < idleCPU {
			return Power{}, "the process was idle while the CPU profile was taken"
		}
		return SharePower(0, p.Total(max(p.Column("samples"), 0)), noticed, "of the CPU samples"), ""
	case kind == evidence.Heap:
		return growthPower(all), ""
	case kind == evidence.GCTrace && e.GC != nil:
		return often(e.GC.Total.To-e.GC.Total.From, loggedRate), ""
	case kind == evidence.Dump && e.Dump != nil && e.Dump.Lone():
		return Power{}, "the dump holds one goroutine only"
	}
	one := evidence.Of(1, evidence.Count)
	return Power{one, one, "a single case"}, ""
}

// growthPower is the slowest growth that heap profiles of one process show.
func growthPower(exhibits []*evidence.Exhibit) Power {
	var from, to time.Time
	for _, e := range exhibits {
		if e.Duration > 0 || e.CapturedAt.IsZero() {
			continue
		}
		if from.IsZero() || e.CapturedAt.Before(from) {
			from = e.CapturedAt
		}
		if e.CapturedAt.After(to) {
			to = e.CapturedAt
		}
	}
	return GrowthPower(smallGrowth, to.Sub(from))
}

// GrowthPower is the power of two states that lie some time apart, of which the
// later must hold so many bytes more.
func GrowthPower(bytes float64, over time.Duration) Power {
	per := func(d time.Duration) evidence.Quantity {
		return evidence.Quantity{Number: bytes / max(d.Seconds(), 1e-9), Unit: evidence.BytesPerSec}
	}
	return Power{per(over), per(growthTime), fmt.Sprintf("growth of %s or more", per(over))}
}

// SharePower is the power of a number of samples against a claim that something
// has a share of them: so large must the true share be that what is seen of it
// reaches the limit in 19 of 20 cases (twice the standard error of a binomial share), by three samples at least.
func SharePower(limit float64, samples int64, matters float64, of string) Power {
	n := float64(max(samples, 1))
	least := max(limit, certain/n)
	for range 20 { // least = limit + 2 sqrt(least (1-least) / n), which converges fast
		least = min(max(limit+2*math.Sqrt(least*(1-min(least, 1))/n), certain/n), 1)
	}
	q := evidence.Quantity{Number: least, Unit: evidence.Share}
	return Power{q, evidence.Quantity{Number: matters, Unit: evidence.Share}, fmt.Sprintf("%s or more %s", q, of)}
}

// empowered makes a reading silent that would deny without the power to do so.
func empowered(r Reading, kind evidence.Kind, exhibits []*evidence.Exhibit) Reading {
	if r.Silent != "" {
		return r
	}
	general, why := power(kind, exhibits)
	if r.Power.Least.Unit == "" {
		r.Power = general
	}
	if why == "" && !r.Power.Enough() {
		why = r.Power.thin()
	}
	if why != "" && r.Says != "" {
		why = r.Says + "; " + why
	}
	r.Silent = why
	return r
}
