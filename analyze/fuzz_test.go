package analyze

import (
	"math"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// FuzzParseLimit gives limits as a user might: what is read is a number that can be compared with.
func FuzzParseLimit(f *testing.F) {
	detectors := []*claim.Detector{{ID: "d", Limits: []claim.Limit{
		{Name: "min-time", Default: evidence.Quantity{Unit: evidence.Nanoseconds}},
		{Name: "min-share", Default: evidence.Quantity{Unit: evidence.Share}},
		{Name: "min-size", Default: evidence.Quantity{Unit: evidence.Bytes}},
		{Name: "min-count", Default: evidence.Quantity{Unit: evidence.Count}},
		{Name: "min-rate", Default: evidence.Quantity{Unit: evidence.PerSecond}},
	}}}
	for _, s := range []string{"d.min-time=5ms", "d.min-share=30%", "d.min-share=0.3", "d.min-size=64MB", "d.min-count=1e3", "d.min-rate=10", "d.min-time=-1", "d.min-share=NaN", "d.min-size=1e400", "=", "d.=", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, setting string) {
		name, q, err := ParseLimit(detectors, setting)
		if err != nil {
			return
		}
		if name == "" || q.Unit == "" || math.IsNaN(q.Number) || math.IsInf(q.Number, 0) || q.Number < 0 {
			t.Errorf("%q: %q is %v", setting, name, q)
		}
	})
}
