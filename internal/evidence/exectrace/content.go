package exectrace

import (
	"maps"
	"slices"
	"time"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Totals adds it up.
func (t *Timeline) Totals() (out content.Totals) {
	var created, ended int64
	for _, g := range t.Groups {
		if !g.System {
			created += g.Created
			ended += g.Ended
		}
	}
	var marking, longest, stopped time.Duration
	for _, c := range t.Cycles {
		marking += c.To - c.From
	}
	for _, p := range t.Pauses {
		longest = max(longest, p.Effective)
		stopped += p.Effective
	}
	out.Count("events", t.Events)
	out.Count("goroutines created", created)
	out.Count("goroutines ended", ended)
	out.Count("goroutines waiting at the end", int64(t.OpenCount))
	out.Time("processors running", t.Procs.Running)
	out.Time("processors idle", t.Procs.Idle)
	out.Time("processors idle with runnable goroutines", t.Procs.IdleWithDemand)
	out.Time("runnable", t.Latency.Total)
	byClass := map[wait.Class]time.Duration{}
	for _, w := range t.Waits {
		byClass[w.Class] += w.Total
	}
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		out.Time("waits: "+string(class), byClass[class])
	}
	var syscalls time.Duration
	for _, w := range t.Syscalls {
		syscalls += w.Total
	}
	var samples int64
	for _, s := range t.Samples {
		samples += s.Count
	}
	out.Time("system calls", syscalls)
	out.Count("GC mark phases", int64(len(t.Cycles)))
	out.Time("time in GC mark phases", marking)
	out.Count("stop-the-world pauses", int64(len(t.Pauses)))
	out.Time("world stopped, effective", stopped)
	out.Time("longest effective pause", longest)
	out.Count("CPU samples", samples)
	return out
}

// EachStack hands over the stacks of waits and of who held locks.
func (t *Timeline) EachStack(take func(stack.Stack)) {
	for i := range t.Waits {
		take(t.Waits[i].Stack)
	}
	for i := range t.Holders {
		take(t.Holders[i].Unlock)
		take(t.Holders[i].Waiter)
	}
}

// EachLabel hands over nothing.
func (t *Timeline) EachLabel(func(key, value string)) {}

// Labelled keeps nothing.
func (t *Timeline) Labelled(string, string) content.Part {
	return content.Part{Says: "execution traces carry no labels (golang/go#56295)"}
}

// Cut says what of the trace was read, where that was a window of it.
func (t *Timeline) Cut() (content.Part, bool) {
	n := t.Narrowed
	switch {
	case n == Narrowed{}:
		return content.Part{}, false
	case n.Outside:
		return content.Part{Says: prose.Textf("the window lies outside of its %s", quantity.Duration(n.Of))}, true
	}
	says := prose.Textf("%s from offset %s on, of about %s, and offsets count from there; what was under way at an edge counts with its part inside, as at the ends of a trace",
		quantity.Duration(t.Duration), quantity.Duration(n.From), quantity.Duration(n.Of))
	if n.Skipped > 0 {
		says += prose.Textf("; not decoded, because outside: %s", quantity.Things(n.Skipped, "generation"))
	}
	return content.Part{Content: t, Says: says}, true
}

// OfTask keeps one type of user task. What goroutines did inside regions of such tasks was told apart as the trace
// was read.
func (t *Timeline) OfTask(name string) content.Part {
	left := *t
	left.Tasks = nil
	for _, task := range t.Tasks {
		if task.Name == name {
			left.Tasks = append(left.Tasks, task)
		}
	}
	if len(left.Tasks) == 0 {
		return content.Part{Says: "it holds no task of this type"}
	}
	others := prose.Text("")
	if n := len(t.Tasks) - len(left.Tasks); n > 0 {
		others = quantity.Things(n, "other task type") + " left out; "
	}
	if t.InFocus == 0 {
		return content.Part{Content: &left, Says: others + "no goroutine was in a region of such a task (runtime/trace.WithRegion), so regions, waits, wake-ups and lock holders are those of all goroutines"}
	}
	return content.Part{
		Content: &left,
		Apart:   prose.Textf("narrowed to regions of tasks of type %s: what it does not show there may well be outside", name),
		Says:    others + prose.Textf("waits, wake-ups, lock holders and logs are those inside %s of such tasks; what goroutines ran, processors, pauses and the collector are those of all", quantity.Things(int(t.InFocus), "region")),
	}
}
