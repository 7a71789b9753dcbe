package analyze

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// Options steer a Run. The zero value runs every detector at its default limits.
type Options struct {
	Limits   map[string]evidence.Quantity // "detector.limit" -> value, see ParseLimit
	Only     []string                     // detector ids to run; empty means all
	Skip     []string                     // detector ids to leave out
	Accepted []string                     // fingerprints of known findings, from a baseline
}

// Result is what a Run found out.
type Result struct {
	Verdicts []Verdict  // one per detector that ran, in the order given
	Findings []Finding  // worst first
	Chains   []Chain    // by rank; every finding is in exactly one
	Limits   []LimitUse // the limits that were overridden
	Quality  []Remark   // on the evidence itself
}

// Remark is a sentence about the quality of the evidence.
type Remark struct {
	Exhibit string // id; empty when it concerns the case as a whole
	Says    string
}

// Run lets every detector judge the bundle and joins what they find. The error
// is the caller's: an unknown detector or limit name.
func Run(b *evidence.Bundle, detectors []*Detector, opt Options) (Result, error) {
	chosen, err := choose(detectors, opt.Only, opt.Skip)
	if err != nil {
		return Result{}, err
	}
	overridden, err := checkLimits(detectors, opt.Limits)
	if err != nil {
		return Result{}, err
	}
	res := Result{Limits: overridden, Quality: quality(b)}
	builds := split(b)
	for order, d := range chosen {
		limits := map[string]evidence.Quantity{}
		for _, l := range d.Limits {
			limits[l.Name] = l.Default
			if q, ok := opt.Limits[d.ID+"."+l.Name]; ok {
				limits[l.Name] = q
			}
		}
		judged := judgement{detector: d}
		for _, part := range builds {
			judged.judge(part, limits)
		}
		for i := range judged.findings {
			judged.findings[i].order = order
		}
		res.Verdicts = append(res.Verdicts, judged.verdict())
		res.Findings = append(res.Findings, judged.findings...)
	}
	slices.SortStableFunc(res.Findings, worseFirst)
	for i := range res.Findings {
		f := &res.Findings[i]
		f.ID = fmt.Sprintf("f%d", i+1)
		f.Accepted = slices.Contains(opt.Accepted, f.Fingerprint)
	}
	res.Chains = Correlate(b, detectors, res.Findings)
	return res, nil
}

func choose(all []*Detector, only, skip []string) ([]*Detector, error) {
	known := map[string]bool{}
	for _, d := range all {
		known[d.ID] = true
	}
	for _, id := range slices.Concat(only, skip) {
		if !known[id] {
			return nil, fmt.Errorf("no detector %q", id)
		}
	}
	var out []*Detector
	for _, d := range all {
		if (len(only) == 0 || slices.Contains(only, d.ID)) && !slices.Contains(skip, d.ID) {
			out = append(out, d)
		}
	}
	return out, nil
}

// worseFirst orders findings for the report: severity, confidence, share, then
// the detectors' own order and the site's name, so that equal input gives equal output.
func worseFirst(a, b Finding) int {
	return cmp.Or(
		-cmp.Compare(a.Severity, b.Severity),
		-cmp.Compare(a.Confidence.rank(), b.Confidence.rank()),
		cmp.Compare(a.order, b.order),
		-cmp.Compare(a.Share, b.Share),
		cmp.Compare(a.Site.Function, b.Site.Function),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
		cmp.Compare(a.build, b.build),
	)
}

func (c Confidence) rank() int { return slices.Index([]Confidence{Low, Medium, High}, c) }

// part is the exhibits of one build of the program.
type part struct {
	build string
	of    map[evidence.Kind][]*evidence.Exhibit
	facts Case
}

// split parts the bundle by build id, because what one build shows says nothing
// about another. Exhibits that carry no build id belong to the only build there
// is; beside several builds they stand alone.
func split(b *evidence.Bundle) []part {
	builds := BuildIDs(b)
	if len(builds) < 2 {
		builds = []string{""}
	} else {
		builds = append(builds, "")
	}
	var parts []part
	for _, build := range builds {
		p := part{build: build, of: map[evidence.Kind][]*evidence.Exhibit{}}
		p.facts = Case{GOMAXPROCS: b.GOMAXPROCS(), GoVersion: b.GoVersion(), Busy: busy(b)}
		for _, kind := range evidence.Kinds {
			for _, e := range b.Of(kind) {
				if len(builds) == 1 || e.BuildID == build {
					p.of[kind] = append(p.of[kind], e)
				}
			}
		}
		if len(p.of) > 0 || len(builds) == 1 {
			parts = append(parts, p)
		}
	}
	return parts
}

