package account

import (
	"cmp"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// The kinds of parts of contention beside idle waits and those of goroutines: the classes of package wait, and these.
const (
	Lock         = "lock"
	Slot         = "slot"         // of a pool
	RuntimeLocks = "runtime lock" // of the runtime itself, which no code of the program holds
)

// contention are the accounts of the delay that mutex and block profiles recorded. The mutex profile says who held, the block
// profile who waited, and for channels as well: the one that has more to say of what is not idle comes first.
func (c Case) contention() (out []claim.Account) {
	if e := c.densest(evidence.Mutex, "delay"); e != nil {
		out = append(out, c.delayed(e, heldAt, "delay of those who waited for locks, by where they were given back")...)
	}
	if e := c.densest(evidence.Block, "delay"); e != nil {
		out = append(out, c.delayed(e, waitedAt, "delay of those who waited, by where they did")...)
	}
	weight := func(a claim.Account) int64 {
		if p := largest(&a, claim.PartIdle, ForWork, Sleeping, claim.PartRecorder, RuntimeLocks); p != nil {
			return p.Value
		}
		return 0
	}
	if len(out) == 2 && weight(out[1]) > weight(out[0]) && largest(&out[1], claim.PartIdle, ForWork, Sleeping, claim.PartRecorder, RuntimeLocks).Kind != Lock {
		slices.Reverse(out)
	}
	return out
}

// delayed is the account of one profile; place tells the part that a stack belongs to.
func (c Case) delayed(e *evidence.Exhibit, place func(stack.Stack) claim.AccountPart, what claim.Text) []claim.Account {
	p := e.Profile()
	delay, contentions := p.Column("delay"), p.Column("contentions")
	a := claim.Account{
		Name: claim.ContentionAccount, Exhibit: e.ID, Unit: evidence.Nanoseconds, Whole: p.Total(delay), What: what, Show: claim.Top(e, "delay"),
		Over: int64(cmp.Or(max(p.Duration, 0), c.Process.Age)),
	}
	if a.Whole == 0 {
		return nil
	}
	var s sums
	for i := range p.Samples {
		x := &p.Samples[i]
		if len(x.Stack) == 0 {
			continue
		}
		part := place(x.Stack)
		part.Value = x.Values[delay]
		if contentions >= 0 {
			part.Count = x.Values[contentions]
		}
		s.add(part)
	}
	a = s.into(a)
	for i := range a.Parts[:min(len(a.Parts), reading.MaxSites)] {
		if q := &a.Parts[i]; q.Site.Function != "" {
			q.Show = claim.Peek(e, "delay", stack.Site(q.Site))
		}
	}
	a.Summary = delayWords(&a, e.Kind)
	return []claim.Account{a}
}

// heldAt is the part of a stack of a mutex profile: the code that gave the lock back.
func heldAt(s stack.Stack) claim.AccountPart {
	switch use := wait.LockOf(s); {
	case use.Kind != "":
		above, _ := wait.LockUser(s[min(use.Above, len(s)):], nil)
		return claim.AccountPart{Kind: Lock, What: "hold a lock that others wait for", Site: site(above.Owner())}
	case reading.RuntimeLock(s):
		return claim.AccountPart{Kind: RuntimeLocks, What: "hold a lock of the runtime"}
	}
	return claim.AccountPart{Kind: string(wait.Other), What: "hold up others", Site: site(s.Owner())}
}

// waitedAt is the part of a stack of a block profile: the code that waited.
func waitedAt(s stack.Stack) claim.AccountPart {
	class := wait.OfStack(s)
	if use := wait.LockOf(s); class == "" && use.Kind != "" {
		class = wait.Mutex // of whichever kind: the profile shows the call of Lock, not what it parks in
	}
	kind, doing := state(class, s, false)
	at := s.Owner()
	switch {
	case class == "" && kind != claim.PartRecorder:
		// What waits, though its stack does not say for what, does not run.
		return claim.AccountPart{Kind: string(wait.Other), What: "unknown for what", Site: site(at)}
	case kind == claim.PartIdle:
		return claim.AccountPart{Kind: kind, What: "idle by design"}
	case kind == claim.PartRecorder:
		return claim.AccountPart{Kind: kind, What: doing.Many}
	case class.IsLock():
		above, _ := wait.LockUser(s[min(wait.LockOf(s).Above, len(s)):], nil)
		kind, at = Lock, above.Owner()
	case wait.ForSlot(class, s):
		kind = Slot
	case kind == Waiting:
		kind = string(class)
	}
	what := doing.For
	if what == "" {
		what = doing.Many
	}
	return claim.AccountPart{Kind: kind, What: what, Site: site(at)}
}

// delayWords sums the waiting up, with the rate where the time is known.
func delayWords(a *claim.Account, kind evidence.Kind) claim.Text {
	what := claim.Text("waiting")
	if kind == evidence.Mutex {
		what = "waiting for locks"
	}
	out := claim.Textf("Contention: %s of %s", evidence.Duration(time.Duration(a.Whole)), what)
	if a.Over > 0 {
		out += " in " + evidence.Duration(time.Duration(a.Over)).Text()
	}
	if idle := ofKind(a, claim.PartIdle, ForWork, Sleeping, claim.PartRecorder); idle > 0 {
		out += ", " + share(idle, a.Whole) + " of it idle or perhaps for work"
	}
	p := largest(a, claim.PartIdle, ForWork, Sleeping, claim.PartRecorder)
	switch {
	case p == nil || 100*p.Value < a.Whole:
		return out
	case p.Kind == RuntimeLocks:
		out += "; " + share(p.Value, a.Whole) + " for locks of the runtime itself"
	case p.Kind == Lock && kind == evidence.Mutex:
		out += claim.Textf("; %s behind %s", share(p.Value, a.Whole), orNowhere(p.Site))
	default:
		out += claim.Textf("; %s %s%s", share(p.Value, a.Whole), p.What, at(p.Site))
	}
	// Little's law: how many stand there.
	if a.Over > 0 && 10*p.Value >= a.Over {
		n := float64(p.Value) / float64(a.Over)
		out += ", " + count(n) + evidence.Plural(int64(math.Ceil(n*10)/10), " goroutine", " goroutines") + " at any moment"
	}
	return out
}

func orNowhere(s claim.Site) claim.Text {
	if s.Function == "" {
		return "code without a name"
	}
	return claim.Func(s.Function).Text()
}
