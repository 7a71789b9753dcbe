package report

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

var fixtures = filepath.Join("..", "fixtures")

// judged is judge, done once for all tests: nothing changes a report after it is made,
// which TestRedactFixtures holds.
func judged(t testing.TB, dir string) *Report {
	t.Helper()
	once, _ := reports.LoadOrStore(dir, sync.OnceValues(func() (*Report, error) { return judge(dir) }))
	r, err := once.(func() (*Report, error))()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var reports sync.Map // of the function that judges a folder once, by folder

// judge runs the whole of inquest over a recorded case.
func judge(dir string) (*Report, error) {
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		return nil, err
	}
	res, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		return nil, err
	}
	return New(res, Version("test")), nil
}

// TestFixtures writes the report of every recorded case: valid by the schema,
// the same when rendered from JSON and when made again, safe, and small.
func TestFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every recorded case")
	}
	t.Parallel()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := filepath.Glob(filepath.Join(fixtures, "[^u]*", "*", "trace.out"))
	if err != nil || len(traces) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, trace := range some(traces, 4) {
		dir := filepath.Dir(trace)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			r := judged(t, dir)
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			views := checkViews(t, r)
			text := views["json"]
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			again, err := judge(dir)
			if err != nil {
				t.Fatal(err)
			}
			if written(t, WriteJSON, again) != text {
				t.Error("two runs give different bytes")
			}
			if n := len(views["html"]); n > 1<<20 {
				t.Errorf("the page has %d bytes", n)
			}
			if root, err := os.Getwd(); err == nil && strings.Contains(text, filepath.Dir(root)) {
				t.Error("the report holds an absolute path of this machine")
			}
		})
	}
}

// recordedCase is the folder of a recorded case, whatever family it is in.
func recordedCase(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(fixtures, "[^u]*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s is in %v: %v", name, found, err)
	}
	return found[0]
}
