// Package compare holds two sides of evidence against each other, such as the
// profiles of a good build and of a new one, and says whether something got
// worse, with how much certainty, and where.
//
// It opens no files and decides no exit codes. What it cannot compare it refuses
// with a reason: that is inconclusive, never a pass.
package compare

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Outcome is a verdict on one kind of evidence or on all.
type Outcome string

// The outcomes.
const (
	Pass         Outcome = "pass"         // nothing that counts got worse, and it would have shown
	Regression   Outcome = "regression"   // something that counts got worse
	Improvement  Outcome = "improvement"  // something that counts got better and nothing worse
	Tradeoff     Outcome = "tradeoff"     // something that counts got better and something else worse
	Inconclusive Outcome = "inconclusive" // could not be compared, or too little was seen to say
)

// Side is one of the two sides of a comparison.
type Side struct {
	Title      string
	Exhibits   []*evidence.Exhibit // all of the side's evidence, also what could not be read
	GOMAXPROCS int                 // 0 when unknown
	GoVersion  string              // "" when unknown
	Ops        float64             // operations that each profile covers; 0 when unknown
	Benchmarks *Benchmarks         // numbers of go test -bench; nil when none
	Judged     *Judged             // what the detectors found; nil when they did not run
	Saved      []Saved             // sums by site from a saved report
}

// Judged is what the detectors said of one side.
type Judged struct {
	Findings []claim.Finding
	Chains   []claim.Chain // by rank; they say which findings are causes, and so come first
	Verdicts []claim.Verdict
	// Near holds, by fingerprint, how severe a finding is once every limit is relaxed by Hardly, and by Work: what
	// is in it but not in Findings, or less severe there, lies just below a limit.
	Near map[string]claim.Severity
	// Work is how many times as much work as this side the other did, where it did more; 0 and 1 for no more.
	Work float64
	// Kinds are the kinds of evidence the detectors had.
	Kinds []evidence.Kind
	// Amount is how much there was of each kind: seconds where the recordings have a length, else their number.
	Amount map[evidence.Kind]float64
}

// Looked notes what evidence the detectors had.
func (j *Judged) Looked(at []*evidence.Exhibit) {
	j.Amount = map[evidence.Kind]float64{}
	for _, e := range at {
		switch {
		case e.Coverage == evidence.None:
			continue
		case e.Duration > 0:
			j.Amount[e.Kind] += e.Duration.Seconds()
		default:
			j.Amount[e.Kind]++
		}
		if !slices.Contains(j.Kinds, e.Kind) {
			j.Kinds = append(j.Kinds, e.Kind)
		}
	}
}

// Options steer a comparison. The zero value is the default.
type Options struct {
	// MinEffect is the part of the whole that a function must have, on the side
	// where it has more, for its change to count. The change must be at least as
	// large a part of the function's own cost, and a fifth of it of the whole.
	// 0 means DefaultMinEffect.
	MinEffect float64
	// Floors replace, by unit, the absolute size below which a function never counts.
	Floors map[evidence.Unit]float64
	// Rename maps names of functions or packages on the before side to those on the after side.
	Rename map[string]string
	// Work is what WorkOf says of the two sides; nil leaves it to Compare.
	Work *Work

	work scaling // what the work that was done does to numbers per second
}

// DefaultMinEffect is the MinEffect of the zero Options.
const DefaultMinEffect = 0.05

// partOfAll is the part of the least change that matters which one function must have made of the whole: what is less
// than one of so many nobody would look for.
const partOfAll = 5

// severalRuns is how many runs a side tell by themselves how runs differ, and how many profiles of one process show a trend.
const severalRuns = 3

// Result is the outcome of a comparison. Its lists are in a fixed order: the
// same input gives the same Result.
type Result struct {
	Verdict    Outcome     `json:"verdict"`
	Why        claim.Text  `json:"why"`            // sentence
	Rank       Rank        `json:"rank,omitempty"` // the highest in which something changed; empty for none
	Reasons    []Reason    `json:"reasons"`        // the changes that decide, highest rank first, losses before gains
	Undecided  []Undecided `json:"undecided"`      // kinds that could not decide
	Work       Work        `json:"work"`
	Kinds      []Kind      `json:"kinds"`
	Benchmarks []Benchmark `json:"benchmarks"`
	Findings   Findings    `json:"findings"`
	Trends     []Trend     `json:"trends"`
}

