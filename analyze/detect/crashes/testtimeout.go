package crashes

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// TestTimeout claims that a test did not end in the time that its binary had.
var TestTimeout = &claim.Detector{
	ID:    "test-timeout",
	Title: "A test did not end in time",
	Doc: `A test binary ran into its time limit (go test -timeout, ten minutes by default). Package testing then panics and prints all goroutines. The first of them is the
alarm that rang, which is nobody's fault; what matters is where the goroutine of the test that was running stands, and who keeps it there.

**How it is measured.** The message says how long the binary had and, since Go 1.21, which tests were running and for how long. The goroutine of a test is found by the
test's function above testing.tRunner; older dumps name the tests by these frames alone, and so do benchmarks, examples and TestMain, which no list names. Goroutines that
wait in package testing itself, for a subtest or for their turn to run in parallel, wait by design. Where the test waits for a lock, the holder is looked for as deadlock
looks for it, and as an outer method of the same object on the same stack; where it waits at a channel or a wait group, the goroutines that it started are listed.

The variant is lock, self-lock, channel, wait-group, network, sleep, running, system-call, slow-suite, setup, or unknown.

**When it is wrong.** The test that was running need not be the one that used up the time: when it had run for less than half of the limit, the finding says that the tests take too long
as a whole. Of parallel subtests of one test the dump does not tell which goroutine runs which. A test that only waits for something slow looks like one that waits for ever.`,
	Limits: []claim.Limit{
		{Name: "min-part", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Ratio},
			Doc:    "part of the binary's time limit that a running test must have used to count as what used it up",
			Source: "Judgement call: below half, other tests took more of the time than the one that was running at its end"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Crash, Doc: "the alarm of package testing or the go command's signal, with the goroutines printed below it", Run: testTimeouts},
	},
	Fix: []claim.Text{
		"Give the test what it waits for, or a way out: pass it a context with a deadline (t.Context, t.Deadline) and select on ctx.Done() where it waits",
		"Run the test alone with a short limit and the race detector: go test -race -run '^NAME$' -timeout 30s -count 20",
	},
}

func testTimeouts(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a log shows the tests that ran out of time and no others"}
	seen := map[string]bool{}
	for _, e := range in.Exhibits {
		for _, c := range e.Crashes() {
			if c.Timeout == nil {
				continue
			}
			for _, cand := range stoppedTests(in, e, c) {
				if key := cand.Site.Function + " " + cand.Variant; !seen[key] && len(r.Candidates) < reading.MaxSites {
					seen[key] = true
					r.Candidates = append(r.Candidates, cand)
				}
			}
		}
	}
	return r
}

// testRun is a test that was running, and its goroutine where the dump shows it.
type testRun struct {
	name    string
	within  bool          // it is a subtest of the test of that name
	elapsed time.Duration // 0 when not printed
	g       *dump.Goroutine
	caller  *dump.Goroutine // where g is not in the log: the test that waits for it
	shared  int             // other goroutines that may be this test's
}

// Text is the name in a sentence: the function, and what a table or a value calls the case.
func (r testRun) Text() claim.Text {
	function, part, sub := strings.Cut(r.name, "/")
	text := claim.Func(function).Text()
	if sub {
		text += "/" + claim.Said(part)
	}
	if r.within {
		return "a subtest of " + text
	}
	return text
}

// stoppedTests judges one time-out: a candidate for each place in which a test stands.
func stoppedTests(in *claim.Input, e *evidence.Exhibit, c *dump.Crash) []claim.Candidate {
	t := c.Timeout
	tests := runningTests(t)
	if len(tests) == 0 {
		return []claim.Candidate{unknownTest(e, c)}
	}
	slices.SortStableFunc(tests, func(a, b testRun) int { return -cmp.Compare(a.elapsed, b.elapsed) })
	longest := tests[0].elapsed
	if longest > 0 && float64(longest) < in.Limit("min-part").Number*float64(t.Limit) {
		return []claim.Candidate{slowSuite(in, e, c, tests)}
	}
	locks := reading.Locks(t.Dump)
	var out []claim.Candidate
	at := map[string]int{}
	for _, run := range tests {
		cand := stoppedTest(in, e, c, run, locks)
		if i, ok := at[cand.Site.Function]; ok {
			out[i].Facts = append(out[i].Facts, cand.Facts[0])
			continue
		}
		at[cand.Site.Function] = len(out)
		out = append(out, cand)
	}
	if n := len(tests); n > 1 {
		for i := range out {
			out[i].Caveats = append(out[i].Caveats, claim.Textf("%d tests were running when the time was up: %s", n, testNames(tests)))
		}
	}
	return out[:min(len(out), reading.MaxSites)]
}

