// Package ci writes documents for what runs builds and tests: SARIF for code scanning, GitHub's annotations, and
// JUnit's XML. All three start from one list of notices.
package ci

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/internal/compare"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/view"
)

// What continuous integration is told, be it of a case or of a comparison. The
// writers of SARIF, GitHub annotations and JUnit XML all start from this.
type notices struct {
	Version string
	Title   string // the outcome in one sentence
	Command string // that made the document
	Made    []view.Made
	Files   []report.Exhibit
	Rules   []rule
	List    []notice // worst first
	Checks  []ciCheck
}

// rule is what a notice is an instance of. Its id is stable.
type rule struct{ ID, Title, Help string }

// notice is one thing to tell, at a place in the code where it has one.
type notice struct {
	Rule        string
	Level       string // "error", "warning" or "note", as SARIF has them
	Title       string
	Message     string
	Function    string
	File        string
	Line        int
	Fingerprint string
	Accepted    bool // known, and not to be counted
}

// ciCheck is one test case of a JUnit report.
type ciCheck struct {
	Name, Result, Message string // Result: "pass", "fail", "skip" or "error"
}

// levels of severities, in SARIF's words.
func ciLevel(s claim.Severity) string {
	switch {
	case s >= claim.Critical:
		return "error"
	case s >= claim.Warning:
		return "warning"
	}
	return "note"
}

// caseNotices is what to tell of a case.
func caseNotices(r *report.Report) notices {
	r = safe.Copy(r)
	v := view.New(r)
	n := notices{Version: r.Tool.Version, Title: v.Headline, Command: report.CommandLine(r.Argv), Made: v.Made(), Files: r.Exhibits}
	for _, f := range r.Findings {
		n.rule(rule{ID: f.Detector, Title: f.Title.String(), Help: "inquest explain " + f.Detector})
		message := f.Summary
		if len(f.Next) > 0 {
			message += ". To change: " + f.Next[0]
		}
		n.List = append(n.List, notice{
			Rule: f.Detector, Level: ciLevel(f.Severity), Title: f.Title.String(), Message: (message + " (confidence " + claim.Legacy(string(f.Confidence)) + ")").String(),
			Function: f.Site.Function, File: f.Site.File, Line: f.Site.Line, Fingerprint: f.Fingerprint, Accepted: f.Accepted,
		})
	}
	for _, v := range r.Verdicts {
		c := ciCheck{Name: v.Detector, Message: v.Why.String(), Result: "pass"}
		switch v.Result {
		case claim.Found:
			c.Message = ""
			for _, f := range r.Findings {
				if f.Detector == v.Detector && f.Severity >= claim.Warning && !f.Accepted {
					c.Result = "fail"
					c.Message = strings.TrimPrefix((claim.Legacy(c.Message+"; ") + f.Summary).String(), "; ")
				}
			}
		case claim.Undecided, claim.Skipped:
			c.Result = "skip"
		case claim.Failed:
			c.Result = "error"
		}
		n.Checks = append(n.Checks, c)
	}
	return n
}

// diffNotices is what to tell of a comparison.
func diffNotices(d *report.Diff) notices {
	v := view.NewDiff(d)
	n := notices{Version: v.Tool.Version, Title: v.Headline(), Command: report.CommandLine(v.Argv), Made: v.Made(), Files: slices.Concat(v.Before.Exhibits, v.After.Exhibits)}
	for _, r := range v.Counted() {
		if !r.Worse {
			continue
		}
		id := "regression/" + r.Kind.Kind + "/" + slug(r.Measure.Name.String())
		n.rule(rule{id, "More " + r.Measure.Name.String(), "inquest diff compares " + view.KindWord(r.Kind.Kind) + "s; a function counts from its --min-effect on"})
		message := fmt.Sprintf("%s in %s: %s to %s%s (%s)", r.Measure.Name, r.Where(), r.Before, r.After, view.PerWord(r.Measure), r.Relative())
		if within := r.Within(); within != "" {
			message += ", 95 % interval " + within
		}
		if len(r.Path) > 1 {
			message += "; " + view.CallPath(r.Change)
		}
		n.List = append(n.List, notice{
			Rule: id, Level: "error", Title: ("Regression: " + r.Measure.Name).String(), Message: message,
			Function: r.Function, File: r.File, Line: r.Line, Fingerprint: claim.Fingerprint(id, r.Function),
		})
	}
	n.List = append(n.List, slower(&n, v)...)
	for _, b := range v.Benchmarks {
		if b.Verdict == compare.Regression {
			id := "regression/benchmark/" + slug(b.Unit)
			n.rule(rule{id, "Benchmark got worse: " + b.Unit, "inquest diff compares output of go test -bench as benchstat does"})
			n.List = append(n.List, notice{Rule: id, Level: "error", Title: "Regression: " + b.Name, Function: b.Name,
				Message: fmt.Sprintf("%s: %s (%s)", b.Name, benchNumbers(b), compare.Percent(b.Effect)), Fingerprint: claim.Fingerprint(id, b.Name)})
		}
	}
	for _, f := range slices.Concat(v.Findings.New, v.Findings.Worse) {
		level := "note"
		if f.Counts {
			level = ciLevel(f.After.Severity)
		}
		n.rule(rule{f.Detector, f.Title.String(), "inquest explain " + f.Detector})
		n.List = append(n.List, notice{Rule: f.Detector, Level: level, Title: f.Title.String(), Message: (f.After.Summary + " (" + f.Why + ")").String(),
			Function: f.Site.Function, File: f.Site.File, Line: f.Site.Line, Fingerprint: f.Fingerprint})
	}
	for _, k := range v.Kinds {
		c := ciCheck{Name: view.KindWord(k.Kind), Message: k.Why.String(), Result: "pass"}
		switch k.Verdict {
		case compare.Regression:
			c.Result = "fail"
		case compare.Inconclusive:
			c.Result = "skip"
			if v.Settings.Strict {
				c.Result = "error"
			}
			id := "inconclusive/" + k.Kind
			n.rule(rule{id, "Not compared: " + view.KindWord(k.Kind), "What cannot be compared is never a pass"})
			message := k.Why
			if k.Record != "" {
				message += "; instead: " + k.Record
			}
			n.List = append(n.List, notice{Rule: id, Level: "warning", Title: "Inconclusive: " + view.KindWord(k.Kind), Message: message.String(), Fingerprint: claim.Fingerprint(id, "")})
		}
		n.Checks = append(n.Checks, c)
	}
	order := []string{"error", "warning", "note"}
	slices.SortStableFunc(n.List, func(a, b notice) int {
		return cmp.Compare(slices.Index(order, a.Level), slices.Index(order, b.Level))
	})
	return n
}

