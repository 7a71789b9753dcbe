package detect_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/goccy/go-yaml"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

// truth is what a fixture's truth.yaml says: written by a person from the
// program's source, see fixtures/README.md.
type truth struct {
	Title string   `yaml:"title"`
	Find  []expect `yaml:"find"`
	May   []string `yaml:"may"` // detectors that are also true there: neither required nor a false alarm
}

// expect is a claim that must be found.
type expect struct {
	Detector string          `yaml:"detector"`
	Function string          `yaml:"function"` // normalised; empty for a claim about the process
	Root     bool            `yaml:"root"`     // it must be the root of the chain ranked first
	Kinds    []evidence.Kind `yaml:"kinds"`    // kinds of evidence each of which must show it alone
}

// TestTruth judges every detector on every fixture and its fixed twin. What
// truth.yaml lists must be found, with all evidence at warning or above, with one
// kind alone at any severity; anything else at warning or above is a false alarm.
// -v prints the table.
func TestTruth(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(fixtures(), "*", "truth.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	score := newScore()
	for _, name := range cases {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var want truth
			if err := yaml.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			bundle, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range bundle.Exhibits {
				if e.Coverage == evidence.None {
					t.Errorf("%s: %s", e.Path, strings.Join(e.Problems, "; "))
				}
			}
			judgeCase(t, score, bundle, want)
		})
	}
	t.Log("\n" + score.String())
}

// fixtures is the folder of the cases; INQUEST_FIXTURES names another, such as
// one that was recorded afresh.
func fixtures() string { return cmp.Or(os.Getenv("INQUEST_FIXTURES"), "../../fixtures") }

func judgeCase(t *testing.T, score *score, bundle *evidence.Bundle, want truth) {
	res := run(t, bundle)
	for _, v := range res.Verdicts {
		if v.Result == analyze.Failed {
			t.Errorf("%s failed: %s", v.Detector, v.Why)
		}
	}
	roots := map[string]bool{}
	for _, c := range res.Chains {
		if c.Rank == 1 {
			roots[c.Root] = true
		}
	}
	for _, w := range want.Find {
		i := slices.IndexFunc(res.Findings, func(f analyze.Finding) bool { return f.Severity >= analyze.Warning && w.matches(f) })
		score.count(w.Detector, "all", i >= 0)
		if i < 0 {
			t.Errorf("missed %s at %q", w.Detector, w.Function)
			continue
		}
		if f := res.Findings[i]; w.Root && !roots[f.ID] {
			t.Errorf("%s at %q is found but is not the root of the first chain", w.Detector, w.Function)
		}
		for _, kind := range w.Kinds {
			alone := run(t, only(bundle, kind))
			ok := slices.ContainsFunc(alone.Findings, w.matches)
			score.count(w.Detector, string(kind), ok)
			if !ok {
				t.Errorf("missed %s at %q from the %s alone", w.Detector, w.Function, analyze.KindName(kind))
			}
		}
	}
	// Every kind alone must keep as quiet as all kinds together.
	score.quiet(t, "all", res, want)
	for _, kind := range evidence.Kinds {
		if len(bundle.Of(kind)) > 0 {
			score.quiet(t, string(kind), run(t, only(bundle, kind)), want)
		}
	}
}

// matches reports whether a finding is the expected one: at its function, as
// its own site or another that it names.
func (w expect) matches(f analyze.Finding) bool {
	return f.Detector == w.Detector && (w.Function == "" || slices.ContainsFunc(f.Sites, func(s analyze.Site) bool { return s.Function == w.Function }))
}

func run(t *testing.T, b *evidence.Bundle) analyze.Result {
	t.Helper()
	res, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// only returns the bundle as if nothing but one kind had been collected.
func only(b *evidence.Bundle, kind evidence.Kind) *evidence.Bundle {
	alone := &evidence.Bundle{Title: b.Title}
	for _, e := range b.Exhibits {
		if e.Kind == kind {
			alone.Exhibits = append(alone.Exhibits, e)
		}
	}
	return alone
}

// score is the table of found, missed and false alarms.
type score struct {
	found, missed, alarms map[[2]string]int // by detector and kind
}

func newScore() *score {
	return &score{map[[2]string]int{}, map[[2]string]int{}, map[[2]string]int{}}
}

func (s *score) count(detector, kind string, ok bool) {
	if ok {
		s.found[[2]string{detector, kind}]++
	} else {
		s.missed[[2]string{detector, kind}]++
	}
}

// quiet counts a false alarm for each finding at warning or above that the truth does not know.
func (s *score) quiet(t *testing.T, kind string, res analyze.Result, want truth) {
	for _, f := range res.Findings {
		expected := slices.Contains(want.May, f.Detector) ||
			slices.ContainsFunc(want.Find, func(w expect) bool { return w.matches(f) })
		if f.Severity >= analyze.Warning && !expected {
			s.alarms[[2]string{f.Detector, kind}]++
			t.Errorf("false alarm from %s: %s (%s, %s): %s", kind, f.Detector, f.Severity, f.Confidence, f.Summary)
		}
	}
}

// String prints one row per detector: found of expected and false alarms, with
// all evidence and with each kind alone.
func (s *score) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	kinds := []string{"all"}
	for _, k := range evidence.Kinds {
		kinds = append(kinds, string(k))
	}
	fmt.Fprintf(w, "detector\t%s\tfalse alarms\n", strings.Join(kinds, "\t"))
	for _, d := range detect.All {
		fmt.Fprint(w, d.ID)
		alarms := 0
		for _, k := range kinds {
			key := [2]string{d.ID, k}
			if n := s.found[key] + s.missed[key]; n > 0 {
				fmt.Fprintf(w, "\t%d/%d", s.found[key], n)
			} else {
				fmt.Fprint(w, "\t-")
			}
			alarms += s.alarms[key]
		}
		fmt.Fprintf(w, "\t%d\n", alarms)
	}
	w.Flush()
	return b.String()
}
