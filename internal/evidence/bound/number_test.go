package bound

import (
	"math"
	"math/big"
	"testing"
)

// What does not fit becomes the nearest value that does, as exact arithmetic says.
func TestArithmeticSaturates(t *testing.T) {
	signed := []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt64 / 2, -1 << 32, -3, -1, 0, 1, 2, 3, 1 << 32, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64}
	unsigned := []uint64{0, 1, 2, 1 << 32, 1<<32 + 1, math.MaxUint64 / 2, math.MaxUint64 - 1, math.MaxUint64}
	ops := map[string]func(x, a, b *big.Int) *big.Int{"+": (*big.Int).Add, "-": (*big.Int).Sub, "*": (*big.Int).Mul}
	for name, exact := range ops {
		for _, a := range signed {
			for _, b := range signed {
				want := exact(new(big.Int), big.NewInt(a), big.NewInt(b))
				if want.Cmp(big.NewInt(math.MaxInt64)) > 0 {
					want.SetInt64(math.MaxInt64)
				} else if want.Cmp(big.NewInt(math.MinInt64)) < 0 {
					want.SetInt64(math.MinInt64)
				}
				got := map[string]func(a, b int64) int64{"+": Add[int64], "-": Sub[int64], "*": Mul[int64]}[name](a, b)
				if got != want.Int64() {
					t.Errorf("%d %s %d = %d, want %d", a, name, b, got, want)
				}
			}
		}
		for _, a := range unsigned {
			for _, b := range unsigned {
				want := exact(new(big.Int), new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
				if want.Sign() < 0 {
					want.SetInt64(0)
				} else if !want.IsUint64() {
					want.SetUint64(math.MaxUint64)
				}
				got := map[string]func(a, b uint64) uint64{"+": Add[uint64], "-": Sub[uint64], "*": Mul[uint64]}[name](a, b)
				if got != want.Uint64() {
					t.Errorf("%d %s %d = %d, want %d", a, name, b, got, want)
				}
			}
		}
	}
	if Add[int8](100, 100) != 127 || Sub[int8](-100, 100) != -128 || Mul[uint8](16, 16) != 255 {
		t.Error("small types do not saturate")
	}
	for f, want := range map[float64]int64{math.Inf(1): math.MaxInt64, math.Inf(-1): math.MinInt64, 1 << 63: math.MaxInt64, -1 << 63: math.MinInt64, 1e300: math.MaxInt64, -7.9: -7, 0: 0} {
		if got := Float(f); got != want {
			t.Errorf("Float(%g) = %d, want %d", f, got, want)
		}
	}
	if Float(math.NaN()) != 0 {
		t.Error("what is no number is one")
	}
	if Int(uint64(math.MaxUint64)) != math.MaxInt || Int(int64(math.MinInt64)) != math.MinInt || Int(uint8(7)) != 7 {
		t.Error("Int is not the nearest int")
	}
}
