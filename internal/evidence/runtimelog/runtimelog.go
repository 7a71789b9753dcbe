// Package runtimelog reads the lines that GODEBUG=gctrace=1 and schedtrace=N make
// a program print, wherever they stand in a log. It keeps sums and a bounded
// number of windows, never the lines, and does not judge them.
package runtimelog

import (
	"bytes"
	"slices"
	"time"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
)

// GC is the collections of one process, as its gctrace lines tell them.
type GC struct {
	Log
	Total   GCWindow   // all of them
	Windows []GCWindow // in order, each of the same number of collections but the last
	Longest []Cycle    // those that stopped the world for longest, longest first, at most 8
	Share   float64    // of all processor time since the program started, as the last line says
	Stacks  int64      // bytes of stacks to scan, as the last line says; 0 before Go 1.18
	Globals int64      // bytes of global variables, likewise
}

// Sched is the scheduler of one process, as its schedtrace lines show it at moments.
type Sched struct {
	Log
	Total   SchedWindow
	Windows []SchedWindow // in order, each of the same number of lines but the last
}

// Log is what the lines of one process have in common.
type Log struct {
	Lines    [2]int       // first and last line in the file, 1-based
	Procs    int          // greatest GOMAXPROCS they name
	Start    time.Time    // wall clock at which the program started; zero when the lines carry no time stamps
	Missing  int64        // collections whose lines are not there, by the numbers of the others
	Problems []prose.Text // one sentence each
}

// Cycle is one collection, as its line tells it (runtime/mgc.go, gcMarkTermination).
type Cycle struct {
	Number     int64
	Line       int           // in the file
	At         time.Duration // since the program started
	Share      float64       // the collector's, of all processor time since the program started, 0 to 1
	SweepTerm  time.Duration // wall time: stopping the world and ending the last sweep
	Concurrent time.Duration // wall time: marking beside the program
	MarkTerm   time.Duration // wall time: the world stopped to end the marking
	Stopped    time.Duration // processor time while the world was stopped
	Assist     time.Duration // processor time of allocating goroutines made to mark
	Background time.Duration // processor time of dedicated and fractional mark workers
	Idle       time.Duration // processor time of mark workers on processors that nobody wanted
	Before     int64         // heap at the start, bytes; all sizes are printed in whole MiB
	After      int64         // heap at the end
	Live       int64         // marked heap
	Goal       int64         // heap size at which it was to be done
	Stacks     int64         // bytes of stacks; 0 before Go 1.18
	Globals    int64         // bytes of globals; 0 before Go 1.18
	Procs      int
	Forced     bool // by runtime.GC or debug.FreeOSMemory
	LeakCheck  bool // it looked for leaked goroutines
}

// Wall is how long the collection took.
func (c *Cycle) Wall() time.Duration { return c.SweepTerm + c.Concurrent + c.MarkTerm }

// GCWindow is some collections in a row, added up.
type GCWindow struct {
	From, To   time.Duration // since the program started: start of the first collection, end of the last
	Cycles     int64
	Forced     int64         // of them by runtime.GC or debug.FreeOSMemory
	Busy       time.Duration // wall time with a collection under way
	BusyForced time.Duration // of it in forced ones
	SweepTerm  time.Duration // longest stop at a start
	MarkTerm   time.Duration // longest stop at an end
	Paused     time.Duration // wall time with the world stopped, as far as it was stopped for the collections
	Stopped    time.Duration // processor time, see Cycle
	Assist     time.Duration
	Background time.Duration
	Idle       time.Duration
	Live       int64 // marked heap, mean
	Goal       int64 // mean
	MostLive   int64
}

// SchedWindow is some schedtrace lines in a row, added up.
type SchedWindow struct {
	From, To    time.Duration // since the first line was printed
	Samples     int64
	Procs       int64 // processors, summed over the lines
	Idle        int64 // idle processors, summed over the lines
	Queued      int64 // runnable goroutines in all queues, summed over the lines
	MostQueued  int64
	MostAt      time.Duration // when the most were queued
	Waiting     int64         // lines with more goroutines queued than processors
	Wasted      int64         // lines with a goroutine queued and a processor idle
	Spinning    int64         // threads looking for work, summed over the lines
	Threads     int64         // of the last line
	MostThreads int64
}

// Bounds of what is kept of one file.
const (
	maxWindows   = 1024
	maxProcesses = 64
	maxLongest   = 8
)

