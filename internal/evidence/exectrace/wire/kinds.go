package wire

import "math"

// Bytes that batches begin with, and kinds of events, as the format numbers them
// (internal/trace/tracev2/events.go).
const (
	evEventBatch = 1
	evStacks     = 2
	evStack      = 3
	evStrings    = 4
	evString     = 5
	evSamples    = 6
	evSample     = 7
	evFrequency  = 8

	evProcsChange = 9
	evProcStart   = 10
	evProcStop    = 11
	evProcSteal   = 12
	evProcStatus  = 13

	evGoCreate            = 14
	evGoCreateSyscall     = 15
	evGoStart             = 16
	evGoDestroy           = 17
	evGoDestroySyscall    = 18
	evGoStop              = 19
	evGoBlock             = 20
	evGoUnblock           = 21
	evGoSyscallBegin      = 22
	evGoSyscallEnd        = 23
	evGoSyscallEndBlocked = 24
	evGoStatus            = 25

	evSTWBegin           = 26
	evSTWEnd             = 27
	evGCActive           = 28
	evGCBegin            = 29
	evGCEnd              = 30
	evGCSweepActive      = 31
	evGCSweepBegin       = 32
	evGCSweepEnd         = 33
	evGCMarkAssistActive = 34
	evGCMarkAssistBegin  = 35
	evGCMarkAssistEnd    = 36
	evHeapAlloc          = 37
	evHeapGoal           = 38

	evGoLabel         = 39
	evUserTaskBegin   = 40
	evUserTaskEnd     = 41
	evUserRegionBegin = 42
	evUserRegionEnd   = 43
	evUserLog         = 44

	evGoSwitch        = 45 // since Go 1.23, as the three that follow
	evGoSwitchDestroy = 46
	evGoCreateBlocked = 47
	evGoStatusStack   = 48

	evExperimentalBatch = 49
	evSync              = 50 // since Go 1.25
	evClockSnapshot     = 51
	evEndOfGeneration   = 52 // since Go 1.26

	evSpan     = 128 // the first of nine kinds of the experiment "alloc/free", since Go 1.23
	evsOfSpans = 9
)

// kind is what is known of a kind of event. Nothing else depends on how events are written.
type kind struct {
	rule    rule  // nil where no thread writes it; it is followed by the time since the thread's event before
	args    uint8 // how many numbers follow the time
	stacks  uint8 // which of these are ids of stacks, as bits
	strings uint8 // and of strings
	needs   uint8 // what the thread must have
	nobody  bool  // it is written without a thread, too, when a generation ends (traceAdvance in runtime/trace.go)
}

// What a thread must have for an event.
const (
	needsP = 1 << iota
	needsG
)

// nobody is the id of the thread of batches that no thread wrote.
const nobody = math.MaxUint64

// Bits for the numbers of an event.
const (
	arg0 = 1 << iota
	arg1
	arg2
	arg3
	maxArgs = 4
)

