package dump

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"inquest/internal/evidence/logline"
)

// Timeout is a test binary that ran out of time, as package testing or the go command says.
type Timeout struct {
	Limit   time.Duration // of the test binary (-timeout)
	Killed  bool          // by the go command, a minute after the binary should have ended itself
	Running []RunningTest // as printed since Go 1.21; empty where the list is missing or nothing ran
	Listed  bool          // the list was printed
	Begun   []string      // where it was not: tests, innermost ones only, that the log says were begun and not that they ended (go test -v)
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

// tests reports whether a dump is that of a test binary.
func tests(d *Dump) bool {
	return slices.ContainsFunc(d.Goroutines, func(g Goroutine) bool {
		return slices.ContainsFunc(g.Frames, func(f Frame) bool { return f.Function == "testing.(*M).Run" })
	})
}

// stopped is the end of a test binary by SIGQUIT. The go command sends it where a binary did not end itself
// in time, and says so below the goroutines only.
func stopped(d *Dump) *Crash {
	return &Crash{Class: TestTimeout, Message: "SIGQUIT: quit", Timeout: &Timeout{Dump: d, Killed: true}, Stack: thrower(d).Stack(),
		Count: 1, Lines: [2]int{d.Lines[0], d.Lines[0]}, Time: d.Time, Last: d.Time, GoVersion: d.GoVersion, Beside: len(d.Goroutines) - 1}
}

// begun matches what go test -v prints when a test begins, and when it has ended.
var (
	begun = regexp.MustCompile(`^=== RUN +(\S+)$`)
	ended = regexp.MustCompile(`^--- (?:PASS|FAIL|SKIP): (\S+) \(`)
)

// begunTests returns the tests that the lines above say were begun and not that they ended.
func (f *finder) begunTests(c *logline.Carrier) (names []string) {
	for i := max(0, f.next-maxRecent); i < f.next; i++ {
		line := bytes.TrimSpace(logline.Unstamped(c.Bare(f.recent[i%maxRecent])))
		if m := begun.FindSubmatch(line); m != nil {
			names = append(names, string(m[1]))
		} else if m := ended.FindSubmatch(line); m != nil {
			names = slices.DeleteFunc(names, func(n string) bool { return n == string(m[1]) })
		}
	}
	return slices.DeleteFunc(names, func(outer string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, outer+"/") })
	})
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
