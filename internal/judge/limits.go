package judge

import (
	"time"

	"inquest/analyze/evidence"
)

// The defaults of limits that detectors of several families share: each stands once, so that what
// means the same is the same.
var (
	MaxBusy     = evidence.Quantity{Number: 0.9, Unit: evidence.Share}  // processors' time in use, from which waiting costs no throughput
	MinAge      = evidence.Duration(time.Minute)                        // wait that a dump prints (runtime/traceback.go, goroutineheader)
	MinAlike    = evidence.Quantity{Number: 50, Unit: evidence.Count}   // goroutines alike that are no accident
	MinWork     = evidence.Quantity{Number: 0.1, Unit: evidence.Share}  // processors given back that a change can be measured by
	MinCPUShare = evidence.Quantity{Number: 0.05, Unit: evidence.Share} // CPU samples under one function that a change can show by
	MinBusy     = evidence.Quantity{Number: 0.5, Unit: evidence.Share}  // processors in use, from which who computes keeps others waiting
)
