package account

import (
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// The kinds of parts of goroutines beside idle ones.
const (
	Waiting   = "waiting"  // has work, which waits for somebody or something
	ForWork   = "for work" // receives, selects or waits for a condition outside of any request: a worker may do so for want of work
	Stuck     = "stuck"    // nobody is left to let it go on, as far as the evidence shows
	Sleeping  = "sleep"
	InCall    = "system call"
	Assisting = "collector" // made to mark by the collector
)

// crowd counts goroutines for an account.
type crowd struct {
	sums
	requests  int64            // in flight
	held      map[string]int64 // of those, by what they wait for and where
	behind    map[string]claim.Text
	worstPart map[string]claim.AccountPart
	doing     map[claim.Text]wait.Doing // by what several do
}

// goroutines are the accounts of what goroutines do at one moment: a dump shows states, a goroutine profile, which stands in
// where there is none, stacks alone. A leak profile holds none but those that are stuck for ever.
func (c Case) goroutines() (out []claim.Account) {
	if e := dumpOf(c.Exhibits[evidence.Dump]); e != nil {
		out = append(out, dumped(e))
	}
	if e := c.last(evidence.Goroutine); len(out) == 0 && e != nil && e.Profile() != nil {
		out = append(out, profiled(e, "all goroutines of the profile", false)...)
	}
	if e := c.last(evidence.GoroutineLeak); e != nil && e.Profile() != nil {
		out = append(out, profiled(e, "goroutines that the runtime proved to be stuck for ever", true)...)
	}
	return out
}

// dumpOf is the newest dump that pictures a process: the stack of what panicked alone is none.
func dumpOf(all []*evidence.Exhibit) *evidence.Exhibit {
	for i := len(all) - 1; i >= 0; i-- {
		if d := all[i].Dump(); d != nil && len(d.Goroutines) > 0 && (len(d.Goroutines) > 1 || d.Message == "") {
			return all[i]
		}
	}
	return nil
}

func dumped(e *evidence.Exhibit) claim.Account {
	d := e.Dump()
	var s crowd
	stuck, holders := locked(d)
	for _, part := range standing(e) {
		stuck[part.G] = true
	}
	ids := map[*sum][]int64{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		stk := g.Stack()
		class := wait.OfState(g.State, stk)
		x := s.goroutine(class, stk, 1, g.Leaked || stuck[g] || never(g.State), holders[g])
		if x != nil {
			ids[x] = append(ids[x], g.ID)
		}
	}
	for x, all := range ids {
		slices.Sort(all)
		x.IDs = []int64{all[0], all[len(all)/2], all[len(all)-1]}
	}
	a := s.into(claim.Account{
		Name: claim.GoroutineAccount, Exhibit: e.ID, Unit: evidence.Count, Whole: int64(len(d.Goroutines)), What: "all goroutines of the dump",
		Show: claim.Grep(e, "goroutine "),
	})
	for i := range a.Parts[:min(len(a.Parts), reading.MaxSites)] {
		if q := &a.Parts[i]; q.Site.Function != "" {
			q.Show = claim.Grep(e, claim.Func(q.Site.Function).Text()+"(")
		}
	}
	a.Summary = s.words(&a)
	return a
}

// recording is what the recorder of the evidence does.
var recording = wait.Doing{One: "records the evidence", Many: "record the evidence"}

// never reports whether a state is one that nothing ends.
func never(state string) bool {
	switch state {
	case "chan receive (nil chan)", "chan send (nil chan)", "select (no cases)":
		return true
	}
	return false
}

// locked tells the goroutines of a dump that wait for locks which nobody will give back, and for others whom they wait for.
func locked(d *dump.Dump) (stuck map[*dump.Goroutine]bool, holders map[*dump.Goroutine]*dump.Goroutine) {
	stuck, holders = map[*dump.Goroutine]bool{}, map[*dump.Goroutine]*dump.Goroutine{}
	locks := reading.Locks(d)
	dead := reading.Dead(locks)
	for _, l := range locks {
		h, _, ok := l.Holder(d, crowded)
		for _, w := range l.Waiters {
			stuck[w.G] = dead[l]
			if ok && h.G != w.G {
				holders[w.G] = h.G
			}
		}
	}
	return stuck, holders
}

// crowded is how many must wait for a lock before its likely holder is sought, as impact.min-standing-moment has it.
const crowded = 10

// standing are the goroutines at a standstill that have work or were left behind.
func standing(e *evidence.Exhibit) []reading.Stuck {
	work, left, _ := reading.StandstillParts(e)
	return slices.Concat(work, left)
}

func profiled(e *evidence.Exhibit, what claim.Text, stuck bool) []claim.Account {
	p := e.Profile()
	column := max(p.Column("goroutine"), 0)
	whole := p.Total(column)
	if len(p.Columns) == 0 || whole == 0 {
		return nil
	}
	var s crowd
	for i := range p.Samples {
		x := &p.Samples[i]
		s.goroutine(wait.OfStack(x.Stack), x.Stack, x.Values[column], stuck, nil)
	}
	a := s.into(claim.Account{
		Name: claim.GoroutineAccount, Exhibit: e.ID, Unit: evidence.Count, Whole: whole, What: what, Show: claim.Top(e, p.Columns[column].Name),
	})
	for i := range a.Parts[:min(len(a.Parts), reading.MaxSites)] {
		if q := &a.Parts[i]; q.Site.Function != "" {
			q.Show = peekPart(e, p, column, q)
		}
	}
	a.Summary = s.words(&a)
	return []claim.Account{a}
}

func peekPart(e *evidence.Exhibit, p *pprofile.Profile, column int, q *claim.AccountPart) claim.Command {
	return claim.Peek(e, p.Columns[column].Name, stack.Site(q.Site))
}

// goroutine counts n goroutines that stand alike.
func (s *crowd) goroutine(class wait.Class, stk stack.Stack, n int64, stuck bool, holder *dump.Goroutine) *sum {
	if len(stk) == 0 || n == 0 {
		return nil
	}
	kind, doing := state(class, stk, stuck)
	if s.doing == nil {
		s.doing, s.behind = map[claim.Text]wait.Doing{}, map[string]claim.Text{}
	}
	s.doing[doing.Many] = doing
	place := stk.Owner()
	part := claim.AccountPart{Kind: kind, What: doing.Many, Site: site(place), Value: n}
	handler := wait.HandlerOf(stk)
	switch {
	case handler != "":
		part.For = &claim.Site{Function: handler}
	default:
		part.For = someone(start(stk))
	}
	switch kind {
	case claim.PartIdle:
		part.For, part.What, part.Site = nil, "idle by design", claim.Site{}
	case claim.PartRecorder:
		part.For, part.Site = nil, claim.Site{}
	}
	if holder != nil && kind != Stuck {
		part.By = someone(holder.Stack().Owner())
	}
	if handler != "" && kind != claim.PartIdle && kind != claim.PartRecorder {
		s.requests += n
		if kind != Running {
			k := stood(kind, doing.Many, place.Function)
			if s.held == nil {
				s.held, s.worstPart = map[string]int64{}, map[string]claim.AccountPart{}
			}
			s.held[k] += n
			if _, ok := s.worstPart[k]; !ok || holder != nil {
				s.worstPart[k] = part
			}
			if holder != nil && kind != Stuck {
				s.behind[k] = does(holder)
			}
		}
	} else if holder != nil && kind != Stuck {
		s.behind[stood(kind, doing.Many, place.Function)] = does(holder)
	}
	return s.add(part)
}

// does is what a goroutine that others wait for does itself.
func does(g *dump.Goroutine) claim.Text {
	stk := g.Stack()
	class := wait.OfState(g.State, stk)
	if class == "" {
		return claim.Textf("runs in %s", claim.Func(stk.Owner().Function))
	}
	return claim.Textf("%s in %s", class.DoingAt(wait.ForSlot(class, stk), stk).One, claim.Func(stk.Owner().Function))
}

// state is what a goroutine does, as a kind and in words.
func state(class wait.Class, stk stack.Stack, stuck bool) (kind string, doing wait.Doing) {
	slot := wait.ForSlot(class, stk)
	doing = class.DoingAt(slot, stk)
	if slot {
		what, _ := wait.SlotKind(stk)
		doing = forWhat(what)
	}
	switch {
	case reading.Recorders(stk):
		return claim.PartRecorder, recording
	case class == "":
		return Running, wait.Doing{One: "runs, or is ready to", Many: "run, or are ready to"}
	case stuck:
		return Stuck, doing
	case class == wait.Sleep:
		return Sleeping, doing
	case class == wait.Syscall:
		return InCall, doing
	case class == wait.Assist:
		return Assisting, wait.Doing{One: "marks for the collector", Many: "mark for the collector"}
	case wait.Idle(class, stk):
		return claim.PartIdle, doing
	case wait.ForWork(class, stk) && !wait.ForAnswer(stk):
		return ForWork, doing
	}
	return Waiting, doing
}

// words sums goroutines up: what holds most requests up, else what most of those do that are not idle.
func (s *crowd) words(a *claim.Account) claim.Text {
	out := claim.Textf("Goroutines: %s", evidence.Of(a.Whole, evidence.Count))
	var most string
	for k, n := range s.held {
		if most == "" || n > s.held[most] || n == s.held[most] && k < most {
			most = k
		}
	}
	idle := ofKind(a, claim.PartIdle, ForWork)
	switch p := largest(a, claim.PartIdle, ForWork, claim.PartRecorder); {
	case most != "" && s.held[most] > 1 && s.held[most]*2 >= s.requests:
		part := s.worstPart[most]
		out += claim.Textf("; %s of %s in flight %s%s", evidence.Of(s.held[most], evidence.Count), evidence.Things(s.requests, "request"), s.does(s.held[most], &part), at(part.Site))
		if holder := s.behind[most]; holder != "" {
			out += "; the holder " + holder
		}
	case p != nil && 10*p.Value >= a.Whole-idle && p.Value > 1:
		out += claim.Textf("; %s %s%s", evidence.Of(p.Value, evidence.Count), s.does(p.Value, p), at(p.Site))
		if holder := s.behind[stood(p.Kind, p.What, p.Site.Function)]; holder != "" {
			out += "; the holder " + holder
		}
	}
	if worker := ofKind(a, ForWork); worker > 0 {
		out += claim.Textf("; %s, perhaps for work", evidence.Amount(worker, "waits", "wait"))
	}
	if n := ofKind(a, claim.PartIdle); n > 0 {
		out += claim.Textf("; %s %s idle by design", evidence.Of(n, evidence.Count), evidence.Plural(n, "is", "are"))
	}
	return out
}

// does is what n goroutines of a part do.
func (s *crowd) does(n int64, p *claim.AccountPart) claim.Text {
	words := p.What
	if n == 1 {
		words = s.doing[p.What].One
	}
	if p.Kind == Stuck {
		words += " for ever"
	}
	return words
}

// stood names what goroutines do and where.
func stood(kind string, doing claim.Text, function string) string {
	return kind + "\x00" + string(doing) + "\x00" + function
}
