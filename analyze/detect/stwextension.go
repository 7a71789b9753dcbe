package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// StwExtension claims that the world stops for long, and says why.
var StwExtension = &analyze.Detector{
	ID:    "stw-extension",
	Title: "The world stops for long",
	Doc: `The whole program stands still again and again for a millisecond or more, because something stopped the world. The collector does so
twice per collection, but runtime.ReadMemStats, goroutine profiles, dumps of all goroutines, GOMAXPROCS and others do too.

**How it is measured.** A trace marks each stop with its reason and the code that asked for it. *Time to stop* is from the request to the last processor
stopping; whoever stopped last delayed everybody. *Effective pause* is from the request to the first processor running again; the raw range in the trace can be longer,
as its end is written after the others were woken. Pauses are grouped by reason and by who is to blame: the code that stopped last where
waiting for it was most of the pause, the code that asked where it was not the collector. The tracer's own stops are left out.

**When it is wrong.** On a busy machine the operating system can take the thread away from whoever the world waits for, which lengthens some pauses and not others.
So a few outliers are never a warning: half of all stops with the same reason and culprit must be long, and there must be no gaps in which no thread of the program
did anything although work was runnable. The stack of the last to stop is where it stood when it did stop, which can be just after the code that could not be
interrupted. A profile or dump taken while the trace was recorded shows as a pause of its own reason.`,
	Limits: []analyze.Limit{
		{Name: "min-pause", Default: evidence.Duration(time.Millisecond),
			Doc:    "effective pause, from which it counts",
			Source: "the Go team's objective is 0.5 ms per stop (Getting to Go, go.dev/blog/ismmkeynote); twice that leaves room for the operating system"},
		{Name: "min-critical", Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "effective pause, from which repeated pauses are critical",
			Source: "runtime/proc.go, forcePreemptNS: as long as a goroutine may keep a processor"},
		{Name: "min-time-to-stop", Default: evidence.Duration(500 * time.Microsecond),
			Doc:    "time to stop, from which the goroutine that stopped last is named",
			Source: "an interruptible goroutine stops within some tens of microseconds (runtime/preempt.go); ten times that is somebody's doing"},
		{Name: "min-pauses", Default: evidence.Quantity{Number: 3, Unit: evidence.Count},
			Doc:    "counting pauses with the same reason and culprit, from which it is a warning",
			Source: "one is an accident of the operating system and two a coincidence"},
		{Name: "min-part", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
			Doc:    "counting pauses, of all stops with the same reason and culprit, from which it is a warning",
			Source: "code that cannot be interrupted for 5 ms delays four of five stops that meet it at random by 1 ms and more; measured: on a machine with three runnable threads per processor, a sixth of the stops of interruptible code are long"},
		{Name: "max-gaps", Default: evidence.Quantity{Number: 2, Unit: evidence.Count},
			Doc:    "stretches in which no thread did anything while work was runnable, above which the machine is to blame for the pauses",
			Source: "three such stretches are what cpu-starvation is judged by"},
		{Name: "min-share", Default: evidence.Quantity{Number: 0.01, Unit: evidence.Share},
			Doc:    "time stopped in counting pauses of the same reason and culprit, of the trace, from which it is a warning",
			Source: "at one hundredth of the time stopped, one request in a hundred meets a pause: it decides P99"},
	},
	Measures: []analyze.Measure{
		{Kind: evidence.Trace, Doc: "stop-the-world ranges by reason and by who delayed them", Run: worstOf(stwExtensionTrace)},
		{Kind: evidence.GCTrace, Doc: "wall time of the two stops of each collection; other stops and culprits are not in it", Run: worstOf(stwGCTrace)},
	},
	Fix: []string{
		"Break up what could not be interrupted into smaller pieces, so that the runtime can stop it in between",
		"Stop the world less often: see the reason",
	},
}

// tracerStops are the stops that recording the trace causes (runtime/proc.go, stwReasonStrings).
var tracerStops = []string{"start trace", "stop trace"}

// stwFixes is what to change, by the reason of a stop.
var stwFixes = map[string][]string{
	"read mem stats": {
		"Read the figure with runtime/metrics, which does not stop the world, or with debug.ReadGCStats",
		"Read it once per some seconds and share the result, not once per request",
	},
	"goroutine profile": {
		"Take goroutine profiles less often, or from fewer instances: the stop grows with what must be set up for all goroutines",
		"Have fewer goroutines: see goroutine-leak and goroutine-pileup",
	},
	"goroutine profile cleanup": {
		"Take goroutine profiles less often, or from fewer instances",
	},
	"all goroutines stack trace": {
		"Do not call runtime.Stack with all set, nor goroutine?debug=2, in normal operation: the world is stopped while every stack is printed",
		"Use the goroutine profile (debug=0), which stops the world for a fraction of that",
	},
	"GOMAXPROCS": {
		"Set GOMAXPROCS once at the start, not in operation",
	},
	"write heap dump": {
		"Take heap profiles instead of debug.WriteHeapDump, which stops the world while the whole heap is written",
	},
	"AllThreadsSyscall": {
		"Make system calls that concern all threads (setuid, setgid, prctl) once at the start",
	},
}

