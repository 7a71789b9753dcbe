// Package analyze judges what an incident left behind. Case opens the evidence at some paths and lets
// detectors (package claim; the catalogue is package detect) measure its claim in every kind of evidence that can show
// it. The engine holds the kinds against each other and joins the findings into chains. Package report writes the result.
package analyze

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Options steer an analysis. The zero value runs every detector at its default limits over all evidence.
type Options struct {
	Evidence evidence.Options             // how evidence is read, and what it is narrowed to
	Limits   map[string]evidence.Quantity // "detector.limit" -> value, see ParseLimit
	Only     []string                     // detector ids to run; empty means all
	Skip     []string                     // detector ids to leave out
	Accepted []string                     // fingerprints of known findings, from a baseline
}

// Result is what an analysis found out, and all that a report of it needs.
type Result struct {
	Bundle    *evidence.Bundle   // what was judged
	Focused   []evidence.Focused // what became of each exhibit where it was narrowed to a focus
	Options   Options            // what was asked for
	Detectors []*claim.Detector  // from which it could choose
	Verdicts  []claim.Verdict    // one per detector that ran, in the order given
	Findings  []claim.Finding    // worst first
	Chains    []claim.Chain      // by rank; every finding is in exactly one
	Limits    []claim.LimitUse   // the limits that were overridden
	Quality   []Remark           // on the evidence itself
	Accounts  []claim.Account    // where it all went, in the order of claim.AccountNames; of one name, the one that tells most comes first
}

