// Package claim is the vocabulary of a judgement: what a detector is and gets to see, what it hands back, and
// what the engine (package analyze) makes of that. It opens no files, runs no detector and formats no reports.
//
// # How to write a detector
//
// A [Detector] is a value, and everything that it is stands in its fields: the claim in words, the [Limit]s that it judges
// by, what it is known to bring about ([Mechanism]), and one [Measure] for each kind of evidence that can
// show it. A measure is a function from an [Input] to a [Reading]. It gets the exhibits of its kind alone, and looks at
// nothing else, so that kinds of evidence can be held against each other.
//
//   - Hand back one [Candidate] for each site at which this kind shows the claim, with the number that shows it as
//     a [Fact]: what it is, the whole it is part of, the limit it was held against, and a [Command] that shows it again.
//   - How bad it is follows from its [Impact] by [Input.Weigh]. Reasons why it may be meant are [Excuse]s, which count only where
//     the evidence shows them. Too few samples make a candidate Thin and never mild.
//   - Where the evidence could not have shown the claim, say why in Reading.Silent. Thin evidence is never good news.
//   - Where it could have, leave Silent empty: then what is no candidate is denied, as far as the [Power] goes.
//   - Everything read is hostile: columns may be missing, numbers overflow, stacks be empty.
//
// [Detector.Validate] says what is missing, analyze.Validate whether it fits together with others; analyze.Case takes them all.
// The example is a whole one.
package claim

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"strings"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// Severity says how bad a claim is if it is true. It says nothing about how sure we are.
type Severity int

// The severities, mildest first. NoSeverity marks a candidate that is too small
// to be a finding by itself but vouches for what another kind of evidence found.
const (
	NoSeverity Severity = iota
	Info
	Warning
	Critical
)

var severityNames = []string{"none", "info", "warning", "critical"}

var _ encoding.TextMarshaler = Severity(0)

func (s Severity) String() string { return severityNames[s] }

// Text is String as words of ours.
func (s Severity) Text() Text { return prose.Of(prose.Words, s.String()) }

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("unknown severity %q, want one of info, warning, critical", text)
}

// Confidence says how sure we are of a claim, however bad it is. How it is
// reached stands in docs/evidence.md.
type Confidence string

// Text is the confidence in a sentence.
func (c Confidence) Text() Text {
	switch c {
	case Low, Medium, High:
		return prose.Of(prose.Words, string(c))
	}
	return prose.Of(prose.Said, string(c))
}

// The degrees of confidence.
const (
	Low    Confidence = "low"
	Medium Confidence = "medium"
	High   Confidence = "high"
)

// Detector is one claim about a program, as a value that can be read without running it.
type Detector struct {
	ID       string    // stable, kebab-case
	Title    Text      // the claim in a few words, such as "One lock serialises the program"
	Doc      string    // Markdown: what it means, how it is measured, when it is wrong, what to do
	Limits   []Limit   //
	Measures []Measure // strongest first, one per kind of evidence
	// Process says the claim is about the process as a whole. Its candidates have
	// a zero site, or sites that only illustrate it, and are joined into one finding.
	Process bool
	// Fix is what to change when the claim holds, one sentence each, most effective first.
	Fix []Text
	// Sketch is the first of Fix as Go declarations, where that is standard; empty where it is not. It is the shape
	// of a fix and not the program's own: names in it are invented.
	Sketch string
	// Explains is what the claim is known to bring about, and how.
	Explains []Mechanism
	// Waiting says the claim is that goroutines wait somewhere: wake-ups from one site to another say something
	// about such claims alone.
	Waiting bool
	// Wakes says the claim is about somebody whom others wait for: that it wakes those who wait shows that it was
	// what they waited for.
	Wakes bool
	// Durations are the single durations that the claim is about, as a trace shows them; nil where it is about none.
	Durations *Durations
	// Moments says that who held a lock around the longest waits for it shows the claim.
	Moments bool
	// Everybody says, where the claim rests on nobody else being there, why it cannot be made of some goroutines alone.
	Everybody Text
}

// Text is the id of the detector in a sentence.
func (d *Detector) Text() Text { return prose.Of(prose.Words, d.ID) }

// Mechanism is a documented way in which a claim brings about another.
type Mechanism struct {
	Effect string // id of the detector of the other
	When   string // variant of the cause for which alone it holds; empty for all
	Only   string // variant of the effect for which alone it holds; empty for all
	Unless string // variant of the effect that has another cause; empty for none
	Why    Text   // as a clause of a sentence: "the cause holds; WHY"
	Source string
}

// Leads reports whether the mechanism leads from one variant of its claim to a variant of another.
func (m *Mechanism) Leads(cause, detector, effect string) bool {
	return m.Effect == detector && (m.When == "" || m.When == cause) && (m.Unless == "" || m.Unless != effect) && (m.Only == "" || m.Only == effect)
}

