package compare

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Work is how much each side did in the same time. What a program costs says little without it.
type Work struct {
	Factor  float64      `json:"factor"` // after over before; 0 when it is not known
	Low     float64      `json:"low"`    // of where it lies in 95 of 100 cases; 0 when it has no bound
	High    float64      `json:"high"`   // 0 when it has no bound
	By      string       `json:"by"`     // name of the source it is taken from; empty when it is not known
	Why     claim.Text   `json:"why"`    // sentence
	Sources []WorkSource `json:"sources"`

	shares  bool // no source says
	changed bool // because too many places changed
}

// WorkSource is one way to count work.
type WorkSource struct {
	Name   string            `json:"name"` //
	At     string            `json:"at"`   // the place that counts most; empty for none
	Before evidence.Quantity `json:"before"`
	After  evidence.Quantity `json:"after"`  // counted there
	Factor float64           `json:"factor"` // after over before, of the middle place; 0 when too few places agree
	Low    float64           `json:"low"`
	High   float64           `json:"high"`
	Places int64             `json:"places"` // functions that were counted in on both sides
	Agree  evidence.Quantity `json:"agree"`  // the part of all places that changed by about the factor
}

// Names of the sources of work, the best first.
const (
	byGiven      = "operations given"           // by --ops
	byBenchmark  = "operations of benchmarks"   //
	byOperations = "operations in traces"       // requests, or else what the network or a timer sets going
	byRequests   = "requests"                   // goroutines that traces show for each
	byTasks      = "user tasks"                 //
	byEvents     = "calls and waits in traces"  // of places that are on both sides
	byObjects    = "objects allocated"          // by places that are on both sides
	byTicks      = "CPU time of most functions" // more work and dearer work look alike in it
)

// countsOperations are sources that count operations, of whatever number of kinds. They tell dearer work from more of it.
var countsOperations = []string{byGiven, byBenchmark, byOperations, byRequests, byTasks}

// tally is how often something happened at one place on both sides.
type tally struct {
	key      string     // what is counted there
	function string     // or name of the task
	rate     [2]float64 // per second
	times    [2]float64 // seen or sampled in all, which says how exact the rate is
}

// WorkOf finds out how much work each side did.
func WorkOf(before, after *Side, opt Options) Work {
	w := Work{}
	if s, ok := givenWork(before, after); ok {
		w.Sources = append(w.Sources, s)
	}
	for _, s := range []struct {
		name    string
		tallies []tally
	}{
		{byOperations, operationTallies(before, after)}, {byRequests, requestTallies(before, after)}, {byTasks, taskTallies(before, after)}, {byEvents, eventTallies(before, after, opt)},
		{byObjects, profileTallies(evidence.Heap, "alloc_objects", before, after, opt)}, {byTicks, profileTallies(evidence.CPU, "cpu", before, after, opt)},
	} {
		if len(s.tallies) > 0 {
			w.Sources = append(w.Sources, estimate(s.name, s.tallies))
		}
	}
	for _, s := range w.Sources {
		if s.Factor > 0 && w.By == "" {
			w.By, w.Factor, w.Low, w.High = s.Name, s.Factor, s.Low, s.High
		}
	}
	if w.By == "" {
		w.stoodStill(eventTallies(before, after, opt))
		w.shares = w.Low == 0 && w.High == 0
		w.changed = w.shares && slices.ContainsFunc(w.Sources, func(s WorkSource) bool { return s.Places >= leastPlaces })
	}
	w.Why = w.words()
	return w
}

