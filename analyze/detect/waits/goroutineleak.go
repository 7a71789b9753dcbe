package waits

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// GoroutineLeak claims that goroutines are started that never end.
var GoroutineLeak = &claim.Detector{
	ID:    "goroutine-leak",
	Title: "Goroutines never end",
	Doc: `Goroutines are started again and again and then wait for something that never comes: a send nobody receives, a result nobody sends,
a context nobody cancels. Each keeps its stack and everything it refers to; the process grows until it dies.

**How it is measured.** The leak profile, and dumps that mark goroutines as leaked, are proof: the collector found that nobody alive can
reach what they wait for. Without it, goroutines with the same site and the same kind of wait are counted: over two or more snapshots, where a leak
only ever grows; in one dump by age, where a leak has goroutines of every age; in a trace as those created and not ended, spread over the
whole trace, that stand still where they first stopped. A dump in which nobody but the goroutine that takes it can move is a
suspicion however young: those left waiting have nobody to wait for.
Three shapes tell in one dump, at any age. A send or receive on a nil channel can never end; few of them may be meant to wait for ever, many are not. Senders whose creator has ended, or has left the function it started them in, or waits in
it to receive something else, send to a receiver that is probably gone. And a connection of net/http's client that stands in a select has handed out an answer that nobody has read to its end or closed.

**When it is wrong.** A pool that is still filling up looks like a leak between two snapshots; a third one tells. Parked workers are no leak: a
channel receive or a select accuses only where goroutines keep being created and each stopped at its first wait, or where snapshots grow, a
trace shows them come and none go, and no connections came that they could belong to. Goroutines that
wait for a lock are judged by other detectors. A clients' ramp-up creates handlers and connections; those that wait for the network are
left out. A batch that starts all its goroutines at once and holds them back with a semaphore gives them one age and is an info. So are the idle workers of a program
that writes its own dump and has nothing else under way. Senders whose creator is gone may also send to one slow consumer of all: a dump does not print which channel. Answers that
the program still holds may be read later; as many as it has goroutines at work are not counted.`,
	Limits: []claim.Limit{
		{Name: "min-goroutines", Default: judge.MinAlike,
			Doc:    "goroutines alike: one site, one kind of wait, a minute or older in a dump",
			Source: "more than any fixed set of helpers a library starts; the healthy fixtures have below 10 alike that are not idle by design"},
		{Name: "min-age", Default: judge.MinAge,
			Doc:    "wait from which a goroutine of a dump counts as old",
			Source: "runtime/traceback.go, goroutineheader: waits are printed from one minute on"},
		{Name: "min-growth", Default: judge.MinAlike,
			Doc:    "goroutines alike added from the first snapshot to the last, or within a trace",
			Source: "as min-goroutines"},
		{Name: "min-growth-critical", Default: evidence.Quantity{Number: 1000, Unit: evidence.Count},
			Doc:    "the same, of goroutines that have work in hand and grew from each snapshot to the next, from which it is critical",
			Source: "Judgement call: twenty times min-growth, memory of megabytes for their stacks alone"},
		{Name: "max-burst", Default: evidence.Quantity{Number: 500, Unit: evidence.Count},
			Doc:    "senders added between two snapshots, below which they may be a burst that is received from, and an info",
			Source: "ten times min-growth: two moments catch senders that come in bursts at any two of their numbers"},
		{Name: "max-burst-ratio", Default: evidence.Quantity{Number: 3, Unit: evidence.Ratio},
			Doc:    "senders in the last of two snapshots over those in the first, below which they may be such a burst",
			Source: "Judgement call: bursts that are received from differ by less than three between two moments at which there are any"},
		{Name: "min-growth-ratio", Default: evidence.Quantity{Number: 1.5, Unit: evidence.Ratio},
			Doc:    "goroutines alike in the last snapshot over those in the first",
			Source: "a load that changes by a quarter between two snapshots is no news; half more of those that never move is"},
		{Name: "min-span", Default: evidence.Duration(30 * time.Second),
			Doc:    "time from the first snapshot to the last, below which growth that does not show denies nothing",
			Source: "two leaked goroutines per second add min-growth in that time"},
		{Name: "min-orphans", Default: evidence.Quantity{Number: 500, Unit: evidence.Count},
			Doc:    "senders of a dump whose creator has left the function it started them in, or waits in it to receive from others",
			Source: "ten times min-goroutines: those that are about to be received from are fewer in any program that keeps up"},
		{Name: "min-unknown", Default: evidence.Quantity{Number: 1000, Unit: evidence.Count},
			Doc:    "goroutines at one place, of a profile in text form, which does not tell whether they wait for a channel or run",
			Source: "many times the processors of any machine: so many at one line cannot be running"},
		{Name: "min-unknown-share", Default: evidence.Quantity{Number: 0.9, Unit: evidence.Share},
			Doc:    "those goroutines, of all in the profile",
			Source: "Judgement call: next to nothing else lives in the process"},
		{Name: "max-ended", Default: evidence.Quantity{Number: 0.1, Unit: evidence.Share},
			Doc:    "goroutines that ended, of those created in a trace by the same function",
			Source: "what serves requests ends as often as it begins"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.GoroutineLeak, Doc: "goroutines that the collector proved can never go on", Run: leakProfile},
		{Kind: evidence.Dump, Doc: "goroutines marked as leaked; old ones alike; growth over several dumps", Run: leakDump},
		{Kind: evidence.Goroutine, Doc: "growth over several goroutine profiles; a single one only vouches", Run: leakGoroutine},
		{Kind: evidence.Trace, Doc: "goroutines created and not ended that stand where they first stopped", Run: leakTrace},
		{Kind: evidence.Heap, Doc: "who asks by net/http's client, for answers that nobody reads; corroborating only", Run: leakHeap},
	},
	Fix: []claim.Text{
		"Give the goroutine a way out: select on ctx.Done() beside the send or receive it waits in",
		"Where only one result is wanted, give the channel a buffer of one so that the sender never waits for a receiver who left",
		"Whoever starts a goroutine should wait for it or cancel it: errgroup with a context, or a WaitGroup and a done channel",
		"Test with go.uber.org/goleak, or the goroutineleak profile (GOEXPERIMENT=goroutineleakprofile in Go 1.26, on by default in 1.27)",
	},
	Sketch: `// Nobody may be left to receive: the buffer lets the sender end, the context lets the caller leave.
func first(ctx context.Context, ask func(context.Context) Answer) (Answer, error) {
	answer := make(chan Answer, 1)
	go func() { answer <- ask(ctx) }()
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}
`,
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "a goroutine that never ends keeps its stack and all it refers to", Source: "runtime/mgcmark.go"},
		{Effect: "goroutine-pileup", Why: "goroutines that never end add up where they stand", Source: "runtime/proc.go"},
		{Effect: "test-timeout", Why: "a test that waits for a goroutine which never ends does not end either", Source: "testing/testing.go, startAlarm"},
	},
	Waiting: true,
}

