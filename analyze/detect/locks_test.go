package detect

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// printed parses frames as a dump prints them, with the line behind a colon:
// "main.(*S).Get(c000,1?):12", "sync.(*Mutex).Lock(...)".
func printed(lines ...string) []dump.Frame {
	var out []dump.Frame
	for _, line := range lines {
		var f dump.Frame
		open := strings.LastIndexByte(line, '(')
		shut := strings.LastIndexByte(line, ')')
		f.Function, f.File = line[:open], "file.go"
		if n, ok := strings.CutPrefix(line[shut+1:], ":"); ok {
			f.Line, _ = strconv.Atoi(n)
		}
		for _, word := range strings.Split(line[open+1:shut], ",") {
			if word == "..." {
				f.Inlined = true
				continue
			}
			hex, stale := strings.CutSuffix(word, "?")
			if v, err := strconv.ParseUint(hex, 16, 64); err == nil {
				if stale {
					f.Stale |= 1 << len(f.Args)
				}
				f.Args = append(f.Args, v)
			}
		}
		out = append(out, f)
	}
	return out
}

// gone is a goroutine of a dump.
func gone(id int64, state string, frames ...string) dump.Goroutine {
	return dump.Goroutine{ID: id, State: state, Frames: printed(frames...)}
}

// for an age in minutes.
func aged(minutes int, g dump.Goroutine) dump.Goroutine {
	g.Wait = time.Duration(minutes) * time.Minute
	return g
}

// inMutex is a goroutine that waits for the mutex at an address (Go 1.24 and later).
func inMutex(id int64, addr string, callers ...string) dump.Goroutine {
	return gone(id, "sync.Mutex.Lock", append([]string{
		"internal/sync.runtime_SemacquireMutex(0?,0?,0?)", "internal/sync.(*Mutex).lockSlow(" + addr + ")",
		"internal/sync.(*Mutex).Lock(...)", "sync.(*Mutex).Lock(...)"}, callers...)...)
}

// inRead is a reader that waits; RLock is inlined and prints no address.
func inRead(id int64, callers ...string) dump.Goroutine {
	return gone(id, "sync.RWMutex.RLock", append([]string{"sync.runtime_SemacquireRWMutexR(0?,0?,0?)", "sync.(*RWMutex).RLock(...)"}, callers...)...)
}

// inWrite is the writer that waits for readers to leave.
func inWrite(id int64, callers ...string) dump.Goroutine {
	return gone(id, "sync.RWMutex.Lock", append([]string{"sync.runtime_SemacquireRWMutex(0?,0?,0?)", "sync.(*RWMutex).Lock(0?)"}, callers...)...)
}

// behindWriter is a writer that waits behind another one: it shows Mutex.Lock.
func behindWriter(id int64, addr string, callers ...string) dump.Goroutine {
	return inMutex(id, addr, append([]string{"sync.(*RWMutex).Lock(0?)"}, callers...)...)
}

// many repeats a goroutine n times with numbers from id on.
func many(n int, id int64, g dump.Goroutine) []dump.Goroutine {
	out := make([]dump.Goroutine, n)
	for i := range out {
		out[i] = g
		out[i].ID = id + int64(i)
	}
	return out
}

func join(parts ...[]dump.Goroutine) *evidence.Exhibit {
	var all []dump.Goroutine
	for _, p := range parts {
		all = append(all, p...)
	}
	return dumped(all...)
}

func one(g ...dump.Goroutine) []dump.Goroutine { return g }

// contended is waiting of a mutex or block profile.
func contended(count int64, delay time.Duration, names ...string) row {
	return row{values: []int64{count, int64(delay)}, stack: frames(names...)}
}

// over gives a profile a duration, as ?seconds= does.
func over(d time.Duration, e *evidence.Exhibit) *evidence.Exhibit {
	e.Profile.Duration, e.Duration = d, d
	return e
}

// unlockedAt and lockedAt are stacks of a mutex and a block profile.
func unlockedAt(callers ...string) []string {
	return append([]string{"sync.(*Mutex).Unlock"}, callers...)
}

