package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// lockSite is a function that uses a lock, with what waiting there cost.
type lockSite struct {
	site   stack.Site
	path   []string
	owner  stack.Site   // first frame outside the standard library
	kind   string       // one of the lock kinds
	helps  []stack.Site // functions that took or gave back the lock for it
	ends   []string     // functions at the other end of the same lock, as a trace shows
	also   []stack.Site // other methods of the same type counted with it, as far as they matter
	merged int          // how many they are
	delay  time.Duration
	count  int64

	heaviest time.Duration // delay of the stack that speaks for the site
	stack    stack.Stack   // that stack
}

func (l lockSite) mean() time.Duration {
	if l.count == 0 {
		return 0
	}
	return l.delay / time.Duration(l.count)
}

// sites returns the other places the lock is used from.
func (l lockSite) sites() []stack.Site {
	var out []stack.Site
	if l.owner.Function != "" && l.owner.Function != l.site.Function {
		out = append(out, l.owner)
	}
	return append(append(out, l.helps...), l.also...)
}

// counted is the site as a command for pprof has to name it: every method that was counted with it.
func (l lockSite) counted() stack.Site {
	if typ, ok := methodType(l.site.Function); ok && l.merged > 0 {
		return stack.Site{Function: typ + "."}
	}
	return l.site
}

// words names the lock site, with the application code that reached it when
// the lock is one of the standard library.
func (l lockSite) words() string {
	switch {
	case l.merged > 0:
		return fmt.Sprintf("%s with its type's other methods", l.site.Function)
	case l.owner.Function != "" && l.owner.Function != l.site.Function:
		return fmt.Sprintf("%s (called by %s)", l.site.Function, l.owner.Function)
	}
	return l.site.Function
}

// lockSites is what one exhibit says about waiting for locks.
type lockSites struct {
	exhibit *evidence.Exhibit
	sites   []lockSite    // most delay first
	delay   time.Duration // of all lock sites
	count   int64         // of all lock sites
	runtime time.Duration // delay in the runtime's own locks
	other   time.Duration // delay in what is no lock: channels, selects, wait groups
	stuck   time.Duration // waits at locks that let nobody through; traces only
	wall    time.Duration // over which the delay arose; 0 when unknown

	index   map[string]int  // of sites by function while they are added up
	helpers map[string]bool // functions that only take or give back locks, as far as the exhibit shows it beyond their names
}

func (c *lockSites) add(s stack.Stack, use lockUse, delay time.Duration, count int64) {
	above, helps := userOf(s[min(use.above, len(s)):], c.helpers)
	site := above.Site()
	c.delay += delay
	c.count += count
	i, ok := c.index[site.Function]
	if !ok {
		if c.index == nil {
			c.index = map[string]int{}
		}
		i = len(c.sites)
		c.index[site.Function] = i
		c.sites = append(c.sites, lockSite{site: site})
	}
	l := &c.sites[i]
	// Stacks come in no order that matters: the heaviest speaks for the site.
	if l.heaviest < delay || l.path == nil {
		l.heaviest, l.site, l.path, l.owner, l.kind = delay, site, above.Path(), above.Owner(), use.kind
		l.stack = s
	}
	for _, h := range helps {
		if len(l.helps) < maxCandidates && !slices.Contains(l.helps, h) {
			l.helps = append(l.helps, h)
		}
	}
	l.delay += delay
	l.count += count
}

// finish makes one site of the methods of one type, since they mostly use one
// lock: writers hold it in one method while readers wait in another. The heaviest
// method names the site.
func (c *lockSites) finish() {
	slices.SortStableFunc(c.sites, byDelay)
	first := map[string]int{}
	var kept []lockSite
	for _, l := range c.sites {
		typ, isMethod := methodType(l.site.Function)
		i, again := first[typ]
		if !isMethod || !again {
			first[typ] = len(kept)
			kept = append(kept, l)
			continue
		}
		// What is next to nothing is counted, but not worth a name.
		if l.delay*20 >= kept[i].delay {
			kept[i].also = append(kept[i].also, l.site)
		}
		for _, h := range l.helps {
			if len(kept[i].helps) < maxCandidates && !slices.ContainsFunc(kept[i].helps, func(o stack.Site) bool { return o.Function == h.Function }) {
				kept[i].helps = append(kept[i].helps, h)
			}
		}
		kept[i].merged++
		kept[i].ends = append(kept[i].ends, l.ends...)
		kept[i].delay += l.delay
		kept[i].count += l.count
	}
	c.sites = kept
	slices.SortStableFunc(c.sites, byDelay)
}

