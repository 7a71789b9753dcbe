package locks

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

func TestMutexHotspotMutexProfile(t *testing.T) {
	mutex := func(d time.Duration, rows ...Row) *evidence.Exhibit {
		e := Profiled(evidence.Mutex, 0, rows...)
		if d > 0 {
			Over(d, e)
		}
		return e
	}
	hot := Contended(1000, 20*time.Second, UnlockedAt("main.(*B).Place:9", "main.main.func1")...)
	ExpectAll(t, MutexHotspot, []Expect{
		{"nothing recorded", Of(mutex(10*time.Second), FourProcs()), claim.Undecided, ""},
		{"twenty seconds in ten", Of(mutex(10*time.Second, hot), FourProcs()), claim.Found, "warning main.(*B).Place"},
		{"the same since start, no rate known", Of(mutex(0, hot), FourProcs()), claim.Found, "warning main.(*B).Place"},
		{"less than a thousand long waits since start", Of(mutex(0, Contended(999, 20*time.Second, UnlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"a thousand", Of(mutex(0, Contended(1000, 20*time.Second, UnlockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"nineteen", Of(mutex(0, Contended(19, 20*time.Second, UnlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"just below a twentieth of the processors' time", Of(mutex(10*time.Second, Contended(1000, 1990*time.Millisecond, UnlockedAt("main.f")...)), FourProcs()), claim.Found, "info main.f"},
		{"at a twentieth of the processors' time", Of(mutex(10*time.Second, Contended(1000, 2*time.Second, UnlockedAt("main.f")...)), FourProcs()), claim.Found, "info main.f"},
		{"GOMAXPROCS unknown, below a second per second", Of(mutex(10*time.Second, Contended(1000, 9*time.Second, UnlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"mean just below a millisecond", Of(mutex(10*time.Second, Contended(10001, 10*time.Second, UnlockedAt("main.f")...)), FourProcs()), claim.Found, "warning main.f"},
		{"short waits that take half the processors' time", Of(mutex(10*time.Second, Contended(100000, 20*time.Second, UnlockedAt("main.f")...)), FourProcs()), claim.Found, "warning main.f"},
		{"long waits that stand for seven tenths of the time, on two processors", Of(mutex(10*time.Second, Contended(700, 7*time.Second, UnlockedAt("main.f")...)), Procs()), claim.Found, "info main.f"},
		{"short ones that do", Of(mutex(10*time.Second, Contended(70000, 7*time.Second, UnlockedAt("main.f")...)), Procs()), claim.Found, "warning main.f"},
		{"short waits, GOMAXPROCS unknown", Of(mutex(10*time.Second, Contended(70000, 7*time.Second, UnlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"and less than one processor in use", Of(mutex(10*time.Second, Contended(70000, 7*time.Second, UnlockedAt("main.f")...)), CPUProfile(CPU(500, "main.g"))), claim.Found, "warning main.f"},
		{"and four in use", Of(mutex(10*time.Second, Contended(70000, 7*time.Second, UnlockedAt("main.f")...)), CPUProfile(CPU(4000, "main.g"))), claim.Found, "info main.f"},
		{"mean just below ten milliseconds", Of(mutex(10*time.Second, Contended(1001, 10*time.Second, UnlockedAt("main.f")...)), FourProcs()), claim.Found, "warning main.f"},
		{"spread over two locks of which neither has half", Of(mutex(10*time.Second,
			Contended(1000, 10*time.Second, UnlockedAt("main.f")...), Contended(1000, 10*time.Second, UnlockedAt("main.g")...), Contended(9, time.Second, UnlockedAt("main.h")...)), FourProcs()), claim.Clear, ""},
		{"three methods of one type", Of(mutex(10*time.Second,
			Contended(1000, 11*time.Second, UnlockedAt("main.(*C).A")...), Contended(1000, 10*time.Second, UnlockedAt("main.(*C).B")...), Contended(900, 10*time.Second, UnlockedAt("main.(*C).D")...)), FourProcs()), claim.Found, "warning main.(*C).A"},
		{"the runtime's own locks", Of(mutex(10*time.Second,
			Contended(1000, 20*time.Second, "runtime.unlock", "runtime.selectgo", "main.f"), Contended(1000, 20*time.Second, "runtime._LostContendedRuntimeLock")), FourProcs()), claim.Undecided, ""},
		{"a lock of the standard library", Of(mutex(10*time.Second, Contended(1000, 20*time.Second, UnlockedAt("log.(*Logger).output", "log.Printf", "main.f")...)), FourProcs()), claim.Found, "warning main.f"},
		{"every processor is busy anyway", Of(mutex(10*time.Second, hot),
			Traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 4, Running: 95, Idle: 5}})), claim.Found, "info main.(*B).Place"},
	})
	j := Judge(t, MutexHotspot, mutex(10*time.Second, Contended(1000, 20*time.Second, "sync.(*RWMutex).RUnlock", "main.f")), FourProcs())
	if f := j.All.Findings; len(f) != 1 || f[0].Variant != wait.LockRead {
		t.Errorf("variant of a read lock: %+v", f)
	}
}

func TestMutexHotspotOfTwoCumulativeProfiles(t *testing.T) {
	old := Contended(100_000, time.Hour, UnlockedAt("main.start")...)
	first := Profiled(evidence.Mutex, 0, old, Contended(10, time.Second, UnlockedAt("main.f")...))
	second := Profiled(evidence.Mutex, 10, old, Contended(1010, 21*time.Second, UnlockedAt("main.f")...))
	ExpectAll(t, MutexHotspot, []Expect{
		{"what was added counts", Of(first, second, FourProcs()), claim.Found, "warning main.f"},
		{"falling values are another process: the last one counts", Of(second, Profiled(evidence.Mutex, 20, Contended(1000, 20*time.Second, UnlockedAt("main.g")...)), FourProcs()), claim.Found, "warning main.g"},
	})
}

func TestMutexHotspotBlockProfile(t *testing.T) {
	block := func(rows ...Row) *evidence.Exhibit {
		return Over(10*time.Second, Profiled(evidence.Block, 0, rows...))
	}
	idle := Contended(1000, 1000*time.Second, "runtime.chanrecv1", "main.worker")
	ExpectAll(t, MutexHotspot, []Expect{
		{"parked workers are no lock waits", Of(block(idle, Contended(5000, 5000*time.Second, "runtime.selectgo", "main.worker")), FourProcs()), claim.Undecided, ""},
		{"nor are wait groups and conditions", Of(block(Contended(1000, 1000*time.Second, "sync.(*WaitGroup).Wait", "main.f"), Contended(1000, 1000*time.Second, "sync.(*Cond).Wait", "main.f")), FourProcs()), claim.Undecided, ""},
		{"a lock among parked workers", Of(block(idle, Contended(1000, 20*time.Second, LockedAt("main.f")...)), FourProcs()), claim.Found, "warning main.f"},
	})
	// One site in two kinds, with both numbers.
	j := Judge(t, MutexHotspot, block(Contended(1000, 20*time.Second, LockedAt("main.(*B).get")...)),
		Over(10*time.Second, Profiled(evidence.Mutex, 0, Contended(1000, 20*time.Second, UnlockedAt("main.(*B).refresh")...))), FourProcs())
	if len(j.All.Findings) != 1 || j.All.Findings[0].Confidence != claim.High {
		t.Errorf("holder and waiter in two methods of one type: %+v", j.All.Findings)
	}
}

func TestMutexHotspotTrace(t *testing.T) {
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Second, Waits: waits, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
	}
	met := func(wanted time.Duration) *evidence.Exhibit {
		e := trace(Waited(wait.Mutex, 1000, 20*time.Millisecond, 0, LockedAt("main.f")...))
		e.Trace().Queues = []exectrace.Queue{{Sites: []stack.Site{{Function: "main.f"}}, Waited: 20 * time.Second, Wanted: wanted}}
		return e
	}
	ExpectAll(t, MutexHotspot, []Expect{
		{"no waits", Of(trace()), claim.Clear, ""},
		{"too short to say", Of(Traced(&exectrace.Timeline{Duration: 99 * time.Millisecond})), claim.Undecided, ""},
		{"one goroutine always in the lock", Of(trace(Waited(wait.Mutex, 100, 10*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"just below a twentieth of the processors' time", Of(trace(Waited(wait.Mutex, 99, 2*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "info main.f"},
		{"at a twentieth", Of(trace(Waited(wait.Mutex, 100, 2*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "info main.f"},
		{"one goroutine that waits once, for long", Of(trace(Waited(wait.Mutex, 1, 900*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "info main.f"},
		{"nineteen", Of(trace(Waited(wait.Mutex, 19, 50*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "info main.f"},
		{"twenty", Of(trace(Waited(wait.Mutex, 20, 50*time.Millisecond, 0, LockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"a wait group is no mutex", Of(trace(Waited(wait.WaitGroup, 100, 10*time.Millisecond, 0, "sync.(*WaitGroup).Wait", "main.f"))), claim.Clear, ""},
		{"nobody gets through: stuck, not busy", Of(trace(Waited(wait.Mutex, 100, time.Second, 100, LockedAt("main.f")...))), claim.Undecided, ""},
		{"a herd that meets for a moment", Of(met(49 * time.Millisecond)), claim.Found, "info main.f"},
		{"wanted for a twentieth of the time", Of(met(50 * time.Millisecond)), claim.Found, "warning main.f"},
		{"the class alone, where the stack begins in the runtime", Of(trace(Waited(wait.RWWrite, 100, 10*time.Millisecond, 0, "runtime.gopark", "main.f"))), claim.Found, "warning main.f"},
	})
}

func TestMutexHotspotDump(t *testing.T) {
	crowd := func(n int) *evidence.Exhibit {
		return Join(Many(n, 10, InMutex(0, "c008", "main.(*S).Put(c000):9")), One(Goroutine(1, "running", "main.(*S).Put(c000):12")))
	}
	ExpectAll(t, MutexHotspot, []Expect{
		{"nobody in a lock", Of(Join(One(Goroutine(1, "chan receive", "main.f():1")))), claim.Undecided, ""},
		{"nine in one lock", Of(crowd(9)), claim.Undecided, ""},
		{"ten", Of(crowd(10)), claim.Found, "critical main.(*S).Put"},
		{"ninety-nine", Of(crowd(99)), claim.Found, "critical main.(*S).Put"},
		{"a hundred", Of(crowd(100)), claim.Found, "critical main.(*S).Put"},
		{"many locks with few waiters each, as objects with locks of their own have", Of(Join(
			Many(9, 10, InMutex(0, "c108", "main.(*S).Put(c100):9")), Many(9, 30, InMutex(0, "c208", "main.(*S).Put(c200):9")), Many(9, 50, InMutex(0, "c308", "main.(*S).Put(c300):9")))), claim.Undecided, ""},
		{"wait groups and conditions", Of(Join(Many(100, 10, Goroutine(0, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(c000)", "main.f():1")),
			Many(100, 200, Goroutine(0, "sync.Cond.Wait", "sync.runtime_notifyListWait(c050)", "sync.(*Cond).Wait(0?)", "main.g():1")))), claim.Undecided, ""},
	})
}

func TestMutexHotspotCPU(t *testing.T) {
	spin := func(n int64) Row {
		return CPU(n, "runtime.procyield", "internal/sync.runtime_doSpin", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f")
	}
	ExpectAll(t, MutexHotspot, []Expect{
		{"at the share", Of(CPUProfile(spin(150), CPU(850, "main.g")), Procs()), claim.Undecided, ""},
		{"above it, in a process that is busy", Of(CPUProfile(spin(151), CPU(849, "main.g")), Procs()), claim.Found, "warning main.f"},
		{"above it, in a process that idles", Of(CPUProfile(spin(60), CPU(240, "main.g")), Procs()), claim.Found, "info main.f"},
		{"two methods of one type, the heavier names it", Of(CPUProfile(CPU(60, "sync.(*RWMutex).RLock", "main.(*P).intern"), CPU(100, "sync.(*RWMutex).RLock", "main.(*P).release"), CPU(840, "main.g")), Procs()), claim.Found, "warning main.(*P).release"},
		{"too few samples", Of(CPUProfile(spin(50), CPU(49, "main.g")), Procs()), claim.Undecided, ""},
		{"locks of the runtime", Of(CPUProfile(CPU(500, "runtime.procyield", "runtime.lock2", "runtime.selectgo", "main.f"), CPU(500, "main.g")), Procs()), claim.Undecided, ""},
	})
}

func TestMutexHotspotOfTwoEnds(t *testing.T) {
	// Taken in one function and given back in another: both profiles charge the same waiting to it.
	unlock := Over(10*time.Second, Profiled(evidence.Mutex, 0, Contended(800, 60*time.Second, UnlockedAt("lib.(*Tx).close", "lib.(*Tx).Commit", "lib.(*DB).commit", "main.add")...)))
	lock := Over(10*time.Second, Profiled(evidence.Block, 0, Contended(800, 60*time.Second, LockedAt("lib.(*DB).begin", "lib.(*DB).Begin", "lib.(*DB).BeginTx", "main.add")...)))
	if f := Judge(t, MutexHotspot, unlock, lock).All.Findings; len(f) != 1 || len(f[0].Sites) < 2 {
		t.Errorf("two ends of one lock: %+v", f)
	}
	// Half of the waiting each: what one names may be what the other does not.
	half := func(names []string, kind evidence.Kind, other string) *evidence.Exhibit {
		return Over(10*time.Second, Profiled(kind, 0, Contended(400, 30*time.Second, names...), Contended(400, 30*time.Second, LockedAt(other)...)))
	}
	f := Judge(t, MutexHotspot, half(UnlockedAt("lib.(*Tx).close"), evidence.Mutex, "a.f"), half(LockedAt("lib.(*DB).begin"), evidence.Block, "b.f")).All.Findings
	for _, x := range f {
		for _, c := range x.Checks {
			if c.Result == claim.Agrees && c.Kind != evidence.Mutex && c.Kind != evidence.Block || c.Result == claim.Disagrees {
				t.Errorf("%s: %+v", x.Site.Function, c)
			}
		}
		if len(x.Sites) > 1 {
			t.Errorf("%s joined with %v", x.Site.Function, x.Sites)
		}
	}
}
