package wire

import "hash/maphash"

// States of goroutines and Ps as the runtime writes them (internal/trace/tracev2/events.go); none is ours:
// there is no such goroutine, or nothing is known of the P yet.
const (
	none = 0

	goRunnable = 1
	goRunning  = 2
	goSyscall  = 3
	goWaiting  = 4

	procRunning   = 1
	procIdle      = 2
	procSyscall   = 3
	procAbandoned = 4 // in a system call whose thread is not known
)

// goroutine is what the rules ask of a goroutine.
type goroutine struct {
	sequence uint64
	state    uint8
	inside   uint8 // what it is in the middle of
}

// What a goroutine can be in the middle of.
const (
	inSTW = 1 << iota
	inAssist
	inRegions
)

// proc is what the rules ask of a P.
type proc struct {
	sequence uint64
	state    uint8
	sweeping bool
}

// page holds goroutines with neighbouring ids: the runtime hands ids out in runs.
type page struct {
	number uint64
	g      [pageSize]goroutine
}

const (
	pageBits = 4
	pageSize = 1 << pageBits
	pageCost = 8 + 16*pageSize + 4*8 // bytes, with its place in the table
)

// goroutines finds goroutines by id. Pages stay where they are until the next generation.
type goroutines struct {
	recent [4096]*page // by page number, modulo
	slots  []*page     // where pages hash to, or behind that
	shift  int         // bits of a hash that are not used
	count  int         // pages in slots
	spare  []*page
	most   int64 // pages that are believed
}

// scatter is odd and unknown to who writes a trace, who could make pages collide otherwise.
var scatter = maphash.Comparable(maphash.MakeSeed(), 0) | 1

func (t *goroutines) reset(bytes int64) {
	for i, p := range t.slots {
		if p != nil {
			*p = page{}
			t.spare = append(t.spare, p)
			t.slots[i] = nil
		}
	}
	t.recent = [len(t.recent)]*page{}
	if t.slots == nil {
		t.slots, t.shift = make([]*page, 1024), 64-10
	}
	t.count, t.most = 0, 16*bytes/pageCost+1024
}

// get returns the goroutine with an id.
func (t *goroutines) get(id uint64) *goroutine {
	number := id >> pageBits
	p := t.recent[number%uint64(len(t.recent))]
	if p == nil || p.number != number {
		if p = t.page(number); p == nil {
			return nil
		}
	}
	return &p.g[id%pageSize]
}

// page returns a page, or nil when there are more than a program can have.
func (t *goroutines) page(number uint64) *page {
	slot := t.slot(number)
	if *slot == nil {
		if int64(t.count) >= t.most {
			return nil
		}
		p := t.empty()
		p.number = number
		*slot = p
		if t.count++; t.count > len(t.slots)/2 {
			t.grow()
		}
		t.recent[number%uint64(len(t.recent))] = p
		return p
	}
	t.recent[number%uint64(len(t.recent))] = *slot
	return *slot
}

// slot returns where a page is, or would be.
func (t *goroutines) slot(number uint64) **page {
	i := number * scatter >> t.shift
	for {
		p := &t.slots[i&uint64(len(t.slots)-1)]
		if *p == nil || (*p).number == number {
			return p
		}
		i++
	}
}

func (t *goroutines) empty() *page {
	if n := len(t.spare); n > 0 {
		p := t.spare[n-1]
		t.spare = t.spare[:n-1]
		return p
	}
	return &page{}
}

func (t *goroutines) grow() {
	old := t.slots
	t.slots = make([]*page, 2*len(old))
	t.shift--
	for _, p := range old {
		if p != nil {
			*t.slot(p.number) = p
		}
	}
}
