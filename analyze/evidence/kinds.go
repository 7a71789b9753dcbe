package evidence

// recording says how each kind of evidence is called, recorded and paid for.
// The costs are those the Go documentation gives (net/http/pprof, runtime, Diagnostics).
var recording = map[Kind]struct{ name, how, cost string }{
	CPU:           {"CPU profile", "inquest capture http://HOST:PORT --only cpu --seconds 30 -o DIR", "100 samples a second per busy processor; a few per cent of CPU while it runs"},
	Heap:          {"heap profile", "inquest capture http://HOST:PORT --only heap --gc -o DIR and the same again some minutes later into another folder", "each runs two garbage collections"},
	Mutex:         {"mutex profile", "runtime.SetMutexProfileFraction(100) at start, then inquest capture http://HOST:PORT --only mutex --seconds 30 -o DIR", "one contended unlock in 100 is sampled; the cost is small"},
	Block:         {"block profile", "runtime.SetBlockProfileRate(1_000_000) at start, then inquest capture http://HOST:PORT --only block --seconds 30 -o DIR", "one sample per ms blocked; a low rate is costly on chatty programs"},
	Goroutine:     {"goroutine profile", "inquest capture http://HOST:PORT --only goroutine -o DIR", "stops the world briefly"},
	GoroutineLeak: {"goroutine leak profile", "inquest capture http://HOST:PORT --only goroutineleak -o DIR", "Go 1.27, or 1.26 built with GOEXPERIMENT=goroutineleakprofile; runs one garbage collection"},
	ThreadCreate:  {"thread creation profile", "inquest capture http://HOST:PORT --only threadcreate -o DIR", "costs nothing"},
	Trace:         {"execution trace", "inquest capture http://HOST:PORT --only trace --seconds 5 -o DIR", "one to two per cent of CPU, some MB per second"},
	Dump:          {"goroutine dump", "inquest capture http://HOST:PORT --only dump -o DIR", "stops the world while the stacks are copied"},
	Crash:         {"crash output", "keep what the program writes to stderr: PROGRAM 2>>stderr.log, kubectl logs --previous POD or journalctl -u UNIT", "costs nothing; GOTRACEBACK=all adds the other goroutines"},
	Race:          {"race report", "go build -race, or go test -race, and keep stderr", "2 to 20 times slower with 5 to 10 times the memory: for tests and canaries"},
	GCTrace:       {"gctrace", "inquest capture -o DIR -- PROGRAM, or GODEBUG=gctrace=1 PROGRAM 2>>stderr.log", "one line for each collection; costs next to nothing"},
	SchedTrace:    {"schedtrace", "inquest capture -o DIR -- PROGRAM, or GODEBUG=schedtrace=1000 PROGRAM 2>>stderr.log", "one line a second; costs next to nothing"},
	Folded:        {"stack count", "bpftrace -p PID -e 'uprobe:PROGRAM:FUNCTION { @[ustack] = count(); }' > stacks.txt for ten seconds, with the functions that docs/evidence.md names", "each call of the function traps into the kernel"},
}

// Name is what people call the kind.
func (k Kind) Name() string {
	if r, ok := recording[k]; ok {
		return r.name
	}
	return string(k)
}

// Recording returns the command that records the kind, and what that costs the process.
func (k Kind) Recording() (how, cost string) { return recording[k].how, recording[k].cost }

// HowToRecord is the command that records the kind, with its cost.
func (k Kind) HowToRecord() string { return recording[k].how + " (" + recording[k].cost + ")" }
