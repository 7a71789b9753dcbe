package report

import (
	"slices"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/internal/figure"
)

// option adjusts the document that New fills: what Version and Made return.
type option func(*Report)

// Version names the version of the tool in the document.
func Version(v string) option { return func(r *Report) { r.Tool.Version = v } }

// set returns the different words of a list, sorted.
func set(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// focus says what the evidence was restricted to before it was judged.
func focus(f evidence.Focus, became []evidence.Focused) *Focus {
	if f == (evidence.Focus{}) {
		return nil
	}
	out := &Focus{Task: f.Task, From: f.From.String(), To: f.To.String()}
	if f.Label[0] != "" {
		out.Label = f.Label[0] + "=" + f.Label[1]
	}
	for _, b := range became {
		out.Exhibits = append(out.Exhibits, Focused{b.Exhibit, b.Path, b.Result, b.Says})
	}
	return out
}

// New fills the document from what an analysis found out. It keeps
// res's slices.
func New(res analyze.Result, opts ...option) *Report {
	b, opt := res.Bundle, res.Options
	r := &Report{
		Schema:   Schema,
		Tool:     Tool{Name: "inquest"},
		Case:     Case{Title: b.Title, GoVersion: b.GoVersion(), GOMAXPROCS: b.GOMAXPROCS(), Window: window(b)},
		Accounts: res.Accounts,
		Verdicts: res.Verdicts,
		Findings: res.Findings,
		Chains:   res.Chains,
		Limits:   res.Limits,
		Only:     set(opt.Only),
		Skip:     set(opt.Skip),
		Baseline: set(opt.Accepted),
		Focus:    focus(opt.Evidence.Focus, res.Focused),
		Set:      figure.Of(res),
	}
	for _, q := range res.Quality {
		r.Quality = append(r.Quality, Quality{Exhibit: q.Exhibit, Says: q.Says})
	}
	for _, e := range b.Exhibits {
		r.Exhibits = append(r.Exhibits, exhibit(e))
	}
	for _, opt := range opts {
		opt(r)
	}
	normalise(r)
	r.Seal()
	return r
}

// window is the stretch from the first to the last moment that exhibits with a clock cover.
func window(b *evidence.Bundle) Window {
	var w Window
	for _, e := range b.Exhibits {
		if !evidence.Dated(e.CapturedAt) || !evidence.Dated(e.CapturedAt.Add(e.Duration)) {
			continue
		}
		from, to := e.CapturedAt.UTC().Round(0), e.CapturedAt.Add(e.Duration).UTC().Round(0)
		if w.From == nil || from.Before(*w.From) {
			w.From = &from
		}
		if w.To == nil || to.After(*w.To) {
			w.To = &to
		}
	}
	return w
}

func exhibit(e *evidence.Exhibit) Exhibit {
	out := Exhibit{
		ID: e.ID, Path: e.Path, Part: e.Part, SHA256: e.SHA256, Bytes: e.Bytes, Kind: e.Kind, Coverage: e.Coverage, Followed: e.Followed,
		Duration: int64(e.Duration), BuildID: e.BuildID, GoVersion: e.GoVersion, Problems: e.Problems,
	}
	if evidence.Dated(e.CapturedAt) {
		at := e.CapturedAt.UTC().Round(0)
		out.CapturedAt = &at
	}
	if e.Content != nil {
		for _, t := range e.Content.Totals() {
			out.Totals = append(out.Totals, Total{t.Name, t.Value})
		}
	}
	return out
}
