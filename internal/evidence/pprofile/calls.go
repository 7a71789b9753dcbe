package pprofile

import (
	"cmp"
	"iter"
	"slices"

	"inquest/internal/evidence/stack"
)

// Calls is the tree of the calls in a column of a profile, outermost first, without a node for each: the stacks are put
// in order, so that those that begin alike stand together, and a call is a run of them. It takes some 16 bytes for a
// stack and 4 for a frame, however many calls there are.
type Calls struct {
	Functions []string   // by number
	paths     []callPath // in order
	sums      []int64    // of the values of the paths before
	calls     []int64    // of the calls that the paths before have and those before them have not
}

// callPath is one stack, numbers of functions from the outermost on.
type callPath struct {
	functions []int32
	value     int64
}

// Call is one call: that of the function at a depth of a run of paths. The zero depth is the whole profile.
type Call struct{ from, to, depth int32 }

// CallsOf puts the stacks of a column in order, the outermost depth frames of each. Samples without a value above 0 are left out.
func (p *Profile) CallsOf(column, depth int) *Calls {
	c := &Calls{}
	numbers := map[string]int32{}
	frames := map[*stack.Frame]int32{}
	number := func(f *stack.Frame) int32 {
		n, ok := frames[f]
		if !ok {
			if n, ok = numbers[f.Function]; !ok {
				n = int32(len(c.Functions))
				numbers[f.Function] = n
				c.Functions = append(c.Functions, f.Function)
			}
			frames[f] = n
		}
		return n
	}
	total, count := 0, 0
	for i := range p.Samples {
		if p.Samples[i].Values[column] > 0 {
			total += min(len(p.Samples[i].Stack), depth)
			count++
		}
	}
	slab := make([]int32, 0, total)
	c.paths = make([]callPath, 0, count)
	for i := range p.Samples {
		s := &p.Samples[i]
		if s.Values[column] <= 0 {
			continue
		}
		start := len(slab)
		for j := len(s.Stack) - 1; j >= max(0, len(s.Stack)-depth); j-- {
			slab = append(slab, number(s.Stack[j]))
		}
		c.paths = append(c.paths, callPath{slab[start:len(slab):len(slab)], s.Values[column]})
	}
	slices.SortFunc(c.paths, func(a, b callPath) int { return slices.Compare(a.functions, b.functions) })
	c.sums, c.calls = make([]int64, count+1), make([]int64, count+1)
	var before []int32
	for i, p := range c.paths {
		c.sums[i+1] = c.sums[i] + p.value
		c.calls[i+1] = c.calls[i] + int64(len(p.functions)-common(before, p.functions))
		before = p.functions
	}
	return c
}

// common is how many functions two paths begin with alike.
func common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// Root is the call that all others are in.
func (c *Calls) Root() Call { return Call{0, int32(len(c.paths)), 0} }

// Value is what was counted in a call and those below it.
func (c *Calls) Value(at Call) int64 { return c.sums[at.to] - c.sums[at.from] }

// Function is the number of the function that was called; that of the root is -1.
func (c *Calls) Function(at Call) int32 {
	if at.depth == 0 {
		return -1
	}
	return c.paths[at.from].functions[at.depth-1]
}

// Size is how many calls there are in a call, itself among them.
func (c *Calls) Size(at Call) int64 {
	if at.from == at.to {
		return 1
	}
	// The first path is counted from the call on, each after it from where it leaves the one before.
	return 1 + int64(len(c.paths[at.from].functions)-int(at.depth)) + c.calls[at.to] - c.calls[at.from+1]
}

// Callees yields the calls that a call made.
func (c *Calls) Callees(at Call) iter.Seq[Call] {
	return func(yield func(Call) bool) {
		from := at.from
		for from < at.to && len(c.paths[from].functions) == int(at.depth) {
			from++ // which stood in the call itself
		}
		for from < at.to {
			f := c.paths[from].functions[at.depth]
			n, _ := slices.BinarySearchFunc(c.paths[from:at.to], f, func(p callPath, f int32) int { return cmp.Or(cmp.Compare(p.functions[at.depth], f), -1) })
			to := from + int32(n)
			if !yield(Call{from, to, at.depth + 1}) {
				return
			}
			from = to
		}
	}
}

// Holds reports whether one of the functions is called in a call, or is its own.
func (c *Calls) Holds(at Call, marked func(function int32) bool) bool {
	for _, p := range c.paths[at.from:at.to] {
		if slices.ContainsFunc(p.functions[max(at.depth-1, 0):], marked) {
			return true
		}
	}
	return false
}
