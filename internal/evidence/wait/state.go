package wait

import (
	"strings"

	"inquest/internal/evidence/prose"
)

// states are what the runtime says of goroutines in dumps (runtime/traceback.go, gStatusStrings; runtime/runtime2.go,
// waitReasonStrings), since Go 1.18.
var states = func() map[string]bool {
	m := map[string]bool{}
	for line := range strings.Lines(`idle
runnable
running
syscall
waiting
dead
copystack
leaked
preempted
waiting for cgo callback
GC assist marking
IO wait
chan receive (nil chan)
chan send (nil chan)
dumping heap
garbage collection
garbage collection scan
panicwait
select
select (no cases)
GC assist wait
GC sweep wait
GC scavenge wait
chan receive
chan send
finalizer wait
cleanup wait
force gc (idle)
GOMAXPROCS updater (idle)
semacquire
sleep
timer goroutine (idle)
sync.Cond.Wait
sync.Mutex.Lock
sync.RWMutex.RLock
sync.RWMutex.Lock
sync.WaitGroup.Wait
trace reader (blocked)
wait for GC cycle
GC worker (idle)
GC worker (active)
GC background sweeper wait
debug call
GC mark termination
stopping the world
flushing proc caches
trace goroutine status
trace proc status
page trace flush
coroutine
GC weak to strong wait
synctest.Run
synctest.Wait
`) {
		m[strings.TrimSuffix(line, "\n")] = true
	}
	return m
}()

// StateText is the state of a goroutine in a sentence: words where only the runtime can have said it.
func StateText(state string) prose.Text {
	core := state
	for _, end := range []string{" (scan)", " (leaked)", " (durable)"} {
		core = strings.TrimSuffix(core, end)
	}
	if states[core] {
		return prose.Of(prose.Words, state)
	}
	return prose.Of(prose.Said, state)
}

// Text is the class in a sentence: its names are ours.
func (c Class) Text() prose.Text { return prose.Of(prose.Words, string(c)) }

// stops are why the runtime stops the world (runtime/proc.go, stwReasonStrings).
var stops = func() map[string]bool {
	m := map[string]bool{}
	for reason := range strings.SplitSeq(`unknown
GC mark termination
GC sweep termination
write heap dump
goroutine profile
goroutine profile cleanup
all goroutines stack trace
read mem stats
AllThreadsSyscall
GOMAXPROCS
start trace
stop trace`, "\n") {
		m[reason] = true
	}
	return m
}()

// StopText is why the world was stopped in a sentence: words where only the runtime can have said it.
func StopText(reason string) prose.Text {
	if stops[reason] {
		return prose.Of(prose.Words, reason)
	}
	return prose.Of(prose.Said, reason)
}