func testNames(tests []testRun) claim.Text {
	var names []claim.Text
	for _, t := range tests[:min(len(tests), reading.MaxSites)] {
		names = append(names, t.Text())
	}
	if len(tests) > reading.MaxSites {
		names = append(names, "...")
	}
	return claim.Join(names, ", ")
}

// stoppedTest judges one test that was running.
func stoppedTest(in *claim.Input, e *evidence.Exhibit, c *dump.Crash, run testRun, locks []*reading.Lock) claim.Candidate {
	t := c.Timeout
	cand := claim.Candidate{Severity: claim.Critical, Share: 1, Variant: "unknown"}
	cand.Summary = run.Text() + " " + unended(t)
	cand.Facts = []claim.Fact{runFact(e, c, run)}
	if run.g == nil {
		cand.Thin = true
		cand.Summary += "; its goroutine is not in the log"
		if run.caller != nil {
			cand.Site, cand.Path = testPlace(run.caller.Stack())
			cand.Facts[0].At = reading.AtGoroutine(cand.Site, run.caller.ID)
			cand.Summary += claim.Textf(", that of %s waits for it%s", claim.Func(cand.Site.Function), inParens(line(cand.Site)))
		}
		cand.Caveats = append(cand.Caveats, "the goroutines that package testing prints below its message are cut off: they show where the test stands")
		return cand
	}
	g, s := run.g, run.g.Stack()
	user, path := testPlace(s)
	cand.Site, cand.Path = user, path
	cand.Facts[0].At = reading.AtGoroutine(user, g.ID)
	variant, does := doing(g, s)
	cand.Variant = variant
	cand.Summary += claim.Textf("; its goroutine %d %s in %s%s", g.ID, does, claim.Func(user.Function), inParens(line(user)))
	cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("goroutine of the test: goroutine %d, %s", g.ID, wait.StateText(g.State)), Value: evidence.Of(1, evidence.Count),
		At: reading.AtGoroutine(user, g.ID), Reproduce: claim.GrepGoroutine(e, g.ID)})
	if way := callPath(s); way != "" {
		cand.Facts[1].Says += claim.Textf(", reached by %s", way)
	}
	if run.shared > 0 {
		cand.Caveats = append(cand.Caveats, claim.Textf("%s subtests of the same test: which of them runs which the dump does not tell", evidence.Amount(run.shared, "more goroutine runs", "more goroutines run")))
	}
	switch variant {
	case "lock":
		lockedTest(in, e, &cand, t.Dump, run, locks)
	case "channel", "wait-group", "condition":
		partners(e, &cand, t.Dump, run, locks)
	case "running":
		cand.Fix = []claim.Text{"Look at the loop the stack stands in: what ends it, and whether that can still happen", "Where the work is only slow, raise -timeout or split the test"}
	case "sleep":
		cand.Fix = []claim.Text{"Wait for the condition itself (a channel, a callback, a short poll with a deadline) in place of a fixed time", "Use testing/synctest, in whose bubble time passes at once"}
	case "network", "system-call":
		cand.Fix = []claim.Text{"Give the connection or the request a deadline, so that the test fails with its reason", "Look whether the peer in the test still runs: a server that ended or never accepted leaves its client waiting"}
	}
	return cand
}

