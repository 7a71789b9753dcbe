package wire

import (
	"io"
	"slices"
	"time"
)

// Oldest and Newest are the versions of the format that a [Decoder] knows.
const (
	Oldest = 22
	Newest = 26
)

// Bounds of the times that are believed.
const (
	MaxClock = 1 << 62 // of the trace clock, in nanoseconds
	maxWall  = 1 << 33 // of the wall clock, in seconds since 1970: the year 2242
)

// Generation is where the batches of a generation lie and what is known of them.
type Generation struct {
	R       io.ReaderAt
	Parts   []Section // whole batches
	Version int       // minor version of Go that the file's header names

	// Latest is told the time at which the generation begins and returns the latest that its events can have.
	// Nanoseconds on the trace clock.
	Latest func(start int64) int64
}

// refusal says that bytes are not what the runtime writes.
type refusal struct{ why string }

func (r refusal) Error() string { return r.why }

func refuse(why string) error { return refusal{why} }

// Decoder decodes generations, one after the other. What it needs for one it uses again for the next.
// The zero value is ready.
type Decoder struct {
	tables
	r       io.ReaderAt
	batches []batch // from 1 on
	threads map[uint64]*thread
	idle    []*thread // of generations before
	memory  [][]byte  // of batches before

	// See order.go.
	order
	out    *Writer
	before int64 // time of the last record
}

// Decode puts the records of a generation into out, in order. It returns how many these were and, when
// the generation breaks a rule of the format, which. The records are those of the events before. Errors of out are
// returned as they are.
func (d *Decoder) Decode(g Generation, out Sink) (records int64, refused, err error) {
	w, err := NewWriter(out)
	if err != nil {
		return 0, nil, err
	}
	d.out = w
	defer d.release()
	err = d.decode(g)
	records = w.Records()
	if stop := w.Close(); stop != nil {
		return records, nil, stop
	}
	if r, ok := err.(refusal); ok {
		return records, r, nil
	}
	return records, nil, err
}

// release lets go of what belongs to a generation, and keeps the memory.
func (d *Decoder) release() {
	for _, m := range d.threads {
		if m.data != nil {
			d.memory = append(d.memory, m.data[:0])
		}
		*m = thread{}
		d.idle = append(d.idle, m)
	}
	clear(d.threads)
	d.r, d.out = nil, nil
}

func (d *Decoder) decode(g Generation) error {
	start, err := d.load(g)
	if err != nil {
		return err
	}
	d.before = 0
	sync := d.record(d.nanoseconds(start), -1)
	sync.Op = OpSync
	if d.snapshot {
		d.out.Chunk().SetWall(d.wall, d.nanoseconds(d.wallAt))
	}
	latest := min(g.Latest(d.before), MaxClock)
	if d.before > latest {
		return refuse("a time far behind the end")
	}
	for {
		if err := d.out.Next(); err != nil {
			return err
		}
		if len(d.frontier) == 0 && len(d.samples) == 0 {
			return nil
		}
		if err := d.step(); err != nil {
			return err
		}
		if d.before > latest {
			return refuse("a time far behind the end")
		}
	}
}

// SetWall notes what the wall clock was at a time of the trace clock, unless it cannot have been or the chunk says
// it already.
func (c *Chunk) SetWall(wall time.Time, at int64) {
	if c.Wall.IsZero() && at >= 0 && at <= MaxClock && wall.Unix() >= 0 && wall.Unix() < maxWall {
		c.Wall, c.WallAt = wall, at
	}
}

// load reads the tables and finds the batches of events. It returns the lowest time of a batch.
func (d *Decoder) load(g Generation) (start uint64, err error) {
	var size int64
	for _, p := range g.Parts {
		size += p.To - p.From
	}
	d.r = g.R
	d.tables.reset(size)
	d.order.reset(size)
	d.batches = append(d.batches[:0], batch{})
	var threads []*thread // in the order in which they come in the file
	headers := Headers{R: g.R, Ends: g.Version >= 26}
	ended := false
	var body []byte
	for _, p := range g.Parts {
		headers.Size = p.To
		for at := p.From; at < p.To; {
			h, err := headers.At(at)
			if err != nil {
				return 0, refusal{err.Error()}
			}
			if ended {
				return 0, refuse("a batch behind the end")
			}
			if h.End {
				ended = true
				at++
				continue
			}
			at += h.Length
			if start == 0 || h.Time < start {
				start = h.Time
			}
			switch {
			case h.experiment > 1:
				return 0, refuse("an experiment that is not known")
			case h.experiment == 1 || h.Size == 0:
				at += h.Size
				continue
			}
			b, err := headers.Peek(at)
			if err != nil || len(b) == 0 {
				return 0, refuse("a batch that does not end")
			}
			var add func([]byte) error
			switch first := b[0]; {
			case first == evStrings:
				add = d.addStrings
			case first == evStacks:
				add = d.addStacks
			case first == evSamples:
				add = d.addSamples
			case first == evFrequency && g.Version < 25, first == evSync && g.Version >= 25:
				add = func(b []byte) error { return d.addSync(b, h.Time, g.Version) }
			case first == evEndOfGeneration:
				return 0, refuse("a batch that is an end")
			}
			if add != nil {
				body = slices.Grow(body[:0], int(h.Size))[:h.Size]
				if err := readFull(g.R, body, at); err != nil {
					return 0, err
				}
				if err := add(body); err != nil {
					return 0, err
				}
				at += h.Size
				continue
			}
			m := d.threads[h.Thread]
			if m == nil {
				m = d.newThread(h.Thread)
				threads = append(threads, m)
			}
			d.batches = append(d.batches, batch{at: at, time: h.Time, size: int32(h.Size)})
			i := int32(len(d.batches) - 1)
			if m.last != 0 {
				d.batches[m.last].next = i
			} else {
				m.first = i
			}
			m.last = i
			at += h.Size
		}
	}
	if err := d.check(g.Version); err != nil {
		return 0, err
	}
	for _, m := range threads {
		ok, err := d.next(m)
		if err != nil {
			return 0, err
		}
		if ok {
			d.insert(m)
		}
	}
	return start, nil
}

func (d *Decoder) newThread(id uint64) (m *thread) {
	if d.threads == nil {
		d.threads = map[uint64]*thread{}
	}
	if n := len(d.idle); n > 0 {
		m, d.idle = d.idle[n-1], d.idle[:n-1]
	} else {
		m = &thread{}
	}
	m.id, m.g, m.p = id, -1, -1
	d.threads[id] = m
	return m
}

// record begins the record of an event at a time, on a P; -1 for none. As in x/exp/trace, time never stands still.
func (d *Decoder) record(time int64, p int32) *Record {
	if time <= d.before {
		time = d.before + 1
	}
	d.before = time
	r := d.out.Record(time)
	r.Proc = uint16(p + 1)
	return r
}
