package draw

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Timeline is an execution trace: one value per step in every series, moments in nanoseconds.
type Timeline struct {
	Title, Desc    string
	Step, Duration float64
	Running        []float64
	Runnable       []float64
	Waiting        []float64
	Syscall        []float64
	SyncWait       []float64
	Procs          [][]float64
	Cycles         []Stretch // of the collector
	Pauses         []Pause
	Heap           []HeapPoint
	Waits          []Row       // longest waits for locks, by site
	Moments        []Highlight // what is pointed at
	Time, Bytes    func(float64) string
	Count          func(float64) string

	Beside *Timeline // another that it is compared with: both are drawn to the same scales; nil for none
}

// both are the timeline and the one beside it.
func (t *Timeline) both() []*Timeline {
	if t.Beside == nil {
		return []*Timeline{t}
	}
	return []*Timeline{t, t.Beside}
}

// highest is the largest of what both have.
func (t *Timeline) highest(of func(*Timeline) float64) (high float64) {
	for _, o := range t.both() {
		high = max(high, of(o))
	}
	return high
}

// length is how much time there is room for.
func (t *Timeline) length() float64 {
	return t.highest(func(o *Timeline) float64 { return finite(o.Duration) })
}

// Stretch is a part of a timeline.
type Stretch struct{ From, To float64 }

// Pause is a stop of the world.
type Pause struct {
	From, Effective float64
	Title           string
}

// HeapPoint is the heap at one moment; a goal of 0 is not known.
type HeapPoint struct{ At, Live, Goal float64 }

// Highlight is a stretch that is pointed at from the text.
type Highlight struct {
	From, To float64
	Name     string // one or two characters
	ID       string // of the mark, to link to
	Link     string // fragment that it leads to
	Title    string
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
	Canvas
	under Canvas // what the lanes are drawn over
	t     *Timeline
	x     Scale // nanoseconds to horizontal position
	y     float64
}

// String draws it.
func (t Timeline) String() string {
	t.Step, t.Duration = finite(t.Step), finite(t.Duration)
	d := &drawing{t: &t, x: Scale{From: plotLeft, To: plotRight, High: t.length()}}
	d.y = 6
	if len(t.Moments) > 0 {
		d.moments()
	}
	top := d.y + 24
	d.waits()
	d.pauses()
	d.waiting()
	d.working()
	d.procs()
	d.heap()
	bottom := d.y - 14
	var cycles strings.Builder
	for _, m := range t.Cycles {
		x := d.x.At(m.From)
		w := max(d.x.At(m.To)-x, 0.5)
		fmt.Fprintf(&cycles, "M%s %sh%sV%sh-%sz", Num(x), Num(top), Num(w), Num(bottom), Num(w))
	}
	d.under.Path("gc", cycles.String())
	for _, m := range t.Moments {
		for _, at := range []float64{m.From, m.To} {
			if at > 0 && at < t.Duration {
				d.under.Line("moment", d.x.At(at), top, d.x.At(at), bottom)
			}
		}
	}
	d.axis(top, bottom)
	role := "img"
	if len(t.Moments) > 0 {
		role = "group"
	}
	return frame("timeline", role, t.Title, t.Desc, timelineWidth, d.y+10, d.under.String()+d.String())
}

// maxMoments is how many moments get a flag of their own row.
const maxMoments = 12

// moments draws a row of numbered flags, each a link, low where they would meet.
func (d *drawing) moments() {
	const height = 16.0
	var ends []float64 // of each row
	row := func(from, to float64) int {
		for r, end := range ends {
			if from > end+3 {
				ends[r] = to
				return r
			}
		}
		ends = append(ends, to)
		return len(ends) - 1
	}
	d.Text("lane", plotLeft, d.y+13, "Worst moments, by number")
	top := d.y + 22
	for i, m := range d.t.Moments {
		if i == maxMoments {
			break
		}
		from, to := d.x.At(m.From), d.x.At(max(m.To, m.From))
		name := Fit(m.Name, 4)
		label := 9 + charWidth*float64(len([]rune(name)))
		at := min(from, plotRight-label)
		y := top + float64(row(at, max(to, at+label)))*height
		fmt.Fprintf(d, `<a id="%s" href="#%s"><title>%s</title>`, html.EscapeString(m.ID), html.EscapeString(m.Link), html.EscapeString(m.Title))
		d.Rect("span-mark", at, y+2, max(to-at, label), height-3, "")
		d.Text("flag", at+4.5, y+12, name)
		d.WriteString("</a>")
	}
	d.y = top + height*float64(len(ends)) - 4
}

