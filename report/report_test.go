package report

import (
	"bytes"
	"flag"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"inquest/templates"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// some returns one of so many of a list, and all of it in the gate, which sets INQUEST_TESTS=all.
func some[T any](list []T, of int) []T {
	if os.Getenv("INQUEST_TESTS") == "all" {
		return list
	}
	var out []T
	for i := 0; i < len(list); i += of {
		out = append(out, list[i])
	}
	return out
}

// cases are the hand-built reports under testdata: a real-looking incident, one
// in which nothing was found, and one whose every string is an attack.
var cases = []string{"incident", "quiet", "hostile"}

func load(t testing.TB, name string) *Report {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func written(t testing.TB, write Writer, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// withoutOurs leaves out of a page what is the same in every one, so that people can read what changed in a golden file. That
// both stand there in full is what checkHTML holds.
var withoutOurs = strings.NewReplacer(templates.CSS, "/* report.css */", templates.Script, "// report.js")

// TestGolden proves that presentation is unchanged, nothing more.
func TestGolden(t *testing.T) {
	for _, name := range cases {
		r := load(t, name)
		for _, f := range formats {
			path := filepath.Join("testdata", name+f.extensions[0])
			got := withoutOurs.Replace(written(t, f.write, r))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s changed (run with -update if meant):\n%s", path, d)
			}
		}
	}
}

// TestRenderEqualsDirect proves that every view of a saved report equals the
// direct one, and that all are safe, for the cases under testdata.
func TestRenderEqualsDirect(t *testing.T) {
	for _, name := range cases {
		t.Run(name, func(t *testing.T) { checkViews(t, load(t, name)) })
	}
}

func TestReadRefuses(t *testing.T) {
	good := written(t, WriteJSON, load(t, "incident"))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the incident does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for what, c := range map[string]struct{ text, want string }{
		"empty":               {"", "not a report"},
		"not JSON":            {"inquest", "not a report"},
		"other JSON":          {`{"a": 1}`, "no schema"},
		"newer schema":        {change(`report/v1"`, `report/v2"`), `schema "inquest/report/v2"`},
		"unknown field":       {change(`"tool"`, `"tools"`), "newer version"},
		"trailing text":       {good + "{}", "not a report"},
		"two reports":         {good + good, "not a report"},
		"cut off":             {good[:len(good)/2], "not a report"},
		"dangling exhibit":    {change(`"exhibit": "e7"`, `"exhibit": "e70"`), "not listed"},
		"dangling finding":    {change(`"id": "f2"`, `"id": "f9"`), "not listed"},
		"finding in no chain": {change("\"findings\": [\n    \"f4\"\n   ]", `"findings": []`), "not one of its findings"},
		"uneven series":       {change(`"gc": [`, `"gc": [1,`), "different lengths"},
		"unknown severity":    {change(`"severity": "critical"`, `"severity": "dire"`), "severity"},
		"other case":          {change(`"severity": "critical"`, `"Severity": "critical"`), `unknown field "Severity"`},
		"Kelvin sign":         {change(`"kind"`, "\"\u212Aind\""), "unknown field"},
		"long s":              {change(`"severity"`, "\"\u017Feverity\""), "unknown field"},
		"a field twice":       {change(`"severity": "critical"`, `"severity": "info", "severity": "critical"`), "twice"},
		"a list twice":        {change(`"verdicts": [`, `"verdicts": null, "verdicts": [`), "twice"},
		"terminal escapes":    {change(`"severity": "critical"`, `"severity": "\u001b[31m"`), `\x1b[31m`},
	} {
		_, err := Read(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to say %q", what, err, c.want)
		}
	}
}

// TestPolicy holds the hashes in the page's policy to the bytes they stand for.
func TestPolicy(t *testing.T) {
	page := html.UnescapeString(written(t, WriteHTML, load(t, "incident"))) // a hash may hold +, which the template writes as &#43;
	for _, part := range [][2]string{{"<style>", "</style>"}, {"<script>", "</script>"}} {
		_, rest, _ := strings.Cut(page, part[0])
		source, _, ok := strings.Cut(rest, part[1])
		if !ok || !strings.Contains(page, "'"+digest(source)+"'") {
			t.Errorf("the policy does not allow the page's own %s", part[0])
		}
	}
}

func TestTerminalWidths(t *testing.T) {
	for _, name := range cases {
		r := load(t, name)
		commands := map[string]bool{}
		for _, f := range cleaned(r).Findings {
			for _, fact := range f.Evidence {
				commands["    "+fact.Reproduce.String()] = true
			}
		}
		for _, width := range []int{1, 40, 80, 120} {
			var b bytes.Buffer
			if err := WriteTerminal(&b, r, TerminalOptions{Width: width}); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(b.String(), "\n") {
				// Commands are left whole, so that they can be copied.
				if w := ansi.StringWidth(line); w > max(width, 20) && !commands[line] {
					t.Errorf("%s at %d columns: %d wide: %s", name, width, w, line)
				}
				if strings.HasSuffix(line, " ") && !commands[line] {
					t.Errorf("%s at %d columns: trailing space: %q", name, width, line)
				}
			}
		}
	}
}

// TestColor proves that colour changes nothing but colour, and that plain text is plain.
func TestColor(t *testing.T) {
	r := load(t, "incident")
	var plain, color bytes.Buffer
	if err := WriteTerminal(&plain, r, TerminalOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteTerminal(&color, r, TerminalOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(color.String(), "\x1b[") {
		t.Error("no colour")
	}
	if i := strings.IndexFunc(plain.String(), func(r rune) bool { return r > 0x7E }); i >= 0 {
		t.Errorf("plain text holds %q", plain.String()[i:i+4])
	}
	if got := plainText.Replace(ansi.Strip(color.String())); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(plain.String()), " ") {
		t.Error(cmp.Diff(plain.String(), got))
	}
}

func TestFormats(t *testing.T) {
	for _, name := range Formats() {
		if _, ok := ForName(name); !ok {
			t.Errorf("no format %s", name)
		}
	}
	for file, want := range map[string]bool{"r.html": true, "a/b.MD": true, "r.json": true, "r.txt": true, "r": false, "r.pdf": false, "html": false} {
		if _, ok := ForFile(file); ok != want {
			t.Errorf("%s: known is %v", file, ok)
		}
	}
}

// TestUntouchedIsNotAltered holds every format to say that a report was changed where it was, and nowhere else.
func TestUntouchedIsNotAltered(t *testing.T) {
	for _, name := range cases {
		r := load(t, name)
		r.SelfHash = r.digest()
		text := written(t, WriteJSON, r)
		for what, c := range map[string]struct {
			text string
			want bool
		}{"untouched": {text, false}, "changed": {strings.Replace(text, `"title": "`, `"title": "x`, 1), true}} {
			read, err := Read(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"text", "markdown", "html", "sarif", "junit"} {
				write, _ := ForName(format)
				if got := strings.Contains(written(t, write, Under(read, "/src")), "changed after it was written"); got != c.want {
					t.Errorf("%s, %s, %s: says that it was changed: %v", name, what, format, got)
				}
			}
		}
	}
}
