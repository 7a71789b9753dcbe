package detect

import (
	"testing"

	"inquest/analyze/claim"
)

func TestLiveHeap(t *testing.T) {
	expectAll(t, LiveHeap, []expect{
		{"who holds most", of(heapAt(0, kept(20, "main.f"), kept(10, "main.g"))), claim.Found, "info main.f"},
		{"the runtime holds most", of(heapAt(0, kept(20, "runtime.bgscavenge"), kept(10, "main.g"))), claim.Found, "info main.g"},
		{"the entry point holds most", of(heapAt(0, kept(20, "main.main"), kept(10, "main.g"))), claim.Found, "info main.g"},
		{"nobody else holds any", of(heapAt(0, kept(20, "main.main"))), claim.Found, "info main.main"},
	})
	for blocks, want := range map[int64]claim.Confidence{1: claim.Low, 400: claim.Medium} {
		f := judge(t, LiveHeap, heapAt(0, kept(3*blocks, "main.f"), kept(2*blocks, "main.g"))).all.Findings
		if len(f) != 1 || f[0].Confidence != want {
			t.Errorf("%d: %+v, want %s", blocks, f, want)
		}
	}
}
