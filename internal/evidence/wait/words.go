package wait

import (
	"strings"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
	"inquest/internal/evidence/stack"
)

// Poller tells what a goroutine in the runtime's poller waits for: "net" for
// connections, "os" for files of which the poller takes pipes, FIFOs and devices
// (internal/poll/fd_unix.go), or "" when the stack does not tell.
func Poller(s stack.Stack) string {
	for _, f := range s {
		switch pkg := stack.Package(f.Function); {
		case pkg == "net" || pkg == "crypto/tls":
			return "net"
		case pkg == "os" && strings.HasPrefix(f.Function, "os.(*File)"):
			return "os"
		}
		if !stack.Standard(f.Function) {
			return ""
		}
	}
	return ""
}

// Doing is what goroutines do that wait, in words that end a sentence.
type Doing struct {
	One, Many prose.Text // "waits to send on a channel", "wait to send on a channel"
	For       prose.Text // "to send on a channel"; empty where nothing is waited for
}

// Of is what n of them do.
func (d Doing) Of(n int64) prose.Text { return quantity.Plural(n, d.One, d.Many) }

func waiting(what prose.Text) Doing { return Doing{"waits " + what, "wait " + what, what} }

// DoingAt is Doing with what the stack tells about input and output.
func (c Class) DoingAt(slot bool, s stack.Stack) Doing {
	if c == Network && !slot {
		switch Poller(s) {
		case "os":
			return waiting("in reads or writes of a pipe or device")
		case "":
			return waiting("for input or output")
		}
	}
	return c.Doing(slot)
}

// Doing is what goroutines do whose waits are of a class; slot says that what they wait for is a slot of a pool.
func (c Class) Doing(slot bool) Doing {
	switch {
	case slot:
		return waiting("for a slot")
	case c.IsLock():
		return waiting("for a lock")
	}
	switch c {
	case ChanSend:
		return waiting("to send on a channel")
	case ChanRecv:
		return waiting("to receive from a channel")
	case Select:
		return waiting("in a select")
	case Coroutine:
		return waiting("for their iterator to be pulled")
	case Network:
		return waiting("for the network")
	case WaitGroup:
		return waiting("for a wait group")
	case Cond:
		return waiting("for a condition")
	case Sync:
		return waiting("for a semaphore")
	case Sleep:
		return Doing{One: "sleeps", Many: "sleep"}
	case Syscall:
		return Doing{One: "is in a system call", Many: "are in a system call"}
	}
	return Doing{One: "waits", Many: "wait"}
}

// Words is what several do.
func Words(c Class, slot bool) prose.Text { return c.Doing(slot).Many }

// WordsOfOne is what one does.
func WordsOfOne(c Class) prose.Text { return c.Doing(false).One }

// SlotKind names the pool that a stack waits for a slot of: words for a sentence, and a variant.
func SlotKind(s stack.Stack) (words prose.Text, variant string) {
	i := SlotFrame(s)
	if i < 0 {
		return "a slot", "channel"
	}
	name := stack.Normal(s[i].Function)
	switch pkg := stack.Package(name); {
	case pkg == "database/sql", strings.HasPrefix(pkg, "github.com/jackc/puddle"):
		return "a free database connection", "database"
	case pkg == "net/http":
		return "a connection to the host", "http"
	case pkg == "golang.org/x/sync/semaphore", pkg == "golang.org/x/sync/errgroup":
		return "a slot", "semaphore"
	}
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "conn"), strings.Contains(lower, "redis"), strings.Contains(lower, "mongo"):
		return "a free connection", "database"
	case strings.Contains(lower, "worker"), strings.HasSuffix(lower, ".submit"), strings.HasSuffix(lower, ".schedule"), strings.HasSuffix(lower, ".invoke"):
		return "a free worker", "workers"
	}
	return "a slot", "semaphore"
}
