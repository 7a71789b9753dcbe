package report

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

var fixtures = filepath.Join("..", "fixtures")

// judged runs the whole of inquest over a recorded case.
func judged(t testing.TB, dir string) *Report {
	t.Helper()
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return New(b, res, Version("test"))
}

// TestFixtures writes the report of every recorded case: valid by the schema,
// the same when rendered from JSON and when made again, safe, and small.
func TestFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every recorded case")
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := filepath.Glob(filepath.Join(fixtures, "*", "trace.out"))
	if err != nil || len(traces) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, trace := range traces {
		dir := filepath.Dir(trace)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			r := judged(t, dir)
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			text := written(t, WriteJSON, r)
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			if written(t, WriteJSON, judged(t, dir)) != text {
				t.Error("two runs give different bytes")
			}
			checkViews(t, r)
			if n := len(written(t, WriteHTML, r)); n > 1<<20 {
				t.Errorf("the page has %d bytes", n)
			}
			if root, err := os.Getwd(); err == nil && strings.Contains(text, filepath.Dir(root)) {
				t.Error("the report holds an absolute path of this machine")
			}
		})
	}
}
