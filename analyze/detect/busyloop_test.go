package detect

import (
	"testing"

	"inquest/analyze/claim"
)

func TestBusyLoop(t *testing.T) {
	expectAll(t, BusyLoop, []expect{
		{"a select with a default", of(cpuProfile(cpu(500, "runtime.chanrecv", "runtime.selectnbrecv", "main.(*Q).poll"), cpu(500, "main.(*Q).poll")), procs()), claim.Found, "warning main.(*Q).poll"},
		{"a quarter of the CPU", of(cpuProfile(cpu(250, "runtime.selectnbrecv", "main.poll"), cpu(750, "main.work")), procs()), claim.Found, "warning main.poll"},
		{"less", of(cpuProfile(cpu(249, "runtime.selectnbrecv", "main.poll"), cpu(751, "main.work")), procs()), claim.Found, "info main.poll"},
		{"a twentieth of the CPU is a look now and then", of(cpuProfile(cpu(99, "runtime.selectnbrecv", "main.poll"), cpu(1901, "main.work")), procs()), claim.Clear, ""},
		{"a process that hardly runs", of(cpuProfile(cpu(90, "runtime.selectnbrecv", "main.poll")), procs()), claim.Clear, ""},
		{"a flag", of(cpuProfile(cpu(900, "sync/atomic.(*Bool).Load", "main.spin")), procs()), claim.Found, "warning main.spin"},
		{"a pointer", of(cpuProfile(cpu(900, "sync/atomic.(*Pointer[go.shape.struct {}]).Load", "main.spin")), procs()), claim.Found, "warning main.spin"},
		{"a lock made of a flag", of(cpuProfile(cpu(900, "sync/atomic.(*Bool).CompareAndSwap", "main.enter")), procs()), claim.Found, "warning main.enter"},
		{"a counter", of(cpuProfile(cpu(900, "sync/atomic.(*Int64).Add", "main.count")), procs()), claim.Clear, ""},
		{"the clock", of(cpuProfile(cpu(900, "time.runtimeNow", "time.Now", "main.until")), procs()), claim.Found, "warning main.until"},
		{"a lock that is tried", of(cpuProfile(cpu(900, "sync.(*Mutex).TryLock", "main.try")), procs()), claim.Found, "warning main.try"},
		{"a select of two cases that never blocks", of(cpuProfile(cpu(900, "runtime.sellock", "runtime.selectgo", "main.two"), cpu(200, "runtime.findRunnable", "runtime.schedule", "runtime.park_m")), procs()), claim.Found, "warning main.two"},
		{"one that blocks", of(cpuProfile(cpu(800, "runtime.sellock", "runtime.selectgo", "main.two"), cpu(200, "runtime.findRunnable", "runtime.schedule", "runtime.park_m")), procs()), claim.Clear, ""},
		{"what the program runs below is its own work", of(cpuProfile(cpu(900, "main.work", "time.Now", "main.until")), procs()), claim.Clear, ""},
		{"too few samples to deny", of(cpuProfile(cpu(10, "main.f")), procs()), claim.Undecided, ""},
	})
}
