package view

import (
	"fmt"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/report"
)

// Account is an account arranged for reading.
type Account struct {
	claim.Account
	Path  string // of the exhibit
	Total evidence.Quantity
	Rows  []AccountRow // what is unknown is the last
	// Anchor is the account's own id in a page.
	Anchor string
}

// AccountRow is a part of an account with its value in words.
type AccountRow struct {
	claim.AccountPart
	Says   string // what it is
	Amount evidence.Quantity
	Of     evidence.Quantity // its share of the whole
	Notes  []string          // who is behind it, for whom it is, how many
	Idle   bool              // nobody's work: idle, free or unknown
}

// Accounts arranges the accounts of a report: of each name the one that tells most, in first, the others in more.
func (v *Report) Accounts() (first, more []Account) { return accounts(v.Report.Accounts, v.Path) }

// MainAccounts is the first of Accounts.
func (v *Report) MainAccounts() []Account { first, _ := v.Accounts(); return first }

// OtherAccounts is the others.
func (v *Report) OtherAccounts() []Account { _, more := v.Accounts(); return more }

func accounts(all []claim.Account, path func(id string) string) (first, more []Account) {
	for i, a := range all {
		shown := newAccount(a, path(a.Exhibit))
		shown.Anchor = fmt.Sprintf("account-%d", i+1)
		if slices.ContainsFunc(first, func(b Account) bool { return b.Name == a.Name }) {
			more = append(more, shown)
		} else {
			first = append(first, shown)
		}
	}
	return first, more
}

func newAccount(a claim.Account, path string) Account {
	out := Account{Account: a, Path: path, Total: evidence.Of(a.Whole, a.Unit)}
	shown, rest := a.Parts, claim.AccountPart{Kind: claim.PartRest}
	for len(shown) > 1 && (len(shown) > maxRows || 1000*shown[len(shown)-1].Value < a.Whole) {
		p := &shown[len(shown)-1]
		rest.Value += p.Value
		rest.Count += max(1, restCount(p))
		shown = shown[:len(shown)-1]
	}
	if rest.Count > 0 {
		rest.What = evidence.Things(rest.Count, "smaller part")
		shown = append(slices.Clone(shown), rest)
	}
	for _, p := range shown {
		row := AccountRow{AccountPart: p, Says: Capital(p.What.String()), Amount: evidence.Of(p.Value, a.Unit), Of: evidence.Part(p.Value, a.Whole)}
		switch p.Kind {
		case claim.PartIdle, claim.PartRest, claim.PartUnused, claim.PartHeadroom, claim.PartRecorder:
			row.Idle = true
		}
		row.Notes = notes(&a, &p)
		out.Rows = append(out.Rows, row)
	}
	if a.Unknown > 0 {
		out.Rows = append(out.Rows, AccountRow{AccountPart: claim.AccountPart{Kind: claim.PartUnknown}, Says: "Unknown", Amount: evidence.Of(a.Unknown, a.Unit), Of: evidence.Part(a.Unknown, a.Whole), Idle: true})
	}
	return out
}

// maxRows is how many parts of an account are shown one by one, as long as they are a thousandth of it; JSON has more.
const maxRows = 12

// restCount is how many parts a part stands for that is several.
func restCount(p *claim.AccountPart) int64 {
	if p.Kind == claim.PartRest {
		return p.Count
	}
	return 1
}

// notes says what else is known of a part.
func notes(a *claim.Account, p *claim.AccountPart) (out []string) {
	say := func(words string, s *claim.Site) {
		if s != nil && s.Function != "" {
			out = append(out, words+s.Function)
		}
	}
	switch a.Name {
	case claim.OperationAccount:
		if p.For != nil && p.For.Function != p.Site.Function {
			say("while it waited in ", p.For)
		}
		say("in goroutines of ", p.By)
		if p.Queued {
			out = append(out, "others' turn")
		}
	case claim.ProcessorAccount, claim.MemoryAccount:
		say("below ", p.By)
	case claim.GoroutineAccount:
		say("for ", p.For)
		say("behind ", p.By)
		if n := len(p.IDs); n == 3 && p.IDs[0] != p.IDs[2] {
			out = append(out, fmt.Sprintf("ids %d to %d", p.IDs[0], p.IDs[2]))
		}
	}
	if p.Before != nil {
		out = append(out, evidence.Of(*p.Before, a.Unit).String()+" before")
	}
	return out
}

// AccountLines are the sentences that a report opens with, one per account, at most five.
func AccountLines(r *report.Report) (out []string) {
	first, _ := accounts(r.Accounts, func(id string) string { return id })
	for _, a := range first {
		out = append(out, a.Summary.String())
	}
	return out
}
