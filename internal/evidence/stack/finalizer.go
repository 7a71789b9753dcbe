package stack

import "strings"

// finalizerRoots are the functions in which the runtime's goroutines call finalizers and cleanups
// (runtime/mfinal.go, runtime/mcleanup.go).
var finalizerRoots = set(`runtime.runfinq runtime.runFinalizers runtime.runCleanups`)

// Finalizer returns the part of a stack that the runtime has called as a finalizer or a cleanup, leaf first. It is
// nil when there is none, as while such a goroutine waits for objects to finalize.
func (s Stack) Finalizer() Stack {
	root := len(s) - 1
	if root >= 0 && s[root].Function == "runtime.goexit" {
		root--
	}
	if root < 0 || !finalizerRoots[s[root].Function] {
		return nil
	}
	for _, f := range s[:root] {
		if pkg := Package(f.Function); pkg != "runtime" && !strings.HasPrefix(pkg, "internal/runtime/") {
			return s[:root]
		}
	}
	return nil
}
