package view

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/internal/safe"
	"inquest/report"
)

// Diff is a comparison arranged for reading.
type Diff struct {
	*report.Diff
}

func NewDiff(d *report.Diff) Diff { return Diff{safe.Copy(d)} }

// Headline is the verdict in one sentence.
func (v Diff) Headline() string { return Capital(string(v.Verdict)) + ": " + v.Why.String() }

// Answer is the verdict for who decides about a release and reads no further.
func (v Diff) Answer() string {
	switch v.Verdict {
	case compare.Regression:
		return "It got worse"
	case compare.Improvement:
		return "It got better"
	case compare.Tradeoff:
		return "It got better in one respect and worse in another"
	case compare.Pass:
		return "Nothing that counts changed"
	}
	return "It cannot be told whether it got worse"
}

// WorkWords says how much work each side did; empty where no number hangs on it.
func (v Diff) WorkWords() string {
	if v.Work.By == "" && v.Work.Low == 0 && v.Work.High == 0 {
		return ""
	}
	why := Capital(v.Work.Why.String())
	if v.divided() {
		why += "; costs after are given at the work of before"
	}
	return why + "."
}

// divided reports whether costs of one side are brought to the work of the other.
func (v Diff) divided() bool {
	return slices.ContainsFunc(v.Kinds, func(k compare.Kind) bool {
		return slices.ContainsFunc(k.Measures, func(m compare.Measure) bool { return m.Work > 0 && m.Work != 1 })
	})
}

// Whole says how a measure as a whole changed.
func Whole(m *compare.Measure) string {
	before, after := m.Whole.Before.String(), m.Whole.After.String()
	if before == after && strings.HasPrefix(before, "0 ") {
		return "next to nothing on both sides"
	}
	return fmt.Sprintf("%s → %s%s (%s)", before, after, PerWord(m), Relative(m.Whole))
}

// Row is a change that counts, with where it was measured.
type Row struct {
	compare.Change
	Measure *compare.Measure
	Kind    *compare.Kind
}

// Counted is every change that decides the verdict, worst first.
func (v Diff) Counted() []Row {
	var worse, better []Row
	for i := range v.Kinds {
		k := &v.Kinds[i]
		for j := range k.Measures {
			m := &k.Measures[j]
			if !m.Gates {
				continue
			}
			all := m.Changes
			if m.Whole.Counts && !slices.ContainsFunc(all, func(c compare.Change) bool { return c.Counts && c.Worse == m.Whole.Worse }) {
				all = append([]compare.Change{m.Whole}, all...)
			}
			for _, c := range all {
				list := &better
				if c.Worse {
					list = &worse
				}
				// Two kinds of evidence that show the same say it once.
				again := func(r Row) bool { return r.Function == c.Function && r.Measure.Name == m.Name && r.Reach == c.Reach }
				if c.Counts && !slices.ContainsFunc(*list, again) {
					*list = append(*list, Row{c, m, k})
				}
			}
		}
	}
	return append(worse, better...)
}

// Where names what a change is about.
func (r Row) Where() string {
	if r.Function == "" {
		return "the whole"
	}
	return r.Function
}

// Relative is how much it changed.
func (r Row) Relative() string { return Relative(r.Change) }

func Relative(c compare.Change) string {
	switch {
	case c.New():
		return "new"
	case c.Before.Number == 0:
		return "0 %"
	}
	return compare.Percent(c.Effect)
}

// Within says how sure a change is: its interval as parts of what it was before.
func (r Row) Within() string { return within(r.Change) }

func within(c compare.Change) string {
	if c.Before.Number == 0 || c.New() {
		return ""
	}
	// Nothing falls below nothing, whatever the interval of a symmetric test says.
	part := func(delta float64) string { return compare.Percent(max(delta/c.Before.Number, -1)) }
	return fmt.Sprintf("%s to %s", part(c.Interval.Low), part(c.Interval.High))
}

// Share is its part of the whole on both sides.
func (r Row) Share() string {
	return evidence.Of(r.Shares.Before, evidence.Share).String() + " → " + evidence.Of(r.Shares.After, evidence.Share).String()
}

// CallPath is the way to a function, shortened in the middle.
func CallPath(c compare.Change) string {
	p := c.Path
	if len(p) > 7 {
		p = slices.Concat(p[:2], []string{"..."}, p[len(p)-4:])
	}
	return strings.Join(p, " > ")
}

// PerWord is what a measure's numbers are per, where their unit does not say so.
func PerWord(m *compare.Measure) string {
	if m.Per == "operation" {
		return " per operation"
	}
	return ""
}

