package pprofile

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
)

// TextReader finds profiles in text form (debug=1) among other lines: behind a command or a log's prefix,
// indented, with blanks for tabs, without their head or the signs that Markdown eats. The zero TextReader is ready.
type TextReader struct {
	*textProfile                // being read; nil between profiles
	Memory       *bound.Account // pays for what is kept
	Labels       bool           // keep the labels of samples
	out          []*Text
	left         int
	stats        []string // of the block of MemStats that ends a heap profile, where it stands alone
	statLines    [2]int
}

// Text is a profile found in a text.
type Text struct {
	Profile *Profile // nil when Err says why not
	Err     error
	Lines   [2]int // first and last line in the file, 1-based
	Whole   bool   // of go tool pprof: it holds all of the profile that it was printed from
}

// textProfile is a profile being read, put back into the form in which it was printed.
type textProfile struct {
	logline.Carrier
	data    bytes.Buffer
	lines   [2]int
	headed  bool
	frames  int
	samples int
	sample  []byte // a sample's line that may go on in the next
	frame   []byte // a frame whose file was broken off
	foreign int
	over    int // bytes beyond maxText
}

// Bounds of what is read of one text.
const (
	maxTexts     = 64       // profiles
	maxStrangers = 8        // lines of other output in a row
	maxText      = 64 << 20 // bytes of one profile
)

var (
	headRE   = regexp.MustCompile(`(?:^|[\s"|>])(\w+ profile: total \d+|heap profile: *\d+: *\d+ *\[ *\d+: *\d+ *\] *@ *heap\S*|--- (?:mutex|contention):)\s*$`)
	sampleRE = regexp.MustCompile(`^(\d+ @|\d+: \d+ \[\d+: \d+\] @|\d+ \d+ @)((?:\s+0x[0-9a-f]+)*)$`)
	frameRE  = regexp.MustCompile(`^#?\s*(0x[0-9a-f]+)\s+(\S.*?\+0x[0-9a-f]+)(?:\s+(\S.*:\d+))?$`)
	bareRE   = regexp.MustCompile(`^#\s*(0x[0-9a-f]+)$`)
	labelRE  = regexp.MustCompile(`^#?\s*labels: (\{".*)$`)
	moreRE   = regexp.MustCompile(`^(?:0x[0-9a-f]+\s*)+$`)
	fileRE   = regexp.MustCompile(`^\S*\.(?:go|s|c):\d+$`)
	settings = regexp.MustCompile(`^(?:cycles/second|sampling period|ms since reset|discarded samples) ?= ?\d+$`)
)

// Wants reports whether a line with such signs can be of use now.
func (t *TextReader) Wants(signs logline.Signs) bool {
	return t.textProfile != nil || signs&(logline.At|logline.Says|logline.Equals) != 0
}

// Line takes the n-th line of the text, without its end.
func (t *TextReader) Line(n int, line []byte) {
	p := t.textProfile
	if p == nil {
		if len(line) > 0 && line[0] == '#' && t.stat(n, line) {
			return
		}
		t.outside(n, line)
		return
	}
	text := bytes.TrimSpace(p.Bare(line))
	if len(text) == 0 {
		p.settle()
		p.put(nil)
		return
	}
	switch {
	case len(text) < 300 && (bytes.HasPrefix(text, []byte("--- ")) || bytes.Contains(text, []byte("profile: "))) && headRE.Match(text):
		t.finish()
		t.outside(n, line)
		return
	case p.take(text):
		p.lines[1], p.foreign = n, 0
	case bytes.HasPrefix(text, []byte("MAPPED_LIBRARIES:")):
		t.finish()
	default:
		if p.foreign++; p.foreign > maxStrangers {
			t.finish()
		}
	}
}

var statRE = regexp.MustCompile(`^# (HeapAlloc|HeapSys|HeapInuse|HeapReleased|NextGC|NumGC|GCCPUFraction) = ([\d.e+-]{1,24})$`)

// stat takes a line of the MemStats that end a heap profile in text form (runtime/pprof, writeHeapInternal).
func (t *TextReader) stat(n int, line []byte) bool {
	m := statRE.FindSubmatch(bytes.TrimSpace(line))
	if m == nil || len(t.stats) >= 16 {
		return m != nil
	}
	if len(t.stats) == 0 {
		t.statLines[0] = n
	}
	t.statLines[1] = n
	t.stats = append(t.stats, fmt.Sprintf("%s %s", m[1], m[2]))
	return true
}

