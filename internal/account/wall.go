package account

import (
	"fmt"
	"io"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// Wall makes of the accounts of operations a profile of the time that they were under way, nil when there are none. Its stacks read from the
// group of goroutines over where these waited and how to where the time went; what is in brackets is no function. It has all the
// time of the accounts, what is unknown included.
func Wall(accounts []claim.Account) *pprofile.Profile {
	p := &pprofile.Profile{Columns: []pprofile.Column{{Name: "wall", Unit: "nanoseconds"}}, Period: 1, PeriodUnit: "nanoseconds"}
	for i := range accounts {
		a := &accounts[i]
		if a.Name != claim.OperationAccount {
			continue
		}
		p.Duration = max(p.Duration, time.Duration(a.Over))
		for j := range a.Parts {
			p.Samples = append(p.Samples, pprofile.Sample{Stack: wallStack(a, &a.Parts[j]), Values: []int64{a.Parts[j].Value}})
		}
		if a.Unknown > 0 {
			p.Samples = append(p.Samples, pprofile.Sample{Stack: wallStack(a, &claim.AccountPart{What: "unknown"}), Values: []int64{a.Unknown}})
		}
	}
	if len(p.Samples) == 0 {
		return nil
	}
	return p
}

// wallStack is a part of an account as a stack, leaf first.
func wallStack(a *claim.Account, p *claim.AccountPart) stack.Stack {
	var s stack.Stack
	push := func(x *claim.Site) {
		if x != nil && x.Function != "" {
			s = append(stack.Stack{{Function: x.Function, File: x.File, Line: x.Line}}, s...)
		}
	}
	push(a.Group)
	if p.For != nil && p.For.Function != p.Site.Function {
		push(p.For)
	}
	push(&claim.Site{Function: "[" + p.What.String() + "]"})
	if p.Queued && p.By != nil && a.Group != nil && p.By.Function != a.Group.Function {
		push(p.By)
	}
	push(&p.Site)
	return s
}

// WriteFolded writes a profile a line per stack: the functions from the outermost in, with semicolons between, and the value.
func WriteFolded(w io.Writer, p *pprofile.Profile) error {
	for i := range p.Samples {
		s := &p.Samples[i]
		names := make([]string, len(s.Stack))
		for j, f := range s.Stack {
			names[len(names)-1-j] = strings.NewReplacer(";", ":", "\n", " ").Replace(f.Function)
		}
		if _, err := fmt.Fprintf(w, "%s %d\n", strings.Join(names, ";"), s.Values[0]); err != nil {
			return err
		}
	}
	return nil
}
