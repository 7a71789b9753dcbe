package waits

import (
	"fmt"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/wait"
)

func TestGoroutinePileupDump(t *testing.T) {
	inLock := func(n int) []dump.Goroutine { return Many(n, 1000, InMutex(0, "c008", "main.(*S).Put(c000):9", Serve)) }
	busy := func(n int) []dump.Goroutine { return Many(n, 1, Goroutine(0, "runnable", "main.work():1")) }
	crowd := func(n int, state string, f ...string) []dump.Goroutine {
		return Many(n, 5000, Goroutine(0, state, f...))
	}
	ExpectAll(t, GoroutinePileup, []Expect{
		{"ninety-nine", Of(Join(inLock(99))), claim.Found, "critical main.(*S).Put"},
		{"a hundred", Of(Join(inLock(100))), claim.Found, "critical main.(*S).Put"},
		{"a hundred, less than half of those not idle", Of(Join(inLock(100), busy(101))), claim.Found, "critical main.(*S).Put"},
		{"a hundred, half of those not idle", Of(Join(inLock(100), busy(100))), claim.Found, "critical main.(*S).Put"},
		{"a hundred among thousands of parked workers", Of(Join(inLock(100), crowd(5000, "chan receive", "main.worker():3"))), claim.Found, "critical main.(*S).Put"},
		{"twenty for each of four processors", Of(Join(inLock(80), busy(200)), FourProcs()), claim.Found, "critical main.(*S).Put"},
		{"seventy-nine", Of(Join(inLock(79), busy(200)), FourProcs()), claim.Found, "critical main.(*S).Put"},
		{"a thousand", Of(Join(inLock(1000))), claim.Found, "critical main.(*S).Put"},
		{"workers parked at a receive", Of(Join(crowd(5000, "chan receive", "main.worker():3"))), claim.Clear, ""},
		{"workers parked at a select, for hours", Of(Join(Many(5000, 10, Aged(200, Goroutine(0, "select", "main.worker():3"))))), claim.Clear, ""},
		{"workers parked at a condition", Of(Join(crowd(5000, "sync.Cond.Wait", "sync.runtime_notifyListWait(c050)", "sync.(*Cond).Wait(0?)", "main.worker():3"))), claim.Clear, ""},
		{"connections kept alive", Of(Join(crowd(5000, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "bufio.(*Reader).Peek(1)", Serve))), claim.Clear, ""},
		{"both halves of client connections", Of(Join(crowd(2000, "IO wait", "internal/poll.(*FD).Read(1)", "net/http.(*persistConn).readLoop(1)"), crowd(2000, "select", "net/http.(*persistConn).writeLoop(1)"))), claim.Clear, ""},
		{"sleepers", Of(Join(crowd(5000, "sleep", "time.Sleep(1)", "main.poll():3"))), claim.Clear, ""},
		{"handlers that wait for events", Of(Join(crowd(5000, "select", "main.events():3", Serve))), claim.Found, "info main.events"},
		{"a batch behind a semaphore", Of(Join(crowd(5000, "chan send", "main.run.func1():3"))), claim.Found, "info main.run"},
		{"requests behind a semaphore", Of(Join(crowd(500, "chan send", "main.handle():3", Serve))), claim.Found, "critical main.handle"},
		{"requests that wait for a database connection", Of(Join(crowd(500, "select", "database/sql.(*DB).conn(1)", "database/sql.(*DB).query(1)", "main.handle():3", Serve))), claim.Found, "critical main.handle"},
		{"requests that fan out to helpers of their own", Of(Join(Many(300, 1, Goroutine(0, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(0?)", "main.handle():3", Serve)))), claim.Found, "info main.handle"},
		{"requests that wait for the network for a moment", Of(Join(crowd(500, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "main.call():3", "main.handle():9", Serve))), claim.Found, "info main.call"},
		{"and for a minute", Of(Join(Many(500, 1, Aged(1, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "github.com/lib/pq.(*conn).recv1Buf(1)", "main.call():3", "main.handle():9", Serve))))), claim.Found, "critical github.com/lib/pq.(*conn).recv1Buf"},
		{"connections that handlers have taken over, silent for a minute", Of(Join(Many(500, 1, Aged(1, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "main.(*conn).readFrame():3", "main.handle():9", Serve))))), claim.Found, "info main.(*conn).readFrame"},
		{"readers and writers of one lock are one crowd", Of(Join(crowd(60, "sync.RWMutex.RLock", "sync.runtime_SemacquireRWMutexR(1)", "sync.(*RWMutex).RLock(...)", "main.(*S).get(a000):3"), crowd(50, "sync.RWMutex.Lock", "sync.runtime_SemacquireRWMutex(1)", "sync.(*RWMutex).Lock(a010)", "main.(*S).put(a000):9"))), claim.Found, "critical main.(*S).get"},
	})
}

// TestGoroutinePileupGates holds one crowd at few wait groups apart from requests that each wait
// for helpers of their own, by the addresses of what they wait for.
func TestGoroutinePileupGates(t *testing.T) {
	// n goroutines in turn at so many wait groups; none prints one when there are 0.
	waiting := func(n, groups int, callers ...string) []dump.Goroutine {
		var out []dump.Goroutine
		for i := range n {
			arg := "0?"
			if groups > 0 {
				arg = fmt.Sprintf("%x", 0xc000+16*(i%groups))
			}
			out = append(out, Goroutine(int64(1+i), "sync.WaitGroup.Wait", append([]string{"sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(" + arg + ")"}, callers...)...))
		}
		return out
	}
	request := []string{"main.look():3", Serve}
	ExpectAll(t, GoroutinePileup, []Expect{
		{"all at one", Of(Join(waiting(100, 1, request...))), claim.Found, "critical main.look"},
		{"ten at each", Of(Join(waiting(100, 10, request...))), claim.Found, "critical main.look"},
		{"fewer than ten at each", Of(Join(waiting(100, 11, request...))), claim.Found, "info main.look"},
		{"one at each: fan-out", Of(Join(waiting(100, 100, request...))), claim.Found, "info main.look"},
		{"addresses unknown", Of(Join(waiting(2000, 0, request...))), claim.Found, "info main.look"},
		{"a thousand at one", Of(Join(waiting(1000, 1, request...))), claim.Found, "critical main.look"},
		{"not in requests: a batch at its barrier", Of(Join(waiting(1000, 1, "main.look():3"))), claim.Found, "info main.look"},
		{"ninety-nine at one, all there are", Of(Join(waiting(99, 1, request...))), claim.Found, "info main.look"},
		{"nineteen", Of(Join(waiting(19, 1, request...))), claim.Found, "info main.look"},
		{"thirty, and a few others at work", Of(Join(waiting(30, 1, request...), Many(4, 500, Goroutine(0, "running", "main.work():1", Serve)))), claim.Found, "info main.look"},
	})
}

// TestGoroutinePileupBodies holds requests that wait for the rest of a body apart from a busy proxy's.
func TestGoroutinePileupBodies(t *testing.T) {
	body := func(reader ...string) []string {
		return append([]string{"internal/poll.runtime_pollWait(1)", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "net/http.(*body).Read(1)"}, append(reader, "main.handle():3", Serve)...)
	}
	upload := func(n int, step int64, reader ...string) []dump.Goroutine {
		out := Many(n, 1000, Goroutine(0, "IO wait", body(reader...)...))
		for i := range out {
			out[i].ID = 1000 + int64(i)*step
		}
		return out
	}
	answer := func(n int64, reader ...string) pprofile.Sample {
		names := append([]string{"runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait", "net.(*conn).Read", "net/http.(*body).Read", "net/http.(*bodyEOFSignal).Read"}, reader...)
		return SampleOf(n, append(names, "main.call", "net/http.(*conn).serve")...)
	}
	ExpectAll(t, GoroutinePileup, []Expect{
		{"read to the end, and nothing has ended since", Of(Join(upload(50, 1, "io.ReadAll(1)"))), claim.Found, "critical main.handle"},
		{"forty-nine", Of(Join(upload(49, 1, "io.ReadAll(1)"))), claim.Found, "info main.handle"},
		{"taken as it comes", Of(Join(upload(50, 1, "bufio.(*Scanner).Scan(1)"))), claim.Found, "info main.handle"},
		{"others have ended since, and these are the latest", Of(Join(upload(50, 2, "io.ReadAll(1)"))), claim.Found, "info main.handle"},
		{"from the first to the last that came, among others that ended", Of(Join(upload(50, 200, "io.ReadAll(1)"))), claim.Found, "critical main.handle"},
		{"answers that have begun", Of(Counted(0, answer(50, "io.ReadAll"))), claim.Found, "critical main.call"},
		{"by a client with a Timeout", Of(Counted(0, answer(50, "net/http.(*cancelTimerBody).Read", "io.ReadAll"))), claim.Found, "info main.call"},
		{"answers passed on", Of(Counted(0, answer(50, "io.copyBuffer", "io.Copy"))), claim.Found, "info main.call"},
	})
}

// TestGoroutinePileupSleepers counts requests that sleep or are in a system call as under way.
func TestGoroutinePileupSleepers(t *testing.T) {
	lock := Many(60, 1000, InMutex(0, "c008", "main.(*S).Put(c000):9", Serve))
	for n, want := range map[int]string{15: "critical main.(*S).Put", 16: "warning main.(*S).Put"} {
		sleepers := Many(n, 1, Goroutine(0, "sleep", "time.Sleep(1)", "main.(*S).Put(c000):9", Serve))
		ExpectAll(t, GoroutinePileup, []Expect{{fmt.Sprint(n, " requests sleep"), Of(Join(lock, sleepers)), claim.Found, want}})
	}
}

func TestGoroutinePileupGoroutineProfile(t *testing.T) {
	lock := append([]string{"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex"}, LockedAt("main.f")...)
	ExpectAll(t, GoroutinePileup, []Expect{
		{"in a lock", Of(Counted(0, SampleOf(100, lock...), SampleOf(5000, "runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.worker"))), claim.Found, "critical main.f"},
		{"parked", Of(Counted(0, SampleOf(5000, "runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.worker"))), claim.Clear, ""},
	})
}

func TestGoroutinePileupTrace(t *testing.T) {
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Waits: waits})
	}
	ExpectAll(t, GoroutinePileup, []Expect{
		{"a hundred on average", Of(trace(Waited(wait.Mutex, 200, 500*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "critical main.f"},
		{"forty-nine on average", Of(trace(Waited(wait.Mutex, 98, 500*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "critical main.f"},
		{"goroutines whose place does not show", Of(trace(exectrace.Wait{Class: wait.Other, Count: 50, Open: 50, Total: 50 * time.Second})), claim.Undecided, ""},
		{"parked workers", Of(trace(Waited(wait.ChanRecv, 5000, time.Second, 5000, "main.worker"))), claim.Clear, ""},
	})
}

// TestPileupOfOneHandler checks that a crowd is held against the requests of its own handlers: what others wait for beside makes it no smaller.
func TestPileupOfOneHandler(t *testing.T) {
	const serve = "net/http.(*conn).serve(1)"
	stuck := InMutex(0, "0xc000000100", "main.get():3", "main.handleGet():9", serve)
	working := Goroutine(0, "runnable", "main.compute():3", "main.handleList():9", serve)
	same := Goroutine(0, "runnable", "main.compute():3", "main.handleGet():9", serve)
	for _, x := range []struct {
		name  string
		dump  *evidence.Exhibit
		worst string
	}{
		{"all of one handler", Join(Many(40, 1, stuck), Many(60, 100, working)), "critical main.get"},
		{"less than half of its handler", Join(Many(40, 1, stuck), Many(41, 100, same)), ""},
	} {
		if got := Judge(t, GoroutinePileup, x.dump); got.Worst != x.worst {
			t.Errorf("%s: %q, want %q", x.name, got.Worst, x.worst)
		}
	}
}
