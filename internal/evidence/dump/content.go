package dump

import (
	"slices"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// Crashes is the crashes of a log: at least one, the different ones in the order of the file.
type Crashes []*Crash

// Races is the reports of the race detector in a log, likewise.
type Races []*Race

// Totals adds it up.
func (d *Dump) Totals() (out content.Totals) {
	var waiting, leaked int
	for i := range d.Goroutines {
		if d.Goroutines[i].Wait > 0 {
			waiting++
		}
		if d.Goroutines[i].Leaked {
			leaked++
		}
	}
	out.Count("goroutines", int64(len(d.Goroutines)))
	out.Count("waiting a minute or longer", int64(waiting))
	out.Count("leaked", int64(leaked))
	return out
}

// EachStack hands over the stack of every goroutine.
func (d *Dump) EachStack(take func(stack.Stack)) {
	for i := range d.Goroutines {
		take(d.Goroutines[i].Stack())
	}
}

// EachLabel hands over the labels of every goroutine.
func (d *Dump) EachLabel(take func(key, value string)) {
	for i := range d.Goroutines {
		for key, v := range d.Goroutines[i].Labels {
			take(key, v)
		}
	}
}

// Labelled keeps the goroutines that carry a label.
func (d *Dump) Labelled(key, value string) content.Part {
	left := *d
	left.Goroutines = slices.DeleteFunc(slices.Clone(d.Goroutines), func(g Goroutine) bool {
		v, ok := g.Labels[key]
		return !ok || v != value
	})
	if len(left.Goroutines) == 0 {
		return content.Part{Says: "none of its goroutines carries the label"}
	}
	// Who holds a lock may be among those left out, so what is not in sight proves nothing.
	left.Partial = true
	return content.Part{
		Content: &left,
		Lacks:   "narrowed to the goroutines that carry the label",
		Says:    prose.Textf("%d of %s carry the label; deadlock is not judged, as whoever holds a lock may be among the rest", len(left.Goroutines), quantity.Things(len(d.Goroutines), "goroutine")),
	}
}

// Totals adds it up.
func (c Crashes) Totals() (out content.Totals) {
	var died, lived int
	for _, one := range c {
		if one.Fate != Died {
			lived += one.Count
		} else {
			died += one.Count
		}
	}
	out.Count("crashes", int64(died))
	out.Count("recovered panics", int64(lived))
	out.Count("different ones", int64(len(c)))
	return out
}

// EachStack hands over nothing: a crash names the places it is about by itself.
func (c Crashes) EachStack(func(stack.Stack)) {}

// Totals adds it up.
func (r Races) Totals() (out content.Totals) {
	reports := 0
	for _, one := range r {
		reports += one.Count
	}
	out.Count("race reports", int64(reports))
	out.Count("different pairs of places", int64(len(r)))
	return out
}

// EachStack hands over nothing, as that of crashes.
func (r Races) EachStack(func(stack.Stack)) {}
