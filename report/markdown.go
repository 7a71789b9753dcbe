package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/templates"
)

var markdownTemplate = template.Must(template.New("report.md").Funcs(template.FuncMap{
	"text":     func(v any) string { return markdownText(words(v)) },
	"para":     func(v any) string { return markdownBlock(words(v)) },
	"code":     markdownCode,
	"fence":    func(lines []string) string { return markdownFence("sh", lines) },
	"code_go":  func(lines []string) string { return markdownFence("go", lines) },
	"summary":  func(v any) string { return markdownSummary(words(v)) },
	"kind":     evidence.Kind.Name,
	"short":    shortFile,
	"holds":    holds,
	"covers":   covers,
	"behind":   behind,
	"limit":    func(l claim.LimitUse) string { return l.Name + "=" + l.Quantity.String() },
	"accepted": (*chainView).Accepted,
	"disputed": (*chainView).disputed,
	"pastable": pastable,
	"first":    first[factView],
	"head":     first[string],
	"brief":    func(t claim.Text) string { return brief(t.String()) },
	"number":   func(i int) int { return i + 1 },
	"graph":    graphWords,
	"later":    func(c *chainView) []string { return append(slices.Clip(rest(3, c.Next())), c.Besides()...) },
}).Parse(templates.Markdown))

// WriteMarkdown writes r as one page of GitHub Flavored Markdown, the outcome first.
func WriteMarkdown(w io.Writer, r *Report) error {
	var buf bytes.Buffer
	if err := markdownTemplate.Execute(&buf, newView(r)); err != nil {
		return err
	}
	_, err := w.Write(blankLines.ReplaceAll(buf.Bytes(), []byte("\n\n")))
	return err
}

var blankLines = regexp.MustCompile(`\n{3,}`)

// markdownText sets a sentence inside a line or a table cell.
func markdownText(s string) string {
	var b strings.Builder
	for _, p := range pieces(s) {
		if p.Code {
			b.WriteString(markdownCode(p.Text))
		} else {
			b.WriteString(strings.ReplaceAll(p.Text, "->", "-&gt;"))
		}
	}
	return b.String()
}

// listMark is what would turn the start of a line into something else than a paragraph.
var listMark = regexp.MustCompile(`^(\d+[.)]|[-+=/])( |$)|^( {4,})`)

// markdownBlock sets a sentence at the start of a paragraph, heading or list item.
func markdownBlock(s string) string {
	s = markdownText(strings.TrimSpace(s))
	if m := listMark.FindString(s); m != "" {
		mark := strings.TrimSpace(m)
		last := mark[len(mark)-1:]
		return mark[:len(mark)-1] + "\\" + last + s[len(mark):]
	}
	return s
}

// markdownCode sets code. A code span cannot hold every character in every
// place (a table cell splits at | even there), so awkward code is written as
// HTML in which each punctuation mark is a character reference: those cannot
// form markup in any dialect.
func markdownCode(s string) string {
	if s == "" {
		return ""
	}
	if !strings.ContainsAny(s, "`|\\") && strings.TrimSpace(s) == s {
		return "`" + s + "`"
	}
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range s {
		if r < 0x80 && !wordRune(r) {
			fmt.Fprintf(&b, "&#%d;", r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteString("</code>")
	return b.String()
}

// markdownSummary sets a sentence inside <summary>, where a line is HTML and not Markdown. Names are
// code there too: GitHub makes mentions, references and links of what it meets in words.
func markdownSummary(s string) string {
	var b strings.Builder
	for _, p := range pieces(s) {
		text := html.EscapeString(p.Text)
		if p.Code {
			text = "<code>" + text + "</code>"
		}
		b.WriteString(text)
	}
	return b.String()
}

// markdownFence sets lines of a language as a block.
func markdownFence(language string, lines []string) string {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	return fence + language + "\n" + strings.Join(lines, "\n") + "\n" + fence
}

// maxTotals is how many totals of an exhibit a table shows.
const maxTotals = 4

// holds is the first totals of an exhibit that are not zero.
func holds(e Exhibit) string {
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

// behind says that an exhibit was found by a link; "" of others.
func behind(e Exhibit) string {
	if !e.Followed {
		return ""
	}
	return "behind a symbolic link that leaves the folder"
}

// covers says when an exhibit was taken and how much of it was read.
func covers(e Exhibit) string {
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
