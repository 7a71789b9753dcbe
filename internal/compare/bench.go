package compare

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Benchmarks are the numbers of go test -bench on one side.
type Benchmarks struct {
	values     map[benchKey][]float64
	iterations map[string][]float64 // per benchmark, one per line
	units      benchfmt.UnitMetadataMap
	lines      int
}

type benchKey struct{ name, unit string }

// Benchmark is one benchmark's number on both sides.
type Benchmark struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"` // as benchmarks spell it: sec/op, B/op, allocs/op
	Verdict Outcome `json:"verdict"`
	Before  float64 `json:"before"` // median
	After   float64 `json:"after"`
	Lows    Pair    `json:"lows"` // of the interval of each median
	Highs   Pair    `json:"highs"`
	Runs    Counts  `json:"runs"`
	Effect  float64 `json:"effect"` // (after-before)/before
	P       float64 `json:"p"`
	Q       float64 `json:"q"`
	// Detectable is the smallest change that would have been seen four times of five, as a part; 0 where numbers repeat exactly.
	Detectable float64 `json:"detectable"`
	// RunsNeeded is how many runs a side it takes to see a change of the least size that counts.
	RunsNeeded int64        `json:"runs_needed"`
	Warnings   []claim.Text `json:"warnings"`
}

// Number writes a number in the benchmark's unit.
func (b *Benchmark) Number(n float64) claim.Text {
	of := func(u evidence.Unit, n float64) claim.Text {
		return claim.Textf("%s", evidence.Quantity{Number: n, Unit: u})
	}
	switch b.Unit {
	case "sec/op":
		return of(evidence.Nanoseconds, n*1e9)
	case "B/op":
		return of(evidence.Bytes, n)
	case "B/s":
		return of(evidence.BytesPerSec, n)
	case "allocs/op":
		return of(evidence.Count, n)
	}
	return claim.Said(benchunit.Scale(n, benchunit.ClassOf(b.Unit)))
}

// What names what the benchmark's number is.
func (b *Benchmark) What() claim.Text {
	switch b.Unit {
	case "sec/op":
		return "time per operation"
	case "B/op":
		return "bytes per operation"
	case "allocs/op":
		return "allocations per operation"
	case "B/s":
		return "throughput"
	}
	return claim.Said(b.Unit)
}

// Short is the benchmark's name without its package, nor the number of processors at its end.
func (b *Benchmark) Short() string {
	name := b.Name
	if i := strings.Index(name, ".Benchmark"); i >= 0 {
		name = name[i+1:]
	}
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	return name
}

// benchmarkKind is the kind of the numbers of benchmarks.
const benchmarkKind = "benchmark"

// levelBench is that of benchstat.
const levelBench = 0.05

// Bounds of benchmark output.
const (
	maxBenchLines = 200_000
	maxBenchNames = 5_000
)

// mostBench is more than any benchmark measures, in any unit: 30 million years in seconds.
const mostBench = 1e15

// neverNegative are the units of package testing, as benchfmt has them.
var neverNegative = []string{"sec/op", "B/op", "allocs/op", "B/s"}

