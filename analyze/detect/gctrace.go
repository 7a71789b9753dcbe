package detect

import (
	"fmt"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/runtimelog"
)

// stretch is consecutive windows of collections.
type stretch struct {
	runtimelog.GCWindow
	procs time.Duration     // its duration x GOMAXPROCS
	cost  evidence.Quantity // collector's processor time without idle-mode workers, of procs
}

// span joins consecutive windows of a log.
func span(g *runtimelog.GC, windows []runtimelog.GCWindow) stretch {
	var s stretch
	for i := range windows {
		if i == 0 {
			s.GCWindow = windows[0]
			continue
		}
		s.GCWindow.Add(&windows[i])
	}
	s.procs = bound.Mul(s.lasted(), time.Duration(max(g.Procs, 1)))
	s.cost = evidence.Part(min(s.work(), s.procs), s.procs)
	return s
}

func (s *stretch) lasted() time.Duration { return max(s.To-s.From, 0) }

// work is the collector's processor time without idle-mode workers.
func (s *stretch) work() time.Duration {
	return bound.Add(bound.Add(s.Assist, s.Background), s.Stopped)
}

// busy is the time in collections that nobody forced, of the stretch.
func (s *stretch) busy() evidence.Quantity {
	return evidence.Part(min(s.Busy-s.BusyForced, s.lasted()), s.lasted())
}

// perSecond is how many collections there were.
func (s *stretch) perSecond() evidence.Quantity {
	return rateOf(float64(s.Cycles), s.lasted())
}

// at is where in the log's time the stretch is.
func (s *stretch) at() claim.Location {
	return claim.Location{From: int64(s.From), To: int64(s.To)}
}

// worstPart returns the part of a log in which the collector cost most, and the
// whole log where that is short: an incident is over before the log ends.
func worstPart(g *runtimelog.GC) stretch {
	const parts, shortest = 8, 10 * time.Second
	worst := span(g, g.Windows)
	if worst.lasted() < parts*shortest {
		return worst
	}
	begin := 0
	for i := range g.Windows {
		if w := g.Windows[i]; w.To-g.Windows[begin].From < worst.lasted()/parts && i < len(g.Windows)-1 {
			continue
		}
		if s := span(g, g.Windows[begin:i+1]); s.lasted() >= shortest && s.cost.Number > worst.cost.Number {
			worst = s
		}
		begin = i + 1
	}
	return worst
}

