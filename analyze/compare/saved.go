package compare

import "inquest/analyze/evidence"

// Saved is the sums by site of one exhibit of a saved report.
type Saved struct {
	Exhibit string
	Kind    evidence.Kind
}

func compareSaved(k *Kind, kind evidence.Kind, a, b []*evidence.Exhibit, sa, sb []Saved, before, after *Side, opt Options) {
}