func lockedAt(callers ...string) []string {
	return append([]string{"internal/sync.(*Mutex).Lock", "sync.(*Mutex).Lock"}, callers...)
}

// waited is n waits of a trace for d each, the last of them still open when open is set.
func waited(class wait.Class, n int, d time.Duration, open int64, names ...string) exectrace.Wait {
	return exectrace.Wait{Reason: "sync", Class: class, Stack: frames(names...), Count: int64(n), Open: open, Total: time.Duration(n) * d, Max: d,
		Times: histogram(n, d), Worst: []exectrace.Span{{Interval: exectrace.Interval{From: 1, To: 1 + d}, Goroutine: 7}}}
}

// fourProcs says that a case ran on four processors that had time to spare.
func fourProcs() *evidence.Exhibit {
	return traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
}

func TestLockOf(t *testing.T) {
	for _, c := range []struct {
		stack  []string
		kind   string
		unlock bool
		site   string
	}{
		{lockedAt("main.f"), lockMutex, false, "main.f"},
		{[]string{"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "main.f"}, lockWrite, false, "main.f"},
		{[]string{"sync.runtime_SemacquireMutex", "sync.(*Mutex).lockSlow", "main.f"}, lockMutex, false, "main.f"},
		{[]string{"sync.(*RWMutex).RLock", "sync.(*rlocker).Lock", "main.f"}, lockRead, false, "main.f"},
		{[]string{"sync.(*RWMutex).Unlock (partial-inline)", "main.f"}, lockWrite, true, "main.f"},
		{[]string{"sync.(*Mutex).unlockSlow", "sync.(*Mutex).Unlock", "sync.(*RWMutex).Unlock", "main.f"}, lockWrite, true, "main.f"},
		{[]string{"sync.(*RWMutex).RUnlock", "main.f"}, lockRead, true, "main.f"},
		{append(lockedAt(), "sync.(*Once).doSlow", "sync.(*Once).Do", "main.f"), lockOnce, false, "main.f"},
		{append(lockedAt(), "sync.(*Cond).Wait", "main.f"), lockMutex, false, "main.f"}, // woken, and asking for its lock again
		{[]string{"internal/poll.runtime_Semacquire", "internal/poll.(*fdMutex).rwlock", "internal/poll.(*FD).writeLock", "internal/poll.(*FD).Write", "os.(*File).Write", "log.(*Logger).output"}, lockFileIO, false, "log.(*Logger).output"},
		{[]string{"sync.runtime_notifyListWait", "sync.(*Cond).Wait", "main.f"}, "", false, ""},
		{[]string{"sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.f"}, "", false, ""},
		{[]string{"runtime.semacquire1", "sync.runtime_Semacquire", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.f"}, "", false, ""},
		{[]string{"runtime.chanrecv1", "main.f"}, "", false, ""},
		{[]string{"time.Sleep", "main.f", "sync.(*Once).doSlow", "sync.(*Once).Do"}, "", false, ""},
		{nil, "", false, ""},
	} {
		s := frames(c.stack...)
		use := lockOf(s)
		if use.kind != c.kind || use.unlock != c.unlock {
			t.Errorf("%v: kind %q unlock %v, want %q %v", c.stack, use.kind, use.unlock, c.kind, c.unlock)
		}
		if c.kind != "" && s[use.above:].Site().Function != c.site {
			t.Errorf("%v: site %q, want %q", c.stack, s[use.above:].Site().Function, c.site)
		}
	}
}

func TestLocksOf(t *testing.T) {
	// The dump of a real program, in the words of Go 1.26: a mutex, an RWMutex with a
	// writer for readers, a second writer and readers, and a woken waiter.
	d := join(one(
		inMutex(1, "c008", "main.(*S).Wait(0?):24"),
		inMutex(2, "c008", "main.(*S).lock(...):22", "main.(*S).Put(c000):25"),
		gone(3, "sleep", "time.Sleep(1)", "main.(*S).Put(c000):27"),
		inWrite(4, "main.(*S).Reload(d000):30"),
		behindWriter(5, "d010", "main.(*S).Reload(d000):30"),
		inRead(6, "main.(*S).Get(d000):35"),
		inRead(7, "main.(*S).Get(e000):35"),
		gone(8, "runnable", "internal/sync.(*Mutex).lockSlow(f008)", "sync.(*Mutex).Lock(...)", "main.g():1"),
		inMutex(9, "f008", "main.g():1"),
	)).Dump
	var got []string
	for _, l := range locksOf(d) {
		line := fmt.Sprintf("%x %s waiters", l.addr, l.variant())
		for _, w := range l.waiters {
			line += fmt.Sprintf(" %d", w.g.ID)
		}
		for _, h := range l.holders {
			line += fmt.Sprintf(" holder %d at %s", h.g.ID, h.site().Function)
		}
		if l.woken > 0 {
			line += " woken"
		}
		got = append(got, line)
	}
	want := []string{
		"d010 rwmutex-write waiters 5 4 6",
		"c008 mutex waiters 1 2 holder 3 at main.(*S).Put",
		"f008 mutex waiters 9 woken",
		"0 rwmutex-read waiters 7",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestKnownIdle(t *testing.T) {
	for _, c := range []struct {
		class wait.Class
		stack []string
		want  bool
	}{
		{wait.Network, []string{"internal/poll.runtime_pollWait", "net.(*netFD).accept", "net.(*TCPListener).Accept", "net/http.(*Server).Serve", "main.main"}, true},
		{wait.Network, []string{"internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*connReader).Read", "bufio.(*Reader).Peek", "net/http.(*conn).serve"}, true},
		{wait.Network, []string{"internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*connReader).Read", "main.handle", "net/http.HandlerFunc.ServeHTTP", "net/http.(*conn).serve"}, false},
		{wait.Network, []string{"internal/poll.(*FD).Read", "net/http.(*persistConn).Read", "net/http.(*persistConn).readLoop"}, true},
		{wait.Select, []string{"net/http.(*persistConn).writeLoop"}, true},
		{wait.Select, []string{"net/http.(*persistConn).roundTrip", "main.call"}, false},
		{wait.ChanRecv, []string{"os/signal.signal_recv", "os/signal.loop"}, true},
		{wait.Sleep, []string{"time.Sleep", "main.poll"}, true},
		{wait.Select, []string{"database/sql.(*DB).connectionOpener"}, true},
		{wait.Mutex, append(lockedAt(), "net/http.(*persistConn).readLoop"), false},
		{wait.ChanSend, []string{"main.f", "testing.tRunner"}, false},
		{wait.ChanRecv, []string{"testing.(*T).Run", "testing.tRunner"}, true},
	} {
		if got := knownIdle(c.class, frames(c.stack...)); got != c.want {
			t.Errorf("%s %v: %v, want %v", c.class, c.stack, got, c.want)
		}
	}
}

func TestLeafClassIsThatOfTheState(t *testing.T) {
	for want, names := range map[wait.Class][]string{
		wait.ChanSend:  {"runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.f"},
		wait.ChanRecv:  {"runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.f"},
		wait.Select:    {"runtime.gopark", "runtime.selectgo", "main.f"},
		wait.Network:   {"runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait", "main.f"},
		wait.Sleep:     {"runtime.gopark", "time.Sleep", "main.f"},
		wait.Cond:      {"runtime.gopark", "runtime.goparkunlock", "sync.runtime_notifyListWait", "sync.(*Cond).Wait", "main.f"},
		wait.WaitGroup: {"runtime.gopark", "runtime.semacquire1", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.f"},
		wait.Mutex:     {"runtime.gopark", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "main.f"},
		wait.RWRead:    {"runtime.gopark", "runtime.semacquire1", "sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.f"},
		wait.Sync:      {"runtime.gopark", "runtime.semacquire1", "sync.runtime_Semacquire", "main.f"},
		wait.Syscall:   {"syscall.Syscall", "syscall.read", "main.f"},
		wait.Class(""): {"main.f", "main.g"},
	} {
		if got := leafClass(frames(names...)); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
}

func TestTypeAndHelperNames(t *testing.T) {
	for name, want := range map[string]bool{"main.(*S).lock": true, "main.(*S).RLock": true, "main.lock": true, "main.(*S).Locker": false, "main.(*S).Unlock": false, "main.(*S).Block": false} {
		if got := lockHelper(name); got != want {
			t.Errorf("lockHelper(%q) = %v", name, got)
		}
	}
	if got := typeOf("main.(*Cache[...]).Get"); got != "main.(*Cache[...])" {
		t.Errorf("typeOf = %q", got)
	}
	if s := (stack.Stack{}); lockOf(s).kind != "" {
		t.Error("an empty stack stands in no lock")
	}
}

// TestLocksOfIsLinear holds the search to a bound: hundreds of thousands of frames, and
// a lock for each of many goroutines, are read in a moment.
func TestLocksOfIsLinear(t *testing.T) {
	var all []dump.Goroutine
	for i := range 5_000 {
		all = append(all, inMutex(int64(i), fmt.Sprintf("%x", 0xc000000+i*64), fmt.Sprintf("main.(*S).Put(%x):9", 0xc000000+i*64), "main.handle():3"))
	}
	start := time.Now()
	locks := locksOf(dumped(all...).Dump)
	if len(locks) != 5_000 || time.Since(start) > 5*time.Second {
		t.Errorf("%d locks in %v", len(locks), time.Since(start))
	}
	if last := locks[len(locks)-1]; !last.unread {
		t.Error("the search has no bound")
	}
}

// TestOddDumps runs every detector on dumps put together at random from frames
// of locks, channels and callers: none may panic, and each says the same twice.
func TestOddDumps(t *testing.T) {
	pool := []string{"internal/sync.(*Mutex).lockSlow(c008)", "internal/sync.(*Mutex).lockSlow(d008?)", "sync.(*Mutex).Lock(...)", "sync.(*RWMutex).Lock(c008)", "sync.(*RWMutex).RLock(...)",
		"sync.(*Once).doSlow(c000,1)", "sync.(*Once).Do(...)", "main.(*S).Put(c000):9", "main.(*S).Put(c000):12", "main.(*S).Get(d000,c000):9", "main.(*S).lock(...):3", "main.f():1", "main.f():2", "(1)",
		"sync.(*WaitGroup).Wait(c000)", "net/http.(*conn).serve(1)", "internal/poll.(*fdMutex).rwlock(f000,1)", "runtime.gopark(...)", "sync.(*Mutex).Unlock(...)"}
	states := []string{"sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "semacquire", "chan send", "chan receive", "select", "IO wait", "sleep", "running", "runnable", "", "sync.Cond.Wait"}
	found := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		make := func() []*evidence.Exhibit {
			var out []*evidence.Exhibit
			for range 1 + r.IntN(3) {
				var all []dump.Goroutine
				for i := range r.IntN(300) {
					var f []string
					for range r.IntN(6) {
						f = append(f, pool[r.IntN(len(pool))])
					}
					g := gone(int64(i), states[r.IntN(len(states))], f...)
					g.Wait, g.Leaked = time.Duration(r.IntN(3))*time.Minute, r.IntN(20) == 0
					all = append(all, g)
				}
				out = append(out, dumped(all...))
			}
			return out
		}
		for _, d := range All {
			exhibits := make()
			first, again := judge(t, d, exhibits...), judge(t, d, exhibits...)
			if diff := cmp.Diff(first.all.Findings, again.all.Findings, cmpopts.IgnoreUnexported(claim.Finding{})); diff != "" {
				t.Errorf("seed %d: %s says two things of the same dumps:\n%s", seed, d.ID, diff)
			}
			found += len(first.all.Findings)
		}
	}
	if found == 0 {
		t.Error("nothing was found in any of them: they are too odd to test anything")
	}
}
