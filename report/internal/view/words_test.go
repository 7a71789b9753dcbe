package view

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/figure"
)

func TestFlameWords(t *testing.T) {
	f := figure.Flame{Total: evidence.Of(100, evidence.Nanoseconds), Nodes: []figure.FlameNode{
		{Parent: -1, Value: 100}, {Parent: 0, Function: "a.A", Value: 60, Culprit: true}, {Parent: 1, Function: "a.A.func1", Value: 50, Culprit: true},
		{Parent: 0, Function: "b.B", Value: 40}, {Parent: 3, Function: "a.A", Value: 10, Culprit: true},
	}, LeftOut: figure.LeftOut{Calls: 3, Largest: 0.4, Value: 0.9}}
	want := "70 % of 100 ns pass through a.A; 3 calls of at most 0.4 % each are not drawn, 0.9 % of the whole together."
	if got := FlameWords(&f); got != want { // a closure of the culprit below it is not counted twice
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestReason(t *testing.T) {
	check := func(kind evidence.Kind, result string) claim.Check {
		return claim.Check{Kind: kind, Result: result}
	}
	heap, cpu, race := check(evidence.Heap, claim.Agrees), check(evidence.CPU, claim.Agrees), check(evidence.Race, claim.Agrees)
	for _, c := range []struct {
		confidence claim.Confidence
		checks     []claim.Check
		want       string
	}{
		{claim.High, []claim.Check{heap, cpu, race}, "the heap profile, CPU profile and race report show it independently, and nothing contradicts it"},
		{claim.Medium, []claim.Check{heap, cpu, check(evidence.Trace, claim.Silent)}, "the heap profile and CPU profile show it, though no two of them independently and on good evidence"},
		{claim.Medium, []claim.Check{heap, check(evidence.CPU, claim.Absent)}, "the heap profile alone shows it"},
		{claim.Low, []claim.Check{heap}, "the heap profile alone shows it, and not on enough"},
		{claim.Low, []claim.Check{heap, check(evidence.CPU, claim.Disagrees)}, "the heap profile shows it, and the CPU profile should and does not"},
		{claim.Low, []claim.Check{heap, check(evidence.CPU, claim.Disagrees), check(evidence.Trace, claim.Disagrees)}, "the heap profile shows it, and the CPU profile and execution trace should and do not"},
		{claim.Low, nil, "no kind of evidence gives a value"},
	} {
		got := (&Chain{Root: &Finding{Finding: claim.Finding{Confidence: c.confidence, Checks: c.checks}}}).Reason()
		if got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}
