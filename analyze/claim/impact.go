package claim

import (
	"time"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
)

// Currency is what a fault takes from a program.
type Currency string

// What a program is for, and what it lives on.
const (
	Operations Currency = "operations" // requests, and what else answers to the outside: the time they are under way
	Processors Currency = "processors" // GOMAXPROCS times wall time
	Memory     Currency = "memory"     // the live heap, or the limit set for it
	Goroutines Currency = "goroutines" // all goroutines of the process that are not idle by design
)

// Impact is how much of a program a fault takes. It is always a sum, over a time or
// at a moment: ten thousand short events weigh as much as one long one. How
// many events it was read from says how sure it is (Candidate.Thin), not how much it is.
type Impact struct {
	Of    Currency
	Share float64 // taken, of the whole, 0 to 1; 0 when the whole is unknown
	// Of operations alone: how many are held up at any moment, which by Little's law is
	// their waiting over the time it was measured in, and how long one is held up.
	Standing float64
	Mean     time.Duration // 0 when unknown, as at one moment
	Moment   bool          // Standing was counted at one moment and is no average
}

// Excuse is a reason why something measured is meant or costs nothing, such as that the
// processors are busy with other work. It counts only where the evidence shows it, and
// then makes a fact an info: it never removes it.
type Excuse struct {
	Holds bool
	Says  Text // what the evidence shows
}

// ImpactLimits are what severity follows from, for all detectors; their names begin with "impact.".
var ImpactLimits = []Limit{
	{Name: "min-share", Default: evidence.Quantity{Number: 0.05, Unit: evidence.Share},
		Doc:    "processors, memory or goroutines that a fault takes, from which it is an info",
		Source: "Judgement call: a twentieth is the least that a change is made for"},
	{Name: "min-share-warning", Default: evidence.Quantity{Number: 0.25, Unit: evidence.Share},
		Doc:    "the same, from which it is a warning",
		Source: "runtime/mgcpacer.go, gcBackgroundUtilization: a quarter is what the runtime itself takes for its largest chore"},
	{Name: "min-share-critical", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
		Doc:    "the same, or operations in flight that a fault holds up, from which it is critical",
		Source: "Judgement call: most of what the program is for stands still"},
	{Name: "min-standing", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Count},
		Doc:    "operations held up at any moment, on average, from which it is an info",
		Source: "Judgement call: for a tenth of the time somebody is held up"},
	{Name: "min-standing-warning", Default: evidence.Quantity{Number: 1, Unit: evidence.Count},
		Doc:    "operations held up at any moment, on average, from which it is a warning",
		Source: "Little's law: somebody is always held up, so what holds them up is never free"},
	{Name: "min-standing-moment", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
		Doc:    "operations held up at the one moment that a dump shows, from which it is a warning",
		Source: "Poisson: 10 at a random moment are more than 4 on average, at 99 %, and no short meeting of two or three"},
	{Name: "min-wait-critical", Default: evidence.Duration(time.Second),
		Doc:    "mean time for which an operation is held up, from which it is critical where it is a warning",
		Source: "Judgement call: a second is longer than people wait without noticing, and callers begin to try again"},
}

// Severity is how bad an impact is at the limits in force.
func (in *Input) Severity(i Impact, excuses ...Excuse) Severity {
	severity := NoSeverity
	limit := func(name string) float64 { return in.limits["impact."+name].Number }
	if i.Of == Operations {
		warning := limit("min-standing-warning")
		if i.Moment {
			warning = limit("min-standing-moment")
		}
		switch {
		case i.Standing >= warning && (i.Share >= limit("min-share-critical") || i.Mean >= time.Duration(bound.Float(limit("min-wait-critical")))):
			severity = Critical
		case i.Standing >= warning:
			severity = Warning
		case i.Standing >= limit("min-standing"):
			severity = Info
		}
	} else {
		switch {
		case i.Share >= limit("min-share-critical"):
			severity = Critical
		case i.Share >= limit("min-share-warning"):
			severity = Warning
		case i.Share >= limit("min-share"):
			severity = Info
		}
	}
	for _, e := range excuses {
		if e.Holds {
			severity = min(severity, Info)
		}
	}
	return severity
}

// Weigh sets how bad a candidate is from its impact, and notes the excuses that hold.
func (in *Input) Weigh(c *Candidate, i Impact, excuses ...Excuse) {
	c.Severity = in.Severity(i, excuses...)
	c.Share = max(c.Share, min(i.Share, 1))
	for _, e := range excuses {
		if e.Holds {
			c.Excuses = append(c.Excuses, e.Says)
		}
	}
}
