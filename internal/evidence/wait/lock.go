package wait

import (
	"strings"

	"inquest/internal/evidence/stack"
)

// The kinds of locks, as variants of a finding name them.
const (
	LockMutex = "mutex"
	LockWrite = "rwmutex-write"
	LockRead  = "rwmutex-read"
	LockOnce  = "once"            // callers of sync.Once.Do wait for the first of them to finish
	LockFile  = "file-descriptor" // os.File and net.Conn let one goroutine read and one write at a time
)

// LockUse is what the leaf end of a stack does with a lock.
type LockUse struct {
	Kind   string // one of the lock kinds; empty when the stack stands in no lock
	Unlock bool   // it gives the lock back rather than asks for it
	Above  int    // index of the first frame that is not the lock's own
}

// LockMethods tells the lock kinds apart by the outermost of the lock's own
// frames: RWMutex.Lock calls Mutex.Lock, and Once.doSlow does too.
var LockMethods = map[string]LockUse{
	"sync.(*Mutex).Lock":              {Kind: LockMutex},
	"sync.(*Mutex).lockSlow":          {Kind: LockMutex},
	"internal/sync.(*Mutex).Lock":     {Kind: LockMutex},
	"internal/sync.(*Mutex).lockSlow": {Kind: LockMutex},
	"sync.(*RWMutex).Lock":            {Kind: LockWrite},
	"sync.(*RWMutex).RLock":           {Kind: LockRead},
	"sync.(*rlocker).Lock":            {Kind: LockRead},
	"sync.(*Once).doSlow":             {Kind: LockOnce},
	"internal/poll.(*fdMutex).rwlock": {Kind: LockFile},

	"sync.(*Mutex).Unlock":              {Kind: LockMutex, Unlock: true},
	"sync.(*Mutex).unlockSlow":          {Kind: LockMutex, Unlock: true},
	"internal/sync.(*Mutex).Unlock":     {Kind: LockMutex, Unlock: true},
	"internal/sync.(*Mutex).unlockSlow": {Kind: LockMutex, Unlock: true},
	"sync.(*RWMutex).Unlock":            {Kind: LockWrite, Unlock: true},
	"sync.(*RWMutex).RUnlock":           {Kind: LockRead, Unlock: true},
	"sync.(*RWMutex).rUnlockSlow":       {Kind: LockRead, Unlock: true},
	"sync.(*rlocker).Unlock":            {Kind: LockRead, Unlock: true},
}

// LockOf tells what the leaf end of a stack does with a lock. Waits for wait
// groups, conditions, semaphores and channels are no lock waits, though the
// runtime gives the first three the same reason.
func LockOf(s stack.Stack) LockUse {
	var use LockUse
	for i, f := range s {
		switch stack.Package(f.Function) {
		case "runtime", "sync", "internal/sync", "sync/atomic", "internal/poll", "internal/race":
		default:
			return use
		}
		if u, ok := LockMethods[stack.Normal(f.Function)]; ok {
			u.Above = i + 1
			// A Once that has run its function unlocks inside doSlow; that is no wait.
			if u.Kind == LockOnce && (use.Kind == "" || use.Unlock) {
				return use
			}
			use = u
		} else if use.Kind != "" && stack.Package(f.Function) != "internal/poll" {
			use.Above = i + 1 // (*Once).Do, (*Cond).Wait, (*Map).Store: the lock is an inner part of theirs
		}
	}
	return use
}

// SiteIn returns the index of the frame at which a lock is used, the first that
// is not plumbing, and of the one that goes on with it: the same, or the caller of
// a lock helper.
func SiteIn(s stack.Stack, from int) (call, at int) {
	call = from
	for call < len(s)-1 && stack.Plumbing(s[call].Function) {
		call++
	}
	call = max(0, min(call, len(s)-1))
	at = call
	for at < len(s)-1 && lockHelper(s[at].Function) && !stack.Standard(s[at+1].Function) {
		at++
	}
	return call, at
}

// lockHelper reports whether a function is named as one that only takes a lock
// for its caller, such as (*Store).lock: who holds the lock has left it again.
func lockHelper(function string) bool {
	name := baseName(function)
	return helperNames[name] && !strings.Contains(name, "unlock") || strings.HasPrefix(name, "lockfor") || name == "acquire"
}

// helperNames are names of functions that only take or give back a lock for
// their caller, in lower case. The code between the two is the caller's.
var helperNames = stack.Names(`lock rlock wlock mulock lockall readlock writelock acquirelock
	unlock runlock wunlock muunlock unlockall readunlock writeunlock releaselock`)

// baseName is the last part of a function's name, in lower case.
func baseName(function string) string {
	name := stack.Normal(function)
	return strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
}

// passesOn reports whether a function takes or gives back a lock for its caller
// and for nothing else: by its name, or as one of helpers.
func passesOn(function string, helpers map[string]bool) bool {
	return helpers[stack.Normal(function)] || helperNames[baseName(function)]
}

// LockUser returns the part of a stack from the code on that uses a lock: the
// first frame above the lock that is no plumbing, or the caller of functions that
// only take or give back a lock for it, which passed returns.
func LockUser(above stack.Stack, helpers map[string]bool) (user stack.Stack, passed []stack.Site) {
	at := 0
	for at < len(above)-1 && stack.Plumbing(above[at].Function) {
		at++
	}
	for at < len(above)-1 && passesOn(above[at].Function, helpers) && !stack.Standard(above[at+1].Function) {
		if name := above[at].Site(); len(passed) == 0 || passed[len(passed)-1].Function != name.Function {
			passed = append(passed, name)
		}
		at++
	}
	return above[min(at, len(above)):], passed
}

// LockIn tells the lock that a wait of a trace stands in. The stack is asked
// first; the class tells where it is cut short or begins in the runtime.
func LockIn(class Class, s stack.Stack) LockUse {
	if use := LockOf(s); use.Kind != "" && !use.Unlock {
		return use
	}
	use := LockUse{}
	switch class {
	case Mutex:
		use.Kind = LockMutex
	case RWRead:
		use.Kind = LockRead
	case RWWrite:
		use.Kind = LockWrite
	}
	return use
}
