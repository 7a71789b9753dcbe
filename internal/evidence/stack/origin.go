package stack

import "strings"

// Origin returns the function that panicked, of a stack as debug.Stack prints it
// when it is called by a function that was deferred.
func Origin(trace []byte) string {
	_, rest, _ := strings.Cut(string(trace), "\npanic(")
	for i, line := range strings.Split(rest, "\n") {
		if name, _, ok := strings.Cut(line, "("); ok && i > 1 && !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "runtime.") {
			return name
		}
	}
	return "an unknown place"
}
