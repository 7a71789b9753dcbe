package detect

import (
	"strings"
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

func TestPoolExhaustionTrace(t *testing.T) {
	conn := func(n int, d time.Duration, names ...string) exectrace.Wait {
		return waited(wait.Select, n, d, 0, append([]string{"runtime.selectgo", "database/sql.(*DB).conn:1369", "database/sql.(*DB).query"}, names...)...)
	}
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Second, Waits: waits})
	}
	handler := serving("main.order:9")
	weighted := waited(wait.Select, 100, 100*ms, 0, "runtime.selectgo", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.crawl")
	host := waited(wait.Select, 100, 100*ms, 0, serving("runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Transport).roundTrip", "main.call")...)
	dial := waited(wait.Network, 50, 100*ms, 0, "internal/poll.runtime_pollWait", "net.(*netFD).connect", "net/http.(*Transport).dialConn", "net/http.(*Transport).dialConnFor")
	expectAll(t, PoolExhaustion, []expect{
		{"nobody waits", of(trace()), claim.Clear, ""},
		{"requests wait 1 s per s", of(trace(conn(100, 10*ms, handler...))), claim.Found, "warning main.order"},
		{"just below", of(trace(conn(100, 10*ms-1, handler...))), claim.Found, "info main.order"},
		{"a twentieth of a second", of(trace(conn(50, ms, handler...))), claim.Clear, ""},
		{"less", of(trace(conn(49, ms, handler...))), claim.Clear, ""},
		{"many short waits", of(trace(conn(5000, ms-1, handler...))), claim.Found, "warning main.order"},
		{"too few to be sure", of(trace(conn(19, 100*ms, handler...))), claim.Found, "warning main.order"},
		{"a background job", of(trace(conn(100, 100*ms, "main.job"))), claim.Found, "info main.job"},
		{"a batch behind its own semaphore", of(trace(weighted)), claim.Found, "info main.crawl"},
		{"connections to one host", of(trace(host)), claim.Found, "warning main.call"},
		{"connections that are being made", of(trace(host, dial)), claim.Clear, ""},
		{"idle workers", of(trace(waited(wait.ChanRecv, 8, time.Second, 8, "runtime.chanrecv2", "main.worker"))), claim.Clear, ""},
	})
	keeps := waited(wait.Sleep, 100, 9*ms, 0, serving("time.Sleep", "main.print:3", "main.order:12")...)
	before := waited(wait.Sleep, 100, 90*ms, 0, serving("time.Sleep", "main.read:3", "main.order:2")...)
	f := judge(t, PoolExhaustion, trace(conn(100, 10*ms, handler...), keeps, before)).all.Findings[0]
	if !strings.Contains(f.Summary, "main.print") {
		t.Errorf("what those do that have a connection: %s", f.Summary)
	}
}

func TestPoolExhaustionOfAChannel(t *testing.T) {
	trace := traced(&exectrace.Timeline{Duration: time.Second, Waits: []exectrace.Wait{by(50, waited(wait.ChanSend, 100, 20*ms, 0, serving("runtime.chansend1", "main.order:3")...))},
		Wakes: []exectrace.Wake{{From: at("main.order"), To: at("main.order"), Class: wait.ChanSend, Count: 100}}})
	if j := judge(t, PoolExhaustion, trace); j.worst != "warning main.order" || j.all.Findings[0].Variant != "channel" {
		t.Errorf("%s, want a warning at main.order: %+v", j.worst, j.all.Findings)
	}
}

