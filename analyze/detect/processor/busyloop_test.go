package processor

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
)

func TestBusyLoop(t *testing.T) {
	ExpectAll(t, BusyLoop, []Expect{
		{"a select with a default", Of(CPUProfile(CPU(500, "runtime.chanrecv", "runtime.selectnbrecv", "main.(*Q).poll"), CPU(500, "main.(*Q).poll")), Procs()), claim.Found, "warning main.(*Q).poll"},
		{"a quarter of the CPU", Of(CPUProfile(CPU(250, "runtime.selectnbrecv", "main.poll"), CPU(750, "main.work")), Procs()), claim.Found, "warning main.poll"},
		{"less", Of(CPUProfile(CPU(249, "runtime.selectnbrecv", "main.poll"), CPU(751, "main.work")), Procs()), claim.Found, "info main.poll"},
		{"a twentieth of the CPU is a look now and then", Of(CPUProfile(CPU(99, "runtime.selectnbrecv", "main.poll"), CPU(1901, "main.work")), Procs()), claim.Clear, ""},
		{"a process that hardly runs", Of(CPUProfile(CPU(90, "runtime.selectnbrecv", "main.poll")), Procs()), claim.Clear, ""},
		{"a flag", Of(CPUProfile(CPU(900, "sync/atomic.(*Bool).Load", "main.spin")), Procs()), claim.Found, "warning main.spin"},
		{"a pointer", Of(CPUProfile(CPU(900, "sync/atomic.(*Pointer[go.shape.struct {}]).Load", "main.spin")), Procs()), claim.Found, "warning main.spin"},
		{"a lock made of a flag", Of(CPUProfile(CPU(900, "sync/atomic.(*Bool).CompareAndSwap", "main.enter")), Procs()), claim.Found, "warning main.enter"},
		{"a counter", Of(CPUProfile(CPU(900, "sync/atomic.(*Int64).Add", "main.count")), Procs()), claim.Clear, ""},
		{"the clock", Of(CPUProfile(CPU(900, "time.runtimeNow", "time.Now", "main.until")), Procs()), claim.Found, "warning main.until"},
		{"a lock that is tried", Of(CPUProfile(CPU(900, "sync.(*Mutex).TryLock", "main.try")), Procs()), claim.Found, "warning main.try"},
		{"a select of two cases that never blocks", Of(CPUProfile(CPU(900, "runtime.sellock", "runtime.selectgo", "main.two"), CPU(200, "runtime.findRunnable", "runtime.schedule", "runtime.park_m")), Procs()), claim.Found, "warning main.two"},
		{"one that blocks", Of(CPUProfile(CPU(800, "runtime.sellock", "runtime.selectgo", "main.two"), CPU(200, "runtime.findRunnable", "runtime.schedule", "runtime.park_m")), Procs()), claim.Clear, ""},
		{"what the program runs below is its own work", Of(CPUProfile(CPU(900, "main.work", "time.Now", "main.until")), Procs()), claim.Clear, ""},
		{"too few samples to deny", Of(CPUProfile(CPU(10, "main.f")), Procs()), claim.Undecided, ""},
		{"who yields is not on the scheduler's stack", Of(CPUProfile(CPU(100, "runtime.schedule", "runtime.goschedImpl", "runtime.gosched_m", "runtime.mcall"), CPU(900, "main.work")), Procs()), claim.Undecided, ""},
		{"yields without rest", Of(yielding(100_000, 500*MS)), claim.Found, "warning main.poll"},
		{"a quarter of the processors", Of(yielding(100_000, 400*MS)), claim.Found, "info main.poll"},
		{"fewer yields", Of(yielding(99_999, 500*MS)), claim.Undecided, ""},
		{"work between two yields", Of(yielding(100_000, time.Second)), claim.Undecided, ""},
		{"the runtime's own", Of(Traced(&exectrace.Timeline{Groups: []exectrace.Group{{Start: At("runtime.bgsweep"), System: true, Yields: 900_000, Running: 900 * MS}}})), claim.Undecided, ""},
	})
}

// yielding is a trace of a second on two processors in which goroutines run for so long and yield so often.
func yielding(n int64, running time.Duration) *evidence.Exhibit {
	return Traced(&exectrace.Timeline{Groups: []exectrace.Group{{Start: At("main.poll"), Yields: n, Running: running}}, Procs: exectrace.Procs{Max: 2, Running: running}})
}
