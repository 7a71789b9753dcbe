package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

func TestMutexHotspotMutexProfile(t *testing.T) {
	mutex := func(d time.Duration, rows ...row) *evidence.Exhibit {
		e := profiled(evidence.Mutex, 0, rows...)
		if d > 0 {
			over(d, e)
		}
		return e
	}
	hot := contended(1000, 20*time.Second, unlockedAt("main.(*B).Place:9", "main.main.func1")...)
	expectAll(t, MutexHotspot, []expect{
		{"nothing recorded", of(mutex(10*time.Second), fourProcs()), claim.Undecided, ""},
		{"twenty seconds in ten", of(mutex(10*time.Second, hot), fourProcs()), claim.Found, "warning main.(*B).Place"},
		{"the same since start, no rate known", of(mutex(0, hot), fourProcs()), claim.Found, "warning main.(*B).Place"},
		{"less than a thousand long waits since start", of(mutex(0, contended(999, 20*time.Second, unlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"a thousand", of(mutex(0, contended(1000, 20*time.Second, unlockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"nineteen", of(mutex(0, contended(19, 20*time.Second, unlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"just below a twentieth of the processors' time", of(mutex(10*time.Second, contended(1000, 1990*time.Millisecond, unlockedAt("main.f")...)), fourProcs()), claim.Found, "info main.f"},
		{"at a twentieth of the processors' time", of(mutex(10*time.Second, contended(1000, 2*time.Second, unlockedAt("main.f")...)), fourProcs()), claim.Found, "info main.f"},
		{"GOMAXPROCS unknown, below a second per second", of(mutex(10*time.Second, contended(1000, 9*time.Second, unlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"mean just below a millisecond", of(mutex(10*time.Second, contended(10001, 10*time.Second, unlockedAt("main.f")...)), fourProcs()), claim.Found, "warning main.f"},
		{"short waits that take half the processors' time", of(mutex(10*time.Second, contended(100000, 20*time.Second, unlockedAt("main.f")...)), fourProcs()), claim.Found, "warning main.f"},
		{"long waits that stand for seven tenths of the time, on two processors", of(mutex(10*time.Second, contended(700, 7*time.Second, unlockedAt("main.f")...)), procs()), claim.Found, "info main.f"},
		{"short ones that do", of(mutex(10*time.Second, contended(70000, 7*time.Second, unlockedAt("main.f")...)), procs()), claim.Found, "warning main.f"},
		{"short waits, GOMAXPROCS unknown", of(mutex(10*time.Second, contended(70000, 7*time.Second, unlockedAt("main.f")...))), claim.Found, "info main.f"},
		{"and less than one processor in use", of(mutex(10*time.Second, contended(70000, 7*time.Second, unlockedAt("main.f")...)), cpuProfile(cpu(500, "main.g"))), claim.Found, "warning main.f"},
		{"and four in use", of(mutex(10*time.Second, contended(70000, 7*time.Second, unlockedAt("main.f")...)), cpuProfile(cpu(4000, "main.g"))), claim.Found, "info main.f"},
		{"mean just below ten milliseconds", of(mutex(10*time.Second, contended(1001, 10*time.Second, unlockedAt("main.f")...)), fourProcs()), claim.Found, "warning main.f"},
		{"spread over two locks of which neither has half", of(mutex(10*time.Second,
			contended(1000, 10*time.Second, unlockedAt("main.f")...), contended(1000, 10*time.Second, unlockedAt("main.g")...), contended(9, time.Second, unlockedAt("main.h")...)), fourProcs()), claim.Clear, ""},
		{"three methods of one type", of(mutex(10*time.Second,
			contended(1000, 11*time.Second, unlockedAt("main.(*C).A")...), contended(1000, 10*time.Second, unlockedAt("main.(*C).B")...), contended(900, 10*time.Second, unlockedAt("main.(*C).D")...)), fourProcs()), claim.Found, "warning main.(*C).A"},
		{"the runtime's own locks", of(mutex(10*time.Second,
			contended(1000, 20*time.Second, "runtime.unlock", "runtime.selectgo", "main.f"), contended(1000, 20*time.Second, "runtime._LostContendedRuntimeLock")), fourProcs()), claim.Undecided, ""},
		{"a lock of the standard library", of(mutex(10*time.Second, contended(1000, 20*time.Second, unlockedAt("log.(*Logger).output", "log.Printf", "main.f")...)), fourProcs()), claim.Found, "warning main.f"},
		{"every processor is busy anyway", of(mutex(10*time.Second, hot),
			traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: 4, Running: 95, Idle: 5}})), claim.Found, "info main.(*B).Place"},
	})
	j := judge(t, MutexHotspot, mutex(10*time.Second, contended(1000, 20*time.Second, "sync.(*RWMutex).RUnlock", "main.f")), fourProcs())
	if f := j.all.Findings; len(f) != 1 || f[0].Variant != lockRead {
		t.Errorf("variant of a read lock: %+v", f)
	}
}

func TestMutexHotspotOfTwoCumulativeProfiles(t *testing.T) {
	old := contended(100_000, time.Hour, unlockedAt("main.start")...)
	first := profiled(evidence.Mutex, 0, old, contended(10, time.Second, unlockedAt("main.f")...))
	second := profiled(evidence.Mutex, 10, old, contended(1010, 21*time.Second, unlockedAt("main.f")...))
	expectAll(t, MutexHotspot, []expect{
		{"what was added counts", of(first, second, fourProcs()), claim.Found, "warning main.f"},
		{"falling values are another process: the last one counts", of(second, profiled(evidence.Mutex, 20, contended(1000, 20*time.Second, unlockedAt("main.g")...)), fourProcs()), claim.Found, "warning main.g"},
	})
}

func TestMutexHotspotBlockProfile(t *testing.T) {
	block := func(rows ...row) *evidence.Exhibit {
		return over(10*time.Second, profiled(evidence.Block, 0, rows...))
	}
	idle := contended(1000, 1000*time.Second, "runtime.chanrecv1", "main.worker")
	expectAll(t, MutexHotspot, []expect{
		{"parked workers are no lock waits", of(block(idle, contended(5000, 5000*time.Second, "runtime.selectgo", "main.worker")), fourProcs()), claim.Undecided, ""},
		{"nor are wait groups and conditions", of(block(contended(1000, 1000*time.Second, "sync.(*WaitGroup).Wait", "main.f"), contended(1000, 1000*time.Second, "sync.(*Cond).Wait", "main.f")), fourProcs()), claim.Undecided, ""},
		{"a lock among parked workers", of(block(idle, contended(1000, 20*time.Second, lockedAt("main.f")...)), fourProcs()), claim.Found, "warning main.f"},
	})
	// One site in two kinds, with both numbers.
	j := judge(t, MutexHotspot, block(contended(1000, 20*time.Second, lockedAt("main.(*B).get")...)),
		over(10*time.Second, profiled(evidence.Mutex, 0, contended(1000, 20*time.Second, unlockedAt("main.(*B).refresh")...))), fourProcs())
	if len(j.all.Findings) != 1 || j.all.Findings[0].Confidence != claim.High {
		t.Errorf("holder and waiter in two methods of one type: %+v", j.all.Findings)
	}
}

func TestMutexHotspotTrace(t *testing.T) {
	trace := func(waits ...exectrace.Wait) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Second, Waits: waits, Procs: exectrace.Procs{Max: 4, Running: 1, Idle: 3}})
	}
	met := func(wanted time.Duration) *evidence.Exhibit {
		e := trace(waited(wait.Mutex, 1000, 20*time.Millisecond, 0, lockedAt("main.f")...))
		e.Trace.Queues = []exectrace.Queue{{Sites: []stack.Site{{Function: "main.f"}}, Waited: 20 * time.Second, Wanted: wanted}}
		return e
	}
	expectAll(t, MutexHotspot, []expect{
		{"no waits", of(trace()), claim.Clear, ""},
		{"too short to say", of(traced(&exectrace.Timeline{Duration: 99 * time.Millisecond})), claim.Undecided, ""},
		{"one goroutine always in the lock", of(trace(waited(wait.Mutex, 100, 10*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"just below a twentieth of the processors' time", of(trace(waited(wait.Mutex, 99, 2*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "info main.f"},
		{"at a twentieth", of(trace(waited(wait.Mutex, 100, 2*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "info main.f"},
		{"one goroutine that waits once, for long", of(trace(waited(wait.Mutex, 1, 900*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "info main.f"},
		{"nineteen", of(trace(waited(wait.Mutex, 19, 50*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "info main.f"},
		{"twenty", of(trace(waited(wait.Mutex, 20, 50*time.Millisecond, 0, lockedAt("main.f")...))), claim.Found, "warning main.f"},
		{"a wait group is no mutex", of(trace(waited(wait.WaitGroup, 100, 10*time.Millisecond, 0, "sync.(*WaitGroup).Wait", "main.f"))), claim.Clear, ""},
		{"nobody gets through: stuck, not busy", of(trace(waited(wait.Mutex, 100, time.Second, 100, lockedAt("main.f")...))), claim.Undecided, ""},
		{"a herd that meets for a moment", of(met(49 * time.Millisecond)), claim.Found, "info main.f"},
		{"wanted for a twentieth of the time", of(met(50 * time.Millisecond)), claim.Found, "warning main.f"},
		{"the class alone, where the stack begins in the runtime", of(trace(waited(wait.RWWrite, 100, 10*time.Millisecond, 0, "runtime.gopark", "main.f"))), claim.Found, "warning main.f"},
	})
}

func TestMutexHotspotDump(t *testing.T) {
	crowd := func(n int) *evidence.Exhibit {
		return join(many(n, 10, inMutex(0, "c008", "main.(*S).Put(c000):9")), one(gone(1, "running", "main.(*S).Put(c000):12")))
	}
	expectAll(t, MutexHotspot, []expect{
		{"nobody in a lock", of(join(one(gone(1, "chan receive", "main.f():1")))), claim.Undecided, ""},
		{"nine in one lock", of(crowd(9)), claim.Undecided, ""},
		{"ten", of(crowd(10)), claim.Found, "critical main.(*S).Put"},
		{"ninety-nine", of(crowd(99)), claim.Found, "critical main.(*S).Put"},
		{"a hundred", of(crowd(100)), claim.Found, "critical main.(*S).Put"},
		{"many locks with few waiters each, as objects with locks of their own have", of(join(
			many(9, 10, inMutex(0, "c108", "main.(*S).Put(c100):9")), many(9, 30, inMutex(0, "c208", "main.(*S).Put(c200):9")), many(9, 50, inMutex(0, "c308", "main.(*S).Put(c300):9")))), claim.Undecided, ""},
		{"wait groups and conditions", of(join(many(100, 10, gone(0, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(c000)", "main.f():1")),
			many(100, 200, gone(0, "sync.Cond.Wait", "sync.runtime_notifyListWait(c050)", "sync.(*Cond).Wait(0?)", "main.g():1")))), claim.Undecided, ""},
	})
}

func TestMutexHotspotCPU(t *testing.T) {
	spin := func(n int64) row {
		return cpu(n, "runtime.procyield", "internal/sync.runtime_doSpin", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f")
	}
	expectAll(t, MutexHotspot, []expect{
		{"at the share", of(cpuProfile(spin(150), cpu(850, "main.g")), procs()), claim.Undecided, ""},
		{"above it, in a process that is busy", of(cpuProfile(spin(151), cpu(849, "main.g")), procs()), claim.Found, "warning main.f"},
		{"above it, in a process that idles", of(cpuProfile(spin(60), cpu(240, "main.g")), procs()), claim.Found, "info main.f"},
		{"two methods of one type, the heavier names it", of(cpuProfile(cpu(60, "sync.(*RWMutex).RLock", "main.(*P).intern"), cpu(100, "sync.(*RWMutex).RLock", "main.(*P).release"), cpu(840, "main.g")), procs()), claim.Found, "warning main.(*P).release"},
		{"too few samples", of(cpuProfile(spin(50), cpu(49, "main.g")), procs()), claim.Undecided, ""},
		{"locks of the runtime", of(cpuProfile(cpu(500, "runtime.procyield", "runtime.lock2", "runtime.selectgo", "main.f"), cpu(500, "main.g")), procs()), claim.Undecided, ""},
	})
}

func TestMutexHotspotOfTwoEnds(t *testing.T) {
	// Taken in one function and given back in another: both profiles charge the same waiting to it.
	unlock := over(10*time.Second, profiled(evidence.Mutex, 0, contended(800, 60*time.Second, unlockedAt("lib.(*Tx).close", "lib.(*Tx).Commit", "lib.(*DB).commit", "main.add")...)))
	lock := over(10*time.Second, profiled(evidence.Block, 0, contended(800, 60*time.Second, lockedAt("lib.(*DB).begin", "lib.(*DB).Begin", "lib.(*DB).BeginTx", "main.add")...)))
	if f := judge(t, MutexHotspot, unlock, lock).all.Findings; len(f) != 1 || len(f[0].Sites) < 2 {
		t.Errorf("two ends of one lock: %+v", f)
	}
	// Half of the waiting each: what one names may be what the other does not.
	half := func(names []string, kind evidence.Kind, other string) *evidence.Exhibit {
		return over(10*time.Second, profiled(kind, 0, contended(400, 30*time.Second, names...), contended(400, 30*time.Second, lockedAt(other)...)))
	}
	f := judge(t, MutexHotspot, half(unlockedAt("lib.(*Tx).close"), evidence.Mutex, "a.f"), half(lockedAt("lib.(*DB).begin"), evidence.Block, "b.f")).all.Findings
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
