package detect

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
)

// TestOddDumps runs every detector on dumps put together at random from frames
// of locks, channels and callers: none may panic, and each says the same twice.
func TestOddDumps(t *testing.T) {
	pool := []string{"internal/sync.(*Mutex).lockSlow(c008)", "internal/sync.(*Mutex).lockSlow(d008?)", "sync.(*Mutex).Lock(...)", "sync.(*RWMutex).Lock(c008)", "sync.(*RWMutex).RLock(...)",
		"sync.(*Once).doSlow(c000,1)", "sync.(*Once).Do(...)", "main.(*S).Put(c000):9", "main.(*S).Put(c000):12", "main.(*S).Get(d000,c000):9", "main.(*S).lock(...):3", "main.f():1", "main.f():2", "(1)",
		"sync.(*WaitGroup).Wait(c000)", "net/http.(*conn).serve(1)", "internal/poll.(*fdMutex).rwlock(f000,1)", "runtime.gopark(...)", "sync.(*Mutex).Unlock(...)"}
	states := []string{"sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "semacquire", "chan send", "chan receive", "select", "IO wait", "sleep", "running", "runnable", "", "sync.Cond.Wait"}
	found := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		make := func() []*evidence.Exhibit {
			var out []*evidence.Exhibit
			for range 1 + r.IntN(3) {
				var all []dump.Goroutine
				for i := range r.IntN(300) {
					var f []string
					for range r.IntN(6) {
						f = append(f, pool[r.IntN(len(pool))])
					}
					g := Goroutine(int64(i), states[r.IntN(len(states))], f...)
					g.Wait, g.Leaked = time.Duration(r.IntN(3))*time.Minute, r.IntN(20) == 0
					all = append(all, g)
				}
				out = append(out, Dumped(all...))
			}
			return out
		}
		for _, d := range All {
			exhibits := make()
			first, again := Judge(t, d, exhibits...), Judge(t, d, exhibits...)
			if diff := cmp.Diff(first.All.Findings, again.All.Findings, cmpopts.IgnoreUnexported(claim.Finding{})); diff != "" {
				t.Errorf("seed %d: %s says two things of the same dumps:\n%s", seed, d.ID, diff)
			}
			found += len(first.All.Findings)
		}
	}
	if found == 0 {
		t.Error("nothing was found in any of them: they are too odd to test anything")
	}
}
