// Package wire decodes execution traces of Go 1.22 to 1.26: it turns the batches of one generation into
// records, in the order in which things happened. It knows how the runtime writes a generation and nothing of
// what the records mean.
package wire

import (
	"time"

	"inquest/internal/evidence/stack"
)

// Op says what an event did. There are fewer than there are kinds of events:
// whoever takes records asks what state something is in now, never what the reader believes
// it was in before, which differs between reading a generation alone and
// reading the whole file.
type Op uint8

// What events do. The comments say which fields of a [Record] count.
const (
	OpNone        Op = iota // an event that nobody has a use for: only its time counts
	OpTime                  // not an event: the following records start at the time in G and Actor
	OpSync                  // start of a generation
	OpProcs                 // G: GOMAXPROCS
	OpLive                  // G, Actor: live heap in bytes, low and high half
	OpGoal                  // G, Actor: heap goal in bytes
	OpLabel                 // G; Aux: index of the label
	OpSample                // G; Stack
	OpStatus                // G, Proc; Aux: state; Stack: of G, where it is known
	OpCreate                // G: the new goroutine; Actor: its creator; Aux: state; Stack: of the creator; Start: of the new one
	OpStart                 // G starts to run on Proc
	OpYield                 // G gives up Proc and stays runnable; Aux: reason; Stack
	OpBlock                 // G blocks; Aux: reason; Stack
	OpUnblock               // Actor, whose Stack it is, makes G runnable
	OpSyscall               // G enters a system call; Stack
	OpSyscallEnd            // G leaves it and kept its P
	OpSyscallLost           // G leaves it and has no P
	OpEnd                   // G ends
	OpProcStart
	OpProcStop
	OpSTW // G stops the world; Aux: index of the reason; Stack
	OpSTWEnd
	OpGC // a mark phase is under way; Aux: 1 when it began just now
	OpGCEnd
	OpSweep // Aux: 1 when it began just now
	OpSweepEnd
	OpAssist // G has to assist; Aux: 1 when it began just now; Stack
	OpAssistEnd
	OpTask    // G; Start: index into the notes
	OpTaskEnd // the same
	OpRegion
	OpRegionEnd
	OpLog
)

// Record is an event in the form the fold takes: no pointers, small enough to
// hold many of them while earlier ones are folded.
type Record struct {
	DT    uint32 // nanoseconds since the record before
	Op    Op
	Aux   uint8
	Proc  uint16 // P the event happened on, plus one; 0 for none
	G     uint32 // goroutine, see Writer.Goroutine
	Actor uint32 // goroutine that did it to another; or upper half of a number
	Stack uint32 // index into the generation's stacks; 0 for none
	Start uint32 // second stack, or note
}

// Note is what the rare annotation events carry beside their record.
type Note struct {
	Task, Parent uint64
	Name, Text   string
}

// Stack is a stack that a chunk mentions for the first time in its generation.
type Stack struct {
	Hash   uint64
	Frames stack.Stack
}

// Chunk is a run of records with the tables they were the first to need.
type Chunk struct {
	Records []Record
	Stacks  []Stack  // continue the generation's stacks, from number 1
	Names   []string // continue the generation's names, reasons and labels, from number 1
	Notes   []Note   // continue the generation's notes
	Wide    []int64  // continue the generation's goroutine ids that need more than 31 bits
	Wall    time.Time
	WallAt  int64 // trace clock at Wall
	Anew    bool  // the tables of the generation begin anew with this chunk
}

// Reset empties a chunk and keeps its memory of records.
func (c *Chunk) Reset() { *c = Chunk{Records: c.Records[:0]} }

// ChunkRecords is how many records a chunk has before it is given away; the events of one step, of a few
// records, are not torn apart.
const ChunkRecords = 4096

// NewChunk returns an empty chunk with room for its records.
func NewChunk() *Chunk { return &Chunk{Records: make([]Record, 0, ChunkRecords+8)} }

// MaxProcs bounds the P ids that are believed. Go has no limit of its own since
// 1.10; machines have far fewer processors.
const MaxProcs = 1 << 12

// Wide marks goroutines whose id needs more than 31 bits: the rest is an index into the generation's wide ids.
const Wide = 1 << 31

// Sink is where a decoder gets empty chunks and puts full ones. Their errors
// stop the decoding.
type Sink struct {
	Get func() (*Chunk, error)
	Put func(*Chunk) error
}
