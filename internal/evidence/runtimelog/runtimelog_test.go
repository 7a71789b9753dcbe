package runtimelog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/logline"
)

func read(t testing.TB, text string) Found {
	t.Helper()
	var r Reader
	if _, err := logline.Read(strings.NewReader(text), nil, taker{&r}); err != nil {
		t.Fatal(err)
	}
	return r.Close()
}

// taker takes no line without signs.
type taker struct{ *Reader }

func (taker) Idle() bool          { return true }
func (taker) Words(logline.Words) {}

// carriers are ways in which logs carry the lines of a program.
var carriers = map[string]func(i int, line string) string{
	"bare":   func(_ int, l string) string { return l },
	"crlf":   func(_ int, l string) string { return l + "\r" },
	"colour": func(_ int, l string) string { return "\x1b[2m" + l + "\x1b[0m" },
	"docker": func(i int, l string) string {
		return fmt.Sprintf(`{"log":%s,"stream":"stderr","time":"2026-09-01T12:00:00.%09dZ"}`, quoted(l+"\n"), i)
	},
	"CRI": func(i int, l string) string {
		return time.Date(2026, 9, 1, 12, 0, 0, i*7919, time.UTC).Format(time.RFC3339Nano) + " stderr F " + l
	},
	"journald": func(i int, l string) string {
		return fmt.Sprintf("Sep %2d 12:00:%02d web-1 orders[4711]: %s", 9+i/20, i%60, l)
	},
	"month end": func(i int, l string) string {
		return []string{"Sep 30", "Oct  1"}[i/30%2] + " 12:00:00 web-1 orders[4711]: " + l
	},
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return strings.ReplaceAll(string(b), `\u003e`, ">")
}

// TestRecorded reads what the runtimes of Go 1.21 to 1.27 printed, bare and in
// logs, and holds the sums to the lines; see testdata/record.sh.
func TestRecorded(t *testing.T) {
	files, _ := filepath.Glob("testdata/go1.*.txt")
	if len(files) != 7 {
		t.Fatalf("%d recordings, want 7", len(files))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		for name, carry := range carriers {
			var b strings.Builder
			for i, l := range lines {
				b.WriteString("2026-09-01T12:00:00Z INFO gc is fine, SCHED too\n" + carry(i, l) + "\n")
			}
			found := read(t, b.String())
			if len(found.GC) != 1 || len(found.Sched) != 1 || len(found.Problems) > 0 {
				t.Errorf("%s, %s: %d and %d processes, problems %v", file, name, len(found.GC), len(found.Sched), found.Problems)
				continue
			}
			g, s := found.GC[0], found.Sched[0]
			cycles, forced, moments := strings.Count(string(data), "gc "), strings.Count(string(data), "(forced)"), strings.Count(string(data), "SCHED ")
			if g.Total.Cycles != int64(cycles) || g.Total.Forced != int64(forced) || forced == 0 || g.Procs != 3 || g.Missing != 0 {
				t.Errorf("%s, %s: %+v, want %d cycles, %d forced", file, name, g.Total, cycles, forced)
			}
			if s.Total.Samples != int64(moments) || s.Total.Procs != int64(3*moments) || s.Procs != 3 || s.Total.MostThreads < 3 {
				t.Errorf("%s, %s: %+v, want %d samples", file, name, s.Total, moments)
			}
			first, last := g.Windows[0], g.Windows[len(g.Windows)-1]
			if len(g.Windows) != cycles || last.Live < first.Live || last.To > time.Second || last.To < 300*time.Millisecond ||
				g.Longest[0].SweepTerm < g.Total.SweepTerm && g.Longest[0].MarkTerm < g.Total.MarkTerm {
				t.Errorf("%s, %s: %d windows from %+v to %+v", file, name, len(g.Windows), first, last)
			}
			if stamped := name == "docker" || name == "CRI"; stamped == g.Start.IsZero() {
				t.Errorf("%s, %s: started at %v", file, name, g.Start)
			}
		}
	}
}

