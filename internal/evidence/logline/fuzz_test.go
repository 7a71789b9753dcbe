package logline

import (
	"bytes"
	"testing"
)

// FuzzLines takes off what carries a line: what is left is never longer than a few times what
// came in, and taking it off costs no more than reading it.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"2026-09-01T12:00:00Z stderr F goroutine 1 [running]:\n", `{"log":"panic: x\n","stream":"stderr"}` + "\n", "Sep  1 12:00:00 host app[1]: fatal error: x\n",
		"\x1b[31mpanic: x\x1b[0m\n", `{"a":"{\"b\":\"\\u0041\"}"}` + "\n", "app-1 | gc 1 @0.1s 0%: x\n", "\xff\xfeg\x00o\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		total := 0
		var c Carrier
		err := each(bytes.NewReader(text), func(line []byte) {
			total += len(line)
			if got := c.Bare(line); len(got) > 4*len(line) {
				t.Errorf("%q became %q", line, got)
			}
			Stamp(line)
			Unstamped(line)
			Plain(line)
			for at := range line {
				if line[at] == '"' {
					if value, _, ok := Quoted(line, at); ok {
						for range Lines(value) {
						}
					}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if total > 4*len(text)+64 {
			t.Errorf("%d bytes of lines from %d bytes", total, len(text))
		}
	})
}
