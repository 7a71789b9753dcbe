package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze"
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

// lockJudgement decides how bad waiting of total delay in count waits is, for
// detectors that carry the limits min-share, min-delay, min-delay-severe, min-wait and min-wait-severe.
func lockJudgement(in *analyze.Input, share float64, delay time.Duration, count int64, wall time.Duration) (severity analyze.Severity, thin bool) {
	if count == 0 || share < in.Limit("min-share").Number {
		return analyze.NoSeverity, false
	}
	mean := float64(delay) / float64(count)
	slow, slower := mean >= in.Limit("min-wait").Number, mean >= in.Limit("min-wait-severe").Number
	thin = count < int64(in.Limit("min-count").Number)
	if wall <= 0 {
		// Since process start, which may be weeks: a rate would be a guess, and a
		// handful of long waits at start-up is no hot spot.
		switch {
		case thin || !slow:
			return analyze.NoSeverity, true
		// Slow starts and single stalls leave some hundreds of long waits in any long life.
		case slower && count >= 50*int64(in.Limit("min-count").Number):
			return analyze.Warning, true
		}
		return analyze.Info, true
	}
	rate := float64(delay) / float64(wall)
	// Whoever waits for a lock while every processor is busy elsewhere would wait for
	// a processor otherwise: the lock makes nothing slower.
	if in.Case.Busy >= in.Limit("max-busy").Number {
		if rate < neededDelay(in) {
			return analyze.NoSeverity, thin
		}
		return analyze.Info, thin
	}
	severe := in.Limit("min-delay-severe").Number
	switch {
	case rate < neededDelay(in) || thin && !slow:
		return analyze.NoSeverity, thin
	case slower && rate >= severe && !thin:
		return analyze.Critical, false
	// A job that waits its turn once or twice is no queue, however long it waits.
	case thin:
		return analyze.Info, true
	case slow:
		return analyze.Warning, false
	case in.Case.GOMAXPROCS > 0 && rate >= in.Limit("min-lost").Number*float64(in.Case.GOMAXPROCS):
		return analyze.Warning, thin
	}
	return analyze.Info, thin
}

// neededDelay is the waiting per second from which it matters.
func neededDelay(in *analyze.Input) float64 {
	severe := in.Limit("min-delay-severe").Number
	if in.Case.GOMAXPROCS == 0 {
		return severe
	}
	return min(severe, in.Limit("min-delay").Number*float64(in.Case.GOMAXPROCS))
}
