package account

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Changes lines up the accounts of two sides: of each name, of operations of each group, the first of either, where both have one. Parts
// are the same that say the same of the same functions.
func Changes(before, after []claim.Account) (out []claim.AccountChange) {
	same := func(a, b *claim.Account) bool {
		return a.Name == b.Name && a.Unit == b.Unit && (a.Group == nil) == (b.Group == nil) && (a.Group == nil || a.Group.Function == b.Group.Function)
	}
	for i := range before {
		a := &before[i]
		first := !slices.ContainsFunc(before[:i], func(b claim.Account) bool { return same(a, &b) })
		j := slices.IndexFunc(after, func(b claim.Account) bool { return same(a, &b) && a.What == b.What })
		if first && j >= 0 {
			out = append(out, change(a, &after[j]))
		}
	}
	return out
}

// change lines up the parts of two accounts.
func change(a, b *claim.Account) claim.AccountChange {
	c := claim.AccountChange{
		Name: a.Name, Group: a.Group, Unit: a.Unit,
		Before: claim.AccountSum{Exhibit: a.Exhibit, Whole: a.Whole, Over: a.Over, Summary: a.Summary},
		After:  claim.AccountSum{Exhibit: b.Exhibit, Whole: b.Whole, Over: b.Over, Summary: b.Summary},
	}
	at := map[key]int{}
	var rest claim.PartChange
	for side, x := range []*claim.Account{a, b} {
		for i := range x.Parts {
			p := &x.Parts[i]
			to := &rest
			if p.Kind != claim.PartRest || p.Site.Function != "" || p.For != nil {
				k := keyOf(p)
				n, ok := at[k]
				if !ok {
					n = len(c.Parts)
					at[k] = n
					c.Parts = append(c.Parts, claim.PartChange{Kind: p.Kind, What: p.What, Site: p.Site, By: p.By, For: p.For, Queued: p.Queued})
				}
				to = &c.Parts[n]
			}
			put(to, side, p.Value)
		}
		if x.Unknown > 0 {
			put(&rest, side, x.Unknown)
		}
	}
	slices.SortStableFunc(c.Parts, func(x, y claim.PartChange) int {
		return -cmp.Compare(max(evidence.Part(x.Before.Value, a.Whole).Number, evidence.Part(x.After.Value, b.Whole).Number), max(evidence.Part(y.Before.Value, a.Whole).Number, evidence.Part(y.After.Value, b.Whole).Number))
	})
	for len(c.Parts) > claim.MaxAccountParts-1 {
		p := &c.Parts[len(c.Parts)-1]
		put(&rest, 0, p.Before.Value)
		put(&rest, 1, p.After.Value)
		c.Parts = c.Parts[:len(c.Parts)-1]
	}
	if rest.Before.Value > 0 || rest.After.Value > 0 {
		rest.Kind, rest.What = claim.PartRest, "smaller parts, and what is unknown"
		c.Parts = append(c.Parts, rest)
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		p.Before.Share, p.After.Share = evidence.Part(p.Before.Value, a.Whole).Number, evidence.Part(p.After.Value, b.Whole).Number
	}
	return c
}

func put(p *claim.PartChange, side int, n int64) {
	if side == 0 {
		p.Before.Value += n
	} else {
		p.After.Value += n
	}
}