// busy returns how much of the processors' time the traces show in use.
func busy(b *evidence.Bundle) float64 {
	var running, all time.Duration
	for _, e := range b.Of(evidence.Trace) {
		running += e.Trace.Procs.Running
		all += e.Trace.Procs.Running + e.Trace.Procs.Idle
	}
	return evidence.Part(running, all).Number
}

// BuildIDs returns the different build ids in a bundle, sorted.
func BuildIDs(b *evidence.Bundle) []string {
	var ids []string
	for _, e := range b.Exhibits {
		if e.BuildID != "" && e.Coverage != evidence.None && !slices.Contains(ids, e.BuildID) {
			ids = append(ids, e.BuildID)
		}
	}
	slices.Sort(ids)
	return ids
}

// judgement is the work of one detector on one case.
type judgement struct {
	detector *Detector
	findings []Finding
	clear    []string // kinds that would have shown the claim and do not
	silent   []string // why other kinds cannot say
	panics   []string
}

// read is a measure that ran.
type read struct {
	kind    evidence.Kind
	present bool
	failed  string
	Reading
}

func (j *judgement) judge(p part, limits map[string]evidence.Quantity) {
	var reads []read
	for _, m := range j.detector.Measures {
		r := read{kind: m.Kind}
		if exhibits := p.of[m.Kind]; len(exhibits) > 0 {
			r.present = true
			in := &Input{Exhibits: exhibits, Case: p.facts, detector: j.detector, limits: limits}
			r.Reading, r.failed = run(m, in)
		}
		reads = append(reads, r)
	}
	for _, g := range group(j.detector, reads) {
		if g.severity() > NoSeverity {
			j.findings = append(j.findings, j.finding(g, reads, p))
		}
	}
	for _, r := range reads {
		switch {
		case !r.present:
		case r.failed != "":
			j.panics = append(j.panics, fmt.Sprintf("%s: %s", KindName(r.kind), r.failed))
		case r.Reading.Silent != "":
			j.silent = append(j.silent, fmt.Sprintf("%s: %s", KindName(r.kind), r.Reading.Silent))
		default:
			j.clear = append(j.clear, KindName(r.kind))
		}
	}
}

// run runs one measure and turns a panic into a message: our bug must not hide
// what the other detectors have to say.
func run(m Measure, in *Input) (r Reading, failed string) {
	defer func() {
		if p := recover(); p != nil {
			r, failed = Reading{}, fmt.Sprintf("%v at %s", p, panicSite(debug.Stack()))
		}
	}()
	return m.Run(in), ""
}

// panicSite picks the first line of ours out of a stack for a bug report.
func panicSite(stack []byte) string {
	for line := range strings.Lines(string(stack)) {
		line = strings.TrimSpace(line)
		if _, at, ok := strings.Cut(line, "/analyze/"); ok && !strings.Contains(at, "run.go") {
			at, _, _ = strings.Cut(at, " +0x")
			return "analyze/" + at
		}
	}
	return "unknown place"
}

// verdict sums up: a finding wins, then our own failure, then a kind that
// denies, then silence; nothing to look at is skipped.
func (j *judgement) verdict() Verdict {
	v := Verdict{Detector: j.detector.ID}
	switch {
	case len(j.findings) > 0:
		worst := slices.MinFunc(j.findings, worseFirst)
		v.Result, v.Why = Found, worst.Summary
	case len(j.panics) > 0:
		v.Result, v.Why = Failed, strings.Join(j.panics, "; ")
	case len(j.clear) > 0:
		v.Result, v.Why = Clear, "would show in the "+list(j.clear)+" and does not"
	case len(j.silent) > 0:
		v.Result, v.Why = Undecided, strings.Join(j.silent, "; ")
	default:
		kinds := make([]string, len(j.detector.Measures))
		for i, m := range j.detector.Measures {
			kinds[i] = KindName(m.Kind)
		}
		v.Result = Skipped
		v.Why = fmt.Sprintf("needs a %s; %s", strings.Join(kinds, " or "), HowToRecord(j.detector.Measures[0].Kind))
	}
	return v
}

// grouped is the candidates of one claim at one site.
type grouped struct {
	candidates []Candidate
	kinds      []evidence.Kind // of each candidate
}

