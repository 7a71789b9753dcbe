package figure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// TestFlameGrows proves on random profiles that a call tree adds up: what is drawn and
// what is left out are all there is, callees never have more than their caller, and a culprit is seen however small.
func TestFlameGrows(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := &pprofile.Profile{Columns: []pprofile.Column{{Name: "cpu", Unit: "nanoseconds"}}}
		calls, whole := map[string]bool{}, int64(0)
		for range 1 + rng.IntN(800) {
			var s stack.Stack
			for range 1 + rng.IntN(12) {
				s = append(s, &stack.Frame{Function: fmt.Sprintf("p.f%d", rng.IntN(6))})
			}
			v := int64(rng.ExpFloat64() * 1000)
			p.Samples = append(p.Samples, pprofile.Sample{Stack: s, Values: []int64{v}})
			whole += v
			path := ""
			for i := len(s) - 1; i >= 0 && v > 0; i-- {
				path += "/" + s[i].Function
				calls[path] = true
			}
		}
		p.Samples = append(p.Samples, pprofile.Sample{Stack: stack.Stack{{Function: "p.(*T).Rare.func1"}, {Function: "p.f0"}}, Values: []int64{1}})
		calls["/p.f0"], calls["/p.f0/p.(*T).Rare.func1"] = true, true
		whole++
		var f Flame
		f.grow(p, 0, map[string]bool{"p.(*T).Rare": true})
		if f.Total != evidence.Of(whole, evidence.Nanoseconds) || f.Nodes[0].Value != float64(whole) {
			t.Fatalf("seed %d: %v in all and %v at the root, want %d", seed, f.Total, f.Nodes[0].Value, whole)
		}
		if got := len(f.Nodes) - 1 + f.LeftOut.Calls; got != len(calls) || len(f.Nodes) > MaxFlameNodes {
			t.Errorf("seed %d: %d drawn and %d left out, want %d together and at most %d drawn", seed, len(f.Nodes)-1, f.LeftOut.Calls, len(calls), MaxFlameNodes)
		}
		below := make([]float64, len(f.Nodes))
		culprit := false
		for i, n := range f.Nodes {
			if i > 0 && n.Parent >= i {
				t.Fatalf("seed %d: a call before its caller", seed)
			}
			if i > 0 {
				below[n.Parent] += n.Value
			}
			culprit = culprit || n.Culprit
		}
		for i, sum := range below {
			if sum > f.Nodes[i].Value+0.5 {
				t.Errorf("seed %d: callees of %s have %v, it has %v", seed, f.Nodes[i].Function, sum, f.Nodes[i].Value)
			}
		}
		if !culprit {
			t.Errorf("seed %d: the culprit is not drawn", seed)
		}
	}
}

// TestSnapshots holds growth curves to their exhibits, with a clock and without.
func TestSnapshots(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	heap := func(id string, when time.Time, a, b int64) *evidence.Exhibit {
		row := func(f string, v int64) pprofile.Sample {
			return pprofile.Sample{Stack: stack.Stack{{Function: f, File: "f.go", Line: 1}}, Values: []int64{v}}
		}
		return &evidence.Exhibit{ID: id, Kind: evidence.Heap, Coverage: evidence.Whole, CapturedAt: when, Content: &pprofile.Profile{
			Columns: []pprofile.Column{{Name: "inuse_space", Unit: "bytes"}}, Samples: []pprofile.Sample{row("p.A", a), row("p.B", b), row("p.Tiny", 1)}}}
	}
	waiting := func(id string, n int) *evidence.Exhibit {
		d := &dump.Dump{Origin: "SIGQUIT"}
		for range n {
			d.Goroutines = append(d.Goroutines, dump.Goroutine{Frames: []dump.Frame{{Frame: stack.Frame{Function: "p.Wait"}}}})
		}
		return &evidence.Exhibit{ID: id, Kind: evidence.Dump, Coverage: evidence.Whole, Content: d}
	}
	b := &evidence.Bundle{Exhibits: []*evidence.Exhibit{heap("e1", at, 1000, 500), heap("e2", at.Add(time.Minute), 3000, 400), waiting("e3", 2), waiting("e4", 7)}}
	named := []*claim.Finding{{Site: claim.Site{Function: "p.B"}, Evidence: []claim.Fact{{Exhibit: "e2"}}}}
	var got []string
	for _, c := range curves(b, named) {
		for _, l := range c.Lines {
			got = append(got, fmt.Sprint(c.Exhibits, c.Unit, c.Ordinal, l.Name, l.Site.Function, l.At, l.Values))
		}
	}
	want := []string{
		"[e1 e2] bytes falsein all [0 60000000000] [1501 3401]",
		"[e1 e2] bytes falsep.B [0 60000000000] [500 400]", // what a finding names comes first
		"[e1 e2] bytes falsep.A [0 60000000000] [1000 3000]",
		"[e3 e4] count truein all [0 1] [2 7]",
		"[e3 e4] count truep.Wait [0 1] [2 7]",
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " ", "")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
