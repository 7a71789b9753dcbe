package exectrace

import (
	"maps"
	"slices"
	"unsafe"

	"inquest/internal/evidence/bound"
)

// goTable finds goroutines by id. Ids are handed out in runs, so pages of them
// fill well; a page whose goroutines have all ended is given back, so memory
// follows the live goroutines and not the length of the trace.
type goTable struct {
	pages  map[int64]*goPage
	recent [1024]*goPage // by page number, modulo
	spare  []*goPage     // empty
	free   []*goroutine
	slab   []goroutine
	live   int
	made   int   // so far
	bytes  int64 // of pages and goroutines, also those to be used again
}

const pageBits = 6

type goPage struct {
	number int64
	used   int
	g      [1 << pageBits]*goroutine
}

// What the table holds for a page and for a goroutine, in bytes. Readers keep a state and
// an id of every goroutine as well.
const (
	pageSize      = int64(unsafe.Sizeof(goPage{})) + 8 + 8 + bound.PerEntry
	goroutineSize = int64(unsafe.Sizeof(goroutine{})) + 200
)

// get returns the goroutine with an id and makes one when there is none.
func (t *goTable) get(id int64) *goroutine {
	number := id >> pageBits
	p := t.recent[number&int64(len(t.recent)-1)]
	if p == nil || p.number != number {
		p = t.page(number)
	}
	if g := p.g[id&(1<<pageBits-1)]; g != nil {
		return g
	}
	g := t.make(id)
	p.g[id&(1<<pageBits-1)] = g
	p.used++
	return g
}

// find returns the goroutine with an id, nil when there is none.
func (t *goTable) find(id int64) *goroutine {
	if p := t.pages[id>>pageBits]; p != nil {
		return p.g[id&(1<<pageBits-1)]
	}
	return nil
}

func (t *goTable) page(number int64) *goPage {
	slot := &t.recent[number&int64(len(t.recent)-1)]
	if old := *slot; old != nil && old.used == 0 {
		t.giveBack(old)
	}
	p := t.pages[number]
	if p == nil {
		if t.pages == nil {
			t.pages = map[int64]*goPage{}
		}
		if n := len(t.spare); n > 0 {
			p = t.spare[n-1]
			t.spare = t.spare[:n-1]
		} else {
			p = &goPage{}
			t.bytes += pageSize
		}
		p.number = number
		t.pages[number] = p
	}
	*slot = p
	return p
}

func (t *goTable) giveBack(p *goPage) {
	delete(t.pages, p.number)
	if len(t.spare) < len(t.recent) {
		t.spare = append(t.spare, p)
	} else {
		t.bytes -= pageSize
	}
}

func (t *goTable) make(id int64) *goroutine {
	t.live++
	t.made++
	var g *goroutine
	if n := len(t.free); n > 0 {
		g = t.free[n-1]
		t.free = t.free[:n-1]
		holds, regions, more, ring, old := g.holds[:0], g.regions[:0], g.seenMore[:0], g.deeds.ring, g.deeds.old
		*g = goroutine{holds: holds, regions: regions, seenMore: more}
		g.deeds.ring, g.deeds.old = ring, old
	} else {
		if len(t.slab) == 0 {
			t.slab = make([]goroutine, 64)
			t.bytes += int64(len(t.slab)) * goroutineSize
		}
		g = &t.slab[0]
		t.slab = t.slab[1:]
	}
	g.id, g.born, g.slice, g.left, g.delay, g.assist = id, -1, -1, -1, -1, -1
	g.slot = slotNone
	g.deeds.parent, g.deeds.begun = -1, -1
	return g
}

// drop forgets a goroutine that has ended.
func (t *goTable) drop(g *goroutine) {
	t.live--
	g.state = gone
	number := g.id >> pageBits
	p := t.recent[number&int64(len(t.recent)-1)]
	recent := p != nil && p.number == number
	if !recent {
		p = t.pages[number]
	}
	if p != nil {
		p.g[g.id&(1<<pageBits-1)] = nil
		// An empty page among the recent ones is about to be filled again.
		if p.used--; p.used == 0 && !recent {
			t.giveBack(p)
		}
	}
	t.free = append(t.free, g)
}

// each calls fn for every goroutine, in order of ids.
func (t *goTable) each(fn func(*goroutine)) {
	for _, number := range slices.Sorted(maps.Keys(t.pages)) {
		for _, g := range t.pages[number].g {
			if g != nil {
				fn(g)
			}
		}
	}
}
