package exectrace

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"runtime/trace"
	"sync"
	"testing"
	"time"

	"inquest/internal/evidence/wait"
)

// record runs fn under a trace.
func recordTrace(t testing.TB, fn func()) []byte {
	t.Helper()
	if trace.IsEnabled() {
		t.Skip("the test itself is traced")
	}
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	fn()
	trace.Stop()
	return b.Bytes()
}

type shelf struct{ mu sync.Mutex }

// holdFor takes the lock for a while.
func (s *shelf) holdFor(d time.Duration) {
	s.mu.Lock()
	time.Sleep(d)
	s.mu.Unlock()
}

const shelfHold = "inquest/internal/evidence/exectrace.(*shelf).holdFor"

func TestHoldOfFiveMilliseconds(t *testing.T) {
	var waited [3]time.Duration
	b := recordTrace(t, func() {
		var s shelf
		var wg sync.WaitGroup
		for i := range waited {
			wg.Go(func() {
				for range 10 {
					start := time.Now()
					s.holdFor(5 * time.Millisecond)
					waited[i] += time.Since(start)
				}
			})
		}
		wg.Wait()
	})
	tl := sameAsWhole(t, b)
	var h *Holder
	for i := range tl.Holders {
		if tl.Holders[i].Unlock.Site().Function == shelfHold && tl.Holders[i].Unknown == 0 {
			h = &tl.Holders[i]
		}
	}
	if h == nil {
		t.Fatalf("no holder at %s among %d", shelfHold, len(tl.Holders))
	}
	if h.Class != wait.Mutex || h.Handoffs < 20 || h.Waiter.Site().Function != shelfHold || h.Acquire.Site().Function != shelfHold {
		t.Errorf("%s by %v of %d", h.Class, h.Waiter.Site(), h.Handoffs)
	}
	if mean := h.Times.Mean(); mean < 5*time.Millisecond || mean > 15*time.Millisecond {
		t.Errorf("held for %v on average, want 5 ms and what a busy machine adds", mean)
	}
	if len(h.Blocked) == 0 || h.Blocked[0].Class != wait.Sleep || h.Blocked[0].Total < h.Total*8/10 {
		t.Errorf("while holding: %+v, want nearly all of %v asleep", h.Blocked, h.Total)
	}
	var inWaits, sum time.Duration
	for _, w := range tl.Waits {
		if w.Class == wait.Mutex && w.Stack.Site().Function == shelfHold {
			inWaits += w.Total
		}
	}
	for _, d := range waited {
		sum += d
	}
	sum -= 30 * 5 * time.Millisecond
	if diff := (inWaits - sum).Abs(); diff > sum/3 {
		t.Errorf("waited %v for the lock by the trace, about %v by the clock", inWaits, sum)
	}
	found := false
	for _, w := range tl.Wakes {
		found = found || w.From.Function == shelfHold && w.To.Function == shelfHold && w.Class == wait.Mutex && w.Count >= 20
	}
	if !found {
		t.Error("no wake-ups from the unlock to the lock")
	}
}

// worker takes the lock, and sleeps without it.
func (s *shelf) worker(n int) {
	for range n {
		s.mu.Lock()
		busy(100 * time.Microsecond)
		s.mu.Unlock()
		time.Sleep(3 * time.Millisecond)
	}
}

func busy(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

func TestSleepOutsideTheLockIsNotAHold(t *testing.T) {
	b := recordTrace(t, func() {
		var s shelf
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { s.worker(30) })
		}
		wg.Wait()
	})
	for _, h := range sameAsWhole(t, b).Holders {
		for _, bl := range h.Blocked {
			if bl.Class == wait.Sleep {
				t.Errorf("a sleep of %v is said to be inside the lock: %v", bl.Total, h.Unlock.Site())
			}
		}
	}
}

