package processor

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// ConnectionChurn claims that connections are made anew instead of being kept and used again.
var ConnectionChurn = &claim.Detector{
	ID:    "connection-churn",
	Title: "Connections are made anew for each use",
	Doc: `A connection to a peer or a database is opened for one call and closed after it. Dialling, the TLS handshake and what a driver asks at the start of a connection then cost more than the call itself, on
both sides, and each connection leaves a port that cannot be used for a minute.

**How it is measured.** CPU samples, and bytes allocated between heap profiles, in dialling, in the client's half of a TLS handshake and in opening and closing the connections of database/sql, by the first function outside the
standard library. net/http's client dials in goroutines of its own, which name nobody: there the place is in net/http. In a trace, connections made are held against the answers of peers that goroutines wait for, by the function that asks: where there is
one for every second answer or more, the time spent waiting for connections says how bad it is.

**When it is wrong.** A program that is starting, or whose peers have just restarted, connects then. A crawler has no second call for a connection. What a server does for clients that connect to it
does not count.`,
	Limits: []claim.Limit{judge.LimitCostShare, judge.LimitCostWarning, judge.LimitCostCapacity, judge.LimitCostAlloc, judge.LimitCostAllocInfo, judge.LimitCostAllocRate,
		{Name: "min-rate", Default: evidence.Quantity{Number: 10, Unit: evidence.PerSecond},
			Doc:    "connections that one function makes per second of a trace",
			Source: "Judgement call: a pool that fills up, or a peer that has restarted, makes a few"},
		{Name: "min-per-answer", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Ratio},
			Doc:    "connections made, per answer that the function waits for",
			Source: "Judgement call: a connection that is kept serves more than two calls"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples in making and closing connections, by function", Run: judge.WorstOf(func(in *claim.Input, e *evidence.Exhibit) claim.Reading { return connecting.CPU(in, e) })},
		{Kind: evidence.Trace, Doc: "connections made and answers waited for, by the function that asks", Run: judge.WorstOf(connectionsTrace)},
		{Kind: evidence.Heap, Doc: "bytes allocated for the same; can confirm and never deny", Run: connecting.Heap},
	},
	Fix: []claim.Text{
		"Keep one client or pool for the life of the program and share it: an http.Client with its Transport, a sql.DB, a gRPC connection",
		"Let it keep as many idle connections as there are calls at once: Transport.MaxIdleConnsPerHost (2 by default), DB.SetMaxIdleConns (2 by default, none when negative)",
		"Read every answer to its end and close its body, and do not set DisableKeepAlives or Connection: close: else the connection cannot be used again",
	},
	Explains: []claim.Mechanism{
		{Effect: "pool-exhaustion", Why: "who finds no connection that was kept waits until one is made", Source: "net/http/transport.go, getConn"},
		{Effect: "cpu-hotspot", Why: "making a connection costs more than a call on one that is kept", Source: "crypto/tls/handshake_client.go; database/sql/sql.go, conn"},
		{Effect: "alloc-hotspot", Why: "each connection has buffers and a state of its own, garbage after one use", Source: "net/http/transport.go, dialConn"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "each connection has buffers and a state of its own, garbage after one use", Source: "net/http/transport.go, dialConn"},
	},
}

var connecting = judge.Costly{What: "making and closing connections", Does: connects, Focus: connectFocus, Answers: dialsFor}

// httpDial is where net/http's client makes a connection, in a goroutine that names nobody.
const httpDial = "net/http.(*Transport).dialConn"

// dialsFor is who answers for making a connection: the program's function, or net/http's client for all that it does there.
func dialsFor(s stack.Stack) stack.Site {
	owner := s.Owner()
	if stack.Standard(owner.Function) {
		for _, f := range s {
			if f.Function == httpDial {
				return f.Site()
			}
		}
	}
	return owner
}

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

// dialers are what net/http's client starts a goroutine with that makes a connection (net/http/transport.go, startDialConnForLocked).
var dialers = stack.Names(`net/http.(*Transport).startDialConnForLocked net/http.(*Transport).queueForDial net/http.(*Transport).dialConnFor net/http.(*Transport).decConnsPerHost`)

// dialFrames are those of connectFrames in which a connection begins.
var dialFrames = stack.Names(`net.(*Dialer).DialContext net.(*Dialer).Dial net.Dial net.DialTimeout net.DialTCP net.DialUnix`)

// peerCalls is what one function waits for when it calls peers.
type peerCalls struct {
	made, answers int64
	waited        reading.WaitSum // for connections
}

