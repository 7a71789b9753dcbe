package pprofile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Field numbers of profile.proto.
const (
	fieldSampleType = 1
	fieldSample     = 2
	fieldMapping    = 3
	fieldLocation   = 4
	fieldFunction   = 5
	fieldString     = 6
	fieldTime       = 9
	fieldDuration   = 10
	fieldPeriodType = 11
	fieldPeriod     = 12
	fieldLast       = 15 // doc_url
)

// cutError is a protobuf that ends inside a field.
type cutError struct{ size int64 }

func (e cutError) Error() string {
	return fmt.Sprintf("profile ends early: cut off at byte %d, inside a field that goes on", e.size)
}

var (
	errNotProfile = prose.Errorf("not a pprof profile")
	errSeveral    = prose.Errorf("several profiles one after another in one file: keep each in a file of its own, or merge them with go tool pprof -proto")
)

func damaged(format prose.Format, args ...any) error {
	return prose.Errorf("damaged profile: "+format, args...)
}

// wire reads the top level of a profile.proto message field by field.
type wire struct {
	*bufio.Reader
	memory *bound.Account
	at     int64
	buf    []byte // for fields that are larger than the reader's buffer

	field  int
	number uint64 // value of a field that is a number
	size   int64  // of one that is not
	left   int64  // of it, not read yet
	bytes  bool   // it is not a number
}

// next comes to the next field. It returns io.EOF at the end of the message.
func (w *wire) next() error {
	if err := w.skip(); err != nil {
		return err
	}
	tag, err := w.varint()
	if err != nil {
		return err
	}
	w.field = bound.Int(tag >> 3)
	if w.field == 0 || w.field > fieldLast {
		return errNotProfile
	}
	switch tag & 7 {
	case uint64(protowire.VarintType):
		w.bytes, w.size = false, 0
		w.number, err = w.varint()
	case uint64(protowire.BytesType):
		var n uint64
		n, err = w.varint()
		w.bytes, w.number, w.size = true, 0, int64(min(n, math.MaxInt64))
		w.left = w.size
	default:
		return errNotProfile
	}
	if err == io.EOF {
		err = cutError{w.at}
	}
	return err
}

// varint reads a number. It returns io.EOF when there is nothing to read.
func (w *wire) varint() (x uint64, err error) {
	for i := range 10 {
		b, err := w.ReadByte()
		if err == io.EOF && i > 0 {
			return 0, cutError{w.at}
		} else if err != nil {
			return 0, err
		}
		w.at++
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return x, nil
		}
	}
	return 0, errNotProfile
}

