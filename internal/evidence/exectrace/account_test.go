package exectrace

import (
	"testing"
	"time"
)

// balances checks that the parts of an account sum to their whole, and are plausible.
func balances(t testing.TB, tl *Timeline) {
	t.Helper()
	a := &tl.Account
	var sum time.Duration
	for _, p := range a.Processors.Parts {
		sum += p.Time
		if p.Time <= 0 {
			t.Errorf("processors: %+v", p)
		}
	}
	if sum != a.Processors.Whole {
		t.Errorf("processors: parts sum to %d, the whole is %d", sum, a.Processors.Whole)
	}
	for _, o := range a.Operations {
		sum = 0
		for _, p := range o.Parts {
			sum += p.Time
			if p.Time <= 0 || p.Wall < 0 || p.Wall > p.Time || p.Wall > tl.Duration {
				t.Errorf("%s: %+v", o.Group.Function, p)
			}
		}
		if sum != o.Active {
			t.Errorf("%s: parts sum to %d, active are %d", o.Group.Function, sum, o.Active)
		}
		for _, g := range o.Gains {
			if g.AtMost < 0 || g.AtMost > 1 || g.Elapsed < 0 || g.Elapsed > 1 {
				t.Errorf("%s: %+v", o.Group.Function, g)
			}
		}
	}
	for _, p := range a.Paths {
		at := p.From
		for _, s := range p.Steps {
			if s.From != at || s.To <= s.From {
				t.Errorf("%s %s: a step from %v to %v, after %v", p.Kind, p.Name, s.From, s.To, at)
			}
			at = s.To
		}
		if at != p.To || len(p.Steps) > MaxSteps {
			t.Errorf("%s %s: %d steps to %v, want to %v", p.Kind, p.Name, len(p.Steps), at, p.To)
		}
	}
}
