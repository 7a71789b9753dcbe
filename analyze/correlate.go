package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/prose"
)

// correlate joins findings into chains. It is pure, and the order of the
// findings does not matter: links depend on pairs alone, and each finding that
// several others could explain joins the one that explains it best.
func correlate(b *evidence.Bundle, findings []finding) []claim.Chain {
	c := correlation{bundle: b}
	sorted := slices.Clone(findings)
	slices.SortFunc(sorted, worseFirst)
	for i := range sorted {
		c.findings = append(c.findings, &sorted[i])
	}
	c.woken = wokenSites(b)
	c.link()
	return c.chains()
}

type correlation struct {
	bundle   *evidence.Bundle
	findings []*finding         // worst first
	woken    map[[2]string]wake // site functions -> what the traces show
	links    []link
}

// link is a Link with what it says of the mechanism alone.
type link struct {
	claim.Link
	why   claim.Text // the mechanism's
	loose bool       // no site ties the two: the effect or the cause is one of the whole process
}

// wake is a wake-up edge between two functions, summed over the traces.
type wake struct {
	count   int64
	exhibit string
}

func wokenSites(b *evidence.Bundle) map[[2]string]wake {
	woken := map[[2]string]wake{}
	for _, e := range b.Of(evidence.Trace) {
		for _, w := range e.Trace().Wakes {
			key := [2]string{w.From.Function, w.To.Function}
			seen := woken[key]
			woken[key] = wake{seen.count + w.Count, cmp.Or(seen.exhibit, e.ID)}
		}
	}
	return woken
}

// link finds every link between two findings of one build, then lets go of
// those that would join unrelated chains through an effect on the whole process.
func (c *correlation) link() {
	for _, a := range c.findings {
		for _, b := range c.findings {
			// A plain fact is there whatever is wrong: that it names the same place joins nothing.
			if a == b || a.build != b.build || a.plain || b.plain {
				continue
			}
			c.links = append(c.links, c.between(a, b)...)
		}
	}
	// An effect on the whole process could be tied to every chain. It goes with
	// the worst finding that explains it; the findings are in that order.
	for _, b := range c.findings {
		if !b.by.Process {
			continue
		}
		keep := c.bestExplainer(b)
		c.links = slices.DeleteFunc(c.links, func(l link) bool {
			return l.To == b.ID && l.Relation == claim.Explains && keep != "" && !c.together(l.From, keep, b.ID)
		})
	}
}

// bestExplainer returns the finding that explains b and is itself least explained.
func (c *correlation) bestExplainer(b *finding) string {
	for _, a := range c.findings {
		for _, l := range c.links {
			if l.From == a.ID && l.To == b.ID && l.Relation == claim.Explains {
				return a.ID
			}
		}
	}
	return ""
}

// together reports whether two findings are joined without passing through a third.
func (c *correlation) together(a, b, without string) bool {
	return slices.Contains(c.component(a, without), b)
}

