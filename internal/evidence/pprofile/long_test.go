package pprofile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"inquest/internal/evidence/bound"
)

// A profile may hold a name of any length. What is kept of it is bounded, and two such names stay two.
func TestLongNames(t *testing.T) {
	p := &profile.Profile{Period: 1e7, DurationNanos: 30e9, PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	for i, end := range []string{"a", "b"} {
		id := uint64(i + 1)
		name := "main." + strings.Repeat("x", 1<<20) + end + strings.Repeat("y", 1<<20)
		fn := &profile.Function{ID: id, Name: name, Filename: "/" + name}
		loc := &profile.Location{ID: id, Line: []profile.Line{{Function: fn, Line: 7}}}
		p.Function, p.Location = append(p.Function, fn), append(p.Location, loc)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{loc}, Value: []int64{1, 1e7}})
	}
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Samples) != 2 || got.Samples[0].Stack[0].Function == got.Samples[1].Stack[0].Function {
		t.Fatalf("%d samples, or two functions became one", len(got.Samples))
	}
	for _, s := range got.Samples {
		if f := s.Stack[0]; max(len(f.Function), len(f.File)) > bound.MaxText || !strings.HasPrefix(f.Function, "main.xxx") || !strings.HasSuffix(f.Function, "yyy") {
			t.Errorf("a name of %d bytes in a file of %d", len(f.Function), len(f.File))
		}
	}
}
