// Package recorder keeps the last seconds of a service in memory and writes them
// down, with profiles and a goroutine dump, at the moment something goes wrong:
// a slow request, too many goroutines, a full heap, a panic, a signal, or somebody who asks. Each
// case is a folder that "inquest analyze" opens.
//
// It depends on the standard library alone, writes in the background, and bounds
// what it writes: one case at a time, with time between two, of limited size, and only so
// many kept. It sends nothing anywhere, and it changes no setting of the runtime
// unless Options says so.
//
// # What it costs
//
// An execution trace is recorded all the time. Measured at full load on two processors, that is 7 to 10 % more
// processor time for HTTP requests, in proportion less at less load, and 2.2 times the processor time for goroutines
// that do nothing but pass a number to and fro, which is the worst case. The trace takes up to half of Options.MaxBytes
// of memory. A negative Options.Window leaves it out; what remains is one timer for each request of Middleware and
// a look at two numbers each second. Each case stops the world for its goroutine dumps, some 50 ms
// at most, and holds the process's only CPU profiler for Options.CPU. docs/capture.md has the figures.
package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"inquest/recorder/manifest"
)

// Options are what a recorder watches and how much it may write. Only Dir must
// be set; a trigger whose limit is zero is off.
type Options struct {
	Dir string // folder for the cases; made if it is not there

	Latency    time.Duration // Observe and Middleware fire when something takes this long
	Goroutines int           // fires when there are this many
	Heap       uint64        // fires when objects, dead ones not yet swept included, take this many bytes
	Signals    []os.Signal   // each fires, such as syscall.SIGUSR1; the signal then has no other effect

	Every    time.Duration // least time between the starts of two cases; 0 for one minute
	Keep     int           // cases kept, the newest; 0 for ten
	MaxBytes int64         // of one case; 0 for 64 MiB
	Window   time.Duration // of the execution trace that is kept in memory; 0 for ten seconds, negative for no trace
	CPU      time.Duration // length of the CPU profile after the trigger; 0 for five seconds, negative for none

	// MutexFraction and BlockRate turn on the mutex and block profiles, as
	// runtime.SetMutexProfileFraction and runtime.SetBlockProfileRate take them; 100 and
	// 10_000 are good values. 0 leaves them as the service set them.
	MutexFraction, BlockRate int

	Logger *slog.Logger // told of each case written and of what failed; nil for nobody
}

// ErrTooSoon says that no case was taken because one is being written or the last
// was less than Options.Every ago.
var ErrTooSoon = errors.New("recorder: a case is being taken or was taken a moment ago")

// Recorder watches the process it runs in. All methods may be called at the same time from many
// goroutines, and on a nil Recorder, where they do nothing.
type Recorder struct {
	opt       Options
	began     time.Time
	slow      func() // fires for a request that passed the limit
	create    func(path string) (io.WriteCloser, error)
	flight    *trace.FlightRecorder // nil when there shall be no trace
	flightErr error
	fraction  int // mutex profile fraction to go back to

	next   atomic.Int64 // time since began before which no case is taken
	busy   atomic.Bool
	missed atomic.Int64 // triggers since the last case that gave none

	mu      sync.Mutex
	stopped bool
	cases   sync.WaitGroup // in the background
	hurry   chan struct{}  // closed when the case being written must end soon
	idle    chan struct{}  // closed when that case is written

	stop    chan struct{}
	watched chan struct{}
}

