package report

import (
	"cmp"
	"io"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
)

// IndexSchema names the JSON contract of an index. Fields are only ever added to it.
const IndexSchema = "inquest/index/v1"

// Index lists the cases of one run, worst first.
type Index struct {
	Schema   string      `json:"schema"`
	Tool     Tool        `json:"tool"`
	Command  string      `json:"command,omitempty"`
	Argv     []string    `json:"command_argv,omitempty"` // the same as words
	Redacted *Redaction  `json:"redacted,omitempty"`
	Cases    []IndexCase `json:"cases"`
	// PassedOver names the folders that hold nothing to read, and so are no cases.
	PassedOver []string `json:"passed_over"`
}

// Results of a case in an index.
const (
	CaseFound  = "found"  // there are findings
	CaseClear  = "clear"  // there are none
	CaseFailed = "failed" // it could not be analysed
)

// IndexCase is one case: what stands at the top of its report.
type IndexCase struct {
	Case        string           `json:"case"`
	Result      string           `json:"result"`
	Severity    claim.Severity   `json:"severity"`             // of its worst chain; none when there is none
	Confidence  claim.Confidence `json:"confidence,omitempty"` // of that chain
	Verdict     string           `json:"verdict"`              // sentence; why it failed, where it did
	Detector    string           `json:"detector,omitempty"`   // of the root of that chain
	Title       string           `json:"title,omitempty"`      // of that root
	Site        claim.Site       `json:"site"`                 // of that root
	Fingerprint string           `json:"fingerprint,omitempty"`
	Findings    int              `json:"findings"`
	Exhibits    int              `json:"exhibits"`
	Bytes       int64            `json:"bytes"`          // of its files together
	From        *time.Time       `json:"from,omitempty"` // first moment that an exhibit with a clock covers
	Reports     []string         `json:"reports"`        // files, relative to the index
	Kinds       []evidence.Kind  `json:"kinds"`
	Accounts    []string         `json:"accounts,omitempty"` // where it all went, a sentence each
}

// NewIndex starts an index with what its cases' reports say of themselves.
func NewIndex(tool Tool, argv []string) *Index {
	return &Index{Schema: IndexSchema, Tool: tool, Argv: argv, Command: CommandLine(argv)}
}

// Fail enters a case that could not be analysed.
func (x *Index) Fail(name, why string) {
	x.Cases = append(x.Cases, IndexCase{Case: name, Result: CaseFailed, Verdict: why})
}

// Sort puts the cases in order: severity, confidence, name. Those that failed
// come before those in which nothing was found.
func (x *Index) Sort() {
	rank := func(c IndexCase) int { return slices.Index([]string{CaseFound, CaseFailed, CaseClear}, c.Result) }
	sure := func(c IndexCase) int {
		return slices.Index([]claim.Confidence{claim.High, claim.Medium, claim.Low}, c.Confidence)
	}
	slices.SortStableFunc(x.Cases, func(a, b IndexCase) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Severity, b.Severity), cmp.Compare(sure(a), sure(b)), cmp.Compare(a.Case, b.Case))
	})
}

// WriteIndexJSON writes x as the JSON contract.
func WriteIndexJSON(w io.Writer, x *Index) error {
	x.Sort()
	clone := *x
	safe.Validate(&clone)
	return safe.WriteJSON(w, clone, nil)
}
