package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"inquest/analyze/evidence"
	"inquest/report"
	"inquest/report/internal/view"
)

// WriteIndex writes x for reading in a terminal.
func WriteIndex(w io.Writer, x *report.Index, opt Options) error {
	t := newTerminal(opt)
	v := view.NewIndex(x)
	plain := lipgloss.Style{}
	t.line(0, t.strong, "inquest: "+v.Headline())
	for _, g := range v.Groups {
		t.gap()
		t.line(0, t.levels[g.Severity], strings.ToUpper(g.Severity.String())+"  "+g.Title+": "+g.Place())
		t.line(2, t.faint, view.Join(", ", view.ShortFile(g.Site), "confidence "+string(g.Confidence), evidence.Things(len(g.Cases), "case").String()))
		t.line(2, plain, g.Verdict+".")
		for i, c := range g.Cases {
			if i == maxListed {
				t.line(4, t.faint, fmt.Sprintf("and %d more", len(g.Cases)-i))
				break
			}
			t.hang(6, "- ", plain, view.Join("  ", c.Case, c.Extent(), c.Taken()))
			if a := c.Account(); a != "" {
				t.line(6, t.faint, a)
			}
		}
	}
	list := func(title string, cases []view.Entry, why bool) {
		var items []string
		for _, c := range cases {
			if why {
				items = append(items, c.Case+": "+c.Verdict)
			} else {
				items = append(items, view.Join(": ", c.Case, c.Account()))
			}
		}
		t.list(title, items)
	}
	list("Could not be analysed", v.Failed, true)
	list("Without a finding", v.Clear, false)
	t.list("Passed over, as nothing in them is evidence", v.PassedOver)
	_, err := io.WriteString(w, t.out.String())
	return err
}

// maxListed is how many cases of a group the terminal lists; the other views list all.
const maxListed = 12
