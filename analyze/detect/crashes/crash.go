package crashes

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

// Crash claims that the program, or a request of it, died.
var Crash = &claim.Detector{
	ID:    "crash",
	Title: "The program crashed",
	Doc: `The runtime printed a panic or a fatal error with the stack of the goroutine that failed. Either the process died of it, or something
recovered the panic and logged it: then the process went on, and what it was doing for somebody did not.

**How it is measured.** In the lines of logs, by the shape of the runtime's own output: a message, and below it a goroutine with frames. The class is told by the text.
The place is the first function outside the standard library: for a panic below the outermost panic call on the stack, which is the first that was raised; a deferred
function that panics again does not hide it. Equal crashes are counted.

**When it is wrong.** The place is where it became impossible to go on, which need not be where the mistake is: a nil pointer was made somewhere else. A panic that a
library raises on purpose is at the library's function; the caller is one frame out. A crash whose stack was not logged has no place. A stack that a handler printed does not
say whether the process went on. A process that was killed from outside, such as by the kernel for its memory, prints nothing.`,
	Measures: []claim.Measure{
		{Kind: evidence.Crash, Doc: "panics and fatal errors with the stack of what failed; equal ones are counted, a log without any proves nothing", Run: crashes},
	},
	Fix: []claim.Text{
		"Mend the cause at the place the stack names; a recover around it would only hide it",
		"Keep stderr of the last run and set GOTRACEBACK=all, so that the next crash shows the other goroutines",
	},
}

// crashClasses says for each class what happened, around the place, and what to change.
var crashClasses = map[dump.Class]struct {
	says [2]claim.Text
	fix  []claim.Text
}{
	dump.ConcurrentMap: {[2]claim.Text{"", " used a map that another goroutine was writing"}, mapFix},
	dump.DeadlockClass: {[2]claim.Text{"every goroutine was asleep, the first of them in ", ""}, []claim.Text{"See deadlock for who waits for whom", "Close or cancel what the goroutine waits for when its partners end"}},
	dump.StackOverflow: {[2]claim.Text{"", " called itself until the stack was full"}, []claim.Text{"Give the recursion an end: look at the arguments of the repeating frames", "Walk deep or cyclic data with a list of what is left to do in place of calls"}},
	dump.OutOfMemory: {[2]claim.Text{"memory ran out in ", ""}, []claim.Text{"Look at the size that was asked for: check it against a bound before allocating",
		"Where the size is ordinary, find what fills the heap: see heap-growth and map-growth"}},
	dump.ThreadExhaustion: {[2]claim.Text{"the program ran out of threads with goroutines in system calls or C code in ", ""}, []claim.Text{"Bound how many goroutines can be in blocking system calls or C code at once", "Give names and files that are resolved or read a time limit",
		"Where the system refused the thread (newosproc, pthread_create), look at its limits: pids of the container's cgroup, ulimit -u, seccomp"}},
	dump.UnlockOfUnlocked: {[2]claim.Text{"", " unlocked a lock that was not locked"}, []claim.Text{"Unlock with defer right below the Lock, once", "Do not copy a value that holds a lock: go vet (copylocks) finds copies"}},
	dump.Corruption: {[2]claim.Text{"the runtime found memory damaged, or an address that is none, in ", ""}, []claim.Text{"Run the tests with -race and with -gcflags=all=-d=checkptr: data races and unsafe are the usual causes",
		"Look at unsafe, cgo and memory-mapped files that shrink"}},
	dump.MappedFile: {[2]claim.Text{"", " touched a page of a mapped file that has nothing behind it: the file was cut short while it was mapped, or the disk is full"}, []claim.Text{"Reserve the file's space before mapping it (fallocate), and never truncate a file that is mapped",
		"Look at free space and at who else writes the file; on a network file system at the connection"}},
	dump.SignalClass: {[2]claim.Text{"a signal ended the process in C code that ", " called"}, []claim.Text{"Look at the C code that was called: the address and code of the signal say what it touched", "Check what the C code keeps of Go memory (cmd/cgo, Passing pointers)"}},
	dump.NilDereference: {[2]claim.Text{"", " used a nil pointer"}, []claim.Text{"Find which value was nil: the line has few candidates; a result used before its error was checked is the usual one",
		"Make the zero value usable, or refuse to build the value without what it needs"}},
	dump.NilMapWrite:   {[2]claim.Text{"", " wrote to a map that was never made"}, []claim.Text{"Make the map where the value is built"}},
	dump.SendOnClosed:  {[2]claim.Text{"", " sent on a closed channel"}, []claim.Text{"Let only the sending side close the channel, after all senders have ended (sync.WaitGroup)", "Tell senders to stop through a context or a second channel in place of closing theirs"}},
	dump.CloseOfClosed: {[2]claim.Text{"", " closed a channel twice"}, []claim.Text{"Let one owner close the channel, or close it through a sync.Once"}},
	dump.CloseOfNil:    {[2]claim.Text{"", " closed a channel that was never made"}, []claim.Text{"Make the channel where the value is built"}},
	dump.OutOfRange:    {[2]claim.Text{"", " used an index out of range"}, []claim.Text{"Check the length before indexing: empty input and short records are the usual cases"}},
	dump.DivideByZero:  {[2]claim.Text{"", " divided by zero"}, []claim.Text{"Check the divisor; decide what the result of nothing is"}},
	dump.BadSize:       {[2]claim.Text{"", " asked for an impossible size"}, []claim.Text{"Check sizes that come from outside before allocating: a negative or overflowed length is the usual one"}},
	dump.TypeAssertion: {[2]claim.Text{"", " asserted a type that the value does not have"}, []claim.Text{"Use the form with two results, v, ok := x.(T), and handle the other case"}},
	dump.Unhashable:    {[2]claim.Text{"", " used a key or compared values of a type that cannot be compared"}, []claim.Text{"Keep slices, maps and functions out of interface values that are compared or used as keys"}},
	dump.WaitGroupMisuse: {[2]claim.Text{"", " misused a wait group"}, []claim.Text{"Call Add before the goroutine is started, and Done once in it (or use WaitGroup.Go)",
		"Do not start work on a wait group while somebody waits for it to end"}},
	dump.RuntimeFault:  {[2]claim.Text{"the runtime gave up in ", ""}, nil},
	dump.ExplicitPanic: {[2]claim.Text{"", " panicked"}, []claim.Text{"Return an error where the caller can handle it", "Mend what makes the panic's message true"}},
}