// givenWork takes operations that were counted elsewhere, where the time in which they were done is known.
func givenWork(before, after *Side) (s WorkSource, ok bool) {
	var rate [2]float64
	for i, side := range []*Side{before, after} {
		cpu := usable(side, evidence.CPU)
		if side.Ops <= 0 || len(cpu) == 0 || cpu[0].Profile().Duration <= 0 {
			return s, false
		}
		over := 0.0
		for _, e := range cpu {
			over += e.Profile().Duration.Seconds()
		}
		rate[i] = side.Ops * float64(len(cpu)) / over
	}
	s = WorkSource{Name: byGiven, Before: evidence.Of(rate[0], evidence.PerSecond), After: evidence.Of(rate[1], evidence.PerSecond), Agree: evidence.Of(1.0, evidence.Share), Places: 1}
	if !before.Benchmarks.Empty() && !after.Benchmarks.Empty() {
		s.Name = byBenchmark
	}
	s.Factor = rate[1] / rate[0]
	s.Low, s.High = s.Factor, s.Factor
	return s, true
}

// More returns how many times as much work as each side the other did; 1 where it did no more, or where that is not known.
func (w *Work) More() (before, after float64) {
	switch factor, ok := w.apart(); {
	case !ok:
	case factor > 1:
		return factor, 1
	case factor > 0:
		return 1, 1 / factor
	}
	return 1, 1
}

// stoodStill recognises a side that did next to nothing, for which there is no factor.
func (w *Work) stoodStill(all []tally) {
	const still = 4
	var sum [2]float64
	for _, t := range all {
		sum[0] += t.rate[0]
		sum[1] += t.rate[1]
	}
	switch {
	case sum[1] > still*sum[0]:
		w.Low = 1
	case sum[0] > still*sum[1]:
		w.High = 1
	}
}

const (
	leastTimes   = 8    // a place that was seen less often says next to nothing
	leastPlaces  = 3    // fewer say nothing of the rest of a program
	usualSpread  = 0.1  // standard deviation of the logarithm by which places of an unchanged program differ from each other
	aboutTheSame = 0.25 // the same, up to which a place agrees
	leastAgree   = 0.5
)

// estimate takes the median of the ratios of places that are on both sides, weighted by how exact each is: most of a program is
// unchanged, so what most places say is how much more or less the program was asked to do. Genomics brings libraries of
// different depth together in this way (Anders and Huber 2010, "size factors").
func estimate(name string, all []tally) WorkSource {
	out := WorkSource{Name: name, Agree: evidence.Quantity{Unit: evidence.Share}}
	type ratio struct{ log, noise, weight float64 }
	var ratios []ratio
	var weights, ones float64
	most := 0.0
	for _, t := range all {
		if max(t.times[0], t.times[1]) < leastTimes {
			continue
		}
		noise := math.Sqrt(1/max(t.times[0], 1) + 1/max(t.times[1], 1))
		weight := 1 / (noise*noise + usualSpread*usualSpread)
		if min(t.times[0], t.times[1]) < leastTimes {
			ones += weight // as good as on one side only
			continue
		}
		ratios = append(ratios, ratio{math.Log(t.rate[1] / t.rate[0]), noise, weight})
		weights += weight
		if v := t.rate[0] + t.rate[1]; v > most {
			most = v
			out.At, out.Before, out.After = t.function, evidence.Of(t.rate[0], evidence.PerSecond), evidence.Of(t.rate[1], evidence.PerSecond)
		}
	}
	out.Places = int64(len(ratios))
	if len(ratios) == 0 {
		return out
	}
	slices.SortFunc(ratios, func(a, b ratio) int { return cmp.Compare(a.log, b.log) })
	median := func(of func(ratio) float64, sorted []ratio) float64 {
		sum := 0.0
		for _, r := range sorted {
			if sum += r.weight; sum >= weights/2 {
				return of(r)
			}
		}
		return of(sorted[len(sorted)-1])
	}
	middle := median(func(r ratio) float64 { return r.log }, ratios)
	away := func(r ratio) float64 { return math.Abs(r.log - middle) }
	agree, squares := 0.0, 0.0
	for _, r := range ratios {
		if away(r) <= aboutTheSame+2*r.noise {
			agree += r.weight
		}
		squares += r.weight * r.weight
	}
	out.Agree = evidence.Of(agree/(weights+ones), evidence.Share)
	byAway := slices.Clone(ratios)
	slices.SortFunc(byAway, func(a, b ratio) int { return cmp.Compare(away(a), away(b)) })
	// The standard error of a median of so many, and what counting alone adds.
	spread := max(1.4826*median(away, byAway), usualSpread/2)
	effective := weights * weights / squares
	se := 1.2533 * spread / math.Sqrt(effective)
	if out.Agree.Number < leastAgree || len(ratios) < leastPlaces && !slices.Contains(countsOperations, name) {
		return out
	}
	out.Factor, out.Low, out.High = math.Exp(middle), math.Exp(middle-1.96*se), math.Exp(middle+1.96*se)
	return out
}

