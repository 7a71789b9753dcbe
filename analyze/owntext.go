package analyze

import "slices"

// OwnText returns the fixed sentences that reports are made of: they hold no name
// from any evidence.
func OwnText(detectors []*Detector) []string {
	var out []string
	for _, d := range detectors {
		out = append(out, d.Title, d.Sketch)
		out = append(out, d.Fix...)
	}
	for _, m := range mechanisms {
		out = append(out, m.why)
	}
	for _, r := range recording {
		out = append(out, r.how, r.cost, r.how+" ("+r.cost+")")
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return s == "" })
}
