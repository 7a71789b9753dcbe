package mutate

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"strconv"
	"unicode/utf16"
)

var digits = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)

func textMutant(data []byte, r *rand.Rand) []byte {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for range 1 + r.IntN(4) {
		lines = bendLines(lines, r)
	}
	out := bytes.Join(lines, nil)
	switch r.IntN(24) {
	case 0:
		units := utf16.Encode([]rune(string(out)))
		wide := []byte{0xff, 0xfe}
		for _, u := range units {
			wide = binary.LittleEndian.AppendUint16(wide, u)
		}
		return wide
	case 1:
		return bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
	case 2:
		return bend(out, r)
	}
	return out
}

// bendLines makes one change that a pipeline, a paste or an attacker could make.
func bendLines(lines [][]byte, r *rand.Rand) [][]byte {
	if len(lines) == 0 {
		return [][]byte{[]byte(pick(Hostile, r))}
	}
	i, j := r.IntN(len(lines)), r.IntN(len(lines))
	line := lines[i]
	switch r.IntN(12) {
	case 0:
		return append(lines[:i:i], lines[i+1:]...)
	case 1:
		many := lines[:i:i]
		for range 1 << r.IntN(10) {
			many = append(many, line)
		}
		return append(many, lines[i:]...)
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
	case 3:
		lines = lines[:i+1]
	case 4:
		lines[i] = append(bytes.Clone(line[:r.IntN(len(line)+1)]), lines[j]...)
	case 5:
		lines[i] = append([]byte(pick([]string{"> ", "2026-11-02T10:00:00Z stderr F ", "    ", "::warning::", `{"log":"`, "\x1b[31m", "| "}, r)), line...)
	case 6:
		at := r.IntN(len(line) + 1)
		lines[i] = append(append(bytes.Clone(line[:at]), pick(Hostile, r)...), line[at:]...)
	case 7:
		lines[i] = bytes.Repeat(bytes.TrimRight(line, "\n"), 1<<r.IntN(12))
	case 8:
		prefix := []byte(pick([]string{"> ", "\t", "E1102 10:00:00.000000 1 x.go:1] ", "app-1 | "}, r))
		for k := range lines {
			lines[k] = append(bytes.Clone(prefix), lines[k]...)
		}
	default:
		lines[i] = digits.ReplaceAllFunc(line, func(was []byte) []byte {
			if r.IntN(3) > 0 {
				return was
			}
			if bytes.HasPrefix(was, []byte("0x")) {
				n, _ := strconv.ParseUint(string(was[2:]), 16, 64)
				return []byte("0x" + strconv.FormatUint(number(n, r), 16))
			}
			n, _ := strconv.ParseUint(string(was), 10, 64)
			return []byte(strconv.FormatUint(number(n, r), 10))
		})
	}
	return lines
}
