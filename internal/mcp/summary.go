package mcp

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/report"
)

// Analysis is a report cut to what fits a conversation.
type Analysis struct {
	Case      string            `json:"case"`
	Answer    string            `json:"answer"`             // the root of the first chain, or that nothing was found
	Accounts  []string          `json:"accounts,omitempty"` // where it all went, one sentence each; account has the parts
	Chain     []string          `json:"chain,omitempty"`
	Findings  []Finding         `json:"findings"`
	Count     int               `json:"count"`               // findings in all
	Next      int               `json:"next,omitempty"`      // from of the page after this one; 0 when this is the last
	Undecided []string          `json:"undecided,omitempty"` // detectors that could not tell; analyze with only says why
	Verdicts  map[string]string `json:"verdicts,omitempty"`  // of the detectors that only names: what they found, and why
	Remarks   []string          `json:"remarks,omitempty"`   // on the quality of the evidence
	Exhibits  []Exhibit         `json:"exhibits"`
	Left      int               `json:"not_listed,omitempty"` // exhibits and remarks that are not listed: see inspect
}

// Finding is a claim that holds at a site.
type Finding struct {
	ID          string   `json:"id"`
	Detector    string   `json:"detector"`
	Severity    string   `json:"severity"`
	Confidence  string   `json:"confidence"`
	Summary     string   `json:"summary"`
	Function    string   `json:"function,omitempty"`
	File        string   `json:"file,omitempty"`
	Line        int      `json:"line,omitempty"`
	Facts       []Fact   `json:"facts"`
	Checks      []string `json:"checks"` // kind of evidence: agrees, disagrees, silent or absent, and why
	Caveats     []string `json:"caveats,omitempty"`
	Next        []string `json:"next,omitempty"` // what to change, most effective first
	Fingerprint string   `json:"fingerprint"`
}

// Fact is one number.
type Fact struct {
	Says    string `json:"says"`
	Value   string `json:"value"`
	Of      string `json:"of,omitempty"`
	Exhibit string `json:"exhibit"`
	Command string `json:"command,omitempty"` // shows the number again; empty also where that of a fact before it does
}

// Exhibit is one piece of evidence.
type Exhibit struct {
	ID       string `json:"id"`
	Path     string `json:"path"`
	Kind     string `json:"kind"`
	Coverage string `json:"coverage,omitempty"` // empty when it was read whole
}

// How much of a report an answer holds.
const (
	maxBytes  = 6000 // about 1,700 tokens: the findings of a page end there, but for the first
	maxFacts  = 3
	maxOthers = 8
	maxWords  = 300 // bytes of a sentence
)

// summary cuts a report to the findings that are left after from, size of them at most where size is not 0. chosen are
// the detectors that were asked for by name.
func summary(r *report.Report, chosen []string, from, size int) Analysis {
	from = min(max(from, 0), len(r.Findings))
	a := Analysis{Case: r.Case.Title, Findings: []Finding{}, Exhibits: []Exhibit{}, Count: len(r.Findings), Answer: "no finding: no detector saw what it looks for"}
	if from == 0 { // later pages go on with findings alone
		a.others(r, chosen)
		for _, x := range accountsOf(r) {
			a.Accounts = append(a.Accounts, x.Name+": "+words(x.Summary))
		}
	}
	if len(r.Chains) > 0 {
		a.chain(r, &r.Chains[0])
	} else if len(r.Findings) > 0 {
		a.Answer = words(r.Findings[0].Summary)
	}
	used := sizeOf(a)
	to := from
	for ; to < len(r.Findings) && (size <= 0 || to < from+size); to++ {
		f := finding(&r.Findings[to])
		if used += sizeOf(f); to > from && used > maxBytes {
			break
		}
		a.Findings = append(a.Findings, f)
	}
	if to < len(r.Findings) {
		a.Next = to
	}
	return a
}

// sizeOf is how long something is in JSON, in bytes.
func sizeOf(v any) int {
	text, _ := json.Marshal(v)
	return len(text)
}

// chain adds the answer and how the findings of a chain hang together, one sentence for each two of them: links come
// strongest first.
func (a *Analysis) chain(r *report.Report, c *claim.Chain) {
	if i := slices.IndexFunc(r.Findings, func(f claim.Finding) bool { return f.ID == c.Root }); i >= 0 {
		a.Answer = words(r.Findings[i].Summary)
	}
	seen := map[[2]string]bool{}
	for _, l := range c.Links {
		if two := [2]string{l.From, l.To}; !seen[two] && len(seen) < maxOthers {
			seen[two] = true
			a.Chain = append(a.Chain, l.From+" -> "+l.To+": "+words(l.Why))
		}
	}
}

