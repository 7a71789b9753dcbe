package detect

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/runtimelog"
)

// TestLockWithoutARate climbs the ladder of a profile that counts since the start: the age of
// the process, the CPU under the lock in a known time, else an info.
func TestLockWithoutARate(t *testing.T) {
	mutex := profiled(evidence.Mutex, 0, contended(20_000, 12*time.Second, unlockedAt("main.(*B).Place")...))
	log := func(age time.Duration) *evidence.Exhibit {
		return &evidence.Exhibit{Path: "gc.log", Kind: evidence.GCTrace, Coverage: evidence.Whole, GC: &runtimelog.GC{Log: runtimelog.Log{Procs: 4}, Total: runtimelog.GCWindow{To: age}}}
	}
	longer := profiled(evidence.Mutex, 0, contended(2_000, 12*time.Second, unlockedAt("main.(*B).Place")...))
	under := func(samples, others int64) *evidence.Exhibit {
		return cpuProfile(cpu(samples, "main.price", "main.(*B).Place"), cpu(others, "main.g"))
	}
	expectAll(t, MutexHotspot, []expect{
		{"nothing tells", of(mutex), claim.Found, "info main.(*B).Place"},
		{"little was waited", of(profiled(evidence.Mutex, 0, contended(2_000, 999*time.Millisecond, unlockedAt("main.f")...))), claim.Undecided, ""},
		{"short waits of a process of ten seconds: a quarter of four processors", of(mutex, log(12*time.Second)), claim.Found, "warning main.(*B).Place"},
		{"of more", of(mutex, log(13*time.Second)), claim.Found, "info main.(*B).Place"},
		{"one on average over the life of the process", of(longer, log(12*time.Second)), claim.Found, "warning main.(*B).Place"},
		{"less than one", of(longer, log(13*time.Second)), claim.Found, "info main.(*B).Place"},
		{"half of the CPU is below the lock, a fifth of a processor", of(mutex, under(200, 200)), claim.Found, "warning main.(*B).Place"},
		{"less than a fifth", of(mutex, under(199, 100)), claim.Found, "info main.(*B).Place"},
		{"less than half of it", of(mutex, under(200, 201)), claim.Found, "info main.(*B).Place"},
		{"more than one holder can use", of(mutex, under(1101, 0)), claim.Found, "info main.(*B).Place"},
	})
}

// TestBusyExcuse holds the excuse of busy processors to other work than what runs under the lock.
func TestBusyExcuse(t *testing.T) {
	hot := over(10*time.Second, profiled(evidence.Mutex, 0, contended(1000, 20*time.Second, unlockedAt("main.(*B).Place")...)))
	full := func(procs int) *evidence.Exhibit {
		return traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: procs, Running: 95, Idle: 5}})
	}
	under := func(samples int64) *evidence.Exhibit {
		return cpuProfile(cpu(samples, "main.price", "main.(*B).Place"), cpu(900, "main.g"))
	}
	expectAll(t, MutexHotspot, []expect{
		{"nothing tells what they are busy with", of(hot, full(2)), claim.Found, "info main.(*B).Place"},
		{"with what runs under the lock", of(hot, full(2), under(900)), claim.Found, "warning main.(*B).Place"},
		{"with other work", of(hot, full(2), under(100)), claim.Found, "info main.(*B).Place"},
		{"there is but one processor", of(hot, full(1), under(900)), claim.Found, "info main.(*B).Place"},
	})
}

// TestLateAnswers tells calls under way from answers that do not come, by those that came before.
func TestLateAnswers(t *testing.T) {
	asks := many(20, 10, gone(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.(*P).Rate(c000):21", "main.handle():30", serve))
	before := func(count int64, took time.Duration) *evidence.Exhibit {
		return profiled(evidence.Block, 0, row{values: []int64{count, int64(took)}, stack: frames("runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).do", "main.(*P).Rate", "main.handle")})
	}
	expectAll(t, BlockedDownstream, []expect{
		{"nothing tells how long answers take", of(join(asks)), claim.Found, "info main.(*P).Rate"},
		{"ten times as long as all that came before", of(join(asks), before(100, 2*time.Second)), claim.Found, "critical main.(*P).Rate"},
		{"less", of(join(asks), before(100, 2*time.Second+time.Millisecond)), claim.Found, "info main.(*P).Rate"},
		{"few came before", of(join(asks), before(19, time.Second)), claim.Found, "info main.(*P).Rate"},
	})
}
