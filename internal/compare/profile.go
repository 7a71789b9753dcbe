package compare

import (
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// quantity is one column of a kind of profile that is compared.
type quantity struct {
	column string
	name   claim.Text
	rate   bool // summed over time: compared per second or per operation
	unit   evidence.Unit
	// factor turns the column's unit into that of the rate, such as ns into s.
	factor float64
	// floor is the size below which a function never counts, in unit; per operation it does not apply.
	floor float64
	// perProc says that the floor is that of one processor: it grows with how many the program may use.
	perProc bool
	// least is the part of its own cost that a function's change must have to count,
	// beside Options.MinEffect: heavy tails move some quantities by themselves.
	least float64
	gates bool
	rank  Rank
	grows grows // how it follows the work
	// backed says that another quantity of the kind shows the same at better
	// precision: where too little was sampled, it is that one which decides.
	backed bool
	// firm says that sampling theory gives the variance itself, where runs are alike, and not a guess at it.
	firm  bool
	takes func(*pprofile.Sample) bool // nil for all samples
	// variance is what sampling alone adds to the square of a sample's value.
	variance func(p *pprofile.Profile, s *pprofile.Sample, value float64) float64
}

// quantities are what is compared of each kind of profile.
var quantities = map[evidence.Kind][]quantity{
	evidence.CPU: {
		{column: "cpu", name: "CPU time", rate: true, unit: evidence.SecPerSec, factor: 1e-9, floor: 0.005, perProc: true, gates: true, rank: RankCost, grows: withWork, firm: true, variance: ofTicks},
	},
	evidence.Heap: {
		{column: "inuse_space", name: "live heap", unit: evidence.Bytes, factor: 1, floor: 1 << 20, least: 0.1, gates: true, rank: RankCost, grows: held, variance: heapBytes},
		{column: "alloc_space", name: "bytes allocated", rate: true, unit: evidence.BytesPerSec, factor: 1, floor: 1 << 20, gates: true, rank: RankCost, grows: withWork, firm: true, variance: heapBytes},
		{column: "alloc_objects", name: "objects allocated", rate: true, unit: evidence.PerSecond, factor: 1, floor: 10_000, gates: true, rank: RankCost, grows: withWork, firm: true, backed: true, variance: heapObjects},
	},
	evidence.Mutex: {
		{column: "delay", name: "delay caused by holding locks", rate: true, unit: evidence.SecPerSec, factor: 1e-9, floor: 0.05, least: 0.25, gates: true, rank: RankCost, grows: beyondAll, variance: ofDelays},
	},
	evidence.Block: {
		{column: "delay", name: "waiting for locks", rate: true, unit: evidence.SecPerSec, factor: 1e-9, floor: 0.05, least: 0.25, gates: true, rank: RankOperations, grows: beyondAll, takes: waitsForLock, variance: ofDelays},
		// Workers parked by design dominate these waits, and waiting longer for nothing to do is no loss.
		{column: "delay", name: "waiting for channels, conditions and groups", rate: true, unit: evidence.SecPerSec, factor: 1e-9, floor: 0.05, least: 0.25,
			takes: func(s *pprofile.Sample) bool { return !waitsForLock(s) }, variance: ofDelays},
	},
	evidence.Goroutine:     {{column: "goroutine", name: "goroutines", unit: evidence.Count, factor: 1, floor: 100, least: 0.5, gates: true, rank: RankOperations, grows: beyondAll, takes: atWork, variance: ofThings}},
	evidence.GoroutineLeak: {{column: "goroutineleak", name: "leaked goroutines", unit: evidence.Count, factor: 1, floor: 1, least: 0.5, gates: true, rank: RankOperations, variance: ofThings}},
}

// ofTicks is the variance of a number of timer ticks, which arrive independently
// of what runs: that of a Poisson count, each worth the period.
func ofTicks(p *pprofile.Profile, _ *pprofile.Sample, value float64) float64 {
	return math.Abs(value) * float64(max(p.Period, 1))
}

// heapBytes and heapObjects are the variance of what the heap profile scales up:
// an object of size s is sampled with probability q = 1-exp(-s/rate) and stands for
// 1/q of its kind (runtime/pprof/pprof.go, scaleHeapSample).
func heapBytes(p *pprofile.Profile, s *pprofile.Sample, value float64) float64 {
	size, q := sampled(p, s)
	return math.Abs(value) * size * (1 - q) / q
}

func heapObjects(p *pprofile.Profile, s *pprofile.Sample, value float64) float64 {
	_, q := sampled(p, s)
	return math.Abs(value) * (1 - q) / q
}

// sampled returns the size of a sample's objects and the probability that one is sampled.
func sampled(p *pprofile.Profile, s *pprofile.Sample) (size, q float64) {
	size = float64(s.Size)
	if size <= 0 {
		size = 64 // unknown: a small object, of which few are sampled
		o, b := p.Column("alloc_objects"), p.Column("alloc_space")
		if o >= 0 && b >= 0 && s.Values[o] > 0 && s.Values[b] > 0 {
			size = float64(s.Values[b]) / float64(s.Values[o])
		}
	}
	if p.Period <= 1 {
		return size, 1
	}
	return size, -math.Expm1(-size / float64(p.Period))
}

// ofDelays takes the waits at one stack for exponential, whose variance is the
// square of their mean; the mutex profile takes one of Period of them.
func ofDelays(p *pprofile.Profile, s *pprofile.Sample, value float64) float64 {
	n := 1.0
	if c := p.Column("contentions"); c >= 0 {
		n = max(float64(s.Values[c]), 1)
	}
	kept := max(n/float64(max(p.Period, 1)), 1)
	return 2 * value * value / kept
}

// ofThings takes a count of things that come and go for Poisson.
func ofThings(_ *pprofile.Profile, _ *pprofile.Sample, value float64) float64 { return math.Abs(value) }

// ownFrames is how many frames of package sync may stand above the method that one calls, at most.
const ownFrames = 5

// waitsForLock reports whether a sample of a block profile waits for a lock.
func waitsForLock(s *pprofile.Sample) bool {
	for i, f := range s.Stack {
		if strings.HasPrefix(f.Function, "sync.(*Mutex).") || strings.HasPrefix(f.Function, "sync.(*RWMutex).") || strings.HasPrefix(f.Function, "internal/sync.(*Mutex).") {
			return true
		}
		if i == ownFrames {
			break
		}
	}
	return false
}

// atWork leaves out goroutines of connections that wait for a request: there are as many as clients hold open.
func atWork(s *pprofile.Sample) bool { return !wait.BetweenRequests(s.Stack) }

// run is what one profile, or the difference of two, says about one quantity.
// The slices are indexed by function.
type run struct {
	profile  *pprofile.Profile
	minus    *pprofile.Profile // what is subtracted, of a series of cumulative profiles
	scale    float64           // from the column's unit to the measure's
	total    float64
	variance float64
	own, cum []float64
	ownVar   []float64
	cumVar   []float64
	at       *places // of profile's stacks
	minusAt  *places // of minus's
	samples  int64   // timer ticks, or sampled events, as far as known
}

// basis is how profiles of both sides are brought to the same footing.
type basis struct {
	per    string // "second", "operation" or "profile"
	unit   evidence.Unit
	factor float64
}

func compareProfiles(d *draft, kind evidence.Kind, a, b []*evidence.Exhibit, before, after *Side, opt Options) {
	a, b = byTime(a), byTime(b)
	if why := differentRecording(a, b); why != "" {
		d.Verdict, d.Why, d.Record = Inconclusive, why, "record all profiles of both sides at one sampling rate"
		return
	}
	for _, e := range slices.Concat(a, b) {
		if e.Profile().Unsymbolised > 0 && e.Profile().Unsymbolised == len(e.Profile().Samples) && len(e.Profile().Samples) > 0 {
			d.Verdict, d.Why = Inconclusive, claim.Textf("%s has no function names", e.ID)
			d.Record = "read the profile with the binary beside it: go tool pprof -proto BINARY PROFILE"
			return
		}
	}
	identical := sameBytes(a, b)
	for _, q := range quantities[kind] {
		c, why, record := compareQuantity(q, a, b, before, after, identical, opt)
		switch {
		case c != nil:
			d.parts = append(d.parts, c)
		case why != "":
			d.refuse(q.name, why, record)
		}
	}
	d.ended = func() {
		if !identical {
			d.lacking()
			return
		}
		d.Verdict, d.Why = Inconclusive, nothingIn(quantities[kind][0], "either side")
		for _, e := range a {
			if len(e.Profile().Samples) > 0 {
				d.Verdict, d.Why = Pass, sameBytesWords
			}
		}
	}
}

// refusal is quantities that could not be compared, and why.
type refusal struct{ names, why claim.Text }

// refuse notes what could not be compared.
func (d *draft) refuse(name, why, record claim.Text) {
	if i := len(d.refused) - 1; i >= 0 && d.refused[i].why == why {
		d.refused[i].names += ", " + name
	} else {
		d.refused = append(d.refused, refusal{name, why})
	}
	if d.instead == "" {
		d.instead = record
	}
}

// lacking lists what could not be compared of a kind.
func (d *draft) lacking() {
	if len(d.refused) == 0 {
		return
	}
	d.Record = d.instead
	for i, r := range d.refused {
		says := r.names + ": " + r.why
		if i == 0 && len(d.Measures) > 0 {
			says = "not compared: " + says
		}
		d.undecided = append(d.undecided, says)
	}
}

// differentRecording says why profiles of one kind cannot be compared by how they were taken.
func differentRecording(a, b []*evidence.Exhibit) claim.Text {
	period := func(p *pprofile.Profile) claim.Text {
		if p.PeriodUnit == "nanoseconds" {
			return claim.Textf("%s", evidence.Duration(time.Duration(p.Period)))
		}
		return claim.Textf("%d %s", p.Period, p.PeriodUnit)
	}
	first := a[0]
	for i, e := range slices.Concat(a, b) {
		if e.Profile().Period != first.Profile().Period || e.Profile().PeriodUnit != first.Profile().PeriodUnit {
			side := claim.Text("before")
			if i >= len(a) {
				side = "after"
			}
			return claim.Textf("%s of the before side was sampled every %s and %s of the %s side every %s", first.ID, period(first.Profile()), e.ID, side, period(e.Profile()))
		}
	}
	return ""
}

func compareQuantity(q quantity, a, b []*evidence.Exhibit, before, after *Side, identical bool, opt Options) (c *comparison, why, record claim.Text) {
	for _, e := range slices.Concat(a, b) {
		if e.Profile().Column(q.column) < 0 {
			return nil, claim.Textf("%s has no column %s", e.ID, q.column), "record both sides with the same tool"
		}
	}
	if q.perProc {
		q.floor *= float64(max(before.GOMAXPROCS, after.GOMAXPROCS, 1))
	}
	n := newNames(opt.Rename)
	base, runsA, runsB, why, record := footing(q, a, b, before, after)
	if why != "" || runsA == nil {
		return nil, why, record
	}
	for i := range runsA {
		runsA[i].measure(q, n, 0)
	}
	for i := range runsB {
		runsB[i].measure(q, n, 1)
	}
	empty := func(runs []run) bool {
		for i := range runs {
			if runs[i].total != 0 || !q.rate && len(runs[i].profile.Samples) > 0 {
				return false // nothing in use is an answer, nothing recorded is none
			}
		}
		return true
	}
	m := &Measure{Name: q.name, Per: base.per, Gates: q.gates}
	c = &comparison{q: q, base: base, names: n, runs: [2][]run{runsA, runsB}, opt: opt, m: m, work: opt.work, load: base.per == "operation" || !q.rate}
	if base.per == "operation" {
		c.work = unscaled
	}
	c.atEqualWork()
	unsaid := func(side claim.Text) { c.settle(Inconclusive, nothingIn(q, side)) }
	switch {
	case identical && empty(runsA), empty(runsA) && empty(runsB):
		unsaid("either side")
	case identical:
		c.settle(Pass, sameBytesWords)
	case empty(runsA) && contention(q):
		// Recording may have been off on one side only: that is no rise.
		unsaid("the before side")
	case empty(runsB):
		unsaid("the after side")
	default:
		c.test()
	}
	if identical {
		m.Method = Exact
	}
	return c, "", ""
}

const sameBytesWords = "the same bytes on both sides"

func contention(q quantity) bool { return q.column == "delay" }

func nothingIn(q quantity, side claim.Text) claim.Text {
	why := claim.Textf("%s: nothing on %s", q.name, side)
	if contention(q) {
		return why + ": recording was off or nothing contended"
	}
	return why
}

// footing decides what profiles are divided by, and makes the runs. A sum since
// the start of a process says nothing without the time or the work it took.
func footing(q quantity, a, b []*evidence.Exhibit, before, after *Side) (base basis, runsA, runsB []run, why, record claim.Text) {
	plain := func(all []*evidence.Exhibit, scale func(*evidence.Exhibit) float64) []run {
		var out []run
		for _, e := range all {
			out = append(out, run{profile: e.Profile(), scale: scale(e)})
		}
		return out
	}
	if !q.rate {
		base = basis{"profile", q.unit, q.factor}
		for _, e := range slices.Concat(a, b) {
			if e.Profile().Duration > 0 && e.Kind == evidence.Heap {
				// ?seconds=N subtracts the first state from the last: what is in use is a difference there.
				return base, nil, nil, "", ""
			}
		}
		// Of the snapshots of one process the last is how it stands.
		if series(quantity{column: "alloc_space", factor: 1}, a) != nil {
			a = a[len(a)-1:]
		}
		if series(quantity{column: "alloc_space", factor: 1}, b) != nil {
			b = b[len(b)-1:]
		}
		one := func(*evidence.Exhibit) float64 { return q.factor }
		return base, plain(a, one), plain(b, one), "", ""
	}
	if before.Ops > 0 && after.Ops > 0 {
		base = basis{"operation", perOperation(q.unit), 1}
		return base, plain(a, func(*evidence.Exhibit) float64 { return 1 / before.Ops }), plain(b, func(*evidence.Exhibit) float64 { return 1 / after.Ops }), "", ""
	}
	base = basis{"second", q.unit, q.factor}
	var sides [2][]run
	for i, all := range [2][]*evidence.Exhibit{a, b} {
		if sides[i] = perSecond(q, all); sides[i] == nil {
			name := [2]claim.Text{"before", "after"}[i]
			return base, nil, nil, claim.Textf("the %s side sums up since its process started, over a time that is not known", name),
				"fetch the profile with ?seconds=30, name two of one process on each side, or give --ops BEFORE,AFTER"
		}
	}
	return base, sides[0], sides[1], "", ""
}

// perSecond makes runs of profiles of a known length, or of the differences between those of one process; nil where the time that
// they cover is not known.
func perSecond(q quantity, all []*evidence.Exhibit) []run {
	for _, e := range all {
		if e.Profile().Duration <= 0 {
			return series(q, all)
		}
	}
	var out []run
	for _, e := range all {
		out = append(out, run{profile: e.Profile(), scale: q.factor / e.Profile().Duration.Seconds()})
	}
	return out
}

func perOperation(u evidence.Unit) evidence.Unit {
	switch u {
	case evidence.SecPerSec:
		return evidence.Nanoseconds
	case evidence.BytesPerSec:
		return evidence.Bytes
	}
	return evidence.Count
}

// series makes runs of the differences between cumulative profiles of one
// process, oldest first; nil when they are not such a series: separate runs of a
// program have sums that rise and fall at random, those of one process only rise.
func series(q quantity, all []*evidence.Exhibit) []run {
	if len(all) < 2 {
		return nil
	}
	var out []run
	for i := 1; i < len(all); i++ {
		was, is := all[i-1], all[i]
		passed := is.CapturedAt.Sub(was.CapturedAt)
		if was.CapturedAt.IsZero() || passed < time.Millisecond || was.BuildID != is.BuildID || !onlyRises(q.column, was.Profile(), is.Profile()) {
			return nil
		}
		out = append(out, run{profile: is.Profile(), minus: was.Profile(), scale: q.factor / passed.Seconds()})
	}
	return out
}

// onlyRises reports whether no function of a cumulative profile has less in a later one.
func onlyRises(column string, was, is *pprofile.Profile) bool {
	sum := func(p *pprofile.Profile) map[string]int64 {
		by, c := map[string]int64{}, p.Column(column)
		if c < 0 {
			return by
		}
		for i := range p.Samples {
			by[p.Samples[i].Stack.Site().Function] += p.Samples[i].Values[c]
		}
		return by
	}
	early, late := sum(was), sum(is)
	for f, v := range early {
		if late[f] < v {
			return false
		}
	}
	return len(early) >= fewFunctions
}

// measure adds up the run's profile by function.
func (r *run) measure(q quantity, n *names, side int) {
	r.at = &places{names: n, side: side, known: map[**stack.Frame]place{}}
	r.add(q, r.at, r.profile, 1)
	if r.minus != nil {
		r.minusAt = &places{names: n, side: side, known: map[**stack.Frame]place{}}
		r.add(q, r.minusAt, r.minus, -1)
	}
	r.rescale()
}

// measureAt is measure for a run that has its places already.
func (r *run) measureAt(q quantity) {
	r.add(q, r.at, r.profile, 1)
	r.rescale()
}

// rescale brings the sums to the measure's unit.
func (r *run) rescale() {
	for _, all := range [][]float64{r.own, r.cum} {
		for i := range all {
			all[i] *= r.scale
		}
	}
	for _, all := range [][]float64{r.ownVar, r.cumVar} {
		for i := range all {
			all[i] *= r.scale * r.scale
		}
	}
	r.total *= r.scale
	r.variance *= r.scale * r.scale
}

func (r *run) add(q quantity, at *places, p *pprofile.Profile, sign float64) {
	column := p.Column(q.column)
	count := p.Column("samples")
	for i := range p.Samples {
		s := &p.Samples[i]
		v := float64(s.Values[column])
		if v == 0 || q.takes != nil && !q.takes(s) {
			continue
		}
		noise := q.variance(p, s, v)
		if count >= 0 && sign > 0 {
			r.samples += s.Values[count]
		} else if noise > 0 && sign > 0 {
			r.samples += int64(max(math.Round(v*v/noise), 1))
		}
		pl := at.of(s)
		grow := len(at.names.list)
		r.own, r.ownVar, r.cum, r.cumVar = grown(r.own, grow), grown(r.ownVar, grow), grown(r.cum, grow), grown(r.cumVar, grow)
		r.total += sign * v
		r.variance += noise
		r.own[pl.owner] += sign * v
		r.ownVar[pl.owner] += noise
		if len(pl.chain) == 0 {
			r.cum[pl.owner] += sign * v
			r.cumVar[pl.owner] += noise
		}
		for _, id := range pl.chain {
			r.cum[id] += sign * v
			r.cumVar[id] += noise
		}
	}
}

func grown(s []float64, n int) []float64 {
	for len(s) < n {
		s = append(s, make([]float64, n-len(s))...)
	}
	return s
}

func at(s []float64, i int) float64 {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// OneRun returns the exhibits that a detector may take for one process: of
// several profiles or dumps of a kind the newest, unless they are a series of one
// process. Runs held next to each other as if they were one would look like growth.
func OneRun(exhibits []*evidence.Exhibit) []*evidence.Exhibit {
	s := &Side{Exhibits: exhibits}
	heaps := byTime(usable(s, evidence.Heap))
	bytes := quantity{column: "alloc_space", factor: 1}
	if len(heaps) == 1 || len(heaps) > 1 && heaps[0].Profile().Column("alloc_space") >= 0 && series(bytes, heaps) != nil {
		return exhibits
	}
	newest := map[evidence.Kind]*evidence.Exhibit{}
	for _, e := range byTime(exhibits) {
		if e.Coverage != evidence.None {
			newest[e.Kind] = e
		}
	}
	var out []*evidence.Exhibit
	for _, e := range exhibits {
		switch e.Kind {
		case evidence.Heap, evidence.Goroutine, evidence.GoroutineLeak, evidence.Dump:
			if e.Coverage != evidence.None && newest[e.Kind] != e {
				continue
			}
		}
		out = append(out, e)
	}
	return out
}