// Limit is a number a detector judges by.
type Limit struct {
	Name    string            // min-... or max-..., unique in its detector
	Default evidence.Quantity //
	Doc     string            // what is compared with it
	Source  string            // where the number comes from: Go source path, runtime constant, paper, measured fixture
	Mark    bool              // it is held against single durations, so that their distribution shows it
}

// Measure reads exactly one kind of evidence for its detector's claim.
type Measure struct {
	Kind evidence.Kind
	Doc  string // what it reads and how it can be wrong
	Run  func(*Input) Reading
	Only string // variant of the claim that this kind can show, where it is one alone; empty for all
}

// Input is what a measure gets to see.
type Input struct {
	// Exhibits are the usable exhibits of the measure's kind and of one build, oldest first, never none.
	Exhibits []*evidence.Exhibit
	// Process holds what other evidence says about the process as a whole; zero fields are unknown.
	Process Process

	detector *Detector
	limits   map[string]evidence.Quantity
}

// NewInput is what a measure of the detector gets to see, with the limits in force: the defaults of the detector
// and of impact, but for those that settings name as "detector.limit".
func (d *Detector) NewInput(exhibits []*evidence.Exhibit, c Process, settings map[string]evidence.Quantity) *Input {
	return &Input{Exhibits: exhibits, Process: c, detector: d, limits: limitsOf(d, settings)}
}

// limitsOf returns the limits in force for a detector: its own by their names, and
// those of impact.
func limitsOf(d *Detector, settings map[string]evidence.Quantity) map[string]evidence.Quantity {
	out := map[string]evidence.Quantity{}
	put := func(prefix, id string, limits []Limit) {
		for _, l := range limits {
			out[prefix+l.Name] = l.Default
			if q, ok := settings[id+"."+l.Name]; ok {
				out[prefix+l.Name] = q
			}
		}
	}
	put("", d.ID, d.Limits)
	put("impact.", "impact", ImpactLimits)
	return out
}

// Limit returns the value of a limit of the detector that is in force. Asking
// for one that the detector does not declare is a bug and panics.
func (in *Input) Limit(name string) evidence.Quantity {
	q, ok := in.limits[name]
	if !ok {
		panic(fmt.Sprintf("%s has no limit %q", in.detector.ID, name))
	}
	return q
}

// Against returns the limit as a fact quotes it.
func (in *Input) Against(name string) *LimitUse {
	q := in.Limit(name)
	if !strings.HasPrefix(name, "impact.") {
		name = in.detector.ID + "." + name
	}
	return &LimitUse{Name: name, Quantity: q}
}

// Reading is what one measure saw.
type Reading struct {
	// Candidates are the sites at which this kind shows the claim, worst first,
	// one per site. Those with NoSeverity vouch but do not accuse.
	Candidates []Candidate
	// Silent says why this evidence cannot deny the claim at a site it does not
	// show, such as "the profile is empty: recording was off or nothing contended".
	// Empty means it would have shown it: what is not a candidate is denied.
	Silent Text
	// Says is what the evidence shows as a whole, quoted where it disagrees.
	Says Text
	// Power is the smallest fault that the measure would have shown in this evidence. Where it is left out,
	// what the kind of evidence can show at all stands in its place.
	Power Power
}

// Candidate is a site at which one kind of evidence shows a claim.
type Candidate struct {
	Site     stack.Site   // zero for a claim about the whole process, which vouches for every site that other kinds name
	Path     []string     // normalised functions from the site outwards (stack.Path): joins sites whose functions differ
	Sites    []stack.Site // other places the claim involves, such as where the waiters stand
	Ends     []string     // functions that the evidence shows to use the same thing as the site, such as where a lock is given back: joins what other kinds name
	Whole    string       // what Share is a part of, where several kinds measure the same; sites of two kinds that have more than all of it between them are one
	Variant  string       // the detector's own word for the flavour, such as "rwmutex-write"; may be empty
	Summary  Text         // one sentence with the number that matters, site named; the strongest measure's is the finding's
	Severity Severity     // that this kind alone would justify
	Plain    bool         // a fact that says where something is and accuses nobody: no other kind raises it, and it explains nothing
	Raises   Severity     // what a finding becomes, at least, that another kind accuses of and this one vouches for: it says that the claim matters
	Thin     bool         // seen, but on too few samples or in partial evidence to be sure
	Share    float64      // part of the incident's resource it accounts for (wait, heap, CPU), 0 to 1
	Facts    []Fact       // at least one; the first carries the value that checks quote
	Caveats  []Text       // why it could be wrong here
	Graph    *WaitGraph   // who waits for whom, where the evidence shows it; may be nil
	Excuses  []Text       // why what is shown may be meant or cost nothing, see Excuse; they fall away where another kind shows that it matters
	Fix      []Text       // what to change here, in place of the detector's Fix; nil where that fits
}

// Fact is one number with everything needed to see it again.
type Fact struct {
	Exhibit   string            `json:"exhibit"`         // id of the exhibit it was read from
	Says      Text              `json:"says"`            // what the number is, as a sentence without the number's whole
	Value     evidence.Quantity `json:"value"`           //
	Of        *Whole            `json:"of,omitempty"`    // the whole the value is part of
	Limit     *LimitUse         `json:"limit,omitempty"` // the limit it was held against
	At        Location          `json:"at"`              //
	Reproduce Command           `json:"-"`               // with public tools, shows the same number
}

