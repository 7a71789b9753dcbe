package wire

import "math"

// running returns the goroutine that a thread runs, which must be in a state.
func (m *thread) running(state uint8) (*goroutine, error) {
	if m.gs == nil || m.gs.state != state {
		return nil, refuse("an event of a goroutine that is in another state")
	}
	return m.gs, nil
}

// takes says that the thread runs a goroutine from now on.
func (m *thread) takes(id uint64, g *goroutine) { m.g, m.gs = int64(id), g }

// leaves says that it runs none.
func (m *thread) leaves() { m.g, m.gs = -1, nil }

// emit begins the record of the thread's event, of a goroutine.
func (d *Decoder) emit(m *thread, op Op, g int64) *Record {
	r := d.record(m.time, m.p)
	r.Op, r.G = op, d.out.Goroutine(g)
	return r
}

// number puts a number into a record.
func (r *Record) number(n uint64) { r.G, r.Actor = uint32(n), uint32(n>>32) }

// States of a goroutine in records, by that of the format.
var states = [...]uint8{goRunnable: 2, goRunning: 3, goWaiting: 4, goSyscall: 5}

// A rule emits the event that a thread wrote if it can be the next, and reports whether it was. What its kind
// refers to and needs has been checked.
type rule func(*Decoder, *thread) (bool, error)

// Ps: acquirep, releasep and handoffp in runtime/proc.go.

// procStart is of a thread that has no P. Where it still holds one, in a system call, that has yet to be stolen.
func (d *Decoder) procStart(m *thread) (bool, error) {
	p, err := d.proc(m.args[0])
	if err != nil {
		return false, err
	}
	if p.state != procIdle || m.args[1] != p.sequence+1 || m.p >= 0 {
		return false, nil
	}
	p.state, p.sequence = procRunning, m.args[1]
	d.emit(m, OpProcStart, -1).Proc = uint16(m.args[0]) + 1
	m.p = int32(m.args[0])
	return true, nil
}

func (d *Decoder) procStop(m *thread) (bool, error) {
	p := &d.procs[m.p]
	if p.state != procRunning && p.state != procSyscall {
		return false, refuse("a P that stops and did not run")
	}
	p.state = procIdle
	d.emit(m, OpProcStop, -1)
	m.p = -1
	return true, nil
}

// steal takes a P away from a thread that is in a system call (retake and exitsyscallfast in runtime/proc.go); what
// that thread does after the call has to wait for it.
func (d *Decoder) steal(m *thread) (bool, error) {
	p, err := d.proc(m.args[0])
	if err != nil {
		return false, err
	}
	if p.state != procSyscall && p.state != procAbandoned || m.args[1] != p.sequence+1 {
		return false, nil
	}
	if p.state == procSyscall {
		from := m
		if m.args[2] != m.id {
			from = d.threads[m.args[2]]
		}
		if from == nil || from.p != int32(m.args[0]) {
			return false, refuse("a P that is stolen from who does not have it")
		}
		d.emit(m, OpProcStop, -1).Proc = uint16(m.args[0]) + 1
		from.p = -1
	} else {
		d.emit(m, OpProcStop, -1).Proc = uint16(m.args[0]) + 1
	}
	p.state, p.sequence = procIdle, m.args[1]
	return true, nil
}

// procStatus takes the state of a P, which is written when the P is first heard of in a generation (traceWriter.writeProcStatus
// in runtime/tracestatus.go).
func (d *Decoder) procStatus(m *thread) (bool, error) {
	p, err := d.proc(m.args[0])
	if err != nil {
		return false, err
	}
	status := m.args[1]
	if status < procRunning || status > procAbandoned {
		return false, refuse("a state that no P has")
	}
	known := p.state
	switch {
	case known == none:
		p.state = uint8(status)
	case status == procAbandoned && known == procSyscall:
		// The thread is known after all.
		held := false
		for _, other := range d.threads {
			held = held || other.p == int32(m.args[0])
		}
		if !held {
			return false, refuse("a P in a system call of nobody")
		}
	case uint64(known) != status:
		return false, refuse("a P that is in another state")
	}
	p.sequence = 0
	op := OpProcStop
	if p.state == procRunning || p.state == procSyscall {
		op = OpProcStart
	}
	d.emit(m, op, -1).Proc = uint16(m.args[0]) + 1
	if status == procRunning || status == procSyscall {
		m.p = int32(m.args[0])
	}
	return true, nil
}

