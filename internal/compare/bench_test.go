package compare

import (
	"strings"
	"testing"
)

// TestBenchmarksThatCannotBe checks that results no benchmark gives are refused by name.
func TestBenchmarksThatCannotBe(t *testing.T) {
	for line, why := range map[string]string{
		"BenchmarkA-2 10 100 ns/op":              "",
		"BenchmarkA-2 10 -5 ns/op":               "f.txt: BenchmarkA-2: -5e-09 sec/op cannot have been measured",
		"BenchmarkA-2 10 100 ns/op -1 B/op":      "f.txt: BenchmarkA-2: -1 B/op cannot have been measured",
		"BenchmarkA-2 10 100 ns/op -1 drift":     "",
		"BenchmarkA-2 10 1e308 ns/op":            "f.txt: BenchmarkA-2: 1e+299 sec/op cannot have been measured",
		"BenchmarkA-2 10 100 ns/op -1e300 drift": "f.txt: BenchmarkA-2: -1e+300 drift cannot have been measured",
	} {
		said := ""
		if err := new(Benchmarks).Read("f.txt", strings.NewReader(line+"\n")); err != nil {
			said = err.Error()
		}
		if said != why {
			t.Errorf("%s: %q, want %q", line, said, why)
		}
	}
}
