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
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

func TestGoroutineLeakDump(t *testing.T) {
	send := Goroutine(0, "chan send", "main.(*N).Send.func1():7")
	proven := send
	proven.Leaked = true
	recv := Goroutine(0, "chan receive", "main.await():7")
	orphan := send
	orphan.Creator, orphan.CreatedBy = 9_000_001, stack.Frame{Function: "main.(*N).Send"}
	creator := func(state string, frames ...string) dump.Goroutine {
		g := Goroutine(0, state, frames...)
		g.ID = 9_000_001
		return g
	}
	nobody := Goroutine(0, "chan receive (nil chan)", "main.await():7")
	unread := Goroutine(0, "select", "net/http.(*persistConn).readLoop(1)")
	// after stamps a dump with the seconds that have passed.
	after := func(second int, e *evidence.Exhibit) *evidence.Exhibit {
		e.CapturedAt = time.Unix(int64(1_000_000+second), 0)
		return e
	}
	ExpectAll(t, GoroutineLeak, []Expect{
		{"steady for half a minute", Of(after(0, Join(Many(100, 1, send))), after(30, Join(Many(100, 1, send)))), claim.Clear, ""},
		{"steady for less", Of(after(0, Join(Many(100, 1, send))), after(29, Join(Many(100, 1, send)))), claim.Undecided, ""},
		{"marks in an earlier dump", Of(Join(One(proven)), Join(One(send))), claim.Found, "critical main.(*N).Send"},
		{"marked as leaked", Of(Join(One(proven))), claim.Found, "critical main.(*N).Send"},
		{"old senders of every age among other goroutines", Of(Join(Spread(200, 3, 4, send))), claim.Found, "warning main.(*N).Send"},
		{"forty-nine old ones", Of(Join(Many(49, 1, Aged(5, send)))), claim.Found, "info main.(*N).Send"},
		{"all started at once and of one age: held back on purpose", Of(Join(Spread(500, 1, 0, send))), claim.Undecided, ""},
		{"the same for a minute", Of(Join(Many(500, 1, Aged(3, send)))), claim.Found, "info main.(*N).Send"},
		{"senders whose receiver is gone", Of(Join(Many(500, 1, orphan))), claim.Found, "warning main.(*N).Send"},
		{"fewer of them", Of(Join(Many(499, 1, orphan))), claim.Undecided, ""},
		{"their creator waits for something else", Of(Join(Many(500, 1, orphan), One(creator("select", "main.(*N).Send():9")))), claim.Found, "warning main.(*N).Send"},
		{"their creator is at work on the results", Of(Join(Many(500, 1, orphan), One(creator("sleep", "time.Sleep(1)", "main.(*N).Send():9")))), claim.Undecided, ""},
		{"a channel that is nil", Of(Join(Many(50, 1, nobody))), claim.Found, "warning main.await"},
		{"some that are meant to wait for ever", Of(Join(Many(49, 1, nobody))), claim.Undecided, ""},
		{"answers that nobody reads", Of(Join(Many(50, 1, unread))), claim.Found, "warning net/http.(*persistConn).readLoop"},
		{"answers that somebody may read", Of(Join(Many(50, 1, unread), Many(1, 1, Goroutine(0, "sleep", "main.decode():3")))), claim.Undecided, ""},
		{"idle connections", Of(Join(Many(500, 1, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "net/http.(*persistConn).readLoop(1)")))), claim.Undecided, ""},
		{"parked workers", Of(Join(Spread(5000, 1, 300, recv))), claim.Undecided, ""},
		{"receivers of every age among other goroutines: parked, or leaked", Of(Join(Spread(500, 4, 10, recv))), claim.Found, "info main.await"},
		{"requests that wait for events", Of(Join(Spread(500, 4, 10, Goroutine(0, "select", "main.events():7", Serve)))), claim.Undecided, ""},
		{"connections kept alive", Of(Join(Spread(500, 4, 10, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "bufio.(*Reader).Peek(1)", Serve)))), claim.Undecided, ""},
		{"waiters for a lock are judged elsewhere", Of(Join(Spread(500, 4, 10, InMutex(0, "c008", "main.f():1")))), claim.Undecided, ""},
		{"growing over three dumps", Of(Join(Many(100, 1, send)), Join(Many(200, 1, send)), Join(Many(300, 1, send))), claim.Found, "warning main.(*N).Send"},
		{"down in between", Of(Join(Many(100, 1, send)), Join(Many(90, 1, send)), Join(Many(300, 1, send))), claim.Undecided, ""},
		{"grown by a thousand", Of(Join(Many(100, 1, send)), Join(Many(500, 1, send)), Join(Many(1100, 1, send))), claim.Found, "critical main.(*N).Send"},
		{"below the growth", Of(Join(Many(60, 1, send)), Join(Many(109, 1, send))), claim.Undecided, ""},
		{"at the growth", Of(Join(Many(60, 1, send)), Join(Many(110, 1, send))), claim.Found, "info main.(*N).Send"},
		{"below the ratio", Of(Join(Many(600, 1, send)), Join(Many(899, 1, send))), claim.Undecided, ""},
		{"a pool that grew once", Of(Join(Many(100, 1, recv)), Join(Many(400, 1, recv))), claim.Found, "info main.await"},
		{"a pool that grew and stopped", Of(Join(Many(100, 1, recv)), Join(Many(400, 1, recv)), Join(Many(400, 1, recv))), claim.Found, "info main.await"},
		{"receivers that grow without end", Of(Join(Many(100, 1, recv)), Join(Many(400, 1, recv)), Join(Many(700, 1, recv))), claim.Found, "warning main.await"},
		{"more connections", Of(Join(Many(100, 1, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "main.ws():4"))), Join(Many(900, 1, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "main.ws():4")))), claim.Undecided, ""},
	})
}

