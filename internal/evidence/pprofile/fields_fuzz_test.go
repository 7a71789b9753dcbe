package pprofile

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"inquest/.ci/mutate"
)

// FuzzFields damages recorded profiles field by field, so that the mutants are still
// messages and reach the code behind the decoder.
func FuzzFields(f *testing.F) {
	var profiles [][]byte
	files, err := filepath.Glob("testdata/go*/*")
	if err != nil || len(files) == 0 {
		f.Fatal("no profiles", err)
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		profiles = append(profiles, data)
		f.Add(uint8(i), uint64(i), uint64(7))
	}
	f.Fuzz(func(t *testing.T, which uint8, a, b uint64) {
		p, err := parse(mutate.Of(mutate.Profile, profiles[int(which)%len(profiles)], rand.New(rand.NewPCG(a, b))))
		if err != nil {
			if err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Errorf("unclear error: %q", err)
			}
			return
		}
		for _, s := range p.Samples {
			if len(s.Values) != len(p.Columns) || len(s.Stack) > maxDepth {
				t.Errorf("%d values for %d columns, %d frames", len(s.Values), len(p.Columns), len(s.Stack))
			}
		}
	})
}