func leakProfile(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "it proves only leaks over channels and locks that nobody alive can reach"}
	e := reading.Latest(in.Exhibits)
	if len(e.Profile().Columns) == 0 {
		return r
	}
	type sum struct {
		site  stack.Site
		path  []string
		class wait.Class
		n     int64
	}
	by := map[string]*sum{}
	var order []*sum
	total := int64(0)
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		site, path := reading.AppSite(s.Stack)
		class := wait.OfStack(s.Stack)
		key := string(class) + " " + site.Function
		if by[key] == nil {
			by[key] = &sum{site: site, path: path, class: class}
			order = append(order, by[key])
		}
		by[key].n += s.Values[0]
		total += s.Values[0]
	}
	slices.SortStableFunc(order, func(a, b *sum) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.class, b.class))
	})
	for _, x := range order[:min(len(order), reading.MaxSites)] {
		if x.n <= 0 {
			continue
		}
		r.Candidates = append(r.Candidates, provenLeak(e, x.site, x.path, x.class, x.n, total, 0, claim.Top(e, e.Profile().Columns[0].Name)))
	}
	return r
}

func provenLeak(e *evidence.Exhibit, site stack.Site, path []string, class wait.Class, n, total, goroutine int64, reproduce claim.Command) claim.Candidate {
	who := evidence.Things(n, "goroutine") + " that " + class.Doing(false).Of(n)
	if e.Dump() != nil && e.Dump().Origin == "goleak" { // a library that compares goroutines before and after a test proves less
		return claim.Candidate{
			Site: site, Path: path, Variant: "goleak", Severity: claim.Warning, Share: evidence.Part(n, total).Number,
			Summary: claim.Textf("the leak checker of the tests reports %s in %s", who, claim.Func(site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines reported by the leak checker here", Value: evidence.Of(n, evidence.Count),
				Of: claim.PartOf(evidence.Of(total, evidence.Count), "all goroutines reported by it"), At: reading.AtGoroutine(site, goroutine), Reproduce: reproduce}},
			Caveats: []claim.Text{"goleak tries for less than a second: a goroutine that is just ending, or an idle connection that nobody closed, shows as well"},
			Fix: []claim.Text{"Wait in the test for what it started: close servers, response bodies and clients (CloseIdleConnections), cancel contexts, then wait for the goroutines",
				"What is meant to outlive the test goes into goleak.IgnoreTopFunction"},
		}
	}
	return claim.Candidate{
		Site: site, Path: path, Variant: "proven", Severity: claim.Critical, Share: evidence.Part(n, total).Number,
		Summary: claim.Textf("%s in %s can never go on: the collector proved that nobody alive can reach what is waited for", who, claim.Func(site.Function)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines proved to be leaked here", Value: evidence.Of(n, evidence.Count),
			Of: claim.PartOf(evidence.Of(total, evidence.Count), "all goroutines proved to be leaked"), At: reading.AtGoroutine(site, goroutine), Reproduce: reproduce}},
	}
}

// alike is goroutines that wait for the same kind of thing at the same site.
type alike struct {
	site    stack.Site
	path    []string
	inner   stack.Site // where they wait, when that is in a library
	creator stack.Site
	class   wait.Class
	request bool
	counts  []int64 // per snapshot
	// Of the last dump:
	old, leaked int64
	ages        map[time.Duration]int
	never       int64 // on a nil channel, or in a select without cases
	orphans     int64 // started by a goroutine that has left the function that started them, or waits in it for others
	alone       int64 // in a wait group, and nobody is left that could say it is done
	ids         []int64
	dependency  bool  // a library made them what they are
	first       int64 // one of them
	marked      int64 // one that is marked as leaked
	longest     time.Duration
}

// snapshots counts goroutines alike over several snapshots.
type snapshots struct {
	by  map[string]*alike
	all []*alike
	n   int
	// Goroutines that wait for the network, per snapshot: connections that come and go with the clients.
	connections []int64
	answers     []int64 // connections of net/http's client whose answer is not read to its end, per snapshot
	coroutines  int64   // of iter.Pull, in the last snapshot
	busy        []int64 // goroutines of the application that are not idle by design, per snapshot
	places      map[placeKey]place
}

// place is what counts of the goroutines of a class that share a stack.
type place struct {
	answer bool // a connection of net/http's client whose answer is not read to its end
	busy   bool // of the application, and not idle by design
	idle   bool // idle by design, or judged by others, unless it is proven to leak
	site   stack.Site
	path   []string
	key    string
}

type placeKey struct {
	class wait.Class
	stack stack.Same
}

func placeOf(class wait.Class, s stack.Stack) (p place) {
	switch {
	case class == wait.Select && s.Contains("net/http.(*persistConn).readLoop"):
		p.answer = true
	// A proxy of the standard library has nothing of the application on its stacks.
	case s.Contains("net/http.(*bodyEOFSignal).Read", "net/http/httputil.(*ReverseProxy).ServeHTTP"):
		p.busy = true
	// Who sleeps or is in a system call may hold an answer as well.
	case !stack.Standard(s.Owner().Function) && wait.AtWork(class, s):
		p.busy = true
	}
	switch {
	case class == "", class.IsLock(), wait.Idle(class, s):
		p.idle = true
	// Connections come and go with the clients, whether the program likes it or not.
	case class == wait.Network:
		p.idle = true
	}
	p.site, p.path = reading.AppSite(s)
	p.key = string(class) + " " + p.site.Function
	return p
}

// place returns what counts of goroutines, worked out once for all that share a stack.
func (c *snapshots) place(class wait.Class, s stack.Stack) place {
	key := placeKey{class, s.Same()}
	p, ok := c.places[key]
	if !ok {
		if c.places == nil {
			c.places = map[placeKey]place{}
		}
		p = placeOf(class, s)
		c.places[key] = p
	}
	return p
}

// add counts n goroutines of snapshot i and returns those like them; nil for
// goroutines that run, that are idle by design, or that others judge.
func (c *snapshots) add(i int, class wait.Class, s stack.Stack, n int64, proven bool) *alike {
	if len(s) == 0 {
		return nil
	}
	if class == wait.Network {
		if c.connections == nil {
			c.connections = make([]int64, c.n)
		}
		c.connections[i] += n
	}
	if c.answers == nil {
		c.answers, c.busy = make([]int64, c.n), make([]int64, c.n)
	}
	p := c.place(class, s)
	switch {
	case p.answer:
		c.answers[i] += n
	case p.busy:
		c.busy[i] += n
	}
	if p.idle && !proven {
		return nil
	}
	if c.by == nil {
		c.by = map[string]*alike{}
	}
	a := c.by[p.key]
	if a == nil {
		a = &alike{site: p.site, path: p.path, inner: s.Site(), class: class, request: wait.InRequest(s), dependency: dependency(s), counts: make([]int64, c.n), ages: map[time.Duration]int{}}
		c.by[p.key] = a
		c.all = append(c.all, a)
	}
	a.counts[i] += n
	if class == wait.Coroutine && i == c.n-1 {
		c.coroutines += n
	}
	return a
}

