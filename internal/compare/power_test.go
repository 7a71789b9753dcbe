package compare

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inquest/analyze/evidence"
)

var (
	trials = flag.Int("trials", 100, "how many comparisons TestPower makes of each kind")
	record = flag.Int("record", 0, "record this many runs of each variant anew for TestPower, 5 s of two processors each, instead of taking testdata/runs*.zip")
)

// operations of one run of testdata/load, by two workers.
const operations = 2 * 2000

// variants of testdata/load: how often it is sampled, what slows it down, and
// what lengthens its locks.
var variants = []struct {
	name         string
	rate         string
	slows, holds []string
}{
	{"base", "100", nil, nil},
	{"slower", "100", []string{"-render", "1.2", "-decode", "1.3"}, []string{"-hold", "2"}},
	{"parse", "100", []string{"-parse", "1.2"}, nil},
	{"base250", "250", nil, nil},
	{"render250", "250", []string{"-render", "1.2"}, nil},
	{"parse250", "250", []string{"-parse", "1.2"}, nil},
}

// recordRuns records n runs of every variant, alternating, and returns their folder.
func recordRuns(t testing.TB, n int) string {
	dir := t.TempDir()
	load := filepath.Join(dir, "load")
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("go", "build", "-o", load, "./testdata/load")
	for i := range n {
		for _, v := range variants {
			out := filepath.Join(dir, "runs", fmt.Sprintf("%s-%02d", v.name, i))
			run(load, append([]string{"-out", out, "-workers", "2", "-rate", v.rate}, v.slows...)...)
			if v.rate == "100" {
				run(load, append([]string{"-out", out, "-locks"}, v.holds...)...)
			}
		}
	}
	return filepath.Join(dir, "runs")
}

// runsOf reads the recorded runs of a variant of testdata/load.
func runsOf(t testing.TB) map[string][][]*evidence.Exhibit {
	from, err := filepath.Glob("testdata/runs*.zip")
	if err != nil {
		t.Fatal(err)
	}
	if *record > 0 {
		from = []string{recordRuns(t, *record)}
	}
	b, err := evidence.Open(context.Background(), from, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string][]*evidence.Exhibit{}
	for _, e := range b.Exhibits {
		if e.Coverage == evidence.None {
			t.Fatalf("%s: %v", e.Path, e.Problems)
		}
		folders[path.Dir(e.Path)] = append(folders[path.Dir(e.Path)], e)
	}
	out := map[string][][]*evidence.Exhibit{}
	var names []string
	for f := range folders {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		variant, _, _ := strings.Cut(path.Base(f), "-")
		out[variant] = append(out[variant], folders[f])
	}
	// Locks know no sampling rate: their profiles are those of the other runs.
	for i := range out["base250"] {
		for _, e := range out["base"][i%len(out["base"])] {
			if e.Kind == evidence.Mutex {
				out["base250"][i] = append(out["base250"][i], e)
			}
		}
	}
	return out
}

// merged makes one run of several, as if it had lasted as long as all of them.
func merged(runs [][]*evidence.Exhibit) []*evidence.Exhibit {
	var out []*evidence.Exhibit
	for i, first := range runs[0] {
		e := *first
		p := *first.Profile()
		p.Samples = nil
		for _, r := range runs {
			p.Samples = append(p.Samples, r[i].Profile().Samples...)
			p.Duration += r[i].Profile().Duration
		}
		e.Content, e.SHA256 = &p, fmt.Sprint(first.SHA256, len(runs))
		out = append(out, &e)
	}
	return out
}

// mixed is a run with the evidence of one kind from another.
func mixed(from, rest []*evidence.Exhibit, kind evidence.Kind) []*evidence.Exhibit {
	var out []*evidence.Exhibit
	for _, e := range rest {
		for _, o := range from {
			if e.Kind == kind && o.Kind == kind {
				e = o
			}
		}
		out = append(out, e)
	}
	return out
}

// side makes a side of n runs, each merged from k.
func side(runs [][]*evidence.Exhibit, order []int, n, k int) *Side {
	s := &Side{Ops: operations * float64(k)}
	for i := range n {
		var of [][]*evidence.Exhibit
		for j := range k {
			of = append(of, runs[order[i*k+j]])
		}
		s.Exhibits = append(s.Exhibits, merged(of)...)
	}
	return s
}

