package exectrace

import (
	"sync"
	"testing"
	"time"

	"inquest/internal/evidence/wait"
)

type board struct{ mu sync.RWMutex }

// post takes the lock without anybody in the way, and keeps it while it sleeps.
func (b *board) post(d time.Duration) {
	b.mu.Lock()
	time.Sleep(d)
	b.mu.Unlock()
}

// export keeps a read lock while it sleeps.
func (b *board) export(d time.Duration) {
	b.mu.RLock()
	time.Sleep(d)
	b.mu.RUnlock()
}

func (b *board) read() {
	b.mu.RLock()
	defer b.mu.RUnlock()
}

func (b *board) set() {
	b.mu.Lock()
	defer b.mu.Unlock()
}

const onBoard = "inquest/internal/evidence/exectrace.(*board)."

// holdersBy adds the holders up by the method that unlocks.
func holdersBy(tl *Timeline, method string) (sum Holder) {
	for _, h := range tl.Holders {
		if h.Unlock.Site().Function == onBoard+method {
			sum.Handoffs += h.Handoffs
			sum.Unknown += h.Unknown
			sum.Least += h.Least
			sum.Total += h.Total
			sum.LeastBlocked = append(sum.LeastBlocked, h.LeastBlocked...)
		}
	}
	return sum
}

func TestHoldOfUnknownStart(t *testing.T) {
	b := recordTrace(t, func() {
		var s board
		for range 5 {
			var wg sync.WaitGroup
			wg.Go(func() { s.post(30 * time.Millisecond) })
			time.Sleep(10 * time.Millisecond)
			for range 20 {
				wg.Go(s.read)
			}
			wg.Wait()
		}
	})
	h := holdersBy(sameAsWhole(t, b), "post")
	// One Unlock lets all readers go: five hand-overs, not a hundred, and on a busy
	// machine one more for each Unlock that is preempted half way.
	if h.Handoffs < 5 || h.Handoffs > 8 || h.Unknown != h.Handoffs {
		t.Errorf("%d hand-overs, %d of unknown start, want 5 and 5", h.Handoffs, h.Unknown)
	}
	var slept time.Duration
	for _, x := range h.LeastBlocked {
		if x.Class == wait.Sleep {
			slept += x.Total
		}
	}
	if h.Least < 50*time.Millisecond || slept < h.Least*8/10 || slept > h.Least {
		t.Errorf("held for at least %v, asleep for %v of that", h.Least, slept)
	}
}

func TestWaitingForReadersIsNoHold(t *testing.T) {
	b := recordTrace(t, func() {
		var s board
		for range 5 {
			var wg sync.WaitGroup
			wg.Go(func() { s.export(30 * time.Millisecond) })
			time.Sleep(5 * time.Millisecond)
			for range 3 {
				wg.Go(s.set)
			}
			time.Sleep(5 * time.Millisecond)
			for range 20 {
				wg.Go(s.read)
			}
			wg.Wait()
		}
	})
	tl := sameAsWhole(t, b)
	if h := holdersBy(tl, "set"); h.Least+h.Total > 20*time.Millisecond {
		t.Errorf("writers that waited for a reader are said to have held the lock for %v and at least %v", h.Total, h.Least)
	}
	if h := holdersBy(tl, "export"); h.Least+h.Total < 50*time.Millisecond {
		t.Errorf("the reader that all waited for held the lock for %v and at least %v", h.Total, h.Least)
	}
}

// TestWaitingIsChargedToTheHold: behind one long hold stand many short ones that pass
// the lock on to each other; their waiting is the long one's doing.
func TestWaitingIsChargedToTheHold(t *testing.T) {
	b := recordTrace(t, func() {
		var s board
		for range 5 {
			var wg sync.WaitGroup
			wg.Go(func() { s.post(20 * time.Millisecond) })
			time.Sleep(2 * time.Millisecond)
			for range 10 {
				wg.Go(s.set)
			}
			wg.Go(func() { s.post(20 * time.Millisecond) })
			wg.Wait()
		}
	})
	tl := sameAsWhole(t, b)
	var all, charged, delay time.Duration
	for _, w := range tl.Waits {
		if w.Class == wait.Mutex || w.Class == wait.RWWrite || w.Class == wait.RWRead {
			all += w.Total
		}
	}
	by := map[string]time.Duration{}
	for _, h := range tl.Holders {
		charged += h.Waited
		delay += h.Delay
		by[h.Unlock.Site().Function] += h.Waited
	}
	if charged > all || charged < all*3/4 {
		t.Errorf("%v of %v of waiting is charged (the waits that unlocks ended took %v)", charged, all, delay)
	}
	if long := by[onBoard+"post"]; long < charged*9/10 {
		t.Errorf("the long holds are charged with %v of %v", long, charged)
	}
	var queued time.Duration
	for _, q := range tl.Queues {
		queued += q.Waited
		if q.Wanted > q.Waited || q.Wanted > tl.Duration {
			t.Errorf("wanted for %v of %v, with %v of waiting", q.Wanted, tl.Duration, q.Waited)
		}
	}
	if d := queued - all; d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("queues hold %v of waiting, waits %v", queued, all)
	}
	if len(tl.Queues) == 0 || len(tl.Queues[0].Sites) != 2 {
		t.Errorf("post and set use one lock: %+v", tl.Queues)
	}
}