// unpulled judges coroutines alike: who pulls an iterator is a goroutine itself, and pulls a few at a time. Where coroutines are more
// than twice all other goroutines, most are of iterators that nobody pulls any more.
func (c *snapshots) unpulled(in *claim.Input, e *evidence.Exhibit, a *alike, total int64, reproduce claim.Command) (claim.Candidate, bool) {
	if a.class != wait.Coroutine || float64(a.last()) < in.Limit("min-goroutines").Number {
		return claim.Candidate{}, false
	}
	others := max(total-c.coroutines, 0)
	if c.coroutines <= 2*others {
		return claim.Candidate{}, false
	}
	return claim.Candidate{
		Site: a.site, Path: a.path, Variant: "coroutine", Severity: claim.Warning,
		Summary: claim.Textf("%s in %s wait for their iterator to be pulled, and only %s of any other kind %s there that could pull one", evidence.Things(a.last(), "coroutine"), claim.Func(a.site.Function),
			evidence.Things(others, "goroutine"), evidence.Plural(others, "is", "are")),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "coroutines of iterators that wait here to be pulled", Value: evidence.Of(a.last(), evidence.Count), Of: claim.PartOf(evidence.Of(total, evidence.Count), "all goroutines"),
			Limit: in.Against("min-goroutines"), At: claim.At(a.site), Reproduce: reproduce}},
		Fix: []claim.Text{
			"Call the stop function that iter.Pull returns on every path: defer stop() in the line after it",
			"Where one sequence is enough, range over it: a range loop needs no coroutine",
		},
		Caveats: []claim.Text{"one goroutine may pull many iterators at a time, such as one that merges them"},
	}, true
}

// parked reports whether goroutines alike may be workers that wait for work:
// at a receive or a select, which look the same in a leak.
func (a *alike) parked() bool {
	return a.class.MayAwaitWork()
}

func (a *alike) last() int64 { return a.counts[len(a.counts)-1] }

// beyondChance is how many standard errors a growth must have: by the square root of a count that comes and goes by
// chance (Poisson), of the many sites of a program one differs by three.
const beyondChance = 4

// grown returns how much a site grew, if it only ever grew, and by more than noise.
func (a *alike) grown(in *claim.Input) (int64, bool) {
	n := len(a.counts)
	if n < 2 || !slices.IsSorted(a.counts) {
		return 0, false
	}
	first, last := a.counts[0], a.counts[n-1]
	growth := float64(last - first)
	return last - first, growth >= in.Limit("min-growth").Number && float64(last) >= in.Limit("min-growth-ratio").Number*float64(first) &&
		growth >= beyondChance*math.Sqrt(float64(last))
}

// steady reports whether every snapshot added something: a pool fills up and stops.
func (a *alike) steady() bool {
	for i := 1; i < len(a.counts); i++ {
		if a.counts[i] <= a.counts[i-1] {
			return false
		}
	}
	return len(a.counts) > 2
}

// tooClose tells why snapshots cannot deny a leak: one that adds a goroutine a
// second needs as many seconds as the growth asked for.
func tooClose(in *claim.Input) claim.Text {
	first, last := in.Exhibits[0].CapturedAt, reading.Latest(in.Exhibits).CapturedAt
	switch {
	case first.IsZero() || last.IsZero():
		return "the snapshots do not tell how far apart they were taken"
	case last.Sub(first) < in.Limit("min-span").Duration():
		return claim.Textf("the snapshots were taken only %s apart", evidence.Duration(last.Sub(first)))
	}
	return ""
}

// growing judges the sites that grew over several snapshots.
func (c *snapshots) growing(in *claim.Input, e *evidence.Exhibit, a *alike, reproduce claim.Command) (claim.Candidate, bool) {
	growth, ok := a.grown(in)
	if !ok {
		return claim.Candidate{}, false
	}
	severity, raises, thin := claim.Warning, claim.NoSeverity, true
	never := claim.Text("")
	if c.n > 2 {
		never = " and never fell"
	}
	switch {
	case a.steady() && float64(growth) >= in.Limit("min-growth-critical").Number && !a.parked():
		severity, thin = claim.Critical, false
	case a.steady():
		thin = false
	// Two moments catch senders that come in bursts, and are received from, at any two of their numbers.
	case c.n == 2 && a.class == wait.ChanSend && float64(growth) < in.Limit("max-burst").Number && float64(a.last()) < in.Limit("max-burst-ratio").Number*float64(a.counts[0]):
		severity = claim.Info
	// Two snapshots of goroutines that may be parked workers, or of handlers that
	// follow the load: growth, but not yet a fault.
	case a.parked() || a.request:
		severity = claim.Info
		// Unless a trace shows them come all the time and none go, while no connections
		// came that they could belong to.
		if c.connections == nil || 2*(c.connections[c.n-1]-c.connections[0]) < growth {
			raises = claim.Warning
		}
	}
	cand := claim.Candidate{
		Site: a.site, Path: a.path, Variant: "growing", Severity: severity, Raises: raises, Thin: thin,
		Summary: claim.Textf("goroutines that %s in %s grew from %d to %d over %d snapshots%s", a.class.Doing(false).Many, claim.Func(a.site.Function), a.counts[0], a.last(), c.n, never),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that %s here, added since the first snapshot", a.class.Doing(false).Many), Value: evidence.Of(growth, evidence.Count),
			Of: claim.PartOf(evidence.Of(a.last(), evidence.Count), "those that wait here now"), Limit: in.Against("min-growth"), At: reading.AtGoroutine(a.site, a.first), Reproduce: reproduce}},
	}
	if c.n == 2 {
		cand.Caveats = append(cand.Caveats, "two snapshots cannot tell a leak from a pool that is filling up; a third would")
	}
	judge.AddSites(&cand, a.inner, a.creator)
	return cand, true
}

