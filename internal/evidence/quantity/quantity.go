// Package quantity is numbers that never go without their unit, and how they are written for people.
package quantity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
)

// Size is a number of bytes in words.
func Size(n int64) prose.Text { return Of(n, Bytes).Text() }

// Within tells a time span at the end of a sentence; nothing when it is unknown.
func Within(d time.Duration) prose.Text {
	if d <= 0 {
		return ""
	}
	return " within " + Duration(d).Text()
}

// Amount is a number of things in words: "1 goroutine waits", "12 goroutines wait".
func Amount[N int | int64](n N, one, many prose.Text) prose.Text {
	return Of(n, Count).Text() + " " + Plural(n, one, many)
}

// Minutes is a wait as dumps print it, in whole minutes (runtime/traceback.go, goroutineheader).
func Minutes(d time.Duration) prose.Text { return Things(int64(d/time.Minute), "minute") }

// Plural is what n things are called.
func Plural[N int | int64](n N, one, many prose.Text) prose.Text {
	if n == 1 {
		return one
	}
	return many
}

// Unit says what a number counts. The values are part of the JSON contract.
type Unit string

// The units a Quantity can have.
const (
	Nanoseconds Unit = "ns"    // a duration
	Bytes       Unit = "bytes" // memory or file size
	Count       Unit = "count" // a number of things, named by the fact that carries it
	Share       Unit = "share" // a part of a whole, 0 to 1; the whole is named by the fact
	PerSecond   Unit = "1/s"   // events per wall-clock second
	BytesPerSec Unit = "B/s"   // bytes per wall-clock second
	SecPerSec   Unit = "s/s"   // seconds of waiting or running per wall-clock second
	Ratio       Unit = "ratio" // one number over another of the same unit, unbounded
)

// Quantity is a number that never goes without its unit.
type Quantity struct {
	Number float64 `json:"number"`
	Unit   Unit    `json:"unit"`
}

// Of builds a Quantity from any numeric value.
func Of[N ~int | ~int64 | ~uint64 | ~float64](n N, u Unit) Quantity {
	return Quantity{float64(n), u}
}

// InUnit turns a value of a profile into a Quantity. The unit names are those of
// google/pprof (internal/measurement).
func InUnit(n int64, unit string) Quantity {
	switch unit {
	case "nanoseconds", "ns":
		return Of(n, Nanoseconds)
	case "microseconds", "us":
		return Of(float64(n)*1e3, Nanoseconds)
	case "milliseconds", "ms":
		return Of(float64(n)*1e6, Nanoseconds)
	case "seconds", "s":
		return Of(float64(n)*1e9, Nanoseconds)
	case "bytes":
		return Of(n, Bytes)
	case "count", "":
		return Of(n, Count)
	}
	return Of(n, Unit(unit))
}

// Duration returns d as a Quantity in nanoseconds.
func Duration(d time.Duration) Quantity { return Of(int64(d), Nanoseconds) }

// Duration returns a Quantity in nanoseconds as a duration, the nearest there is.
func (q Quantity) Duration() time.Duration { return time.Duration(bound.Float(q.Number)) }

// Things counts what a noun names: "1 stretch", "2 stretches", "1,200 waits".
func Things[N ~int | ~int64 | ~uint64](n N, noun prose.Text) prose.Text {
	count := prose.Of(prose.Number, humanize.Comma(int64(n))) + " "
	if n == 1 {
		return count + noun
	}
	return count + noun.Each(many)
}

// many is a noun in the plural.
func many(k prose.Kind, noun string) prose.Text {
	if strings.HasSuffix(noun, "ch") { // english knows "watch" only
		return prose.Of(k, noun+"es")
	}
	return prose.Of(k, english.PluralWord(2, noun, ""))
}

// Part returns part/whole as a share; a whole of zero gives zero.
func Part[N ~int | ~int64 | ~uint64 | ~float64](part, whole N) Quantity {
	if whole == 0 {
		return Quantity{0, Share}
	}
	return Quantity{float64(part) / float64(whole), Share}
}

// String formats the quantity for people: three significant digits, binary
// prefixes for memory as pprof and gctrace use them, and the unit's short name.
func (q Quantity) String() string {
	switch q.Unit {
	case Nanoseconds:
		return formatDuration(q.Number)
	case Bytes:
		return formatBytes(q.Number)
	case BytesPerSec:
		return formatBytes(q.Number) + "/s"
	case Share:
		return digits(q.Number*100) + " %"
	case PerSecond:
		return digits(q.Number) + "/s"
	case SecPerSec:
		return digits(q.Number) + " s/s"
	case Ratio:
		return digits(q.Number) + " x"
	case Count:
		if q.Number == math.Trunc(q.Number) && math.Abs(q.Number) < 1e15 {
			return humanize.Comma(int64(q.Number))
		}
		return digits(q.Number)
	}
	return digits(q.Number) + " " + string(q.Unit)
}

// Text marks it. A unit that a profile made up is what the profile says.
func (q Quantity) Text() prose.Text {
	switch q.Unit {
	case Nanoseconds, Bytes, BytesPerSec, Share, PerSecond, SecPerSec, Ratio, Count, "":
		return prose.Of(prose.Number, q.String())
	}
	return prose.Of(prose.Number, digits(q.Number)+" ") + prose.Of(prose.Said, string(q.Unit))
}

func formatBytes(n float64) string {
	if n < 0 {
		return "-" + formatBytes(-n)
	}
	return humanize.IBytes(uint64(bound.Float(n)))
}

func formatDuration(ns float64) string {
	abs := math.Abs(ns)
	switch {
	case abs < 1e3:
		return digits(ns) + " ns"
	case abs < 1e6:
		return digits(ns/1e3) + " µs"
	case abs < 1e9:
		return digits(ns/1e6) + " ms"
	case abs < 600e9:
		return digits(ns/1e9) + " s"
	}
	return fmt.Sprint(time.Duration(bound.Float(ns)).Round(time.Second))
}

// digits keeps three significant digits and never uses an exponent.
func digits(x float64) string {
	switch abs := math.Abs(x); {
	case abs >= 1000:
		return humanize.Comma(bound.Float(math.Round(x)))
	case abs >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case abs >= 10:
		return trimZeros(strconv.FormatFloat(x, 'f', 1, 64))
	case abs >= 0.1 || x == 0:
		return trimZeros(strconv.FormatFloat(x, 'f', 2, 64))
	}
	return trimZeros(strconv.FormatFloat(x, 'f', 4, 64))
}

func trimZeros(s string) string {
	i := len(s)
	for i > 0 && s[i-1] == '0' {
		i--
	}
	if i > 0 && s[i-1] == '.' {
		i--
	}
	return s[:i]
}
