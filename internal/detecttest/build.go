package detecttest

import (
	"strconv"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/wait"
)

// By sets how many goroutines were in a sum of waits.
func By(goroutines int, w exectrace.Wait) exectrace.Wait {
	w.Goroutines = goroutines
	return w
}

// Serving is a stack below the handling of a request.
func Serving(names ...string) []string { return append(names, "net/http.(*conn).serve") }

// ProfileOf is a CPU profile of ten seconds on two processors in which n of so many
// samples have a stack.
func ProfileOf(n, all int64, names ...string) *evidence.Exhibit {
	return CPUProfile(CPU(n, names...), CPU(all-n, "main.work"))
}

// Spread gives n goroutines numbers step apart and ages from 0 to oldest minutes.
func Spread(n int, step int64, oldest int, g dump.Goroutine) []dump.Goroutine {
	out := Many(n, 1, g)
	for i := range out {
		out[i].ID = 1 + int64(i)*step
		out[i].Wait = time.Duration(oldest*(n-1-i)/max(1, n-1)) * time.Minute
	}
	return out
}

// ColumnOf is a column that counts.
func ColumnOf(name string) pprofile.Column { return pprofile.Column{Name: name, Unit: "count"} }

// SampleOf is n of something on one stack.
func SampleOf(n int64, names ...string) pprofile.Sample {
	return pprofile.Sample{Stack: Frames(names...), Values: []int64{n}}
}

// Counted is a goroutine profile.
func Counted(second int, samples ...pprofile.Sample) *evidence.Exhibit {
	e := Profiled(evidence.Goroutine, second)
	e.Profile().Columns = []pprofile.Column{ColumnOf("goroutine")}
	e.Profile().Samples = samples
	return e
}

// Serve is the frame of a server that handles a request.
const Serve = "net/http.(*conn).serve(1)"

// MB is a megabyte.
const MB = 1 << 20

// Kept is n MB in 64 KB objects that a function allocated and that are all in use, of as many allocated.
func Kept(n int64, names ...string) Row { return Objects(64<<10, 16*n, 16*n, names...) }

// Churned is n MB in use of many more allocated.
func Churned(n, allocated int64, names ...string) Row {
	return Objects(64<<10, 16*allocated, 16*n, names...)
}

// HeapAt is a heap profile taken so many seconds into the case.
func HeapAt(second int, rows ...Row) *evidence.Exhibit {
	return Profiled(evidence.Heap, second, rows...)
}

// Printed parses frames as a dump prints them, with the line behind a colon:
// "main.(*S).Get(c000,1?):12", "sync.(*Mutex).Lock(...)".
func Printed(lines ...string) []dump.Frame {
	var out []dump.Frame
	for _, line := range lines {
		var f dump.Frame
		open := strings.LastIndexByte(line, '(')
		shut := strings.LastIndexByte(line, ')')
		f.Function, f.File = line[:open], "file.go"
		if n, ok := strings.CutPrefix(line[shut+1:], ":"); ok {
			f.Line, _ = strconv.Atoi(n)
		}
		for _, word := range strings.Split(line[open+1:shut], ",") {
			if word == "..." {
				f.Inlined = true
				continue
			}
			hex, stale := strings.CutSuffix(word, "?")
			if v, err := strconv.ParseUint(hex, 16, 64); err == nil {
				if stale {
					f.Stale |= 1 << len(f.Args)
				}
				f.Args = append(f.Args, v)
			}
		}
		out = append(out, f)
	}
	return out
}

// Goroutine is a goroutine of a dump.
func Goroutine(id int64, state string, frames ...string) dump.Goroutine {
	return dump.Goroutine{ID: id, State: state, Frames: Printed(frames...)}
}

// for an age in minutes.
func Aged(minutes int, g dump.Goroutine) dump.Goroutine {
	g.Wait = time.Duration(minutes) * time.Minute
	return g
}

// InMutex is a goroutine that waits for the mutex at an address (Go 1.24 and later).
func InMutex(id int64, addr string, callers ...string) dump.Goroutine {
	return Goroutine(id, "sync.Mutex.Lock", append([]string{
		"internal/sync.runtime_SemacquireMutex(0?,0?,0?)", "internal/sync.(*Mutex).lockSlow(" + addr + ")",
		"internal/sync.(*Mutex).Lock(...)", "sync.(*Mutex).Lock(...)"}, callers...)...)
}

