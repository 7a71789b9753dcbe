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

// advance emits the thread's event if it can be the next, and reports whether it was. What its kind
// refers to and needs has been checked.
func (d *Decoder) advance(m *thread) (bool, error) {
	switch m.kind {
	// Ps. A thread starts a P when it has none; where it still holds one, in a system call, that has yet to be stolen.
	// acquirep, releasep and handoffp in runtime/proc.go.
	case evProcStart:
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
	case evProcStop:
		p := &d.procs[m.p]
		if p.state != procRunning && p.state != procSyscall {
			return false, refuse("a P that stops and did not run")
		}
		p.state = procIdle
		d.emit(m, OpProcStop, -1)
		m.p = -1
	case evProcSteal:
		return d.steal(m)
	case evProcStatus:
		return true, d.procStatus(m)

	// Goroutines: newproc1, execute, gopark, goready, goyield and gdestroy in runtime/proc.go. Their sequence counts
	// what others do to them.
	case evGoCreate, evGoCreateBlocked:
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
	case evGoCreateSyscall: // a thread of C calls Go: cgocallbackg by way of needm
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
	case evGoStart:
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
	case evGoStop, evGoBlock:
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
	case evGoDestroy:
		g, err := m.running(goRunning)
		if err != nil {
			return false, err
		}
		d.destroy(m.g, g)
		d.emit(m, OpEnd, m.g)
		m.leaves()
	case evGoUnblock: // by anything, be it a thread without a P
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
	case evGoSwitch, evGoSwitchDestroy: // coroswitch_m and coroexit in runtime/coro.go: wake one, stop, start that one
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
	case evGoStatus, evGoStatusStack:
		return true, d.goStatus(m)

	// System calls: entersyscall and exitsyscall in runtime/proc.go. The P stays with the thread until somebody steals
	// it, and counts the calls so that it is clear which of them a thief ends.
	case evGoSyscallBegin:
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
	case evGoSyscallEnd:
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
	case evGoSyscallEndBlocked: // the P has to go first
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
	case evGoDestroySyscall: // dropm: the P may be stolen later, when the thread's id belongs to another
		g, err := m.running(goSyscall)
		if err != nil {
			return false, err
		}
		held := m.p
		if held >= 0 {
			p := &d.procs[held]
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

	// The world: stopTheWorldWithSema and startTheWorldWithSema in runtime/proc.go.
	case evSTWBegin:
		if m.gs.state == none || m.gs.inside&inSTW != 0 {
			return false, refuse("a goroutine that stops the world twice")
		}
		m.gs.inside |= inSTW
		r := d.emit(m, OpSTW, m.g)
		r.Aux, r.Stack = d.name(d.out, m.args[0]), d.stack(d.out, m.args[1])
	case evSTWEnd:
		if m.gs.state == none || m.gs.inside&inSTW == 0 {
			return false, refuse("a goroutine that starts the world and did not stop it")
		}
		m.gs.inside &^= inSTW
		d.emit(m, OpSTWEnd, m.g)

	// The collector: gcStart and gcMarkTermination in runtime/mgc.go. Its cycles are counted, the ends with the beginnings.
	case evGCActive:
		if d.gc != gcUnknown {
			return false, refuse("a collection that is under way once more")
		}
		d.gc, d.gcSequence = gcOn, m.args[0]
		d.emit(m, OpGC, -1)
	case evGCBegin:
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
	case evGCEnd:
		if m.args[0] != d.gcSequence+1 {
			return false, nil
		}
		if d.gc != gcOn || m.p < 0 || m.gs == nil {
			return false, refuse("the end of no collection, or by nobody")
		}
		d.gc, d.gcSequence = gcOff, m.args[0]
		d.emit(m, OpGCEnd, -1)
	case evGCSweepActive:
		if m.args[0] >= uint64(len(d.procs)) {
			return false, refuse("a P that sweeps and is not there")
		}
		p := &d.procs[m.args[0]]
		if p.state == none || p.sweeping {
			return false, refuse("a P that sweeps twice")
		}
		p.sweeping = true
		d.emit(m, OpSweep, -1).Proc = uint16(m.args[0]) + 1
	case evGCSweepBegin:
		p := &d.procs[m.p]
		if p.sweeping {
			return false, refuse("a P that sweeps twice")
		}
		p.sweeping = true
		d.emit(m, OpSweep, -1).Aux = 1
	case evGCSweepEnd:
		p := &d.procs[m.p]
		if !p.sweeping {
			return false, refuse("a P that ends to sweep and did not")
		}
		p.sweeping = false
		d.emit(m, OpSweepEnd, -1)
	case evGCMarkAssistActive: // of any goroutine, as its status
		g := d.goroutines.get(m.args[0])
		if g == nil {
			return false, errTooMany
		}
		if g.state == none || g.inside&inAssist != 0 {
			return false, refuse("a goroutine that assists twice")
		}
		g.inside |= inAssist
		d.emit(m, OpAssist, int64(m.args[0]))
	case evGCMarkAssistBegin:
		if m.gs.state == none || m.gs.inside&inAssist != 0 {
			return false, refuse("a goroutine that assists twice")
		}
		m.gs.inside |= inAssist
		r := d.emit(m, OpAssist, m.g)
		r.Aux, r.Stack = 1, d.stack(d.out, m.args[0])
	case evGCMarkAssistEnd:
		if m.gs.state == none || m.gs.inside&inAssist == 0 {
			return false, refuse("a goroutine that ends to assist and did not")
		}
		m.gs.inside &^= inAssist
		d.emit(m, OpAssistEnd, m.g)
	case evHeapAlloc:
		d.emit(m, OpLive, -1).number(m.args[0])
	case evHeapGoal:
		d.emit(m, OpGoal, -1).number(m.args[0])
	case evProcsChange: // startTheWorldWithSema
		d.emit(m, OpProcs, -1).number(m.args[0])

	// What programs say themselves: runtime/trace, by way of runtime/traceruntime.go.
	case evGoLabel:
		d.emit(m, OpLabel, m.g).Aux = d.name(d.out, m.args[0])
	case evUserTaskBegin:
		n := Note{Task: m.args[0], Parent: m.args[1], Name: d.string(m.args[2])}
		if n.Parent == 0 {
			n.Parent = noTask
		}
		if _, ok := d.tasks[n.Task]; ok {
			return false, refuse("a task that begins twice")
		}
		d.tasks[n.Task] = n
		d.emit(m, OpTask, m.g).Start = d.out.Note(n)
	case evUserTaskEnd: // may have begun before, or have ended
		n, ok := d.tasks[m.args[0]]
		if !ok {
			n = Note{Task: m.args[0], Parent: noTask}
		}
		delete(d.tasks, n.Task)
		d.emit(m, OpTaskEnd, m.g).Start = d.out.Note(n)
	case evUserRegionBegin, evUserRegionEnd:
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
	case evUserLog:
		d.emit(m, OpLog, m.g).Start = d.out.Note(Note{Task: m.args[0], Name: d.string(m.args[1]), Text: d.string(m.args[2])})

	default:
		if m.kind < evSpan {
			return false, refuse("an event that no thread writes")
		}
		d.emit(m, OpNone, -1)
	}
	return true, nil
}

const noTask = math.MaxUint64

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

func (d *Decoder) destroy(id int64, g *goroutine) {
	if g.inside&inRegions != 0 {
		delete(d.regions, id)
	}
	*g = goroutine{}
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
func (d *Decoder) procStatus(m *thread) error {
	p, err := d.proc(m.args[0])
	if err != nil {
		return err
	}
	status := m.args[1]
	if status < procRunning || status > procAbandoned {
		return refuse("a state that no P has")
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
			return refuse("a P in a system call of nobody")
		}
	case uint64(known) != status:
		return refuse("a P that is in another state")
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
	return nil
}

// goStatus takes the state of a goroutine, which is written when the goroutine is first heard of in a generation, at the latest
// when that ends (traceWriter.writeGoStatus in runtime/tracestatus.go, traceAdvance in runtime/trace.go).
func (d *Decoder) goStatus(m *thread) error {
	id, status := m.args[0], m.args[2]
	g := d.goroutines.get(id)
	switch {
	case g == nil:
		return errTooMany
	case id == math.MaxUint64 || status < goRunnable || status > goWaiting:
		return refuse("a goroutine that is none, or a state that none has")
	case g.state != none && uint64(g.state) != status:
		return refuse("a goroutine that is in another state")
	}
	g.state, g.sequence = uint8(status), 0
	r := d.emit(m, OpStatus, int64(id))
	r.Aux = states[status]
	if m.kind == evGoStatusStack {
		r.Stack = d.stack(d.out, m.args[3])
	}
	switch {
	case status == goSyscall && m.args[1] == nobody:
		return refuse("a goroutine in a system call of nobody")
	case m.id != nobody && (status == goRunning || status == goSyscall && m.args[1] == m.id):
		m.takes(id, g)
	case status == goSyscall:
		// Another thread sits in the call, perhaps for all of the generation.
		other := d.threads[m.args[1]]
		if other == nil {
			other = d.newThread(m.args[1])
		}
		if other.seen && other.g != int64(id) {
			return refuse("a goroutine in a system call of a thread that runs another")
		}
		other.seen = true
		other.takes(id, g)
	}
	return nil
}
