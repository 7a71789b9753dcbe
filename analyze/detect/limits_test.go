package detect_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

// TestNoLiteralThreshold finds numbers that something is held against and that nobody can set, look up or question:
// each is a Limit, or a constant that says what it is. None, one, two and a half (as 2*x >= y) speak for themselves.
func TestNoLiteralThreshold(t *testing.T) {
	for _, root := range []string{".", "../../internal/judge", "../../internal/compare", "../../internal/reading", "../*.go"} {
		files, err := filepath.Glob(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			err := filepath.WalkDir(file, func(name string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				if d.Name() == "testdata" || d.Name() == "detecttest" {
					return filepath.SkipDir
				}
				if filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
					for _, found := range literalThresholds(t, name, nil) {
						t.Error(found)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	const bad = `package p
func f(x []int, y, z float64) bool { return len(x) > 3 || y >= 0.25*z || max(y, 4) < z || x[7] == 0 || quantile(0.99) > y || 2*y > z }`
	if found := literalThresholds(t, "bad.go", bad); len(found) != 3 {
		t.Errorf("found %q", found)
	}
}

// literalThresholds returns the comparisons of a file with numbers above two or broken ones. An index and what a
// function is asked for, such as a quantile, are compared with nothing.
func literalThresholds(t *testing.T, name string, src any) (found []string) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	literal := func(n ast.Node) (value string) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.IndexExpr:
				return false
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.Ident)
				return ok && slices.Contains([]string{"min", "max", "float64", "int", "int64"}, f.Name)
			case *ast.BasicLit:
				if (n.Kind == token.INT || n.Kind == token.FLOAT) && !slices.Contains([]string{"0", "1", "2"}, n.Value) {
					value = n.Value
				}
			}
			return true
		})
		return value
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.BinaryExpr); ok && slices.Contains([]token.Token{token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ}, c.Op) {
			for _, side := range []ast.Expr{c.X, c.Y} {
				if value := literal(side); value != "" {
					found = append(found, fmt.Sprintf("%s: something is held against %s: make it a Limit, or a constant that says what it is", positions.Position(c.Pos()), value))
				}
			}
		}
		return true
	})
	return found
}

// TestEveryLimitCanBeSet sets each limit as --limit does, and sees that it is in force.
func TestEveryLimitCanBeSet(t *testing.T) {
	set := func(d *claim.Detector, id, prefix string, l claim.Limit) {
		value := map[evidence.Unit]string{evidence.Nanoseconds: "7m", evidence.Bytes: "7MiB", evidence.BytesPerSec: "7MiB/s", evidence.Share: "7%"}[l.Default.Unit]
		if value == "" {
			value = "7"
		}
		name, q, err := analyze.ParseLimit(detect.All, id+"."+l.Name+"="+value)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		in := d.NewInput(nil, claim.Process{}, map[string]evidence.Quantity{name: q})
		if use := in.Against(prefix + l.Name); use.Quantity != q || use.Name != name || use.Quantity == l.Default {
			t.Errorf("%s was set to %s, and %s is %s", name, q, use.Name, use.Quantity)
		}
	}
	for _, d := range detect.All {
		for _, l := range d.Limits {
			set(d, d.ID, "", l)
		}
	}
	for _, l := range claim.ImpactLimits {
		set(detect.All[0], "impact", "impact.", l)
	}
}
