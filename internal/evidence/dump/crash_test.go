package dump

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/prose"
)

func read(t testing.TB, text string) Found {
	t.Helper()
	var r Reader
	if _, err := logline.Read(strings.NewReader(text), nil, &r); err != nil {
		t.Fatal(err)
	}
	return r.Close()
}

// says is what of a crash does not depend on the run.
func says(c *Crash) string {
	s := fmt.Sprintf("%s at %s x%d", c.Class, c.Site().Function, c.Count)
	s += [...]string{"", ", lived", ", untold"}[c.Fate]
	if c.Exit != 0 {
		s += fmt.Sprintf(", exit %d", c.Exit)
	}
	return s
}

// TestRecordedCrashes reads every class of crash as Go 1.22 to 1.27 print it, in
// one log, bare and carried in every way; see testdata/crashes.sh.
func TestRecordedCrashes(t *testing.T) {
	want := []string{
		"concurrent map access at main.(*inventory).add x1, exit 2",
		"concurrent map access at main.main x1, exit 2",
		"deadlock at main.main x1, exit 2",
		"stack overflow at main.descend x1, exit 2",
		"out of memory at main.allocate x1, exit 2",
		"impossible size at main.allocate x1, exit 2",
		"thread exhaustion at main.main x1, exit 2",
		"unlock of an unlocked lock at main.main x1, exit 2",
		"nil dereference at main.(*inventory).count x1, exit 2",
		"write to a nil map at main.(*inventory).add x1, exit 2",
		"send on a closed channel at main.publish x1, exit 2",
		"close of a closed channel at main.finish x1, exit 2",
		"close of a nil channel at main.finish x1, exit 2",
		"index out of range at main.(*inventory).first x1, exit 2",
		"divide by zero at main.price x1, exit 2",
		"failed type assertion at main.name x1, exit 2",
		"wait group misuse at main.main x1, exit 2",
		"panic at main.settle x3, exit 2",
		"panic at main.settle x1, untold",
		"nil dereference at main.(*inventory).count x2, lived",
	}
	files, _ := filepath.Glob("testdata/crashes-go1.*.txt")
	if len(files) != 6 {
		t.Fatalf("%d recordings, want 6", len(files))
	}
	for _, file := range files {
		text := recorded(t, filepath.Base(file))
		carriers := map[string]func(string) string{"bare": func(s string) string { return s }}
		for name, carry := range allCarriers() {
			// A stack that the program logs itself hangs on one line; its message is any text.
			if !strings.Contains(name, "stamp on") {
				carriers[name] = carry
			}
		}
		for name, carry := range carriers {
			var got []string
			for _, c := range read(t, carry(text)).Crashes {
				got = append(got, says(c))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", file, name, diff)
			}
		}
	}
}

// TestCrashDetails holds what is said about a crash beyond its class.
func TestCrashDetails(t *testing.T) {
	by := map[Class]*Crash{}
	for _, c := range read(t, recorded(t, "crashes-go1.26.txt")).Crashes {
		if by[c.Class] == nil {
			by[c.Class] = c
		}
	}
	if c := by[NilDereference]; !strings.HasPrefix(c.Signal, "SIGSEGV: segmentation violation code=0x1 addr=0x8 ") ||
		!strings.HasSuffix(c.Message, "nil pointer dereference") {
		t.Errorf("nil dereference: signal %q, message %q", c.Signal, c.Message)
	}
	if c := by[StackOverflow]; len(c.Detail) != 2 || c.Detail[0] != "goroutine stack exceeds 65536-byte limit" {
		t.Errorf("stack overflow: %q", c.Detail)
	}
	if c := by[ThreadExhaustion]; len(c.Detail) != 1 || c.Detail[0] != "program exceeds 2-thread limit" {
		t.Errorf("thread exhaustion: %q", c.Detail)
	}
	if c := by[ExplicitPanic]; c.Message != "ledger does not balance\nleft: 3\nright: 4" {
		t.Errorf("explicit panic: %q", c.Message)
	}
	if c := by[ConcurrentMap]; !c.Time.Equal(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)) || c.CreatedBy.Function != "main.main" {
		t.Errorf("concurrent map access at %v, created by %v", c.Time, c.CreatedBy)
	}
	for _, v := range []string{"go1.22", "go1.26"} {
		all := read(t, recorded(t, "chained-"+v+".txt")).Crashes
		want := []Panic{{"first", true}, {"second, after: first", false}}
		if len(all) != 1 || !cmp.Equal(all[0].Chain, want) || all[0].Site().Function != "main.chained" {
			t.Errorf("%s: %+v", v, all)
		}
	}
}

