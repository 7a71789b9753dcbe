package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/runtimelog"
	"inquest/analyze/evidence/stack"
)

// Focus restricts a case to one class of requests or one stretch of time. The
// zero value restricts nothing.
type Focus struct {
	Label [2]string // key and value that samples and goroutines must carry; an empty key for none
	Task  string    // the type of user task to look at; empty for all
	From  Moment    // what is seen before it, or
	To    Moment    // after it, is left out; zero for no bound
}

// Moment is a point in time: on the wall clock, or an offset from the start of
// the first execution trace, or of the first exhibit that has a time where there is none.
type Moment struct {
	Wall   time.Time
	Offset time.Duration
	Set    bool
}

func (m Moment) String() string {
	switch {
	case !m.Set:
		return ""
	case !m.Wall.IsZero():
		return m.Wall.Format(time.RFC3339Nano)
	}
	return m.Offset.String()
}

// ParseWindow reads "FROM,TO", each an offset such as 1.2s, a time as RFC 3339
// writes it, or nothing.
func ParseWindow(s string) (from, to Moment, err error) {
	first, last, ok := strings.Cut(s, ",")
	if !ok || first == "" && last == "" {
		return from, to, fmt.Errorf("%q: want FROM,TO, such as 1.2s,3s or 2026-05-04T12:00:00Z,2026-05-04T12:05:00Z", s)
	}
	for _, side := range []struct {
		text string
		into *Moment
	}{{first, &from}, {last, &to}} {
		text := strings.TrimSpace(side.text)
		if text == "" {
			continue
		}
		side.into.Set = true
		if side.into.Wall, err = time.Parse(time.RFC3339Nano, text); err == nil {
			continue
		}
		if side.into.Offset, err = time.ParseDuration(text); err != nil || side.into.Offset < 0 {
			return from, to, fmt.Errorf("%q is neither an offset such as 1.2s nor a time such as 2026-05-04T12:00:00Z", text)
		}
	}
	if from.Set && to.Set && from.Wall.IsZero() != to.Wall.IsZero() {
		return from, to, fmt.Errorf("%q: give both ends as offsets, or both as times", s)
	}
	if from.Set && to.Set && (to.Offset < from.Offset || to.Wall.Before(from.Wall)) {
		return from, to, fmt.Errorf("%q: ends before it begins", s)
	}
	return from, to, nil
}

// What became of an exhibit under a focus.
const (
	Kept       = "kept"       // all of it, because all of it is in focus or because it cannot be restricted: Says tells
	Restricted = "restricted" // a part of it
	LeftOut    = "left out"   // none of it
)

// Focused says what became of an exhibit under a focus.
type Focused struct {
	Exhibit string // id
	Path    string
	Result  string // Kept, Restricted or LeftOut
	Says    string // how much, or why
}

// Narrow returns the case with only what is in focus, and what became of every
// usable exhibit. The bundle and what it holds stay as they are. An error says that
// nothing is in focus, and what there would be.
func (f Focus) Narrow(b *Bundle) (*Bundle, []Focused, error) {
	if f == (Focus{}) {
		return b, nil, nil
	}
	out := *b
	out.Exhibits = nil
	in, err := f.bounds(b)
	if err != nil {
		return nil, nil, err
	}
	var notes []Focused
	usable, tasks := 0, 0
	for _, e := range b.Exhibits {
		if e.Coverage == None {
			out.Exhibits = append(out.Exhibits, e)
			continue
		}
		note := Focused{Exhibit: e.ID, Path: e.Path, Result: Kept}
		left := *e
		for _, restrict := range []func(*Exhibit) (string, string){
			in.holds,
			f.labelled,
			f.ofTask,
		} {
			result, says := restrict(&left)
			if says != "" {
				note.Says = strings.TrimPrefix(note.Says+"; "+says, "; ")
			}
			if result == LeftOut {
				note.Result = LeftOut
				break
			}
			if result == Restricted {
				note.Result = Restricted
			}
		}
		notes = append(notes, note)
		if note.Result != LeftOut {
			out.Exhibits = append(out.Exhibits, &left)
			usable++
			if left.Trace() != nil {
				tasks += len(left.Trace().Tasks)
			}
		}
	}
	if usable == 0 || f.Task != "" && tasks == 0 {
		return nil, nil, f.nothing(b)
	}
	return &out, notes, nil
}

