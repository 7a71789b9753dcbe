package compare

import (
	"cmp"
	"slices"
)

// Bounds of a flame graph: what is narrower than a pixel says nothing.
const (
	maxNodes  = 400
	leastNode = 0.004 // of the whole
)

type treeNode struct {
	id       int
	before   float64
	after    float64
	children map[int]*treeNode
}

// tree merges the stacks of both sides into one call tree, outermost first.
func (c *comparison) tree() []Node {
	root := &treeNode{id: -1, children: map[int]*treeNode{}}
	c.eachPlace(func(side int, pl place, v float64) {
		add := func(n *treeNode) {
			if side == 0 {
				n.before += v
			} else {
				n.after += v
			}
		}
		add(root)
		n := root
		chain := pl.chain
		if len(chain) == 0 {
			chain = []int{pl.owner}
		}
		for i := len(chain) - 1; i >= max(0, len(chain)-64); i-- {
			next := n.children[chain[i]]
			if next == nil {
				next = &treeNode{id: chain[i], children: map[int]*treeNode{}}
				n.children[chain[i]] = next
			}
			n = next
			add(n)
		}
	})
	if len(root.children) == 0 {
		return nil // sums of sites, without calls
	}
	least := leastNode * max(root.before, root.after)
	type pending struct {
		n      *treeNode
		parent int
	}
	var out []Node
	// Breadth first, so that the bound cuts the deepest.
	queue := []pending{{root, -1}}
	for len(queue) > 0 && len(out) < maxNodes {
		at := queue[0]
		queue = queue[1:]
		name := ""
		if at.n.id >= 0 {
			name = c.names.list[at.n.id]
		}
		out = append(out, Node{Parent: at.parent, Function: name, Before: at.n.before, After: at.n.after})
		me := len(out) - 1
		var children []*treeNode
		for _, ch := range at.n.children {
			if max(ch.before, ch.after) >= least {
				children = append(children, ch)
			}
		}
		slices.SortFunc(children, func(a, b *treeNode) int {
			return cmp.Or(-cmp.Compare(max(a.before, a.after), max(b.before, b.after)), cmp.Compare(c.names.list[a.id], c.names.list[b.id]))
		})
		for _, ch := range children {
			queue = append(queue, pending{ch, me})
		}
	}
	return out
}
