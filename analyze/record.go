package analyze

import "inquest/analyze/evidence"

// recording says how each kind of evidence is called, recorded and paid for.
// The costs are those the Go documentation gives (net/http/pprof, runtime, Diagnostics).
var recording = map[evidence.Kind]struct{ name, how, cost string }{
	evidence.CPU:           {"CPU profile", "curl -o cpu.pb.gz 'http://HOST:PORT/debug/pprof/profile?seconds=30'", "100 samples a second per busy processor; a few per cent of CPU while it runs"},
	evidence.Heap:          {"heap profile", "curl -o heap-1.pb.gz 'http://HOST:PORT/debug/pprof/heap?gc=1' and the same again some minutes later as heap-2.pb.gz", "each runs one garbage collection"},
	evidence.Mutex:         {"mutex profile", "runtime.SetMutexProfileFraction(100) at start, then curl -o mutex.pb.gz 'http://HOST:PORT/debug/pprof/mutex?seconds=30'", "one contended unlock in 100 is sampled; the cost is small"},
	evidence.Block:         {"block profile", "runtime.SetBlockProfileRate(1_000_000) at start, then curl -o block.pb.gz 'http://HOST:PORT/debug/pprof/block?seconds=30'", "one sample per ms blocked; a low rate is costly on chatty programs"},
	evidence.Goroutine:     {"goroutine profile", "curl -o goroutine.pb.gz http://HOST:PORT/debug/pprof/goroutine", "stops the world briefly"},
	evidence.GoroutineLeak: {"goroutine leak profile", "curl -o goroutineleak.pb.gz http://HOST:PORT/debug/pprof/goroutineleak", "Go 1.27, or 1.26 built with GOEXPERIMENT=goroutineleakprofile; runs one garbage collection"},
	evidence.ThreadCreate:  {"thread creation profile", "curl -o threadcreate.pb.gz http://HOST:PORT/debug/pprof/threadcreate", "costs nothing"},
	evidence.Trace:         {"execution trace", "curl -o trace.out 'http://HOST:PORT/debug/pprof/trace?seconds=5'", "one to two per cent of CPU, some MB per second"},
	evidence.Dump:          {"goroutine dump", "curl -o dump.txt 'http://HOST:PORT/debug/pprof/goroutine?debug=2'", "stops the world while the stacks are copied"},
	evidence.Crash:         {"crash output", "keep what the program writes to stderr: PROGRAM 2>>stderr.log, kubectl logs --previous POD or journalctl -u UNIT", "costs nothing; GOTRACEBACK=all adds the other goroutines"},
	evidence.Race:          {"race report", "go build -race, or go test -race, and keep stderr", "2 to 20 times slower with 5 to 10 times the memory: for tests and canaries"},
	evidence.GCTrace:       {"gctrace", "GODEBUG=gctrace=1 PROGRAM 2>>stderr.log", "one line for each collection; costs next to nothing"},
	evidence.SchedTrace:    {"schedtrace", "GODEBUG=schedtrace=1000 PROGRAM 2>>stderr.log", "one line a second; costs next to nothing"},
	evidence.Folded:        {"stack count", "bpftrace -p PID -e 'uprobe:PROGRAM:FUNCTION { @[ustack] = count(); }' > stacks.txt for ten seconds, with the functions that docs/evidence.md names", "each call of the function traps into the kernel"},
}

// KindName returns what people call a kind of evidence.
func KindName(k evidence.Kind) string {
	if r, ok := recording[k]; ok {
		return r.name
	}
	return string(k)
}

// HowToRecord returns the command that records a kind of evidence, with its cost.
func HowToRecord(k evidence.Kind) string {
	return recording[k].how + " (" + recording[k].cost + ")"
}
