package exectrace

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"time"
	"unsafe"

	"golang.org/x/exp/trace"

	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/stack"
)

// op says what an event did. There are fewer than there are kinds of events:
// the fold asks what state something is in now, never what the reader believes
// it was in before, which differs between reading a generation alone and
// reading the whole file.
type op uint8

const (
	opNone        op = iota // an event the fold has no use for: only its time counts
	opTime                  // not an event: the following records start at the time in g and actor
	opSync                  // start of a generation
	opProcs                 // g: GOMAXPROCS
	opLive                  // g, actor: live heap in bytes, low and high half
	opGoal                  // g, actor: heap goal in bytes
	opLabel                 // g; aux: index of the label
	opSample                // g; stack
	opStatus                // g, proc; aux: state; stack: of g, where it is known
	opCreate                // g: the new goroutine; actor: its creator; aux: state; stack: of the creator; start: of the new one
	opStart                 // g starts to run on proc
	opYield                 // g gives up proc and stays runnable; aux: reason; stack
	opBlock                 // g blocks; aux: reason; stack
	opUnblock               // actor, whose stack it is, makes g runnable
	opSyscall               // g enters a system call; stack
	opSyscallEnd            // g leaves it and kept its P
	opSyscallLost           // g leaves it and has no P
	opEnd                   // g ends
	opProcStart
	opProcStop
	opSTW // g stops the world; aux: index of the reason; stack
	opSTWEnd
	opGC // a mark phase is under way; aux: 1 when it began just now
	opGCEnd
	opSweep
	opSweepEnd
	opAssist // g has to assist; aux: 1 when it began just now; stack
	opAssistEnd
	opTask    // g; note: index into the notes
	opTaskEnd // note
	opRegion  // g; note
	opRegionEnd
	opLog // g; note
)

// record is an event in the form the fold takes: no pointers, small enough to
// hold a generation's worth in memory while an earlier one is folded.
type record struct {
	dt    uint32 // nanoseconds since the record before
	op    op
	aux   uint8
	proc  uint16 // P the event happened on, plus one; 0 for none
	g     uint32 // goroutine, see goid
	actor uint32 // goroutine that did it to another; or upper half of a number
	stack uint32 // index into the generation's stacks; 0 for none
	start uint32 // second stack, or note
}

// note is what the rare annotation events carry beside their record.
type note struct {
	task, parent uint64
	name, text   string
}

// frames is a stack that a chunk mentions for the first time in its generation.
type frames struct {
	hash   uint64
	frames stack.Stack
}

// chunk is a run of records with the tables they were the first to need.
type chunk struct {
	records []record
	stacks  []frames // continue the generation's stacks
	names   []string // continue the generation's names, reasons and labels; number 0 is the empty one
	notes   []note   // continue the generation's notes
	wide    []int64  // continue the generation's goroutine ids that need more than 31 bits
	wall    time.Time
	wallAt  int64         // trace clock at wall
	token   chan struct{} // where to give back its token
}

const chunkRecords = 4096

// maxProcs bounds the P ids that are believed. Go has no limit of its own since
// 1.10; machines have far fewer processors.
const maxProcs = 1 << 12

// fakeProcs is the first of them.
const fakeProcs = 1000000

const wideBit = 1 << 31

// decoder turns the events of one reader into chunks.
type decoder struct {
	r      *trace.Reader
	chunk  *chunk
	whole  int         // records of the chunk that are complete
	last   int64       // raw time of the last record
	synced bool        // has seen the Sync event that opens a generation
	gen    *generation // nil when the whole file is read
	latest int64       // events after this are damage
	scale  float64     // nanoseconds per unit of the trace clock, 0 when not known
	out    sink

	stacks   map[trace.Stack]uint32
	direct   idTable // stacks by the reader's own id, see direct.go
	reasons  idTable // names by the reader's own id
	names    map[string]uint8
	lastName [4]struct {
		s  string
		id uint8
	}
	nextName int
	counts   struct{ stacks, names, notes, wide int }
	frames   stack.Stack
	hash     maphash.Hash
	wide     map[int64]uint32
}

// hashSeed is one for the process: stacks of all generations are compared by hash first.
var hashSeed = maphash.MakeSeed()

func (d *decoder) stackID(s trace.Stack) uint32 {
	if s == trace.NoStack {
		return 0
	}
	if id, ok := d.stacks[s]; ok {
		return id
	}
	id := d.newStack(s)
	d.stacks[s] = id
	return id
}

