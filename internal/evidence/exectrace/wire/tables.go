package wire

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// Bounds of what tables hold (internal/trace/tracev2/events.go).
const (
	maxString = 1 << 10
	maxFrames = 128
)

// tables are what the events of a generation refer to.
type tables struct {
	strings []text  // by id
	stacks  []trail // by id
	text    []byte  // of all strings
	frames  []frame
	calls   []uint32 // indexes of frames, of all stacks
	pcs     map[uint64]uint32
	samples []sample

	frequency float64 // nanoseconds per unit of the trace clock, 0 while not known
	snapshot  bool
	wall      time.Time
	wallAt    uint64
	largest   uint64 // id that is believed
}

// text is a string of the generation.
type text struct {
	from, n int32 // of tables.text
	known   bool
	s       string // once somebody has asked for it
	name    uint16 // its number as a name plus one, 0 while nobody has asked
}

// trail is a stack of the generation.
type trail struct {
	from   int32 // of tables.calls
	n      uint8
	known  bool
	number uint32 // in the records plus one, 0 while no record needs it
}

// frame is a place in code. The first stack with its pc says where that is: the
// others repeat it.
type frame struct {
	function, file, line uint64
}

// sample is a CPU sample.
type sample struct {
	stamp, thread, proc, stack uint64
	g, time                    int64
}

// reset empties the tables and keeps their memory.
func (t *tables) reset(bytes int64) {
	if t.pcs == nil {
		t.pcs = map[uint64]uint32{}
	}
	clear(t.pcs)
	clear(t.strings)
	clear(t.stacks)
	*t = tables{strings: t.strings[:0], stacks: t.stacks[:0], text: t.text[:0], frames: t.frames[:0], calls: t.calls[:0],
		pcs: t.pcs, samples: t.samples[:0], largest: uint64(bytes) + 1024}
}

// numbers reads numbers from bytes; once one is missing, all are 0.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) next() uint64 {
	v, size := binary.Uvarint(n.b)
	if size <= 0 {
		n.b, n.bad = nil, true
		return 0
	}
	n.b = n.b[size:]
	return v
}

// byte takes one byte and reports whether it is as it should be.
func (n *numbers) byte(want byte) bool {
	if len(n.b) == 0 || n.b[0] != want {
		n.bad = true
		return false
	}
	n.b = n.b[1:]
	return true
}

// grow makes room in a table for an id. The runtime counts ids from 1 and writes nearly all of them, each with
// several bytes: larger ones are not its.
func grow[T any](table *[]T, id, largest uint64) *T {
	if id == 0 || id > largest {
		return nil
	}
	for uint64(len(*table)) <= id {
		if n := int(id) + 1; n <= cap(*table) {
			*table = (*table)[:n]
		} else {
			*table = append(*table, make([]T, n-len(*table))...)
		}
	}
	return &(*table)[id]
}

func (t *tables) addStrings(b []byte) error {
	n := numbers{b: b[1:]}
	for len(n.b) > 0 && n.byte(evString) {
		id, size := n.next(), n.next()
		if n.bad || size > maxString || size > uint64(len(n.b)) || int64(len(t.text))+int64(size) > math.MaxInt32 {
			return refuse("a string that does not end")
		}
		s := grow(&t.strings, id, t.largest)
		if s == nil || s.known {
			return refuse("an id of a string that cannot be")
		}
		*s = text{from: int32(len(t.text)), n: int32(size), known: true}
		t.text = append(t.text, n.b[:size]...)
		n.b = n.b[size:]
	}
	if n.bad {
		return refuse("no string where one should begin")
	}
	return nil
}

func (t *tables) addStacks(b []byte) error {
	n := numbers{b: b[1:]}
	for len(n.b) > 0 && n.byte(evStack) {
		id, depth := n.next(), n.next()
		if n.bad || depth > maxFrames || len(t.calls) > math.MaxInt32-maxFrames {
			return refuse("a stack that is too deep")
		}
		s := grow(&t.stacks, id, t.largest)
		if s == nil || s.known {
			return refuse("an id of a stack that cannot be")
		}
		*s = trail{from: int32(len(t.calls)), n: uint8(depth), known: true}
		for range depth {
			pc := n.next()
			f := frame{function: n.next(), file: n.next(), line: n.next()}
			i, ok := t.pcs[pc]
			if !ok {
				i = uint32(len(t.frames))
				t.frames = append(t.frames, f)
				t.pcs[pc] = i
			}
			t.calls = append(t.calls, i)
		}
	}
	if n.bad {
		return refuse("no stack where one should begin")
	}
	return nil
}

