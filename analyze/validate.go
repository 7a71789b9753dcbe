package analyze

import (
	"errors"
	"fmt"

	"inquest/analyze/claim"
)

// Validate reports what detectors lack to work together: each is complete, their ids differ, and each mechanism
// leads to one of them, has a reason and a source, and is not led back by another.
func Validate(detectors []*claim.Detector) error {
	var faults []error
	known := map[string]*claim.Detector{"impact": nil} // the prefix of the limits that all share
	for _, d := range detectors {
		faults = append(faults, d.Validate())
		if _, twice := known[d.ID]; twice {
			faults = append(faults, fmt.Errorf("%s: the id is taken", d.ID))
		}
		known[d.ID] = d
	}
	for _, d := range detectors {
		seen := map[string]bool{}
		for _, m := range d.Explains {
			fault := func(format string, args ...any) {
				faults = append(faults, fmt.Errorf("%s: explains %q, "+format, append([]any{d.ID, m.Effect}, args...)...))
			}
			effect := known[m.Effect]
			switch {
			case effect == nil:
				fault("which is no detector")
				continue
			case effect == d:
				fault("which is itself")
			case seen[m.Effect]:
				fault("twice")
			case m.Why == "" || m.Source == "":
				fault("without a reason and a source")
			}
			seen[m.Effect] = true
			for _, back := range effect.Explains {
				if back.Effect == d.ID && !(m.When != "" && m.When == back.Unless) && !(back.When != "" && back.When == m.Unless) {
					fault("which explains it")
				}
			}
		}
	}
	return errors.Join(faults...)
}