// readsBody reports whether a stack reads the body of an answer whose head has been waited for already.
func readsBody(s stack.Stack) bool {
	return s.Contains("net/http.(*bodyEOFSignal).Read", "net/http.http2transportResponseBody.Read", "net/http/internal/http2.transportResponseBody.Read")
}

// connectionsTrace holds the connections that are made against the answers that are waited for.
func connectionsTrace(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	t := e.Trace()
	if short := reading.TooShort(e); short != "" {
		return claim.Reading{Silent: short}
	}
	r := claim.Reading{Silent: "connections that are made without waiting do not show in a trace"}
	operations := reading.OperationsOf(t)
	by := map[string]*peerCalls{}
	of := func(site stack.Site) *peerCalls {
		if by[site.Function] == nil {
			by[site.Function] = &peerCalls{}
		}
		return by[site.Function]
	}
	for i := range t.Waits {
		w := &t.Waits[i]
		pooled := w.Stack.Contains("net/http.(*Transport).getConn")
		if site := w.Stack.Owner(); (pooled || w.Class == wait.Network && connects(w.Stack)) && !stack.Standard(site.Function) {
			a := of(site)
			x := &a.waited
			if w.Total > x.Most {
				above := w.Stack[max(0, slices.IndexFunc(w.Stack, func(f *stack.Frame) bool { return stack.Normal(f.Function) == site.Function })):]
				x.Site, x.Path, x.Class, x.Stack, x.Most = site, above.Path(), w.Class, w.Stack, w.Total
				if len(w.Worst) > 0 {
					x.Worst = w.Worst[0]
				}
			}
			x.Total, x.Count, x.Request = x.Total+w.Total, x.Count+w.Count, x.Request || operations.Has(w.Stack)
			if pooled || slices.ContainsFunc(w.Stack, func(f *stack.Frame) bool { return dialFrames[stack.Normal(f.Function)] }) {
				a.made += w.Count
			}
			continue
		}
		if _, owner, ok := reading.Answers(w.Class, w.Stack); ok && !readsBody(w.Stack) {
			n := w.Count
			// It waits for the request to be written, and for the answer (net/http/transport.go, roundTrip).
			if w.Stack.Contains("net/http.(*persistConn).roundTrip") {
				n = (n + 1) / 2
			}
			of(owner).answers += n
		}
	}
	var dialled int64
	for i := range t.Groups {
		if dialers[stack.Normal(t.Groups[i].Start.Function)] {
			dialled += t.Groups[i].Created
		}
	}
	for name, a := range by {
		var ends []string
		// Who waits for a connection may be given one that another gave back.
		if a.waited.Stack.Contains("net/http.(*Transport).getConn") {
			a.made, ends = min(a.made, dialled), []string{httpDial}
		}
		rate, ratio := reading.RateOf(float64(a.made), t.Duration), evidence.Quantity{Number: float64(a.made) / float64(max(a.answers, 1)), Unit: evidence.Ratio}
		// Who gets no answer at all fails, which is another matter.
		if rate.Number < in.Limit("min-rate").Number || a.answers == 0 || ratio.Number < in.Limit("min-per-answer").Number {
			continue
		}
		w := &a.waited
		at := w.SpanAt()
		view := claim.TraceView(e, claim.Textf("goroutine %d", at.Goroutine))
		c := claim.Candidate{
			Site: w.Site, Path: w.Path, Ends: ends, Thin: a.made < judge.FewEvents,
			Summary: claim.Textf("%s makes connections anew: %s in %s, for %s, and %s for them", claim.Func(name), evidence.Of(a.made, evidence.Count), evidence.Duration(t.Duration), evidence.Things(a.answers, "answer"), judge.Standing(reading.PerSecond(w.Total, t.Duration))),
			Facts: []claim.Fact{
				{Exhibit: e.ID, Says: "connections made for the function per second", Value: rate, Limit: in.Against("min-rate"), At: at, Reproduce: view},
				{Exhibit: e.ID, Says: claim.Textf("connections made per answer that it waits for, over %s", evidence.Things(a.answers, "answer")), Value: ratio, Limit: in.Against("min-per-answer"), At: at, Reproduce: view},
				{Exhibit: e.ID, Says: "time goroutines waited for connections per second", Value: reading.PerSecond(w.Total, t.Duration), Limit: judge.AgainstStanding(in), At: at, Reproduce: view},
			},
		}
		judge.Waits(in, &c, w, t.Duration, judge.StarvedExcuse(t))
		r.Candidates = append(r.Candidates, c)
	}
	judge.SortCandidates(&r)
	r.Candidates = r.Candidates[:min(len(r.Candidates), reading.MaxSites)]
	return r
}