// waits draws the longest waits for locks, a row for each site.
func (d *drawing) waits() {
	if len(d.t.Waits) == 0 {
		return
	}
	const height = 15.0
	top := d.lane("Longest waits for locks, by site", height*2*float64(len(d.t.Waits)), Key{"sync", "one goroutine's wait each"})
	for i, r := range d.t.Waits {
		y := top + 2*height*float64(i)
		d.Text("key", plotLeft+4, y+11, Fit(r.Name, 130))
		for j, s := range r.Spans {
			from := d.x.At(s.From)
			each := (height - 2) / float64(len(r.Spans))
			d.Rect("sync", from, y+height+each*float64(j), max(d.x.At(s.To)-from, 1), max(each-0.6, 0.8), s.Title)
		}
	}
}

// lane draws a lane's heading with its legend and its frame, and returns the top of its plot.
func (d *drawing) lane(title string, height float64, keys ...Key) float64 {
	d.Text("lane", plotLeft, d.y+13, title)
	x := plotLeft + 8 + 7.2*float64(len([]rune(title)))
	for _, k := range keys {
		x += 12
		d.Rect("sample "+k.Class, x, d.y+4, 10, 10, "")
		d.Text("key", x+15, d.y+13, k.Name)
		x += 15 + 6.6*float64(len([]rune(k.Name)))
	}
	top := d.y + 24
	d.Line("frame", plotLeft, top+height, plotRight, top+height)
	d.y = top + height + 14
	return top
}

// ticks labels the top and bottom of a lane.
func (d *drawing) ticks(top, height float64, high string) {
	d.Text("tick end", plotLeft-8, top+9, high)
	d.Text("tick end", plotLeft-8, top+height, "0")
	d.Line("grid", plotLeft, top, plotRight, top)
}

// steps returns the outline of an area between two series of equal length.
func (d *drawing) steps(low, high []float64, y Scale) string {
	if len(high) == 0 {
		return ""
	}
	edge := func(i int) float64 { return d.x.At(min(float64(i)*d.t.Step, d.t.Duration)) }
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", Num(edge(0)), Num(y.At(high[0])))
	last := Num(y.At(high[0]))
	for i := range high {
		if v := Num(y.At(high[i])); v != last {
			fmt.Fprintf(&b, "H%sV%s", Num(edge(i)), v)
			last = v
		}
	}
	fmt.Fprintf(&b, "H%s", Num(edge(len(high))))
	under := func(i int) float64 {
		if low == nil {
			return y.At(0)
		}
		return y.At(low[i])
	}
	last = ""
	for i := len(high) - 1; i >= 0; i-- {
		if v := Num(under(i)); v != last {
			if last != "" {
				fmt.Fprintf(&b, "H%s", Num(edge(i+1)))
			}
			fmt.Fprintf(&b, "V%s", v)
			last = v
		}
	}
	fmt.Fprintf(&b, "H%sz", Num(edge(0)))
	return b.String()
}

func (d *drawing) pauses() {
	high := d.t.highest(func(o *Timeline) (high float64) {
		for _, p := range o.Pauses {
			high = max(high, p.Effective)
		}
		return high
	})
	const height = 34
	top := d.lane("World stopped", height, Key{"stw", "effective pause"}, Key{"gc", "GC mark phase (all lanes)"})
	if len(d.t.Pauses) == 0 {
		d.Text("key", plotLeft+6, top+height-8, "no pause in this trace")
		return
	}
	high = NiceTop(high)
	d.ticks(top, height, d.t.Time(high))
	y := Scale{To: height, High: high}
	for _, p := range d.t.Pauses {
		h := max(y.At(p.Effective), 1.5)
		x := d.x.At(p.From)
		w := d.x.At(p.From+max(p.Effective, 0)) - x
		if w < 1.5 {
			x, w = x-0.75, 1.5
		}
		d.Rect("stw", x, top+height-h, w, h, p.Title)
	}
}

func (d *drawing) waiting() {
	const height = 84
	high := NiceTop(d.t.highest(func(o *Timeline) float64 { return Highest(o.Waiting, o.SyncWait) }))
	top := d.lane("Goroutines waiting", height, Key{"sync", "for a lock"}, Key{"wait", "for anything else"})
	d.ticks(top, height, d.t.Count(high))
	y := Scale{From: top + height, To: top, High: high}
	d.Path("wait", d.steps(nil, d.t.Waiting, y))
	d.Path("sync", d.steps(nil, d.t.SyncWait, y))
}

