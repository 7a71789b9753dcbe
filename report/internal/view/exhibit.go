package view

import (
	"fmt"
	"strings"

	"inquest/analyze/evidence"
	"inquest/report"
)

// maxTotals is how many totals of an exhibit a table shows.
const maxTotals = 4

// Holds is the first totals of an exhibit that are not zero.
func Holds(e report.Exhibit) string {
	var parts []string
	for _, t := range e.Totals {
		if t.Number != 0 && len(parts) < maxTotals {
			parts = append(parts, fmt.Sprintf("%s %s", t.Name, t.Quantity))
		}
	}
	if len(parts) == 0 && len(e.Totals) > 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// Behind says that an exhibit was found by a link; "" of others.
func Behind(e report.Exhibit) string {
	if !e.Followed {
		return ""
	}
	return "behind a symbolic link that leaves the folder"
}

// Covers says when an exhibit was taken and how much of it was read.
func Covers(e report.Exhibit) string {
	var parts []string
	if e.CapturedAt != nil {
		parts = append(parts, e.CapturedAt.UTC().Format("2006-01-02 15:04:05"))
	}
	if e.Duration > 0 {
		parts = append(parts, evidence.Of(e.Duration, evidence.Nanoseconds).String())
	}
	if e.Coverage != evidence.Whole && e.Kind != evidence.Provenance {
		parts = append(parts, "read: "+string(e.Coverage))
	}
	return strings.Join(parts, ", ")
}
