package markdown

import (
	"bytes"
	"io"
	"path"
	"strings"
	"sync"
	texttemplate "text/template"

	"inquest/report"
	"inquest/report/internal/view"
	"inquest/templates"
)

var indexMarkdown = sync.OnceValue(func() *texttemplate.Template {
	return texttemplate.Must(texttemplate.New("index.md").Funcs(texttemplate.FuncMap{
		"text": markdownText,
		"para": markdownBlock,
		"code": markdownCode,
		"link": func(c view.Entry) string {
			name := c.Link()
			if name == "" || strings.ContainsAny(c.Case, "[]()`<>\\|*_!&") {
				return view.Join(" ", markdownCode(c.Case), markdownCode(name))
			}
			return "[" + c.Case + "](" + path.Clean(name) + ")"
		},
		"file": view.ShortFile,
		"head": func(all []view.Entry) []view.Entry { return view.First(view.MaxShown, all) },
		"tail": func(all []view.Entry) []view.Entry { return view.Rest(view.MaxShown, all) },
	}).Parse(templates.IndexMarkdown))
})

// WriteIndex writes x as a page of GitHub Flavored Markdown.
func WriteIndex(w io.Writer, x *report.Index) error {
	var buf bytes.Buffer
	if err := indexMarkdown().Execute(&buf, view.NewIndex(x)); err != nil {
		return err
	}
	_, err := w.Write(blankLines.ReplaceAll(buf.Bytes(), []byte("\n\n")))
	return err
}