// skip passes over what is left of a field.
func (w *wire) skip() error {
	for w.left > 0 {
		n, err := w.Discard(int(min(w.left, 1<<30)))
		w.left -= int64(n)
		w.at += int64(n)
		if err == io.EOF {
			return cutError{w.at}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// payload returns the bytes of a field, good until the next call of the reader.
func (w *wire) payload() ([]byte, error) {
	if !w.bytes {
		return nil, damaged("a number in place of field %d", w.field)
	}
	if w.size <= int64(w.Size()) {
		b, err := w.Peek(int(w.size))
		if err == io.EOF {
			err = cutError{w.at + int64(len(b))}
		}
		return b, err
	}
	// Its size is only a claim: room is made as the bytes come.
	w.buf = w.buf[:0]
	for w.left > 0 {
		if len(w.buf) == cap(w.buf) {
			size := min(w.size, max(2*int64(cap(w.buf)), 2*pieceSize))
			if err := w.memory.Grow(size); err != nil {
				return nil, err
			}
			old := int64(cap(w.buf))
			w.buf = append(make([]byte, 0, size), w.buf...)
			w.memory.Shrink(old)
		}
		room := w.buf[len(w.buf):min(int64(cap(w.buf)), int64(len(w.buf))+w.left)]
		n, err := io.ReadFull(w, room)
		w.buf = w.buf[:len(w.buf)+n]
		w.left -= int64(n)
		w.at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, cutError{w.at}
		} else if err != nil {
			return nil, err
		}
	}
	return w.buf, nil
}

// close gives back what the reader itself holds.
func (w *wire) close() { w.memory.Shrink(int64(cap(w.buf))) }

// each calls f for every field.
func (w *wire) each(f func() error) error {
	for {
		switch err := w.next(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// Sniff reports whether a file that begins with head, after decompression, may
// be a profile. Head should hold some hundred bytes, or the whole file.
func Sniff(head []byte) bool {
	if legacy(head) {
		return true
	}
	fields, sampleTypes := 0, 0
	w := &wire{Reader: bufio.NewReaderSize(bytes.NewReader(head), len(head))}
	err := w.each(func() error {
		if w.field == fieldSampleType {
			payload, err := w.payload()
			if err != nil {
				return err
			}
			if err := message(payload, func(field int, _ uint64) error {
				if field != 1 && field != 2 {
					return errNotProfile
				}
				return nil
			}, func(int, []byte) error { return errNotProfile }); err != nil {
				return errNotProfile
			}
			sampleTypes++
		}
		fields++
		return nil
	})
	if err != nil && !errors.As(err, new(cutError)) {
		return false
	}
	// One field proves little: a text that starts with an empty line reads as one.
	return sampleTypes > 0 && fields > 1
}

// numbers calls f for every number of a message of numbers.
func numbers(b []byte, f func(field int, x uint64) error) error {
	return message(b, f, func(int, []byte) error { return nil })
}

// packed calls f for every number of a packed field.
func packed(field int, b []byte, f func(field int, x uint64) error) error {
	for len(b) > 0 {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return damaged("%v", protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(field, x); err != nil {
			return err
		}
	}
	return nil
}

// message calls number and bytes for the fields of a message.
func message(b []byte, number func(field int, x uint64) error, nested func(field int, b []byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return damaged("%v", protowire.ParseError(n))
		}
		b = b[n:]
		var err error
		switch kind {
		case protowire.VarintType:
			var x uint64
			if x, n = protowire.ConsumeVarint(b); n >= 0 {
				err = number(int(field), x)
			}
		case protowire.BytesType:
			var inner []byte
			if inner, n = protowire.ConsumeBytes(b); n >= 0 {
				err = nested(int(field), inner)
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return damaged("%v", protowire.ParseError(n))
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// What stands in the tables of a profile, as far as anybody asks for it. Strings
// are numbers of the string table.
type (
	valueType struct{ kind, unit int64 }
	mapping   struct {
		id          uint64
		file, build int64
	}
	function struct {
		id         uint64
		name, file int64
	}
	location struct {
		id, mapping uint64
		lines       int32 // where its lines end in decoder.lines
	}
	line struct {
		function uint64
		line     int64
	}
)

// decoder turns a profile.proto message into a Profile. It goes through it once
// for the tables, once for the strings and samples, and once more for labels.
type decoder struct {
	opt    Options
	memory *bound.Account

	types      []valueType
	period     valueType
	out        *Profile
	mappings   []mapping
	functions  []function
	locations  []location
	lines      []line
	samples    int
	strings    int
	sizes      map[int64]bool // strings that are "bytes", under which the size of objects stands
	texts      []string
	needed     []bool // which of them; nil for all
	byMapping  numbering
	byFunction numbering
	stacks     distinct
	owner      []int32 // stack of each sample
	values     []int64
}

func decode(f *file, opt Options) (p *Profile, err error) {
	d := &decoder{opt: opt, memory: opt.Memory, out: &Profile{}, sizes: map[int64]bool{}}
	defer func() {
		if err != nil && !errors.As(err, new(*bound.Exceeded)) && !errors.As(err, new(cutError)) && tables(f) > 1 {
			err = errSeveral
		}
	}()
	base := opt.Memory.Used()
	for _, pass := range []func(*wire) error{d.tables, d.stringsAndSamples} {
		if err := through(f, opt, pass); err != nil {
			return nil, err
		}
	}
	if err := d.profile(); err != nil {
		return nil, err
	}
	if opt.Labels {
		if err := through(f, opt, d.labels); err != nil {
			return nil, err
		}
	}
	d.out.Kind = kind(d.out)
	// The tables go; what the profile is made of stays.
	opt.Memory.Shrink(opt.Memory.Used() - base - d.kept())
	return d.out, nil
}

// tables counts the string tables of a file, of which a profile has one: the first
// string of a table is empty, and no other is.
func tables(f *file) (n int) {
	_ = through(f, Options{}, func(w *wire) error {
		return w.each(func() error {
			if w.field == fieldString && w.bytes && w.size == 0 {
				n++
			}
			return nil
		})
	})
	return n
}

// through lets a pass see the fields of a profile.
func through(f *file, opt Options, pass func(*wire) error) error {
	s, err := f.open()
	if err != nil {
		return err
	}
	w := &wire{Reader: s, memory: opt.Memory}
	defer w.close()
	return pass(w)
}

// tables reads everything but samples and strings, which are counted.
func (d *decoder) tables(w *wire) error {
	n := 0
	err := w.each(func() (err error) {
		n++
		switch w.field {
		case fieldSampleType:
			var t valueType
			if t, err = d.valueType(w); err == nil {
				d.types, err = bound.Append(d.memory, d.types, t)
			}
		case fieldPeriodType:
			d.period, err = d.valueType(w)
		case fieldSample:
			d.samples++
		case fieldMapping:
			err = d.mapping(w)
		case fieldLocation:
			err = d.location(w)
		case fieldFunction:
			err = d.function(w)
		case fieldString:
			err = d.countString(w)
		case fieldTime, fieldDuration, fieldPeriod:
			if w.bytes {
				return damaged("a text in place of field %d", w.field)
			}
		}
		switch w.field {
		case fieldTime:
			if !d.out.Time.IsZero() {
				return errSeveral
			}
			if t := int64(w.number); t > 0 {
				d.out.Time = time.Unix(0, t).UTC()
			}
		case fieldDuration:
			d.out.Duration = time.Duration(max(int64(w.number), 0))
		case fieldPeriod:
			d.out.Period = int64(w.number)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case n == 0:
		return errNotProfile
	case len(d.types) == 0 && d.samples > 0:
		return damaged("missing sample type information")
	case max(d.samples, d.strings, len(d.mappings), len(d.functions), len(d.locations), len(d.lines)) > math.MaxInt32:
		return prose.Errorf("too large to read: more than 2^31 records of a kind")
	}
	return nil
}

func (d *decoder) valueType(w *wire) (t valueType, err error) {
	payload, err := w.payload()
	if err != nil {
		return t, err
	}
	return t, numbers(payload, func(field int, x uint64) error {
		switch field {
		case 1:
			t.kind = int64(x)
		case 2:
			t.unit = int64(x)
		}
		return nil
	})
}

func (d *decoder) mapping(w *wire) error {
	payload, err := w.payload()
	if err != nil {
		return err
	}
	var m mapping
	err = numbers(payload, func(field int, x uint64) error {
		switch field {
		case 1:
			m.id = x
		case 5:
			m.file = int64(x)
		case 6:
			m.build = int64(x)
		}
		return nil
	})
	if err == nil {
		err = d.byMapping.add(d.memory, "mapping", m.id, len(d.mappings))
	}
	if err == nil {
		d.mappings, err = bound.Append(d.memory, d.mappings, m)
	}
	return err
}

func (d *decoder) function(w *wire) error {
	payload, err := w.payload()
	if err != nil {
		return err
	}
	var f function
	err = numbers(payload, func(field int, x uint64) error {
		switch field {
		case 1:
			f.id = x
		case 2:
			f.name = int64(x)
		case 4:
			f.file = int64(x)
		}
		return nil
	})
	if err == nil {
		err = d.byFunction.add(d.memory, "function", f.id, len(d.functions))
	}
	if err == nil {
		d.functions, err = bound.Append(d.memory, d.functions, f)
	}
	return err
}

func (d *decoder) location(w *wire) error {
	payload, err := w.payload()
	if err != nil {
		return err
	}
	var l location
	err = message(payload, func(field int, x uint64) error {
		switch field {
		case 1:
			l.id = x
		case 2:
			l.mapping = x
		}
		return nil
	}, func(field int, b []byte) (err error) {
		if field != 4 {
			return nil
		}
		var n line
		if err := numbers(b, func(field int, x uint64) error {
			switch field {
			case 1:
				n.function = x
			case 2:
				n.line = int64(x)
			}
			return nil
		}); err != nil {
			return err
		}
		d.lines, err = bound.Append(d.memory, d.lines, n)
		return err
	})
	if err == nil {
		err = d.stacks.locations.add(d.memory, "location", l.id, len(d.locations))
	}
	if err == nil {
		l.lines = int32(min(len(d.lines), math.MaxInt32))
		d.locations, err = bound.Append(d.memory, d.locations, l)
	}
	return err
}

const objectSize = "bytes"

func (d *decoder) countString(w *wire) error {
	if !w.bytes {
		return damaged("a number in place of a string")
	}
	if d.strings == 0 && w.size > 0 {
		return damaged("the first string is not empty")
	}
	if w.size == int64(len(objectSize)) {
		b, err := w.payload()
		if err != nil {
			return err
		}
		if string(b) == objectSize {
			if err := d.memory.Grow(bound.PerEntry + 16); err != nil {
				return err
			}
			d.sizes[int64(d.strings)] = true
		}
	}
	d.strings++
	return nil
}

// numbering finds the position of a record by its id. Ids are mostly 1, 2, 3 and so on.
type numbering struct {
	inOrder int // ids from 1 up that are the position plus one
	others  map[uint64]int32
}

func (n *numbering) add(memory *bound.Account, what string, id uint64, at int) error {
	switch _, again := n.find(id); {
	case id == 0:
		return damaged("a %s with the id 0", what)
	case again:
		return damaged("two %ss with the id %d", what, id)
	case id == uint64(at)+1 && n.inOrder == at:
		n.inOrder++
		return nil
	}
	if err := memory.Grow(bound.PerEntry + 16); err != nil {
		return err
	}
	if n.others == nil {
		n.others = map[uint64]int32{}
	}
	n.others[id] = int32(min(at, math.MaxInt32))
	return nil
}

func (n *numbering) find(id uint64) (at int32, ok bool) {
	if id > 0 && id <= uint64(n.inOrder) {
		return int32(id - 1), true
	}
	at, ok = n.others[id]
	return at, ok
}

// need marks the strings that the profile is made of.
func (d *decoder) need() error {
	if d.opt.Labels { // any can be that of a label
		return nil
	}
	var err error
	if d.needed, err = bound.Make[bool](d.memory, d.strings); err != nil {
		return err
	}
	mark := func(all ...int64) {
		for _, i := range all {
			if i >= 0 && i < int64(len(d.needed)) {
				d.needed[i] = true
			}
		}
	}
	mark(d.period.kind, d.period.unit)
	for _, t := range d.types {
		mark(t.kind, t.unit)
	}
	for _, m := range d.mappings {
		mark(m.file, m.build)
	}
	for _, f := range d.functions {
		mark(f.name, f.file)
	}
	return nil
}

// stringsAndSamples reads what tables has counted.
func (d *decoder) stringsAndSamples(w *wire) (err error) {
	if err := d.need(); err != nil {
		return err
	}
	if d.texts, err = bound.Make[string](d.memory, d.strings); err != nil {
		return err
	}
	if d.out.Samples, err = bound.Make[Sample](d.memory, d.samples); err != nil {
		return err
	}
	if d.owner, err = bound.Make[int32](d.memory, d.samples); err != nil {
		return err
	}
	if d.values, err = bound.Make[int64](d.memory, bound.Mul(d.samples, len(d.types))); err != nil {
		return err
	}
	sample, text := 0, 0
	return w.each(func() error {
		switch w.field {
		case fieldString:
			if text == len(d.texts) {
				return errChanged
			}
			if d.needed == nil || d.needed[text] {
				b, err := w.payload()
				if err != nil {
					return err
				}
				if err := d.memory.Grow(int64(min(len(b), bound.MaxText))); err != nil {
					return err
				}
				d.texts[text] = bound.Text(b)
			}
			text++
		case fieldSample:
			if sample == len(d.out.Samples) {
				return errChanged
			}
			if err := d.sample(w, sample); err != nil {
				return err
			}
			sample++
		}
		return nil
	})
}

var errChanged = prose.Errorf("it changed while it was read")

func (d *decoder) sample(w *wire, i int) error {
	payload, err := w.payload()
	if err != nil {
		return err
	}
	s := &d.out.Samples[i]
	values := d.values[i*len(d.types) : (i+1)*len(d.types) : (i+1)*len(d.types)]
	n := 0
	of := func(field int, x uint64) error {
		switch field {
		case 1:
			return d.stacks.step(d.memory, x)
		case 2:
			if n < len(values) {
				values[n] = int64(x)
			}
			n++
		}
		return nil
	}
	sized := false
	d.stacks.begin()
	err = message(payload, of, func(field int, b []byte) error {
		switch field {
		case 1, 2:
			return packed(field, b, of)
		case 3:
			if l, err := readLabel(b); err != nil {
				return err
			} else if !sized && d.sizes[l.key] && l.number() {
				s.Size, sized = l.num, true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n != len(values) {
		return damaged("a sample with %d values of %d", n, len(values))
	}
	s.Values = values
	d.owner[i], err = d.stacks.end(d.memory)
	return err
}

// label is a label of a sample, as it stands in the file.
type label struct{ key, str, num, unit int64 }

// number reports whether a label is a number and not a text.
func (l *label) number() bool { return l.str == 0 && (l.num != 0 || l.unit != 0) }

func readLabel(b []byte) (l label, err error) {
	return l, numbers(b, func(field int, x uint64) error {
		switch field {
		case 1:
			l.key = int64(x)
		case 2:
			l.str = int64(x)
		case 3:
			l.num = int64(x)
		case 4:
			l.unit = int64(x)
		}
		return nil
	})
}

// labels gives the samples their labels. The size of heap objects is kept apart.
func (d *decoder) labels(w *wire) error {
	i := 0
	return w.each(func() error {
		if w.field != fieldSample {
			return nil
		}
		payload, err := w.payload()
		if err != nil {
			return err
		}
		if i == len(d.out.Samples) {
			return errChanged
		}
		s := &d.out.Samples[i]
		i++
		return message(payload, func(int, uint64) error { return nil }, func(field int, b []byte) error {
			if field != 3 {
				return nil
			}
			l, err := readLabel(b)
			if err != nil || l.str == 0 && !l.number() || l.number() && d.sizes[l.key] {
				return err
			}
			key, err := d.text(l.key)
			if err != nil {
				return err
			}
			var value string
			if l.number() {
				value = strconv.FormatInt(l.num, 10)
				if unit, err := d.text(l.unit); err != nil {
					return err
				} else if unit != "" {
					value += " " + unit
				}
			} else if value, err = d.text(l.str); err != nil {
				return err
			}
			if err := d.memory.Grow(perLabel + int64(len(value))); err != nil {
				return err
			}
			if s.Labels == nil {
				if err := d.memory.Grow(perLabels); err != nil {
					return err
				}
				s.Labels = map[string][]string{}
			}
			s.Labels[key] = append(s.Labels[key], value)
			return nil
		})
	})
}

// What a map of labels takes, and a label in it: a map has room for eight entries
// and for twice as many as it holds later; so has a slice of values.
const (
	perLabels = 400
	perLabel  = 2*(16+24) + 2*16
)

// text returns a string of the table.
func (d *decoder) text(i int64) (string, error) {
	if i < 0 || i >= int64(len(d.texts)) {
		return "", damaged("string %d of %d", i, len(d.texts))
	}
	return d.texts[i], nil
}

// profile makes the profile of what was read.
func (d *decoder) profile() (err error) {
	text := func(i int64) (s string) {
		if err == nil {
			s, err = d.text(i)
		}
		return s
	}
	out := d.out
	out.PeriodUnit = text(d.period.unit)
	if text(d.period.kind) == "trace" { // cmd/trace, -pprof
		return prose.Errorf("waits that go tool trace took from an execution trace (-pprof), of the network, a lock or the system: give the trace itself")
	}
	if len(d.types) > 0 {
		if out.Columns, err = bound.Make[Column](d.memory, len(d.types)); err != nil {
			return err
		}
	}
	for i, t := range d.types {
		out.Columns[i] = Column{text(t.kind), text(t.unit)}
	}
	for _, m := range d.mappings {
		text(m.file)
		text(m.build)
	}
	for _, f := range d.functions {
		text(f.name)
		if file := text(f.file); out.GoVersion == "" {
			out.GoVersion = stack.GoVersion(file)
		}
	}
	if err != nil {
		return err
	}
	if len(d.mappings) > 0 {
		out.BuildID = text(d.mappings[0].build)
	}
	frames, err := d.expand()
	if err != nil {
		return err
	}
	stacks, named, cut, err := d.stacks.build(d.memory, frames)
	if err != nil {
		return err
	}
	if cut > 0 {
		out.Problems = append(out.Problems, prose.Textf("%d stacks deeper than %d frames were cut at their outer end", cut, maxDepth))
	}
	for i := range out.Samples {
		k := d.owner[i]
		if !named[k] {
			out.Unsymbolised++
		}
		out.Samples[i].Stack = stacks[k]
	}
	return nil
}

// kept returns the bytes that the profile holds.
func (d *decoder) kept() int64 {
	n := bound.Size[Column](len(d.out.Columns)) + bound.Size[Sample](cap(d.out.Samples)) + bound.Size[int64](cap(d.values)) + d.stacks.held
	for _, s := range d.texts {
		n += int64(len(s))
	}
	for i := range d.out.Samples {
		if m := d.out.Samples[i].Labels; m != nil {
			n += perLabels
			for _, values := range m {
				n += perLabel * int64(len(values))
			}
		}
	}
	return n
}

// expansion holds the frames of every location, inlined calls expanded, in one
// slice: those of location i are frames[at[i]:at[i+1]].
type expansion struct {
	frames []stack.Frame
	at     []int32
	named  []bool // the location has a function name
}

// expand expands the locations. Every function was looked at before, so their
// strings are there.
func (d *decoder) expand() (*expansion, error) {
	n := len(d.lines) + len(d.locations) // those without a line have a frame as well
	if n > math.MaxInt32 {
		return nil, prose.Errorf("too large to read: more than 2^31 frames")
	}
	if err := d.memory.Grow(bound.Size[stack.Frame](n) + int64(5*len(d.locations)+4)); err != nil {
		return nil, err
	}
	x := &expansion{
		frames: make([]stack.Frame, 0, n),
		at:     make([]int32, 1, len(d.locations)+1),
		named:  make([]bool, len(d.locations)),
	}
	first := int32(0)
	for i, l := range d.locations {
		for _, ln := range d.lines[first:l.lines] {
			k, ok := d.byFunction.find(ln.function)
			if !ok {
				return nil, damaged("location %d has a line of function %d, which is not there", l.id, ln.function)
			}
			f := &d.functions[k]
			if d.texts[f.name] == "" {
				continue
			}
			x.named[i] = true
			x.frames = append(x.frames, stack.Frame{Function: d.texts[f.name], File: d.texts[f.file], Line: bound.Int(ln.line)})
		}
		first = l.lines
		if !x.named[i] {
			x.frames = append(x.frames, stack.Frame{Function: d.library(l)})
		}
		x.at = append(x.at, int32(len(x.frames)))
	}
	return x, nil
}

// library names code without symbols by the file it was mapped from, as pprof does.
func (d *decoder) library(l location) string {
	k, ok := d.byMapping.find(l.mapping)
	if !ok || d.texts[d.mappings[k].file] == "" {
		return "[unknown]"
	}
	return "[" + path.Base(d.texts[d.mappings[k].file]) + "]"
}

// distinct is the stacks of a profile, each once, however many samples share it.
type distinct struct {
	locations numbering
	ids       []int32 // locations of all stacks, one after another
	ends      []int32 // of each stack in ids
	known     map[uint64]int32
	start     int   // of the stack under way
	held      int64 // bytes of the stacks that were built
}

// begin begins a stack.
func (d *distinct) begin() { d.start = len(d.ids) }

// step adds a location to the stack.
func (d *distinct) step(memory *bound.Account, id uint64) error {
	at, ok := d.locations.find(id)
	if !ok {
		return damaged("a sample at location %d, which is not there", id)
	}
	var err error
	d.ids, err = bound.Append(memory, d.ids, at)
	return err
}

// end ends the stack and returns its number.
func (d *distinct) end(memory *bound.Account) (int32, error) {
	if len(d.ids) > math.MaxInt32 {
		return 0, prose.Errorf("too large to read: more than 2^31 places in stacks")
	}
	path := d.ids[d.start:]
	hash := uint64(len(path))
	for _, id := range path {
		hash = (hash ^ uint64(id)) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	k, ok := d.known[hash]
	if ok && slices.Equal(d.stack(int(k)), path) {
		d.ids = d.ids[:d.start]
		return k, nil
	}
	// A collision costs memory and never mixes stacks.
	if err := memory.Grow(bound.PerEntry + 12); err != nil {
		return 0, err
	}
	if d.known == nil {
		d.known = map[uint64]int32{}
	}
	k = int32(len(d.ends))
	d.known[hash] = k
	var err error
	d.ends, err = bound.Append(memory, d.ends, int32(len(d.ids)))
	return k, err
}

// stack returns the locations of the i-th stack.
func (d *distinct) stack(i int) []int32 {
	if i == 0 {
		return d.ids[:d.ends[0]]
	}
	return d.ids[d.ends[i-1]:d.ends[i]]
}

// build expands the stacks, which share the frames of the locations. It says which hold a
// function name, and how many were cut.
func (d *distinct) build(memory *bound.Account, x *expansion) (stacks []stack.Stack, named []bool, cut int, err error) {
	var total int
	for i := range d.ends {
		n := 0
		for _, id := range d.stack(i) {
			n += int(x.at[id+1] - x.at[id])
		}
		if n > maxDepth {
			n = maxDepth
			cut++
		}
		total += n
	}
	held := bound.Size[stack.Stack](len(d.ends)) + bound.Size[*stack.Frame](total) + bound.Size[stack.Frame](cap(x.frames))
	if err := memory.Grow(bound.Add(held, int64(len(d.ends)))); err != nil { // the frames, paid for already, stay
		return nil, nil, 0, err
	}
	d.held = held
	stacks, named = make([]stack.Stack, len(d.ends)), make([]bool, len(d.ends))
	slab := make(stack.Stack, 0, total)
	for i := range d.ends {
		start, ids := len(slab), d.stack(i)
		named[i] = len(ids) == 0
		for _, id := range ids {
			for at := x.at[id]; at < x.at[id+1] && len(slab)-start < maxDepth; at++ {
				slab = append(slab, &x.frames[at])
			}
			named[i] = named[i] || x.named[id]
		}
		stacks[i] = slab[start:len(slab):len(slab)]
	}
	return stacks, named, cut, nil
}
