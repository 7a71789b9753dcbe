package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"inquest/analyze/evidence"
)

// ParseLimit reads "detector.limit=value", where the value is written in the
// limit's own unit: 5ms, 64MB, 30%, 0.3, 1000.
func ParseLimit(detectors []*Detector, setting string) (name string, q evidence.Quantity, err error) {
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

func findLimit(detectors []*Detector, name string) (Limit, error) {
	id, limit, _ := strings.Cut(name, ".")
	for _, d := range append([]*Detector{{ID: "impact", Limits: ImpactLimits}}, detectors...) {
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
		return Limit{}, fmt.Errorf("%s has no limit %q, it has %s", id, limit, strings.Join(names, ", "))
	}
	return Limit{}, fmt.Errorf("limit %q: no detector %q", name, id)
}

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
	if !(n >= 0) || n > 1e18 {
		return fail("number a limit can have")
	}
	return evidence.Quantity{Number: n, Unit: unit}, nil
}

// limitsOf returns the limits in force for a detector: its own by their names, and
// those of impact.
func limitsOf(d *Detector, settings map[string]evidence.Quantity) map[string]evidence.Quantity {
	out := map[string]evidence.Quantity{}
	put := func(prefix, id string, limits []Limit) {
		for _, l := range limits {
			out[prefix+l.Name] = l.Default
			if q, ok := settings[id+"."+l.Name]; ok {
				out[prefix+l.Name] = q
			}
		}
	}
	put("", d.ID, d.Limits)
	put("impact.", "impact", ImpactLimits)
	return out
}

// checkLimits returns the overridden limits in a fixed order.
func checkLimits(detectors []*Detector, limits map[string]evidence.Quantity) ([]LimitUse, error) {
	var out []LimitUse
	for name, q := range limits {
		if _, err := findLimit(detectors, name); err != nil {
			return nil, err
		}
		out = append(out, LimitUse{Name: name, Quantity: q})
	}
	slices.SortFunc(out, func(a, b LimitUse) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Validate reports what a detector lacks to be complete: a test holds every
// detector to it.
func (d *Detector) Validate() error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if d.ID == "" || strings.ToLower(d.ID) != d.ID || strings.ContainsAny(d.ID, " _.") {
		fault("id %q is not kebab-case", d.ID)
	}
	if d.Title == "" || d.Doc == "" || len(d.Fix) == 0 || len(d.Measures) == 0 {
		fault("needs a title, a doc, a fix and a measure")
	}
	seen := map[string]bool{}
	for _, l := range d.Limits {
		if !strings.HasPrefix(l.Name, "min-") && !strings.HasPrefix(l.Name, "max-") {
			fault("limit %q does not begin with min- or max-", l.Name)
		}
		if l.Default.Unit == "" || l.Doc == "" || l.Source == "" {
			fault("limit %q needs a unit, a doc and a source", l.Name)
		}
		if seen[l.Name] {
			fault("limit %q is declared twice", l.Name)
		}
		seen[l.Name] = true
	}
	for _, m := range d.Measures {
		if m.Doc == "" || m.Run == nil {
			fault("measure of %s needs a doc and a function", m.Kind)
		}
		if seen[string(m.Kind)] {
			fault("two measures of %s", m.Kind)
		}
		seen[string(m.Kind)] = true
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s: %s", d.ID, strings.Join(faults, "; "))
	}
	return nil
}
