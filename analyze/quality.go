package analyze

import (
	"fmt"

	"inquest/analyze/evidence"
)

// quality remarks on evidence that limits what can be said.
func quality(b *evidence.Bundle) []Remark {
	var out []Remark
	if ids := BuildIDs(b); len(ids) > 1 {
		out = append(out, Remark{Says: fmt.Sprintf(
			"the evidence comes from %d different builds (%s); each is judged alone and nothing is joined across them", len(ids), list(ids))})
	}
	for _, e := range b.Exhibits {
		switch {
		case e.Coverage == evidence.Partial:
			out = append(out, Remark{e.ID, e.Path + " was read in part only; what rests on it alone is at most of low confidence"})
		case e.Coverage == evidence.None:
			out = append(out, Remark{e.ID, e.Path + " could not be used"})
		}
		if p := e.Profile; p != nil && len(p.Samples) > 0 && p.Unsymbolised*2 > len(p.Samples) {
			out = append(out, Remark{e.ID, fmt.Sprintf("%s: %d of %d stacks have no function names; the binary was stripped or the profile never symbolised", e.Path, p.Unsymbolised, len(p.Samples))})
		}
	}
	return out
}
