package reading

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
)

// LockWaiter is a goroutine of a dump that stands in a lock.
type LockWaiter struct {
	G      *dump.Goroutine
	Kind   string
	Call   int    // index of the frame of the site: the first above Lock that is no plumbing
	At     int    // index of the frame that goes on with the lock: the same, or a lock helper's caller
	Object uint64 // first argument word of that frame when it is a pointer in force; 0 when unknown
	// ForReaders says it is the one writer at its RWMutex that waits for readers to leave.
	ForReaders bool
}

// Site is where the goroutine uses the lock it waits for.
func (w *LockWaiter) Site() stack.Site {
	user, _ := w.User()
	return user.Site()
}

// User returns the stack from the code on that uses the lock, and the helpers it
// has passed through.
func (w *LockWaiter) User() (stack.Stack, []stack.Site) {
	return wait.LockUser(w.G.Stack()[w.Call:], nil)
}

// Lock is a lock that goroutines of a dump wait for.
type Lock struct {
	Addr    uint64        // 0 when no frame printed it
	key     string        // what waiters are grouped by: the address, else the object, else the type of the site
	Waiters []*LockWaiter // in the dump's order
	Woken   int           // goroutines just being handed the lock, or spinning for it
	Holders []LockHolder  // goroutines that may hold it
	Unread  bool          // the dump is too large to look for its holders
}

// settled reports whether who waits and who may hold the lock is all there is to
// know: nobody is just being handed it.
func (l *Lock) settled() bool { return l.Woken == 0 && !l.Unread }

// LockHolder is a goroutine that may hold a lock: its stack passes through a
// function in which others wait for the lock, below the call of Lock.
type LockHolder struct {
	G      *dump.Goroutine
	At     int         // index of the frame in the function that takes the lock
	Waits  *LockWaiter // the lock wait it stands in; nil when it stands elsewhere
	Object bool        // known only by working on the same object as the waiters
}

// Site is where the goroutine took the lock.
func (h LockHolder) Site() stack.Site { return h.G.Frames[h.At].Site() }

// Name is how the report calls the lock.
func (l *Lock) Name() claim.Text {
	if l.Addr != 0 {
		return claim.Textf("lock 0x%x", l.Addr)
	}
	site, _, _ := l.Site()
	return "a lock of " + claim.Func(site.Function).Text()
}

// Grep is a text that stands on the waiters' lines and finds them again.
func (l *Lock) Grep() claim.Text {
	if l.Addr != 0 {
		for _, w := range l.Waiters {
			for _, f := range w.G.Frames[:w.Call] {
				if f.Word(0) == l.Addr {
					text := claim.Textf("%s(0x%x", claim.Func(f.Function[strings.LastIndexByte(f.Function, '.')+1:]), l.Addr)
					if len(f.Args) == 1 {
						text += ")" // lest a longer address match
					}
					return text
				}
			}
		}
	}
	most, _, _ := l.Site()
	for _, w := range l.Waiters {
		if w.Site().Function == most.Function {
			return claim.Func(w.G.Frames[w.Call].Function).Text() + "("
		}
	}
	return claim.Func(most.Function).Text()
}

// Site is where most waiters stand; ties go to the smaller name.
func (l *Lock) Site() (site stack.Site, path []string, n int) {
	count := map[string]int{}
	for _, w := range l.Waiters {
		s := w.Site()
		count[s.Function]++
		if c := count[s.Function]; c > n || c == n && s.Function < site.Function {
			user, _ := w.User()
			site, path, n = s, user.Path(), c
		}
	}
	return site, path, n
}

// Variant is what most waiters ask for.
func (l *Lock) Variant() string {
	count, best := map[string]int{}, ""
	for _, w := range l.Waiters {
		count[w.Kind]++
		if c := count[w.Kind]; best == "" || c > count[best] || c == count[best] && w.Kind < best {
			best = w.Kind
		}
	}
	return best
}

