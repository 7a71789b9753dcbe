package analyze

import (
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// OwnText returns the fixed sentences that reports are made of: they hold no name
// from any evidence.
func OwnText(detectors []*claim.Detector) []string {
	var out []string
	for _, d := range detectors {
		out = append(out, d.Title.String(), d.Sketch)
		for _, f := range d.Fix {
			out = append(out, f.String())
		}
		for _, m := range d.Explains {
			out = append(out, m.Why.String())
		}
	}
	for _, k := range evidence.Kinds {
		how, cost := k.Recording()
		out = append(out, how.String(), cost.String(), k.HowToRecord().String())
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return s == "" })
}
