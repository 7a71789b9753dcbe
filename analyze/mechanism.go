package analyze

// mechanism is a documented way in which one claim brings about another.
type mechanism struct {
	from, to string // detector ids
	why      string // as a clause of a sentence: "FROM holds; WHY"
	source   string
	when     string // variant of the cause for which alone it holds; empty for all
	unless   string // variant of the effect that has another cause; empty for none
	effect   string // variant of the effect for which alone it holds; empty for all
}

// mechanisms is the explains table. Order does not matter.
var mechanisms = []mechanism{
	{from: "long-critical-section", to: "mutex-hotspot", why: "while the holder is busy inside the lock, everyone else queues for it", source: "sync/mutex.go"},
	{from: "long-critical-section", to: "goroutine-pileup", why: "arrivals outpace a lock that is given back slowly, so waiters pile up", source: "sync/mutex.go, Little's law", effect: "lock"},
	{from: "long-critical-section", to: "p-idle", why: "goroutines that wait for a lock cannot use a free processor", source: "runtime/sema.go"},
	{from: "long-critical-section", to: "fragmented-slices", why: "each turn at the lock ends in a wait for the next", source: "runtime/sema.go"},
	{from: "long-critical-section", to: "sched-latency", why: "every hand-over of the lock makes a goroutine runnable that must then be scheduled", source: "runtime/sema.go, readyWithTime"},
	{from: "mutex-hotspot", to: "goroutine-pileup", why: "goroutines that cannot get the lock stand where they ask for it", source: "runtime/sema.go", effect: "lock"},
	{from: "mutex-hotspot", to: "p-idle", why: "goroutines that wait for a lock cannot use a free processor", source: "runtime/sema.go"},
	{from: "mutex-hotspot", to: "fragmented-slices", why: "goroutines run only from one turn at the lock to the next", source: "runtime/sema.go", unless: "broadcast"},
	{from: "fragmented-slices", to: "mutex-hotspot", why: "everyone a Broadcast wakes must take the condition's lock before it can look at what changed", source: "sync/cond.go, Wait", when: "broadcast"},
	{from: "mutex-hotspot", to: "sched-latency", why: "every hand-over of the lock makes a goroutine runnable that must then be scheduled", source: "runtime/sema.go, readyWithTime"},
	{from: "map-growth", to: "heap-growth", why: "what a map holds stays live until it is deleted, and the tables of a built-in map even then", source: "golang/go#20135"},
	{from: "map-growth", to: "gc-pressure", why: "every collection marks the whole map again", source: "runtime/mgcmark.go"},
	{from: "map-growth", to: "alloc-hotspot", why: "growing copies the map into new, larger tables", source: "internal/runtime/maps/table.go, grow"},
	{from: "map-growth", to: "mutex-hotspot", why: "whoever adds the entry that makes the map grow moves its entries while it holds the lock around it", source: "internal/runtime/maps/table.go, rehash; before Go 1.24 runtime/map.go, growWork"},
	{from: "map-growth", to: "long-critical-section", why: "whoever adds the entry that makes the map grow moves its entries while it holds the lock around it", source: "internal/runtime/maps/table.go, rehash; before Go 1.24 runtime/map.go, growWork"},
	{from: "heap-growth", to: "gc-pressure", why: "the collector's work grows with the live heap", source: "runtime/mgcpacer.go"},
	{from: "alloc-hotspot", to: "gc-pressure", why: "the faster memory is allocated, the sooner the heap reaches its goal and the more often it is collected", source: "runtime/mgcpacer.go", unless: "small-goal"},
	{from: "alloc-hotspot", to: "gc-assist", why: "goroutines that allocate during a mark phase must help to mark", source: "runtime/mgcmark.go, gcAssistAlloc"},
	{from: "alloc-hotspot", to: "cpu-hotspot", why: "allocating and clearing memory is work", source: "runtime/malloc.go"},
	{from: "cpu-hotspot", to: "sched-latency", why: "goroutines that become runnable wait until one of those that compute has used up its 10 ms", source: "runtime/proc.go, forcePreemptNS"},
	{from: "goroutine-leak", to: "heap-growth", why: "a goroutine that never ends keeps its stack and all it refers to", source: "runtime/mgcmark.go"},
	{from: "goroutine-leak", to: "goroutine-pileup", why: "goroutines that never end add up where they stand", source: "runtime/proc.go"},
	{from: "gc-pressure", to: "gc-assist", why: "when marking falls behind, allocating goroutines are made to help", source: "runtime/mgcmark.go, gcAssistAlloc"},
	{from: "gc-pressure", to: "sched-latency", why: "mark workers take a quarter of the processors while goroutines wait for one", source: "runtime/mgcpacer.go, gcBackgroundUtilization"},
	{from: "gc-pressure", to: "stw-extension", why: "every collection stops the world twice", source: "runtime/mgc.go"},
	{from: "slice-regrowth", to: "alloc-hotspot", why: "each array that is outgrown is garbage", source: "runtime/slice.go, growslice"},
	{from: "slice-regrowth", to: "gc-pressure", why: "each array that is outgrown is garbage, and the more of it, the more often the heap is collected", source: "runtime/slice.go, growslice", unless: "small-goal"},
	{from: "slice-regrowth", to: "gc-assist", why: "goroutines that allocate during a mark phase must help to mark", source: "runtime/mgcmark.go, gcAssistAlloc"},
	{from: "slice-regrowth", to: "cpu-hotspot", why: "larger arrays are cleared, and what there is is copied into them", source: "runtime/slice.go, growslice"},
	{from: "sync-map-churn", to: "alloc-hotspot", why: "each store allocates an entry and the boxes of key and value", source: "internal/sync/hashtriemap.go, newEntryNode"},
	{from: "sync-map-churn", to: "gc-pressure", why: "each store allocates an entry and leaves the one before as garbage", source: "internal/sync/hashtriemap.go, newEntryNode", unless: "small-goal"},
	{from: "sync-map-churn", to: "cpu-hotspot", why: "each store hashes the key, locks a node and allocates", source: "internal/sync/hashtriemap.go, Swap"},
	{from: "repeated-setup", to: "alloc-hotspot", why: "what is set up anew is allocated anew", source: "regexp/regexp.go, compile; text/template/parse"},
	{from: "repeated-setup", to: "gc-pressure", why: "what is set up for one use is garbage after it", source: "runtime/mgcpacer.go", unless: "small-goal"},
	{from: "repeated-setup", to: "gc-assist", why: "goroutines that allocate during a mark phase must help to mark", source: "runtime/mgcmark.go, gcAssistAlloc"},
	{from: "repeated-setup", to: "cpu-hotspot", why: "setting it up costs more than using it", source: "regexp/regexp.go, compile; text/template/parse"},
	{from: "connection-churn", to: "cpu-hotspot", why: "making a connection costs more than a call on one that is kept", source: "crypto/tls/handshake_client.go; database/sql/sql.go, conn"},
	{from: "connection-churn", to: "alloc-hotspot", why: "each connection has buffers and a state of its own, garbage after one use", source: "net/http/transport.go, dialConn"},
	{from: "connection-churn", to: "gc-pressure", why: "each connection has buffers and a state of its own, garbage after one use", source: "net/http/transport.go, dialConn", unless: "small-goal"},
	{from: "timer-leak", to: "heap-growth", why: "the runtime keeps a timer, its function and all that it refers to until it fires", source: "runtime/time.go"},
	{from: "timer-leak", to: "goroutine-pileup", why: "each timer of time.AfterFunc that fires starts a goroutine", source: "time/sleep.go, goFunc"},
	{from: "context-retention", to: "heap-growth", why: "a context that can be cancelled is kept by its parent until it is", source: "context/context.go, propagateCancel"},
	{from: "goroutine-burst", to: "sched-latency", why: "what becomes runnable after a flood of goroutines queues behind it", source: "runtime/proc.go, runqput"},
	{from: "goroutine-burst", to: "fragmented-slices", why: "a goroutine that does little hands over to the next after microseconds", source: "runtime/proc.go, newproc"},
	{from: "goroutine-burst", to: "spinning", why: "each goroutine that becomes runnable wakes a processor that looks for more", source: "runtime/proc.go, newproc and wakep"},
	{from: "cpu-starvation", to: "sched-latency", why: "goroutines cannot run while the operating system runs none of the program's threads", source: "Linux Documentation/scheduler/sched-bwc.rst"},
	{from: "cpu-starvation", to: "p-idle", why: "a processor whose thread is not run by the operating system cannot take up work", source: "Linux Documentation/scheduler/sched-bwc.rst"},
	{from: "cpu-starvation", to: "stw-extension", why: "the world cannot stop before each running thread has been run again", source: "runtime/proc.go, stopTheWorldWithSema"},
	{from: "fragmented-slices", to: "spinning", why: "each hand-over wakes a processor and leaves another without work", source: "runtime/proc.go, ready and wakep"},
	{from: "pool-exhaustion", to: "goroutine-pileup", why: "whoever finds no free slot stands where it asks for one", source: "database/sql/sql.go, conn; Little's law", unless: "lock"},
	{from: "pool-exhaustion", to: "channel-backpressure", why: "the channel is a semaphore, and those who send on it wait for a slot", source: "runtime/chan.go, chansend", when: "channel"},
	{from: "blocked-downstream", to: "goroutine-pileup", why: "arrivals outpace answers, so those who wait for one pile up", source: "Little's law"},
	{from: "channel-backpressure", to: "goroutine-pileup", why: "senders outpace the receiver, so they pile up at the send", source: "runtime/chan.go, chansend", effect: "chan send"},
	{from: "blocked-downstream", to: "pool-exhaustion", why: "who waits for a peer keeps its slot meanwhile", source: "Little's law"},
	{from: "blocked-downstream", to: "channel-backpressure", why: "a receiver that waits for a peer takes nothing off its channel meanwhile", source: "runtime/chan.go, chansend"},
	{from: "syscall-blocking", to: "thread-growth", why: "a goroutine in a system call keeps its thread, and the runtime starts another to have the rest run", source: "runtime/proc.go, handoffp and startm"},
	{from: "syscall-blocking", to: "goroutine-pileup", why: "arrivals outpace the calls, so those who wait pile up", source: "Little's law"},
	{from: "syscall-blocking", to: "long-critical-section", why: "a lock is held for as long as the call inside it takes", source: "sync/mutex.go"},
	{from: "deadlock", to: "goroutine-pileup", why: "whoever asks for a lock of the cycle never gets it", source: "sync/mutex.go", effect: "lock"},
	{from: "deadlock", to: "long-critical-section", why: "a holder that waits for those who wait for its lock never gives it back", source: "sync/mutex.go"},
	{from: "deadlock", to: "mutex-hotspot", why: "whoever asks for a lock of the circle queues for it and never gets it", source: "sync/mutex.go"},
	{from: "deadlock", to: "goroutine-leak", why: "goroutines in a cycle never end", source: "sync/mutex.go"},
	{from: "memory-limit-thrash", to: "gc-pressure", why: "a heap that stands at its goal is collected again as soon as it has been collected", source: "runtime/mgcpacer.go, memoryLimitHeapGoal"},
	{from: "memory-limit-thrash", to: "gc-assist", why: "with no room left to the goal, goroutines that allocate must mark for what they allocate", source: "runtime/mgcpacer.go"},
	{from: "memory-limit-thrash", to: "stw-extension", why: "every collection stops the world twice", source: "runtime/mgc.go"},
	{from: "heap-growth", to: "memory-limit-thrash", why: "live memory that grows uses up the room below the limit", source: "runtime/mgcpacer.go, memoryLimitHeapGoal"},
	{from: "heap-growth", to: "crash", why: "live memory that grows ends in an allocation that fails", source: "runtime/malloc.go"},
	{from: "forced-gc", to: "gc-pressure", why: "every forced collection marks the whole live heap, whether there is garbage or not", source: "runtime/mgc.go, GC"},
	{from: "forced-gc", to: "stw-extension", why: "every collection stops the world twice", source: "runtime/mgc.go"},
	{from: "data-race", to: "concurrent-map-access", why: "two goroutines use the map without an order between them", source: "internal/runtime/maps/map.go"},
	{from: "data-race", to: "crash", why: "what two goroutines change at once can be seen half changed", source: "go.dev/ref/mem"},
	{from: "concurrent-map-access", to: "crash", why: "the runtime ends a program that it catches using a map from two goroutines at once", source: "internal/runtime/maps/map.go, fatal"},
	{from: "deadlock", to: "crash", why: "the runtime ends a program in which no goroutine can run any more", source: "runtime/proc.go, checkdead"},
	{from: "deadlock", to: "test-timeout", why: "a test that waits for goroutines in a cycle never ends", source: "testing/testing.go, startAlarm"},
	{from: "goroutine-leak", to: "test-timeout", why: "a test that waits for a goroutine which never ends does not end either", source: "testing/testing.go, startAlarm"},
	{from: "stw-extension", to: "sched-latency", why: "nothing is scheduled while the world is stopped", source: "runtime/proc.go, stopTheWorldWithSema"},
}

// aboutWaiting lists the claims that goroutines wait somewhere: wake-ups from
// one site to another say something about these alone.
var aboutWaiting = map[string]bool{
	"mutex-hotspot": true, "goroutine-pileup": true, "p-idle": true, "fragmented-slices": true, "goroutine-leak": true,
	"channel-backpressure": true, "pool-exhaustion": true,
}