// Locks finds the locks that goroutines of a dump wait for, most waiters first.
func Locks(d *dump.Dump) []*Lock {
	byKey := map[string]*Lock{}
	var locks []*Lock
	get := func(key string, addr uint64) *Lock {
		l := byKey[key]
		if l == nil {
			l = &Lock{Addr: addr, key: key}
			byKey[key] = l
			locks = append(locks, l)
		}
		return l
	}
	waiting := map[*dump.Goroutine]*LockWaiter{}
	var unnamed []*LockWaiter
	// The read side of an RWMutex is inlined, so its address is not printed. The
	// object that the calling method works on gives it away when a writer of
	// the same object printed the address.
	ofObject := map[uint64]map[uint64]bool{}
	var woken []uint64
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		s := g.Stack()
		use := wait.LockOf(s)
		if use.Kind == "" || use.Unlock {
			continue
		}
		addr := lockAddress(g.Frames[:use.Above])
		if !lockState(g.State) {
			woken = append(woken, addr)
			continue
		}
		w := &LockWaiter{G: g, Kind: use.Kind}
		w.Call, w.At = wait.SiteIn(s, use.Above)
		w.Object = Pointer(g.Frames[w.At])
		w.ForReaders = use.Kind == wait.LockWrite && !s[:use.Above].Contains("sync.(*Mutex).Lock", "sync.(*Mutex).lockSlow", "internal/sync.(*Mutex).lockSlow")
		waiting[g] = w
		if addr == 0 {
			unnamed = append(unnamed, w)
			continue
		}
		l := get(fmt.Sprintf("%x", addr), addr)
		l.Waiters = append(l.Waiters, w)
		if w.Object != 0 && rw(use.Kind) && addr-w.Object < maxObject {
			if ofObject[w.Object] == nil {
				ofObject[w.Object] = map[uint64]bool{}
			}
			ofObject[w.Object][addr] = true
		}
	}
	for _, w := range unnamed {
		key, addr := "", uint64(0)
		switch {
		case w.Object != 0 && rw(w.Kind) && len(ofObject[w.Object]) == 1:
			for a := range ofObject[w.Object] {
				addr = a
			}
			key = fmt.Sprintf("%x", addr)
		case w.Object != 0:
			key = fmt.Sprintf("object %x", w.Object)
		default:
			key = "code " + stack.TypeOf(w.Site().Function)
		}
		l := get(key, addr)
		l.Waiters = append(l.Waiters, w)
	}
	for _, addr := range woken {
		if l := byKey[fmt.Sprintf("%x", addr)]; l != nil && addr != 0 {
			l.Woken++
			continue
		}
		// A goroutine that is being handed a lock whose address is not printed
		// could be at any: none of the unnamed ones is stuck for certain.
		for _, l := range locks {
			if l.Addr == 0 {
				l.Woken++
			}
		}
	}
	slices.SortStableFunc(locks, func(a, b *Lock) int {
		return cmp.Or(-cmp.Compare(len(a.Waiters), len(b.Waiters)), cmp.Compare(a.key, b.key))
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

func rw(kind string) bool { return kind == wait.LockWrite || kind == wait.LockRead }

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
		if _, ok := wait.LockMethods[stack.Normal(f.Function)]; ok && Pointer(f) != 0 {
			return Pointer(f)
		}
	}
	return 0
}

// minPointer is below any address that Go hands out.
const minPointer = 4096

