package html

import (
	"fmt"
	"html/template"
	"slices"

	"inquest/analyze/claim"
	"inquest/internal/figure"
	"inquest/report/internal/view"
)

// album is the pictures of a page, each where it bears on something.
type album struct {
	chains  map[*view.Chain]*chainPictures
	Rest    []picture // timelines that no chain rests on
	Grown   []picture // curves likewise
	Undrawn int       // pictures left out to keep the page small
	bytes   int
}

// chainPictures is what is drawn for a chain, in this order.
type chainPictures struct {
	Graphs []picture // who waits for whom
	Small  []picture // two in a row
	Wide   []picture // one below the other
	More   []picture // call trees that are folded away
}

// picture is a figure with its words.
type picture struct {
	Title    string
	Exhibits []string
	Path     string // of the exhibit, where it is one
	Words    string
	SVG      template.HTML
	Moments  []moment
	Legend   []legend
	Tree     bool // its colours are those of a call tree
}

// legend is one line of a curve, by the number of its colour.
type legend struct {
	Class, Name string
}

// maxPictures is how many bytes of pictures a page takes, so that it stays
// small enough to attach to a ticket.
const maxPictures = 600 << 10

// Bounds on what is drawn of a case.
const (
	maxMoments    = 10 // of a timeline
	maxChainTrees = 4
	openTrees     = 2
	maxTimelines  = 2 // of a chain
)

func (a *album) add(to *[]picture, p picture) {
	if p.SVG == "" {
		return
	}
	if a.bytes+len(p.SVG) > maxPictures {
		a.Undrawn++
		return
	}
	a.bytes += len(p.SVG)
	*to = append(*to, p)
}

// of returns what is drawn for a chain; nil for none.
func (p *page) of(c *view.Chain) *chainPictures {
	if all := p.chains[c]; all != nil && len(all.Graphs)+len(all.Small)+len(all.Wide) > 0 {
		return all
	}
	return nil
}

// draw draws what bears on the chains, and after it the rest.
func (p *page) draw() {
	p.chains = map[*view.Chain]*chainPictures{}
	// Each picture is drawn once, at the first chain that it bears on.
	timelines, curves := make([]bool, len(p.Timelines)), make([]bool, len(p.Curves))
	flames, locks := make([]bool, len(p.Flames)), make([]bool, len(p.LockMoments))
	for _, c := range view.First(figure.DrawnChains, p.Chains) {
		out := &chainPictures{}
		p.chains[c] = out
		rests, has := map[string]bool{}, map[string]bool{}
		for _, f := range c.Findings {
			has[f.ID] = true
			for _, id := range f.Exhibits() {
				rests[id] = true
			}
		}
		of := func(findings []string) bool {
			return slices.ContainsFunc(findings, func(id string) bool { return has[id] })
		}
		p.drawGraphs(c, out)
		p.drawLocks(c, rests, locks, out)
		drawn, trees := 0, 0
		for i := range p.Timelines {
			if t := &p.Timelines[i]; rests[t.Exhibit] && !timelines[i] && drawn < maxTimelines {
				timelines[i] = true
				drawn++
				p.add(&out.Wide, p.timeline(t))
			}
		}
		for i := range p.Curves {
			if c := &p.Curves[i]; !curves[i] && slices.ContainsFunc(c.Exhibits, func(id string) bool { return rests[id] }) {
				curves[i] = true
				p.add(&out.Small, p.curve(c))
			}
		}
		for i := range p.Distributions {
			if d := &p.Distributions[i]; of(d.Findings) {
				p.add(&out.Small, p.distribution(d))
			}
		}
		for i := range p.Flames {
			if f := &p.Flames[i]; !flames[i] && of(f.Findings) && trees < maxChainTrees {
				flames[i] = true
				to := &out.Wide
				if trees++; trees > openTrees {
					to = &out.More
				}
				p.add(to, p.tree(f))
			}
		}
	}
	for i := range p.Timelines {
		if !timelines[i] {
			p.add(&p.Rest, p.timeline(&p.Timelines[i]))
		}
	}
	for i := range p.Curves {
		if !curves[i] {
			p.add(&p.Grown, p.curve(&p.Curves[i]))
		}
	}
}