// tracesOf returns the traces of a side that are long enough to count in.
func tracesOf(s *Side) (all []*exectrace.Timeline, over float64) {
	for _, e := range usable(s, evidence.Trace) {
		if t := e.Trace(); t.Duration >= shortest {
			all = append(all, t)
			over += t.Duration.Seconds()
		}
	}
	return all, over
}

// tallied counts places of both sides' traces; nil when one has none.
func tallied(before, after *Side, count func(t *exectrace.Timeline, side int, add func(what, place string, n float64))) []tally {
	by := map[string]*tally{}
	for side, s := range []*Side{before, after} {
		all, over := tracesOf(s)
		if len(all) == 0 {
			return nil
		}
		for _, t := range all {
			count(t, side, func(what, place string, n float64) {
				if n <= 0 {
					return
				}
				key := what + " " + place
				if by[key] == nil {
					by[key] = &tally{key: key, function: place}
				}
				by[key].times[side] += n
				by[key].rate[side] += n / over
			})
		}
	}
	return sorted(by)
}

func sorted(by map[string]*tally) []tally {
	var out []tally
	for _, t := range by {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b tally) int { return cmp.Compare(a.key, b.key) })
	return out
}

// operationTallies counts the operations of the accounts of traces: requests where there are any, else what the network or a
// timer sets going, of which many run at the same rate whatever there is to do.
func operationTallies(before, after *Side) []tally {
	of := func(kind exectrace.OperationKind) []tally {
		return tallied(before, after, func(t *exectrace.Timeline, _ int, add func(string, string, float64)) {
			for _, o := range t.Account.Operations {
				if o.Kind == kind && o.Group.Function != "" {
					add("", o.Group.Function, float64(o.Count))
				}
			}
		})
	}
	if requests := of(exectrace.Request); len(requests) > 0 {
		return requests
	}
	return of(exectrace.Driver)
}

// requestTallies counts the goroutines that servers start for each request.
func requestTallies(before, after *Side) []tally {
	return tallied(before, after, func(t *exectrace.Timeline, _ int, add func(string, string, float64)) {
		for i := range t.Groups {
			g := &t.Groups[i]
			if wait.PerRequest(g.Start.Function) {
				add("", g.Start.Function, float64(g.Created))
			}
		}
	})
}

func taskTallies(before, after *Side) []tally {
	return tallied(before, after, func(t *exectrace.Timeline, _ int, add func(string, string, float64)) {
		for _, task := range t.Tasks {
			add("", task.Name, float64(task.Times.Count))
		}
	})
}

// eventTallies counts calls, waits and new goroutines by place. Waits for locks are none: how many there are hangs on how full it is.
func eventTallies(before, after *Side, opt Options) []tally {
	n := newNames(opt.Rename)
	return tallied(before, after, func(t *exectrace.Timeline, side int, add func(string, string, float64)) {
		of := func(word string, w *exectrace.Wait) {
			if len(w.Stack) > 0 {
				add(word, n.list[n.id(side, &stack.Frame{Function: w.Stack.Owner().Function})], float64(w.Count-w.Open))
			}
		}
		for i := range t.Waits {
			switch t.Waits[i].Class {
			case wait.Network, wait.ChanRecv, wait.Select, wait.WaitGroup, wait.Sleep:
				of("wait", &t.Waits[i])
			}
		}
		for i := range t.Syscalls {
			of("call", &t.Syscalls[i])
		}
		for i := range t.Groups {
			if g := &t.Groups[i]; !g.System {
				add("go", g.Start.Function, float64(g.Created))
			}
		}
	})
}