// Start begins to record. An execution trace needs the process's only flight
// recorder: where that is taken, cases have no trace and their manifests say why.
func Start(opt Options) (*Recorder, error) {
	if opt.Dir == "" {
		return nil, errors.New("recorder: Options.Dir is empty")
	}
	if opt.Latency < 0 || opt.Goroutines < 0 || opt.Every < 0 || opt.Keep < 0 || opt.MaxBytes < 0 {
		return nil, errors.New("recorder: a negative limit")
	}
	dir, err := filepath.Abs(opt.Dir) // the service may change its working directory
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil { // an incident is too late to learn that nothing can be written
		var probe string
		if probe, err = makeScratch(dir); err == nil {
			err = os.Remove(probe)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("recorder: %w", err)
	}
	opt.Dir = dir
	opt.Every = cmp.Or(opt.Every, time.Minute)
	opt.Keep = cmp.Or(opt.Keep, 10)
	opt.MaxBytes = cmp.Or(opt.MaxBytes, 64<<20)
	opt.Window = cmp.Or(opt.Window, 10*time.Second)
	opt.CPU = cmp.Or(opt.CPU, 5*time.Second)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{opt: opt, create: createFile, began: time.Now(), stop: make(chan struct{}), watched: make(chan struct{})}
	r.slow = func() { r.fire(tooSlow(opt.Latency, opt.Latency)) }
	sweep(dir)

	if opt.Window > 0 {
		// Half of a case, as the recorder may keep more than it is asked to.
		r.flight = trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: opt.Window, MaxBytes: uint64(opt.MaxBytes / 2)})
		if r.flightErr = r.flight.Start(); r.flightErr != nil {
			opt.Logger.Warn("recorder: no execution trace", "error", r.flightErr)
		}
	}
	if opt.MutexFraction > 0 {
		r.fraction = runtime.SetMutexProfileFraction(opt.MutexFraction)
	}
	if opt.BlockRate > 0 {
		runtime.SetBlockProfileRate(opt.BlockRate)
	}
	signals := make(chan os.Signal, 1)
	if len(opt.Signals) > 0 { // none would mean all of them
		signal.Notify(signals, opt.Signals...)
	}
	go r.watch(signals)
	return r, nil
}

// Stop ends the recording. It lets a case that is being written end early and
// waits for it.
func (r *Recorder) Stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	already := r.stopped
	r.stopped = true
	r.mu.Unlock()
	if !already {
		close(r.stop)
	}
	r.hasten()
	<-r.watched
	r.cases.Wait()
	if already {
		return
	}
	if r.flight != nil && r.flightErr == nil {
		r.flight.Stop()
	}
	if r.opt.MutexFraction > 0 {
		runtime.SetMutexProfileFraction(r.fraction)
	}
	if r.opt.BlockRate > 0 {
		runtime.SetBlockProfileRate(0) // what it was before cannot be asked
	}
}

// Observe tells how long a piece of work took. It costs a comparison unless the work
// was slow, and returns at once in any case.
func (r *Recorder) Observe(d time.Duration) {
	if r == nil || r.opt.Latency <= 0 || d < r.opt.Latency {
		return
	}
	r.fire(tooSlow(d, r.opt.Latency))
}

// Guard writes a case when a panic passes through, and lets it pass on. It must be
// deferred directly: defer rec.Guard(). The goroutine that panics waits for the case, ten seconds at most, because
// the process may be about to die; the case has no CPU profile then.
func (r *Recorder) Guard() {
	if r == nil {
		return
	}
	v := recover()
	if v == nil {
		return
	}
	r.panicked(v)
	panic(v)
}

// Capture writes a case now and returns its folder, after as long as Options.CPU. The reason stands in its manifest.
func (r *Recorder) Capture(reason string) (dir string, err error) {
	if r == nil {
		return "", errors.New("recorder: not started")
	}
	if !r.claim() {
		return "", ErrTooSoon
	}
	if !r.enter() {
		r.busy.Store(false)
		return "", errors.New("recorder: stopped")
	}
	defer r.cases.Done()
	return r.take(manifest.Trigger{Name: "request", Says: reason}, nil)
}

// tooSlow is the trigger of work that took d.
func tooSlow(d, limit time.Duration) manifest.Trigger {
	return manifest.Trigger{Name: "latency", Value: d.Seconds(), Limit: limit.Seconds(), Unit: "seconds"}
}

// fire takes a case in the background unless it is too soon.
func (r *Recorder) fire(t manifest.Trigger) {
	if !r.claim() {
		return
	}
	if !r.enter() {
		r.busy.Store(false)
		return
	}
	t.At = time.Now()
	go func() {
		defer r.cases.Done()
		_, _ = r.take(t, nil)
	}()
}

