package analyze

import (
	"fmt"
	"runtime/debug"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/account"
)

// Accounts says where it all went, for each build of the program that is in the bundle, without judging any of it. The remarks say
// what could not be added up.
func Accounts(b *evidence.Bundle) (out []claim.Account, failed []Remark) { return accounts(split(b)) }

func accounts(builds []part) (out []claim.Account, failed []Remark) {
	for i := range builds {
		accounts, why := accountsOf(&builds[i])
		out = append(out, accounts...)
		if why != "" {
			failed = append(failed, Remark{Says: claim.Textf("the accounts failed, which is a fault of inquest: %s", why)})
		}
	}
	slices.SortStableFunc(out, func(a, b claim.Account) int {
		return slices.Index(claim.AccountNames, a.Name) - slices.Index(claim.AccountNames, b.Name)
	})
	return out, failed
}

// accountsOf turns a panic into a message: our bug must not hide what detectors have to say.
func accountsOf(p *part) (out []claim.Account, failed string) {
	defer func() {
		if v := recover(); v != nil {
			out, failed = nil, fmt.Sprintf("%v at %s", v, panicSite(debug.Stack()))
		}
	}()
	return account.Of(account.Case{Exhibits: p.of, Process: p.facts}), ""
}
