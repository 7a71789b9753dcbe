package dump

import "inquest/analyze/evidence/stack"

// Crashes is the crashes of a log: at least one, the different ones in the order of the file.
type Crashes []*Crash

// Races is the reports of the race detector in a log, likewise.
type Races []*Race

// EachStack hands over the stack of every goroutine.
func (d *Dump) EachStack(take func(stack.Stack)) {
	for i := range d.Goroutines {
		take(d.Goroutines[i].Stack())
	}
}

// EachStack hands over nothing: a crash names the places it is about by itself.
func (c Crashes) EachStack(func(stack.Stack)) {}

// EachStack hands over nothing, as that of crashes.
func (r Races) EachStack(func(stack.Stack)) {}