// gcPressureGCTrace judges what gctrace says the collector takes. It knows the
// share of all processors, and so only a part of the share of the processor time used.
func gcPressureGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	s := worstPart(e.GC)
	left := max(s.procs-s.Background-s.Stopped-s.Idle, 0)
	assist := evidence.Part(min(s.Assist, left), left)
	r := claim.Reading{Says: fmt.Sprintf("the collector has %s of all processor time, in %s collections", s.cost, s.perSecond())}
	// What the goal leaves for the program to allocate before the next collection.
	room := room{busy: s.busy(), cycles: s.Cycles}
	for _, w := range e.GC.Windows {
		if w.Live >= minRoomLive {
			room.live, room.goal = room.live+float64(w.Live), room.goal+float64(w.Goal)
		}
	}
	small := room.small(in, minRoomLive)
	n := float64(max(len(e.GC.Windows), 1))
	room.live, room.goal = room.live/n, room.goal/n
	severity := pressure(in, s.cost.Number, s.cost.Number, assist.Number)
	// A few collections, and those while the program starts, are no rate.
	few := float64(s.Cycles) < in.Limit("min-cycles").Number || s.lasted() < time.Second
	if few {
		severity = min(severity, claim.Info)
	}
	if few || s.cost.Number >= in.Limit("min-of-capacity").Number {
		// Of a process that is half idle it can be twice the share.
		r.Silent = r.Says + "; what part of the time used that is, it does not tell"
	}
	if s.cost.Number < in.Limit("min-share").Number/2 && !(small && room.busy.Number >= in.Limit("min-collecting").Number) {
		return r
	}
	whole := claim.PartOf(evidence.Duration(s.procs), "duration x GOMAXPROCS")
	reproduce := claim.Grep(e, " ms cpu, ")
	c := claim.Candidate{
		Severity: severity, Share: s.cost.Number, Thin: few,
		Summary: fmt.Sprintf("the garbage collector takes %s of all processor time, with %s collections; at least %s of what the goroutines run goes into mark assists", s.cost, s.perSecond(), assist),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "processor time of the collector, idle workers left out", Value: s.cost, Of: whole, Limit: in.Against("min-share"), At: s.at(), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "collections per second", Value: s.perSecond(), At: s.at(), Reproduce: reproduce},
			{Exhibit: e.ID, Says: "time in mark assists", Value: assist, Of: claim.PartOf(evidence.Duration(left), "processor time that the collector's workers leave"),
				Limit: in.Against("min-assist"), At: s.at(), Reproduce: reproduce},
		},
	}
	if small {
		room.judge(in, &c, e, s.at(), claim.Grep(e, " MB goal"))
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// minRoomLive is the marked heap from which gctrace's whole MB say how much room the goal leaves.
const minRoomLive = 32 << 20

// heapGrowthGCTrace looks for a direction in the marked heap of a log.
func heapGrowthGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	g := e.GC
	var floors []exectrace.HeapPoint
	for _, w := range g.Windows {
		floors = append(floors, exectrace.HeapPoint{At: w.To, Live: uint64(max(w.Live, 0))})
	}
	s := slopeOf(floors, g.Total.To-g.Total.From, int(in.Limit("min-floors").Number))
	if s.unknown != "" {
		return claim.Reading{Silent: s.unknown}
	}
	over := s.to - s.from
	r := claim.Reading{Says: fmt.Sprintf("the marked heap went from %s to %s within %s", size(int64(s.begin)), size(int64(s.last)), evidence.Duration(over))}
	long := float64(over) >= in.Limit("min-span").Number
	least := max(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number*float64(s.first))
	r.Power = claim.GrowthPower(least, over)
	rises := s.rises(in.Limit("min-rising").Number, in.Limit("min-growth").Number, in.Limit("min-growth-share").Number)
	if !long && s.started(least) {
		// What rose and then stood still says that what was seen to grow was a start, however short the log.
		r.Says += ", and hardly any of it in the second half of that time"
		r.Power = claim.Power{Least: evidence.Of(least, evidence.Bytes), Matters: evidence.Of(least, evidence.Bytes), Says: "growth of " + size(int64(least)) + " or more in the second half of the log"}
		return r
	}
	if !rises {
		return r
	}
	c := claim.Candidate{
		Severity: claim.Warning, Share: evidence.Part(s.grown, int64(s.last)).Number,
		Summary: fmt.Sprintf("the live heap rises: from %s to %s within %s", size(int64(s.first)), size(int64(s.last)), evidence.Duration(over)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "rise of the marked heap, median of the last third less that of the first", Value: evidence.Of(s.grown, evidence.Bytes),
				Of:    claim.PartOf(evidence.Of(float64(s.last), evidence.Bytes), "marked heap in the last third"),
				Limit: in.Against("min-growth"), At: claim.Location{From: int64(s.from), To: int64(s.to)}, Reproduce: claim.Grep(e, " MB goal")},
			{Exhibit: e.ID, Says: "time over which it rose", Value: evidence.Duration(over), Limit: in.Against("min-span"),
				At: claim.Location{From: int64(s.from), To: int64(s.to)}, Reproduce: claim.Grep(e, " MB goal")},
		},
	}
	c.Caveats = []string{"more load raises the heap as well: hold the rise against the traffic of that time"}
	n := len(floors)
	middle := medianLive(floors[n/3 : n-n/3])
	switch {
	// What was there from the start accounts for little of it, and the second half of the time brought as much as all before.
	case !long && s.doubles():
		c.Thin = true
		c.Caveats = []string{"the log covers too little time to rule out a start that goes on: another of some minutes would"}
	// Any load that has just set in raises the heap for seconds.
	case !long:
		c.Severity = claim.Info
		c.Caveats = []string{"the log covers too little time to tell a leak from a load that has just set in"}
	// A program that fills its caches slows down; a leak does not.
	case float64(s.last)-float64(middle) < float64(s.grown)/4:
		c.Severity = claim.Info
		c.Caveats = []string{"the growth slowed down before the log ended, as that of a program warming up does"}
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// stwGCTrace judges how long the world stood still for collections. Other stops,
// and who delayed one, are not in gctrace.
func stwGCTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	g := e.GC
	s := span(g, g.Windows)
	r := claim.Reading{Silent: "gctrace shows the stops for collections only"}
	longest := max(s.SweepTerm, s.MarkTerm)
	if float64(longest) < in.Limit("min-pause").Number {
		r.Silent += fmt.Sprintf("; the longest took %s", evidence.Duration(longest))
		return r
	}
	mean := s.Paused / time.Duration(max(2*s.Cycles, 1))
	share := evidence.Part(s.Paused, s.lasted())
	c := claim.Candidate{Variant: "GC", Severity: claim.Info, Share: share.Number, Fix: stwGCFix,
		Summary: fmt.Sprintf("the garbage collector stopped the world for up to %s, %s on average", evidence.Duration(longest), evidence.Duration(mean))}
	switch {
	// Some long and most short: the operating system's doing, or an accident's.
	case float64(mean) < in.Limit("min-pause").Number || float64(2*s.Cycles) < in.Limit("min-pauses").Number:
		c.Thin, c.Severity = true, claim.NoSeverity
		c.Caveats = []string{"most stops are short: a busy machine lengthens some"}
	// Pauses that take a thousandth of the time do not decide anybody's latency.
	case share.Number < in.Limit("min-share").Number:
	case float64(mean) >= in.Limit("min-critical").Number:
		c.Severity = claim.Critical
	default:
		c.Severity = claim.Warning
	}
	worst := g.Longest[0]
	at := claim.Location{From: int64(worst.At), To: int64(worst.At + worst.Wall())}
	reproduce := claim.Grep(e, fmt.Sprintf("gc %d @", worst.Number))
	c.Facts = []claim.Fact{
		{Exhibit: e.ID, Says: "the longest stop for a collection", Value: evidence.Duration(longest), Limit: in.Against("min-pause"), At: at, Reproduce: reproduce},
		{Exhibit: e.ID, Says: "mean of both stops of all collections", Value: evidence.Duration(mean), Limit: in.Against("min-pause"), At: s.at(), Reproduce: claim.Grep(e, " ms clock, ")},
		{Exhibit: e.ID, Says: "time stopped for collections", Value: share, Of: claim.PartOf(evidence.Duration(s.lasted()), "the time from the first collection to the last"),
			Limit: in.Against("min-share"), At: s.at(), Reproduce: claim.Grep(e, " ms clock, ")},
	}
	r.Candidates = []claim.Candidate{c}
	return r
}

