package exectrace

import (
	"time"

	"inquest/internal/evidence/bound"
)

// AssistTime is the processor time that goroutines were made to mark for. Their
// wall time would count those that wait in an assist as well.
func (t *Timeline) AssistTime() (sum time.Duration) {
	for i := range t.Assists {
		sum += t.Assists[i].Running
	}
	return sum
}

// CollectorTime is the processor time of the collector, idle-mode workers left out.
func (t *Timeline) CollectorTime() time.Duration {
	return t.GCWork.Dedicated + t.GCWork.Fractional + t.AssistTime() + t.Sweep
}

// MarkTime is the time with a mark phase under way.
func (t *Timeline) MarkTime() (sum time.Duration) {
	for _, c := range t.Cycles {
		sum += c.To - c.From
	}
	return sum
}

// GapTime is the time in which the machine ran no thread of the program although work was runnable.
func (t *Timeline) GapTime() (sum time.Duration) {
	for _, g := range t.Gaps {
		sum += g.To - g.From
	}
	return sum
}

// ProcTime is all the processor time there was in a trace.
func (t *Timeline) ProcTime() time.Duration {
	return time.Duration(t.Procs.Max) * t.Duration
}

// MutatorTime is the processor time spent outside the collector's own workers.
func (t *Timeline) MutatorTime() time.Duration {
	return max(t.Procs.Running-t.GCWork.Dedicated-t.GCWork.Fractional-t.GCWork.Idle, 0)
}

// BusiestGroup is the group of goroutines that ran longest, the runtime's own apart; nil when there is none.
func (t *Timeline) BusiestGroup() (top *Group) {
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && (top == nil || g.Slices.Sum > top.Slices.Sum) {
			top = g
		}
	}
	return top
}

// Ran is how long all goroutines of a trace ran.
func (t *Timeline) Ran() (sum time.Duration) {
	for i := range t.Groups {
		sum = bound.Add(sum, t.Groups[i].Slices.Sum)
	}
	return sum
}
