package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// topLevel is everything that may stand at the top of the repository.
var topLevel = strings.Fields(`cmd analyze report recorder mcp fixtures templates docs .ci .git .gitignore
	.github go.mod go.sum main.go all_test.go README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE inquest`)

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// mayImport says which of ours a package may import: /... allows what is below one, ./... what is below itself. What has
// no rule of its own follows that of its folder, dir/*.
var mayImport = map[string]string{
	".":                   "cmd",
	"cmd":                 "analyze/... report/... mcp ./...",
	"cmd/settings":        "",
	"cmd/internal/sshsig": "",
	"mcp":                 "analyze/claim analyze/evidence analyze/look report",

	"analyze":                   "analyze/account analyze/claim analyze/evidence/...",
	"analyze/look":              "analyze/evidence/...",
	"analyze/account":           "analyze/claim analyze/reading analyze/evidence/...",
	"analyze/claim":             "analyze/evidence/...",
	"analyze/figure":            "analyze analyze/claim analyze/evidence/...",
	"analyze/reading":           "analyze/claim analyze/evidence/...",
	"analyze/compare":           "analyze/claim analyze/evidence/...",
	"analyze/detect":            "analyze/claim ./...",
	"analyze/detect/judge":      "analyze/claim analyze/reading analyze/evidence/...",
	"analyze/detect/detecttest": "analyze analyze/claim analyze/evidence/...",
	// Families of detectors, none of which may import another. What two of them need is a reading, or where it judges, a judgement.
	"analyze/detect/*": "analyze/claim analyze/detect/judge analyze/reading analyze/evidence/...",

	"analyze/evidence":                "./... recorder/manifest",
	"analyze/evidence/bound":          "",
	"analyze/evidence/prose":          "analyze/evidence/bound",
	"analyze/evidence/stack":          "analyze/evidence/prose",
	"analyze/evidence/quantity":       "analyze/evidence/bound analyze/evidence/prose",
	"analyze/evidence/wait":           "analyze/evidence/stack analyze/evidence/prose analyze/evidence/quantity",
	"analyze/evidence/content":        "analyze/evidence/quantity analyze/evidence/stack analyze/evidence/prose",
	"analyze/evidence/logline":        "analyze/evidence/bound analyze/evidence/prose",
	"analyze/evidence/exectrace/wire": "analyze/evidence/stack analyze/evidence/bound",
	"analyze/evidence/capture":        "analyze/evidence recorder/manifest",
	"analyze/evidence/folded":         reader + " analyze/evidence/pprofile", // whose profile it fills
	"analyze/evidence/*":              reader,

	"report":                     "analyze analyze/claim analyze/compare analyze/evidence analyze/figure report/safe report/internal/tokens",
	"report/safe":                "analyze/claim analyze/evidence/bound analyze/evidence/prose",
	"report/redact":              "analyze/claim analyze/compare analyze/evidence/prose analyze/evidence/stack report report/safe report/internal/tokens",
	"report/format":              "report/...",
	"report/*":                   writer + " templates report/internal/view", // none of which may import another
	"report/internal/view":       writer,
	"report/internal/*":          "",
	"report/internal/reporttest": "analyze/... report report/internal/view",

	"templates":         "",
	"recorder":          "recorder/manifest",
	"recorder/manifest": "",
}

const (
	reader = "./... analyze/evidence/bound analyze/evidence/content analyze/evidence/logline analyze/evidence/prose analyze/evidence/quantity analyze/evidence/stack analyze/evidence/wait"
	writer = "analyze/claim analyze/compare analyze/evidence analyze/evidence/stack analyze/figure report report/internal/draw report/safe"
)

// onlyIn lists the libraries that one place alone may know.
var onlyIn = map[string][]string{
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/charmbracelet":        {"report/terminal", "cmd"},
	"github.com/schollz/progressbar":  {"cmd"},
	"github.com/google/pprof":         {"analyze/evidence/pprofile", "report/internal/reporttest"},
	"golang.org/x/exp/trace":          {"analyze/evidence/exectrace"},
	"github.com/chromedp":             {"report/html"},
	"github.com/rogpeppe/go-internal": {"cmd"},
	"github.com/modelcontextprotocol": {"mcp"},
	"golang.org/x/crypto":             {"cmd/internal/sshsig"},
	"C":                               {},
}

func TestImportsPointOneWay(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	files, module := 0, strings.Fields(string(text))[1]+"/"
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base == "testdata" || name == "fixtures" || base[0] == '.') {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(name))
		allowed, known := mayImport[dir]
		if !known {
			allowed, known = mayImport[path.Dir(dir)+"/*"]
		}
		if !known {
			t.Errorf("%s: package %s has no import rule", name, dir)
		}
		test := strings.HasSuffix(name, "_test.go")
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			// A test may look at anything of ours that its package is built upon.
			if ours, is := strings.CutPrefix(imported, module); is && !permits(allowed, dir, ours) && !test {
				t.Errorf("%s imports %s", name, imported)
			}
			for library, places := range onlyIn {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(places, dir) && !test {
					t.Errorf("%s imports %s, which belongs in %v alone", name, imported, places)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("looked at %d files only", files)
	}
}

// permits reports whether a package in dir that may import what is allowed may import another.
func permits(allowed, dir, imported string) bool {
	return slices.ContainsFunc(strings.Fields(allowed), func(a string) bool {
		root, below := strings.CutSuffix(a, "/...")
		if root == "." {
			return strings.HasPrefix(imported, dir+"/")
		}
		return imported == root || below && strings.HasPrefix(imported, root+"/")
	})
}
