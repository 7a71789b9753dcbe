package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

// threads is a thread creation profile of n threads.
func threads(n int64) *evidence.Exhibit {
	e := profiled(evidence.ThreadCreate, 0)
	e.Profile.Columns = append(e.Profile.Columns, columnOf("threadcreate"))
	e.Profile.Samples = append(e.Profile.Samples, sampleOf(n, "runtime.allocm", "runtime.newm"))
	return e
}

func TestSyscallBlockingTrace(t *testing.T) {
	calls := func(n int, d time.Duration, open int64, names ...string) exectrace.Wait {
		return by(n, waited(wait.Syscall, n, d, open, append([]string{"syscall.Syscall", "syscall.Flock"}, names...)...))
	}
	trace := func(w ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Second, Syscalls: w})
	}
	handler := serving("main.save:3")
	journal := calls(40, 20*ms, 0, handler...)
	journal.Goroutines = 1
	expectAll(t, SyscallBlocking, []expect{
		{"none", of(trace()), claim.Clear, ""},
		{"a fifth of two processors", of(trace(calls(20, 20*ms, 0, handler...))), claim.Found, "warning main.save"},
		{"less", of(trace(calls(20, 19*ms, 0, handler...))), claim.Found, "info main.save"},
		{"many short ones", of(trace(calls(2000, 8*ms, 0, handler...))), claim.Found, "warning main.save"},
		{"too few", of(trace(calls(19, 30*ms, 0, handler...))), claim.Found, "warning main.save"},
		{"the one writer of a journal", of(trace(journal)), claim.Found, "info main.save"},
		{"background work", of(trace(calls(50, 20*ms, 0, "main.compact"))), claim.Found, "info main.compact"},
		{"standard input", of(trace(calls(50, time.Second, 50, "main.main"))), claim.Clear, ""},
		{"child processes", of(trace(calls(50, 20*ms, 0, serving("os.(*Process).Wait", "os/exec.(*Cmd).Wait", "main.convert")...))), claim.Clear, ""},
		{"the profiler's own writer", of(trace(calls(50, 20*ms, 0, "runtime/pprof.profileWriter"))), claim.Clear, ""},
	})
}

func TestSyscallBlockingDump(t *testing.T) {
	other := gone(0, "runnable", "main.compute():3", "net/http.(*conn).serve(1)")
	call := gone(0, "syscall", "syscall.Syscall(1)", "syscall.Flock(1)", "main.save():3", "net/http.(*conn).serve(1)")
	expectAll(t, SyscallBlocking, []expect{
		{"ten on two processors", of(procs(), join(many(10, 1, call))), claim.Found, "warning main.save"},
		{"nine", of(procs(), join(many(9, 1, call))), claim.Found, "info main.save"},
		{"background work", of(procs(), join(many(50, 1, gone(0, "syscall", "syscall.Syscall(1)", "main.compact():3")))), claim.Found, "info main.compact"},
		{"processors unknown", of(join(many(79, 1, call), many(21, 100, other))), claim.Found, "info main.save"},
		{"processors unknown, but it is what nearly all requests do", of(join(many(80, 1, call), many(20, 100, other))), claim.Found, "warning main.save"},
		{"processors unknown, as many as 64 would have at once", of(join(many(127, 1, call), many(50, 200, other))), claim.Found, "info main.save"},
		{"more than any usual machine has", of(join(many(128, 1, call), many(50, 200, other))), claim.Found, "warning main.save"},
		{"on 64 processors", of(traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 64}}), join(many(127, 1, call))), claim.Found, "info main.save"},
		{"threads alone accuse nobody", of(threads(500)), claim.Undecided, ""},
	})
	if f := judge(t, SyscallBlocking, procs(), join(many(10, 1, call)), threads(30)).all.Findings; len(f) != 1 || f[0].Checks[2].Result != claim.Agrees {
		t.Errorf("threads do not vouch: %+v", f)
	}
}
