package detect

import (
	"fmt"
	"testing"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/stack"
)

// TestHealthyShapes runs every detector on programs that look at a moment as a fault
// would, and are none: no warning of anything.
func TestHealthyShapes(t *testing.T) {
	// A batch whose three thousand senders are taken from one after the other, caught on the way.
	sender := Goroutine(0, "chan send", "main.(*Batch).run.func1(c000):31")
	sender.Creator, sender.CreatedBy = 1, stack.Frame{Function: "main.(*Batch).run"}
	gathers := Goroutine(1, "sleep", "time.Sleep(1)", "main.(*Batch).run(c000):36", "main.main():50")
	gather := func(second int, n int64) *evidence.Exhibit {
		return Counted(second, SampleOf(n, "runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.(*Batch).run.func1"),
			SampleOf(1, "runtime.gopark", "time.Sleep", "main.(*Batch).run", "main.main"))
	}
	// Long polling: each of eighty requests waits for the next event at one condition.
	polls := Goroutine(0, "sync.Cond.Wait", "sync.runtime_notifyListWait(c010,5)", "sync.(*Cond).Wait(c000)", "main.(*Room).Next(c000):22", "main.(*Room).ServeHTTP(c000):31", "net/http.serverHandler.ServeHTTP(1)", Serve)
	polling := func(second int, n int64) *evidence.Exhibit {
		return Counted(second, SampleOf(n, Serving("runtime.gopark", "runtime.goparkunlock", "sync.runtime_notifyListWait", "sync.(*Cond).Wait", "main.(*Room).Next", "main.(*Room).ServeHTTP")...))
	}
	// A proxy with what is on its way at any moment, in both directions.
	passes := Many(170, 10, Goroutine(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Transport).roundTrip(1)", "net/http.(*Client).do(1)", "main.(*Proxy).ServeHTTP(c000):40", Serve))
	loops := append(Many(170, 1000, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "bufio.(*Reader).Peek(1)", "net/http.(*persistConn).readLoop(1)")),
		Many(170, 2000, Goroutine(0, "select", "net/http.(*persistConn).writeLoop(1)"))...)
	clients := Many(170, 3000, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net.(*conn).Read(1)", "net/http.(*connReader).backgroundRead(1)"))
	// The same while answers are passed on.
	copies := Many(170, 10, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net/http.(*persistConn).Read(1)", "net/http.(*bodyEOFSignal).Read(1)", "io.copyBuffer(1)", "main.(*Proxy).ServeHTTP(c000):44", Serve))
	streams := Many(170, 1000, Goroutine(0, "select", "net/http.(*persistConn).readLoop(1)"))

	for _, c := range []struct {
		name     string
		exhibits []*evidence.Exhibit
	}{
		{"gathering", Of(Join(One(gathers), Many(549, 20, sender)), gather(0, 219), gather(11, 559))},
		{"gathering, the dump alone", Of(Join(One(gathers), Many(2999, 20, sender)))},
		{"gathering among other work", Of(Join(One(gathers), Spread(549, 5, 0, sender), Many(3, 9000, Goroutine(0, "runnable", "main.f():3"))), gather(0, 219), gather(11, 559))},
		{"long polling", Of(Join(Many(80, 10, polls)), polling(0, 78), polling(9, 80))},
		{"long polling of many", Of(Join(Many(56, 10, polls)), polling(0, 56), polling(30, 56), Procs())},
		{"a proxy", Of(Join(passes, loops, clients))},
		{"a proxy that passes bodies on", Of(Join(copies, streams, clients))},
	} {
		b := &evidence.Bundle{}
		for _, kind := range evidence.Kinds {
			for _, e := range c.exhibits {
				if e.Kind == kind {
					e.ID = fmt.Sprintf("e%d", len(b.Exhibits)+1)
					b.Exhibits = append(b.Exhibits, e)
				}
			}
		}
		res, err := analyze.Run(b, All, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.Verdicts {
			if v.Result == claim.Failed {
				t.Errorf("%s: %s: %s", c.name, v.Detector, v.Why)
			}
		}
		for _, f := range res.Findings {
			if f.Severity > claim.Info {
				t.Errorf("%s: %s %s %s: %s", c.name, f.Severity, f.Detector, f.Site.Function, f.Summary)
			}
		}
	}
}
