package compare

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// Levels of the tests. With one run a side the variation between runs is not in
// the test, so more is asked of it.
const (
	levelRuns     = 0.05
	levelSampling = 0.01
)

// entry is one number that is tested: a function's own cost, its cost with
// callees, or the whole.
type entry struct {
	id       int // of the function; -1 for the whole
	cum      bool
	x        [2][]float64 // per side and run
	variance [2]float64   // that sampling adds to one run, mean over the side's runs
	counts   [2]float64   // sampled events, all runs together; 0 when unknown

	mean  [2]float64
	delta float64
	se    float64
	t     float64
	p, q  float64 // one-sided, in the direction of delta
	gap   float64 // how far two runs of one side are apart on average
}

func (e *entry) runs() [2]int { return [2]int{len(e.x[0]), len(e.x[1])} }

// test fills in what sets the entries' change apart from noise.
//
// family is how many numbers beside these are tested in the same comparison: all of
// them together are to raise a false alarm in no more than one of twenty.
func test(entries []*entry, family int) (method string) {
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
	if min(n[0], n[1]) < 3 {
		for _, e := range entries {
			e.sampling()
		}
		adjust(entries)
		return Sampling
	}
	tails := permute(entries, n)
	adjust(entries)
	// Twenty deals cannot say more than one in twenty, which is too often when
	// several kinds of evidence are compared: Student's distribution must agree.
	dealt := make([][2]float64, len(entries))
	for i, e := range entries {
		dealt[i] = [2]float64{e.p, e.q}
		e.p = tails[i]
	}
	adjust(entries)
	for i, e := range entries {
		e.p = max(e.p, dealt[i][0])
		e.q = min(max(e.q*float64(max(family, 1)), dealt[i][1]), 1)
	}
	return Permutation
}

func levelOf(method string) float64 {
	if method == Permutation {
		return levelRuns
	}
	return levelSampling
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
		exposure := [2]float64{}
		for side := range exposure {
			if e.mean[side] > 0 {
				exposure[side] = c[side] / e.mean[side]
			}
		}
		for side := range exposure {
			if exposure[side] == 0 {
				exposure[side] = exposure[1-side]
			}
		}
		high := 1
		if e.delta < 0 {
			high = 0
		}
		e.p = max(e.p, binomialTail(c[high], c[0]+c[1], exposure[high]/(exposure[0]+exposure[1])))
	}
}

const exactBelow = 1000

// binomialTail is the probability of k or more of n at chance p.
func binomialTail(k, n, p float64) float64 {
	if k <= 0 {
		return 1
	}
	lg := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
	sum := 0.0
	for i := math.Ceil(k); i <= n; i++ {
		sum += math.Exp(lg(n+1) - lg(i+1) - lg(n-i+1) + i*math.Log(p) + (n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// permute tests by shuffling which run belongs to which side.
//
// Three runs a side can be dealt in 20 ways only, so one function alone could
// never pass a correction for many. The statistics of all functions under all deals
// are therefore pooled into one distribution of what chance does, as in SAM (Tusher,
// Tibshirani, Chu, PNAS 2001). To be comparable they are divided by a standard
// error that leans on the run-to-run variation of all functions together (Smyth 2004,
// "moderated t"): with three runs, a function's own is worth little.
//
// It returns what Student's distribution says of each.
func permute(entries []*entry, n [2]int) (tails []float64) {
	df := float64(n[0] + n[1] - 2)
	// How much more runs vary than sampling says.
	var over []float64
	for _, e := range entries {
		if v := e.expected(); v > 0 {
			over = append(over, e.pooled(nil)/v)
		}
	}
	factor := 1.0
	if len(over) > 0 {
		slices.Sort(over)
		// The median of chi-squared over its degrees of freedom (Wilson, Hilferty), and
		// what a few functions reach by chance alone: only more than that is overdispersion.
		chance := 1 + math.Sqrt(2/(df*float64(len(over))))
		factor = max(1, over[len(over)/2]/math.Pow(1-2/(9*df), 3)/chance)
	}
	// The closer runs vary as sampling says, the more its word counts.
	prior := leastPrior + mostPrior/factor
	spread := math.Sqrt(1/float64(n[0]) + 1/float64(n[1]))
	statistic := func(e *entry, deal []bool) float64 {
		sums, count := [2]float64{}, [2]float64{}
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
				sums[to] += x
				count[to]++
				i++
			}
		}
		delta := sums[1]/count[1] - sums[0]/count[0]
		v := (prior*factor*e.expected() + df*e.pooled(deal)) / (prior + df)
		if v <= 0 {
			return delta * math.Inf(1) // NaN for no change
		}
		return delta / (math.Sqrt(v) * spread)
	}
	for _, e := range entries {
		v := (prior*factor*e.expected() + df*e.pooled(nil)) / (prior + df)
		e.se = math.Sqrt(v) * spread
		e.t = statistic(e, nil)
		if math.IsNaN(e.t) {
			e.t = 0
		}
	}
	deals := deals(n)
	for _, sign := range []float64{1, -1} {
		var null []float64
		for _, e := range entries {
			// What clearly went the other way would, with the sides swapped, look like
			// chance going this way.
			if e.t*sign < -clearly {
				continue
			}
			for _, d := range deals {
				if t := statistic(e, d) * sign; !math.IsNaN(t) {
					null = append(null, t)
				} else {
					null = append(null, 0)
				}
			}
		}
		slices.Sort(null)
		for _, e := range entries {
			if e.t*sign <= 0 {
				continue
			}
			const slack = 1e-9 // sums in another order differ in the last bits
			i, _ := slices.BinarySearch(null, e.t*sign*(1-slack))
			e.p = float64(len(null)-i) / float64(len(null))
		}
	}
	student := stats.TDist{V: prior + df}
	for _, e := range entries {
		if e.t == 0 {
			e.p = 0.5
		}
		if math.IsInf(e.t, 0) {
			tails = append(tails, 0)
		} else {
			tails = append(tails, 1-student.CDF(math.Abs(e.t)))
		}
	}
	return tails
}

const (
	// Degrees of freedom that the variation expected of a function is worth.
	leastPrior = 4.0
	mostPrior  = 16.0
	clearly    = 4.0 // statistic of a change that nobody would call chance
)

// expected is the variance that sampling alone would give one run.
func (e *entry) expected() float64 {
	n := e.runs()
	return (e.variance[0]*float64(n[0]) + e.variance[1]*float64(n[1])) / float64(n[0]+n[1])
}

// pooled is the variance between the runs of a side, both sides together, with
// the runs dealt to sides as deal says.
func (e *entry) pooled(deal []bool) float64 {
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
			x -= e.mean[0]
			sum[to] += x
			square[to] += x * x
			count[to]++
			i++
		}
	}
	ss := 0.0
	for side := range sum {
		ss += max(square[side]-sum[side]*sum[side]/count[side], 0)
	}
	return ss / (count[0] + count[1] - 2)
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
				order[i].q = least
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
func (e *entry) interval(method string) Interval {
	if method != Permutation {
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
