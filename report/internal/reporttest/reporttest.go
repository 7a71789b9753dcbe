// Package reporttest has the documents that tests of report's packages share: made by hand, from recorded cases, and
// with names that attack whoever shows them.
package reporttest

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"inquest/report"
)

// Update asks tests to write what they would compare with.
var Update = flag.Bool("update", false, "rewrite the golden files")

// Some returns one of so many of a list, and all of it in the gate, which sets INQUEST_TESTS=all.
func Some[T any](list []T, of int) []T {
	if os.Getenv("INQUEST_TESTS") == "all" {
		return list
	}
	var out []T
	for i := 0; i < len(list); i += of {
		out = append(out, list[i])
	}
	return out
}

// Cases are the hand-built reports under testdata: a real-looking incident, one
// in which nothing was found, and one whose every string is an attack.
var Cases = []string{"incident", "quiet", "hostile"}

// Load reads one of Cases.
func Load(t testing.TB, name string) *report.Report {
	t.Helper()
	f, err := os.Open(filepath.Join(Root, "report", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := report.Read(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// Written is what a writer makes of a report.
func Written(t testing.TB, write func(io.Writer, *report.Report) error, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Root is the folder of the module.
var Root = func() string {
	dir := "."
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || len(dir) > 100 {
			return dir
		}
		dir = filepath.Join(dir, "..")
	}
}()

// SchemaFile describes the JSON of a report.
var SchemaFile = filepath.Join(Root, "docs", "report.schema.json")
