package analyze

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// thin says why a reading without the power to deny its claim denies nothing.
func thin(p claim.Power) claim.Text {
	return claim.Textf("it would have shown %s, and %s matters", p.Says, p.Matters)
}

// What the power of a kind of evidence is judged by, where a measure states none of its own.
const (
	// presentRate is how often a fault happens in the present at least, per second:
	// in a trace that was asked for a second, and that the recorder ended a little early, it shows.
	presentRate = claim.Certain / 0.9
	// loggedRate is the same for gctrace, which is kept for as long as a process runs.
	loggedRate = 1.0
	// noticed is the least share of CPU that a change can show in a comparison.
	noticed = 0.05
	// smallGrowth is 16 sampled objects at the default rate (runtime/mprof.go, MemProfileRate).
	smallGrowth = 8 << 20
)

// power is what the exhibits of one kind can show, whatever they are asked; of several, the best. why
// says what keeps all of them from showing anything.
func power(kind evidence.Kind, exhibits []*evidence.Exhibit) (best claim.Power, why claim.Text) {
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

func powerOf(kind evidence.Kind, e *evidence.Exhibit, all []*evidence.Exhibit) (claim.Power, claim.Text) {
	if e.Apart != "" {
		return claim.Power{}, e.Apart
	}
	// What was read of a trace or a log is a shorter one; half a list of goroutines is none.
	if e.Coverage != evidence.Whole && !kind.Divisible() {
		return claim.Power{}, claim.Path(e.Path).Text() + " was read in part only"
	}
	often := func(over time.Duration, matters float64) claim.Power {
		least := evidence.Quantity{Number: claim.Certain / max(over, 1).Seconds(), Unit: evidence.PerSecond}
		return claim.Power{Least: least, Matters: evidence.Quantity{Number: matters, Unit: evidence.PerSecond}, Says: claim.Textf("what happens %s or more often", least)}
	}
	switch {
	case kind == evidence.Trace:
		t := e.Trace()
		given := e.Duration
		for _, g := range t.Gaps {
			given -= g.To - g.From
		}
		if all := t.Procs.Running + t.Procs.Idle; all > 0 && evidence.Part(t.Procs.Running, all).Number < idleTrace {
			return claim.Power{}, "the process was idle while the trace was taken"
		}
		return often(given, presentRate), ""
	case kind == evidence.CPU:
		p := e.Profile()
		if used := p.Total(p.Column("cpu")); e.Duration > 0 && evidence.Part(time.Duration(used), e.Duration).Number < idleCPU {
			return claim.Power{}, "the process was idle while the CPU profile was taken"
		}
		return claim.SharePower(0, p.Total(max(p.Column("samples"), 0)), noticed, "of the CPU samples"), ""
	case kind == evidence.Heap:
		return growthPower(all), ""
	case kind == evidence.GCTrace:
		return often(e.GC().Total.To-e.GC().Total.From, loggedRate), ""
	case kind == evidence.Dump && e.Dump().Lone():
		return claim.Power{}, "the dump holds one goroutine only"
	}
	one := evidence.Of(1, evidence.Count)
	return claim.Power{Least: one, Matters: one, Says: "a single case"}, ""
}

// growthPower is the slowest growth that heap profiles of one process show.
func growthPower(exhibits []*evidence.Exhibit) claim.Power {
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
	return claim.GrowthPower(smallGrowth, to.Sub(from))
}

// empowered makes a reading silent that would deny without the power to do so.
func empowered(r claim.Reading, kind evidence.Kind, exhibits []*evidence.Exhibit) claim.Reading {
	if r.Silent != "" {
		return r
	}
	general, why := power(kind, exhibits)
	if r.Power.Least.Unit == "" {
		r.Power = general
	}
	if why == "" && !r.Power.Enough() {
		why = thin(r.Power)
	}
	if why != "" && r.Says != "" {
		why = r.Says + "; " + why
	}
	r.Silent = why
	return r
}
