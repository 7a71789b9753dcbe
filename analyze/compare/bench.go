package compare

// Benchmarks are the numbers of go test -bench.
type Benchmarks struct{}

// Benchmark is one benchmark's number on both sides.
type Benchmark struct{}

func compareBenchmarks(_, _ *Benchmarks, _ Options) (k Kind, b []Benchmark, ok bool) { return }
