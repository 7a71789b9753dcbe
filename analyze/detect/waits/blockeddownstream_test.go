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

func TestBlockedDownstreamTrace(t *testing.T) {
	call := []string{"runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).Do", "main.ask:3"}
	asked := func(n int, d time.Duration, names ...string) exectrace.Wait {
		return Waited(wait.Select, n, d, 0, append(append([]string{}, call...), names...)...)
	}
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: 20 * time.Second, Waits: waits})
	}
	const serve = "net/http.(*conn).serve"
	ExpectAll(t, BlockedDownstream, []Expect{
		{"nobody asks", Of(trace()), claim.Clear, ""},
		{"three answers of a second", Of(trace(asked(3, 1100*MS, serve))), claim.Found, "warning main.ask"},
		{"two", Of(trace(asked(2, 1100*MS, serve))), claim.Clear, ""},
		{"three of less", Of(trace(asked(3, 900*MS, serve))), claim.Clear, ""},
		{"three of five seconds", Of(trace(asked(3, 5500*MS, serve))), claim.Found, "critical main.ask"},
		{"three of a thousand: the tail of any peer", Of(trace(asked(3, 1100*MS, serve), asked(997, MS, serve))), claim.Clear, ""},
		{"a watcher in the background", Of(trace(asked(30, 3*time.Second))), claim.Found, "info main.ask"},
		{"a client that reads the network itself", Of(trace(Waited(wait.Network, 5, 2*time.Second, 0, "internal/poll.runtime_pollWait", "net.(*conn).Read", "github.com/lib/pq.(*conn).recv1Buf", "github.com/lib/pq.(*conn).query", "database/sql.(*DB).QueryContext", "main.rows", serve))), claim.Found, "warning main.rows"},
		{"connections of clients, kept alive", Of(trace(Waited(wait.Network, 500, 10*time.Second, 500, "internal/poll.runtime_pollWait", "net.(*conn).Read", "net/http.(*connReader).Read", serve))), claim.Clear, ""},
		{"web sockets", Of(trace(Waited(wait.Network, 500, 10*time.Second, 500, "internal/poll.runtime_pollWait", "net.(*conn).Read", "main.(*client).readFrame", serve))), claim.Clear, ""},
		{"a wait for a connection is another claim", Of(trace(Waited(wait.Select, 50, 2*time.Second, 0, "runtime.selectgo", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.rows", serve))), claim.Clear, ""},
		{"a trace too short to tell", Of(Traced(&exectrace.Timeline{Duration: time.Second})), claim.Undecided, ""},
	})
}

func TestBlockedDownstreamDump(t *testing.T) {
	asks := Goroutine(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.ask():3", "net/http.(*conn).serve(1)")
	ExpectAll(t, BlockedDownstream, []Expect{
		{"calls under way", Of(Join(Many(99, 1, asks))), claim.Found, "info main.ask"},
		{"next to all there is to do", Of(Join(Many(100, 1, asks))), claim.Found, "info main.ask"},
		{"others are at work", Of(Join(Many(100, 1, asks), Many(12, 500, Goroutine(0, "running", "main.work():1", "net/http.(*conn).serve(1)")))), claim.Found, "info main.ask"},
		{"two for a minute", Of(Join(Many(2, 1, Aged(1, asks)))), claim.Found, "info main.ask"},
		{"three", Of(Join(Many(3, 1, Aged(1, asks)))), claim.Found, "critical main.ask"},
		{"thirty", Of(Join(Many(30, 1, Aged(1, asks)))), claim.Found, "critical main.ask"},
		{"watchers", Of(Join(Many(30, 1, Aged(5, Goroutine(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.watch():3"))))), claim.Found, "info main.watch"},
	})
}

func TestBlockedDownstreamBlock(t *testing.T) {
	asked := func(n int64, mean time.Duration) *evidence.Exhibit {
		return Profiled(evidence.Block, 0, Contended(n, time.Duration(n)*mean, Serving("runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).Do", "main.ask")...))
	}
	ExpectAll(t, BlockedDownstream, []Expect{
		{"a second on average", Of(Over(10*time.Second, asked(3, time.Second))), claim.Found, "warning main.ask"},
		{"less", Of(Over(10*time.Second, asked(300, time.Second-1))), claim.Undecided, ""},
		{"since the start, thirty", Of(asked(30, time.Second)), claim.Found, "warning main.ask"},
		{"since the start, fewer", Of(asked(29, time.Second)), claim.Undecided, ""},
	})
}
