package processor

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// SlowTask claims that some of the tasks or regions that the program marks take far longer than the others.
var SlowTask = &claim.Detector{
	ID:      "slow-task",
	Title:   "Some tasks are far slower than others",
	Process: true,
	Doc: `The program marks what it does with runtime/trace tasks and regions, and one in a hundred of some type takes many times as long as the others do.

**How it is measured.** In a trace, tasks and regions of one name are compared: the 99th percentile with the median. For the slow ones it is told where the time went: regions
say how long their goroutine ran, waited for a processor, stood in system calls or was blocked, and at what. The regions and the log messages that lie
within the worst task, on its goroutine, name the step and the request (log a trace id with trace.Log to have it named).

**When it is wrong.** Types that mean different things under one name (a job type with small and large jobs) spread by nature. Tasks that began before the trace
or end after it are not counted, which hides the slowest in a short trace. Time in regions is of their own goroutine alone: work handed to others counts as blocked.`,
	Limits: []claim.Limit{
		{Name: "min-ratio", Default: evidence.Quantity{Number: 10, Unit: evidence.Ratio},
			Doc:    "99th percentile over the median of tasks or regions of one name",
			Source: "an exponential distribution has 6.6, so ten is not chance around one mean"},
		{Name: "min-time", Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "99th percentile from which a ratio matters",
			Source: "runtime/proc.go, forcePreemptNS: below it the scheduler's turns make such differences"},
		{Name: "min-time-severe", Default: evidence.Duration(100 * time.Millisecond),
			Doc:    "99th percentile from which it is worth a warning, when the ratio is reached as well",
			Source: "by meaning: a tenth of a second is what people notice"},
		{Name: "min-count", Default: evidence.Quantity{Number: 50, Unit: evidence.Count},
			Doc:    "tasks or regions of one name, below which a percentile means little",
			Source: "order statistics: the largest of 50 lies above the 98th percentile in two of three cases"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "tasks and regions by name, with their lengths and where the time of regions went", Run: judge.WorstOf(slowTaskTrace)},
	},
	Fix: []claim.Text{
		"Look at the worst task in the trace's view of user tasks: the step named here is where it differs from the others",
		"If the step waits (cache miss, lock, peer), let the work be done ahead or in the background, or bound it with a deadline",
		"Mark the steps of the task as regions, and log a trace id in it, so that the next trace names step and request",
	},
}

func slowTaskTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	if len(t.Tasks)+len(t.Regions) == 0 {
		return claim.Reading{Silent: "the program marks no tasks or regions (runtime/trace.NewTask, WithRegion)"}
	}
	r := claim.Reading{Says: "no type of task or region has a few that are far slower than the others"}
	most := int64(0)
	for _, x := range []struct {
		what claim.Text
		of   []exectrace.Task
	}{{"task", t.Tasks}, {"region", t.Regions}} {
		for i := range x.of {
			k := &x.of[i]
			most = max(most, k.Count)
			if c, ok := slowTask(in, e, x.what, k); ok {
				r.Candidates = append(r.Candidates, c)
			}
		}
	}
	slices.SortStableFunc(r.Candidates, func(a, b claim.Candidate) int {
		// A task tells whom it hurts, a region only where.
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), -cmp.Compare(a.Variant, b.Variant), -cmp.Compare(a.Facts[0].Value.Number, b.Facts[0].Value.Number), cmp.Compare(a.Summary, b.Summary))
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), reading.MaxSites)]
	if float64(most) < in.Limit("min-count").Number {
		r.Silent = claim.Textf("at most %d tasks or regions of one type ended in the trace", most)
	}
	judge.InPart(&r, e)
	return r
}