func (d *decoder) newStack(s trace.Stack) uint32 {
	d.frames = d.frames[:0]
	d.hash.Reset()
	for f := range s.Frames() {
		line := 0
		if f.Line < math.MaxInt32 {
			line = int(f.Line)
		}
		d.frames = append(d.frames, stack.Frame{Function: bound.Text(f.Func), File: bound.Text(f.File), Line: line})
		// All that equalStacks compares: what the hash left out could be made to collide.
		d.hash.WriteString(f.Func)
		d.hash.WriteString(f.File)
		maphash.WriteComparable(&d.hash, line)
	}
	if len(d.frames) == 0 {
		return 0
	}
	d.counts.stacks++
	d.chunk.stacks = append(d.chunk.stacks, frames{d.hash.Sum64(), append(stack.Stack(nil), d.frames...)})
	return uint32(d.counts.stacks)
}

// name gives a reason or label a small number; the same string is the same
// memory for a whole generation, so the comparison is nearly always of pointers.
func (d *decoder) name(s string) uint8 {
	if s == "" {
		return 0 // a coroutine that switches has none
	}
	for i := range d.lastName {
		if e := &d.lastName[i]; unsafe.StringData(e.s) == unsafe.StringData(s) && len(e.s) == len(s) {
			return e.id
		}
	}
	id, ok := d.names[s]
	if !ok {
		if len(d.names) >= 255 {
			return 0
		}
		d.counts.names++
		id = uint8(d.counts.names)
		d.names[s] = id
		d.chunk.names = append(d.chunk.names, s)
	}
	e := &d.lastName[d.nextName%len(d.lastName)]
	d.nextName++
	e.s, e.id = s, id
	return id
}

// goid packs a goroutine id plus one; 0 stands for none.
func (d *decoder) goid(id trace.GoID) uint32 {
	if uint64(id+1) < wideBit {
		return uint32(id + 1)
	}
	if n, ok := d.wide[int64(id)]; ok {
		return n
	}
	n := uint32(d.counts.wide) | wideBit
	d.counts.wide++
	d.chunk.wide = append(d.chunk.wide, int64(id))
	d.wide[int64(id)] = n
	return n
}

func (d *decoder) note(n note) uint32 {
	d.chunk.notes = append(d.chunk.notes, n)
	d.counts.notes++
	return uint32(d.counts.notes - 1)
}

// transitions maps a goroutine's old and new state to what happened.
var transitions = func() (t [8][8]op) {
	for from := range t {
		for to := range t {
			t[from][to] = opNone
			if from == to || from == int(trace.GoUndetermined) {
				t[from][to] = opStatus
			}
		}
	}
	for to := trace.GoRunnable; to <= trace.GoSyscall; to++ {
		t[trace.GoNotExist][to] = opCreate
	}
	t[trace.GoRunnable][trace.GoRunning] = opStart
	t[trace.GoRunning][trace.GoRunnable] = opYield
	t[trace.GoRunning][trace.GoWaiting] = opBlock
	t[trace.GoRunning][trace.GoSyscall] = opSyscall
	t[trace.GoRunning][trace.GoNotExist] = opEnd
	t[trace.GoSyscall][trace.GoRunning] = opSyscallEnd
	t[trace.GoSyscall][trace.GoRunnable] = opSyscallLost
	t[trace.GoSyscall][trace.GoNotExist] = opEnd
	t[trace.GoWaiting][trace.GoRunnable] = opUnblock
	return t
}()

// sink is where a decoder gets empty chunks and puts full ones. Their errors
// stop the decoding.
type sink struct {
	get func() (*chunk, error)
	put func(*chunk) error
}

// damage is an error in the bytes of a generation, in words for people.
type damage struct{ error }