// Goroutines: newproc1, execute, gopark, goready, goyield and gdestroy in runtime/proc.go. Their sequence counts
// what others do to them.

func (d *Decoder) goCreate(m *thread) (bool, error) {
	if m.gs != nil && m.gs.state != none && m.gs.state != goRunning {
		return false, refuse("a goroutine that creates another and does not run")
	}
	g, err := d.newborn(m.args[0])
	if err != nil {
		return false, err
	}
	g.state = goRunnable
	if m.kind == evGoCreateBlocked {
		g.state = goWaiting // a coroutine
	}
	r := d.emit(m, OpCreate, int64(m.args[0]))
	r.Aux, r.Actor = states[g.state], d.out.Goroutine(m.g)
	r.Stack, r.Start = d.stack(d.out, m.args[2]), d.stack(d.out, m.args[1])
	return true, nil
}

var errTooMany = refuse("more goroutines than its size can speak of")

// newborn returns the place of a goroutine that is to be created.
func (d *Decoder) newborn(id uint64) (*goroutine, error) {
	g := d.goroutines.get(id)
	switch {
	case g == nil:
		return nil, errTooMany
	case id == math.MaxUint64:
		return nil, refuse("a goroutine that is none")
	case g.state != none:
		return nil, refuse("a goroutine that is created twice")
	}
	return g, nil
}

func (d *Decoder) goStart(m *thread) (bool, error) {
	g := d.goroutines.get(m.args[0])
	if g == nil {
		return false, errTooMany
	}
	if g.state != goRunnable || m.args[1] != g.sequence+1 {
		return false, nil
	}
	if m.p < 0 || m.gs != nil {
		return false, refuse("a goroutine that starts where another runs, or no P is")
	}
	g.state, g.sequence = goRunning, m.args[1]
	d.emit(m, OpStart, int64(m.args[0]))
	m.takes(m.args[0], g)
	return true, nil
}

// goStop is of a goroutine that stops or blocks.
func (d *Decoder) goStop(m *thread) (bool, error) {
	g, err := m.running(goRunning)
	if err != nil {
		return false, err
	}
	op := OpBlock
	g.state = goWaiting
	if m.kind == evGoStop {
		op, g.state = OpYield, goRunnable
	}
	r := d.emit(m, op, m.g)
	r.Aux, r.Stack = d.name(d.out, m.args[0]), d.stack(d.out, m.args[1])
	m.leaves()
	return true, nil
}

func (d *Decoder) goDestroy(m *thread) (bool, error) {
	g, err := m.running(goRunning)
	if err != nil {
		return false, err
	}
	d.destroy(m.g, g)
	d.emit(m, OpEnd, m.g)
	m.leaves()
	return true, nil
}

func (d *Decoder) destroy(id int64, g *goroutine) {
	if g.inside&inRegions != 0 {
		delete(d.regions, id)
	}
	*g = goroutine{}
}

// goUnblock is by anything, be it a thread without a P.
func (d *Decoder) goUnblock(m *thread) (bool, error) {
	g := d.goroutines.get(m.args[0])
	if g == nil {
		return false, errTooMany
	}
	if g.state != goWaiting || m.args[1] != g.sequence+1 {
		return false, nil
	}
	g.state, g.sequence = goRunnable, m.args[1]
	r := d.emit(m, OpUnblock, int64(m.args[0]))
	r.Actor, r.Stack = d.out.Goroutine(m.g), d.stack(d.out, m.args[2])
	return true, nil
}