// Whole is what a value is a part of.
type Whole struct {
	evidence.Quantity
	What Text `json:"what"` // such as "all delay in the mutex profile"
}

// LimitUse is a limit as it was in force.
type LimitUse struct {
	Name string `json:"name"` // detector.limit
	evidence.Quantity
}

// Location is where in an exhibit a fact stands.
type Location struct {
	Function   string `json:"function,omitempty"`
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	SampleType string `json:"sample_type,omitempty"` // pprof column
	Goroutine  int64  `json:"goroutine,omitempty"`
	From       int64  `json:"from_ns,omitempty"` // offset in the exhibit, nanoseconds
	To         int64  `json:"to_ns,omitempty"`
}

// At returns the location of a site.
func At(s stack.Site) Location { return Location{Function: s.Function, File: s.File, Line: s.Line} }

// Result of a check.
const (
	Agrees    = "agrees"    // this kind shows the claim at this site
	Disagrees = "disagrees" // it should show it and does not
	Silent    = "silent"    // present, but cannot say
	Absent    = "absent"    // not in the bundle
)

// Check is what one kind of evidence says about a finding.
type Check struct {
	Kind   evidence.Kind      `json:"kind"`
	Result string             `json:"result"`
	Value  *evidence.Quantity `json:"value,omitempty"`
	Why    Text               `json:"why"`
}

// Finding is a claim that holds at a site.
type Finding struct {
	ID          string     `json:"id"`          // "f1", "f2", ... in report order
	Fingerprint string     `json:"fingerprint"` // of detector and normalised site; stable across runs of the same defect
	Detector    string     `json:"detector"`
	Title       Text       `json:"title"`
	Variant     string     `json:"variant,omitempty"`
	Severity    Severity   `json:"severity"`
	Confidence  Confidence `json:"confidence"`
	Summary     Text       `json:"summary"`
	Site        Site       `json:"site"`
	Sites       []Site     `json:"sites"` // every place it involves, its own first
	Share       float64    `json:"share"` // part of the incident's resource it accounts for
	Evidence    []Fact     `json:"evidence"`
	Checks      []Check    `json:"checks"`
	Caveats     []Text     `json:"caveats"`
	Next        []Text     `json:"next"`               // what to change, most effective first
	Sketch      string     `json:"sketch,omitempty"`   // the first of Next as Go code, where the fix is standard
	Accepted    bool       `json:"accepted,omitempty"` // listed in the baseline
	Graph       *WaitGraph `json:"wait_graph,omitempty"`
}

// Site is a stack.Site in the JSON contract.
type Site struct {
	Function string `json:"function"` // empty for the process as a whole
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// Fingerprint identifies a claim at a site across runs: the same defect has the same one.
func Fingerprint(claim, function string) string {
	sum := sha256.Sum256([]byte(claim + "\n" + function))
	return hex.EncodeToString(sum[:8])
}

// Results of a detector.
const (
	Found     = "found"
	Clear     = "clear"     // evidence that would have shown it does not
	Undecided = "undecided" // evidence too thin
	Skipped   = "skipped"   // no evidence of a kind that could show it
	Failed    = "failed"    // our bug
)

// Verdict is the outcome of one detector.
type Verdict struct {
	Detector string `json:"detector"`
	Result   string `json:"result"`
	Why      Text   `json:"why"`
}

// Chain is findings joined.
type Chain struct {
	ID         string     `json:"id"` // "c1", "c2", ... by rank
	Rank       int        `json:"rank"`
	Title      Text       `json:"title"`
	Severity   Severity   `json:"severity"`
	Confidence Confidence `json:"confidence"`
	Root       string     `json:"root"`     // finding id
	Findings   []string   `json:"findings"` // root first
	Links      []Link     `json:"links"`
	Narrative  []Text     `json:"narrative"` // paragraphs: what happened, what shows it, what came of it, what to do; those that would be empty are left out
	Missing    []Missing  `json:"missing"`
}

// Relations of links, strongest first.
const (
	Wakes    = "wakes"     // the trace shows goroutines at the first site unblock those at the second
	SameSite = "same-site" // both name the same function
	Overlaps = "overlaps"  // both happened in the same stretch of time
	Explains = "explains"  // a documented mechanism leads from the first to the second
	AddsTo   = "adds-to"   // the same, though the first is too small a part of the whole to explain the second
)

// Link joins two findings of a chain.
type Link struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Relation string `json:"relation"`
	Why      Text   `json:"why"`
}

// Missing is evidence that the case does not hold and that would settle more.
type Missing struct {
	Kind  evidence.Kind `json:"kind"`
	How   Text          `json:"how"`   // the exact command or call that records it
	Cost  Text          `json:"cost"`  // what recording it costs the process
	Would Text          `json:"would"` // what it would show
}
