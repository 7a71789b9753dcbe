// Package terminal writes documents for reading in a terminal, or as plain text.
package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"inquest/analyze/claim"
	"inquest/report"
	"inquest/report/internal/view"
)

// Options say what the terminal can do. The zero value is plain text of 80 columns.
type Options struct {
	Width int  // columns; 0 means 80, less than 20 is treated as 20
	Color bool // false also keeps to ASCII in everything but names from the evidence
}

// Write writes r for reading in a terminal, the outcome first.
func Write(w io.Writer, r *report.Report, opt Options) error {
	t := newTerminal(opt)
	v := view.New(r)
	t.head(v)
	t.accounts(v)
	for i, c := range v.Chains {
		t.chain(c, i == 0)
	}
	t.tail(v)
	_, err := io.WriteString(w, t.out.String())
	return err
}

// terminal is a page of text being written.
type terminal struct {
	out    strings.Builder
	width  int
	color  bool
	strong lipgloss.Style
	faint  lipgloss.Style
	levels map[claim.Severity]lipgloss.Style
}

func newTerminal(opt Options) *terminal {
	t := &terminal{width: opt.Width, color: opt.Color}
	if t.width == 0 {
		t.width = 80
	}
	t.width = max(t.width, 20)
	// The profile is set, never asked for: a report's bytes depend on its options alone.
	render := lipgloss.NewRenderer(io.Discard)
	render.SetHasDarkBackground(true)
	render.SetColorProfile(termenv.Ascii)
	if opt.Color {
		render.SetColorProfile(termenv.ANSI)
	}
	style := render.NewStyle
	t.strong, t.faint = style().Bold(true), style().Faint(true)
	t.levels = map[claim.Severity]lipgloss.Style{
		claim.Critical:   style().Bold(true).Foreground(lipgloss.Color("1")),
		claim.Warning:    style().Bold(true).Foreground(lipgloss.Color("3")),
		claim.Info:       style().Bold(true).Foreground(lipgloss.Color("4")),
		claim.NoSeverity: style().Bold(true),
	}
	return t
}

func (t *terminal) head(v *view.Report) {
	t.line(0, t.strong, "inquest: "+v.Case.Title)
	t.line(0, t.faint, strings.Join(v.About(), ", "))
	if only := v.Restriction(); only != "" {
		t.line(0, t.strong, only)
	}
	if len(v.Chains) == 0 || v.Calm() {
		t.gap()
		t.line(0, t.strong, v.Headline+".")
	}
}

