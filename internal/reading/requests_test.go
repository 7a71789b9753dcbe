package reading

import (
	"fmt"
	"testing"
)

// TestRequestsSumInOrder checks that a sum of fractions is the same each time.
func TestRequestsSumInOrder(t *testing.T) {
	var r Requests
	for i := range 50 {
		r.Add(fmt.Sprint("main.handler", i), 1/float64(3+i*i))
	}
	for range 200 {
		if a, b := r.Sum(), r.Sum(); a != b {
			t.Fatalf("%v and %v", a, b)
		}
	}
}
