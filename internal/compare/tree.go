package compare

import (
	"cmp"
	"slices"
)

// Bounds of a flame graph: what is narrower than a pixel says nothing.
const (
	maxNodes  = 400
	maxDeep   = 64    // callers of a place
	leastNode = 0.004 // of the whole
)

// call is a call of the tree with the stacks that go through it, as far as they have not been gone yet.
type call struct {
	id            int // of the function, -1 for what calls the outermost
	parent        int // of the nodes told
	deep          int
	before, after float64
	routes        []route
}

// route is what is left of a stack, inwards of a call: its end is what comes next.
type route struct {
	left []int
	v    float64
	side int
}

func (c *call) add(side int, v float64) {
	if side == 0 {
		c.before += v
	} else {
		c.after += v
	}
}

func (c *call) width() float64 { return max(c.before, c.after) }

// tree merges the stacks of both sides into one call tree, outermost first. It goes inwards only where a call can be drawn:
// a tree of all calls would be a thousand times as large.
func (c *comparison) tree() []Node {
	root := &call{id: -1, parent: -1}
	c.eachPlace(func(side int, pl place, v float64) {
		root.add(side, v)
		chain := pl.chain
		if len(chain) == 0 {
			chain = []int{pl.owner}
		}
		root.routes = append(root.routes, route{chain, v, side})
	})
	if root.before == 0 && root.after == 0 {
		return nil // there is nothing to draw
	}
	least := leastNode * root.width()
	slots := make([]int32, len(c.names.list))
	var out []Node
	// Breadth first, so that the bound cuts the deepest.
	for queue := []*call{root}; len(queue) > 0 && len(out) < maxNodes; {
		at := queue[0]
		queue = queue[1:]
		name := ""
		if at.id >= 0 {
			name = c.names.list[at.id]
		}
		out = append(out, Node{Parent: at.parent, Function: name, Before: at.before, After: at.after})
		if at.deep == maxDeep || len(out)+len(queue) >= maxNodes {
			continue
		}
		children := at.children(least, slots)
		slices.SortFunc(children, func(a, b *call) int {
			return cmp.Or(-cmp.Compare(a.width(), b.width()), cmp.Compare(c.names.list[a.id], c.names.list[b.id]))
		})
		for _, ch := range children {
			ch.parent = len(out) - 1
			queue = append(queue, ch)
		}
		at.routes = nil
	}
	return out
}

// children returns the calls next inwards that are wide enough. slots has a zero for each function, and has them again afterwards.
func (c *call) children(least float64, slots []int32) (wide []*call) {
	var all []*call
	var counts []int
	for i := range c.routes {
		p := &c.routes[i]
		if len(p.left) == 0 {
			continue
		}
		id := p.left[len(p.left)-1]
		if slots[id] == 0 {
			all = append(all, &call{id: id, deep: c.deep + 1})
			counts = append(counts, 0)
			slots[id] = int32(len(all))
		}
		n := slots[id] - 1
		all[n].add(p.side, p.v)
		counts[n]++
	}
	for n, ch := range all {
		if ch.width() >= least {
			ch.routes = make([]route, 0, counts[n])
			wide = append(wide, ch)
		}
	}
	for i := range c.routes {
		p := &c.routes[i]
		if n := len(p.left); n > 0 {
			if ch := all[slots[p.left[n-1]]-1]; ch.routes != nil {
				ch.routes = append(ch.routes, route{p.left[:n-1], p.v, p.side})
			}
		}
	}
	for _, ch := range all {
		slots[ch.id] = 0
	}
	return wide
}