// WriteAccounts writes the accounts of a report, part by part, and nothing else.
func WriteAccounts(w io.Writer, r *report.Report, opt Options) error {
	t := newTerminal(opt)
	v := view.New(r)
	for i, a := range append(v.MainAccounts(), v.OtherAccounts()...) {
		if i > 0 {
			t.gap()
		}
		t.line(0, t.strong, a.Summary.String()+".")
		t.line(2, t.faint, view.Join("; ", a.Total.String()+": "+a.What.String(), a.Exhibit+" "+a.Path))
		for _, r := range a.Rows {
			where := view.Join(" ", r.Site.Function, view.ShortFile(r.Site))
			t.hang(24, fmt.Sprintf("  %8s %10s  ", t.ascii(r.Of.String()), t.ascii(r.Amount.String())), lipgloss.Style{}, view.Join("; ", view.Join(": ", r.Says, where), strings.Join(r.Notes, "; ")))
		}
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

// accounts says where it all went, in at most a line per account; what is wider is wrapped.
func (t *terminal) accounts(v *view.Report) {
	lines := view.AccountLines(v.Report)
	if len(lines) == 0 {
		return
	}
	t.gap()
	for _, l := range lines {
		t.hang(2, "", lipgloss.Style{}, l+".")
	}
}

func (t *terminal) chain(c *view.Chain, full bool) {
	t.gap()
	t.line(0, t.levels[c.Severity], (claim.Legacy(strings.ToUpper(c.Severity.String())+"  ") + c.Title).String())
	note := "confidence " + string(c.Confidence) + ": " + c.Reason()
	if c.Accepted() {
		note += "; accepted in the baseline"
	}
	if !full {
		t.line(2, t.faint, note)
		t.brief(c)
		return
	}
	t.line(2, t.faint, note)
	t.gap()
	t.line(2, lipgloss.Style{}, c.Lead())
	t.gap()
	t.flow(c)
	t.numbered("What to do now", view.First(maxNext, c.Next()))
	t.more(len(view.Rest(maxNext, c.Next()))+len(c.Besides()), "suggestion", "suggestions")
	if story := c.Story(); len(story) > 0 {
		t.section("How it came about")
		for i, s := range story {
			if i > 0 {
				t.gap()
			}
			t.line(2, lipgloss.Style{}, s)
		}
	}
	var says []string
	for _, f := range c.Findings {
		if f.Agreement != "" {
			says = append(says, (f.Title + ": " + claim.Legacy(f.Agreement)).String())
		}
	}
	t.list("What each kind of evidence says", says)
	var graphs []string
	for _, f := range c.Findings {
		if f.Graph != nil {
			graphs = append(graphs, view.GraphWords(f.Graph))
		}
	}
	t.list("Who waits for which lock, and who holds it", graphs)
	t.section("The numbers")
	for _, f := range c.Findings {
		for _, fact := range view.First(maxFacts, f.Facts) {
			t.fact(fact)
		}
	}
	t.more(len(c.More(maxFacts)), "number", "numbers")
	var links []string
	for _, f := range c.Findings {
		for i, l := range f.Links {
			if i > 0 && f.Links[i-1].Finding == l.Finding {
				links[len(links)-1] += "; " + l.Relation + ": " + l.Why
				continue
			}
			links = append(links, (f.Title + ", with " + claim.Legacy(l.Finding) + ": " + claim.Legacy(l.Relation) + ": " + claim.Legacy(l.Why)).String())
		}
	}
	t.list("Why the findings belong together", links)
	t.list("Why it could be wrong", c.Caveats())
	if cmds := c.Commands(); len(cmds) > 0 {
		t.section("See the numbers again")
		for _, cmd := range cmds {
			t.command(cmd.Line)
			for _, note := range cmd.Notes {
				if cmd.Line != "" {
					note = "see: " + note
				}
				t.line(6, t.faint, note)
			}
		}
	}
	t.list("Kinds of evidence that could not say, or said otherwise", c.Disputed())
}

// How much of a chain the terminal shows; the other views show all of it.
const (
	maxFacts = 3 // per finding
	maxNext  = 3
)

// flow draws the chain from its cause down: role, claim and place of each finding,
// with its first number and the exhibits it stands on.
func (t *terminal) flow(c *view.Chain) {
	const column = 13
	indent := 2 + column
	if t.width < 60 {
		indent = 4
	}
	for i, layer := range append(slices.Clip(c.Layers), c.Beside) {
		for j, f := range layer {
			switch {
			case i == len(c.Layers):
			case i > 0 && j == 0:
				t.hang(indent, fmt.Sprintf("%*s", -indent, strings.Repeat(" ", min(indent/2, 5))+"v"), t.faint, view.Join(": ", c.From(i), c.Relations(i)))
			}
			if len(c.Findings) > 1 {
				role := f.Role
				if indent == 4 {
					t.line(2, t.faint, role)
					role = ""
				}
				t.styledHang(indent, fmt.Sprintf("%*s", -indent, "  "+role), t.levels[f.Severity], f.Title.String())
				t.line(indent, lipgloss.Style{}, strings.TrimSpace(f.Place()+"  "+view.ShortFile(f.Site)))
			} else {
				t.line(2, lipgloss.Style{}, strings.TrimSpace("at "+f.Place()+"  "+view.ShortFile(f.Site)))
				indent = 2
			}
			if len(f.Facts) > 0 {
				fact := f.Facts[0]
				t.line(indent, lipgloss.Style{}, (claim.Legacy(fact.Value.String()+" ") + fact.Says + " [" + claim.Legacy(strings.Join(f.Exhibits(), " ")) + "]").String())
			}
		}
	}
}

// numbered is list with numbers.
func (t *terminal) numbered(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.section(title)
	for i, s := range items {
		t.hang(5, fmt.Sprintf("%3d. ", i+1), lipgloss.Style{}, s)
	}
}

// more says how much was left out.
func (t *terminal) more(n int, one, many string) {
	switch {
	case n == 1:
		t.line(4, t.faint, "1 more "+one+" in the Markdown, HTML and JSON reports")
	case n > 1:
		t.line(4, t.faint, fmt.Sprintf("%d more %s in the Markdown, HTML and JSON reports", n, many))
	}
}

// brief writes a chain that is not the first: enough to know it, the rest is in the other views.
func (t *terminal) brief(c *view.Chain) {
	if len(c.Narrative) > 0 {
		t.line(2, lipgloss.Style{}, c.Narrative[0].String())
	}
	if c.Root.Agreement != "" {
		t.line(2, lipgloss.Style{}, c.Root.Agreement)
	}
	for _, f := range c.Findings[1:] {
		t.hang(5, "-> ", lipgloss.Style{}, strings.TrimSpace((f.Title + ": " + claim.Legacy(f.Place())).String()))
	}
	if next := c.Next(); len(next) > 0 {
		t.line(2, lipgloss.Style{}, "To change: "+next[0])
	}
}

func (t *terminal) tail(v *view.Report) {
	if missing := v.Missing(); len(missing) > 0 {
		t.section("What is missing, and how to record it")
		for _, m := range missing {
			t.hang(4, "- ", lipgloss.Style{}, (claim.Legacy(m.Kind.Name()+" ") + m.Would).String())
			t.line(4, t.faint, (m.How + " (" + m.Cost + ")").String())
		}
	}
	t.list("What was looked at, and what was left out", v.Narrowed())
	var remarks []string
	for _, q := range v.Quality {
		remarks = append(remarks, q.Says.String())
	}
	t.list("How good the evidence is", remarks)
	t.section("Every claim that was judged")
	t.line(2, lipgloss.Style{}, v.Tally())
	var undecided []string
	for _, d := range v.Verdicts {
		// Where something was found, why others are undecided is for the longer views.
		if d.Result == claim.Undecided && len(v.Chains) > 0 && !v.Calm() {
			undecided = append(undecided, d.Detector)
		} else if d.Result == claim.Undecided || d.Result == claim.Failed {
			t.hang(4, "- ", lipgloss.Style{}, fmt.Sprintf("%s %s: %s", d.Detector, d.Result, d.Why))
		}
	}
	if len(undecided) > 0 {
		t.line(2, lipgloss.Style{}, "undecided: "+strings.Join(undecided, ", "))
		t.line(2, t.faint, "why: in the Markdown, HTML and JSON reports")
	}
	t.section("Exhibits")
	for _, e := range v.Exhibits {
		name := e.Path
		if e.Part != "" {
			name += " (" + e.Part.String() + ")"
		}
		t.hang(6, fmt.Sprintf("%-4s", e.ID), lipgloss.Style{}, view.Join(", ", name+"  "+e.Kind.Name().String(), view.Covers(e), view.Behind(e), "sha256 "+e.SHA256))
		for _, p := range e.Problems {
			t.line(6, lipgloss.Style{}, ("problem: " + p).String())
		}
	}
	var how []string
	for _, m := range v.Made() {
		how = append(how, m.What+": "+m.How)
	}
	t.list("How this was made", how)
}

// fact writes the value first, where the eye looks for it, then what it is.
func (t *terminal) fact(f view.Fact) {
	const column = 12
	value := f.Value.String()
	text := f.Says
	if f.Of != "" {
		text += claim.Legacy("; " + f.Of)
	}
	if f.Held != "" {
		text += claim.Legacy("; limit " + f.Held)
	}
	text += claim.Legacy(" [" + f.Exhibit + "]")
	if t.width < 60 || ansi.StringWidth(value) > column-2 {
		t.line(2, t.strong, value)
		t.line(4, lipgloss.Style{}, text.String())
		return
	}
	lead := strings.Repeat(" ", column-2-ansi.StringWidth(t.ascii(value))) + t.strong.Render(t.ascii(value)) + "  "
	t.styledHang(2+column, lead, lipgloss.Style{}, text.String())
}

// command writes a command so that it can be copied: where it is wider than the
// page the terminal wraps it, not we.
func (t *terminal) command(line string) {
	if line != "" {
		t.out.WriteString("    " + line + "\n")
	}
}

func (t *terminal) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.section(title)
	for _, s := range items {
		t.hang(4, "- ", lipgloss.Style{}, s)
	}
}

func (t *terminal) section(title string) {
	t.gap()
	t.line(0, t.strong, title)
}

func (t *terminal) gap() { t.out.WriteByte('\n') }

// line writes text wrapped to the width, every line indented.
func (t *terminal) line(indent int, style lipgloss.Style, text string) {
	t.styledHang(indent, "", style, text)
}

// hang writes a lead and, beside it, text wrapped to the width.
func (t *terminal) hang(indent int, lead string, style lipgloss.Style, text string) {
	t.styledHang(indent, t.ascii(lead), style, text)
}

// styledHang is hang with a lead that may hold styling of ours.
func (t *terminal) styledHang(indent int, lead string, style lipgloss.Style, text string) {
	indent = min(indent, t.width/2)
	pad := strings.Repeat(" ", indent)
	first := strings.Repeat(" ", max(0, indent-ansi.StringWidth(lead))) + lead
	for i, l := range wrap(t.ascii(text), t.width-indent) {
		if i > 0 {
			first = pad
		}
		t.out.WriteString(strings.TrimRight(first+style.Render(l), " ") + "\n")
	}
}

// wrap breaks text at spaces, and a word wider than the page after its last
// slash or dot that fits, or anywhere.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.FieldsFunc(view.KeepUnits(text), func(r rune) bool { return r == ' ' }) {
		if line != "" && ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for ansi.StringWidth(word) > width {
			part := ansi.Truncate(word, width, "")
			if cut := strings.LastIndexAny(part, "/.") + 1; cut > len(part)/2 {
				part = part[:cut]
			}
			if part == "" {
				break
			}
			lines = append(lines, part)
			word = word[len(part):]
		}
		line = word
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "\u00a0", " ")
	}
	return lines
}

var plainText = strings.NewReplacer("µ", "u", "·", "-", "→", "->", "…", "...", "×", "x", "≥", ">=", "≤", "<=")

// ascii replaces the few characters of ours that plain text lacks.
func (t *terminal) ascii(s string) string {
	if t.color {
		return s
	}
	return plainText.Replace(s)
}
