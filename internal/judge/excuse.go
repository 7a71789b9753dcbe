package judge

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
)

// BusyElsewhere excuses waiting for a lock where the processors are busy with other work than
// what runs under it: whoever waits for the lock would wait for a processor otherwise.
func BusyElsewhere(in *claim.Input, users ...string) claim.Excuse {
	processors, _, over := UsedUnder(in, users)
	return claim.Excuse{
		Holds: in.Process.Busy >= in.Limit("max-busy").Number && (over == 0 || in.Process.GOMAXPROCS == 1 || !Serial(processors)),
		Says:  claim.Textf("%s of the processors' time is in use: who waits here would wait for a processor otherwise", evidence.Quantity{Number: in.Process.Busy, Unit: evidence.Share}),
	}
}

// UsedUnder returns the most that any of some functions uses of the processors.
func UsedUnder(in *claim.Input, functions []string) (most, all float64, over time.Duration) {
	for _, f := range functions {
		n, total, window := in.Process.Under(f)
		most, all, over = max(most, n), total, window
	}
	return most, all, over
}

// Serial reports whether so many processors in use below a function that takes a lock are what one
// holder after the other uses: at least a fifth, and no more than one at a time can.
func Serial(processors float64) bool {
	return processors >= minSerial && processors <= maxSerial
}

// One holder after the other uses one processor at most; what a profile samples is off by some.
const (
	minSerial = 0.2
	maxSerial = 1.1
)

// NotOutside excuses waiting that holds up nothing that answers to the outside.
func NotOutside(request bool) claim.Excuse {
	return claim.Excuse{Holds: !request, Says: "those who wait here are not seen to answer to anybody outside: a batch is held back so on purpose"}
}

// Starved reports whether the program was not given its processors for so much of
// a trace that whoever serves others is slow for that alone: stretches in which no
// thread of it ran although there was work.
func Starved(t *exectrace.Timeline) bool {
	var lost time.Duration
	for _, g := range t.Gaps {
		lost += g.To - g.From
	}
	return lost*muchLost >= t.Duration
}

// muchLost is the part of a trace, one of so many, without which everybody is late: what waits for a processor then
// waits a quarter longer than it would with all of it.
const muchLost = 5

// StarvedExcuse excuses who is slow because the machine did not run the program.
func StarvedExcuse(t *exectrace.Timeline) claim.Excuse {
	return claim.Excuse{Holds: Starved(t), Says: "the program was not given its processors for a fifth of the trace: whoever serves others is slow for that alone"}
}
