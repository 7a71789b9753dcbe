package compare

import (
	"slices"
	"strings"

	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// names numbers functions by the name that both sides agree on.
type names struct {
	rename map[string]string
	ids    map[string]int // normalised, renamed
	list   []string
	sites  []stack.Site
	raw    [2]map[string]int // as the profiles of a side spell it
	kinds  []nameKind
	after  []bool // the site is that of the after side
}

type nameKind struct{ plumbing, standard bool }

func newNames(rename map[string]string) *names {
	return &names{rename: rename, ids: map[string]int{}, raw: [2]map[string]int{{}, {}}}
}

// id returns the number of the function of a frame on side 0 or 1.
func (n *names) id(side int, f *stack.Frame) int {
	if id, ok := n.raw[side][f.Function]; ok {
		return id
	}
	name := unvendored(stack.Normal(f.Function))
	if side == 0 {
		name = renamed(name, n.rename)
	}
	id, ok := n.ids[name]
	if !ok {
		id = len(n.list)
		n.ids[name] = id
		n.list = append(n.list, name)
		n.sites = append(n.sites, stack.Site{Function: name, File: f.File, Line: f.Line})
		n.kinds = append(n.kinds, nameKind{stack.Plumbing(name), stack.Standard(name)})
		n.after = append(n.after, side == 1)
	} else if side == 1 && !n.after[id] && f.File != "" {
		// A reader looks at the code as it is now.
		n.sites[id].File, n.sites[id].Line, n.after[id] = f.File, f.Line, true
	}
	n.raw[side][f.Function] = id
	return id
}

// unvendored removes the folder that a vendored copy of a package lies in.
func unvendored(name string) string {
	if i := strings.LastIndex(name, "/vendor/"); i >= 0 {
		return name[i+len("/vendor/"):]
	}
	return name
}

// renamed gives the function of the before side its new name: an exact name, or
// a package or type that it belongs to. The longest that fits is taken.
func renamed(name string, rename map[string]string) string {
	best := ""
	for old := range rename {
		if len(old) <= len(best) || !strings.HasPrefix(name, old) {
			continue
		}
		if rest := name[len(old):]; rest == "" || rest[0] == '.' || rest[0] == '/' {
			best = old
		}
	}
	if best == "" {
		return name
	}
	return rename[best] + name[len(best):]
}

// place is what a stack means to a comparison.
type place struct {
	owner int   // that the cost is own to: the first function outside the standard library
	chain []int // all functions that are not plumbing, each once, leaf first
}

// places works out the place of every stack of a profile once: samples share stacks.
type places struct {
	names  *names
	side   int
	bySite bool                    // cost is own to the first function that is not plumbing, as saved reports count it
	known  map[**stack.Frame]place // by where a stack lies: samples share them
	chain  []int                   // under way
}

func (p *places) of(s *pprofile.Sample) place {
	if len(s.Stack) == 0 {
		return place{owner: p.names.id(p.side, &stack.Frame{Function: "[no stack]"})}
	}
	key := &s.Stack[0]
	if pl, ok := p.known[key]; ok {
		return pl
	}
	pl := place{owner: -1}
	chain := p.chain[:0]
	site := -1
	for i := range s.Stack {
		id := p.names.id(p.side, s.Stack[i])
		k := p.names.kinds[id]
		if k.plumbing {
			continue
		}
		if site < 0 {
			site = id
		}
		if pl.owner < 0 && !k.standard {
			pl.owner = id
		}
		seen := false
		for _, c := range chain {
			if c == id {
				seen = true
				break
			}
		}
		if !seen && len(chain) < maxChain {
			chain = append(chain, id)
		}
	}
	p.chain, pl.chain = chain, slices.Clone(chain)
	if pl.owner < 0 || p.bySite {
		pl.owner = site
	}
	if pl.owner < 0 { // plumbing alone: its outermost frame
		pl.owner = p.names.id(p.side, s.Stack[len(s.Stack)-1])
		pl.chain = []int{pl.owner}
	}
	p.known[key] = pl
	return pl
}

// maxChain bounds how many functions of one stack are looked at: the search for
// repetitions is quadratic, and recursion through many functions is no help to a reader.
const maxChain = 256