// lockedTest says who holds the lock that a test waits for.
func lockedTest(in *claim.Input, e *evidence.Exhibit, cand *claim.Candidate, d *dump.Dump, run testRun, locks []*reading.Lock) {
	cand.Fix = []claim.Text{
		"Let an outer method that holds the lock call an inner one that expects it to be held",
		"Unlock with defer right behind Lock, so that early returns and panics (t.FailNow is one) give it back",
	}
	var lock *reading.Lock
	var waiter *reading.LockWaiter
	for _, l := range locks {
		for _, w := range l.Waiters {
			if w.G == run.g {
				lock, waiter = l, w
			}
		}
	}
	if lock == nil {
		return
	}
	holder, ok := waiter.Outer(lock)
	if ok {
		cand.Variant = "self-lock"
		cand.Summary += claim.Textf(", called by %s%s, a method of the same object, which probably holds that lock", claim.Func(holder.Site().Function), inParens(line(holder.Site())))
		judge.AddSites(cand, holder.Site())
		cand.Caveats = append(cand.Caveats, "a dump does not print who holds a lock: that the outer method took it is likely, not shown")
		return
	}
	switch h, likely := lock.LikelyHolder(d, in.Limit("impact.min-standing-moment").Number); {
	case len(lock.Holders) == 1:
		holder, ok = lock.Holders[0], true
	case likely:
		holder, ok = h, true
	}
	if !ok {
		if made := startedBy(d, run.g); len(made) > 0 {
			startedText(e, cand, made)
		}
		cand.Caveats = append(cand.Caveats, "who holds the lock cannot be told from the stacks: it may have been left locked")
		return
	}
	at := holder.G.Stack().Owner()
	_, does := doing(holder.G, holder.G.Stack())
	if holder.G == run.g {
		cand.Variant = "self-lock"
		cand.Summary += claim.Textf("; it holds that lock itself, taken in %s%s", claim.Func(holder.Site().Function), inParens(line(holder.Site())))
		judge.AddSites(cand, holder.Site())
		return
	}
	cand.Summary += claim.Textf("; the lock is held by goroutine %d in %s%s, which %s", holder.G.ID, claim.Func(at.Function), inParens(line(at)), does)
	judge.AddSites(cand, holder.Site(), at)
	cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("holder of the lock: goroutine %d, %s", holder.G.ID, wait.StateText(holder.G.State)), Value: evidence.Of(1, evidence.Count),
		At: reading.AtGoroutine(at, holder.G.ID), Reproduce: claim.GrepGoroutine(e, holder.G.ID)})
	cand.Graph = judge.QueueGraph(e, lock, holder)
}

// partners says what became of the goroutines that a test has started, which are who would let it go on.
func partners(e *evidence.Exhibit, cand *claim.Candidate, d *dump.Dump, run testRun, locks []*reading.Lock) {
	if made := startedBy(d, run.g); len(made) > 0 {
		startedText(e, cand, made)
		if holder, ok := waitsHolding(run.g, made[0].g, locks); ok {
			cand.Summary += claim.Textf("; that lock is probably held by the test's own goroutine, in %s%s", claim.Func(holder.Function), inParens(line(holder)))
			judge.AddSites(cand, holder)
			cand.Fix = []claim.Text{"Give the lock back before waiting for goroutines that need it", "Wait first and lock afterwards, when nobody else is left"}
			cand.Caveats = append(cand.Caveats, "a dump does not print who holds a lock: that it is taken where the test waits is likely, not shown")
		}
		return
	}
	cand.Summary += ", and no goroutine that it started is left"
	cand.Fix = []claim.Text{
		"Find who should have sent, received or called Done: it has returned without it, on an early return or an error",
		"Select on the test's context beside the channel, so that the test fails with a message",
	}
}

// waitsHolding returns the method in which a goroutine waits while another one that it started waits for the lock
// of the same object.
func waitsHolding(g, helper *dump.Goroutine, locks []*reading.Lock) (stack.Site, bool) {
	for _, l := range locks {
		for _, w := range l.Waiters {
			object := cmp.Or(w.Object, l.Addr)
			if w.G != helper || object == 0 {
				continue
			}
			for _, f := range g.Frames {
				if reading.Pointer(f) == object && stack.TypeOf(f.Function) == stack.TypeOf(w.G.Frames[w.At].Function) {
					return f.Site(), true
				}
			}
		}
	}
	return stack.Site{}, false
}

// testHelpers are goroutines that do the same at the same place.
type testHelpers struct {
	g    *dump.Goroutine // the first
	site stack.Site
	does claim.Text
	n    int
}