func leakDump(in *claim.Input) claim.Reading {
	c := snapshots{n: len(in.Exhibits)}
	e := reading.Latest(in.Exhibits)
	proof, leaked := proofOf(in.Exhibits)
	creators := creatorsOf(e.Dump())
	helpers := helpersOf(e.Dump())
	for i, x := range in.Exhibits {
		for j := range x.Dump().Goroutines {
			g := &x.Dump().Goroutines[j]
			s := g.Stack()
			a := c.add(i, wait.OfState(g.State, s), s, 1, g.Leaked)
			if a == nil {
				continue
			}
			if g.Leaked && x == proof {
				a.leaked++
				a.marked = g.ID
			}
			if x != e {
				continue
			}
			a.note(g, s, g.Wait >= in.Limit("min-age").Duration(), creators, helpers)
		}
	}
	slices.SortStableFunc(c.all, func(a, b *alike) int {
		return cmp.Or(-cmp.Compare(a.leaked, b.leaked), -cmp.Compare(a.last(), b.last()), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.class, b.class))
	})
	r := claim.Reading{Silent: "a single dump tells a leak from goroutines that wait by design only when they are old or marked as leaked"}
	if c.n > 1 {
		r.Silent = tooClose(in)
		r.Says = claim.Textf("no site has grown by %.0f or more over %d dumps", in.Limit("min-growth").Number, c.n)
		if e.Coverage != evidence.Whole {
			r.Silent = "the last dump was read in part only"
		}
	}
	seen := map[string]bool{}
	for _, a := range c.all {
		if seen[a.site.Function] || len(r.Candidates) == reading.MaxSites {
			continue
		}
		var cand claim.Candidate
		ok := a.leaked > 0
		if ok {
			cand = provenLeak(proof, a.site, a.path, a.class, a.leaked, leaked, a.marked, claim.Grep(proof, "(leaked)"))
			judge.AddSites(&cand, a.inner, a.creator)
		} else {
			cand, ok = c.ofDump(in, e, a)
		}
		if ok {
			seen[a.site.Function] = true
			r.Candidates = append(r.Candidates, cand)
		}
	}
	if cand, ok := c.unread(in, e, claim.Grep(e, "net/http.(*persistConn).readLoop(")); ok && len(r.Candidates) < reading.MaxSites {
		r.Candidates = append(r.Candidates, cand)
	}
	addStandstill(&r, e)
	return r
}

// proofOf returns the dump with most goroutines that are marked as leaked, the last of those alike, and how many it has: only
// dumps of the leak profile carry marks.
func proofOf(dumps []*evidence.Exhibit) (proof *evidence.Exhibit, leaked int64) {
	for _, x := range dumps {
		n := int64(0)
		for j := range x.Dump().Goroutines {
			if x.Dump().Goroutines[j].Leaked {
				n++
			}
		}
		if n >= leaked {
			proof, leaked = x, n
		}
	}
	return proof, leaked
}

// note takes in a goroutine of the last dump.
func (a *alike) note(g *dump.Goroutine, s stack.Stack, old bool, creators creators, helpers helpers) {
	if strings.Contains(g.State, "nil chan") || strings.Contains(g.State, "no cases") {
		a.never++
	}
	if g.Creator != 0 && !creators.stillIn(g) {
		a.orphans++
	}
	if old {
		a.old++
	}
	a.ages[g.Wait]++
	a.ids = append(a.ids, g.ID)
	if a.class == wait.WaitGroup && helpers.none(g, s) {
		a.alone++
	}
	if a.first == 0 || g.Wait > a.longest {
		a.first, a.longest = g.ID, g.Wait
		a.creator = g.CreatedBy.Site()
	}
}

// ofDump judges goroutines alike that no dump marks as leaked.
func (c *snapshots) ofDump(in *claim.Input, e *evidence.Exhibit, a *alike) (claim.Candidate, bool) {
	grep := claim.Grep(e, claim.Func(a.site.Function).Text())
	if left, found := c.unpulled(in, e, a, int64(len(e.Dump().Goroutines)), grep); found {
		return left, true
	}
	if never, found := a.nilChannel(in, e); found {
		return never, true
	}
	cand, ok := c.growing(in, e, a, grep)
	if alone, found := a.aged(in, e, c.connections); found && (!ok || alone.Severity > cand.Severity) {
		return alone, true
	}
	return cand, ok
}

// creators tells whether goroutines that have made others are still at work in the function that did.
type creators struct {
	by map[int64]*dump.Goroutine
	in map[creation]bool // as far as asked for
}

type creation struct {
	by       int64
	function string // as printed
}

func creatorsOf(d *dump.Dump) creators {
	c := creators{map[int64]*dump.Goroutine{}, map[creation]bool{}}
	for i := range d.Goroutines {
		c.by[d.Goroutines[i].Creator] = nil
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if _, ok := c.by[g.ID]; ok {
			c.by[g.ID] = g
		}
	}
	return c
}

// stillIn reports it of the creator of a goroutine. One that waits there to receive
// does so on another channel: no channel has both receivers and senders that wait (runtime/chan.go).
func (c creators) stillIn(g *dump.Goroutine) bool {
	key := creation{g.Creator, g.CreatedBy.Function}
	in, ok := c.in[key]
	if ok {
		return in
	}
	if by := c.by[g.Creator]; by != nil {
		s := by.Stack()
		class, site := wait.OfState(by.State, s), s.Site()
		made := stack.Normal(g.CreatedBy.Function)
		in = (made != site.Function || class != wait.ChanRecv && class != wait.Select) &&
			slices.ContainsFunc(s, func(f *stack.Frame) bool { return stack.Normal(f.Function) == made })
	}
	c.in[key] = in
	return in
}

// helpers tells who of a dump could let a wait group go on.
type helpers struct {
	madeBy  map[int64]bool  // goroutines that have made another that lives
	working map[string]bool // functions that goroutines work in which do not wait for a wait group, or were made in
}

func helpersOf(d *dump.Dump) helpers {
	h := helpers{madeBy: map[int64]bool{}, working: map[string]bool{}}
	// Functions from which goroutines wait for a wait group, by goroutine.
	waits := map[int64]stack.Stack{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if s := g.Stack(); wait.OfState(g.State, s) == wait.WaitGroup {
			waits[g.ID] = s
		}
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		class := wait.OfState(g.State, s)
		// A server reads on while a request is handled.
		if !wait.AtWork(class, s) {
			continue
		}
		h.madeBy[g.Creator] = true
		made := stack.Normal(g.CreatedBy.Function)
		// Who waits in the function that made a goroutine waits for it: it is no helper of others there.
		if waits[g.Creator].Contains(g.CreatedBy.Function) {
			if n := len(s); n > 0 && stack.Normal(s[n-1].Function) == made {
				s = s[:n-1]
			}
		} else {
			h.working[made] = true
		}
		if class != wait.WaitGroup {
			for _, f := range s {
				h.working[stack.Normal(f.Function)] = true
			}
		}
	}
	return h
}

// none reports whether nobody is left who could let a goroutine in a wait group go on: none that it
// has made, none in a function that it has called to wait, nor in a closure of one, as a
// pool's workers run them, and none made by one.
func (h helpers) none(g *dump.Goroutine, s stack.Stack) bool {
	if h.madeBy[g.ID] {
		return false
	}
	for _, f := range s {
		name := stack.Normal(f.Function)
		// Further out stands what every request has in common.
		if wait.RequestFrames[name] || name == "net/http.HandlerFunc.ServeHTTP" || name == "main.main" {
			break
		}
		if !stack.Plumbing(name) && h.working[name] {
			return false
		}
	}
	return true
}

// dependency reports whether goroutines with a stack are made what they are by a library.
func dependency(s stack.Stack) bool {
	for _, f := range s {
		if !stack.Standard(f.Function) && !stack.Plumbing(f.Function) {
			return f.Dependency()
		}
	}
	return true
}

