package locks

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/detect/waits"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/runtimelog"
)

// TestLockWithoutARate climbs the ladder of a profile that counts since the start: the age of
// the process, the CPU under the lock in a known time, else an info.
func TestLockWithoutARate(t *testing.T) {
	mutex := Profiled(evidence.Mutex, 0, Contended(20_000, 12*time.Second, UnlockedAt("main.(*B).Place")...))
	log := func(age time.Duration) *evidence.Exhibit {
		return &evidence.Exhibit{Path: "gc.log", Kind: evidence.GCTrace, Coverage: evidence.Whole, Content: &runtimelog.GC{Log: runtimelog.Log{Procs: 4}, Total: runtimelog.GCWindow{To: age}}}
	}
	longer := Profiled(evidence.Mutex, 0, Contended(2_000, 12*time.Second, UnlockedAt("main.(*B).Place")...))
	under := func(samples, others int64) *evidence.Exhibit {
		return CPUProfile(CPU(samples, "main.price", "main.(*B).Place"), CPU(others, "main.g"))
	}
	ExpectAll(t, MutexHotspot, []Expect{
		{"nothing tells", Of(mutex), claim.Found, "info main.(*B).Place"},
		{"little was waited", Of(Profiled(evidence.Mutex, 0, Contended(2_000, 999*time.Millisecond, UnlockedAt("main.f")...))), claim.Undecided, ""},
		{"short waits of a process of ten seconds: a quarter of four processors", Of(mutex, log(12*time.Second)), claim.Found, "warning main.(*B).Place"},
		{"of more", Of(mutex, log(13*time.Second)), claim.Found, "info main.(*B).Place"},
		{"one on average over the life of the process", Of(longer, log(12*time.Second)), claim.Found, "warning main.(*B).Place"},
		{"less than one", Of(longer, log(13*time.Second)), claim.Found, "info main.(*B).Place"},
		{"half of the CPU is below the lock, a fifth of a processor", Of(mutex, under(200, 200)), claim.Found, "warning main.(*B).Place"},
		{"less than a fifth", Of(mutex, under(199, 100)), claim.Found, "info main.(*B).Place"},
		{"less than half of it", Of(mutex, under(200, 201)), claim.Found, "info main.(*B).Place"},
		{"more than one holder can use", Of(mutex, under(1101, 0)), claim.Found, "info main.(*B).Place"},
	})
}

// TestBusyExcuse holds the excuse of busy processors to other work than what runs under the lock.
func TestBusyExcuse(t *testing.T) {
	hot := Over(10*time.Second, Profiled(evidence.Mutex, 0, Contended(1000, 20*time.Second, UnlockedAt("main.(*B).Place")...)))
	full := func(procs int) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Duration: time.Millisecond, Procs: exectrace.Procs{Max: procs, Running: 95, Idle: 5}})
	}
	under := func(samples int64) *evidence.Exhibit {
		return CPUProfile(CPU(samples, "main.price", "main.(*B).Place"), CPU(900, "main.g"))
	}
	ExpectAll(t, MutexHotspot, []Expect{
		{"nothing tells what they are busy with", Of(hot, full(2)), claim.Found, "info main.(*B).Place"},
		{"with what runs under the lock", Of(hot, full(2), under(900)), claim.Found, "warning main.(*B).Place"},
		{"with other work", Of(hot, full(2), under(100)), claim.Found, "info main.(*B).Place"},
		{"there is but one processor", Of(hot, full(1), under(900)), claim.Found, "info main.(*B).Place"},
	})
}

// TestLateAnswers tells calls under way from answers that do not come, by those that came before.
func TestLateAnswers(t *testing.T) {
	asks := Many(20, 10, Goroutine(0, "select", "net/http.(*persistConn).roundTrip(1)", "net/http.(*Client).do(1)", "main.(*P).Rate(c000):21", "main.handle():30", Serve))
	before := func(count int64, took time.Duration) *evidence.Exhibit {
		return Profiled(evidence.Block, 0, Row{Values: []int64{count, int64(took)}, Stack: Frames("runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).do", "main.(*P).Rate", "main.handle")})
	}
	ExpectAll(t, waits.BlockedDownstream, []Expect{
		{"nothing tells how long answers take", Of(Join(asks)), claim.Found, "info main.(*P).Rate"},
		{"ten times as long as all that came before", Of(Join(asks), before(100, 2*time.Second)), claim.Found, "critical main.(*P).Rate"},
		{"less", Of(Join(asks), before(100, 2*time.Second+time.Millisecond)), claim.Found, "info main.(*P).Rate"},
		{"few came before", Of(Join(asks), before(19, time.Second)), claim.Found, "info main.(*P).Rate"},
	})
}