// TestParse holds single lines of all formats to what they say.
func TestParse(t *testing.T) {
	ms := func(x float64) time.Duration { return time.Duration(x * float64(time.Millisecond)) }
	const mb = 1 << 20
	for line, want := range map[string]Cycle{
		"gc 7 @0.010s 4%: 0.11+0.40+0.021+0.30+0.05 ms clock, 0.2+0.5+0.02+0.1/0.05/0.3+0.1 ms cpu, 4->5->1 MB, 4 MB goal, 4 P": {
			Number: 7, At: ms(10), Share: 0.04, SweepTerm: ms(0.11), Concurrent: ms(0.4) + ms(0.021) + ms(0.3), MarkTerm: ms(0.05),
			Stopped: ms(0.2) + ms(0.1), Background: ms(0.5) + ms(0.02) + ms(0.05), Assist: ms(0.1), Idle: ms(0.3), Before: 4 * mb, After: 5 * mb, Live: mb, Goal: 4 * mb, Procs: 4},
		"gc 17 @1200.010s 0%: 0.018+1.1+0.014 ms clock, 0.07+0.9/0.5/0.2+0.05 ms cpu, 4->5->2 MB, 5 MB goal, 8 P (forced)": {
			Number: 17, At: 1200*time.Second + ms(10), SweepTerm: ms(0.018), Concurrent: ms(1.1), MarkTerm: ms(0.014),
			Stopped: ms(0.07) + ms(0.05), Assist: ms(0.9), Background: ms(0.5), Idle: ms(0.2), Before: 4 * mb, After: 5 * mb, Live: 2 * mb, Goal: 5 * mb, Procs: 8, Forced: true},
		"gc 2 @0.1s 25% (checking for goroutine leaks): 1+20+3 ms clock, 1+2/3/4+5 ms cpu, 40->50->20 MB, 50 MB goal, 3 MB stacks, 2 MB globals, 64 P": {
			Number: 2, At: ms(100), Share: 0.25, SweepTerm: ms(1), Concurrent: ms(20), MarkTerm: ms(3), Stopped: ms(6), Assist: ms(2), Background: ms(3), Idle: ms(4),
			Before: 40 * mb, After: 50 * mb, Live: 20 * mb, Goal: 50 * mb, Stacks: 3 * mb, Globals: 2 * mb, Procs: 64, LeakCheck: true},
	} {
		got, begun, ok := parseGC([]byte(line + ` "}`))
		if diff := cmp.Diff(want, got); diff != "" || !ok || !begun {
			t.Errorf("%s: %v (-want +got):\n%s", line, ok, diff)
		}
	}
	for line, want := range map[string]schedLine{
		"SCHED 0ms: gomaxprocs=1 idleprocs=0 threads=3 spinningthreads=0 idlethreads=0 runqueue=2 [3]":                                                  {0, 1, 0, 3, 0, 5},
		"SCHED 1002ms: gomaxprocs=4 idleprocs=4 threads=10 spinningthreads=1 needspinning=0 idlethreads=5 runqueue=0 [0 1 0 6]":                         {ms(1002), 4, 4, 10, 1, 7},
		"SCHED 9999999999ms: gomaxprocs=2 idleprocs=0 threads=5 spinningthreads=0 needspinning=1 idlethreads=2 runqueue=1 [ 10 20 ] schedticks=[ 7 9 ]": {ms(9999999999), 2, 0, 5, 0, 31},
		"SCHED 10ms: gomaxprocs=2 idleprocs=1 threads=5 spinningthreads=0 needspinning=0 idlethreads=2 runqueue=4 gcwaiting=false nmidlelocked=0":       {ms(10), 2, 1, 5, 0, 4},
	} {
		got, begun, ok := parseSched([]byte(line))
		if got != want || !ok || !begun {
			t.Errorf("%s: %+v, %v", line, got, ok)
		}
	}
}

// TestNotOurs holds what only looks alike to be nothing, and what is torn to be counted.
func TestNotOurs(t *testing.T) {
	const line = "gc 7 @0.010s 4%: 0.11+0.40+0.05 ms clock, 0.2+0.1/0.05/0.3+0.1 ms cpu, 4->5->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 4 P"
	for text, damaged := range map[string]bool{
		"":                              false,
		"the gc 7 @ work, gc gc gc":     false,
		"gc 1(1): 2+0+13 us, 0 -> 0 MB": false, // Go 1.4
		"scvg: inuse: 3, idle: 60 (MB)": false,
		"SCHED 10ms: gomaxprocs":        false,
		line[:40]:                       true,
		strings.Replace(line, "0.40", "2026/09/01 12:00:00 served\n0.40", 1):    true,
		strings.Replace(line, "4->5", "99999999999999999999->5", 1):             true,
		strings.Replace(line, "0.40+", "0.40+999999999999999.1+", 1):            true,
		"SCHED 10ms: gomaxprocs=2 idleprocs=1 threads=5 runqueue=":              true,
		"SCHED 10ms: gomaxprocs=2 idleprocs=1 threads=5 runqueue=0 [ 1 2 three": true,
	} {
		found := read(t, text)
		if len(found.GC)+len(found.Sched) > 0 || len(found.Problems) > 0 != damaged {
			t.Errorf("%q: %d processes, problems %v", text, len(found.GC)+len(found.Sched), found.Problems)
		}
	}
}

