package memory

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
)

// swiss is the tables of maps at one line: n full ones of 1024 slots of 80 bytes,
// and some of the times when the maps were smaller.
func swiss(n int64) []Row {
	rows := []Row{Objects(90112, n, n, "main.(*Cache).Put:7")}
	for size := int64(40960); size > 1000; size /= 2 {
		rows = append(rows, Objects(size, 20, 0, "main.(*Cache).Put:7"))
	}
	return rows
}

// arrays is the bucket arrays of a map before Go 1.24, grown to 2^n KB.
func arrays(n int) []Row {
	var rows []Row
	for i := range n {
		rows = append(rows, Objects(1024<<i, 1, 0, "main.(*Cache).Put:7"))
	}
	return append(rows, Objects(1024<<n, 1, 1, "main.(*Cache).Put:7"), Objects(208, 4000, 4000, "main.(*Cache).Put:7"))
}

// quarters is the arrays of a slice that has grown by a quarter at a time, the
// last of which is in use.
func quarters(last int64) []Row {
	rows := []Row{Objects(last, 1, 1, "main.(*Cache).Put:7")}
	for size := last * 4 / 5; size > 1000; size = size * 4 / 5 {
		rows = append(rows, Objects(size, 1, 0, "main.(*Cache).Put:7"))
	}
	return rows
}

func built(version string, e *evidence.Exhibit) *evidence.Exhibit {
	e.GoVersion = version
	return e
}

