package redact

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"inquest/internal/safe"
	"inquest/report/internal/tokens"
)

// MappingSchema names the format of a mapping's file.
const MappingSchema = "inquest/mapping/v1"

// Mapping says which token stands for which name. The zero value is empty and is
// not kept; NewMapping makes one to be kept.
type Mapping struct {
	ID     string // tells mappings apart; empty for one that is not kept
	number map[string]map[string]int
}

// NewMapping returns an empty mapping with an id of its own.
func NewMapping() *Mapping {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return &Mapping{ID: hex.EncodeToString(id[:])}
}

// token returns what stands for a name.
func (m *Mapping) token(kind, name string) string {
	if m.number == nil {
		m.number = map[string]map[string]int{}
	}
	if m.number[kind] == nil {
		m.number[kind] = map[string]int{}
	}
	n, ok := m.number[kind][name]
	if !ok {
		n = len(m.number[kind]) + 1
		m.number[kind][name] = n
	}
	return kind + strconv.Itoa(n)
}

type mappingFile struct {
	Schema string         `json:"schema"`
	ID     string         `json:"id"`
	Tokens []mappingEntry `json:"tokens"`
}

type mappingEntry struct {
	Token string `json:"token"`
	Name  string `json:"stands_for"`
}

// Write writes the mapping as JSON, in the order of its tokens.
func (m *Mapping) Write(w io.Writer) error {
	out := mappingFile{Schema: MappingSchema, ID: m.ID, Tokens: []mappingEntry{}}
	for _, kind := range tokens.Kinds {
		names := make([]string, len(m.number[kind]))
		for name, n := range m.number[kind] {
			names[n-1] = name
		}
		for i, name := range names {
			out.Tokens = append(out.Tokens, mappingEntry{kind + strconv.Itoa(i+1), name})
		}
	}
	return safe.WriteJSON(w, out, nil)
}

