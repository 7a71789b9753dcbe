// Package report is the document an inquest ends in. The JSON form is the
// contract; Markdown, HTML and the terminal view are written from the same Report
// and hold nothing that JSON lacks.
package report

import (
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Schema names the JSON contract. Fields are only ever added to it.
const Schema = "inquest/report/v1"

// Report is the outcome of one inquest. docs/json.md describes it field by field.
type Report struct {
	Schema    string           `json:"schema"`
	SelfHash  string           `json:"content_sha256,omitempty"` // of the document as WriteJSON writes it, but for this line
	Tool      Tool             `json:"tool"`
	Command   string           `json:"command,omitempty"`      // that made it, without what only says where it goes
	Argv      []string         `json:"command_argv,omitempty"` // the same as words
	Redacted  *Redaction       `json:"redacted,omitempty"`     // what was taken out; nil when nothing
	Case      Case             `json:"case"`
	Exhibits  []Exhibit        `json:"exhibits"`
	Accounts  []claim.Account  `json:"accounts,omitempty"` // where it all went; of one name, the one that tells most comes first
	Verdicts  []claim.Verdict  `json:"verdicts"`
	Findings  []claim.Finding  `json:"findings"`
	Chains    []claim.Chain    `json:"chains"`
	Quality   []Quality        `json:"quality"`
	Focus     *Focus           `json:"focus,omitempty"`
	Limits    []claim.LimitUse `json:"limits"`             // the limits that were overridden
	Only      []string         `json:"only,omitempty"`     // detectors that alone ran; empty when all did
	Skip      []string         `json:"skip,omitempty"`     // detectors that were left out
	Baseline  []string         `json:"baseline,omitempty"` // fingerprints of known findings that were given
	Timelines []Timeline       `json:"timelines"`          // one per execution trace: what the pictures are drawn from
	Bars      []Bars           `json:"bars"`               // worst sites of the last exhibit of each kind and build
	Growth    []Growth         `json:"growth"`             // live heap by site, first against last heap profile of a build

	Flames        []Flame        `json:"flames,omitempty"`        // of the profiles that chains rest on
	Distributions []Distribution `json:"distributions,omitempty"` // of the traces that chains rest on
	Curves        []Curve        `json:"curves,omitempty"`        // over several exhibits of a kind, or over the time of a log
	LockMoments   []LockMoment   `json:"lock_moments,omitempty"`  // of the locks that findings name

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

// Timeline is an execution trace as drawn: one value per step in every series.
type Timeline struct {
	Exhibit  string      `json:"exhibit"`
	Step     int64       `json:"step_ns"`
	Duration int64       `json:"duration_ns"`
	Running  []float64   `json:"running"`         // goroutines, averaged over the step
	Runnable []float64   `json:"runnable"`        // goroutines waiting for a processor, averaged
	Waiting  []float64   `json:"waiting"`         // goroutines blocked, averaged, the runtime's own left out
	Syscall  []float64   `json:"syscall"`         // goroutines in system calls, averaged
	SyncWait []float64   `json:"sync_wait"`       // of Waiting: for a Mutex or RWMutex
	Procs    [][]float64 `json:"procs"`           // [proc][step]: share of the step it ran
	GC       []float64   `json:"gc"`              // share of the step in a mark phase
	Marks    []Span      `json:"marks"`           // mark phases in order, the longest MaxMarks of them
	Heap     []HeapPoint `json:"heap"`            // in order, at most MaxHeapPoints
	Pauses   []Pause     `json:"pauses"`          // in order, the longest MaxPauses of them
	Locks    []SiteWaits `json:"locks,omitempty"` // the sites with most waiting for locks
}

// Span is a stretch of a timeline.
type Span struct {
	From int64 `json:"from_ns"`
	To   int64 `json:"to_ns"`
}

// HeapPoint is the heap at one moment of a timeline.
type HeapPoint struct {
	At   int64  `json:"at_ns"`
	Live uint64 `json:"live_bytes"`
	Goal uint64 `json:"goal_bytes"` // 0 when not known yet
}

// Pause is one stop-the-world range of a timeline.
type Pause struct {
	From      int64      `json:"from_ns"`
	To        int64      `json:"to_ns"`
	Effective int64      `json:"effective_ns"`
	Reason    claim.Text `json:"reason"`
}

// Bars is a ranked list of sites.
type Bars struct {
	Exhibit string            `json:"exhibit"`
	Title   claim.Text        `json:"title"` // what is ranked, such as "delay by site"
	Total   evidence.Quantity `json:"total"`
	Rows    []Bar             `json:"rows"`
}

// Bar is one site of Bars.
type Bar struct {
	Site  claim.Site        `json:"site"`
	Value evidence.Quantity `json:"value"`
}

// Growth is what changed between two exhibits of one kind and build, by site.
type Growth struct {
	From   string            `json:"from"` // exhibit id of the earlier one
	To     string            `json:"to"`   // exhibit id of the later one
	Title  claim.Text        `json:"title"`
	Before evidence.Quantity `json:"before"` // total of the earlier one
	After  evidence.Quantity `json:"after"`  // total of the later one
	Rows   []Grown           `json:"rows"`   // largest change first
}

// Grown is one site of Growth.
type Grown struct {
	Site   claim.Site        `json:"site"`
	Before evidence.Quantity `json:"before"`
	After  evidence.Quantity `json:"after"`
}

// Widest is the larger total, which both bars of a growth row are drawn against.
func (g Growth) Widest() evidence.Quantity {
	widest := evidence.Quantity{Unit: g.After.Unit}
	for _, row := range g.Rows {
		widest.Number = max(widest.Number, row.Before.Number, row.After.Number)
	}
	return widest
}