// TestNoCrash holds dumps that somebody asked for, and texts that speak of
// crashes, to be none.
func TestNoCrash(t *testing.T) {
	for _, file := range []string{"quit-go1.22.txt", "quit-go1.27.txt", "quit-crash-go1.26.txt", "debug2-go1.26.txt", "twice-go1.26.txt", "leaked-go1.27.txt"} {
		if all := read(t, recorded(t, file)).Crashes; len(all) != 0 {
			t.Errorf("%s: %s", file, says(all[0]))
		}
	}
	for name, text := range map[string]string{
		"words":              "ERROR panic: runtime error: index out of range\nfatal error: concurrent map writes was in the log\n",
		"asked for":          "goroutine 7 [running]:\nruntime/debug.Stack()\n\t/a.go:1 +0x1\nmain.report()\n\t/a.go:2 +0x1\n",
		"prose above a dump": "a panic: it was not\n\ngoroutine 7 [running]:\nmain.report()\n\t/a.go:2 +0x1\n",
		"watchdog":           "SIGABRT: abort\nPC=0x47 m=0 sigcode=0\n\ngoroutine 7 [running]:\nmain.report()\n\t/a.go:2 +0x1\n",
		"killed by hand":     "SIGSEGV: segmentation violation\nPC=0x47 m=0 sigcode=0\n\ngoroutine 7 [running]:\nmain.report()\n\t/a.go:2 +0x1\n",
	} {
		if all := read(t, text).Crashes; len(all) != 0 {
			t.Errorf("%s: %s", name, says(all[0]))
		}
	}
}

// TestLoggedPanics understands what programs write that recover a panic and log its stack.
func TestLoggedPanics(t *testing.T) {
	const stack = "goroutine 7 [running]:\nruntime/debug.Stack()\n\t/b.go:1 +0x1\nexample.com/rpc.recovered()\n\t/r.go:2 +0x1\npanic({0x1?, 0x2?})\n\truntime/panic.go:1 +0x1\nmain.(*cart).item(0x1)\n\t/a.go:3 +0x1\n"
	for text, want := range map[string]string{
		"panic recovered: runtime error: index out of range [7] with length 1\n" + stack:                                                 "index out of range at main.(*cart).item x1, untold",
		"2026-09-01T12:00:00Z ERROR recovered: assignment to entry in nil map\n" + stack:                                                 "write to a nil map at main.(*cart).item x1, untold",
		fmt.Sprintf(`{"level":"error","error":"runtime error: integer divide by zero","msg":"recovered","stacktrace":%s}`, quote(stack)): "divide by zero at main.(*cart).item x1, untold",
		"panic: runtime error: invalid memory address or nil pointer dereference\n" + stack:                                              "nil dereference at main.(*cart).item x1, untold",
		"out of stock\n" + stack: "panic at main.(*cart).item x1, untold",
	} {
		all := read(t, text).Crashes
		if len(all) != 1 || says(all[0]) != want {
			t.Errorf("%.60s: %d crashes, %+v, want %s", text, len(all), all, want)
		}
	}
}

// TestSignals tells a nil pointer from other addresses, and C code that fails from a process that is stopped.
func TestSignals(t *testing.T) {
	const stack = "\n\ngoroutine 1 [syscall]:\nmain._Cfunc_boom()\n\t_cgo_gotypes.go:45 +0x1\nmain.call()\n\t/a.go:2 +0x1\n"
	const nilText = "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=%s pc=0x1]\n\ngoroutine 1 [running]:\nmain.use()\n\t/a.go:2 +0x1\n"
	for text, want := range map[string]string{
		"SIGSEGV: segmentation violation\nPC=0x48 m=0 sigcode=1 addr=0x0\nsignal arrived during cgo execution" + stack: "signal at main.call x1",
		"SIGABRT: abort\nPC=0x7f m=0 sigcode=18446744073709551610\nsignal arrived during cgo execution" + stack:        "signal at main.call x1",
		fmt.Sprintf(nilText, "0x18"):   "nil dereference at main.use x1",
		fmt.Sprintf(nilText, "0xfff"):  "nil dereference at main.use x1",
		fmt.Sprintf(nilText, "0x1000"): "memory corruption at main.use x1",
	} {
		all := read(t, text).Crashes
		if len(all) != 1 || says(all[0]) != want {
			t.Errorf("%.60s: %d crashes, want %s", text, len(all), want)
		}
	}
}

// TestManyCrashes folds equal crashes: a service that recovers panics logs one for each request.
func TestManyCrashes(t *testing.T) {
	one := "2026/09/01 12:00:00 http: panic serving 127.0.0.1:%d: runtime error: index out of range [%d] with length 3\n" +
		"goroutine %d [running]:\nnet/http.(*conn).serve.func1()\n\tnet/http/server.go:1 +0x1\npanic({0x1?, 0x2?})\n\truntime/panic.go:1 +0x1\n" +
		"main.(*cart).item(...)\n\tmain.go:7\nmain.main.func1()\n\tmain.go:9 +0x1\ncreated by net/http.(*Server).Serve in goroutine 1\n\tnet/http/server.go:2 +0x1\n"
	var b strings.Builder
	const times = 2000
	for i := range times {
		fmt.Fprintf(&b, one, 40000+i%1000, i, i+10)
	}
	b.WriteString(recorded(t, "quit-go1.26.txt"))
	found := read(t, b.String())
	if len(found.Crashes) != 1 || found.Crashes[0].Count != times || found.Crashes[0].Site().Function != "main.(*cart).item" {
		t.Fatalf("%d crashes, first %+v", len(found.Crashes), found.Crashes[0])
	}
	if last := found.Dumps[len(found.Dumps)-1]; last.Origin != "SIGQUIT" || last.Partial {
		t.Errorf("the dump behind them is lost: last origin %q, problems %v", last.Origin, last.Problems)
	}
}

