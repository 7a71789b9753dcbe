// Package markdown writes documents as GitHub Flavored Markdown, with no word that could be markup.
package markdown

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/view"
	"inquest/templates"
)

var markdownTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report.md").Funcs(template.FuncMap{
		"text":     func(v any) string { return markdownText(fmt.Sprint(v)) },
		"para":     func(v any) string { return markdownBlock(fmt.Sprint(v)) },
		"code":     markdownCode,
		"fence":    func(lines []string) string { return markdownFence("sh", lines) },
		"code_go":  func(lines []string) string { return markdownFence("go", lines) },
		"summary":  func(v any) string { return markdownSummary(fmt.Sprint(v)) },
		"kind":     evidence.Kind.Name,
		"short":    view.ShortFile,
		"holds":    view.Holds,
		"covers":   view.Covers,
		"behind":   view.Behind,
		"limit":    func(l claim.LimitUse) string { return l.Name + "=" + l.Quantity.String() },
		"accepted": (*view.Chain).Accepted,
		"disputed": (*view.Chain).Disputed,
		"pastable": view.Pastable,
		"first":    view.First[view.Fact],
		"head":     view.First[string],
		"brief":    view.Brief,
		"number":   func(i int) int { return i + 1 },
		"graph":    view.GraphWords,
		"later":    func(c *view.Chain) []string { return append(slices.Clip(view.Rest(3, c.Next())), c.Besides()...) },
	}).Parse(templates.Markdown))
})

// Write writes r as one page of GitHub Flavored Markdown, the outcome first.
func Write(w io.Writer, r *report.Report) error {
	var buf bytes.Buffer
	if err := markdownTemplate().Execute(&buf, view.New(r)); err != nil {
		return err
	}
	_, err := w.Write(blankLines.ReplaceAll(buf.Bytes(), []byte("\n\n")))
	return err
}

var blankLines = regexp.MustCompile(`\n{3,}`)

// markdownText sets a sentence inside a line or a table cell.
func markdownText(s string) string {
	var b strings.Builder
	for _, p := range safe.Prose(s) {
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
		if r < 0x80 && !safe.WordRune(r) {
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
	for _, p := range safe.Prose(s) {
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
