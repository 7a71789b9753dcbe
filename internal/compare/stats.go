package compare

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
)

// Levels of the tests. With one run a side the variation between runs is not in
// the test, so more is asked of it.
const (
	levelRuns     = 0.04 // of all numbers of a comparison together: less than one of twenty, which leaves room for what theory does not know
	levelDealt    = 0.05 // of relabelling one number's runs alone: 20 deals can say no less
	levelSampling = 0.01
	lastBits      = 1e-12 // that a level may be missed by, for how sums are rounded
)

// entry is one number that is tested: a function's own cost, its cost with
// callees, or the whole.
type entry struct {
	id       int // of the function; -1 for the whole
	cum      bool
	x        [2][]float64 // per side and run
	variance [2]float64   // that sampling adds to one run, mean over the side's runs
	counts   [2]float64   // sampled events, all runs together; 0 when unknown
	exposure [2]float64   // events that one unit of the number would make, all runs together; known when counts are

	mean  [2]float64
	delta float64
	se    float64
	t     float64
	p, q  float64 // one-sided, in the direction of delta
	dealt float64 // p by relabelling the runs; 0 when that was not asked
	least float64 // q is no less, whatever the other numbers are
	gap   float64 // how far two runs of one side are apart on average

	usual float64 // variance of one run, by sampling theory and by what all numbers of the measure show
	known float64 // degrees of freedom that usual is worth; 0 for none
}

func (e *entry) runs() [2]int { return [2]int{len(e.x[0]), len(e.x[1])} }

// test fills in what sets the entries' change apart from noise, except for q.
//
// firm says that how much sampling alone makes runs differ is known, not supposed.
func test(entries []*entry, firm bool) (method string) {
	if len(entries) == 0 {
		return Sampling
	}
	n := entries[0].runs()
	for _, e := range entries {
		for side, x := range e.x {
			e.mean[side] = mean(x)
		}
		e.delta = e.mean[1] - e.mean[0]
		e.gap = max(gap(e.x[0]), gap(e.x[1]))
	}
	if min(n[0], n[1]) < severalRuns {
		for _, e := range entries {
			e.sampling()
		}
		return Sampling
	}
	if !moderate(entries, firm) {
		return Moderated
	}
	deals := deals(n)
	for _, e := range entries {
		if e.dealt = e.permute(deals); e.dealt > levelDealt+lastBits {
			e.least = 1
		}
	}
	return Permutation
}

func levelOf(method string) float64 {
	if method == Sampling {
		return levelSampling
	}
	return levelRuns
}

// sampling tests by what sampling theory says of the counts alone, and by the
// difference between the runs where there are two.
func (e *entry) sampling() {
	n := e.runs()
	v := [2]float64{}
	for side := range v {
		v[side] = max(e.variance[side], variance(e.x[side])) / float64(n[side])
	}
	e.se = math.Sqrt(v[0] + v[1])
	switch {
	case e.delta == 0:
		e.p = 0.5
	case e.se == 0:
		e.p, e.t = 0, math.Copysign(math.Inf(1), e.delta)
	default:
		e.t = e.delta / e.se
		e.p = normalTail(math.Abs(e.t))
	}
	if c := e.counts; c[0]+c[1] > 0 && c[0]+c[1] < exactBelow && e.delta != 0 {
		// Given how many were sampled in all, the number on one side is binomial: exact
		// where the normal curve is not.
		high := 1
		if e.delta < 0 {
			high = 0
		}
		e.p = max(e.p, binomialTail(c[high], c[0]+c[1], e.exposure[high]/(e.exposure[0]+e.exposure[1])))
	}
}

const exactBelow = 1000

