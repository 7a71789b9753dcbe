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

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/cmd/settings"
	"inquest/internal/evidence/prose"
)

// truth is what a fixture's truth.yaml says: written by a person from the
// program's source, see fixtures/README.md.
type truth struct {
	Title   string   `yaml:"title"`
	Find    []expect `yaml:"find"`
	May     []string `yaml:"may"`      // detectors that are also true there: neither required nor a false alarm
	MustNot []string `yaml:"must_not"` // of an unseen case: detectors that would be a false alarm
	Record  struct {
		Keep  []string `yaml:"keep"`  // kinds of evidence that were taken; all when empty
		Crash string   `yaml:"crash"` // the log of a program that died is all there is
	} `yaml:"record"`
}

// partial reports whether only some kinds of evidence were taken.
func (w truth) partial() bool { return len(w.Record.Keep) > 0 || w.Record.Crash != "" }

// expect is a claim that must be found.
type expect struct {
	Detector string          `yaml:"detector"`
	Function string          `yaml:"function"` // normalised; empty for a claim about the process
	Root     bool            `yaml:"root"`     // it must be the root of the chain ranked first
	Kinds    []evidence.Kind `yaml:"kinds"`    // kinds of evidence each of which must show it alone
	Accept   []string        `yaml:"accept"`   // of an unseen case: other detectors that say the same
	Or       []string        `yaml:"or"`       // of an unseen case: functions that will do as well
	Severity claim.Severity  `yaml:"severity"` // of an unseen case: what a person on call would want; anything but info asks for a warning
}

// accepts reports whether a detector makes the claim, in its own or another's words.
func (w expect) accepts(detector string) bool {
	return detector == w.Detector || slices.Contains(w.Accept, detector)
}

// TestTruth judges every detector on every fixture and its fixed twin. What
// truth.yaml lists must be found: at warning or above with full evidence, at any severity with one
// kind alone or where only some kinds were taken. Anything else at warning or above is a false alarm.
// -v prints the table.
func TestTruth(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(fixtures(), "[^u]*", "*", "truth.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	score := newScore()
	for _, name := range cases {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var want truth
			if err := settings.Read(name, file, &want); err != nil {
				t.Fatal(err)
			}
			bundle, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range bundle.Exhibits {
				if e.Coverage == evidence.None && filepath.Base(e.Path) != "test.log" { // tests that ended say nothing of a fault
					t.Errorf("%s: %s", e.Path, prose.Join(e.Problems, "; ").String())
				}
			}
			judgeCase(t, score, dir, bundle, want)
		})
	}
	t.Log("\n" + score.String() + "\n" + score.summary())
}

// fixtures is the folder of the cases; INQUEST_FIXTURES names another, such as
// one that was recorded afresh.
func fixtures() string { return cmp.Or(os.Getenv("INQUEST_FIXTURES"), "../../fixtures") }

// judged is what TestReproduce has judged already, by folder.
var judged = map[string]analyze.Result{}