// methodType returns the receiver type of a method, such as main.(*Cache).
func methodType(function string) (string, bool) {
	typ := typeOf(function)
	return typ, strings.HasSuffix(typ, ")")
}

func byDelay(a, b lockSite) int {
	return cmp.Or(-cmp.Compare(a.delay, b.delay), cmp.Compare(a.site.Function, b.site.Function))
}

// contentionOf reads the lock sites out of the profiles of one kind. Which of
// several profiles counts: the one with the highest rate among those that tell their duration,
// else the difference of the last two of one process, else the last, with no rate known.
func contentionOf(exhibits []*evidence.Exhibit) *lockSites {
	var best *lockSites
	for _, e := range exhibits {
		c := readContention(e)
		if c.wall > 0 && (best == nil || float64(c.delay)/float64(c.wall) > float64(best.delay)/float64(best.wall)) {
			best = c
		}
	}
	if best != nil {
		return best
	}
	last := readContention(latest(exhibits))
	if len(exhibits) > 1 {
		before := readContention(exhibits[len(exhibits)-2])
		from, to := before.exhibit.Profile.Time, last.exhibit.Profile.Time
		if d, ok := last.since(before); ok && !from.IsZero() && to.After(from) {
			d.wall = to.Sub(from)
			return d
		}
	}
	return last
}

func readContention(e *evidence.Exhibit) *lockSites {
	p := e.Profile
	c := &lockSites{exhibit: e, wall: p.Duration}
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
		switch use := lockOf(s.Stack); {
		case use.kind != "":
			c.add(s.Stack, use, d, n)
		case runtimeLock(s.Stack):
			c.runtime += d
		default:
			c.other += d
		}
	}
	slices.SortStableFunc(c.sites, byDelay)
	return c
}

