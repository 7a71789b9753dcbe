package reading

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// Callers is the application code that reached a place.
type Callers []*Caller

// Caller is one function that reached a place.
type Caller struct {
	Site  stack.Site
	line  int     // the first line of it from which the place is reached
	Count float64 // waits, or goroutines
}

// maxCallers bounds the callers told apart.
const maxCallers = 64

// Add counts that a place was reached from a site.
func (c *Callers) Add(site stack.Site, count float64) {
	i := slices.IndexFunc(*c, func(x *Caller) bool { return x.Site.Function == site.Function })
	switch {
	case i >= 0:
		x := (*c)[i]
		x.Count += count
		x.line = min(x.line, site.Line)
	case site.Function != "" && len(*c) < maxCallers:
		*c = append(*c, &Caller{site, site.Line, count})
	}
}

// Sorted returns them with the largest first.
func (c Callers) Sorted() Callers {
	out := slices.Clone(c)
	slices.SortStableFunc(out, func(a, b *Caller) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return out
}

// Words says by whom the place is called.
func (c Callers) Words() claim.Text { return "called by " + c.Text() }

// Text names them, with their parts where there are several.
func (c Callers) Text() claim.Text {
	all := c.Sorted()
	if len(all) == 1 {
		return claim.Func(all[0].Site.Function).Text()
	}
	sum := 0.0
	for _, x := range all {
		sum += x.Count
	}
	var parts []claim.Text
	for _, x := range all[:min(len(all), 3)] {
		parts = append(parts, claim.Textf("%s (%s)", claim.Func(x.Site.Function), evidence.Part(x.Count, sum)))
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, claim.Textf("%d more", more))
	}
	return claim.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// Passed reports whether a stack lies further down in one of the callers than the
// place: it has got through.
func (c Callers) Passed(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f *stack.Frame) bool {
		name := stack.Normal(f.Function)
		return slices.ContainsFunc(c, func(x *Caller) bool { return f.Line > x.line && x.line > 0 && name == x.Site.Function })
	})
}

// Reached reports whether a stack passes through one of the callers at all.
func (c Callers) Reached(s stack.Stack) bool {
	return slices.ContainsFunc(s, func(f *stack.Frame) bool {
		name := stack.Normal(f.Function)
		return slices.ContainsFunc(c, func(x *Caller) bool { return name == x.Site.Function })
	})
}

// Sites returns the callers, the largest first.
func (c Callers) Sites() (out []stack.Site) {
	for _, x := range c.Sorted()[:min(len(c), MaxSites)] {
		out = append(out, x.Site)
	}
	return out
}

// minLead is the part of what is measured at a helper or a library that one caller must carry to be named in its place.
const minLead = 0.9

// Lead returns the path from a place outwards where one caller carries nearly all of it, and the
// place alone where several do: none of them is to be named in its place.
func (c Callers) Lead(path []string) []string {
	sum := 0.0
	for _, x := range c {
		sum += x.Count
	}
	if len(path) > 1 && len(c) > 1 && c.Sorted()[0].Count < minLead*sum {
		return path[:1]
	}
	return path
}
