package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"inquest/analyze/compare"
	"inquest/analyze/evidence"
)

// WriteDiffMarkdown writes d as a comment on a pull request: the verdict first,
// at most a screen of it open, everything else folded.
func WriteDiffMarkdown(w io.Writer, d *Diff) error {
	v := newDiffView(d)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("### inquest: %s", v.Verdict)
	say("")
	say("%s", markdownBlock(capital(v.Why)+"."))
	if v.Verdict == compare.Inconclusive {
		say("")
		say("**This is not a pass**: some of it could not be compared, or too little was seen.")
	}
	markdownDecides(&b, v)
	say("")
	say("| kind | verdict | |")
	say("|---|---|---|")
	for _, k := range v.Kinds {
		why := ""
		switch k.Verdict {
		case compare.Inconclusive:
			if why = k.Why; k.Record != "" {
				why += "; instead: " + k.Record
			}
		default:
			// What the table above tells is not said twice.
			if k.Kind != "benchmark" && !slices.ContainsFunc(v.Counted(), func(r diffRow) bool { return r.Kind.Kind == k.Kind }) || k.Verdict == compare.Pass {
				why = k.Why
			}
		}
		say("| %s | %s | %s |", markdownText(kindWord(k.Kind)), k.Verdict, markdownText(why))
	}
	for i := range v.Kinds {
		k := &v.Kinds[i]
		for j := range k.Measures {
			markdownMeasure(&b, k, &k.Measures[j])
		}
		markdownDistributions(&b, k)
	}
	markdownBenchmarks(&b, v.benchmarks())
	markdownFindings(&b, v.Findings)
	markdownTrends(&b, v.Trends)
	markdownSides(&b, v)
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownDecides writes the table of what decides the verdict.
func markdownDecides(b *strings.Builder, v diffView) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	var rows []string
	row := func(effect, where, what, before, after, share, within string) {
		rows = append(rows, fmt.Sprintf("| **%s** | %s | %s | %s | %s | %s | %s |", effect, where, markdownText(what), markdownText(before), markdownText(after), share, within))
	}
	for _, r := range v.Counted() {
		where := "the whole"
		if r.Function != "" {
			where = markdownCode(shortFunction(r.Function))
		}
		row(r.Relative(), where, r.Measure.Name+perWord(r.Measure), r.Before.String(), r.After.String(), r.Share(), r.Within())
	}
	for _, x := range v.benchmarks() {
		if x.Verdict == compare.Regression || x.Verdict == compare.Improvement {
			row(compare.Percent(x.Effect), markdownCode(shortBenchmark(x.Name)), benchWhat(x.Unit), benchNumber(x.Before, x.Unit), benchNumber(x.After, x.Unit), "", "")
		}
	}
	if len(rows) == 0 {
		return
	}
	say("")
	say("| change | where | what | before | after | of the whole | 95 %% interval |")
	say("|---:|---|---|---:|---:|---|---|")
	for _, r := range first(maxDiffRows, rows) {
		say("%s", r)
	}
	if n := len(rows) - maxDiffRows; n > 0 {
		say("")
		say("%s in the details.", evidence.Things(n, "more change"))
	}
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
	for _, x := range first(maxBenchTable, all) {
		say("| %s | %s | %s | %s | %s | %s | %s |", compare.Percent(x.Effect), markdownCode(shortBenchmark(x.Name)), markdownText(benchWhat(x.Unit)),
			markdownText(benchNumber(x.Before, x.Unit)), markdownText(benchNumber(x.After, x.Unit)), x.Verdict, strings.ReplaceAll(markdownText(benchSure(x)), "<", "&lt;"))
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

func markdownDistributions(b *strings.Builder, k *compare.Kind) {
	if len(k.Distributions) == 0 {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>%s: how long things took</summary>", kindWord(k.Kind))
	say("")
	for _, d := range k.Distributions {
		say("- %s (%s): %s", markdownText(d.Name), d.Verdict, markdownText(quantilesWords(d)))
	}
	say("")
	say("</details>")
}

func markdownTrends(b *strings.Builder, all []compare.Trend) {
	if len(all) == 0 {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>heap over time</summary>")
	say("")
	for _, t := range all {
		sentence, sites := trendWords(t)
		say("- %s", markdownBlock(sentence))
		for _, s := range sites {
			say("  - %s", markdownText(s))
		}
	}
	say("")
	say("</details>")
}

func markdownMeasure(b *strings.Builder, k *compare.Kind, m *compare.Measure) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>%s: %s → %s%s (%s)</summary>", kindSummary(k, m), m.Whole.Before, m.Whole.After, perWord(m), relative(m.Whole))
	say("")
	say("%s", markdownBlock(capital(methodWords(m))+"."))
	if s := sightWords(m); s != "" {
		say("")
		say("%s", markdownBlock(capital(s)+"."))
	}
	if len(m.Changes) > 0 {
		say("")
		say("| change | function | own before | own after | share | q | |")
		say("|---:|---|---:|---:|---|---:|---|")
		for _, c := range m.Changes {
			note := c.Note
			if c.Counts {
				note = "counts"
				if len(c.Path) > 1 {
					note += "; called by " + c.Path[len(c.Path)-2]
				}
			}
			if c.Reach == "with-callees" {
				note = strings.TrimPrefix(note+"; with what it calls", "; ")
			}
			say("| %s | %s | %s | %s | %s → %s | %s | %s |", relative(c), markdownCode(c.Function), markdownText(c.Before.String()), markdownText(c.After.String()),
				evidence.Of(c.Shares.Before, evidence.Share), evidence.Of(c.Shares.After, evidence.Share), strings.ReplaceAll(probability(c.Q), "<", "&lt;"), markdownText(note))
		}
	}
	for _, mv := range m.Moved {
		say("")
		say("%s", markdownBlock(fmt.Sprintf("Moved: %s from %s to %s: %s.", mv.Amount, mv.From, mv.To, mv.Why)))
	}
	say("")
	say("</details>")
}

func kindSummary(k *compare.Kind, m *compare.Measure) string {
	s := kindWord(k.Kind) + ", " + m.Name
	if !m.Gates {
		s += ", does not decide"
	}
	return s
}

func markdownFindings(b *strings.Builder, f compare.Findings) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	n := len(f.New) + len(f.Gone) + len(f.Worse) + len(f.Better) + len(f.Unclear)
	if n == 0 {
		return
	}
	say("")
	say("<details><summary>findings: %d new, %d worse, %d gone, %d better, %d not comparable</summary>", len(f.New), len(f.Worse), len(f.Gone), len(f.Better), len(f.Unclear))
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
			say("- %s: %s %s. %s", part.name, markdownCode(c.Detector), markdownText(c.Title), markdownText(capital(text)))
		}
	}
	say("")
	say("</details>")
}

func markdownSides(b *strings.Builder, v diffView) {
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("")
	say("<details><summary>what was compared</summary>")
	for i, side := range []DiffSide{v.Before, v.After} {
		say("")
		say("**%s**: %s", [2]string{"Before", "After"}[i], markdownText(sideWords(side)))
		say("")
		for _, e := range side.Exhibits {
			say("- %s", markdownText(strings.Join([]string{e.ID, e.Path, string(e.Kind), e.SHA256}, " ")))
			for _, p := range e.Problems {
				say("  - %s", markdownText(p))
			}
		}
	}
	say("")
	say("A function counts from %s of the whole. Schema %s.", v.Settings.MinEffect, markdownCode(DiffSchema))
	say("")
	say("</details>")
}
