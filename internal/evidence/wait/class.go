// Package wait is the vocabulary of waiting: what goroutines wait for, and by which frames of the
// standard and well-known libraries that is told.
package wait

import (
	"strings"

	"inquest/internal/evidence/stack"
)

// HasWork reports whether a goroutine that waits so has work in hand, which it cannot go on with: workers
// that wait for work stand at a receive, a select or a condition.
func (class Class) HasWork() bool {
	return class.IsLock() || class == ChanSend || class == WaitGroup || class == Sync
}

// HandedOver reports whether a wait of a class can only end by another goroutine or a timer.
func (c Class) HandedOver() bool {
	switch c {
	case ChanSend, ChanRecv, Select, Cond, WaitGroup, Sync, Coroutine:
		return true
	}
	return c.IsLock()
}

// OfState tells what a goroutine of a dump waits for. A goroutine that runs
// or could run waits for nothing: the empty class.
func OfState(state string, s stack.Stack) Class {
	state = strings.TrimSuffix(state, " (durable)")
	switch {
	case strings.HasPrefix(state, "running"), strings.HasPrefix(state, "runnable"), state == "preempted", state == "idle", state == "dead", state == "copystack":
		return ""
	case strings.HasPrefix(state, "chan send"):
		return ChanSend
	case strings.HasPrefix(state, "chan receive"):
		return ChanRecv
	case strings.HasPrefix(state, "select"):
		return Select
	case state == "IO wait":
		return Network
	case state == "sleep":
		return Sleep
	case state == "syscall":
		return Syscall
	case state == "sync.Cond.Wait":
		return Cond
	case state == "sync.WaitGroup.Wait":
		return WaitGroup
	case strings.HasPrefix(state, "sync."), strings.HasPrefix(state, "semacquire"):
		return syncClass(s)
	case state == "coroutine":
		return Coroutine
	case strings.HasPrefix(state, "GC assist"):
		return Assist
	}
	return System
}

// syncClass tells the waits that the runtime calls "sync" or "semacquire" apart.
func syncClass(s stack.Stack) Class {
	if use := LockOf(s); use.Kind != "" && !use.Unlock {
		switch use.Kind {
		case LockWrite:
			return RWWrite
		case LockRead:
			return RWRead
		}
		return Mutex
	}
	for _, f := range s {
		switch stack.Normal(f.Function) {
		case "sync.(*WaitGroup).Wait":
			return WaitGroup
		case "sync.(*Cond).Wait":
			return Cond
		}
		if !stack.Plumbing(f.Function) {
			break
		}
	}
	return Sync
}

// OfStack tells what a stack waits for by its leaf frames alone, as far as
// they say: goroutine profiles carry no wait reason. Where the text form of one has left the runtime's frames
// out, who is parked waits for something unknown: a channel or a select.
func OfStack(s stack.Stack) Class {
	if len(s) > 1 && s[0].Function == "runtime.gopark" && !stack.Plumbing(s[1].Function) {
		return Other
	}
	for _, f := range s {
		name := stack.Normal(f.Function)
		switch name {
		case "runtime.chansend", "runtime.chansend1":
			return ChanSend
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return ChanRecv
		case "runtime.selectgo", "runtime.block":
			return Select
		case "runtime.netpollblock", "internal/poll.runtime_pollWait":
			return Network
		case "time.Sleep", "runtime.timeSleep":
			return Sleep
		case "sync.runtime_notifyListWait", "sync.(*Cond).Wait": // the block profile begins with the latter
			return Cond
		case "sync.(*WaitGroup).Wait":
			return WaitGroup
		case "runtime.coroswitch":
			return Coroutine
		case "sync.runtime_Semacquire", "sync.runtime_SemacquireMutex", "internal/sync.runtime_SemacquireMutex",
			"sync.runtime_SemacquireRWMutex", "sync.runtime_SemacquireRWMutexR", "internal/poll.runtime_Semacquire",
			"sync.runtime_SemacquireWaitGroup", "runtime.semacquire1":
			return syncClass(s)
		}
		if strings.HasPrefix(name, "syscall.") {
			return Syscall
		}
		if !stack.Plumbing(f.Function) {
			return ""
		}
	}
	return ""
}

// IsLock reports whether a class of waits is a wait for a lock.
func (c Class) IsLock() bool {
	return c == Mutex || c == RWRead || c == RWWrite
}

// Class names what a goroutine waits for, finer than the runtime's reason: the
// reason "sync" covers mutexes, wait groups and semaphores, which only the stack
// tells apart.
type Class string

// The classes of waits.
const (
	Mutex     Class = "mutex"
	RWRead    Class = "rwmutex-read"
	RWWrite   Class = "rwmutex-write"
	WaitGroup Class = "waitgroup"
	Cond      Class = "cond"
	Sync      Class = "sync" // reason "sync" with a stack that names none of the above
	ChanSend  Class = "chan send"
	ChanRecv  Class = "chan receive"
	Select    Class = "select"
	Coroutine Class = "coroutine" // of iter.Pull, until its next value is asked for
	Network   Class = "network"
	Sleep     Class = "sleep"
	Assist    Class = "GC assist wait"
	Preempted Class = "preempted"
	System    Class = "system" // the runtime's own goroutines and GC waits
	Syscall   Class = "syscall"
	Other     Class = "other"
)
