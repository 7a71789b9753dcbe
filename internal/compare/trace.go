package compare

import (
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Distribution is one kind of duration in execution traces on both sides.
type Distribution struct {
	Name    claim.Text `json:"name"` // such as "scheduling latency"
	Gates   bool       `json:"gates"`
	Verdict Outcome    `json:"verdict"`
	Why     claim.Text `json:"why"` // sentence
	Before  Quantiles  `json:"before"`
	After   Quantiles  `json:"after"`
	// Distance is the largest difference between the two cumulative distributions, 0 to 1.
	Distance float64 `json:"distance"`
	P        float64 `json:"p"` // of as large a distance, or of as large a change of the 99th percentile, by chance
	Method   string  `json:"method"`
}

// Quantiles are points of a distribution, in nanoseconds.
type Quantiles struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_ns"`
	P90   int64 `json:"p90_ns"`
	P99   int64 `json:"p99_ns"`
	Max   int64 `json:"max_ns"`
	Sum   int64 `json:"sum_ns"`
}

// compareTraces holds what execution traces sum up to, and how long things took in them, side by side.
func compareTraces(k *draft, a, b []*evidence.Exhibit, opt Options) {
	a, b = byTime(a), byTime(b)
	sides := [2][]*exectrace.Timeline{}
	for side, all := range [2][]*evidence.Exhibit{a, b} {
		for _, e := range all {
			if e.Trace().Duration < shortest {
				k.Verdict, k.Why = Inconclusive, claim.Textf("%s covers %s only", e.ID, evidence.Duration(e.Trace().Duration))
				k.Record = "record a second or more: inquest capture http://HOST:PORT --only trace --seconds 5 -o DIR"
				return
			}
			sides[side] = append(sides[side], e.Trace())
		}
	}
	for _, s := range scalars {
		m := &Measure{Name: s.q.name, Per: "second", Gates: s.q.gates}
		c := &comparison{q: s.q, base: basis{"second", s.q.unit, 1}, names: newNames(opt.Rename), opt: opt, m: m, work: opt.work, load: s.absolute}
		for side, all := range sides {
			for _, t := range all {
				c.runs[side] = append(c.runs[side], s.of(t, c.names, side))
			}
		}
		c.atEqualWork()
		c.test()
		k.parts = append(k.parts, c)
	}
	k.durations = durations(sides)
	for _, d := range k.durations {
		d.work = opt.work
	}
	for _, d := range k.durations {
		d.test()
	}
}

// shortest is the length below which a trace is a glimpse.
const shortest = 200 * time.Millisecond

// scalar is a number that a trace sums up to.
type scalar struct {
	q        quantity
	absolute bool // does not grow with the work done
	of       func(t *exectrace.Timeline, n *names, side int) run
}

var scalars = []scalar{
	{quantity{name: "waiting for locks", unit: evidence.SecPerSec, floor: 0.05, least: 0.5, gates: true, rank: RankOperations, grows: beyondAll, rate: true}, false,
		func(t *exectrace.Timeline, n *names, side int) run {
			return waits(t, n, side, func(c wait.Class) bool {
				return c == wait.Mutex || c == wait.RWRead || c == wait.RWWrite
			})
		}},
	// Idle workers wait like busy ones here.
	{quantity{name: "waiting for channels, conditions and groups", unit: evidence.SecPerSec, floor: 0.05, least: 0.5}, false,
		func(t *exectrace.Timeline, n *names, side int) run {
			return waits(t, n, side, func(c wait.Class) bool {
				switch c {
				case wait.ChanSend, wait.ChanRecv, wait.Select, wait.Cond, wait.WaitGroup, wait.Sync:
					return true
				}
				return false
			})
		}},
	{quantity{name: "processor time of the garbage collector", unit: evidence.SecPerSec, floor: 0.05, least: 0.25, gates: true, rank: RankCost, grows: withWork, rate: true}, false,
		func(t *exectrace.Timeline, n *names, side int) run {
			spent := t.GCWork.Dedicated + t.GCWork.Fractional + t.GCWork.Idle + t.Sweep
			for _, a := range t.Assists {
				spent += a.Running
			}
			v := spent.Seconds() / t.Duration.Seconds()
			return lone(v, v*v*2/float64(max(t.CycleCount, 1)), int64(t.CycleCount))
		}},
	{quantity{name: "goroutines", unit: evidence.Count, floor: 100, least: 0.5, gates: true, rank: RankOperations, grows: beyondAll}, true,
		func(t *exectrace.Timeline, n *names, side int) run {
			sum := 0.0
			for i := range t.Windows {
				w := &t.Windows[i]
				sum += w.Running + w.Runnable + w.Waiting + w.Syscall
			}
			v := sum / float64(max(len(t.Windows), 1))
			return lone(v, v, int64(v))
		}},
}

