package logline

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// The patterns that the readers of stamps stand for, which are slow and plain.
const plainStamp = `(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\d* ?(Z|UTC|[+-]\d\d:?\d\d)?`

var (
	stampRE    = regexp.MustCompile(plainStamp)
	stampFirst = regexp.MustCompile(`^[\[(<]?` + plainStamp + `[\])>]? *`)
	syslogRE   = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)
	epochRE    = regexp.MustCompile(`"(?:ts|t|time|timestamp|@timestamp|__REALTIME_TIMESTAMP)" ?: ?"?(\d{10,19})(?:\.(\d{1,9}))?`)
)

func plainUnstamped(line []byte) []byte {
	for _, re := range []*regexp.Regexp{stampFirst, syslogRE} {
		if m := re.Find(line); m != nil {
			return line[len(m):]
		}
	}
	// What is left of a stamp that was cut in two has a table of its own.
	if n := tornStamp(line); n > 0 {
		return bytes.TrimLeft(line[n:], " ")
	}
	return line
}

func plainTime(line []byte) (t time.Time, zoned, ok bool) {
	if m := stampRE.FindSubmatch(line); m != nil {
		n := func(i int) int {
			x, _ := strconv.Atoi(string(m[i]))
			return x
		}
		s := stamp{year: n(1), month: n(2), day: n(3), hour: n(4), minute: n(5), second: n(6), fraction: m[7], zone: m[8]}
		if t, ok := s.time(); ok {
			return t, len(m[8]) > 0, true
		}
	}
	m := epochRE.FindSubmatch(line)
	if m == nil {
		return t, false, false
	}
	x, err := strconv.ParseInt(string(m[1]), 10, 64)
	switch n := len(m[1]); {
	case err != nil:
		return t, false, false
	case n < 12:
		t = time.Unix(x, int64(nanoseconds(m[2])))
	case n < 15:
		t = time.UnixMilli(x)
	case n < 18:
		t = time.UnixMicro(x)
	default:
		t = time.Unix(0, x)
	}
	return t.UTC(), true, true
}

// FuzzStamp holds the quick readers of stamps to the patterns.
func FuzzStamp(f *testing.F) {
	for _, line := range []string{
		"0:00Z x", "2026-09-01T12:00:00Z x", "[2026/09/01 12:00:00.000001] x", "2026-09-01 14:00:00,250 +0200 x", "Sep  1 12:00:00 host app: x",
		"12:2026-09-01T12:00:00.1234567890123+0", "2026-13-01T12:00:00 2026-09-01T12:00:00UTC", "<2026-09-01 12:00:00> -02:00", "2026-09-01 12:00:00. Z",
		`{"t":"x","ts":1788264000.5}`, `{"time" : "1788264000250"}`, `{"t":12345678901234567890123}`, `{"timestamp":9999999999999999999}`, `"ts": 178826400.1`,
		"2026-09-01T12:00:00 +02: 2026-09-01T12:00:00+02:0", "2026-09-01T12:00:00  ", "1788264000 \"ts\":1788264000", "Sep 11 12:00:00 ",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, gotZoned, gotOK := Stamp(line)
		want, wantZoned, wantOK := plainTime(line)
		if !got.Equal(want) || gotZoned != wantZoned || gotOK != wantOK {
			t.Errorf("%q: %v %v %v, want %v %v %v", line, got, gotZoned, gotOK, want, wantZoned, wantOK)
		}
		if got, want := Unstamped(line), plainUnstamped(line); !bytes.Equal(got, want) {
			t.Errorf("%q: unstamped %q, want %q", line, got, want)
		}
	})
}
