package exectrace

import (
	"slices"
	"strings"
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// place is a stack the fold has met, with what is asked of it again and again
// worked out once.
type place struct {
	frames stack.Stack
	hash   uint64
	next   uint32   // another place with the same hash, or 0
	fns    []uint32 // of frames: interned function names
	site   stack.Site
	root   string // function of the outermost frame; empty when the stack may be cut short
	group  uint32 // of root, once a goroutine showed it
	system bool   // root is the runtime's own or the tracer's, and no finalizer runs below it
	unlock lock   // what kind of lock the leaf frames release
	waits  []waitAt

	// For the account.
	owner   uint32 // its site there, plus one; 0 when not known yet
	applied bool   // that is code of the application, once the owner is known
	leaves  []leafAt
	request bool // handles a request, as far as the server's frames tell
	handles bool // and is application code
	closes  bool // closes a channel
	records bool // records the program
	polls   bool // looks for what the network made ready, as whoever starts the world again does
}

// leafAt finds a leaf of a place.
type leafAt struct {
	kind  kindID
	group uint32
	leaf  uint32
}

// waitAt finds the statistics of a place by reason.
type waitAt struct {
	reason uint32
	wait   uint32
}

// lock is a kind of lock.
type lock uint8

const (
	noLock lock = iota
	mutexLock
	readLock
	writeLock
)

// maxFrames is the depth at which the runtime cuts stacks (tracev2.MaxFramesPerStack).
const maxFrames = 128

// places interns stacks and names. Index 0 is the empty stack.
type places struct {
	all    []*place
	byHash map[uint64]uint32
	fns    map[string]uint32
	names  []string // by number in fns
	files  map[string]string
	sites  map[string]fnInfo
	kept   int   // frames
	bytes  int64 // of all of it
}

// What a place and a string take with the entries that find them, in bytes.
const (
	placeSize = int64(unsafe.Sizeof(place{})) + 2*8 + 12 + bound.PerEntry
	perString = 2*16 + bound.PerEntry
)

type fnInfo struct {
	normal   string
	plumbing bool
}

func newPlaces() *places {
	return &places{
		all:    []*place{{}},
		byHash: map[uint64]uint32{},
		fns:    map[string]uint32{},
		files:  map[string]string{},
		sites:  map[string]fnInfo{},
	}
}

// intern returns the index of a stack that is equal in every frame.
func (ps *places) intern(f wire.Stack) uint32 {
	for i := ps.byHash[f.Hash]; i != 0; i = ps.all[i].next {
		if ps.all[i].frames.Equal(f.Frames) {
			return i
		}
	}
	if ps.kept += len(f.Frames); ps.kept > maxKept {
		return 0
	}
	p := &place{frames: f.Frames, hash: f.Hash, next: ps.byHash[f.Hash], fns: make([]uint32, len(f.Frames))}
	for i, fr := range p.frames { // which nobody else shares yet
		id, ok := ps.fns[fr.Function]
		if !ok {
			id = uint32(len(ps.fns))
			ps.fns[fr.Function] = id
			ps.names = append(ps.names, fr.Function)
			ps.bytes += 2*perString + int64(len(fr.Function))
		}
		p.fns[i] = id
		file, ok := ps.files[fr.File]
		if !ok {
			file = fr.File
			ps.files[file] = file
			ps.bytes += perString + int64(len(file))
		}
		fr.Function, fr.File = ps.names[id], file // each generation has copies of its own
	}
	ps.bytes += placeSize + bound.Size[stack.Frame](len(p.frames)) + bound.Size[*stack.Frame](cap(p.frames)) + bound.Size[uint32](len(p.fns))
	p.site = ps.site(p.frames)
	if len(p.frames) < maxFrames {
		p.root = p.frames[len(p.frames)-1].Function
	}
	// Like the runtime (runtime/traceback.go, isSystemGoroutine): what it calls as a finalizer is the program's.
	p.system = systemRoot(p.root) && p.frames.Finalizer() == nil
	p.unlock = unlocks(p.frames)
	p.request, p.handles = handles(p.frames)
	p.records = records(p.frames)
	p.request = p.request && !p.records
	p.closes = len(p.frames) > 0 && p.frames[0].Function == "runtime.closechan"
	p.polls = len(p.frames) > 0 && strings.HasPrefix(p.frames[0].Function, "runtime.")
	ps.all = append(ps.all, p)
	ps.byHash[f.Hash] = uint32(len(ps.all) - 1)
	return uint32(len(ps.all) - 1)
}

// handles reports whether a stack is in the handling of a request, and in application code that does it.
func handles(s stack.Stack) (request, application bool) {
	handler := wait.HandlerOf(s)
	return handler != "", handler != "" && !stack.Standard(handler)
}

// records reports whether a stack is in a handler that records the program that it is part of.
func records(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f *stack.Frame) bool { return stack.Package(f.Function) == "net/http/pprof" })
}