// Pointer returns the first argument word of a frame when it is in force and may be an address; 0 otherwise.
func Pointer(f dump.Frame) uint64 {
	if f.Word(0) < minPointer {
		return 0
	}
	return f.Word(0)
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
	waits *LockWaiter // the lock wait the goroutine stands in; nil when it stands elsewhere
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

func newSearch(d *dump.Dump, waiting map[*dump.Goroutine]*LockWaiter, locks []*Lock) *search {
	s := &search{passing: map[string][]place{}, objects: map[uint64][]place{}, budget: maxSearch}
	asked := map[string]bool{}
	for _, l := range locks {
		for _, w := range l.Waiters {
			f := w.G.Frames[w.At]
			asked[f.Function] = true
			if i, ok := l.ownerWord(f); ok && f.Word(i) != 0 {
				t := acquisition{f.Function, f.Line, i, l.Addr - f.Args[i]}
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
			from = w.At
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
func (s *search) findHolders(l *Lock) {
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
	for _, w := range l.Waiters {
		own[w.G] = true
		f := w.G.Frames[w.At]
		once = once || w.Kind == wait.LockOnce
		c := codeLine{function: f.Function, line: f.Line, object: w.Object}
		if i, ok := l.ownerWord(f); ok {
			c.object, c.word = f.Args[i], i
		}
		ask(c)
	}
	for _, t := range s.acquired {
		if l.Addr > t.offset {
			ask(codeLine{function: t.function, line: t.line, object: l.Addr - t.offset, word: t.word, exact: true})
		}
	}
	seen := map[*dump.Goroutine]bool{}
	for _, function := range order {
		for _, p := range s.passing[function] {
			if s.budget--; s.budget < 0 {
				l.Unread, l.Holders = true, nil
				return
			}
			// A second Lock further down in the function that it waits in says
			// nothing: functions that lock, unlock and lock again are common.
			if seen[p.g] || own[p.g] && p.at == p.waits.At {
				continue
			}
			if slices.ContainsFunc(asked[function], func(c codeLine) bool { return c.passedBy(p.g.Frames[p.at], once, p.g, p.at) }) {
				seen[p.g] = true
				l.Holders = append(l.Holders, LockHolder{G: p.g, At: p.at, Waits: p.waits})
			}
		}
	}
	if len(l.Holders) > 1 {
		l.narrow()
	}
	if len(l.Holders) > 0 {
		return
	}
	// Goroutines that wait for another lock and work on the object that this one belongs to.
	for _, word := range slices.Sorted(maps.Keys(l.objects())) {
		for _, p := range s.objects[word] {
			s.budget--
			if !own[p.g] && !seen[p.g] {
				seen[p.g] = true
				l.Holders = append(l.Holders, LockHolder{G: p.g, At: p.at, Waits: p.waits, Object: true})
			}
		}
	}
}

// narrow leaves of several holders those that work on the object the lock
// belongs to, if there are any: in a function that locks one account after another,
// every goroutine stands behind somebody's lock.
func (l *Lock) narrow() {
	objects := l.objects()
	var kept []LockHolder
	for _, h := range l.Holders {
		if slices.ContainsFunc(h.G.Frames[h.At].Args, func(word uint64) bool { return objects[word] }) {
			kept = append(kept, h)
		}
	}
	if len(kept) > 0 {
		l.Holders = kept
	}
}

// objects returns what the lock is a field of, as the waiters' frames print it.
func (l *Lock) objects() map[uint64]bool {
	objects := map[uint64]bool{}
	for _, w := range l.Waiters {
		for _, f := range w.G.Frames[w.Call : w.At+1] {
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
func (l *Lock) ownerWord(f dump.Frame) (word int, ok bool) {
	for i, v := range f.Args {
		if v >= minPointer && v <= l.Addr && l.Addr-v < maxObject && (!ok || v > f.Args[word]) {
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

// OtherSites returns up to four further functions in which goroutines wait for the lock.
func (l *Lock) OtherSites(first stack.Site) []stack.Site {
	var out []stack.Site
	seen := map[string]bool{first.Function: true}
	for _, w := range l.Waiters {
		user, passed := w.User()
		for _, s := range append([]stack.Site{user.Site(), user.Owner()}, passed...) {
			if !seen[s.Function] && s.Function != "" && len(out) < MaxSites-1 {
				seen[s.Function] = true
				out = append(out, s)
			}
		}
	}
	return out
}
