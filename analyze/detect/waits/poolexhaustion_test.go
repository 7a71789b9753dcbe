package waits

import (
	"strings"
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

func TestPoolExhaustionTrace(t *testing.T) {
	conn := func(n int, d time.Duration, names ...string) exectrace.Wait {
		return Waited(wait.Select, n, d, 0, append([]string{"runtime.selectgo", "database/sql.(*DB).conn:1369", "database/sql.(*DB).query"}, names...)...)
	}
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Waits: waits})
	}
	handler := Serving("main.order:9")
	weighted := Waited(wait.Select, 100, 100*MS, 0, "runtime.selectgo", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.crawl")
	host := Waited(wait.Select, 100, 100*MS, 0, Serving("runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Transport).roundTrip", "main.call")...)
	dial := Waited(wait.Network, 50, 100*MS, 0, "internal/poll.runtime_pollWait", "net.(*netFD).connect", "net/http.(*Transport).dialConn", "net/http.(*Transport).dialConnFor")
	ExpectAll(t, PoolExhaustion, []Expect{
		{"nobody waits", Of(trace()), claim.Clear, ""},
		{"requests wait 1 s per s", Of(trace(conn(100, 10*MS, handler...))), claim.Found, "warning main.order"},
		{"just below", Of(trace(conn(100, 10*MS-1, handler...))), claim.Found, "info main.order"},
		{"a twentieth of a second", Of(trace(conn(50, MS, handler...))), claim.Clear, ""},
		{"less", Of(trace(conn(49, MS, handler...))), claim.Clear, ""},
		{"many short waits", Of(trace(conn(5000, MS-1, handler...))), claim.Found, "warning main.order"},
		{"too few to be sure", Of(trace(conn(19, 100*MS, handler...))), claim.Found, "warning main.order"},
		{"a background job", Of(trace(conn(100, 100*MS, "main.job"))), claim.Found, "info main.job"},
		{"a batch behind its own semaphore", Of(trace(weighted)), claim.Found, "info main.crawl"},
		{"connections to one host", Of(trace(host)), claim.Found, "warning main.call"},
		{"connections that are being made", Of(trace(host, dial)), claim.Clear, ""},
		{"idle workers", Of(trace(Waited(wait.ChanRecv, 8, time.Second, 8, "runtime.chanrecv2", "main.worker"))), claim.Clear, ""},
	})
	keeps := Waited(wait.Sleep, 100, 9*MS, 0, Serving("time.Sleep", "main.print:3", "main.order:12")...)
	before := Waited(wait.Sleep, 100, 90*MS, 0, Serving("time.Sleep", "main.read:3", "main.order:2")...)
	f := Judge(t, PoolExhaustion, trace(conn(100, 10*MS, handler...), keeps, before)).All.Findings[0]
	if !strings.Contains(f.Summary.String(), "main.print") {
		t.Errorf("what those do that have a connection: %s", f.Summary)
	}
}

func TestPoolExhaustionOfAChannel(t *testing.T) {
	trace := Traced(&exectrace.Timeline{Duration: time.Second, Waits: []exectrace.Wait{By(50, Waited(wait.ChanSend, 100, 20*MS, 0, Serving("runtime.chansend1", "main.order:3")...))},
		Wakes: []exectrace.Wake{{From: At("main.order"), To: At("main.order"), Class: wait.ChanSend, Count: 100}}})
	if j := Judge(t, PoolExhaustion, trace); j.Worst != "warning main.order" || j.All.Findings[0].Variant != "channel" {
		t.Errorf("%s, want a warning at main.order: %+v", j.Worst, j.All.Findings)
	}
}

