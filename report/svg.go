package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
	"inquest/report/draw"
)

func nanoseconds(v float64) string { return evidence.Of(v, evidence.Nanoseconds).String() }

// clockAxis is a moment of an axis: zero is not "0 ns" there.
func clockAxis(v float64) string {
	if v == 0 {
		return "0 s"
	}
	return nanoseconds(v)
}

func inWords(unit evidence.Unit) func(float64) string {
	return func(v float64) string { return evidence.Of(v, unit).String() }
}

// moment is a stretch of a timeline that facts point at.
type moment struct {
	Name     string // its number
	ID       string
	From, To int64
	Facts    []factView
}

// drawTimeline returns a trace's picture. name says what it is a picture of.
func drawTimeline(t *Timeline, name string, moments []moment) string {
	d := draw.Timeline{
		Title: "Timeline of " + name, Desc: timelineWords(t), Step: float64(t.Step), Duration: float64(t.Duration),
		Running: t.Running, Runnable: t.Runnable, Waiting: t.Waiting, Syscall: t.Syscall, SyncWait: t.SyncWait, Procs: t.Procs,
		Time: nanoseconds, Bytes: inWords(evidence.Bytes), Count: inWords(evidence.Count),
	}
	for _, m := range t.Marks {
		d.Cycles = append(d.Cycles, draw.Stretch{From: float64(m.From), To: float64(m.To)})
	}
	for _, p := range t.Pauses {
		d.Pauses = append(d.Pauses, draw.Pause{From: float64(p.From), Effective: float64(p.Effective),
			Title: fmt.Sprintf("%s: effective %s, raw %s, at %s", p.Reason, nanoseconds(float64(p.Effective)), nanoseconds(float64(p.To)-float64(p.From)), nanoseconds(float64(p.From)))})
	}
	for _, h := range t.Heap {
		d.Heap = append(d.Heap, draw.HeapPoint{At: float64(h.At), Live: float64(h.Live), Goal: float64(h.Goal)})
	}
	for _, s := range t.Locks {
		row := draw.Row{Name: fmt.Sprintf("%s: %s waits, %s in all", shortFunction(place(s.Site)), evidence.Of(s.Count, evidence.Count), nanoseconds(float64(s.Total)))}
		for _, w := range s.Worst {
			row.Spans = append(row.Spans, draw.Span{From: float64(w.From), To: float64(w.To),
				Title: fmt.Sprintf("goroutine %d waited %s, from %s on", w.Goroutine, nanoseconds(float64(w.To)-float64(w.From)), offset(w.From))})
		}
		d.Waits = append(d.Waits, row)
	}
	for _, m := range moments {
		var says []string
		for _, f := range m.Facts {
			says = append(says, (claim.Legacy(f.Value.String()+": ") + f.Says).String())
		}
		d.Moments = append(d.Moments, draw.Highlight{From: float64(m.From), To: float64(m.To), Name: m.Name, ID: m.ID, Link: m.Facts[0].Anchor,
			Title: fmt.Sprintf("%s, %s to %s: %s", m.Name, offset(m.From), offset(m.To), strings.Join(says, "; "))})
	}
	return d.String()
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
			fmt.Sprintf("goroutines running: %s on average, %s at most", count(meanOf(t.Running)), count(draw.Highest(t.Running))),
			fmt.Sprintf("runnable: %s on average, %s at most", count(meanOf(t.Runnable)), count(draw.Highest(t.Runnable))),
			fmt.Sprintf("waiting: %s on average, of which for a lock %s, at most %s", count(meanOf(t.Waiting)), count(meanOf(t.SyncWait)), count(draw.Highest(t.SyncWait))))
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
	for _, s := range t.Locks {
		if len(s.Worst) > 0 {
			said = append(said, fmt.Sprintf("the longest wait for a lock in %s: %s, from %s on", place(s.Site), nanoseconds(float64(s.Worst[0].To)-float64(s.Worst[0].From)), offset(s.Worst[0].From)))
		}
	}
	return capital(strings.Join(said, "; ")) + "."
}

