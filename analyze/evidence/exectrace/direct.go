package exectrace

import (
	"reflect"
	"unsafe"

	"golang.org/x/exp/trace"
)

// Nearly all events of a trace are of a dozen types, and the accessors of
// trace.Event copy some 160 bytes for each and need a map to recognise a stack.
// For these types the fields are read in place. The layout is not part of the
// package's contract, so it is checked at start against events made through the
// public API; when it does not fit, the accessors do the work, slower. Whatever
// is met for the first time, a stack or a reason, goes through them anyway.

// eventLayout is how trace.Event lies in memory.
type eventLayout struct {
	table   unsafe.Pointer
	g, p, m int64
	typ     uint8
	time    int64
	args    [4]uint64
}

// Types of events as the trace format numbers them (internal/trace/tracev2/events.go).
const (
	evProcStart         = 10
	evProcStop          = 11
	evGoCreate          = 14
	evGoStart           = 16
	evGoDestroy         = 17
	evGoStop            = 19
	evGoBlock           = 20
	evGoUnblock         = 21
	evGoSyscallBegin    = 22
	evGoSyscallEnd      = 23
	evGoSyscallEndBlock = 24
	evHeapAlloc         = 37
)

// idTable maps ids that the runtime hands out from 1 up to numbers of ours, plus one.
type idTable []uint32

// maxDirect bounds the table that hostile ids can ask for.
const maxDirect = 1 << 20

func (t *idTable) put(id uint64, n uint32) {
	if id >= maxDirect {
		return
	}
	if id >= uint64(len(*t)) {
		*t = append(*t, make([]uint32, id+64-uint64(len(*t)))...)
	}
	(*t)[id] = n + 1
}

func (t idTable) get(id uint64) (uint32, bool) {
	if id < uint64(len(t)) && t[id] != 0 {
		return t[id] - 1, true
	}
	return 0, false
}

// hot decodes an event of the common types and reports whether it was one.
func (d *decoder) hot(ev *trace.Event, rec *record) bool {
	e := (*eventLayout)(unsafe.Pointer(ev))
	switch e.typ {
	case evGoStart:
		rec.op = opStart
		rec.g = d.goid(trace.GoID(e.args[0]))
	case evGoBlock, evGoStop:
		rec.op = opBlock
		if e.typ == evGoStop {
			rec.op = opYield
		}
		rec.g = d.goid(trace.GoID(e.g))
		reason, ok := d.reasons.get(e.args[0])
		if !ok {
			reason = uint32(d.name(ev.StateTransition().Reason))
			d.reasons.put(e.args[0], reason)
		}
		rec.aux = uint8(reason)
		rec.stack = d.directStack(ev, e.args[1])
	case evGoUnblock:
		rec.op = opUnblock
		rec.g = d.goid(trace.GoID(e.args[0]))
		rec.actor = d.goid(trace.GoID(e.g))
		rec.stack = d.directStack(ev, e.args[2])
	case evGoSyscallBegin:
		rec.op = opSyscall
		rec.g = d.goid(trace.GoID(e.g))
		rec.stack = d.directStack(ev, e.args[1])
	case evGoSyscallEnd:
		rec.op = opSyscallEnd
		rec.g = d.goid(trace.GoID(e.g))
	case evGoSyscallEndBlock:
		rec.op = opSyscallLost
		rec.g = d.goid(trace.GoID(e.g))
	case evGoDestroy:
		rec.op = opEnd
		rec.g = d.goid(trace.GoID(e.g))
	case evGoCreate:
		rec.op = opCreate
		rec.aux = uint8(trace.GoRunnable)
		rec.g = d.goid(trace.GoID(e.args[0]))
		rec.actor = d.goid(trace.GoID(e.g))
		rec.stack = d.directStack(ev, e.args[2])
		start, ok := d.direct.get(e.args[1])
		if !ok {
			start = d.stackID(ev.StateTransition().Stack)
			d.direct.put(e.args[1], start)
		}
		rec.start = start
	case evProcStart:
		if e.args[0] >= maxProcs {
			return false
		}
		rec.op = opProcStart
		rec.proc = uint16(e.args[0]) + 1
	case evProcStop:
		rec.op = opProcStop
	case evHeapAlloc:
		rec.op = opLive
		rec.g, rec.actor = uint32(e.args[0]), uint32(e.args[0]>>32)
	default:
		return false
	}
	return true
}

