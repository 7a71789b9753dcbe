// Package draw draws pictures as SVG from plain numbers and words: without
// scripts or style attributes, with every string escaped, with a title and a
// description for who cannot see it. It knows neither reports nor units; who
// calls it says how a number reads. Colours are classes of a style sheet.
package draw

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Canvas collects the elements of a picture.
type Canvas struct{ strings.Builder }

// Num writes a coordinate with at most one decimal.
func Num(x float64) string {
	if math.IsNaN(x) || math.Abs(x) > 1e6 {
		return "0"
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// Rect draws a rectangle; a title is shown when it is pointed at.
func (c *Canvas) Rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, Num(x), Num(y), Num(w), Num(h))
	if title == "" {
		c.WriteString("/>")
		return
	}
	fmt.Fprintf(c, "><title>%s</title></rect>", html.EscapeString(title))
}

// Text writes a line of text that begins, ends or is centred at x, as the class says.
func (c *Canvas) Text(class string, x, y float64, text string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s">%s</text>`, class, Num(x), Num(y), html.EscapeString(text))
}

// Line draws a straight line.
func (c *Canvas) Line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<path class="%s" d="M%s %sL%s %s"/>`, class, Num(x1), Num(y1), Num(x2), Num(y2))
}

// Path draws a path; an empty one is left out.
func (c *Canvas) Path(class, d string) {
	if d != "" {
		fmt.Fprintf(c, `<path class="%s" d="%s"/>`, class, d)
	}
}

// frame puts a picture's head around its elements. A picture that holds links
// is a group: what stands in an image cannot be reached.
func frame(class, role, title, desc string, width, height float64, body string) string {
	return fmt.Sprintf(`<svg class="pic %s" role="%s" aria-label="%s" viewBox="0 0 %s %s" xmlns="http://www.w3.org/2000/svg"><title>%s</title><desc>%s</desc>%s</svg>`,
		class, role, html.EscapeString(title), Num(width), Num(height), html.EscapeString(title), html.EscapeString(desc), body)
}

// Scale maps values to coordinates and never leaves the stretch it maps to.
type Scale struct {
	From, To  float64 // coordinates
	Low, High float64 // values
	Log       bool    // values are mapped by their logarithms
}

// At returns the coordinate of a value.
func (s Scale) At(v float64) float64 {
	low, high := s.Low, s.High
	if s.Log {
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	if !(high > low) || math.IsNaN(v) {
		return s.From
	}
	return s.From + min(max((v-low)/(high-low), 0), 1)*(s.To-s.From)
}

// NiceAbove returns the lowest of some multiples of a power of ten that is not below v.
func NiceAbove(v float64, multiples ...float64) float64 {
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

// NiceTop is NiceAbove for the top of an axis, where closeness matters more than round steps.
func NiceTop(v float64) float64 { return NiceAbove(v, 1, 1.5, 2, 3, 4, 5, 6, 8) }

// NiceBytes is NiceTop in the binary steps in which memory is read.
func NiceBytes(v float64) float64 {
	unit := 1.0
	for v/unit >= 1024 && unit < 1<<60 {
		unit *= 1024
	}
	return min(NiceTop(v/unit), 1024) * unit
}

// Fit cuts a name to a number of characters, or to nothing.
func Fit(name string, chars int) string {
	runes := []rune(strings.TrimSpace(name))
	switch {
	case len(runes) <= chars:
		return string(runes)
	case chars < 4:
		return ""
	}
	return string(runes[:chars-2]) + ".."
}

// finite makes a value fit for arithmetic.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.Abs(v) > 1e300 {
		return 0
	}
	return v
}

// widths of a character of labels, in units of the pictures.
const charWidth = 6.6
