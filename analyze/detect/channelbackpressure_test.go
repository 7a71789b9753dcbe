package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

// by sets how many goroutines were in a sum of waits.
func by(goroutines int, w exectrace.Wait) exectrace.Wait {
	w.Goroutines = goroutines
	return w
}

// serving is a stack below the handling of a request.
func serving(names ...string) []string { return append(names, "net/http.(*conn).serve") }

func TestChannelBackpressureTrace(t *testing.T) {
	send := func(n int, d time.Duration, open int64, names ...string) exectrace.Wait {
		return waited(wait.ChanSend, n, d, open, append([]string{"runtime.chansend1"}, names...)...)
	}
	trace := func(waker string, waits ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Second, Waits: waits, Procs: exectrace.Procs{Max: 2, Running: 1, Idle: 3},
			Wakes: []exectrace.Wake{{From: at(waker), To: at("main.put"), Class: wait.ChanSend, Count: 100}}})
	}
	handler := serving("main.put:3")
	busy := trace("main.take", by(10, send(100, 10*ms, 0, handler...)))
	busy.Trace.Procs = exectrace.Procs{Max: 2, Running: 95, Idle: 5}
	starving := trace("main.take", by(10, send(100, 10*ms, 0, handler...)))
	starving.Trace.Gaps = []exectrace.Interval{{From: 100 * ms, To: 300 * ms}}
	expectAll(t, ChannelBackpressure, []expect{
		{"a program that is not given its processors", of(starving), claim.Found, "info main.put"},
		{"no sends", of(trace("main.take")), claim.Clear, ""},
		{"handlers wait 1 s per s", of(trace("main.take", by(10, send(100, 10*ms, 0, handler...)))), claim.Found, "warning main.put"},
		{"just below", of(trace("main.take", by(10, send(100, 10*ms-1, 0, handler...)))), claim.Found, "info main.put"},
		{"a tenth of a second per s", of(trace("main.take", by(10, send(10, 10*ms, 0, handler...)))), claim.Found, "info main.put"},
		{"less than that", of(trace("main.take", by(10, send(9, 11*ms, 0, handler...)))), claim.Clear, ""},
		{"nine senders", of(trace("main.take", by(9, send(1000, 10*ms, 0, handler...)))), claim.Found, "warning main.put"},
		{"many short waits", of(trace("main.take", by(100, send(5000, ms-1, 0, handler...)))), claim.Found, "warning main.put"},
		{"producers of a batch", of(trace("main.take", by(50, send(1000, 10*ms, 0, "main.put:3")))), claim.Found, "info main.put"},
		{"every processor busy", of(busy), claim.Found, "info main.put"},
		{"a semaphore: the sender's own function receives", of(trace("main.put", by(50, send(1000, 10*ms, 0, handler...)))), claim.Clear, ""},
		{"a semaphore given back in a closure of main", of(trace("main.put.func1", by(50, send(1000, 10*ms, 0, handler...)))), claim.Clear, ""},
		{"nobody ever receives: a leak", of(trace("main.take", by(500, send(500, time.Second, 500, handler...)))), claim.Clear, ""},
		{"a short trace", of(traced(&exectrace.Timeline{Duration: 10 * ms, Waits: []exectrace.Wait{send(100, 10*ms, 0, handler...)}})), claim.Undecided, ""},
	})
	x := trace("main.take", by(10, send(100, 10*ms, 0, handler...)), waited(wait.Network, 100, 9*ms, 0, "internal/poll.(*FD).Read", "net.(*conn).Read", "main.write", "main.take"))
	if f := judge(t, ChannelBackpressure, x).all.Findings[0]; len(f.Sites) < 3 || f.Sites[1].Function != "main.take" || f.Sites[2].Function != "main.write" {
		t.Errorf("the receiver and what it waits for: %v", f.Sites)
	}
}

func TestChannelBackpressureDump(t *testing.T) {
	const serve = "net/http.(*conn).serve(1)"
	sends := gone(0, "chan send", "main.put():3", serve)
	expectAll(t, ChannelBackpressure, []expect{
		{"ten handlers", of(join(many(10, 1, sends))), claim.Found, "critical main.put"},
		{"nine", of(join(many(9, 1, sends))), claim.Found, "info main.put"},
		{"producers", of(join(many(500, 1, gone(0, "chan send", "main.put():3")))), claim.Found, "info main.put"},
		{"stuck for a minute", of(join(many(500, 1, aged(1, sends)))), claim.Undecided, ""},
		{"a semaphore: others are past the send", of(join(many(50, 1, sends), one(gone(99, "sleep", "time.Sleep(1)", "main.put():9", serve)))), claim.Undecided, ""},
		{"receivers", of(join(many(500, 1, gone(0, "chan receive", "main.take():3", serve)))), claim.Undecided, ""},
	})
}

func TestChannelBackpressureBlock(t *testing.T) {
	send := func(n int64, d time.Duration) *evidence.Exhibit {
		return profiled(evidence.Block, 0, contended(n, d, serving("runtime.chansend1", "main.put")...))
	}
	expectAll(t, ChannelBackpressure, []expect{
		{"a tenth of a second per second", of(over(10*time.Second, send(100, time.Second))), claim.Found, "info main.put"},
		{"less", of(over(10*time.Second, send(100, time.Second-1))), claim.Clear, ""},
		{"one request always waits", of(over(time.Second, send(100, time.Second))), claim.Found, "warning main.put"},
		{"less than one", of(over(time.Second, send(100, time.Second-1))), claim.Found, "info main.put"},
		{"since the start, a hundred", of(send(100, time.Second)), claim.Found, "info main.put"},
		{"since the start, fewer", of(send(99, time.Second)), claim.Found, "info main.put"},
		{"an empty profile", of(profiled(evidence.Block, 0)), claim.Undecided, ""},
	})
}
