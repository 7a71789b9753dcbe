// Package report is the document an inquest ends in. The JSON form is the
// contract; Markdown, HTML and the terminal view are written from the same Report
// and hold nothing that JSON lacks.
package report

import (
	"time"

	"inquest/analyze"
	"inquest/analyze/evidence"
)

// Schema names the JSON contract. Fields are only ever added to it.
const Schema = "inquest/report/v1"

// Report is the outcome of one inquest. docs/json.md describes it field by field.
type Report struct {
	Schema    string             `json:"schema"`
	Tool      Tool               `json:"tool"`
	Case      Case               `json:"case"`
	Exhibits  []Exhibit          `json:"exhibits"`
	Verdicts  []analyze.Verdict  `json:"verdicts"`
	Findings  []analyze.Finding  `json:"findings"`
	Chains    []analyze.Chain    `json:"chains"`
	Quality   []Quality          `json:"quality"`
	Limits    []analyze.LimitUse `json:"limits"`    // the limits that were overridden
	Timelines []Timeline         `json:"timelines"` // one per execution trace: what the pictures are drawn from
	Bars      []Bars             `json:"bars"`      // worst sites per exhibit and column
}

// Tool is the program that wrote the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
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
	Part       string            `json:"part,omitempty"`
	SHA256     string            `json:"sha256"`
	Bytes      int64             `json:"bytes"`
	Kind       evidence.Kind     `json:"kind"`
	Coverage   evidence.Coverage `json:"coverage"`
	CapturedAt *time.Time        `json:"captured_at,omitempty"`
	Duration   int64             `json:"duration_ns,omitempty"`
	BuildID    string            `json:"build_id,omitempty"`
	GoVersion  string            `json:"go_version,omitempty"`
	Totals     []Total           `json:"totals"` // what it holds in all, such as total delay or goroutines
	Problems   []string          `json:"problems"`
}

// Total is one sum over an exhibit.
type Total struct {
	Name string `json:"name"`
	evidence.Quantity
}

// Quality is a remark on how good the evidence is.
type Quality struct {
	Exhibit string `json:"exhibit,omitempty"`
	Says    string `json:"says"`
}

// Timeline is an execution trace as drawn: one value per step in every series.
type Timeline struct {
	Exhibit  string      `json:"exhibit"`
	Step     int64       `json:"step_ns"`
	Duration int64       `json:"duration_ns"`
	Running  []float64   `json:"running"`  // goroutines, averaged over the step
	Runnable []float64   `json:"runnable"` //
	Waiting  []float64   `json:"waiting"`  //
	Syscall  []float64   `json:"syscall"`  //
	SyncWait []float64   `json:"sync_wait"`
	Procs    [][]float64 `json:"procs"` // [proc][step]: share of the step it ran
	GC       []float64   `json:"gc"`    // share of the step in a mark phase
	Heap     []float64   `json:"heap_bytes"`
	Goal     []float64   `json:"goal_bytes"`
	Pauses   []Pause     `json:"pauses"`
}

// Pause is one stop-the-world range of a timeline.
type Pause struct {
	From      int64  `json:"from_ns"`
	To        int64  `json:"to_ns"`
	Effective int64  `json:"effective_ns"`
	Reason    string `json:"reason"`
}

// Bars is a ranked list of sites.
type Bars struct {
	Exhibit string            `json:"exhibit"`
	Title   string            `json:"title"` // what is ranked, such as "delay by site"
	Total   evidence.Quantity `json:"total"`
	Rows    []Bar             `json:"rows"`
}

// Bar is one site of Bars.
type Bar struct {
	Site  analyze.Site      `json:"site"`
	Value evidence.Quantity `json:"value"`
}
