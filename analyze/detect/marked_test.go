package detect_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// marked returns all detectors as they are, but that a test fails where they say something that redaction must guess the
// names of, or call a function what the evidence says, which redaction would take out as a whole; or "1 goroutines".
func marked(t *testing.T) []*claim.Detector {
	t.Helper()
	var failed sync.Map // detectors and kinds: each is reported once
	all := make([]*claim.Detector, len(detect.All))
	for i, d := range detect.All {
		c := *d
		c.Measures = slices.Clone(d.Measures)
		for j := range c.Measures {
			m := &c.Measures[j]
			run := m.Run
			m.Run = func(in *claim.Input) claim.Reading {
				r := run(in)
				if s, ok := markless(r); ok {
					if _, before := failed.LoadOrStore(d.ID+" "+string(m.Kind), true); !before {
						t.Errorf("%s says of the %s what is not marked as what it is, or one of something in the plural: %s", d.ID, m.Kind, s)
					}
				}
				return r
			}
		}
		all[i] = &c
	}
	return all
}

// markless returns a stretch of what a reading says that fails [marked], if there is one.
func markless(r claim.Reading) (found string, ok bool) {
	functions := map[string]bool{}
	each(reflect.ValueOf(r), func(s stack.Site) { functions[s.Function] = true })
	each(reflect.ValueOf(r), func(text claim.Text) {
		before, number := "", false
		for k, s := range text.Spans() {
			if k == prose.Old || k == prose.Said && functions[s] || number && plural(s) {
				found, ok = before+s, true
			}
			number = k == prose.Number && s == "1" && !strings.HasSuffix(before, "goroutine ")
			before = s
		}
	})
	return found, ok
}

// plural reports whether what stands behind a number begins with the name of several things.
func plural(s string) bool {
	word, _, _ := strings.Cut(strings.TrimPrefix(s, " "), " ")
	return strings.HasSuffix(word, "s") && !slices.Contains([]string{"is", "was", "has", "less", "waits", "sleeps", "stands"}, word)
}

// each visits every value of a type below v.
func each[T any](v reflect.Value, do func(T)) {
	if v.Type() == reflect.TypeFor[T]() {
		do(v.Interface().(T))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			each(v.Index(i), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				each(v.Field(i), do)
			}
		}
	}
}
