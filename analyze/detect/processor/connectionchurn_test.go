package processor

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

func TestConnectionChurnTrace(t *testing.T) {
	conn := func(n int, d time.Duration, root string) exectrace.Wait {
		return Waited(wait.Select, n, d, 0, "runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Transport).roundTrip", "net/http.(*Client).do", "main.(*Desk).Check", root)
	}
	answer := func(n int) exectrace.Wait {
		return Waited(wait.Select, 2*n, 2*MS, 0, "runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Transport).roundTrip", "net/http.(*Client).do", "main.(*Desk).Check", "net/http.(*conn).serve")
	}
	dial := func(n int, d time.Duration) exectrace.Wait {
		return Waited(wait.Network, n, d, 0, "internal/poll.runtime_pollWait", "net.(*netFD).connect", "net.(*Dialer).DialContext", "database/sql.dsnConnector.Connect", "main.(*Desk).Check", "net/http.(*conn).serve")
	}
	trace := func(dialled int64, waits ...exectrace.Wait) []*evidence.Exhibit {
		return Of(Traced(&exectrace.Timeline{Waits: waits, Groups: []exectrace.Group{{Start: At("net/http.(*Transport).startDialConnForLocked"), Created: dialled}}}))
	}
	const serve = "net/http.(*conn).serve"
	ExpectAll(t, ConnectionChurn, []Expect{
		{"one for each answer", trace(100, conn(100, 10*MS, serve), answer(100)), claim.Found, "warning main.(*Desk).Check"},
		{"one for every second answer", trace(100, conn(100, 10*MS, serve), answer(200)), claim.Found, "warning main.(*Desk).Check"},
		{"bodies are read besides", trace(100, conn(100, 10*MS, serve), answer(200), Waited(wait.Select, 300, MS, 0, "runtime.selectgo", "net/http.(*body).Read", "net/http.(*bodyEOFSignal).Read", "io.ReadAll", "main.(*Desk).Check", serve)), claim.Found, "warning main.(*Desk).Check"},
		{"fewer", trace(100, conn(100, 10*MS, serve), answer(201)), claim.Undecided, ""},
		{"hardly a wait", trace(100, conn(100, 9*MS, serve), answer(100)), claim.Found, "info main.(*Desk).Check"},
		{"nobody outside waits", trace(100, conn(100, 10*MS, "main.crawl"), answer(100)), claim.Found, "info main.(*Desk).Check"},
		{"those who wait are given what others give back", trace(49, conn(100, 10*MS, serve), answer(100)), claim.Undecided, ""},
		{"nine a second", trace(9, conn(9, 200*MS, serve), answer(9)), claim.Undecided, ""},
		{"ten", trace(10, conn(10, 200*MS, serve), answer(10)), claim.Found, "warning main.(*Desk).Check"},
		{"nobody answers", trace(100, conn(100, 10*MS, serve)), claim.Undecided, ""},
		{"dialled where they are used", trace(0, dial(100, 10*MS), answer(100)), claim.Found, "warning main.(*Desk).Check"},
		{"a short trace", Of(Traced(&exectrace.Timeline{Duration: MS, Waits: []exectrace.Wait{dial(100, MS), answer(100)}})), claim.Undecided, ""},
	})
	// The CPU profile sees net/http dial, the trace for whom: one finding.
	both := append(trace(100, conn(100, 10*MS, serve), answer(100)), CPUProfile(CPU(500, "crypto/tls.(*Conn).clientHandshake", "net/http.(*Transport).dialConn", "net/http.(*Transport).dialConnFor"), CPU(500, "main.work")))
	if f := Judge(t, ConnectionChurn, both...).All.Findings; len(f) != 1 {
		t.Errorf("%+v", f)
	}
}
