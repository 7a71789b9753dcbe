package compare

import (
	"math"
	"strings"
	"testing"
)

// FuzzBenchmarks compares output of go test -bench that is anything: effects and
// probabilities are numbers that JSON can hold.
func FuzzBenchmarks(f *testing.F) {
	for _, s := range []string{
		"BenchmarkX-2 100 10 ns/op 5 B/op\nBenchmarkX-2 100 11 ns/op 5 B/op\n",
		"pkg: a/b\nUnit ns/op better=lower\nBenchmarkX 1 1e300 ns/op\n", "BenchmarkX 1 -5 ns/op\nBenchmarkX 0 0 MB/s\n", "BenchmarkX 1 NaN x\n", "goos: linux\n\nPASS\n",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1<<15 {
			return
		}
		var before, after Benchmarks
		if before.Read("before", strings.NewReader(a)) != nil || after.Read("after", strings.NewReader(b)) != nil {
			return
		}
		_, all, ok := compareBenchmarks(&before, &after, Options{})
		if !ok {
			return
		}
		for _, x := range all {
			for _, v := range []float64{x.Before, x.After, x.Effect, x.P, x.Q} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%q, %q: %+v", a, b, x)
				}
			}
		}
	})
}
