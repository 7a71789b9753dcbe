package ci

import (
	"fmt"
	"io"
	"strings"

	"inquest/report"
)

// maxAnnotations is how many annotations of a level GitHub shows for one step; the rest it drops.
const maxAnnotations = 10

// WriteGitHub writes r as workflow commands, which GitHub Actions shows as
// annotations: the worst ten.
func WriteGitHub(w io.Writer, r *report.Report) error { return caseNotices(r).github(w) }

// WriteDiffGitHub writes d as workflow commands.
func WriteDiffGitHub(w io.Writer, d *report.Diff) error { return diffNotices(d).github(w) }

func (n notices) github(w io.Writer) error {
	var b strings.Builder
	shown := 0
	total := 0
	for _, x := range n.List {
		if x.Accepted {
			continue
		}
		if total++; shown == maxAnnotations {
			continue
		}
		shown++
		level := x.Level
		if level == "note" {
			level = "notice"
		}
		var properties []string
		if x.File != "" {
			properties = append(properties, "file="+commandProperty(x.File))
			if x.Line > 0 {
				properties = append(properties, fmt.Sprintf("line=%d", x.Line))
			}
		}
		properties = append(properties, "title="+commandProperty(x.Title))
		fmt.Fprintf(&b, "::%s %s::%s\n", level, strings.Join(properties, ","), commandData(x.Message))
	}
	fmt.Fprintf(&b, "%s\n", plainLine(n.Title))
	if total > shown {
		fmt.Fprintf(&b, "%d of %d shown\n", shown, total)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plainLine keeps a line from being a command.
func plainLine(s string) string {
	s = strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
	if strings.HasPrefix(strings.TrimSpace(s), "::") || strings.HasPrefix(strings.TrimSpace(s), "##[") {
		return "inquest: " + s
	}
	return s
}

// Escapes of workflow commands (actions/toolkit, packages/core/src/command.ts).
var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func commandData(s string) string { return escapeData.Replace(s) }

func commandProperty(s string) string { return escapeProperty.Replace(s) }