// perProcess is what a process takes at most: its windows while they grow, and its worst collections.
const perProcess = 3*maxWindows*int64(max(unsafe.Sizeof(GCWindow{}), unsafe.Sizeof(SchedWindow{}))) + maxLongest*int64(unsafe.Sizeof(Cycle{})) + 4096

// apart is how far two lines may disagree about when their process started and
// still be of one, where numbers are missing between them: log pipelines stamp
// lines late, rarely by more.
const apart = 5 * time.Second

// Reader reads a text that it is given line by line. The zero Reader is ready.
type Reader struct {
	Memory *bound.Account // pays for what is kept; nil is without bound

	line    int
	gc      []*gcStream
	sched   []*schedStream
	damaged int    // lines that begin like one of ours and do not go on so
	lost    int    // lines of more processes than are told apart
	shape   []byte // what stands before the present line
}

// Found is what a text holds, by process, in the order in which they first appear.
type Found struct {
	GC    []*GC
	Sched []*Sched
	// Problems says what could not be read, one sentence each.
	Problems []prose.Text
}

// stream is the lines of one process so far.
type stream struct {
	shape  string // what stands before the lines, numbers aside
	number int64  // of the last collection
	at     time.Duration
	start  time.Time // of the process, by the last line
	lines  int
	step   time.Duration // between the last two lines; 0 after one
}

type gcStream struct {
	stream
	out     *GC
	windows fold[GCWindow]
}

type schedStream struct {
	stream
	out     *Sched
	windows fold[SchedWindow]
}

var (
	gcWord    = []byte("gc ")
	schedWord = []byte("SCHED ")
)

// Line takes a line of the text, without its end: the n-th, counted from 1.
func (r *Reader) Line(n int, line []byte, signs logline.Signs) {
	r.line = n
	if signs&logline.At != 0 { // "gc 3 @0.012s"
		r.each(line, gcWord, func(at, first int) (begun, ok bool) {
			c, begun, ok := parseGC(line[at:])
			if ok {
				c.Line = n
				r.cycle(c, line, line[:first])
			}
			return begun, ok
		})
	}
	if signs&logline.Says != 0 { // "SCHED 1001ms: gomaxprocs=2"
		r.each(line, schedWord, func(at, first int) (begun, ok bool) {
			s, begun, ok := parseSched(line[at:])
			if ok {
				r.sample(s, line, line[:first])
			}
			return begun, ok
		})
	}
}

// each lets take try to read what begins with a word, wherever it stands in the
// line: a record may hold several. first is where the first of them stood.
func (r *Reader) each(line, word []byte, take func(at, first int) (begun, ok bool)) {
	first := -1
	for at := 0; ; at += len(word) {
		i := bytes.Index(line[at:], word)
		if i < 0 {
			return
		}
		at += i
		from := first
		if first < 0 {
			from = at
		}
		switch begun, ok := take(at, from); {
		case ok:
			first = from
		case begun:
			r.damaged++
		}
	}
}

// cycle files a collection with those of its process.
func (r *Reader) cycle(c Cycle, line, prefix []byte) {
	shape, start, zoned := r.carried(line, prefix, c.At)
	var s *gcStream
	for _, other := range r.gc {
		if other.goesOn(shape, c.Number, c.At, start) && (s == nil || s.further(&other.stream, c.Number, start)) {
			s = other
		}
	}
	if s == nil {
		for _, other := range r.gc {
			if other.number > 0 && c.Number == other.number+1 && other.torn(shape, c.Number, c.At, start) {
				s = other
			}
		}
	}
	if s == nil {
		if len(r.gc) == maxProcesses || r.Memory.Grow(perProcess) != nil {
			r.lost++
			return
		}
		s = &gcStream{out: &GC{Log: begun(r.line, start, zoned)}, windows: fold[GCWindow]{merge: (*GCWindow).Add}}
		s.shape = string(shape)
		r.gc = append(r.gc, s)
	} else {
		s.out.Missing = bound.Add(s.out.Missing, c.Number-s.number-1)
	}
	s.number = c.Number
	s.passed(c.At, start)
	s.out.Lines[1] = r.line
	s.out.Procs = max(s.out.Procs, c.Procs)
	s.out.Share, s.out.Stacks, s.out.Globals = c.Share, c.Stacks, c.Globals
	s.out.Longest = longest(s.out.Longest, c)
	w := GCWindow{
		From: c.At, To: c.At + c.Wall(), Cycles: 1, Busy: c.Wall(), SweepTerm: c.SweepTerm, MarkTerm: c.MarkTerm,
		Paused: c.SweepTerm + c.MarkTerm, Stopped: c.Stopped, Assist: c.Assist, Background: c.Background, Idle: c.Idle, Live: c.Live, Goal: c.Goal, MostLive: c.Live,
	}
	if c.Forced {
		w.Forced, w.BusyForced = 1, w.Busy
	}
	s.windows.add(w)
}

