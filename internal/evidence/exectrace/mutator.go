package exectrace

import "time"

// mutator measures how much of the processors the collector leaves to the
// program, at its worst: background workers (dedicated and fractional; idle ones
// take what nobody wants), mark assists while they run, and stopped worlds
// (runtime/trace's MMU, cmd/trace/mmu.go, defines it so).
//
// Time is cut into bins of a millisecond, and stretches of a few lengths slide
// over them.
type mutator struct {
	taken   int64 // goroutines that work for the collector now
	stopped bool
	procs   int64
	last    int64 // up to when the open bin has been added up
	bin     int64 // processor time taken in the open bin
	bins    int64 // closed ones
	ring    [1024]int64
	spans   [len(mutatorSpans)]mutatorSpan
}

const mutatorBin = int64(time.Millisecond)

// mutatorSpans are the lengths of stretches, in bins.
var mutatorSpans = [...]int64{1, 10, 100, 1000}

type mutatorSpan struct {
	sum   int64 // taken in the last bins, in time of the whole process
	worst int64
	at    int64 // where the worst began
}

// settle adds up to t. Nothing changed since it was called last.
func (m *mutator) settle(t int64) {
	each := m.taken
	if m.stopped {
		each = m.procs
	}
	each = min(each, max(m.procs, 1))
	for closed := 0; m.last < t; {
		end := (m.bins + 1) * mutatorBin
		stop := min(t, end)
		m.bin += each * (stop - m.last)
		m.last = stop
		if stop < end {
			return
		}
		m.close()
		if closed++; closed == 2*len(m.ring) {
			// All bins in sight are equal by now, and so would be the next.
			n := (t - m.last) / mutatorBin
			skip := n - n%int64(len(m.ring))
			m.bins += skip
			m.last += skip * mutatorBin
		}
	}
}

func (m *mutator) close() {
	v := m.bin / max(m.procs, 1)
	m.bin = 0
	size := int64(len(m.ring))
	m.ring[m.bins%size] = v
	m.bins++
	for i, length := range mutatorSpans {
		s := &m.spans[i]
		s.sum += v
		if m.bins > length {
			s.sum -= m.ring[(m.bins-1-length)%size]
		}
		if m.bins >= length && s.sum > s.worst {
			s.worst, s.at = s.sum, (m.bins-length)*mutatorBin
		}
	}
}

// list returns the curve; lengths that the trace is too short for are left out.
func (m *mutator) list(t int64) []Utilization {
	m.settle(t)
	var out []Utilization
	for i, length := range mutatorSpans {
		if m.bins < length {
			break
		}
		s := &m.spans[i]
		out = append(out, Utilization{
			Length: time.Duration(length * mutatorBin),
			Min:    1 - float64(s.worst)/float64(length*mutatorBin),
			At:     time.Duration(s.at),
		})
	}
	return out
}

// takes updates whether a goroutine works for the collector.
func (f *fold) takes(g *goroutine, t int64) {
	now := g.state == running && (g.label == dedicated || g.label == fractional || g.assist >= 0)
	if now == g.taking {
		return
	}
	f.mutator.settle(t)
	g.taking = now
	if now {
		f.mutator.taken++
	} else {
		f.mutator.taken--
	}
}

// stopped updates whether the world is stopped.
func (f *fold) stopped(is bool, t int64) {
	f.mutator.settle(t)
	f.mutator.stopped = is
}
