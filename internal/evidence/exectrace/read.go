package exectrace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/exp/trace"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
	"inquest/internal/evidence/prose"
)

// Options are how to read. The zero value uses every processor and is silent.
type Options struct {
	Jobs     int                             // generations read at a time; 0 means GOMAXPROCS
	Memory   *bound.Memory                   // bounds what is decoded at a time, of all traces that share it; nil for one of bound.Default
	Account  *bound.Account                  // pays for what is kept of the trace, of the same budget; nil for none
	Progress func(done, total, events int64) // called now and then, never twice at a time: bytes, bytes, events; may be nil

	// Window, when not nil, tells what part of the trace to read, as offsets from its
	// first event: nothing before from and nothing from to on. It is given the wall clock of that
	// event, zero when the trace does not tell it. What crosses an edge counts with its part inside.
	Window func(start time.Time) (from, to time.Duration)
	// Task, when not empty, is a type of user task: waits, wake-ups, lock holders and regions are
	// those of goroutines while they were in a region of such a task. Groups, Ps, pauses
	// and the collector stay those of all.
	Task string
}

// formats are the versions of Go that a header can name (x/exp/trace/internal/version).
var formats = []int{11, 19, 21, 22, 23, 25, 26}

// Bounds of the formats: the last without generations, the last of all, and the
// last Go that writes one of them.
const (
	lastSequential = 21
	newestFormat   = 26
	newestGo       = 27
)

// Read folds the execution trace in r, of size bytes, into a Timeline. It reads
// generations in parallel and what they say in order. Damage and cuts cost the
// generations they touch; [Timeline.Reading] says which. An error means that
// nothing could be used. When ctx is done, what has been read so far is returned,
// marked as interrupted.
func Read(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Timeline, error) {
	head := make([]byte, min(size, wire.HeaderSize))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	version, ok := formatVersion(head)
	switch {
	case size == 0:
		return nil, prose.Errorf("empty file")
	case !ok && bytes.HasPrefix([]byte("go 1."), head[:min(len(head), 5)]):
		return nil, prose.Errorf("cut inside the header of an execution trace")
	case !ok:
		return nil, prose.Errorf("not an execution trace")
	case version > newestFormat:
		return nil, prose.Errorf("written in the trace format of Go 1.%d, newer than this reader understands (up to Go 1.%d)", version, newestGo)
	}
	if !slices.Contains(formats, version) {
		return nil, prose.Errorf("written in the trace format of Go 1.%d, which this reader does not understand", version)
	}
	if opt.Jobs <= 0 {
		opt.Jobs = runtime.GOMAXPROCS(0)
	}
	if opt.Memory == nil {
		opt.Memory = bound.NewMemory(bound.Default)
	}
	e := &engine{ctx: ctx, r: r, size: size, head: head, opt: opt, fold: newFold()}
	e.fold.focus.task = opt.Task
	var err error
	if version <= lastSequential {
		err = e.whole()
	} else {
		err = e.split(version)
	}
	if err != nil {
		return nil, err
	}
	if !e.fold.part.inside || e.fold.part.cut && e.fold.now <= 0 {
		e.narrowed.Outside = true
		tl := &Timeline{Version: fmt.Sprintf("go1.%d", version), Start: e.began, Reading: e.reading, Narrowed: e.narrowed}
		return tl, nil
	}
	tl := e.fold.finish()
	e.settle()
	tl.Version = fmt.Sprintf("go1.%d", version)
	tl.Reading = e.reading
	if e.fold.part.cut {
		tl.Narrowed = e.narrowed
		if !e.began.IsZero() {
			tl.Start = e.began.Add(e.narrowed.From) // clocks of later generations differ by nanoseconds
		}
	}
	return tl, nil
}

// engine reads one trace.
type engine struct {
	ctx     context.Context
	r       io.ReaderAt
	size    int64
	head    []byte
	opt     Options
	fold    *fold
	reading Reading

	narrowed Narrowed  // what becomes of Timeline.Narrowed when something was left out
	began    time.Time // first event of the trace
	missing  []missing
	torn     bool // the generation before could not be read to its end
	done     int64
	chunks   int

	paid, beyond int64 // of the account: for the fold, and for generations; see memory.go
	stopped      error // why nothing more is read, nil while it is
}

