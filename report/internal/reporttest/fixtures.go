package reporttest

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/report"
)

// Fixtures is the folder of the recorded cases.
var Fixtures = filepath.Join(Root, "fixtures")

// Judged is judge, done once for all tests: nothing changes a report after it is made,
// which TestRedactFixtures holds.
func Judged(t testing.TB, dir string) *report.Report {
	t.Helper()
	once, _ := reports.LoadOrStore(dir, sync.OnceValues(func() (*report.Report, error) { return Judge(dir) }))
	r, err := once.(func() (*report.Report, error))()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var reports sync.Map // of the function that judges a folder once, by folder

// Judge runs the whole of inquest over a recorded case.
func Judge(dir string) (*report.Report, error) {
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		return nil, err
	}
	res, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		return nil, err
	}
	return report.New(res, report.Version("test")), nil
}

// Recorded is the folder of a recorded case, whatever family it is in.
func Recorded(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(Fixtures, "[^u]*", name))
	found = slices.DeleteFunc(found, func(dir string) bool { return filepath.Base(filepath.Dir(dir)) == "load" }) // the same programs under other loads
	if err != nil || len(found) != 1 {
		t.Fatalf("%s is in %v: %v", name, found, err)
	}
	return found[0]
}
