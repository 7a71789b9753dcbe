package exectrace

import (
	"io"
	"math"
	"time"

	"golang.org/x/exp/trace"

	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// fakeProcs is the first of the Ps that formats before 1.22 give timers, the poller and system calls
// (x/exp/trace/internal/tracev1).
const fakeProcs = 1000000

// decoder turns the events of a reader of x/exp/trace into records.
type decoder struct {
	*wire.Writer
	r      *trace.Reader
	synced bool        // has seen the Sync event that opens a generation
	gen    *generation // nil when the whole file is read
	latest int64       // events after this are damage
	stacks map[trace.Stack]uint32
}

func (d *decoder) stackID(s trace.Stack) uint32 {
	if s == trace.NoStack {
		return 0
	}
	id, ok := d.stacks[s]
	if !ok {
		for f := range s.Frames() {
			d.Frame(f.Func, f.File, f.Line)
		}
		id = d.Stack()
		d.stacks[s] = id
	}
	return id
}

func (d *decoder) goid(id trace.GoID) uint32 { return d.Goroutine(int64(id)) }

// transitions maps a goroutine's old and new state to what happened.
var transitions = func() (t [8][8]wire.Op) {
	for from := range t {
		for to := range t {
			t[from][to] = wire.OpNone
			if from == to || from == int(trace.GoUndetermined) {
				t[from][to] = wire.OpStatus
			}
		}
	}
	for to := trace.GoRunnable; to <= trace.GoSyscall; to++ {
		t[trace.GoNotExist][to] = wire.OpCreate
	}
	t[trace.GoRunnable][trace.GoRunning] = wire.OpStart
	t[trace.GoRunning][trace.GoRunnable] = wire.OpYield
	t[trace.GoRunning][trace.GoWaiting] = wire.OpBlock
	t[trace.GoRunning][trace.GoSyscall] = wire.OpSyscall
	t[trace.GoRunning][trace.GoNotExist] = wire.OpEnd
	t[trace.GoSyscall][trace.GoRunning] = wire.OpSyscallEnd
	t[trace.GoSyscall][trace.GoRunnable] = wire.OpSyscallLost
	t[trace.GoSyscall][trace.GoNotExist] = wire.OpEnd
	t[trace.GoWaiting][trace.GoRunnable] = wire.OpUnblock
	return t
}()

// damage is an error in the bytes of a generation, in words for people.
type damage struct{ error }

// decode reads the reader to its end and emits what it says, without the first records, which have been emitted
// already. Accessors of the reader may panic on bytes that make no sense: that is damage too.
func decode(r *trace.Reader, gen *generation, skip int64, out wire.Sink) (err error) {
	w, err := wire.NewWriter(out)
	if err != nil {
		return err
	}
	w.Skip(skip)
	d := &decoder{Writer: w, r: r, gen: gen, latest: math.MaxInt64, stacks: map[trace.Stack]uint32{}}
	defer func() {
		if p := recover(); p != nil {
			err = damage{prose.Errorf("makes no sense to the reader: %v", p)}
		}
		if stop := d.Close(); stop != nil {
			err = stop
		}
	}()
	for {
		ev, err := r.ReadEvent()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damage{err}
		}
		if err := d.event(&ev); err != nil {
			return err
		}
		if err := d.Next(); err != nil {
			return err
		}
	}
}

