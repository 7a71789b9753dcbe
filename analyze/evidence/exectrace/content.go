package exectrace

import "inquest/analyze/evidence/stack"

// EachStack hands over the stacks of waits and of who held locks.
func (t *Timeline) EachStack(take func(stack.Stack)) {
	for i := range t.Waits {
		take(t.Waits[i].Stack)
	}
	for i := range t.Holders {
		take(t.Holders[i].Unlock)
		take(t.Holders[i].Waiter)
	}
}