// goSwitch wakes a coroutine, stops and starts that: coroswitch_m and coroexit in runtime/coro.go.
func (d *Decoder) goSwitch(m *thread) (bool, error) {
	old, err := m.running(goRunning)
	if err != nil {
		return false, err
	}
	g := d.goroutines.get(m.args[0])
	if g == nil {
		return false, errTooMany
	}
	if g.state != goWaiting || m.args[1] != g.sequence+1 {
		return false, nil
	}
	d.emit(m, OpUnblock, int64(m.args[0])).Actor = d.out.Goroutine(m.g)
	if m.kind == evGoSwitch {
		old.state = goWaiting
		d.emit(m, OpBlock, m.g)
	} else {
		d.destroy(m.g, old)
		d.emit(m, OpEnd, m.g)
	}
	g.state, g.sequence = goRunning, m.args[1]
	d.emit(m, OpStart, int64(m.args[0]))
	m.takes(m.args[0], g)
	return true, nil
}

// goStatus takes the state of a goroutine, which is written when the goroutine is first heard of in a generation, at the latest
// when that ends (traceWriter.writeGoStatus in runtime/tracestatus.go, traceAdvance in runtime/trace.go).
func (d *Decoder) goStatus(m *thread) (bool, error) {
	id, status := m.args[0], m.args[2]
	g := d.goroutines.get(id)
	switch {
	case g == nil:
		return false, errTooMany
	case id == math.MaxUint64 || status < goRunnable || status > goWaiting:
		return false, refuse("a goroutine that is none, or a state that none has")
	case g.state != none && uint64(g.state) != status:
		return false, refuse("a goroutine that is in another state")
	}
	g.state, g.sequence = uint8(status), 0
	r := d.emit(m, OpStatus, int64(id))
	r.Aux = states[status]
	if m.kind == evGoStatusStack {
		r.Stack = d.stack(d.out, m.args[3])
	}
	switch {
	case status == goSyscall && m.args[1] == nobody:
		return false, refuse("a goroutine in a system call of nobody")
	case m.id != nobody && (status == goRunning || status == goSyscall && m.args[1] == m.id):
		m.takes(id, g)
	case status == goSyscall:
		// Another thread sits in the call, perhaps for all of the generation.
		other := d.threads[m.args[1]]
		if other == nil {
			other = d.newThread(m.args[1])
		}
		if other.seen && other.g != int64(id) {
			return false, refuse("a goroutine in a system call of a thread that runs another")
		}
		other.seen = true
		other.takes(id, g)
	}
	return true, nil
}

// System calls: entersyscall and exitsyscall in runtime/proc.go. The P stays with the thread until somebody steals
// it, and counts the calls so that it is clear which of them a thief ends.

func (d *Decoder) syscallBegin(m *thread) (bool, error) {
	g, err := m.running(goRunning)
	if err != nil {
		return false, err
	}
	p := &d.procs[m.p]
	if m.args[0] != p.sequence+1 {
		return false, refuse("a system call out of order")
	}
	g.state = goSyscall
	p.state, p.sequence = procSyscall, m.args[0]
	d.emit(m, OpSyscall, m.g).Stack = d.stack(d.out, m.args[1])
	return true, nil
}

func (d *Decoder) syscallEnd(m *thread) (bool, error) {
	g, err := m.running(goSyscall)
	if err != nil {
		return false, err
	}
	p := &d.procs[m.p]
	if p.state != procSyscall {
		return false, refuse("a system call that ends on a P that is in none")
	}
	g.state, p.state = goRunning, procRunning
	d.emit(m, OpSyscallEnd, m.g)
	return true, nil
}

// syscallEndBlocked is of a thread whose P has to go first.
func (d *Decoder) syscallEndBlocked(m *thread) (bool, error) {
	if m.p >= 0 && d.procs[m.p].state == procSyscall {
		return false, nil
	}
	g, err := m.running(goSyscall)
	if err != nil {
		return false, err
	}
	g.state = goRunnable
	d.emit(m, OpSyscallLost, m.g)
	m.leaves()
	return true, nil
}

