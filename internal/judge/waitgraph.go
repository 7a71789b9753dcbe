package judge

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/wait"
	"inquest/internal/reading"
)

// QueueGraph is those who wait for a lock and the one that holds it.
func QueueGraph(e *evidence.Exhibit, l *reading.Lock, h reading.LockHolder) *claim.WaitGraph {
	site, _, _ := l.Site()
	return &claim.WaitGraph{Exhibit: e.ID, Count: 2, Steps: []claim.WaitStep{
		{State: "waiting for the lock", Site: claim.Site(site), Lock: l.Name(), Waiters: len(l.Waiters)},
		{Goroutine: h.G.ID, State: wait.StateText(h.G.State), Site: claim.Site(h.G.Stack().Site())},
	}}
}