// whole folds the file through one reader, as formats without generations need.
// It is also what reading in parts is tested against.
func (e *engine) whole() error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	r, err := newReader(bufio.NewReaderSize(io.NewSectionReader(e.r, 0, e.size), 1<<20))
	if err != nil {
		return err
	}
	if e.opt.Window != nil {
		from, to := e.opt.Window(time.Time{})
		e.fold.window(from, to, 0, false)
		e.narrowed.From = max(0, from)
	}
	e.fold.generation()
	err = decode(r, nil, 0, e.direct(wire.NewChunk()))
	e.narrowed.Of = time.Duration(e.fold.last - e.fold.part.origin)
	e.done = e.size
	if e.fold.events == 0 && !e.fold.part.cut {
		if err == nil {
			err = prose.Errorf("holds no events")
		}
		return short(err)
	}
	e.blame(err, "")
	return nil
}

// direct returns a sink that folds what it is given at once, always into the
// same chunk.
func (e *engine) direct(c *wire.Chunk) wire.Sink {
	var raw int64
	return wire.Sink{
		Get: func() (*wire.Chunk, error) {
			c.Reset()
			return c, nil
		},
		Put: func(c *wire.Chunk) error {
			raw = e.fold.chunk(c, raw)
			e.progress()
			if err := e.goOn(); err != nil {
				return err
			}
			return e.ctx.Err()
		},
	}
}

// newReader opens a reader; the parser of old formats may panic on nonsense.
func newReader(r io.Reader) (tr *trace.Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = prose.Errorf("makes no sense to the reader: %v", p)
		}
	}()
	tr, err = trace.NewReader(r)
	if err != nil {
		return nil, short(err)
	}
	return tr, nil
}

// short cuts an error of x/exp/trace, which may hold dumps of its state, to one line.
func short(err error) error {
	s, _, _ := strings.Cut(err.Error(), "\n")
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	if t, ok := err.(prose.Texter); ok && s == err.Error() {
		return prose.Errorf("%s", t.Text())
	}
	return prose.Errorf("%s", strings.TrimSuffix(strings.TrimSpace(s), ":"))
}

// blame notes the first thing that went wrong.
func (e *engine) blame(err error, where prose.Text) {
	if err == nil || e.reading.Problem != "" {
		return
	}
	switch {
	case e.ctx.Err() != nil:
		e.reading.Problem = "interrupted"
		return
	case e.stopped != nil:
		e.reading.Problem = prose.Textf("%v", e.stopped)
		return
	}
	e.reading.Problem = where + prose.Textf("%v", short(err))
}

// ended reports whether no more is to be read.
func (e *engine) ended() bool { return e.stopped != nil || e.ctx.Err() != nil }

func (e *engine) progress() {
	if e.chunks++; e.opt.Progress != nil && e.chunks%64 == 0 {
		e.opt.Progress(e.done, e.size, e.fold.events)
	}
}

// split folds the generations of the file, each read by a reader of its own.
func (e *engine) split(version int) error {
	gens, cut, err := scan(e.r, e.size, version)
	if err != nil {
		return err
	}
	if len(gens) == 0 {
		if cut {
			return prose.Errorf("cut before the end of its first batch")
		}
		return prose.Errorf("holds no events")
	}
	gens[len(gens)-1].cut = cut && !gens[len(gens)-1].ended
	end := &gens[len(gens)-1]
	gens = e.choose(gens, version)
	toEnd := &gens[len(gens)-1] == end
	e.reading.Generations = len(gens)
	e.payFor(gens)
	newTurns(e, gens, version, min(e.opt.Jobs, len(gens), maxWorkers)).run()
	if e.fold.events == 0 && !e.fold.part.cut {
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		if e.reading.Problem == "" {
			return prose.Errorf("holds no events")
		}
		return prose.Errorf("%s", e.reading.Problem)
	}
	e.reading.Lost, e.reading.Inside = e.lost(gens)
	last := &gens[len(gens)-1]
	e.reading.Truncated = toEnd && (cut || version >= 26 && !last.ended) || e.reading.Truncated
	if e.reading.Truncated && e.reading.Problem == "" {
		if cut {
			e.reading.Problem = "the file ends inside a batch: it was cut short"
		} else {
			e.reading.Problem = "the last generation has no end: trace.Stop was not called, or the file was cut between two batches"
		}
	}
	if e.opt.Progress != nil {
		e.opt.Progress(e.done, e.size, e.fold.events)
	}
	return nil
}

