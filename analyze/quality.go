package analyze

import (
	"fmt"
	"time"

	"inquest/analyze/evidence"
)

// quality remarks on evidence that limits what can be said.
func quality(b *evidence.Bundle) []Remark {
	var out []Remark
	if ids := BuildIDs(b); len(ids) > 1 {
		out = append(out, Remark{Says: fmt.Sprintf(
			"the evidence comes from %d different builds (%s); each is judged alone and nothing is joined across them", len(ids), list(ids))})
	}
	if first, last := captured(b); last.Sub(first) > apart {
		out = append(out, Remark{Says: fmt.Sprintf(
			"the evidence was taken over %s; kinds taken that far apart are joined by site, not by time", last.Sub(first).Round(time.Second))})
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

// apart is how far apart in time exhibits may be taken before the report
// remarks on it. A collection by hand over net/http/pprof takes a minute or two.
const apart = 10 * time.Minute

// captured returns the first and the last capture time of usable exhibits.
func captured(b *evidence.Bundle) (first, last time.Time) {
	for _, e := range b.Exhibits {
		if e.CapturedAt.IsZero() || e.Coverage == evidence.None {
			continue
		}
		if first.IsZero() || e.CapturedAt.Before(first) {
			first = e.CapturedAt
		}
		if e.CapturedAt.After(last) {
			last = e.CapturedAt
		}
	}
	return first, last
}
