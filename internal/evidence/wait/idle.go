package wait

import (
	"strings"

	"inquest/internal/evidence/stack"
)

// What is idle by design stands in this file alone: detectors ask it, and add nothing.

// MayAwaitWork reports whether goroutines in waits of a class may be workers that wait for work: a
// receive, a select and a condition look the same in one that has work and waits for its end.
func (c Class) MayAwaitWork() bool {
	return c == ChanRecv || c == Select || c == Cond || c == Coroutine || c == Other
}

// AtWork reports whether a goroutine runs, or has work in hand that it waits for, sleeps in, or is in the runtime or
// the operating system for.
func AtWork(class Class, s stack.Stack) bool {
	switch class {
	case "", Sleep, Syscall, Assist:
		return true
	}
	return !Idle(class, s)
}

// ForWork reports whether a goroutine is idle by design, or a worker that may be waiting for work. A request
// has work, whatever it waits in, and so has whoever wants a slot.
func ForWork(class Class, s stack.Stack) bool {
	return Idle(class, s) || class.MayAwaitWork() && !InRequest(s) && !ForSlot(class, s)
}

// ForReply reports whether a goroutine waits for something that the program itself will do: not for the next
// request, the answer of a peer, a slot or a lock.
func ForReply(class Class, s stack.Stack) bool {
	switch class {
	case ChanRecv, Select, Cond:
		return !ForSlot(class, s) && !Idle(class, s) && !ForAnswer(s)
	}
	return false
}

// Idle reports whether a stack that waits is one on which goroutines wait
// by design. A lock wait never is: whoever asks for a lock has work to do.
func Idle(class Class, s stack.Stack) bool {
	switch class {
	case Mutex, RWRead, RWWrite, Sync:
		return false
	case System, Sleep, Assist, Syscall, Preempted:
		return true
	}
	// The goroutine is the runtime's, what stands still in it is the program's.
	if s.Finalizer() != nil {
		return false
	}
	serving := false
	for _, f := range s {
		switch name := stack.Normal(f.Function); {
		case name == "github.com/valyala/fasthttp.(*workerPool).workerFunc", name == "github.com/panjf2000/ants/v2.(*goWorker).run", strings.HasPrefix(name, "testing."):
			// Idle only when nothing of the application runs inside it.
			if !serving {
				return idleFrames[name]
			}
		case idleFrames[name]:
			return true
		case name == "net/http.(*conn).serve":
			// Between two requests the connection's goroutine reads the next one itself.
			return class == Network && !serving
		case !stack.Standard(name):
			serving = true
		}
	}
	return false
}
