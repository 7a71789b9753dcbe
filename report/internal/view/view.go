// Package view arranges documents for reading, and puts into words what several writers say. It knows no format.
package view

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
)

// Join is strings.Join without the empty parts.
func Join(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}

// unitAfterNumber is a space that a line should not break at.
var unitAfterNumber = regexp.MustCompile(`(\d) (%|ns|µs|us|ms|s|s/s|x|B|[KMGT]iB)([ .,;:)/]|$)`)

// KeepUnits ties numbers to their units with no-break spaces.
func KeepUnits(s string) string { return unitAfterNumber.ReplaceAllString(s, "$1\u00a0$2$3") }

// Capital is claim.Capital of words of ours.
func Capital(s string) string { return claim.Capital(claim.Legacy(s)).String() }

// Unmarked is texts as strings.
func Unmarked(all []claim.Text) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = t.String()
	}
	return out
}

func capitals(all []claim.Text) []string {
	var out []string
	for _, s := range all {
		out = append(out, claim.Capital(s).String())
	}
	return out
}

// Report is a report arranged for reading. Markdown, HTML and the terminal are all
// written from it, so that they say the same.
type Report struct {
	*report.Report
	Chains   []*Chain
	Headline string // the case in one sentence
	exhibits map[string]*report.Exhibit
}

// Exhibit returns the exhibit of an id, or nil.
func (v *Report) Exhibit(id string) *report.Exhibit { return v.exhibits[id] }

// Path names an exhibit for people.
func (v *Report) Path(id string) string {
	if e := v.exhibits[id]; e != nil {
		return e.Path
	}
	return id
}

// Chain is a chain with its findings looked up.
type Chain struct {
	claim.Chain
	Root     *Finding
	Findings []*Finding   // root first, in the order of Layers and Beside
	Layers   [][]*Finding // what the root explains, by the number of steps
	Beside   []*Finding   // what only shares a place or time with it
}

// Finding is a finding with its place in its chain.
type Finding struct {
	claim.Finding
	Role      string // what it is in its chain: "cause", "mechanism", "symptom" or "seen with it"
	Links     []Link // how it hangs together with findings named before it
	Agreement string // what the kinds of evidence say of it, side by side
	Together  string // Agreement without the values
	Facts     []Fact
	Code      []string // the lines of its sketch
}

// Link is why a finding belongs to a chain.
type Link struct {
	Relation string // as people say it
	Finding  string // title of the other end
	Why      string
}

