package format

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/report"
	"inquest/report/ci"
	"inquest/report/internal/reporttest"
	"inquest/templates"
)

// withoutOurs leaves out of a page what is the same in every one, so that people can read what changed in a golden file. That
// both stand there in full is what checkHTML holds.
var withoutOurs = strings.NewReplacer(templates.CSS, "/* report.css */", templates.Script, "// report.js")

// TestGolden proves that presentation is unchanged, nothing more.
func TestGolden(t *testing.T) {
	for _, name := range reporttest.Cases {
		r := reporttest.Load(t, name)
		for _, f := range All {
			path := filepath.Join(reporttest.Root, "report", "testdata", name+f.Extensions[0])
			got := withoutOurs.Replace(reporttest.Written(t, f.Report, r))
			if *reporttest.Update {
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
	for _, name := range reporttest.Cases {
		t.Run(name, func(t *testing.T) { checkViews(t, reporttest.Load(t, name)) })
	}
}

func TestFormats(t *testing.T) {
	for _, name := range Names() {
		if _, ok := ByName(name); !ok {
			t.Errorf("no format %s", name)
		}
	}
	for file, want := range map[string]bool{"r.html": true, "a/b.MD": true, "r.json": true, "r.txt": true, "r": false, "r.pdf": false, "html": false} {
		if _, ok := ByFile(file); ok != want {
			t.Errorf("%s: known is %v", file, ok)
		}
	}
}

// TestUntouchedIsNotAltered holds every format to say that a report was changed where it was, and nowhere else.
func TestUntouchedIsNotAltered(t *testing.T) {
	for _, name := range reporttest.Cases {
		r := reporttest.Load(t, name)
		r.Seal()
		text := reporttest.Written(t, report.WriteJSON, r)
		for what, c := range map[string]struct {
			text string
			want bool
		}{"untouched": {text, false}, "changed": {strings.Replace(text, `"title": "`, `"title": "x`, 1), true}} {
			read, err := report.Read(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"text", "markdown", "html", "sarif", "junit"} {
				f, _ := ByName(format)
				if got := strings.Contains(reporttest.Written(t, f.Report, ci.Under(read, "/src")), "changed after it was written"); got != c.want {
					t.Errorf("%s, %s, %s: says that it was changed: %v", name, what, format, got)
				}
			}
		}
	}
}
