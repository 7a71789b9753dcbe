package logline

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"inquest/internal/evidence/bound"
)

func TestStamp(t *testing.T) {
	at := func(ns int) time.Time { return time.Date(2026, 9, 1, 12, 0, 0, ns, time.UTC) }
	for line, want := range map[string]time.Time{
		"2026-09-01T12:00:00Z x":                        at(0),
		"2026-09-01T12:00:00.25Z x":                     at(25e7),
		"2026-09-01 14:00:00,250 +0200 x":               at(25e7),
		"[2026/09/01 12:00:00.000001] x":                at(1000),
		`{"ts":1788264000.5,"msg":"x"}`:                 at(5e8),
		`{"time":1788264000250}`:                        at(25e7),
		`{"__REALTIME_TIMESTAMP" : "1788264000000001"}`: at(1000),
		`{"t":1788264000000000001}`:                     at(1),
		"Sep  1 12:00:00 no year":                       {},
		"2026-13-01T12:00:00Z":                          {},
		"1.2.3-4":                                       {},
	} {
		got, _, ok := Stamp([]byte(line))
		if !got.Equal(want) || ok == want.IsZero() {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// takeLine takes every line by itself.
type takeLine func(line []byte)

func (f takeLine) Line(_ int, line []byte, _ Signs) { f(line) }
func (takeLine) Idle() bool                         { return false }
func (takeLine) Words(Words)                        {}

// each takes the lines of a text as they stand there.
func each(r io.Reader, take func(line []byte)) error {
	_, err := chunks(r, nil, func(lines []byte) {
		for line := range bytes.Lines(lines) {
			take(trimEnd(line))
		}
	})
	return err
}

func TestChunks(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	var got []string
	err := each(iotest.HalfReader(strings.NewReader("a\n\r\nb\r\n"+long+"\nlast")), func(line []byte) { got = append(got, string(line)) })
	if want := []string{"a", "", "b", long, "last"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%d lines, error %v", len(got), err)
	}
	n := 0
	err = each(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a\nb\n"))), func([]byte) { n++ })
	if err != iotest.ErrTimeout {
		t.Errorf("error %v after %d lines", err, n)
	}
}

// TestBare frees further lines of what stood before the first.
func TestBare(t *testing.T) {
	for _, c := range []struct{ prefix, line, want string }{
		{"", "main.main()", "main.main()"},
		{"2026/09/01 12:00:00 ", "2026/09/01 12:00:01 main.main()", "main.main()"},
		{"2026-09-01T12:00:00.5Z stderr F ", "2026-09-01T12:00:01Z stderr F \t/a.go:1", "\t/a.go:1"},
		{"Sep  1 12:00:00 host app[7]: ", "Sep 11 12:00:00 host app[7]: #011/a.go:1", "\t/a.go:1"},
		{"app: ", "no prefix", "no prefix"},
		{"app: ", "app:", ""},
		{"", "#011/a.go:1", "\t/a.go:1"},
		{"", "\x1b[31mred\x1b[0m", "red"},
	} {
		k := Carrier{Prefix: []byte(c.prefix)}
		if got := k.Bare([]byte(c.line)); !bytes.Equal(got, []byte(c.want)) {
			t.Errorf("%q behind %q: %q, want %q", c.line, c.prefix, got, c.want)
		}
	}
}

// A line that does not fit is cut, and counted; the next is whole.
func TestLongLinesArePaidFor(t *testing.T) {
	memory := bound.NewMemory(16 << 20).Account()
	var sizes []int
	cut, err := Read(strings.NewReader(strings.Repeat("x", 4<<20)+"\nshort\n"+strings.Repeat("y", 1<<20)), memory, takeLine(func(line []byte) { sizes = append(sizes, len(line)) }))
	if err != nil || cut != 1 || len(sizes) != 3 || sizes[0] < 256<<10 || sizes[0] > 2<<20 || sizes[1] != 5 || sizes[2] != 1<<20 {
		t.Errorf("%d lines cut, sizes %v, %v", cut, sizes, err)
	}
	if memory.Used() != 0 {
		t.Errorf("%d bytes are not given back", memory.Used())
	}
}
