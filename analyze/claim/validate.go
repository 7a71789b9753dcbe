package claim

import (
	"fmt"
	"strings"

	"inquest/analyze/evidence"
)

// Validate reports what a detector lacks to be complete: a test holds every
// detector to it.
func (d *Detector) Validate() error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if d.ID == "" || strings.ToLower(d.ID) != d.ID || strings.ContainsAny(d.ID, " _.") {
		fault("id %q is not kebab-case", d.ID)
	}
	if d.Title == "" || d.Doc == "" || len(d.Fix) == 0 || len(d.Measures) == 0 {
		fault("needs a title, a doc, a fix and a measure")
	}
	if d.Durations != nil && (d.Durations.Title == "" || d.Durations.Noun == "" || d.Durations.Of == nil) {
		fault("durations need a title, a noun and what adds them up")
	}
	seen := map[string]bool{}
	for _, l := range d.Limits {
		if !strings.HasPrefix(l.Name, "min-") && !strings.HasPrefix(l.Name, "max-") {
			fault("limit %q does not begin with min- or max-", l.Name)
		}
		if l.Default.Unit == "" || l.Doc == "" || l.Source == "" {
			fault("limit %q needs a unit, a doc and a source", l.Name)
		}
		if seen[l.Name] {
			fault("limit %q is declared twice", l.Name)
		}
		if l.Mark && (d.Durations == nil || l.Default.Unit != evidence.Nanoseconds) {
			fault("limit %q is marked among durations that there are not", l.Name)
		}
		seen[l.Name] = true
	}
	for _, m := range d.Measures {
		if m.Doc == "" || m.Run == nil {
			fault("measure of %s needs a doc and a function", m.Kind)
		}
		if seen[string(m.Kind)] {
			fault("two measures of %s", m.Kind)
		}
		seen[string(m.Kind)] = true
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s: %s", d.ID, strings.Join(faults, "; "))
	}
	return nil
}