func (ps *places) info(fn string) fnInfo {
	in, ok := ps.sites[fn]
	if !ok {
		in = fnInfo{stack.Normal(fn), stack.Plumbing(fn)}
		ps.sites[fn] = in
		ps.bytes += perString + 8 + int64(len(in.normal))
	}
	return in
}

// site is [stack.Stack.Site] with the answers for each function remembered:
// they cost regular expressions.
func (ps *places) site(s stack.Stack) stack.Site {
	for _, f := range s {
		if in := ps.info(f.Function); !in.plumbing {
			return stack.Site{Function: in.normal, File: f.File, Line: f.Line}
		}
	}
	if len(s) == 0 {
		return stack.Site{}
	}
	f := s[len(s)-1]
	return stack.Site{Function: ps.info(f.Function).normal, File: f.File, Line: f.Line}
}

// systemRoot reports whether a goroutine that starts in fn is the runtime's own
// or the tracer's. runtime.main runs main.main, runtime.corostart the body of
// an iter.Pull.
func systemRoot(fn string) bool {
	switch {
	case strings.HasPrefix(fn, "runtime."):
		return fn != "runtime.main" && fn != "runtime.corostart"
	case strings.HasPrefix(fn, "runtime/trace."):
		return strings.Contains(fn, ".Start") || strings.Contains(fn, "traceMultiplexer") || strings.Contains(fn, ".startLocked") ||
			strings.Contains(fn, "FlightRecorder")
	}
	return fn == "runtime/pprof.profileWriter"
}

// unlocks tells what lock the leaf frames of a stack release.
func unlocks(s stack.Stack) lock {
	kind := noLock
	for _, f := range s {
		switch f.Function {
		case "sync.(*Mutex).Unlock", "sync.(*Mutex).unlockSlow", "internal/sync.(*Mutex).Unlock", "internal/sync.(*Mutex).unlockSlow":
			kind = mutexLock
		case "sync.(*RWMutex).RUnlock", "sync.(*RWMutex).rUnlockSlow":
			return readLock
		case "sync.(*RWMutex).Unlock":
			return writeLock
		default:
			if !strings.HasPrefix(f.Function, "sync.") && !strings.HasPrefix(f.Function, "internal/sync.") && !strings.HasPrefix(f.Function, "runtime.") {
				return kind
			}
		}
	}
	return kind
}

// classify names a wait by the runtime's reason and, where that is too coarse
// or missing, by the frames that lead into the runtime (runtime/sema.go gives
// one reason, "sync", to all locks).
func classify(reason string, p *place) wait.Class {
	if p.system {
		return wait.System
	}
	switch reason {
	case "sync":
		if c := syncClass(p.frames); c != "" {
			return c
		}
		return wait.Sync
	case "sync.(*Cond).Wait":
		return wait.Cond
	case "chan send":
		return wait.ChanSend
	case "chan receive":
		return wait.ChanRecv
	case "select":
		return wait.Select
	case "network":
		return wait.Network
	case "sleep":
		return wait.Sleep
	case "GC mark assist wait for work":
		return wait.Assist
	case "preempted":
		return wait.Preempted
	case "syscall":
		return wait.Syscall
	case "GC background sweeper wait", "system goroutine wait", "wait until GC ends", "GC weak to strong wait", "wait for debug call":
		return wait.System
	case "":
		return frameClass(p.frames)
	}
	return wait.Other
}

// syncClass names the lock that the leaf frames wait for, or "". A waiter in
// RWMutex.Lock behind another writer shows Mutex.Lock below it.
func syncClass(s stack.Stack) wait.Class {
	var c wait.Class
	for _, f := range s {
		switch f.Function {
		case "sync.(*Mutex).Lock", "sync.(*Mutex).lockSlow", "internal/sync.(*Mutex).Lock", "internal/sync.(*Mutex).lockSlow":
			c = wait.Mutex
		case "sync.(*RWMutex).RLock":
			return wait.RWRead
		case "sync.(*RWMutex).Lock":
			return wait.RWWrite
		case "sync.(*WaitGroup).Wait":
			return wait.WaitGroup
		case "sync.(*Cond).Wait":
			return wait.Cond
		default:
			if !strings.HasPrefix(f.Function, "sync.") && !strings.HasPrefix(f.Function, "internal/sync.") && !strings.HasPrefix(f.Function, "runtime.") {
				return c
			}
		}
	}
	return c
}

// frameClass names a wait for which the trace gives no reason: it began before
// the trace did, and only the stack of its status event tells.
func frameClass(s stack.Stack) wait.Class {
	if c := syncClass(s); c != "" {
		return c
	}
	for _, f := range s {
		switch f.Function {
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return wait.ChanRecv
		case "runtime.chansend", "runtime.chansend1":
			return wait.ChanSend
		case "runtime.selectgo":
			return wait.Select
		case "runtime.netpollblock", "internal/poll.runtime_pollWait":
			return wait.Network
		case "time.Sleep":
			return wait.Sleep
		case "runtime.gcAssistAlloc":
			return wait.Assist
		}
	}
	return wait.Other
}