// lone is a run of which only the whole is known.
func lone(v, variance float64, samples int64) run {
	return run{total: v, variance: variance, samples: samples, scale: 1}
}

// waits adds up waits by the site of the waiter, as seconds per second.
func waits(t *exectrace.Timeline, n *names, side int, takes func(wait.Class) bool) run {
	r := run{scale: 1}
	perSecond := 1 / t.Duration.Seconds()
	for i := range t.Waits {
		w := &t.Waits[i]
		if !takes(w.Class) || w.Total <= 0 {
			continue
		}
		site := w.Stack.Owner()
		if len(w.Stack) == 0 {
			site = stack.Site{Function: "[no stack]"}
		}
		id := n.id(side, &stack.Frame{Function: site.Function, File: site.File, Line: site.Line})
		v := w.Total.Seconds() * perSecond
		noise := 2 * v * v / float64(max(w.Count, 1))
		size := len(n.list)
		r.own, r.ownVar, r.cum, r.cumVar = grown(r.own, size), grown(r.ownVar, size), grown(r.cum, size), grown(r.cumVar, size)
		r.own[id] += v
		r.ownVar[id] += noise
		r.cum[id] += v
		r.cumVar[id] += noise
		r.total += v
		r.variance += noise
		r.samples += w.Count
	}
	return r
}

// duration is a kind of duration, one histogram per trace.
type duration struct {
	name    claim.Text
	floor   time.Duration // a 99th percentile below it never counts
	gates   bool
	sides   [2][]exectrace.Histogram
	windows [2]int64 // stretches of the traces that may be taken for independent

	work   scaling
	runs   *entry // the 99th percentiles of three or more traces a side; nil with fewer
	method string
}

// test tests the 99th percentiles where there are traces enough.
func (d *duration) test() {
	d.method = Sampling
	if min(len(d.sides[0]), len(d.sides[1])) < severalRuns {
		return
	}
	d.runs = &entry{}
	for side, hs := range d.sides {
		for i := range hs {
			d.runs.x[side] = append(d.runs.x[side], float64(hs[i].Quantile(0.99)))
		}
	}
	m := (mean(d.runs.x[0]) + mean(d.runs.x[1])) / 2
	d.runs.variance = [2]float64{m * m / 400, m * m / 400} // a twentieth: no quantile repeats better
	d.method = test([]*entry{d.runs}, false)
}

// durations collects the distributions that both sides have.
func durations(sides [2][]*exectrace.Timeline) []*duration {
	pauses := &duration{name: "stop-the-world pauses (effective)", floor: time.Millisecond, gates: true}
	latency := &duration{name: "scheduling latency", floor: time.Millisecond, gates: true}
	tasks := map[string]*duration{}
	for side, all := range sides {
		for _, t := range all {
			var h exectrace.Histogram
			for _, p := range t.Pauses {
				if !strings.HasSuffix(p.Reason, " trace") { // the tracer's own start and stop
					h.Add(p.Effective)
				}
			}
			pauses.sides[side] = append(pauses.sides[side], h)
			latency.sides[side] = append(latency.sides[side], t.Latency.Times)
			for _, task := range t.Tasks {
				d := tasks[task.Name]
				if d == nil {
					d = &duration{name: claim.Textf("task %s", claim.Said(task.Name)), floor: time.Millisecond, gates: true}
					tasks[task.Name] = d
				}
				d.sides[side] = append(d.sides[side], task.Times)
			}
			n := int64(max(len(t.Windows), 1))
			pauses.windows[side] += n
			latency.windows[side] += n
		}
	}
	out := []*duration{pauses, latency}
	var named []string
	for name, d := range tasks {
		if len(d.sides[0]) > 0 && len(d.sides[1]) > 0 {
			named = append(named, name)
		}
		d.windows = latency.windows
	}
	slices.Sort(named)
	for _, name := range first(named, maxTasks) {
		out = append(out, tasks[name])
	}
	return out
}

