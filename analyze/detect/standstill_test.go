package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/stack"
)

// taking is goroutine 1 while it writes a dump of the process.
func taking(callers ...string) dump.Goroutine {
	return gone(1, "running", append([]string{"runtime/pprof.writeGoroutineStacks(c0000a0000)", "runtime/pprof.(*Profile).WriteTo(c0000a0000)"}, callers...)...)
}

// createdBy says which goroutine created another, and in which function.
func createdBy(creator int64, function string, g dump.Goroutine) dump.Goroutine {
	g.Creator, g.CreatedBy = creator, stack.Frame{Function: function}
	return g
}

func TestStandstill(t *testing.T) {
	send := createdBy(1, "main.ask", gone(7, "chan send", "main.ask.func1():7"))
	recv := createdBy(1, "main.New", gone(8, "chan receive", "main.(*W).loop(c000010000):9"))
	locked := createdBy(5, "main.main", inMutex(9, "c008", "main.(*T).put(c000020000):3"))
	main := taking("main.main():30")
	expectAll(t, GoroutineLeak, []expect{
		{"a sender that was left behind", of(dumped(main, send)), claim.Found, "warning main.ask"},
		{"a receiver whose creator has returned", of(dumped(main, recv)), claim.Found, "info main.(*W).loop"},
		{"a receiver whose creator takes the dump", of(dumped(taking("main.New(1):3", "main.main():30"), recv)), claim.Undecided, ""},
		{"a receiver whose creator is not known", of(dumped(main, createdBy(0, "", recv))), claim.Undecided, ""},
		{"a receiver whose creator has ended", of(dumped(main, createdBy(4, "main.New", recv))), claim.Found, "info main.(*W).loop"},
		{"somebody runs", of(dumped(main, send, gone(10, "runnable", "main.work(1):1"))), claim.Undecided, ""},
		{"somebody sleeps", of(dumped(main, send, gone(10, "sleep", "time.Sleep(1)", "main.work(1):1"))), claim.Undecided, ""},
		{"a server accepts", of(dumped(main, send, gone(10, "IO wait", "internal/poll.(*FD).Accept(1)", "net/http.(*Server).Serve(1)", "main.main.func1():1"))), claim.Undecided, ""},
		{"signals may come", of(dumped(main, send, gone(10, "syscall", "os/signal.signal_recv()", "os/signal.loop()"))), claim.Undecided, ""},
		{"a library waits inside", of(dumped(main, send, gone(10, "select", "net/http.(*persistConn).readLoop(1)"))), claim.Undecided, ""},
		{"the collector's helpers do not count", of(dumped(main, send, gone(2, "finalizer wait", "runtime.runFinalizers()"))), claim.Found, "warning main.ask"},
		{"a sender whose creator may yet receive", of(dumped(taking("main.ask(1):3", "main.main():30"), send)), claim.Undecided, ""},
		{"told to quit by a signal: a timer is pending", of(dumped(send, createdBy(4, "main.New", recv))), claim.Undecided, ""},
		{"read in part", of(partly(dumped(main, send))), claim.Undecided, ""},
		{"waiters for locks are judged elsewhere", of(dumped(main, locked)), claim.Undecided, ""},
	})
	expectAll(t, Deadlock, []expect{
		{"waits for a lock and nobody else", of(dumped(main, locked)), claim.Found, "warning main.(*T).put"},
		{"somebody runs", of(dumped(main, locked, gone(10, "runnable", "main.work(1):1"))), claim.Undecided, ""},
		{"a sender that was left behind is a leak", of(dumped(main, send)), claim.Clear, ""},
		{"senders into each other", of(dumped(main, createdBy(1, "main.main", gone(7, "chan send", "main.(*Office).Sort(c000010000):25")), createdBy(1, "main.main", gone(8, "chan send", "main.(*Office).Sort(c000020000):26")))), claim.Found, "warning main.(*Office).Sort"},
		{"a sender left behind among others", of(dumped(main, send, locked, createdBy(5, "main.main", inMutex(11, "c008", "main.(*T).put(c000020000):3")))), claim.Found, "warning main.(*T).put"},
		{"a wait group whose helpers are gone", of(dumped(main, createdBy(1, "main.main", gone(7, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(c000)", "main.all(c000):9")))), claim.Found, "warning main.all"},
		{"the holder of the lock sends", of(dumped(main, createdBy(1, "main.main", gone(7, "chan send", "main.(*T).send(c000020000):9", "main.(*T).put(c000020000):5")), locked)), claim.Found, "critical main.(*T).put"},
	})
}

func partly(e *evidence.Exhibit) *evidence.Exhibit {
	e.Coverage = evidence.Partial
	return e
}