// sample files a line about the scheduler with those of its process.
func (r *Reader) sample(p schedLine, line, prefix []byte) {
	shape, start, zoned := r.carried(line, prefix, p.at)
	var s *schedStream
	for _, other := range r.sched {
		if other.goesOn(shape, 1, p.at, start) && (s == nil || s.further(&other.stream, 1, start)) {
			s = other
		}
	}
	if s == nil {
		for _, other := range r.sched {
			if p.at-other.at <= 2*other.step && other.torn(shape, 1, p.at, start) {
				s = other
			}
		}
	}
	if s == nil {
		if len(r.sched) == maxProcesses || r.Memory.Grow(perProcess) != nil {
			r.lost++
			return
		}
		s = &schedStream{out: &Sched{Log: begun(r.line, start, zoned)}, windows: fold[SchedWindow]{merge: (*SchedWindow).Add}}
		s.shape = string(shape)
		r.sched = append(r.sched, s)
	}
	s.passed(p.at, start)
	s.out.Lines[1] = r.line
	s.out.Procs = max(s.out.Procs, int(p.procs))
	w := SchedWindow{
		From: p.at, To: p.at, Samples: 1, Procs: p.procs, Idle: p.idle, Queued: p.queued, MostQueued: p.queued, MostAt: p.at,
		Spinning: p.spinning, Threads: p.threads, MostThreads: p.threads,
	}
	if p.queued > p.procs {
		w.Waiting = 1
	}
	if p.queued > 0 && p.idle > 0 {
		w.Wasted = 1
	}
	s.windows.add(w)
}

// begun is a process of which the first line is read.
func begun(line int, start time.Time, zoned bool) Log {
	l := Log{Lines: [2]int{line, line}, Start: start}
	if !start.IsZero() && !zoned {
		l.Problems = []prose.Text{"the time stamps of its log name no time zone and were read as UTC"}
	}
	return l
}

// carried tells what a log put around a line: the shape of what stands before it,
// and when its process started by its time stamp.
func (r *Reader) carried(line, prefix []byte, at time.Duration) (shape []byte, start time.Time, zoned bool) {
	const end = 512
	t, zoned, ok := logline.Stamp(prefix[:min(len(prefix), end)])
	if !ok {
		t, zoned, ok = logline.Stamp(line[max(len(line)-end, 0):])
	}
	if ok {
		start = t.Add(-at)
	}
	b := r.shape[:0]
	prefix = logline.Unstamped(prefix)
	for _, c := range prefix[:min(len(prefix), end)] {
		switch {
		case c >= '0' && c <= '9':
			if len(b) > 0 && b[len(b)-1] == '0' {
				continue
			}
			c = '0'
		case c == '.' && ok: // time.RFC3339Nano omits a fraction of zero
			continue
		}
		b = append(b, c)
	}
	r.shape = b
	return b, start, zoned
}

// goesOn reports whether a line can be of the same process as those before.
func (s *stream) goesOn(shape []byte, number int64, at time.Duration, start time.Time) bool {
	return at >= s.at && s.shape == string(shape) && (number > s.number || s.number == 0) &&
		(number == s.number+1 || start.IsZero() || s.start.IsZero() || start.Sub(s.start).Abs() <= apart)
}

// torn reports whether a line can be of the same process although more stands before it: what the program
// wrote to stderr without ending its line. Of a process known by one line that is not believed.
func (s *stream) torn(shape []byte, number int64, at time.Duration, start time.Time) bool {
	return s.step > 0 && (bytes.HasPrefix(shape, []byte(s.shape)) || bytes.HasSuffix(shape, []byte(s.shape))) && s.goesOn([]byte(s.shape), number, at, start)
}

// passed notes when a line was printed.
func (s *stream) passed(at time.Duration, start time.Time) {
	if s.lines > 0 {
		s.step = at - s.at
	}
	s.lines++
	s.at, s.start = at, start
}

// further reports whether a line is more probably of another process that it can go on.
func (s *stream) further(other *stream, number int64, start time.Time) bool {
	if !start.IsZero() && !s.start.IsZero() && !other.start.IsZero() {
		return start.Sub(other.start).Abs() < start.Sub(s.start).Abs()
	}
	return number-other.number < number-s.number
}