func TestPoolExhaustionAtOneMoment(t *testing.T) {
	const serve = "net/http.(*conn).serve(1)"
	waits := Goroutine(0, "select", "database/sql.(*DB).conn(1):1369", "database/sql.(*DB).query(1)", "main.order():9", serve)
	host := Goroutine(0, "select", "net/http.(*Transport).getConn(1)", "net/http.(*Transport).roundTrip(1)", "main.call():3", serve)
	dial := Goroutine(0, "IO wait", "internal/poll.runtime_pollWait(1)", "net.(*netFD).connect(1)", "net/http.(*Transport).dialConn(1)")
	// library has the frames of example.com be those of a module that the program depends on.
	library := func(g dump.Goroutine) dump.Goroutine {
		for i := range g.Frames {
			if strings.HasPrefix(g.Frames[i].Function, "example.com/") {
				g.Frames[i].File = "example.com/cache@v1.4.0/pool.go"
			}
		}
		return g
	}
	foreign := Goroutine(0, "select", "example.com/cache/internal.(*sema).wait(1)", "example.com/cache.(*ConnPool).Get(1)", "example.com/cache.(*Client).Do(1)", "main.order():9", serve)
	asking := Goroutine(0, "select", "net.(*Resolver).lookupIPAddr(1)", "example.com/cache.(*ConnPool).Get(1)", "main.order():9", serve)
	ExpectAll(t, PoolExhaustion, []Expect{
		{"a pool nobody has heard of", Of(Join(Many(10, 1, library(foreign)))), claim.Found, "critical main.order"},
		{"a pool that looks up its peer", Of(Join(Many(10, 1, library(asking)))), claim.Undecided, ""},
		{"the program's own type of that name", Of(Join(Many(10, 1, Goroutine(0, "select", "main.(*ConnPool).Get(1)", "main.order():9", serve)))), claim.Undecided, ""},
		{"ten", Of(Join(Many(10, 1, waits))), claim.Found, "critical main.order"},
		{"nine", Of(Join(Many(9, 1, waits))), claim.Found, "info main.order"},
		{"ten jobs", Of(Join(Many(10, 1, Goroutine(0, "select", "database/sql.(*DB).conn(1)", "main.job():9")))), claim.Found, "info main.job"},
		{"a batch behind its own semaphore", Of(Join(Many(500, 1, Goroutine(0, "select", "golang.org/x/sync/semaphore.(*Weighted).Acquire(1)", "main.crawl():9")))), claim.Found, "info main.crawl"},
		{"requests behind a semaphore", Of(Join(Many(10, 1, Goroutine(0, "select", "golang.org/x/sync/semaphore.(*Weighted).Acquire(1)", "main.handle():9", serve)))), claim.Found, "critical main.handle"},
		{"connections to one host", Of(Join(Many(10, 1, host))), claim.Found, "critical main.call"},
		{"connections that are being made", Of(Join(Many(10, 1, host), Many(5, 20, dial))), claim.Undecided, ""},
		{"a goroutine profile", Of(Counted(0, SampleOf(10, Serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))), claim.Found, "warning main.order"},
		{"a goroutine profile of nine", Of(Counted(0, SampleOf(9, Serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))), claim.Found, "info main.order"},
	})
	f := Judge(t, PoolExhaustion, Join(Many(10, 1, waits), Many(4, 20, Goroutine(0, "sleep", "time.Sleep(1)", "main.print():3", "main.order():12", serve)))).All.Findings[0]
	if !strings.Contains(f.Summary.String(), "4 sleep in main.print") {
		t.Errorf("what those do that have a connection: %s", f.Summary)
	}
}

// TestPoolExhaustionByShape checks that a library's pool is told from its other waits in every kind of evidence.
func TestPoolExhaustionByShape(t *testing.T) {
	in := func(file string, names ...string) stack.Stack {
		s := Frames(Serving(append(append([]string{"runtime.selectgo"}, names...), "main.order:9")...)...)
		for i := range s {
			if strings.HasPrefix(s[i].Function, "example.com/") {
				s[i].File = file
			}
		}
		return s
	}
	const module, vendored, own = "example.com/cache@v1.4.0/pool.go", "/src/shop/vendor/example.com/cache/pool.go", "shop/cache/pool.go"
	waiting := []string{"example.com/cache.(*sema).wait", "example.com/cache.(*ConnPool).Get", "example.com/cache.(*Client).Do"}
	trace := func(s stack.Stack) []*evidence.Exhibit {
		w := Waited(wait.Select, 100, 100*MS, 0)
		w.Stack = s
		return Of(Traced(&exectrace.Timeline{Duration: time.Second, Waits: []exectrace.Wait{w}}))
	}
	profile := func(n int64, s stack.Stack) []*evidence.Exhibit {
		return Of(Counted(0, pprofile.Sample{Stack: s, Values: []int64{n}}))
	}
	block := func(s stack.Stack) []*evidence.Exhibit {
		return Of(Over(10*time.Second, Profiled(evidence.Block, 0, Row{Values: []int64{100, int64(10 * time.Second)}, Stack: s})))
	}
	const found = "warning main.order"
	ExpectAll(t, PoolExhaustion, []Expect{
		{"trace", trace(in(module, waiting...)), claim.Found, found},
		{"block profile", block(in(module, waiting...)), claim.Found, found},
		{"goroutine profile", profile(10, in(module, waiting...)), claim.Found, found},
		{"goroutine profile of nine", profile(9, in(module, waiting...)), claim.Found, "info main.order"},
		{"vendored", trace(in(vendored, waiting...)), claim.Found, found},
		{"the program's own", trace(in(own, waiting...)), claim.Clear, ""},
		{"a client that waits for its answer", trace(in(module, "example.com/cache.(*call).wait", "example.com/cache.(*Client).Do")), claim.Clear, ""},
		{"a pool that dials", trace(in(module, "net.(*Dialer).DialContext", "example.com/cache.(*ConnPool).dial", "example.com/cache.(*ConnPool).Get")), claim.Clear, ""},
		{"the outermost that takes speaks", trace(in(module, "example.com/cache.(*sema).wait", "example.com/cache.(*Shard).takeConn", "example.com/cache.(*ConnPool).Get")), claim.Found, found},
		{"a worker of the pool that calls the program, which waits", trace(in(module, "main.pause", "example.com/cache.(*WorkerPool).Submit")), claim.Clear, ""},
	})
}