// profileTallies counts what a column of profiles samples, by the function it is own to.
func profileTallies(kind evidence.Kind, column string, before, after *Side, opt Options) []tally {
	i := slices.IndexFunc(quantities[kind], func(q quantity) bool { return q.column == column })
	q := quantities[kind][i]
	n := newNames(opt.Rename)
	var sides [2][]run
	for side, s := range []*Side{before, after} {
		all := byTime(usable(s, kind))
		if len(all) == 0 || slices.ContainsFunc(all, func(e *evidence.Exhibit) bool { return e.Profile().Column(column) < 0 }) {
			return nil
		}
		if sides[side] = perSecond(q, all); sides[side] == nil {
			return nil
		}
		for i := range sides[side] {
			sides[side][i].measure(q, n, side)
		}
	}
	by := map[string]*tally{}
	for id, name := range n.list {
		t := &tally{key: name, function: name}
		for side, runs := range sides {
			v, noise := 0.0, 0.0
			for i := range runs {
				v += at(runs[i].own, id) / float64(len(runs))
				noise += at(runs[i].ownVar, id) / float64(len(runs)*len(runs))
			}
			t.rate[side] = v
			if noise > 0 {
				t.times[side] = v * v / noise
			}
		}
		if max(t.rate[0], t.rate[1]) > 0 {
			by[name] = t
		}
	}
	return sorted(by)
}

// grows is how a quantity follows the work that is done.
type grows int

const (
	notAtAll  grows = iota // of one moment or of a run, or explicitly per operation
	withWork               // cost per second: some of it with the work, some of it with time
	held                   // cost of one moment: likewise
	beyondAll              // waiting: from nothing at all to any amount, as a program fills up
)

// scaling is what the work that was done does to numbers per second.
type scaling struct {
	factor  float64              // by which the after side is divided
	free    map[grows][2]float64 // a number of the after side, so divided, between these many times that of the before side is no change
	counted bool                 // operations were counted, so that dearer work is told from more
	shares  bool                 // too much changed to know the factor: shares of the whole are what can be compared
	grew    int                  // 1 and -1: more, or less, work was done
}

// unscaled is for numbers that need none.
var unscaled = scaling{factor: 1}

// alike is up to which ratio two sides did the same work.
const alikeWork = 1.1

// perLoad is how much a cost per operation changes with the load alone, as a power of it: larger batches, emptier caches.
const perLoad = 0.15

// scaling returns what follows from the work for numbers per second. Busy says that both sides had all processors busy, so that there
// is nothing that goes on at the same rate however much is done.
func (w *Work) scaling(busy bool) scaling {
	s := scaling{factor: 1, shares: w.shares, counted: w.By != "" && w.By != byTicks}
	low, high := w.Low, w.High
	switch {
	case w.Factor > 0 && (low > 1 || high < 1) && (w.Factor > alikeWork || w.Factor < 1/alikeWork):
		s.factor = w.Factor
		// Under another load the same operation costs a little more or less.
		slack := math.Exp(perLoad * math.Abs(math.Log(w.Factor)))
		low, high = low/slack, high*slack
	case w.Factor > 0 || low == 0 && high == 0:
		return s
	case high == 0:
		high = math.Inf(1)
	}
	if s.factor > alikeWork || math.IsInf(high, 1) {
		s.grew = 1
	} else {
		s.grew = -1
	}
	cost := [2]float64{low / s.factor, high / s.factor}
	if !busy {
		cost = [2]float64{min(low, 1) / s.factor, max(high, 1) / s.factor}
	}
	queue := [2]float64{0, 1}
	if s.grew > 0 {
		queue = [2]float64{1, math.Inf(1)}
	}
	s.free = map[grows][2]float64{withWork: cost, held: {min(low, 1), max(high, 1)}, beyondAll: queue}
	return s
}