func TestWaitsOfEveryClass(t *testing.T) {
	const d = 20 * time.Millisecond
	b := recordTrace(t, func() {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var r, w sync.RWMutex
		cond := sync.NewCond(&sync.Mutex{})
		send, recv, sel := make(chan int), make(chan int), make(chan int)
		group := &sync.WaitGroup{}
		group.Add(1)
		mu.Lock()
		w.RLock() // writers wait
		r.Lock()  // readers wait
		var ready sync.WaitGroup
		block := func(fn func()) {
			ready.Add(1)
			wg.Go(func() { ready.Done(); fn() })
		}
		block(func() { mu.Lock() })
		block(func() { r.RLock() })
		block(func() { w.Lock() })
		block(func() { cond.L.Lock(); cond.Wait(); cond.L.Unlock() })
		block(func() { group.Wait() })
		block(func() { send <- 1 })
		block(func() { <-recv })
		block(func() {
			select {
			case <-sel:
			case <-recv:
			}
		})
		ready.Wait()
		time.Sleep(d)
		mu.Unlock()
		r.Unlock()
		w.RUnlock()
		cond.Broadcast()
		group.Done()
		<-send
		close(recv)
		close(sel)
		wg.Wait()
	})
	tl := sameAsWhole(t, b)
	longest := map[wait.Class]time.Duration{}
	for _, w := range tl.Waits {
		longest[w.Class] = max(longest[w.Class], w.Max)
	}
	for _, c := range []wait.Class{wait.Mutex, wait.RWRead, wait.RWWrite, wait.Cond, wait.WaitGroup, wait.ChanSend, wait.ChanRecv, wait.Select, wait.Sleep} {
		if longest[c] < d*8/10 {
			t.Errorf("%s: longest wait %v, want about %v", c, longest[c], d)
		}
	}
}

func TestStopTheWorldByReadMemStats(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs two Ps")
	}
	b := recordTrace(t, func() {
		done := make(chan bool)
		go func() {
			defer close(done)
			busy(30 * time.Millisecond)
		}()
		time.Sleep(5 * time.Millisecond)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		<-done
	})
	for _, p := range sameAsWhole(t, b).Pauses {
		if p.Reason != "read mem stats" {
			continue
		}
		if p.Effective <= 0 || p.Effective > p.Raw.To-p.Raw.From || p.TimeToStop > p.Effective {
			t.Errorf("time to stop %v, effective %v, raw %v..%v", p.TimeToStop, p.Effective, p.Raw.From, p.Raw.To)
		}
		if s := p.Stack.Site().Function; s != "inquest/internal/evidence/exectrace.TestStopTheWorldByReadMemStats" {
			t.Errorf("stopped by %s", s)
		}
		return
	}
	t.Error("no pause by ReadMemStats")
}

func TestOpenWaits(t *testing.T) {
	stuck := make(chan int)
	var late chan int
	go func() { <-stuck }()
	untilParked("TestOpenWaits", 1)
	b := recordTrace(t, func() {
		late = make(chan int)
		go func() { late <- 1 }()
		untilParked("TestOpenWaits", 2)
	})
	close(stuck)
	<-late
	var before, during int
	for _, o := range sameAsWhole(t, b).Open {
		if o.Stack.Site().Function != "inquest/internal/evidence/exectrace.TestOpenWaits" {
			continue
		}
		switch {
		case o.FromStart && o.Class == wait.ChanRecv && o.Since == 0:
			before++
		case !o.FromStart && o.Class == wait.ChanSend && o.Since > 0:
			during++
		}
	}
	if before != 1 || during != 1 {
		t.Errorf("%d open receives from before the trace and %d open sends, want one of each", before, during)
	}
}

func TestYieldsAreNoLatency(t *testing.T) {
	const n = 5000
	b := recordTrace(t, func() {
		for range n {
			runtime.Gosched()
		}
	})
	tl := sameAsWhole(t, b)
	var yields int64
	for _, g := range tl.Groups {
		yields += g.Yields
	}
	if yields < n || tl.Latency.Times.Count > n/2 {
		t.Errorf("%d yields, %d delays; want %d yields and few delays", yields, tl.Latency.Times.Count, n)
	}
}

