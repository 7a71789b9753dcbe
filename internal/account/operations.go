package account

import (
	"cmp"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// maxGroups is how many groups of operations of one trace have accounts.
const maxGroups = 8

// operations are the accounts of the operations of the traces, one per group: first those that answer to somebody, of each kind those
// that were under way longest.
func (c Case) operations() (out []claim.Account) {
	e := c.busiest()
	if e == nil {
		return nil
	}
	t := e.Trace()
	var all time.Duration
	for i := range t.Account.Operations {
		all += t.Account.Operations[i].Active
	}
	slots := slotsOf(t)
	for i := range t.Account.Operations {
		op := &t.Account.Operations[i]
		// Of what is less than a hundredth of all, nobody wants to know how it was made up.
		if op.Active > 0 && 100*op.Active >= all && op.Group.Function != "" {
			out = append(out, operated(e, op, slots))
		}
	}
	out = slices.DeleteFunc(out, func(a claim.Account) bool { return own(&a)*1000 < a.Over })
	slices.SortStableFunc(out, func(x, y claim.Account) int {
		return cmp.Or(cmp.Compare(answers(&y), answers(&x)), -cmp.Compare(own(&x), own(&y)))
	})
	return out[:min(len(out), maxGroups)]
}

// answers is 1 of operations that somebody waits for, 0 of others.
func answers(a *claim.Account) int {
	if own(a)*100 >= a.Whole && (a.Kind == string(exectrace.Request) || a.Kind == string(exectrace.Driver)) {
		return 1
	}
	return 0
}

// own is what of an account is not the recorder's of the evidence.
func own(a *claim.Account) int64 { return a.Whole - ofKind(a, claim.PartRecorder) }

// busiest is the trace in which most operations were under way at a time; of the same, the newest.
func (c Case) busiest() (e *evidence.Exhibit) {
	var best float64
	for _, x := range c.Exhibits[evidence.Trace] {
		t := x.Trace()
		if t == nil || t.Duration <= 0 {
			continue
		}
		var active time.Duration
		for i := range t.Account.Operations {
			active += t.Account.Operations[i].Active
		}
		if n := float64(active) / float64(t.Duration); e == nil || n >= best {
			e, best = x, n
		}
	}
	return e
}

// slotsOf returns what waits for slots of pools are for, by class and function.
func slotsOf(t *exectrace.Timeline) map[waitPlace]wait.Doing {
	out := map[waitPlace]wait.Doing{}
	for i := range t.Waits {
		if w := &t.Waits[i]; wait.ForSlot(w.Class, w.Stack) {
			what, _ := wait.SlotKind(w.Stack)
			out[waitPlace{w.Class, w.Stack.Owner().Function}] = forWhat(what)
		}
	}
	return out
}

// waitPlace is where goroutines wait in one way.
type waitPlace struct {
	class    wait.Class
	function string
}

func forWhat(what claim.Text) wait.Doing {
	return wait.Doing{One: "waits for " + what, Many: "wait for " + what, For: "for " + what}
}

// operated is the account of the operations of one group.
func operated(e *evidence.Exhibit, op *exectrace.Operation, slots map[waitPlace]wait.Doing) claim.Account {
	a := claim.Account{
		Name: claim.OperationAccount, Exhibit: e.ID, Unit: evidence.Nanoseconds, Whole: int64(op.Active), Group: someone(op.Group), Kind: string(op.Kind),
		Count: op.Count, Over: int64(e.Trace().Duration), What: claim.Textf("time that %s of %s were under way", operationWords(op.Kind, 2), claim.Func(op.Group.Function)),
		Show: claim.TraceView(e, "Goroutine analysis: the goroutines that start in "+claim.Func(op.Group.Function).Text()),
	}
	var s sums
	of := make([]*sum, len(op.Parts))
	for i := range op.Parts {
		p := &op.Parts[i]
		if p.Kind != exectrace.PartUnknown {
			d, waits := waitOf(p, slots)
			of[i] = s.add(operationPart(p, op.Group, d, waits))
		}
	}
	a = s.into(a)
	for _, g := range op.Gains {
		if g.Part >= len(of) || of[g.Part] == nil || of[g.Part].index < 0 {
			continue
		}
		next := -1
		if g.Next >= 0 && g.Next < len(of) && of[g.Next] != nil {
			next = of[g.Next].index
		}
		a.Gains = append(a.Gains, claim.Gain{Part: of[g.Part].index, AtMost: g.AtMost, Elapsed: g.Elapsed, Next: next})
	}
	a.Summary = operationSummary(&a, op, slots)
	return a
}

// waitOf is what an operation did itself while a part of its time went by; false where it did not wait.
func waitOf(p *exectrace.Part, slots map[waitPlace]wait.Doing) (wait.Doing, bool) {
	if p.Class == "" || p.For.Function == "" {
		return wait.Doing{}, false
	}
	if d, ok := slots[waitPlace{p.Class, p.For.Function}]; ok {
		return d, true
	}
	return p.Class.Doing(false), true
}

// operationPart is a part of an operation of a group as the account has it.
func operationPart(p *exectrace.Part, group stack.Site, d wait.Doing, waits bool) claim.AccountPart {
	if recorders[stack.Package(cmp.Or(p.For.Function, p.Site.Function))] {
		return claim.AccountPart{Kind: claim.PartRecorder, What: recording.Many, Value: int64(p.Time), Wall: int64(p.Wall)}
	}
	part := claim.AccountPart{
		Kind: string(p.Kind), Site: site(p.Site), For: someone(p.For), Value: int64(p.Time), Wall: int64(p.Wall), Queued: p.Queued,
		What: did[p.Kind].Many,
	}
	if p.By.Function != group.Function || p.Queued {
		part.By = someone(p.By)
	}
	if p.Reason != "" {
		part.What += claim.Textf(" (%s)", p.Reason)
	}
	if waits {
		part.What = d.Many
		if how, ok := meanwhile[p.Kind]; ok && !alone(p) {
			part.What += " " + how
		}
	}
	return part
}

// recorders are the packages whose goroutines wait only for the end of a recording.
var recorders = map[string]bool{"net/http/pprof": true, "runtime/pprof": true, "runtime/trace": true}

// alone reports whether the wait of an operation ends by itself or from outside, with nobody of the program behind it.
func alone(p *exectrace.Part) bool {
	switch p.Kind {
	case exectrace.PartSleep, exectrace.PartPeer, exectrace.PartCall, exectrace.PartOutside:
		return !p.Queued && p.Site.Function == p.For.Function
	}
	return false
}

// did is what an operation did that did not wait for anybody.
var did = map[exectrace.PartKind]wait.Doing{
	exectrace.PartRunning:   {One: "runs", Many: "run"},
	exectrace.PartProcessor: {One: "waits for a processor", Many: "wait for a processor", For: "for a processor"},
	exectrace.PartCollector: {One: "marks for the collector", Many: "mark for the collector"},
	exectrace.PartStopped:   {One: "stands still, as the world is stopped", Many: "stand still, as the world is stopped"},
	exectrace.PartCall:      {One: "is in a system call", Many: "are in a system call"},
	exectrace.PartSleep:     {One: "sleeps", Many: "sleep"},
	exectrace.PartPeer:      {One: "waits for the network", Many: "wait for the network", For: "for the network"},
	exectrace.PartOutside:   {One: "waits for a timer or something else outside", Many: "wait for a timer or something else outside", For: "for a timer or something else outside"},
	exectrace.PartHost:      {One: "waits for the machine to run the process", Many: "wait for the machine to run the process", For: "for the machine to run the process"},
	exectrace.PartUnseen:    {One: "waits for somebody whom the trace does not show", Many: "wait for somebody whom the trace does not show"},
	exectrace.PartUnended:   {One: "waits without an end", Many: "wait without an end"},
	exectrace.PartScheduler: {One: "is in the scheduler", Many: "are in the scheduler"},
	exectrace.PartIdle:      {One: "is idle", Many: "are idle"},
	exectrace.PartRest:      {One: "does something else", Many: "smaller parts"},
}

// meanwhile is what those did meanwhile whom an operation waited for.
var meanwhile = map[exectrace.PartKind]claim.Text{
	exectrace.PartRunning:   "while others run",
	exectrace.PartProcessor: "while others wait for a processor",
	exectrace.PartCollector: "while others mark for the collector",
	exectrace.PartStopped:   "while the world is stopped",
	exectrace.PartCall:      "while others are in a system call",
	exectrace.PartSleep:     "while others sleep",
	exectrace.PartPeer:      "while others wait for the network",
	exectrace.PartOutside:   "until a timer or something else outside",
	exectrace.PartHost:      "while the machine does not run the process",
	exectrace.PartUnseen:    "behind somebody whom the trace does not show",
	exectrace.PartUnended:   "without an end",
	exectrace.PartRest:      "for smaller reasons",
}

// operationWords is what n operations of a kind are called.
func operationWords(k exectrace.OperationKind, n int64) claim.Text {
	switch k {
	case exectrace.Request:
		return evidence.Plural(n, "request", "requests")
	case exectrace.Driver:
		return evidence.Plural(n, "operation", "operations")
	}
	return evidence.Plural(n, "goroutine", "goroutines")
}

// operationSummary says where most of the time went: of requests in flight how many wait where, how long each, and what is behind that.
func operationSummary(a *claim.Account, op *exectrace.Operation, slots map[waitPlace]wait.Doing) claim.Text {
	whole := own(a)
	flight := float64(whole) / float64(max(a.Over, 1))
	out := claim.Textf("Operations: %s %s%s on average, %s each", count(flight), operationWords(op.Kind, plural(flight)), operationsOf(op),
		evidence.Duration(time.Duration(whole/max(a.Count, 1))))
	at, ok := largestPlace(op)
	if !ok || whole == 0 {
		return out
	}
	d := did[at.most.Kind]
	where := at.most.Site
	if own, waits := waitOf(&at.most, slots); waits {
		d, where = own, at.most.For
	}
	out += claim.Textf("; %s of the time they %s", share(int64(at.time), whole), d.Many)
	if where.Function != "" {
		out += claim.Textf(" in %s", claim.Func(where.Function))
	}
	out += behind(&at.most)
	if a.Unknown*20 >= whole {
		out += claim.Textf("; %s is unknown", share(a.Unknown, whole))
	}
	return out
}

// behind says what goes on while operations wait, at the end of a sentence.
func behind(p *exectrace.Part) claim.Text {
	how, ok := meanwhile[p.Kind]
	switch {
	case p.Kind == exectrace.PartProcessor && p.For.Function == "" && p.Site.Function != "":
		return claim.Textf(", which %s has", claim.Func(p.Site.Function))
	case !ok || p.For.Function == "" || alone(p):
		return ""
	case p.Kind == exectrace.PartUnended || p.Kind == exectrace.PartUnseen || p.Kind == exectrace.PartOutside || p.Site.Function == "":
		return ", " + how
	}
	return claim.Textf(", %s in %s", how, claim.Func(p.Site.Function))
}

// operationsOf says what a number of operations is a number of.
func operationsOf(op *exectrace.Operation) claim.Text {
	switch op.Kind {
	case exectrace.Request:
		return " in flight"
	case exectrace.Driver:
		return claim.Textf(" under way in %s", claim.Func(op.Group.Function))
	}
	return claim.Textf(" of %s at work", claim.Func(op.Group.Function))
}

// plural is a number of things that may be a fraction, for the choice of words.
func plural(n float64) int64 {
	if math.Round(10*n) == 10 {
		return 1
	}
	return 2
}

// placed is the time that operations spent in one way at one place.
type placed struct {
	time time.Duration
	most exectrace.Part // the largest part of it
}

// largestPlace adds up what operations did themselves, by place: where they waited, whoever was behind it, or what they ran.
func largestPlace(op *exectrace.Operation) (most placed, ok bool) {
	type place struct {
		class wait.Class
		kind  exectrace.PartKind
		at    string
	}
	by := map[place]*placed{}
	for _, p := range op.Parts {
		if p.Kind == exectrace.PartUnknown || p.Kind == exectrace.PartRest || recorders[stack.Package(cmp.Or(p.For.Function, p.Site.Function))] {
			continue
		}
		k := place{kind: p.Kind, at: p.Site.Function}
		if p.For.Function != "" {
			k = place{class: p.Class, at: p.For.Function}
		}
		x := by[k]
		if x == nil {
			x = &placed{most: p}
			by[k] = x
		}
		x.time += p.Time
		if p.Time > x.most.Time {
			x.most = p
		}
		if x.time > most.time {
			most, ok = *x, true
		}
	}
	return most, ok
}