// runtimeLock reports whether a stack of a mutex profile is contention of the
// runtime's own locks, which no user code holds (runtime/mprof.go, since Go 1.23
// charged to runtime.unlock, what is left over to runtime._LostContendedRuntimeLock).
func runtimeLock(s stack.Stack) bool {
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
func (c *lockSites) since(before *lockSites) (*lockSites, bool) {
	d := *c
	d.sites = slices.Clone(c.sites)
	for _, old := range before.sites {
		i := slices.IndexFunc(d.sites, func(l lockSite) bool { return l.site.Function == old.site.Function })
		if i < 0 || d.sites[i].delay < old.delay || d.sites[i].count < old.count {
			return nil, false
		}
		d.sites[i].delay -= old.delay
		d.sites[i].count -= old.count
	}
	d.delay -= before.delay
	d.count -= before.count
	d.runtime -= before.runtime
	d.other -= before.other
	slices.SortStableFunc(d.sites, byDelay)
	return &d, true
}

// rate returns the delay of a site per second of wall time.
func perSecond(d, wall time.Duration) evidence.Quantity {
	if wall <= 0 {
		return evidence.Quantity{Unit: evidence.SecPerSec}
	}
	return evidence.Quantity{Number: float64(d) / float64(wall), Unit: evidence.SecPerSec}
}

// lockJudgement decides how bad waiting for a lock is, for detectors that carry the
// limits min-wait, min-count and max-busy.
type lockJudgement struct {
	severity claim.Severity
	thin     bool
	votes    bool // too little for a claim, and enough to vouch for that of another kind
	caveats  []string
	excuses  []string
}

// judgeLock weighs what goroutines waited at a lock. By Little's law the waiting per second is how many
// stand there at any moment. Where no rate is known, it is that over the age of the process;
// where that is not known either, the CPU spent under the lock in a stretch of known length tells whether the lock is in use
// now; else it is an info.
func judgeLock(in *claim.Input, l lockSite, wall time.Duration) (j lockJudgement) {
	j.thin = l.count < int64(in.Limit("min-count").Number)
	excuses := []claim.Excuse{busyElsewhere(in, l.users()...), {Holds: j.thin, Says: fmt.Sprintf("%s may have met by chance", amount(l.count, "waiter", "waiters"))}}
	switch {
	case l.count == 0:
		return j
	case wall > 0:
	case in.Case.Age > 0:
		wall, j.thin = in.Case.Age, true
		j.caveats = append(j.caveats, fmt.Sprintf("the rate is that over the %s for which the process had been running, as other evidence shows", evidence.Duration(in.Case.Age)))
	default:
		j.thin = true
		processors, all, over := usedUnder(in, l.users())
		switch {
		// A long life leaves some hundreds of long waits behind, of slow starts and single stalls.
		case l.mean() >= 10*in.Limit("min-wait").Duration() && l.count >= 1000:
			j.severity = claim.Warning
		case serial(processors) && 2*processors >= all && l.delay >= over:
			j.severity = claim.Warning
			j.caveats = append(j.caveats, fmt.Sprintf("that the lock is in use now shows in the CPU samples: %.2f of the %.2f processors in use are below it", processors, all))
		case l.delay >= time.Second:
			j.severity = claim.Info
		default:
			j.votes = l.mean() >= in.Limit("min-wait").Duration()/4
		}
		return j
	}
	standing := float64(l.delay) / float64(wall)
	// Short waits hold up no operation that anybody would notice; what they take is processors that could run meanwhile. Long
	// ones mostly are for a holder that waits itself, for a disk or a peer, and take none.
	if l.mean() >= in.Limit("min-wait").Duration() {
		j.severity = in.Severity(claim.Impact{Of: claim.Operations, Standing: standing, Mean: l.mean()}, excuses...)
	} else {
		procs, most := float64(in.Case.GOMAXPROCS), claim.Warning
		if procs == 0 {
			// How many could run is unknown; how many do, the CPU samples of the case tell. Without either it is a fact that accuses nobody.
			_, used, over := in.Case.Under("")
			procs = max(used, 1)
			if over == 0 {
				most = claim.Info
			}
			j.caveats = append(j.caveats, fmt.Sprintf("GOMAXPROCS is unknown; what the waiting takes was judged against %.1f processors", procs))
		}
		j.severity = min(most, in.Severity(claim.Impact{Of: claim.Processors, Share: standing / procs}, excuses...))
	}
	j.votes = standing >= in.Limit("impact.min-standing").Number/4
	for _, e := range excuses {
		if e.Holds && j.severity > claim.NoSeverity {
			j.excuses = append(j.excuses, e.Says)
		}
	}
	return j
}

// standing is a rate of waiting in words: by Little's law, how many goroutines wait at any moment.
func standing(rate evidence.Quantity) string {
	if rate.Number < 1 {
		return fmt.Sprintf("somebody waits for up to %s of the time", evidence.Quantity{Number: rate.Number, Unit: evidence.Share})
	}
	n := evidence.Quantity{Number: rate.Number, Unit: evidence.Count}
	if n.String() == "1" {
		return "1 goroutine waits on average"
	}
	return n.String() + " goroutines wait on average"
}

// againstStanding is the limit that a rate of waiting is held against: one goroutine at any moment.
func againstStanding(in *claim.Input) *claim.LimitUse {
	limit := in.Against("impact.min-standing-warning")
	limit.Unit = evidence.SecPerSec
	return limit
}

// users are the functions that use the lock, as far as is known.
func (l lockSite) users() []string {
	out := append([]string{l.site.Function}, l.ends...)
	for _, s := range l.also {
		out = append(out, s.Function)
	}
	return out
}

// busyElsewhere excuses waiting for a lock where the processors are busy with other work than
// what runs under it: whoever waits for the lock would wait for a processor otherwise.
func busyElsewhere(in *claim.Input, users ...string) claim.Excuse {
	processors, _, over := usedUnder(in, users)
	return claim.Excuse{
		Holds: in.Case.Busy >= in.Limit("max-busy").Number && (over == 0 || in.Case.GOMAXPROCS == 1 || !serial(processors)),
		Says:  fmt.Sprintf("%s of the processors' time is in use: who waits here would wait for a processor otherwise", evidence.Quantity{Number: in.Case.Busy, Unit: evidence.Share}),
	}
}

// usedUnder returns the most that any of some functions uses of the processors.
func usedUnder(in *claim.Input, functions []string) (most, all float64, over time.Duration) {
	for _, f := range functions {
		n, total, window := in.Case.Under(f)
		most, all, over = max(most, n), total, window
	}
	return most, all, over
}

// serial reports whether so many processors in use below a function that takes a lock are what one
// holder after the other uses: at least a fifth, and no more than one at a time can.
func serial(processors float64) bool { return processors >= 0.2 && processors <= 1.1 }
