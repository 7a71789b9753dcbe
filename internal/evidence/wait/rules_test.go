package wait

import (
	"testing"

	"inquest/internal/evidence/stack"
)

// of is a stack of functions, leaf first.
func of(functions ...string) stack.Stack {
	var s stack.Stack
	for i, f := range functions {
		s = append(s, &stack.Frame{Function: f, Line: i + 1})
	}
	return s
}

const (
	park   = "runtime.gopark"
	serve  = "net/http.(*conn).serve"
	handle = "net/http.serverHandler.ServeHTTP"
)

// TestOfState reads the state that a dump prints; the stack decides where the runtime has one word for several waits.
func TestOfState(t *testing.T) {
	for _, c := range []struct {
		state string
		stack stack.Stack
		want  Class
	}{
		{"running", nil, ""},
		{"runnable (scan)", nil, ""},
		{"preempted", nil, ""},
		{"chan send (nil chan)", nil, ChanSend},
		{"chan receive", nil, ChanRecv},
		{"chan receive (durable)", nil, ChanRecv},
		{"select (no cases)", nil, Select},
		{"IO wait", nil, Network},
		{"sleep", nil, Sleep},
		{"syscall", nil, Syscall},
		{"sync.Cond.Wait", nil, Cond},
		{"sync.WaitGroup.Wait", nil, WaitGroup},
		{"sync.Mutex.Lock", of("internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"), Mutex},
		{"sync.RWMutex.Lock", of("sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "main.f"), RWWrite},
		{"sync.RWMutex.RLock", of("sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.f"), RWRead},
		{"semacquire", of("sync.runtime_Semacquire", "sync.(*WaitGroup).Wait", "main.f"), WaitGroup},
		{"semacquire", of("sync.runtime_Semacquire", "main.f"), Sync},
		{"coroutine", nil, Coroutine},
		{"GC assist wait", nil, Assist},
		{"finalizer wait", nil, System},
		{"a state of a later Go", nil, System},
	} {
		if got := OfState(c.state, c.stack); got != c.want {
			t.Errorf("%q %v: %q, want %q", c.state, c.stack, got, c.want)
		}
	}
}

// TestOfStack tells the wait of a stack that comes without a state.
func TestOfStack(t *testing.T) {
	for _, c := range []struct {
		stack stack.Stack
		want  Class
	}{
		{of(park, "runtime.chansend", "runtime.chansend1", "main.f"), ChanSend},
		{of(park, "runtime.chanrecv", "runtime.chanrecv2", "main.f"), ChanRecv},
		{of(park, "runtime.selectgo", "main.f"), Select},
		{of(park, "runtime.block", "main.main"), Select},
		{of(park, "runtime.netpollblock", "internal/poll.runtime_pollWait", "net.(*conn).Read", "main.f"), Network},
		{of(park, "time.Sleep", "main.f"), Sleep},
		{of(park, "sync.runtime_notifyListWait", "sync.(*Cond).Wait", "main.f"), Cond},
		{of(park, "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"), Mutex},
		{of(park, "runtime.coroswitch_m", "runtime.coroswitch", "iter.Pull[...].func1"), Coroutine},
		{of("syscall.Syscall", "os.(*File).Read", "main.f"), Syscall},
		{of("main.f", "main.main"), ""},
		{of("runtime.mallocgc", "main.f"), ""},
		{of(park, "main.f"), Other}, // the frames of the runtime between were left out
		{nil, ""},
	} {
		if got := OfStack(c.stack); got != c.want {
			t.Errorf("%v: %q, want %q", c.stack, got, c.want)
		}
	}
}

// TestLocks tells which lock a stack asks for or gives back, and from which frame on the code is the caller's.
func TestLocks(t *testing.T) {
	for _, c := range []struct {
		stack stack.Stack
		want  LockUse
	}{
		{of("sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"), LockUse{LockMutex, false, 2}},
		{of("sync.(*Mutex).Unlock", "main.f"), LockUse{LockMutex, true, 1}},
		{of("sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", "main.f"), LockUse{LockWrite, false, 2}},
		{of("sync.(*RWMutex).RLock", "main.f"), LockUse{LockRead, false, 1}},
		{of("sync.(*Mutex).Lock", "sync.(*Once).doSlow", "sync.(*Once).Do", "main.f"), LockUse{LockOnce, false, 3}},
		{of("sync.(*Mutex).Unlock", "sync.(*Once).doSlow", "sync.(*Once).Do", "main.f"), LockUse{LockMutex, true, 1}},
		{of("internal/poll.runtime_Semacquire", "internal/poll.(*fdMutex).rwlock", "internal/poll.(*FD).Write", "os.(*File).Write", "main.f"), LockUse{LockFile, false, 2}},
		{of("sync.(*WaitGroup).Wait", "main.f"), LockUse{}},
		{of("main.f", "sync.(*Mutex).Lock"), LockUse{}}, // what the caller does is not where it stands
	} {
		if got := LockOf(c.stack); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.stack, got, c.want)
		}
	}
	if got := LockIn(RWRead, of("runtime.gopark")); got != (LockUse{Kind: LockRead}) {
		t.Errorf("a cut stack: %+v", got)
	}
}