// TestGoroutineLeakOrphans holds senders whose receiver is gone apart from those of a
// program that gathers slowly.
// TestGoroutineLeakCoroutines checks that iterators which nobody pulls are a leak, and those of goroutines at work are none.
func TestGoroutineLeakCoroutines(t *testing.T) {
	left := Goroutine(0, "coroutine", "runtime.coroswitch(1)", "iter.Pull[...].func1.1(1)", "main.offers.func1():7", "iter.Pull[...].func1(1)")
	working := Goroutine(0, "runnable", "main.merge():3")
	profile := func(coroutines, others int64) *evidence.Exhibit {
		return Counted(0, SampleOf(coroutines, "runtime.coroswitch", "iter.Pull[...].func1.1", "main.offers.func1", "iter.Pull[...].func1", "runtime.corostart"), SampleOf(others, "main.merge"))
	}
	ExpectAll(t, GoroutineLeak, []Expect{
		{"two for each other goroutine", Of(Join(Many(100, 1, left), Many(50, 200, working))), claim.Undecided, ""},
		{"more", Of(Join(Many(101, 1, left), Many(50, 200, working))), claim.Found, "warning main.offers"},
		{"few", Of(Join(Many(49, 1, left))), claim.Undecided, ""},
		{"in a profile", Of(profile(101, 50)), claim.Found, "warning main.offers"},
		{"in a profile, of goroutines at work", Of(profile(100, 50)), claim.Undecided, ""},
	})
}

