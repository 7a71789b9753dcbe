package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// swiss is the tables of maps at one line: n full ones of 1024 slots of 80 bytes,
// and some of the times when the maps were smaller.
func swiss(n int64) []row {
	rows := []row{objects(90112, n, n, "main.(*Cache).Put:7")}
	for size := int64(40960); size > 1000; size /= 2 {
		rows = append(rows, objects(size, 20, 0, "main.(*Cache).Put:7"))
	}
	return rows
}

// arrays is the bucket arrays of a map before Go 1.24, grown to 2^n KB.
func arrays(n int) []row {
	var rows []row
	for i := range n {
		rows = append(rows, objects(1024<<i, 1, 0, "main.(*Cache).Put:7"))
	}
	return append(rows, objects(1024<<n, 1, 1, "main.(*Cache).Put:7"), objects(208, 4000, 4000, "main.(*Cache).Put:7"))
}

// quarters is the arrays of a slice that has grown by a quarter at a time, the
// last of which is in use.
func quarters(last int64) []row {
	rows := []row{objects(last, 1, 1, "main.(*Cache).Put:7")}
	for size := last * 4 / 5; size > 1000; size = size * 4 / 5 {
		rows = append(rows, objects(size, 1, 0, "main.(*Cache).Put:7"))
	}
	return rows
}

func built(version string, e *evidence.Exhibit) *evidence.Exhibit {
	e.GoVersion = version
	return e
}

