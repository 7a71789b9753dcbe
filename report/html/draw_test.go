package html

import (
	"encoding/xml"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"inquest/internal/figure"
	"inquest/report/internal/reporttest"
)

// TestTimelinePictures draws odd timelines; every picture must be well-formed, have
// its text alternative, stay inside its frame and stay small.
func TestTimelinePictures(t *testing.T) {
	series := func(n int, v float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = v * float64(i%7)
		}
		return out
	}
	wide := figure.Timeline{Step: 1e8, Duration: 30e9, GC: series(300, .1)}
	for _, s := range []*[]float64{&wide.Running, &wide.Runnable, &wide.Waiting, &wide.Syscall, &wide.SyncWait} {
		*s = series(300, 1e4)
	}
	for p := range 128 {
		wide.Procs = append(wide.Procs, series(300, float64(p%3)/7))
	}
	wild := wide
	wild.Running, wild.Waiting = series(300, -1e300), series(300, 1e308)
	wild.Pauses = []figure.Pause{{From: -5, To: math.MaxInt64, Effective: math.MinInt64, Reason: "</svg><script>&"}, {Effective: math.MaxInt64}}
	wild.Marks = []figure.Span{{From: math.MinInt64, To: math.MaxInt64}, {From: 9, To: 3}}
	wild.Heap = []figure.HeapPoint{{At: math.MaxInt64, Live: math.MaxUint64, Goal: 1}, {At: -1}}
	incident := reporttest.Load(t, "incident").Timelines[0]
	for name, tl := range map[string]*figure.Timeline{"empty": {}, "incident": &incident, "128 processors": &wide, "wild": &wild} {
		text := drawTimeline(tl, "<b>&name", nil)
		if len(text) > 250<<10 {
			t.Errorf("%s: %d bytes", name, len(text))
		}
		var height float64
		words := map[string]bool{}
		dec := xml.NewDecoder(strings.NewReader(text))
		for {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			words[start.Name.Local] = true
			at := map[string]float64{}
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "viewBox":
					height, _ = strconv.ParseFloat(strings.Fields(a.Value)[3], 64)
				case "x", "y", "width", "height":
					v, err := strconv.ParseFloat(a.Value, 64)
					if err != nil {
						t.Fatalf("%s: %s=%q", name, a.Name.Local, a.Value)
					}
					at[a.Name.Local] = v
				case "style":
					t.Errorf("%s: a style attribute, which the page's policy forbids", name)
				}
			}
			if at["x"] < 0 || at["x"]+at["width"] > 960 || at["y"] < 0 || at["y"]+at["height"] > height {
				t.Errorf("%s: %s at %v leaves the picture of height %v", name, start.Name.Local, at, height)
			}
		}
		if !words["title"] || !words["desc"] || !strings.Contains(text, `role="img"`) {
			t.Errorf("%s: no text alternative", name)
		}
	}
}

func TestDrawBar(t *testing.T) {
	for share, want := range map[float64]string{0: `width="0"`, .5: `width="50"`, 7: `width="100"`, -1: `width="0"`, 1e-9: `width="0.4"`, math.NaN(): `width="0"`} {
		if got := drawBar("fill", share); !strings.Contains(got, `class="fill" `+want) {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}
