package runtimelog

import "inquest/analyze/evidence/stack"

// EachStack hands over nothing: the runtime logs numbers.
func (g *GC) EachStack(func(stack.Stack)) {}

// EachStack hands over nothing, as that of gctrace.
func (s *Sched) EachStack(func(stack.Stack)) {}
