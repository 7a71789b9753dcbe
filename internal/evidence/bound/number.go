// Package bound keeps what evidence claims within what can be: numbers that come
// from files are added and multiplied without wrapping, and memory is taken from
// one budget for the whole case. It knows no kind of evidence.
package bound

import "unsafe"

// Integer is any integer.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// limits returns the least and the greatest value of a type.
func limits[T Integer]() (least, most T) {
	if most = ^T(0); most > 0 { // unsigned
		return 0, most
	}
	least = most << (8*unsafe.Sizeof(most) - 1)
	return least, ^least
}

// Add returns a + b, or the value of the type that is nearest to it.
func Add[T Integer](a, b T) T {
	least, most := limits[T]()
	switch sum := a + b; {
	case b > 0 && sum < a:
		return most
	case b < 0 && sum > a:
		return least
	default:
		return sum
	}
}

// Sub returns a - b, or the value of the type that is nearest to it: 0 for an
// unsigned b that is greater than a.
func Sub[T Integer](a, b T) T {
	least, most := limits[T]()
	switch d := a - b; {
	case b > 0 && d > a:
		return least
	case b < 0 && d < a:
		return most
	default:
		return d
	}
}

// Mul returns a * b, or the value of the type that is nearest to it.
func Mul[T Integer](a, b T) T {
	if a == 0 || b == 0 {
		return 0
	}
	least, most := limits[T]()
	p := a * b
	// The least number has no opposite: dividing it by -1 gives itself.
	if p/b == a && !(a == least && b < 0 && least < 0) && !(b == least && a < 0 && least < 0) {
		return p
	}
	if (a < 0) != (b < 0) {
		return least
	}
	return most
}

// Float returns a number as the nearest int64, and 0 for what is no number.
func Float(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return 1<<63 - 1
	case f < -1<<63:
		return -1 << 63
	}
	return int64(f)
}

// Int returns a number of a file as an int, or the nearest int to it.
func Int[T Integer](n T) int {
	const most = int(^uint(0) >> 1)
	if n > 0 && uint64(n) > uint64(most) {
		return most
	}
	return int(n)
}
