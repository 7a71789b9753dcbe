package analyze

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// finding is a Finding with what the engine knows of it besides.
type finding struct {
	claim.Finding
	by      *claim.Detector
	plain   bool         // it accuses nobody
	leads   []claim.Fact // the first of each kind of evidence
	library string       // function of a library that the evidence names, reached from the site; empty where that is the program's own
	build   string       // of the exhibits it stands on
	order   int          // of its detector
}

// finding turns a group into a finding: what it claims, what every kind of
// evidence says to it, and how sure that makes it.
func (j *judgement) finding(g *grouped, reads []read, p *part) finding {
	lead := g.candidates[0]
	f := finding{by: j.detector, build: p.build, Finding: claim.Finding{
		Detector: j.detector.ID,
		Title:    j.detector.Title,
		Severity: g.severity(),
		Next:     j.detector.Fix,
		Sketch:   j.detector.Sketch,
	}}
	for _, c := range g.candidates {
		if lead.Severity == claim.NoSeverity && c.Severity > claim.NoSeverity {
			lead = c
		}
	}
	f.plain = !slices.ContainsFunc(g.candidates, func(c claim.Candidate) bool { return c.Severity > claim.NoSeverity && !c.Plain })
	f.Variant, f.Summary, f.Site = lead.Variant, lead.Summary, claim.Site(lead.Site)
	fix := lead.Fix
	for _, c := range g.candidates {
		f.Variant = cmp.Or(f.Variant, c.Variant)
		if fix == nil {
			fix = c.Fix
		}
	}
	if fix != nil {
		f.Next, f.Sketch = fix, ""
	}
	for _, c := range g.candidates { // what speaks for the whole process is placed by whoever names a place
		if f.Site.Function == "" {
			f.Site = claim.Site(c.Site)
		}
	}
	if j.detector.Process {
		f.Site = claim.Site{}
	}
	measured := f.Site.Function
	if !j.detector.Process {
		f.place(append([]claim.Candidate{lead}, g.candidates...), p)
	}
	for _, c := range g.candidates {
		f.addSite(claim.Site(c.Site))
		for _, s := range c.Sites {
			f.addSite(claim.Site(s))
		}
		f.Share = max(f.Share, c.Share)
		f.leads = append(f.leads, c.Facts[0])
		for _, fact := range c.Facts {
			// pprof finds no function where there is nothing.
			if fact.Value.Number == 0 && fact.Reproduce.Runs("go", "tool", "pprof") {
				fact.Reproduce = claim.Command{}
			}
			f.Evidence = append(f.Evidence, fact)
		}
		if f.Graph == nil {
			f.Graph = c.Graph
		}
		said := c.Caveats
		if f.Severity <= claim.Info {
			said = slices.Concat(said, c.Excuses)
		}
		for _, caveat := range said {
			if !slices.Contains(f.Caveats, caveat) {
				f.Caveats = append(f.Caveats, caveat)
			}
		}
	}
	solid := map[string]bool{} // families of kinds that agree on good evidence
	agree, disagree := map[string]bool{}, 0
	for _, r := range reads {
		c := claim.Check{Kind: r.kind}
		i := slices.Index(g.kinds, r.kind)
		switch {
		case !r.present:
			c.Result, c.Why = claim.Absent, "not in this case"
		case r.failed != "":
			c.Result, c.Why = claim.Silent, claim.Textf("could not be measured: %s", r.failed)
		case i >= 0:
			fact := g.candidates[i].Facts[0]
			c.Result, c.Value, c.Why = claim.Agrees, &fact.Value, fact.Says
			agree[family(r.kind)] = true
			if !g.candidates[i].Thin && !partial(p.of[r.kind], g.candidates[i].Facts) {
				solid[family(r.kind)] = true
			}
		case r.Reading.Silent != "":
			c.Result, c.Why = claim.Silent, r.Reading.Silent
		// It accuses another place of the same: which of them is meant it does not say.
		case lead.Whole != "" && slices.ContainsFunc(r.Candidates, func(c claim.Candidate) bool { return c.Severity > claim.NoSeverity && c.Whole == lead.Whole }):
			c.Result, c.Why = claim.Silent, "it names another place: "+cmp.Or(r.Says, "shows nothing of it at this site")
		case narrowed(p.of[r.kind]) != "":
			c.Result, c.Why = claim.Silent, narrowed(p.of[r.kind])
		default:
			c.Result, c.Why = claim.Disagrees, cmp.Or(r.Says, "shows nothing of it at this site")
			disagree++
		}
		f.Checks = append(f.Checks, c)
	}
	if against := outweighed(g, f.Checks); f.Severity > claim.Info && against != "" {
		f.Severity = claim.Info
		f.Caveats = append(f.Caveats, claim.Textf("what accuses is thin, and the %s, which covers the program at work, does not show it: it is past, or a start", against))
	}
	f.Confidence = confidence(len(solid), len(agree), disagree)
	f.Fingerprint = claim.Fingerprint(f.Detector, measured)
	return f
}

