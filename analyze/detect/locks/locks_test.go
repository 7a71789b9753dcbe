package locks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// inRead is a reader that waits; RLock is inlined and prints no address.
func inRead(id int64, callers ...string) dump.Goroutine {
	return Goroutine(id, "sync.RWMutex.RLock", append([]string{"sync.runtime_SemacquireRWMutexR(0?,0?,0?)", "sync.(*RWMutex).RLock(...)"}, callers...)...)
}

// inWrite is the writer that waits for readers to leave.
func inWrite(id int64, callers ...string) dump.Goroutine {
	return Goroutine(id, "sync.RWMutex.Lock", append([]string{"sync.runtime_SemacquireRWMutex(0?,0?,0?)", "sync.(*RWMutex).Lock(0?)"}, callers...)...)
}

// behindWriter is a writer that waits behind another one: it shows Mutex.Lock.
func behindWriter(id int64, addr string, callers ...string) dump.Goroutine {
	return InMutex(id, addr, append([]string{"sync.(*RWMutex).Lock(0?)"}, callers...)...)
}

func TestLockOf(t *testing.T) {
	for _, c := range []struct {
		stack  []string
		kind   string
		unlock bool
		site   string
	}{
		{LockedAt("main.f"), wait.LockMutex, false, "main.f"},
		{[]string{"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "main.f"}, wait.LockWrite, false, "main.f"},
		{[]string{"sync.runtime_SemacquireMutex", "sync.(*Mutex).lockSlow", "main.f"}, wait.LockMutex, false, "main.f"},
		{[]string{"sync.(*RWMutex).RLock", "sync.(*rlocker).Lock", "main.f"}, wait.LockRead, false, "main.f"},
		{[]string{"sync.(*RWMutex).Unlock (partial-inline)", "main.f"}, wait.LockWrite, true, "main.f"},
		{[]string{"sync.(*Mutex).unlockSlow", "sync.(*Mutex).Unlock", "sync.(*RWMutex).Unlock", "main.f"}, wait.LockWrite, true, "main.f"},
		{[]string{"sync.(*RWMutex).RUnlock", "main.f"}, wait.LockRead, true, "main.f"},
		{append(LockedAt(), "sync.(*Once).doSlow", "sync.(*Once).Do", "main.f"), wait.LockOnce, false, "main.f"},
		{append(LockedAt(), "sync.(*Cond).Wait", "main.f"), wait.LockMutex, false, "main.f"}, // woken, and asking for its lock again
		{[]string{"internal/poll.runtime_Semacquire", "internal/poll.(*fdMutex).rwlock", "internal/poll.(*FD).writeLock", "internal/poll.(*FD).Write", "os.(*File).Write", "log.(*Logger).output"}, wait.LockFile, false, "log.(*Logger).output"},
		{[]string{"sync.runtime_notifyListWait", "sync.(*Cond).Wait", "main.f"}, "", false, ""},
		{[]string{"sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.f"}, "", false, ""},
		{[]string{"runtime.semacquire1", "sync.runtime_Semacquire", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.f"}, "", false, ""},
		{[]string{"runtime.chanrecv1", "main.f"}, "", false, ""},
		{[]string{"time.Sleep", "main.f", "sync.(*Once).doSlow", "sync.(*Once).Do"}, "", false, ""},
		{nil, "", false, ""},
	} {
		s := Frames(c.stack...)
		use := wait.LockOf(s)
		if use.Kind != c.kind || use.Unlock != c.unlock {
			t.Errorf("%v: kind %q unlock %v, want %q %v", c.stack, use.Kind, use.Unlock, c.kind, c.unlock)
		}
		if c.kind != "" && s[use.Above:].Site().Function != c.site {
			t.Errorf("%v: site %q, want %q", c.stack, s[use.Above:].Site().Function, c.site)
		}
	}
}

func TestLocksOf(t *testing.T) {
	// The dump of a real program, in the words of Go 1.26: a mutex, an RWMutex with a
	// writer for readers, a second writer and readers, and a woken waiter.
	d := Join(One(
		InMutex(1, "c008", "main.(*S).Wait(0?):24"),
		InMutex(2, "c008", "main.(*S).lock(...):22", "main.(*S).Put(c000):25"),
		Goroutine(3, "sleep", "time.Sleep(1)", "main.(*S).Put(c000):27"),
		inWrite(4, "main.(*S).Reload(d000):30"),
		behindWriter(5, "d010", "main.(*S).Reload(d000):30"),
		inRead(6, "main.(*S).Get(d000):35"),
		inRead(7, "main.(*S).Get(e000):35"),
		Goroutine(8, "runnable", "internal/sync.(*Mutex).lockSlow(f008)", "sync.(*Mutex).Lock(...)", "main.g():1"),
		InMutex(9, "f008", "main.g():1"),
	)).Dump()
	var got []string
	for _, l := range reading.Locks(d) {
		line := fmt.Sprintf("%x %s waiters", l.Addr, l.Variant())
		for _, w := range l.Waiters {
			line += fmt.Sprintf(" %d", w.G.ID)
		}
		for _, h := range l.Holders {
			line += fmt.Sprintf(" holder %d at %s", h.G.ID, h.Site().Function)
		}
		if l.Woken > 0 {
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
		{wait.Mutex, append(LockedAt(), "net/http.(*persistConn).readLoop"), false},
		{wait.ChanSend, []string{"main.f", "testing.tRunner"}, false},
		{wait.ChanRecv, []string{"testing.(*T).Run", "testing.tRunner"}, true},
	} {
		if got := wait.Idle(c.class, Frames(c.stack...)); got != c.want {
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
		if got := wait.OfStack(Frames(names...)); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
}

// TestLocksOfIsLinear holds the search to a bound: hundreds of thousands of frames, and
// a lock for each of many goroutines, are read in a moment.
func TestLocksOfIsLinear(t *testing.T) {
	var all []dump.Goroutine
	for i := range 5_000 {
		all = append(all, InMutex(int64(i), fmt.Sprintf("%x", 0xc000000+i*64), fmt.Sprintf("main.(*S).Put(%x):9", 0xc000000+i*64), "main.handle():3"))
	}
	start := time.Now()
	locks := reading.Locks(Dumped(all...).Dump())
	if len(locks) != 5_000 || time.Since(start) > 5*time.Second {
		t.Errorf("%d locks in %v", len(locks), time.Since(start))
	}
	if last := locks[len(locks)-1]; !last.Unread {
		t.Error("the search has no bound")
	}
}
