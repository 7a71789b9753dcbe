package detect_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/cmd/settings"
)

// families are the folders of detectors.
var families = strings.Fields("locks waits memory collector scheduler processor crashes")

// helpers are the files of families that hold no detector, but what several of their family share.
var helpers = strings.Fields(`locks/lock.go waits/worker.go memory/growth.go memory/metrics.go collector/gctrace.go
	scheduler/schedtrace.go scheduler/scheduler.go scheduler/threads.go crashes/race.go`)

// sources parses the files of folders below this one, tests left out.
func sources(t *testing.T, folders ...string) (files map[string]*ast.File, fset *token.FileSet) {
	t.Helper()
	files, fset = map[string]*ast.File{}, token.NewFileSet()
	for _, folder := range folders {
		names, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.ToSlash(name)] = file
		}
	}
	return files, fset
}

// TestEachFileHoldsOneDetector holds families to one detector in a file that has its name, and All to every one of them.
func TestEachFileHoldsOneDetector(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range detect.All {
		listed[d.ID] = true
	}
	files, _ := sources(t, families...)
	found := 0
	for name, file := range files {
		var ids []string
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, v := range s.(*ast.ValueSpec).Values {
					if id, ok := detectorID(v); ok {
						ids = append(ids, id)
					}
				}
			}
		}
		switch {
		case slices.Contains(helpers, name):
			if len(ids) > 0 {
				t.Errorf("%s is listed as a helper and holds %v", name, ids)
			}
			continue
		case len(ids) != 1:
			t.Errorf("%s holds %d detectors, want one, or list it among the helpers", name, len(ids))
			continue
		}
		found++
		if want := strings.ReplaceAll(ids[0], "-", "") + ".go"; filepath.Base(name) != want {
			t.Errorf("%s holds %s, which belongs into %s", name, ids[0], want)
		}
		if !listed[ids[0]] {
			t.Errorf("%s of %s is not in detect.All", ids[0], name)
		}
	}
	if found != len(detect.All) {
		t.Errorf("%d detectors are in the families, and %d in detect.All", found, len(detect.All))
	}
	for _, name := range helpers {
		if files[name] == nil {
			t.Errorf("%s is listed as a helper, and there is none", name)
		}
	}
}

// detectorID returns the id of a value that is a detector.
func detectorID(v ast.Expr) (string, bool) {
	u, ok := v.(*ast.UnaryExpr)
	if !ok {
		return "", false
	}
	c, ok := u.X.(*ast.CompositeLit)
	if !ok {
		return "", false
	}
	if s, ok := c.Type.(*ast.SelectorExpr); !ok || s.Sel.Name != "Detector" {
		return "", false
	}
	for _, e := range c.Elts {
		if kv := e.(*ast.KeyValueExpr); kv.Key.(*ast.Ident).Name == "ID" {
			return strings.Trim(kv.Value.(*ast.BasicLit).Value, `"`), true
		}
	}
	return "", false
}

// factual are detectors that say where something is and accuse nobody: no fixture has to show one.
var factual = []string{"live-heap"}

// TestEachDetectorIsRecorded holds every detector to a fixture that it must find, the fixture's fixed twin, and a line in the README.
func TestEachDetectorIsRecorded(t *testing.T) {
	names, err := filepath.Glob("../../fixtures/[^u]*/*/truth.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	unseen, _ := filepath.Glob("../../fixtures/unseen/*/truth.yaml")
	names = append(names, unseen...)
	recorded := map[string]bool{}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var want truth
		if err := settings.Read(name, file, &want); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if _, err := os.Stat(filepath.Dir(name) + "-fixed"); err != nil {
			continue
		}
		for _, f := range want.Find {
			recorded[f.Detector] = true
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range detect.All {
		if !recorded[d.ID] && !slices.Contains(factual, d.ID) {
			t.Errorf("no fixture with a fixed twin shows %s", d.ID)
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(d.ID) + ` +\S`).Match(readme) {
			t.Errorf("README.md has no line of %s", d.ID)
		}
	}
}

// TestLimitsAreNotScaled finds limits that are taken times or by a number: what decides then is no limit that
// anybody can set or read. A part of a limit is a limit of its own (min-vote).
func TestLimitsAreNotScaled(t *testing.T) {
	files, fset := sources(t, append(slices.Clone(families), "judge")...)
	looked := 0
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			b, ok := n.(*ast.BinaryExpr)
			if !ok || b.Op != token.MUL && b.Op != token.QUO {
				return true
			}
			for _, sides := range [][2]ast.Expr{{b.X, b.Y}, {b.Y, b.X}} {
				if _, ok := sides[0].(*ast.BasicLit); ok && readsLimit(sides[1]) {
					t.Errorf("%s: a limit is scaled by a number", fset.Position(b.Pos()))
				}
			}
			looked++
			return true
		})
	}
	if looked < 50 {
		t.Fatalf("looked at %d products only", looked)
	}
}

// readsLimit reports whether an expression is the value of a limit, converted or not.
func readsLimit(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return readsLimit(e.X)
	case *ast.SelectorExpr:
		return readsLimit(e.X)
	case *ast.CallExpr:
		if s, ok := e.Fun.(*ast.SelectorExpr); ok {
			return s.Sel.Name == "Limit" || readsLimit(s.X)
		}
		return len(e.Args) == 1 && readsLimit(e.Args[0])
	}
	return false
}

// refers is how a limit's source names another limit whose number it takes over: "as mutex-hotspot.max-busy", "as min-p99".
var refers = regexp.MustCompile(`^as ((?:[a-z0-9]+-)*[a-z0-9]+)(?:\.([a-z0-9-]+))?\b`)

// TestLimitsThatReferAreEqual holds limits that say to be as another to the number of that.
func TestLimitsThatReferAreEqual(t *testing.T) {
	limits := map[string][]claim.Limit{"impact": claim.ImpactLimits}
	for _, d := range detect.All {
		limits[d.ID] = d.Limits
	}
	found := 0
	for _, d := range detect.All {
		for _, l := range d.Limits {
			m := refers.FindStringSubmatch(l.Source)
			if m == nil {
				continue
			}
			of, name := limits[m[1]], m[2]
			if of == nil { // of the same detector
				of, name = d.Limits, m[1]
			}
			same := func(o claim.Limit) bool { return (name == "" || o.Name == name) && equal(o.Default, l.Default) }
			if !slices.ContainsFunc(of, same) {
				t.Errorf("%s.%s is %s %q, and no such limit is", d.ID, l.Name, l.Default, l.Source)
			}
			found++
		}
	}
	if found < 20 {
		t.Errorf("%d limits refer to another only", found)
	}
}

// equal compares what limits say, whatever they count.
func equal(a, b evidence.Quantity) bool { return a.Number == b.Number }
