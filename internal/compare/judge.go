package compare

import (
	"cmp"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// comparison is one quantity of one kind of profile being compared.
type comparison struct {
	q     quantity
	base  basis
	names *names
	runs  [2][]run
	opt   Options
	m     *Measure
	load  bool // both sides did the same work per unit, so that a rise is not just more work
	work  scaling

	method  string
	size    float64    // of the whole, on the larger side
	all     *entry     // the whole
	sampled [2]float64 // variance that sampling adds to the whole of one run, per side, taken for a Poisson count
	entries []*entry
	tested  int  // how many numbers are tested together with its own
	settled bool // the verdict is reached already
	reasons []Reason
	excused []claim.Text // what changed as more or less work changes it as well
}

// atEqualWork brings a rate of the after side to the work of the before side.
func (c *comparison) atEqualWork() {
	c.m.Work = 1
	if c.work.factor == 1 || !c.q.rate {
		return
	}
	c.m.Work = c.work.factor
	for i := range c.runs[1] {
		r := &c.runs[1][i]
		by := 1 / c.work.factor
		r.scale *= by
		r.total *= by
		r.variance *= by * by
		for _, all := range [][]float64{r.own, r.cum} {
			for j := range all {
				all[j] *= by
			}
		}
		for _, all := range [][]float64{r.ownVar, r.cumVar} {
			for j := range all {
				all[j] *= by * by
			}
		}
	}
}

// excuse says that work explains what changed.
func (s *scaling) excuse() claim.Text {
	if s.grew > 0 {
		return ", as more work makes it"
	}
	return ", as less work makes it"
}

// How many standard errors what work may explain must be exceeded by, and a share must have changed by: of shares there are many.
const (
	sure        = 2
	sureOfShare = 3
)

// byShares reports whether only shares of the whole can be compared, because nothing says how much work each side did.
func (c *comparison) byShares() bool {
	return c.work.shares && c.q.rate && !c.load && c.q.grows == withWork
}

// ofWork reports whether the work that was done may have made all of a change, or its share of the whole, where that is
// all that can be compared, did not follow it.
func (c *comparison) ofWork(e *entry) bool {
	if c.byShares() {
		was, is := part(e.mean[0], c.all.mean[0]), part(e.mean[1], c.all.mean[1])
		se := 0.0
		for side, n := range e.runs() {
			if whole := c.all.mean[side]; whole > 0 {
				se += e.variance[side] / float64(n) / (whole * whole)
			}
		}
		return e == c.all || (is-was)*e.delta <= 0 || math.Abs(is-was) < max(c.opt.MinEffect*min(was, is), sureOfShare*math.Sqrt(se))
	}
	if c.work.free == nil {
		return false
	}
	d := c.work.beyond(c.q.grows, e.mean[0], e.mean[1])
	return d < max(c.opt.MinEffect, c.q.least)*min(e.mean[0], e.mean[1]) || d < sure*e.se
}

// ticks is how many samples of a CPU profile one unit of the measure makes; 0 when that is not known.
func (r *run) ticks() float64 {
	if r.profile == nil || r.profile.Period <= 0 || r.scale <= 0 {
		return 0
	}
	return 1 / (r.scale * float64(r.profile.Period))
}

// settle gives the measure a verdict without a test.
func (c *comparison) settle(v Outcome, why claim.Text) {
	c.settled = true
	c.whole()
	c.m.Verdict, c.m.Why = v, why
}

// several reports whether the runs themselves tell how runs differ.
func (c *comparison) several() bool { return min(len(c.runs[0]), len(c.runs[1])) >= severalRuns }

// test brings the numbers together and tests them.
func (c *comparison) test() {
	c.whole()
	c.candidates()
	c.method = test(c.entries, c.q.firm)
	c.m.Method = c.method
}

// whole fills in the measure's totals.
func (c *comparison) whole() {
	e := &entry{id: -1}
	var samples [2]int64
	for side, runs := range c.runs {
		for i := range runs {
			e.x[side] = append(e.x[side], runs[i].total)
			e.variance[side] += runs[i].variance / float64(len(runs))
			samples[side] += runs[i].samples
			e.exposure[side] += runs[i].ticks()
		}
		e.counts[side] = float64(samples[side])
	}
	c.m.Runs = Counts{int64(len(c.runs[0])), int64(len(c.runs[1]))}
	c.m.Samples = Counts{samples[0], samples[1]}
	c.sampled = e.variance
	if c.q.column != "cpu" {
		e.counts = [2]float64{}
	} else if c.several() {
		e.variance = [2]float64{}
	}
	test([]*entry{e}, c.q.firm)
	adjust([]*entry{e})
	c.all = e
	c.size = max(e.mean[0], e.mean[1])
	c.m.Whole = c.change(e)
	if c.size > 0 {
		c.m.Noise = evidence.Part(e.gap, c.size)
	} else {
		c.m.Noise = evidence.Quantity{Unit: evidence.Share}
	}
	c.m.Detectable = evidence.Quantity{Unit: evidence.Share}
}

// candidates are the functions that have enough of the whole for their change to
// count, and the whole itself.
func (c *comparison) candidates() {
	least := max(c.opt.MinEffect*c.size, c.floor())
	for id := range c.names.list {
		for _, cum := range []bool{false, true} {
			e := c.entry(id, cum)
			if max(mean(e.x[0]), mean(e.x[1])) < least {
				continue
			}
			if cum && (same(e, c.all) || slices.ContainsFunc(c.entries, func(o *entry) bool { return same(e, o) })) {
				continue // the same samples under another name: to test them again would cost all others their weight
			}
			c.entries = append(c.entries, e)
		}
	}
	c.entries = append(c.entries, c.all)
}

// nextToEqual is the part by which two numbers may differ that are the same cost under two names.
const nextToEqual = 0.02

// entry collects a function's own cost, or its cost with callees, in each run.
func (c *comparison) entry(id int, cum bool) *entry {
	e := &entry{id: id, cum: cum}
	for side, runs := range c.runs {
		for i := range runs {
			r := &runs[i]
			v, noise := at(r.own, id), at(r.ownVar, id)
			if cum {
				v, noise = at(r.cum, id), at(r.cumVar, id)
			}
			e.x[side] = append(e.x[side], v)
			if c.q.column == "cpu" && r.total > 0 && c.several() {
				// There is a tick for every period of processor time, so only where they
				// fall is chance: a binomial count, not a Poisson one. How the time itself
				// differs from run to run, the runs show.
				noise *= 1 - min(v/r.total, 1)
			}
			e.variance[side] += noise / float64(len(runs))
			if ticks := r.ticks(); c.q.column == "cpu" && ticks > 0 {
				e.counts[side] += v * ticks
				e.exposure[side] += ticks
			}
		}
	}
	return e
}

// cum is the mean cost of a function with callees on a side.
func (c *comparison) cum(side, id int) float64 {
	sum := 0.0
	for i := range c.runs[side] {
		sum += at(c.runs[side][i].cum, id) / float64(len(c.runs[side]))
	}
	return max(sum, math.SmallestNonzeroFloat64)
}

// same reports whether two numbers are next to equal in every run.
func same(a, b *entry) bool {
	for side := range a.x {
		for i, x := range a.x[side] {
			if y := b.x[side][i]; math.Abs(x-y) > nextToEqual*max(math.Abs(x), math.Abs(y)) {
				return false
			}
		}
	}
	return true
}

// floor is the absolute size below which nothing counts.
func (c *comparison) floor() float64 {
	if f, ok := c.opt.Floors[c.unit()]; ok {
		return f
	}
	if c.base.per == "operation" {
		return 0
	}
	return c.q.floor
}

func (c *comparison) unit() evidence.Unit { return c.base.unit }

// judge reaches a verdict on what was tested.
func (c *comparison) judge() {
	if c.counts(c.all) {
		// It is certain that something changed: to say where, functions compete with those of this measure alone.
		together := make([]float64, len(c.entries))
		for i, e := range c.entries {
			together[i] = e.q
		}
		adjust(c.entries)
		for i, e := range c.entries {
			if e == c.all || e.delta*c.all.delta < 0 {
				e.q = together[i]
			}
		}
	}
	changes := map[*entry]*Change{}
	for _, e := range c.entries {
		ch := c.change(e)
		ch.Counts = c.counts(e)
		changes[e] = &ch
	}
	c.likeliest(changes)
	c.excuseMoreTime(changes)
	c.findMoved(changes)
	c.findReplaced(changes)
	c.answerable(changes)
	c.attribute(changes)
	uniform := c.uniform(changes)

	var worse, better []*Change
	for _, e := range c.entries {
		ch := changes[e]
		// Waits tell of more than the work, and of how much more is not known.
		if c.q.grows == beyondAll && len(c.excused) == 0 && c.clear(e) && c.ofWork(e) {
			c.excused = append(c.excused, claim.Textf("%s %s%s", c.subject(ch), amount(ch, c.base.per), c.work.excuse()))
		}
		if ch.Counts && ch.Worse {
			worse = append(worse, ch)
		} else if ch.Counts {
			better = append(better, ch)
		}
	}
	c.m.Whole = *changes[c.all]
	c.detectable()
	c.list(changes)
	c.explain()
	c.m.Tree = c.tree()
	c.sentence(worse, better, uniform)
}

// counts reports whether a change is beyond noise and large enough to matter.
func (c *comparison) counts(e *entry) bool {
	return c.clear(e) && !c.ofWork(e)
}

// clear reports whether a change is beyond noise and large enough, whatever made it.
func (c *comparison) clear(e *entry) bool {
	return e.q <= levelOf(c.method)+lastBits && c.large(e) && math.Abs(e.delta) >= e.gap
}

// large reports whether a change is large enough to count, noise aside.
func (c *comparison) large(e *entry) bool {
	size := math.Abs(e.delta)
	least := max(c.opt.MinEffect, c.q.least)
	smaller := min(e.mean[0], e.mean[1])
	if max(e.mean[0], e.mean[1]) < c.floor() || size < least*smaller {
		return false
	}
	return e == c.all || size >= c.opt.MinEffect/partOfAll*c.size
}

func (c *comparison) change(e *entry) Change {
	unit := c.unit()
	ch := Change{
		Reach:    "own",
		Before:   evidence.Quantity{Number: e.mean[0], Unit: unit},
		After:    evidence.Quantity{Number: e.mean[1], Unit: unit},
		Interval: e.interval(),
		P:        max(e.p, e.dealt), Q: e.q, Worse: e.delta > 0,
	}
	ch.Shares = Pair{part(e.mean[0], c.all.mean[0]), part(e.mean[1], c.all.mean[1])}
	if e.mean[0] != 0 {
		ch.Effect = e.delta / e.mean[0]
	}
	if e.id < 0 {
		ch.Reach, ch.Cum = "whole", Pair{e.mean[0], e.mean[1]}
		return ch
	}
	if e.cum {
		ch.Reach = "with-callees"
	}
	site := c.names.sites[e.id]
	ch.Function, ch.File, ch.Line = site.Function, site.File, site.Line
	var cum [2]float64
	for side, runs := range c.runs {
		for i := range runs {
			cum[side] += at(runs[i].cum, e.id) / float64(len(runs))
		}
	}
	ch.Cum = Pair{cum[0], cum[1]}
	return ch
}

func part(v, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return v / whole
}

// likeliest names the function where a change of the whole is, when the whole changed
// for certain and no function alone did: that which has most of it and, were it the only
// one looked at, would be beyond noise.
func (c *comparison) likeliest(changes map[*entry]*Change) {
	if !changes[c.all].Counts {
		return
	}
	var best *entry
	for _, e := range c.entries {
		switch {
		case e.cum || e.id < 0 || e.delta*c.all.delta <= 0:
		case changes[e].Counts:
			return
		case e.p <= levelOf(c.method) && c.large(e) && e.delta/c.all.delta >= explainedBy && (best == nil || math.Abs(e.delta) > math.Abs(best.delta)):
			best = e
		}
	}
	if best != nil {
		changes[best].Counts = true
		changes[best].Note = claim.Textf("the whole changed for certain, and %s of it is likely here", evidence.Of(min(best.delta/c.all.delta, 1), evidence.Share))
	}
}

// excuseMoreTime recognises what rose only because something else fell: in a
// program that is always busy, less time in one function is more of everything
// else, per second. It is not asked per operation.
func (c *comparison) excuseMoreTime(changes map[*entry]*Change) {
	if c.load || c.work.counted || changes[c.all].Counts && changes[c.all].Worse && c.q.column == "cpu" {
		return
	}
	rest := c.all.mean
	fell := 0.0
	var names []claim.Func
	for _, e := range c.entries {
		if ch := changes[e]; ch.Counts && !ch.Worse && !e.cum && e.id >= 0 {
			rest[0] -= e.mean[0]
			rest[1] -= e.mean[1]
			fell -= e.delta
			names = append(names, claim.Func(ch.Function))
		}
	}
	if fell == 0 || rest[0] <= 0 {
		return
	}
	factor := rest[1] / rest[0]
	if factor <= 1 {
		return
	}
	for _, e := range c.entries {
		ch := changes[e]
		if !ch.Counts || !ch.Worse || e.id < 0 {
			continue
		}
		// What it would cost had it only taken part in the general rise.
		beyond := e.mean[1] - factor*e.mean[0]
		if beyond < max(sigmas*e.se, c.opt.MinEffect*e.mean[0], c.opt.MinEffect/partOfAll*c.size) {
			ch.Counts = false
			ch.Note = claim.Textf("rose with everything else, because %s left more time", claim.Join(first(names, 2), " and "))
		}
	}
}

// What moved from one function to another arrives there, but for what a call more or less costs.
const (
	lostOnTheWay = 0.25 // part of it that may be lost or won
	stillThere   = 0.5  // part of a change that the callers must show for it not to have come from among them
	sigmas       = 2    // standard errors within which chance may have changed a number: 95 %
)

// findMoved recognises cost that left one function and arrived in another that is
// close to it: a function that was split, renamed or inlined elsewhere.
func (c *comparison) findMoved(changes map[*entry]*Change) {
	var falls, rises []*entry
	for _, e := range c.entries {
		ch := changes[e]
		if e.cum || e.id < 0 || !(ch.Counts || e.q <= levelOf(c.method)) || math.Abs(e.delta) < c.opt.MinEffect/partOfAll*c.size {
			continue
		}
		if ch.Worse {
			rises = append(rises, e)
		} else {
			falls = append(falls, e)
		}
	}
	larger := func(a, b *entry) int {
		return cmp.Or(-cmp.Compare(math.Abs(a.delta), math.Abs(b.delta)), cmp.Compare(c.names.list[a.id], c.names.list[b.id]))
	}
	slices.SortFunc(falls, larger)
	slices.SortFunc(rises, larger)
	if len(falls) == 0 || len(rises) == 0 {
		return
	}
	near := c.neighbours(slices.Concat(falls, rises))
	taken := map[*entry]bool{}
	for _, up := range rises {
		for _, down := range falls {
			if taken[down] || taken[up] {
				continue
			}
			// Code that moved left most of one place or makes most of the other: else one
			// function that got better would excuse another that got as much worse.
			if -down.delta < down.mean[0]/2 && up.delta < up.mean[1]/2 {
				continue
			}
			both, moved := up.delta+down.delta, min(up.delta, -down.delta)
			noise := sigmas * math.Hypot(up.se, down.se)
			if math.Abs(both) > max(lostOnTheWay*moved, min(noise, moved/2)) {
				continue
			}
			why := near(down.id, up.id)
			if why == "" {
				continue
			}
			taken[down], taken[up] = true, true
			from, to := c.names.list[down.id], c.names.list[up.id]
			c.m.Moved = append(c.m.Moved, Moved{
				From: from, To: to, Why: why,
				Amount: evidence.Quantity{Number: min(up.delta, -down.delta), Unit: c.unit()},
			})
			for _, e := range c.entries {
				if e.id == up.id || e.id == down.id {
					ch := changes[e]
					if ch.Counts && !(e.cum && e.id == down.id && ch.Worse) {
						ch.Counts, ch.Note = false, claim.Textf("moved from %s to %s", claim.Func(from), claim.Func(to))
					}
				}
			}
		}
	}
}

// neighbours returns a function that says how two functions are close to each
// other, or "" when they are not.
func (c *comparison) neighbours(of []*entry) func(from, to int) claim.Text {
	wanted := map[int]bool{}
	for _, e := range of {
		wanted[e.id] = true
	}
	callers := map[int]map[int]bool{}
	c.eachPlace(func(_ int, pl place, _ float64) {
		for i, id := range pl.chain {
			if wanted[id] && i+1 < len(pl.chain) {
				if callers[id] == nil {
					callers[id] = map[int]bool{}
				}
				callers[id][pl.chain[i+1]] = true
			}
		}
	})
	name := func(id int) claim.Func { return claim.Func(c.names.list[id]) }
	return func(from, to int) claim.Text {
		switch {
		case callers[to][from]:
			return claim.Textf("%s calls %s", name(from), name(to))
		case callers[from][to]:
			return claim.Textf("%s called %s", name(to), name(from))
		}
		var shared []string
		for id := range callers[from] {
			if callers[to][id] {
				shared = append(shared, c.names.list[id])
			}
		}
		if len(shared) > 0 {
			slices.Sort(shared)
			return claim.Textf("both are called by %s", claim.Func(shared[0]))
		}
		if p := stack.Package(c.names.list[from]); p == stack.Package(c.names.list[to]) && p != "main" {
			return claim.Textf("both are in package %s", claim.Func(p))
		}
		return ""
	}
}

// answerable recognises cost below a function that only took another way there: where the functions that do the work cost
// as much as before all over the program, their callers have changed and nothing else. Of a function of the standard library
// the functions that call it answer for the cost, and where one of them changed, that is the one to look at.
func (c *comparison) answerable(changes map[*entry]*Change) {
	owners := map[int]map[int]bool{}
	for _, e := range c.entries {
		if changes[e].Counts && e.cum && e.id >= 0 {
			owners[e.id] = map[int]bool{}
		}
	}
	if len(owners) == 0 {
		return
	}
	c.eachPlace(func(_ int, pl place, _ float64) {
		for _, id := range pl.chain {
			if of := owners[id]; of != nil {
				of[pl.owner] = true
			}
		}
	})
	for _, e := range c.entries {
		of := owners[e.id]
		if !e.cum || of == nil {
			continue
		}
		sum := 0.0
		for side, runs := range c.runs {
			for i := range runs {
				for id := range of {
					sum += float64(2*side-1) * at(runs[i].own, id) / float64(len(runs))
				}
			}
		}
		ch := changes[e]
		if sum/e.delta < stillThere {
			ch.Counts, ch.Note = false, "moved: what does the work cost as much as before, on another way"
			continue
		}
		for _, o := range c.entries {
			if c.names.kinds[e.id].standard && of[o.id] && !o.cum && changes[o].Counts && o.delta/e.delta >= explainedBy {
				ch.Counts, ch.Note = false, claim.Textf("part of what %s costs", claim.Func(c.names.list[o.id]))
				break
			}
		}
	}
}

// eachPlace calls f with every sample of every run, as its part of the mean over
// the side's runs, in the measure's unit.
func (c *comparison) eachPlace(f func(side int, pl place, v float64)) {
	for side, runs := range c.runs {
		for i := range runs {
			r := &runs[i]
			each := func(p *pprofile.Profile, at *places, scale float64) {
				if p == nil {
					return
				}
				column := p.Column(c.q.column)
				for j := range p.Samples {
					s := &p.Samples[j]
					if v := float64(s.Values[column]); v != 0 && (c.q.takes == nil || c.q.takes(s)) {
						f(side, at.of(s), v*scale)
					}
				}
			}
			scale := r.scale / float64(len(runs))
			each(r.profile, r.at, scale)
			each(r.minus, r.minusAt, -scale)
		}
	}
}

// attribute leaves, of changes that count and lie on the same paths, the deepest
// that explains them.
func (c *comparison) attribute(changes map[*entry]*Change) {
	var counted []*entry
	for _, e := range c.entries {
		if changes[e].Counts && e.id >= 0 {
			counted = append(counted, e)
		}
	}
	// rise[g][f] is how much f's cost, own or with callees, rose on the paths through g.
	type key struct {
		g, f int
		cum  bool
	}
	above := map[int]bool{}
	below := map[int]bool{}
	for _, e := range counted {
		if e.cum {
			above[e.id] = true
		}
		below[e.id] = true
	}
	moved := map[string]bool{}
	for _, m := range c.m.Moved {
		moved[m.From], moved[m.To] = true, true
	}
	change := map[key]float64{}
	if len(above) > 0 && len(counted) > 1 {
		c.eachPlace(func(side int, pl place, v float64) {
			if side == 0 {
				v = -v
			}
			for i, g := range pl.chain {
				if !above[g] {
					continue
				}
				if below[pl.owner] {
					change[key{g, pl.owner, false}] += v
				}
				for _, f := range pl.chain[:i] {
					if below[f] {
						change[key{g, f, true}] += v
					}
				}
			}
		})
	}
	for _, g := range counted {
		if !g.cum {
			continue
		}
		for _, f := range counted {
			if f == g || f.delta*g.delta < 0 || f.id == g.id && f.cum {
				continue
			}
			if part := change[key{g.id, f.id, f.cum}]; part/g.delta >= explainedBy {
				changes[g].Counts = false
				changes[g].Note = claim.Textf("%s below it explains %s of it", claim.Func(c.names.list[f.id]), evidence.Of(min(part/g.delta, 1), evidence.Share))
				break
			}
		}
		// Several that count may explain together what none does alone.
		if changes[g].Counts {
			sum := 0.0
			for _, f := range counted {
				if !f.cum && f.delta*g.delta > 0 {
					sum += change[key{g.id, f.id, false}]
				}
			}
			if sum/g.delta >= explainedBy {
				changes[g].Counts = false
				changes[g].Note = "the functions below it that changed explain it"
			}
		}
	}
}

// explainedBy is the part of a caller's change that a callee must have to be the one to blame.
const explainedBy = 0.6

// What rose by one factor is told apart from what rose by itself.
const (
	byFactor     = 0.1 // part by which a function may differ from the factor
	fewFunctions = 3   // fewer may well rise alike by chance
)

// uniform reports whether everything changed by the same factor, which more work
// does as well as dearer work; then nothing counts.
func (c *comparison) uniform(changes map[*entry]*Change) bool {
	if c.load || c.work.counted && c.several() {
		return false
	}
	before, after := c.all.mean[0], c.all.mean[1]
	if before <= 0 || after <= before*(1+c.opt.MinEffect) {
		return false
	}
	factor := after / before
	own, largest := 0, 0.0
	for _, e := range c.entries {
		if e.cum || e.id < 0 {
			continue
		}
		own++
		largest = max(largest, e.mean[0]/before)
		if math.Abs(e.mean[1]-factor*e.mean[0]) > max(byFactor*factor*e.mean[0], sigmas*e.se) {
			return false
		}
	}
	if own < fewFunctions || largest > explainedBy {
		return false
	}
	found := false
	for _, ch := range changes {
		if ch.Counts && ch.Worse {
			found = true
			ch.Counts, ch.Note = false, "rose by the same factor as everything else"
		}
	}
	return found
}

// sure is how many standard errors a change must have to be found four times of
// five, were it the only one.
func (c *comparison) sure() float64 {
	const fourOfFive = 0.84
	return stats.StdNormal.InvCDF(1-levelOf(c.method)/float64(max(c.tested, 1))) + fourOfFive
}

// unseen is the change in a part of the whole that would just have been seen, as a
// part of that part.
func (c *comparison) unseen(part float64) float64 {
	n := c.all.runs()
	if c.size <= 0 {
		return 0
	}
	// A part of the whole has, by sampling, that part of its variance, and of timer ticks a little less.
	spread := func(v [2]float64) float64 { return v[0]/float64(n[0]) + v[1]/float64(n[1]) }
	v := part * spread(c.sampled)
	if c.q.column == "cpu" {
		v *= 1 - part
	}
	if c.method != Sampling {
		// What runs vary by beyond sampling.
		over := max(c.all.pooled()-c.all.expected(), 0) * part * part
		v += spread([2]float64{over, over})
	}
	return c.sure() * math.Sqrt(v) / (part * c.size)
}

// Sight is measured by a function that has someOfAll of the whole, and by a change of someOfPart of what it costs.
const (
	someOfAll  = 0.1
	someOfPart = 0.2
)

// detectable says what change these profiles could have shown, and how many would show a fifth more.
func (c *comparison) detectable() {
	c.m.Detectable.Number = c.unseen(someOfAll)
	if c.unit() == evidence.Count && c.base.per == "profile" {
		return // of one moment, taken whole
	}
	// What is unseen shrinks with the root of how many runs there are.
	have := float64(min(len(c.runs[0]), len(c.runs[1])))
	need := math.Ceil(have * math.Pow(c.m.Detectable.Number/someOfPart, 2))
	if need > 0 {
		c.m.RunsNeeded = int64(min(max(need, leastRuns), mostRuns))
	}
}

// leastRuns is how many runs a side it takes for them to tell how runs differ.
const leastRuns = 3

// thin reports whether so little was sampled that what makes a tenth of the whole, or the least that counts where that is more,
// could double unseen: then that nothing was seen is no pass. Counts are taken whole, not sampled.
func (c *comparison) thin() bool {
	return c.unit() != evidence.Count && c.unseen(max(someOfAll, min(c.floor()/c.size, 1))) > 1
}

// maxListed is how many changes that do not count a measure lists.
const maxListed = 12

// list puts the changes in order: what counts, the largest first, then the largest others.
func (c *comparison) list(changes map[*entry]*Change) {
	var counted, rest []*Change
	for _, e := range c.entries {
		ch := changes[e]
		switch {
		case e.id < 0:
		case ch.Counts:
			counted = append(counted, ch)
		case !e.cum:
			rest = append(rest, ch)
		}
	}
	order := func(a, b *Change) int {
		if a.Worse != b.Worse && (a.Counts || b.Counts) {
			if a.Worse {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(c.headline(a), c.headline(b)), -cmp.Compare(math.Abs(a.After.Number-a.Before.Number), math.Abs(b.After.Number-b.Before.Number)), cmp.Compare(a.Function, b.Function), cmp.Compare(a.Reach, b.Reach))
	}
	slices.SortFunc(counted, order)
	slices.SortFunc(rest, order)
	for _, ch := range slices.Concat(counted, first(rest, maxListed)) {
		c.m.Changes = append(c.m.Changes, *ch)
	}
	c.paths()
}

// paths fills in the way to each listed function that costs most on the side where it costs more.
func (c *comparison) paths() {
	best := map[int]float64{}
	way := map[int][]int{}
	side := map[int]int{}
	listed := map[int]*Change{}
	for i := range c.m.Changes {
		ch := &c.m.Changes[i]
		id := c.names.ids[ch.Function]
		listed[id] = ch
		if ch.After.Number >= ch.Before.Number {
			side[id] = 1
		}
	}
	c.eachPlace(func(s int, pl place, v float64) {
		for i, id := range pl.chain {
			if listed[id] == nil || side[id] != s || v <= best[id] {
				continue
			}
			best[id], way[id] = v, pl.chain[i:]
		}
	})
	for i := range c.m.Changes {
		ch := &c.m.Changes[i]
		chain := way[c.names.ids[ch.Function]]
		for j := len(chain) - 1; j >= 0; j-- {
			ch.Path = append(ch.Path, c.names.list[chain[j]])
		}
		if len(ch.Path) == 0 {
			ch.Path = []string{ch.Function}
		}
		if c.headline(ch) == backdrop {
			ch.File, ch.Line = c.inProgram(chain)
		}
	}
}

// inProgram returns the place that is closest to the first of a chain, leaf first, and not in Go's own source: what a reader can
// change. The file is empty where there is none.
func (c *comparison) inProgram(chain []int) (file string, line int) {
	for _, id := range chain {
		if k, site := c.names.kinds[id], c.names.sites[id]; !k.standard && !k.plumbing && site.File != "" {
			return site.File, site.Line
		}
	}
	return "", 0
}

// explain gives each change its part of all that changed in its direction.
func (c *comparison) explain() {
	var sum [2]float64
	for _, e := range c.entries {
		if !e.cum && e.id >= 0 {
			if e.delta > 0 {
				sum[1] += e.delta
			} else {
				sum[0] -= e.delta
			}
		}
	}
	for i := range c.m.Changes {
		ch := &c.m.Changes[i]
		d := ch.After.Number - ch.Before.Number
		if d > 0 && sum[1] > 0 {
			ch.Explains = min(d/sum[1], 1)
		} else if d < 0 && sum[0] > 0 {
			ch.Explains = min(-d/sum[0], 1)
		}
	}
}

// subject is what changed.
func (c *comparison) subject(ch *Change) claim.Text {
	if ch.Reach == "whole" {
		return c.q.name + " as a whole"
	}
	return claim.Textf("%s in %s", c.q.name, claim.Func(ch.Function))
}

// headline ranks what a sentence begins with: a function of the program says more than the whole, and that more than the
// runtime, a server or another part of the standard library that is below much of what a program does.
func (c *comparison) headline(ch *Change) int {
	id, known := c.names.ids[ch.Function]
	switch {
	case ch.Reach == "whole":
		return asAWhole
	case known && (c.names.kinds[id].plumbing || c.names.kinds[id].standard):
		return backdrop
	}
	return foremost
}

// What headline ranks by.
const (
	foremost = iota // a function of the program or of a library
	asAWhole        //
	backdrop        // Go's own
)

// sentence reaches the verdict and says it.
func (c *comparison) sentence(worse, better []*Change, uniform bool) {
	name := c.q.name
	of := func(ch *Change) claim.Text { return c.subject(ch) + " " + amount(ch, c.base.per) }
	order := func(all []*Change) *Change {
		slices.SortStableFunc(all, func(a, b *Change) int {
			if x, y := c.headline(a), c.headline(b); x != y {
				return cmp.Compare(x, y)
			}
			return -cmp.Compare(math.Abs(a.After.Number-a.Before.Number), math.Abs(b.After.Number-b.Before.Number))
		})
		return all[0]
	}
	more := func(all []*Change) claim.Text {
		n := 0
		for _, ch := range all {
			if ch.Reach != "whole" {
				n++
			}
		}
		if n > 1 {
			return claim.Textf(", and %d more", n-1)
		}
		return ""
	}
	c.reasons = c.weigh(worse, better, func(all []*Change) claim.Text { return of(order(all)) + more(all) })
	switch {
	case len(c.reasons) > 0:
		sub := Result{Reasons: c.reasons}
		sub.conclude(true)
		c.m.Verdict, c.m.Why = sub.Verdict, sub.Why
	case uniform:
		c.m.Verdict = Inconclusive
		c.m.Why = claim.Textf("%s as a whole %s, and everything by the same factor: more work or dearer work; --ops BEFORE,AFTER tells them apart", name, amount(&c.m.Whole, c.base.per))
	case c.m.Work != 1 && !c.work.counted && c.size >= c.floor():
		c.m.Verdict = Inconclusive
		c.m.Why = claim.Textf("%s changed %.2g times in most functions alike: more or less work, or dearer or cheaper work; --ops BEFORE,AFTER tells them apart", name, c.m.Work)
	case c.byShares() && c.clear(c.all):
		c.m.Verdict = Inconclusive
		c.m.Why = claim.Textf("%s as a whole %s, and nothing says how much work each side did: --ops BEFORE,AFTER, or an execution trace of each side, tells more work from dearer work", name, amount(&c.m.Whole, c.base.per))
	case c.size < c.floor():
		c.m.Verdict = Pass
		c.m.Why = claim.Textf("%s: less than %s on both sides, too little to count", name, evidence.Quantity{Number: c.floor(), Unit: c.unit()})
	case c.thin():
		c.m.Verdict = Inconclusive
		c.m.Gates = c.m.Gates && !c.q.backed
		c.m.Why = claim.Textf("%s: too few samples (%d and %d), a tenth of it could double unseen; it takes %s like these, or as much more time, to see a fifth more",
			name, c.m.Samples.Before, c.m.Samples.After, RunsWords(c.m.RunsNeeded))
	default:
		c.m.Verdict = Pass
		c.m.Why = claim.Textf("%s: no function's change counts", name)
	}
}

// weigh makes reasons of what got worse and what got better. Of one and the same quantity, less in one place makes up for
// more in another only where the whole got less.
func (c *comparison) weigh(worse, better []*Change, says func([]*Change) claim.Text) []Reason {
	size := func(all []*Change) float64 {
		if c.m.Whole.Counts && c.m.Whole.Worse == all[0].Worse {
			return sizeOf(c.all.mean[0], c.all.mean[1])
		}
		delta := 0.0
		for _, ch := range all {
			delta += ch.After.Number - ch.Before.Number
		}
		if delta < 0 {
			return sizeOf(c.size, max(c.size+delta, 0))
		}
		return sizeOf(c.size, c.size+delta)
	}
	var out []Reason
	if len(worse) > 0 {
		out = append(out, Reason{Rank: c.q.rank, Size: size(worse), Says: says(worse)})
	}
	if len(better) > 0 && (len(worse) == 0 || c.m.Whole.Counts && !c.m.Whole.Worse) {
		out = append(out, Reason{Rank: c.q.rank, Better: true, Size: size(better), Says: says(better)})
	}
	return out
}

// amount says how a change went: "rose from 1 to 2 s/s (100 % more)".
func amount(ch *Change, per string) claim.Text {
	verb := claim.Text("fell")
	if ch.Worse {
		verb = "rose"
	}
	unit := claim.Text("")
	if per == "operation" {
		unit = " per operation"
	}
	if ch.New() {
		return claim.Textf("is new: %s%s", ch.After, unit)
	}
	than := claim.Text("less")
	if ch.Worse {
		than = "more"
	}
	much := claim.Textf("%s %s", evidence.Of(math.Abs(ch.Effect), evidence.Share), than)
	if ch.Effect >= manifold {
		much = signed(ch.Effect)
	}
	return claim.Textf("%s from %s to %s%s (%s)", verb, ch.Before, ch.After, unit, much)
}

// nothing is the part of what there is now that is as good as none before.
const nothing = 1e-4

// New reports whether there was next to nothing before.
func (ch *Change) New() bool {
	return ch.After.Number > 0 && ch.Before.Number <= ch.After.Number*nothing
}

// manifold is the relative change from which a factor reads better than a percentage.
const manifold = 10

// signed is Percent as a number.
func signed(effect float64) claim.Text {
	if effect >= manifold {
		return claim.Textf("%s", evidence.Quantity{Number: effect + 1, Unit: evidence.Ratio})
	}
	sign := claim.Text("+")
	if effect < 0 {
		sign = "-"
	}
	return sign + claim.Textf("%s", evidence.Of(math.Abs(effect), evidence.Share))
}

// Percent writes a relative change with its sign, or as a factor where it is large.
func Percent(effect float64) string { return signed(effect).String() }

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }
