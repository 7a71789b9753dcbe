package waits

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

func TestChannelBackpressureTrace(t *testing.T) {
	send := func(n int, d time.Duration, open int64, names ...string) exectrace.Wait {
		return Waited(wait.ChanSend, n, d, open, append([]string{"runtime.chansend1"}, names...)...)
	}
	trace := func(waker string, waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Waits: waits, Procs: exectrace.Procs{Max: 2, Running: 1, Idle: 3},
			Wakes: []exectrace.Wake{{From: At(waker), To: At("main.put"), Class: wait.ChanSend, Count: 100}}})
	}
	handler := Serving("main.put:3")
	busy := trace("main.take", By(10, send(100, 10*MS, 0, handler...)))
	busy.Trace().Procs = exectrace.Procs{Max: 2, Running: 95, Idle: 5}
	starving := trace("main.take", By(10, send(100, 10*MS, 0, handler...)))
	starving.Trace().Gaps = []exectrace.Interval{{From: 100 * MS, To: 300 * MS}}
	ExpectAll(t, ChannelBackpressure, []Expect{
		{"a program that is not given its processors", Of(starving), claim.Found, "info main.put"},
		{"no sends", Of(trace("main.take")), claim.Clear, ""},
		{"handlers wait 1 s per s", Of(trace("main.take", By(10, send(100, 10*MS, 0, handler...)))), claim.Found, "warning main.put"},
		{"just below", Of(trace("main.take", By(10, send(100, 10*MS-1, 0, handler...)))), claim.Found, "info main.put"},
		{"a tenth of a second per s", Of(trace("main.take", By(10, send(10, 10*MS, 0, handler...)))), claim.Found, "info main.put"},
		{"less than that", Of(trace("main.take", By(10, send(9, 11*MS, 0, handler...)))), claim.Clear, ""},
		{"nine senders", Of(trace("main.take", By(9, send(1000, 10*MS, 0, handler...)))), claim.Found, "warning main.put"},
		{"many short waits", Of(trace("main.take", By(100, send(5000, MS-1, 0, handler...)))), claim.Found, "warning main.put"},
		{"producers of a batch", Of(trace("main.take", By(50, send(1000, 10*MS, 0, "main.put:3")))), claim.Found, "info main.put"},
		{"every processor busy", Of(busy), claim.Found, "info main.put"},
		{"a semaphore: the sender's own function receives", Of(trace("main.put", By(50, send(1000, 10*MS, 0, handler...)))), claim.Clear, ""},
		{"a semaphore given back in a closure of main", Of(trace("main.put.func1", By(50, send(1000, 10*MS, 0, handler...)))), claim.Clear, ""},
		{"nobody ever receives: a leak", Of(trace("main.take", By(500, send(500, time.Second, 500, handler...)))), claim.Clear, ""},
		{"a short trace", Of(Traced(&exectrace.Timeline{Duration: 10 * MS, Waits: []exectrace.Wait{send(100, 10*MS, 0, handler...)}})), claim.Undecided, ""},
	})
	x := trace("main.take", By(10, send(100, 10*MS, 0, handler...)), Waited(wait.Network, 100, 9*MS, 0, "internal/poll.(*FD).Read", "net.(*conn).Read", "main.write", "main.take"))
	if f := Judge(t, ChannelBackpressure, x).All.Findings[0]; len(f.Sites) < 3 || f.Sites[1].Function != "main.take" || f.Sites[2].Function != "main.write" {
		t.Errorf("the receiver and what it waits for: %v", f.Sites)
	}
}

func TestChannelBackpressureDump(t *testing.T) {
	const serve = "net/http.(*conn).serve(1)"
	sends := Goroutine(0, "chan send", "main.put():3", serve)
	ExpectAll(t, ChannelBackpressure, []Expect{
		{"ten handlers", Of(Join(Many(10, 1, sends))), claim.Found, "critical main.put"},
		{"nine", Of(Join(Many(9, 1, sends))), claim.Found, "info main.put"},
		{"producers", Of(Join(Many(500, 1, Goroutine(0, "chan send", "main.put():3")))), claim.Found, "info main.put"},
		{"stuck for a minute", Of(Join(Many(500, 1, Aged(1, sends)))), claim.Undecided, ""},
		{"a semaphore: others are past the send", Of(Join(Many(50, 1, sends), One(Goroutine(99, "sleep", "time.Sleep(1)", "main.put():9", serve)))), claim.Undecided, ""},
		{"receivers", Of(Join(Many(500, 1, Goroutine(0, "chan receive", "main.take():3", serve)))), claim.Undecided, ""},
	})
}

func TestChannelBackpressureBlock(t *testing.T) {
	send := func(n int64, d time.Duration) *evidence.Exhibit {
		return Profiled(evidence.Block, 0, Contended(n, d, Serving("runtime.chansend1", "main.put")...))
	}
	ExpectAll(t, ChannelBackpressure, []Expect{
		{"a tenth of a second per second", Of(Over(10*time.Second, send(100, time.Second))), claim.Found, "info main.put"},
		{"less", Of(Over(10*time.Second, send(100, time.Second-1))), claim.Clear, ""},
		{"one request always waits", Of(Over(time.Second, send(100, time.Second))), claim.Found, "warning main.put"},
		{"less than one", Of(Over(time.Second, send(100, time.Second-1))), claim.Found, "info main.put"},
		{"since the start, a hundred", Of(send(100, time.Second)), claim.Found, "info main.put"},
		{"since the start, fewer", Of(send(99, time.Second)), claim.Found, "info main.put"},
		{"an empty profile", Of(Profiled(evidence.Block, 0)), claim.Undecided, ""},
	})
}
