package exectrace

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The rules of an account, each on a small program that breaks an account without it.

// crew is goroutines that are there before the trace begins, as those of a service are. Nobody waits for them but with a clock.
type crew struct {
	start chan int
	left  atomic.Int64
}

func newCrew(n int) *crew {
	c := &crew{start: make(chan int)}
	c.left.Store(int64(n))
	return c
}

// begin waits until the trace has begun. What it returns ends the work of a member.
func (c *crew) begin() func() {
	<-c.start
	return func() { c.left.Add(-1) }
}

// record traces a crew at work and checks that the account balances.
func (c *crew) record(t *testing.T) *Timeline {
	t.Helper()
	time.Sleep(2 * time.Millisecond)
	return sameAsWhole(t, recordTrace(t, func() {
		close(c.start)
		for c.left.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
	}))
}

// operation returns the operations of the goroutines that start in a function, nil when they have none.
func (a *Account) operation(function string) *Operation {
	for i := range a.Operations {
		if strings.HasSuffix(a.Operations[i].Group.Function, function) {
			return &a.Operations[i]
		}
	}
	return nil
}

// share is the part of the active time for which is holds.
func (o *Operation) share(is func(p *Part) bool) float64 {
	var sum time.Duration
	for i := range o.Parts {
		if is(&o.Parts[i]) {
			sum += o.Parts[i].Time
		}
	}
	return float64(sum) / float64(o.Active)
}

func in(function string) func(p *Part) bool {
	return func(p *Part) bool { return strings.HasSuffix(p.Site.Function, function) }
}

func queuedIn(function string) func(p *Part) bool {
	return func(p *Part) bool { return p.Queued && in(function)(p) }
}

// stall is one worker that takes orders from a channel.
type stall struct{ orders chan chan int }

func (s *stall) serve() {
	for answer := range s.orders {
		s.prepare()
		answer <- 1
	}
}

func (s *stall) prepare() { time.Sleep(4 * time.Millisecond) }

// buy orders once every 30 ms, when all others do.
func (s *stall) buy(times int) {
	start := time.Now()
	for i := range times {
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * 30 * time.Millisecond)))
		answer := make(chan int)
		s.orders <- answer
		<-answer
	}
}

// buying lets a number of buyers come at once.
func buying(t *testing.T, buyers, times int) *Timeline {
	s := &stall{make(chan chan int)}
	c := newCrew(buyers)
	go s.serve()
	for range buyers {
		go buyer(c, s, times)
	}
	defer close(s.orders)
	return c.record(t)
}

func buyer(c *crew, s *stall, times int) {
	defer c.begin()()
	s.buy(times)
}

// Rule 1: what a goroutine waits for between operations is nobody's time. The worker waits for the next order most of the time, and is
// part of its buyers' operations while it has one.
func TestAccountRuleIdleWaits(t *testing.T) {
	tl := buying(t, 1, 8)
	buyer := tl.Account.operation("exectrace.buyer")
	if buyer == nil || buyer.Kind != Driver || buyer.Count < 7 || buyer.Count > 10 {
		t.Fatalf("the buyer: %+v", buyer)
	}
	if worker := tl.Account.operation("(*stall).serve"); worker != nil && worker.Active > buyer.Active/4 {
		t.Errorf("the worker has operations of its own, %v of them", worker.Active)
	}
	if got := buyer.share(in("(*stall).prepare")); buyer.Mean < 3*time.Millisecond || buyer.Mean > 12*time.Millisecond || got < 0.7 {
		t.Errorf("%v for an order, %.0f %% of it in prepare; want some 4 ms and most of it", buyer.Mean, 100*got)
	}
}

