package exectrace

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestBuckets holds the steps to what was counted: none lost, none overlapping.
func TestBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []time.Duration
	for range 5000 {
		d := time.Duration(1) << rng.IntN(50)
		d += time.Duration(rng.Int64N(int64(d) + 1))
		all = append(all, d)
		h.Add(d)
	}
	h.Add(0)
	all = append(all, 0)
	var counted int64
	end := time.Duration(-1)
	for _, b := range h.Buckets() {
		if b.From <= end || b.To < b.From {
			t.Fatalf("bucket %v to %v after one that ends at %v", b.From, b.To, end)
		}
		end = b.To
		var n int64
		for _, d := range all {
			if d >= b.From && d <= b.To {
				n++
			}
		}
		if n != b.Count {
			t.Errorf("%v to %v: %d, want %d", b.From, b.To, b.Count, n)
		}
		counted += b.Count
	}
	if counted != h.Count {
		t.Errorf("%d counted, want %d", counted, h.Count)
	}
	if (&Histogram{}).Buckets() != nil {
		t.Error("an empty histogram has buckets")
	}
}
