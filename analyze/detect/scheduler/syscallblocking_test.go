package scheduler

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

// threads is a thread creation profile of n threads.
func threads(n int64) *evidence.Exhibit {
	e := Profiled(evidence.ThreadCreate, 0)
	e.Profile().Columns = append(e.Profile().Columns, ColumnOf("threadcreate"))
	e.Profile().Samples = append(e.Profile().Samples, SampleOf(n, "runtime.allocm", "runtime.newm"))
	return e
}

func TestSyscallBlockingTrace(t *testing.T) {
	calls := func(n int, d time.Duration, open int64, names ...string) exectrace.Wait {
		return By(n, Waited(wait.Syscall, n, d, open, append([]string{"syscall.Syscall", "syscall.Flock"}, names...)...))
	}
	trace := func(w ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Syscalls: w})
	}
	handler := Serving("main.save:3")
	journal := calls(40, 20*MS, 0, handler...)
	journal.Goroutines = 1
	ExpectAll(t, SyscallBlocking, []Expect{
		{"none", Of(trace()), claim.Clear, ""},
		{"a fifth of two processors", Of(trace(calls(20, 20*MS, 0, handler...))), claim.Found, "warning main.save"},
		{"less", Of(trace(calls(20, 19*MS, 0, handler...))), claim.Found, "info main.save"},
		{"many short ones", Of(trace(calls(2000, 8*MS, 0, handler...))), claim.Found, "warning main.save"},
		{"too few", Of(trace(calls(19, 30*MS, 0, handler...))), claim.Found, "warning main.save"},
		{"the one writer of a journal", Of(trace(journal)), claim.Found, "info main.save"},
		{"background work", Of(trace(calls(50, 20*MS, 0, "main.compact"))), claim.Found, "info main.compact"},
		{"standard input", Of(trace(calls(50, time.Second, 50, "main.main"))), claim.Clear, ""},
		{"child processes", Of(trace(calls(50, 20*MS, 0, Serving("os.(*Process).Wait", "os/exec.(*Cmd).Wait", "main.convert")...))), claim.Clear, ""},
		{"the profiler's own writer", Of(trace(calls(50, 20*MS, 0, "runtime/pprof.profileWriter"))), claim.Clear, ""},
	})
}

func TestSyscallBlockingDump(t *testing.T) {
	other := Goroutine(0, "runnable", "main.compute():3", "net/http.(*conn).serve(1)")
	call := Goroutine(0, "syscall", "syscall.Syscall(1)", "syscall.Flock(1)", "main.save():3", "net/http.(*conn).serve(1)")
	ExpectAll(t, SyscallBlocking, []Expect{
		{"ten on two processors", Of(Procs(), Join(Many(10, 1, call))), claim.Found, "warning main.save"},
		{"nine", Of(Procs(), Join(Many(9, 1, call))), claim.Found, "info main.save"},
		{"background work", Of(Procs(), Join(Many(50, 1, Goroutine(0, "syscall", "syscall.Syscall(1)", "main.compact():3")))), claim.Found, "info main.compact"},
		{"processors unknown", Of(Join(Many(79, 1, call), Many(21, 100, other))), claim.Found, "info main.save"},
		{"processors unknown, but it is what nearly all requests do", Of(Join(Many(80, 1, call), Many(20, 100, other))), claim.Found, "warning main.save"},
		{"processors unknown, as many as 64 would have at once", Of(Join(Many(127, 1, call), Many(50, 200, other))), claim.Found, "info main.save"},
		{"more than any usual machine has", Of(Join(Many(128, 1, call), Many(50, 200, other))), claim.Found, "warning main.save"},
		{"on 64 processors", Of(Traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 64}}), Join(Many(127, 1, call))), claim.Found, "info main.save"},
		{"threads alone accuse nobody", Of(threads(500)), claim.Undecided, ""},
	})
	if f := Judge(t, SyscallBlocking, Procs(), Join(Many(10, 1, call)), threads(30)).All.Findings; len(f) != 1 || f[0].Checks[2].Result != claim.Agrees {
		t.Errorf("threads do not vouch: %+v", f)
	}
}