// Many repeats a goroutine n times with numbers from id on.
func Many(n int, id int64, g dump.Goroutine) []dump.Goroutine {
	out := make([]dump.Goroutine, n)
	for i := range out {
		out[i] = g
		out[i].ID = id + int64(i)
	}
	return out
}

// Join makes a dump of groups of goroutines.
func Join(parts ...[]dump.Goroutine) *evidence.Exhibit {
	var all []dump.Goroutine
	for _, p := range parts {
		all = append(all, p...)
	}
	return Dumped(all...)
}

// One is a group of the goroutines given.
func One(g ...dump.Goroutine) []dump.Goroutine { return g }

// Contended is waiting of a mutex or block profile.
func Contended(count int64, delay time.Duration, names ...string) Row {
	return Row{Values: []int64{count, int64(delay)}, Stack: Frames(names...)}
}

// Over gives a profile a duration, as ?seconds= does.
func Over(d time.Duration, e *evidence.Exhibit) *evidence.Exhibit {
	e.Profile().Duration, e.Duration = d, d
	return e
}

// UnlockedAt and lockedAt are stacks of a mutex and a block profile.
func UnlockedAt(callers ...string) []string {
	return append([]string{"sync.(*Mutex).Unlock"}, callers...)
}

// LockedAt is a stack that waits for a lock.
func LockedAt(callers ...string) []string {
	return append([]string{"internal/sync.(*Mutex).Lock", "sync.(*Mutex).Lock"}, callers...)
}

// Waited is n waits of a trace for d each, the last of them still open when open is set.
func Waited(class wait.Class, n int, d time.Duration, open int64, names ...string) exectrace.Wait {
	return exectrace.Wait{Reason: "sync", Class: class, Stack: Frames(names...), Count: int64(n), Open: open, Total: time.Duration(n) * d, Max: d,
		Times: Histogram(n, d), Worst: []exectrace.Span{{Interval: exectrace.Interval{From: 1, To: 1 + d}, Goroutine: 7}}}
}

// FourProcs says that a case ran on four processors that had time to spare.
func FourProcs() *evidence.Exhibit {
	return Traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
}

// ContainsText reports whether one of texts has a part.
func ContainsText(texts []claim.Text, part string) bool {
	return strings.Contains(claim.Join(texts, "\n").String(), part)
}

// Queue is a second in which goroutines of one function wait n times for a
// processor for so long, run in slices of a length, and wait for a class of things.
type Queue = struct {
	N           int
	Wait, Slice time.Duration
	Class       wait.Class
	Late        int // of ten windows, with a wait of that length
}

// Queued is a trace in which a group waits for a processor.
func Queued(q Queue) *evidence.Exhibit {
	t := &exectrace.Timeline{
		WindowLength: 100 * MS, Windows: make([]exectrace.Window, 10),
		Groups: []exectrace.Group{{Start: At("main.serve"), Slices: Histogram(q.N, q.Slice), Runnable: Histogram(q.N, q.Wait)}},
		Waits:  []exectrace.Wait{{Class: q.Class, Stack: Frames("runtime.gopark", "main.wait", "main.serve"), Count: int64(q.N)}},
		Wakes:  []exectrace.Wake{{From: At("main.send"), To: At("main.wait"), Class: q.Class, Count: int64(q.N)}},
	}
	t.Latency.Times = Histogram(q.N, q.Wait)
	for i := range q.Late {
		t.Windows[i].Latency = q.Wait
	}
	return Traced(t)
}

// MS and US are a millisecond and a microsecond.
//
//lint:ignore ST1011 they are units, not times in a unit
const MS, US = time.Millisecond, time.Microsecond

// Vouched reports whether a kind of evidence agrees with a finding.
func Vouched(f claim.Finding, kind evidence.Kind) bool {
	for _, c := range f.Checks {
		if c.Kind == kind {
			return c.Result == claim.Agrees
		}
	}
	return false
}
