// Package detect is the catalogue: one file per detector, each a value of type
// claim.Detector. It reads what evidence measured and does no I/O.
package detect

import (
	"inquest/analyze/claim"
)

// All is every detector, in report order.
var All = []*claim.Detector{
	MutexHotspot,
	LongCriticalSection,
	GoroutinePileup,
	Deadlock,
	ChannelBackpressure,
	PoolExhaustion,
	BlockedDownstream,
	SyscallBlocking,
	MapGrowth,
	HeapGrowth,
	LiveHeap,
	AllocHotspot,
	SliceRegrowth,
	SyncMapChurn,
	TimerLeak,
	ContextRetention,
	GoroutineLeak,
	FinalizerStuck,
	StwExtension,
	GCPressure,
	GCAssist,
	MemoryLimitThrash,
	ForcedGC,
	FragmentedSlices,
	PIdle,
	SchedLatency,
	GoroutineBurst,
	CPUStarvation,
	Spinning,
	ThreadGrowth,
	CPUHotspot,
	BusyLoop,
	RepeatedSetup,
	ConnectionChurn,
	SlowTask,
	ConcurrentMapAccess,
	DataRace,
	TestTimeout,
	Crash,
}