// startedBy returns the goroutines that a test's goroutine has started and that are left, other tests aside, most first.
// Before Go 1.21 only the function that started them is printed.
func startedBy(d *dump.Dump, test *dump.Goroutine) []*testHelpers {
	var all []*testHelpers
	function, _ := testFunction(test)
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		made := g.Creator == test.ID || g.Creator == 0 && function != "" && stack.Normal(g.CreatedBy.Function) == function
		if !made || g == test || len(s) == 0 {
			continue
		}
		if _, ok := testFunction(g); ok {
			continue
		}
		site, _ := testPlace(s)
		_, does := doing(g, s)
		i := slices.IndexFunc(all, func(c *testHelpers) bool { return c.site.Function == site.Function && c.does == does })
		if i < 0 {
			all = append(all, &testHelpers{g, site, does, 0})
			i = len(all) - 1
		}
		all[i].n++
	}
	slices.SortStableFunc(all, func(a, b *testHelpers) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.site.Function, b.site.Function))
	})
	return all
}

// startedText tells of the goroutines that a test has started.
func startedText(e *evidence.Exhibit, cand *claim.Candidate, all []*testHelpers) {
	total := 0
	for _, c := range all {
		total += c.n
	}
	first := all[0]
	if total == 1 {
		cand.Summary += claim.Textf("; goroutine %d, which it started, %s in %s%s", first.g.ID, first.does, claim.Func(first.site.Function), inParens(line(first.site)))
	} else {
		cand.Summary += claim.Textf("; it started %d goroutines that are left, and goroutine %d of them %s in %s%s", total, first.g.ID, first.does, claim.Func(first.site.Function), inParens(line(first.site)))
		if first.n > 1 {
			cand.Summary += claim.Textf(", as %d more", first.n-1)
		}
	}
	for _, c := range all[:min(len(all), 3)] {
		judge.AddSites(cand, c.site)
		cand.Facts = append(cand.Facts, claim.Fact{Exhibit: e.ID, Says: claim.Textf("goroutines that the test started, each of which %s", c.does), Value: evidence.Of(c.n, evidence.Count),
			Of: claim.PartOf(evidence.Of(total, evidence.Count), "all that it started and that are left"), At: reading.AtGoroutine(c.site, c.g.ID), Reproduce: claim.GrepGoroutine(e, c.g.ID)})
	}
}

// slowSuite is the verdict when no running test has used up the time.
func slowSuite(in *claim.Input, e *evidence.Exhibit, c *dump.Crash, tests []testRun) claim.Candidate {
	run := tests[0]
	cand := claim.Candidate{Severity: claim.Warning, Share: 1, Variant: "slow-suite",
		Summary: claim.Textf("the tests took longer than %s as a whole; %s was under way, for %s only", evidence.Duration(c.Timeout.Limit), run, evidence.Duration(run.elapsed)),
		Facts:   []claim.Fact{runFact(e, c, run)},
		Fix: []claim.Text{
			"Find the slow ones: go test -json, then sort by Elapsed; run what can run side by side with t.Parallel",
			"Raise -timeout, or split the package's tests, where each is as slow as it must be",
		}}
	cand.Facts[0].Limit = in.Against("min-part")
	if run.g != nil {
		cand.Site, cand.Path = testPlace(run.g.Stack())
		cand.Facts[0].At = reading.AtGoroutine(cand.Site, run.g.ID)
	}
	return cand
}

// unknownTest is the verdict when nothing tells which test was running.
func unknownTest(e *evidence.Exhibit, c *dump.Crash) claim.Candidate {
	t := c.Timeout
	cand := claim.Candidate{Severity: claim.Critical, Share: 1, Variant: "setup", Facts: []claim.Fact{runFact(e, c, testRun{})},
		Summary: claim.Textf("the test binary %s", unended(t))}
	for i := range t.Dump.Goroutines {
		g := &t.Dump.Goroutines[i]
		s := g.Stack()
		if g.ID != 1 || len(s) == 0 {
			continue
		}
		if inSubtest(g) {
			break
		}
		site, path := testPlace(s)
		if stack.Package(site.Function) == "testing" || stack.Package(site.Function) == "runtime" {
			break
		}
		_, does := doing(g, s)
		cand.Site, cand.Path = site, path
		cand.Summary += claim.Textf(", with no test running: its main goroutine %s in %s%s", does, claim.Func(site.Function), inParens(line(site)))
		cand.Facts[0].At = reading.AtGoroutine(site, 1)
		return cand
	}
	cand.Variant, cand.Thin = "unknown", true
	cand.Summary += "; no goroutine of a test is in the log"
	return cand
}

