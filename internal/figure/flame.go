package figure

import (
	"cmp"
	"errors"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// Flame is the call tree of a profile that findings rest on: callers before
// callees, what is spent below each. Small calls are left out and counted.
type Flame struct {
	Exhibit  string            `json:"exhibit"`
	Title    claim.Text        `json:"title"` // what is spent, such as "CPU time"
	Findings []string          `json:"findings"`
	Total    evidence.Quantity `json:"total"`
	Nodes    []FlameNode       `json:"nodes"` // the first is the whole; parents before their callees; at most MaxFlameNodes
	LeftOut  LeftOut           `json:"left_out"`
}

// FlameNode is one call of a Flame.
type FlameNode struct {
	Parent   int     `json:"parent"` // index; -1 for the whole
	Function string  `json:"function"`
	Value    float64 `json:"value"`             // with callees, in the unit of the total
	Culprit  bool    `json:"culprit,omitempty"` // it is the site of one of the findings, closures and instances included
}

// LeftOut is what was cut from a call tree.
type LeftOut struct {
	Calls   int     `json:"calls"`   // nodes of the whole tree
	Largest float64 `json:"largest"` // of their values
	Value   float64 `json:"value"`   // all of them together
}

// flames is the call trees of the profiles that the first chains rest on.
func flames(b *evidence.Bundle, findings []*claim.Finding) []Flame {
	type key struct {
		exhibit string
		column  int
	}
	at := map[key]int{}
	var out []Flame
	var sites []map[string]bool // of each flame
	var profiles []key
	for _, f := range findings {
		for _, fact := range f.Evidence {
			e := b.Exhibit(fact.Exhibit)
			if e == nil || e.Profile() == nil {
				continue
			}
			for _, c := range drawnColumns {
				i := e.Profile().Column(c.column)
				if c.kind != e.Kind || i < 0 || e.Kind == evidence.Heap && (fact.At.SampleType == "alloc_space" || fact.At.SampleType == "alloc_objects") != (c.column == "alloc_space") {
					continue
				}
				k := key{e.ID, i}
				n, known := at[k]
				if !known {
					// An earlier snapshot of the same process says less than the last.
					if len(out) == MaxFlames || later(b, e) {
						continue
					}
					n = len(out)
					at[k] = n
					out = append(out, Flame{Exhibit: e.ID, Title: c.flame})
					sites, profiles = append(sites, map[string]bool{}), append(profiles, k)
				}
				if !slices.Contains(out[n].Findings, f.ID) {
					out[n].Findings = append(out[n].Findings, f.ID)
				}
				places := []claim.Site{f.Site}
				if f.Site.Function == "" { // of the process as a whole: the places that it involves
					places = f.Sites
				}
				for _, s := range places {
					if s.Function != "" {
						sites[n][s.Function] = true
					}
				}
			}
		}
	}
	kept := out[:0]
	for n, f := range out {
		e := b.Exhibit(f.Exhibit)
		f.grow(e.Profile(), profiles[n].column, sites[n])
		if len(f.Nodes) > 1 {
			kept = append(kept, f)
		}
	}
	return kept
}

// later reports whether there is a later exhibit of a snapshot's kind and build.
func later(b *evidence.Bundle, e *evidence.Exhibit) bool {
	if e.Duration > 0 {
		return false
	}
	all := b.Of(e.Kind)
	for i := len(all) - 1; i >= 0 && all[i] != e; i-- {
		if all[i].BuildID == e.BuildID {
			return true
		}
	}
	return false
}

// minFlame is the part of the whole below which a call is not drawn.
const minFlame = 0.005

// maxFlameDepth bounds the depth of a call tree; deeper calls are counted with their caller.
const maxFlameDepth = 64

// grow fills the call tree from a column of a profile. Where the tree is too large,
// the smallest calls go first; those on the way to a culprit stay, so that it is always seen.
func (f *Flame) grow(p *pprofile.Profile, column int, sites map[string]bool) {
	calls := p.CallsOf(column, maxFlameDepth)
	root := calls.Root()
	whole := calls.Value(root)
	f.Total = evidence.InUnit(whole, p.Columns[column].Unit)
	if whole == 0 {
		return
	}
	culprits := make([]bool, len(calls.Functions))
	for i, name := range calls.Functions {
		culprits[i] = sites[stack.Normal(name)]
	}
	culprit := func(function int32) bool { return function >= 0 && culprits[function] }
	scale := f.Total.Number / float64(whole)
	floor := minimum(calls, float64(whole)*minFlame)
	small := 0
	var visit func(c pprofile.Call, parent int, below bool)
	visit = func(c pprofile.Call, parent int, below bool) {
		at, function := len(f.Nodes), calls.Function(c)
		node := FlameNode{Parent: parent, Value: float64(calls.Value(c)) * scale, Culprit: culprit(function)}
		if function >= 0 {
			node.Function = calls.Functions[function]
		}
		f.Nodes = append(f.Nodes, node)
		for _, next := range sorted(calls, c) {
			value := float64(calls.Value(next))
			large := value >= floor
			if large || !below && small < flameRoom && calls.Holds(next, culprit) {
				if !large {
					small++
				}
				visit(next, at, below || culprit(calls.Function(next)))
				continue
			}
			f.LeftOut.Calls += int(calls.Size(next))
			f.LeftOut.Largest = max(f.LeftOut.Largest, value*scale)
			f.LeftOut.Value += value * scale
		}
	}
	visit(root, -1, false)
}

// flameRoom is how many calls too small to be drawn are kept on the way to a culprit.
const flameRoom = 40

// minimum returns the least value of which all calls fit into MaxFlameNodes beside those.
func minimum(calls *pprofile.Calls, floor float64) float64 {
	var values []float64
	var visit func(c pprofile.Call)
	visit = func(c pprofile.Call) {
		for next := range calls.Callees(c) {
			if v := float64(calls.Value(next)); v >= floor {
				values = append(values, v)
				visit(next)
			}
		}
	}
	visit(calls.Root())
	if len(values) <= MaxFlameNodes-1-flameRoom {
		return floor
	}
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	// All that are as large as the first that does not fit go with it.
	return values[MaxFlameNodes-1-flameRoom] + 0.5
}

// sorted is the callees of a call, the largest first.
func sorted(calls *pprofile.Calls, c pprofile.Call) []pprofile.Call {
	out := slices.Collect(calls.Callees(c))
	slices.SortFunc(out, func(a, b pprofile.Call) int {
		return cmp.Or(-cmp.Compare(calls.Value(a), calls.Value(b)), cmp.Compare(calls.Functions[calls.Function(a)], calls.Functions[calls.Function(b)]))
	})
	return out
}

// check holds a call tree to its bound, and callers to stand before their callees.
func (f *Flame) check() error {
	for i, n := range f.Nodes {
		if i == 0 && n.Parent != -1 || i > 0 && (n.Parent < 0 || n.Parent >= i) {
			return errors.New("a call before its caller")
		}
	}
	return most(len(f.Nodes), MaxFlameNodes, "calls")
}
