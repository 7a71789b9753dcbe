package pprofile

import (
	"slices"
	"strings"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// Totals adds it up.
func (p *Profile) Totals() (out content.Totals) {
	for i, c := range p.Columns {
		out.Add(c.Name, quantity.InUnit(p.Total(i), c.Unit))
	}
	return out
}

// EachStack hands over the stack of every sample.
func (p *Profile) EachStack(take func(stack.Stack)) {
	for i := range p.Samples {
		take(p.Samples[i].Stack)
	}
}

// EachLabel hands over the labels of every sample.
func (p *Profile) EachLabel(take func(key, value string)) {
	for _, s := range p.Samples {
		for key, values := range s.Labels {
			for _, v := range values {
				take(key, v)
			}
		}
	}
}

// Labelled keeps the samples that carry a label, in the kinds of profile whose samples can.
func (p *Profile) Labelled(key, value string) content.Part {
	switch p.Kind {
	case "cpu", "goroutine", "goroutineleak":
	default:
		return content.Part{Says: "evidence of this kind carries no labels"}
	}
	left, column := *p, len(p.Columns)-1
	left.Samples, left.Unsymbolised = nil, 0
	for _, s := range p.Samples {
		if slices.Contains(s.Labels[key], value) {
			left.Samples = append(left.Samples, s)
			if !slices.ContainsFunc(s.Stack, named) {
				left.Unsymbolised++
			}
		}
	}
	if len(left.Samples) == 0 {
		return content.Part{Says: "none of its samples carries the label"}
	}
	what := prose.Text("samples")
	if column >= 0 {
		what = p.Columns[column].Text()
	}
	return content.Part{Content: &left, Says: prose.Textf("%s of its %s carries the label, and shares are of that", quantity.Part(left.Total(column), p.Total(column)), what)}
}

// named reports whether a frame has a function's name (see [Sample]).
func named(f *stack.Frame) bool { return f.Function != "" && !strings.HasPrefix(f.Function, "[") }
