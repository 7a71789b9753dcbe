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

// mayImport lists, for each package, which of ours it may import. A trailing
// /... allows the packages below.
var mayImport = map[string][]string{
	".":                               {"inquest/cmd"},
	"cmd":                             {"inquest/analyze/...", "inquest/report/...", "inquest/mcp", "inquest/cmd/settings"},
	"mcp":                             {"inquest/analyze/claim", "inquest/analyze/evidence", "inquest/analyze/look", "inquest/report"},
	"analyze/look":                    {"inquest/analyze/evidence/..."},
	"cmd/settings":                    {},
	"analyze":                         {"inquest/analyze/account", "inquest/analyze/claim", "inquest/analyze/evidence/..."},
	"analyze/account":                 {"inquest/analyze/claim", "inquest/analyze/reading", "inquest/analyze/evidence/..."},
	"analyze/claim":                   {"inquest/analyze/evidence/..."},
	"analyze/figure":                  {"inquest/analyze", "inquest/analyze/claim", "inquest/analyze/evidence/..."},
	"analyze/reading":                 {"inquest/analyze/claim", "inquest/analyze/evidence/..."},
	"analyze/detect":                  {"inquest/analyze/claim", "inquest/analyze/detect/..."},
	"analyze/detect/judge":            {"inquest/analyze/claim", "inquest/analyze/reading", "inquest/analyze/evidence/..."},
	"analyze/detect/detecttest":       {"inquest/analyze", "inquest/analyze/claim", "inquest/analyze/evidence/..."},
	"analyze/compare":                 {"inquest/analyze/claim", "inquest/analyze/evidence/..."},
	"analyze/evidence":                {"inquest/analyze/evidence/...", "inquest/recorder/manifest"},
	"analyze/evidence/stack":          {"inquest/analyze/evidence/prose"},
	"analyze/evidence/bound":          {},
	"analyze/evidence/prose":          {"inquest/analyze/evidence/bound"},
	"analyze/evidence/wait":           {"inquest/analyze/evidence/stack", "inquest/analyze/evidence/prose", "inquest/analyze/evidence/quantity"},
	"analyze/evidence/quantity":       {"inquest/analyze/evidence/bound", "inquest/analyze/evidence/prose"},
	"analyze/evidence/content":        {"inquest/analyze/evidence/quantity", "inquest/analyze/evidence/stack", "inquest/analyze/evidence/prose"},
	"analyze/evidence/logline":        {"inquest/analyze/evidence/bound", "inquest/analyze/evidence/prose"},
	"analyze/evidence/exectrace/wire": {"inquest/analyze/evidence/stack", "inquest/analyze/evidence/bound"},
	"analyze/evidence/folded":         append([]string{"inquest/analyze/evidence/pprofile"}, reader...), // whose profile it fills
	"analyze/evidence/capture":        {"inquest/analyze/evidence", "inquest/recorder/manifest"},
	"report":                          {"inquest/analyze", "inquest/analyze/claim", "inquest/analyze/compare", "inquest/analyze/evidence", "inquest/analyze/figure", "inquest/report/safe", "inquest/report/tokens"},
	"report/draw":                     {},
	"report/format":                   {"inquest/report/..."},
	"report/redact":                   {"inquest/analyze/claim", "inquest/analyze/compare", "inquest/analyze/evidence/prose", "inquest/analyze/evidence/stack", "inquest/report", "inquest/report/safe", "inquest/report/tokens"},
	"report/reporttest":               {"inquest/analyze/...", "inquest/report", "inquest/report/view"},
	"report/safe":                     {"inquest/analyze/claim", "inquest/analyze/evidence/bound", "inquest/analyze/evidence/prose"},
	"report/sshsig":                   {},
	"report/tokens":                   {},
	"templates":                       {},
	"recorder":                        {"inquest/recorder/manifest"},
	"recorder/manifest":               {},
}

// reader is what each reader of a kind of evidence may import.
var reader = []string{"inquest/analyze/evidence/bound", "inquest/analyze/evidence/content", "inquest/analyze/evidence/logline",
	"inquest/analyze/evidence/prose", "inquest/analyze/evidence/quantity", "inquest/analyze/evidence/stack", "inquest/analyze/evidence/wait"}

// family is what each family of detectors may import: never another family. What two of them need is a reading,
// or where it judges, a judgement.
var family = []string{"inquest/analyze/claim", "inquest/analyze/detect/judge", "inquest/analyze/reading", "inquest/analyze/evidence/..."}

// writer is what each writer of documents may import: never another writer.
var writer = []string{"inquest/analyze/claim", "inquest/analyze/compare", "inquest/analyze/evidence", "inquest/analyze/evidence/stack",
	"inquest/analyze/figure", "inquest/report", "inquest/report/draw", "inquest/report/safe", "inquest/report/view", "inquest/templates"}

// onlyIn lists the libraries that one place alone may know.
var onlyIn = map[string][]string{
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/charmbracelet":        {"report/terminal", "cmd"},
	"github.com/schollz/progressbar":  {"cmd"},
	"github.com/google/pprof":         {"analyze/evidence/pprofile", "report/reporttest"},
	"golang.org/x/exp/trace":          {"analyze/evidence/exectrace"},
	"github.com/chromedp":             {"report/html"},
	"github.com/rogpeppe/go-internal": {"cmd"},
	"github.com/modelcontextprotocol": {"mcp"},
	"golang.org/x/crypto":             {"report/sshsig"},
	"C":                               {},
}

func TestImportsPointOneWay(t *testing.T) {
	files, module := 0, strings.TrimSuffix(mayImport["."][0], "cmd")
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
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
		switch parent := path.Dir(dir); {
		case known:
		case parent == "analyze/detect":
			allowed, known = family, true
		case parent == "report":
			allowed, known = writer, true
		case parent == "analyze/evidence":
			allowed, known = append([]string{"inquest/" + dir + "/..."}, reader...), true
		}
		if !known {
			t.Errorf("%s: package %s has no import rule", name, dir)
		}
		test := strings.HasSuffix(name, "_test.go")
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			// A test may look at anything of ours that its package is built upon.
			if strings.HasPrefix(imported, module) && !permits(allowed, imported) && !test {
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

func permits(allowed []string, imported string) bool {
	for _, a := range allowed {
		if root, below := strings.CutSuffix(a, "/..."); a == imported || below && (imported == root || strings.HasPrefix(imported, root+"/")) {
			return true
		}
	}
	return false
}
