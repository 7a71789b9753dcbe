package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/stack"
)

func TestHolderByReceiver(t *testing.T) {
	waiters := func(n int) []dump.Goroutine {
		return many(n, 100, inMutex(0, "c008", "main.(*H).follow(c008):41", "main.serve():9"))
	}
	writing := gone(1, "IO wait", "internal/poll.runtime_pollWait(1)", "net.(*conn).Write(1)", "main.(*H).publish(c008?):29", "main.serve():77")
	expectAll(t, LongCriticalSection, []expect{
		{"it writes to a peer; the receiver may be out of date", of(join(waiters(10), one(writing))), claim.Found, "critical main.(*H).publish"},
		{"however many wait", of(join(waiters(500), one(writing))), claim.Found, "critical main.(*H).publish"},
		{"nine wait", of(join(waiters(9), one(writing))), claim.Undecided, ""},
		{"another object", of(join(waiters(50), one(gone(1, "IO wait", "net.(*conn).Write(1)", "main.(*H).publish(d008):29", "main.serve():77")))), claim.Undecided, ""},
		{"another type", of(join(waiters(50), one(gone(1, "IO wait", "net.(*conn).Write(1)", "main.(*K).publish(c008):29", "main.serve():77")))), claim.Undecided, ""},
		{"one that runs may hold it as well", of(join(waiters(50), one(writing, gone(2, "running", "main.(*H).score(0?):50", "main.serve():9")))), claim.Undecided, ""},
		{"a loop that waits for work", of(join(waiters(50), one(gone(1, "select", "main.(*H).run(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a loop that receives", of(join(waiters(50), one(gone(1, "chan receive", "main.(*H).run(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a janitor that sleeps between rounds", of(join(waiters(50), one(gone(1, "sleep", "time.Sleep(1)", "main.(*H).clean(c008):60")))), claim.Undecided, ""},
		{"a listener", of(join(waiters(50), one(gone(1, "IO wait", "internal/poll.(*FD).Accept(1)", "net.(*netFD).accept(1)", "main.(*H).listen(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a condition gives the lock back", of(join(waiters(50), one(gone(1, "sync.Cond.Wait", "sync.runtime_notifyListWait(1)", "sync.(*Cond).Wait(1)", "main.(*H).take(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"the lock is being handed over", of(join(waiters(50), one(writing, gone(2, "runnable", "internal/sync.(*Mutex).lockSlow(c008)", "main.(*H).follow(c008):41")))), claim.Undecided, ""},
	})
}

func TestHolderBeyondTheSharedCall(t *testing.T) {
	waiters := many(20, 100, inMutex(0, "c130", "kv.(*DB).beginRW(c000):847", "kv.(*DB).Begin(c000,1):780", "kv.(*DB).Update(0?):906", "main.(*S).Set(c900):33"))
	inside := func(id int64) dump.Goroutine {
		return gone(id, "sleep", "time.Sleep(1)", "main.(*S).Set.func2(1):34", "kv.(*DB).Update(0?):922", "main.(*S).Set(c900):33")
	}
	expectAll(t, LongCriticalSection, []expect{
		{"one sleeps inside", of(join(waiters, one(inside(1)))), claim.Found, "critical kv.(*DB).Update"},
		{"two do: they are beyond the lock", of(join(waiters, one(inside(1), inside(2)))), claim.Undecided, ""},
		{"before the lines of the others", of(join(waiters, one(gone(1, "sleep", "time.Sleep(1)", "kv.(*DB).Update(0?):901", "main.(*S).Set(c900):33")))), claim.Undecided, ""},
		{"behind a call of the caller: it has come back from the lock", of(join(waiters, one(gone(1, "sleep", "time.Sleep(1)", "main.(*S).Set(c900):40")))), claim.Undecided, ""},
		{"it runs, as holders do", of(join(waiters, one(gone(1, "running", "main.(*S).Set.func2(1):34", "kv.(*DB).Update(0?):922", "main.(*S).Set(c900):33")))), claim.Undecided, ""},
		{"others take the lock elsewhere", of(join(waiters, many(5, 300, inMutex(0, "c130", "kv.(*DB).Close(c000):10", "main.stop():1")), one(inside(1)))), claim.Undecided, ""},
	})
}

func TestDeadlockOverWaitGroup(t *testing.T) {
	made := func(n int, by int64, g dump.Goroutine) []dump.Goroutine {
		g.Creator, g.CreatedBy = by, stack.Frame{Function: "main.(*L).Settle"}
		return many(n, 100, g)
	}
	want := inMutex(0, "c000", "main.(*L).post(0?):19", "main.(*L).Settle.func1():35")
	settle := gone(1, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(b000)", "main.(*L).Settle(c000):39", "main.serve():9")
	expectAll(t, Deadlock, []expect{
		{"all it made wait for its lock", of(join(made(20, 1, want), one(settle))), claim.Found, "critical main.(*L).Settle"},
		{"and others too", of(join(made(20, 1, want), many(30, 500, inMutex(0, "c000", "main.(*L).post(0?):19", "main.serve():9")), one(settle))), claim.Found, "critical main.(*L).Settle"},
		{"made by somebody else", of(join(made(20, 7, want), one(settle))), claim.Undecided, ""},
		{"one of them works: it has the lock", of(join(made(20, 1, want), made(1, 1, gone(0, "running", "main.(*L).post(0?):22", "main.(*L).Settle.func1():35")), one(settle))), claim.Clear, ""},
		{"one of them is elsewhere", of(join(made(20, 1, want), made(1, 1, gone(0, "sleep", "time.Sleep(1)", "main.fetch():1")), one(settle))), claim.Undecided, ""},
		{"it waits for a channel", of(join(made(20, 1, want), one(gone(1, "chan receive", "main.(*L).Settle(c000):39", "main.serve():9")))), claim.Undecided, ""},
	})
}
