package detect_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// TestReproduce reads the profiles of every fixture the way pprof does and holds
// each fact that carries a pprof command to what that command prints.
func TestReproduce(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every profile of the fixtures once more")
	}
	cases, err := filepath.Glob(filepath.Join(fixtures(), "[^u]*", "*", "truth.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	checked := 0
	for _, name := range cases {
		dir := filepath.Dir(name)
		bundle, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		res := run(t, bundle)
		found := res.Findings
		res.Bundle = nil // holds the evidence, for which nobody asks any more
		judged[dir] = res
		profiles := profiles{dir: dir, read: map[string]*profile.Profile{}}
		for _, f := range found {
			for _, fact := range f.Evidence {
				if !fact.Reproduce.Runs("go", "tool", "pprof") || len(fact.Reproduce.Steps) > 1 {
					continue
				}
				args := fact.Reproduce.Steps[0].Words()[3:]
				checked++
				printed, err := profiles.printed(args)
				if err != nil {
					t.Errorf("%s: %s: %s: %v", filepath.Base(dir), f.Detector, fact.Reproduce, err)
					continue
				}
				if !slices.ContainsFunc(wanted(fact, profiles.seconds(args)), func(want float64) bool {
					return slices.ContainsFunc(printed, func(got float64) bool { return math.Abs(got-want) <= 0.01*math.Abs(want) })
				}) {
					t.Errorf("%s: %s: %s: %s of %v is not among the %v that this prints: %s", filepath.Base(dir), f.Detector, fact.Says, fact.Value, fact.Of, printed, fact.Reproduce)
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d facts carry a pprof command", checked)
	}
	t.Logf("%d facts", checked)
}

// wanted is the numbers of which a command must print one: the fact's own, or
// what it is a part or a rate of times the part. seconds is the duration that the profile states.
func wanted(f claim.Fact, seconds float64) []float64 {
	n := f.Value.Number
	if f.Value.Unit == evidence.Ratio && f.Of != nil {
		return []float64{n * f.Of.Number}
	}
	if f.Of == nil {
		switch f.Value.Unit {
		case evidence.SecPerSec:
			return []float64{n * seconds * 1e9}
		case evidence.PerSecond, evidence.BytesPerSec:
			return []float64{n * seconds}
		}
		return []float64{n}
	}
	switch of := f.Of.Number; {
	case f.Value.Unit == evidence.PerSecond || f.Value.Unit == evidence.BytesPerSec:
		return []float64{n * of / 1e9}
	case f.Value.Unit != evidence.Share:
		return []float64{n}
	case strings.HasPrefix(f.Of.What.String(), "processors"):
		return []float64{n * of * seconds * 1e9}
	default:
		return []float64{n * of}
	}
}

// profiles are the profiles of a case as pprof reads them.
type profiles struct {
	dir  string
	read map[string]*profile.Profile
}

func (p *profiles) open(name string) (*profile.Profile, error) {
	if was := p.read[name]; was != nil {
		return was.Copy(), nil
	}
	f, err := os.Open(filepath.Join(p.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got, err := profile.Parse(f)
	if err != nil {
		return nil, err
	}
	got.RemoveUninteresting()
	p.read[name] = got
	return got.Copy(), nil
}

func (p *profiles) seconds(args []string) float64 {
	if got, err := p.open(args[len(args)-1]); err == nil {
		return float64(got.DurationNanos) / 1e9
	}
	return 0
}

// printed is the numbers that a command shows: of -peek what the functions it matches have
// with what they call and have themselves, each and as a sum, of -top what the functions have themselves and all together.
func (p *profiles) printed(args []string) ([]float64, error) {
	got, err := p.open(args[len(args)-1])
	if err != nil {
		return nil, err
	}
	var focus, ignore, hide, show, peek *regexp.Regexp
	patterns := map[string]**regexp.Regexp{"-focus": &focus, "-ignore": &ignore, "-hide": &hide, "-show": &show, "-peek": &peek}
	index, top, traces, mean, tags, lines := "", false, false, false, false, false
	least, most := int64(0), int64(math.MaxInt64)
	for i := 0; i < len(args)-1; i++ {
		name, value, joined := strings.Cut(args[i], "=")
		pattern := patterns[name]
		if pattern != nil {
			if !joined {
				i++
				value = args[i]
			}
			if *pattern, err = regexp.Compile(value); err != nil {
				return nil, err
			}
			continue
		}
		switch name {
		case "-top":
			top = true
		case "-traces":
			traces = true
		case "-lines":
			lines = true
		case "-mean":
			mean = true
		case "-tags":
			tags = true
		case "-tagfocus":
			from, to, _ := strings.Cut(value, ":")
			if _, err := fmt.Sscanf(from, "%db", &least); err != nil {
				return nil, err
			}
			if _, err := fmt.Sscanf(to, "%db", &most); to != "" && err != nil {
				return nil, err
			}
		case "-sample_index":
			index = value
		case "-diff_base":
			base, err := p.open(value)
			if err != nil {
				return nil, err
			}
			base.Scale(-1)
			if got, err = profile.Merge([]*profile.Profile{got, base}); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("the test does not know the option %s", name)
		}
	}
	column := slices.IndexFunc(got.SampleType, func(v *profile.ValueType) bool { return v.Type == index })
	if column < 0 {
		return nil, fmt.Errorf("the profile has no column %q", index)
	}
	if matched, _, _, _ := got.FilterSamplesByName(focus, ignore, hide, show); !matched {
		return nil, fmt.Errorf("-focus matches nothing")
	}
	// Mean values are divided by the first column, as pprof -mean divides.
	type sum struct{ value, by int64 }
	number := func(s sum) float64 {
		switch {
		case !mean:
			return float64(s.value)
		case s.by == 0:
			return 0
		}
		return float64(s.value) / float64(s.by)
	}
	by, own := map[string]*sum{}, map[string]*sum{}
	var single []float64
	sizes := map[int64]bool{}
	var all, matched sum
	for _, s := range got.Sample {
		size := append(s.NumLabel["bytes"], 0)[0]
		if size < least || size > most {
			continue
		}
		sizes[size] = true
		v := sum{s.Value[column], s.Value[0]}
		all.value, all.by = all.value+v.value, all.by+v.by
		single = append(single, number(v))
		seen, found := map[string]bool{}, false
		for i, l := range s.Location {
			for j, line := range l.Line {
				name := line.Function.Name
				if lines {
					name = fmt.Sprintf("%s %s:%d", name, line.Function.Filename, line.Line)
				}
				if seen[name] || peek != nil && !peek.MatchString(name) || top && (i > 0 || j > 0) {
					continue
				}
				seen[name], found = true, true
				if by[name] == nil {
					by[name] = &sum{}
				}
				by[name].value += v.value
				by[name].by += v.by
				if i == 0 && j == 0 {
					if own[name] == nil {
						own[name] = &sum{}
					}
					own[name].value += v.value
					own[name].by += v.by
				}
			}
		}
		if found {
			matched.value, matched.by = matched.value+v.value, matched.by+v.by
		}
	}
	if tags {
		// A list, in which the sizes that were counted are among others.
		var out []float64
		for n := range len(sizes) {
			out = append(out, float64(n+1))
		}
		return out, nil
	}
	if traces {
		return single, nil
	}
	if len(by) == 0 {
		return nil, fmt.Errorf("no function matches")
	}
	out := []float64{number(matched)}
	if top {
		out = []float64{number(all)}
	}
	for _, sums := range []map[string]*sum{by, own} {
		for _, s := range sums {
			out = append(out, number(*s))
		}
	}
	slices.Sort(out)
	if len(out) > 12 {
		out = slices.Concat(out[:2], out[len(out)-10:])
	}
	return out, nil
}
