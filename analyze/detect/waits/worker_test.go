package waits

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/detect/scheduler"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// answered is a second on two processors in which callers wait for answers, so many on average, that one
// goroutine ends, which runs and waits elsewhere for so long.
func answered(class wait.Class, standing int, running, away time.Duration, caller ...string) *exectrace.Timeline {
	loop := func(names ...string) stack.Stack {
		return Frames(append(names, "main.(*Studio).Conduct", "main.main.func1")...)
	}
	t := &exectrace.Timeline{Duration: time.Second, Procs: exectrace.Procs{Max: 2, Running: running, Idle: 2*time.Second - running},
		Waits: []exectrace.Wait{
			Waited(class, 10*standing, 100*time.Millisecond, 0, append([]string{"runtime.chanrecv1", "main.(*Studio).Render"}, caller...)...),
			{Class: wait.Sleep, Stack: loop("time.Sleep", "main.deliver"), Total: away, Count: 10},
		},
		Wakes:  []exectrace.Wake{{From: stack.Site{Function: "main.(*Studio).Conduct"}, To: stack.Site{Function: "main.(*Studio).Render"}, Class: class, Count: int64(10 * standing)}},
		Groups: []exectrace.Group{{Start: stack.Site{Function: "main.main.func1"}, Running: running}},
	}
	return t
}

func TestWorkerThatOthersWaitFor(t *testing.T) {
	server := []string{"main.handle", "net/http.HandlerFunc.ServeHTTP", "net/http.(*conn).serve"}
	batch := []string{"main.batch"}
	of := func(tl *exectrace.Timeline, change func(*exectrace.Timeline)) []*evidence.Exhibit {
		if change != nil {
			change(tl)
		}
		return []*evidence.Exhibit{Traced(tl)}
	}
	const s = time.Second
	ExpectAll(t, ChannelBackpressure, []Expect{
		{"requests wait for a worker that runs all the time", of(answered(wait.ChanRecv, 4, s, 0, server...), nil), claim.Found, "warning main.(*Studio).Render"},
		{"and in a select", of(answered(wait.Select, 4, s, 0, server...), nil), claim.Found, "warning main.(*Studio).Render"},
		{"or that sleeps all the time", of(answered(wait.ChanRecv, 4, 0, s, server...), nil), claim.Found, "warning main.(*Studio).Render"},
		{"that is at work for half of the time", of(answered(wait.ChanRecv, 4, s/2, 0, server...), nil), claim.Found, "warning main.(*Studio).Render"},
		{"for less: they wait for events", of(answered(wait.ChanRecv, 4, s/2-1, 0, server...), nil), claim.Found, "info main.(*Studio).Render"},
		{"one on average", of(answered(wait.ChanRecv, 1, s, 0, server...), nil), claim.Found, "warning main.(*Studio).Render"},
		{"nobody answers to the outside", of(answered(wait.ChanRecv, 4, s, 0, batch...), nil), claim.Clear, ""},
		{"timers end most of the waits", of(answered(wait.ChanRecv, 4, s, 0, server...), func(t *exectrace.Timeline) { t.Wakes[0].Count = 19 }), claim.Clear, ""},
		{"it publishes at its own pace", of(answered(wait.ChanRecv, 4, 0, s, server...), func(t *exectrace.Timeline) {
			t.Waits[1].Stack = Frames("time.Sleep", "main.(*Studio).Conduct", "main.main.func1")
		}), claim.Found, "info main.(*Studio).Render"},
		{"another request ends them", of(answered(wait.ChanRecv, 4, s, 0, server...), func(t *exectrace.Timeline) { t.Waits[1].Stack = append(t.Waits[1].Stack, Frames(server...)...) }), claim.Found, "info main.(*Studio).Render"},
	})
	ExpectAll(t, scheduler.PIdle, []Expect{
		{"one goroutine runs all the time, and a processor is idle", of(answered(wait.ChanRecv, 2, s, 0, server...), nil), claim.Found, "warning"},
		{"for four fifths of it", of(answered(wait.ChanRecv, 2, s*8/10, 0, server...), nil), claim.Found, "warning"},
		{"for less", of(answered(wait.ChanRecv, 2, s*8/10-1, 0, server...), nil), claim.Clear, ""},
		{"more than one runs", of(answered(wait.ChanRecv, 2, s+1, 0, server...), nil), claim.Clear, ""},
		{"fewer wait than there are processors", of(answered(wait.ChanRecv, 1, s, 0, server...), nil), claim.Clear, ""},
		{"no processor is idle", of(answered(wait.ChanRecv, 2, s, 0, server...), func(t *exectrace.Timeline) { t.Procs.Idle = s/2 - 1 }), claim.Clear, ""},
		{"workers that wait for a producer", of(answered(wait.ChanRecv, 2, s, 0, batch...), nil), claim.Found, "info"},
	})
}