func TestGoroutineLeakOrphans(t *testing.T) {
	const f = "main.(*Batch).run"
	madeBy := func(creator int64) dump.Goroutine {
		g := Goroutine(0, "chan send", f+".func1():7")
		g.Creator, g.CreatedBy = creator, stack.Frame{Function: f}
		return g
	}
	const gatherer, left, nobody = 9_000_001, 9_000_002, 9_000_003
	creator := func(id int64, state string, frames ...string) []dump.Goroutine {
		return One(Goroutine(id, state, frames...))
	}
	gathers := creator(gatherer, "chan receive", "main.merge():3", f+"():12")
	serves := creator(left, "IO wait", "internal/poll.(*FD).Read(1)", "bufio.(*Reader).Peek(1)", Serve)
	unknown := Goroutine(0, "chan send", f+".func1():7")
	recv := madeBy(nobody)
	recv.State = "chan receive"
	ExpectAll(t, GoroutineLeak, []Expect{
		{"their creator receives in another function of its own", Of(Join(Many(3000, 1, madeBy(gatherer)), gathers)), claim.Undecided, ""},
		{"their creator writes what it received", Of(Join(Many(3000, 1, madeBy(gatherer)), creator(gatherer, "IO wait", "internal/poll.(*FD).Write(1)", f+"():14"))), claim.Undecided, ""},
		{"their creator runs", Of(Join(Many(3000, 1, madeBy(gatherer)), creator(gatherer, "running", f+"():14"))), claim.Undecided, ""},
		{"their creators serve other requests now", Of(Join(Many(500, 1, madeBy(left)), serves)), claim.Found, "warning " + f},
		{"half of them", Of(Join(Many(500, 1, madeBy(nobody)), Many(500, 501, madeBy(gatherer)), gathers)), claim.Found, "warning " + f},
		{"less than half of them", Of(Join(Many(500, 1, madeBy(nobody)), Many(501, 501, madeBy(gatherer)), gathers)), claim.Undecided, ""},
		{"who made them is not printed", Of(Join(Many(3000, 1, unknown))), claim.Undecided, ""},
		{"receivers without a creator are parked", Of(Join(Many(3000, 1, recv))), claim.Undecided, ""},
	})
	found := Judge(t, GoroutineLeak, Join(Many(500, 1, madeBy(nobody)), Many(500, 501, madeBy(gatherer)), gathers)).All.Findings
	if len(found) != 1 || found[0].Variant != "orphaned" || found[0].Evidence[1].Value.Number != 500 || !ContainsText(found[0].Next[:1], "make(chan T, n)") {
		t.Errorf("%+v", found)
	}
	// A saw that was caught twice on its way up, and once more in a dump.
	up := Of(Counted(0, SampleOf(219, "runtime.chansend1", f+".func1")), Counted(11, SampleOf(559, "runtime.chansend1", f+".func1")))
	ExpectAll(t, GoroutineLeak, []Expect{
		{"twice", up, claim.Found, "info " + f},
		{"and its creator gathers", append(Of(Join(Many(549, 1, madeBy(gatherer)), gathers)), up...), claim.Found, "info " + f},
		{"whose senders started among others", append(Of(Join(Spread(549, 3, 0, madeBy(gatherer)), gathers)), up...), claim.Found, "info " + f},
		{"and their creator is gone", append(Of(Join(Many(549, 1, madeBy(nobody)))), up...), claim.Found, "warning " + f},
	})
}

// TestGoroutineLeakTwoSnapshots holds what two moments may say of a queue, which
// goes up and down, and of a leak.
// TestGoroutineLeakHelpers looks for who could let a wait group go on: helpers of one request are none of another's.
func TestGoroutineLeakHelpers(t *testing.T) {
	group := []string{"sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(0?)"}
	tally := append(group, "main.tally():9", "main.handle():3", Serve)
	helper := func(id, creator int64, frames ...string) dump.Goroutine {
		g := Goroutine(id, "sleep", append([]string{"time.Sleep(1)"}, frames...)...)
		g.Creator, g.CreatedBy.Function = creator, "main.tally"
		return g
	}
	var stuck []dump.Goroutine
	for i := range 12 {
		stuck = append(stuck, Goroutine(int64(100+10*i), "sync.WaitGroup.Wait", tally...))
	}
	ExpectAll(t, GoroutineLeak, []Expect{
		{"no helper at all", Of(Join(stuck)), claim.Found, "warning main.tally"},
		{"one has its own", Of(Join(stuck, One(helper(901, 100, "main.ask():5", "main.tally.func1():2")))), claim.Found, "warning main.tally"},
		{"one whose maker is gone may be anybody's", Of(Join(stuck, One(helper(901, 7, "main.ask():5", "main.tally.func1():2")))), claim.Undecided, ""},
		{"a worker at a task that was made there", Of(Join(stuck, One(helper(901, 100, "main.tally.func1():2", "main.(*pool).work():7", "main.newPool.func1():2")))), claim.Undecided, ""},
	})
}

