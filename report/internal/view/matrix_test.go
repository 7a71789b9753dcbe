package view

import (
	"strings"
	"testing"

	"inquest/analyze/claim"
)

// TestBranches holds what is read from top to bottom to the links of the chain: below two
// findings of one layer, the arrow says from which of them it comes.
func TestBranches(t *testing.T) {
	find := func(id string) *Finding {
		return &Finding{Finding: claim.Finding{ID: id, Title: claim.Legacy("title " + id)}}
	}
	explains := func(from, to string) claim.Link {
		return claim.Link{From: from, To: to, Relation: claim.Explains, Why: claim.Legacy(from + " does it")}
	}
	for _, test := range []struct {
		name  string
		links []claim.Link
		want  string // of each layer below the root
	}{
		{"a line", []claim.Link{explains("a", "b"), explains("b", "c"), explains("c", "d")}, "||"},
		{"a fork at the end", []claim.Link{explains("a", "b"), explains("b", "c"), explains("b", "d")}, "|"},
		{"a leaf beside the way", []claim.Link{explains("a", "b"), explains("a", "c"), explains("b", "d")}, "|from title b"},
		{"two ways that meet", []claim.Link{explains("a", "b"), explains("a", "c"), explains("b", "d"), explains("c", "d")}, "|from title b and title c"},
		{"an overlap is no way", []claim.Link{explains("a", "b"), explains("a", "c"), explains("c", "d"), {From: "b", To: "d", Relation: claim.Overlaps}}, "|from title c"},
	} {
		found := map[string]*Finding{}
		chain := claim.Chain{Root: "a", Findings: []string{"a", "b", "c", "d"}, Links: test.links}
		for _, id := range chain.Findings {
			found[id] = find(id)
		}
		c := newChain(chain, found)
		var got []string
		for i := range c.Layers[1:] {
			got = append(got, c.From(i+1))
		}
		if s := strings.Join(got, "|"); s != test.want {
			t.Errorf("%s: %q, want %q", test.name, s, test.want)
		}
	}
}
