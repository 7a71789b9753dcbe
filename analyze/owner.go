package analyze

import (
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// sources is where the functions of a program stand, by normalised name, as far
// as the evidence tells. It is read when first asked for: only what was found in a library needs it.
type sources map[string]stack.Frame

func (p *part) where() sources {
	if p.sources != nil {
		return p.sources
	}
	p.sources = sources{}
	seen := map[string]bool{}
	known := map[**stack.Frame]bool{} // stacks are shared between samples
	take := func(s stack.Stack) {
		if len(s) == 0 || known[&s[0]] {
			return
		}
		known[&s[0]] = true
		for _, f := range s {
			if f.File == "" || seen[f.Function] {
				continue
			}
			seen[f.Function] = true
			if name := stack.Normal(f.Function); p.sources[name].File == "" {
				p.sources[name] = *f
			}
		}
	}
	for _, kind := range evidence.Kinds {
		for _, e := range p.of[kind] {
			e.Content.EachStack(take)
		}
	}
	return p.sources
}

// owner returns the program's own code that reached the first function of a path
// when that is in a library; the zero Site when it is not or nobody can tell.
func (p *part) owner(path []string) stack.Site {
	if len(path) == 0 || !stack.Standard(path[0]) && !p.where()[path[0]].Dependency() {
		return stack.Site{}
	}
	for _, name := range path[1:] {
		if f, known := p.where()[name]; known && own(&f) {
			return stack.Site{Function: name, File: f.File, Line: f.Line}
		}
	}
	if stack.Standard(path[0]) {
		return stack.Site{}
	}
	return p.onlyCaller(path[0])
}

// own reports whether a frame is of the program's own code, and not where everything begins.
func own(f *stack.Frame) bool {
	name := stack.Normal(f.Function)
	return !stack.Standard(name) && !stack.Plumbing(name) && !f.Dependency() && name != "main.main"
}

// onlyCaller returns the program's own function that alone reaches a library's function in the profiles of the case: a
// goroutine that the library starts has nothing of the program on its stack, and what it allocates before has.
func (p *part) onlyCaller(name string) (caller stack.Site) {
	for _, kind := range evidence.Kinds {
		for _, e := range p.of[kind] {
			if e.Profile() == nil {
				continue
			}
			for i := range e.Profile().Samples {
				below := false
				for _, f := range e.Profile().Samples[i].Stack {
					if stack.Normal(f.Function) == name {
						below = true
					}
					if !below || !own(f) {
						continue
					}
					if site := f.Site(); caller.Function != "" && caller.Function != site.Function {
						return stack.Site{}
					} else if caller.Function == "" {
						caller = site
					}
					break
				}
			}
		}
	}
	return caller
}
