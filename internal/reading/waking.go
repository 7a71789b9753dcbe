package reading

import (
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// Answers reports whether a group of goroutines answers to the outside.
func (k *Waking) Answers(g *exectrace.Group, least float64) bool {
	// Goroutines that run until they are interrupted do a batch's work: they wait
	// for a processor as a part of it.
	if g.Slices.Quantile(0.5) >= ForcedPreemption/2 {
		return false
	}
	if n := k.TurnsOf(g.Start.Function); n.Outside > 0 && n.Outside >= least*(n.Inside+n.Outside) {
		return true
	}
	// A goroutine per request waits for nothing itself; its creator does.
	return g.Created > 0 && k.network[g.Creator.Function]
}

// Turns is what ended the waits of a group of goroutines.
type Turns struct {
	Inside  float64        // ended by code of the program: a send, a receive, an unlock
	Outside float64        // ended by the network, a timer, a sleep or a system call
	At      exectrace.Wait // the most frequent of those ended inside
}

// Waking is who ends the waits of a trace, and whose waits they are.
type Waking struct {
	byStart map[string][]*exectrace.Wait // by the function the goroutine started in
	network map[string]bool              // functions on the stacks of network waits
	// inside is, for each function in which goroutines waited for each other, the
	// part of the waits that code of the program ended. The rest was ended by timers,
	// which wake without a goroutine of their own.
	inside map[string]float64
}

// ReadWaking reads who ends the waits of a trace.
func ReadWaking(t *exectrace.Timeline) *Waking {
	k := &Waking{map[string][]*exectrace.Wait{}, map[string]bool{}, map[string]float64{}}
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
		case w.Class.HandedOver():
			ended[w.Stack.Site().Function] += float64(w.Count - w.Open)
		case w.Class == wait.Network:
			for _, f := range w.Stack {
				k.network[stack.Normal(f.Function)] = true
			}
		}
	}
	for _, w := range t.Wakes {
		if w.From.Function != "" && w.Class.HandedOver() {
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

// TurnsOf adds up what ended the waits of the goroutines that started in a function.
func (k *Waking) TurnsOf(start string) Turns {
	var out Turns
	var most float64
	for _, w := range k.byStart[start] {
		n := float64(w.Count)
		switch {
		case w.Class.HandedOver():
			inside := n * k.inside[w.Stack.Site().Function]
			out.Inside += inside
			out.Outside += n - inside
			if inside > most {
				most, out.At = inside, *w
			}
		case w.Class == wait.Network || w.Class == wait.Sleep:
			out.Outside += n
		}
	}
	return out
}

// minDriven is the part of a group's waits that must be ended from outside for it to answer to the outside.
const minDriven = 0.1

// Operations tells which waits of a trace hold up something that answers to the outside: a
// request, or what the network or a timer sets going, for which no server's frame stands on the stack.
type Operations map[string]bool // functions in which such goroutines start

// OperationsOf finds the goroutines of a trace that answer to the outside.
func OperationsOf(t *exectrace.Timeline) Operations {
	o, waking := Operations{}, ReadWaking(t)
	for i := range t.Groups {
		if g := &t.Groups[i]; !g.System && waking.Answers(g, minDriven) {
			o[g.Start.Function] = true
		}
	}
	return o
}

// Has reports whether a stack is that of an operation.
func (o Operations) Has(s stack.Stack) bool {
	n := len(s)
	return n > 0 && (wait.InRequest(s) || o[stack.Normal(s[n-1].Function)] || n > 1 && o[stack.Normal(s[n-2].Function)])
}
