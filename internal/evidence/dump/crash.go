package dump

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unsafe"

	"inquest/internal/evidence/stack"
)

// Crash is the end of a program, or of one request of it, in its own words. Its
// shape is that of the runtime's: a message and below it the stack of the
// goroutine that failed. Text that only speaks of panics is none.
type Crash struct {
	Class   Class
	Message string   // the fatal error or the first panic, without "panic: "; empty when it was cut off
	Chain   []Panic  // the panics under way at the end, first raised first; empty for a fatal error
	Signal  string   // such as "SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a2b1c"; empty when there was none
	Detail  []string // what the runtime printed above a fatal error, such as the size it could not allocate
	Fate    Fate     // what became of the process
	Handler string   // function that printed the stack of a panic, where that was not the runtime; may be empty
	During  string   // fatal error that a deferred call ran into while the panic was under way; empty for none
	Exit    int      // exit status printed below it; 0 when none was

	Goroutine int64       // that failed; 0 when no goroutine was printed
	Stack     stack.Stack // of that goroutine, from the call that failed outwards; see [Crash.Site]
	CreatedBy stack.Frame
	Beside    int         // other goroutines printed with it
	Alike     int         // thread exhaustion: goroutines in system calls or C code at the place of Stack
	Runtime   stack.Stack // the runtime's own stack, where that alone was printed
	Timeout   *Timeout    // of a test that took too long

	GoVersion string // such as "go1.24.9"; empty when the file names of the standard library do not tell

	Count int       // crashes of this class and place in the file; the rest is of the first
	Lines [2]int    // of the first and of the last one: their first lines
	Time  time.Time // nearest time stamp above the first; zero when the log has none
	Last  time.Time // the same of the last one
}

// Site returns the application code in which the crash happened: the first frame
// outside the standard library.
func (c *Crash) Site() stack.Site {
	site := c.Stack.Owner()
	// What every goroutine begins with names nobody: the runtime's own goroutine threw.
	if site.Function == "runtime.goexit" {
		return stack.Site{}
	}
	return site
}

// Fate is what became of the process.
type Fate int

// What can become of a process.
const (
	Died   Fate = iota
	Lived       // the panic was recovered and logged, and the process went on
	Untold      // the panic was recovered and logged; what was done then is not known
)

// Panic is one of the panics that were under way.
type Panic struct {
	Value     string // as printed
	Recovered bool   // by a deferred function, which panicked again or was still running
}

// Class is what sort of crash it was.
type Class string

// The classes of crashes.
const (
	ConcurrentMap    Class = "concurrent map access"
	DeadlockClass    Class = "deadlock"
	StackOverflow    Class = "stack overflow"
	OutOfMemory      Class = "out of memory"
	ThreadExhaustion Class = "thread exhaustion"
	UnlockOfUnlocked Class = "unlock of an unlocked lock"
	Corruption       Class = "memory corruption"
	MappedFile       Class = "bus error" // memory that stands for a file without one
	SignalClass      Class = "signal"
	NilDereference   Class = "nil dereference"
	NilMapWrite      Class = "write to a nil map"
	SendOnClosed     Class = "send on a closed channel"
	CloseOfClosed    Class = "close of a closed channel"
	CloseOfNil       Class = "close of a nil channel"
	OutOfRange       Class = "index out of range"
	DivideByZero     Class = "divide by zero"
	BadSize          Class = "impossible size"
	TypeAssertion    Class = "failed type assertion"
	Unhashable       Class = "key that cannot be compared"
	WaitGroupMisuse  Class = "wait group misuse"
	TestTimeout      Class = "test timeout"
	RuntimeFault     Class = "fatal error" // any other that the runtime raised
	ExplicitPanic    Class = "panic"       // raised by the program or a library
)

