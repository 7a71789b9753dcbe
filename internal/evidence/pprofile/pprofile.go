// Package pprofile reads pprof profiles, in protobuf or legacy text form, into
// stacks with named columns. It is the only package that knows google/pprof,
// and it never says what a profile means.
package pprofile

import (
	"strings"
	"time"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Column is one sample type of a profile.
type Column struct {
	Name string // as pprof spells it: "cpu", "inuse_space", "delay", "contentions", "goroutine"
	Unit string // as pprof spells it: "nanoseconds", "bytes", "count"
}

// columns are the names of the columns of the runtime's profiles (runtime/pprof) and of counted stacks, and of what they
// count: words, where a program's own are what its profile says.
var columns = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields("cpu samples alloc_objects alloc_space inuse_objects inuse_space objects space contentions delay goroutine goroutineleak threadcreate calls nanoseconds bytes count") {
		m[name] = true
	}
	return m
}()

// ColumnText is the name of a column, or of what it counts, in a sentence.
func ColumnText(name string) prose.Text {
	if columns[name] {
		return prose.Of(prose.Words, name)
	}
	return prose.Of(prose.Said, name)
}

// Text is the name of the column in a sentence.
func (c Column) Text() prose.Text { return ColumnText(c.Name) }

// Sample is one stack with a value per column.
type Sample struct {
	Stack  stack.Stack         // leaf first, inlined frames expanded; shared between samples, never modified. Code without symbols is "[library]".
	Values []int64             // one per Profile.Columns
	Labels map[string][]string // pprof labels; nil when none, and unless Options.Labels asks for them
	Size   int64               // heap profiles: bytes per object (label "bytes"); 0 when absent
}

// Profile is a pprof profile as measured.
type Profile struct {
	// Kind is "cpu", "heap", "mutex", "block", "goroutine", "goroutineleak" or
	// "threadcreate", [Contention] when nothing in it tells mutex from block, or ""
	// when its sample types are none of Go's.
	Kind         string
	Columns      []Column
	Samples      []Sample
	Time         time.Time     // when it was taken; a CPU profile: when it began; zero when unknown
	Duration     time.Duration // wall time covered; 0 for a snapshot or a cumulative profile
	Period       int64         // sampling period in PeriodUnit: 10 ms for CPU, bytes for heap
	PeriodUnit   string
	BuildID      string       // of the main mapping
	Legacy       bool         // read from the text form
	Missing      int64        // of the first column: what its head or table promises beyond its samples, which were cut off; part of Total
	Unsymbolised int          // samples without a single function name
	GoVersion    string       // such as "go1.24.9", when the file names of the standard library tell it
	Problems     []prose.Text // what was odd about it, one sentence each
}

// Column returns the index of a named column, or -1.
func (p *Profile) Column(name string) int {
	for i, c := range p.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// maxTotal bounds what the values of a column add up to, so that no sum of some of them can wrap.
const maxTotal = 1 << 62

// limit makes values what a profile can hold: none below 0, and no more than maxTotal in all.
func (p *Profile) limit() {
	for column, c := range p.Columns {
		left, cut, below := int64(maxTotal), 0, 0
		for i := range p.Samples {
			v := &p.Samples[i].Values[column]
			switch {
			case *v < 0:
				*v = 0
				below++
			case *v > left:
				*v = left
				cut++
			}
			left -= *v
		}
		if below > 0 {
			p.Problems = append(p.Problems, prose.Textf("%d of its samples have less than 0 %s, as in a difference between two profiles: they count as 0; give inquest diff both profiles instead", below, c))
		}
		if cut > 0 {
			p.Problems = append(p.Problems, prose.Textf("the values of %s add up to more than 2^62: %d of the samples count less than they say", c, cut))
		}
	}
}

// Total sums a column over all samples; a column of -1 sums to 0.
func (p *Profile) Total(column int) int64 {
	var sum int64
	if column < 0 {
		return 0
	}
	for i := range p.Samples {
		sum += p.Samples[i].Values[column]
	}
	if column == 0 {
		sum += p.Missing
	}
	return sum
}
