package exectrace

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayoutOfEventsIsKnown(t *testing.T) {
	if !layoutKnown {
		t.Error("trace.Event of this x/exp/trace lies in memory otherwise than direct.go knows: reading works, but slower")
	}
}

// TestDirectEqualsAccessors reads traces of all versions both ways.
func TestDirectEqualsAccessors(t *testing.T) {
	if !layoutKnown {
		t.Skip("there is one way only")
	}
	defer func() { layoutKnown = true }()
	files, err := filepath.Glob("testdata/versions/*.trace")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		b := load(t, filepath.Base(name))
		layoutKnown = true
		got := read(t, b, 1)
		layoutKnown = false
		if d := cmp.Diff(read(t, b, 1), got, exact); d != "" {
			t.Errorf("%s: fields read in place differ from what the accessors say (-accessors +direct):\n%s", name, d)
		}
	}
}
