package exectrace

import (
	"time"

	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Account says where the time of a trace went: once as time of its processors, once as time of its
// operations. The parts of each sum to their whole exactly.
type Account struct {
	Processors ProcAccount
	Operations []Operation // most active first; groups beyond MaxOperations are one without a name
	Paths      []Path      // critical paths of the slowest user tasks, regions and requests, longest first, at most MaxPaths
}

// ProcAccount is where the time of the processors went.
type ProcAccount struct {
	Whole time.Duration // GOMAXPROCS times the time, over all changes of GOMAXPROCS
	Parts []Part        // largest first, at most MaxParts; For and Wall are empty, Queued is false
}

// Operation is what the goroutines of one group were busy with between two wake-ups from outside: the time in which
// somebody waits for them or for what they make. Children are part of the operation of whoever created them, and so
// are workers of those who gave them work, so they are no operations of their own.
type Operation struct {
	Group  stack.Site // the function in which its goroutines start; zero for the rest
	Kind   OperationKind
	Count  int64         // begun or under way; of Batch and Steady, goroutines
	Active time.Duration // that they were under way, summed: the whole of the parts
	Mean   time.Duration // Active of one
	Parts  []Part        // largest first, at most MaxParts; smaller ones are one part of the kind PartRest
	Gains  []Gain        // what could be won at the three largest places, most first
}

// OperationKind says what makes operations begin and end.
type OperationKind string

// The kinds of operations.
const (
	Request OperationKind = "request" // a server's frame is on the stack: from reading the request to waiting for the next
	Driver  OperationKind = "driver"  // begins by the network or a timer although no server's frame is known
	Batch   OperationKind = "batch"   // waits for nothing but what itself has set going: begins and ends with the goroutine
	Steady  OperationKind = "steady"  // goes on over the whole trace and is never idle
)

// Part is time of an operation, or of processors, of one kind at one place.
type Part struct {
	Kind PartKind
	// Site is where it went, in the code of By: where that ran, slept, called or stopped the world. Of PartUnended it is
	// where the operation itself stands, of PartUnknown it is zero.
	Site stack.Site
	By   stack.Site // the group whose goroutine did it, by its start function; zero when nobody's
	// For is where the operation itself waited meanwhile, and Class what it waited in; zero when it did not wait but
	// was at work, or runnable, itself.
	For   stack.Site
	Class wait.Class
	// Queued says that the time was in the hands of other operations: behind the holder of a lock, the earlier jobs
	// of a worker, or those who had the processors. The rest is the operation's own service.
	Queued bool
	Reason string        // of PartStopped: why the world was stopped, as the runtime gives it
	Time   time.Duration // summed over the operations
	// Wall is the time in which at least one operation stood so: what elapsed time could get less by. Where an operation
	// came to stand so many times at once it is an upper bound. It is at most Time.
	Wall time.Duration
}

// PartKind says how time was spent.
type PartKind string

// The kinds of parts. Those of processors are PartRunning, PartCollector, PartScheduler, PartIdle, PartHost, PartUnknown and PartRest.
const (
	PartRunning   PartKind = "running"     // code ran
	PartProcessor PartKind = "processor"   // runnable: By and Site say who had the processor meanwhile, zero when it was free or it cannot be told
	PartCollector PartKind = "collector"   // mark assists and waits of the collector; of processors its workers and sweeping as well
	PartStopped   PartKind = "stopped"     // the world was stopped: Site and By did it, for Reason
	PartCall      PartKind = "system call" // in the operating system or in C
	PartSleep     PartKind = "sleep"       // time.Sleep
	PartPeer      PartKind = "peer"        // for the network
	PartOutside   PartKind = "outside"     // ended by a timer or another event from outside
	PartHost      PartKind = "host"        // the machine ran no thread of the program although work was there
	PartUnseen    PartKind = "unseen"      // a lock was held by somebody whom the trace does not show
	PartUnended   PartKind = "unended"     // still waiting when the trace ended, where next to nobody's wait has ended
	PartUnknown   PartKind = "unknown"     // older than what is kept, or lost with a damaged generation
	PartScheduler PartKind = "scheduler"   // of processors: the runtime's scheduler and its goroutines other than the collector's
	PartIdle      PartKind = "idle"        // of processors: stopped for want of work
	PartRest      PartKind = "rest"        // smaller parts together
)

// Gain is a bound on what the operations of a group would gain if one place took no time.
//
// It assumes that the operations stay the same and as many, and that whoever does not wait there any more waits at no
// other place for longer, which they may well do; so it is a bound and no forecast. Counted are all parts at the place, own and
// queued, and all queueing at the same waits, since a queue may vanish when one of its causes does; of what runs or stops the
// world, waiting for a processor as well.
type Gain struct {
	Part   int     // index into Parts: the largest part at the place
	AtMost float64 // 0 to 1: operations would take at most this share less
	// Elapsed bounds by Wall what less time would elapse, as share of the trace.
	Elapsed float64
	Next    int // index into Parts of the largest queue that would remain; -1 when there is none
}

// Path is the critical path of one task, region or request: what held it up, from its begin to its end.
type Path struct {
	Kind      PathKind
	Name      string // type of the task or region, function of the handler
	Rank      string // "worst" or "p99"
	Count     int64  // how many of the name there were
	Goroutine int64
	Interval
	Steps []Step // in order, without holes, at most MaxSteps
}

// PathKind says what a Path is of.
type PathKind string

// The kinds of paths.
const (
	PathTask    PathKind = "task"
	PathRegion  PathKind = "region"
	PathRequest PathKind = "request"
)

// Step is a stretch of a critical path.
type Step struct {
	Interval
	Kind   PartKind
	Site   stack.Site // see Part
	By     stack.Site // who ran, slept or called then
	For    stack.Site // where the operation itself waited; zero when it did not
	Class  wait.Class // what it waited in
	Queued bool
}

// Bounds on what an Account keeps.
const (
	MaxOperations = 64
	MaxParts      = 64
	MaxPaths      = 32
	MaxSteps      = historySize + 1
)

// historySize is how many resolved stretches a goroutine keeps of its own past.
const historySize = 32
