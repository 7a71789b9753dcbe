package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"main.(*Store).Update": "main.(*Store).Update",
		"größe.Maß µs 世界":      "größe.Maß µs 世界",
		"a\nb\tc":              `a\nb\tc`,
		"\x1b[31m\x07\x7f":     `\x1b[31m\x07\x7f`,
		"\u009b31m\u0085":      `\u009b31m\u0085`,
		"\u202eevil\u2066":     `\u202eevil\u2066`,
		"\u200b\ufeff\u2028":   `\u200b\ufeff\u2028`,
		"\U000e0041":           `\U000e0041`,
		"\xff\xfe":             `\xff\xfe`,
		"\uFFFD":               "\uFFFD",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(strings.Repeat("a", 1e6)); len(got) > maxText+100 || !strings.Contains(got, "998000 more characters") {
		t.Errorf("a long name becomes %d bytes: %.60s", len(got), got)
	}
}

func TestProse(t *testing.T) {
	for in, want := range map[string][]piece{
		"one lock took 0.90 s, 95 % of all": {{"one lock took 0.90 s, 95 % of all", false}},
		"main.(*Store).Update takes it.":    {{"main.(*Store).Update", true}, {" takes it.", false}},
		"see (net/http.(*conn).serve), then": {
			{"see (", false}, {"net/http.(*conn).serve", true}, {"), then", false}},
		"read/write, a->b -> c":     {{"read/write, ", false}, {"a->b", true}, {" -> c", false}},
		"<b> at 14:02:30 & on":      {{"<b>", true}, {" at 14:02:30 ", false}, {"&", true}, {" on", false}},
		"say `x` and ](y)":          {{"say ", false}, {"`x`", true}, {" and ", false}, {"](y)", true}},
		"the callers' \"hot\" path": {{"the callers' \"hot\" path", false}},
	} {
		if d := cmp.Diff(want, pieces(in)); d != "" {
			t.Errorf("pieces(%q):\n%s", in, d)
		}
	}
}

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

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"took 12.4 ms in all", []string{"took", "12.4 ms in", "all"}},
		{"at example.com/a/b.F", []string{"at", "example.", "com/a/b.F"}},
		{"", []string{""}},
		{"abcdefghijklm", []string{"abcdefghij", "klm"}},
		{"世界世界世界", []string{"世界世界世", "界"}},
	} {
		if d := cmp.Diff(c.want, wrap(c.text, 10)); d != "" {
			t.Errorf("%q:\n%s", c.text, d)
		}
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
	for _, name := range cases {
		before := ""
		for line := range strings.Lines(written(t, WriteMarkdown, load(t, name))) {
			if strings.HasPrefix(before, "</details>") && strings.TrimSpace(line) != "" && line[0] != '<' {
				t.Errorf("%s: %q stands in the HTML of %q", name, line, before)
			}
			before = line
		}
	}
}