func (d *decoder) event(ev *trace.Event) error {
	raw := int64(ev.Time())
	if raw < 0 {
		if ev.Kind() != trace.EventSync {
			return damage{prose.Errorf("holds a time before the clock began")}
		}
		raw = 0 // of formats before 1.22, which have no Sync of their own
	}
	if raw > d.latest || raw > wire.MaxClock {
		return damage{prose.Errorf("holds a time far behind its end")}
	}
	if ev.Kind() == trace.EventSync && d.gen != nil && d.synced {
		return nil // every reader closes with one, which the whole file has only once
	}
	rec := d.Record(raw)
	if p := ev.Proc(); p != trace.NoProc && (p < fakeProcs || d.gen != nil) {
		if uint64(p) >= wire.MaxProcs {
			return damage{prose.Errorf("names P %d", p)}
		}
		rec.Proc = uint16(p) + 1
	}
	switch ev.Kind() {
	case trace.EventStateTransition:
		st := ev.StateTransition()
		if st.Resource.Kind == trace.ResourceGoroutine {
			from, to := st.Goroutine()
			rec.Op = transitions[from&7][to&7]
			rec.G = d.goid(st.Resource.Goroutine())
			switch rec.Op {
			case wire.OpYield, wire.OpBlock:
				rec.Aux = d.Name(st.Reason)
				rec.Stack = d.stackID(st.Stack)
			case wire.OpSyscall:
				rec.Stack = d.stackID(st.Stack)
			case wire.OpUnblock:
				rec.Actor = d.goid(ev.Goroutine())
				rec.Stack = d.stackID(ev.Stack())
			case wire.OpStatus:
				rec.Aux = uint8(to)
				rec.Stack = d.stackID(st.Stack)
			case wire.OpCreate:
				rec.Aux = uint8(to)
				rec.Actor = d.goid(ev.Goroutine())
				rec.Stack = d.stackID(ev.Stack())
				rec.Start = d.stackID(st.Stack)
			}
		} else if st.Resource.Kind == trace.ResourceProc {
			p := st.Resource.Proc()
			if uint64(p) >= wire.MaxProcs {
				return damage{prose.Errorf("names P %d", p)}
			}
			rec.Proc = uint16(p) + 1
			switch _, to := st.Proc(); to {
			case trace.ProcRunning:
				rec.Op = wire.OpProcStart
			case trace.ProcIdle:
				rec.Op = wire.OpProcStop
			}
		}
	case trace.EventMetric:
		m := ev.Metric()
		v := m.Value.Uint64()
		rec.G, rec.Actor = uint32(v), uint32(v>>32)
		switch m.Name {
		case "/memory/classes/heap/objects:bytes":
			rec.Op = wire.OpLive
		case "/gc/heap/goal:bytes":
			rec.Op = wire.OpGoal
		case "/sched/gomaxprocs:threads":
			rec.Op = wire.OpProcs
		}
	case trace.EventRangeBegin, trace.EventRangeActive, trace.EventRangeEnd:
		d.rangeEvent(ev, rec)
	case trace.EventLabel:
		rec.Op = wire.OpLabel
		rec.G = d.goid(ev.Goroutine())
		rec.Aux = d.Name(ev.Label().Label)
	case trace.EventStackSample:
		rec.Op = wire.OpSample
		rec.G = d.goid(ev.Goroutine())
		rec.Stack = d.stackID(ev.Stack())
	case trace.EventSync:
		d.synced = true
		rec.Op = wire.OpSync
		if d.gen != nil {
			d.latest = d.gen.bound(raw)
		}
		if s := ev.Sync(); s.ClockSnapshot != nil {
			d.Chunk().SetWall(s.ClockSnapshot.Wall, int64(s.ClockSnapshot.Trace))
		}
	case trace.EventTaskBegin, trace.EventTaskEnd:
		t := ev.Task()
		rec.Op, rec.G = wire.OpTask, d.goid(ev.Goroutine())
		if ev.Kind() == trace.EventTaskEnd {
			rec.Op = wire.OpTaskEnd
		}
		rec.Start = d.Note(wire.Note{Task: uint64(t.ID), Parent: uint64(t.Parent), Name: t.Type})
	case trace.EventRegionBegin, trace.EventRegionEnd:
		r := ev.Region()
		rec.Op, rec.G = wire.OpRegion, d.goid(ev.Goroutine())
		if ev.Kind() == trace.EventRegionEnd {
			rec.Op = wire.OpRegionEnd
		}
		rec.Start = d.Note(wire.Note{Task: uint64(r.Task), Name: r.Type})
	case trace.EventLog:
		l := ev.Log()
		rec.Op, rec.G = wire.OpLog, d.goid(ev.Goroutine())
		rec.Start = d.Note(wire.Note{Task: uint64(l.Task), Name: l.Category, Text: l.Message})
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

// bound works out the latest time that events of the generation can have, and how long a unit of the trace clock is.
// start is the lowest time of a batch.
func (g *generation) bound(start int64) int64 {
	if g.first == 0 || start <= 0 {
		return math.MaxInt64
	}
	g.scale = float64(start) / float64(g.first)
	end, slack := max(g.nextTime, g.latest), maxOverlap
	if g.nextTime == 0 {
		slack = maxTail
	}
	if at := float64(end) * g.scale; at < math.MaxInt64/2 {
		return int64(at) + int64(slack)
	}
	return math.MaxInt64
}

const stwPrefix = "stop-the-world ("

func (d *decoder) rangeEvent(ev *trace.Event, rec *wire.Record) {
	r := ev.Range()
	begin := ev.Kind() != trace.EventRangeEnd
	if ev.Kind() == trace.EventRangeBegin {
		rec.Aux = 1
	}
	pick := func(b, e wire.Op) wire.Op {
		if begin {
			return b
		}
		return e
	}
	switch r.Name {
	case "GC concurrent mark phase":
		rec.Op = pick(wire.OpGC, wire.OpGCEnd)
	case "GC incremental sweep":
		rec.Op = pick(wire.OpSweep, wire.OpSweepEnd)
		if p := r.Scope.Proc(); uint64(p) < wire.MaxProcs {
			rec.Proc = uint16(p) + 1
		}
	case "GC mark assist":
		rec.Op = pick(wire.OpAssist, wire.OpAssistEnd)
		rec.G = d.goid(r.Scope.Goroutine())
		if begin {
			rec.Stack = d.stackID(ev.Stack())
		}
	default:
		if len(r.Name) > len(stwPrefix) && r.Name[:len(stwPrefix)] == stwPrefix {
			rec.Op = pick(wire.OpSTW, wire.OpSTWEnd)
			rec.G = d.goid(r.Scope.Goroutine())
			if begin {
				rec.Aux = d.Name(r.Name[len(stwPrefix) : len(r.Name)-1])
				rec.Stack = d.stackID(ev.Stack())
			}
		}
	}
}
