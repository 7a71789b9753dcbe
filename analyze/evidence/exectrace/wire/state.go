package wire

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
	pageBits = 3
	pageSize = 1 << pageBits
	pageCost = 8 + 16*pageSize + 48 // bytes, with its place in the map
)

// goroutines finds goroutines by id. Pages stay where they are until the next generation.
type goroutines struct {
	recent [4096]*page // by page number, modulo
	pages  map[uint64]*page
	spare  []*page
	most   int64 // pages that are believed
}

func (t *goroutines) reset(bytes int64) {
	for _, p := range t.pages {
		*p = page{}
		t.spare = append(t.spare, p)
	}
	clear(t.pages)
	t.recent = [len(t.recent)]*page{}
	if t.pages == nil {
		t.pages = map[uint64]*page{}
	}
	t.most = 16*bytes/pageCost + 1024
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
	p := t.pages[number]
	if p == nil {
		if int64(len(t.pages)) >= t.most {
			return nil
		}
		if n := len(t.spare); n > 0 {
			p, t.spare = t.spare[n-1], t.spare[:n-1]
		} else {
			p = &page{}
		}
		p.number = number
		t.pages[number] = p
	}
	t.recent[number%uint64(len(t.recent))] = p
	return p
}