func TestGoroutineLeakTwoSnapshots(t *testing.T) {
	grew := func(sizes ...int64) []*evidence.Exhibit {
		var out []*evidence.Exhibit
		for i, n := range sizes {
			out = append(out, Counted(30*i, SampleOf(n, "runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.f")))
		}
		return out
	}
	ExpectAll(t, GoroutineLeak, []Expect{
		{"by 499", grew(300, 799), claim.Found, "info main.f"},
		{"by 500", grew(300, 800), claim.Found, "warning main.f"},
		{"to just below three times", grew(100, 299), claim.Found, "info main.f"},
		{"to three times", grew(100, 300), claim.Found, "warning main.f"},
		{"from nothing", grew(0, 50), claim.Found, "warning main.f"},
		{"slowly, three times in a row", grew(100, 140, 180), claim.Found, "warning main.f"},
		{"slowly, and less than half more", grew(100, 120, 149), claim.Clear, ""},
		{"and back", grew(100, 799, 100), claim.Clear, ""},
	})
	for _, c := range []struct {
		exhibits []*evidence.Exhibit
		want     bool
	}{{grew(300, 800), false}, {grew(300, 500, 800), true}} {
		f := Judge(t, GoroutineLeak, c.exhibits...).All.Findings
		if len(f) != 1 || strings.Contains(f[0].Summary.String(), "never fell") != c.want {
			t.Errorf("%d snapshots: %+v", len(c.exhibits), f)
		}
	}
}

// TestGoroutineLeakNilChannels holds waits that nothing can end apart from those that may be meant.
func TestGoroutineLeakNilChannels(t *testing.T) {
	waits := func(n int, state string) []dump.Goroutine { return Many(n, 1, Goroutine(0, state, "main.await():7")) }
	parked := Many(5000, 1000, Goroutine(0, "chan receive", "main.await():7"))
	ExpectAll(t, GoroutineLeak, []Expect{
		{"sends", Of(Join(waits(50, "chan send (nil chan)"))), claim.Found, "warning main.await"},
		{"fewer sends", Of(Join(waits(49, "chan send (nil chan)"))), claim.Undecided, ""},
		{"selects without cases", Of(Join(waits(50, "select (no cases)"))), claim.Found, "warning main.await"},
		{"fewer selects", Of(Join(waits(49, "select (no cases)"))), claim.Undecided, ""},
		{"a main function that is done", Of(Join(One(Goroutine(1, "select (no cases)", "main.main():7")))), claim.Undecided, ""},
		{"selects with cases", Of(Join(waits(5000, "select"))), claim.Undecided, ""},
		{"in a bubble", Of(Join(waits(50, "chan receive (nil chan) (durable)"))), claim.Found, "warning main.await"},
		{"some of many that are parked", Of(Join(waits(50, "chan receive (nil chan)"), parked)), claim.Found, "warning main.await"},
		{"fewer of many that are parked", Of(Join(waits(49, "chan receive (nil chan)"), parked)), claim.Undecided, ""},
		{"at different places", Of(Join(waits(49, "chan receive (nil chan)"), Many(49, 100, Goroutine(0, "chan receive (nil chan)", "main.other():7")))), claim.Undecided, ""},
		{"gone from the last dump", Of(Join(waits(50, "chan receive (nil chan)")), Join(waits(50, "chan receive"))), claim.Undecided, ""},
	})
	f := Judge(t, GoroutineLeak, Join(waits(50, "chan receive (nil chan)"), parked)).All.Findings
	if len(f) != 1 || f[0].Variant != "nil-channel" || f[0].Evidence[0].Value.Number != 50 {
		t.Errorf("%+v", f)
	}
}

