package report

import (
	"fmt"
	"io"
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
	rows := v.Counted()
	if len(rows) > 0 {
		say("")
		say("| change | where | what | before | after | of the whole | 95 %% interval |")
		say("|---:|---|---|---:|---:|---|---|")
		for _, r := range first(maxDiffRows, rows) {
			say("| **%s** | %s | %s | %s | %s | %s | %s |", r.Relative(), markdownWhere(r), markdownText(r.Measure.Name+perWord(r.Measure)),
				markdownText(r.Before.String()), markdownText(r.After.String()), r.Share(), r.Within())
		}
		if n := len(rows) - maxDiffRows; n > 0 {
			say("")
			say("%s in the details.", evidence.Things(n, "more change"))
		}
	}
	say("")
	say("| kind | verdict | why |")
	say("|---|---|---|")
	for _, k := range v.Kinds {
		why := k.Why
		if k.Record != "" {
			why += "; instead: " + k.Record
		}
		say("| %s | %s | %s |", markdownText(kindWord(k.Kind)), k.Verdict, markdownText(why))
	}
	for i := range v.Kinds {
		k := &v.Kinds[i]
		for j := range k.Measures {
			markdownMeasure(&b, k, &k.Measures[j])
		}
	}
	markdownFindings(&b, v.Findings)
	markdownSides(&b, v)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownWhere(r diffRow) string {
	if r.Function == "" {
		return "the whole"
	}
	return markdownCode(r.Function)
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
