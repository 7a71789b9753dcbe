package detect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"inquest/analyze/evidence/dump"
	"inquest/analyze/evidence/stack"
)

// The kinds of locks, as variants of a finding name them.
const (
	lockMutex  = "mutex"
	lockWrite  = "rwmutex-write"
	lockRead   = "rwmutex-read"
	lockOnce   = "once"            // callers of sync.Once.Do wait for the first of them to finish
	lockFileIO = "file-descriptor" // os.File and net.Conn let one goroutine read and one write at a time
)

// lockUse is what the leaf end of a stack does with a lock.
type lockUse struct {
	kind   string // one of the lock kinds; empty when the stack stands in no lock
	unlock bool   // it gives the lock back rather than asks for it
	above  int    // index of the first frame that is not the lock's own
}

// lockMethods tells the lock kinds apart by the outermost of the lock's own
// frames: RWMutex.Lock calls Mutex.Lock, and Once.doSlow does too.
var lockMethods = map[string]lockUse{
	"sync.(*Mutex).Lock":              {kind: lockMutex},
	"sync.(*Mutex).lockSlow":          {kind: lockMutex},
	"internal/sync.(*Mutex).Lock":     {kind: lockMutex},
	"internal/sync.(*Mutex).lockSlow": {kind: lockMutex},
	"sync.(*RWMutex).Lock":            {kind: lockWrite},
	"sync.(*RWMutex).RLock":           {kind: lockRead},
	"sync.(*rlocker).Lock":            {kind: lockRead},
	"sync.(*Once).doSlow":             {kind: lockOnce},
	"internal/poll.(*fdMutex).rwlock": {kind: lockFileIO},

	"sync.(*Mutex).Unlock":              {kind: lockMutex, unlock: true},
	"sync.(*Mutex).unlockSlow":          {kind: lockMutex, unlock: true},
	"internal/sync.(*Mutex).Unlock":     {kind: lockMutex, unlock: true},
	"internal/sync.(*Mutex).unlockSlow": {kind: lockMutex, unlock: true},
	"sync.(*RWMutex).Unlock":            {kind: lockWrite, unlock: true},
	"sync.(*RWMutex).RUnlock":           {kind: lockRead, unlock: true},
	"sync.(*RWMutex).rUnlockSlow":       {kind: lockRead, unlock: true},
	"sync.(*rlocker).Unlock":            {kind: lockRead, unlock: true},
}

// lockOf tells what the leaf end of a stack does with a lock. Waits for wait
// groups, conditions, semaphores and channels are no lock waits, though the
// runtime gives the first three the same reason.
func lockOf(s stack.Stack) lockUse {
	var use lockUse
	for i, f := range s {
		switch stack.Package(f.Function) {
		case "runtime", "sync", "internal/sync", "sync/atomic", "internal/poll", "internal/race":
		default:
			return use
		}
		if u, ok := lockMethods[stack.Normal(f.Function)]; ok {
			u.above = i + 1
			// A Once that has run its function unlocks inside doSlow; that is no wait.
			if u.kind == lockOnce && (use.kind == "" || use.unlock) {
				return use
			}
			use = u
		} else if use.kind != "" && stack.Package(f.Function) != "internal/poll" {
			use.above = i + 1 // (*Once).Do, (*Cond).Wait, (*Map).Store: the lock is an inner part of theirs
		}
	}
	return use
}