// messages tells classes by the text of a fatal error or panic: its beginning, or
// with a leading * any part. First match wins. Sources: runtime/panic.go, error.go,
// chan.go, map.go, malloc.go, proc.go; internal/runtime/maps; sync; testing.
var messages = []struct {
	text  string
	class Class
}{
	{"concurrent map ", ConcurrentMap},
	{"all goroutines are asleep", DeadlockClass},
	{"no goroutines (main called runtime.Goexit)", DeadlockClass},
	{"deadlock: ", DeadlockClass}, // testing/synctest
	{potential, DeadlockClass},    // github.com/sasha-s/go-deadlock
	{"stack overflow", StackOverflow},
	{"goroutine stack exceeds ", StackOverflow},
	{"failed to create new OS thread ", ThreadExhaustion},
	{"program exceeds ", ThreadExhaustion},
	{"thread exhaustion", ThreadExhaustion},
	{"newosproc", ThreadExhaustion},
	{"runtime.newosproc", ThreadExhaustion},
	{"pthread_create failed", ThreadExhaustion},
	{"sync: unlock of unlocked ", UnlockOfUnlocked},
	{"sync: Unlock of unlocked ", UnlockOfUnlocked},
	{"sync: RUnlock of unlocked ", UnlockOfUnlocked},
	{"sync: inconsistent mutex state", UnlockOfUnlocked},
	{"*out of memory", OutOfMemory},
	{"runtime: cannot allocate memory", OutOfMemory},
	{"*cannot reserve arena virtual address space", OutOfMemory},
	{"*cannot map pages in arena address space", OutOfMemory},
	{"*failed to commit pages", OutOfMemory},
	{"found bad pointer in Go heap", Corruption},
	{"found pointer to free object", Corruption},
	{"unexpected signal during runtime execution", Corruption},
	{"fault", Corruption},
	{"checkptr: ", Corruption},
	{"*free object in span", Corruption},
	{"sweep increased allocation count", Corruption},
	{"runtime error: invalid memory address or nil pointer dereference", NilDereference},
	{"assignment to entry in nil map", NilMapWrite},
	{"send on closed channel", SendOnClosed},
	{"close of closed channel", CloseOfClosed},
	{"close of nil channel", CloseOfNil},
	{"runtime error: index out of range", OutOfRange},
	{"runtime error: slice bounds out of range", OutOfRange},
	{"runtime error: cannot convert slice with length", OutOfRange},
	{"runtime error: integer divide by zero", DivideByZero},
	{"runtime error: makeslice: ", BadSize},
	{"makechan: size out of range", BadSize},
	{"runtime error: growslice: ", BadSize},
	{"interface conversion: ", TypeAssertion},
	{"runtime error: hash of unhashable type", Unhashable},
	{"runtime error: comparing uncomparable type", Unhashable},
	{"sync: negative WaitGroup counter", WaitGroupMisuse},
	{"sync: WaitGroup ", WaitGroupMisuse},
	{"test timed out after ", TestTimeout},
}

// spoken are the texts of panics by which the log of a program that recovered one is understood.
var spoken = []string{"runtime error: ", "assignment to entry in nil map", "send on closed channel", "close of closed channel",
	"interface conversion: ", "sync: negative WaitGroup counter"}

// crash reads a dump as that of a crash: head is what stood above it. It returns
// nil for a dump that somebody asked for.
func crash(d *Dump, head []string, exit int) *Crash {
	c := &Crash{Exit: exit, Count: 1, Lines: [2]int{d.Lines[0], d.Lines[0]}, Time: d.Time, Last: d.Time, GoVersion: d.GoVersion, Beside: len(d.Goroutines) - 1}
	c.read(head)
	g := thrower(d)
	if t := timeout(c.Message, d); t != nil {
		// The place is that of the test, not of the alarm that told of it: see the detector.
		c.Class, c.Timeout, c.Stack = TestTimeout, t, g.Stack()
		return c
	}
	if d.Origin == "SIGQUIT" && tests(d) {
		return stopped(d)
	}
	if c.Message == "" && len(c.Chain) == 0 && c.Signal != "" && d.Origin == "" {
		d.Origin = "panic" // what stood above the line about the signal was cut off
	}
	frames := g.Stack()
	c.Goroutine, c.CreatedBy = g.ID, g.CreatedBy
	raised, panicking := -1, -1
	for i, f := range frames {
		switch f.Function {
		case "panic", "runtime.gopanic", "runtime.panic":
			// The outermost panic on the stack is the first that was raised; the frames
			// above it are those of deferred functions.
			panicking = i
		case "runtime.throw", "runtime.fatal", "runtime.fatalthrow":
			raised = i
		}
	}
	switch d.Origin {
	case "fatal error":
		c.Class = classify(c.Message, true)
		switch {
		case panicking > raised:
			c.During, raised = c.Message, panicking
			c.Message = ""
			if strings.HasPrefix(c.Signal, "SIG") {
				c.Message = "runtime error: invalid memory address or nil pointer dereference"
			}
			c.Class = classify(c.Message, false)
		case c.Message == "unexpected signal during runtime execution" && (inC(frames) || foreignCode.MatchString(c.Signal)):
			c.Class = SignalClass
		case c.Class == ThreadExhaustion:
			if most, n := blocking(d); most != nil {
				frames, raised = most.Stack(), -1
				c.Goroutine, c.CreatedBy, c.Alike = most.ID, most.CreatedBy, n
			} else if g.State != "running" {
				frames, raised = nil, -1
				c.Goroutine, c.CreatedBy = 0, stack.Frame{}
			}
		}
	case "panic":
		raised = panicking
		c.Fate, c.Handler = handled(c, frames[:max(raised, 0)])
		if raised < 0 && (c.Fate != Died && len(frames) > 0 || c.Message == "" && c.Signal == "") {
			return nil
		}
	case "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP", "SIGABRT": // in C code: runtime/signal_unix.go, sighandler
		// Sent from outside, such as by a watchdog (SI_USER, runtime/defs_linux_amd64.go).
		if slices.ContainsFunc(head, func(line string) bool { return strings.HasSuffix(line, " sigcode=0") }) {
			return nil
		}
		raised = -1
		if d.Message == "" {
			for _, line := range head {
				if origin, says := trigger([]byte(line)); origin == d.Origin {
					d.Message = says
				}
			}
		}
		c.Class, c.Signal = SignalClass, strings.TrimSuffix(d.Origin+": "+d.Message, ": ")
		c.Message = c.Signal
		if slices.ContainsFunc(head, noThread) {
			c.Class = ThreadExhaustion
		}
	default: // asked for, such as by SIGQUIT, a profile, a watchdog
		return nil
	}
	c.Stack = frames[raised+1:]
	if c.Fate != Died && c.Message == "" {
		c.Message = mentioned(head)
	}
	c.refine(d.Origin == "fatal error")
	return c
}

