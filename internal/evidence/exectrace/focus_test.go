package exectrace

import (
	"bytes"
	"context"
	"runtime/trace"
	"sync"
	"testing"
	"time"

	"inquest/internal/evidence/wait"
)

// step waits for its own lock, once with and once without a region around.
func (s *shelf) step() { s.holdFor(2 * time.Millisecond) }

func TestTaskFocus(t *testing.T) {
	const rounds = 10
	b := recordTrace(t, func() {
		var orders, reports shelf
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range rounds {
					ctx, task := trace.NewTask(context.Background(), "order")
					time.Sleep(time.Millisecond) // in the task and in no region
					trace.Log(ctx, "id", "of an order")
					trace.WithRegion(ctx, "store", orders.step)
					task.End()
				}
			})
			wg.Go(func() {
				for range rounds {
					ctx, task := trace.NewTask(context.Background(), "report")
					trace.Log(ctx, "id", "of a report")
					trace.WithRegion(ctx, "print", reports.step)
					task.End()
				}
			})
		}
		wg.Wait()
	})
	read := func(task string) *Timeline {
		tl, err := Read(context.Background(), bytes.NewReader(b), int64(len(b)), Options{Task: task})
		if err != nil {
			t.Fatal(err)
		}
		balances(t, tl)
		return tl
	}
	total := func(waits []Wait) (sum time.Duration) {
		for _, w := range waits {
			if w.Class == wait.Sleep || w.Class == wait.Mutex {
				sum += w.Total
			}
		}
		return sum
	}
	whole, orders, reports, none := read(""), read("order"), read("report"), read("nothing")
	inside := func(tl *Timeline) (sum time.Duration) {
		for _, r := range tl.Regions {
			for _, x := range r.Blocked {
				if x.Class == wait.Sleep || x.Class == wait.Mutex {
					sum += x.Total
				}
			}
		}
		return sum
	}
	// What regions know of waits inside of them is counted on another way.
	for name, tl := range map[string]*Timeline{"order": orders, "report": reports} {
		if len(tl.Regions) != 1 || tl.InFocus != 3*rounds || tl.Regions[0].Count != 3*rounds {
			t.Fatalf("%s: %d region types, %d regions in focus", name, len(tl.Regions), tl.InFocus)
		}
		if got, want := total(tl.Waits), inside(tl); got != want || got == 0 {
			t.Errorf("%s: waited for %v inside, the regions say %v", name, got, want)
		}
		if tl.LogCount != 3*rounds {
			t.Errorf("%s: %d logs", name, tl.LogCount)
		}
		if tl.Procs.Running != whole.Procs.Running || tl.Duration != whole.Duration || len(tl.Groups) != len(whole.Groups) || tl.Events != whole.Events {
			t.Errorf("%s: a task changes what is of the whole process", name)
		}
	}
	if a, z := inside(orders)+inside(reports), inside(whole); a != z {
		t.Errorf("regions of both types: %v, of the whole: %v", a, z)
	}
	var handed, all int64
	for _, h := range append(orders.Holders, reports.Holders...) {
		handed += h.Handoffs
	}
	for _, h := range whole.Holders {
		all += h.Handoffs
	}
	if handed == 0 || handed > all {
		t.Errorf("%d hand-overs to waiters inside, %d in all", handed, all)
	}
	if len(none.Waits) != 0 || none.InFocus != 0 || len(none.Tasks) != len(whole.Tasks) {
		t.Errorf("no such task: %d waits, %d regions", len(none.Waits), none.InFocus)
	}
}
