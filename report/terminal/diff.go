package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/report"
	"inquest/report/internal/view"
)

// WriteDiff writes d for reading in a terminal, the verdict first.
func WriteDiff(w io.Writer, d *report.Diff, opt Options) error {
	t := newTerminal(opt)
	v := view.NewDiff(d)
	t.verdicts(v)
	if rows := v.Counted(); len(rows) > 0 {
		t.section("What decides it")
		for _, r := range view.First(view.MaxDiffRows, rows) {
			t.diffRow(r)
		}
		t.more(len(rows)-view.MaxDiffRows, "change", "changes")
	}
	t.benchmarks(v.Ranked())
	for i := range v.Kinds {
		for j := range v.Kinds[i].Measures {
			t.measure(&v.Kinds[i].Measures[j])
		}
		if all := v.Kinds[i].Distributions; len(all) > 0 {
			t.section("How long things took")
			for _, d := range all {
				t.hang(4, "  ", lipgloss.Style{}, fmt.Sprintf("%s (%s): %s", d.Name, d.Verdict, view.QuantilesWords(d)))
			}
		}
	}
	t.accountChanges(v)
	t.findings(v.Findings)
	t.trends(v.Trends)
	var problems []string
	for _, side := range v.Sides() {
		for _, e := range side.Exhibits {
			problems = append(problems, view.Unmarked(e.Problems)...)
		}
	}
	t.list("How good the evidence is", problems)
	var how []string
	for _, m := range v.Made() {
		how = append(how, m.What+": "+m.How)
	}
	t.list("How this was made", how)
	_, err := io.WriteString(w, t.out.String())
	return err
}

// verdicts writes the verdict, the sides and what each kind of evidence says.
func (t *terminal) verdicts(v view.Diff) {
	plain := lipgloss.Style{}
	styles := map[compare.Outcome]lipgloss.Style{
		compare.Regression: t.levels[claim.Critical], compare.Inconclusive: t.levels[claim.Warning], compare.Tradeoff: t.levels[claim.Warning],
		compare.Improvement: t.levels[claim.Info], compare.Pass: t.strong,
	}
	t.line(0, styles[v.Verdict], strings.ToUpper(string(v.Verdict))+"  "+v.Why.String())
	if work := v.WorkWords(); work != "" {
		t.line(2, plain, work)
	}
	t.line(2, t.faint, "before: "+view.SideWords(v.Before))
	t.line(2, t.faint, "after:  "+view.SideWords(v.After))
	if v.Verdict == compare.Inconclusive {
		t.line(2, t.strong, "This is not a pass: some of it could not be compared, or too little was seen.")
	}
	t.gap()
	for i := range v.Kinds {
		k := &v.Kinds[i]
		t.hang(15, fmt.Sprintf("  %-13s", k.Verdict), plain, view.KindWord(k.Kind)+": "+k.Why.String())
		if k.Record != "" {
			t.line(15, t.faint, ("instead: " + k.Record).String())
		}
	}
}

func (t *terminal) benchmarks(all []compare.Benchmark) {
	if len(all) == 0 {
		return
	}
	t.section("Benchmarks")
	for _, b := range view.First(maxBenchRows, all) {
		t.hang(12, fmt.Sprintf("  %-10s", compare.Percent(b.Effect)), lipgloss.Style{}, fmt.Sprintf("%s, %s: %s → %s", b.Short(), b.What(), b.Number(b.Before), b.Number(b.After)))
		t.line(12, t.faint, fmt.Sprintf("%s, %s", b.Verdict, view.BenchSure(b)))
	}
	t.more(len(all)-maxBenchRows, "number", "numbers")
}

func (t *terminal) trends(all []compare.Trend) {
	if len(all) == 0 {
		return
	}
	t.section("Over time")
	for _, trend := range all {
		sentence, sites := view.TrendWords(trend)
		t.hang(4, "  ", lipgloss.Style{}, sentence)
		for _, s := range sites {
			t.line(6, t.faint, s)
		}
	}
}

const (
	maxBenchRows = 12
	maxOthers    = 5
)

func (t *terminal) diffRow(r view.Row) {
	t.hang(12, fmt.Sprintf("  %-10s", r.Relative()), t.strong, r.Where())
	t.line(12, lipgloss.Style{}, fmt.Sprintf("%s: %s → %s%s, share %s", r.Measure.Name, r.Before, r.After, view.PerWord(r.Measure), r.Share()))
	var sure []string
	if w := r.Within(); w != "" {
		sure = append(sure, "95 % interval "+w)
	}
	sure = append(sure, "q "+view.Probability(r.Q))
	if r.Explains > 0 && r.Function != "" {
		sure = append(sure, fmt.Sprintf("%s of all that %s", evidence.Of(r.Explains, evidence.Share), view.Verb(r.Change)))
	}
	if r.Reach == "with-callees" {
		sure = append(sure, "with what it calls")
	}
	t.line(12, t.faint, strings.Join(sure, ", "))
	if len(r.Path) > 1 {
		t.line(12, t.faint, view.CallPath(r.Change))
	}
}

func (t *terminal) measure(m *compare.Measure) {
	title := m.Name
	if !m.Gates {
		title += " (shown, does not decide)"
	}
	t.section(claim.Capital(title).String())
	t.hang(2, "  ", lipgloss.Style{}, "the whole: "+view.Whole(m))
	shown := 0
	for _, c := range m.Changes {
		if c.Counts && m.Gates {
			continue
		}
		if shown++; shown > maxOthers {
			break
		}
		text := fmt.Sprintf("%s: %s → %s", c.Function, c.Before, c.After)
		if c.Note != "" {
			text += "; " + c.Note.String()
		}
		t.hang(12, fmt.Sprintf("  %-10s", view.Relative(c)), lipgloss.Style{}, text)
	}
	for _, mv := range m.Moved {
		t.hang(12, "  moved     ", lipgloss.Style{}, fmt.Sprintf("%s from %s to %s: %s", mv.Amount, mv.From, mv.To, mv.Why))
	}
	t.line(2, t.faint, view.MethodWords(m))
	if s := view.SightWords(m); s != "" {
		t.line(2, t.faint, s)
	}
}

func (t *terminal) findings(f compare.Findings) {
	list := func(title string, all []compare.FindingChange) {
		var items []string
		for _, c := range all {
			items = append(items, fmt.Sprintf("%s: %s (%s): %s", c.Detector, c.Title, view.Place(c.Site), c.Why))
		}
		t.list(title, items)
	}
	list("New findings", f.New)
	list("Findings that got worse", f.Worse)
	list("Findings that are gone", f.Gone)
	list("Findings that got better", f.Better)
	list("Findings that cannot be compared", f.Unclear)
}

// maxAccountRows is how many parts of an account the terminal compares; the other views compare more.
const maxAccountRows = 4

// accountChanges says where it all went, before and after.
func (t *terminal) accountChanges(v view.Diff) {
	all := v.AccountChanges()
	if len(all) == 0 {
		return
	}
	t.section("Where it all went, before and after")
	for _, a := range all {
		t.line(2, t.strong, a.Title)
		for _, r := range a.Rows[:min(len(a.Rows), maxAccountRows)] {
			t.hang(6, "  ", lipgloss.Style{}, view.Join(": ", view.Join(" ", r.Says, r.Site.Function), r.Before+" → "+r.After+", "+r.Change))
		}
	}
}
