package draw

import (
	"fmt"
	"math"
	"slices"
)

// Histogram is how often what took how long, on a logarithmic axis.
type Histogram struct {
	Title, Desc string
	Bins        []Bin // lowest first
	Marks       []Mark
	Label       func(float64) string // a duration in words
	Noun        string               // what is counted, such as "waits"
}

// Bin is one step of a Histogram.
type Bin struct{ From, To, Count float64 }

// Mark is a value that stands out on an axis.
type Mark struct {
	At    float64
	Name  string
	Limit bool // a limit in force, else a figure of the data
}

// Geometry of small pictures, which stand two in a row.
const (
	smallWidth  = 480.0
	smallHeight = 214.0
	smallLeft   = 52.0
	smallRight  = 468.0
	smallTop    = 44.0
	smallBottom = 176.0
)

// String draws it; nothing where nothing was counted.
func (h Histogram) String() string {
	low, high, most := h.extent()
	if most == 0 {
		return ""
	}
	x := Scale{From: smallLeft, To: smallRight, Low: low, High: high, Log: true}
	top := NiceTop(most)
	y := Scale{From: smallBottom, To: smallTop, Low: 0, High: top}
	var c Canvas
	for _, at := range decades(low, high) {
		c.Line("grid", x.At(at), smallTop, x.At(at), smallBottom)
		c.Text(anchored(x.At(at)), x.At(at), smallBottom+16, h.Label(at))
	}
	c.Text("tick end", smallLeft-8, smallTop+4, short(top))
	c.Text("tick end", smallLeft-8, smallBottom, "0")
	c.Line("grid", smallLeft, smallTop, smallRight, smallTop)
	c.Line("frame", smallLeft, smallBottom, smallRight, smallBottom)
	for _, b := range h.Bins {
		if !b.drawn() {
			continue
		}
		from, to := x.At(max(b.From, 1)), x.At(b.To)
		height := max(smallBottom-y.At(b.Count), 1.5)
		c.Rect("bin", from, smallBottom-height, max(to-from-0.6, 0.6), height,
			fmt.Sprintf("%s to %s: %s %s", h.Label(b.From), h.Label(b.To), short(b.Count), h.Noun))
	}
	h.marks(&c, x)
	return frame("small", "img", h.Title, h.Desc, smallWidth, smallHeight, c.String())
}

// extent is the least and the largest value that the axis shows, and the largest count.
func (h Histogram) extent() (low, high, most float64) {
	for _, b := range h.Bins {
		if !b.drawn() {
			continue
		}
		if most == 0 {
			low = max(b.From, 1)
		}
		low, high, most = min(low, max(b.From, 1)), max(high, b.To), max(most, b.Count)
	}
	if most == 0 {
		return 0, 0, 0
	}
	for _, m := range h.Marks {
		if m.Limit && m.At >= 1 && m.At < 1e300 { // the limit is seen even where nothing comes near it
			low, high = min(low, m.At/1.5), max(high, m.At*1.5)
		}
	}
	return max(low, 1), high, most
}

// drawn reports whether a bin can be shown.
func (b Bin) drawn() bool { return b.Count > 0 && b.To > b.From && b.From >= 0 && b.To <= 1e300 }

// marks draws what stands out, labels in as many lines as it takes.
func (h Histogram) marks(c *Canvas, x Scale) {
	var rows [3][]Stretch // what of each line of labels is taken
	for _, m := range h.Marks {
		if !(m.At > 0) || m.At > x.High*1.0001 || m.At < x.Low {
			continue
		}
		at := x.At(m.At)
		class := "figure-mark"
		if m.Limit {
			class = "limit-mark"
		}
		label := m.Name + " " + h.Label(m.At)
		from, to := at, at+toward(at, label)*(charWidth*float64(len([]rune(label)))+8)
		from, to = min(from, to), max(from, to)
		for r := range rows {
			if slices.ContainsFunc(rows[r], func(o Stretch) bool { return from < o.To && o.From < to }) {
				continue
			}
			rows[r] = append(rows[r], Stretch{from, to})
			y := 11 + 14*float64(r)
			c.Line(class, at, y-8, at, smallBottom)
			c.Text("key "+side(at, label), at+4*toward(at, label), y, label)
			break
		}
	}
	c.Text("key end", smallRight, smallBottom+32, h.Noun+" by how long they took, logarithmic axis")
}

// decades are the powers of ten between two values, at most seven of them; of fewer than two also halves.
func decades(low, high float64) []float64 {
	var out []float64
	first, last := int(math.Ceil(math.Log10(low)-1e-9)), int(math.Floor(math.Log10(high)+1e-9))
	step := max(1, (last-first+6)/7)
	for e := first; e <= last; e += step {
		out = append(out, math.Pow(10, float64(e)))
	}
	if len(out) < 2 {
		out = nil
		for e := first - 1; e <= last; e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, float64(e)); v >= low && v <= high {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// anchored is the class of a label below an axis, kept inside the picture at its ends.
func anchored(x float64) string {
	switch {
	case x > smallRight-20:
		return "tick end"
	case x < smallLeft+8:
		return "tick"
	}
	return "tick mid"
}

// side is the class that lets a label grow to where there is room.
func side(x float64, label string) string {
	if toward(x, label) < 0 {
		return "end"
	}
	return "start"
}

func toward(x float64, label string) float64 {
	if x+charWidth*float64(len([]rune(label))) > smallRight {
		return -1
	}
	return 1
}

// short writes a count in few characters.
func short(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