// TestLockUser finds the code that uses a lock behind functions that only take it.
func TestLockUser(t *testing.T) {
	for _, c := range []struct {
		above   stack.Stack
		helpers map[string]bool
		user    string
		passed  int
	}{
		{of("main.(*S).Put", "main.main"), nil, "main.(*S).Put", 0},
		{of("main.(*S).lock", "main.(*S).Put", "main.main"), nil, "main.(*S).Put", 1},
		{of("main.(*S).enter", "main.(*S).Put"), map[string]bool{"main.(*S).enter": true}, "main.(*S).Put", 1},
		{of("main.(*S).lock", "net/http.HandlerFunc.ServeHTTP"), nil, "main.(*S).lock", 0}, // nobody of the program calls it
		{of("main.(*S).lock"), nil, "main.(*S).lock", 0},
	} {
		user, passed := LockUser(c.above, c.helpers)
		if len(user) == 0 || user[0].Function != c.user || len(passed) != c.passed {
			t.Errorf("%v: used by %v, passed %v, want %s, %d passed", c.above, user, passed, c.user, c.passed)
		}
	}
	if user, _ := LockUser(nil, nil); len(user) != 0 {
		t.Error(user)
	}
}

// TestIdle tells who waits by design from who has something in hand.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name                                 string
		class                                Class
		stack                                stack.Stack
		idle, forWork, forReply, slot, asked bool
	}{
		{"a background loop of the runtime", System, of(park, "runtime.bgsweep"), true, true, false, false, false},
		{"an accept loop", Network, of("internal/poll.(*FD).Accept", "net.(*netFD).accept", "main.main"), true, true, false, false, false},
		{"a connection between two requests", Network, of("net.(*conn).Read", "bufio.(*Reader).Peek", serve), true, true, false, false, false},
		{"a request that waits for a peer", Network, of("net.(*conn).Read", "main.ask", handle, serve), false, false, false, false, false},
		{"the same through a known client", Select, of("net/http.(*persistConn).roundTrip", "net/http.(*Client).Do", "main.ask", handle, serve), false, false, false, false, true},
		{"a worker at its queue", ChanRecv, of("main.work"), false, true, true, false, false},
		{"a request that waits for a worker", ChanRecv, of("main.wait", handle, serve), false, false, true, false, false},
		{"a sender", ChanSend, of("main.send"), false, false, false, false, false},
		{"a request that wants a connection of a pool", Select, of("database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.load", handle, serve), false, false, false, true, true},
		{"whoever asks for a lock has work", Mutex, of("sync.(*Mutex).Lock", "runtime.bgsweep"), false, false, false, false, false},
		{"a finalizer of the program's", ChanSend, of("main.(*T).drop", "runtime.runFinalizers"), false, false, false, false, false},
		{"a worker of a pool's that runs a task", ChanRecv, of("main.task", "github.com/panjf2000/ants/v2.(*goWorker).run.func1", "github.com/panjf2000/ants/v2.(*goWorker).run"), false, true, true, false, false},
	} {
		if got := Idle(c.class, c.stack); got != c.idle {
			t.Errorf("%s: idle %v", c.name, got)
		}
		if got := ForWork(c.class, c.stack); got != c.forWork {
			t.Errorf("%s: for work %v", c.name, got)
		}
		if got := ForReply(c.class, c.stack); got != c.forReply {
			t.Errorf("%s: for a reply %v", c.name, got)
		}
		if got := ForSlot(c.class, c.stack); got != c.slot {
			t.Errorf("%s: for a slot %v", c.name, got)
		}
		if got := ForAnswer(c.stack); got != c.asked {
			t.Errorf("%s: for an answer %v", c.name, got)
		}
	}
	for class, want := range map[Class]bool{"": true, Sleep: true, Syscall: true, Assist: true, System: false, Mutex: true} {
		if got := AtWork(class, of("main.f")); got != want {
			t.Errorf("%q is at work: %v", class, got)
		}
	}
}

// TestHandlerOf names the handler of a request: the outermost function of the program below the server.
func TestHandlerOf(t *testing.T) {
	for _, c := range []struct {
		stack   stack.Stack
		want    string
		between bool
	}{
		{of("main.load", "main.(*API).Get", "net/http.HandlerFunc.ServeHTTP", handle, serve), "main.(*API).Get", false},
		{of("net.(*conn).Read", serve), serve, true},
		{of("net/http.(*connReader).backgroundRead"), "", true},
		{of("main.(*Greeter).Hello", "main._Greeter_Hello_Handler", "google.golang.org/grpc.(*Server).handleStream"), "main._Greeter_Hello_Handler", false},
		{of("main.work", "main.main"), "", false},
	} {
		if got := HandlerOf(c.stack); got != c.want || InRequest(c.stack) != (c.want != "") || BetweenRequests(c.stack) != c.between {
			t.Errorf("%v: %q, between two %v; want %q, %v", c.stack, got, BetweenRequests(c.stack), c.want, c.between)
		}
	}
	for start, want := range map[string]bool{ReadAhead: true, serve: false, "google.golang.org/grpc.(*Server).handleStream": true, "main.main.func1": false} {
		if got := PerRequest(start); got != want {
			t.Errorf("%s starts for each request: %v", start, got)
		}
	}
}

// TestReadsWhole tells a body that is read to its end first from one that is passed on.
func TestReadsWhole(t *testing.T) {
	const body = "net/http.(*body).Read"
	for _, c := range []struct {
		stack stack.Stack
		want  bool
	}{
		{of("net.(*conn).Read", body, "net/http.(*bodyEOFSignal).Read", "io.ReadAll", "main.fetch"), true},
		{of("net.(*conn).Read", body, "net/http.(*cancelTimerBody).Read", "io.ReadAll", "main.fetch"), false}, // a Timeout bounds it
		{of("net.(*conn).Read", body, "io.copyBuffer", "io.Copy", "main.fetch"), false},
		{of("net.(*conn).Read", body, "main.lines", "io.ReadAll"), false},
		{of("os.(*File).Read", "io.ReadAll", "main.load"), false},
	} {
		if got := ReadsWhole(c.stack); got != c.want {
			t.Errorf("%v: %v", c.stack, got)
		}
	}
}