// goCreateSyscall is of a thread of C that calls Go: cgocallbackg by way of needm.
func (d *Decoder) goCreateSyscall(m *thread) (bool, error) {
	if m.gs != nil {
		return false, refuse("a thread of C that runs a goroutine already")
	}
	g, err := d.newborn(m.args[0])
	if err != nil {
		return false, err
	}
	g.state = goSyscall
	d.emit(m, OpCreate, int64(m.args[0])).Aux = states[goSyscall]
	m.takes(m.args[0], g)
	return true, nil
}

// goDestroySyscall is of such a thread that goes back to C: dropm. Its P may be stolen later, when the thread's id belongs to another.
func (d *Decoder) goDestroySyscall(m *thread) (bool, error) {
	g, err := m.running(goSyscall)
	if err != nil {
		return false, err
	}
	if m.p >= 0 {
		p := &d.procs[m.p]
		if p.state != procSyscall {
			return false, refuse("a thread of C that leaves with a P in no system call")
		}
		p.state = procAbandoned
		d.emit(m, OpProcStop, -1)
	}
	d.destroy(m.g, g)
	d.emit(m, OpEnd, m.g)
	m.p = -1
	m.leaves()
	return true, nil
}

// The world: stopTheWorldWithSema and startTheWorldWithSema in runtime/proc.go.

func (d *Decoder) stwBegin(m *thread) (bool, error) {
	if err := m.enters(inSTW); err != nil {
		return false, err
	}
	r := d.emit(m, OpSTW, m.g)
	r.Aux, r.Stack = d.name(d.out, m.args[0]), d.stack(d.out, m.args[1])
	return true, nil
}

func (d *Decoder) stwEnd(m *thread) (bool, error) {
	if err := m.exits(inSTW); err != nil {
		return false, err
	}
	d.emit(m, OpSTWEnd, m.g)
	return true, nil
}

// enters says that the goroutine of a thread gets into the middle of something.
func (m *thread) enters(what uint8) error {
	if m.gs.state == none || m.gs.inside&what != 0 {
		return refuse("a goroutine that begins twice to stop the world or to assist")
	}
	m.gs.inside |= what
	return nil
}

// exits says that it gets out of it.
func (m *thread) exits(what uint8) error {
	if m.gs.state == none || m.gs.inside&what == 0 {
		return refuse("a goroutine that ends to stop the world or to assist, and did not begin")
	}
	m.gs.inside &^= what
	return nil
}

// The collector: gcStart and gcMarkTermination in runtime/mgc.go. Its cycles are counted, the ends with the beginnings.

func (d *Decoder) gcActive(m *thread) (bool, error) {
	if d.gc != gcUnknown {
		return false, refuse("a collection that is under way once more")
	}
	d.gc, d.gcSequence = gcOn, m.args[0]
	d.emit(m, OpGC, -1)
	return true, nil
}

func (d *Decoder) gcBegin(m *thread) (bool, error) {
	if d.gc != gcUnknown {
		if m.args[0] != d.gcSequence+1 {
			return false, nil
		}
		if d.gc == gcOn || m.p < 0 || m.gs == nil {
			return false, refuse("a collection inside another, or of nobody")
		}
	}
	d.gc, d.gcSequence = gcOn, m.args[0]
	d.emit(m, OpGC, -1).Aux = 1
	return true, nil
}

func (d *Decoder) gcEnd(m *thread) (bool, error) {
	if m.args[0] != d.gcSequence+1 {
		return false, nil
	}
	if d.gc != gcOn || m.p < 0 || m.gs == nil {
		return false, refuse("the end of no collection, or by nobody")
	}
	d.gc, d.gcSequence = gcOff, m.args[0]
	d.emit(m, OpGCEnd, -1)
	return true, nil
}

// sweepActive is of any P, as its status.
func (d *Decoder) sweepActive(m *thread) (bool, error) {
	if m.args[0] >= uint64(len(d.procs)) {
		return false, refuse("a P that sweeps and is not there")
	}
	p := &d.procs[m.args[0]]
	if p.state == none || p.sweeping {
		return false, refuse("a P that sweeps twice")
	}
	p.sweeping = true
	d.emit(m, OpSweep, -1).Proc = uint16(m.args[0]) + 1
	return true, nil
}