var stwGCFix = []string{
	"Collect less often: allocate less, or give the heap more room with GOGC or GOMEMLIMIT",
	"Have fewer goroutines and smaller global data: both are prepared while the world is stopped",
}

// pauseGroup is pauses with the same reason and culprit.
type pauseGroup struct {
	reason  string
	culprit stack.Site // who stopped last, where that was most of the pause
	asker   stack.Site // who stopped the world; zero for the collector
	path    []string
	stops   int               // with that reason and culprit, short ones included
	pauses  []exectrace.Pause // the long ones
	total   time.Duration
	longest exectrace.Pause
}

func stwExtensionTrace(in *analyze.Input, e *evidence.Exhibit) analyze.Reading {
	t := e.Trace
	var all int
	var longest exectrace.Pause
	groups := map[string]*pauseGroup{}
	var order []*pauseGroup
	for _, p := range t.Pauses {
		// Recording stops the world to begin and to end.
		if slices.Contains(tracerStops, p.Reason) {
			continue
		}
		all++
		if p.Effective > longest.Effective {
			longest = p
		}
		g := pauseGroup{reason: p.Reason}
		if strings.HasPrefix(p.Reason, "GC ") {
			g.reason = "GC" // the phases of a collection are one story
		} else {
			g.asker, g.path = p.Stack.Owner(), p.Stack.Path()
		}
		// A short stop counts for whoever stopped last in it too: code that cannot be
		// interrupted has few of them.
		short := float64(p.Effective) < in.Limit("min-pause").Number
		if s := p.LastStopped; len(s.Stack) > 0 && (short || float64(p.TimeToStop) >= in.Limit("min-time-to-stop").Number && p.TimeToStop*2 >= p.Effective) {
			// A stop delayed by the runtime's own goroutines is not the program's doing.
			if owner := s.Stack.Owner(); !stack.Plumbing(owner.Function) {
				g.culprit, g.path = owner, s.Stack.Path()
			}
		}
		key := g.reason + "\n" + g.culprit.Function + "\n" + g.asker.Function
		if groups[key] == nil {
			groups[key] = &g
			order = append(order, &g)
		}
		k := groups[key]
		k.stops++
		if short {
			continue
		}
		k.pauses = append(k.pauses, p)
		k.total += p.Effective
		if p.Effective > k.longest.Effective {
			k.longest = p
		}
	}
	// What is nobody's fault is held against all stops of its reason.
	for _, g := range order {
		if g.culprit.Function != "" {
			continue
		}
		for _, o := range order {
			if o.reason == g.reason && o.asker.Function == g.asker.Function && o.culprit.Function != "" {
				g.stops += o.stops - len(o.pauses)
			}
		}
	}
	order = slices.DeleteFunc(order, func(g *pauseGroup) bool { return len(g.pauses) == 0 })
	r := analyze.Reading{Says: fmt.Sprintf("%s, the longest of %s effective", stopsOfTheWorld(all), evidence.Duration(longest.Effective))}
	// A glimpse holds few stops or none.
	if t.Duration < shortTrace || all == 0 && t.Duration < time.Second {
		r.Silent = fmt.Sprintf("%s in %s of trace", stopsOfTheWorld(all), evidence.Duration(t.Duration))
	}
	slices.SortStableFunc(order, func(a, b *pauseGroup) int {
		return cmp.Or(-cmp.Compare(a.total, b.total), cmp.Compare(a.reason, b.reason), cmp.Compare(a.culprit.Function, b.culprit.Function))
	})
	few := 0
	for _, g := range order {
		// One or two are an accident of the operating system, unless they are very long.
		if len(g.pauses) < int(in.Limit("min-pauses").Number) && float64(g.longest.Effective) < in.Limit("min-critical").Number {
			few += len(g.pauses)
			continue
		}
		c := stwCandidate(in, e, g)
		// One per site: what weighs most speaks, the others would repeat it.
		if len(r.Candidates) < 5 && !slices.ContainsFunc(r.Candidates, func(o analyze.Candidate) bool { return o.Site.Function == c.Site.Function }) {
			r.Candidates = append(r.Candidates, c)
		}
	}
	if few > 0 && r.Silent == "" {
		r.Silent = fmt.Sprintf("%s of %s or more among %s, too few with one reason and culprit to tell a fault from an accident", evidence.Things(few, "stop"), in.Limit("min-pause"), evidence.Things(all, "stop"))
	}
	return r
}

