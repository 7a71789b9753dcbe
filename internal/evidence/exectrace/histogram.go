package exectrace

import (
	"math/bits"
	"time"

	"inquest/internal/evidence/bound"
)

// Histogram counts durations in buckets that grow by a sixteenth of a power of
// two, so a quantile is at most 6.25 % above the true value. Two histograms
// merge exactly. The zero value is ready to use.
type Histogram struct {
	Count int64
	Sum   time.Duration
	Max   time.Duration
	bins  []uint32 // grown to the highest bucket used
}

const subBits = 4 // 16 buckets per power of two

func bucket(d time.Duration) int {
	if d < 1<<subBits {
		return int(max(d, 0))
	}
	exp := bits.Len64(uint64(d)) - subBits - 1
	return (exp+1)<<subBits | int(uint64(d)>>exp)&(1<<subBits-1)
}

// upper returns the highest duration that falls into a bucket.
func upper(b int) time.Duration {
	if b < 1<<subBits {
		return time.Duration(b)
	}
	exp := b>>subBits - 1
	return time.Duration((1<<subBits|b&(1<<subBits-1))+1)<<exp - 1
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	b := bucket(d)
	if b >= len(h.bins) {
		h.bins = append(h.bins, make([]uint32, b+1-len(h.bins))...)
	}
	h.bins[b]++
	h.Count++
	h.Sum = bound.Add(h.Sum, d)
	h.Max = max(h.Max, d)
}

// Merge adds all of o.
func (h *Histogram) Merge(o *Histogram) {
	if len(o.bins) > len(h.bins) {
		h.bins = append(h.bins, make([]uint32, len(o.bins)-len(h.bins))...)
	}
	for i, n := range o.bins {
		h.bins[i] += n
	}
	h.Count += o.Count
	h.Sum = bound.Add(h.Sum, o.Sum)
	h.Max = max(h.Max, o.Max)
}

// Quantile returns an upper bound of the q-quantile (0 to 1) that is at most
// 6.25 % too high; 0 when nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q*float64(h.Count-1)) + 1
	var seen int64
	for b, n := range h.bins {
		if seen += int64(n); seen >= rank && n > 0 {
			return min(upper(b), h.Max)
		}
	}
	return 0
}

// Mean returns the exact mean; 0 when nothing was counted.
func (h *Histogram) Mean() time.Duration {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / time.Duration(h.Count)
}

// Beyond returns the sum of what the counted durations exceed d by, at most
// 6.25 % too high.
func (h *Histogram) Beyond(d time.Duration) (sum time.Duration) {
	for b := bucket(d); b < len(h.bins); b++ {
		sum = bound.Add(sum, bound.Mul(max(min(upper(b), h.Max)-d, 0), time.Duration(h.bins[b])))
	}
	return sum
}

// Bucket is how many durations from From to To, both included, were counted.
type Bucket struct {
	From, To time.Duration
	Count    int64
}

// Buckets returns what was counted in steps of half a power of two, lowest
// first, those that hold nothing left out.
func (h *Histogram) Buckets() []Bucket {
	const per = 1 << (subBits - 1)
	var out []Bucket
	for from := 0; from < len(h.bins); from += per {
		b := Bucket{To: upper(from + per - 1)}
		if from > 0 {
			b.From = upper(from-1) + 1
		}
		for _, n := range h.bins[from:min(from+per, len(h.bins))] {
			b.Count += int64(n)
		}
		if b.Count > 0 {
			out = append(out, b)
		}
	}
	return out
}

// Above returns how many counted durations were at least d, to the
// precision of a bucket, and their summed upper bounds.
func (h *Histogram) Above(d time.Duration) (n int64) {
	for b := bucket(d); b < len(h.bins); b++ {
		n += int64(h.bins[b])
	}
	return n
}
