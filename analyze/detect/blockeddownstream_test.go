package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

func TestBlockedDownstreamTrace(t *testing.T) {
	call := []string{"runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).Do", "main.ask:3"}
	asked := func(n int, d time.Duration, names ...string) exectrace.Wait {
		return waited(wait.Select, n, d, 0, append(append([]string{}, call...), names...)...)
	}
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: 20 * time.Second, Waits: waits})
	}
	const serve = "net/http.(*conn).serve"
	expectAll(t, BlockedDownstream, []expect{
		{"nobody asks", of(trace()), claim.Clear, ""},
		{"three answers of a second", of(trace(asked(3, 1100*ms, serve))), claim.Found, "warning main.ask"},
		{"two", of(trace(asked(2, 1100*ms, serve))), claim.Clear, ""},
		{"three of less", of(trace(asked(3, 900*ms, serve))), claim.Clear, ""},
		{"three of five seconds", of(trace(asked(3, 5500*ms, serve))), claim.Found, "critical main.ask"},
		{"three of a thousand: the tail of any peer", of(trace(asked(3, 1100*ms, serve), asked(997, ms, serve))), claim.Clear, ""},
		{"a watcher in the background", of(trace(asked(30, 3*time.Second))), claim.Found, "info main.ask"},
		{"a client that reads the network itself", of(trace(waited(wait.Network, 5, 2*time.Second, 0, "internal/poll.runtime_pollWait", "net.(*conn).Read", "github.com/lib/pq.(*conn).recv1Buf", "github.com/lib/pq.(*conn).query", "database/sql.(*DB).QueryContext", "main.rows", serve))), claim.Found, "warning main.rows"},
		{"connections of clients, kept alive", of(trace(waited(wait.Network, 500, 10*time.Second, 500, "internal/poll.runtime_pollWait", "net.(*conn).Read", "net/http.(*connReader).Read", serve))), claim.Clear, ""},
		{"web sockets", of(trace(waited(wait.Network, 500, 10*time.Second, 500, "internal/poll.runtime_pollWait", "net.(*conn).Read", "main.(*client).readFrame", serve))), claim.Clear, ""},
		{"a wait for a connection is another claim", of(trace(waited(wait.Select, 50, 2*time.Second, 0, "runtime.selectgo", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.rows", serve))), claim.Clear, ""},
		{"a trace too short to tell", of(traced(&exectrace.Timeline{Duration: time.Second})), claim.Undecided, ""},
	})
}

func TestBlockedDownstreamDump(t *testing.T) {
	asks := gone(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.ask():3", "net/http.(*conn).serve(1)")
	expectAll(t, BlockedDownstream, []expect{
		{"calls under way", of(join(many(99, 1, asks))), claim.Found, "info main.ask"},
		{"next to all there is to do", of(join(many(100, 1, asks))), claim.Found, "info main.ask"},
		{"others are at work", of(join(many(100, 1, asks), many(12, 500, gone(0, "running", "main.work():1", "net/http.(*conn).serve(1)")))), claim.Found, "info main.ask"},
		{"two for a minute", of(join(many(2, 1, aged(1, asks)))), claim.Found, "info main.ask"},
		{"three", of(join(many(3, 1, aged(1, asks)))), claim.Found, "critical main.ask"},
		{"thirty", of(join(many(30, 1, aged(1, asks)))), claim.Found, "critical main.ask"},
		{"watchers", of(join(many(30, 1, aged(5, gone(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.watch():3"))))), claim.Found, "info main.watch"},
	})
}

func TestBlockedDownstreamBlock(t *testing.T) {
	asked := func(n int64, mean time.Duration) *evidence.Exhibit {
		return profiled(evidence.Block, 0, contended(n, time.Duration(n)*mean, serving("runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).Do", "main.ask")...))
	}
	expectAll(t, BlockedDownstream, []expect{
		{"a second on average", of(over(10*time.Second, asked(3, time.Second))), claim.Found, "warning main.ask"},
		{"less", of(over(10*time.Second, asked(300, time.Second-1))), claim.Undecided, ""},
		{"since the start, thirty", of(asked(30, time.Second)), claim.Found, "warning main.ask"},
		{"since the start, fewer", of(asked(29, time.Second)), claim.Undecided, ""},
	})
}