// component returns the ids of all findings joined to id, in the findings' order.
func (c *correlation) component(id, without string) []string {
	in := map[string]bool{id: true}
	for grown := true; grown; {
		grown = false
		for _, l := range c.links {
			if l.From != without && l.To != without && in[l.From] != in[l.To] {
				in[l.From], in[l.To], grown = true, true, true
			}
		}
	}
	var ids []string
	for _, f := range c.findings {
		if in[f.ID] {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// between returns the links from a to b, strongest first.
func (c *correlation) between(a, b *finding) []link {
	var links []link
	add := func(relation string, why claim.Text) *link {
		links = append(links, link{Link: claim.Link{From: a.ID, To: b.ID, Relation: relation, Why: why}})
		return &links[len(links)-1]
	}
	m := c.mechanism(a, b)
	mechanical := m != nil
	shared := sharedSite(a, b)
	woken, from, to := c.wakes(a, b)
	overlap, overlaps := c.sharedTime(a, b)
	if mechanical && b.by.Waiting && woken.count > 0 {
		add(claim.Wakes, claim.Textf("the trace %s shows %s waking goroutines that waited in %s %s",
			claim.ID(woken.exhibit), claim.Func(from), claim.Func(to), evidence.Things(woken.count, "time")))
	}
	// A shared site has no direction: say it once, from the worse finding.
	if shared != "" && c.index(a) < c.index(b) {
		add(claim.SameSite, "both name "+claim.Func(shared).Text())
	}
	if mechanical && overlaps {
		add(claim.Overlaps, "both were seen "+overlap)
	}
	small := tooSmall(a, b)
	if mechanical && small != "" && (shared != "" || overlaps || a.by.Process || b.by.Process) {
		add(claim.AddsTo, m.Why+", but "+small)
	} else if mechanical {
		switch {
		case b.by.Waiting && woken.count > 0 || shared != "" || overlaps:
			add(claim.Explains, m.Why).why = m.Why
		case b.by.Process:
			l := add(claim.Explains, m.Why+" (an effect on the whole process; no site ties the two)")
			l.why, l.loose = m.Why, true
		case a.by.Process:
			l := add(claim.Explains, m.Why+" (a cause in the whole process; no site ties the two)")
			l.why, l.loose = m.Why, true
		}
	}
	return links
}

func (c *correlation) index(f *finding) int { return slices.Index(c.findings, f) }

func (c *correlation) mechanism(a, b *finding) *claim.Mechanism {
	// What is in doubt explains nothing that is worse, and what is mild besides
	// nothing that is surer.
	if a.Confidence == claim.Low && (a.Severity < b.Severity || a.Severity == claim.Info && b.Confidence != claim.Low) {
		return nil
	}
	for i := range a.by.Explains {
		if m := &a.by.Explains[i]; m.Leads(a.Variant, b.Detector, b.Variant) {
			return m
		}
	}
	return nil
}

func (c *correlation) wakes(a, b *finding) (w wake, from, to string) {
	for _, s := range a.Sites {
		for _, t := range b.Sites {
			if w := c.woken[[2]string{s.Function, t.Function}]; w.count > 0 && s.Function != "" && t.Function != "" {
				return w, s.Function, t.Function
			}
		}
	}
	return wake{}, "", ""
}

// sharedSite returns a function that both findings name; entry points, where
// everything meets, do not count.
func sharedSite(a, b *finding) string {
	for _, s := range a.Sites {
		for _, t := range b.Sites {
			if s.Function == t.Function && s.Function != "" && s.Function != "main.main" && !everywhere[s.Function] {
				return s.Function
			}
		}
	}
	return ""
}

// everywhere lists standard frames that most goroutines of a server stand on.
var everywhere = map[string]bool{
	"net/http.(*conn).serve":         true,
	"net/http.(*conn).readRequest":   true,
	"net/http.HandlerFunc.ServeHTTP": true,
	"net/http.(*Server).Serve":       true,
}

// tooSmall says that what a finding takes is too small a part to explain another, where both
// lead with their part of one whole; empty where it is not, or nothing compares them.
func tooSmall(cause, effect *finding) claim.Text {
	for _, f := range cause.leads {
		for _, g := range effect.leads {
			if f.Of != nil && g.Of != nil && f.Exhibit == g.Exhibit && f.Of.What == g.Of.What && f.Value.Unit == evidence.Share && g.Value.Unit == evidence.Share && f.Value.Number < minCause*g.Value.Number {
				return claim.Textf("%s of %s does not explain %s of it", f.Value, f.Of.What, g.Value)
			}
		}
	}
	return ""
}

// minCause is the part of an effect that its cause must be: what is less than half of it leaves most of it unexplained.
const minCause = 0.5

// sharedTime reports whether two findings rest on stretches of one trace that overlap. That both last
// as long as the trace ties nothing to anything.
func (c *correlation) sharedTime(a, b *finding) (claim.Text, bool) {
	for _, f := range a.Evidence {
		for _, g := range b.Evidence {
			if f.Exhibit != g.Exhibit || f.At.To == 0 || g.At.To == 0 || c.throughout(f) && c.throughout(g) {
				continue
			}
			from, to := max(f.At.From, g.At.From), min(f.At.To, g.At.To)
			if from < to {
				return claim.Textf("within the same %s of %s, from %v on", evidence.Of(to-from, evidence.Nanoseconds), claim.ID(f.Exhibit),
					time.Duration(from).Round(time.Microsecond)), true
			}
		}
	}
	return "", false
}

// throughout reports whether a fact is of nearly all of the time that its exhibit covers.
func (c *correlation) throughout(f claim.Fact) bool {
	i := slices.IndexFunc(c.bundle.Exhibits, func(e *evidence.Exhibit) bool { return e.ID == f.Exhibit })
	return i >= 0 && c.bundle.Exhibits[i].Duration > 0 && float64(f.At.To-f.At.From) >= nearlyAll*float64(c.bundle.Exhibits[i].Duration)
}

// nearlyAll is the part of a recording from which a stretch says nothing of when.
const nearlyAll = 0.9

func (c *correlation) chains() []claim.Chain {
	var chains []claim.Chain
	share := map[string]float64{}
	done := map[string]bool{}
	byID := map[string]*finding{}
	for _, f := range c.findings {
		byID[f.ID] = f
	}
	for _, f := range c.findings {
		if done[f.ID] {
			continue
		}
		ids := c.component(f.ID, "")
		var links []link
		for _, l := range c.links {
			if slices.Contains(ids, l.From) {
				links = append(links, l)
			}
		}
		root := c.root(ids, links)
		ordered := []*finding{root}
		for _, id := range ids {
			done[id] = true
			if id != root.ID {
				ordered = append(ordered, byID[id])
			}
		}
		ch := claim.Chain{Root: root.ID, Confidence: root.Confidence}
		for _, l := range links {
			ch.Links = append(ch.Links, l.Link)
		}
		for _, f := range ordered {
			ch.Findings = append(ch.Findings, f.ID)
			ch.Severity = max(ch.Severity, f.Severity)
			share[root.ID] = max(share[root.ID], f.Share)
		}
		ch.Title = root.Title
		if root.Site.Function != "" {
			ch.Title += claim.Textf(": %s", claim.Func(root.Site.Function))
			if root.library != "" {
				ch.Title += claim.Textf(" (in %s)", claim.Func(root.library))
			}
		}
		ch.Missing = missing(ordered)
		ch.Narrative = c.narrate(ordered, links)
		chains = append(chains, ch)
	}
	slices.SortStableFunc(chains, func(a, b claim.Chain) int {
		return cmp.Or(
			-cmp.Compare(a.Severity, b.Severity),
			plainLast(byID[a.Root].plain, byID[b.Root].plain),
			-cmp.Compare(rank(a.Confidence), rank(b.Confidence)),
			-cmp.Compare(share[a.Root], share[b.Root]),
			worseFirst(*byID[a.Root], *byID[b.Root]),
		)
	})
	for i := range chains {
		chains[i].ID, chains[i].Rank = fmt.Sprintf("c%d", i+1), i+1
	}
	return chains
}

// root returns the finding that nothing else in the chain explains. Of several, one at warning or above,
// then the one that explains most, then the worst.
func (c *correlation) root(ids []string, links []link) *finding {
	explained := map[string]bool{}
	explains := map[string][]string{}
	for _, l := range links {
		if l.Relation == claim.Explains {
			explained[l.To] = true
			explains[l.From] = append(explains[l.From], l.To)
		}
	}
	reach := func(id string) int {
		seen := map[string]bool{id: true}
		for queue := []string{id}; len(queue) > 0; queue = queue[1:] {
			for _, to := range explains[queue[0]] {
				if !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
		return len(seen)
	}
	var best *finding
	bestReach := -1
	for _, f := range c.findings {
		if !slices.Contains(ids, f.ID) || explained[f.ID] {
			continue
		}
		// What is only worth a line does not lead where something worse is unexplained.
		r := reach(f.ID)
		if f.Severity >= claim.Warning {
			r += len(c.findings)
		}
		if r > bestReach {
			best, bestReach = f, r
		}
	}
	if best == nil { // a circle of explanations: the worst finding leads
		for _, f := range c.findings {
			if slices.Contains(ids, f.ID) {
				return f
			}
		}
	}
	return best
}

// narrate writes the chain as paragraphs: what happened; what shows it and what
// speaks against it; what came of it; what would settle more and what to change.
// Every number in them comes from a fact of a finding, and its exhibit stands with it.
func (c *correlation) narrate(findings []*finding, links []link) []claim.Text {
	root := findings[0]
	said := []claim.Text{claim.Sentence(cited(root))}
	proof := []claim.Text{agreement(root), c.sameGoroutines(root), against(findings)}
	said = append(said, paragraph(proof), paragraph(consequences(findings, links)), paragraph(outlook(root)))
	return slices.DeleteFunc(said, func(t claim.Text) bool { return t == "" })
}

func paragraph(sentences []claim.Text) claim.Text {
	return claim.Join(slices.DeleteFunc(sentences, func(t claim.Text) bool { return t == "" }), " ")
}

// cited is the summary of a finding with the exhibits that its numbers stand in.
func cited(f *finding) claim.Text {
	var exhibits []claim.ID
	for _, fact := range f.Evidence {
		if f.Summary.Holds(prose.Number, fact.Value.String()) && !slices.Contains(exhibits, claim.ID(fact.Exhibit)) {
			exhibits = append(exhibits, claim.ID(fact.Exhibit))
		}
	}
	if len(exhibits) == 0 && len(f.Evidence) > 0 {
		exhibits = append(exhibits, claim.ID(f.Evidence[0].Exhibit))
	}
	if len(exhibits) == 0 {
		return f.Summary
	}
	return claim.Textf("%s (%s)", claim.Clause(f.Summary), claim.Join(exhibits, ", "))
}

// consequences tells what the root brought about, each step once, by the mechanism that leads to it,
// and how sure that is: seen as wake-ups, tied by a site or time, or by the mechanism alone.
func consequences(findings []*finding, links []link) (said []claim.Text) {
	told := map[string]bool{findings[0].ID: true}
	seen, unseen, loose := false, false, 0
	for grown := true; grown; {
		grown = false
		for _, f := range findings {
			i := slices.IndexFunc(links, func(l link) bool { return l.To == f.ID && told[l.From] && l.Relation == claim.Explains })
			if told[f.ID] || i < 0 {
				continue
			}
			if links[i].loose {
				loose++
			}
			said = append(said, claim.Sentence(links[i].why+": "+claim.LowerFirst(cited(f))))
			from := slices.IndexFunc(findings, func(o *finding) bool { return o.ID == links[i].From })
			if f.by.Waiting && from >= 0 && findings[from].by.Wakes {
				woken := slices.IndexFunc(links, func(l link) bool { return l.To == f.ID && l.From == links[i].From && l.Relation == claim.Wakes })
				if woken >= 0 && !seen {
					said = append(said, claim.Sentence("This is seen, not only inferred: "+links[woken].Why))
				}
				seen, unseen = seen || woken >= 0, unseen || woken < 0
			}
			told[f.ID], grown = true, true
		}
	}
	if unseen && !seen {
		said = append(said, "That the one made the others wait is inferred: no wake-up in a trace shows it.")
	}
	switch {
	case loose == 1:
		said = append(said, "One of these steps concerns the whole process: a known mechanism ties it to the rest, not a place in the code.")
	case loose > 1:
		said = append(said, claim.Textf("%d of these steps concern the whole process: known mechanisms tie them to the rest, not a place in the code.", loose))
	}
	for _, f := range findings {
		if !told[f.ID] {
			said = append(said, claim.Sentence("Seen with it: "+claim.LowerFirst(cited(f))))
		}
	}
	return said
}

// against says which kinds of evidence contradict a finding of the chain, and
// which of those at hand cannot say about its root.
func against(findings []*finding) claim.Text {
	var said []claim.Text
	for _, f := range findings {
		for _, c := range f.Checks {
			if c.Result == claim.Disagrees {
				said = append(said, claim.Sentence(claim.Textf("Against %s speaks the %s: %s", f.by, c.Kind.Name(), c.Why)))
			}
		}
	}
	if len(said) > 0 {
		return claim.Join(said, " ")
	}
	var mute []claim.Text
	for _, c := range findings[0].Checks {
		if c.Result == claim.Silent {
			mute = append(mute, "the "+c.Kind.Name())
		}
	}
	if len(mute) > 0 {
		return claim.Sentence(claim.Textf("No evidence here contradicts it; %s cannot say", claim.List(mute)))
	}
	return "No evidence here contradicts it."
}

// outlook says what would settle whether the root is right, unless that is sure,
// and what to change.
func outlook(root *finding) (said []claim.Text) {
	if root.Confidence != claim.High {
		var kinds []claim.Text
		for _, c := range root.Checks {
			if c.Result == claim.Absent && settles(root, c.Kind) {
				kinds = append(kinds, c.Kind.Phrase())
			}
		}
		if len(kinds) > 0 {
			said = append(said, claim.Sentence("What would settle it is "+claim.Join(kinds, " or ")))
		}
	}
	if len(root.Next) > 0 {
		said = append(said, claim.Sentence("To change first: "+claim.LowerFirst(root.Next[0])))
	}
	return said
}

// agreement quotes what every kind that vouches for a finding measured, and where.
func agreement(f *finding) claim.Text {
	var kinds []claim.Text
	for _, c := range f.Checks {
		if c.Result == claim.Agrees && c.Value != nil {
			where := claim.Text("")
			if i := slices.IndexFunc(f.Evidence, func(fact claim.Fact) bool { return fact.Value == *c.Value && fact.Says == c.Why }); i >= 0 {
				where = ", " + claim.ID(f.Evidence[i].Exhibit).Text()
			}
			kinds = append(kinds, claim.Textf("the %s shows %s (%s%s)", c.Kind.Name(), *c.Value, c.Why, where))
		}
	}
	if len(kinds) < 2 {
		return claim.Sentence(claim.Textf("Only %s; confidence is %s", claim.List(kinds), f.Confidence))
	}
	return claim.Sentence(claim.Textf("%d kinds of evidence agree: %s; confidence is %s", len(kinds), claim.Join(kinds, ", "), f.Confidence))
}

// sameGoroutines says which goroutines stand at a finding's site both in a dump
// and in a trace. The number of a goroutine in a dump is its id in a trace
// (runtime/traceback.go, goroutineheader).
func (c *correlation) sameGoroutines(f *finding) claim.Text {
	at := map[string]bool{}
	for _, s := range f.Sites {
		if s.Function != "" && !everywhere[s.Function] && s.Function != "main.main" {
			at[s.Function] = true
		}
	}
	passes := func(path []string) bool {
		return slices.ContainsFunc(path, func(name string) bool { return at[name] })
	}
	inTrace := map[int64]bool{}
	for _, e := range c.bundle.Of(evidence.Trace) {
		for _, w := range e.Trace().Waits {
			if passes(w.Stack.Path()) {
				for _, span := range w.Worst {
					inTrace[span.Goroutine] = true
				}
			}
		}
		for _, w := range e.Trace().Open {
			if passes(w.Stack.Path()) {
				inTrace[w.Goroutine] = true
			}
		}
	}
	var both []int64
	if len(inTrace) == 0 {
		return ""
	}
	for _, e := range c.bundle.Of(evidence.Dump) {
		for i := range e.Dump().Goroutines {
			g := &e.Dump().Goroutines[i]
			if inTrace[g.ID] && !slices.Contains(both, g.ID) && passes(g.Stack().Path()) {
				both = append(both, g.ID)
			}
		}
	}
	if len(both) == 0 {
		return ""
	}
	slices.Sort(both)
	if len(both) == 1 {
		return claim.Sentence(claim.Textf("Goroutine %d is seen there in both the goroutine dump and the execution trace", both[0]))
	}
	return claim.Sentence(claim.Textf("At least %s goroutines are seen there by number in both the goroutine dump and the execution trace, for example goroutine %d", evidence.Of(len(both), evidence.Count), both[0]))
}

// settles reports whether a kind of evidence is worth recording to be surer of a
// finding: what tracers count only vouches, at a cost, and some kinds show one variant of a claim alone.
func settles(f *finding, k evidence.Kind) bool {
	return k != evidence.Folded && slices.ContainsFunc(f.by.Measures, func(m claim.Measure) bool { return m.Kind == k && (m.Only == "" || m.Only == f.Variant) })
}

// missing lists the absent kinds that the chain's detectors could use, each once.
func missing(findings []*finding) []claim.Missing {
	var out []claim.Missing
	for _, f := range findings {
		for _, c := range f.Checks {
			seen := slices.ContainsFunc(out, func(m claim.Missing) bool { return m.Kind == c.Kind })
			if c.Result == claim.Absent && settles(f, c.Kind) && !seen {
				how, cost := c.Kind.Recording()
				out = append(out, claim.Missing{Kind: c.Kind, How: how, Cost: cost, Would: claim.Textf("would confirm or refute %s (%s)", f.by, claim.LowerFirst(f.Title))})
			}
		}
	}
	return out
}