// timed reports whether there is a window.
func (f Focus) timed() bool { return f.From.Set || f.To.Set }

// window returns the window as offsets from the start of a trace. base is what its own
// offsets count from; zero for that start.
func (f Focus) window(start, base time.Time) (from, to time.Duration) {
	at := func(m Moment, none time.Duration) time.Duration {
		switch {
		case !m.Set || !m.Wall.IsZero() && start.IsZero():
			return none
		case !m.Wall.IsZero():
			return m.Wall.Sub(start)
		case base.IsZero() || start.IsZero():
			return m.Offset
		}
		return base.Add(m.Offset).Sub(start)
	}
	return at(f.From, 0), at(f.To, math.MaxInt64)
}

// stretch is a window on the wall clock.
type stretch struct {
	from, to time.Time // zero for no bound
	untimed  bool      // the window counts from a trace that does not tell its time
}

// bounds turns the window into times of the wall clock.
func (f Focus) bounds(b *Bundle) (in stretch, err error) {
	if !f.timed() {
		return in, nil
	}
	var base time.Time
	traces := b.Of(Trace)
	for _, e := range traces {
		if base.IsZero() && !e.CapturedAt.IsZero() {
			base = e.CapturedAt.Add(-e.Trace().Narrowed.From)
			if e.Trace().Narrowed.Outside {
				base = e.CapturedAt
			}
		}
	}
	wall := !f.From.Wall.IsZero() || !f.To.Wall.IsZero()
	if base.IsZero() && len(traces) > 0 && !wall {
		return stretch{untimed: true}, nil
	}
	if base.IsZero() {
		for _, e := range b.Exhibits {
			if e.Coverage != None && !e.CapturedAt.IsZero() && (base.IsZero() || e.CapturedAt.Before(base)) {
				base = e.CapturedAt
			}
		}
	}
	if base.IsZero() {
		return in, errors.New("no evidence carries a time, so a window leaves nothing to look at")
	}
	at := func(m Moment) time.Time {
		switch {
		case !m.Set:
			return time.Time{}
		case m.Wall.IsZero():
			return base.Add(m.Offset)
		}
		return m.Wall
	}
	return stretch{from: at(f.From), to: at(f.To)}, nil
}

// holds restricts an exhibit to a stretch of the wall clock. Traces have been cut as
// they were read.
func (in stretch) holds(e *Exhibit) (result, says string) {
	from, to := in.from, in.to
	if t := e.Trace(); t != nil && t.Narrowed != (exectrace.Narrowed{}) {
		n := t.Narrowed
		if n.Outside {
			return LeftOut, fmt.Sprintf("the window lies outside of its %s", Duration(n.Of))
		}
		says := fmt.Sprintf("%s from offset %s on, of about %s, and offsets count from there; what was under way at an edge counts with its part inside, as at the ends of a trace",
			Duration(t.Duration), Duration(n.From), Duration(n.Of))
		if n.Skipped > 0 {
			says += fmt.Sprintf("; not decoded, because outside: %s", Things(n.Skipped, "generation"))
		}
		return Restricted, says
	}
	switch {
	case in.untimed && e.Trace() != nil:
		return Kept, ""
	case in.untimed:
		return LeftOut, "the trace does not tell its time of day, so what of this lies in the window is not known"
	case from.IsZero() && to.IsZero():
		return Kept, ""
	case e.CapturedAt.IsZero():
		return LeftOut, "it carries no time"
	}
	begin, end := e.CapturedAt, e.CapturedAt.Add(e.Duration)
	// A profile of what happened over some time is stamped at its end, but for CPU (runtime/pprof, net/http/pprof).
	if e.Profile() != nil && e.Kind != CPU {
		begin, end = e.CapturedAt.Add(-e.Duration), e.CapturedAt
	}
	const stamp = "15:04:05.000"
	span := begin.UTC().Format(stamp)
	if end.After(begin) {
		span += " to " + end.UTC().Format(stamp)
	}
	if !to.IsZero() && begin.After(to) || !from.IsZero() && end.Before(from) {
		return LeftOut, "it is of " + span + ", outside of the window"
	}
	if !begin.Before(from) && (to.IsZero() || !end.After(to)) {
		if e.Profile() != nil && e.Duration == 0 && (e.Kind == Mutex || e.Kind == Block) {
			return Kept, "it was taken in the window and adds up since the process started"
		}
		return Kept, ""
	}
	switch {
	case e.GC() != nil:
		return narrowGC(e, from, to)
	case e.Sched() != nil:
		return narrowSched(e, from, to)
	}
	return Kept, "it is of " + span + " and cannot be cut: the part outside of the window counts too"
}

