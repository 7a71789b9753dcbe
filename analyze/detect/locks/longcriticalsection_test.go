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

func TestLongCriticalSectionTrace(t *testing.T) {
	ms := time.Millisecond
	holder := func(n int64, hold, delay time.Duration) exectrace.Holder {
		return exectrace.Holder{
			Class: wait.Mutex, Unlock: Frames(UnlockedAt("main.(*B).Place:20", "main.handle")...), Acquire: Frames(LockedAt("main.(*B).Place:9")...), Waiter: Frames(LockedAt("main.(*B).Place:9")...),
			Handoffs: n, Total: time.Duration(n) * hold, Times: Histogram(int(n), hold), Waited: delay,
			Blocked: []exectrace.Blocked{{Class: wait.Network, Stack: Frames("internal/poll.(*FD).Read", "net.(*conn).Read", "main.call"), Total: time.Duration(n) * hold * 9 / 10, Count: n}},
			Ran:     time.Duration(n) * hold / 10,
			Worst:   []exectrace.Span{{Interval: exectrace.Interval{From: ms, To: ms + hold}, Goroutine: 7}},
		}
	}
	trace := func(holders ...exectrace.Holder) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Holders: holders, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
	}
	unknown := holder(100, 0, time.Second)
	unknown.Unknown, unknown.Least, unknown.Total, unknown.Blocked, unknown.Ran = 100, 500*ms, 0, nil, 0
	slept := unknown
	slept.LeastBlocked = []exectrace.Blocked{{Class: wait.Sleep, Stack: Frames("time.Sleep", "main.(*B).Place"), Total: 250 * ms, Count: 100}}
	if f := Judge(t, LongCriticalSection, trace(slept)).All.Findings; len(f) != 1 || f[0].Variant != "sleeps" {
		t.Errorf("what holders of unknown start did: %+v", f)
	}
	short := unknown
	short.Least = 5 * ms
	starved := holder(100, 5*ms, time.Second)
	starved.Blocked, starved.Ran, starved.Runnable = nil, 100*ms, 400*ms
	computing := starved
	computing.Ran, computing.Runnable = 500*ms, 0
	busy := Traced(&exectrace.Timeline{Duration: time.Second, Holders: []exectrace.Holder{computing}, Procs: exectrace.Procs{Max: 4, Running: 9, Idle: 1}})
	ExpectAll(t, LongCriticalSection, []Expect{
		{"no lock waits", Of(trace()), claim.Clear, ""},
		{"held 3 ms over the network", Of(trace(holder(300, 3*ms, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"just below a millisecond", Of(trace(holder(300, ms-1, 100*time.Second))), claim.Clear, ""},
		{"at a millisecond", Of(trace(holder(300, ms, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"just below ten", Of(trace(holder(90, 10*ms-1, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"at ten", Of(trace(holder(90, 10*ms, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"too few for critical", Of(trace(holder(9, 20*ms, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"held less than a tenth of the time", Of(trace(holder(19, 5*ms, 100*time.Second))), claim.Found, "warning main.(*B).Place"},
		{"nobody waited long enough to matter", Of(trace(holder(300, 3*ms, 199*ms))), claim.Found, "info main.(*B).Place"},
		{"enough waiting to matter", Of(trace(holder(300, 3*ms, 200*ms))), claim.Found, "info main.(*B).Place"},
		{"the holder waited for a processor", Of(trace(starved)), claim.Found, "info main.(*B).Place"},
		{"the holder computes and a processor is free", Of(trace(computing)), claim.Found, "warning main.(*B).Place"},
		{"the holder computes and no processor is free", Of(busy), claim.Found, "info main.(*B).Place"},
		{"holds of unknown start, long by what the woken waited", Of(trace(unknown)), claim.Found, "warning main.(*B).Place"},
		{"holds of unknown start, short", Of(trace(short)), claim.Clear, ""},
		{"waits, but no hand-over", Of(Traced(&exectrace.Timeline{Duration: time.Second, Waits: []exectrace.Wait{Waited(wait.Mutex, 50, time.Second, 50, LockedAt("main.f")...)}})), claim.Undecided, ""},
	})
	helped := holder(300, 3*ms, 100*time.Second)
	helped.Unlock, helped.Waiter = Frames(UnlockedAt("main.(*B).leave:5", "main.(*B).Place:20")...), Frames(LockedAt("main.(*B).enter:3", "main.(*B).Place:9")...)
	writer, reader := holder(90, 10*ms, 100*time.Second), holder(50, 2*ms, time.Second)
	writer.Unlock, reader.Unlock = Frames("sync.(*RWMutex).Unlock", "main.refresh:9"), Frames("sync.(*RWMutex).RUnlock", "main.read:5")
	writer.Waiter, reader.Waiter = Frames("sync.(*RWMutex).RLock", "main.read:4"), Frames("sync.(*RWMutex).Lock", "main.refresh:8")
	inLog := holder(300, 3*ms, 100*time.Second)
	inLog.Unlock, inLog.Waiter = Frames(UnlockedAt("log.(*Logger).output:9", "log.Println", "main.order:4")...), Frames(LockedAt("log.(*Logger).output:8", "log.Println", "main.order:4")...)
	for name, want := range map[*exectrace.Holder]string{&helped: "main.(*B).Place", &writer: "main.refresh", &inLog: "main.order"} {
		holders := []exectrace.Holder{*name}
		if name == &writer {
			holders = append(holders, reader)
		}
		got := Judge(t, LongCriticalSection, trace(holders...)).All.Findings
		if len(got) != 1 || got[0].Site.Function != want {
			t.Errorf("%+v, want one at %s", got, want)
			continue
		}
		var sites []string
		for _, s := range got[0].Sites {
			sites = append(sites, s.Function)
		}
		for _, s := range map[string][]string{"main.(*B).Place": {"main.(*B).leave"}, "main.refresh": {"main.read"}, "main.order": {"log.(*Logger).output"}}[want] {
			if !slices.Contains(sites, s) {
				t.Errorf("%s is not among the sites %v", s, sites)
			}
		}
	}
	j := Judge(t, LongCriticalSection, trace(holder(300, 3*ms, 100*time.Second)))
	if f := j.All.Findings[0]; f.Variant != "network" || f.Evidence[0].At.Goroutine != 7 {
		t.Errorf("variant %q at %+v", f.Variant, f.Evidence[0].At)
	}
}

func TestLongCriticalSectionDump(t *testing.T) {
	waiters := func(n int) []dump.Goroutine { return Many(n, 100, InMutex(0, "c008", "main.(*B).Place(c000):9")) }
	holder := Goroutine(1, "IO wait", "internal/poll.runtime_pollWait(1)", "net.(*conn).Read(1)", "main.call(b000):40", "main.(*B).Place(c000):12")
	ExpectAll(t, LongCriticalSection, []Expect{
		{"nine wait behind a holder that reads", Of(Join(waiters(9), One(holder))), claim.Found, "info main.(*B).Place"},
		{"ten", Of(Join(waiters(10), One(holder))), claim.Found, "critical main.(*B).Place"},
		{"a hundred", Of(Join(waiters(100), One(holder))), claim.Found, "critical main.(*B).Place"},
		{"ten, one of them for a minute", Of(Join(waiters(9), One(Aged(1, InMutex(2, "c008", "main.(*B).Place(c000):9")), holder))), claim.Found, "critical main.(*B).Place"},
		{"the holder runs, as holders do", Of(Join(waiters(50), One(Goroutine(1, "running", "main.work():1", "main.(*B).Place(c000):12")))), claim.Undecided, ""},
		{"several behind the lock: they unlocked before the slow part", Of(Join(waiters(50), Many(2, 1, holder))), claim.Undecided, ""},
		{"before the line of the lock", Of(Join(waiters(50), One(Goroutine(1, "sleep", "time.Sleep(1)", "main.(*B).Place(c000):8")))), claim.Undecided, ""},
		{"a method of another object", Of(Join(waiters(50), One(Goroutine(1, "sleep", "time.Sleep(1)", "main.(*B).Place(e000):12")))), claim.Undecided, ""},
		{"the lock is being handed over", Of(Join(waiters(50), One(holder, Goroutine(2, "runnable", "internal/sync.(*Mutex).lockSlow(c008)", "main.(*B).Place(c000):9")))), claim.Undecided, ""},
		{"the holder waits for another lock: look at that one's", Of(Join(waiters(50), One(InMutex(1, "f008", "main.(*B).Place(c000):12"), Goroutine(3, "running", "main.x():1")))), claim.Undecided, ""},
		{"locked by a helper", Of(Join(Many(50, 100, InMutex(0, "c008", "main.(*B).lock(...):3", "main.(*B).Place(c000):9")),
			One(Goroutine(1, "sleep", "time.Sleep(1)", "main.(*B).Place(c000):12")))), claim.Found, "critical main.(*B).Place"},
		{"a caller of the function that locks is not behind it", Of(Join(Many(50, 100, InMutex(0, "c008", "main.(*B).get(c000):3", "main.handle():9")),
			One(Goroutine(1, "sleep", "time.Sleep(1)", "main.handle():12")))), claim.Undecided, ""},
		{"slow sync.Once", Of(Join(Many(50, 100, InMutex(0, "c004", "sync.(*Once).doSlow(0?,1)", "sync.(*Once).Do(...)", "main.setup():5")),
			One(Goroutine(1, "sleep", "time.Sleep(1)", "main.setup.func1():7", "sync.(*Once).doSlow(0?,1)", "sync.(*Once).Do(...)", "main.setup():5")))), claim.Found, "critical main.setup"},
	})
}

func TestLongCriticalSectionMutexProfileOnlyVouches(t *testing.T) {
	ExpectAll(t, LongCriticalSection, []Expect{
		{"a long queue or a long hold", Of(Over(10*time.Second, Profiled(evidence.Mutex, 0, Contended(100, 100*time.Second, UnlockedAt("main.f")...)))), claim.Undecided, ""},
	})
}