// unended says of a test that it did not end within its time limit, or before somebody stopped the binary.
func unended(t *dump.Timeout) claim.Text {
	if t.Limit == 0 {
		return "had not ended when SIGQUIT stopped the tests"
	}
	return claim.Textf("did not end within %s", evidence.Duration(t.Limit))
}

// runFact is how long a test had been running, or else the limit that the binary ran into.
func runFact(e *evidence.Exhibit, c *dump.Crash, run testRun) claim.Fact {
	limit := evidence.Duration(c.Timeout.Limit)
	if run.elapsed > 0 {
		return claim.Fact{Exhibit: e.ID, Says: run.Text() + " had been running for", Value: evidence.Duration(run.elapsed), Of: &claim.Whole{Quantity: limit, What: "the time limit of the test binary"},
			Reproduce: claim.Grep(e, run.Text()+" (")}
	}
	if c.Timeout.Limit == 0 {
		return claim.Fact{Exhibit: e.ID, Says: "goroutines printed when the test binary was stopped", Value: evidence.Of(len(c.Timeout.Dump.Goroutines), evidence.Count),
			Reproduce: claim.Grep(e, "SIGQUIT")}
	}
	says := claim.Text("time limit of the test binary")
	if run.name != "" {
		says += ", with " + run.Text() + " running"
	}
	return claim.Fact{Exhibit: e.ID, Says: says, Value: limit, Reproduce: claim.Grep(e, claim.Said(oneLine(c.Message)))}
}

// testPlace is the place of a stack as a reader looks for it: the application's, or the test's own where
// libraries were called.
func testPlace(s stack.Stack) (stack.Site, []string) {
	site := s.Owner()
	for i, f := range s {
		if f.Site().Function == site.Function {
			return f.Site(), s[i:].Path()
		}
	}
	return site, s.Path()
}

// doing says what a goroutine does, as the variant of a finding and in words.
func doing(g *dump.Goroutine, s stack.Stack) (variant string, words claim.Text) {
	class := wait.OfState(g.State, s)
	switch class {
	case wait.Mutex, wait.RWRead, wait.RWWrite:
		variant = "lock"
	case wait.ChanSend, wait.ChanRecv, wait.Select:
		variant = "channel"
	case wait.WaitGroup:
		variant = "wait-group"
	case wait.Cond:
		variant = "condition"
	case wait.Sleep:
		variant = "sleep"
	case wait.Syscall:
		variant = "system-call"
	case wait.Network:
		return "network", "waits for input or output"
	case "":
		return "running", "runs"
	default:
		return "unknown", claim.Textf("waits (%s)", wait.StateText(g.State))
	}
	return variant, wait.WordsOfOne(class)
}

// callPath is the way from a test's function to the place where its goroutine stands, as type.method.
func callPath(s stack.Stack) claim.Text {
	var way []claim.Func
	for i := len(s) - 1; i >= 0; i-- {
		if f := s[i].Function; !stack.Standard(f) && !stack.Plumbing(f) {
			name := stack.Normal(f)
			name = strings.TrimPrefix(name, stack.Package(name)+".")
			name = strings.NewReplacer("(*", "", ")", "").Replace(name)
			if len(way) == 0 || way[len(way)-1] != claim.Func(name) {
				way = append(way, claim.Func(name))
			}
		}
	}
	if len(way) < 2 {
		return ""
	}
	const maxWay = 5 // calls that a line shows: the first and the last three are what one looks for
	if len(way) > maxWay {
		return way[0].Text() + " > ... > " + claim.Join(way[len(way)-3:], " > ")
	}
	return claim.Join(way, " > ")
}

