// Package reading measures what more than one detector, and more than one kind of evidence, has to say of locks, waits, the heap, the
// collector and the processors. It judges nothing: no limit, no severity and no sentence of a finding is made here.
package reading

import (
	"inquest/analyze/claim"
	"inquest/internal/evidence/stack"
)

// AppSite is where a leak is looked for: the first frame of the application,
// since the library it waits in is not what leaks.
func AppSite(s stack.Stack) (stack.Site, []string) {
	for i, f := range s {
		if !stack.Standard(f.Function) && !stack.Plumbing(f.Function) {
			return f.Site(), s[i:].Path()
		}
	}
	return s.Site(), s.Path()
}

// MaxSites is how many sites a measure hands on, FewSites where those behind the first three are next to nothing: lists
// are for people, and decide nothing.
const (
	MaxSites = 5
	FewSites = 3
)

// AtGoroutine is the place of a site with the goroutine that stands there.
func AtGoroutine(s stack.Site, id int64) claim.Location {
	at := claim.At(s)
	at.Goroutine = id
	return at
}

// Place names a site, with the application's code that reached it where that is another.
func Place(site, owner stack.Site) claim.Text {
	if owner.Function != "" && owner.Function != site.Function {
		return claim.Textf("%s (called by %s)", claim.Func(site.Function), claim.Func(owner.Function))
	}
	return claim.Func(site.Function).Text()
}

// siteStack cuts a stack to the part from its site on.
func siteStack(s stack.Stack) stack.Stack {
	for i, f := range s {
		if !stack.Plumbing(f.Function) {
			return s[i:]
		}
	}
	return s
}
