package locks

import (
	"slices"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/wait"
)

func TestDeadlockCircle(t *testing.T) {
	// Two transfers in opposite directions, and later callers behind them.
	g1 := InMutex(1, "b000", "main.(*Bank).Move(0?,a000,b000):12")
	g2 := InMutex(2, "a000", "main.(*Bank).Move(0?,b000,a000):12")
	later := One(InMutex(3, "a000", "main.(*Bank).Move(0?,a000,e000):9"), InMutex(4, "b000", "main.(*Bank).Move(0?,b000,a000):9"))
	// The same in two functions on package-level locks: addresses, but no arguments.
	p1 := InMutex(1, "5008", "main.ab():12")
	p2 := InMutex(2, "4008", "main.ba():22")
	behind := One(InMutex(3, "4008", "main.ab():10"), InMutex(4, "5008", "main.ba():20"))
	ExpectAll(t, Deadlock, []Expect{
		{"a dump without lock waits", Of(Join(One(Goroutine(1, "running", "main.f():1")))), claim.Clear, ""},
		{"two objects", Of(Join(One(g1, g2), later)), claim.Found, "critical main.(*Bank).Move"},
		{"two functions", Of(Join(One(p1, p2), behind)), claim.Found, "critical main.ab"},
		{"nobody behind them, young", Of(Join(One(p1, p2))), claim.Undecided, ""},
		{"nobody behind them, for a minute: held by nobody in sight", Of(Join(One(Aged(1, p1), Aged(1, p2)))), claim.Found, "warning main.ab"},
		{"two objects, nobody behind them, for a minute", Of(Join(One(Aged(1, g1), Aged(1, g2)))), claim.Found, "critical main.(*Bank).Move"},
		{"a third lock in the chain, but no circle", Of(Join(One(p1, Goroutine(2, "running", "main.ba():22")), behind)), claim.Clear, ""},
		{"one of the locks is being handed over", Of(Join(One(p1, p2, Goroutine(9, "runnable", "internal/sync.(*Mutex).lockSlow(4008)", "main.ab():10")), behind)), claim.Clear, ""},
		{"several behind one of them: locked one after the other", Of(Join(One(p1, p2, InMutex(7, "5008", "main.ab():12")), behind)), claim.Undecided, ""},
		{"somebody else is at work in the same code", Of(Join(One(p1, p2, Goroutine(9, "runnable", "main.other():1")), behind)), claim.Undecided, ""},
		{"somebody else is, but they have waited for a minute", Of(Join(One(Aged(1, p1), Aged(1, p2), Goroutine(9, "runnable", "main.other():1")), behind)), claim.Found, "critical main.ab"},
		{"wait groups in a circle are not seen", Of(Join(One(Goroutine(1, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(a000)", "main.f():1"), Goroutine(2, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait(b000)", "main.g():1")))), claim.Clear, ""},
	})
	// Account by account: who has passed the first line holds the first account, as those show who wait there for another.
	move := func(id int64, addr, line string) dump.Goroutine { return InMutex(id, addr, "main.Move("+line) }
	first := move(3, "c000", "c000,d000,5):21")
	ExpectAll(t, Deadlock, []Expect{
		{"one function, two objects, the first lock is learnt from a third object", Of(Join(One(move(1, "b000", "a000,b000,5):27"), move(2, "a000", "b000,a000,5):27"), first))), claim.Found, "critical main.Move"},
		{"their objects are out of date in the dump, and yet each other's", Of(Join(One(move(1, "b000", "a000?,b000?,5):27"), move(2, "a000", "b000?,a000?,5):27"), first))), claim.Found, "critical main.Move"},
		{"another word is out of date", Of(Join(One(move(1, "b000", "a000,b000,5?):27"), move(2, "a000", "b000,a000,5?):27"), first))), claim.Found, "critical main.Move"},
		{"no circle: all go one way", Of(Join(One(move(1, "b000", "a000,b000,5):27"), move(2, "c000", "b000,c000,5):27"), Goroutine(9, "sleep", "time.Sleep(1)", "main.Move(c000,d000,5):29"), first))), claim.Clear, ""},
	})
	if f := Judge(t, Deadlock, Join(One(p1, p2), behind, Many(5, 10, InMutex(0, "7008", "main.c():3")), One(InMutex(9, "5008", "main.c():5")))).All.Findings[0]; f.Evidence[1].Value.Number != 10 {
		t.Errorf("%v goroutines behind the circle, want 10: those that wait for a lock whose holder waits for it count", f.Evidence[1].Value)
	}
}

