package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/content"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// quality remarks on evidence that limits what can be said: on the case first,
// then on each exhibit. Every remark says what it means for the verdicts.
func quality(b *evidence.Bundle) []Remark {
	out := slices.Concat(captures(b), differentBuilds(b), differentTimes(b), differentClocks(b), sinceStart(b))
	for _, e := range b.Exhibits {
		say := func(format claim.Format, args ...any) {
			out = append(out, Remark{e.ID, claim.Path(e.Path).Text() + ": " + claim.Textf(format, args...)})
		}
		switch e.Coverage {
		case evidence.Partial:
			say("it was read in part only; what rests on it alone is at most of low confidence")
		case evidence.None:
			if e.Kind != evidence.Provenance {
				say("it could not be used")
			}
			continue
		}
		switch {
		case e.Profile() != nil:
			profileQuality(b, e, say)
		case e.Trace() != nil:
			traceQuality(b, e, say)
		case e.Dump() != nil:
			dumpQuality(e, say)
		case e.GC() != nil && e.GC().Missing > 0:
			say("the lines of %s are missing between the others; sums over it are too small by as much", evidence.Things(e.GC().Missing, "collection"))
		}
	}
	return out
}

// Bounds of the remarks.
const (
	// apart is how far apart in time exhibits may be taken before the report
	// remarks on it. A collection by hand over net/http/pprof takes a minute or two.
	apart = 10 * time.Minute
	// idleCPU is the part of one processor, and idleTrace that of all processors,
	// below which a process does nothing. Most of what so little time shows is the recording itself.
	idleCPU   = 0.02
	idleTrace = 0.005
	// shortTrace is the length below which a trace cannot hold one slice of every
	// goroutine that competes for a processor: ten turns of 10 ms (runtime/proc.go, forcePreemptNS).
	shortTrace = 100 * time.Millisecond
	// longCase and partOfCase say when a trace is much shorter than the rest: it
	// covers less than one part in so many of a case of this length.
	longCase   = 2 * time.Minute
	partOfCase = 20
	// muchCut is the part of a profile's stacks that must be cut off to be worth a
	// remark, as deep recursion in one odd place is not.
	muchCut = 0.05
	// heapPeriod is runtime.MemProfileRate as it is when nobody sets it (runtime/mprof.go).
	heapPeriod = 512 << 10
	// denseHeap is a rate at which sampling itself shows among what allocates: 32 times the usual one.
	denseHeap = 16 << 10
	// Time zones differ by quarters of an hour and by half an hour at least, from -12 to +14 hours.
	leastZone = 30 * time.Minute
	mostZone  = 26 * time.Hour
)

// captures remarks on what started each capture and on what it could not take, so
// that evidence that was asked for and not got is not mistaken for evidence that nobody wanted.
func captures(b *evidence.Bundle) []Remark {
	const most = 20 // a manifest may come from anywhere
	var out []Remark
	for _, c := range b.Captures {
		say := func(format claim.Format, args ...any) {
			if len(out) < most {
				out = append(out, Remark{Says: claim.Path(c.Path).Text() + ": " + claim.Textf(format, args...)})
			}
		}
		if t := c.Trigger; t != nil {
			text := "taken because of " + named(t.Name)
			if t.Limit > 0 {
				text = claim.Textf("taken because %s reached %s, limit %s", named(t.Name), amount(t.Value, t.Unit), amount(t.Limit, t.Unit))
			}
			if t.Says != "" {
				text += claim.Textf(": %q", short(t.Says))
			}
			if !t.At.IsZero() {
				text += ", at " + claim.Num(t.At.UTC().Format("2006-01-02 15:04:05.000 UTC")).Text()
			}
			say("%s", text)
		}
		if c.Ended.IsZero() {
			say("the capture was cut short: what it says of its files holds until then, and the rest was not taken")
		}
		alike := map[[2]string][]claim.Text{} // files by what became of them and why
		for _, f := range c.Files {
			alike[[2]string{string(f.Result), f.Why}] = append(alike[[2]string{string(f.Result), f.Why}], named(f.Name))
		}
		for _, f := range c.Files {
			if f.Redirect != nil {
				say("%s came from another server than the one that was asked: %q answered for %q", claim.Path(short(f.Name)), short(f.Redirect.To), short(f.Redirect.From))
			}
			key := [2]string{string(f.Result), f.Why}
			names := alike[key]
			delete(alike, key)
			switch {
			case len(names) == 0: // told with the first of them
			case f.Result == evidence.Failed:
				say("%s could not be taken: %q; that the case lacks it says nothing of the program", claim.List(names[:min(len(names), most)]), short(f.Why))
			case f.Result == evidence.InPart:
				say("%s, taken in part: %q", claim.List(names[:min(len(names), most)]), short(f.Why))
			}
		}
	}
	return out
}

// amount prints a number of a manifest with its unit.
func amount(value float64, unit string) claim.Text {
	switch unit {
	case "seconds":
		return evidence.Of(value*float64(time.Second), evidence.Nanoseconds).Text()
	case "bytes":
		return evidence.Of(value, evidence.Bytes).Text()
	}
	number := claim.Num(strconv.FormatFloat(value, 'f', -1, 64)).Text()
	if unit == "" {
		return number
	}
	return number + " " + named(unit)
}

// named is a name that a manifest gives: as it stands where a recorder or a capture of ours gives it, quoted where
// it is somebody else's.
func named(s string) claim.Text {
	if ourNames.MatchString(s) {
		return prose.Of(prose.Words, s)
	}
	if s == "" {
		return ""
	}
	return claim.Textf("%q", short(s))
}

var ourNames = regexp.MustCompile(`^(?:goroutines|heap|latency|panic|request|signal|seconds|bytes|(?:cpu|heap|allocs|mutex|block|goroutine|goroutineleak|threadcreate)(?:-\d{1,4})?\.pb\.gz|trace\.out|dump\.txt|crash\.txt|stderr\.log)$`)

// short keeps a text of a manifest to one line of sensible length. What it says in
// its own words is quoted (%q), so that readers and redaction can tell it from ours.
func short(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

func differentBuilds(b *evidence.Bundle) []Remark {
	if ids := BuildIDs(b); len(ids) > 1 {
		return []Remark{{Says: claim.Textf("the evidence comes from %d different builds (%s); each is judged alone and nothing is joined across them", len(ids), claim.List(ids))}}
	}
	var releases []claim.Text
	for _, e := range b.Exhibits {
		if _, release := release(e.GoVersion); release != "" && e.Coverage != evidence.None && !slices.Contains(releases, release) {
			releases = append(releases, release)
		}
	}
	if len(releases) > 1 {
		slices.Sort(releases)
		return []Remark{{Says: claim.Textf("the evidence comes from programs built with %s and carries no build ids that would keep them apart; it was joined all the same, so where kinds disagree the builds may be why", claim.List(releases))}}
	}
	return nil
}

// release returns the minor version of a Go version and the version without its
// patch level; 0 and "" when there is none.
func release(version string) (int, claim.Text) {
	digits, ok := strings.CutPrefix(version, "go1.")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	minor, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return 0, ""
	}
	return minor, claim.Textf("Go 1.%d", minor)
}