// narrowGC keeps the windows of collections that lie in a stretch of time, whole.
func narrowGC(e *Exhibit, from, to time.Time) (result, says string) {
	gc, all := *e.GC(), e.GC().Total.Cycles
	gc.Windows, gc.Total, gc.Longest = nil, runtimelog.GCWindow{}, nil
	inside := func(a, z time.Duration) bool {
		return !gc.Start.Add(z).Before(from) && (to.IsZero() || !gc.Start.Add(a).After(to))
	}
	for i := range e.GC().Windows {
		w := e.GC().Windows[i]
		if !inside(w.From, w.To) {
			continue
		}
		if gc.Windows = append(gc.Windows, w); len(gc.Windows) == 1 {
			gc.Total = w
		} else {
			gc.Total.Add(&w)
		}
	}
	if len(gc.Windows) == 0 {
		return LeftOut, "no collection is in the window"
	}
	for _, c := range e.GC().Longest {
		if inside(c.At, c.At) {
			gc.Longest = append(gc.Longest, c)
		}
	}
	e.Content = &gc
	e.CapturedAt, e.Duration = gc.Start.Add(gc.Total.From), gc.Total.To-gc.Total.From
	return Restricted, fmt.Sprintf("%d of %d collections; the collector's share of all processor time stays that since the process started", gc.Total.Cycles, all)
}

// narrowSched keeps the windows of schedtrace lines that lie in a stretch of time, whole.
func narrowSched(e *Exhibit, from, to time.Time) (result, says string) {
	s, all := *e.Sched(), e.Sched().Total.Samples
	first := e.CapturedAt
	s.Windows, s.Total = nil, runtimelog.SchedWindow{}
	for i := range e.Sched().Windows {
		w := e.Sched().Windows[i]
		if first.Add(w.To-e.Sched().Total.From).Before(from) || !to.IsZero() && first.Add(w.From-e.Sched().Total.From).After(to) {
			continue
		}
		if s.Windows = append(s.Windows, w); len(s.Windows) == 1 {
			s.Total = w
		} else {
			s.Total.Add(&w)
		}
	}
	if len(s.Windows) == 0 {
		return LeftOut, "no line is in the window"
	}
	e.CapturedAt, e.Duration = first.Add(s.Total.From-e.Sched().Total.From), s.Total.To-s.Total.From
	e.Content = &s
	return Restricted, fmt.Sprintf("%d of %d lines", s.Total.Samples, all)
}

// labelled restricts an exhibit to what carries the label. What cannot carry one says
// nothing of a class of requests and is left out.
func (f Focus) labelled(e *Exhibit) (result, says string) {
	key, value := f.Label[0], f.Label[1]
	switch {
	case key == "":
		return Kept, ""
	case e.Profile() != nil && (e.Kind == CPU || e.Kind == Goroutine || e.Kind == GoroutineLeak):
		p, column := *e.Profile(), len(e.Profile().Columns)-1
		p.Samples, p.Unsymbolised = nil, 0
		for _, s := range e.Profile().Samples {
			if slices.Contains(s.Labels[key], value) {
				p.Samples = append(p.Samples, s)
				if !slices.ContainsFunc(s.Stack, named) {
					p.Unsymbolised++
				}
			}
		}
		if len(p.Samples) == 0 {
			return LeftOut, "none of its samples carries the label"
		}
		part := Part(p.Total(column), e.Profile().Total(column))
		e.Content = &p
		return Restricted, fmt.Sprintf("%s of its %s carries the label, and shares are of that", part, columnName(&p, column))
	case e.Dump() != nil:
		d := *e.Dump()
		d.Goroutines = slices.DeleteFunc(slices.Clone(d.Goroutines), func(g dump.Goroutine) bool {
			v, ok := g.Labels[key]
			return !ok || v != value
		})
		if len(d.Goroutines) == 0 {
			return LeftOut, "none of its goroutines carries the label"
		}
		// Who holds a lock may be among those left out, so what is not in sight proves nothing.
		all := len(e.Dump().Goroutines)
		d.Partial = true
		e.Content, e.Coverage, e.Problems = &d, Partial, slices.Clone(e.Problems)
		e.problem("narrowed to the goroutines that carry the label")
		return Restricted, fmt.Sprintf("%d of %s carry the label; deadlock is not judged, as whoever holds a lock may be among the rest", len(d.Goroutines), Things(all, "goroutine"))
	case e.Trace() != nil:
		return LeftOut, "execution traces carry no labels (golang/go#56295)"
	}
	return LeftOut, "evidence of this kind carries no labels"
}