// minMoments is how many schedtrace lines are few: a moment says nothing about a second.
const minMoments = 10

// schedLatencySchedTrace tells whether goroutines were queued at the moments that
// schedtrace shows. A batch queues by design, so it vouches and never accuses.
func schedLatencySchedTrace(_ *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Sched.Total
	waiting := evidence.Part(t.Waiting, t.Samples)
	r := claim.Reading{Silent: fmt.Sprintf("schedtrace shows queues at %s, not who waits in them for how long", evidence.Things(t.Samples, "moment"))}
	if t.Samples >= minMoments && waiting.Number >= 0.5 {
		r.Candidates = []claim.Candidate{momentsOf(e, waiting, "moments with more goroutines queued than processors")}
	}
	return r
}

// pIdleSchedTrace tells whether processors were idle beside queued goroutines. A
// wake-up under way looks the same, so it vouches and never accuses.
func pIdleSchedTrace(_ *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Sched.Total
	wasted := evidence.Part(t.Wasted, t.Samples)
	r := claim.Reading{Silent: fmt.Sprintf("schedtrace shows %s, and a wake-up under way looks like waste", evidence.Things(t.Samples, "moment"))}
	if t.Samples >= minMoments && wasted.Number >= 0.5 {
		r.Candidates = []claim.Candidate{momentsOf(e, wasted, "moments with a processor idle and a goroutine queued")}
	}
	return r
}

func momentsOf(e *evidence.Exhibit, share evidence.Quantity, what string) claim.Candidate {
	t := e.Sched.Total
	return claim.Candidate{Severity: claim.NoSeverity, Share: share.Number,
		Summary: fmt.Sprintf("%s of the %s", share, what),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: what, Value: share, Of: claim.PartOf(evidence.Of(t.Samples, evidence.Count), "lines of schedtrace"),
				At: claim.Location{From: int64(t.From), To: int64(t.To)}, Reproduce: claim.Grep(e, "SCHED ")},
			{Exhibit: e.ID, Says: "most goroutines queued", Value: evidence.Of(t.MostQueued, evidence.Count), At: claim.Location{From: int64(t.MostAt), To: int64(t.MostAt) + 1},
				Reproduce: claim.Grep(e, fmt.Sprintf("SCHED %dms", t.MostAt.Milliseconds()))},
		}}
}
