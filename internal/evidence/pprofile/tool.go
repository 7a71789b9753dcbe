package pprofile

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// ToolReader reads what go tool pprof prints: -top and -text, which name functions without their callers,
// -traces, which prints whole stacks, and -raw, which prints all there is. Of its other views it says what they are.
// The zero ToolReader is ready.
type ToolReader struct {
	Memory *bound.Account // pays for what is kept of -raw
	Labels bool           // keep the labels of its samples

	raw    *raw
	lines  [2]int
	n      int // of the present line
	typ    string
	view   string // "top", "traces", "tree", "raw", "list"
	total  int64
	unit   string // the total as printed
	rows   []Sample
	stack  *Sample // of -traces, being read
	quit   bool    // the table has ended
	shaped bool
}

var (
	toolType  = regexp.MustCompile(`^Type: (\w+)$`)
	toolTotal = regexp.MustCompile(`^Showing nodes accounting for (\S+), +[\d.]+% of (\S+) total$`)
	toolHead  = regexp.MustCompile(`^flat +flat% +sum% +cum +cum%(.*)$`)
	toolRow   = regexp.MustCompile(`^(\S+) +[\d.]+% +[\d.]+% +(\S+) +[\d.]+% +(\S.*)$`)
	toolList  = regexp.MustCompile(`^\S+ +\S+ \(flat, cum\) +[\d.]+% of Total$`)
	toolTrace = regexp.MustCompile(`^(\d[\d.]*[a-zA-Z]*) {2,}(\S.*)$`)
)

// maxRows bounds the functions and stacks that are kept.
const maxRows = 100_000

// Wants reports whether a line with such signs can be of use now.
func (t *ToolReader) Wants(signs logline.Signs) bool {
	return t.view != "" || t.typ != "" || signs&(logline.Says|logline.Percent) != 0
}

// Line takes the n-th line of the text, without its end.
func (t *ToolReader) Line(n int, line []byte) {
	t.n = n
	if t.view == "" && t.typ == "" && !bytes.Contains(line, []byte("Type: ")) && !bytes.Contains(line, []byte(" (flat, cum) ")) && !bytes.Contains(line, []byte("Showing nodes accounting for ")) && !bytes.Contains(line, []byte("flat%")) {
		return
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(bytes.TrimSpace(line)), "(pprof) "))
	switch {
	case t.raw != nil:
		t.raw.take(text, t.Labels, t.Memory)
		t.lines[1] = t.n
	case toolType.MatchString(text):
		t.typ = toolType.FindStringSubmatch(text)[1]
		t.lines[0] = max(t.lines[0], t.n)
	case strings.HasPrefix(text, "PeriodType: "):
		t.view, t.shaped, t.lines = "raw", true, [2]int{t.n, t.n}
		t.raw = &raw{profile: &Profile{}, locations: map[uint64][]rawFrame{}, mappings: map[uint64]string{}}
		t.raw.take(text, t.Labels, t.Memory)
	case t.view == "" && toolList.MatchString(text):
		t.view, t.shaped = "list", true
	case toolTotal.MatchString(text):
		m := toolTotal.FindStringSubmatch(text)
		t.total, _ = amount(m[2])
		t.unit = m[2]
		t.shaped = true
	case toolHead.MatchString(text):
		t.lines[1] = t.n
		if t.view = "top"; strings.TrimSpace(toolHead.FindStringSubmatch(text)[1]) != "" {
			t.view = "tree"
		}
		t.shaped = true
	case strings.HasPrefix(text, "-----------+---"):
		t.settle()
		if t.view == "" && t.typ != "" {
			t.view, t.shaped = "traces", true
		}
	case t.view == "top" && !t.quit:
		m := toolRow.FindStringSubmatch(text)
		if m == nil {
			t.quit = text != "" && len(t.rows) > 0
			return
		}
		v, ok := amount(m[1])
		if ok && len(t.rows) < maxRows {
			name := strings.TrimSuffix(strings.TrimSuffix(m[3], " (inline)"), " (partial-inline)")
			t.rows = append(t.rows, Sample{Stack: stack.Stack{{Function: name}}, Values: []int64{v}})
			t.lines[1] = t.n
		}
	case t.view == "traces":
		t.lines[1] = t.n
		if t.stack == nil {
			m := toolTrace.FindStringSubmatch(text)
			if m == nil {
				return // a label
			}
			v, ok := amount(m[1])
			if ok && len(t.rows) < maxRows {
				t.stack = &Sample{Stack: stack.Stack{{Function: strings.TrimSuffix(m[2], " (inline)")}}, Values: []int64{v}}
			}
			return
		}
		if text != "" && len(t.stack.Stack) < maxDepth {
			t.stack.Stack = append(t.stack.Stack, &stack.Frame{Function: strings.TrimSuffix(text, " (inline)")})
		}
	}
}

