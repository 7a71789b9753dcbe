// Package wait is the vocabulary of waiting: what goroutines wait for, and by which frames of the
// standard and well-known libraries that is told.
package wait

// Class names what a goroutine waits for, finer than the runtime's reason: the
// reason "sync" covers mutexes, wait groups and semaphores, which only the stack
// tells apart.
type Class string

// The classes of waits.
const (
	Mutex     Class = "mutex"
	RWRead    Class = "rwmutex-read"
	RWWrite   Class = "rwmutex-write"
	WaitGroup Class = "waitgroup"
	Cond      Class = "cond"
	Sync      Class = "sync" // reason "sync" with a stack that names none of the above
	ChanSend  Class = "chan send"
	ChanRecv  Class = "chan receive"
	Select    Class = "select"
	Network   Class = "network"
	Sleep     Class = "sleep"
	Assist    Class = "GC assist wait"
	Preempted Class = "preempted"
	System    Class = "system" // the runtime's own goroutines and GC waits
	Syscall   Class = "syscall"
	Other     Class = "other"
)
