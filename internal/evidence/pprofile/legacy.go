package pprofile

import (
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

var (
	noStack     = regexp.MustCompile(`(?m)^(\d+ @)\s*$`)
	countHeader = regexp.MustCompile(`^\w+ profile: total \d+\r?\n`)
	heapHeader  = regexp.MustCompile(`^heap profile: *(\d+): *(\d+) *\[ *(\d+): *(\d+) *\] *@ *heap`)
)

// legacyHead is how many bytes tell the older forms apart.
const legacyHead = 256

// legacy reports whether data begins like one of the forms that came before
// protobuf: what ?debug=1 still writes, and the binary CPU profile.
func legacy(data []byte) bool {
	head := data[:min(len(data), legacyHead)]
	return heapHeader.Match(head) || countHeader.Match(head) ||
		bytes.HasPrefix(head, []byte("--- mutex:")) || bytes.HasPrefix(head, []byte("--- contention")) ||
		legacyCPU(head)
}

// legacyCPU reports whether data begins with the header words 0, 3, 0, period, 0
// of a binary CPU profile, in words of 4 or 8 bytes and either byte order.
func legacyCPU(head []byte) bool {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if len(head) >= 20 && order.Uint32(head) == 0 && order.Uint32(head[4:]) == 3 && order.Uint32(head[8:]) == 0 &&
			order.Uint32(head[12:]) > 0 && order.Uint32(head[16:]) == 0 {
			return true
		}
		if len(head) >= 40 && order.Uint64(head) == 0 && order.Uint64(head[8:]) == 3 && order.Uint64(head[16:]) == 0 &&
			order.Uint64(head[24:]) > 0 && order.Uint64(head[32:]) == 0 {
			return true
		}
	}
	return false
}

// perLegacyByte is what parsing a byte of the older forms takes: a sample of 8 bytes
// becomes records of 200, and the text is copied.
const perLegacyByte = 30

// readLegacy reads the older forms. The parser skips comments, and in the text
// form the comments are where the function names and labels stand.
func readLegacy(r io.Reader, opt Options) (*Profile, error) {
	var data []byte
	buf := make([]byte, pieceSize)
	for {
		n, err := r.Read(buf)
		if over := opt.Memory.Grow(bound.Mul(int64(n), perLegacyByte)); over != nil {
			return nil, over
		}
		data = append(data, buf[:n]...)
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	// The runtime records no stacks for threads it created itself, and the parser takes no sample without one.
	parsed, err := profile.ParseData(noStack.ReplaceAll(data, []byte("$1 0x1")))
	if err != nil {
		if strings.Contains(err.Error(), "token too long") {
			return nil, prose.Errorf("damaged profile text: a line of more than 64 KB")
		}
		return nil, explain(err)
	}
	var modern bytes.Buffer
	if err := parsed.WriteUncompressed(&modern); err != nil {
		return nil, explain(err)
	}
	p, err := decode(&file{r: bytes.NewReader(modern.Bytes()), size: int64(modern.Len())}, opt)
	if err != nil {
		return nil, err
	}
	p.Legacy = true
	if !legacyCPU(data) {
		annotate(p, data, opt.Labels)
	}
	nameHeapColumns(p, data)
	if n, sum := promised(data), p.Total(0); n > sum && len(p.Columns) == 1 {
		p.Missing = n - sum
		p.Problems = append(p.Problems, prose.Textf("its head says %d, and the file holds %d: the rest was cut off, and shares are of %d", n, sum, n))
	}
	switch {
	case bytes.HasPrefix(data, []byte("--- mutex:")):
		p.Kind = "mutex"
	case bytes.HasPrefix(data, []byte("--- contention:")):
		p.Kind = "block"
	default:
		p.Kind = kind(p)
	}
	return p, nil
}

// annotate gives the samples, which stand one to a line, the frames and labels
// of the comment lines below each.
func annotate(p *Profile, data []byte, labelled bool) {
	p.Unsymbolised = 0
	known, frames := map[string]stack.Stack{}, map[string]*stack.Frame{}
	parked := parkedAt(data)
	next, leaf := -1, ""
	var lines []string
	settle := func() {
		if next < 0 || next >= len(p.Samples) {
			return
		}
		s := &p.Samples[next]
		waits := leaf != "" && leaf == parked && len(lines) > 0
		key := strings.Join(lines, "\n")
		if waits {
			key = leaf + key
		}
		st, ok := known[key]
		if !ok {
			if waits {
				st = append(st, &stack.Frame{Function: "runtime.gopark"})
			}
			for _, l := range lines {
				f, seen := frames[l]
				if !seen {
					f = commentFrame(l)
					frames[l] = f
				}
				if f != nil {
					st = append(st, f)
				}
			}
			known[key] = st
		}
		if len(st) > 0 {
			s.Stack = st
		} else if len(s.Stack) > 0 {
			p.Unsymbolised++
		}
		for i := range st {
			if p.GoVersion == "" {
				p.GoVersion = stack.GoVersion(st[i].File)
			}
		}
		lines = lines[:0]
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "# labels: ") && labelled && next >= 0 && next < len(p.Samples):
			p.Samples[next].Labels = commentLabels(strings.TrimPrefix(line, "# labels: "))
		case strings.HasPrefix(line, "#\t0x"):
			lines = append(lines, line)
		case sampleLine.MatchString(line):
			settle()
			next, leaf = next+1, leafAddress(line)
		}
	}
	settle()
}

