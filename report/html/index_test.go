package html

import (
	"html"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"inquest/report/internal/reporttest"
	"inquest/templates"
)

// TestIndexPage holds the page of an index to what its policy allows.
func TestIndexPage(t *testing.T) {
	var page strings.Builder
	if err := WriteIndex(&page, reporttest.Index(t)); err != nil {
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