// Goroutines of a leak come one after the other for as long as the process lives, and all stay:
// their numbers, which are handed out in order, cover its life from end to end, and evenly. Those of a pool that was
// filled at the start, or as the load rose, do not.
const (
	minLifeSpan = 0.8 // of all numbers handed out, between the first of them and the last
	minGap      = 1.5 // numbers handed out for each of theirs: the others were for goroutines between them
	nearlyAll   = 0.9 // of many, where some that end or begin just then are no matter
	maxUneven   = 0.3 // largest distance from an even spread (Kolmogorov-Smirnov); 0.01 to 0.1 measured in leaks, 0.42 to 0.87 in pools
)

// allAlong reports whether goroutines with these numbers came all along the life of the process.
func allAlong(d *dump.Dump, numbers []int64) bool {
	last := int64(0)
	for i := range d.Goroutines {
		last = max(last, d.Goroutines[i].ID)
	}
	ids := slices.Sorted(slices.Values(numbers))
	n := float64(len(ids))
	if n < 2 || float64(ids[len(ids)-1]-ids[0]) < minLifeSpan*float64(last) {
		return false
	}
	uneven := 0.0
	for i, id := range ids {
		at := float64(id) / float64(last)
		uneven = max(uneven, float64(i+1)/n-at, at-float64(i)/n)
	}
	return uneven < maxUneven
}

// scattered reports whether goroutines with these numbers were started over a stretch of time, among others.
func scattered(ids []int64) bool {
	return len(ids) > 0 && float64(slices.Max(ids)-slices.Min(ids)) >= minGap*float64(len(ids))
}

// stay reports whether of goroutines with these numbers none seems to end: they came all along the life of
// the process, among others that have ended, or next to nothing at all has ended since the first of them came. Of a
// server that answers, each request ends a goroutine (net/http/server.go, startBackgroundRead).
func stay(d *dump.Dump, ids []int64) bool {
	if len(ids) == 0 {
		return false
	}
	if scattered(ids) {
		return allAlong(d, ids)
	}
	first, last, live := slices.Min(ids), int64(0), int64(0)
	for i := range d.Goroutines {
		if id := d.Goroutines[i].ID; id >= first {
			live++
			last = max(last, id)
		}
	}
	return float64(live) >= nearlyAll*float64(last-first+1)
}

// aged judges goroutines alike of a single dump.
func (a *alike) aged(in *claim.Input, e *evidence.Exhibit, connections []int64) (claim.Candidate, bool) {
	n, oldOnes := a.last(), a.old > 0
	severity, variant, thin, ok := a.ageing(in, e, connections)
	if !ok {
		return claim.Candidate{}, false
	}
	waits := a.class.Doing(false)
	who := evidence.Things(n, "goroutine") + " " + waits.Of(n)
	value, says := evidence.Of(a.old, evidence.Count), "goroutines that "+waits.Many+" here for a minute or more"
	summary := claim.Textf("%s in %s, %d of them for a minute or more", who, claim.Func(a.site.Function), a.old)
	switch {
	case n == 1:
		summary = claim.Textf("%s in %s, for %s by now", who, claim.Func(a.site.Function), evidence.Minutes(a.longest))
	case !oldOnes:
		value, says = evidence.Of(n, evidence.Count), "goroutines alike that "+waits.Many+" here"
		summary = claim.Textf("%s in %s, all alike", who, claim.Func(a.site.Function))
	}
	cand := claim.Candidate{
		Site: a.site, Path: a.path, Variant: variant, Severity: severity, Thin: thin, Summary: summary,
		Facts: []claim.Fact{{Exhibit: e.ID, Says: says, Value: value, Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
			Limit: in.Against("min-goroutines"), At: reading.AtGoroutine(a.site, a.first), Reproduce: claim.Grep(e, claim.Func(a.site.Function).Text())}},
		Caveats: []claim.Text{"one dump shows that goroutines wait, not that they will never go on"},
	}
	switch variant {
	case "no-helper":
		a.noHelper(in, e, &cand, who)
	case "orphaned":
		a.orphaned(in, e, &cand, who)
	}
	judge.AddSites(&cand, a.inner, a.creator)
	return cand, true
}

// ageing is how bad goroutines alike of a single dump are, and of which variant; false where they are worth no word.
func (a *alike) ageing(in *claim.Input, e *evidence.Exhibit, connections []int64) (severity claim.Severity, variant string, thin, ok bool) {
	n := a.last()
	many := float64(n) >= in.Limit("min-goroutines").Number
	// Started over a stretch of time, among others, rather than all at once as a pool is.
	scattered := scattered(a.ids)
	old, oldOnes := float64(a.old) >= in.Limit("min-goroutines").Number, a.old > 0
	allAlong := many && scattered && allAlong(e.Dump(), a.ids)
	crowd := float64(a.orphans) >= in.Limit("min-orphans").Number
	severity, variant, thin = claim.NoSeverity, "old", true
	switch {
	case a.class == wait.WaitGroup && 2*a.alone >= n && (a.alone > 1 || oldOnes):
		variant = "no-helper"
		severity = in.Severity(claim.Impact{Of: claim.Operations, Standing: float64(a.alone), Moment: true})
		thin = severity < claim.Warning
	// Work in hand that has stood for a minute, and few of it.
	case !many && oldOnes && !a.parked():
		severity = claim.Info
	case !many:
		return severity, variant, thin, false
	// Whoever was to receive has gone.
	case a.class == wait.ChanSend && 2*a.orphans >= n && (crowd || allAlong):
		severity, variant = claim.Warning, "orphaned"
	// Whoever made them has gone, they came all along, and nothing that lives explains them: no connections, no library's pool.
	case float64(a.orphans) >= nearlyAll*float64(n) && allAlong && !a.dependency && (connections == nil || 2*connections[len(connections)-1] < n):
		severity, variant = claim.Warning, "orphaned"
	// Requests that wait for events (long polling, web sockets), and parked workers: any number, any age.
	case a.parked() && (a.request || !scattered || !old):
	// Helpers of requests under way.
	case a.class == wait.WaitGroup && !old:
	case a.parked():
		severity = claim.Info
	// Of every age and started over time: more come and none goes.
	case old && scattered && len(a.ages) > 1:
		severity, thin = claim.Warning, false
	case old, scattered:
		severity = claim.Info
	}
	return severity, variant, thin, true
}

// leftBehind is how many of goroutines alike of a dump were left without what could end their wait.
func (a *alike) leftBehind(in *claim.Input, e *evidence.Exhibit, says claim.Text, n int64, grep claim.Command) claim.Fact {
	return claim.Fact{Exhibit: e.ID, Says: says, Value: evidence.Of(n, evidence.Count),
		Of: claim.PartOf(evidence.Of(a.last(), evidence.Count), "the goroutines that wait here"), Limit: in.Against("min-orphans"), At: reading.AtGoroutine(a.site, a.first), Reproduce: grep}
}

