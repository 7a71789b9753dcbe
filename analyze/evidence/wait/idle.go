package wait

import (
	"strings"

	"inquest/analyze/evidence/stack"
)

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