// ofTask restricts a trace to one type of user task. What goroutines did inside regions
// of such tasks was told apart as the trace was read.
func (f Focus) ofTask(e *Exhibit) (result, says string) {
	switch {
	case f.Task == "":
		return Kept, ""
	case e.Trace() == nil:
		return Kept, "evidence of this kind does not know tasks: all of it counts"
	}
	t := *e.Trace()
	t.Tasks = nil
	for _, task := range e.Trace().Tasks {
		if task.Name == f.Task {
			t.Tasks = append(t.Tasks, task)
		}
	}
	if len(t.Tasks) == 0 {
		return LeftOut, "it holds no task of this type"
	}
	left := ""
	if others := len(e.Trace().Tasks) - len(t.Tasks); others > 0 {
		left = Things(others, "other task type") + " left out; "
	}
	e.Content = &t
	if t.InFocus == 0 {
		return Restricted, left + "no goroutine was in a region of such a task (runtime/trace.WithRegion), so regions, waits, wake-ups and lock holders are those of all goroutines"
	}
	e.Apart = fmt.Sprintf("narrowed to regions of tasks of type %s: what it does not show there may well be outside", f.Task)
	return Restricted, left + fmt.Sprintf("waits, wake-ups, lock holders and logs are those inside %s of such tasks; what goroutines ran, processors, pauses and the collector are those of all",
		Things(int(t.InFocus), "region"))
}

// nothing says why nothing is in focus, and what could be.
func (f Focus) nothing(b *Bundle) error {
	var seen []string
	count := map[string]int64{}
	add := func(s string, n int64) {
		if count[s] == 0 {
			seen = append(seen, s)
		}
		count[s] += n
	}
	what := "nothing is in the window"
	var first, last time.Time
	for _, e := range b.Exhibits {
		if at := e.CapturedAt; e.Coverage != None && !at.IsZero() {
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if end := at.Add(e.Duration); end.After(last) {
				last = end
			}
		}
	}
	if !first.IsZero() {
		what += fmt.Sprintf("; the evidence is from %s to %s", first.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	}
	if f.Label[0] != "" {
		what = fmt.Sprintf("nothing carries the label %s=%s", f.Label[0], f.Label[1])
		for _, e := range b.Exhibits {
			if e.Profile() != nil {
				for _, s := range e.Profile().Samples {
					for k, values := range s.Labels {
						for _, v := range values {
							add(k+"="+v, 1)
						}
					}
				}
			}
			if e.Dump() != nil {
				for i := range e.Dump().Goroutines {
					for k, v := range e.Dump().Goroutines[i].Labels {
						add(k+"="+v, 1)
					}
				}
			}
		}
	}
	known := "labels"
	if f.Task != "" && len(seen) == 0 {
		what, known = fmt.Sprintf("no execution trace here holds a task of type %q", f.Task), "types"
		for _, e := range b.Of(Trace) {
			for _, t := range e.Trace().Tasks {
				add(t.Name, t.Count)
			}
		}
	}
	if len(seen) == 0 {
		return errors.New(what)
	}
	slices.SortFunc(seen, func(a, b string) int { return cmp.Or(-cmp.Compare(count[a], count[b]), cmp.Compare(a, b)) })
	const most = 5
	return fmt.Errorf("%s; the most frequent %s are %s", what, known, strings.Join(seen[:min(len(seen), most)], ", "))
}

// named reports whether a frame has a function's name (see pprofile.Sample).
func named(f stack.Frame) bool { return f.Function != "" && !strings.HasPrefix(f.Function, "[") }

func columnName(p *pprofile.Profile, column int) string {
	if column < 0 {
		return "samples"
	}
	return p.Columns[column].Name
}
