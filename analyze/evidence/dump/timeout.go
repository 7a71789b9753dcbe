package dump

import (
	"regexp"
	"strings"
	"time"
)

// Timeout is a test binary that ran out of time, as package testing or the go command says.
type Timeout struct {
	Limit   time.Duration // of the test binary (-timeout)
	Killed  bool          // by the go command, a minute after the binary should have ended itself
	Running []RunningTest // as printed since Go 1.21; empty where the list is missing or nothing ran
	Listed  bool          // the list was printed
	Dump    *Dump         // the goroutines printed with it
}

// RunningTest is a test, a benchmark's or fuzz target's run, or a subtest of one, that was under way.
type RunningTest struct {
	Name    string
	Elapsed time.Duration
}

var (
	timedOut = regexp.MustCompile(`^test timed out after (\d[\d.hmsµun]*)`)
	killed   = regexp.MustCompile(`^\*\*\* Test killed(?: with quit)?: ran too long \((\d[\d.hms]*)\)\.?$`)
	running  = regexp.MustCompile(`^((?:Test|Benchmark|Fuzz|Example)\S*) \((\d[\d.hmsµn]*)\)$`)
)

// runningTest reports whether a line is one of the list of running tests.
func runningTest(line string) bool {
	return strings.HasSuffix(line, ")") && running.MatchString(line) // the pattern takes long
}

// timeout reads the message of a test that took too long; nil for another.
func timeout(message string, d *Dump) *Timeout {
	t := &Timeout{Dump: d}
	if !strings.Contains(message, "ran too long (") && !strings.HasPrefix(message, "test timed out after ") {
		return nil // the patterns take long
	}
	if m := killed.FindStringSubmatch(message); m != nil {
		t.Killed = true
		t.Limit, _ = time.ParseDuration(m[1])
		return t
	}
	m := timedOut.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	t.Limit, _ = time.ParseDuration(m[1])
	for line := range strings.SplitSeq(message, "\n") {
		line = strings.TrimSpace(line)
		if line == "running tests:" {
			t.Listed = true
			continue
		}
		if m := running.FindStringSubmatch(line); m != nil && t.Listed {
			elapsed, _ := time.ParseDuration(m[2])
			t.Running = append(t.Running, RunningTest{m[1], elapsed})
		}
	}
	return t
}