func (g *grouped) severity() Severity {
	worst := NoSeverity
	for i, c := range g.candidates {
		worst = max(worst, c.Severity)
		for j, o := range g.candidates {
			if i != j && o.Severity > NoSeverity {
				worst = max(worst, c.Raises)
			}
		}
	}
	return worst
}

// group joins the candidates of all measures by site. A candidate whose
// function no other kind names is joined to the group that is known to speak of the
// same thing (see sameSite): lock and unlock may stand in different functions.
// A candidate without a site speaks of the whole process: it vouches for every
// group in which its kind says nothing else, and stands alone where there is none.
func group(d *Detector, reads []read) []*grouped {
	var groups []*grouped
	add := func(g *grouped, r read, c Candidate) *grouped {
		if g == nil {
			g = &grouped{}
			groups = append(groups, g)
		}
		g.candidates, g.kinds = append(g.candidates, c), append(g.kinds, r.kind)
		return g
	}
	bySite := map[string]*grouped{}
	type left struct {
		read
		Candidate
	}
	var lone, whole []left
	named := map[string]int{} // how many kinds name a function
	for _, r := range reads {
		for _, c := range r.Candidates {
			named[c.Site.Function]++
		}
	}
	for _, r := range reads {
		for _, c := range r.Candidates {
			key := c.Site.Function
			if d.Process {
				key = ""
			}
			if !d.Process && key == "" {
				whole = append(whole, left{r, c})
				continue
			}
			if !d.Process && named[key] == 1 {
				lone = append(lone, left{r, c})
				continue
			}
			bySite[key] = add(bySite[key], r, c)
		}
	}
	for _, l := range lone {
		var home *grouped
		for _, same := range sameSite {
			for _, g := range groups {
				if home == nil && !slices.Contains(g.kinds, l.kind) && slices.ContainsFunc(g.candidates, func(c Candidate) bool { return same(c, l.Candidate) }) {
					home = g
				}
			}
		}
		add(home, l.read, l.Candidate)
	}
	// Two kinds may agree on the function that holds a lock, and two others on the
	// function that waits for it.
	for _, same := range sameSite {
		for i := 0; i < len(groups); i++ {
			for j := i + 1; j < len(groups); j++ {
				a, b := groups[i], groups[j]
				if slices.ContainsFunc(a.kinds, func(k evidence.Kind) bool { return slices.Contains(b.kinds, k) }) || !same(a.candidates[0], b.candidates[0]) {
					continue
				}
				a.candidates, a.kinds = append(a.candidates, b.candidates...), append(a.kinds, b.kinds...)
				groups = slices.Delete(groups, j, j+1)
				j--
			}
		}
	}
	for _, w := range whole {
		joined := false
		for _, g := range groups {
			if !slices.Contains(g.kinds, w.kind) {
				add(g, w.read, w.Candidate)
				joined = true
			}
		}
		if !joined {
			add(nil, w.read, w.Candidate)
		}
	}
	return groups
}

// sameSite is how candidates of two kinds that name different functions are known
// to speak of one thing, surest first: one of them has seen the other's function at
// it; they have more than the whole between them; or their paths meet close by.
var sameSite = []func(a, b Candidate) bool{
	func(a, b Candidate) bool {
		return slices.Contains(a.Ends, b.Site.Function) || slices.Contains(b.Ends, a.Site.Function)
	},
	// If a is three quarters of the whole and b is too, at least half of it is both.
	func(a, b Candidate) bool {
		return a.Whole != "" && a.Whole == b.Whole && a.Share+b.Share-1 >= minCommon
	},
	func(a, b Candidate) bool { return nearlySame(a.Path, b.Path) },
}

// minCommon is the part of a whole that two kinds must have in common at their
// sites to speak of one.
const minCommon = 0.5

// nearby is how many frames from the site the shared application frame may stand.
const nearby = 3

// nearlySame reports whether two paths meet in an application function close to
// both sites. Entry points do not count: everything meets there.
func nearlySame(a, b []string) bool {
	for _, f := range a[:min(nearby, len(a))] {
		if stack.Standard(f) || f == "main.main" {
			continue
		}
		if slices.Contains(b[:min(nearby, len(b))], f) {
			return true
		}
	}
	return false
}