// leafAddress returns the innermost address of a sample's line.
func leafAddress(line string) string {
	_, addresses, _ := strings.Cut(line, "@ ")
	leaf, _, _ := strings.Cut(addresses, " ")
	return leaf
}

// parkedAt returns the innermost address of goroutines that are parked, or "". The
// runtime's own frames at the leaf are left out of the comments (runtime/pprof, printStackRecord), so that who waits for
// a channel looks like who runs. That of goroutines which sleep, or wait for the network or a lock,
// is told by the frame above it, and all that are parked have it in common.
func parkedAt(data []byte) string {
	leaf := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case sampleLine.MatchString(line):
			leaf = leafAddress(line)
		case leaf != "" && strings.HasPrefix(line, "#\t0x"):
			if f := commentFrame(line); f != nil && parks[f.Function] {
				return leaf
			}
			leaf = ""
		}
	}
	return ""
}

// parks are functions that the runtime implements and that park the goroutine.
var parks = map[string]bool{
	"time.Sleep": true, "internal/poll.runtime_pollWait": true, "sync.runtime_Semacquire": true, "sync.runtime_SemacquireMutex": true, "internal/sync.runtime_SemacquireMutex": true,
	"sync.runtime_SemacquireRWMutex": true, "sync.runtime_SemacquireRWMutexR": true, "sync.runtime_SemacquireWaitGroup": true, "sync.runtime_notifyListWait": true,
}

// sampleLine matches the lines that the parser makes samples of.
var sampleLine = regexp.MustCompile(`^\s*-?\d+[:\d \[\]-]* ?@( 0x[0-9a-f]+)*\s*$`)

// commentFrame parses "#	0x4a3b21	main.f+0x41	/src/main.go:12" (runtime/pprof, printStackRecord).
func commentFrame(line string) *stack.Frame {
	var fields []string
	for f := range strings.SplitSeq(line, "\t") {
		if f != "" {
			fields = append(fields, f)
		}
	}
	if len(fields) < 4 {
		return nil
	}
	name := fields[2]
	if i := strings.LastIndex(name, "+0x"); i > 0 {
		name = name[:i]
	}
	file, line, ok := cutLast(fields[3], ":")
	n, err := strconv.Atoi(line)
	if !ok || err != nil || name == "" {
		return nil
	}
	return &stack.Frame{Function: name, File: file, Line: n}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// commentLabels parses {"key":"value", "key":"value"} (runtime/pprof, labelMap.String).
func commentLabels(s string) map[string][]string {
	labels := map[string][]string{}
	s = strings.TrimPrefix(s, "{")
	for {
		k, err := strconv.QuotedPrefix(s)
		if err != nil || !strings.HasPrefix(s[len(k):], ":") {
			break
		}
		s = strings.TrimLeft(s[len(k)+1:], " ")
		v, err := strconv.QuotedPrefix(s)
		if err != nil {
			break
		}
		s = strings.TrimPrefix(s[len(v):], ", ")
		key, _ := strconv.Unquote(k)
		value, _ := strconv.Unquote(v)
		labels[key] = append(labels[key], value)
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// nameHeapColumns gives a heap profile whose allocations equal what is in use,
// for which the parser keeps one pair of columns under older names, the four
// columns of every other heap profile.
func nameHeapColumns(p *Profile, data []byte) {
	if p.Column("objects") != 0 || p.Column("space") != 1 || len(p.Columns) != 2 {
		return
	}
	h := heapHeader.FindSubmatch(data[:min(len(data), 256)])
	if h == nil {
		return
	}
	inuse := []Column{{"inuse_objects", p.Columns[0].Unit}, {"inuse_space", p.Columns[1].Unit}}
	if string(h[3]) == "0" && string(h[1]) != "0" { // allocations were not recorded
		p.Columns = inuse
		return
	}
	p.Columns = append([]Column{{"alloc_objects", inuse[0].Unit}, {"alloc_space", inuse[1].Unit}}, inuse...)
	for i := range p.Samples {
		v := p.Samples[i].Values
		p.Samples[i].Values = append(v[:2:2], v...)
	}
}