func TestMapGrowth(t *testing.T) {
	growing := CPUProfile(CPU(95, "main.work"), CPU(5, "internal/runtime/maps.(*table).split", "internal/runtime/maps.(*table).rehash", "runtime.mapassign_faststr", "main.(*Cache).Put"))
	ExpectAll(t, MapGrowth, []Expect{
		{"tables that become more", Of(HeapAt(0, swiss(200)...), HeapAt(600, swiss(700)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a map at its cap", Of(HeapAt(0, swiss(700)...), HeapAt(600, swiss(700)...)), claim.Clear, ""},
		{"a map that rests after a step", Of(HeapAt(0, swiss(200)...), HeapAt(600, swiss(700)...), HeapAt(1200, swiss(700)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a map that has been filled", Of(HeapAt(0, swiss(200)...), HeapAt(600, swiss(700)...), HeapAt(1200, swiss(700)...), HeapAt(180, swiss(700)...), HeapAt(240, swiss(700)...)), claim.Found, "info main.(*Cache).Put"},
		{"just below the least growth", Of(HeapAt(0, swiss(200)...), HeapAt(600, swiss(293)...)), claim.Clear, ""},
		{"at the least growth", Of(HeapAt(0, swiss(200)...), HeapAt(600, swiss(294)...)), claim.Found, "warning main.(*Cache).Put"},
		{"less than a tenth of the heap", Of(HeapAt(0, append(swiss(20), Kept(900, "main.g"))...), HeapAt(600, append(swiss(140), Kept(900, "main.g"))...)), claim.Clear, ""},
		{"one snapshot of a large map", Of(HeapAt(0, swiss(700)...)), claim.Found, "info main.(*Cache).Put"},
		{"one snapshot of a small map", Of(HeapAt(0, append(swiss(100), Kept(90, "main.g"))...)), claim.Undecided, ""},
		{"the full tables alone", Of(HeapAt(0, Objects(27264, 600, 300, "main.f:3")), HeapAt(600, Objects(27264, 4000, 2000, "main.f:3"))), claim.Found, "warning main.f"},
		{"tables beside the values on the same line", Of(
			HeapAt(0, Objects(18432, 600, 300, "main.f:3"), Objects(96, 400_000, 400_000, "main.f:3")),
			HeapAt(600, Objects(18432, 4000, 2000, "main.f:3"), Objects(96, 2_600_000, 2_600_000, "main.f:3"))), claim.Found, "warning main.f"},
		{"equal blocks that are all kept", Of(HeapAt(0, Objects(27264, 300, 300, "main.f:3")), HeapAt(600, Objects(27264, 2000, 2000, "main.f:3"))), claim.Clear, ""},
		{"buffers of a round size", Of(HeapAt(0, Objects(65536, 600, 300, "main.f:3")), HeapAt(600, Objects(65536, 4000, 2000, "main.f:3"))), claim.Clear, ""},
		{"blocks larger than any table", Of(HeapAt(0, Objects(400<<10, 60, 30, "main.f:3")), HeapAt(600, Objects(400<<10, 400, 200, "main.f:3"))), claim.Clear, ""},
		{"library code that keeps equal blocks", Of(HeapAt(0, Objects(27264, 600, 300, "bytes.growSlice", "main.f:3")), HeapAt(600, Objects(27264, 4000, 2000, "bytes.growSlice", "main.f:3"))), claim.Clear, ""},
		{"a doubling array of Go 1.22", Of(HeapAt(0, arrays(14)...), HeapAt(600, arrays(15)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a slice that is appended to", Of(
			HeapAt(0, Objects(1<<20, 1, 0, "main.f:3"), Objects(5<<18, 1, 0, "main.f:3"), Objects(25<<16, 1, 0, "main.f:3"), Objects(8<<20, 1, 1, "main.f:3")),
			HeapAt(600, Objects(1<<20, 1, 0, "main.f:3"), Objects(5<<18, 1, 0, "main.f:3"), Objects(25<<16, 1, 0, "main.f:3"), Objects(8<<20, 1, 0, "main.f:3"), Objects(40<<20, 1, 1, "main.f:3"))), claim.Clear, ""},
		{"a slice that has been appended to for long", Of(HeapAt(0, quarters(25<<20)...), HeapAt(600, quarters(64<<20)...)), claim.Clear, ""},
		{"a doubling array where Go has none", Of(HeapAt(0, arrays(14)...), built("go1.24.1", HeapAt(600, arrays(15)...))), claim.Clear, ""},
		{"a doubling array beside small things of other sizes", Of(
			HeapAt(0, append(arrays(14), quarters(100<<10)...)...), HeapAt(600, append(arrays(15), quarters(100<<10)...)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a sync.Map that is lighter than its values", Of(
			HeapAt(0, Objects(64, 300_000, 300_000, "internal/sync.newEntryNode[...]", "sync.(*Map).Store", "main.f"), Objects(96, 300_000, 300_000, "main.f:3")),
			HeapAt(600, Objects(64, 900_000, 900_000, "internal/sync.newEntryNode[...]", "sync.(*Map).Store", "main.f"), Objects(96, 900_000, 900_000, "main.f:3"))), claim.Found, "warning main.f"},
		{"a sync.Map", Of(
			HeapAt(0, Objects(64, 300_000, 300_000, "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Swap", "sync.(*Map).Store", "main.f")),
			HeapAt(600, Objects(64, 900_000, 900_000, "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Swap", "sync.(*Map).Store", "main.f"))), claim.Found, "warning main.f"},
		{"CPU alone, at the share", Of(CPUProfile(CPU(147, "main.work"), CPU(3, "runtime.evacuate_fast64", "runtime.growWork_fast64", "runtime.mapassign_fast64", "main.f"))), claim.Found, "info main.f"},
		{"CPU alone, below the share", Of(CPUProfile(CPU(148, "main.work"), CPU(3, "runtime.evacuate_fast64", "runtime.growWork_fast64", "runtime.mapassign_fast64", "main.f"))), claim.Undecided, ""},
		{"CPU alone, below the samples", Of(CPUProfile(CPU(20, "main.work"), CPU(2, "runtime.hashGrow", "runtime.mapassign", "main.f"))), claim.Undecided, ""},
		{"small maps made by the thousand", Of(CPUProfile(CPU(90, "main.work"), CPU(10, "internal/runtime/maps.(*table).grow", "internal/runtime/maps.(*table).rehash", "runtime.mapassign_faststr", "main.f"))), claim.Undecided, ""},
		{"a map that is assigned to without growing", Of(CPUProfile(CPU(20, "main.work"), CPU(50, "runtime.mapassign_faststr", "main.f"))), claim.Undecided, ""},
		{"maps built anew beside a steady heap", Of(HeapAt(0, Kept(20, "main.g")), HeapAt(600, Kept(20, "main.g")), growing), claim.Found, "info main.(*Cache).Put"},
	})
	got := Judge(t, MapGrowth, HeapAt(0, swiss(200)...), HeapAt(600, swiss(700)...), HeapAt(1200, swiss(1200)...), growing).All.Findings
	if len(got) != 1 || got[0].Confidence == claim.Low || got[0].Variant != "map" {
		t.Errorf("heap and CPU together: %+v", got)
	}
	if got := Judge(t, MapGrowth, HeapAt(0, swiss(1)...)); got.Result != claim.Undecided {
		t.Errorf("one small map: %s", got.Result)
	}
}
