// Package stack names places in Go code: frames, stacks, and the site a stack
// stands for. Every kind of evidence speaks about code through it, so that a
// profile, a trace and a dump can be joined on the same function.
//
// It reads no files and judges nothing.
package stack

import (
	"fmt"
	"slices"
	"strings"
)

// Frame is one call in a stack, as the evidence spells it.
type Frame struct {
	Function string // full name with package path, never empty in a symbolised stack
	File     string // source file as the compiler recorded it; empty when unknown
	Line     int    // 1-based line in File; 0 when unknown
}

// Stack is a call stack, leaf first. Frames are shared between stacks, and never changed or nil.
type Stack []*Frame

// Same tells stacks apart by where their frames are kept: those for which it is equal are equal, and goroutines of a dump that stand at
// the same place share theirs. What is made of a stack has to be made once for each.
type Same struct {
	first **Frame
	n     int
}

// Same returns what the stack shares.
func (s Stack) Same() Same {
	if len(s) == 0 {
		return Same{}
	}
	return Same{&s[0], len(s)}
}

// Of returns the stack of frames that stand one after another, which it shares.
func Of(frames []Frame) Stack {
	s := make(Stack, len(frames))
	for i := range frames {
		s[i] = &frames[i]
	}
	return s
}

// Equal reports whether two stacks have the same frames.
func (s Stack) Equal(o Stack) bool {
	return slices.EqualFunc(s, o, func(a, b *Frame) bool { return a == b || *a == *b })
}

// Site is the place a stack stands for: the function that evidence of
// different kinds is joined on, with one line of it to open in an editor.
// The zero Site stands for the process as a whole.
type Site struct {
	Function string // normalised name, see [Normal]
	File     string
	Line     int
}

// Site returns the first frame that is not plumbing (see [Plumbing]): the code
// that asked for the lock, the channel operation or the memory. A stack made of
// plumbing alone gives its outermost frame; an empty stack gives the zero Site.
func (s Stack) Site() Site {
	for _, f := range s {
		if !Plumbing(f.Function) {
			return f.Site()
		}
	}
	if len(s) == 0 {
		return Site{}
	}
	return s[len(s)-1].Site()
}

// Owner returns the first frame outside the standard library, the plumbing and the modules
// that the program depends on: the application code that is answerable for what its library
// callees cost. Where a server hands requests out below it, or where it is the
// entry point, the frame of the library is the better answer; a stack wholly inside the
// standard library gives its [Stack.Site].
func (s Stack) Owner() Site {
	library := -1
	for i, f := range s {
		if Standard(f.Function) || Plumbing(f.Function) {
			if library >= 0 && handsOut[f.Function] {
				break
			}
			continue
		}
		switch {
		case !f.Dependency() && (library < 0 || Normal(f.Function) != "main.main"):
			return f.Site()
		case library < 0:
			library = i
		}
	}
	if library >= 0 {
		return s[library].Site()
	}
	return s.Site()
}

// handsOut are the frames below which another handler is at work than above.
var handsOut = map[string]bool{"net/http.HandlerFunc.ServeHTTP": true, "net/http.(*ServeMux).ServeHTTP": true}

// Path returns the normalised names of the frames that are not plumbing, leaf
// first, adjacent repetitions folded: the way from the site to the outermost caller.
func (s Stack) Path() []string {
	var path []string
	for _, f := range s {
		if Plumbing(f.Function) {
			continue
		}
		name := Normal(f.Function)
		if len(path) == 0 || path[len(path)-1] != name {
			path = append(path, name)
		}
	}
	return path
}

// Contains reports whether any frame's normalised function is one of names.
func (s Stack) Contains(names ...string) bool {
	for _, f := range s {
		n := Normal(f.Function)
		for _, name := range names {
			if n == name {
				return true
			}
		}
	}
	return false
}

// String writes a frame on one line, so that what prints a stack prints what is in it.
func (f *Frame) String() string { return fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line) }

// Dependency reports whether the frame's file is of a module that the program
// depends on: in the module cache under its version, which stays in the
// name with -trimpath (cmd/go/internal/work/gc.go, trimpath), or vendored.
func (f Frame) Dependency() bool {
	if i := strings.Index(f.File, "@v"); i > 0 && i+2 < len(f.File) && f.File[i+2] >= '0' && f.File[i+2] <= '9' {
		return true
	}
	return strings.Contains(f.File, "/vendor/")
}

// Site returns the site of a single frame.
func (f Frame) Site() Site {
	return Site{Function: Normal(f.Function), File: f.File, Line: f.Line}
}