// TestGoroutineLeakUnread holds answers that nobody reads apart from those that a
// proxy is passing on, and from idle connections.
func TestGoroutineLeakUnread(t *testing.T) {
	const loop = "net/http.(*persistConn).readLoop(1)"
	unread := func(n int) []dump.Goroutine { return Many(n, 1, Goroutine(0, "select", loop)) }
	idle := Many(500, 1000, Goroutine(0, "IO wait", "internal/poll.(*FD).Read(1)", "bufio.(*Reader).Peek(1)", loop))
	reading := func(n int, state string, frames ...string) []dump.Goroutine {
		return Many(n, 5000, Goroutine(0, state, append(frames, Serve)...))
	}
	reverse := []string{"net/http/httputil.(*ReverseProxy).copyBuffer(1)", "net/http/httputil.(*ReverseProxy).ServeHTTP(1)", "net/http.serverHandler.ServeHTTP(1)"}
	body := []string{"internal/poll.(*FD).Read(1)", "net/http.(*persistConn).Read(1)", "net/http.(*bodyEOFSignal).Read(1)"}
	slow := []string{"internal/poll.(*FD).Write(1)", "net.(*conn).Write(1)", "net/http.(*response).Write(1)"}
	profile := func(n, busy int64) []*evidence.Exhibit {
		return Of(Counted(0, SampleOf(n, "runtime.gopark", "runtime.selectgo", "net/http.(*persistConn).readLoop"), SampleOf(busy, "encoding/json.(*Decoder).Decode", "main.decode")))
	}
	const found = "warning net/http.(*persistConn).readLoop"
	ExpectAll(t, GoroutineLeak, []Expect{
		{"fifty", Of(Join(unread(50))), claim.Found, found},
		{"forty-nine beside idle ones", Of(Join(unread(49), idle)), claim.Undecided, ""},
		{"requests that wait for an answer", Of(Join(idle, reading(300, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.(*Proxy).serve():3"))), claim.Undecided, ""},
		{"a proxy that passes bodies on", Of(Join(unread(300), reading(300, "IO wait", append(body, "io.Copy(1)", "main.(*Proxy).serve():3")...))), claim.Undecided, ""},
		{"one whose clients are slow", Of(Join(unread(300), reading(300, "IO wait", append(slow, "io.Copy(1)", "main.(*Proxy).serve():3")...))), claim.Undecided, ""},
		{"the standard library's proxy", Of(Join(unread(300), reading(300, "IO wait", append(body, reverse...)...))), claim.Undecided, ""},
		{"one whose clients are slow, of the standard library", Of(Join(unread(300), reading(300, "IO wait", append(slow, reverse...)...))), claim.Undecided, ""},
		{"fifty more than are read", Of(Join(unread(350), reading(300, "IO wait", append(body, "main.(*Proxy).serve():3")...))), claim.Found, found},
		{"readers that wait for a lock", Of(Join(unread(50), Many(1, 5000, InMutex(0, "c008", "main.decode():3")))), claim.Undecided, ""},
		{"a profile of fifty", profile(50, 0), claim.Found, found},
		{"a profile of fifty and somebody at work", profile(50, 1), claim.Undecided, ""},
	})
}

func TestGoroutineLeakProfiles(t *testing.T) {
	send := []string{"runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.f"}
	leaks := Profiled(evidence.GoroutineLeak, 0)
	leaks.Profile().Columns = append(leaks.Profile().Columns, ColumnOf("goroutineleak"))
	none := Profiled(evidence.GoroutineLeak, 0)
	none.Profile().Columns = leaks.Profile().Columns
	leaks.Profile().Samples = append(leaks.Profile().Samples, SampleOf(1, send...))
	ExpectAll(t, GoroutineLeak, []Expect{
		{"one proven", Of(leaks), claim.Found, "critical main.f"},
		{"none proven", Of(none), claim.Undecided, ""},
		{"one goroutine profile", Of(Counted(0, SampleOf(5000, send...))), claim.Undecided, ""},
		{"two, growing", Of(Counted(0, SampleOf(100, send...)), Counted(60, SampleOf(300, send...))), claim.Found, "warning main.f"},
		{"two, steady", Of(Counted(0, SampleOf(300, send...)), Counted(60, SampleOf(310, send...))), claim.Clear, ""},
	})
}

func TestGoroutineLeakTrace(t *testing.T) {
	group := func(created, ended, slices int64) exectrace.Group {
		return exectrace.Group{Start: stack.Site{Function: "main.start"}, Creator: stack.Site{Function: "main.serve"}, Created: created, Ended: ended, Slices: Histogram(int(slices), time.Microsecond)}
	}
	stands := func(class wait.Class, early, late int64, leaf ...string) exectrace.Wait {
		w := exectrace.Wait{Reason: string(class), Class: class, Stack: Frames(append(leaf, "main.start")...), Count: early + late, Open: early + late, Seen: exectrace.Interval{From: 1, To: 1}}
		for range early {
			w.Times.Add(800 * time.Millisecond)
		}
		for range late {
			w.Times.Add(200 * time.Millisecond)
		}
		return w
	}
	trace := func(g exectrace.Group, w exectrace.Wait) []*evidence.Exhibit {
		return Of(Traced(&exectrace.Timeline{Duration: time.Second, Groups: []exectrace.Group{g}, Waits: []exectrace.Wait{w}}))
	}
	ExpectAll(t, GoroutineLeak, []Expect{
		{"senders that come and stay", trace(group(100, 0, 100), stands(wait.ChanSend, 50, 50, "main.send")), claim.Found, "warning main.send"},
		{"forty-nine", trace(group(49, 0, 49), stands(wait.ChanSend, 25, 24, "main.send")), claim.Undecided, ""},
		{"fifty", trace(group(50, 0, 50), stands(wait.ChanSend, 25, 25, "main.send")), claim.Found, "warning main.send"},
		{"more than a tenth ended", trace(group(100, 11, 100), stands(wait.ChanSend, 45, 44, "main.send")), claim.Undecided, ""},
		{"all at once, as a pool starts", trace(group(100, 0, 100), stands(wait.ChanSend, 100, 0, "main.send")), claim.Undecided, ""},
		{"receivers that stopped at their first wait", trace(group(100, 0, 120), stands(wait.ChanRecv, 50, 50, "main.await")), claim.Found, "warning main.await"},
		{"receivers that are woken now and then", trace(group(100, 0, 151), stands(wait.ChanRecv, 50, 50, "main.await")), claim.Found, "info main.await"},
		{"connections that wait for their clients", trace(group(100, 0, 100), stands(wait.Network, 50, 50, "internal/poll.(*FD).Read", "main.ws")), claim.Undecided, ""},
		{"workers in a lock", trace(group(100, 0, 100), stands(wait.Mutex, 50, 50, LockedAt("main.f")...)), claim.Undecided, ""},
	})
	parked := func(second int, n, connections int64) *evidence.Exhibit {
		return Counted(second, SampleOf(n, "runtime.selectgo", "main.follow", "main.start"), SampleOf(connections, "internal/poll.runtime_pollWait", "net.(*conn).Read", "main.read"))
	}
	come := trace(group(100, 0, 200), stands(wait.Select, 50, 50, "main.follow"))[0]
	ExpectAll(t, GoroutineLeak, []Expect{
		{"parked goroutines that grow over two snapshots", Of(parked(0, 800, 10), parked(9, 3500, 10)), claim.Found, "info main.follow"},
		{"and keep coming in a trace", Of(parked(0, 800, 10), parked(9, 3500, 10), come), claim.Found, "warning main.follow"},
		{"as many as connections do", Of(parked(0, 800, 800), parked(9, 3500, 3500), come), claim.Found, "info main.follow"},
	})
}
