// Package detect is the catalogue: one file per detector, each a value of type
// analyze.Detector. It reads what evidence measured and does no I/O.
package detect

import "inquest/analyze"

// All is every detector, in report order.
var All = []*analyze.Detector{
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
