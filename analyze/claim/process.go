package claim

import (
	"sync"
	"time"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// Process is what is known about the process as a whole.
type Process struct {
	GOMAXPROCS int    // 0 when unknown
	GoVersion  string // such as "go1.26"; "" when unknown
	// Busy is how much of the processors' time the traces show in use, 0 to 1; 0 when
	// unknown. Waiting costs throughput only while processors have nothing else to do.
	Busy float64
	// Age is how old the process was when the evidence was taken, as far as a log of its collector or
	// scheduler or the longest wait of a goroutine shows; 0 when unknown. It may have been older.
	Age time.Duration

	cpu     map[string]float64 // processors in use below a function, by its normalised name
	sampled time.Duration      // time in which that was sampled
	used    float64            // processors in use in all
	waited  map[string]waiting // in all waits that ended below a function, by its normalised name

	once *once // what measures share; nil for nothing
}

type once struct {
	sync.Mutex
	made map[any]any
}

// Once returns what make makes of the case, made when somebody first asked under the key: several detectors look at the
// same evidence in the same way. Nobody may change it.
func Once[K comparable, T any](c Process, key K, make func() T) T {
	o := c.once
	if o == nil {
		return make()
	}
	o.Lock()
	defer o.Unlock()
	v, ok := o.made[key].(T)
	if !ok {
		v = make()
		o.made[key] = v
	}
	return v
}

type waiting struct {
	count int64
	total time.Duration
}

// Waited returns how many waits below a function the block profiles show to have ended since the
// process started, and how long they took together.
func (c Process) Waited(function string) (count int64, total time.Duration) {
	w := c.waited[function]
	return w.count, w.total
}

// Under returns how many processors were in use below a function, on average, by the CPU
// samples of the case, how many in all, and over which time; the time is 0 where nothing tells.
// Unlike the processor time of a trace, samples do not contain what the host took away.
func (c Process) Under(function string) (processors, all float64, over time.Duration) {
	return c.cpu[function], c.used, c.sampled
}

// ProcessOf reads from a bundle what is known about the process as a whole.
func ProcessOf(b *evidence.Bundle) Process {
	through := functions{}
	c := Process{GOMAXPROCS: b.GOMAXPROCS(), GoVersion: b.GoVersion(), Busy: busy(b), Age: age(b), once: &once{made: map[any]any{}}}
	for _, e := range b.Of(evidence.CPU) {
		p := e.Profile()
		if p == nil || p.Column("cpu") < 0 || p.Duration <= c.sampled {
			continue
		}
		column := p.Column("cpu")
		c.cpu, c.sampled, c.used = map[string]float64{}, p.Duration, 0
		for i := range p.Samples {
			s := &p.Samples[i]
			n := float64(s.Values[column]) / float64(p.Duration)
			c.used += n
			for name := range through.of(s.Stack) {
				c.cpu[name] += n
			}
		}
	}
	for _, e := range b.Of(evidence.Block) {
		p := e.Profile()
		if p == nil || p.Column("delay") < 0 || p.Column("contentions") < 0 {
			continue
		}
		if c.waited == nil {
			c.waited = map[string]waiting{}
		}
		delay, count := p.Column("delay"), p.Column("contentions")
		for i := range p.Samples {
			s := &p.Samples[i]
			for name := range through.of(s.Stack) {
				w := c.waited[name]
				c.waited[name] = waiting{w.count + s.Values[count], w.total + time.Duration(s.Values[delay])}
			}
		}
	}
	return c
}

// functions are those that a stack passes through, each once.
type functions map[string]bool

// of fills it anew: a profile has a million stacks, and a map for each would be most of what is allocated.
func (f functions) of(s stack.Stack) functions {
	clear(f)
	for _, frame := range s {
		f[stack.Normal(frame.Function)] = true
	}
	return f
}

// busy returns how much of the processors' time the traces show in use.
func busy(b *evidence.Bundle) float64 {
	var running, all float64
	for _, e := range b.Of(evidence.Trace) {
		running += float64(e.Trace().Procs.Running)
		all += float64(e.Trace().Procs.Running) + float64(e.Trace().Procs.Idle)
	}
	return evidence.Part(running, all).Number
}

func age(b *evidence.Bundle) (longest time.Duration) {
	for _, e := range b.Of(evidence.GCTrace) {
		longest = max(longest, e.GC().Total.To)
	}
	for _, e := range b.Of(evidence.Dump) {
		for i := range e.Dump().Goroutines {
			longest = max(longest, e.Dump().Goroutines[i].Wait)
		}
	}
	return longest
}
