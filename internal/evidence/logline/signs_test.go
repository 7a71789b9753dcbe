package logline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// runs takes runs of words wherever it can.
type runs struct{ out []string }

func (r *runs) Idle() bool { return true }

func (r *runs) Line(n int, line []byte, signs Signs) {
	if got := Scan(line); got != signs {
		r.out = append(r.out, fmt.Sprintf("signs %b of %q, not %b", signs, line, got))
	}
	r.out = append(r.out, fmt.Sprintf("%d %s", n, line))
}

func (r *runs) Words(w Words) {
	filled, n := 0, 0
	w.Last(w.Lines+1, func(line []byte) {
		r.out = append(r.out, fmt.Sprintf("%d %s", w.First+n, line))
		n++
		if len(bytes.TrimSpace(line)) > 0 {
			filled++
		}
	})
	if filled != w.Filled || n != w.Lines {
		r.out = append(r.out, fmt.Sprintf("%d and %d lines of %+v", n, filled, w))
	}
}

// plainly reads a text the obvious way: line by line, and repairs each, whether it needs that or not.
func plainly(text string) (out []string) {
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		for _, l := range (&cleaner{}).clean(trimEnd([]byte(line))) {
			out = append(out, fmt.Sprintf("%d %s", n+1, l))
		}
	}
	return out
}

// FuzzRead holds that looking at signs, runs of words and pieces of any size change nothing of what is read.
func FuzzRead(f *testing.F) {
	f.Add("y\r\r\n\ny\ny\n")
	f.Add("a\n\n\ny\ny\r\n\n(pprof) x.(T).m: y\nwords\n\n\n> q\n")
	f.Add("`x\n{code}\nx{code}\n[code]\n a\\*b \\_c\nC:\\_x\n~~~\nx~~~\n<br>a&lt;\n\u2026\u3000")
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || UTF16([]byte(text)) {
			return
		}
		want := strings.Join(plainly(text), "\n")
		var r, slow runs
		_, _ = Read(strings.NewReader(text), nil, &r)
		_, _ = Read(iotest.OneByteReader(strings.NewReader(text)), nil, &slow)
		if got := strings.Join(r.out, "\n"); got != want {
			t.Errorf("%q is read as\n%s\nnot\n%s", text, got, want)
		}
		if got := strings.Join(slow.out, "\n"); got != want {
			t.Errorf("%q, a byte at a time, is read as\n%s\nnot\n%s", text, got, want)
		}
	})
}

// TestReadOddTexts does the same with texts that are put together of what matters.
func TestReadOddTexts(t *testing.T) {
	parts := []string{"\n", "\n", "\n\n", "\r\n", " ", "\t", "y", "words", "0x1f", ".(", ".(*T).m(0x1)", "main.f", ":", ": ", "\\", "\\*", "*", "_", "`", "```", "~~~", ">", "{code}", "{noformat}", "[code]", "[/code]", "{", "}", "[", "]", "<br>", "&lt;", "\x00", "\x1b[0m", "\u00a0", "\u3000", "\u2026", "\u201c", "\ufeff", "é", "goroutine 1 [running]:", "created by main.f", "@", ";"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		var text strings.Builder
		for range 1 + random.IntN(20) {
			text.WriteString(parts[random.IntN(len(parts))])
		}
		if UTF16([]byte(text.String())) {
			continue
		}
		var r runs
		_, _ = Read(strings.NewReader(text.String()), nil, &r)
		if got, want := strings.Join(r.out, "\n"), strings.Join(plainly(text.String()), "\n"); got != want {
			t.Fatalf("%q is read as\n%s\nnot\n%s", text.String(), got, want)
		}
	}
}