// outside looks for the head of a profile, or a sample of one whose head is gone.
func (t *TextReader) outside(n int, line []byte) {
	if bytes.IndexByte(line, '@') < 0 && !bytes.Contains(line, []byte("profile: total ")) && !bytes.Contains(line, []byte("--- ")) {
		return
	}
	// Patterns take long: they are asked only where they can match.
	if len(line) < 4096 && (bytes.Contains(line, []byte("profile:")) || bytes.Contains(line, []byte("--- "))) {
		if m := headRE.FindSubmatchIndex(line); m != nil {
			t.textProfile = &textProfile{Carrier: logline.Carrier{Prefix: bytes.Clone(line[:m[2]])}, lines: [2]int{n, n}, headed: true}
			t.put(line[m[2]:m[3]])
			return
		}
	}
	if text := bytes.TrimSpace(line); sampled(text) {
		if m := sampleRE.FindSubmatch(text); m != nil && len(m[2]) > 0 {
			p := &textProfile{lines: [2]int{n, n}}
			switch {
			case bytes.IndexByte(m[1], '[') >= 0:
				p.put([]byte("heap profile: 0: 0 [0: 0] @ heap/1048576")) // the rate that programs have unless they set another
			case bytes.Count(m[1], []byte(" ")) > 1:
				return // without the head it is not known in which unit the delays are
			default:
				p.put([]byte("goroutine profile: total 0"))
			}
			t.textProfile = p
			p.take(text)
		}
	}
}

// sampled reports whether a line begins as a sample does: with a number, and with a colon, an at sign or a number behind it.
func sampled(text []byte) bool {
	rest := bytes.TrimLeft(text, "0123456789")
	return len(rest) < len(text) && len(rest) > 2 && (rest[0] == ':' || rest[0] == ' ' && (rest[1] == '@' || rest[1] >= '0' && rest[1] <= '9'))
}

// take takes a line of the profile.
func (p *textProfile) take(text []byte) bool {
	if p.frame != nil {
		frame := p.frame
		p.frame = nil
		if fileRE.Match(text) {
			p.put(append(append(frame, '\t'), text...))
			p.frames++
			return true
		}
	}
	switch c := text[0]; {
	case c >= '0' && c <= '9' && bytes.Contains(text, []byte(" @")):
		if m := sampleRE.FindSubmatch(text); m != nil {
			p.settle()
			p.sample = append(append(p.sample[:0], m[1]...), spaced(m[2])...)
			p.samples++
			return true
		}
	case settings.Match(text):
		p.put(text)
		return true
	}
	if m := frameRE.FindSubmatch(text); m != nil && p.samples > 0 {
		p.settle()
		line := slices.Concat([]byte("#\t"), m[1], []byte("\t"), m[2])
		if len(m[3]) == 0 {
			p.frame = line
			return true
		}
		p.put(append(append(line, '\t'), m[3]...))
		p.frames++
		return true
	}
	if m := labelRE.FindSubmatch(text); m != nil {
		p.settle()
		p.put(append([]byte("# labels: "), m[1]...))
		return true
	}
	if p.sample != nil && moreRE.Match(text) { // the addresses of a sample go on
		p.sample = append(p.sample, spaced(text)...)
		return true
	}
	if bareRE.Match(text) || text[0] == '#' {
		p.settle()
		p.put(text)
		return true
	}
	return false
}

// spaced puts one blank before each address.
func spaced(addresses []byte) []byte {
	var out []byte
	for word := range bytes.FieldsSeq(addresses) {
		out = append(append(out, ' '), word...)
	}
	return out
}

// settle writes down the sample that is complete.
func (p *textProfile) settle() {
	if len(p.sample) > 0 {
		p.put(p.sample)
	}
	p.sample = nil
}

func (p *textProfile) put(line []byte) {
	if p.data.Len()+len(line) > maxText {
		p.over += len(line)
		return
	}
	p.data.Write(line)
	p.data.WriteByte('\n')
}

// finish reads the profile that has ended.
func (t *TextReader) finish() {
	p := t.textProfile
	t.textProfile = nil
	if p == nil {
		return
	}
	p.settle()
	// A line that only looks like a sample is none.
	if !p.headed && p.frames == 0 || p.headed && p.samples == 0 && p.lines[0] == p.lines[1] {
		return
	}
	if len(t.out) == maxTexts {
		t.left++
		return
	}
	x := &Text{Lines: p.lines}
	t.out = append(t.out, x)
	x.Profile, x.Err = readLegacy(&p.data, Options{Labels: t.Labels, Memory: t.Memory})
	if x.Err != nil {
		x.Profile = nil
		return
	}
	x.Profile.remarks()
	if !p.headed {
		x.Profile.Problems = append(x.Profile.Problems, prose.Textf("its first line is missing: read as a %s profile by the form of its samples", ColumnText(x.Profile.Kind)))
	}
	if p.over > 0 {
		x.Profile.Problems = append(x.Profile.Problems, prose.Textf("more than %d MB of profile text: the rest was left out", maxText>>20))
	}
}

// Close ends the text.
func (t *TextReader) Close() []*Text {
	t.finish()
	if len(t.out) == 0 && len(t.stats) > 1 {
		t.out = append(t.out, &Text{Lines: t.statLines,
			Err: prose.Errorf("the MemStats of a heap profile without its samples (%s): they say how much memory there is and not whose; give all of /debug/pprof/heap", strings.Join(t.stats, ", "))})
	}
	return t.out
}

// promised is how many goroutines or threads the head of a profile in text form says it holds; 0 when it does not say.
func promised(data []byte) int64 {
	m := countTotal.FindSubmatch(data[:min(len(data), 256)])
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n
}

var countTotal = regexp.MustCompile(`^\w+ profile: total (\d{1,15})\r?\n`)