// TestRaces reads what the race detector of Go 1.22 to 1.27 reports.
func TestRaces(t *testing.T) {
	files, _ := filepath.Glob("testdata/race-go1.*.txt")
	if len(files) != 6 {
		t.Fatalf("%d recordings, want 6", len(files))
	}
	for _, file := range files {
		text := recorded(t, filepath.Base(file))
		reports := strings.Count(text, "WARNING: DATA RACE")
		carriers := allCarriers()
		carriers["bare"] = func(s string) string { return s }
		for name, carry := range carriers {
			found := read(t, carry(text))
			n, inMap := 0, false
			for _, r := range found.Races {
				n += r.Count
				for _, a := range r.Access {
					if a.Address == 0 || a.Goroutine < 2 || len(a.Stack) == 0 || len(a.Created) != 1 || a.Created[0].Function != "main.main" {
						t.Errorf("%s, %s: odd access %+v", file, name, a)
					}
				}
				if !r.Access[0].Write && !r.Access[1].Write {
					t.Errorf("%s, %s: two reads", file, name)
				}
				for _, a := range r.Access {
					inMap = inMap || a.Site().Function == "main.(*inventory).add" && a.Stack.Contains("runtime.mapaccess1_faststr", "runtime.mapassign_faststr")
				}
			}
			if n != reports || !inMap || len(found.Problems) > 0 || len(found.Dumps)+len(found.Crashes) > 0 {
				t.Errorf("%s, %s: %d of %d reports, map race %v, problems %v", file, name, n, reports, inMap, found.Problems)
			}
		}
	}
}

func TestRaceShapes(t *testing.T) {
	const report = "==================\nWARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  main.put()\n      /a.go:1 +0x1\n\n" +
		"Previous read at 0x00c000012345 by main goroutine:\n  main.get()\n      /a.go:2 +0x1\n\nGoroutine 7 (finished) created at:\n  main.main()\n      /a.go:3 +0x1\n==================\n"
	swapped := strings.NewReplacer("Write at", "Read at", "Previous read", "Previous write", "put", "get", "get", "put", "a.go:1", "a.go:2", "a.go:2", "a.go:1").Replace(report)
	for name, c := range map[string]struct {
		text    string
		races   int
		count   int
		problem string
	}{
		"whole":             {report, 1, 1, ""},
		"again":             {report + report, 1, 2, ""},
		"sides exchanged":   {report + swapped, 1, 2, ""},
		"other line":        {report + strings.ReplaceAll(report, "a.go:1", "a.go:9"), 2, 1, ""},
		"no end":            {strings.TrimSuffix(report, "==================\n") + report, 1, 2, ""},
		"foreign lines":     {strings.ReplaceAll(report, "\n\n", "\nserved\n\n"), 1, 1, ""},
		"cut in a stack":    {report[:strings.Index(report, "  main.put")], 0, 0, "1 race reports are cut off or without stacks and were left out"},
		"one stack lost":    {strings.Replace(report, "  main.get()\n      /a.go:2 +0x1", "  [failed to restore the stack]", 1), 1, 1, ""},
		"words":             {"WARNING: DATA RACE\nthat is what it said\n", 0, 0, ""},
		"quoted":            {"the test printed WARNING: DATA RACE again\nWrite at 0x00c000012345 by goroutine 7:\n", 0, 0, ""},
		"go test -json":     {carriers["docker"](report), 1, 1, ""},
		"heap block":        {strings.Replace(report, "\n\nGoroutine", "\n\nHeap block of size 48 at 0x00c000012340 allocated by main goroutine:\n  main.make()\n      /a.go:8 +0x1\n\nGoroutine", 1), 1, 1, ""},
		"deadlock warnings": {strings.Replace(report, "DATA RACE", "DEADLOCK", 1), 0, 0, ""},
	} {
		found := read(t, c.text)
		if len(found.Races) != c.races || prose.Join(found.Problems, "; ").String() != c.problem {
			t.Errorf("%s: %d races, want %d, problems %v", name, len(found.Races), c.races, found.Problems)
			continue
		}
		if c.races == 0 {
			continue
		}
		r := found.Races[0]
		if r.Count != c.count || !r.Access[0].Write || r.Access[1].Write || r.Access[1].Goroutine != 1 || !r.Access[0].Finished || r.Access[0].Site().Function != "main.put" {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "heap block" && r.Memory != "Heap block of size 48" {
			t.Errorf("memory %q", r.Memory)
		}
	}
}

func allCarriers() map[string]func(string) string {
	all := map[string]func(string) string{}
	for name, carry := range carriers {
		all[name] = carry
	}
	return all
}