func TestDeadlockWithOneself(t *testing.T) {
	again := InMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).report(c000):24", "main.(*S).Add(c000):14")
	others := Many(5, 10, InMutex(0, "c008", "main.(*S).Add(c000):10"))
	ExpectAll(t, Deadlock, []Expect{
		{"a method that locks calls another that does", Of(Join(One(again), others)), claim.Found, "critical main.(*S).Add"},
		{"nobody has arrived since", Of(Join(One(again))), claim.Found, "critical main.(*S).report"},
		{"two of them and nobody else: they queue", Of(Join(One(again, InMutex(2, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000):14")))), claim.Undecided, ""},
		{"the same, with the object out of date in the dump", Of(Join(One(InMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000?):14")))), claim.Undecided, ""},
		{"the lock is busy: somebody else stands behind it", Of(Join(One(again, Goroutine(2, "runnable", "main.(*S).Add(c000):12")), others)), claim.Clear, ""},
		{"somebody else of the type is at work", Of(Join(One(again, Goroutine(2, "runnable", "main.(*S).Len(c000):50")), others)), claim.Undecided, ""},
		{"two of them: they unlocked before the call", Of(Join(One(again, InMutex(2, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(c000):14")), others)), claim.Undecided, ""},
		{"the same method of another object", Of(Join(One(InMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).Add(e000):14")), others)), claim.Undecided, ""},
	})
}

// TestDeadlockBehind names where a goroutine that waits for a lock of a circle holds what others wait for.
func TestDeadlockBehind(t *testing.T) {
	again := InMutex(1, "c008", "main.(*S).Count(c000):30", "main.(*S).report(c000):24", "main.(*S).Add(c000):14", "main.(*W).End(d000):7")
	behind := Many(3, 20, InMutex(0, "d008", "main.(*W).Loop(d000):9"))
	others := append(Many(5, 10, InMutex(0, "c008", "main.(*S).Add(c000):10")), InMutex(40, "d008", "main.(*W).End(d000):3"))
	r := Judge(t, Deadlock, Join(One(again), others, behind)).All
	if len(r.Findings) == 0 || !slices.ContainsFunc(r.Findings[0].Sites, func(s claim.Site) bool { return s.Function == "main.(*W).End" }) {
		t.Errorf("findings %+v", r.Findings)
	}
}

func TestDeadlockOfReaders(t *testing.T) {
	reader := inRead(1, "main.(*C).Value(d000):38", "main.(*C).Endpoint(d000):28")
	writer := inWrite(2, "main.(*C).Reload(d000):45")
	arrivals := Many(5, 10, inRead(0, "main.(*C).Endpoint(d000):26"))
	ExpectAll(t, Deadlock, []Expect{
		{"a reader asks again behind a writer", Of(Join(One(reader, writer), arrivals)), claim.Found, "critical main.(*C).Endpoint"},
		{"several readers do", Of(Join(Many(3, 30, reader), One(writer), arrivals)), claim.Found, "critical main.(*C).Endpoint"},
		{"nobody has arrived since", Of(Join(One(reader, writer))), claim.Found, "critical main.(*C).Endpoint"},
		{"no writer: readers do not stop each other", Of(Join(One(reader), arrivals)), claim.Undecided, ""},
		{"a reader is still at work and will leave", Of(Join(One(reader, writer, Goroutine(3, "runnable", "main.(*C).Scan(d000):60")), arrivals)), claim.Undecided, ""},
		{"the writer waits behind another writer, not for readers", Of(Join(One(reader, behindWriter(2, "d010", "main.(*C).Reload(d000):45")), arrivals)), claim.Undecided, ""},
		{"another object's method further out", Of(Join(One(inRead(1, "main.(*C).Value(d000):38", "main.(*C).Endpoint(e000):28"), writer))), claim.Undecided, ""},
	})
}

func TestDeadlockNeverUnlocked(t *testing.T) {
	crowd := func(n int) []*evidence.Exhibit {
		return Of(Join(Many(n, 10, InMutex(0, "c008", "main.(*S).Add(c000):10"))))
	}
	old := Aged(1, InMutex(1, "c008", "main.(*S).Add(c000):10"))
	ExpectAll(t, Deadlock, []Expect{
		{"ninety-nine young ones", crowd(99), claim.Undecided, ""},
		{"a hundred", crowd(100), claim.Found, "warning main.(*S).Add"},
		{"one for a minute", Of(Join(One(old))), claim.Found, "warning main.(*S).Add"},
		{"a holder in sight", Of(Join(One(old, Goroutine(2, "sleep", "time.Sleep(1)", "main.(*S).Add(c000):12")))), claim.Clear, ""},
		{"a method of the object is at work elsewhere", Of(Join(One(old, Goroutine(2, "select", "main.(*S).loop(c000):70")))), claim.Undecided, ""},
	})
}

func TestDeadlockByTheRuntimesWord(t *testing.T) {
	asleep := Join(One(Goroutine(1, "chan receive", "main.main():9"), Goroutine(2, "chan send", "main.f():3")))
	asleep.Dump().Message = "fatal error: all goroutines are asleep - deadlock!"
	other := Join(One(Goroutine(1, "chan receive", "main.main():9")))
	other.Dump().Message = "panic: deadlock"
	leaked := InMutex(1, "c008", "main.f():3")
	leaked.Leaked = true
	leakedSend := Goroutine(1, "chan send", "main.f():3")
	leakedSend.Leaked = true
	profile := func(names ...string) *evidence.Exhibit {
		e := Profiled(evidence.GoroutineLeak, 0)
		e.Profile().Columns = append(e.Profile().Columns, ColumnOf("goroutineleak"))
		e.Profile().Samples = append(e.Profile().Samples, SampleOf(3, names...))
		return e
	}
	ExpectAll(t, Deadlock, []Expect{
		{"all asleep: the sender tells more than who waits for it", Of(asleep), claim.Found, "critical main.f"},
		{"another message", Of(other), claim.Clear, ""},
		{"leaked in a lock", Of(Join(One(leaked))), claim.Found, "critical main.f"},
		{"leaked in a send is a leak, no deadlock", Of(Join(One(leakedSend))), claim.Clear, ""},
		{"leak profile with a lock", Of(profile(LockedAt("main.f")...)), claim.Found, "critical main.f"},
		{"leak profile without", Of(profile("runtime.chansend1", "main.f")), claim.Undecided, ""},
	})
}

func TestDeadlockTraceVouches(t *testing.T) {
	stuck := func(d time.Duration, through bool) *evidence.Exhibit {
		tl := &exectrace.Timeline{Duration: d, Waits: []exectrace.Wait{Waited(wait.Mutex, 1, d, 1, LockedAt("main.ab")...)},
			Open: []exectrace.OpenWait{{Goroutine: 5, FromStart: true, Class: wait.Mutex, Stack: Frames(LockedAt("main.ab")...)}}, OpenCount: 1}
		if through {
			tl.Waits[0].Count++
		}
		return Traced(tl)
	}
	ExpectAll(t, Deadlock, []Expect{
		{"a second without anybody getting through", Of(stuck(time.Second, false)), claim.Found, "info main.ab"},
		{"less than a second", Of(stuck(time.Second-1, false)), claim.Undecided, ""},
		{"somebody gets through", Of(stuck(time.Second, true)), claim.Undecided, ""},
	})
	j := Judge(t, Deadlock, stuck(time.Second, false), Join(One(InMutex(1, "5008", "main.ab():12"), InMutex(2, "4008", "main.ba():22"), InMutex(3, "4008", "main.ab():10"), InMutex(4, "5008", "main.ba():20"))))
	if len(j.All.Findings) != 1 || j.Worst != "critical main.ab" {
		t.Errorf("trace and dump together: %+v", j.All.Findings)
	}
}

func TestDeadlockThroughAChannel(t *testing.T) {
	sends := Goroutine(5, "chan send", "main.(*P).emit(c000):23", "main.handle():9")
	emits := Many(11, 20, InMutex(0, "c008", "main.(*P).emit(c000):20"))
	collects := One(InMutex(8, "c008", "main.(*P).collect(c000):30"))
	stuck := func(through int64) *evidence.Exhibit {
		tl := &exectrace.Timeline{Duration: time.Second}
		for _, f := range []string{"main.(*P).emit:20", "main.(*P).collect:30"} {
			tl.Waits = append(tl.Waits, Waited(wait.Mutex, 1, time.Second, 1, LockedAt(f)...))
			tl.Open = append(tl.Open, exectrace.OpenWait{Goroutine: 8, FromStart: true, Class: wait.Mutex, Stack: Frames(LockedAt(f)...)})
			tl.Waits[len(tl.Waits)-1].Count += through
		}
		tl.OpenCount = len(tl.Open)
		return Traced(tl)
	}
	ExpectAll(t, Deadlock, []Expect{
		{"the holder sends while the one who might receive waits for its lock", Of(Join(One(sends), emits, collects)), claim.Found, "info main.(*P).emit"},
		{"and has for a minute", Of(Join(One(Aged(1, sends)), emits, collects)), claim.Found, "warning main.(*P).emit"},
		{"and nobody gets through in a trace", Of(stuck(0), Join(One(sends), emits, collects)), claim.Found, "warning main.(*P).emit"},
		{"both", Of(stuck(0), Join(One(Aged(1, sends)), emits, collects)), claim.Found, "critical main.(*P).emit"},
		{"a trace in which somebody gets through", Of(stuck(1), Join(One(sends), emits, collects)), claim.Found, "info main.(*P).emit"},
		{"all who wait want to send as well: a slow receiver", Of(Join(One(sends), emits)), claim.Undecided, ""},
		{"a holder that waits for an answer is let go from outside", Of(Join(One(Goroutine(5, "select", "net/http.(*persistConn).roundTrip(1)", "main.(*P).emit(c000):23")), emits, collects)), claim.Clear, ""},
	})
}
