package report

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"

	"inquest/analyze/evidence"
)

// svg collects the elements of a picture. Colours are classes of the style
// sheet, because the page's policy forbids style attributes.
type svg struct{ strings.Builder }

// num writes a coordinate with at most one decimal.
func num(x float64) string {
	if math.IsNaN(x) || math.Abs(x) > 1e6 {
		return "0"
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

func (s *svg) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(s, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, num(x), num(y), num(w), num(h))
	if title == "" {
		s.WriteString("/>")
		return
	}
	fmt.Fprintf(s, "><title>%s</title></rect>", html.EscapeString(title))
}

func (s *svg) text(class string, x, y float64, text string) {
	fmt.Fprintf(s, `<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), html.EscapeString(text))
}

func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(s, `<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

func (s *svg) path(class, d string) {
	if d != "" {
		fmt.Fprintf(s, `<path class="%s" d="%s"/>`, class, d)
	}
}

// scale maps a value to a coordinate and never leaves the stretch it maps to.
type scale struct{ from, to, low, high float64 }

func (c scale) at(v float64) float64 {
	if !(c.high > c.low) || math.IsNaN(v) {
		return c.from
	}
	share := min(max((v-c.low)/(c.high-c.low), 0), 1)
	return c.from + share*(c.to-c.from)
}

// niceAbove returns the lowest of some multiples of a power of ten that is not below v.
func niceAbove(v float64, multiples ...float64) float64 {
	if !(v > 0) || v > 1e300 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range multiples {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// niceTop is niceAbove for the top of a lane, where closeness matters more than round steps.
func niceTop(v float64) float64 { return niceAbove(v, 1, 1.5, 2, 3, 4, 5, 6, 8) }

// niceBytes is niceTop in the binary steps in which memory is read.
func niceBytes(v float64) float64 {
	unit := 1.0
	for v/unit >= 1024 && unit < 1<<60 {
		unit *= 1024
	}
	return min(niceTop(v/unit), 1024) * unit
}

// Geometry of a timeline, in the units of its viewBox.
const (
	timelineWidth = 960
	plotLeft      = 74
	plotRight     = 946
	maxProcRows   = 32
)

// drawing is a timeline being drawn from the top down.
type drawing struct {
	svg
	under svg // what the lanes are drawn over
	t     *Timeline
	x     scale // nanoseconds to horizontal position
	y     float64
}

// drawTimeline returns a trace's picture. name says what it is a picture of.
func drawTimeline(t *Timeline, name string) string {
	d := &drawing{t: t, x: scale{plotLeft, plotRight, 0, float64(t.Duration)}}
	d.y = 6
	top := d.y + 24
	d.pauses()
	d.waiting()
	d.working()
	d.procs()
	d.heap()
	bottom := d.y - 14
	var marks strings.Builder
	for _, m := range t.Marks {
		x := d.x.at(float64(m.From))
		w := max(d.x.at(float64(m.To))-x, 0.5)
		fmt.Fprintf(&marks, "M%s %sh%sV%sh-%sz", num(x), num(top), num(w), num(bottom), num(w))
	}
	d.under.path("gc", marks.String())
	d.axis(top, bottom)

	height := d.y + 10
	var out svg
	fmt.Fprintf(&out, `<svg class="timeline" role="img" viewBox="0 0 %d %s" xmlns="http://www.w3.org/2000/svg"><title>%s</title><desc>%s</desc>`,
		timelineWidth, num(height), html.EscapeString("Timeline of "+name), html.EscapeString(timelineWords(t)))
	out.WriteString(d.under.String())
	out.WriteString(d.String())
	out.WriteString("</svg>")
	return out.String()
}

// key is one entry of a lane's legend.
type key struct{ class, name string }

// lane draws a lane's heading with its legend and its frame, and returns the top of its plot.
func (d *drawing) lane(title string, height float64, keys ...key) float64 {
	d.text("lane", plotLeft, d.y+13, title)
	x := plotLeft + 8 + 7.2*float64(len([]rune(title)))
	for _, k := range keys {
		x += 12
		d.rect(k.class, x, d.y+4, 10, 10, "")
		d.text("key", x+15, d.y+13, k.name)
		x += 15 + 6.6*float64(len([]rune(k.name)))
	}
	top := d.y + 24
	d.line("frame", plotLeft, top+height, plotRight, top+height)
	d.y = top + height + 14
	return top
}

// ticks labels the top and bottom of a lane.
func (d *drawing) ticks(top, height float64, high string) {
	d.text("tick end", plotLeft-8, top+9, high)
	d.text("tick end", plotLeft-8, top+height, "0")
	d.line("grid", plotLeft, top, plotRight, top)
}

// steps returns the outline of an area between two series of equal length.
func (d *drawing) steps(low, high []float64, y scale) string {
	if len(high) == 0 {
		return ""
	}
	edge := func(i int) float64 { return d.x.at(min(float64(i)*float64(d.t.Step), float64(d.t.Duration))) }
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", num(edge(0)), num(y.at(high[0])))
	last := num(y.at(high[0]))
	for i := range high {
		if v := num(y.at(high[i])); v != last {
			fmt.Fprintf(&b, "H%sV%s", num(edge(i)), v)
			last = v
		}
	}
	fmt.Fprintf(&b, "H%s", num(edge(len(high))))
	under := func(i int) float64 {
		if low == nil {
			return y.at(0)
		}
		return y.at(low[i])
	}
	last = ""
	for i := len(high) - 1; i >= 0; i-- {
		if v := num(under(i)); v != last {
			if last != "" {
				fmt.Fprintf(&b, "H%s", num(edge(i+1)))
			}
			fmt.Fprintf(&b, "V%s", v)
			last = v
		}
	}
	fmt.Fprintf(&b, "H%sz", num(edge(0)))
	return b.String()
}

func (d *drawing) pauses() {
	var high float64
	for _, p := range d.t.Pauses {
		high = max(high, float64(p.Effective))
	}
	const height = 34
	top := d.lane("World stopped", height, key{"stw", "effective pause"}, key{"gc", "GC mark phase (all lanes)"})
	if len(d.t.Pauses) == 0 {
		d.text("key", plotLeft+6, top+height-8, "no pause in this trace")
		return
	}
	high = niceTop(high)
	d.ticks(top, height, evidence.Of(high, evidence.Nanoseconds).String())
	y := scale{0, height, 0, high}
	for _, p := range d.t.Pauses {
		h := max(y.at(float64(p.Effective)), 1.5)
		x := d.x.at(float64(p.From))
		w := d.x.at(float64(p.From)+max(float64(p.Effective), 0)) - x
		if w < 1.5 {
			x, w = x-0.75, 1.5
		}
		d.rect("stw", x, top+height-h, w, h, fmt.Sprintf("%s: effective %s, raw %s, at %s",
			p.Reason, evidence.Of(p.Effective, evidence.Nanoseconds), evidence.Of(float64(p.To)-float64(p.From), evidence.Nanoseconds),
			evidence.Of(p.From, evidence.Nanoseconds)))
	}
}

func (d *drawing) waiting() {
	const height = 84
	high := niceTop(highest(d.t.Waiting, d.t.SyncWait))
	top := d.lane("Goroutines waiting", height, key{"sync", "for a lock"}, key{"wait", "for anything else"})
	d.ticks(top, height, evidence.Of(high, evidence.Count).String())
	y := scale{top + height, top, 0, high}
	d.path("wait", d.steps(nil, d.t.Waiting, y))
	d.path("sync", d.steps(nil, d.t.SyncWait, y))
}

func (d *drawing) working() {
	const height = 72
	n := len(d.t.Running)
	running, syscall, runnable := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		running[i] = max(d.t.Running[i], 0)
		syscall[i] = running[i] + max(d.t.Syscall[i], 0)
		runnable[i] = syscall[i] + max(d.t.Runnable[i], 0)
	}
	high := niceTop(highest(runnable))
	top := d.lane("Goroutines at work", height, key{"run", "running"}, key{"sys", "in a system call"}, key{"rnb", "runnable, waiting for a processor"})
	d.ticks(top, height, evidence.Of(high, evidence.Count).String())
	y := scale{top + height, top, 0, high}
	d.path("rnb", d.steps(syscall, runnable, y))
	d.path("sys", d.steps(running, syscall, y))
	d.path("run", d.steps(nil, running, y))
}

func (d *drawing) procs() {
	n := len(d.t.Procs)
	if n == 0 {
		return
	}
	per := (n + maxProcRows - 1) / maxProcRows
	rows := (n + per - 1) / per
	pitch := min(max(160/float64(rows), 7), 16)
	top := d.lane("Processors", pitch*float64(rows), key{"proc o8", "busy"}, key{"proc o3", "partly"}, key{"idle", "idle"})
	for r := range rows {
		group := d.t.Procs[r*per : min((r+1)*per, n)]
		y := top + pitch*float64(r)
		label := fmt.Sprintf("P%d", r*per)
		if len(group) > 1 {
			label += fmt.Sprintf("-%d", r*per+len(group)-1)
		}
		if pitch >= 11 || r%2 == 0 {
			d.text("tick end", plotLeft-8, y+pitch/2+3.5, label)
		}
		d.rect("idle", plotLeft, y+1, plotRight-plotLeft, pitch-2, "")
		d.occupancy(group, y+1, pitch-2)
	}
}

// occupancy draws a row of shares in eight strengths, equal neighbours as one.
func (d *drawing) occupancy(group [][]float64, y, height float64) {
	var levels [9]strings.Builder
	steps := len(group[0])
	level := func(i int) int {
		var sum float64
		for _, p := range group {
			sum += p[i]
		}
		return int(math.Round(min(max(sum/float64(len(group)), 0), 1) * 8))
	}
	for from := 0; from < steps; {
		to, l := from+1, level(from)
		for to < steps && level(to) == l {
			to++
		}
		x := d.x.at(float64(from) * float64(d.t.Step))
		w := d.x.at(float64(to)*float64(d.t.Step)) - x
		fmt.Fprintf(&levels[l], "M%s %sh%sv%sh-%sz", num(x), num(y), num(w), num(height), num(w))
		from = to
	}
	for l := 1; l < len(levels); l++ {
		d.path(fmt.Sprintf("proc o%d", l), levels[l].String())
	}
}

func (d *drawing) heap() {
	if len(d.t.Heap) == 0 {
		return
	}
	var high float64
	for _, h := range d.t.Heap {
		high = max(high, float64(h.Live), float64(h.Goal))
	}
	high = niceBytes(high)
	const height = 84
	top := d.lane("Heap", height, key{"heap", "live"}, key{"goal", "goal of the collector"})
	d.ticks(top, height, evidence.Of(high, evidence.Bytes).String())
	y := scale{top + height, top, 0, high}
	var live, goal strings.Builder
	pen := 'M'
	last := ""
	for _, h := range d.t.Heap {
		x := num(d.x.at(float64(h.At)))
		fmt.Fprintf(&live, "%c%s %s", pen, x, num(y.at(float64(h.Live))))
		pen = 'L'
		if h.Goal == 0 {
			continue
		}
		v := num(y.at(float64(h.Goal)))
		switch {
		case last == "":
			fmt.Fprintf(&goal, "M%s %s", x, v)
		case v != last:
			fmt.Fprintf(&goal, "H%sV%s", x, v)
		}
		last = v
	}
	if last != "" {
		fmt.Fprintf(&goal, "H%d", plotRight)
	}
	d.path("heapline", live.String())
	d.path("goalline", goal.String())
}

// axis draws the shared time axis below and its lines through all lanes.
func (d *drawing) axis(top, bottom float64) {
	duration := float64(d.t.Duration)
	if !(duration > 0) {
		return
	}
	step := niceAbove(duration/8, 1, 2, 5)
	for at := 0.0; at <= duration*1.0001; at += step {
		x := d.x.at(at)
		d.under.line("grid", x, top, x, bottom)
		class := "tick mid"
		if x > plotRight-24 {
			class = "tick end"
		}
		label := "0 s"
		if at > 0 {
			label = evidence.Of(at, evidence.Nanoseconds).String()
		}
		d.text(class, x, bottom+16, label)
	}
	d.y = bottom + 16
}

func highest(series ...[]float64) float64 {
	var high float64
	for _, s := range series {
		for _, v := range s {
			high = max(high, v)
		}
	}
	return high
}

func meanOf(series []float64) float64 {
	if len(series) == 0 {
		return 0
	}
	var sum float64
	for _, v := range series {
		sum += v / float64(len(series))
	}
	return sum
}

// timelineWords says what the picture shows.
func timelineWords(t *Timeline) string {
	count := func(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
	said := []string{fmt.Sprintf("%s long", evidence.Of(t.Duration, evidence.Nanoseconds))}
	if len(t.Running) > 0 {
		said = append(said,
			fmt.Sprintf("goroutines running: %s on average, %s at most", count(meanOf(t.Running)), count(highest(t.Running))),
			fmt.Sprintf("runnable: %s on average, %s at most", count(meanOf(t.Runnable)), count(highest(t.Runnable))),
			fmt.Sprintf("waiting: %s on average, of which for a lock %s, at most %s", count(meanOf(t.Waiting)), count(meanOf(t.SyncWait)), count(highest(t.SyncWait))))
	}
	if n := len(t.Procs); n > 0 {
		var busy float64
		for _, p := range t.Procs {
			busy += meanOf(p) / float64(n)
		}
		said = append(said, fmt.Sprintf("%d processors busy %s of the time", n, evidence.Of(busy, evidence.Share)))
	}
	said = append(said, fmt.Sprintf("in GC mark phases %s of the time", evidence.Of(meanOf(t.GC), evidence.Share)))
	if n := len(t.Pauses); n > 0 {
		worst := t.Pauses[0]
		for _, p := range t.Pauses {
			if p.Effective > worst.Effective {
				worst = p
			}
		}
		pauses := "pauses"
		if n == 1 {
			pauses = "pause"
		}
		said = append(said, fmt.Sprintf("%d stop-the-world %s drawn, the longest %s (%s) at %s", n, pauses,
			evidence.Of(worst.Effective, evidence.Nanoseconds), worst.Reason, evidence.Of(worst.From, evidence.Nanoseconds)))
	}
	if len(t.Heap) > 0 {
		low, high := t.Heap[0].Live, t.Heap[0].Live
		for _, h := range t.Heap {
			low, high = min(low, h.Live), max(high, h.Live)
		}
		said = append(said, fmt.Sprintf("live heap %s to %s", evidence.Of(low, evidence.Bytes), evidence.Of(high, evidence.Bytes)))
	}
	return strings.ToUpper(said[0][:1]) + strings.Join(said, "; ")[1:] + "."
}

// drawBar returns a bar that fills share of its width. It repeats a number that
// stands beside it, so it is hidden from screen readers.
func drawBar(class string, share float64) string {
	width := scale{0, 100, 0, 1}.at(share)
	if share > 0 {
		width = max(width, 0.4)
	}
	return fmt.Sprintf(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4"/><rect class="%s" width="%s" height="4"/></svg>`,
		class, num(width))
}