// noHelper says of a candidate that nobody is left who could let the goroutines go on.
func (a *alike) noHelper(in *claim.Input, e *evidence.Exhibit, cand *claim.Candidate, who claim.Text) {
	cand.Summary = claim.Textf("%s in %s, and for %d of them no goroutine is left that could say it is done", who, claim.Func(a.site.Function), a.alone)
	if a.old > 0 {
		cand.Summary += claim.Textf("; the longest has waited for %s by now", evidence.Minutes(a.longest))
	}
	cand.Facts = append(cand.Facts, a.leftBehind(in, e, "of them, without a goroutine that they made or that is at work in what they called", a.alone, claim.Grep(e, claim.Func(a.site.Function).Text())))
	cand.Caveats = append(cand.Caveats, "work that stands in a queue has no goroutine yet")
	cand.Fix = []claim.Text{
		"Call Done in a defer as the first statement of each goroutine, so that an early return or a panic does not skip it",
		"Call Add before the go statement, by as many as are started, also on the path that starts fewer",
		"Use errgroup with a context, or WaitGroup.Go of Go 1.25, which count by themselves",
	}
}

// orphaned says of a candidate that who started the goroutines has left them behind.
func (a *alike) orphaned(in *claim.Input, e *evidence.Exhibit, cand *claim.Candidate, who claim.Text) {
	cand.Facts = append(cand.Facts, a.leftBehind(in, e, "of them, started by a goroutine that has ended, has left the function it started them in, or waits in it to receive from others", a.orphans, claim.Grep(e, claim.Textf("created by %s", claim.Func(a.creator.Function)))))
	cand.Fix = []claim.Text{
		claim.Textf("Give the goroutine an end: select on the Done of a context that is cancelled when %s returns, beside what it waits for", claim.Func(a.creator.Function)),
		"Whoever starts a goroutine should wait for it or cancel it: errgroup with a context, or a WaitGroup and a done channel",
		"Test with go.uber.org/goleak, or the goroutineleak profile (GOEXPERIMENT=goroutineleakprofile in Go 1.26, on by default in 1.27)",
	}
	cand.Summary = claim.Textf("%s in %s, where %s, which started them, has left %d of them behind", who, claim.Func(a.site.Function), claim.Func(a.creator.Function), a.orphans)
	if a.class == wait.ChanSend {
		cand.Summary = claim.Textf("%s in %s, and for %d of them nobody is left in %s to receive", who, claim.Func(a.site.Function), a.orphans, claim.Func(a.creator.Function))
		cand.Caveats = append(cand.Caveats, "a dump does not print channels: if all of them send to one receiver, it is too slow rather than gone")
		cand.Fix = []claim.Text{
			"Give the channel room for every sender, so that none waits for a receiver who has left: make(chan T, n) for n senders",
			"Or send in a select with ctx.Done() beside it, and cancel the context when the receiver leaves",
			cand.Fix[2],
		}
	}
	if scattered(a.ids) && allAlong(e.Dump(), a.ids) {
		cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: "goroutine numbers, which are handed out in order, between the first of them and the last", Value: evidence.Of(slices.Max(a.ids)-slices.Min(a.ids), evidence.Count),
			At: reading.AtGoroutine(a.site, a.first), Reproduce: claim.Grep(e, claim.Func(a.site.Function).Text())})
	}
}

// nilChannel judges goroutines that wait for a channel that is nil, or in a select
// without cases, which nothing can end (runtime/chan.go, chansend and chanrecv; select.go, block).
func (a *alike) nilChannel(in *claim.Input, e *evidence.Exhibit) (claim.Candidate, bool) {
	// Some may be meant to wait for ever: at the end of main, or for the Done of a
	// context that is never cancelled, which is nil (context/context.go, emptyCtx).
	if float64(a.never) < in.Limit("min-goroutines").Number {
		return claim.Candidate{}, false
	}
	what := claim.Text("a channel that is nil")
	if a.class == wait.Select {
		what = "nothing, in a select without cases"
	}
	cand := claim.Candidate{
		Site: a.site, Path: a.path, Variant: "nil-channel", Severity: claim.Warning,
		Summary: claim.Textf("%d goroutines in %s wait for %s: none of them can ever go on", a.never, claim.Func(a.site.Function), what),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines here that wait for %s", what), Value: evidence.Of(a.never, evidence.Count),
			Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"), Limit: in.Against("min-goroutines"), At: reading.AtGoroutine(a.site, a.first), Reproduce: claim.Grep(e, claim.Func(a.site.Function).Text())}},
	}
	if a.class != wait.Select {
		cand.Fix = []claim.Text{
			"Make the channel before the goroutine starts: it was nil when it was used, because it is made later, in another branch, or missing in a map or struct",
			"Select on ctx.Done() beside it, so that the goroutine ends with what it works for",
		}
	}
	judge.AddSites(&cand, a.inner, a.creator)
	return cand, true
}

// unread judges connections of net/http's client that stand in a select: they have
// handed out an answer and wait until its body is read to the end or closed
// (net/http/transport.go, readLoop). Idle ones wait for the network.
func (c *snapshots) unread(in *claim.Input, e *evidence.Exhibit, reproduce claim.Command) (claim.Candidate, bool) {
	if c.answers == nil {
		return claim.Candidate{}, false
	}
	last := c.n - 1
	// Somebody is at work on as many as there are goroutines at work.
	n := c.answers[last] - c.busy[last]
	if float64(n) < in.Limit("min-goroutines").Number {
		return claim.Candidate{}, false
	}
	site := unreadSite
	return claim.Candidate{
		Site: site, Path: []string{site.Function}, Variant: "response-bodies", Severity: claim.Warning, Thin: c.n < 2,
		Summary: claim.Textf("%d connections of net/http's client have handed out an answer whose body nobody has read to its end or closed", c.answers[last]),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: "connections whose answer is not read to its end, less the goroutines at work", Value: evidence.Of(n, evidence.Count),
			Of: claim.PartOf(evidence.Of(c.answers[last], evidence.Count), "connections whose answer is not read to its end"), Limit: in.Against("min-goroutines"), At: claim.At(site), Reproduce: reproduce}},
		Caveats: []claim.Text{"the evidence does not tell which code asked: look for requests whose response body is not closed on every way out"},
		Fix: []claim.Text{
			"Close every response body, also when the status is not 200: defer resp.Body.Close() right after the check of the error",
			"Give the client a Timeout or each request a context with a deadline: when it ends, the connection does too",
			"Look for more of them with the bodyclose linter",
		},
	}, true
}

// unreadSite is where connections of net/http's client stand whose answer nobody reads.
var unreadSite = stack.Site{Function: "net/http.(*persistConn).readLoop"}

