package markdown

import (
	"strings"
	"testing"

	"inquest/report/internal/reporttest"
)

func TestMarkdownEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"main.f":    "`main.f`",
		"a|b":       "<code>a&#124;b</code>",
		"a`b":       "<code>a&#96;b</code>",
		`a\`:        "<code>a&#92;</code>",
		"<script>":  "`<script>`",
		"":          "",
		" leading":  "<code>&#32;leading</code>",
		"größe.f()": "`größe.f()`",
	} {
		if got := markdownCode(in); got != want {
			t.Errorf("code %q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"1. x":       `1\. x`,
		"- x":        `\- x`,
		"+ x":        `\+ x`,
		"    x":      "x",
		"# x":        "`#` x",
		"> x":        "`>` x",
		"a -> b":     "a -&gt; b",
		"2 of 3 (x)": "2 of 3 (x)",
	} {
		if got := markdownBlock(in); got != want {
			t.Errorf("paragraph %q: %s, want %s", in, got, want)
		}
	}
	if got := markdownFence("sh", []string{"a ``` b", "c ```` d"}); got != "`````sh\na ``` b\nc ```` d\n`````" {
		t.Errorf("fence: %s", got)
	}
}

// TestMarkdownSummary holds names in <summary> to code: GitHub notifies people and makes links of what it meets in words.
func TestMarkdownSummary(t *testing.T) {
	for name, want := range map[string]string{
		"main.@octocat.f":        "<code>main.@octocat.f</code>",
		"main.#123":              "<code>main.#123</code>",
		"http://example.com/<b>": "<code>http://example.com/&lt;b&gt;</code>",
		"@octocat":               "<code>@octocat</code>",
		"work":                   "work",
	} {
		if got := markdownSummary("It waits in " + name + ", always"); got != "It waits in "+want+", always" {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}

// TestMarkdownBlocks holds what follows HTML to a line of its own: up to the next blank line everything is HTML.
func TestMarkdownBlocks(t *testing.T) {
	for _, name := range reporttest.Cases {
		before := ""
		for line := range strings.Lines(reporttest.Written(t, Write, reporttest.Load(t, name))) {
			if strings.HasPrefix(before, "</details>") && strings.TrimSpace(line) != "" && line[0] != '<' {
				t.Errorf("%s: %q stands in the HTML of %q", name, line, before)
			}
			before = line
		}
	}
}
