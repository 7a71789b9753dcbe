package claim

import (
	"slices"

	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

// Durations are single durations that a claim is about, of which an execution trace shows how they are distributed.
type Durations struct {
	Title  Text  // such as "How long each wait here took"
	Noun   Text  // what each of them is, in the plural
	AtSite bool  // they are those of the finding's site alone
	Fewest int64 // fewer of them show no more than the single ones do
	// Of adds them up; site is the function of the finding's site.
	Of func(t *exectrace.Timeline, site string) exectrace.Histogram
}

// FewSamples is how many CPU samples are too few: below, a share of one half has a standard error of 0.05, and one of a
// tenth is known to no better than a third of it.
const FewSamples = 100

// FewestDrawn is how many durations a distribution needs to show more than the single ones do.
const FewestDrawn = 20

// Marks reports whether a limit is one that the distribution of the detector's durations shows.
func (d *Detector) Marks(l *LimitUse) bool {
	return slices.ContainsFunc(d.Limits, func(o Limit) bool { return o.Mark && d.ID+"."+o.Name == l.Name })
}

// WaitTimes are the waits of some classes at a site, or of all of them.
func WaitTimes(classes ...wait.Class) *Durations {
	return &Durations{"How long each wait here took", "waits", true, FewestDrawn, func(t *exectrace.Timeline, site string) (h exectrace.Histogram) {
		for i := range t.Waits {
			if w := &t.Waits[i]; w.Stack.Site().Function == site && (len(classes) == 0 || slices.Contains(classes, w.Class)) {
				h.Merge(&w.Times)
			}
		}
		return h
	}}
}

// HoldTimes are how long a lock was held that is given back at a site.
func HoldTimes() *Durations {
	return &Durations{"How long each hold of the lock here took", "holds", true, FewestDrawn, func(t *exectrace.Timeline, site string) (h exectrace.Histogram) {
		for i := range t.Holders {
			if w := &t.Holders[i]; w.Unlock.Site().Function == site {
				h.Merge(&w.Times)
			}
		}
		return h
	}}
}

// SyscallTimes are the system calls at a site.
func SyscallTimes() *Durations {
	return &Durations{"How long each system call here took", "calls", true, FewestDrawn, func(t *exectrace.Timeline, site string) (h exectrace.Histogram) {
		for i := range t.Syscalls {
			if w := &t.Syscalls[i]; w.Stack.Site().Function == site {
				h.Merge(&w.Times)
			}
		}
		return h
	}}
}

// LatencyTimes are the waits of runnable goroutines for a processor.
func LatencyTimes() *Durations {
	return &Durations{"How long runnable goroutines waited for a processor", "waits", false, FewestDrawn, func(t *exectrace.Timeline, _ string) (h exectrace.Histogram) {
		h.Merge(&t.Latency.Times)
		return h
	}}
}

// PauseTimes are the stops of the world, where there are some at least: a few are worth a picture where they
// are what is complained of.
func PauseTimes(fewest int64) *Durations {
	return &Durations{"How long each stop of the world took", "pauses", false, fewest, func(t *exectrace.Timeline, _ string) (h exectrace.Histogram) {
		for _, p := range t.Pauses {
			h.Add(p.Effective)
		}
		return h
	}}
}
