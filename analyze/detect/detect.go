// Package detect is the catalogue: one file per detector, each a value of type
// claim.Detector. It reads what evidence measured and does no I/O.
package detect

import (
	"inquest/analyze/claim"
	"inquest/analyze/detect/collector"
	"inquest/analyze/detect/crashes"
	"inquest/analyze/detect/locks"
	"inquest/analyze/detect/memory"
	"inquest/analyze/detect/processor"
	"inquest/analyze/detect/scheduler"
	"inquest/analyze/detect/waits"
)

// All is every detector, in report order.
var All = []*claim.Detector{
	locks.MutexHotspot,
	locks.LongCriticalSection,
	locks.WriterStarvation,
	waits.GoroutinePileup,
	locks.Deadlock,
	waits.ChannelBackpressure,
	waits.SingleflightStuck,
	waits.PoolExhaustion,
	waits.BlockedDownstream,
	scheduler.SyscallBlocking,
	memory.MapGrowth,
	memory.HeapGrowth,
	memory.LiveHeap,
	memory.AllocHotspot,
	memory.SliceRegrowth,
	memory.SyncMapChurn,
	memory.TimerLeak,
	memory.ContextRetention,
	waits.GoroutineLeak,
	memory.FinalizerStuck,
	memory.DescriptorLeak,
	collector.StwExtension,
	collector.GCPressure,
	collector.GCAssist,
	collector.MemoryLimitThrash,
	collector.ForcedGC,
	scheduler.FragmentedSlices,
	scheduler.PIdle,
	scheduler.SchedLatency,
	scheduler.GoroutineBurst,
	scheduler.CPUStarvation,
	scheduler.Spinning,
	scheduler.ThreadGrowth,
	processor.CPUHotspot,
	processor.BusyLoop,
	processor.RepeatedSetup,
	processor.ConnectionChurn,
	processor.RetryStorm,
	processor.SlowTask,
	crashes.ConcurrentMapAccess,
	crashes.DataRace,
	crashes.TestTimeout,
	crashes.Crash,
}
