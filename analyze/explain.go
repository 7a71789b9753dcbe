package analyze

import (
	"fmt"
	"strings"
)

// Markdown returns everything there is to know about a detector without
// running it: its claim, its doc, the evidence it reads, its limits with their
// sources, and what to change when it holds.
func (d *Detector) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n%s\n", d.ID, strings.TrimSuffix(d.Title, "."), strings.TrimSpace(d.Doc))
	b.WriteString("\n## Evidence, strongest first\n\n")
	for _, m := range d.Measures {
		fmt.Fprintf(&b, "- **%s**: %s\n", KindName(m.Kind), m.Doc)
	}
	if len(d.Limits) > 0 {
		b.WriteString("\n## Limits\n\n")
	}
	for _, l := range d.Limits {
		fmt.Fprintf(&b, "- `%s.%s` = %s: %s. Source: %s\n", d.ID, l.Name, l.Default, strings.TrimSuffix(l.Doc, "."), l.Source)
	}
	b.WriteString("\n## What to change\n\n")
	for _, f := range d.Fix {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	if d.Sketch != "" {
		fmt.Fprintf(&b, "\n## The fix in code\n\n```go\n%s```\n", d.Sketch)
	}
	return b.String()
}
