package reading

import (
	"cmp"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// LockSite is a function that uses a lock, with what waiting there cost.
type LockSite struct {
	Site   stack.Site
	Path   []string
	owner  stack.Site   // first frame outside the standard library
	Kind   string       // one of the lock kinds
	helps  []stack.Site // functions that took or gave back the lock for it
	Ends   []string     // functions at the other end of the same lock, as a trace shows
	also   []stack.Site // other methods of the same type counted with it, as far as they matter
	Merged int          // how many they are
	Delay  time.Duration
	Count  int64

	heaviest time.Duration // delay of the stack that speaks for the site
	stack    stack.Stack   // that stack
}

// Mean is how long one wait took.
func (l LockSite) Mean() time.Duration {
	if l.Count == 0 {
		return 0
	}
	return l.Delay / time.Duration(l.Count)
}

// Sites returns the other places the lock is used from.
func (l LockSite) Sites() []stack.Site {
	var out []stack.Site
	if l.owner.Function != "" && l.owner.Function != l.Site.Function {
		out = append(out, l.owner)
	}
	return append(append(out, l.helps...), l.also...)
}

// Counted is the site as a command for pprof has to name it: every method that was counted with it.
func (l LockSite) Counted() stack.Site {
	if typ, ok := stack.MethodType(l.Site.Function); ok && l.Merged > 0 {
		return stack.Site{Function: typ + "."}
	}
	return l.Site
}

// Words names the lock site, with the application code that reached it when
// the lock is one of the standard library.
func (l LockSite) Words() claim.Text {
	if l.Merged > 0 {
		return claim.Textf("%s with its type's other methods", claim.Func(l.Site.Function))
	}
	return Place(l.Site, l.owner)
}

// LockSites is what one exhibit says about waiting for locks.
type LockSites struct {
	Exhibit *evidence.Exhibit
	Sites   []LockSite    // most delay first
	Delay   time.Duration // of all lock sites
	Count   int64         // of all lock sites
	Runtime time.Duration // delay in the runtime's own locks
	other   time.Duration // delay in what is no lock: channels, selects, wait groups
	Stuck   time.Duration // waits at locks that let nobody through; traces only
	Wall    time.Duration // over which the delay arose; 0 when unknown

	index   map[string]int  // of sites by function while they are added up
	helpers map[string]bool // functions that only take or give back locks, as far as the exhibit shows it beyond their names
}

func (c *LockSites) add(s stack.Stack, use wait.LockUse, delay time.Duration, count int64) {
	above, helps := wait.LockUser(s[min(use.Above, len(s)):], c.helpers)
	site := above.Site()
	c.Delay += delay
	c.Count += count
	i, ok := c.index[site.Function]
	if !ok {
		if c.index == nil {
			c.index = map[string]int{}
		}
		i = len(c.Sites)
		c.index[site.Function] = i
		c.Sites = append(c.Sites, LockSite{Site: site})
	}
	l := &c.Sites[i]
	// Stacks come in no order that matters: the heaviest speaks for the site.
	if l.heaviest < delay || l.Path == nil {
		l.heaviest, l.Site, l.Path, l.owner, l.Kind = delay, site, above.Path(), above.Owner(), use.Kind
		l.stack = s
	}
	for _, h := range helps {
		if len(l.helps) < MaxSites && !slices.Contains(l.helps, h) {
			l.helps = append(l.helps, h)
		}
	}
	l.Delay += delay
	l.Count += count
}

// Finish makes one site of the methods of one type, since they mostly use one
// lock: writers hold it in one method while readers wait in another. The heaviest
// method names the site.
func (c *LockSites) Finish() {
	slices.SortStableFunc(c.Sites, byDelay)
	first := map[string]int{}
	var kept []LockSite
	for _, l := range c.Sites {
		typ, isMethod := stack.MethodType(l.Site.Function)
		i, again := first[typ]
		if !isMethod || !again {
			first[typ] = len(kept)
			kept = append(kept, l)
			continue
		}
		const worthAName = 20
		// What is next to nothing, less than one part of so many, is counted, but not worth a name.
		if l.Delay*worthAName >= kept[i].Delay {
			kept[i].also = append(kept[i].also, l.Site)
		}
		for _, h := range l.helps {
			if len(kept[i].helps) < MaxSites && !slices.ContainsFunc(kept[i].helps, func(o stack.Site) bool { return o.Function == h.Function }) {
				kept[i].helps = append(kept[i].helps, h)
			}
		}
		kept[i].Merged++
		kept[i].Ends = append(kept[i].Ends, l.Ends...)
		kept[i].Delay += l.Delay
		kept[i].Count += l.Count
	}
	c.Sites = kept
	slices.SortStableFunc(c.Sites, byDelay)
}

func byDelay(a, b LockSite) int {
	return cmp.Or(-cmp.Compare(a.Delay, b.Delay), cmp.Compare(a.Site.Function, b.Site.Function))
}

// Contention reads the lock sites out of the profiles of one kind. Which of
// several profiles counts: the one with the highest rate among those that tell their duration,
// else the difference of the last two of one process, else the last, with no rate known.
func Contention(exhibits []*evidence.Exhibit) *LockSites {
	var best *LockSites
	for _, e := range exhibits {
		c := readContention(e)
		if c.Wall > 0 && (best == nil || float64(c.Delay)/float64(c.Wall) > float64(best.Delay)/float64(best.Wall)) {
			best = c
		}
	}
	if best != nil {
		return best
	}
	last := readContention(Latest(exhibits))
	if len(exhibits) > 1 {
		before := readContention(exhibits[len(exhibits)-2])
		from, to := before.Exhibit.Profile().Time, last.Exhibit.Profile().Time
		if d, ok := last.since(before); ok && !from.IsZero() && to.After(from) {
			d.Wall = to.Sub(from)
			return d
		}
	}
	return last
}

func readContention(e *evidence.Exhibit) *LockSites {
	p := e.Profile()
	c := &LockSites{Exhibit: e, Wall: p.Duration}
	delay, count := p.Column("delay"), p.Column("contentions")
	if delay < 0 {
		return c
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		d, n := time.Duration(s.Values[delay]), int64(0)
		if count >= 0 {
			n = s.Values[count]
		}
		switch use := wait.LockOf(s.Stack); {
		case use.Kind != "":
			c.add(s.Stack, use, d, n)
		case RuntimeLock(s.Stack):
			c.Runtime += d
		default:
			c.other += d
		}
	}
	slices.SortStableFunc(c.Sites, byDelay)
	return c
}

// RuntimeLock reports whether a stack of a mutex profile is contention of the
// runtime's own locks, which no user code holds (runtime/mprof.go, since Go 1.23
// charged to runtime.unlock, what is left over to runtime._LostContendedRuntimeLock).
func RuntimeLock(s stack.Stack) bool {
	for _, f := range s {
		switch f.Function {
		case "runtime.unlock", "runtime.unlock2", "runtime.unlockWithRank", "runtime._LostContendedRuntimeLock":
			return true
		}
		if stack.Package(f.Function) != "runtime" {
			return false
		}
	}
	return false
}

// since returns what was added after an earlier profile, and whether that can
// be one of the same process: cumulative values never fall.
func (c *LockSites) since(before *LockSites) (*LockSites, bool) {
	d := *c
	d.Sites = slices.Clone(c.Sites)
	for _, old := range before.Sites {
		i := slices.IndexFunc(d.Sites, func(l LockSite) bool { return l.Site.Function == old.Site.Function })
		if i < 0 || d.Sites[i].Delay < old.Delay || d.Sites[i].Count < old.Count {
			return nil, false
		}
		d.Sites[i].Delay -= old.Delay
		d.Sites[i].Count -= old.Count
	}
	d.Delay -= before.Delay
	d.Count -= before.Count
	d.Runtime -= before.Runtime
	d.other -= before.other
	slices.SortStableFunc(d.Sites, byDelay)
	return &d, true
}

// Users are the functions that use the lock, as far as is known.
func (l LockSite) Users() []string {
	out := append([]string{l.Site.Function}, l.Ends...)
	for _, s := range l.also {
		out = append(out, s.Function)
	}
	return out
}

// TraceLocks reads the lock waits out of a trace. The runtime's own locks never
// block a goroutine and so are not among them.
func TraceLocks(e *evidence.Exhibit) *LockSites {
	c := &LockSites{Exhibit: e, Wall: e.Trace().Duration, helpers: LockHelpers(e)}
	defer c.tie()
	through := map[string]bool{}
	for i := range e.Trace().Waits {
		w := &e.Trace().Waits[i]
		if use := wait.LockIn(w.Class, w.Stack); use.Kind != "" && w.Count > w.Open {
			through[w.Stack[min(use.Above, len(w.Stack)):].Site().Function] = true
		}
	}
	for i := range e.Trace().Waits {
		w := &e.Trace().Waits[i]
		use := wait.LockIn(w.Class, w.Stack)
		switch {
		case use.Kind == "":
			c.other += w.Total
		// Where nobody got through in the whole trace the lock is stuck or dead, not busy.
		case w.Count == w.Open && !through[w.Stack[min(use.Above, len(w.Stack)):].Site().Function]:
			c.Stuck += w.Total
		case len(w.Stack) == 0:
			// Began before the trace and never moved: a lock wait at a place unknown.
			c.Delay += w.Total
			c.Count += w.Count
		default:
			c.add(w.Stack, use, w.Total, w.Count)
		}
	}
	return c
}

// LockHelpers returns the functions that only take or only give back a lock for
// their caller: one function gives back what another had asked for, and both are
// called straight from one and the same.
func LockHelpers(e *evidence.Exhibit) map[string]bool {
	takes, gives := map[string]bool{}, map[string]bool{}
	ends := func(h *exectrace.Holder) (unlock, lock stack.Stack) {
		unlock, _ = wait.LockUser(h.Unlock[min(wait.LockOf(h.Unlock).Above, len(h.Unlock)):], nil)
		lock, _ = wait.LockUser(h.Waiter[min(wait.LockOf(h.Waiter).Above, len(h.Waiter)):], nil)
		return unlock, lock
	}
	for i := range e.Trace().Holders {
		unlock, lock := ends(&e.Trace().Holders[i])
		gives[unlock.Site().Function] = true
		takes[lock.Site().Function] = true
	}
	var out map[string]bool
	for i := range e.Trace().Holders {
		unlock, lock := ends(&e.Trace().Holders[i])
		u, l := unlock.Site().Function, lock.Site().Function
		if u == l || takes[u] || gives[l] || len(unlock) < 2 || len(lock) < 2 || stack.Standard(unlock[1].Function) ||
			stack.Normal(unlock[1].Function) != stack.Normal(lock[1].Function) {
			continue
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[u], out[l] = true, true
	}
	return out
}

// tie notes for each site of a trace where the same lock is given back or waited
// for: the unlock that woke a waiter was one of the lock it waited for.
func (c *LockSites) tie() {
	for i := range c.Exhibit.Trace().Holders {
		h := &c.Exhibit.Trace().Holders[i]
		unlock, _ := wait.LockUser(h.Unlock[min(wait.LockOf(h.Unlock).Above, len(h.Unlock)):], c.helpers)
		lock, _ := wait.LockUser(h.Waiter[min(wait.LockOf(h.Waiter).Above, len(h.Waiter)):], c.helpers)
		at, ok := c.index[lock.Site().Function]
		if u := unlock.Site().Function; ok && u != "" && u != lock.Site().Function {
			const sameLock = 10
			// What handed over once in a while, less than one part of so many, may be another lock at the same place.
			if l := &c.Sites[at]; h.Delay*sameLock >= l.Delay && len(l.Ends) < MaxSites && !slices.Contains(l.Ends, u) {
				l.Ends = append(l.Ends, u)
			}
		}
	}
}

// WorstLockWait returns the longest lock wait at a function.
func WorstLockWait(e *evidence.Exhibit, function string) (worst exectrace.Span, ok bool) {
	helpers := LockHelpers(e)
	for i := range e.Trace().Waits {
		w := &e.Trace().Waits[i]
		use := wait.LockIn(w.Class, w.Stack)
		if use.Kind == "" || len(w.Stack) == 0 {
			continue
		}
		if user, _ := wait.LockUser(w.Stack[min(use.Above, len(w.Stack)):], helpers); user.Site().Function != function {
			continue
		}
		for _, s := range w.Worst {
			if s.To-s.From > worst.To-worst.From {
				worst, ok = s, true
			}
		}
	}
	return worst, ok
}