// beyond is how far a number that changed lies outside of what the work may have made of it; negative or 0 when it does not.
func (s *scaling) beyond(g grows, before, after float64) float64 {
	free, ok := s.free[g]
	if !ok {
		return math.Abs(after - before)
	}
	if after > before {
		return after/free[1] - before
	}
	return before*free[0] - after
}

// fullyBusy is from which part of the processors on a program has no time to spare.
const fullyBusy = 0.7

// busy reports whether a side kept its processors busy, as far as profiles or traces tell.
func busy(s *Side) bool {
	if s.GOMAXPROCS <= 0 {
		return false
	}
	for _, e := range usable(s, evidence.CPU) {
		if p := e.Profile(); p.Duration > 0 && p.Column("cpu") >= 0 {
			return float64(p.Total(p.Column("cpu"))) >= fullyBusy*float64(p.Duration)*float64(s.GOMAXPROCS)
		}
	}
	all, over := tracesOf(s)
	running := 0.0
	for _, t := range all {
		running += t.Procs.Running.Seconds()
	}
	return over > 0 && running >= fullyBusy*over*float64(s.GOMAXPROCS)
}

// words says how much work was done, by which source, and which others say otherwise.
func (w *Work) words() claim.Text {
	for _, s := range w.Sources {
		if w.By == "" || s.Name != w.By {
			continue
		}
		by := claim.Textf("%s: %s against %s", sourceWords(s.Name), s.After, s.Before)
		if !slices.Contains(countsOperations, s.Name) {
			by = claim.Textf("%s of %d functions alike; in %s %s against %s", sourceWords(s.Name), s.Places, claim.Func(s.At), s.After, s.Before)
		}
		says := claim.Textf("both sides did about the same work (%s)", by)
		if factor, ok := w.apart(); ok {
			within := claim.Text("")
			if w.Low < w.High {
				within = claim.Textf("; between %s and %s times", times(w.Low), times(w.High))
			}
			says = claim.Textf("after did %s times the work (%s%s)", times(factor), by, within)
		}
		return says + w.otherwise(s)
	}
	switch {
	case w.Low > 0:
		return "the before side shows next to no operations, so costs cannot be compared per operation"
	case w.High > 0:
		return "the after side shows next to no operations, so costs cannot be compared per operation"
	case w.changed:
		return "too much changed to tell how much work each side did: shares of the whole are compared"
	}
	return "how much work each side did is not known"
}

// apart returns the factor, if both sides did not about the same work.
func (w *Work) apart() (factor float64, ok bool) {
	same := w.Low <= 1 && w.High >= 1 || w.Factor <= alikeWork && w.Factor >= 1/alikeWork
	return w.Factor, w.Factor > 0 && !same
}

// otherwise says which sources disagree with the one that is taken: their ranges are apart, and by more than the same work differs.
func (w *Work) otherwise(taken WorkSource) claim.Text {
	var out claim.Text
	for _, s := range w.Sources {
		if s.Factor > 0 && s.Name != taken.Name && (s.Low > taken.High*alikeWork || s.High < taken.Low/alikeWork) {
			out += claim.Textf("; %s say %s times", sourceWords(s.Name), times(s.Factor))
		}
	}
	return out
}

// times writes a factor.
func times(f float64) claim.Text { return claim.Textf("%.3g", math.Round(f*100)/100) }

// sourceWords is the name of a source as words of ours.
func sourceWords(name string) claim.Text {
	for _, known := range []claim.Text{byGiven, byBenchmark, byOperations, byRequests, byTasks, byEvents, byObjects, byTicks} {
		if known.String() == name {
			return known
		}
	}
	return claim.Said(name)
}