// Kind is the verdict on one kind of evidence.
type Kind struct {
	Kind     string     `json:"kind"` // an evidence.Kind, or "benchmark" or "findings"
	Verdict  Outcome    `json:"verdict"`
	Why      claim.Text `json:"why"`              // sentence
	Record   claim.Text `json:"record,omitempty"` // what to record instead, where it could not be compared
	Before   []string   `json:"before"`           // exhibits of the before side
	After    []string   `json:"after"`            // exhibits of the after side
	Measures []Measure  `json:"measures"`
	// Distributions are how long things took, of execution traces.
	Distributions []Distribution `json:"distributions"`

	reasons   []Reason
	undecided []claim.Text // why parts of it could not decide
}

// Methods by which a change is told from noise.
const (
	Moderated   = "moderated"   // three or more per side, which differ as sampling makes them: Student's test, with a standard error of sampling theory and all functions' runs
	Permutation = "permutation" // three or more per side, which differ by more: relabelling the runs must agree
	Sampling    = "sampling"    // fewer: what sampling theory says of the counts; run-to-run noise is not in it
	Exact       = "exact"       // the same bytes on both sides
)

// Measure is one number compared, as a whole and by function.
type Measure struct {
	Name       claim.Text        `json:"name"`        // such as "CPU time"
	Per        string            `json:"per"`         // "second", "operation" or "profile"
	Work       float64           `json:"work"`        // the numbers of the after side are divided by it: how many times the work it did; 1 for none
	Gates      bool              `json:"gates"`       // a change of it decides the verdict
	Verdict    Outcome           `json:"verdict"`     //
	Why        claim.Text        `json:"why"`         // sentence
	Method     string            `json:"method"`      //
	Runs       Counts            `json:"runs"`        // per side
	Samples    Counts            `json:"samples"`     // taken on each side, all runs together
	Whole      Change            `json:"whole"`       //
	Detectable evidence.Quantity `json:"detectable"`  // the smallest change of a tenth of the whole that would have been seen four times of five, as a part of that tenth
	RunsNeeded int64             `json:"runs_needed"` // runs like these, a side, that would show a fifth more in a tenth of the whole four times of five; at least 3, 0 when that is not known
	Noise      evidence.Quantity `json:"noise"`       // how far two runs of one side are apart as a whole, on average, as a share; 0 with one run
	Changes    []Change          `json:"changes"`     // those that count, then the largest others, worst first
	Moved      []Moved           `json:"moved"`       //
	Tree       []Node            `json:"tree"`        // what the flame graph is drawn from, parents first
}

// Change is one function, or the whole, on both sides.
type Change struct {
	Function string            `json:"function"` // normalised; empty for the whole
	File     string            `json:"file,omitempty"`
	Line     int               `json:"line,omitempty"`
	Path     []string          `json:"path"`           // the way that costs most, outermost first, the function last
	Reach    string            `json:"reach"`          // "own": the function and the standard library below it; "with-callees": all below it; "whole"
	Before   evidence.Quantity `json:"before"`         // mean over the runs
	After    evidence.Quantity `json:"after"`          //
	Shares   Pair              `json:"shares"`         // of the whole, before and after
	Cum      Pair              `json:"cum"`            // with callees, before and after, in the unit of Before
	Effect   float64           `json:"effect"`         // (after-before)/before; 0 when it was not there before
	Interval Interval          `json:"interval"`       // of after-before, 95 %, in the unit of Before
	P        float64           `json:"p"`              // one-sided
	Q        float64           `json:"q"`              // after Benjamini-Hochberg over all that was tested
	Counts   bool              `json:"counts"`         // it decides the verdict
	Worse    bool              `json:"worse"`          // it rose
	Explains float64           `json:"explains"`       // its part of all that rose, or fell
	Note     claim.Text        `json:"note,omitempty"` // why it does not count although it is significant, or what made it
}

// Pair is a number on both sides.
type Pair struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Counts is a number of things on both sides.
type Counts struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Interval is where a number lies in 95 of 100 cases.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Moved is cost that left one function and arrived in another.
type Moved struct {
	From   string            `json:"from"`
	To     string            `json:"to"`
	Amount evidence.Quantity `json:"amount"`
	Why    claim.Text        `json:"why"` // sentence
}

// Node is one call in the merged call tree of a measure.
type Node struct {
	Parent   int     `json:"parent"`   // index of the caller, -1 for a root
	Function string  `json:"function"` // empty for what was left out
	Before   float64 `json:"before"`   // with callees, in the measure's unit
	After    float64 `json:"after"`    //
}

