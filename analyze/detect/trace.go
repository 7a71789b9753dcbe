package detect

import (
	"time"

	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
	"inquest/analyze/evidence/wait"
)

// shortTrace is the length below which a trace is a glimpse: a fold over fewer
// than a handful of scheduling quanta and collections denies nothing.
const shortTrace = 200 * time.Millisecond

// glimpse reports whether a trace holds too little to deny anything: neither
// the time that shortTrace asks for nor as many events as a busy program has in that time.
func glimpse(t *exectrace.Timeline, events int64) bool {
	return t.Duration < forcedPreemption || t.Duration < shortTrace && events < 1000
}

// rateOf is how often something happened per second.
func rateOf(n float64, over time.Duration) evidence.Quantity {
	return evidence.Quantity{Number: n / max(over.Seconds(), 1e-9), Unit: evidence.PerSecond}
}

// gapTime is the time in which the machine ran no thread of the program although work was runnable.
func gapTime(t *exectrace.Timeline) (sum time.Duration) {
	for _, g := range t.Gaps {
		sum += g.To - g.From
	}
	return sum
}

// procTime is all the processor time there was in a trace.
func procTime(t *exectrace.Timeline) time.Duration {
	return time.Duration(t.Procs.Max) * t.Duration
}

// mutatorTime is the processor time spent outside the collector's own workers.
func mutatorTime(t *exectrace.Timeline) time.Duration {
	return max(t.Procs.Running-t.GCWork.Dedicated-t.GCWork.Fractional-t.GCWork.Idle, 0)
}

// turns is what ended the waits of a group of goroutines.
type turns struct {
	inside  float64        // ended by code of the program: a send, a receive, an unlock
	outside float64        // ended by the network, a timer, a sleep or a system call
	at      exectrace.Wait // the most frequent of those ended inside
}

// waking is who ends the waits of a trace, and whose waits they are.
type waking struct {
	byStart map[string][]*exectrace.Wait // by the function the goroutine started in
	network map[string]bool              // functions on the stacks of network waits
	// inside is, for each function in which goroutines waited for each other, the
	// part of the waits that code of the program ended. The rest was ended by timers,
	// which wake without a goroutine of their own.
	inside map[string]float64
}

func readWaking(t *exectrace.Timeline) *waking {
	k := &waking{map[string][]*exectrace.Wait{}, map[string]bool{}, map[string]float64{}}
	ended := map[string]float64{}
	for i := range t.Waits {
		w := &t.Waits[i]
		if n := len(w.Stack); n > 0 {
			start := stack.Normal(w.Stack[n-1].Function)
			k.byStart[start] = append(k.byStart[start], w)
			// The wrapper that a go statement may add stands below the function proper.
			if n > 1 {
				if above := stack.Normal(w.Stack[n-2].Function); above != start {
					k.byStart[above] = append(k.byStart[above], w)
				}
			}
		}
		switch {
		case handOff(w.Class):
			ended[w.Stack.Site().Function] += float64(w.Count - w.Open)
		case w.Class == wait.Network:
			for _, f := range w.Stack {
				k.network[stack.Normal(f.Function)] = true
			}
		}
	}
	for _, w := range t.Wakes {
		if w.From.Function != "" && handOff(w.Class) {
			k.inside[w.To.Function] += float64(w.Count)
		}
	}
	for f, n := range k.inside {
		if ended[f] > 0 {
			k.inside[f] = min(n/ended[f], 1)
		}
	}
	return k
}

// turnsOf adds up what ended the waits of the goroutines that started in a function.
func (k *waking) turnsOf(start string) turns {
	var out turns
	var most float64
	for _, w := range k.byStart[start] {
		n := float64(w.Count)
		switch {
		case handOff(w.Class):
			inside := n * k.inside[w.Stack.Site().Function]
			out.inside += inside
			out.outside += n - inside
			if inside > most {
				most, out.at = inside, *w
			}
		case w.Class == wait.Network || w.Class == wait.Sleep:
			out.outside += n
		}
	}
	return out
}

// handOff reports whether a wait of a class can only end by another goroutine or a timer.
func handOff(c wait.Class) bool {
	switch c {
	case wait.ChanSend, wait.ChanRecv, wait.Select, wait.Cond, wait.WaitGroup, wait.Sync:
		return true
	}
	return isLock(c)
}

// minDriven is the part of a group's waits that must be ended from outside for it to answer to the outside.
const minDriven = 0.1

// operations tells which waits of a trace hold up something that answers to the outside: a
// request, or what the network or a timer sets going, for which no server's frame stands on the stack.
type operations map[string]bool // functions in which such goroutines start

func operationsOf(t *exectrace.Timeline) operations {
	o, waking := operations{}, readWaking(t)
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && waking.answers(g, minDriven) {
			o[g.Start.Function] = true
		}
	}
	return o
}

// has reports whether a stack is that of an operation.
func (o operations) has(s stack.Stack) bool {
	n := len(s)
	return n > 0 && (inRequest(s) || o[stack.Normal(s[n-1].Function)] || n > 1 && o[stack.Normal(s[n-2].Function)])
}