func (p *page) drawGraphs(c *view.Chain, out *chainPictures) {
	var seen []string
	for _, f := range c.Findings {
		if f.Graph == nil || len(f.Graph.Steps) == 0 {
			continue
		}
		words := view.GraphWords(f.Graph)
		if slices.Contains(seen, words) || len(seen) == 2 {
			continue
		}
		seen = append(seen, words)
		p.add(&out.Graphs, picture{Title: "Who waits for which lock, and who holds it", Exhibits: []string{f.Graph.Exhibit}, Path: p.Path(f.Graph.Exhibit),
			Words: words, SVG: template.HTML(drawGraph(f.Graph))})
	}
}

func (p *page) drawLocks(c *view.Chain, rests map[string]bool, drawn []bool, out *chainPictures) {
	for i := range p.LockMoments {
		m := &p.LockMoments[i]
		named := slices.ContainsFunc(c.Findings, func(f *view.Finding) bool {
			return slices.ContainsFunc(f.Sites, func(s claim.Site) bool { return s.Function == m.Site.Function })
		})
		if named && rests[m.Exhibit] && !drawn[i] {
			drawn[i] = true
			p.add(&out.Wide, picture{Title: "The lock of " + view.ShortFunction(view.Place(m.Site)) + " around the longest wait for it", Exhibits: []string{m.Exhibit}, Path: p.Path(m.Exhibit),
				Words: view.LockWords(m), SVG: template.HTML(drawLock(m))})
		}
	}
}

// timeline draws a trace with the moments that the findings point at.
func (p *page) timeline(t *figure.Timeline) picture {
	var moments []moment
	for _, c := range p.Chains {
		for _, f := range c.Findings {
			for i := range f.Facts {
				fact := &f.Facts[i]
				long := fact.At.To-fact.At.From > t.Duration/10*9 // most of the trace is no moment
				if fact.Exhibit != t.Exhibit || fact.At.To <= fact.At.From || fact.At.From < 0 || long {
					continue
				}
				n := slices.IndexFunc(moments, func(m moment) bool { return m.From == fact.At.From && m.To == fact.At.To })
				if n < 0 {
					if len(moments) == maxMoments {
						continue
					}
					n = len(moments)
					moments = append(moments, moment{Name: fmt.Sprint(n + 1), ID: fmt.Sprintf("%s-%d", view.Anchor("moment", t.Exhibit), n+1), From: fact.At.From, To: fact.At.To})
				}
				fact.Moment = moments[n].ID
				moments[n].Facts = append(moments[n].Facts, *fact)
			}
		}
	}
	path := p.Path(t.Exhibit)
	return picture{Title: "Timeline", Exhibits: []string{t.Exhibit}, Path: path, Words: view.TimelineWords(t), SVG: template.HTML(drawTimeline(t, path, moments)), Moments: moments}
}

func (p *page) distribution(d *figure.Distribution) picture {
	title := d.Title
	if d.Site.Function != "" {
		title += claim.Legacy(": " + view.ShortFunction(d.Site.Function))
	}
	return picture{Title: title.String(), Exhibits: []string{d.Exhibit}, Path: p.Path(d.Exhibit), Words: view.DistributionWords(d), SVG: template.HTML(drawDistribution(d))}
}

func (p *page) curve(c *figure.Curve) picture {
	out := picture{Title: claim.Capital(c.Title).String(), Exhibits: c.Exhibits, Words: view.CurveWords(c), SVG: template.HTML(drawCurve(c))}
	if len(c.Exhibits) == 1 {
		out.Path = p.Path(c.Exhibits[0])
	}
	for i, l := range c.Lines {
		out.Legend = append(out.Legend, legend{fmt.Sprintf("c%d", i+1), view.LineName(l)})
	}
	return out
}

func (p *page) tree(f *figure.Flame) picture {
	path := p.Path(f.Exhibit)
	return picture{Title: claim.Capital(f.Title).String(), Exhibits: []string{f.Exhibit}, Path: path, Words: view.FlameWords(f), SVG: template.HTML(drawTree(f, path)), Tree: true}
}

// Until is the moment's ends in words.
func (m moment) Until() string { return view.Offset(m.From) + " to " + view.Offset(m.To) }
