package analyze

// mechanism is a documented way in which one claim brings about another.
type mechanism struct {
	from, to string // detector ids
	why      string // as a clause of a sentence: "FROM holds; WHY"
	source   string
}

// mechanisms is the explains table. Order does not matter.
var mechanisms = []mechanism{
	{"long-critical-section", "mutex-hotspot", "while the holder is busy inside the lock, everyone else queues for it", "sync/mutex.go"},
	{"long-critical-section", "goroutine-pileup", "arrivals outpace a lock that is given back slowly, so waiters pile up", "sync/mutex.go, Little's law"},
	{"long-critical-section", "p-idle", "goroutines that wait for a lock cannot use a free processor", "runtime/sema.go"},
	{"long-critical-section", "fragmented-slices", "each turn at the lock ends in a wait for the next", "runtime/sema.go"},
	{"long-critical-section", "sched-latency", "every hand-over of the lock makes a goroutine runnable that must then be scheduled", "runtime/sema.go, readyWithTime"},
	{"mutex-hotspot", "goroutine-pileup", "goroutines that cannot get the lock stand where they ask for it", "runtime/sema.go"},
	{"mutex-hotspot", "p-idle", "goroutines that wait for a lock cannot use a free processor", "runtime/sema.go"},
	{"mutex-hotspot", "fragmented-slices", "goroutines run only from one turn at the lock to the next", "runtime/sema.go"},
	{"mutex-hotspot", "sched-latency", "every hand-over of the lock makes a goroutine runnable that must then be scheduled", "runtime/sema.go, readyWithTime"},
	{"map-growth", "heap-growth", "a map never shrinks, so what it has grown to stays live", "golang/go#20135"},
	{"map-growth", "gc-pressure", "every collection marks the whole map again", "runtime/mgcmark.go"},
	{"map-growth", "alloc-hotspot", "growing copies the map into new, larger tables", "internal/runtime/maps/table.go, grow"},
	{"heap-growth", "gc-pressure", "the collector's work grows with the live heap", "runtime/mgcpacer.go"},
	{"alloc-hotspot", "gc-pressure", "the faster memory is allocated, the sooner the heap reaches its goal and the more often it is collected", "runtime/mgcpacer.go"},
	{"alloc-hotspot", "gc-assist", "goroutines that allocate during a mark phase must help to mark", "runtime/mgcmark.go, gcAssistAlloc"},
	{"alloc-hotspot", "cpu-hotspot", "allocating and clearing memory is work", "runtime/malloc.go"},
	{"goroutine-leak", "heap-growth", "a goroutine that never ends keeps its stack and all it refers to", "runtime/mgcmark.go"},
	{"goroutine-leak", "goroutine-pileup", "goroutines that never end add up where they stand", "runtime/proc.go"},
	{"gc-pressure", "gc-assist", "when marking falls behind, allocating goroutines are made to help", "runtime/mgcmark.go, gcAssistAlloc"},
	{"gc-pressure", "sched-latency", "mark workers take a quarter of the processors while goroutines wait for one", "runtime/mgcpacer.go, gcBackgroundUtilization"},
	{"gc-pressure", "stw-extension", "every collection stops the world twice", "runtime/mgc.go"},
	{"deadlock", "goroutine-pileup", "whoever asks for a lock of the cycle never gets it", "sync/mutex.go"},
	{"deadlock", "goroutine-leak", "goroutines in a cycle never end", "sync/mutex.go"},
	{"memory-limit-thrash", "gc-pressure", "a heap that stands at its goal is collected again as soon as it has been collected", "runtime/mgcpacer.go, memoryLimitHeapGoal"},
	{"memory-limit-thrash", "gc-assist", "with no room left to the goal, goroutines that allocate must mark for what they allocate", "runtime/mgcpacer.go"},
	{"memory-limit-thrash", "stw-extension", "every collection stops the world twice", "runtime/mgc.go"},
	{"heap-growth", "memory-limit-thrash", "live memory that grows uses up the room below the limit", "runtime/mgcpacer.go, memoryLimitHeapGoal"},
	{"heap-growth", "crash", "live memory that grows ends in an allocation that fails", "runtime/malloc.go"},
	{"forced-gc", "gc-pressure", "every forced collection marks the whole live heap, whether there is garbage or not", "runtime/mgc.go, GC"},
	{"forced-gc", "stw-extension", "every collection stops the world twice", "runtime/mgc.go"},
	{"data-race", "concurrent-map-access", "two goroutines use the map without an order between them", "internal/runtime/maps/map.go"},
	{"data-race", "crash", "what two goroutines change at once can be seen half changed", "go.dev/ref/mem"},
	{"concurrent-map-access", "crash", "the runtime ends a program that it catches using a map from two goroutines at once", "internal/runtime/maps/map.go, fatal"},
	{"deadlock", "crash", "the runtime ends a program in which no goroutine can run any more", "runtime/proc.go, checkdead"},
	{"stw-extension", "sched-latency", "nothing is scheduled while the world is stopped", "runtime/proc.go, stopTheWorldWithSema"},
}

// aboutWaiting lists the claims that goroutines wait somewhere: wake-ups from
// one site to another say something about these alone.
var aboutWaiting = map[string]bool{
	"mutex-hotspot": true, "goroutine-pileup": true, "p-idle": true, "fragmented-slices": true, "goroutine-leak": true,
}
