package draw

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestNiceAbove(t *testing.T) {
	for v, want := range map[float64]float64{
		0: 1, -3: 1, 1: 1, 1.01: 2, 2: 2, 4.2: 5, 5.1: 10, 99: 100, 1234: 2000, 0.003: 0.005, math.Inf(1): 1, math.NaN(): 1,
	} {
		if got := NiceAbove(v, 1, 2, 5); math.Abs(got-want) > 1e-12 {
			t.Errorf("NiceAbove(%v) = %v, want %v", v, got, want)
		}
	}
	for v, want := range map[float64]float64{1000: 1000, 33 << 20: 40 << 20, 1000 << 20: 1000 << 20, 1001 << 20: 1 << 30, 5 << 30: 5 << 30, 0: 1} {
		if got := NiceBytes(v); got != want {
			t.Errorf("NiceBytes(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestScaleStaysInside(t *testing.T) {
	s := Scale{From: 10, To: 20, High: 100}
	for v, want := range map[float64]float64{0: 10, 50: 15, 100: 20, -1: 10, 1e300: 20, math.Inf(1): 20, math.NaN(): 10} {
		if got := s.At(v); got != want {
			t.Errorf("At(%v) = %v, want %v", v, got, want)
		}
	}
	if got := (Scale{From: 10, To: 20}).At(5); got != 10 {
		t.Errorf("an empty scale gives %v, want its start", got)
	}
	log := Scale{From: 0, To: 30, Low: 1, High: 1000, Log: true}
	for v, want := range map[float64]float64{1: 0, 10: 10, 1000: 30, 0: 0, -5: 0, 1e9: 30} {
		if got := log.At(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("on a logarithmic scale At(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	d := &drawing{t: &Timeline{Step: 10, Duration: 25}, x: Scale{To: 100, High: 25}}
	y := Scale{From: 10, High: 10}
	for _, c := range []struct {
		name      string
		low, high []float64
		want      string
	}{
		{"nothing", nil, nil, ""},
		{"one level", nil, []float64{4, 4, 4}, "M0 6H100V10H0z"},
		{"a step up, the last one short", nil, []float64{4, 8, 8}, "M0 6H40V2H100V10H0z"},
		{"on top of another", []float64{1, 2, 2}, []float64{4, 8, 8}, "M0 6H40V2H100V8H40V9H0z"},
	} {
		if got := d.steps(c.low, c.high, y); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDecades(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{1, 1000, "[1 10 100 1000]"},
		{150, 1.2e3, "[200 500 1000]"},
		{1, 1e12, "[1 100 10000 1e+06 1e+08 1e+10 1e+12]"},
	} {
		if got := fmt.Sprint(decades(c.low, c.high)); got != c.want {
			t.Errorf("from %v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

// TestFlame proves that callees lie under their callers and never leave them.
func TestFlame(t *testing.T) {
	f := Flame{Title: "t", Frames: []Frame{
		{Parent: -1, Name: "all", Full: "all", Value: 100},
		{Parent: 0, Name: "a", Full: "a", Value: 60},
		{Parent: 1, Name: "b", Full: "b", Value: 60},
		{Parent: 0, Name: "c", Full: "c", Value: 30},
		{Parent: 0, Name: "too much", Full: "too much", Value: 30}, // more than its caller has
		{Parent: 7, Name: "orphan", Full: "orphan", Value: 1},
		{Parent: 3, Name: "a very long name indeed, longer than its frame", Full: "long", Value: 5},
	}}
	got := f.String()
	for _, want := range []string{
		`<title>a</title><rect x="0" y="18" width="576" height="18"/>`, `<title>b</title><rect x="0" y="36" width="576" height="18"/>`,
		`<title>c</title><rect x="576" y="18" width="288" height="18"/>`, `data-name="a very long name indeed, longer than its frame"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "orphan") || strings.Contains(got, "too much") {
		t.Error("a call without a place was drawn")
	}
	if (Flame{Frames: f.Frames[:1]}).String() != "" {
		t.Error("a tree of one call was drawn")
	}
}

func words(v float64) string { return fmt.Sprint(v) }

// drawn is every kind of picture, made of a source of numbers and one of strings.
func drawn(n func() float64, s func() string) []string {
	series := func(k int) []float64 {
		out := make([]float64, k)
		for i := range out {
			out[i] = n()
		}
		return out
	}
	tl := Timeline{Title: s(), Desc: s(), Step: n(), Duration: n(), Time: words, Bytes: words, Count: words,
		Running: series(20), Runnable: series(20), Waiting: series(20), Syscall: series(20), SyncWait: series(20), Procs: [][]float64{series(20), series(20)}}
	h := Histogram{Title: s(), Desc: s(), Label: words, Noun: s()}
	c := Curves{Title: s(), Desc: s(), X: words, Y: words, Top: NiceTop}
	g := Graph{Title: s(), Desc: s(), Closed: n() > 0}
	sp := Spans{Title: s(), Desc: s(), From: n(), To: n(), Label: words, Keys: []Key{{"sync", s()}}}
	f := Flame{Title: s(), Desc: s(), Frames: []Frame{{Name: s(), Full: s(), Value: n()}}}
	for i := range 8 {
		tl.Cycles = append(tl.Cycles, Stretch{n(), n()})
		tl.Pauses = append(tl.Pauses, Pause{n(), n(), s()})
		tl.Heap = append(tl.Heap, HeapPoint{n(), n(), n()})
		tl.Waits = append(tl.Waits, Row{Name: s(), Spans: []Span{{n(), n(), "sync", s()}}})
		tl.Moments = append(tl.Moments, Highlight{n(), n(), s(), s(), s(), s()})
		h.Bins = append(h.Bins, Bin{n(), n(), n()})
		h.Marks = append(h.Marks, Mark{n(), s(), n() > 0})
		c.Lines = append(c.Lines, Curve{s(), series(5), series(5)})
		g.Steps = append(g.Steps, Step{s(), s(), s(), s()})
		sp.Rows = append(sp.Rows, Row{s(), n() > 0, []Span{{n(), n(), "sync", s()}}})
		f.Frames = append(f.Frames, Frame{int(n()) % 10, s(), s(), n(), "other"})
		_ = i
	}
	return []string{tl.String(), h.String(), c.String(), g.String(), sp.String(), f.String()}
}

// sane fails on a picture that is not well-formed, leaves its frame, has no words, or holds what a page must not.
func sane(t *testing.T, text string) {
	t.Helper()
	if text == "" {
		return
	}
	var width, height float64
	seen := map[string]bool{}
	dec := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %.300s", err, text)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		seen[start.Name.Local] = true
		if !strings.Contains(" svg g a title desc rect path text ", " "+start.Name.Local+" ") {
			t.Fatalf("element %s", start.Name.Local)
		}
		at := map[string]float64{}
		for _, a := range start.Attr {
			switch name := a.Name.Local; name {
			case "viewBox":
				fields := strings.Fields(a.Value)
				width, _ = strconv.ParseFloat(fields[2], 64)
				height, _ = strconv.ParseFloat(fields[3], 64)
			case "x", "y", "width", "height":
				v, err := strconv.ParseFloat(a.Value, 64)
				if err != nil || v < 0 && name != "x" && name != "y" {
					t.Fatalf("%s=%q", name, a.Value)
				}
				at[name] = v
			case "href":
				if !strings.HasPrefix(a.Value, "#") {
					t.Fatalf("a link to %q", a.Value)
				}
			case "class", "role", "aria-label", "d", "id", "data-name", "xmlns":
			default:
				t.Fatalf("attribute %s", name)
			}
		}
		if start.Name.Local == "rect" && (at["x"] < 0 || at["x"]+at["width"] > width+1 || at["y"] < 0 || at["y"]+at["height"] > height+1) {
			t.Fatalf("a rectangle at %v leaves the picture of %v x %v", at, width, height)
		}
	}
	if !seen["title"] || !seen["desc"] {
		t.Error("no text alternative")
	}
}

// TestPicturesOfAnything draws random and extreme numbers with hostile words.
func TestPicturesOfAnything(t *testing.T) {
	hostile := []string{"", "<script>alert(1)</script>", `" onload="x`, "</svg></title>", "&lt;&#34;", "]]>", strings.Repeat("long", 2500), "'", "a\tb", "\U0001F600"}
	extremes := []float64{0, -1, 1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 1e-300, math.MaxInt64, 0.5, 3, 1e6, 1e9}
	for seed := range uint64(160) {
		rng := rand.New(rand.NewPCG(seed, 7))
		n := func() float64 {
			if seed%4 == 0 {
				return extremes[rng.IntN(len(extremes))]
			}
			return math.Pow(10, 9*rng.Float64()) - 5
		}
		s := func() string { return hostile[rng.IntN(len(hostile))] }
		if seed%2 == 0 { // what is drawn must be drawn whatever its order
			last := 0.0
			plain := n
			n = func() float64 {
				if last = max(last, plain()); seed%4 != 0 {
					last += 1e3
				}
				return last
			}
		}
		for _, text := range drawn(n, s) {
			sane(t, text)
		}
	}
}

// TestTimelinesBeside draws two timelines to the same scales: what is largest in either labels both.
func TestTimelinesBeside(t *testing.T) {
	words := func(v float64) string { return fmt.Sprintf("%g!", v) }
	small := Timeline{Step: 10, Duration: 20, Running: []float64{1, 1}, Runnable: []float64{0, 0}, Syscall: []float64{0, 0}, Waiting: []float64{2, 3}, SyncWait: []float64{0, 0},
		Heap: []HeapPoint{{At: 5, Live: 1 << 20}}, Time: words, Bytes: words, Count: words}
	large := small
	large.Duration, large.Waiting, large.Running, large.Heap = 80, []float64{400, 400}, []float64{40, 40}, []HeapPoint{{At: 5, Live: 64 << 20}}
	labels := func(tl Timeline) string {
		return strings.Join(regexp.MustCompile(`>[\d.e+]+!<`).FindAllString(tl.String(), -1), " ")
	}
	alone := labels(small)
	small.Beside, large.Beside = &large, &small
	if labels(small) != labels(large) || labels(small) == alone {
		t.Errorf("labels %s and %s, alone %s", labels(small), labels(large), alone)
	}
}