// leakHeap tells who asks by net/http's client: the goroutines of its connections have
// nothing of the program on their stacks, what is allocated for a request has.
func leakHeap(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a heap profile does not count goroutines"}
	e := reading.Latest(in.Exhibits)
	column := max(e.Profile().Column("alloc_space"), e.Profile().Column("inuse_space"))
	var ask reading.Callers
	var total int64
	for i := range e.Profile().Samples {
		s := &e.Profile().Samples[i]
		at := slices.IndexFunc(s.Stack, func(f *stack.Frame) bool { return f.Function == "net/http.send" })
		if at < 0 || column < 0 || s.Values[column] <= 0 {
			continue
		}
		if owner := s.Stack[at:].Owner(); !stack.Standard(owner.Function) {
			ask.Add(owner, float64(s.Values[column]))
			total += s.Values[column]
		}
	}
	if len(ask) == 0 {
		return r
	}
	most := ask.Sorted()[0]
	c := claim.Candidate{Site: unreadSite, Path: []string{unreadSite.Function, most.Site.Function}, Sites: ask.Sites(), Thin: true,
		Summary: "requests of net/http's client are made by " + ask.Text(),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("allocated for requests that %s makes by net/http's client", claim.Func(most.Site.Function)), Value: evidence.Of(int64(most.Count), evidence.Bytes),
			Of: claim.PartOf(evidence.Of(total, evidence.Bytes), "all that is allocated for requests by net/http's client"), At: claim.At(most.Site), Reproduce: claim.PeekInside(e, e.Profile().Columns[column].Name, most.Site, `^net/http\.send$`)}}}
	r.Candidates = []claim.Candidate{c}
	return r
}

func leakGoroutine(in *claim.Input) claim.Reading {
	c := snapshots{n: len(in.Exhibits)}
	e := reading.Latest(in.Exhibits)
	unsymbolised := 0
	for i, x := range in.Exhibits {
		if len(x.Profile().Columns) == 0 {
			continue
		}
		unsymbolised += x.Profile().Unsymbolised
		for j := range x.Profile().Samples {
			s := &x.Profile().Samples[j]
			class := wait.OfStack(s.Stack)
			if class == "" && x.Profile().Legacy && float64(s.Values[0]) >= in.Limit("min-unknown").Number {
				class = wait.Other
			}
			c.add(i, class, s.Stack, s.Values[0], false)
		}
	}
	slices.SortStableFunc(c.all, func(a, b *alike) int {
		return cmp.Or(-cmp.Compare(a.last(), b.last()), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.class, b.class))
	})
	r := claim.Reading{Silent: "a single goroutine profile cannot tell goroutines that never end from those that wait by design"}
	if c.n > 1 {
		r.Silent = tooClose(in)
		r.Says = claim.Textf("no site has grown by %.0f or more over %d profiles", in.Limit("min-growth").Number, c.n)
		if unsymbolised > 0 {
			r.Silent = "stacks without function names cannot be told from idle ones"
		}
	}
	if cand, ok := c.unread(in, e, claim.Top(e, "goroutine")); ok {
		r.Candidates = append(r.Candidates, cand)
	}
	seen := map[string]bool{}
	for _, a := range c.all {
		if seen[a.site.Function] || len(r.Candidates) == reading.MaxSites {
			continue
		}
		cand, ok := c.ofProfile(in, e, a)
		if ok {
			seen[a.site.Function] = true
			r.Candidates = append(r.Candidates, cand)
		}
	}
	return r
}

// ofProfile judges goroutines alike of goroutine profiles, e the last of them.
func (c *snapshots) ofProfile(in *claim.Input, e *evidence.Exhibit, a *alike) (claim.Candidate, bool) {
	column := "goroutine"
	if len(e.Profile().Columns) > 0 {
		column = e.Profile().Columns[0].Name
	}
	cand, ok := c.growing(in, e, a, claim.Since(in.Exhibits[0], claim.Peek(e, column, a.site)))
	if left, found := c.unpulled(in, e, a, e.Profile().Total(0), claim.Peek(e, column, a.site)); found {
		cand, ok = left, true
	}
	if !ok && !a.parked() && float64(a.last()) >= in.Limit("min-goroutines").Number {
		ok = true
		cand = claim.Candidate{Site: a.site, Path: a.path, Variant: "old", Thin: true,
			Summary: claim.Textf("%d goroutines alike %s in %s", a.last(), a.class.Doing(false).Many, claim.Func(a.site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines alike that %s here", a.class.Doing(false).Many), Value: evidence.Of(a.last(), evidence.Count),
				Limit: in.Against("min-goroutines"), At: claim.At(a.site), Reproduce: claim.Peek(e, column, a.site)}}}
		// It grew over several snapshots by less than a leak, or it is one snapshot of a kind of wait that ends.
		if c.n > 1 {
			ok = false
		}
	}
	if total := e.Profile().Total(0); !ok && a.class == wait.Other && float64(a.last()) >= in.Limit("min-unknown").Number && evidence.Part(a.last(), total).Number >= in.Limit("min-unknown-share").Number {
		ok = true
		cand = claim.Candidate{Site: a.site, Path: a.path, Variant: "unknown-wait", Severity: claim.Warning, Thin: true, Share: evidence.Part(a.last(), total).Number,
			Summary: claim.Textf("%s stand in %s, %s of all: far more than can run, so they wait for a channel or in a select", evidence.Things(a.last(), "goroutine"), claim.Func(a.site.Function), evidence.Part(a.last(), total)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "goroutines that stand here", Value: evidence.Of(a.last(), evidence.Count), Of: claim.PartOf(evidence.Of(total, evidence.Count), "all goroutines of the profile"),
				Limit: in.Against("min-unknown"), At: claim.At(a.site), Reproduce: claim.Peek(e, column, a.site)}},
			Caveats: []claim.Text{"the text form of a goroutine profile (debug=1) does not tell what goroutines wait for: a very large pool of idle workers looks the same; the form with debug=2 tells"}}
		judge.AddSites(&cand, a.inner)
	}
	return cand, ok
}

