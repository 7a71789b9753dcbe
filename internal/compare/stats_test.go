package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// obvious is Benjamini and Hochberg's correction as their paper puts it: the least,
// over all ranks from its own up, of p times how many there are over the rank.
func obvious(p []float64) []float64 {
	sorted := slices.Sorted(slices.Values(p))
	q := make([]float64, len(p))
	for i := range p {
		q[i] = 1
		for j, v := range sorted {
			if v >= p[i] {
				q[i] = min(q[i], v*float64(len(p))/float64(j+1))
			}
		}
	}
	return q
}

func TestAdjust(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		n := 1 + rnd.IntN(12)
		entries := make([]*entry, n)
		rises, falls := make([]float64, n), make([]float64, n)
		for i := range entries {
			// What goes the other way is part of what was tested, and proves nothing.
			e := &entry{delta: 1, t: 1, p: rnd.Float64() / 4}
			rises[i], falls[i] = e.p, 1
			if rnd.IntN(3) == 0 {
				e.delta, e.t = -1, -1
				rises[i], falls[i] = 1, e.p
			}
			entries[i] = e
		}
		adjust(entries)
		up, down := obvious(rises), obvious(falls)
		for i, e := range entries {
			want := up[i]
			if e.delta < 0 {
				want = down[i]
			}
			if math.Abs(e.q-want) > 1e-12 {
				t.Fatalf("q %g of p %g, want %g", e.q, e.p, want)
			}
		}
	}
}

func TestAdjustHoldsTo(t *testing.T) {
	relabelled := &entry{delta: 1, t: 9, p: 1e-6, least: 1}
	adjust([]*entry{relabelled, {delta: 1, t: 1, p: 0.3}})
	if relabelled.q != 1 {
		t.Errorf("q %g although relabelling the runs said no", relabelled.q)
	}
	benchmarks := []Benchmark{{P: 0.01}, {P: 0.04}, {P: 0.03}}
	correct(benchmarks)
	for i, want := range obvious([]float64{0.01, 0.04, 0.03}) {
		if math.Abs(benchmarks[i].Q-want) > 1e-12 {
			t.Errorf("q %g of p %g, want %g", benchmarks[i].Q, benchmarks[i].P, want)
		}
	}
}

// TestCalibration draws runs without any difference and asks how often p is small.
func TestCalibration(t *testing.T) {
	for _, c := range []struct {
		name  string
		over  float64 // variance over what sampling says
		firm  bool
		heavy bool // now and then a run is far off
	}{
		{"as sampling says", 1, true, false},
		{"runs differ more", 6, true, false},
		{"runs differ less", 0.3, true, false},
		{"nothing is known", 6, false, false},
		{"a run far off", 1, true, true},
	} {
		rnd := rand.New(rand.NewPCG(7, 7))
		small, alarms := 0, 0
		const trials, functions = 1500, 6
		for range trials {
			entries := make([]*entry, functions)
			for i := range entries {
				const variance = 100
				e := &entry{variance: [2]float64{variance, variance}}
				for side := range e.x {
					for range 3 {
						x := 1000 + rnd.NormFloat64()*math.Sqrt(variance*c.over)
						if c.heavy && rnd.IntN(12) == 0 {
							x += 80
						}
						e.x[side] = append(e.x[side], x)
					}
				}
				entries[i] = e
			}
			test(entries, c.firm)
			adjust(entries)
			alarm := false
			for _, e := range entries {
				if e.p <= 0.01 {
					small++
				}
				alarm = alarm || e.q <= 0.05 && e.delta > 0
			}
			if alarm {
				alarms++
			}
		}
		// p is one-sided in the direction that the runs went, so twice as often.
		if part := float64(small) / trials / functions; part > 0.026 {
			t.Errorf("%s: p is at most 1 %% in %.1f %% of all", c.name, 100*part)
		}
		if part := float64(alarms) / trials; part > 0.065 {
			t.Errorf("%s: a false alarm in %.1f %%", c.name, 100*part)
		}
	}
}

func TestDeals(t *testing.T) {
	for _, c := range []struct {
		n    [2]int
		want int
	}{{[2]int{3, 3}, 20}, {[2]int{3, 4}, 35}, {[2]int{5, 5}, 252}, {[2]int{7, 7}, maxDeals}} {
		all := deals(c.n)
		if len(all) != c.want {
			t.Errorf("%v: %d deals, want %d", c.n, len(all), c.want)
		}
		truth := 0
		for _, d := range all {
			after := 0
			for _, a := range d {
				if a {
					after++
				}
			}
			if after != c.n[1] {
				t.Fatalf("%v: a deal of %d to the after side", c.n, after)
			}
			if !slices.Contains(d[:c.n[0]], true) {
				truth++
			}
		}
		if truth == 0 {
			t.Errorf("%v: the true deal is not among them", c.n)
		}
	}
}

func TestPermute(t *testing.T) {
	apart := &entry{x: [2][]float64{{1, 2, 3}, {4, 5, 6}}}
	mixed := &entry{x: [2][]float64{{1, 2, 5}, {4, 3, 6}}}
	test([]*entry{apart}, false)
	test([]*entry{mixed}, false)
	if math.Abs(apart.dealt-0.05) > 1e-12 {
		t.Errorf("one of 20 deals is as extreme as runs wholly apart, got %g", apart.dealt)
	}
	if mixed.dealt <= 0.05 {
		t.Errorf("runs that overlap give %g", mixed.dealt)
	}
}

// TestSplit holds the one loop over deals to the plain formulas.
func TestSplit(t *testing.T) {
	e := &entry{x: [2][]float64{{1e9, 1e9 + 2, 1e9 + 4}, {1e9 + 5, 1e9 + 7}}}
	e.mean[0] = mean(e.x[0])
	delta, pooled := e.split(nil)
	want := (2*variance(e.x[0]) + variance(e.x[1])) / 3
	if math.Abs(delta-4) > 1e-6 || math.Abs(pooled-want) > 1e-6 {
		t.Errorf("delta %g and variance %g, want 4 and %g", delta, pooled, want)
	}
	delta, _ = e.split([]bool{true, true, false, false, false})
	if math.Abs(delta-(1e9+1-(1e9+16.0/3))) > 1e-6 {
		t.Errorf("delta %g of another deal", delta)
	}
}
