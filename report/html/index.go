package html

import (
	"bytes"
	"html/template"
	"io"
	"sync"

	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/view"
	"inquest/templates"
)

var indexHTML = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("index.html").Funcs(template.FuncMap{
		"prose": func(s string) []safe.Piece { return safe.Prose(view.KeepUnits(s)) },
		"level": level,
		"file":  view.ShortFile,
		"href":  func(name string) string { return "./" + name },
		"head":  func(all []view.Entry) []view.Entry { return view.First(view.MaxShown, all) },
		"tail":  func(all []view.Entry) []view.Entry { return view.Rest(view.MaxShown, all) },
	}).Parse(templates.IndexHTML))
})

// WriteIndex writes x as one self-contained page under the same policy as a
// report's, without any script.
func WriteIndex(w io.Writer, x *report.Index) error {
	css := templates.CSS + templates.IndexCSS
	var buf bytes.Buffer
	err := indexHTML().Execute(&buf, struct {
		*view.Index
		Style     template.CSS
		StyleHash string
	}{view.NewIndex(x), template.CSS(css), digest(css)})
	if err != nil {
		return err
	}
	_, err = w.Write(buf.Bytes())
	return err
}
