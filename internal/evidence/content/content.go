// Package content is what every reader says of what it has read, so that nobody has to ask which kind of evidence it is.
package content

import (
	"time"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// Content is what was measured of a piece of evidence. Each reader implements it beside its data, and as many of the
// other interfaces of this package as its kind has an answer to.
type Content interface {
	// Totals is what it adds up to, in the order a report lists it.
	Totals() Totals
	// EachStack hands over the stacks that say where functions stand.
	EachStack(take func(stack.Stack))
}

// Total is one sum over all of a content.
type Total struct {
	Name  string
	Value quantity.Quantity
}

// Totals lists sums.
type Totals []Total

// Add lists one more.
func (t *Totals) Add(name string, q quantity.Quantity) { *t = append(*t, Total{name, q}) }

// Count lists a number of things.
func (t *Totals) Count(name string, n int64) { t.Add(name, quantity.Of(n, quantity.Count)) }

// Time lists a duration.
func (t *Totals) Time(name string, d time.Duration) { t.Add(name, quantity.Duration(d)) }

// Part is what is left of a content under a focus. The content itself stays as it is.
type Part struct {
	Content Content       // nil when nothing is left
	Says    prose.Text    // how much it is, or why nothing
	At      time.Time     // when it begins; zero where that did not change
	For     time.Duration // what it covers, where At is set
	Lacks   prose.Text    // why it is no whole of its kind any more; empty when it is one
	Apart   prose.Text    // why it denies nothing; empty when it can
}

// Labelled can carry labels (runtime/pprof.Do).
type Labelled interface {
	// EachLabel hands over the labels of every sample or goroutine.
	EachLabel(take func(key, value string))
	// Labelled is what carries a label.
	Labelled(key, value string) Part
}

// Timed knows what of it happened when.
type Timed interface {
	// Within is what lies between two times, the later zero for no end. at is when the content begins.
	Within(at, from, to time.Time) Part
}

// Cut was restricted to a stretch of time while it was read.
type Cut interface {
	// Cut says what of it was read; ok is false when that is all.
	Cut() (p Part, ok bool)
}

// Tasked knows user tasks (runtime/trace.NewTask).
type Tasked interface {
	// OfTask is what belongs to tasks of a type.
	OfTask(name string) Part
}

// Lifelong begins with the process, not with the incident.
type Lifelong interface {
	// Began is when the process started; zero when nothing says.
	Began() time.Time
}
