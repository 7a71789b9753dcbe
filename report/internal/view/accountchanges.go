package view

import (
	"math"
	"strconv"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// AccountChange is an account of two sides arranged for reading.
type AccountChange struct {
	claim.AccountChange
	Title string
	Rows  []PartChange
}

// PartChange is a part of it in words.
type PartChange struct {
	Says                  string
	Site                  claim.Site
	Notes                 []string
	Before, After, Change string
}

// AccountChanges arranges where it all went before and after.
func (v Diff) AccountChanges() (out []AccountChange) {
	for _, c := range v.Accounts {
		shown := AccountChange{AccountChange: c, Title: Capital(c.Name)}
		if c.Group != nil {
			shown.Title += " of " + c.Group.Function
		}
		for i, p := range c.Parts {
			// A part that is a hundredth of neither side changes nothing that anybody would see.
			if i == maxRows || p.Before.Share < 0.01 && p.After.Share < 0.01 {
				break
			}
			row := PartChange{Says: Capital(p.What.String()), Site: p.Site, Before: amount(&c, &c.Before, p.Before), After: amount(&c, &c.After, p.After)}
			row.Notes = notes(&claim.Account{Name: c.Name, Unit: c.Unit}, &claim.AccountPart{Site: p.Site, By: p.By, For: p.For, Queued: p.Queued})
			row.Change = changed(&c, &p)
			shown.Rows = append(shown.Rows, row)
		}
		out = append(out, shown)
	}
	return out
}

// perTime reports whether both sides are times over a known time: then how many there were on average is what can be compared.
func perTime(c *claim.AccountChange) bool {
	return c.Unit == evidence.Nanoseconds && c.Before.Over > 0 && c.After.Over > 0
}

// few is a number of things that may be a fraction.
func few(n float64) string {
	step := 10.0
	if math.Abs(n) < 0.1 {
		step = 1000
	}
	return strconv.FormatFloat(math.Round(n*step)/step+0, 'f', -1, 64)
}

func average(sum *claim.AccountSum, n int64) float64 { return float64(n) / float64(sum.Over) }

// amount is a part of one side: what it was at any moment on average, where that is known, and its share.
func amount(c *claim.AccountChange, sum *claim.AccountSum, v claim.PartValue) string {
	value := evidence.Of(v.Value, c.Unit).String()
	if perTime(c) {
		value = few(average(sum, v.Value))
	}
	return value + " (" + evidence.Of(v.Share, evidence.Share).String() + ")"
}

// changed is by how much a part changed, in the same terms.
func changed(c *claim.AccountChange, p *claim.PartChange) string {
	if perTime(c) {
		d := average(&c.After, p.After.Value) - average(&c.Before, p.Before.Value)
		if s := few(d); d > 0 && s != "0" {
			return "+" + s
		} else {
			return s
		}
	}
	switch d := p.After.Value - p.Before.Value; {
	case d > 0:
		return "+" + evidence.Of(d, c.Unit).String()
	case d < 0:
		return "-" + evidence.Of(-d, c.Unit).String()
	}
	return "0"
}