// Detector returns the detector of an id among those of the analysis; nil where it is none of them.
func (r Result) Detector(id string) *claim.Detector {
	for _, d := range r.Detectors {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// Remark is a sentence about the quality of the evidence.
type Remark struct {
	Exhibit string // id; empty when it concerns the case as a whole
	Says    claim.Text
}

// Run lets the detectors judge the bundle as it is and joins what they find. The error is the caller's: an unknown
// detector or limit name.
func Run(b *evidence.Bundle, detectors []*claim.Detector, opt Options) (Result, error) {
	chosen, err := choose(detectors, opt.Only, opt.Skip)
	if err != nil {
		return Result{}, err
	}
	overridden, err := checkLimits(detectors, opt.Limits)
	if err != nil {
		return Result{}, err
	}
	builds := split(b)
	verdicts, findings := judge(builds, chosen, opt)
	res := Result{Bundle: b, Options: opt, Detectors: detectors, Verdicts: verdicts, Limits: overridden, Quality: quality(b), Chains: correlate(b, findings)}
	for _, f := range findings {
		res.Findings = append(res.Findings, f.Finding)
	}
	var failed []Remark
	res.Accounts, failed = accounts(builds)
	res.Quality = append(res.Quality, failed...)
	return res, nil
}

// judge returns what each detector says of the bundle, and what they find, worst first.
func judge(builds []part, detectors []*claim.Detector, opt Options) (verdicts []claim.Verdict, findings []finding) {
	for order, d := range detectors {
		judged := judgement{detector: d}
		for i := range builds {
			judged.judge(&builds[i], opt.Limits)
		}
		for i := range judged.findings {
			judged.findings[i].order = order
		}
		verdicts = append(verdicts, judged.verdict())
		findings = append(findings, judged.findings...)
	}
	slices.SortStableFunc(findings, worseFirst)
	for i := range findings {
		f := &findings[i]
		f.ID = fmt.Sprintf("f%d", i+1)
		f.Accepted = slices.Contains(opt.Accepted, f.Fingerprint)
	}
	return verdicts, findings
}

func choose(all []*claim.Detector, only, skip []string) ([]*claim.Detector, error) {
	known := map[string]bool{}
	for _, d := range all {
		known[d.ID] = true
	}
	for _, id := range slices.Concat(only, skip) {
		if !known[id] {
			return nil, fmt.Errorf("no detector %q", id)
		}
	}
	var out []*claim.Detector
	for _, d := range all {
		if (len(only) == 0 || slices.Contains(only, d.ID)) && !slices.Contains(skip, d.ID) {
			out = append(out, d)
		}
	}
	return out, nil
}

// worseFirst orders findings for the report: severity, plain facts after what was judged, confidence, share, then
// the detectors' own order and the site's name, so that equal input gives equal output.
func worseFirst(a, b finding) int {
	return cmp.Or(
		-cmp.Compare(a.Severity, b.Severity),
		plainLast(a.plain, b.plain),
		-cmp.Compare(rank(a.Confidence), rank(b.Confidence)),
		cmp.Compare(a.order, b.order),
		-cmp.Compare(a.Share, b.Share),
		cmp.Compare(a.Site.Function, b.Site.Function),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
		cmp.Compare(a.build, b.build),
	)
}

// plainLast orders a judgement before a plain fact, which is there whatever is wrong, however sure it is.
func plainLast(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func rank(c claim.Confidence) int {
	return slices.Index([]claim.Confidence{claim.Low, claim.Medium, claim.High}, c)
}

// part is the exhibits of one build of the program.
type part struct {
	build string
	of    map[evidence.Kind][]*evidence.Exhibit
	facts claim.Process

	sources sources
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
	whole := claim.ProcessOf(b)
	for _, build := range builds {
		p := part{build: build, of: map[evidence.Kind][]*evidence.Exhibit{}}
		p.facts = whole
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
	detector *claim.Detector
	findings []finding
	clear    []claim.Text // kinds that would have shown the claim and do not, with the smallest fault they would have shown
	silent   []claim.Text // why other kinds cannot say
	panics   []claim.Text
}

// read is a measure that ran.
type read struct {
	kind    evidence.Kind
	present bool
	failed  string
	claim.Reading
}

func (j *judgement) judge(p *part, settings map[string]evidence.Quantity) {
	var reads []read
	for _, m := range j.detector.Measures {
		r := read{kind: m.Kind}
		if exhibits := p.of[m.Kind]; len(exhibits) > 0 {
			r.present = true
			if counted := countSamples(exhibits); len(counted) > 0 {
				r.Reading, r.failed = run(m, j.detector.NewInput(counted, p.facts, settings))
			} else {
				r.Reading.Silent = "it does not count samples"
			}
			r.Reading = empowered(r.Reading, m.Kind, exhibits)
		}
		reads = append(reads, r)
	}
	for _, g := range group(j.detector, reads) {
		if g.severity() > claim.NoSeverity {
			j.findings = append(j.findings, j.finding(g, reads, p))
		}
	}
	for _, r := range reads {
		switch {
		case !r.present:
		case r.failed != "":
			j.panics = append(j.panics, claim.Textf("%s: %s", r.kind.Name(), r.failed))
		case r.Reading.Silent != "":
			j.silent = append(j.silent, r.kind.Name()+": "+r.Reading.Silent)
		default:
			j.clear = append(j.clear, claim.Textf("%s (%s)", r.kind.Name(), r.Power.Says))
		}
	}
}

// countSamples returns the exhibits without the CPU profiles that have no column of samples: some exporters write the
// time alone, which does not say how much was looked at. No measure of a CPU profile need look for the column.
func countSamples(exhibits []*evidence.Exhibit) []*evidence.Exhibit {
	lacks := func(e *evidence.Exhibit) bool {
		return e.Kind == evidence.CPU && e.Profile().Column("samples") < 0
	}
	if !slices.ContainsFunc(exhibits, lacks) {
		return exhibits
	}
	return slices.DeleteFunc(slices.Clone(exhibits), lacks)
}

// run runs one measure and turns a panic into a message: our bug must not hide
// what the other detectors have to say.
func run(m claim.Measure, in *claim.Input) (r claim.Reading, failed string) {
	defer func() {
		if p := recover(); p != nil {
			r, failed = claim.Reading{}, fmt.Sprintf("%v at %s", p, panicSite(debug.Stack()))
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
func (j *judgement) verdict() claim.Verdict {
	v := claim.Verdict{Detector: j.detector.ID}
	switch {
	case len(j.findings) > 0:
		worst := slices.MinFunc(j.findings, worseFirst)
		v.Result, v.Why = claim.Found, worst.Summary
	case len(j.panics) > 0:
		v.Result, v.Why = claim.Failed, claim.Join(j.panics, "; ")
	case len(j.clear) > 0:
		v.Result, v.Why = claim.Clear, claim.Textf("would show in the %s and does not", claim.List(j.clear))
	case len(j.silent) > 0:
		v.Result, v.Why = claim.Undecided, claim.Join(j.silent, "; ")
	default:
		kinds := make([]claim.Text, len(j.detector.Measures))
		for i, m := range j.detector.Measures {
			kinds[i] = m.Kind.Name()
		}
		v.Result = claim.Skipped
		v.Why = claim.Textf("needs a %s; %s", claim.Join(kinds, " or "), j.detector.Measures[0].Kind.HowToRecord())
	}
	return v
}
