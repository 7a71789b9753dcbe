// Package exectrace reads Go execution traces into a Timeline: aggregates,
// never events. It is the only package that knows x/exp/trace, and it never
// says what a Timeline means.
package exectrace

import (
	"time"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Timeline is what an execution trace says, folded. All times are offsets from
// the start of the trace, all durations wall time, unless a field says otherwise.
type Timeline struct {
	Version  string        // format as the header names it, such as "go1.26"
	Start    time.Time     // wall clock at offset 0; zero before Go 1.25, which records none
	Duration time.Duration // first to last event
	Events   int64         // events read, Sync events left out
	Reading  Reading       // how much of the file was understood
	Narrowed Narrowed      // what part of the trace this is; Start, Duration and all offsets are those of the part

	Account      Account // where all of the time went
	Procs        Procs
	Windows      []Window // consecutive slices of WindowLength, first to last
	WindowLength time.Duration

	Waits      []Wait        // where goroutines waited, by reason and stack, longest total first
	Holders    []Holder      // who made others wait for a lock, by unlocking and acquiring stack, longest total first
	Queues     []Queue       // waiting for what is most likely one lock, most waiting first, at most MaxQueues
	Moments    []LockMoment  // hand-overs of locks around the longest wait for each, longest wait first, at most MaxMoments
	Wakes      []Wake        // who woke whom, by site, most delay first, at most MaxWakes
	Groups     []Group       // goroutines by the function they started in, longest running first
	Latency    Latency       // runnable to running, all goroutines that are neither system nor yielding
	Pauses     []Pause       // stop-the-world ranges in order; the tracer's own start and stop included; above 10,000 the shorter are left out
	PauseCount int           // how many there were in all
	PauseTotal time.Duration // effective, summed over all
	Cycles     []Interval    // GC concurrent mark phases in order; above 10,000 the shorter are left out
	CycleCount int           // how many there were in all
	Assists    []Assist      // mark assists by the code that was made to assist, longest total first
	Sweep      time.Duration // GC incremental sweep done by mutators, summed over goroutines
	GCWork     GCWork        // processor time of the collector's own workers
	MMU        []Utilization // minimum mutator utilisation: what the collector leaves to the program at worst, by length of the stretch looked at
	Heap       []HeapPoint   // heap and goal over time, at most MaxHeapPoints
	Syscalls   []Wait        // time in system calls by stack, longest total first; Reason is "syscall"
	Open       []OpenWait    // goroutines still waiting at the end, longest first, at most MaxOpen
	OpenCount  int           // how many there were in all
	Samples    []StackCount  // CPU samples, most first; only while a CPU profile ran
	Tasks      []Task
	Regions    []Task
	InFocus    int64      // regions of tasks of the type Options.Task, begun so far; what it restricts is empty when there are none
	Logs       []Log      // at most MaxLogs, the first
	LogCount   int        // how many there were in all
	Gaps       []Interval // stretches of 10 ms or more in which no thread did anything while work was runnable and a P idle; of 30 ms or more when all Ps were busy
}

// Reading says how much of the trace was understood.
type Reading struct {
	Generations int           // seen in the file; 0 for formats before 1.22, which have none
	Read        int           // of those, read to their end
	Truncated   bool          // the file ends inside a generation
	Problem     prose.Text    // what stopped or damaged the reading; empty when whole
	Lost        time.Duration // estimate of the time that was not read; 0 when whole or unknown
	Inside      time.Duration // of Lost: between events that were read, so part of Duration
}

// Procs is the processors (Ps) of the trace.
type Procs struct {
	Max            int           // highest GOMAXPROCS, by metric or by Ps seen running
	Changes        int           // changes of GOMAXPROCS during the trace
	Running        time.Duration // summed over Ps: running a goroutine's code or the scheduler
	Idle           time.Duration // summed over Ps: stopped
	IdleWithDemand time.Duration // part of Idle while at least one goroutine was runnable (left out: yields, and waits under MinDemand)
	Flips          int64         // running-to-idle transitions
	PerProc        []Proc
}

// Proc is one P.
type Proc struct {
	ID             int
	Running        time.Duration
	Idle           time.Duration
	IdleWithDemand time.Duration
	Flips          int64
}

// Window is one slice of the trace.
type Window struct {
	Running  float64       // goroutines running, averaged over the window
	Runnable float64       // goroutines waiting for a P, averaged
	Waiting  float64       // goroutines blocked, averaged, system goroutines left out
	Syscall  float64       // goroutines in system calls, averaged
	PerProc  []float64     // per P, share of the window it was running; index is the P's id
	GC       float64       // share of the window with a mark phase under way
	Stopped  time.Duration // effective stop-the-world time in the window
	Heap     uint64        // last heap metric in or before the window, bytes; 0 when none yet
	Goal     uint64        // last heap goal, bytes
	SyncWait float64       // goroutines waiting for a Mutex or RWMutex, averaged
	Latency  time.Duration // longest runnable-to-running delay that ended in the window
}

// Interval is a stretch of the trace.
type Interval struct{ From, To time.Duration }

// Span is an interval of one goroutine.
type Span struct {
	Interval
	Goroutine int64
}

// Wait is what one stack waited for one reason.
type Wait struct {
	Reason     string // the runtime's word
	Class      wait.Class
	Stack      stack.Stack   // of the waiter; may be empty for waits that began before the trace
	Count      int64         // waits, those still open at the end included
	Open       int64         // of those, still waiting at the end
	Total      time.Duration // summed; open waits count to the end of the trace
	Max        time.Duration
	Goroutines int       // distinct goroutines
	Times      Histogram // of the single waits
	Worst      []Span    // the longest, longest first, at most MaxWorst
	Seen       Interval  // first start to last end
}

// Holder is one way in which a lock was held while others waited for it: the
// hold that ended with an unlock that woke a waiter. Its start is the end of the
// holder's own wait for the same lock where the trace shows one, so holds that began
// without contention are counted in Unknown and not in Times.
type Holder struct {
	Unlock   stack.Stack   // of the goroutine that unlocked
	Acquire  stack.Stack   // where it had taken the lock, as far as the trace shows; may be empty
	Waiter   stack.Stack   // of the waiters it woke, the most frequent
	Class    wait.Class    // Mutex, RWRead or RWWrite: what the waiter waited for
	Handoffs int64         // unlocks that woke a waiter
	Unknown  int64         // of those, without a known start
	Least    time.Duration // of the unknown, summed: at least so long, as the wait of the woken waiter proves
	Total    time.Duration // summed known holds
	Times    Histogram     // of the known holds
	Delay    time.Duration // how long the woken waiters had waited, summed
	Waited   time.Duration // how long goroutines waited while it was held, summed over them; no waiting counts twice
	Ran      time.Duration // of Total: running
	Runnable time.Duration // of Total: waiting for a P
	Syscall  time.Duration // of Total: in system calls
	Blocked  []Blocked     // of Total: blocked, by class and site, longest first, at most MaxBlocked
	Worst    []Span        // the longest holds
	// LeastBlocked is, of Least, where holders of unknown start are known to have waited, system calls included, longest first.
	LeastBlocked []Blocked
}

// Queue is the waiting for what is most likely one lock: that at one site, and at
// other sites where the same Unlock let waiters go.
type Queue struct {
	Sites  []stack.Site  // at most MaxQueueSites
	Waited time.Duration // summed over the goroutines
	Wanted time.Duration // time in which at least one goroutine waited
}

// LockMoment is what happened to the locks waited for at one site around the
// longest wait there that ended.
type LockMoment struct {
	Site    stack.Site
	Class   wait.Class
	Longest time.Duration // the wait
	Handed  []Handed      // in order, at most MaxHanded; that of the longest wait among them
}

// Handed is one hand-over of a lock: somebody gave it back and thereby woke who
// had waited for it.
type Handed struct {
	Holder   int64
	From, To time.Duration // it held the lock; when From is not known, at least since then
	Known    bool
	Waiter   int64
	Since    time.Duration // the waiter had waited, until To
}

// Blocked is time spent blocked at a site.
type Blocked struct {
	Class wait.Class
	Stack stack.Stack
	Total time.Duration
	Count int64
}

// Wake is an edge: code at From made goroutines that waited at To runnable.
type Wake struct {
	From, To stack.Site
	Class    wait.Class // of the wait that ended
	Count    int64
	Delay    time.Duration // how long the woken had waited, summed
}

// Group is the goroutines that started in one function.
type Group struct {
	Start       stack.Site    // where they start
	Creator     stack.Site    // where they are created, the most frequent; zero when before the trace
	Created     int64         // within the trace
	Ended       int64         // within the trace
	Idle        int64         // alive over the whole trace without ever running
	System      bool          // the runtime's own, or the tracer's
	Running     time.Duration // summed
	Slices      Histogram     // of runs, from getting a P to leaving it; voluntary yields left out
	Gaps        Histogram     // from leaving a P by blocking to running again
	Runnable    Histogram     // of waits for a P; voluntary yields left out
	Yields      int64         // runtime.Gosched and preemption by request of the runtime itself
	Yielded     time.Duration // waiting for a P after those, summed
	Lifetime    Histogram     // of goroutines born and ended within the trace
	Partner     stack.Site    // whom its short slices hand over to most often; zero when none
	MaxRunnable int           // most goroutines of the group runnable at one moment
}

// Latency is the delay between becoming runnable and running.
type Latency struct {
	Times         Histogram
	Total         time.Duration
	Max           time.Duration
	Worst         []Span
	MaxRunnable   int // most goroutines runnable at one moment
	MaxRunnableAt time.Duration
}

// Pause is one stop-the-world range.
type Pause struct {
	Reason      string        // as the runtime gives it, such as "GC mark termination" or "read mem stats"
	Goroutine   int64         // that stopped the world
	Stack       stack.Stack   // of that goroutine
	Raw         Interval      // begin event to end event
	TimeToStop  time.Duration // begin to the last P stopping; 0 when no P ran
	Effective   time.Duration // begin to the first P running user code again
	LastStopped Stopper       // who was last to stop; zero when no other P ran
}

// Stopper is the goroutine that delayed a stop.
type Stopper struct {
	Goroutine int64
	Proc      int
	Stack     stack.Stack // where it stood when it stopped
	Reason    string      // why it left its P
}

// Assist is time that one place spent marking for the collector.
type Assist struct {
	Stack   stack.Stack
	Count   int64
	Total   time.Duration // wall time from begin to end
	Running time.Duration // of Total: on a processor; the rest it was runnable or waited for credit
	Max     time.Duration
}

// GCWork is processor time of GC workers by mode.
type GCWork struct{ Dedicated, Fractional, Idle time.Duration }

// Utilization is the smallest share of processor time that was left to the
// program in any stretch of a length; stretches begin at whole milliseconds.
type Utilization struct {
	Length time.Duration // 1 ms, 10 ms, 100 ms or 1 s
	Min    float64       // 0 to 1, of GOMAXPROCS times Length
	At     time.Duration // where the worst stretch begins
}

// HeapPoint is the heap at one moment.
type HeapPoint struct {
	At      time.Duration
	Live    uint64 // /memory/classes/heap/objects:bytes
	Goal    uint64 // /gc/heap/goal:bytes
	AfterGC bool   // the lowest value after a mark phase ended: a floor of the sawtooth
}

// OpenWait is a goroutine that was still waiting when the trace ended.
type OpenWait struct {
	Goroutine int64
	Since     time.Duration // offset of its start; 0 when it waited before the trace began
	FromStart bool          // it waited over the whole trace
	Reason    string
	Class     wait.Class
	Stack     stack.Stack
}

// StackCount is a stack seen a number of times.
type StackCount struct {
	Stack stack.Stack
	Count int64
}

// Task is a user task type, or a region type.
type Task struct {
	Name                       string
	Count                      int64
	Times                      Histogram
	Worst                      []Span
	Running, Runnable, Syscall time.Duration // of the goroutines inside, summed; regions only
	Blocked                    []Blocked
}

// Log is one user log message.
type Log struct {
	At                time.Duration
	Goroutine         int64
	Task              uint64
	Category, Message string
}

// Bounds on what a Timeline keeps.
const (
	MaxWorst      = 5
	MaxOpen       = 1000
	MaxBlocked    = 10
	MaxHeapPoints = 2000
	MaxLogs       = 10000
	MaxWakes      = 1000
	MaxMoments    = 8
	MaxQueues     = 64
	MaxQueueSites = 16
	MaxHanded     = 24
)