// cycle prints a collection as the runtime does.
func cycle(n int, at time.Duration, live int) string {
	return fmt.Sprintf("gc %d @%.3fs 1%%: 0.1+5.0+0.2 ms clock, 0.2+0.1/2/0.3+0.1 ms cpu, %d->%d->%d MB, %d MB goal, 0 MB stacks, 0 MB globals, 4 P",
		n, at.Seconds(), live*2, live*2, live, live*2)
}

// TestProcesses tells processes apart: restarts, pods, and lines that are not there.
func TestProcesses(t *testing.T) {
	at := func(i int) time.Duration { return time.Duration(i) * time.Second }
	stamp := func(d time.Duration) string {
		return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).Add(d).Format("2006-01-02T15:04:05.000Z07:00 ")
	}
	for name, c := range map[string]struct {
		write func(b *strings.Builder)
		want  []int64 // collections by process
		lost  int64   // missing in the first
	}{
		"restart": {func(b *strings.Builder) {
			for i := range 50 {
				fmt.Fprintln(b, cycle(i%30+1, at(i%30), 10))
			}
		}, []int64{30, 20}, 0},
		"two pods": {func(b *strings.Builder) {
			for i := range 20 {
				fmt.Fprintf(b, "web-a | %s\nweb-b | %s\n", cycle(i+1, at(i), 10), cycle(i+1, at(i), 90))
			}
		}, []int64{20, 20}, 0},
		"two processes of one shape, by their start": {func(b *strings.Builder) {
			for i := range 20 {
				fmt.Fprintf(b, "%sapp[71]: %s\n%sapp[72]: %s\n", stamp(at(i)), cycle(i+1, at(i), 10), stamp(at(i+600)), cycle(i+1, at(i), 90))
			}
		}, []int64{20, 20}, 0},
		"restart seen by the clock": {func(b *strings.Builder) {
			fmt.Fprintf(b, "%s%s\n%s%s\n", stamp(0), cycle(1, at(1), 10), stamp(at(900)), cycle(5, at(2), 10))
		}, []int64{1, 1}, 0},
		"a machine that slept": {func(b *strings.Builder) {
			fmt.Fprintf(b, "%s%s\n%s%s\n", stamp(0), cycle(1, at(1), 10), stamp(at(900)), cycle(2, at(2), 10))
		}, []int64{2}, 0},
		"lines dropped": {func(b *strings.Builder) {
			for i := range 20 {
				fmt.Fprintln(b, cycle(3*i+1, at(i), 10))
			}
		}, []int64{20}, 38},
	} {
		var b strings.Builder
		c.write(&b)
		found := read(t, b.String())
		var got []int64
		for _, g := range found.GC {
			got = append(got, g.Total.Cycles)
		}
		if !cmp.Equal(got, c.want) || found.GC[0].Missing != c.lost {
			t.Errorf("%s: %v, want %v; %d missing", name, got, c.want, found.GC[0].Missing)
		}
	}
}

// TestFold keeps the sums of a long series exact in few windows.
func TestFold(t *testing.T) {
	const n = 10_000
	var r Reader
	for i := range n {
		r.Line(i+1, []byte(cycle(i+1, time.Duration(i)*100*time.Millisecond, 100+i/100)), logline.Any)
	}
	g := r.Close().GC[0]
	if g.Total.Cycles != n || g.Total.Busy != n*5300*time.Microsecond || len(g.Windows) > maxWindows || len(g.Windows) < maxWindows/2 {
		t.Errorf("%d windows, total %+v", len(g.Windows), g.Total)
	}
	var sum int64
	for i, w := range g.Windows {
		sum += w.Cycles
		if i > 0 && (w.From <= g.Windows[i-1].From || w.Live < g.Windows[i-1].Live) {
			t.Errorf("window %d out of order", i)
		}
	}
	if sum != n || len(g.Longest) != maxLongest {
		t.Errorf("%d in windows, %d longest", sum, len(g.Longest))
	}
}

