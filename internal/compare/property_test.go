package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"inquest/analyze/evidence"
)

// The properties below hold for whatever program is compared. Programs are made up at random: functions of different cost in a
// call tree of three levels, of which each run has as many samples as chance gives it.

// program is a made-up one: the mean samples of its functions in each run, by stack.
type program struct {
	stacks []string
	mean   []float64
}

func randomProgram(rng *rand.Rand) program {
	p := program{}
	for i := range 3 + rng.IntN(8) {
		stack := fmt.Sprintf("main.main>main.serve>main.f%d", i)
		if rng.IntN(3) == 0 {
			stack += ">strings.Index"
		}
		if rng.IntN(3) == 0 {
			stack = fmt.Sprintf("main.main>main.part%d>main.f%d", rng.IntN(3), i)
		}
		p.stacks, p.mean = append(p.stacks, stack), append(p.mean, math.Exp(4+4*rng.Float64()))
	}
	return p
}

// times returns the program with one of its functions so many times as dear.
func (p program) times(i int, factor float64) program {
	p.mean = slices.Clone(p.mean)
	p.mean[i] *= factor
	return p
}

// dearest is the function that costs most.
func (p program) dearest() int { return slices.Index(p.mean, slices.Max(p.mean)) }

// run is one run of the program, each function with the noise that counting samples has.
func (p program) run(rng *rand.Rand, id string) *evidence.Exhibit {
	var ticks []any
	for i, stack := range p.stacks {
		ticks = append(ticks, stack, max(0, int(math.Round(p.mean[i]+math.Sqrt(p.mean[i])*rng.NormFloat64()))))
	}
	return cpuRun(id, ticks...)
}

func (p program) runs(rng *rand.Rand, name string, n int) []*evidence.Exhibit {
	var out []*evidence.Exhibit
	for i := range n {
		out = append(out, p.run(rng, fmt.Sprint(name, i)))
	}
	return out
}

// mirror is the outcome that the sides the other way round must have.
var mirror = map[Outcome]Outcome{Pass: Pass, Inconclusive: Inconclusive, Regression: Improvement, Improvement: Regression}

// everyProgram runs a property on random programs, with one and with three runs a side.
func everyProgram(t *testing.T, property func(t *testing.T, rng *rand.Rand, p program, runs int)) {
	programs := uint64(40)
	if testing.Short() {
		programs = 8
	}
	for _, runs := range []int{1, 3} {
		for seed := range programs {
			t.Run(fmt.Sprintf("%d runs, seed %d", runs, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, uint64(runs)))
				property(t, rng, randomProgram(rng), runs)
			})
		}
	}
}

// TestSwappedSidesMirror: where one thing changed, the sides the other way round give the opposite verdict, and every number
// changes its place.
func TestSwappedSidesMirror(t *testing.T) {
	seen := map[Outcome]int{}
	everyProgram(t, func(t *testing.T, rng *rand.Rand, p program, runs int) {
		factor := []float64{0.4, 0.7, 1, 1.5, 3}[rng.IntN(5)]
		before, after := p.runs(rng, "a", runs), p.times(p.dearest(), factor).runs(rng, "b", runs)
		there := cpuMeasure(t, Compare(sideOf(1, before...), sideOf(1, after...), Options{}))
		back := cpuMeasure(t, Compare(sideOf(1, after...), sideOf(1, before...), Options{}))
		seen[there.Verdict]++
		if back.Verdict != mirror[there.Verdict] {
			t.Errorf("factor %v: %s (%s), and the other way round %s (%s)", factor, there.Verdict, there.Why, back.Verdict, back.Why)
		}
		if there.Runs.Before != back.Runs.After || there.Samples.Before != back.Samples.After {
			t.Errorf("runs %+v and %+v, samples %+v and %+v", there.Runs, back.Runs, there.Samples, back.Samples)
		}
		changes := map[string]Change{}
		for _, c := range back.Changes {
			changes[c.Function+" "+c.Reach] = c
		}
		for _, c := range append(there.Changes, there.Whole) {
			o, ok := changes[c.Function+" "+c.Reach]
			if c.Function == "" {
				o, ok = back.Whole, true
			}
			if !ok {
				continue // the list is of the worst
			}
			if c.Before != o.After || c.After != o.Before {
				t.Errorf("%s: %v to %v, and the other way round %v to %v", c.Function, c.Before, c.After, o.Before, o.After)
			}
			if c.Counts && o.Counts && c.Worse == o.Worse {
				t.Errorf("%s is worse %v both ways", c.Function, c.Worse)
			}
		}
	})
	for _, o := range []Outcome{Pass, Regression, Improvement} {
		if seen[o] == 0 {
			t.Errorf("no comparison was a %s: the property holds of nothing; %v", o, seen)
		}
	}
}