func TestPoolExhaustionAtOneMoment(t *testing.T) {
	const serve = "net/http.(*conn).serve(1)"
	waits := gone(0, "select", "database/sql.(*DB).conn(1):1369", "database/sql.(*DB).query(1)", "main.order():9", serve)
	host := gone(0, "select", "net/http.(*Transport).getConn(1)", "net/http.(*Transport).roundTrip(1)", "main.call():3", serve)
	dial := gone(0, "IO wait", "internal/poll.runtime_pollWait(1)", "net.(*netFD).connect(1)", "net/http.(*Transport).dialConn(1)")
	// library has the frames of example.com be those of a module that the program depends on.
	library := func(g dump.Goroutine) dump.Goroutine {
		for i := range g.Frames {
			if strings.HasPrefix(g.Frames[i].Function, "example.com/") {
				g.Frames[i].File = "example.com/cache@v1.4.0/pool.go"
			}
		}
		return g
	}
	foreign := gone(0, "select", "example.com/cache/internal.(*sema).wait(1)", "example.com/cache.(*ConnPool).Get(1)", "example.com/cache.(*Client).Do(1)", "main.order():9", serve)
	asking := gone(0, "select", "net.(*Resolver).lookupIPAddr(1)", "example.com/cache.(*ConnPool).Get(1)", "main.order():9", serve)
	expectAll(t, PoolExhaustion, []expect{
		{"a pool nobody has heard of", of(join(many(10, 1, library(foreign)))), claim.Found, "critical main.order"},
		{"a pool that looks up its peer", of(join(many(10, 1, library(asking)))), claim.Undecided, ""},
		{"the program's own type of that name", of(join(many(10, 1, gone(0, "select", "main.(*ConnPool).Get(1)", "main.order():9", serve)))), claim.Undecided, ""},
		{"ten", of(join(many(10, 1, waits))), claim.Found, "critical main.order"},
		{"nine", of(join(many(9, 1, waits))), claim.Found, "info main.order"},
		{"ten jobs", of(join(many(10, 1, gone(0, "select", "database/sql.(*DB).conn(1)", "main.job():9")))), claim.Found, "info main.job"},
		{"a batch behind its own semaphore", of(join(many(500, 1, gone(0, "select", "golang.org/x/sync/semaphore.(*Weighted).Acquire(1)", "main.crawl():9")))), claim.Found, "info main.crawl"},
		{"requests behind a semaphore", of(join(many(10, 1, gone(0, "select", "golang.org/x/sync/semaphore.(*Weighted).Acquire(1)", "main.handle():9", serve)))), claim.Found, "critical main.handle"},
		{"connections to one host", of(join(many(10, 1, host))), claim.Found, "critical main.call"},
		{"connections that are being made", of(join(many(10, 1, host), many(5, 20, dial))), claim.Undecided, ""},
		{"a goroutine profile", of(counted(0, sampleOf(10, serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))), claim.Found, "warning main.order"},
		{"a goroutine profile of nine", of(counted(0, sampleOf(9, serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))), claim.Found, "info main.order"},
	})
	f := judge(t, PoolExhaustion, join(many(10, 1, waits), many(4, 20, gone(0, "sleep", "time.Sleep(1)", "main.print():3", "main.order():12", serve)))).all.Findings[0]
	if !strings.Contains(f.Summary, "4 sleep in main.print") {
		t.Errorf("what those do that have a connection: %s", f.Summary)
	}
}

// TestTakesSlot holds methods that hand out what a pool holds apart from others of the same name.
func TestTakesSlot(t *testing.T) {
	for function, want := range map[string]bool{
		"github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn":   true,
		"github.com/valyala/fasthttp.(*HostClient).acquireConn":             true,
		"github.com/bradfitz/gomemcache/memcache.(*Client).getConn":         true,
		"github.com/Jeffail/tunny.(*Pool).Get":                              true,
		"github.com/jolestar/go-commons-pool/v2.(*ObjectPool).BorrowObject": true,
		"github.com/alitto/pond.(*WorkerPool).Submit":                       true,
		"example.com/sem.(*FairSemaphore).Acquire":                          true,
		"example.com/pool.(*Client).Get":                                    false, // the package is called so, not the type
		"example.com/cache.(*Store).Get":                                    false,
		"example.com/pool.(*Pool).Put":                                      false,
		"example.com/pool.(*Pool).Close":                                    false,
		"example.com/pool.Get":                                              false,
		"example.com/lock.(*Mutex).Acquire":                                 false,
		"example.com/stream.(*Reader).Take":                                 false,
	} {
		if got := takesSlot(function); got != want {
			t.Errorf("%s: %v, want %v", function, got, want)
		}
	}
}