func differentTimes(b *evidence.Bundle) []Remark {
	var out []Remark
	first, last := captured(b)
	if last.Sub(first) > apart {
		out = append(out, Remark{Says: claim.Textf("the evidence was taken over %s; kinds taken that far apart are joined by site, not by time", last.Sub(first).Round(time.Second))})
	}
	// What else was recorded is the length of the incident as far as anyone can tell.
	var from, to time.Time
	for _, e := range b.Exhibits {
		if !timed(e) {
			continue
		}
		if from.IsZero() || e.CapturedAt.Before(from) {
			from = e.CapturedAt
		}
		if end := e.CapturedAt.Add(e.Duration); end.After(to) {
			to = end
		}
	}
	for _, e := range b.Of(evidence.Trace) {
		if whole := to.Sub(from); !e.CapturedAt.IsZero() && whole >= longCase && e.Duration*partOfCase < whole {
			out = append(out, Remark{e.ID, claim.Textf("%s covers %s of the %s over which evidence was taken; that it does not show a claim says nothing of the rest of that time", claim.Path(e.Path), evidence.Duration(e.Duration), whole.Round(time.Second))})
		}
	}
	return out
}

// timed reports whether an exhibit tells when something was looked at. A log of
// the runtime's does not: it begins with the process, not with the incident.
func timed(e *evidence.Exhibit) bool {
	_, life := e.Content.(content.Lifelong)
	return !e.CapturedAt.IsZero() && e.Coverage != evidence.None && !life
}

// captured returns the first and the last time at which something was looked at.
func captured(b *evidence.Bundle) (first, last time.Time) {
	for _, e := range b.Exhibits {
		if !timed(e) {
			continue
		}
		if first.IsZero() || e.CapturedAt.Before(first) {
			first = e.CapturedAt
		}
		if e.CapturedAt.After(last) {
			last = e.CapturedAt
		}
	}
	return first, last
}