// refine settles the class by what the signal says.
func (c *Crash) refine(fatal bool) {
	if c.Message == "" && c.Class == "" && inC(c.Stack) {
		c.Class = SignalClass
	}
	if c.Message == "" && c.Class == "" && strings.HasPrefix(c.Signal, "SIGSEGV") {
		c.Class = NilDereference
	}
	if c.Class == "" {
		c.Class = classify(c.Message, fatal)
	}
	far := false // with debug.SetPanicOnFault any address reads as a nil pointer; the runtime's own limit is a page
	if m := faultAddress.FindStringSubmatch(c.Signal); m != nil {
		far = len(m[1]) > 3
	}
	switch {
	// BUS_ADRERR: the page of a mapped file has nothing behind it (sigaction(2), mmap(2)).
	case far && strings.HasPrefix(c.Signal, "SIGBUS") && strings.Contains(c.Signal, " code=0x2 "):
		c.Class = MappedFile
	case far && c.Class == NilDereference:
		c.Class = Corruption
	}
}

// handled tells by the frames above a panic's call what became of it: the runtime prints deferred
// functions there only when one of them panicked again.
func handled(c *Crash, above stack.Stack) (fate Fate, by string) {
	for _, f := range above {
		if f.Function == "net/http.(*conn).serve.func1" {
			return Lived, ""
		}
	}
	if c.Fate == Lived || len(c.Chain) > 1 || slices.ContainsFunc(c.Chain, func(p Panic) bool { return p.Recovered }) {
		return c.Fate, ""
	}
	for _, f := range above {
		switch {
		case f.Function == "runtime/debug.Stack" || f.Function == "runtime/debug.PrintStack" || f.Function == "runtime.Stack":
			fate = Untold
		case f.Function != "panic" && !strings.HasPrefix(f.Function, "runtime."):
			return Untold, stack.Normal(f.Function)
		}
	}
	return fate, ""
}

// inC reports whether a goroutine is in C code: it stands in the call that leads there.
func inC(frames stack.Stack) bool {
	for _, f := range frames {
		if f.Function == "runtime.cgocall" || f.Function == "runtime.asmcgocall" {
			return true
		}
		if !strings.HasPrefix(f.Function, "runtime.") {
			break
		}
	}
	return false
}

// foreignCode matches a program counter in a shared library: Go's own code lies far below.
var foreignCode = regexp.MustCompile(` pc=0x7[ef][0-9a-f]{10}\b`)

// blocking returns one of the goroutines that keep threads busy in system calls or C code, of the
// place where most of them stand, and how many stand there.
func blocking(d *Dump) (most *Goroutine, n int) {
	at := map[string][]*Goroutine{}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if g.State != "syscall" && !g.Locked {
			continue
		}
		site := g.Stack().Owner().Function
		if g.ID == 0 || strings.HasPrefix(site, "os/signal.") || strings.HasPrefix(site, "runtime.") {
			continue
		}
		at[site] = append(at[site], g)
		if same := at[site]; len(same) > n {
			most, n = same[0], len(same)
		}
	}
	return most, n
}

var faultAddress = regexp.MustCompile(` addr=0x([0-9a-f]+)`)

