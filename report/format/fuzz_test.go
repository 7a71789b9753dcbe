package format

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"inquest/analyze/claim"
	"inquest/report"
	"inquest/report/internal/reporttest"
	"inquest/report/terminal"
	"inquest/templates"
)

// FuzzRead feeds anything to Read; what it accepts must survive every writer,
// and the views of the saved report must equal those of the read one.
func FuzzRead(f *testing.F) {
	for _, name := range reporttest.Cases {
		text, err := os.ReadFile(filepath.Join(reporttest.Root, "report", "testdata", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := report.Read(bytes.NewReader(text))
		if err != nil {
			if strings.ContainsFunc(err.Error(), claim.Hidden) {
				t.Errorf("error repeats what a terminal obeys: %q", err)
			}
			return
		}
		checkViews(t, r)
	})
}

// FuzzNames puts a name into every place of the incident where one of its
// function's names stands: sites, sentences, commands, paths of files.
func FuzzNames(f *testing.F) {
	incident := reporttest.Load(f, "incident")
	incident.Timelines, incident.Bars = nil, incident.Bars[:1] // hold no names, or no other kind of them, and take long to draw
	text := []byte(reporttest.Written(f, report.WriteJSON, incident))
	for _, name := range []string{
		"<script>alert(1)</script>", "](javascript:alert(1))", "a|b`c``d", "\x1b[31m\x1b]0;t\a", "\u202e\u2066\u200b\u2028",
		"</style></title></code></details>", "{{.}} ${x}", "1. x", "- x\n# y", "\xff\xfe", `\|\`, "* _a_ ~b~ ![i](u) <b>", "@all #1", "-", "`", "    code", "&lt;b&gt;",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 5000 {
			return
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Skip()
		}
		changed := text
		for _, old := range []string{"example.com/orders/ledger.(*Ledger).Post", "orders-lockheld", "trace.out", "goroutine profile", "Goroutines pile up at one place", "agrees"} {
			changed = bytes.ReplaceAll(changed, []byte(old), quoted[1:len(quoted)-1])
		}
		r, err := report.Read(bytes.NewReader(changed))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		checkViews(t, r)
	})
}

// checkViews holds the views of a report to what all of them promise, and returns them by format.
func checkViews(t *testing.T, r *report.Report) map[string]string {
	t.Helper()
	views := map[string]string{}
	for _, f := range All {
		views[f.Name] = reporttest.Written(t, f.Report, r)
	}
	again, err := report.Read(strings.NewReader(views["json"]))
	if err != nil {
		t.Fatalf("cannot read what was written: %v", err)
	}
	for _, f := range All {
		if views[f.Name] != reporttest.Written(t, f.Report, again) {
			t.Errorf("%s of the saved report differs from the direct one", f.Name)
		}
	}
	checkText(t, "json", views["json"])
	checkHTML(t, views["html"])
	checkMarkdown(t, views["markdown"])
	for _, opt := range []terminal.Options{{}, {Width: 40}, {Width: 120, Color: true}} {
		var b bytes.Buffer
		if err := terminal.Write(&b, r, opt); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if opt.Color {
			out = regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(out, "") // ours; one from the data would have been made visible
		}
		checkText(t, "terminal", out)
	}
	return views
}

// checkText fails on anything a terminal or an editor would act on.
func checkText(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: invalid UTF-8", what)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && claim.Hidden(r) }); i >= 0 {
		t.Errorf("%s: a character to be obeyed: %q", what, text[i:min(i+20, len(text))])
	}
}

// checkHTML parses a page and fails on any element, attribute or target that the template does not hold.
func checkHTML(t *testing.T, text string) {
	t.Helper()
	checkText(t, "html", text)
	if len(text) > 4<<20 {
		t.Errorf("html: %d bytes", len(text))
	}
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, e := range strings.Fields(`html head meta link title style body a header p span main section h1 h2 h3 ol ul li div code b table thead tbody tr th td
		details summary dl dt dd pre figure figcaption footer script svg g desc rect text path br`) {
		allowed[e] = true
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !allowed[n.Data] {
			t.Errorf("html: element %s", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcdoc":
				t.Errorf("html: attribute %s=%q", a.Key, a.Val)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#") && a.Val != "data:,":
				t.Errorf("html: target %q", a.Val)
			}
		}
		if n.Data == "script" && n.FirstChild.Data != templates.Script {
			t.Errorf("html: a script that is not ours: %q", n.FirstChild.Data)
		}
		if n.Data == "style" && n.FirstChild.Data != templates.CSS {
			t.Errorf("html: a style sheet that is not ours")
		}
	}
}

var (
	fence    = regexp.MustCompile("^(```+)(sh|go)?$")
	spans    = regexp.MustCompile("`[^`\n]+`")
	ourTags  = regexp.MustCompile(`</?(details|summary|b|code)>|<br>`)
	entities = regexp.MustCompile(`&(#\d+|gt|lt|amp);`)
)

// checkMarkdown takes out what is ours and literal; nothing that forms markup may remain.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	checkText(t, "markdown", text)
	columns := 0 // bars in a row of the table we are in
	open := ""   // the fence of the block we are in, which only one as long closes
	for l := range strings.SplitSeq(text, "\n") {
		switch m := fence.FindStringSubmatch(l); {
		case open != "":
			if m != nil && m[2] == "" && len(m[1]) >= len(open) {
				open = ""
			}
			continue
		case m != nil && m[2] != "":
			open = m[1]
			continue
		}
		bars := strings.Count(spans.ReplaceAllString(l, ""), "|")
		switch {
		case !strings.HasPrefix(l, "|"):
			columns = 0
		case columns == 0:
			columns = bars // the head of a table
		case bars != columns:
			t.Errorf("markdown: a row of %d bars in a table of %d: %s", bars, columns, l)
		}
		if strings.HasPrefix(l, "<details><summary>") {
			if strings.Count(l, "<") != strings.Count(ourTags.ReplaceAllString(l, ""), "<")+len(ourTags.FindAllString(l, -1)) || strings.ContainsAny(ourTags.ReplaceAllString(l, ""), "<>") {
				t.Errorf("markdown: %s", l)
			}
			continue
		}
		l = spans.ReplaceAllString(l, "")
		l = ourTags.ReplaceAllString(l, "")
		l = entities.ReplaceAllString(l, "")
		if i := strings.IndexAny(l, "<`[]~@$"); i >= 0 {
			t.Errorf("markdown: %q stands in %q", l[i], l)
		}
		if strings.Contains(l, "://") {
			t.Errorf("markdown: a link stands in %q", l)
		}
	}
}