// Read adds one file of output of go test -bench.
func (b *Benchmarks) Read(name string, in io.Reader) error {
	if b.values == nil {
		b.values, b.iterations = map[benchKey][]float64{}, map[string][]float64{}
	}
	r := benchfmt.NewReader(in, name)
	for r.Scan() {
		res, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue // a line that is no result: benchmarks print what they like
		}
		if b.lines++; b.lines > maxBenchLines {
			return fmt.Errorf("%s: more than %d results", name, maxBenchLines)
		}
		full := "Benchmark" + string(res.Name)
		if pkg := res.GetConfig("pkg"); pkg != "" {
			full = pkg + "." + full
		}
		b.iterations[full] = append(b.iterations[full], float64(res.Iters))
		for _, v := range res.Values {
			key := benchKey{full, v.Unit}
			if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || len(b.values) >= maxBenchNames && b.values[key] == nil {
				continue
			}
			if v.Value > mostBench || v.Value < -mostBench || v.Value < 0 && slices.Contains(neverNegative, v.Unit) {
				return fmt.Errorf("%s: %s: %g %s cannot have been measured", name, full, v.Value, v.Unit)
			}
			b.values[key] = append(b.values[key], v.Value)
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	b.units = r.Units()
	return nil
}

// Empty reports whether no result was read.
func (b *Benchmarks) Empty() bool { return b == nil || len(b.values) == 0 }

// Ops is how many operations the results stand for in all.
func (b *Benchmarks) Ops() float64 {
	sum := 0.0
	for _, all := range b.iterations {
		for _, n := range all {
			sum += n
		}
	}
	return sum
}

// Results is how many lines of results were read.
func (b *Benchmarks) Results() int {
	if b == nil {
		return 0
	}
	return b.lines
}

// SameOne reports whether both sides ran one and the same benchmark: the
// operations of several are not of one kind.
func (b *Benchmarks) SameOne(o *Benchmarks) bool {
	if b.Empty() || o.Empty() || len(b.iterations) != 1 || len(o.iterations) != 1 {
		return false
	}
	for name := range b.iterations {
		return o.iterations[name] != nil
	}
	return false
}

// better is 1 when more of a unit is good, and -1 when less is.
func (b *Benchmarks) better(unit string) int {
	if d := b.units.GetBetter(unit); d != 0 {
		return d
	}
	if strings.HasSuffix(unit, "/s") || strings.HasSuffix(unit, "/sec") {
		return 1
	}
	return -1
}

// compareBenchmarks compares numbers of benchmarks as benchstat does, with a
// correction for how many there are.
func compareBenchmarks(before, after *Benchmarks, opt Options) (k Kind, out []Benchmark, ok bool) {
	if before.Empty() && after.Empty() {
		return k, nil, false
	}
	k = Kind{Kind: benchmarkKind, Verdict: Inconclusive, Record: "go test -run '^$' -bench . -count 10"}
	if before.Empty() || after.Empty() {
		side := claim.Text("before")
		if after.Empty() {
			side = "after"
		}
		k.Why = claim.Textf("there is no benchmark output on the %s side", side)
		return k, nil, true
	}
	var keys []benchKey
	only := 0
	for key := range before.values {
		if after.values[key] != nil {
			keys = append(keys, key)
		} else {
			only++
		}
	}
	for key := range after.values {
		if before.values[key] == nil {
			only++
		}
	}
	slices.SortFunc(keys, func(a, b benchKey) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.unit, b.unit)) })
	if len(keys) == 0 {
		k.Why = "no benchmark is on both sides"
		return k, nil, true
	}
	thresholds := benchmath.DefaultThresholds
	for _, key := range keys {
		a, b := benchmath.NewSample(slices.Clone(before.values[key]), &thresholds), benchmath.NewSample(slices.Clone(after.values[key]), &thresholds)
		var assume benchmath.Assumption = benchmath.AssumeNothing
		if exact(a.Values) && exact(b.Values) && !strings.HasPrefix(key.unit, "sec") && !strings.HasPrefix(key.unit, "ns") {
			assume = benchmath.AssumeExact // counts of allocations, which repeat to the last
		}
		sa, sb := assume.Summary(a, 0.95), assume.Summary(b, 0.95)
		res := assume.Compare(a, b)
		x := Benchmark{
			Name: key.name, Unit: key.unit, Before: sa.Center, After: sb.Center, Verdict: Pass,
			Lows: Pair{finite(sa.Lo, sa.Center), finite(sb.Lo, sb.Center)}, Highs: Pair{finite(sa.Hi, sa.Center), finite(sb.Hi, sb.Center)},
			Runs: Counts{int64(len(a.Values)), int64(len(b.Values))}, P: res.P,
		}
		if assume == benchmath.AssumeExact && sa.Center == sb.Center {
			x.P = 1
		}
		if x.Before != 0 {
			x.Effect = (x.After - x.Before) / x.Before
		}
		if assume != benchmath.AssumeExact {
			x.Detectable, x.RunsNeeded = visible(a.Values, b.Values, opt.MinEffect)
			if least(len(a.Values), len(b.Values)) > levelBench {
				x.Warnings = append(x.Warnings, "too few runs for any difference to be told from noise: four per side are the least, ten are good")
				x.Verdict = Inconclusive
			}
		}
		out = append(out, x)
	}
	correct(out)
	few, noisy, needed := 0, 0, int64(0)
	for i := range out {
		x := &out[i]
		switch {
		case x.Verdict == Inconclusive:
			few++
		case x.Q <= levelBench && x.After != x.Before && math.Abs(x.After-x.Before) >= opt.MinEffect*math.Abs(x.Before):
			x.Verdict = Regression
			better := (x.After > x.Before) == (before.better(x.Unit) > 0)
			if better {
				x.Verdict = Improvement
			}
			k.reasons = append(k.reasons, Reason{
				Rank: rankOfUnit(x.Unit), Better: better, Size: sizeOf(x.Before, x.After),
				Says: claim.Textf("%s in %s %s from %s to %s (%s)", x.What(), claim.Func(x.Short()), rises(x), x.Number(x.Before), x.Number(x.After), signed(x.Effect)),
			})
		case x.Detectable > opt.MinEffect:
			// That no change was seen says nothing where none could have been.
			x.Verdict = Inconclusive
			x.Warnings = append(x.Warnings, claim.Textf("runs differ too much to see %s: it takes %s", evidence.Of(opt.MinEffect, evidence.Share), RunsWords(x.RunsNeeded)))
			noisy++
			needed = max(needed, x.RunsNeeded)
		}
	}
	k.Verdict = ""
	if few > 0 {
		k.undecided = append(k.undecided, claim.Textf("too few runs of %s for any difference to be told from noise: four per side are the least, ten are good", evidence.Things(few, "number")))
	}
	if noisy > 0 {
		k.undecided = append(k.undecided, claim.Textf("cannot tell a change of %s of %s: runs differ too much; it takes %s", evidence.Of(opt.MinEffect, evidence.Share), evidence.Things(noisy, "number"), RunsWords(needed)))
	}
	if len(k.undecided) == 0 {
		k.Record = ""
	}
	k.reach(few+noisy < len(out))
	if k.Verdict == Pass {
		k.Why = claim.Textf("no change of %s or more in %s", evidence.Of(opt.MinEffect, evidence.Share), evidence.Things(len(out), "number"))
	}
	if only > 0 {
		k.Why += claim.Textf("; %s on one side only", evidence.Things(only, "number"))
	}
	return k, out, true
}

