// Package scheduler holds the detectors of how goroutines, threads and processors come together.
package scheduler

import (
	"time"

	"inquest/analyze/evidence"
)

// schedulerFocus leaves the stacks that reading.Schedules names.
const schedulerFocus = "-focus=runtime.(schedule|findRunnable|park_m|goready|wakep|startm|goschedImpl|ready)$"

// Defaults that several detectors here share.
var (
	maxSlice   = evidence.Duration(100 * time.Microsecond)            // a slice should be some times what waking a goroutine takes
	minRunning = evidence.Quantity{Number: 0.2, Unit: evidence.Share} // what does less of the work does not decide how long it takes
)