// kinds is the table of kinds of events. Versions of the format differ in which of them the runtime writes,
// not in how: x/exp/trace takes all of them in every version, too.
var kinds = func() (t [256]kind) {
	for i, k := range map[int]kind{
		evProcsChange: {rule: amount(OpProcs), args: 2, stacks: arg1, needs: needsP | needsG}, // GOMAXPROCS, stack
		evProcStart:   {rule: (*Decoder).procStart, args: 2},                                  // P, its sequence
		evProcStop:    {rule: (*Decoder).procStop, needs: needsP},
		evProcSteal:   {rule: (*Decoder).steal, args: 3},      // P, its sequence, thread
		evProcStatus:  {rule: (*Decoder).procStatus, args: 2}, // P, status

		evGoCreate:            {rule: (*Decoder).goCreate, args: 3, stacks: arg1 | arg2, needs: needsP}, // goroutine, where it starts, stack
		evGoCreateBlocked:     {rule: (*Decoder).goCreate, args: 3, stacks: arg1 | arg2, needs: needsP}, // the same
		evGoCreateSyscall:     {rule: (*Decoder).goCreateSyscall, args: 1},                              // goroutine
		evGoStart:             {rule: (*Decoder).goStart, args: 2},                                      // goroutine, its sequence
		evGoDestroy:           {rule: (*Decoder).goDestroy, needs: needsP | needsG},
		evGoDestroySyscall:    {rule: (*Decoder).goDestroySyscall, needs: needsG},
		evGoStop:              {rule: (*Decoder).goStop, args: 2, strings: arg0, stacks: arg1, needs: needsP | needsG}, // reason, stack
		evGoBlock:             {rule: (*Decoder).goStop, args: 2, strings: arg0, stacks: arg1, needs: needsP | needsG}, // reason, stack
		evGoUnblock:           {rule: (*Decoder).goUnblock, args: 3, stacks: arg2},                                     // goroutine, its sequence, stack
		evGoSyscallBegin:      {rule: (*Decoder).syscallBegin, args: 2, stacks: arg1, needs: needsP | needsG},          // sequence of the P, stack
		evGoSyscallEnd:        {rule: (*Decoder).syscallEnd, needs: needsP | needsG},
		evGoSyscallEndBlocked: {rule: (*Decoder).syscallEndBlocked},
		evGoStatus:            {rule: (*Decoder).goStatus, args: 3, nobody: true},               // goroutine, thread, status
		evGoStatusStack:       {rule: (*Decoder).goStatus, args: 4, stacks: arg3, nobody: true}, // goroutine, thread, status, stack
		evGoSwitch:            {rule: (*Decoder).goSwitch, args: 2, needs: needsP | needsG},     // goroutine, its sequence
		evGoSwitchDestroy:     {rule: (*Decoder).goSwitch, args: 2, needs: needsP | needsG},     // goroutine, its sequence

		evSTWBegin:           {rule: (*Decoder).stwBegin, args: 2, strings: arg0, stacks: arg1, needs: needsP | needsG}, // why, stack
		evSTWEnd:             {rule: (*Decoder).stwEnd, needs: needsP | needsG},
		evGCActive:           {rule: (*Decoder).gcActive, args: 1},                                          // sequence
		evGCBegin:            {rule: (*Decoder).gcBegin, args: 2, stacks: arg1},                             // sequence, stack
		evGCEnd:              {rule: (*Decoder).gcEnd, args: 1},                                             // sequence
		evGCSweepActive:      {rule: (*Decoder).sweepActive, args: 1},                                       // P
		evGCSweepBegin:       {rule: (*Decoder).sweepBegin, args: 1, stacks: arg0, needs: needsP},           // stack
		evGCSweepEnd:         {rule: (*Decoder).sweepEnd, args: 2, needs: needsP},                           // bytes swept, bytes freed
		evGCMarkAssistActive: {rule: (*Decoder).assistActive, args: 1, nobody: true},                        // goroutine
		evGCMarkAssistBegin:  {rule: (*Decoder).assistBegin, args: 1, stacks: arg0, needs: needsP | needsG}, // stack
		evGCMarkAssistEnd:    {rule: (*Decoder).assistEnd, needs: needsP | needsG},
		evHeapAlloc:          {rule: amount(OpLive), args: 1, needs: needsP}, // bytes
		evHeapGoal:           {rule: amount(OpGoal), args: 1, needs: needsP}, // bytes

		evGoLabel:         {rule: (*Decoder).label, args: 1, strings: arg0, needs: needsP | needsG},                    // label
		evUserTaskBegin:   {rule: (*Decoder).taskBegin, args: 4, strings: arg2, stacks: arg3, needs: needsP | needsG},  // task, parent, name, stack
		evUserTaskEnd:     {rule: (*Decoder).taskEnd, args: 2, stacks: arg1, needs: needsP | needsG},                   // task, stack
		evUserRegionBegin: {rule: (*Decoder).region, args: 3, strings: arg1, stacks: arg2, needs: needsP | needsG},     // task, name, stack
		evUserRegionEnd:   {rule: (*Decoder).region, args: 3, strings: arg1, stacks: arg2, needs: needsP | needsG},     // task, name, stack
		evUserLog:         {rule: (*Decoder).log, args: 4, strings: arg1 | arg2, stacks: arg3, needs: needsP | needsG}, // task, key, value, stack

		evSpan:     {rule: (*Decoder).span, args: 3}, // id, pages, class
		evSpan + 1: {rule: (*Decoder).span, args: 3}, // the same, allocated
		evSpan + 2: {rule: (*Decoder).span, args: 1}, // id, freed
		evSpan + 3: {rule: (*Decoder).span, args: 2}, // object: id, type
		evSpan + 4: {rule: (*Decoder).span, args: 2}, // the same, allocated
		evSpan + 5: {rule: (*Decoder).span, args: 1}, // id, freed
		evSpan + 6: {rule: (*Decoder).span, args: 2}, // stack of a goroutine: id, order
		evSpan + 7: {rule: (*Decoder).span, args: 2}, // the same, allocated
		evSpan + 8: {rule: (*Decoder).span, args: 1}, // id, freed
	} {
		t[i] = k
	}
	return t
}()
