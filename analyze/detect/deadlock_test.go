package detect

import (
	"slices"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/wait"
)

func TestDeadlockCircle(t *testing.T) {
	// Two transfers in opposite directions, and later callers behind them.
	g1 := inMutex(1, "b000", "main.(*Bank).Move(0?,a000,b000):12")
	g2 := inMutex(2, "a000", "main.(*Bank).Move(0?,b000,a000):12")
	later := one(inMutex(3, "a000", "main.(*Bank).Move(0?,a000,e000):9"), inMutex(4, "b000", "main.(*Bank).Move(0?,b000,a000):9"))
	// The same in two functions on package-level locks: addresses, but no arguments.
	p1 := inMutex(1, "5008", "main.ab():12")
	p2 := inMutex(2, "4008", "main.ba():22")
	behind := one(inMutex(3, "4008", "main.ab():10"), inMutex(4, "5008", "main.ba():20"))
	expectAll(t, Deadlock, []expect{
		{"a dump without lock waits", of(join(one(gone(1, "running", "main.f():1")))), claim.Clear, ""},
		{"two objects", of(join(one(g1, g2), later)), claim.Found, "critical main.(*Bank).Move"},
		{"two functions", of(join(one(p1, p2), behind)), claim.Found, "critical main.ab"},
		{"nobody behind them, young", of(join(one(p1, p2))), claim.Undecided, ""},
		{"nobody behind them, for a minute: held by nobody in sight", of(join(one(aged(1, p1), aged(1, p2)))), claim.Found, "warning main.ab"},
		{"two objects, nobody behind them, for a minute", of(join(one(aged(1, g1), aged(1, g2)))), claim.Found, "critical main.(*Bank).Move"},
		{"a third lock in the chain, but no circle", of(join(one(p1, gone(2, "running", "main.ba():22")), behind)), claim.Clear, ""},
		{"one of the locks is being handed over", of(join(one(p1, p2, gone(9, "runnable", "internal/sync.(*Mutex).lockSlow(4008)", "main.ab():10")), behind)), claim.Clear, ""},
		{"several behind one of them: locked one after the other", of(join(one(p1, p2, inMutex(7, "5008", "main.ab():12")), behind)), claim.Undecided, ""},
		{"somebody else is at work in the same code", of(join(one(p1, p2, gone(9, "runnable", "main.other():1")), behind)), claim.Undecided, ""},
		{"somebody else is, but they have waited for a minute", of(join(one(aged(1, p1), aged(1, p2), gone(9, "runnable", "main.other():1")), behind)), claim.Found, "critical main.ab"},
		{"wait groups in a circle are not seen", of(join(one(gone(1, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(a000)", "main.f():1"), gone(2, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(b000)", "main.g():1")))), claim.Clear, ""},
	})
	// Account by account: who has passed the first line holds the first account, as those show who wait there for another.
	move := func(id int64, addr, line string) dump.Goroutine { return inMutex(id, addr, "main.Move("+line) }
	first := move(3, "c000", "c000,d000,5):21")
	expectAll(t, Deadlock, []expect{
		{"one function, two objects, the first lock is learnt from a third object", of(join(one(move(1, "b000", "a000,b000,5):27"), move(2, "a000", "b000,a000,5):27"), first))), claim.Found, "critical main.Move"},
		{"their objects are out of date in the dump, and yet each other's", of(join(one(move(1, "b000", "a000?,b000?,5):27"), move(2, "a000", "b000?,a000?,5):27"), first))), claim.Found, "critical main.Move"},
		{"another word is out of date", of(join(one(move(1, "b000", "a000,b000,5?):27"), move(2, "a000", "b000,a000,5?):27"), first))), claim.Found, "critical main.Move"},
		{"no circle: all go one way", of(join(one(move(1, "b000", "a000,b000,5):27"), move(2, "c000", "b000,c000,5):27"), gone(9, "sleep", "time.Sleep(1)", "main.Move(c000,d000,5):29"), first))), claim.Clear, ""},
	})
	if f := judge(t, Deadlock, join(one(p1, p2), behind, many(5, 10, inMutex(0, "7008", "main.c():3")), one(inMutex(9, "5008", "main.c():5")))).all.Findings[0]; f.Evidence[1].Value.Number != 10 {
		t.Errorf("%v goroutines behind the circle, want 10: those that wait for a lock whose holder waits for it count", f.Evidence[1].Value)
	}
}

