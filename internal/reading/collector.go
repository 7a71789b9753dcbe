package reading

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// CollectorCPU is the samples of a CPU profile by what they do for the collector.
type CollectorCPU struct {
	Total      int64
	Background int64 // dedicated and fractional mark workers
	idle       int64 // mark workers on processors nobody wanted
	Assist     int64 // marking by goroutines that allocate
	Sweep      int64 // sweeping, by the background sweeper or on the way to an allocation
	phases     int64 // starting and ending collections
	system     int64 // all the runtime's own goroutines for it: workers, sweeper, scavenger
}

// Work is what the collector costs.
func (g CollectorCPU) Work() int64 { return g.Background + g.Assist + g.Sweep + g.phases }

// Used is the samples outside idle-mode workers.
func (g CollectorCPU) Used() int64 { return g.Total - g.idle }

// Mutators is the samples of the program's own goroutines.
func (g CollectorCPU) Mutators() int64 { return g.Total - g.system }

// CollectorIn adds up what a CPU profile shows of the collector.
func CollectorIn(p *pprofile.Profile, column int) CollectorCPU {
	var g CollectorCPU
	if column < 0 {
		return g
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		n := s.Values[column]
		g.Total += n
		part := GCPart(s.Stack)
		switch part.Work {
		case gcIdle:
			g.idle += n
		case GCAssisting:
			g.Assist += n
		case gcBackground:
			g.Background += n
		case gcSweeping:
			g.Sweep += n
		case gcPhases:
			g.phases += n
		}
		if part.system {
			g.system += n
		}
	}
	return g
}

// The kinds of work for the collector that a stack can show.
const (
	GCNone = iota
	gcIdle
	GCAssisting
	gcBackground
	gcSweeping
	gcPhases
)

// GCStack is what a stack does for the collector.
type GCStack struct {
	Work   int
	system bool // on a goroutine of the runtime's own
}

// GCPart puts a stack into one class. The frames are those of runtime/mgc.go,
// mgcmark.go and mgcsweep.go; the wrappers gcDrainMarkWorker* exist so that profiles show
// the mode of a worker.
func GCPart(s stack.Stack) GCStack {
	var part GCStack
	for _, f := range s {
		switch f.Function {
		case "runtime.gcDrainMarkWorkerIdle":
			part.Work = gcIdle
		case "runtime.gcAssistAlloc":
			part.Work = GCAssisting
		case "runtime.gcBgMarkWorker":
			part.system = true
			if part.Work != gcIdle {
				part.Work = gcBackground
			}
		case "runtime.bgsweep":
			part.system = true
			part.Work = gcSweeping
		case "runtime.sweepone", "runtime.(*sweepLocked).sweep", "runtime.deductSweepCredit":
			if part.Work == GCNone {
				part.Work = gcSweeping
			}
		case "runtime.bgscavenge":
			part.system = true
		case "runtime.gcStart", "runtime.gcMarkDone", "runtime.gcMarkTermination", "runtime.wbBufFlush":
			if part.Work == GCNone {
				part.Work = gcPhases
			}
		}
	}
	return part
}

// The stacks that gcPart knows, as pprof is told to focus on them.
const (
	FocusMark   = "runtime.gcBgMarkWorker$"
	FocusAssist = "runtime.gcAssistAlloc$"
	FocusSweep  = "runtime.(bgsweep|sweepone|deductSweepCredit|.*sweepLocked.*sweep)$"
	FocusAll    = FocusMark + "|" + FocusAssist + "|" + FocusSweep + "|runtime.(gcStart|gcMarkDone|gcMarkTermination|wbBufFlush)$"
)

// CollectorTop returns the command that counts the collector's samples.
func CollectorTop(e *evidence.Exhibit, focus claim.Text) claim.Command {
	ignore := claim.Text("runtime.gcDrainMarkWorkerIdle")
	if focus == FocusSweep { // what is swept in an assist is the assist's
		ignore = "runtime.(gcDrainMarkWorkerIdle|gcAssistAlloc|gcBgMarkWorker)$"
	}
	return claim.Top(e, "samples").With("-focus="+focus, "-ignore="+ignore)
}
