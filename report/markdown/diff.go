package markdown

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/compare"
	"inquest/analyze/evidence"
	"inquest/report"
	"inquest/report/internal/view"
)

// WriteDiff writes d as a comment on a pull request: the verdict first,
// at most a screen of it open, everything else folded.
func WriteDiff(w io.Writer, d *report.Diff) error {
	v := view.NewDiff(d)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("### inquest: %s", v.Verdict)
	say("")
	answer := "**" + v.Answer() + "**"
	if v.Verdict == compare.Pass {
		say("%s.", answer)
	} else {
		say("%s: %s", answer, markdownBlock(v.Why.String()+"."))
	}
	if work := v.WorkWords(); work != "" {
		say("")
		say("%s", markdownBlock(work))
	}
	if v.Verdict == compare.Inconclusive {
		say("")
		say("**This is not a pass**: some of it could not be compared, or too little was seen.")
	}
	markdownDecides(&b, v)
	markdownKinds(&b, v)
	for i := range v.Kinds {
		markdownKind(&b, &v.Kinds[i])
	}
	markdownBenchmarks(&b, v.Ranked())
	markdownFindings(&b, v.Findings)
	markdownTrends(&b, v.Trends)
	markdownSides(&b, v)
	_, err := io.WriteString(w, b.String())
	return err
}

// maxDecides is how many changes a comment shows open: with more it is no summary.
const maxDecides = 6

// markdownDecides writes the table of what decides the verdict.
func markdownDecides(b *strings.Builder, v view.Diff) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	var rows []string
	row := func(effect, where, what, before, after, within string) {
		rows = append(rows, fmt.Sprintf("| **%s** | %s | %s | %s | %s | %s |", view.Unbroken(effect), where, markdownText(what), view.Unbroken(markdownText(before)), view.Unbroken(markdownText(after)), strings.ReplaceAll(view.Unbroken(within), "\u00a0to\u00a0", " to ")))
	}
	for _, r := range v.Counted() {
		if !r.Worse && v.Verdict == compare.Regression {
			continue // what got better does not decide
		}
		where := "the whole"
		if r.Function != "" {
			where = markdownCode(view.ShortFunction(r.Function))
		}
		row(r.Relative(), where, r.Measure.Name.String()+view.PerWord(r.Measure), r.Before.String(), r.After.String(), r.Within())
	}
	for _, x := range v.Ranked() {
		if x.Verdict == compare.Regression || x.Verdict == compare.Improvement && v.Verdict != compare.Regression {
			row(compare.Percent(x.Effect), markdownCode(x.Short()), x.What().String(), x.Number(x.Before).String(), x.Number(x.After).String(), "")
		}
	}
	if len(rows) == 0 {
		return
	}
	say("")
	say("| change | where | what | before | after | 95 %% interval |")
	say("|---:|---|---|---:|---:|---|")
	for _, r := range view.First(maxDecides, rows) {
		say("%s", r)
	}
	if n := len(rows) - maxDecides; n > 0 {
		say("")
		say("%s in the details.", evidence.Things(n, "more change"))
	}
}

// markdownKinds lists the verdicts by kind, with the reasons that the table of changes does not give.
func markdownKinds(b *strings.Builder, v view.Diff) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	by := map[compare.Outcome][]string{}
	var reasons []string
	for _, k := range v.Kinds {
		by[k.Verdict] = append(by[k.Verdict], view.KindWord(k.Kind))
		why := k.Why
		if k.Record != "" {
			why += "; instead: " + k.Record
		}
		shown := k.Kind == "benchmark" || slices.ContainsFunc(v.Counted(), func(r view.Row) bool { return r.Kind.Kind == k.Kind })
		if k.Verdict == compare.Inconclusive || k.Verdict == compare.Regression && !shown {
			reasons = append(reasons, fmt.Sprintf("- %s: %s", markdownText(view.KindWord(k.Kind)), markdownText(why.String())))
		}
	}
	var parts []string
	for _, o := range []compare.Outcome{compare.Regression, compare.Tradeoff, compare.Inconclusive, compare.Improvement, compare.Pass} {
		if len(by[o]) > 0 {
			parts = append(parts, fmt.Sprintf("**%s**: %s", o, markdownText(strings.Join(by[o], ", "))))
		}
	}
	if len(parts) > 0 {
		say("")
		say("%s", strings.Join(parts, " · "))
	}
	if len(reasons) > 0 {
		say("")
		say("%s", strings.Join(reasons, "\n"))
	}
}