func TestPoolExhaustionBlock(t *testing.T) {
	conn := func(n int64, d time.Duration) *evidence.Exhibit {
		return Profiled(evidence.Block, 0, Contended(n, d, Serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))
	}
	ExpectAll(t, PoolExhaustion, []Expect{
		{"1 s per s", Of(Over(10*time.Second, conn(100, 10*time.Second))), claim.Found, "warning main.order"},
		{"less", Of(Over(10*time.Second, conn(100, 10*time.Second-1))), claim.Found, "info main.order"},
		{"hardly any", Of(Over(10*time.Second, conn(100, 499*MS))), claim.Clear, ""},
		{"since the start, long", Of(conn(100, time.Second)), claim.Found, "warning main.order"},
		{"since the start, few", Of(conn(99, time.Second)), claim.Found, "info main.order"},
		{"since the start, at the start", Of(conn(19, time.Second)), claim.Found, "info main.order"},
		{"since the start, just below ten milliseconds each", Of(conn(100, time.Second-1)), claim.Found, "info main.order"},
		{"since the start, connections that were made", Of(Profiled(evidence.Block, 0, Contended(300, 30*time.Second, Serving("runtime.selectgo", "net/http.(*Transport).getConn", "main.call")...))), claim.Found, "info main.call"},
		{"an empty profile", Of(Profiled(evidence.Block, 0)), claim.Undecided, ""},
	})
	// What a trace of the program at work denies is past.
	working := func(d, running time.Duration) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: d, Procs: exectrace.Procs{Max: 2, Running: running, Idle: 2*d - running}})
	}
	ExpectAll(t, PoolExhaustion, []Expect{
		{"since the start, and a trace denies it", Of(conn(100, time.Second), working(900*MS, 900*MS)), claim.Found, "info main.order"},
		{"since the start, and the trace is short", Of(conn(100, time.Second), working(899*MS, 899*MS)), claim.Found, "warning main.order"},
		{"since the start, and the program rests in the trace", Of(conn(100, time.Second), working(time.Second, 9*MS)), claim.Found, "warning main.order"},
		{"over a time of its own, and a trace denies it", Of(Over(10*time.Second, conn(100, 10*time.Second)), working(time.Second, time.Second)), claim.Found, "warning main.order"},
	})
}

// TestPoolLost holds connections that nobody gets back and nobody uses apart from busy ones.
func TestPoolLost(t *testing.T) {
	stuck := func(open int64) exectrace.Wait {
		return Waited(wait.Select, 30, time.Second, open, Serving("runtime.selectgo", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.order")...)
	}
	asks := Waited(wait.Network, 5, 200*time.Millisecond, 0, "internal/poll.runtime_pollWait", "net.(*conn).Read", "database/sql.(*DB).queryDC", "main.report")
	trace := func(d time.Duration, waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: d, Waits: waits, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
	}
	ExpectAll(t, PoolExhaustion, []Expect{
		{"none ended and nobody asks", Of(trace(time.Second, stuck(30))), claim.Found, "critical main.order"},
		{"one ended", Of(trace(time.Second, stuck(29))), claim.Found, "critical main.order"},
		{"somebody asks by one", Of(trace(time.Second, stuck(30), asks)), claim.Found, "critical main.order"},
		{"a short trace", Of(trace(time.Second-1, stuck(30))), claim.Found, "critical main.order"},
	})
}