// codeLines is a sketch line by line, each cleaned like all text.
func codeLines(sketch string) []string {
	const most = 100
	var out []string
	for line := range strings.Lines(sketch) {
		if len(out) == most {
			break
		}
		out = append(out, safe.Clean(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")))
	}
	return out
}

// repeats reports whether another link says the same, of whichever finding.
func (l Link) repeats(o Link) bool { return l.Relation == o.Relation && l.Why == o.Why }

// Fact is a fact with what it stands on looked up.
type Fact struct {
	claim.Fact
	Path string // of the exhibit
	Kind evidence.Kind
	Of   string // "95 % of 950 ms: all delay in the mutex profile"; may be empty
	Held string // "min-share 50 %"; may be empty
	Near string // where in the exhibit
	// Anchor is the fact's own id in a page, and Moment that of its mark in a timeline; may be empty.
	Anchor, Moment string
}

// New arranges a report. It leaves nothing in the view that must not be shown, and the report as it is.
func New(original *report.Report) *Report {
	r := safe.Copy(original)
	v := &Report{Report: r, exhibits: map[string]*report.Exhibit{}}
	for i := range r.Exhibits {
		v.exhibits[r.Exhibits[i].ID] = &r.Exhibits[i]
	}
	findings := map[string]*Finding{}
	for i := range r.Findings {
		f := &Finding{Finding: r.Findings[i]}
		f.Agreement, f.Together = agreement(f.Checks)
		f.Code = codeLines(original.Findings[i].Sketch)
		for n, fact := range f.Evidence {
			shown := v.fact(f, fact)
			shown.Anchor = fmt.Sprintf("%s-%d", Anchor("fact", f.ID), n+1)
			f.Facts = append(f.Facts, shown)
		}
		findings[f.ID] = f
	}
	for _, c := range r.Chains {
		if cv := newChain(c, findings); cv.Root != nil {
			v.Chains = append(v.Chains, cv)
		}
	}
	for i := range r.Quality {
		r.Quality[i].Says = claim.Capital(r.Quality[i].Says)
	}
	v.Headline = v.headline()
	return v
}

func newChain(c claim.Chain, findings map[string]*Finding) *Chain {
	out := &Chain{Chain: c, Root: findings[c.Root]}
	for _, id := range c.Findings {
		if f := findings[id]; f != nil {
			out.Findings = append(out.Findings, f)
		}
	}
	if out.Root == nil {
		return out
	}
	depth, explains := depths(c)
	out.Layers = make([][]*Finding, maxDepth+1)
	for _, f := range out.Findings {
		d, explained := depth[f.ID]
		switch {
		case !explained:
			f.Role = "seen with it"
			out.Beside = append(out.Beside, f)
			continue
		case f == out.Root:
			f.Role = "cause"
		case explains[f.ID]:
			f.Role = "mechanism"
		default:
			f.Role = "symptom"
		}
		out.Layers[d] = append(out.Layers[d], f)
	}
	out.Layers = slices.DeleteFunc(out.Layers, func(l []*Finding) bool { return len(l) == 0 })
	out.Findings = slices.Concat(slices.Concat(out.Layers...), out.Beside)
	for _, l := range c.Links {
		from, to := findings[l.From], findings[l.To]
		if from == nil || to == nil {
			continue
		}
		if slices.Index(out.Findings, to) < slices.Index(out.Findings, from) {
			from, to = to, from
		}
		if l.Relation == claim.SameSite && from.Site.Function == to.Site.Function {
			continue // both name the function already
		}
		if link := (Link{relation(l.Relation), from.Title.String(), l.Why.String()}); !slices.ContainsFunc(to.Links, link.repeats) {
			to.Links = append(to.Links, link)
		}
	}
	return out
}

// maxDepth bounds the steps a chain is drawn in.
const maxDepth = 8

// depths says how many documented mechanisms lead from the root to each finding
// it explains, and which findings explain others in turn.
func depths(c claim.Chain) (depth map[string]int, explains map[string]bool) {
	depth, explains = map[string]int{c.Root: 0}, map[string]bool{}
	for range maxDepth {
		for _, l := range c.Links {
			d, ok := depth[l.From]
			if ok && l.Relation == claim.Explains && l.To != c.Root && l.To != l.From {
				explains[l.From] = true
				depth[l.To] = max(depth[l.To], min(d+1, maxDepth))
			}
		}
	}
	return depth, explains
}

func (v *Report) fact(f *Finding, fact claim.Fact) Fact {
	out := Fact{Fact: fact}
	if e := v.exhibits[fact.Exhibit]; e != nil {
		out.Path, out.Kind = e.Path, e.Kind
		if e.Part != "" {
			out.Path += " (" + e.Part.String() + ")"
		}
	}
	if w := fact.Of; w != nil {
		out.Of = (claim.Legacy(w.Quantity.String()+", ") + w.What).String()
		if w.Unit == fact.Value.Unit && w.Number > 0 && w.Unit != evidence.Share {
			out.Of = evidence.Part(fact.Value.Number, w.Number).String() + " of " + out.Of
		} else if w.Unit == evidence.Count && w.Unit != fact.Value.Unit {
			out.Of = (claim.Legacy("of "+w.Quantity.String()+" ") + w.What).String() // a mean, median or share of so many things
		} else {
			out.Of = "of " + out.Of
		}
	}
	if l := fact.Limit; l != nil {
		out.Held = strings.TrimPrefix(l.Name, f.Detector+".") + " " + l.Quantity.String()
	}
	out.Near = near(fact.At)
	return out
}

// near says where in an exhibit a fact stands.
func near(at claim.Location) string {
	var parts []string
	if at.Function != "" {
		parts = append(parts, at.Function)
	}
	if at.File != "" {
		parts = append(parts, fileLine(at.File, at.Line))
	}
	if at.SampleType != "" {
		parts = append(parts, "column "+at.SampleType)
	}
	if at.Goroutine != 0 {
		parts = append(parts, fmt.Sprintf("goroutine %d", at.Goroutine))
	}
	if at.From != 0 || at.To != 0 {
		parts = append(parts, fmt.Sprintf("%s to %s", Offset(at.From), Offset(at.To)))
	}
	return strings.Join(parts, ", ")
}

// Offset is a moment of a trace to the microsecond, which is what it takes to find it again.
func Offset(ns int64) string {
	s := strconv.FormatFloat(float64(ns)/1e9, 'f', 6, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " s"
}

func fileLine(file string, line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// agreement puts the values of all kinds that vouch for a claim side by side and
// says how far apart they are: in full, and without the values.
func agreement(checks []claim.Check) (full, short string) {
	var agree, against, opponents []string
	values := map[evidence.Unit][]float64{}
	for _, c := range checks {
		name := c.Kind.Name().String()
		if c.Value != nil {
			name += " " + c.Value.String()
		}
		switch c.Result {
		case claim.Agrees:
			agree = append(agree, name)
			if c.Value != nil {
				values[c.Value.Unit] = append(values[c.Value.Unit], c.Value.Number)
			}
		case claim.Disagrees:
			against = append(against, name)
			opponents = append(opponents, c.Kind.Name().String())
		}
	}
	var said, brief []string
	switch len(agree) {
	case 0:
	case 1:
		said = append(said, agree[0]+" alone")
		brief = append(brief, "one kind alone")
	default:
		verb := "agree" + spread(values)
		said = append(said, strings.Join(agree, ", ")+": "+verb)
		brief = append(brief, fmt.Sprintf("%d %s", len(agree), verb))
	}
	if len(against) > 0 {
		said = append(said, "against it: "+strings.Join(against, ", "))
		brief = append(brief, strings.Join(opponents, ", ")+" against it")
	}
	return strings.Join(said, "; "), strings.Join(brief, "; ")
}

// spread says how far apart rates of waiting are. They are the one unit in
// which a number means the same in every kind of evidence; durations, sizes, counts and shares
// of different kinds have different wholes, and their distance would mean nothing.
// A few per cent are normal, and a large gap is a fact to report.
func spread(values map[evidence.Unit][]float64) string {
	rates := values[evidence.SecPerSec]
	if len(rates) < 2 {
		return ""
	}
	low, high := slices.Min(rates), slices.Max(rates)
	switch {
	case low <= 0:
		return ""
	case high > 2*low:
		return fmt.Sprintf(" that there is waiting, though the rates differ by a factor of %.1f", high/low)
	case len(values) == 1:
		return " within " + evidence.Part(high-low, high).String()
	}
	return ", the rates within " + evidence.Part(high-low, high).String()
}

// relation names a kind of link for people.
func relation(r string) string {
	switch r {
	case claim.SameSite:
		return "same function"
	case claim.Overlaps:
		return "same time"
	case claim.AddsTo:
		return "adds to"
	}
	return r
}

// headline is the outcome in one sentence.
func (v *Report) headline() string {
	if len(v.Chains) == 0 {
		return "No finding. " + v.Nothing()
	}
	c := v.Chains[0]
	if v.Calm() {
		return calm + ": " + strings.TrimRight(c.Title.String(), ". ")
	}
	return fmt.Sprintf("%s (severity %s, confidence %s)", strings.TrimRight(c.Title.String(), ". "), c.Severity, c.Confidence)
}

// calm leads a report whose findings are all infos.
const calm = "Nothing at warning or above. Worth knowing"

// Calm reports whether there are findings and none asks for action.
func (v *Report) Calm() bool { return len(v.Chains) > 0 && v.Chains[0].Severity < claim.Warning }

// Nothing says what it means that nothing was found. Thin evidence is never good news.
func (v *Report) Nothing() string {
	counts := v.Counts()
	said := []string{fmt.Sprintf("%d of %d claims are clear: the evidence would have shown them", counts[claim.Clear], len(v.Verdicts))}
	for _, w := range []struct{ result, one, many string }{
		{claim.Undecided, "1 is undecided: its evidence is too thin", "%d are undecided: their evidence is too thin"},
		{claim.Skipped, "1 was skipped: there is no evidence that could show it", "%d were skipped: there is no evidence that could show them"},
		{claim.Failed, "1 failed by a bug of ours", "%d failed by a bug of ours"},
	} {
		switch n := counts[w.result]; {
		case n == 1:
			said = append(said, w.one)
		case n > 1:
			said = append(said, fmt.Sprintf(w.many, n))
		}
	}
	return strings.Join(said, "; ")
}

// Counts is how many verdicts there are of each result.
func (v *Report) Counts() map[string]int {
	out := map[string]int{}
	for _, d := range v.Verdicts {
		out[d.Result]++
	}
	return out
}

// Tally is Counts as a phrase.
func (v *Report) Tally() string {
	counts := v.Counts()
	var parts []string
	for _, result := range []string{claim.Found, claim.Clear, claim.Undecided, claim.Skipped, claim.Failed} {
		if n := counts[result]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	return strings.Join(parts, ", ")
}

// About is what is known of the case as a whole, as short phrases.
func (v *Report) About() []string {
	var out []string
	if v.Case.GoVersion != "" {
		out = append(out, v.Case.GoVersion)
	}
	if v.Case.GOMAXPROCS > 0 {
		out = append(out, fmt.Sprintf("GOMAXPROCS %d", v.Case.GOMAXPROCS))
	}
	if n := len(v.Exhibits); n == 1 {
		out = append(out, "1 exhibit")
	} else {
		out = append(out, fmt.Sprintf("%d exhibits", n))
	}
	if w := v.Case.Window; w.From != nil && w.To != nil {
		const stamp = "2006-01-02 15:04:05"
		from, to := w.From.UTC(), w.To.UTC()
		end := to.Format(stamp)
		if from.Format("2006-01-02") == to.Format("2006-01-02") {
			end = to.Format("15:04:05")
		}
		if from.Format(stamp) == to.Format(stamp) {
			out = append(out, from.Format(stamp)+" UTC")
		} else {
			out = append(out, from.Format(stamp)+" to "+end+" UTC")
		}
	}
	return out
}

// Restriction is what the analysis was restricted to, as a sentence; empty when it was not.
func (v *Report) Restriction() string {
	f := v.Focus
	if f == nil {
		return ""
	}
	var parts []string
	if f.Label != "" {
		parts = append(parts, "the label "+f.Label)
	}
	if f.Task != "" {
		parts = append(parts, "tasks of type "+f.Task)
	}
	switch {
	case f.From != "" && f.To != "":
		parts = append(parts, "the window from "+f.From+" to "+f.To)
	case f.From != "":
		parts = append(parts, "what came after "+f.From)
	case f.To != "":
		parts = append(parts, "what came before "+f.To)
	}
	return "Narrowed to " + strings.Join(parts, " and ") + ": what was left out, and what could not be narrowed, is listed below."
}

// Narrowed lists what became of each exhibit that was not looked at as a whole, or needs a word.
func (v *Report) Narrowed() []string {
	var out []string
	if v.Focus == nil {
		return nil
	}
	for _, e := range v.Focus.Exhibits {
		if e.Says != "" {
			out = append(out, (claim.Legacy(e.Path+" ("+e.Exhibit+") "+e.Result+": ") + e.Says).String())
		}
	}
	return out
}

// KindName names an exhibit's or check's kind for people.
func (v *Report) KindName(k evidence.Kind) string { return k.Name().String() }

// Missing lists what evidence would settle more, over all chains, each kind once.
func (v *Report) Missing() []claim.Missing {
	var out []claim.Missing
	for _, c := range v.Chains {
		for _, m := range c.Missing {
			if !slices.ContainsFunc(out, func(o claim.Missing) bool { return o.Kind == m.Kind }) {
				out = append(out, m)
			}
		}
	}
	return out
}

// Hashes lists every file once with its digest, as sha256sum does.
func (v *Report) Hashes() []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range v.Exhibits {
		if line := e.SHA256 + "  " + e.Path; !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}

// Command is a command to paste and what to see in what it shows, which stands beside it, never in it.
type Command struct {
	Line  string // empty where there is no command; the notes then say why
	Notes []string
}

// Commands lists a chain's reproduce commands, each once.
func (c *Chain) Commands() []Command {
	var out []Command
	for _, f := range c.Findings {
		for _, fact := range f.Evidence {
			line, note := fact.Reproduce.String(), fact.Reproduce.Note.String()
			i := slices.IndexFunc(out, func(o Command) bool { return o.Line == line })
			if i < 0 && line+note != "" {
				i = len(out)
				out = append(out, Command{Line: line})
			}
			if note != "" && !slices.Contains(out[i].Notes, note) {
				out[i].Notes = append(out[i].Notes, note)
			}
		}
	}
	return out
}

// Pastable are the lines of commands that can be pasted.
func Pastable(commands []Command) (out []string) {
	for _, c := range commands {
		if c.Line != "" {
			out = append(out, c.Line)
		}
	}
	return out
}

// Next lists what to change about the root: the symptoms go with it.
func (c *Chain) Next() []string { return capitals(c.Root.Next) }

// Besides lists what could be changed about the other findings, each sentence once.
func (c *Chain) Besides() []string {
	all := c.each(func(f *Finding) []string { return capitals(f.Next) })
	return slices.DeleteFunc(all, func(s string) bool { return slices.Contains(c.Next(), s) })
}

// Caveats lists why the chain could be wrong, each sentence once.
func (c *Chain) Caveats() []string {
	return c.each(func(f *Finding) []string { return capitals(f.Caveats) })
}

// More is what is left of the findings' facts beyond the first n of each.
func (c *Chain) More(n int) []Fact {
	var out []Fact
	for _, f := range c.Findings {
		out = append(out, Rest(n, f.Facts)...)
	}
	return out
}

// First and rest part what is shown at once from what is folded away.
func First[T any](n int, all []T) []T { return all[:min(n, len(all))] }

// Rest is what First leaves.
func Rest[T any](n int, all []T) []T { return all[min(n, len(all)):] }

// Disputed lists what kinds said that did not vouch, absent ones left out: those
// stand under what is missing.
func (c *Chain) Disputed() []string {
	return c.each(func(f *Finding) (out []string) {
		for _, check := range f.Checks {
			if check.Result == claim.Disagrees || check.Result == claim.Silent {
				out = append(out, fmt.Sprintf("%s: the %s %s: %s", f.Detector, check.Kind.Name(), resultVerb(check.Result), check.Why))
			}
		}
		return out
	})
}

func resultVerb(result string) string {
	if result == claim.Silent {
		return "is silent"
	}
	return result
}

// each collects strings over the chain's findings, root first, each once.
func (c *Chain) each(of func(*Finding) []string) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, f := range c.Findings {
		for _, s := range of(f) {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// Accepted reports whether a baseline lists all findings of the chain.
func (c *Chain) Accepted() bool {
	return !slices.ContainsFunc(c.Findings, func(f *Finding) bool { return !f.Accepted })
}

// Reason says why the confidence is what it is, as docs/evidence.md defines it.
func (c *Chain) Reason() string {
	var agree, against []string
	for _, check := range c.Root.Checks {
		switch check.Result {
		case claim.Agrees:
			agree = append(agree, check.Kind.Name().String())
		case claim.Disagrees:
			against = append(against, check.Kind.Name().String())
		}
	}
	said := "the " + and(agree)
	verb := "show"
	if len(agree) == 1 {
		verb = "shows"
	}
	switch {
	case len(agree) == 0:
		return "no kind of evidence gives a value"
	case len(against) > 0:
		said += " " + verb + " it, and the " + and(against) + " should and does not"
		if len(against) > 1 {
			said = strings.TrimSuffix(said, "does not") + "do not"
		}
	case len(agree) > 1 && c.Root.Confidence == claim.High:
		said += " show it independently, and nothing contradicts it"
	case len(agree) > 1:
		said += " show it, though no two of them independently and on good evidence"
	case c.Root.Confidence == claim.Low:
		said += " alone shows it, and not on enough"
	default:
		said += " alone shows it"
	}
	return said
}

// and joins words as a sentence does: "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Brief is what a fact says without its circumstances.
func Brief(says claim.Text) string {
	brief, _, _ := strings.Cut(says.String(), ", ")
	return brief
}

// Exhibits lists the exhibits a finding stands on, each once.
func (f *Finding) Exhibits() []string {
	var out []string
	for _, fact := range f.Facts {
		if fact.Exhibit != "" && !slices.Contains(out, fact.Exhibit) {
			out = append(out, fact.Exhibit)
		}
	}
	return out
}

// Lead is what happened, in a sentence.
func (c *Chain) Lead() string {
	if len(c.Narrative) > 0 {
		return c.Narrative[0].String()
	}
	return Capital(strings.TrimRight(c.Root.Summary.String(), ". ")) + "."
}

// Story is the narrative without what happened, which stands above it.
func (c *Chain) Story() []string { return Unmarked(Rest(1, c.Narrative)) }

// Place is where a finding stands: function and line, or the process.
func (f *Finding) Place() string { return Place(f.Site) }

// Place names a site for people.
func Place(s claim.Site) string {
	if s.Function == "" {
		return "the process as a whole"
	}
	return s.Function
}

// ShortFunction drops the directories of a function's import path.
func ShortFunction(function string) string {
	end := len(function)
	if i := strings.IndexAny(function, "[("); i >= 0 {
		end = i
	}
	return function[strings.LastIndexByte(function[:end], '/')+1:]
}

// ShortFile is the last element of a file's path with the line.
func ShortFile(s claim.Site) string {
	if s.File == "" {
		return ""
	}
	return fileLine(path.Base(s.File), s.Line)
}