// ReadMapping reads a mapping that Write wrote.
func ReadMapping(r io.Reader) (*Mapping, error) {
	text, err := io.ReadAll(io.LimitReader(r, safe.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	var in mappingFile
	if err := safe.ReadJSON(text, &in); err != nil || len(text) > safe.MaxDocument || in.Schema != MappingSchema || in.ID == "" {
		return nil, fmt.Errorf("not a mapping: want JSON of schema %q with an id", MappingSchema)
	}
	m := &Mapping{ID: in.ID, number: map[string]map[string]int{}}
	for _, e := range in.Tokens {
		parts := tokens.Alone.FindStringSubmatch(e.Token)
		if parts == nil {
			return nil, fmt.Errorf("not a mapping: token %q", safe.Clean(e.Token))
		}
		kind := parts[1]
		n, _ := strconv.Atoi(parts[2])
		if m.number[kind] == nil {
			m.number[kind] = map[string]int{}
		}
		// Tokens are numbered without gaps, so that the next one is free.
		if _, double := m.number[kind][e.Name]; double || n != len(m.number[kind])+1 {
			return nil, fmt.Errorf("not a mapping: token %q stands twice or out of order", e.Token)
		}
		m.number[kind][e.Name] = n
	}
	return m, nil
}

// fieldKind is what a string of a document is, for redaction.
type fieldKind int

// The kinds of strings. What is none of them is a sentence of ours.
const (
	aSentence    fieldKind = iota
	kept                   // ids, hashes, and words that are ours alone
	aFunction              // name of a function
	aFile                  // source file
	aPath                  // path or name of an exhibit
	aTitle                 // of a case: no sentence names it
	aLabel                 // key=value
	aText                  // as the evidence has it
	anInvocation           // the command that made the document, which Report and Diff replace as a whole
	aBenchmark             // name of a benchmark
	aSource                // a word of ours and a file's name
	aColumn                // of a profile, or its unit: ours, or whatever a program writes
	aVersion               // of Go
	aBuild                 // id of a build
)

// fields says what each string of the documents is. A test holds it to the types:
// a field that is not listed is treated as a sentence.
var fields = func() map[string]fieldKind {
	m := map[string]fieldKind{}
	for of, names := range map[fieldKind]string{
		kept: `report.Report.Spans report.Report.Schema report.Report.SelfHash report.Report.Only report.Report.Skip report.Report.Baseline report.Tool.Name report.Tool.Version report.Tool.Revision
			report.Exhibit.ID report.Exhibit.SHA256 report.Exhibit.Kind report.Exhibit.Coverage
			report.Quality.Exhibit report.Focus.From report.Focus.To report.Focused.Exhibit report.Focused.Result
			figure.Flame.Exhibit figure.Flame.Findings figure.Distribution.Exhibit figure.Distribution.Findings figure.Curve.Exhibits figure.Curve.Unit
			figure.LockMoment.Exhibit figure.LockMoment.Class claim.WaitGraph.Exhibit
			figure.Timeline.Exhibit figure.Bars.Exhibit figure.Growth.From figure.Growth.To
			report.Redaction.Level report.Redaction.Mapping
			claim.Verdict.Detector claim.Verdict.Result claim.Finding.ID claim.Finding.Fingerprint claim.Finding.Detector claim.Finding.Confidence
			claim.Fact.Exhibit claim.Account.Name claim.Account.Exhibit claim.Account.Kind claim.Account.Unit claim.AccountPart.Kind claim.AccountChange.Name claim.AccountChange.Unit claim.AccountSum.Exhibit claim.PartChange.Kind claim.LimitUse.Name claim.Check.Kind claim.Check.Result
			claim.Chain.ID claim.Chain.Confidence claim.Chain.Root claim.Chain.Findings claim.Link.From claim.Link.To claim.Link.Relation claim.Missing.Kind
			report.Diff.Schema
			compare.Result.Verdict compare.Kind.Kind compare.Kind.Verdict compare.Kind.Before compare.Kind.After
			compare.Measure.Per compare.Measure.Verdict compare.Measure.Method compare.Change.Reach compare.Distribution.Verdict compare.Distribution.Method
			compare.Benchmark.Unit compare.Benchmark.Verdict compare.FindingChange.Fingerprint compare.FindingChange.Detector
			compare.FindingState.ID compare.FindingState.Confidence compare.Trend.Name compare.Trend.Side compare.Trend.Exhibits
			compare.Result.Rank compare.Reason.Rank compare.Reason.Kind compare.Undecided.Kind compare.Work.By compare.WorkSource.Name`,
		aSentence: `report.Exhibit.Part report.Exhibit.Problems report.Quality.Says report.Focused.Says figure.Pause.Reason
			figure.Flame.Title figure.Distribution.Title figure.Distribution.Noun figure.Curve.Title figure.CurveLine.Name claim.WaitStep.State claim.WaitStep.Lock
			figure.Bars.Title figure.Growth.Title claim.Verdict.Why claim.Finding.Title claim.Finding.Variant claim.Finding.Summary
			claim.Finding.Caveats claim.Finding.Next claim.Finding.Sketch claim.Fact.Says claim.Whole.What claim.Account.What claim.Account.Summary claim.AccountPart.What claim.AccountSum.Summary claim.PartChange.What
			claim.Check.Why claim.Chain.Title claim.Chain.Narrative claim.Link.Why claim.Missing.How claim.Missing.Cost claim.Missing.Would
			compare.Result.Why compare.Reason.Says compare.Undecided.Why compare.Work.Why compare.Kind.Why compare.Kind.Record compare.Measure.Name compare.Measure.Why compare.Change.Note compare.Distribution.Name
			compare.Distribution.Why compare.Moved.Why compare.Benchmark.Warnings compare.FindingChange.Title compare.FindingChange.Why compare.FindingState.Summary`,
		aFunction: `claim.Site.Function claim.Location.Function compare.Change.Function compare.WorkSource.At compare.Change.Path compare.Moved.From compare.Moved.To
			compare.Node.Function figure.FlameNode.Function compare.TrendSite.Function report.Rename.From report.Rename.To`,
		aFile:        `claim.Site.File claim.Location.File compare.Change.File compare.TrendSite.File`,
		aPath:        `report.Exhibit.Path report.Focused.Path`,
		aTitle:       `report.Case.Title report.DiffSide.Title`,
		aLabel:       `report.Focus.Label`,
		aText:        `report.Focus.Task`,
		anInvocation: `report.Report.Command report.Diff.Command report.Report.Argv report.Diff.Argv`,
		aBenchmark:   `compare.Benchmark.Name`,
		aSource:      `report.DiffSide.Others`,
		aColumn:      `report.Total.Name claim.Location.SampleType quantity.Quantity.Unit`,
		aVersion:     `report.Case.GoVersion report.Exhibit.GoVersion report.DiffSide.GoVersion`,
		aBuild:       `report.Exhibit.BuildID`,
	} {
		for _, name := range strings.Fields(names) {
			m[name] = of
		}
	}
	return m
}()
