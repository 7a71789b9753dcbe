package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// ParseLimit reads "detector.limit=value", where the value is written in the
// limit's own unit: 5ms, 64MB, 30%, 0.3, 1000.
func ParseLimit(detectors []*claim.Detector, setting string) (name string, q evidence.Quantity, err error) {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return "", q, fmt.Errorf("limit %q: want detector.limit=value", setting)
	}
	l, err := findLimit(detectors, name)
	if err != nil {
		return "", q, err
	}
	q, err = ParseQuantity(value, l.Default.Unit)
	if err != nil {
		return "", q, fmt.Errorf("limit %s: %w", name, err)
	}
	return name, q, nil
}

func findLimit(detectors []*claim.Detector, name string) (claim.Limit, error) {
	id, limit, _ := strings.Cut(name, ".")
	for _, d := range append([]*claim.Detector{{ID: "impact", Limits: claim.ImpactLimits}}, detectors...) {
		if d.ID != id {
			continue
		}
		var names []string
		for _, l := range d.Limits {
			if l.Name == limit {
				return l, nil
			}
			names = append(names, l.Name)
		}
		return claim.Limit{}, fmt.Errorf("%s has no limit %q, it has %s", id, limit, strings.Join(names, ", "))
	}
	return claim.Limit{}, fmt.Errorf("limit %q: no detector %q", name, id)
}

// mostLimit is the largest number that a limit can have: what is larger is no duration and no size.
const mostLimit = 1e18

// ParseQuantity reads a number in a unit: 5ms, 64MB, 30%, 0.3, 1000.
func ParseQuantity(value string, unit evidence.Unit) (evidence.Quantity, error) {
	value = strings.TrimSpace(value)
	fail := func(want string) (evidence.Quantity, error) {
		return evidence.Quantity{}, fmt.Errorf("%q is not a %s", value, want)
	}
	var n float64
	switch unit {
	case evidence.Nanoseconds:
		d, err := time.ParseDuration(value)
		if err != nil {
			return fail("duration such as 5ms")
		}
		n = float64(d)
	case evidence.Bytes, evidence.BytesPerSec:
		b, err := humanize.ParseBytes(strings.TrimSuffix(value, "/s"))
		if err != nil {
			return fail("size such as 64MiB")
		}
		n = float64(b)
	case evidence.Share:
		number, percent := strings.CutSuffix(value, "%")
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return fail("share such as 30% or 0.3")
		}
		if percent {
			f /= 100
		}
		n = f
	default:
		f, err := strconv.ParseFloat(strings.TrimSuffix(value, "/s"), 64)
		if err != nil {
			return fail("number")
		}
		n = f
	}
	if !(n >= 0) || n > mostLimit {
		return fail("number a limit can have")
	}
	return evidence.Quantity{Number: n, Unit: unit}, nil
}

// checkLimits returns the overridden limits in a fixed order.
func checkLimits(detectors []*claim.Detector, limits map[string]evidence.Quantity) ([]claim.LimitUse, error) {
	var out []claim.LimitUse
	for name, q := range limits {
		if _, err := findLimit(detectors, name); err != nil {
			return nil, err
		}
		out = append(out, claim.LimitUse{Name: name, Quantity: q})
	}
	slices.SortFunc(out, func(a, b claim.LimitUse) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}
