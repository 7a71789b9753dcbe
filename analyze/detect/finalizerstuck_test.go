package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

func TestFinalizerStuck(t *testing.T) {
	finalizer := func(state string, frames ...string) dump.Goroutine {
		g := gone(6, state, append(frames, "main.(*Press).reclaim():48", "runtime.runFinalizers()")...)
		g.CreatedBy = stack.Frame{Function: "runtime.createfing"}
		return g
	}
	// Up to Go 1.24 a dump does not print runtime.runfinq.
	old := gone(6, "chan send", "main.(*Press).reclaim():48")
	old.CreatedBy = stack.Frame{Function: "runtime.createfing"}
	idle := gone(6, "finalizer wait", "runtime.gopark()", "runtime.runFinalizers()")
	idle.CreatedBy = old.CreatedBy
	closing := gone(6, "syscall", "syscall.Syscall(1)", "syscall.Close(1)", "os.(*file).close(1)", "runtime.runFinalizers()")
	moved := finalizer("chan send")
	moved.ID = 7
	second := func(g dump.Goroutine, second int) *evidence.Exhibit {
		e := dumped(g)
		e.CapturedAt = time.Unix(int64(second), 0)
		return e
	}
	profile := func(second int, names ...string) *evidence.Exhibit {
		e := profiled(evidence.Goroutine, second, row{values: []int64{1}, stack: frames(names...)})
		e.Profile.Columns = []pprofile.Column{{Name: "goroutine"}}
		e.CapturedAt = time.Unix(int64(second), 0)
		return e
	}
	trace := func(waited time.Duration) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Waits: []exectrace.Wait{
			{Class: wait.ChanSend, Count: 1, Total: waited / 2, Stack: frames("runtime.chansend", "runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")},
			{Reason: "chan send", Class: wait.ChanSend, Count: 1, Open: 1, Total: waited - waited/2, Stack: frames("runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")},
			{Class: wait.System, Count: 1, Total: time.Second, Stack: frames("runtime.gopark", "runtime.runFinalizers")},
		}})
	}
	expectAll(t, FinalizerStuck, []expect{
		{"waits to send", of(dumped(finalizer("chan send"))), claim.Found, "warning main.(*Press).reclaim"},
		{"waits to send, Go 1.24", of(dumped(old)), claim.Found, "warning main.(*Press).reclaim"},
		{"waits for work", of(dumped(idle)), claim.Clear, ""},
		{"runs", of(dumped(finalizer("running"))), claim.Clear, ""},
		{"closes a file at that moment", of(dumped(closing)), claim.Found, "info os.(*file).close"},
		{"closes a file for a minute", of(dumped(aged(1, closing))), claim.Found, "warning os.(*file).close"},
		{"waits for a lock at that moment", of(dumped(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"))), claim.Found, "info main.(*Press).reclaim"},
		{"waits for a lock in two dumps", of(second(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"), 1),
			second(finalizer("sync.Mutex.Lock", "internal/sync.(*Mutex).lockSlow(0xc000012340)", "sync.(*Mutex).Lock(...)"), 5)), claim.Found, "warning main.(*Press).reclaim"},
		{"the same function elsewhere", of(dumped(gone(9, "chan send", "main.(*Press).reclaim():48", "main.main()"))), claim.Clear, ""},
		{"one profile", of(profile(1, "runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.(*Press).reclaim", "runtime.runFinalizers")), claim.Found, "warning main.(*Press).reclaim"},
		{"a cleanup sleeps", of(profile(1, "runtime.gopark", "time.Sleep", "main.drop", "runtime.AddCleanup[...].func1", "runtime.runCleanups")), claim.Found, "warning main.drop"},
		{"cleanups wait for work", of(profile(1, "runtime.gopark", "runtime.goparkunlock", "runtime.(*cleanupQueue).dequeue", "runtime.runCleanups")), claim.Clear, ""},
		{"half of a trace", of(trace(500 * time.Millisecond)), claim.Found, "warning main.(*Press).reclaim"},
		{"less than half", of(trace(499 * time.Millisecond)), claim.Found, "info main.(*Press).reclaim"},
		{"a twentieth", of(trace(50 * time.Millisecond)), claim.Found, "info main.(*Press).reclaim"},
		{"less", of(trace(49 * time.Millisecond)), claim.Clear, ""},
	})
	if f := judge(t, FinalizerStuck, dumped(finalizer("chan send"))).all.Findings[0]; f.Confidence != claim.Low || f.Variant != "finalizer" {
		t.Errorf("one moment: %s, %s", f.Confidence, f.Variant)
	}
	if f := judge(t, FinalizerStuck, dumped(aged(3, finalizer("chan send")))).all.Findings[0]; f.Confidence != claim.Medium {
		t.Errorf("three minutes: %s", f.Confidence)
	}
	if f := judge(t, FinalizerStuck, second(finalizer("chan send"), 1), second(moved, 2)).all.Findings[0]; f.Confidence != claim.Low {
		t.Errorf("another goroutine: %s", f.Confidence)
	}
}
