package compare

import (
	"cmp"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Findings is what the detectors found on one side and not, or otherwise, on the other.
type Findings struct {
	New     []FindingChange `json:"new"`
	Gone    []FindingChange `json:"gone"`
	Worse   []FindingChange `json:"worse"`
	Better  []FindingChange `json:"better"`
	Same    []FindingChange `json:"same"`
	Unclear []FindingChange `json:"unclear"` // on one side only, where the other's evidence could not have shown it, or lies just below a limit
}

// FindingChange is one finding on both sides.
type FindingChange struct {
	Fingerprint string        `json:"fingerprint"`
	Detector    string        `json:"detector"`
	Title       claim.Text    `json:"title"`
	Site        claim.Site    `json:"site"`
	Before      *FindingState `json:"before,omitempty"`
	After       *FindingState `json:"after,omitempty"`
	Counts      bool          `json:"counts"` // it decides the verdict
	Why         claim.Text    `json:"why"`    // sentence
}

// FindingState is how a finding stood on one side.
type FindingState struct {
	ID         string           `json:"id"`
	Severity   claim.Severity   `json:"severity"`
	Confidence claim.Confidence `json:"confidence"`
	Summary    claim.Text       `json:"summary"`
}

// compareFindings holds the findings of both sides against each other by fingerprint.
func compareFindings(before, after *Judged) (k Kind, f Findings, ok bool) {
	if before == nil || after == nil {
		return k, f, false
	}
	k = Kind{Kind: "findings"}
	was, is := byFingerprint(before.Findings), byFingerprint(after.Findings)
	for _, print := range slices.Sorted(keys(was, is)) {
		a, b := was[print], is[print]
		ch := FindingChange{Fingerprint: print}
		for _, one := range []*claim.Finding{a, b} {
			if one != nil {
				ch.Detector, ch.Title, ch.Site = one.Detector, one.Title, one.Site
			}
		}
		ch.Before, ch.After = state(a), state(b)
		switch {
		case a != nil && b != nil:
			switch why := hovers(before, after, a, b); {
			case why != "":
				ch.Why = claim.Textf("was %s, is %s, %s", a.Severity, b.Severity, why)
				f.Same = append(f.Same, ch)
			case b.Severity > a.Severity:
				ch.Why = claim.Textf("was %s, is %s", a.Severity, b.Severity)
				ch.Counts = weighs(b)
				f.Worse = append(f.Worse, ch)
			case b.Severity < a.Severity:
				ch.Why = claim.Textf("was %s, is %s", a.Severity, b.Severity)
				ch.Counts = weighs(a)
				f.Better = append(f.Better, ch)
			default:
				ch.Why = "on both sides"
				f.Same = append(f.Same, ch)
			}
		case b != nil:
			if why := before.cannotDeny(b, after); why != "" {
				ch.Why = why + " before"
				f.Unclear = append(f.Unclear, ch)
				break
			}
			ch.Why = "new: the evidence before would have shown it"
			ch.Counts = weighs(b)
			f.New = append(f.New, ch)
		default:
			if why := after.cannotDeny(a, before); why != "" {
				ch.Why = why + " after"
				f.Unclear = append(f.Unclear, ch)
				break
			}
			ch.Why = "gone: the evidence after would have shown it"
			ch.Counts = weighs(a)
			f.Gone = append(f.Gone, ch)
		}
	}
	now, then := after.order(), before.order()
	sortFindings(f.New, now)
	sortFindings(f.Worse, now)
	sortFindings(f.Gone, then)
	sortFindings(f.Better, then)
	for _, list := range []struct {
		all    []FindingChange
		better bool
		word   claim.Text
	}{{f.New, false, "new"}, {f.Worse, false, "worse"}, {f.Gone, true, "gone"}, {f.Better, true, "better"}} {
		for _, ch := range list.all {
			if !ch.Counts {
				continue
			}
			one, severity := after.of(ch.Fingerprint), now[ch.Fingerprint].severity
			if list.better {
				one, severity = before.of(ch.Fingerprint), then[ch.Fingerprint].severity
			}
			k.reasons = append(k.reasons, Reason{Rank: RankOutcome, Better: list.better, Size: float64(max(one.Severity, severity)), Always: crashed(one) && !list.better,
				Says: claim.Textf("%s: %s%s (%s)", list.word, ch.Title, atFunction(ch.Site.Function), ch.severity())})
		}
	}
	sub := Result{Reasons: k.reasons}
	if k.Verdict = decide(k.reasons, nil, true); k.Verdict != Pass {
		sub.conclude(true)
		k.Why = sub.Why
		return k, f, true
	}
	k.Why = "no finding is new or worse"
	if n := len(f.Same) + len(f.Better); n > 0 {
		k.Why += claim.Textf(", %d on both sides", n)
	}
	if n := len(f.Unclear); n > 0 {
		k.Why += claim.Textf(", %d cannot be compared", n)
	}
	return k, f, true
}

// weighs reports whether a finding's coming or going decides.
func weighs(f *claim.Finding) bool {
	return f.Severity >= claim.Warning && (f.Confidence != claim.Low || !disputed(f))
}

// disputed reports whether another kind of evidence denies a finding.
func disputed(f *claim.Finding) bool {
	return slices.ContainsFunc(f.Checks, func(c claim.Check) bool { return c.Result == claim.Disagrees })
}

// crashed reports whether a finding is what a process says when it ends. Where it is not said there was no such end, so no
// evidence on the other side is needed to compare with.
func crashed(f *claim.Finding) bool {
	return slices.ContainsFunc(f.Checks, func(c claim.Check) bool {
		return c.Result == claim.Agrees && (c.Kind == evidence.Crash || c.Kind == evidence.Race)
	})
}

// Crashed reports whether a process of the side died.
func (j *Judged) Crashed() bool {
	return j != nil && slices.ContainsFunc(j.Findings, func(f claim.Finding) bool { return crashed(&f) })
}

// severity is what a finding's severity was and is.
func (c *FindingChange) severity() claim.Text {
	switch {
	case c.Before == nil:
		return claim.Textf("%s", c.After.Severity)
	case c.After == nil:
		return claim.Textf("was %s", c.Before.Severity)
	}
	return claim.Textf("was %s, is %s", c.Before.Severity, c.After.Severity)
}

// Hardly is the least ratio of two numbers that a limit between them does not set
// apart: a claim that comes and goes with noise around a limit is no change.
const Hardly = 0.7

// hovers says why another severity on the two sides is no change, or "": the numbers
// behind it hardly changed, or the milder side would be as severe at a slightly lower limit.
func hovers(before, after *Judged, a, b *claim.Finding) claim.Text {
	if a.Severity == b.Severity {
		return ""
	}
	if was, is, ok := alike(a, b); ok {
		return claim.Textf("but what was held against the limit hardly changed: %s and %s", was, is)
	}
	mild, high := before, b
	if a.Severity > b.Severity {
		mild, high = after, a
	}
	if mild.Near[high.Fingerprint] >= high.Severity && mild.Near[high.Fingerprint] > 0 {
		if mild.Work > 1 {
			return "but as much work would have brought the milder side to the limit between them"
		}
		return "but lies close to the limit between them on the milder side"
	}
	return ""
}

// alike holds the values behind two findings that were held against the same limits next
// to each other. It is true when there are such, and all hardly differ; it returns the first.
func alike(a, b *claim.Finding) (was, is evidence.Quantity, ok bool) {
	for _, x := range a.Evidence {
		for _, y := range b.Evidence {
			if x.Limit == nil || y.Limit == nil || x.Limit.Name != y.Limit.Name || x.Says != y.Says || x.Value.Unit != y.Value.Unit {
				continue
			}
			low, high := min(x.Value.Number, y.Value.Number), max(x.Value.Number, y.Value.Number)
			if low < Hardly*high {
				return was, is, false
			}
			if !ok {
				was, is, ok = x.Value, y.Value, true
			}
		}
	}
	return was, is, ok
}

// standing is where the report of a side names a finding.
type standing struct {
	place    int
	severity claim.Severity // of the chain that it is the root of
}

// order is the order in which the report of a side names its findings, the root of each chain before what came of it, by fingerprint.
func (j *Judged) order() map[string]standing {
	prints, out := map[string]string{}, map[string]standing{}
	for _, f := range j.Findings {
		prints[f.ID] = f.Fingerprint
	}
	add := func(id string, root claim.Severity) {
		if print := prints[id]; print != "" && out[print].place == 0 {
			out[print] = standing{len(out) + 1, root}
		}
	}
	for _, c := range j.Chains {
		add(c.Root, c.Severity)
		for _, id := range c.Findings {
			add(id, claim.NoSeverity)
		}
	}
	for _, f := range j.Findings {
		add(f.ID, claim.NoSeverity)
	}
	return out
}

// sortFindings puts the findings in the order in which a report names them.
func sortFindings(all []FindingChange, by map[string]standing) {
	slices.SortStableFunc(all, func(a, b FindingChange) int {
		return cmp.Compare(by[a.Fingerprint].place, by[b.Fingerprint].place)
	})
}

// atFunction is where a finding is; nothing where that is the process as a whole.
func atFunction(function string) claim.Text {
	if function == "" {
		return ""
	}
	return claim.Textf(" at %s", claim.Func(function))
}

func state(f *claim.Finding) *FindingState {
	if f == nil {
		return nil
	}
	return &FindingState{f.ID, f.Severity, f.Confidence, f.Summary}
}

// cannotDeny says why a side's evidence cannot deny a finding of the other side, or "".
func (j *Judged) cannotDeny(f *claim.Finding, other *Judged) claim.Text {
	if _, near := j.Near[f.Fingerprint]; near {
		if j.Work > 1 {
			return "as much work as the other side did would have brought it to the limit"
		}
		return "just below the limit"
	}
	if crashed(f) {
		return ""
	}
	for _, v := range j.Verdicts {
		if v.Detector != f.Detector {
			continue
		}
		if v.Result == claim.Skipped {
			return "there was no evidence that could show it"
		}
		if v.Result == claim.Failed {
			return "it could not be looked for"
		}
		// The kinds that showed it must be among those that were looked at.
		seen := false
		for _, check := range f.Checks {
			if check.Result != claim.Agrees || !slices.Contains(j.Kinds, check.Kind) {
				continue
			}
			seen = true
			// Too thin to deny the claim by itself says enough beside a recording of the same kind and size that shows it.
			if v.Result != claim.Undecided || j.asMuch(other, check.Kind) {
				return ""
			}
		}
		if !seen {
			return "the kinds of evidence that show it were not there"
		}
		return "the evidence was too thin to show it"
	}
	return "it was not looked for"
}

// asMuch reports whether a side has about as much evidence of a kind as the other.
func (j *Judged) asMuch(other *Judged, kind evidence.Kind) bool {
	const about = 0.5
	return j.Amount[kind] >= about*other.Amount[kind]
}

// of returns the gravest finding of a fingerprint.
func (j *Judged) of(print string) *claim.Finding { return byFingerprint(j.Findings)[print] }

func byFingerprint(all []claim.Finding) map[string]*claim.Finding {
	out := map[string]*claim.Finding{}
	for i := range all {
		f := &all[i]
		if old := out[f.Fingerprint]; old == nil || f.Severity > old.Severity {
			out[f.Fingerprint] = f
		}
	}
	return out
}

func keys(maps ...map[string]*claim.Finding) func(func(string) bool) {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for _, m := range maps {
			for k := range m {
				if !seen[k] {
					seen[k] = true
					if !yield(k) {
						return
					}
				}
			}
		}
	}
}
