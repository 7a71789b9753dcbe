package locks

import (
	"testing"

	"inquest/analyze/claim"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

func TestHolderByReceiver(t *testing.T) {
	waiters := func(n int) []dump.Goroutine {
		return Many(n, 100, InMutex(0, "c008", "main.(*H).follow(c008):41", "main.serve():9"))
	}
	writing := Goroutine(1, "IO wait", "internal/poll.runtime_pollWait(1)", "net.(*conn).Write(1)", "main.(*H).publish(c008?):29", "main.serve():77")
	ExpectAll(t, LongCriticalSection, []Expect{
		{"it writes to a peer; the receiver may be out of date", Of(Join(waiters(10), One(writing))), claim.Found, "critical main.(*H).publish"},
		{"however many wait", Of(Join(waiters(500), One(writing))), claim.Found, "critical main.(*H).publish"},
		{"nine wait", Of(Join(waiters(9), One(writing))), claim.Undecided, ""},
		{"another object", Of(Join(waiters(50), One(Goroutine(1, "IO wait", "net.(*conn).Write(1)", "main.(*H).publish(d008):29", "main.serve():77")))), claim.Undecided, ""},
		{"another type", Of(Join(waiters(50), One(Goroutine(1, "IO wait", "net.(*conn).Write(1)", "main.(*K).publish(c008):29", "main.serve():77")))), claim.Undecided, ""},
		{"one that runs may hold it as well", Of(Join(waiters(50), One(writing, Goroutine(2, "running", "main.(*H).score(0?):50", "main.serve():9")))), claim.Undecided, ""},
		{"a loop that waits for work", Of(Join(waiters(50), One(Goroutine(1, "select", "main.(*H).run(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a loop that receives", Of(Join(waiters(50), One(Goroutine(1, "chan receive", "main.(*H).run(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a janitor that sleeps between rounds", Of(Join(waiters(50), One(Goroutine(1, "sleep", "time.Sleep(1)", "main.(*H).clean(c008):60")))), claim.Undecided, ""},
		{"a listener", Of(Join(waiters(50), One(Goroutine(1, "IO wait", "internal/poll.(*FD).Accept(1)", "net.(*netFD).accept(1)", "main.(*H).listen(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"a condition gives the lock back", Of(Join(waiters(50), One(Goroutine(1, "sync.Cond.Wait", "sync.runtime_notifyListWait(1)", "sync.(*Cond).Wait(1)", "main.(*H).take(c008):60", "main.serve():9")))), claim.Undecided, ""},
		{"the lock is being handed over", Of(Join(waiters(50), One(writing, Goroutine(2, "runnable", "internal/sync.(*Mutex).lockSlow(c008)", "main.(*H).follow(c008):41")))), claim.Undecided, ""},
	})
}

func TestHolderBeyondTheSharedCall(t *testing.T) {
	waiters := Many(20, 100, InMutex(0, "c130", "kv.(*DB).beginRW(c000):847", "kv.(*DB).Begin(c000,1):780", "kv.(*DB).Update(0?):906", "main.(*S).Set(c900):33"))
	inside := func(id int64) dump.Goroutine {
		return Goroutine(id, "sleep", "time.Sleep(1)", "main.(*S).Set.func2(1):34", "kv.(*DB).Update(0?):922", "main.(*S).Set(c900):33")
	}
	ExpectAll(t, LongCriticalSection, []Expect{
		{"one sleeps inside", Of(Join(waiters, One(inside(1)))), claim.Found, "critical kv.(*DB).Update"},
		{"two do: they are beyond the lock", Of(Join(waiters, One(inside(1), inside(2)))), claim.Undecided, ""},
		{"before the lines of the others", Of(Join(waiters, One(Goroutine(1, "sleep", "time.Sleep(1)", "kv.(*DB).Update(0?):901", "main.(*S).Set(c900):33")))), claim.Undecided, ""},
		{"behind a call of the caller: it has come back from the lock", Of(Join(waiters, One(Goroutine(1, "sleep", "time.Sleep(1)", "main.(*S).Set(c900):40")))), claim.Undecided, ""},
		{"it runs, as holders do", Of(Join(waiters, One(Goroutine(1, "running", "main.(*S).Set.func2(1):34", "kv.(*DB).Update(0?):922", "main.(*S).Set(c900):33")))), claim.Undecided, ""},
		{"others take the lock elsewhere", Of(Join(waiters, Many(5, 300, InMutex(0, "c130", "kv.(*DB).Close(c000):10", "main.stop():1")), One(inside(1)))), claim.Undecided, ""},
	})
}

func TestDeadlockOverWaitGroup(t *testing.T) {
	made := func(n int, by int64, g dump.Goroutine) []dump.Goroutine {
		g.Creator, g.CreatedBy = by, stack.Frame{Function: "main.(*L).Settle"}
		return Many(n, 100, g)
	}
	want := InMutex(0, "c000", "main.(*L).post(0?):19", "main.(*L).Settle.func1():35")
	settle := Goroutine(1, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(b000)", "main.(*L).Settle(c000):39", "main.serve():9")
	ExpectAll(t, Deadlock, []Expect{
		{"all it made wait for its lock", Of(Join(made(20, 1, want), One(settle))), claim.Found, "critical main.(*L).Settle"},
		{"and others too", Of(Join(made(20, 1, want), Many(30, 500, InMutex(0, "c000", "main.(*L).post(0?):19", "main.serve():9")), One(settle))), claim.Found, "critical main.(*L).Settle"},
		{"made by somebody else", Of(Join(made(20, 7, want), One(settle))), claim.Undecided, ""},
		{"one of them works: it has the lock", Of(Join(made(20, 1, want), made(1, 1, Goroutine(0, "running", "main.(*L).post(0?):22", "main.(*L).Settle.func1():35")), One(settle))), claim.Clear, ""},
		{"one of them is elsewhere", Of(Join(made(20, 1, want), made(1, 1, Goroutine(0, "sleep", "time.Sleep(1)", "main.fetch():1")), One(settle))), claim.Undecided, ""},
		{"it waits for a channel", Of(Join(made(20, 1, want), One(Goroutine(1, "chan receive", "main.(*L).Settle(c000):39", "main.serve():9")))), claim.Undecided, ""},
	})
}
