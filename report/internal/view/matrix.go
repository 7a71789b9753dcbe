package view

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/figure"
)

// Anchor makes an id that a link can point to from one of the evidence's.
func Anchor(prefix, id string) string {
	return prefix + "-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, id)
}

// Change is by how much a site grew, with its sign.
func Change(g figure.Grown) string {
	q := evidence.Quantity{Number: g.After.Number - g.Before.Number, Unit: g.After.Unit}
	if q.Number > 0 {
		return "+" + q.String()
	}
	return q.String()
}

// matrix is what each kind of evidence says about each finding of a chain.
type matrix struct {
	Kinds []evidence.Kind
	Rows  []matrixRow
}

type matrixRow struct {
	*Finding
	Cells []cell // one per kind; empty Result where the claim is not asked of it
}

// cell is a check with what its value is the value of.
type cell struct {
	claim.Check
	Hint   string
	Anchor string // of the fact; may be empty
}

// Matrix lays the checks of a chain side by side. Kinds the case does not hold
// are left out: they stand under what is missing.
func (c *Chain) Matrix() matrix {
	var m matrix
	present := func(check claim.Check) bool { return check.Result != claim.Absent }
	for _, f := range c.Findings {
		for _, check := range f.Checks {
			if present(check) && !slices.Contains(m.Kinds, check.Kind) && len(m.Kinds) < 16 {
				m.Kinds = append(m.Kinds, check.Kind)
			}
		}
	}
	slices.SortStableFunc(m.Kinds, func(a, b evidence.Kind) int {
		return slices.Index(evidence.Kinds, a) - slices.Index(evidence.Kinds, b)
	})
	for _, f := range c.Findings {
		row := matrixRow{Finding: f, Cells: make([]cell, len(m.Kinds))}
		for _, check := range f.Checks {
			if i := slices.Index(m.Kinds, check.Kind); i >= 0 && present(check) {
				row.Cells[i] = cell{Check: check, Hint: check.Why.String()}
				for _, fact := range f.Facts {
					if check.Value != nil && fact.Kind == check.Kind && fact.Value == *check.Value {
						row.Cells[i].Hint, row.Cells[i].Anchor = Join("; ", fact.Says.String(), check.Why.String()), fact.Anchor
						break
					}
				}
			}
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// Relations is the two most telling ways in which a layer hangs on the ones before it.
func (c *Chain) Relations(layer int) string {
	var words []string
	for _, kind := range []string{claim.Explains, claim.Wakes, claim.SameSite, claim.Overlaps, claim.AddsTo} {
		for _, f := range c.Layers[layer] {
			if word := relation(kind); len(words) < 2 && !slices.Contains(words, word) &&
				slices.ContainsFunc(f.Links, func(l Link) bool { return l.Relation == word }) {
				words = append(words, word)
			}
		}
	}
	return strings.Join(words, ", ")
}

// From names what a layer hangs on when the layer before it branches: read from top to
// bottom, the arrow would come from whatever stands just above it. It is empty otherwise.
func (c *Chain) From(layer int) string {
	if layer == 0 || len(c.Layers[layer-1]) < 2 {
		return ""
	}
	var titles []string
	for _, f := range c.Layers[layer-1] {
		for _, g := range c.Layers[layer] {
			if !slices.Contains(titles, f.Title.String()) && slices.ContainsFunc(g.Links, func(l Link) bool {
				return l.Relation == relation(claim.Explains) && l.Finding == f.Title.String()
			}) {
				titles = append(titles, f.Title.String())
			}
		}
	}
	if len(titles) == 0 {
		return ""
	}
	return "from " + strings.Join(titles, " and ")
}

// Shape is the class of the chain's diagram: a column when there are too many
// steps for a row, or for that of a narrow screen, cards of one height when every step has one.
func (c *Chain) Shape() string {
	switch {
	case len(c.Layers) > 4:
		return "flow tall"
	case len(c.Layers) == 4:
		return "flow many"
	case !slices.ContainsFunc(c.Layers, func(l []*Finding) bool { return len(l) > 1 }):
		return "flow even"
	}
	return "flow"
}
