package analyze

import (
	"slices"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
)

// TestNarrative holds a chain to telling, in this order: what happened and where that
// stands, what shows it, what speaks against it, what came of it, what would settle it, what to change.
func TestNarrative(t *testing.T) {
	cause := detector("long-critical-section", shows(evidence.Trace, claim.Critical, "main.hold"), silent(evidence.CPU), shows(evidence.Dump, claim.Warning))
	effect := detector("mutex-hotspot", shows(evidence.Mutex, claim.Warning, "main.hold"))
	effect.Fix = []claim.Text{"Mend the other"}
	b := bundle(evidence.Trace, evidence.Mutex, evidence.CPU)
	b.Exhibits[0].Content = &exectrace.Timeline{Wakes: []exectrace.Wake{{
		From: stack.Site{Function: "main.hold"}, To: stack.Site{Function: "main.hold"}, Count: 12,
	}}}
	res := mustRun(t, b, Options{}, cause, effect)
	if len(res.Chains) != 1 || len(res.Chains[0].Narrative) != 4 {
		t.Fatalf("want one chain in four paragraphs: %v", res.Chains)
	}
	said := res.Chains[0].Narrative
	for i, want := range [][]string{
		{"main.hold is at fault (e1)."},
		{"Only the execution trace shows 7 (how much, e1); confidence is medium.", "No evidence here contradicts it; the CPU profile cannot say."},
		{"While the holder is busy inside the lock, everyone else queues for it: main.hold is at fault (e2).", "This is seen, not only inferred: the trace e1 shows main.hold waking goroutines that waited in main.hold 12 times."},
		{"What would settle it is a goroutine dump.", "To change first: mend it."},
	} {
		if strings.Join(want, " ") != said[i].String() {
			t.Errorf("paragraph %d:\n got %s\nwant %s", i+1, said[i], strings.Join(want, " "))
		}
	}

	b.Exhibits = append(b.Exhibits, bundle(evidence.Dump).Exhibits...)
	res = mustRun(t, b, Options{}, cause, effect)
	if i := slices.IndexFunc(res.Chains[0].Narrative, func(p claim.Text) bool {
		return strings.Contains(p.String(), "Against long-critical-section speaks the goroutine dump")
	}); i != 1 {
		t.Errorf("what contradicts the root does not stand beside what shows it: %q", res.Chains[0].Narrative)
	}

	b = bundle(evidence.Trace, evidence.Mutex)
	res = mustRun(t, b, Options{}, cause, effect)
	if all := claim.Join(res.Chains[0].Narrative, "\n").String(); !strings.Contains(all, "is inferred: no wake-up in a trace shows it") {
		t.Errorf("a step that nobody saw is told as if somebody had:\n%s", all)
	}
}

// TestSketchGoesWithItsFix proves that a sketch of the detector's own fix is not shown beside another.
func TestSketchGoesWithItsFix(t *testing.T) {
	for own, want := range map[bool]string{true: "func f() {}\n", false: ""} {
		d := detector("d", claim.Measure{Kind: evidence.Mutex, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Warning, "main.f")
			if !own {
				c.Fix = []claim.Text{"Do something else"}
			}
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}})
		d.Sketch = "func f() {}\n"
		if got := mustRun(t, bundle(evidence.Mutex), Options{}, d).Findings[0].Sketch; got != want {
			t.Errorf("own fix %v: sketch %q", own, got)
		}
	}
}
