package dump

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

func find(t testing.TB, text string) []*Dump {
	t.Helper()
	dumps, err := Find(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return dumps
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// by returns the goroutines whose creation or frames name a function.
func by(d *Dump, function string) (found []*Goroutine) {
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if slices.ContainsFunc(g.Frames, func(f Frame) bool { return f.Function == function }) {
			found = append(found, g)
		}
	}
	return found
}

// TestRecorded reads dumps that the runtimes of Go 1.22 to 1.27 printed, see
// testdata/record.sh, and holds them to what the program did.
func TestRecorded(t *testing.T) {
	versions := []string{"go1.22", "go1.23", "go1.24", "go1.25", "go1.26", "go1.27"}
	for _, v := range versions {
		for _, form := range []string{"quit", "debug2"} {
			t.Run(form+"-"+v, func(t *testing.T) {
				text := recorded(t, form+"-"+v+".txt")
				dumps := find(t, text)
				if len(dumps) != 1 {
					t.Fatalf("%d dumps, want 1", len(dumps))
				}
				d := dumps[0]
				if want := strings.Count("\n"+text, "\ngoroutine "); len(d.Goroutines) != want {
					t.Errorf("%d goroutines, want %d", len(d.Goroutines), want)
				}
				if d.Partial || len(d.Problems) > 0 {
					t.Errorf("problems: %v", d.Problems)
				}
				wantOrigin, wantMessage := "debug=2", ""
				if form == "quit" {
					wantOrigin, wantMessage = "SIGQUIT", "quit"
				}
				if d.Origin != wantOrigin || d.Message != wantMessage {
					t.Errorf("origin %q, message %q", d.Origin, d.Message)
				}
				for _, g := range d.Goroutines {
					if len(g.Frames) == 0 || g.State == "" {
						t.Errorf("goroutine %d: %d frames, state %q", g.ID, len(g.Frames), g.State)
					}
					for _, f := range g.Frames {
						if f.File == "" || f.Line == 0 || strings.ContainsAny(f.Function, "{}") {
							t.Errorf("goroutine %d: odd frame %+v", g.ID, f)
						}
					}
				}
				// Three goroutines wait for one mutex, two for the write lock.
				var locks []uint64
				for _, g := range by(d, "main.(*store).update") {
					if g.State != "sync.Mutex.Lock" && g.State != "semacquire" {
						t.Errorf("goroutine %d waits for a mutex in state %q", g.ID, g.State)
					}
					for _, f := range g.Frames {
						if f.Function == "internal/sync.(*Mutex).lockSlow" || f.Function == "sync.(*Mutex).lockSlow" {
							locks = append(locks, f.Args[0])
						}
					}
					if g.CreatedBy.Function != "main.waiters" || g.CreatedBy.Line == 0 || g.Creator != 1 {
						t.Errorf("goroutine %d created by %+v in %d", g.ID, g.CreatedBy, g.Creator)
					}
				}
				if len(locks) != 3 || locks[0] == 0 || locks[0] != locks[1] || locks[0] != locks[2] {
					t.Errorf("lock addresses %#x, want three alike", locks)
				}
				if n := len(by(d, "main.(*store).write")); n != 2 {
					t.Errorf("%d writers, want 2", n)
				}
				if n := slices.IndexFunc(d.Goroutines, func(g Goroutine) bool { return g.Locked && g.State == "chan receive" }); n < 0 {
					t.Error("no goroutine is locked to its thread")
				}
			})
		}
	}
}

func TestOrigins(t *testing.T) {
	type seen struct {
		Origin, Message string
		Goroutines      int
		Elided          int
		Leaf            string
	}
	for file, want := range map[string][]seen{
		"deadlock-go1.22.txt": {{"fatal error", "all goroutines are asleep - deadlock!", 2, 0, "sync.runtime_SemacquireMutex"}},
		"deadlock-go1.27.txt": {{"fatal error", "all goroutines are asleep - deadlock!", 2, 0, "internal/sync.runtime_SemacquireMutex"}},
		"leaked-go1.27.txt":   {{"debug=2", "", 4, 0, "runtime/pprof.writeGoroutineStacks"}},
		"elided-go1.22.txt":   {{"panic", "deep enough", 1, 1, "main.recurse"}},
		"overflow-go1.26.txt": {{"fatal error", "stack overflow", 6, 1, "main.recurse"}},
		"nil-go1.26.txt":      {{"panic", "runtime error: invalid memory address or nil pointer dereference", 1, 0, "internal/sync.(*Mutex).Lock"}},
		"chained-go1.22.txt":  {{"panic", "first [recovered] panic: second, after: first", 1, 0, "main.chained.func1"}},
		"chained-go1.26.txt":  {{"panic", "first [recovered] panic: second, after: first", 1, 0, "main.chained.func1"}},
		"maps-go1.26.txt":     {{"fatal error", "concurrent map writes", 1, 0, "internal/runtime/maps.fatal"}},
		"ancestor-go1.26.txt": {{"panic", "child", 1, 0, "main.child"}},
		"http-go1.26.txt": {
			{"panic", "runtime error: invalid memory address or nil pointer dereference", 1, 0, "net/http.(*conn).serve.func1"},
			{"panic", "runtime error: invalid memory address or nil pointer dereference", 1, 0, "net/http.(*conn).serve.func1"},
		},
		"twice-go1.26.txt": {
			{"debug=2", "", 15, 0, "runtime/pprof.writeGoroutineStacks"},
			{"debug=2", "", 15, 0, "runtime/pprof.writeGoroutineStacks"},
		},
		"stack-go1.26.txt": {
			{"panic", "", 1, 0, "runtime/debug.Stack"},
			{"panic", "", 1, 0, "runtime/debug.Stack"},
		},
	} {
		t.Run(file, func(t *testing.T) {
			var got []seen
			for _, d := range find(t, recorded(t, file)) {
				got = append(got, seen{d.Origin, d.Message, len(d.Goroutines), d.Elided, d.Goroutines[0].Frames[0].Function})
				if d.Partial || len(d.Problems) > 0 && !strings.Contains(d.Problems[0].String(), "time zone") {
					t.Errorf("problems: %v", d.Problems)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("dumps (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCrash reads a dump in which the threads print their stacks one by one.
func TestCrash(t *testing.T) {
	dumps := find(t, recorded(t, "quit-crash-go1.26.txt"))
	if len(dumps) != 1 {
		t.Fatalf("%d dumps, want 1", len(dumps))
	}
	count := map[int64]int{}
	for _, g := range dumps[0].Goroutines {
		count[g.ID]++
	}
	for id, n := range count {
		if id != 0 && n > 1 {
			t.Errorf("goroutine %d is there %d times", id, n)
		}
	}
	if d := dumps[0]; d.Origin != "SIGQUIT" || count[1] != 1 {
		t.Errorf("origin %q, %d of goroutine 1", d.Origin, count[1])
	}
}

func TestLabels(t *testing.T) {
	values := []string{`plain`, `]: , }`, `"quoted" \ {a: "b"}`, "line\nbreak\tü"}
	for _, file := range []string{"labels-go1.26.txt", "labels-go1.27.txt"} {
		dumps := find(t, recorded(t, file))
		if len(dumps) != 1 || dumps[0].Partial {
			t.Fatalf("%s: %d dumps", file, len(dumps))
		}
		var got []string
		for _, g := range by(dumps[0], "main.labels.func1") {
			if g.Labels["goroutine 5 [running]:"] != "x" || len(g.Labels) != 2 || g.State != "chan receive" {
				t.Errorf("%s: goroutine %d in state %q has labels %q", file, g.ID, g.State, g.Labels)
			}
			got = append(got, g.Labels["tenant"])
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(values))
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Goroutine{})); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", file, diff)
		}
	}
}

func TestLeaked(t *testing.T) {
	d := find(t, recorded(t, "leaked-go1.27.txt"))[0]
	leaked := 0
	for _, g := range d.Goroutines {
		if g.Leaked {
			leaked++
			if g.State != "chan send" {
				t.Errorf("goroutine %d leaked in state %q", g.ID, g.State)
			}
		}
	}
	if leaked != 3 {
		t.Errorf("%d leaked, want 3", leaked)
	}
}

func TestHeader(t *testing.T) {
	for line, want := range map[string]Goroutine{
		"goroutine 1 [running]:":                                                     {ID: 1, State: "running"},
		"goroutine 7 [chan receive, 12 minutes]:":                                    {ID: 7, State: "chan receive", Wait: 12 * time.Minute},
		"goroutine 7 [semacquire, 3 minutes, locked to thread]:":                     {ID: 7, State: "semacquire", Wait: 3 * time.Minute, Locked: true},
		"goroutine 8 [syscall, locked to thread]:":                                   {ID: 8, State: "syscall", Locked: true},
		"goroutine 9 gp=0xc000007c0 m=nil [select (no cases)]:":                      {ID: 9, State: "select (no cases)"},
		"goroutine 9 gp=0xc000007c0 m=3 mp=0xc00008e008 [IO wait]:":                  {ID: 9, State: "IO wait"},
		"goroutine 9 [GC worker (idle), 2 minutes]:":                                 {ID: 9, State: "GC worker (idle)", Wait: 2 * time.Minute},
		"goroutine 9 [chan send (leaked)]:":                                          {ID: 9, State: "chan send", Leaked: true},
		"goroutine 9 [chan receive (leaked) (scan)]:":                                {ID: 9, State: "chan receive", Leaked: true, Scan: true},
		"goroutine 9 [sleep (durable), synctest bubble 3]:":                          {ID: 9, State: "sleep", Durable: true, Bubble: 3},
		"goroutine 9 [sync.WaitGroup.Wait (durable), 1 minutes, synctest bubble 3]:": {ID: 9, State: "sync.WaitGroup.Wait", Durable: true, Wait: time.Minute, Bubble: 3},
		`goroutine 9 [select, 4 minutes labels:{"a": "]: , }"}]:`:                    {ID: 9, State: "select", Wait: 4 * time.Minute, Labels: map[string]string{"a": "]: , }"}},
		`goroutine 9 [select labels:{"a, b": " labels:{", "c": ""}]:`:                {ID: 9, State: "select", Labels: map[string]string{"a, b": " labels:{", "c": ""}},
		`goroutine 9 [select, 4 minutes] {a: b.c/d_1, "x y": "\"]:"}:`:               {ID: 9, State: "select", Wait: 4 * time.Minute, Labels: map[string]string{"a": "b.c/d_1", "x y": `"]:`}},
		`goroutine 9 [select] {a: }:`:                                                {ID: 9, State: "select", Labels: map[string]string{"a": ""}},
	} {
		got, ok := header([]byte(line))
		if !ok {
			t.Errorf("%s: not read", line)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Goroutine{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	for _, line := range []string{
		"goroutine 5",
		"goroutine 5 is stuck",
		"goroutine 5 [running]",
		"goroutine 5 [running]: and more",
		"goroutine five [running]:",
		"goroutine 99999999999999999999 [running]:",
		"goroutine profile: total 5",
		`goroutine 9 [select labels:{"a": "b"]:`,
		`goroutine 9 [select] {a: b:`,
		"goroutine 9 [" + strings.Repeat("x", 200) + "]:",
		"Goroutine 5 [running]:",
	} {
		if _, ok := header([]byte(line)); ok {
			t.Errorf("%s: taken for a header", line)
		}
	}
}

func TestFrames(t *testing.T) {
	for line, want := range map[string]Frame{
		"main.main()":                                             {Frame: stack.Frame{Function: "main.main"}},
		"main.(*T).F(0xc000012345, 0x2)":                          {Frame: stack.Frame{Function: "main.(*T).F"}, Args: []uint64{0xc000012345, 2}},
		"sync.(*Mutex).Lock(...)":                                 {Frame: stack.Frame{Function: "sync.(*Mutex).Lock"}, Inlined: true},
		"main.f({0x1, {0x2?, 0x3}}, 0x4?, _, 0x5, ...)":           {Frame: stack.Frame{Function: "main.f"}, Args: []uint64{1, 2, 3, 4, 0, 5}, Stale: 0b001010},
		"main.Map[...].func1(0xffffffffffffffff)":                 {Frame: stack.Frame{Function: "main.Map[...].func1"}, Args: []uint64{1<<64 - 1}},
		"type:.eq.struct { main.a int; main.b string }(0x1, 0x2)": {Frame: stack.Frame{Function: "type:.eq.struct { main.a int; main.b string }"}, Args: []uint64{1, 2}},
		"panic({0x721820?, 0xa3ea10?})":                           {Frame: stack.Frame{Function: "panic"}, Args: []uint64{0x721820, 0xa3ea10}, Stale: 0b11},
	} {
		want.File, want.Line = "/src/a b/main.go", 12
		dumps := find(t, "goroutine 1 [running]:\n"+line+"\n\t/src/a b/main.go:12 +0x1d fp=0x1 sp=0x2 pc=0x3\n")
		if len(dumps) != 1 || len(dumps[0].Goroutines[0].Frames) != 1 {
			t.Errorf("%s: not read", line)
			continue
		}
		if diff := cmp.Diff(want, dumps[0].Goroutines[0].Frames[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// carriers are the ways logs carry a text.
var carriers = map[string]func(string) string{
	"crlf":    func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"colours": eachLine(func(_ int, l string) string { return "\x1b[31;1m" + l + "\x1b[0m" }),
	"plain stamps": eachLine(func(i int, l string) string {
		return fmt.Sprintf("2026-09-01 12:00:%02d,%03d %s", i/100%60, i%1000, l)
	}),
	"RFC 3339, no trailing space": eachLine(func(i int, l string) string {
		return strings.TrimRight(time.Date(2026, 9, 1, 12, 0, 0, i*1000, time.UTC).Format(time.RFC3339Nano)+" "+l, " \t")
	}),
	"CRI": eachLine(func(i int, l string) string {
		return time.Date(2026, 9, 1, 12, 0, 0, i*7919, time.UTC).Format(time.RFC3339Nano) + " stderr F " + l
	}),
	"journald": eachLine(func(i int, l string) string {
		return fmt.Sprintf("Sep %2d 12:00:%02d web-1 orders[%d]: %s", 9+i/300, i%60, 4711, l)
	}),
	"rsyslog": eachLine(func(i int, l string) string {
		return "2026-09-01T12:00:00+02:00 web-1 orders[1]: " + strings.ReplaceAll(l, "\t", "#011")
	}),
	"compose": eachLine(func(_ int, l string) string { return "web-1  | " + l }),
	"docker": eachLine(func(i int, l string) string {
		return fmt.Sprintf(`{"log":%s,"stream":"stderr","time":"2026-09-01T12:00:00.%09dZ"}`, quote(l+"\n"), i)
	}),
	"journald JSON": eachLine(func(i int, l string) string {
		return fmt.Sprintf(`{"__REALTIME_TIMESTAMP" : "17882632000%05d", "_PID" : "1", "MESSAGE" : %s, "_COMM":"orders"}`, i, quote(l))
	}),
	"docker of stamped lines": eachLine(func(i int, l string) string {
		return fmt.Sprintf(`{"log":%s,"stream":"stderr"}`, quote(fmt.Sprintf("2026-09-01T12:00:%02dZ ERR %s\n", i%60, l)))
	}),
	"one JSON string": func(s string) string {
		return fmt.Sprintf(`{"level":"error","ts":1788263200.25,"msg":"oh \"no\"","stack":%s,"n":1}`+"\n", quote(s))
	},
	"one logfmt string": func(s string) string {
		return fmt.Sprintf("time=2026-09-01T12:00:00Z level=ERROR msg=oops stack=%q n=1\n", s)
	},
	"JSON in JSON": func(s string) string {
		inner := fmt.Sprintf(`{"level":"error","stack":%s}`, quote(s))
		return fmt.Sprintf(`{"log":%s,"time":"2026-09-01T12:00:00Z"}`+"\n", quote(inner+"\n"))
	},
	"stamp on the first line only": func(s string) string {
		return "2026/09/01 12:00:00 about to say:\n" + s
	},
	"among other lines": func(s string) string {
		noise := strings.Repeat("2026-09-01T12:00:00Z INFO served goroutine 5 request=42 panic=none\n", 400)
		return noise + s + noise
	},
}

func eachLine(f func(int, string) string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		i := 0
		for l := range strings.Lines(s) {
			b.WriteString(f(i, strings.TrimSuffix(l, "\n")) + "\n")
			i++
		}
		return b.String()
	}
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	_ = e.Encode(s)
	return strings.TrimSpace(b.String())
}

// TestCarriers holds every recorded dump, carried in every way, to what it says bare.
func TestCarriers(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	for name, carry := range carriers {
		t.Run(name, func(t *testing.T) {
			for _, file := range files {
				text := recorded(t, filepath.Base(file))
				if strings.HasPrefix(filepath.Base(file), "stack-") && strings.Contains(name, "stamp on") {
					continue
				}
				want := find(t, text)
				got := find(t, carry(text))
				if len(got) != len(want) {
					t.Errorf("%s: %d dumps, want %d", file, len(got), len(want))
					continue
				}
				for i := range want {
					if diff := cmp.Diff(core(want[i]), core(got[i]), cmpopts.IgnoreUnexported(Goroutine{})); diff != "" {
						t.Errorf("%s, dump %d (-bare +carried):\n%.2000s", file, i, diff)
					}
				}
			}
		})
	}
}

// core leaves out what depends on the lines around a dump.
func core(d *Dump) Dump {
	c := *d
	c.Lines, c.Time, c.Problems = [2]int{}, time.Time{}, nil
	c.Goroutines = slices.Clone(c.Goroutines)
	for i := range c.Goroutines {
		c.Goroutines[i].Line = 0
	}
	return c
}

// TestNoDump holds text that only speaks of goroutines and panics to be none.
func TestNoDump(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                 "",
		"prose":                 "the worker said goroutine 5 [running]: and went on\npanic: not a real one\n",
		"header without frames": "goroutine 5 [running]:\nthat is what it printed\nand no more\n",
		"header at the end":     "panic: boom\n\ngoroutine 5 [running]:",
		"header and call":       "goroutine 5 [running]:\nmain.main()\n\nmore text\n",
		"words in JSON":         `{"msg":"panic: goroutine 5 [running]:\nwhatever"}` + "\n",
		"goroutine profile":     "goroutine profile: total 2\n1 @ 0x1 0x2\n#\t0x1\tmain.main+0x1\t/a.go:1\n",
		"far from its frames":   "goroutine 5 [running]:\n" + strings.Repeat("2026-09-01 info\n", 20) + "main.main()\n\t/a.go:1\n",
		"race report":           "WARNING: DATA RACE\nWrite at 0x00c0 by goroutine 7:\n  main.main()\n      /a.go:1 +0x1\n",
	} {
		if dumps := find(t, text); len(dumps) != 0 {
			t.Errorf("%s: found %+v", name, dumps[0])
		}
	}
}

// TestCutFrame keeps the last frame of a dump whose position is cut off: its arguments tell on which object it works.
func TestCutFrame(t *testing.T) {
	d := find(t, "goroutine 1 [semacquire]:\nmain.f(0x1)\n\t/a.go:2 +0x1\nmain.(*T).g(0xc0, 0x2)\n\t/sr")[0]
	frames := d.Goroutines[0].Frames
	if !d.Partial || len(frames) != 2 || frames[1].Function != "main.(*T).g" || frames[1].Args[0] != 0xc0 || frames[1].Line != 0 {
		t.Errorf("partial %v, frames %+v", d.Partial, frames)
	}
}

// TestDamaged holds what is cut, interleaved or unreadable to what can be said of it.
func TestDamaged(t *testing.T) {
	const two = "goroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\n\ngoroutine 2 [chan receive]:\nmain.f(0x1)\n\t/a.go:2 +0x1\ncreated by main.main in goroutine 1\n\t/a.go:3 +0x1\n"
	type seen struct {
		Goroutines int
		Frames     int
		Partial    bool
		Problem    string
	}
	for name, c := range map[string]struct {
		text string
		want []seen
	}{
		"whole":                     {two, []seen{{2, 2, false, ""}}},
		"cut before a position":     {two[:strings.Index(two, "\n\t/a.go:2")], []seen{{2, 2, true, "cut off inside goroutine 2"}}},
		"cut in a call":             {two[:strings.Index(two, "(0x1)")], []seen{{2, 1, true, "cut off inside goroutine 2"}}},
		"cut in a header":           {two[:strings.Index(two, " receive")], []seen{{1, 1, true, "1 goroutines whose header could not be read are left out"}}},
		"cut after a header":        {two[:strings.Index(two, "main.f")], []seen{{2, 1, true, "cut off inside goroutine 2"}}},
		"another line between":      {strings.Replace(two, "main.f(0x1)\n", "main.f(0x1)\n2026/09/01 12:00:00 served\n", 1), []seen{{2, 2, false, "1 lines of other output stand inside the dump"}}},
		"a line between goroutines": {strings.Replace(two, "\n\ngoroutine 2", "\n\nserved\n\ngoroutine 2", 1), []seen{{2, 2, false, "1 lines of other output stand inside the dump"}}},
		"no blank lines":            {strings.ReplaceAll(two, "\n\n", "\n"), []seen{{2, 2, false, ""}}},
		"two in a row":              {two + two, []seen{{2, 2, false, ""}, {2, 2, false, ""}}},
		"two, blank between":        {two + "\n" + two, []seen{{2, 2, false, ""}, {2, 2, false, ""}}},
		"unreadable header":         {strings.Replace(two, "[chan receive]", "[chan receive", 1), []seen{{1, 1, true, "1 goroutines whose header could not be read are left out"}}},
		"stack unavailable": {"goroutine 1 [running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by main.main in goroutine 1\n\t/a.go:3 +0x1\n",
			[]seen{{1, 0, false, ""}}},
		"C frames": {"goroutine 1 [syscall]:\nnon-Go function\n\tpc=0x7f00\nread_all\n\t/a.c:7 pc=0x7f01\nruntime.cgocall(0x1)\n\t/a.go:1 +0x1\n", []seen{{1, 2, false, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []seen
			for _, d := range find(t, c.text) {
				s := seen{Goroutines: len(d.Goroutines), Partial: d.Partial, Problem: prose.Join(d.Problems, "; ").String()}
				for _, g := range d.Goroutines {
					s.Frames += len(g.Frames)
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTorn prints a line of schedtrace into a dump at every place behind its first line,
// as the runtime does when a process that runs with GODEBUG=schedtrace gets SIGQUIT.
func TestTorn(t *testing.T) {
	const two = "goroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\n\ngoroutine 2 [chan receive]:\nmain.f(0x1)\n\t/a.go:2 +0x1\ncreated by main.main in goroutine 1\n\t/a.go:3 +0x1\n"
	const sched = "SCHED 3025ms: gomaxprocs=2 idleprocs=1 threads=7 spinningthreads=0 needspinning=0 idlethreads=3 runqueue=0 [ 0 0 ] schedticks=[ 1 2 ]\n"
	want := find(t, two)[0]
	for i := strings.Index(two, "main.main"); i < len(two); i++ {
		dumps := find(t, two[:i]+sched+two[i:])
		if len(dumps) != 1 || dumps[0].Partial {
			t.Fatalf("torn at %d, %q: %d dumps", i, two[max(0, i-10):i], len(dumps))
		}
		// The second goroutine stands a line further down, unless the tear is below its header.
		if diff := cmp.Diff(want.Goroutines, dumps[0].Goroutines, cmpopts.IgnoreFields(Goroutine{}, "Line"), cmpopts.IgnoreUnexported(Goroutine{})); diff != "" {
			t.Errorf("torn at %d, %q (-want +got):\n%s", i, two[max(0, i-10):i], diff)
		}
	}
}

// TestLines holds the place and time of dumps buried in a log to where they are.
func TestLines(t *testing.T) {
	text := "2026-09-01T11:59:58Z start\n" + // 1
		"2026-09-01T11:59:59.5+01:00 more\n" + // 2
		"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1\nexit status 2\n" + // 3-8
		"restarted\n" + // 9
		"goroutine 7 [running]:\nmain.main()\n\t/a.go:1\n" + // 10-12
		"ts=x\n"
	dumps := find(t, text)
	if len(dumps) != 2 {
		t.Fatalf("%d dumps, want 2", len(dumps))
	}
	if got, want := dumps[0].Lines, [2]int{5, 8}; got != want {
		t.Errorf("lines %v, want %v", got, want)
	}
	if got, want := dumps[1].Lines, [2]int{10, 12}; got != want {
		t.Errorf("lines %v, want %v", got, want)
	}
	for i, d := range dumps {
		if got, want := d.Time, time.Date(2026, 9, 1, 10, 59, 59, 5e8, time.UTC); !got.Equal(want) {
			t.Errorf("dump %d at %v, want %v", i, got, want)
		}
	}
	if dumps[0].Message != "boom" || dumps[1].Message != "" || dumps[1].Origin != "" {
		t.Errorf("messages %q and %q, origin of the second %q", dumps[0].Message, dumps[1].Message, dumps[1].Origin)
	}
}

// TestLongLog reads a log far larger than the memory it may take for it, with one dump in it.
func TestLongLog(t *testing.T) {
	noise := strings.Repeat("2026-09-01T12:00:00Z INFO served goroutine 5 request=42 panic=none path=/orders/1234567\n", 1000)
	const times = 600 // about 53 MB in all
	var parts []io.Reader
	for i := range times {
		parts = append(parts, strings.NewReader(noise))
		if i == times/2 {
			parts = append(parts, strings.NewReader(recorded(t, "quit-go1.26.txt")))
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	dumps, err := Find(io.MultiReader(parts...))
	runtime.ReadMemStats(&after)
	if err != nil || len(dumps) != 1 {
		t.Fatalf("%d dumps, error %v", len(dumps), err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("allocated %d bytes in all, want under 4 MiB", got)
	}
}

// TestReadError keeps what was found before the reader failed.
func TestReadError(t *testing.T) {
	dumps, err := Find(io.MultiReader(strings.NewReader(recorded(t, "deadlock-go1.27.txt")), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if len(dumps) != 1 || err != io.ErrUnexpectedEOF {
		t.Errorf("%d dumps, error %v", len(dumps), err)
	}
}

func FuzzFind(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	debuggers, _ := filepath.Glob("testdata/debuggers/*.txt")
	for _, file := range append(files, debuggers...) {
		data, _ := os.ReadFile(file)
		if len(data) > 3000 {
			data = data[:3000]
		}
		f.Add(data)
	}
	for _, name := range []string{"CRI", "docker", "JSON in JSON", "one logfmt string"} {
		f.Add([]byte(carriers[name]("panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dumps, err := Find(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, d := range dumps {
			if len(d.Goroutines) == 0 || d.Lines[0] < 1 || d.Lines[1] < d.Lines[0] || d.Lines[1] > lines {
				t.Errorf("lines %v of %d, %d goroutines", d.Lines, lines, len(d.Goroutines))
			}
			if d.Partial && len(d.Problems) == 0 {
				t.Error("partial without a problem")
			}
			for _, g := range d.Goroutines {
				for i, fr := range g.Frames {
					if fr.Function == "" || fr.File == "" && i < len(g.Frames)-1 { // the position of the last may be cut off
						t.Errorf("odd frame %+v", fr)
					}
				}
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for name, text := range map[string]string{
		"log":    strings.Repeat("2026-09-01T12:00:00Z INFO served request=42 path=/orders/1234567 took=12ms\n", 100_000),
		"dump":   strings.Repeat(recorded(b, "debug2-go1.26.txt"), 1000)[:4<<20],
		"docker": carriers["docker"](strings.Repeat(recorded(b, "quit-go1.26.txt"), 100)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				find(b, text)
			}
		})
	}
}