// MethodWords says how a measure was tested.
func MethodWords(m *compare.Measure) string {
	per := ""
	if m.Per == "second" {
		per = "per second of wall time; "
	}
	if m.Work > 0 && m.Work != 1 {
		per = fmt.Sprintf("per second of wall time, after at the work of before: divided by %.3g; ", m.Work)
	}
	test := "Student's test"
	switch m.Method {
	case compare.Permutation:
		test = "permutation and Student's test"
		fallthrough
	case compare.Moderated:
		return per + fmt.Sprintf("%s of %d against %d runs; two runs of one side differ by %s as a whole", test, m.Runs.Before, m.Runs.After, m.Noise)
	case compare.Sampling:
		return per + fmt.Sprintf("sampling theory only, %d against %d: how runs differ from each other is not in it; give three or more per side", m.Runs.Before, m.Runs.After)
	}
	return "the same bytes"
}

// SightWords says what change would have been seen.
func SightWords(m *compare.Measure) string {
	if m.Detectable.Number <= 0 {
		return ""
	}
	if m.Detectable.Number > 1 {
		return "so little was sampled that a function with a tenth of the whole could double and not be seen" + neededWords(m)
	}
	words := fmt.Sprintf("a change of %s in a function with a tenth of the whole would have been seen four times of five", evidence.Of(math.Ceil(m.Detectable.Number*100)/100, evidence.Share))
	return words + neededWords(m)
}

// neededWords says how many runs would decide, where these do not.
func neededWords(m *compare.Measure) string {
	if m.RunsNeeded <= min(m.Runs.Before, m.Runs.After) {
		return ""
	}
	return fmt.Sprintf("; it takes %s like these to see a change of a fifth in it", compare.RunsWords(m.RunsNeeded))
}

// BenchSure says how sure a benchmark's change is.
func BenchSure(b compare.Benchmark) string {
	if len(b.Warnings) > 0 {
		return b.Warnings[0].String()
	}
	return fmt.Sprintf("q %s, %d against %d runs", Probability(b.Q), b.Runs.Before, b.Runs.After)
}

// Ranked lists the numbers of benchmarks, what changed first.
func (v Diff) Ranked() []compare.Benchmark {
	all := slices.Clone(v.Benchmarks)
	rank := map[compare.Outcome]int{compare.Regression: 0, compare.Tradeoff: 1, compare.Inconclusive: 2, compare.Improvement: 3, compare.Pass: 4}
	slices.SortStableFunc(all, func(a, b compare.Benchmark) int { return cmp.Compare(rank[a.Verdict], rank[b.Verdict]) })
	return all
}

// TrendWords says how the live heap of a side went, in one sentence and one for each site.
func TrendWords(t compare.Trend) (sentence string, sites []string) {
	how := "no steady growth"
	if t.Rising {
		how = "more in every profile"
	}
	sentence = fmt.Sprintf("%s: %s %s → %s over %s, %s: %s", t.Side, t.Name, t.First, t.Last, evidence.Things(len(t.Exhibits), "profile"), t.Slope, how)
	for _, s := range t.Sites {
		sites = append(sites, fmt.Sprintf("%s: %s → %s", s.Function, s.First, s.Last))
	}
	return sentence, sites
}

// QuantilesWords puts both sides of a distribution into words.
func QuantilesWords(d compare.Distribution) string {
	at := func(n int64) string { return evidence.Of(n, evidence.Nanoseconds).String() }
	return fmt.Sprintf("half below %s → %s, 99 of 100 below %s → %s, longest %s → %s, %d → %d of them",
		at(d.Before.P50), at(d.After.P50), at(d.Before.P99), at(d.After.P99), at(d.Before.Max), at(d.After.Max), d.Before.Count, d.After.Count)
}

func KindWord(kind string) string { return compare.KindName(kind).String() }

func SideWords(s report.DiffSide) string {
	var parts []string
	n := map[evidence.Kind]int{}
	var kinds []evidence.Kind
	for _, e := range s.Exhibits {
		if e.Coverage == evidence.None {
			continue
		}
		if n[e.Kind] == 0 {
			kinds = append(kinds, e.Kind)
		}
		n[e.Kind]++
	}
	for _, k := range kinds {
		parts = append(parts, evidence.Things(n[k], k.Name()).String())
	}
	parts = append(parts, s.Others...)
	return s.Title + " (" + strings.Join(parts, ", ") + ")"
}

// Unbroken keeps a number and its unit on one line.
func Unbroken(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

// MaxDiffRows is how many changes a terminal and the top of a page show.
const MaxDiffRows = 8

func Verb(c compare.Change) string {
	if c.Worse {
		return "rose"
	}
	return "fell"
}

func Probability(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", p)
}