// claim decides whether a case may be taken now. Of many that ask at once, one gets it.
func (r *Recorder) claim() bool {
	now := int64(time.Since(r.began))
	if now < r.next.Load() || !r.busy.CompareAndSwap(false, true) {
		r.missed.Add(1)
		return false
	}
	if now < r.next.Load() { // a case was begun and ended in between
		r.busy.Store(false)
		r.missed.Add(1)
		return false
	}
	r.next.Store(now + int64(r.opt.Every))
	return true
}

// enter counts a case that begins; false when the recorder has stopped.
func (r *Recorder) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.cases.Add(1)
	r.hurry, r.idle = make(chan struct{}), make(chan struct{})
	return true
}

// hasten makes the case being written, if any, end soon; idle is closed when it is written.
func (r *Recorder) hasten() (idle <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hurry == nil {
		return nil
	}
	select {
	case <-r.hurry:
	default:
		close(r.hurry)
	}
	return r.idle
}

// watch looks at the gauges every second and listens for signals.
func (r *Recorder) watch(signals chan os.Signal) {
	defer close(r.watched)
	defer signal.Stop(signals)
	gauges := []*gauge{
		{Trigger: manifest.Trigger{Name: "goroutines", Limit: float64(r.opt.Goroutines), Unit: "goroutines"}, metric: "/sched/goroutines:goroutines"},
		{Trigger: manifest.Trigger{Name: "heap", Limit: float64(r.opt.Heap), Unit: "bytes"}, metric: "/memory/classes/heap/objects:bytes"},
	}
	var tick <-chan time.Time
	if r.opt.Goroutines > 0 || r.opt.Heap > 0 {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-r.stop:
			return
		case s := <-signals:
			r.fire(manifest.Trigger{Name: "signal", Says: s.String()})
		case <-tick:
			for _, g := range gauges {
				if g.Limit > 0 && g.reached() {
					r.fire(g.Trigger)
				}
			}
		}
	}
}

// gauge is a number of the runtime's with a limit.
type gauge struct {
	manifest.Trigger
	metric string
	level  float64 // at which it fires next, once it has fired
}

// reached reports whether a case is due: when the limit is reached, and again when the
// number has grown by half since. A service that stays above its limit would
// otherwise replace the case of the moment it got there.
func (g *gauge) reached() bool {
	sample := []metrics.Sample{{Name: g.metric}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return false
	}
	g.Value = float64(sample[0].Value.Uint64())
	return g.rise()
}

func (g *gauge) rise() bool {
	if g.Value < g.Limit {
		g.level = 0
		return false
	}
	if g.Value < g.level {
		return false
	}
	g.level = g.Value * 1.5
	return true
}

// patience is how long a panic waits for a case, and no longer.
const patience = 10 * time.Second

// panicked writes the case of a panic.
func (r *Recorder) panicked(v any) {
	if aborts(v) {
		return
	}
	text := describe(v)
	if !r.claim() {
		// The process may be about to die: what is being written must be whole by then.
		if r.busy.Load() {
			select {
			case <-r.hasten():
			case <-time.After(patience):
			}
		}
		return
	}
	if !r.enter() {
		r.busy.Store(false)
		return
	}
	first, _, _ := strings.Cut(text, "\n")
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	written := make(chan struct{})
	go func() {
		defer r.cases.Done()
		defer close(written)
		_, _ = r.take(manifest.Trigger{Name: "panic", Says: first}, fmt.Appendf(nil, "panic: %s\n\n%s\n", text, stack))
	}()
	// A disk that does not answer must not keep a panic, and the locks below it, for ever.
	select {
	case <-written:
	case <-time.After(patience):
	}
}

// describe prints a panic's value as the runtime does, as far as it can.
func describe(v any) (text string) {
	defer func() {
		if recover() != nil { // the value's own method
			text = fmt.Sprintf("%T", v)
		}
	}()
	switch v := v.(type) {
	case error:
		text = v.Error()
	case fmt.Stringer:
		text = v.String()
	default:
		text = fmt.Sprint(v)
	}
	const most = 64 << 10
	return text[:min(len(text), most)]
}
