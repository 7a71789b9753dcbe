package memory

import (
	"testing"

	"inquest/analyze/claim"
	. "inquest/internal/detecttest"
)

func TestLiveHeap(t *testing.T) {
	ExpectAll(t, LiveHeap, []Expect{
		{"who holds most", Of(HeapAt(0, Kept(20, "main.f"), Kept(10, "main.g"))), claim.Found, "info main.f"},
		{"the runtime holds most", Of(HeapAt(0, Kept(20, "runtime.bgscavenge"), Kept(10, "main.g"))), claim.Found, "info main.g"},
		{"the entry point holds most", Of(HeapAt(0, Kept(20, "main.main"), Kept(10, "main.g"))), claim.Found, "info main.g"},
		{"nobody else holds any", Of(HeapAt(0, Kept(20, "main.main"))), claim.Found, "info main.main"},
	})
	for blocks, want := range map[int64]claim.Confidence{1: claim.Low, 400: claim.Medium} {
		f := Judge(t, LiveHeap, HeapAt(0, Kept(3*blocks, "main.f"), Kept(2*blocks, "main.g"))).All.Findings
		if len(f) != 1 || f[0].Confidence != want {
			t.Errorf("%d: %+v, want %s", blocks, f, want)
		}
	}
}