// decode reads the reader to its end and emits what it says. Accessors of the
// reader may panic on bytes that make no sense: that is damage too.
func decode(r *trace.Reader, gen *generation, out sink) (err error) {
	first, err := out.get()
	if err != nil {
		return err
	}
	d := &decoder{r: r, chunk: first, gen: gen, latest: math.MaxInt64, out: out,
		stacks: map[trace.Stack]uint32{}, names: map[string]uint8{}, wide: map[int64]uint32{}}
	d.hash.SetSeed(hashSeed)
	defer func() {
		if p := recover(); p != nil {
			err = damage{fmt.Errorf("makes no sense to the reader: %v", p)}
			if d.chunk != nil {
				d.chunk.records = d.chunk.records[:d.whole]
				out.put(d.chunk)
			}
		}
	}()
	for {
		ev, err := r.ReadEvent()
		if err != nil {
			if err == io.EOF {
				err = nil
			} else {
				err = damage{err}
			}
			last := d.chunk
			d.chunk = nil
			if stop := out.put(last); stop != nil {
				return stop
			}
			return err
		}
		if err := d.event(&ev); err != nil {
			last := d.chunk
			d.chunk = nil
			last.records = last.records[:d.whole]
			if stop := out.put(last); stop != nil {
				return stop
			}
			return err
		}
		d.whole = len(d.chunk.records)
		if d.whole >= chunkRecords {
			full := d.chunk
			d.chunk = nil
			if err := out.put(full); err != nil {
				return err
			}
			if d.chunk, err = out.get(); err != nil {
				return err
			}
			d.whole = 0
		}
	}
}

func (d *decoder) event(ev *trace.Event) error {
	c := d.chunk
	raw := int64(ev.Time())
	if raw < 0 {
		if ev.Kind() != trace.EventSync {
			return damage{errors.New("holds a time before the clock began")}
		}
		raw = 0 // of formats before 1.22, which have no Sync of their own
	}
	dt := raw - d.last
	if dt < 0 || dt > math.MaxUint32 {
		c.records = append(c.records, record{op: opTime, g: uint32(raw), actor: uint32(raw >> 32)})
		dt = 0
	}
	if raw > d.latest || raw > maxClock {
		return damage{errors.New("holds a time far behind its end")}
	}
	d.last = raw
	// The record is filled where it will lie: building it in small steps and then
	// copying it makes the processor wait for the steps.
	n := len(c.records)
	c.records = append(c.records, record{})
	rec := &c.records[n]
	rec.dt = uint32(dt)
	// Formats before 1.22 give timers, the poller and system calls Ps of their own
	// (x/exp/trace/internal/tracev1).
	if p := ev.Proc(); p != trace.NoProc && (p < fakeProcs || d.gen != nil) {
		if uint64(p) >= maxProcs {
			return damage{fmt.Errorf("names P %d", p)}
		}
		rec.proc = uint16(p) + 1
	}
	if layoutKnown && d.hot(ev, rec) {
		return nil
	}
	switch ev.Kind() {
	case trace.EventStateTransition:
		st := ev.StateTransition()
		if st.Resource.Kind == trace.ResourceGoroutine {
			from, to := st.Goroutine()
			rec.op = transitions[from&7][to&7]
			rec.g = d.goid(st.Resource.Goroutine())
			switch rec.op {
			case opYield, opBlock:
				rec.aux = d.name(st.Reason)
				rec.stack = d.stackID(st.Stack)
			case opSyscall:
				rec.stack = d.stackID(st.Stack)
			case opUnblock:
				rec.actor = d.goid(ev.Goroutine())
				rec.stack = d.stackID(ev.Stack())
			case opStatus:
				rec.aux = uint8(to)
				rec.stack = d.stackID(st.Stack)
			case opCreate:
				rec.aux = uint8(to)
				rec.actor = d.goid(ev.Goroutine())
				rec.stack = d.stackID(ev.Stack())
				rec.start = d.stackID(st.Stack)
			}
		} else if st.Resource.Kind == trace.ResourceProc {
			p := st.Resource.Proc()
			if uint64(p) >= maxProcs {
				return damage{fmt.Errorf("names P %d", p)}
			}
			rec.proc = uint16(p) + 1
			switch _, to := st.Proc(); to {
			case trace.ProcRunning:
				rec.op = opProcStart
			case trace.ProcIdle:
				rec.op = opProcStop
			}
		}
	case trace.EventMetric:
		m := ev.Metric()
		v := m.Value.Uint64()
		rec.g, rec.actor = uint32(v), uint32(v>>32)
		switch m.Name {
		case "/memory/classes/heap/objects:bytes":
			rec.op = opLive
		case "/gc/heap/goal:bytes":
			rec.op = opGoal
		case "/sched/gomaxprocs:threads":
			rec.op = opProcs
		}
	case trace.EventRangeBegin, trace.EventRangeActive, trace.EventRangeEnd:
		d.rangeEvent(ev, rec)
	case trace.EventLabel:
		rec.op = opLabel
		rec.g = d.goid(ev.Goroutine())
		rec.aux = d.name(ev.Label().Label)
	case trace.EventStackSample:
		rec.op = opSample
		rec.g = d.goid(ev.Goroutine())
		rec.stack = d.stackID(ev.Stack())
	case trace.EventSync:
		if d.gen != nil && d.synced {
			c.records = c.records[:n] // every reader closes with one, which the whole file has only once
			return nil
		}
		d.synced = true
		rec.op = opSync
		d.bound(raw)
		clear(d.direct) // ids begin anew
		clear(d.reasons)
		if s := ev.Sync(); s.ClockSnapshot != nil && c.wall.IsZero() && s.ClockSnapshot.Trace >= 0 && s.ClockSnapshot.Trace <= maxClock &&
			s.ClockSnapshot.Wall.Unix() >= 0 && s.ClockSnapshot.Wall.Unix() < maxWall {
			c.wall, c.wallAt = s.ClockSnapshot.Wall, int64(s.ClockSnapshot.Trace)
		}
	case trace.EventTaskBegin, trace.EventTaskEnd:
		t := ev.Task()
		rec.op, rec.g = opTask, d.goid(ev.Goroutine())
		if ev.Kind() == trace.EventTaskEnd {
			rec.op = opTaskEnd
		}
		rec.start = d.note(note{task: uint64(t.ID), parent: uint64(t.Parent), name: t.Type})
	case trace.EventRegionBegin, trace.EventRegionEnd:
		r := ev.Region()
		rec.op, rec.g = opRegion, d.goid(ev.Goroutine())
		if ev.Kind() == trace.EventRegionEnd {
			rec.op = opRegionEnd
		}
		rec.start = d.note(note{task: uint64(r.Task), name: r.Type})
	case trace.EventLog:
		l := ev.Log()
		rec.op, rec.g = opLog, d.goid(ev.Goroutine())
		rec.start = d.note(note{task: uint64(l.Task), name: l.Category, text: l.Message})
	}
	return nil
}