func TestDeadlockWithOneself(t *testing.T) {
	again := inMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).report(c000):24", "main.(*S).Add(c000):14")
	others := many(5, 10, inMutex(0, "c008", "main.(*S).Add(c000):10"))
	expectAll(t, Deadlock, []expect{
		{"a method that locks calls another that does", of(join(one(again), others)), claim.Found, "critical main.(*S).Add"},
		{"nobody has arrived since", of(join(one(again))), claim.Found, "critical main.(*S).report"},
		{"two of them and nobody else: they queue", of(join(one(again, inMutex(2, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000):14")))), claim.Undecided, ""},
		{"the same, with the object out of date in the dump", of(join(one(inMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000?):14")))), claim.Undecided, ""},
		{"the lock is busy: somebody else stands behind it", of(join(one(again, gone(2, "runnable", "main.(*S).Add(c000):12")), others)), claim.Clear, ""},
		{"somebody else of the type is at work", of(join(one(again, gone(2, "runnable", "main.(*S).Len(c000):50")), others)), claim.Undecided, ""},
		{"two of them: they unlocked before the call", of(join(one(again, inMutex(2, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000):14")), others)), claim.Undecided, ""},
		{"the same method of another object", of(join(one(inMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(e000):14")), others)), claim.Undecided, ""},
	})
}

// TestDeadlockBehind names where a goroutine that waits for a lock of a circle holds what others wait for.
func TestDeadlockBehind(t *testing.T) {
	again := inMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).report(c000):24", "main.(*S).Add(c000):14", "main.(*W).End(d000):7")
	behind := many(3, 20, inMutex(0, "d008", "main.(*W).Loop(d000):9"))
	others := append(many(5, 10, inMutex(0, "c008", "main.(*S).Add(c000):10")), inMutex(40, "d008", "main.(*W).End(d000):3"))
	r := judge(t, Deadlock, join(one(again), others, behind)).all
	if len(r.Findings) == 0 || !slices.ContainsFunc(r.Findings[0].Sites, func(s claim.Site) bool { return s.Function == "main.(*W).End" }) {
		t.Errorf("findings %+v", r.Findings)
	}
}

func TestDeadlockOfReaders(t *testing.T) {
	reader := inRead(1, "main.(*C).Value(d000):38", "main.(*C).Endpoint(d000):28")
	writer := inWrite(2, "main.(*C).Reload(d000):45")
	arrivals := many(5, 10, inRead(0, "main.(*C).Endpoint(d000):26"))
	expectAll(t, Deadlock, []expect{
		{"a reader asks again behind a writer", of(join(one(reader, writer), arrivals)), claim.Found, "critical main.(*C).Endpoint"},
		{"several readers do", of(join(many(3, 30, reader), one(writer), arrivals)), claim.Found, "critical main.(*C).Endpoint"},
		{"nobody has arrived since", of(join(one(reader, writer))), claim.Found, "critical main.(*C).Endpoint"},
		{"no writer: readers do not stop each other", of(join(one(reader), arrivals)), claim.Undecided, ""},
		{"a reader is still at work and will leave", of(join(one(reader, writer, gone(3, "runnable", "main.(*C).Scan(d000):60")), arrivals)), claim.Undecided, ""},
		{"the writer waits behind another writer, not for readers", of(join(one(reader, behindWriter(2, "d010", "main.(*C).Reload(d000):45")), arrivals)), claim.Undecided, ""},
		{"another object's method further out", of(join(one(inRead(1, "main.(*C).Value(d000):38", "main.(*C).Endpoint(e000):28"), writer))), claim.Undecided, ""},
	})
}

func TestDeadlockNeverUnlocked(t *testing.T) {
	crowd := func(n int) []*evidence.Exhibit {
		return of(join(many(n, 10, inMutex(0, "c008", "main.(*S).Add(c000):10"))))
	}
	old := aged(1, inMutex(1, "c008", "main.(*S).Add(c000):10"))
	expectAll(t, Deadlock, []expect{
		{"ninety-nine young ones", crowd(99), claim.Undecided, ""},
		{"a hundred", crowd(100), claim.Found, "warning main.(*S).Add"},
		{"one for a minute", of(join(one(old))), claim.Found, "warning main.(*S).Add"},
		{"a holder in sight", of(join(one(old, gone(2, "sleep", "time.Sleep(1)", "main.(*S).Add(c000):12")))), claim.Clear, ""},
		{"a method of the object is at work elsewhere", of(join(one(old, gone(2, "select", "main.(*S).loop(c000):70")))), claim.Undecided, ""},
	})
}

func TestDeadlockByTheRuntimesWord(t *testing.T) {
	asleep := join(one(gone(1, "chan receive", "main.main():9"), gone(2, "chan send", "main.f():3")))
	asleep.Dump.Message = "fatal error: all goroutines are asleep - deadlock!"
	other := join(one(gone(1, "chan receive", "main.main():9")))
	other.Dump.Message = "panic: deadlock"
	leaked := inMutex(1, "c008", "main.f():3")
	leaked.Leaked = true
	leakedSend := gone(1, "chan send", "main.f():3")
	leakedSend.Leaked = true
	profile := func(names ...string) *evidence.Exhibit {
		e := profiled(evidence.GoroutineLeak, 0)
		e.Profile.Columns = append(e.Profile.Columns, columnOf("goroutineleak"))
		e.Profile.Samples = append(e.Profile.Samples, sampleOf(3, names...))
		return e
	}
	expectAll(t, Deadlock, []expect{
		{"all asleep: the sender tells more than who waits for it", of(asleep), claim.Found, "critical main.f"},
		{"another message", of(other), claim.Clear, ""},
		{"leaked in a lock", of(join(one(leaked))), claim.Found, "critical main.f"},
		{"leaked in a send is a leak, no deadlock", of(join(one(leakedSend))), claim.Clear, ""},
		{"leak profile with a lock", of(profile(lockedAt("main.f")...)), claim.Found, "critical main.f"},
		{"leak profile without", of(profile("runtime.chansend1", "main.f")), claim.Undecided, ""},
	})
}

func TestDeadlockTraceVouches(t *testing.T) {
	stuck := func(d time.Duration, through bool) *evidence.Exhibit {
		tl := &exectrace.Timeline{Duration: d, Waits: []exectrace.Wait{waited(wait.Mutex, 1, d, 1, lockedAt("main.ab")...)},
			Open: []exectrace.OpenWait{{Goroutine: 5, FromStart: true, Class: wait.Mutex, Stack: frames(lockedAt("main.ab")...)}}, OpenCount: 1}
		if through {
			tl.Waits[0].Count++
		}
		return traced(tl)
	}
	expectAll(t, Deadlock, []expect{
		{"a second without anybody getting through", of(stuck(time.Second, false)), claim.Found, "info main.ab"},
		{"less than a second", of(stuck(time.Second-1, false)), claim.Undecided, ""},
		{"somebody gets through", of(stuck(time.Second, true)), claim.Undecided, ""},
	})
	j := judge(t, Deadlock, stuck(time.Second, false), join(one(inMutex(1, "5008", "main.ab():12"), inMutex(2, "4008", "main.ba():22"), inMutex(3, "4008", "main.ab():10"), inMutex(4, "5008", "main.ba():20"))))
	if len(j.all.Findings) != 1 || j.worst != "critical main.ab" {
		t.Errorf("trace and dump together: %+v", j.all.Findings)
	}
}

func TestDeadlockThroughAChannel(t *testing.T) {
	sends := gone(5, "chan send", "main.(*P).emit(c000):23", "main.handle():9")
	emits := many(11, 20, inMutex(0, "c008", "main.(*P).emit(c000):20"))
	collects := one(inMutex(8, "c008", "main.(*P).collect(c000):30"))
	stuck := func(through int64) *evidence.Exhibit {
		tl := &exectrace.Timeline{Duration: time.Second}
		for _, f := range []string{"main.(*P).emit:20", "main.(*P).collect:30"} {
			tl.Waits = append(tl.Waits, waited(wait.Mutex, 1, time.Second, 1, lockedAt(f)...))
			tl.Open = append(tl.Open, exectrace.OpenWait{Goroutine: 8, FromStart: true, Class: wait.Mutex, Stack: frames(lockedAt(f)...)})
			tl.Waits[len(tl.Waits)-1].Count += through
		}
		tl.OpenCount = len(tl.Open)
		return traced(tl)
	}
	expectAll(t, Deadlock, []expect{
		{"the holder sends while the one who might receive waits for its lock", of(join(one(sends), emits, collects)), claim.Found, "info main.(*P).emit"},
		{"and has for a minute", of(join(one(aged(1, sends)), emits, collects)), claim.Found, "warning main.(*P).emit"},
		{"and nobody gets through in a trace", of(stuck(0), join(one(sends), emits, collects)), claim.Found, "warning main.(*P).emit"},
		{"both", of(stuck(0), join(one(aged(1, sends)), emits, collects)), claim.Found, "critical main.(*P).emit"},
		{"a trace in which somebody gets through", of(stuck(1), join(one(sends), emits, collects)), claim.Found, "info main.(*P).emit"},
		{"all who wait want to send as well: a slow receiver", of(join(one(sends), emits)), claim.Undecided, ""},
		{"a holder that waits for an answer is let go from outside", of(join(one(gone(5, "select", "net/http.(*persistConn).roundTrip(1)", "main.(*P).emit(c000):23")), emits, collects)), claim.Clear, ""},
	})
}