func TestTasksAndRegions(t *testing.T) {
	b := recordTrace(t, func() {
		ctx, task := trace.NewTask(context.Background(), "order")
		trace.WithRegion(ctx, "price", func() { busy(5 * time.Millisecond) })
		trace.WithRegion(ctx, "store", func() { time.Sleep(5 * time.Millisecond) })
		trace.Log(ctx, "id", "4711")
		task.End()
		trace.NewTask(ctx, "never ends")
	})
	tl := sameAsWhole(t, b)
	tasks, regions := map[string]Task{}, map[string]Task{}
	for _, k := range tl.Tasks {
		tasks[k.Name] = k
	}
	for _, k := range tl.Regions {
		regions[k.Name] = k
	}
	if k := tasks["order"]; k.Count != 1 || k.Times.Max < 10*time.Millisecond {
		t.Errorf("order: %+v", k)
	}
	if k := tasks["never ends"]; k.Count != 1 {
		t.Errorf("a task that does not end: %+v", k)
	}
	if k := regions["price"]; k.Running < 2*time.Millisecond || len(k.Blocked) > 0 && k.Blocked[0].Class == wait.Sleep {
		t.Errorf("price: %+v, want it running", k)
	}
	if k := regions["store"]; len(k.Blocked) == 0 || k.Blocked[0].Class != wait.Sleep || k.Blocked[0].Total < 4*time.Millisecond {
		t.Errorf("store: %+v, want it asleep", k)
	}
	if len(tl.Logs) != 1 || tl.Logs[0].Category != "id" || tl.Logs[0].Message != "4711" {
		t.Errorf("logs: %+v", tl.Logs)
	}
}

// TestRandomWorkloadPartsEqualWhole records what random programs do for more
// than two generations.
func TestRandomWorkloadPartsEqualWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for seed := range uint64(1) {
		b := recordTrace(t, func() { workload(rand.New(rand.NewPCG(seed, 1)), 2300*time.Millisecond) })
		tl := sameAsWhole(t, b)
		if gens := generations(t, b); len(gens) < 3 {
			t.Errorf("%d generations, want three", len(gens))
		}
		t.Logf("seed %d: %d events, %d waits, %d holders, %d pauses", seed, tl.Events, len(tl.Waits), len(tl.Holders), len(tl.Pauses))
	}
}

func workload(rng *rand.Rand, length time.Duration) {
	deadline := time.Now().Add(length)
	var locks [3]sync.Mutex
	var rw sync.RWMutex
	c := make(chan int, rng.IntN(3))
	var wg sync.WaitGroup
	for range 4 + rng.IntN(12) {
		r := rand.New(rand.NewPCG(rng.Uint64(), 2))
		wg.Go(func() {
			ctx, task := trace.NewTask(context.Background(), "worker")
			defer task.End()
			for time.Now().Before(deadline) {
				region := trace.StartRegion(ctx, "step")
				pause := time.Duration(r.IntN(3000)) * time.Microsecond
				switch r.IntN(9) {
				case 0:
					outer := r.IntN(3)
					locks[outer].Lock()
					if outer < 2 {
						locks[outer+1].Lock()
						time.Sleep(pause / 2)
						locks[outer+1].Unlock()
					}
					time.Sleep(pause / 2)
					locks[outer].Unlock()
				case 1:
					rw.RLock()
					time.Sleep(pause)
					rw.RUnlock()
				case 2:
					rw.Lock()
					busy(pause / 4)
					rw.Unlock()
				case 3:
					select {
					case c <- 1:
					case <-time.After(pause):
					}
				case 4:
					select {
					case <-c:
					case <-time.After(pause):
					}
				case 5:
					var g sync.WaitGroup
					for range r.IntN(8) {
						g.Go(func() { busy(pause / 20) })
					}
					g.Wait()
				case 6:
					if r.IntN(20) == 0 {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
					}
				case 7:
					b := make([]byte, 1<<18)
					runtime.KeepAlive(&b[r.IntN(len(b))])
				case 8:
					next := func(yield func(int) bool) {
						for i := range 5 {
							if !yield(i) {
								return
							}
						}
					}
					pull(next)
				}
				region.End()
			}
		})
	}
	wg.Wait()
}
