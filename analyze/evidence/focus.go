package evidence

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
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
		return from, to, prose.Errorf("%q: want FROM,TO, such as 1.2s,3s or 2026-05-04T12:00:00Z,2026-05-04T12:05:00Z", s)
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
			return from, to, prose.Errorf("%q is neither an offset such as 1.2s nor a time such as 2026-05-04T12:00:00Z", text)
		}
	}
	if from.Set && to.Set && from.Wall.IsZero() != to.Wall.IsZero() {
		return from, to, prose.Errorf("%q: give both ends as offsets, or both as times", s)
	}
	if from.Set && to.Set && (to.Offset < from.Offset || to.Wall.Before(from.Wall)) {
		return from, to, prose.Errorf("%q: ends before it begins", s)
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
	Result  string     // Kept, Restricted or LeftOut
	Says    prose.Text // how much, or why
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
	usable, tasked := 0, false
	for _, e := range b.Exhibits {
		if e.Coverage == None {
			out.Exhibits = append(out.Exhibits, e)
			continue
		}
		note := Focused{Exhibit: e.ID, Path: e.Path, Result: Kept}
		left := *e
		for _, restrict := range []func(*Exhibit) (content.Part, string){
			in.holds,
			f.labelled,
			f.ofTask,
		} {
			part, result := restrict(&left)
			if part.Says != "" {
				if note.Says != "" {
					note.Says += "; "
				}
				note.Says += part.Says
			}
			if result != Kept {
				note.Result = result
			}
			if result == LeftOut {
				break
			}
			if result == Restricted {
				left.restrict(part)
			}
		}
		notes = append(notes, note)
		if note.Result != LeftOut {
			out.Exhibits = append(out.Exhibits, &left)
			usable++
			_, knows := left.Content.(content.Tasked)
			tasked = tasked || knows
		}
	}
	if usable == 0 || f.Task != "" && !tasked {
		return nil, nil, f.nothing(b)
	}
	return &out, notes, nil
}

// restrict leaves a part of the exhibit.
func (e *Exhibit) restrict(p content.Part) {
	e.Content = p.Content
	if !p.At.IsZero() {
		e.CapturedAt, e.Duration = p.At, p.For
	}
	if p.Apart != "" {
		e.Apart = p.Apart
	}
	if p.Lacks != "" {
		e.Coverage, e.Problems = Partial, slices.Clone(e.Problems)
		e.problem("%s", p.Lacks)
	}
}

// became says what became of a content of which a part is left.
func became(p content.Part) (content.Part, string) {
	if p.Content == nil {
		return p, LeftOut
	}
	return p, Restricted
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
		return in, prose.Errorf("no evidence carries a time, so a window leaves nothing to look at")
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
func (in stretch) holds(e *Exhibit) (content.Part, string) {
	from, to := in.from, in.to
	say := func(says prose.Text) content.Part { return content.Part{Says: says} }
	cut, isCut := e.Content.(content.Cut)
	if isCut {
		if p, ok := cut.Cut(); ok {
			return became(p)
		}
	}
	switch {
	case in.untimed && isCut:
		return say(""), Kept
	case in.untimed:
		return say("the trace does not tell its time of day, so what of this lies in the window is not known"), LeftOut
	case from.IsZero() && to.IsZero():
		return say(""), Kept
	case e.CapturedAt.IsZero():
		return say("it carries no time"), LeftOut
	}
	begin, end := e.CapturedAt, e.CapturedAt.Add(e.Duration)
	if e.Kind.is(atEnd) {
		begin, end = e.CapturedAt.Add(-e.Duration), e.CapturedAt
	}
	const stamp = "15:04:05.000"
	span := prose.Num(begin.UTC().Format(stamp)).Text()
	if end.After(begin) {
		span += " to " + prose.Num(end.UTC().Format(stamp)).Text()
	}
	if !to.IsZero() && begin.After(to) || !from.IsZero() && end.Before(from) {
		return say("it is of " + span + ", outside of the window"), LeftOut
	}
	if !begin.Before(from) && (to.IsZero() || !end.After(to)) {
		if e.Duration == 0 && (e.Kind == Mutex || e.Kind == Block) {
			return say("it was taken in the window and adds up since the process started"), Kept
		}
		return say(""), Kept
	}
	if c, ok := e.Content.(content.Timed); ok {
		return became(c.Within(e.CapturedAt, from, to))
	}
	return say("it is of " + span + " and cannot be cut: the part outside of the window counts too"), Kept
}

// labelled restricts an exhibit to what carries the label. What cannot carry one says
// nothing of a class of requests and is left out.
func (f Focus) labelled(e *Exhibit) (content.Part, string) {
	if f.Label[0] == "" {
		return content.Part{}, Kept
	}
	if c, ok := e.Content.(content.Labelled); ok {
		return became(c.Labelled(f.Label[0], f.Label[1]))
	}
	return content.Part{Says: "evidence of this kind carries no labels"}, LeftOut
}

// ofTask restricts an exhibit to one type of user task.
func (f Focus) ofTask(e *Exhibit) (content.Part, string) {
	if f.Task == "" {
		return content.Part{}, Kept
	}
	if c, ok := e.Content.(content.Tasked); ok {
		return became(c.OfTask(f.Task))
	}
	return content.Part{Says: "evidence of this kind does not know tasks: all of it counts"}, Kept
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
	what := prose.Text("nothing is in the window")
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
		what += prose.Textf("; the evidence is from %s to %s", prose.Num(first.UTC().Format(time.RFC3339)), prose.Num(last.UTC().Format(time.RFC3339)))
	}
	if f.Label[0] != "" {
		what = prose.Textf("nothing carries the label %s=%s", f.Label[0], f.Label[1])
		for _, e := range b.Exhibits {
			if c, ok := e.Content.(content.Labelled); ok {
				c.EachLabel(func(key, value string) { add(key+"="+value, 1) })
			}
		}
	}
	known := prose.Text("labels")
	if f.Task != "" && len(seen) == 0 {
		what, known = prose.Textf("no execution trace here holds a task of type %q", f.Task), "types"
		for _, e := range b.Of(Trace) {
			for _, t := range e.Trace().Tasks {
				add(t.Name, t.Count)
			}
		}
	}
	if len(seen) == 0 {
		return prose.Errorf("%s", what)
	}
	slices.SortFunc(seen, func(a, b string) int { return cmp.Or(-cmp.Compare(count[a], count[b]), cmp.Compare(a, b)) })
	const most = 5
	return prose.Errorf("%s; the most frequent %s are %s", what, known, strings.Join(seen[:min(len(seen), most)], ", "))
}
