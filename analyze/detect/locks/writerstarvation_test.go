package locks

import (
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

func TestWriterStarvation(t *testing.T) {
	const serve = "net/http.(*conn).serve()"
	slow := func(state string) []dump.Goroutine {
		return Many(3, 100, Goroutine(0, state, "time.Sleep(1)", "main.write():60", "main.(*Table).Download(0xc000010000):50", serve))
	}
	asks := inRead(2, "main.(*Table).Download(0xc000010000):48", serve)
	writer := inWrite(3, "main.(*Table).Report(0xc000010000):70", serve)
	readers := func(n int) []dump.Goroutine {
		return Many(n, 10, inRead(0, "main.(*Table).Level(0xc000010000):80", serve))
	}
	again := inRead(4, "main.(*Table).Level(0xc000010000):80", "main.(*Table).Download(0xc000010000):50", serve)
	trace := func(delay time.Duration, kind wait.Class, unlock string) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{
			Holders: []exectrace.Holder{{Class: wait.RWWrite, Handoffs: 5, Delay: 5 * delay, Unlock: Frames(unlock, "main.(*Table).Download", "net/http.(*conn).serve"), Waiter: Frames("sync.(*RWMutex).Lock", "main.(*Table).Report", "net/http.(*conn).serve")}},
			Waits:   []exectrace.Wait{{Class: kind, Count: 100, Total: 4 * time.Second, Stack: Frames("sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.(*Table).Level", "net/http.(*conn).serve")}},
			Queues:  []exectrace.Queue{{Sites: []stack.Site{At("main.(*Table).Report"), At("main.(*Table).Level")}, Waited: 5 * time.Second, Wanted: time.Second}},
		})
	}
	ExpectAll(t, WriterStarvation, []Expect{
		{"readers that sleep with the lock", Of(Join(slow("sleep"), One(asks, writer), readers(10))), claim.Found, "critical main.(*Table).Download"},
		{"readers that run", Of(Join(slow("running"), One(asks, writer), readers(10))), claim.Found, "info main.(*Table).Download"},
		{"no reader in sight", Of(Join(One(writer), readers(10))), claim.Found, "info main.(*Table).Report"},
		{"few wait", Of(Join(slow("sleep"), One(asks, writer), readers(7))), claim.Found, "info main.(*Table).Download"},
		{"nobody stands behind the writer", Of(Join(slow("sleep"), One(writer))), claim.Undecided, ""},
		{"readers behind a writer that has the lock", Of(Join(slow("sleep"), One(asks), readers(20))), claim.Undecided, ""},
		{"a reader that asks again waits for ever", Of(Join(One(again, asks, writer), readers(20))), claim.Undecided, ""},
		{"writers wait long", Of(trace(50*time.Millisecond, wait.RWRead, "sync.(*RWMutex).RUnlock")), claim.Found, "warning main.(*Table).Download"},
		{"a second", Of(trace(time.Second, wait.RWRead, "sync.(*RWMutex).RUnlock")), claim.Found, "critical main.(*Table).Download"},
		{"at the limit", Of(trace(time.Millisecond, wait.RWRead, "sync.(*RWMutex).RUnlock")), claim.Found, "warning main.(*Table).Download"},
		{"below", Of(trace(time.Millisecond-1, wait.RWRead, "sync.(*RWMutex).RUnlock")), claim.Clear, ""},
		{"no readers behind", Of(trace(50*time.Millisecond, wait.RWWrite, "sync.(*RWMutex).RUnlock")), claim.Clear, ""},
		{"a writer holds it", Of(trace(50*time.Millisecond, wait.RWRead, "sync.(*RWMutex).Unlock")), claim.Clear, ""},
		{"a mutex profile corroborates", Of(trace(50*time.Millisecond, wait.RWRead, "sync.(*RWMutex).RUnlock"),
			Profiled(evidence.Mutex, 0, Contended(5, 250*time.Millisecond, "sync.(*RWMutex).rUnlockSlow", "sync.(*RWMutex).RUnlock", "main.(*Table).Download"))), claim.Found, "warning main.(*Table).Download"},
		{"and alone says nothing", Of(Profiled(evidence.Mutex, 0, Contended(5, 250*time.Millisecond, "sync.(*RWMutex).rUnlockSlow", "sync.(*RWMutex).RUnlock", "main.(*Table).Download"))), claim.Undecided, ""},
	})
}