func (t *ToolReader) settle() {
	if t.stack != nil {
		t.rows = append(t.rows, *t.stack)
	}
	t.stack = nil
}

// Close ends the text. It returns nil, nil when the text is none of go tool pprof.
func (t *ToolReader) Close() (*Text, error) {
	t.settle()
	if !t.shaped || t.view == "" {
		return nil, nil
	}
	if t.raw != nil {
		if p, whole := t.raw.close(t.Memory); p != nil {
			return &Text{Profile: p, Lines: t.lines, Whole: whole}, nil
		}
	}
	cut := t.typ == ""
	if cut && t.view == "top" {
		t.typ = t.likely()
	}
	view := map[string]prose.Text{"top": "-top", "traces": "-traces", "tree": "-tree or -peek", "raw": "-raw", "list": "-list"}[t.view]
	says := prose.Textf("this is the text of go tool pprof (%s); give the file it came from", view)
	column, kind := toolColumn(t.typ)
	if kind == "" || len(t.rows) == 0 || t.view == "tree" {
		return nil, prose.Errorf("%s", says)
	}
	p := &Profile{Kind: kind, Columns: []Column{column}, Samples: t.rows, Legacy: true}
	if sum := p.Total(0); t.total > sum {
		p.Missing = t.total - sum
	}
	if t.view == "top" {
		says += ": it names the functions and not who called them"
	}
	if cut {
		says += "; the line that names its type is missing: taken for " + ColumnText(t.typ) + " by its units and functions"
	}
	p.Problems = []prose.Text{says}
	return &Text{Profile: p, Lines: t.lines}, nil
}

// likely tells the type of a table whose head is gone: bytes are memory, which pprof shows in use unless asked for more,
// and a time at functions in which nobody waits is that of processors. "" when it cannot be told.
func (t *ToolReader) likely() string {
	if strings.HasSuffix(t.unit, "B") {
		return "inuse_space"
	}
	if !strings.HasSuffix(t.unit, "s") {
		return ""
	}
	for _, row := range t.rows {
		for _, works := range []string{"runtime.mallocgc", "runtime.scanobject", "runtime.memmove", "runtime.memclr", "runtime.map", "runtime.findObject", "runtime.greyobject"} {
			if strings.HasPrefix(row.Stack[0].Function, works) {
				return "cpu"
			}
		}
	}
	return ""
}

// toolColumn is the column of a profile by the type that pprof prints, and the profile's kind; "" for kinds of which
// a function alone says nothing.
func toolColumn(typ string) (Column, string) {
	switch typ {
	case "cpu":
		return Column{"cpu", "nanoseconds"}, "cpu"
	case "inuse_space", "alloc_space":
		return Column{typ, "bytes"}, "heap"
	case "inuse_objects", "alloc_objects":
		return Column{typ, "count"}, "heap"
	case "goroutine":
		return Column{"goroutine", "count"}, "goroutine"
	}
	return Column{}, ""
}

// units are those that pprof prints (google/pprof, internal/measurement); its kB is 1024 bytes.
var units = map[string]float64{"": 1, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "mins": 60e9, "hrs": 3600e9, "days": 86400e9,
	"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

// amount reads a number with its unit, such as 146.80MB.
func amount(s string) (int64, bool) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	unit, ok := units[s[i:]]
	x, err := strconv.ParseFloat(s[:i], 64)
	if !ok || err != nil || x*unit > 1e18 {
		return 0, false
	}
	return int64(x * unit), true
}
