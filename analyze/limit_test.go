package analyze

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// TestImpactLimits can be set like those of a detector.
func TestImpactLimits(t *testing.T) {
	name, q, err := ParseLimit(nil, "impact.min-share-warning=10%")
	if err != nil || name != "impact.min-share-warning" || q.Number != 0.1 {
		t.Fatal(name, q, err)
	}
	if _, _, err := ParseLimit(nil, "impact.min-shares=10%"); err == nil {
		t.Error("a name that does not exist")
	}
	in := (&claim.Detector{}).NewInput(nil, claim.Process{}, map[string]evidence.Quantity{name: q})
	if got := in.Severity(claim.Impact{Of: claim.Memory, Share: 0.1}); got != claim.Warning {
		t.Errorf("the limit in force is not the one that was set: %s", got)
	}
}
