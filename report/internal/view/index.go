package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
)

// IndexEntry is what an index keeps of a report, and the files it was written to.
func IndexEntry(r *report.Report, reports []string) report.IndexCase {
	v := New(r)
	c := report.IndexCase{Case: r.Case.Title, Result: report.CaseClear, Verdict: v.Headline, Findings: len(r.Findings), Exhibits: len(r.Exhibits), From: r.Case.Window.From, Reports: reports, Accounts: AccountLines(r)}
	seen := map[string]bool{}
	for _, e := range r.Exhibits {
		if file := e.Path + e.SHA256; !seen[file] {
			seen[file] = true
			c.Bytes += e.Bytes
		}
		if !slices.Contains(c.Kinds, e.Kind) && e.Kind != evidence.Provenance {
			c.Kinds = append(c.Kinds, e.Kind)
		}
	}
	if len(v.Chains) > 0 {
		chain := v.Chains[0]
		c.Result, c.Severity, c.Confidence = report.CaseFound, chain.Severity, chain.Confidence
		root := chain.Root
		c.Detector, c.Title, c.Site, c.Fingerprint = root.Detector, root.Title.String(), root.Site, root.Fingerprint
		c.Verdict = Capital(strings.TrimRight(root.Summary.String(), ". "))
	}
	return c
}

// Index is an index arranged for reading.
type Index struct {
	*report.Index
	Groups []Group // cases with findings, by root
	Failed []Entry
	Clear  []Entry
}

// Entry is a case of an index arranged for reading.
type Entry struct{ report.IndexCase }

// Group is cases with one and the same root: the same claim at the same place.
type Group struct {
	Entry         // the worst of them
	Cases []Entry // all of them, worst first
}

// NewIndex sorts and arranges an index. It leaves nothing in the view that must not be shown.
func NewIndex(x *report.Index) *Index {
	x.Sort()
	v := &Index{Index: safe.Copy(x)}
	at := map[string]int{}
	for _, one := range v.Cases {
		c := Entry{one}
		switch c.Result {
		case report.CaseFailed:
			v.Failed = append(v.Failed, c)
		case report.CaseClear:
			v.Clear = append(v.Clear, c)
		default:
			i, ok := at[c.Fingerprint]
			if !ok {
				i = len(v.Groups)
				at[c.Fingerprint] = i
				v.Groups = append(v.Groups, Group{Entry: c})
			}
			v.Groups[i].Cases = append(v.Groups[i].Cases, c)
		}
	}
	// The same thing in many cases comes before what is as bad in one.
	slices.SortStableFunc(v.Groups, func(a, b Group) int {
		if c := -cmp.Compare(a.Severity, b.Severity); c != 0 {
			return c
		}
		return -cmp.Compare(len(a.Cases), len(b.Cases))
	})
	return v
}

// Headline is the outcome in one sentence.
func (v *Index) Headline() string {
	count := map[string]int{}
	for _, c := range v.Cases {
		switch {
		case c.Result != report.CaseFound:
			count[c.Result]++
		default:
			count[c.Severity.String()]++
		}
	}
	var parts []string
	for _, w := range []struct{ key, says string }{
		{"critical", "%d critical"}, {"warning", "%d with a warning"}, {"info", "%d worth knowing"}, {report.CaseClear, "%d without a finding"}, {report.CaseFailed, "%d could not be analysed"},
	} {
		if count[w.key] > 0 {
			parts = append(parts, fmt.Sprintf(w.says, count[w.key]))
		}
	}
	return evidence.Things(len(v.Cases), "case").String() + ": " + strings.Join(parts, ", ")
}

// Made is how the index came about.
func (v *Index) Made() []Made { return custody(v.Tool, v.Argv, v.Redacted) }

// Link is the report that a case's name leads to.
func (c Entry) Link() string {
	for _, ext := range []string{".html", ".md"} {
		for _, r := range c.Reports {
			if strings.HasSuffix(r, ext) {
				return r
			}
		}
	}
	if len(c.Reports) > 0 {
		return c.Reports[0]
	}
	return ""
}

// Holds is what a case's evidence is.
func (c Entry) Holds() string {
	var kinds []string
	for _, k := range c.Kinds {
		kinds = append(kinds, k.Name().String())
	}
	return Join(", ", evidence.Things(c.Exhibits, "exhibit").String(), strings.Join(kinds, ", "), evidence.Of(c.Bytes, evidence.Bytes).String())
}

// Account is the sentence that says most of where it all went: of operations, where there is one.
func (c Entry) Account() string {
	for _, l := range c.Accounts {
		if strings.HasPrefix(l, "Operations: ") {
			return l
		}
	}
	if len(c.Accounts) > 0 {
		return c.Accounts[0]
	}
	return ""
}

// Extent is how much a case's evidence is.
func (c Entry) Extent() string {
	return evidence.Things(c.Exhibits, "exhibit").String() + ", " + evidence.Of(c.Bytes, evidence.Bytes).String()
}

// Taken is when the case begins.
func (c Entry) Taken() string {
	if c.From == nil {
		return ""
	}
	return c.From.UTC().Format("2006-01-02 15:04:05")
}

// Place is where the root of a case stands.
func (c Entry) Place() string { return Place(c.Site) }

// MaxShown is how many cases with the same root a page shows before it folds the rest.
const MaxShown = 3
