package claim

import (
	"testing"
	"time"

	"inquest/analyze/evidence"
)

func withLimits(settings map[string]evidence.Quantity) *Input {
	return (&Detector{}).NewInput(nil, Process{}, settings)
}

// TestSeverity holds severity to its limits, just below and at each.
func TestSeverity(t *testing.T) {
	in := withLimits(nil)
	busy, idle := Excuse{true, "busy"}, Excuse{false, "idle"}
	for _, c := range []struct {
		name    string
		impact  Impact
		excuses []Excuse
		want    Severity
	}{
		{"next to nobody stands", Impact{Of: Operations, Standing: 0.09}, nil, NoSeverity},
		{"somebody now and then", Impact{Of: Operations, Standing: 0.1}, nil, Info},
		{"nearly always somebody", Impact{Of: Operations, Standing: 0.99, Share: 1}, nil, Info},
		{"always somebody", Impact{Of: Operations, Standing: 1}, nil, Warning},
		{"nine at a moment", Impact{Of: Operations, Standing: 9, Moment: true, Share: 1}, nil, Info},
		{"ten at a moment", Impact{Of: Operations, Standing: 10, Moment: true}, nil, Warning},
		{"not quite most of them", Impact{Of: Operations, Standing: 10, Moment: true, Share: 0.79}, nil, Warning},
		{"most of them", Impact{Of: Operations, Standing: 10, Moment: true, Share: 0.8}, nil, Critical},
		{"not quite a second each", Impact{Of: Operations, Standing: 1, Mean: 999 * time.Millisecond}, nil, Warning},
		{"a second each", Impact{Of: Operations, Standing: 1, Mean: time.Second}, nil, Critical},
		{"a second, once in a while", Impact{Of: Operations, Standing: 0.5, Mean: time.Second}, nil, Info},
		{"4 % of the heap", Impact{Of: Memory, Share: 0.049}, nil, NoSeverity},
		{"5 % of the heap", Impact{Of: Memory, Share: 0.05}, nil, Info},
		{"24 % of the processors", Impact{Of: Processors, Share: 0.249}, nil, Info},
		{"a quarter of the processors", Impact{Of: Processors, Share: 0.25}, nil, Warning},
		{"79 % of the goroutines", Impact{Of: Goroutines, Share: 0.79}, nil, Warning},
		{"80 % of the goroutines", Impact{Of: Goroutines, Share: 0.8}, nil, Critical},
		{"an excuse that holds", Impact{Of: Operations, Standing: 10, Share: 1}, []Excuse{idle, busy}, Info},
		{"an excuse that does not", Impact{Of: Operations, Standing: 10, Share: 1}, []Excuse{idle}, Critical},
		{"an excuse makes nothing worse", Impact{Of: Memory}, []Excuse{busy}, NoSeverity},
	} {
		if got := in.Severity(c.impact, c.excuses...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestWeigh says what an excuse was, and keeps the larger share.
func TestWeigh(t *testing.T) {
	c := Candidate{Share: 0.2}
	withLimits(nil).Weigh(&c, Impact{Of: Processors, Share: 0.3}, Excuse{true, "a batch"}, Excuse{false, "not that"})
	if c.Severity != Info || c.Share != 0.3 || len(c.Excuses) != 1 || c.Excuses[0] != "a batch" {
		t.Errorf("%+v", c)
	}
}
