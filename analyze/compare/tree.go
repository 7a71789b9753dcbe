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

type treeNode struct {
	id       int
	before   float64
	after    float64
	children []int32
}

// tree merges the stacks of both sides into one call tree, outermost first.
func (c *comparison) tree() []Node {
	narrow := c.narrow()
	nodes := []treeNode{{id: -1}}
	known := map[uint64]int32{} // by caller and function
	c.eachPlace(func(side int, pl place, v float64) {
		add := func(i int32) {
			if side == 0 {
				nodes[i].before += v
			} else {
				nodes[i].after += v
			}
		}
		add(0)
		at := int32(0)
		chain := pl.chain
		if len(chain) == 0 {
			chain = []int{pl.owner}
		}
		for i := len(chain) - 1; i >= max(0, len(chain)-maxDeep); i-- {
			if narrow[chain[i]] {
				break
			}
			key := uint64(at)<<32 | uint64(uint32(chain[i]))
			next, ok := known[key]
			if !ok {
				next = int32(len(nodes))
				known[key] = next
				nodes = append(nodes, treeNode{id: chain[i]})
				nodes[at].children = append(nodes[at].children, next)
			}
			at = next
			add(at)
		}
	})
	root := &nodes[0]
	if root.before == 0 && root.after == 0 {
		return nil // there is nothing to draw
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
		for _, i := range at.n.children {
			ch := &nodes[i]
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

// narrow marks the functions of which no call can be wide enough to be drawn,
// because all of them together are not.
func (c *comparison) narrow() []bool {
	var whole [2]float64
	cum := make([][2]float64, len(c.names.list))
	for side, runs := range c.runs {
		for i := range runs {
			r := &runs[i]
			if r.minus != nil { // one call may have risen while another fell
				return make([]bool, len(cum))
			}
			whole[side] += r.total / float64(len(runs))
			for id := range r.cum {
				cum[id][side] += r.cum[id] / float64(len(runs))
			}
		}
	}
	// A hair less, for sums in another order.
	least := leastNode * max(whole[0], whole[1]) * 0.999
	out := make([]bool, len(cum))
	for id := range cum {
		out[id] = max(cum[id][0], cum[id][1]) < least
	}
	return out
}