func (t *tables) addSamples(b []byte) error {
	n := numbers{b: b[1:]}
	for len(n.b) > 0 && n.byte(evSample) {
		s := sample{stamp: n.next(), thread: n.next(), proc: n.next()}
		g := n.next()
		if s.g = int64(g); g == 0 {
			s.g = -1
		}
		s.stack = n.next()
		t.samples = append(t.samples, s)
	}
	if n.bad {
		return refuse("no sample where one should begin")
	}
	return nil
}

// addSync takes the batch that says how the clock runs, whose time is stamp.
func (t *tables) addSync(b []byte, stamp uint64, version int) error {
	n := numbers{b: b}
	if version >= 25 {
		n.byte(evSync)
	}
	for len(n.b) > 0 {
		switch {
		case n.b[0] == evFrequency && t.frequency == 0:
			n.byte(evFrequency)
			t.frequency = 1.0 / (float64(n.next()) / 1e9)
		case n.b[0] == evClockSnapshot && version >= 25 && !t.snapshot:
			n.byte(evClockSnapshot)
			t.snapshot, t.wallAt = true, stamp+n.next()
			n.next() // monotonic clock
			seconds := n.next()
			t.wall = time.Unix(int64(seconds), int64(n.next()))
		default:
			return refuse("neither the first frequency nor the first snapshot of a clock")
		}
	}
	if n.bad {
		return refuse("a clock that is not whole")
	}
	return nil
}

// check is done when all tables have been read.
func (t *tables) check(version int) error {
	switch {
	case t.frequency <= 0 || math.IsInf(t.frequency, 0):
		return refuse("no frequency of the clock")
	case version >= 25 && !t.snapshot:
		return refuse("no snapshot of the clock")
	}
	for _, f := range t.frames {
		if !t.hasString(f.function) || !t.hasString(f.file) {
			return refuse("a frame without a name")
		}
	}
	for i := range t.samples {
		s := &t.samples[i]
		s.time = t.nanoseconds(s.stamp)
	}
	slices.SortFunc(t.samples, func(a, b sample) int { return cmp.Compare(a.time, b.time) })
	return nil
}

// nanoseconds converts a time of the trace clock.
func (t *tables) nanoseconds(stamp uint64) int64 { return int64(float64(stamp) * t.frequency) }

func (t *tables) hasString(id uint64) bool {
	return id == 0 || id < uint64(len(t.strings)) && t.strings[id].known
}

func (t *tables) hasStack(id uint64) bool {
	return id == 0 || id < uint64(len(t.stacks)) && t.stacks[id].known
}

// string returns a string, whose id has been checked. It is a copy: whoever keeps it keeps no more than that.
func (t *tables) string(id uint64) string {
	if id == 0 {
		return ""
	}
	s := &t.strings[id]
	if s.s == "" && s.n > 0 {
		s.s = string(t.text[s.from : s.from+s.n])
	}
	return s.s
}

// stack returns the number of a stack, whose id has been checked, in the records.
func (t *tables) stack(w *Writer, id uint64) uint32 {
	if id == 0 {
		return 0
	}
	s := &t.stacks[id]
	if s.number == 0 {
		for _, i := range t.calls[s.from : s.from+int32(s.n)] {
			f := &t.frames[i]
			w.Frame(t.string(f.function), t.string(f.file), f.line)
		}
		s.number = w.Stack() + 1
	}
	return s.number - 1
}

// name returns the number of a string, whose id has been checked, as a name.
func (t *tables) name(w *Writer, id uint64) uint8 {
	if id == 0 {
		return 0
	}
	s := &t.strings[id]
	if s.name == 0 {
		s.name = uint16(w.Name(t.string(id))) + 1
	}
	return uint8(s.name - 1)
}
