package logline

import (
	"bytes"
	"strconv"
	"time"
)

// stamp is a time as logs write it: 2026-09-01T12:00:00.25+02:00 and its relatives.
type stamp struct {
	year, month, day, hour, minute, second int
	fraction                               []byte // digits of it, nine at most
	zone                                   []byte // Z, UTC, +02:00 or +0200; empty when it names none
	from, to                               int    // where it stands
}

// layout is a stamp up to its seconds; 0 is a digit, - also a slash and T also a blank.
const layout = "0000-00-00T00:00:00"

// stampAt reads the stamp that begins at a place of the line.
func stampAt(line []byte, from int) (s stamp, ok bool) {
	if from < 0 || len(line)-from < len(layout) {
		return s, false
	}
	for i := range layout {
		c := line[from+i]
		switch want := layout[i]; {
		case want == '0' && !isDigit(c),
			want == '-' && c != '-' && c != '/',
			want == 'T' && c != 'T' && c != ' ',
			want == ':' && c != ':':
			return s, false
		}
	}
	n := func(i, j int) int {
		x, _ := strconv.Atoi(string(line[from+i : from+j]))
		return x
	}
	s = stamp{year: n(0, 4), month: n(5, 7), day: n(8, 10), hour: n(11, 13), minute: n(14, 16), second: n(17, 19), from: from}
	rest := line[from+len(layout):]
	if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
		if d := digits(rest[1:]); d > 0 {
			s.fraction = rest[1 : 1+min(d, 9)]
			rest = rest[1+d:]
		}
	}
	rest = rest[digits(rest):]
	s.zone, rest = zone(rest)
	s.to = len(line) - len(rest)
	return s, true
}

// zone reads the zone of a stamp, with a blank before it or without.
func zone(s []byte) (name, rest []byte) {
	z := s
	if len(z) > 0 && z[0] == ' ' {
		z = z[1:]
	}
	n := 0
	switch {
	case bytes.HasPrefix(z, []byte("Z")):
		n = 1
	case bytes.HasPrefix(z, []byte("UTC")):
		n = 3
	case len(z) >= 5 && (z[0] == '+' || z[0] == '-') && digits(z[1:3]) == 2:
		m := 3
		if z[m] == ':' {
			m++
		}
		if len(z) >= m+2 && digits(z[m:m+2]) == 2 {
			n = m + 2
		}
	}
	if n == 0 {
		return nil, z // the blank belongs to the stamp
	}
	return z[:n], z[n:]
}

// firstStamp finds the first stamp of a line, by the colon behind its hours.
func firstStamp(line []byte) (stamp, bool) {
	const colon = len("0000-00-00T00")
	for at := colon; at < len(line); at++ {
		i := bytes.IndexByte(line[at:], ':')
		if i < 0 {
			break
		}
		at += i
		if s, ok := stampAt(line, at-colon); ok {
			return s, true
		}
	}
	return stamp{}, false
}

// time returns the moment that a stamp names, if the calendar has it.
func (s *stamp) time() (time.Time, bool) {
	if s.month < 1 || s.month > 12 || s.day < 1 || s.day > 31 || s.year <= 1990 || s.year > 2200 {
		return time.Time{}, false
	}
	t := time.Date(s.year, time.Month(s.month), s.day, s.hour, s.minute, s.second, nanoseconds(s.fraction), time.UTC)
	if len(s.zone) >= 5 {
		hours, _ := strconv.Atoi(string(s.zone[1:3]))
		minutes, _ := strconv.Atoi(string(s.zone[len(s.zone)-2:]))
		offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if s.zone[0] == '+' {
			offset = -offset
		}
		t = t.Add(offset)
	}
	return t, true
}

// nanoseconds reads the digits behind the point of a number of seconds.
func nanoseconds(fraction []byte) int {
	n, _ := strconv.Atoi(string(fraction))
	for i := len(fraction); i < 9; i++ {
		n *= 10
	}
	return n
}

