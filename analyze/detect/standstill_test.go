package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect/locks"
	"inquest/analyze/detect/waits"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

// taking is goroutine 1 while it writes a dump of the process.
func taking(callers ...string) dump.Goroutine {
	return Goroutine(1, "running", append([]string{"runtime/pprof.writeGoroutineStacks(c0000a0000)", "runtime/pprof.(*Profile).WriteTo(c0000a0000)"}, callers...)...)
}

// createdBy says which goroutine created another, and in which function.
func createdBy(creator int64, function string, g dump.Goroutine) dump.Goroutine {
	g.Creator, g.CreatedBy = creator, stack.Frame{Function: function}
	return g
}

func TestStandstill(t *testing.T) {
	send := createdBy(1, "main.ask", Goroutine(7, "chan send", "main.ask.func1():7"))
	recv := createdBy(1, "main.New", Goroutine(8, "chan receive", "main.(*W).loop(c000010000):9"))
	locked := createdBy(5, "main.main", InMutex(9, "c008", "main.(*T).put(c000020000):3"))
	main := taking("main.main():30")
	ExpectAll(t, waits.GoroutineLeak, []Expect{
		{"a sender that was left behind", Of(Dumped(main, send)), claim.Found, "warning main.ask"},
		{"a receiver whose creator has returned", Of(Dumped(main, recv)), claim.Found, "info main.(*W).loop"},
		{"a receiver whose creator takes the dump", Of(Dumped(taking("main.New(1):3", "main.main():30"), recv)), claim.Undecided, ""},
		{"a receiver whose creator is not known", Of(Dumped(main, createdBy(0, "", recv))), claim.Undecided, ""},
		{"a receiver whose creator has ended", Of(Dumped(main, createdBy(4, "main.New", recv))), claim.Found, "info main.(*W).loop"},
		{"somebody runs", Of(Dumped(main, send, Goroutine(10, "runnable", "main.work(1):1"))), claim.Undecided, ""},
		{"somebody sleeps", Of(Dumped(main, send, Goroutine(10, "sleep", "time.Sleep(1)", "main.work(1):1"))), claim.Undecided, ""},
		{"a server accepts", Of(Dumped(main, send, Goroutine(10, "IO wait", "internal/poll.(*FD).Accept(1)", "net/http.(*Server).Serve(1)", "main.main.func1():1"))), claim.Undecided, ""},
		{"signals may come", Of(Dumped(main, send, Goroutine(10, "syscall", "os/signal.signal_recv()", "os/signal.loop()"))), claim.Undecided, ""},
		{"a library waits inside", Of(Dumped(main, send, Goroutine(10, "select", "net/http.(*persistConn).readLoop(1)"))), claim.Undecided, ""},
		{"the collector's helpers do not count", Of(Dumped(main, send, Goroutine(2, "finalizer wait", "runtime.runFinalizers()"))), claim.Found, "warning main.ask"},
		{"a sender whose creator may yet receive", Of(Dumped(taking("main.ask(1):3", "main.main():30"), send)), claim.Undecided, ""},
		{"told to quit by a signal: a timer is pending", Of(Dumped(send, createdBy(4, "main.New", recv))), claim.Undecided, ""},
		{"read in part", Of(partly(Dumped(main, send))), claim.Undecided, ""},
		{"waiters for locks are judged elsewhere", Of(Dumped(main, locked)), claim.Undecided, ""},
	})
	ExpectAll(t, locks.Deadlock, []Expect{
		{"waits for a lock and nobody else", Of(Dumped(main, locked)), claim.Found, "warning main.(*T).put"},
		{"somebody runs", Of(Dumped(main, locked, Goroutine(10, "runnable", "main.work(1):1"))), claim.Undecided, ""},
		{"a sender that was left behind is a leak", Of(Dumped(main, send)), claim.Clear, ""},
		{"senders into each other", Of(Dumped(main, createdBy(1, "main.main", Goroutine(7, "chan send", "main.(*Office).Sort(c000010000):25")), createdBy(1, "main.main", Goroutine(8, "chan send", "main.(*Office).Sort(c000020000):26")))), claim.Found, "warning main.(*Office).Sort"},
		{"a sender left behind among others", Of(Dumped(main, send, locked, createdBy(5, "main.main", InMutex(11, "c008", "main.(*T).put(c000020000):3")))), claim.Found, "warning main.(*T).put"},
		{"a wait group whose helpers are gone", Of(Dumped(main, createdBy(1, "main.main", Goroutine(7, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(c000)", "main.all(c000):9")))), claim.Found, "warning main.all"},
		{"the holder of the lock sends", Of(Dumped(main, createdBy(1, "main.main", Goroutine(7, "chan send", "main.(*T).send(c000020000):9", "main.(*T).put(c000020000):5")), locked)), claim.Found, "critical main.(*T).put"},
	})
}

func partly(e *evidence.Exhibit) *evidence.Exhibit {
	e.Coverage = evidence.Partial
	return e
}