// slower is what takes longer, and what grows from profile to profile of the after side alone.
func slower(n *notices, v view.Diff) (out []notice) {
	for _, k := range v.Kinds {
		for _, d := range k.Distributions {
			if d.Gates && d.Verdict == compare.Regression {
				id := "regression/" + k.Kind + "/" + slug(d.Name.String())
				n.rule(rule{id, "Longer: " + d.Name.String(), "inquest diff compares how long things took in execution traces"})
				out = append(out, notice{Rule: id, Level: "error", Title: ("Regression: " + d.Name).String(), Message: d.Why.String(), Fingerprint: claim.Fingerprint(id, "")})
			}
		}
	}
	rose := func(t compare.Trend, side string) bool { return t.Side == side && t.Rising }
	for _, t := range v.Trends {
		before := slices.ContainsFunc(v.Trends, func(o compare.Trend) bool { return o.Name == t.Name && rose(o, "before") })
		if !rose(t, "after") || before {
			continue
		}
		level := "note"
		if t.Counts {
			level = "error"
		}
		id := "regression/trend/" + slug(t.Name.String())
		n.rule(rule{id, "Growing: " + t.Name.String(), "inquest diff follows what several profiles of one process show"})
		sentence, _ := view.TrendWords(t)
		one := notice{Rule: id, Level: level, Title: ("Growing: " + t.Name).String(), Message: sentence, Fingerprint: claim.Fingerprint(id, "")}
		if len(t.Sites) > 0 {
			one.Function, one.File, one.Line = t.Sites[0].Function, t.Sites[0].File, t.Sites[0].Line
			one.Message += "; most in " + one.Function
		}
		out = append(out, one)
	}
	return out
}

func benchNumbers(b compare.Benchmark) string {
	return fmt.Sprintf("%s from %s to %s", b.What(), b.Number(b.Before), b.Number(b.After))
}

func (n *notices) rule(r rule) {
	if !slices.ContainsFunc(n.Rules, func(o rule) bool { return o.ID == r.ID }) {
		n.Rules = append(n.Rules, r)
	}
}

// slug makes a part of an id of words.
func slug(words string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, words), "-")
}

// Under returns r with the source files below a folder named relative to it, as
// continuous integration wants them.
func Under(r *report.Report, root string) *report.Report {
	out := safe.Copy(r)
	for i := range out.Findings {
		out.Findings[i].Site.File = under(root, out.Findings[i].Site.File)
	}
	return out
}

// DiffUnder is Under for a comparison.
func DiffUnder(d *report.Diff, root string) *report.Diff {
	out := safe.Copy(d)
	for i := range out.Kinds {
		for j := range out.Kinds[i].Measures {
			for k := range out.Kinds[i].Measures[j].Changes {
				c := &out.Kinds[i].Measures[j].Changes[k]
				c.File = under(root, c.File)
			}
		}
	}
	for i := range out.Trends {
		for j := range out.Trends[i].Sites {
			s := &out.Trends[i].Sites[j]
			s.File = under(root, s.File)
		}
	}
	for _, list := range [][]compare.FindingChange{out.Findings.New, out.Findings.Worse} {
		for i := range list {
			list[i].Site.File = under(root, list[i].Site.File)
		}
	}
	return out
}

func under(root, file string) string {
	rel, err := filepath.Rel(root, filepath.FromSlash(file))
	if root == "" || err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return filepath.ToSlash(rel)
}
