package report

import (
	"io"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/compare"
	"inquest/internal/figure"
	"inquest/internal/safe"
)

// DiffSchema names the JSON contract of a comparison. Fields are only ever added to it.
const DiffSchema = "inquest/diff/v1"

// Diff is the document of one comparison. docs/json.md describes it field by field.
type Diff struct {
	Schema   string       `json:"schema"`
	Tool     Tool         `json:"tool"`
	Command  string       `json:"command,omitempty"`      // that made it, without what only says where it goes
	Argv     []string     `json:"command_argv,omitempty"` // the same as words
	Redacted *Redaction   `json:"redacted,omitempty"`     // what was taken out; nil when nothing
	Settings DiffSettings `json:"settings"`
	Before   DiffSide     `json:"before"`
	After    DiffSide     `json:"after"`
	compare.Result
	Accounts []claim.AccountChange `json:"accounts,omitempty"` // where it all went, before and after, where both sides show it
}

// DiffSettings are the choices a comparison was made with.
type DiffSettings struct {
	MinEffect evidence.Quantity   `json:"min_effect"` // part of the whole
	Floors    []evidence.Quantity `json:"floors"`     // absolute sizes that replace the built-in ones
	Renames   []Rename            `json:"renames"`
	Strict    bool                `json:"strict"`
}

// Rename is a function or package that has another name on the after side.
type Rename struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// DiffSide is one side of a comparison.
type DiffSide struct {
	Title      string    `json:"title"`
	GoVersion  string    `json:"go_version,omitempty"`
	GOMAXPROCS int       `json:"gomaxprocs,omitempty"`
	Ops        float64   `json:"ops,omitempty"` // operations each profile covers
	Exhibits   []Exhibit `json:"exhibits"`
	Others     []string  `json:"others"` // benchmark output and saved reports that were read
	// Timelines is the newest execution trace, where both sides have one.
	Timelines []figure.Timeline `json:"timelines,omitempty"`
}

// NewDiff fills the document of a comparison.
func NewDiff(before, after *compare.Side, res *compare.Result, opt compare.Options, others [2][]string, version string, strict bool) *Diff {
	d := &Diff{Schema: DiffSchema, Tool: Tool{Name: "inquest", Version: version}, Result: *res}
	d.Settings.MinEffect = evidence.Of(opt.MinEffect, evidence.Share)
	if opt.MinEffect <= 0 {
		d.Settings.MinEffect.Number = compare.DefaultMinEffect
	}
	d.Settings.Strict = strict
	for u, f := range opt.Floors {
		d.Settings.Floors = append(d.Settings.Floors, evidence.Quantity{Number: f, Unit: u})
	}
	slices.SortFunc(d.Settings.Floors, func(a, b evidence.Quantity) int { return strings.Compare(string(a.Unit), string(b.Unit)) })
	for from, to := range opt.Rename {
		d.Settings.Renames = append(d.Settings.Renames, Rename{from, to})
	}
	slices.SortFunc(d.Settings.Renames, func(a, b Rename) int { return strings.Compare(a.From, b.From) })
	for i, s := range []*compare.Side{before, after} {
		side := DiffSide{Title: s.Title, GoVersion: s.GoVersion, GOMAXPROCS: s.GOMAXPROCS, Ops: s.Ops, Others: others[i]}
		for _, e := range s.Exhibits {
			side.Exhibits = append(side.Exhibits, exhibit(e))
		}
		if i == 0 {
			d.Before = side
		} else {
			d.After = side
		}
	}
	if a, b := newestTrace(before), newestTrace(after); a != nil && b != nil {
		d.Before.Timelines, d.After.Timelines = []figure.Timeline{figure.TimelineOf(a)}, []figure.Timeline{figure.TimelineOf(b)}
	}
	safe.Validate(d)
	return d
}

// newestTrace is the execution trace of a side that was taken last; nil where there is none.
func newestTrace(s *compare.Side) (newest *evidence.Exhibit) {
	for _, e := range s.Exhibits {
		if e.Kind == evidence.Trace && e.Coverage != evidence.None && (newest == nil || !e.CapturedAt.Before(newest.CapturedAt)) {
			newest = e
		}
	}
	return newest
}

// Saved returns what a report keeps of quantities that can be compared with those of another case.
func Saved(r *Report) []compare.Saved {
	exhibits := map[string]*Exhibit{}
	for i := range r.Exhibits {
		exhibits[r.Exhibits[i].ID] = &r.Exhibits[i]
	}
	var out []compare.Saved
	for _, b := range r.Bars {
		e, name := exhibits[b.Exhibit], b.Compared()
		if e == nil || name == "" {
			continue
		}
		s := compare.Saved{Exhibit: e.ID, Kind: e.Kind, Name: name, Duration: time.Duration(e.Duration), Total: b.Total.Number, Sites: map[string]float64{}}
		for _, row := range b.Rows {
			s.Sites[row.Site.Function] += row.Value.Number
		}
		for _, t := range e.Totals {
			if t.Name == "samples" || t.Name == "contentions" {
				s.Events = t.Number
			}
		}
		out = append(out, s)
	}
	return out
}

// WriteDiffJSON writes d as the JSON contract.
func WriteDiffJSON(w io.Writer, d *Diff) error {
	return safe.WriteJSON(w, d, nil)
}
