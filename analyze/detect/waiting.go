package detect

import (
	"path"
	"strings"
	"time"

	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// waitClass tells what a goroutine of a dump waits for. A goroutine that runs
// or could run waits for nothing: the empty class.
func waitClass(state string, s stack.Stack) wait.Class {
	state = strings.TrimSuffix(state, " (durable)")
	switch {
	case strings.HasPrefix(state, "running"), strings.HasPrefix(state, "runnable"), state == "preempted", state == "idle", state == "dead", state == "copystack":
		return ""
	case strings.HasPrefix(state, "chan send"):
		return wait.ChanSend
	case strings.HasPrefix(state, "chan receive"):
		return wait.ChanRecv
	case strings.HasPrefix(state, "select"):
		return wait.Select
	case state == "IO wait":
		return wait.Network
	case state == "sleep":
		return wait.Sleep
	case state == "syscall":
		return wait.Syscall
	case state == "sync.Cond.Wait":
		return wait.Cond
	case state == "sync.WaitGroup.Wait":
		return wait.WaitGroup
	case strings.HasPrefix(state, "sync."), strings.HasPrefix(state, "semacquire"):
		return syncClass(s)
	case strings.HasPrefix(state, "GC assist"):
		return wait.Assist
	}
	return wait.System
}

// syncClass tells the waits that the runtime calls "sync" or "semacquire" apart.
func syncClass(s stack.Stack) wait.Class {
	if use := lockOf(s); use.kind != "" && !use.unlock {
		switch use.kind {
		case lockWrite:
			return wait.RWWrite
		case lockRead:
			return wait.RWRead
		}
		return wait.Mutex
	}
	for _, f := range s {
		switch stack.Normal(f.Function) {
		case "sync.(*WaitGroup).Wait":
			return wait.WaitGroup
		case "sync.(*Cond).Wait":
			return wait.Cond
		}
		if !stack.Plumbing(f.Function) {
			break
		}
	}
	return wait.Sync
}

// leafClass tells what a stack waits for by its leaf frames alone, as far as
// they say: goroutine profiles carry no wait reason. Where the text form of one has left the runtime's frames
// out, who is parked waits for something unknown: a channel or a select.
func leafClass(s stack.Stack) wait.Class {
	if len(s) > 1 && s[0].Function == "runtime.gopark" && !stack.Plumbing(s[1].Function) {
		return wait.Other
	}
	for _, f := range s {
		name := stack.Normal(f.Function)
		switch name {
		case "runtime.chansend", "runtime.chansend1":
			return wait.ChanSend
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return wait.ChanRecv
		case "runtime.selectgo", "runtime.block":
			return wait.Select
		case "runtime.netpollblock", "internal/poll.runtime_pollWait":
			return wait.Network
		case "time.Sleep", "runtime.timeSleep":
			return wait.Sleep
		case "sync.runtime_notifyListWait", "sync.(*Cond).Wait": // the block profile begins with the latter
			return wait.Cond
		case "sync.(*WaitGroup).Wait":
			return wait.WaitGroup
		case "sync.runtime_Semacquire", "sync.runtime_SemacquireMutex", "internal/sync.runtime_SemacquireMutex",
			"sync.runtime_SemacquireRWMutex", "sync.runtime_SemacquireRWMutexR", "internal/poll.runtime_Semacquire",
			"sync.runtime_SemacquireWaitGroup", "runtime.semacquire1":
			return syncClass(s)
		}
		if strings.HasPrefix(name, "syscall.") {
			return wait.Syscall
		}
		if !stack.Plumbing(f.Function) {
			return ""
		}
	}
	return ""
}

// idleFrames are frames on whose stacks a goroutine waits for work that may
// never come, as it should: the runtime's own, accept loops, connections kept alive,
// the background loops of well-known libraries. It is the one list of its kind.
var idleFrames = names(`
	runtime.bgsweep runtime.bgscavenge runtime.gcBgMarkWorker runtime.forcegchelper runtime.runfinq runtime.runFinalizers
	runtime.runCleanups runtime.updateMaxProcsGoroutine runtime.ensureSigM runtime.ReadTrace runtime.(*traceAdvancerState).start
	runtime/trace.(*traceMultiplexer).start runtime/trace.(*traceMultiplexer).startLocked runtime/trace.Start runtime/pprof.profileWriter
	os/signal.loop os/signal.signal_recv os/signal.NotifyContext
	net.(*netFD).accept internal/poll.(*FD).Accept internal/poll.(*FD).AcceptMultiplexed
	net/http.(*connReader).backgroundRead net/http.(*persistConn).readLoop net/http.(*persistConn).writeLoop
	net/http.(*http2serverConn).serve net/http.(*http2serverConn).readFrames net/http.(*http2ClientConn).readLoop
	net/http/internal/http2.(*serverConn).serve net/http/internal/http2.(*serverConn).readFrames net/http/internal/http2.(*ClientConn).readLoop
	golang.org/x/net/http2.(*serverConn).serve golang.org/x/net/http2.(*serverConn).readFrames golang.org/x/net/http2.(*ClientConn).readLoop
	database/sql.(*DB).connectionOpener database/sql.(*DB).connectionCleaner database/sql.(*DB).connectionResetter
	google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams google.golang.org/grpc/internal/transport.(*http2Server).keepalive
	google.golang.org/grpc/internal/transport.(*http2Client).reader google.golang.org/grpc/internal/transport.(*http2Client).keepalive
	google.golang.org/grpc/internal/transport.(*loopyWriter).run google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run
	google.golang.org/grpc.(*addrConn).monitorConnection
	go.opencensus.io/stats/view.(*worker).start k8s.io/klog/v2.(*flushDaemon).run github.com/golang/glog.(*fileSink).flushDaemon
	github.com/lib/pq.(*Listener).listenerConnLoop github.com/go-sql-driver/mysql.(*mysqlConn).startWatcher
	github.com/valyala/fasthttp.(*workerPool).workerFunc github.com/panjf2000/ants/v2.(*goWorker).run
	context.(*cancelCtx).propagateCancel testing.tRunner testing.(*T).Run testing.(*M).startAlarm`)

func names(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// knownIdle reports whether a stack that waits is one on which goroutines wait
// by design. A lock wait never is: whoever asks for a lock has work to do.
func knownIdle(class wait.Class, s stack.Stack) bool {
	switch class {
	case wait.Mutex, wait.RWRead, wait.RWWrite, wait.Sync:
		return false
	case wait.System, wait.Sleep, wait.Assist, wait.Syscall, wait.Preempted:
		return true
	}
	// The goroutine is the runtime's, what stands still in it is the program's.
	if s.Finalizer() != nil {
		return false
	}
	serving := false
	for _, f := range s {
		switch name := stack.Normal(f.Function); {
		case name == "github.com/valyala/fasthttp.(*workerPool).workerFunc", name == "github.com/panjf2000/ants/v2.(*goWorker).run", strings.HasPrefix(name, "testing."):
			// Idle only when nothing of the application runs inside it.
			if !serving {
				return idleFrames[name]
			}
		case idleFrames[name]:
			return true
		case name == "net/http.(*conn).serve":
			// Between two requests the connection's goroutine reads the next one itself.
			return class == wait.Network && !serving
		case !stack.Standard(name):
			serving = true
		}
	}
	return false
}

// requestFrames are the frames under which a server handles one request: what
// waits there keeps somebody waiting.
var requestFrames = names(`net/http.(*conn).serve net/http.(*http2serverConn).runHandler net/http/internal/http2.(*serverConn).runHandler
	golang.org/x/net/http2.(*serverConn).runHandler google.golang.org/grpc.(*Server).handleStream net/rpc.(*service).call
	github.com/valyala/fasthttp.(*Server).serveConn`)

func inRequest(s stack.Stack) bool { return handlerOf(s) != "" }

// handlerOf names what handles the request that a stack is in: the outermost function of the application below the server's
// frame, else the server's; empty where it is in none. Requests of one handler are alike: what share of them is held up says
// more than the share of all, among which are those that wait for nothing, and peers that run in the same process.
func handlerOf(s stack.Stack) string {
	serves := -1
	for i := len(s) - 1; i >= 0 && serves < 0; i-- {
		if requestFrames[stack.Normal(s[i].Function)] {
			serves = i
		}
	}
	if serves < 0 {
		return ""
	}
	for i := serves - 1; i >= 0; i-- {
		if name := stack.Normal(s[i].Function); !stack.Standard(name) && !stack.Plumbing(name) && !s[i].Dependency() {
			return name
		}
	}
	return stack.Normal(s[serves].Function)
}

// requests counts goroutines by the handler of the request they are in.
type requests map[string]float64

func (r *requests) add(handler string, n float64) {
	if *r == nil {
		*r = requests{}
	}
	if handler != "" {
		(*r)[handler] += n
	}
}

// sum is how many there are of any handler.
func (r requests) sum() (n float64) {
	for _, m := range r {
		n += m
	}
	return n
}

// alike is how many of all requests are of the handlers of these.
func (r requests) alike(all requests) (n float64) {
	for handler := range r {
		n += all[handler]
	}
	return n
}

// slotFrames are calls that wait until somebody gives back one of a fixed number of slots.
var slotFrames = names(`database/sql.(*DB).conn golang.org/x/sync/semaphore.(*Weighted).Acquire net/http.(*Transport).getConn
	golang.org/x/sync/errgroup.(*Group).Go github.com/jackc/puddle/v2.(*Pool[...]).acquire github.com/jackc/puddle/v2.(*Pool[...]).Acquire
	github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn github.com/gomodule/redigo/redis.(*Pool).waitVacantConn
	go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).checkOut go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.(*pool).checkOut
	github.com/panjf2000/ants/v2.(*Pool).retrieveWorker github.com/panjf2000/ants/v2.(*poolCommon).retrieveWorker`)

// answerFrames are packages and calls of clients: what waits for the network or a
// channel inside waits for the answer of a peer. One list of its kind.
var answerFrames = names(`net/http.(*Client).do net/http.(*Client).Do net/http.(*Transport).RoundTrip net/http.(*Transport).roundTrip
	net/http.(*persistConn).roundTrip net/http.(*http2ClientConn).RoundTrip net/http.(*http2clientStream).writeRequest
	golang.org/x/net/http2.(*ClientConn).RoundTrip golang.org/x/net/http2.(*ClientConn).roundTrip
	net.(*Dialer).DialContext net.(*Resolver).lookupIPAddr net.(*Resolver).LookupIPAddr net.(*Resolver).goLookupIPCNAMEOrder
	net/rpc.(*Client).Call net/smtp.(*Client).cmd net/textproto.(*Conn).ReadResponse
	google.golang.org/grpc.(*ClientConn).Invoke google.golang.org/grpc.(*clientStream).RecvMsg google.golang.org/grpc.Invoke
	google.golang.org/grpc.(*csAttempt).recvMsg google.golang.org/grpc/internal/transport.(*recvBufferReader).readClient
	database/sql.(*DB).QueryContext database/sql.(*DB).ExecContext database/sql.(*DB).query database/sql.(*DB).exec database/sql.(*DB).PingContext
	database/sql.(*Stmt).QueryContext database/sql.(*Stmt).ExecContext database/sql.(*Tx).QueryContext database/sql.(*Tx).ExecContext database/sql.(*Tx).Commit database/sql.(*Rows).Next
	github.com/lib/pq.(*conn).recv1Buf github.com/go-sql-driver/mysql.(*mysqlConn).readPacket
	github.com/jackc/pgx/v5/pgconn.(*PgConn).receiveMessage github.com/jackc/pgx/v5/pgconn.(*PgConn).peekMessage
	github.com/redis/go-redis/v9.(*baseClient).process github.com/redis/go-redis/v9.(*baseClient)._process github.com/gomodule/redigo/redis.(*conn).DoWithTimeout
	go.mongodb.org/mongo-driver/x/mongo/driver.Operation.Execute go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*connection).readWireMessage
	github.com/nats-io/nats.go.(*Conn).RequestWithContext github.com/nats-io/nats.go.(*Conn).Request github.com/nats-io/nats.go.(*Conn).request
	github.com/segmentio/kafka-go.(*Conn).do github.com/IBM/sarama.(*Broker).sendAndReceive go.etcd.io/etcd/client/v3.(*kv).Do
	github.com/bradfitz/gomemcache/memcache.(*Client).onItem github.com/aws/smithy-go/middleware.decoratedHandler.Handle`)

// forAnswer reports whether a stack waits inside the client of a well-known protocol.
func forAnswer(s stack.Stack) bool {
	for _, f := range s {
		if answerFrames[stack.Normal(f.Function)] {
			return true
		}
	}
	return readsWhole(s) && s.Contains("net/http.(*bodyEOFSignal).Read", "net/http.http2transportResponseBody.Read", "golang.org/x/net/http2.transportResponseBody.Read")
}

// bodyFrames read the body of a request or an answer.
var bodyFrames = names(`net/http.(*body).Read net/http.http2transportResponseBody.Read net/http.(*http2requestBody).Read
	golang.org/x/net/http2.transportResponseBody.Read golang.org/x/net/http2.(*requestBody).Read`)

// wholeFrames read to the end before anything is done with what was read.
var wholeFrames = names(`io.ReadAll io/ioutil.ReadAll bytes.(*Buffer).ReadFrom net/http.(*Request).ParseForm mime/multipart.(*Reader).ReadForm`)

// readsWhole reports whether a stack reads the body of a request or an answer of net/http to its end before anything
// is done with it, for as long as that takes. What passes it on as it comes, or takes it record by record, may be long at it.
func readsWhole(s stack.Stack) bool {
	body := false
	for _, f := range s {
		name := stack.Normal(f.Function)
		switch {
		case bodyFrames[name]:
			body = true
		// The Timeout of an http.Client bounds it.
		case name == "net/http.(*cancelTimerBody).Read":
			return false
		case body && wholeFrames[name]:
			return true
		case !stack.Standard(name) && !bodyFrames[name]:
			return false
		}
	}
	return false
}

// waitsForSlot reports whether a stack waits until somebody gives back a slot.
func waitsForSlot(class wait.Class, s stack.Stack) bool {
	switch class {
	case wait.Select, wait.ChanRecv, wait.ChanSend, wait.Cond, wait.Sync:
		return slotFrame(s) >= 0
	}
	return false
}

// slotFrame returns the index of the call in a waiting stack that hands out one of a
// fixed number of slots, or -1: a call of the table or, in a library that it
// does not hold, of a method that takes from what calls itself a pool.
func slotFrame(s stack.Stack) int {
	taker, within := -1, true
	for i, f := range s {
		name := stack.Normal(f.Function)
		switch {
		case slotFrames[name]:
			return i
		case stack.Plumbing(name):
		case stack.Standard(name):
			// A pool that dials, asks or reads is at work, and not empty.
			within = false
		case strings.HasPrefix(name, "golang.org/x/sync/"), strings.HasPrefix(name, "github.com/jackc/puddle"):
		// The program's own types may be called anything.
		case !f.Dependency():
			return taker
		case within && takesSlot(name):
			taker = i
		}
	}
	return taker
}

// takesSlot reports whether a method hands out what a pool holds, as its name
// and that of its type have it: (*ConnPool).Get, (*HostClient).acquireConn.
func takesSlot(function string) bool {
	typ, ok := methodType(function)
	if !ok {
		return false
	}
	_, base := path.Split(typ)
	_, base, _ = strings.Cut(base, ".")
	method := function[strings.LastIndexByte(function, '.')+1:]
	base, method = strings.ToLower(base), strings.ToLower(method)
	switch method {
	case "acquireconn", "getconn", "takeconn", "waitturn", "checkoutconn", "retrieveworker":
		return true
	case "acquire", "get", "take", "checkout", "borrow", "borrowobject", "submit", "schedule", "invoke", "getcontext", "acquirecontext":
		return strings.Contains(base, "pool") || strings.Contains(base, "semaphore")
	}
	return false
}

// isLock reports whether a class of waits is a wait for a lock.
func isLock(c wait.Class) bool {
	return c == wait.Mutex || c == wait.RWRead || c == wait.RWWrite
}

// pollerOf tells what a goroutine in the runtime's poller waits for: "net" for
// connections, "os" for files of which the poller takes pipes, FIFOs and devices
// (internal/poll/fd_unix.go), or "" when the stack does not tell.
func pollerOf(s stack.Stack) string {
	for _, f := range s {
		switch pkg := stack.Package(f.Function); {
		case pkg == "net" || pkg == "crypto/tls":
			return "net"
		case pkg == "os" && strings.HasPrefix(f.Function, "os.(*File)"):
			return "os"
		}
		if !stack.Standard(f.Function) {
			return ""
		}
	}
	return ""
}

// waitingIn is waitingFor with what the stack tells about input and output.
func waitingIn(c wait.Class, slot bool, s stack.Stack) string {
	if c == wait.Network && !slot {
		switch pollerOf(s) {
		case "os":
			return "wait in reads or writes of a pipe or device"
		case "":
			return "wait for input or output"
		}
	}
	return waitingFor(c, slot)
}

// amount is a number of things in words: "1 goroutine waits", "12 goroutines wait".
func amount[N int | int64](n N, one, many string) string {
	return evidence.Of(n, evidence.Count).String() + " " + plural(n, one, many)
}

// minutes is a wait as dumps print it, in whole minutes (runtime/traceback.go, goroutineheader).
func minutes(d time.Duration) string { return evidence.Things(int64(d/time.Minute), "minute") }

// plural is what n things are called.
func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// waitingFor is a class of waits in words that end a sentence.
func waitingFor(c wait.Class, slot bool) string {
	switch {
	case slot:
		return "wait for a slot"
	case isLock(c):
		return "wait for a lock"
	}
	switch c {
	case wait.ChanSend:
		return "wait to send on a channel"
	case wait.ChanRecv:
		return "wait to receive from a channel"
	case wait.Select:
		return "wait in a select"
	case wait.Network:
		return "wait for the network"
	case wait.WaitGroup:
		return "wait for a wait group"
	case wait.Cond:
		return "wait for a condition"
	case wait.Sync:
		return "wait for a semaphore"
	case wait.Sleep:
		return "sleep"
	case wait.Syscall:
		return "are in a system call"
	}
	return "wait"
}
