package redact

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/pprof/profile"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/report"
	"inquest/report/format"
	"inquest/report/internal/reporttest"
)

// ownText is what the command line passes to Redact.
func ownText() []string { return analyze.OwnText(detect.All) }

// secrets is what a case's raw evidence names, taken from its bytes without any of our readers.
type secrets struct {
	functions, files, values map[string]bool
}

var (
	dumpCall  = regexp.MustCompile(`(?m)^(?:created by )?([^\s(]*[^\s(.]\.(?:\(\*?[^\s)]+\)\.)?[^\s(]+)(?:\(| in goroutine)`)
	anyCall   = regexp.MustCompile(`(?:[a-zA-Z0-9_.%-]+/)*[a-zA-Z0-9_%-]+\.\(\*?[A-Za-z0-9_]+\)\.[A-Za-z0-9_.]+`)
	plainCall = regexp.MustCompile(`\b((?:[a-zA-Z0-9_.%-]+/)*[a-z][a-z0-9_]+\.[A-Za-z0-9_.]*[A-Za-z0-9_])\(0x`)
	dumpFile  = regexp.MustCompile(`(?m)^\s+(\S.*\.(?:go|s|c)):\d+`)
	dumpLabel = regexp.MustCompile(`labels:\{(.*)\}`)
	pair      = regexp.MustCompile(`"((?:[^"\\]|\\.)*)": ?"((?:[^"\\]|\\.)*)"`)
	ipv4      = regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`)
	said      = regexp.MustCompile(`(?m)^(?:panic|fatal error): (.+?)(?: \[recovered.*)?$`)
)

func readSecrets(t *testing.T, dir string) *secrets {
	s := &secrets{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, ".go") || strings.HasSuffix(p, ".yaml") {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		s.files[rel] = true
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if prof, err := profile.ParseData(data); err == nil {
			for _, f := range prof.Function {
				s.functions[f.Name] = true
				s.files[f.Filename] = true
			}
			for _, sample := range prof.Sample {
				for _, values := range sample.Label {
					for _, v := range values {
						s.values[v] = true
					}
				}
			}
			return nil
		}
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			if data, err = io.ReadAll(z); err != nil {
				return err
			}
		}
		for _, m := range plainCall.FindAllSubmatch(data, -1) {
			if pkg, _, _ := strings.Cut(string(m[1]), "."); !added.MatchString(pkg) {
				s.functions[string(m[1])] = true
			}
		}
		for _, m := range anyCall.FindAll(data, -1) { // in an execution trace among numbers, in a log behind prefixes
			s.functions[string(m)] = true
		}
		if bytes.HasPrefix(data, []byte("go 1.")) {
			return nil
		}
		for _, m := range dumpCall.FindAllSubmatch(data, -1) {
			s.functions[string(m[1])] = true
		}
		for _, m := range dumpFile.FindAllSubmatch(data, -1) {
			s.files[string(m[1])] = true
		}
		for _, m := range dumpLabel.FindAllSubmatch(data, -1) {
			for _, kv := range pair.FindAllSubmatch(m[1], -1) {
				s.values[string(kv[2])] = true
			}
		}
		for _, m := range ipv4.FindAll(data, -1) {
			s.values[string(m)] = true
		}
		for _, m := range said.FindAllSubmatch(data, -1) {
			if text := string(m[1]); !runtimeText.MatchString(text) {
				s.values[text] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// identifiers are the words of a text that begin with a letter or an underscore.
func identifiers(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	for i, w := range words {
		words[i] = strings.TrimLeftFunc(w, unicode.IsNumber)
	}
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// ordinary is every word that pages without a name in them hold as well.
func ordinary(t *testing.T) map[string]bool {
	words := map[string]bool{}
	quiet := reporttest.Load(t, "quiet")
	for _, f := range format.All {
		for _, w := range identifiers(reporttest.Written(t, f.Report, quiet)) {
			words[strings.ToLower(w)] = true
		}
	}
	schema, err := os.ReadFile(reporttest.SchemaFile) // the names of the fields
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(ownText(), string(schema)) {
		for _, w := range identifiers(text) {
			words[strings.ToLower(w)] = true
		}
	}
	for w := range ourWords() {
		for _, w := range identifiers(w) {
			words[strings.ToLower(w)] = true
		}
	}
	for p := range standardPackages() {
		for _, w := range identifiers(p) {
			words[strings.ToLower(w)] = true
		}
	}
	return words
}

// standardParts lists the parts of names that functions and files of the standard library in the case have too.
func (s *secrets) standardParts() map[string]bool {
	parts := map[string]bool{}
	for f := range s.functions {
		if isStandard(f) {
			for _, w := range identifiers(f) {
				parts[w] = true
			}
		}
	}
	for f := range s.files {
		if isStandardFile(f) {
			for _, w := range identifiers(f) {
				parts[w] = true
			}
		}
	}
	return parts
}

// isStandard is decided anew here: the list of packages, by the longest that the name begins with.
func isStandard(function string) bool {
	if !strings.Contains(function, ".") {
		return true // C and assembly; see bareNames
	}
	end := strings.IndexAny(function, "[(")
	if end < 0 {
		end = len(function)
	}
	slash := strings.LastIndexByte(function[:end], '/')
	dot := strings.IndexByte(function[slash+1:], '.')
	return dot > 0 && standardPackages()[function[:slash+1+dot]]
}

// leaks fails on every secret that stands in a text.
func (s *secrets) leaks(t interface {
	Helper()
	Errorf(string, ...any)
}, what, text string, strict bool, common map[string]bool) {
	t.Helper()
	words := map[string]bool{}
	for _, w := range identifiers(text) {
		words[w] = true
	}
	has := func(kind, secret string) {
		if len(secret) > 1 && strings.Contains(text, secret) {
			i := strings.Index(text, secret)
			t.Errorf("%s: %s %q survives: ...%s...", what, kind, secret, text[max(0, i-60):min(len(text), i+len(secret)+60)])
		}
	}
	for f := range s.files {
		if strings.ContainsAny(f, `/\`) && !standardPackages()[strings.TrimSuffix(f, "/"+filepath.Base(f))] {
			has("file", f)
		}
	}
	for v := range s.values {
		if !common[strings.ToLower(v)] {
			has("value", v)
		}
	}
	if !strict {
		return
	}
	standard := s.standardParts()
	for f := range s.functions {
		if isStandard(f) || slices.ContainsFunc([]int{1, 2, 3}, func(n int) bool { return len(f) > n && isStandard(f[n:]) }) { // in a trace its number and length stand before a string
			continue
		}
		has("function", f)
		has("function", strings.ReplaceAll(regexp.QuoteMeta(f), `\[\.\.\.\]`, `\[.*\]`))
		for _, w := range identifiers(f) {
			if words[w] && !common[strings.ToLower(w)] && !standard[w] && len(w) > 2 && !added.MatchString(w) {
				i := strings.Index(text, w)
				t.Errorf("%s: part %q of function %q survives: ...%s...", what, w, f, text[max(0, i-60):min(len(text), i+60)])
			}
		}
	}
	for f := range s.files {
		if base := filepath.Base(f); strings.HasSuffix(base, ".go") && !isStandardFile(f) && !s.standardBase(base) {
			if i := strings.Index(text, base); i >= 0 && bounded(text, i, i+len(base)) {
				has("file", base)
			}
		}
	}
}

// counter counts what would be errors.
type counter int

func (c *counter) Helper() {}

func (c *counter) Errorf(string, ...any) { *c++ }

var added = regexp.MustCompile(`^(?:func|gowrap|deferwrap|range)\d+$`)

func isStandardFile(f string) bool {
	_, ok := standardFile(f)
	return ok
}

func (s *secrets) standardBase(base string) bool {
	for f := range s.files {
		if filepath.Base(f) == base && isStandardFile(f) {
			return true
		}
	}
	return false
}

// TestRedactFixtures writes every recorded case in every format, redacted: of
// what its raw evidence names, nothing may be left.
func TestRedactFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every recorded case")
	}
	t.Parallel()
	common := ordinary(t)
	dirs, err := filepath.Glob(filepath.Join(reporttest.Fixtures, "[^u]*", "*", "truth.yaml"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	own := ownText()
	for _, truth := range reporttest.Some(dirs, 4) {
		dir := filepath.Dir(truth)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			s := readSecrets(t, dir)
			r := reporttest.Judged(t, dir)
			before := reporttest.Written(t, report.WriteJSON, r)
			var plain counter
			if s.leaks(&plain, "", before, true, common); plain == 0 && strings.Contains(before, `"function": "main.`) {
				t.Error("none of the names looked for is in the report as it is: the test sees nothing")
			}
			for _, level := range []string{report.RedactNames, report.RedactStrict} {
				red := Report(r, level, &Mapping{}, own)
				if _, err := report.Read(strings.NewReader(reporttest.Written(t, report.WriteJSON, red))); err != nil {
					t.Fatal(err)
				}
				var saved string
				for _, f := range format.All {
					text := reporttest.Written(t, f.Report, red)
					if f.Name == "json" {
						saved = text
					}
					s.leaks(t, level+" "+f.Name, text, level == report.RedactStrict, common)
					if strings.Contains(text, filepath.Base(dir)) {
						t.Errorf("%s %s: the folder's name survives", level, f.Name)
					}
				}
				// What is saved redacted and rendered again is the same.
				again, err := report.Read(strings.NewReader(saved))
				if err != nil {
					t.Fatal(err)
				}
				if twice := Report(again, level, &Mapping{}, own); reporttest.Written(t, report.WriteJSON, twice) != saved {
					t.Errorf("%s: redacting again changes the report", level)
				}
			}
			if reporttest.Written(t, report.WriteJSON, r) != before {
				t.Error("redacting changed the report it was given")
			}
		})
	}
}
