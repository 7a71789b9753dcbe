package figure

import (
	"slices"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Distribution is how often what took how long.
type Distribution struct {
	Exhibit  string           `json:"exhibit"`
	Title    claim.Text       `json:"title"`
	Site     claim.Site       `json:"site"` // zero for the process as a whole
	Noun     claim.Text       `json:"noun"` // what is counted, such as "waits"
	Findings []string         `json:"findings"`
	Count    int64            `json:"count"`
	P50      int64            `json:"p50_ns"`
	P99      int64            `json:"p99_ns"`
	Max      int64            `json:"max_ns"`
	Limits   []claim.LimitUse `json:"limits"`  // durations that the findings were held against
	Buckets  []Bucket         `json:"buckets"` // half powers of two that hold any, shortest first
}

// Bucket is one step of a Distribution.
type Bucket struct {
	From  int64 `json:"from_ns"`
	To    int64 `json:"to_ns"` // included
	Count int64 `json:"count"`
}

// distributions is how long what the first chains complain of took, as their traces show it.
func distributions(res analyze.Result, findings []*claim.Finding) []Distribution {
	var out []Distribution
	for _, f := range findings {
		by := res.Detector(f.Detector)
		if by == nil || by.Durations == nil || by.Durations.AtSite && f.Site.Function == "" {
			continue
		}
		for _, e := range res.Bundle.Of(evidence.Trace) {
			if !slices.ContainsFunc(f.Evidence, func(fact claim.Fact) bool { return fact.Exhibit == e.ID }) {
				continue
			}
			h := by.Durations.Of(e.Trace(), f.Site.Function)
			if h.Count == 0 || h.Count < by.Durations.Fewest {
				continue
			}
			d := Distribution{Exhibit: e.ID, Findings: []string{f.ID}, Title: by.Durations.Title, Noun: by.Durations.Noun}
			if by.Durations.AtSite {
				d.Site = f.Site
			}
			for _, fact := range f.Evidence {
				if l := fact.Limit; l != nil && fact.Exhibit == e.ID && by.Marks(l) && !slices.Contains(d.Limits, *l) {
					d.Limits = append(d.Limits, *l)
				}
			}
			same := slices.IndexFunc(out, func(o Distribution) bool {
				return o.Exhibit == d.Exhibit && o.Title == d.Title && o.Site.Function == d.Site.Function
			})
			if same >= 0 {
				out[same].Findings = append(out[same].Findings, f.ID)
				for _, l := range d.Limits {
					if !slices.Contains(out[same].Limits, l) {
						out[same].Limits = append(out[same].Limits, l)
					}
				}
				continue
			}
			if len(out) == MaxDistributions {
				continue
			}
			d.Count, d.P50, d.P99, d.Max = h.Count, int64(h.Quantile(0.5)), int64(h.Quantile(0.99)), int64(h.Max)
			for _, bucket := range h.Buckets() {
				d.Buckets = append(d.Buckets, Bucket{int64(bucket.From), int64(bucket.To), bucket.Count})
			}
			out = append(out, d)
		}
	}
	return out
}
