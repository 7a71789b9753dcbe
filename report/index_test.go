package report

import (
	"fmt"
	"html"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"inquest/analyze/claim"
	"inquest/templates"
)

func testIndex(t testing.TB) *Index {
	x := NewIndex(Tool{Name: "inquest", Version: "test"}, []string{"inquest", "analyze", "--each", "cases"})
	for i := range 7 {
		r := load(t, "incident")
		r.Case.Title = fmt.Sprintf("pod-%d", i)
		x.Add(r, []string{r.Case.Title + ".html", r.Case.Title + ".json"})
	}
	quiet := load(t, "quiet")
	x.Add(quiet, []string{"quiet.html"})
	hostile := load(t, "hostile")
	x.Add(hostile, []string{"hostile.html"})
	x.Fail("<b>cut</b>.out", "cut.out: not a \x1b[31mtrace")
	x.PassedOver = []string{"](javascript:x)"}
	return x
}

func TestIndexOrder(t *testing.T) {
	x := testIndex(t)
	low := x.Cases[0]
	low.Case, low.Confidence = "a-low", claim.Low
	x.Cases = append([]IndexCase{low}, x.Cases...)
	v := newIndexView(x)
	if v.Cases[0].Severity != claim.Critical || v.Cases[0].Case == "a-low" {
		t.Errorf("%s leads, of severity %s and confidence %s", v.Cases[0].Case, v.Cases[0].Severity, v.Cases[0].Confidence)
	}
	for i := 1; i < len(v.Cases); i++ {
		if a, b := v.Cases[i-1], v.Cases[i]; a.Result == CaseFound && b.Result == CaseFound && a.Severity < b.Severity {
			t.Errorf("%s (%s) stands before %s (%s)", a.Case, a.Severity, b.Case, b.Severity)
		}
	}
	largest := 0
	for _, g := range v.Groups {
		largest = max(largest, len(g.Cases))
	}
	if largest != 8 {
		t.Errorf("the largest group has %d cases, want the 8 with one fingerprint", largest)
	}
	if len(v.Failed) != 1 || len(v.Clear) != 1 {
		t.Errorf("%d failed and %d clear, want one each", len(v.Failed), len(v.Clear))
	}
}

// TestIndexViews holds every form to the same bytes each time and to safety: one
// case is made of attacks.
func TestIndexViews(t *testing.T) {
	for _, f := range indexFormats {
		var a, b strings.Builder
		x := testIndex(t)
		if err := f.write(&a, x); err != nil {
			t.Fatal(err)
		}
		if err := f.write(&b, x); err != nil {
			t.Fatal(err)
		}
		if a.String() != b.String() {
			t.Errorf("%s: two writes differ", f.name)
		}
		checkText(t, f.name, a.String())
		for i := range 7 {
			if !strings.Contains(a.String(), fmt.Sprintf("pod-%d", i)) {
				t.Errorf("%s: pod-%d is missing", f.name, i)
			}
		}
		if f.name == "markdown" {
			for l := range strings.Lines(a.String()) {
				if rest := ourTags.ReplaceAllString(entities.ReplaceAllString(spans.ReplaceAllString(l, ""), ""), ""); strings.Contains(rest, "<") || strings.Contains(rest, "javascript") {
					t.Errorf("markdown: %s", l)
				}
			}
		}
	}
	var page strings.Builder
	if err := WriteIndexHTML(&page, testIndex(t)); err != nil {
		t.Fatal(err)
	}
	root, err := nethtml.Parse(strings.NewReader(page.String()))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != nethtml.ElementNode {
			continue
		}
		if n.Data == "script" || n.Data == "b" && n.FirstChild != nil && strings.Contains(n.FirstChild.Data, "cut") {
			t.Errorf("element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" ||
				a.Key == "href" && !strings.HasPrefix(a.Val, "./") && !strings.HasPrefix(a.Val, "#") && a.Val != "data:," {
				t.Errorf("attribute %s=%q", a.Key, a.Val)
			}
		}
	}
	if !strings.Contains(html.UnescapeString(page.String()), "style-src '"+digest(templates.CSS+templates.IndexCSS)+"'") {
		t.Error("the policy does not allow the page's own style sheet")
	}
}