func (d *drawing) working() {
	const height = 72
	running, syscall, runnable := d.t.work()
	high := NiceTop(d.t.highest(func(o *Timeline) float64 {
		_, _, all := o.work()
		return Highest(all)
	}))
	top := d.lane("Goroutines at work", height, Key{"run", "running"}, Key{"sys", "in a system call"}, Key{"rnb", "runnable, waiting for a processor"})
	d.ticks(top, height, d.t.Count(high))
	y := Scale{From: top + height, To: top, High: high}
	d.Path("rnb", d.steps(syscall, runnable, y))
	d.Path("sys", d.steps(running, syscall, y))
	d.Path("run", d.steps(nil, running, y))
}

// work is the goroutines at work, each series on top of the one before.
func (t *Timeline) work() (running, syscall, runnable []float64) {
	n := len(t.Running)
	running, syscall, runnable = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		running[i] = max(t.Running[i], 0)
		syscall[i] = running[i] + max(t.Syscall[i], 0)
		runnable[i] = syscall[i] + max(t.Runnable[i], 0)
	}
	return running, syscall, runnable
}

func (d *drawing) procs() {
	n := len(d.t.Procs)
	if n == 0 {
		return
	}
	per := (n + maxProcRows - 1) / maxProcRows
	rows := (n + per - 1) / per
	pitch := min(max(160/float64(rows), 7), 16)
	top := d.lane("Processors", pitch*float64(rows), Key{"proc o8", "busy"}, Key{"proc o3", "partly"}, Key{"idle", "idle"})
	for r := range rows {
		group := d.t.Procs[r*per : min((r+1)*per, n)]
		y := top + pitch*float64(r)
		label := fmt.Sprintf("P%d", r*per)
		if len(group) > 1 {
			label += fmt.Sprintf("-%d", r*per+len(group)-1)
		}
		if pitch >= 11 || r%2 == 0 {
			d.Text("tick end", plotLeft-8, y+pitch/2+3.5, label)
		}
		d.Rect("idle", plotLeft, y+1, d.x.At(d.t.Duration)-plotLeft, pitch-2, "")
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
			sum += finite(p[i])
		}
		return int(math.Round(min(max(sum/float64(len(group)), 0), 1) * 8))
	}
	for from := 0; from < steps; {
		to, l := from+1, level(from)
		for to < steps && level(to) == l {
			to++
		}
		x := d.x.At(float64(from) * d.t.Step)
		w := d.x.At(float64(to)*d.t.Step) - x
		fmt.Fprintf(&levels[l], "M%s %sh%sv%sh-%sz", Num(x), Num(y), Num(w), Num(height), Num(w))
		from = to
	}
	for l := 1; l < len(levels); l++ {
		d.Path(fmt.Sprintf("proc o%d", l), levels[l].String())
	}
}

func (d *drawing) heap() {
	if len(d.t.Heap) == 0 {
		return
	}
	high := NiceBytes(d.t.highest(func(o *Timeline) (high float64) {
		for _, h := range o.Heap {
			high = max(high, h.Live, h.Goal)
		}
		return high
	}))
	const height = 84
	top := d.lane("Heap", height, Key{"heap", "live"}, Key{"goal", "goal of the collector"})
	d.ticks(top, height, d.t.Bytes(high))
	y := Scale{From: top + height, To: top, High: high}
	var live, goal strings.Builder
	pen := 'M'
	last := ""
	for _, h := range d.t.Heap {
		x := Num(d.x.At(h.At))
		fmt.Fprintf(&live, "%c%s %s", pen, x, Num(y.At(h.Live)))
		pen = 'L'
		if h.Goal == 0 {
			continue
		}
		v := Num(y.At(h.Goal))
		switch {
		case last == "":
			fmt.Fprintf(&goal, "M%s %s", x, v)
		case v != last:
			fmt.Fprintf(&goal, "H%sV%s", x, v)
		}
		last = v
	}
	if last != "" {
		fmt.Fprintf(&goal, "H%s", Num(d.x.At(d.t.Duration)))
	}
	d.Path("heapline", live.String())
	d.Path("goalline", goal.String())
}

// axis draws the shared time axis below and its lines through all lanes.
func (d *drawing) axis(top, bottom float64) {
	duration := d.t.length()
	if !(duration > 0) {
		return
	}
	step := NiceAbove(duration/8, 1, 2, 5)
	for at := 0.0; at <= duration*1.0001; at += step {
		x := d.x.At(at)
		d.under.Line("grid", x, top, x, bottom)
		class := "tick mid"
		if x > plotRight-24 {
			class = "tick end"
		}
		label := "0 s"
		if at > 0 {
			label = d.t.Time(at)
		}
		d.Text(class, x, bottom+16, label)
	}
	d.y = bottom + 16
}

// Highest returns the largest value of several series, or zero.
func Highest(series ...[]float64) float64 {
	var high float64
	for _, s := range series {
		for _, v := range s {
			high = max(high, v)
		}
	}
	return high
}
