package draw

import (
	"fmt"
	"html"
)

// Flame is a call tree: callers on top, as wide as what was spent below them.
type Flame struct {
	Title, Desc string
	Frames      []Frame // the first is the whole; parents come before their children
}

// Frame is a call of a Flame.
type Frame struct {
	Parent int     // index; of the first without meaning
	Name   string  // written as far as it fits
	Full   string  // shown when it is pointed at, with the value
	Value  float64 // with callees
	Class  string  // colour
}

// Geometry of a flame graph, in the units of its viewBox.
const (
	flameWidth = 960.0
	flameRow   = 18.0
	flameChar  = 6.4
	flameDepth = 80
	thinnest   = 0.4 // of a frame
)

// String draws it. Each frame is a group and the text that follows it, with its
// place in the whole, so that a script can zoom without knowing anything else.
func (f Flame) String() string {
	if len(f.Frames) < 2 || !(f.Frames[0].Value > 0) {
		return ""
	}
	n := len(f.Frames)
	x, used, depth, drawn := make([]float64, n), make([]float64, n), make([]int, n), make([]bool, n)
	whole := f.Frames[0].Value
	deepest := 0
	var c Canvas
	for i, frame := range f.Frames {
		width := flameWidth * min(max(finite(frame.Value)/whole, 0), 1)
		if i > 0 {
			p := frame.Parent
			if p < 0 || p >= i || !drawn[p] {
				continue
			}
			x[i] = x[p] + used[p]
			used[p] += width
			depth[i] = depth[p] + 1
		}
		if depth[i] >= flameDepth || width < thinnest || x[i]+width > flameWidth+0.5 {
			continue
		}
		drawn[i] = true
		deepest = max(deepest, depth[i])
		y := float64(depth[i]) * flameRow
		short := Fit(frame.Name, int((width-6)/flameChar))
		fmt.Fprintf(&c, `<g class="%s"`, frame.Class)
		if short != frame.Name { // for when there is more room
			fmt.Fprintf(&c, ` data-name="%s"`, html.EscapeString(frame.Name))
		}
		fmt.Fprintf(&c, `><title>%s</title><rect x="%s" y="%s" width="%s" height="%s"/>`,
			html.EscapeString(frame.Full), coordinate(x[i]), Num(y), coordinate(min(width, flameWidth-x[i])), Num(flameRow))
		// Beside the group: what is cut to fit is no name for what can be pressed.
		fmt.Fprintf(&c, `</g><text x="%s" y="%s">%s</text>`, coordinate(x[i]+3), Num(y+13), html.EscapeString(short))
	}
	return frame("flame", "img", f.Title, f.Desc, flameWidth, float64(deepest+1)*flameRow, c.String())
}

// coordinate is Num with two decimals: a zoomed frame shows what a tenth would round away.
func coordinate(x float64) string {
	s := fmt.Sprintf("%.2f", x)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}
