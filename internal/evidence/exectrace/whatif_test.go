package exectrace

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// planted is a service with a delay of known size, which can be left out.
type planted struct {
	delay time.Duration
	mu    sync.Mutex
	jobs  chan chan int
	conns chan net.Conn
}

// lockHeld books under one lock, which is held for 0.1 ms and the delay.
func (p *planted) lockHeld() {
	p.mu.Lock()
	p.book()
	p.mu.Unlock()
	time.Sleep(time.Millisecond)
}

func (p *planted) book() {
	busy(100 * time.Microsecond)
	p.dawdle()
}

func (p *planted) dawdle() {
	if p.delay > 0 {
		time.Sleep(p.delay)
	}
}

// slowStage hands its job to the one worker of a stage.
func (p *planted) slowStage() {
	done := make(chan int)
	p.jobs <- done
	<-done
	time.Sleep(time.Millisecond)
}

func (p *planted) stage() {
	for done := range p.jobs {
		p.refine()
		done <- 1
	}
}

func (p *planted) refine() {
	busy(100 * time.Microsecond)
	p.dawdle()
}

// stoppedWorld computes while somebody stops the world now and then.
func (p *planted) stoppedWorld() {
	busy(300 * time.Microsecond)
	time.Sleep(time.Millisecond)
}

// census stops the world for as long as it takes to walk many stacks.
func (p *planted) census(over *atomic.Bool) {
	buf := make([]byte, 8<<20)
	for !over.Load() {
		time.Sleep(5 * time.Millisecond)
		if p.delay > 0 {
			runtime.Stack(buf, true)
		}
	}
}

// slowPeer asks another server, over a connection that nobody else uses meanwhile.
func (p *planted) slowPeer() {
	c := <-p.conns
	var b [1]byte
	_, _ = c.Write(b[:])
	_, _ = c.Read(b[:])
	p.conns <- c
	time.Sleep(500 * time.Microsecond)
}

// answer is the peer.
func (p *planted) answer(c net.Conn) {
	defer c.Close()
	var b [1]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
		busy(100 * time.Microsecond)
		p.dawdle()
		_, _ = c.Write(b[:])
	}
}

// connect opens connections to the peer for so many requests at once.
func (p *planted) connect(t *testing.T, n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.conns = make(chan net.Conn, n)
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		p.conns <- c
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go p.answer(far)
	}
}

// run serves requests of several clients and returns the trace of it, and how long it took in all.
func (p *planted) run(t *testing.T, handle func()) (tl *Timeline, elapsed time.Duration) {
	const clients, requests = 6, 50
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle() }))
	defer s.Close()
	s.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	tl = sameAsWhole(t, recordTrace(t, func() {
		start := time.Now()
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range requests {
					res, err := s.Client().Get(s.URL)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					time.Sleep(500 * time.Microsecond)
				}
			})
		}
		wg.Wait()
		elapsed = time.Since(start)
	}))
	return tl, elapsed
}

// TestWhatIfBoundsHold records services with a planted delay, and again without it. What is predicted from the first recording bounds what the
// second shows, of operations and of the time that all took by the clock. -v prints the table of docs/evidence.md.
func TestWhatIfBoundsHold(t *testing.T) {
	if testing.Short() || runtime.GOMAXPROCS(0) < 2 {
		t.Skip("takes seconds, and two processors")
	}
	for _, c := range []struct {
		name   string
		stops  bool
		delay  time.Duration
		handle func(p *planted) func()
		blamed func(p *Part) bool
	}{
		{"lock held 1 ms too long", false, time.Millisecond, func(p *planted) func() { return p.lockHeld }, in("(*planted).dawdle")},
		{"slow stage, by 1 ms", false, time.Millisecond, func(p *planted) func() { return p.slowStage }, in("(*planted).dawdle")},
		{"stops of the world", true, time.Millisecond, func(p *planted) func() { return p.stoppedWorld }, func(p *Part) bool { return p.Kind == PartStopped }},
		{"slow peer, by 2 ms", false, 2 * time.Millisecond, func(p *planted) func() { return p.slowPeer }, func(p *Part) bool { return p.Kind == PartPeer }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for range 5 { // what else runs on the machine may change from one recording to the next
				line, ok := tryWhatIf(t, c.stops, c.delay, c.handle, c.blamed)
				lines = append(lines, line)
				if ok {
					t.Log(line)
					return
				}
			}
			t.Errorf("no bound holds:\n%s", strings.Join(lines, "\n"))
		})
	}
}

func tryWhatIf(t *testing.T, stops bool, delay time.Duration, handle func(p *planted) func(), blamed func(p *Part) bool) (string, bool) {
	var means, elapsed [2]time.Duration
	var gain *Gain
	for i, d := range []time.Duration{delay, 0} {
		p := &planted{delay: d, jobs: make(chan chan int)}
		p.connect(t, 6)
		var over atomic.Bool
		go p.stage()
		crowd := make(chan int)
		if stops {
			for range 3000 { // whose stacks there are to walk
				go func() { <-crowd }()
			}
			go p.census(&over)
		}
		tl, took := p.run(t, handle(p))
		over.Store(true)
		close(crowd)
		close(p.jobs)
		op := handlers(tl)
		if op == nil {
			return "no requests", false
		}
		means[i], elapsed[i] = op.Mean, took
		if i > 0 {
			break
		}
		for k := range op.Gains {
			if blamed(&op.Parts[op.Gains[k].Part]) {
				gain = &op.Gains[k]
				break
			}
		}
		if gain == nil {
			return fmt.Sprintf("not among what is asked: %+v", op.Parts[:min(4, len(op.Parts))]), false
		}
	}
	less := func(v [2]time.Duration) float64 { return 1 - float64(v[1])/float64(v[0]) }
	line := fmt.Sprintf("| %.2f ms | %.2f ms | %.0f %% | %.0f %% | %.0f %% | %.0f %% |", means[0].Seconds()*1e3, means[1].Seconds()*1e3,
		100*gain.AtMost, 100*less(means), 100*gain.Elapsed, 100*less(elapsed))
	return line, less(means) > 0 && less(means) <= gain.AtMost+0.02 && less(elapsed) <= gain.Elapsed+0.02
}

// handlers returns the requests that take the most time.
func handlers(tl *Timeline) *Operation {
	for i := range tl.Account.Operations {
		if o := &tl.Account.Operations[i]; o.Kind == Request {
			return o
		}
	}
	return nil
}