// Events of a generation can be a little later than the first of the next one:
// threads finish what they are writing. A flipped bit in a time can put an event
// years ahead, and every later event of the file with it.
const (
	maxOverlap = time.Second
	maxTail    = 30 * time.Second // in the last generation, after its last batch began
)

// bound works out the latest time that events of the generation can have. The
// Sync event, at raw, stands at the lowest time of a batch.
func (d *decoder) bound(raw int64) {
	g := d.gen
	if g == nil || g.first == 0 || d.scale != 0 || raw <= 0 {
		return
	}
	d.scale = float64(raw) / float64(g.first)
	g.scale = d.scale
	end, slack := max(g.nextTime, g.latest), maxOverlap
	if g.nextTime == 0 {
		slack = maxTail
	}
	if at := float64(end) * d.scale; at < math.MaxInt64/2 {
		d.latest = int64(at) + int64(slack)
	}
}

// maxWall is after the wall clock of any trace, in seconds since 1970: the year 2242.
const maxWall = 1 << 33

const stwPrefix = "stop-the-world ("

func (d *decoder) rangeEvent(ev *trace.Event, rec *record) {
	r := ev.Range()
	begin := ev.Kind() != trace.EventRangeEnd
	if ev.Kind() == trace.EventRangeBegin {
		rec.aux = 1
	}
	pick := func(b, e op) op {
		if begin {
			return b
		}
		return e
	}
	switch r.Name {
	case "GC concurrent mark phase":
		rec.op = pick(opGC, opGCEnd)
	case "GC incremental sweep":
		rec.op = pick(opSweep, opSweepEnd)
		if p := r.Scope.Proc(); uint64(p) < maxProcs {
			rec.proc = uint16(p) + 1
		}
	case "GC mark assist":
		rec.op = pick(opAssist, opAssistEnd)
		rec.g = d.goid(r.Scope.Goroutine())
		if begin {
			rec.stack = d.stackID(ev.Stack())
		}
	default:
		if len(r.Name) > len(stwPrefix) && r.Name[:len(stwPrefix)] == stwPrefix {
			rec.op = pick(opSTW, opSTWEnd)
			rec.g = d.goid(r.Scope.Goroutine())
			if begin {
				rec.aux = d.name(r.Name[len(stwPrefix) : len(r.Name)-1])
				rec.stack = d.stackID(ev.Stack())
			}
		}
	}
}
