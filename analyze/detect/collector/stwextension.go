package collector

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// stwGCTrace judges how long the world stood still for collections. Other stops,
// and who delayed one, are not in gctrace.
func stwGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	g := e.GC()
	s := Span(g, g.Windows)
	r := claim.Reading{Silent: "gctrace shows the stops for collections only"}
	longest := max(s.SweepTerm, s.MarkTerm)
	if float64(longest) < in.Limit("min-pause").Number {
		r.Silent += claim.Textf("; the longest took %s", evidence.Duration(longest))
		return r
	}
	mean := s.Paused / time.Duration(max(2*s.Cycles, 1))
	share := evidence.Part(s.Paused, s.lasted())
	c := claim.Candidate{Variant: "GC", Severity: claim.Info, Share: share.Number, Fix: stwGCFix,
		Summary: claim.Textf("the garbage collector stopped the world for up to %s, %s on average", evidence.Duration(longest), evidence.Duration(mean))}
	switch {
	// Some long and most short: the operating system's doing, or an accident's.
	case float64(mean) < in.Limit("min-pause").Number || float64(2*s.Cycles) < in.Limit("min-pauses").Number:
		c.Thin, c.Severity = true, claim.NoSeverity
		c.Caveats = []claim.Text{"most stops are short: a busy machine lengthens some"}
	// Pauses that take a thousandth of the time do not decide anybody's latency.
	case share.Number < in.Limit("min-share").Number:
	case float64(mean) >= in.Limit("min-critical").Number:
		c.Severity = claim.Critical
	default:
		c.Severity = claim.Warning
	}
	worst := g.Longest[0]
	at := claim.Location{From: int64(worst.At), To: int64(worst.At + worst.Wall())}
	reproduce := claim.Grep(e, claim.Textf("gc %d @", worst.Number))
	c.Facts = []claim.Fact{
		{Exhibit: e.ID, Says: "the longest stop for a collection", Value: evidence.Duration(longest), Limit: in.Against("min-pause"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "mean of both stops of all collections", Value: evidence.Duration(mean), Limit: in.Against("min-pause"), At: s.at(), Reproduce: claim.Grep(e, " ms clock, ")},
		{Exhibit: e.ID, Says: "time stopped for collections", Value: share, Of: claim.PartOf(evidence.Duration(s.lasted()), "the time from the first collection to the last"),
			Limit: in.Against("min-share"), At: s.at(), Reproduce: claim.Grep(e, " ms clock, ")},
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// StwExtension claims that the world stops for long, and says why.
var StwExtension = &claim.Detector{
	ID:    "stw-extension",
	Title: "The world stops for long",
	Doc: `The whole program stands still for a good part of the time, because something stopped the world: for long, or again and again. The collector does so
twice per collection, but runtime.ReadMemStats, goroutine profiles, dumps of all goroutines, GOMAXPROCS and others do too.

**How it is measured.** A trace marks each stop with its reason and the code that asked for it. *Time to stop* is from the request to the last processor
stopping; whoever stopped last delayed everybody. *Effective pause* is from the request to the first processor running again; the raw range in the trace can be longer,
as its end is written after the others were woken. Effective pauses are added up by reason and by who asked: a thousand stops of 0.1 ms cost as much as ten of 10 ms. Of the collector's own stops,
which are part of every Go program, only those of min-pause and more count. Where waiting for one function to stop was most of a pause, that function is to blame for it. The tracer's own stops are left out.

**When it is wrong.** On a busy machine the operating system can take the thread away from whoever the world waits for, which lengthens some pauses and not others.
So long pauses are a warning only where most stops with the same reason and culprit are long, and where the stretches in which the machine ran no thread of the program are less than half of the
time stopped. The stack of the last to stop is where it stood when it did stop, which can be just after the code that could not be
interrupted. A profile or dump taken while the trace was recorded shows as a pause of its own reason.`,
	Limits: []claim.Limit{
		{Name: "min-pause", Mark: true, Default: evidence.Duration(time.Millisecond),
			Doc:    "effective pause, from which one of the collector's counts",
			Source: "the Go team's objective is 0.5 ms per stop (Getting to Go, go.dev/blog/ismmkeynote); twice that leaves room for the operating system"},
		{Name: "min-critical", Mark: true, Default: evidence.Duration(10 * time.Millisecond),
			Doc:    "effective pause, from which repeated pauses are critical",
			Source: "runtime/proc.go, forcePreemptNS: as long as a goroutine may keep a processor"},
		{Name: "min-time-to-stop", Default: evidence.Duration(500 * time.Microsecond),
			Doc:    "time to stop, from which the goroutine that stopped last is named",
			Source: "an interruptible goroutine stops within some tens of microseconds (runtime/preempt.go); ten times that is somebody's doing"},
		{Name: "min-pauses", Default: evidence.Quantity{Number: 3, Unit: evidence.Count},
			Doc:    "counting pauses with the same reason and culprit, below which it is an info",
			Source: "one is an accident of the operating system and two a coincidence"},
		{Name: "min-part", Default: evidence.Quantity{Number: 0.8, Unit: evidence.Share},
			Doc:    "pauses of min-pause and more, of all stops with the same reason and culprit, from which long ones are a warning",
			Source: "code that cannot be interrupted for 5 ms delays four of five stops that meet it at random by 1 ms and more; measured: on a machine with three runnable threads per processor, a sixth of the stops of interruptible code are long"},
		{Name: "min-share", Default: evidence.Quantity{Number: 0.01, Unit: evidence.Share},
			Doc:    "time stopped in counting pauses of the same reason and culprit, of the trace, from which it is a warning",
			Source: "at one hundredth of the time stopped, one request in a hundred meets a pause: it decides P99"},
		{Name: "min-critical-share", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "the same, from which it is critical",
			Source: "Judgement call: a tenth of what all processors could do is lost to everybody at once"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Trace, Doc: "stop-the-world ranges by reason and by who delayed them", Run: judge.WorstOf(stwExtensionTrace)},
		{Kind: evidence.GCTrace, Only: "GC", Doc: "wall time of the two stops of each collection; other stops and culprits are not in it", Run: judge.WorstOf(stwGCTrace)},
	},
	Fix: []claim.Text{
		"Break up what could not be interrupted into smaller pieces, so that the runtime can stop it in between",
		"Stop the world less often: see the reason",
	},
	Explains: []claim.Mechanism{
		{Effect: "sched-latency", Why: "nothing is scheduled while the world is stopped", Source: "runtime/proc.go, stopTheWorldWithSema"},
	},
	Durations: claim.PauseTimes(1),
}

// tracerStops are the stops that recording the trace causes (runtime/proc.go, stwReasonStrings).
var tracerStops = []string{"start trace", "stop trace"}

// stwFixes is what to change, by the reason of a stop.
var stwFixes = map[claim.Text][]claim.Text{
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

var stwGCFix = []claim.Text{
	"Collect less often: allocate less, or give the heap more room with GOGC or GOMEMLIMIT",
	"Have fewer goroutines and smaller global data: both are prepared while the world is stopped",
}

// pauseGroup is stops of the world with the same reason and culprit.
type pauseGroup struct {
	reason  string
	culprit stack.Site // who stopped last, where that was most of the pause
	asker   stack.Site // who stopped the world; zero for the collector
	path    []string
	stops   int           // all of them
	long    int           // of min-pause and more
	counted int           // that count: all that the program asked for, of the collector's the long ones
	total   time.Duration // effective, of those that count
	dire    int           // of min-critical and more
	late    time.Duration // longest time to stop
	longest exectrace.Pause
}

// asked reports whether the program stopped the world itself: then every stop counts, however short.
func (g *pauseGroup) asked() bool { return g.asker.Function != "" }

func stwExtensionTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	var all int
	var longest time.Duration
	groups := map[string]*pauseGroup{}
	var order []*pauseGroup
	for _, p := range t.Pauses {
		// Recording stops the world to begin and to end.
		if slices.Contains(tracerStops, p.Reason) {
			continue
		}
		all++
		longest = max(longest, p.Effective)
		g := groupOf(in, p)
		key := g.reason + "\n" + g.culprit.Function + "\n" + g.asker.Function
		if groups[key] == nil {
			groups[key] = g
			order = append(order, g)
		}
		groups[key].add(in, p)
	}
	order = blame(order)
	slices.SortStableFunc(order, func(a, b *pauseGroup) int {
		return cmp.Or(-cmp.Compare(a.total, b.total), cmp.Compare(a.reason, b.reason), cmp.Compare(a.culprit.Function, b.culprit.Function))
	})
	r := claim.Reading{Says: claim.Textf("%s, the longest of %s effective", stopsOfTheWorld(all), evidence.Duration(longest))}
	for _, g := range order {
		c := stwCandidate(in, e, g)
		// One per site: what weighs most speaks, the others would repeat it.
		if g.total > 0 && len(r.Candidates) < reading.MaxSites && !slices.ContainsFunc(r.Candidates, func(o claim.Candidate) bool { return o.Site.Function == c.Site.Function }) {
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r
}

// groupOf is the group that a stop belongs to.
func groupOf(in *claim.Input, p exectrace.Pause) *pauseGroup {
	g := &pauseGroup{reason: p.Reason}
	if strings.HasPrefix(p.Reason, "GC ") {
		g.reason = "GC" // the phases of a collection are one story
	} else {
		g.asker, g.path = p.Stack.Owner(), p.Stack.Path()
	}
	owner := p.LastStopped.Stack.Owner()
	late := float64(p.TimeToStop) >= in.Limit("min-time-to-stop").Number && p.TimeToStop*2 >= p.Effective
	// A short stop of the collector's counts for whoever stopped last in it too: code that cannot be
	// interrupted has few of them. A stop delayed by the runtime's own goroutines is not the program's doing.
	if short := !g.asked() && float64(p.Effective) < in.Limit("min-pause").Number; (short || late) && owner.Function != "" && !stack.Plumbing(owner.Function) {
		g.culprit, g.path = owner, p.LastStopped.Stack.Path()
	}
	return g
}

func (g *pauseGroup) add(in *claim.Input, p exectrace.Pause) {
	g.stops++
	long := float64(p.Effective) >= in.Limit("min-pause").Number
	if long {
		g.long++
		g.late = max(g.late, p.TimeToStop)
	}
	if long || g.asked() {
		g.counted++
		g.total += p.Effective
	}
	if float64(p.Effective) >= in.Limit("min-critical").Number {
		g.dire++
	}
	if p.Effective > g.longest.Effective {
		g.longest = p
	}
}

// blame settles between who asked for stops and who delayed some of them: a culprit must be as large as what it
// explains. And what is nobody's fault is held against all stops of the collector.
func blame(order []*pauseGroup) []*pauseGroup {
	return slices.DeleteFunc(order, func(g *pauseGroup) bool {
		if g.culprit.Function == "" {
			for _, o := range order {
				if o.reason == g.reason && o.asker.Function == g.asker.Function && o.culprit.Function != "" {
					g.stops += o.stops - o.long
				}
			}
			return false
		}
		i := slices.IndexFunc(order, func(o *pauseGroup) bool {
			return g.asked() && o.culprit.Function == "" && o.reason == g.reason && o.asker.Function == g.asker.Function && o.total > g.total
		})
		if i < 0 {
			return false
		}
		o := order[i]
		o.stops, o.long, o.counted, o.total, o.dire = o.stops+g.long, o.long+g.long, o.counted+g.counted, o.total+g.total, o.dire+g.dire
		if g.longest.Effective > o.longest.Effective {
			o.longest = g.longest
		}
		return true
	})
}

func stwCandidate(in *claim.Input, e *evidence.Exhibit, g *pauseGroup) claim.Candidate {
	t := e.Trace()
	share, part := evidence.Part(g.total, t.Duration), evidence.Part(g.long, g.stops)
	gaps := t.GapTime()
	enough := g.counted >= int(in.Limit("min-pauses").Number)
	c := claim.Candidate{
		Site: g.culprit, Path: g.path, Variant: g.reason, Share: share.Number, Severity: claim.Info, Thin: true,
		Fix: stwFixes[wait.StopText(g.reason)],
	}
	if g.reason == "GC" {
		c.Fix = stwGCFix
	}
	switch {
	// A few long pauses on a busy machine are the operating system's.
	case !enough:
		if share.Number < in.Limit("min-share").Number {
			c.Severity = claim.NoSeverity
		}
		c.Caveats = append(c.Caveats, claim.Textf("%s only: on a busy machine the operating system can lengthen one by taking away a thread", evidence.Things(g.counted, "such pause")))
	// Some long and most short: the operating system's doing, or an accident's.
	case part.Number < in.Limit("min-part").Number && (!g.asked() || g.culprit.Function != ""):
		c.Caveats = append(c.Caveats, claim.Textf("only %d of %s took long: what cannot be interrupted delays most of them, a busy machine some", g.long, evidence.Things(g.stops, "such stop")))
	case gaps*2 >= g.total:
		c.Caveats = append(c.Caveats, claim.Textf("in %s of the trace, %s in all, no thread did anything while work was runnable: the machine was short of processors, which lengthens pauses too", evidence.Things(len(t.Gaps), "stretch"), evidence.Duration(gaps)))
	default:
		c.Thin = false
		// Pauses that take a thousandth of the time do not decide anybody's latency.
		if share.Number >= in.Limit("min-share").Number {
			c.Severity = claim.Warning
			if g.dire >= int(in.Limit("min-pauses").Number) || share.Number >= in.Limit("min-critical-share").Number {
				c.Severity = claim.Critical
			}
		}
	}
	worst := g.longest
	place := g.culprit
	if place.Function == "" {
		place = g.asker
	}
	at := claim.At(place)
	at.Goroutine, at.From, at.To = worst.Goroutine, int64(worst.Raw.From), int64(worst.Raw.From+worst.Effective)
	reproduce := claim.TraceView(e, claim.Textf("View trace at %s: the STW row", evidence.Duration(worst.Raw.From)))
	fact := func(says claim.Text, value evidence.Quantity, of *claim.Whole, limit string) claim.Fact {
		f := claim.Fact{Exhibit: e.ID, Says: says, Value: value, Of: of, At: at, Reproduce: reproduce}
		if limit != "" {
			f.Limit = in.Against(limit)
		}
		return f
	}
	which := claim.Text("stops for this reason and by this caller")
	if !g.asked() {
		which = claim.Textf("pauses of %s and more for this reason and culprit", in.Limit("min-pause"))
	}
	rate := reading.RateOf(float64(g.counted), t.Duration)
	stopped := fact("time stopped in "+which, share, claim.PartOf(evidence.Duration(t.Duration), "the trace"), "min-share")
	longest := fact("the longest effective pause", evidence.Duration(worst.Effective), nil, "min-pause")
	count := fact(which, evidence.Of(g.counted, evidence.Count), nil, "min-pauses")
	if !enough {
		count.Limit = nil
	}
	stop := fact("time to stop in the longest pause", evidence.Duration(worst.TimeToStop), nil, "min-time-to-stop")
	if g.culprit.Function != "" {
		stop.At.Goroutine = worst.LastStopped.Goroutine
	}
	rest := []claim.Fact{
		fact("long pauses", part, claim.PartOf(evidence.Of(g.stops, evidence.Count), "stops with the same reason and culprit"), "min-part"),
		stop,
		fact("the same pause as the trace's range reads, which ends after the others were woken", evidence.Duration(worst.Raw.To-worst.Raw.From), nil, ""),
	}
	reason := wait.StopText(g.reason)
	if g.reason == "GC" {
		reason = "the garbage collector"
	}
	many := claim.Textf("%s for up to %s", evidence.Things(g.counted, "time"), evidence.Duration(worst.Effective))
	if g.culprit.Function != "" && g.asked() {
		c.Sites = []stack.Site{g.asker}
	}
	c.Facts = append([]claim.Fact{longest, count, stopped}, rest...)
	switch {
	case g.culprit.Function != "" && c.Thin && enough:
		// What runs all the time is last to stop by chance, too.
		c.Summary = claim.Textf("the world stopped %s (%s), and %s was the last to stop, after up to %s", many, reason, claim.Func(g.culprit.Function), evidence.Duration(g.late))
	case g.culprit.Function != "":
		c.Summary = claim.Textf("the world stopped %s (%s) because %s could not be interrupted for up to %s", many, reason, claim.Func(g.culprit.Function), evidence.Duration(g.late))
		c.Fix = append([]claim.Text{claim.Textf("Break the work of %s into smaller calls, so that it can be interrupted in between", claim.Func(g.culprit.Function))}, c.Fix...)
	case g.asked():
		c.Site = g.asker
		c.Summary = claim.Textf("%s stops the world %s (%s): %s of the time in all, up to %s each", claim.Func(g.asker.Function), rate, reason, share, evidence.Duration(worst.Effective))
		c.Facts = append([]claim.Fact{stopped, fact("stops of the world per second", rate, nil, ""), count, longest}, rest...)
	default:
		c.Summary = claim.Textf("the garbage collector stopped the world %s", many)
	}
	return c
}

func stopsOfTheWorld(n int) claim.Text {
	return claim.Textf("%s of the world", evidence.Things(n, "stop"))
}
