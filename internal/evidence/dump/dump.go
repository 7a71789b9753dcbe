// Package dump reads goroutine dumps: the text of a goroutine profile at
// debug=2, of SIGQUIT and of a crash, wherever it hides among other log lines,
// the crashes that such dumps tell of, and the reports of the race detector.
// It records what was said and never what it means.
//
// Two libraries read such dumps. Neither reads a goroutine with labels, which Go
// 1.27 prints by default: panicparse/v2 v2.5.0 stops at the first, and gostackparse
// v0.7.0 skips each, and those with gp= and m= in the header as well. gostackparse
// also drops the argument words, and with them the addresses that tell locks
// apart; neither looks into JSON records or behind changing prefixes.
package dump

import (
	"time"

	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Dump is one snapshot of goroutines as a program printed them.
type Dump struct {
	Goroutines []Goroutine
	Lines      [2]int       // first and last line of the dump in its file, 1-based
	Time       time.Time    // stamp of the nearest log line; zero when the log has none
	Origin     string       // what printed it: "debug=2", "SIGQUIT", "fatal error", "panic"; "" when it cannot be told
	Message    string       // the panic or fatal error text above it, on one line; empty for a plain dump
	Elided     int          // "...additional frames elided..." markers met
	GoVersion  string       // such as "go1.24.9", when the file names of the standard library tell it
	Partial    bool         // something was cut off or left out; Problems says what
	Problems   []prose.Text // cut off, unparsable headers: one sentence each
}

// Lone reports whether the dump is only the stack of a goroutine that panicked.
// The runtime prints no more by default (GOTRACEBACK=single), and what recovers a
// panic prints no more either: it is no picture of the process.
func (d *Dump) Lone() bool { return d.Origin == "panic" && len(d.Goroutines) == 1 }

// date sets the dump's time from a log line that carries one with a year.
func (d *Dump) date(line []byte) bool {
	const end = 512 // records have their time at either end
	for i, s := range [][]byte{line[:min(len(line), end)], line[max(len(line)-end, 0):]} {
		if i > 0 && len(line) <= end {
			break
		}
		if t, zoned, ok := logline.Stamp(s); ok {
			d.Time = t
			if !zoned {
				d.Problems = append(d.Problems, "the time stamps of its log name no time zone and were read as UTC")
			}
			return true
		}
	}
	return false
}

// Goroutine is one goroutine of a dump.
type Goroutine struct {
	ID        int64
	State     string        // as printed: "semacquire", "sync.Mutex.Lock", "chan send", "IO wait", "running"
	Wait      time.Duration // whole minutes as printed; 0 when below one minute or not waiting
	Leaked    bool          // "(leaked)": the goroutine leak detector proved it
	Scan      bool
	Durable   bool
	Locked    bool // locked to its thread
	Bubble    int  // synctest bubble; 0 for none
	Labels    map[string]string
	Frames    []Frame     // leaf first
	CreatedBy stack.Frame // zero for the main goroutine
	Creator   int64       // goroutine that created it; 0 when not printed
	Line      int         // line of its header in the file, 1-based

	shared stack.Stack // Stack, of those that stand at the same place; nil where it is not known
}

// Frame is a frame of a dump, with its printed argument words.
type Frame struct {
	stack.Frame
	Args    []uint64 // argument words in order; a lock's address is the first of its method. A stale one ("0x..?") is kept, see Stale.
	Stale   uint32   // a bit for each word of Args, the first the lowest: it carried a question mark and may be out of date
	Inlined bool     // "(...)": the arguments were not printed
}

// Word returns an argument word that is in force: printed, and not marked as one
// that may be out of date (runtime/traceback.go, printArgs). 0 stands for one that is not.
func (f *Frame) Word(i int) uint64 {
	if i >= len(f.Args) || f.Stale>>i&1 != 0 {
		return 0
	}
	return f.Args[i]
}

// Stack returns the goroutine's frames without arguments, leaf first. Goroutines may share it.
func (g *Goroutine) Stack() stack.Stack {
	if len(g.shared) > 0 && len(g.shared) == len(g.Frames) {
		return g.shared
	}
	s := make(stack.Stack, len(g.Frames))
	for i := range g.Frames {
		s[i] = &g.Frames[i].Frame
	}
	return s
}
