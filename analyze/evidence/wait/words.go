package wait

import (
	"strings"

	"inquest/analyze/evidence/stack"
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

// WordsAt is waitingFor with what the stack tells about input and output.
func WordsAt(c Class, slot bool, s stack.Stack) string {
	if c == Network && !slot {
		switch Poller(s) {
		case "os":
			return "wait in reads or writes of a pipe or device"
		case "":
			return "wait for input or output"
		}
	}
	return Words(c, slot)
}

// Words is a class of waits in words that end a sentence.
func Words(c Class, slot bool) string {
	switch {
	case slot:
		return "wait for a slot"
	case c.IsLock():
		return "wait for a lock"
	}
	switch c {
	case ChanSend:
		return "wait to send on a channel"
	case ChanRecv:
		return "wait to receive from a channel"
	case Select:
		return "wait in a select"
	case Coroutine:
		return "wait for their iterator to be pulled"
	case Network:
		return "wait for the network"
	case WaitGroup:
		return "wait for a wait group"
	case Cond:
		return "wait for a condition"
	case Sync:
		return "wait for a semaphore"
	case Sleep:
		return "sleep"
	case Syscall:
		return "are in a system call"
	}
	return "wait"
}

// WordsOfOne is what one goroutine does that waits: "waits to send on a channel", "is in a system call".
func WordsOfOne(c Class) string {
	words := Words(c, false)
	if rest, ok := strings.CutPrefix(words, "are "); ok {
		return "is " + rest
	}
	verb, rest, _ := strings.Cut(words, " ")
	return strings.TrimSuffix(verb+"s "+rest, " ")
}