// Rule 2: time in the hands of another operation is queueing, one's own service is not. Of four who order at once, three wait for the
// one before.
func TestAccountRuleOwnServiceIsNoQueue(t *testing.T) {
	tl := buying(t, 4, 8)
	buyer := tl.Account.operation("exectrace.buyer")
	if buyer == nil {
		t.Fatal("no buyers")
	}
	queued, all := buyer.share(queuedIn("(*stall).prepare")), buyer.share(in("(*stall).prepare"))
	// 1+2+3 orders of 1+2+3+4 are those of others.
	if all < 0.75 || queued/all < 0.4 || queued/all > 0.75 {
		t.Errorf("%.0f %% in prepare, %.0f %% of it queueing; want nearly all and 60 %%", 100*all, 100*queued/all)
	}
}

type ledger struct{ mu sync.Mutex }

func (l *ledger) book() {
	l.mu.Lock()
	l.write()
	l.mu.Unlock()
}

func (l *ledger) write()   { time.Sleep(2 * time.Millisecond) }
func (l *ledger) outside() { time.Sleep(5 * time.Millisecond) }

// Rule 3: behind a lock stand only those who have it. What a holder did before it came to have the lock, an account that looks at
// whoever gave it back would charge as well.
func TestAccountRuleHoldersBeforeTheHolder(t *testing.T) {
	var l ledger
	c := newCrew(5)
	for range 5 {
		go clerk(c, &l)
	}
	tl := c.record(t)
	clerks := tl.Account.operation("exectrace.clerk")
	if clerks == nil {
		t.Fatal("no clerks")
	}
	outside := clerks.share(func(p *Part) bool { return p.Class.IsLock() && !in("(*ledger).write")(p) && p.Kind == PartSleep })
	if held := clerks.share(queuedIn("(*ledger).write")); held < 0.6 || outside > 0.05 {
		t.Errorf("%.0f %% behind writes, %.0f %% behind what holders did without the lock", 100*held, 100*outside)
	}
}

func clerk(c *crew, l *ledger) {
	defer c.begin()()
	for range 12 {
		l.outside()
		l.book()
	}
}

// Rule 4: an answer from the network that another goroutine receives is the peer's time, and no queue, although the reader works for all
// of the connection.
func TestAccountRuleNetworkThroughAReceive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := make(chan byte)
	go receive(conn, answers)
	c := newCrew(2)
	for range 2 {
		go ask(c, conn, answers)
	}
	tl := c.record(t)
	asks := tl.Account.operation("exectrace.ask")
	if asks == nil {
		t.Fatalf("nobody asks: %+v", tl.Account.Operations)
	}
	peer := asks.share(func(p *Part) bool { return p.Kind == PartPeer })
	queued := asks.share(func(p *Part) bool { return p.Kind == PartPeer && p.Queued })
	if peer < 0.5 || queued > 0.05 {
		t.Errorf("%.0f %% for the peer, %.0f %% of all queueing", 100*peer, 100*queued)
	}
}

func receive(c net.Conn, answers chan<- byte) {
	var b [1]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
		answers <- b[0]
	}
}

func ask(c *crew, conn net.Conn, answers <-chan byte) {
	defer c.begin()()
	for range 10 {
		time.Sleep(8 * time.Millisecond)
		trace.WithRegion(context.Background(), "ask", func() {
			_, _ = conn.Write([]byte{1})
			<-answers
		})
	}
}

// echo answers each byte after 3 ms.
func echo(l net.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	var b [1]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
		time.Sleep(3 * time.Millisecond)
		_, _ = c.Write(b[:])
	}
}

// Rule 5: a server that waits for the next request, or a connection, does nothing.
func TestAccountRuleIdleServer(t *testing.T) {
	tl := sameAsWhole(t, recordTrace(t, func() {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Millisecond) }))
		defer s.Close()
		for range 6 {
			res, err := s.Client().Get(s.URL)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			time.Sleep(15 * time.Millisecond)
		}
	}))
	serve := tl.Account.operation("net/http.(*conn).serve")
	if serve == nil || serve.Kind != Request || serve.Count < 6 || serve.Count > 8 {
		t.Fatalf("requests: %+v", serve)
	}
	if serve.Active > tl.Duration/3 {
		t.Errorf("%v under way of %v", serve.Active, tl.Duration)
	}
	if got := serve.share(func(p *Part) bool { return p.Kind == PartSleep && !p.Queued }); got < 0.4 {
		t.Errorf("%.0f %% asleep in the handler", 100*got)
	}
}