// drawBar returns a bar that fills share of its width. It repeats a number that
// stands beside it, so it is hidden from screen readers.
func drawBar(class string, share float64) string {
	width := draw.Scale{To: 100, High: 1}.At(share)
	if share > 0 {
		width = max(width, 0.4)
	}
	return fmt.Sprintf(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4"/><rect class="%s" width="%s" height="4"/></svg>`,
		class, draw.Num(width))
}

// drawTree draws the call tree of a profile, the way to the culprits marked.
func drawTree(f *Flame, name string) string {
	onPath := make([]bool, len(f.Nodes))
	for i := len(f.Nodes) - 1; i > 0; i-- {
		if n := f.Nodes[i]; n.Parent >= 0 && n.Parent < i && (n.Culprit || onPath[i]) {
			onPath[n.Parent] = true
		}
	}
	out := draw.Flame{Title: "Call tree of " + name, Desc: flameWords(f)}
	for i, n := range f.Nodes {
		frame := draw.Frame{Parent: n.Parent, Name: shortFunction(n.Function), Value: n.Value, Class: "other"}
		value := evidence.Quantity{Number: n.Value, Unit: f.Total.Unit}
		frame.Full = fmt.Sprintf("%s: %s, %s of the whole", n.Function, value, evidence.Part(n.Value, f.Total.Number))
		switch {
		case i == 0:
			frame.Name = "all, " + f.Total.String()
			frame.Full = frame.Name
		case n.Culprit:
			frame.Class = "culprit"
		case onPath[i]:
			frame.Class = "onpath"
		case stack.Standard(n.Function):
			frame.Class = "std"
		}
		out.Frames = append(out.Frames, frame)
	}
	return out.String()
}

// flameWords says what a call tree shows: what passes through the culprits, and what was left out.
func flameWords(f *Flame) string {
	var said []string
	through := map[string]float64{} // by normalised culprit, recursion counted once
	inside := make([]map[string]bool, len(f.Nodes))
	var order []string
	for i, n := range f.Nodes {
		if n.Parent >= 0 && n.Parent < i {
			inside[i] = inside[n.Parent]
		}
		name := stack.Normal(n.Function)
		if !n.Culprit || inside[i][name] {
			continue
		}
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
		through[name] += n.Value
		own := map[string]bool{name: true}
		for k := range inside[i] {
			own[k] = true
		}
		inside[i] = own
	}
	for _, name := range first(3, order) {
		said = append(said, fmt.Sprintf("%s of %s pass through %s", evidence.Part(through[name], f.Total.Number), f.Total, name))
	}
	if len(order) == 0 {
		said = append(said, f.Total.String()+" in all, none of it below a function that a finding names")
	}
	if n := f.LeftOut.Calls; n > 0 {
		said = append(said, fmt.Sprintf("%s of at most %s each are not drawn, %s of the whole together",
			evidence.Things(n, "call"), evidence.Part(f.LeftOut.Largest, f.Total.Number), evidence.Part(f.LeftOut.Value, f.Total.Number)))
	}
	return capital(strings.Join(said, "; ")) + "."
}

func drawDistribution(d *Distribution) string {
	h := draw.Histogram{Title: d.Title.String(), Desc: distributionWords(d), Label: nanoseconds, Noun: d.Noun.String()}
	for _, b := range d.Buckets {
		h.Bins = append(h.Bins, draw.Bin{From: float64(b.From), To: float64(b.To) + 1, Count: float64(b.Count)})
	}
	h.Marks = []draw.Mark{{At: float64(d.P50), Name: "median"}}
	if d.P99 > d.P50*2 {
		h.Marks = append(h.Marks, draw.Mark{At: float64(d.P99), Name: "p99"})
	}
	for _, l := range first(1, d.Limits) {
		h.Marks = append(h.Marks, draw.Mark{At: l.Number, Name: "limit", Limit: true})
	}
	return h.String()
}

