// Package look answers questions about one exhibit for which a report has no room: which stacks pass through a function,
// what a goroutine of a dump does, who waited in a stretch of a trace, what a log says around a word. It counts and never
// judges. An answer is a page of a table: what there is more of is counted, and asked for by where to go on.
package look

import (
	"errors"
	"fmt"

	"inquest/analyze/evidence"
)

// Question is what one wants to see of an exhibit. The zero value asks what it holds most of.
type Question struct {
	Function  string // only what passes through it, normalised as stack.Normal does or as the exhibit spells it; empty for all
	Column    string // of a profile: the sample type, such as "inuse_space"; empty for the one its kind is read by
	Goroutine int64  // of a dump: this one alone; 0 for all
	From      int    // rows to leave out
	Size      int    // rows of the page; 0 for DefaultSize, at most MaxSize
}

// How many rows a page has.
const (
	DefaultSize = 20
	MaxSize     = 500
)

// MaxFrames is how many frames of a stack a row holds.
const MaxFrames = 64

// Page is an answer.
type Page struct {
	Title string             `json:"title"`
	Whole *evidence.Quantity `json:"whole,omitempty"` // what the shares of rows are of
	Rows  []Row              `json:"rows"`
	From  int                `json:"from"`           // rows left out before the first
	Count int                `json:"count"`          // rows that there are in all
	Next  int                `json:"next,omitempty"` // From of the page after this one; 0 when this is the last
	Note  string             `json:"note,omitempty"` // what else to know, such as what was not counted
}

// Row is one of the things asked for. Fields that do not belong to its kind of evidence are empty.
type Row struct {
	What       string             `json:"what"` // function, state of goroutines, class of a wait, line of a log
	Value      evidence.Quantity  `json:"value"`
	Own        *evidence.Quantity `json:"own,omitempty"`   // of Value: in the function itself
	Share      float64            `json:"share,omitempty"` // of the page's whole, 0 to 1
	Count      int64              `json:"count,omitempty"` // of single waits or goroutines
	Longest    *evidence.Quantity `json:"longest,omitempty"`
	Stack      []string           `json:"stack,omitempty"`      // leaf first: function, file:line
	Goroutines []int64            `json:"goroutines,omitempty"` // the first of them
	At         *int64             `json:"at_ns,omitempty"`      // in a trace, from its start
	Line       int                `json:"line,omitempty"`       // in a file
}

// ErrNothing is returned where the exhibit holds nothing that fits the question.
var ErrNothing = errors.New("nothing in the exhibit fits")

// At answers a question about an exhibit. Errors say what there is instead.
func At(e *evidence.Exhibit, q Question) (Page, error) {
	if e.Coverage == evidence.None {
		return Page{}, fmt.Errorf("%s holds nothing that can be looked at", e.Path)
	}
	switch e.Kind {
	case evidence.Trace:
		return timeline(e.Trace(), q)
	case evidence.Dump:
		return goroutines(e.Dump(), q)
	case evidence.CPU, evidence.Heap, evidence.Mutex, evidence.Block, evidence.Goroutine, evidence.GoroutineLeak, evidence.ThreadCreate, evidence.Folded:
		return samples(e.Profile(), q)
	case evidence.Crash, evidence.Race, evidence.GCTrace, evidence.SchedTrace:
		return Page{}, fmt.Errorf("a %s is looked at by its lines: see Lines", e.Kind.Name())
	}
	return Page{}, fmt.Errorf("a %s holds nothing that can be looked at", e.Kind.Name())
}

// size is how many rows the page may have.
func (q Question) size() int {
	if q.Size <= 0 {
		return DefaultSize
	}
	return min(q.Size, MaxSize)
}

// page cuts the rows of a question out of all.
func (q Question) page(title string, rows []Row) (Page, error) {
	if len(rows) == 0 {
		return Page{}, fmt.Errorf("%w: %s", ErrNothing, title)
	}
	from := min(max(q.From, 0), len(rows))
	to := min(from+q.size(), len(rows))
	p := Page{Title: title, Rows: rows[from:to], From: from, Count: len(rows)}
	if to < len(rows) {
		p.Next = to
	}
	return p, nil
}