// Compare holds after against before.
func Compare(before, after *Side, opt Options) *Result {
	if opt.MinEffect <= 0 {
		opt.MinEffect = DefaultMinEffect
	}
	if opt.Work == nil {
		w := WorkOf(before, after, opt)
		opt.Work = &w
	}
	r := &Result{Work: *opt.Work}
	opt.work = r.Work.scaling(busy(before) && busy(after))
	var drafts []*draft
	for _, kind := range evidence.Kinds {
		if d := compareKind(kind, before, after, opt); d != nil {
			drafts = append(drafts, d)
		}
	}
	settle(drafts)
	for _, d := range drafts {
		r.Kinds = append(r.Kinds, d.Kind)
	}
	if k, benchmarks, ok := compareBenchmarks(before.Benchmarks, after.Benchmarks, opt); ok {
		r.Kinds, r.Benchmarks = append(r.Kinds, k), benchmarks
	}
	if k, findings, ok := compareFindings(before.Judged, after.Judged); ok {
		r.Kinds, r.Findings = append(r.Kinds, k), findings
	}
	was, is := trends("before", before), trends("after", after)
	r.Reasons = crowding(was, is)
	r.Trends = slices.Concat(was, is)
	for _, k := range r.Kinds {
		for _, x := range k.reasons {
			x.Kind = k.Kind
			r.Reasons = append(r.Reasons, x)
		}
		for _, why := range k.undecided {
			r.Undecided = append(r.Undecided, Undecided{k.Kind, why})
		}
	}
	r.conclude(slices.ContainsFunc(r.Kinds, func(k Kind) bool { return k.Verdict != Inconclusive }))
	return r
}

// draft is a kind of evidence whose numbers have been tested and not judged: what
// each has to show depends on how many there are in all kinds.
type draft struct {
	Kind
	parts     []*comparison
	durations []*duration
	refused   []refusal  // what could not be compared
	instead   claim.Text // what to record instead of what was refused
	ended     func()     // has the last word on the kind; nil for none
}

// settle reaches the verdicts. All numbers that decide together raise a false alarm in
// no more than one comparison of twenty.
func settle(drafts []*draft) {
	var decide []*entry
	var backed, alone []*comparison
	for _, d := range drafts {
		for _, c := range d.parts {
			switch {
			case c.settled:
			case c.method == Sampling || !c.m.Gates || c.size < c.floor():
				alone = append(alone, c)
			case c.q.backed:
				backed = append(backed, c)
			default:
				decide = append(decide, c.entries...)
			}
		}
		for _, t := range d.durations {
			if t.runs != nil && t.gates {
				decide = append(decide, t.runs)
			}
		}
	}
	for _, c := range alone {
		c.tested = len(c.entries)
		adjust(c.entries)
	}
	// The same again at less precision: it must hold beside what it repeats, and takes nothing from it.
	for _, c := range backed {
		c.tested = len(decide) + len(c.entries)
		adjust(slices.Concat(decide, c.entries))
	}
	adjust(decide)
	for _, d := range drafts {
		for _, c := range d.parts {
			if c.tested == 0 {
				c.tested = len(decide)
			}
			if !c.settled {
				c.judge()
			}
			d.Measures = append(d.Measures, *c.m)
			if c.m.Gates {
				d.reasons = append(d.reasons, c.reasons...)
				if c.m.Verdict == Inconclusive {
					d.undecided = append(d.undecided, c.m.Why)
				}
				d.undecided = append(d.undecided, c.excused...)
			}
		}
		for _, t := range d.durations {
			one := t.judge()
			d.Distributions = append(d.Distributions, one)
			switch {
			case !one.Gates:
			case one.Verdict == Inconclusive:
				d.undecided = append(d.undecided, one.Why)
			case one.Verdict != Pass:
				d.reasons = append(d.reasons, Reason{Rank: RankOperations, Better: one.Verdict == Improvement, Size: sizeOf(float64(one.Before.P99), float64(one.After.P99)), Says: one.Why})
			}
		}
		if d.ended != nil {
			d.ended()
		}
		d.conclude()
	}
}

// KindName is a kind of a Result in words.
func KindName(kind string) claim.Text {
	switch kind {
	case benchmarkKind:
		return "benchmarks"
	case "findings":
		return "findings"
	}
	return evidence.Kind(kind).Name()
}