// markdownKind folds all numbers of a kind.
func markdownKind(b *strings.Builder, k *compare.Kind) {
	if len(k.Measures)+len(k.Distributions) == 0 {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>%s: %s</summary>", view.KindWord(k.Kind), k.Verdict)
	for i := range k.Measures {
		markdownMeasure(b, &k.Measures[i])
	}
	if len(k.Distributions) > 0 {
		say("")
		say("**How long things took**")
		say("")
		for _, d := range k.Distributions {
			say("- %s (%s): %s", markdownText(d.Name.String()), d.Verdict, markdownText(view.QuantilesWords(d)))
		}
	}
	say("")
	say("</details>")
}

func markdownMeasure(b *strings.Builder, m *compare.Measure) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	decides := ""
	if !m.Gates {
		decides = " (does not decide)"
	}
	say("")
	say("**%s**%s: %s", markdownText(claim.Capital(m.Name).String()), decides, markdownText(view.Whole(m)))
	if len(m.Changes) > 0 {
		say("")
		say("| change | function | before | after | of the whole | q | |")
		say("|---:|---|---:|---:|---|---:|---|")
		for _, c := range m.Changes {
			note := c.Note
			if c.Counts {
				note = claim.Legacy(strings.TrimSuffix(("counts; " + note).String(), "; "))
				if len(c.Path) > 1 {
					note += claim.Legacy("; called by " + view.ShortFunction(c.Path[len(c.Path)-2]))
				}
			}
			if c.Reach == "with-callees" {
				note = claim.Legacy(strings.TrimPrefix((note + "; with what it calls").String(), "; "))
			}
			say("| %s | %s | %s | %s | %s → %s | %s | %s |", view.Unbroken(view.Relative(c)), markdownCode(c.Function), view.Unbroken(markdownText(c.Before.String())), view.Unbroken(markdownText(c.After.String())),
				evidence.Of(c.Shares.Before, evidence.Share), evidence.Of(c.Shares.After, evidence.Share), strings.ReplaceAll(view.Probability(c.Q), "<", "&lt;"), markdownText(note.String()))
		}
	}
	for _, mv := range m.Moved {
		say("")
		say("%s", markdownBlock(fmt.Sprintf("Moved: %s from %s to %s: %s.", mv.Amount, mv.From, mv.To, mv.Why)))
	}
	say("")
	about := view.Capital(view.MethodWords(m)) + "."
	if s := view.SightWords(m); s != "" {
		about += " " + view.Capital(s) + "."
	}
	say("%s", markdownBlock(about))
}

func markdownBenchmarks(b *strings.Builder, all []compare.Benchmark) {
	if len(all) == 0 {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>benchmarks: %s</summary>", evidence.Things(len(all), "number"))
	say("")
	say("| change | benchmark | what | before | after | verdict | |")
	say("|---:|---|---|---:|---:|---|---|")
	for _, x := range view.First(maxBenchTable, all) {
		sure := strings.ReplaceAll(view.BenchSure(x), "<", "&lt;")
		if len(x.Warnings) > 0 {
			sure = markdownText(x.Warnings[0].String())
		}
		say("| %s | %s | %s | %s | %s | %s | %s |", view.Unbroken(compare.Percent(x.Effect)), markdownCode(x.Short()), markdownText(x.What().String()),
			view.Unbroken(markdownText(x.Number(x.Before).String())), view.Unbroken(markdownText(x.Number(x.After).String())), x.Verdict, sure)
	}
	if n := len(all) - maxBenchTable; n > 0 {
		say("")
		say("%s in the JSON form.", evidence.Things(n, "more number"))
	}
	say("")
	say("</details>")
}

// maxBenchTable keeps a comment below the 65,536 characters that GitHub takes.
const maxBenchTable = 100

func markdownTrends(b *strings.Builder, all []compare.Trend) {
	if len(all) == 0 {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>over time</summary>")
	say("")
	for _, t := range all {
		sentence, sites := view.TrendWords(t)
		say("- %s", markdownBlock(sentence))
		for _, s := range sites {
			say("  - %s", markdownText(s))
		}
	}
	say("")
	say("</details>")
}

func markdownFindings(b *strings.Builder, f compare.Findings) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	n := len(f.New) + len(f.Gone) + len(f.Worse) + len(f.Better) + len(f.Unclear)
	if n == 0 {
		return
	}
	say("")
	var counts []string
	for _, part := range []struct {
		n    int
		name string
	}{{len(f.New), "new"}, {len(f.Worse), "worse"}, {len(f.Gone), "gone"}, {len(f.Better), "better"}, {len(f.Unclear), "not comparable"}} {
		if part.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	say("<details><summary>findings: %s</summary>", strings.Join(counts, ", "))
	say("")
	for _, part := range []struct {
		name string
		list []compare.FindingChange
	}{{"new", f.New}, {"worse", f.Worse}, {"gone", f.Gone}, {"better", f.Better}, {"not comparable", f.Unclear}} {
		for _, c := range part.list {
			text := c.Why
			if c.After != nil {
				text = c.After.Summary + " (" + c.Why + ")"
			} else if c.Before != nil {
				text = c.Before.Summary + " (" + c.Why + ")"
			}
			say("- %s: %s %s. %s", part.name, markdownCode(c.Detector), markdownText(c.Title.String()), markdownText(claim.Capital(text).String()))
		}
	}
	say("")
	say("</details>")
}

func markdownSides(b *strings.Builder, v view.Diff) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>what was compared</summary>")
	for i, side := range []report.DiffSide{v.Before, v.After} {
		say("")
		say("**%s**: %s", [2]string{"Before", "After"}[i], markdownText(view.SideWords(side)))
		for _, e := range side.Exhibits {
			for _, p := range e.Problems {
				say("")
				say("- %s: %s", markdownCode(e.Path), markdownText(p.String()))
			}
		}
	}
	say("")
	for _, m := range v.Made() {
		how := markdownText(m.How)
		if m.Code {
			how = markdownCode(m.How)
		}
		say("- %s: %s", m.What, how)
	}
	say("")
	say("A function counts from %s of the whole. Schema %s.", v.Settings.MinEffect, markdownCode(report.DiffSchema))
	say("")
	say("</details>")
}
