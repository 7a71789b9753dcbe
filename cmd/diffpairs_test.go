package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"inquest/analyze/compare"
)

// verdictOf compares two sides as the command line does.
func verdictOf(t *testing.T, before, after string) (v compare.Outcome, why string) {
	t.Helper()
	var out, said bytes.Buffer
	code := Main([]string{"diff", "-q", "-f", "json", before, after}, strings.NewReader(""), &out, &said)
	var d struct {
		Verdict compare.Outcome
		Why     string
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatalf("%s against %s: exit %d, %v: %s", before, after, code, err, said.Bytes())
	}
	return d.Verdict, d.Why
}

// outcomes in the order of the table's columns.
var outcomes = []compare.Outcome{compare.Regression, compare.Inconclusive, compare.Pass, compare.Tradeoff, compare.Improvement}

// TestPairs releases every recorded fault and every recorded fix: one side is a faulty program, the other its fixed twin under the
// same load. -v prints the table.
func TestPairs(t *testing.T) {
	fixed, err := filepath.Glob("../fixtures/[^u]*/*-fixed/truth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	table := map[string]map[compare.Outcome]int{"faulty -> fixed": {}, "fixed -> faulty": {}}
	pairs := 0
	t.Run("pair", func(t *testing.T) {
		for _, truth := range fixed {
			after := filepath.Dir(truth)
			before := strings.TrimSuffix(after, "-fixed")
			if _, err := os.Stat(before); err != nil {
				continue
			}
			pairs++
			t.Run(filepath.Base(before), func(t *testing.T) {
				t.Parallel()
				for _, d := range []struct {
					name, from, to string
					wrong          []compare.Outcome
				}{
					{"faulty -> fixed", before, after, []compare.Outcome{compare.Regression}},
					{"fixed -> faulty", after, before, []compare.Outcome{compare.Pass}},
				} {
					v, why := verdictOf(t, d.from, d.to)
					t.Logf("%s: %s: %s", d.name, v, why)
					for _, w := range d.wrong {
						if v == w {
							t.Errorf("%s is %s: %s", d.name, v, why)
						}
					}
					mu.Lock()
					table[d.name][v]++
					mu.Unlock()
				}
			})
		}
	})
	var text strings.Builder
	fmt.Fprintf(&text, "| %d pairs |", pairs)
	for _, o := range outcomes {
		fmt.Fprintf(&text, " %s |", o)
	}
	for _, name := range []string{"faulty -> fixed", "fixed -> faulty"} {
		fmt.Fprintf(&text, "\n| %s |", name)
		for _, o := range outcomes {
			fmt.Fprintf(&text, " %d |", table[name][o])
		}
	}
	t.Log(text.String())
	fixes, faults := table["faulty -> fixed"], table["fixed -> faulty"]
	if got, want := fixes[compare.Improvement]+fixes[compare.Tradeoff], pairs*42/49; got < want || pairs < 49 {
		t.Errorf("%d of %d fixes are an improvement or a tradeoff, want %d", got, pairs, want)
	}
	if got, want := faults[compare.Regression], (pairs*47+48)/49; got < want {
		t.Errorf("%d of %d faults are a regression, want %d", got, pairs, want)
	}
}
