package view

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/internal/compare"
	"inquest/report"
)

// Decider is one line of what decides a verdict: a change of a function or of the whole, or a number of a benchmark.
type Decider struct {
	Effect        string
	Where         string
	Code          bool // Where is a name in code, not words
	What          string
	Before, After string
	Within        string // its interval; may be empty
}

// Deciding is what decides the verdict, worst first. Where something got worse, what got better does not decide.
func (v Diff) Deciding() []Decider {
	var out []Decider
	for _, r := range v.Counted() {
		if !r.Worse && v.Verdict == compare.Regression {
			continue
		}
		d := Decider{Effect: r.Relative(), Where: r.Where(), What: r.Measure.Name.String() + PerWord(r.Measure), Before: r.Before.String(), After: r.After.String(), Within: r.Within()}
		if r.Function != "" {
			d.Where, d.Code = ShortFunction(r.Function), true
		}
		out = append(out, d)
	}
	for _, x := range v.Ranked() {
		if x.Verdict == compare.Regression || x.Verdict == compare.Improvement && v.Verdict != compare.Regression {
			out = append(out, Decider{Effect: compare.Percent(x.Effect), Where: x.Short(), Code: true, What: x.What().String(), Before: x.Number(x.Before).String(), After: x.Number(x.After).String()})
		}
	}
	return out
}

// Outcome is the kinds with one verdict.
type Outcome struct {
	Verdict compare.Outcome
	Kinds   string
}

// Outcomes lists the verdicts that kinds have, worst first.
func (v Diff) Outcomes() []Outcome {
	var out []Outcome
	for _, o := range []compare.Outcome{compare.Regression, compare.Tradeoff, compare.Inconclusive, compare.Improvement, compare.Pass} {
		var kinds []string
		for _, k := range v.Kinds {
			if k.Verdict == o {
				kinds = append(kinds, KindWord(k.Kind))
			}
		}
		if len(kinds) > 0 {
			out = append(out, Outcome{o, strings.Join(kinds, ", ")})
		}
	}
	return out
}

// Unexplained lists the kinds whose verdict no line of what decides it gives a reason for.
func (v Diff) Unexplained() []compare.Kind {
	rows := v.Counted()
	var out []compare.Kind
	for _, k := range v.Kinds {
		shown := k.Kind == "benchmark" || slices.ContainsFunc(rows, func(r Row) bool { return r.Kind.Kind == k.Kind })
		if k.Verdict == compare.Inconclusive || k.Verdict == compare.Regression && !shown && k.Why != v.Why { // which the headline says
			out = append(out, k)
		}
	}
	return out
}

// FindingGroup is findings with which the same happened from one side to the other.
type FindingGroup struct {
	Name string
	List []compare.FindingChange
}

// FindingGroups is the groups that hold any.
func (v Diff) FindingGroups() []FindingGroup {
	f := v.Findings
	all := []FindingGroup{{"new", f.New}, {"worse", f.Worse}, {"gone", f.Gone}, {"better", f.Better}, {"not comparable", f.Unclear}}
	return slices.DeleteFunc(all, func(g FindingGroup) bool { return len(g.List) == 0 })
}

// OutcomeWords says what became of a finding.
func OutcomeWords(c compare.FindingChange) string {
	text := c.Why
	if c.After != nil {
		text = c.After.Summary + " (" + c.Why + ")"
	} else if c.Before != nil {
		text = c.Before.Summary + " (" + c.Why + ")"
	}
	return claim.Capital(text).String()
}

// ChangeNote says what else there is to know of a function's change.
func ChangeNote(c compare.Change) string {
	var parts []string
	if c.Counts {
		parts = append(parts, "counts")
	}
	parts = append(parts, c.Note.String())
	if c.Counts && len(c.Path) > 1 {
		parts = append(parts, "called by "+ShortFunction(c.Path[len(c.Path)-2]))
	}
	if c.Reach == "with-callees" {
		parts = append(parts, "with what it calls")
	}
	return Join("; ", parts...)
}

// AboutWords says how a measure was tested and what change would have been seen, in sentences.
func AboutWords(m *compare.Measure) string {
	about := Capital(MethodWords(m)) + "."
	if s := SightWords(m); s != "" {
		about += " " + Capital(s) + "."
	}
	return about
}

// Side is one side of a comparison by its name.
type Side struct {
	Name string
	report.DiffSide
}

// Sides is both.
func (v Diff) Sides() []Side { return []Side{{"Before", v.Before}, {"After", v.After}} }