// sinceStart remarks on mutex and block profiles that tell no rate: those that
// were not recorded over a stated time and are not two of one process. A trace tells rates in their place.
func sinceStart(b *evidence.Bundle) []Remark {
	if len(b.Of(evidence.Trace)) > 0 {
		return nil
	}
	var paths []claim.Text
	for _, kind := range []evidence.Kind{evidence.Mutex, evidence.Block} {
		if all := b.Of(kind); len(all) == 1 && all[0].Duration == 0 && len(all[0].Profile().Samples) > 0 {
			paths = append(paths, claim.Path(all[0].Path).Text())
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return []Remark{{Says: claim.Textf("what has been recorded since the process started is in %s, and how long that is no evidence says: no rate can be told from it, and what was long ago weighs as much as the incident. Recorded with ?seconds=30 it covers just those", claim.List(paths))}}
}

// differentClocks looks for times that cannot all be right: evidence from before its process
// started, samples in a trace of a profile taken at another time, and a log that is
// off by what looks like a time zone.
func differentClocks(b *evidence.Bundle) []Remark {
	const slack = 5 * time.Second // what log pipelines delay a line by, and what clocks of one cluster differ by at worst
	var out []Remark
	say := func(e *evidence.Exhibit, format claim.Format, args ...any) {
		out = append(out, Remark{e.ID, claim.Textf(format, args...)})
	}
	text := func(e *evidence.Exhibit) bool { return !e.Kind.Clocked() }
	const meaning claim.Text = "times of the two cannot be compared, and nothing that rests on their order holds"
	for _, log := range b.Exhibits {
		if log.Coverage == evidence.None || log.CapturedAt.IsZero() || !text(log) {
			continue
		}
		// The nearest recording that a clock of the process itself stamped.
		nearest, distance := (*evidence.Exhibit)(nil), time.Duration(0)
		for _, e := range b.Exhibits {
			if e.Coverage == evidence.None || e.CapturedAt.IsZero() || text(e) {
				continue
			}
			d := e.CapturedAt.Sub(log.CapturedAt.Add(log.Duration)) // it came after the log ended
			if before := log.CapturedAt.Sub(e.CapturedAt.Add(e.Duration)); before > d {
				d = before
			}
			if nearest == nil || d < distance {
				nearest, distance = e, d
			}
		}
		if zone := distance.Round(leastZone / 2); nearest != nil && zone >= leastZone && zone <= mostZone && (distance-zone).Abs() < time.Minute {
			say(log, "%s is %s away from %s, almost exactly %s: one of the clocks may be in another time zone; until that is known, %s",
				claim.Path(log.Path), distance.Round(time.Second), claim.Path(nearest.Path), zone, meaning)
		}
	}
	for _, log := range b.Exhibits {
		process, ok := log.Content.(content.Lifelong)
		if !ok || process.Began().IsZero() {
			continue
		}
		start := process.Began()
		for _, e := range b.Exhibits {
			// Of an earlier run the evidence would be hours or days old: no matter of clocks.
			if early := start.Sub(e.CapturedAt); e.Coverage != evidence.None && !text(e) && !e.CapturedAt.IsZero() && early > slack && early < apart {
				say(e, "%s was taken %s before the process started, as the stamps of %s have it: the clocks disagree or it is of an earlier run; %s",
					claim.Path(e.Path), early.Round(time.Second), claim.Path(log.Path), meaning)
				break
			}
		}
	}
	for _, t := range b.Of(evidence.Trace) {
		cpu := b.Of(evidence.CPU)
		if len(t.Trace().Samples) == 0 || t.CapturedAt.IsZero() || len(cpu) == 0 {
			continue
		}
		ran := func(e *evidence.Exhibit) bool {
			return e.CapturedAt.IsZero() || e.Duration == 0 ||
				e.CapturedAt.Before(t.CapturedAt.Add(t.Duration+slack)) && t.CapturedAt.Before(e.CapturedAt.Add(e.Duration+slack))
		}
		if !slices.ContainsFunc(cpu, ran) {
			say(t, "%s holds the samples of a CPU profile that ran meanwhile, and by its clock %s did not: the clocks disagree or that profile is not here; %s",
				claim.Path(t.Path), claim.Path(cpu[0].Path), meaning)
		}
	}
	return out
}

type remark func(format claim.Format, args ...any)

func profileQuality(b *evidence.Bundle, e *evidence.Exhibit, say remark) {
	p := e.Profile()
	// Threads that the runtime created have no stack in any profile (golang/go#6104).
	if n := len(p.Samples); n > 0 && p.Unsymbolised*2 > n && e.Kind != evidence.ThreadCreate {
		say("%d of %d stacks have no function names: C code without symbols, or never symbolised; they can be placed nowhere, so they count in totals and for no site", p.Unsymbolised, n)
	}
	if cut, limit := cutStacks(p, e, b); cut.Number >= muchCut {
		say("%s of its stacks are as deep as is recorded (%d frames) and miss their outer callers; what they show may be held against a helper instead of the code that calls it. GODEBUG=profstackdepth=1024 records deeper ones, except for CPU", cut, limit)
	}
	switch e.Kind {
	case evidence.CPU:
		cpuQuality(b, e, say)
	case evidence.Mutex, evidence.Block:
		contentionQuality(b, e, say)
	case evidence.Goroutine:
		goroutineQuality(e, say)
	case evidence.Heap:
		switch {
		case p.Period > 0 && p.PeriodUnit == "bytes" && p.Period <= denseHeap:
			say("one allocation in every %s was sampled (MemProfileRate; 512 KiB unless set): allocating cost more than it does in production, so CPU shares of allocation are too high", evidence.Of(p.Period, evidence.Bytes))
		case p.Period > heapPeriod && p.PeriodUnit == "bytes":
			say("one allocation in every %s was sampled (MemProfileRate; 512 KiB unless set): sites that hold less than some times that may be missing or far off", evidence.Of(p.Period, evidence.Bytes))
		}
	}
}

// goroutineQuality says what a profile in text form tells, which prints no states: where its goroutines stand.
func goroutineQuality(e *evidence.Exhibit, say remark) {
	p := e.Profile()
	if !p.Legacy || len(p.Columns) != 1 {
		return
	}
	at := map[string]int64{}
	for i := range p.Samples {
		if f := p.Samples[i].Stack.Site().Function; f != "" {
			at[f] += p.Samples[i].Values[0]
		}
	}
	places := slices.SortedFunc(maps.Keys(at), func(a, b string) int { return cmp.Or(-cmp.Compare(at[a], at[b]), cmp.Compare(a, b)) })
	var most []claim.Text
	for _, f := range places[:min(len(places), 2)] {
		most = append(most, claim.Textf("%s (%d)", claim.Func(f), at[f]))
	}
	if len(most) > 0 {
		say("it prints no states; most of its %s stand in %s", evidence.Things(p.Total(0), "goroutine"), claim.Join(most, " and "))
	}
}

func cpuQuality(b *evidence.Bundle, e *evidence.Exhibit, say remark) {
	p := e.Profile()
	samples := p.Total(max(p.Column("samples"), 0))
	used := evidence.Part(time.Duration(p.Total(p.Column("cpu"))), e.Duration)
	switch {
	case e.Duration > 0 && used.Number < idleCPU:
		say("the process used %s of one processor over %s: it was idle, or all of it waited; what this profile does not show it may still do under load", used, evidence.Duration(e.Duration))
	case samples < claim.FewSamples:
		say("%s, fewer than the %d that shares need to mean something; shares of it are rough, and it can hardly deny what it does not show", evidence.Things(samples, "sample"), claim.FewSamples)
	}
	for i := range p.Samples {
		if slices.ContainsFunc(p.Samples[i].Stack, func(f *stack.Frame) bool {
			return strings.HasPrefix(f.Function, "runtime.race") || strings.HasPrefix(f.Function, "__tsan_")
		}) {
			say("the program was built with -race, which makes it 2 to 20 times slower and 5 to 10 times larger; durations, rates and sizes are not those of production")
			break
		}
	}
}

// contentionQuality remarks on empty mutex and block profiles. That one is empty
// may mean that nothing contended; a trace of the same process can tell.
func contentionQuality(b *evidence.Bundle, e *evidence.Exhibit, say remark) {
	setting, what := claim.Text("runtime.SetMutexProfileFraction"), claim.Text("waits for locks")
	if e.Kind == evidence.Block {
		setting, what = "runtime.SetBlockProfileRate", "waits"
	}
	recording := func(o *evidence.Exhibit) bool {
		return o.Profile().Total(max(o.Profile().Column("contentions"), 0)) > 0
	}
	// The first of two profiles is empty where nothing had waited yet.
	if !slices.ContainsFunc(b.Of(e.Kind), recording) {
		traces := b.Of(evidence.Trace)
		var waited time.Duration
		for _, t := range traces {
			for _, w := range t.Trace().Waits {
				if w.Count > w.Open && recorded(e.Kind, w.Class) {
					waited += w.Total
				}
			}
		}
		switch {
		case len(traces) == 0:
			say("it is empty: recording was off (%s was never called) or nothing waited; it denies nothing", setting)
		case waited >= time.Second:
			say("it is empty although %s shows %s of %s that ended: recording was off (%s was never called); it denies nothing", claim.Path(traces[0].Path), evidence.Duration(waited), what, setting)
		}
	}
}

// recorded reports whether a kind of profile holds waits of a class
// (runtime/mprof.go, blockevent and mutexevent).
func recorded(kind evidence.Kind, class wait.Class) bool {
	switch class {
	case wait.Mutex, wait.RWRead, wait.RWWrite:
		return true
	case wait.WaitGroup, wait.Cond, wait.ChanSend, wait.ChanRecv, wait.Select:
		return kind == evidence.Block
	}
	return false
}

// cutStacks returns the share of a profile's stacks that the runtime cut at its
// maximum depth, and that depth. A stack that deep is whole when others,
// shallower ones, begin where it begins.
func cutStacks(p *pprofile.Profile, e *evidence.Exhibit, b *evidence.Bundle) (evidence.Quantity, int) {
	const inlined = 4 // leading frames of the runtime that heap profiles leave out (runtime/pprof/protomem.go)
	limit := maxDepth(e.Kind, e.GoVersion, b.GoVersion())
	begins := map[string]bool{"main.main": true, "runtime.main": true, "runtime.goexit": true, "runtime.mstart": true, "runtime.mcall": true}
	deep := func(s stack.Stack) bool { return len(s) >= limit-inlined }
	for i := range p.Samples {
		if s := p.Samples[i].Stack; len(s) > 0 && !deep(s) {
			begins[s[len(s)-1].Function] = true
		}
	}
	cut := 0
	for i := range p.Samples {
		if s := p.Samples[i].Stack; deep(s) && !begins[s[len(s)-1].Function] {
			cut++
		}
	}
	return evidence.Part(cut, len(p.Samples)), limit
}

// maxDepth is how many frames of a stack are recorded: 64 in CPU profiles
// (runtime/cpuprof.go, maxCPUProfStack); 128 in the others since Go 1.23
// (runtime/extern.go, profstackdepth) and 32 before (runtime/mprof.go, maxStack).
func maxDepth(kind evidence.Kind, versions ...string) int {
	if kind == evidence.CPU {
		return 64
	}
	for _, v := range versions {
		if minor, known := release(v); known != "" {
			const deeper = 23
			if minor < deeper {
				return 32
			}
			break
		}
	}
	return 128
}

func traceQuality(b *evidence.Bundle, e *evidence.Exhibit, say remark) {
	t := e.Trace()
	if e.Duration > 0 && e.Duration < shortTrace {
		say("it covers %s only; waits and pauses are rare events, and that it shows none means little", evidence.Duration(e.Duration))
	} else if use := evidence.Part(t.Procs.Running, t.Procs.Running+t.Procs.Idle); t.Procs.Running+t.Procs.Idle > 0 && use.Number < idleTrace {
		say("the processors were in use for %s of its time: the process was idle, or all of it waited; what this trace does not show it may still do under load", use)
	}
	if len(t.Samples) > 0 && len(b.Of(evidence.CPU)) > 0 {
		say("a CPU profile ran meanwhile, and its samples are in both: on where CPU goes the two are one witness, not two. Each sample interrupts the program for some microseconds, which the trace counts as running")
	}
	if n := len(t.Heap); n > 0 && t.Heap[n-1].Goal > math.MaxInt64 {
		say("the collector was off (GOGC=off and no memory limit): the heap only grows, and nothing is said of the collector's cost")
	}
}

// fewGoroutines says where the goroutines stand of which somebody has picked out a few: no detector may have
// enough of them to judge, and what they do is all that the text says.
func fewGoroutines(d *dump.Dump, say remark) {
	const few = 3
	var at []claim.Text
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		site := g.Stack().Owner()
		if site.Function == "" || stack.Package(site.Function) == "runtime" {
			continue
		}
		if len(at) == few {
			return
		}
		state := wait.StateText(g.State)
		if g.Wait > 0 {
			state += " for " + evidence.Minutes(g.Wait)
		}
		where := claim.Func(site.Function).Text()
		if site.Line > 0 {
			where += claim.Textf(" (%s)", claim.Code(fmt.Sprintf("%s:%d", path.Base(site.File), site.Line)))
		}
		at = append(at, claim.Textf("goroutine %d, %s, in %s", g.ID, state, where))
	}
	if len(at) > 0 {
		say("it shows few goroutines of the program: %s", claim.Join(at, "; "))
	}
}

func dumpQuality(e *evidence.Exhibit, say remark) {
	d := e.Dump()
	if d.Lone() {
		say("it holds only the goroutine that panicked; it says nothing of the others. GOTRACEBACK=all prints them")
	}
	fewGoroutines(d, say)
	if n := len(d.Goroutines); n > 0 && float64(d.Elided) >= muchCut*float64(n) {
		say("the middle of %d of %d stacks is left out, as the runtime prints 100 frames of one at most; a caller that stands there is not seen", d.Elided, n)
	}
}
