package reading

import (
	"maps"
	"slices"
)

// Requests counts goroutines by the handler of the request they are in.
type Requests map[string]float64

// Add counts n goroutines of a handler.
func (r *Requests) Add(handler string, n float64) {
	if *r == nil {
		*r = Requests{}
	}
	if handler != "" {
		(*r)[handler] += n
	}
}

// Sum is how many there are of any handler.
func (r Requests) Sum() float64 { return r.Alike(r) }

// Alike is how many of all requests are of the handlers of these.
func (r Requests) Alike(all Requests) (n float64) {
	for _, handler := range slices.Sorted(maps.Keys(r)) { // a sum of fractions hangs on its order
		n += all[handler]
	}
	return n
}
