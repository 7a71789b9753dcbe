package analyze

import (
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

func TestCatalogueIsValid(t *testing.T) {
	if err := Validate(detect.All); err != nil {
		t.Error(err)
	}
}

// TestValidateKnowsEveryID holds each way in which detectors do not fit together to being an error that names it.
func TestValidateKnowsEveryID(t *testing.T) {
	leads := func(effect string) claim.Mechanism {
		return claim.Mechanism{Effect: effect, Why: "it is known to", Source: "a book"}
	}
	make := func(id string, explains ...claim.Mechanism) *claim.Detector {
		return &claim.Detector{ID: id, Title: "t", Doc: "d", Fix: []claim.Text{"Change it"}, Explains: explains,
			Measures: []claim.Measure{{Kind: evidence.CPU, Doc: "d", Run: func(*claim.Input) claim.Reading { return claim.Reading{} }}}}
	}
	broadcast, unless := leads("b"), leads("a")
	broadcast.When, unless.Unless = "broadcast", "broadcast"
	for _, tt := range []struct {
		name      string
		detectors []*claim.Detector
		want      string
	}{
		{"a cause", []*claim.Detector{make("a", leads("b")), make("b")}, ""},
		{"a misspelt effect", []*claim.Detector{make("a", leads("bb")), make("b")}, "no detector"},
		{"itself", []*claim.Detector{make("a", leads("a"))}, "itself"},
		{"twice", []*claim.Detector{make("a", leads("b"), leads("b")), make("b")}, "twice"},
		{"no source", []*claim.Detector{make("a", claim.Mechanism{Effect: "b", Why: "it is known to"}), make("b")}, "a source"},
		{"each other", []*claim.Detector{make("a", leads("b")), make("b", leads("a"))}, "explains it"},
		{"each other, in variants apart", []*claim.Detector{make("a", broadcast), make("b", unless)}, ""},
		{"one id", []*claim.Detector{make("a"), make("a")}, "taken"},
		{"the id of all", []*claim.Detector{make("impact")}, "taken"},
		{"incomplete", []*claim.Detector{{ID: "a"}}, "needs a title"},
	} {
		err := Validate(tt.detectors)
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