// longest keeps the collections that stopped the world for longest.
func longest(all []Cycle, c Cycle) []Cycle {
	stop := func(c *Cycle) time.Duration { return max(c.SweepTerm, c.MarkTerm) }
	if len(all) == maxLongest && stop(&c) <= stop(&all[maxLongest-1]) {
		return all
	}
	i := len(all)
	for i > 0 && stop(&all[i-1]) < stop(&c) {
		i--
	}
	all = slices.Insert(all, i, c)
	return all[:min(len(all), maxLongest)]
}

// Close ends the text.
func (r *Reader) Close() Found {
	var found Found
	for _, s := range r.gc {
		s.out.Windows = s.windows.all
		s.out.Total = s.out.Windows[0]
		for _, w := range s.out.Windows[1:] {
			s.out.Total.Add(&w)
		}
		found.GC = append(found.GC, s.out)
	}
	for _, s := range r.sched {
		s.out.Windows = s.windows.all
		s.out.Total = s.out.Windows[0]
		for _, w := range s.out.Windows[1:] {
			s.out.Total.Add(&w)
		}
		found.Sched = append(found.Sched, s.out)
	}
	if r.damaged > 0 {
		found.Problems = append(found.Problems, prose.Textf("%d lines of gctrace or schedtrace are cut off or mixed with other output and were left out", r.damaged))
	}
	if r.lost > 0 {
		found.Problems = append(found.Problems, prose.Textf("%d lines of gctrace or schedtrace were left out: more than %d processes in one file, or more than the memory budget holds", r.lost, maxProcesses))
	}
	return found
}

// fold keeps a series of any length in at most maxWindows windows: when they are
// full, each two become one, and those to come hold twice as much.
type fold[W any] struct {
	all   []W
	per   int // items in one window; 0 stands for 1
	last  int // items in the last window
	next  W   // that is added, in memory that is there
	merge func(into, from *W)
}

func (f *fold[W]) add(w W) {
	f.per = max(f.per, 1)
	if n := len(f.all); n > 0 && f.last < f.per {
		f.next = w
		f.merge(&f.all[n-1], &f.next)
		f.last++
		return
	}
	if len(f.all) == maxWindows {
		for i := range maxWindows / 2 {
			f.all[i] = f.all[2*i]
			f.merge(&f.all[i], &f.all[2*i+1])
		}
		f.all = f.all[:maxWindows/2]
		f.per *= 2
	}
	f.all = append(f.all, w)
	f.last = 1
}

// Add joins a window with the one that follows it.
func (w *GCWindow) Add(next *GCWindow) {
	n := w.Cycles + next.Cycles
	mean := func(a, b int64) int64 {
		return int64((float64(a)*float64(w.Cycles) + float64(b)*float64(next.Cycles)) / float64(n))
	}
	w.Live, w.Goal = mean(w.Live, next.Live), mean(w.Goal, next.Goal)
	w.MostLive = max(w.MostLive, next.MostLive)
	w.To = max(w.To, next.To)
	w.Cycles = n
	w.Forced = bound.Add(w.Forced, next.Forced)
	w.Busy = bound.Add(w.Busy, next.Busy)
	w.BusyForced = bound.Add(w.BusyForced, next.BusyForced)
	w.SweepTerm, w.MarkTerm = max(w.SweepTerm, next.SweepTerm), max(w.MarkTerm, next.MarkTerm)
	w.Paused = bound.Add(w.Paused, next.Paused)
	w.Stopped = bound.Add(w.Stopped, next.Stopped)
	w.Assist = bound.Add(w.Assist, next.Assist)
	w.Background = bound.Add(w.Background, next.Background)
	w.Idle = bound.Add(w.Idle, next.Idle)
}

// Add joins a window with the one that follows it.
func (w *SchedWindow) Add(next *SchedWindow) {
	w.To = next.To
	w.Samples = bound.Add(w.Samples, next.Samples)
	w.Procs = bound.Add(w.Procs, next.Procs)
	w.Idle = bound.Add(w.Idle, next.Idle)
	w.Queued = bound.Add(w.Queued, next.Queued)
	if next.MostQueued > w.MostQueued {
		w.MostQueued, w.MostAt = next.MostQueued, next.MostAt
	}
	w.Waiting = bound.Add(w.Waiting, next.Waiting)
	w.Wasted = bound.Add(w.Wasted, next.Wasted)
	w.Spinning = bound.Add(w.Spinning, next.Spinning)
	w.Threads = next.Threads
	w.MostThreads = max(w.MostThreads, next.MostThreads)
}
