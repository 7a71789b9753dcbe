package dump

import (
	"bytes"
	"fmt"
	"regexp"
)

const (
	unexpected = "found unexpected goroutines:" // go.uber.org/goleak
	potential  = "POTENTIAL DEADLOCK"           // github.com/sasha-s/go-deadlock
	observed   = "Observed a panic:"            // k8s.io/apimachinery, pkg/util/runtime
)

var (
	// goleakHead is how goleak names a goroutine (internal/stack, String).
	goleakHead = regexp.MustCompile(`Goroutine (\d{1,18}) in state ([^,\[\]]{1,60}(?:, \d+ minutes)?)(?:, locked to thread)?, with \S+ on top of the stack:$`)
)

// foreign returns a line in which a leak checker names a goroutine as the lines in which Go does; nil for others.
// checked reports that it is one of goleak.
func foreign(line []byte) (lines [][]byte, checked bool) {
	i := bytes.Index(line, []byte("Goroutine "))
	if i < 0 || len(line) > 1024 {
		return nil, false
	}
	text := bytes.TrimSpace(line)
	if !bytes.Contains(text, []byte(" in state ")) { // patterns take long
		return nil, false
	}
	if m := goleakHead.FindSubmatch(text); m != nil {
		// What stands before it may be the line that introduces the list.
		before := bytes.TrimRight(text[:bytes.Index(text, m[0])], " [")
		state, minutes, _ := bytes.Cut(m[2], []byte(", "))
		if len(minutes) > 0 {
			minutes = append([]byte(", "), minutes...)
		}
		if !bytes.HasSuffix(before, []byte(unexpected)) { // the list began further up, or its beginning was cut off
			before = nil
		}
		return [][]byte{before, nil, fmt.Appendf(nil, "goroutine %s [%s (leaked)%s]:", m[1], state, minutes)}, true
	}
	return nil, false
}
