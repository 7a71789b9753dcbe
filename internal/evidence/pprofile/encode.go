package pprofile

import (
	"compress/gzip"
	"encoding/binary"
	"io"

	"inquest/internal/evidence/stack"
)

// Write writes a profile as go tool pprof reads it: compressed, with its columns, samples, time, duration and period. Labels and what
// else a Profile knows are left out.
func Write(w io.Writer, p *Profile) error {
	e := encoder{strings: map[string]uint64{}, frames: map[stack.Frame]uint64{}, functions: map[[2]string]uint64{}}
	e.str("")
	for _, c := range p.Columns {
		e.out.message(1, e.valueType(c))
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		var m fields
		var ids, values []uint64
		for _, f := range s.Stack {
			ids = append(ids, e.location(*f))
		}
		for _, v := range s.Values {
			values = append(values, uint64(v))
		}
		m.packed(1, ids)
		m.packed(2, values)
		e.out.message(2, m)
	}
	if !p.Time.IsZero() {
		e.out.varint(9, uint64(p.Time.UnixNano()))
	}
	e.out.varint(10, uint64(p.Duration))
	if len(p.Columns) > 0 {
		e.out.message(11, e.valueType(p.Columns[len(p.Columns)-1]))
	}
	e.out.varint(12, uint64(max(p.Period, 1)))
	for _, s := range e.table {
		e.out.message(6, fields(s))
	}
	z := gzip.NewWriter(w)
	if _, err := z.Write(e.out); err != nil {
		return err
	}
	return z.Close()
}

// encoder collects what the message of a profile (profile.proto of google/pprof) refers to by number.
type encoder struct {
	out       fields
	table     []string
	strings   map[string]uint64
	frames    map[stack.Frame]uint64
	functions map[[2]string]uint64
}

func (e *encoder) str(s string) uint64 {
	id, ok := e.strings[s]
	if !ok {
		id = uint64(len(e.table))
		e.strings[s] = id
		e.table = append(e.table, s)
	}
	return id
}

func (e *encoder) valueType(c Column) fields {
	var m fields
	m.varint(1, e.str(c.Name))
	m.varint(2, e.str(c.Unit))
	return m
}

// location writes a frame as a location of its own, and its function where that is new.
func (e *encoder) location(f stack.Frame) uint64 {
	if id, ok := e.frames[f]; ok {
		return id
	}
	name := [2]string{f.Function, f.File}
	function, ok := e.functions[name]
	if !ok {
		function = uint64(len(e.functions) + 1)
		e.functions[name] = function
		var m fields
		m.varint(1, function)
		m.varint(2, e.str(f.Function))
		m.varint(3, e.str(f.Function))
		m.varint(4, e.str(f.File))
		e.out.message(5, m)
	}
	id := uint64(len(e.frames) + 1)
	e.frames[f] = id
	var line, m fields
	line.varint(1, function)
	line.varint(2, uint64(max(f.Line, 0)))
	m.varint(1, id)
	m.message(4, line)
	e.out.message(4, m)
	return id
}

// fields is an encoded message of protocol buffers.
type fields []byte

func (m *fields) varint(field int, v uint64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, v)
}

func (m *fields) message(field int, b []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(b)))
	*m = append(*m, b...)
}

func (m *fields) packed(field int, all []uint64) {
	var b []byte
	for _, v := range all {
		b = binary.AppendUvarint(b, v)
	}
	m.message(field, b)
}
