package memory

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

func TestFinalizerStuck(t *testing.T) {
	finalizer := func(state string, frames ...string) dump.Goroutine {
		g := Goroutine(6, state, append(frames, "main.(*Press).reclaim():48", "runtime.runFinalizers()")...)
		g.CreatedBy = stack.Frame{Function: "runtime.createfing"}
		return g
	}
	// Up to Go 1.24 a dump does not print runtime.runfinq.
	old := Goroutine(6, "chan send", "main.(*Press).reclaim():48")
	old.CreatedBy = stack.Frame{Function: "runtime.createfing"}
	idle := Goroutine(6, "finalizer wait", "runtime.gopark()", "runtime.runFinalizers()")
	idle.CreatedBy = old.CreatedBy
	closing := Goroutine(6, "syscall", "syscall.Syscall(1)", "syscall.Close(1)", "os.(*file).close(1)", "runtime.runFinalizers()")
	moved := finalizer("chan send")
	moved.ID = 7
	second := func(g dump.Goroutine, second int) *evidence.Exhibit {
		e := Dumped(g)
		e.CapturedAt = time.Unix(int64(second), 0)
		return e
	}
	profile := func(second int, names ...string) *evidence.Exhibit {
		e := Profiled(evidence.Goroutine, second, Row{Values: []int64{1}, Stack: Frames(names...)})
		e.Profile().Columns = []pprofile.Column{{Name: "goroutine"}}
		e.CapturedAt = time.Unix(int64(second), 0)
		return e
	}
	trace := func(waited time.Duration) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Waits: []exectrace.Wait{
			{Class: wait.ChanSend, Count: 1, Total: waited / 2, Stack: Frames("runtime.chansend", "runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")},
			{Reason: "chan send", Class: wait.ChanSend, Count: 1, Open: 1, Total: waited - waited/2, Stack: Frames("runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")},
			{Class: wait.System, Count: 1, Total: time.Second, Stack: Frames("runtime.gopark", "runtime.runFinalizers")},
		}})
	}
	ExpectAll(t, FinalizerStuck, []Expect{
		{"waits to send", Of(Dumped(finalizer("chan send"))), claim.Found, "warning main.(*Press).reclaim"},
		{"waits to send, Go 1.24", Of(Dumped(old)), claim.Found, "warning main.(*Press).reclaim"},
		{"waits for work", Of(Dumped(idle)), claim.Clear, ""},
		{"runs", Of(Dumped(finalizer("running"))), claim.Clear, ""},
		{"closes a file at that moment", Of(Dumped(closing)), claim.Found, "info os.(*file).close"},
		{"closes a file for a minute", Of(Dumped(Aged(1, closing))), claim.Found, "warning os.(*file).close"},
		{"waits for a lock at that moment", Of(Dumped(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"))), claim.Found, "info main.(*Press).reclaim"},
		{"waits for a lock in two dumps", Of(second(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"), 1),
			second(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"), 5)), claim.Found, "warning main.(*Press).reclaim"},
		{"the same function elsewhere", Of(Dumped(Goroutine(9, "chan send", "main.(*Press).reclaim():48", "main.main()"))), claim.Clear, ""},
		{"one profile", Of(profile(1, "runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")), claim.Found, "warning main.(*Press).reclaim"},
		{"a cleanup sleeps", Of(profile(1, "runtime.gopark", "time.Sleep", "main.drop", "runtime.AddCleanup[...].func1", "runtime.runCleanups")), claim.Found, "warning main.drop"},
		{"cleanups wait for work", Of(profile(1, "runtime.gopark", "runtime.goparkunlock", "runtime.(*cleanupQueue).dequeue", "runtime.runCleanups")), claim.Clear, ""},
		{"half of a trace", Of(trace(500 * time.Millisecond)), claim.Found, "warning main.(*Press).reclaim"},
		{"less than half", Of(trace(499 * time.Millisecond)), claim.Found, "info main.(*Press).reclaim"},
		{"a twentieth", Of(trace(50 * time.Millisecond)), claim.Found, "info main.(*Press).reclaim"},
		{"less", Of(trace(49 * time.Millisecond)), claim.Clear, ""},
	})
	if f := Judge(t, FinalizerStuck, Dumped(finalizer("chan send"))).All.Findings[0]; f.Confidence != claim.Low || f.Variant != "finalizer" {
		t.Errorf("one moment: %s, %s", f.Confidence, f.Variant)
	}
	if f := Judge(t, FinalizerStuck, Dumped(Aged(3, finalizer("chan send")))).All.Findings[0]; f.Confidence != claim.Medium {
		t.Errorf("three minutes: %s", f.Confidence)
	}
	if f := Judge(t, FinalizerStuck, second(finalizer("chan send"), 1), second(moved, 2)).All.Findings[0]; f.Confidence != claim.Low {
		t.Errorf("another goroutine: %s", f.Confidence)
	}
}