// distributionWords says what a histogram shows.
func distributionWords(d *Distribution) string {
	said := fmt.Sprintf("%s %s: half took at most %s, 99 of 100 at most %s, the longest %s", evidence.Of(d.Count, evidence.Count), d.Noun,
		nanoseconds(float64(d.P50)), nanoseconds(float64(d.P99)), nanoseconds(float64(d.Max)))
	for _, l := range first(1, d.Limits) {
		var beyond int64
		for _, b := range d.Buckets {
			if float64(b.From) >= l.Number {
				beyond += b.Count
			}
		}
		said += fmt.Sprintf("; %s lie in steps above the limit %s of %s", evidence.Part(beyond, d.Count), l.Name, l.Quantity)
	}
	return said + "."
}

func drawCurve(c *Curve) string {
	out := draw.Curves{Title: claim.Capital(c.Title).String(), Desc: curveWords(c), Y: inWords(c.Unit), X: clockAxis, Top: draw.NiceTop}
	if c.Unit == evidence.Bytes {
		out.Top = draw.NiceBytes
	}
	if c.Ordinal {
		out.X = func(v float64) string { return fmt.Sprintf("no. %d", int64(v)+1) }
	}
	for _, l := range first(draw.MaxCurves, c.Lines) {
		line := draw.Curve{Name: lineName(l), Values: l.Values}
		for _, at := range l.At {
			line.At = append(line.At, float64(at))
		}
		out.Lines = append(out.Lines, line)
		if len(line.At) <= 6 {
			out.Moments = line.At
		}
	}
	return out.String()
}

// lineName names a line of a curve.
func lineName(l CurveLine) string {
	if l.Name != "" {
		return l.Name.String()
	}
	return shortFunction(place(l.Site))
}

// curveWords says how each line went.
func curveWords(c *Curve) string {
	var said []string
	for _, l := range first(draw.MaxCurves, c.Lines) {
		if n := len(l.Values); n > 0 {
			q := inWords(c.Unit)
			said = append(said, fmt.Sprintf("%s: %s first, %s last, %s at most", lineName(l), q(l.Values[0]), q(l.Values[n-1]), q(draw.Highest(l.Values))))
		}
	}
	return strings.Join(said, "; ") + "."
}

// drawGraph draws who waits for whom.
func drawGraph(g *claim.WaitGraph) string {
	out := draw.Graph{Title: "Who waits for which lock, and who holds it", Desc: graphWords(g), Closed: g.Circle && g.Count == len(g.Steps)}
	for i, s := range g.Steps {
		step := draw.Step{Who: graphWho(s), Where: (s.State + " in " + claim.Legacy(shortFunction(place(s.Site)))).String(), Lock: s.Lock.String()}
		if s.Goroutine == 0 {
			step.Where = "in " + shortFunction(place(s.Site))
		}
		if others := s.Waiters - 1; s.Goroutine != 0 && others > 0 {
			step.More = evidence.Things(others, "goroutine").String() + " more wait"
			if others == 1 {
				step.More += "s"
			}
		}
		if i == draw.MaxSteps-1 && g.Count > draw.MaxSteps {
			step.More = fmt.Sprintf("%d more steps not drawn", g.Count-draw.MaxSteps)
		}
		out.Steps = append(out.Steps, step)
	}
	return out.String()
}

func graphWho(s claim.WaitStep) string {
	if s.Goroutine == 0 {
		return evidence.Things(s.Waiters, "goroutine").String()
	}
	return fmt.Sprintf("goroutine %d", s.Goroutine)
}

