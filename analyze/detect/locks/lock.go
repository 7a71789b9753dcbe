// Package locks holds the detectors of locks: which serialises the program, which is held for long, which is never given back.
package locks

import (
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// lockJudgement decides how bad waiting for a lock is, for detectors that carry the
// limits min-wait, min-count and max-busy.
type lockJudgement struct {
	severity claim.Severity
	thin     bool
	votes    bool // too little for a claim, and enough to vouch for that of another kind
	caveats  []claim.Text
	excuses  []claim.Text
}

// judgeLock weighs what goroutines waited at a lock. By Little's law the waiting per second is how many
// stand there at any moment. Where no rate is known, it is that over the age of the process;
// where that is not known either, the CPU spent under the lock in a stretch of known length tells whether the lock is in use
// now; else it is an info.
func judgeLock(in *claim.Input, l reading.LockSite, wall time.Duration) (j lockJudgement) {
	j.thin = l.Count < int64(in.Limit("min-count").Number)
	excuses := []claim.Excuse{judge.BusyElsewhere(in, l.Users()...), {Holds: j.thin, Says: claim.Textf("%s may have met by chance", evidence.Amount(l.Count, "waiter", "waiters"))}}
	switch {
	case l.Count == 0:
		return j
	case wall > 0:
	case in.Process.Age > 0:
		wall, j.thin = in.Process.Age, true
		j.caveats = append(j.caveats, claim.Textf("the rate is that over the %s for which the process had been running, as other evidence shows", evidence.Duration(in.Process.Age)))
	default:
		j.thin = true
		processors, all, over := judge.UsedUnder(in, l.Users())
		switch {
		// A long life leaves some hundreds of long waits behind, of slow starts and single stalls.
		case l.Mean() >= in.Limit("min-wait-since-start").Duration() && float64(l.Count) >= in.Limit("min-count-since-start").Number:
			j.severity = claim.Warning
		case judge.Serial(processors) && 2*processors >= all && l.Delay >= over:
			j.severity = claim.Warning
			j.caveats = append(j.caveats, claim.Textf("that the lock is in use now shows in the CPU samples: %.2f of the %.2f processors in use are below it", processors, all))
		case l.Delay >= time.Second:
			j.severity = claim.Info
		default:
			j.votes = float64(l.Mean()) >= in.Limit("min-wait").Number*in.Limit("min-vote-wait").Number
		}
		return j
	}
	standing := float64(l.Delay) / float64(wall)
	// Short waits hold up no operation that anybody would notice; what they take is processors that could run meanwhile. Long
	// ones mostly are for a holder that waits itself, for a disk or a peer, and take none.
	if l.Mean() >= in.Limit("min-wait").Duration() {
		j.severity = in.Severity(claim.Impact{Of: claim.Operations, Standing: standing, Mean: l.Mean()}, excuses...)
	} else {
		procs, most := float64(in.Process.GOMAXPROCS), claim.Warning
		if procs == 0 {
			// How many could run is unknown; how many do, the CPU samples of the case tell. Without either it is a fact that accuses nobody.
			_, used, over := in.Process.Under("")
			procs = max(used, 1)
			if over == 0 {
				most = claim.Info
			}
			j.caveats = append(j.caveats, claim.Textf("GOMAXPROCS is unknown; what the waiting takes was judged against %.1f processors", procs))
		}
		j.severity = min(most, in.Severity(claim.Impact{Of: claim.Processors, Share: standing / procs}, excuses...))
	}
	j.votes = standing >= in.Limit("impact.min-standing").Number*in.Limit("min-vote-wait").Number
	for _, e := range excuses {
		if e.Holds && j.severity > claim.NoSeverity {
			j.excuses = append(j.excuses, e.Says)
		}
	}
	return j
}

// maxEnds bounds the functions noted as users of one lock.
const maxEnds = 16

// fixInside is what to change where a lock is the standard library's own and its
// critical section cannot be; nil elsewhere.
func fixInside(s stack.Site) []claim.Text {
	switch {
	case !stack.Standard(s.Function):
		return nil
	case stack.Package(s.Function) == "log" || stack.Package(s.Function) == "log/slog":
		return []claim.Text{
			"Give the logger a writer that does not block: hand the lines to a goroutine of its own through a buffered channel, and count and drop them when it is full",
			"Log less in the hot path, and never to a pipe whose reader may fall behind",
		}
	}
	return []claim.Text{
		claim.Textf("The lock belongs to the standard library (%s): what is done inside it cannot be moved, so call it less often or for less", claim.Func(s.Function)),
		"Give each worker an object of its own instead of sharing one",
	}
}

// lockWaiting is the whole that shares of a lock's waiting are part of: profiles and
// traces charge the same waiting to its two ends, who gave the lock back and who waited.
const lockWaiting = "waiting for locks"

// lockPath puts the type of a method behind it in the path: writers hold a lock in
// one method that readers ask for in another, and lock() and unlock() are two
// methods as well, but one type has mostly one lock.
func lockPath(site stack.Site, path []string) []string {
	typ, ok := stack.MethodType(site.Function)
	if !ok || len(path) == 0 {
		return path
	}
	return slices.Insert(slices.Clone(path), 1, typ)
}