func slowTask(in *claim.Input, e *evidence.Exhibit, what claim.Text, k *exectrace.Task) (claim.Candidate, bool) {
	p99, median := k.Times.Quantile(0.99), k.Times.Quantile(0.5)
	ratio := float64(p99) / float64(max(median, 1))
	// Short, or all alike: nothing to tell.
	if float64(p99) < in.Limit("min-time").Number || ratio < in.Limit("min-ratio").Number || len(k.Worst) == 0 {
		return claim.Candidate{}, false
	}
	severity, thin := claim.Info, float64(k.Count) < in.Limit("min-count").Number
	if float64(p99) >= in.Limit("min-time-severe").Number && !thin {
		severity = claim.Warning
	}
	worst := k.Worst[0]
	loc := claim.Location{Goroutine: worst.Goroutine, From: int64(worst.From), To: int64(worst.To)}
	view := claim.TraceView(e, claim.Textf("user-defined %ss, %q", what, k.Name))
	c := claim.Candidate{
		Variant: what.String(), Severity: severity, Thin: thin,
		Summary: claim.Textf("of %s %q one in a hundred takes %s or more, half of them at most %s", evidence.Things(k.Count, what), k.Name, evidence.Duration(p99), evidence.Duration(median)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("99th percentile of %s %q", evidence.Things(k.Count, what), k.Name), Value: evidence.Duration(p99), Limit: in.Against("min-time-severe"), At: loc, Reproduce: view},
			{Exhibit: e.ID, Says: claim.Textf("median of %ss %q", what, k.Name), Value: evidence.Duration(median), At: loc, Reproduce: view},
			{Exhibit: e.ID, Says: "99th percentile over median", Value: evidence.Quantity{Number: ratio, Unit: evidence.Ratio}, Limit: in.Against("min-ratio"), At: loc, Reproduce: view},
			{Exhibit: e.ID, Says: claim.Textf("the longest %s, of goroutine %d", what, worst.Goroutine), Value: evidence.Duration(worst.To - worst.From), At: loc,
				Reproduce: claim.TraceView(e, claim.Textf("goroutine %d at %s", worst.Goroutine, evidence.Duration(worst.From)))},
		},
	}
	if what == "task" {
		if step, d := stepOf(e.Trace(), worst); d > 0 {
			c.Summary += claim.Textf("; the longest, of %s, spent %s in the region %q", evidence.Duration(worst.To-worst.From), evidence.Duration(d), step.Name)
			c.Facts = append(c.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time of the longest task in its region %q", step.Name), Value: evidence.Duration(d), Of: claim.PartOf(evidence.Duration(worst.To-worst.From), "the longest task"), At: loc, Reproduce: view})
			c.Facts = append(c.Facts, spent(e, step, loc, view)...)
		}
	} else {
		c.Facts = append(c.Facts, spent(e, k, loc, view)...)
	}
	if len(k.Blocked) > 0 {
		judge.AddSites(&c, k.Blocked[0].Stack.Site())
	}
	if message := loggedIn(e.Trace(), worst); message != "" {
		c.Facts[3].Says += claim.Textf(", which logged %s", message)
		c.Summary += claim.Textf("; the longest logged %s", message)
	}
	return c, true
}

// stepOf returns the region type with the longest known region within a span of
// one goroutine.
func stepOf(t *exectrace.Timeline, span exectrace.Span) (step *exectrace.Task, longest time.Duration) {
	for i := range t.Regions {
		for _, w := range t.Regions[i].Worst {
			if w.Goroutine == span.Goroutine && w.From >= span.From && w.To <= span.To && w.To-w.From > longest {
				step, longest = &t.Regions[i], w.To-w.From
			}
		}
	}
	return step, longest
}

// What a fact is made of, and how much of a log is quoted: lists are for people, and decide nothing.
const (
	worthAFact = 20 // one part of so many of the time
	maxLogs    = 3  // messages
	maxLog     = 80 // characters of one
)

// spent says where the time of regions went, in all and at the place that took most.
func spent(e *evidence.Exhibit, k *exectrace.Task, at claim.Location, view claim.Command) []claim.Fact {
	all := k.Times.Sum
	whole := claim.PartOf(evidence.Duration(all), claim.Textf("all regions %q", k.Name))
	var out []claim.Fact
	for _, x := range []struct {
		says claim.Text
		d    time.Duration
	}{{"running", k.Running}, {"waiting for a processor", k.Runnable}, {"in system calls", k.Syscall}} {
		if x.d*worthAFact >= all && x.d > 0 {
			out = append(out, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time of regions %q spent %s", k.Name, x.says), Value: evidence.Duration(x.d), Of: whole, At: at, Reproduce: view})
		}
	}
	for _, b := range k.Blocked[:min(len(k.Blocked), 3)] {
		if b.Total*worthAFact >= all {
			out = append(out, claim.Fact{Exhibit: e.ID, Says: claim.Textf("time of regions %q spent blocked in %s (%s)", k.Name, claim.Func(b.Stack.Site().Function), b.Class), Value: evidence.Duration(b.Total), Of: whole,
				At: claim.At(b.Stack.Site()), Reproduce: view})
		}
	}
	return out
}

// loggedIn returns what was logged on a goroutine within a span, such as the
// trace id that names the request; a few messages, in order.
func loggedIn(t *exectrace.Timeline, span exectrace.Span) claim.Text {
	var said []claim.Text
	for _, l := range t.Logs {
		if l.Goroutine != span.Goroutine || l.At < span.From || l.At > span.To || len(said) == maxLogs {
			continue
		}
		message := l.Message
		if r := []rune(message); len(r) > maxLog {
			message = string(r[:maxLog]) + "..."
		}
		if l.Category != "" {
			message = l.Category + "=" + message
		}
		said = append(said, claim.Textf("%q", message))
	}
	return claim.Join(said, ", ")
}