// directStack returns the number of an event's own stack by the reader's id.
func (d *decoder) directStack(ev *trace.Event, id uint64) uint32 {
	if n, ok := d.direct.get(id); ok {
		return n
	}
	n := d.stackID(ev.Stack())
	d.direct.put(id, n)
	return n
}

// layoutKnown says whether events lie in memory as eventLayout has it.
var layoutKnown = checkLayout()

// checkLayout compares the fields of trace.Event with eventLayout, and then what
// both say about events whose content is known.
func checkLayout() bool {
	if !sameShape(reflect.TypeFor[trace.Event](), reflect.TypeFor[eventLayout]()) {
		return false
	}
	goroutine := func(from, to trace.GoState) (*eventLayout, bool) {
		st := trace.MakeGoStateTransition(0x1234, from, to)
		st.Reason = "reason"
		st.Stack = trace.MakeStack([]trace.StackFrame{{PC: 1, Func: "f", File: "f.go", Line: 1}})
		ev, err := trace.MakeEvent(trace.EventConfig[trace.StateTransition]{
			Kind: trace.EventStateTransition, Time: 77, Goroutine: 0x4321, Proc: 5, Thread: 6, Details: st,
			Stack: st.Stack,
		})
		return (*eventLayout)(unsafe.Pointer(&ev)), err == nil
	}
	const id = 0x1234
	for _, c := range []struct {
		from, to trace.GoState
		typ      uint8
		own      bool // names the goroutine by its context and not by an argument
		stack    int  // argument that names the stack, 0 for none
	}{
		{trace.GoRunnable, trace.GoRunning, evGoStart, false, 0},
		{trace.GoRunning, trace.GoNotExist, evGoDestroy, true, 0},
		{trace.GoRunning, trace.GoRunnable, evGoStop, true, 1},
		{trace.GoRunning, trace.GoWaiting, evGoBlock, true, 1},
		{trace.GoRunning, trace.GoSyscall, evGoSyscallBegin, true, 1},
		{trace.GoSyscall, trace.GoRunning, evGoSyscallEnd, true, 0},
		{trace.GoSyscall, trace.GoRunnable, evGoSyscallEndBlock, true, 0},
		{trace.GoWaiting, trace.GoRunnable, evGoUnblock, false, 2},
		{trace.GoNotExist, trace.GoRunnable, evGoCreate, false, 2},
	} {
		e, ok := goroutine(c.from, c.to)
		if !ok || e.typ != c.typ || e.time != 77 || e.p != 5 || e.m != 6 {
			return false
		}
		if c.stack > 0 && e.args[c.stack] == 0 {
			return false
		}
		if c.own && e.g != id || !c.own && (e.args[0] != id || e.g != 0x4321) {
			return false
		}
	}
	ev, err := trace.MakeEvent(trace.EventConfig[trace.Metric]{
		Kind: trace.EventMetric, Time: 78,
		Details: trace.Metric{Name: "/memory/classes/heap/objects:bytes", Value: trace.Uint64Value(99)},
	})
	e := (*eventLayout)(unsafe.Pointer(&ev))
	return err == nil && e.typ == evHeapAlloc && e.time == 78 && e.args[0] == 99
}

// sameShape reports whether two structs have the same plain fields, in order,
// looking into nested structs of the first.
func sameShape(a, b reflect.Type) bool {
	if a.Size() != b.Size() {
		return false
	}
	type field struct {
		kind   reflect.Kind
		size   uintptr
		offset uintptr
	}
	var flat func(t reflect.Type, base uintptr) []field
	flat = func(t reflect.Type, base uintptr) (out []field) {
		for f := range t.Fields() {
			switch k := f.Type.Kind(); k {
			case reflect.Struct:
				out = append(out, flat(f.Type, base+f.Offset)...)
			case reflect.Pointer, reflect.UnsafePointer:
				out = append(out, field{reflect.Pointer, f.Type.Size(), base + f.Offset})
			default:
				out = append(out, field{k, f.Type.Size(), base + f.Offset})
			}
		}
		return out
	}
	x, y := flat(a, 0), flat(b, 0)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}