// Rule 6: twenty workers that wait for one producer do not wait twenty times.
func TestAccountRuleIdleWorkersAreNotMultiplied(t *testing.T) {
	jobs := make(chan int)
	defer close(jobs)
	for range 20 {
		go workOff(jobs)
	}
	c := newCrew(1)
	go produce(c, jobs)
	tl := c.record(t)
	var active time.Duration
	for _, o := range tl.Account.Operations {
		active += o.Active
	}
	if active > 3*tl.Duration {
		t.Errorf("%v of operations in %v", active, tl.Duration)
	}
}

func workOff(jobs <-chan int) {
	for range jobs {
		busy(50 * time.Microsecond)
	}
}

func produce(c *crew, jobs chan<- int) {
	defer c.begin()()
	for range 30 {
		time.Sleep(2 * time.Millisecond)
		jobs <- 1
	}
}

// Rule 7: waits that are open take after those that have ended at the same place; where next to none ended, those who wait are stuck.
func TestAccountRuleOpenWaits(t *testing.T) {
	var l ledger
	var stuck ledger
	stuck.mu.Lock()
	defer stuck.mu.Unlock()
	c := newCrew(1)
	var over atomic.Bool
	defer over.Store(true)
	for range 6 {
		go bookUntil(c, &l, &over)
	}
	for range 3 {
		go await(c, &stuck)
	}
	go func() {
		defer c.begin()()
		time.Sleep(80 * time.Millisecond)
	}()
	tl := c.record(t)
	var unended, held time.Duration
	for _, o := range tl.Account.Operations {
		for _, p := range o.Parts {
			switch {
			case p.Kind == PartUnended && strings.HasSuffix(p.For.Function, "await"):
				unended += p.Time
			case p.Kind == PartUnended && p.Class.IsLock():
				t.Errorf("a queue that moves is said to be stuck for %v", p.Time)
			case queuedIn("(*ledger).write")(&p):
				held += p.Time
			}
		}
	}
	if unended < tl.Duration*2 || held < tl.Duration*2 {
		t.Errorf("%v stuck, %v behind the lock, in %v; want three times and some four times that", unended, held, tl.Duration)
	}
}

func await(c *crew, l *ledger) {
	c.begin()
	l.mu.Lock()
	l.write()
	l.mu.Unlock()
}

func bookUntil(c *crew, l *ledger, over *atomic.Bool) {
	defer c.begin()()
	for !over.Load() {
		l.book()
	}
}

// Rule 8: a run is known by whom it woke, which it did what it did for, and not by where it ends.
func TestAccountRuleRunsAreKnownByTheirWakeUp(t *testing.T) {
	results, tick := make(chan int), make(chan int)
	c := newCrew(3)
	go compute(c, results, tick)
	go func() {
		defer c.begin()()
		for range 20 {
			<-results
		}
	}()
	go func() {
		defer c.begin()()
		for range 20 {
			time.Sleep(time.Millisecond)
			tick <- 1
		}
	}()
	tl := c.record(t)
	var computed, settled time.Duration
	for _, p := range tl.Account.Processors.Parts {
		switch {
		case p.Kind == PartRunning && strings.HasSuffix(p.Site.Function, "exectrace.deliver"):
			computed += p.Time
		case p.Kind == PartRunning && strings.HasSuffix(p.Site.Function, "exectrace.settle"):
			settled += p.Time
		}
	}
	if computed < 4*settled || computed < 5*time.Millisecond {
		t.Errorf("%v to deliver, %v to settle; all was for the delivery", computed, settled)
	}
}

func compute(c *crew, results, tick chan int) {
	defer c.begin()()
	for range 20 {
		deliver(results)
		settle(tick)
	}
}

func deliver(results chan<- int) {
	busy(400 * time.Microsecond)
	results <- 1
}

func settle(tick <-chan int) { <-tick }