// leakTrace looks for functions whose goroutines are created all through the
// trace, do not end, and stand at the end where they first stopped.
func leakTrace(in *claim.Input) claim.Reading {
	e := reading.Latest(in.Exhibits)
	t := e.Trace()
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	r := claim.Reading{Silent: "a leak that is slow, or older than the trace, does not show in it"}
	stops := stopsOf(t)
	for i := range t.Groups {
		g := &t.Groups[i]
		if cand, ok := startedAndLeft(in, e, g, stops[g.Start.Function]); ok {
			r.Candidates = append(r.Candidates, cand)
		}
	}
	// Goroutines that stood at one place from the first event to the last vouch for a
	// leak that others show; the trace alone cannot tell them from those whose turn will come.
	for _, byStop := range stops {
		for _, x := range byStop {
			site, _ := reading.AppSite(x.stack)
			if float64(x.before) < in.Limit("min-goroutines").Number || x.class == wait.ChanRecv || x.class == wait.Select || x.class == wait.Cond ||
				slices.ContainsFunc(r.Candidates, func(c claim.Candidate) bool { return c.Site.Function == site.Function }) {
				continue
			}
			r.Candidates = append(r.Candidates, stoodThere(in, e, x))
		}
	}
	slices.SortStableFunc(r.Candidates, func(a, b claim.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), -cmp.Compare(a.Facts[0].Value.Number, b.Facts[0].Value.Number), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	r.Candidates = r.Candidates[:min(len(r.Candidates), reading.MaxSites)]
	return r
}

// stop is where goroutines of a trace stand at its end.
type stop struct {
	stack  stack.Stack
	class  wait.Class
	n      int64 // since some moment within the trace
	early  int64 // of them, since its first half
	before int64 // since before the trace
	worst  exectrace.Span
}

// stopsOf returns where the goroutines of a trace stand at its end, by the function they started in and by what they wait for.
func stopsOf(t *exectrace.Timeline) map[string]map[string]*stop {
	stops := map[string]map[string]*stop{}
	for i := range t.Waits {
		w := &t.Waits[i]
		if w.Open == 0 || len(w.Stack) == 0 || w.Class.IsLock() || w.Class == wait.Network || wait.Idle(w.Class, w.Stack) {
			continue
		}
		start := stack.Normal(w.Stack[len(w.Stack)-1].Function)
		site, _ := reading.AppSite(w.Stack)
		if stops[start] == nil {
			stops[start] = map[string]*stop{}
		}
		key := string(w.Class) + " " + site.Function
		x := stops[start][key]
		if x == nil {
			x = &stop{stack: w.Stack, class: w.Class}
			stops[start][key] = x
		}
		if w.Seen.From <= 0 && w.Count == w.Open {
			x.before += w.Open
			continue
		}
		x.n += w.Open
		x.early += min(w.Open, w.Times.Above(t.Duration/2))
		if len(w.Worst) > 0 && x.worst.To == 0 {
			x.worst = w.Worst[0]
		}
	}
	return stops
}

// startedAndLeft judges goroutines that were started in one function and stand at stops: whether they come and none goes.
func startedAndLeft(in *claim.Input, e *evidence.Exhibit, g *exectrace.Group, stops map[string]*stop) (claim.Candidate, bool) {
	left := g.Created - g.Ended
	growth := in.Limit("min-growth").Number
	// A handful, or as many ended as began: what every program does.
	if g.System || float64(left) < growth || float64(g.Ended) > in.Limit("max-ended").Number*float64(g.Created) {
		return claim.Candidate{}, false
	}
	var at *stop
	for _, x := range stops {
		if at == nil || x.n > at.n || x.n == at.n && x.stack.Site().Function < at.stack.Site().Function {
			at = x
		}
	}
	const eachHalf = 5 // one of so many, at least, came in each half of the trace
	// They are doing something else than waiting at one place, or all of them
	// came at once, as the workers of a pool do.
	if at == nil || float64(at.n) < growth/2 || min(at.early, at.n-at.early)*eachHalf < at.n {
		return claim.Candidate{}, false
	}
	site, path := reading.AppSite(at.stack)
	severity := claim.Warning
	// Web sockets and workers of a growing pool wait in a select or receive too, but they
	// are woken now and then; what leaked ran once.
	if (at.class == wait.ChanRecv || at.class == wait.Select || at.class == wait.Cond) &&
		(wait.InRequest(at.stack) || g.Slices.Count > g.Created+g.Created/2) {
		severity = claim.Info
	}
	rate := evidence.Quantity{Number: float64(left) / e.Trace().Duration.Seconds(), Unit: evidence.PerSecond}
	loc := reading.AtGoroutine(site, at.worst.Goroutine)
	loc.From, loc.To = int64(at.worst.From), int64(at.worst.To)
	view := claim.TraceView(e, claim.Textf("goroutine analysis of %s", claim.Func(g.Start.Function)))
	cand := claim.Candidate{
		Site: site, Path: path, Variant: "growing", Severity: severity, Share: evidence.Part(left, g.Created).Number,
		Summary: claim.Textf("of %d goroutines started in %s within %s, %d have not ended; they %s in %s", g.Created, claim.Func(g.Start.Function), evidence.Duration(e.Trace().Duration), left, at.class.Doing(false).Many, claim.Func(site.Function)),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: claim.Textf("goroutines started in %s within the trace and not ended", claim.Func(g.Start.Function)), Value: evidence.Of(left, evidence.Count),
				Of: claim.PartOf(evidence.Of(g.Created, evidence.Count), "those created there"), Limit: in.Against("min-growth"), At: loc, Reproduce: view},
			{Exhibit: e.ID, Says: "goroutines added per second", Value: rate, At: claim.At(site), Reproduce: view},
		},
		Caveats: []claim.Text{"a trace shows seconds; what has not ended in it may end later"},
	}
	if at.before > 0 {
		cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: "goroutines that stood at the same place before the trace began", Value: evidence.Of(at.before, evidence.Count), At: claim.At(site), Reproduce: view})
	}
	judge.AddSites(&cand, at.stack.Site(), g.Start, g.Creator)
	return cand, true
}

// stoodThere is goroutines that stand at one place from the first event of a trace to the last.
func stoodThere(in *claim.Input, e *evidence.Exhibit, x *stop) claim.Candidate {
	site, path := reading.AppSite(x.stack)
	cand := claim.Candidate{
		Site: site, Path: path, Variant: "old", Thin: true,
		Summary: claim.Textf("%d goroutines %s in %s from the first to the last event", x.before, x.class.Doing(false).Many, claim.Func(site.Function)),
		Facts: []claim.Fact{{Exhibit: e.ID, Says: claim.Textf("goroutines that %s here from the first to the last event; %d more came and stayed", x.class.Doing(false).Many, x.n),
			Value: evidence.Of(x.before, evidence.Count), Limit: in.Against("min-goroutines"), At: claim.At(site),
			Reproduce: claim.TraceView(e, "goroutine analysis")}},
	}
	judge.AddSites(&cand, x.stack.Site())
	return cand
}

// addStandstill adds the goroutines of a dump that are at a standstill, also in place of those whose number alone was worth no word.
func addStandstill(r *claim.Reading, e *evidence.Exhibit) {
	for _, cand := range atStandstill(e) {
		i := slices.IndexFunc(r.Candidates, func(c claim.Candidate) bool { return c.Site.Function == cand.Site.Function })
		switch {
		case i < 0 && len(r.Candidates) < reading.MaxSites:
			r.Candidates = append(r.Candidates, cand)
		case i >= 0 && r.Candidates[i].Severity == claim.NoSeverity:
			r.Candidates[i] = cand
		}
	}
}

// atStandstill makes leaks of those goroutines at a standstill that were left behind, and
// suspicions of those that may be idle, one for each site and class, most goroutines first.
func atStandstill(e *evidence.Exhibit) (out []claim.Candidate) {
	work, left, idle := reading.StandstillParts(e)
	if len(work) == 0 { // else all of them are one deadlock
		for _, c := range reading.StuckCrowds(left) {
			cand := judge.StandstillCandidate(e, c)
			cand.Severity = claim.Warning
			out = append(out, cand)
		}
	}
	for _, c := range reading.StuckCrowds(idle) {
		out = append(out, judge.StandstillCandidate(e, c))
	}
	return out
}