// others adds what stands beside the findings.
func (a *Analysis) others(r *report.Report, chosen []string) {
	for _, v := range r.Verdicts {
		switch {
		case slices.Contains(chosen, v.Detector):
			if a.Verdicts == nil {
				a.Verdicts = map[string]string{}
			}
			a.Verdicts[v.Detector] = v.Result + ": " + words(v.Why)
		case v.Result == claim.Undecided || v.Result == claim.Failed:
			a.Undecided = append(a.Undecided, v.Detector)
		}
	}
	for _, q := range r.Quality[:min(len(r.Quality), maxOthers)] {
		a.Remarks = append(a.Remarks, words(q.Says))
	}
	a.Left = max(len(r.Quality)-maxOthers, 0) + max(len(r.Exhibits)-2*maxOthers, 0)
	for _, e := range r.Exhibits[:min(len(r.Exhibits), 2*maxOthers)] {
		x := Exhibit{ID: e.ID, Path: e.Path, Kind: string(e.Kind)}
		if e.Coverage != evidence.Whole {
			x.Coverage = string(e.Coverage)
		}
		a.Exhibits = append(a.Exhibits, x)
	}
}

// accountsOf is the account of each name that tells most.
func accountsOf(r *report.Report) (out []*claim.Account) {
	for i := range r.Accounts {
		if a := &r.Accounts[i]; len(out) == 0 || out[len(out)-1].Name != a.Name {
			out = append(out, a)
		}
	}
	return out
}

// Account says where a whole went: the parts and what is unknown add up to it.
type Account struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	What    string `json:"what"` // what the whole is
	Whole   string `json:"whole"`
	Exhibit string `json:"exhibit"`
	Unknown string `json:"unknown,omitempty"`
	Parts   []Part `json:"parts"` // largest first
	Left    int    `json:"not_listed,omitempty"`
}

// Part is a part of an account.
type Part struct {
	What   string  `json:"what"`
	At     string  `json:"at,omitempty"`  // function and line
	By     string  `json:"by,omitempty"`  // who is behind it
	For    string  `json:"for,omitempty"` // whom it is for
	Value  string  `json:"value"`
	Share  float64 `json:"share"`            // of the whole, 0 to 1
	Before string  `json:"before,omitempty"` // in the first exhibit of a series
}

func account(a *claim.Account, size int) Account {
	if size <= 0 {
		size = maxOthers
	}
	in := func(n int64) string { return evidence.Of(n, a.Unit).String() }
	out := Account{Name: a.Name, Summary: words(a.Summary), What: words(a.What), Whole: in(a.Whole), Exhibit: a.Exhibit, Parts: []Part{}, Left: max(len(a.Parts)-size, 0)}
	if a.Unknown > 0 {
		out.Unknown = in(a.Unknown)
	}
	for _, p := range a.Parts[:min(len(a.Parts), size)] {
		x := Part{What: words(p.What), At: place(&p.Site), By: place(p.By), For: place(p.For), Value: in(p.Value), Share: p.Share}
		if p.Before != nil {
			x.Before = in(*p.Before)
		}
		out.Parts = append(out.Parts, x)
	}
	return out
}

func place(s *claim.Site) string {
	switch {
	case s == nil || s.Function == "":
		return ""
	case s.File == "" || s.Line == 0:
		return s.Function
	}
	return fmt.Sprintf("%s %s:%d", s.Function, path.Base(s.File), s.Line)
}

func finding(f *claim.Finding) Finding {
	out := Finding{ID: f.ID, Detector: f.Detector, Severity: f.Severity.String(), Confidence: string(f.Confidence), Summary: words(f.Summary),
		Function: f.Site.Function, File: f.Site.File, Line: f.Site.Line, Fingerprint: f.Fingerprint, Facts: []Fact{}, Checks: []string{}}
	shown := map[string]bool{} // one command shows several numbers
	for _, e := range f.Evidence[:min(len(f.Evidence), maxFacts)] {
		fact := Fact{Says: words(e.Says), Value: e.Value.String(), Exhibit: e.Exhibit}
		if c := e.Reproduce.String(); !shown[c] {
			fact.Command, shown[c] = c, true
		}
		if e.Of != nil {
			fact.Of = e.Of.String() + " " + words(e.Of.What)
		}
		out.Facts = append(out.Facts, fact)
	}
	for _, c := range f.Checks {
		if c.Result != claim.Absent {
			out.Checks = append(out.Checks, string(c.Kind)+": "+c.Result+": "+words(c.Why))
		}
	}
	for _, t := range f.Caveats[:min(len(f.Caveats), maxFacts)] {
		out.Caveats = append(out.Caveats, words(t))
	}
	for _, t := range f.Next[:min(len(f.Next), maxFacts)] {
		out.Next = append(out.Next, words(t))
	}
	out.Checks = slices.Clip(out.Checks[:min(len(out.Checks), 2*maxFacts)])
	return out
}

func words(t claim.Text) string {
	s := t.String()
	if len(s) > maxWords {
		return t.Head(maxWords).String() + " ..."
	}
	return s
}
