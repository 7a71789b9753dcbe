package draw

// Spans is who did what when, one row each, on a shared time axis.
type Spans struct {
	Title, Desc string
	From, To    float64
	Rows        []Row
	Label       func(float64) string // a moment in words
	Keys        []Key
}

// Row is one line of Spans.
type Row struct {
	Name  string
	Strip bool // all that is above it belongs together: a line is drawn below
	Spans []Span
}

// Span is a stretch of a row.
type Span struct {
	From, To float64
	Class    string
	Title    string
}

// Key is one entry of a legend.
type Key struct{ Class, Name string }

// Geometry of spans.
const (
	spansWidth = 960.0
	spansLeft  = 132.0
	spansRight = 946.0
	spansRow   = 15.0
)

// String draws it.
func (s Spans) String() string {
	s.From, s.To = finite(s.From), finite(s.To)
	if len(s.Rows) == 0 || !(s.To > s.From) {
		return ""
	}
	x := Scale{From: spansLeft, To: spansRight, Low: s.From, High: s.To}
	var c, under Canvas
	at := spansLeft
	for _, k := range s.Keys {
		c.Rect(k.Class, at, 4, 10, 10, "")
		c.Text("key", at+15, 13, k.Name)
		at += 30 + charWidth*float64(len([]rune(k.Name)))
	}
	y := 24.0
	top := y
	for _, r := range s.Rows {
		height := spansRow
		if r.Strip {
			height = 22
		}
		c.Text("tick end", spansLeft-8, y+height/2+4, Fit(r.Name, 18))
		for _, p := range r.Spans {
			from, to := x.At(p.From), x.At(p.To)
			c.Rect(p.Class, from, y+2, max(to-from, 0.8), height-4, p.Title)
		}
		y += height
		if r.Strip {
			under.Line("frame", spansLeft, y+2, spansRight, y+2)
			y += 6
		}
	}
	step := NiceAbove((s.To-s.From)/8, 1, 2, 5)
	first := step * float64(int64(s.From/step))
	for n, v := 0, first; v <= s.To && n < 20; n, v = n+1, v+step {
		if v < s.From {
			continue
		}
		under.Line("grid", x.At(v), top, x.At(v), y)
		class := "tick mid"
		if x.At(v) > spansRight-26 {
			class = "tick end"
		}
		c.Text(class, x.At(v), y+15, s.Label(v))
	}
	return frame("timeline spans", "img", s.Title, s.Desc, spansWidth, y+22, under.String()+c.String())
}
