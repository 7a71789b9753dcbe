package format

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

// TestFixtures writes the report of every recorded case: valid by the schema,
// the same when rendered from JSON and when made again, safe, and small.
func TestFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every recorded case")
	}
	t.Parallel()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(reporttest.SchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := filepath.Glob(filepath.Join(reporttest.Fixtures, "[^u]*", "*", "trace.out"))
	if err != nil || len(traces) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, trace := range reporttest.Some(traces, 4) {
		dir := filepath.Dir(trace)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			r := reporttest.Judged(t, dir)
			views := checkViews(t, r)
			text := views["json"]
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			again, err := reporttest.Judge(dir)
			if err != nil {
				t.Fatal(err)
			}
			if reporttest.Written(t, report.WriteJSON, again) != text {
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

// TestNewIsAlwaysWritable gives New what JSON cannot hold.
func TestNewIsAlwaysWritable(t *testing.T) {
	r := report.New(analyze.Result{Bundle: &evidence.Bundle{Title: "\xff"}, Findings: []claim.Finding{{ID: "f1", Share: math.NaN(),
		Evidence: []claim.Fact{{Value: evidence.Quantity{Number: math.Inf(1)}}}}}, Chains: []claim.Chain{{Root: "f1", Findings: []string{"f1"}}}})
	text := reporttest.Written(t, report.WriteJSON, r)
	if strings.Contains(text, "null") || !json.Valid([]byte(text)) {
		t.Errorf("%s", text)
	}
	checkViews(t, r)
}