func FuzzReader(f *testing.F) {
	f.Add(cycle(1, time.Second, 10) + "\n" + cycle(2, 2*time.Second, 10))
	f.Add("SCHED 10ms: gomaxprocs=2 idleprocs=1 threads=5 spinningthreads=0 needspinning=0 idlethreads=2 runqueue=4 [ 1 2 ] schedticks=[ 1 2 ]")
	f.Add(`{"log":"gc 1 @0.1s 1%: 1+2+3 ms clock, 1+2/3/4+5 ms cpu, 1->2->3 MB, 4 MB goal, 5 P\n","time":"2026-09-01T12:00:00Z"}`)
	f.Fuzz(func(t *testing.T, text string) {
		found := read(t, text)
		for _, g := range found.GC {
			if g.Total.Cycles < 1 || g.Lines[0] < 1 || g.Lines[1] < g.Lines[0] || g.Missing < 0 {
				t.Errorf("%+v", g)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for name, line := range map[string]string{
		"log":     "2026-09-01T12:00:00Z INFO served request=42 path=/orders/1234567 took=12ms gc",
		"gctrace": "2026-09-01T12:00:00Z " + cycle(1, time.Second, 10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			var r Reader
			for b.Loop() {
				r.Line(1, []byte(line), logline.Scan([]byte(line)))
			}
		})
	}
}

// TestTornLines has output of the program that does not end its line stand before ours: no second process began.
func TestTornLines(t *testing.T) {
	gc := func(n int) string {
		return fmt.Sprintf("gc %d @%d.010s 4%%: 0.11+0.40+0.021 ms clock, 0.2+0.5/0.1/0.3+0.1 ms cpu, 4->5->1 MB, 4 MB goal, 4 P", n, n)
	}
	sched := func(n int) string {
		return fmt.Sprintf("SCHED %d003ms: gomaxprocs=2 idleprocs=1 threads=5 spinningthreads=0 idlethreads=2 runqueue=4 [0 0]", n)
	}
	for name, carry := range carriers {
		var b strings.Builder
		for i := 1; i <= 9; i++ {
			before := ""
			if i == 4 || i == 9 {
				before = fmt.Sprintf("%d orders so far ", i)
			}
			b.WriteString(carry(i, before+gc(i)) + "\n" + carry(i, before+sched(i)) + "\n")
		}
		found := read(t, b.String())
		if len(found.GC) != 1 || len(found.Sched) != 1 || found.GC[0].Total.Cycles != 9 || found.GC[0].Missing != 0 || found.Sched[0].Total.Samples != 9 {
			t.Errorf("%s: %d and %d processes, %+v", name, len(found.GC), len(found.Sched), found.Problems)
		}
	}
	// Another process begins with its own numbers, whatever stands before its lines.
	text := ""
	for i := range 5 {
		text += sched(i) + "\n" + gc(i+1) + "\n"
		if i >= 2 {
			text += "web | " + sched(i-2) + "\nweb | " + gc(i-1) + "\n"
		}
	}
	if found := read(t, text); len(found.GC) != 2 || len(found.Sched) != 2 {
		t.Errorf("%d and %d processes, want 2 of each", len(found.GC), len(found.Sched))
	}
}

// Numbers that no runtime prints are damage, and no sum of those it could print wraps.
func TestExtremeLines(t *testing.T) {
	gc := "gc %d @%s 4%%: 0.018+%s+0.014 ms clock, 0.07+0.9/0.5/0.2+0.05 ms cpu, 4->5->%s MB, 5 MB goal, 0 MB stacks, 0 MB globals, 4 P"
	var r Reader
	n := 0
	for range 5000 {
		n++
		r.Line(n, fmt.Appendf(nil, gc, n, "300000000.000s", "300000000000", "900000000000"), logline.Any)
	}
	for _, line := range []string{
		"gc 1 @0.1s 101%: 0+1+0 ms clock, 0+0/0/0+0 ms cpu, 4->5->2 MB, 5 MB goal, 4 P",
		"gc 1 @0.1s 1%: 0+300000000000+300000000000+0 ms clock, 0+0/0/0+0 ms cpu, 4->5->2 MB, 5 MB goal, 4 P",
		"gc 1 @0.1s 1%: 0+1+0 ms clock, 0+0/0/0+0 ms cpu, 4->5->2 MB, 5 MB goal, 99999999 P",
		"SCHED 1ms: gomaxprocs=2 idleprocs=3 threads=5 spinningthreads=1 runqueue=3 [ 1 0 ]",
		"SCHED 1ms: gomaxprocs=2 idleprocs=0 threads=5 spinningthreads=9 runqueue=3 [ 1 0 ]",
	} {
		n++
		r.Line(n, []byte(line), logline.Any)
	}
	for range 5000 {
		n++
		r.Line(n, []byte("SCHED 300000000000ms: gomaxprocs=2 idleprocs=1 threads=999999999999 spinningthreads=1 runqueue=999999999999 [ 999999999999 999999999999 ]"), logline.Any)
	}
	found := r.Close()
	if len(found.GC) != 1 || len(found.Sched) != 1 || len(found.Problems) != 1 || !strings.HasPrefix(found.Problems[0].String(), "5 lines") {
		t.Fatalf("%d and %d processes, %q", len(found.GC), len(found.Sched), found.Problems)
	}
	g, s := found.GC[0].Total, found.Sched[0].Total
	if g.Cycles != 5000 || g.Busy <= 0 || g.Paused <= 0 || g.Live < 800_000_000_000<<20 || g.To < g.From {
		t.Errorf("%+v", g)
	}
	if s.Samples != 5000 || s.Queued < s.MostQueued || s.Threads < 0 {
		t.Errorf("%+v", s)
	}
}