// graphWords says the graph in sentences.
func graphWords(g *claim.WaitGraph) string {
	var said []string
	for i, s := range g.Steps {
		if s.Lock == "" {
			said = append(said, fmt.Sprintf("%s stands in %s (%s)", graphWho(s), place(s.Site), s.State))
			continue
		}
		verb := "waits"
		if s.Goroutine == 0 {
			verb = "wait"
		}
		clause := fmt.Sprintf("%s %s in %s for %s", graphWho(s), verb, place(s.Site), s.Lock)
		switch {
		case i+1 < len(g.Steps):
			clause += ", which " + graphWho(g.Steps[i+1]) + " holds"
		case g.Circle && g.Count == 1:
			clause += ", which it holds itself"
		case g.Circle && g.Count == len(g.Steps):
			clause += ", which " + graphWho(g.Steps[0]) + " holds: the circle is closed"
		}
		said = append(said, clause)
	}
	if more := g.Count - len(g.Steps); more > 0 {
		said = append(said, fmt.Sprintf("%d more steps are left out", more))
	}
	return capital(strings.Join(said, "; ")) + "."
}

// drawLock draws who held a lock and who waited for it.
func drawLock(m *LockMoment) string {
	from, to := lockWindow(m)
	out := draw.Spans{Title: "Who held the lock and who waited", Desc: lockWords(m), From: float64(from), To: float64(to), Label: clockAxis,
		Keys: []draw.Key{{Class: "held-a", Name: "held"}, {Class: "held-unknown", Name: "held at least since"}, {Class: "sync", Name: "waited, until it was given the lock"}, {Class: "worst", Name: "the longest wait"}}}
	held := draw.Row{Name: "holder", Strip: true}
	var rows []draw.Row
	for i, h := range m.Handed {
		class := [2]string{"held-a", "held-b"}[i%2]
		title := fmt.Sprintf("goroutine %d held it for %s, from %s on", h.Holder, nanoseconds(float64(h.To)-float64(h.From)), offset(h.From))
		if !h.Known {
			class = "held-unknown"
			title = fmt.Sprintf("goroutine %d held it for at least %s, until %s", h.Holder, nanoseconds(float64(h.To)-float64(h.From)), offset(h.To))
		}
		held.Spans = append(held.Spans, draw.Span{From: float64(h.From), To: float64(h.To), Class: class, Title: title})
		class = "sync"
		if h.To-h.Since == m.Longest {
			class = "worst"
		}
		rows = append(rows, draw.Row{Name: fmt.Sprintf("goroutine %d", h.Waiter), Spans: []draw.Span{{From: float64(h.Since), To: float64(h.To), Class: class,
			Title: fmt.Sprintf("goroutine %d waited %s, from %s to %s; goroutine %d let it go", h.Waiter, nanoseconds(float64(h.To)-float64(h.Since)), offset(h.Since), offset(h.To), h.Holder)}}})
	}
	out.Rows = append([]draw.Row{held}, rows...)
	return out.String()
}

// lockWindow is the stretch that a lock's picture shows: the hand-overs that are known.
func lockWindow(m *LockMoment) (from, to int64) {
	from, to = m.Handed[0].From, m.Handed[0].To
	for _, h := range m.Handed {
		from, to = min(from, h.From), max(to, h.To)
	}
	margin := (to - from) / 50
	return max(0, from-margin), to + margin
}

// lockWords says what a lock's picture shows.
func lockWords(m *LockMoment) string {
	from, to := lockWindow(m)
	var held, unknown int64
	holders := map[int64]bool{}
	earlier := 0
	for _, h := range m.Handed {
		holders[h.Holder] = true
		if h.Known {
			held += h.To - h.From
		} else {
			unknown++
		}
		if h.Since < from {
			earlier++
		}
	}
	said := fmt.Sprintf("%s between %s and %s, by %s, around the longest wait for it of %s", evidence.Things(len(m.Handed), "hand-over"),
		offset(from), offset(to), evidence.Things(len(holders), "goroutine"), nanoseconds(float64(m.Longest)))
	if known := int64(len(m.Handed)) - unknown; known > 0 {
		said += fmt.Sprintf("; %s held on average", nanoseconds(float64(held)/float64(known)))
	}
	if earlier > 0 {
		said += fmt.Sprintf("; %d of the waiters had come before the picture begins", earlier)
	}
	return said + "."
}
