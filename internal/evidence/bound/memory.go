package bound

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/dustin/go-humanize"
)

// Memory is the budget of everything that is read for one command. It is shared by
// whatever reads at the same time.
type Memory struct {
	mu    sync.Mutex
	room  sync.Cond // for work; see Work
	total int64
	limit int64 // of what accounts hold
	used  int64
	work  int64 // under way, see Work
	short bool
}

// Default is the budget when nobody names one, in bytes.
const Default = 1 << 30

// Least is the smallest budget that is of any use, in bytes: what the program
// itself takes comes out of it.
const Least = 32 << 20

// NewMemory returns a budget of total bytes for the process. Half of it may hold
// evidence that is read, a quarter traces that are being decoded; the rest is for
// what is made of the evidence and for the garbage in between.
func NewMemory(total int64) *Memory {
	m := &Memory{total: total, limit: total / 2}
	m.room.L = &m.mu
	return m
}

// Split returns n budgets that together are this one.
func (m *Memory) Split(n int) []*Memory {
	parts := make([]*Memory, n)
	for i := range parts {
		parts[i] = NewMemory(m.total / int64(n))
	}
	return parts
}

// Short reports whether an account was refused anything since the last call.
func (m *Memory) Short() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	short := m.short
	m.short = false
	return short
}

// Fits reports whether the accounts, had they been filled one after the other in
// this order, would have got all they asked for. What is read at the same time can
// get more or less than that, by chance.
func (m *Memory) Fits(accounts []*Account) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.used
	for _, a := range accounts {
		held -= a.granted
	}
	for _, a := range accounts {
		if held+a.most > m.limit {
			return false
		}
		held += a.granted
	}
	return true
}

// Jobs returns how many files may be read at the same time when n are asked for:
// each needs room for buffers that no account shows.
func (m *Memory) Jobs(n int) int { return int(max(1, min(int64(n), m.total/perJob))) }

const perJob = 64 << 20

// Decoding returns how many bytes of traces may be decoded at the same time.
func (m *Memory) Decoding() int64 { return min(m.total/4, maxDecoding) }

// maxDecoding is where more does not make reading faster.
const maxDecoding = 192 << 20

// Work waits until n bytes of work fit among what others have under way, which must
// end by itself. One that is larger than all that is allowed gets through alone.
// The bytes are given back with Done.
func (m *Memory) Work(n int64, alive func() bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.work > 0 && m.work+n > m.Decoding() && alive() {
		m.room.Wait()
	}
	if !alive() {
		return false
	}
	m.work += n
	return true
}

// Done gives back what Work has given, and wakes those that wait; with 0, so that they ask whether they are alive.
func (m *Memory) Done(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work -= n
	m.room.Broadcast()
}

// Account is what one file takes of the budget. A nil Account has no bound. It is
// used by one goroutine at a time.
type Account struct {
	memory  *Memory
	used    int64 // asked for
	granted int64 // of the budget: used, in large steps
	most    int64 // highest granted
}

// Account opens an account.
func (m *Memory) Account() *Account { return &Account{memory: m} }

// step is how much an account takes of the budget at a time.
const step = 64 << 10

// Grow takes n bytes, before they are allocated. It fails when they do not fit.
func (a *Account) Grow(n int64) error {
	if a == nil || n <= 0 {
		return nil
	}
	want := Add(a.used, n)
	if want <= a.granted {
		a.used = want
		return nil
	}
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	more := Add(want, step-1)/step*step - a.granted
	if Add(m.used, more) > m.limit {
		m.short = true
		return &Exceeded{Need: want, Held: m.used - a.granted, Limit: m.limit}
	}
	m.used += more
	a.granted += more
	a.most = max(a.most, a.granted)
	a.used = want
	return nil
}

// Shrink gives back n bytes.
func (a *Account) Shrink(n int64) {
	if a == nil || n <= 0 {
		return
	}
	a.used = max(0, a.used-n)
	keep := (a.used + step - 1) / step * step
	if keep == a.granted {
		return
	}
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	a.memory.used -= a.granted - keep
	a.granted = keep
}

// Close gives back everything.
func (a *Account) Close() { a.Shrink(a.Used()) }

// Used returns the bytes that the account holds.
func (a *Account) Used() int64 {
	if a == nil {
		return 0
	}
	return a.used
}

// Memory returns the budget of the account, nil when it has none.
func (a *Account) Memory() *Memory {
	if a == nil {
		return nil
	}
	return a.memory
}

// Append is append for one element, paid for before it is allocated. Both the old
// and the new elements are held while they are copied.
func Append[T any](a *Account, s []T, v T) ([]T, error) {
	if len(s) == cap(s) {
		size := int64(unsafe.Sizeof(v))
		n := max(8, cap(s)+cap(s)/2)
		if err := a.Grow(Mul(int64(n), size)); err != nil {
			return s, err
		}
		more := make([]T, len(s), n)
		copy(more, s)
		a.Shrink(int64(cap(s)) * size)
		s = more
	}
	return append(s, v), nil
}

// Make is make for a slice of n elements, paid for before it is allocated.
func Make[T any](a *Account, n int) ([]T, error) {
	if err := a.Grow(Size[T](n)); err != nil {
		return nil, err
	}
	return make([]T, n), nil
}

// Size returns the bytes of n elements.
func Size[T any](n int) int64 {
	var v T
	return Mul(int64(n), int64(unsafe.Sizeof(v)))
}

// PerEntry is about what a map takes for an entry, beside keys and values.
const PerEntry = 24

// Exceeded says that something does not fit into the budget.
type Exceeded struct {
	Need  int64 // bytes that one file needs, or more
	Held  int64 // bytes that the other files hold
	Limit int64 // bytes of the budget for evidence
	Whole bool  // Need is all of it, not what it came to before it was refused
}

// Of returns the error for a file of which only a part was read: what it would need
// in proportion.
func (e *Exceeded) Of(read, size int64) *Exceeded {
	if e.Whole || read <= 0 || read >= size {
		return e
	}
	scaled := *e
	scaled.Need = int64(min(float64(e.Need)*float64(size)/float64(read), 1<<60))
	return &scaled
}

func (e *Exceeded) Error() string {
	left := max(0, e.Limit-e.Held)
	about := "about"
	if !e.Whole {
		about = "at least"
	}
	return fmt.Sprintf("it needs %s %s of memory, and %s of the %s for evidence are left; --memory %s would allow it",
		about, humanize.IBytes(uint64(e.Need)), humanize.IBytes(uint64(left)), humanize.IBytes(uint64(e.Limit)), Enough(Add(e.Need, e.Held)))
}

// Enough returns a budget, as a flag takes it, in which so many bytes of evidence fit.
func Enough(evidence int64) string {
	total := Mul(max(evidence, 1), 2)
	// The next power of two, of which the number of files that fit changes little.
	total = 1 << min(bits.Len64(uint64(total)), 62)
	if total >= 1<<30 {
		return fmt.Sprintf("%dGiB", total>>30)
	}
	return fmt.Sprintf("%dMiB", max(total>>20, Least>>20))
}
