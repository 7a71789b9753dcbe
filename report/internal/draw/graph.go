package draw

import (
	"fmt"
	"math"
)

// Graph is who waits for which lock and who holds it: goroutines above, locks below.
type Graph struct {
	Title, Desc string
	Steps       []Step
	Closed      bool // the last lock is held by the first goroutine
}

// Step is a goroutine that waits for a lock. The lock is held by the goroutine of the next step.
type Step struct {
	Who, Where string // the goroutine; empty for a lock that nobody of the graph waits for
	Lock, More string // the lock; empty for a goroutine that waits for none. More: who else waits for it
}

// Geometry of a graph.
const (
	boxWidth  = 288.0
	boxHeight = 44.0
	boxGap    = 80.0
	rowGap    = 74.0
	// MaxSteps is how many goroutines of a graph are drawn.
	MaxSteps = 5
)

// String draws it.
func (g Graph) String() string {
	steps := g.Steps
	if len(steps) == 0 {
		return ""
	}
	closed := g.Closed && len(steps) <= MaxSteps
	steps = steps[:min(len(steps), MaxSteps)]
	width := float64(len(steps))*(boxWidth+boxGap) - boxGap + 20
	upper, lower := 34.0, 34+boxHeight+rowGap
	if !closed {
		upper, lower = 8, 8+boxHeight+rowGap
	}
	var c Canvas
	x := func(i int) float64 { return 10 + float64(i)*(boxWidth+boxGap) }
	link := "arrow"
	if closed {
		link = "arrow cycle"
	}
	for i, s := range steps {
		left, mid := x(i), x(i)+boxWidth/2
		if s.Who != "" {
			c.box("who", left, upper, s.Who, s.Where)
		}
		if s.Lock == "" {
			continue
		}
		c.box("lock", left, lower, s.Lock, s.More)
		if s.Who != "" {
			c.arrow(link, mid, upper+boxHeight, mid, lower)
			c.Text("key start", mid+8, (upper+boxHeight+lower)/2+4, "waits for")
		}
		last := i+1 == len(steps)
		switch {
		case !last && steps[i+1].Who == "":
		case !last:
			c.arrow(link, left+boxWidth, lower+boxHeight/2, x(i+1)+20, upper+boxHeight)
			c.Text("key start", left+boxWidth+8, lower+boxHeight/2+16, "held by")
		case closed && i == 0: // it waits for itself
			c.arrow(link, left+30, lower, left+30, upper+boxHeight)
			c.Text("key end", left+24, (upper+boxHeight+lower)/2+4, "held by")
		case closed:
			right := left + boxWidth
			c.Path(link, fmt.Sprintf("M%s %sh10V14H%sV%s", Num(right-4), Num(lower+boxHeight/2), Num(x(0)+40), Num(upper-7)))
			c.head(link, x(0)+40, upper, 0, 1)
			c.Text("key end", right-8, 27, "held by")
		}
	}
	return frame(fmt.Sprintf("graph n%d", len(steps)), "img", g.Title, g.Desc, width+10, lower+boxHeight+8, c.String())
}

// box draws a box with two lines of text.
func (c *Canvas) box(class string, x, y float64, name, below string) {
	c.Rect("box "+class, x, y, boxWidth, boxHeight, name+": "+below)
	const chars = 43
	c.Text("boxname", x+8, y+18, Fit(name, chars))
	c.Text("key", x+8, y+35, Fit(below, chars))
}

// arrow draws a straight arrow.
func (c *Canvas) arrow(class string, x1, y1, x2, y2 float64) {
	dx, dy := x2-x1, y2-y1
	length := max(math.Hypot(dx, dy), 1)
	ux, uy := dx/length, dy/length
	c.Line(class, x1, y1, x2-7*ux, y2-7*uy)
	c.head(class, x2, y2, ux, uy)
}

// head draws the head of an arrow that comes to a point from a direction.
func (c *Canvas) head(class string, x, y, ux, uy float64) {
	bx, by := x-9*ux, y-9*uy
	c.Path(class+" head", fmt.Sprintf("M%s %sL%s %sL%s %sz", Num(x), Num(y), Num(bx-4.5*uy), Num(by+4.5*ux), Num(bx+4.5*uy), Num(by-4.5*ux)))
}