// binomialTail is the probability of k or more of n at chance p. The counts may be off in their last bits.
func binomialTail(k, n, p float64) float64 {
	k, n = math.Round(k), math.Round(n)
	if k <= 0 {
		return 1
	}
	lg := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(lg(n+1) - lg(i+1) - lg(n-i+1) + i*math.Log(p) + (n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// moderate tests by Student's t with a standard error that leans on what sampling
// theory expects and on how the runs of all functions together differ from it: with
// three runs, the variation between a function's own is worth little (Smyth 2004,
// "moderated t"; Robinson and Smyth 2007 for counts).
//
// It reports whether that is not enough, because the runs differ by more than
// sampling makes them: then the shape of the noise is not known.
func moderate(entries []*entry, firm bool) (unsure bool) {
	n := entries[0].runs()
	df := float64(n[0] + n[1] - 2)
	// How much more runs vary than sampling says.
	var over []float64
	for _, e := range entries {
		if v := e.expected(); v > 0 && e.id >= 0 && !e.cum {
			over = append(over, e.pooled()/v)
		}
	}
	factor, unsure := 1.0, !firm
	if len(over) > 0 {
		slices.Sort(over)
		median := (over[(len(over)-1)/2] + over[len(over)/2]) / 2
		// The median of chi-squared over its degrees of freedom (Wilson, Hilferty), and
		// what a few functions reach by chance alone: only more than that is overdispersion.
		chance := 1 + math.Sqrt(2/(df*float64(len(over))))
		factor = max(1, median/math.Pow(1-2/(9*df), 3)/chance)
		unsure = unsure || factor > chance
	}
	for _, e := range entries {
		e.usual, e.known = factor*e.expected(), leastPrior+mostPrior/factor
		own := e.pooled()
		if !firm || e.usual == 0 || mathx.BetaInc(e.known*e.usual/(e.known*e.usual+df*own), e.known/2, df/2) < odd {
			e.known = 0 // it differs from run to run as nothing foretells: only its own runs count
		}
		e.se = e.standard(own)
		switch {
		case e.delta == 0:
			e.t, e.p = 0, 0.5
		case e.se == 0:
			e.t, e.p = math.Copysign(math.Inf(1), e.delta), 0
		default:
			e.t = e.delta / e.se
			e.p = 1 - stats.TDist{V: e.known + df}.CDF(math.Abs(e.t))
		}
	}
	return unsure
}

const (
	// Degrees of freedom that the variation usual in a measure is worth: the closer runs
	// vary as sampling says, the more.
	leastPrior = 4.0
	mostPrior  = 16.0
	odd        = 0.01 // chance at which a function is no more taken to vary as others do
	clearly    = 4.0  // statistic of a change that nobody would call chance
)

// permute is the part of the deals of runs to sides under which the number would
// have changed as clearly, in the same direction. Three runs a side can be dealt in 20
// ways, so alone it says no more than one in twenty; what it adds is that it does
// not care for the shape of the noise.
func (e *entry) permute(deals [][]bool) float64 {
	if e.t == 0 {
		return 1
	}
	as := 0
	for _, d := range deals {
		delta, pooled := e.split(d)
		t := math.Copysign(math.Inf(1), delta)
		if se := e.standard(pooled); se > 0 || delta == 0 {
			t = delta / max(se, math.SmallestNonzeroFloat64)
		}
		const slack = 1e-9 // sums in another order differ in the last bits
		if t*math.Copysign(1, e.t) >= math.Abs(e.t)*(1-slack) {
			as++
		}
	}
	return float64(as) / float64(len(deals))
}

// expected is the variance that sampling alone would give one run.
func (e *entry) expected() float64 {
	n := e.runs()
	return (e.variance[0]*float64(n[0]) + e.variance[1]*float64(n[1])) / float64(n[0]+n[1])
}

// pooled is the variance between the runs of a side, both sides together.
func (e *entry) pooled() float64 {
	_, v := e.split(nil)
	return v
}

// standard is the standard error of delta, when runs of a side have a variance of pooled.
func (e *entry) standard(pooled float64) float64 {
	n := e.runs()
	df := float64(n[0] + n[1] - 2)
	v := (e.known*e.usual + df*pooled) / (e.known + df)
	return math.Sqrt(v * (1/float64(n[0]) + 1/float64(n[1])))
}

// split deals the runs to sides, those marked to the after side, and returns how far
// the sides are apart and the variance within them. A nil deal is the true one.
func (e *entry) split(deal []bool) (delta, pooled float64) {
	var sum, square, count [2]float64
	i := 0
	for side := range e.x {
		for _, x := range e.x[side] {
			to := side
			if deal != nil {
				to = 0
				if deal[i] {
					to = 1
				}
			}
			x -= e.mean[0] // small numbers lose nothing when squared
			sum[to] += x
			square[to] += x * x
			count[to]++
			i++
		}
	}
	within := 0.0
	for side := range sum {
		within += max(square[side]-sum[side]*sum[side]/count[side], 0)
	}
	return sum[1]/count[1] - sum[0]/count[0], within / (count[0] + count[1] - 2)
}

// maxDeals is how many ways to deal runs to sides are looked at.
const maxDeals = 1000

// deals lists the ways to choose which runs are the after side's: all of them, or
// maxDeals drawn with a fixed seed. The true one is always among them.
func deals(n [2]int) [][]bool {
	all := n[0] + n[1]
	ways := 1.0
	for i := range n[1] {
		ways *= float64(all-i) / float64(i+1)
	}
	truth := make([]bool, all)
	for i := n[0]; i < all; i++ {
		truth[i] = true
	}
	if ways > maxDeals {
		out := [][]bool{truth}
		rnd := rand.New(rand.NewPCG(1, 2))
		for len(out) < maxDeals {
			d := slices.Clone(truth)
			rnd.Shuffle(all, func(i, j int) { d[i], d[j] = d[j], d[i] })
			out = append(out, d)
		}
		return out
	}
	var out [][]bool
	deal := make([]bool, all)
	var choose func(from, left int)
	choose = func(from, left int) {
		if left == 0 {
			out = append(out, slices.Clone(deal))
			return
		}
		for i := from; i <= all-left; i++ {
			deal[i] = true
			choose(i+1, left-1)
			deal[i] = false
		}
	}
	choose(0, n[1])
	return out
}

// adjust applies Benjamini and Hochberg's correction for having tested many, to
// rises and falls each.
func adjust(entries []*entry) {
	for _, sign := range []float64{1, -1} {
		order := slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return e.t*sign < -clearly })
		for _, e := range order {
			if e.delta*sign > 0 {
				e.q = e.p
			}
		}
		// Those that went the other way are part of what was tested.
		p := func(e *entry) float64 {
			if e.delta*sign > 0 {
				return e.p
			}
			return 1
		}
		slices.SortStableFunc(order, func(a, b *entry) int { return cmp.Compare(p(a), p(b)) })
		least := 1.0
		for i := len(order) - 1; i >= 0; i-- {
			least = min(least, p(order[i])*float64(len(order))/float64(i+1))
			if order[i].delta*sign > 0 {
				order[i].q = max(least, order[i].least)
			}
		}
	}
	for _, e := range entries {
		if e.delta == 0 {
			e.p, e.q = 0.5, 1
		}
	}
}

// interval is where the true change lies in 95 of 100 cases.
func (e *entry) interval() Interval {
	if n := e.runs(); min(n[0], n[1]) < severalRuns {
		return Interval{e.delta - 1.96*e.se, e.delta + 1.96*e.se}
	}
	// The percentiles of resampled means, widened by what they lack with few runs
	// (Hesterberg 2015, "expanded percentile").
	rnd := rand.New(rand.NewPCG(3, 4))
	const draws = 1000
	deltas := make([]float64, draws)
	for i := range deltas {
		var m [2]float64
		for side, x := range e.x {
			for range x {
				m[side] += x[rnd.IntN(len(x))]
			}
			m[side] /= float64(len(x))
		}
		deltas[i] = m[1] - m[0]
	}
	slices.Sort(deltas)
	least := float64(min(len(e.x[0]), len(e.x[1])))
	widen := math.Sqrt(least / (least - 1))
	low := e.delta + (deltas[draws/40]-e.delta)*widen
	high := e.delta + (deltas[draws-1-draws/40]-e.delta)*widen
	// Runs that happen to be alike prove no more than sampling allows.
	floor := 1.96 * math.Sqrt(e.expected()*(1/float64(len(e.x[0]))+1/float64(len(e.x[1]))))
	return Interval{min(low, e.delta-floor), max(high, e.delta+floor)}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// variance is the sample variance; 0 for one value.
func variance(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(x)-1)
}

// gap is the mean distance between two of the values; 0 for one.
func gap(x []float64) float64 {
	sum, n := 0.0, 0
	for i := range x {
		for j := range i {
			sum += math.Abs(x[i] - x[j])
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