func TestMapGrowth(t *testing.T) {
	growing := cpuProfile(cpu(95, "main.work"), cpu(5, "internal/runtime/maps.(*table).split", "internal/runtime/maps.(*table).rehash", "runtime.mapassign_faststr", "main.(*Cache).Put"))
	expectAll(t, MapGrowth, []expect{
		{"tables that become more", of(heapAt(0, swiss(200)...), heapAt(600, swiss(700)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a map at its cap", of(heapAt(0, swiss(700)...), heapAt(600, swiss(700)...)), claim.Clear, ""},
		{"a map that rests after a step", of(heapAt(0, swiss(200)...), heapAt(600, swiss(700)...), heapAt(1200, swiss(700)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a map that has been filled", of(heapAt(0, swiss(200)...), heapAt(600, swiss(700)...), heapAt(1200, swiss(700)...), heapAt(180, swiss(700)...), heapAt(240, swiss(700)...)), claim.Found, "info main.(*Cache).Put"},
		{"just below the least growth", of(heapAt(0, swiss(200)...), heapAt(600, swiss(293)...)), claim.Clear, ""},
		{"at the least growth", of(heapAt(0, swiss(200)...), heapAt(600, swiss(294)...)), claim.Found, "warning main.(*Cache).Put"},
		{"less than a tenth of the heap", of(heapAt(0, append(swiss(20), kept(900, "main.g"))...), heapAt(600, append(swiss(140), kept(900, "main.g"))...)), claim.Clear, ""},
		{"one snapshot of a large map", of(heapAt(0, swiss(700)...)), claim.Found, "info main.(*Cache).Put"},
		{"one snapshot of a small map", of(heapAt(0, append(swiss(100), kept(90, "main.g"))...)), claim.Undecided, ""},
		{"the full tables alone", of(heapAt(0, objects(27264, 600, 300, "main.f:3")), heapAt(600, objects(27264, 4000, 2000, "main.f:3"))), claim.Found, "warning main.f"},
		{"tables beside the values on the same line", of(
			heapAt(0, objects(18432, 600, 300, "main.f:3"), objects(96, 400_000, 400_000, "main.f:3")),
			heapAt(600, objects(18432, 4000, 2000, "main.f:3"), objects(96, 2_600_000, 2_600_000, "main.f:3"))), claim.Found, "warning main.f"},
		{"equal blocks that are all kept", of(heapAt(0, objects(27264, 300, 300, "main.f:3")), heapAt(600, objects(27264, 2000, 2000, "main.f:3"))), claim.Clear, ""},
		{"buffers of a round size", of(heapAt(0, objects(65536, 600, 300, "main.f:3")), heapAt(600, objects(65536, 4000, 2000, "main.f:3"))), claim.Clear, ""},
		{"blocks larger than any table", of(heapAt(0, objects(400<<10, 60, 30, "main.f:3")), heapAt(600, objects(400<<10, 400, 200, "main.f:3"))), claim.Clear, ""},
		{"library code that keeps equal blocks", of(heapAt(0, objects(27264, 600, 300, "bytes.growSlice", "main.f:3")), heapAt(600, objects(27264, 4000, 2000, "bytes.growSlice", "main.f:3"))), claim.Clear, ""},
		{"a doubling array of Go 1.22", of(heapAt(0, arrays(14)...), heapAt(600, arrays(15)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a slice that is appended to", of(
			heapAt(0, objects(1<<20, 1, 0, "main.f:3"), objects(5<<18, 1, 0, "main.f:3"), objects(25<<16, 1, 0, "main.f:3"), objects(8<<20, 1, 1, "main.f:3")),
			heapAt(600, objects(1<<20, 1, 0, "main.f:3"), objects(5<<18, 1, 0, "main.f:3"), objects(25<<16, 1, 0, "main.f:3"), objects(8<<20, 1, 0, "main.f:3"), objects(40<<20, 1, 1, "main.f:3"))), claim.Clear, ""},
		{"a slice that has been appended to for long", of(heapAt(0, quarters(25<<20)...), heapAt(600, quarters(64<<20)...)), claim.Clear, ""},
		{"a doubling array where Go has none", of(heapAt(0, arrays(14)...), built("go1.24.1", heapAt(600, arrays(15)...))), claim.Clear, ""},
		{"a doubling array beside small things of other sizes", of(
			heapAt(0, append(arrays(14), quarters(100<<10)...)...), heapAt(600, append(arrays(15), quarters(100<<10)...)...)), claim.Found, "warning main.(*Cache).Put"},
		{"a sync.Map that is lighter than its values", of(
			heapAt(0, objects(64, 300_000, 300_000, "internal/sync.newEntryNode[...]", "sync.(*Map).Store", "main.f"), objects(96, 300_000, 300_000, "main.f:3")),
			heapAt(600, objects(64, 900_000, 900_000, "internal/sync.newEntryNode[...]", "sync.(*Map).Store", "main.f"), objects(96, 900_000, 900_000, "main.f:3"))), claim.Found, "warning main.f"},
		{"a sync.Map", of(
			heapAt(0, objects(64, 300_000, 300_000, "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Swap", "sync.(*Map).Store", "main.f")),
			heapAt(600, objects(64, 900_000, 900_000, "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Swap", "sync.(*Map).Store", "main.f"))), claim.Found, "warning main.f"},
		{"CPU alone, at the share", of(cpuProfile(cpu(147, "main.work"), cpu(3, "runtime.evacuate_fast64", "runtime.growWork_fast64", "runtime.mapassign_fast64", "main.f"))), claim.Found, "info main.f"},
		{"CPU alone, below the share", of(cpuProfile(cpu(148, "main.work"), cpu(3, "runtime.evacuate_fast64", "runtime.growWork_fast64", "runtime.mapassign_fast64", "main.f"))), claim.Undecided, ""},
		{"CPU alone, below the samples", of(cpuProfile(cpu(20, "main.work"), cpu(2, "runtime.hashGrow", "runtime.mapassign", "main.f"))), claim.Undecided, ""},
		{"small maps made by the thousand", of(cpuProfile(cpu(90, "main.work"), cpu(10, "internal/runtime/maps.(*table).grow", "internal/runtime/maps.(*table).rehash", "runtime.mapassign_faststr", "main.f"))), claim.Undecided, ""},
		{"a map that is assigned to without growing", of(cpuProfile(cpu(20, "main.work"), cpu(50, "runtime.mapassign_faststr", "main.f"))), claim.Undecided, ""},
		{"maps built anew beside a steady heap", of(heapAt(0, kept(20, "main.g")), heapAt(600, kept(20, "main.g")), growing), claim.Found, "info main.(*Cache).Put"},
	})
	got := judge(t, MapGrowth, heapAt(0, swiss(200)...), heapAt(600, swiss(700)...), heapAt(1200, swiss(1200)...), growing).all.Findings
	if len(got) != 1 || got[0].Confidence == claim.Low || got[0].Variant != "map" {
		t.Errorf("heap and CPU together: %+v", got)
	}
	if got := judge(t, MapGrowth, heapAt(0, swiss(1)...)); got.result != claim.Undecided {
		t.Errorf("one small map: %s", got.result)
	}
}
