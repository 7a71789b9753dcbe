package figure

import (
	"slices"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// LockMoment is what happened to a lock around the longest wait for it that a trace shows.
type LockMoment struct {
	Exhibit string     `json:"exhibit"`
	Site    claim.Site `json:"site"`  // where it is waited for
	Class   string     `json:"class"` // "mutex", "rwmutex-read" or "rwmutex-write"
	Longest int64      `json:"longest_ns"`
	Handed  []Handed   `json:"handed"` // in order
}

// Handed is one hand-over of a lock.
type Handed struct {
	Holder int64 `json:"holder"` // goroutine
	From   int64 `json:"from_ns"`
	To     int64 `json:"to_ns"`
	Known  bool  `json:"known"` // when it took the lock; else it held it at least since then
	Waiter int64 `json:"waiter"`
	Since  int64 `json:"since_ns"` // when the waiter came
}

// lockMoments is what happened around the longest waits for the locks that findings name.
func lockMoments(res analyze.Result, findings []*claim.Finding) []LockMoment {
	var out []LockMoment
	for _, e := range res.Bundle.Of(evidence.Trace) {
		for _, m := range e.Trace().Moments {
			if len(out) == MaxLockMoments || len(m.Handed) < 3 || !slices.ContainsFunc(findings, func(f *claim.Finding) bool {
				by := res.Detector(f.Detector)
				return by != nil && by.Moments && slices.ContainsFunc(f.Sites, func(s claim.Site) bool { return s.Function == m.Site.Function })
			}) {
				continue
			}
			moment := LockMoment{Exhibit: e.ID, Site: claim.Site(m.Site), Class: string(m.Class), Longest: int64(m.Longest)}
			for _, h := range m.Handed {
				moment.Handed = append(moment.Handed, Handed{h.Holder, int64(h.From), int64(h.To), h.Known, h.Waiter, int64(h.Since)})
			}
			out = append(out, moment)
		}
	}
	return out
}
