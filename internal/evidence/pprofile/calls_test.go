package pprofile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/stack"
)

// TestCalls holds the tree of calls to one that has a node for each, on random stacks.
func TestCalls(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		p := &Profile{Columns: []Column{{Name: "n"}}}
		values, sizes, marked := map[string]int64{"": 0}, map[string]int64{}, map[string]bool{}
		depth := 1 + r.IntN(8)
		for range r.IntN(40) {
			s := Sample{Values: []int64{int64(r.IntN(5) - 1)}}
			for range r.IntN(10) {
				s.Stack = append(s.Stack, &stack.Frame{Function: fmt.Sprintf("f%d", r.IntN(3)), Line: r.IntN(2)})
			}
			p.Samples = append(p.Samples, s)
			if s.Values[0] <= 0 {
				continue
			}
			key := ""
			values[key] += s.Values[0]
			for i := len(s.Stack) - 1; i >= max(0, len(s.Stack)-depth); i-- {
				key += " " + s.Stack[i].Function
				values[key] += s.Values[0]
			}
		}
		for k := range values {
			for at := k; ; {
				sizes[at]++
				marked[at] = marked[at] || strings.HasSuffix(k, "f2")
				if at == "" {
					break
				}
				at = at[:strings.LastIndexByte(at, ' ')]
			}
		}
		c := p.CallsOf(0, depth)
		gotValues, gotSizes, gotMarked := map[string]int64{}, map[string]int64{}, map[string]bool{}
		var visit func(at Call, key string)
		visit = func(at Call, key string) {
			if _, again := gotValues[key]; again {
				t.Fatalf("round %d: two calls are%s", round, key)
			}
			gotValues[key], gotSizes[key] = c.Value(at), c.Size(at)
			gotMarked[key] = c.Holds(at, func(f int32) bool { return c.Functions[f] == "f2" })
			for next := range c.Callees(at) {
				visit(next, key+" "+c.Functions[c.Function(next)])
			}
		}
		visit(c.Root(), "")
		if d := cmp.Diff(values, gotValues) + cmp.Diff(sizes, gotSizes) + cmp.Diff(marked, gotMarked); d != "" || !maps.Equal(values, gotValues) {
			t.Fatalf("round %d, depth %d:\n%s", round, depth, d)
		}
	}
}