// TestPower measures how often comparisons of three runs a side raise a false alarm,
// and how often they find what was planted, on recorded profiles of a program whose
// costs are known. -v prints the tables that docs/ci.md shows.
func TestPower(t *testing.T) {
	runs := runsOf(t)
	rnd := rand.New(rand.NewPCG(5, 6))

	noChange := func(t *testing.T, base [][]*evidence.Exhibit) {
		if len(base) < 6 {
			t.Skip("too few runs")
		}
		count := map[Outcome]int{}
		why := map[string]int{}
		for range *trials {
			order := rnd.Perm(len(base))
			r := Compare(side(base, order, 3, 1), side(base, order[3:], 3, 1), Options{})
			count[r.Verdict]++
			if r.Verdict != Pass {
				for _, k := range r.Kinds {
					if k.Verdict != Pass {
						why[k.Kind+" "+string(k.Verdict)]++
					}
				}
			}
		}
		t.Logf("%d comparisons of the program with itself: %d pass, %d regression, %d improvement, %d inconclusive; %v",
			*trials, count[Pass], count[Regression], count[Improvement], count[Inconclusive], why)
		if count[Regression]*20 > *trials {
			t.Errorf("%d of %d are false alarms, want at most 5 in 100", count[Regression], *trials)
		}
	}
	t.Run("no change", func(t *testing.T) { noChange(t, runs["base"]) })
	t.Run("no change at 250 Hz", func(t *testing.T) { noChange(t, runs["base250"]) })

	for _, c := range []struct {
		name, base, variant, measure, function string
		kind                                   evidence.Kind
		k                                      int // runs merged into one
		least                                  int // found, of 100
	}{
		{"+20 % CPU in a function with 30 %", "base", "parse", "CPU time", "main.parse", evidence.CPU, 1, 85},
		{"+20 % CPU in a function with 30 %", "base", "parse", "CPU time", "main.parse", evidence.CPU, 2, 95},
		{"+20 % CPU in a function with 10 %", "base", "slower", "CPU time", "main.render", evidence.CPU, 1, 25},
		{"+20 % CPU in a function with 10 %", "base", "slower", "CPU time", "main.render", evidence.CPU, 2, 65},
		{"+20 % CPU in a function with 10 %", "base", "slower", "CPU time", "main.render", evidence.CPU, 3, 90},
		{"+20 % CPU in a function with 30 %, 250 Hz", "base250", "parse250", "CPU time", "main.parse", evidence.CPU, 1, 70},
		{"+20 % CPU in a function with 10 %, 250 Hz", "base250", "render250", "CPU time", "main.render", evidence.CPU, 1, 45},
		{"+20 % CPU in a function with 10 %, 250 Hz", "base250", "render250", "CPU time", "main.render", evidence.CPU, 2, 95},
		{"+30 % allocations in one function", "base", "slower", "bytes allocated", "main.decode", evidence.Heap, 1, 95},
		{"a lock held twice as long", "base", "slower", "delay caused by holding locks", "main.(*store).update", evidence.Mutex, 1, 95},
	} {
		t.Run(fmt.Sprintf("%s, %d merged", c.name, c.k), func(t *testing.T) {
			base := runs[c.base]
			if c.k*6 > len(base) || c.k*3 > len(runs[c.variant]) {
				t.Skip("too few runs")
			}
			found, attributed := 0, 0
			var samples int64
			for range *trials {
				order, changed := rnd.Perm(len(base)), rnd.Perm(len(runs[c.variant]))
				before := side(base, order, 3, c.k)
				// What else the variant does is left out: one fault is found by itself.
				var with [][]*evidence.Exhibit
				for i := range 3 * c.k {
					with = append(with, mixed(runs[c.variant][changed[i]], base[order[3*c.k+i]], c.kind))
				}
				after := side(with, rnd.Perm(len(with)), 3, c.k)
				for _, k := range Compare(before, after, Options{}).Kinds {
					for _, m := range k.Measures {
						if m.Name.String() != c.measure {
							continue
						}
						samples += m.Samples.Before / m.Runs.Before
						if m.Verdict == Regression {
							found++
							if len(m.Changes) > 0 && m.Changes[0].Counts && m.Changes[0].Worse && m.Changes[0].Function == c.function {
								attributed++
							}
						}
					}
				}
			}
			t.Logf("%-44s %6d samples a profile: found %5.1f %%, attributed %5.1f %%", c.name, samples/int64(*trials), 100*float64(found)/float64(*trials), 100*float64(attributed)/float64(*trials))
			if attributed*100 < c.least**trials {
				t.Errorf("found and attributed in %d of %d, want %d in 100", attributed, *trials, c.least)
			}
		})
	}
}