// readGeneration decodes one generation.
func (e *engine) readGeneration(d *wire.Decoder, g *generation, version int, out wire.Sink) (err error) {
	defer rescue(&err)
	if len(g.parts) == 0 {
		return damage{prose.Errorf("%s", g.damaged)}
	}
	n, refused, err := d.Decode(wire.Generation{R: e.r, Parts: g.parts, Version: version, Latest: g.bound}, out)
	if refused != nil {
		err = e.readAgain(g, version, n, out)
	}
	if d := (damage{}); g.damaged != "" && (err == nil || errors.As(err, &d)) {
		err = damage{prose.Errorf("%s", g.damaged)} // tells where, and what the reader stumbles over follows from it
	}
	if err == nil && g.cut {
		err = damage{wire.ErrShort}
	}
	return err
}

// readAgain reads a generation that our decoder refuses with x/exp/trace, whose judgement counts, from
// the record on that comes after the first n.
func (e *engine) readAgain(g *generation, version int, n int64, out wire.Sink) error {
	g.again = true
	in := &feed{r: e.r, parts: slices.Clone(g.parts), ends: version >= 26, ahead: e.head}
	if version >= 26 && !g.ended {
		// Without the end byte the reader would not even try.
		in.tail = []byte{wire.EndOfGeneration}
	}
	r, err := newReader(in)
	if err != nil {
		return damage{err}
	}
	return decode(r, g, n, out)
}

// folded accounts for a generation that has been folded, or could not be.
func (e *engine) folded(gens []generation, i int, before int64, err error) {
	g := &gens[i]
	e.done += g.size()
	if err == nil {
		e.reading.Read++
		for k := range e.missing {
			e.missing[k].inside = true
		}
		return
	}
	last := i == len(gens)-1
	if last && !g.ended && g.damaged == "" && !e.ended() {
		e.reading.Truncated = true
	} else {
		e.blame(err, prose.Textf("generation %d of %d is damaged: ", i+1, len(gens)))
	}
	m := missing{from: float64(g.first), to: float64(max(g.nextTime, g.latest))}
	if last {
		m.to = max(m.to, m.from+e.guess(gens))
	}
	if e.ended() {
		m.to = float64(gens[len(gens)-1].latest) // all that would have come
	}
	if e.fold.events > before {
		m.read = e.fold.last
	}
	e.missing = append(e.missing, m)
	e.torn = true
}

// guess returns how long a last generation that was cut may have been up to the
// cut, in units of the trace clock: in proportion to its bytes, as the
// generations before it were.
func (e *engine) guess(gens []generation) float64 {
	last := len(gens) - 1
	if last == 0 || len(gens[last].parts) == 0 {
		return 0
	}
	var bytes int64
	for i := range last {
		bytes += gens[i].size()
	}
	span := float64(gens[last].first) - float64(gens[0].first)
	if bytes == 0 || span <= 0 {
		return 0
	}
	rest := min(e.size-gens[last].parts[0].From, bytes/int64(last))
	return span * float64(rest) / float64(bytes)
}

// nextGeneration prepares the fold for a generation. What was open before a
// stretch that could not be read is closed only now: at the end of the file it
// stays open.
func (e *engine) nextGeneration() {
	if e.torn {
		e.fold.lost()
		e.torn = false
	}
	e.fold.generation()
}

// missing is a stretch that could not be read, in units of the trace clock.
type missing struct {
	from, to float64
	read     int64 // nanoseconds of the trace clock up to which it was; 0 for not at all
	inside   bool  // a generation after it was read
}

// lost estimates how much time was not read, and how much of that lies between
// events that were.
func (e *engine) lost(gens []generation) (lost, inside time.Duration) {
	scale := 0.0
	for i := range gens {
		if scale = gens[i].scale; scale != 0 {
			break
		}
	}
	for _, m := range e.missing {
		from := m.from * scale
		if m.read > 0 {
			from = float64(m.read)
		}
		if m.from == 0 {
			continue
		}
		// A flipped bit in a batch header can claim any time.
		d := time.Duration(min(max(0, m.to*scale-from), float64(maxLost)))
		lost = min(lost+d, maxLost)
		if m.inside {
			inside = min(inside+d, maxLost)
		}
	}
	return lost, inside
}

const maxLost = 24 * time.Hour
