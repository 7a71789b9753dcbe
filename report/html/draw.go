package html

import (
	"fmt"
	"html"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/figure"
	"inquest/report/internal/draw"
	"inquest/report/internal/view"
)

// clockAxis is a moment of an axis: zero is not "0 ns" there.
func clockAxis(v float64) string {
	if v == 0 {
		return "0 s"
	}
	return view.Nanoseconds(v)
}

// moment is a stretch of a timeline that facts point at.
type moment struct {
	Name     string // its number
	ID       string
	From, To int64
	Facts    []view.Fact
}

// drawTimeline returns a trace's picture. name says what it is a picture of.
func drawTimeline(t *figure.Timeline, name string, moments []moment) string {
	return timelineOf(t, name, moments).String()
}

// drawTimelines returns the pictures of two traces to the same scales.
func drawTimelines(of [2]*figure.Timeline, names [2]string) (out [2]string) {
	first, second := timelineOf(of[0], names[0], nil), timelineOf(of[1], names[1], nil)
	first.Beside, second.Beside = &second, &first
	return [2]string{first.String(), second.String()}
}

func timelineOf(t *figure.Timeline, name string, moments []moment) draw.Timeline {
	d := draw.Timeline{
		Title: "Timeline of " + name, Desc: view.TimelineWords(t), Step: float64(t.Step), Duration: float64(t.Duration),
		Running: t.Running, Runnable: t.Runnable, Waiting: t.Waiting, Syscall: t.Syscall, SyncWait: t.SyncWait, Procs: t.Procs,
		Time: view.Nanoseconds, Bytes: view.InWords(evidence.Bytes), Count: view.InWords(evidence.Count),
	}
	for _, m := range t.Marks {
		d.Cycles = append(d.Cycles, draw.Stretch{From: float64(m.From), To: float64(m.To)})
	}
	for _, p := range t.Pauses {
		d.Pauses = append(d.Pauses, draw.Pause{From: float64(p.From), Effective: float64(p.Effective),
			Title: fmt.Sprintf("%s: effective %s, raw %s, at %s", p.Reason, view.Nanoseconds(float64(p.Effective)), view.Nanoseconds(float64(p.To)-float64(p.From)), view.Nanoseconds(float64(p.From)))})
	}
	for _, h := range t.Heap {
		d.Heap = append(d.Heap, draw.HeapPoint{At: float64(h.At), Live: float64(h.Live), Goal: float64(h.Goal)})
	}
	for _, s := range t.Locks {
		row := draw.Row{Name: fmt.Sprintf("%s: %s waits, %s in all", view.ShortFunction(view.Place(s.Site)), evidence.Of(s.Count, evidence.Count), view.Nanoseconds(float64(s.Total)))}
		for _, w := range s.Worst {
			row.Spans = append(row.Spans, draw.Span{From: float64(w.From), To: float64(w.To),
				Title: fmt.Sprintf("goroutine %d waited %s, from %s on", w.Goroutine, view.Nanoseconds(float64(w.To)-float64(w.From)), view.Offset(w.From))})
		}
		d.Waits = append(d.Waits, row)
	}
	for _, m := range moments {
		var says []string
		for _, f := range m.Facts {
			says = append(says, f.Value.String()+": "+f.Says.String())
		}
		d.Moments = append(d.Moments, draw.Highlight{From: float64(m.From), To: float64(m.To), Name: m.Name, ID: m.ID, Link: m.Facts[0].Anchor,
			Title: fmt.Sprintf("%s, %s to %s: %s", m.Name, view.Offset(m.From), view.Offset(m.To), strings.Join(says, "; "))})
	}
	return d
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

// shades is how many parts of an account are drawn in a colour of their own.
const shades = 6

// shade is the class of a part of an account, by its number.
func shade(i int, idle bool) string {
	switch {
	case idle:
		return "part-idle"
	case i >= shades:
		return "part-more"
	}
	return fmt.Sprintf("part-%d", i+1)
}

// drawStack draws the parts of an account beside each other, as wide as their share is.
func drawStack(rows []view.AccountRow) string {
	var b strings.Builder
	b.WriteString(`<svg class="parts" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">`)
	at := 0.0
	for i, r := range rows {
		width := min(100*r.Of.Number, 100-at)
		if !(width > 0) {
			continue
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%s" width="%s" height="4"><title>%s</title></rect>`, shade(i, r.Idle), draw.Num(at), draw.Num(width),
			html.EscapeString(view.Join(" ", r.Of.String(), r.Says, r.Site.Function)))
		at += width
	}
	b.WriteString("</svg>")
	return b.String()
}

// drawTree draws the call tree of a profile, the way to the culprits marked.
func drawTree(f *figure.Flame, name string) string {
	onPath := make([]bool, len(f.Nodes))
	for i := len(f.Nodes) - 1; i > 0; i-- {
		if n := f.Nodes[i]; n.Parent >= 0 && n.Parent < i && (n.Culprit || onPath[i]) {
			onPath[n.Parent] = true
		}
	}
	out := draw.Flame{Title: "Call tree of " + name, Desc: view.FlameWords(f)}
	for i, n := range f.Nodes {
		frame := draw.Frame{Parent: n.Parent, Name: view.ShortFunction(n.Function), Value: n.Value, Class: "other"}
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

func drawDistribution(d *figure.Distribution) string {
	h := draw.Histogram{Title: d.Title.String(), Desc: view.DistributionWords(d), Label: view.Nanoseconds, Noun: d.Noun.String()}
	for _, b := range d.Buckets {
		h.Bins = append(h.Bins, draw.Bin{From: float64(b.From), To: float64(b.To) + 1, Count: float64(b.Count)})
	}
	h.Marks = []draw.Mark{{At: float64(d.P50), Name: "median"}}
	if d.P99 > d.P50*2 {
		h.Marks = append(h.Marks, draw.Mark{At: float64(d.P99), Name: "p99"})
	}
	for _, l := range view.First(1, d.Limits) {
		h.Marks = append(h.Marks, draw.Mark{At: l.Number, Name: "limit", Limit: true})
	}
	return h.String()
}

func drawCurve(c *figure.Curve) string {
	out := draw.Curves{Title: claim.Capital(c.Title).String(), Desc: view.CurveWords(c), Y: view.InWords(c.Unit), X: clockAxis, Top: draw.NiceTop}
	if c.Unit == evidence.Bytes {
		out.Top = draw.NiceBytes
	}
	if c.Ordinal {
		out.X = func(v float64) string { return fmt.Sprintf("no. %d", int64(v)+1) }
	}
	for _, l := range view.First(draw.MaxCurves, c.Lines) {
		line := draw.Curve{Name: view.LineName(l), Values: l.Values}
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

// drawGraph draws who waits for whom.
func drawGraph(g *claim.WaitGraph) string {
	out := draw.Graph{Title: "Who waits for which lock, and who holds it", Desc: view.GraphWords(g), Closed: g.Circle && g.Count == len(g.Steps)}
	for i, s := range g.Steps {
		step := draw.Step{Who: view.GraphWho(s), Where: s.State.String() + " in " + view.ShortFunction(view.Place(s.Site)), Lock: s.Lock.String()}
		if s.Goroutine == 0 {
			step.Where = "in " + view.ShortFunction(view.Place(s.Site))
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

// drawLock draws who held a lock and who waited for it.
func drawLock(m *figure.LockMoment) string {
	from, to := view.LockWindow(m)
	out := draw.Spans{Title: "Who held the lock and who waited", Desc: view.LockWords(m), From: float64(from), To: float64(to), Label: clockAxis,
		Keys: []draw.Key{{Class: "held-a", Name: "held"}, {Class: "held-unknown", Name: "held at least since"}, {Class: "sync", Name: "waited, until it was given the lock"}, {Class: "worst", Name: "the longest wait"}}}
	held := draw.Row{Name: "holder", Strip: true}
	var rows []draw.Row
	for i, h := range m.Handed {
		class := [2]string{"held-a", "held-b"}[i%2]
		title := fmt.Sprintf("goroutine %d held it for %s, from %s on", h.Holder, view.Nanoseconds(float64(h.To)-float64(h.From)), view.Offset(h.From))
		if !h.Known {
			class = "held-unknown"
			title = fmt.Sprintf("goroutine %d held it for at least %s, until %s", h.Holder, view.Nanoseconds(float64(h.To)-float64(h.From)), view.Offset(h.To))
		}
		held.Spans = append(held.Spans, draw.Span{From: float64(h.From), To: float64(h.To), Class: class, Title: title})
		class = "sync"
		if h.To-h.Since == m.Longest {
			class = "worst"
		}
		rows = append(rows, draw.Row{Name: fmt.Sprintf("goroutine %d", h.Waiter), Spans: []draw.Span{{From: float64(h.Since), To: float64(h.To), Class: class,
			Title: fmt.Sprintf("goroutine %d waited %s, from %s to %s; goroutine %d let it go", h.Waiter, view.Nanoseconds(float64(h.To)-float64(h.Since)), view.Offset(h.Since), view.Offset(h.To), h.Holder)}}})
	}
	out.Rows = append([]draw.Row{held}, rows...)
	return out.String()
}
