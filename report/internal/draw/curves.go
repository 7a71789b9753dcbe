package draw

import (
	"fmt"
	"math"
	"strings"
)

// Curves is how numbers changed from one moment to the next.
type Curves struct {
	Title, Desc string
	Lines       []Curve
	X, Y        func(float64) string // a moment and a value in words
	Top         func(float64) float64
	Moments     []float64 // of the axis, where they are more telling than round ones; else nil
}

// Curve is one line of Curves.
type Curve struct {
	Name   string
	At     []float64 // rising
	Values []float64
}

// MaxCurves is how many lines have colours of their own.
const MaxCurves = 6

// String draws it; nothing where no line has two points.
func (v Curves) String() string {
	low, high, most := math.Inf(1), math.Inf(-1), 0.0
	drawn := 0
	for _, l := range v.Lines {
		if len(l.At) < 2 || len(l.At) != len(l.Values) {
			continue
		}
		drawn++
		for i, at := range l.At {
			low, high, most = min(low, finite(at)), max(high, finite(at)), max(most, finite(l.Values[i]))
		}
	}
	if drawn == 0 || !(high > low) {
		return ""
	}
	top := v.Top(most)
	x := Scale{From: smallLeft + 14, To: smallRight - 4, Low: low, High: high}
	y := Scale{From: smallBottom, To: smallTop - 20, Low: 0, High: top}
	var c Canvas
	c.Text("tick end", smallLeft+6, y.At(top)+4, v.Y(top))
	c.Text("tick end", smallLeft+6, smallBottom, "0")
	c.Line("grid", x.From, y.At(top), x.To, y.At(top))
	c.Line("grid", x.From, y.At(top/2), x.To, y.At(top/2))
	c.Line("frame", x.From, smallBottom, x.To, smallBottom)
	moments := v.Moments
	if moments == nil || len(moments) > 6 {
		moments = nil
		step := NiceAbove((high-low)/5, 1, 2, 5)
		for at := math.Ceil(low/step) * step; at <= high*1.0001 && len(moments) < 10; at += step {
			moments = append(moments, at)
		}
	}
	for _, at := range moments {
		class := "tick mid"
		if x.At(at) > smallRight-30 {
			class = "tick end"
		}
		c.Line("grid", x.At(at), y.To, x.At(at), smallBottom)
		c.Text(class, x.At(at), smallBottom+16, v.X(at))
	}
	n := 0
	for _, l := range v.Lines {
		if len(l.At) < 2 || len(l.At) != len(l.Values) || n == MaxCurves {
			continue
		}
		n++
		var path strings.Builder
		pen := 'M'
		for i := range l.At {
			fmt.Fprintf(&path, "%c%s %s", pen, Num(x.At(l.At[i])), Num(y.At(l.Values[i])))
			pen = 'L'
		}
		c.Path(fmt.Sprintf("curve c%d", n), path.String())
		if len(l.At) <= 12 {
			for i := range l.At {
				c.Rect(fmt.Sprintf("dot c%d", n), x.At(l.At[i])-3, y.At(l.Values[i])-3, 6, 6, fmt.Sprintf("%s: %s at %s", l.Name, v.Y(l.Values[i]), v.X(l.At[i])))
			}
		}
	}
	return frame("small", "img", v.Title, v.Desc, smallWidth, smallHeight, c.String())
}