func judgeCase(t *testing.T, score *score, dir string, bundle *evidence.Bundle, want truth) {
	res, known := judged[dir]
	if !known {
		res = run(t, bundle)
	}
	for _, v := range res.Verdicts {
		if v.Result == claim.Failed {
			t.Errorf("%s failed: %s", v.Detector, v.Why)
		}
	}
	score.cases[want.sort()]++
	for _, f := range res.Findings {
		i := slices.IndexFunc(detect.All, func(d *claim.Detector) bool { return d.ID == f.Detector })
		certain := f.Detector == "deadlock" || f.Detector == "descriptor-leak" // a circle, or a loop that says so, needs no limit
		if f.Severity >= claim.Warning && !certain && len(detect.All[i].Limits) > 0 && !slices.ContainsFunc(f.Evidence, func(f claim.Fact) bool { return f.Limit != nil }) {
			t.Errorf("%s at %q does not say which limit decided", f.Detector, f.Site.Function)
		}
	}
	roots := map[string]bool{}
	for _, c := range res.Chains {
		if c.Rank == 1 {
			roots[c.Root] = true
		}
	}
	for _, w := range want.Find {
		i := slices.IndexFunc(res.Findings, func(f claim.Finding) bool { return f.Severity >= claim.Warning && w.matches(f) })
		if i < 0 && want.partial() {
			i = slices.IndexFunc(res.Findings, w.matches)
			if i >= 0 {
				score.mild++
			}
		}
		score.count(w.Detector, "all", i >= 0)
		if i < 0 {
			t.Errorf("missed %s at %q", w.Detector, w.Function)
		}
		if w.Root {
			first := i >= 0 && roots[res.Findings[i].ID]
			score.first[want.sort()].count(first)
			if i >= 0 && !first {
				t.Errorf("%s at %q is found but is not the root of the first chain", w.Detector, w.Function)
			}
		}
		for _, kind := range w.Kinds {
			alone := run(t, only(bundle, kind))
			ok := slices.ContainsFunc(alone.Findings, w.matches)
			score.count(w.Detector, string(kind), ok)
			if !ok {
				t.Errorf("missed %s at %q from the %s alone", w.Detector, w.Function, kind.Name())
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
func (w expect) matches(f claim.Finding) bool {
	return w.accepts(f.Detector) && (w.Function == "" || slices.ContainsFunc(f.Sites, func(s claim.Site) bool { return s.Function == w.Function || slices.Contains(w.Or, s.Function) }))
}

func run(t *testing.T, b *evidence.Bundle) analyze.Result {
	t.Helper()
	res, err := analyze.Run(b, marked(t), analyze.Options{})
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

// sorts of cases, by what a report must say of them.
const (
	faulty = "fault with full evidence"
	thin   = "fault with partial evidence"
	sound  = "sound"
)

func (w truth) sort() string {
	switch {
	case len(w.Find) == 0:
		return sound
	case w.partial():
		return thin
	}
	return faulty
}

// tally is how many of those expected were given.
type tally struct{ got, of int }

func (t *tally) count(ok bool) {
	t.of++
	if ok {
		t.got++
	}
}

func (t *tally) add(u tally) { t.got, t.of = t.got+u.got, t.of+u.of }

func (t tally) cell() string {
	if t.of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", t.got, t.of)
}

func (t tally) String() string {
	if t.of == 0 {
		return "none asked for"
	}
	return fmt.Sprintf("%d of %d (%.1f %%)", t.got, t.of, 100*float64(t.got)/float64(t.of))
}

// score is the table of found, missed and false alarms.
type score struct {
	named  map[[2]string]tally // claims found of those expected, by detector and kind
	alarms map[[2]string]int   // by detector and kind
	wrong  map[string]int      // false alarms by sort of case
	cases  map[string]int      // by sort
	mild   int                 // claims of partial cases that are found below warning
	first  map[string]*tally   // root claims that are the root of the chain ranked first, by sort of case
}

func newScore() *score {
	return &score{named: map[[2]string]tally{}, alarms: map[[2]string]int{}, wrong: map[string]int{}, cases: map[string]int{}, first: map[string]*tally{faulty: {}, thin: {}}}
}

func (s *score) count(detector, kind string, ok bool) {
	t := s.named[[2]string{detector, kind}]
	t.count(ok)
	s.named[[2]string{detector, kind}] = t
}

// quiet counts a false alarm for each finding at warning or above that the truth does not know.
func (s *score) quiet(t *testing.T, kind string, res analyze.Result, want truth) {
	for _, f := range res.Findings {
		expected := slices.Contains(want.May, f.Detector) ||
			slices.ContainsFunc(want.Find, func(w expect) bool { return w.matches(f) })
		if f.Severity >= claim.Warning && !expected {
			s.alarms[[2]string{f.Detector, kind}]++
			s.wrong[want.sort()]++
			t.Errorf("false alarm from %s: %s (%s, %s): %s", kind, f.Detector, f.Severity, f.Confidence, f.Summary)
		}
	}
}

// String prints one row per detector that was asked for or heard of: found of expected, with all evidence and
// with each kind alone, and behind a plus the false alarms of that kind.
func (s *score) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	kinds := []string{"all"}
	for _, k := range evidence.Kinds {
		kinds = append(kinds, string(k))
	}
	b.WriteString("claims found/asked for and +false alarms, with all evidence of a case and with each kind alone\n\n")
	fmt.Fprintf(w, "detector\t%s\tmissed\tfalse alarms\n", strings.Join(kinds, "\t"))
	sums, wrong := make([]tally, len(kinds)), make([]int, len(kinds))
	row := func(name string, cells []tally, alarms []int) {
		fmt.Fprint(w, name)
		missed, all := 0, 0
		for i, c := range cells {
			fmt.Fprintf(w, "\t%s", c.cell())
			if alarms[i] > 0 {
				fmt.Fprintf(w, "+%d", alarms[i])
			}
			missed, all = missed+c.of-c.got, all+alarms[i]
		}
		fmt.Fprintf(w, "\t%d\t%d\n", missed, all)
	}
	for _, d := range detect.All {
		cells, alarms, asked := make([]tally, len(kinds)), make([]int, len(kinds)), false
		for i, k := range kinds {
			key := [2]string{d.ID, k}
			cells[i], alarms[i] = s.named[key], s.alarms[key]
			sums[i].add(cells[i])
			wrong[i] += alarms[i]
			asked = asked || cells[i].of > 0 || alarms[i] > 0
		}
		if asked {
			row(d.ID, cells, alarms)
		}
	}
	row("together", sums, wrong)
	w.Flush()
	return b.String()
}

// summary says in a few lines whether the bars are kept that a release must keep.
func (s *score) summary() string {
	var all, alone tally
	for key, n := range s.named {
		if key[1] == "all" {
			all.add(n)
		} else {
			alone.add(n)
		}
	}
	held := func(ok bool) string {
		if ok {
			return "kept"
		}
		return "NOT KEPT"
	}
	share := func(t tally, bar int) string {
		if t.of == 0 {
			return ""
		}
		return fmt.Sprintf("bar %d %%: %s", bar, held(100*t.got >= bar*t.of))
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "cases\t%d with a fault, %d of them with partial evidence; %d healthy programs and fixed twins\n", s.cases[faulty]+s.cases[thin], s.cases[thin], s.cases[sound])
	fmt.Fprintf(w, "root ranked first, full evidence\t%v\t%s\n", *s.first[faulty], share(*s.first[faulty], 95))
	fmt.Fprintf(w, "root ranked first, partial evidence\t%v\n", *s.first[thin])
	fmt.Fprintf(w, "named from all evidence of the case\t%v", all)
	if s.mild > 0 {
		fmt.Fprintf(w, "\t%d of them, with partial evidence, below warning", s.mild)
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "named from one kind alone\t%v\t%s\n", alone, share(alone, 90))
	fmt.Fprintf(w, "false alarms on healthy and fixed programs\t%d\tbar 0: %s\n", s.wrong[sound], held(s.wrong[sound] == 0))
	fmt.Fprintf(w, "false alarms beside a fault\t%d\n", s.wrong[faulty]+s.wrong[thin])
	w.Flush()
	return b.String()
}

// TestSummary holds the summary to what was counted, just below and at the bars.
func TestSummary(t *testing.T) {
	s := newScore()
	for i := range 20 {
		s.first[faulty].count(i > 0)
		s.count("mutex-hotspot", "trace", i > 1)
	}
	for _, line := range []string{"19 of 20 (95.0 %)  bar 95 %: kept", "18 of 20 (90.0 %)  bar 90 %: kept", "bar 0: kept"} {
		if text := squeeze(s.summary()); !strings.Contains(text, squeeze(line)) {
			t.Errorf("no %q in\n%s", line, s.summary())
		}
	}
	s.first[faulty].count(false)
	s.count("mutex-hotspot", "block", false)
	s.wrong[sound]++
	if text := s.summary(); strings.Count(text, "NOT KEPT") != 3 {
		t.Errorf("three bars are not kept:\n%s", text)
	}
	if text := newScore().summary(); strings.Contains(text, "NOT KEPT") {
		t.Errorf("nothing was asked for:\n%s", text)
	}
	s.alarms[[2]string{"mutex-hotspot", "trace"}] = 3
	if text := squeeze(s.String()); !strings.Contains(text, "18/20+3") || !strings.HasSuffix(text, "3 3 ") {
		t.Errorf("misses and false alarms in\n%s", s)
	}
}

// squeeze makes one blank of any white space.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") + " " }
