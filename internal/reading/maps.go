package reading

import (
	"go/version"
	"math"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// MapShape is where a function's maps stand in a heap profile.
type MapShape struct {
	Lines   []int // that allocate blocks with the sizes of tables
	Sure    bool  // the sizes alone prove it
	SyncMap bool
}

// Text names the flavour of map.
func (s MapShape) Text() claim.Text {
	if s.SyncMap {
		return "sync.Map"
	}
	return "map"
}

// Focus is the options with which pprof shows what Sum adds up.
func (s MapShape) Focus() claim.Text {
	if s.SyncMap {
		return `-focus=^internal/sync[.]|^sync[.](\(\*Map\)|newEntry)`
	}
	return claim.Textf("-tagfocus=%db:", smallTable)
}

// MapsOf looks for maps among what a function allocated. Values that the same
// function made weigh more than the maps that hold them and say nothing.
func MapsOf(h *HeapSite, minBlocks int64, go124 bool) MapShape {
	var s MapShape
	for line, sizes := range h.Direct {
		if ok, sure := tablesAt(sizes, minBlocks, go124); ok {
			s.Lines = append(s.Lines, line)
			s.Sure = s.Sure || sure
		}
	}
	if h.SyncMap.Inuse > s.Sum(h).Inuse {
		return MapShape{Sure: true, SyncMap: true}
	}
	return s
}

// TableMaps reports whether a program is known to be built with Go 1.24 or later,
// whose maps are made of tables.
func TableMaps(goVersion string) bool {
	return goVersion != "" && version.Compare(goVersion, "go1.24") >= 0
}

// Sum adds up what the maps hold in a snapshot, which may be an earlier one.
func (s MapShape) Sum(h *HeapSite) HeapSum {
	if s.SyncMap {
		return h.SyncMap
	}
	var sum HeapSum
	for _, line := range s.Lines {
		for size, o := range h.Direct[line] {
			if size >= smallTable {
				sum.Add(*o)
			}
		}
	}
	return sum
}

// Holds reports whether a sample of a heap profile is of what Sum adds up, where that is built-in maps.
func (s MapShape) Holds(x *pprofile.Sample) bool {
	return !s.SyncMap && x.Size >= smallTable && len(x.Stack) > 0 && !stack.Standard(x.Stack[0].Function) && slices.Contains(s.Lines, x.Stack[0].Line)
}

// tablesAt judges the objects that one line allocated by their sizes.
func tablesAt(sizes map[int64]*HeapSum, minBlocks int64, go124 bool) (ok, sure bool) {
	var all HeapSum
	var top int64 // the size with most memory in use
	ordered := make([]int64, 0, len(sizes))
	for size, s := range sizes {
		// The values that a map points to are often made on the line that assigns them.
		if size < smallTable {
			continue
		}
		all.Add(*s)
		ordered = append(ordered, size)
		if top == 0 || s.Inuse > sizes[top].Inuse || s.Inuse == sizes[top].Inuse && size > top {
			top = size
		}
	}
	if top == 0 || all.Inuse == 0 {
		return false, false
	}
	slices.Sort(ordered)
	steps := doublings(ordered, top)
	plateau := sizes[top].Inuse*2 >= all.Inuse && sizes[top].InuseObjects >= minBlocks
	// Since Go 1.24: many tables of the greatest size and, of the times when the
	// maps were smaller, some of each size below.
	if plateau && top <= maxTable && steps >= 2 {
		return true, true
	}
	// One large map shows few of its small tables, as only one object per 512 KiB is
	// sampled. But a split makes two new tables of one (internal/runtime/maps/table.go,
	// split), so half of what was ever allocated is in use; of blocks that are simply
	// kept it is all. Powers of two are what buffers are made of, and tables are not.
	kept := evidence.Part(sizes[top].Inuse, sizes[top].Alloc).Number
	if plateau && top >= minTable && top <= maxTable && top&(top-1) != 0 && isHalf(kept) {
		return true, false
	}
	// Before Go 1.24: one array that doubles on and on.
	last := ordered[len(ordered)-1]
	if !go124 && last >= minArray && doublings(ordered, last) >= minDoublings && doubles(ordered) && sizes[top].Inuse*2 >= all.Inuse && top >= last/sampledAway {
		return true, true
	}
	return false, false
}

// doubles reports whether of the greatest sizes, down to a thirty-second of the
// greatest, most are followed by one about twice as large. A slice that is appended
// to grows by a quarter at these sizes (runtime/slice.go, nextslicecap), which comes near
// every doubling at each third step.
func doubles(ordered []int64) bool {
	near, steps := 0, 0
	last := ordered[len(ordered)-1]
	for i := 1; i < len(ordered); i++ {
		if ordered[i-1] < last/largest {
			continue
		}
		steps++
		if float64(ordered[i]) < nearlyTwice*float64(ordered[i-1]) {
			near++
		}
	}
	return near*2 < steps
}

// The sizes that a full table of 1024 slots can have: a control byte per slot,
// and slots of at least 2 and at most 264 bytes, as larger keys and values are kept
// outside (internal/runtime/maps/table.go, maxTableCapacity; internal/abi/map.go,
// MapMaxKeyBytes and MapMaxElemBytes), rounded up to whole pages.
const (
	smallTable = 1024 // below, it may be anything
	minTable   = 1024 * (1 + 2)
	maxTable   = 1024*(1+264) + 8192
)

// How a map of Go before 1.24 shows: one array of buckets that doubles on and on (runtime/map.go, hashGrow). What one
// meets besides the greatest depends on what was sampled.
const (
	minArray     = 1 << 20 // bytes of the greatest array: below, few of them are sampled at one object per 512 KiB
	minDoublings = 4       // sizes below the greatest, each half of the one before: a slice that grows meets three by chance
	sampledAway  = 4       // the size with most bytes is the greatest, or one of the two before it: the greatest alone may not be sampled
	largest      = 32      // sizes are compared down to one part in so many of the greatest: five doublings
	nearlyTwice  = 1.6     // between the quarter by which slices grow at these sizes (runtime/slice.go, nextslicecap) and two
	sizeClass    = 0.15    // part by which a size may lie beside a power of two: size classes round up by an eighth at most (runtime/sizeclasses.go)
)

// isHalf reports whether a share is about a half, as far as sampling tells.
func isHalf(share float64) bool { return math.Abs(share-half) <= aboutHalf }

const (
	half      = 0.5
	aboutHalf = 0.2 // how far from it a share of some dozens of samples may lie
)

// doublings counts how many of the sizes lie one, two, three, ... halvings below
// top without a gap longer than one step. Size classes round up by an eighth at most
// (internal/runtime/gc/sizeclasses.go).
func doublings(ordered []int64, top int64) int {
	n, missed := 0, 0
	for want := float64(top) / 2; want >= smallTable && missed < 2; want /= 2 {
		if slices.ContainsFunc(ordered, func(s int64) bool { return math.Abs(float64(s)-want) <= want*sizeClass }) {
			n, missed = n+1, 0
		} else {
			missed++
		}
	}
	return n
}
