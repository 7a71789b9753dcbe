package look

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// columns are what each kind of profile is read by, best first.
var columns = []string{"inuse_space", "cpu", "samples", "delay", "goroutine"}

// noStack stands for the function of samples without one.
const noStack = "(no stack)"

// samples lists the functions of a profile by what passes through them, or the stacks through one function.
func samples(p *pprofile.Profile, q Question) (Page, error) {
	column, err := columnOf(p, q.Column)
	if err != nil {
		return Page{}, err
	}
	total := p.Total(column)
	whole := evidence.InUnit(total, p.Columns[column].Unit)
	var rows []Row
	title := "functions by " + p.Columns[column].Name + ", callees included"
	if q.Function == "" {
		rows = functions(p, column)
	} else {
		title = fmt.Sprintf("stacks through %s by %s", q.Function, p.Columns[column].Name)
		rows = stacksThrough(p, column, q.Function)
	}
	for i := range rows {
		rows[i].Share = evidence.Part(rows[i].Value.Number, float64(total)).Number
	}
	page, err := q.page(title, rows)
	page.Whole = &whole
	if p.Missing > 0 {
		page.Note = fmt.Sprintf("%s of the whole stand in no stack: the text was cut off", evidence.InUnit(p.Missing, p.Columns[0].Unit))
	}
	return page, err
}

// columnOf finds the sample type that a question is about.
func columnOf(p *pprofile.Profile, name string) (int, error) {
	var all []string
	for _, c := range p.Columns {
		all = append(all, c.Name)
	}
	want := columns
	if name != "" {
		want = []string{name}
	}
	for _, w := range want {
		if i := slices.Index(all, w); i >= 0 {
			return i, nil
		}
	}
	if name == "" && len(all) > 0 {
		return 0, nil
	}
	return 0, fmt.Errorf("the profile has no column %q: it has %s", name, strings.Join(all, ", "))
}

func functions(p *pprofile.Profile, column int) []Row {
	type sum struct{ all, own int64 }
	sums := map[string]*sum{}
	seen := map[string]bool{}
	for i := range p.Samples {
		s := &p.Samples[i]
		clear(seen)
		frames := s.Stack
		if len(frames) == 0 {
			frames = stack.Stack{{Function: noStack}}
		}
		for depth, f := range frames {
			name := stack.Normal(f.Function)
			o := sums[name]
			if o == nil {
				o = &sum{}
				sums[name] = o
			}
			if depth == 0 {
				o.own += s.Values[column]
			}
			if !seen[name] { // a function that calls itself counts once
				seen[name] = true
				o.all += s.Values[column]
			}
		}
	}
	rows := make([]Row, 0, len(sums))
	for name, s := range sums {
		if s.all != 0 {
			own := evidence.InUnit(s.own, p.Columns[column].Unit)
			rows = append(rows, Row{What: name, Value: evidence.InUnit(s.all, p.Columns[column].Unit), Own: &own})
		}
	}
	slices.SortFunc(rows, largest)
	return rows
}

func stacksThrough(p *pprofile.Profile, column int, function string) []Row {
	by := map[string]*Row{}
	sums := map[string]int64{}
	for i := range p.Samples {
		s := &p.Samples[i]
		if !through(s.Stack, function) || s.Values[column] == 0 {
			continue
		}
		frames := written(s.Stack)
		key := strings.Join(frames, "\n")
		if by[key] == nil {
			by[key] = &Row{What: noStack, Stack: frames}
			if len(s.Stack) > 0 {
				by[key].What = stack.Normal(s.Stack[0].Function)
			}
		}
		sums[key] += s.Values[column]
	}
	rows := make([]Row, 0, len(by))
	for key, r := range by {
		r.Value = evidence.InUnit(sums[key], p.Columns[column].Unit)
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, largest)
	return rows
}

// through reports whether a stack passes through a function, named as it stands or normalised.
func through(s stack.Stack, function string) bool {
	if len(s) == 0 {
		return function == noStack
	}
	return slices.ContainsFunc(s, func(f *stack.Frame) bool { return f.Function == function || stack.Normal(f.Function) == function })
}

// written is a stack as rows hold it.
func written(s stack.Stack) []string {
	out := make([]string, 0, min(len(s), MaxFrames)+1)
	for i, f := range s {
		if i == MaxFrames {
			return append(out, fmt.Sprintf("%d more frames", len(s)-i))
		}
		at := f.Function
		if f.File != "" {
			at += " " + f.File
			if f.Line > 0 {
				at += fmt.Sprintf(":%d", f.Line)
			}
		}
		out = append(out, at)
	}
	return out
}

func largest(a, b Row) int {
	return cmp.Or(-cmp.Compare(a.Value.Number, b.Value.Number), cmp.Compare(a.What, b.What), slices.Compare(a.Stack, b.Stack))
}