// found is a crash and the exhibit it stands in.
type found struct {
	*dump.Crash
	exhibit *evidence.Exhibit
}

// sameCrash joins crashes of several logs.
type sameCrash struct {
	class    dump.Class
	function string
	fate     dump.Fate
}

func crashes(in *claim.Input) claim.Reading {
	r := claim.Reading{Silent: "a log shows the crashes it holds and no others"}
	byFunction := map[string]*claim.Candidate{}
	var order []*claim.Candidate
	for _, group := range crashGroups(in.Exhibits, nil) {
		if group[0].Class == dump.TestTimeout { // test-timeout tells it
			continue
		}
		c := crashCandidate(group)
		// One candidate per function: what else failed there is told with the worst.
		if first := byFunction[c.Site.Function]; first != nil {
			first.Facts = append(first.Facts, c.Facts[0])
			continue
		}
		byFunction[c.Site.Function] = &c
		order = append(order, &c)
	}
	for _, c := range order[:min(len(order), 5)] {
		r.Candidates = append(r.Candidates, *c)
	}
	return r
}

// crashGroups collects equal crashes of all logs, those the process died of
// first, then the more frequent. A nil class takes all.
func crashGroups(exhibits []*evidence.Exhibit, classes []dump.Class) [][]found {
	at := map[sameCrash]int{}
	var groups [][]found
	for _, e := range exhibits {
		for _, c := range e.Crashes() {
			if classes != nil && !slices.Contains(classes, c.Class) {
				continue
			}
			key := sameCrash{c.Class, c.Site().Function, c.Fate}
			i, ok := at[key]
			if !ok {
				i = len(groups)
				at[key] = i
				groups = append(groups, nil)
			}
			groups[i] = append(groups[i], found{c, e})
		}
	}
	slices.SortStableFunc(groups, func(a, b []found) int {
		return cmp.Or(cmp.Compare(a[0].Fate, b[0].Fate), -cmp.Compare(times(a), times(b)), cmp.Compare(a[0].Site().Function, b[0].Site().Function), cmp.Compare(a[0].Class, b[0].Class))
	})
	return groups
}

func times(group []found) (n int) {
	for _, f := range group {
		n += f.Count
	}
	return n
}

