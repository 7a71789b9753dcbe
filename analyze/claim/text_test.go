package claim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTextIsOurs holds the sources to what makes a text safe: what becomes one by a conversion is a constant, and
// Textf has an argument for each verb.
func TestTextIsOurs(t *testing.T) {
	calls := 0
	err := filepath.WalkDir("../..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "fixtures" || d.Name() == "testdata" || d.Name() == "prose" || d.Name() == "bound") {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, p, nil, 0)
		if err != nil {
			t.Skipf("sources are being changed: %v", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				if of, ok := f.X.(*ast.Ident); ok && (of.Name == "claim" || of.Name == "prose") {
					name = f.Sel.Name
				}
			}
			switch {
			case name == "Text" && len(call.Args) == 1 && !constant(call.Args[0]):
				t.Errorf("%s: what is made a Text by a conversion is no constant", files.Position(call.Pos()))
			case name == "Textf" && len(call.Args) > 0 && !call.Ellipsis.IsValid():
				calls++
				format, ok := literalOf(call.Args[0])
				if verbs := strings.Count(strings.ReplaceAll(format, "%%", ""), "%"); ok && verbs != len(call.Args)-1 {
					t.Errorf("%s: %d verbs and %d arguments", files.Position(call.Pos()), verbs, len(call.Args)-1)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || calls == 0 {
		t.Fatalf("%d calls of Textf, %v", calls, err)
	}
}

func constant(e ast.Expr) bool { _, ok := literalOf(e); return ok }

// literalOf is the string that an expression of literals is.
func literalOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.ParenExpr:
		return literalOf(e.X)
	case *ast.BinaryExpr:
		a, ok := literalOf(e.X)
		b, both := literalOf(e.Y)
		return a + b, ok && both
	}
	return "", false
}
