package evidence

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inquest/internal/evidence/content"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// oneOfEach names a file for every kind that detectors measure.
func oneOfEach(t *testing.T) map[Kind]string {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	of := func(elements ...string) string {
		return filepath.Join(append([]string{"..", "..", "fixtures"}, elements...)...)
	}
	orders, threads := of("locks", "orders-lockheld"), of("scheduler", "terminals-threads")
	return map[Kind]string{
		CPU:           filepath.Join(orders, "cpu.pb.gz"),
		Heap:          of("collector", "backup-gcstop", "heap-1.pb.gz"),
		Mutex:         filepath.Join(orders, "mutex.pb.gz"),
		Block:         filepath.Join(orders, "block.pb.gz"),
		Goroutine:     filepath.Join(orders, "goroutine.pb.gz"),
		GoroutineLeak: of("goker", "Cockroach1055.pb.gz"),
		ThreadCreate:  filepath.Join(threads, "threadcreate.pb.gz"),
		Trace:         filepath.Join(orders, "trace.out"),
		Dump:          filepath.Join(orders, "dump.txt"),
		Crash:         write("crash.log", "fatal error: concurrent map writes\n\ngoroutine 7 [running]:\nmain.add(...)\n\t/app/main.go:12\n"),
		Race:          of("crashes", "tickets-mapcrash", "race.log"),
		GCTrace:       write("gc.log", "gc 1 @0.012s 2%: 0.026+0.39+0.003 ms clock, 0.21+0.33/0.49/0.10+0.026 ms cpu, 4->4->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 8 P\n"),
		SchedTrace:    write("sched.log", "SCHED 1004ms: gomaxprocs=4 idleprocs=4 threads=5 spinningthreads=0 needspinning=0 idlethreads=3 runqueue=0 [ 0 0 0 0 ]\n"),
		Folded:        write("stacks.txt", "main.main;main.work;runtime.mallocgc 12\nmain.main;main.other;runtime.mallocgc 7\n"),
	}
}

// TestEveryKind holds each kind of evidence to what the rest of the program asks of all of them.
func TestEveryKind(t *testing.T) {
	files := oneOfEach(t)
	units := []Unit{Nanoseconds, Bytes, Count, Share, PerSecond, BytesPerSec, SecPerSec, Ratio}
	names := map[string]Kind{}
	for _, k := range Kinds {
		how, cost := k.Recording()
		if k.Name().String() == string(k) && k != GCTrace && k != SchedTrace || how == "" || cost == "" {
			t.Errorf("%s: name %q, recorded with %q, which costs %q", k, k.Name(), how, cost)
		}
		if other, twice := names[k.Name().String()]; twice {
			t.Errorf("%s and %s are both called %q", k, other, k.Name())
		}
		names[k.Name().String()] = k
		if files[k] == "" {
			t.Errorf("%s: no file of this kind is read here", k)
			continue
		}
		b, err := Open(context.Background(), []string{files[k]}, Options{Focus: Focus{Label: [2]string{"tenant", "nobody"}}})
		if err != nil {
			t.Fatal(err)
		}
		found := b.Of(k)
		if len(found) == 0 {
			t.Errorf("%s: %s gives none: %q", k, files[k], b.Exhibits[0].Problems)
			continue
		}
		e := found[0]
		if e.Content == nil {
			t.Errorf("%s has no content", k)
			continue
		}
		totals := e.Content.Totals()
		if len(totals) == 0 {
			t.Errorf("%s adds nothing up", k)
		}
		for _, total := range totals {
			if total.Name == "" || !slices.Contains(units, total.Value.Unit) {
				t.Errorf("%s: total %q in %q", k, total.Name, total.Value.Unit)
			}
		}
		stacks := 0
		e.Content.EachStack(func(s stack.Stack) { stacks++ })
		if named := k != Crash && k != Race && k != GCTrace && k != SchedTrace; named != (stacks > 0) {
			t.Errorf("%s: %d stacks", k, stacks)
		}
		// Exactly one of these answers: a kind that detectors can ask for has an accessor.
		typed := 0
		for _, is := range []bool{e.Profile() != nil, e.Trace() != nil, e.Dump() != nil, e.Crashes() != nil, e.Races() != nil, e.GC() != nil, e.Sched() != nil} {
			if is {
				typed++
			}
		}
		if typed != 1 {
			t.Errorf("%s is given by %d accessors", k, typed)
		}
		if c, ok := e.Content.(content.Labelled); ok {
			if part := c.Labelled("tenant", "nobody"); part.Content != nil || part.Says == "" {
				t.Errorf("%s: %+v carries a label that nothing has", k, part)
			}
		}
		if c, ok := e.Content.(content.Tasked); ok {
			if part := c.OfTask("nothing"); part.Content != nil || part.Says == "" {
				t.Errorf("%s: %+v is of a task that nothing has", k, part)
			}
		}
	}
	for k := range files {
		if !slices.Contains(Kinds, k) {
			t.Errorf("%s is no kind", k)
		}
	}
	if k := Kind("nothing"); k.Name().String() != "nothing" || k.Clocked() || k.Divisible() {
		t.Error("an unknown kind has the traits of a known one")
	}
}

// TestInUnit knows the units that profiles use, and keeps those it does not know.
func TestInUnit(t *testing.T) {
	for unit, want := range map[string]Quantity{
		"nanoseconds": {Number: 3, Unit: Nanoseconds}, "us": {Number: 3e3, Unit: Nanoseconds}, "milliseconds": {Number: 3e6, Unit: Nanoseconds},
		"s": {Number: 3e9, Unit: Nanoseconds}, "bytes": {Number: 3, Unit: Bytes}, "": {Number: 3, Unit: Count}, "furlongs": {Number: 3, Unit: "furlongs"},
	} {
		if got := quantity.InUnit(3, unit); got != want {
			t.Errorf("%q: %v, want %v", unit, got, want)
		}
	}
	for k, want := range map[Kind]string{CPU: "a CPU profile", Trace: "an execution trace", Dump: "a goroutine dump"} {
		if got := k.Phrase(); got.String() != want {
			t.Errorf("%s is %q", k, got)
		}
	}
	if !strings.HasSuffix(Heap.HowToRecord().String(), ")") {
		t.Error(Heap.HowToRecord())
	}
}