// place makes the site one that a change can touch: where the evidence names a function of a
// library, the program's own code that reached it comes first and the library's after it.
func (f *finding) place(candidates []claim.Candidate, p *part) {
	measured := f.Site
	for _, c := range candidates {
		if len(c.Path) == 0 || c.Path[0] != measured.Function {
			continue
		}
		own := p.owner(c.Path)
		if own.Function == "" {
			continue
		}
		// The line from which it was reached, where a candidate has it.
		for _, c := range candidates {
			for _, s := range c.Sites {
				if s.Function == own.Function && s.Line > 0 {
					own = s
				}
			}
		}
		f.Site, f.library = claim.Site(own), measured.Function
		break
	}
	f.addSite(f.Site)
	f.addSite(measured)
}

// outweighed names the kind of evidence that contradicts a finding of which only thin evidence accuses that counts
// over a time: since the start, or between two states. What was seen at a moment nothing that was recorded at another outweighs.
func outweighed(g *grouped, checks []claim.Check) claim.Text {
	for i, c := range g.candidates {
		if c.Severity > claim.NoSeverity && (!c.Thin || family(g.kinds[i]) == string(evidence.Dump)) {
			return ""
		}
	}
	for _, c := range checks {
		if c.Result == claim.Disagrees && (c.Kind == evidence.Trace || c.Kind == evidence.GCTrace) {
			return c.Kind.Name()
		}
	}
	return ""
}

// confidence is the one place where it is decided; docs/evidence.md explains it.
func confidence(solid, agree, disagree int) claim.Confidence {
	switch {
	case disagree > 0 && agree < 2*disagree:
		return claim.Low
	case solid >= 2 && disagree == 0:
		return claim.High
	case solid >= 1 || agree >= 2:
		return claim.Medium
	}
	return claim.Low
}

// family folds kinds that are made from the same observation: a goroutine
// profile and a dump both list the stacks of one moment, and a crash prints them.
func family(k evidence.Kind) string {
	if k == evidence.Goroutine || k == evidence.Crash {
		k = evidence.Dump
	}
	return string(k)
}

// narrowed says why exhibits of a kind deny nothing, if one of them does not.
func narrowed(exhibits []*evidence.Exhibit) claim.Text {
	for _, e := range exhibits {
		if e.Apart != "" {
			return e.Apart
		}
	}
	return ""
}

// partial reports whether every exhibit the facts rest on was read only in part.
func partial(exhibits []*evidence.Exhibit, facts []claim.Fact) bool {
	for _, e := range exhibits {
		for _, f := range facts {
			if f.Exhibit == e.ID && e.Coverage == evidence.Whole {
				return false
			}
		}
	}
	return true
}

func (f *finding) addSite(s claim.Site) {
	if s.Function == "" && len(f.Sites) > 0 {
		return
	}
	if !slices.ContainsFunc(f.Sites, func(o claim.Site) bool { return o.Function == s.Function }) {
		f.Sites = append(f.Sites, s)
	}
}