func stwCandidate(in *analyze.Input, e *evidence.Exhibit, g *pauseGroup) analyze.Candidate {
	t := e.Trace
	share, part := evidence.Part(g.total, t.Duration), evidence.Part(len(g.pauses), g.stops)
	long, stops := 0, time.Duration(0)
	for _, p := range g.pauses {
		if float64(p.Effective) >= in.Limit("min-critical").Number {
			long++
		}
		stops = max(stops, p.TimeToStop)
	}
	enough := int(in.Limit("min-pauses").Number)
	c := analyze.Candidate{
		Site: g.culprit, Path: g.path, Variant: g.reason, Share: share.Number, Severity: analyze.Info,
		Fix: stwFixes[g.reason],
	}
	if g.reason == "GC" {
		c.Fix = stwGCFix
	}
	switch {
	// A few long pauses on a busy machine are the operating system's.
	case len(g.pauses) < enough:
		c.Thin = true
		c.Caveats = append(c.Caveats, fmt.Sprintf("%s only: on a busy machine the operating system can lengthen one by taking away a thread", evidence.Things(len(g.pauses), "such pause")))
	// Some long and most short: the operating system's doing, or an accident's.
	case part.Number < in.Limit("min-part").Number:
		c.Thin = true
		c.Caveats = append(c.Caveats, fmt.Sprintf("only %d of %s took long: what cannot be interrupted delays most of them, a busy machine some", len(g.pauses), evidence.Things(g.stops, "such stop")))
	case float64(len(t.Gaps)) > in.Limit("max-gaps").Number:
		c.Thin = true
		c.Caveats = append(c.Caveats, fmt.Sprintf("in %s of the trace no thread did anything while work was runnable: the machine was short of processors, which lengthens pauses too", evidence.Things(len(t.Gaps), "stretch")))
	// Pauses that take a thousandth of the time do not decide anybody's latency.
	case share.Number < in.Limit("min-share").Number:
	case long >= enough:
		c.Severity = analyze.Critical
	default:
		c.Severity = analyze.Warning
	}
	worst := g.longest
	at := analyze.Location{Goroutine: worst.Goroutine, From: int64(worst.Raw.From), To: int64(worst.Raw.From + worst.Effective)}
	reproduce := analyze.TraceView(e, fmt.Sprintf("View trace at %s: the STW row", evidence.Duration(worst.Raw.From)))
	fact := func(says string, d time.Duration, limit string) analyze.Fact {
		f := analyze.Fact{Exhibit: e.ID, Says: says, Value: evidence.Duration(d), At: at, Reproduce: reproduce}
		if limit != "" {
			f.Limit = in.Against(limit)
		}
		return f
	}
	total := analyze.Fact{Exhibit: e.ID, Says: fmt.Sprintf("time stopped in pauses of %s and more, for this reason and culprit", in.Limit("min-pause")), Value: share,
		Of: analyze.PartOf(evidence.Duration(t.Duration), "the trace"), Limit: in.Against("min-share"), At: at, Reproduce: reproduce}
	c.Facts = []analyze.Fact{
		fact("the longest effective pause", worst.Effective, "min-pause"),
		{Exhibit: e.ID, Says: "pauses of " + in.Limit("min-pause").String() + " and more for this reason and culprit", Value: evidence.Of(len(g.pauses), evidence.Count), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "long pauses", Value: part, Of: analyze.PartOf(evidence.Of(g.stops, evidence.Count), "stops with the same reason and culprit"), Limit: in.Against("min-part"), At: at, Reproduce: reproduce},
		total,
		fact("time to stop in the longest pause", worst.TimeToStop, "min-time-to-stop"),
		fact("the same pause as the trace's range reads, which ends after the others were woken", worst.Raw.To-worst.Raw.From, ""),
	}
	if len(g.pauses) >= enough {
		c.Facts[1].Limit = in.Against("min-pauses")
	}
	reason := g.reason
	if reason == "GC" {
		reason = "the garbage collector"
	}
	many := fmt.Sprintf("%s for up to %s", evidence.Things(len(g.pauses), "time"), evidence.Duration(worst.Effective))
	switch {
	case g.culprit.Function != "" && c.Thin && len(g.pauses) >= enough:
		// What runs all the time is last to stop by chance, too.
		c.Summary = fmt.Sprintf("the world stopped %s (%s), and %s was the last to stop, after up to %s", many, reason, g.culprit.Function, evidence.Duration(stops))
		if g.asker.Function != "" {
			c.Sites = []stack.Site{g.asker}
		}
	case g.culprit.Function != "":
		c.Summary = fmt.Sprintf("the world stopped %s (%s) because %s could not be interrupted for up to %s", many, reason, g.culprit.Function, evidence.Duration(stops))
		for i := range c.Facts {
			c.Facts[i].At.Function, c.Facts[i].At.File, c.Facts[i].At.Line = g.culprit.Function, g.culprit.File, g.culprit.Line
		}
		c.Facts[4].At.Goroutine = worst.LastStopped.Goroutine
		c.Fix = append([]string{fmt.Sprintf("Break the work of %s into smaller calls, so that it can be interrupted in between", g.culprit.Function)}, c.Fix...)
		if g.asker.Function != "" {
			c.Sites = []stack.Site{g.asker}
		}
	case g.asker.Function != "":
		c.Site = g.asker
		c.Summary = fmt.Sprintf("%s stopped the world %s (%s)", g.asker.Function, many, reason)
	default:
		c.Summary = fmt.Sprintf("the garbage collector stopped the world %s", many)
	}
	return c
}

func stopsOfTheWorld(n int) string { return evidence.Things(n, "stop") + " of the world" }