// mentioned finds the runtime's text in what a program wrote when it logged a panic.
func mentioned(head []string) string {
	for _, line := range slices.Backward(head) {
		for _, text := range spoken {
			if i := strings.Index(line, text); i >= 0 {
				says, _, _ := strings.Cut(line[i:], `"`)
				if strings.Count(says, "(") < strings.Count(says, ")") { // what it says was in parentheses
					says = says[:strings.LastIndexByte(says, ')')]
				}
				return says
			}
		}
	}
	return ""
}

// read takes what stood above the stack.
func (c *Crash) read(head []string) {
	for _, line := range head {
		switch {
		case strings.HasPrefix(line, "[signal "):
			c.Signal = strings.TrimSuffix(strings.TrimPrefix(line, "[signal "), "]")
		case strings.HasPrefix(line, "panic: "):
			c.Chain = append(c.Chain, Panic{})
			c.Chain[len(c.Chain)-1].add(strings.TrimPrefix(line, "panic: "))
		case strings.HasPrefix(line, "fatal error: "):
			c.Message = strings.TrimPrefix(line, "fatal error: ")
		case strings.HasPrefix(line, "*** Test killed"), strings.HasPrefix(line, potential):
			c.Message = line
		case strings.HasPrefix(line, "unexpected fault address "), noThread(line):
			c.Detail = append(c.Detail, line)
		case strings.HasPrefix(line, "runtime: "):
			c.Detail = append(c.Detail, strings.TrimPrefix(line, "runtime: "))
		case strings.Contains(line, "http: panic serving "):
			if _, says := trigger([]byte(line)); says != "" {
				c.Message, c.Fate = says, Lived
			}
		case len(c.Chain) > 0:
			c.Chain[len(c.Chain)-1].add("\n" + line)
		case c.Message != "":
			c.Message += "\n" + line
		}
	}
	if len(c.Chain) > 0 && c.Message == "" {
		c.Message = c.Chain[0].Value
	}
}

// add takes the next line of what a panic says.
func (p *Panic) add(line string) {
	for _, mark := range []string{" [recovered]", " [recovered, repanicked]"} {
		if value, ok := strings.CutSuffix(line, mark); ok {
			line, p.Recovered = value, true
		}
	}
	p.Value += line
}

// noThread reports whether a line is that of runtime/cgo about a thread which it could not start
// (runtime/cgo/gcc_libinit.c).
func noThread(line string) bool { return strings.HasPrefix(line, "runtime/cgo: pthread_create failed") }

// thrower returns the goroutine that failed: the runtime prints it first, except
// that its own stack may come before.
func thrower(d *Dump) *Goroutine {
	for i := range d.Goroutines {
		if d.Goroutines[i].State == "running" && d.Goroutines[i].ID != 0 {
			return &d.Goroutines[i]
		}
	}
	return &d.Goroutines[0]
}

func classify(message string, fatal bool) Class {
	for _, m := range messages {
		if part, ok := strings.CutPrefix(m.text, "*"); ok && strings.Contains(message, part) || strings.HasPrefix(message, m.text) {
			return m.class
		}
	}
	if fatal {
		return RuntimeFault
	}
	return ExplicitPanic
}

// signals keeps of what may stand above a dump, and a blank line below it, the line about its signal and the tests that ran.
func signals(head []string) []string {
	return slices.DeleteFunc(head, func(line string) bool {
		return !strings.HasPrefix(line, "[signal ") && !strings.HasPrefix(line, "PC=0x") && line != "running tests:" && !runningTest(line)
	})
}

// maxCrashes bounds how many different crashes of one file are kept.
const maxCrashes = 256

// crashes is the different crashes of a file.
type crashes struct {
	all  []*Crash
	seen map[crashKey]*Crash
	left int
}

type crashKey struct {
	class    Class
	function string
	fate     Fate
}

// size returns about what is held of a crash, in bytes.
func (c *Crash) size() int64 {
	n := 1024 + len(c.Message) + len(c.Signal) + 2*len(c.Stack)*int(unsafe.Sizeof(stack.Frame{}))
	for _, p := range c.Chain {
		n += 64 + len(p.Value)
	}
	for _, d := range c.Detail {
		n += 32 + len(d)
	}
	return int64(n)
}

// add counts a crash; nil is none.
func (cs *crashes) add(c *Crash, pay func(int64) int64) {
	if c == nil {
		return
	}
	key := crashKey{c.Class, c.Site().Function, c.Fate}
	first := cs.seen[key]
	switch {
	case first != nil:
		first.Count++
		first.Lines[1], first.Last = c.Lines[0], c.Time
	case len(cs.all) == maxCrashes, pay(c.size()) == 0:
		cs.left++
	default:
		if cs.seen == nil {
			cs.seen = map[crashKey]*Crash{}
		}
		cs.seen[key] = c
		cs.all = append(cs.all, c)
	}
}
