package judge

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/reading"
)

// Standing is a rate of waiting in words: by Little's law, how many goroutines wait at any moment.
func Standing(rate evidence.Quantity) claim.Text {
	if rate.Number < 1 {
		return claim.Textf("somebody waits for up to %s of the time", evidence.Quantity{Number: rate.Number, Unit: evidence.Share})
	}
	n := evidence.Quantity{Number: rate.Number, Unit: evidence.Count}
	if n.String() == "1" {
		return n.Text() + " goroutine waits on average"
	}
	return n.Text() + " goroutines wait on average"
}

// AgainstStanding is the limit that a rate of waiting is held against: one goroutine at any moment.
func AgainstStanding(in *claim.Input) *claim.LimitUse {
	limit := in.Against("impact.min-standing-warning")
	limit.Unit = evidence.SecPerSec
	return limit
}

// ShortWait is the mean below which waits at one place are not noticed one by one.
const ShortWait = time.Millisecond

// UsualProcs is more processors than most services are given.
const UsualProcs = 64

// Waits judges what goroutines waited at a place, over wall. Where that is not known it is the
// age of the process; where that is not known either, it is an info.
func Waits(in *claim.Input, c *claim.Candidate, w *reading.WaitSum, wall time.Duration, excuses ...claim.Excuse) {
	excuses = append(excuses, NotOutside(w.Request))
	if wall == 0 && in.Process.Age > 0 {
		wall, c.Thin = in.Process.Age, true
		c.Caveats = append(c.Caveats, claim.Textf("the rate is that over the %s for which the process had been running, as other evidence shows", evidence.Duration(wall)))
	}
	if wall == 0 {
		c.Thin = true
		in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: in.Limit("impact.min-standing").Number}, excuses...)
		return
	}
	standing := float64(w.Total) / float64(wall)
	// Short waits are not noticed one by one: what they take is counted as processors.
	if w.Mean() < ShortWait {
		in.Weigh(c, claim.Impact{Of: claim.Processors, Share: standing / procsOrUsual(in)}, excuses...)
		c.Severity = min(c.Severity, claim.Warning)
		return
	}
	in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: standing, Mean: w.Mean()}, excuses...)
}

// procsOrUsual is GOMAXPROCS or, where that is unknown, more than most services are given.
func procsOrUsual(in *claim.Input) float64 {
	if in.Process.GOMAXPROCS == 0 {
		return UsualProcs
	}
	return float64(in.Process.GOMAXPROCS)
}

// InFlight counts the operations of a dump that n goroutines of it are a part of: the requests of the same handlers where most
// of the n, those held, are in one, and else all goroutines at work.
func InFlight(d *dump.Dump, n int, held reading.Requests) float64 {
	if 2*held.Sum() >= float64(n) {
		return held.Alike(reading.RequestsIn(d))
	}
	return float64(reading.AtWork(d))
}

// Moment judges n goroutines that wait at a place at the moment of a dump, some of them in a request.
func Moment(in *claim.Input, c *claim.Candidate, d *dump.Dump, n int, held reading.Requests, excuses ...claim.Excuse) {
	whole := InFlight(d, n, held)
	excuses = append(excuses, NotOutside(len(held) > 0))
	in.Weigh(c, claim.Impact{Of: claim.Operations, Standing: float64(n), Moment: true, Share: evidence.Part(float64(n), whole).Number}, excuses...)
	c.Thin = c.Thin || float64(n) < in.Limit("impact.min-standing-moment").Number
}
