package evidence

import (
	"time"

	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/quantity"
)

// What is said of evidence is said in quantities: these are package quantity's own.
type (
	// Quantity is a number that never goes without its unit.
	Quantity = quantity.Quantity
	// Unit says what a number counts.
	Unit = quantity.Unit
)

// The units a Quantity can have.
const (
	Nanoseconds = quantity.Nanoseconds
	Bytes       = quantity.Bytes
	Count       = quantity.Count
	Share       = quantity.Share
	PerSecond   = quantity.PerSecond
	BytesPerSec = quantity.BytesPerSec
	SecPerSec   = quantity.SecPerSec
	Ratio       = quantity.Ratio
)

// Of is [quantity.Of].
func Of[N ~int | ~int64 | ~uint64 | ~float64](n N, u Unit) Quantity { return quantity.Of(n, u) }

// Part is [quantity.Part].
func Part[N ~int | ~int64 | ~uint64 | ~float64](part, whole N) Quantity {
	return quantity.Part(part, whole)
}

// Things is [quantity.Things].
func Things[N ~int | ~int64 | ~uint64](n N, noun prose.Text) prose.Text {
	return quantity.Things(n, noun)
}

// Amount is [quantity.Amount].
func Amount[N int | int64](n N, one, many prose.Text) prose.Text {
	return quantity.Amount(n, one, many)
}

// Plural is [quantity.Plural].
func Plural[N int | int64](n N, one, many prose.Text) prose.Text {
	return quantity.Plural(n, one, many)
}

// InUnit is [quantity.InUnit].
func InUnit(n int64, unit string) Quantity { return quantity.InUnit(n, unit) }

// Duration is [quantity.Duration].
func Duration(d time.Duration) Quantity { return quantity.Duration(d) }

// Size is [quantity.Size].
func Size(n int64) prose.Text { return quantity.Size(n) }

// Within is [quantity.Within].
func Within(d time.Duration) prose.Text { return quantity.Within(d) }

// Minutes is [quantity.Minutes].
func Minutes(d time.Duration) prose.Text { return quantity.Minutes(d) }
