package judge

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/reading"
)

// fewWaits is how many waits of a group show that it is late where they are long on average: one of them alone does
// not make five long.
const fewWaits = 5

// LateForCPU returns the goroutines that answer to the outside and wait longest
// for processors because the program keeps them busy; nil when there are none.
func LateForCPU(in *claim.Input, t *exectrace.Timeline) *exectrace.Group {
	// Where the machine is short of processors, or most of them idle, it is not for want of CPU of the program.
	if len(t.Gaps) > 2 && UsedOf(in.Process).Number < GivenCPU || t.Duration < reading.ShortTrace || evidence.Part(t.Procs.Running, t.ProcTime()).Number < in.Limit("min-busy").Number {
		return nil
	}
	least := reading.UsualLateness
	least.P99, least.ReadAhead, least.Few = in.Limit("min-p99").Number, true, fewWaits
	late, _ := reading.LateGroups(t, least)
	if len(late) == 0 {
		return nil
	}
	// Requests take turns on a busy processor; they are held up where somebody always waits for one.
	queue := claim.Impact{Of: claim.Operations, Standing: reading.PerSecond(late[0].Runnable.Sum, t.Duration).Number}
	if in.Severity(queue) < claim.Warning {
		return nil
	}
	return late[0]
}

// GivenCPU is the default of max-given.
const GivenCPU = 0.75

// UsedOf is the part of the processors that the CPU profiles of a case have in use; 0 when unknown.
func UsedOf(c claim.Process) evidence.Quantity {
	_, used, over := c.Under("")
	if over <= 0 || c.GOMAXPROCS <= 0 {
		return evidence.Quantity{Unit: evidence.Share}
	}
	return evidence.Part(used, float64(c.GOMAXPROCS))
}

// RanFact tells for which part of all running the goroutines of a group ran.
func RanFact(e *evidence.Exhibit, g *exectrace.Group, limit *claim.LimitUse) claim.Fact {
	all := e.Trace().Ran()
	return claim.Fact{
		Exhibit: e.ID, Says: claim.Textf("time for which goroutines of %s ran", claim.Func(g.Start.Function)), Value: evidence.Part(g.Slices.Sum, all), Of: claim.PartOf(evidence.Duration(all), "the time for which all goroutines ran"),
		Limit: limit, At: claim.At(g.Start), Reproduce: claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(g.Start.Function))),
	}
}

// LateFact tells how long a group of goroutines waits for a processor.
func LateFact(e *evidence.Exhibit, g *exectrace.Group, limit *claim.LimitUse) claim.Fact {
	return claim.Fact{
		Exhibit: e.ID, Says: claim.Textf("what %s of the waits for a processor of goroutines of %s exceed", reading.Beyond(&g.Runnable), claim.Func(g.Start.Function)), Value: evidence.Duration(reading.Tail(&g.Runnable)),
		Of:    claim.PartOf(evidence.Of(g.Runnable.Count, evidence.Count), "waits for a processor in the group"),
		Limit: limit, At: claim.At(g.Start), Reproduce: claim.TraceProfile(e, "sched"),
	}
}