func inParens(s claim.Text) claim.Text {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// runningTests returns the tests that were running, innermost ones only, with their goroutines.
func runningTests(t *dump.Timeout) []testRun {
	type runner struct {
		g    *dump.Goroutine
		name string // of the test's function; "" for one of any name, as of a table
		own  []string
		used bool
	}
	var runners []*runner
	for i := range t.Dump.Goroutines {
		g := &t.Dump.Goroutines[i]
		if _, ok := testFunction(g); !ok || inHarness(g) {
			continue
		}
		r := &runner{g: g}
		for _, f := range g.Frames { // fuzz targets and suites are called through package reflect
			r.own = append(r.own, baseOf(f.Function))
			if name := testName(f.Function); name != "" && name != "TestMain" {
				r.name = name
			}
		}
		runners = append(runners, r)
	}
	var out []testRun
	for _, test := range t.Running {
		outer := slices.ContainsFunc(t.Running, func(o dump.RunningTest) bool { return strings.HasPrefix(o.Name, test.Name+"/") })
		if outer {
			continue
		}
		run := testRun{name: test.Name, elapsed: test.Elapsed}
		top, _, _ := strings.Cut(test.Name, "/")
		last := path.Base(test.Name)
		pick := func(match func(*runner) bool) {
			for _, r := range runners {
				if !r.used && run.g == nil && match(r) {
					run.g, r.used = r.g, true
				}
			}
		}
		pick(func(r *runner) bool { return last != top && slices.Contains(r.own, last) })
		pick(func(r *runner) bool { return r.name == top })
		if run.g != nil && top != test.Name {
			for _, r := range runners {
				if r.g != run.g && r.name == top {
					run.shared++
				}
			}
		}
		out = append(out, run)
	}
	// What is left over runs a function of another name, handed to t.Run, or one of a test that is still listed.
	runners = slices.DeleteFunc(runners, func(r *runner) bool { return r.used })
	unmatched := 0
	for i := range out {
		if out[i].g == nil {
			unmatched++
		}
	}
	for i := range out {
		if out[i].g == nil && unmatched == 1 && len(runners) > 0 {
			out[i].g, out[i].shared = runners[0].g, len(runners)-1
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, r := range runners {
		name := r.name
		if name == "" {
			name = "a test"
		}
		out = append(out, testRun{name: name, g: r.g})
	}
	if len(out) > 0 {
		return out
	}
	for _, name := range t.Begun {
		out = append(out, testRun{name: name})
	}
	if len(out) > 0 {
		return out
	}
	// The goroutine of a subtest was cut off, and that of the test which waits for it was not.
	for i := range t.Dump.Goroutines {
		g := &t.Dump.Goroutines[i]
		if !inSubtest(g) {
			continue
		}
		for _, f := range slices.Backward(g.Frames) {
			if name := testName(f.Function); name != "" && name != "TestMain" {
				out = append(out, testRun{name: name, within: true, caller: g})
				break
			}
		}
	}
	return out
}

// inSubtest reports whether a goroutine waits for a test, a benchmark or a fuzz target to end.
func inSubtest(g *dump.Goroutine) bool {
	return slices.ContainsFunc(g.Frames, func(f dump.Frame) bool {
		return f.Function == "testing.(*T).Run" || f.Function == "testing.(*B).run" || f.Function == "testing.(*B).Run" || f.Function == "testing.(*F).Fuzz"
	})
}

// testEntries are the frames of package testing that call what the program wrote.
var testEntries = stack.Names(`testing.tRunner testing.fRunner testing.(*B).runN testing.(*B).run1 testing.(*B).launch testing.runExample testing.(*InternalExample).processRunResult`)

// testFunction returns the function of a test that a goroutine runs, as package testing called it.
func testFunction(g *dump.Goroutine) (string, bool) {
	for i := len(g.Frames) - 1; i > 0; i-- {
		if testEntries[stack.Normal(g.Frames[i].Function)] {
			for j := i - 1; j >= 0; j-- {
				if f := g.Frames[j].Function; stack.Package(f) != "testing" {
					return stack.Normal(f), true
				}
			}
			return "", true
		}
	}
	return "", false
}

// testName is the name of a test by its function; "" for a function that is not named as one.
func testName(function string) string {
	base := baseOf(function)
	for _, kind := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(base, kind) {
			return base
		}
	}
	return ""
}

// baseOf is the last part of a function's name.
func baseOf(function string) string {
	name := stack.Normal(function)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// inHarness reports whether a goroutine waits in package testing itself: for a subtest, or for its turn.
func inHarness(g *dump.Goroutine) bool {
	for _, f := range g.Frames {
		name := f.Function
		if stack.Package(name) == "testing" {
			return true
		}
		if !stack.Plumbing(name) {
			return false
		}
	}
	return true
}