// Unstamped returns the line without the time stamp it begins with.
func Unstamped(line []byte) []byte {
	from := 0
	if len(line) > 0 && bytes.IndexByte([]byte("[(<"), line[0]) >= 0 {
		from = 1
	}
	if s, ok := stampAt(line, from); ok {
		rest := line[s.to:]
		if len(rest) > 0 && bytes.IndexByte([]byte("])>"), rest[0]) >= 0 {
			rest = rest[1:]
		}
		return bytes.TrimLeft(rest, " ")
	}
	if n := tornStamp(line); n > 0 {
		return bytes.TrimLeft(line[n:], " ")
	}
	// Of syslog: "Sep  1 12:00:00 ".
	const layout = "Aaa _0 00:00:00 "
	if len(line) < len(layout) {
		return line
	}
	for i := range layout {
		c := line[i]
		switch want := layout[i]; {
		case want == 'A' && (c < 'A' || c > 'Z'),
			want == 'a' && (c < 'a' || c > 'z'),
			want == '0' && !isDigit(c),
			want == '_' && c != ' ' && !isDigit(c),
			(want == ' ' || want == ':') && c != want:
			return line
		}
	}
	return line[len(layout):]
}

// tornStamp returns the length of the end of a time stamp whose beginning was cut off, "3.6367390Z "; 0 for none.
func tornStamp(line []byte) int {
	n := bytes.IndexByte(line[:min(len(line), 28)], ' ')
	if n < 4 || line[n-1] != 'Z' || !isDigit(line[n-2]) {
		return 0
	}
	for _, c := range line[:n-1] {
		if !isDigit(c) && c != '.' && c != ':' && c != '-' && c != 'T' {
			return 0
		}
	}
	return n + 1
}

// Stamp finds a time with a year in a line, and whether it names its zone.
func Stamp(line []byte) (t time.Time, zoned, ok bool) {
	if s, found := firstStamp(line); found {
		if t, ok := s.time(); ok {
			return t, len(s.zone) > 0, true
		}
	}
	t, ok = epoch(line)
	return t, ok, ok
}

// epochKeys is what records of JSON call a time that is a number.
var epochKeys = []string{`ts"`, `t"`, `time"`, `timestamp"`, `@timestamp"`, `__REALTIME_TIMESTAMP"`}

// epoch finds the first time that a record of JSON gives as a number, since 1970.
func epoch(line []byte) (time.Time, bool) {
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			return time.Time{}, false
		}
		line = line[i+1:]
		for _, key := range epochKeys {
			if after, ok := bytes.CutPrefix(line, []byte(key)); ok {
				if t, ok, number := epochValue(after); number {
					return t, ok
				}
			}
		}
	}
}

// epochValue reads the number behind a key. It is in seconds, milliseconds, microseconds
// or nanoseconds, by the number of its digits.
func epochValue(s []byte) (t time.Time, ok, number bool) {
	s = bytes.TrimPrefix(s, []byte(" "))
	s, colon := bytes.CutPrefix(s, []byte(":"))
	s = bytes.TrimPrefix(s, []byte(" "))
	s = bytes.TrimPrefix(s, []byte(`"`))
	n := min(digits(s), 19)
	if !colon || n < 10 {
		return t, false, false
	}
	x, err := strconv.ParseInt(string(s[:n]), 10, 64)
	if err != nil {
		return t, false, true
	}
	switch {
	case n < 12:
		nanos := 0
		if s = s[n:]; len(s) > 1 && s[0] == '.' {
			nanos = nanoseconds(s[1 : 1+min(digits(s[1:]), 9)])
		}
		return time.Unix(x, int64(nanos)).UTC(), true, true
	case n < 15:
		return time.UnixMilli(x).UTC(), true, true
	case n < 18:
		return time.UnixMicro(x).UTC(), true, true
	}
	return time.Unix(0, x).UTC(), true, true
}