// TestPoolExhaustionByShape checks that a library's pool is told from its other waits in every kind of evidence.
func TestPoolExhaustionByShape(t *testing.T) {
	in := func(file string, names ...string) stack.Stack {
		s := frames(serving(append(append([]string{"runtime.selectgo"}, names...), "main.order:9")...)...)
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
		w := waited(wait.Select, 100, 100*ms, 0)
		w.Stack = s
		return of(traced(&exectrace.Timeline{Duration: time.Second, Waits: []exectrace.Wait{w}}))
	}
	profile := func(n int64, s stack.Stack) []*evidence.Exhibit {
		return of(counted(0, pprofile.Sample{Stack: s, Values: []int64{n}}))
	}
	block := func(s stack.Stack) []*evidence.Exhibit {
		return of(over(10*time.Second, profiled(evidence.Block, 0, row{values: []int64{100, int64(10 * time.Second)}, stack: s})))
	}
	const found = "warning main.order"
	expectAll(t, PoolExhaustion, []expect{
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
		return profiled(evidence.Block, 0, contended(n, d, serving("runtime.selectgo", "database/sql.(*DB).conn", "main.order")...))
	}
	expectAll(t, PoolExhaustion, []expect{
		{"1 s per s", of(over(10*time.Second, conn(100, 10*time.Second))), claim.Found, "warning main.order"},
		{"less", of(over(10*time.Second, conn(100, 10*time.Second-1))), claim.Found, "info main.order"},
		{"hardly any", of(over(10*time.Second, conn(100, 499*ms))), claim.Clear, ""},
		{"since the start, long", of(conn(100, time.Second)), claim.Found, "warning main.order"},
		{"since the start, few", of(conn(99, time.Second)), claim.Found, "info main.order"},
		{"since the start, at the start", of(conn(19, time.Second)), claim.Found, "info main.order"},
		{"since the start, just below ten milliseconds each", of(conn(100, time.Second-1)), claim.Found, "info main.order"},
		{"since the start, connections that were made", of(profiled(evidence.Block, 0, contended(300, 30*time.Second, serving("runtime.selectgo", "net/http.(*Transport).getConn", "main.call")...))), claim.Found, "info main.call"},
		{"an empty profile", of(profiled(evidence.Block, 0)), claim.Undecided, ""},
	})
	// What a trace of the program at work denies is past.
	working := func(d, running time.Duration) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: d, Procs: exectrace.Procs{Max: 2, Running: running, Idle: 2*d - running}})
	}
	expectAll(t, PoolExhaustion, []expect{
		{"since the start, and a trace denies it", of(conn(100, time.Second), working(900*ms, 900*ms)), claim.Found, "info main.order"},
		{"since the start, and the trace is short", of(conn(100, time.Second), working(899*ms, 899*ms)), claim.Found, "warning main.order"},
		{"since the start, and the program rests in the trace", of(conn(100, time.Second), working(time.Second, 9*ms)), claim.Found, "warning main.order"},
		{"over a time of its own, and a trace denies it", of(over(10*time.Second, conn(100, 10*time.Second)), working(time.Second, time.Second)), claim.Found, "warning main.order"},
	})
}

// TestPoolLost holds connections that nobody gets back and nobody uses apart from busy ones.
func TestPoolLost(t *testing.T) {
	stuck := func(open int64) exectrace.Wait {
		return waited(wait.Select, 30, time.Second, open, serving("runtime.selectgo", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.order")...)
	}
	asks := waited(wait.Network, 5, 200*time.Millisecond, 0, "internal/poll.runtime_pollWait", "net.(*conn).Read", "database/sql.(*DB).queryDC", "main.report")
	trace := func(d time.Duration, waits ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: d, Waits: waits, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
	}
	expectAll(t, PoolExhaustion, []expect{
		{"none ended and nobody asks", of(trace(time.Second, stuck(30))), claim.Found, "critical main.order"},
		{"one ended", of(trace(time.Second, stuck(29))), claim.Found, "critical main.order"},
		{"somebody asks by one", of(trace(time.Second, stuck(30), asks)), claim.Found, "critical main.order"},
		{"a short trace", of(trace(time.Second-1, stuck(30))), claim.Found, "critical main.order"},
	})
}
