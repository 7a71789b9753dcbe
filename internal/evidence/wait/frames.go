package wait

import (
	"path"
	"strings"

	"inquest/internal/evidence/stack"
)

// idleFrames are frames on whose stacks a goroutine waits for work that may
// never come, as it should: the runtime's own, accept loops, connections kept alive,
// the background loops of well-known libraries. It is the one list of its kind.
var idleFrames = stack.Names(`
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

// RequestFrames are the frames under which a server handles one request: what
// waits there keeps somebody waiting.
var RequestFrames = stack.Names(`net/http.(*conn).serve net/http.(*http2serverConn).runHandler net/http/internal/http2.(*serverConn).runHandler
	golang.org/x/net/http2.(*serverConn).runHandler google.golang.org/grpc.(*Server).handleStream net/rpc.(*service).call
	github.com/valyala/fasthttp.(*Server).serveConn`)

// ReadAhead is where net/http starts a goroutine per request that reads ahead (net/http/server.go). No request waits for it; it
// waits for a processor just as long as one that does.
const ReadAhead = "net/http.(*connReader).backgroundRead"

// PerRequest reports whether a goroutine that starts in a function is one of those that a server starts for each request.
func PerRequest(start string) bool {
	return start == ReadAhead || RequestFrames[start] && start != connServe && start != "github.com/valyala/fasthttp.(*Server).serveConn"
}

// connServe serves one request of a connection after the other.
const connServe = "net/http.(*conn).serve"

// BetweenRequests reports whether a stack is that of a connection of net/http's server which waits for a request, or reads ahead.
func BetweenRequests(s stack.Stack) bool {
	return s.Contains(ReadAhead) || s.Contains(connServe) && !s.Contains("net/http.serverHandler.ServeHTTP")
}

// InRequest reports whether a stack is in the handling of a request.
func InRequest(s stack.Stack) bool { return HandlerOf(s) != "" }

// HandlerOf names what handles the request that a stack is in: the outermost function of the application below the server's
// frame, else the server's; empty where it is in none. Requests of one handler are alike: what share of them is held up says
// more than the share of all, among which are those that wait for nothing, and peers that run in the same process.
func HandlerOf(s stack.Stack) string {
	serves := -1
	for i := len(s) - 1; i >= 0 && serves < 0; i-- {
		if RequestFrames[stack.Normal(s[i].Function)] {
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

// slotFrames are calls that wait until somebody gives back one of a fixed number of slots.
var slotFrames = stack.Names(`database/sql.(*DB).conn golang.org/x/sync/semaphore.(*Weighted).Acquire net/http.(*Transport).getConn
	golang.org/x/sync/errgroup.(*Group).Go github.com/jackc/puddle/v2.(*Pool[...]).acquire github.com/jackc/puddle/v2.(*Pool[...]).Acquire
	github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn github.com/gomodule/redigo/redis.(*Pool).waitVacantConn
	go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).checkOut go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.(*pool).checkOut
	github.com/panjf2000/ants/v2.(*Pool).retrieveWorker github.com/panjf2000/ants/v2.(*poolCommon).retrieveWorker`)

// AnswerFrames are packages and calls of clients: what waits for the network or a
// channel inside waits for the answer of a peer. One list of its kind.
var AnswerFrames = stack.Names(`net/http.(*Client).do net/http.(*Client).Do net/http.(*Transport).RoundTrip net/http.(*Transport).roundTrip
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

// ForAnswer reports whether a stack waits inside the client of a well-known protocol.
func ForAnswer(s stack.Stack) bool {
	for _, f := range s {
		if AnswerFrames[stack.Normal(f.Function)] {
			return true
		}
	}
	return ReadsWhole(s) && s.Contains("net/http.(*bodyEOFSignal).Read", "net/http.http2transportResponseBody.Read", "golang.org/x/net/http2.transportResponseBody.Read")
}

// bodyFrames read the body of a request or an answer.
var bodyFrames = stack.Names(`net/http.(*body).Read net/http.http2transportResponseBody.Read net/http.(*http2requestBody).Read
	golang.org/x/net/http2.transportResponseBody.Read golang.org/x/net/http2.(*requestBody).Read`)

// wholeFrames read to the end before anything is done with what was read.
var wholeFrames = stack.Names(`io.ReadAll io/ioutil.ReadAll bytes.(*Buffer).ReadFrom net/http.(*Request).ParseForm mime/multipart.(*Reader).ReadForm`)

// ReadsWhole reports whether a stack reads the body of a request or an answer of net/http to its end before anything
// is done with it, for as long as that takes. What passes it on as it comes, or takes it record by record, may be long at it.
func ReadsWhole(s stack.Stack) bool {
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

// ForSlot reports whether a stack waits until somebody gives back a slot.
func ForSlot(class Class, s stack.Stack) bool {
	switch class {
	case Select, ChanRecv, ChanSend, Cond, Sync:
		return SlotFrame(s) >= 0
	}
	return false
}

// SlotFrame returns the index of the call in a waiting stack that hands out one of a
// fixed number of slots, or -1: a call of the table or, in a library that it
// does not hold, of a method that takes from what calls itself a pool.
func SlotFrame(s stack.Stack) int {
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
	typ, ok := stack.MethodType(function)
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
