package claim

import (
	"fmt"
	"strings"
)

// Markdown returns everything there is to know about a detector without
// running it: its claim, its doc, the evidence it reads, its limits with their
// sources, and what to change when it holds.
func (d *Detector) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n%s\n", d.ID, strings.TrimSuffix(d.Title.String(), "."), strings.TrimSpace(d.Doc))
	b.WriteString("\n## Evidence, strongest first\n\n")
	for _, m := range d.Measures {
		fmt.Fprintf(&b, "- **%s**: %s\n", m.Kind.Name(), m.Doc)
	}
	if len(d.Limits) > 0 {
		b.WriteString("\n## Limits\n\n")
	}
	writeLimits(&b, d.ID, d.Limits)
	b.WriteString("\n## What to change\n\n")
	for _, f := range d.Fix {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	if d.Sketch != "" {
		fmt.Fprintf(&b, "\n## The fix in code\n\n```go\n%s```\n", d.Sketch)
	}
	return b.String()
}

// ImpactMarkdown returns how severity follows from impact, with its limits and their sources.
func ImpactMarkdown() string {
	var b strings.Builder
	b.WriteString(`# Severity

How bad a finding is follows from how much it takes of what the program is for: of its operations (requests, and what else answers to the outside), its
processors, its memory, or its goroutines. Sums count, not single events: many short waits hold up as much as one long one. How much evidence there is decides the confidence and
never the severity. An excuse, such as processors that are busy with other work, counts only where the evidence shows it, and makes a finding an info.

`)
	writeLimits(&b, "impact", ImpactLimits)
	return b.String()
}

func writeLimits(b *strings.Builder, id string, limits []Limit) {
	for _, l := range limits {
		fmt.Fprintf(b, "- `%s.%s` = %s: %s. Source: %s\n", id, l.Name, l.Default, strings.TrimSuffix(l.Doc, "."), l.Source)
	}
}
