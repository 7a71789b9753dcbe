package processor

import (
	"testing"

	"inquest/analyze/claim"
	. "inquest/analyze/detect/detecttest"
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
	})
}
