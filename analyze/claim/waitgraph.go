package claim

// WaitGraph is who waits for which lock and who holds it, as one exhibit shows it.
type WaitGraph struct {
	Exhibit string     `json:"exhibit"`
	Circle  bool       `json:"circle"` // the lock of the last step is held by the goroutine of the first
	Steps   []WaitStep `json:"steps"`  // at most MaxWaitSteps
	Count   int        `json:"count"`  // steps there are in all
}

// WaitStep is a goroutine that waits for a lock. The lock is held by the goroutine
// of the next step.
type WaitStep struct {
	Goroutine int64 `json:"goroutine,omitempty"` // id; 0 for several, which Waiters counts
	State     Text  `json:"state"`               // as the exhibit prints it
	Site      Site  `json:"site"`                // where it stands
	Lock      Text  `json:"lock"`                // what it waits for; empty when that is no lock of the graph
	Waiters   int   `json:"waiters"`             // goroutines that wait for the lock, itself included
}

// MaxWaitSteps bounds what a WaitGraph keeps.
const MaxWaitSteps = 16
