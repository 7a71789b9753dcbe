package dump

import (
	"unsafe"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/stack"
)

// stacks holds each distinct stack of a text once: goroutines that stand at the same place share it.
// Names are held once already, so that a stack is known by where they are.
type stacks map[uint64]*held

type held struct {
	stack stack.Stack
	owner *stack.Site // of the stack, once it was asked for
	next  *held       // another stack of the same hash
}

// step goes on with a hash by one frame.
func step(h uint64, f *stack.Frame) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h = (h ^ uint64(uintptr(unsafe.Pointer(unsafe.StringData(f.Function))))) * odd
	h = (h>>29 ^ h ^ uint64(f.Line)) * odd
	return h>>32 ^ h
}

// find returns the stack that is held in place of s, nil for none.
func (t stacks) find(h uint64, n int, frame func(i int) *stack.Frame) *held {
next:
	for e := t[h]; e != nil; e = e.next {
		if len(e.stack) != n {
			continue
		}
		for i := range e.stack {
			if *e.stack[i] != *frame(i) {
				continue next
			}
		}
		return e
	}
	return nil
}

// same returns the one stack that all goroutines with these frames share, nil where memory ends.
func (f *finder) same(frames []Frame) *held {
	var h uint64
	for i := range frames {
		h = step(h, &frames[i].Frame)
	}
	at := func(i int) *stack.Frame { return &frames[i].Frame }
	if e := f.stacks.find(h, len(frames), at); e != nil {
		return e
	}
	return f.hold(h, len(frames), at)
}

// owner is [stack.Stack.Owner] of a stack that may have been asked about before.
func (f *finder) owner(s stack.Stack) stack.Site {
	var h uint64
	for i := range s {
		h = step(h, s[i])
	}
	at := func(i int) *stack.Frame { return s[i] }
	e := f.stacks.find(h, len(s), at)
	if e == nil {
		e = f.hold(h, len(s), at)
	}
	if e == nil {
		return s.Owner()
	}
	if e.owner == nil {
		site := e.stack.Owner()
		e.owner = &site
	}
	return *e.owner
}

func (f *finder) hold(h uint64, n int, at func(i int) *stack.Frame) *held {
	if f.over != nil || f.pay(bound.Size[stack.Frame](n)+bound.Size[*stack.Frame](n)+bound.PerEntry+128) == 0 {
		return nil
	}
	frames := make([]stack.Frame, n)
	for i := range n {
		frames[i] = *at(i)
	}
	e := &held{stack: stack.Of(frames)}
	if f.stacks == nil {
		f.stacks = stacks{}
	}
	e.next, f.stacks[h] = f.stacks[h], e
	return e
}