func crashCandidate(group []found) claim.Candidate {
	first := group[0]
	n := times(group)
	site := first.Site()
	class := crashClasses[first.Class]
	place := claim.Func(site.Function).Text()
	missing := claim.Text("")
	if place == "" {
		place = "a place that was not logged"
		switch {
		case len(first.Runtime) > 0:
			missing = "only the runtime's own stack is in the log: the goroutine's stack, further down in the output, names the place"
		case first.Goroutine == 0:
			missing = "no stack was logged with it: the output of the process right below this line names the place"
		}
	}
	c := claim.Candidate{Site: site, Path: first.Stack.Path(), Variant: string(first.Class), Severity: claim.Critical, Share: 1, Fix: class.fix}
	c.Summary = class.says[0] + place + class.says[1]
	if strings.HasPrefix(first.Message, "POTENTIAL DEADLOCK") { // github.com/sasha-s/go-deadlock
		c.Summary = claim.Textf("go-deadlock reports that goroutines waited too long for a lock that is held in %s", place)
	}
	if refused := refusedThread(first.Crash); refused != "" {
		c.Summary = refused
	}
	if first.Message != "" {
		c.Summary += claim.Textf(" (%q)", oneLine(first.Message))
	}
	switch {
	case first.Fate == dump.Lived:
		// The process lives, and somebody's request does not: the mistake is as real.
		c.Severity = claim.Warning
		c.Summary += "; the panic was recovered and the process went on"
	case first.Fate == dump.Untold:
		c.Severity = claim.Warning
		by := claim.Text("a handler")
		if first.Handler != "" {
			by += claim.Textf(" (%s)", claim.Func(first.Handler))
		}
		c.Summary += claim.Textf("; %s logged the panic, and what became of the process is not in the log", by)
	default:
		c.Summary += "; the process died"
	}
	if n > 1 {
		c.Summary += claim.Textf(", %d times", n)
	}
	where := claim.At(site)
	where.Goroutine = first.Goroutine
	for i, f := range group {
		says := evidence.Plural(f.Count, "crash", "crashes") + " of this class at this place"
		if f.Fate != dump.Died {
			says = "logged " + evidence.Plural(f.Count, "panic", "panics") + " of this class at this place"
		}
		fact := claim.Fact{Exhibit: f.exhibit.ID, Says: says, Value: evidence.Of(f.Count, evidence.Count), At: where, Reproduce: grepCrash(f)}
		if i == 0 && len(group) > 1 {
			fact.Says += ", in this log"
		}
		c.Facts = append(c.Facts, fact)
	}
	if len(group) > 1 { // the sum leads
		lead := c.Facts[0]
		lead.Says, lead.Value = claim.Textf("crashes of this class at this place, in %d logs", len(group)), evidence.Of(n, evidence.Count)
		c.Facts = slices.Insert(c.Facts, 0, lead)
	}
	if first.Exit > 0 {
		c.Facts = append(c.Facts, claim.Fact{Exhibit: first.exhibit.ID, Says: "exit status", Value: evidence.Of(first.Exit, evidence.Count), At: where,
			Reproduce: claim.Grep(first.exhibit, claim.Textf("exit status %d", first.Exit))})
	}
	if first.Signal != "" && first.Class != dump.SignalClass {
		c.Caveats = append(c.Caveats, claim.Textf("the signal was %q", first.Signal))
	}
	for _, d := range first.Detail {
		c.Caveats = append(c.Caveats, claim.Textf("the runtime said: %q", oneLine(d)))
	}
	if len(first.Chain) > 1 {
		c.Caveats = append(c.Caveats, claim.Textf("%d panics were under way; the place is that of the first, the last was: %q", len(first.Chain), oneLine(first.Chain[len(first.Chain)-1].Value)))
	}
	if missing != "" {
		c.Caveats = append(c.Caveats, missing)
		c.Fix = append([]claim.Text{"Find the rest of the output (stderr of the process, the log of the container before the restart): the stack below the message names the place"}, class.fix...)
	}
	if first.During != "" {
		c.Caveats = append(c.Caveats, claim.Textf("a deferred call ran into %q while the panic was under way: the panic came first", oneLine(first.During)))
	}
	if first.Alike > 0 {
		c.Facts = append(c.Facts, claim.Fact{Exhibit: first.exhibit.ID, Says: "goroutines in system calls or C code at this place", Value: evidence.Of(first.Alike, evidence.Count),
			Of: &claim.Whole{Quantity: evidence.Of(first.Beside+1, evidence.Count), What: "goroutines printed"}, At: where, Reproduce: claim.Grep(first.exhibit, "[syscall")})
	}
	if first.Message == "" && first.During == "" {
		c.Caveats = append(c.Caveats, "what the panic said is not in the log above its stack")
	}
	if site.Function != "" && stack.Standard(site.Function) {
		c.Caveats = append(c.Caveats, "the stack holds no function outside the standard library")
	}
	return c
}

// refusedThread says with what the system refused the program a thread, where it did and no goroutine is to blame; "" else.
func refusedThread(c *dump.Crash) claim.Text {
	if c.Class != dump.ThreadExhaustion || c.Alike > 0 {
		return ""
	}
	for _, d := range c.Detail {
		m := newThread.FindStringSubmatch(d)
		if m == nil {
			continue
		}
		why := claim.Text("its limit of threads or processes is reached, which others of the same user or container count towards")
		if m[2] == "22" { // EINVAL: no limit says so
			why = "it does not know this way to make one, as emulators of another processor (QEMU) and old sandboxes do not"
		}
		return claim.Textf("the system refused the program a new thread when it had %s: %s", claim.Num(m[1]), why)
	}
	return ""
}

var newThread = regexp.MustCompile(`^failed to create new OS thread \(have (\d+) already; errno=(-?\d+)\)`)

// oneLine is the first line of a message, cut to a length that a sentence bears.
// Sentences quote what a log says (%q), so that readers and redaction can tell it from ours.
func oneLine(s string) string {
	s, _, more := strings.Cut(s, "\n")
	const most = 160
	if r := []rune(s); len(r) > most {
		s, more = string(r[:most]), true
	}
	if more {
		s += " ..."
	}
	return s
}

// grepCrash is the command that shows a crash in its log.
func grepCrash(f found) claim.Command {
	if f.Message == "" {
		return claim.GrepGoroutine(f.exhibit, f.Goroutine)
	}
	text, _, _ := strings.Cut(f.Message, "\n")
	return claim.Grep(f.exhibit, claim.Said(text))
}