func (j *judgement) finding(g *grouped, reads []read, p part) Finding {
	lead := g.candidates[0]
	f := Finding{
		Detector: j.detector.ID,
		Title:    j.detector.Title,
		Severity: g.severity(),
		Next:     j.detector.Fix,
		build:    p.build,
	}
	for _, c := range g.candidates {
		if lead.Severity == NoSeverity && c.Severity > NoSeverity {
			lead = c
		}
	}
	f.Variant, f.Summary, f.Site = lead.Variant, lead.Summary, Site(lead.Site)
	fix := lead.Fix
	for _, c := range g.candidates {
		f.Variant = cmp.Or(f.Variant, c.Variant)
		if fix == nil {
			fix = c.Fix
		}
	}
	if fix != nil {
		f.Next = fix
	}
	for _, c := range g.candidates { // what speaks for the whole process is placed by whoever names a place
		if f.Site.Function == "" {
			f.Site = Site(c.Site)
		}
	}
	if j.detector.Process {
		f.Site = Site{}
	}
	f.addSite(f.Site)
	for _, c := range g.candidates {
		f.addSite(Site(c.Site))
		for _, s := range c.Sites {
			f.addSite(Site(s))
		}
		f.Share = max(f.Share, c.Share)
		f.Evidence = append(f.Evidence, c.Facts...)
		for _, caveat := range c.Caveats {
			if !slices.Contains(f.Caveats, caveat) {
				f.Caveats = append(f.Caveats, caveat)
			}
		}
	}
	solid := map[string]bool{} // families of kinds that agree on good evidence
	agree, disagree := map[string]bool{}, 0
	for _, r := range reads {
		c := Check{Kind: r.kind}
		i := slices.Index(g.kinds, r.kind)
		switch {
		case !r.present:
			c.Result, c.Why = Absent, "not in this case"
		case r.failed != "":
			c.Result, c.Why = Silent, "could not be measured: "+r.failed
		case i >= 0:
			fact := g.candidates[i].Facts[0]
			c.Result, c.Value, c.Why = Agrees, &fact.Value, fact.Says
			agree[family(r.kind)] = true
			if !g.candidates[i].Thin && !partial(p.of[r.kind], g.candidates[i].Facts) {
				solid[family(r.kind)] = true
			}
		case r.Reading.Silent != "":
			c.Result, c.Why = Silent, r.Reading.Silent
		// It accuses another place of the same: which of them is meant it does not say.
		case lead.Whole != "" && slices.ContainsFunc(r.Candidates, func(c Candidate) bool { return c.Severity > NoSeverity && c.Whole == lead.Whole }):
			c.Result, c.Why = Silent, "it names another place: "+cmp.Or(r.Says, "shows nothing of it at this site")
		default:
			c.Result, c.Why = Disagrees, cmp.Or(r.Says, "shows nothing of it at this site")
			disagree++
		}
		f.Checks = append(f.Checks, c)
	}
	f.Confidence = confidence(len(solid), len(agree), disagree)
	f.Fingerprint = fingerprint(f.Detector, f.Site.Function)
	return f
}

// confidence is the one place where it is decided; docs/evidence.md explains it.
func confidence(solid, agree, disagree int) Confidence {
	switch {
	case disagree > 0 && agree < 2*disagree:
		return Low
	case solid >= 2 && disagree == 0:
		return High
	case solid >= 1 || agree >= 2:
		return Medium
	}
	return Low
}

// family folds kinds that are made from the same observation: a goroutine
// profile and a dump both list the stacks of one moment, and a crash prints them.
func family(k evidence.Kind) string {
	if k == evidence.Goroutine || k == evidence.Crash {
		k = evidence.Dump
	}
	return string(k)
}

// partial reports whether every exhibit the facts rest on was read only in part.
func partial(exhibits []*evidence.Exhibit, facts []Fact) bool {
	for _, e := range exhibits {
		for _, f := range facts {
			if f.Exhibit == e.ID && e.Coverage == evidence.Whole {
				return false
			}
		}
	}
	return true
}

func (f *Finding) addSite(s Site) {
	if s.Function == "" && len(f.Sites) > 0 {
		return
	}
	if !slices.ContainsFunc(f.Sites, func(o Site) bool { return o.Function == s.Function }) {
		f.Sites = append(f.Sites, s)
	}
}

func fingerprint(detector, function string) string {
	sum := sha256.Sum256([]byte(detector + "\n" + function))
	return hex.EncodeToString(sum[:8])
}

// list joins words as a sentence does: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