// TestItselfIsNoChange: the same files on both sides, in whatever order, are a pass, and no change counts.
func TestItselfIsNoChange(t *testing.T) {
	everyProgram(t, func(t *testing.T, rng *rand.Rand, p program, runs int) {
		side := p.runs(rng, "a", runs)
		other := slices.Clone(side)
		rng.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		r := Compare(sideOf(0, side...), sideOf(0, other...), Options{})
		if r.Verdict != Pass {
			t.Errorf("%s: %s", r.Verdict, r.Why)
		}
		for _, k := range r.Kinds {
			for _, m := range k.Measures {
				if c := counted(m); m.Verdict != Pass || c != "" {
					t.Errorf("%s: %s (%s), counts %q", m.Name, m.Verdict, m.Why, c)
				}
			}
		}
	})
}

// TestOrderOfFiles: runs are runs, whichever was named first.
func TestOrderOfFiles(t *testing.T) {
	everyProgram(t, func(t *testing.T, rng *rand.Rand, p program, runs int) {
		before, after := p.runs(rng, "a", runs), p.times(p.dearest(), 1.4).runs(rng, "b", runs)
		want := cpuMeasure(t, Compare(sideOf(1, before...), sideOf(1, after...), Options{}))
		for range 3 {
			for _, side := range [][]*evidence.Exhibit{before, after} {
				rng.Shuffle(len(side), func(i, j int) { side[i], side[j] = side[j], side[i] })
			}
			got := cpuMeasure(t, Compare(sideOf(1, before...), sideOf(1, after...), Options{}))
			if got.Verdict != want.Verdict || counted(got) != counted(want) || math.Abs(got.Whole.Effect-want.Whole.Effect) > 1e-9 {
				t.Errorf("%s %q %v, and in another order %s %q %v", want.Verdict, counted(want), want.Whole.Effect, got.Verdict, counted(got), got.Whole.Effect)
			}
		}
	})
}

// TestOperationsScale: what both sides did per operation does not depend on how operations are counted.
func TestOperationsScale(t *testing.T) {
	everyProgram(t, func(t *testing.T, rng *rand.Rand, p program, runs int) {
		before, after := p.runs(rng, "a", runs), p.times(p.dearest(), 0.5+2*rng.Float64()).runs(rng, "b", runs)
		want := cpuMeasure(t, Compare(sideOf(1000, before...), sideOf(1000, after...), Options{}))
		for _, ops := range []float64{1e-3, 7, 1e9} {
			got := cpuMeasure(t, Compare(sideOf(ops, before...), sideOf(ops, after...), Options{}))
			if got.Verdict != want.Verdict || counted(got) != counted(want) || math.Abs(got.Whole.Effect-want.Whole.Effect) > 1e-9 {
				t.Errorf("of 1000 operations %s %q %v, of %v %s %q %v", want.Verdict, counted(want), want.Whole.Effect, ops, got.Verdict, counted(got), got.Whole.Effect)
			}
		}
	})
}

// weight orders outcomes by how bad they are for who made the change.
func weight(o Outcome) int {
	return slices.Index([]Outcome{Improvement, Pass, Inconclusive, Regression}, o)
}

// TestMoreIsNeverLess: of two planted changes to one function, the larger is never judged the weaker.
func TestMoreIsNeverLess(t *testing.T) {
	factors := []float64{1, 1.05, 1.1, 1.2, 1.35, 1.5, 2, 4, 20}
	found := 0
	everyProgram(t, func(t *testing.T, rng *rand.Rand, p program, runs int) {
		before, noise := p.runs(rng, "a", runs), rng.Uint64()
		last, i := -1, p.dearest()
		for _, factor := range factors {
			// The same noise for each, so that the change alone differs.
			after := p.times(i, factor).runs(rand.New(rand.NewPCG(noise, 1)), "b", runs)
			m := cpuMeasure(t, Compare(sideOf(1, before...), sideOf(1, after...), Options{}))
			if w := weight(m.Verdict); w < last {
				t.Errorf("%v times the cost of %s is %s (%s), less than what was said of less", factor, p.stacks[i], m.Verdict, m.Why)
			} else {
				last = w
			}
		}
		if last == weight(Regression) {
			found++
		} else {
			t.Errorf("twenty times the cost of %s, of %v, is no regression", p.stacks[i], p.mean)
		}
	})
	if found == 0 {
		t.Error("nothing was found")
	}
}
