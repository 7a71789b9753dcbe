package processor

import (
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/detect/judge"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// ConnectionChurn claims that connections are made anew instead of being kept and used again.
var ConnectionChurn = &claim.Detector{
	ID:    "connection-churn",
	Title: "Connections are made anew for each use",
	Doc: `A connection to a peer or a database is opened for one call and closed after it. Dialling, the TLS handshake and what a driver asks at the start of a connection then cost more than the call itself, on
both sides, and each connection leaves a port that cannot be used for a minute.

**How it is measured.** CPU samples, and bytes allocated between heap profiles, in dialling, in the client's half of a TLS handshake and in opening and closing the connections of database/sql, by the first function outside the
standard library. net/http's client dials in goroutines of its own, which name nobody: there the place is in net/http.

**When it is wrong.** A program that is starting, or whose peers have just restarted, connects then. A crawler has no second call for a connection. What a server does for clients that connect to it
does not count.`,
	Limits: []claim.Limit{judge.LimitCostShare, judge.LimitCostWarning, judge.LimitCostCapacity, judge.LimitCostAlloc, judge.LimitCostAllocInfo, judge.LimitCostAllocRate},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in making and closing connections, by function", Run: judge.WorstOf(func(in *claim.Input, e *evidence.Exhibit) claim.Reading { return connecting.CPU(in, e) })},
		{Kind: evidence.Heap, Doc: "bytes allocated for the same; can confirm and never deny", Run: connecting.Heap},
	},
	Fix: []string{
		"Keep one client or pool for the life of the program and share it: an http.Client with its Transport, a sql.DB, a gRPC connection",
		"Let it keep as many idle connections as there are calls at once: Transport.MaxIdleConnsPerHost (2 by default), DB.SetMaxIdleConns (2 by default, none when negative)",
		"Read every answer to its end and close its body, and do not set DisableKeepAlives or Connection: close: else the connection cannot be used again",
	},
	Explains: []claim.Mechanism{
		{Effect: "cpu-hotspot", Why: "making a connection costs more than a call on one that is kept", Source: "crypto/tls/handshake_client.go; database/sql/sql.go, conn"},
		{Effect: "alloc-hotspot", Why: "each connection has buffers and a state of its own, garbage after one use", Source: "net/http/transport.go, dialConn"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "each connection has buffers and a state of its own, garbage after one use", Source: "net/http/transport.go, dialConn"},
	},
}

var connecting = judge.Costly{What: "making and closing connections", Does: connects, Focus: connectFocus}

// connectFrames make or close a connection to a peer.
var connectFrames = stack.Names(`net.(*Dialer).DialContext net.(*Dialer).Dial net.Dial net.DialTimeout net.DialTCP net.DialUnix crypto/tls.(*Conn).clientHandshake
	net/http.(*Transport).dialConn database/sql.dsnConnector.Connect database/sql.(*driverConn).finalClose google.golang.org/grpc.NewClient google.golang.org/grpc.DialContext
	golang.org/x/crypto/ssh.NewClientConn github.com/jackc/pgx/v5/pgconn.ConnectConfig go.mongodb.org/mongo-driver/mongo.Connect`)

const connectFocus = `^net\.(Dial|DialTimeout|DialTCP|DialUnix|\(\*Dialer\)\.Dial(Context)?)$|clientHandshake$|Transport\)\.dialConn$|\.Connect$|driverConn\)\.finalClose$|^google\.golang\.org/grpc\.(NewClient|DialContext)$|ssh\.NewClientConn$|pgconn\.ConnectConfig$`

// connects reports whether a stack makes or closes a connection.
func connects(s stack.Stack) bool {
	for i, f := range s {
		name := stack.Normal(f.Function)
		if connectFrames[name] {
			return true
		}
		// Whatever the driver: database/sql asks its connector (database/sql/sql.go, conn and openNewConnection).
		if strings.HasSuffix(name, ".Connect") && i+1 < len(s) {
			switch s[i+1].Function {
			case "database/sql.(*DB).conn", "database/sql.(*DB).openNewConnection":
				return true
			}
		}
	}
	return false
}
