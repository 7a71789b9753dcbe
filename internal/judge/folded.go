package judge

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/folded"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// FoldedDoc is what every measure of stack counts is.
const FoldedDoc = "; a count has no cost and no time, so it vouches and never accuses or denies"

// What tracers count says little of the cost, so it only vouches.
const (
	// minTraced is how many counts make a share worth quoting: at 20 of them one of
	// a half has a standard error of 0.11.
	minTraced = 20
	// minOfTraced is the part of them from which a site is vouched for.
	minOfTraced = 0.1
)

// TracedKind is what stack counts can vouch for a claim with.
type TracedKind struct {
	Probes  []Probes                                 // calls that speak for it, those that say most first
	Inside  func(stack.Stack) bool                   // samples that speak for it
	Samples claim.Text                               // what such a sample is in
	Least   float64                                  // part of all samples from which they do
	Site    func(stack.Stack) (stack.Site, []string) // that both are charged to
}

// Probes are functions whose calls mean the same.
type Probes struct {
	Mean  claim.Text // as in "10 calls that ..."
	Names []string
}

// FoldedMeasure makes the measure of a kind.
func FoldedMeasure(k TracedKind) func(*claim.Input) claim.Reading {
	return WorstOf(func(_ *claim.Input, e *evidence.Exhibit) claim.Reading { return k.read(e) })
}

func (k TracedKind) read(e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	switch p.Columns[0].Name {
	case folded.Calls:
		for _, probes := range k.Probes {
			in := func(s stack.Stack) bool {
				return len(s) > 0 && slices.Contains(probes.Names, stack.Normal(s[0].Function))
			}
			if r, ok := k.sum(e, in, "calls that "+probes.Mean, 0); ok {
				return r
			}
		}
		return claim.Reading{Silent: claim.Textf("it counts calls of %s, which say nothing of it", probed(p))}
	case folded.Samples:
		if k.Inside == nil {
			break
		}
		if r, ok := k.sum(e, k.Inside, "samples "+k.Samples, k.Least); ok {
			return r
		}
		return claim.Reading{Silent: claim.Textf("few of its %s are %s", evidence.Things(p.Total(0), "sample"), k.Samples)}
	}
	return claim.Reading{Silent: "it does not tell what was counted"}
}

// sum adds up the counts that speak for the claim; ok is whether there are enough.
func (k TracedKind) sum(e *evidence.Exhibit, speaks func(stack.Stack) bool, what claim.Text, least float64) (r claim.Reading, ok bool) {
	p := e.Profile()
	own := &pprofile.Profile{Columns: p.Columns}
	for _, s := range p.Samples {
		// Above the function stand the kernel's frames of what it ran into.
		for len(s.Stack) > 0 && !strings.Contains(s.Stack[0].Function, ".") {
			s.Stack = s.Stack[1:]
		}
		if speaks(s.Stack) {
			own.Samples = append(own.Samples, s)
		}
	}
	total := own.Total(0)
	if total < minTraced || evidence.Part(total, p.Total(0)).Number < least {
		return claim.Reading{}, false
	}
	paths := map[string][]string{}
	sites := reading.BySite(own, 0, func(s *pprofile.Sample) stack.Site {
		site, path := k.Site(s.Stack)
		if paths[site.Function] == nil {
			paths[site.Function] = path
		}
		return site
	})
	for _, s := range sites[:min(len(sites), reading.MaxSites)] {
		share := evidence.Part(s.Values[0], total)
		// Of a place that has few of them, nothing follows.
		if share.Number < minOfTraced {
			break
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: paths[s.Site.Function], Thin: true, Share: share.Number,
			Summary: claim.Textf("%s of the %s come by way of %s", share, what, claim.Func(s.Site.Function)),
			Facts: []claim.Fact{{
				Exhibit: e.ID, Says: claim.Textf("%s, by way of the function", what), Value: share,
				Of: claim.PartOf(evidence.Of(total, evidence.Count), "all "+what),
				At: claim.At(s.Site), Reproduce: claim.Grep(e, asPrinted(s.Site.Function)),
			}},
		})
	}
	r.Silent = claim.Textf("it holds %s %s, and neither what they cost nor over what time", evidence.Of(total, evidence.Count), what)
	return r, true
}

// asPrinted is what of a normalised name stands in the text as it is.
func asPrinted(function string) claim.Text {
	name, _, _ := strings.Cut(function, "[")
	return claim.Func(name).Text()
}

// probed lists the functions whose calls were counted.
func probed(p *pprofile.Profile) claim.Text {
	var names []claim.Func
	for _, s := range p.Samples {
		if len(s.Stack) > 0 && !slices.Contains(names, claim.Func(s.Stack[0].Function)) {
			names = append(names, claim.Func(s.Stack[0].Function))
		}
	}
	slices.Sort(names)
	if len(names) > 2 {
		return claim.Join(names[:2], ", ") + ", others"
	}
	return claim.Join(names, ", ")
}

// OwnerOf charges a stack to the program's code that it stands in.
func OwnerOf(s stack.Stack) (stack.Site, []string) { return s.Owner(), s.Path() }
