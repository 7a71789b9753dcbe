package redact

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"inquest/analyze/claim"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

var formatVerb = regexp.MustCompile(`%[-+# 0]*(?:\d+|\*)?(?:\.\d+)?[a-zA-Z%]`)

// TestRedactWords holds the list of our own words to the sources. In strict,
// any word of a sentence that is not on it is taken for a name.
func TestRedactWords(t *testing.T) {
	words := map[string]bool{}
	documents := filepath.Join(reporttest.Root, "report")
	for _, dir := range []string{filepath.Join(reporttest.Root, "analyze"), documents} {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return fs.SkipDir
			case d.IsDir() && dir == documents && p != documents:
				return fs.SkipDir
			case dir == documents && !strings.HasPrefix(d.Name(), "new") && d.Name() != "pictures.go" && d.Name() != "diff.go":
				return nil // what views say comes after redaction
			case !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
			if err != nil {
				t.Skipf("sources are being changed: %v", err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ImportSpec:
					return false
				case *ast.Field:
					n.Tag = nil
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Sketch" {
						return false // code, which is of no case and stays as it is
					}
				case *ast.BasicLit:
					if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						addWords(words, s)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var list []string
	for w := range words {
		list = append(list, w)
	}
	slices.Sort(list)
	text := strings.Join(list, "\n") + "\n"
	if *reporttest.Update {
		if err := os.WriteFile("words.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, w := range list {
		if !ourWords()[w] {
			t.Errorf("%q is a word of ours and not in words.txt, so that strict redaction would take it for a name; run go test ./report/redact -run RedactWords -update", w)
		}
	}
}

func addWords(words map[string]bool, s string) {
	for _, w := range strings.Fields(formatVerb.ReplaceAllString(s, " ")) {
		_, w, _ = safe.Outer(w)
		if letters.MatchString(w) {
			w = strings.ToLower(w)
		}
		if !strings.ContainsFunc(w, unicode.IsLetter) || strings.Contains(w, "\uFFFD") || len(w) > 60 || numberish.MatchString(w) || strings.ContainsFunc(w, claim.Hidden) || standardName(w) {
			continue
		}
		if len(w) > 1 || letters.MatchString(w) {
			words[w] = true
		}
		for _, p := range wordBreak.Split(w, -1) {
			if letters.MatchString(p) {
				words[strings.ToLower(p)] = true
			}
		}
	}
}

// TestRedactFields holds the table of fields to the documents: what a string is
// must be said of every one.
func TestRedactFields(t *testing.T) {
	seen := map[string]bool{}
	var walkTypes func(typ reflect.Type, field string)
	done := map[reflect.Type]bool{}
	walkTypes = func(typ reflect.Type, field string) {
		switch typ.Kind() {
		case reflect.String:
			seen[field] = true
			if _, ok := fields[field]; !ok {
				t.Errorf("%s: say in fields (mapping.go) what it holds, so that --redact knows what to do with it", field)
			}
		case reflect.Slice, reflect.Array, reflect.Pointer:
			walkTypes(typ.Elem(), field)
		case reflect.Map:
			walkTypes(typ.Key(), field)
			walkTypes(typ.Elem(), field)
		case reflect.Struct:
			if typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[claim.Command]() || done[typ] {
				return
			}
			done[typ] = true
			for i := range typ.NumField() {
				if f := typ.Field(i); f.IsExported() {
					walkTypes(f.Type, typ.String()+"."+f.Name)
				}
			}
		}
	}
	walkTypes(reflect.TypeFor[report.Report](), "")
	walkTypes(reflect.TypeFor[report.Diff](), "")
	for f := range fields {
		if !seen[f] {
			t.Errorf("%s is in the table and in no document", f)
		}
	}
}
