package detect

import (
	"time"

	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// shortTrace is the length below which a trace is a glimpse: a fold over fewer
// than a handful of scheduling quanta and collections denies nothing.
const shortTrace = 200 * time.Millisecond

// procTime is all the processor time there was in a trace.
func procTime(t *exectrace.Timeline) time.Duration {
	return time.Duration(t.Procs.Max) * t.Duration
}

// mutatorTime is the processor time spent outside the collector's own workers.
func mutatorTime(t *exectrace.Timeline) time.Duration {
	return max(t.Procs.Running-t.GCWork.Dedicated-t.GCWork.Fractional-t.GCWork.Idle, 0)
}

// lockWait reports whether a class of waits is waiting for a lock.
func lockWait(c exectrace.Class) bool {
	return c == exectrace.Mutex || c == exectrace.RWRead || c == exectrace.RWWrite
}

// startsIn reports whether a stack belongs to a goroutine that was started in a
// function. The wrapper that a go statement may add can stand below it.
func startsIn(s stack.Stack, function string) bool {
	for i := len(s) - 1; i >= 0 && i >= len(s)-2; i-- {
		if stack.Normal(s[i].Function) == function {
			return true
		}
	}
	return false
}

// turns is what ended the waits of a group of goroutines.
type turns struct {
	inside  float64        // ended by code of the program: a send, a receive, an unlock
	outside float64        // ended by the network, a timer, a sleep or a system call
	at      exectrace.Wait // the most frequent of those ended inside
}

// wakers tells, for each function in which goroutines waited for each other,
// which part of the waits was ended by code of the program. The rest was ended by
// timers, which wake without a goroutine of their own.
func wakers(t *exectrace.Timeline) map[string]float64 {
	waits, woken := map[string]float64{}, map[string]float64{}
	for i := range t.Waits {
		if w := &t.Waits[i]; handOff(w.Class) {
			waits[w.Stack.Site().Function] += float64(w.Count - w.Open)
		}
	}
	for _, w := range t.Wakes {
		if w.From.Function != "" && handOff(w.Class) {
			woken[w.To.Function] += float64(w.Count)
		}
	}
	for f, n := range woken {
		if waits[f] > 0 {
			woken[f] = min(n/waits[f], 1)
		}
	}
	return woken
}

// handOff reports whether a wait of a class can only end by another goroutine or a timer.
func handOff(c exectrace.Class) bool {
	switch c {
	case exectrace.ChanSend, exectrace.ChanRecv, exectrace.Select, exectrace.Cond, exectrace.WaitGroup, exectrace.OtherSync:
		return true
	}
	return lockWait(c)
}

// turnsOf adds up what ended the waits of the goroutines that started in a function.
func turnsOf(t *exectrace.Timeline, woken map[string]float64, start string) turns {
	var out turns
	var most float64
	for i := range t.Waits {
		w := &t.Waits[i]
		if !startsIn(w.Stack, start) {
			continue
		}
		n := float64(w.Count)
		switch {
		case handOff(w.Class):
			inside := n * woken[w.Stack.Site().Function]
			out.inside += inside
			out.outside += n - inside
			if inside > most {
				most, out.at = inside, *w
			}
		case w.Class == exectrace.Network || w.Class == exectrace.Sleep:
			out.outside += n
		}
	}
	return out
}
