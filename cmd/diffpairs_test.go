package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inquest/internal/compare"
)

// sentence is what the tests here look at of a comparison.
type sentence struct {
	Verdict compare.Outcome
	Why     string
	Work    struct{ Factor float64 }
}

// sentenced compares two sides as the command line does.
func sentenced(t *testing.T, before, after string) (d sentence) {
	t.Helper()
	var out, said bytes.Buffer
	code := Main([]string{"diff", "-q", "-f", "json", before, after}, strings.NewReader(""), &out, &said)
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatalf("%s against %s: exit %d, %v: %s", before, after, code, err, said.Bytes())
	}
	return d
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
					is := sentenced(t, d.from, d.to)
					v, why := is.Verdict, is.Why
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

// TestLoads compares programs with themselves under half, the same and twice the load: none of it is a regression, and the work
// that was done is known to 15 %. -v prints what was taken for it.
func TestLoads(t *testing.T) {
	programs, err := filepath.Glob("../fixtures/load/*")
	if err != nil || len(programs) < 10 {
		t.Fatalf("%d programs, %v", len(programs), err)
	}
	for _, dir := range programs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			for _, from := range []string{"0.5", "1", "2"} {
				for _, to := range []string{"0.5", "1", "2"} {
					if from == to {
						continue
					}
					before, after := filepath.Join(dir, from), filepath.Join(dir, to)
					is := sentenced(t, before, after)
					served := answers(t, after) / answers(t, before)
					t.Logf("%s -> %s times the load: served %.2f times as much, taken for %.2f: %s", from, to, served, is.Work.Factor, is.Verdict)
					if is.Verdict == compare.Regression {
						t.Errorf("%s -> %s times the load is a regression: %s", from, to, is.Why)
					}
					if math.Abs(is.Work.Factor/served-1) > 0.15 {
						t.Errorf("%s -> %s times the load served %.2f times as much and is taken for %.2f", from, to, served, is.Work.Factor)
					}
				}
			}
		})
	}
}

// answers is how many answers the clients of a recording had in a second.
func answers(t *testing.T, dir string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "answers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var n float64
	var in string
	if _, err := fmt.Sscanf(string(text), "%f answers in %s", &n, &in); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	d, err := time.ParseDuration(in)
	if err != nil {
		t.Fatal(err)
	}
	return n / d.Seconds()
}
