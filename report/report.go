// Package report is the document an inquest ends in. The JSON form is the
// contract; Markdown, HTML and the terminal view are written from the same Report
// and hold nothing that JSON lacks.
package report

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/figure"
)

// Schema names the JSON contract. Fields are only ever added to it.
const Schema = "inquest/report/v1"

// Report is the outcome of one inquest. docs/json.md describes it field by field.
type Report struct {
	Schema   string           `json:"schema"`
	SelfHash string           `json:"content_sha256,omitempty"` // of the document as WriteJSON writes it, but for this line
	Tool     Tool             `json:"tool"`
	Command  string           `json:"command,omitempty"`      // that made it, without what only says where it goes
	Argv     []string         `json:"command_argv,omitempty"` // the same as words
	Redacted *Redaction       `json:"redacted,omitempty"`     // what was taken out; nil when nothing
	Case     Case             `json:"case"`
	Exhibits []Exhibit        `json:"exhibits"`
	Accounts []claim.Account  `json:"accounts,omitempty"` // where it all went; of one name, the one that tells most comes first
	Verdicts []claim.Verdict  `json:"verdicts"`
	Findings []claim.Finding  `json:"findings"`
	Chains   []claim.Chain    `json:"chains"`
	Quality  []Quality        `json:"quality"`
	Focus    *Focus           `json:"focus,omitempty"`
	Limits   []claim.LimitUse `json:"limits"`             // the limits that were overridden
	Only     []string         `json:"only,omitempty"`     // detectors that alone ran; empty when all did
	Skip     []string         `json:"skip,omitempty"`     // detectors that were left out
	Baseline []string         `json:"baseline,omitempty"` // fingerprints of known findings that were given
	figure.Set

	// Spans says which stretches of the sentences name something, for redaction: see docs/json.md.
	Spans map[string]string `json:"spans,omitempty"`

	altered bool // it was read from a file that is not what its own hash says
}

// Tool is the program that wrote the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Revision of the source it was built from, with "+dirty" when that had been changed; empty when the build does not say.
	Revision string `json:"revision,omitempty"`
}

// Case is what the evidence says about the process as a whole.
type Case struct {
	Title      string `json:"title"`
	GoVersion  string `json:"go_version,omitempty"`
	GOMAXPROCS int    `json:"gomaxprocs,omitempty"`
	Window     Window `json:"window"`
}

// Window is the wall-clock stretch the timed evidence covers.
type Window struct {
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
}

// Exhibit is one piece of evidence, as the chain of custody lists it.
type Exhibit struct {
	ID         string            `json:"id"`
	Path       string            `json:"path"`
	Part       claim.Text        `json:"part,omitempty"`
	SHA256     string            `json:"sha256"`
	Bytes      int64             `json:"bytes"`
	Kind       evidence.Kind     `json:"kind"`
	Coverage   evidence.Coverage `json:"coverage"`
	Followed   bool              `json:"followed,omitempty"` // it lies behind a symbolic link that leaves the folder
	CapturedAt *time.Time        `json:"captured_at,omitempty"`
	Duration   int64             `json:"duration_ns,omitempty"`
	BuildID    string            `json:"build_id,omitempty"`
	GoVersion  string            `json:"go_version,omitempty"`
	Totals     []Total           `json:"totals"` // what it holds in all, such as total delay or goroutines
	Problems   []claim.Text      `json:"problems"`
}

// Total is one sum over an exhibit.
type Total struct {
	Name string `json:"name"`
	evidence.Quantity
}

// Quality is a remark on how good the evidence is.
type Quality struct {
	Exhibit string     `json:"exhibit,omitempty"`
	Says    claim.Text `json:"says"`
}

// Focus says what the analysis was restricted to and what became of the evidence.
// Exhibits that were left out are listed here alone.
type Focus struct {
	Label    string    `json:"label,omitempty"` // key=value
	Task     string    `json:"task,omitempty"`
	From     string    `json:"from,omitempty"` // as given: an offset or RFC 3339
	To       string    `json:"to,omitempty"`
	Exhibits []Focused `json:"exhibits"`
}

// Focused is what became of one exhibit.
type Focused struct {
	Exhibit string     `json:"exhibit"`
	Path    string     `json:"path"`
	Result  string     `json:"result"` // "kept", "restricted" or "left out"
	Says    claim.Text `json:"says"`   // how much, or why; empty when all of it is in focus
}
