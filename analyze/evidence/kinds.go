package evidence

import (
	"slices"
	"strings"

	"inquest/internal/evidence/prose"
)

// kinds is every kind that a detector can measure, in report order: how people call it, how it is recorded, and what
// that costs, as the Go documentation gives it (net/http/pprof, runtime, Diagnostics).
var kinds = []struct {
	kind            Kind
	name, how, cost prose.Text
	promised        []string // words in the name of a file that promise the kind
	is              traits
}{
	{CPU, "CPU profile", "inquest capture http://HOST:PORT --only cpu --seconds 30 -o DIR", "100 samples a second per busy processor; a few per cent of CPU while it runs", []string{"cpu", "profile"}, clocked | fetched},
	{Heap, "heap profile", "inquest capture http://HOST:PORT --only heap --gc -o DIR and the same again some minutes later into another folder", "each runs two garbage collections", []string{"heap", "allocs"}, clocked | atEnd | fetched},
	{Mutex, "mutex profile", "runtime.SetMutexProfileFraction(100) at start, then inquest capture http://HOST:PORT --only mutex --seconds 30 -o DIR", "one contended unlock in 100 is sampled; the cost is small", []string{"mutex"}, clocked | atEnd | fetched},
	{Block, "block profile", "runtime.SetBlockProfileRate(1_000_000) at start, then inquest capture http://HOST:PORT --only block --seconds 30 -o DIR", "one sample per ms blocked; a low rate is costly on chatty programs", []string{"block"}, clocked | atEnd | fetched},
	{Goroutine, "goroutine profile", "inquest capture http://HOST:PORT --only goroutine -o DIR", "stops the world briefly", nil, clocked | atEnd | fetched},
	{GoroutineLeak, "goroutine leak profile", "inquest capture http://HOST:PORT --only goroutineleak -o DIR", "Go 1.27, or 1.26 built with GOEXPERIMENT=goroutineleakprofile; runs one garbage collection", []string{"goroutineleak"}, clocked | atEnd | fetched},
	{ThreadCreate, "thread creation profile", "inquest capture http://HOST:PORT --only threadcreate -o DIR", "costs nothing", []string{"threadcreate"}, clocked | atEnd | fetched},
	{Trace, "execution trace", "inquest capture http://HOST:PORT --only trace --seconds 5 -o DIR", "one to two per cent of CPU, some MB per second", []string{"trace"}, clocked | divisible},
	{Dump, "goroutine dump", "inquest capture http://HOST:PORT --only dump -o DIR", "stops the world while the stacks are copied", nil, fetched},
	{Crash, "crash output", "keep what the program writes to stderr: PROGRAM 2>>stderr.log, kubectl logs --previous POD or journalctl -u UNIT", "costs nothing; GOTRACEBACK=all adds the other goroutines", nil, fetched | amongLines},
	{Race, "race report", "go build -race, or go test -race, and keep stderr", "2 to 20 times slower with 5 to 10 times the memory: for tests and canaries", nil, amongLines},
	{GCTrace, "gctrace", "inquest capture -o DIR -- PROGRAM, or GODEBUG=gctrace=1 PROGRAM 2>>stderr.log", "one line for each collection; costs next to nothing", nil, divisible | amongLines},
	{SchedTrace, "schedtrace", "inquest capture -o DIR -- PROGRAM, or GODEBUG=schedtrace=1000 PROGRAM 2>>stderr.log", "one line a second; costs next to nothing", nil, amongLines},
	{Folded, "stack count", "bpftrace -p PID -e 'uprobe:PROGRAM:FUNCTION { @[ustack] = count(); }' > stacks.txt for ten seconds, with the functions that docs/evidence.md names", "each call of the function traps into the kernel", nil, clocked | atEnd | fetched | amongLines},
}

// traits is what else one has to know of a kind.
type traits int

const (
	clocked    traits = 1 << iota // a clock of the process itself stamped it, not that of a log
	atEnd                         // what happened over some time is stamped at its end (runtime/pprof, net/http/pprof)
	fetched                       // where it carries no time, it is of when it was fetched
	divisible                     // a part of it is a shorter one of its kind, not one that lacks something
	amongLines                    // it is found among other lines, whatever the file is called
)

// Kinds lists every kind a detector can measure, in report order.
var Kinds = func() (all []Kind) {
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	return all
}()

func (k Kind) is(t traits) bool {
	i := slices.Index(Kinds, k)
	return i >= 0 && kinds[i].is&t != 0
}

// Name is what people call the kind.
func (k Kind) Name() prose.Text {
	if i := slices.Index(Kinds, k); i >= 0 {
		return kinds[i].name
	}
	return prose.Of(prose.Said, string(k))
}

// Text is the kind by its id.
func (k Kind) Text() prose.Text {
	if slices.Contains(Kinds, k) {
		return prose.Of(prose.Words, string(k))
	}
	return prose.Of(prose.Said, string(k))
}

// Phrase is the name with its article.
func (k Kind) Phrase() prose.Text {
	name := k.Name()
	if name != "" && strings.IndexByte("aeiou", name[0]) >= 0 {
		return "an " + name
	}
	return "a " + name
}

// Recording returns the command that records the kind, and what that costs the process.
func (k Kind) Recording() (how, cost prose.Text) {
	if i := slices.Index(Kinds, k); i >= 0 {
		return kinds[i].how, kinds[i].cost
	}
	return "", ""
}

// HowToRecord is the command that records the kind, with its cost.
func (k Kind) HowToRecord() prose.Text {
	how, cost := k.Recording()
	return how + " (" + cost + ")"
}

// Clocked reports whether a clock of the process itself stamps evidence of this kind, not that of a log.
func (k Kind) Clocked() bool { return k.is(clocked) }

// Divisible reports whether a part of such evidence is a shorter piece of its kind, not one that lacks something.
func (k Kind) Divisible() bool { return k.is(divisible) }