// rankOfUnit is how much a change of a benchmark's number matters: bytes and allocations are a cost, time and throughput what
// who calls it experiences.
func rankOfUnit(unit string) Rank {
	if unit == "B/op" || unit == "allocs/op" {
		return RankCost
	}
	return RankOperations
}

// visible is the change, as a part, that runs which differ so would show four times of five, and how many runs a side it takes to
// show one of effect; 0 where no number would.
func visible(a, b []float64, effect float64) (change float64, runs int64) {
	n, m := float64(len(a)), float64(len(b))
	center := math.Abs(mean(a))
	if n+m <= 2 || center == 0 {
		return 0, 0
	}
	spread := math.Sqrt(((n-1)*variance(a) + (m-1)*variance(b)) / (n + m - 2))
	const sure = 1.96 + 0.84 // one of twenty by chance, four of five found
	// The rank test needs some runs more than Student's (its efficiency is 3/π).
	unit := sure * spread / center * math.Sqrt(math.Pi/3)
	need := 2 * (unit / effect) * (unit / effect)
	return unit * math.Sqrt(1/n+1/m), int64(min(max(math.Ceil(need), 4), mostRuns))
}

// mostRuns is more than anybody makes.
const mostRuns = 10_000

// RunsWords says how many runs a side it takes.
func RunsWords(n int64) claim.Text {
	if n >= mostRuns {
		return "more runs than can be made"
	}
	return claim.Textf("%d runs a side", n)
}

func rises(x *Benchmark) claim.Text {
	if x.After > x.Before {
		return "rose"
	}
	return "fell"
}

// least is the smallest p that a two-sided rank test of n against m can give.
func least(n, m int) float64 {
	ways := 1.0
	for i := range n {
		ways *= float64(n+m-i) / float64(i+1)
	}
	return 2 / ways
}

func exact(values []float64) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

func finite(v, otherwise float64) float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return otherwise
	}
	return v
}

// correct applies Benjamini and Hochberg's correction.
func correct(all []Benchmark) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[a].P, all[b].P) })
	q := 1.0
	for i := len(order) - 1; i >= 0; i-- {
		q = min(q, all[order[i]].P*float64(len(order))/float64(i+1))
		all[order[i]].Q = q
	}
}