// compareKind compares one kind of evidence; nil when neither side has it or it
// is none that can be compared.
func compareKind(kind evidence.Kind, before, after *Side, opt Options) *draft {
	a, b := usable(before, kind), usable(after, kind)
	sa, sb := saved(before, kind), saved(after, kind)
	if len(a)+len(b)+len(sa)+len(sb) == 0 || !slices.Contains(byNumber, kind) {
		return nil
	}
	d := &draft{Kind: Kind{Kind: string(kind), Before: ids(a, sa), After: ids(b, sb)}}
	refuse := func(record, why claim.Text) *draft {
		d.Verdict, d.Why, d.Record = Inconclusive, why, record
		return d
	}
	if len(d.Before) == 0 || len(d.After) == 0 {
		side := claim.Text("before")
		if len(d.After) == 0 {
			side = "after"
		}
		return refuse(kind.HowToRecord(), claim.Textf("there is no %s on the %s side", kind.Name(), side))
	}
	if dependsOnProcs[kind] && before.GOMAXPROCS > 0 && after.GOMAXPROCS > 0 && before.GOMAXPROCS != after.GOMAXPROCS {
		return refuse("record both sides with the same GOMAXPROCS", claim.Textf("GOMAXPROCS is %d before and %d after: rates and waits are not comparable", before.GOMAXPROCS, after.GOMAXPROCS))
	}
	switch {
	case len(sa)+len(sb) > 0:
		compareSaved(d, kind, a, b, sa, sb, before, after, opt)
	case kind == evidence.Trace && sameBytes(a, b):
		d.Verdict, d.Why = Pass, sameBytesWords
	case kind == evidence.Trace:
		compareTraces(d, a, b, opt)
	default:
		compareProfiles(d, kind, a, b, before, after, opt)
	}
	return d
}

// byNumber are the kinds that are held side by side number by number. The
// others speak through the findings.
var byNumber = []evidence.Kind{evidence.CPU, evidence.Heap, evidence.Mutex, evidence.Block, evidence.Goroutine, evidence.GoroutineLeak, evidence.Trace}

var dependsOnProcs = map[evidence.Kind]bool{evidence.CPU: true, evidence.Mutex: true, evidence.Block: true, evidence.Trace: true}

// conclude makes the verdict of a kind from its measures, where it was not refused.
func (k *Kind) conclude() {
	if k.Verdict == Inconclusive { // refused
		k.undecided = append(k.undecided, k.Why)
	}
	if k.Verdict != "" {
		return
	}
	compared := slices.ContainsFunc(k.Measures, func(m Measure) bool { return m.Gates && m.Verdict != Inconclusive }) ||
		slices.ContainsFunc(k.Distributions, func(d Distribution) bool { return d.Gates && d.Verdict != Inconclusive })
	k.reach(compared)
}

// reach makes the verdict of what is known of a kind.
func (k *Kind) reach(compared bool) {
	if !compared && len(k.undecided) == 0 {
		k.undecided = append(k.undecided, "nothing in it could be compared")
	}
	sub := Result{Reasons: k.reasons}
	for _, why := range k.undecided {
		sub.Undecided = append(sub.Undecided, Undecided{k.Kind, why})
	}
	sub.conclude(compared)
	k.Verdict, k.Why = sub.Verdict, sub.Why
	if k.Verdict == Pass {
		k.Why = "no change counts"
	}
	if len(k.undecided) > 0 {
		undecided := claim.Join(k.undecided, "; ")
		if k.Verdict == Inconclusive {
			k.Why = undecided
		} else {
			k.Why += "; could not decide: " + undecided
		}
	}
}

func usable(s *Side, kind evidence.Kind) []*evidence.Exhibit {
	var out []*evidence.Exhibit
	for _, e := range s.Exhibits {
		if e.Kind == kind && e.Coverage != evidence.None {
			out = append(out, e)
		}
	}
	return out
}

func saved(s *Side, kind evidence.Kind) []Saved {
	var out []Saved
	for _, e := range s.Saved {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func ids(exhibits []*evidence.Exhibit, saved []Saved) []string {
	var out []string
	for _, e := range exhibits {
		out = append(out, e.ID)
	}
	for _, s := range saved {
		if !slices.Contains(out, s.Exhibit) {
			out = append(out, s.Exhibit)
		}
	}
	return out
}

// sameBytes reports whether both sides hold the same files of a kind.
func sameBytes(a, b []*evidence.Exhibit) bool {
	sums := func(all []*evidence.Exhibit) []string {
		var out []string
		for _, e := range all {
			out = append(out, e.SHA256+e.Part.String())
		}
		slices.Sort(out)
		return out
	}
	return a[0].SHA256 != "" && slices.Equal(sums(a), sums(b))
}

// byTime orders exhibits by when they were taken.
func byTime(all []*evidence.Exhibit) []*evidence.Exhibit {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(x, y *evidence.Exhibit) int {
		return cmp.Or(x.CapturedAt.Compare(y.CapturedAt), cmp.Compare(x.ID, y.ID))
	})
	return out
}
