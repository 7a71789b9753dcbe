package pprofile

import "inquest/analyze/evidence/stack"

// EachStack hands over the stack of every sample.
func (p *Profile) EachStack(take func(stack.Stack)) {
	for i := range p.Samples {
		take(p.Samples[i].Stack)
	}
}
