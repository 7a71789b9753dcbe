package runtimelog

import "time"

// parseGC reads a line as runtime/mgc.go prints it since Go 1.5:
//
//	gc 3 @0.012s 4%[ (checking for goroutine leaks)]: 0.018+1.1+0.014 ms clock, 0.07+0.9/0.5/0.2+0.05 ms cpu,
//	4->5->2 MB, 5 MB goal, [0 MB stacks, 0 MB globals, ]4 P[ (forced)]
//
// What follows is of no matter. Go 1.5 had five phases in place of three, the two
// more of them scanning with the world running. begun says that it started like such a line.
func parseGC(s []byte) (c Cycle, begun, ok bool) {
	p := cursor{s: s}
	p.word("gc ")
	c.Number = p.integer()
	p.word(" @")
	c.At = p.decimal(time.Second)
	p.word("s ")
	if p.failed {
		return c, false, false
	}
	share := p.integer()
	c.Share = float64(share) / 100
	p.word("%")
	c.LeakCheck = p.optional(" (checking for goroutine leaks)")
	p.word(": ")
	for i := 0; ; i++ {
		d := p.decimal(time.Millisecond)
		if more := p.optional("+"); i == 0 {
			c.SweepTerm = d
		} else if more {
			p.add(&c.Concurrent, d)
		} else {
			c.MarkTerm = d
			break
		}
	}
	p.word(" ms clock, ")
	for i, marking := 0, false; ; i++ {
		d := p.decimal(time.Millisecond)
		switch {
		case i > 0 && p.optional("/"): // assist/dedicated and fractional/idle
			p.add(&c.Assist, d)
			p.add(&c.Background, p.decimal(time.Millisecond))
			p.word("/")
			p.add(&c.Idle, p.decimal(time.Millisecond))
			p.word("+")
			marking = true
			continue
		case p.optional("+"):
			if i == 0 || marking {
				p.add(&c.Stopped, d)
			} else {
				p.add(&c.Background, d)
			}
			continue
		}
		p.add(&c.Stopped, d)
		break
	}
	p.word(" ms cpu, ")
	c.Before = p.megabytes()
	p.word("->")
	c.After = p.megabytes()
	p.word("->")
	c.Live = p.megabytes()
	p.word(" MB, ")
	c.Goal = p.megabytes()
	p.word(" MB goal, ")
	n := p.integer()
	if p.optional(" MB stacks, ") {
		c.Stacks = n << 20
		c.Globals = p.megabytes()
		p.word(" MB globals, ")
		n = p.integer()
	}
	p.word(" P")
	c.Procs = int(n)
	c.Forced = p.optional(" (forced)")
	return c, true, !p.failed && share <= 100 && c.Procs <= maxProcs
}

// schedLine is a line of schedtrace.
type schedLine struct {
	at                                     time.Duration
	procs, idle, threads, spinning, queued int64
}

// parseSched reads a line as runtime/proc.go, schedtrace, prints it:
//
//	SCHED 1001ms: gomaxprocs=2 idleprocs=0 threads=5 spinningthreads=1 needspinning=0 idlethreads=2 runqueue=3 [ 1 0 ] schedticks=[ 7 9 ]
//
// The fields have changed over time; those it knows it takes by name. With
// scheddetail=1 the queues of the processors are on other lines and left out.
func parseSched(s []byte) (l schedLine, begun, ok bool) {
	p := cursor{s: s}
	p.word("SCHED ")
	l.at = p.decimal(time.Millisecond)
	p.word("ms: gomaxprocs=")
	if p.failed {
		return l, false, false
	}
	l.procs = p.integer()
	for seen := false; !p.failed; {
		p.word(" ")
		name := p.name()
		if !p.optional("=") {
			p.failed = true
			break
		}
		if p.optional("[") { // schedticks
			break
		}
		n := p.integer()
		switch string(name) {
		case "idleprocs":
			l.idle, seen = n, true
		case "threads":
			l.threads = n
		case "spinningthreads":
			l.spinning = n
		case "runqueue":
			l.queued = n
			if p.optional(" [") {
				for p.optional(" "); !p.failed && !p.optional("]"); p.optional(" ") {
					l.queued = min(l.queued+p.integer(), maxNumber)
				}
			}
			return l, true, seen && !p.failed && l.procs > 0 && l.procs <= maxProcs && max(l.idle, l.spinning) <= l.procs
		}
	}
	return l, true, false
}

// cursor reads a line from left to right; it stays failed once something is
// not as expected.
type cursor struct {
	s      []byte
	failed bool
}

// word takes a text that must be there.
func (p *cursor) word(w string) {
	if !p.optional(w) {
		p.failed = true
	}
}

// optional takes a text if it is there.
func (p *cursor) optional(w string) bool {
	if p.failed || len(p.s) < len(w) || string(p.s[:len(w)]) != w {
		return false
	}
	p.s = p.s[len(w):]
	return true
}

// Bounds of numbers, which keep them far from overflow.
const (
	maxNumber   = 1e12
	maxDuration = 10 * 365 * 24 * time.Hour
	maxProcs    = 1 << 20 // of GOMAXPROCS
)

// add adds to a sum that must stay within the bounds, too.
func (p *cursor) add(sum *time.Duration, d time.Duration) {
	if *sum += d; *sum > maxDuration {
		p.failed, *sum = true, 0
	}
}

func (p *cursor) integer() int64 {
	var n int64
	i := 0
	for i < len(p.s) && p.s[i] >= '0' && p.s[i] <= '9' && n < maxNumber {
		n = n*10 + int64(p.s[i]-'0')
		i++
	}
	if i == 0 || n >= maxNumber {
		p.failed = true
		return 0
	}
	p.s = p.s[i:]
	return n
}

// decimal reads a number with or without a fraction, in a unit.
func (p *cursor) decimal(unit time.Duration) time.Duration {
	n := p.integer()
	if n > int64(maxDuration/unit) {
		p.failed = true
		return 0
	}
	d := time.Duration(n) * unit
	if !p.optional(".") {
		return d
	}
	i := 0
	for ; i < len(p.s) && p.s[i] >= '0' && p.s[i] <= '9'; i++ {
		unit /= 10
		d += time.Duration(p.s[i]-'0') * unit
	}
	p.failed = p.failed || i == 0
	p.s = p.s[i:]
	return d
}

// megabytes reads a size that is printed in MiB (shifted by 20 bits).
func (p *cursor) megabytes() int64 { return p.integer() << 20 }

func (p *cursor) name() []byte {
	i := 0
	for i < len(p.s) && p.s[i] >= 'a' && p.s[i] <= 'z' {
		i++
	}
	name := p.s[:i]
	p.s = p.s[i:]
	return name
}