// maxTasks is how many task types are compared.
const maxTasks = 20

// A duration counts as changed when its 99th percentile changed by this factor:
// less between single traces is what two runs of one program differ by.
const (
	factorRuns   = 1.25
	factorSingle = 2
)

// judge reaches a verdict on what was tested.
func (d *duration) judge() Distribution {
	out := Distribution{Name: d.name, Gates: d.gates, Method: d.method}
	var all [2]exectrace.Histogram
	for side := range all {
		for i := range d.sides[side] {
			all[side].Merge(&d.sides[side][i])
		}
	}
	out.Before, out.After = quantiles(&all[0]), quantiles(&all[1])
	out.Distance = distance(&all[0], &all[1])
	factor := float64(factorSingle)
	level := levelSampling
	if d.runs != nil {
		out.P, factor, level = d.runs.q, factorRuns, levelRuns
	} else {
		// What happens within a tenth of a second has one cause: as many observations as windows.
		n := [2]float64{}
		for side := range n {
			n[side] = float64(min(all[side].Count, d.windows[side]))
		}
		out.P = kolmogorov(out.Distance, n[0], n[1])
	}
	was, is := float64(out.Before.P99), float64(out.After.P99)
	few := min(all[0].Count, all[1].Count) < claim.FewestDrawn
	changed := out.P <= level+lastBits && max(was, is) >= float64(d.floor)
	at := func(q int64) evidence.Quantity { return evidence.Of(q, evidence.Nanoseconds) }
	side := claim.Textf("99 of 100 below %s before and %s after", at(out.Before.P99), at(out.After.P99))
	switch {
	case all[0].Count == 0 && all[1].Count == 0:
		out.Verdict, out.Why = Pass, d.name+": none on either side"
		out.P = 1
	case few && max(was, is) >= float64(d.floor) && max(was, is) >= factor*min(was, is):
		out.Verdict, out.Why = Inconclusive, claim.Textf("%s: %s, but only %d and %d of them", d.name, side, all[0].Count, all[1].Count)
	case changed && max(was, is) >= factor*min(was, is) && d.work.beyond(beyondAll, was, is) <= 0:
		out.Verdict, out.Why = Inconclusive, d.name+": "+side+d.work.excuse()
	case changed && is >= factor*was:
		out.Verdict, out.Why = Regression, d.name+": "+side
	case changed && was >= factor*is:
		out.Verdict, out.Why = Improvement, d.name+": "+side
	default:
		out.Verdict, out.Why = Pass, d.name+": "+side
	}
	return out
}

func quantiles(h *exectrace.Histogram) Quantiles {
	return Quantiles{h.Count, int64(h.Quantile(0.5)), int64(h.Quantile(0.9)), int64(h.Quantile(0.99)), int64(h.Max), int64(h.Sum)}
}

// distance is the Kolmogorov-Smirnov distance, to the precision of the histograms' buckets.
func distance(a, b *exectrace.Histogram) float64 {
	if a.Count == 0 || b.Count == 0 {
		if a.Count == b.Count {
			return 0
		}
		return 1
	}
	most := 0.0
	top := float64(max(a.Max, b.Max))
	for d := 1.0; d <= top; d *= 1.0625 {
		fa := float64(a.Above(time.Duration(d))) / float64(a.Count)
		fb := float64(b.Above(time.Duration(d))) / float64(b.Count)
		most = max(most, math.Abs(fa-fb))
	}
	return most
}

// kolmogorov is the probability of as large a distance between two samples of one
// distribution, by Kolmogorov's series with Stephens's correction.
func kolmogorov(d, n, m float64) float64 {
	if n == 0 || m == 0 || d == 0 {
		return 1
	}
	root := math.Sqrt(n * m / (n + m))
	x := (root + 0.12 + 0.11/root) * d
	sum, sign := 0.0, 1.0
	const terms = 100 // the sum has converged long before
	for k := 1.0; k <= terms; k++ {
		sum += sign * math.Exp(-2*k*k*x*x)
		sign = -sign
	}
	return min(max(2*sum, 0), 1)
}