func (d *Decoder) sweepBegin(m *thread) (bool, error) {
	p := &d.procs[m.p]
	if p.sweeping {
		return false, refuse("a P that sweeps twice")
	}
	p.sweeping = true
	d.emit(m, OpSweep, -1).Aux = 1
	return true, nil
}

func (d *Decoder) sweepEnd(m *thread) (bool, error) {
	p := &d.procs[m.p]
	if !p.sweeping {
		return false, refuse("a P that ends to sweep and did not")
	}
	p.sweeping = false
	d.emit(m, OpSweepEnd, -1)
	return true, nil
}

// assistActive is of any goroutine, as its status.
func (d *Decoder) assistActive(m *thread) (bool, error) {
	g := d.goroutines.get(m.args[0])
	if g == nil {
		return false, errTooMany
	}
	if g.state == none || g.inside&inAssist != 0 {
		return false, refuse("a goroutine that assists twice")
	}
	g.inside |= inAssist
	d.emit(m, OpAssist, int64(m.args[0]))
	return true, nil
}

func (d *Decoder) assistBegin(m *thread) (bool, error) {
	if err := m.enters(inAssist); err != nil {
		return false, err
	}
	r := d.emit(m, OpAssist, m.g)
	r.Aux, r.Stack = 1, d.stack(d.out, m.args[0])
	return true, nil
}

func (d *Decoder) assistEnd(m *thread) (bool, error) {
	if err := m.exits(inAssist); err != nil {
		return false, err
	}
	d.emit(m, OpAssistEnd, m.g)
	return true, nil
}

// amount returns the rule of an event whose number is all that counts.
func amount(op Op) rule {
	return func(d *Decoder, m *thread) (bool, error) {
		d.emit(m, op, -1).number(m.args[0])
		return true, nil
	}
}

// span is of the experiment "alloc/free".
func (d *Decoder) span(m *thread) (bool, error) {
	d.emit(m, OpNone, -1)
	return true, nil
}

// What programs say themselves: runtime/trace, by way of runtime/traceruntime.go.

func (d *Decoder) label(m *thread) (bool, error) {
	d.emit(m, OpLabel, m.g).Aux = d.name(d.out, m.args[0])
	return true, nil
}

func (d *Decoder) taskBegin(m *thread) (bool, error) {
	n := Note{Task: m.args[0], Parent: m.args[1], Name: d.string(m.args[2])}
	if n.Parent == 0 {
		n.Parent = noTask
	}
	if _, ok := d.tasks[n.Task]; ok {
		return false, refuse("a task that begins twice")
	}
	d.tasks[n.Task] = n
	d.emit(m, OpTask, m.g).Start = d.out.Note(n)
	return true, nil
}

// taskEnd is of a task that may have begun before the generation, or have ended already.
func (d *Decoder) taskEnd(m *thread) (bool, error) {
	n, ok := d.tasks[m.args[0]]
	if !ok {
		n = Note{Task: m.args[0], Parent: noTask}
	}
	delete(d.tasks, n.Task)
	d.emit(m, OpTaskEnd, m.g).Start = d.out.Note(n)
	return true, nil
}

const noTask = math.MaxUint64

func (d *Decoder) region(m *thread) (bool, error) {
	if m.gs.state == none {
		return false, refuse("a region of a goroutine that is not there")
	}
	n := Note{Task: m.args[0], Name: d.string(m.args[1])}
	in := d.regions[m.g]
	op := OpRegion
	if m.kind == evUserRegionBegin {
		m.gs.inside |= inRegions
		d.regions[m.g] = append(in, n)
	} else if op = OpRegionEnd; len(in) > 0 { // otherwise it began before
		if in[len(in)-1] != n {
			return false, refuse("a region that ends inside another")
		}
		d.regions[m.g] = in[:len(in)-1]
	}
	d.emit(m, op, m.g).Start = d.out.Note(n)
	return true, nil
}

func (d *Decoder) log(m *thread) (bool, error) {
	d.emit(m, OpLog, m.g).Start = d.out.Note(Note{Task: m.args[0], Name: d.string(m.args[1]), Text: d.string(m.args[2])})
	return true, nil
}
