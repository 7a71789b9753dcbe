package main

import (
	"go/ast"
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
var topLevel = strings.Fields(`cmd analyze internal report recorder fixtures templates docs .ci .git .gitignore
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
	"cmd":                 "analyze/... internal/... report/... recorder/manifest ./...",
	"cmd/settings":        "",
	"cmd/internal/sshsig": "",
	"internal/mcp":        "analyze/claim analyze/evidence internal/look report",

	"analyze":             "internal/account analyze/claim analyze/evidence internal/evidence/...",
	"internal/look":       "analyze/evidence internal/evidence/...",
	"internal/account":    "analyze/claim internal/reading analyze/evidence internal/evidence/...",
	"analyze/claim":       "analyze/evidence internal/evidence/...",
	"internal/figure":     "analyze analyze/claim analyze/evidence internal/evidence/...",
	"internal/reading":    "analyze/claim analyze/evidence internal/evidence/...",
	"internal/compare":    "analyze/claim analyze/evidence internal/evidence/...",
	"analyze/detect":      "analyze/claim ./...",
	"internal/judge":      "analyze/claim internal/reading analyze/evidence internal/evidence/...",
	"internal/detecttest": "analyze analyze/claim analyze/evidence internal/evidence/...",
	// Families of detectors, none of which may import another. What two of them need is a reading, or where it judges, a judgement.
	"analyze/detect/*": "analyze/claim internal/judge internal/reading analyze/evidence internal/evidence/...",

	"analyze/evidence":                 "internal/evidence/... recorder/manifest",
	"internal/evidence/bound":          "",
	"internal/evidence/prose":          "internal/evidence/bound",
	"internal/evidence/stack":          "internal/evidence/prose",
	"internal/evidence/quantity":       "internal/evidence/bound internal/evidence/prose",
	"internal/evidence/wait":           "internal/evidence/stack internal/evidence/prose internal/evidence/quantity",
	"internal/evidence/content":        "internal/evidence/quantity internal/evidence/stack internal/evidence/prose",
	"internal/evidence/logline":        "internal/evidence/bound internal/evidence/prose",
	"internal/evidence/exectrace/wire": "internal/evidence/stack internal/evidence/bound",
	"internal/evidence/capture":        "analyze/evidence recorder/manifest",
	"internal/evidence/folded":         reader + " internal/evidence/pprofile", // whose profile it fills
	"internal/evidence/*":              reader,

	"report":                     "analyze analyze/claim internal/compare analyze/evidence internal/figure internal/safe report/internal/tokens",
	"internal/safe":              "analyze/claim internal/evidence/bound internal/evidence/prose",
	"report/redact":              "analyze/claim internal/compare internal/evidence/prose internal/evidence/stack report internal/safe report/internal/tokens",
	"report/format":              "report/... internal/safe",
	"report/*":                   writer + " templates report/internal/view", // none of which may import another
	"report/internal/view":       writer,
	"report/internal/*":          "",
	"report/internal/reporttest": "analyze/... internal/... report report/internal/view",

	"templates":         "",
	"recorder":          "recorder/manifest",
	"recorder/manifest": "",
}

const (
	reader = "./... internal/evidence/bound internal/evidence/content internal/evidence/logline internal/evidence/prose internal/evidence/quantity internal/evidence/stack internal/evidence/wait"
	writer = "analyze/claim internal/compare analyze/evidence internal/evidence/stack internal/figure report report/internal/draw internal/safe"
)

// onlyIn lists the libraries that one place alone may know.
var onlyIn = map[string][]string{
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/charmbracelet":        {"report/terminal", "cmd"},
	"github.com/schollz/progressbar":  {"cmd"},
	"github.com/google/pprof":         {"internal/evidence/pprofile", "report/internal/reporttest"},
	"golang.org/x/exp/trace":          {"internal/evidence/exectrace"},
	"github.com/chromedp":             {"report/html"},
	"github.com/rogpeppe/go-internal": {"cmd"},
	"github.com/modelcontextprotocol": {"internal/mcp"},
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

// TestPublicTypes counts the types that somebody outside of this module can name: each is a promise.
func TestPublicTypes(t *testing.T) {
	const most = 97
	var names []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (name == "fixtures" || slices.Contains([]string{"testdata", "internal"}, d.Name()) || d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil || file.Name.Name == "main" {
			return err
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				for _, s := range d.Specs {
					if s := s.(*ast.TypeSpec); s.Name.IsExported() {
						names = append(names, path.Dir(filepath.ToSlash(name))+"."+s.Name.Name)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d public types", len(names)); len(names) >= most {
		t.Errorf("%d types are public, want fewer than %d: unexport what nobody outside needs, or move its package below internal: %s", len(names), most, strings.Join(names, " "))
	}
}