// siteIn returns the index of the frame at which a lock is used, the first that
// is not plumbing, and of the one that goes on with it: the same, or the caller of
// a lock helper.
func siteIn(s stack.Stack, from int) (call, at int) {
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
var helperNames = names(`lock rlock wlock mulock lockall readlock writelock acquirelock
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

// userOf returns the part of a stack from the code on that uses a lock: the
// first frame above the lock that is no plumbing, or the caller of functions that
// only take or give back a lock for it, which passed returns.
func userOf(above stack.Stack, helpers map[string]bool) (user stack.Stack, passed []stack.Site) {
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

// lockWaiter is a goroutine of a dump that stands in a lock.
type lockWaiter struct {
	g      *dump.Goroutine
	kind   string
	call   int    // index of the frame of the site: the first above Lock that is no plumbing
	at     int    // index of the frame that goes on with the lock: the same, or a lock helper's caller
	object uint64 // first argument word of that frame when it is a pointer in force; 0 when unknown
	// ForReaders says it is the one writer at its RWMutex that waits for readers to leave.
	forReaders bool
}

func (w *lockWaiter) site() stack.Site {
	user, _ := w.user()
	return user.Site()
}

// user returns the stack from the code on that uses the lock, and the helpers it
// has passed through.
func (w *lockWaiter) user() (stack.Stack, []stack.Site) { return userOf(w.g.Stack()[w.call:], nil) }

// dumpLock is a lock that goroutines of a dump wait for.
type dumpLock struct {
	addr    uint64        // 0 when no frame printed it
	key     string        // what waiters are grouped by: the address, else the object, else the type of the site
	waiters []*lockWaiter // in the dump's order
	woken   int           // goroutines just being handed the lock, or spinning for it
	holders []lockHolder  // goroutines that may hold it
	unread  bool          // the dump is too large to look for its holders
}

// settled reports whether who waits and who may hold the lock is all there is to
// know: nobody is just being handed it.
func (l *dumpLock) settled() bool { return l.woken == 0 && !l.unread }

// lockHolder is a goroutine that may hold a lock: its stack passes through a
// function in which others wait for the lock, below the call of Lock.
type lockHolder struct {
	g      *dump.Goroutine
	at     int         // index of the frame in the function that takes the lock
	waits  *lockWaiter // the lock wait it stands in; nil when it stands elsewhere
	object bool        // known only by working on the same object as the waiters
}

func (h lockHolder) site() stack.Site { return h.g.Frames[h.at].Site() }

// name is how the report calls the lock.
func (l *dumpLock) name() string {
	if l.addr != 0 {
		return fmt.Sprintf("lock 0x%x", l.addr)
	}
	site, _, _ := l.site()
	return "a lock of " + site.Function
}

// grep is a text that stands on the waiters' lines and finds them again.
func (l *dumpLock) grep() string {
	if l.addr != 0 {
		for _, w := range l.waiters {
			for _, f := range w.g.Frames[:w.call] {
				if f.Word(0) == l.addr {
					text := fmt.Sprintf("%s(0x%x", f.Function[strings.LastIndexByte(f.Function, '.')+1:], l.addr)
					if len(f.Args) == 1 {
						text += ")" // lest a longer address match
					}
					return text
				}
			}
		}
	}
	most, _, _ := l.site()
	for _, w := range l.waiters {
		if w.site().Function == most.Function {
			return w.g.Frames[w.call].Function + "("
		}
	}
	return most.Function
}

// site is where most waiters stand; ties go to the smaller name.
func (l *dumpLock) site() (site stack.Site, path []string, n int) {
	count := map[string]int{}
	for _, w := range l.waiters {
		s := w.site()
		count[s.Function]++
		if c := count[s.Function]; c > n || c == n && s.Function < site.Function {
			user, _ := w.user()
			site, path, n = s, user.Path(), c
		}
	}
	return site, path, n
}

// variant is what most waiters ask for.
func (l *dumpLock) variant() string {
	count, best := map[string]int{}, ""
	for _, w := range l.waiters {
		count[w.kind]++
		if c := count[w.kind]; best == "" || c > count[best] || c == count[best] && w.kind < best {
			best = w.kind
		}
	}
	return best
}

// locksOf finds the locks that goroutines of a dump wait for, most waiters first.
func locksOf(d *dump.Dump) []*dumpLock {
	byKey := map[string]*dumpLock{}
	var locks []*dumpLock
	get := func(key string, addr uint64) *dumpLock {
		l := byKey[key]
		if l == nil {
			l = &dumpLock{addr: addr, key: key}
			byKey[key] = l
			locks = append(locks, l)
		}
		return l
	}
	waiting := map[*dump.Goroutine]*lockWaiter{}
	var unnamed []*lockWaiter
	// The read side of an RWMutex is inlined, so its address is not printed. The
	// object that the calling method works on gives it away when a writer of
	// the same object printed the address.
	ofObject := map[uint64]map[uint64]bool{}
	var woken []uint64
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		use := lockOf(s)
		if use.kind == "" || use.unlock {
			continue
		}
		addr := lockAddress(g.Frames[:use.above])
		if !lockState(g.State) {
			woken = append(woken, addr)
			continue
		}
		w := &lockWaiter{g: g, kind: use.kind}
		w.call, w.at = siteIn(s, use.above)
		w.object = pointer(g.Frames[w.at])
		w.forReaders = use.kind == lockWrite && !s[:use.above].Contains("sync.(*Mutex).Lock", "sync.(*Mutex).lockSlow", "internal/sync.(*Mutex).lockSlow")
		waiting[g] = w
		if addr == 0 {
			unnamed = append(unnamed, w)
			continue
		}
		l := get(fmt.Sprintf("%x", addr), addr)
		l.waiters = append(l.waiters, w)
		if w.object != 0 && rw(use.kind) && addr-w.object < maxObject {
			if ofObject[w.object] == nil {
				ofObject[w.object] = map[uint64]bool{}
			}
			ofObject[w.object][addr] = true
		}
	}
	for _, w := range unnamed {
		key, addr := "", uint64(0)
		switch {
		case w.object != 0 && rw(w.kind) && len(ofObject[w.object]) == 1:
			for a := range ofObject[w.object] {
				addr = a
			}
			key = fmt.Sprintf("%x", addr)
		case w.object != 0:
			key = fmt.Sprintf("object %x", w.object)
		default:
			key = "code " + typeOf(w.site().Function)
		}
		l := get(key, addr)
		l.waiters = append(l.waiters, w)
	}
	for _, addr := range woken {
		if l := byKey[fmt.Sprintf("%x", addr)]; l != nil && addr != 0 {
			l.woken++
			continue
		}
		// A goroutine that is being handed a lock whose address is not printed
		// could be at any: none of the unnamed ones is stuck for certain.
		for _, l := range locks {
			if l.addr == 0 {
				l.woken++
			}
		}
	}
	slices.SortStableFunc(locks, func(a, b *dumpLock) int {
		return cmp.Or(-cmp.Compare(len(a.waiters), len(b.waiters)), cmp.Compare(a.key, b.key))
	})
	s := newSearch(d, waiting, locks)
	for _, l := range locks {
		s.findHolders(l)
	}
	return locks
}

// maxObject is how far behind its object's start a lock may stand and still be
// taken for the object's own.
const maxObject = 4096

func rw(kind string) bool { return kind == lockWrite || kind == lockRead }

// lockState reports whether a goroutine's state is a wait for a lock; other
// states inside Lock are those of goroutines that spin or have been woken.
func lockState(state string) bool {
	return strings.HasPrefix(state, "sync.") || strings.HasPrefix(state, "semacquire")
}

// lockAddress returns the address that the innermost lock frame with arguments
// in force prints; an RWMutex begins with its Mutex (sync/rwmutex.go), so both
// have one address. 0 when every such frame is inlined or stale.
func lockAddress(frames []dump.Frame) uint64 {
	for _, f := range frames {
		if _, ok := lockMethods[stack.Normal(f.Function)]; ok && pointer(f) != 0 {
			return pointer(f)
		}
	}
	return 0
}

// minPointer is below any address that Go hands out.
const minPointer = 4096

// pointer returns the first argument word of a frame when it is in force and may be an address; 0 otherwise.
func pointer(f dump.Frame) uint64 {
	if f.Word(0) < minPointer {
		return 0
	}
	return f.Word(0)
}

// typeOf cuts the method off a function name: locks are mostly taken by the
// methods of one type, or by the functions of one package.
func typeOf(function string) string {
	if i := strings.LastIndexByte(function, '.'); i > 0 {
		return function[:i]
	}
	return function
}

// codeLine is a line at which goroutines wait for a lock.
type codeLine struct {
	function string
	line     int
	object   uint64 // what the lock is a field of; 0 when unknown
	word     int    // the argument word that is it
	exact    bool   // nobody waits for this very lock here: whoever has passed must be seen to work on its object
}

// acquisition is a line that takes the lock in the object that one of its function's
// arguments points to, as any waiter that prints both shows: whoever has passed it
// holds the lock of what it was given itself.
type acquisition struct {
	function string
	line     int
	word     int
	offset   uint64 // of the lock in the object
}

// maxLines bounds the lines remembered for one function, and the acquisitions of a dump.
const maxLines = 64

// place is a frame of a goroutine.
type place struct {
	g     *dump.Goroutine
	at    int
	waits *lockWaiter // the lock wait the goroutine stands in; nil when it stands elsewhere
}

// search finds the holders of a dump's locks.
type search struct {
	passing  map[string][]place // frames in functions in which anybody waits for a lock
	objects  map[uint64][]place // frames of waiting goroutines, by argument word
	acquired []acquisition
	budget   int // frames still to be looked at
}

// maxSearch bounds the frames looked at in one dump; the fixtures need some
// thousands, a hundred thousand goroutines in one lock some hundred thousand.
const maxSearch = 5_000_000

func newSearch(d *dump.Dump, waiting map[*dump.Goroutine]*lockWaiter, locks []*dumpLock) *search {
	s := &search{passing: map[string][]place{}, objects: map[uint64][]place{}, budget: maxSearch}
	asked := map[string]bool{}
	for _, l := range locks {
		for _, w := range l.waiters {
			f := w.g.Frames[w.at]
			asked[f.Function] = true
			if i, ok := l.ownerWord(f); ok && f.Word(i) != 0 {
				t := acquisition{f.Function, f.Line, i, l.addr - f.Args[i]}
				if len(s.acquired) < maxLines && !slices.Contains(s.acquired, t) {
					s.acquired = append(s.acquired, t)
				}
			}
		}
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		w := waiting[g]
		from := 0
		if w != nil {
			from = w.at
		}
		for at := from; at < len(g.Frames); at++ {
			f := &g.Frames[at]
			if asked[f.Function] {
				s.passing[f.Function] = append(s.passing[f.Function], place{g, at, w})
			}
			if w == nil {
				continue
			}
			for _, word := range f.Args {
				if word >= minPointer {
					s.objects[word] = append(s.objects[word], place{g, at, w})
				}
			}
		}
	}
	return s
}

// findHolders looks for goroutines whose stack passes through a function in
// which others wait for the lock, on a later line than the wait: they have been
// given the lock there, though they may have given it back before they went on.
func (s *search) findHolders(l *dumpLock) {
	own := map[*dump.Goroutine]bool{}
	asked := map[string][]codeLine{}
	var order []string
	once := false
	ask := func(c codeLine) {
		if asked[c.function] == nil {
			order = append(order, c.function)
		}
		if !slices.Contains(asked[c.function], c) && len(asked[c.function]) < maxLines {
			asked[c.function] = append(asked[c.function], c)
		}
	}
	for _, w := range l.waiters {
		own[w.g] = true
		f := w.g.Frames[w.at]
		once = once || w.kind == lockOnce
		c := codeLine{function: f.Function, line: f.Line, object: w.object}
		if i, ok := l.ownerWord(f); ok {
			c.object, c.word = f.Args[i], i
		}
		ask(c)
	}
	for _, t := range s.acquired {
		if l.addr > t.offset {
			ask(codeLine{function: t.function, line: t.line, object: l.addr - t.offset, word: t.word, exact: true})
		}
	}
	seen := map[*dump.Goroutine]bool{}
	for _, function := range order {
		for _, p := range s.passing[function] {
			if s.budget--; s.budget < 0 {
				l.unread, l.holders = true, nil
				return
			}
			// A second Lock further down in the function that it waits in says
			// nothing: functions that lock, unlock and lock again are common.
			if seen[p.g] || own[p.g] && p.at == p.waits.at {
				continue
			}
			if slices.ContainsFunc(asked[function], func(c codeLine) bool { return c.passedBy(p.g.Frames[p.at], once, p.g, p.at) }) {
				seen[p.g] = true
				l.holders = append(l.holders, lockHolder{g: p.g, at: p.at, waits: p.waits})
			}
		}
	}
	if len(l.holders) > 1 {
		l.narrow()
	}
	if len(l.holders) > 0 {
		return
	}
	// Goroutines that wait for another lock and work on the object that this one belongs to.
	for _, word := range slices.Sorted(maps.Keys(l.objects())) {
		for _, p := range s.objects[word] {
			s.budget--
			if !own[p.g] && !seen[p.g] {
				seen[p.g] = true
				l.holders = append(l.holders, lockHolder{g: p.g, at: p.at, waits: p.waits, object: true})
			}
		}
	}
}

// narrow leaves of several holders those that work on the object the lock
// belongs to, if there are any: in a function that locks one account after another,
// every goroutine stands behind somebody's lock.
func (l *dumpLock) narrow() {
	objects := l.objects()
	var kept []lockHolder
	for _, h := range l.holders {
		if slices.ContainsFunc(h.g.Frames[h.at].Args, func(word uint64) bool { return objects[word] }) {
			kept = append(kept, h)
		}
	}
	if len(kept) > 0 {
		l.holders = kept
	}
}

// objects returns what the lock is a field of, as the waiters' frames print it.
func (l *dumpLock) objects() map[uint64]bool {
	objects := map[uint64]bool{}
	for _, w := range l.waiters {
		for _, f := range w.g.Frames[w.call : w.at+1] {
			if i, ok := l.ownerWord(f); ok {
				objects[f.Args[i]] = true
			}
		}
	}
	return objects
}

// ownerWord returns which argument word of a waiter's frame points to the object
// that the lock is a field of: the pointer that the lock's address stands closest behind. A
// frame marked stale may have other words in force, and a stale word next to
// the lock would be a strange accident.
func (l *dumpLock) ownerWord(f dump.Frame) (word int, ok bool) {
	for i, v := range f.Args {
		if v >= minPointer && v <= l.addr && l.addr-v < maxObject && (!ok || v > f.Args[word]) {
			word, ok = i, true
		}
	}
	return word, ok
}

func (c codeLine) passedBy(f dump.Frame, once bool, g *dump.Goroutine, at int) bool {
	word := f.Word(c.word)
	if c.object != 0 && word != c.object && (c.exact || word >= minPointer) {
		return false // at work on another object, with a lock of its own
	}
	if once {
		// Inside Once.Do the caller's frame stands on the very line the others wait at.
		return f.Line == c.line && at > 0 && g.Frames[at-1].Function == "sync.(*Once).Do"
	}
	return f.Line > c.line
}
